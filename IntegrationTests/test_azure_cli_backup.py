"""Backup and restore of a pool through the unmodified Azure CLI."""

import shutil

import pytest

from harness.azure_cli import AzureCLI, LoadedAzureCLI
from harness.blob_storage import BlobStorage, refusing
from harness.command_line import CommandLine
from harness.hsm_pool import pool_keys
from harness.hsm_server import HsmServer
from harness.pool_backup import content

NAMED = "--hsm-name demohsm"


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    with BlobStorage(tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory, storage):
    running = HsmServer(binary, tmp_path_factory.mktemp("az") / "data", *storage.option).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


@pytest.fixture(scope="module")
def az(server, tmp_path_factory):
    """`az` of this server, logged in as the owner."""
    folder = tmp_path_factory.mktemp("az-backup")
    plain = AzureCLI(server, folder)
    plain.register()
    plain.login(server.owner)
    with LoadedAzureCLI(server, folder) as loaded:
        yield loaded
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["blob", "folder"])
def place(request, storage) -> tuple[str, str]:
    """The words that name where to, and that open it."""
    if request.param == "folder":
        return "file:///backups", "--use-managed-identity true"
    return storage.container, f"-t '{storage.signature()}'"


@pytest.mark.operation("PoolBackup")
@pytest.mark.operation("PoolBackupStatus")
@pytest.mark.operation("PoolRestore")
@pytest.mark.operation("PoolRestoreStatus")
@pytest.mark.operation("KeySelectiveRestore")
def test_a_pool_and_a_single_key_are_backed_up_and_restored(server, az, place, name):
    uri, access = place
    keys = pool_keys(server)
    keys.create(name, "EC-HSM")
    before = content(keys)
    where = f"{NAMED} --storage-resource-uri {uri} {access}"
    made = az.json(f"keyvault backup start {where}")
    assert made["status"] == "Succeeded" and made["folderUrl"].startswith(f"{uri}/mhsm-demohsm-")
    folder = made["folderUrl"].rsplit("/", 1)[1]
    keys.delete(name)
    keys.purge(name)
    az.run(f"keyvault restore start {where} --backup-folder {folder} --key-name {name}")
    assert content(keys) == before
    keys.delete(name)
    keys.create(f"{name}-later", "oct-HSM")
    az.run(f"keyvault restore start {where} --backup-folder {folder}")
    assert content(keys) == before


def test_what_fails_is_said(az, storage):
    where = f"{NAMED} --storage-resource-uri {storage.container} -t '{storage.signature()}'"
    with storage.behaving(refusing(403)):
        said = az.refused(f"keyvault backup start {where}")
    assert "sig=" not in said and said.strip()
    assert "poolBackups.folders" in az.refused(f"keyvault backup start {NAMED} --storage-resource-uri file:///elsewhere -t x")
