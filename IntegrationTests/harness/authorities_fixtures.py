"""What the tests of authorities may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import pytest

from harness.authorities_wire import Authorities, authority_policy, fresh
from harness.certificates_wire import make_together


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


@pytest.fixture(scope="session")
def _spare(server):
    """Certificates that may sign others, begun many at a time: their issuer answers within a second, however many there are."""

    def names():
        while True:
            prefix = fresh("own")
            made = make_together(
                Authorities(server.wire()).certificates,
                prefix,
                {f"{number}": authority_policy(f"CN={prefix}-{number}") for number in range(16)},
            )
            yield from (f"{prefix}-{label}" for label in made)

    return names()


@pytest.fixture
def own(_spare) -> str:
    """The name of a certificate that may sign others and is not yet an authority. No other test has it."""
    return next(_spare)
