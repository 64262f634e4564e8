"""Authorities while the days pass, and through kills: lists and answers never end, renewals leave no gap, nothing is issued twice."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from harness.authorities import Authorities, chain_of, public, request_for
from harness.certificates_made import certificate_of
from harness.certificates_wire import Certificates, policy
from harness.clock import shifted
from harness.server import Server

DAY = 86_400


class Passing:
    """A server whose clock is moved from one start to the next. Its own certificate is for our time, and left unchecked."""

    def __init__(self, server: Server):
        self.server = server
        self.authorities = Authorities(Certificates(server.wire()))

    def to(self, day: int) -> datetime:
        assert self.server.stop() == 0
        self.server.start(**shifted(day * DAY))
        wire = self.server.wire_with(self.server.fresh_token(verify=False), verify=False)
        self.authorities = Authorities(Certificates(wire))
        return datetime.now(timezone.utc) + timedelta(days=day)


def until(check) -> None:
    """Waits for what the due index does within a tick or two."""
    done = threading.Event()
    for _ in range(100):
        if check():
            return
        done.wait(0.1)
    raise AssertionError("it did not come about")


def status(url: str, leaf: x509.Certificate, issuer: x509.Certificate) -> ocsp.OCSPResponse:
    asked = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hashes.SHA1()).build().public_bytes(Encoding.DER)
    return ocsp.load_der_ocsp_response(public("POST", url, data=asked).content)


def test_lists_and_answers_are_made_anew_before_they_end(own_server):
    passing = Passing(own_server())
    authority = passing.authorities.make("root")
    _, csr = request_for("a.example.com")
    kept = passing.authorities.issue("root", csr, validity_days=300)
    brief = passing.authorities.issue("root", csr, validity_days=3)
    passing.authorities.revoke("root", brief["serial_number"])
    leaf, issuer = chain_of(kept)
    gone = chain_of(brief)[0]
    for day in (1, 3, 9, 20, 40):
        now = passing.to(day)
        url, delta = authority["crl"]["url"], authority["crl"]["delta_url"]
        for address in (url, delta):
            until(lambda: x509.load_der_x509_crl(public("GET", address).content).next_update_utc > now)
        until(lambda: status(authority["ocsp"]["url"], leaf, issuer).response_status == ocsp.OCSPResponseStatus.SUCCESSFUL)
        told = status(authority["ocsp"]["url"], leaf, issuer)
        assert told.certificate_status == ocsp.OCSPCertStatus.GOOD
        assert told.this_update_utc < now < told.next_update_utc
        if day == 1:
            full = x509.load_der_x509_crl(public("GET", url).content)
            assert full.get_revoked_certificate_by_serial_number(gone.serial_number) is not None
    # The revoked certificate ended long ago: it is on no list, and nothing is said of it.
    full = x509.load_der_x509_crl(public("GET", authority["crl"]["url"]).content)
    assert full.get_revoked_certificate_by_serial_number(gone.serial_number) is None
    assert status(authority["ocsp"]["url"], gone, issuer).response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED


def monthly(percentage: int = 50) -> dict:
    action = {"trigger": {"lifetime_percentage": percentage}, "action": {"action_type": "AutoRenew"}}
    names = {"subject": "CN=a.example.com", "validity_months": 2}
    return policy("root", x509_props=names, lifetime_actions=[action])


def test_a_year_of_renewals_leaves_no_gap_and_issues_nothing_twice(own_server):
    passing = Passing(own_server())
    passing.authorities.make("root")
    assert passing.authorities.issuer("root", "root").status_code == 200
    passing.authorities.certificates.create("leaf", monthly())
    ends = [certificate_of(passing.authorities.certificates.get("leaf")).not_valid_after_utc]
    for day in range(35, 366, 33):
        now = passing.to(day)
        assert ends[-1] > now, "the certificate ended before it was renewed"

        def renewed() -> bool:
            ends.append(certificate_of(passing.authorities.certificates.get("leaf")).not_valid_after_utc)
            return ends[-1] > now + timedelta(days=40)

        until(renewed)
    versions = passing.authorities.certificates.versions("leaf")
    assert len(versions) == len(passing.authorities.issued("root")) == 1 + len(range(35, 366, 33))


def test_a_renewal_that_is_refused_is_tried_again_and_leaves_the_version_in_use(own_server):
    passing = Passing(own_server())
    authorities = passing.authorities
    authorities.make("root")
    authorities.issuer("root", "root")
    first = authorities.certificates.create("leaf", monthly())
    authorities.establish("root", enabled=False)
    passing.to(35)
    pending = None

    def refused() -> bool:
        nonlocal pending
        pending = passing.authorities.certificates.pending("leaf")
        return pending["status"] == "failed"

    until(refused)
    assert "disabled" in pending["error"]["message"]
    assert passing.authorities.certificates.get("leaf")["id"] == first["id"]
    passing.authorities.establish("root", enabled=True)
    passing.to(36)
    until(lambda: len(passing.authorities.certificates.versions("leaf")) == 2)


def test_nothing_that_was_answered_is_lost_and_nothing_is_issued_twice_when_the_server_is_killed(own_server):
    server = own_server()
    Authorities(Certificates(server.wire())).make("root")
    _, csr = request_for("a.example.com")
    answered: list[str] = []

    def issue() -> None:
        authorities = Authorities(Certificates(server.wire()))
        try:
            while True:
                answered.append(authorities.issue("root", csr)["serial_number"])
        except (requests.RequestException, AssertionError):
            return

    for _ in range(2):
        before = len(answered)
        threads = [threading.Thread(target=issue) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(answered) >= before + 40)
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
    listed = [each["serial_number"] for each in Authorities(Certificates(server.wire())).issued("root")]
    assert len(listed) == len(set(listed))
    assert set(answered) <= set(listed)
    # What was on its way when the server was killed may be on record without having left.
    assert len(listed) - len(answered) <= 16


@pytest.mark.parametrize("rounds", [3])
def test_orders_survive_a_kill_and_are_fulfilled_once(own_server, rounds):
    server = own_server()
    authorities = Authorities(Certificates(server.wire()))
    authorities.make("root")
    authorities.issuer("root", "root")
    wanted = {"key_props": {"kty": "EC"}, "x509_props": {"subject": "CN=a.example.com"}, "issuer": {"name": "root"}}
    for round in range(rounds):
        for number in range(10):
            authorities.certificates.begin(f"order-{round}-{number}", wanted)
        server.kill()
        server.start()
        authorities = Authorities(Certificates(server.wire()))
    for round in range(rounds):
        for number in range(10):
            assert authorities.certificates.wait(f"order-{round}-{number}")["status"] == "completed"
    assert len(authorities.issued("root")) == rounds * 10
