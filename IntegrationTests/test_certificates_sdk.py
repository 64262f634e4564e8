"""Every operation on certificates through the unmodified Python client, challenge verification on."""

from datetime import timedelta

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.certificates import (
    AdministratorContact,
    CertificateContact,
    CertificateContentType,
    CertificatePolicy,
    LifetimeAction,
)
from cryptography import x509

from harness.certificates_made import der, pem, pfx, public_der, self_signed

pytest_plugins = ["harness.certificates_fixtures"]


def policy(issuer: str = "Unknown", **parts) -> CertificatePolicy:
    return CertificatePolicy(issuer, subject="CN=example.com", key_type="EC", key_curve_name="P-256", **parts)


def begin(client, name: str):
    """A certificate that waits for its merge: the client does not poll for it."""
    return client.begin_create_certificate(name, policy()).result()


def delete(client, name: str):
    return client.begin_delete_certificate(name).result()


@pytest.fixture
def imported(certificate_client, name):
    """A certificate under the test's name."""
    return certificate_client.import_certificate(name, pfx(*self_signed()), tags={"a": "b"})


# Create


@pytest.mark.operation("CertificateCreate")
def test_create_waits_until_the_certificate_is_there(certificate_client, name):
    made = certificate_client.begin_create_certificate(name, policy("Self"), tags={"a": "b"}, _polling_interval=1).result()
    certificate = x509.load_der_x509_certificate(bytes(made.cer))
    assert certificate.subject.rfc4514_string() == "CN=example.com"
    assert certificate.issuer == certificate.subject
    assert (made.name, made.properties.enabled, made.properties.tags) == (name, True, {"a": "b"})
    assert made.policy.issuer_name == "Self"


@pytest.mark.operation("CertificatePendingGet")
def test_what_waits_for_a_merge_is_in_progress(certificate_client, name):
    begin(certificate_client, name)
    pending = certificate_client.get_certificate_operation(name)
    assert (pending.name, pending.status, pending.issuer_name) == (name, "inProgress", "Unknown")
    assert x509.load_der_x509_csr(bytes(pending.csr)).is_signature_valid


@pytest.mark.operation("CertificatePendingUpdate")
def test_what_is_in_progress_is_cancelled(certificate_client, name):
    begin(certificate_client, name)
    assert certificate_client.cancel_certificate_operation(name).cancellation_requested is True
    assert certificate_client.get_certificate_operation(name).status in ("cancelled", "canceled")


@pytest.mark.operation("CertificatePendingDelete")
def test_a_pending_operation_is_deleted(certificate_client, name):
    begin(certificate_client, name)
    assert certificate_client.delete_certificate_operation(name).name == name
    with pytest.raises(ResourceNotFoundError):
        certificate_client.get_certificate_operation(name)


@pytest.mark.operation("CertificatePendingMerge")
def test_a_signed_request_is_merged(certificate_client, authority, name):
    pending = begin(certificate_client, name)
    signed = authority.answer(x509.load_der_x509_csr(bytes(pending.csr)))
    merged = certificate_client.merge_certificate(name, [der(signed), der(authority.certificate)], tags={"c": "d"})
    assert (bytes(merged.cer), merged.properties.tags) == (der(signed), {"c": "d"})
    assert bytes(certificate_client.get_certificate(name).cer) == der(signed)


# Import


@pytest.mark.operation("CertificateImport")
@pytest.mark.parametrize("password", ["", "secret"])
def test_a_pfx_is_imported(certificate_client, name, password):
    key, certificate = self_signed()
    made = certificate_client.import_certificate(name, pfx(key, certificate, password), password=password or None)
    assert bytes(made.cer) == der(certificate)
    assert made.policy.content_type == CertificateContentType.pkcs12


@pytest.mark.operation("CertificateImport")
def test_pem_is_imported(certificate_client, name):
    key, certificate = self_signed()
    wanted = CertificatePolicy(content_type=CertificateContentType.pem)
    made = certificate_client.import_certificate(name, pem(key, certificate).encode(), policy=wanted)
    assert bytes(made.cer) == der(certificate)
    assert public_der(x509.load_der_x509_certificate(bytes(made.cer))) == public_der(key)


# Get, update, lists


@pytest.mark.operation("CertificateGet")
def test_a_certificate_is_read_by_name_and_by_version(certificate_client, imported, name):
    latest = certificate_client.get_certificate(name)
    version = certificate_client.get_certificate_version(name, imported.properties.version)
    assert latest.id == version.id == imported.id
    assert bytes(latest.cer) == bytes(version.cer) == bytes(imported.cer)


@pytest.mark.operation("CertificateUpdate")
def test_update_changes_what_it_is_given(certificate_client, imported, name):
    certificate_client.update_certificate_properties(name, enabled=False)
    certificate_client.update_certificate_properties(name, tags={"c": "d"})
    read = certificate_client.get_certificate(name).properties
    assert (read.enabled, read.tags) == (False, {"c": "d"})


@pytest.mark.operation("CertificateList")
def test_the_list_has_the_certificate_once(certificate_client, imported, name):
    certificate_client.import_certificate(name, pfx(*self_signed()))
    found = [item for item in certificate_client.list_properties_of_certificates() if item.name == name]
    assert [item.id for item in found] == [f"{certificate_client.vault_url}/certificates/{name}"]


@pytest.mark.operation("CertificateListVersions")
def test_the_list_of_versions_has_every_version(certificate_client, imported, name):
    second = certificate_client.import_certificate(name, pfx(*self_signed()))
    listed = {item.version for item in certificate_client.list_properties_of_certificate_versions(name)}
    assert listed == {imported.properties.version, second.properties.version}


# Policy


@pytest.mark.operation("CertificatePolicyGet")
def test_the_policy_of_an_import_follows_from_the_certificate(certificate_client, imported, name):
    read = certificate_client.get_certificate_policy(name)
    assert (read.issuer_name, read.subject, read.key_type, read.key_curve_name) == ("Unknown", "CN=leaf", "EC", "P-256")


@pytest.mark.operation("CertificatePolicyUpdate")
def test_the_policy_is_changed_and_the_rest_stays(certificate_client, imported, name):
    action = LifetimeAction("EmailContacts", days_before_expiry=10)
    certificate_client.update_certificate_policy(name, CertificatePolicy("Unknown", lifetime_actions=[action]))
    read = certificate_client.get_certificate_policy(name)
    assert [(one.action, one.days_before_expiry) for one in read.lifetime_actions] == [("EmailContacts", 10)]
    assert (read.subject, read.key_type) == ("CN=leaf", "EC")


# Delete, recover, purge


@pytest.mark.operation("CertificateDelete")
def test_a_deleted_certificate_is_gone(certificate_client, imported, name):
    deleted = delete(certificate_client, name)
    assert deleted.scheduled_purge_date - deleted.deleted_on == timedelta(days=imported.properties.recoverable_days)
    with pytest.raises(ResourceNotFoundError):
        certificate_client.get_certificate(name)


@pytest.mark.operation("CertificateGetDeleted")
def test_a_deleted_certificate_can_be_looked_up(certificate_client, imported, name):
    delete(certificate_client, name)
    found = certificate_client.get_deleted_certificate(name)
    assert (found.name, bytes(found.cer)) == (name, bytes(imported.cer))
    assert found.recovery_id == f"{certificate_client.vault_url}/deletedcertificates/{name}"


@pytest.mark.operation("CertificateListDeleted")
def test_the_list_of_deleted_certificates_has_it(certificate_client, imported, name):
    delete(certificate_client, name)
    assert name in [item.name for item in certificate_client.list_deleted_certificates()]


@pytest.mark.operation("CertificateRecover")
def test_recover_brings_it_back(certificate_client, imported, name):
    delete(certificate_client, name)
    assert certificate_client.begin_recover_deleted_certificate(name).result().name == name
    assert certificate_client.get_certificate(name).id == imported.id


@pytest.mark.operation("CertificatePurge")
def test_a_purged_certificate_is_gone_for_good(certificate_client, imported, name):
    delete(certificate_client, name)
    certificate_client.purge_deleted_certificate(name)
    with pytest.raises(ResourceNotFoundError):
        certificate_client.get_deleted_certificate(name)
    assert certificate_client.import_certificate(name, pfx(*self_signed())).id != imported.id


# Backup and restore


@pytest.mark.operation("CertificateBackup")
@pytest.mark.operation("CertificateRestore")
def test_restore_brings_back_every_version(certificate_client, imported, name):
    second = certificate_client.import_certificate(name, pfx(*self_signed()))
    backup = certificate_client.backup_certificate(name)
    with pytest.raises(ResourceExistsError):
        certificate_client.restore_certificate_backup(backup)
    delete(certificate_client, name)
    certificate_client.purge_deleted_certificate(name)
    assert certificate_client.restore_certificate_backup(backup).id == second.id
    first = certificate_client.get_certificate_version(name, imported.properties.version)
    assert bytes(first.cer) == bytes(imported.cer)


# Contacts


@pytest.mark.operation("CertificateContactsSet")
@pytest.mark.operation("CertificateContactsGet")
@pytest.mark.operation("CertificateContactsDelete")
def test_contacts_are_set_read_and_deleted(certificate_client):
    def shown(contacts):
        return [(one.email, one.name, one.phone) for one in contacts]

    wanted = [CertificateContact(email="a@example.com", name="A", phone="1"), CertificateContact(email="b@example.com")]
    told = [("a@example.com", "A", "1"), ("b@example.com", None, None)]
    assert shown(certificate_client.set_contacts(wanted)) == told
    assert shown(certificate_client.get_contacts()) == told
    assert shown(certificate_client.delete_contacts()) == told
    with pytest.raises(ResourceNotFoundError):
        certificate_client.get_contacts()


# Issuers


@pytest.mark.operation("CertificateIssuerSet")
@pytest.mark.operation("CertificateIssuerGet")
def test_an_issuer_is_set_and_read(certificate_client, name):
    person = AdministratorContact(first_name="A", last_name="B", email="a@example.com", phone="1")
    certificate_client.create_issuer(
        name, "Test", account_id="account", password="password", organization_id="org", admin_contacts=[person]
    )
    read = certificate_client.get_issuer(name)
    assert (read.name, read.provider, read.account_id, read.password) == (name, "Test", "account", None)
    assert (read.enabled, read.organization_id) == (True, "org")
    assert [(one.first_name, one.last_name, one.email, one.phone) for one in read.admin_contacts] == [
        ("A", "B", "a@example.com", "1")
    ]


@pytest.mark.operation("CertificateIssuerUpdate")
def test_an_issuer_is_changed_and_the_rest_stays(certificate_client, name):
    certificate_client.create_issuer(name, "Test", account_id="account")
    certificate_client.update_issuer(name, enabled=False)
    read = certificate_client.get_issuer(name)
    assert (read.enabled, read.provider, read.account_id) == (False, "Test", "account")


@pytest.mark.operation("CertificateIssuersList")
def test_the_list_has_the_issuer(certificate_client, name):
    certificate_client.create_issuer(name, "Test")
    listed = {item.name: item.provider for item in certificate_client.list_properties_of_issuers()}
    assert listed[name] == "Test"


@pytest.mark.operation("CertificateIssuerDelete")
def test_a_deleted_issuer_is_gone(certificate_client, name):
    certificate_client.create_issuer(name, "Test")
    assert certificate_client.delete_issuer(name).name == name
    with pytest.raises(ResourceNotFoundError):
        certificate_client.get_issuer(name)


def test_an_issuer_that_is_not_there_cannot_be_asked(certificate_client, name):
    with pytest.raises(HttpResponseError) as refused:
        certificate_client.begin_create_certificate(name, policy(name))
    assert refused.value.status_code == 400
