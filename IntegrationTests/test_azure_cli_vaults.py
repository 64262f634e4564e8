"""Groups and vaults through the unmodified Azure CLI, from their making to their end. What it does is looked at by plain calls."""

import pytest

from harness.management_wire import LOCATION, Arm, assert_withheld, vault_name

pytest_plugins = ["harness.azure_cli_fixtures"]

ALL = ["all"]


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def group(az) -> str:
    """A resource group, made as a team makes its own."""
    made = az.json(f"group create --name team-{vault_name()} --location {LOCATION}")
    assert (made["location"], made["properties"]["provisioningState"]) == (LOCATION, "Succeeded")
    return made["name"]


@pytest.fixture
def fresh() -> str:
    return vault_name()


@pytest.fixture
def create(az, group):
    """Makes a vault in the group; what the command prints."""

    def run(name: str, options: str = "", *more: str) -> dict:
        return az.json(f"keyvault create --name {name} --resource-group {group} {options}", *more)

    return run


@pytest.fixture
def vault(arm, group) -> str:
    """A vault in the group, made without the CLI."""
    return arm.create(group=group)


def names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


# Groups, places, resources


@pytest.mark.operation("ResourceGroupPut")
@pytest.mark.operation("ResourceGroupGet")
@pytest.mark.operation("ResourceGroupDelete")
def test_a_group_is_created_changed_and_deleted(az, name):
    made = az.json(f"group create --name {name} --location 'West Europe' --tags a=b")
    assert (made["name"], made["location"], made["tags"]) == (name, LOCATION, {"a": "b"})
    az.run(f"group wait --name {name} --created")
    changed = az.json(f"group update --name {name} --set tags.c=d")
    assert changed["tags"] == {"a": "b", "c": "d"} and az.json(f"group show --name {name}") == changed
    assert changed in az.json("group list")
    az.run(f"group delete --name {name} --yes")
    assert f"Resource group '{name}' could not be found." in az.refused(f"group show --name {name}", exit_code=3)


@pytest.mark.operation("ResourceGroupDelete")
def test_a_group_is_deleted_when_its_last_vault_is_purged(az, name, fresh):
    az.run(f"group create --name {name} --location {LOCATION}")
    az.run(f"keyvault create --name {fresh} --resource-group {name}")
    for command in (f"keyvault delete --name {fresh}", f"keyvault purge --name {fresh}"):
        assert "cannot be deleted" in az.refused(f"group delete --name {name} --yes")
        az.run(command)
    az.run(f"group delete --name {name} --yes")
    assert name not in names(az.json("group list"))


@pytest.mark.operation("LocationList")
@pytest.mark.operation("ProviderGet")
@pytest.mark.usefixtures("vault")
def test_locations_are_those_of_the_server_and_of_vaults(server, az):
    told = {each["name"]: each["id"] for each in az.json("account list-locations")}
    assert {"local", LOCATION} <= set(told) and told["local"] == f"{server.subscription_scope}/locations/local"
    kinds = {each["resourceType"]: each for each in az.json("provider show --namespace Microsoft.KeyVault")["resourceTypes"]}
    assert {"vaults", "managedHSMs"} <= set(kinds) and set(kinds["vaults"]["locations"]) == set(told)


@pytest.mark.operation("ResourceList")
def test_resources_are_listed_by_kind_and_name(server, az, vault):
    everything = {each["name"]: each["type"] for each in az.json("resource list")}
    assert everything["demohsm"] == "Microsoft.KeyVault/managedHSMs"
    vaults = names(az.json("resource list --resource-type Microsoft.KeyVault/vaults"))
    assert {"demo", vault} <= set(vaults) and "demohsm" not in vaults
    [found] = az.json("resource list --name demo --resource-type Microsoft.KeyVault/vaults")
    assert found["id"] == server.vault_scope("demo")


@pytest.mark.parametrize("by", ["--resource-group {group}", "--location {fresh}", "--tag team={fresh}"], ids=["group", "location", "tag"])
def test_resources_are_listed_by_where_they_are(az, create, group, fresh, by):
    create(fresh, f"--location {fresh} --tags team={fresh}")
    listed = names(az.json("resource list " + by.format(group=group, fresh=fresh)))
    assert fresh in listed and "demo" not in listed


@pytest.mark.operation("VaultGet")
def test_a_vault_is_shown_as_a_resource(server, az):
    shown = az.json("resource show --ids", server.vault_scope("demo"))
    assert (shown["id"], shown["properties"]["vaultUri"]) == (server.vault_scope("demo"), server.vault_url("demo") + "/")


# Making


@pytest.mark.operation("VaultPut")
@pytest.mark.operation("VaultGet")
@pytest.mark.operation("VaultList")
def test_a_vault_is_created_and_is_one_of_roles(server, az, arm, create, group, fresh):
    made = create(fresh, "--tags", "team=payments", "purpose=to sign")
    told = made["properties"]
    assert (made["id"], made["location"]) == (arm.vault(fresh, group), LOCATION)
    assert made["tags"] == {"team": "payments", "purpose": "to sign"}
    assert (told["enableRbacAuthorization"], told["accessPolicies"], told["sku"]["name"]) == (True, [], "standard")
    assert (told["softDeleteRetentionInDays"], told["enablePurgeProtection"]) == (90, None)
    assert (told["networkAcls"]["defaultAction"], told["publicNetworkAccess"]) == ("Allow", "Enabled")
    assert az.json(f"keyvault show --name {fresh}") == made
    assert fresh in names(az.json(f"keyvault list --resource-group {group}"))
    assert fresh not in names(az.json(f"keyvault list --resource-group {server.client_env['AZURE_RESOURCE_GROUP']}"))
    assert server.wire(fresh).set_secret("first", "value")["id"].startswith(told["vaultUri"])


@pytest.mark.operation("VaultPut")
def test_every_setting_is_given_when_it_is_made(arm, create, group, fresh):
    made = create(
        fresh,
        "--sku premium --retention-days 7 --enable-purge-protection true --public-network-access Disabled --default-action Deny"
        " --bypass None --enabled-for-deployment --enabled-for-disk-encryption true --enabled-for-template-deployment false")
    wanted = {
        "sku": {"family": "A", "name": "premium"}, "softDeleteRetentionInDays": 7, "enablePurgeProtection": True,
        "publicNetworkAccess": "Disabled", "enabledForDeployment": True, "enabledForDiskEncryption": True,
        "enabledForTemplateDeployment": False, "enableSoftDelete": True,
    }
    stored = arm.get(fresh, group)["properties"]
    for told in (made["properties"], stored):
        assert {member: told[member] for member in wanted} == wanted
        assert (told["networkAcls"]["defaultAction"], told["networkAcls"]["bypass"]) == ("Deny", "None")


@pytest.mark.operation("VaultPut")
def test_a_vault_of_access_policies_is_for_whoever_made_it(server, arm, az, create, fresh):
    [entry] = create(fresh, "--enable-rbac-authorization false")["properties"]["accessPolicies"]
    assert (entry["objectId"], entry["tenantId"]) == (arm.object_id, server.tenant)
    assert entry["permissions"] == {"keys": ALL, "secrets": ALL, "certificates": ALL, "storage": ALL}
    assert az.json(f"keyvault secret set --vault-name {fresh} --name s --value v")["value"] == "v"


@pytest.mark.operation("VaultPut")
def test_a_vault_of_access_policies_may_be_for_nobody(server, create, fresh):
    made = create(fresh, "--enable-rbac-authorization false --no-self-perms")
    assert (made["properties"]["enableRbacAuthorization"], made["properties"]["accessPolicies"]) == (False, [])
    assert_withheld(server.wire(fresh).get("/secrets"), "AccessDenied")


@pytest.mark.operation("VaultPut")
def test_it_does_not_wait_and_waits_later(az, create, group, fresh):
    assert create(fresh, "--no-wait") is None
    at = f"--name {fresh} --resource-group {group}"
    for until in ("--created", "--exists", "--updated", "--custom properties.sku.name=='standard'"):
        az.run(f"keyvault wait {at}", *until.split(" ", 1))
    az.run(f"keyvault delete {at}")
    az.run(f"keyvault wait {at} --deleted")


@pytest.mark.parametrize("options, exit_code, said", [
    ("--name {taken}", 1, "The specified vault: {taken} already exists"),
    ("--name {fresh} --retention-days 6", 1, "(BadParameter) Property 'softDeleteRetentionInDays'"),
    ("--name {fresh} --enable-purge-protection false", 1, 'The property "enablePurgeProtection" cannot be set to false.'),
    ("--name 7vaults", 1, "(VaultNameNotValid) The vault name '7vaults' is invalid."),
    ("--name two--hyphens", 1, "(VaultNameNotValid)"),
    ("--name {fresh} --resource-group absent --location local", 3, "(ResourceGroupNotFound) Resource group 'absent' could not be found."),
], ids=["taken", "retention", "protection", "digit", "hyphens", "group"])
def test_a_vault_that_cannot_be_is_not_made(az, arm, group, vault, fresh, options, exit_code, said):
    words = {"taken": vault, "fresh": fresh}
    refused = az.refused(f"keyvault create --resource-group {group} " + options.format(**words), exit_code=exit_code)
    assert said.format(**words) in refused
    assert arm.is_free(fresh) and not arm.is_free(vault)


# Changing


@pytest.mark.operation("VaultPut")
def test_a_vault_is_changed_and_keeps_the_rest(az, arm, create, group, fresh):
    before = create(fresh, "--retention-days 30 --tags a=b c=d")
    az.run(f"keyvault update --name {fresh} --enable-purge-protection true --enabled-for-deployment true")
    az.run(f"keyvault update --name {fresh} --set properties.sku.name=premium tags.e=f --remove tags.a")
    after = arm.get(fresh, group)
    assert after["tags"] == {"c": "d", "e": "f"}
    changes = {"enablePurgeProtection": True, "enabledForDeployment": True, "sku": {"family": "A", "name": "premium"}}
    told = {member: value for member, value in {**before["properties"], **changes}.items() if value is not None}
    assert after["properties"] == told
    assert az.json(f"keyvault show --name {fresh}")["systemData"]["createdAt"] == before["systemData"]["createdAt"]


@pytest.mark.parametrize("option, said", [
    ("--enable-purge-protection false", 'The property "enablePurgeProtection" cannot be set to false.'),
    ("--retention-days 80", "cannot be changed after creation"), ("--set location=elsewhere", "its location cannot be changed"),
    ("--set properties.enableSoftDelete=false", "enableSoftDelete"),
], ids=["protection", "retention", "location", "deletion"])
def test_what_is_fixed_is_not_changed(az, arm, group, create, fresh, option, said):
    create(fresh, "--enable-purge-protection")
    before = arm.get(fresh, group)
    assert said in az.refused(f"keyvault update --name {fresh} {option}")
    assert arm.get(fresh, group) == before


@pytest.mark.operation("VaultPut")
def test_the_permission_model_is_switched_and_decides_at_once(server, az, vault):
    server.wire(vault).set_secret("s")
    az.run(f"keyvault update --name {vault} --enable-rbac-authorization false")
    assert_withheld(server.wire(vault).get("/secrets/s"), "AccessDenied")
    az.run(f"keyvault update --name {vault} --enable-rbac-authorization true")
    assert server.wire(vault).get("/secrets/s").status_code == 200


# Access policies


@pytest.mark.operation("VaultPut")
def test_policies_are_set_and_deleted_by_object_id_and_by_application(server, az, arm, group, stranger, fresh):
    arm.create(fresh, group, enableRbacAuthorization=False, accessPolicies=[arm.entry(arm.object_id, secrets=ALL)])
    theirs = server.wire(fresh, stranger)
    server.wire(fresh).set_secret("s")

    def held() -> dict:
        return {each["objectId"]: each["permissions"] for each in arm.get(fresh, group)["properties"]["accessPolicies"]}

    az.run(f"keyvault set-policy --name {fresh} --spn {stranger.app_id} --secret-permissions get --key-permissions sign verify")
    assert theirs.get("/secrets/s").status_code == 200
    assert_withheld(theirs.get("/secrets"), "AccessDenied")
    assert sorted(held()[stranger.object_id]["keys"]) == ["sign", "verify"]

    # What is not named stays; what is named is replaced.
    az.run(f"keyvault set-policy --name {fresh} --object-id {stranger.object_id} --secret-permissions list")
    assert_withheld(theirs.get("/secrets/s"), "AccessDenied")
    assert theirs.get("/secrets").status_code == 200
    assert sorted(held()[stranger.object_id]["keys"]) == ["sign", "verify"]

    az.run(f"keyvault delete-policy --name {fresh} --spn {stranger.app_id}")
    assert set(held()) == {arm.object_id}
    assert_withheld(theirs.get("/secrets"), "AccessDenied")
    assert "No matching policies found" in az.refused(f"keyvault delete-policy --name {fresh} --object-id {stranger.object_id}")


def test_policies_of_a_vault_of_roles_are_not_set(az, arm, group, vault, stranger):
    said = az.refused(f"keyvault set-policy --name {vault} --object-id {stranger.object_id} --secret-permissions get")
    assert "Cannot set policies to a vault with '--enable-rbac-authorization' specified" in said
    assert arm.get(vault, group)["properties"]["accessPolicies"] == []


# Deletion, recovery, purge


@pytest.mark.operation("VaultDelete")
@pytest.mark.operation("DeletedVaultList")
@pytest.mark.operation("DeletedVaultGet")
@pytest.mark.operation("VaultPut")
def test_a_vault_is_deleted_and_recovered_with_what_is_in_it(server, az, create, group, fresh):
    made = create(fresh, "--tags a=b --retention-days 20")
    server.wire(fresh).set_secret("s", "kept")
    az.run(f"keyvault delete --name {fresh}")
    assert f"The Vault '{fresh}' not found within subscription." in az.refused(f"keyvault show --name {fresh}")
    assert server.wire(fresh).get("/secrets/s").status_code == 404

    shown = az.json(f"keyvault show-deleted --name {fresh}")
    assert (shown["properties"]["vaultId"], shown["properties"]["location"]) == (made["id"], LOCATION)
    assert shown["properties"]["tags"] == {"a": "b"} and shown["id"].endswith(f"/locations/{LOCATION}/deletedVaults/{fresh}")
    assert shown["properties"]["scheduledPurgeDate"] > shown["properties"]["deletionDate"]
    for listed in ("keyvault list-deleted", "keyvault list-deleted --resource-type vault"):
        assert shown in az.json(listed)
    assert shown not in az.json("keyvault list-deleted --resource-type hsm")
    said = az.refused(f"keyvault create --name {fresh} --resource-group {group}")
    assert said.startswith("ERROR: (ConflictError) A vault with the same name already exists in deleted state.")

    recovered = az.json(f"keyvault recover --name {fresh}")
    assert {**recovered, "systemData": None} == {**made, "systemData": None}
    assert server.wire(fresh).get("/secrets/s").json()["value"] == "kept"
    assert fresh not in names(az.json("keyvault list-deleted"))


@pytest.mark.operation("VaultPurge")
def test_a_purged_vault_is_gone_and_its_name_is_free(server, az, create, vault):
    server.wire(vault).set_secret("s")
    az.run(f"keyvault delete --name {vault}")
    az.run(f"keyvault purge --name {vault}")
    assert vault not in names(az.json("keyvault list-deleted"))
    create(vault)
    assert server.wire(vault).get("/secrets").json()["value"] == []


@pytest.mark.operation("VaultPurge")
def test_a_purge_is_not_waited_for(az, group, vault):
    az.run(f"keyvault delete --name {vault} --resource-group {group}")
    az.run(f"keyvault purge --name {vault} --location {LOCATION} --no-wait")
    assert f"No deleted Vault or HSM was found with name {vault}" in az.refused(f"keyvault recover --name {vault}")


def test_a_protected_vault_is_not_purged(az, create, fresh):
    create(fresh, "--enable-purge-protection")
    az.run(f"keyvault delete --name {fresh}")
    said = az.refused(f"keyvault purge --name {fresh}")
    assert said.startswith('ERROR: (Forbidden) Operation "purge" is not allowed because purge protection is enabled')
    assert az.json(f"keyvault show-deleted --name {fresh}")["properties"]["purgeProtectionEnabled"] is True


def test_what_is_not_there_is_told(az, group, fresh):
    assert f"The Vault '{fresh}' not found within subscription." in az.refused(f"keyvault delete --name {fresh}")
    az.run(f"keyvault delete --name {fresh} --resource-group {group}")
    for command in ("show-deleted", "recover", "purge"):
        assert f"No deleted Vault or HSM was found with name {fresh}" in az.refused(f"keyvault {command} --name {fresh}")
    said = az.refused(f"keyvault purge --name {fresh} --location {LOCATION}", exit_code=2)
    assert f"The deleted vault '{fresh}' was not found in location '{LOCATION}'." in said


# Who may


def test_each_step_needs_its_permission(az, fresh_az, cli, arm, group, stranger, fresh):
    fresh_az.login(stranger)
    create = f"keyvault create --name {fresh} --resource-group {group} --location {LOCATION}"
    assert fresh_az.refused(create).startswith("ERROR: (AuthorizationFailed)") and arm.is_free(fresh)
    cli.assign(stranger, "Key Vault Contributor", arm.group(group))
    assert fresh_az.json(create)["name"] == fresh
    fresh_az.run(f"keyvault delete --name {fresh}")
    said = fresh_az.refused(f"keyvault purge --name {fresh} --location {LOCATION}")
    assert "Microsoft.KeyVault/locations/deletedVaults/purge/action" in said
    assert az.json(f"keyvault show-deleted --name {fresh}")["name"] == fresh
