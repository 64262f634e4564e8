"""What a reader of JWS and JWE does around the service (RFC 7515, RFC 7516, RFC 7518). The service does what needs the key."""

import base64
import hmac
import json
import re
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from .vectors_keys import CURVES, ec_public, number, oct_jwk
from .vectors_service import Service
from .vectors_tally import expect


class AgainstJOSE(Exception):
    """The reader refuses before it asks the service."""


class NotReachable(Exception):
    """The service offers nothing for it."""


class Refused(Exception):
    """The service, or the check of the content with what the service gave, refused."""


_SECRET_NEEDS_HSM = "symmetric keys are the HSM's alone"
_MEMBERS = {
    "RSA": ("n", "e", "d", "p", "q", "dp", "dq", "qi"),
    "EC": ("crv", "x", "y", "d"),
    "OKP": ("crv", "x", "d"),
    "oct": ("k",),
}


def strict(text: str) -> bytes:
    """base64url as RFC 7515 §2 has it: no padding, no other characters, no bits left over."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise AgainstJOSE("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as failure:
        raise AgainstJOSE("not base64url") from failure
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise AgainstJOSE("bits left over")
    return data


def compact(serialization, parts: int) -> list[str]:
    """The parts of a compact serialization."""
    pieces = serialization.split(".") if isinstance(serialization, str) else []
    if len(pieces) != parts:
        raise AgainstJOSE("not a compact serialization")
    return pieces


def header_of(text: str) -> dict:
    try:
        header = json.loads(strict(text))
    except ValueError as failure:
        raise AgainstJOSE("no header") from failure
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise AgainstJOSE("no header")
    return header


def members_of(jwk: dict) -> dict:
    """The key alone: no `alg`, `use`, `kid`."""
    if jwk["kty"] not in _MEMBERS:
        raise AgainstJOSE("no such key type")
    return {"kty": jwk["kty"], **{name: jwk[name] for name in _MEMBERS[jwk["kty"]] if name in jwk}}


def content_key(service: Service, jwk: dict, header: dict, encrypted: bytes) -> bytes:
    """Unwraps the content encryption key with the service."""
    alg = header["alg"]
    if alg in ("RSA-OAEP", "RSA-OAEP-256", "RSA1_5"):
        return _asked(service.imported(members_of(jwk)), "unwrapkey", alg=alg, value=encrypted)
    if match := re.fullmatch(r"(?:ECDH-ES\+)?(A(?:128|192|256)KW)", alg):
        if not service.in_hsm:
            raise NotReachable(_SECRET_NEEDS_HSM)
        wrapping = agreed_key(jwk, header) if alg.startswith("ECDH") else strict(jwk["k"])
        return _asked(service.imported(oct_jwk(wrapping)), "unwrapkey", alg=match[1], value=encrypted)
    if match := re.fullmatch(r"(A(?:128|192|256)GCM)KW", alg):
        if not service.in_hsm:
            raise NotReachable(_SECRET_NEEDS_HSM)
        key = service.imported(oct_jwk(strict(jwk["k"])))
        return _asked(key, "decrypt", alg=match[1], value=encrypted, iv=strict(header["iv"]), tag=strict(header["tag"]))
    if alg == "dir":
        return strict(jwk["k"])
    raise NotReachable(f"{alg} is not offered")


def _asked(key, operation: str, **members) -> bytes:
    answer = key.call(operation, **members)
    if answer.refused:
        raise Refused(operation)
    expect(answer.status == 200, f"{operation} {members['alg']}: got {answer}")
    return strict(answer.body["value"])


def agreed_key(jwk: dict, header: dict) -> bytes:
    """The key of ECDH-ES (RFC 7518 §4.6); the service does no key agreement."""
    epk, alg = header["epk"], header["alg"]
    private = ec.derive_private_key(number(jwk["d"]), CURVES[jwk["crv"]])
    try:
        expect(epk["crv"] == jwk["crv"], "another curve")
        secret = private.exchange(ec.ECDH(), ec_public(epk))
    except ValueError as failure:
        raise AgainstJOSE("not a point of the curve") from failure
    length = int(re.search(r"A(\d+)KW", alg)[1]) // 8

    def field(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    info = field(alg.encode()) + field(strict(header.get("apu", ""))) + field(strict(header.get("apv", "")))
    return ConcatKDFHash(hashes.SHA256(), length, info + (length * 8).to_bytes(4, "big")).derive(secret)


def content(service: Service, enc: str, cek: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes:
    """Decrypts the content: AES-GCM with the service where it takes the key, the rest here."""
    if match := re.fullmatch(r"A(128|192|256)GCM", enc):
        if len(cek) * 8 != int(match[1]):
            raise Refused("a content key of another size")
        if service.in_hsm:
            key = service.imported(oct_jwk(cek))
            return _asked(key, "decrypt", alg=enc, value=ciphertext, iv=iv, tag=tag, **({"aad": aad} if aad else {}))
        if len(tag) != 16 or len(iv) != 12:
            raise Refused("a tag or nonce of another size")
        try:
            return AESGCM(cek).decrypt(iv, ciphertext + tag, aad)
        except InvalidTag as failure:
            raise Refused("content") from failure
    match = re.fullmatch(r"A(128|192|256)CBC-HS(256|384|512)", enc)
    half = int(match[1]) // 8
    if len(cek) != 2 * half or len(iv) != 16:
        raise Refused("a content key or nonce of another size")
    text = aad + iv + ciphertext + (len(aad) * 8).to_bytes(8, "big")
    if not hmac.compare_digest(hmac.digest(cek[:half], text, f"sha{match[2]}")[:half], tag):
        raise Refused("content")
    decryptor = Cipher(algorithms.AES(cek[half:]), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(ciphertext) + decryptor.finalize()) + unpadder.finalize()


def opened(service: Service, jwk: dict, header: dict, parts: list[str], aad: bytes) -> bytes:
    """The plaintext of a JWE: encrypted key, nonce, ciphertext, tag."""
    encrypted, iv, ciphertext, tag = (strict(part) for part in parts)
    cek = content_key(service, jwk, header, encrypted)
    plaintext = content(service, header["enc"], cek, iv, ciphertext, tag, aad)
    return zlib.decompress(plaintext, -15) if header.get("zip") == "DEF" else plaintext
