"""The making of a certificate as it looks on the wire: what is pending, what comes of it, and what the policy becomes."""

import re
import time
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from harness.certificates_made import certificate_of, pfx, public_der, request_of, self_signed
from harness.certificates_wire import Certificates, make_together, policy, refusal, version_of
from harness.keys_wire import done
from harness.tokens import encode
from harness.versions import LATEST

pytest_plugins = ["harness.certificates_fixtures"]

HEX = re.compile(r"^[0-9a-f]{32}$")
SIGNED_HERE = {"issuer": {"name": "Self"}}
USAGES = x509.KeyUsage(True, False, True, False, False, False, False, False, False)


@pytest.fixture(scope="module")
def standing(server) -> dict[str, tuple[dict, dict]]:
    """Self-signed certificates that no test changes: what create told, and the newest version."""
    wanted = {
        "usual": policy(),
        "bare": policy(x509_props={"subject": "CN=example.com", "ekus": [], "validity_months": 12}),
        "least": {"x509_props": {"subject": "CN=x"}, "issuer": {"name": "Self"}},
    }
    made = make_together(Certificates(server.wire()), f"standing-{uuid.uuid4().hex[:8]}", wanted, tags={"a": "b"})
    return {**made, "time": int(time.time())}


# Pending


def test_create_answers_202_with_the_place_to_ask_again(server, certificates, name):
    answer = certificates.ask_create(name, policy("Unknown"))
    body = answer.json()
    assert (answer.status_code, answer.headers["Retry-After"]) == (202, "10")
    assert HEX.match(body["request_id"])
    pending = f"{server.vault_url()}/certificates/{name}/pending"
    assert answer.headers["Location"] == f"{pending}?api-version={LATEST}&request_id={body['request_id']}"
    assert request_of(body).is_signature_valid
    details = body.pop("status_details")
    assert details.startswith("Pending certificate created. Certificate request is in progress.")
    assert body == {
        "id": pending,
        "issuer": {"name": "Unknown"},
        "csr": body["csr"],
        "cancellation_requested": False,
        "status": "inProgress",
        "preserveCertOrder": False,
        "request_id": body["request_id"],
    }


def test_the_place_to_ask_again_answers_with_the_operation(certificates, name):
    created = certificates.ask_create(name, policy("Unknown"))
    asked = certificates.wire.get(created.headers["Location"])
    assert (asked.status_code, asked.json(), asked.headers["Retry-After"]) == (200, created.json(), "10")


def test_another_request_id_is_not_found(certificates, name):
    certificates.begin(name, policy("Unknown"))
    asked = certificates.wire.get(f"/certificates/{name}/pending", query={"request_id": "0" * 32})
    assert refusal(asked) == (404, "PendingCertificateNotFound")


def test_a_name_without_an_operation_is_not_found(certificates, name):
    assert refusal(certificates.wire.get(f"/certificates/{name}/pending")) == (404, "PendingCertificateNotFound")


def test_a_completed_operation_names_what_it_made(certificates, standing):
    begun, made = standing["usual"]
    asked = certificates.wire.get(made["pending"]["id"].removeprefix(certificates.wire.base))
    url = made["id"].rsplit("/", 1)[0]
    assert "Retry-After" not in asked.headers
    assert asked.json() == {
        "id": f"{url}/pending",
        "issuer": {"name": "Self"},
        "csr": begun["csr"],
        "cancellation_requested": False,
        "status": "completed",
        "target": url,
        "preserveCertOrder": False,
        "request_id": begun["request_id"],
    }


def test_the_operation_stays_until_it_is_deleted(certificates, name):
    made = certificates.create(name, policy())
    assert made["pending"] == {"id": made["id"].replace(version_of(made), "pending")}
    assert done(certificates.wire.delete(f"/certificates/{name}/pending"))["status"] == "completed"
    assert "pending" not in certificates.get(name)


def test_a_deleted_operation_makes_room_for_another(certificates, name):
    certificates.begin(name, policy("Unknown"))
    done(certificates.wire.delete(f"/certificates/{name}/pending"))
    assert certificates.begin(name, policy("Unknown"))["status"] == "inProgress"


def test_a_cancelled_operation_makes_room_for_another(certificates, name):
    certificates.begin(name, policy("Unknown"))
    asked = done(certificates.wire.patch(f"/certificates/{name}/pending", json={"cancellation_requested": True}))
    assert asked["cancellation_requested"] is True
    assert certificates.wait(name)["status"] == "cancelled"
    assert certificates.begin(name, policy("Unknown"))["status"] == "inProgress"


def test_what_is_completed_cannot_be_cancelled(certificates, standing):
    pending = standing["usual"][1]["pending"]["id"].removeprefix(certificates.wire.base)
    answer = certificates.wire.patch(pending, json={"cancellation_requested": True})
    assert refusal(answer) == (400, "BadParameter")


def test_an_issuer_that_cannot_be_reached_fails(certificates, name):
    done(certificates.wire.put(f"/certificates/issuers/{name}", json={"provider": "Test"}))
    certificates.begin(name, policy(name))
    pending = certificates.wait(name)
    assert (pending["status"], pending["error"]["code"]) == ("failed", "Certificate issuer error")
    assert pending["error"]["message"]
    assert certificates.begin(name, policy("Unknown"))["status"] == "inProgress"


# The request


def extension(holder, oid):
    found = holder.extensions.get_extension_for_oid(oid)
    return found.value, found.critical


def test_the_request_carries_what_the_policy_says(certificates, name):
    wanted = policy(
        "Unknown",
        x509_props={
            "subject": "CN=example.com, O=Example, C=DE",
            "sans": {"dns_names": ["a.example.com", "b.example.com"], "emails": ["a@example.com"]},
            "ekus": ["1.3.6.1.5.5.7.3.1"],
            "key_usage": ["digitalSignature", "nonRepudiation"],
        },
    )
    request = request_of(certificates.begin(name, wanted))
    assert {part.rfc4514_string() for part in request.subject} == {"CN=example.com", "O=Example", "C=DE"}
    names, _ = extension(request, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    assert names.get_values_for_type(x509.DNSName) == ["a.example.com", "b.example.com"]
    assert names.get_values_for_type(x509.RFC822Name) == ["a@example.com"]
    assert list(extension(request, ExtensionOID.EXTENDED_KEY_USAGE)[0]) == [ExtendedKeyUsageOID.SERVER_AUTH]
    usage, critical = extension(request, ExtensionOID.KEY_USAGE)
    assert (usage.digital_signature, usage.content_commitment, usage.key_encipherment, critical) == (True, True, False, True)
    assert extension(request, ExtensionOID.BASIC_CONSTRAINTS)[0] == x509.BasicConstraints(False, None)


def test_alternative_names_of_the_newer_kinds_are_kept(certificates, name):
    sans = {"uris": ["https://example.com/x"], "ipAddresses": ["10.0.0.1", "2001:db8::1"], "upns": ["a@example.com"]}
    request = request_of(certificates.begin(name, policy("Unknown", x509_props={"sans": sans})))
    names, _ = extension(request, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == sans["uris"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == sans["ipAddresses"]
    (principal,) = names.get_values_for_type(x509.OtherName)
    assert principal.type_id.dotted_string == "1.3.6.1.4.1.311.20.2.3"
    assert principal.value.endswith(b"a@example.com")


# The certificate


def test_a_self_signed_certificate_has_the_details_of_the_service(standing):
    certificate = certificate_of(standing["bare"][1])
    assert certificate.version is x509.Version.v3
    assert certificate.serial_number.bit_length() > 120
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    certificate.verify_directly_issued_by(certificate)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    assert 0 <= standing["time"] - (begins.timestamp() + 600) <= 60
    assert ends.month == begins.month and ends.year == begins.year + 1 or (ends - begins).days in (365, 366)
    assert extension(certificate, ExtensionOID.KEY_USAGE) == (USAGES, True)
    assert extension(certificate, ExtensionOID.BASIC_CONSTRAINTS)[0] == x509.BasicConstraints(False, None)
    subject, _ = extension(certificate, ExtensionOID.SUBJECT_KEY_IDENTIFIER)
    authority, _ = extension(certificate, ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    assert authority.key_identifier == subject.digest
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate, ExtensionOID.EXTENDED_KEY_USAGE)


def test_without_word_on_it_a_certificate_serves_servers_and_clients(standing):
    purposes, _ = extension(certificate_of(standing["usual"][1]), ExtensionOID.EXTENDED_KEY_USAGE)
    assert list(purposes) == [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@pytest.mark.parametrize("label", ["usual", "bare", "least"])
def test_the_certificate_is_over_the_key_of_the_request(standing, label):
    begun, made = standing[label]
    assert public_der(certificate_of(made)) == public_der(request_of(begun))


def test_the_bundle_shows_the_certificate(server, standing):
    made = standing["usual"][1]
    certificate, version, name = certificate_of(made), version_of(made), made["id"].split("/")[4]
    assert HEX.match(version)
    assert set(made) == {"id", "kid", "sid", "x5t", "cer", "attributes", "tags", "policy", "pending", "preserveCertOrder"}
    kinds = {"id": "certificates", "kid": "keys", "sid": "secrets"}
    assert {one: made[one] for one in kinds} == {
        one: f"{server.vault_url()}/{kind}/{name}/{version}" for one, kind in kinds.items()
    }
    assert made["x5t"] == encode(certificate.fingerprint(hashes.SHA1()))
    attributes = made["attributes"]
    assert attributes["nbf"] == certificate.not_valid_before_utc.timestamp()
    assert attributes["exp"] == certificate.not_valid_after_utc.timestamp()
    assert (attributes["enabled"], made["tags"]) == (True, {"a": "b"})
    assert {"created", "updated", "recoveryLevel", "recoverableDays"} <= attributes.keys()


def test_a_version_is_shown_without_policy_and_operation(certificates, standing):
    made = standing["usual"][1]
    shown = certificates.get(made["id"].split("/")[4], version_of(made))
    assert {member: made[member] for member in made if member not in ("policy", "pending")} == {
        member: shown[member] for member in shown if member not in ("subject", "issuer", "serialnumber")
    }


def test_a_certificate_without_tags_shows_none(certificates, name):
    assert certificates.import_(name, pfx(*self_signed()))["tags"] == {}


def test_a_disabled_certificate_can_be_made(certificates, name):
    made = certificates.create(name, policy(), attributes={"enabled": False})
    assert made["attributes"]["enabled"] is False
    assert certificates.wire.get(f"/secrets/{name}").status_code == 403


def test_create_again_makes_a_version_by_the_stored_policy(certificates, name):
    first = certificates.import_(name, pfx(*self_signed()), tags={"a": "b"}, policy=SIGNED_HERE)
    second = certificates.create(name)
    assert certificate_of(second).subject == certificate_of(second).issuer == certificate_of(first).subject
    assert {version_of(item) for item in certificates.versions(name)} == {version_of(first), version_of(second)}
    assert second["tags"] == {}
    assert public_der(certificate_of(first)) != public_der(certificate_of(second))
    assert certificates.get(name, version_of(first))["cer"] == first["cer"]


KEPT = {
    "software": {"kty": "EC", "reuse_key": True},
    "rsa": {"kty": "RSA", "key_size": 2048, "reuse_key": True},
    "hardware": {"kty": "EC-HSM", "exportable": False, "reuse_key": True},
}


def test_a_key_may_be_kept_for_later_versions(certificates, name):
    first = make_together(certificates, name, {label: policy(key=key) for label, key in KEPT.items()})
    made = [first, *(make_together(certificates, name, dict.fromkeys(KEPT)) for _ in range(2))]
    for label in KEPT:
        bundles = [one[label][1] for one in made]
        assert len({version_of(one) for one in bundles}) == 3
        assert len({public_der(certificate_of(one)) for one in bundles}) == 1
        for one in bundles:
            certificate_of(one).verify_directly_issued_by(certificate_of(one))
        certificates.delete(f"{name}-{label}")
        certificates.purge(f"{name}-{label}")


# The policy


def test_a_policy_gets_the_defaults_of_the_service(server, certificates, standing):
    name = standing["least"][1]["id"].split("/")[4]
    told = done(certificates.wire.get(f"/certificates/{name}/policy"))
    assert told == standing["least"][1]["policy"]
    attributes = told.pop("attributes")
    assert (attributes["enabled"], set(attributes)) == (True, {"enabled", "created", "updated"})
    assert told == {
        "id": f"{server.vault_url()}/certificates/{name}/policy",
        "key_props": {"exportable": True, "kty": "RSA", "key_size": 2048, "reuse_key": False},
        "secret_props": {"contentType": "application/x-pkcs12"},
        "x509_props": {
            "subject": "CN=x",
            "ekus": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
            "key_usage": ["digitalSignature", "keyEncipherment"],
            "validity_months": 12,
            "basic_constraints": {"ca": False},
        },
        "lifetime_actions": [{"trigger": {"lifetime_percentage": 80}, "action": {"action_type": "AutoRenew"}}],
        "issuer": {"name": "Self"},
    }


def test_without_an_issuer_nobody_signs_and_contacts_are_told(certificates, name):
    assert certificates.begin(name, policy(None))["issuer"] == {"name": "Unknown"}
    told = done(certificates.wire.get(f"/certificates/{name}/policy"))
    assert told["issuer"]["name"] == "Unknown"
    assert told["lifetime_actions"] == [{"trigger": {"lifetime_percentage": 80}, "action": {"action_type": "EmailContacts"}}]


def test_a_changed_policy_counts_from_the_next_version(certificates, name):
    first = certificates.import_(name, pfx(*self_signed()), policy=SIGNED_HERE)
    changed = {"x509_props": {"subject": "CN=changed"}, "key_props": {"kty": "EC", "crv": "P-384"}}
    told = done(certificates.wire.patch(f"/certificates/{name}/policy", json=changed))
    assert (told["x509_props"]["subject"], told["x509_props"]["validity_months"]) == ("CN=changed", 3)
    assert told["issuer"]["name"] == "Self"
    assert certificates.get(name)["cer"] == first["cer"]
    second = certificate_of(certificates.create(name))
    assert (second.subject.rfc4514_string(), second.public_key().curve.name) == ("CN=changed", "secp384r1")
