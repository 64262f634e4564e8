"""A record on the disk that was changed, moved, swapped or cut is answered with an error and an alarm, never with a wrong value."""

import pytest

from harness import audit
from harness.database import Database, flipped

ALARM = "RecordIntegrityAlarm"
SECRETS = {"alpha": "value of alpha", "beta": "value of beta"}


@pytest.fixture
def server(own_server):
    """A server of its own with the same two names in two vaults, stopped."""
    running = own_server()
    for vault in ("demo", "other"):
        for name, value in SECRETS.items():
            running.wire(vault).set_secret(name, f"{value} in {vault}")
    assert running.stop() == 0
    return running


@pytest.fixture
def database(server) -> Database:
    return Database(server.data)


def rows_of(database: Database, name: str, vault: str = "demo") -> list[tuple[bytes, bytes]]:
    rows = database.rows(f"vault/{vault}/secret/{name}")
    assert rows, "no rows of that secret"
    return rows


def assert_alarmed(server, name: str = "alpha") -> None:
    """Reading the secret fails on the server's side, shows no value, and raises the alarm."""
    server.start()
    answer = server.wire().get(f"/secrets/{name}")
    assert answer.status_code >= 500
    assert answer.json()["error"]["code"] and answer.json()["error"]["message"]
    assert "value of" not in answer.text
    alarms = [record for record in audit.records(server.cli()) if record["operationName"] == ALARM]
    assert any(name in str(alarm) for alarm in alarms)


@pytest.mark.parametrize("part", [0.0, 0.02, 0.1, 0.5, 0.9, 0.999])
def test_a_flipped_bit_is_an_error_and_an_alarm(server, database, part):
    for key, value in rows_of(database, "alpha"):
        database.write(key, flipped(value, int(len(value) * part)))
    assert_alarmed(server)


def test_a_flipped_bit_in_any_single_row_never_gives_a_wrong_value(server, database):
    rows = rows_of(database, "alpha")
    statuses = []
    for key, value in rows:
        database.write(key, flipped(value, len(value) // 2))
        server.start()
        answer = server.wire().get("/secrets/alpha")
        statuses.append(answer.status_code)
        assert answer.status_code >= 500 or answer.json()["value"] == "value of alpha in demo"
        assert server.stop() == 0
        database.write(key, value)
    assert max(statuses) >= 500


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_record_is_an_error_and_an_alarm(server, database, kept):
    for key, value in rows_of(database, "alpha"):
        database.write(key, value[: int(len(value) * kept)])
    assert_alarmed(server)


def test_an_extended_record_is_an_error_and_an_alarm(server, database):
    for key, value in rows_of(database, "alpha"):
        database.write(key, value + b"\0")
    assert_alarmed(server)


def test_two_secrets_that_were_swapped_are_errors_and_alarms(server, database):
    for alpha, beta in zip(rows_of(database, "alpha"), rows_of(database, "beta")):
        database.swap(alpha, beta)
    assert_alarmed(server, "alpha")


def test_a_record_in_the_place_of_another_is_an_error_and_an_alarm(server, database):
    for alpha, beta in zip(rows_of(database, "alpha"), rows_of(database, "beta")):
        database.write(alpha[0], beta[1])
    assert_alarmed(server, "alpha")


def test_a_record_of_another_vault_is_an_error_and_an_alarm(server, database):
    for here, there in zip(rows_of(database, "alpha"), rows_of(database, "alpha", "other")):
        database.write(here[0], there[1])
    assert_alarmed(server, "alpha")


def test_a_record_of_another_server_is_an_error_and_an_alarm(server, database, own_server):
    foreign = own_server()
    foreign.wire().set_secret("alpha", "value of a stranger")
    assert foreign.stop() == 0
    for here, there in zip(rows_of(database, "alpha"), rows_of(Database(foreign.data), "alpha")):
        database.write(here[0], there[1])
    assert_alarmed(server, "alpha")


def test_the_other_secrets_stay_readable(server, database):
    for key, value in rows_of(database, "alpha"):
        database.write(key, flipped(value, len(value) // 2))
    server.start()
    assert server.wire().get("/secrets/beta").json()["value"] == "value of beta in demo"
    assert server.wire("other").get("/secrets/alpha").json()["value"] == "value of alpha in other"


def test_a_damaged_secret_does_not_hide_the_others_in_a_list(server, database):
    """The list may fail, or show the others; it must not end early as if they were not there."""
    for key, value in rows_of(database, "alpha"):
        database.write(key, flipped(value, len(value) // 2))
    server.start()
    answer = server.wire().get("/secrets")
    assert answer.status_code >= 500 or any(item["id"].endswith("/beta") for item in answer.json()["value"])


@pytest.mark.parametrize("call", ["update", "backup", "batch"])
def test_no_other_call_uses_a_damaged_record(server, database, call):
    for key, value in rows_of(database, "alpha"):
        database.write(key, flipped(value, len(value) // 2))
    server.start()
    wire = server.wire()
    answer = {
        "update": lambda: wire.patch("/secrets/alpha/", json={"contentType": "x"}),
        "backup": lambda: wire.post("/secrets/alpha/backup"),
        "batch": lambda: wire.post("/secrets:batchGet", json={"items": [{"name": "alpha"}]}),
    }[call]()
    status = answer.json()["value"][0]["status"] if call == "batch" and answer.status_code == 200 else answer.status_code
    assert status >= 500
    assert "value of" not in answer.text


def test_the_log_is_whole_although_a_secret_was_damaged(server, database):
    for key, value in rows_of(database, "alpha"):
        database.write(key, flipped(value, len(value) // 2))
    assert_alarmed(server)
    server.cli().run("audit", "verify")
