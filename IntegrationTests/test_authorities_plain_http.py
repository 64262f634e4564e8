"""Plain HTTP on the port of the server: signed documents for anyone, and not a word of anything else."""

import subprocess

import pytest
from cryptography.hazmat.primitives import hashes

from harness.audit import records_about
from harness.authorities_public import OCSP_REQUEST, PlainConnection, fetch, path_of, status_request
from harness.authorities_wire import Authorities, certificates_of
from harness.environment import clean_environment

pytest_plugins = ["harness.authorities_fixtures"]


@pytest.fixture(scope="module")
def shown(server, root) -> dict:
    return Authorities(server.wire()).get(root)


@pytest.fixture
def plain(shown):
    with PlainConnection(shown["crl"]["url"]) as connection:
        yield connection


@pytest.fixture(scope="module")
def question(server, root) -> bytes:
    """A request for a status that is good."""
    leaf, issuer = certificates_of(Authorities(server.wire()).issue(root))
    return status_request(leaf, issuer, hashes.SHA1())


ALL = ["crl", "delta", "certificate", "ocsp"]


def urls_of(shown: dict) -> dict[str, str]:
    crl = shown["crl"]
    return {"crl": crl["url"], "delta": crl["delta_url"], "certificate": shown["certificate_url"], "ocsp": shown["ocsp"]["url"]}


@pytest.mark.parametrize("document", ALL)
def test_head_tells_what_get_would_and_has_no_body(plain, shown, document):
    path = path_of(urls_of(shown)[document])
    got = plain.exchange(plain.request("GET", path))
    plain.send(plain.request("HEAD", path) + plain.request("GET", path))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += plain.reader.readline()
    again = plain.receive()
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(got.body)}".encode() in head and len(got.body) > 0
    assert (again.status, again.body) == (200, got.body)


def test_a_connection_is_kept_for_the_next_request(plain, shown):
    path = path_of(shown["crl"]["url"])
    answers = [plain.exchange(plain.request("GET", path)) for _ in range(20)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}


def test_requests_that_do_not_wait_are_answered_in_their_order(plain, shown, question):
    urls = urls_of(shown)
    paths = [path_of(urls[name]) for name in ("crl", "delta", "certificate")] * 10
    post = plain.request("POST", path_of(urls["ocsp"]), "Content-Type: application/ocsp-request", body=question)
    plain.send(b"".join(plain.request("GET", path) + post for path in paths))
    for path in paths:
        assert plain.receive().body == fetch(f"http://{plain.host}{path}").content
        assert plain.receive().headers["content-type"] == "application/ocsp-response"


def test_a_request_in_small_pieces_is_answered(plain, shown, question):
    whole = plain.request("POST", path_of(shown["ocsp"]["url"]), body=question)
    for place in range(0, len(whole), 16):
        plain.send(whole[place : place + 16])
    assert plain.receive().headers["content-type"] == "application/ocsp-response"


def test_a_body_in_chunks_is_read(plain, shown, question):
    chunks = b"%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (10, question[:10], len(question) - 10, question[10:])
    plain.send(plain.request("POST", path_of(shown["ocsp"]["url"]), "Transfer-Encoding: chunked") + chunks)
    assert plain.receive().headers["content-type"] == "application/ocsp-response"


def test_a_body_that_is_announced_is_asked_for(plain, shown, question):
    head = plain.request("POST", path_of(shown["ocsp"]["url"]), "Expect: 100-continue", f"Content-Length: {len(question)}")
    plain.send(head)
    assert plain.reader.readline() == b"HTTP/1.1 100 Continue\r\n"
    plain.reader.readline()
    assert plain.exchange(question).headers["content-type"] == "application/ocsp-response"


def test_an_older_client_is_answered_and_the_connection_closed(plain, shown):
    answer = plain.exchange(f"GET {path_of(shown['crl']['url'])} HTTP/1.0\r\n\r\n".encode())
    assert answer.status == 200
    assert plain.is_closed()


def test_a_client_that_wants_to_close_is_obeyed(plain, shown):
    assert plain.exchange(plain.request("GET", path_of(shown["crl"]["url"]), "Connection: close")).status == 200
    assert plain.is_closed()


def test_a_whole_address_as_the_target_is_understood(plain, shown):
    assert plain.exchange(plain.request("GET", shown["crl"]["url"])).status == 200


def test_a_query_does_not_matter(shown):
    assert fetch(shown["crl"]["url"] + "?a=b").status_code == 200


# What is not there


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("document", ["crl", "ocsp"])
def test_another_method_is_refused(shown, document, method):
    answer = fetch(urls_of(shown)[document], method)
    assert (answer.status_code, answer.text) == (405, "Only GET, HEAD and POST are answered here.\n")


@pytest.mark.parametrize("document", ["crl", "delta", "certificate"])
def test_nothing_is_posted_to_a_document(shown, document):
    assert fetch(urls_of(shown)[document], "POST", data=b"x").status_code == 404


WRONG = {
    "another vault": lambda path: path.replace("/demo/", "/demo2/"),
    "no vault": lambda path: path.replace("/demo/", "/nowhere/"),
    "no generation": lambda path: path.rsplit("/", 1)[0] + "/" + "0" * 32 + ".crl",
    "no identifier": lambda path: path.rsplit("/", 1)[0] + "/x.crl",
    "another ending": lambda path: path.removesuffix(".crl") + ".pem",
    "no ending": lambda path: path.removesuffix(".crl"),
    "only the first part": lambda path: "/crl",
    "too deep": lambda path: path + "/x",
    "one slash more": lambda path: path.replace("/crl/", "/crl//"),
    "out of the folder": lambda path: path.replace("/crl/", "/crl/../crl/"),
}


@pytest.mark.parametrize("label", WRONG)
def test_a_path_with_nothing_behind_it_is_not_found(plain, shown, label):
    answer = plain.exchange(plain.request("GET", WRONG[label](path_of(shown["crl"]["url"]))))
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain")
    assert b"Use https" in answer.body


def test_a_generation_of_another_authority_has_no_status_here(shown, question):
    answer = fetch(shown["ocsp"]["url"][:-32] + "0" * 32, "POST", data=question, headers=OCSP_REQUEST)
    assert answer.content[-1] == 6, "unauthorized (RFC 6960 §4.2.1)"


@pytest.mark.parametrize("target", ["/crl/%zz/x", "x"])
def test_a_path_that_is_no_path_is_refused(plain, target):
    answer = plain.exchange(plain.request("GET", target))
    assert answer.status == 400
    assert plain.is_closed()


# Limits


def test_a_long_body_is_refused(plain, shown):
    answer = plain.exchange(plain.request("POST", path_of(shown["ocsp"]["url"]), body=bytes(17 << 10)))
    assert answer.status == 413
    assert plain.is_closed()


def test_a_body_without_an_end_is_refused(plain, shown):
    head = plain.request("POST", path_of(shown["ocsp"]["url"]), "Transfer-Encoding: chunked")
    plain.send(head + b"400\r\n%s\r\n" % bytes(1024))
    for _ in range(20):
        plain.send(b"400\r\n%s\r\n" % bytes(1024))
    assert plain.receive().status == 413


def test_a_long_target_is_refused(plain):
    assert plain.exchange(plain.request("GET", "/ocsp/" + "x" * 20_000)).status in (414, 431)
    assert plain.is_closed()


def test_a_target_above_the_limit_is_told_so(plain):
    assert plain.exchange(plain.request("GET", "/ocsp/" + "x" * 9_000)).status == 414


def test_too_many_headers_are_refused(plain):
    assert plain.exchange(plain.request("GET", "/", *(f"X-{number}: {'x' * 500}" for number in range(200)))).status in (400, 431)


@pytest.mark.parametrize(("data", "statuses"), [(b"GARBAGE\r\n\r\n", (400,)), (b"GET\r\n\r\n", (400,)), (b"GET / HTTP/9.9\r\n\r\n", (400, 505))])
def test_what_is_not_http_is_refused(plain, data, statuses):
    assert plain.exchange(data).status in statuses
    assert plain.is_closed()


# What needs TLS


HIDDEN = [
    "/secrets/{secret}",
    "/secrets/{secret}?api-version=7.4",
    "/secrets/nothing-of-this-name",
    "/certificates/{root}/authority",
    "/keys",
    "/subscriptions",
    "/health",
    "/healthstatus",
    "/../secrets",
    "/",
]


@pytest.mark.parametrize("host", ["demo.vault.localhost", "login.localhost", "management.localhost", "pki.localhost"])
@pytest.mark.parametrize("path", HIDDEN)
def test_what_needs_tls_answers_every_plain_request_alike(server, wire, cli, plain, root, name, host, path):
    wire.set_secret(name, "not for everyone")
    target = path.format(secret=name, root=root)
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}:{server.port}", f"Authorization: Bearer {server.token()}"]
    answer = plain.exchange("\r\n".join(lines).encode() + b"\r\n\r\n")
    text = answer.body.decode()
    assert (answer.status, answer.headers["content-type"]) == (404, "text/plain")
    assert "Use https for everything else." in text
    assert "not for everyone" not in text and name not in text
    assert not {"www-authenticate", "location"} & answer.headers.keys()


def test_a_plain_write_writes_nothing(server, wire, plain, name):
    body = b'{"value":"v"}'
    head = [f"Authorization: Bearer {server.token()}", "Content-Type: application/json"]
    assert plain.exchange(plain.request("PUT", f"/secrets/{name}?api-version=7.4", *head, body=body)).status == 405
    assert plain.exchange(plain.request("POST", f"/certificates/{name}/create", *head, body=body)).status == 404
    assert wire.get(f"/secrets/{name}").status_code == 404


def test_a_plain_request_leaves_no_record(cli, shown):
    fetch(shown["crl"]["url"])
    fetch(shown["crl"]["url"].replace(".crl", "-none"))
    assert records_about(cli, path_of(shown["crl"]["url"])) == []


def test_the_same_port_still_speaks_tls(server, wire):
    assert wire.get("/secrets").status_code == 200
    output = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-servername", "demo.vault.localhost", "-CAfile", server.bundle],
        input=b"", capture_output=True, timeout=30, env=clean_environment(),
    ).stdout  # fmt: skip
    assert b"Verify return code: 0 (ok)" in output


@pytest.mark.parametrize("first", [b"\x00", b"\x80\x2e\x01", b" GET / HTTP/1.1\r\n\r\n", b"\r\nGET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello"])
def test_what_is_neither_tls_nor_http_is_not_answered_with_a_document(shown, first):
    with PlainConnection(shown["crl"]["url"], timeout=5) as connection:
        connection.send(first + bytes(200))
        try:
            received = connection.reader.read1(4096)
        except (TimeoutError, ConnectionError):
            received = b""
        assert b"200 OK" not in received
    assert fetch(shown["crl"]["url"]).status_code == 200
