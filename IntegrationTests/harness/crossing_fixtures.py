"""What the tests of crossings ask for beside `conftest.py`. They load it with `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from harness.crossing import ASIDE, BEYOND, TWIN, Crossing
from harness.hsm_server import HsmServer


@pytest.fixture(scope="module")
def crossing(binary, tmp_path_factory) -> Iterator[Crossing]:
    options = ("--hsm", TWIN, "--hsm", BEYOND)
    running = HsmServer(binary, tmp_path_factory.mktemp("crossing") / "data", *options, vaults=(TWIN, ASIDE)).start()
    yield Crossing(running)
    running.kill()


@pytest.fixture
def resident(crossing, name):
    """An application that may do everything in the vault twin, and nothing elsewhere."""
    cli = crossing.server.cli()
    made = cli.create_application(name)
    cli.assign(made, "Key Vault Administrator", crossing.server.vault_scope(TWIN))
    return made
