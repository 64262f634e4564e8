"""Backup and restore of a pool through the unmodified client, synchronous and asynchronous."""


import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.administration import KeyVaultBackupClient
from azure.keyvault.keys import KeyClient

from harness.blob_storage import BlobStorage, refusing
from harness.clients import credential_for
from harness.command_line import CommandLine
from harness.hsm_pool import pool_keys, pool_url
from harness.hsm_server import HsmServer
from harness.pool_backup import content

FOLDER = "file:///backups"
# The clients ask every five seconds unless they are told otherwise.
SOON = {"_polling_interval": 1}


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    with BlobStorage(tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory, storage):
    running = HsmServer(binary, tmp_path_factory.mktemp("sdk") / "data", *storage.option).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


@pytest.fixture(scope="module")
def client(server):
    with KeyVaultBackupClient(pool_url(server), credential_for(server), connection_verify=server.bundle) as made:
        yield made


@pytest.fixture(scope="module")
def keys(server):
    return pool_keys(server)


@pytest.fixture(params=["blob", "folder"])
def place(request, storage) -> tuple[str, dict]:
    """Where to, and what the client is told of it."""
    if request.param == "folder":
        return FOLDER, {"use_managed_identity": True}
    return storage.container, {"sas_token": storage.signature()}


@pytest.mark.operation("PoolBackup")
@pytest.mark.operation("PoolBackupStatus")
@pytest.mark.operation("PoolRestore")
@pytest.mark.operation("PoolRestoreStatus")
@pytest.mark.operation("KeySelectiveRestore")
def test_a_pool_and_a_single_key_are_backed_up_and_restored(client, keys, place, name):
    url, access = place
    keys.create(name, "EC-HSM")
    before = content(keys)
    result = client.begin_backup(url, **access, **SOON).result()
    assert result.folder_url.startswith(f"{url}/mhsm-demohsm-")
    keys.delete(name)
    keys.purge(name)
    assert client.begin_restore(result.folder_url, **access, key_name=name, **SOON).result() is None
    assert content(keys) == before
    keys.delete(name)
    keys.create(f"{name}-later", "oct-HSM")
    poller = client.begin_restore(result.folder_url, **access, **SOON)
    poller.wait()
    assert (poller.status(), poller.result()) == ("Succeeded", None)
    assert content(keys) == before


@pytest.mark.operation("PoolPreBackup")
@pytest.mark.operation("PoolPreRestore")
def test_checks_before_it(client, keys, place, name):
    url, access = place
    keys.create(name, "EC-HSM")
    client.begin_pre_backup(url, **access, **SOON).wait()
    folder = client.begin_backup(url, **access, **SOON).result().folder_url
    client.begin_pre_restore(folder, **access, **SOON).wait()
    with pytest.raises(HttpResponseError):
        client.begin_pre_restore(f"{url}/mhsm-none-2026", **access, **SOON).wait()


def test_a_backup_is_taken_up_by_its_token(client, keys, storage):
    access = {"sas_token": storage.signature()}
    with storage.holding("PUT") as wait:
        begun = client.begin_backup(storage.container, **access, **SOON)
        wait()
        token = begun.continuation_token()
        taken_up = client.begin_backup(storage.container, **access, continuation_token=token, **SOON)
        assert (begun.status(), taken_up.done()) == ("InProgress", False)
    folder = taken_up.result().folder_url
    assert begun.result().folder_url == folder and taken_up.status() == "Succeeded"
    with storage.holding("GET") as wait:
        begun = client.begin_restore(folder, **access, **SOON)
        wait()
        taken_up = client.begin_restore(folder, **access, continuation_token=begun.continuation_token(), **SOON)
        with pytest.raises(HttpResponseError) as conflict:
            client.begin_restore(folder, **access, **SOON)
        assert conflict.value.status_code == 409
    taken_up.wait()
    assert taken_up.status() == "Succeeded"
    # And when it has ended.
    again = client.begin_restore(folder, **access, continuation_token=begun.continuation_token(), **SOON)
    again.wait()
    assert again.status() == "Succeeded"


def test_a_failure_is_raised(client, storage):
    access = {"sas_token": storage.signature()}
    with storage.behaving(refusing(403)):
        for begin in (client.begin_backup, client.begin_pre_backup):
            with pytest.raises(HttpResponseError) as failed:
                begin(storage.container, **access, **SOON).result()
            assert "403" in str(failed.value) or failed.value.status_code == 200
        with pytest.raises(HttpResponseError):
            client.begin_restore(f"{storage.container}/mhsm-x-1", **access, **SOON).result()


@pytest.mark.parametrize("access", [{"sas_token": "sig=x"}, {"use_managed_identity": True}], ids=str)
def test_a_wrong_place_is_refused_at_once(client, storage, access):
    for url in ("https://account.blob.example.com/backups", "file:///elsewhere"):
        with pytest.raises(HttpResponseError) as refused:
            client.begin_backup(url, **access)
        assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")
    if "use_managed_identity" in access:
        with pytest.raises(HttpResponseError) as refused:
            client.begin_backup(storage.container, **access)
        assert refused.value.status_code == 400 and "identity" in refused.value.message


@pytest.mark.parametrize("version", ["7.2", "7.3", "7.4", "7.5", "7.6", None])
def test_every_version_of_the_client(server, keys, version):
    options = {} if version is None else {"api_version": version}
    with KeyVaultBackupClient(pool_url(server), credential_for(server), connection_verify=server.bundle, **options) as client:
        folder = client.begin_backup(FOLDER, sas_token="unused", **SOON).result().folder_url
        client.begin_restore(folder, sas_token="unused", **SOON).wait()


async def test_the_asynchronous_client_does_the_same(server, keys, storage, name):
    from azure.identity.aio import ClientSecretCredential
    from azure.keyvault.administration.aio import KeyVaultBackupClient as AsyncClient

    owner, access = server.owner, {"sas_token": storage.signature()}
    credential = ClientSecretCredential(
        owner.tenant, owner.app_id, owner.password, authority=server.login, disable_instance_discovery=True, connection_verify=server.bundle)
    keys.create(name, "oct-HSM")
    before = content(keys)
    async with credential, AsyncClient(pool_url(server), credential, connection_verify=server.bundle) as client:
        await (await client.begin_pre_backup(storage.container, **access, **SOON)).wait()
        poller = await client.begin_backup(storage.container, **access, **SOON)
        taken_up = await client.begin_backup(storage.container, **access, continuation_token=poller.continuation_token(), **SOON)
        folder = (await poller.result()).folder_url
        assert (await taken_up.result()).folder_url == folder
        await (await client.begin_pre_restore(folder, **access, **SOON)).wait()
        keys.delete(name)
        keys.purge(name)
        await (await client.begin_restore(folder, **access, key_name=name, **SOON)).wait()
        assert content(keys) == before
        keys.create(f"{name}-later", "EC-HSM")
        poller = await client.begin_restore(folder, **access, **SOON)
        await poller.wait()
        assert poller.status() == "Succeeded" and content(keys) == before


def test_keys_read_by_the_client_are_the_same_before_and_after(server, client, keys, name):
    with KeyClient(pool_url(server), credential_for(server), connection_verify=server.bundle) as reader:
        made = reader.create_rsa_key(name, hardware_protected=True, tags={"a": "b"})
        folder = client.begin_backup(FOLDER, sas_token="", **SOON).result().folder_url
        reader.begin_delete_key(name).wait()
        reader.purge_deleted_key(name)
        client.begin_restore(folder, sas_token="", **SOON).wait()
        read = reader.get_key(name)
        assert (read.id, read.key.n, read.properties.tags) == (made.id, made.key.n, {"a": "b"})
        assert read.properties.created_on == made.properties.created_on
