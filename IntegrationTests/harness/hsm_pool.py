"""The Managed HSM pool of a server, and the clients for it, built as their documentation builds them."""

import os

from azure.identity import ClientSecretCredential
from azure.keyvault.administration import KeyVaultAccessControlClient
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient

from .application import Application
from .clients import credential_for
from .keys_wire import Keys
from .server import Server
from .tokens import claims_of
from .wire import Wire

POOL = "demohsm"


def pool_url(server: Server, pool: str = POOL) -> str:
    return f"https://{pool}.managedhsm.localhost:{server.port}"


def pool_resource(server: Server) -> str:
    return f"https://managedhsm.localhost:{server.port}"


def pool_wire(server: Server, application: Application | None = None, pool: str = POOL) -> Wire:
    """Plain calls to a pool, as the owner unless said otherwise."""
    return Wire(pool_url(server, pool), server.bundle, server.token(application, pool_resource(server)))


def pool_keys(server: Server, application: Application | None = None, pool: str = POOL) -> Keys:
    return Keys(pool_wire(server, application, pool))


def owner_object_id(server: Server) -> str:
    return claims_of(server.token(resource=pool_resource(server)))["oid"]


# Clients that know nothing but the environment of `client.env`


def environment_credential() -> ClientSecretCredential:
    return ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )


def cryptography_client(key) -> CryptographyClient:
    return CryptographyClient(key, environment_credential())


# Clients of a server or an application of their own


def pool_client_for(server: Server, application: Application | None = None, **options) -> KeyClient:
    return KeyClient(pool_url(server), credential_for(server, application), connection_verify=server.bundle, **options)


def access_client_for(server: Server, application: Application | None = None) -> KeyVaultAccessControlClient:
    return KeyVaultAccessControlClient(pool_url(server), credential_for(server, application), connection_verify=server.bundle)
