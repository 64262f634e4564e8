"""ES256, ES256K, ES384 and ES512 against published vectors."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature

from harness.tokens import encode
from harness.vectors_files import acvp, wycheproof
from harness.vectors_fixtures import ALL, BOTH, made_services, service, vector_server
from harness.vectors_hashes import PRIMITIVES, digest
from harness.vectors_keys import CURVES, EC_ALGORITHMS, NAMES, coordinate_length, ec_jwk_for, ec_public, stranger
from harness.vectors_service import Service
from harness.vectors_tally import INVALID, NEEDS_PRIVATE_KEY, PASSED, Outcome, Tally, expect, refused, unreachable

RAW = [
    "ecdsa_secp256k1_sha512_p1363", "ecdsa_secp256r1_sha256_p1363", "ecdsa_secp384r1_sha512_p1363",
    "ecdsa_secp521r1_sha512_p1363",
]  # fmt: skip
DER = ["ecdsa_secp256k1_sha256", "ecdsa_secp256r1_sha512", "ecdsa_secp384r1_sha384"]
WYCHEPROOF = RAW + DER
NIST = ["ECDSA"]


def tc_id(vector: tuple[dict, dict]) -> int:
    return vector[1]["tcId"]


def raw_of_der(signature: bytes, length: int) -> bytes | None:
    """A DER signature as the API carries it; None when it is not DER or does not fit."""
    try:
        r, s = decode_dss_signature(signature)
        if encode_dss_signature(r, s) != signature:
            return None
        return r.to_bytes(length, "big") + s.to_bytes(length, "big")
    except (ValueError, OverflowError):
        return None


def verifies_locally(jwk: dict, value: bytes, signature: bytes) -> bool:
    length = coordinate_length(jwk["crv"])
    if len(signature) != 2 * length:
        return False
    r, s = int.from_bytes(signature[:length], "big"), int.from_bytes(signature[length:], "big")
    hash_name = EC_ALGORITHMS[jwk["crv"]][1]
    try:
        ec_public(jwk).verify(encode_dss_signature(r, s), value, ec.ECDSA(Prehashed(PRIMITIVES[hash_name])))
        return True
    except (InvalidSignature, ValueError):
        return False


def judge(service: Service, group: dict, test: dict) -> Outcome:
    public = group["publicKey"]
    curve = NAMES[public["curve"]]
    alg, own_hash = EC_ALGORITHMS[curve]
    signature = bytes.fromhex(test["sig"])
    if group["type"] != "EcdsaP1363Verify":
        signature = raw_of_der(signature, coordinate_length(curve))
        if signature is None:
            return unreachable("the API carries r and s, not DER")
    full = digest(group["sha"], bytes.fromhex(test["msg"]))
    # FIPS 186-5 §6.4: of a digest longer than the order only the first bits count.
    value = full[: PRIMITIVES[own_hash].digest_size]
    jwk = ec_jwk_for(curve, int(public["wx"], 16), int(public["wy"], 16))
    if jwk is None:
        other = service.imported(stranger(curve))
        expect(not other.verifies(alg, value, signature), f"verified with a key that did not sign: {test['comment']}")
        return NEEDS_PRIVATE_KEY
    key = service.imported(jwk)
    accepted, valid = key.verifies(alg, value, signature), test["result"] == "valid"
    expect(accepted == valid, f"verified: {accepted}, but is {test['result']}: {test['comment']}")
    expect(verifies_locally(jwk, value, key.result("sign", alg=alg, value=value)), "signed what does not verify")
    for others, (other_alg, _) in EC_ALGORITHMS.items():
        if others != curve:
            key.refuses("verify", alg=other_alg, digest=bytes(PRIMITIVES[EC_ALGORITHMS[others][1]].digest_size), value=signature)
    if group["sha"] != own_hash:
        key.refuses("verify", alg=alg, digest=full, value=signature)
        key.refuses("sign", alg=alg, value=full)
        return refused(f"{group['sha']} does not belong to {curve}")
    return PASSED if accepted else INVALID


@pytest.mark.parametrize("stem", RAW + DER)
@BOTH
def test_ecdsa_signatures(service, stem, record_property):
    count, vectors = wycheproof(stem)
    Tally(stem, service.name).run(vectors, tc_id, lambda vector: judge(service, *vector)).finish(count, record_property)


def judge_nist(service: Service, asked: dict, group: dict, test: dict, answer: dict) -> Outcome:
    curve = NAMES.get(group["curve"])
    x, y = bytes.fromhex(test["qx"]), bytes.fromhex(test["qy"])
    jwk = {"kty": "EC", "crv": group["curve"], "x": encode(x), "y": encode(y), "d": encode(bytes(len(x) - 1) + b"\x05")}
    expect(not service.key(jwk).accepted, "a private key that is not the point's was accepted")
    if curve is None:
        return refused(f"{group['curve']} is not offered")
    if asked["mode"] == "keyVer":
        return NEEDS_PRIVATE_KEY if answer["testPassed"] else refused("not a point of the curve")
    alg, own_hash = EC_ALGORITHMS[curve]
    signature = bytes.fromhex(test["r"]) + bytes.fromhex(test["s"])
    value = digest(group["hashAlg"], bytes.fromhex(test["message"]))[: PRIMITIVES[own_hash].digest_size]
    other = service.imported(stranger(curve))
    if len(value) < PRIMITIVES[own_hash].digest_size:
        other.refuses("verify", alg=alg, digest=value, value=signature)
        return refused(f"{group['hashAlg']} does not belong to {curve}")
    expect(not other.verifies(alg, value, signature), "verified with a key that did not sign")
    return NEEDS_PRIVATE_KEY


@BOTH
def test_nist_ecdsa(service, record_property):
    vectors = acvp("ECDSA")
    tally = Tally("acvp_ECDSA", service.name)
    tally.run(vectors, lambda vector: (vector[0]["vsId"], vector[2]["tcId"]), lambda vector: judge_nist(service, *vector))
    tally.finish(24, record_property)


@pytest.mark.parametrize("curve", CURVES)
@ALL
def test_another_implementation_accepts_signatures_of_the_service(service, curve):
    jwk, (alg, hash_name) = stranger(curve), EC_ALGORITHMS[curve]
    key = service.imported(jwk)
    for text in range(20):
        value = digest(hash_name, bytes([text]))
        signature = key.result("sign", alg=alg, value=value)
        assert len(signature) == 2 * coordinate_length(curve)
        assert verifies_locally(jwk, value, signature)
        assert key.verifies(alg, value, signature)
        assert not key.verifies(alg, digest(hash_name, b"other"), signature)
