"""The unmodified Azure CLI and the directory: service principals, applications, groups, federated credentials, and roles by name."""

import json
import uuid

import pytest

from harness.azure_cli import LoadedAzureCLI
from harness.directory import NOBODY, READER, SECRETS_USER, Directory, Identity
from harness.hsm_pool import pool_wire

pytest_plugins = ["harness.azure_cli_fixtures"]

CRYPTO_AUDITOR = "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3"


@pytest.fixture(scope="module")
def directory(server) -> Directory:
    return Directory.of(server)


@pytest.fixture
def machine(directory, name) -> Identity:
    return directory.identity(name)


@pytest.fixture
def group(directory, name) -> str:
    return directory.group(name)


def ids(items: list[dict]) -> list[str]:
    return [item["id"] for item in items]


# Service principals and applications


def test_service_principals_are_listed(az, directory, stranger, machine, name):
    # Without a filter it shows the first hundred.
    assert ids(az.json("ad sp list")) == ids(directory.items("/servicePrincipals")[:100])
    everyone = {each["appId"] for each in az.json("ad sp list --all")}
    assert {stranger.app_id, machine.app_id, az.server.owner.app_id} <= everyone
    found = az.json(f"ad sp list --display-name {name}")
    assert {each["appId"] for each in found} == {stranger.app_id, machine.app_id}
    [one] = az.json(f"ad sp list --spn {stranger.app_id} --display-name {name}")
    assert (one["id"], one["servicePrincipalType"]) == (stranger.object_id, "Application")
    [other] = az.json("ad sp list --filter", f"displayName eq '{name}' and appId eq '{machine.app_id}'")
    assert (other["id"], other["servicePrincipalType"]) == (machine.object_id, "ManagedIdentity")


def test_a_service_principal_is_shown(az, stranger, name):
    shown = az.json(f"ad sp show --id {stranger.app_id}")
    assert (shown["id"], shown["appId"], shown["displayName"]) == (stranger.object_id, stranger.app_id, name)
    assert az.json(f"ad sp show --id {stranger.object_id}") == shown


def test_a_service_principal_that_is_not_there_is_not_found(az):
    assert "doesn't exist" in az.refused("ad sp show --id nobody", exit_code=3)
    assert f"Resource '{NOBODY}' does not exist" in az.refused(f"ad sp show --id {NOBODY}", exit_code=3)


def test_applications_are_listed_and_shown(az, stranger, machine, name):
    assert [each["displayName"] for each in az.json(f"ad app list --display-name {name}")] == [name]
    assert {each["appId"] for each in az.json("ad app list --all")} >= {stranger.app_id, az.server.owner.app_id}
    [found] = az.json(f"ad app list --app-id {stranger.app_id}")
    assert az.json(f"ad app show --id {stranger.app_id}") == found and found["appId"] == stranger.app_id
    assert az.json(f"ad app list --app-id {machine.app_id}") == []
    assert az.json("ad app list --identifier-uri https://nobody.example") == []


def test_who_is_logged_in_is_shown(az):
    shown = az.json("ad signed-in-user show")
    assert shown["appId"] == az.server.owner.app_id


# Groups


def test_a_group_is_created_shown_listed_and_deleted(az, directory, name):
    made = az.json(f"ad group create --display-name {name} --mail-nickname {name} --description", "made by az")
    assert (made["displayName"], made["description"], made["securityEnabled"]) == (name, "made by az", True)
    assert directory.get(f"/groups/{made['id']}") == made
    for by in (made["id"], name[:-1]):
        assert az.json(f"ad group show --group {by}") == made
    assert az.json(f"ad group list --display-name {name}") == [made]
    assert made in az.json("ad group list")
    assert az.json("ad group list --filter", f"displayName eq '{name}x'") == []
    az.run(f"ad group delete --group {name}")
    assert az.json(f"ad group list --display-name {name}") == []
    assert "No group matches the name of" in az.refused(f"ad group show --group {name}")
    assert "does not exist" in az.refused(f"ad group show --group {made['id']}", exit_code=3)


def test_a_group_that_is_created_again_is_the_same(az, name):
    create = f"ad group create --display-name {name} --mail-nickname {name}"
    assert az.json(create)["id"] == az.json(create)["id"]


def test_members_are_added_listed_checked_and_removed(az, directory, group, stranger, machine, name):
    inner = directory.group(f"inner-{name}")
    for member in (stranger.object_id, inner):
        az.run(f"ad group member add --group {group} --member-id {member}")
    directory.add(inner, machine.object_id)
    assert {each["id"] for each in az.json(f"ad group member list --group {name}")} == {stranger.object_id, inner}
    for member in (stranger.object_id, machine.object_id, inner):
        assert az.json(f"ad group member check --group {group} --member-id {member}") == {"value": True}
    assert az.json(f"ad group get-member-groups --group {inner}") == [group]
    said = az.refused(f"ad group member add --group {group} --member-id {inner}")
    assert "One or more added object references already exist" in said
    az.run(f"ad group member remove --group {group} --member-id {inner}")
    assert az.json(f"ad group member check --group {group} --member-id {machine.object_id}") == {"value": False}
    assert directory.members(group) == [stranger.object_id]
    assert "does not exist" in az.refused(f"ad group member remove --group {group} --member-id {inner}")


# Federated credentials


def test_federated_credentials_are_created_listed_shown_and_deleted(az, directory, stranger, tmp_path):
    wanted = {
        "name": "github", "issuer": "https://issuer.example", "subject": "repo:o/r:environment:production", "description": "for az",
        "audiences": ["api://AzureADTokenExchange"],
    }
    at = f"--id {stranger.app_id}"
    made = az.json(f"ad app federated-credential create {at} --parameters", json.dumps(wanted))
    assert {member: made[member] for member in wanted} == wanted
    (tmp_path / "second.json").write_text(json.dumps({**wanted, "name": "second", "subject": "s"}))
    second = az.json(f"ad app federated-credential create {at} --parameters", str(tmp_path / "second.json"))
    assert az.json(f"ad app federated-credential list {at}") == [made, second]
    for by in ("github", made["id"]):
        assert az.json(f"ad app federated-credential show {at} --federated-credential-id {by}") == made
    said = az.refused(f"ad app federated-credential create {at} --parameters", json.dumps(wanted))
    assert "FederatedIdentityCredential with name 'github' already exists." in said
    az.run(f"ad app federated-credential delete {at} --federated-credential-id github")
    assert az.json(f"ad app federated-credential list {at}") == [second]
    assert directory.items(f"/applications/{stranger.app_id}/federatedIdentityCredentials") == [second]


# Roles by the names of principals


def test_a_role_is_assigned_to_an_application_by_its_id(server, az, stranger, wire, name):
    wire.set_secret(name, "for those who may")
    theirs, scope = server.wire(application=stranger), server.vault_scope()
    made = az.json(f"role assignment create --role 'Key Vault Secrets User' --assignee {stranger.app_id} --scope {scope}")
    assert (made["principalId"], made["principalType"]) == (stranger.object_id, "ServicePrincipal")
    assert theirs.get(f"/secrets/{name}").json()["value"] == "for those who may"

    [listed] = az.json(f"role assignment list --assignee {stranger.app_id} --scope {scope}")
    assert (listed["id"], listed["principalName"], listed["roleDefinitionName"]) == (
        made["id"], stranger.app_id, "Key Vault Secrets User")
    [everywhere] = az.json(f"role assignment list --assignee {stranger.app_id} --all")
    assert everywhere["id"] == made["id"]

    az.run(f"role assignment delete --assignee {stranger.app_id} --role 'Key Vault Secrets User' --scope {scope}")
    assert theirs.get(f"/secrets/{name}").status_code == 403
    assert az.json(f"role assignment list --assignee {stranger.app_id} --all") == []


def test_a_role_is_assigned_to_a_group_and_its_name_is_listed(server, az, directory, group, stranger, name):
    scope = server.vault_scope()
    theirs = server.wire(application=stranger)
    made = az.json(f"role assignment create --role 'Key Vault Secrets User' --assignee {group} --scope {scope}")
    assert (made["principalId"], made["principalType"]) == (group, "Group")
    az.run(f"ad group member add --group {group} --member-id {stranger.object_id}")
    assert theirs.get("/secrets").status_code == 200
    found = {each["id"]: each for each in az.json(f"role assignment list --scope {scope}")}
    assert (found[made["id"]]["principalName"], found[made["id"]]["principalType"]) == (name, "Group")
    directory.delete_group(group)
    found = {each["id"]: each for each in az.json(f"role assignment list --scope {scope}")}
    assert found[made["id"]]["principalName"] == ""
    az.run("role assignment delete --ids", made["id"])
    assert theirs.get("/secrets").status_code == 403


def test_a_role_is_assigned_by_object_id_without_a_kind(server, az, group):
    scope = server.vault_scope()
    made = az.json(f"role assignment create --role 'Key Vault Reader' --assignee-object-id {group} --scope {scope}")
    assert made["principalType"] == "Group"
    az.run("role assignment delete --ids", made["id"])


def test_nobody_is_assigned_a_role(server, az, machine):
    create = f"role assignment create --role 'Key Vault Reader' --scope {server.vault_scope()} --assignee"
    for nobody in (NOBODY, "someone@example.com"):
        assert f"Cannot find user or service principal in graph database for '{nobody}'" in az.refused(f"{create} {nobody}")
    assert az.json(f"role assignment list --assignee {machine.app_id} --all") == []


# Roles of pools


@pytest.mark.parametrize("kind", ["ServicePrincipal", "Group"])
def test_a_role_of_a_pool_is_assigned_listed_and_deleted(server, az, directory, group, stranger, name, kind):
    directory.add(group, stranger.object_id)
    theirs = pool_wire(server, stranger)
    assert theirs.get("/keys").status_code == 403
    principal, shown = {"ServicePrincipal": (stranger.object_id, stranger.app_id), "Group": (group, name)}[kind]
    where, who = "--hsm-name demohsm --scope /keys", f"--assignee-object-id {principal}"
    made = az.json(f"keyvault role assignment create {where} {who} --role 'Managed HSM Crypto Auditor'")
    assert (made["principalId"], made["principalName"], made["principalType"]) == (principal, shown, kind)
    assert (made["roleName"], made["scope"]) == ("Managed HSM Crypto Auditor", "/keys")
    assert made["roleDefinitionId"].endswith(CRYPTO_AUDITOR)
    assert theirs.get("/keys").status_code == 200

    assert az.json(f"keyvault role assignment list --hsm-name demohsm {who}") == [made]
    assert made in az.json("keyvault role assignment list --hsm-name demohsm")
    if kind == "ServicePrincipal":
        assert az.json(f"keyvault role assignment list --hsm-name demohsm --assignee {stranger.app_id}") == [made]

    az.run(f"keyvault role assignment delete {where} {who} --role 'Managed HSM Crypto Auditor'")
    assert theirs.get("/keys").status_code == 403
    assert az.json(f"keyvault role assignment list --hsm-name demohsm {who}") == []


# Who may


@pytest.fixture
def theirs(server, fresh_az, stranger):
    """An `az` in which the stranger has logged in."""
    with LoadedAzureCLI(server, fresh_az.folder) as loaded:
        loaded.login(stranger)
        yield loaded


def test_without_a_role_the_directory_is_closed_and_with_one_it_opens(server, theirs, directory, group, stranger, name):
    for command in (
        "ad sp list", "ad app list", f"ad group show --group {group}",
        f"ad group create --display-name x{uuid.uuid4().hex[:8]} --mail-nickname x",
        f"ad group member add --group {group} --member-id {stranger.object_id}",
    ):
        said = theirs.refused(command)
        assert stranger.app_id in said and "does not have authorization to perform action 'Strongroom/applications/" in said, command
    assert theirs.json("ad signed-in-user show")["id"] == stranger.object_id

    directory.assign(SECRETS_USER, group, server.vault_scope())
    directory.assign(READER, group, server.subscription_scope)
    directory.add(group, stranger.object_id)
    assert theirs.json(f"ad group show --group {group}")["displayName"] == name
    [listed] = theirs.json(f"role assignment list --assignee {group} --scope {server.vault_scope()}")
    assert (listed["principalName"], listed["roleDefinitionName"]) == (name, "Key Vault Secrets User")
    assert "Strongroom/applications/write" in theirs.refused(f"ad group member add --group {group} --member-id {stranger.object_id}")
    directory.remove(group, stranger.object_id)
    assert "Strongroom/applications/read" in theirs.refused(f"ad group show --group {group}")
