"""The JSON of the key operations, member by member: what each answer shows and what it leaves out."""

import re

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from harness.keys_jwk import coordinate_length, ec_jwk, ed25519_jwk, new_ec, rsa_jwk
from harness.keys_wire import done, path_of, version_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.keys_fixtures"]

LATER = 2_000_000_000
RSA_OPERATIONS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]
PUBLIC = {
    "RSA": {"kid", "kty", "key_ops", "n", "e"},
    "EC": {"kid", "kty", "key_ops", "crv", "x", "y"},
    "OKP": {"kid", "kty", "key_ops", "crv", "x"},
}
BASE64URL = re.compile(r"^[A-Za-z0-9_-]+$")


@pytest.fixture
def made(keys, name) -> dict:
    return keys.create(name, tags={"a": "b"}, attributes={"nbf": 1, "exp": LATER})


# The bundle


def test_create_answers_with_the_whole_bundle(server, made, name):
    assert set(made) == {"key", "attributes", "tags"}
    assert re.fullmatch(rf"{server.vault_url()}/keys/{name}/[0-9a-f]{{32}}", made["key"]["kid"])


@pytest.mark.parametrize("kind, kty", [("RSA-2048", "RSA"), ("P-256", "EC"), ("Ed25519", "OKP")])
def test_a_key_shows_its_public_part_alone(keys, standing, kind, kty):
    key = keys.get(standing(kind))["key"]
    assert set(key) == PUBLIC[kty]
    assert key["kty"] == kty


@pytest.mark.parametrize("kind, length", [("RSA-2048", 256), ("RSA-3072", 384), ("RSA-4096", 512)])
def test_a_modulus_is_as_long_as_asked_and_in_base64url_without_padding(standing, kind, length):
    key = standing(kind)["key"]
    assert BASE64URL.match(key["n"])
    assert len(decode(key["n"])) == length and decode(key["n"])[0] >= 0x80
    assert key["e"] == "AQAB"


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521", "P-256K"])
def test_the_coordinates_of_a_point_have_the_full_length(standing, curve):
    key = standing(curve)["key"]
    assert key["crv"] == curve
    assert [len(decode(key[part])) for part in "xy"] == [coordinate_length(curve)] * 2
    assert BASE64URL.match(key["x"] + key["y"])


@pytest.mark.parametrize(
    "kind, operations", [("RSA-2048", RSA_OPERATIONS), ("P-256", ["sign", "verify"]), ("Ed25519", ["sign", "verify"])]
)
def test_the_operations_of_a_new_key_in_their_order(standing, kind, operations):
    assert standing(kind)["key"]["key_ops"] == operations


def test_operations_that_were_given_come_back(keys, name):
    assert keys.create(name, "RSA", key_ops=["wrapKey", "unwrapKey"])["key"]["key_ops"] == ["wrapKey", "unwrapKey"]


# Attributes


def test_the_attributes_of_a_key(made):
    assert set(made["attributes"]) == {
        "enabled",
        "nbf",
        "exp",
        "created",
        "updated",
        "recoveryLevel",
        "recoverableDays",
        "exportable",
        "hsmPlatform",
    }
    assert (made["attributes"]["enabled"], made["attributes"]["exportable"]) == (True, False)
    assert made["attributes"]["hsmPlatform"] == "0"


def test_times_are_whole_seconds(made):
    attributes = made["attributes"]
    assert all(type(attributes[member]) is int for member in ("nbf", "exp", "created", "updated"))
    assert (attributes["nbf"], attributes["exp"]) == (1, LATER)
    assert attributes["created"] == attributes["updated"]


def test_times_and_tags_that_are_not_set_are_left_out(keys, name):
    made = keys.create(name)
    assert {"nbf", "exp"}.isdisjoint(made["attributes"])
    assert set(made) == {"key", "attributes"}


def test_the_recovery_level_fits_the_retention(made):
    days = made["attributes"]["recoverableDays"]
    assert 7 <= days <= 90
    level = "Recoverable+Purgeable" if days == 90 else "CustomizedRecoverable+Purgeable"
    assert made["attributes"]["recoveryLevel"] == level


# The other answers


def test_get_answers_as_create_did(keys, made, name):
    assert keys.get(name) == keys.get(made) == made


def test_a_trailing_slash_means_the_newest_version(keys, made, name):
    assert done(keys.wire.get(f"/keys/{name}/")) == made


def test_the_version_of_a_path_is_matched_in_any_case(keys, made, name):
    assert done(keys.wire.get(f"/keys/{name}/{version_of(made).upper()}")) == made


def test_repeated_slashes_are_one(keys, made, name):
    assert done(keys.wire.get(f"//keys///{name}//")) == made


@pytest.fixture(params=["RSA", "EC", "OKP"])
def private_jwk(request, rsa_private) -> dict:
    made = {
        "RSA": lambda: rsa_jwk(rsa_private),
        "EC": lambda: ec_jwk(new_ec()),
        "OKP": lambda: ed25519_jwk(Ed25519PrivateKey.generate()),
    }
    return made[request.param]()


def test_import_answers_without_the_private_part(keys, private_jwk, name):
    jwk = private_jwk
    imported = keys.import_key(name, jwk)
    assert set(imported["key"]) == PUBLIC[jwk["kty"]]
    assert imported["key"].items() >= {member: jwk[member] for member in jwk.keys() & PUBLIC[jwk["kty"]]}.items()


def test_update_answers_with_the_whole_bundle(keys, made, name):
    updated = keys.update(name, tags={"c": "d"})
    assert set(updated) == {"key", "attributes", "tags"}
    assert (updated["key"], updated["tags"]) == (made["key"], {"c": "d"})


def test_delete_answers_with_the_bundle_and_the_dates(server, keys, made, name):
    deleted = keys.delete(name)
    assert set(deleted) == {"key", "attributes", "tags", "recoveryId", "deletedDate", "scheduledPurgeDate"}
    assert deleted["key"] == made["key"]
    assert deleted["recoveryId"] == f"{server.vault_url()}/deletedkeys/{name}"
    assert deleted["scheduledPurgeDate"] == deleted["deletedDate"] + deleted["attributes"]["recoverableDays"] * 86_400
    assert done(keys.wire.get(f"/deletedkeys/{name}")) == deleted


def test_delete_answers_with_the_newest_version(keys, made, name):
    newest = keys.create(name)
    assert keys.delete(name)["key"]["kid"] == newest["key"]["kid"]


def test_recover_answers_with_the_live_bundle(keys, made, name):
    keys.delete(name)
    assert keys.recover(name) == made


def test_purge_answers_with_nothing(keys, made, name):
    keys.delete(name)
    answer = keys.wire.delete(f"/deletedkeys/{name}")
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_backup_is_base64url_without_padding(keys, made, name):
    answer = done(keys.wire.post(f"/keys/{name}/backup"))
    assert set(answer) == {"value"}
    assert BASE64URL.match(answer["value"])


def test_restore_answers_with_the_bundle(server, keys, made, name):
    restored = done(server.wire("other").post("/keys/restore", json={"value": keys.backup(name)}))
    assert restored["key"] == {**made["key"], "kid": made["key"]["kid"].replace("://demo.", "://other.")}
    assert set(restored) == {"key", "attributes", "tags"}


# Items of lists


def test_a_list_item_has_no_key_and_no_version(server, keys, made, name):
    item = next(item for item in keys.listed("/keys") if item["kid"].endswith(f"/{name}"))
    assert set(item) == {"kid", "attributes", "tags"}
    assert item["kid"] == f"{server.vault_url()}/keys/{name}"


def test_an_item_of_the_versions_has_the_whole_identifier(keys, made, name):
    assert keys.versions(name) == [{"kid": made["key"]["kid"], "attributes": made["attributes"], "tags": made["tags"]}]


def test_an_item_of_the_deleted_has_the_dates_and_no_key(keys, made, name):
    keys.delete(name)
    item = next(item for item in keys.listed("/deletedkeys") if item["recoveryId"].endswith(f"/{name}"))
    assert set(item) == {"kid", "attributes", "tags", "recoveryId", "deletedDate", "scheduledPurgeDate"}


# Results


def test_a_result_has_the_whole_identifier_and_the_value(keys, standing):
    key = standing("P-256")
    answer = done(keys.ask("sign", key["key"]["kid"].split("/")[4], "ES256", b"d" * 32))
    assert set(answer) == {"kid", "value"}
    assert answer["kid"] == key["key"]["kid"]
    assert BASE64URL.match(answer["value"])


@pytest.mark.parametrize("operation", ["encrypt", "wrapkey"])
def test_a_ciphertext_comes_with_nothing_else(keys, standing, operation):
    answer = done(keys.ask(operation, standing("RSA-2048"), "RSA-OAEP", b"plain"))
    assert set(answer) == {"kid", "value"}
    assert len(decode(answer["value"])) == 256


@pytest.mark.parametrize("path", ["{}/sign", "{}//sign"])
def test_a_path_without_a_version_uses_the_newest(keys, made, name, path):
    keys.update(made, attributes={"exp": LATER})
    newest = keys.create(name)
    body = {"alg": "ES256", "value": encode(b"d" * 32)}
    assert done(keys.wire.post(path.format(f"/keys/{name}"), json=body))["kid"] == newest["key"]["kid"]


def test_a_value_may_be_padded(keys, standing):
    padded = encode(b"d" * 32) + "="
    assert done(keys.wire.post(f"{path_of(standing('P-256'))}/sign", json={"alg": "ES256", "value": padded}))["value"]
