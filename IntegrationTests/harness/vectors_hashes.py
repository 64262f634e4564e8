"""Digests by the names the vectors use."""

import hashlib

from cryptography.hazmat.primitives import hashes

PRIMITIVES = {
    "SHA-1": hashes.SHA1(), "SHA-224": hashes.SHA224(), "SHA-256": hashes.SHA256(), "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
}  # fmt: skip
LENGTHS = {"SHA-256": 32, "SHA-384": 48, "SHA-512": 64}


def digest(name: str, message: bytes) -> bytes:
    return hashlib.new(name.replace("SHA2-", "SHA-").replace("SHA-512/", "SHA512_").replace("-", ""), message).digest()
