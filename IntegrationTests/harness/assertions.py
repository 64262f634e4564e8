"""Client assertions (RFC 7523) as clients make them, and as forgers might."""

import base64
import datetime
import hashlib
import json
import time
import uuid
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: object
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def whole(self) -> bytes:
        """Key and certificate in one file, as the Azure clients take it."""
        private = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return private + self.pem

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def thumbprint(self) -> str:
        return hashlib.sha1(self.der).hexdigest().upper()


def identity(bits: int = 2_048, days: tuple[float, float] = (-1, 30), key=None) -> Identity:
    key = key or rsa.generate_private_key(65_537, bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=days[0])).not_valid_after(now + datetime.timedelta(days=days[1]))
        .sign(key, hashes.SHA256()))
    return Identity(key, certificate)


def elliptic() -> Identity:
    return identity(key=ec.generate_private_key(ec.SECP256R1()))


def claims_for(client: str, audience: str, **changes) -> dict:
    now = time.time()
    claims = {
        "iss": client, "sub": client, "aud": audience, "jti": str(uuid.uuid4()), "nbf": now, "iat": now, "exp": now + 600,
    }
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def assertion(who: Identity, claims: dict | bytes, algorithm: str = "RS256", signer=None, **header) -> str:
    """Header members given as None are left out."""
    first = {
        "alg": algorithm, "typ": "JWT",
        "x5t": encode(hashlib.sha1(who.der).digest()) if algorithm == "RS256" else None,
        "x5t#S256": encode(hashlib.sha256(who.der).digest()) if algorithm != "RS256" else None,
        **header,
    }
    first = {name: value for name, value in first.items() if value is not None}
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    text = f"{encode(json.dumps(first).encode())}.{encode(body)}"
    key = signer or who.key
    if algorithm == "PS256":
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    else:
        scheme = padding.PKCS1v15()
    return f"{text}.{encode(key.sign(text.encode(), scheme, hashes.SHA256()))}"
