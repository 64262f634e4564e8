"""A record of a key that was changed or moved on the disk is answered with an error and an alarm, never with another key."""

from typing import Callable

import pytest

from harness import audit
from harness.database import Database, flipped
from harness.keys_wire import Keys
from harness.server import Server
from harness.wire import Wire

ALARM = "RecordIntegrityAlarm"


def row(database: Database, name: str, vault: str = "demo", kind: str = "key") -> tuple[bytes, bytes]:
    rows = database.rows(f"vault/{vault}/{kind}/{name}")
    assert len(rows) == 1, f"{len(rows)} rows"
    return rows[0]


def flip(part: float) -> Callable[[Database, str], bytes]:
    def changed(database: Database, name: str) -> bytes:
        value = row(database, name)[1]
        return flipped(value, int(len(value) * part))

    return changed


# What is written in the place of a key's record.
CHANGES: dict[str, Callable[[Database, str], bytes]] = {
    "first-bit": flip(0.0),
    "early-bit": flip(0.1),
    "middle-bit": flip(0.5),
    "last-bit": flip(0.999),
    "cut": lambda database, name: row(database, name)[1][:-1],
    "emptied": lambda database, name: b"",
    "another-key": lambda database, name: row(database, "whole")[1],
    "another-vault": lambda database, name: row(database, name, vault="other")[1],
    "another-type": lambda database, name: row(database, name, kind="secret")[1],
}


def fill(server: Server) -> None:
    """The same keys in two vaults, secrets of the same names, and one key that is left alone."""
    for vault in ("demo", "other"):
        keys = Keys(server.wire(vault))
        for name in (*CHANGES, "whole"):
            keys.create(name)
            keys.wire.set_secret(name)
        for name in ("policy", "whole"):
            keys.create(name)
            keys.set_policy(name, {"attributes": {"expiryTime": "P90D"}})


@pytest.fixture(scope="module")
def tampered(binary, tmp_path_factory):
    """A server that was stopped, changed on the disk, and started again."""
    server = Server(binary, tmp_path_factory.mktemp("keys-tampered")).start()
    try:
        fill(server)
        assert server.stop() == 0
        database = Database(server.data)
        for name, change in CHANGES.items():
            database.write(row(database, name)[0], change(database, name))
        database.write(row(database, "policy", kind="key-rotation")[0], row(database, "whole", kind="key-rotation")[1])
        yield server.start()
    finally:
        server.kill()


@pytest.fixture
def wire(tampered) -> Wire:
    return tampered.wire()


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_key_is_neither_shown_nor_used(wire, name):
    sign = {"alg": "ES256", "value": "A" * 43}
    path = f"/keys/{name}"
    for answer in (
        wire.get(path),
        wire.post(f"{path}/sign", json=sign),
        wire.post(f"{path}/backup"),
        wire.post(f"{path}/rotate"),
    ):
        assert answer.status_code >= 500, answer.text
        assert set(answer.json()) == {"error"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_key_raises_the_alarm(tampered, wire, name):
    begun = audit.now()
    wire.get(f"/keys/{name}")
    alarms = [record for record in audit.records(tampered.cli(), since=begun) if record["operationName"] == ALARM]
    assert any(name in str(alarm) for alarm in alarms)


def test_a_policy_of_another_key_is_an_error(wire):
    assert wire.get("/keys/policy/rotationpolicy").status_code >= 500
    assert wire.get("/keys/whole/rotationpolicy").status_code == 200


def test_the_other_keys_stand(tampered, wire):
    keys = Keys(wire)
    assert keys.sign("whole", "ES256", b"d" * 32)
    assert keys.sign("policy", "ES256", b"d" * 32)
    assert Keys(tampered.wire("other")).sign("cut", "ES256", b"d" * 32)
