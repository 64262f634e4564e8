"""Connections of private endpoints by the unmodified Azure CLI, of a server by configuration file: only that has such listeners."""

from types import SimpleNamespace

import pytest

from harness.azure_cli import AzureCLI, LoadedAzureCLI
from harness.command_line import CommandLine
from harness.hsm_production import HsmProduction
from harness.management_pools import Pools
from harness.management_wire import Arm
from harness.private_endpoints import APPROVED, PENDING, REJECTED, Connections, add_listener, pool_by, status_of, vault_by

CONNECTION = "keyvault private-endpoint-connection"
ROLES = "/providers/Microsoft.Authorization/roleDefinitions"


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    made = HsmProduction(binary, tmp_path_factory.mktemp("endpoints"))
    made.settings["vaults"], made.settings["pools"] = [{"name": "demo"}], [{"name": "pool1"}]
    made.office = add_listener(made, "office", vaults=["demo"], pools=["pool1"])
    made.initialise().start()
    CommandLine(binary, made.client_env).assign(made.owner, "Key Vault Secrets Officer", f"/subscriptions/{made.subscription}")
    yield made
    made.kill()


@pytest.fixture(scope="module")
def cli(production) -> CommandLine:
    return CommandLine(production.binary, production.client_env)


@pytest.fixture(scope="module")
def az(production, tmp_path_factory):
    folder, server = tmp_path_factory.mktemp("az"), SimpleNamespace(data=production.folder, client_env=production.client_env)
    AzureCLI(server, folder).register()
    AzureCLI(server, folder).login(production.owner)
    with LoadedAzureCLI(server, folder) as loaded:
        yield loaded


@pytest.fixture(params=["vault", "hsm"])
def place(request, production):
    """How `az` names the vault or pool, its connections, and whether its listener lets through."""
    arm = Arm.production(production)
    if request.param == "vault":
        return "--vault-name demo", Connections(arm, "demo"), vault_by(production, production.office), "/secrets"
    pools = Pools(arm.wire, arm.subscription, arm.default_group, arm.tenant)
    return "--hsm-name pool1", Connections(pools, "pool1", "managedHSMs"), pool_by(production, production.office), ROLES


def state(told: dict) -> tuple[str, str]:
    inner = told.get("properties", told)["privateLinkServiceConnectionState"]
    return inner["status"], inner["description"]


@pytest.mark.operation("VaultPrivateLinkResourceList")
@pytest.mark.operation("ManagedHSMPrivateLinkResourceList")
def test_what_a_private_endpoint_may_be_made_to_is_listed(az):
    for where, group in (("--vault-name demo", "vault"), ("--hsm-name pool1", "managedhsm")):
        (link,) = az.json(f"keyvault private-link-resource list {where}")
        inner = link.get("properties", link)
        assert (link["name"], inner["groupId"], inner["requiredMembers"]) == (group, group, ["default"])


def test_a_connection_is_shown_approved_rejected_waited_for_and_deleted(az, place):
    where, connections, wire, path = place
    shown = az.json(f"{CONNECTION} show {where} --name office")
    assert (shown["name"], state(shown)[0], shown["id"]) == ("office", PENDING, f"{connections.path}/office")
    assert wire.get(path).status_code == 403
    approved = az.json(f"{CONNECTION} approve {where} --name office --description", "by the operator")
    assert state(approved) == (APPROVED, "by the operator") and wire.get(path).status_code == 200
    az.run(f"{CONNECTION} wait {where} --name office --created")
    rejected = az.json(f"{CONNECTION} reject --id", connections.get("office")["id"])
    assert state(rejected)[0] == status_of(connections.get("office")) == REJECTED and wire.get(path).status_code == 403
    az.run(f"{CONNECTION} delete {where} --name office")
    assert connections.all() == [] and wire.get(path).status_code == 403
    assert "ResourceNotFound" in az.refused(f"{CONNECTION} show {where} --name office", exit_code=3)
    connections.put("office", PENDING, to="office")


def test_connections_are_listed(az, production):
    """Of pools by their own command, of vaults as part of the vault."""
    (listed,) = az.json(f"{CONNECTION} list --hsm-name pool1 --resource-group strongroom")
    assert listed["name"] == "office" and state(listed)[0] == PENDING
    (part,) = az.json("keyvault show --name demo")["properties"]["privateEndpointConnections"]
    assert state(part)[0] == PENDING and part["id"] == Connections(Arm.production(production), "demo").get("office")["id"]
