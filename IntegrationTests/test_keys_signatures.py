"""Sign and verify, against an independent library; and everything that does not fit together."""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from harness import keys_algorithms as algorithms
from harness.keys_jwk import coordinate_length, ec_jwk, new_ec, public_key
from harness.keys_wire import assert_bad_parameter, error_of, path_of
from harness.tokens import encode

pytest_plugins = ["harness.keys_fixtures"]

RSA = [(algorithm, kind) for algorithm in algorithms.RSA_SIGNATURES for kind in ("RSA-2048", "RSA-3072", "RSA-4096")]
EC = list(algorithms.EC_SIGNATURES.items())


# Both ways


@pytest.mark.parametrize("algorithm, kind", RSA + EC)
def test_a_signature_of_the_service_holds_for_the_library_and_the_service(keys, standing, algorithm, kind):
    hashed = algorithms.digest(algorithm)
    signature = keys.sign(standing(kind), algorithm, hashed)
    assert algorithms.verifies(public_key(standing(kind)["key"]), algorithm, hashed, signature)
    assert keys.verify(standing(kind), algorithm, hashed, signature) is True


@pytest.mark.parametrize("algorithm", algorithms.RSA_SIGNATURES)
def test_an_rsa_signature_of_the_library_holds_for_the_service(keys, known, rsa_private, algorithm):
    hashed = algorithms.digest(algorithm)
    assert keys.verify(known, algorithm, hashed, algorithms.sign(rsa_private, algorithm, hashed)) is True


def test_an_rs_signature_is_always_the_same_and_a_ps_signature_never(keys, known, rsa_private):
    hashed = algorithms.digest("RS256")
    assert {keys.sign(known, "RS256", hashed) for _ in range(3)} == {algorithms.sign(rsa_private, "RS256", hashed)}
    assert len({keys.sign(known, "PS256", hashed) for _ in range(3)}) == 3


@pytest.mark.parametrize("algorithm, curve", EC)
def test_an_ec_signature_is_r_and_s_in_full_length(keys, standing, algorithm, curve):
    for _ in range(4):
        assert len(keys.sign(standing(curve), algorithm, algorithms.digest(algorithm))) == 2 * coordinate_length(curve)


@pytest.mark.parametrize("algorithm, kind", [("RS256", "RSA-2048"), *EC])
def test_a_digest_may_be_any_bytes(keys, standing, algorithm, kind):
    for byte in (b"\x00", b"\xff"):
        hashed = byte * algorithms.digest_length(algorithm)
        assert keys.verify(standing(kind), algorithm, hashed, keys.sign(standing(kind), algorithm, hashed)) is True


# Signatures that do not hold: 200 and false


def spoilt(signature: bytes) -> dict[str, bytes]:
    half = len(signature) // 2
    return {
        "first bit": bytes([signature[0] ^ 1]) + signature[1:],
        "last bit": signature[:-1] + bytes([signature[-1] ^ 1]),
        "cut": signature[:-1],
        "longer": signature + b"\x00",
        "zero first": b"\x00" + signature,
        "zero": bytes(len(signature)),
        "all ones": b"\xff" * len(signature),
        "first half zero": bytes(half) + signature[half:],
        "second half zero": signature[:half] + bytes(half),
        "halves turned": signature[half:] + signature[:half],
        "one byte": b"\x01",
    }


@pytest.mark.parametrize("algorithm, kind", [("RS256", "RSA-2048"), ("PS256", "RSA-2048"), ("PS512", "RSA-2048"), *EC])
def test_a_spoilt_signature_does_not_hold(keys, standing, algorithm, kind):
    hashed = algorithms.digest(algorithm)
    wrong = spoilt(keys.sign(standing(kind), algorithm, hashed))
    assert {what: keys.verify(standing(kind), algorithm, hashed, each) for what, each in wrong.items()} == dict.fromkeys(
        wrong, False
    )


@pytest.mark.parametrize("algorithm, curve", EC)
def test_a_signature_in_der_does_not_hold(keys, standing, algorithm, curve):
    hashed = algorithms.digest(algorithm)
    signature = algorithms.der(keys.sign(standing(curve), algorithm, hashed))
    assert keys.verify(standing(curve), algorithm, hashed, signature) is False


@pytest.mark.parametrize("algorithm, other", [("RS256", "PS256"), ("PS256", "RS256"), ("RS384", "PS384"), ("PS512", "RS512")])
def test_a_signature_of_another_padding_does_not_hold(keys, standing, algorithm, other):
    hashed = algorithms.digest(algorithm)
    assert keys.verify(standing("RSA-2048"), algorithm, hashed, keys.sign(standing("RSA-2048"), other, hashed)) is False


def test_a_signature_of_another_key_does_not_hold(keys, known, standing):
    hashed = algorithms.digest("RS256")
    assert keys.verify(known, "RS256", hashed, keys.sign(standing("RSA-2048"), "RS256", hashed)) is False


def test_a_signature_of_another_version_does_not_hold(keys, name):
    old, new = keys.create(name), keys.rotate(name)
    hashed = algorithms.digest("ES256")
    signature = keys.sign(old, "ES256", hashed)
    assert [keys.verify(key, "ES256", hashed, signature) for key in (old, new, name)] == [True, False, False]


def test_a_salt_of_another_length_does_not_hold(keys, known, rsa_private):
    hashed = algorithms.digest("PS256")
    for salt in (0, 20, padding.PSS.MAX_LENGTH):
        signature = rsa_private.sign(hashed, padding.PSS(padding.MGF1(hashes.SHA256()), salt), Prehashed(hashes.SHA256()))
        assert keys.verify(known, "PS256", hashed, signature) is False


def test_a_mask_of_another_hash_does_not_hold(keys, known, rsa_private):
    hashed = algorithms.digest("PS256")
    signature = rsa_private.sign(hashed, padding.PSS(padding.MGF1(hashes.SHA1()), 32), Prehashed(hashes.SHA256()))
    assert keys.verify(known, "PS256", hashed, signature) is False


# RSNULL: PKCS#1 v1.5 without a name of the hash


@pytest.mark.parametrize("length", [1, 20, 36, 245])
def test_rsnull_signs_the_bare_block(keys, standing, length):
    signature = keys.sign(standing("RSA-2048"), "RSNULL", b"v" * length)
    numbers = public_key(standing("RSA-2048")["key"]).public_numbers()
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    assert block == b"\x00\x01" + b"\xff" * (253 - length) + b"\x00" + b"v" * length
    assert keys.verify(standing("RSA-2048"), "RSNULL", b"v" * length, signature) is True


def test_rsnull_signs_no_longer_block(keys, standing):
    assert_bad_parameter(keys.ask("sign", standing("RSA-2048"), "RSNULL", b"v" * 246))


# Digests of a wrong length


@pytest.mark.parametrize("algorithm, kind", [*((algorithm, "RSA-2048") for algorithm in algorithms.RSA_SIGNATURES), *EC])
@pytest.mark.parametrize("change", [-1, 1, -12, 16])
def test_a_digest_of_another_length_is_refused(keys, standing, algorithm, kind, change):
    hashed = b"d" * (algorithms.digest_length(algorithm) + change)
    assert_bad_parameter(keys.ask("sign", standing(kind), algorithm, hashed))
    assert_bad_parameter(keys.ask_verify(standing(kind), algorithm, hashed, b"s" * 64))


@pytest.mark.parametrize("algorithm, kind", [("RS256", "RSA-2048"), ("ES256", "P-256")])
def test_an_empty_digest_is_refused(keys, standing, algorithm, kind):
    assert_bad_parameter(keys.ask("sign", standing(kind), algorithm, b""))


# Algorithms that do not fit


OTHERS = [*algorithms.RSA_ENCRYPTIONS, *algorithms.HMACS, *algorithms.AES_WRAPS, "A256GCM", "RS1", "RS224", "ES224", "none", ""]
MISFITS = {
    "RSA-2048": [*algorithms.EC_SIGNATURES, "EdDSA", *OTHERS],
    "P-256": [*algorithms.RSA_SIGNATURES, "ES384", "ES512", "ES256K", "EdDSA", *OTHERS],
    "P-384": [*algorithms.RSA_SIGNATURES, "ES256", "ES512", "ES256K", "EdDSA"],
    "P-521": [*algorithms.RSA_SIGNATURES, "ES256", "ES384", "ES256K", "EdDSA"],
    "P-256K": [*algorithms.RSA_SIGNATURES, "ES256", "ES384", "ES512", "EdDSA"],
    "Ed25519": [*algorithms.RSA_SIGNATURES, *algorithms.EC_SIGNATURES, *OTHERS],
}


@pytest.mark.parametrize("kind, algorithm", [(kind, algorithm) for kind, several in MISFITS.items() for algorithm in several])
def test_an_algorithm_that_does_not_fit_the_key_is_refused(keys, standing, kind, algorithm):
    length = {"384": 48, "512": 64}.get(algorithm[2:5], 32)
    assert_bad_parameter(keys.ask("sign", standing(kind), algorithm, b"d" * length))
    assert_bad_parameter(keys.ask_verify(standing(kind), algorithm, b"d" * length, b"s" * 64))


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"alg": "ES256"},
        {"value": "A" * 43},
        {"alg": None, "value": "A" * 43},
        {"alg": "ES256", "value": 5},
        {"alg": "ES256", "value": "!" * 43},
        [],
    ],
    ids=str,
)
def test_a_wrong_body_is_not_signed(keys, standing, body):
    assert_bad_parameter(keys.wire.post(f"{path_of(standing('P-256'))}/sign", json=body))


@pytest.mark.parametrize("missing", ["alg", "digest", "value"])
@pytest.mark.parametrize("left", ["out", None, 5, "!"], ids=["left out", "null", "number", "no base64url"])
def test_a_wrong_body_is_not_verified(keys, standing, missing, left):
    body = {"alg": "ES256", "digest": encode(b"d" * 32), "value": encode(b"s" * 64)}
    body = {member: value for member, value in body.items() if member != missing}
    if left != "out":
        body[missing] = left
    assert_bad_parameter(keys.wire.post(f"{path_of(standing('P-256'))}/verify", json=body))


def test_a_padded_signature_is_verified(keys, standing):
    hashed = algorithms.digest("ES256")
    signature = encode(keys.sign(standing("P-256"), "ES256", hashed))
    body = {"alg": "ES256", "digest": encode(hashed) + "=", "value": signature + "=" * (-len(signature) % 4)}
    assert keys.wire.post(f"{path_of(standing('P-256'))}/verify", json=body).json() == {"value": True}


def test_a_refusal_repeats_nothing_of_the_digest(keys, standing):
    answer = keys.ask("sign", standing("P-256"), "ES256", b"do-not-repeat-me" * 3)
    assert error_of(answer)["code"] == "BadParameter"
    assert "do-not-repeat" not in answer.text and encode(b"do-not-repeat-me")[:16] not in answer.text


def test_an_imported_key_on_each_curve_verifies_the_library(keys, name):
    for algorithm, curve in EC:
        private = new_ec(curve)
        key = keys.import_key(f"{name}-{curve}", ec_jwk(private))
        hashed = algorithms.digest(algorithm)
        assert keys.verify(key, algorithm, hashed, algorithms.sign(private, algorithm, hashed)) is True
