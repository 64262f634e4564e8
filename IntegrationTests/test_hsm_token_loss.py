"""The token goes away while the server serves, and comes back: 503 in between, and no restart."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.hsm_pool import pool_keys
from harness.hsm_token import TokenFolder
from harness.keys_wire import Keys, done, error_of, version_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.hsm_fixtures"]

HASHED = b"d" * 32


class Away:
    """The folder of the token, moved to another place and back."""

    def __init__(self, server):
        self.here, self.there = server.data / "hsm", server.data / "hsm-away"

    def __enter__(self) -> "Away":
        self.here.rename(self.there)
        return self

    def __exit__(self, *_) -> None:
        assert not self.here.exists(), "the server made a new folder for its token"
        self.there.rename(self.here)


def eventually(attempt, seconds: float = 30) -> None:
    """Calls until it is answered with 200; the client is told when to try again, we are less patient."""
    deadline = time.monotonic() + seconds
    while (answer := attempt()).status_code != 200:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def assert_unavailable(answer) -> None:
    assert answer.status_code == 503, f"{answer.status_code} {answer.text}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert error_of(answer)["code"] == "ServiceUnavailable"
    for word in ("/hsm", "CKR", "softhsm", "pin"):
        assert word not in answer.text.lower()


def test_a_token_that_is_away_is_told_and_found_again(own_server):
    server = own_server()
    pool, vault = pool_keys(server), Keys(server.wire())
    rsa, aes = pool.create("rsa", "RSA-HSM"), pool.create("aes", "oct-HSM")
    premium, soft = vault.create("premium", "EC-HSM"), vault.create("soft", "EC")
    wrapped = pool.use("wrapkey", aes, "A256KW", b"t" * 32)
    sealed = done(pool.ask("encrypt", aes, "A256GCM", b"plain"))
    secret = server.wire()
    secret.set_secret("kept", "v")
    with Away(server):
        assert_unavailable(pool.ask("sign", rsa, "RS256", HASHED))
        assert_unavailable(pool.ask("unwrapkey", aes, "A256KW", wrapped))
        assert_unavailable(pool.ask("decrypt", aes, "A256GCM", decode(sealed["value"]), iv=sealed["iv"], tag=sealed["tag"]))
        assert_unavailable(vault.ask("sign", premium, "ES256", HASHED))
        assert_unavailable(pool.wire.post("/keys/new/create", json={"kty": "oct-HSM"}))
        assert_unavailable(pool.wire.put("/keys/new", json={"key": {"kty": "oct-HSM", "k": encode(bytes(32))}}))
        assert_unavailable(pool.wire.post("/rng", json={"count": 8}))
        assert pool.wire.get("/keys/new").status_code == 404
        # What needs no token goes on.
        assert pool.get("rsa") == rsa and pool.listed("/keys")
        vault.verify(soft, "ES256", HASHED, vault.sign(soft, "ES256", HASHED))
        assert vault.create("soft-2", "EC")
        assert secret.get("/secrets/kept").json()["value"] == "v"
        assert secret.get("/healthstatus").status_code == 200
    eventually(lambda: pool.ask("sign", rsa, "RS256", HASHED))
    assert pool.use("unwrapkey", aes, "A256KW", wrapped) == b"t" * 32
    opened = done(pool.ask("decrypt", aes, "A256GCM", decode(sealed["value"]), iv=sealed["iv"], tag=sealed["tag"]))
    assert decode(opened["value"]) == b"plain"
    vault.sign(premium, "ES256", HASHED)
    pool.create("new", "oct-HSM")
    server.cli().run("audit", "verify")
    assert server.stop() == 0


def test_it_may_go_away_again_and_again(lasting_server):
    server = lasting_server
    pool = pool_keys(server)
    key = pool.create("aes", "oct-HSM")
    for _ in range(2):
        with Away(server):
            assert_unavailable(pool.ask("wrapkey", key, "A256KW", b"t" * 16))
        eventually(lambda: pool.ask("wrapkey", key, "A256KW", b"t" * 16))


def test_software_keys_are_as_quick_as_ever_while_many_wait_for_the_token(lasting_server):
    server = lasting_server
    pool, vault = pool_keys(server), Keys(server.wire())
    hard, soft = pool.create("hard", "RSA-HSM"), vault.create("soft", "EC")
    stop = time.monotonic() + 1.5

    def hammer(_) -> set[int]:
        calls, seen = pool_keys(server), set()
        while time.monotonic() < stop:
            seen.add(calls.ask("sign", hard, "RS256", HASHED).status_code)
        return seen

    with Away(server), ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(hammer, number) for number in range(8)]
        slowest = 0.0
        while time.monotonic() < stop:
            begun = time.monotonic()
            vault.sign(soft, "ES256", HASHED)
            slowest = max(slowest, time.monotonic() - begun)
        assert set().union(*(each.result() for each in waiting)) == {503}
    assert slowest < 1
    eventually(lambda: pool.ask("sign", hard, "RS256", HASHED))


def test_many_clients_that_find_the_token_again_all_go_on(lasting_server):
    server = lasting_server
    pool = pool_keys(server)
    keys = [pool.create(f"aes-{number}", "oct-HSM") for number in range(8)]
    wrapped = [pool.use("wrapkey", key, "A256KW", b"%016d" % number) for number, key in enumerate(keys)]

    def work(number: int) -> set[int]:
        calls, seen = pool_keys(server), set()
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            answer = calls.ask("unwrapkey", keys[number], "A256KW", wrapped[number])
            seen.add(answer.status_code)
            if answer.status_code == 200:
                assert decode(answer.json()["value"]) == b"%016d" % number
                if 503 in seen:
                    return seen
        return seen

    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(work, number) for number in range(8)]
        time.sleep(0.5)
        with Away(server):
            time.sleep(1)
        assert [each.result() for each in running] == [{200, 503}] * 8


def test_an_object_that_the_token_lost_is_put_back(own_server):
    server = own_server()
    pool = pool_keys(server)
    key = pool.create("aes", "oct-HSM")
    wrapped = pool.use("wrapkey", key, "A256KW", b"t" * 16)
    assert server.stop() == 0
    token = TokenFolder(server.data)
    deleted = token.run("--delete-object", "--type", "secrkey", "--id", key["key"]["kid"].rsplit("/", 1)[1])
    assert deleted.returncode == 0, deleted.stderr
    assert token.keys() == []
    server.start()
    assert pool.use("unwrapkey", key, "A256KW", wrapped) == b"t" * 16


def test_a_key_that_is_purged_while_the_token_is_away_is_gone_from_it_in_the_end(own_server):
    """Either the purge waits for the token (503), or it is done and the next start removes the object."""
    server = own_server()
    pool = pool_keys(server)
    kept = pool.create("kept", "oct-HSM")
    pool.create("key", "oct-HSM")
    pool.delete("key")
    with Away(server):
        assert_unavailable(pool.ask("wrapkey", kept, "A256KW", b"t" * 16))
        assert pool.wire.delete("/deletedkeys/key").status_code in (204, 503)
    eventually(lambda: pool.ask("wrapkey", kept, "A256KW", b"t" * 16))
    if pool.wire.get("/deletedkeys/key").status_code == 200:
        pool.purge("key")
    server.restart()
    token, deadline = TokenFolder(server.data), time.monotonic() + 30
    while (found := [each.id for each in token.keys()]) != [version_of(kept)] and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == [version_of(kept)]
