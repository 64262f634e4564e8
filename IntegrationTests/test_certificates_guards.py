"""What a certificate's name, its parts and its policy are guarded against."""

import pytest

from harness.certificates_made import der, request_of
from harness.certificates_wire import policy, refusal

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.mark.parametrize(
    "take", [lambda w, n: w.post(f"/keys/{n}/create", json={"kty": "EC"}), lambda w, n: w.put(f"/secrets/{n}", json={"value": "v"})],
    ids=["key", "secret"],
)
def test_a_name_that_was_taken_meanwhile_is_not_merged_into(certificates, authority, wire, name, take):
    signed = authority.answer(request_of(certificates.begin(name, policy("Unknown"))))
    assert take(wire, name).status_code == 200
    assert certificates.ask_merge(name, der(signed)).status_code == 409
    assert wire.get(f"/certificates/{name}").status_code == 404


@pytest.mark.parametrize(
    "sans",
    [
        {"emails": ["copy"]}, {"emails": ["move"]}, {"emails": ["ä@x.de"]}, {"emails": ["a@b@c"]}, {"dns_names": ["ä.de"]},
        {"dns_names": ["@section"]}, {"dns_names": [""]}, {"dns_names": ["a.de,DNS:b.de"]}, {"uris": ["no address"]},
        {"ipAddresses": ["@x"]}, {"ipAddresses": ["localhost"]},
    ],
    ids=str,
)
def test_a_name_that_is_none_is_refused_by_its_member(certificates, name, sans):
    wanted = policy("Self", x509_props={"subject": "CN=a", "sans": sans})
    answer = certificates.ask_create(name, wanted)
    assert refusal(answer) == (400, "BadParameter")
    assert next(iter(sans)) in answer.json()["error"]["message"]


def test_a_part_is_not_backed_up_by_itself(certificates, wire, name):
    certificates.create(name, policy())
    for collection in ("keys", "secrets"):
        assert wire.post(f"/{collection}/{name}/backup").status_code == 403
    assert wire.post(f"/certificates/{name}/backup").status_code == 200


def test_the_pending_operation_of_a_deleted_certificate_is_out_of_reach(certificates, wire, name):
    certificates.create(name, policy())
    assert wire.delete(f"/certificates/{name}").status_code == 200
    assert refusal(wire.get(f"/certificates/{name}/pending")) == (404, "PendingCertificateNotFound")
    assert refusal(wire.delete(f"/certificates/{name}/pending")) == (404, "PendingCertificateNotFound")


def test_a_policy_does_not_name_an_issuer_that_is_not_there(certificates, wire, name):
    certificates.create(name, policy())
    answer = wire.patch(f"/certificates/{name}/policy", json={"issuer": {"name": "nowhere"}})
    assert refusal(answer) == (400, "BadParameter")


def test_no_contacts_are_none(wire):
    assert wire.put("/certificates/contacts", json={"contacts": []}).status_code == 200
    assert refusal(wire.get("/certificates/contacts")) == (404, "ContactsNotFound")
