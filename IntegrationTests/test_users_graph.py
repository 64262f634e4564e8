"""People by Microsoft Graph: made, changed, found and deleted, as members of groups, and as holders of roles."""

import urllib.parse
import uuid

import pytest

from harness.directory import NOBODY, SECRETS_OFFICER, SECRETS_USER, Directory, done, graph_url, refusal
from harness.management_wire import GONE, Arm, changed
from harness.people import PASSWORD, People, Person
from harness.sign_in import Client
from harness.wire import Wire

pytest_plugins = ["harness.people_fixtures"]


def body(**changes) -> dict:
    whole = {
        "userPrincipalName": People.fresh_name(), "displayName": "Carol of the tests", "mailNickname": "carol", "accountEnabled": True,
        "passwordProfile": {"password": PASSWORD, "forceChangePasswordNextSignIn": False},
    }
    return {**whole, **changes}


def graph_of(server, token: str) -> Directory:
    return Directory(Wire(graph_url(server), server.bundle, token), None)


def ids(items: list[dict]) -> list[str]:
    return [item["id"] for item in items]


def path(who: str) -> str:
    return f"/users/{urllib.parse.quote(who, safe='')}"


# Made and shown


@pytest.mark.operation("UserCreate")
@pytest.mark.operation("UserGet")
def test_a_user_is_made_and_shown(directory, login):
    wanted = body()
    made = done(directory.ask("POST", "/users", wanted), 201)
    created, id = made.pop("createdDateTime"), made.pop("id")
    assert uuid.UUID(id) and created.endswith("Z")
    assert made == {
        "@odata.type": "#microsoft.graph.user", "userPrincipalName": wanted["userPrincipalName"], "displayName": "Carol of the tests",
        "mailNickname": "carol", "mail": None, "accountEnabled": True, "identities": [],
    }
    for who in (id, id.upper(), wanted["userPrincipalName"], wanted["userPrincipalName"].upper()):
        assert directory.get(path(who)) == {**made, "id": id, "createdDateTime": created}
    assert login.sign_in(Person(id, wanted["userPrincipalName"], PASSWORD), Client()).status_code == 303


def test_a_user_may_be_made_disabled(directory, login):
    made = done(directory.ask("POST", "/users", body(accountEnabled=False)), 201)
    assert made["accountEnabled"] is False
    assert login.sign_in(Person(made["id"], made["userPrincipalName"], PASSWORD), Client()).status_code == 403


def test_a_user_changes_the_first_password_unless_told_otherwise(directory, login):
    made = done(directory.ask("POST", "/users", body(passwordProfile={"password": PASSWORD})), 201)
    answer = login.sign_in(Person(made["id"], made["userPrincipalName"], PASSWORD), Client())
    assert answer.status_code == 403 and "Choose a new password" in answer.text


@pytest.mark.parametrize("member", ["userPrincipalName", "displayName", "passwordProfile", "passwordProfile.password"])
def test_a_user_needs_a_name_and_a_password(directory, member):
    answer = directory.ask("POST", "/users", changed(body(), member, GONE))
    assert refusal(answer) == (400, "BadParameter") and member in answer.json()["error"]["message"]


BAD = {
    "name": ("userPrincipalName", "alice"), "name of null": ("userPrincipalName", 1), "display name": ("displayName", ""),
    "long display name": ("displayName", "x" * 257), "line in the display name": ("displayName", "a\nb"),
    "nickname": ("mailNickname", "a\0b"), "long nickname": ("mailNickname", "x" * 257), "enabled": ("accountEnabled", "yes"),
    "profile": ("passwordProfile", PASSWORD), "short password": ("passwordProfile.password", "short"),
    "password of one letter": ("passwordProfile.password", "a" * 20), "forced": ("passwordProfile.forceChangePasswordNextSignIn", 1),
}


@pytest.mark.parametrize(("member", "value"), BAD.values(), ids=BAD)
def test_a_user_is_not_made_nor_changed_into_what_cannot_be(directory, person, member, value):
    wanted = changed(body(), member, value)
    assert refusal(directory.ask("POST", "/users", wanted)) == (400, "BadParameter")
    before = directory.get(path(person.id))
    change = changed({}, member, value)
    assert refusal(directory.ask("PATCH", path(person.id), change)) == (400, "BadParameter")
    assert directory.get(path(person.id)) == before


def test_a_name_is_somebodys_in_every_case(directory, person):
    answer = directory.ask("POST", "/users", body(userPrincipalName=person.name.upper()))
    assert refusal(answer)[0] in (400, 409) and "userPrincipalName already exists" in answer.json()["error"]["message"]


# Changed and deleted


@pytest.mark.operation("UserUpdate")
def test_a_user_is_changed(directory, people, login, person):
    assert directory.ask("PATCH", path(person.name), {"displayName": "Dora", "mailNickname": "dora"}).status_code == 204
    shown = directory.get(path(person.id))
    assert (shown["displayName"], shown["mailNickname"], shown["userPrincipalName"]) == ("Dora", "dora", person.name)
    assert directory.ask("PATCH", path(person.id), {"accountEnabled": False}).status_code == 204
    assert login.sign_in(person, Client()).status_code == 403
    assert directory.ask("PATCH", path(person.id), {"accountEnabled": True}).status_code == 204
    assert login.sign_in(person, Client()).status_code == 303


def test_a_new_password_signs_out_what_the_old_one_signed_in(directory, login, person):
    token = login.tokens(person)["refresh_token"]
    profile = {"password": "another password of mine", "forceChangePasswordNextSignIn": False}
    assert directory.ask("PATCH", path(person.id), {"passwordProfile": profile}).status_code == 204
    assert login.ask_refresh(Client(), token).status_code == 400
    assert login.sign_in(person, Client()).status_code == 403
    person.password = profile["password"]
    assert login.sign_in(person, Client()).status_code == 303


def test_a_name_is_not_changed(directory, person):
    assert refusal(directory.ask("PATCH", path(person.id), {"userPrincipalName": People.fresh_name()})) == (400, "BadParameter")
    assert directory.ask("PATCH", path(person.id), {"userPrincipalName": person.name.upper()}).status_code == 204
    assert directory.get(path(person.id))["userPrincipalName"] == person.name


@pytest.mark.operation("UserDelete")
def test_a_user_is_deleted_once(directory, person):
    assert directory.ask("DELETE", path(person.name)).status_code == 204
    for method in ("GET", "DELETE"):
        assert refusal(directory.ask(method, path(person.id))) == (404, "Request_ResourceNotFound")
    assert refusal(directory.ask("PATCH", path(person.id), {"displayName": "x"})) == (404, "Request_ResourceNotFound")


@pytest.mark.operation("UserRevokeSessions")
def test_sessions_are_revoked(directory, login, person):
    tokens = login.tokens(person)
    assert directory.post(f"{path(person.id)}/revokeSignInSessions")["value"] is True
    assert login.ask_refresh(Client(), tokens["refresh_token"]).status_code == 400


# Found


@pytest.mark.operation("UserList")
def test_users_are_listed_and_found(server, directory, people):
    mark = uuid.uuid4().hex[:8]
    one, two = people.create(f"b-{mark}@example.com", displayName=f"{mark} it's"), people.create(f"A-{mark}@example.com")
    answer = directory.get("/users")
    assert answer["@odata.context"] == f"{graph_url(server)}/v1.0/$metadata#users"
    assert [each for each in ids(answer["value"]) if each in (one.id, two.id)] == [two.id, one.id]
    found = {
        f"userPrincipalName eq 'a-{mark}@EXAMPLE.com'": [two.id], f"startswith(displayName,'{mark}')": [one.id],
        f"displayName eq '{mark} it''s'": [one.id], f"id eq '{two.id}'": [two.id], f"startswith(userPrincipalName,'B-{mark}')": [one.id],
        f"userPrincipalName eq 'b-{mark}@example.com' or id eq '{two.id}'": [two.id, one.id], f"mail eq 'b-{mark}@example.com'": [],
        f"userPrincipalName eq '{mark}'": [],
    }
    assert {text: ids(directory.items("/users", filter=text)) for text in found} == found


@pytest.mark.parametrize("text", ["password eq 'x'", "hash eq 'x'", "displayName ne 'x'", "accountEnabled eq true", "tokenGeneration eq '1'"])
def test_what_cannot_be_filtered_by_is_refused(directory, person, text):
    assert refusal(directory.ask("GET", "/users", filter=text)) == (400, "BadParameter")


def test_a_person_is_told_who_they_are(server, login, alice):
    mine = graph_of(server, login.tokens(alice, scope=f"{graph_url(server)}/.default")["access_token"])
    shown = mine.get("/me")
    assert (shown["@odata.type"], shown["id"], shown["userPrincipalName"]) == ("#microsoft.graph.user", alice.id, alice.name)
    assert mine.ask("GET", "/users").status_code == 403


def test_an_object_id_tells_what_it_is(directory, alice, stranger):
    found = directory.post("/directoryObjects/getByIds", {"ids": [alice.id, stranger.object_id, NOBODY]})["value"]
    assert {each["id"]: each["@odata.type"] for each in found} == {
        alice.id: "#microsoft.graph.user", stranger.object_id: "#microsoft.graph.servicePrincipal"}
    only = directory.post("/directoryObjects/getByIds", {"ids": [alice.id, stranger.object_id], "types": ["user"]})["value"]
    assert ids(only) == [alice.id]


# Groups


@pytest.fixture
def group(directory, name) -> str:
    return directory.group(name)


@pytest.mark.operation("DirectoryObjectMemberOfList")
def test_a_person_is_a_member_of_groups(directory, group, person, name):
    directory.add(group, person.id)
    outer = directory.group(f"{name}-outer")
    directory.add(outer, group)
    assert [(each["@odata.type"], each["id"]) for each in directory.items(f"/groups/{group}/members")] == [
        ("#microsoft.graph.user", person.id)]
    for who in (person.id, person.name, person.name.upper()):
        assert ids(directory.items(f"{path(who)}/memberOf")) == [group]
        assert sorted(directory.post(f"{path(who)}/getMemberGroups")["value"]) == sorted([group, outer])
    assert refusal(directory.ask_add(group, person.id)) == (400, "BadParameter")
    directory.remove(group, person.id)
    assert directory.items(f"{path(person.id)}/memberOf") == []


def test_a_person_is_added_as_clients_name_them(server, directory, group, person):
    for collection in ("users", "directoryObjects"):
        reference = {"@odata.id": f"{graph_url(server)}/v1.0/{collection}/{person.id}"}
        assert directory.ask("POST", f"/groups/{group}/members/$ref", reference).status_code == 204
        directory.remove(group, person.id)


def test_who_is_deleted_is_no_member_any_more(directory, people, group, person):
    directory.add(group, person.id)
    people.delete(person)
    assert directory.members(group) == []


# Roles


def test_a_person_holds_the_role_that_is_assigned(server, directory, login, person, name):
    theirs = server.wire_with(login.tokens(person)["access_token"])
    assert theirs.get("/secrets").status_code == 403
    assignment = directory.assign(SECRETS_OFFICER, person.id, f"{server.vault_scope()}/secrets/{name}")
    assert assignment["properties"]["principalType"] == "User"
    assert theirs.set_secret(name, "by a person")["value"] == "by a person"
    assert theirs.get("/secrets").status_code == 403
    directory.unassign(assignment)
    assert theirs.get(f"/secrets/{name}").status_code == 403


def test_a_person_holds_the_roles_of_groups_within_groups(server, directory, login, person, name):
    inner, outer = directory.chain(name, 2, person.id)
    directory.assign(SECRETS_USER, outer, server.vault_scope())
    theirs = server.wire_with(login.tokens(person)["access_token"])
    assert theirs.get("/secrets").status_code == 200
    directory.remove(inner, person.id)
    assert theirs.get("/secrets").status_code == 403


def test_a_person_is_let_in_by_an_access_policy(server, directory, login, person, group):
    arm = Arm.of(server)
    vault = arm.create(enableRbacAuthorization=False, accessPolicies=[])
    directory.add(group, person.id)
    theirs = server.wire_with(login.tokens(person)["access_token"], vault)
    for holder in (person.id, group):
        assert theirs.get("/secrets").status_code == 403
        assert arm.ask_policies("add", vault, arm.entry(holder, secrets=["list"])).status_code in (200, 201)
        assert theirs.get("/secrets").status_code == 200
        assert arm.ask_policies("remove", vault, arm.entry(holder, secrets=["list"])).status_code in (200, 201)


def test_a_name_that_is_given_again_does_not_inherit_roles(server, directory, people, login, person):
    directory.assign(SECRETS_USER, person.id, server.vault_scope())
    old = server.wire_with(login.tokens(person)["access_token"])
    assert old.get("/secrets").status_code == 200
    people.delete(person)
    again = people.create(person.name)
    assert old.get("/secrets").status_code == 401
    assert server.wire_with(login.tokens(again)["access_token"]).get("/secrets").status_code == 403
