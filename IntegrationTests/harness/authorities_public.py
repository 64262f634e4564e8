"""What anyone may ask of an authority over plain HTTP, and the tools that read it."""

import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp

from .authorities_wire import pem_of
from .environment import clean_environment
from .http1 import Connection

OCSP_REQUEST = {"Content-Type": "application/ocsp-request"}


def fetch(url: str, method: str = "GET", **options) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=30, allow_redirects=False, **options)


def document(url: str) -> bytes:
    answer = fetch(url)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    return answer.content


def revocation_list(url: str) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(document(url))


def number_of(made: x509.CertificateRevocationList) -> int:
    return made.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def base_of(made: x509.CertificateRevocationList) -> int | None:
    """The number of the list that a delta changes; None for a full list."""
    try:
        return made.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
    except x509.ExtensionNotFound:
        return None


def reasons_of(made: x509.CertificateRevocationList) -> dict[int, str]:
    """Serial number to the reason, as RFC 5280 spells it."""

    def reason(entry: x509.RevokedCertificate) -> str:
        try:
            return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            return "unspecified"

    return {entry.serial_number: reason(entry) for entry in made}


def list_after(url: str, number: int, seconds: float = 30) -> x509.CertificateRevocationList:
    """The first list with a higher number: lists are made by a duty, a moment after what they tell."""
    until = time.monotonic() + seconds
    while True:
        made = revocation_list(url)
        if number_of(made) > number or time.monotonic() > until:
            assert number_of(made) > number, f"no list after number {number}"
            return made
        time.sleep(0.1)


def list_with(url: str, serial: int, present: bool = True, seconds: float = 30) -> x509.CertificateRevocationList:
    """The first list that has a serial number, or that no longer has it."""
    until = time.monotonic() + seconds
    while True:
        made = revocation_list(url)
        if (made.get_revoked_certificate_by_serial_number(serial) is not None) is present:
            return made
        assert time.monotonic() < until, f"the list {number_of(made)} does not tell of it"
        time.sleep(0.1)


# Status


def status_request(leaf: x509.Certificate, issuer: x509.Certificate, algorithm) -> bytes:
    made = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, algorithm).build()
    return made.public_bytes(serialization.Encoding.DER)


def ask_status(url: str, request: bytes) -> ocsp.OCSPResponse:
    answer = fetch(url, "POST", data=request, headers=OCSP_REQUEST)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/ocsp-response")
    return ocsp.load_der_ocsp_response(answer.content)


# Tools


def openssl(*arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=60, env=clean_environment())


def told(*arguments: str, data: bytes | None = None) -> str:
    """What `openssl` says when it succeeds."""
    result = openssl(*arguments, data=data)
    assert result.returncode == 0, (result.stdout + result.stderr).decode()
    return (result.stdout + result.stderr).decode()


def write_pem(path: Path, *made) -> str:
    path.write_text("".join(pem_of(each) for each in made))
    return str(path)


def verify_chain(folder: Path, leaf: x509.Certificate, chain: list[x509.Certificate], *options: str, strict: bool = True) -> str:
    """`openssl verify` with the last of the chain as what is trusted."""
    root, files = write_pem(folder / "root.pem", chain[-1]), []
    if chain[:-1]:
        files = ["-untrusted", write_pem(folder / "between.pem", *chain[:-1])]
    options = ("-x509_strict", *options) if strict else options
    return told("verify", "-CAfile", root, *files, *options, write_pem(folder / "leaf.pem", leaf))


class PlainConnection(Connection):
    """One connection without TLS to where an address leads, over IPv4 loopback."""

    def __init__(self, url: str, timeout: float = 30):
        self.host = urlsplit(url).netloc
        self.socket = socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=timeout)
        self.reader = self.socket.makefile("rb")


def path_of(url: str) -> str:
    return urlsplit(url).path
