"""Every built-in role at every kind of scope with every operation of vaults, pools, the management plane and the directory."""

import pytest

from harness.hsm_server import HsmServer
from harness.role_matrix import ARM_ROLES, LOCAL_ROLES, Cells, Row
from harness.role_matrix_data import CURVE, STANDING, SYMMETRIC
from harness.role_matrix_world import BESIDE, OTHER_POOL, VAULT, World

ARM_SCOPES = ["nowhere", "subscription", "group", "vault", "secret", "key", "certificate", "beside"]
LOCAL_SCOPES = {
    "nowhere": [], "the pool": [""], "all keys": ["/keys"], "one key": [f"/keys/{name}" for name in ("subject", SYMMETRIC, CURVE)],
    "beside": ["/keys/subjec", "/keys/subject-2"],
}


@pytest.fixture(scope="module")
def world(binary, tmp_path_factory) -> World:
    options = ("--hsm", "demohsm", "--hsm", OTHER_POOL)
    running = HsmServer(binary, tmp_path_factory.mktemp("matrix") / "data", *options, vaults=(VAULT, BESIDE)).start()
    yield World(running)
    running.kill()


@pytest.fixture(scope="module", params=ARM_SCOPES)
def arm_scope(request, world) -> tuple[str, list[str]]:
    """A kind of scope, at which every role of the subscription is held meanwhile."""
    scopes = world.arm_scopes(request.param)
    with world.held(scopes):
        yield request.param, scopes


@pytest.fixture(scope="module", params=LOCAL_SCOPES)
def local_scope(request, world) -> tuple[str, list[str]]:
    """The same for the roles of pools."""
    paths = LOCAL_SCOPES[request.param]
    with world.held_locally(paths):
        yield request.param, [world.scopes.pool + path for path in paths]


# Roles of the subscription


def test_a_role_opens_in_a_vault_what_its_data_actions_say(world, arm_scope, record_property):
    label, scopes = arm_scope
    cells = Cells(f"roles of the subscription, held at {label}, in a vault", world.places)
    cells.call(world.holders, world.vault_rows, scopes).finish(len(ARM_ROLES) * len(world.vault_rows), record_property)


def test_a_role_opens_on_the_management_plane_what_its_actions_say(world, arm_scope, record_property):
    label, scopes = arm_scope
    cells = Cells(f"roles of the subscription, held at {label}, on the management plane", world.places)
    rows = world.management_rows
    cells.call(world.holders, rows, scopes).finish(len(ARM_ROLES) * len(rows), record_property)


def test_no_role_of_the_subscription_opens_anything_in_a_pool(world, record_property):
    scopes = world.arm_scopes("subscription")
    cells = Cells("roles of the subscription, held at subscription, in a pool", world.places)
    with world.held(scopes):
        cells.call(world.holders, world.pool_rows, []).finish(len(ARM_ROLES) * len(world.pool_rows), record_property)
    assert cells.allowed == 0


# Roles of pools


def test_a_local_role_opens_in_its_pool_what_its_data_actions_say(world, local_scope, record_property):
    label, scopes = local_scope
    cells = Cells(f"roles of pools, held at {label}, in the pool", world.places)
    cells.call(world.local, world.pool_rows, scopes).finish(len(LOCAL_ROLES) * len(world.pool_rows), record_property)


def test_no_local_role_opens_anything_in_another_pool_or_outside(world, record_property):
    cells = Cells("roles of pools, held in the whole pool, in a vault and on the management plane", world.places)
    rows = world.vault_rows + world.management_rows
    with world.held_locally([""]):
        cells.call(world.local, rows, []).finish(len(LOCAL_ROLES) * len(rows), record_property)
    beside = Cells("roles of pools, held in another pool, in the pool", world.places)
    with world.held_locally(["", "/keys"], pool=OTHER_POOL):
        beside.call(world.local, world.pool_rows, []).finish(len(LOCAL_ROLES) * len(world.pool_rows), record_property)
    assert beside.allowed == 0


# The matrix itself


def rows_of(world) -> list[Row]:
    return world.vault_rows + world.pool_rows + world.management_rows


def declared_operations(world) -> dict[str, dict]:
    return {each["name"]: each for each in world.server.cli().json("operations", "--json") if each["paths"]}


def test_every_operation_that_asks_for_a_permission_has_a_row_on_each_of_its_hosts(world):
    names = {"vault": "vault", "pool": "managedhsm", "management": "management", "graph": "graph"}
    called = {(row.operation, names[row.host]) for row in rows_of(world)}
    declared = {(name, host) for name, each in declared_operations(world).items() if each["permission"] for host in each["host"].split(",")}
    assert called == declared


@pytest.mark.parametrize("role", ARM_ROLES + LOCAL_ROLES, ids=str)
def test_a_role_is_told_as_it_is_published(world, role):
    wire, path = (world.pool, "") if role in LOCAL_ROLES else (world.arm.wire, world.scopes.subscription)
    version = {} if role in LOCAL_ROLES else {"version": "2022-04-01"}
    told = wire.get(f"{path}/providers/Microsoft.Authorization/roleDefinitions/{role.id}", **version).json()["properties"]
    (permission,) = told["permissions"]
    assert told["roleName"] == role.name
    assert {name: sorted(permission[name]) for name in permission} == {
        "actions": sorted(role.actions), "notActions": sorted(role.not_actions), "dataActions": sorted(role.data_actions),
        "notDataActions": sorted(role.not_data_actions)}


@pytest.mark.parametrize(
    ("role", "action", "of_data", "opens"),
    [
        ("Key Vault Secrets User", "Microsoft.KeyVault/vaults/secrets/getSecret/action", True, True),
        ("Key Vault Secrets User", "Microsoft.KeyVault/vaults/secrets/setSecret/action", True, False),
        ("Key Vault Reader", "Microsoft.KeyVault/vaults/keys/read", True, True),
        ("Key Vault Reader", "Microsoft.KeyVault/vaults/secrets/getSecret/action", True, False),
        ("Key Vault Reader", "Microsoft.KeyVault/vaults/read", False, False),
        ("Owner", "Microsoft.KeyVault/vaults/secrets/getSecret/action", True, False),
        ("Contributor", "Microsoft.Authorization/roleAssignments/write", False, False),
        ("Contributor", "Microsoft.Authorization/roleAssignments/read", False, True),
        ("Key Vault Contributor", "Microsoft.KeyVault/managedHSMs/read", False, False),
        ("Managed HSM Administrator", "Microsoft.KeyVault/managedHsm/keys/read/action", True, False),
    ],
)
def test_what_a_role_opens_is_reckoned_from_its_patterns(role, action, of_data, opens):
    (found,) = [each for each in ARM_ROLES + LOCAL_ROLES if each.name == role]
    assert found.opens(action, of_data) is opens


def test_no_cell_has_made_or_removed_anything(world):
    vault, pool = world.server.wire(VAULT), world.pool
    names = {
        path: [each.get("id", each.get("kid")).rsplit("/", 1)[1] for each in wire.get(path).json()["value"]]
        for wire, paths in ((vault, ["/secrets", "/keys", "/certificates", "/deletedsecrets"]), (pool, ["/keys", "/deletedkeys"]))
        for path in paths
    }
    keys = sorted([CURVE, SYMMETRIC])
    assert names == {
        "/secrets": [STANDING], "/keys": keys, "/certificates": [], "/deletedsecrets": [], "/deletedkeys": []}
    groups = world.arm.wire.get(f"{world.scopes.subscription}/resourcegroups", version="2022-12-01").json()["value"]
    assert {each["name"] for each in groups} == {world.scopes.group.rsplit("/", 1)[1], "beside"}
