"""Forged tokens of an issuer that the server trusts. It has keys `key-1` (RSA), `Kelvin` (P-256) and `p384`."""

import json
import unicodedata

from .forged_assertions import ISSUER, MALFORMED, NO_RECORD, PROOF
from .oidc_issuer import USUAL_AUDIENCE, Issuer, public_jwk, signature_over
from .tokens import encode, pem_of, signed_hs256, signing_input

ALGORITHM, AUDIENCE = 5_002_738, 700_212
# Letters that Unicode writes in two ways.
SUBJECT = "system:serviceaccount:café:Kelvin"
OTHER_SUBJECT, OTHER_AUDIENCE = "by-audience", "api://Kelvin"


def labelled(algorithm: str, proof: bytes, kid: str = "Kelvin"):
    """A header that names an algorithm, and these bytes as signature."""
    return lambda i: f"{signing_input({'alg': algorithm, 'kid': kid}, i.claims(SUBJECT))}.{encode(proof)}"


def by(algorithm: str, key: str, called: str | None = None, kid: str | None = None):
    """Signed by one of the issuer's keys, under another algorithm or the name of another key."""

    def make(i: Issuer) -> str:
        text = signing_input({"alg": called or algorithm, "kid": kid or key}, i.claims(SUBJECT))
        return f"{text}.{encode(signature_over(text.encode(), algorithm, i.keys[key]))}"

    return make


def in_der(i: Issuer) -> str:
    """ES256 with the signature as X.509 has it."""
    text = signing_input({"alg": "ES256", "kid": "Kelvin"}, i.claims(SUBJECT))
    proof = signature_over(text.encode(), "ES256", i.keys["Kelvin"])
    r, s = (b"\x02\x21\x00" + half for half in (proof[:32], proof[32:]))
    return f"{text}.{encode(b'0' + bytes([len(r + s)]) + r + s)}"


def keyed(secret):
    return lambda i: signed_hs256(secret(i), {"alg": "HS256", "kid": "Kelvin"}, i.claims(SUBJECT))


def claiming(**changes):
    """Values may be made from the issuer."""

    def make(i: Issuer) -> str:
        made = {name: value(i) if callable(value) else value for name, value in changes.items()}
        return i.token(**{"subject": SUBJECT, **made})

    return make


def written(form: str):
    return unicodedata.normalize(form, SUBJECT)


def as_text(i: Issuer) -> str:
    """Good claims."""
    return json.dumps(i.claims(SUBJECT))


def with_header(i: Issuer, header: str, encoding: str = "utf-8") -> str:
    text = f"{encode(header.encode(encoding))}.{encode(as_text(i).encode())}"
    return f"{text}.{encode(signature_over(text.encode(), 'RS256', i.keys['key-1']))}"


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

FEDERATED = {
    # Algorithms and signatures
    "HS256-by-the-public-key-of-a-curve": (keyed(lambda i: pem_of(i.keys["Kelvin"].public_key())), ALGORITHM),
    "HS256-by-the-point": (keyed(lambda i: public_jwk(i.keys["Kelvin"], "")["x"].encode()), ALGORITHM),
    "ES256-of-the-order": (labelled("ES256", ORDER.to_bytes(32, "big") * 2), PROOF),
    "ES256-of-ones": (labelled("ES256", (1).to_bytes(32, "big") * 2), PROOF),
    "ES256-r-zero": (labelled("ES256", bytes(32) + (1).to_bytes(32, "big")), PROOF),
    "ES256-empty": (labelled("ES256", b""), PROOF),
    "ES256-of-63-bytes": (labelled("ES256", bytes(63)), PROOF),
    "ES256-of-96-bytes": (labelled("ES256", bytes(96)), PROOF),
    "ES256-in-DER": (in_der, PROOF),
    "ES256-for-a-key-of-P-384": (by("ES256", "Kelvin", kid="p384"), PROOF),
    "ES384-called-ES256": (by("ES384", "p384", called="ES256"), PROOF),
    "ES384-by-a-key-of-P-256": (by("ES384", "Kelvin"), PROOF),
    "RS256-for-a-key-of-a-curve": (by("RS256", "key-1", kid="Kelvin"), PROOF),
    "ES256-for-a-key-of-RSA": (by("ES256", "Kelvin", kid="key-1"), PROOF),
    "PS512": (by("PS512", "key-1"), ALGORITHM),
    "alg-with-nul": (by("RS256", "key-1", called="RS256\0"), ALGORITHM),
    "crit-null": (lambda i: with_header(i, '{"alg":"RS256","kid":"key-1","crit":null}'), ALGORITHM),
    "padding": (lambda i: i.token(SUBJECT) + "==", MALFORMED),
    "header-UTF-16": (lambda i: with_header(i, '{"alg":"RS256","kid":"key-1"}', "utf-16-le"), MALFORMED),
    "claims-UTF-16": (lambda i: i.sign(as_text(i).encode("utf-16-le")), MALFORMED),
    "claims-UTF-16-sub-twice": (lambda i: i.sign(
        f'{as_text(i)[:-1]},"a\u2230":0,"sub":"another","b\u2230":0}}'.encode("utf-16-le")), MALFORMED),
    "claims-not-UTF-8": (lambda i: i.sign(as_text(i).encode()[:-1] + b',"a":"\xff"}'), MALFORMED),
    "claims-with-leading-zero": (lambda i: i.sign(as_text(i).encode()[:-1] + b',"a":01}'), MALFORMED),
    "claims-with-words-behind": (lambda i: i.sign(as_text(i).encode() + b" x"), MALFORMED),
    # Names that are not the same to the letter (RFC 7519 §2)
    "kid-with-the-sign-of-Kelvin": (by("ES256", "Kelvin", kid="\u212aelvin"), PROOF),
    "sub-with-the-sign-of-Kelvin": (claiming(subject=SUBJECT.replace("K", "\u212a")), NO_RECORD),
    "sub-with-letters-taken-apart": (claiming(subject=written("NFD")), NO_RECORD),
    "sub-with-zero-width-space": (claiming(subject=SUBJECT + "\u200b"), NO_RECORD),
    "sub-with-nul": (claiming(subject=SUBJECT + "\0"), NO_RECORD),
    "sub-with-another-script": (claiming(subject=SUBJECT.replace("a", "а")), NO_RECORD),
    "sub-in-full-width": (claiming(subject=SUBJECT.replace("system", "ｓｙｓｔｅｍ")), NO_RECORD),
    "iss-with-the-sign-of-Kelvin": (claiming(iss=lambda i: i.url.replace("K", "\u212a")), ISSUER),
    "iss-with-port-twice": (claiming(iss=lambda i: i.url.replace("/main", ":443/main")), ISSUER),
    "iss-with-user": (claiming(iss=lambda i: i.url.replace("https://", "https://a@")), ISSUER),
    "iss-by-way-of-another": (claiming(iss=lambda i: i.url.replace("/main", "/other/../main")), ISSUER),
    "iss-in-percent": (claiming(iss=lambda i: i.url.replace("/main", "/%6dain")), ISSUER),
    "iss-with-fragment": (claiming(iss=lambda i: i.url + "#a"), ISSUER),
    "iss-with-nul": (claiming(iss=lambda i: i.url + "\0"), ISSUER),
    "aud-list-in-a-list": (claiming(aud=[[USUAL_AUDIENCE]]), MALFORMED),
    "aud-list-with-null": (claiming(aud=[None, USUAL_AUDIENCE]), MALFORMED),
    "aud-with-the-sign-of-Kelvin": (claiming(subject=OTHER_SUBJECT, aud=OTHER_AUDIENCE.replace("K", "\u212a")), AUDIENCE),
    "aud-of-another-subject": (claiming(aud=OTHER_AUDIENCE), AUDIENCE),
    "aud-with-space": (claiming(aud=f"{USUAL_AUDIENCE} "), AUDIENCE),
    "aud-joined": (claiming(aud=f"{USUAL_AUDIENCE} https://elsewhere.example"), AUDIENCE),
    "aud-the-token-endpoint": (claiming(aud="https://login.localhost/oauth2/v2.0/token"), AUDIENCE),
}
