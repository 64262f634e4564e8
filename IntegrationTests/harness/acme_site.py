"""A server, an authority outside that speaks ACME, and the directory between them."""

import base64
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509

from .acme_proxy import Proxy
from .acme_wire import held_by, make_issuer
from .authorities_public import verify_chain
from .certificates_made import public_der
from .certificates_wire import Certificates
from .command_line import CommandLine
from .pebble import NameServer, Pebble
from .production import Production
from .server import Server


class AcmeServer(Server):
    """A `strongroom dev` with options that are known only after its port."""

    options: tuple[str, ...] = ()

    def __init__(self, binary: Path, data: Path):
        super().__init__(binary, data, vaults=("demo",))

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
