"""The Azure clients for keys, built as their documentation builds them. Challenge verification stays on."""

from azure.keyvault.keys import KeyClient, KeyVaultKey
from azure.keyvault.keys.crypto import CryptographyClient

from .application import Application
from .clients import credential_for
from .server import Server


def key_client_for(server: Server, vault: str = "demo", application: Application | None = None, **options) -> KeyClient:
    return KeyClient(server.vault_url(vault), credential_for(server, application), connection_verify=server.bundle, **options)


def cryptography_client_for(server: Server, key: KeyVaultKey | str) -> CryptographyClient:
    return CryptographyClient(key, credential_for(server), connection_verify=server.bundle)


def remote(key: KeyVaultKey) -> KeyVaultKey:
    """The key as one that permits nothing: its client cannot work locally and leaves everything to the service."""
    shown = {field: getattr(key.key, field) for field in ("kid", "kty", "n", "e", "crv", "x", "y")}
    return KeyVaultKey(key.id, {**shown, "key_ops": []})
