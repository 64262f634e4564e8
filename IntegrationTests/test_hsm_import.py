"""Importing keys in the clear into hardware: RSA, EC and symmetric, in a premium vault and in a pool."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from harness import hsm_aes as aes
from harness import hsm_kinds
from harness import keys_algorithms as algorithms
from harness.hsm_private import rsa_of
from harness.keys_jwk import CURVES, ec_jwk, new_ec, public_key, rsa_jwk
from harness.keys_wire import assert_bad_parameter, error_of
from harness.tokens import encode

pytest_plugins = ["harness.hsm_fixtures"]


@pytest.mark.parametrize("size", [2048, 3072, 4096])
@pytest.mark.parametrize("how", [{"kty": "RSA-HSM"}, {"Hsm": True}], ids=["type", "Hsm"])
def test_an_rsa_key_is_taken_into_hardware(hardware, name, size, how):
    keys, _ = hardware
    private = rsa_of(size)
    jwk = {**rsa_jwk(private), **({"kty": how["kty"]} if "kty" in how else {})}
    made = keys.import_key(name, jwk, **({"Hsm": True} if "Hsm" in how else {}))
    assert made["key"]["kty"] == "RSA-HSM"
    assert made["attributes"]["hsmPlatform"] != "0"
    assert set(made["key"]) == {"kid", "kty", "key_ops", "n", "e"}
    assert public_key(hsm_kinds.software_form(made)) == private.public_key()
    hashed = algorithms.digest("PS384")
    assert algorithms.verifies(private.public_key(), "PS384", hashed, keys.sign(made, "PS384", hashed))


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_an_ec_key_is_taken_into_hardware(hardware, name, curve):
    keys, _ = hardware
    private = new_ec(curve)
    made = keys.import_key(name, ec_jwk(private), Hsm=True)
    assert (made["key"]["kty"], made["key"]["crv"]) == ("EC-HSM", curve)
    algorithm = hsm_kinds.CURVE_ALGORITHMS[curve]
    hashed = algorithms.digest(algorithm)
    assert algorithms.verifies(private.public_key(), algorithm, hashed, keys.sign(made, algorithm, hashed))


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_an_ec_key_with_small_numbers_is_taken(pool, name, curve):
    """Its coordinates and its private number have leading zeros in some of these; the answer keeps their length."""
    private = ec.derive_private_key(5, CURVES[curve])
    made = pool.import_key(name, {**ec_jwk(private), "kty": "EC-HSM"})
    algorithm = hsm_kinds.CURVE_ALGORITHMS[curve]
    hashed = algorithms.digest(algorithm)
    assert (made["key"]["x"], made["key"]["y"]) == (ec_jwk(private)["x"], ec_jwk(private)["y"])
    assert algorithms.verifies(private.public_key(), algorithm, hashed, pool.sign(made, algorithm, hashed))


@pytest.mark.parametrize("size", aes.SIZES)
@pytest.mark.parametrize("kty", ["oct-HSM", "oct"])
def test_a_symmetric_key_is_taken_into_a_pool(pool, name, size, kty):
    secret = os.urandom(size // 8)
    made = pool.import_key(name, {"kty": kty, "k": encode(secret)})
    assert set(made["key"]) == {"kid", "kty", "key_ops"}
    assert made["key"]["kty"] == "oct-HSM"
    assert pool.use("wrapkey", made, f"A{size}KW", b"t" * 24) == aes.wrap(f"A{size}KW", secret, b"t" * 24)


def test_a_pool_takes_a_plain_rsa_key_into_hardware(pool, name):
    assert pool.import_key(name, rsa_jwk(rsa_of(2048)))["key"]["kty"] == "RSA-HSM"


def test_attributes_tags_and_operations_are_kept(pool, name):
    jwk = {**rsa_jwk(rsa_of(2048)), "key_ops": ["sign", "verify"]}
    made = pool.import_key(name, jwk, attributes={"enabled": False, "exp": 2_000_000_000}, tags={"a": "b"})
    assert made["key"]["key_ops"] == ["sign", "verify"]
    assert (made["attributes"]["enabled"], made["attributes"]["exp"], made["tags"]) == (False, 2_000_000_000, {"a": "b"})


def test_an_import_over_a_key_is_its_next_version(pool, name):
    first = pool.create(name, "EC-HSM")
    second = pool.import_key(name, {**ec_jwk(new_ec()), "kty": "EC-HSM"})
    assert pool.get(name) == second
    assert {item["kid"] for item in pool.versions(name)} == {first["key"]["kid"], second["key"]["kid"]}


# Refused


@pytest.mark.parametrize("member", ["n", "e", "d", "p", "q", "dp", "dq", "qi"])
def test_an_rsa_key_that_lacks_a_part_is_refused(pool, name, member):
    jwk = {**rsa_jwk(rsa_of(2048)), "kty": "RSA-HSM"}
    del jwk[member]
    assert_bad_parameter(pool.wire.put(f"/keys/{name}", json={"key": jwk}))


@pytest.mark.parametrize("member", ["n", "d", "p", "dp", "qi"])
def test_an_rsa_key_that_does_not_hold_together_is_refused(pool, name, member):
    jwk = {**rsa_jwk(rsa_of(2048)), "kty": "RSA-HSM", member: rsa_jwk(rsa_of(3072))[member]}
    assert_bad_parameter(pool.wire.put(f"/keys/{name}", json={"key": jwk}))
    assert pool.wire.get(f"/keys/{name}").status_code == 404


@pytest.mark.parametrize("member", ["crv", "x", "y", "d"])
def test_an_ec_key_that_lacks_a_part_is_refused(pool, name, member):
    jwk = {**ec_jwk(new_ec()), "kty": "EC-HSM"}
    del jwk[member]
    assert_bad_parameter(pool.wire.put(f"/keys/{name}", json={"key": jwk}))


@pytest.mark.parametrize("member", ["x", "y", "d"])
def test_an_ec_key_that_does_not_hold_together_is_refused(pool, name, member):
    jwk = {**ec_jwk(new_ec()), "kty": "EC-HSM", member: ec_jwk(new_ec())[member]}
    assert_bad_parameter(pool.wire.put(f"/keys/{name}", json={"key": jwk}))


@pytest.mark.parametrize("k", [None, "", encode(b"k" * 8), encode(b"k" * 15), encode(b"k" * 17), encode(b"k" * 33), encode(b"k" * 48), encode(b"k" * 64), "!!"], ids=str)
def test_a_symmetric_key_of_no_size_is_refused(pool, name, k):
    assert_bad_parameter(pool.wire.put(f"/keys/{name}", json={"key": {"kty": "oct-HSM", "k": k}}))


def test_a_key_for_import_is_not_itself_imported(pool, name):
    """§4.2: `import` makes a key-exchange key; one whose private half was seen outside would protect nothing."""
    answer = pool.wire.put(f"/keys/{name}", json={"key": {**rsa_jwk(rsa_of(2048)), "kty": "RSA-HSM", "key_ops": ["import"]}})
    assert_bad_parameter(answer)


def test_a_refusal_does_not_repeat_the_key(pool, name):
    jwk = {**rsa_jwk(rsa_of(2048)), "kty": "RSA-HSM", "d": rsa_jwk(rsa_of(3072))["d"]}
    answer = pool.wire.put(f"/keys/{name}", json={"key": jwk})
    assert_bad_parameter(answer)
    assert jwk["p"][:16] not in answer.text and jwk["d"][:16] not in error_of(answer)["message"]
