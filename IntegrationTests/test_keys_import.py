"""What may be imported as a key: whole, consistent and strong enough, or not at all."""

import json
import math

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness import keys_algorithms as algorithms
from harness.keys_jwk import ec_jwk, ed25519_jwk, encoded, new_ec, new_rsa, number, rsa_jwk
from harness.keys_wire import assert_bad_parameter, version_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.keys_fixtures"]

# The orders of the groups.
ORDERS = {
    "P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "P-256K": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
}


def refused(keys, name, jwk, **members) -> None:
    assert_bad_parameter(keys.wire.put(f"/keys/{name}", json={"key": jwk, **members}))
    assert keys.wire.get(f"/keys/{name}").status_code == 404


# What is imported works


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_an_imported_rsa_key_signs_and_decrypts_as_the_original(keys, name, size):
    private = new_rsa(size)
    key = keys.import_key(name, rsa_jwk(private))
    hashed = algorithms.digest("RS256")
    assert keys.sign(key, "RS256", hashed) == algorithms.sign(private, "RS256", hashed)
    sealed = private.public_key().encrypt(b"plain", algorithms.encryption_padding("RSA-OAEP-256"))
    assert keys.use("decrypt", key, "RSA-OAEP-256", sealed) == b"plain"


@pytest.mark.parametrize("algorithm, curve", algorithms.EC_SIGNATURES.items())
def test_an_imported_ec_key_signs_and_verifies_as_the_original(keys, name, algorithm, curve):
    private = new_ec(curve)
    key = keys.import_key(name, ec_jwk(private))
    hashed = algorithms.digest(algorithm)
    assert algorithms.verifies(private.public_key(), algorithm, hashed, keys.sign(key, algorithm, hashed))
    assert keys.verify(key, algorithm, hashed, algorithms.sign(private, algorithm, hashed))


def test_factors_may_come_in_either_order(keys, rsa_private, name):
    jwk = rsa_jwk(rsa_private)
    p, q = number(jwk["q"]), number(jwk["p"])
    turned = {**jwk, "p": jwk["q"], "q": jwk["p"], "dp": jwk["dq"], "dq": jwk["dp"], "qi": encoded(pow(q, -1, p))}
    key = keys.import_key(name, turned)
    assert keys.sign(key, "RS256", b"d" * 32) == algorithms.sign(rsa_private, "RS256", b"d" * 32)


def test_the_private_exponent_of_either_definition_is_taken(keys, rsa_private, name):
    """d may be the inverse of e by (p-1)(q-1) as well as by their least common multiple."""
    jwk = rsa_jwk(rsa_private)
    p, q, e = (number(jwk[part]) for part in "pqe")
    for part, modulus in (("phi", (p - 1) * (q - 1)), ("lambda", math.lcm(p - 1, q - 1))):
        key = keys.import_key(f"{name}-{part}", {**jwk, "d": encoded(pow(e, -1, modulus))})
        assert keys.sign(key, "RS256", b"d" * 32) == algorithms.sign(rsa_private, "RS256", b"d" * 32)


def test_parts_may_be_padded(keys, name):
    jwk = ec_jwk(new_ec())
    padded = {part: value + "=" * (-len(value) % 4) if part in "xyd" else value for part, value in jwk.items()}
    assert keys.import_key(name, padded)["key"]["x"] == jwk["x"]


def test_the_identifier_of_an_imported_key_is_made_by_the_server(server, keys, name):
    key = keys.import_key(name, {**ec_jwk(new_ec()), "kid": "https://elsewhere.example/keys/k/" + "0" * 32})
    assert key["key"]["kid"].startswith(f"{server.vault_url()}/keys/{name}/")


def test_operations_tags_and_attributes_of_an_import_are_kept(keys, name):
    jwk = {**ec_jwk(new_ec()), "key_ops": ["verify"]}
    key = keys.import_key(name, jwk, tags={"a": "b"}, attributes={"enabled": False, "nbf": 5, "exp": 10})
    assert (key["key"]["key_ops"], key["tags"]) == (["verify"], {"a": "b"})
    assert [key["attributes"][member] for member in ("enabled", "nbf", "exp")] == [False, 5, 10]


def test_an_import_without_operations_has_those_of_its_type(keys, known, name):
    assert known["key"]["key_ops"] == ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
    assert keys.import_key(name, ec_jwk(new_ec()))["key"]["key_ops"] == ["sign", "verify"]


def test_an_import_onto_a_name_makes_a_new_version(keys, name):
    first = keys.create(name, "RSA")
    second = keys.import_key(name, ec_jwk(new_ec()))
    assert keys.get(name) == second
    assert {item["kid"] for item in keys.versions(name)} == {first["key"]["kid"], second["key"]["kid"]}


def test_the_same_key_may_be_imported_twice(keys, rsa_private, name):
    versions = {version_of(keys.import_key(name, rsa_jwk(rsa_private))) for _ in range(2)}
    assert len(versions) == 2


def test_hsm_false_is_a_software_key(keys, name):
    assert keys.import_key(name, ec_jwk(new_ec()), Hsm=False)["key"]["kty"] == "EC"


# What is missing


@pytest.mark.parametrize("member", ["kty", "n", "e", "d", "p", "q", "dp", "dq", "qi"])
@pytest.mark.parametrize("left", ["out", None, ""], ids=["left out", "null", "empty"])
def test_an_rsa_key_lacks_nothing(keys, rsa_private, name, member, left):
    jwk = {part: value for part, value in rsa_jwk(rsa_private).items() if part != member}
    refused(keys, name, jwk if left == "out" else {**jwk, member: left})


@pytest.mark.parametrize("member", ["kty", "crv", "x", "y", "d"])
@pytest.mark.parametrize("left", ["out", None, ""], ids=["left out", "null", "empty"])
def test_an_ec_key_lacks_nothing(keys, name, member, left):
    jwk = {part: value for part, value in ec_jwk(new_ec()).items() if part != member}
    refused(keys, name, jwk if left == "out" else {**jwk, member: left})


@pytest.mark.parametrize("body", [{}, {"key": None}, {"key": {}}, {"key": []}, {"key": "RSA"}, []], ids=str)
def test_an_import_needs_a_key(keys, name, body):
    assert_bad_parameter(keys.wire.put(f"/keys/{name}", json=body))


# What a software vault does not take


@pytest.mark.parametrize("kty", ["oct", "rsa2", "DSA", "EC2"])
def test_no_other_type_is_imported(keys, rsa_private, name, kty):
    parts = {**rsa_jwk(rsa_private), **ec_jwk(new_ec()), "k": encode(b"k" * 32)}
    refused(keys, name, {**parts, "kty": kty})


def test_a_wrapped_key_for_an_hsm_is_refused(keys, name):
    blob = {"schema_version": "1.0.0", "header": {"kid": "k", "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"}, "ciphertext": "AAAA"}
    refused(keys, name, {"kty": "RSA-HSM", "key_hsm": encode(json.dumps(blob).encode())})


def test_an_exportable_import_is_refused(keys, name):
    refused(keys, name, ec_jwk(new_ec()), attributes={"exportable": True})


@pytest.mark.parametrize("operations", [["encrypt"], ["wrapKey", "sign"], ["import"], ["fly"]], ids=str)
def test_operations_that_the_type_does_not_have_are_refused(keys, name, operations):
    refused(keys, name, {**ec_jwk(new_ec()), "key_ops": operations})


# Numbers that do not belong together: RSA


@pytest.fixture(scope="module")
def parts(rsa_private) -> dict:
    return {part: number(value) for part, value in rsa_jwk(rsa_private).items() if part != "kty"}


def with_parts(parts: dict, **changed: int) -> dict:
    return {"kty": "RSA", **{part: encoded(value) if value else "AA" for part, value in {**parts, **changed}.items()}}


@pytest.mark.parametrize("size", [1024, 1536, 2040])
def test_a_short_rsa_key_is_refused(keys, name, size):
    refused(keys, name, rsa_jwk(new_rsa(size)))


@pytest.mark.parametrize("size", [2056, 2560, 4104])
def test_an_rsa_key_of_an_odd_size_is_refused(keys, name, size):
    refused(keys, name, rsa_jwk(new_rsa(size)))


@pytest.mark.parametrize("member", ["n", "e", "d", "p", "q", "dp", "dq", "qi"])
@pytest.mark.parametrize("step", [-2, 2])
def test_one_wrong_number_spoils_an_rsa_key(keys, parts, name, member, step):
    """Two more or two less: n is then not p·q, d not the inverse of e, and so on."""
    refused(keys, name, with_parts(parts, **{member: parts[member] + step}))


@pytest.mark.parametrize("exponent", [0, 1, 2, 65_536])
def test_an_exponent_that_is_none_is_refused(keys, parts, name, exponent):
    refused(keys, name, with_parts(parts, e=exponent))


def test_a_modulus_of_other_factors_is_refused(keys, parts, name):
    refused(keys, name, with_parts(parts, n=new_rsa().private_numbers().public_numbers.n))


def test_one_and_the_modulus_are_no_factors(keys, parts, name):
    refused(keys, name, with_parts(parts, p=parts["n"], q=1, dp=parts["d"], dq=0, qi=1))


def test_two_equal_factors_are_refused(keys, name):
    p = new_rsa().private_numbers().p
    d = pow(65_537, -1, p * (p - 1))
    refused(
        keys, name, with_parts({"n": p * p, "e": 65_537, "d": d, "p": p, "q": p, "dp": d % (p - 1), "dq": d % (p - 1), "qi": 1})
    )


def rsa_of_primes(*primes: int) -> dict:
    """An RSA key whose first factor is the product of all primes but the last: every equation holds that needs no prime."""
    *several, q = primes
    p = math.prod(several)
    d = pow(65_537, -1, math.lcm(*(prime - 1 for prime in primes)))
    order = math.lcm(*(prime - 1 for prime in several))
    return with_parts({"n": p * q, "e": 65_537, "d": d, "p": p, "q": q, "dp": d % order, "dq": d % (q - 1), "qi": pow(q, -1, p)})


def test_a_factor_that_is_no_prime_is_refused(keys, name):
    """Three primes, of 512, 512 and 1024 bits, make a modulus of 2048 bits that is easier to factor."""
    one, two = new_rsa(1024).private_numbers().p, new_rsa(1024).private_numbers().q
    q = new_rsa(2048).private_numbers().q
    while (one * two * q).bit_length() != 2048:
        one, two = new_rsa(1024).private_numbers().p, new_rsa(1024).private_numbers().q
    refused(keys, name, rsa_of_primes(one, two, q))


def test_a_key_of_three_primes_is_refused(keys, parts, name):
    """RFC 7518, 6.3.2.7: who does not support `oth` must not use the key."""
    refused(keys, name, {**with_parts(parts), "oth": [{"r": "AQAB", "d": "AQAB", "t": "AQAB"}]})


@pytest.mark.parametrize("value", ["not base64!", "AQ AB", 65_537, ["AQAB"]], ids=str)
def test_a_part_that_is_no_base64url_is_refused(keys, parts, name, value):
    refused(keys, name, {**with_parts(parts), "n": value})


# Numbers that do not belong together: EC


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_a_point_off_the_curve_is_refused(keys, name, curve):
    jwk = ec_jwk(new_ec(curve))
    y = bytearray(decode(jwk["y"]))
    y[-1] ^= 1
    refused(keys, name, {**jwk, "y": encode(bytes(y))})


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_a_private_number_of_another_point_is_refused(keys, name, curve):
    refused(keys, name, {**ec_jwk(new_ec(curve)), "d": ec_jwk(new_ec(curve))["d"]})


def test_the_mirrored_point_is_refused(keys, name):
    jwk = ec_jwk(new_ec())
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    refused(keys, name, {**jwk, "y": encoded(prime - number(jwk["y"]), 32)})


@pytest.mark.parametrize("curve, other", [("P-256", "P-256K"), ("P-256K", "P-256"), ("P-384", "P-521"), ("P-256", "P-384")])
def test_a_point_of_another_curve_is_refused(keys, name, curve, other):
    refused(keys, name, {**ec_jwk(new_ec(curve)), "crv": other})


@pytest.mark.parametrize("curve", ORDERS)
@pytest.mark.parametrize("private", ["0", "order", "order + 1"])
def test_a_private_number_out_of_range_is_refused(keys, name, curve, private):
    value = {"0": 0, "order": ORDERS[curve], "order + 1": ORDERS[curve] + 1}[private]
    refused(keys, name, {**ec_jwk(new_ec(curve)), "d": encoded(value, 32)})


def test_the_private_number_is_not_taken_modulo_the_order(keys, name):
    """A private number of 33 bytes that is the right one and the order together."""
    jwk = ec_jwk(new_ec())
    refused(keys, name, {**jwk, "d": encoded(number(jwk["d"]) + ORDERS["P-256"], 33)})


def test_the_point_at_infinity_is_refused(keys, name):
    refused(keys, name, {**ec_jwk(new_ec()), "x": encode(bytes(32)), "y": encode(bytes(32))})


def test_a_coordinate_that_is_too_long_is_refused(keys, name):
    jwk = ec_jwk(new_ec())
    refused(keys, name, {**jwk, "x": encode(b"\x01" + decode(jwk["x"]))})


@pytest.mark.parametrize("curve", ["P-192", "p256", "Ed25519", "brainpoolP256r1"])
def test_an_unknown_curve_is_refused(keys, name, curve):
    refused(keys, name, {**ec_jwk(new_ec()), "crv": curve})


# Ed25519


def test_an_imported_ed25519_key_signs_as_the_original(keys, name):
    private = Ed25519PrivateKey.generate()
    key = keys.import_key(name, ed25519_jwk(private))
    assert keys.sign(key, "EdDSA", b"message") == private.sign(b"message")


@pytest.mark.parametrize("member", ["crv", "x", "d"])
def test_an_ed25519_key_lacks_nothing(keys, name, member):
    jwk = ed25519_jwk(Ed25519PrivateKey.generate())
    refused(keys, name, {part: value for part, value in jwk.items() if part != member})


@pytest.mark.parametrize(
    "change",
    [
        {"x": encode(bytes(31))},
        {"d": encode(bytes(33))},
        {"d": encode(b"d" * 32)},
        {"crv": "Ed448"},
        {"crv": "X25519"},
        {"crv": "P-256"},
    ],
    ids=["short x", "long d", "other d", "Ed448", "X25519", "P-256"],
)
def test_a_wrong_ed25519_key_is_refused(keys, name, change):
    refused(keys, name, {**ed25519_jwk(Ed25519PrivateKey.generate()), **change})


def test_a_refused_import_repeats_no_part_of_the_key(keys, parts, name):
    jwk = with_parts(parts, n=parts["n"] + 2)
    told = keys.wire.put(f"/keys/{name}", json={"key": jwk}).text
    assert [part for part in ("n", "d", "p", "q", "dp", "dq", "qi") if jwk[part][:40] in told] == []
