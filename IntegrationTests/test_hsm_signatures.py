"""Signatures of hardware keys, in a premium vault and in a pool, against an independent library."""

import pytest

from harness import hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_aes import mac
from harness.hsm_pool import pool_keys
from harness.keys_jwk import ec_jwk, new_ec, new_rsa, public_key, rsa_jwk
from harness.keys_texts import disabled, expired, not_permitted
from harness.keys_wire import assert_bad_parameter, assert_forbidden, error_of
from harness.tokens import encode

pytest_plugins = ["harness.hsm_fixtures"]


def public(bundle: dict):
    return public_key(hsm_kinds.software_form(bundle))


# RSA


@pytest.mark.parametrize("algorithm", algorithms.RSA_SIGNATURES)
@pytest.mark.parametrize("kind", hsm_kinds.RSA)
def test_the_library_verifies_what_an_rsa_key_signs(hardware, kind, algorithm):
    keys, standing = hardware
    hashed = algorithms.digest(algorithm)
    signature = keys.sign(standing(kind), algorithm, hashed)
    assert algorithms.verifies(public(standing(kind)), algorithm, hashed, signature)
    assert keys.verify(standing(kind), algorithm, hashed, signature)
    assert not keys.verify(standing(kind), algorithm, bytes([hashed[0] ^ 1]) + hashed[1:], signature)


@pytest.mark.parametrize("algorithm", algorithms.RSA_SIGNATURES)
def test_an_imported_rsa_key_signs_as_the_library_does(pool, imported_rsa, algorithm):
    private, bundle = imported_rsa
    hashed = algorithms.digest(algorithm)
    ours = algorithms.sign(private, algorithm, hashed)
    assert pool.verify(bundle, algorithm, hashed, ours)
    theirs = pool.sign(bundle, algorithm, hashed)
    assert algorithms.verifies(private.public_key(), algorithm, hashed, theirs)
    if algorithm.startswith("RS"):
        assert theirs == ours


@pytest.fixture(scope="module")
def imported_rsa(server):
    private = new_rsa()
    return private, pool_keys(server).import_key("signs-with-imported-rsa", {**rsa_jwk(private), "kty": "RSA-HSM"})


def test_rsnull_signs_the_block_as_it_is(pool, imported_rsa):
    private, bundle = imported_rsa
    numbers = private.public_key().public_numbers()
    signature = pool.sign(bundle, "RSNULL", b"bare block")
    opened = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    assert opened == b"\x00\x01" + b"\xff" * (256 - 13) + b"\x00" + b"bare block"


def test_a_key_with_another_exponent_signs(pool, name):
    made = pool.create(name, "RSA-HSM", public_exponent=3)
    hashed = algorithms.digest("PS256")
    assert algorithms.verifies(public(made), "PS256", hashed, pool.sign(made, "PS256", hashed))


# EC


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_the_library_verifies_what_an_ec_key_signs(hardware, curve):
    keys, standing = hardware
    algorithm = hsm_kinds.CURVE_ALGORITHMS[curve]
    hashed = algorithms.digest(algorithm)
    signature = keys.sign(standing(curve), algorithm, hashed)
    assert len(signature) == {"ES256": 64, "ES256K": 64, "ES384": 96, "ES512": 132}[algorithm]
    assert algorithms.verifies(public(standing(curve)), algorithm, hashed, signature)
    assert keys.verify(standing(curve), algorithm, hashed, signature)
    assert not keys.verify(standing(curve), algorithm, hashed[::-1], signature)


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_the_hardware_verifies_what_the_library_signs(hardware, name, curve):
    keys, _ = hardware
    algorithm = hsm_kinds.CURVE_ALGORITHMS[curve]
    private = new_ec(curve)
    made = keys.import_key(name, {**ec_jwk(private), "kty": "EC-HSM"})
    hashed = algorithms.digest(algorithm)
    assert keys.verify(made, algorithm, hashed, algorithms.sign(private, algorithm, hashed))
    assert algorithms.verifies(private.public_key(), algorithm, hashed, keys.sign(made, algorithm, hashed))


# HMAC


def test_a_symmetric_key_makes_the_code_that_the_library_makes(pool, name):
    secret = bytes(range(32))
    made = pool.import_key(name, {"kty": "oct-HSM", "k": encode(secret), "key_ops": ["sign", "verify"]})
    hashed = algorithms.digest("HS256")
    code = pool.sign(made, "HS256", hashed)
    assert code == mac(secret, hashed)
    assert pool.verify(made, "HS256", hashed, code)
    assert not pool.verify(made, "HS256", hashed, code[:-1] + bytes([code[-1] ^ 1]))
    assert not pool.verify(made, "HS256", hashed, code[:-1])
    assert not pool.verify(made, "HS256", hashed, b"")


def test_a_generated_symmetric_key_signs_and_verifies(pool, name):
    made = pool.create(name, "oct-HSM", key_size=256, key_ops=["sign", "verify"])
    hashed = algorithms.digest("HS256")
    assert pool.verify(made, "HS256", hashed, pool.sign(made, "HS256", hashed))
    assert pool.sign(made, "HS256", hashed) == pool.sign(made, "HS256", hashed)


@pytest.mark.parametrize("algorithm, size", [("HS384", 256), ("HS512", 256), ("HS256", 128), ("HS256", 192)])
def test_a_symmetric_key_of_another_size_does_not_sign(pool, name, algorithm, size):
    created = pool.wire.post(f"/keys/{name}/create", json={"kty": "oct-HSM", "key_size": size, "key_ops": ["sign", "verify"]})
    if created.status_code == 200:
        assert_bad_parameter(pool.ask("sign", name, algorithm, algorithms.digest(algorithm)))
    else:
        assert_bad_parameter(created)


# What is refused


@pytest.mark.parametrize("kind, algorithm", [("RSA-2048", "RS256"), ("RSA-2048", "PS512"), ("P-256", "ES256"), ("P-521", "ES512")])
@pytest.mark.parametrize("off", [-1, 1])
def test_a_digest_of_another_length_is_refused(hardware, kind, algorithm, off):
    keys, standing = hardware
    length = algorithms.digest_length(algorithm) + off
    assert_bad_parameter(keys.ask("sign", standing(kind), algorithm, b"d" * length))
    assert_bad_parameter(keys.ask_verify(standing(kind), algorithm, b"d" * length, b"s" * 64))


@pytest.mark.parametrize(
    "kind, algorithm",
    [("P-256", "ES384"), ("P-256", "ES256K"), ("P-256K", "ES256"), ("P-256", "RS256"), ("RSA-2048", "ES256"), ("oct-256", "RS256")],
)
def test_an_algorithm_that_does_not_fit_is_refused(pool, pool_standing, name, kind, algorithm):
    key = pool_standing(kind) if not kind.startswith("oct") else pool.create(name, "oct-HSM", key_ops=["sign", "verify"])
    assert_bad_parameter(pool.ask("sign", key, algorithm, algorithms.digest(algorithm)))


def test_the_operations_of_a_key_are_kept_to(hardware, name):
    keys, _ = hardware
    made = keys.create(name, "EC-HSM", key_ops=["verify"])
    refused = keys.ask("sign", made, "ES256", algorithms.digest("ES256"))
    assert_forbidden(refused, "KeyOperationForbidden")
    assert error_of(refused)["message"] == not_permitted("sign")


def test_a_disabled_key_does_not_sign(hardware, name):
    keys, _ = hardware
    made = keys.create(name, "EC-HSM")
    keys.update(made, attributes={"enabled": False})
    refused = keys.ask("sign", made, "ES256", algorithms.digest("ES256"))
    assert_forbidden(refused, "KeyDisabled")
    assert error_of(refused)["message"] == disabled("sign")
    keys.update(made, attributes={"enabled": True})
    keys.sign(made, "ES256", algorithms.digest("ES256"))


def test_an_expired_key_does_not_sign_but_verifies(hardware, name):
    keys, _ = hardware
    made = keys.create(name, "EC-HSM")
    hashed = algorithms.digest("ES256")
    signature = keys.sign(made, "ES256", hashed)
    keys.update(made, attributes={"exp": 1_600_000_000})
    refused = keys.ask("sign", made, "ES256", hashed)
    assert refused.status_code == 403
    assert error_of(refused)["message"] == expired("sign")
    assert keys.verify(made, "ES256", hashed, signature)
