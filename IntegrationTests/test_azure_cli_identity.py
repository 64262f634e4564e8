"""`az login --identity`: the unmodified Azure CLI on a machine whose identity `strongroom agent` holds."""

import uuid

import pytest

from harness.azure_cli import AzureCLI
from harness.tokens import claims_of
from test_agent import HEADER, agent, app, proof, started  # noqa: F401

pytest_plugins = ["harness.azure_cli_fixtures"]

MACHINE = "login --identity"


class MachineCLI(AzureCLI):
    """An `az` that is told by its environment where the machine's identity is to be had."""

    variables: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.variables}


def by_metadata(agent) -> dict[str, str]:
    return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": agent.url}


def by_app_service(agent) -> dict[str, str]:
    return {"IDENTITY_ENDPOINT": f"{agent.url}/msi/token", "IDENTITY_HEADER": HEADER}


@pytest.fixture
def bare(server, fresh_az) -> MachineCLI:
    """On a machine that has no identity yet."""
    return MachineCLI(server, fresh_az.folder)


@pytest.fixture(params=[by_metadata, by_app_service])
def machine(request, bare, agent) -> MachineCLI:
    bare.variables = request.param(agent)
    return bare


# Who it is


@pytest.mark.operation("TokenIssue")
@pytest.mark.operation("SubscriptionList")
@pytest.mark.operation("SecretSet")
@pytest.mark.operation("SecretGet")
def test_the_identity_of_the_machine_logs_in_and_opens_the_vault(server, machine, app, wire, name):
    [account] = machine.json(MACHINE)
    assert (account["id"], account["tenantId"]) == (server.client_env["AZURE_SUBSCRIPTION_ID"], server.tenant)
    assert account["user"] == {"assignedIdentityInfo": "MSI", "name": "systemAssignedIdentity", "type": "servicePrincipal"}
    machine.run(f"keyvault secret set --vault-name demo --name {name} --value", "by a machine")
    assert wire.get(f"/secrets/{name}").json()["value"] == "by a machine"
    assert machine.json(f"keyvault secret show --vault-name demo --name {name}")["value"] == "by a machine"
    got = claims_of(machine.json("account get-access-token --resource", server.vault_resource)["accessToken"])
    assert (got["appid"], got["oid"]) == (app["appId"], app["objectId"])


@pytest.mark.operation("TokenIssue")
@pytest.mark.operation("SecretGet")
def test_the_identity_is_named_by_its_client_id(machine, app, wire, name):
    wire.set_secret(name, "by its name")
    [account] = machine.json(f"{MACHINE} --client-id {app['appId']}")
    assert account["user"]["assignedIdentityInfo"] == f"MSIClient-{app['appId']}"
    assert machine.json(f"keyvault secret show --vault-name demo --name {name}")["value"] == "by its name"


@pytest.mark.parametrize("named", [
    "--client-id {other}", "--object-id {objectId}",
    "--resource-id /subscriptions/{other}/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/host",
], ids=["another client", "object", "resource"])
def test_nothing_else_names_it(machine, app, named):
    said = machine.refused(f"{MACHINE} {named.format(**app, other=uuid.uuid4())}")
    assert "Identity not found" in said
    assert machine.json("account list") == []


# What it may, and until when


def test_it_may_what_its_roles_say(machine, app, wire, name):
    wire.set_secret(name)
    machine.run(MACHINE)
    assert machine.json("keyvault list") == []
    said = machine.refused("keyvault key list --vault-name demo")
    assert said.startswith("ERROR: (Forbidden)") and f"appid={app['appId']};oid={app['objectId']}" in said


def test_it_holds_for_the_hosts_of_the_server_and_for_no_other(server, machine):
    machine.run(MACHINE)
    assert claims_of(machine.json("account get-access-token")["accessToken"])["aud"] == server.client_env["ARM_URL"].rstrip("/")
    assert "AADSTS500011" in machine.refused("account get-access-token --resource https://elsewhere.example")


def test_without_the_agent_the_machine_has_no_identity(bare, started, proof):
    stopping = started("--certificate", str(proof))
    bare.variables = by_metadata(stopping)
    bare.run(MACHINE)
    stopping.process.terminate()
    assert stopping.process.wait(60) == 0
    bare.run("logout")
    assert bare.run(MACHINE, exit_code=1).output == ""
    assert bare.json("account list") == []


def test_a_header_that_is_wrong_gives_no_identity(bare, agent):
    bare.variables = {**by_app_service(agent), "IDENTITY_HEADER": HEADER[:-1]}
    assert bare.refused(MACHINE).startswith("ERROR: 401, ")
    assert bare.json("account list") == []
