"""A directory of ACME in front of another: it notes what passes, and spoils what it is told to.

Pebble makes its addresses from the `Host` it is asked under, so everything a client learns here leads back here.
"""

import json
import re
import ssl
import threading
import time
from collections import defaultdict
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Callable
from urllib.parse import urlsplit

from .pebble import Pebble
from .ports import free_port
from .tokens import decode

STEPS = {
    "dir": "directory",
    "nonce-plz": "nonce",
    "sign-me-up": "account",
    "order-plz": "order",
    "my-order": "order status",
    "authZ": "authorization",
    "chalZ": "challenge",
    "finalize-order": "finalize",
    "certZ": "certificate",
}
_ADDRESS = re.compile(rb'https://[^"\s<>]+')
_OURS = {"connection", "content-length", "transfer-encoding", "date", "server"}


def _decoded(text: str):
    return json.loads(decode(text) or "null")


class Answer:
    def __init__(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None):
        self.status, self.body, self.headers = status, body, headers or {}


class Exchange:
    """One request, and what becomes of it."""

    def __init__(self, proxy: "Proxy", handler: BaseHTTPRequestHandler, body: bytes):
        self.proxy, self._handler, self._body = proxy, handler, body
        self.method, self.path, self.at = handler.command, handler.path, time.monotonic()
        self.step = STEPS.get(self.path.split("/")[1], self.path)
        self.protected: dict = {}
        self.payload = None
        if body:
            signed = json.loads(body)
            self.protected, self.payload = _decoded(signed["protected"]), _decoded(signed["payload"])
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.status: int | None = None
        self.came: Answer | None = None
        self.rule: Rule | None = None
        # The first name of the order that it belongs to.
        self.name = self.payload["identifiers"][0]["value"] if self.step == "order" else proxy.names.get(self.path)

    def forward(self) -> Answer:
        headers = {name: value for name, value in self._handler.headers.items() if name.lower() not in _OURS}
        connection = HTTPSConnection("localhost", self.proxy.pebble.port, context=self.proxy.trust, timeout=60)
        try:
            connection.request(self.method, self.path, body=self._body or None, headers=headers)
            came = connection.getresponse()
            answer = Answer(came.status, came.read(), {k: v for k, v in came.getheaders() if k.lower() not in _OURS})
        finally:
            connection.close()
        if self.name is not None and answer.status < 300:
            self.proxy.learn(self.name, answer)
        self.came = answer
        return answer

    @property
    def content(self) -> dict:
        """The JSON that the authority answered."""
        return json.loads(self.came.body)

    def send(self, answer: Answer) -> None:
        self.status = answer.status
        self._handler.send_response(answer.status)
        for name, value in answer.headers.items():
            self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(len(answer.body)))
        self._handler.end_headers()
        if self.method != "HEAD":
            self._handler.wfile.write(answer.body)

    def again(self) -> None:
        """What was to befall this request befalls the next one too."""
        self.rule.left += 1

    def close(self) -> None:
        self._handler.close_connection = True
        self._handler.connection.close()


Fault = Callable[[Exchange], None]


class Rule:
    def __init__(self, steps: str | tuple[str, ...], fault: Fault, name: str | None, times: int, following: str | None):
        self.steps = (steps,) if isinstance(steps, str) else steps
        self.fault, self.name, self.left, self.following = fault, name, times, following

    def fits(self, exchange: Exchange, before: list[str]) -> bool:
        return (
            self.left > 0
            and exchange.step in self.steps
            and self.name in (None, exchange.name)
            and (self.following is None or self.following in before)
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_) -> None:
        """A client that went away is no news."""


class Proxy:
    """`passed` holds every exchange in the order of arrival."""

    def __init__(self, pebble: Pebble):
        self.pebble, self.port = pebble, free_port()
        self.trust = ssl.create_default_context(cafile=str(pebble.bundle))
        self.passed: list[Exchange] = []
        self.names: dict[str, str] = {}
        self._rules: list[Rule] = []
        self._steps: dict[str | None, list[str]] = defaultdict(list)
        self._lock = threading.Lock()
        self._server: _Server | None = None

    @property
    def directory(self) -> str:
        return f"https://localhost:{self.port}/dir"

    def open(self) -> "Proxy":
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.handle(Exchange(proxy, self, self.rfile.read(int(self.headers.get("Content-Length") or 0))))

            do_GET = do_HEAD = do_POST = handle_any

            def log_message(self, *_) -> None:
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pebble.settings["certificate"], self.pebble.settings["privateKey"])
        self._server = _Server(("127.0.0.1", self.port), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def close(self) -> None:
        """Nobody listens at its port any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def spoil(
        self,
        steps: str | tuple[str, ...],
        fault: Fault,
        name: str | None = None,
        times: int = 1,
        following: str | None = None,
    ) -> None:
        """Lets a fault befall the next requests for a step: of any order or of one, at once or after another step of it."""
        with self._lock:
            self._rules.append(Rule(steps, fault, name, times, following))

    def heal(self) -> None:
        """From now on everything passes."""
        with self._lock:
            self._rules.clear()

    def learn(self, name: str, answer: Answer) -> None:
        """Every address in an answer belongs to the same order."""
        found = [*_ADDRESS.findall(answer.body), answer.headers.get("Location", "").encode()]
        with self._lock:
            for address in found:
                self.names.setdefault(urlsplit(address.decode()).path, name)

    def handle(self, exchange: Exchange) -> None:
        with self._lock:
            before = list(self._steps[exchange.name])
            rule = next((rule for rule in self._rules if rule.fits(exchange, before)), None)
            if rule:
                rule.left -= 1
                exchange.rule = rule
            self._steps[exchange.name].append(exchange.step)
            self.passed.append(exchange)
        try:
            if rule:
                rule.fault(exchange)
            else:
                exchange.send(exchange.forward())
        except (OSError, ssl.SSLError):
            exchange.close()

    # What passed

    def steps(self, name: str) -> list[str]:
        return [exchange.step for exchange in list(self.passed) if exchange.name == name]

    def seen(self, step: str, name: str | None = None) -> list[Exchange]:
        return [one for one in list(self.passed) if one.step == step and name in (None, one.name)]

    def made(self, step: str, name: str | None = None) -> list[Exchange]:
        """The exchanges for a step that succeeded."""
        return [one for one in self.seen(step, name) if one.status is not None and one.status < 300]

    def accounts(self) -> set[str]:
        """The accounts that the authority has given; asked again with the same key, it gives the same one."""
        given = [one for one in self.seen("account") if one.came and one.came.status < 300]
        return {one.came.headers["Location"] for one in given}

    def account_keys(self) -> set[str]:
        """The keys for which it was asked for accounts, as JSON."""
        return {json.dumps(one.protected["jwk"], sort_keys=True) for one in self.seen("account")}

    def tokens(self, name: str | None = None, kind: str | None = None) -> list[str]:
        """The tokens of the challenges that the authority offered."""
        answered = [one for one in self.seen("authorization", name) if one.came and one.came.status == 200]
        offered = [challenge for one in answered for challenge in one.content["challenges"]]
        return [challenge["token"] for challenge in offered if kind in (None, challenge["type"])]
