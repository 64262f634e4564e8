"""Forged tokens by their form: parts, encodings, and headers that are no JSON object or more than one."""

import base64
import json

from .forged_tokens import KEY, MALFORMED, SIGNATURE, Mint, Table
from .tokens import decode, encode

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def general(m: Mint) -> dict:
    """JSON serialization (RFC 7515 §7.2.1)."""
    return {"payload": m.body, "signatures": [{"protected": m.head, "signature": m.proof}]}


def flattened(m: Mint) -> dict:
    """RFC 7515 §7.2.2."""
    return {"protected": m.head, "payload": m.body, "signature": m.proof}


def encrypted(m: Mint) -> str:
    """JWE compact serialization (RFC 7516 §7.1) with a direct key."""
    return ".".join([encode(b'{"alg":"dir","enc":"A256GCM"}'), "", encode(bytes(12)), m.body, encode(bytes(16))])


PARTS: Table = {
    "a-letter": (lambda m: "x", MALFORMED),
    "a-header": (lambda m: m.head, MALFORMED),
    "header-and-claims": (lambda m: f"{m.head}.{m.body}", MALFORMED),
    "claims-and-signature": (lambda m: f"{m.body}.{m.proof}", MALFORMED),
    "a-dot": (lambda m: ".", MALFORMED),
    "two-dots": (lambda m: "..", MALFORMED),
    "three-dots": (lambda m: "...", MALFORMED),
    "a-thousand-dots": (lambda m: "." * 1_000, MALFORMED),
    "dot-before": (lambda m: "." + m.genuine, MALFORMED),
    "dot-behind": (lambda m: m.genuine + ".", MALFORMED),
    "dot-doubled": (lambda m: m.genuine.replace(".", "..", 1), MALFORMED),
    "four-parts": (lambda m: f"{m.genuine}.{m.proof}", MALFORMED),
    "five-parts": (lambda m: f"{m.genuine}.{m.proof}.{m.proof}", MALFORMED),
    "six-parts": (lambda m: f"{m.genuine}.{m.genuine}", MALFORMED),
    "seven-parts": (lambda m: f"{m.genuine}.{m.genuine}.AAAA", MALFORMED),
    "JWE-compact": (encrypted, MALFORMED),
    "JWE-of-the-genuine": (lambda m: f"{m.head}..{encode(bytes(12))}.{m.body}.{m.proof}", MALFORMED),
    "JSON-serialization": (lambda m: json.dumps(general(m)), MALFORMED),
    "JSON-serialization-flattened": (lambda m: json.dumps(flattened(m)), MALFORMED),
    "JSON-serialization-encoded": (lambda m: encode(json.dumps(general(m)).encode()), MALFORMED),
    "claims-missing": (lambda m: m.parts(body=""), SIGNATURE),
    "header-missing": (lambda m: m.parts(head=""), MALFORMED),
    "header-for-claims": (lambda m: m.parts(body=m.head), SIGNATURE),
    "claims-for-header": (lambda m: m.parts(head=m.body), MALFORMED),
    "parts-backwards": (lambda m: f"{m.proof}.{m.body}.{m.head}", MALFORMED),
    "parts-joined-by-commas": (lambda m: m.genuine.replace(".", ","), MALFORMED),
    "parts-joined-by-colons": (lambda m: m.genuine.replace(".", ":"), MALFORMED),
    "parts-joined-by-full-stops-of-another-script": (lambda m: m.genuine.replace(".", "。"), MALFORMED),
    "dots-in-percent": (lambda m: m.genuine.replace(".", "%2E"), MALFORMED),
    "detached-claims": (lambda m: f"{m.head}..{m.proof}", SIGNATURE),
}


def last_bits(text: str) -> str:
    """The same bytes by other letters: bits that no byte has are set."""
    assert len(text) % 4, "no bits are left over"
    return text[:-1] + ALPHABET[ALPHABET.index(text[-1]) | 1]


def uneven(m: Mint) -> str:
    """A genuine header but for spaces, so long that bits are left over."""
    text = json.dumps(m.header).encode()
    return encode(text + b" " * (1 if len(text) % 3 == 0 else 0))


def swapped_letters(text: str) -> str:
    return text.replace("-", "+").replace("_", "/")


ENCODINGS: Table = {
    "padding-behind-the-signature": (lambda m: m.genuine + "=" * (-len(m.proof) % 4), MALFORMED),
    "padding-too-short": (lambda m: m.genuine + "=", MALFORMED),
    "padding-too-long": (lambda m: m.genuine + "===", MALFORMED),
    "padding-in-the-header": (lambda m: m.parts(head=uneven(m) + "=" * (-len(uneven(m)) % 4)), MALFORMED),
    "padding-in-every-part": (lambda m: ".".join(part + "=" * (-len(part) % 4 or 4) for part in m.genuine.split(".")), MALFORMED),
    "padding-in-percent": (lambda m: m.genuine + "%3D%3D", MALFORMED),
    "padding-alone": (lambda m: "=.=.=", MALFORMED),
    "standard-letters": (lambda m: m.parts(proof=swapped_letters("-_" + m.proof[2:])), MALFORMED),
    "standard-letters-in-the-header": (lambda m: m.parts(head=swapped_letters(encode(b'{"alg":"RS256","a":"~~~???>>>"}'))), MALFORMED),
    "letters-of-both-kinds": (lambda m: m.parts(proof="+-/_" + m.proof[4:]), MALFORMED),
    "unused-bits-of-the-signature": (lambda m: m.parts(proof=last_bits(m.proof)), MALFORMED),
    "unused-bits-of-the-header": (lambda m: m.parts(head=last_bits(uneven(m))), MALFORMED),
    "one-letter-more-than-bytes": (lambda m: m.parts(head=encode(json.dumps(m.header).encode().ljust(99)) + "A"), MALFORMED),
    "encoded-twice": (lambda m: ".".join(encode(part.encode()) for part in m.genuine.split(".")), MALFORMED),
    "encoded-as-a-whole": (lambda m: encode(m.genuine.encode()), MALFORMED),
    "hexadecimal": (lambda m: ".".join(decode(part).hex() for part in m.genuine.split(".")), MALFORMED),
    "base85": (lambda m: ".".join(base64.b85encode(decode(part)).decode() for part in m.genuine.split(".")), MALFORMED),
    "not-encoded": (lambda m: json.dumps(m.header) + "." + json.dumps(m.claims) + "." + m.proof, MALFORMED),
    "lower-case": (lambda m: m.genuine.lower(), MALFORMED),
    "upper-case": (lambda m: m.genuine.upper(), MALFORMED),
    "backwards": (lambda m: m.genuine[::-1], MALFORMED),
    "space-inside": (lambda m: m.genuine[:40] + " " + m.genuine[40:], MALFORMED),
    "tab-inside": (lambda m: m.genuine[:40] + "\t" + m.genuine[40:], MALFORMED),
    "space-beside-a-dot": (lambda m: m.genuine.replace(".", " . "), MALFORMED),
    "no-break-space-before": (lambda m: "\u00a0" + m.genuine, MALFORMED),
    "byte-order-mark-before": (lambda m: "\ufeff" + m.genuine, MALFORMED),
    "zero-width-space-inside": (lambda m: m.genuine[:40] + "\u200b" + m.genuine[40:], MALFORMED),
    "letters-of-another-script": (lambda m: m.genuine.replace("e", "е"), MALFORMED),
    "letters-beyond-ASCII": (lambda m: m.genuine + "é", MALFORMED),
    "quoted": (lambda m: f'"{m.genuine}"', MALFORMED),
    "in-angle-brackets": (lambda m: f"<{m.genuine}>", MALFORMED),
    "named": (lambda m: f'access_token="{m.genuine}"', MALFORMED),
    "scheme-twice": (lambda m: f"Bearer {m.genuine}", MALFORMED),
    "comma-behind": (lambda m: m.genuine + ",", MALFORMED),
    "semicolon-behind": (lambda m: m.genuine + ";", MALFORMED),
    "question-behind": (lambda m: m.genuine + "?a=b", MALFORMED),
    "two-with-a-space": (lambda m: f"{m.genuine} {m.genuine}", MALFORMED),
    "two-with-a-comma": (lambda m: f"{m.genuine},{m.genuine}", MALFORMED),
}

GOOD = '{"alg":"RS256","kid":"KID"}'


def raw(text: str | bytes):
    return lambda m: m.raw(text)


def widened(encoding: str):
    """The genuine header in another encoding than UTF-8."""
    return lambda m: m.parts(head=encode(json.dumps(m.header).encode(encoding)))


def desynchronised(between: str):
    """UTF-16 in which U+2230 holds the byte of a quotation mark: what stands between two of them looks like a string to a reader of
    bytes."""
    return lambda m: m.parts(head=encode(
        f'{{"a\u2230":0,{between}"b\u2230":0,"alg":"RS256","kid":"{m.kid}"}}'.encode("utf-16-le")))


HEADERS: Table = {
    "empty": (raw(""), MALFORMED),
    "a-space": (raw(" "), MALFORMED),
    "null": (raw("null"), MALFORMED),
    "true": (raw("true"), MALFORMED),
    "number": (raw("0"), MALFORMED),
    "text": (raw('"RS256"'), MALFORMED),
    "array": (raw("[]"), MALFORMED),
    "array-of-the-header": (raw(f"[{GOOD}]"), MALFORMED),
    "empty-object": (raw("{}"), MALFORMED),
    "not-closed": (raw(GOOD[:-1]), MALFORMED),
    "closed-twice": (raw(GOOD + "}"), MALFORMED),
    "two-objects": (raw(GOOD + GOOD), MALFORMED),
    "words-behind": (raw(GOOD + " x"), MALFORMED),
    "nul-behind": (raw(GOOD + "\0"), MALFORMED),
    "nul-before": (raw("\0" + GOOD), MALFORMED),
    "line-end-behind": (raw(GOOD + "\n"), SIGNATURE),
    "comma-behind-the-last": (raw('{"alg":"RS256","kid":"KID",}'), MALFORMED),
    "comma-before-the-first": (raw('{,"alg":"RS256","kid":"KID"}'), MALFORMED),
    "commas-missing": (raw('{"alg":"RS256" "kid":"KID"}'), MALFORMED),
    "comment": (raw('{"alg":"RS256",/* */"kid":"KID"}'), MALFORMED),
    "names-without-quotes": (raw('{alg:"RS256",kid:"KID"}'), MALFORMED),
    "single-quotes": (raw("{'alg':'RS256','kid':'KID'}"), MALFORMED),
    "not-a-number": (raw('{"alg":"RS256","kid":"KID","a":NaN}'), MALFORMED),
    "infinity": (raw('{"alg":"RS256","kid":"KID","a":-Infinity}'), MALFORMED),
    "hexadecimal-number": (raw('{"alg":"RS256","kid":"KID","a":0x10}'), MALFORMED),
    "number-with-leading-zero": (raw('{"alg":"RS256","kid":"KID","a":01}'), MALFORMED),
    "number-without-digits": (raw('{"alg":"RS256","kid":"KID","a":-}'), MALFORMED),
    "huge-number": (raw('{"alg":"RS256","kid":"KID","a":1e999999}'), SIGNATURE),
    "number-of-many-digits": (raw('{"alg":"RS256","kid":"KID","a":' + "9" * 5_000 + "}"), SIGNATURE),
    "control-byte-in-text": (raw('{"alg":"RS256","kid":"KID","a":"\t"}'), MALFORMED),
    "unknown-escape": (raw('{"alg":"RS256","kid":"KID","a":"\\x"}'), MALFORMED),
    "not-UTF-8": (raw(b'{"alg":"RS256","kid":"KID","a":"\xff"}'), MALFORMED),
    "overlong-UTF-8": (raw(b'{"alg":"RS256","kid":"KID","a":"\xc0\xaf"}'), MALFORMED),
    "not-UTF-8-in-the-kid": (raw(b'{"alg":"RS256","kid":"KID\xff"}'), (MALFORMED, KEY)),
    "alg-twice": (raw('{"alg":"RS256","alg":"none","kid":"KID"}'), MALFORMED),
    "alg-twice-the-same": (raw('{"alg":"RS256","alg":"RS256","kid":"KID"}'), MALFORMED),
    "alg-twice-escaped": (raw('{"alg":"none","\\u0061lg":"RS256","kid":"KID"}'), MALFORMED),
    "kid-twice": (raw('{"alg":"RS256","kid":"KID","kid":"other"}'), MALFORMED),
    "unknown-member-twice": (raw('{"alg":"RS256","kid":"KID","a":1,"a":2}'), MALFORMED),
    "member-twice-deeper": (raw('{"alg":"RS256","kid":"KID","a":{"b":1,"b":2}}'), MALFORMED),
    "names-in-capitals": (raw('{"ALG":"RS256","KID":"KID"}'), MALFORMED),
    "name-with-nul": (raw('{"alg\\u0000":"RS256","kid":"KID"}'), MALFORMED),
    "deep-arrays": (raw('{"alg":"RS256","a":' + "[" * 3_000 + "]" * 3_000 + "}"), MALFORMED),
    "deep-arrays-never-closed": (raw("[" * 9_000), MALFORMED),
    "deep-objects": (raw('{"alg":"RS256","kid":"KID","a":' + '{"a":' * 1_000 + "1" + "}" * 1_000 + "}"), MALFORMED),
    "text-never-closed": (raw('{"alg":"RS256","kid":"' + "a" * 9_000), MALFORMED),
    "escape-never-ended": (raw('{"alg":"RS256","kid":"\\'), MALFORMED),
    "UTF-16": (widened("utf-16"), MALFORMED),
    "UTF-16-little": (widened("utf-16-le"), MALFORMED),
    "UTF-16-big": (widened("utf-16-be"), MALFORMED),
    "UTF-32-little": (widened("utf-32-le"), MALFORMED),
    "UTF-16-alg-twice": (desynchronised('"alg":"none",'), MALFORMED),
    "UTF-16-deep": (desynchronised('"c":' + "[" * 500 + "]" * 500 + ","), MALFORMED),
    "UTF-16-many": (desynchronised('"c":[' + ",".join("1" * 1_000) + "],"), MALFORMED),
    "XML": (raw("<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"), MALFORMED),
    "YAML": (raw("alg: RS256\nkid: KID\n"), MALFORMED),
}
