"""Connections: kept alive, answered in order, closed on the slow."""

import json
import socket
import ssl
import threading
import uuid
import warnings

import pytest

from harness.http1 import Connection


def authorised(server) -> str:
    return f"Authorization: Bearer {server.token()}"


# Kept alive, in order


def test_a_connection_is_kept_for_the_next_request(server):
    with Connection(server) as connection:
        request = connection.request("GET", "/secrets?api-version=7.4", authorised(server))
        assert [connection.exchange(request).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("status, target", [(401, None), (404, "/nothing"), (400, "/secrets?api-version=9.9")])
def test_a_refusal_does_not_end_the_connection(server, status, target):
    with Connection(server) as connection:
        bearer = [authorised(server)] if target else []
        assert connection.exchange(connection.request("GET", target or "/secrets", *bearer)).status == status
        assert connection.exchange(connection.request("GET", "/secrets?api-version=7.4", authorised(server))).status == 200


def test_a_client_that_asks_for_the_end_gets_it(server):
    with Connection(server) as connection:
        request = connection.request("GET", "/secrets?api-version=7.4", authorised(server), "Connection: close")
        assert connection.exchange(request).status == 200
        assert connection.is_closed()


def test_pipelined_requests_are_answered_in_order(server, name):
    identifiers = [str(uuid.uuid4()) for _ in range(20)]
    with Connection(server) as connection:
        connection.send(
            b"".join(
                connection.request("GET", f"/secrets/{name}?api-version=7.4", authorised(server), f"x-ms-client-request-id: {each}")
                for each in identifiers
            )
        )
        assert [connection.receive().headers["x-ms-client-request-id"] for _ in identifiers] == identifiers


def test_pipelined_writes_and_reads_see_each_other_in_order(server, name):
    path = f"/secrets/{name}?api-version=7.4"
    with Connection(server) as connection:
        requests = []
        for number in range(10):
            body = json.dumps({"value": str(number)}).encode()
            requests.append(connection.request("PUT", path, authorised(server), body=body))
            requests.append(connection.request("GET", path, authorised(server)))
        connection.send(b"".join(requests))
        answers = [json.loads(connection.receive().body)["value"] for _ in requests]
    assert answers == [str(number) for number in range(10) for _ in range(2)]


def test_pipelined_requests_of_different_callers_are_kept_apart(server, name):
    server.wire().set_secret(name, "v")
    path = f"/secrets/{name}?api-version=7.4"
    with Connection(server) as connection:
        with_token, without = connection.request("GET", path, authorised(server)), connection.request("GET", path)
        connection.send((with_token + without) * 5)
        assert [connection.receive().status for _ in range(10)] == [200, 401] * 5


def test_one_connection_may_serve_two_vaults_but_not_mix_them(server, name):
    server.wire("demo").set_secret(name, "of demo")
    server.wire("other").set_secret(name, "of other")
    with Connection(server) as connection:
        values = []
        for vault in ("demo", "other", "demo"):
            connection.host = server.vault_host(vault)
            answer = connection.exchange(connection.request("GET", f"/secrets/{name}?api-version=7.4", authorised(server)))
            values.append(json.loads(answer.body)["value"])
    assert values == ["of demo", "of other", "of demo"]


# The slow


class Slow:
    """A client that is too slow, run beside the others: how its connection ended, once it has."""

    def __init__(self, begin):
        self.ended: str | None = None
        self._thread = threading.Thread(target=self._run, args=(begin,), daemon=True)
        self._thread.start()

    def _run(self, begin) -> None:
        try:
            self.ended = begin()
        except (ConnectionError, ssl.SSLError, EOFError):
            self.ended = "closed"

    def result(self) -> str | None:
        self._thread.join(70)
        return self.ended


def ending(connection: Connection) -> str:
    """What the server says at the end, or that it just closed."""
    try:
        return str(connection.receive().status)
    except TimeoutError:
        return "open"
    except Exception:
        return "closed"


@pytest.fixture(scope="module")
def slow(server) -> dict[str, Slow]:
    """All the slow clients at once, so that their waiting is done once."""

    def no_handshake() -> str:
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        return "closed" if plain.recv(1) == b"" else "answered"

    def half_a_head() -> str:
        with Connection(server, timeout=60) as connection:
            connection.send(b"GET /secrets HTTP/1.1\r\nHost: ")
            return ending(connection)

    def a_head_by_drops() -> str:
        with Connection(server, timeout=60) as connection:
            connection.send(b"GET /secrets HTTP/1.1\r\n")
            for number in range(40):
                connection.socket.sendall(f"X{number}: x\r\n".encode())
                connection.socket.settimeout(1)
                try:
                    return "closed" if connection.socket.recv(100) == b"" else "408"
                except TimeoutError:
                    continue
            return "open"

    def half_a_body() -> str:
        with Connection(server, timeout=65) as connection:
            connection.send(connection.request("PUT", "/secrets/slow?api-version=7.4", authorised(server), "Content-Length: 100"))
            connection.send(b'{"value":')
            return ending(connection)

    clients = (no_handshake, half_a_head, a_head_by_drops, half_a_body)
    return {client.__name__: Slow(client) for client in clients}


@pytest.mark.parametrize("client", ["no_handshake", "half_a_head", "a_head_by_drops", "half_a_body"])
def test_a_client_that_is_too_slow_is_sent_away(slow, client):
    assert slow[client].result() in ("closed", "408")


def test_slow_clients_do_not_hold_up_the_others(server, wire, name):
    waiting = [Connection(server) for _ in range(100)]
    try:
        for connection in waiting:
            connection.send(b"GET /secrets HTTP/1.1\r\nHost: ")
        assert wire.set_secret(name)
    finally:
        for connection in waiting:
            connection.socket.close()


# TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def test_tls_1_2_and_1_3_are_spoken(server, version):
    with handshake(server, version) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda version: version.name)
def test_older_tls_is_refused(server, version):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server, version)


def handshake(server, version: ssl.TLSVersion) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=server.bundle)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    return context.wrap_socket(plain, server_hostname="demo.vault.localhost")


@pytest.mark.parametrize("host", ["demo.vault", "other.vault", "any.vault", "login", "management", "console", "demohsm.managedhsm"])
def test_the_certificate_is_valid_for_every_name(server, host):
    context = ssl.create_default_context(cafile=server.data / "ca.pem")
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    with context.wrap_socket(plain, server_hostname=f"{host}.localhost") as connection:
        assert connection.getpeercert()


def test_both_loopback_addresses_answer(server):
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as connection:
            connection.settimeout(10)
            assert connection.connect_ex((address, server.port)) == 0


def test_plain_http_gets_no_secret_and_no_challenge(server, name):
    server.wire().set_secret(name, "not in the clear")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(
            f"GET /secrets/{name}?api-version=7.4 HTTP/1.1\r\nHost: {server.vault_host()}\r\n{authorised(server)}\r\n\r\n".encode()
        )
        answer = b""
        try:
            while piece := connection.recv(4096):
                answer += piece
        except ConnectionError:
            pass
    assert b"not in the clear" not in answer and b"WWW-Authenticate" not in answer and b"200" not in answer
