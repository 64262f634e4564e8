"""All that is left of a pool is a backup and a quorum of those who hold its security domain: with both, and with nothing less, it lives
again, at another server with another token or beside itself."""

import shutil

import pytest

from harness.blob_storage import BlobStorage
from harness.hsm_pool import pool_keys, pool_wire
from harness.hsm_server import HsmServer
from harness.hsm_token import TokenFolder
from harness.keys_wire import Keys, done
from harness.management_pools import Pools
from harness.management_wire import LATEST
from harness.pool_backup import (
    ASSIGNMENTS, SETTING, Place, Pool, assign, backups, carried, content, define, use_keys,
)
from harness.security_domain import Domain, NotOpened, holders, new_pool, pool_path

HASHED, TEXT = b"d" * 32, b"t" * 32
READ = "Microsoft.KeyVault/managedHsm/keys/read/action"


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    with BlobStorage(tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture(scope="module")
def start(binary, tmp_path_factory, storage):
    """Starts servers that know the storage, each with a token of its own."""
    started = []

    def run() -> HsmServer:
        started.append(HsmServer(binary, tmp_path_factory.mktemp("site") / "data", *storage.option).start())
        return started[-1]

    yield run
    for each in started:
        each.kill()


@pytest.fixture(scope="module")
def site(start) -> HsmServer:
    return start()


class Work:
    """What was done with the keys of a pool, and whether they still answer for it."""

    def __init__(self, keys: Keys):
        self.wrapped = keys.use("wrapkey", keys.create("wrapping", "oct-HSM"), "A256KW", TEXT)
        self.sealed = keys.use("encrypt", keys.create("sealing", "RSA-HSM"), "RSA-OAEP-256", b"plain")
        self.old = keys.create("signing", "EC-HSM", crv="P-384")["key"]["kid"].rsplit("/", 1)[1]
        self.signature = keys.sign(f"signing/{self.old}", "ES384", b"d" * 48)
        keys.create("signing", "EC-HSM", crv="P-384", tags={"second": "version"})
        keys.create("gone", "oct-HSM")
        keys.delete("gone")

    def is_good(self, keys: Keys) -> bool:
        assert keys.use("unwrapkey", "wrapping", "A256KW", self.wrapped) == TEXT
        assert keys.use("decrypt", "sealing", "RSA-OAEP-256", self.sealed) == b"plain"
        assert keys.verify(f"signing/{self.old}", "ES384", b"d" * 48, self.signature)
        again = keys.sign(f"signing/{self.old}", "ES384", b"d" * 48)
        return keys.verify(f"signing/{self.old}", "ES384", b"d" * 48, again)


# Another server


@pytest.mark.parametrize("way", ["storage", "folder"])
@pytest.mark.parametrize("is_same_name", [True, False], ids=["under its name", "under another name"])
def test_a_pool_lives_again_at_another_server(start, site, storage, way, is_same_name):
    first = start()
    held = list(holders()[:3])
    pool = Pool.make(first, held, 2)
    work, stranger = Work(pool.keys), first.cli().create_application("stranger")
    role = define(pool.wire, "reads", READ)
    assign(pool.wire, role, stranger.object_id, "/keys")
    assert pool.wire.patch(SETTING, json={"value": "true"}).status_code == 200
    before = carried(pool.keys)
    place = Place.of(storage) if way == "storage" else Place()
    folder = pool.backups(place).backup()
    first.kill()

    name = new_pool(site, name=pool.name if is_same_name else None)
    assert pool_wire(site, pool=name).get("/keys").status_code == 403
    domain = Domain(pool_wire(site, pool=name))
    domain.upload(pool.domain.restore([held[2], held[0]], domain.transfer_key()))
    keys = use_keys(site, name)
    if way == "folder":
        shutil.copytree(first.data / "pool-backups" / folder, site.data / "pool-backups" / folder)
    brought = backups(site, name, place)
    brought.succeeded(brought.ask_pre_restore(folder))
    brought.restore(folder)
    # The roles are those of the backup: whose administers the new pool goes on and takes what it needs.
    given = [each["properties"] for each in done(keys.wire.get(ASSIGNMENTS))["value"]]
    assert (stranger.object_id, "/keys") in [(each["principalId"], each["scope"]) for each in given]
    assert [each["properties"]["roleName"] for each in content_definitions(keys)] == ["reads"]
    use_keys(site, name)
    assert carried(keys) == before and work.is_good(keys)
    keys.recover("gone")
    assert keys.use("wrapkey", "gone", "A256KW", TEXT)
    # It can be backed up again, and what it was backed up to before still restores.
    later = brought.backup()
    brought.restore(folder)
    brought.restore(later)


def content_definitions(keys: Keys) -> list[dict]:
    return [each for each in done(keys.wire.get("/providers/Microsoft.Authorization/roleDefinitions"))["value"] if (
        each["properties"]["type"] == "CustomRole")]


def test_a_single_key_lives_again_at_another_server(start, site, storage):
    first = start()
    pool = Pool.make(first)
    work, folder = Work(pool.keys), pool.backups(Place.of(storage)).backup()
    before = carried(pool.keys)["keys"]
    first.kill()
    other = pool.sibling(site)
    for name in ("wrapping", "sealing", "signing"):
        other.backups(Place.of(storage)).restore_key(name, folder)
    assert carried(other.keys)["keys"] == before and work.is_good(other.keys)


@pytest.mark.parametrize("required", [2, 4])
def test_fewer_than_the_quorum_bring_nothing_back(start, site, storage, required):
    held = list(holders()[:5])
    pool = Pool.make(site, held, required)
    pool.keys.create("key", "EC-HSM")
    folder = pool.backups(Place.of(storage)).backup()
    name = new_pool(site)
    domain = Domain(pool_wire(site, pool=name))
    transfer = domain.transfer_key()
    for few in (held[: required - 1], [held[0]] * required):
        with pytest.raises((NotOpened, ValueError)):
            pool.domain.restore(few, transfer)
    assert backups(site, name).ask_restore(folder).status_code == 403
    domain.upload(pool.domain.restore(held[-required:], transfer))
    backups(site, name, Place.of(storage)).restore(folder)
    assert pool_keys(site, pool=name).wire.get("/keys").status_code in (200, 403)


def test_who_has_the_backup_and_a_domain_of_their_own_has_nothing(start, site, storage):
    pool = Pool.make(site)
    pool.keys.create("key", "EC-HSM")
    folder = pool.backups(Place.of(storage)).backup()
    other = Pool.make(start())
    before = content(other.keys)
    assert "security domain" in other.backups(Place.of(storage)).failed(other.backups(Place.of(storage)).ask_restore(folder))["message"]
    assert content(other.keys) == before


# Beside itself


@pytest.fixture
def twins(site) -> tuple[Pool, Pool, Work, str]:
    """Two pools of one server with the same keys: the second is a restore of the first."""
    first = Pool.make(site)
    work = Work(first.keys)
    define(first.wire, "reads", READ)
    second = first.sibling()
    folder = first.backups().backup()
    second.backups().restore(folder)
    return first, second, work, folder


def both_are_good(twins) -> None:
    first, second, work, _ = twins
    assert work.is_good(first.keys) and work.is_good(second.keys)


def test_a_pool_and_its_restore_live_side_by_side(twins):
    first, second, _, _ = twins
    both_are_good(twins)
    assert carried(first.keys) == carried(second.keys)
    # A role definition has an identifier of its own in each.
    definitions = [content_definitions(each.keys) for each in (first, second)]
    assert [each["properties"]["roleName"] for (each,) in definitions] == ["reads", "reads"]
    assert len({each["name"] for (each,) in definitions}) == 2
    assert {each["name"] for each in done(first.wire.get(ASSIGNMENTS))["value"]}.isdisjoint(
        each["name"] for each in done(second.wire.get(ASSIGNMENTS))["value"])
    first.wire.delete(f"/providers/Microsoft.Authorization/roleDefinitions/{definitions[0][0]['name']}")
    assert len(content_definitions(second.keys)) == 1


@pytest.mark.parametrize("turned", [False, True], ids=["the first", "the restored"])
def test_purging_keys_of_one_leaves_those_of_the_other(twins, turned):
    first, second, work, _ = twins
    doomed, kept = (second, first) if turned else (first, second)
    for name in ("wrapping", "sealing", "signing"):
        doomed.keys.delete(name)
        assert work.is_good(kept.keys)
        doomed.keys.purge(name)
        assert work.is_good(kept.keys)
    assert doomed.keys.listed("/keys") == []


@pytest.mark.parametrize("turned", [False, True], ids=["the first", "the restored"])
def test_restoring_nothing_into_one_leaves_the_keys_of_the_other(site, twins, turned):
    first, second, work, _ = twins
    doomed, kept = (second, first) if turned else (first, second)
    nothing = first.sibling()
    folder = nothing.backups().backup()
    doomed.backups().restore(folder)
    assert doomed.keys.listed("/keys") == []
    assert work.is_good(kept.keys)
    assert kept.keys.listed("/deletedkeys")


@pytest.mark.parametrize("turned", [False, True], ids=["the first", "the restored"])
def test_purging_one_pool_leaves_the_other(site, twins, turned):
    first, second, work, folder = twins
    doomed, kept = (second, first) if turned else (first, second)
    pools = Pools.of(site)
    answer = pools.wire.delete(pool_path(site, doomed.name), version=LATEST)
    assert answer.status_code in (200, 202), f"{answer.status_code} {answer.text}"
    pools.finish(pools.purge(doomed.name))
    assert work.is_good(kept.keys)
    kept.backups().restore(folder)
    assert work.is_good(kept.keys)


def test_after_a_restart_both_have_their_keys(start, binary):
    server = start()
    first = Pool.make(server)
    work = Work(first.keys)
    second = first.sibling()
    second.backups().restore(first.backups().backup())
    second.keys.delete("wrapping")
    second.keys.purge("wrapping")
    server.restart()
    assert work.is_good(first.keys)
    assert second.keys.verify("signing", "ES384", HASHED + HASHED[:16], second.keys.sign("signing", "ES384", HASHED + HASHED[:16]))
    # Every object of the module is somebody's.
    owned = {kid.rsplit("/", 1)[1] for pool in (first, second) for held in content(pool.keys)["keys"].values() for kid in held}
    found = {each.id for each in TokenFolder(server.data).keys()}
    assert owned <= found
