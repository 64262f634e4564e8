"""The errors about keys: status, code, inner code and sentence."""

import uuid

import pytest

from harness import keys_texts as texts
from harness.keys_jwk import ec_jwk, new_ec
from harness.keys_wire import error_of
from harness.tokens import encode

pytest_plugins = ["harness.keys_fixtures"]

SIGN = {"alg": "ES256", "value": encode(b"d" * 32)}
SEAL = {"alg": "RSA-OAEP", "value": "AAAA"}
CHECK = {**SIGN, "digest": encode(b"d" * 32)}
POLICY = {"attributes": {"expiryTime": "P90D"}}

# Every call that needs a key, with its body.
NEEDING = [
    ("GET", "/keys/{}", None),
    ("GET", "/keys/{}/", None),
    ("DELETE", "/keys/{}", None),
    ("PATCH", "/keys/{}/", {"tags": {}}),
    ("POST", "/keys/{}/backup", None),
    ("POST", "/keys/{}/rotate", None),
    ("GET", "/keys/{}/rotationpolicy", None),
    ("PUT", "/keys/{}/rotationpolicy", POLICY),
    ("POST", "/keys/{}/sign", SIGN),
    ("POST", "/keys/{}/verify", CHECK),
    ("POST", "/keys/{}/encrypt", SEAL),
    ("POST", "/keys/{}/decrypt", SEAL),
    ("POST", "/keys/{}/wrapkey", SEAL),
    ("POST", "/keys/{}/unwrapkey", SEAL),
]


@pytest.fixture
def key(keys, name) -> str:
    keys.create(name)
    return name


@pytest.fixture
def deleted(keys, key) -> str:
    keys.delete(key)
    return key


def is_not_found(answer, message: str) -> bool:
    assert answer.status_code == 404, f"{answer.status_code} {answer.text}"
    assert (error_of(answer)["code"], error_of(answer)["message"]) == ("KeyNotFound", message)
    return True


# 404


@pytest.mark.parametrize("method, path, body", [*NEEDING, ("POST", "/deletedkeys/{}/recover", None)])
def test_a_key_that_does_not_exist_is_named_in_the_refusal(keys, name, method, path, body):
    assert is_not_found(keys.wire.call(method, path.format(name), json=body), texts.key_not_found(name))


@pytest.mark.parametrize("method, path, body", NEEDING)
def test_a_deleted_key_is_not_found_in_the_live_collection(keys, deleted, method, path, body):
    assert is_not_found(keys.wire.call(method, path.format(deleted), json=body), texts.key_not_found(deleted))


@pytest.mark.parametrize(
    "method, tail, body",
    [
        ("GET", "", None),
        ("PATCH", "", {"tags": {}}),
        ("POST", "/sign", SIGN),
        ("POST", "/verify", CHECK),
        ("POST", "/decrypt", SEAL),
        ("POST", "/unwrapkey", SEAL),
    ],
)
def test_a_version_that_does_not_exist_is_named_with_its_key(keys, key, method, tail, body):
    version = uuid.uuid4().hex
    answer = keys.wire.call(method, f"/keys/{key}/{version}{tail}", json=body)
    assert is_not_found(answer, texts.key_not_found(f"{key}/{version}"))


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_deleted_key_that_does_not_exist_is_named_in_the_refusal(keys, key, method):
    for name in (key, f"{key}-x"):
        assert is_not_found(keys.wire.call(method, f"/deletedkeys/{name}"), texts.deleted_key_not_found(name))


def test_the_versions_of_an_unknown_name_are_an_empty_list(keys, name):
    assert keys.wire.get(f"/keys/{name}/versions").json() == {"value": [], "nextLink": None}


# 405


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/keys"),
        ("POST", "/deletedkeys/{}"),
        ("GET", "/deletedkeys/{}/recover"),
        ("POST", "/keys/{}/rotationpolicy"),
        ("GET", "/keys/{}/00000000000000000000000000000000/sign"),
        ("PUT", "/keys/{}/00000000000000000000000000000000/verify"),
    ],
)
def test_a_method_the_path_does_not_have_is_refused_with_those_it_has(keys, key, method, path):
    answer = keys.wire.call(method, path.format(key))
    assert (answer.status_code, error_of(answer)["code"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"]


# 409


def conflicts(answer, name: str) -> None:
    assert answer.status_code == 409, f"{answer.status_code} {answer.text}"
    error = error_of(answer)
    assert (error["code"], error["innererror"]["code"]) == ("Conflict", "ObjectIsDeletedButRecoverable")
    assert error["message"] == texts.deleted_but_recoverable(name)


def test_create_over_a_deleted_key_is_a_conflict(keys, deleted):
    conflicts(keys.wire.post(f"/keys/{deleted}/create", json={"kty": "EC"}), deleted)


def test_import_over_a_deleted_key_is_a_conflict(keys, deleted):
    conflicts(keys.wire.put(f"/keys/{deleted}", json={"key": ec_jwk(new_ec())}), deleted)


def test_restore_over_a_deleted_key_is_a_conflict(keys, key):
    backup = keys.backup(key)
    keys.delete(key)
    conflicts(keys.wire.post("/keys/restore", json={"value": backup}), key)


def test_restore_over_a_live_key_is_a_conflict(keys, key):
    answer = keys.wire.post("/keys/restore", json={"value": keys.backup(key)})
    assert (answer.status_code, error_of(answer)["code"]) == (409, "Conflict")


def test_the_conflict_names_the_key_as_it_was_stored(keys, name):
    stored = f"MiXeD-{name}"
    keys.create(stored)
    keys.delete(stored)
    answer = keys.wire.post(f"/keys/{stored.upper()}/create", json={"kty": "EC"})
    assert answer.status_code == 409
    assert stored.lower() in error_of(answer)["message"].lower()


# In which order it is looked


def test_the_token_is_asked_before_everything(server, name):
    answer = server.wire_with(None).post(f"/keys/{name}/create", json={"kty": "nothing"})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_the_answers_have_the_headers_of_the_service(keys, name):
    for answer in (keys.wire.post(f"/keys/{name}/create", json={"kty": "EC"}), keys.wire.get(f"/keys/{name}-x")):
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-cache", "nosniff")
        assert answer.headers["x-ms-request-id"]
