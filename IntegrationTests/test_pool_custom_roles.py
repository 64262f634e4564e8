"""Local roles that somebody made in a pool: written, given and taken away with the unmodified client, in effect at once."""

import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.administration import KeyVaultDataAction, KeyVaultPermission, KeyVaultRoleScope

from harness import audit
from harness.hsm_pool import POOL, access_client_for, owner_object_id, pool_keys, pool_wire
from harness.keys_wire import Keys, error_of
from harness.tokens import decode
from harness.wire import Wire

pytest_plugins = ["harness.hsm_fixtures"]

GLOBAL = KeyVaultRoleScope.GLOBAL
HSM = "Microsoft.KeyVault/managedHsm/"
READ, WRAP = f"{HSM}keys/read/action", f"{HSM}keys/wrap/action"
CRYPTO_USER, CRYPTO_OFFICER = "21dbd100-6940-42c2-9190-5d6cb909625b", "515eb02d-2335-4d2d-92f2-b1cbdf9c3778"
POLICY_ADMINISTRATOR, ADMINISTRATOR = "4bd23610-cdcf-4971-bdee-bdc562cc28e4", "a290e904-7015-4bba-90c8-60543313cdb4"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"


@pytest.fixture(scope="module")
def access(server):
    with access_client_for(server) as client:
        yield client


@pytest.fixture
def fresh() -> str:
    return str(uuid.uuid4())


def allowing(*actions: str, without: tuple[str, ...] = ()) -> list[KeyVaultPermission]:
    return [KeyVaultPermission(data_actions=list(actions), not_data_actions=list(without))]


@pytest.fixture
def make(access, name):
    """Writes a role, under the test's name unless said otherwise."""

    def write(*actions: str, without: tuple[str, ...] = (), guid: str | None = None, role_name: str | None = None):
        return access.set_role_definition(
            GLOBAL, name=guid, role_name=role_name or name, permissions=allowing(*(actions or (READ,)), without=without))

    return write


@pytest.fixture
def give(access, stranger):
    """Assigns a role to the stranger."""

    def assign(made, scope: str = "/"):
        return access.create_role_assignment(scope, made.id, stranger.object_id)

    return assign


@pytest.fixture
def theirs(server, stranger) -> Keys:
    """Calls of the stranger to the pool."""
    return pool_keys(server, stranger)


@pytest.fixture
def key(pool, name) -> dict:
    return pool.create(name, "oct-HSM")


def body(name: str, **changes) -> dict:
    return {"properties": {"roleName": name, "permissions": [{"dataActions": [READ]}], **changes}}


def shown(made) -> tuple:
    (permission,) = made.permissions
    lists = tuple(permission.data_actions), tuple(permission.not_data_actions)
    assert (permission.actions, permission.not_actions) == ([], [])
    return made.id, made.name, made.role_name, made.description, made.role_type, made.type, tuple(made.assignable_scopes), *lists


def listed(access, scope=GLOBAL) -> dict:
    return {each.name: each for each in access.list_role_definitions(scope)}


def wrap(keys: Keys, key: dict | str):
    return keys.ask("wrapkey", key, "A256KW", b"t" * 16)


def unwrap(keys: Keys, key: dict | str, wrapped: bytes):
    return keys.ask("unwrapkey", key, "A256KW", wrapped)


def assert_answer(answer, status: int, code: str) -> None:
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    assert error_of(answer)["code"] == code, answer.text


def assert_refused(answer) -> None:
    assert_answer(answer, 403, "Forbidden")


# The life of a role


@pytest.mark.operation("LocalRoleDefinitionPut")
@pytest.mark.operation("LocalRoleDefinitionGet")
@pytest.mark.operation("LocalRoleDefinitionList")
@pytest.mark.operation("LocalRoleDefinitionDelete")
def test_a_role_is_made_read_listed_changed_and_deleted(access, name, fresh):
    made = access.set_role_definition(
        GLOBAL, name=uuid.UUID(fresh), role_name=name, description="What for", assignable_scopes=[GLOBAL],
        permissions=allowing(KeyVaultDataAction.READ_HSM_KEY, WRAP, without=(f"{HSM}keys/sign/action",)))
    assert shown(made) == (
        f"Microsoft.KeyVault{DEFINITIONS}/{fresh}", fresh, name, "What for", "CustomRole", "Microsoft.Authorization/roleDefinitions",
        ("/",), (READ, WRAP), (f"{HSM}keys/sign/action",))
    assert shown(access.get_role_definition(GLOBAL, fresh)) == shown(made)
    assert shown(listed(access)[fresh]) == shown(listed(access, "/keys")[fresh]) == shown(made)

    changed = access.set_role_definition(GLOBAL, name=fresh, role_name=f"{name}-2", permissions=allowing(f"{HSM}*"))
    assert shown(changed)[2:4] == (f"{name}-2", "") and shown(changed)[-2:] == ((f"{HSM}*",), ())
    assert [shown(each) for each in access.list_role_definitions(GLOBAL) if each.id == made.id] == [shown(changed)]

    access.delete_role_definition(GLOBAL, fresh)
    with pytest.raises(ResourceNotFoundError):
        access.get_role_definition(GLOBAL, fresh)
    assert fresh not in listed(access)
    # The client takes the 404 of a second removal for done.
    access.delete_role_definition(GLOBAL, fresh)


async def test_the_asynchronous_client_does_the_same(acredential, stranger, theirs, key, name, fresh):
    from azure.keyvault.administration.aio import KeyVaultAccessControlClient

    async with KeyVaultAccessControlClient(os.environ["MHSM_URL"], acredential) as client:
        made = await client.set_role_definition(GLOBAL, name=fresh, role_name=name, description="d", permissions=allowing(READ))
        assert (made.name, made.role_name, made.description, made.role_type) == (fresh, name, "d", "CustomRole")
        assert shown(await client.get_role_definition(GLOBAL, fresh)) == shown(made)
        assert [shown(each) async for each in client.list_role_definitions(GLOBAL) if each.name == fresh] == [shown(made)]
        given = await client.create_role_assignment("/keys", made.id, stranger.object_id)
        assert theirs.get(name) == key
        assert_refused(wrap(theirs, key))
        await client.set_role_definition(GLOBAL, name=fresh, role_name=name, permissions=allowing(WRAP))
        assert_refused(theirs.wire.get(f"/keys/{name}"))
        assert wrap(theirs, key).status_code == 200
        with pytest.raises(ResourceExistsError):
            await client.delete_role_definition(GLOBAL, fresh)
        await client.delete_role_assignment("/keys", given.name)
        await client.delete_role_definition(GLOBAL, fresh)
        with pytest.raises(ResourceNotFoundError):
            await client.get_role_definition(GLOBAL, fresh)


def test_a_role_written_without_an_identifier_is_given_one(access, name):
    """By the client."""
    first = access.set_role_definition(GLOBAL, role_name=f"{name}-1", permissions=allowing(READ))
    second = access.set_role_definition(GLOBAL, role_name=f"{name}-2", permissions=allowing(READ))
    assert first.name != second.name and str(uuid.UUID(first.name)) == first.name
    assert {first.name, second.name} <= listed(access).keys()


def test_a_role_may_be_nameless(access, fresh):
    """As the client documents: without a name, "the role name will be set to an empty string"."""
    made = access.set_role_definition(GLOBAL, name=fresh, permissions=allowing(READ))
    assert (made.name, made.role_name, made.description) == (fresh, "", "")
    assert listed(access)[fresh].role_name == ""


def test_a_role_may_be_changed_to_allow_nothing(access, make, give, theirs, key, name):
    """As the tests of the client's vendor do with the service."""
    made = make(READ)
    give(made)
    changed = access.set_role_definition(GLOBAL, name=made.name, role_name=name, permissions=allowing(without=(READ,)))
    assert shown(changed)[-2:] == ((), (READ,))
    assert_refused(theirs.wire.get(f"/keys/{name}"))


def test_a_role_may_be_written_without_permissions(access, name, fresh):
    """As the client documents: without permissions, "the role definition will have no action permissions"."""
    made = access.set_role_definition(GLOBAL, name=fresh, role_name=name)
    assert (made.name, made.role_name) == (fresh, name)
    assert not [action for permission in made.permissions for action in permission.data_actions]


def test_a_role_has_the_shape_of_the_interface(pool, name, fresh):
    answer = pool.wire.put(f"{DEFINITIONS}/{fresh.upper()}", json=body(name))
    assert (answer.status_code, answer.json()) == (201, {
        "id": f"Microsoft.KeyVault{DEFINITIONS}/{fresh}", "name": fresh, "type": "Microsoft.Authorization/roleDefinitions",
        "properties": {
            "roleName": name, "type": "CustomRole", "description": "", "assignableScopes": ["/"],
            "permissions": [{"actions": [], "notActions": [], "dataActions": [READ], "notDataActions": []}],
        },
    })
    assert pool.wire.get(f"/keys{DEFINITIONS}/{fresh}").json() == answer.json()
    assert pool.wire.put(f"{DEFINITIONS}/{fresh}", json=body(f"{name}-2")).status_code == 201
    removed = pool.wire.delete(f"//{DEFINITIONS}/{fresh}")
    assert (removed.status_code, removed.json()["properties"]["roleName"]) == (200, f"{name}-2")
    assert_answer(pool.wire.delete(f"{DEFINITIONS}/{fresh}"), 404, "ResourceNotFound")


# What a role opens


def reach(pool: Keys, theirs: Keys, name: str) -> dict[str, int]:
    """What the stranger is answered about a key, another one, and the pool."""
    key, other = pool.create(name, "oct-HSM"), pool.create(f"{name}-other", "oct-HSM")
    wrapped = decode(wrap(pool, key).json()["value"])
    pool.create(f"{name}-deleted", "oct-HSM")
    pool.delete(f"{name}-deleted")
    answers = {
        "get": theirs.wire.get(f"/keys/{name}"),
        "versions": theirs.wire.get(f"/keys/{name}/versions"),
        "policy": theirs.wire.get(f"/keys/{name}/rotationpolicy"),
        "wrap": wrap(theirs, key),
        "unwrap": unwrap(theirs, key, wrapped),
        "update": theirs.wire.patch(f"/keys/{name}/", json={"tags": {"a": "b"}}),
        "backup": theirs.wire.post(f"/keys/{name}/backup"),
        "get other": theirs.wire.get(f"/keys/{name}-other"),
        "wrap other": wrap(theirs, other),
        "create": theirs.wire.post(f"/keys/{name}-new/create", json={"kty": "oct-HSM"}),
        "list": theirs.wire.get("/keys"),
        "list deleted": theirs.wire.get("/deletedkeys"),
        "purge": theirs.wire.delete(f"/deletedkeys/{name}-deleted"),
        "random": theirs.wire.post("/rng", json={"count": 1}),
        "assignments": theirs.wire.get(ASSIGNMENTS),
        "definitions": theirs.wire.get(DEFINITIONS),
    }
    for answer in answers.values():
        if answer.status_code == 403:
            assert error_of(answer)["code"] == "Forbidden"
        else:
            assert answer.status_code < 300, answer.text
    return {what: answer.status_code for what, answer in answers.items()}


def opened(answers: dict[str, int]) -> set[str]:
    return {what for what, status in answers.items() if status < 300}


OF_ONE = {"get", "versions", "policy", "wrap", "unwrap", "update", "backup"}
OF_KEYS = OF_ONE | {"get other", "wrap other", "create", "list", "list deleted", "purge"}
OF_POOL = OF_KEYS | {"random", "assignments", "definitions"}
READING = {"get", "versions", "policy", "get other", "list"}
OPENS = {
    "two actions": ((READ, WRAP), (), READING | {"wrap", "wrap other"}),
    "keys less two": (
        (f"{HSM}keys/*",), (f"{HSM}keys/unwrap/action", f"{HSM}keys/deletedKeys/*"), OF_KEYS - {"unwrap", "list deleted", "purge"}),
    "stars in any case": (
        ("microsoft.keyvault/MANAGEDHSM/*/read/action",), ("*/KEYS/read/*",), {"list deleted", "assignments", "definitions"}),
    "everything": (("*",), (), OF_POOL),
    "everything, taken back": (("*",), (f"{HSM}*",), set()),
    "actions of vaults": (("Microsoft.KeyVault/vaults/*",), (), set()),
}


@pytest.mark.parametrize("case", OPENS)
def test_a_role_opens_its_data_actions_less_those_it_takes_back(pool, theirs, make, give, name, case):
    actions, without, expected = OPENS[case]
    give(make(*actions, without=without))
    assert opened(reach(pool, theirs, name)) == expected


@pytest.mark.parametrize("case", ["two actions", "keys less two", "stars in any case", "everything"])
def test_a_role_on_all_keys_opens_what_is_of_keys(pool, theirs, make, give, name, case):
    actions, without, expected = OPENS[case]
    give(make(*actions, without=without), "/keys")
    assert opened(reach(pool, theirs, name)) == expected & OF_KEYS


@pytest.mark.parametrize("case", ["two actions", "keys less two", "everything, taken back"])
def test_a_role_on_one_key_opens_this_key(pool, theirs, make, give, name, case):
    actions, without, expected = OPENS[case]
    give(make(*actions, without=without), f"/keys/{name.upper()}")
    assert opened(reach(pool, theirs, name)) == expected & OF_ONE


def test_what_one_role_takes_back_another_may_give(make, give, theirs, key, name):
    give(make(f"{HSM}*", without=(READ,)))
    assert_refused(theirs.wire.get(f"/keys/{name}"))
    give(make(READ, role_name=f"{name}-2"), f"/keys/{name}")
    assert theirs.get(name) == key


def test_a_role_of_everything_in_a_pool_opens_no_vault(server, make, give, theirs, stranger):
    give(make("*"))
    assert theirs.wire.get("/keys").status_code == 200
    assert_refused(server.wire(application=stranger).get("/keys"))
    assert server.management(stranger).get(server.vault_scope(), version="2022-07-01").status_code == 403


# At once


def test_a_change_is_in_effect_with_the_next_request(server, make, give, stranger, key, name):
    made = make(WRAP)
    for scope in ("/", "/keys", f"/keys/{name}"):
        give(made, scope)
    # Each may be served by another thread.
    connections = [pool_wire(server, stranger) for _ in range(4)]
    for actions, without, status in [((READ,), (), 200), (("*",), (READ,), 403), ((f"{HSM}*",), (), 200), ((WRAP,), (), 403)]:
        make(*actions, without=without, guid=made.name)
        assert {connection.get(f"/keys/{name}").status_code for connection in connections} == {status}


def test_deletion_waits_for_the_end_of_the_last_assignment(access, make, give, theirs, key, name):
    made = make()
    scopes = ("/", "/keys", f"/keys/{name}")
    given = [give(made, scope) for scope in scopes]
    for scope, each in zip(scopes, given):
        with pytest.raises(ResourceExistsError) as failure:
            access.delete_role_definition(GLOBAL, made.name)
        assert failure.value.status_code == 409
        assert shown(access.get_role_definition(GLOBAL, made.name)) == shown(made)
        assert theirs.get(name) == key
        access.delete_role_assignment(scope, each.name)
    assert_refused(theirs.wire.get(f"/keys/{name}"))
    access.delete_role_definition(GLOBAL, made.name)
    assert made.name not in listed(access)
    with pytest.raises(ResourceNotFoundError):
        give(made)


def test_a_role_made_anew_under_the_same_guid_is_held_by_nobody(access, make, give, theirs, key, name):
    made = make()
    access.delete_role_assignment("/", give(made).name)
    access.delete_role_definition(GLOBAL, made.name)
    make("*", guid=made.name)
    assert_refused(theirs.wire.get(f"/keys/{name}"))


# Names


def test_a_name_that_is_taken_is_refused_in_any_case(access, make, name):
    made = make()
    for text in (name, name.upper()):
        with pytest.raises(ResourceExistsError):
            make(role_name=text)
    other = make(role_name=f"{name}-2")
    with pytest.raises(ResourceExistsError):
        make(guid=other.name)
    assert shown(access.get_role_definition(GLOBAL, other.name)) == shown(other)
    assert make(guid=made.name, role_name=name.upper()).role_name == name.upper()


def test_the_name_of_a_built_in_role_is_taken(make):
    with pytest.raises(ResourceExistsError):
        make(role_name="managed hsm crypto user")


def test_a_name_of_the_management_plane_is_free(server, make, name, fresh):
    arm = server.management()
    ours = {"roleName": name, "permissions": [{"dataActions": [READ]}], "assignableScopes": [server.group_scope]}
    answer = arm.put(f"{server.group_scope}{DEFINITIONS}/{fresh}", version="2022-04-01", json={"properties": ours})
    assert answer.status_code == 201, answer.text
    assert make().role_name == name


def test_a_name_is_free_again_after_a_change_and_after_deletion(access, make, name):
    make(guid=make().name, role_name=f"{name}-2")
    access.delete_role_definition(GLOBAL, make().name)
    assert make().role_name == name


# Bad input

WRONG = {
    "long name": ({"roleName": "x" * 129}, "'properties.roleName'"),
    "control character in name": ({"roleName": "a\tb"}, "'properties.roleName'"),
    "number for name": ({"roleName": 5}, "'properties.roleName'"),
    "long description": ({"description": "x" * 1_025}, "'properties.description'"),
    "built-in type": ({"type": "AKVBuiltInRole"}, "'properties.type'"),
    "two permissions": ({"permissions": [{"dataActions": [READ]}] * 2}, "'properties.permissions'"),
    "text for permissions": ({"permissions": READ}, "'properties.permissions'"),
    "actions": ({"permissions": [{"actions": [READ]}]}, "'properties.permissions.actions'"),
    "actions beside": ({"permissions": [{"actions": ["*"], "dataActions": [READ]}]}, "'properties.permissions.actions'"),
    "actions taken back": ({"permissions": [{"notActions": ["*"], "dataActions": [READ]}]}, "'properties.permissions.actions'"),
    "too many": ({"permissions": [{"dataActions": [READ] * 1_001}]}, "'properties.permissions.dataActions'"),
    **{
        f"{member} {label}": ({"permissions": [{"dataActions": [READ], member: [text]}]}, f"'properties.permissions.{member}'")
        for member in ("dataActions", "notDataActions")
        for label, text in [("of one word", "read"), ("with space", "a/b c"), ("empty", ""), ("too long", "a/" + "x" * 255)]
    },
    **{
        f"scopes {scopes}": ({"assignableScopes": scopes}, "'properties.assignableScopes'")
        for scopes in (["/keys"], ["/keys/one"], ["/", "/keys"], [""], ["/subscriptions/x"])
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_role_is_refused_and_not_made(pool, name, fresh, case):
    changes, member = WRONG[case]
    answer = pool.wire.put(f"{DEFINITIONS}/{fresh}", json=body(name, **changes))
    assert_answer(answer, 400, "BadParameter")
    assert member in error_of(answer)["message"]
    assert pool.wire.get(f"{DEFINITIONS}/{fresh}").status_code == 404


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"{}", b'{"properties":null}'], ids=str)
def test_a_body_that_is_no_role_is_refused(pool, fresh, sent):
    assert_answer(pool.wire.put(f"{DEFINITIONS}/{fresh}", data=sent), 400, "BadParameter")


@pytest.mark.parametrize("guid", ["my-role", "5f1c8f149a4a4a568d0b6a3c1b7e2d90"])
def test_the_identifier_of_a_role_is_a_guid(pool, name, guid):
    assert_answer(pool.wire.put(f"{DEFINITIONS}/{guid}", json=body(name)), 400, "BadParameter")
    assert_answer(pool.wire.delete(f"{DEFINITIONS}/{guid}"), 400, "BadParameter")


@pytest.mark.parametrize("scope", ["/keys", "/keys/one"])
def test_roles_are_made_at_the_root_only(access, pool, name, fresh, scope):
    with pytest.raises(HttpResponseError) as failure:
        access.set_role_definition(scope, name=fresh, role_name=name, permissions=allowing(READ))
    assert failure.value.status_code == 400
    assert pool.wire.get(f"{DEFINITIONS}/{fresh}").status_code == 404


def test_what_is_just_allowed_is_taken(access, name, fresh):
    full = f"{name} ".ljust(128, "\u00e9")
    actions = [f"a/{number}" for number in range(999)] + ["a/" + "x" * 254]
    made = access.set_role_definition(
        GLOBAL, name=fresh, role_name=full, description="\u00e9" * 1_024, permissions=allowing(*actions), assignable_scopes=[])
    assert (made.role_name, made.description, made.assignable_scopes) == (full, "\u00e9" * 1_024, ["/"])
    assert access.get_role_definition(GLOBAL, fresh).permissions[0].data_actions == actions


# Built-in roles


@pytest.mark.parametrize("guid", [CRYPTO_USER, CRYPTO_USER.upper(), "4633458b-17de-408a-b874-0445c86b69e6"])
def test_a_built_in_role_cannot_be_written(access, make, name, guid):
    with pytest.raises(HttpResponseError) as failure:
        make("*", guid=guid)
    assert (failure.value.status_code, failure.value.error.code) == (403, "Forbidden")
    assert name not in [each.role_name for each in access.list_role_definitions(GLOBAL)]


def test_a_built_in_role_cannot_be_deleted(access):
    before = shown(access.get_role_definition(GLOBAL, CRYPTO_USER))
    with pytest.raises(HttpResponseError) as failure:
        access.delete_role_definition(GLOBAL, CRYPTO_USER)
    assert (failure.value.status_code, failure.value.error.code) == (403, "Forbidden")
    assert shown(access.get_role_definition(GLOBAL, CRYPTO_USER)) == before


# The two kinds of roles


def test_a_role_of_a_pool_is_unknown_on_the_management_plane(server, make, stranger, name):
    made, arm, scope = make("*"), server.management(), server.group_scope
    assert arm.get(f"{scope}{DEFINITIONS}/{made.name}", version="2022-04-01").status_code == 404
    assert made.name not in [each["name"] for each in arm.get(scope + DEFINITIONS, version="2022-04-01").json()["value"]]
    wanted = {"properties": {"roleDefinitionId": made.name, "principalId": stranger.object_id}}
    answer = arm.put(f"{scope}{ASSIGNMENTS}/{uuid.uuid4()}", version="2022-04-01", json=wanted)
    assert answer.status_code in (400, 404), answer.text
    ours = {"roleName": f"{name}-2", "permissions": [{"dataActions": ["*"]}], "assignableScopes": [scope]}
    assert_answer(
        arm.put(f"{scope}{DEFINITIONS}/{made.name}", version="2022-04-01", json={"properties": ours}), 403, "AuthorizationFailed")


def test_a_role_of_the_management_plane_is_unknown_in_a_pool(server, access, make, stranger, name, fresh):
    scope = server.group_scope
    ours = {"roleName": name, "permissions": [{"dataActions": ["*"]}], "assignableScopes": [scope]}
    path = f"{scope}{DEFINITIONS}/{fresh}"
    assert server.management().put(path, version="2022-04-01", json={"properties": ours}).status_code == 201
    assert fresh not in listed(access)
    for call in (
        lambda: access.get_role_definition(GLOBAL, fresh),
        lambda: access.create_role_assignment("/", fresh, stranger.object_id),
    ):
        with pytest.raises(ResourceNotFoundError):
            call()
    with pytest.raises(HttpResponseError) as failure:
        make("*", guid=fresh)
    assert failure.value.status_code == 403
    assert server.management().get(path, version="2022-04-01").json()["properties"]["roleName"] == name


# Who may write roles


def test_who_has_no_role_in_the_pool_writes_none_whatever_he_has_outside(server, cli, make, theirs, stranger, name, fresh):
    made = make()
    cli.assign(stranger, "Owner", server.subscription_scope)
    for guid in (fresh, made.name):
        assert_refused(theirs.wire.put(f"{DEFINITIONS}/{guid}", json=body(f"{name}-2")))
    assert_refused(theirs.wire.delete(f"{DEFINITIONS}/{made.name}"))
    assert_refused(theirs.wire.get(f"{DEFINITIONS}/{made.name}"))


def test_built_in_roles_let_write_roles_as_published(access, theirs, stranger, name, fresh):
    for holds, statuses in {
        ADMINISTRATOR: (201, 200), CRYPTO_OFFICER: (201, 200), POLICY_ADMINISTRATOR: (201, 200), CRYPTO_USER: (403, 403),
    }.items():
        given = access.create_role_assignment("/", holds, stranger.object_id)
        written = theirs.wire.put(f"{DEFINITIONS}/{fresh}", json=body(name))
        assert (written.status_code, theirs.wire.delete(f"{DEFINITIONS}/{fresh}").status_code) == statuses, holds
        access.delete_role_assignment("/", given.name)


def test_who_only_reads_roles_writes_none(make, give, theirs, name, fresh):
    made = make(f"{HSM}roleDefinitions/read/action")
    give(made)
    assert theirs.wire.get(f"{DEFINITIONS}/{made.name}").json()["properties"]["roleName"] == name
    assert_refused(theirs.wire.put(f"{DEFINITIONS}/{fresh}", json=body(f"{name}-2")))
    assert_refused(theirs.wire.delete(f"{DEFINITIONS}/{made.name}"))
    assert_refused(theirs.wire.get(ASSIGNMENTS))


def test_who_only_writes_roles_cannot_widen_one_he_holds(pool, make, give, theirs, key, name, fresh):
    """Changing what somebody holds is giving, and he may give nothing."""
    definer = make(f"{HSM}roleDefinitions/*")
    give(definer)
    assert theirs.wire.put(f"{DEFINITIONS}/{fresh}", json=body(f"{name}-2")).status_code == 201
    wanted = {"properties": {"roleDefinitionId": fresh, "principalId": str(uuid.uuid4())}}
    assert_refused(theirs.wire.put(f"{ASSIGNMENTS}/{uuid.uuid4()}", json=wanted))
    answer = theirs.wire.put(f"{DEFINITIONS}/{definer.name}", json=body(name, permissions=[{"dataActions": ["*"]}]))
    assert_refused(answer)
    assert_refused(theirs.wire.get(f"/keys/{name}"))
    (permission,) = pool.wire.get(f"{DEFINITIONS}/{definer.name}").json()["properties"]["permissions"]
    assert permission["dataActions"] == [f"{HSM}roleDefinitions/*"]


@pytest.mark.parametrize("scope", ["/keys", "/keys/one"])
def test_who_may_delete_roles_on_some_keys_deletes_none_of_the_pool(access, make, give, theirs, scope):
    """A role is of the whole pool, by whatever path it is named."""
    give(make(f"{HSM}roleDefinitions/*"), scope)
    victim = make(role_name=f"victim-{uuid.uuid4().hex[:8]}")
    for path in (f"{DEFINITIONS}/{victim.name}", f"/keys{DEFINITIONS}/{victim.name}", f"/keys/one{DEFINITIONS}/{victim.name}"):
        assert theirs.wire.delete(path).status_code in (400, 403), path
        assert victim.name in listed(access), path


# At the same time


def at_once(*calls) -> list[int]:
    """The status of each, all sent at the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(call) -> int:
        barrier.wait()
        return call().status_code

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


@pytest.fixture(scope="module")
def lines(server) -> list[Wire]:
    """Four connections to the pool, already open."""
    made = [pool_wire(server) for _ in range(4)]
    for line in made:
        assert line.get("/keys").status_code == 200
    return made


def test_of_several_roles_with_one_name_one_is_made(lines, name):
    rounds = []
    for number in range(12):
        wanted = body(f"{name}-{number}")
        rounds.append(sorted(at_once(
            *(lambda line=line: line.put(f"{DEFINITIONS}/{uuid.uuid4()}", json=wanted) for line in lines))))
    assert rounds == [[201, 409, 409, 409]] * 12


def test_a_role_is_assigned_or_deleted_and_never_both(lines, make, stranger, name):
    rounds = []
    for number in range(16):
        made = make(role_name=f"{name}-{number}")
        wanted = {"properties": {"roleDefinitionId": made.name, "principalId": stranger.object_id}}
        path = f"{ASSIGNMENTS}/{uuid.uuid4()}"
        rounds.append(at_once(
            lambda: lines[0].put(path, json=wanted), lambda: lines[1].delete(f"{DEFINITIONS}/{made.name}")))
    assert [201, 200] not in rounds, rounds
    assert all((given == 201) != (deleted == 200) for given, deleted in rounds), rounds


# The record


@pytest.fixture
def record_of(cli, fresh):
    """The one record of a call about the role of the test."""

    def find(make) -> dict:
        begun = audit.now()
        make()
        (record,) = audit.records_about(cli, fresh, since=begun)
        return record

    return find


def test_writing_and_deleting_a_role_is_on_record(server, pool, record_of, name, fresh):
    resource = f"{server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/{POOL}"
    for operation, signature, status, call in [
        ("LocalRoleDefinitionPut", "Created", 201, lambda: pool.wire.put(f"{DEFINITIONS}/{fresh}", json=body(name))),
        ("LocalRoleDefinitionDelete", "OK", 200, lambda: pool.wire.delete(f"{DEFINITIONS}/{fresh}")),
    ]:
        record = record_of(call)
        assert (record["operationName"], record["resultType"], record["resultSignature"]) == (operation, "Success", signature)
        assert record["resourceId"] == resource.upper()
        assert record["identity"]["claim"]["oid"] == owner_object_id(server)
        assert record["properties"]["id"] == f"{resource}{DEFINITIONS}/{fresh}"
        assert record["properties"]["httpStatusCode"] == status and record["properties"]["isRbacAuthorized"] is True


def test_a_refused_change_is_on_record_with_who_wanted_it(theirs, record_of, stranger, name, fresh):
    answers = []
    for operation, call in [
        ("LocalRoleDefinitionPut", lambda: theirs.wire.put(f"{DEFINITIONS}/{fresh}", json=body(name))),
        ("LocalRoleDefinitionDelete", lambda: theirs.wire.delete(f"{DEFINITIONS}/{fresh}")),
    ]:
        record = record_of(lambda: answers.append(call()))
        assert (record["operationName"], record["resultType"], record["resultSignature"]) == (operation, "Failed", "Forbidden")
        assert record["identity"]["claim"]["oid"] == stranger.object_id
        assert record["resultDescription"] == error_of(answers[-1])["message"]
        assert record["properties"]["isRbacAuthorized"] is False


# Another pool, and what lasts


def test_roles_are_of_one_pool_and_last(hsm_server):
    server = hsm_server("--hsm", POOL, "--hsm", "otherhsm")
    holder = server.cli().create_application("holder")
    kept, gone = str(uuid.uuid4()), str(uuid.uuid4())
    other = pool_wire(server, pool="otherhsm")
    key = pool_keys(server).create("key", "oct-HSM")
    with access_client_for(server) as access:
        for guid in (kept, gone):
            access.set_role_definition(GLOBAL, name=guid, role_name=f"Mine {guid}", permissions=allowing(READ))
        access.delete_role_definition(GLOBAL, gone)
        access.create_role_assignment("/keys", kept, holder.object_id)
        made = access.set_role_definition(
            GLOBAL, name=kept, role_name="Mine", description="\u00e9", permissions=allowing(f"{HSM}keys/*", without=(READ,)))

    def assert_apart() -> None:
        assert wrap(pool_keys(server, holder), key).status_code == 200
        assert_refused(pool_wire(server, holder).get("/keys/key"))
        assert_refused(pool_wire(server, holder, "otherhsm").get("/keys"))
        with access_client_for(server) as access:
            assert shown(access.get_role_definition(GLOBAL, kept)) == shown(made)
            assert gone not in listed(access)
        known = {each["name"]: each["properties"]["roleName"] for each in other.get(DEFINITIONS).json()["value"]}
        assert kept not in known and known[CRYPTO_USER] == "Managed HSM Crypto User"
        assert_answer(other.get(f"{DEFINITIONS}/{kept}"), 404, "ResourceNotFound")
        assert_answer(other.delete(f"{DEFINITIONS}/{kept}"), 404, "ResourceNotFound")
        wanted = {"properties": {"roleDefinitionId": kept, "principalId": holder.object_id}}
        assert_answer(other.put(f"{ASSIGNMENTS}/{uuid.uuid4()}", json=wanted), 404, "ResourceNotFound")
        assert_refused(other.put(f"{DEFINITIONS}/{kept}", json=body("Theirs too", permissions=[{"dataActions": ["*"]}])))

    assert_apart()
    # Its names are its own, and an identifier is free when its role is gone.
    mine = other.put(f"{DEFINITIONS}/{gone}", json=body("Mine", permissions=[{"dataActions": ["*"]}]))
    assert mine.status_code == 201
    server.restart()
    assert_apart()
    server.kill()
    server.start()
    assert_apart()
    assert other.get(f"{DEFINITIONS}/{gone}").json() == mine.json()
