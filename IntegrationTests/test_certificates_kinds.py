"""Certificates over every type of key, software and hardware, and the key's operations."""

import base64
import hashlib
import uuid

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from harness.certificates_made import certificate_of, public_der
from harness.certificates_wire import Certificates, make_together, policy
from harness.keys_wire import Keys, done

pytest_plugins = ["harness.certificates_fixtures"]

SIZES, CURVES = (2048, 3072, 4096), {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1", "P-256K": "secp256k1"}
SIGNED = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
DIGESTS = {"ES256": "sha256", "ES384": "sha384", "ES512": "sha512", "ES256K": "sha256", "RS256": "sha256"}


def about(certificate: x509.Certificate) -> tuple:
    """Size or curve, and the signature algorithm that fits."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size, "RS256"
    return key.curve.name, SIGNED[key.curve.name]


RSA = {f"{kty}-{size}": {"kty": kty, "key_size": size} for kty in ("RSA", "RSA-HSM") for size in SIZES}
EC = {f"{kty}-{curve}": {"kty": kty, "crv": curve} for kty in ("EC", "EC-HSM") for curve in CURVES}
KINDS = {label: {**key, "exportable": not key["kty"].endswith("HSM")} for label, key in {**RSA, **EC}.items()}


@pytest.fixture(scope="module")
def made(server) -> dict[str, dict]:
    """A self-signed certificate of each kind."""
    wanted = {label: policy(key=key) for label, key in KINDS.items()}
    together = make_together(Certificates(server.wire()), f"kinds-{uuid.uuid4().hex[:8]}", wanted)
    return {label: bundle for label, (_, bundle) in together.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_verifies_and_is_over_a_key_of_its_kind(made, kind):
    certificate = certificate_of(made[kind])
    certificate.verify_directly_issued_by(certificate)
    key = KINDS[kind]
    assert about(certificate)[0] == (key.get("key_size") or CURVES[key["crv"]])
    shown = made[kind]["policy"]["key_props"]
    assert shown == {"reuse_key": False, "key_size": shown["key_size"], **key}
    assert shown["key_size"] == certificate.public_key().key_size


@pytest.mark.parametrize("kind", KINDS)
def test_the_vault_signs_with_the_key_and_the_certificate_tells(certificates, made, kind):
    key = certificates.at(made[kind]["kid"])
    _, algorithm = about(certificate_of(made[kind]))
    keys, hashed = Keys(certificates.wire), hashlib.new(DIGESTS[algorithm], b"text").digest()
    assert keys.verify(key, algorithm, hashed, keys.sign(key, algorithm, hashed))
    assert key["key"]["kty"] == KINDS[kind]["kty"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_secret_has_the_key_unless_it_is_in_hardware(certificates, made, kind):
    value = base64.b64decode(certificates.at(made[kind]["sid"])["value"])
    key, certificate, others = pkcs12.load_key_and_certificates(value, b"")
    assert certificate_of(made[kind]) in [certificate, *others]
    assert (key is not None) is KINDS[kind]["exportable"]
    assert key is None or public_der(key) == public_der(certificate_of(made[kind]))


def test_a_key_in_hardware_cannot_leave_by_default(certificates, name):
    certificates.begin(name, policy("Unknown", key={"kty": "EC-HSM"}))
    assert done(certificates.wire.get(f"/certificates/{name}/policy"))["key_props"]["exportable"] is False


USAGES = {
    "usual": (["digitalSignature", "keyEncipherment"], ["sign", "unwrapKey", "verify", "wrapKey"]),
    "data": (["dataEncipherment"], ["decrypt", "encrypt"]),
    "signing": (["keyCertSign", "cRLSign", "nonRepudiation"], ["sign", "verify"]),
    "decipher": (["decipherOnly"], ["decrypt"]),
    "encipher": (["encipherOnly"], ["encrypt"]),
}


def test_the_usage_says_what_the_key_may_do(certificates, name):
    key = {"kty": "RSA"}
    wanted = {
        label: policy(key=key, x509_props={"subject": "CN=x", "key_usage": usages}) for label, (usages, _) in USAGES.items()
    }
    make_together(certificates, name, wanted)
    told = {label: sorted(certificates.key(f"{name}-{label}")["key"]["key_ops"]) for label in USAGES}
    assert told == {label: operations for label, (_, operations) in USAGES.items()}
