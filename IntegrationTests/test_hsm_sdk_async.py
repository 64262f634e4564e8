"""Every key operation of a pool through the asynchronous clients with the asynchronous acredential."""

import asyncio
import hashlib
import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from harness import hsm_aes as aes
from harness.keys_clients import remote

pytest_plugins = ["harness.hsm_fixtures"]

DIGEST = hashlib.sha256(b"message").digest()


@pytest.fixture
async def apool(acredential):
    from azure.keyvault.keys.aio import KeyClient

    async with KeyClient(os.environ["MHSM_URL"], acredential) as client:
        yield client


@pytest.fixture
def crypto(acredential):
    def make(key):
        from azure.keyvault.keys.crypto.aio import CryptographyClient

        return CryptographyClient(key, acredential)

    return make


async def test_keys_of_every_kind_are_created_and_read(apool, name):
    made = [
        await apool.create_rsa_key(f"{name}-rsa", hardware_protected=True),
        await apool.create_ec_key(f"{name}-ec", curve="P-521", hardware_protected=True),
        await apool.create_oct_key(f"{name}-oct", size=192),
    ]
    assert [key.key_type for key in made] == ["RSA-HSM", "EC-HSM", "oct-HSM"]
    for key in made:
        assert (await apool.get_key(key.name)).id == key.id


async def test_a_symmetric_key_is_imported_and_agrees_with_the_library(apool, crypto, name):
    from azure.keyvault.keys import JsonWebKey
    from azure.keyvault.keys.crypto import EncryptionAlgorithm

    secret = os.urandom(16)
    key = await apool.import_key(name, JsonWebKey(kty="oct-HSM", key_ops=["encrypt", "decrypt"], k=secret), hardware_protected=True)
    value, tag = aes.gcm_seal(secret, bytes(12), b"plain")
    async with crypto(key) as client:
        opened = await client.decrypt(EncryptionAlgorithm.a128_gcm, value, iv=bytes(12), authentication_tag=tag)
    assert opened.plaintext == b"plain"


async def test_update_and_lists(apool, name):
    made = {(await apool.create_oct_key(name)).properties.version for _ in range(2)}
    assert (await apool.update_key_properties(name, enabled=False)).properties.enabled is False
    assert name in [item.name async for item in apool.list_properties_of_keys()]
    assert {item.version async for item in apool.list_properties_of_key_versions(name)} == made


async def test_delete_recover_and_purge(apool, name):
    made = await apool.create_oct_key(name)
    await apool.delete_key(name)
    assert (await apool.get_deleted_key(name)).name == name
    assert name in [item.name async for item in apool.list_deleted_keys()]
    await apool.recover_deleted_key(name)
    assert (await apool.get_key(name)).id == made.id
    await apool.delete_key(name)
    await apool.purge_deleted_key(name)
    with pytest.raises(ResourceNotFoundError):
        await apool.get_deleted_key(name)


async def test_a_backup_is_restored(apool, name):
    made = await apool.create_oct_key(name)
    backup = await apool.backup_key(name)
    with pytest.raises(ResourceExistsError):
        await apool.restore_key_backup(backup)
    await apool.delete_key(name)
    await apool.purge_deleted_key(name)
    assert (await apool.restore_key_backup(backup)).id == made.id


async def test_a_key_is_rotated_by_its_policy_and_not_without(apool, name):
    from azure.keyvault.keys import KeyRotationPolicy

    made = await apool.create_ec_key(name, hardware_protected=True)
    with pytest.raises(HttpResponseError):
        await apool.rotate_key(name)
    await apool.update_key_rotation_policy(name, KeyRotationPolicy(), expires_in="P90D")
    assert (await apool.get_key_rotation_policy(name)).expires_in == "P90D"
    assert (await apool.rotate_key(name)).id != made.id


async def test_what_the_pool_signs_the_client_verifies(apool, crypto, name):
    from azure.keyvault.keys.crypto import SignatureAlgorithm

    key = await apool.create_ec_key(name, hardware_protected=True)
    async with crypto(key) as client, crypto(remote(key)) as at_the_service:
        signature = (await at_the_service.sign(SignatureAlgorithm.es256, DIGEST)).signature
        assert (await client.verify(SignatureAlgorithm.es256, DIGEST, signature)).is_valid
        assert (await at_the_service.verify(SignatureAlgorithm.es256, DIGEST, signature)).is_valid


async def test_symmetric_encryption_and_wrapping_open_again(apool, crypto, name):
    from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm

    async with crypto(await apool.create_oct_key(name, size=256)) as client:
        gcm = EncryptionAlgorithm.a256_gcm
        sealed = await client.encrypt(gcm, b"plain", additional_authenticated_data=b"aad")
        opened = await client.decrypt(
            gcm, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag, additional_authenticated_data=b"aad"
        )
        assert opened.plaintext == b"plain"
        sealed = await client.encrypt(EncryptionAlgorithm.a256_cbcpad, b"plain", iv=b"i" * 16)
        assert (await client.decrypt(EncryptionAlgorithm.a256_cbcpad, sealed.ciphertext, iv=sealed.iv)).plaintext == b"plain"
        wrapped = await client.wrap_key(KeyWrapAlgorithm.aes_256, b"k" * 32)
        assert (await client.unwrap_key(KeyWrapAlgorithm.aes_256, wrapped.encrypted_key)).key == b"k" * 32


async def test_many_calls_at_once_are_answered(apool, crypto, name):
    from azure.keyvault.keys.crypto import EncryptionAlgorithm

    async with crypto(await apool.create_oct_key(name, size=256)) as client:
        sealed = await asyncio.gather(*(client.encrypt(EncryptionAlgorithm.a256_gcm, b"%d" % n) for n in range(40)))
        opened = await asyncio.gather(
            *(client.decrypt(each.algorithm, each.ciphertext, iv=each.iv, authentication_tag=each.tag) for each in sealed)
        )
    assert [each.plaintext for each in opened] == [b"%d" % n for n in range(40)]
