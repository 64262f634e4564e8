"""Rotation by policy and the end of keys while the days pass: not before its time, once, and written down.

The days pass two at a time, as they do for a server that is stopped over a weekend, so that no clock looks as if it had jumped.
"""

import time

import pytest

from harness.audit import parse_records
from harness.clock import shifted
from harness.keys_wire import Keys
from harness.server import Server

DAY = 86_400
EXPIRY = {"attributes": {"expiryTime": "P28D"}}
NOTICE = {"trigger": {"timeBeforeExpiry": "P5D"}, "action": {"type": "Notify"}}


def rotating(**trigger: str) -> dict:
    return {"lifetimeActions": [{"trigger": trigger, "action": {"type": "Rotate"}}, NOTICE], **EXPIRY}


POLICY = {
    "after": rotating(timeAfterCreate="P7D"),
    "before": rotating(timeBeforeExpiry="P21D"),
    "later": rotating(timeAfterCreate="P10D"),
    "none": {"lifetimeActions": [NOTICE], **EXPIRY},
}


class Passing:
    """A server for which days pass, and its keys as the owner sees them."""

    def __init__(self, server):
        self.server = server
        self.keys = Keys(server.wire())

    def to(self, day: int) -> None:
        """Certificates are checked against our clock, not the server's, so they are left unchecked here."""
        assert self.server.stop() == 0
        self.server.start(**shifted(day * DAY))
        self.keys = Keys(self.server.wire_with(self.server.fresh_token(verify=False), verify=False))

    def versions(self, name: str) -> list[str]:
        return [item["kid"] for item in self.keys.versions(name)]

    def wait_for(self, name: str, count: int) -> list[str]:
        for _ in range(60):
            if len(self.versions(name)) >= count:
                break
            time.sleep(0.5)
        return self.versions(name)


@pytest.fixture(scope="module")
def told(binary, tmp_path_factory):
    """What became of keys with each policy in sixteen days."""
    server = Server(binary, tmp_path_factory.mktemp("rotation")).start()
    try:
        yield live(Passing(server))
    finally:
        server.kill()


def make_keys(passing: Passing) -> dict[str, dict]:
    """A key with each policy; those that are deleted or restored before anything happens; those that end. Their bundles."""
    keys = passing.keys
    for name, policy in POLICY.items():
        keys.create(name, key_ops=["sign"], tags={"a": "b"})
        keys.set_policy(name, policy)
    keys.rotate("before")
    for name in ("gone", "restored"):
        keys.create(name)
        keys.set_policy(name, POLICY["after"])
    backup = keys.backup("restored")
    for name in ("gone", "restored"):
        keys.delete(name)
    keys.purge("restored")
    keys.restore(backup)
    now = int(time.time())
    for suffix in ("", "-changed"):
        keys.create(f"ends{suffix}", attributes={"exp": now + 5 * DAY})
        keys.create(f"ending{suffix}", attributes={"exp": now + 33 * DAY})
    return {name: keys.get(name) for name in POLICY}


def live(passing: Passing) -> dict:
    told = {"first": make_keys(passing)}
    for day in (2, 4, 6):
        passing.to(day)
    time.sleep(3)
    told["day 6"] = {name: passing.versions(name) for name in POLICY}
    passing.to(8)
    for name in ("after", "before", "restored"):
        passing.wait_for(name, len(told["day 6"].get(name, [1])) + 1)
    time.sleep(3)
    told["day 8"] = {name: passing.versions(name) for name in [*POLICY, "restored"]}
    told["bundles"] = {name: passing.keys.get(name) for name in POLICY}
    told["deleted"] = passing.keys.wire.get("/deletedkeys/gone").json()["key"]["kid"]
    for name in ("ends-changed", "ending-changed"):
        passing.keys.update(name, tags={"c": "d"})
    passing.keys.recover("gone")
    told["recovered"] = passing.wait_for("gone", 2)
    for day in (10, 12, 14, 16):
        passing.to(day)
    counts = {"after": 3, "before": 4, "later": 2, "restored": 3, "gone": 3}
    told["day 16"] = {name: passing.wait_for(name, count) for name, count in counts.items()}
    assert passing.server.stop() == 0
    told["records"] = parse_records(passing.server.cli().run("audit", "export", "--data", str(passing.server.data)).stdout)
    passing.server.cli().run("audit", "verify", "--data", str(passing.server.data))
    return told


def recorded(told: dict, operation: str) -> list[str]:
    """The names of the keys with a successful record of that operation, one for each record."""
    return sorted(
        record["properties"]["id"].split("/")[4]
        for record in told["records"]
        if record["operationName"] == operation and record["resultType"] == "Success"
    )


# Rotation


@pytest.mark.parametrize("name", POLICY)
def test_no_key_is_rotated_before_its_time(told, name):
    assert len(told["day 6"][name]) == (2 if name == "before" else 1)


@pytest.mark.parametrize("name", ["after", "before"])
def test_a_key_is_rotated_once_when_its_time_has_come(told, name):
    assert len(told["day 8"][name]) == len(told["day 6"][name]) + 1
    assert set(told["day 6"][name]) < set(told["day 8"][name])


@pytest.mark.parametrize("name", ["later", "none"])
def test_a_key_whose_time_has_not_come_is_left_alone(told, name):
    assert told["day 8"][name] == told["day 6"][name]


def test_each_key_has_its_own_time(told):
    assert len(told["day 16"]["later"]) == 2


def test_a_key_is_rotated_again_when_the_new_version_has_its_age(told):
    """`before` was also rotated by hand, on the first day."""
    again = ("after", "before", "restored", "gone")
    assert [len(told["day 16"][name]) for name in again] == [3, 4, 3, 3]


@pytest.mark.parametrize("name", ["after", "before"])
def test_the_new_version_is_like_one_rotated_by_hand(told, name):
    first, new = told["first"][name], told["bundles"][name]
    assert new["key"]["kid"] not in told["day 6"][name]
    assert new["key"]["x"] != first["key"]["x"]
    assert {**new["key"], "kid": "", "x": "", "y": ""} == {**first["key"], "kid": "", "x": "", "y": ""}
    assert new["tags"] == {"a": "b"}
    assert new["attributes"]["exp"] - new["attributes"]["created"] == 28 * DAY


def test_a_restored_key_is_rotated(told):
    assert len(told["day 8"]["restored"]) == 2


def test_a_deleted_key_is_rotated_only_after_it_is_recovered(told):
    assert told["deleted"] in told["recovered"]
    assert len(told["recovered"]) == 2
    rotations = [record for record in told["records"] if record["operationName"] == "KeyRotateIfDue"]
    of_gone = [record for record in rotations if "/keys/gone" in record["properties"].get("id", "")]
    (recovered,) = (record for record in told["records"] if record["operationName"] == "KeyRecover")
    assert of_gone and min(record["time"] for record in of_gone if record["resultType"] == "Success") > recovered["time"]


def test_each_rotation_has_a_record(told):
    twice = ["after", "before", "gone", "restored"]
    assert recorded(told, "KeyRotateIfDue") == sorted([*twice, *twice, "later"])


# The end of keys


NEAR, ENDED = "KeyNearExpiryEventGridNotification", "KeyExpiredEventGridNotification"


def times(told: dict, operation: str, *names: str) -> dict[str, int]:
    return {name: recorded(told, operation).count(name) for name in names}


def test_a_key_that_is_near_its_end_is_told_of_once(told):
    """Thirty days before; soon, when less than that is left."""
    assert times(told, NEAR, "ending", "ends") == {"ending": 1, "ends": 1}


def test_a_key_that_has_ended_is_told_of_once(told):
    assert times(told, ENDED, "ending", "ends") == {"ending": 0, "ends": 1}


def test_a_change_of_tags_does_not_tell_of_the_end_again(told):
    assert times(told, NEAR, "ending-changed", "ends-changed") == {"ending-changed": 1, "ends-changed": 1}
    assert times(told, ENDED, "ending-changed", "ends-changed") == {"ending-changed": 0, "ends-changed": 1}
