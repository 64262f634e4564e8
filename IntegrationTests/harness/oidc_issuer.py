"""Issuers of tokens of our own (OpenID Connect): discovery documents and keys by HTTPS, tokens of every kind, and ways to misbehave."""

import http.server
import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from .certificates import CertificateAuthority
from .keys_jwk import ec_jwk, new_ec
from .ports import free_port
from .tokens import encode, jwk_of, signing_input

USUAL_AUDIENCE = "api://AzureADTokenExchange"
DISCOVERY = "/.well-known/openid-configuration"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


@dataclass(frozen=True)
class Answer:
    """What the issuer says; `hold` runs before anything is sent, `drip` is the pause after each byte."""

    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: Callable[[], object] = lambda: None
    drip: float = 0.0

    @classmethod
    def of(cls, document: object, **more) -> "Answer":
        return cls(json.dumps(document).encode(), headers={"Content-Type": "application/json"}, **more)


class IssuerHost:
    """A TLS server `https://localhost:PORT` with as many issuers as a test wants, each below a path of its own."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        authority = CertificateAuthority("Test Issuer Root")
        self.ca_file, self._certificate, self._key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
        self.ca_file.write_bytes(authority.pem())
        authority.issue(["localhost"], self._certificate, self._key)
        self.port = free_port()
        self.issuers: dict[str, Issuer] = {}
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def issuer(self, name: str, key: PrivateKey | None = None) -> "Issuer":
        """A new issuer below this path; with a key of P-256 unless another is given."""
        assert name not in self.issuers, f"there is an issuer {name} already"
        self.issuers[name] = Issuer(self, name, key or new_ec())
        return self.issuers[name]

    def start(self) -> "IssuerHost":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._certificate, self._key)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        # The handshake belongs to the connection's own thread, not to the one that accepts.
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _handler(host: IssuerHost) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name, _, rest = self.path.removeprefix("/").partition("/")
            issuer = host.issuers.get(name)
            answer = issuer.answer("/" + rest) if issuer else Answer(b"", 404)
            try:
                answer.hold()
                self.send_response(answer.status)
                for header, value in {**answer.headers, "Content-Length": str(len(answer.content)), "Connection": "close"}.items():
                    self.send_header(header, value)
                self.end_headers()
                if not answer.drip:
                    self.wfile.write(answer.content)
                for number in range(len(answer.content) if answer.drip else 0):
                    self.wfile.write(answer.content[number : number + 1])
                    time.sleep(answer.drip)
            except OSError:
                pass
            self.close_connection = True

        def log_message(self, *_) -> None:
            pass

    return Handler


class Issuer:
    """One issuer. `say_discovery` and `say_keys` may be replaced to misbehave."""

    def __init__(self, host: IssuerHost, name: str, key: PrivateKey):
        self.host, self.name = host, name
        self.url = f"{host.url}/{name}"
        self.keys: dict[str, PrivateKey] = {"key-1": key}
        self.asked: list[str] = []
        self.say_discovery: Callable[[], Answer] = lambda: Answer.of(self.discovery())
        self.say_keys: Callable[[], Answer] = lambda: Answer.of(self.key_set())

    # What it publishes

    def discovery(self, **changes) -> dict:
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **changes}

    def key_set(self) -> dict:
        return {"keys": [public_jwk(key, kid) for kid, key in self.keys.items()]}

    def answer(self, path: str) -> Answer:
        self.asked.append(path)
        if path == DISCOVERY:
            return self.say_discovery()
        return self.say_keys() if path == "/keys" else Answer(b"", 404)

    def rotate(self, kid: str) -> None:
        """From now on it signs with a new key, and publishes no other."""
        self.keys = {kid: new_ec()}

    # How it is trusted

    @property
    def option(self) -> tuple[str, str]:
        """How `strongroom dev` is told to trust it."""
        return "--federation-issuer", f"{self.url},{self.host.ca_file}"

    @property
    def setting(self) -> dict:
        """The same for `strongroom serve`."""
        return {"issuer": self.url, "caFile": str(self.host.ca_file)}

    # What it signs

    def claims(self, subject: str, **changes) -> dict:
        """Claims given as None are left out."""
        now = int(time.time())
        usual = {"iss": self.url, "sub": subject, "aud": USUAL_AUDIENCE, "iat": now, "nbf": now - 10, "exp": now + 600}
        return {name: value for name, value in {**usual, **changes}.items() if value is not None}

    def sign(self, claims: dict | bytes, algorithm: str | None = None, key: PrivateKey | None = None, **header) -> str:
        """Signs with its first key unless another is given. Header members given as None are left out."""
        kid = next(iter(self.keys))
        signer = key or self.keys[kid]
        chosen = algorithm or usual_algorithm(signer)
        usual = {"alg": chosen, "kid": kid, "typ": "JWT", **header}
        text = signing_input({name: value for name, value in usual.items() if value is not None}, claims)
        return f"{text}.{encode(signature_over(text.encode(), chosen, signer))}"

    def token(self, subject: str, **changes) -> str:
        return self.sign(self.claims(subject, **changes))


def public_jwk(key: PrivateKey, kid: str) -> dict:
    if isinstance(key, rsa.RSAPrivateKey):
        return jwk_of(key.public_key(), kid)
    return {"kid": kid, "use": "sig", **{member: value for member, value in ec_jwk(key).items() if member != "d"}}


def usual_algorithm(key: PrivateKey) -> str:
    return "RS256" if isinstance(key, rsa.RSAPrivateKey) else f"ES{key.curve.key_size}"


def signature_over(content: bytes, algorithm: str, key: PrivateKey) -> bytes:
    """A signature of RFC 7518 §3."""
    chosen = _HASHES[algorithm[2:]]
    if algorithm.startswith("ES"):
        r, s = utils.decode_dss_signature(key.sign(content, ec.ECDSA(chosen)))
        length = (key.curve.key_size + 7) // 8
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    scheme = padding.PSS(padding.MGF1(chosen), chosen.digest_size) if algorithm.startswith("PS") else padding.PKCS1v15()
    return key.sign(content, scheme, chosen)
