"""The audit log as `strongroom audit export` prints it."""

import json
from datetime import datetime, timezone

from .command_line import CommandLine


def now() -> str:
    """The present, as the log writes times."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_records(exported: str) -> list[dict]:
    """One JSON object a line; a line that is not one is an error."""
    return [json.loads(line) for line in exported.split("\n") if line]


def records(cli: CommandLine, *options: str, since: str | None = None) -> list[dict]:
    moment = ["--since", since] if since else []
    return parse_records(cli.run("audit", "export", *moment, *options).stdout)


def records_about(cli: CommandLine, text: str, since: str | None = None) -> list[dict]:
    """The records whose request URI contains the text."""
    return [record for record in records(cli, since=since) if text in record["properties"].get("requestUri", "")]
