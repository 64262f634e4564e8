"""An attestation authority of our own: it publishes its keys by HTTPS and signs statements about environments; and an environment."""

import http.server
import ipaddress
import json
import ssl
import threading
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from .certificates import CertificateAuthority
from .keys_jwk import new_rsa
from .tokens import decode, jwk_of, signed_rs256

ENVIRONMENT_KEY = "TestEnvironmentKey"
HASHES = {"CKM_RSA_AES_KEY_WRAP": hashes.SHA1(), "RSA_AES_KEY_WRAP_256": hashes.SHA256(), "RSA_AES_KEY_WRAP_384": hashes.SHA384()}


class _LoopbackCertificates(CertificateAuthority):
    def issue_for_loopback(self, certificate: Path, private_key: Path) -> None:
        """A certificate for the address 127.0.0.1, which an authority at a bare address needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
        made = (
            self._builder(x509.Name([]), key.public_key())
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private_key.touch(mode=0o600)
        private_key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))


class Environment:
    """What asks for a key: it has an RSA key, and its statement names it."""

    def __init__(self, size: int = 2048):
        self.key = new_rsa(size)

    def jwk(self, **changes) -> dict:
        shown = {**jwk_of(self.key.public_key(), ENVIRONMENT_KEY), "key_ops": ["encrypt"], **changes}
        shown.pop("use")
        return shown

    def unwrap(self, ciphertext: bytes, enc: str) -> bytes:
        """PKCS#8 of a private key, or the bytes of a symmetric one."""
        length = self.key.key_size // 8
        chosen = HASHES[enc]
        ephemeral = self.key.decrypt(ciphertext[:length], padding.OAEP(padding.MGF1(chosen), chosen, None))
        assert len(ephemeral) == 32
        return keywrap.aes_key_unwrap_with_padding(ephemeral, ciphertext[length:])


class AttestationAuthority:
    """Serves `GET /certs` on 127.0.0.1; `answer` may be replaced to misbehave."""

    def __init__(self, folder: Path, kid: str = "authority-key-1"):
        folder.mkdir(parents=True, exist_ok=True)
        self.kid = kid
        self.key = new_rsa()
        self.asked: list[str] = []
        self.answer = lambda: (200, {"Content-Type": "application/json"}, json.dumps(self.key_set()).encode())
        certificates = _LoopbackCertificates("Test Attestation Root")
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(certificates.pem())
        certificates.issue_for_loopback(folder / "server.pem", folder / "server.key")
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                authority.asked.append(self.path)
                status, headers, content = authority.answer()
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(content)), "Connection": "close"}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    pass
                self.close_connection = True

            def log_message(self, *_) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def option(self) -> tuple[str, str]:
        """How `strongroom dev` is told to trust it."""
        return "--attestation-authority", f"{self.url},{self.ca_file}"

    def key_set(self) -> dict:
        return {"keys": [jwk_of(self.key.public_key(), self.kid)]}

    def claims(self, environment: Environment, **changes) -> dict:
        now = int(time.time())
        usual = {
            "iss": self.url,
            "iat": now,
            "nbf": now - 10,
            "exp": now + 600,
            "x-ms-attestation-type": "sevsnpvm",
            "x-ms-runtime": {"keys": [environment.jwk()], "vm-configuration": {"secure-boot": True}},
            "sdk-test": "true",
        }
        return {member: value for member, value in {**usual, **changes}.items() if value is not None}

    def sign(self, claims: dict, key: rsa.RSAPrivateKey | None = None, **header) -> str:
        usual = {"alg": "RS256", "kid": self.kid, "typ": "JWT", **header}
        return signed_rs256(key or self.key, {name: value for name, value in usual.items() if value is not None}, claims)

    def statement(self, environment: Environment, **changes) -> str:
        return self.sign(self.claims(environment, **changes))


def policy(authority: str, *conditions: dict) -> dict:
    """A release policy: this authority, and all of these claims."""
    return {"version": "1.0.0", "anyOf": [{"authority": authority, "allOf": list(conditions)}]}


def claim(name: str, value) -> dict:
    return {"claim": name, "equals": value}


def released_parts(value: str) -> tuple[dict, dict, bytes, bytes]:
    """Header, payload, what was signed and the signature of a released key."""
    header, payload, signature = value.split(".")
    return json.loads(decode(header)), json.loads(decode(payload)), f"{header}.{payload}".encode(), decode(signature)
