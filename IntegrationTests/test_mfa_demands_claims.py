"""Tokens that stop at once (continuous access evaluation), and what a client that understands it is told."""

import json
import time

import pytest

from harness.sign_in import PKCE, Client, challenge, granted
from harness.tokens import claims_of

pytest_plugins = ["harness.people_fixtures"]

CP1 = '{"access_token":{"xms_cc":{"values":["CP1"]}}}'


@pytest.mark.parametrize("change", ["disable", "revokeSessions", "resetPassword", "delete"])
def test_a_client_that_understands_is_told_to_ask_for_a_newer_token(server, people, login, person, change):
    pkce = PKCE.fresh()
    code = login.code(person, Client(), pkce)
    token = granted(login.ask_exchange(Client(), code, pkce, claims=CP1))["access_token"]
    assert claims_of(token)["xms_cc"] == ["cp1"]
    wires = [server.wire_with(token) for _ in range(4)]
    assert all(wire.get("/secrets").status_code == 403 for wire in wires)
    people.delete(person) if change == "delete" else people.act(person, change)
    for wire in wires:
        asked = challenge(wire.get("/secrets"))["access_token"]["nbf"]
        assert asked["essential"] is True and abs(int(asked["value"]) - time.time()) < 60


def test_a_client_that_does_not_understand_gets_a_plain_challenge(server, people, login, person):
    theirs = server.wire_with(login.tokens(person)["access_token"])
    assert theirs.get("/secrets").status_code == 403
    people.act(person, "disable")
    answer = theirs.get("/secrets")
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer authorization=")
    assert "claims" not in answer.headers["WWW-Authenticate"]


def test_a_refreshed_token_satisfies_the_challenge(server, people, login, person):
    """Disabled and enabled again: the client asks with the claims of the challenge, and goes on."""
    tokens = login.tokens(person, claims=CP1)
    people.act(person, "disable")
    asked = challenge(server.wire_with(tokens["access_token"]).get("/secrets"))
    people.act(person, "enable")
    claims = json.dumps({"access_token": {**asked["access_token"], "xms_cc": {"values": ["CP1"]}}})
    again = login.refresh(tokens["refresh_token"], claims=claims)["access_token"]
    assert claims_of(again)["xms_cc"] == ["cp1"] and server.wire_with(again).get("/secrets").status_code == 403


def test_an_application_that_understands_is_told_too(server, cli, stranger):
    form = {"grant_type": "client_credentials", "client_id": stranger.app_id, "client_secret": stranger.password}
    token = server.request_token({**form, "scope": f"{server.vault_resource}/.default", "claims": CP1}).json()["access_token"]
    theirs = server.wire_with(token)
    assert theirs.get("/secrets").status_code == 403
    cli.run("app", "disable", stranger.app_id)
    assert "nbf" in challenge(theirs.get("/secrets"))["access_token"]
