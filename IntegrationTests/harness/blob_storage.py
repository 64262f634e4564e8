"""A blob storage of our own: Put Blob, Get Blob and Delete Blob over TLS for whoever has a shared access signature. It writes down
what it was asked, and can be made to refuse, to hold, to break off or to lie."""

import base64
import hashlib
import hmac
import http.server
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from .certificates import CertificateAuthority
from .ports import free_port

VERSION = "2021-12-02"
CONTAINER = "hsm-backups"
_NAMES = ["localhost", "*.blob.localhost"]
# What a shared access signature must allow.
_PERMISSIONS = {"PUT": "w", "GET": "r", "DELETE": "d"}


@dataclass(frozen=True)
class Asked:
    """One call, with what it was answered; 0 for nothing."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int
    status: int


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    storage: "BlobStorage"

    def do_PUT(self) -> None:
        self.storage.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_GET(self) -> None:
        self.storage.answer(self, b"")

    do_DELETE = do_GET

    def send(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.status = status
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content)), "x-ms-version": VERSION}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_) -> None:
        pass


Manner = Callable[[_Handler], None]


# Manners of answering


def refusing(status: int, text: str = "", **headers: str) -> Manner:
    """An error as the storage words it; it may hold a text that nobody should repeat."""
    body = f"<?xml version='1.0'?><Error><Code>Refused</Code><Message>{text}</Message></Error>".encode()
    return lambda handler: handler.send(status, body, Content_Type="application/xml", **headers)


def answering(content: bytes) -> Manner:
    """This in place of every blob."""
    return lambda handler: handler.send(201 if handler.command == "PUT" else 200, content)


def hanging_up(handler: _Handler) -> None:
    handler.close_connection = True


def breaking_off(handler: _Handler) -> None:
    """Half of an answer."""
    handler.status = 200
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"x" * 100)
    handler.close_connection = True


def never_ending(handler: _Handler) -> None:
    handler.status = 200
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for _ in range(2_000):
        handler.wfile.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    handler.close_connection = True


def speaking_nonsense(handler: _Handler) -> None:
    handler.wfile.write(b"220 mail.example ESMTP\r\n")
    handler.close_connection = True


class BlobStorage:
    """Serves while it is entered."""

    def __init__(self, folder: Path, host: str = "account.blob.localhost", names: list[str] | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.host = f"{host}:{self.port}"
        authority = CertificateAuthority("Storage Root")
        self.ca_file = folder / "storage-ca.pem"
        self.ca_file.write_bytes(authority.pem())
        certificate, key = folder / "storage.pem", folder / "storage.key"
        authority.issue(names or _NAMES, certificate, key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._key = os.urandom(32)
        self.blobs: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.manner: Manner | None = None
        self._holds: Callable[[str, str], bool] | None = None
        self._held = 0
        self._changed = threading.Condition()

    # Life

    def __enter__(self) -> "BlobStorage":
        handler = type("Handler", (_Handler,), {"storage": self})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        # Each connection shakes hands in its own thread.
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.let_go()
        self._server.shutdown()
        self._server.server_close()

    def clear(self) -> None:
        """As it was at first."""
        self.let_go()
        self.manner = None
        self.blobs.clear()
        self.asked.clear()

    # What its users know

    @property
    def option(self) -> tuple[str, str]:
        """How `strongroom dev` is told of it."""
        return "--backup-host", f"{self.host},{self.ca_file}"

    @property
    def container(self) -> str:
        return f"https://{self.host}/{CONTAINER}"

    def signature(self, permissions: str = "rwdl", seconds: int = 3600, container: str = CONTAINER) -> str:
        """A shared access signature for a container: a query."""
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
        sig = self._sign(permissions, until, container)
        return f"sv={VERSION}&sr=c&sp={permissions}&se={quote(until, safe='')}&sig={quote(sig, safe='')}"

    def _sign(self, permissions: str, until: str, container: str) -> str:
        text = f"{permissions}\n{until}\n/{container}\n{VERSION}"
        return base64.b64encode(hmac.digest(self._key, text.encode(), hashlib.sha256)).decode()

    def folders(self) -> set[str]:
        """What was backed up, wholly or in part."""
        return {path.split("/")[2] for path in self.blobs if path.count("/") == 3}

    def names(self, folder: str) -> list[str]:
        return sorted(path.rsplit("/", 1)[1] for path in self.blobs if path.split("/")[2] == folder)

    # Answering

    def answer(self, handler: _Handler, body: bytes) -> None:
        path, query = handler.path.partition("?")[::2]
        handler.status, handler.taken = 0, body
        try:
            self._hold(handler.command, path)
            fault = self._fault(handler, path, query)
            if fault is not None:
                handler.send(*fault)
            elif self.manner is not None:
                self.manner(handler)
            else:
                self._serve(handler, path, body)
        finally:
            with self._changed:
                self.asked.append(Asked(handler.command, path, query, dict(handler.headers), len(body), handler.status))
                self._changed.notify_all()

    def _fault(self, handler: _Handler, path: str, query: str) -> tuple[int, bytes] | None:
        if handler.headers.get("x-ms-version") != VERSION:
            return 400, b"x-ms-version"
        if handler.command == "PUT" and handler.headers.get("x-ms-blob-type") != "BlockBlob":
            return 400, b"x-ms-blob-type"
        if handler.headers.get("Host") != self.host:
            return 400, b"Host"
        told = dict(parse_qsl(query, strict_parsing=True))
        container = path.split("/")[1]
        expected = self._sign(told.get("sp", ""), told.get("se", ""), container)
        if not hmac.compare_digest(expected, told.get("sig", "")) or told.get("sv") != VERSION:
            return 403, b"AuthenticationFailed"
        if told["se"] < time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()):
            return 403, b"AuthenticationFailed"
        if _PERMISSIONS[handler.command] not in told["sp"]:
            return 403, b"AuthorizationPermissionMismatch"
        return None

    def _serve(self, handler: _Handler, path: str, body: bytes) -> None:
        if handler.command == "PUT":
            self.blobs[path] = body
            handler.send(201)
        elif path not in self.blobs:
            handler.send(404, b"BlobNotFound")
        elif handler.command == "GET":
            handler.send(200, self.blobs[path], Content_Type="application/octet-stream", x_ms_blob_type="BlockBlob")
        else:
            del self.blobs[path]
            handler.send(202)

    # Being slow

    def _hold(self, method: str, path: str) -> None:
        with self._changed:
            holds = self._holds
            if holds is None or not holds(method, path):
                return
            self._held += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._holds is not holds)
            self._held -= 1

    def let_go(self) -> None:
        with self._changed:
            self._holds = None
            self._changed.notify_all()

    @contextmanager
    def holding(self, method: str = "", name: str = "") -> Iterator[Callable[[], None]]:
        """Calls of this method to blobs of this name wait meanwhile. What it gives waits for the first of them."""

        def wait() -> None:
            with self._changed:
                assert self._changed.wait_for(lambda: self._held > 0, 30), f"nobody asks: {self.asked[-3:]}"

        self._holds = lambda its, path: (not method or its == method) and urlsplit(path).path.endswith(name)
        try:
            yield wait
        finally:
            self.let_go()

    @contextmanager
    def behaving(self, manner: Manner) -> Iterator[None]:
        self.manner = manner
        try:
            yield
        finally:
            self.manner = None

    def only(self, manner: Manner, method: str, name: str = "") -> Manner:
        """This manner for some calls; the usual one for the rest."""

        def chosen(handler: _Handler) -> None:
            path = handler.path.partition("?")[0]
            if handler.command == method and path.endswith(name):
                manner(handler)
            else:
                self._serve(handler, path, handler.taken)

        return chosen
