"""A server whose clock is moved: tokens end, and what retention protects stays."""

import time

import pytest

from harness.clock import shifted
from harness.server import Server
from harness.tokens import claims_of

DAY = 86_400


@pytest.fixture
def at(own_server):
    """A server that is stopped and started again with its clock moved by so many seconds."""
    server = own_server()

    def move(seconds: int):
        assert server.stop() == 0
        server.start(**shifted(seconds))
        return server

    move.server = server
    return move


def status(server, token: str) -> int:
    """Certificates are checked against our clock, not the server's, so they are left unchecked here."""
    return server.wire_with(token, verify=False).get("/secrets").status_code


def seconds_left(token: str) -> int:
    claims = claims_of(token)
    return claims["exp"] - claims["iat"]


def test_a_moved_clock_moves_the_servers_times(at):
    made = at.server.wire().set_secret("now")["attributes"]["created"]
    server = at(1_000)
    later = server.wire_with(at.server.token(), verify=False).set_secret("later")["attributes"]["created"]
    assert 1_000 <= later - made <= 1_100


def test_a_token_that_has_not_expired_is_accepted(at):
    token = at.server.fresh_token()
    assert status(at(seconds_left(token) - 120), token) == 200


def test_a_token_is_accepted_for_a_few_seconds_longer(at):
    token = at.server.fresh_token()
    assert status(at(seconds_left(token) + 20), token) == 200


def test_a_token_that_has_expired_is_refused(at):
    token = at.server.fresh_token()
    server = at(seconds_left(token) + 70)
    answer = server.wire_with(token, verify=False).get("/secrets")
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
    assert "expired" in answer.json()["error"]["message"].lower()


def test_a_token_from_the_future_is_refused(at):
    token = at(3_600).fresh_token(verify=False)
    assert status(at(0), token) == 401


def test_a_token_is_not_remembered_beyond_its_end(at):
    """The cache of verified tokens ends with the token, also when the server keeps running: it starts close to the end."""
    token = at.server.fresh_token()
    server = at(seconds_left(token) + 48)
    wire = server.wire_with(token, verify=False)
    assert wire.get("/secrets").status_code == 200
    until = time.monotonic() + 20
    while wire.get("/secrets").status_code == 200 and time.monotonic() < until:
        time.sleep(0.2)
    assert wire.get("/secrets").status_code == 401


# Retention


def delete_kept(server) -> int:
    wire = server.wire()
    wire.set_secret("kept", "v")
    return wire.delete_secret("kept")["attributes"]["recoverableDays"]


@pytest.fixture
def deleted(at) -> int:
    """A deleted secret, and the days it is kept."""
    return delete_kept(at.server)


def late_wire(server):
    return server.wire_with(server.fresh_token(verify=False), verify=False)


def test_a_deleted_secret_can_be_recovered_until_the_day_it_is_purged(at, deleted):
    wire = late_wire(at((deleted - 1) * DAY))
    assert wire.post("/deletedsecrets/kept/recover").status_code == 200
    assert wire.get("/secrets/kept").json()["value"] == "v"


@pytest.fixture(scope="module")
def jumped(binary, tmp_path_factory) -> dict:
    """What there is when the clock has jumped forward, beyond the days that a deleted secret is kept."""
    server = Server(binary, tmp_path_factory.mktemp("jumped") / "data").start()
    try:
        days = delete_kept(server)
        server.restart(**shifted((days + 1) * DAY))
        time.sleep(5)
        recovered = late_wire(server).post("/deletedsecrets/kept/recover")
        assert server.stop() == 0
        return {"recovered": recovered, "records": server.cli().run("audit", "export", "--data", str(server.data)).stdout}
    finally:
        server.kill()


def test_a_clock_that_jumps_forward_destroys_nothing(jumped):
    assert jumped["recovered"].status_code == 200


def test_a_clock_that_jumps_forward_raises_an_alarm(jumped):
    assert "ClockJumpAlarm" in jumped["records"]


def test_a_deleted_secret_is_purged_once_its_days_have_passed(at, deleted):
    """The days pass two at a time, as they do for a server that is stopped over a weekend."""
    for day in range(2, deleted + 1, 2):
        at(day * DAY)
    server = at((deleted + 1) * DAY)
    wire = late_wire(server)
    for _ in range(300):
        if wire.get("/deletedsecrets/kept").status_code == 404:
            break
        time.sleep(0.1)
    assert wire.post("/deletedsecrets/kept/recover").status_code == 404
    assert wire.put("/secrets/kept", json={"value": "again"}).status_code == 200
