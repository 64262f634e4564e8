"""The Azure clients, built as their documentation builds them."""

from azure.identity import ClientSecretCredential
from azure.keyvault.secrets import SecretClient

from .application import Application
from .server import Server


def credential_for(server: Server, application: Application | None = None) -> ClientSecretCredential:
    who = application or server.owner
    return ClientSecretCredential(
        who.tenant,
        who.app_id,
        who.password,
        authority=server.login,
        disable_instance_discovery=True,
        connection_verify=server.bundle,
    )


def secret_client_for(server: Server, vault: str = "demo", application: Application | None = None, **options) -> SecretClient:
    """A client of a server whose CA the environment does not name. Challenge verification stays on."""
    return SecretClient(server.vault_url(vault), credential_for(server, application), connection_verify=server.bundle, **options)


def management_options(server: Server) -> dict:
    """What a client of azure-mgmt-keyvault is made with, besides its credential."""
    arm = server.client_env["ARM_URL"].rstrip("/")
    return {
        "subscription_id": server.client_env["AZURE_SUBSCRIPTION_ID"], "base_url": arm, "credential_scopes": [f"{arm}/.default"],
        "connection_verify": server.bundle, "polling_interval": 0.2,
    }
