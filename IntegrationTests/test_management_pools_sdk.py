"""Managed HSM pools made, changed, deleted, recovered and purged by the unmodified clients of the management plane."""

import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.administration import KeyVaultAccessControlClient, KeyVaultRoleScope
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.aio import KeyVaultManagementClient as AsyncKeyVaultManagementClient
from azure.mgmt.keyvault.models import (
    ManagedHsm, ManagedHsmProperties, ManagedHsmSku, ManagedServiceIdentity, MHSMIPRule, MHSMNetworkRuleSet)

from harness.clients import credential_for, management_options
from harness.hsm_pool import owner_object_id, pool_url
from harness.management_pools import pool_name
from harness.management_wire import LOCATION


@pytest.fixture(scope="module")
def group(server) -> str:
    return server.client_env["AZURE_RESOURCE_GROUP"]


@pytest.fixture(scope="module")
def options(server) -> dict:
    """What both clients are made with."""
    return management_options(server)


@pytest.fixture(scope="module")
def client(server, options):
    with KeyVaultManagementClient(credential_for(server), **options) as made:
        yield made


@pytest.fixture(scope="module")
def pools(client):
    return client.managed_hsms


@pytest.fixture
async def apools(acredential, options):
    async with AsyncKeyVaultManagementClient(acredential, **options) as made:
        yield made.managed_hsms


@pytest.fixture
def fresh() -> str:
    return pool_name()


def wanted(server, **properties) -> ManagedHsm:
    first = {"initial_admin_object_ids": [owner_object_id(server)], "soft_delete_retention_in_days": 7, **properties}
    return ManagedHsm(
        location=LOCATION, sku=ManagedHsmSku(family="B", name="Standard_B1"), tags={"team": "blue"},
        properties=ManagedHsmProperties(tenant_id=os.environ["AZURE_TENANT_ID"], **first))


def recovering(server) -> ManagedHsm:
    return wanted(server, create_mode="recover", initial_admin_object_ids=None, soft_delete_retention_in_days=None)


@pytest.fixture
def made(server, pools, group, fresh):
    return pools.begin_create_or_update(group, fresh, wanted(server)).result()


@pytest.mark.operation("ManagedHSMPut")
@pytest.mark.operation("ManagedHSMOperationResultGet")
@pytest.mark.operation("ManagedHSMGet")
def test_a_pool_is_made_and_told(server, pools, group, fresh, made):
    properties = made.properties
    assert (made.name, made.location, made.tags, made.sku.name) == (fresh, LOCATION, {"team": "blue"}, "Standard_B1")
    assert (properties.provisioning_state, properties.hsm_uri) == ("Succeeded", pool_url(server, fresh) + "/")
    assert (properties.soft_delete_retention_in_days, properties.enable_soft_delete) == (7, True)
    assert properties.initial_admin_object_ids == [owner_object_id(server)] and not properties.enable_purge_protection
    assert properties.security_domain_properties.activation_status == "NotActivated"
    assert made.system_data.created_by_type == "Application"
    assert pools.get(group, fresh).as_dict() == made.as_dict()
    # Nothing else can be done with it yet.
    with KeyVaultAccessControlClient(properties.hsm_uri, credential_for(server), connection_verify=server.bundle) as access:
        with pytest.raises(HttpResponseError, match="not activated") as refused:
            list(access.list_role_assignments(KeyVaultRoleScope.GLOBAL))
    assert refused.value.status_code == 403


@pytest.mark.operation("ManagedHSMPatch")
def test_settings_change_and_stay(pools, group, fresh, made):
    rules = MHSMNetworkRuleSet(bypass="None", default_action="Deny", ip_rules=[MHSMIPRule(value="203.0.113.7")])
    identity = ManagedServiceIdentity(type="UserAssigned", user_assigned_identities={f"{made.id}/one": {}})
    change = ManagedHsm(
        location=LOCATION, tags={"a": "b"}, identity=identity,
        properties=ManagedHsmProperties(enable_purge_protection=True, public_network_access="Disabled", network_acls=rules))
    changed = pools.begin_update(group, fresh, change).result()
    again = pools.get(group, fresh)
    assert changed.as_dict() == again.as_dict() and again.tags == {"a": "b"}
    assert again.properties.enable_purge_protection and again.properties.public_network_access == "Disabled"
    assert [rule.value for rule in again.properties.network_acls.ip_rules] == ["203.0.113.7/32"]
    assert (again.properties.network_acls.default_action, again.properties.network_acls.bypass) == ("Deny", "None")
    assert again.identity.type == "UserAssigned" and again.properties.soft_delete_retention_in_days == 7
    for wrong in (ManagedHsmProperties(enable_purge_protection=False), ManagedHsmProperties(soft_delete_retention_in_days=8)):
        with pytest.raises(HttpResponseError) as refused:
            pools.begin_update(group, fresh, ManagedHsm(location=LOCATION, properties=wrong)).result()
        assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")


@pytest.mark.operation("ManagedHSMPut")
def test_a_pool_goes_back_as_it_came(pools, group, fresh, made):
    made.tags = {"c": "d"}
    again = pools.begin_create_or_update(group, fresh, made).result()
    assert again.tags == {"c": "d"} and again.properties.as_dict() == made.properties.as_dict()


@pytest.mark.operation("ManagedHSMList")
@pytest.mark.operation("ManagedHSMRegionList")
@pytest.mark.operation("ManagedHSMNameCheck")
def test_pools_are_listed_with_the_regions_they_are_in(client, pools, group, fresh, made):
    for listed in (pools.list_by_subscription(), pools.list_by_resource_group(group)):
        assert {fresh, "demohsm"} <= {each.name for each in listed}
    (region,) = client.mhsm_regions.list_by_resource(group, fresh)
    assert (region.name, region.is_primary, region.provisioning_state) == (LOCATION, True, "Succeeded")
    assert pools.check_mhsm_name_availability({"name": pool_name()}).name_available
    taken = pools.check_mhsm_name_availability({"name": fresh})
    assert (taken.name_available, taken.reason) == (False, "AlreadyExists") and taken.message


@pytest.mark.operation("ManagedHSMDelete")
@pytest.mark.operation("DeletedManagedHSMList")
@pytest.mark.operation("DeletedManagedHSMGet")
@pytest.mark.operation("ManagedHSMPurge")
@pytest.mark.operation("ManagedHSMOperationResultGet")
def test_a_deleted_pool_is_recovered_and_in_the_end_purged(server, pools, group, fresh, made):
    pools.begin_delete(group, fresh).result()
    with pytest.raises(ResourceNotFoundError):
        pools.get(group, fresh)
    deleted = pools.get_deleted(fresh, LOCATION)
    assert (deleted.properties.mhsm_id, deleted.properties.tags) == (made.id, {"team": "blue"})
    assert (deleted.properties.scheduled_purge_date - deleted.properties.deletion_date).days == 7
    assert fresh in [each.name for each in pools.list_deleted()]
    with pytest.raises(ResourceExistsError, match="deleted state"):
        pools.begin_create_or_update(group, fresh, wanted(server)).result()
    back = pools.begin_create_or_update(group, fresh, recovering(server)).result()
    assert (back.id, back.properties.as_dict()) == (made.id, made.properties.as_dict())
    assert fresh not in [each.name for each in pools.list_deleted()]
    pools.begin_delete(group, fresh).result()
    pools.begin_purge_deleted(fresh, LOCATION).result()
    with pytest.raises(ResourceNotFoundError):
        pools.get_deleted(fresh, LOCATION)
    assert pools.check_mhsm_name_availability({"name": fresh}).name_available
    pools.begin_delete(group, fresh).result()


def test_a_protected_pool_is_not_purged(server, pools, group, fresh):
    pools.begin_create_or_update(group, fresh, wanted(server, enable_purge_protection=True)).result()
    pools.begin_delete(group, fresh).result()
    with pytest.raises(HttpResponseError, match="purge protection"):
        pools.begin_purge_deleted(fresh, LOCATION).result()
    assert pools.get_deleted(fresh, LOCATION).properties.purge_protection_enabled is True
    assert pools.begin_create_or_update(group, fresh, recovering(server)).result().properties.enable_purge_protection


@pytest.mark.operation("ManagedHSMPut")
@pytest.mark.operation("ManagedHSMPatch")
@pytest.mark.operation("ManagedHSMDelete")
@pytest.mark.operation("ManagedHSMPurge")
@pytest.mark.operation("DeletedManagedHSMGet")
async def test_the_asynchronous_client_takes_a_pool_through_its_life(server, apools, group, fresh):
    made = await (await apools.begin_create_or_update(group, fresh, wanted(server))).result()
    assert made.properties.provisioning_state == "Succeeded"
    assert (await apools.get(group, fresh)).as_dict() == made.as_dict()
    changed = await (await apools.begin_update(group, fresh, ManagedHsm(location=LOCATION, tags={"a": "b"}))).result()
    assert changed.tags == {"a": "b"}
    for listed in (apools.list_by_subscription(), apools.list_by_resource_group(group)):
        assert fresh in [pool.name async for pool in listed]
    assert not (await apools.check_mhsm_name_availability({"name": fresh})).name_available
    await (await apools.begin_delete(group, fresh)).result()
    with pytest.raises(ResourceNotFoundError):
        await apools.get(group, fresh)
    assert fresh in [pool.name async for pool in apools.list_deleted()]
    assert (await apools.get_deleted(fresh, LOCATION)).properties.mhsm_id == made.id
    back = await (await apools.begin_create_or_update(group, fresh, recovering(server))).result()
    assert (back.id, back.tags) == (made.id, {"a": "b"})
    await (await apools.begin_delete(group, fresh)).result()
    await (await apools.begin_purge_deleted(fresh, LOCATION)).result()
    assert (await apools.check_mhsm_name_availability({"name": fresh})).name_available
