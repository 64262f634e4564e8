"""Encrypt, decrypt, wrap and unwrap with RSA keys, against an independent library; and how all that is wrong is refused."""

import pytest

from harness import keys_algorithms as algorithms
from harness.keys_jwk import public_key
from harness.keys_wire import assert_bad_parameter, error_of, path_of
from harness.tokens import encode

pytest_plugins = ["harness.keys_fixtures"]

CLOSING = {"encrypt": "decrypt", "wrapkey": "unwrapkey"}
SIZES = {"RSA-2048": 256, "RSA-3072": 384, "RSA-4096": 512}


# Both ways


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize("opening", ["decrypt", "unwrapkey"])
def test_what_the_library_encrypts_the_service_opens(keys, standing, kind, algorithm, opening):
    sealed = public_key(standing(kind)["key"]).encrypt(b"k" * 32, algorithms.encryption_padding(algorithm))
    assert keys.use(opening, standing(kind), algorithm, sealed) == b"k" * 32


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
@pytest.mark.parametrize("sealing", CLOSING)
def test_what_the_service_seals_the_library_opens(keys, known, rsa_private, algorithm, sealing):
    sealed = keys.use(sealing, known, algorithm, b"k" * 32)
    assert rsa_private.decrypt(sealed, algorithms.encryption_padding(algorithm)) == b"k" * 32


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
def test_what_is_encrypted_may_be_unwrapped_and_the_other_way_round(keys, standing, algorithm):
    key = standing("RSA-2048")
    assert keys.use("unwrapkey", key, algorithm, keys.use("encrypt", key, algorithm, b"plain")) == b"plain"
    assert keys.use("decrypt", key, algorithm, keys.use("wrapkey", key, algorithm, b"plain")) == b"plain"


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
@pytest.mark.parametrize("kind", SIZES)
def test_the_longest_plaintext_fits_and_one_byte_more_does_not(keys, standing, kind, algorithm):
    length = algorithms.longest_plaintext(algorithm, SIZES[kind])
    sealed = keys.use("encrypt", standing(kind), algorithm, b"p" * length)
    assert keys.use("decrypt", standing(kind), algorithm, sealed) == b"p" * length
    assert_bad_parameter(keys.ask("encrypt", standing(kind), algorithm, b"p" * (length + 1)))
    assert_bad_parameter(keys.ask("wrapkey", standing(kind), algorithm, b"p" * (length + 1)))


@pytest.mark.parametrize("algorithm", algorithms.RSA_ENCRYPTIONS)
def test_bytes_come_back_exactly(keys, standing, algorithm):
    key = standing("RSA-2048")
    for plain in (b"\x00", b"\x00" * 20, bytes(range(128)), b"\xff" * 33):
        assert keys.use("decrypt", key, algorithm, keys.use("encrypt", key, algorithm, plain)) == plain


def test_the_same_plaintext_is_never_sealed_the_same(keys, standing):
    for algorithm in algorithms.RSA_ENCRYPTIONS:
        assert len({keys.use("encrypt", standing("RSA-2048"), algorithm, b"plain") for _ in range(5)}) == 5


# One refusal for everything that does not open


def altered(sealed: bytes) -> dict[str, bytes]:
    return {
        "first bit": bytes([sealed[0] ^ 1]) + sealed[1:],
        "last bit": sealed[:-1] + bytes([sealed[-1] ^ 1]),
        "middle bit": sealed[:100] + bytes([sealed[100] ^ 1]) + sealed[101:],
        "cut": sealed[:-1],
        "shifted": sealed[1:],
        "longer": sealed + b"\x00",
        "zero first": b"\x00" + sealed,
        "short": b"\x01" * 16,
        "all zero": bytes(len(sealed)),
        "one": bytes(len(sealed) - 1) + b"\x01",
        "at least the modulus": b"\xff" * len(sealed),
    }


def paddings_gone_wrong(private, length: int) -> dict[str, bytes]:
    """Blocks that decrypt to something whose padding is wrong in each of its places, as an attacker on PKCS#1 makes them."""
    numbers = private.public_key().public_numbers()
    message = b"plain!!!!!"
    blocks = {
        "block type 0": b"\x00\x00" + b"\xaa" * (length - 13) + b"\x00" + message,
        "block type 1": b"\x00\x01" + b"\xff" * (length - 13) + b"\x00" + message,
        "no separator": b"\x00\x02" + b"\xaa" * (length - 2),
        "short padding": b"\x00\x02" + b"\xaa" * 7 + b"\x00" + b"m" * (length - 10),
        "separator at once": b"\x00\x02\x00" + b"m" * (length - 3),
        "first byte": b"\x01\x02" + b"\xaa" * (length - 13) + b"\x00" + message,
    }
    return {
        what: pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(length, "big") for what, block in blocks.items()
    }


def refusal(answer) -> tuple:
    assert set(answer.json()) == {"error"}, answer.text
    return answer.status_code, error_of(answer)["code"], error_of(answer)["message"], tuple(error_of(answer))


@pytest.mark.parametrize("opening", ["decrypt", "unwrapkey"])
def test_every_ciphertext_that_does_not_open_is_refused_alike(keys, known, rsa_private, opening):
    refusals: dict[tuple, list[str]] = {}
    public = rsa_private.public_key()
    for algorithm in algorithms.RSA_ENCRYPTIONS:
        wrong = altered(public.encrypt(b"plain", algorithms.encryption_padding(algorithm)))
        if algorithm == "RSA1_5":
            wrong |= paddings_gone_wrong(rsa_private, 256)
        for other in algorithms.RSA_ENCRYPTIONS:
            if other != algorithm:
                wrong[f"sealed by {other}"] = public.encrypt(b"plain", algorithms.encryption_padding(other))
        for what, sealed in wrong.items():
            if algorithm == "RSA1_5" and algorithms.opens_as_pkcs1(rsa_private, sealed):
                continue
            told = refusal(keys.ask(opening, known, algorithm, sealed))
            refusals.setdefault(told, []).append(f"{algorithm}: {what}")
    assert len(refusals) == 1, refusals
    ((status, code, message, members),) = refusals
    assert (status, code) == (400, "BadParameter")
    assert set(members) <= {"code", "message"}
    assert not any(word in message.lower() for word in ("padding", "openssl", "block", "length", "modulus"))


def test_decrypt_and_unwrap_refuse_alike(keys, known):
    told = {refusal(keys.ask(opening, known, "RSA-OAEP", b"\x01" * 256)) for opening in ("decrypt", "unwrapkey")}
    assert len({(status, code) for status, code, _, _ in told}) == 1


def test_a_ciphertext_for_another_key_is_refused(keys, known, standing):
    sealed = keys.use("encrypt", standing("RSA-2048"), "RSA-OAEP-256", b"plain")
    assert_bad_parameter(keys.ask("decrypt", known, "RSA-OAEP-256", sealed))


# What does not fit together


@pytest.mark.parametrize("operation", ["encrypt", "decrypt", "wrapkey", "unwrapkey"])
@pytest.mark.parametrize(
    "algorithm",
    [
        *algorithms.AES,
        *algorithms.AES_WRAPS,
        *algorithms.RSA_SIGNATURES,
        "ES256",
        "HS256",
        "EdDSA",
        "RSA-OAEP-512",
        "RSA",
        "",
        "none",
    ],
)
def test_an_rsa_key_knows_no_other_encryption(keys, standing, operation, algorithm):
    assert_bad_parameter(keys.ask(operation, standing("RSA-2048"), algorithm, b"\x01" * 256))


@pytest.mark.parametrize("kind", ["P-256", "Ed25519"])
@pytest.mark.parametrize("operation", ["encrypt", "decrypt", "wrapkey", "unwrapkey"])
def test_a_signing_key_encrypts_nothing(keys, standing, kind, operation):
    """Refused as an algorithm that does not fit, or as an operation the key does not have."""
    answer = keys.ask(operation, standing(kind), "RSA-OAEP", b"\x01" * 32)
    code = error_of(answer)["code"]
    assert (answer.status_code, code) in ((400, "BadParameter"), (403, "Forbidden"))


@pytest.mark.parametrize("operation", ["encrypt", "decrypt", "wrapkey", "unwrapkey"])
@pytest.mark.parametrize("member", ["iv", "tag", "aad"])
def test_rsa_takes_no_iv_no_tag_and_no_further_data(keys, standing, operation, member):
    key = standing("RSA-2048")
    value = b"plain" if operation in CLOSING else keys.use("encrypt", key, "RSA-OAEP", b"plain")
    assert_bad_parameter(keys.ask(operation, key, "RSA-OAEP", value, **{member: encode(b"i" * 16)}))


@pytest.mark.parametrize("operation", ["encrypt", "decrypt", "wrapkey", "unwrapkey"])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"alg": "RSA-OAEP"},
        {"value": "AAAA"},
        {"alg": None, "value": "AAAA"},
        {"alg": "RSA-OAEP", "value": None},
        {"alg": 5, "value": "AAAA"},
        {"alg": "RSA-OAEP", "value": 5},
        {"alg": "RSA-OAEP", "value": "A"},
        {"alg": "RSA-OAEP", "value": "no base64url!"},
        [],
    ],
    ids=str,
)
def test_a_wrong_body_is_refused(keys, standing, operation, body):
    assert_bad_parameter(keys.wire.post(f"{path_of(standing('RSA-2048'))}/{operation}", json=body))


@pytest.mark.parametrize("operation", ["encrypt", "decrypt"])
def test_a_refusal_repeats_nothing_of_the_value(keys, standing, operation):
    told = keys.ask(operation, standing("RSA-2048"), "RSA-OAEP", b"do-not-repeat-me" * 40).text
    assert "do-not-repeat" not in told and encode(b"do-not-repeat-me")[:16] not in told
