"""What the tests of authorities may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import pytest

from harness.authorities import Authorities, fresh


@pytest.fixture
def authorities(wire) -> Authorities:
    """Plain calls to the authorities of the vault `demo` as the owner."""
    return Authorities(wire)


@pytest.fixture(scope="session")
def root(server) -> str:
    """An authority that signs itself, which every test may ask and none may change."""
    name = fresh("standing-root")
    Authorities(server.wire()).root(name)
    return name


@pytest.fixture(scope="session")
def issuer(server, root) -> str:
    """The issuer of the vault `demo` behind which the standing root is."""
    return Authorities(server.wire()).issuer(fresh("standing-issuer"), root)


@pytest.fixture(scope="session")
def below(server, issuer) -> str:
    """An intermediate below the standing root, likewise for everyone."""
    name = fresh("standing-intermediate")
    Authorities(server.wire()).intermediate(name, issuer)
    return name
