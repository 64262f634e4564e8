"""The directory by plain calls: every operation of Microsoft Graph that is there, what it refuses, and who may call it."""

import json
import uuid

import pytest
import requests

from harness import audit
from harness.application import Application
from harness.assertions import identity
from harness.directory import ACCESS_ADMINISTRATOR, CONTRIBUTOR, NOBODY, OWNER, READER, Directory, Identity, done, graph_url, refusal
from harness.tokens import claims_of
from harness.wire import Wire

ISSUER = "https://issuer.example"


@pytest.fixture(scope="module")
def directory(server) -> Directory:
    return Directory.of(server)


@pytest.fixture
def group(directory, name) -> str:
    return directory.group(name)


@pytest.fixture
def machine(directory, name) -> Identity:
    return directory.identity(name)


def ids(items: list[dict]) -> list[str]:
    return [item["id"] for item in items]


# Who one is


@pytest.mark.operation("DirectoryMeGet")
def test_everyone_may_ask_who_they_are(server, stranger):
    for who in (server.owner, stranger):
        shown = Directory.of(server, who).get("/me")
        assert shown["appId"] == who.app_id and shown["id"] == claims_of(server.token(who))["oid"]
        assert shown["@odata.type"] == "#microsoft.graph.servicePrincipal"


# Service principals and applications


@pytest.mark.operation("ServicePrincipalGet")
def test_a_service_principal_is_shown(server, directory, cli, stranger, name):
    shown = directory.get(f"/servicePrincipals/{stranger.object_id}")
    created = shown.pop("createdDateTime")
    assert shown == {
        "@odata.type": "#microsoft.graph.servicePrincipal", "id": stranger.object_id, "appId": stranger.app_id,
        "displayName": name, "appDisplayName": name, "accountEnabled": True, "appOwnerOrganizationId": server.tenant,
        "servicePrincipalNames": [stranger.app_id], "servicePrincipalType": "Application",
    }
    assert created.startswith("20") and created.endswith("Z")
    cli.run("app", "disable", stranger.app_id)
    assert directory.get(f"/servicePrincipals/{stranger.object_id.upper()}")["accountEnabled"] is False


def test_a_managed_identity_is_a_service_principal_without_an_application(directory, machine, name):
    assert directory.get(f"/servicePrincipals/{machine.object_id}")["servicePrincipalType"] == "ManagedIdentity"
    assert ids(directory.items("/servicePrincipals", filter=f"displayName eq '{name}'")) == [machine.object_id]
    assert directory.items("/applications", filter=f"displayName eq '{name}'") == []


@pytest.mark.operation("ServicePrincipalList")
def test_service_principals_are_listed_by_name(server, directory, stranger, machine):
    answer = directory.get("/servicePrincipals")
    assert answer["@odata.context"] == f"{graph_url(server)}/v1.0/$metadata#servicePrincipals"
    listed = answer["value"]
    assert {stranger.object_id, machine.object_id, claims_of(server.token())["oid"]} <= set(ids(listed))
    names = [each["displayName"].lower() for each in listed if each["displayName"].isascii()]
    assert names == sorted(names) and len(set(ids(listed))) == len(listed)
    assert next(each for each in listed if each["id"] == stranger.object_id) == directory.get(f"/servicePrincipals/{stranger.object_id}")


@pytest.mark.operation("GraphApplicationGet")
def test_an_application_is_shown_without_its_secret(directory, cli, stranger, name, tmp_path):
    who = identity()
    (tmp_path / "client.pem").write_bytes(who.pem)
    cli.run("app", "add-certificate", stranger.app_id, "--certificate", str(tmp_path / "client.pem"))
    shown = directory.get(f"/applications/{stranger.app_id}")
    [certificate], [password] = shown.pop("keyCredentials"), shown.pop("passwordCredentials")
    assert shown.pop("createdDateTime") == password["startDateTime"] and set(password) == {"startDateTime"}
    assert shown == {
        "id": stranger.app_id, "appId": stranger.app_id, "displayName": name, "signInAudience": "AzureADMyOrg", "identifierUris": [],
    }
    assert certificate["customKeyIdentifier"] == who.thumbprint
    assert (certificate["type"], certificate["usage"]) == ("AsymmetricX509Cert", "Verify")
    assert certificate["startDateTime"] < certificate["endDateTime"]
    assert directory.get(f"/applications/{stranger.object_id}")["appId"] == stranger.app_id


@pytest.mark.operation("GraphApplicationList")
def test_applications_are_listed(server, directory, stranger, machine):
    answer = directory.get("/applications")
    assert answer["@odata.context"] == f"{graph_url(server)}/v1.0/$metadata#applications"
    listed = {each["appId"]: each for each in answer["value"]}
    assert {stranger.app_id, server.owner.app_id} <= set(listed) and machine.app_id not in listed
    assert stranger.password not in json.dumps(answer)


@pytest.mark.operation("UserGet", refused=True)
def test_nobody_is_found_among_people(directory, stranger):
    for who in ("a@example.com", stranger.object_id, NOBODY):
        assert refusal(directory.ask("GET", f"/users/{who}")) == (404, "Request_ResourceNotFound")


# Filters


@pytest.fixture(scope="module")
def named(directory) -> dict[str, Identity]:
    """Applications by what follows the mark that all of their names begin with."""
    mark = f"Filter-{uuid.uuid4().hex[:8]}"
    names = {"one": f"{mark} one", "two": f"{mark} TWO", "quote": f"{mark} it's", "and": f"{mark} rock' and roll'"}
    made = {label: directory.identity(name, "application") for label, name in names.items()}
    return {"mark": mark, **made}


FILTERS = {
    "name": ("displayName eq '{mark} one'", {"one"}),
    "name in another case": ("DISPLAYNAME eq '{mark} ONE'", {"one"}),
    "name with a quote": ("displayName eq '{mark} it''s'", {"quote"}),
    "name that holds and": ("displayName eq '{mark} rock'' and roll'''", {"and"}),
    "name that holds and, or another": ("displayName eq '{mark} rock'' and roll''' or displayName eq '{mark} one'", {"and", "one"}),
    "beginning": ("startswith(displayName,'{mark}')", {"one", "two", "quote", "and"}),
    "beginning with spaces": ("startswith( displayName , '{mark} t')", {"two"}),
    "beginning in another case": ("startsWith(displayName, '{mark} tW')", {"two"}),
    "one or another": ("displayName eq '{mark} one' or displayName eq '{mark} two'", {"one", "two"}),
    "two at once": ("startswith(displayName,'{mark}') and displayName eq '{mark} two'", {"two"}),
    "two that exclude each other": ("displayName eq '{mark} one' and displayName eq '{mark} two'", set()),
    "application": ("appId eq '{one}'", {"one"}),
    "application in capitals": ("appId eq '{ONE}'", {"one"}),
    "name of none": ("displayName eq '{mark}'", set()),
    "nothing": ("displayName eq ''", set()),
}
PRINCIPAL_FILTERS = {
    "any name": ("servicePrincipalNames/any(c:c eq '{one}')", {"one"}),
    "any of two": ("servicePrincipalNames/any(c:c eq '{one}') or servicePrincipalNames/any(x:x eq '{two}')", {"one", "two"}),
    "any name and a beginning": ("servicePrincipalNames/any(c:c eq '{one}') and startswith(displayName,'{mark}')", {"one"}),
    "any name of none": ("servicePrincipalNames/any(c:c eq 'https://nobody.example')", set()),
    **FILTERS,
}
APPLICATION_FILTERS = {"address": ("identifierUris/any(s:s eq '{one}')", set()), **FILTERS}


EVERY_FILTER = {
    **{f"principals-{label}": ("/servicePrincipals", *each) for label, each in PRINCIPAL_FILTERS.items()},
    **{f"applications-{label}": ("/applications", *each) for label, each in APPLICATION_FILTERS.items()},
}


@pytest.mark.parametrize(("path", "text", "found"), EVERY_FILTER.values(), ids=EVERY_FILTER)
def test_a_filter_finds_what_it_says(directory, named, path, text, found):
    made = {label: each.app_id for label, each in named.items() if label != "mark"}
    wanted = text.format(mark=named["mark"], ONE=made["one"].upper(), **made)
    listed = {each["appId"] for each in directory.items(path, filter=wanted)}
    assert {label for label, each in made.items() if each in listed} == found
    assert listed <= set(made.values())


def test_an_object_is_found_by_its_own_id(directory, stranger):
    assert ids(directory.items("/servicePrincipals", filter=f"id eq '{stranger.object_id}'")) == [stranger.object_id]
    assert directory.items("/servicePrincipals", filter=f"id eq '{stranger.app_id}'") == []
    assert ids(directory.items("/applications", filter=f"id eq '{stranger.app_id}'")) == [stranger.app_id]


BAD_FILTERS = [
    "displayName", "displayName eq", "displayName eq x", "displayName eq 'x", "displayName eq 'x' or", "or displayName eq 'x'",
    "displayName eq 'x' xor displayName eq 'y'", "displayName eq 'x' displayName eq 'y'", "displayName ne 'x'", "displayName eq 'x')",
    "startswith(displayName 'x')", "startswith(displayName,'x'", "endswith(displayName,'x')", "contains(displayName,'x')",
    "displayName eq 'x' and displayName eq 'y' or displayName eq 'z'", "appId eq null", "password eq 'x'", "tokenGeneration eq '1'",
    "servicePrincipalNames/all(c:c eq 'x')", "not(displayName eq 'x')", "x" * 5_000, "'", "''''", "()", "displayName/any(c:c ne 'x')",
]


@pytest.mark.parametrize("text", BAD_FILTERS, ids=lambda text: text[:40])
@pytest.mark.parametrize("path", ["/servicePrincipals", "/applications", "/groups"])
def test_a_filter_that_is_not_understood_is_refused(directory, group, path, text):
    assert refusal(directory.ask("GET", path, filter=text)) == (400, "BadParameter")


def test_a_filter_given_twice_is_refused(directory):
    answer = directory.graph.get("/v1.0/groups?$filter=displayName eq 'a'&$filter=displayName eq 'b'", version=None)
    assert refusal(answer) == (400, "BadParameter")


def test_a_filter_is_judged_even_where_nothing_could_be_found(directory):
    for text in ("displayName ne 'x'", "password eq 'x'"):
        assert refusal(directory.ask("GET", "/users", filter=text)) == (400, "BadParameter"), text


# Groups


@pytest.mark.operation("GroupCreate")
@pytest.mark.operation("GroupGet")
def test_a_group_is_made_and_shown(directory, name):
    body = {
        "displayName": name, "description": "for the test", "mailNickname": "nick", "mailEnabled": False, "securityEnabled": True,
        "groupTypes": [],
    }
    made = done(directory.ask("POST", "/groups", body), 201)
    assert {member: made[member] for member in ("@odata.type", "displayName", "description", "mailEnabled", "securityEnabled")} == {
        "@odata.type": "#microsoft.graph.group", "displayName": name, "description": "for the test", "mailEnabled": False,
        "securityEnabled": True,
    }
    assert uuid.UUID(made["id"]) and made["createdDateTime"].startswith("20") and made["groupTypes"] == []
    assert directory.get(f"/groups/{made['id']}") == made == directory.get(f"/groups/{made['id'].upper()}")
    assert directory.items(f"/groups/{made['id']}/members") == []


@pytest.mark.operation("GroupList")
def test_groups_are_listed_by_name(server, directory, name):
    made = [directory.group(f"{name} {suffix}") for suffix in ("b", "A", "c")]
    answer = directory.get("/groups")
    assert answer["@odata.context"] == f"{graph_url(server)}/v1.0/$metadata#groups"
    assert [each for each in ids(answer["value"]) if each in made] == [made[1], made[0], made[2]]
    assert ids(directory.items("/groups", filter=f"startswith(displayName,'{name.upper()}')")) == [made[1], made[0], made[2]]
    assert ids(directory.items("/groups", filter=f"displayName eq '{name} c'")) == [made[2]]
    assert ids(directory.items("/groups", filter=f"id eq '{made[0]}' or displayName eq '{name} A'")) == [made[1], made[0]]


def test_groups_of_one_name_are_two(directory, name):
    assert directory.group(name) != directory.group(name)
    assert len(directory.items("/groups", filter=f"displayName eq '{name}'")) == 2


def test_a_group_is_found_by_its_nickname(directory, name):
    made = directory.group(name, mailNickname=f"nick-{name}")
    for wanted in (f"displayName eq '{name}' and mailNickname eq 'nick-{name}'", f"mailNickname eq 'nick-{name}'"):
        assert ids(directory.items("/groups", filter=wanted)) == [made]
    assert directory.get(f"/groups/{made}")["mailNickname"] == f"nick-{name}"


@pytest.mark.operation("GroupUpdate")
def test_a_group_is_changed(directory, group, name):
    for change in ({"displayName": f"{name}-2"}, {"description": "Überarbeitet"}, {}):
        assert directory.ask("PATCH", f"/groups/{group}", change).status_code == 204
    shown = directory.get(f"/groups/{group}")
    assert (shown["displayName"], shown["description"]) == (f"{name}-2", "Überarbeitet")
    assert ids(directory.items("/groups", filter=f"displayName eq '{name}'")) == []
    assert directory.ask("PATCH", f"/groups/{group}", {"description": ""}).status_code == 204
    assert directory.get(f"/groups/{group}").get("description", "") == ""


@pytest.mark.operation("GroupDelete")
def test_a_group_is_deleted_once(directory, group):
    assert directory.ask("DELETE", f"/groups/{group}").status_code == 204
    for method in ("GET", "DELETE"):
        assert refusal(directory.ask(method, f"/groups/{group}")) == (404, "Request_ResourceNotFound")
    assert group not in ids(directory.items("/groups"))


BAD_GROUPS = {
    "no name": {},
    "empty name": {"displayName": ""},
    "name of null": {"displayName": None},
    "long name": {"displayName": "x" * 257},
    "long name of few letters": {"displayName": "a" + "\u0301" * 5_000},
    "name as a number": {"displayName": 1},
    "line in the name": {"displayName": "a\nb"},
    "zero in the name": {"displayName": "a\0b"},
    "delete in the name": {"displayName": "a\x7fb"},
    "control of terminals in the name": {"displayName": "a\x9b31mb"},
    "name that turns around": {"displayName": "a\u202eb"},
    "long description": {"displayName": "x", "description": "x" * 1_025},
    "long description of few letters": {"displayName": "x", "description": "a" + "\u0301" * 50_000},
    "description as a list": {"displayName": "x", "description": []},
    "mail": {"displayName": "x", "mailEnabled": True},
    "no security": {"displayName": "x", "securityEnabled": False},
}


@pytest.mark.parametrize("body", BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_a_group_that_cannot_be_is_not_made(directory, body):
    before = set(ids(directory.items("/groups")))
    assert refusal(directory.ask("POST", "/groups", body)) == (400, "BadParameter")
    assert set(ids(directory.items("/groups"))) == before


BAD_CHANGES = {label: body for label, body in BAD_GROUPS.items() if label not in ("no name", "name of null")}


@pytest.mark.parametrize("body", BAD_CHANGES.values(), ids=BAD_CHANGES)
def test_a_group_does_not_become_what_cannot_be(directory, group, body):
    before = directory.get(f"/groups/{group}")
    assert refusal(directory.ask("PATCH", f"/groups/{group}", body)) == (400, "BadParameter")
    assert directory.get(f"/groups/{group}") == before


BODIES = [b"", b"x", b"[]", b'"x"', b"{", b'{"displayName":"a","displayName":"b"}', b"[" * 100, b"\xff"]
TAKE_BODIES = [
    "/groups", "/groups/{group}/members/$ref", "/applications/{app}/federatedIdentityCredentials", "/directoryObjects/getByIds",
    "/directoryObjects/{group}/checkMemberGroups",
]


@pytest.mark.parametrize("content", BODIES, ids=lambda content: repr(content[:30]))
@pytest.mark.parametrize("path", TAKE_BODIES)
def test_a_body_that_is_no_object_is_refused(directory, group, machine, path, content):
    path = path.format(group=group, app=machine.app_id)
    answer = directory.graph.post(f"/v1.0{path}", version=None, data=content, headers={"Content-Type": "application/json"})
    assert refusal(answer) == (400, "BadParameter")


# Members


@pytest.mark.operation("GroupMemberAdd")
@pytest.mark.operation("GroupMemberList")
@pytest.mark.operation("GroupMemberRemove")
def test_members_are_added_listed_and_removed(server, directory, group, machine, stranger, name):
    inner = directory.group(f"{name}-inner")
    for member, collection in ((machine.object_id, "directoryObjects"), (stranger.object_id, "servicePrincipals"), (inner, "groups")):
        body = {"@odata.id": f"{graph_url(server)}/v1.0/{collection}/{member}"}
        assert directory.ask("POST", f"/groups/{group}/members/$ref", body).status_code == 204
    answer = directory.get(f"/groups/{group}/members")
    assert answer["@odata.context"] == f"{graph_url(server)}/v1.0/$metadata#directoryObjects"
    assert sorted(ids(answer["value"])) == sorted([machine.object_id, stranger.object_id, inner])
    kinds = {each["id"]: each["@odata.type"] for each in answer["value"]}
    assert kinds[inner] == "#microsoft.graph.group" and kinds[stranger.object_id] == "#microsoft.graph.servicePrincipal"
    assert directory.ask_remove(group, stranger.object_id.upper()).status_code == 204
    assert sorted(directory.members(group)) == sorted([machine.object_id, inner])


@pytest.mark.parametrize("member", ["{app_id}", NOBODY, "{tenant}"])
def test_what_is_not_in_the_directory_does_not_become_a_member(server, directory, group, machine, member):
    wanted = member.format(app_id=machine.app_id, tenant=server.tenant)
    assert refusal(directory.ask_add(group, wanted)) == (404, "Request_ResourceNotFound")
    assert directory.members(group) == []


@pytest.mark.parametrize(
    "address", ["", "x", "https://graph.example/v1.0/directoryObjects/x", None, 1, "https://graph.example/v1.0/groups/"])
def test_an_address_that_names_no_object_is_refused(directory, group, address):
    assert refusal(directory.ask("POST", f"/groups/{group}/members/$ref", {"@odata.id": address})) == (400, "BadParameter")
    assert refusal(directory.ask("POST", f"/groups/{group}/members/$ref", {"id": NOBODY})) == (400, "BadParameter")


def test_a_member_is_added_once_and_removed_once(directory, group, machine):
    directory.add(group, machine.object_id)
    again = directory.ask_add(group, machine.object_id)
    assert refusal(again) == (400, "BadParameter")
    assert again.json()["error"]["message"] == (
        "One or more added object references already exist for the following modified properties: 'members'.")
    assert directory.members(group) == [machine.object_id]
    directory.remove(group, machine.object_id)
    assert refusal(directory.ask_remove(group, machine.object_id)) == (404, "Request_ResourceNotFound")
    assert refusal(directory.ask_remove(group, "nobody")) == (404, "Request_ResourceNotFound")


# Membership


@pytest.fixture
def tree(directory, machine, name) -> list[str]:
    """Three groups; the machine is in the first, each is in the next. A fourth is apart."""
    return [*directory.chain(name, 3, machine.object_id), directory.group(f"{name}-apart")]


@pytest.mark.operation("DirectoryObjectMemberOfList")
def test_member_of_tells_the_next_groups_only(directory, machine, tree):
    assert ids(directory.items(f"/servicePrincipals/{machine.object_id}/memberOf")) == [tree[0]]
    assert ids(directory.items(f"/groups/{tree[0]}/memberOf")) == [tree[1]]
    assert directory.items(f"/groups/{tree[2]}/memberOf") == []
    directory.add(tree[3], machine.object_id)
    assert sorted(ids(directory.items(f"/servicePrincipals/{machine.object_id}/memberOf"))) == sorted([tree[0], tree[3]])


@pytest.mark.operation("DirectoryObjectGetMemberGroups")
def test_member_groups_are_all_that_contain_it(directory, machine, tree):
    body = {"securityEnabledOnly": False}
    for collection in ("servicePrincipals", "directoryObjects"):
        assert sorted(directory.post(f"/{collection}/{machine.object_id}/getMemberGroups", body)["value"]) == sorted(tree[:3])
    assert sorted(directory.post(f"/groups/{tree[0]}/getMemberGroups", body)["value"]) == sorted(tree[1:3])
    assert directory.post(f"/directoryObjects/{tree[3]}/getMemberGroups", body)["value"] == []


@pytest.mark.operation("DirectoryObjectCheckMemberGroups")
def test_of_the_groups_asked_for_those_that_contain_it_are_told(directory, machine, tree):
    def checked(who: str, groups: list[str]) -> list[str]:
        return directory.post(f"/directoryObjects/{who}/checkMemberGroups", {"groupIds": groups})["value"]

    assert checked(machine.object_id, [tree[3], tree[2], tree[0], NOBODY, "x"]) == [tree[2], tree[0]]
    assert checked(tree[1], [tree[0], tree[1], tree[2]]) == [tree[2]]
    assert checked(machine.object_id, []) == []
    for body in ({}, {"groupIds": tree[0]}, {"groupIds": [1]}):
        answer = directory.ask("POST", f"/directoryObjects/{machine.object_id}/checkMemberGroups", body)
        assert refusal(answer) == (400, "BadParameter")


@pytest.mark.parametrize("who", [NOBODY, "x", "{app_id}"])
def test_membership_of_what_is_not_there_is_not_told(directory, machine, who):
    who = who.format(app_id=machine.app_id)
    for method, path, body in (
        ("GET", f"/servicePrincipals/{who}/memberOf", None), ("GET", f"/groups/{who}/memberOf", None),
        ("POST", f"/servicePrincipals/{who}/getMemberGroups", {}), ("POST", f"/groups/{who}/getMemberGroups", {}),
        ("POST", f"/directoryObjects/{who}/getMemberGroups", {}),
        ("POST", f"/directoryObjects/{who}/checkMemberGroups", {"groupIds": []}),
    ):
        assert refusal(directory.ask(method, path, body)) == (404, "Request_ResourceNotFound"), path


# By ids


BY_TYPES = [
    (None, {"application", "machine", "group"}), (["servicePrincipal"], {"application", "machine"}), (["group"], {"group"}),
    (["GROUP", "serviceprincipal"], {"application", "machine", "group"}), (["user"], set()),
    (["user", "group", "servicePrincipal", "directoryObjectPartnerReference"], {"application", "machine", "group"}),
    (["application"], set()), (["device"], set()), ([], set()),
]


@pytest.mark.operation("DirectoryObjectsGetByIds")
@pytest.mark.parametrize(("types", "found"), BY_TYPES, ids=[str(types) for types, _ in BY_TYPES])
def test_objects_are_found_by_ids_and_types(directory, stranger, machine, group, types, found):
    known = {"application": stranger.object_id, "machine": machine.object_id, "group": group}
    body = {"ids": [NOBODY, *known.values(), stranger.app_id, "x"], **({"types": types} if types is not None else {})}
    answer = directory.post("/directoryObjects/getByIds", body)
    assert {label for label, known_id in known.items() if known_id in ids(answer["value"])} == found
    assert len(answer["value"]) == len(found)
    for each in answer["value"]:
        assert each["displayName"] and each["@odata.type"].startswith("#microsoft.graph.")


@pytest.mark.parametrize(
    "body", [{}, {"ids": "x"}, {"ids": [1]}, {"ids": [], "types": "group"}, {"ids": [NOBODY] * 1_001}], ids=lambda body: str(body)[:40])
def test_what_is_no_list_of_ids_is_refused(directory, body):
    assert refusal(directory.ask("POST", "/directoryObjects/getByIds", body)) == (400, "BadParameter")


def test_a_thousand_ids_may_be_asked_for_at_once(directory, machine):
    found = directory.post("/directoryObjects/getByIds", {"ids": [NOBODY] * 999 + [machine.object_id], "types": ["servicePrincipal"]})
    assert ids(found["value"]) == [machine.object_id]


# Federated credentials


def credential(name: str = "main", **members) -> dict:
    """Members given as None are left out."""
    usual = {"name": name, "issuer": ISSUER, "subject": f"subject of {name}", "audiences": ["api://AzureADTokenExchange"], **members}
    return {member: value for member, value in usual.items() if value is not None}


@pytest.fixture
def credentials(machine) -> str:
    return f"/applications/{machine.app_id}/federatedIdentityCredentials"


@pytest.mark.operation("FederatedCredentialCreate")
@pytest.mark.operation("FederatedCredentialGet")
@pytest.mark.operation("FederatedCredentialList")
@pytest.mark.operation("FederatedCredentialDelete")
def test_a_federated_credential_is_made_shown_and_removed(directory, machine, credentials):
    made = done(directory.ask("POST", credentials, credential(description="told")), 201)
    assert made == {"id": made["id"], **credential(description="told")} and uuid.UUID(made["id"])
    second = done(directory.ask("POST", credentials, credential("other", audiences=None)), 201)
    assert second["audiences"] == ["api://AzureADTokenExchange"] and second["description"] == ""
    for named in (made["id"], made["id"].upper(), "main"):
        assert directory.get(f"{credentials}/{named}") == made
    assert directory.items(credentials) == [made, second]
    assert directory.get(f"/applications/{machine.object_id}/federatedIdentityCredentials")["value"] == [made, second]
    assert directory.ask("DELETE", f"{credentials}/main").status_code == 204
    assert directory.items(credentials) == [second]
    assert directory.ask("DELETE", f"{credentials}/{second['id']}").status_code == 204
    for method in ("GET", "DELETE"):
        assert refusal(directory.ask(method, f"{credentials}/main")) == (404, "Request_ResourceNotFound")


BAD_CREDENTIALS = {
    "no name": {"name": None}, "empty name": {"name": ""}, "long name": {"name": "x" * 121}, "name with a slash": {"name": "a/b"},
    "name with a space": {"name": "a b"}, "name of another script": {"name": "é"}, "no issuer": {"issuer": None},
    "empty issuer": {"issuer": ""}, "issuer by http": {"issuer": "http://issuer.example"}, "issuer without a host": {"issuer": "https://"},
    "issuer with a space": {"issuer": "https://issuer .example"}, "long issuer": {"issuer": f"https://{'x' * 600}"},
    "no subject": {"subject": None}, "empty subject": {"subject": ""}, "long subject": {"subject": "x" * 601},
    "subject as a number": {"subject": 1}, "no audience": {"audiences": []}, "two audiences": {"audiences": ["a", "b"]},
    "empty audience": {"audiences": [""]}, "long audience": {"audiences": ["x" * 601]}, "audience as text": {"audiences": "a"},
    "long description": {"description": "x" * 601},
}


@pytest.mark.parametrize("changes", BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS)
def test_a_credential_that_cannot_be_is_not_made(directory, credentials, changes):
    assert refusal(directory.ask("POST", credentials, credential(**changes))) == (400, "BadParameter")
    assert directory.items(credentials) == []


@pytest.mark.parametrize("body", [credential("main", subject="other"), credential("other", subject="subject of main")])
def test_a_credential_is_made_once(directory, credentials, body):
    made = done(directory.ask("POST", credentials, credential()), 201)
    assert refusal(directory.ask("POST", credentials, body)) == (409, "Conflict")
    assert directory.items(credentials) == [made]


def test_an_application_has_twenty_credentials_and_no_more(directory, credentials):
    for number in range(20):
        done(directory.ask("POST", credentials, credential(f"c{number}")), 201)
    assert refusal(directory.ask("POST", credentials, credential("one-more"))) == (400, "BadParameter")
    assert len(directory.items(credentials)) == 20


def test_credentials_of_what_is_not_there_are_not_found(directory, group):
    for who in (NOBODY, "x", group):
        path = f"/applications/{who}/federatedIdentityCredentials"
        for method, rest, body in (("GET", "", None), ("POST", "", credential()), ("GET", "/main", None), ("DELETE", "/main", None)):
            assert refusal(directory.ask(method, path + rest, body)) == (404, "Request_ResourceNotFound"), (method, path)


@pytest.mark.parametrize("path", ["/servicePrincipals/{}", "/applications/{}", "/groups/{}", "/groups/{}/members"])
@pytest.mark.parametrize("wanted", [NOBODY, "x", "%20", "'x'", "11111111111141118111111111111111"])
def test_what_is_not_there_is_not_found(directory, path, wanted):
    assert refusal(directory.ask("GET", path.format(wanted))) == (404, "Request_ResourceNotFound")


def test_an_object_of_another_kind_is_not_found(directory, machine, group):
    for path in (f"/groups/{machine.object_id}", f"/servicePrincipals/{group}", f"/servicePrincipals/{machine.app_id}", f"/users/{group}"):
        assert refusal(directory.ask("GET", path)) == (404, "Request_ResourceNotFound"), path


# Who may


READS = [
    ("GET", "/servicePrincipals", None), ("GET", "/servicePrincipals/{machine}", None), ("GET", "/applications", None),
    ("GET", "/applications/{app}", None), ("GET", "/users", None), ("GET", "/groups", None), ("GET", "/groups/{group}", None),
    ("GET", "/groups/{group}/members", None), ("POST", "/directoryObjects/getByIds", {"ids": []}),
    ("GET", "/servicePrincipals/{machine}/memberOf", None), ("GET", "/groups/{group}/memberOf", None),
    ("POST", "/servicePrincipals/{machine}/getMemberGroups", {}), ("POST", "/groups/{group}/getMemberGroups", {}),
    ("POST", "/directoryObjects/{machine}/getMemberGroups", {}),
    ("POST", "/directoryObjects/{machine}/checkMemberGroups", {"groupIds": []}),
    ("GET", "/applications/{app}/federatedIdentityCredentials", None),
    ("GET", "/applications/{app}/federatedIdentityCredentials/main", None),
]
# In this order each can be done, and leaves nothing behind.
WRITES = [
    ("POST", "/groups", {"displayName": "made by a role"}), ("PATCH", "/groups/{group}", {"description": "changed"}),
    ("POST", "/groups/{group}/members/$ref", {"@odata.id": "{machine}"}), ("DELETE", "/groups/{group}/members/{machine}/$ref", None),
    ("POST", "/applications/{app}/federatedIdentityCredentials", credential("second")),
    ("DELETE", "/applications/{app}/federatedIdentityCredentials/second", None), ("DELETE", "/groups/{group}", None),
]
ROLES = {"reader": READER, "administrator": ACCESS_ADMINISTRATOR, "contributor": CONTRIBUTOR}


@pytest.fixture(scope="module")
def holders(server, cli, directory) -> dict[str, Application]:
    """Applications by the role that they hold in the subscription; `below` owns the resource group, `nobody` has none."""
    made = {label: cli.create_application(f"graph-{label}") for label in (*ROLES, "below", "nobody")}
    for label, role in ROLES.items():
        directory.assign(role, made[label].object_id, server.subscription_scope)
    directory.assign(OWNER, made["below"].object_id, server.group_scope)
    return made


@pytest.fixture
def objects(directory, machine, group, credentials) -> dict[str, str]:
    done(directory.ask("POST", credentials, credential()), 201)
    return {"machine": machine.object_id, "app": machine.app_id, "group": group}


def call(who: Directory, objects: dict[str, str], method: str, path: str, body):
    sent = json.loads(json.dumps(body).replace("{machine}", objects["machine"])) if body is not None else None
    return who.ask(method, path.format(**objects), sent)


@pytest.mark.parametrize(
    ("label", "reads", "writes"),
    [("reader", True, False), ("administrator", True, True)] + [(label, False, False) for label in ("contributor", "below", "nobody")])
def test_a_role_lets_read_or_write_the_directory(server, holders, objects, label, reads, writes):
    who = Directory.of(server, holders[label])
    before = Directory.of(server).get(f"/groups/{objects['group']}")
    for allowed, calls, action in ((reads, READS, "read"), (writes, WRITES, "")):
        for method, path, body in calls:
            answer = call(who, objects, method, path, body)
            if allowed:
                assert answer.status_code in (200, 201, 204), f"{method} {path}: {answer.text}"
                continue
            assert refusal(answer) == (403, "AuthorizationFailed"), f"{method} {path}"
            told = answer.json()["error"]["message"]
            assert holders[label].app_id in told and f"'Strongroom/{'users' if path.startswith('/users') else 'applications'}/{action}" in told, told
    if not writes:
        assert Directory.of(server).get(f"/groups/{objects['group']}") == before
    assert who.get("/me")["appId"] == holders[label].app_id


def test_who_may_not_is_not_told_what_is_there(server, holders, objects):
    who = Directory.of(server, holders["nobody"])
    for path in ("/groups/{}", "/servicePrincipals/{}", "/applications/{}"):
        there, absent = (who.ask("GET", path.format(wanted)) for wanted in (objects["group"], NOBODY))
        assert there.status_code == absent.status_code == 403 and there.json() == absent.json()


@pytest.mark.parametrize(
    ("method", "path", "body"), [*READS, *WRITES, ("GET", "/me", None), ("GET", "/nothing", None)], ids=lambda part: str(part)[:50])
def test_without_a_token_there_is_a_challenge_only(server, directory, objects, method, path, body):
    nameless = Directory(Wire(graph_url(server), server.bundle), directory.management)
    answer = call(nameless, objects, method, path, body)
    assert refusal(answer) == (401, "Unauthorized")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer authorization="{server.login}/{server.tenant}", resource="{graph_url(server)}"')


def test_tokens_for_others_open_nothing_and_its_own_open_nothing_else(server, directory):
    arm = server.client_env["ARM_URL"].rstrip("/")
    for resource in (server.vault_resource, arm, f"https://managedhsm.localhost:{server.port}"):
        wire = Wire(graph_url(server), server.bundle, server.token(resource=resource))
        assert refusal(wire.get("/v1.0/me", version=None)) == (401, "Unauthorized")
    own = directory.graph.token
    assert server.wire_with(own).get("/secrets").status_code == 401
    assert Wire(arm, server.bundle, own).get("/subscriptions", version="2022-12-01").status_code == 401


@pytest.mark.parametrize("resource", ["{}", "{}/", "https://graph.microsoft.com", "https://graph.microsoft.com/"])
def test_every_name_of_the_directory_will_do(server, resource):
    token = server.fresh_token(resource=resource.format(graph_url(server)))
    assert Wire(graph_url(server), server.bundle, token).get("/v1.0/me", version=None).status_code == 200


# The rest of the host


ELSEWHERE = [
    "/v1.0", "/", "/beta/groups", "/v1.0/devices", "/v1.0/me/ownedObjects", "/v1.0/groups/{group}/owners",
    "/v1.0/directoryObjects/{group}", "/strongroom/applications", "/secrets",
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_graph_does_not_have_here_is_not_found(directory, group, path):
    answer = directory.graph.get(path.format(group=group), version=None)
    assert refusal(answer) == (404, "NotFound")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/applications", "GET"), ("POST", "/servicePrincipals", "GET"), ("PUT", "/groups", "GET, POST"),
     ("DELETE", "/applications/{app}", "GET"), ("PATCH", "/applications/{app}", "GET"),
     ("PATCH", "/applications/{app}/federatedIdentityCredentials/main", "GET, DELETE"), ("GET", "/directoryObjects/getByIds", "POST")])
def test_a_method_that_is_not_there_is_refused_with_those_that_are(directory, machine, method, path, allowed):
    answer = directory.ask(method, path.format(app=machine.app_id), {})
    assert refusal(answer) == (405, "MethodNotAllowed")
    assert sorted(answer.headers["Allow"].split(", ")) == sorted(allowed.split(", "))


def test_a_body_that_is_too_long_is_refused(directory):
    answer = directory.ask("POST", "/groups", {"displayName": "x", "description": "x" * (2 << 20)})
    assert answer.status_code == 413


def test_the_directory_is_on_its_own_host(server):
    arm = server.management()
    assert arm.get("/v1.0/groups", version=None).status_code == 404
    assert server.wire().get("/v1.0/groups", version=None).status_code == 404
    metadata = requests.get(f"{arm.base}/metadata/endpoints?api-version=2022-09-01", verify=server.bundle, timeout=30).json()
    assert metadata["microsoftGraphResourceId"].rstrip("/") == graph_url(server)


# The log


def test_the_log_names_what_was_changed(directory, cli, machine, credentials, name):
    begin = audit.now()
    group = directory.group(name)
    directory.add(group, machine.object_id)
    directory.remove(group, machine.object_id)
    directory.ask("PATCH", f"/groups/{group}", {"description": "x"})
    done(directory.ask("POST", credentials, credential()), 201)
    done(directory.ask("DELETE", f"{credentials}/main"), 204)
    directory.delete_group(group)
    directory.ask("DELETE", f"/groups/{group}")
    told = [
        (each["operationName"], each["properties"].get("id"), each["properties"]["httpStatusCode"])
        for each in audit.records(cli, since=begin)
        if each["operationName"].startswith(("Group", "Federated"))
    ]
    at, app = f"/strongroom/groups/{group}", f"/strongroom/applications/{machine.app_id}"
    assert told[:-1] == [
        ("GroupCreate", at, 201), ("GroupMemberAdd", f"{at}/members/{machine.object_id}", 204),
        ("GroupMemberRemove", f"{at}/members/{machine.object_id}", 204), ("GroupUpdate", at, 204),
        ("FederatedCredentialCreate", app, 201), ("FederatedCredentialDelete", app, 204), ("GroupDelete", at, 204),
    ]
    assert (told[-1][0], told[-1][2]) == ("GroupDelete", 404)
