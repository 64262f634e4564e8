"""Access policies: which permission opens which operation, who may change them, and how changes are put together."""

import uuid

import pytest
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys import KeyClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.keyvault.models import AccessPolicyEntry, Permissions, VaultAccessPolicyParameters, VaultAccessPolicyProperties

from harness import audit, keys_calls, policy_operations, secret_calls
from harness.certificates_wire import Certificates, policy
from harness.clients import credential_for
from harness.keys_wire import Keys
from harness.management_wire import EARLIER, LATEST, LOCATION, Arm, assert_refused, assert_withheld, changed, vault_name
from harness.policy_operations import NAMES, PolicyOperation
from harness.tokens import claims_of

EVERYTHING = {"keys": ["all"], "secrets": ["all"], "certificates": ["all"]}
OPERATIONS = policy_operations.ALL


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def holder(cli):
    """An application that has no role anywhere: what it may do, a policy says."""
    return cli.create_application(f"holder-{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def vault(arm, holder) -> str:
    """A vault of access policies in which the owner may do everything."""
    return arm.create(enableRbacAuthorization=False, accessPolicies=[arm.entry(arm.object_id, **EVERYTHING)])


@pytest.fixture(scope="module")
def held(server, vault, holder):
    """The calls of the holder."""
    return server.wire(vault, holder)


@pytest.fixture
def hold(arm, vault, holder):
    """Gives the holder these permissions and no others."""

    def give(**permissions: list[str]) -> dict:
        answer = arm.ask_policies("replace", vault, arm.entry(holder.object_id, **permissions))
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    return give


@pytest.fixture
def fresh() -> str:
    return vault_name()


def lets_in(operation: PolicyOperation, answer, vault: str) -> bool:
    """Whether a policy opens it; a refusal must be the one of access policies."""
    error = answer.json().get("error", {}) if answer.content else {}
    if answer.status_code == 403 and error.get("innererror", {}).get("code") == "AccessDenied":
        assert f"does not have {operation.group} " in error["message"], f"{operation}: {error['message']}"
        assert f" permission on key vault '{vault};location={LOCATION}'" in error["message"], f"{operation}: {error['message']}"
        return False
    assert answer.status_code not in (401, 405, 429, 500, 503), f"{operation}: {answer.status_code} {answer.text}"
    assert error.get("code") not in ("NotFound", "VaultNotFound"), f"{operation}: {answer.text}"
    assert error.get("innererror", {}).get("code") not in ("ForbiddenByRbac", "ForbiddenByPolicy"), f"{operation}: {answer.text}"
    return True


def opened(wire, vault: str, operations=OPERATIONS) -> set[str]:
    return {str(operation) for operation in operations if lets_in(operation, operation.make(wire), vault)}


# Each permission


@pytest.mark.parametrize(("group", "name"), [(group, name) for group, names in NAMES.items() for name in names])
def test_a_permission_opens_its_operations_and_no_others(hold, held, vault, group, name):
    hold(**{group: [name]})
    # Those of other groups are all looked at for names that groups share; the rest would say the same.
    shared = sum(name in names for names in NAMES.values()) > 1
    asked = [each for each in OPERATIONS if each.group == group or shared and name in each.opens]
    assert opened(held, vault, asked) == {str(each) for each in asked if each.group == group and name in each.opens}


@pytest.mark.parametrize("group", NAMES)
def test_all_opens_every_operation_of_its_group(hold, held, vault, group):
    hold(**{group: ["all"]})
    assert opened(held, vault) == {str(each) for each in OPERATIONS if each.group == group}


@pytest.mark.parametrize("group", NAMES)
def test_every_other_name_of_a_group_together_is_all_of_it(hold, held, vault, group):
    hold(**{group: NAMES[group]})
    assert opened(held, vault) == {str(each) for each in OPERATIONS if each.group == group}


def test_no_policy_opens_nothing(arm, hold, held, vault, holder):
    hold()
    assert opened(held, vault) == set()
    hold(keys=[], secrets=[], certificates=[], storage=[])
    assert opened(held, vault) == set()
    assert arm.ask_policies("remove", vault, arm.entry(holder.object_id)).status_code in (200, 201)
    assert opened(held, vault) == set()


def test_a_refusal_names_the_permission_that_would_open_it(hold, held):
    hold()
    told = {str(each): each.make(held).json()["error"]["message"].lower() for each in OPERATIONS}
    lacking = {str(each): f"does not have {each.group} {each.opens[0]} permission".lower() for each in OPERATIONS}
    assert [label for label in told if lacking[label] not in told[label]] == []


SECRET_PERMISSIONS = {
    "set": "set", "get": "get", "list": "list", "list versions": "list", "list expiring": "list", "update": "set", "delete": "delete",
    "backup": "backup", "restore": "restore", "get deleted": "get", "list deleted": "list", "recover": "recover", "purge": "purge",
}
KEY_PERMISSIONS = {
    "create": "create", "import": "import", "get": "get", "list": "list", "list versions": "list", "update": "update",
    "delete": "delete", "get deleted": "get", "list deleted": "list", "recover": "recover", "purge": "purge", "backup": "backup",
    "restore": "restore", "encrypt": "encrypt", "decrypt": "decrypt", "wrap": "wrapKey", "unwrap": "unwrapKey", "sign": "sign",
    "verify": "verify", "rotate": "rotate", "get policy": "getrotationpolicy", "set policy": "setrotationpolicy",
}


@pytest.mark.parametrize("call", secret_calls.ALL, ids=str)
def test_one_permission_is_enough_for_a_secret(server, hold, held, vault, name, call):
    needed = call.prepare(server.wire(vault), name)
    hold(secrets=[SECRET_PERMISSIONS[call.label]])
    answer = call.make(held, name, needed)
    assert answer.status_code < 300, answer.text


@pytest.mark.parametrize("call", keys_calls.ALL, ids=str)
def test_one_permission_is_enough_for_a_key(server, hold, held, vault, name, call):
    needed = call.prepare(Keys(server.wire(vault)), name)
    hold(keys=[KEY_PERMISSIONS[call.label]])
    answer = call.make(held, name, needed)
    assert answer.status_code < 300, answer.text


def test_one_permission_is_enough_for_a_certificate(server, hold, held, vault, name):
    owner = Certificates(server.wire(vault))
    hold(certificates=["create"])
    begun = held.post(f"/certificates/{name}/create", json={"policy": policy()})
    assert begun.status_code == 202, begun.text
    assert owner.wait(name)["status"] == "completed"
    for permission, method, path, body in [
        ("get", "GET", "/certificates/{}", None), ("get", "GET", "/certificates/{}/policy", None),
        ("get", "GET", "/certificates/{}/pending", None), ("list", "GET", "/certificates/{}/versions", None),
        ("update", "PATCH", "/certificates/{}/", {"tags": {"a": "b"}}),
        ("update", "PATCH", "/certificates/{}/policy", policy()), ("delete", "DELETE", "/certificates/{}/pending", None),
        ("backup", "POST", "/certificates/{}/backup", None), ("delete", "DELETE", "/certificates/{}", None),
        ("get", "GET", "/deletedcertificates/{}", None), ("recover", "POST", "/deletedcertificates/{}/recover", None),
        ("delete", "DELETE", "/certificates/{}", None), ("purge", "DELETE", "/deletedcertificates/{}", None),
    ]:
        hold(certificates=[permission])
        answer = held.call(method, path.format(name), json=body)
        assert answer.status_code < 300, f"{permission}: {method} {path}: {answer.text}"


def test_what_a_certificate_is_made_of_needs_permissions_of_its_own(server, hold, held, vault, name):
    Certificates(server.wire(vault)).create(name, policy())
    hold(certificates=["all"])
    assert held.get(f"/certificates/{name}").status_code == 200
    for path, word in ((f"/secrets/{name}", "secrets get"), (f"/keys/{name}", "keys get")):
        assert_withheld(held.get(path), "AccessDenied", word)
    hold(secrets=["get"])
    assert held.get(f"/secrets/{name}").json()["contentType"] == "application/x-pkcs12"
    assert_withheld(held.get(f"/certificates/{name}"), "AccessDenied", "certificates get")


def test_many_secrets_at_once_need_what_one_needs(server, hold, held, vault, name):
    server.wire(vault).set_secret(name, "v")
    items = {"items": [{"name": name}, {"name": f"{name}-absent"}]}
    hold(secrets=["list", "set", "delete", "backup"], keys=["all"], certificates=["all"])
    refused = held.post("/secrets:batchGet", json=items).json()["value"]
    assert [item["status"] for item in refused] == [403, 403]
    assert {item["error"]["innererror"]["code"] for item in refused} == {"AccessDenied"} and "secret" not in refused[0]
    hold(secrets=["get"])
    assert [item["status"] for item in held.post("/secrets:batchGet", json=items).json()["value"]] == [200, 404]


# How names are spelled


@pytest.mark.parametrize(
    ("given", "lets"), [(["GET"], True), (["gEt", "List"], True), (["ALL"], True), (["All"], True), (["SET"], False), ([], False)], ids=str)
def test_names_are_taken_in_any_case_and_told_as_they_were_given(arm, hold, held, vault, holder, given, lets):
    told = hold(secrets=given)
    for entries in (told["properties"]["accessPolicies"], arm.get(vault)["properties"]["accessPolicies"]):
        assert [each["permissions"] for each in entries if each["objectId"] == holder.object_id] == [{"secrets": given}]
    assert (held.get("/secrets/absent").status_code == 404) is lets


def test_groups_that_were_not_given_are_not_told(hold, holder):
    (entry,) = [each for each in hold(keys=["wrapKey"])["properties"]["accessPolicies"] if each["objectId"] == holder.object_id]
    assert entry["permissions"] == {"keys": ["wrapKey"]} and "applicationId" not in entry
    (entry,) = [each for each in hold()["properties"]["accessPolicies"] if each["objectId"] == holder.object_id]
    assert entry["permissions"] == {}


def test_the_refusal_says_who_lacks_what(server, hold, held, vault, holder):
    hold(secrets=["list"])
    claims = claims_of(server.token(holder))
    answer = held.get("/secrets/absent")
    assert_withheld(answer, "AccessDenied")
    assert answer.json()["error"]["message"] == (
        f"The user, group or application 'appid={claims['appid']};oid={claims['oid']};iss={claims['iss']}' does not have secrets "
        f"get permission on key vault '{vault};location={LOCATION}'. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125287")


def test_the_right_is_asked_before_anything_else_is_judged(server, hold, held, vault, name):
    server.wire(vault).set_secret(name)
    hold(secrets=["list"])
    there, absent = held.get(f"/secrets/{name}"), held.get(f"/secrets/{name}x")
    assert there.text == absent.text and there.status_code == 403
    assert_withheld(held.put(f"/secrets/{name}", data=b"{"), "AccessDenied", "secrets set")


# Applications


@pytest.mark.parametrize(("own", "lets"), [(True, True), (False, False)], ids=["its-own", "another"])
def test_a_policy_with_an_application_holds_through_that_one_only(arm, server, holder, own, lets):
    application = holder.app_id if own else str(uuid.uuid4())
    entry = {**arm.entry(holder.object_id, secrets=["get"]), "applicationId": application}
    vault = arm.create(enableRbacAuthorization=False, accessPolicies=[entry])
    assert arm.get(vault)["properties"]["accessPolicies"] == [entry]
    assert (server.wire(vault, holder).get("/secrets/absent").status_code == 404) is lets


def test_a_principal_may_have_one_policy_for_each_application(arm, server, holder):
    plain = arm.entry(holder.object_id, secrets=["list"])
    own = {**arm.entry(holder.object_id, secrets=["get"]), "applicationId": holder.app_id}
    other = {**arm.entry(holder.object_id, secrets=["all"]), "applicationId": str(uuid.uuid4())}
    vault = arm.create(enableRbacAuthorization=False, accessPolicies=[plain, own, other])
    wire = server.wire(vault, holder)
    assert wire.get("/secrets/absent").status_code == 404 and wire.get("/secrets").status_code == 200
    assert_withheld(wire.put("/secrets/x", json={"value": "v"}), "AccessDenied", "secrets set")
    # Each is changed by itself.
    assert arm.ask_policies("remove", vault, own).json()["properties"]["accessPolicies"] == [plain, other]
    assert_withheld(wire.get("/secrets/absent"), "AccessDenied")
    assert wire.get("/secrets").status_code == 200
    added = arm.ask_policies("add", vault, {**plain, "permissions": {"keys": ["get"]}}).json()["properties"]["accessPolicies"]
    assert added == [{**plain, "permissions": {"secrets": ["list"], "keys": ["get"]}}, other]


def test_the_application_of_a_principal_is_not_the_principal(arm, server, holder):
    """The object id counts: an application id in its place gives nothing."""
    vault = arm.create(enableRbacAuthorization=False, accessPolicies=[arm.entry(holder.app_id, secrets=["all"])])
    assert_withheld(server.wire(vault, holder).get("/secrets"), "AccessDenied")


# Roles and policies side by side


def test_a_vault_of_roles_passes_over_policies(arm, server, holder, fresh):
    arm.create(fresh, accessPolicies=[arm.entry(holder.object_id, **EVERYTHING)])
    assert arm.get(fresh)["properties"]["accessPolicies"] and arm.get(fresh)["properties"]["enableRbacAuthorization"] is True
    wire = server.wire(fresh, holder)
    for operation in OPERATIONS:
        assert_withheld(operation.make(wire), "ForbiddenByRbac")


ROLES = ["Owner", "Contributor", "Key Vault Administrator", "Key Vault Contributor", "Key Vault Secrets Officer"]


def test_a_vault_of_policies_passes_over_roles(arm, server, cli, holder, fresh):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[])
    mighty = cli.create_application(f"mighty-{fresh}")
    for role in ROLES:
        cli.assign(mighty, role, arm.vault(fresh))
    cli.assign(mighty, "Key Vault Secrets User", arm.vault(fresh) + "/secrets/absent")
    assert opened(server.wire(fresh, mighty), fresh) == set()
    # The owner of the server has every role over the whole subscription.
    assert opened(server.wire(fresh), fresh) == set()


def test_the_model_that_is_switched_to_decides_at_once(arm, server, cli, fresh):
    both = cli.create_application(f"both-{fresh}")
    cli.assign(both, "Key Vault Secrets User", arm.vault(fresh))
    arm.create(fresh, accessPolicies=[arm.entry(both.object_id, secrets=["set"])])
    wire = server.wire(fresh, both)

    def seen() -> tuple[int, int]:
        return wire.get("/secrets/absent").status_code, wire.put("/secrets/x", json={"value": "v"}).status_code

    assert seen() == (404, 403)
    for uses_roles in (False, True, False):
        assert arm.change(fresh, enableRbacAuthorization=uses_roles)["properties"]["enableRbacAuthorization"] is uses_roles
        assert seen() == ((404, 403) if uses_roles else (403, 200))


# Who may switch, and who may change policies


@pytest.fixture(scope="module")
def contributor(server, cli, arm) -> Arm:
    application = cli.create_application(f"contributor-{uuid.uuid4().hex[:8]}")
    for role in ("Key Vault Contributor", "Contributor"):
        cli.assign(application, role, arm.subscription)
    return Arm.of(server, application)


@pytest.mark.parametrize("uses_roles", [True, False])
def test_who_may_not_assign_roles_may_not_switch(arm, contributor, fresh, uses_roles):
    arm.create(fresh, enableRbacAuthorization=uses_roles, accessPolicies=[])
    before = arm.get(fresh)
    greedy = [arm.entry(contributor.object_id, **EVERYTHING)]
    wanted = {"enableRbacAuthorization": not uses_roles, "accessPolicies": greedy}
    for answer in (
        contributor.ask_patch(fresh, {"properties": {"enableRbacAuthorization": not uses_roles}}),
        contributor.ask_patch(fresh, {"properties": wanted}),
        contributor.ask_put(fresh, arm.body(**wanted)),
        contributor.ask_put(fresh, arm.body(**wanted), version=EARLIER),
    ):
        assert_refused(answer, 403, "AuthorizationFailed", "Microsoft.Authorization/roleAssignments/write", fresh)
        assert arm.get(fresh) == before
    # Nor by way of a recovery, which is not there to change anything.
    contributor.delete(fresh)
    assert contributor.ask_put(fresh, arm.body(createMode="recover", **wanted)).status_code in (200, 201, 400, 403)
    if arm.ask_get(fresh).status_code == 404:
        arm.recover(fresh)
    assert arm.get(fresh)["properties"]["enableRbacAuthorization"] is uses_roles
    assert arm.get(fresh)["properties"]["accessPolicies"] == []
    # What it says already is no switch.
    same = contributor.ask_patch(fresh, {"properties": {"enableRbacAuthorization": uses_roles}})
    assert same.status_code in (200, 201), same.text


@pytest.mark.parametrize("role", ["Owner", "User Access Administrator"])
def test_who_may_assign_roles_may_switch(arm, server, cli, fresh, role):
    arm.create(fresh)
    application = cli.create_application(f"switch-{fresh}")
    cli.assign(application, "Key Vault Contributor", arm.vault(fresh))
    own = Arm.of(server, application)
    wanted = {"properties": {"enableRbacAuthorization": False, "accessPolicies": []}}
    assert_refused(own.ask_patch(fresh, wanted), 403, "AuthorizationFailed")
    cli.assign(application, role, arm.vault(fresh))
    assert own.ask_patch(fresh, wanted).json()["properties"]["enableRbacAuthorization"] is False


def test_who_may_assign_roles_but_not_write_vaults_may_not_switch(arm, server, cli, fresh):
    arm.create(fresh)
    application = cli.create_application(f"uaa-{fresh}")
    cli.assign(application, "User Access Administrator", arm.vault(fresh))
    own = Arm.of(server, application)
    wanted = {"properties": {"enableRbacAuthorization": False, "accessPolicies": []}}
    assert_refused(own.ask_patch(fresh, wanted), 403, "AuthorizationFailed", "Microsoft.KeyVault/vaults/write")
    assert arm.get(fresh)["properties"]["enableRbacAuthorization"] is True


def test_a_contributor_may_change_policies_as_the_service_has_it(arm, contributor, server, fresh):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[])
    entry = arm.entry(contributor.object_id, secrets=["list"])
    assert contributor.ask_policies("add", fresh, entry).status_code in (200, 201)
    assert arm.get(fresh)["properties"]["accessPolicies"] == [entry]


@pytest.mark.parametrize("role", ["Reader", "Key Vault Administrator", "User Access Administrator", "Key Vault Secrets Officer"])
def test_a_role_that_does_not_write_vaults_changes_no_policy(arm, server, cli, fresh, role):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[])
    application = cli.create_application(f"reader-{fresh}")
    cli.assign(application, role, arm.vault(fresh))
    own = Arm.of(server, application)
    for kind in ("add", "replace", "remove"):
        answer = own.ask_policies(kind, fresh, arm.entry(application.object_id, **EVERYTHING))
        assert_refused(answer, 403, "AuthorizationFailed", "Microsoft.KeyVault/vaults/accessPolicies/write")
    assert arm.get(fresh)["properties"]["accessPolicies"] == []


# Add, replace, remove


@pytest.fixture
def team(arm, fresh):
    """A vault with the policies of two principals."""
    first, second = (arm.entry(str(uuid.uuid4()), keys=["get", "List"], secrets=["set"]) for _ in range(2))
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[first, second])
    return first, second


@pytest.mark.operation("VaultAccessPolicyPut")
def test_policies_are_added_replaced_and_removed(arm, fresh, team):
    first, second = team

    def ask(kind: str, *entries) -> list[dict]:
        answer = arm.ask_policies(kind, fresh, *entries)
        assert answer.status_code in (200, 201), answer.text
        told = answer.json()
        assert {member: told[member] for member in ("id", "type")} == {
            "id": arm.vault(fresh) + "/accessPolicies/", "type": "Microsoft.KeyVault/vaults/accessPolicies"}
        assert arm.get(fresh)["properties"]["accessPolicies"] == told["properties"]["accessPolicies"]
        return told["properties"]["accessPolicies"]

    def of(entry: dict, **permissions) -> dict:
        return {**entry, "permissions": permissions}

    third = arm.entry(str(uuid.uuid4()), certificates=["all"])
    assert ask("add", third) == [first, second, third]
    # What is there already is not added again, however it is spelled.
    assert ask("add", of(first, keys=["GET", "sign"], certificates=["get"])) == [
        of(first, keys=["get", "List", "sign"], secrets=["set"], certificates=["get"]), second, third]
    assert ask("add", first)[0] == of(first, keys=["get", "List", "sign"], secrets=["set"], certificates=["get"])
    assert ask("replace", of(first, secrets=["list"])) == [of(first, secrets=["list"]), second, third]
    fourth = arm.entry(str(uuid.uuid4()), keys=["get"])
    assert ask("replace", fourth) == [of(first, secrets=["list"]), second, third, fourth]
    assert ask("remove", of(second, keys=["LIST", "sign"])) == [
        of(first, secrets=["list"]), of(second, keys=["get"], secrets=["set"]), third, fourth]
    # Who is left with nothing has no policy any more.
    assert ask("remove", of(second, keys=["get"], secrets=["set"])) == [of(first, secrets=["list"]), third, fourth]
    assert ask("remove", of(third)) == [of(first, secrets=["list"]), fourth]
    assert ask("remove", arm.entry(str(uuid.uuid4()), keys=["all"])) == [of(first, secrets=["list"]), fourth]
    assert ask("add") == [of(first, secrets=["list"]), fourth]
    # Several at once.
    assert ask("add", second, of(first, secrets=["get"]), third) == [
        of(first, secrets=["list", "get"]), fourth, second, third]


def test_a_principal_that_is_named_twice_in_one_change_is_refused(arm, fresh, team):
    before = arm.get(fresh)
    for kind in ("add", "replace", "remove"):
        assert_refused(arm.ask_policies(kind, fresh, team[0], team[0]), 400, "BadParameter", team[0]["objectId"])
    assert arm.get(fresh) == before


def test_a_change_is_in_force_for_the_next_request_on_an_open_connection(arm, hold, held):
    for _ in range(5):
        hold(secrets=["get"])
        assert held.get("/secrets/absent").status_code == 404
        hold(secrets=["list"])
        assert_withheld(held.get("/secrets/absent"), "AccessDenied")


def test_policies_are_kept_while_roles_decide(arm, server, holder, fresh):
    arm.create(fresh)
    entry = arm.entry(holder.object_id, secrets=["get"])
    assert arm.ask_policies("add", fresh, entry).json()["properties"]["accessPolicies"] == [entry]
    assert_withheld(server.wire(fresh, holder).get("/secrets/absent"), "ForbiddenByRbac")
    arm.change(fresh, enableRbacAuthorization=False)
    assert server.wire(fresh, holder).get("/secrets/absent").status_code == 404
    arm.change(fresh, enableRbacAuthorization=True)
    assert arm.get(fresh)["properties"]["accessPolicies"] == [entry]


def test_the_policies_of_a_whole_body_replace_all(arm, fresh, team):
    other = arm.entry(str(uuid.uuid4()), secrets=["get"])
    assert arm.change(fresh, accessPolicies=[other])["properties"]["accessPolicies"] == [other]
    assert arm.change(fresh, enabledForDeployment=True)["properties"]["accessPolicies"] == [other]
    assert arm.ask_put(fresh, arm.body(accessPolicies=list(team))).json()["properties"]["accessPolicies"] == list(team)
    assert arm.change(fresh, accessPolicies=[])["properties"]["accessPolicies"] == []


# How many there may be


def many(arm: Arm, count: int) -> list[dict]:
    return [arm.entry(str(uuid.uuid4()), secrets=["get"]) for _ in range(count)]


def test_a_body_may_hold_as_many_policies_as_a_vault(arm, fresh):
    entries = many(arm, 1_024)
    answer = arm.ask_put(fresh, arm.body(enableRbacAuthorization=False, accessPolicies=entries))
    assert answer.status_code in (200, 201), answer.text
    assert arm.get(fresh)["properties"]["accessPolicies"] == entries


@pytest.mark.parametrize("ask", ["put", "patch", "replace"])
def test_more_policies_than_a_vault_may_have_are_refused(arm, fresh, ask):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[])
    body = {"enableRbacAuthorization": False, "accessPolicies": many(arm, 1_025)}
    answer = {
        "put": lambda: arm.ask_put(fresh, arm.body(**body)),
        "patch": lambda: arm.ask_patch(fresh, {"properties": body}),
        "replace": lambda: arm.ask_policies("replace", fresh, *body["accessPolicies"]),
    }[ask]()
    assert_refused(answer, 400, "BadParameter", "1024")
    assert arm.get(fresh)["properties"]["accessPolicies"] == []


def test_policies_are_added_until_there_are_as_many_as_there_may_be(arm, server, holder, fresh):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[])
    entries = [*many(arm, 1_023), arm.entry(holder.object_id, secrets=["get"])]
    for start in range(0, len(entries), 256):
        answer = arm.ask_policies("add", fresh, *entries[start : start + 256])
        assert answer.status_code in (200, 201), answer.text
    assert arm.get(fresh)["properties"]["accessPolicies"] == entries
    for kind in ("add", "replace"):
        assert_refused(arm.ask_policies(kind, fresh, *many(arm, 1)), 400, "BadParameter", "1024")
    assert arm.get(fresh)["properties"]["accessPolicies"] == entries
    # The last one counts as the first one does, and those that are there can still be changed.
    wire = server.wire(fresh, holder)
    assert wire.get("/secrets/absent").status_code == 404
    assert arm.ask_policies("add", fresh, arm.entry(holder.object_id, secrets=["list"])).status_code in (200, 201)
    assert wire.get("/secrets").status_code == 200
    assert len(arm.ask_policies("remove", fresh, entries[0]).json()["properties"]["accessPolicies"]) == 1_023


# The log


def test_the_log_says_whether_a_policy_let_it_in(cli, server, hold, held, vault, name):
    server.wire(vault).set_secret(name)
    begun = audit.now()
    hold(secrets=["get"])
    held.get(f"/secrets/{name}")
    hold(secrets=["list"])
    held.get(f"/secrets/{name}")
    records = [record for record in audit.records_about(cli, f"/secrets/{name}", since=begun)]
    assert [record["properties"]["httpStatusCode"] for record in records] == [200, 403]
    for record, let_in in zip(records, (True, False)):
        assert record["properties"].get("isAccessPolicyMatch") is let_in
        assert "isRbacAuthorized" not in record["properties"] and "appliedAssignmentId" not in record["properties"]


# The clients, unmodified


def test_the_client_changes_policies_and_another_feels_it(server, arm, holder, fresh):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[])
    base = arm.wire.base
    with KeyVaultManagementClient(
        credential_for(server), server.client_env["AZURE_SUBSCRIPTION_ID"], base_url=base, credential_scopes=[f"{base}/.default"],
        connection_verify=server.bundle,
    ) as client, KeyClient(server.vault_url(fresh), credential_for(server, holder), connection_verify=server.bundle) as keys:

        def ask(kind: str, **permissions) -> list[AccessPolicyEntry]:
            entry = AccessPolicyEntry(tenant_id=server.tenant, object_id=holder.object_id, permissions=Permissions(permissions))
            wanted = VaultAccessPolicyParameters(properties=VaultAccessPolicyProperties(access_policies=[entry]))
            return client.vaults.update_access_policy(arm.default_group, fresh, kind, wanted).properties.access_policies

        with pytest.raises(HttpResponseError, match="does not have keys create permission"):
            keys.create_ec_key("key")
        (told,) = ask("add", keys=["create", "get"])
        assert (told.object_id, told.permissions["keys"], told.permissions.secrets) == (holder.object_id, ["create", "get"], None)
        assert keys.create_ec_key("key").name == keys.get_key("key").name == "key"
        ask("replace", keys=["list"])
        with pytest.raises(HttpResponseError) as refused:
            keys.get_key("key")
        assert refused.value.error.innererror["code"] == "AccessDenied"
        assert [key.name for key in keys.list_properties_of_keys()] == ["key"]
        assert ask("remove", keys=["list"]) == []
        with pytest.raises(HttpResponseError, match="does not have keys list permission"):
            list(keys.list_properties_of_keys())


def test_a_whole_vault_that_is_sent_back_stays_the_same(arm, fresh, team):
    """As a client does that gets, changes and puts."""
    before = arm.get(fresh)
    answer = arm.ask_put(fresh, changed(before, "tags", {"a": "b"}), version=LATEST)
    assert answer.json()["properties"] == before["properties"] and answer.json()["tags"] == {"a": "b"}
