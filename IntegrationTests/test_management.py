"""The management host: role assignments in the form of Azure Resource Manager, and who may touch them."""

import uuid

import pytest

from harness.wire import Wire

READER = "21090545-7ca7-4776-b22c-e363652d74d2"
USER = "4633458b-17de-408a-b874-0445c86b69e6"
NO_ROLE = "0655cf27-9398-4e3f-8579-6a72c2a8fa23"
VERSION = "2022-04-01"


@pytest.fixture
def arm(server) -> Wire:
    return server.management()


def assignment(scope: str, name: str | None = None) -> str:
    return f"{scope}/providers/Microsoft.Authorization/roleAssignments" + (f"/{name}" if name else "")


def body(server, principal: str, role: str = USER) -> dict:
    definition = f"{server.subscription_scope}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return {"properties": {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}}


@pytest.fixture
def put(server, arm, stranger):
    """Gives the stranger a role on the vault `demo`."""

    def send(name: str, role: str = USER, scope: str | None = None):
        return arm.put(assignment(scope or server.vault_scope(), name), version=VERSION, json=body(server, stranger.object_id, role))

    return send


@pytest.fixture
def fresh() -> str:
    return str(uuid.uuid4())


@pytest.mark.operation("RoleAssignmentPut")
def test_an_assignment_is_made_with_201(server, put, stranger, fresh):
    answer = put(fresh)
    made = answer.json()
    assert answer.status_code == 201
    assert (made["name"], made["type"]) == (fresh, "Microsoft.Authorization/roleAssignments")
    assert made["id"].lower() == assignment(server.vault_scope(), fresh).lower()
    assert made["properties"]["principalId"] == stranger.object_id
    assert made["properties"]["roleDefinitionId"].endswith(USER)
    assert made["properties"]["scope"].lower() == server.vault_scope().lower()


def test_an_assignment_made_again_is_answered_with_200(put, fresh):
    put(fresh)
    assert put(fresh).status_code == 200


def test_the_same_assignment_under_another_name_is_refused(put, fresh):
    put(fresh)
    answer = put(str(uuid.uuid4()))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "RoleAssignmentExists")


def test_a_name_that_means_another_assignment_is_refused(put, fresh):
    put(fresh)
    assert put(fresh, READER).status_code == 409


@pytest.mark.operation("RoleAssignmentGet")
def test_an_assignment_is_read_back(server, arm, put, fresh):
    made = put(fresh).json()
    assert arm.get(assignment(server.vault_scope(), fresh), version=VERSION).json() == made


def test_an_assignment_is_not_found_at_another_scope(server, arm, put, fresh):
    put(fresh)
    assert arm.get(assignment(server.vault_scope("other"), fresh), version=VERSION).status_code == 404


@pytest.mark.operation("RoleAssignmentList")
def test_the_assignments_of_a_principal_are_listed(server, arm, put, stranger, fresh):
    made = put(fresh).json()
    query = {"$filter": f"principalId eq '{stranger.object_id}'"}
    assert arm.get(assignment(server.vault_scope()), version=VERSION, query=query).json()["value"] == [made]


@pytest.mark.operation("RoleAssignmentDelete")
def test_an_assignment_that_was_deleted_is_gone(server, arm, put, fresh):
    made = put(fresh).json()
    deleted = arm.delete(assignment(server.vault_scope(), fresh), version=VERSION)
    assert (deleted.status_code, deleted.json()) == (200, made)
    assert arm.get(assignment(server.vault_scope(), fresh), version=VERSION).status_code == 404


def test_deleting_what_is_not_there_is_said_so(server, arm, fresh):
    assert arm.delete(assignment(server.vault_scope(), fresh), version=VERSION).status_code in (204, 404)


@pytest.mark.parametrize(
    "change", [{"roleDefinitionId": "x"}, {"principalId": "nobody"}, {"principalId": None}, {"roleDefinitionId": NO_ROLE}], ids=str
)
def test_a_wrong_assignment_is_refused(server, arm, stranger, fresh, change):
    wrong = {"properties": {**body(server, stranger.object_id)["properties"], **change}}
    assert arm.put(assignment(server.vault_scope(), fresh), version=VERSION, json=wrong).status_code in (400, 404)


def test_a_role_of_the_data_plane_gives_no_right_over_roles(server, put, stranger, fresh):
    put(fresh, "00482a5a-887f-4fb3-b363-3b7fe8e74483")
    own = server.management(stranger)
    answer = own.put(assignment(server.vault_scope(), str(uuid.uuid4())), version=VERSION, json=body(server, stranger.object_id))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")


def test_who_may_assign_roles_on_one_vault_may_not_on_another(server, cli, stranger):
    cli.assign(stranger, "Key Vault Data Access Administrator", server.vault_scope())
    own = server.management(stranger)

    def give(vault: str) -> int:
        path = assignment(server.vault_scope(vault), str(uuid.uuid4()))
        return own.put(path, version=VERSION, json=body(server, stranger.object_id)).status_code

    assert (give("demo"), give("other")) == (201, 403)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_call_without_a_token_is_told_where_to_get_one(server, arm, fresh, method):
    anonymous = Wire(arm.base, server.bundle)
    answer = anonymous.call(method, assignment(server.vault_scope(), fresh), version=VERSION)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith(f'Bearer authorization="{server.login}/{server.tenant}"')


def test_a_token_for_a_vault_is_refused_by_the_management_host(server, arm, fresh):
    with_vault_token = Wire(arm.base, server.bundle, server.token())
    answer = with_vault_token.get(assignment(server.vault_scope(), fresh), version=VERSION)
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_the_management_host_serves_no_secret_and_a_vault_no_assignment(server, arm, wire, fresh):
    assert arm.get("/secrets/x").status_code == 404
    assert wire.get(assignment(server.vault_scope(), fresh)).status_code == 404
