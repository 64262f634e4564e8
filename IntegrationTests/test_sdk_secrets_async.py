"""Every secret operation through the asynchronous client with the asynchronous credential."""

import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError


@pytest.fixture
async def aclient(acredential):
    from azure.keyvault.secrets.aio import SecretClient

    async with SecretClient(os.environ["VAULT_URL"], acredential) as client:
        yield client


async def test_a_secret_that_was_set_is_read_back(aclient, name):
    await aclient.set_secret(name, "world", content_type="text/plain", tags={"a": "b"})
    read = await aclient.get_secret(name)
    assert (read.value, read.properties.content_type, read.properties.tags) == ("world", "text/plain", {"a": "b"})


async def test_an_older_version_stays_readable(aclient, name):
    first = await aclient.set_secret(name, "first")
    await aclient.set_secret(name, "second")
    assert (await aclient.get_secret(name, first.properties.version)).value == "first"


async def test_update_changes_properties(aclient, name):
    await aclient.set_secret(name, "v")
    await aclient.update_secret_properties(name, content_type="changed")
    assert (await aclient.get_secret(name)).properties.content_type == "changed"


async def test_lists_have_the_secret_and_its_versions(aclient, name):
    made = {(await aclient.set_secret(name, value)).properties.version for value in ("first", "second")}
    assert name in [item.name async for item in aclient.list_properties_of_secrets()]
    assert {item.version async for item in aclient.list_properties_of_secret_versions(name)} == made


async def test_a_deleted_secret_can_be_looked_up_and_recovered(aclient, name):
    await aclient.set_secret(name, "v")
    await aclient.delete_secret(name)
    assert (await aclient.get_deleted_secret(name)).name == name
    assert name in [item.name async for item in aclient.list_deleted_secrets()]
    await aclient.recover_deleted_secret(name)
    assert (await aclient.get_secret(name)).value == "v"


async def test_a_purged_secret_is_gone(aclient, name):
    await aclient.set_secret(name, "v")
    await aclient.delete_secret(name)
    await aclient.purge_deleted_secret(name)
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_deleted_secret(name)


async def test_a_backup_is_restored(aclient, name):
    await aclient.set_secret(name, "v")
    backup = await aclient.backup_secret(name)
    await aclient.delete_secret(name)
    with pytest.raises(ResourceExistsError):
        await aclient.restore_secret_backup(backup)
    await aclient.purge_deleted_secret(name)
    await aclient.restore_secret_backup(backup)
    assert (await aclient.get_secret(name)).value == "v"


async def test_a_disabled_secret_does_not_give_its_value(aclient, name):
    await aclient.set_secret(name, "v", enabled=False)
    with pytest.raises(HttpResponseError) as refused:
        await aclient.get_secret(name)
    assert refused.value.status_code == 403
