"""Every limit of a request has a clear answer."""

import json

import pytest

from harness.http1 import Connection

GET = "/secrets?api-version=7.4"


@pytest.fixture
def connection(server):
    with Connection(server) as made:
        yield made


@pytest.fixture
def bearer(server) -> str:
    return f"Authorization: Bearer {server.token()}"


def error_code(answer) -> str:
    return json.loads(answer.body)["error"]["code"]


def test_a_head_of_60_kib_is_taken(connection, bearer):
    filling = [f"X-Filling-{number}: {'x' * 7_000}" for number in range(8)]
    assert connection.exchange(connection.request("GET", GET, bearer, *filling)).status == 200


@pytest.mark.parametrize("count, size", [(10, 7_000), (1, 66_000), (100, 700), (1, 3_000_000)])
def test_a_head_over_64_kib_is_refused(connection, bearer, count, size):
    filling = [f"X-Filling-{number}: {'x' * size}" for number in range(count)]
    answer = connection.exchange(connection.request("GET", GET, bearer, *filling))
    assert answer.status == 431
    assert connection.is_closed()


def test_a_hundred_headers_are_taken(connection, bearer):
    filling = [f"X-Filling-{number}: x" for number in range(100)]
    assert connection.exchange(connection.request("GET", GET, bearer, *filling)).status == 200


@pytest.mark.parametrize("count", [129, 200, 5_000])
def test_over_128_headers_are_refused(connection, bearer, count):
    filling = [f"X{number}: x" for number in range(count)]
    assert connection.exchange(connection.request("GET", GET, bearer, *filling)).status == 431


def test_an_address_of_8000_bytes_is_taken(connection, bearer):
    target = GET + "&filling=" + "x" * (8_000 - len(GET) - 9)
    assert connection.exchange(connection.request("GET", target, bearer)).status == 200


@pytest.mark.parametrize("size", [8_193, 20_000, 60_000])
def test_an_address_over_8_kib_is_refused(connection, bearer, size):
    target = GET + "&filling=" + "x" * (size - len(GET) - 9)
    assert connection.exchange(connection.request("GET", target, bearer)).status == 414


def padded_body(size: int) -> bytes:
    return b'{"value":"v"' + b" " * (size - 13) + b"}"


def test_a_body_of_1_mib_is_taken(connection, bearer, name):
    request = connection.request("PUT", f"/secrets/{name}?api-version=7.4", bearer, body=padded_body(1_048_576))
    assert connection.exchange(request).status == 200


def test_a_body_over_1_mib_is_refused(connection, bearer, name):
    request = connection.request("PUT", f"/secrets/{name}?api-version=7.4", bearer, body=padded_body(1_048_577))
    assert connection.exchange(request).status == 413


def test_a_body_announced_over_1_mib_is_refused_before_it_comes(connection, bearer, name):
    request = connection.request("PUT", f"/secrets/{name}?api-version=7.4", bearer, "Content-Length: 1000000000000")
    answer = connection.exchange(request)
    assert answer.status == 413
    assert error_code(answer)


def test_a_chunked_body_over_1_mib_is_refused(connection, bearer, name):
    head = connection.request("PUT", f"/secrets/{name}?api-version=7.4", bearer, "Transfer-Encoding: chunked")
    chunks = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    assert connection.exchange(head + chunks * 20 + b"0\r\n\r\n").status == 413


def test_the_server_goes_on_after_all_that(wire, name):
    assert wire.set_secret(name)
