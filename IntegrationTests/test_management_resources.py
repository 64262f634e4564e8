"""What Azure Resource Manager tells of this server: its cloud, its subscription, and the vaults and pools that a caller may see."""

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.keyvault import KeyVaultManagementClient

from harness.clients import credential_for

VERSION = "2026-02-01"


@pytest.fixture(scope="module")
def arm(server) -> str:
    return server.client_env["ARM_URL"].rstrip("/")


@pytest.fixture(scope="module")
def management(server):
    return server.management()


@pytest.fixture(scope="module")
def group(server) -> str:
    return server.client_env["AZURE_RESOURCE_GROUP"]


@pytest.fixture
def nobody(server, cli, name):
    """An application without a role."""
    return server.management(cli.create_application(name))


@pytest.fixture(scope="module")
def client(server, arm):
    """The unmodified client of the management plane."""
    subscription = server.client_env["AZURE_SUBSCRIPTION_ID"]
    with KeyVaultManagementClient(
        credential_for(server), subscription, base_url=arm, credential_scopes=[f"{arm}/.default"],
        connection_verify=server.bundle,
    ) as made:
        yield made


# The Azure client, unmodified


def test_the_client_lists_vaults(client, server):
    found = {vault.name: vault for vault in client.vaults.list_by_subscription()}
    assert {"demo", "other"} <= set(found)
    demo = found["demo"]
    assert demo.properties.vault_uri == server.vault_url("demo") + "/"
    assert demo.properties.enable_rbac_authorization and demo.properties.enable_soft_delete
    assert demo.properties.sku.name == "premium" and demo.properties.soft_delete_retention_in_days == 90
    assert demo.properties.provisioning_state == "Succeeded"


def test_the_client_lists_vaults_of_a_group(client, group):
    assert {"demo", "other"} <= {vault.name for vault in client.vaults.list_by_resource_group(group)}
    assert list(client.vaults.list_by_resource_group("no-such-group")) == []


def test_the_client_lists_vaults_as_resources(client, server):
    found = {item.name: item.id for item in client.vaults.list()}
    assert found["demo"] == server.vault_scope("demo")


def test_the_client_gets_a_vault(client, server, group):
    vault = client.vaults.get(group, "demo")
    assert (vault.id, vault.type) == (server.vault_scope("demo"), "Microsoft.KeyVault/vaults")


@pytest.mark.parametrize(("place", "vault"), [("", "absent"), ("no-such-group", "demo"), ("", "demohsm")])
def test_what_is_not_there_is_not_found(client, group, place, vault):
    with pytest.raises(ResourceNotFoundError) as error:
        client.vaults.get(place or group, vault)
    assert error.value.error.code == "ResourceNotFound"


def test_the_client_gets_and_lists_pools(client, group):
    pool = client.managed_hsms.get(group, "demohsm")
    assert pool.properties.hsm_uri.startswith("https://demohsm.managedhsm.") and pool.properties.provisioning_state == "Succeeded"
    assert "demohsm" in [each.name for each in client.managed_hsms.list_by_subscription()]
    assert "demohsm" in [each.name for each in client.managed_hsms.list_by_resource_group(group)]


@pytest.mark.parametrize(
    ("name", "reason"), [("a-free-name", None), ("demo", "AlreadyExists"), ("DEMO", "AlreadyExists"), ("2bad", "AccountNameInvalid")])
def test_the_client_asks_whether_a_name_is_free(client, name, reason):
    answer = client.vaults.check_name_availability({"name": name, "type": "Microsoft.KeyVault/vaults"})
    assert (answer.name_available, answer.reason) == (reason is None, reason)


def test_the_client_asks_whether_the_name_of_a_pool_is_free(client):
    answer = client.managed_hsms.check_mhsm_name_availability({"name": "demohsm"})
    assert (answer.name_available, answer.reason) == (False, "AlreadyExists")
    assert client.managed_hsms.check_mhsm_name_availability({"name": "demo"}).name_available


# On the wire


@pytest.mark.operation("CloudMetadataGet")
def test_the_cloud_is_described_to_anyone(server, arm, management):
    answer = requests.get(f"{arm}/metadata/endpoints?api-version=2022-09-01", verify=server.bundle, timeout=30)
    cloud = answer.json()
    assert cloud["resourceManager"] == arm and cloud["authentication"]["loginEndpoint"] == server.login
    assert cloud["authentication"]["audiences"] == [arm]
    assert "https://demo." + cloud["suffixes"]["keyVaultDns"] == server.vault_url("demo")
    assert cloud["suffixes"]["mhsmDns"].startswith("managedhsm.")
    assert management.get("/metadata/endpoints", version="2022-09-01").status_code == 200


@pytest.mark.operation("TenantList")
@pytest.mark.operation("SubscriptionList")
@pytest.mark.operation("SubscriptionGet")
def test_there_is_one_tenant_and_one_subscription(server, management):
    subscription = server.client_env["AZURE_SUBSCRIPTION_ID"]
    assert [each["tenantId"] for each in management.get("/tenants", version="2022-12-01").json()["value"]] == [server.tenant]
    [listed] = management.get("/subscriptions", version="2022-12-01").json()["value"]
    assert (listed["subscriptionId"], listed["state"], listed["tenantId"]) == (subscription, "Enabled", server.tenant)
    assert management.get(f"/subscriptions/{subscription}", version="2022-12-01").json() == listed


@pytest.mark.operation("LocationList")
@pytest.mark.operation("ResourceGroupList")
@pytest.mark.operation("ResourceGroupGet")
@pytest.mark.operation("ProviderList")
@pytest.mark.operation("ProviderGet")
def test_locations_groups_and_providers_are_listed(server, management, group):
    base = server.subscription_scope
    assert management.get(f"{base}/locations", version=VERSION).json()["value"]
    groups = management.get(f"{base}/resourcegroups", version=VERSION).json()["value"]
    assert group in [each["name"] for each in groups]
    assert management.get(f"{base}/resourceGroups/{group.upper()}", version=VERSION).json()["id"] == f"{base}/resourceGroups/{group}"
    assert management.get(f"{base}/resourceGroups/absent", version=VERSION).status_code == 404
    [provider] = management.get(f"{base}/providers", version=VERSION).json()["value"]
    assert provider["namespace"] == "Microsoft.KeyVault" and provider["registrationState"] == "Registered"
    assert management.get(f"{base}/providers/microsoft.keyvault", version=VERSION).json() == provider
    assert management.get(f"{base}/providers/Microsoft.Compute", version=VERSION).status_code == 404


@pytest.mark.operation("ResourceList")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"demo", "other", "demohsm"}),
        ("resourceType eq 'Microsoft.KeyVault/vaults'", {"demo", "other"}),
        ("resourceType eq 'microsoft.keyvault/MANAGEDHSMS'", {"demohsm"}),
        ("resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'demo'", {"demo"}),
        ("name eq 'DEMO' AND resourceType eq 'Microsoft.KeyVault/vaults'", {"demo"}),
        ("resourceType eq 'Microsoft.Compute/virtualMachines'", set()),
    ],
)
def test_resources_are_found_by_type_and_name(server, management, text, expected):
    answer = management.get(f"{server.subscription_scope}/resources", version="2015-11-01", query={"$filter": text})
    assert answer.status_code == 200, answer.text
    found = {each["name"] for each in answer.json()["value"]}
    assert found & {"demo", "other", "demohsm"} == expected


@pytest.mark.parametrize(
    "text", ["name", "name eq demo", "name ne 'demo'", "name eq 'a' or name eq 'b'", "color eq 'x'", "name eq 'a' and", "'", "name eq 'a"])
def test_a_filter_that_is_not_understood_is_refused(server, management, text):
    answer = management.get(f"{server.subscription_scope}/resources", version="2015-11-01", query={"$filter": text})
    assert answer.status_code == 400 and "$filter" in answer.json()["error"]["message"]


@pytest.mark.operation("VaultGet")
@pytest.mark.operation("VaultList")
@pytest.mark.operation("ManagedHSMGet")
@pytest.mark.operation("ManagedHSMList")
@pytest.mark.operation("VaultNameCheck")
@pytest.mark.operation("ManagedHSMNameCheck")
def test_paths_are_taken_in_every_spelling(server, management, group):
    base = server.subscription_scope.upper().replace("SUBSCRIPTIONS", "subscriptions")
    provider = f"{base}/RESOURCEGROUPS/{group.upper()}/providers/MICROSOFT.KEYVAULT"
    vault = management.get(f"{provider}/Vaults/Demo", version=VERSION)
    assert vault.status_code == 200 and vault.json()["id"] == server.vault_scope("demo")
    assert management.get(f"{provider}/vaults", version=VERSION).status_code == 200
    assert management.get(f"{provider}/managedhsms/DemoHSM", version=VERSION).json()["name"] == "demohsm"
    assert management.get(f"{provider}/ManagedHSMs", version=VERSION).status_code == 200
    for kind in ("checkNameAvailability", "checkMhsmNameAvailability"):
        path = f"{server.subscription_scope}/providers/Microsoft.KeyVault/{kind}"
        assert management.post(path, version=VERSION, json={"name": "free-name"}).json() == {"nameAvailable": True}
        assert management.post(path, version=VERSION, json={}).status_code == 400
        assert management.post(path, version=VERSION, data=b"no json").status_code == 400


@pytest.mark.parametrize("version", [None, "", "7.4", "yesterday"])
def test_a_version_that_is_no_date_is_refused(management, version):
    answer = management.get("/subscriptions", version=version)
    assert answer.status_code == 400 and "api-version" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["", "/resources", "/locations", "/resourcegroups", "/providers/Microsoft.KeyVault/vaults"])
def test_another_subscription_is_not_found(management, path):
    answer = management.get(f"/subscriptions/11111111-1111-4111-8111-111111111111{path}", version=VERSION)
    assert answer.status_code == 404, answer.text


# Who sees what


def test_who_holds_no_role_sees_no_vault(server, nobody, group):
    base = server.subscription_scope
    assert nobody.get("/subscriptions", version=VERSION).status_code == 200
    for path in ("/resources", "/providers/Microsoft.KeyVault/vaults", "/providers/Microsoft.KeyVault/managedHSMs"):
        answer = nobody.get(base + path, version=VERSION)
        assert (answer.status_code, answer.json()["value"]) == (200, [])
    for path in (server.vault_scope("demo"), f"{server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/demohsm"):
        assert nobody.get(path, version=VERSION).status_code == 403


def test_a_role_on_one_vault_shows_this_one(server, cli, name):
    made = cli.create_application(name)
    cli.assign(made, "Key Vault Contributor", server.vault_scope("other"))
    wire = server.management(made)
    listed = wire.get(f"{server.subscription_scope}/providers/Microsoft.KeyVault/vaults", version=VERSION).json()["value"]
    assert [vault["name"] for vault in listed] == ["other"]
    assert wire.get(server.vault_scope("other"), version=VERSION).status_code == 200
    assert wire.get(server.vault_scope("demo"), version=VERSION).status_code == 403


def test_without_a_token_only_the_cloud_is_told(server, arm):
    for path in ("/subscriptions", "/tenants", server.subscription_scope, f"{server.subscription_scope}/resources", server.vault_scope()):
        answer = requests.get(f"{arm}{path}?api-version={VERSION}", verify=server.bundle, timeout=30)
        assert answer.status_code == 401 and "WWW-Authenticate" in answer.headers


# Role definitions


@pytest.mark.operation("RoleDefinitionList")
@pytest.mark.operation("RoleDefinitionGet")
def test_built_in_roles_are_listed_at_every_scope_and_found_by_name(server, management):
    collection = "/providers/Microsoft.Authorization/roleDefinitions"
    for scope in ("", server.subscription_scope, server.group_scope, server.vault_scope(), server.vault_scope() + "/secrets/any"):
        listed = management.get(scope + collection, version="2022-04-01").json()["value"]
        assert {"Owner", "Key Vault Secrets User"} <= {role["properties"]["roleName"] for role in listed}
    query = {"$filter": "roleName eq 'Key Vault Secrets User'"}
    [found] = management.get(server.vault_scope() + collection, version="2022-05-01-preview", query=query).json()["value"]
    assert found["name"] == "4633458b-17de-408a-b874-0445c86b69e6"
    assert "Microsoft.KeyVault/vaults/secrets/getSecret/action" in found["properties"]["permissions"][0]["dataActions"]
    assert management.get(found["id"], version="2022-04-01").json() == found


@pytest.mark.parametrize("role", ["11111111-1111-4111-8111-111111111111", "Owner", "a290e904-7015-4bba-90c8-60543313cdb4"])
def test_a_role_that_is_none_of_vaults_is_not_found(server, management, role):
    path = f"{server.subscription_scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    assert management.get(path, version="2022-04-01").status_code == 404
