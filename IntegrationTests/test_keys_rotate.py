"""Rotation by hand: a new version of the same kind, and the old one as it was."""

import pytest

from harness import keys_algorithms as algorithms
from harness.keys_jwk import ec_jwk, new_ec, public_key

pytest_plugins = ["harness.keys_fixtures"]

DAY = 86_400
KINDS = [
    {"kty": "RSA", "key_size": 3072},
    {"kty": "EC", "crv": "P-521"},
    {"kty": "EC", "crv": "P-256K"},
    {"kty": "OKP", "crv": "Ed25519"},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_new_version_is_of_the_same_kind(keys, name, kind):
    old = keys.create(name, **kind, key_ops=["sign"], tags={"a": "b"})
    new = keys.rotate(name)
    for member in ("kty", "crv", "key_ops"):
        assert new["key"].get(member) == old["key"].get(member)
    assert new["tags"] == {"a": "b"}
    assert new["key"]["kid"] != old["key"]["kid"]
    assert new["key"].get("x", new["key"].get("n")) != old["key"].get("x", old["key"].get("n"))
    if kind["kty"] == "RSA":
        assert public_key(new["key"]).key_size == 3072


def test_the_new_version_is_the_newest_and_the_old_one_stays(keys, name):
    old = keys.create(name, attributes={"exp": 2_000_000_000})
    new = keys.rotate(name)
    assert keys.get(name) == new
    assert keys.get(old) == old
    assert {item["kid"] for item in keys.versions(name)} == {old["key"]["kid"], new["key"]["kid"]}


def test_the_new_version_works(keys, name):
    keys.create(name)
    new = keys.rotate(name)
    hashed = algorithms.digest("ES256")
    assert algorithms.verifies(public_key(new["key"]), "ES256", hashed, keys.sign(name, "ES256", hashed))


def test_without_a_policy_the_new_version_has_no_end(keys, name):
    keys.create(name, attributes={"nbf": 5, "exp": 2_000_000_000})
    assert {"nbf", "exp"}.isdisjoint(keys.rotate(name)["attributes"])


@pytest.mark.parametrize("period, days", [("P90D", 90), ("P31D", 31), ("PT2160H", 90)])
def test_with_a_policy_the_new_version_ends_when_it_says(keys, name, period, days):
    keys.create(name)
    keys.set_policy(name, {"attributes": {"expiryTime": period}})
    attributes = keys.rotate(name)["attributes"]
    assert attributes["exp"] - attributes["created"] == days * DAY


@pytest.mark.parametrize("period, least, most", [("P1Y", 365, 366), ("P3M", 89, 92), ("P1Y10D", 375, 376)])
def test_years_and_months_are_those_of_the_calendar(keys, name, period, least, most):
    keys.create(name)
    keys.set_policy(name, {"attributes": {"expiryTime": period}})
    attributes = keys.rotate(name)["attributes"]
    assert least * DAY <= attributes["exp"] - attributes["created"] <= most * DAY


@pytest.mark.parametrize("years", [100, 300, 7_000])
def test_a_far_end_is_refused_or_exact(keys, name, years):
    """Never cut down to the last moment that some integer can hold."""
    keys.create(name)
    if keys.ask_policy(name, {"attributes": {"expiryTime": f"P{years}Y"}}).status_code == 200:
        attributes = keys.rotate(name)["attributes"]
        assert years * 365 * DAY <= attributes["exp"] - attributes["created"] <= years * 366 * DAY


def test_a_policy_does_not_change_versions_that_are_there_nor_those_created_by_hand(keys, name):
    made = keys.create(name)
    keys.set_policy(name, {"attributes": {"expiryTime": "P90D"}})
    assert "exp" not in keys.get(made)["attributes"]


def test_a_disabled_version_is_followed_by_an_enabled_one(keys, name):
    keys.create(name, attributes={"enabled": False})
    assert keys.rotate(name)["attributes"]["enabled"] is True


def test_an_imported_key_is_followed_by_one_of_the_server(keys, name):
    private = new_ec("P-384")
    old = keys.import_key(name, ec_jwk(private))
    new = keys.rotate(name)
    assert new["key"]["crv"] == "P-384" and new["key"]["x"] != old["key"]["x"]


def test_rotate_needs_no_body(keys, name):
    keys.create(name)
    assert keys.wire.post(f"/keys/{name}/rotate").status_code == 200
    assert keys.wire.post(f"/keys/{name}/rotate", json={}).status_code == 200
    assert len(keys.versions(name)) == 3


def test_a_refused_rotation_makes_no_version(keys, name):
    keys.create(name)
    keys.delete(name)
    assert keys.wire.post(f"/keys/{name}/rotate").status_code == 404
    keys.recover(name)
    assert len(keys.versions(name)) == 1
