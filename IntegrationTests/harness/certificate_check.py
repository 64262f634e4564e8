"""`strongroom certificate check`: its verdicts."""

import json
from pathlib import Path

from cryptography import x509

from .authorities_wire import pem_of
from .command_line import CommandLine

CHECKS = ["chain", "names", "usage", "dates", "crl", "ocsp", "key"]


def checked(cli: CommandLine, name: str, *options: str) -> dict[str, str]:
    """The result of each check, each of which has words too. The exit status is 1 when one failed."""
    result = cli.run("certificate", "check", name, "--output", "json", *options, exit_code=None)
    assert result.returncode in (0, 1), result.stderr
    items = json.loads(result.stdout)
    assert [item["check"] for item in items] == CHECKS
    for item in items:
        assert set(item) == {"check", "result", "detail"}
        assert item["result"] in ("ok", "note", "failed", "skipped") and item["detail"]
    assert result.returncode == ("failed" in [item["result"] for item in items])
    return {item["check"]: item["result"] for item in items}


def all_well(**otherwise: str) -> dict[str, str]:
    """Every check is ok, but for those that are named."""
    return {**dict.fromkeys(CHECKS, "ok"), **otherwise}


def write_bundle(path: Path, *made: x509.Certificate) -> str:
    path.write_text("".join(pem_of(one) for one in made))
    return str(path)
