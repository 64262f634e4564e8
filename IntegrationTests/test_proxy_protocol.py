"""The PROXY protocol: read from the addresses that the configuration names, where it must stand, and from nobody else."""

import json
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import audit
from harness.command_line import CommandLine
from harness.http1 import Connection
from harness.management_wire import Arm
from harness.ports import free_port
from harness.production import Production
from harness.proxy_protocol import (
    LOCAL, SIGNATURE, TCP4, TCP6, UDP4, UDP6, UNIX, UNSPEC, Http1, Http2, Way, addresses, binary, block, line, tlv, told_address)

CLIENT, CLIENT6, OTHER, BALANCER = "203.0.113.7", "2001:db8:7::7", "203.0.113.8", "10.0.0.9"
PATH = "/secrets/held?api-version=7.4"
HEAD_TIME = 10


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    """Proxies are at 127.0.0.1 only: from ::1 and from the rest of 127.0.0.0/8 come clients. Beside them, a balancer by header."""
    made = Production(binary, tmp_path_factory.mktemp("proxy"))
    made.settings["network"] = {"proxyProtocol": ["127.0.0.1"], "trustedProxies": [BALANCER]}
    plain = free_port()
    made.settings["pki"] = {"address": f"http://pki.localhost:{plain}", "port": plain}
    made.initialise().start()
    arm = Arm.production(made)
    CommandLine(made.binary, made.client_env).assign(made.owner, "Key Vault Secrets Officer", arm.subscription)
    made.wire().set_secret("held", "value")
    arm.change("demo", networkAcls={
        "defaultAction": "Deny", "ipRules": [{"value": CLIENT}, {"value": "2001:db8:7::/64"}, {"value": "100.64.0.0/16"}]})
    yield made
    made.kill()


@pytest.fixture(scope="module")
def cli(production) -> CommandLine:
    return CommandLine(production.binary, production.client_env)


@pytest.fixture(scope="module")
def token(production) -> str:
    return production.token()


@pytest.fixture(params=[Http1, Http2])
def speak(request):
    return request.param


def assert_serves(production: Production, token: str) -> None:
    with Http1(production, Way(line(CLIENT))) as connection:
        assert connection.ask(PATH, token)[0] == 200


def assert_fails(production: Production, way: Way) -> None:
    """The connection ends, without a word, before TLS is spoken on it."""
    with pytest.raises((ssl.SSLError, ConnectionError)) as failed:
        Http1(production, way).socket.close()
    assert not isinstance(failed.value, ssl.SSLCertVerificationError)


# Who the client is


@pytest.mark.parametrize(("header", "address", "status"), [
    (line(CLIENT), CLIENT, 200), (line(OTHER), OTHER, 403), (line(CLIENT6), CLIENT6, 200),
    (line("2001:db8:8::7"), "2001:db8:8::7", 403), (line(CLIENT, ports="0 65535"), CLIENT, 200), (b"PROXY UNKNOWN\r\n", "127.0.0.1", 403),
    (b"PROXY UNKNOWN 203.0.113.7 198.51.100.1 1 443\r\n", "127.0.0.1", 403), (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", "127.0.0.1", 403),
    (block(CLIENT), CLIENT, 200), (block(OTHER), OTHER, 403), (block(CLIENT6), CLIENT6, 200),
    (block("2001:db8:8::7"), "2001:db8:8::7", 403),
    (block(CLIENT, tlv(0x02, b"demo.vault.localhost"), tlv(0x03, b"\0" * 4), tlv(0x04, b"")), CLIENT, 200),
    (block(CLIENT6, tlv(0x05, b"unique"), tlv(0xEA, b"\r\n" * 9)), CLIENT6, 200), (block(CLIENT, tlv(0x04, b"\0" * 1_900)), CLIENT, 200),
    (binary(b"", UNSPEC, LOCAL), "127.0.0.1", 403), (binary(addresses(CLIENT), TCP4, LOCAL), "127.0.0.1", 403),
    (binary(b"\1\2\3", UNIX, LOCAL), "127.0.0.1", 403), (binary(b"", UNSPEC), "127.0.0.1", 403),
    (binary(tlv(0x04, b"\0" * 9), UNSPEC), "127.0.0.1", 403),
], ids=lambda value: ascii(value)[2:42] if isinstance(value, bytes) else str(value))
def test_rules_judge_the_client_that_the_header_names(production, token, speak, header, address, status):
    with speak(production, Way(header)) as connection:
        for _ in range(2):
            told = connection.ask(PATH, token)
            assert (told[0], told_address(told[1])) == (status, address)
    kind = "conn_type=Ipv6;addr={};act_addr_fam=InterNetworkV6;" if ":" in address else "conn_type=Ipv4;addr={};act_addr_fam=InterNetwork;"
    assert told[1]["x-ms-keyvault-network-info"] == kind.format(address)
    if status == 403:
        error = json.loads(told[2])["error"]
        assert error["innererror"]["code"] == "ForbiddenByFirewall" and f"Client address: {address}\r\n" in error["message"]


def test_an_address_in_the_clothes_of_ipv6_is_the_ipv4_address(production, token, speak):
    for header in (line(f"::ffff:{CLIENT}"), block(f"::ffff:{CLIENT}")):
        with speak(production, Way(header)) as connection:
            assert connection.ask(PATH, token)[0] == 200


@pytest.mark.parametrize("header", [line(CLIENT), block(CLIENT, tlv(0x02, b"x"))], ids=["1", "2"])
def test_a_header_may_come_in_single_bytes(production, token, speak, header):
    with speak(production, Way(header, in_pieces=True)) as connection:
        told = connection.ask(PATH, token)
    assert (told[0], told_address(told[1])) == (200, CLIENT)


@pytest.mark.parametrize("cut", [0, 1, 5, 11, 12, 15, 16, 27])
@pytest.mark.parametrize("header", [line(CLIENT), block(CLIENT)], ids=["1", "2"])
def test_a_header_and_the_beginning_of_tls_may_come_in_one_packet(production, token, header, cut):
    """After a packet with the first bytes of it, if any, comes one with the rest and all of the first message of TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context(cafile=str(production.bundle)).wrap_bio(incoming, outgoing, server_hostname="demo.vault.localhost")
    with Way(header[:cut]).plain(production) as plain:
        before = header[cut:]
        time.sleep(0.02)

        def pump(step, *arguments):
            nonlocal before
            while True:
                try:
                    done = step(*arguments)
                except ssl.SSLWantReadError:
                    done = None
                if outgoing.pending:
                    plain.sendall(before + outgoing.read())
                    before = b""
                if done is not None:
                    return done
                received = plain.recv(65_536)
                assert received, "closed"
                incoming.write(received)

        pump(lambda: tls.do_handshake() or True)
        host = f"demo.vault.localhost:{production.port}"
        pump(tls.write, f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        answer = pump(tls.read, 65_536)
    assert answer.startswith(b"HTTP/1.1 200 ") and f"addr={CLIENT};".encode() in answer


@pytest.mark.operation("SecretGet")
def test_the_log_has_the_address_that_the_header_names(production, cli, token, speak):
    begun = audit.now()
    for header in (line(CLIENT), block(CLIENT6), line(OTHER), b"PROXY UNKNOWN\r\n"):
        with speak(production, Way(header)) as connection:
            connection.ask(PATH, token)
    told = [each["callerIpAddress"] for each in audit.records_about(cli, "/secrets/held", since=begun)]
    assert told == [CLIENT, CLIENT6, OTHER, "127.0.0.1"]


def test_login_and_management_are_reached_by_a_proxy_too(production, cli, speak):
    begun = audit.now()
    token = Arm.production(production).wire.token
    with speak(production, Way(line(CLIENT)), "login.localhost") as connection:
        assert connection.ask(f"/{production.owner.tenant}/v2.0/.well-known/openid-configuration", None)[0] == 200
    with speak(production, Way(block(OTHER)), "management.localhost") as connection:
        assert connection.ask("/subscriptions?api-version=2022-12-01", token)[0] == 200
    told = [each for each in audit.records(cli, since=begun) if each["operationName"] == "SubscriptionList"]
    assert [each["callerIpAddress"] for each in told] == [OTHER]


@pytest.mark.parametrize(("header", "forwarded", "status", "address"), [
    (line(BALANCER), CLIENT, 200, CLIENT), (block(BALANCER), f"1.2.3.4, {CLIENT}", 200, CLIENT), (block(BALANCER), CLIENT6, 200, CLIENT6),
    (line(BALANCER), OTHER, 403, OTHER), (line(BALANCER), f"{CLIENT}, {OTHER}", 403, OTHER), (line(BALANCER), "unknown", 400, None),
    # Nobody who may speak for others.
    (line(CLIENT), OTHER, 200, CLIENT), (line(OTHER), CLIENT, 403, OTHER), (b"PROXY UNKNOWN\r\n", CLIENT, 403, "127.0.0.1"),
], ids=lambda value: ascii(value)[2:42] if isinstance(value, bytes) else str(value))
def test_who_is_named_by_the_header_may_name_another(production, cli, token, speak, header, forwarded, status, address):
    begun = audit.now()
    with speak(production, Way(header)) as connection:
        assert connection.ask(PATH, token, **{"X-Forwarded-For": forwarded})[0] == status
    records = audit.records_about(cli, "/secrets/held", since=begun)
    assert address is None or [each["callerIpAddress"] for each in records] == [address]


def test_many_connections_at_once_keep_their_own_clients(production, token):
    def ask(number: int) -> tuple[int, set[str]]:
        client = f"100.64.{number % 3}.{number}"
        with (Http1, Http2)[number % 2](production, Way((line, block)[number // 2 % 2](client), in_pieces=number % 5 == 0)) as connection:
            told = [connection.ask(PATH, token) for _ in range(3)]
        return {each[0] for each in told}, {told_address(each[1]) == client for each in told}

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(120))) == [({200}, {True})] * 120


# What is no header

WRONG = [
    b"", b"\x16", b"GET / HTTP/1.1\r\nHost: demo.vault.localhost\r\n\r\n", b"proxy TCP4 203.0.113.7 198.51.100.1 1 443\r\n",
    b" " + line(CLIENT), b"\r\n" + line(CLIENT), b"PROXY\r\n", b"PROXY \r\n", b"PROXY\tTCP4 203.0.113.7 198.51.100.1 1 443\r\n",
    b"PROXY  TCP4\r\n", b"PROXY TCP4\r\n", b"PROXY TCP5 203.0.113.7 198.51.100.1 1 443\r\n",
    b"PROXY UDP4 203.0.113.7 198.51.100.1 1 443\r\n",
    b"PROXY unknown\r\n", b"PROXY UNKNOWNS\r\n", line("203.0.113.7", "198.51.100.1", "1"), line(CLIENT, ports="1 443 2"),
    line(CLIENT, ports="1  443"), line(CLIENT, ports="1 443 "), line(CLIENT, ports="-1 443"), line(CLIENT, ports="+1 443"),
    line(CLIENT, ports="1 65536"), line(CLIENT, ports="1 x"), line(CLIENT, ports="1 0x1"), line(CLIENT, ports="000001 443"),
    line("203.0.113.256"), line("203.0.113"), line("203.0.113.7/32"), line("client.example"), line(CLIENT, "nowhere"),
    line(CLIENT, "2001:db8::1"), line(CLIENT6, "198.51.100.1"), line("2001:db8:7::7/64"), line("2001:db8:7::7%lo"), line("2001:db8::7::7"),
    line(CLIENT)[:-2] + b"\n", line(CLIENT)[:-2] + b"\r\r\n", line(CLIENT)[:-2] + b"\0\r\n", b"PROXY TCP4 \xff\xfe 198.51.100.1 1 443\r\n",
    b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n", b"PROXY TCP4 " + b"1" * 200, b"PROXY UNKNOWN " + b"f" * 4_000 + b"\r\n",
    SIGNATURE[:-1] + b"\r" + block(CLIENT)[12:], b"\r\n" + block(CLIENT),
    binary(addresses(CLIENT), TCP4, 0x11), binary(addresses(CLIENT), TCP4, 0x31), binary(addresses(CLIENT), TCP4, 0x01),
    binary(addresses(CLIENT), TCP4, 0x22), binary(addresses(CLIENT), TCP4, 0x2F), binary(addresses(CLIENT), UDP4),
    binary(addresses(CLIENT6), UDP6), binary(b"/" * 216, UNIX), binary(addresses(CLIENT), 0x41), binary(addresses(CLIENT), 0x13),
    binary(addresses(CLIENT), 0x10), binary(addresses(CLIENT), 0x01), binary(addresses(CLIENT), TCP6), binary(addresses(CLIENT)[:11]),
    binary(b""), binary(addresses(CLIENT6)[:35], TCP6), binary(addresses(CLIENT), length=0), binary(addresses(CLIENT), length=0xFFFF),
    # As much as a header may have, and one byte more.
    binary(addresses(CLIENT) + b"\0" * 2_037),
]


@pytest.mark.parametrize("number", range(len(WRONG)), ids=[f"{number}-{ascii(each)[2:42]}" for number, each in enumerate(WRONG)])
def test_what_is_no_header_closes_the_connection_at_once(production, token, number):
    assert_fails(production, Way(WRONG[number], timeout=HEAD_TIME / 2))
    assert_serves(production, token)


@pytest.mark.parametrize("first", [line(CLIENT), block(CLIENT), binary(b"", UNSPEC, LOCAL)], ids=["1", "2", "local"])
def test_a_header_comes_once(production, token, first):
    for second in (line(OTHER), block(OTHER)):
        assert_fails(production, Way(first + second, timeout=HEAD_TIME / 2))
    assert_serves(production, token)


def test_a_header_that_does_not_end_is_waited_for_no_longer_than_any_head(production, token):
    beginnings = [b"", b"P", b"PROXY ", line(CLIENT)[:-1], SIGNATURE[:7], SIGNATURE, block(CLIENT)[:-1], binary(b"", length=2_000)]
    begun = time.monotonic()
    with ThreadPoolExecutor(len(beginnings) + 1) as threads:

        def closed_after(beginning: bytes) -> float:
            with Way(beginning, timeout=HEAD_TIME * 2).plain(production) as plain:
                try:
                    assert plain.recv(1) == b""
                except ConnectionError:
                    pass
                return time.monotonic() - begun

        def closed_though_it_goes_on() -> float:
            with Way(b"PROXY UNKNOWN ").plain(production) as plain:
                plain.settimeout(0.5)
                while time.monotonic() < begun + 2 * HEAD_TIME:
                    try:
                        plain.sendall(b"f")
                        if plain.recv(1) == b"":
                            break
                    except TimeoutError:
                        continue
                    except ConnectionError:
                        break
                return time.monotonic() - begun

        slow = threads.submit(closed_though_it_goes_on)
        times = [*threads.map(closed_after, beginnings), slow.result()]
    assert all(HEAD_TIME - 1 < each < HEAD_TIME + 6 for each in times), times
    assert_serves(production, token)


def test_a_handshake_has_no_time_of_its_own_after_a_header(production):
    begun = time.monotonic()
    with Way(b"", timeout=HEAD_TIME * 2).plain(production) as plain:
        time.sleep(HEAD_TIME / 2)
        plain.sendall(block(CLIENT))
        try:
            assert plain.recv(1) == b""
        except ConnectionError:
            pass
    assert HEAD_TIME - 1 < time.monotonic() - begun < HEAD_TIME + 4


def test_connections_that_end_within_a_header_leave_nothing_behind(production, token):
    for _ in range(5):
        for header in (line(CLIENT), block(CLIENT6)):
            for count in range(0, len(header), 5):
                Way(header[:count]).plain(production).close()
    assert_serves(production, token)


def test_the_sending_side_may_be_closed_within_a_header(production, token):
    with Way(line(CLIENT)[:9], timeout=HEAD_TIME + 5).plain(production) as plain:
        plain.shutdown(socket.SHUT_WR)
        assert plain.recv(1) == b""
    assert_serves(production, token)


# Who is no proxy


@pytest.mark.parametrize("address, source", [("::1", None), ("127.0.0.1", "127.0.0.2"), ("127.0.0.1", "127.1.2.3")])
def test_from_another_address_the_protocol_is_not_understood(production, token, speak, address, source):
    for header in (line(CLIENT), block(CLIENT)):
        assert_fails(production, Way(header, address=address, source=source, timeout=HEAD_TIME / 2))
    with speak(production, Way(address=address, source=source)) as connection:
        told = connection.ask(PATH, token)
    assert (told[0], told_address(told[1])) == (403, source or address)


@pytest.mark.parametrize("header", [line(CLIENT), block(CLIENT), binary(b"", UNSPEC, LOCAL)], ids=["1", "2", "local"])
def test_a_server_that_is_told_of_no_proxies_does_not_understand_it(server, header):
    for address in ("127.0.0.1", "::1"):
        with socket.create_connection((address, server.port), timeout=HEAD_TIME / 2) as plain:
            plain.sendall(header)
            with pytest.raises((ssl.SSLError, ConnectionError)):
                ssl.create_default_context(cafile=str(server.bundle)).wrap_socket(plain, server_hostname="demo.vault.localhost").close()
    with Connection(server) as connection:
        assert connection.exchange(connection.request("GET", PATH)).status == 401


def test_a_configuration_without_proxies_does_not_understand_it(binary, tmp_path):
    made = Production(binary, tmp_path)
    made.settings["network"] = {"proxyProtocol": []}
    made.initialise().start()
    try:
        assert_fails(made, Way(line(CLIENT), timeout=HEAD_TIME / 2))
        with Http1(made, Way()) as connection:
            assert connection.ask(PATH, None)[0] == 401
    finally:
        made.kill()


# The listener without TLS


@pytest.mark.parametrize("way, served", [
    (Way(line(CLIENT)), True), (Way(block(CLIENT)), True), (Way(), False), (Way(address="::1"), True),
    (Way(line(CLIENT), address="::1"), False), (Way(line(CLIENT) + line(CLIENT)), False),
], ids=["1", "2", "none", "client", "client with header", "twice"])
def test_plain_http_is_spoken_after_a_header(production, way, served):
    port = production.settings["pki"]["port"]
    with Way(way.header, port, way.address, timeout=HEAD_TIME / 2).plain(production) as plain:
        plain.sendall(f"GET /none HTTP/1.1\r\nHost: pki.localhost:{port}\r\n\r\n".encode())
        try:
            answer = plain.recv(65_536)
        except ConnectionError:
            answer = b""
    assert answer.startswith(b"HTTP/1.1 404 ") if served else not answer.startswith(b"HTTP/1.1 404 "), answer


def test_an_address_of_a_range_is_a_proxy(binary, tmp_path):
    made = Production(binary, tmp_path)
    made.settings["network"] = {"proxyProtocol": ["127.9.0.0/16", "2001:db8::/32"]}
    made.initialise().start()
    try:
        for source, header in (("127.9.0.1", line(CLIENT)), ("127.9.255.254", block(CLIENT)), ("127.8.0.1", b""), ("127.0.0.1", b"")):
            with Http1(made, Way(header, source=source)) as connection:
                assert connection.ask(PATH, None)[0] == 401
        assert_fails(made, Way(source="127.9.3.4", timeout=HEAD_TIME / 2))
    finally:
        made.kill()
