"""Vectors of key agreement and of prime numbers: the service does neither, but what they are made of comes in with keys."""

import math

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519

from harness.tokens import encode
from harness.vectors_files import document, wycheproof
from harness.vectors_fixtures import BOTH, made_services, service, vector_server
from harness.vectors_keys import coordinate_length, ec_jwk, number, rsa_jwk, rsa_jwk_of_group, unsigned
from harness.vectors_service import Service
from harness.vectors_tally import INVALID, PASSED, Outcome, Tally, always_the_same, expect, refused, unreachable

ECDH = {"ecdh_secp256r1_webcrypto": "P-256", "ecdh_secp521r1_ecpoint": "P-521"}
WYCHEPROOF = [*ECDH, "x25519", "primality"]


def tc_id(vector: tuple[dict, dict]) -> int:
    return vector[1]["tcId"]


def judge_ecdh(service: Service, curve: str, test: dict) -> Outcome:
    """The private key of a vector is imported. The point of the other side must not pass as its public key."""
    private, public = test["private"], test["public"]
    d = number(private["d"]) if isinstance(private, dict) else int(private, 16)
    jwk = ec_jwk(curve, d)
    service.imported(jwk)
    if isinstance(public, dict):
        point = {name: public[name] for name in ("crv", "x", "y")}
    else:
        length = coordinate_length(curve)
        raw = bytes.fromhex(public)
        if len(raw) != 1 + 2 * length or raw[0] != 4:
            return unreachable("a JWK carries neither compressed nor empty points")
        point = {"crv": curve, "x": encode(raw[1 : 1 + length]), "y": encode(raw[1 + length :])}
    size = coordinate_length(point["crv"])
    wrong = {"kty": "EC", **point, "d": unsigned(d, size)}
    if wrong == jwk:
        return PASSED
    expect(not service.key(wrong).accepted, f"the other side's point passed as the private key's: {test['comment']}")
    return refused("not the private key's point") if test["result"] == "valid" else INVALID


@pytest.mark.parametrize("stem", ECDH)
@BOTH
def test_points_of_key_agreement(service, stem, record_property):
    count, vectors = wycheproof(stem)
    Tally(stem, service.name).run(vectors, tc_id, lambda vector: judge_ecdh(service, ECDH[stem], vector[1])).finish(count, record_property)


@BOTH
def test_a_curve_that_is_not_offered(service, record_property):
    count, vectors = wycheproof("x25519")

    def judge(vector: tuple[dict, dict]) -> Outcome:
        private = bytes.fromhex(vector[1]["private"])
        public = x25519.X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        jwk = {"kty": "OKP", "crv": "X25519", "x": encode(public), "d": encode(private)}
        expect(not service.key(jwk).accepted, "an X25519 key was accepted")
        return refused("X25519 is not offered")

    Tally("x25519", service.name).run(vectors, tc_id, judge).finish(count, record_property)


def modulus_with(factor: int) -> tuple[int, int]:
    """A size of RSA keys, and a prime that completes the factor to a modulus of just that size."""
    size = next(size for size in (2048, 3072, 4096) if size - factor.bit_length() >= 512)
    for name in (f"{factor.bit_length()}", f"{factor.bit_length()}-low"):
        cofactor = int(document("cofactors.json").get(name, "0"), 16)
        if (factor * cofactor).bit_length() == size:
            return size, cofactor
    raise AssertionError(f"cofactors.json has nothing for a factor of {factor.bit_length()} bits")


def judge_prime(service: Service, test: dict) -> Outcome:
    """A key whose first factor is the number in question; all else would fit if it were prime."""
    value = int.from_bytes(bytes.fromhex(test["value"]), "big", signed=True)
    if value < 0:
        return unreachable("a JWK carries no negative numbers")
    if value < 2:
        return unreachable("no modulus has this factor")
    bits = value.bit_length()
    size, q = modulus_with(value)
    if math.gcd(65_537, value - 1) != 1:
        return unreachable("no private exponent fits this factor")
    jwk = rsa_jwk(value * q, 65_537, pow(65_537, -1, math.lcm(value - 1, q - 1)), value, q)
    even = "factors of the same size" if abs(bits - q.bit_length()) <= 2 else "factors of different sizes"

    def observe() -> Outcome:
        return PASSED if service.key(jwk).accepted else refused(f"prime, {even}")

    if test["result"] == "valid":
        outcome = observe()
        taken = outcome == PASSED or even == "factors of different sizes"
        expect(taken, f"a prime factor was refused: {service.key(jwk).imported}")
        return outcome
    if test["result"] == "acceptable":
        return always_the_same(observe)
    expect(not service.key(jwk).accepted, f"an RSA {size} key of a factor that is not prime ({bits} bits): {test['comment']}")
    return refused(f"not prime, {even}")


@BOTH
def test_factors_that_are_not_prime(service, record_property):
    count, vectors = wycheproof("primality")
    Tally("primality", service.name).run(vectors, tc_id, lambda vector: judge_prime(service, vector[1])).finish(count, record_property)


@BOTH
def test_the_same_key_with_a_prime_factor_is_taken(service):
    """So that it is for the factor that the keys above are refused."""
    p = number(rsa_jwk_of_group(wycheproof("rsa_pkcs1_2048")[1][0][0])["p"])
    size, q = modulus_with(p)
    assert (p.bit_length(), size) == (1024, 2048)
    service.imported(rsa_jwk(p * q, 65_537, pow(65_537, -1, math.lcm(p - 1, q - 1)), p, q))
