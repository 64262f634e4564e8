"""What the tests of the Azure CLI may ask for beside `conftest.py`. They load it with `pytest_plugins`."""

import shutil
from pathlib import Path

import pytest

from harness.azure_cli import AzureCLI, LoadedAzureCLI


@pytest.fixture(scope="session")
def _registered(server, tmp_path_factory) -> Path:
    """The folder of an `az` that knows the cloud and has not logged in."""
    folder = tmp_path_factory.mktemp("az-registered")
    AzureCLI(server, folder).register()
    return folder


@pytest.fixture(scope="session")
def az(server, _registered, tmp_path_factory) -> LoadedAzureCLI:
    """`az`, logged in as the owner by the secret of `client.env`. No test logs it out."""
    folder = shutil.copytree(_registered, tmp_path_factory.mktemp("az") / "owner")
    AzureCLI(server, folder).login(server.owner)
    with LoadedAzureCLI(server, folder) as loaded:
        yield loaded


@pytest.fixture
def fresh_az(server, _registered, tmp_path) -> AzureCLI:
    """An `az` of the test's own that knows the cloud and has not logged in."""
    return AzureCLI(server, shutil.copytree(_registered, tmp_path / "az"))
