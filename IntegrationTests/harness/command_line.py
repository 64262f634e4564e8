"""`strongroom COMMAND …`, run as a user runs it."""

import json
import subprocess
from pathlib import Path

from .application import Application
from .environment import clean_environment


class CommandLine:
    def __init__(self, binary: Path, environment: dict[str, str] | None = None, folder: Path | None = None):
        self.binary = binary
        self.folder = folder
        self.environment = environment or {}

    def run(self, *arguments: str, exit_code: int | None = 0) -> subprocess.CompletedProcess:
        """Runs a command; `exit_code` is the expected one, None accepts any."""
        result = subprocess.run(
            [str(self.binary), *arguments],
            env=clean_environment(**self.environment),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if exit_code is not None:
            assert result.returncode == exit_code, (
                f"strongroom {' '.join(arguments)}: exit {result.returncode}\n{result.stdout[-2000:]}\n{result.stderr[-2000:]}"
            )
        return result

    def json(self, *arguments: str):
        return json.loads(self.run(*arguments).stdout)

    def create_application(self, name: str) -> Application:
        made = self.json("app", "create", name, "--output", "json")
        return Application(made["appId"], made["objectId"], made["password"], made["tenant"])

    def assign(self, application: Application, role: str, scope: str) -> None:
        self.run("role", "assign", "--assignee", application.object_id, "--role", role, "--scope", scope)

    def unassign(self, application: Application, role: str, scope: str) -> None:
        self.run("role", "unassign", "--assignee", application.object_id, "--role", role, "--scope", scope)
