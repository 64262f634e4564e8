"""A server that is killed while it makes keys leaves objects in the token; the next start removes what no key owns."""

import threading
import time

import pytest
import requests

from harness.hsm_pool import pool_keys
from harness.hsm_token import TokenFolder
from harness.keys_wire import Keys

pytest_plugins = ["harness.hsm_fixtures"]


def versions_of(*places: Keys) -> set[str]:
    """The version of every live and deleted hardware key."""
    found = set()
    for keys in places:
        for item in keys.listed("/keys"):
            found |= {each["kid"].rsplit("/", 1)[1] for each in keys.versions(item["kid"].rsplit("/", 1)[1])}
    return found


def make_until_it_ends(server, number: int, answered: set[str]) -> None:
    try:
        keys = pool_keys(server) if number % 2 else Keys(server.wire())
        for turn in range(100_000):
            kty = ("EC-HSM", "oct-HSM", "EC-HSM", "RSA-HSM")[turn % 4]
            made = keys.wire.post(f"/keys/made-{number}-{turn % 7}/create", json={"kty": kty})
            if made.status_code == 200:
                answered.add(made.json()["key"]["kid"].rsplit("/", 1)[1])
    except requests.RequestException:
        return


def settled(token: TokenFolder, known: set[str], seconds: float = 30) -> set[str]:
    """The objects that no key owns, once there are none or the time is over."""
    deadline = time.monotonic() + seconds
    while (orphans := {each.id for each in token.keys()} - known) and time.monotonic() < deadline:
        time.sleep(0.1)
    return orphans


def test_what_no_key_owns_is_removed_after_kill_9(own_server):
    server = own_server()
    token = TokenFolder(server.data)
    answered: set[str] = set()
    for _ in range(3):
        makers = [threading.Thread(target=make_until_it_ends, args=(server, number, answered)) for number in range(6)]
        for maker in makers:
            maker.start()
        time.sleep(1)
        server.kill()
        for maker in makers:
            maker.join(60)
        server.start()
        known = versions_of(pool_keys(server), Keys(server.wire()))
        assert answered <= known, "a key that was answered is gone"
        assert settled(token, known) == set()
        assert known == {each.id for each in token.keys()}
    # And all that is left works.
    for keys in (pool_keys(server), Keys(server.wire())):
        for item in keys.listed("/keys"):
            bundle = keys.get(item["kid"].rsplit("/", 1)[1])
            algorithm = {"EC-HSM": "ES256", "RSA-HSM": "RS256"}.get(bundle["key"]["kty"])
            if algorithm:
                keys.sign(bundle, algorithm, b"d" * 32)
            else:
                keys.use("wrapkey", bundle, "A256KW", b"t" * 16)
    server.cli().run("audit", "verify")


def test_deleted_keys_are_no_orphans(own_server):
    server = own_server()
    pool = pool_keys(server)
    made = [pool.create(f"key-{number}", "oct-HSM") for number in range(4)]
    wrapped = pool.use("wrapkey", made[0], "A256KW", b"t" * 16)
    for number in range(4):
        pool.delete(f"key-{number}")
    server.kill()
    server.start()
    time.sleep(1)
    pool = pool_keys(server)
    pool.recover("key-0")
    assert pool.use("unwrapkey", made[0], "A256KW", wrapped) == b"t" * 16
    assert len(TokenFolder(server.data).keys()) == 4


def test_objects_of_others_are_left_alone(own_server):
    """A token may be shared: what does not carry this server's label is not its to remove."""
    server = own_server()
    pool_keys(server).create("key", "EC-HSM")
    token = TokenFolder(server.data)
    assert server.stop() == 0
    for label in ("another application", "strongroom-00000000-0000-0000-0000-000000000000"):
        made = token.run("--keygen", "--key-type", "AES:32", "--label", label, "--id", "aa")
        assert made.returncode == 0, made.stderr
    server.start()
    time.sleep(1)
    assert {each.label for each in token.objects()} >= {"another application", "strongroom-00000000-0000-0000-0000-000000000000"}
    assert len(token.objects()) == 4
