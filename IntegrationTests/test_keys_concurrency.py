"""Sixteen clients at once, with different keys and with the same."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import keys_algorithms as algorithms
from harness.keys_clients import key_client_for
from harness.keys_jwk import public_key
from harness.keys_wire import Keys
from harness.tokens import decode

pytest_plugins = ["harness.keys_fixtures"]

CLIENTS = 16
HASHED = algorithms.digest("ES256")


@pytest.fixture
def together():
    """Runs a piece of work sixteen times at once, all beginning at the same moment; the results in order."""

    def run(work):
        start = threading.Barrier(CLIENTS)

        def begin(number: int):
            start.wait(30)
            return work(number)

        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(begin, range(CLIENTS)))

    return run


def test_sixteen_clients_make_different_keys(server, name, together):
    def work(number: int) -> list[bool]:
        with key_client_for(server) as client:
            made = [client.create_ec_key(f"{name}-{number}-{turn}") for turn in range(4)]
            return [client.get_key(key.name).key.x == key.key.x for key in made]

    assert together(work) == [[True] * 4] * CLIENTS


def test_sixteen_clients_use_one_key(server, standing, together):
    """Private and public operations of both kinds, mixed."""
    rsa, ec = standing("RSA-2048"), standing("P-256")

    def work(number: int) -> bool:
        keys = Keys(server.wire())
        for turn in range(6):
            plain = f"{number}-{turn}".encode()
            sealed = keys.use("encrypt", rsa, "RSA-OAEP-256", plain)
            if keys.use("decrypt", rsa, "RSA-OAEP-256", sealed) != plain:
                return False
            hashed = algorithms.digest("ES256", plain)
            if not algorithms.verifies(public_key(ec["key"]), "ES256", hashed, keys.sign(ec, "ES256", hashed)):
                return False
        return True

    assert all(together(work))


def test_every_version_of_sixteen_creators_and_rotators_of_one_key_is_kept(server, keys, name, together):
    first = keys.create(name)

    def work(number: int) -> list[dict]:
        own = Keys(server.wire())
        return [own.rotate(name) if number % 2 else own.create(name) for _ in range(4)]

    made = [first, *(bundle for part in together(work) for bundle in part)]
    assert {item["kid"] for item in keys.versions(name)} == {bundle["key"]["kid"] for bundle in made}
    assert len({bundle["key"]["kid"] for bundle in made}) == len({bundle["key"]["x"] for bundle in made}) == 4 * CLIENTS + 1
    assert keys.get(name) in made


def test_a_rotation_never_leaves_a_moment_without_a_key(server, keys, name, together):
    """Half of the clients rotate, half sign: what is signed holds for the version that the answer names."""
    keys.create(name)

    def work(number: int) -> bool:
        own = Keys(server.wire())
        for _ in range(5):
            if number % 2:
                own.rotate(name)
                continue
            answer = own.ask("sign", name, "ES256", HASHED)
            if answer.status_code != 200:
                return False
            path = "/" + answer.json()["kid"].split("/", 3)[3]
            if not own.verify(path, "ES256", HASHED, decode(answer.json()["value"])):
                return False
        return True

    assert all(together(work))


def test_one_of_sixteen_deletes_of_one_key_wins(server, keys, name, together):
    keys.create(name)
    statuses = together(lambda _: server.wire().delete(f"/keys/{name}").status_code)
    assert sorted(statuses) == [200] + [404] * (CLIENTS - 1)


def test_one_of_sixteen_restores_of_one_backup_wins(server, keys, name, together):
    keys.create(name)
    backup = keys.backup(name)
    statuses = together(lambda _: server.wire("other").post("/keys/restore", json={"value": backup}).status_code)
    assert sorted(statuses) == [200] + [409] * (CLIENTS - 1)


def test_sixteen_rsa_keys_are_made_at_once(server, name, together):
    made = together(lambda number: Keys(server.wire()).create(f"{name}-{number}", "RSA"))
    assert len({bundle["key"]["n"] for bundle in made}) == CLIENTS


def test_the_server_answers_others_while_it_makes_large_keys(server, keys, name):
    """Slow work does not hold up the quick."""
    keys.wire.set_secret(name)
    with ThreadPoolExecutor(2) as pool:
        making = [pool.submit(Keys(server.wire()).create, f"{name}-{number}", "RSA", key_size=4096) for number in range(2)]
        answered = 0
        while not all(each.done() for each in making):
            assert keys.wire.get(f"/secrets/{name}").status_code == 200
            answered += 1
    assert [each.result()["key"]["kty"] for each in making] == ["RSA"] * 2
    assert answered >= 20
