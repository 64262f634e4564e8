"""HTTP/1.1 by hand over TLS, for requests that no client library would send."""

import http.client
import io
import socket
import ssl
from dataclasses import dataclass

from .server import Server


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """One TLS connection to a vault host, over IPv4 loopback."""

    def __init__(self, server: Server, vault: str = "demo", timeout: float = 30):
        self.host = server.vault_host(vault)
        context = ssl.create_default_context(cafile=server.bundle)
        context.set_alpn_protocols(["http/1.1"])
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
        self.socket = context.wrap_socket(plain, server_hostname=self.host.split(":")[0])
        self.reader = self.socket.makefile("rb")

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends what it can; a server that has already refused may close before it has read everything."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            pass

    def receive(self) -> Answer:
        """The next answer of the connection."""
        response = http.client.HTTPResponse(_Kept(self.reader))
        response.begin()
        body = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)

    def exchange(self, data: bytes) -> Answer:
        self.send(data)
        return self.receive()

    def request(self, method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
        """A well-formed request with these header lines."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self.host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body

    def is_closed(self) -> bool:
        """Whether the server closed the connection, waiting for it as long as the time-out allows."""
        try:
            while self.reader.read1(4096):
                pass
            return True
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True


class _Kept:
    """Lets `http.client` read one answer and leave what follows for the next."""

    def __init__(self, reader: io.BufferedReader):
        self._reader = reader

    def makefile(self, _mode: str) -> "_Kept":
        return self

    def close(self) -> None:
        pass

    def __getattr__(self, name: str):
        return getattr(self._reader, name)
