"""Refresh tokens: each is followed by another, a stolen one ends the session, and a session falls with what it stands on."""

import time

import pytest

from harness import audit
from harness.clock import shifted
from harness.directory import graph_url
from harness.people import People
from harness.sign_in import AZURE_POWERSHELL, V1, Client, Login, granted, issued, oauth_refusal
from harness.tokens import claims_of, decode, encode

pytest_plugins = ["harness.people_fixtures"]

DAY = 86_400


@pytest.fixture
def token(login, alice) -> str:
    return login.tokens(alice)["refresh_token"]


@pytest.fixture
def moved(lasting_server):
    """A server whose clock may be moved: stops it, and starts it again so many seconds later than now. Ends as it was."""
    login = Login(lasting_server, verify=False)

    def move(seconds: int) -> Login:
        lasting_server.restart(**shifted(seconds))
        return login

    move.login, move.people = login, People(lasting_server)
    yield move
    lasting_server.restart()


def refused(login: Login, token: str, client: Client | None = None, **changes) -> bool:
    """As a token that is good for nothing any more (RFC 6749 §5.2)."""
    answer = login.ask_refresh(client or Client(), token, **changes)
    return answer.status_code != 200 and oauth_refusal(answer) == (400, "invalid_grant")


# One after the other


def test_each_token_is_followed_by_another(server, login, alice, token):
    seen = [token]
    for _ in range(4):
        answer = login.refresh(seen[-1])
        assert server.wire_with(answer["access_token"]).get("/secrets").status_code == 403
        seen.append(answer["refresh_token"])
    assert len(set(seen)) == 5
    claims = claims_of(answer["access_token"])
    assert (claims["oid"], claims["amr"]) == (alice.id, ["pwd"])


def test_a_refreshed_token_tells_when_the_person_signed_in(login, alice):
    first = login.tokens(alice)
    time.sleep(1.1)
    again = login.refresh(first["refresh_token"])
    assert claims_of(again["access_token"])["auth_time"] == claims_of(first["access_token"])["auth_time"]
    assert claims_of(again["access_token"])["iat"] > claims_of(first["access_token"])["iat"]
    told = claims_of(again["id_token"])
    assert told["sub"] == claims_of(first["id_token"])["sub"] and "nonce" not in told


def test_the_last_token_may_be_used_twice_at_once(login, token):
    """By two processes that share it: both go on."""
    one, two = (login.refresh(token)["refresh_token"] for _ in range(2))
    assert one != two
    assert login.refresh(one)["refresh_token"] and login.refresh(two)["refresh_token"]


def test_a_token_before_the_last_ends_the_session(login, token):
    """RFC 9700 §4.14.2: at whichever of the two, the thief's or the owner's."""
    second = login.refresh(token)["refresh_token"]
    third = login.refresh(second)["refresh_token"]
    assert refused(login, token)
    assert all(refused(login, each) for each in (second, third))


def test_a_token_that_is_used_again_after_a_minute_ends_the_session(moved):
    login, person = moved.login, moved.people.create()
    within, after = (login.tokens(person)["refresh_token"] for _ in range(2))
    newest = {token: login.refresh(token)["refresh_token"] for token in (within, after)}
    moved(40)
    sibling = login.refresh(within)["refresh_token"]
    assert login.refresh(newest[within])["refresh_token"] and login.refresh(sibling)["refresh_token"]
    moved(70)
    assert refused(login, after) and refused(login, newest[after])


def test_the_end_of_one_session_leaves_others_alone(login, alice, token):
    other = login.tokens(alice)["refresh_token"]
    login.refresh(login.refresh(token)["refresh_token"])
    assert refused(login, token)
    assert login.refresh(other)["refresh_token"]


def test_the_log_tells_a_stolen_token_from_a_refresh(cli, login, token):
    begun = audit.now()
    login.refresh(login.refresh(token)["refresh_token"])
    assert refused(login, token)
    assert issued(audit.records(cli, since=begun), Client()) == [200, 200, 400]


# Forged


def spoiled(token: str) -> dict[str, str]:
    head, body = token.split(".")
    held = bytearray(decode(body))

    def flipped(position: int) -> str:
        changed = bytearray(held)
        changed[position] ^= 1
        return f"{head}.{encode(bytes(changed))}"

    return {
        "nothing": "", "no token": "x", "head alone": f"{head}.", "body alone": body, "another version": f"2.{body}",
        "cut": token[:-1], "cut by four": token[:-4], "longer": token + "AAAA", "padded": token + "=", "space before": " " + token,
        "space behind": token + " ", "another session": flipped(0), "another number": flipped(23), "other random": flipped(24),
        "another signature": flipped(len(held) - 1), "no signature": f"{head}.{encode(bytes(held[:40]))}", "twice": token + token,
        "last bits": token[:-1] + chr(ord(token[-1]) ^ 1), "standard base64": f"{head}.{body.replace('-', '+').replace('_', '/')}~",
        "very long": "1." + "A" * 20_000, "not ascii": token + "é", "nul": token + "\0",
    }


KINDS = list(spoiled("1." + encode(bytes(72))))


@pytest.fixture(scope="module")
def unused(login, alice) -> str:
    """A token that is good to the end of the module, since nobody uses it."""
    return login.tokens(alice)["refresh_token"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_token_that_was_not_given_out_is_refused(login, unused, kind):
    assert refused(login, spoiled(unused)[kind])


def test_forgeries_do_not_hurt_the_token_that_they_were_made_of(login, token):
    assert all(refused(login, forged) for forged in spoiled(token).values())
    assert login.refresh(token)["refresh_token"]


def test_a_token_of_another_server_is_refused(login, alice, lasting_server):
    other = Login(lasting_server)
    theirs = other.tokens(People(lasting_server).create())["refresh_token"]
    assert refused(login, theirs)


def test_tokens_of_other_kinds_are_refused(login, alice):
    tokens = login.tokens(alice)
    assert refused(login, tokens["access_token"]) and refused(login, tokens["id_token"])


def test_a_token_is_for_the_client_that_has_it(login, token):
    assert refused(login, token, Client(AZURE_POWERSHELL))
    assert login.refresh(token)["refresh_token"], "another client must not end the session"


# What a session stands on


@pytest.mark.parametrize("change", ["disable", "resetPassword", "resetAuthenticator", "removeAuthenticator", "revokeSessions"])
def test_a_session_falls_when_its_person_changes(server, people, login, guarded, change):
    tokens = login.tokens(guarded)
    theirs = server.wire_with(tokens["access_token"])
    assert theirs.get("/secrets").status_code == 403
    people.act(guarded, change)
    assert theirs.get("/secrets").status_code == 401
    assert refused(login, tokens["refresh_token"])


def test_a_session_falls_with_its_person(server, people, login, person):
    tokens = login.tokens(person)
    people.delete(person)
    assert server.wire_with(tokens["access_token"]).get("/secrets").status_code == 401
    assert refused(login, tokens["refresh_token"])
    people.create(person.name)
    assert refused(login, tokens["refresh_token"])


def test_a_session_comes_back_with_its_person(people, login, person):
    """Who is disabled by mistake need not sign in anew; who is to be signed out for good has the sessions revoked."""
    token = login.tokens(person)["refresh_token"]
    people.act(person, "disable")
    assert refused(login, token)
    people.act(person, "enable")
    assert login.refresh(token)["refresh_token"]


# Other resources


def test_one_sign_in_serves_for_every_resource(server, login, alice, token):
    resources = [graph_url(server), server.client_env["ARM_URL"].rstrip("/"), "https://managedhsm.azure.net", server.vault_resource]
    for resource in resources:
        answer = login.refresh(token, scope=f"{resource}/.default")
        token = answer["refresh_token"]
        assert claims_of(answer["access_token"])["aud"] == resource
    assert server.wire_with(answer["access_token"]).get("/secrets").status_code == 403


def test_version_1_asks_for_a_resource(server, login, token):
    answer = granted(login.ask_refresh(Client(), token, V1, scope=None, resource=graph_url(server)))
    assert answer["resource"] == graph_url(server) == claims_of(answer["access_token"])["aud"]
    assert login.refresh(answer["refresh_token"])["access_token"]


def test_without_scope_the_first_resource_is_meant(server, login, token):
    assert claims_of(login.refresh(token, scope=None)["access_token"])["aud"] == server.vault_resource


@pytest.mark.parametrize("scope", [
    "https://elsewhere.example/.default", "https://vault.azure.net/.default https://graph.microsoft.com/.default", "x" * 5_000 + "/.default"])
def test_a_scope_that_cannot_be_costs_nothing(login, token, scope):
    answer = login.ask_refresh(Client(), token, scope=scope)
    assert oauth_refusal(answer)[1] in ("invalid_scope", "invalid_resource", "invalid_target")
    assert login.refresh(token)["refresh_token"]


# Time and restarts


def test_a_session_outlasts_a_restart_and_a_kill(lasting_server):
    login, person = Login(lasting_server), People(lasting_server).create()
    tokens = login.tokens(person)
    token = tokens["refresh_token"]
    for end in (lasting_server.stop, lasting_server.kill):
        end()
        lasting_server.start()
        assert lasting_server.wire_with(tokens["access_token"]).get("/secrets").status_code == 403
        token = login.refresh(token)["refresh_token"]
    assert refused(login, tokens["refresh_token"]) and refused(login, token)


def test_a_revoked_session_stays_revoked_after_a_kill(lasting_server):
    login, people = Login(lasting_server), People(lasting_server)
    person = people.create()
    tokens = login.tokens(person)
    people.act(person, "revokeSessions")
    lasting_server.kill()
    lasting_server.start()
    assert refused(login, tokens["refresh_token"])
    assert lasting_server.wire_with(tokens["access_token"]).get("/secrets").status_code == 401


def test_a_session_ends_ninety_days_after_its_last_use(moved):
    login, person = moved.login, moved.people.create()
    kept, left = (login.tokens(person)["refresh_token"] for _ in range(2))
    moved(89 * DAY)
    kept = login.refresh(kept)["refresh_token"]
    moved(91 * DAY)
    assert refused(login, left)
    kept = login.refresh(kept)["refresh_token"]
    moved(182 * DAY)
    assert refused(login, kept)
