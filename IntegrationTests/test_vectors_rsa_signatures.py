"""RS256, RS384, RS512, PS256, PS384 and PS512 against published vectors."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from harness.vectors_files import wycheproof
from harness.vectors_fixtures import ALL, BOTH, made_services, service, vector_server
from harness.vectors_hashes import LENGTHS, PRIMITIVES, digest
from harness.vectors_keys import number, rsa_jwk_for, rsa_jwk_of_group, rsa_public
from harness.vectors_service import Key, Service
from harness.vectors_tally import INVALID, NEEDS_PRIVATE_KEY, PASSED, Outcome, Tally, always_the_same, expect, refused

OFFERED_BITS = {2048, 3072, 4096}
SIGNATURES = [
    "rsa_signature_2048_sha224", "rsa_signature_2048_sha256", "rsa_signature_2048_sha512", "rsa_signature_3072_sha384",
    "rsa_signature_4096_sha256",
]  # fmt: skip
GENERATED = ["rsa_pkcs1_1024_sig_gen", "rsa_pkcs1_2048_sig_gen"]
PSS = [
    "rsa_pss_2048_sha1_mgf1_20", "rsa_pss_2048_sha256_mgf1_0", "rsa_pss_2048_sha256_mgf1_32",
    "rsa_pss_2048_sha256_mgf1_32_params", "rsa_pss_4096_sha384_mgf1_48", "rsa_pss_4096_sha512_mgf1_64", "rsa_pss_misc",
    "rsa_pss_misc_params",
]  # fmt: skip
WYCHEPROOF = SIGNATURES + GENERATED + PSS


def tc_id(vector: tuple[dict, dict]) -> int:
    return vector[1]["tcId"]


def import_outcome(key: Key, jwk: dict) -> Outcome | None:
    """Why a key may be refused; None when it was accepted."""
    bits, exponent = number(jwk["n"]).bit_length(), number(jwk["e"])
    if bits not in OFFERED_BITS:
        expect(not key.accepted, f"a key of {bits} bits was accepted")
        return refused(f"RSA keys of {bits} bits are not offered")
    if not key.accepted and exponent < 65_537:
        return refused(f"public exponent {exponent}")
    expect(key.accepted, f"import of a key of {bits} bits: {key.imported}")
    return None


def verifies_locally(jwk: dict, scheme: str, hash_name: str, value: bytes, signature: bytes) -> bool:
    """What RS256, PS256 and their like say, by another implementation."""
    chosen = PRIMITIVES[hash_name]
    how = padding.PKCS1v15() if scheme == "RS" else padding.PSS(padding.MGF1(chosen), LENGTHS[hash_name])
    try:
        rsa_public(jwk).verify(signature, value, how, Prehashed(chosen))
        return True
    except InvalidSignature:
        return False


def judge_other_hash(key: Key, jwk: dict, scheme: str, group: dict, test: dict) -> Outcome:
    """A hash that is not offered. A vector that breaks the rule by another hash may be one that is."""
    message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    value = digest(group["sha"], message)
    key.refuses("verify", alg=f"{scheme}256", digest=value, value=signature)
    key.refuses("sign", alg=f"{scheme}256", value=value)
    for name, length in LENGTHS.items():
        value = digest(name, message)
        accepted = key.verifies(f"{scheme}{length * 8}", value, signature)
        expected = verifies_locally(jwk, scheme, name, value, signature)
        expect(accepted == expected, f"{scheme}{length * 8} verified: {accepted}, by another implementation: {expected}")
        if accepted:
            expect(test["result"] == "invalid", "two hashes at once")
            return PASSED
    return refused(f"{group['sha']} is not offered")


def judge_pkcs1(service: Service, tally: Tally, group: dict, test: dict, signs: bool) -> Outcome:
    jwk = rsa_jwk_of_group(group) if "privateKey" in group else rsa_jwk_for(group["publicKey"]["modulus"])
    if jwk is None:
        return NEEDS_PRIVATE_KEY
    key = service.key(jwk)
    if outcome := import_outcome(key, jwk):
        return outcome
    message, signature, hash_name = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), group["sha"]
    if hash_name not in LENGTHS:
        return judge_other_hash(key, jwk, "RS", group, test)
    alg, value = f"RS{LENGTHS[hash_name] * 8}", digest(hash_name, message)
    if test["result"] == "acceptable" and not signs:
        observed = always_the_same(
            lambda: PASSED if key.verifies(alg, value, signature) else refused(f"acceptable: {test['comment']}")
        )
        return tally.same_everywhere(test["tcId"], observed)
    if test["result"] == "invalid":
        expect(not key.verifies(alg, value, signature), f"verified, but is invalid: {test['comment']}")
        return INVALID
    expect(key.verifies(alg, value, signature), f"did not verify, but is valid: {test['comment']}")
    expect(key.result("sign", alg=alg, value=value) == signature, "signed otherwise")
    return PASSED


@pytest.mark.parametrize("stem", SIGNATURES)
@BOTH
def test_pkcs1_signatures(service, stem, record_property):
    count, vectors = wycheproof(stem)
    tally = Tally(stem, service.name)
    tally.run(vectors, tc_id, lambda vector: judge_pkcs1(service, tally, *vector, signs=False)).finish(count, record_property)


@pytest.mark.parametrize("stem", GENERATED)
@ALL
def test_pkcs1_signing(service, stem, record_property):
    count, vectors = wycheproof(stem)
    tally = Tally(stem, service.name)
    tally.run(vectors, tc_id, lambda vector: judge_pkcs1(service, tally, *vector, signs=True)).finish(count, record_property)


def judge_pss(service: Service, group: dict, test: dict) -> Outcome:
    jwk = rsa_jwk_for(group["publicKey"]["modulus"])
    if jwk is None:
        return NEEDS_PRIVATE_KEY
    key = service.key(jwk)
    if outcome := import_outcome(key, jwk):
        return outcome
    message, signature, hash_name = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]), group["sha"]
    if hash_name not in LENGTHS:
        return judge_other_hash(key, jwk, "PS", group, test)
    alg, value = f"PS{LENGTHS[hash_name] * 8}", digest(hash_name, message)
    accepted = key.verifies(alg, value, signature)
    if group["mgfSha"] == hash_name and group["sLen"] == LENGTHS[hash_name]:
        expect(accepted == (test["result"] == "valid"), f"verified: {accepted}, but is {test['result']}: {test['comment']}")
        return PASSED if accepted else INVALID
    # A parameter set that is not offered; a vector that breaks it may be one of those that are.
    expected = verifies_locally(jwk, "PS", hash_name, value, signature)
    expect(accepted == expected, f"verified: {accepted}, by another implementation: {expected}: {test['comment']}")
    expect(not (accepted and test["result"] == "valid"), "two parameter sets at once")
    if accepted:
        return PASSED
    return refused(f"MGF1 with {group['mgfSha']} and a salt of {group['sLen']} is not offered with {hash_name}")


@pytest.mark.parametrize("stem", PSS)
@BOTH
def test_pss_signatures(service, stem, record_property):
    count, vectors = wycheproof(stem)
    Tally(stem, service.name).run(vectors, tc_id, lambda vector: judge_pss(service, *vector)).finish(count, record_property)


@pytest.mark.parametrize("hash_name", LENGTHS)
@BOTH
def test_another_implementation_accepts_pss_signatures_of_the_service(service, hash_name):
    moduli = {group["publicKey"]["modulus"] for stem in PSS for group, _ in wycheproof(stem)[1]}
    jwks = [jwk for modulus in sorted(moduli) if (jwk := rsa_jwk_for(modulus))]
    assert len(jwks) >= 3
    for jwk in jwks:
        value = digest(hash_name, jwk["n"].encode())
        signature = service.imported(jwk).result("sign", alg=f"PS{LENGTHS[hash_name] * 8}", value=value)
        assert verifies_locally(jwk, "PS", hash_name, value, signature)
