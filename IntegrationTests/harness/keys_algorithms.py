"""The algorithms of the service, computed by an independent library."""

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

RSA_SIGNATURES = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
RSA_ENCRYPTIONS = ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"]
EC_SIGNATURES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "ES256K": "P-256K"}
AES = ["A128GCM", "A192GCM", "A256GCM", "A128CBC", "A192CBC", "A256CBC", "A128CBCPAD", "A192CBCPAD", "A256CBCPAD"]
AES_WRAPS = ["A128KW", "A192KW", "A256KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"]
HMACS = ["HS256", "HS384", "HS512"]

_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def hash_of(algorithm: str) -> hashes.HashAlgorithm:
    return _HASHES[algorithm[2:5]]


def digest_length(algorithm: str) -> int:
    return hash_of(algorithm).digest_size


def digest(algorithm: str, message: bytes = b"message") -> bytes:
    return hashlib.new(hash_of(algorithm).name, message).digest()


# RSA


def signature_padding(algorithm: str) -> padding.AsymmetricPadding:
    """PSS as RFC 7518 has it: the salt is as long as the digest."""
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hash_of(algorithm)), digest_length(algorithm))


def encryption_padding(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm == "RSA1_5":
        return padding.PKCS1v15()
    chosen = hashes.SHA256() if algorithm.endswith("256") else hashes.SHA1()
    return padding.OAEP(padding.MGF1(chosen), chosen, None)


def opens_as_pkcs1(private, sealed: bytes) -> bool:
    """Whether the block inside has the form of RFC 8017, 7.2.2: one of 400 that OAEP made has it by chance."""
    numbers = private.private_numbers()
    modulus = numbers.public_numbers.n
    length = (modulus.bit_length() + 7) // 8
    value = int.from_bytes(sealed, "big")
    if len(sealed) != length or value >= modulus:
        return False
    block = pow(value, numbers.d, modulus).to_bytes(length, "big")
    return block.startswith(b"\x00\x02") and block.find(b"\x00", 2) >= 10


def longest_plaintext(algorithm: str, modulus_length: int) -> int:
    return modulus_length - {"RSA1_5": 11, "RSA-OAEP": 42, "RSA-OAEP-256": 66}[algorithm]


# EC: signatures are r and s side by side


def raw(signature: bytes, length: int) -> bytes:
    return b"".join(part.to_bytes(length, "big") for part in decode_dss_signature(signature))


def der(signature: bytes) -> bytes:
    half = len(signature) // 2
    return encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


# Both


def sign(key, algorithm: str, hashed: bytes) -> bytes:
    prehashed = Prehashed(hash_of(algorithm))
    if algorithm.startswith("ES"):
        return raw(key.sign(hashed, ec.ECDSA(prehashed)), (key.key_size + 7) // 8)
    return key.sign(hashed, signature_padding(algorithm), prehashed)


def verifies(key, algorithm: str, hashed: bytes, signature: bytes) -> bool:
    prehashed = Prehashed(hash_of(algorithm))
    try:
        if algorithm.startswith("ES"):
            key.verify(der(signature), hashed, ec.ECDSA(prehashed))
        else:
            key.verify(signature, hashed, signature_padding(algorithm), prehashed)
    except InvalidSignature:
        return False
    return True
