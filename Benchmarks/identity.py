"""The parts of the benchmark about identity: tokens for clients, and reading a secret beside many role assignments and principals."""

import contextlib
import json
import pathlib
import shlex
import urllib.parse

from programs import Strongroom, wrk, wrk_seed

PARTS = ["token", "assigned", "assigned-many", "principals"]
YARDSTICKS = {
    "token": {"ratio": ["nginx", "openssl-rsa"]},
    **{part: {"ratio": ["few"]} for part in ("assigned", "assigned-many", "principals")},
}
ASSIGNMENTS = {"assigned": 1_000, "assigned-many": 100_000}
PRINCIPALS = 10_000
# Those that were started beside the one that everything else uses.
servers: list[Strongroom] = []
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"


def environment(server):
    lines = (server.data / "client.env").read_text().splitlines()
    return dict(shlex.split(line)[0].split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def token(server, seconds):
    """Access tokens for client credentials by a secret."""
    client = environment(server)
    form = urllib.parse.urlencode({
        "grant_type": "client_credentials", "client_id": client["AZURE_CLIENT_ID"],
        "client_secret": client["AZURE_CLIENT_SECRET"], "scope": f"https://vault.localhost:{server.port}/.default"})
    return wrk(
        "form", f"https://login.localhost:{server.port}", seconds, server, token="",
        path=f"/{client['AZURE_TENANT_ID']}/oauth2/v2.0/token", body=form)


def assign(server, count):
    """Gives as many principals, who are nobody, a role on the vault."""
    client = environment(server)
    scope = (f"/subscriptions/{client['AZURE_SUBSCRIPTION_ID']}/resourceGroups/{client['AZURE_RESOURCE_GROUP']}"
             "/providers/Microsoft.KeyVault/vaults/demo")
    definition = f"/subscriptions/{client['AZURE_SUBSCRIPTION_ID']}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_USER}"
    wrk_seed(
        f"https://management.localhost:{server.port}", server.token("management"), count, script="seed-many", method="PUT",
        path=f"{scope}/providers/Microsoft.Authorization/roleAssignments/GUID?api-version=2022-04-01",
        body=json.dumps({"properties": {"roleDefinitionId": definition, "principalId": "GUID"}}))


def populate(server, count):
    """Makes as many managed identities."""
    wrk_seed(
        f"https://management.localhost:{server.port}", server.token("management"), count, script="seed-many", method="POST",
        path="/strongroom/applications", body=json.dumps({"displayName": "GUID", "kind": "managedIdentity"}))


def runs(binary, server, folder, seconds, wanted, running: contextlib.ExitStack):
    """Starts a server for each state of the directory, fills it, and gives what can be run in a round, in its order."""
    ordered = {"token": lambda: token(server, seconds)}
    beside = [part for part in PARTS if part != "token" and part in wanted]
    for name in ["few", *beside] if beside else []:
        own = pathlib.Path(folder / f"identity-{name}")
        own.mkdir()
        other = Strongroom(binary, own)
        running.callback(other.close)
        other.start()
        servers.append(other)
        other.client().call("PUT", "/secrets/bench-0?api-version=7.4", {"value": "the first value"})
        if name in ASSIGNMENTS:
            assign(other, ASSIGNMENTS[name])
        elif name == "principals":
            populate(other, PRINCIPALS)
        bearer = other.token()
        ordered[name] = lambda other=other, bearer=bearer: wrk("get-one", other.url(), seconds, other, token=bearer)
    return ordered
