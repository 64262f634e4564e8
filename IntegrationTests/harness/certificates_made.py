"""Certificates as an independent library makes and reads them."""

import base64
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "P-256K": ec.SECP256K1}
PKCS12, PEM = "application/x-pkcs12", "application/x-pem-file"
_PEM = serialization.Encoding.PEM
_PKCS8 = serialization.PrivateFormat.PKCS8


def common(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def base64_of(certificate: x509.Certificate) -> str:
    return base64.b64encode(der(certificate)).decode()


def public_der(holder) -> bytes:
    """The public key of a private key, a certificate or a request."""
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def certificate_of(bundle: dict) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(bundle["cer"], validate=True))


def request_of(pending: dict) -> x509.CertificateSigningRequest:
    return x509.load_der_x509_csr(base64.b64decode(pending["csr"], validate=True))


class Authority:
    """A root that signs what it is given."""

    def __init__(self, name: str = "Test Authority"):
        self.key = new_key()
        self.certificate = self.issue(self.key.public_key(), common(name), common(name), authority=True)
        self._name = name

    def issue(self, public, subject: x509.Name, issuer: x509.Name | None = None, authority: bool = False, days: int = 30):
        now = datetime.now(timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def answer(self, request: x509.CertificateSigningRequest, **options) -> x509.Certificate:
        return self.issue(request.public_key(), request.subject, **options)


def self_signed(name: str = "leaf", key=None, days: int = 30, authority: bool = False) -> tuple:
    """A key and its certificate."""
    own = key or new_key()
    now = datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(common(name))
        .issuer_name(common(name))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
    )
    if authority:
        signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(x509.BasicConstraints(True, None), True).add_extension(signs, True)
    return own, builder.sign(own, None if isinstance(own, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def pem_of_key(key) -> str:
    return key.private_bytes(_PEM, _PKCS8, serialization.NoEncryption()).decode()


def pem(key, *certificates: x509.Certificate) -> str:
    return pem_of_key(key) + "".join(made.public_bytes(_PEM).decode() for made in certificates)


def pfx(key, certificate: x509.Certificate, password: str = "", chain: tuple = ()) -> bytes:
    protection = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"made", key, certificate, list(chain), protection)
