"""Authorities while the days pass: lists and answers are made anew before they end, and certificates are renewed in time.

The server is stopped and started again with its clock moved, as in `test_certificates_renewal.py`.
"""

import time
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from harness.authorities_public import ask_status, number_of, reasons_of, revocation_list, status_request
from harness.authorities_wire import Authorities, leaf_of, leaf_policy
from harness.certificates_made import certificate_of
from harness.certificates_wire import make_together, version_of
from harness.clock import shifted
from harness.server import Server

DAY = 86_400
HOURS = {"full_hours": 30 * 24, "delta_hours": 10 * 24}
SETTINGS = {"crl": HOURS, "ocsp": {"hours": 10 * 24}}


class Passing:
    def __init__(self, server: Server):
        self.server = server
        self.authorities = Authorities(server.wire())
        self.now = datetime.now(timezone.utc)

    def to(self, day: int) -> None:
        """Certificates of the server are checked against our clock, not the server's, so they are left unchecked here."""
        assert self.server.stop() == 0
        self.server.start(**shifted(day * DAY))
        self.authorities = Authorities(self.server.wire_with(self.server.fresh_token(verify=False), verify=False))
        self.now = datetime.now(timezone.utc) + timedelta(days=day)


@pytest.fixture(scope="module")
def passing(binary, tmp_path_factory):
    server = Server(binary, tmp_path_factory.mktemp("authorities"), vaults=("demo",)).start()
    yield Passing(server)
    server.kill()


def seen(passing: Passing, shown: dict, made: dict[str, dict], issuer: x509.Certificate) -> dict:
    """What anyone sees of an authority at this moment."""

    def status(one: dict) -> ocsp.OCSPResponse:
        return ask_status(shown["ocsp"]["url"], status_request(leaf_of(one), issuer, hashes.SHA256()))

    return {
        "now": passing.now,
        "full": revocation_list(shown["crl"]["url"]),
        "delta": revocation_list(shown["crl"]["delta_url"]),
        "status": {label: status(one) for label, one in made.items()},
    }


def wait_for_lists(shown: dict, number: int) -> None:
    for _ in range(60):
        if number_of(revocation_list(shown["crl"]["url"])) > number:
            return
        time.sleep(0.1)


@pytest.fixture(scope="module")
def told(passing) -> dict:
    """A month in steps of six days, for lists that last ten days and more; and a year for certificates of six months."""
    authorities = passing.authorities
    shown = authorities.root("listed", SETTINGS)
    issuer = authorities.certificate("listed")
    days = {"good": 300, "revoked": 300, "short": 3, "held": 300}
    made = {label: authorities.issue("listed", validity_days=count) for label, count in days.items()}
    for label, reason in (("revoked", "keyCompromise"), ("short", "superseded"), ("held", "certificateHold")):
        authorities.revoke("listed", made[label]["serial_number"], reason)
    wait_for_lists(shown, 1)
    gone = authorities.root("gone", SETTINGS)
    authorities.certificates.delete("gone")
    authorities.root("renewing", months=120)
    authorities.issuer("renewing", "renewing")
    thirds = {"lifetime_actions": [{"trigger": {"lifetime_percentage": 30}, "action": {"action_type": "AutoRenew"}}]}
    kept = {"kty": "EC", "reuse_key": True}
    wanted = {"plain": leaf_policy("renewing", months=6, **thirds), "kept": leaf_policy("renewing", months=6, key=kept, **thirds)}
    make_together(authorities.certificates, "year", wanted)
    steps = []
    for day in (6, 12, 18, 24, 30, 36):
        number = number_of(revocation_list(shown["crl"]["url"]))
        passing.to(day)
        if day == 12:
            passing.authorities.certificates.recover("gone")
        at_once = seen(passing, shown, made, issuer)
        wait_for_lists(shown, number)
        time.sleep(0.3)
        steps.append({"day": day, "before": number, "at once": at_once, "after": seen(passing, shown, made, issuer)})
        steps[-1]["recovered"] = revocation_list(gone["crl"]["url"])
    counts = year(passing)
    versions = {label: history(passing, f"year-{label}") for label in wanted}
    issued = passing.authorities.list_issued("renewing")
    return {"shown": shown, "issuer": issuer, "made": made, "steps": steps, "counts": counts, "versions": versions, "issued": issued}


def year(passing: Passing) -> list[dict[str, int]]:
    """How many versions there are every two months, counted from the last time."""
    counts = []
    for day in range(60, 361, 60):
        before = {label: len(passing.authorities.certificates.versions(f"year-{label}")) for label in ("plain", "kept")}
        passing.to(day)
        for _ in range(50):
            after = {label: len(passing.authorities.certificates.versions(f"year-{label}")) for label in before}
            if all(after[label] > before[label] for label in before):
                break
            time.sleep(0.1)
        counts.append({label: after[label] - before[label] for label in before})
    return counts


def history(passing: Passing, name: str) -> list[x509.Certificate]:
    """Every version, the oldest first."""
    certificates = passing.authorities.certificates
    found = [certificate_of(certificates.get(name, version_of(item))) for item in certificates.versions(name)]
    return sorted(found, key=lambda one: one.not_valid_before_utc)


# Lists


@pytest.mark.parametrize("moment", ["at once", "after"])
@pytest.mark.parametrize("kind", ["full", "delta"])
def test_there_is_a_list_that_holds_at_every_moment(told, kind, moment):
    for step in told["steps"]:
        found, now = step[moment][kind], step[moment]["now"]
        assert found.last_update_utc <= now < found.next_update_utc, f"day {step['day']}"
        assert found.is_signature_valid(told["issuer"].public_key())


def test_lists_are_made_anew_before_they_end(told):
    for step in told["steps"]:
        assert number_of(step["after"]["full"]) > step["before"], f"day {step['day']}"
        age = step["after"]["now"] - step["after"]["delta"].last_update_utc
        assert age < timedelta(hours=1), f"day {step['day']}"


def test_what_is_revoked_stays_on_every_list(told):
    serial = leaf_of(told["made"]["revoked"]).serial_number
    for step in told["steps"]:
        assert reasons_of(step["after"]["full"])[serial] == "keyCompromise", f"day {step['day']}"


def test_what_has_expired_stays_for_one_base_and_is_gone_with_the_next(told):
    """The base is made anew after 15 days: with the lists of day 18, which still tell of it, and of day 36."""
    serial = leaf_of(told["made"]["short"]).serial_number
    on_list = {step["day"]: serial in reasons_of(step["after"]["full"]) for step in told["steps"]}
    assert on_list == {6: True, 12: True, 18: True, 24: True, 30: True, 36: False}


def test_deltas_are_based_on_a_list_that_was_published(told):
    for step in told["steps"]:
        indicator = step["after"]["delta"].extensions.get_extension_for_class(x509.DeltaCRLIndicator).value
        assert 0 < indicator.crl_number <= number_of(step["after"]["full"])
        assert number_of(step["after"]["delta"]) == number_of(step["after"]["full"])


def test_the_lists_of_a_recovered_authority_are_made_anew(told):
    """It was deleted from the first day to the twelfth; there is no key to sign with in that time."""
    for step in told["steps"]:
        if step["day"] >= 18:
            assert step["recovered"].next_update_utc > step["after"]["now"], f"day {step['day']}"


# Status


@pytest.mark.parametrize("moment", ["at once", "after"])
@pytest.mark.parametrize(("label", "status"), [("good", "GOOD"), ("revoked", "REVOKED"), ("held", "REVOKED")])
def test_there_is_an_answer_that_holds_at_every_moment(told, label, status, moment):
    for step in told["steps"]:
        answer, now = step[moment]["status"][label], step[moment]["now"]
        assert answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL, f"day {step['day']}"
        assert answer.certificate_status.name == status
        assert answer.this_update_utc <= now < answer.next_update_utc, f"day {step['day']}"


def test_answers_are_made_anew_before_they_end(told):
    for step in told["steps"]:
        answer = step["after"]["status"]["good"]
        assert step["after"]["now"] - answer.this_update_utc < timedelta(hours=1), f"day {step['day']}"


def test_no_more_is_said_of_what_has_expired(told):
    statuses = {step["after"]["status"]["short"].response_status for step in told["steps"]}
    assert statuses == {ocsp.OCSPResponseStatus.UNAUTHORIZED}


# Renewal


def test_a_certificate_is_renewed_once_each_time_it_is_due(told):
    assert told["counts"] == [{"plain": 1, "kept": 1}] * len(told["counts"])


@pytest.mark.parametrize("label", ["plain", "kept"])
def test_a_year_passes_without_a_gap(told, label):
    versions = told["versions"][label]
    assert len(versions) >= 7
    for one, after in zip(versions, versions[1:]):
        assert after.not_valid_before_utc < one.not_valid_after_utc
    assert versions[-1].not_valid_after_utc - versions[0].not_valid_before_utc > timedelta(days=365)


@pytest.mark.parametrize("label", ["plain", "kept"])
def test_what_was_issued_is_what_was_renewed(told, label):
    issued = sorted(item["serial_number"] for item in told["issued"] if item["certificate"].endswith(f"/year-{label}"))
    assert issued == sorted(f"{one.serial_number:032x}" for one in told["versions"][label])


@pytest.mark.parametrize(("label", "keys"), [("plain", None), ("kept", 1)])
def test_the_key_is_kept_where_the_policy_says_so(told, label, keys):
    versions = told["versions"][label]
    assert len({one.public_key().public_numbers() for one in versions}) == (keys or len(versions))
