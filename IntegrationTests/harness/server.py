"""One `strongroom dev`, started the way a user starts it."""

import signal
import subprocess
from functools import cached_property
from pathlib import Path

import requests

from .application import Application
from .command_line import CommandLine
from .environment import clean_environment, read_client_env
from .lines import Lines
from .ports import free_port
from .wire import Wire

READY = "Strongroom is ready"


class Server:
    def __init__(self, binary: Path, data: Path, vaults: tuple[str, ...] = ("demo", "other")):
        self.binary = binary
        self.data = data
        self.vaults = vaults
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        self._tokens: dict[tuple[str, str], str] = {}

    # Life

    @property
    def command(self) -> list[str]:
        vaults = [word for vault in self.vaults for word in ("--vault", vault)]
        return [str(self.binary), "dev", "--data", str(self.data), "--port", str(self.port), *vaults]

    def start(self, **environment: str) -> "Server":
        """Starts it and waits until it accepts calls."""
        self.process = subprocess.Popen(
            self.command,
            env=clean_environment(**environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.output, self.errors = Lines(self.process.stdout), Lines(self.process.stderr)
        if self.output.wait_for(lambda line: line.startswith(READY), timeout=30) is None:
            self.kill()
            raise AssertionError(f"the server did not become ready\n{self.output.finish()}\n{self.errors.finish()}")
        return self

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to stop; the exit code."""
        self.process.send_signal(by)
        return self.process.wait(45)

    def kill(self) -> None:
        """kill -9: no farewell."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    def restart(self, **environment: str) -> "Server":
        assert self.stop() == 0
        return self.start(**environment)

    # What it tells its clients

    @property
    def client_env(self) -> dict[str, str]:
        return read_client_env(self.data / "client.env")

    @cached_property
    def owner(self) -> Application:
        """The application of `client.env`, which has every role. Its object id is told by its own token."""
        env = self.client_env
        return Application(env["AZURE_CLIENT_ID"], "", env["AZURE_CLIENT_SECRET"], env["AZURE_TENANT_ID"])

    @property
    def bundle(self) -> str:
        """The certificate of its authority. `client.env` names a file that has those of the system as well, and takes long to read."""
        return str(self.data / "ca.pem")

    @property
    def login(self) -> str:
        return self.client_env["AZURE_AUTHORITY_HOST"].rstrip("/")

    @property
    def tenant(self) -> str:
        return self.client_env["AZURE_TENANT_ID"]

    @property
    def vault_resource(self) -> str:
        return f"https://vault.localhost:{self.port}"

    def vault_host(self, vault: str = "demo") -> str:
        return f"{vault}.vault.localhost:{self.port}"

    def vault_url(self, vault: str = "demo") -> str:
        return f"https://{self.vault_host(vault)}"

    # Scopes of role assignments

    @property
    def subscription_scope(self) -> str:
        return f"/subscriptions/{self.client_env['AZURE_SUBSCRIPTION_ID']}"

    @property
    def group_scope(self) -> str:
        return f"{self.subscription_scope}/resourceGroups/{self.client_env['AZURE_RESOURCE_GROUP']}"

    def vault_scope(self, vault: str = "demo") -> str:
        return f"{self.group_scope}/providers/Microsoft.KeyVault/vaults/{vault}"

    # Doors

    def cli(self) -> CommandLine:
        return CommandLine(self.binary, self.client_env)

    def request_token(self, form: dict, path: str = "/oauth2/v2.0/token", verify: str | bool | None = None) -> requests.Response:
        """Asks the token endpoint; the answer as it came."""
        return requests.post(
            f"{self.login}/{self.tenant}{path}", data=form, verify=self.bundle if verify is None else verify, timeout=60
        )

    def fresh_token(self, application: Application | None = None, resource: str | None = None, verify: str | bool | None = None) -> str:
        who = application or self.owner
        answer = self.request_token(
            {
                "grant_type": "client_credentials",
                "client_id": who.app_id,
                "client_secret": who.password,
                "scope": f"{resource or self.vault_resource}/.default",
            },
            verify=verify,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def token(self, application: Application | None = None, resource: str | None = None) -> str:
        """A token, asked for once and kept."""
        who, what = application or self.owner, resource or self.vault_resource
        key = (who.app_id, what)
        if key not in self._tokens:
            self._tokens[key] = self.fresh_token(who, what)
        return self._tokens[key]

    def wire(self, vault: str = "demo", application: Application | None = None) -> Wire:
        """Plain calls to a vault, as the owner unless said otherwise."""
        return Wire(self.vault_url(vault), self.bundle, self.token(application))

    def management(self, application: Application | None = None) -> Wire:
        """Plain calls to the management host."""
        base = self.client_env["ARM_URL"].rstrip("/")
        return Wire(base, self.bundle, self.token(application, base))

    def wire_with(self, token: str | None, vault: str = "demo", verify: str | bool | None = None) -> Wire:
        """Plain calls to a vault with this token, or with none."""
        return Wire(self.vault_url(vault), self.bundle if verify is None else verify, token)
