"""A production server with a public address for its authorities, and a receiver that it tells of certificates near their end."""

import base64
import hashlib
import hmac
import json
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from harness.authorities_public import document, fetch
from harness.authorities_wire import Authorities, leaf_of
from harness.certificates_made import pfx, self_signed
from harness.command_line import CommandLine
from harness.ports import free_port
from harness.production import Production

SECRET = "the key of the signatures"


class Receiver:
    """Takes webhooks over TLS; refuses the first of them."""

    def __init__(self, production: Production, folder: Path):
        self.received: list[tuple[dict, bytes]] = []
        self.came = threading.Event()
        certificate, key = folder / "hook.pem", folder / "hook.key"
        production.authority.issue(["localhost"], certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()
                receiver.came.set()

            def log_message(self, *_):
                pass

        self.port = free_port()
        self._server = HTTPServer(("127.0.0.1", self.port), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def started(production: Production, **options) -> Authorities:
    """The authorities of a server whose owner may do everything with them."""
    production.initialise().start(**options)
    scope = (
        f"/subscriptions/{production.subscription}/resourceGroups/strongroom/providers/Microsoft.KeyVault/vaults/demo"
    )
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Administrator", scope)
    return Authorities(production.wire())


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path)
    yield made
    made.kill()


def test_lists_and_status_are_served_on_a_port_of_their_own(production):
    port = free_port()
    production.settings["pki"] = {"address": f"http://localhost:{port}", "port": port}
    made = started(production).root("root")
    assert made["crl"]["url"].startswith(f"http://localhost:{port}/crl/demo/")
    assert document(made["crl"]["url"])
    assert fetch(f"http://localhost:{port}/secrets").status_code == 404


def test_without_an_address_certificates_name_none(production):
    authorities = started(production)
    assert "url" not in authorities.root("root")["crl"]
    leaf = leaf_of(authorities.issue("root"))
    assert "cRLDistributionPoints" not in [extension.oid._name for extension in leaf.extensions]


@pytest.fixture(scope="module")
def initialised(binary, tmp_path_factory) -> Production:
    """A server that no test starts."""
    return Production(binary, tmp_path_factory.mktemp("initialised")).initialise()


@pytest.mark.parametrize(
    "member, settings",
    [
        ("pki.address", {"pki": {"address": "https://pki.example.com", "port": 8080}}),
        ("pki.address", {"pki": {"address": "http://pki.example.com/path", "port": 8080}}),
        ("pki.port", {"pki": {"address": "http://pki.example.com", "port": 0}}),
        ("notices.webhook", {"notices": {"webhook": "http://example.com", "secret": "fd:9"}}),
        ("notices.caFile", {"notices": {"webhook": "https://example.com", "secret": "fd:9", "caFile": "/none"}}),
        ("notices.secret", {"notices": {"webhook": "https://example.com", "secret": "the secret itself"}}),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(initialised, monkeypatch, member, settings):
    monkeypatch.setattr(initialised, "settings", {**initialised.settings, **settings})
    result = initialised.run("serve")
    assert result.returncode == 78 and result.stderr.count("\n") == 1 and member in result.stderr


def test_a_certificate_near_its_end_is_told_to_the_receiver(production, tmp_path):
    receiver = Receiver(production, tmp_path)
    reading, writing = os.pipe()
    os.write(writing, (SECRET + "\n").encode())
    os.close(writing)
    production.settings["notices"] = {
        "webhook": f"https://localhost:{receiver.port}/hook",
        "secret": f"fd:{reading}",
        "caFile": str(production.bundle),
    }
    try:
        certificates = started(production, descriptors=(reading,)).certificates
        certificates.wire.put("/certificates/contacts", json={"contacts": [{"email": "pki@example.com"}]})
        action = {"trigger": {"lifetime_percentage": 1}, "action": {"action_type": "EmailContacts"}}
        certificates.import_("soon", pfx(*self_signed(days=30)), policy={"lifetime_actions": [action]})
        # The certificate began a while ago: one percent of its time has passed.
        assert receiver.came.wait(20), production.errors.finish()
        headers, body = receiver.received[0]
        (event,) = json.loads(body)
        assert event["eventType"] == "Microsoft.KeyVault.CertificateNearExpiry"
        assert (event["subject"], event["data"]["Contacts"]) == ("soon", ["pki@example.com"])
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        tag = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{tag}"
    finally:
        os.close(reading)
        receiver.close()
