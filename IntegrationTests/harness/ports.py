"""Free ports of loopback."""

import itertools
import os
import random
import socket
from typing import Iterator


def _ports_of_this_process() -> Iterator[int]:
    """Ports below those that the system gives to clients: they stay free until somebody listens there. Each of the processes that
    share the tests has its own, and comes back to one only when it has had all of them."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = list(range(15_000 + number, 32_000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))))
    random.shuffle(ports)
    return itertools.cycle(ports)


_ports = _ports_of_this_process()


def free_port() -> int:
    """A port that is free on both loopback addresses, and that no other test is given."""
    for port in _ports:
        with socket.socket(socket.AF_INET) as four, socket.socket(socket.AF_INET6) as six:
            try:
                four.bind(("127.0.0.1", port))
                six.bind(("::1", port))
            except OSError:
                continue
            return port
    raise AssertionError("unreachable")
