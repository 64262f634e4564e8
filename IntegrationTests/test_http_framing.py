"""Requests that two readers could read differently are refused, and the connection is closed."""

import pytest

from harness.http1 import Connection

TARGET = "/secrets?api-version=7.4"


@pytest.fixture
def connection(server):
    with Connection(server) as made:
        yield made


@pytest.fixture
def bearer(server) -> str:
    return f"Authorization: Bearer {server.token()}"


def put(connection, name, bearer, *headers, body=b"") -> bytes:
    return connection.request("PUT", f"/secrets/{name}?api-version=7.4", bearer, *headers) + body


BODY = b'{"value":"v"}'
CHUNKED = b"d\r\n" + BODY + b"\r\n0\r\n\r\n"


# Where a body ends


@pytest.mark.parametrize(
    "headers, body",
    [
        (["Content-Length: 13", "Transfer-Encoding: chunked"], CHUNKED),
        (["Transfer-Encoding: chunked", "Content-Length: 13"], CHUNKED),
        (["Content-Length: 13", "Content-Length: 14"], BODY),
        (["Content-Length: 13, 14"], BODY),
        (["Content-Length: -1"], BODY),
        (["Content-Length: +13"], BODY),
        (["Content-Length: 0x0d"], BODY),
        (["Content-Length: 13 13"], BODY),
        (["Content-Length: thirteen"], BODY),
        (["Content-Length: 99999999999999999999999"], BODY),
        (["Transfer-Encoding: chunked, identity"], CHUNKED),
        (["Transfer-Encoding: identity, chunked"], CHUNKED),
        (["Transfer-Encoding: xchunked"], CHUNKED),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], CHUNKED),
        (["Transfer-Encoding: gzip"], CHUNKED),
        (["Transfer-Encoding : chunked"], CHUNKED),
        (["Content-Length : 13"], BODY),
        (["Transfer-Encoding: chunked"], b"g\r\n" + BODY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"-d\r\n" + BODY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"fffffffffffffffff\r\n" + BODY + b"\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"5\r\n" + BODY + b"\r\n0\r\n\r\n"),
    ],
    ids=str,
)
def test_a_body_whose_end_is_in_doubt_is_refused_and_the_connection_closed(connection, wire, name, bearer, headers, body):
    answer = connection.exchange(put(connection, name, bearer, *headers, body=body))
    assert answer.status in (400, 413, 501)
    assert connection.is_closed()
    assert wire.get(f"/secrets/{name}").status_code == 404


def test_length_and_chunks_together_are_a_bad_request(connection, name, bearer):
    headers = ["Content-Length: 13", "Transfer-Encoding: chunked"]
    assert connection.exchange(put(connection, name, bearer, *headers, body=CHUNKED)).status == 400


def test_what_follows_a_refused_request_is_not_taken_for_a_request(connection, wire, name, bearer):
    hidden = connection.request("PUT", f"/secrets/{name}?api-version=7.4", bearer, body=BODY)
    connection.send(put(connection, name, bearer, "Content-Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + hidden))
    assert connection.receive().status == 400
    assert connection.is_closed()
    assert wire.get(f"/secrets/{name}").status_code == 404


def test_a_chunked_body_is_taken(connection, wire, name, bearer):
    assert connection.exchange(put(connection, name, bearer, "Transfer-Encoding: chunked", body=CHUNKED)).status == 200
    assert wire.get(f"/secrets/{name}").json()["value"] == "v"


def test_a_body_in_many_small_pieces_is_taken(connection, wire, name, bearer):
    for byte in put(connection, name, bearer, "Content-Length: 13", body=BODY):
        connection.send(bytes([byte]))
    assert connection.receive().status == 200
    assert wire.get(f"/secrets/{name}").json()["value"] == "v"


# The head


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /secrets\r\nHost: {host}\r\n\r\n",
        b"GET /secrets HTTP/9.9\r\nHost: {host}\r\n\r\n",
        b"GET /secrets HTTQ/1.1\r\nHost: {host}\r\n\r\n",
        b"GET /sec rets HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"G@T /secrets HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"GET secrets HTTP/1.1\r\nHost: {host}\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nNo colon\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\n: no name\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nSpace : before\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nX: folded\r\n over\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nX: nul\x00\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nX: bare\rreturn\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nX\x01: control\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: {host}\r\nHost: other.vault.localhost\r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET /secrets HTTP/1.1\r\nHost: demo vault\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_a_malformed_head_is_a_bad_request(connection, head):
    answer = connection.exchange(head.replace(b"{host}", connection.host.encode()))
    assert answer.status in (400, 505)
    assert connection.is_closed()


def test_a_refusal_of_malformed_http_has_an_error_body(connection):
    answer = connection.exchange(b"nonsense\r\n\r\n")
    assert answer.status == 400
    assert b'"error"' in answer.body and b'"code"' in answer.body


def test_no_answer_repeats_what_a_header_said(connection):
    """A request id from a client comes back in a header: it must not be able to make another."""
    request = connection.request("GET", TARGET, "x-ms-client-request-id: a\r\nb: c", "x-ms-client-request-id: \xe9\x85")
    answer = connection.exchange(request)
    assert "b" not in answer.headers


def test_many_malformed_connections_leave_the_server_whole(server, wire, name):
    for number in range(100):
        with Connection(server) as connection:
            connection.send(bytes([number]) * (number + 1) + b"\r\n\r\n")
    assert wire.set_secret(name)
