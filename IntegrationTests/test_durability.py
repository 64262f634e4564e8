"""What was acknowledged is there after `kill -9`, as often as you like."""

import random
import threading
import time

import requests

ROUNDS = 15
WRITERS = 4


def write_until_killed(server, number: int, turn: int, acknowledged: dict[str, str]) -> None:
    """Writes as fast as it can and notes what was acknowledged."""
    wire = server.wire()
    try:
        for count in range(100_000):
            value = f"value {turn}-{number}-{count}"
            answer = wire.put(f"/secrets/kill-{number}-{count % 7}", json={"value": value})
            if answer.status_code == 200:
                acknowledged[answer.json()["id"]] = value
    except requests.RequestException:
        return


def read_back(server, acknowledged: dict[str, str]) -> None:
    wire = server.wire()
    for identifier, value in acknowledged.items():
        path = identifier.split(str(server.port), 1)[1]
        answer = wire.get(path)
        assert (answer.status_code, answer.json().get("value")) == (200, value), path


def test_every_acknowledged_write_survives_a_kill(own_server):
    server = own_server()
    server.token()
    everything: dict[str, str] = {}
    for turn in range(ROUNDS):
        acknowledged: dict[str, str] = {}
        writers = [
            threading.Thread(target=write_until_killed, args=(server, number, turn, acknowledged)) for number in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        time.sleep(random.uniform(0.1, 0.6))
        server.kill()
        for writer in writers:
            writer.join()
        server.start()
        assert acknowledged, "nothing was written before the kill"
        read_back(server, acknowledged)
        everything |= acknowledged
    read_back(server, everything)
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))


def test_an_acknowledged_delete_survives_a_kill(own_server):
    server = own_server()
    wire = server.wire()
    for number in range(20):
        wire.set_secret(f"gone-{number}")
    deleted = [wire.delete_secret(f"gone-{number}") for number in range(20)]
    server.kill()
    server.start()
    assert [wire.get(f"/deletedsecrets/gone-{number}").json() for number in range(20)] == deleted
    assert {wire.get(f"/secrets/gone-{number}").status_code for number in range(20)} == {404}


def test_an_acknowledged_purge_survives_a_kill(own_server):
    server = own_server()
    wire = server.wire()
    for number in range(20):
        wire.set_secret(f"gone-{number}")
        wire.delete_secret(f"gone-{number}")
        assert wire.delete(f"/deletedsecrets/gone-{number}").status_code == 204
    server.kill()
    server.start()
    assert {wire.get(f"/deletedsecrets/gone-{number}").status_code for number in range(20)} == {404}


def test_an_acknowledged_role_survives_a_kill(own_server):
    server = own_server()
    application = server.cli().create_application("reader")
    server.cli().assign(application, "Key Vault Secrets User", server.vault_scope())
    server.kill()
    server.start()
    assert server.wire(application=application).get("/secrets").status_code == 200


def test_an_acknowledged_refusal_of_an_application_survives_a_kill(own_server):
    server = own_server()
    application = server.cli().create_application("reader")
    server.cli().assign(application, "Key Vault Secrets User", server.vault_scope())
    token = server.fresh_token(application)
    server.cli().run("app", "disable", application.app_id)
    server.kill()
    server.start()
    assert server.wire_with(token).get("/secrets").status_code == 401


def test_the_audit_record_of_an_answer_survives_a_kill(own_server):
    server = own_server()
    wire = server.wire()
    for number in range(20):
        wire.get(f"/secrets/asked-{number}")
    server.kill()
    exported = server.cli().run("audit", "export", "--data", str(server.data)).stdout
    assert all(f"/secrets/asked-{number}" in exported for number in range(20))
