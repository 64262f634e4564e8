"""Roles through the unmodified Azure CLI: custom ones, assignments at each scope, and roles and settings of a pool. What a role opens
is asked of vaults and pools themselves."""

import json
import uuid

import pytest

from harness.azure_cli import LoadedAzureCLI
from harness.directory import OWNER, SECRETS_USER
from harness.hsm_pool import pool_keys

pytest_plugins = ["harness.azure_cli_fixtures"]

READ_METADATA, READ_VALUE = (f"Microsoft.KeyVault/vaults/secrets/{each}/action" for each in ("readMetadata", "getSecret"))
SIGN, READ_KEY = (f"Microsoft.KeyVault/managedHsm/keys/{each}/action" for each in ("sign", "read"))
POOL = "--hsm-name demohsm"
SETTING = f"{POOL} --name AllowKeyManagementOperationsThroughARM"


@pytest.fixture
def theirs(server, stranger):
    """Calls of an application that has no other role than the test gives it."""
    return server.wire(application=stranger)


@pytest.fixture
def who(stranger) -> str:
    return f"--assignee-object-id {stranger.object_id}"


@pytest.fixture
def scopes(server, name) -> dict[str, str]:
    """Each kind of scope above one secret."""
    return {
        "subscription": server.subscription_scope, "group": server.group_scope, "vault": server.vault_scope(),
        "secret": f"{server.vault_scope()}/secrets/{name}",
    }


def role(name: str, *scopes: str, data: tuple[str, ...] = (READ_METADATA,), **members) -> str:
    """A role as `az` takes it, with the capital letters that it prints for roles of Azure."""
    return json.dumps({"Name": name, "IsCustom": True, "Actions": [], "DataActions": data, "AssignableScopes": scopes, **members})


def assigned(az: LoadedAzureCLI, words: str) -> list[tuple[str, str]]:
    """Role and scope of each assignment that is listed."""
    listed = az.json(f"role assignment list --fill-principal-name false {words}")
    return [(each["roleDefinitionName"], each["scope"]) for each in listed]


# Custom roles


@pytest.mark.operation("RoleDefinitionPut")
@pytest.mark.operation("RoleDefinitionGet")
@pytest.mark.operation("RoleDefinitionList")
@pytest.mark.operation("RoleDefinitionDelete")
def test_a_role_is_created_listed_shown_updated_and_deleted(server, az, name, tmp_path):
    scope, file = server.subscription_scope, tmp_path / "role.json"
    file.write_text(role(name, scope, Description="reads names", NotDataActions=[READ_VALUE]))
    made = az.json("role definition create --role-definition", str(file))
    assert (made["roleName"], made["roleType"], made["description"]) == (name, "CustomRole", "reads names")
    assert made["assignableScopes"] == [scope]
    [permission] = made["permissions"]
    assert (permission["dataActions"], permission["notDataActions"]) == ([READ_METADATA], [READ_VALUE])

    assert az.json("role definition list --name", name) == [made]
    assert made in az.json("role definition list --custom-role-only true")
    assert az.json("role definition show --id", made["id"]) == made
    assert az.json(f"role definition show --scope {scope} --name", made["name"]) == made
    said = az.refused("role definition create --role-definition", str(file))
    assert f"(RoleDefinitionWithSameNameExists) A custom role with the name '{name}' already exists" in said

    changed = az.json("role definition update --role-definition", role(name, scope, data=(READ_VALUE,), Description="reads values"))
    assert (changed["id"], changed["description"]) == (made["id"], "reads values")
    assert (changed["permissions"][0]["dataActions"], changed["permissions"][0]["notDataActions"]) == ([READ_VALUE], [])
    renamed = az.json("role definition update --role-definition", json.dumps({**changed, "roleName": f"{name}-2"}))
    assert (renamed["id"], renamed["roleName"]) == (made["id"], f"{name}-2")

    az.run("role definition delete --name", f"{name}-2")
    assert az.json("role definition list --name", f"{name}-2") == []
    assert az.refused("role definition show --id", made["id"], exit_code=3)


@pytest.mark.operation("RoleDefinitionPut")
@pytest.mark.operation("RoleAssignmentPut")
@pytest.mark.parametrize("kind", ["subscription", "group", "vault", "secret"])
def test_a_custom_role_opens_what_it_says_where_it_is_assigned(az, wire, theirs, scopes, who, name, kind):
    wire.set_secret(name)
    az.run("role definition create --role-definition", role(name, scopes[kind], data=(READ_VALUE,)))
    if kind != "subscription":
        above = f"role assignment create {who} --assignee-principal-type ServicePrincipal --scope {scopes['subscription']} --role {name}"
        assert f"Role '{name}' doesn't exist." in az.refused(above)
    made = az.json(f"role assignment create {who} --assignee-principal-type ServicePrincipal --scope {scopes[kind]} --role {name}")
    assert made["scope"] == scopes[kind]
    assert theirs.get(f"/secrets/{name}").status_code == 200 and theirs.get("/secrets").status_code == 403
    said = az.refused(f"role definition delete --scope {scopes[kind]} --name {name}")
    assert said.startswith("ERROR: (RoleDefinitionHasAssignments)")
    az.run("role assignment delete --ids", made["id"])
    az.run(f"role definition delete --scope {scopes[kind]} --name {name}")
    assert az.json(f"role definition list --scope {scopes[kind]} --name {name}") == []


def test_a_role_is_listed_where_it_can_be_assigned(server, az, scopes, name):
    az.run("role definition create --role-definition", role(name, scopes["vault"]))
    assert [each["roleName"] for each in az.json(f"role definition list --name {name} --scope {scopes['secret']}")] == [name]
    for elsewhere in (f"--scope {server.vault_scope('other')}", f"--resource-group {server.client_env['AZURE_RESOURCE_GROUP']}", ""):
        assert az.json(f"role definition list --name {name} {elsewhere}") == []


@pytest.mark.parametrize("command, done", [("delete --name Owner", "deleted"), ("update --role-definition {owner}", "changed")])
def test_a_built_in_role_stays(server, az, command, done, tmp_path):
    [owner] = az.json("role definition list --name Owner")
    assert (owner["name"], owner["roleType"]) == (OWNER, "BuiltInRole")
    (tmp_path / "owner.json").write_text(json.dumps({**owner, "description": "changed", "assignableScopes": [server.subscription_scope]}))
    said = az.refused("role definition " + command.format(owner=tmp_path / "owner.json"))
    assert said.startswith("ERROR: (AuthorizationFailed) The role ") and f"is built in and cannot be {done}." in said
    assert az.json("role definition list --name Owner") == [owner]


def test_a_role_with_a_scope_elsewhere_is_not_made(az, name):
    said = az.refused("role definition create --role-definition", role(name, f"/subscriptions/{uuid.uuid4()}"))
    assert said.startswith("ERROR: (") and az.json(f"role definition list --name {name}") == []


# Assignments


@pytest.mark.operation("RoleAssignmentPut")
@pytest.mark.operation("RoleAssignmentList")
@pytest.mark.operation("RoleAssignmentDelete")
@pytest.mark.parametrize("kind", ["subscription", "group", "vault", "secret"])
def test_a_role_is_assigned_at_a_scope_and_holds_below_it(az, wire, theirs, scopes, who, name, kind):
    wire.set_secret(name)
    role, scope = "Key Vault Secrets User", scopes[kind]
    made = az.json(f"role assignment create --role '{role}' {who} --assignee-principal-type ServicePrincipal --scope {scope}")
    assert (made["scope"], made["principalType"]) == (scope, "ServicePrincipal")
    assert theirs.get(f"/secrets/{name}").status_code == 200
    assert theirs.get("/secrets").status_code == (403 if kind == "secret" else 200)
    assert assigned(az, f"{who} --scope {scope}") == assigned(az, f"{who} --all") == [(role, scope)]
    assert assigned(az, f"{who} --scope {scopes['secret']} --include-inherited") == [(role, scope)]
    if kind != "secret":
        assert assigned(az, f"{who} --scope {scopes['secret']}") == []
    az.run(f"role assignment delete {who} --scope {scope} --role '{role}'")
    assert assigned(az, f"{who} --all") == [] and theirs.get(f"/secrets/{name}").status_code == 403


def test_assignments_of_a_group_and_of_a_role_are_listed(server, az, scopes, who):
    kind = "--assignee-principal-type ServicePrincipal"
    az.run(f"role assignment create --role Reader {who} {kind} --scope {scopes['group']}")
    az.run(f"role assignment create --role 'Key Vault Reader' {who} {kind} --scope {scopes['vault']}")
    group = server.client_env["AZURE_RESOURCE_GROUP"]
    assert assigned(az, f"{who} --resource-group {group}") == [("Reader", scopes["group"])]
    assert assigned(az, f"{who} --scope {scopes['vault']} --role 'Key Vault Reader'") == [("Key Vault Reader", scopes["vault"])]
    assert sorted(assigned(az, f"{who} --scope {scopes['vault']} --include-inherited")) == sorted(assigned(az, f"{who} --all"))
    az.run(f"role assignment delete {who} --resource-group {group}")
    assert assigned(az, f"{who} --all") == [("Key Vault Reader", scopes["vault"])]


@pytest.mark.operation("RoleAssignmentPut")
def test_a_role_is_named_by_its_guid_and_assigned_once(az, scopes, who):
    create = f"role assignment create --role {SECRETS_USER} {who} --assignee-principal-type ServicePrincipal --scope {scopes['vault']}"
    chosen = str(uuid.uuid4())
    made = az.json(f"{create} --name {chosen}")
    assert made["name"] == chosen and made["roleDefinitionId"].endswith(f"/roleDefinitions/{SECRETS_USER}")
    again = az.json(create)
    assert (again["id"], again["scope"]) == (made["id"], scopes["vault"])
    assert len(assigned(az, f"{who} --all")) == 1


def test_an_assignment_keeps_its_description(az, scopes, who):
    az.run(
        f"role assignment create --role Reader {who} --assignee-principal-type ServicePrincipal --scope {scopes['vault']} --description",
        "until the end of the audit")
    [listed] = az.json(f"role assignment list {who} --all --fill-principal-name false")
    assert listed["description"] == "until the end of the audit"


def test_a_role_that_is_not_there_is_not_assigned(az, scopes, who, name):
    at = f"{who} --assignee-principal-type ServicePrincipal --scope {scopes['vault']}"
    assert f"Role '{name}' doesn't exist." in az.refused(f"role assignment create --role {name} {at}")
    said = az.refused(f"role assignment create --role {uuid.uuid4()} {at}", exit_code=3)
    assert said.startswith("ERROR: (RoleDefinitionDoesNotExist)")
    assert assigned(az, f"{who} --all") == []


# Roles of a pool


@pytest.fixture
def key(server, name) -> str:
    """A key of the pool."""
    pool_keys(server).create(name, "EC-HSM")
    return name


def pool_role(role_name: str, *data: str, **members) -> str:
    return json.dumps({"roleName": role_name, "actions": [], "notActions": [], "dataActions": data, "notDataActions": [], **members})


@pytest.mark.operation("LocalRoleDefinitionPut")
@pytest.mark.operation("LocalRoleDefinitionGet")
@pytest.mark.operation("LocalRoleDefinitionList")
@pytest.mark.operation("LocalRoleDefinitionDelete")
def test_a_role_of_a_pool_is_created_listed_shown_updated_and_deleted(az, name, tmp_path):
    (tmp_path / "role.json").write_text(pool_role(name, SIGN, description="signs"))
    made = az.json(f"keyvault role definition create {POOL} --role-definition", str(tmp_path / "role.json"))
    assert (made["roleName"], made["roleType"], made["description"]) == (name, "CustomRole", "signs")
    assert made["assignableScopes"] == ["/"] and made["permissions"][0]["dataActions"] == [SIGN]
    assert made in az.json(f"keyvault role definition list {POOL} --custom-role-only")
    assert made in az.json(f"keyvault role definition list {POOL} --scope /keys")
    for by in (f"--name {made['name']}", f"--role-id {made['id']}"):
        assert az.json(f"keyvault role definition show {POOL} {by}") == made
    changed = az.json(
        f"keyvault role definition update {POOL} --role-definition", pool_role(name, READ_KEY, name=made["name"], description="reads"))
    assert (changed["id"], changed["description"], changed["permissions"][0]["dataActions"]) == (made["id"], "reads", [READ_KEY])
    az.run(f"keyvault role definition delete {POOL} --name {made['name']}")
    assert az.refused(f"keyvault role definition show {POOL} --name {made['name']}", exit_code=3).startswith("ERROR: (")
    assert changed not in az.json(f"keyvault role definition list {POOL} --custom-role-only")


@pytest.mark.operation("LocalRoleAssignmentPut")
@pytest.mark.operation("LocalRoleAssignmentDelete")
@pytest.mark.parametrize("scope", ["/", "/keys", "/keys/{key}"])
def test_a_custom_role_of_a_pool_is_assigned_and_opens_what_it_says(server, az, key, stranger, who, scope):
    theirs, at = pool_keys(server, stranger), f"{POOL} --scope {scope.format(key=key)}"
    made = az.json(f"keyvault role definition create {POOL} --role-definition", pool_role(key, READ_KEY))
    given = az.json(f"keyvault role assignment create {at} {who} --role {key}")
    assert (given["roleName"], given["scope"], given["principalId"]) == (key, scope.format(key=key), stranger.object_id)
    assert theirs.get(key)["key"]["kty"] == "EC-HSM"
    assert theirs.wire.post(f"/keys/{key}/rotate").status_code == 403
    assert theirs.wire.get("/keys").status_code == (403 if "{key}" in scope else 200)
    assert az.json(f"keyvault role assignment list {at} {who}") == [given]
    assert az.json(f"keyvault role assignment list {POOL} --role {key}") == [given]
    said = az.refused(f"keyvault role definition delete {POOL} --name {made['name']}")
    assert said.startswith("ERROR: (Conflict)")
    az.run(f"keyvault role assignment delete {at} --ids {given['id']}")
    assert theirs.wire.get(f"/keys/{key}").status_code == 403
    az.run(f"keyvault role definition delete {POOL} --role-id {made['id']}")


@pytest.mark.operation("LocalRoleAssignmentPut")
def test_an_assignment_of_a_pool_is_named_and_deleted_by_its_name(server, az, key, stranger, who):
    theirs, chosen = pool_keys(server, stranger), str(uuid.uuid4())
    at = f"{POOL} --scope /keys/{key} --name {chosen}"
    az.run(f"keyvault role assignment create {at} --assignee {stranger.object_id} --role 'Managed HSM Crypto User'")
    assert theirs.wire.get(f"/keys/{key}").status_code == 200
    az.run(f"keyvault role assignment delete {at}")
    assert theirs.wire.get(f"/keys/{key}").status_code == 403
    assert az.json(f"keyvault role assignment list {POOL} {who}") == []


def test_a_role_that_the_pool_does_not_have_is_not_assigned(az, who, name):
    assert f'Unknown role "{name}".' in az.refused(f"keyvault role assignment create {POOL} --scope / {who} --role {name}")
    assert az.json(f"keyvault role assignment list {POOL} {who}") == []


# Settings of a pool


@pytest.mark.operation("SettingList")
@pytest.mark.operation("SettingGet")
@pytest.mark.operation("SettingUpdate")
def test_a_setting_of_a_pool_is_listed_shown_and_updated(az):
    shown = az.json(f"keyvault setting show {SETTING}")
    assert (shown["value"], shown["settingType"]) == ("false", "boolean")
    assert az.json(f"keyvault setting list {POOL}") == [shown]
    try:
        assert az.json(f"keyvault setting update {SETTING} --value true --setting-type boolean")["value"] == "true"
        assert az.json(f"keyvault setting show {SETTING}")["value"] == "true"
        assert "(BadParameter) Property 'value' has invalid value" in az.refused(f"keyvault setting update {SETTING} --value perhaps")
    finally:
        az.run(f"keyvault setting update {SETTING} --value false")
    assert az.json(f"keyvault setting list {POOL}") == [shown]
    assert "The setting 'Nothing' does not exist." in az.refused(f"keyvault setting show {POOL} --name Nothing", exit_code=3)
