"""Every key operation through the asynchronous clients with the asynchronous acredential."""

import hashlib
import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from harness.keys_clients import remote

DIGEST = hashlib.sha256(b"message").digest()


@pytest.fixture
async def aclient(acredential):
    from azure.keyvault.keys.aio import KeyClient

    async with KeyClient(os.environ["VAULT_URL"], acredential) as client:
        yield client


@pytest.fixture
def crypto(acredential):
    def make(key):
        from azure.keyvault.keys.crypto.aio import CryptographyClient

        return CryptographyClient(key, acredential)

    return make


async def test_a_key_that_was_created_is_read_back(aclient, name):
    made = await aclient.create_ec_key(name, curve="P-521", tags={"a": "b"})
    read = await aclient.get_key(name)
    assert (read.id, read.key.x, read.key.crv, read.properties.tags) == (made.id, made.key.x, "P-521", {"a": "b"})


async def test_update_changes_properties(aclient, name):
    await aclient.create_ec_key(name)
    assert (await aclient.update_key_properties(name, enabled=False)).properties.enabled is False


async def test_lists_have_the_key_and_its_versions(aclient, name):
    made = {(await aclient.create_ec_key(name)).properties.version for _ in range(2)}
    assert name in [item.name async for item in aclient.list_properties_of_keys()]
    assert {item.version async for item in aclient.list_properties_of_key_versions(name)} == made


async def test_a_deleted_key_can_be_looked_up_and_recovered(aclient, name):
    made = await aclient.create_ec_key(name)
    await aclient.delete_key(name)
    assert (await aclient.get_deleted_key(name)).name == name
    assert name in [item.name async for item in aclient.list_deleted_keys()]
    await aclient.recover_deleted_key(name)
    assert (await aclient.get_key(name)).id == made.id


async def test_a_purged_key_is_gone(aclient, name):
    await aclient.create_ec_key(name)
    await aclient.delete_key(name)
    await aclient.purge_deleted_key(name)
    with pytest.raises(ResourceNotFoundError):
        await aclient.get_deleted_key(name)


async def test_a_backup_is_restored(aclient, name):
    made = await aclient.create_ec_key(name)
    backup = await aclient.backup_key(name)
    await aclient.delete_key(name)
    with pytest.raises(ResourceExistsError):
        await aclient.restore_key_backup(backup)
    await aclient.purge_deleted_key(name)
    assert (await aclient.restore_key_backup(backup)).key.x == made.key.x


async def test_a_key_is_rotated_by_its_policy(aclient, name):
    from azure.keyvault.keys import KeyRotationPolicy

    made = await aclient.create_ec_key(name)
    await aclient.update_key_rotation_policy(name, KeyRotationPolicy(), expires_in="P90D")
    assert (await aclient.get_key_rotation_policy(name)).expires_in == "P90D"
    rotated = await aclient.rotate_key(name)
    assert rotated.id != made.id
    assert rotated.properties.expires_on is not None


async def test_what_the_service_signs_the_client_verifies(aclient, crypto, name):
    from azure.keyvault.keys.crypto import SignatureAlgorithm

    key = await aclient.create_ec_key(name)
    async with crypto(key) as client, crypto(remote(key)) as at_the_service:
        signature = (await client.sign(SignatureAlgorithm.es256, DIGEST)).signature
        assert (await client.verify(SignatureAlgorithm.es256, DIGEST, signature)).is_valid
        assert (await at_the_service.verify(SignatureAlgorithm.es256, DIGEST, signature)).is_valid


async def test_what_the_client_encrypts_and_wraps_the_service_opens(aclient, crypto, name):
    from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm

    key = await aclient.create_rsa_key(name)
    for used in (key, remote(key)):
        async with crypto(used) as client:
            sealed = (await client.encrypt(EncryptionAlgorithm.rsa_oaep_256, b"plain")).ciphertext
            assert (await client.decrypt(EncryptionAlgorithm.rsa_oaep_256, sealed)).plaintext == b"plain"
            wrapped = (await client.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"k" * 32)).encrypted_key
            assert (await client.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped)).key == b"k" * 32


async def test_a_disabled_key_does_not_sign(aclient, crypto, name):
    from azure.keyvault.keys.crypto import SignatureAlgorithm

    key = await aclient.create_ec_key(name, enabled=False)
    async with crypto(key.id) as client:
        with pytest.raises(HttpResponseError) as refused:
            await client.sign(SignatureAlgorithm.es256, DIGEST)
    assert refused.value.status_code == 403
