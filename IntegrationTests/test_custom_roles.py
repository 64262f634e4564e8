"""Roles that somebody made, on the management plane: written, given and taken away with the unmodified client, in effect at once."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.models import Permission, RoleAssignmentCreateParameters, RoleDefinition

from harness import audit, secret_calls
from harness.application import Application
from harness.clients import credential_for
from harness.hsm_pool import pool_wire
from harness.keys_wire import Keys
from harness.tokens import claims_of
from harness.wire import Wire

VERSION = "2022-04-01"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
POOL_CRYPTO_USER = "21dbd100-6940-42c2-9190-5d6cb909625b"
VAULTS = "Microsoft.KeyVault/vaults"
READ, WRITE_ROLES = f"{VAULTS}/secrets/getSecret/action", "Microsoft.Authorization/roleDefinitions/write"


# Clients


def client_for(server, application: Application | None = None) -> AuthorizationManagementClient:
    arm = server.client_env["ARM_URL"].rstrip("/")
    return AuthorizationManagementClient(
        credential_for(server, application), server.client_env["AZURE_SUBSCRIPTION_ID"], base_url=arm,
        credential_scopes=[f"{arm}/.default"], connection_verify=server.bundle,
    )


@pytest.fixture(scope="module")
def client(server):
    with client_for(server) as made:
        yield made


@pytest.fixture(scope="module")
def definitions(client):
    return client.role_definitions


@pytest.fixture(scope="module")
def arm(server) -> Wire:
    return server.management()


@pytest.fixture
def fresh() -> str:
    return str(uuid.uuid4())


# What is written


def role(name: str, *scopes: str, description: str | None = None, **lists: list[str]) -> RoleDefinition:
    """A role as the client writes it; without lists it lets one read secrets."""
    permission = Permission(**(lists or {"data_actions": [READ]}))
    return RoleDefinition(
        role_name=name, description=description, role_type="CustomRole", permissions=[permission], assignable_scopes=list(scopes))


def path_of(scope: str, guid: str = "") -> str:
    return f"{scope}/providers/Microsoft.Authorization/roleDefinitions" + (f"/{guid}" if guid else "")


def assignment(scope: str, guid: str) -> str:
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments/{guid}"


def body(scope: str, name: str, **changes) -> dict:
    """The same on the wire."""
    properties = {"roleName": name, "permissions": [{"dataActions": [READ]}], "assignableScopes": [scope], **changes}
    return {"properties": properties}


@pytest.fixture
def make(definitions, server, name):
    """Writes a role for the resource group, under the test's name unless said otherwise."""

    def write(*scopes: str, role_name: str | None = None, guid: str | None = None, **lists):
        wanted = role(role_name or name, *(scopes or [server.group_scope]), **lists)
        return definitions.create_or_update(server.group_scope, guid or str(uuid.uuid4()), wanted)

    return write


@pytest.fixture
def give(client, server, stranger):
    """Assigns a role, to the stranger and on the vault `demo` unless said otherwise."""

    def assign(made, scope: str | None = None, application: Application | None = None):
        wanted = RoleAssignmentCreateParameters(
            role_definition_id=made.id, principal_id=(application or stranger).object_id, principal_type="ServicePrincipal")
        return client.role_assignments.create(scope or server.vault_scope(), str(uuid.uuid4()), wanted)

    return assign


@pytest.fixture
def theirs(server, stranger) -> Wire:
    """Calls of the stranger to the vault `demo`."""
    return server.wire(application=stranger)


def members(made) -> dict:
    permission = {key: value for key, value in made.permissions[0].as_dict().items() if value}
    return {**made.as_dict(), "permissions": [permission]}


def assert_refused(failure, status: int, code: str) -> None:
    assert (failure.value.status_code, failure.value.error.code) == (status, code), failure.value


def assert_answer(answer, status: int, code: str) -> None:
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert answer.json()["error"]["code"] == code, answer.text


# The life of a role


@pytest.mark.operation("RoleDefinitionPut")
@pytest.mark.operation("RoleDefinitionGet")
@pytest.mark.operation("RoleDefinitionList")
@pytest.mark.operation("RoleDefinitionDelete")
def test_a_role_is_made_read_listed_changed_and_deleted(server, definitions, name, fresh):
    scope = server.group_scope
    lists = {
        "actions": [f"{VAULTS}/read"], "not_actions": [f"{VAULTS}/write"], "data_actions": [f"{VAULTS}/secrets/*"],
        "not_data_actions": [READ],
    }
    made = definitions.create_or_update(scope, fresh, role(name, scope, server.vault_scope("other"), description="What for", **lists))
    assert members(made) == {
        "id": path_of(server.subscription_scope, fresh), "name": fresh, "type": "Microsoft.Authorization/roleDefinitions",
        "role_name": name, "description": "What for", "role_type": "CustomRole", "permissions": [lists],
        "assignable_scopes": [scope, server.vault_scope("other")],
    }
    assert definitions.get(scope, fresh) == made
    assert definitions.get_by_id(made.id) == made
    assert [each for each in definitions.list(scope) if each.name == fresh] == [made]

    changed = definitions.create_or_update(scope, fresh, role(f"{name}-2", scope))
    assert changed != made and changed.description == ""
    assert (changed.role_name, changed.assignable_scopes) == (f"{name}-2", [scope])
    assert members(changed)["permissions"] == [{"data_actions": [READ]}]
    assert [each for each in definitions.list(scope) if each.role_name in (name, f"{name}-2")] == [changed]

    assert definitions.delete(scope, fresh) == changed
    with pytest.raises(ResourceNotFoundError):
        definitions.get(scope, fresh)
    assert fresh not in [each.name for each in definitions.list(scope)]


async def test_the_asynchronous_client_does_the_same(server, acredential, stranger, theirs, wire, name, fresh):
    from azure.mgmt.authorization.aio import AuthorizationManagementClient as AsyncClient

    wire.set_secret(name)
    arm, scope = server.client_env["ARM_URL"].rstrip("/"), server.group_scope
    async with AsyncClient(
        acredential, server.client_env["AZURE_SUBSCRIPTION_ID"], base_url=arm, credential_scopes=[f"{arm}/.default"]
    ) as client:
        definitions = client.role_definitions
        made = await definitions.create_or_update(scope, fresh, role(name, scope))
        assert (made.name, made.role_name, made.role_type) == (fresh, name, "CustomRole")
        assert [each async for each in definitions.list(scope, filter=f"roleName eq '{name}'")] == [made]
        given = await client.role_assignments.create(
            scope, str(uuid.uuid4()), {"role_definition_id": made.id, "principal_id": stranger.object_id})
        assert theirs.get(f"/secrets/{name}").status_code == 200
        changed = await definitions.create_or_update(scope, fresh, role(name, scope, data_actions=[f"{VAULTS}/secrets/delete"]))
        assert await definitions.get(scope, fresh) == changed != made
        assert theirs.get(f"/secrets/{name}").status_code == 403
        with pytest.raises(HttpResponseError) as failure:
            await definitions.delete(scope, fresh)
        assert failure.value.status_code == 400
        await client.role_assignments.delete_by_id(given.id)
        assert await definitions.delete(scope, fresh) == changed
        with pytest.raises(ResourceNotFoundError):
            await definitions.get(scope, fresh)


def test_a_role_is_found_from_every_scope_and_by_a_guid_in_any_case(server, arm, make, name):
    made = make()
    answers = [
        arm.get(path_of(scope, made.name.upper()), version=VERSION)
        for scope in ("", server.subscription_scope, server.group_scope, server.vault_scope())
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.json()["id"] for answer in answers} == {made.id}
    again = arm.put(path_of(server.group_scope, made.name.upper()), version=VERSION, json=body(server.group_scope, f"{name}-2"))
    assert (again.status_code, again.json()["name"]) == (201, made.name)


def test_a_role_has_the_shape_of_the_interface(server, arm, fresh, name):
    answer = arm.put(path_of(server.group_scope, fresh), version=VERSION, json=body(server.group_scope, name))
    assert (answer.status_code, answer.json()) == (201, {
        "id": path_of(server.subscription_scope, fresh), "name": fresh, "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": name, "type": "CustomRole", "description": "", "assignableScopes": [server.group_scope],
            "permissions": [{"actions": [], "notActions": [], "dataActions": [READ], "notDataActions": []}],
        },
    })
    assert arm.get(path_of(server.group_scope, fresh), version=VERSION).json() == answer.json()


def test_a_role_that_does_not_exist_is_not_found(definitions, server, fresh):
    with pytest.raises(ResourceNotFoundError):
        definitions.get(server.group_scope, fresh)


def test_a_role_that_does_not_exist_is_deleted_with_204(definitions, arm, server, fresh):
    """As the interface says: "Role definition already deleted or does not exist"."""
    assert arm.delete(path_of(server.group_scope, fresh), version=VERSION).status_code == 204
    assert definitions.delete(server.group_scope, fresh) is None


# Lists


def test_a_list_is_filtered_by_name_in_any_case(definitions, server, make, name):
    made = make()
    make(role_name=f"{name}-longer")
    for text in (name, name.upper()):
        assert list(definitions.list(server.group_scope, filter=f"roleName eq '{text}'")) == [made]
    assert list(definitions.list(server.group_scope, filter=f"roleName eq '{name[:-1]}'")) == []


def test_a_list_is_filtered_by_type(definitions, server, make):
    made = make()
    custom = list(definitions.list(server.group_scope, filter="type eq 'CustomRole'"))
    built_in = list(definitions.list(server.group_scope, filter="type eq 'BuiltInRole'"))
    assert made in custom and {each.role_type for each in custom} == {"CustomRole"}
    assert SECRETS_USER in [each.name for each in built_in] and {each.role_type for each in built_in} == {"BuiltInRole"}


@pytest.mark.parametrize(("kind", "count"), [("CustomRole", 1), ("customrole", 1), ("BuiltInRole", 0)])
def test_conditions_of_a_filter_add_up(definitions, server, make, name, kind, count):
    made = make()
    found = list(definitions.list(server.group_scope, filter=f"roleName eq '{name}' and type eq '{kind}'"))
    assert found == [made] * count


def test_at_scope_and_below_has_both_kinds(definitions, server, make):
    made = make()
    found = list(definitions.list(server.subscription_scope, filter="atScopeAndBelow()"))
    assert made in found and SECRETS_USER in [each.name for each in found]


def test_a_name_with_an_apostrophe_is_found(definitions, server, make, name):
    """OData writes it twice."""
    made = make(role_name=f"{name} of O'Brien's")
    assert list(definitions.list(server.group_scope, filter=f"roleName eq '{name} of O''Brien''s'")) == [made]


def test_a_list_has_what_applies_at_its_scope_and_above(definitions, server, make):
    """As the interface says: "applicable at scope and above"; with the filter, below too."""
    made = make(server.vault_scope("other"))

    def listed(scope: str, **options) -> bool:
        return made.name in [each.name for each in definitions.list(scope, **options)]

    assert listed(server.vault_scope("other")) and listed(server.vault_scope("other") + "/secrets/any")
    assert listed(server.group_scope, filter="atScopeAndBelow()")
    assert not listed(server.vault_scope("demo"))
    assert not listed(server.group_scope)


@pytest.mark.parametrize("text", ["permissions", "type eq CustomRole", "type ne 'CustomRole'", "roleName eq 'a' or type eq 'b'"])
def test_a_filter_that_is_not_understood_is_refused(definitions, server, text):
    with pytest.raises(HttpResponseError) as failure:
        list(definitions.list(server.group_scope, filter=text))
    assert_refused(failure, 400, "BadParameter")


# What a role opens

EVERYTHING = {call.action for call in secret_calls.ALL}
OPENS = {
    "all but two": (
        {"data_actions": [f"{VAULTS}/secrets/*"], "not_data_actions": [READ, f"{VAULTS}/secrets/purge/action"]},
        EVERYTHING - {"getSecret/action", "purge/action"},
    ),
    "stars in any case": (
        {"data_actions": ["microsoft.keyvault/VAULTS/*/action"], "not_data_actions": ["*/set*", "*RECOVER/action"]},
        EVERYTHING - {"delete", "setSecret/action", "recover/action"},
    ),
    "two lists": ({"data_actions": [READ, f"{VAULTS}/secrets/delete", f"{VAULTS}/keys/*"]}, {"getSecret/action", "delete"}),
    "every data action": ({"data_actions": ["*"]}, EVERYTHING),
    "every data action, taken back": ({"data_actions": ["*"], "not_data_actions": [f"{VAULTS}/*"]}, set()),
    "every other action": ({"actions": ["*"]}, set()),
    "actions are not taken back by data actions": ({"actions": ["*"], "data_actions": [READ], "not_actions": ["*"]}, {"getSecret/action"}),
    "what is not of vaults": ({"data_actions": ["Microsoft.KeyVault/managedHsm/*", "Microsoft.Storage/*"]}, set()),
}


@pytest.fixture(scope="module")
def holders(server, cli, client, definitions) -> dict[str, Application]:
    """An application for each of these roles, which it has on the vault `demo`."""
    made = {}
    for number, (label, (lists, _)) in enumerate(OPENS.items()):
        made[label] = cli.create_application(f"holder-{number}-{uuid.uuid4().hex[:8]}")
        written = definitions.create_or_update(
            server.group_scope, str(uuid.uuid4()), role(f"{label} {uuid.uuid4().hex[:8]}", server.group_scope, **lists))
        wanted = RoleAssignmentCreateParameters(role_definition_id=written.id, principal_id=made[label].object_id)
        client.role_assignments.create(server.vault_scope(), str(uuid.uuid4()), wanted)
    return made


@pytest.mark.parametrize("call", secret_calls.ALL, ids=str)
@pytest.mark.parametrize("label", OPENS)
def test_a_role_opens_its_data_actions_less_those_it_takes_back(server, wire, holders, name, label, call):
    needed = call.prepare(wire, name)
    answer = call.make(server.wire(application=holders[label]), name, needed)
    if call.action in OPENS[label][1]:
        assert answer.status_code < 300, answer.text
    else:
        assert_answer(answer, 403, "Forbidden")


def test_a_role_reaches_no_further_than_its_assignment(server, make, give, stranger, name):
    for vault in ("demo", "other"):
        server.wire(vault).set_secret(name)
        server.wire(vault).set_secret(f"{name}-2")

    def readable() -> list[int]:
        return [
            server.wire(vault, stranger).get(f"/secrets/{each}").status_code
            for vault in ("demo", "other") for each in (name, f"{name}-2")
        ]

    made = make()
    give(made, f"{server.vault_scope()}/secrets/{name}")
    assert readable() == [200, 403, 403, 403]
    give(made, server.vault_scope("other"))
    assert readable() == [200, 403, 200, 200]
    give(made, server.group_scope)
    assert readable() == [200] * 4


def test_what_one_role_takes_back_another_may_give(wire, make, give, theirs, name):
    wire.set_secret(name)
    give(make(role_name=f"{name}-1", data_actions=[f"{VAULTS}/secrets/*"], not_data_actions=[READ]))
    assert theirs.get(f"/secrets/{name}").status_code == 403
    give(make(role_name=f"{name}-2"))
    assert theirs.get(f"/secrets/{name}").status_code == 200


def test_a_role_opens_one_operation_on_keys(server, wire, make, give, stranger, name):
    key = Keys(wire).create(name, "EC", crv="P-256")
    give(make(data_actions=[f"{VAULTS}/keys/sign/action"]))
    own = Keys(server.wire(application=stranger))
    assert own.ask("sign", key, "ES256", bytes(32)).status_code == 200
    assert_answer(own.ask_verify(key, "ES256", bytes(32), bytes(64)), 403, "Forbidden")
    assert_answer(own.wire.get(f"/keys/{name}"), 403, "Forbidden")


def test_a_role_opens_its_actions_of_management_less_those_it_takes_back(server, make, give, stranger, theirs, wire, name):
    wire.set_secret(name)
    given = give(make(
        actions=["Microsoft.Authorization/roleAssignments/*", f"{VAULTS}/read"], not_actions=["*/roleAssignments/Write"],
        data_actions=[f"{VAULTS}/secrets/delete"],
    ))
    own = server.management(stranger)
    assert own.get(server.vault_scope(), version=VERSION).json()["name"] == "demo"
    assert_answer(own.get(server.vault_scope("other"), version=VERSION), 403, "AuthorizationFailed")
    wanted = {"properties": {"roleDefinitionId": SECRETS_USER, "principalId": stranger.object_id}}
    path = assignment(server.vault_scope(), str(uuid.uuid4()))
    assert_answer(own.put(path, version=VERSION, json=wanted), 403, "AuthorizationFailed")
    assert_answer(theirs.get(f"/secrets/{name}"), 403, "Forbidden")
    assert own.get(given.id, version=VERSION).json()["name"] == given.name
    assert own.delete(given.id, version=VERSION).status_code == 200
    assert_answer(own.get(given.id, version=VERSION), 403, "AuthorizationFailed")


def test_a_role_of_everything_opens_no_pool(server, make, give, stranger):
    give(make(server.subscription_scope, actions=["*"], data_actions=["*"]), server.subscription_scope)
    assert server.wire("other", stranger).get("/secrets").status_code == 200
    for path in ("/keys", "/providers/Microsoft.Authorization/roleDefinitions"):
        assert_answer(pool_wire(server, stranger).get(path), 403, "Forbidden")


# Where it may be assigned


def test_a_role_is_assigned_within_its_scopes_only(server, make, give, name):
    made = make(server.vault_scope("demo").upper(), f"{server.vault_scope('other')}/secrets/{name}")
    for scope in (server.vault_scope("demo"), f"{server.vault_scope('demo')}/keys/any", f"{server.vault_scope('other')}/secrets/{name}"):
        assert give(made, scope).scope == scope
    for scope in (
        server.subscription_scope, server.group_scope, server.vault_scope("demo2"), server.vault_scope("other"),
        f"{server.vault_scope('other')}/secrets/{name}-2", f"{server.vault_scope('other')}/keys/{name}",
    ):
        with pytest.raises(HttpResponseError) as failure:
            give(made, scope)
        assert_refused(failure, 400, "BadParameter")


def test_a_role_that_is_assigned_keeps_the_scopes_it_is_assigned_at(server, definitions, make, give, theirs, wire, name):
    wire.set_secret(name)
    made = make()
    give(made)
    with pytest.raises(HttpResponseError) as failure:
        definitions.create_or_update(server.group_scope, made.name, role(name, server.vault_scope("other")))
    assert_refused(failure, 400, "BadParameter")
    assert server.vault_scope() in failure.value.message
    assert definitions.get(server.group_scope, made.name) == made
    assert theirs.get(f"/secrets/{name}").status_code == 200
    narrower = definitions.create_or_update(server.group_scope, made.name, role(name, server.vault_scope()))
    assert narrower.assignable_scopes == [server.vault_scope()]


def test_a_role_that_was_deleted_cannot_be_assigned(definitions, server, make, give):
    made = make()
    definitions.delete(server.group_scope, made.name)
    with pytest.raises(ResourceNotFoundError):
        give(made)


# At once


def test_a_change_is_in_effect_with_the_next_request(server, definitions, make, give, wire, stranger, name):
    wire.set_secret(name)
    made = make(data_actions=[f"{VAULTS}/secrets/delete"])
    give(made)
    # Each may be served by another thread.
    connections = [server.wire(application=stranger) for _ in range(4)]
    for lists, status in [
        ({"data_actions": [READ]}, 200),
        ({"data_actions": ["*"], "not_data_actions": [READ]}, 403),
        ({"data_actions": ["*"]}, 200),
        ({"actions": ["*"]}, 403),
    ]:
        definitions.create_or_update(server.group_scope, made.name, role(name, server.group_scope, **lists))
        assert {connection.get(f"/secrets/{name}").status_code for connection in connections} == {status}


def test_deletion_waits_for_the_end_of_the_last_assignment(server, client, definitions, make, give, wire, theirs, name):
    wire.set_secret(name)
    made = make()
    given = [give(made), give(made, server.group_scope)]
    for each in given:
        with pytest.raises(HttpResponseError) as failure:
            definitions.delete(server.group_scope, made.name)
        assert failure.value.status_code == 400 and "RoleDefinitionHasAssignments" in failure.value.message
        assert definitions.get(server.group_scope, made.name) == made
        assert theirs.get(f"/secrets/{name}").status_code == 200
        client.role_assignments.delete_by_id(each.id)
    assert theirs.get(f"/secrets/{name}").status_code == 403
    assert definitions.delete(server.group_scope, made.name) == made


def test_the_refusal_to_delete_has_the_code_that_clients_know(server, definitions, make, give):
    made = make()
    give(made)
    with pytest.raises(HttpResponseError) as failure:
        definitions.delete(server.group_scope, made.name)
    assert_refused(failure, 400, "RoleDefinitionHasAssignments")


def test_a_role_made_anew_under_the_same_guid_is_held_by_nobody(server, client, definitions, make, give, wire, theirs, name):
    wire.set_secret(name)
    made = make()
    client.role_assignments.delete_by_id(give(made).id)
    definitions.delete(server.group_scope, made.name)
    make(guid=made.name)
    assert theirs.get(f"/secrets/{name}").status_code == 403


# Names


def test_a_name_that_is_taken_is_refused_in_any_case(server, definitions, make, name):
    made = make()
    for text in (name, name.upper()):
        with pytest.raises(ResourceExistsError) as failure:
            make(role_name=text)
        assert failure.value.status_code == 409
    other = make(role_name=f"{name}-2")
    with pytest.raises(ResourceExistsError):
        make(guid=other.name)
    assert definitions.get(server.group_scope, other.name) == other
    assert make(guid=made.name, role_name=name.upper()).role_name == name.upper()


def test_the_refusal_of_a_name_has_the_code_that_clients_know(make):
    make()
    with pytest.raises(ResourceExistsError) as failure:
        make()
    assert_refused(failure, 409, "RoleDefinitionWithSameNameExists")


@pytest.mark.parametrize("text", ["Owner", "key vault secrets user"])
def test_the_name_of_a_built_in_role_is_taken(make, text):
    with pytest.raises(ResourceExistsError):
        make(role_name=text)


def test_a_name_is_free_again_after_a_change_and_after_deletion(server, definitions, make, name):
    first = make()
    make(guid=first.name, role_name=f"{name}-2")
    second = make()
    definitions.delete(server.group_scope, second.name)
    assert make().role_name == name


# Bad input

FOREIGN = "/subscriptions/5f1c8f14-9a4a-4a56-8d0b-6a3c1b7e2d90"
WRONG = {
    "no name": ({"roleName": None}, "roleName"),
    "empty name": ({"roleName": ""}, "roleName"),
    "long name": ({"roleName": "x" * 129}, "roleName"),
    "control character in name": ({"roleName": "a\nb"}, "roleName"),
    "number for name": ({"roleName": 5}, "roleName"),
    "long description": ({"description": "x" * 1_025}, "description"),
    "built-in type": ({"type": "BuiltInRole"}, "type"),
    "no permissions": ({"permissions": None}, "permissions"),
    "empty permissions": ({"permissions": []}, "permissions"),
    "two permissions": ({"permissions": [{"actions": ["a/b"]}] * 2}, "permissions"),
    "text for permissions": ({"permissions": "*"}, "permissions"),
    "text for actions": ({"permissions": [{"actions": "*"}]}, "permissions"),
    "nothing allowed": ({"permissions": [{}]}, "permissions"),
    "only taken back": ({"permissions": [{"notActions": ["a/b"], "notDataActions": ["a/b"]}]}, "permissions"),
    "too many": ({"permissions": [{"dataActions": ["a/b"] * 1_001}]}, "permissions.dataActions"),
    **{
        f"{member} {label}": ({"permissions": [{"dataActions": ["a/b"], member: [text]}]}, f"permissions.{member}")
        for member in ("actions", "notActions", "dataActions", "notDataActions")
        for label, text in [
            ("of one word", "getSecret"), ("with space", "a/b c"), ("with question mark", "a/b?"), ("empty", ""),
            ("with umlaut", "a/\u00e4"), ("too long", "a/" + "x" * 255),
        ]
    },
    "no scopes": ({"assignableScopes": None}, "assignableScopes"),
    "empty scopes": ({"assignableScopes": []}, "assignableScopes"),
    "too many scopes": ({"assignableScopes": [FOREIGN] * 101}, "assignableScopes"),
    **{
        f"scope {text}": ({"assignableScopes": [text]}, "assignableScopes")
        for text in ("", "/", FOREIGN, "somewhere", "/subscriptions/x/../y", "/providers/Microsoft.Management/managementGroups/all")
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_role_is_refused_and_not_made(server, arm, name, fresh, case):
    changes, member = WRONG[case]
    wrong = body(server.group_scope, name, **changes)
    answer = arm.put(path_of(server.group_scope, fresh), version=VERSION, json=wrong)
    assert_answer(answer, 400, "BadParameter")
    assert f"'properties.{member}" in answer.json()["error"]["message"]
    assert arm.get(path_of(server.group_scope, fresh), version=VERSION).status_code == 404


@pytest.mark.parametrize("place", ["a pool", "the keys of a pool", "a scope beside a good one", "a longer subscription", "another level"])
def test_scopes_outside_are_refused(server, arm, name, fresh, place):
    scopes = {
        "a pool": [f"{server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/demohsm"],
        "the keys of a pool": [f"{server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/demohsm/keys"],
        "a scope beside a good one": [server.group_scope, FOREIGN],
        "a longer subscription": [f"{server.subscription_scope}0"],
        "another level": [f"{server.vault_scope()}/secrets"],
    }[place]
    answer = arm.put(
        path_of(server.group_scope, fresh), version=VERSION, json=body(server.group_scope, name, assignableScopes=scopes))
    assert_answer(answer, 400, "BadParameter")
    assert "'properties.assignableScopes'" in answer.json()["error"]["message"]
    assert arm.get(path_of(server.group_scope, fresh), version=VERSION).status_code == 404


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"{}", b'{"properties":null}', b'{"properties":[]}', b'"role"'], ids=str)
def test_a_body_that_is_no_role_is_refused(server, arm, fresh, sent):
    assert_answer(arm.put(path_of(server.group_scope, fresh), version=VERSION, data=sent), 400, "BadParameter")


def test_the_name_of_a_role_in_the_path_is_a_guid(server, arm, name):
    for guid in ("my-role", "{" + str(uuid.uuid4()) + "}", uuid.uuid4().hex):
        answer = arm.put(path_of(server.group_scope, guid), version=VERSION, json=body(server.group_scope, name))
        assert_answer(answer, 400, "BadParameter")


def test_an_api_version_is_required(server, arm, fresh, name):
    answer = arm.put(path_of(server.group_scope, fresh), version=None, json=body(server.group_scope, name))
    assert_answer(answer, 400, "InvalidApiVersionParameter")
    assert "api-version" in answer.json()["error"]["message"]


def test_another_subscription_has_no_roles(arm, server, fresh, name):
    answer = arm.put(path_of(FOREIGN, fresh), version=VERSION, json=body(server.group_scope, name))
    assert answer.status_code in (403, 404), answer.text
    assert arm.get(path_of(server.group_scope, fresh), version=VERSION).status_code == 404


def test_what_is_just_allowed_is_taken(server, definitions, fresh, name):
    full = f"{name} ".ljust(128, "\u00e9")
    scopes = [f"{server.vault_scope()}/secrets/s{number}" for number in range(100)]
    actions = [f"a/{number}" for number in range(999)] + ["a/" + "x" * 254]
    made = definitions.create_or_update(
        server.group_scope, fresh, role(full, *scopes, description="\u00e9" * 1_024, data_actions=actions))
    assert definitions.get(server.group_scope, fresh) == made
    assert (made.role_name, made.assignable_scopes) == (full, scopes)
    assert made.permissions[0].data_actions == actions


# Built-in roles


@pytest.mark.parametrize("guid", [SECRETS_USER, SECRETS_USER.upper(), "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", POOL_CRYPTO_USER])
def test_a_built_in_role_cannot_be_written(server, definitions, name, guid):
    with pytest.raises(HttpResponseError) as failure:
        definitions.create_or_update(server.group_scope, guid, role(name, server.group_scope, data_actions=["*"]))
    assert_refused(failure, 403, "AuthorizationFailed")
    assert list(definitions.list(server.group_scope, filter=f"roleName eq '{name}'")) == []


def test_a_built_in_role_cannot_be_deleted(server, definitions):
    before = definitions.get(server.group_scope, SECRETS_USER)
    with pytest.raises(HttpResponseError) as failure:
        definitions.delete(server.group_scope, SECRETS_USER)
    assert_refused(failure, 403, "AuthorizationFailed")
    assert definitions.get(server.group_scope, SECRETS_USER) == before


# Who may write roles


@pytest.fixture
def definer(server, make, give, stranger, name):
    """The stranger may write and delete roles at a scope, and nothing else. His calls, and the role that lets him."""

    def let(scope: str):
        made = make(role_name=f"{name}-definer", actions=["Microsoft.Authorization/roleDefinitions/*"])
        give(made, scope)
        return server.management(stranger), made

    return let


def test_who_has_no_role_reads_roles_and_writes_none(server, make, stranger, fresh, name):
    made = make()
    own = server.management(stranger)
    assert own.get(made.id, version=VERSION).json()["properties"]["roleName"] == name
    assert made.name in [each["name"] for each in own.get(path_of(server.group_scope), version=VERSION).json()["value"]]
    for guid in (fresh, made.name):
        answer = own.put(path_of(server.group_scope, guid), version=VERSION, json=body(server.group_scope, f"{name}-2"))
        assert_answer(answer, 403, "AuthorizationFailed")
        assert WRITE_ROLES in answer.json()["error"]["message"]
    assert_answer(own.delete(path_of(server.group_scope, made.name), version=VERSION), 403, "AuthorizationFailed")
    assert own.get(made.id, version=VERSION).json()["properties"]["roleName"] == name


def test_built_in_roles_let_write_roles_as_published(server, client, definitions, give, stranger, fresh, name):
    own, path = server.management(stranger), path_of(server.group_scope, fresh)
    for holds, statuses in {
        "Owner": (201, 200), "User Access Administrator": (201, 200), "Contributor": (403, 403), "Reader": (403, 403),
        "Key Vault Administrator": (403, 403), "Key Vault Contributor": (403, 403),
    }.items():
        (built_in,) = definitions.list(server.group_scope, filter=f"roleName eq '{holds}'")
        given = give(built_in, server.group_scope)
        written = own.put(path, version=VERSION, json=body(server.group_scope, name))
        assert (written.status_code, own.delete(path, version=VERSION).status_code) == statuses, holds
        client.role_assignments.delete_by_id(given.id)


def test_without_a_token_nothing_is_told(server, arm, make):
    made = make()
    anonymous = Wire(arm.base, server.bundle)
    for method in ("GET", "PUT", "DELETE"):
        assert anonymous.call(method, path_of(server.group_scope, made.name), version=VERSION).status_code == 401


def test_who_writes_roles_on_one_vault_writes_none_above_or_beside(server, arm, definer, name):
    demo, other, group = server.vault_scope("demo"), server.vault_scope("other"), server.group_scope
    own, _ = definer(demo)

    def write(path: str, *scopes: str):
        guid = str(uuid.uuid4())
        answer = own.put(path_of(path, guid), version=VERSION, json=body(demo, f"{name}-{guid}", assignableScopes=list(scopes)))
        assert arm.get(path_of(group, guid), version=VERSION).status_code == (200 if answer.status_code == 201 else 404)
        return answer

    assert write(demo, demo).status_code == 201
    assert write(demo, f"{demo}/secrets/one", demo.upper()).status_code == 201
    for path, scopes in [
        (demo, [group]), (demo, [server.subscription_scope]), (demo, [other]), (demo, [demo, other]), (demo, [demo + "2"]),
        (group, [demo]), (other, [demo]), (server.subscription_scope, [demo]),
    ]:
        assert_answer(write(path, *scopes), 403, "AuthorizationFailed")


def test_who_writes_roles_on_one_vault_leaves_alone_those_with_scopes_above(server, arm, definer, make, name):
    demo = server.vault_scope("demo")
    own, _ = definer(demo)
    made = make(demo, server.vault_scope("other"))
    assert_answer(own.put(path_of(demo, made.name), version=VERSION, json=body(demo, name)), 403, "AuthorizationFailed")
    assert_answer(own.delete(path_of(demo, made.name), version=VERSION), 403, "AuthorizationFailed")
    assert arm.get(made.id, version=VERSION).json()["properties"]["assignableScopes"] == made.assignable_scopes
    mine = make(demo, role_name=f"{name}-2")
    assert own.put(path_of(demo, mine.name), version=VERSION, json=body(demo, f"{name}-3")).status_code == 201
    assert own.delete(path_of(demo, mine.name), version=VERSION).status_code == 200


def assert_unwidened(own: Wire, arm: Wire, made, scope: str) -> None:
    """Whoever's calls these are cannot change a role to allow everything."""
    before = arm.get(made.id, version=VERSION).json()
    wide = body(scope, made.role_name, permissions=[{"actions": ["*"], "dataActions": ["*"]}])
    answer = own.put(path_of(scope, made.name), version=VERSION, json=wide)
    after = arm.get(made.id, version=VERSION).json()
    assert_answer(answer, 403, "AuthorizationFailed")
    assert after == before


def test_who_only_writes_roles_cannot_widen_one_he_holds(server, arm, wire, definer, theirs, name):
    wire.set_secret(name)
    own, made = definer(server.group_scope)
    assert_unwidened(own, arm, made, server.group_scope)
    assert theirs.get(f"/secrets/{name}").status_code == 403


def test_who_only_writes_roles_cannot_change_one_that_another_holds(server, arm, cli, client, definer, make, give, name):
    friend = cli.create_application(f"{name}-friend")
    own, _ = definer(server.group_scope)
    made = make(data_actions=[f"{VAULTS}/secrets/delete"])
    given = give(made, application=friend)
    assert_unwidened(own, arm, made, server.group_scope)
    client.role_assignments.delete_by_id(given.id)
    answer = own.put(path_of(server.group_scope, made.name), version=VERSION, json=body(server.group_scope, name))
    assert answer.status_code == 201, answer.text


def test_who_only_writes_roles_gives_none(server, definer, make, stranger):
    own, _ = definer(server.group_scope)
    wanted = {"properties": {"roleDefinitionId": make().id, "principalId": stranger.object_id}}
    answer = own.put(assignment(server.group_scope, str(uuid.uuid4())), version=VERSION, json=wanted)
    assert_answer(answer, 403, "AuthorizationFailed")


def test_who_may_assign_certain_roles_only_cannot_widen_another_that_he_holds(server, arm, cli, wire, definer, theirs, stranger, name):
    """A Key Vault Data Access Administrator assigns eight roles of vaults, and not this one."""
    wire.set_secret(name)
    cli.assign(stranger, "Key Vault Data Access Administrator", server.group_scope)
    own, made = definer(server.group_scope)
    assert_unwidened(own, arm, made, server.group_scope)
    assert theirs.get(f"/secrets/{name}").status_code == 403


def test_who_may_assign_certain_roles_only_assigns_no_custom_role(server, cli, make, stranger):
    cli.assign(stranger, "Key Vault Data Access Administrator", server.group_scope)
    wanted = {"properties": {"roleDefinitionId": make().id, "principalId": stranger.object_id}}
    answer = server.management(stranger).put(assignment(server.vault_scope(), str(uuid.uuid4())), version=VERSION, json=wanted)
    assert_answer(answer, 403, "AuthorizationFailed")


# At the same time


def at_once(*calls) -> list[int]:
    """The status of each, all sent at the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(call) -> int:
        barrier.wait()
        return call().status_code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.fixture(scope="module")
def lines(server) -> list[Wire]:
    """Four connections to the management host, already open."""
    made = [server.management() for _ in range(4)]
    for line in made:
        assert line.get(server.vault_scope(), version=VERSION).status_code == 200
    return made


def test_of_several_roles_with_one_name_one_is_made(server, lines, name):
    rounds = []
    for number in range(12):
        wanted = body(server.group_scope, f"{name}-{number}")
        rounds.append(sorted(at_once(
            *(lambda line=line: line.put(path_of(server.group_scope, str(uuid.uuid4())), version=VERSION, json=wanted) for line in lines))))
    assert rounds == [[201, 409, 409, 409]] * 12


def test_a_role_is_assigned_or_deleted_and_never_both(server, lines, make, stranger, name):
    rounds = []
    for number in range(16):
        made = make(role_name=f"{name}-{number}")
        wanted = {"properties": {"roleDefinitionId": made.id, "principalId": stranger.object_id}}
        path = assignment(server.group_scope, str(uuid.uuid4()))
        rounds.append(at_once(
            lambda: lines[0].put(path, version=VERSION, json=wanted),
            lambda: lines[1].delete(path_of(server.group_scope, made.name), version=VERSION)))
    assert [201, 200] not in rounds, rounds
    assert all((given == 201) != (deleted == 200) for given, deleted in rounds), rounds


# The record


@pytest.fixture
def record_of(cli, fresh):
    """The one record of a call about the role of the test."""

    def find(make) -> dict:
        begun = audit.now()
        make()
        (record,) = audit.records_about(cli, fresh, since=begun)
        return record

    return find


def test_writing_and_deleting_a_role_is_on_record(server, definitions, record_of, name, fresh):
    scope = server.group_scope
    for operation, signature, status, call in [
        ("RoleDefinitionPut", "Created", 201, lambda: definitions.create_or_update(scope, fresh, role(name, scope))),
        ("RoleDefinitionDelete", "OK", 200, lambda: definitions.delete(scope, fresh)),
    ]:
        record = record_of(call)
        assert (record["operationName"], record["resultType"], record["resultSignature"]) == (operation, "Success", signature)
        assert record["resourceId"] == server.group_scope.upper()
        assert record["identity"]["claim"]["oid"] == claims_of(server.token())["oid"]
        assert record["properties"]["id"] == path_of("", fresh)
        assert record["properties"]["httpStatusCode"] == status and record["properties"]["isRbacAuthorized"] is True


def test_a_refused_change_is_on_record_with_who_wanted_it(server, record_of, stranger, name, fresh):
    own, path, answers = server.management(stranger), path_of(server.group_scope, fresh), []
    for operation, call in [
        ("RoleDefinitionPut", lambda: own.put(path, version=VERSION, json=body(server.group_scope, name))),
        ("RoleDefinitionDelete", lambda: own.delete(path, version=VERSION)),
    ]:
        record = record_of(lambda: answers.append(call()))
        assert (record["operationName"], record["resultType"], record["resultSignature"]) == (operation, "Failed", "Forbidden")
        assert record["identity"]["claim"]["oid"] == stranger.object_id
        assert record["resultDescription"] == answers[-1].json()["error"]["message"]
        assert record["properties"]["isRbacAuthorized"] is False


def test_a_role_refused_for_its_scopes_is_on_record_as_not_authorized(server, definer, record_of, stranger, name, fresh):
    own, _ = definer(server.vault_scope())
    record = record_of(
        lambda: own.put(path_of(server.vault_scope(), fresh), version=VERSION, json=body(server.group_scope, name)))
    assert (record["operationName"], record["resultSignature"]) == ("RoleDefinitionPut", "Forbidden")
    assert record["identity"]["claim"]["oid"] == stranger.object_id
    assert record["properties"]["isRbacAuthorized"] is False


def test_a_wrong_role_is_on_record(server, arm, record_of, name, fresh):
    answers = []
    wrong = body(server.group_scope, name, permissions=[])
    record = record_of(lambda: answers.append(arm.put(path_of(server.group_scope, fresh), version=VERSION, json=wrong)))
    assert (record["operationName"], record["resultType"]) == ("RoleDefinitionPut", "Failed")
    assert record["properties"]["httpStatusCode"] == 400
    assert record["resultDescription"] == answers[0].json()["error"]["message"]


# What lasts


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_roles_last(lasting_server, name, end):
    """With the changes that were answered, and without what was deleted."""
    server = lasting_server
    server.wire().set_secret(name)
    holder = server.cli().create_application(name)
    kept, gone, scope = str(uuid.uuid4()), str(uuid.uuid4()), server.group_scope
    with client_for(server) as client:
        for guid in (kept, gone):
            client.role_definitions.create_or_update(scope, guid, role(f"{name}-{guid}", scope))
        wanted = {"role_definition_id": kept, "principal_id": holder.object_id}
        client.role_assignments.create(server.vault_scope(), str(uuid.uuid4()), wanted)
        client.role_definitions.delete(scope, gone)
        lists = {"actions": ["a/*"], "not_actions": ["a/b"], "data_actions": ["*"], "not_data_actions": [f"{VAULTS}/secrets/delete"]}
        made = client.role_definitions.create_or_update(
            scope, kept, role(f"{name}-last", scope, description="\u00e9", **lists))
    if end == "kill":
        server.kill()
        server.start()
    else:
        server.restart()
    with client_for(server) as client:
        assert client.role_definitions.get(scope, kept) == made
        assert gone not in [each.name for each in client.role_definitions.list(scope)]
        with pytest.raises(HttpResponseError) as failure:
            client.role_definitions.delete(scope, kept)
        assert failure.value.status_code == 400
    theirs = server.wire(application=holder)
    assert theirs.get(f"/secrets/{name}").status_code == 200
    assert theirs.delete(f"/secrets/{name}").status_code == 403
