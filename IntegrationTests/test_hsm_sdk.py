"""Every key operation of a pool through the unmodified client, as its documentation uses it."""

import hashlib
import os

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.keys import JsonWebKey, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm

from harness import hsm_aes as aes
from harness.hsm_pool import cryptography_client
from harness.keys_clients import remote
from harness.keys_jwk import ec_jwk, new_ec, new_rsa, rsa_jwk
from harness.tokens import decode

pytest_plugins = ["harness.hsm_fixtures"]

DIGEST = hashlib.sha256(b"message").digest()


def delete(client, name: str):
    poller = client.begin_delete_key(name)
    poller.wait()
    return poller.result()


def jwk(parts: dict, kty: str) -> JsonWebKey:
    binary = {member: decode(value) for member, value in parts.items() if member not in ("kty", "crv")}
    return JsonWebKey(kty=kty, crv=parts.get("crv"), key_ops=None, **binary)


# Create, get


@pytest.mark.operation("KeyCreate")
@pytest.mark.operation("KeyGet")
@pytest.mark.parametrize("size", [2048, 3072])
def test_an_rsa_key_is_created_and_read(pool_client, name, size):
    made = pool_client.create_rsa_key(name, size=size, hardware_protected=True, tags={"a": "b"})
    assert (made.key_type, made.properties.tags, made.properties.vault_url) == ("RSA-HSM", {"a": "b"}, pool_client.vault_url)
    read = pool_client.get_key(name)
    assert (read.id, read.key.n, len(read.key.n)) == (made.id, made.key.n, size // 8)
    assert pool_client.get_key(name, made.properties.version).id == made.id


def test_a_public_exponent_is_chosen(pool_client, name):
    assert pool_client.create_rsa_key(name, public_exponent=17, hardware_protected=True).key.e == b"\x11"


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_an_ec_key_is_created_and_read(pool_client, name, curve):
    made = pool_client.create_ec_key(name, curve=curve, hardware_protected=True)
    assert (made.key_type, made.key.crv) == ("EC-HSM", curve)
    assert pool_client.get_key(name).key.x == made.key.x


@pytest.mark.parametrize("size", [128, 192, 256])
@pytest.mark.parametrize("hardware_protected", [True, False])
def test_a_symmetric_key_is_created_and_read(pool_client, name, size, hardware_protected):
    made = pool_client.create_oct_key(name, size=size, hardware_protected=hardware_protected)
    assert (made.key_type, made.key.k) == ("oct-HSM", None)
    assert pool_client.get_key(name).id == made.id


def test_an_unknown_key_is_not_found(pool_client, name):
    with pytest.raises(ResourceNotFoundError) as missing:
        pool_client.get_key(name)
    assert missing.value.error.code == "KeyNotFound"


# Import


@pytest.mark.operation("KeyImport")
def test_an_rsa_key_is_imported(pool_client, name):
    private = new_rsa()
    made = pool_client.import_key(name, jwk(rsa_jwk(private), "RSA-HSM"), hardware_protected=True)
    assert made.key_type == "RSA-HSM"
    assert int.from_bytes(made.key.n, "big") == private.public_key().public_numbers().n
    assert (made.key.d, made.key.p, made.key.qi) == (None, None, None)


def test_an_ec_key_is_imported(pool_client, name):
    private = new_ec("P-384")
    made = pool_client.import_key(name, jwk(ec_jwk(private), "EC-HSM"), hardware_protected=True)
    assert (made.key_type, made.key.crv, made.key.d) == ("EC-HSM", "P-384", None)
    signature = cryptography_client(remote(made)).sign(SignatureAlgorithm.es384, hashlib.sha384(b"m").digest()).signature
    assert cryptography_client(made).verify(SignatureAlgorithm.es384, hashlib.sha384(b"m").digest(), signature).is_valid


def test_a_symmetric_key_is_imported_and_agrees_with_the_library(pool_client, name):
    secret = os.urandom(32)
    made = pool_client.import_key(name, JsonWebKey(kty="oct-HSM", key_ops=["encrypt", "decrypt"], k=secret), hardware_protected=True)
    assert (made.key_type, made.key.k) == ("oct-HSM", None)
    sealed = cryptography_client(made).encrypt(EncryptionAlgorithm.a256_gcm, b"plain", additional_authenticated_data=b"aad")
    assert aes.gcm_open(secret, sealed.iv, sealed.ciphertext, sealed.tag, b"aad") == b"plain"


# Update, lists


@pytest.mark.operation("KeyUpdate")
def test_update_changes_properties_and_operations(pool_client, name):
    pool_client.create_rsa_key(name, hardware_protected=True)
    changed = pool_client.update_key_properties(name, enabled=False, tags={"c": "d"}, key_operations=["sign", "verify"])
    assert (changed.properties.enabled, changed.properties.tags, changed.key_operations) == (False, {"c": "d"}, ["sign", "verify"])
    assert pool_client.get_key(name).properties.enabled is False


@pytest.mark.operation("KeyList")
@pytest.mark.operation("KeyListVersions")
def test_lists_have_the_key_once_and_every_version(pool_client, name):
    made = {pool_client.create_oct_key(name, size=128).properties.version for _ in range(3)}
    assert [item.name for item in pool_client.list_properties_of_keys()].count(name) == 1
    assert {item.version for item in pool_client.list_properties_of_key_versions(name)} == made


# Delete, recover, purge


@pytest.mark.operation("KeyDelete")
@pytest.mark.operation("KeyGetDeleted")
@pytest.mark.operation("KeyListDeleted")
def test_a_deleted_key_is_gone_and_can_be_looked_up(pool_client, name):
    made = pool_client.create_oct_key(name)
    deleted = delete(pool_client, name)
    assert (deleted.name, deleted.recovery_id) == (name, f"{pool_client.vault_url}/deletedkeys/{name}")
    assert deleted.scheduled_purge_date > deleted.deleted_date
    with pytest.raises(ResourceNotFoundError):
        pool_client.get_key(name)
    with pytest.raises(ResourceExistsError):
        pool_client.create_oct_key(name)
    found = pool_client.get_deleted_key(name)
    assert (found.id, found.deleted_date) == (made.id, deleted.deleted_date)
    assert name in [item.name for item in pool_client.list_deleted_keys()]


@pytest.mark.operation("KeyRecover")
def test_a_recovered_key_works_as_before(pool_client, name):
    key = pool_client.create_oct_key(name)
    client = cryptography_client(key)
    sealed = client.encrypt(EncryptionAlgorithm.a256_gcm, b"plain")
    delete(pool_client, name)
    with pytest.raises(HttpResponseError):
        client.decrypt(EncryptionAlgorithm.a256_gcm, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag)
    poller = pool_client.begin_recover_deleted_key(name)
    poller.wait()
    assert poller.result().id == key.id
    opened = client.decrypt(EncryptionAlgorithm.a256_gcm, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag)
    assert opened.plaintext == b"plain"


@pytest.mark.operation("KeyPurge")
def test_a_purged_key_is_gone_for_good(pool_client, name):
    pool_client.create_ec_key(name, hardware_protected=True)
    delete(pool_client, name)
    pool_client.purge_deleted_key(name)
    with pytest.raises(ResourceNotFoundError):
        pool_client.get_deleted_key(name)


# Backup, restore


@pytest.mark.operation("KeyBackup")
@pytest.mark.operation("KeyRestore")
def test_a_purged_key_comes_back_from_its_backup(pool_client, name):
    first = pool_client.create_oct_key(name)
    second = pool_client.create_oct_key(name, size=128)
    client = cryptography_client(first)
    sealed = client.encrypt(EncryptionAlgorithm.a256_gcm, b"plain")
    backup = pool_client.backup_key(name)
    with pytest.raises(ResourceExistsError):
        pool_client.restore_key_backup(backup)
    delete(pool_client, name)
    with pytest.raises(ResourceExistsError):
        pool_client.restore_key_backup(backup)
    pool_client.purge_deleted_key(name)
    assert pool_client.restore_key_backup(backup).id == second.id
    opened = client.decrypt(EncryptionAlgorithm.a256_gcm, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag)
    assert opened.plaintext == b"plain"


# Rotation


@pytest.mark.operation("KeyRotate")
@pytest.mark.operation("KeyRotationPolicyGet")
@pytest.mark.operation("KeyRotationPolicySet")
def test_a_key_is_rotated_once_it_has_a_policy(pool_client, name):
    made = pool_client.create_rsa_key(name, hardware_protected=True)
    with pytest.raises(HttpResponseError) as refused:
        pool_client.rotate_key(name)
    assert refused.value.status_code == 400
    action = KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P60D")
    set_ = pool_client.update_key_rotation_policy(name, KeyRotationPolicy(), lifetime_actions=[action], expires_in="P90D")
    assert (set_.expires_in, set_.lifetime_actions[0].time_after_create) == ("P90D", "P60D")
    read = pool_client.get_key_rotation_policy(name)
    assert [each.action for each in read.lifetime_actions] == [KeyRotationPolicyAction.rotate]
    rotated = pool_client.rotate_key(name)
    assert rotated.id != made.id
    assert rotated.key.n != made.key.n
    assert (rotated.properties.expires_on - rotated.properties.created_on).days == 90


# Use


@pytest.mark.operation("KeySign")
@pytest.mark.operation("KeyVerify")
def test_what_the_pool_signs_both_verify(pool_client, name):
    key = pool_client.create_rsa_key(name, hardware_protected=True)
    for algorithm in (SignatureAlgorithm.rs256, SignatureAlgorithm.ps256):
        signature = cryptography_client(remote(key)).sign(algorithm, DIGEST).signature
        assert cryptography_client(key).verify(algorithm, DIGEST, signature).is_valid
        assert cryptography_client(remote(key)).verify(algorithm, DIGEST, signature).is_valid


def test_a_symmetric_key_signs_and_verifies(pool_client, name):
    key = pool_client.create_oct_key(name, size=256, key_operations=["sign", "verify"])
    client = cryptography_client(key)
    signature = client.sign(SignatureAlgorithm.hs256, DIGEST).signature
    assert client.verify(SignatureAlgorithm.hs256, DIGEST, signature).is_valid
    assert not client.verify(SignatureAlgorithm.hs256, DIGEST[::-1], signature).is_valid


@pytest.mark.operation("KeyEncrypt")
@pytest.mark.operation("KeyDecrypt")
@pytest.mark.parametrize("size", [128, 192, 256])
def test_symmetric_encryption_opens_again(pool_client, name, size):
    client = cryptography_client(pool_client.create_oct_key(name, size=size))
    gcm = EncryptionAlgorithm(f"A{size}GCM")
    sealed = client.encrypt(gcm, b"plain", additional_authenticated_data=b"aad")
    opened = client.decrypt(gcm, sealed.ciphertext, iv=sealed.iv, authentication_tag=sealed.tag, additional_authenticated_data=b"aad")
    assert opened.plaintext == b"plain"
    for cbc, plain in ((EncryptionAlgorithm(f"A{size}CBC"), b"p" * 32), (EncryptionAlgorithm(f"A{size}CBCPAD"), b"plain")):
        sealed = client.encrypt(cbc, plain, iv=b"i" * 16)
        assert client.decrypt(cbc, sealed.ciphertext, iv=sealed.iv).plaintext == plain


@pytest.mark.operation("KeyWrap")
@pytest.mark.operation("KeyUnwrap")
@pytest.mark.parametrize("size", [128, 192, 256])
def test_symmetric_wrapping_opens_again(pool_client, name, size):
    client = cryptography_client(pool_client.create_oct_key(name, size=size))
    for algorithm in (f"A{size}KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"):
        wrapped = client.wrap_key(KeyWrapAlgorithm(algorithm), b"k" * 32)
        assert client.unwrap_key(KeyWrapAlgorithm(algorithm), wrapped.encrypted_key).key == b"k" * 32


def test_rsa_encryption_and_wrapping_open_again(pool_client, name):
    key = pool_client.create_rsa_key(name, hardware_protected=True)
    for used in (key, remote(key)):
        client = cryptography_client(used)
        for algorithm in ("RSA-OAEP", "RSA-OAEP-256", "RSA1_5"):
            sealed = client.encrypt(EncryptionAlgorithm(algorithm), b"plain").ciphertext
            assert client.decrypt(EncryptionAlgorithm(algorithm), sealed).plaintext == b"plain"
            wrapped = client.wrap_key(KeyWrapAlgorithm(algorithm), b"k" * 32).encrypted_key
            assert client.unwrap_key(KeyWrapAlgorithm(algorithm), wrapped).key == b"k" * 32


# A premium vault


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_a_premium_vault_holds_rsa_keys_in_hardware(premium_client, name, size):
    key = premium_client.create_rsa_key(name, size=size, hardware_protected=True)
    assert key.key_type == "RSA-HSM"
    signature = cryptography_client(remote(key)).sign(SignatureAlgorithm.ps256, DIGEST).signature
    assert cryptography_client(key).verify(SignatureAlgorithm.ps256, DIGEST, signature).is_valid


@pytest.mark.parametrize("curve, algorithm", [("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("P-256K", "ES256K")])
def test_a_premium_vault_holds_ec_keys_in_hardware(premium_client, name, curve, algorithm):
    key = premium_client.create_ec_key(name, curve=curve, hardware_protected=True)
    assert key.key_type == "EC-HSM"
    hashed = hashlib.new({"ES384": "sha384", "ES512": "sha512"}.get(algorithm, "sha256"), b"message").digest()
    signature = cryptography_client(remote(key)).sign(SignatureAlgorithm(algorithm), hashed).signature
    assert cryptography_client(key).verify(SignatureAlgorithm(algorithm), hashed, signature).is_valid


def test_a_premium_vault_rotates_without_a_policy(premium_client, name):
    made = premium_client.create_ec_key(name, hardware_protected=True)
    rotated = premium_client.rotate_key(name)
    assert (rotated.key_type, rotated.id == made.id) == ("EC-HSM", False)
