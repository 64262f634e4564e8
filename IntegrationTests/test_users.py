"""People by the management plane: made, shown, disabled, given new passwords and authenticators, deleted."""

import json
import time
import urllib.parse
import uuid

import pytest

from harness import audit
from harness.directory import ACCESS_ADMINISTRATOR, CONTRIBUTOR, NOBODY, OWNER, READER, done, refusal
from harness.management_wire import GONE, assert_refused, changed
from harness.people import PASSWORD, People, Person, totp
from harness.sign_in import Client, Login, redirected
from harness.wire import Wire

pytest_plugins = ["harness.people_fixtures"]

MEMBERS = {"id", "userPrincipalName", "displayName", "enabled", "created", "mustChangePassword", "hasAuthenticator"}


def can_sign_in(login: Login, person: Person) -> bool:
    answer = login.sign_in(person, Client())
    assert answer.status_code in (303, 403), answer.text
    return answer.status_code == 303


# Made and shown


@pytest.mark.operation("PersonCreate")
@pytest.mark.operation("PersonGet")
def test_a_person_is_made_and_shown(people):
    name = people.fresh_name()
    made = done(people.ask_create(userPrincipalName=name, displayName="Zoë O'Neil"), 201)
    assert set(made) == MEMBERS | {"password"} and uuid.UUID(made["id"])
    assert (made["userPrincipalName"], made["displayName"], made["enabled"]) == (name, "Zoë O'Neil", True)
    assert (made["mustChangePassword"], made["hasAuthenticator"]) == (True, False)
    assert len(made["password"]) >= 16
    shown = done(people.ask(made["id"], method="GET"), 200)
    assert shown == {member: made[member] for member in MEMBERS}


def test_a_person_without_a_display_name_is_shown_by_the_name(people):
    name = people.fresh_name()
    assert done(people.ask_create(userPrincipalName=name), 201)["displayName"] == name


def test_first_passwords_are_never_the_same(people):
    made = [done(people.ask_create(userPrincipalName=people.fresh_name()), 201)["password"] for _ in range(3)]
    assert len(set(made)) == 3


def test_a_password_that_was_given_is_not_told_again(people):
    answer = people.ask_create(userPrincipalName=people.fresh_name(), password=PASSWORD)
    assert "password" not in done(answer, 201) and PASSWORD not in answer.text


@pytest.mark.operation("PersonList")
def test_people_are_listed_by_name(people):
    mark = uuid.uuid4().hex[:8]
    made = [people.create(f"{letter}-{mark}@example.com") for letter in "bAc"]
    answer = people.management.get("/strongroom/users", version=None)
    listed = done(answer, 200)["value"]
    assert [each["userPrincipalName"] for each in listed if mark in each["userPrincipalName"]] == [
        f"A-{mark}@example.com", f"b-{mark}@example.com", f"c-{mark}@example.com"]
    assert all(set(each) == MEMBERS for each in listed)
    assert {person.id for person in made} <= {each["id"] for each in listed}


def test_an_authenticator_is_shown_once(people):
    made = done(people.ask_create(userPrincipalName=people.fresh_name(), authenticator=True), 201)
    secret, address = made["authenticator"]["secret"], urllib.parse.urlsplit(made["authenticator"]["uri"])
    assert len(secret) == 32 and set(secret) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert urllib.parse.unquote(address.path) == f"/Strongroom:{made['userPrincipalName']}"
    query = dict(urllib.parse.parse_qsl(address.query))
    assert (query["secret"], query["issuer"]) == (secret, "Strongroom")
    assert (query.get("algorithm", "SHA1"), query.get("digits", "6"), query.get("period", "30")) == ("SHA1", "6", "30")
    shown = people.ask(made["id"], method="GET")
    assert done(shown, 200)["hasAuthenticator"] is True and secret not in shown.text


def test_codes_are_those_of_rfc_6238():
    """Appendix B, the last six digits of its values for SHA-1."""
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    vectors = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
    assert {moment: totp(secret, moment) for moment in vectors} == vectors


# Names


NAMES = ["o'brien", "first.last", "a-b_c!d", "with#hash", "caret^and~tilde", "x" * 64, "1"]


@pytest.mark.parametrize("local", NAMES)
def test_a_name_may_hold_what_names_hold(people, login, local):
    name = f"{local}@{uuid.uuid4().hex[:8]}.example.com"
    person = people.create(name)
    path = urllib.parse.quote(name, safe="")
    assert done(people.ask(path, method="GET"), 200)["id"] == person.id
    assert can_sign_in(login, person)


def test_a_name_is_somebodys_in_every_case(people, person):
    for spelling in (person.name, person.name.upper(), person.name.title()):
        assert_refused(people.ask_create(userPrincipalName=spelling), 409, "Conflict", "userPrincipalName")
        assert done(people.ask(spelling, method="GET"), 200)["id"] == person.id
    assert done(people.ask(person.id.upper(), method="GET"), 200)["userPrincipalName"] == person.name


BAD_NAMES = [
    "", "alice", "@example.com", "alice@", "a@b@c", "alice smith@example.com", "alice@exam ple.com", "älice@example.com",
    "alice@exämple.com", ".alice@example.com", "alice.@example.com", "alice@.example.com", "alice@example..com", "alice@example.com.",
    "x" * 65 + "@example.com", "alice@" + "x" * 49, "alice\n@example.com", "alice@example.com\n", "alice\0@example.com", " alice@example.com",
    "alice@example.com ", "<b>@example.com", 'a"b@example.com', "a/b@example.com", "a%40b@example.com", "\u202ealice@example.com", None, 1, [],
    {},
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: ascii(name)[:30])
def test_a_name_that_cannot_be_is_refused(people, name):
    assert_refused(people.ask_create(userPrincipalName=name, password=PASSWORD), 400, "BadParameter", "userPrincipalName")


BAD_MEMBERS = {
    "no name": ("userPrincipalName", GONE, "userPrincipalName"),
    "empty display name": ("displayName", "", "displayName"),
    "long display name": ("displayName", "x" * 257, "displayName"),
    "line in the display name": ("displayName", "a\nb", "displayName"),
    "display name that turns around": ("displayName", "a\u202eb", "displayName"),
    "terminal control in the display name": ("displayName", "a\x1b[2Jb", "displayName"),
    "display name as a number": ("displayName", 7, "displayName"),
    "empty password": ("password", "", "password"),
    "short password": ("password", "x1y2z3w4v5u", "12 characters"),
    "long password": ("password", "abcdefgh" * 32 + "x", "256 characters"),
    "password of one letter": ("password", "a" * 40, "five different"),
    "password as a number": ("password", 123456789012, "password"),
    "must change as a text": ("mustChangePassword", "no", "mustChangePassword"),
    "authenticator as a text": ("authenticator", "yes", "authenticator"),
}


@pytest.mark.parametrize(("member", "value", "told"), BAD_MEMBERS.values(), ids=BAD_MEMBERS)
def test_a_person_who_cannot_be_is_not_made(people, member, value, told):
    body = {"userPrincipalName": people.fresh_name(), "password": PASSWORD}
    answer = people.ask_create(**changed(body, member, value))
    assert_refused(answer, 400, "BadParameter", told)
    assert people.ask(body["userPrincipalName"], method="GET").status_code == 404


def test_a_password_does_not_hold_the_name_of_its_person(people):
    answer = people.ask_create(userPrincipalName=people.fresh_name().replace("p", "katharina", 1), password="my name is Katharina!")
    assert answer.status_code == 201
    name = f"katharina@{uuid.uuid4().hex[:8]}.example.com"
    refused = people.ask_create(userPrincipalName=name, password="my name is Katharina!")
    assert_refused(refused, 400, "BadParameter", "user's name")


@pytest.mark.parametrize("content", [b"", b"x", b"[]", b"{", b"\xff", b'{"userPrincipalName":"a@b.c","userPrincipalName":"d@e.f"}'])
def test_a_body_that_is_no_object_is_refused(people, content):
    answer = people.management.post("/strongroom/users", version=None, data=content, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, "BadParameter")


@pytest.mark.parametrize("who", [NOBODY, "nobody@example.com", "nobody", "%20", "%E2%80%AE"])
def test_who_is_not_there_is_not_found(people, who):
    assert_refused(people.ask(who, method="GET"), 404, "ResourceNotFound")
    for action in ("disable", "enable", "resetPassword", "resetAuthenticator", "removeAuthenticator", "revokeSessions"):
        assert_refused(people.ask(who, f"/{action}"), 404, "ResourceNotFound")
    assert_refused(people.ask(who, method="DELETE"), 404, "ResourceNotFound")


# Looked after


@pytest.mark.operation("PersonDisable")
@pytest.mark.operation("PersonEnable")
def test_who_is_disabled_does_not_sign_in_until_enabled(people, login, person):
    assert can_sign_in(login, person)
    assert people.act(person, "disable")["enabled"] is False
    assert not can_sign_in(login, person)
    assert people.act(person, "disable")["enabled"] is False
    assert people.act(person, "enable")["enabled"] is True
    assert can_sign_in(login, person)


@pytest.mark.operation("PersonResetPassword")
def test_a_new_password_takes_the_place_of_the_old_one(people, login, person):
    told = people.act(person, "resetPassword")
    assert told["password"] != PASSWORD and told["mustChangePassword"] is True
    assert not can_sign_in(login, person)
    person.password = told["password"]
    page = login.sign_in(person, Client())
    assert page.status_code == 403 and "Choose a new password" in page.text
    assert told["password"] not in people.ask(person.id, method="GET").text


@pytest.mark.operation("PersonResetAuthenticator")
@pytest.mark.operation("PersonRemoveAuthenticator")
def test_an_authenticator_is_registered_replaced_and_removed(people, login, person):
    first = people.act(person, "resetAuthenticator")["authenticator"]["secret"]
    assert not can_sign_in(login, person)
    second = people.act(person, "resetAuthenticator")["authenticator"]["secret"]
    assert first != second
    person.secret = first
    assert not can_sign_in(login, person)
    person.secret = second
    assert can_sign_in(login, person)
    assert people.act(person, "removeAuthenticator")["hasAuthenticator"] is False
    person.secret = None
    assert can_sign_in(login, person)


@pytest.mark.operation("PersonRevokeSessions")
def test_who_is_signed_out_everywhere_signs_in_again(server, people, login, person):
    token = login.tokens(person, scope=f"{server.client_env['ARM_URL']}/.default")["access_token"]
    asks = Wire(people.management.base, server.bundle, token)
    assert asks.get("/strongroom/users", version=None).status_code == 403
    assert people.act(person, "revokeSessions")["id"] == person.id
    assert asks.get("/strongroom/users", version=None).status_code == 401
    assert can_sign_in(login, person)


@pytest.mark.operation("PersonDelete")
def test_who_is_deleted_is_gone_and_the_name_is_free(people, login):
    person = people.create()
    people.delete(person)
    assert not can_sign_in(login, person)
    assert_refused(people.ask(person.id, method="DELETE"), 404, "ResourceNotFound")
    again = people.create(person.name)
    assert again.id != person.id and can_sign_in(login, again)


# Who may


ALL = {"read", "write", "delete"}


@pytest.mark.parametrize(("role", "may"), [(READER, {"read"}), (CONTRIBUTOR, set()), (ACCESS_ADMINISTRATOR, ALL), (OWNER, ALL)])
def test_what_a_role_may_do_with_people(server, people, directory, stranger, person, role, may):
    theirs = server.management(stranger)
    calls = {
        "read": ("GET", f"/strongroom/users/{person.id}"), "write": ("POST", f"/strongroom/users/{person.id}/enable"),
        "delete": ("DELETE", f"/strongroom/users/{person.id}"),
    }
    assert all(theirs.call(*call, version=None).status_code == 403 for call in calls.values())
    assignment = directory.assign(role, stranger.object_id, server.subscription_scope)
    assert {label for label, call in calls.items() if theirs.call(*call, version=None).status_code < 300} == may
    directory.unassign(assignment)


def test_a_refused_caller_does_not_learn_who_is_there(server, stranger, person):
    theirs = server.management(stranger)
    told = [theirs.get(f"/strongroom/users/{who}", version=None) for who in (person.id, NOBODY)]
    assert {refusal(answer) for answer in told} == {(403, "AuthorizationFailed")}
    assert told[0].json()["error"]["message"] == told[1].json()["error"]["message"]


# What stays


def test_people_outlast_a_restart_and_a_kill(lasting_server):
    people, login = People(lasting_server), Login(lasting_server)
    kept, guarded, gone = people.create(), people.create(authenticator=True), people.create()
    people.delete(gone)
    people.act(kept, "disable")
    shown = [people.ask(each.id, method="GET").json() for each in (kept, guarded)]
    for end in (lasting_server.stop, lasting_server.kill):
        end()
        lasting_server.start()
        people = People(lasting_server)
        assert [people.ask(each.id, method="GET").json() for each in (kept, guarded)] == shown
        assert people.ask(gone.name, method="GET").status_code == 404
    assert can_sign_in(login, guarded) and not can_sign_in(login, kept)


def test_a_code_that_was_used_stays_used_after_a_kill(lasting_server):
    people, login = People(lasting_server), Login(lasting_server)
    person = people.create(authenticator=True)
    typed = person.types(steps=1)
    assert login.submit(login.open(Client(), None, code_challenge="A" * 43, code_challenge_method="S256"), **typed).status_code == 303
    lasting_server.kill()
    lasting_server.start()
    assert login.submit(login.open(Client(), None, code_challenge="A" * 43, code_challenge_method="S256"), **typed).status_code == 403


# The log


def test_the_log_says_what_was_done_to_whom_and_holds_no_secret(server, cli, people, login, directory):
    begun = audit.now()
    first = done(people.ask_create(userPrincipalName=people.fresh_name(), authenticator=True), 201)
    second = people.act(first["id"], "resetPassword")["password"]
    third = people.act(first["id"], "resetAuthenticator")["authenticator"]["secret"]
    person = Person(first["id"], first["userPrincipalName"], second, third)
    code = person.code()
    new = "an own choice of mine 7"
    answer = login.submit(
        login.open(Client(), None, code_challenge="A" * 43, code_challenge_method="S256"), username=person.name, password=second, otc=code,
        new_password=new, repeated_password=new)
    granted_code = redirected(answer)[1]["code"]
    people.act(person, "disable")
    records = [each for each in audit.records(cli, since=begun) if person.id in json.dumps(each)]
    assert {"PersonCreate", "PersonResetPassword", "PersonResetAuthenticator", "PersonDisable", "SignIn"} <= {
        each["operationName"] for each in records}
    signed_in = next(each for each in records if each["operationName"] == "SignIn")
    assert signed_in["identity"]["claim"]["oid"] == person.id
    exported = cli.run("audit", "export", "--since", begun).stdout
    secrets = [first["password"], first["authenticator"]["secret"], second, third, new, granted_code, code]
    assert [secret for secret in secrets[:-1] if secret in exported] == []
    assert f'"{code}"' not in exported and f"otc={code}" not in exported


def test_the_log_tells_a_try_from_a_sign_in(cli, login, person):
    begun = audit.now()
    assert login.sign_in(Person(person.id, person.name, "not the password"), Client()).status_code == 403
    [tried] = [each for each in audit.records(cli, since=begun) if each["operationName"] == "SignIn"]
    assert tried["properties"]["httpStatusCode"] == 403 and person.id in json.dumps(tried)
    assert "not the password" not in json.dumps(tried)


def test_a_password_is_not_kept_in_the_clear(server, people, login):
    """Neither in the store nor in the log beside it, where the disk could be read."""
    people.create(password="zebra crossing at midnight 42")
    time.sleep(0.2)
    held = [path for path in server.data.rglob("*") if path.is_file() and b"zebra crossing" in path.read_bytes()]
    assert held == []
