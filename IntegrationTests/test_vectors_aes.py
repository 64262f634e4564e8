"""AES-GCM, AES-CBC and AES key wrap against published vectors. Symmetric keys are the HSM's alone."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from harness.tokens import decode, encode
from harness.vectors_files import acvp, cavp, wycheproof
from harness.vectors_fixtures import HSM, made_services, service, vector_server
from harness.vectors_keys import oct_jwk
from harness.vectors_service import Answer, Service
from harness.vectors_tally import INVALID, PASSED, THREADS, Outcome, Tally, always_the_same, expect, refused

WYCHEPROOF = ["aes_gcm", "aes_cbc_pkcs5", "aes_wrap", "aes_kwp"]
NIST = ["ACVP-AES-KW", "cavp_aes_128_cbc"]
CAVP_COUNT = 568
ACVP_COUNT = 30


def tc_id(vector: tuple[dict, dict]) -> int:
    return vector[1]["tcId"]


def unhexed(test: dict, *names: str) -> list[bytes]:
    return [bytes.fromhex(test[name]) for name in names]


def failure(answer: Answer) -> tuple:
    error = answer.body["error"]
    return answer.status, error["code"], error["message"], str(error.get("innererror"))


def judge_gcm(service: Service, group: dict, test: dict) -> Outcome:
    raw, iv, aad, message, ciphertext, tag = unhexed(test, "key", "iv", "aad", "msg", "ct", "tag")
    key, alg = service.imported(oct_jwk(raw)), f"A{group['keySize']}GCM"
    members = {"alg": alg, "value": ciphertext, "iv": iv, "tag": tag, **({"aad": aad} if aad else {})}
    key.refuses("encrypt", alg=alg, value=message, iv=iv)
    if group["ivSize"] != 96:
        key.refuses("decrypt", **members)
        return refused("nonces that are not of 96 bits are not offered")
    if test["result"] != "valid":
        key.refuses("decrypt", **members)
        return INVALID
    expect(key.result("decrypt", **members) == message, "decrypted otherwise")
    key.refuses("decrypt", **{**members, "tag": tag[:12]})
    key.refuses("decrypt", **{**members, "aad": aad + b"x"})
    made = key.call("encrypt", alg=alg, value=message, **({"aad": aad} if aad else {}))
    expect(made.status == 200, f"encrypt: expected 200, got {made}")
    own_iv, own_tag = decode(made.body["iv"]), decode(made.body["tag"])
    expect((len(own_iv), len(own_tag)) == (12, 16), f"a nonce of {len(own_iv)} and a tag of {len(own_tag)} bytes")
    opened = AESGCM(raw).decrypt(own_iv, decode(made.body["value"]) + own_tag, aad)
    expect(opened == message, "another implementation decrypted otherwise")
    return PASSED


@HSM
def test_gcm(service, record_property):
    count, vectors = wycheproof("aes_gcm")
    Tally("aes_gcm", service.name).run(vectors, tc_id, lambda vector: judge_gcm(service, *vector)).finish(count, record_property)


@HSM
def test_cbc_with_padding(service, record_property):
    count, vectors = wycheproof("aes_cbc_pkcs5")
    failures = set()

    def judge(vector: tuple[dict, dict]) -> Outcome:
        group, test = vector
        raw, iv, message, ciphertext = unhexed(test, "key", "iv", "msg", "ct")
        key, alg = service.imported(oct_jwk(raw)), f"A{group['keySize']}CBCPAD"
        if test["result"] != "valid":
            answer = key.refuses("decrypt", alg=alg, value=ciphertext, iv=iv)
            if ciphertext:
                failures.add(failure(answer))
            return INVALID
        expect(key.result("decrypt", alg=alg, value=ciphertext, iv=iv) == message, "decrypted otherwise")
        expect(key.result("encrypt", alg=alg, value=message, iv=iv) == ciphertext, "encrypted otherwise")
        key.refuses("encrypt", alg=alg, value=message)
        return PASSED

    Tally("aes_cbc_pkcs5", service.name).run(vectors, tc_id, judge).finish(count, record_property)
    assert len(failures) == 1, f"paddings can be told apart: {failures}"


@HSM
def test_cbc_without_padding(service, record_property):
    vectors = list(enumerate(cavp("nist/cavp_aes_128_cbc.txt"), 1))

    def judge(vector: tuple[int, dict]) -> Outcome:
        raw, iv, message, ciphertext = unhexed(vector[1], "Key", "IV", "Plaintext", "Ciphertext")
        key = service.imported(oct_jwk(raw))
        if vector[1]["Operation"] == "ENCRYPT":
            expect(key.result("encrypt", alg="A128CBC", value=message, iv=iv) == ciphertext, "encrypted otherwise")
        else:
            expect(key.result("decrypt", alg="A128CBC", value=ciphertext, iv=iv) == message, "decrypted otherwise")
        return PASSED

    Tally("cavp_aes_128_cbc", service.name).run(vectors, lambda vector: vector[0], judge).finish(CAVP_COUNT, record_property)


def judge_wrap(service: Service, raw: bytes, message: bytes, wrapped: bytes, result: str, algs: list[str]) -> Outcome:
    key = service.imported(oct_jwk(raw))
    for alg in algs:
        if result == "invalid":
            if wrapped:
                key.refuses("unwrapkey", alg=alg, value=wrapped)
            continue
        expect(key.result("wrapkey", alg=alg, value=message) == wrapped, f"wrapped otherwise with {alg}")
        expect(key.result("unwrapkey", alg=alg, value=wrapped) == message, f"unwrapped otherwise with {alg}")
    return INVALID if result == "invalid" else PASSED


@HSM
def test_key_wrap(service, record_property):
    count, vectors = wycheproof("aes_wrap")
    tally = Tally("aes_wrap", service.name)

    def judge(vector: tuple[dict, dict]) -> Outcome:
        group, test = vector
        raw, message, wrapped = unhexed(test, "key", "msg", "ct")
        algs = [f"A{group['keySize']}KW", "CKM_AES_KEY_WRAP"]
        key = service.imported(oct_jwk(raw))
        if test["result"] == "acceptable":
            # RFC 3394 §2 wraps two blocks or more.
            def observe() -> Outcome:
                if all(key.call("unwrapkey", alg=alg, value=wrapped).refused for alg in algs):
                    return refused(f"acceptable: {test['comment']}")
                return judge_wrap(service, raw, message, wrapped, "valid", algs)

            return tally.same_everywhere(test["tcId"], always_the_same(observe))
        if test["result"] == "invalid" and (len(message) < 16 or len(message) % 8):
            for alg in algs:
                key.refuses("wrapkey", alg=alg, value=message)
        return judge_wrap(service, raw, message, wrapped, test["result"], algs)

    tally.run(vectors, tc_id, judge).finish(count, record_property)


@HSM
def test_key_wrap_with_padding(service, record_property):
    count, vectors = wycheproof("aes_kwp")

    def judge(vector: tuple[dict, dict]) -> Outcome:
        raw, message, wrapped = unhexed(vector[1], "key", "msg", "ct")
        return judge_wrap(service, raw, message, wrapped, vector[1]["result"], ["CKM_AES_KEY_WRAP_PAD"])

    Tally("aes_kwp", service.name).run(vectors, tc_id, judge).finish(count, record_property)


@HSM
def test_nist_key_wrap(service, record_property):
    def judge(vector: tuple[dict, dict, dict, dict]) -> Outcome:
        _, group, test, answer = vector
        algs = [f"A{group['keyLen']}KW", "CKM_AES_KEY_WRAP"]
        wraps = group["direction"] == "encrypt"
        message, wrapped = (test["pt"], answer["ct"]) if wraps else (answer.get("pt", ""), test["ct"])
        result = "valid" if answer.get("testPassed", True) else "invalid"
        return judge_wrap(service, *(bytes.fromhex(text) for text in (test["key"], message, wrapped)), result, algs)

    tally = Tally("acvp_ACVP-AES-KW", service.name)
    tally.run(acvp("ACVP-AES-KW"), lambda vector: vector[2]["tcId"], judge).finish(ACVP_COUNT, record_property)


@HSM
def test_an_algorithm_of_another_key_size_is_refused(service):
    sizes = {size: service.imported(oct_jwk(bytes(range(size // 8)))) for size in (128, 192, 256)}
    for size, key in sizes.items():
        for other in sizes.keys() - {size}:
            key.refuses("encrypt", alg=f"A{other}GCM", value=b"text")
            key.refuses("encrypt", alg=f"A{other}CBC", value=bytes(16), iv=bytes(16))
            key.refuses("encrypt", alg=f"A{other}CBCPAD", value=bytes(16), iv=bytes(16))
            key.refuses("wrapkey", alg=f"A{other}KW", value=bytes(16))


@pytest.mark.parametrize("service", ["software"], indirect=True)
def test_a_vault_takes_no_software_key_for_aes(service):
    body = {"key": {"kty": "oct", "k": encode(bytes(32))}}
    answer = service.send("PUT", "/keys/aes-in-a-vault", body)
    assert answer.refused, f"expected 400 BadParameter, got {answer}"


@HSM
def test_a_refused_call_does_no_harm_to_the_calls_that_follow(service):
    """A token may keep an operation open that failed; the next caller must not find it."""
    raw, iv = bytes(range(32)), bytes(16)
    key = service.imported(oct_jwk(raw))
    wrapped = key.result("wrapkey", alg="A256KW", value=raw)
    sealed = key.result("encrypt", alg="A256CBCPAD", value=b"text", iv=iv)

    def call(length: int) -> None:
        wrong = bytes([1] * length)
        for alg in ("A256KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"):
            key.refuses("unwrapkey", alg=alg, value=wrong)
        for alg in ("A256CBCPAD", "A256CBC") if length % 16 else ("A256CBCPAD",):
            key.refuses("decrypt", alg=alg, value=wrong, iv=iv)
        key.refuses("decrypt", alg="A256GCM", value=wrong, iv=bytes(12), tag=bytes(16))
        assert key.result("unwrapkey", alg="A256KW", value=wrapped) == raw
        assert key.result("decrypt", alg="A256CBCPAD", value=sealed, iv=iv) == b"text"
        made = key.call("encrypt", alg="A256GCM", value=b"text")
        assert made.status == 200, made

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(call, [*range(1, 34), 40, 48, 64, 100, 1_000]))
