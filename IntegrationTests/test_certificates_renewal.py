"""Renewal by policy while the days pass: not before its time, by the policy, and written down.

The days pass two at a time, as in `test_keys_rotation_clock.py`.
"""

import time

import pytest

from harness.audit import parse_records
from harness.certificates_made import certificate_of, pfx, public_der, self_signed
from harness.certificates_wire import Certificates, make_together, policy, version_of
from harness.clock import shifted
from harness.server import Server

DAY = 86_400
MONTH = {"subject": "CN=example.com", "validity_months": 1}


def renewing(action: str = "AutoRenew", key: dict | None = None, **trigger: int) -> dict:
    return policy(key=key, x509_props=MONTH, lifetime_actions=[{"trigger": trigger, "action": {"action_type": action}}])


# A month has 28 to 31 days: ten percent of it are over after the second and before the fourth, and 24 are left from the fourth to
# the seventh.
WANTED = {
    "percent": renewing(lifetime_percentage=10),
    "kept": renewing(lifetime_percentage=10, key={"kty": "EC", "reuse_key": True}),
    "hardware": renewing(lifetime_percentage=10, key={"kty": "EC-HSM", "exportable": False}),
    "days": renewing(days_before_expiry=24),
    "mail": renewing("EmailContacts", lifetime_percentage=10),
    "later": renewing(lifetime_percentage=90),
    "sooner": renewing(lifetime_percentage=90),
    "gone": renewing(lifetime_percentage=10),
}
RENEWED = ("percent", "kept", "hardware", "sooner")


class Passing:
    def __init__(self, server: Server):
        self.server = server
        self.certificates = Certificates(server.wire())

    def to(self, day: int) -> None:
        """Certificates of the server are checked against our clock, not the server's, so they are left unchecked here."""
        assert self.server.stop() == 0
        self.server.start(**shifted(day * DAY))
        self.certificates = Certificates(self.server.wire_with(self.server.fresh_token(verify=False), verify=False))

    def versions(self, label: str) -> list[str]:
        return [version_of(item) for item in self.certificates.versions(f"renew-{label}")]

    def counts(self) -> dict[str, int]:
        return {label: len(self.versions(label)) for label in WANTED if label != "gone"}

    def wait_for(self, labels, count: int) -> None:
        for label in labels:
            for _ in range(300):
                if len(self.versions(label)) >= count:
                    break
                time.sleep(0.1)


@pytest.fixture(scope="module")
def told(binary, tmp_path_factory):
    """What became of certificates with each policy in eight days."""
    server = Server(binary, tmp_path_factory.mktemp("renewal")).start()
    try:
        yield live(Passing(server))
    finally:
        server.kill()


def live(passing: Passing) -> dict:
    made = make_together(passing.certificates, "renew", WANTED, tags={"a": "b"})
    told = {"first": {label: bundle for label, (_, bundle) in made.items()}}
    passing.certificates.import_("renew-imported", pfx(*self_signed(days=5)))
    changed = {"lifetime_actions": renewing(lifetime_percentage=10)["lifetime_actions"]}
    assert passing.certificates.wire.patch("/certificates/renew-sooner/policy", json=changed).status_code == 200
    passing.certificates.delete("renew-gone")
    passing.to(2)
    time.sleep(1.5)
    told["day 2"] = passing.counts()
    passing.to(4)
    passing.wait_for(RENEWED, 2)
    time.sleep(1.5)
    told["day 4"] = passing.counts()
    told["renewed"] = {label: passing.certificates.get(f"renew-{label}") for label in RENEWED}
    told["secret"] = passing.certificates.wire.get("/secrets/renew-percent").json()
    passing.to(6)
    passing.to(8)
    told["recovered"] = passing.certificates.recover("renew-gone")
    passing.wait_for(RENEWED, 3)
    passing.wait_for(["days", "gone"], 2)
    told["gone"] = passing.versions("gone")
    told["day 8"] = passing.counts()
    told["imported"] = passing.versions("imported")
    assert passing.server.stop() == 0
    told["records"] = parse_records(passing.server.cli().run("audit", "export", "--data", str(passing.server.data)).stdout)
    return told


def test_no_certificate_is_renewed_before_its_time(told):
    assert set(told["day 2"].values()) == {1}


@pytest.mark.parametrize("label", RENEWED)
def test_a_certificate_is_renewed_once_when_its_time_has_come(told, label):
    assert told["day 4"][label] == 2


@pytest.mark.parametrize("label", RENEWED)
def test_a_renewed_certificate_is_renewed_again(told, label):
    assert told["day 8"][label] == 3


def test_days_before_the_end_count(told):
    assert told["day 8"]["days"] >= 2


@pytest.mark.parametrize("label", ["mail", "later"])
def test_a_certificate_that_is_not_to_be_renewed_is_left_alone(told, label):
    assert told["day 8"][label] == 1


def test_an_imported_certificate_is_left_alone(told):
    assert len(told["imported"]) == 1


@pytest.mark.parametrize("label", RENEWED)
def test_the_new_version_follows_the_policy(told, label):
    first, second = certificate_of(told["first"][label]), certificate_of(told["renewed"][label])
    second.verify_directly_issued_by(second)
    assert second.subject == first.subject and second.serial_number != first.serial_number
    assert (public_der(first) == public_der(second)) is (label == "kept")
    assert 3 * DAY < (second.not_valid_before_utc - first.not_valid_before_utc).total_seconds() < 5 * DAY
    assert 27 * DAY < (second.not_valid_after_utc - second.not_valid_before_utc).total_seconds() < 32 * DAY
    assert told["renewed"][label]["attributes"]["enabled"] is True


def test_key_and_secret_are_renewed_too(told):
    made = told["renewed"]["percent"]
    assert (told["secret"]["id"], told["secret"]["kid"]) == (made["sid"], made["kid"])


def test_a_deleted_certificate_is_renewed_only_after_it_is_recovered(told):
    assert told["recovered"]["id"] == told["first"]["gone"]["id"]
    assert len(told["gone"]) == 2


def test_each_renewal_has_a_record(told):
    renewals = [record for record in told["records"] if record["operationName"] == "CertificateRenew"]
    named = [record["properties"]["id"].split("/")[4] for record in renewals if record["resultType"] == "Success"]
    assert {f"renew-{label}" for label in (*RENEWED, "days", "gone")} == set(named)
    assert [named.count(f"renew-{label}") for label in RENEWED] == [2] * len(RENEWED)
