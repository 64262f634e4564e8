"""Authorities while the days of a year pass: lists and answers are made anew before they end, certificates are renewed in time.

The server is stopped and started again with its clock moved, as in `test_certificates_renewal.py`.
"""

import time
from datetime import datetime, timedelta, timezone
from typing import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from harness.authorities_public import ask_status, number_of, reasons_of, revocation_list, status_request
from harness.authorities_wire import Authorities, authority_policy, leaf_of, leaf_policy
from harness.certificates_made import certificate_of
from harness.certificates_wire import make_together, version_of
from harness.clock import shifted
from harness.server import Server

DAY = 86_400
HOURS = {"full_hours": 30 * 24, "delta_hours": 10 * 24}
SETTINGS = {"crl": HOURS, "ocsp": {"hours": 10 * 24}}
MONTH, YEAR = range(6, 37, 6), range(61, 367, 61)
RENEWED = ("plain", "kept")
SUCCESSFUL = ocsp.OCSPResponseStatus.SUCCESSFUL


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


def wait_until(come: Callable[[], bool]) -> None:
    """What does not come in time is missed by the tests."""
    until = time.monotonic() + 30
    while not come() and time.monotonic() < until:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def told(passing) -> dict:
    """A month in steps of six days, for lists that last ten days and more; and a year in steps of two months, for certificates of six."""
    authorities, names = passing.authorities, ("listed", "gone", "renewing", "closed")
    make_together(authorities.certificates, "root", {name: authority_policy(f"CN={name}", months=120) for name in names})
    shown, gone = authorities.set("root-listed", SETTINGS), authorities.set("root-gone", SETTINGS)
    authorities.certificates.delete("root-gone")
    issuer = authorities.certificate("root-listed")
    days = {"good": 300, "revoked": 300, "short": 3, "held": 300}
    made = {label: authorities.issue("root-listed", validity_days=count) for label, count in days.items()}
    for label, reason in (("revoked", "keyCompromise"), ("short", "superseded"), ("held", "certificateHold")):
        authorities.revoke("root-listed", made[label]["serial_number"], reason)
    wait_until(lambda: number_of(revocation_list(shown["crl"]["url"])) > 1)
    for name in ("renewing", "closed"):
        authorities.set(f"root-{name}")
        authorities.issuer(name, f"root-{name}")
    kept = {"kty": "EC", "reuse_key": True}
    wanted = {"plain": renewed_by("renewing"), "kept": renewed_by("renewing", key=kept), "refused": renewed_by("closed")}
    make_together(authorities.certificates, "year", wanted)
    authorities.set("root-closed", {"enabled": False})
    steps = []
    for day in MONTH:
        number = number_of(revocation_list(shown["crl"]["url"]))
        passing.to(day)
        if day == 12:
            passing.authorities.certificates.recover("root-gone")
        at_once = seen(passing, shown, made, issuer)
        after = seen_anew(passing, shown, made, issuer, number)
        steps.append({"day": day, "before": number, "at once": at_once, "after": after})
        steps[-1]["recovered"] = revocation_list(gone["crl"]["url"])
    counts, refusal = [count_and_pass(passing, YEAR[0])], refuse_and_enable(passing)
    number = number_of(revocation_list(shown["crl"]["url"]))
    counts.append(count_and_pass(passing, YEAR[1]))
    late = seen_anew(passing, shown, made, issuer, number)
    counts += [count_and_pass(passing, day) for day in YEAR[2:]]
    return {
        "issuer": issuer,
        "made": made,
        "steps": steps,
        "late": late,
        "counts": counts,
        "refusal": refusal,
        "versions": {label: history(passing, f"year-{label}") for label in RENEWED},
        "issued": passing.authorities.list_issued("root-renewing"),
    }


def seen_anew(passing: Passing, shown: dict, made: dict[str, dict], issuer: x509.Certificate, number: int) -> dict:
    """The same once lists after this number and answers of this day are there."""

    def are_there() -> bool:
        nonlocal found
        found = seen(passing, shown, made, issuer)
        answers = [found["status"][label] for label in ("good", "revoked", "held")]
        return (
            number_of(found["full"]) > number
            and number_of(found["delta"]) == number_of(found["full"])
            and all(one.response_status is SUCCESSFUL and passing.now - one.this_update_utc < timedelta(hours=1) for one in answers)
            and found["status"]["short"].response_status is not SUCCESSFUL
        )

    found = {}
    wait_until(are_there)
    return found


def renewed_by(issuer: str, **parts) -> dict:
    """A certificate of six months, renewed after less than two."""
    action = {"trigger": {"lifetime_percentage": 30}, "action": {"action_type": "AutoRenew"}}
    return leaf_policy(issuer, months=6, lifetime_actions=[action], **parts)


def count_of(passing: Passing, label: str) -> int:
    return len(passing.authorities.certificates.versions(f"year-{label}"))


def count_and_pass(passing: Passing, day: int) -> dict[str, int]:
    """How many versions there are more on this day than before."""
    before = {label: count_of(passing, label) for label in RENEWED}
    passing.to(day)
    wait_until(lambda: all(count_of(passing, label) > before[label] for label in RENEWED))
    return {label: count_of(passing, label) - before[label] for label in RENEWED}


def refuse_and_enable(passing: Passing) -> dict:
    """What there is while the authority is disabled, and how many versions on the day after it was enabled."""
    certificates = passing.authorities.certificates
    wait_until(lambda: certificates.pending("year-refused")["status"] == "failed")
    told = {"pending": certificates.pending("year-refused"), "before": count_of(passing, "refused")}
    told["in use"] = certificate_of(certificates.get("year-refused"))
    passing.authorities.set("root-closed", {"enabled": True})
    passing.to(YEAR[0] + 1)
    wait_until(lambda: count_of(passing, "refused") > 1)
    return {**told, "after": count_of(passing, "refused"), "at first": history(passing, "year-refused")[0]}


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
        assert answer.response_status is SUCCESSFUL, f"day {step['day']}"
        assert answer.certificate_status.name == status
        assert answer.this_update_utc <= now < answer.next_update_utc, f"day {step['day']}"


def test_answers_are_made_anew_before_they_end(told):
    for step in told["steps"]:
        answer = step["after"]["status"]["good"]
        assert step["after"]["now"] - answer.this_update_utc < timedelta(hours=1), f"day {step['day']}"


def test_no_more_is_said_of_what_has_expired(told):
    statuses = {step["after"]["status"]["short"].response_status for step in told["steps"]}
    assert statuses == {ocsp.OCSPResponseStatus.UNAUTHORIZED}


def test_what_ended_while_the_server_stood_still_is_made_anew(told):
    """It stood still for two months, and nothing lasts that long."""
    found, now = told["late"], told["late"]["now"]
    for one in (found["full"], found["delta"]):
        assert one.last_update_utc <= now < one.next_update_utc
    for label, status in (("good", "GOOD"), ("revoked", "REVOKED"), ("held", "REVOKED")):
        answer = found["status"][label]
        assert (answer.response_status, answer.certificate_status.name) == (SUCCESSFUL, status)
        assert answer.this_update_utc <= now < answer.next_update_utc


# Renewal


def test_a_certificate_is_renewed_once_each_time_it_is_due(told):
    assert told["counts"] == [{"plain": 1, "kept": 1}] * len(YEAR)


@pytest.mark.parametrize("label", RENEWED)
def test_a_year_of_renewals_leaves_no_gap_and_issues_nothing_twice(told, label):
    versions = told["versions"][label]
    assert len(versions) == 1 + len(YEAR)
    for one, after in zip(versions, versions[1:]):
        assert after.not_valid_before_utc < one.not_valid_after_utc
    assert versions[-1].not_valid_after_utc - versions[0].not_valid_before_utc > timedelta(days=365)


@pytest.mark.parametrize("label", RENEWED)
def test_what_was_issued_is_what_was_renewed(told, label):
    issued = sorted(item["serial_number"] for item in told["issued"] if item["certificate"].endswith(f"/year-{label}"))
    assert issued == sorted(f"{one.serial_number:032x}" for one in told["versions"][label])


@pytest.mark.parametrize(("label", "keys"), [("plain", None), ("kept", 1)])
def test_the_key_is_kept_where_the_policy_says_so(told, label, keys):
    versions = told["versions"][label]
    assert len({one.public_key().public_numbers() for one in versions}) == (keys or len(versions))


def test_a_renewal_that_is_refused_is_tried_again_and_leaves_the_version_in_use(told):
    refusal = told["refusal"]
    assert refusal["pending"]["status"] == "failed" and "disabled" in refusal["pending"]["error"]["message"]
    assert (refusal["before"], refusal["after"]) == (1, 2)
    assert refusal["in use"] == refusal["at first"]
