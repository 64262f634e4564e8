"""What the tests of certificates may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import os

import pytest

from harness.certificates_made import Authority
from harness.certificates_wire import Certificates


@pytest.fixture
def certificates(wire) -> Certificates:
    """Plain calls to the certificates of the vault `demo` as the owner."""
    return Certificates(wire)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def certificate_client(server):
    """A `CertificateClient` as the README makes a client: all it knows is in the environment."""
    from azure.identity import ClientSecretCredential
    from azure.keyvault.certificates import CertificateClient

    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )
    with CertificateClient(os.environ["VAULT_URL"], credential) as made:
        yield made


@pytest.fixture
async def certificate_aclient(acredential):
    from azure.keyvault.certificates.aio import CertificateClient

    async with CertificateClient(os.environ["VAULT_URL"], acredential) as made:
        yield made
