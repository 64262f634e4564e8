"""Managed HSM pools through the unmodified Azure CLI, from their making to their end. What it does is looked at by plain calls."""

import pytest

from harness.hsm_pool import pool_url, pool_wire
from harness.management_pools import Pools, assert_unactivated, pool_name
from harness.management_wire import LATEST, LOCATION

pytest_plugins = ["harness.azure_cli_fixtures"]


@pytest.fixture(scope="module")
def arm(server) -> Pools:
    return Pools.of(server)


@pytest.fixture(scope="module")
def group(arm) -> str:
    """A resource group, made without the CLI."""
    name = f"team-{pool_name()}"
    made = arm.wire.put(arm.group(name), version=LATEST, json={"location": LOCATION})
    assert made.status_code in (200, 201), made.text
    return name


@pytest.fixture
def fresh() -> str:
    return pool_name()


@pytest.fixture
def create(az, arm, group):
    """Makes a pool in the group; what the command prints."""

    def run(name: str, options: str = "") -> dict:
        needed = f"--administrators {arm.object_id} --retention-days 7"
        return az.json(f"keyvault create --hsm-name {name} --resource-group {group} {needed} {options}")

    return run


def names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


@pytest.mark.operation("ManagedHSMPut")
@pytest.mark.operation("ManagedHSMOperationResultGet")
@pytest.mark.operation("ManagedHSMGet")
@pytest.mark.operation("ManagedHSMList")
@pytest.mark.operation("ManagedHSMRegionList")
def test_a_pool_is_created_and_told(server, az, arm, group, create, fresh):
    made = create(fresh, "--tags team=payments")
    told = made["properties"]
    assert (made["id"], made["location"], made["tags"]) == (arm.vault(fresh, group), LOCATION, {"team": "payments"})
    assert (made["sku"]["family"], made["sku"]["name"]) == ("B", "Standard_B1")
    assert (told["provisioningState"], told["hsmUri"]) == ("Succeeded", pool_url(server, fresh) + "/")
    assert (told["softDeleteRetentionInDays"], told["initialAdminObjectIds"]) == (7, [arm.object_id])
    assert told["securityDomainProperties"]["activationStatus"] == "NotActivated"
    assert_unactivated(pool_wire(server, pool=fresh).get("/settings"), fresh)

    assert az.json(f"keyvault show --hsm-name {fresh}") == made
    az.run(f"keyvault wait-hsm --hsm-name {fresh} --resource-group {group} --created --interval 1")
    assert made in az.json("keyvault list --resource-type hsm")
    assert names(az.json(f"keyvault list --resource-type hsm --resource-group {group}")).count(fresh) == 1
    assert {fresh, "demohsm"} <= set(names(az.json("keyvault list")))
    [region] = az.json(f"keyvault region list --hsm-name {fresh}")
    assert (region["name"], region["isPrimary"], region["provisioningState"]) == (LOCATION, True, "Succeeded")
    assert az.json(f"keyvault check-name --name {fresh}")["nameAvailable"] is False


@pytest.mark.operation("ManagedHSMPut")
def test_every_setting_is_given_when_it_is_made_and_changed_later(az, arm, group, create, fresh):
    identity = f"{arm.group(group)}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
    made = create(
        fresh,
        "--sku Custom_C10 --public-network-access Disabled --default-action Deny --bypass None"
        f" --network-acls-ips 203.0.113.7 --mi-user-assigned {identity}")
    assert (made["sku"]["family"], made["sku"]["name"], made["identity"]["type"]) == ("C", "Custom_C10", "UserAssigned")
    acls = made["properties"]["networkAcls"]
    assert (acls["defaultAction"], acls["bypass"], made["properties"]["publicNetworkAccess"]) == ("Deny", "None", "Disabled")
    assert [rule["value"] for rule in acls["ipRules"]] == ["203.0.113.7/32"]

    before = arm.get(fresh, group)
    az.run(f"keyvault update-hsm --hsm-name {fresh} --enable-purge-protection true --public-network-access Enabled --set tags.a=b")
    after = arm.get(fresh, group)
    changes = {"enablePurgeProtection": True, "publicNetworkAccess": "Enabled"}
    assert after["properties"] == {**before["properties"], **changes} and after["tags"] == {"a": "b"}
    assert after["identity"] == before["identity"]
    refused = az.refused(f"keyvault update-hsm --hsm-name {fresh} --enable-purge-protection false")
    assert '(BadParameter) The property "enablePurgeProtection" cannot be set to false.' in refused
    assert arm.get(fresh, group) == after


@pytest.mark.operation("ManagedHSMPut")
def test_network_rules_are_added_listed_and_removed(az, arm, group, fresh):
    arm.create(fresh, group)

    def addresses() -> list[str]:
        return [rule["value"] for rule in arm.get(fresh, group)["properties"]["networkAcls"]["ipRules"]]

    for address in ("203.0.113.7", "198.51.100.0/24"):
        added = az.json(f"keyvault network-rule add --hsm-name {fresh} --ip-address {address}")
    assert added["name"] == fresh and addresses() == ["203.0.113.7/32", "198.51.100.0/24"]
    listed = az.json(f"keyvault network-rule list --hsm-name {fresh}")
    assert [rule["value"] for rule in listed["ipRules"]] == addresses()
    az.run(f"keyvault network-rule remove --hsm-name {fresh} --ip-address 203.0.113.7/32")
    assert addresses() == ["198.51.100.0/24"]


@pytest.mark.operation("ManagedHSMDelete")
@pytest.mark.operation("DeletedManagedHSMList")
@pytest.mark.operation("DeletedManagedHSMGet")
@pytest.mark.operation("ManagedHSMPut")
@pytest.mark.operation("ManagedHSMPurge")
@pytest.mark.operation("ManagedHSMOperationResultGet")
def test_a_pool_is_deleted_recovered_and_in_the_end_purged(az, arm, group, create, fresh):
    arm.create(fresh, group, softDeleteRetentionInDays=7)
    made = arm.get(fresh, group)
    az.run(f"keyvault delete --hsm-name {fresh}")
    assert f"The HSM '{fresh}' not found within subscription." in az.refused(f"keyvault show --hsm-name {fresh}")
    shown = az.json(f"keyvault show-deleted --hsm-name {fresh} --location {LOCATION}")
    assert (shown["properties"]["mhsmId"], shown["properties"]["location"]) == (made["id"], LOCATION)
    assert shown["properties"]["scheduledPurgeDate"] > shown["properties"]["deletionDate"]
    assert shown in az.json("keyvault list-deleted --resource-type hsm") and shown in az.json("keyvault list-deleted")
    refused = az.refused(
        f"keyvault create --hsm-name {fresh} --resource-group {group} --administrators {arm.object_id} --retention-days 7")
    assert refused.startswith("ERROR: (ConflictError) A managed HSM with the same name already exists in deleted state.")

    assert az.json(f"keyvault recover --hsm-name {fresh}")["id"] == made["id"]
    assert {**arm.get(fresh, group), "systemData": None} == {**made, "systemData": None}
    az.run(f"keyvault delete --hsm-name {fresh} --resource-group {group}")
    az.run(f"keyvault purge --hsm-name {fresh}")
    assert arm.is_free(fresh) and fresh not in names(arm.ask_list_deleted().json()["value"])
    assert f"No deleted Vault or HSM was found with name {fresh}" in az.refused(f"keyvault recover --hsm-name {fresh}")


def test_it_does_not_wait_and_waits_later(az, arm, group, create, fresh):
    assert create(fresh, "--no-wait") is None
    az.run(f"keyvault wait-hsm --hsm-name {fresh} --resource-group {group} --created --interval 1")
    assert arm.get(fresh, group)["properties"]["provisioningState"] == "Succeeded"
    az.run(f"keyvault update-hsm --hsm-name {fresh} --enable-purge-protection true --no-wait")
    az.run(f"keyvault delete --hsm-name {fresh} --no-wait")
    az.run(f"keyvault wait-hsm --hsm-name {fresh} --resource-group {group} --deleted --interval 1")
    refused = az.refused(f"keyvault purge --hsm-name {fresh}")
    assert refused.startswith('ERROR: (Forbidden) Operation "purge" is not allowed because purge protection is enabled')


@pytest.mark.parametrize("options, said", [
    ("--hsm-name {fresh} --retention-days 6", "(BadParameter) Property 'softDeleteRetentionInDays'"),
    ("--hsm-name {fresh} --retention-days 7 --sku Standard_B2", "(BadParameter) Property 'sku'"),
    ("--hsm-name two--hyphens --retention-days 7", "(VaultNameNotValid)"),
    ("--hsm-name {fresh} --retention-days 7 --administrators me", "(BadParameter) Property 'initialAdminObjectIds'"),
], ids=["retention", "sku", "name", "administrator"])
def test_a_pool_that_cannot_be_is_not_made(az, arm, group, fresh, options, said):
    refused = az.refused(
        f"keyvault create --resource-group {group} --administrators {arm.object_id} {options.format(fresh=fresh)}")
    assert said in refused and arm.is_free(fresh)
