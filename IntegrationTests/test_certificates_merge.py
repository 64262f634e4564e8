"""Requests that are signed elsewhere and come back."""

import base64

import pytest
from cryptography import x509

from harness.certificates_made import PEM, certificate_of, common, der, new_key, request_of
from harness.certificates_wire import policy, refusal, version_of
from harness.keys_wire import Keys, done

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture
def signed(certificates, authority, name) -> x509.Certificate:
    """The answer to a request that waits under the test's name."""
    wanted = policy("Unknown", secret_props={"contentType": PEM})
    return authority.answer(request_of(certificates.begin(name, wanted, tags={"a": "b"})))


def test_merge_answers_201_with_the_bundle(certificates, authority, signed, name):
    answer = certificates.ask_merge(name, der(signed), der(authority.certificate))
    made = answer.json()
    assert (answer.status_code, certificate_of(made)) == (201, signed)
    assert made["kid"].rsplit("/", 1)[1] == made["sid"].rsplit("/", 1)[1] == version_of(made)
    assert made["attributes"]["nbf"] == signed.not_valid_before_utc.timestamp()
    assert made["attributes"]["exp"] == signed.not_valid_after_utc.timestamp()
    assert made["tags"] == {"a": "b"}
    assert certificates.pending(name)["status"] == "completed"


def test_the_secret_has_the_key_the_leaf_and_the_chain(certificates, authority, signed, name):
    certificates.ask_merge(name, der(signed), der(authority.certificate))
    value = certificates.secret(name)["value"]
    assert value.startswith("-----BEGIN PRIVATE KEY-----")
    assert x509.load_pem_x509_certificates(value.encode()) == [signed, authority.certificate]
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


def test_what_merge_is_given_counts(certificates, signed, name):
    made = certificates.ask_merge(name, der(signed), tags={"c": "d"}, attributes={"enabled": False}).json()
    assert (made["tags"], made["attributes"]["enabled"]) == ({"c": "d"}, False)


def test_a_request_of_a_key_in_hardware_is_merged(certificates, authority, name):
    request = request_of(certificates.begin(name, policy("Unknown", key={"kty": "EC-HSM", "exportable": False})))
    assert certificates.ask_merge(name, der(authority.answer(request))).status_code == 201
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


def test_a_second_version_is_merged(certificates, authority, signed, name):
    first = certificates.ask_merge(name, der(signed)).json()
    again = authority.answer(request_of(certificates.begin(name)))
    second = certificates.ask_merge(name, der(again)).json()
    assert {version_of(item) for item in certificates.versions(name)} == {version_of(first), version_of(second)}
    assert certificate_of(certificates.get(name)) == again


# What is refused


@pytest.fixture
def refused(certificates, name):
    """Asks for a merge that must be refused and change nothing."""

    def ask(*chain: bytes) -> None:
        before = certificates.pending(name)
        assert refusal(certificates.ask_merge(name, *chain)) == (400, "BadParameter")
        assert certificates.pending(name) == before
        assert certificates.wire.get(f"/certificates/{name}").status_code == 404

    return ask


def test_a_certificate_over_another_key_is_refused(certificates, authority, signed, name, refused):
    refused(der(authority.issue(new_key().public_key(), common("example.com"))))
    assert certificates.ask_merge(name, der(signed)).status_code == 201


def test_the_leaf_comes_first(authority, signed, refused):
    refused(der(authority.certificate), der(signed))


def test_no_certificate_is_refused(signed, refused):
    refused()
    refused(b"rubbish")
    refused(der(signed)[:-1])
    refused(der(signed), b"rubbish")


def test_an_expired_certificate_is_refused(certificates, authority, signed, name, refused):
    refused(der(authority.answer(request_of(certificates.pending(name)), days=-1)))


def test_what_is_not_base64_is_refused(certificates, signed, name):
    for body in ({"x5c": ["*"]}, {"x5c": "AAAA"}, {"x5c": [5]}, {}, {"x5c": []}):
        assert refusal(certificates.wire.post(f"/certificates/{name}/pending/merge", json=body)) == (400, "BadParameter")


def test_nothing_is_merged_where_nothing_waits(certificates, signed, name):
    other = certificates.ask_merge(f"{name}-other", der(signed))
    assert refusal(other) == (404, "PendingCertificateNotFound")
    assert certificates.ask_merge(name, der(signed)).status_code == 201
    assert certificates.ask_merge(name, der(signed)).status_code in (400, 404)
    assert len(certificates.versions(name)) == 1


def test_what_was_deleted_is_not_merged(certificates, signed, name):
    done(certificates.wire.delete(f"/certificates/{name}/pending"))
    assert refusal(certificates.ask_merge(name, der(signed))) == (404, "PendingCertificateNotFound")


def test_while_an_issuer_is_asked_nothing_is_merged(certificates, authority, name):
    """The issuer may be quicker than the test: then another is asked."""
    for attempt in range(5):
        begun = certificates.begin(f"{name}-{attempt}", policy("Self"))
        answer = certificates.ask_merge(f"{name}-{attempt}", der(authority.answer(request_of(begun))))
        if answer.status_code != 404:
            break
    assert refusal(answer) == (403, "Forbidden")
    expected = "Merge is forbidden on pending object created with issuer : Self while it is in progess."
    assert answer.json()["error"]["message"] == expected


def test_after_an_issuer_has_failed_a_certificate_is_merged(certificates, authority, name):
    done(certificates.wire.put(f"/certificates/issuers/{name}", json={"provider": "Test"}))
    begun = certificates.begin(name, policy(name))
    assert certificates.wait(name)["status"] == "failed"
    assert certificates.ask_merge(name, der(authority.answer(request_of(begun)))).status_code == 201


def test_x5c_is_taken_in_either_base64(certificates, authority, signed, name):
    x5c = [base64.urlsafe_b64encode(der(one)).decode().rstrip("=") for one in (signed, authority.certificate)]
    assert certificates.wire.post(f"/certificates/{name}/pending/merge", json={"x5c": x5c}).status_code == 201
