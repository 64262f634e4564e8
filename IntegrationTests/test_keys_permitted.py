"""What a key lets itself be used for: its operations, whether it is enabled, and from when to when."""

import time

import pytest

from harness import keys_algorithms as algorithms
from harness import keys_texts as texts
from harness.keys_jwk import rsa_jwk
from harness.keys_wire import assert_forbidden, error_of

pytest_plugins = ["harness.keys_fixtures"]

DAY = 86_400
HASHED = b"d" * 32
# Operation of `key_ops`, last word of its path, algorithm, value.
USES = {
    "encrypt": ("encrypt", "RSA-OAEP", b"plain"),
    "decrypt": ("decrypt", "RSA-OAEP", None),
    "sign": ("sign", "RS256", HASHED),
    "verify": ("verify", "RS256", None),
    "wrapKey": ("wrapkey", "RSA-OAEP", b"k" * 32),
    "unwrapKey": ("unwrapkey", "RSA-OAEP", None),
}
BEGINNING = ["encrypt", "wrapKey", "sign"]
ENDING = ["decrypt", "unwrapKey", "verify"]


@pytest.fixture(scope="module")
def sealed(rsa_private) -> bytes:
    return rsa_private.public_key().encrypt(b"plain", algorithms.encryption_padding("RSA-OAEP"))


@pytest.fixture(scope="module")
def signature(rsa_private) -> bytes:
    return algorithms.sign(rsa_private, "RS256", HASHED)


@pytest.fixture
def use(keys, sealed, signature):
    """The answer to one operation with a key that has the parts of `rsa_private`."""

    def ask(key, operation: str):
        word, algorithm, value = USES[operation]
        if operation == "verify":
            return keys.ask_verify(key, algorithm, HASHED, signature)
        return keys.ask(word, key, algorithm, sealed if value is None else value)

    return ask


@pytest.fixture
def changed(keys, rsa_private, name):
    """A key with the parts of `rsa_private` and these members."""

    def make(**members) -> dict:
        keys.import_key(name, rsa_jwk(rsa_private))
        return keys.update(name, **members)

    return make


# Operations


@pytest.mark.parametrize("operation", USES)
def test_a_key_does_what_it_is_for(changed, use, operation):
    assert use(changed(key_ops=[operation]), operation).status_code == 200


@pytest.mark.parametrize("operation", USES)
def test_a_key_does_nothing_else(changed, use, operation):
    answer = use(changed(key_ops=[other for other in USES if other != operation]), operation)
    assert_forbidden(answer, "KeyOperationForbidden")
    assert error_of(answer)["message"] == texts.not_permitted(operation)


def test_operations_belong_to_the_version(keys, name):
    first = keys.create(name, key_ops=["verify"])
    keys.create(name, key_ops=["sign"])
    assert_forbidden(keys.ask("sign", first, "ES256", HASHED), "KeyOperationForbidden")
    assert keys.ask("sign", name, "ES256", HASHED).status_code == 200


# Disabled


@pytest.mark.parametrize("operation", USES)
def test_a_disabled_key_does_nothing(changed, use, operation):
    answer = use(changed(attributes={"enabled": False}), operation)
    assert_forbidden(answer, "KeyDisabled")
    assert error_of(answer)["message"] == texts.disabled(operation)


def test_a_disabled_key_is_still_shown_listed_changed_and_backed_up(keys, name):
    made = keys.create(name, attributes={"enabled": False})
    assert keys.get(name) == made
    assert [item["attributes"]["enabled"] for item in keys.versions(name)] == [False]
    assert keys.backup(name)
    keys.update(name, attributes={"enabled": True})
    assert keys.sign(name, "ES256", HASHED)


def test_a_disabled_newest_version_does_not_uncover_the_older(keys, name):
    older = keys.create(name)
    keys.create(name, attributes={"enabled": False})
    assert_forbidden(keys.ask("sign", name, "ES256", HASHED), "KeyDisabled")
    assert keys.sign(older, "ES256", HASHED)


# Time


def window(nbf: int | None = None, exp: int | None = None) -> dict:
    moment = int(time.time())
    times = {"nbf": nbf, "exp": exp}
    return {"attributes": {member: moment + shift for member, shift in times.items() if shift is not None}}


@pytest.mark.parametrize("operation", BEGINNING)
def test_a_key_that_is_not_yet_valid_begins_nothing(changed, use, operation):
    assert_forbidden(use(changed(**window(nbf=DAY)), operation), "KeyNotYetValid")


@pytest.mark.parametrize("operation", BEGINNING)
def test_an_expired_key_begins_nothing(changed, use, operation):
    answer = use(changed(**window(exp=-DAY)), operation)
    assert_forbidden(answer, "KeyExpired")
    assert error_of(answer)["message"] == texts.expired(operation)


@pytest.mark.parametrize(
    "times", [{"nbf": DAY}, {"exp": -DAY}, {"nbf": -2 * DAY, "exp": -DAY}], ids=["not yet valid", "expired", "window over"]
)
@pytest.mark.parametrize("operation", ENDING)
def test_outside_its_window_a_key_still_ends_what_was_begun(changed, use, operation, times):
    assert use(changed(**window(**times)), operation).status_code == 200


@pytest.mark.parametrize("operation", USES)
def test_within_its_window_a_key_does_everything(changed, use, operation):
    assert use(changed(**window(nbf=-DAY, exp=DAY)), operation).status_code == 200


@pytest.mark.parametrize("times", [{"nbf": 60}, {"exp": -60}], ids=["a minute early", "a minute late"])
def test_a_minute_is_within_the_skew_that_is_allowed(keys, name, times):
    assert keys.sign(keys.create(name, **window(**times)), "ES256", HASHED)


def test_a_key_outside_its_window_may_be_rotated(keys, name):
    keys.create(name, **window(exp=-DAY))
    assert "exp" not in keys.rotate(name)["attributes"]
    assert keys.sign(name, "ES256", HASHED)


@pytest.mark.parametrize("kind", [{"kty": "EC"}, {"kty": "OKP", "crv": "Ed25519"}], ids=["EC", "Ed25519"])
def test_the_same_holds_for_other_keys(keys, name, kind):
    algorithm = {"EC": "ES256", "OKP": "EdDSA"}[kind["kty"]]
    key = keys.create(name, **kind, **window(exp=-DAY))
    assert_forbidden(keys.ask("sign", key, algorithm, HASHED), "KeyExpired")
    keys.update(key, attributes={"enabled": False})
    assert_forbidden(keys.ask_verify(key, algorithm, HASHED, b"s" * 64), "KeyDisabled")
