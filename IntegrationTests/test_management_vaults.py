"""Vaults made, changed, deleted, recovered and purged by the unmodified client of the management plane."""

import json
import time

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.secrets import SecretClient
from azure.mgmt.keyvault import KeyVaultManagementClient

from harness.clients import credential_for, management_options
from harness.tokens import decode

LOCATION = "westeurope"


@pytest.fixture(scope="module")
def group(server) -> str:
    return server.client_env["AZURE_RESOURCE_GROUP"]


@pytest.fixture(scope="module")
def vaults(server):
    with KeyVaultManagementClient(credential_for(server), **management_options(server)) as made:
        yield made.vaults


@pytest.fixture
def vault_name(name) -> str:
    """A name of its own, short enough for a vault."""
    return f"v{abs(hash(name)) % 10**12}"


def wanted(server, **properties) -> dict:
    tenant = server.client_env["AZURE_TENANT_ID"]
    return {
        "location": LOCATION,
        "properties": {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, **properties},
    }


@pytest.fixture
def made(vaults, group, server, vault_name):
    """A vault where roles decide."""
    return vaults.begin_create_or_update(group, vault_name, wanted(server, softDeleteRetentionInDays=7)).result()


def secrets_of(server, vault: str) -> SecretClient:
    return SecretClient(server.vault_url(vault), credential_for(server), connection_verify=server.bundle)


def object_id(server) -> str:
    """Who the owner is, as its token says."""
    token = credential_for(server).get_token(server.client_env["ARM_URL"].rstrip("/") + "/.default").token
    return json.loads(decode(token.split(".")[1]))["oid"]


def test_a_vault_is_made_and_used(made, server, vault_name, vaults, group):
    assert made.properties.provisioning_state == "Succeeded"
    assert made.properties.vault_uri == server.vault_url(vault_name) + "/"
    assert made.properties.enable_rbac_authorization and made.properties.soft_delete_retention_in_days == 7
    assert made.location == LOCATION and made.system_data.created_by_type == "Application"
    with secrets_of(server, vault_name) as secrets:
        secrets.set_secret("first", "value")
        assert secrets.get_secret("first").value == "value"
    assert vaults.get(group, vault_name).id == made.id


def test_settings_change_and_stay(made, vaults, group, vault_name, server):
    changed = vaults.update(
        group, vault_name, {"tags": {"team": "blue"}, "properties": {"enablePurgeProtection": True, "enabledForDeployment": True}})
    assert changed.tags == {"team": "blue"} and changed.properties.enable_purge_protection
    again = vaults.get(group, vault_name)
    assert again.tags == {"team": "blue"} and again.properties.enabled_for_deployment
    with pytest.raises(HttpResponseError, match="irreversible"):
        vaults.update(group, vault_name, {"properties": {"enablePurgeProtection": False}})


def test_a_deleted_vault_is_recovered_with_all_that_is_in_it(made, vaults, group, vault_name, server):
    with secrets_of(server, vault_name) as secrets:
        secrets.set_secret("kept", "value")
        vaults.delete(group, vault_name)
        with pytest.raises(HttpResponseError):
            secrets.get_secret("kept")
        with pytest.raises(ResourceNotFoundError):
            vaults.get(group, vault_name)
        deleted = vaults.get_deleted(vault_name, LOCATION)
        assert deleted.properties.vault_id == made.id
        assert (deleted.properties.scheduled_purge_date - deleted.properties.deletion_date).days == 7
        assert vault_name in [each.name for each in vaults.list_deleted()]
        with pytest.raises(ResourceExistsError, match="deleted state"):
            vaults.begin_create_or_update(group, vault_name, wanted(server)).result()
        back = vaults.begin_create_or_update(group, vault_name, wanted(server, createMode="recover")).result()
        assert back.id == made.id
        assert secrets.get_secret("kept").value == "value"
    assert vault_name not in [each.name for each in vaults.list_deleted()]


def test_a_purged_vault_is_gone_and_its_name_is_free(made, vaults, group, vault_name, server):
    with secrets_of(server, vault_name) as secrets:
        secrets.set_secret("lost", "value")
        vaults.delete(group, vault_name)
        vaults.begin_purge_deleted(vault_name, LOCATION).result()
        with pytest.raises(ResourceNotFoundError):
            vaults.get_deleted(vault_name, LOCATION)
        for _ in range(100):
            if vaults.check_name_availability({"name": vault_name, "type": "Microsoft.KeyVault/vaults"}).name_available:
                break
            time.sleep(0.1)
        vaults.begin_create_or_update(group, vault_name, wanted(server)).result()
        with pytest.raises(ResourceNotFoundError):
            secrets.get_secret("lost")


def test_a_protected_vault_is_not_purged(vaults, group, vault_name, server):
    vaults.begin_create_or_update(group, vault_name, wanted(server, enablePurgeProtection=True)).result()
    vaults.delete(group, vault_name)
    with pytest.raises(HttpResponseError, match="purge protection"):
        vaults.begin_purge_deleted(vault_name, LOCATION).result()
    vaults.begin_create_or_update(group, vault_name, wanted(server, createMode="recover")).result()


def test_access_policies_decide_in_place_of_roles(vaults, group, vault_name, server):
    policy = {
        "tenantId": server.client_env["AZURE_TENANT_ID"], "objectId": object_id(server),
        "permissions": {"secrets": ["get", "Set"]},
    }
    vault = vaults.begin_create_or_update(
        group, vault_name, wanted(server, enableRbacAuthorization=False, accessPolicies=[policy])).result()
    assert vault.properties.enable_rbac_authorization is False
    assert vault.properties.access_policies[0].permissions.secrets == ["get", "Set"]
    with secrets_of(server, vault_name) as secrets:
        secrets.set_secret("mine", "value")
        assert secrets.get_secret("mine").value == "value"
        with pytest.raises(HttpResponseError, match="does not have secrets list permission on key vault") as refused:
            list(secrets.list_properties_of_secrets())
        assert refused.value.error.innererror["code"] == "AccessDenied"
        vaults.update_access_policy(
            group, vault_name, "add", {"properties": {"accessPolicies": [{**policy, "permissions": {"secrets": ["list"]}}]}})
        assert [each.name for each in secrets.list_properties_of_secrets()] == ["mine"]
        vaults.update_access_policy(
            group, vault_name, "remove", {"properties": {"accessPolicies": [{**policy, "permissions": {"secrets": ["get"]}}]}})
        with pytest.raises(HttpResponseError, match="secrets get permission"):
            secrets.get_secret("mine")
        vaults.update(group, vault_name, {"properties": {"enableRbacAuthorization": True}})
        assert secrets.get_secret("mine").value == "value"


def test_network_rules_stand_before_permissions(made, vaults, group, vault_name, server):
    with secrets_of(server, vault_name) as secrets:
        secrets.set_secret("far", "value")
        closed = {"networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "203.0.113.7"}]}}
        vault = vaults.update(group, vault_name, {"properties": closed})
        assert [rule.value for rule in vault.properties.network_acls.ip_rules] == ["203.0.113.7/32"]
        with pytest.raises(HttpResponseError, match="Client address is not authorized") as refused:
            secrets.get_secret("far")
        assert refused.value.error.innererror["code"] == "ForbiddenByFirewall"
        rules = [{"value": "127.0.0.0/8"}, {"value": "::1"}]
        vaults.update(group, vault_name, {"properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": rules}}})
        assert secrets.get_secret("far").value == "value"
        vaults.update(group, vault_name, {"properties": {"publicNetworkAccess": "Disabled"}})
        with pytest.raises(HttpResponseError, match="Public network access is disabled") as refused:
            secrets.get_secret("far")
        assert refused.value.error.innererror["code"] == "ForbiddenByConnection"
