"""Every way to call the secrets of a vault, with the data action it needs."""

from dataclasses import dataclass
from typing import Callable

from requests import Response

from .wire import Wire


@dataclass(frozen=True)
class SecretCall:
    """`prepare` makes, as the owner, what the call needs; `make` is the call itself."""

    label: str
    action: str
    prepare: Callable[[Wire, str], str | None]
    make: Callable[[Wire, str, str | None], Response]

    def __str__(self) -> str:
        return self.label


def _nothing(_owner: Wire, _name: str) -> None:
    return None


def _secret(owner: Wire, name: str) -> None:
    owner.set_secret(name)


def _deleted(owner: Wire, name: str) -> None:
    owner.set_secret(name)
    owner.delete_secret(name)


def _backup_of_purged(owner: Wire, name: str) -> str:
    owner.set_secret(name)
    backup = owner.backup_secret(name)
    owner.delete_secret(name)
    owner.delete(f"/deletedsecrets/{name}")
    return backup


ALL = [
    SecretCall("set", "setSecret/action", _nothing, lambda w, n, _: w.put(f"/secrets/{n}", json={"value": "v"})),
    SecretCall("get", "getSecret/action", _secret, lambda w, n, _: w.get(f"/secrets/{n}")),
    SecretCall("list", "readMetadata/action", _nothing, lambda w, n, _: w.get("/secrets")),
    SecretCall("list versions", "readMetadata/action", _secret, lambda w, n, _: w.get(f"/secrets/{n}/versions")),
    SecretCall("list expiring", "readMetadata/action", _nothing, lambda w, n, _: w.get("/secrets:expiring", query={"within": "P1D"})),
    SecretCall("update", "update/action", _secret, lambda w, n, _: w.patch(f"/secrets/{n}/", json={"contentType": "x"})),
    SecretCall("delete", "delete", _secret, lambda w, n, _: w.delete(f"/secrets/{n}")),
    SecretCall("backup", "backup/action", _secret, lambda w, n, _: w.post(f"/secrets/{n}/backup")),
    SecretCall("restore", "restore/action", _backup_of_purged, lambda w, n, b: w.post("/secrets/restore", json={"value": b})),
    SecretCall("get deleted", "readMetadata/action", _deleted, lambda w, n, _: w.get(f"/deletedsecrets/{n}")),
    SecretCall("list deleted", "readMetadata/action", _nothing, lambda w, n, _: w.get("/deletedsecrets")),
    SecretCall("recover", "recover/action", _deleted, lambda w, n, _: w.post(f"/deletedsecrets/{n}/recover")),
    SecretCall("purge", "purge/action", _deleted, lambda w, n, _: w.delete(f"/deletedsecrets/{n}")),
]
