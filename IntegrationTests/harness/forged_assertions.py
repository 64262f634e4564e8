"""Client assertions (RFC 7523) as forgers make them: by the key of a certificate that the client has."""

import hashlib
import json
import time
from dataclasses import dataclass
from typing import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from .assertions import Identity, claims_for
from .directory import NOBODY
from .forged_shapes import last_bits, swapped_letters
from .forged_tokens import forger_key
from .oidc_issuer import PrivateKey, signature_over
from .tokens import decode, encode, pem_of, signed_hs256, signing_input

MALFORMED, PROOF, NOT_OURS, TIME, ISSUER, NO_RECORD = 50_027, 700_027, 700_021, 700_024, 700_211, 700_213


@dataclass(frozen=True)
class Client:
    """A client with two certificates, what it calls the token endpoint, and a stranger's certificate."""

    app_id: str
    endpoint: str
    who: Identity
    second: Identity
    stranger: Identity

    def claims(self, **changes) -> dict:
        return claims_for(self.app_id, self.endpoint, **changes)

    def endpoint_of(self, tenant: str) -> str:
        return self.endpoint.replace(self.endpoint.split("/")[3], tenant)

    @property
    def header(self) -> dict:
        return {"alg": "RS256", "typ": "JWT", "x5t": thumbprint(self.who)}

    def signed(
        self, claims: dict | bytes | None = None, *, header: dict | bytes | None = None, by: str = "RS256",
        key: PrivateKey | None = None,
    ) -> str:
        """By the client's own key unless another is given. A header or claims in bytes are taken as they are; members of the header
        given as ... are left out."""
        members = header if isinstance(header, bytes) else {**self.header, **(header or {})}
        if isinstance(members, dict):
            members = json.dumps({name: value for name, value in members.items() if value is not ...}).encode()
        claims = self.claims() if claims is None else claims
        text = f"{encode(members)}.{encode(claims if isinstance(claims, bytes) else json.dumps(claims).encode())}"
        return f"{text}.{encode(signature_over(text.encode(), by, key or self.who.key))}"

    def proven(self, change: Callable[[bytes], bytes]) -> str:
        """A good assertion with a changed signature."""
        text, _, proof = self.signed().rpartition(".")
        return f"{text}.{encode(change(decode(proof)))}"

    def salted(self, salt: int, mask: hashes.HashAlgorithm = hashes.SHA256()) -> str:
        """PS256 with another salt or mask than RFC 7518 §3.5 asks for."""
        text = self.signed(header={"alg": "PS256"}).rpartition(".")[0]
        proof = self.who.key.sign(text.encode(), padding.PSS(padding.MGF1(mask), salt), hashes.SHA256())
        return f"{text}.{encode(proof)}"

    def keyed(self, secret: bytes) -> str:
        return signed_hs256(secret, {**self.header, "alg": "HS256"}, self.claims())


Table = dict[str, tuple[Callable[[Client], str], int]]


def thumbprint(who: Identity) -> str:
    return encode(hashlib.sha1(who.der).digest())


def thumbprint256(who: Identity) -> str:
    return encode(hashlib.sha256(who.der).digest())


def header(code: int = MALFORMED, by: str = "RS256", **members):
    """Values may be made from the client."""

    def make(client: Client) -> str:
        chosen = {name: value(client) if callable(value) else value for name, value in members.items()}
        return client.signed(header=chosen, by=by)

    return make, code


def raw(text: str, encoding: str = "utf-8"):
    """A whole header; X5T stands for the thumbprint."""
    return lambda client: client.signed(header=text.replace("X5T", thumbprint(client.who)).encode(encoding)), MALFORMED


HEADERS: Table = {
    # Algorithms
    "alg-None": header(alg="None"),
    "alg-nOnE": header(alg="nOnE"),
    "alg-empty": header(alg=""),
    "alg-null": header(alg=None),
    "alg-missing": header(alg=...),
    "alg-list": header(alg=["RS256"]),
    "alg-number": header(alg=256),
    "alg-lower-case": header(alg="rs256"),
    "alg-with-space": header(alg="RS256 "),
    "alg-with-nul": header(alg="RS256\0"),
    "alg-RS384": header(alg="RS384", by="RS384"),
    "alg-PS384": header(alg="PS384", by="PS384"),
    "alg-PS512": header(alg="PS512", by="PS512"),
    "alg-ES256": (lambda client: client.signed(header={"alg": "ES256"}, by="ES256", key=forger_key("P-256")), MALFORMED),
    "alg-EdDSA": header(alg="EdDSA"),
    "alg-HS256-by-the-certificate": (lambda client: client.keyed(client.who.pem), MALFORMED),
    "alg-HS256-by-the-certificate-in-DER": (lambda client: client.keyed(client.who.der), MALFORMED),
    "alg-HS256-by-the-public-key": (lambda client: client.keyed(pem_of(client.who.key.public_key())), MALFORMED),
    "alg-HS256-by-the-thumbprint": (lambda client: client.keyed(thumbprint(client.who).encode()), MALFORMED),
    "RS384-called-RS256": header(PROOF, by="RS384"),
    "PS256-called-RS256": header(PROOF, by="PS256"),
    "RS256-called-PS256": header(PROOF, alg="PS256"),
    "PS256-without-salt": (lambda client: client.salted(0), PROOF),
    "PS256-with-a-longer-salt": (lambda client: client.salted(64), PROOF),
    "PS256-with-a-mask-of-SHA-1": (lambda client: client.salted(32, hashes.SHA1()), PROOF),
    # Thumbprints
    "x5t-of-a-stranger": header(PROOF, x5t=lambda client: thumbprint(client.stranger)),
    "x5t-of-the-other-certificate": header(PROOF, x5t=lambda client: thumbprint(client.second)),
    "x5t-and-x5t#S256-of-two-certificates": header(PROOF, **{"x5t#S256": lambda client: thumbprint256(client.second)}),
    "x5t-empty": header(x5t=""),
    "x5t-null": header(x5t=None),
    "x5t-number": header(x5t=1),
    "x5t-list": header(x5t=lambda client: [thumbprint(client.who)]),
    "x5t-hexadecimal": header(x5t=lambda client: client.who.thumbprint),
    "x5t-of-32-bytes": header(x5t=lambda client: thumbprint256(client.who)),
    "x5t#S256-of-20-bytes": header(x5t=..., **{"x5t#S256": lambda client: thumbprint(client.who)}),
    "x5t-in-standard-letters": header(x5t=lambda client: "+/" + thumbprint(client.who)[2:]),
    "x5t-with-unused-bits": header(x5t=lambda client: last_bits(thumbprint(client.who))),
    "x5t-with-a-line-end": header(x5t=lambda client: thumbprint(client.who) + "\n"),
    "x5t-in-capitals": header(x5t=..., X5T=lambda client: thumbprint(client.who)),
    "kid-in-place-of-x5t": header(x5t=..., kid=lambda client: thumbprint(client.who)),
    "x5c-in-place-of-x5t": header(x5t=..., x5c=lambda client: [encode(client.who.der)]),
    "x5c-and-x5t-of-a-stranger": (lambda client: client.signed(
        header={"x5t": thumbprint(client.stranger), "x5c": [encode(client.stranger.der)]}, key=client.stranger.key), PROOF),
    # Keys and critical members
    "jwk-of-its-own": header(jwk={}),
    "jku-number": header(jku=1),
    "crit-empty": header(crit=[]),
    "crit-exp": header(crit=["exp"], exp=4_000_000_000),
    "crit-false": header(crit=False),
    "crit-null": header(crit=None),
    # JSON
    "header-array": raw("[]"),
    "header-null": raw("null"),
    "header-empty": raw(""),
    "header-with-words-behind": raw('{"alg":"RS256","x5t":"X5T"} x'),
    "header-twice": raw('{"alg":"RS256","x5t":"X5T"}' * 2),
    "header-alg-twice": raw('{"alg":"none","alg":"RS256","x5t":"X5T"}'),
    "header-alg-twice-escaped": raw('{"\\u0061lg":"none","alg":"RS256","x5t":"X5T"}'),
    "header-x5t-twice": raw('{"alg":"RS256","x5t":"AAAA","x5t":"X5T"}'),
    "header-deep": raw('{"alg":"RS256","x5t":"X5T","a":[[[[1]]]]}'),
    "header-of-many-members": raw('{"alg":"RS256","x5t":"X5T"' + "".join(f',"a{n}":0' for n in range(200)) + "}"),
    "header-with-control-byte": raw('{"alg":"RS256","x5t":"X5T","a":"\t"}'),
    "header-with-leading-zero": raw('{"alg":"RS256","x5t":"X5T","a":01}'),
    "header-not-UTF-8": raw('{"alg":"RS256","x5t":"X5T","a":"ÿ"}', "latin-1"),
    "header-UTF-16": raw('{"alg":"RS256","x5t":"X5T"}', "utf-16-le"),
    "header-UTF-16-alg-twice": raw('{"a\u2230":0,"alg":"RS256","b\u2230":0,"alg":"none","x5t":"X5T"}', "utf-16-le"),
}


def claims(code: int, **changes):
    """Claims given as ... are left out. Values may be made from the client."""

    def make(client: Client) -> str:
        made = {name: value(client) if callable(value) else value for name, value in changes.items()}
        return client.signed({name: value for name, value in {**client.claims(), **made}.items() if value is not ...})

    return make, code


def body(change, encoding: str = "utf-8"):
    """Claims that are made from the text of good ones."""
    return lambda client: client.signed(change(json.dumps(client.claims())).encode(encoding)), MALFORMED


def also(text: str):
    """Good claims, and more text at their end."""
    return body(lambda good: f"{good[:-1]},{text}}}")


def twice(name: str):
    return body(lambda good: f"{good[:-1]},{json.dumps(name)}:{json.dumps(json.loads(good)[name])}}}")


def within(seconds: float):
    return lambda client: time.time() + seconds


CLAIMS: Table = {
    "iss-missing": claims(MALFORMED, iss=...),
    "iss-number": claims(MALFORMED, iss=1),
    "iss-in-capitals-of-a-web-address": claims(NOT_OURS, iss=lambda client: client.endpoint.upper()),
    "iss-of-this-server": claims(ISSUER, iss=lambda client: client.endpoint.partition("oauth2")[0]),
    "sub-missing": claims(MALFORMED, sub=...),
    "sub-null": claims(MALFORMED, sub=None),
    "sub-list": claims(MALFORMED, sub=lambda client: [client.app_id]),
    "sub-in-braces": claims(NOT_OURS, sub=lambda client: f"{{{client.app_id}}}", iss=lambda client: f"{{{client.app_id}}}"),
    "sub-without-hyphens": claims(
        NOT_OURS, sub=lambda client: client.app_id.replace("-", ""), iss=lambda client: client.app_id.replace("-", "")),
    "sub-with-space": claims(NOT_OURS, sub=lambda client: client.app_id + " "),
    "aud-null": claims(MALFORMED, aud=None),
    "aud-number": claims(MALFORMED, aud=1),
    "aud-object": claims(MALFORMED, aud=lambda client: {client.endpoint: True}),
    "aud-list-in-a-list": claims(MALFORMED, aud=lambda client: [[client.endpoint]]),
    "aud-list-with-a-number": claims(MALFORMED, aud=lambda client: [client.endpoint, 1]),
    "aud-empty": claims(NOT_OURS, aud=""),
    "aud-star": claims(NOT_OURS, aud="*"),
    "aud-with-a-slash": claims(NOT_OURS, aud=lambda client: client.endpoint + "/"),
    "aud-with-a-question": claims(NOT_OURS, aud=lambda client: client.endpoint + "?a=b"),
    "aud-with-a-space": claims(NOT_OURS, aud=lambda client: " " + client.endpoint),
    "aud-longer": claims(NOT_OURS, aud=lambda client: client.endpoint + "s"),
    "aud-shorter": claims(NOT_OURS, aud=lambda client: client.endpoint[:-1]),
    "aud-by-http": claims(NOT_OURS, aud=lambda client: client.endpoint.replace("https", "http")),
    "aud-host": claims(NOT_OURS, aud=lambda client: client.endpoint.partition("/oauth2")[0].rpartition("/")[0]),
    "aud-another-tenant": claims(NOT_OURS, aud=lambda client: client.endpoint_of(NOBODY)),
    "aud-tenant-common": claims(NOT_OURS, aud=lambda client: client.endpoint_of("common")),
    "aud-with-the-sign-of-Kelvin": claims(NOT_OURS, aud=lambda client: client.endpoint.replace("token", "to\u212aen")),
    "aud-of-federation": claims(NOT_OURS, aud="api://AzureADTokenExchange"),
    "jti-null": claims(MALFORMED, jti=None),
    "jti-number": claims(MALFORMED, jti=1),
    "jti-list": claims(MALFORMED, jti=["a"]),
    "jti-of-344-bytes": claims(MALFORMED, jti="🔑" * 86),
    "exp-as-text": claims(MALFORMED, exp=lambda client: str(int(time.time()) + 600)),
    "exp-true": claims(MALFORMED, exp=True),
    "exp-list": claims(MALFORMED, exp=[4_000_000_000]),
    "exp-beyond-numbers": claims(MALFORMED, exp=10**400),
    "exp-just-over": claims(TIME, exp=within(-70)),
    "exp-in-25-hours": claims(TIME, exp=within(25 * 3_600)),
    "nbf-as-text": claims(MALFORMED, nbf="now"),
    "nbf-list": claims(MALFORMED, nbf=[1]),
    "nbf-beyond-numbers": claims(MALFORMED, nbf=1e300),
    "nbf-just-ahead": claims(TIME, nbf=within(90)),
    "claims-array": body(lambda good: f"[{good}]"),
    "claims-null": body(lambda good: "null"),
    "claims-text": body(json.dumps),
    "claims-empty": body(lambda good: ""),
    "claims-twice": body(lambda good: good * 2),
    "claims-with-words-behind": body(lambda good: good + " x"),
    "claims-with-nul-behind": body(lambda good: good + "\0"),
    "claims-with-comma-behind": body(lambda good: good[:-1] + ",}"),
    "claims-with-comment": also('/* */"a":1'),
    "claims-with-NaN": also('"a":NaN'),
    "claims-with-leading-zero": also('"a":01'),
    "claims-with-unknown-escape": also('"a":"\\x"'),
    "claims-with-control-byte": also('"a":"\t"'),
    "claims-deep": also('"a":[[[[1]]]]'),
    "claims-of-many-members": also(",".join(f'"a{number}":0' for number in range(200))),
    "claims-not-UTF-8": body(lambda good: good[:-1] + ',"a":"ÿ"}', "latin-1"),
    "claims-UTF-16": body(lambda good: good, "utf-16-le"),
    "claims-UTF-32": body(lambda good: good, "utf-32-le"),
    "claims-UTF-16-aud-twice": body(
        lambda good: f'{good[:-1]},"a\u2230":0,"aud":"https://elsewhere.example","b\u2230":0}}', "utf-16-le"),
    "iss-twice": twice("iss"),
    "aud-twice": twice("aud"),
    "jti-twice": twice("jti"),
    "exp-twice": twice("exp"),
    "nbf-twice-escaped": also('"\\u006ebf":1'),
    "unknown-claim-twice": also('"a":1,"a":1'),
    "claim-twice-deeper": also('"a":{"b":1,"b":2}'),
    "cty-nested-assertion": (lambda client: client.signed(client.signed().encode(), header={"cty": "JWT"}), MALFORMED),
}


def proof(change, code: int = PROOF):
    return lambda client: client.proven(change), code


def whole(change):
    """The text of a good assertion, changed."""
    return lambda client: change(client.signed()), MALFORMED


def plus_modulus(client: Client) -> str:
    modulus = client.who.key.public_key().public_numbers().n
    return client.proven(lambda good: (int.from_bytes(good, "big") + modulus).to_bytes(257, "big").removeprefix(b"\0"))


SHAPES: Table = {
    "signature-empty": proof(lambda good: b""),
    "signature-of-zeros": proof(lambda good: bytes(256)),
    "signature-cut": proof(lambda good: good[:-1]),
    "signature-with-zero-before": proof(lambda good: b"\0" + good),
    "signature-with-zero-behind": proof(lambda good: good + b"\0"),
    "signature-in-a-bit": proof(lambda good: good[:-1] + bytes([good[-1] ^ 1])),
    "signature-very-long": proof(lambda good: good * 20),
    "signature-plus-modulus": (plus_modulus, PROOF),
    "signature-of-the-other-certificate": (lambda client: client.signed(key=client.second.key), PROOF),
    "signature-of-a-forger": (lambda client: client.signed(key=forger_key()), PROOF),
    "two-parts": whole(lambda good: good.rpartition(".")[0]),
    "four-parts": whole(lambda good: good + ".AAAA"),
    "five-parts": whole(lambda good: good + ".AAAA.AAAA"),
    "claims-missing": whole(lambda good: f"{good.split('.')[0]}..{good.split('.')[2]}"),
    "dot-before": whole(lambda good: "." + good),
    "space-before": whole(lambda good: " " + good),
    "line-end-behind": whole(lambda good: good + "\n"),
    "quoted": whole(lambda good: f'"{good}"'),
    "scheme-before": whole(lambda good: f"Bearer {good}"),
    "two-with-a-space": whole(lambda good: f"{good} {good}"),
    "two-with-a-comma": whole(lambda good: f"{good},{good}"),
    "encoded-as-a-whole": whole(lambda good: encode(good.encode())),
    "padding-too-short": whole(lambda good: good + "="),
    "padding-too-long": whole(lambda good: good + "==="),
    "unused-bits-of-the-signature": whole(lambda good: ".".join([good.rpartition(".")[0], last_bits(good.rpartition(".")[2])])),
    "standard-letters": whole(lambda good: good.rpartition(".")[0] + "." + swapped_letters("-_" + good.rpartition(".")[2][2:])),
    "JSON-serialization": whole(lambda good: json.dumps(dict(zip(("protected", "payload", "signature"), good.split("."))))),
    "JWE-compact": whole(lambda good: ".".join([encode(b'{"alg":"dir","enc":"A256GCM"}'), "", "AAAA", good.split(".")[1], "AAAA"])),
    "not-signed": (lambda client: signing_input({**client.header, "alg": "none"}, client.claims()) + ".", MALFORMED),
}
