"""The production server with a hardware security module: its configuration, the kinds of vaults, the PIN."""

import copy
import json
import os
import uuid

import pytest

from harness.application import Application
from harness.command_line import CommandLine
from harness.hsm_authority import AttestationAuthority, Environment, claim, policy, released_parts
from harness.hsm_production import CRYPTO_USER, LABEL, PIN, HsmProduction
from harness.hsm_token import MODULE
from harness.keys_jwk import new_rsa, rsa_jwk
from harness.keys_wire import Keys, assert_bad_parameter, done, error_of
from harness.tokens import claims_of, decode, encode

pytest_plugins = ["harness.hsm_fixtures"]

HASHED = b"d" * 32


@pytest.fixture
def production(binary, tmp_path):
    made = HsmProduction(binary, tmp_path)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def serving(binary, tmp_path_factory):
    """One that runs, with roles for its first client, for all tests that do not stop it."""
    made = HsmProduction(binary, tmp_path_factory.mktemp("serving")).initialise().start()
    grant(made)
    yield made
    made.kill()


@pytest.fixture(scope="module")
def _configured(binary, tmp_path_factory):
    return HsmProduction(binary, tmp_path_factory.mktemp("configured"))


@pytest.fixture
def configured(_configured, tmp_path):
    """One whose configuration a test may spoil; its data folder is empty."""
    whole = copy.deepcopy(_configured.settings)
    _configured.settings["dataFolder"] = str(tmp_path / "data")
    (tmp_path / "data").mkdir(mode=0o700)
    yield _configured
    _configured.settings = whole


def grant(production: HsmProduction) -> None:
    """The first client may manage; it gives itself the roles to use keys."""
    scope = f"/subscriptions/{production.subscription}"
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Crypto Officer", scope)
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Crypto User", scope)
    give_pool_role(production)


def give_pool_role(production: HsmProduction):
    pool = production.pool()
    body = {"properties": {"roleDefinitionId": CRYPTO_USER, "principalId": claims_of(pool.wire.token)["oid"]}}
    given = pool.wire.put(f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json=body)
    assert given.status_code == 201, given.text


def refused(result) -> str:
    """The one line of a command that refused the configuration."""
    assert result.returncode == 78, (result.returncode, result.stdout, result.stderr)
    (line,) = result.stderr.strip().splitlines()
    return line


# Who may what at first


def test_the_first_client_administers_the_pool_and_uses_nothing_in_it(production):
    production.initialise().start()
    pool = production.pool()
    assert pool.wire.get("/keys").status_code == 403
    assert pool.wire.post("/keys/first/create", json={"kty": "oct-HSM"}).status_code == 403
    give_pool_role(production)
    assert pool.create("first", "oct-HSM")["key"]["kty"] == "oct-HSM"


# Kinds of vaults


@pytest.mark.parametrize("vault", ["demo", "plain"])
@pytest.mark.parametrize("kty", ["RSA-HSM", "EC-HSM", "oct-HSM"])
def test_a_standard_vault_makes_no_hardware_keys(serving, name, vault, kty):
    """A vault is standard unless the configuration says premium."""
    keys = serving.keys(vault)
    assert_bad_parameter(keys.wire.post(f"/keys/{name}/create", json={"kty": kty}))
    assert keys.wire.get(f"/keys/{name}").status_code == 404


@pytest.mark.parametrize("vault", ["demo", "plain"])
def test_a_standard_vault_takes_no_hardware_keys(serving, name, vault):
    keys = serving.keys(vault)
    jwk = rsa_jwk(new_rsa())
    for body in ({"key": {**jwk, "kty": "RSA-HSM"}}, {"key": jwk, "Hsm": True}, {"key": {"kty": "oct-HSM", "k": encode(bytes(32))}}):
        assert_bad_parameter(keys.wire.put(f"/keys/{name}", json=body))


def test_a_standard_vault_holds_software_keys(serving, name):
    keys = serving.keys("plain")
    made = keys.create(name, "EC")
    assert made["attributes"]["hsmPlatform"] == "0"
    assert keys.verify(made, "ES256", HASHED, keys.sign(made, "ES256", HASHED))


def test_a_backup_of_a_hardware_key_does_not_go_into_a_standard_vault(serving, name):
    best = serving.keys("best")
    best.create(name, "EC-HSM")
    assert_bad_parameter(serving.keys("plain").wire.post("/keys/restore", json={"value": best.backup(name)}))


def test_no_key_of_a_standard_vault_is_exportable(serving, name):
    document = json.dumps(policy("https://a.example", claim("a", "b"))).encode()
    body = {"kty": "EC", "attributes": {"exportable": True}, "release_policy": {"data": encode(document)}}
    assert_bad_parameter(serving.keys("plain").wire.post(f"/keys/{name}/create", json=body))


@pytest.mark.parametrize("kty, algorithm", [("RSA-HSM", "PS256"), ("EC-HSM", "ES256"), ("RSA", "PS256"), ("EC", "ES256")])
def test_a_premium_vault_holds_both(serving, name, kty, algorithm):
    keys = serving.keys("best")
    made = keys.create(name, kty)
    assert made["key"]["kty"] == kty
    assert keys.verify(made, algorithm, HASHED, keys.sign(made, algorithm, HASHED))


def test_a_pool_holds_every_kind(serving, name):
    pool = serving.pool()
    for kty in ("RSA", "EC", "oct", "RSA-HSM", "EC-HSM", "oct-HSM"):
        assert pool.create(f"{name}-{kty}", kty)["key"]["kty"] == kty.removesuffix("-HSM") + "-HSM"
    assert pool.use("wrapkey", f"{name}-oct", "A256KW", b"t" * 16)
    assert pool.wire.post("/rng", json={"count": 4}).status_code == 200


def test_a_pool_that_is_not_configured_is_not_there(serving):
    wire = serving.pool().wire
    assert Keys(wire).listed("/keys") is not None
    elsewhere = type(wire)(wire.base.replace("pool1", "pool2"), str(serving.bundle), wire.token)
    assert elsewhere.get("/keys").status_code in (401, 404, 421)


# Starting again


def test_keys_are_there_after_a_restart(production):
    production.initialise().start()
    grant(production)
    pool, best = production.pool(), production.keys("best")
    key, hard = pool.create("key", "oct-HSM"), best.create("hard", "EC-HSM")
    wrapped = pool.use("wrapkey", key, "A256KW", b"t" * 32)
    signature = best.sign(hard, "ES256", HASHED)
    assert production.stop() == 0
    production.start()
    assert production.pool().use("unwrapkey", key, "A256KW", wrapped) == b"t" * 32
    assert production.keys("best").verify(hard, "ES256", HASHED, signature)
    assert production.keys("best").sign(hard, "ES256", HASHED)


@pytest.mark.parametrize("at_end", ["", "\n"], ids=["plain", "with a line end"])
def test_the_pin_may_come_from_a_file_descriptor(production, at_end):
    production.initialise()
    reading = production.descriptor_with(PIN + at_end)
    production.settings["hsm"]["pin"] = f"fd:{reading}"
    production.start(descriptors=(reading,))
    give_pool_role(production)
    assert production.pool().create("key", "oct-HSM")


def test_the_pin_may_come_from_standard_input(production):
    production.initialise()
    reading = production.descriptor_with("a passphrase for tests only")
    production.settings["unseal"]["passphrase"] = f"fd:{reading}"
    production.settings["hsm"]["pin"] = "stdin"
    production.start(passphrase=PIN, descriptors=(reading,))
    give_pool_role(production)
    assert production.pool().create("key", "oct-HSM")


# Release


def test_the_configuration_names_the_authorities_for_release(production, tmp_path):
    authority, environment = AttestationAuthority(tmp_path / "authority"), Environment()
    production.settings["attestation"] = [{"issuer": authority.url, "caFile": str(authority.ca_file)}]
    production.initialise().start()
    give_pool_role(production)
    document = json.dumps(policy(authority.url, claim("sdk-test", "true"))).encode()
    members = {"attributes": {"exportable": True}, "release_policy": {"data": encode(document)}}
    pool = production.pool()
    pool.import_key("key", {"kty": "oct-HSM", "k": encode(bytes(range(32)))}, **members)
    answer = done(pool.wire.post("/keys/key/release", json={"target": authority.statement(environment)}))
    _, payload, _, _ = released_parts(answer["value"])
    blob = json.loads(decode(payload["response"]["key"]["key"]["key_hsm"]))
    assert environment.unwrap(decode(blob["ciphertext"]), "RSA_AES_KEY_WRAP_256") == bytes(range(32))
    authority.stop()


# What is refused


def test_a_wrong_pin_is_refused_and_not_shown(production):
    production.initialise()
    (production.credentials / "pin").write_text("another pin altogether")
    result = production.run("serve")
    assert result.returncode != 0
    assert len(result.stderr.strip().splitlines()) == 1
    assert "PIN" in result.stderr
    assert "another pin altogether" not in result.stderr + result.stdout


def test_a_token_that_is_not_there_is_named(production):
    production.initialise()
    production.settings["hsm"]["tokenLabel"] = "elsewhere"
    result = production.run("serve")
    assert result.returncode != 0
    assert "elsewhere" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_pin_in_the_configuration_is_refused(configured):
    configured.settings["hsm"]["pin"] = PIN
    line = refused(configured.run("init"))
    assert "hsm.pin" in line and PIN not in line


@pytest.mark.parametrize(
    "change",
    [
        {"module": "libsofthsm2.so"},
        {"module": "/nowhere/libnothing.so"},
        {"tokenLabel": ""},
        {"tokenLabel": "x" * 33},
        {"sessions": 0},
        {"sessions": "many"},
        {"slot": 0},
        {"pin": "environment:PIN"},
    ],
    ids=str,
)
def test_a_wrong_section_is_refused(configured, change):
    configured.settings["hsm"].update(change)
    refused(configured.run("init"))


@pytest.mark.parametrize("member", ["module", "tokenLabel", "pin"])
def test_a_section_that_lacks_a_member_is_refused(configured, member):
    del configured.settings["hsm"][member]
    refused(configured.run("init"))


def test_a_module_that_is_no_module_is_refused(configured):
    fake = configured.folder / "module.so"
    fake.write_bytes(b"not a library")
    configured.settings["hsm"]["module"] = str(fake)
    result = configured.run("init")
    if result.returncode == 0:
        result = configured.run("serve")
    assert result.returncode != 0
    assert str(fake) in result.stderr


@pytest.mark.parametrize(
    "member, value",
    [
        ("vaults", [{"name": "v", "sku": "gold"}]),
        ("vaults", [{"name": "v", "sku": ""}]),
        ("pools", [{"name": "p", "sku": "premium"}]),
        ("pools", [{"name": "no_pool"}]),
        ("pools", [{}]),
        ("pools", [{"name": "pool1"}, {"name": "pool1"}]),
        ("vaults", [{"name": "best", "sku": "premium"}, {"name": "best", "sku": "standard"}]),
    ],
    ids=str,
)
def test_a_wrong_vault_or_pool_is_refused(configured, member, value):
    configured.settings[member] = value
    refused(configured.run("init"))


def test_hardware_keys_without_a_module_are_refused_in_words(production):
    """A premium vault or a pool without an `hsm` section: refused at the start, or the call says what is missing."""
    del production.settings["hsm"]
    result = production.run("init")
    if result.returncode != 0:
        assert "hsm" in refused(result)
        return
    made = json.loads(result.stdout)
    production.owner = Application(made["appId"], made["objectId"], made["password"], made["tenant"])
    production.subscription = made["subscription"]
    production.start()
    give_pool_role(production)
    answer = production.pool().wire.post("/keys/key/create", json={"kty": "oct-HSM"})
    assert answer.status_code in (400, 503)
    assert "hardware security module" in error_of(answer)["message"]


def test_the_pin_is_kept_nowhere(production):
    production.initialise().start()
    give_pool_role(production)
    production.pool().create("key", "oct-HSM")
    assert production.stop() == 0
    holding = [
        path
        for path in production.folder.rglob("*")
        if path.is_file() and path.parent != production.credentials and PIN.encode() in path.read_bytes()
    ]
    assert holding == []


def test_the_configuration_is_as_the_documentation_has_it(configured):
    assert configured.settings["hsm"] == {"module": MODULE, "tokenLabel": LABEL, "pin": "credential:pin", "sessions": 8}
    assert os.path.isabs(MODULE)
    assert configured.run("init").returncode == 0
