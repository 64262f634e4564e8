"""A web server with certificates of an authority, its clients, and what both make of a revocation."""

import time
from pathlib import Path

import pytest
from cryptography import x509

from harness.authorities_public import list_with, openssl, write_pem
from harness.authorities_wire import CLIENT, Authorities, fresh, leaf_of, leaf_policy, signing_request
from harness.certificates_made import PEM, new_key, pem_of_key
from harness.certificates_wire import make_together
from harness.nginx import Nginx

pytest_plugins = ["harness.authorities_fixtures"]

HOST = "www.example.com"
AS_PEM = {"secret_props": {"contentType": PEM}}


@pytest.fixture(scope="module")
def made(server, root, below, tmp_path_factory) -> Path:
    """A folder with the files of a server and of three clients, one of them revoked; all from an intermediate."""
    authorities, folder = Authorities(server.wire()), tmp_path_factory.mktemp("nginx")
    issuer, prefix = authorities.issuer(fresh("nginx"), below), fresh("nginx")
    client = {"subject": "CN=client", "sans": {"emails": ["client@example.com"]}, "ekus": [CLIENT]}
    make_together(
        authorities.certificates,
        prefix,
        {"server": leaf_policy(issuer, (HOST,), **AS_PEM), "client": leaf_policy(issuer, x509_props=client, **AS_PEM)},
    )
    for label in ("server", "client"):
        (folder / f"{label}.pem").write_text(authorities.certificates.secret(f"{prefix}-{label}")["value"])
    key = new_key()
    revoked = authorities.issue(below, signing_request("revoked", dns=(), key=key), profile="tlsClient")
    (folder / "revoked.pem").write_text(pem_of_key(key) + write_text(folder, revoked))
    write_pem(folder / "root.pem", authorities.certificate(root))
    write_pem(folder / "chain.pem", authorities.certificate(below), authorities.certificate(root))
    authorities.revoke(below, revoked["serial_number"], "keyCompromise")
    lists = [
        list_with(authorities.get(below)["crl"]["url"], leaf_of(revoked).serial_number),
        list_with(authorities.get(root)["crl"]["url"], 1, present=False),
    ]
    write_pem(folder / "lists.pem", *lists)
    return folder


def write_text(folder: Path, answer: dict) -> str:
    return Path(write_pem(folder / "made.pem", leaf_of(answer))).read_text()


@pytest.fixture(scope="module")
def web(made):
    """Serves whoever has a certificate of the authority that is not revoked."""
    settings = (
        "ssl_verify_client on;",
        "ssl_verify_depth 3;",
        f"ssl_client_certificate {made}/chain.pem;",
        f"ssl_crl {made}/lists.pem;",
    )
    with Nginx(made, *settings) as running:
        yield running


def test_a_server_with_an_issued_certificate_is_trusted(made):
    folder = made / "open"
    folder.mkdir()
    (folder / "server.pem").write_text((made / "server.pem").read_text())
    with Nginx(folder) as open_to_all:
        answer = open_to_all.curl(HOST, made / "root.pem")
        assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, "200"), answer.stderr
        assert open_to_all.curl("other.example.com", made / "root.pem").returncode == 60


def test_a_client_with_a_certificate_is_served(web, made):
    answer = web.curl(HOST, made / "root.pem", "--cert", str(made / "client.pem"))
    assert answer.stdout.splitlines() == ["served to CN=client", "200"], answer.stderr


def test_a_client_without_a_certificate_is_refused(web, made):
    answer = web.curl(HOST, made / "root.pem")
    assert answer.stdout.splitlines()[-1] == "400"
    assert "No required SSL certificate was sent" in answer.stdout


def test_a_client_whose_certificate_was_revoked_is_refused(web, made):
    answer = web.curl(HOST, made / "root.pem", "--cert", str(made / "revoked.pem"))
    assert answer.stdout.splitlines()[-1] == "400"
    assert "The SSL certificate error" in answer.stdout
    assert "certificate revoked" in (made / "error.log").read_text()


def test_a_certificate_for_servers_is_not_one_for_clients(web, made, authorities, below):
    key = new_key()
    answer = authorities.issue(below, signing_request(HOST, key=key), profile="tlsServer")
    (made / "wrong.pem").write_text(pem_of_key(key) + write_text(made, answer))
    assert web.curl(HOST, made / "root.pem", "--cert", str(made / "wrong.pem")).stdout.splitlines()[-1] == "400"


def test_the_status_is_stapled(made, authorities, below):
    """nginx asks the status service itself and checks the answer."""
    folder = made / "stapling"
    folder.mkdir()
    (folder / "server.pem").write_text((made / "server.pem").read_text())
    responder = authorities.get(below)["ocsp"]["url"].replace("pki.localhost", "127.0.0.1")
    settings = (
        "ssl_stapling on;",
        "ssl_stapling_verify on;",
        f"ssl_stapling_responder {responder};",
        f"ssl_trusted_certificate {made}/chain.pem;",
    )
    with Nginx(folder, *settings) as web:
        for _ in range(150):
            words = ("-connect", f"127.0.0.1:{web.port}", "-servername", HOST, "-status", "-CAfile", str(made / "root.pem"))
            output = openssl("s_client", *words, data=b"").stdout.decode()
            if "OCSP Response Status: successful" in output:
                break
            time.sleep(0.2)
        assert "Cert Status: good" in output, (folder / "error.log").read_text()
        assert web.curl(HOST, made / "root.pem", "--cert-status").returncode == 0


def test_the_chain_that_nginx_sends_is_that_of_the_secret(made, authorities, below, root):
    sent = x509.load_pem_x509_certificates((made / "server.pem").read_bytes())
    assert sent[1:] == [authorities.certificate(below), authorities.certificate(root)]
