"""What the tests of hardware keys may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import os
import uuid
from typing import Callable

import pytest
from azure.keyvault.keys import KeyClient

from harness import hsm_kinds
from harness.hsm_pool import environment_credential, pool_keys
from harness.hsm_server import HsmServer
from harness.keys_wire import Keys


@pytest.fixture
def pool(server) -> Keys:
    """Plain calls to the keys of the pool `demohsm` as the owner."""
    return pool_keys(server)


@pytest.fixture
def premium(server) -> Keys:
    """Plain calls to the keys of the vault `demo`, which is premium, as the owner."""
    return Keys(server.wire())


def _standing(keys: Keys) -> Callable[[str], dict]:
    made: dict[str, dict] = {}

    def find(kind: str) -> dict:
        if kind not in made:
            made[kind] = keys.create(f"standing-hsm-{kind}-{uuid.uuid4().hex[:8]}", **hsm_kinds.ALL[kind])
        return made[kind]

    return find


@pytest.fixture(scope="session")
def pool_standing(server) -> Callable[[str], dict]:
    """One key of each kind in the pool, made when it is first asked for, that every test may use and none may change."""
    return _standing(pool_keys(server))


@pytest.fixture(scope="session")
def premium_standing(server) -> Callable[[str], dict]:
    """The same in the premium vault."""
    return _standing(Keys(server.wire()))


@pytest.fixture(params=["pool", "vault"])
def hardware(request, server) -> tuple[Keys, Callable[[str], dict]]:
    """Both places where hardware keys live: the calls, and the standing keys of the place."""
    if request.param == "pool":
        return pool_keys(server), request.getfixturevalue("pool_standing")
    return Keys(server.wire()), request.getfixturevalue("premium_standing")


@pytest.fixture(scope="session")
def pool_client(server):
    """A `KeyClient` of the pool as the README makes a client: all it knows is in the environment."""
    with KeyClient(os.environ["MHSM_URL"], environment_credential()) as made:
        yield made


@pytest.fixture(scope="session")
def premium_client(server):
    """A `KeyClient` of the vault `demo`."""
    with KeyClient(os.environ["VAULT_URL"], environment_credential()) as made:
        yield made


@pytest.fixture
def hsm_server(binary, tmp_path):
    """Starts servers with options of their own, which the test may stop, kill or damage."""
    started: list[HsmServer] = []

    def start(*options: str, **named) -> HsmServer:
        server = HsmServer(binary, tmp_path / f"data-{len(started)}", *options, **named)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.kill()
