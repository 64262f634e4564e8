"""How the server is unsealed changes while it serves: by a key in a file, by the hardware security module, by a passphrase."""

import subprocess

import pytest

PASSPHRASE = "correct horse battery staple"


def move(server, **body):
    return server.management().post("/strongroom/barrier/move", json=body)


@pytest.mark.operation("BarrierMove")
def test_a_move_is_recorded_and_reads_go_on(server, wire, name):
    wire.set_secret(name, "value")
    assert move(server, to="hsm").status_code == 200
    assert wire.get(f"/secrets/{name}").json()["value"] == "value"


def test_the_key_moves_into_the_module_and_holds_after_a_restart(own_server):
    server = own_server()
    server.wire().set_secret("kept", "value")
    answer = move(server, to="hsm")
    assert (answer.status_code, answer.json()) == (200, {"unsealedBy": "hsm"})
    server.wire().set_secret("later", "value")
    (server.data / "kek").unlink()
    server.restart()
    assert [server.wire().get(f"/secrets/{name}").json()["value"] for name in ("kept", "later")] == ["value", "value"]
    server.cli().run("audit", "verify", "--data", str(server.data))


def test_without_its_token_a_folder_in_the_module_does_not_open(own_server):
    server = own_server()
    assert move(server, to="hsm").status_code == 200
    server.stop()
    (server.data / "hsm").rename(server.data / "hsm-away")
    refused = subprocess.run(
        [str(server.binary), "dev", "--data", str(server.data), "--port", str(server.port)],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
    )
    assert refused.returncode not in (0, -11, -6)
    assert len(refused.stderr.strip().splitlines()) == 1
    (server.data / "hsm").exists() and subprocess.run(["rm", "-rf", str(server.data / "hsm")], check=True)
    (server.data / "hsm-away").rename(server.data / "hsm")
    server.start()
    assert server.wire().get("/secrets").status_code == 200


def test_a_move_to_a_passphrase_and_back_survives(own_server):
    server = own_server()
    server.wire().set_secret("kept", "value")
    assert move(server, to="passphrase", passphrase=PASSPHRASE).json() == {"unsealedBy": "passphrase"}
    assert move(server, to="hsm").status_code == 200
    server.restart()
    assert server.wire().get("/secrets/kept").json()["value"] == "value"


@pytest.mark.parametrize(
    "body",
    [{}, {"to": "nowhere"}, {"to": "passphrase"}, {"to": "passphrase", "passphrase": "short"}, {"to": "hsm", "passphrase": PASSPHRASE}],
    ids=str,
)
def test_a_move_to_nowhere_is_refused_and_changes_nothing(server, body):
    answer = move(server, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")
    assert PASSPHRASE not in answer.text


def test_who_may_not_rotate_may_not_move(server, stranger):
    assert server.management(stranger).post("/strongroom/barrier/move", json={"to": "hsm"}).status_code == 403


def test_the_passphrase_stands_in_no_record(own_server):
    server = own_server()
    assert move(server, to="passphrase", passphrase=PASSPHRASE).status_code == 200
    assert PASSPHRASE not in server.cli().run("audit", "export").stdout
