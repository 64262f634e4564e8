"""Bring your own key: a key wrapped for transfer, made with tools that know nothing of the server."""

import json
import os
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from .hsm_kinds import software_form
from .keys_jwk import public_key
from .tokens import encode

WRAP = "CKM_RSA_AES_KEY_WRAP"
Target = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | bytes


def plain_bytes(target: Target) -> bytes:
    """PKCS#8 of a private key; a symmetric key as it is."""
    if isinstance(target, bytes):
        return target
    return target.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def wrapped_for(exchange: rsa.RSAPublicKey, target: Target, hash_: hashes.HashAlgorithm | None = None) -> bytes:
    """RSA-OAEP of a fresh AES-256 key, and behind it the target under that key by AES key wrap with padding."""
    hash_ = hash_ or hashes.SHA1()
    ephemeral = os.urandom(32)
    head = exchange.encrypt(ephemeral, padding.OAEP(padding.MGF1(hash_), hash_, None))
    return head + keywrap.aes_key_wrap_with_padding(ephemeral, plain_bytes(target))


def wrapped_by_openssl(exchange: rsa.RSAPublicKey, target: Target, folder: Path) -> bytes:
    """The same by the openssl command line."""
    ephemeral = os.urandom(32)
    (folder / "exchange.pem").write_bytes(
        exchange.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    (folder / "ephemeral").write_bytes(ephemeral)
    (folder / "target").write_bytes(plain_bytes(target))
    oaep = ["-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:sha1", "-pkeyopt", "rsa_mgf1_md:sha1"]
    _openssl(folder, "pkeyutl", "-encrypt", "-pubin", "-inkey", "exchange.pem", *oaep, "-in", "ephemeral", "-out", "head")
    # The iv is that of RFC 5649; the command wants it said.
    key = ["-K", ephemeral.hex(), "-iv", "A65959A6"]
    _openssl(folder, "enc", "-e", "-id-aes256-wrap-pad", *key, "-in", "target", "-out", "tail")
    return (folder / "head").read_bytes() + (folder / "tail").read_bytes()


def _openssl(folder: Path, *arguments: str) -> None:
    result = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr


def exchange_key(bundle: dict) -> rsa.RSAPublicKey:
    return public_key(software_form(bundle))


def document(kid: str, ciphertext: bytes, changes: dict | None = None) -> dict:
    """What `key_hsm` carries; `changes` go into the header when it has such a member, else into the document."""
    changes = changes or {}
    header = {"kid": kid, "alg": "dir", "enc": WRAP}
    header.update({member: value for member, value in changes.items() if member in header})
    outer = {"schema_version": "1.0.0", "header": header, "ciphertext": encode(ciphertext), "generator": "test; 1.0"}
    return {**outer, **{member: value for member, value in changes.items() if member not in header}}


def body(kty: str, blob: dict | bytes | str, **members) -> dict:
    """The body of an import. A blob that is a dictionary is written as JSON; text is taken as it is."""
    raw = json.dumps(blob).encode() if isinstance(blob, dict) else blob
    return {"key": {"kty": kty, "key_hsm": raw if isinstance(raw, str) else encode(raw)}, **members}
