"""A server, an authority outside that speaks ACME, and the directory between them."""

import base64
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from requests import Response

from .acme_proxy import Proxy
from .authorities_public import verify_chain
from .certificates_made import public_der
from .certificates_wire import SMALL, Certificates
from .command_line import CommandLine
from .keys_wire import done
from .pebble import NameServer, Pebble, quiet_port
from .production import Production
from .server import Server

ACCOUNT = "An account is being made at the authority."
ORDER = "An order is being made at the authority."
READING = "The authority's challenges are being read."
PUBLISHING = "The challenges are being published."
ASKING = "The authority is asked to check the challenges."
CHECKING = "The authority is checking the challenges."
FINALISING = "The order is being finalised."
FETCHING = "The certificate is being fetched."
STATES = [ACCOUNT, ORDER, READING, PUBLISHING, ASKING, CHECKING, FINALISING, FETCHING]


def acme_policy(issuer: str, *names: str, subject: str | None = None, key: dict | None = None, **parts) -> dict:
    """A policy for these names; the first is the common name as well unless a subject is given."""
    props = {"subject": f"CN={names[0]}" if subject is None else subject, **parts.pop("x509_props", {})}
    if names:
        props.setdefault("sans", {"dns_names": list(names)})
    return {"key_props": key or SMALL, "x509_props": props, "issuer": {"name": issuer}, **parts}


def ask_issuer(
    certificates: Certificates,
    name: str,
    directory: str | None = None,
    provider: str = "ACME",
    email: str | None = None,
    **credentials: str,
) -> Response:
    details = {**({"id": directory} if directory else {}), **({"admin_details": [{"email": email}]} if email else {})}
    body = {"provider": provider, "org_details": details, **({"credentials": credentials} if credentials else {})}
    return certificates.wire.put(f"/certificates/issuers/{name}", json=body)


def make_issuer(certificates: Certificates, name: str, directory: str | None = None, **options) -> str:
    done(ask_issuer(certificates, name, directory, **options))
    return name


def ended(certificates: Certificates, name: str) -> dict:
    """The pending operation when it is no longer in progress; an authority that is asked again later takes its time."""
    for _ in range(900):
        pending = certificates.pending(name)
        if pending["status"] != "inProgress":
            return pending
        time.sleep(0.1)
    raise AssertionError(f"still in progress: {pending}")


def completed(certificates: Certificates, name: str) -> dict:
    """The newest version, once it is there."""
    pending = ended(certificates, name)
    assert pending["status"] == "completed", pending
    return certificates.get(name)


class Watch:
    """Follows orders until they end: what was told of each on the way, every text once, and how it ended."""

    def __init__(self, certificates: Certificates, *labels: str):
        self.certificates = certificates
        self.details: dict[str, list[str]] = {}
        self.ends: dict[str, dict] = {}
        self._acts: list[tuple[Callable[[], bool], Callable[[], object]]] = []
        for label in labels:
            self.add(label)

    def add(self, label: str) -> None:
        """One more order; it may be begun while the others are followed."""
        self.details[label] = []

    def when(self, condition: Callable[[], bool], act: Callable[[], object]) -> None:
        """Something to be done once, as soon as something has come about."""
        self._acts.append((condition, act))

    def has_told(self, label: str, words: str) -> bool:
        return any(words in text for text in self.details[label])

    def run(self) -> "Watch":
        for _ in range(600):
            for label in self.details:
                if label not in self.ends:
                    self._look(label)
            due = [act for act in self._acts if act[0]()]
            self._acts = [act for act in self._acts if act not in due]
            for _, act in due:
                act()
            if len(self.ends) == len(self.details) and not self._acts:
                return self
            time.sleep(0.1)
        waiting = {label: told[-1:] for label, told in self.details.items() if label not in self.ends}
        raise AssertionError(f"still in progress: {waiting}, and {len(self._acts)} things are not done")

    def _look(self, label: str) -> None:
        pending = self.certificates.pending(label)
        text = pending.get("status_details")
        if pending["status"] != "inProgress":
            self.ends[label] = pending
        elif text and text not in self.details[label]:
            self.details[label].append(text)

    def version(self, label: str) -> dict:
        """The newest version that came of an order."""
        assert self.ends[label]["status"] == "completed", self.ends[label]
        return self.certificates.get(label)

    def reason(self, label: str) -> str:
        """Why the authority gave no certificate."""
        end = self.ends[label]
        assert end["status"] == "failed" and end["error"]["code"], end
        return end["error"]["message"]


def held_by(secret: dict) -> tuple:
    """The key and the chain in the secret of a certificate, the leaf first."""
    if secret["contentType"] == "application/x-pem-file":
        text = secret["value"].encode()
        return serialization.load_pem_private_key(text, None), x509.load_pem_x509_certificates(text)
    key, leaf, others = pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), None)
    return key, [leaf, *others]


class AcmeServer(Server):
    """A `strongroom dev` with options that are known only after its port."""

    options: tuple[str, ...] = ()

    def __init__(self, binary: Path, data: Path):
        super().__init__(binary, data, vaults=("demo",))
        self.port = quiet_port()

    @property
    def command(self) -> list[str]:
        return [*super().command, *self.options]


class Site:
    """The server answers HTTP challenges at its own port; every directory is a proxy of its own in front of the same authority.

    The last `strange` directories are those whose certificates the server has no reason to trust.
    """

    def __init__(
        self,
        binary: Path,
        folder: Path,
        directories: int = 1,
        strange: int = 0,
        environment: dict[str, str] | None = None,
        **settings,
    ):
        self.folder, self._strange = folder, strange
        self.server = AcmeServer(binary, folder / "data")
        self.names = NameServer(folder)
        self.pebble = Pebble(folder, self.names, self.server.port, environment, **settings)
        self.proxies = [Proxy(self.pebble) for _ in range(directories)]

    def start(self, *options: str) -> "Site":
        self.names.start()
        self.pebble.start()
        for proxy in self.proxies:
            proxy.open()
        known = len(self.proxies) - self._strange
        named = [f"{proxy.directory},{self.pebble.bundle}" for proxy in self.proxies[:known]]
        named += [proxy.directory for proxy in self.proxies[known:]]
        self.server.options = (*(word for name in named for word in ("--acme-directory", name)), *options)
        self.server.start()
        return self

    def stop(self) -> None:
        self.server.kill()
        for proxy in self.proxies:
            proxy.close()
        self.pebble.stop()
        self.names.stop()

    @property
    def proxy(self) -> Proxy:
        return self.proxies[0]

    @property
    def certificates(self) -> Certificates:
        return Certificates(self.server.wire())

    def issuer(self, name: str = "acme", number: int = 0) -> str:
        """An issuer of the vault for one of the directories."""
        return make_issuer(self.certificates, name, self.proxies[number].directory, email="pki@example.com")

    def verify(self, bundle: dict) -> list[x509.Certificate]:
        """The chain of a version, after every tool has agreed: the authority knows it, its chain ends below the authority's root,
        and certificate, key and secret are of one key."""
        certificates = self.certificates
        key, chain = held_by(certificates.at(bundle["sid"]))
        leaf = x509.load_der_x509_certificate(base64.b64decode(bundle["cer"]))
        assert leaf == chain[0] and len(chain) > 1
        assert self.pebble.knows(leaf)
        assert public_der(key) == public_der(leaf)
        verify_chain(self.folder, leaf, [*chain[1:], self.pebble.root], "-purpose", "sslserver")
        return chain


@contextmanager
def acme_site(binary: Path, folder: Path, *options: str, **settings):
    site = Site(binary, folder, **settings)
    try:
        yield site.start(*options)
    finally:
        site.stop()


def administrator(production: Production, **options) -> Certificates:
    """Starts a production server; its certificates, as an owner who may do everything with them."""
    production.initialise().start(**options)
    group = f"/subscriptions/{production.subscription}/resourceGroups/strongroom"
    scope = f"{group}/providers/Microsoft.KeyVault/vaults/demo"
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Administrator", scope)
    return Certificates(production.wire())
