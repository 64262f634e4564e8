"""What the tests of keys may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import os
import uuid
from typing import Callable

import pytest

from harness.keys_jwk import new_rsa, rsa_jwk
from harness.keys_wire import Keys

_KINDS = {
    "RSA-2048": {"kty": "RSA", "key_size": 2048},
    "RSA-3072": {"kty": "RSA", "key_size": 3072},
    "RSA-4096": {"kty": "RSA", "key_size": 4096},
    "P-256": {"kty": "EC", "crv": "P-256"},
    "P-384": {"kty": "EC", "crv": "P-384"},
    "P-521": {"kty": "EC", "crv": "P-521"},
    "P-256K": {"kty": "EC", "crv": "P-256K"},
    "Ed25519": {"kty": "OKP", "crv": "Ed25519"},
}


@pytest.fixture
def keys(wire) -> Keys:
    """Plain calls to the keys of the vault `demo` as the owner."""
    return Keys(wire)


@pytest.fixture(scope="session")
def standing(server) -> Callable[[str], dict]:
    """One key of each kind, made when it is first asked for, that every test may use and none may change."""
    made: dict[str, dict] = {}

    def find(kind: str) -> dict:
        if kind not in made:
            made[kind] = Keys(server.wire()).create(f"standing-{kind}-{uuid.uuid4().hex[:8]}", **_KINDS[kind])
        return made[kind]

    return find


@pytest.fixture(scope="session")
def rsa_private():
    """An RSA key of our own."""
    return new_rsa()


@pytest.fixture(scope="session")
def known(server, rsa_private) -> dict:
    """The bundle of that key after its import, for all operations."""
    return Keys(server.wire()).import_key(f"known-{uuid.uuid4().hex[:8]}", rsa_jwk(rsa_private))


@pytest.fixture(scope="session")
def key_client(server):
    """A `KeyClient` as the README makes a client: all it knows is in the environment."""
    from azure.identity import ClientSecretCredential
    from azure.keyvault.keys import KeyClient

    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )
    with KeyClient(os.environ["VAULT_URL"], credential) as made:
        yield made
