"""The keys under which records and backups lie: new ones while serving, and one carried to another server."""

import pytest

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def pair(own_server):
    """Two servers; a secret of the first, backed up."""
    first, second = own_server(), own_server()
    first.wire().set_secret("carried", "v", tags={"a": "b"})
    return first, second, first.wire().backup_secret("carried")


def rotate(server, target: str):
    return server.management().post("/strongroom/barrier/rotate", json={"target": target})


def export_key(server, passphrase: str = PASSPHRASE):
    return server.management().post("/strongroom/backupKeys/export", json={"passphrase": passphrase})


def import_key(server, file: dict, passphrase: str = PASSPHRASE):
    return server.management().post("/strongroom/backupKeys/import", json={"passphrase": passphrase, "file": file})


# Rotation


@pytest.mark.operation("BarrierRotate")
@pytest.mark.parametrize("target", ["root", "system", "vault/demo"])
def test_a_new_key_is_made_while_serving(server, wire, name, target):
    wire.set_secret(f"{name}-old", "old")
    assert rotate(server, target).status_code == 200
    wire.set_secret(f"{name}-new", "new")
    assert [wire.get(f"/secrets/{name}-{age}").json()["value"] for age in ("old", "new")] == ["old", "new"]


def test_what_was_sealed_under_old_and_new_keys_survives_a_restart(own_server):
    server = own_server()
    wire = server.wire()
    for turn, target in enumerate(["vault/demo", "system", "root", "vault/demo"]):
        wire.set_secret(f"sealed-{turn}", str(turn))
        assert rotate(server, target).status_code == 200
    server.restart()
    assert [wire.get(f"/secrets/sealed-{turn}").json()["value"] for turn in range(4)] == ["0", "1", "2", "3"]
    server.cli().run("audit", "verify")


@pytest.mark.parametrize("target", ["", "vault/", "vault/nowhere", "everything", "../root"])
def test_a_key_of_nothing_is_not_rotated(server, target):
    assert rotate(server, target).status_code == 400


def test_a_caller_without_the_right_rotates_nothing(server, stranger):
    assert server.management(stranger).post("/strongroom/barrier/rotate", json={"target": "root"}).status_code == 403


# Backups on another server


@pytest.mark.operation("BackupKeyExport")
def test_the_backup_key_is_exported_under_a_passphrase(server):
    answer = export_key(server)
    assert answer.status_code == 200
    assert PASSPHRASE not in answer.text


def test_a_backup_is_refused_by_a_server_that_does_not_hold_the_key(pair):
    _, second, backup = pair
    assert second.wire().post("/secrets/restore", json={"value": backup}).status_code == 400


def test_a_backup_restores_on_a_server_that_was_given_the_key(pair):
    first, second, backup = pair
    assert import_key(second, export_key(first).json()).status_code == 200
    assert second.wire().post("/secrets/restore", json={"value": backup}).status_code == 200
    read = second.wire().get("/secrets/carried").json()
    assert (read["value"], read["tags"]) == ("v", {"a": "b"})
    assert read["id"].rsplit("/", 1)[1] == first.wire().get("/secrets/carried").json()["id"].rsplit("/", 1)[1]


def test_a_key_that_was_given_is_kept_over_a_restart(pair):
    first, second, backup = pair
    import_key(second, export_key(first).json())
    second.restart()
    assert second.wire().post("/secrets/restore", json={"value": backup}).status_code == 200


@pytest.mark.operation("BackupKeyImport")
def test_a_key_that_was_given_does_not_replace_the_own(server, own_server, wire, name):
    wire.set_secret(name, "v")
    backup = wire.backup_secret(name)
    assert import_key(server, export_key(own_server()).json()).status_code == 200
    assert server.wire("other").post("/secrets/restore", json={"value": backup}).status_code == 200


def test_a_wrong_passphrase_opens_no_key(pair):
    first, second, _ = pair
    assert import_key(second, export_key(first).json(), "wrong horse battery staple").status_code == 400


def test_a_changed_key_file_is_refused(pair):
    first, second, _ = pair
    file = export_key(first).json()
    for member, value in file.items():
        changed = value[:-2] + ("AA" if value[-2:] != "AA" else "BB") if isinstance(value, str) else value + 1
        assert import_key(second, {**file, member: changed}).status_code == 400, member


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 2_000])
def test_a_passphrase_too_short_or_too_long_is_refused(server, passphrase):
    assert export_key(server, passphrase).status_code == 400


def test_a_caller_without_the_right_gets_no_key(server, stranger):
    assert server.management(stranger).post("/strongroom/backupKeys/export", json={"passphrase": PASSPHRASE}).status_code == 403
