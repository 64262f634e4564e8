"""`strongroom serve`: a server by configuration file, with certificates of its own and a passphrase."""

import json
import os
import signal
import subprocess
from pathlib import Path

import requests

from .application import Application
from .certificates import CertificateAuthority
from .environment import clean_environment
from .lines import Lines
from .ports import free_port
from .server import READY
from .wire import Wire

PASSPHRASE = "a passphrase for tests only"
NAMES = ["*.vault.localhost", "login.localhost", "management.localhost"]


class Production:
    def __init__(self, binary: Path, folder: Path):
        self.binary = binary
        self.folder = folder
        self.port = free_port()
        self.authority = CertificateAuthority()
        self.certificate, self.private_key = folder / "server.pem", folder / "server.key"
        self.serial = self.authority.issue(NAMES, self.certificate, self.private_key)
        self.bundle = folder / "ca.pem"
        self.bundle.write_bytes(self.authority.pem())
        data = folder / "data"
        data.mkdir(mode=0o700)
        self.settings = {
            "dataFolder": str(data),
            "suffix": "localhost",
            "listen": {"addresses": ["127.0.0.1", "::1"], "port": self.port, "publicPort": self.port},
            "tls": {"certificate": str(self.certificate), "privateKey": str(self.private_key)},
            "unseal": {"passphrase": "stdin"},
            "vaults": [{"name": "demo"}],
        }
        self.process: subprocess.Popen | None = None

    @property
    def file(self) -> Path:
        path = self.folder / "strongroom.json"
        path.write_text(json.dumps(self.settings))
        return path

    def run(self, command: str, passphrase: str = PASSPHRASE, **environment: str) -> subprocess.CompletedProcess:
        """Runs a command that ends by itself: `init`, or a `serve` that must refuse to start."""
        return subprocess.run(
            [str(self.binary), command, "--config", str(self.file)],
            env=clean_environment(**environment),
            input=passphrase + "\n",
            capture_output=True,
            text=True,
            timeout=60,
        )

    def initialise(self, **environment: str) -> "Production":
        result = self.run("init", **environment)
        assert result.returncode == 0, result.stderr
        made = json.loads(result.stdout)
        self.owner = Application(made["appId"], made["objectId"], made["password"], made["tenant"])
        self.subscription = made["subscription"]
        return self

    def start(self, passphrase: str | None = PASSPHRASE, descriptors: tuple[int, ...] = (), **environment: str) -> "Production":
        """Starts `serve`; the passphrase goes to its standard input, if it is given."""
        self.process = subprocess.Popen(
            [str(self.binary), "serve", "--config", str(self.file)],
            env=clean_environment(**environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=descriptors,
        )
        if passphrase is not None:
            self.process.stdin.write(passphrase + "\n")
        self.process.stdin.close()
        self.output, self.errors = Lines(self.process.stdout), Lines(self.process.stderr)
        if self.output.wait_for(lambda line: line.startswith(READY), timeout=30) is None:
            self.kill()
            raise AssertionError(f"the server did not become ready\n{self.output.finish()}\n{self.errors.finish()}")
        return self

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(45)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)

    @property
    def client_env(self) -> dict[str, str]:
        """What the operator puts into the environment of the management commands."""
        return {
            "ARM_URL": f"https://management.localhost:{self.port}",
            "AZURE_AUTHORITY_HOST": f"https://login.localhost:{self.port}",
            "AZURE_TENANT_ID": self.owner.tenant,
            "AZURE_CLIENT_ID": self.owner.app_id,
            "AZURE_CLIENT_SECRET": self.owner.password,
            "AZURE_SUBSCRIPTION_ID": self.subscription,
            "SSL_CERT_FILE": str(self.bundle),
            "REQUESTS_CA_BUNDLE": str(self.bundle),
        }

    def token(self, application: Application | None = None) -> str:
        who = application or self.owner
        answer = requests.post(
            f"https://login.localhost:{self.port}/{who.tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": who.app_id,
                "client_secret": who.password,
                "scope": f"https://vault.localhost:{self.port}/.default",
            },
            verify=str(self.bundle),
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def wire(self, application: Application | None = None, vault: str = "demo") -> Wire:
        return Wire(f"https://{vault}.vault.localhost:{self.port}", str(self.bundle), self.token(application))

    def descriptor_with(self, text: str) -> int:
        """A file descriptor from which the text can be read."""
        reading, writing = os.pipe()
        os.write(writing, text.encode())
        os.close(writing)
        return reading
