"""Backup and restore of whole pools, and of single keys out of a backup, by plain calls and into a folder of the server."""

import json
import os
import re
import shutil
import stat
import uuid
from pathlib import Path

import pytest

from harness import audit
from harness.blob_storage import BlobStorage
from harness.hsm_authority import claim, policy
from harness.hsm_pool import owner_object_id, pool_keys, pool_wire
from harness.hsm_server import HsmServer
from harness.hsm_token import TokenFolder
from harness.keys_jwk import ec_jwk, new_ec, new_rsa, rsa_jwk
from harness.keys_wire import Keys, assert_bad_parameter, done, error_of, path_of, version_of
from harness.pool_backup import (
    ASSIGNMENTS, MANIFEST, ROLES, SETTING, Backups, Place, Pool, assign, backups, content, define, files_with,
    make_big,
)
from harness.security_domain import new_pool
from harness.tokens import encode

pytest_plugins = ["harness.hsm_fixtures"]

HASHED, TEXT = b"d" * 32, b"t" * 32
READ = "Microsoft.KeyVault/managedHsm/keys/read/action"
DAMAGED = "The backup was altered or is incomplete."
SPELLED = re.compile(r"mhsm-[a-z0-9]+-20\d{12,18}")
# A shared access signature that no storage has given.
TOKEN = "sv=2021-12-02&sp=rw&sig=SYfOmtHeSsIgNaTuReX%2B0%2F0%3D"


@pytest.fixture(scope="module")
def places(server) -> Path:
    return server.data / "pool-backups"


@pytest.fixture(scope="module")
def home(server) -> Pool:
    """A pool that tests fill and empty."""
    return Pool.make(server)


@pytest.fixture(scope="module")
def standing(server, places) -> tuple[Pool, str, dict]:
    """A pool that nobody changes, with the folder of its backup, and what is in it."""
    pool = Pool.make(server)
    pool.keys.create("first", "EC-HSM")
    pool.keys.create("second", "oct-HSM")
    return pool, pool.backups().backup(), content(pool.keys)


@pytest.fixture
def copy(standing, places):
    """A copy of its backup, which the test may damage."""
    _, folder, _ = standing
    made = places / f"copy-{uuid.uuid4().hex[:8]}"
    shutil.copytree(places / folder, made)
    return made


def hardware(name: str) -> dict:
    document = json.dumps(policy("https://a.example", claim("x", name))).encode()
    return {"attributes": {"exportable": True}, "release_policy": {"data": encode(document), "immutable": True}}


def fill(keys: Keys) -> None:
    """Keys of every type, with all that a key may have."""
    for size in (2048, 3072):
        keys.create(f"rsa-{size}", "RSA-HSM", key_size=size, tags={"size": str(size)})
    for curve in ("P-256", "P-384", "P-521", "P-256K"):
        keys.create(f"ec-{curve}", "EC-HSM", crv=curve)
    for size in (128, 192, 256):
        keys.create(f"oct-{size}", "oct-HSM", key_size=size, key_ops=["wrapKey", "unwrapKey"])
    for _ in range(3):
        keys.create("versions", "EC-HSM", tags={"a": "b", "é": "ü"})
    keys.update(keys.create("versions", "EC-HSM"), tags={"only": "this"})
    keys.create("versions", "EC-HSM", tags={"last": ""})
    keys.import_key("imported", {**ec_jwk(new_ec("P-256")), "kty": "EC-HSM"}, tags={"from": "outside"})
    keys.import_key("imported-rsa", {**rsa_jwk(new_rsa()), "kty": "RSA-HSM"}, key_ops=["sign"])
    keys.create("released", "EC-HSM", **hardware("released"))
    keys.create("disabled", "oct-HSM", attributes={"enabled": False})
    keys.create("expired", "oct-HSM", attributes={"nbf": 1_000_000, "exp": 2_000_000})
    keys.create("rotating", "RSA-HSM")
    keys.set_policy("rotating", {
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P60D"}, "action": {"type": "Rotate"}}], "attributes": {"expiryTime": "P90D"}})
    keys.rotate("rotating")
    for name in ("gone", "gone-too"):
        keys.create(name, "EC-HSM", tags={"was": name})
        keys.create(name, "EC-HSM")
        keys.delete(name)


def empty(keys: Keys) -> None:
    for item in keys.listed("/keys"):
        keys.delete(item["kid"].rsplit("/", 1)[1])
    for item in keys.listed("/deletedkeys"):
        keys.purge(item["kid"].rsplit("/", 1)[1])


# Steps


@pytest.mark.operation("PoolBackup")
@pytest.mark.operation("PoolBackupStatus")
@pytest.mark.operation("PoolJobRun")
def test_a_backup_is_begun_asked_about_and_has_ended(home, places):
    backups = home.backups()
    answer = backups.ask_backup()
    begun = answer.json()
    job, folder = begun["jobId"], begun["azureStorageBlobContainerUri"].removeprefix("file:///backups/")
    assert (answer.status_code, answer.headers["Retry-After"].isdigit()) == (202, True)
    assert answer.headers["Azure-AsyncOperation"] == f"{home.wire.base}/backup/{job}/pending"
    assert re.fullmatch("[0-9a-f]{32}", job) and SPELLED.fullmatch(folder) and f"-{home.name}-" in folder
    assert (begun["status"], begun["error"], begun["endTime"]) == ("InProgress", None, None)
    told = backups.ended(answer)
    assert set(told) == {"status", "statusDetails", "error", "jobId", "startTime", "endTime", "azureStorageBlobContainerUri"}
    assert (told["status"], told["error"], told["jobId"], told["startTime"]) == ("Succeeded", None, job, begun["startTime"])
    assert told["startTime"] <= told["endTime"] <= told["startTime"] + 30 and told["statusDetails"]
    assert told["azureStorageBlobContainerUri"] == begun["azureStorageBlobContainerUri"]
    assert {path.name for path in (places / folder).iterdir()} == {MANIFEST, "part-00000"}
    # And with an api-version.
    assert done(home.wire.get(f"/backup/{job}/pending")) == told


@pytest.mark.operation("PoolRestore")
@pytest.mark.operation("PoolRestoreStatus")
@pytest.mark.operation("PoolPreRestore")
@pytest.mark.operation("KeySelectiveRestore")
@pytest.mark.parametrize("kind", ["restore", "prerestore", "key"])
def test_a_restore_is_begun_asked_about_and_has_ended(standing, name, kind):
    pool, folder, before = standing
    backups = pool.backups()
    if kind == "key":
        pool.keys.delete("first")
        pool.keys.purge("first")
    answer = {
        "restore": lambda: backups.ask_restore(folder), "prerestore": lambda: backups.ask_pre_restore(folder),
        "key": lambda: backups.ask_key("first", folder),
    }[kind]()
    begun = answer.json()
    assert (answer.status_code, answer.headers["Retry-After"].isdigit(), begun["status"]) == (202, True, "InProgress")
    assert answer.headers["Azure-AsyncOperation"] == f"{pool.wire.base}/restore/{begun['jobId']}/pending"
    told = backups.succeeded(answer)
    assert set(told) == {"status", "statusDetails", "error", "jobId", "startTime", "endTime"}
    assert (told["jobId"], told["startTime"]) == (begun["jobId"], begun["startTime"])
    assert content(pool.keys) == before
    backups.restore(folder)
    # All are made here, whichever is asked for: the audit log is asked for every one.
    backups.succeeded(backups.ask_pre_restore(folder))
    pool.keys.delete("second")
    pool.keys.purge("second")
    backups.restore_key("second", folder)
    assert content(pool.keys) == before


@pytest.mark.operation("PoolPreBackup")
def test_a_check_before_a_backup_leaves_nothing(home, places):
    before = set(places.iterdir())
    backups = home.backups()
    answer = backups.ask_pre_backup()
    assert answer.headers["Azure-AsyncOperation"].endswith(f"/backup/{answer.json()['jobId']}/pending")
    assert "azureStorageBlobContainerUri" not in backups.succeeded(answer)
    assert set(places.iterdir()) == before


def test_a_backup_is_for_the_server_alone(standing, places):
    _, folder, _ = standing
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [places, places / folder, *(places / folder).iterdir()]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_backup_says_what_it_is_and_no_more(standing, places):
    pool, folder, before = standing
    told = json.loads((places / folder / MANIFEST).read_text())
    assert (told["format"], told["pool"], told["parts"], told["keys"]) == ("strongroom-pool-backup-v1", pool.name, 1, 2)
    words = ["second", READ, owner_object_id(pool.server), version_of(before["current"]["first"])]
    assert files_with(places / folder, *(word.encode() for word in words)) == []


# What comes back


def test_a_restore_brings_back_exactly_what_was_there(server, home, stranger, name):
    keys, backups = home.keys, home.backups()
    empty(keys)
    fill(keys)
    role = define(keys.wire, f"{name}-kept", READ)
    assign(keys.wire, role, stranger.object_id)
    assign(keys.wire, "Crypto User", stranger.object_id, "/keys/oct-256")
    assert keys.wire.patch(SETTING, json={"value": "true"}).status_code == 200
    theirs = pool_keys(server, stranger, home.name)
    before, token = content(keys), TokenFolder(server.data)
    assert (before["setting"], len(before["keys"]), len(before["deleted"])) == ("true", 16, 2)
    signature = keys.sign("ec-P-256", "ES256", HASHED)
    wrapped = keys.use("wrapkey", "oct-256", "A256KW", TEXT)
    sealed = keys.use("encrypt", "rsa-2048", "RSA-OAEP-256", b"plain")
    folder = backups.backup()
    owned = {each.id for each in token.keys()}

    for gone in ("rsa-2048", "ec-P-256", "oct-256", "versions"):
        keys.delete(gone)
        keys.purge(gone)
    keys.purge("gone")
    keys.recover("gone-too")
    keys.create("ec-P-256", "EC-HSM")
    keys.create("later", "oct-HSM")
    keys.create("imported", "EC-HSM")
    keys.update("disabled", attributes={"enabled": True}, tags={"new": "tag"})
    keys.set_policy("rotating", {"lifetimeActions": [], "attributes": {"expiryTime": "P200D"}})
    keys.set_policy("rsa-3072", {"lifetimeActions": [], "attributes": {"expiryTime": "P200D"}})
    later = define(keys.wire, f"{name}-later", READ)
    added = assign(keys.wire, later, stranger.object_id, "/keys")
    assert keys.wire.patch(SETTING, json={"value": "false"}).status_code == 200
    assert content(keys) != before

    backups.restore(folder)
    assert content(keys) == before
    assert keys.verify("ec-P-256", "ES256", HASHED, signature)
    assert keys.use("unwrapkey", "oct-256", "A256KW", wrapped) == TEXT
    assert keys.use("decrypt", "rsa-2048", "RSA-OAEP-256", sealed) == b"plain"
    assert theirs.use("unwrapkey", "oct-256", "A256KW", wrapped) == TEXT
    assert theirs.get("rsa-2048")["key"]["kty"] == "RSA-HSM"
    assert keys.wire.get(f"{ASSIGNMENTS}/{added}").status_code == 404
    # What came back can be used like what never went.
    keys.recover("gone-too")
    assert keys.sign("gone-too", "ES256", HASHED)
    assert keys.rotate("rotating")["attributes"]["exp"]
    # What the pool does not own any more is not in the module either.
    assert {each.id for each in token.keys()} >= owned


def test_what_a_restore_removes_leaves_the_module(server, home):
    keys, backups, token = home.keys, home.backups(), TokenFolder(server.data)
    empty(keys)
    keys.create("kept", "EC-HSM")
    folder, owned = backups.backup(), {each.id for each in token.keys()}
    for number in range(3):
        keys.create(f"later-{number}", "oct-HSM")
    keys.delete("later-0")
    assert len({each.id for each in token.keys()}) == len(owned) + 3
    backups.restore(folder)
    assert {each.id for each in token.keys()} == owned
    assert keys.sign("kept", "ES256", HASHED)


def test_an_empty_pool_is_restored_empty(home):
    keys, backups = home.keys, home.backups()
    empty(keys)
    before, folder = content(keys), backups.backup()
    later = keys.create("later", "EC-HSM")
    backups.restore(folder)
    assert content(keys) == before
    assert keys.wire.get(path_of(later)).status_code == 404
    # The name is free.
    assert keys.create("later", "oct-HSM")["key"]["kty"] == "oct-HSM"


def test_a_custom_role_that_was_changed_is_as_it_was(server, home, stranger, name):
    keys, backups = home.keys, home.backups()
    role = define(keys.wire, name, READ)
    assign(keys.wire, role, stranger.object_id)
    before, folder = content(keys), backups.backup()
    body = {"properties": {"roleName": f"{name}-2", "permissions": [{"dataActions": ["Microsoft.KeyVault/managedHsm/keys/create"]}]}}
    answer = keys.wire.put(f"/providers/Microsoft.Authorization/roleDefinitions/{role}", json=body)
    assert answer.status_code == 201, answer.text
    theirs = pool_wire(server, stranger, home.name)
    assert theirs.get("/keys").status_code == 403
    backups.restore(folder)
    assert content(keys) == before
    assert theirs.get("/keys").status_code == 200


def test_who_administers_goes_on_and_who_was_given_a_role_since_does_not(server, home, cli, name):
    keys, backups = home.keys, home.backups()
    first, second = (cli.create_application(f"{name}-{number}") for number in (1, 2))
    assign(keys.wire, "Administrator", first.object_id)
    assign(keys.wire, "Crypto User", first.object_id)
    folder = backups.backup()
    assign(keys.wire, "Administrator", second.object_id)
    assign(keys.wire, "Crypto User", second.object_id)
    wires = [pool_wire(server, each, home.name) for each in (first, second)]
    assert [wire.get("/keys").status_code for wire in wires] == [200, 200]
    backups.restore(folder)
    given = [each["properties"] for each in done(keys.wire.get(ASSIGNMENTS))["value"]]
    held = [(each["principalId"], each["roleDefinitionId"].rsplit("/", 1)[1]) for each in given]
    assert len(held) == len(set(held))
    assert (second.object_id, ROLES["Administrator"]) in held and (second.object_id, ROLES["Crypto User"]) not in held
    assert [wire.get("/keys").status_code for wire in wires] == [200, 403]
    assert wires[1].get(ASSIGNMENTS).status_code == 200


def test_a_backup_restores_as_often_as_one_likes(home):
    keys, backups = home.keys, home.backups()
    empty(keys)
    keys.create("key", "oct-HSM")
    before, folder = content(keys), backups.backup()
    wrapped = keys.use("wrapkey", "key", "A256KW", TEXT)
    backups.restore(folder)
    keys.delete("key")
    keys.purge("key")
    backups.restore(folder)
    assert content(keys) == before
    assert keys.use("unwrapkey", "key", "A256KW", wrapped) == TEXT


@pytest.fixture(scope="module")
def parted(server, places) -> tuple[Pool, str, dict]:
    """A pool whose backup has several parts."""
    pool = Pool.make(server)
    for number in range(14):
        make_big(pool.keys, f"big-{number:02}")
    folder = pool.backups().backup()
    assert len(list((places / folder).iterdir())) > 3
    return pool, folder, content(pool.keys)


def test_a_backup_of_several_parts_is_restored_whole(parted, places):
    pool, folder, before = parted
    assert json.loads((places / folder / MANIFEST).read_text())["parts"] == len(list((places / folder).iterdir())) - 1
    wrapped = pool.keys.use("wrapkey", "big-13", "A256KW", TEXT)
    for number in range(0, 14, 2):
        pool.keys.delete(f"big-{number:02}")
        pool.keys.purge(f"big-{number:02}")
    pool.backups().restore(folder)
    assert content(pool.keys) == before
    assert pool.keys.use("unwrapkey", "big-13", "A256KW", wrapped) == TEXT


def test_more_keys_than_one_page_are_restored(home):
    keys, backups = home.keys, home.backups()
    empty(keys)
    for number in range(230):
        keys.create(f"key-{number:03}", "oct-HSM", key_size=128)
    for number in range(110):
        keys.delete(f"key-{number:03}")
    folder = backups.backup()
    names = {path: [item["kid"] for item in keys.listed(path)] for path in ("/keys", "/deletedkeys")}
    keys.recover("key-001")
    keys.delete("key-200")
    backups.restore(folder)
    assert {path: [item["kid"] for item in keys.listed(path)] for path in names} == names
    assert [len(names[path]) for path in names] == [120, 110]
    empty(keys)


# A single key


def test_a_single_key_comes_back_with_all_its_versions(home):
    keys, backups = home.keys, home.backups()
    empty(keys)
    fill(keys)
    before = content(keys)
    folder = backups.backup()
    for name in ("versions", "rotating", "released"):
        keys.delete(name)
        keys.purge(name)
        assert keys.wire.get(f"/keys/{name}").status_code == 404
        backups.restore_key(name, folder)
    assert content(keys) == before
    assert keys.verify("versions", "ES256", HASHED, keys.sign("versions", "ES256", HASHED))


def test_a_single_key_leaves_everything_else_as_it_is(home, stranger):
    keys, backups = home.keys, home.backups()
    empty(keys)
    keys.create("key", "EC-HSM")
    keys.create("other", "EC-HSM")
    folder = backups.backup()
    keys.delete("key")
    keys.purge("key")
    keys.create("later", "EC-HSM")
    keys.delete("other")
    assign(keys.wire, "Crypto User", stranger.object_id)
    before = content(keys)
    backups.restore_key("key", folder)
    after = content(keys)
    assert set(after["keys"]) == {"key", "later"}
    assert {name: after[name] for name in ("deleted", "assignments", "definitions", "setting")} == {
        name: before[name] for name in ("deleted", "assignments", "definitions", "setting")}


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_single_key_needs_a_free_name(standing, is_deleted):
    pool, folder, before = standing
    if is_deleted:
        pool.keys.delete("first")
    answer = pool.backups().ask_key("first", folder)
    if is_deleted:
        pool.keys.recover("first")
    assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict"), answer.text
    assert content(pool.keys) == before


@pytest.mark.parametrize("name", ["absent", "was-deleted"])
def test_a_key_that_the_backup_does_not_hold_alive_is_not_restored(home, name):
    keys, backups = home.keys, home.backups()
    empty(keys)
    keys.create("was-deleted", "EC-HSM")
    keys.delete("was-deleted")
    folder = backups.backup()
    keys.purge("was-deleted")
    error = backups.failed(backups.ask_key(name, folder))
    assert error["code"] == "KeyNotFound" and name in error["message"]
    assert keys.listed("/keys") == keys.listed("/deletedkeys") == []


@pytest.mark.parametrize("name", ["a_b", "a.b", "a%20b", "x" * 128])
def test_a_name_that_no_key_has_is_not_restored(standing, name):
    pool, folder, _ = standing
    assert_bad_parameter(pool.backups().ask_key(name, folder))


# Jobs


@pytest.mark.parametrize("path", ["backup", "restore"])
@pytest.mark.parametrize(
    "job", ["0" * 32, "", "x", "0" * 31, "0" * 33, "g" * 32, "00000000-0000-0000-0000-000000000000", "%2e%2e", "é" * 16, "0" * 400])
def test_an_unknown_job_is_not_found(home, path, job):
    answer = home.wire.get(f"/{path}/{job}/pending")
    assert answer.status_code in ((400, 404) if job in ("", "%2e%2e") else (404,)), f"{answer.status_code} {answer.text}"
    assert error_of(answer)["code"] and error_of(answer)["message"]


def test_a_job_is_told_of_in_its_pool_and_under_its_kind_alone(standing, home):
    pool, folder, _ = standing
    begun = [pool.backups().ask_backup(), None]
    pool.backups().succeeded(begun[0])
    begun[1] = pool.backups().ask_pre_restore(folder)
    pool.backups().succeeded(begun[1])
    for right, wrong, answer in (("backup", "restore", begun[0]), ("restore", "backup", begun[1])):
        job = answer.json()["jobId"]
        assert pool.wire.get(f"/{right}/{job}/pending").status_code == 200
        assert pool.wire.get(f"/{wrong}/{job}/pending").status_code == 404
        assert home.wire.get(f"/{right}/{job}/pending").status_code == 404


def test_the_newest_jobs_are_told_of(home):
    backups = home.backups()
    told = [backups.succeeded(backups.ask_backup()) for _ in range(3)]
    assert [backups.ended_at(f"{home.wire.base}/backup/{each['jobId']}/pending") for each in told] == told


# What is asked wrongly


WRONG_PLACES = [
    "", "backups", "/backups", "file:backups", "file:/backups", "file://backups", "file:///", "file:///absent", "file:///BACKUPS",
    "file:///backups/sub", "file:///backups//", "file:////backups", "file:///./backups", "file:///../backups", "file:///backups/..",
    "file:///backups/.", "file:///%62ackups", "file:///backups%2f..", "file:///%2e%2e", "file:///backups?x=y", "file:///backups#x",
    "file:///backups\0", "file:///backups ", " file:///backups", "file:///backups\n", "file:///back\\ups", "file://localhost/backups",
    "file://user@/backups", "/etc", "file:///etc", "file:///.", "file:///..", "file:///é", "http://localhost/backups",
    "https://localhost/backups", "https://169.254.169.254/latest", "https://127.0.0.1:8443/x", "ftp://localhost/backups", "backups://x",
    "https:///backups", "https://", "file:///" + "x" * 129, "x" * 5_000,
]


@pytest.mark.parametrize("uri", WRONG_PLACES, ids=lambda uri: repr(uri[:40]))
def test_a_place_that_is_not_configured_is_refused(standing, places, uri):
    pool, folder, _ = standing
    before = set(places.rglob("*"))
    for answer in (
        pool.backups().ask_backup(storageResourceUri=uri, token=TOKEN), pool.backups().ask_pre_backup(storageResourceUri=uri),
        pool.backups().ask_restore(folder, storageResourceUri=uri, token=TOKEN),
        pool.backups().ask_key("free", folder, storageResourceUri=uri),
    ):
        assert_bad_parameter(answer)
        assert "storageResourceUri" in error_of(answer)["message"]
    assert set(places.rglob("*")) == before


def test_a_place_may_end_in_a_slash_and_its_scheme_be_large(home, places):
    backups = home.backups()
    for uri in ("file:///backups/", "FILE:///backups"):
        told = backups.succeeded(backups.ask_backup(storageResourceUri=uri))
        assert told["azureStorageBlobContainerUri"].startswith(uri.rstrip("/") + "/mhsm-")
        assert (places / told["azureStorageBlobContainerUri"].rsplit("/", 1)[1] / MANIFEST).exists()


@pytest.mark.parametrize(
    "folder",
    ["", ".", "..", "a/b", "/a", "a/", "../backups", "%2e%2e", "a%2fb", "a b", "a\n", "a\0", "a?b", "a#b", "a\\b", "é", "x" * 129, ".hidden"])
def test_a_folder_that_is_no_name_is_refused(standing, folder):
    pool, _, before = standing
    for answer in (pool.backups().ask_restore(folder), pool.backups().ask_pre_restore(folder), pool.backups().ask_key("free", folder)):
        assert_bad_parameter(answer)
    assert content(pool.keys) == before


def test_a_folder_that_is_not_there_is_told_by_the_job(standing):
    pool, _, before = standing
    for ask in (pool.backups().ask_restore, pool.backups().ask_pre_restore, lambda folder: pool.backups().ask_key("free", folder)):
        assert "not in the folder" in pool.backups().failed(ask("mhsm-none-20260101000000"))["message"]
    assert content(pool.keys) == before


@pytest.mark.parametrize(
    "token", ["a b", " sig=x", "sig=x ", "a\nb", "a\r\nx-ms: y", "a\0b", "a#b", "a?b", "sig=é", '"', "<x>", "x" * 4_097])
def test_a_token_that_is_no_signature_is_refused(standing, token):
    pool, folder, _ = standing
    for answer in (pool.backups().ask_backup(token=token), pool.backups().ask_restore(folder, token=token)):
        assert_bad_parameter(answer)
        assert "'token'" in error_of(answer)["message"] and token not in error_of(answer)["message"]


_ACCESS = {"storageResourceUri": "file:///backups"}
_WHOLE = {"sasTokenParameters": _ACCESS, "folderToRestore": "mhsm-x-20260101000000"}
_KEY = {"sasTokenParameters": _ACCESS, "folder": "mhsm-x-20260101000000"}


def _without(body: dict, member: str) -> dict:
    return {name: value for name, value in body.items() if name != member}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", path, body) for path in ("/backup", "/prebackup") for body in (
        None, [], "text", 5, {}, {"token": TOKEN}, {"storageResourceUri": None}, {"storageResourceUri": 5}, {"storageResourceUri": [_ACCESS]},
        {**_ACCESS, "token": 5}, {**_ACCESS, "token": ["a"]}, {**_ACCESS, "useManagedIdentity": "true"}, {**_ACCESS, "useManagedIdentity": 1},
    )]
    + [("PUT", path, body) for path in ("/restore", "/prerestore") for body in (
        None, [], {}, _without(_WHOLE, "sasTokenParameters"), _without(_WHOLE, "folderToRestore"), _KEY, {**_WHOLE, "folderToRestore": 5},
        {**_WHOLE, "folderToRestore": None}, {**_WHOLE, "sasTokenParameters": None}, {**_WHOLE, "sasTokenParameters": "file:///backups"},
        {**_WHOLE, "sasTokenParameters": {}}, {**_WHOLE, "sasTokenParameters": {**_ACCESS, "token": 5}},
    )]
    + [("PUT", "/keys/free/restore", body) for body in (
        None, [], {}, _without(_KEY, "sasTokenParameters"), _without(_KEY, "folder"), _WHOLE, {**_KEY, "folder": 5},
        {**_KEY, "sasTokenParameters": {}}, {**_KEY, "sasTokenParameters": {**_ACCESS, "useManagedIdentity": "x"}},
    )],
    ids=str,
)
def test_a_wrong_body_is_refused(standing, method, path, body):
    pool, _, _ = standing
    assert_bad_parameter(pool.wire.call(method, path, json=body) if body is not None else pool.wire.call(method, path))


@pytest.mark.parametrize("token", [None, "", TOKEN])
@pytest.mark.parametrize("identity", [None, False, True])
def test_a_folder_needs_nothing_that_opens_it(home, token, identity):
    """Clients send all three members."""
    answer = home.backups().ask_backup(token=token, useManagedIdentity=identity)
    assert home.backups().succeeded(answer)


# What was altered


def parts(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name != MANIFEST)


def flip(path: Path, at: int) -> None:
    held = bytearray(path.read_bytes())
    held[at] ^= 1
    path.write_bytes(held)


def edit(**changes):
    def change(folder: Path) -> None:
        told = json.loads((folder / MANIFEST).read_text()) | changes
        (folder / MANIFEST).write_text(json.dumps({name: value for name, value in told.items() if value is not None}))

    return change


def swap(first: Path, second: Path) -> None:
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)


ALTERATIONS = {
    "first byte": lambda folder: flip(parts(folder)[0], 0),
    "last byte": lambda folder: flip(parts(folder)[0], -1),
    "a byte of the middle": lambda folder: flip(parts(folder)[0], 200),
    "cut by one": lambda folder: os.truncate(parts(folder)[0], parts(folder)[0].stat().st_size - 1),
    "cut to nothing": lambda folder: os.truncate(parts(folder)[0], 0),
    "cut to ten": lambda folder: os.truncate(parts(folder)[0], 10),
    "longer by one": lambda folder: parts(folder)[0].write_bytes(parts(folder)[0].read_bytes() + b"\0"),
    "part gone": lambda folder: parts(folder)[-1].unlink(),
    "description gone": lambda folder: (folder / MANIFEST).unlink(),
    "description cut": lambda folder: os.truncate(folder / MANIFEST, 40),
    "description of no JSON": lambda folder: (folder / MANIFEST).write_bytes(b"\xff\x00"),
    "description of megabytes": lambda folder: (folder / MANIFEST).write_bytes(b" " * 3_000_000),
    "no part": edit(parts=0),
    "one part more": edit(parts=2),
    "fewer than none": edit(parts=-1),
    "very many parts": edit(parts=2**62),
    "parts as text": edit(parts="1"),
    "no number of parts": edit(parts=None),
    "another backup's name": edit(id=str(uuid.UUID(int=7))),
    "name of no backup": edit(id="x"),
    "another format": edit(format="strongroom-pool-backup-v2"),
    "a part that is a folder": lambda folder: (parts(folder)[0].unlink(), (folder / "part-00000").mkdir()),
    "a part that is elsewhere": lambda folder: (parts(folder)[0].rename(folder.parent / f"{folder.name}.elsewhere"), (
        folder / "part-00000").symlink_to(folder.parent / f"{folder.name}.elsewhere")),
}


@pytest.mark.parametrize("change", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_backup_changes_nothing(standing, copy, change):
    pool, _, before = standing
    owned = {each.id for each in TokenFolder(pool.server.data).keys()}
    change(copy)
    error = pool.backups().failed(pool.backups().ask_restore(copy.name))
    assert error["message"].endswith(".") and str(copy) not in error["message"], error
    assert content(pool.keys) == before
    assert {each.id for each in TokenFolder(pool.server.data).keys()} == owned


def test_an_altered_backup_gives_no_single_key_and_passes_no_check(standing, copy):
    pool, _, before = standing
    flip(parts(copy)[0], 100)
    assert pool.backups().failed(pool.backups().ask_key("free", copy.name))["message"] == DAMAGED
    assert pool.backups().failed(pool.backups().ask_pre_restore(copy.name))["message"] == DAMAGED
    assert content(pool.keys) == before


def test_a_part_of_another_backup_of_the_pool_is_noticed(standing, copy, places):
    pool, _, before = standing
    other = places / pool.backups().backup()
    (copy / "part-00000").write_bytes((other / "part-00000").read_bytes())
    assert pool.backups().failed(pool.backups().ask_restore(copy.name))["message"] == DAMAGED
    assert content(pool.keys) == before


@pytest.mark.parametrize("change", ["swapped", "last gone", "last gone and fewer told", "first twice", "first alone", "last in the middle"])
def test_parts_in_another_order_are_noticed(parted, places, change):
    pool, folder, before = parted
    made = places / f"parts-{uuid.uuid4().hex[:8]}"
    shutil.copytree(places / folder, made)
    held = parts(made)
    if change == "swapped":
        swap(held[0], held[1])
    elif change == "first twice":
        held[1].write_bytes(held[0].read_bytes())
    elif change == "first alone":
        edit(parts=1)(made)
    elif change == "last in the middle":
        swap(held[1], held[-1])
    else:
        held[-1].unlink()
        if "told" in change:
            edit(parts=len(held) - 1)(made)
    error = pool.backups().failed(pool.backups().ask_restore(made.name))
    assert error["message"] == DAMAGED or change == "last gone" and error["message"], error
    assert content(pool.keys) == before
    shutil.rmtree(made)


# Whose it is


@pytest.mark.parametrize("is_relabelled", [False, True], ids=["as it is", "relabelled"])
def test_a_pool_of_another_security_domain_does_not_restore_it(standing, home, places, copy, is_relabelled):
    """Nor when the description is made to name that pool's domain."""
    if is_relabelled:
        own = json.loads((places / home.backups().backup() / MANIFEST).read_text())["securityDomain"]
        edit(securityDomain=own)(copy)
    before, backups = content(home.keys), home.backups()
    for ask in (backups.ask_restore, backups.ask_pre_restore, lambda folder: backups.ask_key("first", folder)):
        message = backups.failed(ask(copy.name))["message"]
        assert message == DAMAGED if is_relabelled else "security domain" in message, message
    assert content(home.keys) == before


def test_a_pool_that_is_not_activated_is_neither_backed_up_nor_restored(server, standing):
    _, folder, _ = standing
    fresh = backups(server, new_pool(server))
    answers = [fresh.ask_backup(), fresh.ask_pre_backup()]
    answers += [fresh.ask_restore(folder), fresh.ask_pre_restore(folder), fresh.ask_key("a", folder)]
    for answer in answers:
        assert answer.status_code == 403 and "not activated" in answer.text, f"{answer.status_code} {answer.text}"


def test_a_pool_of_the_configuration_gets_its_domain_with_its_first_backup(own_server):
    server = own_server()
    keys, own = pool_keys(server), backups(server, "demohsm")
    keys.create("key", "oct-HSM")
    for answer in (own.ask_restore("mhsm-x-20260101000000"), own.ask_key("free", "mhsm-x-20260101000000")):
        assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict") and "security domain" in answer.text
    before, folder = content(keys), own.backup()
    wrapped = keys.use("wrapkey", "key", "A256KW", TEXT)
    keys.delete("key")
    keys.purge("key")
    own.restore(folder)
    assert content(keys) == before
    assert keys.use("unwrapkey", "key", "A256KW", wrapped) == TEXT


# Who may

MAY_BACK_UP, MAY_RESTORE = {"Administrator", "Backup"}, {"Administrator", "Restore"}


@pytest.mark.parametrize("role", ["Administrator", "Backup", "Restore", "Crypto User", "Crypto Officer", "Policy Administrator", None])
def test_who_may_back_up_and_restore(server, home, stranger, role):
    """A folder that nobody configured: 400 means let in."""
    if role is not None:
        assign(home.wire, role, stranger.object_id)
    wire = pool_wire(server, stranger, home.name)
    theirs, absent = Backups(wire, Place("file:///absent")), "0" * 32
    backing = [theirs.ask_backup(), theirs.ask_pre_backup(), wire.get(f"/backup/{absent}/pending")]
    restoring = [theirs.ask_restore("a"), theirs.ask_pre_restore("a"), theirs.ask_key("free", "a"), wire.get(f"/restore/{absent}/pending")]
    assert [each.status_code for each in backing] == ([400, 400, 404] if role in MAY_BACK_UP else [403] * 3)
    assert [each.status_code for each in restoring] == ([400, 400, 400, 404] if role in MAY_RESTORE else [403] * 4)


@pytest.mark.parametrize(("scope", "opens"), [("/keys", True), ("/keys/free", True), ("/keys/other", False)])
def test_a_role_over_keys_restores_these_and_nothing_else(server, home, stranger, scope, opens):
    for role in ("Backup", "Restore"):
        assign(home.wire, role, stranger.object_id, scope)
    theirs = Backups(pool_wire(server, stranger, home.name), Place("file:///absent"))
    answers = [theirs.ask_backup(), theirs.ask_restore("a"), theirs.ask_key("free", "a")]
    assert [each.status_code for each in answers] == [403, 403, 400 if opens else 403]


def test_without_a_token_nothing_is_told(home):
    wire = type(home.wire)(home.wire.base, home.server.bundle, None)
    for method, path in (("POST", "/backup"), ("PUT", "/restore"), ("PUT", "/keys/a/restore"), ("GET", f"/backup/{'0' * 32}/pending")):
        answer = wire.call(method, path)
        assert answer.status_code == 401 and "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize(("method", "path"), [("POST", "/backup"), ("PUT", "/restore"), ("POST", "/prebackup"), ("PUT", "/keys/a/restore")])
def test_a_vault_has_none_of_it(server, method, path):
    assert server.wire().call(method, path, json={}).status_code in (400, 404, 405)


@pytest.mark.parametrize(
    ("path", "first"),
    [("/backup", "7.2"), ("/prebackup", "7.6"), ("/restore", "7.2"), ("/prerestore", "7.6"), ("/keys/a/restore", "7.2")])
def test_operations_are_there_since_their_version(home, path, first):
    method = "POST" if "backup" in path else "PUT"
    for version, status in (("7.1", 400), ("7.5", 400), (first, 400), ("2025-07-01", 400)):
        answer = home.wire.call(method, path, version=version, json={"storageResourceUri": "file:///absent"})
        assert answer.status_code == status, f"{version}: {answer.status_code} {answer.text}"
        is_known = version == "2025-07-01" or float(version) >= float(first)
        assert (error_of(answer)["code"] == "BadParameter") or not is_known, answer.text


# What is written down


def test_a_signature_is_written_down_nowhere(binary, tmp_path, cli):
    """It is of use until it ends, whoever reads it. While the job waits for the storage it is in the database, sealed."""
    begun = audit.now()
    with BlobStorage(tmp_path / "storage") as storage:
        server = HsmServer(binary, tmp_path / "data", *storage.option).start()
        try:
            own = backups(server, "demohsm", Place.of(storage))
            query = own.place.token
            signature = query.split("sig=")[1]
            with storage.holding("PUT") as wait:
                answer = own.ask_backup()
                wait()
                texts = [answer.text, own.wire.get(answer.headers["Azure-AsyncOperation"]).text]
                found = files_with(server.data, query.encode(), signature.encode(), signature[:20].encode())
            assert found == []
            folder = own.succeeded(answer)["azureStorageBlobContainerUri"].rsplit("/", 1)[1]
            storage.manner = lambda handler: handler.send(403, handler.path.encode())
            texts += [json.dumps(own.failed(own.ask_restore(folder))), own.ask_backup(token=query + " ").text]
            texts += [server.cli().run("audit", "export", "--since", begun).stdout, server.output.text(), server.errors.text()]
            assert [text for text in texts if signature[:20] in text or "sig=" in text] == []
            assert server.stop() == 0
            assert files_with(server.data, query.encode(), signature.encode(), signature[:20].encode()) == []
            assert signature not in server.output.finish() + server.errors.finish()
        finally:
            server.kill()


def test_what_was_done_is_in_the_audit_log(standing, cli):
    pool, folder, _ = standing
    begun = audit.now()
    answer = pool.backups().ask_restore(folder)
    pool.backups().succeeded(answer)
    records = audit.records(cli, since=begun)
    (asked,) = [each for each in records if each["operationName"] == "PoolRestore"]
    assert asked["properties"]["id"].endswith(f"/restore/{answer.json()['jobId']}/pending")
    (ran,) = [each for each in records if each["operationName"] == "PoolJobRun"]
    assert ran["resourceId"].lower().endswith(f"/managedhsms/{pool.name}")
