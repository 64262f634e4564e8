"""What an authority revokes, for each reason, and what the full list and the delta then say."""

import base64
import time
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509

from harness.authorities_public import (
    base_of,
    fetch,
    list_after,
    list_with,
    number_of,
    openssl,
    reasons_of,
    revocation_list,
    told,
    write_pem,
)
from harness.authorities_wire import Authorities, certificates_of, der_of, leaf_of, leaf_policy, reason_of
from harness.certificates_made import self_signed
from harness.certificates_wire import refusal
from harness.tokens import encode

pytest_plugins = ["harness.authorities_fixtures"]

REASONS = [
    "unspecified",
    "keyCompromise",
    "cACompromise",
    "affiliationChanged",
    "superseded",
    "cessationOfOperation",
    "certificateHold",
    "privilegeWithdrawn",
]


@pytest.fixture(scope="module")
def revoking(server, _spare) -> dict:
    """An authority that has revoked a certificate for each reason, and one that it has not."""
    authorities, name = Authorities(server.wire()), next(_spare)
    shown = authorities.set(name)
    made = {reason: authorities.issue(name) for reason in [*REASONS, "none"]}
    answers = {reason: authorities.revoke(name, made[reason]["serial_number"], reason) for reason in REASONS}
    last = leaf_of(made[REASONS[-1]]).serial_number
    return {
        "name": name,
        "shown": shown,
        "made": made,
        "answers": answers,
        "full": list_with(shown["crl"]["url"], last),
        "delta": list_with(shown["crl"]["delta_url"], last),
        "issuer": authorities.certificate(name),
    }


@pytest.fixture
def issued(authorities, revoking) -> dict:
    """A certificate of that authority which no other test revokes."""
    return authorities.issue(revoking["name"])


# Answers


@pytest.mark.operation("AuthorityRevoke")
@pytest.mark.parametrize("reason", REASONS)
def test_a_certificate_is_revoked_for_a_reason(authorities, revoking, issued, reason):
    answer = authorities.revoke(revoking["name"], issued["serial_number"], reason)
    assert (answer["status"], answer["revocation"]["reason"]) == ("revoked", reason)
    assert abs(answer["revocation"]["time"] - time.time()) < 60
    assert answer["cer"] == issued["cer"]
    assert authorities.issued(revoking["name"], issued["serial_number"])["revocation"] == answer["revocation"]


def test_without_a_reason_it_is_unspecified(authorities, revoking, issued):
    assert authorities.revoke(revoking["name"], issued["serial_number"])["revocation"]["reason"] == "unspecified"


@pytest.mark.parametrize("form", [lambda der: base64.b64encode(der).decode(), encode], ids=["base64", "base64url"])
def test_a_certificate_is_named_by_itself(authorities, revoking, issued, form):
    answer = authorities.ask_revoke(revoking["name"], cer=form(der_of(leaf_of(issued))), reason="superseded")
    assert (answer.status_code, answer.json()["serial_number"]) == (200, issued["serial_number"])


def test_the_list_of_what_was_issued_tells_of_revocations(authorities, revoking):
    told_of = {item["serial_number"]: item for item in authorities.list_issued(revoking["name"])}
    for reason, made in revoking["made"].items():
        assert told_of[made["serial_number"]]["status"] == ("good" if reason == "none" else "revoked")


# What is refused


def test_what_was_revoked_is_not_revoked_again(authorities, revoking, issued):
    authorities.revoke(revoking["name"], issued["serial_number"], "keyCompromise")
    for reason in ("keyCompromise", "superseded", "certificateHold", "removeFromCRL"):
        answer = authorities.ask_revoke(revoking["name"], serial_number=issued["serial_number"], reason=reason)
        assert refusal(answer) == (409, "Conflict")
        assert "revoked before (keyCompromise)" in answer.json()["error"]["message"]


def test_a_serial_number_that_was_not_issued_is_not_found(authorities, revoking):
    assert refusal(authorities.ask_revoke(revoking["name"], serial_number="0102")) == (404, "CertificateNotFound")


def test_another_certificate_under_a_serial_number_is_refused(authorities, revoking, issued):
    name = revoking["name"]
    assert refusal(authorities.ask_revoke(name, cer=base64.b64encode(der_of(self_signed()[1])).decode()))[0] == 404
    changed = bytearray(der_of(leaf_of(issued)))
    changed[-1] ^= 1
    assert "is not the certificate that this authority issued" in reason_of(
        authorities.ask_revoke(name, cer=base64.b64encode(changed).decode())
    )


BAD = {
    "nothing": ({}, "one of the members 'serial_number' and 'cer'"),
    "both": ({"serial_number": "01", "cer": "AAAA"}, "one of the members 'serial_number' and 'cer'"),
    "a serial number that is none": ({"serial_number": "xyz"}, "serial_number"),
    "an empty serial number": ({"serial_number": ""}, "serial_number"),
    "a certificate that is none": ({"cer": "AAAA"}, "it is not a certificate"),
    "no base64": ({"cer": "***"}, "it is not base64"),
    "an unknown reason": ({"serial_number": "01", "reason": "boredom"}, "it must be one of unspecified, keyCompromise"),
    "an attribute authority": ({"serial_number": "01", "reason": "aACompromise"}, "it must be one of"),
    "a reason as a number": ({"serial_number": "01", "reason": 1}, ""),
}


@pytest.mark.parametrize("label", BAD)
def test_a_bad_request_is_refused_with_its_reason(authorities, revoking, label):
    body, reason = BAD[label]
    assert reason in reason_of(authorities.ask_revoke(revoking["name"], **body))


def test_only_what_is_on_hold_is_released(authorities, revoking, issued):
    answer = authorities.ask_revoke(revoking["name"], serial_number=issued["serial_number"], reason="removeFromCRL")
    assert "only a certificate on hold" in reason_of(answer)


# Lists


@pytest.mark.parametrize("kind", ["full", "delta"])
def test_a_list_has_each_certificate_with_its_reason(revoking, kind):
    told_of = reasons_of(revoking[kind])
    for reason in REASONS:
        assert told_of[leaf_of(revoking["made"][reason]).serial_number] == reason
    assert leaf_of(revoking["made"]["none"]).serial_number not in told_of


def test_an_entry_without_a_reason_says_nothing_of_one(revoking):
    """RFC 5280 §5.3.1: the code 'unspecified' is not written, its absence is."""
    for reason in REASONS:
        entry = revoking["full"].get_revoked_certificate_by_serial_number(leaf_of(revoking["made"][reason]).serial_number)
        told_of = [extension.value.reason.value for extension in entry.extensions]
        assert told_of == ([] if reason == "unspecified" else [reason])


def test_an_entry_has_the_time_of_the_revocation(revoking):
    entry = revoking["full"].get_revoked_certificate_by_serial_number(leaf_of(revoking["made"]["superseded"]).serial_number)
    assert entry.revocation_date_utc.timestamp() == revoking["answers"]["superseded"]["revocation"]["time"]


@pytest.mark.parametrize("kind", ["full", "delta"])
def test_a_list_is_signed_by_its_authority_for_now(revoking, kind):
    made = revoking[kind]
    assert made.is_signature_valid(revoking["issuer"].public_key())
    assert made.issuer == revoking["issuer"].subject
    now = datetime.now(timezone.utc)
    assert now - timedelta(minutes=10) < made.last_update_utc <= now < made.next_update_utc
    identifier = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    own = revoking["issuer"].extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier.key_identifier == own.key_identifier


def test_a_delta_says_what_it_is_based_on(revoking):
    assert base_of(revoking["full"]) is None
    indicator = revoking["delta"].extensions.get_extension_for_class(x509.DeltaCRLIndicator)
    assert indicator.critical
    assert indicator.value.crl_number <= number_of(revoking["delta"])
    freshest = revoking["full"].extensions.get_extension_for_class(x509.FreshestCRL).value
    assert [name.value for point in freshest for name in point.full_name] == [revoking["shown"]["crl"]["delta_url"]]


def test_openssl_reads_both_lists_and_finds_their_signatures_good(revoking, tmp_path):
    issuer = write_pem(tmp_path / "issuer.pem", revoking["issuer"])
    for kind in ("full", "delta"):
        assert "verify OK" in told("crl", "-inform", "DER", "-noout", "-CAfile", issuer, data=der_of(revoking[kind]))
    text = told("crl", "-inform", "DER", "-noout", "-text", data=der_of(revoking["delta"]))
    assert "X509v3 Delta CRL Indicator: critical" in text and "Cessation Of Operation" in text


def test_openssl_refuses_what_is_on_the_list(revoking, tmp_path):
    issuer = write_pem(tmp_path / "issuer.pem", revoking["issuer"])
    lists = write_pem(tmp_path / "list.pem", revoking["full"])
    codes = {}
    for reason in ("keyCompromise", "none"):
        leaf = write_pem(tmp_path / "leaf.pem", leaf_of(revoking["made"][reason]))
        codes[reason] = openssl("verify", "-CAfile", issuer, "-CRLfile", lists, "-crl_check", leaf)
    assert codes["none"].returncode == 0, codes["none"].stderr
    assert b"certificate revoked" in codes["keyCompromise"].stderr


def test_a_list_is_an_answer_that_may_be_kept_for_a_while(revoking):
    answer = fetch(revoking["shown"]["crl"]["url"])
    assert answer.headers["Content-Type"] == "application/pkix-crl"
    assert "max-age=300" in answer.headers["Cache-Control"]


@pytest.mark.operation("AuthorityPublish")
def test_numbers_grow_and_a_published_list_is_a_new_base(authorities, own):
    shown = authorities.set(own)
    made = authorities.issue(own)
    authorities.revoke(own, made["serial_number"], "superseded")
    delta = list_after(shown["crl"]["delta_url"], 1)
    assert (number_of(delta), base_of(delta), len(delta)) == (2, 1, 1)
    published = authorities.publish(own)
    assert (published["crl"]["number"], published["crl"]["base_number"]) == (3, 3)
    full, delta = revocation_list(shown["crl"]["url"]), revocation_list(shown["crl"]["delta_url"])
    assert (number_of(full), number_of(delta), base_of(delta)) == (3, 3, 3)
    assert (len(full), len(delta)) == (1, 0)


def test_a_hold_that_is_released_leaves_the_list_and_the_delta_says_so(authorities, own):
    shown = authorities.set(own)
    made = authorities.issue(own)
    serial, number = made["serial_number"], leaf_of(made).serial_number
    authorities.revoke(own, serial, "certificateHold")
    assert reasons_of(list_with(shown["crl"]["url"], number)) == {number: "certificateHold"}
    assert refusal(authorities.ask_revoke(own, serial_number=serial, reason="certificateHold")) == (409, "Conflict")
    authorities.publish(own)
    released = authorities.revoke(own, serial, "removeFromCRL")
    assert released["status"] == "good" and "revocation" not in released
    assert len(list_with(shown["crl"]["url"], number, present=False)) == 0
    assert reasons_of(revocation_list(shown["crl"]["delta_url"])) == {number: "removeFromCRL"}
    assert authorities.revoke(own, serial, "keyCompromise")["status"] == "revoked"
    assert reasons_of(list_with(shown["crl"]["url"], number)) == {number: "keyCompromise"}


def test_a_hold_becomes_a_revocation_from_its_own_time(authorities, revoking, issued):
    held = authorities.revoke(revoking["name"], issued["serial_number"], "certificateHold")["revocation"]["time"]
    while time.time() < held + 1:
        time.sleep(0.05)
    final = authorities.revoke(revoking["name"], issued["serial_number"], "keyCompromise")["revocation"]
    assert final == {"time": held, "reason": "keyCompromise"}


def test_a_certificate_of_the_vault_is_revoked_like_any_other(authorities, root, issuer, name):
    authorities.certificates.create(name, leaf_policy(issuer))
    leaf = authorities.certificate(name)
    assert authorities.revoke(root, f"{leaf.serial_number:x}")["certificate"].endswith(f"/certificates/{name}")


def test_an_older_generation_still_revokes(authorities, own):
    shown = authorities.set(own)
    made = authorities.issue(own)
    authorities.certificates.create(own)
    authorities.set(own)
    authorities.revoke(own, made["serial_number"], "superseded")
    found = list_with(shown["crl"]["url"], leaf_of(made).serial_number)
    assert found.is_signature_valid(certificates_of(made)[1].public_key())
