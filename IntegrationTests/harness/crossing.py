"""Places that could be taken for one another: two vaults and two pools of one server, of which a vault and a pool share their name."""

from collections.abc import Iterator
from contextlib import contextmanager

from .application import Application
from .certificates_made import pfx, self_signed
from .certificates_wire import Certificates
from .certificates_wire import version_of as certificate_version
from .hsm_pool import pool_wire
from .hsm_server import HsmServer
from .keys_wire import Keys, version_of
from .wire import Wire

TWIN, ASIDE, BEYOND = "twin", "aside", "beyond"
# Host and name of each place.
PLACES = {
    "the vault twin": ("vault", TWIN), "the vault aside": ("vault", ASIDE),
    "the pool twin": ("pool", TWIN), "the pool beyond": ("pool", BEYOND),
}
# Every ordered pair of places that both hold keys.
PAIRS = [(here, there) for here in PLACES for there in PLACES if here != there]
COLLECTIONS = ["secrets", "keys", "certificates"]
_NOT_FOUND = {"secrets": "SecretNotFound", "keys": "KeyNotFound", "certificates": "CertificateNotFound"}


class Crossing:
    """The server with its places."""

    def __init__(self, server: HsmServer):
        self.server = server
        self._owner = {place: self.of(place) for place in PLACES}

    def of(self, place: str, application: Application | None = None) -> Wire:
        kind, name = PLACES[place]
        return self.server.wire(name, application) if kind == "vault" else pool_wire(self.server, application, name)

    def wire(self, place: str) -> Wire:
        """As the owner."""
        return self._owner[place]

    def keys(self, place: str) -> Keys:
        return Keys(self.wire(place))

    def make(self, place: str, collection: str, name: str) -> str:
        """Makes an object; its version."""
        if collection == "secrets":
            return self.wire(place).set_secret(name, f"of {place}")["id"].rsplit("/", 1)[1]
        if collection == "keys":
            return version_of(self.keys(place).create(name, "EC-HSM"))
        return certificate_version(Certificates(self.wire(place)).import_(name, pfx(*self_signed(name))))


@contextmanager
def unchanged(*looks: tuple[Wire, str]) -> Iterator[None]:
    """What is seen at these paths is the same after."""

    def seen() -> list[tuple[int, str]]:
        return [(answer.status_code, answer.text) for answer in (wire.get(path) for wire, path in looks)]

    before = seen()
    yield
    assert seen() == before


def assert_not_found(answer, collection: str, context: object = "") -> None:
    assert answer.status_code == 404, f"{context} {answer.status_code} {answer.text}"
    assert answer.json()["error"]["code"] == _NOT_FOUND[collection], f"{context} {answer.text}"
