"""More than the server holds at once is turned away, and nobody else suffers."""

import contextlib
import resource
import select
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from harness.http2 import Connection
from harness.server import Server

CONNECTIONS, REQUESTS, STREAMS = 10_000, 4_096, 100


@pytest.fixture
def loaded(own_server):
    """A server of the test's own, and as many descriptors for the test as it has connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < CONNECTIONS + 2_048:
        # Only the system's administrator can raise a hard limit: ten thousand connections cannot be opened here at all.
        pytest.skip(f"this machine lets a process open {hard} files only")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (CONNECTIONS + 2_048, hard))
    yield own_server()
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def closed_by_peer(sockets: list[socket.socket], seconds: float) -> set[int]:
    """Descriptors of those that the server closed within a time."""
    poll, closed, until = select.poll(), set(), time.monotonic() + seconds
    for one in sockets:
        poll.register(one, select.POLLIN)
    while time.monotonic() < until and not closed:
        for descriptor, _ in poll.poll(200):
            closed.add(descriptor)
    return closed


def test_the_usual_limit_of_open_files_is_raised_to_what_the_connections_need(loaded, own_server):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1_024, hard))
    limits = Path(f"/proc/{own_server().process.pid}/limits").read_text()
    soft = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3]
    assert int(soft) > CONNECTIONS


def test_with_few_descriptors_fewer_connections_are_kept_and_none_is_left_to_hang(binary, tmp_path):
    limited = tmp_path / "limited"
    limited.write_text(f'#!/bin/sh\nulimit -n 300\nexec "{binary}" "$@"\n')
    limited.chmod(0o755)
    server = Server(limited, tmp_path / "data").start()
    try:
        with contextlib.ExitStack() as opened, Connection(server) as lasting:
            crowd = [
                opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10)) for _ in range(300)
            ]
            assert closed_by_peer(crowd, 5)
            assert lasting.finish(lasting.begin("GET", "/health")).status == 200
        server.wire().set_secret("after")
    finally:
        # Connections that have said nothing are not waited for.
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5
    assert "300 files" in server.errors.finish()


def test_a_stop_does_not_wait_for_who_has_said_nothing(own_server):
    server = own_server()
    with contextlib.ExitStack() as opened:
        for _ in range(20):
            opened.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < 5


def test_ten_thousand_connections_are_kept_and_the_next_is_closed(loaded):
    kept = loaded.wire()
    kept.set_secret("before")
    with contextlib.ExitStack() as opened:

        def connect() -> socket.socket:
            return opened.enter_context(socket.create_connection(("127.0.0.1", loaded.port), timeout=10))

        with Connection(loaded) as lasting:
            # A handshake may take 10 s: so long these count without a word said.
            crowd = [connect() for _ in range(CONNECTIONS - 200)]
            assert not closed_by_peer(crowd, 0.5)
            crowd += [connect() for _ in range(400)]
            closed = closed_by_peer(crowd, 5)
            assert closed and closed <= {one.fileno() for one in crowd[CONNECTIONS - 200 :]}
            # Those that stand are served.
            assert lasting.finish(lasting.begin("GET", "/health")).status == 200
    until = time.monotonic() + 20
    while loaded.wire().get("/secrets/before").status_code != 200:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_of_more_requests_than_are_answered_at_once_the_rest_gets_429(own_server):
    server = own_server()
    count = REQUESTS // STREAMS + 5
    with contextlib.ExitStack() as opened:
        connections = [opened.enter_context(Connection(server)) for _ in range(count)]
        database = sqlite3.connect(server.data / "strongroom.db")
        opened.callback(database.close)
        begun = [(one, [one.prepare("GET", "/secrets/x?api-version=7.4") for _ in range(STREAMS)]) for one in connections]
        # While somebody else holds the database no record can be written, and so no request ends.
        database.execute("BEGIN IMMEDIATE")
        for one in connections:
            one.flush()
        time.sleep(1.5)
        database.rollback()
        streams = [one.finish(number) for one, numbers in begun for number in numbers]
    statuses = [stream.status for stream in streams]
    assert statuses.count(401) == REQUESTS
    assert statuses.count(429) == count * STREAMS - REQUESTS
    refused = next(stream for stream in streams if stream.status == 429)
    assert b'"Throttled"' in refused.body and b"ServerRequestLimitReached" in refused.body
    assert server.wire().get("/secrets").status_code == 200
    server.cli().run("audit", "verify", "--data", str(server.data))
