"""Every operation on certificates through the asynchronous client with the asynchronous credential."""

from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.certificates import AdministratorContact, CertificateContact, CertificatePolicy, LifetimeAction
from cryptography import x509

from harness.certificates_made import der, pfx, self_signed

pytest_plugins = ["harness.certificates_fixtures"]


def policy(issuer: str = "Unknown", **parts) -> CertificatePolicy:
    return CertificatePolicy(issuer, subject="CN=example.com", key_type="EC", key_curve_name="P-256", **parts)


@pytest.fixture
def aclient(certificate_aclient):
    return certificate_aclient


@pytest.fixture
async def imported(aclient, name):
    """A certificate under the test's name."""
    return await aclient.import_certificate(name, pfx(*self_signed()), tags={"a": "b"})


@pytest.fixture
async def pending(aclient, name):
    """A certificate that waits for its merge."""
    return await aclient.create_certificate(name, policy())


def test_every_operation_of_the_client_is_called_here():
    from azure.keyvault.certificates.aio import CertificateClient

    text = Path(__file__).read_text()
    public = {name for name in dir(CertificateClient) if not name.startswith("_")} - {"close", "send_request", "vault_url"}
    assert len(public) > 25
    assert {name for name in public if f"aclient.{name}(" not in text} == set()


async def test_create_waits_until_the_certificate_is_there(aclient, name):
    made = await aclient.create_certificate(name, policy("Self"), tags={"a": "b"}, _polling_interval=0.5)
    certificate = x509.load_der_x509_certificate(bytes(made.cer))
    assert certificate.subject.rfc4514_string() == "CN=example.com"
    assert (made.name, made.properties.enabled, made.properties.tags) == (name, True, {"a": "b"})


async def test_what_waits_for_a_merge_is_in_progress_and_is_cancelled(aclient, pending, name):
    found = await aclient.get_certificate_operation(name)
    assert (found.name, found.status, found.issuer_name) == (name, "inProgress", "Unknown")
    assert x509.load_der_x509_csr(bytes(found.csr)).is_signature_valid
    assert (await aclient.cancel_certificate_operation(name)).cancellation_requested is True
    assert (await aclient.get_certificate_operation(name)).status in ("cancelled", "canceled")


async def test_a_pending_operation_is_deleted(aclient, pending, name):
    assert (await aclient.delete_certificate_operation(name)).name == name
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_certificate_operation(name)


async def test_a_signed_request_is_merged(aclient, pending, authority, name):
    signed = authority.answer(x509.load_der_x509_csr(bytes(pending.csr)))
    merged = await aclient.merge_certificate(name, [der(signed), der(authority.certificate)], tags={"c": "d"})
    assert (bytes(merged.cer), merged.properties.tags) == (der(signed), {"c": "d"})


async def test_a_certificate_is_read_by_name_and_by_version(aclient, imported, name):
    latest = await aclient.get_certificate(name)
    version = await aclient.get_certificate_version(name, imported.properties.version)
    assert latest.id == version.id == imported.id
    assert bytes(latest.cer) == bytes(version.cer) == bytes(imported.cer)


async def test_update_changes_what_it_is_given(aclient, imported, name):
    await aclient.update_certificate_properties(name, enabled=False)
    await aclient.update_certificate_properties(name, tags={"c": "d"})
    read = (await aclient.get_certificate(name)).properties
    assert (read.enabled, read.tags) == (False, {"c": "d"})


async def test_the_lists_have_the_certificate_and_its_versions(aclient, imported, name):
    second = await aclient.import_certificate(name, pfx(*self_signed()))
    assert [item.name async for item in aclient.list_properties_of_certificates()].count(name) == 1
    listed = {item.version async for item in aclient.list_properties_of_certificate_versions(name)}
    assert listed == {imported.properties.version, second.properties.version}


async def test_the_policy_is_read_and_changed(aclient, imported, name):
    action = LifetimeAction("EmailContacts", days_before_expiry=10)
    await aclient.update_certificate_policy(name, CertificatePolicy("Unknown", lifetime_actions=[action]))
    read = await aclient.get_certificate_policy(name)
    assert [(one.action, one.days_before_expiry) for one in read.lifetime_actions] == [("EmailContacts", 10)]
    assert (read.issuer_name, read.subject, read.key_type) == ("Unknown", "CN=leaf", "EC")


async def test_a_deleted_certificate_is_found_and_recovered(aclient, imported, name):
    deleted = await aclient.delete_certificate(name)
    assert deleted.name == name
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_certificate(name)
    assert bytes((await aclient.get_deleted_certificate(name)).cer) == bytes(imported.cer)
    assert name in [item.name async for item in aclient.list_deleted_certificates()]
    assert (await aclient.recover_deleted_certificate(name)).name == name
    assert (await aclient.get_certificate(name)).id == imported.id


async def test_a_purged_certificate_is_restored_from_its_backup(aclient, imported, name):
    backup = await aclient.backup_certificate(name)
    with pytest.raises(ResourceExistsError):
        await aclient.restore_certificate_backup(backup)
    await aclient.delete_certificate(name)
    await aclient.purge_deleted_certificate(name)
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_deleted_certificate(name)
    assert (await aclient.restore_certificate_backup(backup)).id == imported.id


async def test_contacts_are_set_read_and_deleted(aclient):
    def shown(contacts):
        return [(one.email, one.name, one.phone) for one in contacts]

    told = [("a@example.com", "A", "1"), ("b@example.com", None, None)]
    assert shown(await aclient.set_contacts([CertificateContact(*one) for one in told])) == told
    assert shown(await aclient.get_contacts()) == told
    assert shown(await aclient.delete_contacts()) == told
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_contacts()


async def test_an_issuer_is_set_changed_listed_and_deleted(aclient, name):
    person = AdministratorContact(first_name="A", last_name="B", email="a@example.com", phone="1")
    await aclient.create_issuer(name, "Test", account_id="account", password="password", admin_contacts=[person])
    await aclient.update_issuer(name, enabled=False)
    read = await aclient.get_issuer(name)
    assert (read.provider, read.account_id, read.password, read.enabled) == ("Test", "account", None, False)
    assert [one.email for one in read.admin_contacts] == ["a@example.com"]
    assert {item.name: item.provider async for item in aclient.list_properties_of_issuers()}[name] == "Test"
    assert (await aclient.delete_issuer(name)).name == name
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_issuer(name)


async def test_a_wrong_password_of_a_container_is_refused(aclient, name):
    with pytest.raises(HttpResponseError) as refused:
        await aclient.import_certificate(name, pfx(*self_signed(), "right"), password="wrong")
    assert refused.value.status_code == 400
