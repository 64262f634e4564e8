"""The roles of a pool: its own, not those of the subscription; given and taken with the unmodified client, in effect at once."""

import uuid

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.keyvault.administration import KeyVaultRoleScope

from harness.hsm_pool import access_client_for, owner_object_id, pool_keys, pool_wire
from harness.keys_wire import Keys, error_of

pytest_plugins = ["harness.hsm_fixtures"]

ROLES = {
    "Managed HSM Administrator": "a290e904-7015-4bba-90c8-60543313cdb4",
    "Managed HSM Crypto Officer": "515eb02d-2335-4d2d-92f2-b1cbdf9c3778",
    "Managed HSM Crypto User": "21dbd100-6940-42c2-9190-5d6cb909625b",
    "Managed HSM Policy Administrator": "4bd23610-cdcf-4971-bdee-bdc562cc28e4",
    "Managed HSM Crypto Auditor": "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3",
    "Managed HSM Crypto Service Encryption User": "33413926-3206-4cdd-b39a-83574fe37a17",
    "Managed HSM Crypto Service Release User": "21dbd100-6940-42c2-9190-5d6cb909625c",
    "Managed HSM Backup": "7b127d3c-77bd-4e3e-bbe0-dbb8971fa7f8",
    "Managed HSM Restore": "6efe6056-5259-49d2-8b3d-d3d73544b20b",
}
ACTION = "Microsoft.KeyVault/managedHsm/"


@pytest.fixture(scope="module")
def access(server):
    with access_client_for(server) as client:
        yield client


@pytest.fixture(scope="module")
def roles(access) -> dict[str, str]:
    """Name of a role to its identifier."""
    return {each.role_name: each.id for each in access.list_role_definitions(KeyVaultRoleScope.GLOBAL)}


@pytest.fixture
def grant(access, roles, stranger):
    """Gives the stranger a role at a scope."""

    def give(role: str, scope: str = "/"):
        return access.create_role_assignment(scope, roles[f"Managed HSM {role}"], stranger.object_id)

    return give


@pytest.fixture
def theirs(server, stranger) -> Keys:
    """Calls of an application that has no role at first."""
    return pool_keys(server, stranger)


@pytest.fixture
def key(pool, name) -> dict:
    return pool.create(name, "oct-HSM")


def assert_refused(answer, what: str = "") -> None:
    assert answer.status_code == 403, f"{what} {answer.status_code} {answer.text}"
    assert error_of(answer)["code"] == "Forbidden"


def wrap(keys: Keys, key: dict | str):
    return keys.ask("wrapkey", key, "A256KW", b"t" * 16)


# Definitions


@pytest.mark.operation("LocalRoleDefinitionList")
def test_the_built_in_roles_are_listed(access):
    found = {each.role_name: each for each in access.list_role_definitions(KeyVaultRoleScope.GLOBAL)}
    assert {role: found[role].name for role in ROLES} == ROLES
    assert {found[role].role_type for role in ROLES} == {"AKVBuiltInRole"}
    assert all(found[role].assignable_scopes == ["/"] for role in ROLES)


def actions(definition) -> set[str]:
    return {str(getattr(action, "value", action)) for permission in definition.permissions for action in permission.data_actions}


@pytest.mark.operation("LocalRoleDefinitionGet")
def test_a_role_tells_what_it_allows(access):
    user = access.get_role_definition(KeyVaultRoleScope.GLOBAL, ROLES["Managed HSM Crypto User"])
    assert user.role_name == "Managed HSM Crypto User"
    assert {f"{ACTION}keys/sign/action", f"{ACTION}keys/create", f"{ACTION}keys/release/action"} <= actions(user)
    assert not {f"{ACTION}keys/deletedKeys/delete", f"{ACTION}roleAssignments/write/action"} & actions(user)
    administrator = access.get_role_definition(KeyVaultRoleScope.GLOBAL, ROLES["Managed HSM Administrator"])
    assert not [action for action in actions(administrator) if action.startswith(f"{ACTION}keys/")]


def test_a_role_that_does_not_exist_is_not_found(access):
    with pytest.raises(ResourceNotFoundError):
        access.get_role_definition(KeyVaultRoleScope.GLOBAL, uuid.uuid4())


def test_the_definitions_have_the_shape_of_the_interface(pool):
    answer = pool.wire.get("/providers/Microsoft.Authorization/roleDefinitions").json()
    assert set(answer) == {"value"}
    for each in answer["value"]:
        assert set(each) == {"id", "name", "type", "properties"}
        assert each["type"] == "Microsoft.Authorization/roleDefinitions"
        assert each["id"].endswith(f"/providers/Microsoft.Authorization/roleDefinitions/{each['name']}")
        assert set(each["properties"]) >= {"roleName", "type", "permissions", "assignableScopes"}


# Assignments


def test_the_owner_of_the_pool_has_its_three_roles(server, access):
    owner = owner_object_id(server)
    held = {each.properties.role_definition_id.rsplit("/", 1)[1] for each in access.list_role_assignments("/") if each.properties.principal_id == owner}
    assert held == {ROLES[f"Managed HSM {role}"] for role in ("Administrator", "Crypto Officer", "Crypto User")}


@pytest.mark.operation("LocalRoleAssignmentPut")
@pytest.mark.operation("LocalRoleAssignmentGet")
@pytest.mark.operation("LocalRoleAssignmentList")
@pytest.mark.operation("LocalRoleAssignmentDelete")
@pytest.mark.parametrize("scope", ["/", "/keys", "/keys/one-key"])
def test_an_assignment_is_made_found_and_removed(access, roles, stranger, scope):
    made = access.create_role_assignment(scope, roles["Managed HSM Crypto User"], stranger.object_id)
    assert (made.properties.scope, made.properties.principal_id) == (scope, stranger.object_id)
    assert made.properties.role_definition_id.endswith(ROLES["Managed HSM Crypto User"])
    assert made.type == "Microsoft.Authorization/roleAssignments"
    found = access.get_role_assignment(scope, made.name)
    assert (found.role_assignment_id, found.properties.principal_id) == (made.role_assignment_id, stranger.object_id)
    assert made.name in [each.name for each in access.list_role_assignments(scope)]
    access.delete_role_assignment(scope, made.name)
    assert made.name not in [each.name for each in access.list_role_assignments(scope)]
    with pytest.raises(ResourceNotFoundError):
        access.get_role_assignment(scope, made.name)
    # The client takes the 404 of a second removal for done.
    access.delete_role_assignment(scope, made.name)


def test_a_name_may_be_chosen(access, roles, stranger):
    chosen = uuid.uuid4()
    assert access.create_role_assignment("/keys", roles["Managed HSM Backup"], stranger.object_id, name=chosen).name == str(chosen)


def test_a_role_is_meant_by_the_guid_at_its_end(pool, stranger):
    for spelling in (
        "/keys/providers/Microsoft.Authorization/roleDefinitions/",
        "Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/",
        "/providers/Microsoft.Authorization/roleDefinitions/",
        "",
    ):
        body = {"properties": {"roleDefinitionId": spelling + ROLES["Managed HSM Restore"], "principalId": stranger.object_id}}
        path = f"/keys/key-{uuid.uuid4().hex[:6]}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        assert pool.wire.put(path, json=body).status_code == 201


def test_put_answers_201_and_delete_200_with_what_was(pool, stranger):
    path = f"/keys/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    body = {"properties": {"roleDefinitionId": ROLES["Managed HSM Crypto Auditor"], "principalId": stranger.object_id}}
    made = pool.wire.put(path, json=body)
    assert made.status_code == 201
    assert set(made.json()) == {"id", "name", "type", "properties"}
    assert made.json()["id"] == path
    assert made.json()["properties"]["scope"] == "/keys"
    removed = pool.wire.delete(path)
    assert (removed.status_code, removed.json()) == (200, made.json())
    assert pool.wire.delete(path).status_code == 404


def test_slashes_may_be_repeated_as_the_clients_send_them(pool):
    for path in ("///providers/Microsoft.Authorization/roleAssignments", "//keys/providers/Microsoft.Authorization/roleDefinitions"):
        assert pool.wire.get(path).status_code == 200


def test_assignments_are_filtered_by_principal(pool, grant, stranger):
    made = grant("Crypto Auditor", "/keys")
    path = "/providers/Microsoft.Authorization/roleAssignments"
    found = pool.wire.get(path, query={"$filter": f"principalId eq '{stranger.object_id}'"}).json()["value"]
    assert {each["properties"]["principalId"] for each in found} <= {stranger.object_id}
    in_keys = pool.wire.get(f"/keys{path}", query={"$filter": f"principalId eq '{stranger.object_id}'"}).json()["value"]
    assert [each["name"] for each in in_keys] == [made.name]


def test_at_scope_leaves_out_what_lies_below(pool, grant, name):
    grant("Crypto Auditor", "/keys")
    below = grant("Crypto Auditor", f"/keys/{name}")
    path = "/keys/providers/Microsoft.Authorization/roleAssignments"
    assert below.name not in [each["name"] for each in pool.wire.get(path, query={"$filter": "atScope()"}).json()["value"]]


@pytest.mark.parametrize(
    "properties",
    [
        {"roleDefinitionId": str(uuid.uuid4()), "principalId": str(uuid.uuid4())},
        {"roleDefinitionId": "Crypto User", "principalId": str(uuid.uuid4())},
        {"roleDefinitionId": ROLES["Managed HSM Crypto User"], "principalId": "nobody"},
        {"roleDefinitionId": ROLES["Managed HSM Crypto User"]},
        {"principalId": str(uuid.uuid4())},
        {},
    ],
    ids=["unknown role", "name of a role", "no principal id", "no principal", "no role", "nothing"],
)
def test_an_assignment_of_nothing_is_refused(pool, properties):
    answer = pool.wire.put(f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json={"properties": properties})
    assert answer.status_code in (400, 404), answer.text


def test_the_name_of_an_assignment_is_a_guid(pool, stranger):
    body = {"properties": {"roleDefinitionId": ROLES["Managed HSM Backup"], "principalId": stranger.object_id}}
    assert pool.wire.put("/providers/Microsoft.Authorization/roleAssignments/my-role", json=body).status_code == 400


@pytest.mark.parametrize("scope", ["/secrets", "/keys/a/b", "/certificates/x", "/subscriptions/x"])
def test_another_scope_has_no_assignments(pool, stranger, scope):
    body = {"properties": {"roleDefinitionId": ROLES["Managed HSM Backup"], "principalId": stranger.object_id}}
    answer = pool.wire.put(f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json=body)
    assert answer.status_code in (400, 404), answer.text


def test_a_role_of_vaults_cannot_be_given_in_a_pool(pool, stranger):
    crypto_user_of_vaults = "12338af0-0e69-4776-bea7-57ae8d297424"
    body = {"properties": {"roleDefinitionId": crypto_user_of_vaults, "principalId": stranger.object_id}}
    answer = pool.wire.put(f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json=body)
    assert answer.status_code in (400, 404), answer.text


# Without a role


def test_who_has_no_role_may_nothing(pool, theirs, key, name):
    calls = {
        "get": theirs.wire.get(f"/keys/{name}"),
        "missing": theirs.wire.get(f"/keys/{name}-missing"),
        "list": theirs.wire.get("/keys"),
        "versions": theirs.wire.get(f"/keys/{name}/versions"),
        "create": theirs.wire.post(f"/keys/{name}-2/create", json={"kty": "oct-HSM"}),
        "import": theirs.wire.put(f"/keys/{name}-2", json={"key": {"kty": "oct-HSM", "k": "A" * 43}}),
        "update": theirs.wire.patch(f"/keys/{name}/", json={"tags": {}}),
        "delete": theirs.wire.delete(f"/keys/{name}"),
        "deleted": theirs.wire.get("/deletedkeys"),
        "purge": theirs.wire.delete(f"/deletedkeys/{name}"),
        "recover": theirs.wire.post(f"/deletedkeys/{name}/recover"),
        "backup": theirs.wire.post(f"/keys/{name}/backup"),
        "rotate": theirs.wire.post(f"/keys/{name}/rotate"),
        "policy": theirs.wire.get(f"/keys/{name}/rotationpolicy"),
        "wrap": wrap(theirs, key),
        "attestation": theirs.wire.get(f"/keys/{name}/attestation"),
        "release": theirs.wire.post(f"/keys/{name}/release", json={"target": "a.b.c"}),
        "rng": theirs.wire.post("/rng", json={"count": 1}),
        "assignments": theirs.wire.get("/providers/Microsoft.Authorization/roleAssignments"),
        "definitions": theirs.wire.get("/providers/Microsoft.Authorization/roleDefinitions"),
    }
    for what, answer in calls.items():
        assert_refused(answer, what)
    assert pool.get(name) == key


def test_nobody_gives_himself_a_role(server, stranger, pool, theirs):
    body = {"properties": {"roleDefinitionId": ROLES["Managed HSM Administrator"], "principalId": stranger.object_id}}
    for scope in ("", "/keys", "/keys/mine"):
        assert_refused(theirs.wire.put(f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json=body), scope)
    with access_client_for(server, stranger) as client, pytest.raises(HttpResponseError) as failure:
        client.create_role_assignment("/", ROLES["Managed HSM Crypto User"], stranger.object_id)
    assert failure.value.status_code == 403


def test_a_role_over_the_subscription_opens_no_pool(server, cli, stranger, theirs, key):
    cli.assign(stranger, "Key Vault Administrator", server.subscription_scope)
    cli.assign(stranger, "Key Vault Crypto Officer", server.subscription_scope)
    assert Keys(server.wire(application=stranger)).listed("/keys") is not None
    assert_refused(theirs.wire.get("/keys"))
    assert_refused(wrap(theirs, key))


def test_a_role_in_a_pool_opens_no_vault(server, stranger, theirs, grant):
    grant("Crypto User")
    assert theirs.wire.get("/keys").status_code == 200
    assert_refused(server.wire(application=stranger).get("/keys"))


# With a role, at once


def test_a_crypto_user_uses_keys_from_that_moment_and_until_it_is_taken(access, theirs, grant, key, name):
    assert_refused(wrap(theirs, key))
    made = grant("Crypto User")
    assert wrap(theirs, key).status_code == 200
    own = theirs.create(f"{name}-own", "EC-HSM")
    assert len(theirs.sign(own, "ES256", b"d" * 32)) == 64
    assert theirs.listed("/keys")
    theirs.update(own, tags={"a": "b"})
    assert theirs.backup(f"{name}-own")
    theirs.delete(f"{name}-own")
    access.delete_role_assignment("/", made.name)
    assert_refused(wrap(theirs, key))
    assert_refused(theirs.wire.get("/keys"))


def test_a_crypto_user_neither_purges_nor_recovers_nor_gives_roles(pool, theirs, grant, stranger, key, name):
    grant("Crypto User")
    theirs.delete(name)
    assert_refused(theirs.wire.delete(f"/deletedkeys/{name}"), "purge")
    assert_refused(theirs.wire.post(f"/deletedkeys/{name}/recover"), "recover")
    assert_refused(theirs.wire.get("/deletedkeys"), "list deleted")
    assert_refused(theirs.wire.get(f"/deletedkeys/{name}"), "get deleted")
    body = {"properties": {"roleDefinitionId": ROLES["Managed HSM Crypto Officer"], "principalId": stranger.object_id}}
    assert_refused(theirs.wire.put(f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json=body))
    assert theirs.wire.get("/providers/Microsoft.Authorization/roleAssignments").status_code == 200
    pool.recover(name)


def test_a_crypto_officer_purges_and_recovers_and_uses_nothing(pool, theirs, grant, key, name):
    grant("Crypto Officer")
    assert_refused(wrap(theirs, key))
    assert_refused(theirs.wire.get(f"/keys/{name}"))
    assert_refused(theirs.wire.delete(f"/keys/{name}"))
    pool.delete(name)
    assert name in [item["kid"].rsplit("/", 1)[1] for item in theirs.listed("/deletedkeys")]
    theirs.recover(name)
    pool.delete(name)
    theirs.purge(name)


def test_an_administrator_gives_roles_and_uses_nothing(server, stranger, theirs, grant, key, roles):
    grant("Administrator")
    assert_refused(wrap(theirs, key))
    assert_refused(theirs.wire.get("/keys"))
    with access_client_for(server, stranger) as client:
        client.create_role_assignment("/keys", roles["Managed HSM Crypto User"], stranger.object_id)
    assert wrap(theirs, key).status_code == 200


def test_an_auditor_reads_and_no_more(theirs, grant, key, name):
    grant("Crypto Auditor")
    assert theirs.get(name) == key
    assert theirs.listed("/keys")
    assert_refused(wrap(theirs, key))
    assert_refused(theirs.wire.post(f"/keys/{name}-2/create", json={"kty": "oct-HSM"}))
    assert_refused(theirs.wire.delete(f"/keys/{name}"))
    assert_refused(theirs.wire.post(f"/keys/{name}/backup"))


def test_an_encryption_user_wraps_and_unwraps_and_no_more(theirs, grant, key, name):
    grant("Crypto Service Encryption User")
    wrapped = theirs.use("wrapkey", key, "A256KW", b"t" * 16)
    assert theirs.use("unwrapkey", key, "A256KW", wrapped) == b"t" * 16
    assert theirs.get(name) == key
    assert_refused(theirs.ask("encrypt", key, "A256GCM", b"plain"))
    assert_refused(theirs.wire.delete(f"/keys/{name}"))


def test_backup_and_restore_are_two_roles(pool, theirs, grant, key, name):
    grant("Backup")
    backup = theirs.backup(name)
    assert_refused(theirs.wire.get(f"/keys/{name}"))
    pool.delete(name)
    pool.purge(name)
    assert_refused(theirs.wire.post("/keys/restore", json={"value": backup}))
    grant("Restore")
    assert theirs.restore(backup) == key


# Scopes


def test_a_role_on_one_key_is_for_that_key(pool, theirs, grant, key, name):
    other = pool.create(f"{name}-other", "oct-HSM")
    grant("Crypto User", f"/keys/{name}")
    assert wrap(theirs, key).status_code == 200
    assert theirs.get(name) == key
    assert theirs.versions(name)
    assert_refused(wrap(theirs, other), "other key")
    assert_refused(theirs.wire.get(f"/keys/{name}-other"), "other key")
    assert_refused(theirs.wire.get("/keys"), "list")
    assert_refused(theirs.wire.post(f"/keys/{name}x/create", json={"kty": "oct-HSM"}), "name that begins alike")
    assert_refused(theirs.wire.post("/rng", json={"count": 1}), "rng")


def test_a_role_on_one_key_is_for_it_however_its_name_is_spelled(theirs, grant, key, name):
    grant("Crypto User", f"/keys/{name.upper()}")
    assert wrap(theirs, name).status_code == 200
    assert theirs.wire.get(f"/keys/{name.swapcase()}").status_code == 200


def test_a_role_on_all_keys_is_for_every_key(pool, theirs, grant, key, name):
    grant("Crypto User", "/keys")
    assert wrap(theirs, key).status_code == 200
    assert theirs.wire.get("/keys").status_code == 200
    theirs.create(f"{name}-2", "oct-HSM")


def test_who_may_give_roles_on_one_key_gives_none_above(server, stranger, theirs, grant, name, roles):
    """An officer of one key cannot make himself user of the pool."""
    grant("Crypto Officer", f"/keys/{name}")
    with access_client_for(server, stranger) as client:
        for scope in ("/", "/keys", f"/keys/{name}-other"):
            with pytest.raises(HttpResponseError) as failure:
                client.create_role_assignment(scope, roles["Managed HSM Crypto User"], stranger.object_id)
            assert failure.value.status_code == 403, scope


# What lasts and what is apart


def test_assignments_last_and_those_of_two_pools_are_apart(hsm_server):
    server = hsm_server("--hsm", "demohsm", "--hsm", "otherhsm")
    application = server.cli().create_application("reader")
    with access_client_for(server) as client:
        client.create_role_assignment("/", ROLES["Managed HSM Crypto User"], application.object_id)
    key = pool_keys(server).create("key", "oct-HSM")
    assert wrap(pool_keys(server, application), key).status_code == 200
    assert_refused(pool_wire(server, application, "otherhsm").get("/keys"))
    assert pool_keys(server, pool="otherhsm").listed("/keys") == []
    server.restart()
    assert wrap(pool_keys(server, application), key).status_code == 200
    assert_refused(pool_wire(server, application, "otherhsm").get("/keys"))


def test_a_disabled_application_may_nothing_from_that_moment(cli, theirs, grant, stranger, key):
    grant("Crypto User")
    assert wrap(theirs, key).status_code == 200
    cli.run("app", "disable", stranger.app_id)
    assert wrap(theirs, key).status_code in (401, 403)
