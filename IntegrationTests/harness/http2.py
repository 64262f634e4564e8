"""HTTP/2 by hand over TLS."""

import socket
import ssl
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from .server import Server


@dataclass
class Stream:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    reset: bool = False

    @property
    def status(self) -> int:
        return int(self.headers[":status"])


class Connection:
    def __init__(self, server: Server, vault: str = "demo", timeout: float = 30, polite: bool = True):
        """An impolite connection sends headers that the library would refuse to send."""
        self.authority = server.vault_host(vault)
        context = ssl.create_default_context(cafile=server.bundle)
        context.set_alpn_protocols(["h2"])
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=timeout)
        self.socket = context.wrap_socket(plain, server_hostname=self.authority.split(":")[0])
        self.protocol = self.socket.selected_alpn_protocol()
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=polite)
        )
        self.h2.initiate_connection()
        self.streams: dict[int, Stream] = {}
        self.terminated = False
        self.flush()

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.send_raw(self.h2.data_to_send())

    def send_raw(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (ConnectionError, ssl.SSLError):
            self.terminated = True

    def head(self, method: str, path: str, *headers: tuple[str, str]) -> list[tuple[str, str]]:
        return [(":method", method), (":scheme", "https"), (":authority", self.authority), (":path", path), *headers]

    def prepare(self, method: str, path: str, *headers: tuple[str, str]) -> int:
        """Makes a request without a body ready; `flush` sends all that are. The number of its stream."""
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        self.h2.send_headers(number, self.head(method, path, *headers), end_stream=True)
        return number

    def begin(self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> int:
        """Sends a request; the number of its stream."""
        number = self.h2.get_next_available_stream_id()
        self.streams[number] = Stream()
        self.h2.send_headers(number, self.head(method, path, *headers), end_stream=not body)
        for start in range(0, len(body), 16_384):
            piece = body[start : start + 16_384]
            self.flush()
            while self.h2.local_flow_control_window(number) < len(piece) and self.read():
                if self.streams[number].reset or self.streams[number].ended:
                    return number
            if self.terminated:
                return number
            self.h2.send_data(number, piece, end_stream=start + 16_384 >= len(body))
        self.flush()
        return number

    def finish(self, number: int) -> Stream:
        """Reads until the stream ended, was reset, or the connection was closed."""
        stream = self.streams[number]
        while not (stream.ended or stream.reset) and self.read():
            pass
        return stream

    def get(self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"") -> Stream:
        return self.finish(self.begin(method, path, *headers, body=body))

    def read(self) -> bool:
        """Takes in what has arrived; False once the connection is over."""
        try:
            data = self.socket.recv(65_536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.terminated = True
            return False
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.terminated = True
            return False
        for event in events:
            self._take(event)
        self.flush()
        return not self.terminated

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self.streams[event.stream_id].headers = dict(event.headers)
            case h2.events.DataReceived():
                self.streams[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.streams[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.streams.setdefault(event.stream_id, Stream()).reset = True
            case h2.events.ConnectionTerminated():
                self.terminated = True
