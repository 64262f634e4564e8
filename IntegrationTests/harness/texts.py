"""The sentences of the service, word for word, for clients that match on them."""


def secret_not_found(name: str) -> str:
    return (
        f"A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may be "
        "able to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182"
    )


def deleted_secret_not_found(name: str) -> str:
    return f"Deleted Secret not found: {name}"


def deleted_but_recoverable(name: str) -> str:
    return (
        f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, "
        "the secret can only be recovered or purged."
    )


def version_not_recognized(version: str, latest: str) -> str:
    return f"The specified version ({version}) is not recognized. Consider using the latest supported version ({latest})."


def refused_by_rbac(claims: dict, action: str, resource: str, vault: str, location: str) -> str:
    return (
        "Caller is not authorized to perform action on resource.\r\n"
        "If role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\n"
        f"Caller: appid={claims['appid']};oid={claims['oid']};iss={claims['iss']}\r\n"
        f"Action: 'Microsoft.KeyVault/vaults/{action}'\r\n"
        f"Resource: '{resource}'\r\n"
        "Assignment: (not found)\r\n"
        "DenyAssignmentId: null\r\n"
        "DecisionReason: null \r\n"
        f"Vault: {vault};location={location}\r\n"
    )
