"""What cannot be made: names that are taken, operations in progress, policies that break a rule."""

import uuid

import pytest

from harness.certificates_made import pfx, self_signed
from harness.certificates_wire import Certificates, policy, refusal
from harness.keys_wire import Keys, done

pytest_plugins = ["harness.certificates_fixtures"]

IN_PROGRESS = (
    "A new key vault certificate can not be created or imported while a pending key vault certificate's status is inProgress."
)


@pytest.fixture(scope="module")
def container() -> bytes:
    return pfx(*self_signed())


# In progress


def test_nothing_else_is_made_while_one_is_in_progress(certificates, container, name):
    begun = certificates.begin(name, policy("Unknown"))
    for answer in (certificates.ask_create(name, policy()), certificates.ask_import(name, container)):
        assert refusal(answer) == (409, "Forbidden")
        assert answer.json()["error"]["message"] == IN_PROGRESS
    assert certificates.pending(name) == begun


def test_a_name_that_is_written_otherwise_is_the_same_name(certificates, container, name):
    certificates.begin(name, policy("Unknown"))
    assert refusal(certificates.ask_import(name.upper(), container)) == (409, "Forbidden")


# Names


def take_key(certificates: Certificates, name: str) -> None:
    Keys(certificates.wire).create(name)


def take_secret(certificates: Certificates, name: str) -> None:
    certificates.wire.set_secret(name)


def take_deleted_key(certificates: Certificates, name: str) -> None:
    Keys(certificates.wire).create(name)
    Keys(certificates.wire).delete(name)


def take_deleted_secret(certificates: Certificates, name: str) -> None:
    certificates.wire.set_secret(name)
    certificates.wire.delete_secret(name)


@pytest.mark.parametrize("take", [take_key, take_secret, take_deleted_key, take_deleted_secret])
def test_a_name_that_a_key_or_a_secret_has_is_taken(certificates, container, name, take):
    take(certificates, name)
    for answer in (certificates.ask_create(name, policy()), certificates.ask_import(name, container)):
        assert refusal(answer) == (409, "Conflict")
    assert certificates.wire.get(f"/certificates/{name}/pending").status_code == 404


def test_the_name_of_a_deleted_certificate_is_taken(certificates, container, name):
    certificates.import_(name, container)
    certificates.delete(name)
    for answer in (
        certificates.ask_create(name, policy()),
        certificates.ask_import(name, container),
        certificates.wire.put(f"/secrets/{name}", json={"value": "x"}),
        certificates.wire.post(f"/keys/{name}/create", json={"kty": "EC"}),
    ):
        assert refusal(answer) == (409, "Conflict")
        assert answer.json()["error"]["innererror"]["code"] == "ObjectIsDeletedButRecoverable"


@pytest.mark.parametrize("reserved", ["contacts", "issuers", "restore", "Contacts"])
def test_a_reserved_name_is_refused(certificates, container, reserved):
    assert refusal(certificates.ask_create(reserved, policy())) == (400, "BadParameter")
    assert refusal(certificates.ask_import(reserved, container)) == (400, "BadParameter")


@pytest.mark.parametrize("wrong", ["a_b", "a.b", "ä", "a" * 128])
def test_a_name_with_other_letters_is_refused(certificates, container, wrong):
    assert refusal(certificates.ask_create(wrong, policy())) == (400, "BadParameter")
    assert refusal(certificates.ask_import(wrong, container)) == (400, "BadParameter")


@pytest.mark.parametrize("path", ["", "/pending", "/policy"])
def test_what_is_not_there_is_not_found(certificates, name, path):
    assert certificates.wire.get(f"/certificates/{name}{path}").status_code == 404


# Policies


def acting(action: str = "AutoRenew", issuer: str = "Self", **trigger: int) -> dict:
    return policy(issuer, lifetime_actions=[{"trigger": trigger, "action": {"action_type": action}}])


def described(**parts) -> dict:
    return policy(x509_props={"subject": "CN=x", **parts})


WRONG = {
    "no policy": None,
    "a key of type oct": policy(key={"kty": "oct"}),
    "a key of type OKP": policy(key={"kty": "OKP", "crv": "Ed25519"}),
    "a key of no type": policy(key={"kty": "XX"}),
    "a size": policy(key={"kty": "RSA", "key_size": 1024}),
    "a curve": policy(key={"kty": "EC", "crv": "P-999"}),
    "a curve and a size": policy(key={"kty": "EC", "crv": "P-256", "key_size": 384}),
    "hardware that lets keys leave": policy(key={"kty": "EC-HSM", "exportable": True}),
    "RSA hardware that lets keys leave": policy(key={"kty": "RSA-HSM", "exportable": True}),
    "no names": policy(x509_props={}),
    "empty names": policy(x509_props={"subject": "", "sans": {"dns_names": []}}),
    "no distinguished name": policy(x509_props={"subject": "rubbish"}),
    "half a distinguished name": policy(x509_props={"subject": "CN=a,"}),
    "an address": policy(x509_props={"sans": {"ipAddresses": ["300.1.1.1"]}}),
    "an empty DNS name": policy(x509_props={"sans": {"dns_names": [""]}}),
    "content": policy(secret_props={"contentType": "text/plain"}),
    "no months": described(validity_months=0),
    "negative months": described(validity_months=-1),
    "too many months": described(validity_months=1201),
    "a usage": described(key_usage=["signing"]),
    "a purpose": described(ekus=["serverAuth"]),
    "an impossible purpose": described(ekus=["9.9.9"]),
    "an issuer": policy("nobody"),
    "no trigger": acting(),
    "two triggers": acting(lifetime_percentage=50, days_before_expiry=5),
    "no percentage": acting(lifetime_percentage=0),
    "a hundred percent": acting(lifetime_percentage=100),
    "no days": acting(days_before_expiry=0),
    "too many days": acting(days_before_expiry=12 * 27 + 1),
    "an action": acting("Forget", lifetime_percentage=50),
    "a renewal that nobody makes": acting(issuer="Unknown", lifetime_percentage=50),
    "a number for a policy": 5,
    "a text for months": described(validity_months="twelve"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_policy_that_breaks_a_rule_is_refused(certificates, name, wrong):
    assert refusal(certificates.ask_create(name, WRONG[wrong])) == (400, "BadParameter")
    assert certificates.wire.get(f"/certificates/{name}/pending").status_code == 404


RIGHT = {
    "one month": described(validity_months=1),
    "all months": described(validity_months=1200),
    "the longest before the end": acting(days_before_expiry=12 * 27),
    "one percent": acting(lifetime_percentage=1),
    "99 percent": acting(lifetime_percentage=99),
    "an alternative name alone": policy(x509_props={"sans": {"dns_names": ["*.example.com"]}}),
    "a mail to contacts": acting("EmailContacts", "Unknown", days_before_expiry=1),
}


@pytest.mark.parametrize("right", RIGHT)
def test_a_policy_at_the_edge_of_a_rule_is_taken(certificates, name, right):
    assert certificates.begin(name, RIGHT[right])["status"] == "inProgress"


@pytest.fixture(scope="module")
def standing(server, container) -> str:
    """The name of a certificate whose policy is never changed."""
    name = f"refused-{uuid.uuid4().hex[:8]}"
    Certificates(server.wire()).import_(name, container)
    return name


@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_props": {"contentType": "text/plain"}},
        {"x509_props": {"validity_months": 0}},
        {"lifetime_actions": [{"trigger": {"lifetime_percentage": 0}, "action": {"action_type": "EmailContacts"}}]},
        {"key_props": {"kty": "oct"}},
    ],
)
def test_a_change_that_breaks_a_rule_is_refused(certificates, standing, wrong):
    before = done(certificates.wire.get(f"/certificates/{standing}/policy"))
    assert refusal(certificates.wire.patch(f"/certificates/{standing}/policy", json=wrong)) == (400, "BadParameter")
    assert refusal(certificates.wire.patch(f"/certificates/{standing}/", json={"policy": wrong})) == (400, "BadParameter")
    assert done(certificates.wire.get(f"/certificates/{standing}/policy")) == before


# Contacts and issuers


@pytest.mark.parametrize("contacts", [[{"name": "A"}], [{"email": ""}], [{"email": "nobody"}], "nobody"])
def test_contacts_that_cannot_be_written_to_are_refused(certificates, contacts):
    answer = certificates.wire.put("/certificates/contacts", json={"contacts": contacts})
    assert refusal(answer) == (400, "BadParameter")


def test_a_vault_without_contacts_says_so(server):
    other = server.wire("other")
    assert refusal(other.get("/certificates/contacts")) == (404, "ContactsNotFound")
    assert refusal(other.delete("/certificates/contacts")) == (404, "ContactsNotFound")


@pytest.mark.parametrize("issuer", ["Self", "Unknown", "a%20b"])
def test_an_issuer_with_a_name_of_the_service_is_refused(certificates, issuer):
    answer = certificates.wire.put(f"/certificates/issuers/{issuer}", json={"provider": "Test"})
    assert refusal(answer) == (400, "BadParameter")


@pytest.mark.parametrize("body", [{}, {"provider": "Nobody"}, {"provider": ""}])
def test_an_issuer_without_a_provider_is_refused(certificates, name, body):
    assert refusal(certificates.wire.put(f"/certificates/issuers/{name}", json=body)) == (400, "BadParameter")
    assert certificates.wire.get(f"/certificates/issuers/{name}").status_code == 404


def test_the_password_of_an_issuer_is_never_shown(server, certificates, name):
    path = f"/certificates/issuers/{name}"
    body = {"provider": "DigiCert", "credentials": {"account_id": "account", "pwd": "hidden"}}
    told = [certificates.wire.put(path, json=body), certificates.wire.patch(path, json={"credentials": {"pwd": "hidden"}})]
    told += [certificates.wire.get(path), certificates.wire.get("/certificates/issuers"), certificates.wire.delete(path)]
    assert [answer.status_code for answer in told] == [200] * 5
    assert not any("hidden" in answer.text for answer in told)
    bundle = told[2].json()
    assert set(bundle["attributes"]) == {"enabled", "created", "updated"}
    del bundle["attributes"]
    assert bundle == {
        "id": f"{server.vault_url()}{path}",
        "provider": "DigiCert",
        "credentials": {"account_id": "account"},
        "org_details": {"zip": 0, "admin_details": []},
    }
