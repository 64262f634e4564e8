"""Starting again finds everything as it was; stopping is orderly."""

import json
import signal
import ssl
import time

import pytest

from harness.http1 import Connection
from harness.server import Server

STRONG = {"value": "v", "contentType": "text/plain", "tags": {"a": "b"}, "attributes": {"exp": 2_000_000_000}}


@pytest.fixture
def server(lasting_server) -> Server:
    """In these tests the server is one that they may stop."""
    return lasting_server


def test_secrets_are_as_they_were(server, name):
    wire = server.wire()
    first = wire.put(f"/secrets/{name}", json=STRONG).json()
    second = wire.put(f"/secrets/{name}", json={"value": "second"}).json()
    server.restart()
    assert wire.get(f"/secrets/{name}").json() == second
    assert wire.get(first["id"].split(str(server.port))[1]).json() == first


def test_deleted_secrets_are_as_they_were_and_can_be_recovered(server, name):
    wire = server.wire()
    wire.set_secret(name, "v")
    deleted = wire.delete_secret(name)
    server.restart()
    assert wire.get(f"/deletedsecrets/{name}").json() == deleted
    assert wire.post(f"/deletedsecrets/{name}/recover").status_code == 200
    assert wire.get(f"/secrets/{name}").json()["value"] == "v"


def test_the_client_and_the_ca_are_the_same(server):
    before = server.client_env, (server.data / "ca.pem").read_bytes()
    server.restart()
    assert (server.client_env, (server.data / "ca.pem").read_bytes()) == before


def test_a_token_from_before_still_works(server):
    token = server.fresh_token()
    server.restart()
    assert server.wire_with(token).get("/secrets").status_code == 200


def test_applications_and_roles_are_as_they_were(server, name):
    application = server.cli().create_application(name)
    server.cli().assign(application, "Key Vault Secrets User", server.vault_scope())
    server.restart()
    token = server.fresh_token(application)
    assert server.wire_with(token).get("/secrets").status_code == 200
    assert server.wire_with(token, "other").get("/secrets").status_code == 403


def test_a_backup_from_before_restores(server, name):
    wire = server.wire()
    wire.set_secret(name, "v")
    backup = wire.backup_secret(name)
    server.restart()
    assert server.wire("other").post("/secrets/restore", json={"value": backup}).status_code == 200


def test_a_next_link_from_before_works(server):
    wire = server.wire()
    for number in "012":
        wire.set_secret(number)
    link = wire.get("/secrets", query={"maxresults": 1}).json()["nextLink"]
    server.restart()
    assert wire.get(link).json()["value"][0]["id"].endswith("/1")


def test_a_vault_can_be_added(own_server):
    server = own_server(vaults=("demo",))
    server.wire().set_secret("kept", "v")
    server.vaults = ("demo", "later")
    server.restart()
    assert server.wire("later").get("/secrets").status_code == 200
    assert server.wire().get("/secrets/kept").json()["value"] == "v"


def test_the_audit_log_goes_on(server, name):
    server.wire().get(f"/secrets/before-{name}")
    server.restart()
    server.wire().get(f"/secrets/after-{name}")
    exported = server.cli().run("audit", "export").stdout
    assert f"/secrets/before-{name}" in exported and f"/secrets/after-{name}" in exported
    server.cli().run("audit", "verify")


# A second start


def test_a_second_start_on_the_same_folder_is_refused(server, binary):
    second = Server(binary, server.data)
    with pytest.raises(AssertionError):
        second.start()
    assert second.process.returncode not in (0, None)


def test_a_refused_second_start_says_why_in_one_line(server):
    result = server.cli().run(*Server(server.binary, server.data).command[1:], exit_code=None)
    assert result.returncode not in (0, 64)
    assert len(result.stderr.strip().splitlines()) == 1
    assert "in use" in result.stderr


def test_a_refused_second_start_does_not_disturb_the_first(server):
    before = server.client_env
    server.cli().run(*Server(server.binary, server.data).command[1:], exit_code=None)
    assert server.client_env == before
    server.wire().set_secret("still-here")


def test_a_port_in_use_is_refused_in_one_line(server, binary, tmp_path):
    other = Server(binary, tmp_path / "elsewhere")
    other.port = server.port
    result = server.cli().run(*other.command[1:], exit_code=None)
    assert result.returncode not in (0, 64)
    assert len(result.stderr.strip().splitlines()) == 1
    assert str(server.port) in result.stderr


# Stopping


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=lambda sign: sign.name)
def test_it_stops_with_exit_code_0(server, sign):
    assert server.stop(by=sign) == 0


def test_a_signal_right_after_the_ready_line_is_heeded(server):
    codes = [server.stop()]
    for _ in range(25):
        server.start()
        codes.append(server.stop())
    assert codes == [0] * 26


def test_an_idle_connection_does_not_hold_it_up(server):
    with Connection(server) as connection:
        assert connection.exchange(connection.request("GET", "/livez")).status == 200
        assert server.stop() == 0
        assert connection.is_closed()


def test_a_request_in_flight_is_finished(server):
    body = json.dumps({"value": "just in time"}).encode()
    with Connection(server) as connection:
        whole = connection.request("PUT", "/secrets/late?api-version=7.4", f"Authorization: Bearer {server.token()}", body=body)
        connection.send(whole[:-5])
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        answer = connection.exchange(whole[-5:])
    assert answer.status == 200
    assert server.process.wait(45) == 0
    server.start()
    assert server.wire().get("/secrets/late").json()["value"] == "just in time"


def test_no_new_connection_is_taken_while_it_stops(server):
    with Connection(server) as connection:
        whole = connection.request("PUT", "/secrets/late?api-version=7.4", f"Authorization: Bearer {server.token()}", body=b"{}")
        connection.send(whole[:-1])
        time.sleep(0.5)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises((ConnectionError, ssl.SSLError, TimeoutError)):
            Connection(server, timeout=5)
        connection.send(whole[-1:])
    assert server.process.wait(45) == 0
