"""Rotation in a pool: no key without a policy is rotated, and the rules of a pool are not those of a vault."""

import pytest

from harness import hsm_kinds
from harness.hsm_pool import pool_keys
from harness.keys_wire import assert_bad_parameter

pytest_plugins = ["harness.hsm_fixtures"]


def rotate(**trigger) -> dict:
    return {"trigger": trigger, "action": {"type": "Rotate"}}


NOTIFY = {"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "Notify"}}


def policy(*actions, expiry: str | None = None) -> dict:
    return {"lifetimeActions": list(actions), "attributes": {"expiryTime": expiry} if expiry else {}}


@pytest.fixture
def key(pool, name) -> str:
    pool.create(name, "oct-HSM")
    return name


# The policy


def test_a_key_of_a_pool_has_no_notice_at_first(pool, key):
    found = pool.policy(key)
    assert found["id"].endswith(f"/keys/{key}/rotationpolicy")
    assert found["lifetimeActions"] == []
    assert found["attributes"] == {}


def test_a_policy_is_kept_and_shown(pool, key):
    set_ = pool.set_policy(key, policy(rotate(timeAfterCreate="P60D"), expiry="P90D"))
    assert pool.policy(key) == set_
    assert set_["lifetimeActions"] == [rotate(timeAfterCreate="P60D")]
    assert set(set_["attributes"]) == {"expiryTime", "created", "updated"}


@pytest.mark.parametrize("action", ["Notify", "notify"])
def test_a_pool_has_no_notice(pool, key, action):
    assert_bad_parameter(pool.ask_policy(key, policy({**NOTIFY, "action": {"type": action}}, expiry="P90D")))


@pytest.mark.parametrize(
    "actions, expiry",
    [
        ([rotate(timeAfterCreate="P28D")], "P90D"),
        ([rotate(timeAfterCreate="P28D")], None),
        ([rotate(timeBeforeExpiry="P30D")], "P58D"),
        ([rotate(timeBeforeExpiry="P30D")], "P1Y"),
        ([], "P28D"),
    ],
    ids=str,
)
def test_a_policy_within_the_rules_of_a_pool_is_kept(pool, key, actions, expiry):
    pool.set_policy(key, policy(*actions, expiry=expiry))
    found = pool.policy(key)
    assert (found["lifetimeActions"], found["attributes"].get("expiryTime")) == (actions, expiry)


@pytest.mark.parametrize(
    "actions, expiry",
    [
        ([rotate(timeAfterCreate="P27D")], "P90D"),
        ([rotate(timeAfterCreate="P7D")], "P28D"),
        ([rotate(timeAfterCreate="PT48H")], None),
        ([rotate(timeBeforeExpiry="P31D")], "P58D"),
        ([rotate(timeBeforeExpiry="P7D")], "P30D"),
        ([rotate(timeBeforeExpiry="P30D")], None),
        ([], "P27D"),
        ([], "P1M2"),
        ([], "soon"),
        ([rotate(timeAfterCreate="P60D", timeBeforeExpiry="P30D")], "P1Y"),
        ([rotate(timeAfterCreate="P60D"), rotate(timeAfterCreate="P70D")], "P1Y"),
        ([rotate()], "P1Y"),
        ([{"trigger": {"timeAfterCreate": "P60D"}, "action": {"type": "Explode"}}], "P1Y"),
    ],
    ids=str,
)
def test_a_policy_outside_the_rules_of_a_pool_is_refused(pool, key, actions, expiry):
    assert_bad_parameter(pool.ask_policy(key, policy(*actions, expiry=expiry)))
    assert pool.policy(key)["lifetimeActions"] == []


# Rotating


def test_a_key_without_a_policy_is_not_rotated(pool, key):
    assert_bad_parameter(pool.wire.post(f"/keys/{key}/rotate"))
    assert len(pool.versions(key)) == 1


@pytest.mark.parametrize("kind", ["RSA-3072", "P-384", "P-256K", "oct-192"])
def test_a_rotated_key_is_of_the_same_kind(pool, name, kind):
    made = pool.create(name, **hsm_kinds.ALL[kind], tags={"a": "b"})
    pool.set_policy(name, policy(expiry="P90D"))
    rotated = pool.rotate(name)
    assert rotated["key"]["kid"] != made["key"]["kid"]
    assert {member: rotated["key"].get(member) for member in ("kty", "crv", "key_ops")} == {
        member: made["key"].get(member) for member in ("kty", "crv", "key_ops")
    }
    assert len(rotated["key"].get("n", "")) == len(made["key"].get("n", ""))
    assert rotated["key"].get("n") != made["key"].get("n") or kind[0] != "R"
    assert rotated["attributes"]["exp"] - rotated["attributes"]["created"] == 90 * 86_400
    assert pool.get(name)["key"]["kid"] == rotated["key"]["kid"]


def test_the_operations_of_a_key_are_those_of_its_next_version(pool, name):
    pool.create(name, "oct-HSM", key_ops=["sign", "verify"])
    pool.set_policy(name, policy(expiry="P90D"))
    assert pool.rotate(name)["key"]["key_ops"] == ["sign", "verify"]
    pool.sign(name, "HS256", b"d" * 32)


def test_the_old_version_opens_what_it_sealed(pool, key):
    old = pool.get(key)
    wrapped = pool.use("wrapkey", old, "A256KW", b"t" * 32)
    pool.set_policy(key, policy(expiry="P90D"))
    new = pool.rotate(key)
    assert pool.use("unwrapkey", old, "A256KW", wrapped) == b"t" * 32
    assert_bad_parameter(pool.ask("unwrapkey", new, "A256KW", wrapped))


def test_a_key_in_a_premium_vault_is_rotated_without_a_policy(premium, name):
    made = premium.create(name, "EC-HSM")
    rotated = premium.rotate(name)
    assert rotated["key"]["kty"] == "EC-HSM"
    assert rotated["key"]["x"] != made["key"]["x"]


def test_a_key_of_a_pool_has_at_most_a_hundred_versions(own_server, name):
    """On a server of its own: SoftHSM looks at every object of its token, so a hundred more would slow all that follows."""
    pool = pool_keys(own_server())
    for _ in range(100):
        pool.create(name, "oct-HSM", key_size=128)
    assert_bad_parameter(pool.wire.post(f"/keys/{name}/create", json={"kty": "oct-HSM"}))
    pool.set_policy(name, policy(expiry="P90D"))
    assert_bad_parameter(pool.wire.post(f"/keys/{name}/rotate"))
    assert len(pool.versions(name)) == 100
