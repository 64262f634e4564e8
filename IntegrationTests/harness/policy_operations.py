"""Every operation of a vault with the permissions of an access policy that open it.

Names of objects are such that nothing is there: who is let in is told that, who is not is told which permission is lacking.
"""

import base64
from dataclasses import dataclass
from typing import Callable

from requests import Response

from .certificates_wire import policy
from .keys_jwk import ec_jwk, new_ec
from .tokens import encode
from .wire import Wire

NAMES = {
    "keys": [
        "encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify", "get", "list", "create", "update", "import", "delete",
        "backup", "restore", "recover", "purge", "release", "rotate", "getrotationpolicy", "setrotationpolicy",
    ],
    "secrets": ["get", "list", "set", "delete", "backup", "restore", "recover", "purge"],
    "certificates": [
        "get", "list", "delete", "create", "import", "update", "managecontacts", "getissuers", "listissuers", "setissuers",
        "deleteissuers", "manageissuers", "recover", "purge", "backup", "restore",
    ],
    "storage": [
        "get", "list", "delete", "set", "update", "regeneratekey", "recover", "purge", "backup", "restore", "setsas", "listsas",
        "getsas", "deletesas",
    ],
}

_JWK = ec_jwk(new_ec())
_DIGEST, _SIGNATURE = encode(b"d" * 32), encode(b"s" * 64)


@dataclass(frozen=True)
class PolicyOperation:
    """`opens` are the names in `group` any of which lets a caller in; the first is the one that a refusal names."""

    label: str
    group: str
    opens: tuple[str, ...]
    make: Callable[[Wire], Response]

    def __str__(self) -> str:
        return self.label


def _secret(label: str, name: str, make: Callable[[Wire], Response]) -> PolicyOperation:
    return PolicyOperation(f"secret {label}", "secrets", (name,), make)


def _key(label: str, name: str, make: Callable[[Wire], Response]) -> PolicyOperation:
    return PolicyOperation(f"key {label}", "keys", (name,), make)


def _use(verb: str, name: str, alg: str, **members) -> PolicyOperation:
    return _key(verb, name, lambda w: w.post(f"/keys/absent/{verb}", json={"alg": alg, "value": _DIGEST, **members}))


def _certificate(label: str, names: str, make: Callable[[Wire], Response]) -> PolicyOperation:
    return PolicyOperation(f"certificate {label}", "certificates", tuple(names.split()), make)


_ISSUER = {"provider": "Test", "org_details": {"admin_details": []}}
_ISSUERS_GET, _ISSUERS_LIST = "getissuers manageissuers", "listissuers manageissuers"
_ISSUERS_SET, _ISSUERS_DELETE = "setissuers manageissuers", "deleteissuers manageissuers"

ALL = [
    _secret("set", "set", lambda w: w.put("/secrets/made", json={"value": "v"})),
    _secret("get", "get", lambda w: w.get("/secrets/absent")),
    _secret("get version", "get", lambda w: w.get("/secrets/absent/" + "0" * 32)),
    _secret("list", "list", lambda w: w.get("/secrets")),
    _secret("list versions", "list", lambda w: w.get("/secrets/absent/versions")),
    _secret("list expiring", "list", lambda w: w.get("/secrets:expiring", query={"within": "P1D"})),
    _secret("update", "set", lambda w: w.patch("/secrets/absent/", json={"contentType": "x"})),
    _secret("delete", "delete", lambda w: w.delete("/secrets/absent")),
    _secret("backup", "backup", lambda w: w.post("/secrets/absent/backup")),
    _secret("restore", "restore", lambda w: w.post("/secrets/restore", json={"value": "AAAA"})),
    _secret("get deleted", "get", lambda w: w.get("/deletedsecrets/absent")),
    _secret("list deleted", "list", lambda w: w.get("/deletedsecrets")),
    _secret("recover", "recover", lambda w: w.post("/deletedsecrets/absent/recover")),
    _secret("purge", "purge", lambda w: w.delete("/deletedsecrets/absent")),
    _key("create", "create", lambda w: w.post("/keys/made/create", json={"kty": "EC"})),
    _key("import", "import", lambda w: w.put("/keys/imported", json={"key": _JWK})),
    _key("get", "get", lambda w: w.get("/keys/absent")),
    _key("get version", "get", lambda w: w.get("/keys/absent/" + "0" * 32)),
    _key("attestation", "get", lambda w: w.get("/keys/absent/attestation")),
    _key("list", "list", lambda w: w.get("/keys")),
    _key("list versions", "list", lambda w: w.get("/keys/absent/versions")),
    _key("update", "update", lambda w: w.patch("/keys/absent/", json={"tags": {}})),
    _key("delete", "delete", lambda w: w.delete("/keys/absent")),
    _key("get deleted", "get", lambda w: w.get("/deletedkeys/absent")),
    _key("list deleted", "list", lambda w: w.get("/deletedkeys")),
    _key("recover", "recover", lambda w: w.post("/deletedkeys/absent/recover")),
    _key("purge", "purge", lambda w: w.delete("/deletedkeys/absent")),
    _key("backup", "backup", lambda w: w.post("/keys/absent/backup")),
    _key("restore", "restore", lambda w: w.post("/keys/restore", json={"value": "AAAA"})),
    _use("encrypt", "encrypt", "RSA-OAEP"),
    _use("decrypt", "decrypt", "RSA-OAEP"),
    _use("wrapkey", "wrapKey", "RSA-OAEP"),
    _use("unwrapkey", "unwrapKey", "RSA-OAEP"),
    _use("sign", "sign", "ES256"),
    _key("verify", "verify", lambda w: w.post(
        "/keys/absent/verify", json={"alg": "ES256", "digest": _DIGEST, "value": _SIGNATURE})),
    _key("release", "release", lambda w: w.post("/keys/absent/release", json={"target": "e30.e30.e30"})),
    _key("rotate", "rotate", lambda w: w.post("/keys/absent/rotate")),
    _key("get rotation policy", "getrotationpolicy", lambda w: w.get("/keys/absent/rotationpolicy")),
    _key("set rotation policy", "setrotationpolicy", lambda w: w.put(
        "/keys/absent/rotationpolicy", json={"attributes": {"expiryTime": "P90D"}})),
    _certificate("create", "create", lambda w: w.post("/certificates/made/create", json={"policy": policy("Unknown")})),
    _certificate("import", "import", lambda w: w.post(
        "/certificates/absent/import", json={"value": base64.b64encode(b"none").decode()})),
    _certificate("get", "get", lambda w: w.get("/certificates/absent")),
    _certificate("get version", "get", lambda w: w.get("/certificates/absent/" + "0" * 32)),
    _certificate("get chain", "get", lambda w: w.get(f"/certificates/absent/{'0' * 32}/chain")),
    _certificate("list", "list", lambda w: w.get("/certificates")),
    _certificate("list versions", "list", lambda w: w.get("/certificates/absent/versions")),
    _certificate("update", "update", lambda w: w.patch("/certificates/absent/", json={"tags": {}})),
    _certificate("policy get", "get", lambda w: w.get("/certificates/absent/policy")),
    _certificate("policy update", "update", lambda w: w.patch("/certificates/absent/policy", json=policy())),
    _certificate("pending get", "get", lambda w: w.get("/certificates/absent/pending")),
    _certificate("pending update", "update", lambda w: w.patch(
        "/certificates/absent/pending", json={"cancellation_requested": True})),
    _certificate("pending delete", "delete", lambda w: w.delete("/certificates/absent/pending")),
    _certificate("merge", "create", lambda w: w.post("/certificates/absent/pending/merge", json={"x5c": ["AAAA"]})),
    _certificate("delete", "delete", lambda w: w.delete("/certificates/absent")),
    _certificate("get deleted", "get", lambda w: w.get("/deletedcertificates/absent")),
    _certificate("list deleted", "list", lambda w: w.get("/deletedcertificates")),
    _certificate("recover", "recover", lambda w: w.post("/deletedcertificates/absent/recover")),
    _certificate("purge", "purge", lambda w: w.delete("/deletedcertificates/absent")),
    _certificate("backup", "backup", lambda w: w.post("/certificates/absent/backup")),
    _certificate("restore", "restore", lambda w: w.post("/certificates/restore", json={"value": "AAAA"})),
    _certificate("contacts set", "managecontacts", lambda w: w.put(
        "/certificates/contacts", json={"contacts": [{"email": "a@example.com"}]})),
    _certificate("contacts get", "managecontacts", lambda w: w.get("/certificates/contacts")),
    _certificate("contacts delete", "managecontacts", lambda w: w.delete("/certificates/contacts")),
    _certificate("issuers list", _ISSUERS_LIST, lambda w: w.get("/certificates/issuers")),
    _certificate("issuer get", _ISSUERS_GET, lambda w: w.get("/certificates/issuers/absent")),
    _certificate("issuer set", _ISSUERS_SET, lambda w: w.put("/certificates/issuers/made", json=_ISSUER)),
    _certificate("issuer update", _ISSUERS_SET, lambda w: w.patch("/certificates/issuers/absent", json=_ISSUER)),
    _certificate("issuer delete", _ISSUERS_DELETE, lambda w: w.delete("/certificates/issuers/absent")),
    _certificate("templates list", _ISSUERS_GET, lambda w: w.get("/certificatetemplates")),
    _certificate("template get", _ISSUERS_GET, lambda w: w.get("/certificatetemplates/absent")),
    _certificate("template delete", _ISSUERS_DELETE, lambda w: w.delete("/certificatetemplates/absent")),
    _certificate("authorities list", _ISSUERS_GET, lambda w: w.get("/authorities")),
    _certificate("authority issue", "manageissuers", lambda w: w.post("/certificates/absent/authority/issue", json={})),
    _certificate("authority revoke", "manageissuers", lambda w: w.post("/certificates/absent/authority/revoke", json={})),
]
