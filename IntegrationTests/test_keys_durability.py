"""Keys that were acknowledged are there, and are the same keys, after `kill -9` and after a restart."""

import random
import threading
import time

import pytest
import requests

from harness import keys_algorithms as algorithms
from harness.keys_jwk import public_key, rsa_jwk
from harness.keys_wire import Keys
from harness.server import Server

pytest_plugins = ["harness.keys_fixtures"]

ROUNDS = 4
WRITERS = 4
HASHED = algorithms.digest("ES256")
POLICY = {
    "lifetimeActions": [{"trigger": {"timeAfterCreate": "P60D"}, "action": {"type": "Rotate"}}],
    "attributes": {"expiryTime": "P90D"},
}


def make_until_killed(server, number: int, acknowledged: list[dict]) -> None:
    """Creates and rotates as fast as it can and notes what was acknowledged."""
    wire = server.wire()
    try:
        for count in range(100_000):
            name = f"kill-{number}-{count // 3 % 5}"
            path, body = (f"/keys/{name}/rotate", None) if count % 3 else (f"/keys/{name}/create", {"kty": "EC"})
            answer = wire.post(path, json=body)
            if answer.status_code == 200:
                acknowledged.append(answer.json())
    except requests.RequestException:
        return


def check(server, acknowledged: list[dict]) -> None:
    """Each key is as it was answered, and signs with the private part of the public one that was shown."""
    keys = Keys(server.wire())
    for bundle in acknowledged:
        assert keys.get(bundle) == bundle
    for bundle in random.sample(acknowledged, min(40, len(acknowledged))):
        assert algorithms.verifies(public_key(bundle["key"]), "ES256", HASHED, keys.sign(bundle, "ES256", HASHED))


def wait_for_the_first(acknowledged: list[dict]) -> None:
    for _ in range(600):
        if acknowledged:
            return
        time.sleep(0.05)


def test_every_acknowledged_key_survives_a_kill(own_server):
    server = own_server()
    server.token()
    everything: list[dict] = []
    for _ in range(ROUNDS):
        acknowledged: list[dict] = []
        writers = [threading.Thread(target=make_until_killed, args=(server, number, acknowledged)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        wait_for_the_first(acknowledged)
        time.sleep(random.uniform(0.0, 0.4))
        server.kill()
        for writer in writers:
            writer.join()
        server.start()
        assert acknowledged, "nothing was made before the kill"
        check(server, acknowledged)
        everything += acknowledged
    listed = {item["kid"] for name in {names(bundle) for bundle in everything} for item in Keys(server.wire()).versions(name)}
    assert {bundle["key"]["kid"] for bundle in everything} <= listed
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))


def names(bundle: dict) -> str:
    return bundle["key"]["kid"].split("/")[4]


def test_acknowledged_changes_survive_a_kill(own_server, rsa_private):
    server = own_server()
    keys = Keys(server.wire())
    for number in range(5):
        keys.import_key(f"key-{number}", rsa_jwk(rsa_private))
        keys.set_policy(f"key-{number}", POLICY)
        keys.update(f"key-{number}", tags={"n": str(number)}, key_ops=["sign"])
        keys.create(f"gone-{number}")
        keys.delete(f"gone-{number}")
        keys.create(f"purged-{number}")
        keys.delete(f"purged-{number}")
        keys.purge(f"purged-{number}")
    before = [keys.get(f"key-{number}") for number in range(5)], [keys.policy(f"key-{number}") for number in range(5)]
    server.kill()
    server.start()
    assert ([keys.get(f"key-{number}") for number in range(5)], [keys.policy(f"key-{number}") for number in range(5)]) == before
    assert {keys.wire.get(f"/deletedkeys/gone-{number}").status_code for number in range(5)} == {200}
    assert {keys.wire.get(f"/deletedkeys/purged-{number}").status_code for number in range(5)} == {404}


# A restart


@pytest.fixture(scope="module")
def restarted(binary, tmp_path_factory, rsa_private):
    """Keys before and after a restart: what they showed, signed and sealed before, and the calls for after."""
    server = Server(binary, tmp_path_factory.mktemp("keys-restart")).start()
    try:
        keys = Keys(server.wire())
        before = {
            "rsa": keys.import_key("rsa", rsa_jwk(rsa_private), tags={"a": "b"}),
            "ec": keys.create("ec", crv="P-384", attributes={"exp": 2_000_000_000}),
            "ed": keys.create("ed", "OKP", crv="Ed25519"),
        }
        keys.set_policy("ec", POLICY)
        told = {
            "bundles": before,
            "sealed": keys.use("encrypt", "rsa", "RSA-OAEP-256", b"plain"),
            "signature": keys.sign("ed", "EdDSA", b"message"),
            "policy": keys.policy("ec"),
            "backup": keys.backup("ec"),
            "deleted": keys.create("gone") and keys.delete("gone"),
        }
        server.restart()
        yield Keys(server.wire()), told
    finally:
        server.kill()


def test_a_restart_keeps_keys_as_they_were(restarted):
    keys, told = restarted
    assert {name: keys.get(name) for name in told["bundles"]} == told["bundles"]


def test_a_restart_keeps_what_keys_can_do(restarted):
    keys, told = restarted
    assert keys.use("decrypt", "rsa", "RSA-OAEP-256", told["sealed"]) == b"plain"
    assert keys.sign("ed", "EdDSA", b"message") == told["signature"]


def test_a_restart_keeps_policies_and_deleted_keys(restarted):
    keys, told = restarted
    assert keys.policy("ec") == told["policy"]
    assert keys.wire.get("/deletedkeys/gone").json() == told["deleted"]


def test_a_backup_from_before_a_restart_is_restored(restarted):
    keys, told = restarted
    keys.delete("ec")
    keys.purge("ec")
    assert keys.restore(told["backup"]) == told["bundles"]["ec"]


def test_keys_are_made_and_rotated_after_a_restart(restarted):
    keys, _ = restarted
    keys.create("new")
    keys.rotate("new")
    keys.rotate("rsa")
    assert (len(keys.versions("new")), len(keys.versions("rsa"))) == (2, 2)
