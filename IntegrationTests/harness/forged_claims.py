"""Forged tokens by what they claim, and by what stands where the signature should."""

import json
import time

from .directory import NOBODY
from .forged_tokens import MALFORMED, SIGNATURE, Mint, Table, forger_key
from .tokens import decode, encode


def claims(**changes):
    """Signed by the forger under the genuine `kid`. Values may be made from the genuine ones; claims given as ... are left out."""

    def make(m: Mint) -> str:
        values = {name: value(m.claims) if callable(value) else value for name, value in changes.items()}
        return m.signed(claims={name: value for name, value in {**m.claims, **values}.items() if value is not ...})

    return make, SIGNATURE


def payload(change):
    """The same for claims that are no JSON object, or none that all readers take alike. The text is made from the genuine one."""
    return lambda m: m.signed(claims=change(json.dumps(m.claims)).encode("utf-8", "surrogateescape")), SIGNATURE


def later(seconds: float):
    return lambda genuine: time.time() + seconds


CLAIMS: Table = {
    # Times
    "exp-past": claims(exp=1),
    "exp-missing": claims(exp=...),
    "exp-null": claims(exp=None),
    "exp-zero": claims(exp=0),
    "exp-negative": claims(exp=-1),
    "exp-text": claims(exp=lambda genuine: str(genuine["exp"])),
    "exp-date": claims(exp="2099-01-01T00:00:00Z"),
    "exp-fraction": claims(exp=later(600)),
    "exp-exponent": claims(exp=4e9),
    "exp-beyond-64-bits": claims(exp=2**64),
    "exp-beyond-numbers": claims(exp=10**400),
    "exp-list": claims(exp=[4_000_000_000]),
    "exp-far": claims(exp=4_000_000_000),
    "nbf-future": claims(nbf=later(3_600)),
    "nbf-lowest": claims(nbf=-(2**63)),
    "nbf-text": claims(nbf="now"),
    "nbf-missing": claims(nbf=...),
    "iat-future": claims(iat=later(3_600)),
    "iat-text": claims(iat="now"),
    # Issuers
    "iss-missing": claims(iss=...),
    "iss-empty": claims(iss=""),
    "iss-list": claims(iss=lambda genuine: [genuine["iss"]]),
    "iss-without-slash": claims(iss=lambda genuine: genuine["iss"].rstrip("/")),
    "iss-two-slashes": claims(iss=lambda genuine: genuine["iss"] + "/"),
    "iss-of-version-2": claims(iss=lambda genuine: genuine["iss"] + "v2.0"),
    "iss-in-capitals": claims(iss=lambda genuine: genuine["iss"].upper()),
    "iss-by-http": claims(iss=lambda genuine: genuine["iss"].replace("https", "http")),
    "iss-another-tenant": claims(iss=lambda genuine: genuine["iss"].replace(genuine["tid"], NOBODY)),
    "iss-of-azure": claims(iss=lambda genuine: f"https://sts.windows.net/{genuine['tid']}/"),
    "iss-with-user": claims(iss=lambda genuine: genuine["iss"].replace("https://", "https://login@")),
    # Audiences
    "aud-missing": claims(aud=...),
    "aud-empty": claims(aud=""),
    "aud-list": claims(aud=lambda genuine: [genuine["aud"]]),
    "aud-list-of-all": claims(aud=["https://vault.azure.net", "https://managedhsm.azure.net", "https://management.azure.com"]),
    "aud-object": claims(aud=lambda genuine: {genuine["aud"]: True}),
    "aud-star": claims(aud="*"),
    "aud-of-azure-by-number": claims(aud="cfa8b339-82a2-471a-a3c9-0fc0be7a4093"),
    "aud-with-path": claims(aud=lambda genuine: genuine["aud"] + "/.default"),
    "aud-client": claims(aud=lambda genuine: genuine["appid"]),
    # Tenants and principals
    "tid-another": claims(tid=NOBODY),
    "tid-missing": claims(tid=...),
    "tid-common": claims(tid="common"),
    "tid-list": claims(tid=lambda genuine: [genuine["tid"]]),
    "oid-missing": claims(oid=...),
    "oid-unknown": claims(oid=NOBODY, sub=NOBODY),
    "oid-zero": claims(oid="00000000-0000-0000-0000-000000000000"),
    "oid-text": claims(oid="' OR 1=1 --"),
    "appid-unknown": claims(appid=NOBODY),
    "appid-missing": claims(appid=..., azp=NOBODY),
    "idtyp-user": claims(idtyp="user", upn="admin@example.com", scp="user_impersonation"),
    "idtyp-system": claims(idtyp="system"),
    "ver-2": claims(ver="2.0"),
    "generation-of-the-future": claims(strongroom_gen=2**62),
    "generation-missing": claims(strongroom_gen=...),
    "roles-and-groups": claims(roles=["Owner"], wids=["62e90394-69f5-4237-9190-012177145e10"], groups=[NOBODY]),
    "as-ID-token": claims(
        aud=lambda genuine: genuine["appid"], nonce="n", name="Owner", preferred_username="owner@example.com", ver="2.0"),
    "confirmation-of-a-key": claims(cnf={"jwk": {"kty": "oct", "k": "AAAA"}}),
    "of-continuous-access": claims(xms_cc=["cp1"], exp=later(86_400)),
    "no-claims": (lambda m: m.signed(claims={}), SIGNATURE),
    # JSON
    "claims-empty": payload(lambda text: ""),
    "claims-null": payload(lambda text: "null"),
    "claims-array": payload(lambda text: f"[{text}]"),
    "claims-text": payload(lambda text: json.dumps(text)),
    "claims-number": payload(lambda text: "1" * 400),
    "claims-NaN": payload(lambda text: text[:-1] + ',"exp":NaN}'),
    "claims-exp-twice": payload(lambda text: text[:-1] + ',"exp":4000000000}'),
    "claims-oid-twice": payload(lambda text: text[:-1] + f',"oid":"{NOBODY}"}}'),
    "claims-oid-twice-escaped": payload(lambda text: text[:-1] + f',"\\u006fid":"{NOBODY}"}}'),
    "claims-words-behind": payload(lambda text: text + "x"),
    "claims-twice": payload(lambda text: text + text),
    "claims-not-UTF-8": payload(lambda text: text[:-1] + ',"a":"\udcff"}'),
    "claims-deep": payload(lambda text: "[" * 8_000),
    "claims-of-many-members": payload(lambda text: text[:-1] + "".join(f',"a{number}":0' for number in range(900)) + "}"),
    "claims-binary": (lambda m: m.signed(claims=bytes(range(256)) * 8), SIGNATURE),
}


def integer(proof: bytes) -> int:
    return int.from_bytes(proof, "big")


def number(make):
    """A signature that is a number made from the genuine one and the modulus; longer than the modulus where it must be."""

    def proof(m: Mint) -> str:
        value = make(integer(decode(m.proof)), m.public.public_numbers().n)
        return m.parts(proof=encode(value.to_bytes(max(256, (value.bit_length() + 7) // 8), "big")))

    return proof, SIGNATURE


def proof(change):
    return lambda m: m.proven(change), SIGNATURE


def half_signed(m: Mint) -> str:
    """Signed by the forger: the claims alone."""
    return m.parts(proof=m.signed().split(".")[2])


SIGNATURES: Table = {
    "signature-empty": proof(lambda genuine: b""),
    "signature-of-one-byte": proof(lambda genuine: b"\0"),
    "signature-of-zeros": proof(lambda genuine: bytes(256)),
    "signature-of-ones": proof(lambda genuine: b"\xff" * 256),
    "signature-cut-at-the-end": proof(lambda genuine: genuine[:-1]),
    "signature-cut-at-the-beginning": proof(lambda genuine: genuine[1:]),
    "signature-halved": proof(lambda genuine: genuine[:128]),
    "signature-with-zero-behind": proof(lambda genuine: genuine + b"\0"),
    "signature-with-zero-before": proof(lambda genuine: b"\0" + genuine),
    "signature-doubled": proof(lambda genuine: genuine + genuine),
    "signature-very-long": proof(lambda genuine: genuine * 40),
    "signature-backwards": proof(lambda genuine: genuine[::-1]),
    "signature-first-bit": proof(lambda genuine: bytes([genuine[0] ^ 0x80]) + genuine[1:]),
    "signature-last-bit": proof(lambda genuine: genuine[:-1] + bytes([genuine[-1] ^ 1])),
    "signature-inverted": proof(lambda genuine: bytes(byte ^ 0xFF for byte in genuine)),
    "signature-in-DER": proof(lambda genuine: b"\x03\x82\x01\x01\x00" + genuine),
    "signature-one": number(lambda genuine, modulus: 1),
    "signature-modulus": number(lambda genuine, modulus: modulus),
    "signature-modulus-less-one": number(lambda genuine, modulus: modulus - 1),
    "signature-negated": number(lambda genuine, modulus: modulus - genuine),
    "signature-plus-modulus": number(lambda genuine, modulus: genuine + modulus),
    "signature-squared": number(lambda genuine, modulus: genuine * genuine % modulus),
    "signature-opened": number(lambda genuine, modulus: pow(genuine, 65_537, modulus)),
    "signature-of-the-second-token": (lambda m: m.parts(proof=m.second.split(".")[2]), SIGNATURE),
    "claims-of-the-second-token": (lambda m: m.parts(body=m.second.split(".")[1]), SIGNATURE),
    "signature-of-the-forger": (half_signed, SIGNATURE),
    "signature-by-another-key-of-the-forger": (lambda m: m.signed(key=forger_key(number=2)), SIGNATURE),
    "signature-as-text": (lambda m: m.parts(proof=encode(m.proof.encode())), SIGNATURE),
    "signature-of-foreign-letters": (lambda m: m.parts(proof="*" + m.proof[1:]), MALFORMED),
    "signature-the-word-null": (lambda m: m.parts(proof="null"), SIGNATURE),
    "claims-changed-in-a-bit": (lambda m: m.parts(body=encode(decode(m.body).replace(b'"ver":"1.0"', b'"ver":"1.1"'))), SIGNATURE),
    "claims-with-a-space": (lambda m: m.parts(body=encode(decode(m.body) + b" ")), SIGNATURE),
    "header-with-a-space": (lambda m: m.parts(head=encode(decode(m.head) + b" ")), SIGNATURE),
    "header-in-another-order": (lambda m: m.parts(head=encode(json.dumps(dict(reversed(m.header.items()))).encode())), SIGNATURE),
}
