"""Secrets of certificates in another form, the version before, and the order of a chain, as newer api-versions have them."""

import base64

import pytest
from azure.keyvault.secrets import ApiVersion, ContentType
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from harness.certificates_made import PEM, PKCS12, Authority, certificate_of, common, new_key, pem, pfx, public_der, self_signed
from harness.certificates_wire import Certificates, policy, refusal, version_of
from harness.clients import secret_client_for
from harness.keys_wire import done
from harness.versions import ALL

pytest_plugins = ["harness.certificates_fixtures"]

OLDER, NEWER = ALL[: ALL.index("2025-07-01")], ALL[ALL.index("2025-07-01") :]
AS_PEM, AS_PKCS12 = {"secret_props": {"contentType": PEM}}, {"secret_props": {"contentType": PKCS12}}


@pytest.fixture(scope="module")
def chained() -> tuple:
    """A key, its certificate, and the chain above it."""
    root, key = Authority("Root"), new_key()
    between = Authority("Between")
    between.certificate = root.issue(between.key.public_key(), common("Between"), authority=True)
    return key, between.issue(key.public_key(), common("leaf")), (between.certificate, root.certificate)


@pytest.fixture(scope="module")
def container(chained) -> bytes:
    key, leaf, chain = chained
    return pfx(key, leaf, chain=chain)


def ask(certificates: Certificates, name: str, wanted: str, version: str = "", api: str = NEWER[0]):
    return certificates.wire.get(f"/secrets/{name}/{version}", query={"outContentType": wanted}, version=api)


# A container as text


def assert_is_text_of(secret: dict, chained: tuple) -> None:
    key, leaf, chain = chained
    assert secret["contentType"] == PEM
    assert secret["value"].startswith("-----BEGIN PRIVATE KEY-----\n") and secret["value"].count("PRIVATE KEY") == 2
    assert public_der(load_pem_private_key(secret["value"].encode(), None)) == public_der(key)
    assert x509.load_pem_x509_certificates(secret["value"].encode()) == [leaf, *chain]


@pytest.mark.parametrize("api", NEWER)
def test_a_container_is_given_as_text_with_the_key_the_leaf_and_the_chain(certificates, chained, container, name, api):
    certificates.import_(name, container)
    assert_is_text_of(done(ask(certificates, name, PEM, api=api)), chained)


def test_any_version_is_given_as_text(certificates, chained, container, name):
    first = version_of(certificates.import_(name, container))
    certificates.import_(name, pfx(*self_signed()))
    assert_is_text_of(done(ask(certificates, name, PEM, first)), chained)


def test_all_else_is_told_as_without_it(certificates, container, name):
    certificates.import_(name, container, tags={"a": "b"})
    plain, text = done(ask(certificates, name, PKCS12)), done(ask(certificates, name, PEM))
    other = {"value", "contentType"}
    assert {key: value for key, value in plain.items() if key not in other} == {
        key: value for key, value in text.items() if key not in other
    }


def test_what_was_made_here_is_given_as_text(certificates, name):
    made = certificates.create(name, policy(key={"kty": "RSA"}))
    text = done(ask(certificates, name, PEM))["value"]
    assert public_der(load_pem_private_key(text.encode(), None)) == public_der(certificate_of(made))
    assert x509.load_pem_x509_certificates(text.encode()) == [certificate_of(made)]


def test_a_key_that_may_not_leave_is_not_in_the_text(certificates, name):
    made = certificates.create(name, policy(key={"kty": "EC", "exportable": False}))
    text = done(ask(certificates, name, PEM))["value"]
    assert "PRIVATE" not in text
    assert x509.load_pem_x509_certificates(text.encode()) == [certificate_of(made)]


def test_what_is_stored_stays_a_container(certificates, container, name):
    certificates.import_(name, container)
    before = certificates.secret(name)
    done(ask(certificates, name, PEM))
    assert certificates.secret(name) == before
    assert before["contentType"] == PKCS12


def test_the_client_asks_for_text(server, certificates, chained, container, name):
    certificates.import_(name, container)
    with secret_client_for(server, api_version=ApiVersion.V2025_07_01) as client:
        given = client.get_secret(name, out_content_type=ContentType.PEM)
    assert_is_text_of({"value": given.value, "contentType": given.properties.content_type}, chained)


# The form it has, and the one it cannot have


@pytest.mark.parametrize(("form", "content"), [(PKCS12, AS_PKCS12), (PEM, AS_PEM)], ids=["container", "text"])
def test_the_form_that_it_has_is_given_as_it_is(certificates, chained, name, form, content):
    key, leaf, chain = chained
    value = pfx(key, leaf, chain=chain) if form == PKCS12 else pem(key, leaf, *chain)
    certificates.import_(name, value, policy=content)
    answer = done(ask(certificates, name, form))
    assert (answer["contentType"], answer["value"]) == (form, certificates.secret(name)["value"])


def test_text_is_not_given_as_a_container(certificates, name):
    certificates.import_(name, pem(*self_signed()), policy=AS_PEM)
    assert refusal(ask(certificates, name, PKCS12)) == (400, "BadParameter")


@pytest.mark.parametrize("wrong", ["text/plain", "application/json", "pem", ""])
def test_a_form_that_is_none_is_refused(certificates, container, name, wrong):
    certificates.import_(name, container)
    assert refusal(ask(certificates, name, wrong)) == (400, "BadParameter")


@pytest.mark.parametrize("form", [PKCS12, PEM])
def test_an_ordinary_secret_is_not_converted(certificates, name, form):
    certificates.wire.set_secret(name, base64.b64encode(pfx(*self_signed())).decode(), contentType=PKCS12)
    assert done(ask(certificates, name, form)) == certificates.secret(name)


def test_what_a_client_holds_in_one_form_is_not_held_in_the_other(certificates, container, name):
    certificates.import_(name, container)
    held = ask(certificates, name, PKCS12).headers["ETag"]
    query, condition = {"outContentType": PEM}, {"If-None-Match": held}
    answer = certificates.wire.get(f"/secrets/{name}", version=NEWER[0], query=query, headers=condition)
    assert (answer.status_code, answer.json()["contentType"]) == (200, PEM)
    condition = {"If-None-Match": answer.headers["ETag"]}
    assert certificates.wire.get(f"/secrets/{name}", version=NEWER[0], query=query, headers=condition).status_code == 304


def test_a_secret_that_is_not_there_is_not_found(certificates, name):
    assert refusal(ask(certificates, name, PEM)) == (404, "SecretNotFound")


def test_a_disabled_certificate_gives_no_text(certificates, container, name):
    certificates.import_(name, container, attributes={"enabled": False})
    assert ask(certificates, name, PEM).status_code == 403


@pytest.mark.parametrize("api", OLDER)
def test_older_api_versions_know_nothing_of_it(certificates, container, name, api):
    certificates.import_(name, container)
    answer = done(ask(certificates, name, PEM, api=api))
    assert (answer["contentType"], answer["value"]) == (PKCS12, certificates.secret(name)["value"])
    assert "previousVersion" not in answer


# The version before


def previous(certificates: Certificates, name: str, version: str = "", api: str = NEWER[0]) -> str | None:
    return done(certificates.wire.get(f"/secrets/{name}/{version}", version=api)).get("previousVersion")


@pytest.mark.parametrize("api", NEWER)
def test_a_version_names_the_one_before(certificates, container, name, api):
    made = [version_of(certificates.import_(name, container)) for _ in range(3)]
    assert [previous(certificates, name, version, api) for version in made] == [None, made[0], made[1]]
    assert previous(certificates, name, api=api) == made[1]


def test_the_client_sees_the_version_before(server, certificates, container, name):
    first = version_of(certificates.import_(name, container))
    certificates.import_(name, container)
    with secret_client_for(server, api_version=ApiVersion.V2025_07_01) as client:
        assert client.get_secret(name).properties.previous_version == first


def test_a_renewed_certificate_names_the_one_before(certificates, name):
    first = version_of(certificates.create(name, policy()))
    certificates.create(name)
    assert previous(certificates, name) == first


def test_an_ordinary_secret_names_none_before(certificates, name):
    for value in ("a", "b"):
        certificates.wire.set_secret(name, value)
    assert previous(certificates, name) is None


def test_the_version_before_is_known_after_a_backup_was_restored(server, certificates, container, name):
    made = [version_of(certificates.import_(name, container)) for _ in range(2)]
    other = Certificates(server.wire("other"))
    other.restore(certificates.backup(name))
    assert [previous(other, name, version) for version in made] == [None, made[0]]


# The order of a chain


ORDERED, UNORDERED = ALL[ALL.index("7.6") :], ALL[: ALL.index("7.6")]


def shown(certificates: Certificates, name: str, api: str) -> list[dict]:
    paths = (f"/certificates/{name}", f"/certificates/{name}/pending")
    return [done(certificates.wire.get(path, version=api)) for path in paths]


@pytest.mark.parametrize("keeps", [True, False, None])
def test_whether_the_order_is_kept_is_shown(certificates, name, keeps):
    members = {} if keeps is None else {"preserveCertOrder": keeps}
    begun = certificates.begin(name, policy(), **members)
    certificates.wait(name)
    assert begun["preserveCertOrder"] is bool(keeps)
    for api in ORDERED:
        assert [one["preserveCertOrder"] for one in shown(certificates, name, api)] == [bool(keeps)] * 2
    for api in UNORDERED:
        assert not any("preserveCertOrder" in one for one in shown(certificates, name, api))


def test_an_imported_certificate_shows_that_its_order_is_kept(certificates, container, name):
    assert certificates.import_(name, container, preserveCertOrder=True)["preserveCertOrder"] is True
    assert certificates.get(name)["preserveCertOrder"] is True
    assert certificates.delete(name)["preserveCertOrder"] is True
