"""`strongroom audit verify` finds every bend in the log."""

import os

import pytest

from harness.command_line import CommandLine
from harness.database import Database, copy_of, flipped
from harness.server import Server


@pytest.fixture(scope="module")
def stopped(binary, tmp_path_factory):
    """A data folder with a log of some length, closed in good order."""
    server = Server(binary, tmp_path_factory.mktemp("audited")).start()
    wire = server.wire()
    for turn in range(3):
        for number in range(20):
            wire.set_secret(f"audited-{turn}-{number}")
            wire.get(f"/secrets/audited-{turn}-{number}")
        assert server.restart() is server
    assert server.stop() == 0
    yield server.data
    server.kill()


@pytest.fixture
def folder(stopped, tmp_path):
    return copy_of(stopped, tmp_path / "copy")


@pytest.fixture
def database(folder) -> Database:
    return Database(folder)


@pytest.fixture
def broken(binary, folder):
    """Insists that the log is found broken and that a record is named."""

    def check() -> str:
        result = CommandLine(binary).run("audit", "verify", "--data", str(folder), exit_code=1)
        told = (result.stdout + result.stderr).strip()
        assert any(character.isdigit() for character in told), told
        assert len(result.stderr.strip().splitlines()) <= 1
        return told

    return check


def audit_rows(database: Database) -> list[tuple[bytes, bytes]]:
    rows = database.rows("audit/")
    assert len(rows) >= 30
    return rows


@pytest.mark.operation("AuditVerify")
def test_the_log_of_a_running_server_is_whole(cli, wire):
    wire.get("/secrets/x")
    assert cli.run("audit", "verify").stdout.strip()


def test_the_log_of_a_stopped_server_is_whole(binary, folder):
    assert CommandLine(binary).run("audit", "verify", "--data", str(folder)).stdout.strip()


def test_the_log_after_a_kill_is_whole(own_server):
    server = own_server()
    wire = server.wire()
    for number in range(30):
        wire.set_secret(f"audited-{number}")
    server.kill()
    server.cli().run("audit", "verify", "--data", str(server.data))


PLACES = [0.0, 0.2, 0.5, 0.8, 0.95]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.999])
def test_a_flipped_bit_is_found(database, broken, place, part):
    rows = audit_rows(database)
    key, value = rows[int(len(rows) * place)]
    database.write(key, flipped(value, int(len(value) * part)))
    broken()


@pytest.mark.parametrize("place", PLACES)
def test_a_removed_row_is_found(database, broken, place):
    rows = audit_rows(database)
    database.remove(rows[int(len(rows) * place)][0])
    broken()


@pytest.mark.parametrize("place", PLACES[:-1])
def test_two_swapped_rows_are_found(database, broken, place):
    rows = audit_rows(database)
    at = int(len(rows) * place)
    database.swap(rows[at], rows[at + 1])
    broken()


@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_row_in_the_place_of_another_is_found(database, broken, place):
    rows = audit_rows(database)
    at = int(len(rows) * place)
    database.write(rows[at][0], rows[at + 1][1])
    broken()


@pytest.mark.parametrize("place", PLACES)
def test_a_shortened_row_is_found(database, broken, place):
    rows = audit_rows(database)
    key, value = rows[int(len(rows) * place)]
    database.write(key, value[:-1])
    broken()


@pytest.mark.parametrize("place", PLACES)
def test_an_emptied_row_is_found(database, broken, place):
    rows = audit_rows(database)
    database.write(rows[int(len(rows) * place)][0], b"")
    broken()


@pytest.mark.parametrize("place", [0.0, 0.3, 0.6, 0.9])
def test_a_tail_that_was_cut_is_found(database, broken, place):
    rows = audit_rows(database)
    for key, _ in rows[int(len(rows) * place) :]:
        database.remove(key)
    broken()


@pytest.mark.parametrize("place", [0.2, 0.5])
def test_a_beginning_that_was_cut_is_found(database, broken, place):
    rows = audit_rows(database)
    for key, _ in rows[: int(len(rows) * place)]:
        database.remove(key)
    broken()


def test_the_record_after_a_removed_row_is_named(database, broken):
    """Breaking the log further back is reported before a break further on."""
    rows = audit_rows(database)
    database.remove(rows[len(rows) * 3 // 4][0])
    later = broken()
    database.remove(rows[len(rows) // 4][0])
    assert broken() != later


def test_the_log_of_another_server_is_not_taken_for_this_one(own_server, database, broken):
    other = own_server()
    for number in range(40):
        other.wire().get(f"/secrets/{number}")
    assert other.stop() == 0
    foreign = dict(Database(other.data).rows("audit/"))
    for key, _ in audit_rows(database):
        if key in foreign:
            database.write(key, foreign[key])
        else:
            database.remove(key)
    broken()


def test_verify_changes_nothing(binary, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    CommandLine(binary).run("audit", "verify", "--data", str(folder))
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after["strongroom.db"] == before["strongroom.db"]


def test_a_folder_that_is_none_is_an_error_of_one_line(binary, tmp_path):
    result = CommandLine(binary).run("audit", "verify", "--data", str(tmp_path / "none"), exit_code=None)
    assert result.returncode not in (0, 64)
    assert len(result.stderr.strip().splitlines()) == 1
    assert not os.path.exists(tmp_path / "none")
