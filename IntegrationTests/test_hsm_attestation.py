"""The attestation of a hardware key: four texts that only its own address shows."""

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from harness.keys_wire import assert_bad_parameter, done, path_of
from harness.tokens import decode

pytest_plugins = ["harness.hsm_fixtures"]

TEXTS = {"certificatePemFile", "privateKeyAttestation", "publicKeyAttestation", "version"}


def attestation(keys, bundle: dict) -> dict:
    return done(keys.wire.get(f"{path_of(bundle)}/attestation"))


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "P-521", "P-256K"])
def test_an_asymmetric_key_has_all_four_texts(hardware, kind):
    keys, standing = hardware
    shown = attestation(keys, standing(kind))
    texts = shown["attributes"].pop("attestation")
    assert set(texts) == TEXTS
    assert all(texts[member] for member in TEXTS)
    for member in TEXTS - {"version"}:
        assert decode(texts[member])
    assert shown == keys.get(standing(kind))


@pytest.mark.parametrize("kind", ["oct-128", "oct-256"])
def test_a_symmetric_key_has_no_public_one(hardware, kind):
    keys, standing = hardware
    texts = attestation(keys, standing(kind))["attributes"]["attestation"]
    assert set(texts) == TEXTS - {"publicKeyAttestation"}


def test_the_certificates_are_certificates(pool, pool_standing):
    texts = attestation(pool, pool_standing("RSA-2048"))["attributes"]["attestation"]
    assert x509.load_pem_x509_certificates(decode(texts["certificatePemFile"]))


def test_two_keys_have_two_attestations(pool, pool_standing):
    texts = [attestation(pool, pool_standing(kind))["attributes"]["attestation"] for kind in ("P-256", "P-384")]
    assert texts[0]["privateKeyAttestation"] != texts[1]["privateKeyAttestation"]
    assert texts[0]["publicKeyAttestation"] != texts[1]["publicKeyAttestation"]


@pytest.mark.operation("KeyAttestationGet")
def test_the_client_reads_it(pool_client, name):
    key = pool_client.create_ec_key(name, hardware_protected=True)
    shown = pool_client.get_key_attestation(name, key.properties.version).properties.attestation
    assert shown.private_key_attestation and shown.public_key_attestation and shown.certificate_pem_file
    latest = pool_client.get_key_attestation(name)
    assert latest.id == key.id
    assert latest.properties.attestation.private_key_attestation


def test_no_other_answer_shows_it(pool, name):
    made = pool.create(name, "EC-HSM")
    attestation(pool, made)
    answers = [made, pool.get(made), pool.get(name), pool.update(made, tags={}), pool.listed("/keys"), pool.versions(name)]
    answers += [pool.delete(name), done(pool.wire.get(f"/deletedkeys/{name}"))]
    assert "attestation" not in json.dumps(answers).replace(name, "")


def test_a_software_key_has_none(premium, name):
    made = premium.create(name, "EC")
    assert_bad_parameter(premium.wire.get(f"{path_of(made)}/attestation"))


def test_the_attestation_of_no_key_is_not_found(pool, name):
    missing = pool.wire.get(f"/keys/{name}/{'0' * 32}/attestation")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "KeyNotFound")


@pytest.mark.parametrize("version", ["7.5", "7.4", "7.0"])
def test_older_versions_of_the_api_have_no_attestation(pool, pool_standing, version):
    assert pool.wire.get(f"{path_of(pool_standing('P-256'))}/attestation", version=version).status_code in (400, 404)


@pytest.mark.parametrize("part", ["privateKeyAttestation", "publicKeyAttestation"])
def test_the_texts_are_signed_by_the_certificate_that_comes_with_them(pool, pool_standing, part):
    key = pool_standing("P-384")
    texts = attestation(pool, key)["attributes"]["attestation"]
    (certificate, *_) = x509.load_pem_x509_certificates(decode(texts["certificatePemFile"]))
    header, payload, signature = decode(texts[part]).decode().split(".")
    certificate.public_key().verify(decode(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256())
    said = json.loads(decode(payload))
    assert said["kid"] == key["key"]["kid"]
    assert (said["key"]["x"], said["key"]["y"]) == (key["key"]["x"], key["key"]["y"])


def test_the_private_text_says_that_the_key_cannot_leave_the_token(pool, pool_standing):
    """It is made from what the token itself says of the object."""
    for kind in ("RSA-2048", "P-256", "oct-256"):
        texts = attestation(pool, pool_standing(kind))["attributes"]["attestation"]
        said = json.loads(decode(decode(texts["privateKeyAttestation"]).decode().split(".")[1]))
        assert (said["attributes"]["CKA_SENSITIVE"], said["attributes"]["CKA_EXTRACTABLE"]) == (True, False)
