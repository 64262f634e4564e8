"""Every way to call the keys of a vault, with the data action it needs."""

from dataclasses import dataclass
from typing import Callable

from requests import Response

from .keys_jwk import ec_jwk, new_ec, new_rsa, rsa_jwk
from .keys_wire import Keys
from .tokens import encode
from .wire import Wire

READ = "keys/read"
_JWK = ec_jwk(new_ec())
_RSA_JWK = rsa_jwk(new_rsa())
_POLICY = {"attributes": {"expiryTime": "P90D"}}


@dataclass(frozen=True)
class KeyCall:
    """`prepare` makes, as the owner, what the call needs; `make` is the call itself. Whoever has one of `actions` may make it."""

    label: str
    actions: tuple[str, ...]
    prepare: Callable[[Keys, str], str | None]
    make: Callable[[Wire, str, str | None], Response]

    def __str__(self) -> str:
        return self.label


def _nothing(_owner: Keys, _name: str) -> None:
    return None


def _key(owner: Keys, name: str) -> None:
    owner.create(name)


def _deleted(owner: Keys, name: str) -> None:
    owner.create(name)
    owner.delete(name)


def _backup_of_purged(owner: Keys, name: str) -> str:
    owner.create(name)
    backup = owner.backup(name)
    owner.delete(name)
    owner.purge(name)
    return backup


def _rsa(owner: Keys, name: str) -> str:
    return encode(owner.use("encrypt", owner.import_key(name, _RSA_JWK), "RSA-OAEP", b"plain"))


def _crypto(operation: str, alg: str, value: str | None = None, **members) -> Callable[[Wire, str, str | None], Response]:
    """A call whose value is given, or is what was prepared."""
    return lambda w, n, prepared: w.post(f"/keys/{n}/{operation}", json={"alg": alg, "value": value or prepared, **members})


_DIGEST = encode(b"d" * 32)

ALL = [
    KeyCall("create", ("keys/create/action",), _nothing, lambda w, n, _: w.post(f"/keys/{n}/create", json={"kty": "EC"})),
    KeyCall("import", ("keys/import/action",), _nothing, lambda w, n, _: w.put(f"/keys/{n}", json={"key": _JWK})),
    KeyCall("get", (READ,), _key, lambda w, n, _: w.get(f"/keys/{n}")),
    KeyCall("list", (READ,), _nothing, lambda w, n, _: w.get("/keys")),
    KeyCall("list versions", (READ,), _key, lambda w, n, _: w.get(f"/keys/{n}/versions")),
    KeyCall("update", ("keys/update/action",), _key, lambda w, n, _: w.patch(f"/keys/{n}/", json={"tags": {}})),
    KeyCall("delete", ("keys/delete",), _key, lambda w, n, _: w.delete(f"/keys/{n}")),
    KeyCall("get deleted", (READ,), _deleted, lambda w, n, _: w.get(f"/deletedkeys/{n}")),
    KeyCall("list deleted", (READ,), _nothing, lambda w, n, _: w.get("/deletedkeys")),
    KeyCall("recover", ("keys/recover/action",), _deleted, lambda w, n, _: w.post(f"/deletedkeys/{n}/recover")),
    KeyCall("purge", ("keys/purge/action",), _deleted, lambda w, n, _: w.delete(f"/deletedkeys/{n}")),
    KeyCall("backup", ("keys/backup/action",), _key, lambda w, n, _: w.post(f"/keys/{n}/backup")),
    KeyCall("restore", ("keys/restore/action",), _backup_of_purged, lambda w, n, b: w.post("/keys/restore", json={"value": b})),
    KeyCall("encrypt", ("keys/encrypt/action", READ), _rsa, _crypto("encrypt", "RSA-OAEP", "AAAA")),
    KeyCall("decrypt", ("keys/decrypt/action",), _rsa, _crypto("decrypt", "RSA-OAEP")),
    KeyCall("wrap", ("keys/wrap/action", READ), _rsa, _crypto("wrapkey", "RSA-OAEP", "AAAA")),
    KeyCall("unwrap", ("keys/unwrap/action",), _rsa, _crypto("unwrapkey", "RSA-OAEP")),
    KeyCall("sign", ("keys/sign/action",), _key, _crypto("sign", "ES256", _DIGEST)),
    KeyCall("verify", ("keys/verify/action", READ), _key, _crypto("verify", "ES256", encode(b"s" * 64), digest=_DIGEST)),
    KeyCall("rotate", ("keys/rotate/action",), _key, lambda w, n, _: w.post(f"/keys/{n}/rotate")),
    KeyCall("get policy", ("keyrotationpolicies/read",), _key, lambda w, n, _: w.get(f"/keys/{n}/rotationpolicy")),
    KeyCall("set policy", ("keyrotationpolicies/write",), _key, lambda w, n, _: w.put(f"/keys/{n}/rotationpolicy", json=_POLICY)),
]
