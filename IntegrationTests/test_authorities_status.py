"""The status service (OCSP): what it says, to whom, and in which forms it is asked."""

import base64
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from harness.authorities_public import OCSP_REQUEST, ask_status, fetch, status_request, told, write_pem
from harness.authorities_wire import Authorities, certificates_of, leaf_of, leaf_policy
from harness.certificates_made import Authority

pytest_plugins = ["harness.authorities_fixtures"]

GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
UNAUTHORIZED, MALFORMED = ocsp.OCSPResponseStatus.UNAUTHORIZED, ocsp.OCSPResponseStatus.MALFORMED_REQUEST
HASHES = {"SHA-1": hashes.SHA1(), "SHA-256": hashes.SHA256()}
REASONS = {
    "unspecified": None,
    "keyCompromise": x509.ReasonFlags.key_compromise,
    "cACompromise": x509.ReasonFlags.ca_compromise,
    "affiliationChanged": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessationOfOperation": x509.ReasonFlags.cessation_of_operation,
    "certificateHold": x509.ReasonFlags.certificate_hold,
    "privilegeWithdrawn": x509.ReasonFlags.privilege_withdrawn,
}


@pytest.fixture(scope="module")
def told_of(server, _spare) -> dict:
    """An authority with a certificate that is good, one that is revoked, and one on hold."""
    authorities, name = Authorities(server.wire()), next(_spare)
    shown = authorities.set(name)
    made = {label: authorities.issue(name) for label in ("good", "revoked", "held")}
    revoked = authorities.revoke(name, made["revoked"]["serial_number"], "keyCompromise")
    authorities.revoke(name, made["held"]["serial_number"], "certificateHold")
    return {
        "name": name,
        "url": shown["ocsp"]["url"],
        "issuer": authorities.certificate(name),
        "leaves": {label: leaf_of(one) for label, one in made.items()},
        "time": revoked["revocation"]["time"],
    }


def ask(told_of: dict, label: str = "good", algorithm=hashes.SHA1()) -> ocsp.OCSPResponse:
    return ask_status(told_of["url"], status_request(told_of["leaves"][label], told_of["issuer"], algorithm))


@pytest.mark.parametrize("algorithm", HASHES)
@pytest.mark.parametrize("label", ["good", "revoked", "held"])
def test_an_answer_is_signed_and_of_this_time(told_of, label, algorithm):
    assert_signed_and_of_this_time(ask(told_of, label, HASHES[algorithm]), told_of, label, algorithm)


def assert_signed_and_of_this_time(answer: ocsp.OCSPResponse, told_of: dict, label: str, algorithm: str) -> None:
    assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL
    assert answer.certificate_status is (GOOD if label == "good" else REVOKED)
    assert answer.serial_number == told_of["leaves"][label].serial_number
    assert answer.hash_algorithm.name == HASHES[algorithm].name
    now = datetime.now(timezone.utc)
    assert now - timedelta(minutes=10) < answer.this_update_utc <= now < now + timedelta(hours=71) < answer.next_update_utc
    told_of["issuer"].public_key().verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(answer.signature_hash_algorithm))


def test_a_revocation_is_told_with_its_time_and_reason(told_of):
    answer = ask(told_of, "revoked")
    assert answer.revocation_time_utc.timestamp() == told_of["time"]
    assert answer.revocation_reason is x509.ReasonFlags.key_compromise
    assert ask(told_of, "held").revocation_reason is x509.ReasonFlags.certificate_hold


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_told(authorities, told_of, reason):
    made = authorities.issue(told_of["name"])
    authorities.revoke(told_of["name"], made["serial_number"], reason)
    answer = ask_status(told_of["url"], status_request(leaf_of(made), told_of["issuer"], hashes.SHA1()))
    assert (answer.certificate_status, answer.revocation_reason) == (REVOKED, REASONS[reason])


def test_a_revocation_is_told_in_the_moment_it_is_answered(authorities, told_of):
    made = authorities.issue(told_of["name"])
    request = status_request(leaf_of(made), told_of["issuer"], hashes.SHA256())
    assert ask_status(told_of["url"], request).certificate_status is GOOD
    authorities.revoke(told_of["name"], made["serial_number"], "certificateHold")
    assert ask_status(told_of["url"], request).certificate_status is REVOKED
    authorities.revoke(told_of["name"], made["serial_number"], "removeFromCRL")
    assert ask_status(told_of["url"], request).certificate_status is GOOD


def test_a_certificate_of_the_vault_has_a_status_at_once(authorities, root, issuer, name):
    authorities.certificates.create(name, leaf_policy(issuer))
    request = status_request(authorities.certificate(name), authorities.certificate(root), hashes.SHA1())
    assert ask_status(authorities.get(root)["ocsp"]["url"], request).certificate_status is GOOD


@pytest.mark.parametrize("algorithm", HASHES)
@pytest.mark.parametrize("encoded", [True, False], ids=["percent-encoded", "as it is"])
@pytest.mark.parametrize("label", ["good", "revoked"])
def test_a_status_is_asked_for_by_address(told_of, label, encoded, algorithm):
    request = status_request(told_of["leaves"][label], told_of["issuer"], HASHES[algorithm])
    text = base64.b64encode(request).decode()
    answer = fetch(f"{told_of['url']}/{quote(text, safe='') if encoded else text}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/ocsp-response")
    assert "max-age=" in answer.headers["Cache-Control"]
    assert_signed_and_of_this_time(ocsp.load_der_ocsp_response(answer.content), told_of, label, algorithm)


def test_base64_with_slashes_in_a_row_is_read(authorities, told_of):
    """The serial number of a request decides its base64: certificates are issued until one has two slashes, or a slash at all."""
    for _ in range(40):
        leaf = leaf_of(authorities.issue(told_of["name"]))
        text = base64.b64encode(status_request(leaf, told_of["issuer"], hashes.SHA1())).decode()
        if "/" in text and "+" in text:
            break
    for target in (text, quote(text, safe="")):
        assert ocsp.load_der_ocsp_response(fetch(f"{told_of['url']}/{target}").content).certificate_status is GOOD


def test_openssl_accepts_the_answers(told_of, tmp_path):
    issuer = write_pem(tmp_path / "issuer.pem", told_of["issuer"])
    for label, words in (("good", ": good"), ("revoked", "Reason: keyCompromise"), ("held", ": revoked")):
        for algorithm in ("-sha1", "-sha256"):
            leaf = write_pem(tmp_path / "leaf.pem", told_of["leaves"][label])
            output = told("ocsp", algorithm, "-issuer", issuer, "-cert", leaf, "-url", told_of["url"], "-CAfile", issuer)
            assert "Response verify OK" in output and words in output


# Who is not answered


def test_a_serial_number_that_was_not_issued_is_not_answered(told_of):
    stranger = Authority().certificate
    known = ocsp.load_der_ocsp_request(status_request(told_of["leaves"]["good"], told_of["issuer"], hashes.SHA1()))
    request = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        known.issuer_name_hash, known.issuer_key_hash, stranger.serial_number, hashes.SHA1()
    )
    answer = ask_status(told_of["url"], request.build().public_bytes(serialization.Encoding.DER))
    assert answer.response_status is UNAUTHORIZED


@pytest.mark.parametrize("algorithm", HASHES)
def test_the_hashes_of_another_issuer_are_not_answered(told_of, algorithm):
    request = status_request(told_of["leaves"]["good"], Authority().certificate, HASHES[algorithm])
    assert ask_status(told_of["url"], request).response_status is UNAUTHORIZED


def test_a_certificate_of_another_authority_is_not_answered(authorities, root, told_of):
    leaf, issuer = certificates_of(authorities.issue(root))
    assert ask_status(told_of["url"], status_request(leaf, issuer, hashes.SHA1())).response_status is UNAUTHORIZED


MALFORMED_REQUESTS = {"nothing": b"", "text": b"hello", "a sequence": b"\x30\x00", "zeros": bytes(5_000)}


@pytest.mark.parametrize("label", MALFORMED_REQUESTS)
def test_what_is_no_request_is_malformed(told_of, label):
    assert ask_status(told_of["url"], MALFORMED_REQUESTS[label]).response_status is MALFORMED


@pytest.mark.parametrize("target", ["/***", "/AAAA", "/%00", ""])
def test_an_address_that_holds_no_request_is_malformed(told_of, target):
    answer = fetch(told_of["url"] + target)
    assert answer.status_code == 200
    assert ocsp.load_der_ocsp_response(answer.content).response_status is MALFORMED
    assert answer.headers["Cache-Control"] == "no-store"


def test_half_a_request_is_malformed(told_of):
    request = status_request(told_of["leaves"]["good"], told_of["issuer"], hashes.SHA1())
    assert ask_status(told_of["url"], request[:-5]).response_status is MALFORMED


@pytest.mark.parametrize("algorithm", [hashes.SHA384(), hashes.SHA512()], ids=["SHA-384", "SHA-512"])
def test_another_hash_is_refused(told_of, algorithm):
    assert ask(told_of, algorithm=algorithm).response_status in (MALFORMED, UNAUTHORIZED)


def test_a_request_about_two_certificates_is_refused(told_of, tmp_path):
    issuer = write_pem(tmp_path / "issuer.pem", told_of["issuer"])
    files = [write_pem(tmp_path / f"{label}.pem", told_of["leaves"][label]) for label in ("good", "revoked")]
    certificates = [word for file in files for word in ("-cert", file)]
    told("ocsp", "-issuer", issuer, *certificates, "-reqout", str(tmp_path / "request"))
    assert ask_status(told_of["url"], (tmp_path / "request").read_bytes()).response_status is MALFORMED


def test_a_nonce_is_taken_and_not_returned(told_of):
    """RFC 5019 §4: answers are signed before they are asked for, so a nonce cannot be in them."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(told_of["leaves"]["good"], told_of["issuer"], hashes.SHA1())
    request = builder.add_extension(x509.OCSPNonce(b"n" * 16), False).build()
    answer = ask_status(told_of["url"], request.public_bytes(serialization.Encoding.DER))
    assert answer.certificate_status is GOOD
    with pytest.raises(x509.ExtensionNotFound):
        answer.extensions.get_extension_for_class(x509.OCSPNonce)


def test_a_body_of_another_type_is_read_all_the_same(told_of):
    request = status_request(told_of["leaves"]["good"], told_of["issuer"], hashes.SHA1())
    answer = fetch(told_of["url"], "POST", data=request, headers={**OCSP_REQUEST, "Content-Type": "text/plain"})
    assert ocsp.load_der_ocsp_response(answer.content).certificate_status is GOOD
