"""The server of the session, and what every test may ask for."""

import os
import re
import socket
import uuid
from pathlib import Path

import pytest

from harness import audit
from harness.application import Application
from harness.command_line import CommandLine
from harness.server import Server
from harness.wire import Wire

REPOSITORY = Path(__file__).resolve().parent.parent

# Where several processes share the tests, these files are begun first: they take long, and by their names they would come late,
# when a process that is still at one keeps all others waiting for the end.
LONGEST = (
    "test_serve",
    "test_workload_identity",
    "test_management_vault_durability",
    "test_role_matrix",
    "test_sign_in_attempts",
    "test_azure_cli_people",
    "test_sign_in_pages",
    "test_users",
    "test_vectors_rsa_encryption",
    "test_notices_mail_servers",
    "test_tampering",
    "test_http_connections",
    "test_hsm_serve",
    "test_vectors_aes",
    "test_roles",
    "test_server_keys",
    "test_restart",
    "test_throttle",
    "test_vectors_rsa_signatures",
    "test_vectors_ecdsa",
)


def pytest_collection_modifyitems(items):
    order = {stem: number for number, stem in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session")
def binary() -> Path:
    path = Path(os.environ.get("STRONGROOM_BINARY", REPOSITORY / ".build/release/strongroom"))
    assert path.exists(), f"{path} is missing: build it with `make release`, or name another with STRONGROOM_BINARY"
    return path


@pytest.fixture(scope="session", autouse=True)
def _localhost_names_resolve() -> None:
    try:
        socket.getaddrinfo("demo.vault.localhost", 443)
    except socket.gaierror as failure:
        raise AssertionError("names below localhost do not resolve; on Debian install libnss-myhostname") from failure


@pytest.fixture(scope="session", autouse=True)
def _sourced(binary, tmp_path_factory, _localhost_names_resolve):
    """The server of the session. Its `client.env` is sourced before the first test, whichever it is: aiohttp reads SSL_CERT_FILE when
    it is imported, and keeps what it has read."""
    running = Server(binary, tmp_path_factory.mktemp("strongroom"), vaults=("demo", "demo2", "other", "pages")).start()
    with pytest.MonkeyPatch.context() as patch:
        for key, value in running.client_env.items():
            patch.setenv(key, value)
        import aiohttp  # noqa: F401

        yield running
    running.kill()


@pytest.fixture(scope="session")
def server(_sourced) -> Server:
    """The server of the session. The clients of this process trust it."""
    return _sourced


@pytest.fixture
def own_server(binary, tmp_path):
    """Starts servers that the test may stop, kill or damage."""
    started: list[Server] = []

    def start(data: Path | None = None, **options) -> Server:
        server = Server(binary, data or tmp_path / f"data-{len(started)}", **options)
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="module")
def _lasting(binary, tmp_path_factory):
    running = Server(binary, tmp_path_factory.mktemp("lasting") / "data").start()
    yield running
    running.kill()


@pytest.fixture
def lasting_server(_lasting) -> Server:
    """The same for every test of a module. A test may stop or kill it, not damage it: the next one finds it running."""
    if _lasting.process.poll() is not None:
        _lasting.start()
    return _lasting


@pytest.fixture(scope="session")
def cli(server) -> CommandLine:
    return server.cli()


@pytest.fixture(scope="session")
def client(server):
    """A `SecretClient` as the README makes it: all it knows is in the environment."""
    from azure.identity import ClientSecretCredential
    from azure.keyvault.secrets import SecretClient

    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )
    with SecretClient(os.environ["VAULT_URL"], credential) as made:
        yield made


@pytest.fixture
async def acredential(server):
    """The asynchronous credential."""
    from azure.identity.aio import ClientSecretCredential

    made = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )
    async with made:
        yield made


@pytest.fixture
def wire(server) -> Wire:
    """Plain calls to the vault `demo` as the owner."""
    return server.wire()


@pytest.fixture
def stranger(cli, name) -> Application:
    """An application that has no role anywhere."""
    return cli.create_application(name)


@pytest.fixture
def name(request) -> str:
    """A name no other test uses."""
    return fresh_name(request.node.originalname)


def fresh_name(about: str) -> str:
    return f"{re.sub('[^0-9A-Za-z]+', '-', about)[5:60].strip('-')}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(autouse=True)
def _the_operations_it_names_ran(request):
    """A test that claims to show an operation leaves a successful record of it in the audit log, or a refused one where the
    operation is declared only to be refused (`refused=True`)."""
    marks = list(request.node.iter_markers("operation"))
    claimed = {mark.kwargs.get("recorded_as", mark.args[0]) for mark in marks}
    highest = 500 if any(mark.kwargs.get("refused") for mark in marks) else 300
    if not claimed:
        yield
        return
    cli = request.getfixturevalue("cli")
    begun = audit.now()
    yield
    succeeded = {
        record["operationName"]
        for record in audit.records(cli, since=begun)
        if record["properties"]["httpStatusCode"] < highest
    }
    assert claimed <= succeeded, f"no successful record of {sorted(claimed - succeeded)}"


# What tests count and tell by `record_property`, and the heading under which it is shown.
COUNTED = {"totals": "vectors", "cells": "role matrix"}


def pytest_terminal_summary(terminalreporter):
    """What was counted, whichever process has counted it."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, []) if report.when == "call"]
    for counted, heading in COUNTED.items():
        told = [value for report in reports for name, value in report.user_properties if name == counted]
        if told:
            terminalreporter.section(heading)
            terminalreporter.write_line("\n".join(sorted(told)))
