"""RSA1_5, RSA-OAEP and RSA-OAEP-256 against published vectors."""

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from harness.vectors_files import wycheproof
from harness.vectors_fixtures import BOTH, made_services, service, vector_server
from harness.vectors_hashes import PRIMITIVES
from harness.vectors_keys import number, rsa_jwk_of_group, rsa_private
from harness.vectors_service import Answer, Service
from harness.vectors_tally import INVALID, PASSED, THREADS, Outcome, Tally, always_the_same, expect, refused

OFFERED_BITS = {2048, 3072, 4096}
OAEP = [
    "rsa_oaep_2048_sha1_mgf1sha1", "rsa_oaep_2048_sha256_mgf1sha1", "rsa_oaep_2048_sha512_mgf1sha512",
    "rsa_oaep_3072_sha256_mgf1sha256", "rsa_oaep_misc", "rsa_three_primes_oaep_2048_sha1_mgf1sha1",
]  # fmt: skip
PKCS1 = ["rsa_pkcs1_2048", "rsa_pkcs1_4096"]
WYCHEPROOF = OAEP + PKCS1
ALGORITHMS = {("SHA-1", "SHA-1"): "RSA-OAEP", ("SHA-256", "SHA-256"): "RSA-OAEP-256"}


def tc_id(vector: tuple[dict, dict]) -> int:
    return vector[1]["tcId"]


class Refusals:
    """The refusals of ciphertexts of the right length: nothing may tell one from another (RFC 8017 §7.1.2, §7.2.2)."""

    def __init__(self):
        self._seen: dict[str, set[tuple]] = defaultdict(set)

    def note(self, alg: str, operation: str, answer: Answer) -> None:
        error = answer.body["error"]
        self._seen[f"{alg} {operation}"].add((answer.status, error["code"], error["message"], str(error.get("innererror"))))

    def check(self) -> None:
        for what, seen in self._seen.items():
            assert len(seen) == 1, f"{what} failures can be told apart: {seen}"


def judge(service: Service, refusals: Refusals, group: dict, test: dict, alg: str | None) -> Outcome:
    jwk = rsa_jwk_of_group(group)
    key = service.key(jwk)
    bits = number(jwk["n"]).bit_length()
    if bits not in OFFERED_BITS:
        expect(not key.accepted, f"a key of {bits} bits was accepted")
        return refused(f"RSA keys of {bits} bits are not offered")
    if "oth" in jwk and not key.accepted:
        return refused("RSA keys of three primes are not offered")
    expect(key.accepted, f"import of a key of {bits} bits: {key.imported}")
    ciphertext, message = bytes.fromhex(test["ct"]), bytes.fromhex(test["msg"])

    def refuse(algorithm: str) -> None:
        for operation in ("decrypt", "unwrapkey"):
            answer = key.refuses(operation, alg=algorithm, value=ciphertext)
            if len(ciphertext) * 8 == bits:
                refusals.note(algorithm, operation, answer)

    if alg is None:
        for offered in ALGORITHMS.values():
            refuse(offered)
        return refused(f"OAEP with {group['sha']} and MGF1 with {group['mgfSha']} is not offered")
    if test.get("label"):
        refuse(alg)
        return refused("OAEP labels are not offered")
    if test["result"] == "invalid":
        refuse(alg)
        return INVALID

    def decrypt() -> Outcome:
        if test["result"] == "acceptable" and key.call("decrypt", alg=alg, value=ciphertext).refused:
            return refused(f"acceptable: {test['comment']}")
        for operation in ("decrypt", "unwrapkey"):
            found = key.result(operation, alg=alg, value=ciphertext)
            expect(found == message, f"{operation} gave {found.hex()[:64]}")
        return PASSED

    return always_the_same(decrypt) if test["result"] == "acceptable" else decrypt()


@pytest.mark.parametrize("stem", OAEP)
@BOTH
def test_oaep_decryption(service, stem, record_property):
    count, vectors = wycheproof(stem)
    refusals = Refusals()

    def judged(vector: tuple[dict, dict]) -> Outcome:
        alg = ALGORITHMS.get((vector[0]["sha"], vector[0]["mgfSha"]))
        return judge(service, refusals, *vector, alg)

    Tally(stem, service.name).run(vectors, tc_id, judged).finish(count, record_property)
    refusals.check()


@pytest.mark.parametrize("stem", PKCS1)
@BOTH
def test_pkcs1_decryption(service, stem, record_property):
    count, vectors = wycheproof(stem)
    refusals = Refusals()
    tally = Tally(stem, service.name)
    tally.run(vectors, tc_id, lambda vector: judge(service, refusals, *vector, "RSA1_5")).finish(count, record_property)
    refusals.check()


PADDINGS = {
    "RSA1_5": padding.PKCS1v15(),
    **{
        alg: padding.OAEP(padding.MGF1(PRIMITIVES[mgf]), PRIMITIVES[hash_name], None)
        for (hash_name, mgf), alg in ALGORITHMS.items()
    },
}
# Bytes that the padding takes (RFC 8017 §7.1.1, §7.2.1).
OVERHEAD = {"RSA1_5": 11, "RSA-OAEP": 2 * 20 + 2, "RSA-OAEP-256": 2 * 32 + 2}


@pytest.mark.parametrize("alg", PADDINGS)
@BOTH
def test_another_implementation_decrypts_what_the_service_encrypts(service, alg):
    jwk = rsa_jwk_of_group(wycheproof("rsa_oaep_3072_sha256_mgf1sha256")[1][0][0])
    key = service.imported(jwk)
    longest = 3072 // 8 - OVERHEAD[alg]
    for operation in ("encrypt", "wrapkey"):
        for length in (1, 16, 32, longest):
            message = bytes(at % 256 for at in range(length))
            ciphertext = key.result(operation, alg=alg, value=message)
            assert rsa_private(jwk).decrypt(ciphertext, PADDINGS[alg]) == message
        key.refuses(operation, alg=alg, value=bytes(longest + 1))


@BOTH
def test_a_refused_ciphertext_does_no_harm_to_the_calls_that_follow(service):
    """A token may keep an operation open that failed; the next caller must not find it."""
    vectors = [test for _, test in wycheproof("rsa_oaep_2048_sha1_mgf1sha1")[1] if not test["label"]]
    key = service.imported(rsa_jwk_of_group(wycheproof("rsa_oaep_2048_sha1_mgf1sha1")[1][0][0]))
    good = next(test for test in vectors if test["result"] == "valid" and test["msg"])
    bad = [bytes.fromhex(test["ct"]) for test in vectors if test["result"] == "invalid"]
    digest = bytes(range(32))
    signature = key.result("sign", alg="RS256", value=digest)

    def call(ciphertext: bytes) -> None:
        for alg in PADDINGS:
            key.refuses("decrypt", alg=alg, value=ciphertext)
        assert key.result("decrypt", alg="RSA-OAEP", value=bytes.fromhex(good["ct"])).hex() == good["msg"]
        assert key.result("sign", alg="RS256", value=digest) == signature

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(call, bad * 3))
