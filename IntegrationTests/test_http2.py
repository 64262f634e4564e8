"""HTTP/2: the same answers, and nobody can wear the server out."""

import json

import h2.errors
import h2.exceptions
import pytest
from hyperframe.frame import ContinuationFrame, HeadersFrame

from harness.http2 import Connection


@pytest.fixture
def connection(server):
    with Connection(server) as made:
        yield made


@pytest.fixture
def bearer(server) -> tuple[str, str]:
    return ("authorization", f"Bearer {server.token()}")


def alive(server) -> bool:
    with Connection(server) as connection:
        return connection.get("GET", "/secrets", ("authorization", "Bearer x")).status == 401


def test_http_2_is_agreed_on(connection):
    assert connection.protocol == "h2"


def test_a_secret_is_set_and_read(connection, bearer, name):
    path = f"/secrets/{name}?api-version=7.4"
    assert connection.get("PUT", path, bearer, ("content-type", "application/json"), body=b'{"value":"world"}').status == 200
    read = connection.get("GET", path, bearer)
    assert read.status == 200
    assert json.loads(read.body)["value"] == "world"


def test_the_challenge_is_the_same(server, connection):
    answer = connection.get("GET", "/secrets?api-version=7.4")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == server.wire_with(None).get("/secrets").headers["WWW-Authenticate"]


def test_the_headers_are_the_same(server, connection, bearer, name):
    over_1 = server.wire().get(f"/secrets/{name}", version="7.4").headers
    over_2 = connection.get("GET", f"/secrets/{name}?api-version=7.4", bearer).headers
    hop_by_hop = {"connection", "keep-alive", "content-length", "date"}
    assert {key.lower() for key in over_1} - hop_by_hop == {key for key in over_2 if not key.startswith(":")} - hop_by_hop


def test_many_streams_at_once_are_each_answered(connection, bearer, wire, name):
    wire.set_secret(name, "v")
    numbers = []
    for _ in range(5):
        numbers += [connection.begin("GET", f"/secrets/{name}?api-version=7.4", bearer) for _ in range(20)]
        assert all(json.loads(connection.finish(number).body)["value"] == "v" for number in numbers[-20:])
    assert len(numbers) == 100


def test_the_number_of_streams_at_once_is_limited(connection):
    connection.get("GET", "/secrets")
    assert connection.h2.remote_settings.max_concurrent_streams <= 1_000


def test_a_body_over_1_mib_is_refused(connection, bearer, name):
    answer = connection.get("PUT", f"/secrets/{name}?api-version=7.4", bearer, body=b" " * 1_100_000)
    assert answer.reset or answer.status == 413


def test_an_address_over_8_kib_is_refused(connection, bearer):
    assert connection.get("GET", "/secrets?api-version=7.4&x=" + "x" * 9_000, bearer).status == 414


@pytest.mark.parametrize("path", ["/secrets/%2e%2e/x", "/secrets%2fx", "/secrets/x%0a"])
def test_a_path_that_could_mean_another_is_refused(connection, bearer, path):
    assert connection.get("GET", f"{path}?api-version=7.4", bearer).status == 400


@pytest.mark.parametrize("count, size", [(200, 10), (20, 8_000)], ids=["over 128", "over 64 KiB"])
def test_too_many_or_too_large_headers_are_refused(server, connection, bearer, count, size):
    answer = connection.get("GET", "/secrets?api-version=7.4", bearer, *((f"x-{number}", "x" * size) for number in range(count)))
    assert connection.terminated or answer.reset or answer.status == 431
    assert alive(server)


def test_a_host_header_that_contradicts_the_authority_is_refused(server, bearer):
    with Connection(server, polite=False) as connection:
        answer = connection.get("GET", "/secrets?api-version=7.4", bearer, ("host", server.vault_host("other")))
    assert answer.reset or connection.terminated or answer.status == 400


def test_a_flood_of_streams_that_are_reset_at_once_is_cut_off(server, connection):
    sent = 0
    while not connection.terminated and sent < 50_000:
        number = connection.h2.get_next_available_stream_id()
        try:
            connection.h2.send_headers(number, connection.head("GET", "/secrets?api-version=7.4"), end_stream=True)
            connection.h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        except h2.exceptions.ProtocolError:
            break
        sent += 1
        if sent % 50 == 0:
            connection.flush()
            read_what_is_there(connection)
    assert connection.terminated
    assert alive(server)


def read_what_is_there(connection) -> None:
    connection.socket.settimeout(0.001)
    try:
        while connection.read():
            pass
    except TimeoutError:
        pass
    finally:
        connection.socket.settimeout(30)


def test_a_flood_of_continued_headers_is_cut_off(server, connection):
    """A header block that never ends: frames that the library would not send."""
    begin = HeadersFrame(1)
    begin.data = connection.h2.encoder.encode(connection.head("GET", "/secrets"))
    connection.send_raw(begin.serialize())
    literal = b"\x00" + b"\x06x-fill" + b"\x7f\x81\x3e" + b"x" * 8_064
    for _ in range(2_000):
        more = ContinuationFrame(1)
        more.data = literal
        connection.send_raw(more.serialize())
        if connection.terminated:
            break
    else:
        while connection.read():
            pass
    assert connection.terminated
    assert alive(server)


def test_a_flood_of_empty_continuations_is_cut_off(server, connection):
    begin = HeadersFrame(1)
    begin.data = connection.h2.encoder.encode(connection.head("GET", "/secrets"))
    connection.send_raw(begin.serialize())
    for _ in range(100):
        connection.send_raw(ContinuationFrame(1).serialize() * 1_000)
        if connection.terminated:
            break
    else:
        while connection.read():
            pass
    assert connection.terminated
    assert alive(server)


@pytest.mark.parametrize("flood", ["ping", "settings"])
def test_a_flood_of_frames_that_want_an_answer_does_not_wear_it_out(server, connection, flood):
    """Whether it is cut off or answered, the server goes on."""
    for number in range(20_000):
        if flood == "ping":
            connection.h2.ping(number.to_bytes(8, "big"))
        else:
            connection.h2.update_settings({4: 65_536 + number})
        if number % 100 == 0:
            connection.flush()
            read_what_is_there(connection)
        if connection.terminated:
            break
    assert alive(server)


def test_a_stream_that_announces_another_length_is_refused(connection, bearer, wire, name):
    answer = connection.get("PUT", f"/secrets/{name}?api-version=7.4", bearer, ("content-length", "5"), body=b'{"value":"v"}')
    assert connection.terminated or answer.reset or answer.status == 400
    assert wire.get(f"/secrets/{name}").status_code == 404


def test_secrets_of_two_vaults_are_not_mixed(server, connection, bearer, name):
    server.wire("demo").set_secret(name, "of demo")
    server.wire("other").set_secret(name, "of other")
    numbers = []
    for vault in ("demo", "other", "demo", "other"):
        connection.authority = server.vault_host(vault)
        numbers.append(connection.begin("GET", f"/secrets/{name}?api-version=7.4", bearer))
    values = [json.loads(connection.finish(number).body)["value"] for number in numbers]
    assert values == ["of demo", "of other", "of demo", "of other"]
