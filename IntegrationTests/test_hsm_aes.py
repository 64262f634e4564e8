"""Symmetric keys of a pool: every AES algorithm both ways against an independent library, and the rules for iv, tag and aad."""

import os

import pytest

from harness import hsm_aes as aes
from harness.hsm_pool import pool_keys
from harness.keys_wire import Keys, assert_bad_parameter, assert_forbidden, done, error_of, path_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.hsm_fixtures"]

IV = bytes(range(16))


@pytest.fixture(scope="module")
def known(server) -> dict[int, tuple[bytes, dict]]:
    """A key of each size of which we know the bytes: they and the bundle after the import."""
    pool = pool_keys(server)
    secrets = {size: os.urandom(size // 8) for size in aes.SIZES}
    return {size: (secret, pool.import_key(f"known-aes-{size}", {"kty": "oct-HSM", "k": encode(secret)})) for size, secret in secrets.items()}


def told(answer) -> tuple:
    return answer.status_code, error_of(answer)["code"], error_of(answer)["message"]


# GCM


def seal_gcm(pool: Keys, key: dict, algorithm: str, plain: bytes, **members) -> dict:
    return done(pool.ask("encrypt", key, algorithm, plain, **members))


@pytest.mark.parametrize("algorithm", aes.GCM)
@pytest.mark.parametrize("aad", [None, b"a", b"associated data" * 20], ids=["no aad", "short aad", "long aad"])
def test_the_library_opens_what_the_pool_seals_by_gcm(pool, known, algorithm, aad):
    secret, key = known[aes.size_of(algorithm)]
    members = {} if aad is None else {"aad": encode(aad)}
    sealed = seal_gcm(pool, key, algorithm, b"plain text", **members)
    assert sealed["kid"] == key["key"]["kid"]
    assert set(sealed) == {"kid", "value", "iv", "tag", *members}
    iv, tag = decode(sealed["iv"]), decode(sealed["tag"])
    assert (len(iv), len(tag)) == (12, 16)
    assert sealed.get("aad") == members.get("aad")
    assert aes.gcm_open(secret, iv, decode(sealed["value"]), tag, aad) == b"plain text"


@pytest.mark.parametrize("algorithm", aes.GCM)
@pytest.mark.parametrize("aad", [None, b"associated"], ids=["no aad", "aad"])
def test_the_pool_opens_what_the_library_seals_by_gcm(pool, known, algorithm, aad):
    secret, key = known[aes.size_of(algorithm)]
    iv = os.urandom(12)
    value, tag = aes.gcm_seal(secret, iv, b"plain text", aad)
    members = {"iv": encode(iv), "tag": encode(tag)} | ({} if aad is None else {"aad": encode(aad)})
    answer = done(pool.ask("decrypt", key, algorithm, value, **members))
    assert decode(answer["value"]) == b"plain text"


@pytest.mark.parametrize("length", [1, 15, 16, 17, 4096, 20_000])
def test_gcm_keeps_every_length(pool, known, length):
    _, key = known[256]
    plain = os.urandom(length)
    sealed = seal_gcm(pool, key, "A256GCM", plain)
    assert len(decode(sealed["value"])) == length
    opened = pool.ask("decrypt", key, "A256GCM", decode(sealed["value"]), iv=sealed["iv"], tag=sealed["tag"])
    assert decode(done(opened)["value"]) == plain


def test_no_iv_comes_twice(pool, known):
    _, key = known[256]
    assert len({seal_gcm(pool, key, "A256GCM", b"plain")["iv"] for _ in range(50)}) == 50


def test_the_iv_of_gcm_is_not_the_clients_to_choose(pool, known):
    _, key = known[256]
    assert_bad_parameter(pool.ask("encrypt", key, "A256GCM", b"plain", iv=encode(bytes(12))))


def test_gcm_is_opened_with_iv_and_tag_only(pool, known):
    secret, key = known[256]
    value, tag = aes.gcm_seal(secret, IV[:12], b"plain")
    whole = {"iv": encode(IV[:12]), "tag": encode(tag)}
    assert pool.ask("decrypt", key, "A256GCM", value, **whole).status_code == 200
    for members in (
        {},
        {"iv": whole["iv"]},
        {"tag": whole["tag"]},
        {**whole, "iv": encode(IV)},
        {**whole, "iv": encode(IV[:11])},
        {**whole, "iv": ""},
        {**whole, "tag": encode(tag[:12])},
        {**whole, "tag": encode(tag[:4])},
        {**whole, "tag": ""},
        {**whole, "tag": encode(tag + b"\x00")},
    ):
        assert_bad_parameter(pool.ask("decrypt", key, "A256GCM", value, **members))


def test_whatever_was_changed_gcm_refuses_it_alike(pool, known):
    secret, key = known[256]
    iv = IV[:12]
    value, tag = aes.gcm_seal(secret, iv, b"plain text", b"aad")
    right = {"iv": encode(iv), "tag": encode(tag), "aad": encode(b"aad")}
    changed = {
        "value": (bytes([value[0] ^ 1]) + value[1:], right),
        "cut": (value[:-1], right),
        "iv": (value, {**right, "iv": encode(bytes([iv[0] ^ 1]) + iv[1:])}),
        "tag": (value, {**right, "tag": encode(tag[:-1] + bytes([tag[-1] ^ 1]))}),
        "aad": (value, {**right, "aad": encode(b"aae")}),
        "no aad": (value, {member: right[member] for member in ("iv", "tag")}),
    }
    answers = {what: told(pool.ask("decrypt", key, "A256GCM", sealed, **members)) for what, (sealed, members) in changed.items()}
    assert len(set(answers.values())) == 1, answers
    assert next(iter(answers.values()))[:2] == (400, "BadParameter")


# CBC


@pytest.mark.parametrize("algorithm", aes.CBC)
def test_cbc_agrees_with_the_library_both_ways(pool, known, algorithm):
    secret, key = known[aes.size_of(algorithm)]
    plain = b"0123456789abcdef" * 3
    sealed = done(pool.ask("encrypt", key, algorithm, plain, iv=encode(IV)))
    assert set(sealed) == {"kid", "value", "iv"}
    assert sealed["iv"] == encode(IV)
    assert decode(sealed["value"]) == aes.cbc_seal(secret, IV, plain)
    assert decode(done(pool.ask("decrypt", key, algorithm, decode(sealed["value"]), iv=encode(IV)))["value"]) == plain


@pytest.mark.parametrize("algorithm", aes.CBC_PAD)
@pytest.mark.parametrize("length", [1, 15, 16, 17, 1000])
def test_padded_cbc_agrees_with_the_library_both_ways(pool, known, algorithm, length):
    secret, key = known[aes.size_of(algorithm)]
    plain = os.urandom(length)
    sealed = done(pool.ask("encrypt", key, algorithm, plain, iv=encode(IV)))
    assert sealed["iv"] == encode(IV)
    assert aes.unpad(aes.cbc_open(secret, IV, decode(sealed["value"]))) == plain
    ours = aes.cbc_seal(secret, IV, aes.pad(plain))
    assert ours == decode(sealed["value"])
    assert decode(done(pool.ask("decrypt", key, algorithm, ours, iv=encode(IV)))["value"]) == plain


@pytest.mark.parametrize("length", [1, 15, 17, 31])
def test_cbc_without_padding_takes_whole_blocks_only(pool, known, length):
    _, key = known[128]
    assert_bad_parameter(pool.ask("encrypt", key, "A128CBC", b"p" * length, iv=encode(IV)))
    assert_bad_parameter(pool.ask("decrypt", key, "A128CBC", b"p" * length, iv=encode(IV)))


@pytest.mark.parametrize("algorithm", ["A256CBC", "A256CBCPAD"])
@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
@pytest.mark.parametrize("iv", [None, b"", b"i" * 12, b"i" * 15, b"i" * 17], ids=str)
def test_cbc_needs_an_iv_of_one_block(pool, known, algorithm, operation, iv):
    _, key = known[256]
    members = {} if iv is None else {"iv": encode(iv)}
    assert_bad_parameter(pool.ask(operation, key, algorithm, b"p" * 16, **members))


def test_wrong_padding_is_refused_as_anything_else_that_does_not_open(pool, known):
    secret, key = known[256]
    ends = {
        "zero": b"\x00",
        "too large": b"\x11",
        "not repeated": b"\x01\x02\x02\x03",
        "all 255": b"\xff" * 16,
    }
    wrong = {what: aes.cbc_seal(secret, IV, (b"p" * 32 + end)[-32:]) for what, end in ends.items()}
    answers = {what: told(pool.ask("decrypt", key, "A256CBCPAD", value, iv=encode(IV))) for what, value in wrong.items()}
    gcm, tag = aes.gcm_seal(secret, IV[:12], b"plain")
    answers["gcm"] = told(pool.ask("decrypt", key, "A256GCM", gcm + b"x", iv=encode(IV[:12]), tag=encode(tag)))
    assert len(set(answers.values())) == 1, answers
    assert answers["gcm"][:2] == (400, "BadParameter")


# Wrapping


@pytest.mark.parametrize("algorithm", [*aes.KW, "CKM_AES_KEY_WRAP"])
@pytest.mark.parametrize("length", [16, 24, 32, 64])
def test_key_wrap_agrees_with_the_library_both_ways(pool, known, algorithm, length):
    for size, (secret, key) in known.items():
        if algorithm in aes.KW and aes.size_of(algorithm) != size:
            continue
        target = os.urandom(length)
        wrapped = pool.use("wrapkey", key, algorithm, target)
        assert wrapped == aes.wrap(algorithm, secret, target)
        assert pool.use("unwrapkey", key, algorithm, wrapped) == target


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 32, 33, 1200])
def test_key_wrap_with_padding_agrees_with_the_library_both_ways(pool, known, length):
    for secret, key in known.values():
        target = os.urandom(length)
        wrapped = pool.use("wrapkey", key, "CKM_AES_KEY_WRAP_PAD", target)
        assert wrapped == aes.wrap("CKM_AES_KEY_WRAP_PAD", secret, target)
        assert pool.use("unwrapkey", key, "CKM_AES_KEY_WRAP_PAD", wrapped) == target


@pytest.mark.parametrize("algorithm", ["A256KW", "CKM_AES_KEY_WRAP"])
@pytest.mark.parametrize("length", [0, 7, 8, 15, 17, 31])
def test_key_wrap_takes_whole_halves_of_blocks_from_two_on(pool, known, algorithm, length):
    _, key = known[256]
    assert_bad_parameter(pool.ask("wrapkey", key, algorithm, b"t" * length))


def test_a_wrapped_key_that_was_changed_is_refused_alike(pool, known):
    secret, key = known[256]
    answers = {}
    for algorithm in ("A256KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"):
        wrapped = aes.wrap(algorithm, secret, b"t" * 32)
        for what, value in {
            "first bit": bytes([wrapped[0] ^ 1]) + wrapped[1:],
            "last bit": wrapped[:-1] + bytes([wrapped[-1] ^ 1]),
            "by another key": aes.wrap(algorithm, bytes(32), b"t" * 32),
            "cut": wrapped[:-8],
        }.items():
            answers[f"{algorithm} {what}"] = told(pool.ask("unwrapkey", key, algorithm, value))
    padded = aes.wrap("CKM_AES_KEY_WRAP_PAD", secret, b"t" * 32)
    answers["padded as not padded"] = told(pool.ask("unwrapkey", key, "A256KW", padded))
    assert len(set(answers.values())) == 1, answers
    assert next(iter(answers.values()))[:2] == (400, "BadParameter")


@pytest.mark.parametrize("algorithm", ["CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"])
def test_the_algorithms_of_the_module_are_there_from_7_6_on(pool, known, algorithm):
    _, key = known[256]
    body = {"alg": algorithm, "value": encode(b"t" * 32)}
    assert pool.wire.post(f"{path_of(key)}/wrapkey", json=body, version="7.6").status_code == 200


# What does not fit


@pytest.mark.parametrize("algorithm", [*aes.GCM, *aes.CBC_PAD])
def test_a_key_of_another_size_does_not_encrypt(pool, known, algorithm):
    for size, (_, key) in known.items():
        members = {"iv": encode(IV)} if "CBC" in algorithm else {}
        answer = pool.ask("encrypt", key, algorithm, b"p" * 16, **members)
        if size == aes.size_of(algorithm):
            assert answer.status_code == 200, answer.text
        else:
            assert_bad_parameter(answer)


@pytest.mark.parametrize("algorithm", aes.KW)
def test_a_key_of_another_size_does_not_wrap(pool, known, algorithm):
    for size, (_, key) in known.items():
        if size != aes.size_of(algorithm):
            assert_bad_parameter(pool.ask("wrapkey", key, algorithm, b"t" * 16))


@pytest.mark.parametrize("operation, algorithm", [("encrypt", "RSA-OAEP"), ("wrapkey", "RSA-OAEP-256"), ("encrypt", "A512GCM"), ("encrypt", "HS256")])
def test_an_algorithm_of_another_kind_is_refused(pool, known, operation, algorithm):
    _, key = known[256]
    assert_bad_parameter(pool.ask(operation, key, algorithm, b"p" * 16))


def test_an_rsa_key_does_not_take_aes(pool, pool_standing):
    assert_bad_parameter(pool.ask("encrypt", pool_standing("RSA-2048"), "A256GCM", b"plain"))
    assert_bad_parameter(pool.ask("wrapkey", pool_standing("RSA-2048"), "A256KW", b"t" * 16))


def test_the_operations_of_a_symmetric_key_are_kept_to(pool, name):
    key = pool.create(name, "oct-HSM", key_ops=["decrypt", "wrapKey"])
    assert_forbidden(pool.ask("encrypt", key, "A256GCM", b"plain"), "KeyOperationForbidden")
    assert_forbidden(pool.ask("unwrapkey", key, "A256KW", b"t" * 24), "KeyOperationForbidden")
    assert pool.ask("wrapkey", key, "A256KW", b"t" * 16).status_code == 200


def test_a_symmetric_key_in_a_premium_vault_works_as_one_in_a_pool(premium, name):
    secret = os.urandom(32)
    key = premium.import_key(name, {"kty": "oct-HSM", "k": encode(secret)})
    sealed = done(premium.ask("encrypt", key, "A256GCM", b"plain"))
    assert aes.gcm_open(secret, decode(sealed["iv"]), decode(sealed["value"]), decode(sealed["tag"])) == b"plain"
    assert premium.use("wrapkey", key, "A256KW", b"t" * 16) == aes.wrap("A256KW", secret, b"t" * 16)


def test_base64url_with_padding_is_taken_too(pool, known):
    secret, key = known[256]
    value, tag = aes.gcm_seal(secret, IV[:12], b"plain")
    padded = {"alg": "A256GCM", "value": encode(value) + "=" * (-len(encode(value)) % 4), "iv": encode(IV[:12]), "tag": encode(tag) + "=="}
    assert decode(done(pool.wire.post(f"{path_of(key)}/decrypt", json=padded))["value"]) == b"plain"
