"""What puts the records of DNS challenges into the name server of a test: a program, and a receiver of webhooks."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from .certificates import CertificateAuthority
from .pebble import NameServer
from .ports import free_port

# A program is started with hardly any environment, so what it needs to know is written into it.
_SCRIPT = """#!/bin/sh
printf '%s\\n' "$# $*" >> "{folder}/calls"
cat /proc/$$/environ > "{folder}/environment"
while [ -e "{folder}/blocked-$2" ]; do sleep 0.1; done
if rm "{folder}/refused-$2" 2>/dev/null; then echo "there is no such zone" >&2; exit 3; fi
[ -e "{folder}/idle-$2" ] && exit 0
case "$1" in
    present) exec curl -sf -d "{{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}}" {management}/set-txt ;;
    remove) exec curl -sf -d "{{\\"host\\":\\"$2.\\"}}" {management}/clear-txt ;;
esac
exit 64
"""


class Hook:
    """The program. A file in its folder makes it misbehave for a name: `blocked` while it is there, `refused` once, `idle` does
    nothing."""

    def __init__(self, folder: Path, names: NameServer):
        self.folder = folder / "hook"
        self.folder.mkdir()
        self.path = self.folder / "hook.sh"
        self.path.write_text(_SCRIPT.format(folder=self.folder, management=names.management))
        self.path.chmod(0o700)

    @property
    def calls(self) -> list[list[str]]:
        """The number of arguments and the arguments of each call."""
        log = self.folder / "calls"
        return [line.split(" ") for line in log.read_text().splitlines()] if log.exists() else []

    def about(self, name: str) -> list[list[str]]:
        return [call[1:] for call in self.calls if call[2] == f"_acme-challenge.{name}"]

    def actions(self, name: str) -> list[str]:
        return [call[0] for call in self.about(name)]

    @property
    def environment(self) -> set[str]:
        text = (self.folder / "environment").read_text()
        return {entry.split("=", 1)[0] for entry in text.split("\0") if entry}

    def set(self, state: str, name: str) -> None:
        (self.folder / f"{state}-_acme-challenge.{name}").touch()

    def unset(self, state: str, name: str) -> None:
        (self.folder / f"{state}-_acme-challenge.{name}").unlink(missing_ok=True)


class Webhook:
    """The receiver, over TLS. It refuses as many calls as it is told to, and calls whose signature is not right."""

    def __init__(self, folder: Path, names: NameServer, authority: CertificateAuthority, secret: str, refuses: int = 0):
        self.received: list[dict] = []
        self.headers: list[dict[str, str]] = []
        # Calls that were not signed as agreed.
        self.strangers = 0
        self._refuses, self._secret, self._names = refuses, secret, names
        certificate, key = folder / "webhook.pem", folder / "webhook.key"
        authority.issue(["localhost"], certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(webhook.take({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_) -> None:
                pass

        self.port = free_port()
        self._server = HTTPServer(("127.0.0.1", self.port), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        tag = base64.b64encode(hmac.new(self._secret.encode(), signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != f"v1,{tag}":
            self.strangers += 1
            return 401
        call = json.loads(body)
        self.headers.append(headers)
        self.received.append(call)
        if self._refuses > 0:
            self._refuses -= 1
            return 502
        if call["action"] == "present":
            self._names.tell("set-txt", host=f"{call['name']}.", value=call["value"])
        else:
            self._names.tell("clear-txt", host=f"{call['name']}.")
        return 204

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
