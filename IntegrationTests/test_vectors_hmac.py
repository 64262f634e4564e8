"""HS256, HS384 and HS512. The service signs a digest, so that only a message as long as one can be a vector."""

import hashlib
import hmac

import pytest

from harness.vectors_files import acvp, wycheproof
from harness.vectors_fixtures import HSM, made_services, service, vector_server
from harness.vectors_keys import oct_jwk
from harness.vectors_service import Service
from harness.vectors_tally import INVALID, PASSED, Outcome, Tally, expect, refused

WYCHEPROOF = ["hmac_sha224", "hmac_sha256", "hmac_sha512"]
NIST = ["HMAC-SHA2-256"]
ALGORITHMS = {"hmac_sha256": ("HS256", 32), "hmac_sha512": ("HS512", 64)}
SIGNING = ["sign", "verify"]
LENGTHS = {"HS256": 32, "HS384": 48, "HS512": 64}
# Those of AES, and for HMAC alone those of the longer hashes.
OFFERED_BITS = {128, 192, 256, 384, 512}


def judge(service: Service, alg: str, length: int, raw: bytes, message: bytes, tag: bytes, result: str) -> Outcome:
    key = service.key(oct_jwk(raw), SIGNING)
    if not key.accepted:
        expect(len(raw) * 8 not in OFFERED_BITS, f"import of a key of {len(raw) * 8} bits: {key.imported}")
        return refused(f"symmetric keys of {len(raw) * 8} bits are not offered")
    if len(raw) != length:
        key.refuses("sign", alg=alg, value=bytes(length))
        key.refuses("sign", alg=alg, value=message)
        key.refuses("verify", alg=alg, digest=message, value=tag)
        return refused(f"{alg} takes a key of {length * 8} bits")
    if len(message) != length:
        key.refuses("sign", alg=alg, value=message)
        expect(not key.verifies(alg, message, tag), f"verified a digest of {len(message)} bytes")
        return refused(f"{alg} takes a digest of {length} bytes, the message is shorter or longer")
    if len(tag) != length:
        expect(not key.verifies(alg, message, tag), "verified a truncated tag")
        return refused("truncated tags are not offered")
    accepted = key.verifies(alg, message, tag)
    expect(accepted == (result == "valid"), f"verified: {accepted}, but is {result}")
    if result == "valid":
        expect(key.result("sign", alg=alg, value=message) == tag, "signed otherwise")
    return PASSED if accepted else INVALID


@pytest.mark.parametrize("stem", ALGORITHMS)
@HSM
def test_hmac(service, stem, record_property):
    count, vectors = wycheproof(stem)

    def judged(vector: tuple[dict, dict]) -> Outcome:
        raw, message, tag = (bytes.fromhex(vector[1][name]) for name in ("key", "msg", "tag"))
        return judge(service, *ALGORITHMS[stem], raw, message, tag, vector[1]["result"])

    Tally(stem, service.name).run(vectors, lambda vector: vector[1]["tcId"], judged).finish(count, record_property)


@HSM
def test_hmac_with_a_hash_that_is_not_offered(service, record_property):
    count, vectors = wycheproof("hmac_sha224")
    other = service.imported(oct_jwk(bytes(32)), SIGNING)

    def judged(vector: tuple[dict, dict]) -> Outcome:
        raw, message, tag = (bytes.fromhex(vector[1][name]) for name in ("key", "msg", "tag"))
        expect(not service.key(oct_jwk(raw), SIGNING).accepted, f"a key of {len(raw) * 8} bits was accepted")
        other.refuses("verify", alg="HS224", digest=message, value=tag)
        return refused("HMAC with SHA-224 is not offered")

    Tally("hmac_sha224", service.name).run(vectors, lambda vector: vector[1]["tcId"], judged).finish(count, record_property)


@HSM
def test_nist_hmac(service, record_property):
    def judged(vector: tuple[dict, dict, dict, dict]) -> Outcome:
        _, _, test, answer = vector
        raw, message, tag = (bytes.fromhex(text) for text in (test["key"], test["msg"], answer["mac"]))
        return judge(service, "HS256", 32, raw, message, tag, "valid")

    tally = Tally("acvp_HMAC-SHA2-256", service.name)
    tally.run(acvp("HMAC-SHA2-256"), lambda vector: vector[2]["tcId"], judged).finish(8, record_property)


@pytest.mark.parametrize("alg", LENGTHS)
@HSM
def test_another_implementation_makes_the_same_tags(service, alg):
    hash_name, raw = alg.replace("HS", "sha"), bytes(range(LENGTHS[alg]))
    key = service.imported(oct_jwk(raw), SIGNING)
    for text in range(10):
        value = hashlib.new(hash_name, bytes([text])).digest()
        tag = key.result("sign", alg=alg, value=value)
        assert tag == hmac.digest(raw, value, hash_name)
        assert key.verifies(alg, value, tag)
        assert not key.verifies(alg, value, tag[:-1])
        assert not key.verifies(alg, value, tag[: len(tag) // 2])
        assert not key.verifies(alg, value, bytes([tag[0] ^ 1]) + tag[1:])
    for other in LENGTHS.keys() - {alg}:
        key.refuses("sign", alg=other, value=bytes(LENGTHS[other]))
