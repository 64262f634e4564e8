"""What the tests of vectors ask for. A module imports the fixtures and names the providers it wants."""

import pytest

from .server import Server
from .vectors_keys import stranger
from .vectors_service import Service, service_of

BOTH = pytest.mark.parametrize("service", ["software", "hsm"], indirect=True)
ALL = pytest.mark.parametrize("service", ["software", "premium", "hsm"], indirect=True)
HSM = pytest.mark.parametrize("service", ["hsm"], indirect=True)


@pytest.fixture(scope="module")
def vector_server(binary, tmp_path_factory):
    """A server of the module's own, since it is filled with keys."""
    running = Server(binary, tmp_path_factory.mktemp("vectors"), vaults=("demo",)).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def made_services(vector_server) -> dict[str, Service]:
    """One service for each provider, so that a key is imported once in a module."""
    return {}


@pytest.fixture
def service(request, vector_server, made_services) -> Service:
    if request.param not in made_services:
        made = service_of(vector_server, request.param)
        # Where no key at all is taken, a vector whose key must be refused would prove nothing.
        made.imported(stranger("P-256"))
        made_services[request.param] = made
    return made_services[request.param]
