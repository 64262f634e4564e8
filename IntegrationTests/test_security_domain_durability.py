"""The security domain of a pool over restarts, `kill -9`, the end of its pool and a changed disk: it stays, or an error is answered."""

import random
import threading
import time
import uuid
from dataclasses import dataclass

import pytest
import requests

from harness import audit
from harness.database import Database, flipped
from harness.hsm_pool import owner_object_id, pool_keys, pool_wire
from harness.management_wire import LATEST, Arm
from harness.role_matrix import LOCAL_ROLES
from harness.security_domain import (
    DOWNLOAD, NOT_ACTIVATED, UPLOAD, Domain, DomainFile, activation, bodies, holders, new_pool, pool_path,
)
from harness.server import Server

ALARM = "RecordIntegrityAlarm"
DOMAIN, TRANSFER = "security-domain", "transfer-key"


@pytest.fixture
def server(lasting_server) -> Server:
    """In these tests the server is one that they may stop and kill."""
    return lasting_server


@pytest.fixture(params=["restart", "kill"])
def again(request, server):
    """Ends the server and starts it."""

    def run() -> None:
        if request.param == "kill":
            server.kill()
            server.start()
        else:
            server.restart()

    return run


def domain_of(server: Server, pool: str) -> Domain:
    return Domain(pool_wire(server, pool=pool))


def plain_of(domain: Domain) -> bytes:
    """The domain as it is handed out now."""
    return domain.download(holders()[:3]).plain(holders()[1:3])


def make_key(server: Server, pool: str) -> dict:
    """A key, by the administrator, who has first to become a user."""
    (user,) = (role.id for role in LOCAL_ROLES if role.name == "Managed HSM Crypto User")
    body = {"properties": {"roleDefinitionId": user, "principalId": owner_object_id(server)}}
    path = f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert pool_wire(server, pool=pool).put(path, json=body).status_code == 201
    return pool_keys(server, pool=pool).create("kept", "EC-HSM")


# Ends of the server


def test_a_pool_stays_as_it_is_until_its_domain_is_downloaded(server, again):
    pool = new_pool(server)
    again()
    domain = domain_of(server, pool)
    assert activation(server, pool) == NOT_ACTIVATED and not domain.is_downloaded() and not domain.is_uploaded()
    assert "not activated" in domain.wire.get("/settings").text
    domain.download(holders()[:3])
    assert activation(server, pool) == "Active"


def test_what_was_downloaded_stays(server, again):
    pool = new_pool(server)
    file = domain_of(server, pool).download(holders()[:4], 3)
    plain, state = file.plain(holders()[:3]), domain_of(server, pool).ask_status(DOWNLOAD).json()
    again()
    domain = domain_of(server, pool)
    assert activation(server, pool) == "Active" and not domain.is_uploaded()
    assert domain.ask_status(DOWNLOAD).json() == state
    key = make_key(server, pool)
    assert plain_of(domain) == plain
    again()
    assert pool_keys(server, pool=pool).get("kept") == key and plain_of(domain) == plain == file.plain(holders()[1:4])


def test_a_transfer_key_and_what_was_brought_stay(server, again):
    source, pool = new_pool(server), new_pool(server)
    file = domain_of(server, source).download(holders()[:3])
    plain, transfer = file.plain(holders()[:2]), domain_of(server, pool).transfer_key()
    again()
    domain = domain_of(server, pool)
    assert domain.transfer_key() == transfer and activation(server, pool) == NOT_ACTIVATED
    domain.upload(file.restore(holders()[:2], transfer))
    again()
    assert activation(server, pool) == "Active" and domain.is_uploaded() and not domain.is_downloaded()
    assert domain.ask_transfer_key().status_code == 409
    make_key(server, pool)
    assert plain_of(domain) == plain


def test_every_file_that_was_handed_out_is_of_the_domain_that_is_kept(server):
    """Killed while a pool is activated, again and again."""
    seen = set()
    for turn in range(6):
        pool = new_pool(server)
        files: list[DomainFile] = []

        def download() -> None:
            domain = domain_of(server, pool)
            try:
                for _ in range(50):
                    answer = domain.ask_download(bodies(holders()[:3]))
                    if answer.status_code == 202:
                        files.append(DomainFile(answer.json()["value"]))
            except requests.RequestException:
                return

        server.token()
        threads = [threading.Thread(target=download) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0, 0.05 * (turn + 1)))
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
        state = activation(server, pool)
        domain = domain_of(server, pool)
        assert domain.is_downloaded() == (state == "Active") and (state == "Active" or not files)
        plain = plain_of(domain)
        assert {each.plain(holders()[:2]) for each in files} <= {plain}
        seen.add(bool(files))
    assert True in seen, "it was always killed too early"
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))


# Ends of the pool


def test_a_recovered_pool_has_its_domain_and_a_purged_one_has_left_nothing(server):
    arm, pool = Arm.of(server), new_pool(server)
    domain = domain_of(server, pool)
    file = domain.download(holders()[:3])
    path, plain = pool_path(server, pool), file.plain(holders()[:2])
    assert arm.wire.delete(path, version=LATEST).status_code in (200, 202)
    for answer in (domain.ask_download(bodies(holders()[:3])), domain.ask_status(DOWNLOAD), domain.ask_transfer_key()):
        assert answer.status_code == 404 and "value" not in answer.json()
    body = {"location": "westeurope", "properties": {"createMode": "recover"}}
    answer = arm.wire.put(path, version=LATEST, json=body)
    assert answer.status_code in (200, 201, 202), answer.text
    assert eventually(lambda: activation(server, pool) == "Active") and plain_of(domain) == plain

    assert arm.wire.delete(path, version=LATEST).status_code in (200, 202)
    purged = f"{server.subscription_scope}/providers/Microsoft.KeyVault/locations/westeurope/deletedManagedHSMs/{pool}"
    answer = arm.wire.post(f"{purged}/purge", version=LATEST)
    assert answer.status_code == 202, answer.text
    arm.finish(answer.headers["Location"])
    assert Database(server.data).rows(f"pool/{pool}/") == []
    new_pool(server, name=pool)
    assert activation(server, pool) == NOT_ACTIVATED and not domain.is_downloaded()
    assert plain_of(domain) != plain


def eventually(look, seconds: float = 15):
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen


# A changed disk


@dataclass(frozen=True)
class Disk:
    """A server that is stopped, with pools: `first` and `second` have a domain, `third` has a transfer key."""

    server: Server
    first: str
    second: str
    third: str

    def record(self, pool: str, name: str) -> tuple[bytes, bytes]:
        (row,) = Database(self.server.data).rows(f"pool/{pool}/{name}")
        return row


@pytest.fixture(scope="module")
def _disk(binary, tmp_path_factory) -> Disk:
    server = Server(binary, tmp_path_factory.mktemp("disk") / "data").start()
    disk = Disk(server, new_pool(server), new_pool(server), new_pool(server))
    for pool in (disk.first, disk.second):
        domain_of(server, pool).download(holders()[:3])
    domain_of(server, disk.third).transfer_key()
    assert server.stop() == 0
    yield disk
    server.kill()


@pytest.fixture
def disk(_disk) -> Disk:
    return _disk


@pytest.fixture
def changed(_disk):
    """Puts something in the place of a record and starts the server; calls to the pool. Afterwards everything is as it was."""
    written: list[tuple[bytes, bytes]] = []

    def write(pool: str, name: str, value: bytes) -> Domain:
        written.append(_disk.record(pool, name))
        Database(_disk.server.data).write(written[-1][0], value)
        _disk.server.start()
        return domain_of(_disk.server, pool)

    yield write
    assert _disk.server.stop() == 0
    for key, value in written:
        Database(_disk.server.data).write(key, value)


CHANGES = {
    **{f"bit-{part}": lambda value, part=part: flipped(value, int(len(value) * part)) for part in (0.0, 0.02, 0.1, 0.5, 0.999)},
    "cut": lambda value: value[: len(value) // 2],
    "longer": lambda value: value + b"\0",
    "empty": lambda value: b"",
}


@pytest.fixture
def assert_alarmed(disk):
    """The answers are errors of the server, tell nothing, and an alarm was raised meanwhile."""
    begun = audit.now()

    def look(pool: str, *answers) -> None:
        for answer in answers:
            assert answer.status_code >= 500, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:300]}"
            assert set(answer.json()) == {"error"} and answer.json()["error"]["message"], answer.text[:300]
            assert "EncData" not in answer.text and "transfer_key" not in answer.text
        alarms = [each for each in audit.records(disk.server.cli(), since=begun) if each["operationName"] == ALARM]
        assert any(pool in str(alarm) for alarm in alarms)

    return look


def ask_all(domain: Domain) -> list:
    return [
        domain.ask_download(bodies(holders()[:3])), domain.ask_status(DOWNLOAD), domain.ask_status(UPLOAD), domain.ask_transfer_key(),
        domain.ask_upload("none")]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_domain_is_not_handed_out(disk, changed, assert_alarmed, change):
    domain = changed(disk.first, DOMAIN, CHANGES[change](disk.record(disk.first, DOMAIN)[1]))
    assert_alarmed(disk.first, *ask_all(domain))
    # The rest goes on.
    assert activation(disk.server, disk.first) == "Active" and domain.wire.get("/settings").status_code == 200
    assert plain_of(domain_of(disk.server, disk.second))
    disk.server.cli().run("audit", "verify")


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_transfer_key_is_not_used(disk, changed, assert_alarmed, change):
    domain = changed(disk.third, TRANSFER, CHANGES[change](disk.record(disk.third, TRANSFER)[1]))
    assert_alarmed(disk.third, domain.ask_transfer_key(), domain.ask_upload("none"))
    assert activation(disk.server, disk.third) == NOT_ACTIVATED and not domain.is_uploaded()


@pytest.mark.parametrize("pool, name", [("second", DOMAIN), ("third", TRANSFER)], ids=["of-another-pool", "of-another-kind"])
def test_another_record_is_no_domain(disk, changed, assert_alarmed, pool, name):
    domain = changed(disk.first, DOMAIN, disk.record(getattr(disk, pool), name)[1])
    assert_alarmed(disk.first, *ask_all(domain))


def test_the_domain_of_a_pool_of_the_same_name_on_another_server_is_not_handed_out(disk, changed, assert_alarmed, own_server):
    other = own_server()
    new_pool(other, name=disk.first)
    domain_of(other, disk.first).download(holders()[:3])
    assert other.stop() == 0
    ((_, foreign),) = Database(other.data).rows(f"pool/{disk.first}/{DOMAIN}")
    assert_alarmed(disk.first, *ask_all(changed(disk.first, DOMAIN, foreign)))


def test_a_file_of_a_pool_that_was_put_back_is_right(disk, changed):
    """What is looked for above is not there by itself."""
    domain = changed(disk.first, DOMAIN, disk.record(disk.first, DOMAIN)[1])
    assert domain.is_downloaded() and plain_of(domain) == plain_of(domain)
