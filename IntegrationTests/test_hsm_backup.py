"""Backups of hardware keys: whole in the same pool, refused by a server with another token and by the other kind of place."""

import os

import pytest

from harness import hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_pool import pool_keys
from harness.hsm_token import TokenFolder
from harness.keys_wire import Keys, assert_bad_parameter, version_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.hsm_fixtures"]

PASSPHRASE = "a passphrase for the backup key"


def gone(keys: Keys, name: str) -> None:
    keys.delete(name)
    keys.purge(name)


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-521", "P-256K", "oct-128", "oct-192", "oct-256"])
def test_a_restored_key_is_the_same_key(hardware, name, kind):
    keys, _ = hardware
    made = keys.create(name, **hsm_kinds.ALL[kind])
    if kind.startswith("oct"):
        algorithm = f"A{kind[4:]}KW"
        wrapped = keys.use("wrapkey", made, algorithm, b"t" * 32)
    backup = keys.backup(name)
    gone(keys, name)
    assert keys.restore(backup) == made
    if kind.startswith("oct"):
        assert keys.use("unwrapkey", made, algorithm, wrapped) == b"t" * 32
    else:
        algorithm = hsm_kinds.CURVE_ALGORITHMS.get(kind, "PS256")
        hashed = algorithms.digest(algorithm)
        assert keys.verify(made, algorithm, hashed, keys.sign(made, algorithm, hashed))


def test_every_version_comes_back_as_it_was(pool, name):
    made = [
        pool.create(name, "RSA-HSM", tags={"n": "1"}, attributes={"enabled": False}),
        pool.create(name, "oct-HSM", key_size=128, attributes={"exp": 2_000_000_000}),
        pool.create(name, "EC-HSM", crv="P-384", key_ops=["sign"]),
    ]
    pool.set_policy(name, {"attributes": {"expiryTime": "P90D"}})
    policy = pool.policy(name)
    backup = pool.backup(name)
    gone(pool, name)
    assert pool.restore(backup) == made[-1]
    assert [pool.get(each) for each in made] == made
    assert pool.policy(name)["attributes"]["expiryTime"] == policy["attributes"]["expiryTime"]
    pool.update(made[0], attributes={"enabled": True})
    pool.sign(made[0], "RS256", b"d" * 32)


def test_a_restored_key_is_in_the_token_as_others_are(server, pool, name):
    made = pool.create(name, "EC-HSM")
    backup = pool.backup(name)
    gone(pool, name)
    token = TokenFolder(server.data)
    assert version_of(made) not in [each.id for each in token.keys()]
    pool.restore(backup)
    (found,) = [each for each in token.keys() if each.id == version_of(made)]
    assert "sensitive" in found.access and "extractable" not in found.access


def test_a_backup_restores_while_the_old_key_is_still_in_another_place(server, premium, name):
    """The same version lives in two vaults then; purging one does not break the other."""
    made = premium.create(name, "EC-HSM")
    other = Keys(server.wire("demo2"))
    other.restore(premium.backup(name))
    hashed = algorithms.digest("ES256")
    assert premium.verify(made, "ES256", hashed, other.sign(name, "ES256", hashed))
    gone(premium, name)
    other.sign(name, "ES256", hashed)


def test_the_backup_of_an_imported_key_shows_nothing_of_it(pool, name):
    secret = os.urandom(32)
    pool.import_key(name, {"kty": "oct-HSM", "k": encode(secret)})
    backup = pool.backup(name)
    assert secret not in decode(backup) and encode(secret)[:40] not in backup


def test_restore_onto_a_name_in_use_is_refused(pool, name):
    pool.create(name, "oct-HSM")
    backup = pool.backup(name)
    assert pool.wire.post("/keys/restore", json={"value": backup}).status_code == 409
    pool.delete(name)
    assert pool.wire.post("/keys/restore", json={"value": backup}).status_code == 409


def test_a_backup_of_a_vault_does_not_go_into_a_pool_nor_back(premium, pool, name):
    premium.create(name, "EC-HSM")
    assert_bad_parameter(pool.wire.post("/keys/restore", json={"value": premium.backup(name)}))
    pool.create(f"{name}-2", "EC-HSM")
    assert_bad_parameter(premium.wire.post("/keys/restore", json={"value": pool.backup(f"{name}-2")}))


@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_a_backup_that_was_changed_is_refused(pool, name, part):
    pool.create(name, "oct-HSM")
    backup = pool.backup(name)
    gone(pool, name)
    at = int(len(backup) * part)
    changed = backup[:at] + ("A" if backup[at] != "A" else "Q") + backup[at + 1 :]
    assert_bad_parameter(pool.wire.post("/keys/restore", json={"value": changed}))
    assert pool.wire.get(f"/keys/{name}").status_code == 404


def test_a_server_with_another_token_refuses_the_backup(server, premium, pool, own_server, name):
    """It is given the key that opens backups, so what refuses is the token."""
    pool.create(name, "oct-HSM")
    premium.create(name, "RSA-HSM")
    premium.create(f"{name}-soft", "EC")
    exported = server.management().post("/strongroom/backupKeys/export", json={"passphrase": PASSPHRASE})
    assert exported.status_code == 200, exported.text
    stranger = own_server()
    there_pool, there = pool_keys(stranger), Keys(stranger.wire())
    assert_bad_parameter(there_pool.wire.post("/keys/restore", json={"value": pool.backup(name)}))
    imported = stranger.management().post(
        "/strongroom/backupKeys/import", json={"passphrase": PASSPHRASE, "file": exported.json()}
    )
    assert imported.status_code == 200, imported.text
    there.restore(premium.backup(f"{name}-soft"))
    assert_bad_parameter(there_pool.wire.post("/keys/restore", json={"value": pool.backup(name)}))
    assert_bad_parameter(there.wire.post("/keys/restore", json={"value": premium.backup(name)}))
    assert there_pool.wire.get(f"/keys/{name}").status_code == 404
    assert there.wire.get(f"/keys/{name}").status_code == 404
    assert TokenFolder(stranger.data).keys() == []
