"""Pebble, an authority that speaks ACME (RFC 8555), and the name server it asks: both are processes of our own on free ports."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import requests
from cryptography import x509

from .certificates import CertificateAuthority
from .environment import clean_environment
from .ports import free_port

# Names below this one are refused when an order for them is made.
BLOCKED = "blocked.example"


def _program(name: str) -> str:
    path = shutil.which(name) or f"/usr/bin/{name}"
    assert Path(path).exists(), f"{name} is missing; on Debian install the package pebble"
    return path


class Program:
    """A process that is there when it answers, with its output in a file."""

    log: Path

    def __init__(self) -> None:
        self.process: subprocess.Popen | None = None

    def run(self, *command: str, **environment: str) -> None:
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command, env=clean_environment(**environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            if self.answers():
                return
            time.sleep(0.05)
        raise AssertionError(self.log.read_text())

    def answers(self) -> bool:
        raise NotImplementedError

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)


class NameServer(Program):
    """Answers every name with 127.0.0.1 unless it was told otherwise."""

    def __init__(self, folder: Path):
        super().__init__()
        self.port, self._management = free_port(), free_port()
        self.log = folder / "names.log"

    @property
    def management(self) -> str:
        return f"http://127.0.0.1:{self._management}"

    def start(self) -> "NameServer":
        here = [f"-dns01=127.0.0.1:{self.port}", f"-management=127.0.0.1:{self._management}", "-defaultIPv6="]
        self.run(_program("pebble-challtestsrv"), *here, "-http01=", "-https01=", "-tlsalpn01=")
        return self

    def answers(self) -> bool:
        try:
            self.tell("set-default-ipv4", ip="127.0.0.1")
            return True
        except requests.ConnectionError:
            return False

    def tell(self, command: str, **members) -> None:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self.management}/{command}", json=members, timeout=10)
            assert answer.status_code == 200, answer.text

    def point(self, name: str, address: str) -> None:
        self.tell("add-a", host=name, addresses=[address])


class Pebble(Program):
    """The authority. It checks HTTP challenges at one port, whatever the name."""

    def __init__(self, folder: Path, names: NameServer, challenge_port: int, environment: dict[str, str] | None = None, **settings):
        super().__init__()
        self.port, self._management = free_port(), free_port()
        self.folder, self.names = folder, names
        self.log = folder / "pebble.log"
        self.environment = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_AUTHZREUSE": "0", **(environment or {})}
        authority = CertificateAuthority("Root of the directory")
        self.bundle = folder / "directory-ca.pem"
        self.bundle.write_bytes(authority.pem())
        certificate, key = folder / "directory.pem", folder / "directory.key"
        authority.issue(["localhost"], certificate, key)
        self.settings = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": challenge_port,
            "tlsPort": free_port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "domainBlocklist": [BLOCKED],
            **settings,
        }

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.port}/dir"

    def start(self) -> "Pebble":
        configuration = self.folder / "pebble.json"
        configuration.write_text(json.dumps({"pebble": self.settings}))
        names = f"127.0.0.1:{self.names.port}"
        self.run(_program("pebble"), "-config", str(configuration), "-dnsserver", names, **self.environment)
        return self

    def restart(self) -> None:
        """It comes back on the same port and has forgotten everything, its root too."""
        self.stop()
        self.start()

    def answers(self) -> bool:
        try:
            return self._managed("roots/0").status_code == 200 and self._ask(self.directory).status_code == 200
        except requests.ConnectionError:
            return False

    def _ask(self, address: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False
            return session.get(address, verify=str(self.bundle), timeout=10)

    def _managed(self, path: str) -> requests.Response:
        return self._ask(f"https://localhost:{self._management}/{path}")

    @property
    def root(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self._managed("roots/0").content)

    def knows(self, certificate: x509.Certificate) -> bool:
        """Whether it issued this certificate, and holds it for valid."""
        answer = self._managed(f"cert-status-by-serial/{certificate.serial_number:x}")
        return answer.status_code == 200 and answer.json()["Status"] == "Valid"
