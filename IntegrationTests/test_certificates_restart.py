"""What is in progress when the server is killed goes on when it is started again."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from harness.certificates_made import PEM, certificate_of, der, public_der, request_of
from harness.certificates_wire import Certificates, policy, refusal, version_of
from harness.keys_wire import Keys
from harness.server import Server

pytest_plugins = ["harness.certificates_fixtures"]

SELF = {
    "software": policy(),
    "text": policy(secret_props={"contentType": PEM}),
    "hardware": policy(key={"kty": "EC-HSM", "exportable": False}),
}
MERGED = {"software": policy("Unknown"), "hardware": policy("Unknown", key={"kty": "EC-HSM", "exportable": False})}


@pytest.fixture(scope="module")
def killed(binary, tmp_path_factory):
    """A server that was killed while certificates were in progress: its certificates, and what was told of them before."""
    server = Server(binary, tmp_path_factory.mktemp("killed")).start()
    try:
        before = Certificates(server.wire())
        kept = before.create("kept", policy(), tags={"a": "b"})
        secret = before.secret("kept")
        waiting = {label: before.begin(f"waiting-{label}", one, tags={"c": "d"}) for label, one in MERGED.items()}
        begun = {label: before.begin(f"begun-{label}", one) for label, one in SELF.items()}
        server.kill()
        server.start()
        yield Certificates(server.wire()), {"kept": kept, "secret": secret, "waiting": waiting, "begun": begun}
    finally:
        server.kill()


@pytest.mark.parametrize("label", SELF)
def test_the_issuer_answers_after_the_restart(killed, label):
    certificates, before = killed
    name = f"begun-{label}"
    assert certificates.wait(name)["status"] == "completed"
    made = certificates.get(name)
    assert certificates.pending(name)["request_id"] == before["begun"][label]["request_id"]
    assert public_der(certificate_of(made)) == public_der(request_of(before["begun"][label]))
    assert [version_of(item) for item in certificates.versions(name)] == [version_of(made)]
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


@pytest.mark.parametrize("label", MERGED)
def test_what_waits_is_merged_after_the_restart(killed, authority, label):
    certificates, before = killed
    name = f"waiting-{label}"
    assert certificates.pending(name) == before["waiting"][label]
    assert refusal(certificates.ask_create(name, policy())) == (409, "Forbidden")
    signed = authority.answer(request_of(before["waiting"][label]))
    assert certificates.ask_merge(name, der(signed)).status_code == 201
    assert (certificate_of(certificates.get(name)), certificates.get(name)["tags"]) == (signed, {"c": "d"})
    assert Keys(certificates.wire).sign(name, "ES256", b"d" * 32)


def test_what_was_there_is_there(killed):
    certificates, before = killed
    assert certificates.get("kept") == before["kept"]
    assert certificates.secret("kept") == before["secret"]
    key, certificate, _ = pkcs12.load_key_and_certificates(base64.b64decode(before["secret"]["value"]), b"")
    assert isinstance(certificate, x509.Certificate) and public_der(key) == public_der(certificate)
    assert Keys(certificates.wire).sign("kept", "ES256", b"d" * 32)
