"""Who may do what with keys: what each role allows, on a vault and on one key, and what a refusal says."""

import pytest

from harness import keys_calls, texts
from harness.keys_calls import READ
from harness.keys_wire import Keys
from harness.tokens import claims_of, encode
from harness.wire import Wire

pytest_plugins = ["harness.keys_fixtures"]

EVERYTHING = {action for call in keys_calls.ALL for action in call.actions}

# What the built-in roles allow on keys.
ROLES = {
    "Key Vault Administrator": EVERYTHING,
    "Key Vault Crypto Officer": EVERYTHING,
    "Key Vault Crypto User": {
        READ,
        "keys/update/action",
        "keys/backup/action",
        "keys/encrypt/action",
        "keys/decrypt/action",
        "keys/wrap/action",
        "keys/unwrap/action",
        "keys/sign/action",
        "keys/verify/action",
    },
    "Key Vault Crypto Service Encryption User": {READ, "keys/wrap/action", "keys/unwrap/action"},
    "Key Vault Crypto Service Release User": set(),
    "Key Vault Reader": {READ, "keyrotationpolicies/read"},
    "Key Vault Secrets Officer": set(),
}


def allowed(answer) -> bool:
    """Whether the caller was let in; a refusal must be the one of RBAC."""
    if answer.status_code == 403:
        assert answer.json()["error"]["code"] == "Forbidden"
        assert answer.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"
        return False
    assert answer.status_code < 300, answer.text
    return True


@pytest.fixture(scope="module")
def holders(server, cli) -> dict[str, Wire]:
    """A caller for each role, who has it on the vault `demo`."""
    made = {role: cli.create_application(f"keys-{role}".replace(" ", "-")) for role in ROLES}
    for role, application in made.items():
        cli.assign(application, role, server.vault_scope())
    return {role: server.wire(application=application) for role, application in made.items()}


@pytest.fixture(scope="module")
def nobody(server, cli) -> Wire:
    """A caller who has no role anywhere."""
    return server.wire(application=cli.create_application("keys-nobody"))


@pytest.fixture
def caller(server, stranger) -> Wire:
    return server.wire(application=stranger)


# Each role


@pytest.mark.parametrize("call", keys_calls.ALL, ids=str)
def test_a_role_allows_what_its_definition_says(keys, holders, name, call):
    found, expected = {}, {}
    for number, (role, actions) in enumerate(ROLES.items()):
        each = f"{name}-{number}"
        prepared = call.prepare(keys, each)
        found[role] = allowed(call.make(holders[role], each, prepared))
        expected[role] = bool(set(call.actions) & actions)
    assert found == expected


@pytest.mark.parametrize("call", keys_calls.ALL, ids=str)
def test_without_a_role_nothing_is_allowed(keys, nobody, name, call):
    assert not allowed(call.make(nobody, name, call.prepare(keys, name)))


def test_who_may_read_a_key_may_do_with_it_what_its_public_part_allows(server, keys, cli, stranger, caller, standing):
    """Encrypt, wrap and verify; nothing that needs the private part."""
    cli.assign(stranger, "Key Vault Reader", server.vault_scope())
    reader, rsa, ec = Keys(caller), standing("RSA-2048"), standing("P-256")
    sealed = reader.use("encrypt", rsa, "RSA-OAEP", b"plain")
    wrapped = reader.use("wrapkey", rsa, "RSA-OAEP", b"k" * 32)
    assert keys.use("decrypt", rsa, "RSA-OAEP", sealed) == b"plain"
    assert reader.verify(ec, "ES256", b"d" * 32, keys.sign(ec, "ES256", b"d" * 32)) is True
    assert not allowed(reader.ask("decrypt", rsa, "RSA-OAEP", sealed))
    assert not allowed(reader.ask("unwrapkey", rsa, "RSA-OAEP", wrapped))
    assert not allowed(reader.ask("sign", ec, "ES256", b"d" * 32))


# Scopes


@pytest.fixture
def key(server, keys, name) -> str:
    keys.create(name)
    return name


def test_a_role_on_a_key_opens_this_key_only(server, keys, cli, stranger, caller, key):
    keys.create(f"{key}-longer")
    cli.assign(stranger, "Key Vault Crypto Officer", f"{server.vault_scope()}/keys/{key}")
    reader = Keys(caller)
    assert reader.sign(key, "ES256", b"d" * 32)
    assert reader.rotate(key)
    assert reader.versions(key)
    for path in (f"/keys/{key}-longer", f"/keys/{key[:-1]}", "/keys", "/deletedkeys"):
        assert not allowed(caller.get(path))


def test_a_role_on_a_key_allows_its_first_creation(server, cli, stranger, caller, name):
    cli.assign(stranger, "Key Vault Crypto Officer", f"{server.vault_scope()}/keys/{name}")
    assert allowed(caller.post(f"/keys/{name}/create", json={"kty": "EC"}))
    assert not allowed(caller.post(f"/keys/{name}-x/create", json={"kty": "EC"}))


def test_a_role_on_a_secret_of_the_same_name_opens_no_key(server, cli, stranger, caller, key):
    cli.assign(stranger, "Key Vault Administrator", f"{server.vault_scope()}/secrets/{key}")
    assert not allowed(caller.get(f"/keys/{key}"))


def test_a_role_on_a_key_opens_no_secret_of_the_same_name(server, keys, cli, stranger, caller, key):
    keys.wire.set_secret(key)
    cli.assign(stranger, "Key Vault Administrator", f"{server.vault_scope()}/keys/{key}")
    assert allowed(caller.get(f"/keys/{key}"))
    assert not allowed(caller.get(f"/secrets/{key}"))


def test_a_role_on_a_key_does_not_allow_to_restore_another(server, keys, cli, stranger, caller, key):
    backup = keys.backup(key)
    keys.delete(key)
    keys.purge(key)
    cli.assign(stranger, "Key Vault Crypto Officer", f"{server.vault_scope()}/keys/{key}-other")
    assert not allowed(caller.post("/keys/restore", json={"value": backup}))


def test_a_role_on_a_key_holds_for_every_spelling_of_its_name(server, cli, stranger, caller, key):
    cli.assign(stranger, "Key Vault Crypto User", f"{server.vault_scope()}/keys/{key.upper()}")
    assert allowed(caller.get(f"/keys/{key.swapcase()}"))


def test_a_role_on_another_vault_opens_nothing_here(server, cli, stranger, caller, key):
    cli.assign(stranger, "Key Vault Crypto Officer", server.vault_scope("other"))
    assert not allowed(caller.get(f"/keys/{key}"))


def test_an_assignment_begins_and_ends_on_the_very_next_request(server, cli, stranger, caller, key):
    body = {"alg": "ES256", "value": encode(b"d" * 32)}
    assert not allowed(caller.post(f"/keys/{key}/sign", json=body))
    cli.assign(stranger, "Key Vault Crypto User", server.vault_scope())
    assert allowed(caller.post(f"/keys/{key}/sign", json=body))
    cli.unassign(stranger, "Key Vault Crypto User", server.vault_scope())
    assert not allowed(caller.post(f"/keys/{key}/sign", json=body))


# The refusal


@pytest.mark.parametrize(
    "method, tail, action",
    [
        ("GET", "", READ),
        ("POST", "/create", "keys/create/action"),
        ("POST", "/sign", "keys/sign/action"),
        ("POST", "/unwrapkey", "keys/unwrap/action"),
    ],
)
def test_the_refusal_says_who_may_not_do_what_on_what(server, stranger, caller, name, method, tail, action):
    env = server.client_env
    resource = (
        f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourcegroups/{env['AZURE_RESOURCE_GROUP']}"
        f"/providers/microsoft.keyvault/vaults/demo/keys/{name}"
    )
    answer = caller.call(method, f"/keys/{name}{tail}", json={})
    claims, region = claims_of(server.token(stranger)), answer.headers["x-ms-keyvault-region"]
    assert not allowed(answer)
    assert answer.json()["error"]["message"] == texts.refused_by_rbac(claims, action, resource, "demo", region)


def test_a_key_that_is_not_there_is_not_told_from_one_that_is(caller, key):
    there, missing = caller.get(f"/keys/{key}"), caller.get(f"/keys/{key}-x")
    assert there.status_code == missing.status_code == 403
    assert there.text.replace(key, "N") == missing.text.replace(f"{key}-x", "N")


def test_a_refused_write_changes_nothing(keys, caller, key):
    before = keys.get(key)
    for method, path in (("POST", "create"), ("POST", "rotate"), ("PUT", "rotationpolicy")):
        assert caller.call(method, f"/keys/{key}/{path}", json={"kty": "EC"}).status_code == 403
    assert caller.patch(f"/keys/{key}/", json={"tags": {"x": "y"}}).status_code == 403
    assert caller.delete(f"/keys/{key}").status_code == 403
    assert keys.get(key) == before
    assert len(keys.versions(key)) == 1
