"""The environment of a user: what `client.env` says, and nothing left over from the shell that runs the tests."""

import os
import re
from pathlib import Path

_LINE = re.compile(r"^([A-Z_][A-Z0-9_]*)='([^']*)'$")
_CLEARED = ("AZURE_", "STRONGROOM_", "VAULT_URL", "MHSM_URL", "ARM_URL", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def read_client_env(path: Path) -> dict[str, str]:
    """Reads `KEY='value'` lines; anything else in the file is an error."""
    values = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        assert match, f"not a KEY='value' line: {line.split('=')[0]}"
        values[match[1]] = match[2]
    return values


def clean_environment(**added: str) -> dict[str, str]:
    """The environment of this process without anything that names a server or a client."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_CLEARED)}
    return {**kept, **added}
