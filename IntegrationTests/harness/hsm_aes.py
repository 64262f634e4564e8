"""AES as an independent library computes it."""

import hashlib
import hmac

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

SIZES = (128, 192, 256)
GCM = [f"A{size}GCM" for size in SIZES]
CBC = [f"A{size}CBC" for size in SIZES]
CBC_PAD = [f"A{size}CBCPAD" for size in SIZES]
KW = [f"A{size}KW" for size in SIZES]


def size_of(algorithm: str) -> int:
    return int(algorithm[1:4])


def gcm_seal(key: bytes, iv: bytes, plain: bytes, aad: bytes | None = None) -> tuple[bytes, bytes]:
    """Ciphertext and tag."""
    sealed = AESGCM(key).encrypt(iv, plain, aad)
    return sealed[:-16], sealed[-16:]


def gcm_open(key: bytes, iv: bytes, sealed: bytes, tag: bytes, aad: bytes | None = None) -> bytes:
    return AESGCM(key).decrypt(iv, sealed + tag, aad)


def cbc_seal(key: bytes, iv: bytes, plain: bytes) -> bytes:
    machine = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return machine.update(plain) + machine.finalize()


def cbc_open(key: bytes, iv: bytes, sealed: bytes) -> bytes:
    machine = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return machine.update(sealed) + machine.finalize()


def pad(plain: bytes) -> bytes:
    machine = PKCS7(128).padder()
    return machine.update(plain) + machine.finalize()


def unpad(plain: bytes) -> bytes:
    machine = PKCS7(128).unpadder()
    return machine.update(plain) + machine.finalize()


def wrap(algorithm: str, key: bytes, target: bytes) -> bytes:
    if algorithm == "CKM_AES_KEY_WRAP_PAD":
        return keywrap.aes_key_wrap_with_padding(key, target)
    return keywrap.aes_key_wrap(key, target)


def unwrap(algorithm: str, key: bytes, wrapped: bytes) -> bytes:
    if algorithm == "CKM_AES_KEY_WRAP_PAD":
        return keywrap.aes_key_unwrap_with_padding(key, wrapped)
    return keywrap.aes_key_unwrap(key, wrapped)


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()
