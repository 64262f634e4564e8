"""Lists and status answers as an independent library makes them, and a place where they are had without TLS."""

import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from .authorities_wire import der_of
from .certificates_made import Authority, common, new_key


class Published:
    """Documents on a port of loopback. One that is not there is answered with 404."""

    def __init__(self):
        documents = self.documents = {}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = documents.get(self.path.lstrip("/"))
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            do_POST = do_GET

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self, name: str) -> x509.UniformResourceIdentifier:
        return x509.UniformResourceIdentifier(f"http://127.0.0.1:{self._server.server_port}/{name}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def signed_by(authority: Authority, extension: x509.ExtensionType) -> tuple:
    """A key and a certificate from an authority, with an extension."""
    key, now = new_key(), datetime.now(timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(common("www.example.com"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(extension, critical=False)
    )
    return key, builder.sign(authority.key, hashes.SHA256())


def list_by(
    authority: Authority,
    *serials: int,
    begun: int = -1,
    days: int = 7,
    signer: Authority | None = None,
    critical: x509.ExtensionType | None = None,
) -> bytes:
    """A revocation list with these serial numbers; `begun` and `days` are its times, counted from today."""
    now = datetime.now(timezone.utc)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(now + timedelta(days=begun)).next_update(now + timedelta(days=days))
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(days=1)).build()
        builder = builder.add_revoked_certificate(entry)
    if critical:
        builder = builder.add_extension(critical, critical=True)
    return der_of(builder.sign((signer or authority).key, hashes.SHA256()))


def covering(**parts: bool) -> x509.IssuingDistributionPoint:
    """What says that a list covers some certificates only."""
    named = {"only_contains_user_certs": False, "only_contains_ca_certs": False, "indirect_crl": False} | parts
    return x509.IssuingDistributionPoint(None, None, only_some_reasons=None, only_contains_attribute_certs=False, **named)


def unheard_of() -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def answer_by(
    authority: Authority,
    leaf: x509.Certificate,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    begun: int = -1,
    days: int = 7,
    responder: tuple | None = None,
    about: x509.Certificate | None = None,
) -> bytes:
    """A status answer, from the authority or from who stands in for it."""
    now = datetime.now(timezone.utc)
    gone = now - timedelta(days=1) if status is ocsp.OCSPCertStatus.REVOKED else None
    key, certificate = responder or (authority.key, authority.certificate)
    times = (now + timedelta(days=begun), now + timedelta(days=days), gone, None)
    builder = ocsp.OCSPResponseBuilder().add_response(about or leaf, authority.certificate, hashes.SHA1(), status, *times)
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, certificate)
    if responder:
        builder = builder.certificates([certificate])
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def refusing(status: ocsp.OCSPResponseStatus) -> bytes:
    """An answer that tells why there is none."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(serialization.Encoding.DER)
