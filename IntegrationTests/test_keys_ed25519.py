"""Ed25519, our addition: `kty` OKP, `alg` EdDSA, and the value is the message itself."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.keys_jwk import ed25519_jwk, public_key
from harness.keys_wire import assert_bad_parameter, done
from harness.tokens import decode, encode

pytest_plugins = ["harness.keys_fixtures"]

# RFC 8032, 7.1: private key, message, signature.
RFC_8032 = [
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
]
ORDER = 2**252 + 27742317777372353535851937790883648493


@pytest.fixture
def key(standing) -> dict:
    return standing("Ed25519")


def test_a_signature_of_the_service_holds_for_the_library(keys, key):
    public_key(key["key"]).verify(keys.sign(key, "EdDSA", b"message"), b"message")


@pytest.mark.parametrize("private, message, signature", RFC_8032)
def test_the_signatures_of_the_rfc(keys, name, private, message, signature):
    key = keys.import_key(name, ed25519_jwk(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private))))
    assert keys.sign(key, "EdDSA", bytes.fromhex(message)).hex() == signature
    assert keys.verify(key, "EdDSA", bytes.fromhex(message), bytes.fromhex(signature)) is True


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 65_535, 65_536])
def test_a_message_of_up_to_64_kib_is_signed(keys, key, length):
    message = b"m" * length
    signature = keys.sign(key, "EdDSA", message)
    assert len(signature) == 64
    public_key(key["key"]).verify(signature, message)
    assert keys.verify(key, "EdDSA", message, signature) is True


def test_a_longer_message_is_refused(keys, key):
    assert_bad_parameter(keys.ask("sign", key, "EdDSA", b"m" * 65_537))
    assert_bad_parameter(keys.ask_verify(key, "EdDSA", b"m" * 65_537, b"s" * 64))


def test_a_spoilt_signature_does_not_hold(keys, key):
    good = keys.sign(key, "EdDSA", b"message")
    s = int.from_bytes(good[32:], "little")
    wrong = [
        bytes([good[0] ^ 1]) + good[1:],
        good[:-1] + bytes([good[-1] ^ 1]),
        good[:-1],
        good + b"\x00",
        bytes(64),
        good[:32] + (s + ORDER).to_bytes(32, "little"),
    ]
    assert [keys.verify(key, "EdDSA", b"message", each) for each in wrong] == [False] * len(wrong)
    assert keys.verify(key, "EdDSA", b"another", good) is False


def test_the_key_is_listed_backed_up_and_rotated_like_any_other(keys, name):
    made = keys.create(name, "OKP", crv="Ed25519", tags={"a": "b"})
    rotated = keys.rotate(name)
    assert (rotated["key"]["kty"], rotated["key"]["crv"]) == ("OKP", "Ed25519")
    assert rotated["key"]["x"] != made["key"]["x"]
    signature = keys.sign(made, "EdDSA", b"message")
    backup = keys.backup(name)
    keys.delete(name)
    keys.purge(name)
    keys.restore(backup)
    assert keys.sign(made, "EdDSA", b"message") == signature
    assert len(keys.versions(name)) == 2


def test_the_result_looks_like_any_other(keys, key):
    answer = done(keys.ask("sign", key, "EdDSA", b"message"))
    assert answer["kid"] == key["key"]["kid"]
    assert encode(decode(answer["value"])) == answer["value"]
