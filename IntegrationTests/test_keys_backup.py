"""Backup and restore of keys: all versions, all members, and nothing of the key to be seen."""

import base64

import pytest

from harness.keys_jwk import rsa_jwk
from harness.keys_wire import Keys, assert_bad_parameter
from harness.tokens import decode

pytest_plugins = ["harness.keys_fixtures"]

HASHED = b"d" * 32
POLICY = {
    "lifetimeActions": [
        {"trigger": {"timeAfterCreate": "P60D"}, "action": {"type": "Rotate"}},
        {"trigger": {"timeBeforeExpiry": "P10D"}, "action": {"type": "Notify"}},
    ],
    "attributes": {"expiryTime": "P90D"},
}


def gone(keys: Keys, name: str) -> None:
    keys.delete(name)
    keys.purge(name)


def test_every_version_comes_back_as_it_was(keys, name):
    made = [
        keys.create(name, tags={"n": "1"}, attributes={"enabled": False}),
        keys.create(name, "RSA", key_ops=["sign"], attributes={"exp": 2_000_000_000}),
        keys.create(name, "OKP", crv="Ed25519"),
    ]
    backup = keys.backup(name)
    gone(keys, name)
    restored = keys.restore(backup)
    assert restored == made[-1]
    assert [keys.get(each) for each in made] == made


def test_a_restored_key_is_the_same_key(keys, rsa_private, name):
    made = keys.import_key(name, rsa_jwk(rsa_private))
    sealed = keys.use("encrypt", made, "RSA-OAEP-256", b"plain")
    signature = keys.sign(made, "RS256", HASHED)
    backup = keys.backup(name)
    gone(keys, name)
    keys.restore(backup)
    assert keys.use("decrypt", made, "RSA-OAEP-256", sealed) == b"plain"
    assert keys.sign(made, "RS256", HASHED) == signature


def test_the_rotation_policy_comes_back(keys, name):
    keys.create(name)
    keys.set_policy(name, POLICY)
    policy = keys.policy(name)
    backup = keys.backup(name)
    gone(keys, name)
    keys.restore(backup)
    restored = keys.policy(name)
    assert restored["lifetimeActions"] == policy["lifetimeActions"]
    assert restored["attributes"]["expiryTime"] == "P90D"


def test_a_backup_restores_into_another_vault(server, keys, name):
    made = keys.create(name)
    other = Keys(server.wire("other"))
    other.restore(keys.backup(name))
    signature = other.sign(name, "ES256", HASHED)
    assert keys.verify(made, "ES256", HASHED, signature)


def test_a_backup_shows_nothing_of_the_private_key(keys, rsa_private, name):
    jwk = rsa_jwk(rsa_private)
    keys.import_key(name, jwk)
    backup = keys.backup(name)
    blob = decode(backup)
    for part in ("d", "p", "q", "dp", "dq", "qi"):
        raw = decode(jwk[part])
        assert raw[8:40] not in blob
        assert jwk[part][8:40] not in backup
        assert base64.b64encode(raw)[8:40] not in blob


def test_a_backup_does_not_grow_old_with_the_key(keys, name):
    """What is restored is what was backed up, not what came later."""
    first = keys.create(name)
    backup = keys.backup(name)
    keys.rotate(name)
    gone(keys, name)
    assert keys.restore(backup) == first
    assert len(keys.versions(name)) == 1


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_backup_that_was_cut_is_refused(keys, name, kept):
    keys.create(name)
    backup = keys.backup(name)
    gone(keys, name)
    assert_bad_parameter(keys.wire.post("/keys/restore", json={"value": backup[: int(len(backup) * kept)]}))


@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.95])
def test_a_backup_with_one_changed_character_is_refused(keys, name, part):
    keys.create(name)
    backup = keys.backup(name)
    gone(keys, name)
    at = int(len(backup) * part)
    changed = backup[:at] + ("A" if backup[at] != "A" else "Q") + backup[at + 1 :]
    assert_bad_parameter(keys.wire.post("/keys/restore", json={"value": changed}))
    assert keys.wire.get(f"/keys/{name}").status_code == 404


@pytest.mark.parametrize(
    "body", [{}, {"value": ""}, {"value": "AAAA"}, {"value": None}, {"value": 5}, {"value": "not base64!"}, []], ids=str
)
def test_what_is_no_backup_is_refused(keys, body):
    assert_bad_parameter(keys.wire.post("/keys/restore", json=body))


def test_the_backup_of_a_secret_is_no_backup_of_a_key(server, keys, name):
    keys.wire.set_secret(name)
    assert_bad_parameter(server.wire("other").post("/keys/restore", json={"value": keys.wire.backup_secret(name)}))


def test_the_backup_of_a_key_is_no_backup_of_a_secret(server, keys, name):
    keys.create(name)
    assert_bad_parameter(server.wire("other").post("/secrets/restore", json={"value": keys.backup(name)}))


def test_a_backup_of_another_server_is_refused(keys, own_server, name):
    foreign = Keys(own_server().wire())
    foreign.create(name)
    assert_bad_parameter(keys.wire.post("/keys/restore", json={"value": foreign.backup(name)}))


# Long histories


@pytest.fixture
def with_versions(keys, name):
    """A key with so many versions, oldest first."""

    def make(count: int) -> list[dict]:
        return [keys.create(name) for _ in range(count)]

    return make


def test_a_key_with_500_past_versions_can_be_backed_up_and_restored(server, keys, name, with_versions):
    versions = with_versions(501)
    other = Keys(server.wire("other"))
    restored = other.restore(keys.backup(name))
    assert restored["key"]["x"] == versions[-1]["key"]["x"]
    oldest = versions[0]["key"]
    assert other.get(f"/keys/{name}/{oldest['kid'].rsplit('/', 1)[1]}")["key"]["x"] == oldest["x"]


def test_a_key_with_more_past_versions_is_refused_a_backup(keys, name, with_versions):
    with_versions(502)
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/backup"))
