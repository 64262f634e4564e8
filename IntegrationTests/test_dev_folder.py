"""What `strongroom dev` leaves in its folder for its user, and that it is enough."""

import re
import stat
import subprocess
import sys

import pytest
from cryptography import x509

from harness.environment import clean_environment

SYNC = """
from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient
import os
credential = ClientSecretCredential(os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], os.environ["AZURE_CLIENT_SECRET"],
                                    authority=os.environ["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True)
SecretClient(os.environ["VAULT_URL"], credential).set_secret("hello", "world")
print(SecretClient(os.environ["VAULT_URL"], credential).get_secret("hello").value)
"""

ASYNC = """
from azure.identity.aio import EnvironmentCredential
from azure.keyvault.secrets.aio import SecretClient
import asyncio, os

async def main():
    async with EnvironmentCredential() as credential, SecretClient(os.environ["VAULT_URL"], credential) as client:
        await client.set_secret("hello-async", "world")
        print((await client.get_secret("hello-async")).value)

asyncio.run(main())
"""

KEYS = {
    "VAULT_URL",
    "MHSM_URL",
    "ARM_URL",
    "AZURE_AUTHORITY_HOST",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
}


@pytest.mark.parametrize("program", [SYNC, ASYNC], ids=["sync", "async"])
def test_after_sourcing_client_env_an_unmodified_client_works(server, program):
    script = f'set -a; . "{server.data}/client.env"; set +a; exec "{sys.executable}" -c "$PROGRAM"'
    result = subprocess.run(
        ["bash", "-c", script], env=clean_environment(PROGRAM=program), capture_output=True, text=True, timeout=60
    )
    assert result.stdout.strip() == "world", result.stderr


def test_client_env_has_every_key(server):
    assert KEYS <= server.client_env.keys()


def test_the_addresses_are_those_of_the_contract(server):
    env = server.client_env
    assert env["VAULT_URL"].rstrip("/") == server.vault_url("demo")
    assert env["MHSM_URL"].rstrip("/") == f"https://demohsm.managedhsm.localhost:{server.port}"
    assert env["ARM_URL"].rstrip("/") == f"https://management.localhost:{server.port}"
    assert env["AZURE_AUTHORITY_HOST"].rstrip("/") == f"https://login.localhost:{server.port}"


@pytest.mark.parametrize("key", ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_SUBSCRIPTION_ID"])
def test_identifiers_are_guids(server, key):
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", server.client_env[key])


def test_client_env_is_for_its_owner_only(server):
    assert stat.S_IMODE((server.data / "client.env").stat().st_mode) == 0o600


def test_nothing_in_the_folder_is_writable_by_others_and_only_certificates_are_readable(server):
    for path in server.data.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode & 0o022 == 0, path
        if path.is_file() and path.suffix != ".pem":
            assert mode & 0o044 == 0 or stat.S_IMODE(server.data.stat().st_mode) & 0o055 == 0, path


def test_private_keys_are_for_their_owner_only(server):
    for path in server.data.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_bundle_has_the_systems_roots_and_the_ca(server):
    bundle = (open(server.client_env["SSL_CERT_FILE"], "rb")).read()
    assert server.client_env["SSL_CERT_FILE"] == server.client_env["REQUESTS_CA_BUNDLE"]
    assert (server.data / "ca.pem").read_bytes().strip() in bundle
    assert bundle.count(b"BEGIN CERTIFICATE") > 50


def test_the_ca_is_one_certificate_that_may_sign_certificates(server):
    (certificate,) = x509.load_pem_x509_certificates((server.data / "ca.pem").read_bytes())
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


def test_the_ready_line_names_the_vault(server):
    assert server.vault_url("demo") in server.output.text()


def test_the_ready_line_does_not_show_the_secret(server):
    assert server.owner.password not in server.output.text() + server.errors.text()
