"""What was acknowledged is there after `kill -9`, as often as you like."""

import random
import threading
import time

import pytest
import requests

from harness.server import Server

ROUNDS = 15
WRITERS = 4


@pytest.fixture
def server(lasting_server) -> Server:
    """In these tests the server is one that they may kill."""
    return lasting_server


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


def wait_for_the_first(acknowledged: dict[str, str]) -> None:
    for _ in range(600):
        if acknowledged:
            return
        time.sleep(0.05)


def test_every_acknowledged_write_survives_a_kill(server):
    server.token()
    everything: dict[str, str] = {}
    for turn in range(ROUNDS):
        acknowledged: dict[str, str] = {}
        writers = [
            threading.Thread(target=write_until_killed, args=(server, number, turn, acknowledged)) for number in range(WRITERS)
        ]
        for writer in writers:
            writer.start()
        wait_for_the_first(acknowledged)
        time.sleep(random.uniform(0.0, 0.4))
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


def test_an_acknowledged_delete_survives_a_kill(server, name):
    wire = server.wire()
    for number in range(20):
        wire.set_secret(f"{name}-{number}")
    deleted = [wire.delete_secret(f"{name}-{number}") for number in range(20)]
    server.kill()
    server.start()
    assert [wire.get(f"/deletedsecrets/{name}-{number}").json() for number in range(20)] == deleted
    assert {wire.get(f"/secrets/{name}-{number}").status_code for number in range(20)} == {404}


def test_an_acknowledged_purge_survives_a_kill(server, name):
    wire = server.wire()
    for number in range(20):
        wire.set_secret(f"{name}-{number}")
        wire.delete_secret(f"{name}-{number}")
        assert wire.delete(f"/deletedsecrets/{name}-{number}").status_code == 204
    server.kill()
    server.start()
    assert {wire.get(f"/deletedsecrets/{name}-{number}").status_code for number in range(20)} == {404}


def test_an_acknowledged_role_survives_a_kill(server, name):
    application = server.cli().create_application(name)
    server.cli().assign(application, "Key Vault Secrets User", server.vault_scope())
    server.kill()
    server.start()
    assert server.wire(application=application).get("/secrets").status_code == 200


def test_an_acknowledged_refusal_of_an_application_survives_a_kill(server, name):
    application = server.cli().create_application(name)
    server.cli().assign(application, "Key Vault Secrets User", server.vault_scope())
    token = server.fresh_token(application)
    server.cli().run("app", "disable", application.app_id)
    server.kill()
    server.start()
    assert server.wire_with(token).get("/secrets").status_code == 401


def test_the_audit_record_of_an_answer_survives_a_kill(server, name):
    wire = server.wire()
    for number in range(20):
        wire.get(f"/secrets/{name}-{number}")
    server.kill()
    exported = server.cli().run("audit", "export", "--data", str(server.data)).stdout
    assert all(f"/secrets/{name}-{number}" in exported for number in range(20))


# Whatever was last acknowledged, or was on its way


class Writer:
    """Takes one secret through its life and knows what state the server must show: the last acknowledged, or the next."""

    def __init__(self, server, name: str):
        self.name = name
        self.state = self.next = ("none",)
        self._wire = server.wire()
        self._random = random.Random(name)

    def run(self) -> None:
        try:
            while True:
                self._step()
        except requests.RequestException:
            return

    def _step(self) -> None:
        text = f"{self._random.random()}"
        match self.state[0], self._random.randrange(4):
            case ("deleted", 0):
                self._expect(("none",), "DELETE", f"/deletedsecrets/{self.name}")
            case ("deleted", _):
                self._expect(("live", *self.state[1:]), "POST", f"/deletedsecrets/{self.name}/recover")
            case ("live", 0):
                self._expect(("deleted", *self.state[1:]), "DELETE", f"/secrets/{self.name}")
            case ("live", 1):
                body = {"contentType": text}
                self._expect(("live", self.state[1], text), "PATCH", f"/secrets/{self.name}/", body)
            case _:
                self._expect(("live", text, "new"), "PUT", f"/secrets/{self.name}", {"value": text, "contentType": "new"})

    def _expect(self, state: tuple, method: str, path: str, body: dict | None = None) -> None:
        self.next = state
        answer = self._wire.call(method, path, json=body)
        if answer.status_code < 300:
            self.state = state

    def seen(self, server) -> tuple:
        """The state the server shows; a deleted secret is recovered to see what it holds, and deleted again."""
        wire = server.wire()
        if (live := wire.get(f"/secrets/{self.name}")).status_code == 200:
            return ("live", live.json()["value"], live.json()["contentType"])
        if wire.get(f"/deletedsecrets/{self.name}").status_code == 404:
            return ("none",)
        assert wire.post(f"/deletedsecrets/{self.name}/recover").status_code == 200
        held = wire.get(f"/secrets/{self.name}").json()
        wire.delete_secret(self.name)
        return ("deleted", held["value"], held["contentType"])


def test_every_secret_is_as_last_acknowledged_or_as_was_being_asked(server):
    writers = [Writer(server, f"life-{number}") for number in range(6)]
    for _ in range(6):
        threads = [threading.Thread(target=writer.run) for writer in writers]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.2, 0.5))
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
        for writer in writers:
            seen = writer.seen(server)
            assert seen in (writer.state, writer.next)
            writer.state = writer.next = seen
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))
