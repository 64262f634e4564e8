"""Ciphertexts whose padding is wrong in one way each, made anew for every call, from the public key alone."""

import hashlib
import secrets


def nonzero(count):
    return bytes(secrets.randbelow(255) + 1 for _ in range(count))


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


class RSA:
    """A public key; `seal` is the bare operation on an encoding as long as the modulus (RFC 8017 §5.1.1)."""

    def __init__(self, n, e):
        self.n, self.e = int.from_bytes(n, "big"), int.from_bytes(e, "big")
        self.size = len(n)

    def seal(self, encoded):
        number = int.from_bytes(encoded, "big")
        assert len(encoded) == self.size and number < self.n
        return pow(number, self.e, self.n).to_bytes(self.size, "big")


def pkcs1(size):
    """What RSA1_5 refuses: encodings unlike 00 02, eight or more bytes that are not zero, 00, message (RFC 8017 §7.2.1)."""
    def around(start):
        return start + nonzero(size - 3 - 32) + b"\0" + nonzero(32)

    return {
        "first byte": lambda: around(b"\1\2"),
        "block type": lambda: around(b"\0\1"),
        "no separator": lambda: b"\0\2" + nonzero(size - 2),
        "short padding": lambda: b"\0\2" + nonzero(7) + b"\0" + nonzero(size - 10),
    }


def oaep(size, name):
    """What RSA-OAEP refuses: encodings unlike 00, masked seed, masked (hash of no label, zeros, 01, message) (§7.1.1)."""
    def digest(content):
        return hashlib.new(name, content).digest()

    width = len(digest(b""))

    def mask(seed, count):
        blocks = (digest(seed + number.to_bytes(4, "big")) for number in range(-(-count // width)))
        return b"".join(blocks)[:count]

    def encode(first=b"\0", label=b"", separator=b"\1", message=32):
        zeros = bytes(size - 2 * width - 2 - message)
        block = digest(label) + zeros + separator + (nonzero(message) if separator != b"\0" else bytes(message))
        seed = secrets.token_bytes(width)
        masked = xor(block, mask(seed, len(block)))
        return first + xor(seed, mask(masked, width)) + masked

    return {
        "first byte": lambda: encode(first=b"\1"),
        "label hash": lambda: encode(label=b"another label"),
        "no separator": lambda: encode(separator=b"\0"),
        "wrong separator": lambda: encode(separator=b"\2"),
    }


# The last block of what AES-CBC with PKCS #7 padding refuses (RFC 5652 §6.3).
PKCS7 = {
    "last byte 0": lambda: secrets.token_bytes(15) + b"\0",
    "last byte 17": lambda: secrets.token_bytes(15) + b"\x11",
    "middle byte": lambda: b"\x10" * 8 + secrets.choice([b"\x0f", b"\x11", b"\x00", b"\xff"]) + b"\x10" * 7,
    "last but one": lambda: secrets.token_bytes(14) + b"\3\2",
}
