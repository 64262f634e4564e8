"""Managed identity without a change of code: `strongroom agent` and the endpoints that SDKs look for."""

import asyncio
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

from harness.certificates_made import pem, self_signed
from harness.keys_jwk import new_rsa

HEADER = "a-text-of-more-than-sixteen-bytes"
IMDS = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}"
APP_SERVICE = "/msi/token?api-version=2019-08-01&resource={resource}"


@dataclass
class Agent:
    process: subprocess.Popen
    url: str
    app: dict
    resource: str

    def imds(self, path: str = IMDS, **headers: str) -> requests.Response:
        sent = {"Metadata": "true", **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent = {name: value for name, value in sent.items() if value}
        return requests.get(self.url + path.format(resource=self.resource), headers=sent, timeout=30)

    def app_service(self, header: str | None = HEADER, more: str = "") -> requests.Response:
        headers = {"X-IDENTITY-HEADER": header} if header is not None else {}
        return requests.get(self.url + APP_SERVICE.format(resource=self.resource) + more, headers=headers, timeout=30)


def run(binary: Path, server, *arguments: str) -> str:
    done = subprocess.run([binary, *arguments], env={**os.environ, **server.client_env}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def proof(tmp_path_factory) -> Path:
    """A certificate with its key, for nobody else to read."""
    file = tmp_path_factory.mktemp("agent") / "identity.pem"
    key, certificate = self_signed("host.example.com", new_rsa())
    file.write_text(pem(key, certificate))
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module")
def app(binary, server, proof) -> dict:
    """A managed identity that may set and get secrets."""
    made = json.loads(run(binary, server, "app", "create", "host", "--managed-identity", "--output", "json"))
    assert "password" not in made
    run(binary, server, "app", "add-certificate", made["appId"], "--certificate", str(proof))
    scope = f"/subscriptions/{server.client_env['AZURE_SUBSCRIPTION_ID']}"
    run(binary, server, "role", "assign", "--assignee", made["objectId"], "--role", "Key Vault Secrets Officer", "--scope", scope)
    return made


@pytest.fixture(scope="module")
def started(binary, server, app, tmp_path_factory):
    """Starts agents."""
    processes: list[subprocess.Popen] = []
    header = tmp_path_factory.mktemp("header") / "header"
    header.write_text(HEADER + "\n")
    header.chmod(0o600)

    def start(*options: str) -> Agent:
        process = subprocess.Popen(
            [binary, "agent", "--client-id", app["appId"], "--listen", "127.0.0.1:0", "--identity-header-file", header, *options],
            env={**os.environ, **server.client_env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        line = process.stdout.readline()
        assert line.startswith("Agent is ready: "), process.stderr.read()
        return Agent(process, line.split()[-1], app, server.client_env["ARM_URL"].rstrip("/").replace("management", "vault"))

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def agent(started, proof) -> Agent:
    return started("--certificate", str(proof))


@pytest.fixture
def bare(monkeypatch):
    """An environment without a client of its own."""
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


# The credentials, unmodified


@pytest.fixture(params=["IMDS", "App Service"])
def environment(request, bare, agent):
    if request.param == "IMDS":
        bare.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", agent.url)
    else:
        bare.setenv("IDENTITY_ENDPOINT", agent.url + "/msi/token")
        bare.setenv("IDENTITY_HEADER", HEADER)


def test_the_default_credential_needs_no_arguments(environment, server, name):
    with DefaultAzureCredential() as credential, SecretClient(
        server.vault_url("demo"), credential, connection_verify=server.bundle
    ) as secrets:
        secrets.set_secret(name, "by a machine")
        assert secrets.get_secret(name).value == "by a machine"


def test_the_identity_can_be_named(environment, agent, server, name):
    with ManagedIdentityCredential(client_id=agent.app["appId"]) as credential, SecretClient(
        server.vault_url("demo"), credential, connection_verify=server.bundle
    ) as secrets:
        assert secrets.set_secret(name, "value").value == "value"


def test_another_identity_is_not_given(environment, server):
    other = "6f1cc1f7-32a1-4d4e-8a1f-3d1f0a2b7c55"
    with ManagedIdentityCredential(client_id=other) as credential:
        with pytest.raises((ClientAuthenticationError, CredentialUnavailableError)):
            credential.get_token(server.client_env["ARM_URL"].rstrip("/") + "/.default")


def test_the_asynchronous_credential(environment, server, name):
    from azure.identity.aio import DefaultAzureCredential as Asynchronous
    from azure.keyvault.secrets.aio import SecretClient as AsynchronousClient

    async def use() -> str:
        async with Asynchronous() as credential, AsynchronousClient(server.vault_url("demo"), credential) as secrets:
            await secrets.set_secret(name, "later")
            return (await secrets.get_secret(name)).value

    assert asyncio.run(use()) == "later"


# The wire


def test_an_answer_has_what_clients_read(agent):
    answer = agent.imds()
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert told["resource"] == agent.resource and told["token_type"] == "Bearer" and told["client_id"] == agent.app["appId"]
    assert 3_000 < int(told["expires_in"]) <= 3_600
    assert abs(int(told["expires_on"]) - int(told["expires_in"]) - time.time()) < 5
    assert agent.imds().json()["access_token"] == told["access_token"]


@pytest.mark.parametrize("path, headers, status", [
    (IMDS, {"Metadata": ""}, 400), (IMDS, {"Metadata": "yes"}, 400), (IMDS, {"X_Forwarded_For": "10.0.0.1"}, 400),
    (IMDS, {"Forwarded": "for=10.0.0.1"}, 400), (IMDS, {"Via": "1.1 proxy"}, 400),
    ("/metadata/identity/oauth2/token?resource={resource}", {}, 400),
    ("/metadata/identity/oauth2/token?api-version=2018-02-01", {}, 400),
    (IMDS + "&resource=https://twice", {}, 400), (IMDS + "&x=%C3%28", {}, 400),
    (IMDS + "&object_id=6f1cc1f7-32a1-4d4e-8a1f-3d1f0a2b7c55", {}, 400), (IMDS + "&msi_res_id=/subscriptions/x", {}, 400),
    ("/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://elsewhere.example.com", {}, 400),
    ("/metadata/instance?api-version=2021-02-01", {}, 404), ("/", {}, 404), ("/msi/other", {}, 404),
])
def test_what_is_no_request_for_a_token_is_refused(agent, path, headers, status):
    answer = agent.imds(path, **headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"] and "access_token" not in answer.text


@pytest.mark.parametrize("header", [None, "", "wrong", HEADER[:-1], HEADER + "x"])
def test_the_app_service_endpoint_wants_its_header(agent, header):
    answer = agent.app_service(header)
    assert answer.status_code == 401 and "access_token" not in answer.text
    assert agent.app_service().status_code == 200


def test_only_get_is_answered(agent):
    for method in ("POST", "PUT", "DELETE"):
        assert requests.request(method, agent.url + IMDS.format(resource=agent.resource), timeout=30).status_code == 405


def test_a_user_who_is_not_named_is_refused(started, proof):
    someone = started("--certificate", str(proof), "--allow-user", str(os.getuid() + 1))
    answer = someone.imds()
    assert answer.status_code == 403 and "access_token" not in answer.text
    assert started("--certificate", str(proof), "--allow-user", str(os.getuid())).imds().status_code == 200


def test_many_requests_are_slowed_down(started, proof):
    busy = started("--certificate", str(proof))
    assert [busy.imds().status_code for _ in range(20)] == [200] * 20
    with ThreadPoolExecutor(16) as threads:
        codes = list(threads.map(lambda _: busy.imds().status_code, range(400)))
    assert set(codes) == {200, 429}


def test_it_stops_when_asked(started, proof):
    agent = started("--certificate", str(proof))
    agent.process.terminate()
    assert agent.process.wait(15) == 0


def test_a_certificate_that_is_taken_away_serves_no_more(binary, server, tmp_path, started):
    file = tmp_path / "second.pem"
    key, certificate = self_signed("host.example.com", new_rsa())
    file.write_text(pem(key, certificate))
    file.chmod(0o600)
    stranger = started("--certificate", str(file))
    answer = stranger.imds()
    assert answer.status_code == 400 and "AADSTS" in answer.json()["error_description"]


# The command


@pytest.mark.parametrize("options, status, word", [
    ((), 64, "--certificate or --federated-token-file"), (("--certificate", "/nowhere.pem"), 64, "/nowhere.pem"),
    (("--certificate", "PROOF", "--listen", "0.0.0.0:80"), 64, "loopback"),
    (("--certificate", "PROOF", "--listen", "192.168.1.1:80"), 64, "loopback"), (("--certificate", "PROOF", "--listen", "x"), 64, "ADDRESS:PORT"),
    (("--certificate", "PROOF", "--client-id", "me"), 64, "GUID"), (("--certificate", "PROOF", "--authority-host", "http://x"), 64, "https"),
    (("--certificate", "PROOF", "--allow-user", "nobody-of-this-name"), 64, "nobody-of-this-name"),
    (("--certificate", "PROOF", "--federated-token-file", "PROOF"), 64, "either"),
    (("--federated-token-file", "/nowhere"), 64, "/nowhere"),
])
def test_wrong_usage_is_told(binary, server, proof, options, status, word):
    arguments = [str(proof) if each == "PROOF" else each for each in options]
    done = subprocess.run(
        [binary, "agent", *arguments], env={**os.environ, **server.client_env}, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (status, "") and word in done.stderr and done.stderr.count("\n") == 1


def test_a_key_that_others_may_read_is_refused(binary, server, proof, tmp_path):
    open_to_all = tmp_path / "open.pem"
    open_to_all.write_bytes(proof.read_bytes())
    open_to_all.chmod(0o644)
    done = subprocess.run(
        [binary, "agent", "--certificate", open_to_all], env={**os.environ, **server.client_env}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 64 and "chmod 640" in done.stderr
