"""Authorities of a vault over the wire, and what anyone can ask of them without a token."""

import base64
import subprocess
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from requests import Response

from .certificates_wire import Certificates
from .keys_wire import done

ROOT = {
    "key_props": {"kty": "EC", "crv": "P-384", "exportable": False},
    "secret_props": {"contentType": "application/x-pem-file"},
    "x509_props": {
        "subject": "CN=Test Root,O=Test",
        "ekus": [],
        "key_usage": ["keyCertSign", "cRLSign"],
        "validity_months": 120,
        "basic_constraints": {"ca": True},
    },
    "issuer": {"name": "Self"},
    "lifetime_actions": [],
}


def root_policy(key: dict | None = None, **constraints) -> dict:
    props = {**ROOT["x509_props"], "basic_constraints": {"ca": True, **constraints}}
    return {**ROOT, "key_props": key or ROOT["key_props"], "x509_props": props}


def request_for(*names: str, key=None, subject: str = "", extensions=()) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    """A key and a certification request (PEM) for these DNS names."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, subject or names[0])]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return key, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def private_pem(key) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def chain_of(bundle: dict) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(base64.b64decode(each)) for each in bundle["x5c"]]


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def openssl(*arguments: str | Path, exit_code: int | None = 0) -> str:
    result = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    if exit_code is not None:
        assert result.returncode == exit_code, result.stdout + result.stderr
    return result.stdout + result.stderr


def public(method: str, address: str, **options) -> Response:
    """A call without TLS and without a token."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, address, timeout=30, allow_redirects=False, **options)


class Authorities:
    def __init__(self, certificates: Certificates):
        self.certificates = certificates
        self.wire = certificates.wire

    def make(self, name: str, policy: dict | None = None, **settings) -> dict:
        self.certificates.create(name, policy or root_policy())
        return self.establish(name, **settings)

    def ask_establish(self, name: str, **settings) -> Response:
        return self.wire.put(f"/certificates/{name}/authority", json=settings)

    def establish(self, name: str, **settings) -> dict:
        return done(self.ask_establish(name, **settings))

    def get(self, name: str) -> dict:
        return done(self.wire.get(f"/certificates/{name}/authority"))

    def ask_issue(self, name: str, csr: bytes | str, **members) -> Response:
        text = csr.decode() if isinstance(csr, bytes) else csr
        return self.wire.post(f"/certificates/{name}/authority/issue", json={"csr": text, **members})

    def issue(self, name: str, csr: bytes | str, **members) -> dict:
        answer = self.ask_issue(name, csr, **members)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def ask_revoke(self, name: str, serial: str, reason: str = "keyCompromise") -> Response:
        return self.wire.post(f"/certificates/{name}/authority/revoke", json={"serial_number": serial, "reason": reason})

    def revoke(self, name: str, serial: str, reason: str = "keyCompromise") -> dict:
        return done(self.ask_revoke(name, serial, reason))

    def publish(self, name: str) -> dict:
        return done(self.wire.post(f"/certificates/{name}/authority/publish"))

    def issued(self, name: str) -> list[dict]:
        found, path = [], f"/certificates/{name}/authority/issued"
        while path:
            page = done(self.wire.get(path))
            found += page["value"]
            path = page["nextLink"]
        return found

    def issuer(self, name: str, account: str, provider: str = "OnPremiseCA") -> Response:
        return self.wire.put(f"/certificates/issuers/{name}", json={"provider": provider, "credentials": {"account_id": account}})
