"""The PROXY protocol by hand: its headers, and connections that begin with one."""

import ipaddress
import socket
import ssl
import struct
from dataclasses import dataclass

import h2.config
import h2.connection

from .http1 import Connection as Connection1
from .http2 import Connection as Connection2
from .production import Production

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
UNSPEC, TCP4, UDP4, TCP6, UDP6, UNIX = 0x00, 0x11, 0x12, 0x21, 0x22, 0x31


def line(client: str, server: str = "", ports: str = "56324 443") -> bytes:
    """Version 1."""
    six = ":" in client
    return f"PROXY {'TCP6' if six else 'TCP4'} {client} {server or ('2001:db8::1' if six else '198.51.100.1')} {ports}\r\n".encode()


def binary(block: bytes, family: int = TCP4, command: int = PROXY, length: int | None = None) -> bytes:
    """Version 2, of any bytes."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block) if length is None else length) + block


def addresses(client: str) -> bytes:
    here = "2001:db8::1" if ":" in client else "198.51.100.1"
    return ipaddress.ip_address(client).packed + ipaddress.ip_address(here).packed + struct.pack("!HH", 56324, 443)


def block(client: str, *more: bytes) -> bytes:
    """Version 2, with what follows the addresses."""
    return binary(addresses(client) + b"".join(more), TCP6 if ":" in client else TCP4)


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


@dataclass(frozen=True)
class Way:
    """How a server is reached, and what is sent before TLS."""

    header: bytes = b""
    port: int | None = None
    address: str = "127.0.0.1"
    source: str | None = None
    in_pieces: bool = False
    timeout: float = 30

    def plain(self, production: Production) -> socket.socket:
        """A connection on which only the header was sent."""
        target = (self.address, self.port or production.port)
        made = socket.create_connection(target, timeout=self.timeout, source_address=(self.source, 0) if self.source else None)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [bytes([each]) for each in self.header] if self.in_pieces else [self.header]:
            made.sendall(piece)
        return made

    def tls(self, production: Production, host: str, protocol: str) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(production.bundle))
        context.set_alpn_protocols([protocol])
        plain = self.plain(production)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise


class Http1(Connection1):
    def __init__(self, production: Production, way: Way, host: str = "demo.vault.localhost"):
        self.host = f"{host}:{way.port or production.port}"
        self.socket = way.tls(production, host, "http/1.1")
        self.reader = self.socket.makefile("rb")

    def ask(self, path: str, token: str | None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        lines = [f"Authorization: Bearer {token}"] if token else []
        answer = self.exchange(self.request("GET", path, *lines, *(f"{name}: {value}" for name, value in headers.items())))
        return answer.status, answer.headers, answer.body


class Http2(Connection2):
    def __init__(self, production: Production, way: Way, host: str = "demo.vault.localhost"):
        self.authority = f"{host}:{way.port or production.port}"
        self.socket = way.tls(production, host, "h2")
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams, self.terminated = {}, False
        self.flush()

    def ask(self, path: str, token: str | None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        pairs = [("authorization", f"Bearer {token}")] if token else []
        stream = self.get("GET", path, *pairs, *((name.lower(), value) for name, value in headers.items()))
        return stream.status, stream.headers, stream.body


def told_address(headers: dict[str, str]) -> str:
    """The address that an answer says it was asked from."""
    parts = dict(part.split("=", 1) for part in headers["x-ms-keyvault-network-info"].split(";") if part)
    return parts["addr"]
