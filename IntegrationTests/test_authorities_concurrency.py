"""Revocations that come while a list is being signed: none may fall between two lists."""

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.authorities_public import number_of, revocation_list
from harness.authorities_wire import Authorities, fresh, leaf_of, signing_request

ROUNDS = 5
TICK = 1.0


@pytest.fixture(scope="module")
def slow(server) -> tuple[Authorities, str, str]:
    """An authority whose key needs some milliseconds for a signature, and where its full list is."""
    authorities, name = Authorities(server.wire()), fresh("slow")
    return authorities, name, authorities.root(name, key={"kty": "RSA", "key_size": 4096})["crl"]["url"]


def wait_until(seen, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if seen():
            return True
        time.sleep(0.003)
    return False


def test_a_revocation_while_a_list_is_signed_is_on_the_next_one(slow):
    """Lists are made once a second at most. When the last was made tells when the next will be: one revocation comes shortly before,
    and makes it due; the other comes right in the middle of it, within the same second. The list that has it tells of the next turn."""
    authorities, name, url = slow
    csr = signing_request()
    number = number_of(revocation_list(url))
    authorities.revoke(name, authorities.issue(name, csr)["serial_number"])
    assert wait_until(lambda: number_of(revocation_list(url)) > number, 15)
    expected = time.monotonic() + TICK
    for turn in range(ROUNDS):
        before, amid = (authorities.issue(name, csr) for _ in range(2))
        time.sleep(max(0.0, expected - 0.12 - time.monotonic()))
        authorities.revoke(name, before["serial_number"])
        time.sleep(max(0.0, expected - random.uniform(0.0, 0.03) - time.monotonic()))
        authorities.revoke(name, amid["serial_number"])
        serial = leaf_of(amid).serial_number
        assert wait_until(
            lambda serial=serial: revocation_list(url).get_revoked_certificate_by_serial_number(serial) is not None, 15
        ), f"round {turn}: {amid['serial_number']} is revoked and on no list"
        expected = time.monotonic() + TICK


def test_revocations_by_many_callers_are_all_on_the_list(server, slow):
    authorities, name, url = slow
    callers = [Authorities(server.wire()) for _ in range(4)]
    made = [authorities.issue(name)["serial_number"] for _ in range(40)]
    before = number_of(revocation_list(url))
    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(lambda number: callers[number % 4].ask_revoke(name, serial_number=made[number]).status_code, range(40)))
    assert told == [200] * 40
    wanted = {int(serial, 16) for serial in made}
    assert wait_until(lambda: wanted <= {entry.serial_number for entry in revocation_list(url)}, 15)
    assert number_of(revocation_list(url)) - before < 40, "lists are made for many revocations together"


def test_of_many_who_revoke_one_certificate_one_succeeds(server, slow):
    authorities, name, _ = slow
    serial = authorities.issue(name)["serial_number"]
    callers = [Authorities(server.wire()) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        told = sorted(answer.status_code for answer in threads.map(lambda one: one.ask_revoke(name, serial_number=serial), callers))
    assert told == [200] + [409] * 5
