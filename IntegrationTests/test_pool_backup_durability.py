"""A server that ends in the middle of a backup or a restore, however it ends, takes it up again: the job ends by itself, and the pool is
as it was or as the backup has it, and never anything between."""

import threading
import time

import pytest
import requests

from harness.blob_storage import BlobStorage
from harness.clock import shifted
from harness.hsm_pool import pool_keys, pool_resource, pool_url
from harness.hsm_server import HsmServer
from harness.hsm_token import TokenFolder
from harness.keys_wire import Keys
from harness.management_pools import Pools
from harness.management_wire import LATEST
from harness.pool_backup import (
    MANIFEST, Backups, Place, Pool, backups, content, files_with, folder_of, make_big, use_keys,
)
from harness.security_domain import Domain, holders, new_pool, pool_path
from harness.wire import Wire

POOL = "demohsm"
DAY = 86_400
HASHED = b"d" * 32


@pytest.fixture(scope="module")
def _storage(tmp_path_factory):
    with BlobStorage(tmp_path_factory.mktemp("storage")) as storage:
        yield storage


@pytest.fixture
def storage(_storage) -> BlobStorage:
    yield _storage
    _storage.clear()


@pytest.fixture(scope="module")
def _running(binary, tmp_path_factory, _storage):
    running = HsmServer(binary, tmp_path_factory.mktemp("durable") / "data", *_storage.option).start()
    keys = pool_keys(running)
    for number in range(3):
        keys.create(f"key-{number}", "EC-HSM", tags={"number": str(number)})
    for number in range(8):
        make_big(keys, f"big-{number}")
    yield running
    running.kill()


@pytest.fixture
def server(_running) -> HsmServer:
    """With a pool whose backup has several parts. A test may stop and kill it, and leaves it running."""
    if _running.process.poll() is not None:
        _running.start()
    return _running


@pytest.fixture
def own(server, storage) -> Backups:
    return backups(server, POOL, Place.of(storage))


@pytest.fixture(params=["kill", "stop"])
def end(request, server):
    """Ends the server, and waits until it has."""

    def run(storage) -> None:
        if request.param == "kill":
            server.kill()
            return
        thread = threading.Thread(target=server.stop)
        thread.start()
        time.sleep(0.5)
        storage.let_go()
        thread.join(60)
        assert server.process.poll() is not None

    return run


def again(server, storage) -> Backups:
    """The server once more, with calls to its pool."""
    server.start()
    return backups(server, POOL, Place.of(storage))


@pytest.mark.parametrize("name", ["part-00000", "part-00001", MANIFEST])
def test_a_backup_that_was_cut_off_ends_by_itself(server, storage, own, end, name):
    before = content(pool_keys(server))
    with storage.holding("PUT", name) as wait:
        answer = own.ask_backup()
        wait()
        end(storage)
    own = again(server, storage)
    told = own.ended_at(answer.headers["Azure-AsyncOperation"], 60)
    assert (told["status"], told["jobId"], told["startTime"]) == ("Succeeded", answer.json()["jobId"], answer.json()["startTime"]), told
    assert storage.folders() == {folder_of(told)}
    keys = pool_keys(server)
    assert content(keys) == before
    keys.delete("key-0")
    keys.purge("key-0")
    own.restore(folder_of(told))
    assert content(keys) == before


@pytest.mark.parametrize("name", [MANIFEST, "part-00000", "part-00001"])
def test_a_restore_that_was_cut_off_ends_by_itself(server, storage, own, end, name):
    keys = pool_keys(server)
    before, folder = content(keys), own.backup()
    keys.delete("key-0")
    keys.purge("key-0")
    keys.create("later", "oct-HSM")
    with storage.holding("GET", name) as wait:
        answer = own.ask_restore(folder)
        wait()
        end(storage)
    own = again(server, storage)
    told = own.ended_at(answer.headers["Azure-AsyncOperation"], 60)
    keys = pool_keys(server)
    after = content(keys)
    if "key-0" not in after["keys"]:
        own.restore(folder)
    assert told["status"] == "Succeeded", told
    assert after == before
    assert keys.sign("key-0", "ES256", HASHED)


def test_a_restore_that_is_killed_at_any_moment_is_whole(server, storage, own):
    """It is killed while keys go into the module."""
    keys = pool_keys(server)
    for number in range(60):
        keys.create(f"many-{number:02}", "RSA-HSM" if number % 20 == 0 else "EC-HSM")
    folder = own.backup()
    with_all = content(keys)
    for number in range(60):
        keys.delete(f"many-{number:02}")
        keys.purge(f"many-{number:02}")
    without = content(keys)
    for delay in (0.0, 0.02, 0.08):
        seen = len(storage.asked)
        answer = own.ask_restore(folder)
        deadline = time.monotonic() + 20
        while not [each for each in storage.asked[seen:] if each.path.endswith("part-00001")] and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(delay)
        server.kill()
        own = again(server, storage)
        keys = pool_keys(server)
        at_once = content(keys)
        assert len(at_once["keys"]) in (len(with_all["keys"]), len(without["keys"]))
        assert own.ended_at(answer.headers["Azure-AsyncOperation"], 60)["status"] == "Succeeded"
        assert content(keys) == with_all
        assert keys.sign("many-07", "ES256", HASHED)
        for number in range(60):
            keys.delete(f"many-{number:02}")
            keys.purge(f"many-{number:02}")
    # Nothing is left over in the module.
    owned = {kid.rsplit("/", 1)[1] for held in content(keys)["keys"].values() for kid in held}
    deadline = time.monotonic() + 30
    while (found := {each.id for each in TokenFolder(server.data).keys()}) != owned and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == owned
    server.cli().run("audit", "verify")


def test_how_a_job_ended_is_told_after_a_restart(server, storage, own):
    done = own.succeeded(own.ask_backup())
    failed = own.ended(own.ask_restore("mhsm-none-1"))
    assert failed["status"] == "Failed"
    server.kill()
    own = again(server, storage)
    for told, kind in ((done, "backup"), (failed, "restore")):
        assert own.ended_at(f"{own.wire.base}/{kind}/{told['jobId']}/pending") == told


def test_a_job_that_was_cut_off_still_keeps_others_out(server, storage, own):
    with storage.holding("PUT") as wait:
        answer = own.ask_backup()
        wait()
        server.kill()
        own = again(server, storage)
        assert own.ask_backup().status_code == 409
        assert own.wire.get(answer.headers["Azure-AsyncOperation"]).json()["status"] == "InProgress"
    assert own.ended_at(answer.headers["Azure-AsyncOperation"], 60)["status"] == "Succeeded"
    assert own.backup()


def test_a_storage_that_is_gone_after_the_restart_fails_the_job(server, storage, own):
    before = content(pool_keys(server))
    with storage.holding("PUT", MANIFEST) as wait:
        answer = own.ask_backup()
        wait()
        server.kill()
        storage.__exit__()
    try:
        own = again(server, storage)
        told = own.ended_at(answer.headers["Azure-AsyncOperation"], 60)
        assert told["status"] == "Failed" and told["error"]["code"] == "ServiceUnavailable"
        assert content(pool_keys(server)) == before
    finally:
        storage.__enter__()


def test_a_signature_is_forgotten_with_the_job(server, storage, own):
    """Nor was it anywhere in the clear while the job was cut off."""
    signature = own.place.token.split("sig=")[1]
    with storage.holding("PUT") as wait:
        answer = own.ask_backup()
        wait()
        server.kill()
    assert files_with(server.data, signature.encode(), signature[:20].encode()) == []
    own = again(server, storage)
    assert own.ended_at(answer.headers["Azure-AsyncOperation"], 60)["status"] == "Succeeded"
    assert server.stop() == 0
    assert files_with(server.data, signature.encode(), signature[:20].encode()) == []


def test_an_acknowledged_job_survives_a_kill(server, storage, own):
    answer = own.ask_backup()
    server.kill()
    own = again(server, storage)
    assert own.ended_at(answer.headers["Azure-AsyncOperation"], 60)["status"] == "Succeeded"


def test_a_pool_that_is_used_while_the_server_is_killed_is_one_or_the_other(server, storage, own):
    keys, folder = pool_keys(server), own.backup()
    before, answered = content(keys), []

    def make() -> None:
        try:
            for number in range(1_000):
                answered.append(keys.create(f"during-{number}", "oct-HSM", key_size=128))
        except (requests.RequestException, AssertionError):
            return

    answer = own.ask_restore(folder)
    thread = threading.Thread(target=make)
    thread.start()
    time.sleep(0.7)
    server.kill()
    thread.join(60)
    own = again(server, storage)
    assert own.ended_at(answer.headers["Azure-AsyncOperation"], 60)["status"] == "Succeeded"
    after = content(pool_keys(server))
    assert {name: told for name, told in after["keys"].items() if not name.startswith("during-")} == before["keys"]
    own.restore(folder)
    assert content(pool_keys(server)) == before


# The end of the pool


def finished(pool: Pool) -> None:
    """Deletes and purges a pool."""
    pools = Pools.of(pool.server)
    answer = pools.wire.delete(pool_path(pool.server, pool.name), version=LATEST)
    assert answer.status_code in (200, 202), f"{answer.status_code} {answer.text}"
    pools.finish(pools.purge(pool.name), 60)


@pytest.mark.parametrize("kind", ["backup", "restore"])
def test_a_job_of_a_pool_that_is_purged_meanwhile_reaches_no_other_of_its_name(server, storage, kind):
    pool = Pool.make(server)
    made = pool.keys.create("key", "EC-HSM")
    own = pool.backups(Place.of(storage))
    folder = own.backup()
    begun = len(storage.asked)
    with storage.holding("PUT" if kind == "backup" else "GET") as wait:
        answer = own.ask_backup() if kind == "backup" else own.ask_restore(folder)
        wait()
        finished(pool)
        new_pool(server, name=pool.name)
        Domain(pool.wire).download(holders()[:3])
        keys = use_keys(server, pool.name)
        keys.create("other", "oct-HSM")
        before = content(keys)
    assert pool.wire.get(answer.headers["Azure-AsyncOperation"]).status_code == 404
    # It is asked until nothing more comes of it.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        assert content(keys) == before
        time.sleep(0.2)
    assert made["key"]["kid"] not in str(content(keys)) and len(storage.asked) > begun
    assert keys.use("wrapkey", "other", "A256KW", HASHED) and pool.backups().backup()
    assert server.restart().process.poll() is None
    assert content(pool_keys(server, pool=pool.name)) == before


def test_a_job_of_a_deleted_pool_goes_on_or_fails_and_the_pool_can_be_recovered(server, storage):
    pool = Pool.make(server)
    pool.keys.create("key", "EC-HSM")
    before, pools = content(pool.keys), Pools.of(server)
    own = pool.backups(Place.of(storage))
    with storage.holding("PUT") as wait:
        answer = own.ask_backup()
        wait()
        assert pools.wire.delete(pool_path(server, pool.name), version=LATEST).status_code in (200, 202)
    time.sleep(2)
    recovered = pools.ask_put(pool.name, {**pools.body(), "properties": {**pools.body()["properties"], "createMode": "recover"}})
    assert recovered.status_code in (200, 202), recovered.text
    pools.settled(pool.name)
    assert own.ended_at(answer.headers["Azure-AsyncOperation"])["status"] in ("Succeeded", "Failed")
    assert content(pool.keys) == before
    own.restore(own.backup())
    assert content(pool.keys) == before


# What falls due


def test_keys_that_came_back_rotate_and_are_purged_when_they_are_due(own_server):
    """The days pass two at a time, as for a server that is stopped over a weekend; its certificates are not checked meanwhile."""
    server = own_server(vaults=("demo",))
    keys, own = pool_keys(server), backups(server, POOL)
    policy = {
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P28D"}, "action": {"type": "Rotate"}}], "attributes": {"expiryTime": "P60D"}}
    for name in ("whole", "single"):
        keys.create(name, "EC-HSM")
        keys.set_policy(name, policy)
    folder = own.backup()
    for name in ("whole", "single"):
        keys.delete(name)
        keys.purge(name)
    keys.create("later", "EC-HSM")
    keys.set_policy("later", policy)
    own.restore(folder)
    keys.delete("single")
    keys.purge("single")
    own.restore_key("single", folder)
    for day in range(2, 31, 2):
        assert server.stop() == 0
        server.start(**shifted(day * DAY))
        if day not in (26, 30):
            continue
        wire = Wire(pool_url(server), False, server.fresh_token(resource=pool_resource(server), verify=False))
        expected = [1, 1] if day == 26 else [2, 2]
        deadline = time.monotonic() + (20 if day == 30 else 2)
        while (counts := [len(Keys(wire).versions(name)) for name in ("whole", "single")]) == [1, 1] and time.monotonic() < deadline:
            time.sleep(0.3)
        assert counts == expected, f"day {day}"
    assert wire.get("/keys/later").status_code == 404
