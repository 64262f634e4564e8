"""Tokens as forgers make them, the four hosts that take tokens, and what a refusal must look like."""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Callable

import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from . import audit, tokens
from .directory import graph_url, refusal
from .hsm_pool import pool_resource, pool_url
from .keys_jwk import new_ec, new_rsa
from .oidc_issuer import PrivateKey, signature_over
from .server import Server
from .tokens import encode
from .wire import Wire

MISSING = "AKV10000: Request is missing a Bearer or PoP token."
KEY = "AKV10046: Unable to resolve the key used for signature validation."
EXPIRED = "[TokenExpired] Error validating token: 'S2S12086'."
MALFORMED, ALGORITHM, OWN_KEY, SIGNATURE, NOT_YET, REVOKED, LONG, FOREIGN = (
    f"Error validating token: '{reason}'."
    for reason in (
        "The token is malformed",
        "The algorithm of the token is not allowed",
        "The token names a key of its own",
        "The signature is not valid",
        "The token is not yet valid",
        "The client or the person of the token is disabled, changed, deleted or signed out; sign in again",
        "The token is longer than 16384 bytes",
        "The token of another issuer stands for nobody here, or not for this audience",
    ))

CANARY = "canary-that-nobody-may-repeat"
GUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@cache
def forger_key(kind: int | str = 2_048, number: int = 1) -> PrivateKey:
    """A key of the forger's: RSA of so many bits, or of this curve."""
    return new_rsa(kind) if isinstance(kind, int) else new_ec(kind)


class Mint:
    """What a forger has: a genuine token and the public key behind it, and keys of their own."""

    def __init__(self, genuine: str, second: str, published: dict, jwks_url: str):
        self.genuine, self.second, self.published, self.jwks_url = genuine, second, published, jwks_url
        self.header, self.claims = tokens.header_of(genuine), {**tokens.claims_of(genuine), "canary": CANARY}
        self.kid = self.header["kid"]
        self.head, self.body, self.proof = genuine.split(".")

    @cached_property
    def public(self) -> rsa.RSAPublicKey:
        return tokens.public_key_of(self.published)

    def signed(
        self, algorithm: str = "RS256", key: PrivateKey | None = None, *, claims: dict | bytes | None = None, by: str | None = None,
        **header,
    ) -> str:
        """Signed by a key of the forger's, under the genuine `kid`. Header members given as None are left out; `by` is the
        algorithm in truth."""
        members = {**self.header, "alg": algorithm, **header}
        text = tokens.signing_input(
            {name: value for name, value in members.items() if value is not None}, self.claims if claims is None else claims)
        signer = key or forger_key("P-256" if (by or algorithm).startswith("ES") else 2_048)
        return f"{text}.{encode(signature_over(text.encode(), by or algorithm, signer))}"

    def keyed(self, secret: bytes, algorithm: str = "HS256") -> str:
        text = tokens.signing_input({**self.header, "alg": algorithm}, self.claims)
        return f"{text}.{encode(hmac.new(secret, text.encode(), getattr(hashlib, 'sha' + algorithm[2:])).digest())}"

    def labelled(self, proof: str | None = None, **header) -> str:
        """The genuine signature, or another, behind a changed header. Here None is `null`."""
        return f"{tokens.signing_input({**self.header, **header}, self.claims)}.{self.proof if proof is None else proof}"

    def parts(self, head: str | None = None, body: str | None = None, proof: str | None = None) -> str:
        """The genuine token with some of its parts replaced."""
        chosen = (self.head if head is None else head, self.body if body is None else body, self.proof if proof is None else proof)
        return ".".join(chosen)

    def raw(self, header: str | bytes) -> str:
        """A header of these bytes, `KID` standing for the genuine one; the rest is genuine."""
        text = header.encode() if isinstance(header, str) else header
        return self.parts(head=encode(text.replace(b"KID", self.kid.encode())))

    def proven(self, change: Callable[[bytes], bytes]) -> str:
        """The genuine token with a changed signature."""
        return self.parts(proof=encode(change(tokens.decode(self.proof))))


Table = dict[str, tuple[Callable[[Mint], str], str | tuple[str, ...]]]


@dataclass(frozen=True)
class Door:
    """A host that takes tokens, and a call there that needs nothing but one."""

    name: str
    resource: str
    path: str
    version: str | None
    wire: Wire
    challenge: str

    def ask(self, authorization: str | bytes | None) -> requests.Response:
        headers = {} if authorization is None else {"Authorization": authorization}
        return self.wire.get(self.path, version=self.version, headers=headers)

    def show(self, token: str) -> requests.Response:
        return self.ask(f"Bearer {token}".encode())


def doors_of(server: Server, verify: str | bool | None = None) -> list[Door]:
    """The doors of a server. The pool comes second, the management plane third, the directory last."""
    management = server.client_env["ARM_URL"].rstrip("/")

    def door(name: str, url: str, resource: str, path: str, version: str | None = "7.4") -> Door:
        challenge = f'Bearer authorization="{server.login}/{server.tenant}", resource="{resource}"'
        return Door(name, resource, path, version, Wire(url, server.bundle if verify is None else verify), challenge)

    return [
        door("vault", server.vault_url(), server.vault_resource, "/secrets"),
        door("pool", pool_url(server), pool_resource(server), "/keys"),
        door("management", management, management, "/subscriptions", "2022-12-01"),
        door("graph", graph_url(server), graph_url(server), "/v1.0/me", None),
    ]


def published_keys(server: Server, verify: str | bool | None = None) -> list[dict]:
    url = f"{server.login}/{server.tenant}/discovery/v2.0/keys"
    return requests.get(url, verify=server.bundle if verify is None else verify, timeout=30).json()["keys"]


def mint_of(server: Server, door: Door) -> Mint:
    genuine, second = (server.fresh_token(resource=door.resource) for _ in range(2))
    kid = tokens.header_of(genuine)["kid"]
    [key] = [key for key in published_keys(server) if key["kid"] == kid]
    return Mint(genuine, second, key, f"{server.login}/{server.tenant}/discovery/v2.0/keys")


def check_refused(answer: requests.Response, door: Door, token: str, reasons: str | tuple[str, ...]) -> None:
    """Insists on 401 with the error body, the challenge of the host and one of the reasons, and on nothing of the token in it."""
    about = f"{door.name}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code == 401, about
    assert refusal(answer) == (401, "Unauthorized"), about
    assert answer.headers["WWW-Authenticate"] == door.challenge, about
    message = answer.json()["error"]["message"]
    assert message in ((reasons,) if isinstance(reasons, str) else reasons), about
    assert repeated(f"{answer.text}\n{answer.headers}", [token]) == [], about


def repeated(text: str, shown: list[str]) -> list[str]:
    """What a text repeats of tokens: words of 16 and more letters that stand in one, and the canary. Identifiers are no secret."""
    tokens_shown = "\n".join(shown)
    words = set(re.findall(r"[\w+/=-]{16,}", GUID.sub(" ", text)))
    return [word for word in words if word in tokens_shown] + [CANARY] * (CANARY in text)


class Watch:
    """Remembers a server as it was before it was shown forged tokens, and tells what became of it."""

    def __init__(self, server: Server):
        self.server = server
        self.begun, self.said, self.memory = audit.now(), server.errors.text(), self._resident()
        self.shown: list[str] = []

    def _resident(self) -> int:
        with open(f"/proc/{self.server.process.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def refused(self, door: Door, token: str, reasons: str | tuple[str, ...]) -> None:
        """Shows a token and insists that it is refused."""
        check_refused(door.show(token), door, token, reasons)
        self.shown.append(token)

    def check_unharmed(self) -> None:
        """It runs, has said nothing to its operator, and holds no more than 256 MiB on top: what it hashes secrets in stays with it, and
        a server that was idle before had none of that."""
        assert self.server.process.poll() is None
        assert self.server.errors.text() == self.said
        assert self._resident() - self.memory < 256 << 10, f"{self.memory} KiB before, {self._resident()} KiB now"
        for door in doors_of(self.server):
            assert door.show(self.server.token(resource=door.resource)).status_code == 200, door.name

    def check_log(self, operation: str = "Authentication") -> None:
        """Every refusal left a record that names nobody; none was an error of the server; no token is in one. Addresses are left
        out: they are recorded as they were sent."""
        records = audit.records(self.server.cli(), since=self.begun)
        refused = [record for record in records if record["operationName"] == operation and record["resultType"] == "Failed"]
        assert len(refused) >= len(self.shown) > 0
        assert {record["properties"]["httpStatusCode"] for record in refused} <= {400, 401}
        assert all(record["identity"] == {} for record in refused)
        assert [record for record in records if record["properties"]["httpStatusCode"] >= 500] == []
        for record in records:
            del record["properties"]["requestUri"]
        assert repeated(json.dumps(records), self.shown) == []
