"""The unmodified Azure CLI: the cloud, login, accounts, vaults, roles, and what it says when it is refused."""

import uuid

import pytest
from azure.keyvault.administration import KeyVaultRoleScope

from harness.assertions import identity
from harness.hsm_pool import access_client_for, pool_keys
from harness.texts import secret_not_found
from harness.tokens import claims_of

pytest_plugins = ["harness.azure_cli_fixtures"]

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
CRYPTO_AUDITOR = "Managed HSM Crypto Auditor"


# The cloud


@pytest.mark.operation("CloudMetadataGet")
def test_the_cloud_is_registered_by_what_it_tells(server, fresh_az):
    manager = server.client_env["ARM_URL"].rstrip("/")
    fresh_az.run("cloud register --name Another --endpoint-resource-manager", manager)
    fresh_az.run("cloud set --name Another")
    cloud = fresh_az.json("cloud show")
    assert (cloud["name"], cloud["isActive"]) == ("Another", True)
    assert (cloud["endpoints"]["resourceManager"], cloud["endpoints"]["activeDirectoryResourceId"]) == (manager, manager)
    assert cloud["endpoints"]["activeDirectory"] == server.login
    assert cloud["suffixes"]["keyvaultDns"] == f".vault.localhost:{server.port}"
    assert cloud["suffixes"]["mhsmDns"] == f".managedhsm.localhost:{server.port}"


# Login


@pytest.mark.operation("TokenIssue")
@pytest.mark.operation("SubscriptionList")
def test_login_by_secret_finds_the_subscription(server, fresh_az):
    [account] = fresh_az.login(server.owner)
    assert (account["id"], account["tenantId"]) == (server.client_env["AZURE_SUBSCRIPTION_ID"], server.tenant)
    assert (account["state"], account["isDefault"]) == ("Enabled", True)
    assert account["user"] == {"name": server.owner.app_id, "type": "servicePrincipal"}


@pytest.mark.operation("TokenIssue")
@pytest.mark.operation("SecretGet")
def test_login_by_certificate_opens_the_vault(server, cli, wire, fresh_az, stranger, name, tmp_path):
    who = identity()
    (tmp_path / "client.pem").write_bytes(who.pem)
    (tmp_path / "key-and-certificate.pem").write_bytes(who.whole)
    cli.run("app", "add-certificate", stranger.app_id, "--certificate", str(tmp_path / "client.pem"))
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    wire.set_secret(name, "by certificate")
    login = f"login --service-principal --username {stranger.app_id} --tenant {stranger.tenant}"
    [account] = fresh_az.json(login, "--certificate", str(tmp_path / "key-and-certificate.pem"))
    assert account["user"]["name"] == stranger.app_id
    assert fresh_az.json(f"keyvault secret show --vault-name demo --name {name}")["value"] == "by certificate"


def test_a_wrong_secret_does_not_log_in(fresh_az, stranger):
    said = fresh_az.refused(f"login --service-principal --username {stranger.app_id} --tenant {stranger.tenant} --password wrong")
    assert "AADSTS7000215: Invalid client secret provided" in said
    assert fresh_az.json("account list") == []
    assert "az login" in fresh_az.refused("account show")


def test_a_certificate_that_nobody_registered_does_not_log_in(fresh_az, stranger, tmp_path):
    (tmp_path / "unknown.pem").write_bytes(identity().whole)
    login = f"login --service-principal --username {stranger.app_id} --tenant {stranger.tenant}"
    assert "AADSTS700027" in fresh_az.refused(login, "--certificate", str(tmp_path / "unknown.pem"))


def test_logout_forgets_the_account(server, fresh_az):
    fresh_az.login(server.owner)
    fresh_az.run("logout")
    assert fresh_az.json("account list") == []


# Accounts


def test_the_account_is_shown_and_listed(server, az):
    shown = az.json("account show")
    assert (shown["id"], shown["tenantId"]) == (server.client_env["AZURE_SUBSCRIPTION_ID"], server.tenant)
    assert (shown["environmentName"], shown["user"]["name"]) == ("Strongroom", server.owner.app_id)
    [listed] = az.json("account list")
    assert (listed["id"], listed["cloudName"], listed["isDefault"]) == (shown["id"], "Strongroom", True)


def test_a_token_of_the_account_opens_the_vault(server, az):
    got = az.json("account get-access-token --resource", server.vault_resource)
    assert (got["tenant"], got["tokenType"]) == (server.tenant, "Bearer")
    assert claims_of(got["accessToken"])["appid"] == server.owner.app_id
    assert server.wire_with(got["accessToken"]).get("/secrets").status_code == 200


# Vaults and pools


@pytest.mark.operation("ResourceGroupList")
def test_groups_are_listed(server, az):
    assert server.client_env["AZURE_RESOURCE_GROUP"] in [group["name"] for group in az.json("group list")]


@pytest.mark.operation("ResourceList")
@pytest.mark.operation("ManagedHSMList")
def test_vaults_and_pools_are_listed(server, az):
    found = {each["name"]: each["id"] for each in az.json("keyvault list")}
    assert {"demo", "other", "demohsm"} <= set(found)
    assert found["demo"] == server.vault_scope("demo")


@pytest.mark.operation("VaultList")
def test_vaults_of_a_group_are_listed(server, az):
    listed = az.json("keyvault list --resource-type vault --resource-group", server.client_env["AZURE_RESOURCE_GROUP"])
    assert {"demo", "other"} <= {each["name"] for each in listed} and "demohsm" not in [each["name"] for each in listed]


@pytest.mark.operation("VaultGet")
def test_a_vault_is_shown(server, az):
    shown = az.json("keyvault show --name demo")
    assert (shown["id"], shown["type"]) == (server.vault_scope("demo"), "Microsoft.KeyVault/vaults")
    assert shown["properties"]["vaultUri"] == server.vault_url("demo") + "/"
    assert shown["properties"]["enableRbacAuthorization"] is True and shown["properties"]["sku"]["name"] == "premium"


@pytest.mark.operation("ManagedHSMGet")
def test_a_pool_is_shown(server, az):
    shown = az.json("keyvault show --hsm-name demohsm")
    assert shown["properties"]["hsmUri"] == f"https://demohsm.managedhsm.localhost:{server.port}/"
    assert shown["properties"]["provisioningState"] == "Succeeded"


def test_a_vault_that_is_not_there_is_not_shown(az):
    assert "The Vault 'absent' not found within subscription." in az.refused("keyvault show --name absent")


@pytest.mark.operation("ManagedHSMNameCheck")
def test_the_name_of_a_pool_is_checked(az):
    taken = az.json("keyvault check-name --name demohsm")
    assert (taken["nameAvailable"], taken["reason"]) == (False, "AlreadyExists")
    assert az.json(f"keyvault check-name --name free-{uuid.uuid4().hex[:8]}")["nameAvailable"] is True


# Roles


@pytest.mark.operation("RoleDefinitionList")
def test_role_definitions_are_listed(server, az):
    listed = {role["roleName"]: role["name"] for role in az.json("role definition list")}
    assert {"Owner", "Key Vault Administrator"} <= set(listed) and listed["Key Vault Secrets User"] == SECRETS_USER
    [found] = az.json("role definition list --name 'Key Vault Secrets User' --scope", server.vault_scope())
    assert "Microsoft.KeyVault/vaults/secrets/getSecret/action" in found["permissions"][0]["dataActions"]


@pytest.mark.operation("RoleAssignmentPut")
@pytest.mark.operation("RoleAssignmentList")
@pytest.mark.operation("RoleAssignmentDelete")
def test_a_role_is_assigned_listed_and_taken_away(server, az, stranger, wire, name):
    wire.set_secret(name, "for those who may")
    theirs, scope, who = server.wire(application=stranger), server.vault_scope(), f"--assignee-object-id {stranger.object_id}"

    made = az.json(
        f"role assignment create --role 'Key Vault Secrets User' {who} --assignee-principal-type ServicePrincipal --scope {scope}"
    )
    assert (made["principalId"], made["scope"]) == (stranger.object_id, scope)
    assert made["roleDefinitionId"].endswith(f"/{SECRETS_USER}")
    assert theirs.get(f"/secrets/{name}").json()["value"] == "for those who may"

    listing = f"role assignment list --scope {scope} --fill-principal-name false"
    [listed] = az.json(f"{listing} {who}")
    assert (listed["id"], listed["roleDefinitionName"]) == (made["id"], "Key Vault Secrets User")
    assert made["id"] in [each["id"] for each in az.json(listing)]

    az.run("role assignment delete --ids", made["id"])
    assert az.json(f"{listing} {who}") == []
    assert theirs.get(f"/secrets/{name}").status_code == 403


@pytest.mark.operation("RoleAssignmentDelete")
def test_a_role_is_taken_away_by_its_name(server, cli, az, stranger):
    cli.assign(stranger, "Key Vault Reader", server.vault_scope())
    who = f"--assignee-object-id {stranger.object_id} --scope {server.vault_scope()}"
    az.run(f"role assignment delete --role 'Key Vault Reader' {who}")
    assert az.json(f"role assignment list {who} --fill-principal-name false") == []


# Roles of pools


@pytest.mark.operation("LocalRoleDefinitionList")
def test_role_definitions_of_a_pool_are_listed(az):
    listed = {role["roleName"]: role for role in az.json("keyvault role definition list --hsm-name demohsm")}
    assert {"Managed HSM Administrator", "Managed HSM Crypto User", CRYPTO_AUDITOR} <= set(listed)
    assert "Microsoft.KeyVault/managedHsm/keys/read/action" in listed[CRYPTO_AUDITOR]["permissions"][0]["dataActions"]


@pytest.mark.operation("LocalRoleAssignmentDelete")
@pytest.mark.operation("LocalRoleAssignmentList")
def test_a_role_of_a_pool_is_taken_away(server, az, stranger):
    access = access_client_for(server)
    role = next(each for each in access.list_role_definitions(KeyVaultRoleScope.GLOBAL) if each.role_name == CRYPTO_AUDITOR)
    made = access.create_role_assignment(KeyVaultRoleScope.GLOBAL, role.id, stranger.object_id)
    theirs = pool_keys(server, stranger).wire
    assert theirs.get("/keys").status_code == 200
    az.run(f"keyvault role assignment delete --hsm-name demohsm --name {made.name} --scope /")
    assert theirs.get("/keys").status_code == 403
    assert az.json(f"keyvault role assignment list --hsm-name demohsm --assignee-object-id {stranger.object_id}") == []


# Refusals


def test_a_secret_that_is_not_there_is_not_found(az, name):
    said = az.refused(f"keyvault secret show --vault-name demo --name {name}", exit_code=3)
    assert said.startswith(f"ERROR: (SecretNotFound) {secret_not_found(name)}")


def test_without_a_role_everything_is_refused(server, fresh_az, stranger, wire, name):
    wire.set_secret(name)
    fresh_az.login(stranger)
    assert fresh_az.json("keyvault list") == []
    said = fresh_az.refused(f"keyvault secret show --vault-name demo --name {name}")
    assert said.startswith("ERROR: (Forbidden) Caller is not authorized to perform action on resource.")
    assert f"Caller: appid={stranger.app_id};oid={stranger.object_id}" in said
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'" in said and "ForbiddenByRbac" in said
    said = fresh_az.refused(
        f"role assignment create --role Owner --assignee-object-id {stranger.object_id}"
        f" --assignee-principal-type ServicePrincipal --scope {server.vault_scope()}"
    )
    assert said.startswith("ERROR: (AuthorizationFailed)") and stranger.object_id in said
