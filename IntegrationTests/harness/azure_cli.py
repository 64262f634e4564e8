"""The unmodified Azure CLI, `az`, from its own environment `.venv-az`, with a configuration folder of its own."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .application import Application
from .environment import clean_environment
from .lines import Lines
from .server import Server

ENVIRONMENT = Path(__file__).resolve().parent.parent.parent / ".venv-az"
_LIMIT = 120


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    exit_code: int
    output: str
    errors: str


class AzureCLI:
    """Each command is a process, started as a user starts it. Words of a command are split as a shell does."""

    def __init__(self, server: Server, folder: Path):
        assert (ENVIRONMENT / "bin/az").exists(), f"{ENVIRONMENT} is missing: make it with `Scripts/setup.sh test`"
        self.server, self.folder = server, folder

    @property
    def environment(self) -> dict[str, str]:
        """Only what docs/azure-cli.md exports; usage is not reported to anyone."""
        return clean_environment(
            AZURE_CONFIG_DIR=str(self.folder / "azure"),
            REQUESTS_CA_BUNDLE=str(self.server.data / "ca.pem"),
            AZURE_CORE_COLLECT_TELEMETRY="false",
        )

    # Running

    def run(self, command: str, *more: str, exit_code: int = 0) -> Ended:
        """Runs `az COMMAND MORE`; `exit_code` is the expected one. `more` is for words that a shell would have to quote."""
        ended = self._run([*shlex.split(command), *more])
        assert ended.exit_code == exit_code, f"az {command}: exit {ended.exit_code}\n{ended.output[-2000:]}\n{ended.errors[-2000:]}"
        return ended

    def json(self, command: str, *more: str):
        """What a command that succeeds prints; None when that is nothing."""
        output = self.run(command, *more).output
        return json.loads(output) if output.strip() else None

    def refused(self, command: str, *more: str, exit_code: int = 1) -> str:
        """What a command that must fail says."""
        ended = self.run(command, *more, exit_code=exit_code)
        assert not ended.output.strip(), ended.output
        assert "Traceback" not in ended.errors, ended.errors
        return ended.errors

    def _run(self, words: list[str]) -> Ended:
        result = subprocess.run(
            [str(ENVIRONMENT / "bin/az"), *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
        )
        return Ended(result.returncode, result.stdout, result.stderr)

    # The first steps, as docs/azure-cli.md has them

    def register(self) -> None:
        """Tells it of the cloud of the server."""
        manager = self.server.client_env["ARM_URL"].rstrip("/")
        self.run("cloud register --name Strongroom --endpoint-resource-manager", manager)
        self.run("cloud set --name Strongroom")
        self.run("config set core.instance_discovery=false")

    def login(self, who: Application) -> list[dict]:
        """Logs in by secret; the accounts that it finds."""
        command = f"login --service-principal --username {who.app_id} --tenant {who.tenant}"
        return self.json(command, f"--password={who.password}")


class LoadedAzureCLI(AzureCLI):
    """The same, loaded once: each command is a fork of one process, which saves most of the time that a command takes."""

    def __init__(self, server: Server, folder: Path):
        super().__init__(server, folder)
        self._process: subprocess.Popen | None = None
        self._number = 0

    def __enter__(self) -> "LoadedAzureCLI":
        self._process = subprocess.Popen(
            # -P: the folder of the script, where a module may have the name of another's, is no place to look for modules.
            [str(ENVIRONMENT / "bin/python"), "-P", str(Path(__file__).with_name("azure_cli_process.py"))],
            env={**self.environment, "AZ_INSTALLER": "PIP"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._answers, self._errors = Lines(self._process.stdout), Lines(self._process.stderr)
        return self

    def __exit__(self, *_) -> None:
        """Ends it, and a command that still runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def _run(self, words: list[str]) -> Ended:
        self._number += 1
        output, errors = self.folder / "output", self.folder / "errors"
        command = {"number": self._number, "arguments": words, "output": str(output), "errors": str(errors)}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(command), file=self._process.stdin, flush=True)
        answer = self._answers.wait_for(lambda line: line.startswith(f"{self._number} "), _LIMIT)
        if answer is None:
            self.__exit__()
            raise AssertionError(f"az {words}: no answer\n{self._errors.finish()}")
        return Ended(int(answer.split()[1]), output.read_text(), errors.read_text())
