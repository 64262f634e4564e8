"""The security domain of a managed HSM pool as the holders of its pieces and a client handle it, with `cryptography` and nothing of
the server: JWE with A256CBC-HS512 (RFC 7518 §5.2.5), SP 800-108 in counter mode, Shamir's sharing over GF(257)."""

import base64
import functools
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.kbkdf import KBKDFHMAC, CounterLocation, Mode
from cryptography.hazmat.primitives.padding import PKCS7
from requests import Response

from .certificates_made import base64_of, common, der
from .management_wire import LATEST, LOCATION, Arm
from .server import Server
from .tokens import decode, encode
from .wire import Wire

_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_PRIME = 257
DOWNLOAD, UPLOAD = "/securitydomain/download", "/securitydomain/upload"
NOT_ACTIVATED = "NotActivated"


class NotOpened(Exception):
    """What was given does not open it."""


# Holders


@dataclass(frozen=True)
class Holder:
    """Who holds a piece: an RSA key and a certificate of it."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def of(cls, key, name: str = "holder") -> "Holder":
        now = datetime.now(timezone.utc)
        builder = x509.CertificateBuilder().subject_name(common(name)).issuer_name(common(name)).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=365))
        return cls(key, builder.sign(key, hashes.SHA256()))

    @property
    def thumbprint(self) -> str:
        return encode(hashlib.sha256(der(self.certificate)).digest())

    @property
    def jwk(self) -> dict:
        """As `az` sends it."""
        return {
            "kty": "RSA", "alg": "RSA-OAEP-256", "key_ops": ["verify", "encrypt", "wrapKey"], "n": number(self.key, "n"),
            "e": number(self.key, "e"), "x5c": [base64_of(self.certificate)], "x5t#S256": self.thumbprint,
            "x5t": encode(hashlib.sha1(der(self.certificate)).digest()),
        }

    def save(self, folder: Path, name: str) -> tuple[str, str]:
        """The certificate and the private key as files, the second found by the name of the first."""
        certificate, key = folder / f"{name}.cer", folder / f"{name}.key"
        certificate.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        return str(certificate), str(key)


def number(key: rsa.RSAPrivateKey, member: str) -> str:
    """`n` or `e` of a key as a JSON Web Key has it."""
    value = getattr(key.public_key().public_numbers(), member)
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def make_holders(count: int, bits: int = 2048) -> list[Holder]:
    return [Holder.of(rsa.generate_private_key(65537, bits), f"holder {each}") for each in range(count)]


@functools.cache
def holders() -> tuple[Holder, ...]:
    """Twelve that every test may use."""
    return tuple(make_holders(12))


def bodies(chosen: Iterable[Holder]) -> list[dict]:
    return [each.jwk for each in chosen]


# JSON Web Encryption


def _tag(protected: str, iv: bytes, text: bytes, key: bytes) -> bytes:
    associated = protected.encode()
    return hmac.digest(key[:32], associated + iv + text + (8 * len(associated)).to_bytes(8, "big"), "sha512")[:32]


def _sealed(header: dict, encrypted_key: bytes, text: bytes, key: bytes) -> str:
    iv, protected, padder = os.urandom(16), encode(json.dumps(header).encode()), PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key[32:]), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    return ".".join([protected, *map(encode, (encrypted_key, iv, ciphertext, _tag(protected, iv, ciphertext, key)))])


def sealed_under(key: bytes, text: bytes, **header) -> str:
    return _sealed({"alg": "dir", "enc": "A256CBC-HS512", **header}, b"", text, key)


def sealed_for(public: rsa.RSAPublicKey, text: bytes, **header) -> str:
    key = os.urandom(64)
    return _sealed({"alg": "RSA-OAEP-256", "enc": "A256CBC-HS512", "kid": "not used", **header}, public.encrypt(key, _OAEP), text, key)


def jwe_header(compact: str) -> dict:
    return json.loads(decode(compact.split(".")[0]))


def opened_under(key: bytes, compact: str) -> bytes:
    protected, _, iv, text, tag = compact.split(".")
    if not hmac.compare_digest(_tag(protected, decode(iv), decode(text), key), decode(tag)):
        raise NotOpened
    decryptor, unpadder = Cipher(algorithms.AES(key[32:]), modes.CBC(decode(iv))).decryptor(), PKCS7(128).unpadder()
    return unpadder.update(decryptor.update(decode(text)) + decryptor.finalize()) + unpadder.finalize()


def opened_for(private: rsa.RSAPrivateKey, compact: str) -> bytes:
    try:
        key = private.decrypt(decode(compact.split(".")[1]), _OAEP)
    except ValueError as failure:
        raise NotOpened from failure
    return opened_under(key, compact)


def derived(master: bytes, label: str) -> bytes:
    """The 64 bytes that a label gives."""
    return KBKDFHMAC(hashes.SHA512(), Mode.CounterMode, 64, 4, 4, CounterLocation.BeforeFixed, label.encode(), b"", None).derive(master)


# The file


def combined(pieces: Sequence[bytes]) -> bytes:
    """What so many pieces give, be it the secret or, of too few, anything."""
    words = [[int.from_bytes(piece[at : at + 2], "little") for at in range(0, len(piece), 2)] for piece in pieces]
    secret = []
    for column in zip(*words, strict=True):
        points = [(word >> 9, word & 0x1FF) for word in column]
        total = 0
        for x, y in points:
            for other, _ in points:
                if other != x:
                    y = y * other * pow(other - x, -1, _PRIME)
            total += y
        secret.append(total % _PRIME)
    # Of too few pieces an element may come out that is no byte.
    return bytes(min(each, 255) for each in secret)


class DomainFile:
    """What was downloaded."""

    def __init__(self, text: str):
        self.text, self.told = text, json.loads(text)
        self.required = self.told["SharedKeys"]["required"]
        (self.datum,) = self.told["EncData"]["data"]
        self.tag = self.datum["tag"]

    def entries(self) -> list[tuple[str, str]]:
        """Of each piece: for whom, and what is encrypted."""
        return [(each["x5t_256"], each["enc_key"]) for each in self.told["SharedKeys"]["enc_shares"]]

    def piece(self, holder: Holder) -> bytes:
        return opened_for(holder.key, dict(self.entries())[holder.thumbprint])

    def plain_of(self, pieces: Sequence[bytes]) -> bytes:
        return opened_under(derived(combined(pieces), self.tag), self.datum["compact_jwe"])

    def plain(self, quorum: Iterable[Holder]) -> bytes:
        """The domain itself, as these holders put it together."""
        return self.plain_of([self.piece(each) for each in quorum])

    def restore(self, quorum: Iterable[Holder], transfer: dict, **changes) -> dict:
        return restore(self.plain(quorum), transfer, self.tag, **changes)


def transfer_certificate(transfer: dict) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(transfer["x5c"][0], validate=True))


def restore(
    plain: bytes, transfer: dict, tag: str, *, master: bytes | None = None, public: rsa.RSAPublicKey | None = None,
    key_header: dict | None = None, data_header: dict | None = None,
) -> dict:
    """What is uploaded: the domain under a new key, and that key for a transfer key. The rest makes what is wrong."""
    certificate = transfer_certificate(transfer)
    master = master or os.urandom(32)
    wrapped = sealed_for(public or certificate.public_key(), master, **(key_header or {}))
    datum = {"compact_jwe": sealed_under(derived(master, tag), plain, **{"kid": tag, **(data_header or {})}), "tag": tag}
    return {
        "EncData": {"data": [datum], "kdf": "sp108_kdf"},
        "WrappedKey": {"enc_key": wrapped, "x5t_256": encode(hashlib.sha256(der(certificate)).digest())},
    }


# Pools


class Domain:
    """The security domain of one pool, as one caller reaches it. `ask…` does not insist that it worked."""

    def __init__(self, wire: Wire):
        self.wire = wire

    def ask_download(self, certificates: list, required: object = 2, **members) -> Response:
        return self.wire.post(DOWNLOAD, json={"certificates": certificates, "required": required, **members})

    def download(self, chosen: Sequence[Holder], required: int = 2) -> DomainFile:
        answer = self.ask_download(bodies(chosen), required)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        assert set(answer.json()) == {"value"}, answer.text[:500]
        return DomainFile(answer.json()["value"])

    def ask_status(self, path: str) -> Response:
        """Of a download or an upload; as clients do, without an api-version."""
        return self.wire.get(f"{path}/pending", version=None)

    def is_downloaded(self) -> bool:
        return _is_success(self.ask_status(DOWNLOAD))

    def is_uploaded(self) -> bool:
        return _is_success(self.ask_status(UPLOAD))

    def ask_transfer_key(self) -> Response:
        return self.wire.get(UPLOAD)

    def transfer_key(self) -> dict:
        answer = self.ask_transfer_key()
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        assert set(answer.json()) == {"key_format", "transfer_key"} and answer.json()["key_format"] == "jwk"
        return json.loads(answer.json()["transfer_key"])

    def ask_upload(self, blob: dict | str) -> Response:
        return self.wire.post(UPLOAD, json={"value": blob if isinstance(blob, str) else json.dumps(blob)})

    def upload(self, blob: dict) -> None:
        answer = self.ask_upload(blob)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"


def _is_success(answer: Response) -> bool:
    """Whether it was done; otherwise nothing is there."""
    if answer.status_code == 404:
        return False
    assert (answer.status_code, answer.json()["status"]) == (200, "Success"), f"{answer.status_code} {answer.text}"
    return True


def pool_path(server: Server, pool: str) -> str:
    return f"{server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/{pool}"


def pool_told(server: Server, pool: str) -> dict:
    """The properties of a pool as it is managed."""
    answer = server.management().get(pool_path(server, pool), version=LATEST)
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()["properties"]


def activation(server: Server, pool: str) -> str:
    return pool_told(server, pool)["securityDomainProperties"]["activationStatus"]


def new_pool(server: Server, *administrators: str, name: str | None = None) -> str:
    """Makes a pool for the owner, or for these, and waits until it is provisioned; its name."""
    name, arm = name or f"p{uuid.uuid4().hex[:14]}", Arm.of(server)
    properties = {"tenantId": server.tenant, "initialAdminObjectIds": list(administrators) or [arm.object_id]}
    body = {"location": LOCATION, "sku": {"family": "B", "name": "Standard_B1"}, "properties": properties}
    answer = arm.wire.put(pool_path(server, name), version=LATEST, json=body)
    assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
    deadline = time.monotonic() + 30
    while (state := pool_told(server, name)["provisioningState"]) == "Provisioning" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert state == "Succeeded", pool_told(server, name)
    return name
