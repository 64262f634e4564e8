"""The rotation policy of a key: what it is at first, what may be set, what not."""

import pytest

from harness.keys_wire import assert_bad_parameter, done

pytest_plugins = ["harness.keys_fixtures"]

NOTIFY = {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}


def rotate(**trigger) -> dict:
    return {"trigger": trigger, "action": {"type": "Rotate"}}


def notify(**trigger) -> dict:
    return {"trigger": trigger, "action": {"type": "Notify"}}


def policy(*actions, expiry: str | None = None) -> dict:
    return {"lifetimeActions": list(actions), "attributes": {"expiryTime": expiry} if expiry else {}}


def of_type(found: dict, action: str) -> list[dict]:
    return [each["trigger"] for each in found["lifetimeActions"] if each["action"]["type"] == action]


@pytest.fixture
def key(keys, name) -> str:
    keys.create(name)
    return name


# At first


def test_a_key_without_a_policy_has_the_one_of_the_service(server, keys, key):
    found = keys.policy(key)
    assert found["id"] == f"{server.vault_url()}/keys/{key}/rotationpolicy"
    assert found["lifetimeActions"] == [NOTIFY]
    assert "expiryTime" not in found["attributes"]


def test_asking_for_the_policy_does_not_set_one(keys, key):
    assert keys.policy(key) == keys.policy(key)
    assert "exp" not in keys.rotate(key)["attributes"]


# Set


def test_set_answers_with_the_policy_and_its_times(server, keys, key):
    found = keys.set_policy(key, policy(rotate(timeAfterCreate="P90D"), NOTIFY, expiry="P2Y"))
    assert set(found) == {"id", "lifetimeActions", "attributes"}
    assert found["id"] == f"{server.vault_url()}/keys/{key}/rotationpolicy"
    assert of_type(found, "Rotate") == [{"timeAfterCreate": "P90D"}]
    assert of_type(found, "Notify") == [{"timeBeforeExpiry": "P30D"}]
    assert set(found["attributes"]) == {"expiryTime", "created", "updated"}
    assert found["attributes"]["expiryTime"] == "P2Y"
    assert all(type(found["attributes"][member]) is int for member in ("created", "updated"))
    assert keys.policy(key) == found


def test_a_policy_keeps_when_it_was_made(keys, key):
    first = keys.set_policy(key, policy(expiry="P90D"))["attributes"]
    second = keys.set_policy(key, policy(expiry="P120D"))["attributes"]
    assert second["created"] == first["created"] <= second["updated"]


@pytest.mark.parametrize(
    "actions, expiry",
    [
        ([rotate(timeAfterCreate="P7D")], "P28D"),
        ([rotate(timeAfterCreate="P21D")], "P28D"),
        ([rotate(timeBeforeExpiry="P7D")], "P28D"),
        ([rotate(timeBeforeExpiry="P21D")], "P28D"),
        ([rotate(timeAfterCreate="P18M"), NOTIFY], "P48M"),
        ([rotate(timeAfterCreate="P1Y10D")], "P2Y"),
        ([rotate(timeAfterCreate="PT240H")], "P90D"),
        ([rotate(timeAfterCreate="P2M")], "PT2160H"),
        ([rotate(timeBeforeExpiry="P1M")], "P1Y"),
        ([notify(timeBeforeExpiry="P7D")], "P28D"),
        ([notify(timeBeforeExpiry="PT48H")], "P28D"),
        ([rotate(timeAfterCreate="P90D")], None),
    ],
    ids=str,
)
def test_a_policy_within_the_rules_is_kept(keys, key, actions, expiry):
    keys.set_policy(key, policy(*actions, expiry=expiry))
    found = keys.policy(key)
    assert found["attributes"].get("expiryTime") == expiry
    for each in actions:
        assert of_type(found, each["action"]["type"]) == [each["trigger"]]


def test_actions_are_matched_in_any_case_and_shown_in_one(keys, key):
    lower = [{**rotate(timeAfterCreate="P60D"), "action": {"type": "rotate"}}, {**NOTIFY, "action": {"type": "notify"}}]
    assert {each["action"]["type"] for each in keys.set_policy(key, policy(*lower, expiry="P90D"))["lifetimeActions"]} == {
        "Rotate",
        "Notify",
    }


def test_the_notice_cannot_be_removed(keys, key):
    found = keys.set_policy(key, policy(rotate(timeAfterCreate="P60D"), expiry="P90D"))
    assert len(of_type(found, "Notify")) == 1
    assert of_type(keys.policy(key), "Rotate") == [{"timeAfterCreate": "P60D"}]


def test_members_that_are_not_given_stay(keys, key):
    keys.set_policy(key, policy(rotate(timeAfterCreate="P60D"), notify(timeBeforeExpiry="P10D"), expiry="P90D"))
    keys.set_policy(key, {"attributes": {"expiryTime": "P120D"}})
    found = keys.policy(key)
    assert of_type(found, "Rotate") == [{"timeAfterCreate": "P60D"}]
    assert of_type(found, "Notify") == [{"timeBeforeExpiry": "P10D"}]
    assert found["attributes"]["expiryTime"] == "P120D"
    keys.set_policy(key, {"lifetimeActions": [rotate(timeAfterCreate="P70D")]})
    found = keys.policy(key)
    assert (of_type(found, "Rotate"), found["attributes"]["expiryTime"]) == ([{"timeAfterCreate": "P70D"}], "P120D")


def test_a_policy_belongs_to_all_versions_of_a_key(keys, key):
    found = keys.set_policy(key, policy(expiry="P90D"))
    keys.create(key)
    keys.rotate(key)
    assert keys.policy(key) == found


def test_a_policy_outlives_delete_and_recover_and_not_purge(keys, key):
    found = keys.set_policy(key, policy(expiry="P90D"))
    keys.delete(key)
    keys.recover(key)
    assert keys.policy(key) == found
    keys.delete(key)
    keys.purge(key)
    keys.create(key)
    assert "expiryTime" not in keys.policy(key)["attributes"]


# What may not be set


WRONG = {
    "expires after 27 days": policy(expiry="P27D"),
    "expires after 671 hours": policy(expiry="PT671H"),
    "expires at once": policy(expiry="P0D"),
    "no P": policy(expiry="90D"),
    "nothing after P": policy(expiry="P"),
    "nothing after T": policy(expiry="P90DT"),
    "no unit": policy(expiry="P90"),
    "negative": policy(expiry="-P90D"),
    "negative part": policy(expiry="P-90D"),
    "words": policy(expiry="ninety days"),
    "too far": policy(expiry="P99999999999999Y"),
    "a number": {"attributes": {"expiryTime": 90}},
    "two triggers": policy(rotate(timeAfterCreate="P30D", timeBeforeExpiry="P30D"), expiry="P90D"),
    "no trigger": policy(rotate(), expiry="P90D"),
    "trigger missing": policy({"action": {"type": "Rotate"}}, expiry="P90D"),
    "action missing": policy({"trigger": {"timeAfterCreate": "P30D"}}, expiry="P90D"),
    "action without a type": policy({"trigger": {"timeAfterCreate": "P30D"}, "action": {}}, expiry="P90D"),
    "unknown action": policy({"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "Delete"}}, expiry="P90D"),
    "two rotations": policy(rotate(timeAfterCreate="P30D"), rotate(timeBeforeExpiry="P30D"), expiry="P90D"),
    "two notices": policy(notify(timeBeforeExpiry="P10D"), notify(timeBeforeExpiry="P20D"), expiry="P90D"),
    "notice after creation": policy(notify(timeAfterCreate="P30D"), expiry="P90D"),
    "rotation after 6 days": policy(rotate(timeAfterCreate="P6D"), expiry="P90D"),
    "rotation after 6 days without an end": policy(rotate(timeAfterCreate="P6D")),
    "rotation after 167 hours": policy(rotate(timeAfterCreate="PT167H"), expiry="P90D"),
    "rotation at once": policy(rotate(timeAfterCreate="P0D"), expiry="P90D"),
    "rotation 6 days before the end": policy(rotate(timeAfterCreate="P84D"), expiry="P90D"),
    "rotation at the end": policy(rotate(timeAfterCreate="P90D"), expiry="P90D"),
    "rotation after the end": policy(rotate(timeAfterCreate="P100D"), expiry="P90D"),
    "rotation in the last 6 days": policy(rotate(timeBeforeExpiry="P6D"), expiry="P90D"),
    "rotation in the first 6 days": policy(rotate(timeBeforeExpiry="P84D"), expiry="P90D"),
    "rotation before the beginning": policy(rotate(timeBeforeExpiry="P100D"), expiry="P90D"),
    "before an end that there is not": policy(rotate(timeBeforeExpiry="P30D")),
    "trigger no period": policy(rotate(timeAfterCreate="soon"), expiry="P90D"),
    "trigger a number": policy(rotate(timeAfterCreate=30), expiry="P90D"),
    "actions no list": {"lifetimeActions": {"Rotate": "P30D"}},
    "no object": [],
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_policy_outside_the_rules_is_refused_and_changes_nothing(keys, standing, body):
    key = standing("P-384")["key"]["kid"].split("/")[4]
    before = keys.policy(key)
    assert_bad_parameter(keys.ask_policy(key, body))
    assert keys.policy(key) == before


def test_a_change_must_fit_what_stays(keys, key):
    keys.set_policy(key, policy(rotate(timeAfterCreate="P80D"), expiry="P90D"))
    assert_bad_parameter(keys.ask_policy(key, {"attributes": {"expiryTime": "P60D"}}))
    assert keys.policy(key)["attributes"]["expiryTime"] == "P90D"


def test_the_policy_belongs_to_the_api_since_7_3(keys, key):
    assert keys.wire.get(f"/keys/{key}/rotationpolicy", version="7.2").status_code in (400, 404)
    assert done(keys.wire.get(f"/keys/{key}/rotationpolicy", version="7.3"))
