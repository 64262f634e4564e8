"""PATCH of a key: what it changes, what it keeps, what it refuses."""

import uuid

import pytest

from harness.keys_wire import assert_bad_parameter, error_of, path_of

pytest_plugins = ["harness.keys_fixtures"]


@pytest.fixture
def made(keys, name) -> dict:
    return keys.create(name, tags={"a": "b"}, attributes={"nbf": 1, "exp": 2_000_000_000})


def test_an_empty_update_changes_no_member(keys, made, name):
    updated = keys.update(name)
    assert {**updated, "attributes": {**updated["attributes"], "updated": made["attributes"]["updated"]}} == made


@pytest.mark.parametrize(
    "change",
    [{"enabled": False}, {"nbf": 7}, {"exp": 1_900_000_000}, {"nbf": 8, "exp": 9}],
    ids=["enabled", "nbf", "exp", "both"],
)
def test_attributes_that_are_not_given_stay(keys, made, name, change):
    attributes = keys.update(name, attributes=change)["attributes"]
    assert {**attributes, "updated": 0} == {**made["attributes"], **change, "updated": 0}


def test_tags_are_replaced_as_a_whole_and_cleared_by_none(keys, made, name):
    assert keys.update(name, tags={"c": "d"})["tags"] == {"c": "d"}
    assert not keys.update(name, tags={}).get("tags")
    assert not keys.get(name).get("tags")


def test_operations_may_be_changed(keys, made, name):
    assert keys.update(name, key_ops=["sign"])["key"]["key_ops"] == ["sign"]
    assert keys.update(name, key_ops=["sign", "verify"])["key"]["key_ops"] == ["sign", "verify"]


def test_the_key_itself_stays(keys, made, name):
    updated = keys.update(name, key_ops=["sign"], tags={}, attributes={"enabled": False})
    assert {**updated["key"], "key_ops": ["sign", "verify"]} == made["key"]


def test_an_update_makes_no_new_version(keys, made, name):
    keys.update(name, tags={})
    assert [item["kid"] for item in keys.versions(name)] == [made["key"]["kid"]]


def test_an_update_without_a_version_changes_the_newest(keys, made, name):
    newest = keys.create(name)
    assert keys.update(name, tags={"x": "y"})["key"]["kid"] == newest["key"]["kid"]
    assert keys.get(made) == made


def test_an_update_of_a_version_changes_this_version(keys, made, name):
    newest = keys.create(name)
    assert keys.update(made, tags={"x": "y"})["key"]["kid"] == made["key"]["kid"]
    assert keys.get(name) == newest


@pytest.mark.parametrize(
    "body",
    [
        {"key_ops": ["encrypt"]},
        {"key_ops": ["sign", "wrapKey"]},
        {"key_ops": ["import"]},
        {"key_ops": "sign"},
        {"attributes": {"enabled": "yes"}},
        {"attributes": {"exp": 0}},
        {"attributes": {"exp": "2030-01-01"}},
        {"attributes": {"nbf": 2_000_000_000}},
        {"attributes": {"nbf": 9, "exp": 9}},
        {"attributes": {"exportable": True}},
        {"attributes": 5},
        {"tags": ["a"]},
        {"tags": {"a": 5}},
        {"release_policy": {"data": "e30"}},
    ],
    ids=str,
)
def test_a_wrong_update_is_refused_and_changes_nothing(keys, made, name, body):
    assert_bad_parameter(keys.wire.patch(f"/keys/{name}/", json=body))
    assert keys.get(name) == made


def test_an_update_of_a_version_that_does_not_exist_is_refused(keys, made, name):
    answer = keys.wire.patch(f"/keys/{name}/{uuid.uuid4().hex}", json={"tags": {}})
    assert (answer.status_code, error_of(answer)["code"]) == (404, "KeyNotFound")


def test_changed_operations_hold_for_the_next_call(keys, made):
    keys.update(made, key_ops=["verify"])
    assert keys.ask("sign", made, "ES256", b"d" * 32).status_code == 403
    keys.update(made, key_ops=["sign"])
    assert keys.wire.post(f"{path_of(made)}/sign", json={"alg": "ES256", "value": "A" * 43}).status_code == 200
