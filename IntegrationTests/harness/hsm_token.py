"""The token behind a server, as `pkcs11-tool` shows it."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
WRAPPING_KEY = "strongroom-wrapping-key"


@dataclass
class TokenObject:
    kind: str
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.fields.get("label", "")

    @property
    def id(self) -> str:
        return self.fields.get("ID", "")

    @property
    def access(self) -> set[str]:
        return set(self.fields.get("Access", "").split(", "))


class TokenFolder:
    """The token of a `strongroom dev`: what its data folder says about it."""

    def __init__(self, data: Path, label: str = "strongroom"):
        self.configuration = data / "softhsm2.conf"
        self.pin = (data / "hsm-pin").read_text().strip()
        self.label = label

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["pkcs11-tool", "--module", MODULE, "--token-label", self.label, "--login", "--pin", self.pin, *arguments],
            env={**os.environ, "SOFTHSM2_CONF": str(self.configuration)},
            capture_output=True,
            timeout=60,
        )

    def objects(self) -> list[TokenObject]:
        """Every object that a holder of the PIN sees."""
        result = self.run("--list-objects")
        assert result.returncode == 0, result.stderr.decode()
        found: list[TokenObject] = []
        for line in result.stdout.decode().splitlines():
            if not line.startswith(" "):
                found.append(TokenObject(line.split(";")[0]))
            elif ":" in line:
                name, value = line.strip().split(":", 1)
                found[-1].fields[name] = value.strip()
        return found

    def keys(self) -> list[TokenObject]:
        """The objects that stand for keys of the server."""
        return [each for each in self.objects() if each.label.startswith("strongroom-") and each.label != WRAPPING_KEY]


def init_token(configuration: Path, tokens: Path, label: str, pin: str) -> None:
    """A token of our own for a server that is given one."""
    tokens.mkdir(mode=0o700)
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    result = subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", pin],
        env={**os.environ, "SOFTHSM2_CONF": str(configuration)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
