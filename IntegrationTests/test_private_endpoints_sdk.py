"""Connections of private endpoints by the unmodified clients of the management plane."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.aio import KeyVaultManagementClient as AsyncKeyVaultManagementClient
from azure.mgmt.keyvault.models import (
    MHSMPrivateEndpointConnection, MHSMPrivateLinkServiceConnectionState, PrivateEndpointConnection, PrivateLinkServiceConnectionState)

from harness.command_line import CommandLine
from harness.hsm_production import HsmProduction
from harness.private_endpoints import add_listener

GROUP = "strongroom"


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    made = HsmProduction(binary, tmp_path_factory.mktemp("endpoints"))
    made.settings["vaults"], made.settings["pools"] = [{"name": "demo"}], [{"name": "pool1"}]
    add_listener(made, "office", vaults=["demo"], pools=["pool1"])
    add_listener(made, "lab")
    made.initialise().start()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def cli(production) -> CommandLine:
    return CommandLine(production.binary, production.client_env)


@pytest.fixture(scope="module")
def options(production) -> dict:
    arm, bundle = production.client_env["ARM_URL"], str(production.bundle)
    return {
        "subscription_id": production.subscription, "base_url": arm, "credential_scopes": [f"{arm}/.default"], "connection_verify": bundle,
        "polling_interval": 0.2,
    }


@pytest.fixture(scope="module")
def identity(production) -> tuple[list[str], dict]:
    who, env = production.owner, production.client_env
    return [who.tenant, who.app_id, who.password], {
        "authority": env["AZURE_AUTHORITY_HOST"], "disable_instance_discovery": True, "connection_verify": str(production.bundle)}


@pytest.fixture(scope="module")
def client(identity, options):
    with KeyVaultManagementClient(ClientSecretCredential(*identity[0], **identity[1]), **options) as made:
        yield made


@pytest.fixture
async def aclient(identity, options):
    async with AsyncClientSecretCredential(*identity[0], **identity[1]) as credential:
        async with AsyncKeyVaultManagementClient(credential, **options) as made:
            yield made


@pytest.fixture
def endpoints(production) -> str:
    return f"/subscriptions/{production.subscription}/resourceGroups/{GROUP}/providers/Microsoft.Network/privateEndpoints/"


VAULT = (PrivateEndpointConnection, PrivateLinkServiceConnectionState)
POOL = (MHSMPrivateEndpointConnection, MHSMPrivateLinkServiceConnectionState)


def wanted(models, status: str, description: str | None = None):
    connection, state = models
    return connection(private_link_service_connection_state=state(status=status, description=description))


def to(endpoint: str, status: str = "Pending") -> dict:
    """What makes a connection: of a model the clients do not send the identifier of the private endpoint."""
    return {"properties": {"privateEndpoint": {"id": endpoint}, "privateLinkServiceConnectionState": {"status": status}}}


def assert_asked(told, kind: str, name: str, endpoints: str) -> None:
    assert (told.name, told.etag, told.provisioning_state, told.type) == (
        "office", "1", "Succeeded", f"Microsoft.KeyVault/{kind}/privateEndpointConnections")
    assert told.id.endswith(f"/providers/Microsoft.KeyVault/{kind}/{name}/privateEndpointConnections/office")
    assert told.private_endpoint.id == f"{endpoints}office" and told.location
    state = told.private_link_service_connection_state
    assert (state.status, state.description, state.actions_required) == ("Pending", "Asked for by the configuration of the server.", "None")


@pytest.mark.operation("VaultPrivateEndpointConnectionList")
@pytest.mark.operation("VaultPrivateEndpointConnectionGet")
def test_connections_of_a_vault_are_listed_and_told(client, endpoints):
    (listed,) = client.private_endpoint_connections.list_by_resource(GROUP, "demo")
    told = client.private_endpoint_connections.get(GROUP, "demo", "office")
    assert listed == told
    assert_asked(told, "vaults", "demo", endpoints)
    (item,) = client.vaults.get(GROUP, "demo").properties.private_endpoint_connections
    assert (item.id, item.etag, item.provisioning_state) == (told.id, told.etag, "Succeeded")
    assert item.private_link_service_connection_state == told.private_link_service_connection_state


@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionList")
@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionGet")
def test_connections_of_a_pool_are_listed_and_told(client, endpoints):
    (listed,) = client.mhsm_private_endpoint_connections.list_by_resource(GROUP, "pool1")
    told = client.mhsm_private_endpoint_connections.get(GROUP, "pool1", "office")
    assert listed == told
    assert_asked(told, "managedHSMs", "pool1", endpoints)
    (item,) = client.managed_hsms.get(GROUP, "pool1").properties.private_endpoint_connections
    assert (item.id, item.etag, item.provisioning_state) == (told.id, told.etag, "Succeeded")


def changed(connections, models, resource: str, endpoints: str):
    """A connection that was made, approved as it was told, and rejected."""
    made = connections.put(GROUP, resource, "mine", to(f"{endpoints}lab"))
    assert (made.etag, made.private_link_service_connection_state.status) == ("1", "Pending")
    told = connections.get(GROUP, resource, "mine")
    told.private_link_service_connection_state.status = "Approved"
    told.private_link_service_connection_state.description = "by the client"
    approved = connections.put(GROUP, resource, "mine", told)
    assert (approved.private_link_service_connection_state.status, approved.private_link_service_connection_state.description) == (
        "Approved", "by the client")
    assert connections.put(GROUP, resource, "mine", wanted(models, "Rejected")).etag == "3"
    return connections.get(GROUP, resource, "mine")


def assert_refusals(connections, models, resource: str, endpoints: str) -> None:
    with pytest.raises(ResourceNotFoundError):
        connections.get(GROUP, resource, "absent")
    with pytest.raises(ResourceNotFoundError):
        connections.put(GROUP, resource, "absent", wanted(models, "Approved"))
    with pytest.raises(HttpResponseError, match="BadParameter"):
        connections.put(GROUP, resource, "absent", to(f"{endpoints}nowhere"))
    with pytest.raises(HttpResponseError, match="BadParameter"):
        connections.put(GROUP, resource, "office", wanted(models, "Maybe"))
    with pytest.raises(ResourceExistsError):
        connections.put(GROUP, resource, "office", to(f"{endpoints}lab", "Approved"))


@pytest.mark.operation("VaultPrivateEndpointConnectionPut")
def test_a_connection_of_a_vault_is_made_approved_and_rejected(client, endpoints):
    connections = client.private_endpoint_connections
    told = changed(connections, VAULT, "demo", endpoints)
    assert (told.private_link_service_connection_state.status, told.private_endpoint.id) == ("Rejected", f"{endpoints}lab")
    assert_refusals(connections, VAULT, "demo", endpoints)


@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionPut")
def test_a_connection_of_a_pool_is_made_approved_and_rejected(client, endpoints):
    connections = client.mhsm_private_endpoint_connections
    told = changed(connections, POOL, "pool1", endpoints)
    assert (told.private_link_service_connection_state.status, told.private_endpoint.id) == ("Rejected", f"{endpoints}lab")
    assert_refusals(connections, POOL, "pool1", endpoints)


@pytest.mark.operation("VaultPrivateEndpointConnectionDelete")
def test_a_connection_of_a_vault_is_deleted(client, endpoints):
    connections = client.private_endpoint_connections
    connections.put(GROUP, "demo", "gone", to(f"{endpoints}lab", "Approved"))
    told = connections.begin_delete(GROUP, "demo", "gone").result()
    assert told is None or told.name == "gone"
    with pytest.raises(ResourceNotFoundError):
        connections.get(GROUP, "demo", "gone")


@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionDelete")
def test_a_connection_of_a_pool_is_deleted(client, endpoints):
    connections = client.mhsm_private_endpoint_connections
    connections.put(GROUP, "pool1", "gone", to(f"{endpoints}lab", "Approved"))
    told = connections.begin_delete(GROUP, "pool1", "gone").result()
    assert told is None or told.name == "gone"
    with pytest.raises(ResourceNotFoundError):
        connections.get(GROUP, "pool1", "gone")


def assert_link(link, group: str, zone: str) -> None:
    assert (link.name, link.group_id, link.required_members, link.required_zone_names) == (group, group, ["default"], [zone])


@pytest.mark.operation("VaultPrivateLinkResourceList")
@pytest.mark.operation("ManagedHSMPrivateLinkResourceList")
def test_what_a_private_endpoint_may_be_made_to_is_told(client):
    (link,) = client.private_link_resources.list_by_vault(GROUP, "demo").value
    assert_link(link, "vault", "vault.localhost")
    (link,) = client.mhsm_private_link_resources.list_by_mhsm_resource(GROUP, "pool1").value
    assert_link(link, "managedhsm", "managedhsm.localhost")


# Asynchronously


@pytest.mark.operation("VaultPrivateEndpointConnectionPut")
@pytest.mark.operation("VaultPrivateEndpointConnectionList")
@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionPut")
@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionList")
@pytest.mark.parametrize(("kind", "resource", "models"), [
    ("private_endpoint_connections", "demo", VAULT), ("mhsm_private_endpoint_connections", "pool1", POOL)], ids=["vault", "pool"])
async def test_the_asynchronous_client_does_the_same(aclient, client, endpoints, kind, resource, models):
    for each, where in (("private_endpoint_connections", "demo"), ("mhsm_private_endpoint_connections", "pool1")):
        connections = getattr(aclient, each)
        made = await connections.put(GROUP, where, "async", to(f"{endpoints}lab"))
        made.private_link_service_connection_state.status = "Approved"
        made.private_link_service_connection_state.description = "later"
        approved = await connections.put(GROUP, where, "async", made)
        assert (approved.private_link_service_connection_state.status, approved.private_endpoint.id) == ("Approved", f"{endpoints}lab")
        assert "async" in [told.name async for told in connections.list_by_resource(GROUP, where)]
    connections = getattr(aclient, kind)
    assert await connections.get(GROUP, resource, "async") == getattr(client, kind).get(GROUP, resource, "async")
    rejected = await connections.put(GROUP, resource, "async", wanted(models, "Rejected"))
    assert rejected.private_link_service_connection_state.description == "later"
    with pytest.raises(ResourceNotFoundError):
        await connections.get(GROUP, resource, "absent")


@pytest.mark.operation("VaultPrivateEndpointConnectionDelete")
@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionDelete")
async def test_the_asynchronous_client_deletes(aclient, endpoints):
    for connections, where in ((aclient.private_endpoint_connections, "demo"), (aclient.mhsm_private_endpoint_connections, "pool1")):
        await connections.put(GROUP, where, "gone", to(f"{endpoints}lab", "Approved"))
        told = await (await connections.begin_delete(GROUP, where, "gone")).result()
        assert told is None or told.name == "gone"
        assert "gone" not in [each.name async for each in connections.list_by_resource(GROUP, where)]


@pytest.mark.operation("VaultPrivateLinkResourceList")
@pytest.mark.operation("ManagedHSMPrivateLinkResourceList")
async def test_the_asynchronous_client_is_told_the_resources(aclient):
    assert_link((await aclient.private_link_resources.list_by_vault(GROUP, "demo")).value[0], "vault", "vault.localhost")
    (link,) = (await aclient.mhsm_private_link_resources.list_by_mhsm_resource(GROUP, "pool1")).value
    assert_link(link, "managedhsm", "managedhsm.localhost")
