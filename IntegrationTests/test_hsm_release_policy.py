"""Exportable keys and their release policies: what must come together, what is grammar, what can be changed later."""

import json

import pytest
from azure.keyvault.keys import KeyReleasePolicy

from harness.hsm_authority import claim, policy
from harness.keys_jwk import ec_jwk, new_ec, new_rsa, rsa_jwk
from harness.keys_wire import Keys, assert_bad_parameter, done, path_of
from harness.tokens import decode, encode

pytest_plugins = ["harness.hsm_fixtures"]

AUTHORITY = "https://attestation.example"
POLICY = policy(AUTHORITY, claim("x-ms-attestation-type", "sevsnpvm"))


def wire_form(document: dict | bytes, **members) -> dict:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return {"data": encode(data), **members}


def ask(keys: Keys, name: str, release_policy: dict | None = None, kty: str = "EC-HSM", exportable: bool | None = True, **members):
    body = {"kty": kty, **members}
    if exportable is not None:
        body["attributes"] = {"exportable": exportable}
    if release_policy is not None:
        body["release_policy"] = release_policy
    return keys.wire.post(f"/keys/{name}/create", json=body)


# What is kept


@pytest.mark.parametrize("kty", ["RSA-HSM", "EC-HSM", "oct-HSM"])
def test_an_exportable_key_shows_its_policy(hardware, name, kty):
    keys, _ = hardware
    made = done(ask(keys, name, wire_form(POLICY), kty))
    assert made["attributes"]["exportable"] is True
    shown = made["release_policy"]
    assert set(shown) == {"contentType", "data", "immutable"}
    assert shown["contentType"] == "application/json; charset=utf-8"
    assert shown["immutable"] is False
    assert json.loads(decode(shown["data"])) == POLICY
    assert keys.get(made) == made


def test_an_imported_key_may_be_exportable(hardware, name):
    keys, _ = hardware
    members = {"attributes": {"exportable": True}, "release_policy": wire_form(POLICY)}
    made = keys.import_key(name, {**rsa_jwk(new_rsa()), "kty": "RSA-HSM"}, **members)
    assert made["attributes"]["exportable"] is True
    assert json.loads(decode(made["release_policy"]["data"])) == POLICY


def test_a_key_that_is_not_exportable_shows_no_policy(pool, name):
    made = pool.create(name, "EC-HSM")
    assert "release_policy" not in made
    assert made["attributes"]["exportable"] is False


def test_the_client_makes_an_exportable_key(pool_client, name):
    made = pool_client.create_rsa_key(
        name, hardware_protected=True, exportable=True, release_policy=KeyReleasePolicy(json.dumps(POLICY).encode(), immutable=True)
    )
    assert made.properties.exportable
    assert json.loads(made.properties.release_policy.encoded_policy) == POLICY
    assert made.properties.release_policy.immutable


def test_a_rotated_key_keeps_its_policy(premium, name):
    made = done(ask(premium, name, wire_form(POLICY)))
    rotated = premium.rotate(name)
    assert rotated["attributes"]["exportable"] is True
    assert rotated["release_policy"] == made["release_policy"]


def test_a_restored_key_keeps_its_policy(pool, name):
    made = done(ask(pool, name, wire_form(POLICY, immutable=True)))
    backup = pool.backup(name)
    pool.delete(name)
    pool.purge(name)
    assert pool.restore(backup) == made


# What must come together


def test_an_exportable_key_needs_a_policy(hardware, name):
    keys, _ = hardware
    assert_bad_parameter(ask(keys, name))


@pytest.mark.parametrize("exportable", [None, False])
def test_a_policy_needs_an_exportable_key(hardware, name, exportable):
    keys, _ = hardware
    assert_bad_parameter(ask(keys, name, wire_form(POLICY), exportable=exportable))


@pytest.mark.parametrize("kty", ["RSA", "EC"])
def test_a_software_key_is_never_exportable(premium, name, kty):
    assert_bad_parameter(ask(premium, name, wire_form(POLICY), kty))


def test_an_imported_software_key_is_never_exportable(premium, name):
    body = {"key": ec_jwk(new_ec()), "attributes": {"exportable": True}, "release_policy": wire_form(POLICY)}
    assert_bad_parameter(premium.wire.put(f"/keys/{name}", json=body))


def test_a_key_does_not_become_exportable_later(hardware, name):
    keys, _ = hardware
    made = keys.create(name, "EC-HSM")
    for body in (
        {"attributes": {"exportable": True}},
        {"attributes": {"exportable": True}, "release_policy": wire_form(POLICY)},
        {"release_policy": wire_form(POLICY)},
    ):
        assert_bad_parameter(keys.wire.patch(path_of(made), json=body))
    assert keys.get(made)["attributes"]["exportable"] is False


# Changing it


def test_a_policy_that_is_not_immutable_may_be_replaced(pool, name):
    made = done(ask(pool, name, wire_form(POLICY)))
    other = policy(AUTHORITY, claim("x-ms-attestation-type", "tdxvm"))
    changed = pool.update(made, release_policy=wire_form(other))
    assert json.loads(decode(changed["release_policy"]["data"])) == other
    assert json.loads(decode(pool.get(made)["release_policy"]["data"])) == other


def test_an_immutable_policy_stays_as_it_is(pool, name):
    made = done(ask(pool, name, wire_form(POLICY, immutable=True)))
    assert made["release_policy"]["immutable"] is True
    other = policy(AUTHORITY, claim("x-ms-attestation-type", "tdxvm"))
    for replaced in (wire_form(other), wire_form(other, immutable=True), wire_form(POLICY, immutable=False)):
        assert_bad_parameter(pool.wire.patch(path_of(made), json={"release_policy": replaced}))
    assert pool.get(made)["release_policy"] == made["release_policy"]


def test_a_policy_may_be_made_immutable_and_is_then(pool, name):
    made = done(ask(pool, name, wire_form(POLICY)))
    assert pool.update(made, release_policy=wire_form(POLICY, immutable=True))["release_policy"]["immutable"] is True
    assert_bad_parameter(pool.wire.patch(path_of(made), json={"release_policy": wire_form(POLICY, immutable=False)}))


def test_other_properties_of_a_key_with_an_immutable_policy_may_change(pool, name):
    made = done(ask(pool, name, wire_form(POLICY, immutable=True)))
    changed = pool.update(made, tags={"a": "b"}, attributes={"enabled": False})
    assert (changed["tags"], changed["attributes"]["enabled"]) == ({"a": "b"}, False)
    assert changed["release_policy"] == made["release_policy"]


# The grammar


def nested(depth: int) -> dict:
    condition = claim("a", "b")
    for turn in range(depth):
        condition = {"anyOf" if turn % 2 else "allOf": [condition]}
    return condition


@pytest.mark.parametrize(
    "document",
    [
        POLICY,
        {"version": "1.0.0", "anyOf": [{"authority": AUTHORITY, "anyOf": [claim("a", "b"), claim("c", "d")]}]},
        policy(AUTHORITY, claim("a.b.c", True), claim("n", 5), claim("f", 1.5), claim("t", "")),
        policy(AUTHORITY, {"anyOf": [claim("a", "b"), {"allOf": [claim("c", "d"), claim("e", "f")]}]}),
        {"version": "1.0.0", "anyOf": [*policy(AUTHORITY, claim("a", "b"))["anyOf"], *policy("https://other.example/", claim("c", "d"))["anyOf"]]},
        policy(AUTHORITY, nested(4)),
    ],
    ids=lambda document: json.dumps(document)[:60],
)
def test_a_policy_by_the_grammar_is_taken_as_it_was_written(pool, name, document):
    text = json.dumps(document, indent=1).encode()
    made = done(ask(pool, name, wire_form(text)))
    assert decode(made["release_policy"]["data"]) == text


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"version": "1.0.0"},
        {"anyOf": POLICY["anyOf"]},
        {**POLICY, "version": "9.0.0"},
        {**POLICY, "version": 1},
        {"version": "1.0.0", "anyOf": []},
        {"version": "1.0.0", "anyOf": {}},
        {"version": "1.0.0", "allOf": POLICY["anyOf"]},
        {"version": "1.0.0", "anyOf": [{"allOf": [claim("a", "b")]}]},
        {"version": "1.0.0", "anyOf": [{"authority": AUTHORITY}]},
        {"version": "1.0.0", "anyOf": [{"authority": "http://plain.example", "allOf": [claim("a", "b")]}]},
        {"version": "1.0.0", "anyOf": [{"authority": "attestation", "allOf": [claim("a", "b")]}]},
        {"version": "1.0.0", "anyOf": [{"authority": 5, "allOf": [claim("a", "b")]}]},
        policy(AUTHORITY),
        {"version": "1.0.0", "anyOf": [{"authority": AUTHORITY, "anyOf": []}]},
        policy(AUTHORITY, {"anyOf": []}),
        policy(AUTHORITY, {}),
        policy(AUTHORITY, {"claim": "a"}),
        policy(AUTHORITY, {"equals": "b"}),
        policy(AUTHORITY, {"claim": "", "equals": "b"}),
        policy(AUTHORITY, {"claim": 5, "equals": "b"}),
        policy(AUTHORITY, {"claim": "a", "notEquals": "b"}),
        policy(AUTHORITY, {"claim": "a", "equals": None}),
        policy(AUTHORITY, {"claim": "a", "equals": ["b"]}),
        policy(AUTHORITY, {"claim": "a", "equals": {"b": "c"}}),
        policy(AUTHORITY, {"claim": "a", "equals": "b", "allOf": [claim("c", "d")]}),
        policy(AUTHORITY, {"anyOf": [claim("a", "b")], "allOf": [claim("c", "d")]}),
        policy(AUTHORITY, "text"),
    ],
    ids=lambda document: json.dumps(document)[:100],
)
def test_a_policy_against_the_grammar_is_refused(pool, name, document):
    assert_bad_parameter(ask(pool, name, wire_form(document)))
    assert pool.wire.get(f"/keys/{name}").status_code == 404


@pytest.mark.parametrize("data", [None, "", "!!!", encode(b"text"), encode(b"{"), encode(b"\xff\xfe")], ids=str)
def test_data_that_is_no_policy_is_refused(pool, name, data):
    assert_bad_parameter(ask(pool, name, {"data": data}))


def test_a_policy_nested_beyond_measure_is_refused(pool, name):
    inner = json.dumps(claim("a", "b")).encode()
    text = json.dumps(policy(AUTHORITY, {"deep": 0})).encode().replace(b'{"deep": 0}', b'{"allOf":[' * 2000 + inner + b"]}" * 2000)
    assert_bad_parameter(ask(pool, name, wire_form(text)))


def test_a_wrong_policy_does_not_replace_a_right_one(pool, name):
    made = done(ask(pool, name, wire_form(POLICY)))
    assert_bad_parameter(pool.wire.patch(path_of(made), json={"release_policy": wire_form({"version": "1.0.0"})}))
    assert pool.get(made) == made
