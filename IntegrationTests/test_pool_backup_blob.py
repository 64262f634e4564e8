"""Backup and restore of pools into a blob storage: what it is asked, and whatever it does, that nothing is half done and no word too
many is said."""

import uuid

import pytest

from harness.blob_storage import (
    CONTAINER, VERSION, BlobStorage, answering, breaking_off, hanging_up, never_ending, refusing, speaking_nonsense,
)
from harness.command_line import CommandLine
from harness.hsm_pool import pool_keys
from harness.hsm_server import HsmServer
from harness.keys_wire import Keys, assert_bad_parameter, error_of
from harness.pool_backup import MANIFEST, Backups, Place, backups, content, folder_of, make_big

TEXT = b"t" * 32
POOL, OTHER = "demohsm", "otherhsm"


@pytest.fixture(scope="module")
def _storage(tmp_path_factory):
    with BlobStorage(tmp_path_factory.mktemp("storage")) as storage:
        yield storage


@pytest.fixture
def storage(_storage) -> BlobStorage:
    yield _storage
    _storage.clear()


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory, _storage):
    options = ("--hsm", POOL, "--hsm", OTHER, *_storage.option)
    running = HsmServer(binary, tmp_path_factory.mktemp("blob") / "data", *options).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


@pytest.fixture(scope="module")
def keys(server) -> Keys:
    """Of a pool with two keys, as every test finds it and leaves it."""
    keys = pool_keys(server)
    keys.create("first", "EC-HSM")
    keys.create("second", "oct-HSM")
    # It gets its security domain.
    made = backups(server, POOL)
    made.succeeded(made.ask_pre_backup())
    return keys


@pytest.fixture
def own(server, keys, storage) -> Backups:
    return backups(server, POOL, Place.of(storage))


# As it should be


@pytest.mark.operation("PoolBackup")
@pytest.mark.operation("PoolRestore")
def test_a_pool_is_backed_up_and_restored(own, keys, storage):
    before, wrapped = content(keys), keys.use("wrapkey", "second", "A256KW", TEXT)
    told = own.succeeded(own.ask_backup())
    assert told["azureStorageBlobContainerUri"].startswith(f"{storage.container}/mhsm-{POOL}-20")
    folder = folder_of(told)
    assert storage.names(folder) == [MANIFEST, "part-00000"]
    keys.delete("second")
    keys.purge("second")
    own.restore(folder)
    assert content(keys) == before
    assert keys.use("unwrapkey", "second", "A256KW", wrapped) == TEXT


@pytest.mark.operation("KeySelectiveRestore")
def test_a_single_key_is_restored(own, keys):
    before, folder = content(keys), own.backup()
    keys.delete("first")
    keys.purge("first")
    own.restore_key("first", folder)
    assert content(keys) == before


@pytest.mark.operation("PoolPreBackup")
@pytest.mark.operation("PoolPreRestore")
def test_checks_write_read_and_remove(own, keys, storage):
    own.succeeded(own.ask_pre_backup())
    assert [each.method for each in storage.asked] == ["PUT", "GET", "DELETE"]
    assert storage.blobs == {}
    folder = own.backup()
    held = dict(storage.blobs)
    storage.asked.clear()
    own.succeeded(own.ask_pre_restore(folder))
    assert {each.method for each in storage.asked} == {"GET"} and storage.blobs == held


def test_the_storage_is_asked_as_its_protocol_says(own, storage):
    own.restore(own.backup())
    for asked in storage.asked:
        assert asked.status in (200, 201) and asked.path.startswith(f"/{CONTAINER}/mhsm-") and asked.query == own.place.token
        assert asked.headers["x-ms-version"] == VERSION and asked.headers["Host"] == storage.host
        assert "Authorization" not in asked.headers
    puts = [each for each in storage.asked if each.method == "PUT"]
    assert [each.path.rsplit("/", 1)[1] for each in puts] == ["part-00000", MANIFEST]
    assert {each.headers["x-ms-blob-type"] for each in puts} == {"BlockBlob"}
    assert all(int(each.headers["Content-Length"]) == each.length > 0 for each in puts)


def test_a_signature_may_begin_with_a_question_mark_and_an_address_end_in_a_slash(own, storage):
    told = own.succeeded(own.ask_backup(token="?" + own.place.token, storageResourceUri=storage.container + "/"))
    assert told["azureStorageBlobContainerUri"] == f"{storage.container}/{folder_of(told)}"
    assert storage.names(folder_of(told)) == [MANIFEST, "part-00000"]


@pytest.mark.parametrize("member", [{"useManagedIdentity": False}, {"useManagedIdentity": None}, {"useManagedIdentity": True}])
def test_a_signature_is_used_whatever_is_said_of_an_identity(own, member):
    assert own.succeeded(own.ask_backup(**member))


# What is asked wrongly


@pytest.mark.parametrize(
    "access",
    [
        {"token": None}, {"token": ""}, {"token": "?"}, {"token": None, "useManagedIdentity": True},
        {"token": None, "useManagedIdentity": False},
    ],
    ids=str,
)
def test_without_a_signature_nothing_is_begun(own, storage, access):
    for answer in (own.ask_backup(**access), own.ask_pre_backup(**access), own.ask_restore("a", **access), own.ask_key("free", "a", **access)):
        assert_bad_parameter(answer)
        assert "token" in error_of(answer)["message"] and "shared access signature" in error_of(answer)["message"]
    assert storage.asked == []


@pytest.mark.parametrize(
    "spelled",
    [
        "http://{host}/c", "https://{host}", "https://{host}/", "https://{host}/a/b", "https://{host}/a//", "https://{host}//a",
        "https://{host}/..", "https://{host}/.", "https://{host}/%2e%2e", "https://{host}/a%2fb", "https://{host}/a?x=y", "https://{host}/a#b",
        "https://user@{host}/c", "https://user:word@{host}/c", "https://{host}@example.com/c", "https://x.{host}/c", "https://{name}/c",
        "https://{name}:443/c", "https://{name}:1/c", "https://{host}0/c", "https://localhost:{port}/c", "https://127.0.0.1:{port}/c",
        "https://[::1]:{port}/c", "https://{host}./c", "https:///{host}/c", "https:/{host}/c", "https://{host}\\@example.com/c", "//{host}/c",
        "{host}/c", "https://{host} /c", "https://{host}\r\n/c", "https://{name}.example.com:{port}/c", "https://{host}/a b", "https://{host}/é",
    ],
)
def test_an_address_that_is_not_allowed_is_refused_and_not_called(own, storage, spelled):
    name = storage.host.split(":")[0]
    uri = spelled.format(host=storage.host, name=name, port=storage.port)
    for answer in (own.ask_backup(storageResourceUri=uri), own.ask_restore("a", storageResourceUri=uri)):
        assert_bad_parameter(answer)
        assert "storageResourceUri" in error_of(answer)["message"] and own.place.token not in answer.text
    assert storage.asked == []


def test_the_case_of_a_host_does_not_matter(own, storage):
    assert own.succeeded(own.ask_backup(storageResourceUri=storage.container.replace("account", "ACCount").replace("https", "HTTPS")))


def test_a_pattern_stands_for_one_label(binary, tmp_path):
    with BlobStorage(tmp_path / "storage") as storage:
        pattern = f"*.blob.localhost:{storage.port}"
        server = HsmServer(binary, tmp_path / "data", "--backup-host", f"{pattern},{storage.ca_file}").start()
        try:
            for host, status in (("account", 202), ("a.account", 400), ("", 400)):
                uri = f"https://{f'{host}.'.lstrip('.')}blob.localhost:{storage.port}/{CONTAINER}"
                own = backups(server, POOL, Place(uri, storage.signature()))
                answer = own.ask_backup()
                assert answer.status_code == status, f"{uri}: {answer.status_code} {answer.text}"
                if status == 202:
                    own.succeeded(answer)
                    own.restore(folder_of(answer.json()))
        finally:
            server.kill()


# What goes wrong

SECRET = "a text of the storage that nobody repeats"


def assert_clear(error: dict, storage: BlobStorage, own: Backups) -> None:
    """A sentence, without what was sent to the storage or came from there."""
    message = error["message"]
    assert message.endswith(".") and message[0].isupper() and "storage" in message, message
    for word in (own.place.token, "sig=", CONTAINER, "https://", SECRET, "Error(", "NIO"):
        assert word not in message, message


FAULTS = {
    "refuses": (refusing(403, SECRET), "403"), "knows no container": (refusing(404, SECRET), ""), "fails": (refusing(500, SECRET), "500"),
    "is busy": (refusing(503, SECRET), "503"), "is full": (refusing(507), "507"), "asks for a password": (refusing(401), "401"),
    "sends elsewhere": (refusing(307, Location="https://localhost/x"), "307"), "answers otherwise": (refusing(204), "204"),
    "hangs up": (hanging_up, ""), "breaks off": (breaking_off, ""), "never ends": (never_ending, "longer"),
    "speaks something else": (speaking_nonsense, ""),
}


KINDS = ("backup", "restore", "prebackup", "prerestore", "key")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [(kind, fault) for kind in KINDS for fault in FAULTS if kind in KINDS[:2] or fault in ("refuses", "knows no container")])
def test_a_storage_that_fails_ends_the_job_and_changes_nothing(own, keys, storage, kind, fault):
    before, (manner, word) = content(keys), FAULTS[fault]
    with storage.behaving(manner):
        answer = {
            "backup": own.ask_backup, "prebackup": own.ask_pre_backup, "restore": lambda: own.ask_restore("mhsm-x-1"),
            "prerestore": lambda: own.ask_pre_restore("mhsm-x-1"), "key": lambda: own.ask_key("free", "mhsm-x-1"),
        }[kind]()
        error = own.failed(answer)
    if fault == "knows no container" and "backup" not in kind:
        assert error["message"] == "The backup is not in the storage."
    assert word in error["message"]
    assert_clear(error, storage, own)
    assert content(keys) == before


@pytest.mark.parametrize("fault", ["hangs up", "breaks off", "speaks something else"])
def test_what_is_said_of_a_connection_is_in_words(own, storage, fault):
    """Not in the identifiers of a library."""
    with storage.behaving(FAULTS[fault][0]):
        message = own.failed(own.ask_backup())["message"]
    assert "uncleanShutdown" not in message and "invalid constant string" not in message, message


@pytest.mark.parametrize("name", ["part-00000", MANIFEST])
@pytest.mark.parametrize("manner", [refusing(500), hanging_up, breaking_off], ids=["fails", "hangs up", "breaks off"])
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_a_storage_that_fails_midway_ends_the_job(own, keys, storage, method, name, manner):
    folder, before = own.backup(), content(keys)
    with storage.behaving(storage.only(manner, method, name)):
        error = own.failed(own.ask_backup() if method == "PUT" else own.ask_restore(folder))
    assert_clear(error, storage, own)
    assert content(keys) == before
    if method == "PUT" and name == "part-00000":
        assert storage.folders() == {folder}


@pytest.mark.parametrize("permissions", ["r", "w", ""])
def test_a_signature_that_allows_too_little_fails(own, keys, storage, permissions):
    folder, before = own.backup(), content(keys)
    limited = storage.signature(permissions or "l")
    backing, restoring = own.ended(own.ask_backup(token=limited)), own.ended(own.ask_restore(folder, token=limited))
    assert [each["status"] for each in (backing, restoring)] == [
        "Succeeded" if permissions == "w" else "Failed", "Succeeded" if permissions == "r" else "Failed"]
    assert content(keys) == before


@pytest.mark.parametrize("kind", ["ended", "of another container", "altered", "not even a signature"])
def test_a_signature_that_is_not_good_fails(own, keys, storage, kind):
    before = content(keys)
    token = {
        "ended": storage.signature(seconds=-60), "of another container": storage.signature(container="other"),
        "altered": own.place.token.replace("sp=rwdl", "sp=rwdlac"), "not even a signature": "sv=1&sig=x",
    }[kind]
    for ask in (own.ask_backup, own.ask_pre_backup, lambda token: own.ask_restore("mhsm-x-1", token=token)):
        error = own.failed(ask(token=token))
        assert "403" in error["message"]
        assert_clear(error, storage, own)
    assert content(keys) == before and storage.blobs == {}


@pytest.mark.parametrize("content_told", [b"", b"{}", b"[]", b"null", b"x" * 60_000, b'{"format":"strongroom-pool-backup-v1"}'])
def test_a_storage_that_lies_is_not_believed(own, keys, storage, content_told):
    folder, before = own.backup(), content(keys)
    for name in (MANIFEST, "part-00000"):
        with storage.behaving(storage.only(answering(content_told), "GET", name)):
            for ask in (own.ask_restore, own.ask_pre_restore):
                assert own.failed(ask(folder))["code"] == "BadParameter"
    with storage.behaving(answering(content_told)):
        assert "64 bytes" in (message := own.failed(own.ask_pre_backup())["message"]) or "give back" in message
    assert content(keys) == before


@pytest.mark.parametrize("kind", ["gone", "of another name", "of another authority"])
def test_a_storage_that_is_not_the_right_one_is_not_told_anything(binary, tmp_path, kind):
    names = ["elsewhere.localhost"] if kind == "of another name" else None
    with BlobStorage(tmp_path / "storage", names=names) as storage, BlobStorage(tmp_path / "strange") as strange:
        trusted = strange.ca_file if kind == "of another authority" else storage.ca_file
        server = HsmServer(binary, tmp_path / "data", "--backup-host", f"{storage.host},{trusted}").start()
        try:
            own = backups(server, POOL, Place.of(storage))
            if kind == "gone":
                storage.__exit__()
            error = own.failed(own.ask_backup())
            assert_clear(error, storage, own)
            assert kind == "gone" or "certificate" in error["message"]
            assert storage.asked == []
            if kind == "gone":
                storage.__enter__()
                assert own.backup()
        finally:
            server.kill()


# One at a time


def test_a_second_job_waits_for_the_first(own, keys, storage):
    folder = own.backup()
    with storage.holding("PUT") as wait:
        running = own.ask_backup()
        wait()
        answers = [own.ask_backup(), own.ask_pre_backup()]
        for answer in [*answers, own.ask_restore(folder), own.ask_pre_restore(folder), own.ask_key("free", folder)]:
            assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict"), answer.text
            assert running.json()["jobId"] in error_of(answer)["message"]
        told = own.wire.get(running.headers["Azure-AsyncOperation"]).json()
        assert (told["status"], told["endTime"]) == ("InProgress", None)
    own.succeeded(running)
    with storage.holding("GET") as wait:
        running = own.ask_restore(folder)
        wait()
        assert own.ask_backup().status_code == 409
    own.succeeded(running)
    assert own.backup()


def test_a_job_that_takes_long_keeps_nothing_else(server, own, keys, storage):
    """Neither the pool itself, nor the jobs of another pool, nor what falls due elsewhere."""
    with storage.holding("PUT", "part-00000") as wait:
        running = own.ask_backup()
        wait()
        name = f"meanwhile-{uuid.uuid4().hex[:8]}"
        keys.create(name, "oct-HSM")
        assert keys.sign("first", "ES256", b"d" * 32)
        keys.delete(name)
        keys.purge(name)
        other = backups(server, OTHER)
        assert other.restore(other.backup()) is None
    own.succeeded(running)


def test_a_pool_is_used_while_it_is_restored_and_ends_as_the_backup_has_it(own, keys, storage):
    before, folder = content(keys), own.backup()
    with storage.holding("GET", "part-00000") as wait:
        running = own.ask_restore(folder)
        wait()
        keys.create("meanwhile", "EC-HSM")
        assert keys.sign("meanwhile", "ES256", b"d" * 32)
    own.succeeded(running)
    assert content(keys) == before


@pytest.mark.parametrize("change", ["recovered", "deleted"])
def test_a_key_that_changes_its_state_during_a_backup_is_in_it(server, storage, change):
    """It was there all the time, alive or deleted: it is in the backup as one of the two."""
    keys, own = pool_keys(server, pool=OTHER), backups(server, OTHER, Place.of(storage))
    for number in range(14):
        if keys.wire.get(f"/keys/big-{number:02}").status_code == 404:
            make_big(keys, f"big-{number:02}")
    name = f"aaa-{change}"
    made = keys.create(name, "EC-HSM")
    if change == "recovered":
        keys.delete(name)
    with storage.holding("PUT", "part-00000") as wait:
        running = own.ask_backup()
        wait()
        keys.recover(name) if change == "recovered" else keys.delete(name)
    own.succeeded(running)
    own.restore(folder_of(running.json()))
    found = [keys.wire.get(f"/{kind}/{name}").status_code for kind in ("keys", "deletedkeys")]
    assert sorted(found) == [200, 404], f"alive, deleted: {found}"
    if found[0] == 404:
        keys.recover(name)
    assert keys.get(name)["key"] == made["key"]
    assert keys.sign(name, "ES256", b"d" * 32)
