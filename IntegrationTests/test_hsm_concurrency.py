"""Sixteen clients at once on hardware keys: every answer is right, and none is refused."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_pool import pool_keys
from harness.hsm_token import TokenFolder
from harness.keys_jwk import public_key
from harness.keys_wire import Keys, done, version_of
from harness.tokens import decode

pytest_plugins = ["harness.hsm_fixtures"]

CLIENTS = 16


def together(work, clients: int = CLIENTS) -> list:
    with ThreadPoolExecutor(clients) as threads:
        return [each.result() for each in [threads.submit(work, number) for number in range(clients)]]


def test_sixteen_clients_sign_with_one_key(server, pool_standing):
    key = pool_standing("RSA-2048")
    public = public_key(hsm_kinds.software_form(key))

    def work(number: int) -> bool:
        pool = pool_keys(server)
        for turn in range(10):
            hashed = hashlib.sha256(f"{number} {turn}".encode()).digest()
            assert algorithms.verifies(public, "PS256", hashed, pool.sign(key, "PS256", hashed))
        return True

    assert all(together(work))


def test_sixteen_clients_use_keys_of_every_kind(server, pool_standing, premium_standing):
    kinds = {kind: (pool_standing(kind), premium_standing(kind)) for kind in ("RSA-2048", "P-256", "P-384", "oct-256")}

    def work(number: int) -> bool:
        in_pool = number % 2 == 0
        keys = pool_keys(server) if in_pool else Keys(server.wire())
        for turn in range(5):
            for kind, places in kinds.items():
                key = places[0 if in_pool else 1]
                if kind == "oct-256":
                    plain = os.urandom(100 + number)
                    sealed = done(keys.ask("encrypt", key, "A256GCM", plain))
                    opened = keys.ask("decrypt", key, "A256GCM", decode(sealed["value"]), iv=sealed["iv"], tag=sealed["tag"])
                    assert decode(done(opened)["value"]) == plain
                    assert keys.use("unwrapkey", key, "A256KW", keys.use("wrapkey", key, "A256KW", plain[:32])) == plain[:32]
                else:
                    algorithm = hsm_kinds.CURVE_ALGORITHMS.get(kind, "RS256")
                    hashed = algorithms.digest(algorithm, f"{number} {turn}".encode())
                    signature = keys.sign(key, algorithm, hashed)
                    assert algorithms.verifies(public_key(hsm_kinds.software_form(key)), algorithm, hashed, signature)
        return True

    assert all(together(work))


def test_sixteen_clients_make_keys_and_use_them(server, name):
    def work(number: int) -> list[str]:
        pool, versions = pool_keys(server), []
        for turn in range(4):
            key = pool.create(f"{name}-{number}-{turn}", ("EC-HSM", "oct-HSM")[turn % 2])
            versions.append(version_of(key))
            if turn % 2:
                assert pool.use("unwrapkey", key, "A256KW", pool.use("wrapkey", key, "A256KW", b"t" * 16)) == b"t" * 16
            else:
                assert pool.verify(key, "ES256", b"d" * 32, pool.sign(key, "ES256", b"d" * 32))
        return versions

    made = {version for versions in together(work) for version in versions}
    assert len(made) == CLIENTS * 4
    assert made <= {each.id for each in TokenFolder(server.data).keys()}


def test_sixteen_clients_make_versions_of_one_key(server, pool, name):
    made = together(lambda _: pool_keys(server).create(name, "oct-HSM")["key"]["kid"])
    assert {item["kid"] for item in pool.versions(name)} == set(made)
    assert len(set(made)) == CLIENTS


def test_using_purging_and_restoring_at_once_breaks_nothing(server, pool, name):
    """A key is restored and purged over and over while others use it: they are answered 200, 404 or nothing else."""
    pool.create(name, "oct-HSM")
    backup = pool.backup(name)
    wrapped = pool.use("wrapkey", name, "A256KW", b"t" * 16)

    def work(number: int) -> set[int]:
        keys, seen = pool_keys(server), set()
        for _ in range(15):
            if number == 0:
                keys.delete(name)
                keys.purge(name)
                keys.restore(backup)
            else:
                answer = keys.ask("unwrapkey", name, "A256KW", wrapped)
                seen.add(answer.status_code)
                if answer.status_code == 200:
                    assert decode(answer.json()["value"]) == b"t" * 16
        return seen

    assert set().union(*together(work, 6)) <= {200, 404}
    assert pool.use("unwrapkey", name, "A256KW", wrapped) == b"t" * 16


@pytest.mark.parametrize("operation", ["sign", "decrypt"])
def test_software_keys_do_not_wait_for_hardware(server, pool_standing, premium, name, operation):
    soft = premium.create(name, "EC")
    hard = pool_standing("RSA-4096")

    def work(number: int) -> bool:
        if number % 2:
            keys = Keys(server.wire())
            return all(keys.sign(soft, "ES256", b"d" * 32) for _ in range(30))
        keys = pool_keys(server)
        value = b"d" * 32 if operation == "sign" else b"\x01" * 512
        algorithm = "RS256" if operation == "sign" else "RSA-OAEP"
        return {keys.ask(operation, hard, algorithm, value).status_code for _ in range(5)} == {200 if operation == "sign" else 400}

    assert all(together(work))
