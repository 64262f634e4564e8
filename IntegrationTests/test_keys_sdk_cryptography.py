"""`CryptographyClient`, at the service and on the client, and an independent library: all three agree both ways."""

import hashlib

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from harness import keys_algorithms as algorithms
from harness.keys_clients import cryptography_client_for, remote
from harness.keys_jwk import public_key
from harness.tokens import encode

pytest_plugins = ["harness.keys_fixtures"]

SIGNING = [(algorithm, "RSA-2048") for algorithm in algorithms.RSA_SIGNATURES] + list(algorithms.EC_SIGNATURES.items())


@pytest.fixture
def clients(server, key_client, standing):
    """Two clients of a standing key: one that works where it can, one that leaves everything to the service."""
    opened: list[CryptographyClient] = []

    def make(kind: str) -> list[CryptographyClient]:
        bundle = standing(kind)
        key = key_client.get_key(*bundle["key"]["kid"].rsplit("/", 2)[1:])
        opened.extend(cryptography_client_for(server, used) for used in (key, remote(key)))
        return opened

    yield make
    for client in opened:
        client.close()


@pytest.mark.parametrize("algorithm, kind", SIGNING)
def test_a_signature_of_the_service_holds_everywhere(clients, standing, algorithm, kind):
    local, service = clients(kind)
    hashed = algorithms.digest(algorithm)
    signature = local.sign(SignatureAlgorithm(algorithm), hashed).signature
    assert local.verify(SignatureAlgorithm(algorithm), hashed, signature).is_valid
    assert service.verify(SignatureAlgorithm(algorithm), hashed, signature).is_valid
    assert algorithms.verifies(public_key(standing(kind)["key"]), algorithm, hashed, signature)


@pytest.mark.parametrize("algorithm, kind", SIGNING)
def test_a_signature_of_something_else_holds_nowhere(clients, algorithm, kind):
    local, service = clients(kind)
    signature = service.sign(SignatureAlgorithm(algorithm), algorithms.digest(algorithm)).signature
    other = algorithms.digest(algorithm, b"another message")
    assert not local.verify(SignatureAlgorithm(algorithm), other, signature).is_valid
    assert not service.verify(SignatureAlgorithm(algorithm), other, signature).is_valid


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
def test_what_is_encrypted_anywhere_the_service_decrypts(clients, standing, algorithm):
    local, service = clients("RSA-2048")
    public = public_key(standing("RSA-2048")["key"])
    sealed = [client.encrypt(EncryptionAlgorithm(algorithm), b"plain").ciphertext for client in (local, service)]
    sealed.append(public.encrypt(b"plain", algorithms.encryption_padding(algorithm)))
    assert [service.decrypt(EncryptionAlgorithm(algorithm), each).plaintext for each in sealed] == [b"plain"] * 3


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
def test_what_is_wrapped_anywhere_the_service_unwraps(clients, standing, algorithm):
    local, service = clients("RSA-2048")
    public = public_key(standing("RSA-2048")["key"])
    wrapped = [client.wrap_key(KeyWrapAlgorithm(algorithm), b"k" * 32).encrypted_key for client in (local, service)]
    wrapped.append(public.encrypt(b"k" * 32, algorithms.encryption_padding(algorithm)))
    assert [service.unwrap_key(KeyWrapAlgorithm(algorithm), each).key for each in wrapped] == [b"k" * 32] * 3


@pytest.mark.operation("KeySign")
@pytest.mark.operation("KeyVerify")
@pytest.mark.operation("KeyEncrypt")
@pytest.mark.operation("KeyDecrypt")
@pytest.mark.operation("KeyWrap")
@pytest.mark.operation("KeyUnwrap")
def test_the_service_does_every_operation_for_the_client(clients):
    _, service = clients("RSA-2048")
    hashed = algorithms.digest("PS256")
    signature = service.sign(SignatureAlgorithm.ps256, hashed).signature
    assert service.verify(SignatureAlgorithm.ps256, hashed, signature).is_valid
    sealed = service.encrypt(EncryptionAlgorithm.rsa_oaep, b"plain").ciphertext
    assert service.decrypt(EncryptionAlgorithm.rsa_oaep, sealed).plaintext == b"plain"
    wrapped = service.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"k" * 32).encrypted_key
    assert service.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped).key == b"k" * 32


def test_a_client_with_an_identifier_without_a_version_uses_the_newest(server, key_client, name):
    key_client.create_ec_key(name)
    newest = key_client.create_ec_key(name)
    with cryptography_client_for(server, f"{key_client.vault_url}/keys/{name}") as client:
        result = client.sign(SignatureAlgorithm.es256, hashlib.sha256(b"m").digest())
    assert client.key_id == newest.id
    assert algorithms.verifies(
        public_key({"kty": "EC", "crv": "P-256", **_coordinates(newest)}),
        "ES256",
        algorithms.digest("ES256", b"m"),
        result.signature,
    )


def _coordinates(key) -> dict:
    return {"x": encode(key.key.x), "y": encode(key.key.y)}


def test_an_older_version_still_opens_what_it_sealed(server, key_client, name):
    old = key_client.create_rsa_key(name)
    with cryptography_client_for(server, old) as client:
        sealed = client.encrypt(EncryptionAlgorithm.rsa_oaep_256, b"plain").ciphertext
        key_client.rotate_key(name)
        assert client.decrypt(EncryptionAlgorithm.rsa_oaep_256, sealed).plaintext == b"plain"


def test_the_client_as_a_private_key_of_the_library(server, key_client, standing):
    """The client's own adapter signs through the library's interface."""
    kid = standing("RSA-2048")["key"]["kid"]
    with cryptography_client_for(server, key_client.get_key(*kid.rsplit("/", 2)[1:])) as client:
        private = client.create_rsa_private_key()
        signature = private.sign(b"message", padding.PKCS1v15(), hashes.SHA256())
        private.public_key().verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
    public_key(standing("RSA-2048")["key"]).verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())


def test_the_client_learns_that_an_operation_is_not_permitted(server, key_client, name):
    key = key_client.create_ec_key(name, key_operations=["verify"])
    with cryptography_client_for(server, key) as client, pytest.raises(HttpResponseError) as refused:
        client.sign(SignatureAlgorithm.es256, hashlib.sha256(b"m").digest())
    assert refused.value.status_code == 403
    assert refused.value.error.innererror["code"] == "KeyOperationForbidden"


def test_the_client_learns_that_a_ciphertext_is_wrong(clients):
    with pytest.raises(HttpResponseError) as refused:
        clients("RSA-2048")[1].decrypt(EncryptionAlgorithm.rsa_oaep, b"\x01" * 256)
    assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")
