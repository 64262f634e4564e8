"""Creating hardware keys in a premium vault and in a pool: every type, what the answer shows, and what is refused where."""

import pytest

from harness import hsm_kinds
from harness.hsm_pool import pool_url
from harness.keys_jwk import public_key
from harness.keys_wire import assert_bad_parameter
from harness.wire import Wire

pytest_plugins = ["harness.hsm_fixtures"]

RSA_OPERATIONS = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]


def public(bundle: dict):
    return public_key(hsm_kinds.software_form(bundle))


# What is made


@pytest.mark.parametrize("kind", hsm_kinds.RSA)
def test_an_rsa_key_of_every_size_is_made_in_hardware(hardware, kind):
    _, standing = hardware
    made = standing(kind)
    assert made["key"]["kty"] == "RSA-HSM"
    assert made["key"]["key_ops"] == RSA_OPERATIONS
    assert made["key"]["e"] == "AQAB"
    assert public(made).key_size == hsm_kinds.RSA[kind]["key_size"]


@pytest.mark.parametrize("curve", hsm_kinds.EC)
def test_an_ec_key_on_every_curve_is_made_in_hardware(hardware, curve):
    _, standing = hardware
    made = standing(curve)
    assert (made["key"]["kty"], made["key"]["crv"]) == ("EC-HSM", curve)
    assert made["key"]["key_ops"] == ["sign", "verify"]
    # The constructor insists that the point is on the curve.
    public(made)


@pytest.mark.parametrize("kind", hsm_kinds.OCT)
def test_a_symmetric_key_of_every_size_is_made_in_hardware(hardware, kind):
    _, standing = hardware
    made = standing(kind)
    assert set(made["key"]) == {"kid", "kty", "key_ops"}
    assert made["key"]["kty"] == "oct-HSM"
    assert made["key"]["key_ops"][:4] == ["encrypt", "decrypt", "wrapKey", "unwrapKey"]


@pytest.mark.parametrize("kind", hsm_kinds.ALL)
def test_no_private_part_is_shown(hardware, kind):
    keys, standing = hardware
    for bundle in (standing(kind), keys.get(standing(kind))):
        assert set(bundle["key"]) <= {"kid", "kty", "key_ops", "n", "e", "crv", "x", "y"}


@pytest.mark.parametrize("kind", ["RSA-2048", "P-256", "oct-256"])
def test_a_hardware_key_says_that_it_is_one(hardware, kind):
    keys, standing = hardware
    attributes = keys.get(standing(kind))["attributes"]
    assert attributes["hsmPlatform"] in ("1", "2")
    assert attributes["exportable"] is False
    assert (attributes["recoveryLevel"], attributes["recoverableDays"]) == ("Recoverable+Purgeable", 90)


def test_a_software_key_in_a_premium_vault_says_that_it_is_none(premium, name):
    assert premium.create(name, "EC")["attributes"]["hsmPlatform"] == "0"


# Defaults


@pytest.mark.parametrize(
    "kty, shown", [("RSA-HSM", {"kty": "RSA-HSM"}), ("EC-HSM", {"kty": "EC-HSM", "crv": "P-256"}), ("oct-HSM", {"kty": "oct-HSM"})]
)
def test_the_size_and_the_curve_have_defaults(hardware, name, kty, shown):
    keys, _ = hardware
    key = keys.create(name, kty)["key"]
    assert {member: key[member] for member in shown} == shown
    if kty == "RSA-HSM":
        assert public({"key": key}).key_size == 2048


def test_the_default_symmetric_key_has_256_bits(pool, name):
    made = pool.create(name, "oct-HSM")
    assert pool.ask("encrypt", made, "A256GCM", b"x").status_code == 200
    assert_bad_parameter(pool.ask("encrypt", made, "A128GCM", b"x"))


# The pool is not a vault


@pytest.mark.parametrize("kty, stored", [("RSA", "RSA-HSM"), ("EC", "EC-HSM"), ("oct", "oct-HSM")])
def test_a_pool_keeps_every_key_in_hardware_whatever_was_asked(pool, name, kty, stored):
    assert pool.create(name, kty)["key"]["kty"] == stored
    assert pool.get(name)["key"]["kty"] == stored


def test_a_key_of_the_pool_has_the_address_of_the_pool(server, pool, name):
    made = pool.create(name, "EC-HSM")
    assert made["key"]["kid"].startswith(f"{pool_url(server)}/keys/{name}/")


@pytest.mark.parametrize("exponent, shown", [(3, "Aw"), (17, "EQ"), (65_537, "AQAB")])
def test_a_pool_lets_the_public_exponent_be_chosen(pool, name, exponent, shown):
    assert pool.create(name, "RSA-HSM", public_exponent=exponent)["key"]["e"] == shown


@pytest.mark.parametrize("exponent", [0, 1, 2, 4, 65_536, -3])
def test_an_exponent_that_makes_no_rsa_key_is_refused(pool, name, exponent):
    assert_bad_parameter(pool.wire.post(f"/keys/{name}/create", json={"kty": "RSA-HSM", "public_exponent": exponent}))


def test_a_vault_does_not_take_a_plain_symmetric_key(premium, name):
    assert_bad_parameter(premium.wire.post(f"/keys/{name}/create", json={"kty": "oct", "key_size": 256}))


def test_a_pool_holds_no_secrets(pool):
    assert pool.wire.get("/secrets").status_code == 404


# Refused


@pytest.mark.parametrize(
    "body",
    [
        {"kty": "RSA-HSM", "key_size": 1024},
        {"kty": "RSA-HSM", "key_size": 2049},
        {"kty": "RSA-HSM", "key_size": 8192},
        {"kty": "EC-HSM", "crv": "P-224"},
        {"kty": "EC-HSM", "crv": "Ed25519"},
        {"kty": "oct-HSM", "key_size": 64},
        {"kty": "oct-HSM", "key_size": 129},
        {"kty": "oct-HSM", "key_size": 0},
        {"kty": "OCT-SOFT"},
        {"kty": "RSA-HSM", "key_ops": ["import", "sign"]},
        {"kty": "EC-HSM", "key_ops": ["encrypt"]},
        {"kty": "EC-HSM", "key_ops": ["import"]},
        {"kty": "oct-HSM", "key_ops": ["import"]},
        {"kty": "oct-HSM", "key_ops": ["fly"]},
        {"kty": "RSA-HSM", "attributes": {"nbf": 2_000_000_000, "exp": 1_900_000_000}},
    ],
    ids=str,
)
def test_what_cannot_be_made_is_refused(hardware, name, body):
    keys, _ = hardware
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json=body))
    assert keys.wire.get(f"/keys/{name}").status_code == 404


def test_a_key_that_only_imports_others_can_be_made(hardware, name):
    keys, _ = hardware
    assert keys.create(name, "RSA-HSM", key_ops=["import"])["key"]["key_ops"] == ["import"]


def test_a_key_in_software_cannot_be_for_import(premium, name):
    assert_bad_parameter(premium.wire.post(f"/keys/{name}/create", json={"kty": "RSA", "key_ops": ["import"]}))


# Answers of a pool


def test_a_pool_answers_with_its_own_headers(pool):
    headers = pool.wire.get("/keys").headers
    assert headers["Content-Security-Policy"] == "default-src 'self'"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Cache-Control"] == "no-cache"
    assert int(headers["x-ms-server-latency"]) >= 0
    assert headers["x-ms-request-id"]
    assert "x-ms-keyvault-service-version" not in headers
    assert "Pragma" not in headers and "Expires" not in headers


def test_a_pool_asks_for_a_token_of_its_own_resource(server, pool):
    challenged = Wire(pool.wire.base, server.bundle).get("/keys")
    assert challenged.status_code == 401
    assert f'resource="https://managedhsm.localhost:{server.port}"' in challenged.headers["WWW-Authenticate"]
    of_vault = Wire(pool.wire.base, server.bundle, server.token()).get("/keys")
    assert of_vault.status_code == 401
    assert "WWW-Authenticate" in of_vault.headers


def test_a_vault_refuses_the_token_of_a_pool(server, pool):
    assert server.wire_with(pool.wire.token).get("/keys").status_code == 401
