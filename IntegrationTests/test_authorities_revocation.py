"""Revocation: lists and the status service, as `openssl` and Python's `cryptography` read them, over plain HTTP."""

import base64
import socket
import subprocess
import time
import uuid
from urllib.parse import quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from harness.authorities import Authorities, chain_of, openssl, pem, private_pem, public, request_for
from harness.certificates_wire import Certificates, refusal
from harness.ports import free_port

pytest_plugins = ["harness.certificates_fixtures"]


@pytest.fixture(scope="module")
def authorities(server) -> Authorities:
    return Authorities(Certificates(server.wire()))


@pytest.fixture
def authority(authorities, name) -> dict:
    return authorities.make(name)


@pytest.fixture
def issued(authorities, authority, name) -> tuple[str, x509.Certificate, x509.Certificate]:
    """The serial number, a certificate, and its issuer."""
    made = authorities.issue(name, request_for("a.example.com")[1])
    return made["serial_number"], *chain_of(made)


def read_list(address: str, issuer: x509.Certificate) -> x509.CertificateRevocationList:
    answer = public("GET", address)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pkix-crl")
    found = x509.load_der_x509_crl(answer.content)
    assert found.is_signature_valid(issuer.public_key()) and found.issuer == issuer.subject
    return found


def number(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def lists(authorities: Authorities, name: str, issuer: x509.Certificate, at_least: int):
    """Both lists, once they have a number."""
    for _ in range(100):
        state = authorities.get(name)["crl"]
        if state["number"] >= at_least:
            return read_list(state["url"], issuer), read_list(state["delta_url"], issuer)
        time.sleep(0.1)
    raise AssertionError(state)


def ask(authority: dict, leaf, issuer, hash=hashes.SHA1(), method="POST") -> ocsp.OCSPResponse:
    der = ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hash).build().public_bytes(Encoding.DER)
    url = authority["ocsp"]["url"]
    if method == "POST":
        answer = public("POST", url, data=der, headers={"Content-Type": "application/ocsp-request"})
    else:
        answer = public("GET", f"{url}/{quote(base64.b64encode(der), safe='')}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/ocsp-response")
    return ocsp.load_der_ocsp_response(answer.content)


REASONS = {
    "unspecified": None,
    "keyCompromise": x509.ReasonFlags.key_compromise,
    "cACompromise": x509.ReasonFlags.ca_compromise,
    "affiliationChanged": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessationOfOperation": x509.ReasonFlags.cessation_of_operation,
    "certificateHold": x509.ReasonFlags.certificate_hold,
    "privilegeWithdrawn": x509.ReasonFlags.privilege_withdrawn,
}


@pytest.mark.operation("AuthorityRevoke")
def test_every_reason_reaches_the_lists_and_the_status_service(authorities, authority, name):
    _, csr = request_for("a.example.com")
    made = {reason: authorities.issue(name, csr) for reason in REASONS}
    issuer = chain_of(made["unspecified"])[1]
    for reason, each in made.items():
        assert authorities.revoke(name, each["serial_number"], reason)["revocation"]["reason"] == reason
        told = ask(authority, chain_of(each)[0], issuer)
        assert (told.certificate_status, told.revocation_reason) == (ocsp.OCSPCertStatus.REVOKED, REASONS[reason])
    authorities.publish(name)
    full, _ = lists(authorities, name, issuer, 2)
    for reason, each in made.items():
        entry = full.get_revoked_certificate_by_serial_number(int(each["serial_number"], 16))
        shown = [extension.value.reason for extension in entry.extensions]
        assert shown == ([REASONS[reason]] if REASONS[reason] else [])


def test_a_revocation_is_in_both_lists_at_once(authorities, authority, name, issued):
    serial, leaf, issuer = issued
    before, _ = lists(authorities, name, issuer, 1)
    assert len(before) == 0 and number(before) == 1
    authorities.revoke(name, serial)
    full, delta = lists(authorities, name, issuer, 2)
    assert number(full) == number(delta) >= 2
    assert delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).critical
    assert delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number == 1
    for each in (full, delta):
        assert each.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    assert full.extensions.get_extension_for_class(x509.FreshestCRL)


@pytest.mark.operation("AuthorityPublish")
def test_publishing_makes_a_new_base(authorities, authority, name, issued):
    serial, leaf, issuer = issued
    authorities.revoke(name, serial)
    lists(authorities, name, issuer, 2)
    state = authorities.publish(name)["crl"]
    assert state["number"] == state["base_number"]
    full, delta = lists(authorities, name, issuer, state["number"])
    assert len(full) == 1 and len(delta) == 0


def test_a_hold_is_released_and_the_delta_says_so(authorities, authority, name, issued):
    serial, leaf, issuer = issued
    authorities.revoke(name, serial, "certificateHold")
    assert refusal(authorities.ask_revoke(name, serial, "certificateHold")) == (409, "Conflict")
    authorities.publish(name)
    assert authorities.revoke(name, serial, "removeFromCRL")["status"] == "good"
    assert ask(authority, leaf, issuer).certificate_status == ocsp.OCSPCertStatus.GOOD
    base = authorities.get(name)["crl"]["base_number"]
    full, delta = lists(authorities, name, issuer, base + 1)
    assert full.get_revoked_certificate_by_serial_number(leaf.serial_number) is None
    entry = delta.get_revoked_certificate_by_serial_number(leaf.serial_number)
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.remove_from_crl


def test_a_revocation_is_for_good(authorities, authority, name, issued):
    serial, *_ = issued
    assert refusal(authorities.ask_revoke(name, serial, "removeFromCRL")) == (400, "BadParameter")
    authorities.revoke(name, serial)
    assert refusal(authorities.ask_revoke(name, serial, "superseded")) == (409, "Conflict")
    assert refusal(authorities.ask_revoke(name, "00ff")) == (404, "CertificateNotFound")
    assert refusal(authorities.ask_revoke(name, "xyz")) == (400, "BadParameter")
    assert refusal(authorities.ask_revoke(name, serial, "bored")) == (400, "BadParameter")


def test_a_certificate_can_be_named_by_itself(authorities, authority, name, issued):
    _, leaf, issuer = issued
    cer = base64.b64encode(leaf.public_bytes(Encoding.DER)).decode()
    path = f"/certificates/{name}/authority/revoke"
    assert authorities.wire.post(path, json={"cer": cer}).json()["status"] == "revoked"
    assert refusal(authorities.wire.post(path, json={"cer": cer, "serial_number": "01"})) == (400, "BadParameter")
    assert refusal(authorities.wire.post(path, json={})) == (400, "BadParameter")


@pytest.mark.parametrize("hash", [hashes.SHA1(), hashes.SHA256()], ids=["SHA-1", "SHA-256"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_the_status_service_answers_signed_and_in_time(authority, issued, hash, method):
    _, leaf, issuer = issued
    told = ask(authority, leaf, issuer, hash, method)
    assert told.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL
    assert told.certificate_status == ocsp.OCSPCertStatus.GOOD
    assert told.serial_number == leaf.serial_number and told.hash_algorithm.name == hash.name
    assert told.next_update_utc > told.this_update_utc
    issuer.public_key().verify(told.signature, told.tbs_response_bytes, ec.ECDSA(told.signature_hash_algorithm))


def test_openssl_takes_the_answers(authority, issued, tmp_path):
    _, leaf, issuer = issued
    (tmp_path / "leaf").write_bytes(pem(leaf))
    (tmp_path / "issuer").write_bytes(pem(issuer))
    told = openssl("ocsp", "-issuer", tmp_path / "issuer", "-cert", tmp_path / "leaf", "-url", authority["ocsp"]["url"], "-no_nonce", "-CAfile", tmp_path / "issuer")
    assert "Response verify OK" in told and "leaf: good" in told


def test_what_the_status_service_does_not_know_it_does_not_answer(authorities, authority, name, issued):
    _, leaf, issuer = issued
    other = f"other-{uuid.uuid4().hex[:8]}"
    theirs = authorities.make(other)
    assert ask(theirs, leaf, issuer).response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED
    stranger = chain_of(authorities.issue(other, request_for("b.example.com")[1]))
    assert ask(authority, *stranger).response_status == ocsp.OCSPResponseStatus.UNAUTHORIZED
    answer = public("POST", authority["ocsp"]["url"], data=b"hello")
    assert ocsp.load_der_ocsp_response(answer.content).response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    answer = public("GET", authority["ocsp"]["url"] + "/!!")
    assert ocsp.load_der_ocsp_response(answer.content).response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST


def test_the_certificate_of_the_authority_is_had_where_its_certificates_say(authority, issued):
    _, _, issuer = issued
    answer = public("GET", authority["certificate_url"])
    assert (answer.headers["Content-Type"], answer.content) == ("application/pkix-cert", issuer.public_bytes(Encoding.DER))
    head = public("HEAD", authority["certificate_url"])
    assert head.headers["Content-Length"] == str(len(answer.content)) and head.content == b""


def test_nothing_else_is_served_without_tls(server, authority):
    base = authority["ocsp"]["url"].rsplit("/ocsp/", 1)[0]
    for path in ("/", "/secrets", "/crl", "/crl/demo/x.crl", "/crl/nowhere/" + "0" * 32 + ".crl", "/healthstatus", "/../secrets"):
        answer = public("GET", base + path)
        assert answer.status_code == 404 and "Use https" in answer.text, path
    assert public("PUT", base + "/crl/demo/x").status_code == 405
    assert public("POST", authority["ocsp"]["url"], data=b"x" * 20_000).status_code == 413
    assert public("GET", base + "/" + "a" * 9_000).status_code == 414


def test_requests_that_come_at_once_are_answered_in_their_order(authority):
    parts = urlsplit(authority["certificate_url"])
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = b""
        while chunk := line.recv(65_536):
            received += chunk
    assert received.startswith(b"HTTP/1.1 200 OK\r\n") and b"HTTP/1.1 404 Not Found\r\n" in received


@pytest.mark.parametrize("sent", [b"HELLO\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", b"GET x HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_clear_error_meets_what_is_no_request(authority, sent):
    parts = urlsplit(authority["certificate_url"])
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as line:
        line.sendall(sent)
        assert line.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_nginx_serves_with_an_issued_certificate_and_asks_its_clients_for_one(authorities, name, tmp_path):
    authorities.make(name)
    files = {}
    for label, profile in (("server", "tlsServer"), ("client", "tlsClient"), ("revoked", "tlsClient")):
        key, csr = request_for("localhost")
        made = authorities.issue(name, csr, profile=profile)
        files[label] = made["serial_number"]
        chain = chain_of(made)
        (tmp_path / f"{label}.pem").write_bytes(pem(*chain[:1]))
        (tmp_path / f"{label}.key").write_bytes(private_pem(key))
        (tmp_path / "root.pem").write_bytes(pem(chain[1]))
    authorities.revoke(name, files["revoked"])
    full, _ = lists(authorities, name, chain[1], 2)
    (tmp_path / "crl.pem").write_bytes(full.public_bytes(Encoding.PEM))
    port = free_port()
    (tmp_path / "nginx.conf").write_text(
        f"""daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}
        http {{ access_log off; client_body_temp_path {tmp_path}; proxy_temp_path {tmp_path}; fastcgi_temp_path {tmp_path};
          uwsgi_temp_path {tmp_path}; scgi_temp_path {tmp_path};
          server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {tmp_path}/server.pem; ssl_certificate_key {tmp_path}/server.key;
            ssl_client_certificate {tmp_path}/root.pem; ssl_crl {tmp_path}/crl.pem; ssl_verify_client on;
            location / {{ return 200 "hello"; }} }} }}"""
    )
    nginx = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)], stderr=subprocess.PIPE)
    try:

        def curl(*client: str) -> str:
            result = subprocess.run(
                ["curl", "-s", "--cacert", str(tmp_path / "root.pem"), "--retry", "20", "--retry-connrefused", "--retry-delay", "1", *client]
                + ["-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}", f"https://localhost:{port}/"],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            return result.stdout

        def holding(label: str) -> tuple[str, ...]:
            return ("--cert", str(tmp_path / f"{label}.pem"), "--key", str(tmp_path / f"{label}.key"))

        assert curl(*holding("client")) == "200 0"
        assert curl() == "400 0"
        assert curl(*holding("revoked")) == "400 0"
    finally:
        nginx.terminate()
        nginx.wait(10)


def test_what_was_answered_survives_a_kill(own_server):
    server = own_server()
    authorities = Authorities(Certificates(server.wire()))
    authority = authorities.make("root")
    _, csr = request_for("a.example.com")
    made = [authorities.issue("root", csr) for _ in range(20)]
    authorities.revoke("root", made[0]["serial_number"])
    server.kill()
    server.start()
    authorities = Authorities(Certificates(server.wire()))
    told = {each["serial_number"]: each["status"] for each in authorities.issued("root")}
    assert told == {each["serial_number"]: "revoked" if each is made[0] else "good" for each in made}
    issuer = chain_of(made[0])[1]
    full, _ = lists(authorities, "root", issuer, 2)
    assert full.get_revoked_certificate_by_serial_number(int(made[0]["serial_number"], 16)) is not None
    assert ask(authorities.get("root"), chain_of(made[0])[0], issuer).certificate_status == ocsp.OCSPCertStatus.REVOKED
    assert ask(authority, chain_of(made[1])[0], issuer).certificate_status == ocsp.OCSPCertStatus.GOOD
