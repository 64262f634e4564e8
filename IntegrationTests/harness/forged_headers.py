"""Forged tokens by what their header says: algorithms, keys, and members that would change how a token is read."""

import hashlib
import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from .forged_tokens import ALGORITHM, KEY, MALFORMED, OWN_KEY, SIGNATURE, Mint, Table, forger_key
from .tokens import encode, jwk_of, pem_of, signing_input

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
SPKI, PKCS1 = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1


def unsigned(algorithm: object, **header):
    return lambda m: m.labelled("", alg=algorithm, **header)


def labelled(algorithm: object):
    return lambda m: m.labelled(alg=algorithm)


def without_algorithm(m: Mint) -> str:
    return f"{signing_input({'kid': m.kid, 'typ': 'JWT'}, m.claims)}.{m.proof}"


def edwards(m: Mint) -> str:
    text = signing_input({**m.header, "alg": "EdDSA"}, m.claims)
    return f"{text}.{encode(ed25519.Ed25519PrivateKey.generate().sign(text.encode()))}"


ALGORITHMS: Table = {
    # Unsigned
    "none": (unsigned("none"), ALGORITHM),
    "none-capitalised": (unsigned("None"), ALGORITHM),
    "none-in-capitals": (unsigned("NONE"), ALGORITHM),
    "none-mixed": (unsigned("nOnE"), ALGORITHM),
    "none-with-spaces": (unsigned(" none "), ALGORITHM),
    "none-with-nul": (unsigned("none\0"), ALGORITHM),
    "none-without-kid": (unsigned("none", kid=None), ALGORITHM),
    "none-with-the-genuine-signature": (labelled("none"), ALGORITHM),
    "RS256-unsigned": (unsigned("RS256"), SIGNATURE),
    # No algorithm, or not a name
    "no-algorithm": (without_algorithm, MALFORMED),
    "algorithm-empty": (labelled(""), ALGORITHM),
    "algorithm-null": (labelled(None), MALFORMED),
    "algorithm-list": (labelled(["RS256"]), MALFORMED),
    "algorithm-object": (labelled({"name": "RS256"}), MALFORMED),
    "algorithm-number": (labelled(256), MALFORMED),
    "algorithm-true": (labelled(True), MALFORMED),
    # Nearly the right name
    "rs256-lower-case": (labelled("rs256"), ALGORITHM),
    "Rs256-mixed": (labelled("Rs256"), ALGORITHM),
    "RS256-with-space": (labelled("RS256 "), ALGORITHM),
    "RS256-with-nul": (labelled("RS256\0"), ALGORITHM),
    "RS256-and-none": (labelled("RS256,none"), ALGORITHM),
    "RS256-full-width": (labelled("ＲＳ２５６"), ALGORITHM),
    "RS256-with-zero-width-space": (labelled("RS256\u200b"), ALGORITHM),
    "SHA256withRSA": (labelled("SHA256withRSA"), ALGORITHM),
    "RS1": (labelled("RS1"), ALGORITHM),
    "xmldsig": (labelled("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"), ALGORITHM),
    "very-long-algorithm": (labelled("RS256" * 400), ALGORITHM),
    # Other algorithms, the signature right for them
    "RS384": (lambda m: m.signed("RS384"), ALGORITHM),
    "RS512": (lambda m: m.signed("RS512"), ALGORITHM),
    "PS256": (lambda m: m.signed("PS256"), ALGORITHM),
    "PS384": (lambda m: m.signed("PS384"), ALGORITHM),
    "PS512": (lambda m: m.signed("PS512"), ALGORITHM),
    "ES256": (lambda m: m.signed("ES256"), ALGORITHM),
    "ES384": (lambda m: m.signed("ES384", forger_key("P-384")), ALGORITHM),
    "ES256-zeros": (lambda m: m.labelled(encode(bytes(64)), alg="ES256"), ALGORITHM),
    "ES256-zeros-in-DER": (lambda m: m.labelled(encode(bytes.fromhex("3006020100020100")), alg="ES256"), ALGORITHM),
    "ES256K": (labelled("ES256K"), ALGORITHM),
    "EdDSA": (edwards, ALGORITHM),
    # The public key as a secret
    "HS256-by-PEM": (lambda m: m.keyed(pem_of(m.public)), ALGORITHM),
    "HS256-by-PEM-without-last-line-end": (lambda m: m.keyed(pem_of(m.public).rstrip()), ALGORITHM),
    "HS256-by-PEM-of-PKCS1": (lambda m: m.keyed(m.public.public_bytes(PEM, PKCS1)), ALGORITHM),
    "HS256-by-DER": (lambda m: m.keyed(m.public.public_bytes(DER, SPKI)), ALGORITHM),
    "HS256-by-DER-of-PKCS1": (lambda m: m.keyed(m.public.public_bytes(DER, PKCS1)), ALGORITHM),
    "HS256-by-modulus": (lambda m: m.keyed(m.public.public_numbers().n.to_bytes(256, "big")), ALGORITHM),
    "HS256-by-modulus-text": (lambda m: m.keyed(m.published["n"].encode()), ALGORITHM),
    "HS256-by-JWK": (lambda m: m.keyed(json.dumps(m.published, separators=(",", ":")).encode()), ALGORITHM),
    "HS256-by-JWKS": (lambda m: m.keyed(json.dumps({"keys": [m.published]}).encode()), ALGORITHM),
    "HS256-by-kid": (lambda m: m.keyed(m.kid.encode()), ALGORITHM),
    "HS256-by-tenant": (lambda m: m.keyed(m.claims["tid"].encode()), ALGORITHM),
    "HS256-by-nothing": (lambda m: m.keyed(b""), ALGORITHM),
    "HS256-by-the-word-secret": (lambda m: m.keyed(b"secret"), ALGORITHM),
    "HS384-by-PEM": (lambda m: m.keyed(pem_of(m.public), "HS384"), ALGORITHM),
    "HS512-by-PEM": (lambda m: m.keyed(pem_of(m.public), "HS512"), ALGORITHM),
    # Algorithms of encryption
    "dir": (labelled("dir"), ALGORITHM),
    "RSA-OAEP-256": (lambda m: m.labelled(alg="RSA-OAEP-256", enc="A256GCM"), ALGORITHM),
    "PBES2-with-many-rounds": (lambda m: m.labelled(alg="PBES2-HS256+A128KW", p2c=2**31, p2s="AAAA"), ALGORITHM),
    # RS256 by name and something else in truth
    "RS256-by-another-key": (lambda m: m.signed(), SIGNATURE),
    "RS256-by-a-key-of-4096-bits": (lambda m: m.signed(key=forger_key(4_096)), SIGNATURE),
    "RS256-by-a-key-of-1024-bits": (lambda m: m.signed(key=forger_key(1_024)), SIGNATURE),
    "RS384-called-RS256": (lambda m: m.signed(by="RS384"), SIGNATURE),
    "PS256-called-RS256": (lambda m: m.signed(by="PS256"), SIGNATURE),
    "ES256-called-RS256": (lambda m: m.signed(by="ES256"), SIGNATURE),
    "HS256-called-RS256": (lambda m: m.labelled(m.keyed(pem_of(m.public)).split(".")[2]), SIGNATURE),
}


def kid(value: object):
    """Signed by the forger; None is left out."""
    return lambda m: m.signed(kid=value)


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


KEY_IDS: Table = {
    "kid-missing": (kid(None), KEY),
    "kid-null": (lambda m: m.labelled(kid=None), KEY),
    "kid-empty": (kid(""), KEY),
    "kid-unknown": (kid("unknown"), KEY),
    "kid-path": (kid("../../../../../../etc/passwd"), KEY),
    "kid-device": (kid("/dev/null"), KEY),
    "kid-file-address": (kid("file:///proc/self/environ"), KEY),
    "kid-web-address": (kid("https://localhost/keys/1"), KEY),
    "kid-store-key": (kid("identity/signing-keys"), KEY),
    "kid-SQL-union": (kid("x' UNION SELECT 'AAAA' --"), KEY),
    "kid-SQL-or": (kid("' OR '1'='1"), KEY),
    "kid-SQL-drop": (kid("'; DROP TABLE records; --"), KEY),
    "kid-shell": (kid("$(id)`id`|id"), KEY),
    "kid-lookup": (kid("${jndi:ldap://localhost/a}"), KEY),
    "kid-format": (kid("%s%n%@"), KEY),
    "kid-line-ends": (kid("a\r\nX-Injected: yes\r\n\r\n"), KEY),
    "kid-nul": (kid("\0"), KEY),
    "kid-emoji": (kid("🔑" * 10), KEY),
    "kid-very-long": (kid("k" * 8_000), KEY),
    "kid-genuine-with-nul": (lambda m: m.signed(kid=m.kid + "\0"), KEY),
    "kid-genuine-with-space": (lambda m: m.signed(kid=m.kid + " "), KEY),
    "kid-genuine-with-padding": (lambda m: m.signed(kid=m.kid + "="), KEY),
    "kid-genuine-swapped-case": (lambda m: m.signed(kid=m.kid.swapcase()), KEY),
    "kid-genuine-cut": (lambda m: m.signed(kid=m.kid[:-1]), KEY),
    "kid-genuine-twice": (lambda m: m.signed(kid=m.kid * 2), KEY),
    "kid-genuine-escaped": (lambda m: m.raw(f'{{"alg":"RS256","kid":"{escaped(m.kid)}"}}'), SIGNATURE),
    "kid-half-a-character": (lambda m: m.raw('{"alg":"RS256","kid":"\\ud800"}'), (MALFORMED, KEY)),
    "kid-number": (kid(0), MALFORMED),
    "kid-true": (kid(True), MALFORMED),
    "kid-list": (lambda m: m.signed(kid=[m.kid]), MALFORMED),
    "kid-object": (lambda m: m.signed(kid={"kid": m.kid}), MALFORMED),
    "thumbprint-in-place-of-kid": (lambda m: m.signed(kid=None, x5t=encode(hashlib.sha1(pem_of(m.public)).digest())), KEY),
}


def brought(m: Mint, **more) -> dict:
    """The forger's own public key, by the genuine `kid`."""
    return {**jwk_of(forger_key().public_key(), m.kid), **more}


def nested(m: Mint) -> str:
    return m.signed(cty="JWT", claims=m.genuine.encode())


def not_encoded(m: Mint) -> str:
    """RFC 7797: the payload as it is."""
    head = encode(json.dumps({**m.header, "b64": False}).encode())
    return f"{head}.{json.dumps(m.claims).replace('.', '')}.{m.proof}"


MEMBERS: Table = {
    "jwk": (lambda m: m.signed(jwk=brought(m)), OWN_KEY),
    "jwk-without-kid": (lambda m: m.signed(kid=None, jwk=brought(m)), OWN_KEY),
    "jwk-unknown-kid": (lambda m: m.signed(kid="mine", jwk=brought(m, kid="mine")), OWN_KEY),
    "jwk-symmetric": (lambda m: m.signed(jwk={"kty": "oct", "k": ""}), OWN_KEY),
    "jwk-genuine": (lambda m: m.signed(jwk=m.published), OWN_KEY),
    "jwk-exponent-one": (lambda m: m.signed(jwk=brought(m, e="AQ")), OWN_KEY),
    "jwk-empty": (lambda m: m.signed(jwk={}), OWN_KEY),
    "jwk-text": (lambda m: m.signed(jwk=json.dumps(brought(m))), OWN_KEY),
    "jku-elsewhere": (lambda m: m.signed(jku="https://localhost:1/keys"), OWN_KEY),
    "jku-genuine": (lambda m: m.signed(jku=m.jwks_url), OWN_KEY),
    "jku-genuine-with-user": (lambda m: m.signed(jku=m.jwks_url.replace("https://", "https://a@")), OWN_KEY),
    "jku-file": (lambda m: m.signed(jku="file:///etc/passwd"), OWN_KEY),
    "jku-empty": (lambda m: m.signed(jku=""), OWN_KEY),
    "jku-number": (lambda m: m.signed(jku=1), OWN_KEY),
    "x5u": (lambda m: m.signed(x5u="https://localhost:1/certificate"), OWN_KEY),
    "x5u-list": (lambda m: m.signed(x5u=["https://localhost:1/certificate"]), OWN_KEY),
    "x5c": (lambda m: m.signed(x5c=["MIIB"]), OWN_KEY),
    "x5c-empty": (lambda m: m.signed(x5c=[]), OWN_KEY),
    "x5c-text": (lambda m: m.signed(x5c="MIIB"), OWN_KEY),
    "x5t-of-another": (lambda m: m.signed(x5t="AAAAAAAAAAAAAAAAAAAAAAAAAAA"), SIGNATURE),
    "every-key-at-once": (lambda m: m.signed(jwk=brought(m), jku=m.jwks_url, x5u=m.jwks_url, x5c=["MIIB"]), OWN_KEY),
    "crit-b64": (lambda m: m.signed(crit=["b64"], b64=False), OWN_KEY),
    "crit-exp": (lambda m: m.signed(crit=["exp"], exp=1), OWN_KEY),
    "crit-unknown": (lambda m: m.signed(crit=["urn:example:unknown"]), OWN_KEY),
    "crit-empty": (lambda m: m.signed(crit=[]), OWN_KEY),
    "crit-text": (lambda m: m.signed(crit="b64"), OWN_KEY),
    "crit-false": (lambda m: m.signed(crit=False), OWN_KEY),
    "crit-null": (lambda m: m.labelled(crit=None), OWN_KEY),
    "crit-of-many": (lambda m: m.signed(crit=["a"] * 100), OWN_KEY),
    "b64-false": (lambda m: m.signed(b64=False), SIGNATURE),
    "b64-false-and-not-encoded": (not_encoded, MALFORMED),
    "cty-nested-token": (nested, SIGNATURE),
    "typ-nested-token": (lambda m: m.signed(typ="JWE", cty="JWT", claims=json.dumps(m.genuine).encode()), SIGNATURE),
    "typ-of-access-tokens": (lambda m: m.signed(typ="at+jwt"), SIGNATURE),
    "typ-of-logout": (lambda m: m.signed(typ="logout+jwt"), SIGNATURE),
    "typ-number": (lambda m: m.signed(typ=1), SIGNATURE),
    "zip": (lambda m: m.signed(zip="DEF"), SIGNATURE),
    "nonce": (lambda m: m.signed(nonce="AQABAAAAAAD"), SIGNATURE),
    "claims-in-the-header": (lambda m: m.signed(**{name: m.claims[name] for name in ("iss", "sub", "aud", "exp")}), SIGNATURE),
    "canary-in-the-header": (lambda m: m.labelled(canary=m.claims["canary"]), SIGNATURE),
    "as-many-members-as-may-be": (lambda m: m.signed(**{f"m{number}": 1 for number in range(120)}), SIGNATURE),
    "too-many-members": (lambda m: m.signed(**{f"m{number}": 1 for number in range(200)}), MALFORMED),
    "too-deep": (lambda m: m.signed(a=[[[[1]]]]), MALFORMED),
}
