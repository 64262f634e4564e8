"""JSON Web Tokens by hand, so that wrong ones can be made."""

import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(token: str) -> dict:
    return json.loads(decode(token.split(".")[0]))


def claims_of(token: str) -> dict:
    return json.loads(decode(token.split(".")[1]))


def signing_input(header: dict, claims: dict | bytes) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return f"{encode(json.dumps(header).encode())}.{encode(payload)}"


def signed_rs256(key: rsa.RSAPrivateKey, header: dict, claims: dict | bytes) -> str:
    text = signing_input(header, claims)
    return f"{text}.{encode(key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def signed_hs256(secret: bytes, header: dict, claims: dict) -> str:
    text = signing_input(header, claims)
    return f"{text}.{encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def public_key_of(jwk: dict) -> rsa.RSAPublicKey:
    exponent, modulus = (int.from_bytes(decode(jwk[member]), "big") for member in ("e", "n"))
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def pem_of(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def jwk_of(key: rsa.RSAPublicKey, kid: str) -> dict:
    numbers = key.public_numbers()
    length = (key.key_size + 7) // 8
    return {
        "kty": "RSA",
        "use": "sig",
        "kid": kid,
        "n": encode(numbers.n.to_bytes(length, "big")),
        "e": encode(numbers.e.to_bytes(3, "big")),
    }
