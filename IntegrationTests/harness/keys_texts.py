"""The sentences about keys, word for word, for clients that match on them."""


def key_not_found(name: str) -> str:
    return (
        f"A key with (name/id) {name} was not found in this key vault. If you recently deleted this key you may be "
        "able to recover it using the correct recovery command. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125182"
    )


def deleted_key_not_found(name: str) -> str:
    return f"Deleted Key not found: {name}"


def deleted_but_recoverable(name: str) -> str:
    return (
        f"Key {name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, "
        "the key can only be recovered or purged."
    )


def not_permitted(operation: str) -> str:
    return f"Operation {operation} is not permitted on this key."


def disabled(operation: str) -> str:
    return f"Operation {operation} is not allowed on a disabled key."


def expired(operation: str) -> str:
    return f"Operation {operation} is not allowed on an expired key."
