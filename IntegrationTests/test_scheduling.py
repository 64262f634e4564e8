"""The thread that commits takes turns with the event loops, and interrupts what holds a processor for long."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.keys_wire import Keys

NAME = "scheduled"


@pytest.fixture
def server(own_server):
    server = own_server()
    server.wire().set_secret(NAME)
    return server


def policy(server) -> int:
    """That of the committer."""
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    [committer] = [int(task.name) for task in tasks if (task / "comm").read_text().strip() == "committer"]
    return os.sched_getscheduler(committer)


def wait_for(expected: int, server):
    """Reads a secret again and again, each time with a record to commit."""
    until = time.monotonic() + 20
    while policy(server) != expected and time.monotonic() < until:
        assert server.wire().get(f"/secrets/{NAME}").status_code == 200
    assert policy(server) == expected


def test_the_committer_takes_turns_with_the_loops(server):
    wait_for(os.SCHED_BATCH, server)


def test_the_committer_does_not_wait_for_long_work(server):
    wait_for(os.SCHED_BATCH, server)
    with ThreadPoolExecutor(2) as pool:
        making = [pool.submit(Keys(server.wire()).create, f"large-{number}", "RSA", key_size=4096) for number in range(2)]
        seen = set()
        while not all(each.done() for each in making):
            assert server.wire().get(f"/secrets/{NAME}").status_code == 200
            seen.add(policy(server))
    assert [each.result()["key"]["kty"] for each in making] == ["RSA"] * 2
    assert os.SCHED_OTHER in seen
    wait_for(os.SCHED_BATCH, server)
