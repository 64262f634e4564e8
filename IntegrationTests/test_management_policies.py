"""Policy definitions and their assignments: what is stored and told, and that a wrong one is refused and changes nothing."""

import uuid

import pytest
from requests import Response

from harness import audit
from harness.hsm_pool import POOL
from harness.management_wire import GONE, Arm, assert_refused, changed, vault_name
from harness.server import Server

VERSION = "2023-04-01"
PROVIDER = "/providers/Microsoft.Authorization"
LEVELS = ("subscription", "group", "vault", "pool")

# As the published definition that asks for a least size of RSA keys.
RULE = {
    "if": {
        "allOf": [
            {"field": "type", "equals": "Microsoft.KeyVault.Data/vaults/keys"},
            {"field": "Microsoft.KeyVault.Data/vaults/keys/keyType", "in": ["RSA", "RSA-HSM"]},
            {"field": "Microsoft.KeyVault.Data/vaults/keys/keySize", "less": "[parameters('minimumRSAKeySize')]"},
        ]
    },
    "then": {"effect": "[parameters('effect')]"},
}
PARAMETERS = {
    "minimumRSAKeySize": {"type": "Integer", "metadata": {"displayName": "Minimum RSA key size"}, "allowedValues": [2048, 3072, 4096]},
    "effect": {"type": "String", "allowedValues": ["Audit", "Deny", "Disabled"], "defaultValue": "Audit"},
}
DEFINITION = {
    "displayName": "Keys using RSA cryptography should have a specified minimum key size",
    "description": "Set the minimum allowed key size.",
    "mode": "Microsoft.KeyVault.Data",
    "metadata": {"version": "1.0.1", "category": "Key Vault"},
    "parameters": PARAMETERS,
    "policyRule": RULE,
}
SIZE = {"minimumRSAKeySize": {"value": 3072}}


class Policies:
    """The definitions of a subscription, and what is assigned at a scope."""

    def __init__(self, arm: Arm):
        self.arm, self.wire = arm, arm.wire

    def definition(self, name: str) -> str:
        return f"{self.arm.subscription}{PROVIDER}/policyDefinitions/{name}"

    def assignment(self, scope: str, name: str) -> str:
        return f"{scope}{PROVIDER}/policyAssignments/{name}"

    def scope(self, level: str) -> str:
        """A scope of a kind; the vault is a new one."""
        if level == "vault":
            return self.arm.vault(self.arm.create())
        pool = f"{self.arm.group()}/providers/Microsoft.KeyVault/managedHSMs/{POOL}"
        return {"subscription": self.arm.subscription, "group": self.arm.group(), "pool": pool}[level]

    # Calls

    def put(self, path: str, properties: object) -> Response:
        return self.wire.put(path, version=VERSION, json={"properties": properties})

    def get(self, path: str) -> Response:
        return self.wire.get(path, version=VERSION)

    def delete(self, path: str) -> Response:
        return self.wire.delete(path, version=VERSION)

    def ask_list(self, path: str, text: str | None = None) -> Response:
        return self.wire.get(path, version=VERSION, query={"$filter": text} if text is not None else {})

    # Calls that must work

    def define(self, name: str, **properties) -> dict:
        return _done(self.put(self.definition(name), {**DEFINITION, **properties}), 201)

    def assign(self, scope: str, name: str, definition: str, **properties) -> dict:
        wanted = {"policyDefinitionId": definition, "parameters": SIZE, **properties}
        return _done(self.put(self.assignment(scope, name), wanted), 201)

    def definitions(self) -> list[dict]:
        return _done(self.ask_list(f"{self.arm.subscription}{PROVIDER}/policyDefinitions"), 200)["value"]

    def assigned(self, scope: str, text: str | None = None) -> list[str]:
        """The identifiers of assignments."""
        return [each["id"] for each in _done(self.ask_list(f"{scope}{PROVIDER}/policyAssignments", text), 200)["value"]]

    def forget(self, definition: str) -> None:
        """Removes a definition and its assignments."""
        for each in self.assigned(self.arm.subscription, f"policyDefinitionId eq '{definition}'"):
            self.delete(each)
        assert self.delete(definition).status_code in (200, 204)


def _done(answer: Response, status: int) -> dict:
    assert answer.status_code == status, f"{answer.status_code} {answer.text}"
    return answer.json()


@pytest.fixture(scope="module")
def policies(server) -> Policies:
    return Policies(Arm.of(server))


@pytest.fixture
def fresh() -> str:
    return f"p{uuid.uuid4().hex[:20]}"


@pytest.fixture
def definition(policies, fresh) -> str:
    """The identifier of a definition. It goes, with its assignments, when the test ends."""
    made = policies.define(fresh)["id"]
    yield made
    policies.forget(made)


@pytest.fixture(scope="module")
def standing(policies) -> str:
    """A definition that no test may change."""
    made = policies.define(f"standing-{uuid.uuid4().hex[:12]}")["id"]
    yield made
    policies.forget(made)


# Definitions


@pytest.mark.operation("PolicyDefinitionPut")
@pytest.mark.operation("PolicyDefinitionGet")
@pytest.mark.operation("PolicyDefinitionList")
def test_a_definition_is_answered_as_a_whole(policies, fresh):
    answer = policies.put(policies.definition(fresh), DEFINITION)
    made = answer.json()
    data = made.pop("systemData")
    assert (answer.status_code, made) == (201, {
        "id": policies.definition(fresh), "name": fresh, "type": "Microsoft.Authorization/policyDefinitions",
        "properties": {**DEFINITION, "policyType": "Custom"}})
    assert data["createdBy"] == data["lastModifiedBy"] == policies.arm.object_id
    assert data["createdByType"] == data["lastModifiedByType"] == "Application" and data["createdAt"] == data["lastModifiedAt"]
    assert policies.get(policies.definition(fresh)).json() == answer.json()
    assert [each for each in policies.definitions() if each["name"] == fresh] == [answer.json()]
    policies.forget(policies.definition(fresh))


@pytest.mark.operation("PolicyDefinitionPut")
def test_a_definition_is_replaced_as_a_whole(policies, definition):
    before = policies.get(definition).json()
    after = _done(policies.put(definition, {"policyRule": {"if": {}, "then": {"effect": "deny"}}}), 201)
    assert after["properties"] == {
        "mode": "Indexed", "policyType": "Custom", "policyRule": {"if": {}, "then": {"effect": "deny"}}}
    assert after["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    assert after["systemData"]["lastModifiedAt"] > before["systemData"]["lastModifiedAt"]
    assert policies.get(definition).json() == after


@pytest.mark.operation("PolicyDefinitionDelete")
def test_a_deleted_definition_is_gone(policies, fresh):
    made = policies.define(fresh)
    answer = policies.delete(made["id"])
    assert (answer.status_code, answer.json()) == (200, made)
    assert_refused(policies.get(made["id"]), 404, "ResourceNotFound", fresh)
    assert fresh not in [each["name"] for each in policies.definitions()]
    again = policies.delete(made["id"])
    assert (again.status_code, again.content) == (204, b"")


def test_a_definition_is_found_in_any_case_and_keeps_its_identifier(policies, definition, fresh):
    made = policies.get(definition).json()
    assert policies.get(definition.upper()).json() == made
    again = _done(policies.put(definition.upper(), DEFINITION), 201)
    assert (again["id"], again["name"]) == (definition, fresh)
    assert [each["id"] for each in policies.definitions()].count(definition) == 1


@pytest.mark.parametrize("type", ["string", "Array", "Object", "Boolean", "Integer", "Float", "DateTime"])
def test_a_parameter_may_be_of_type(policies, definition, type):
    parameters = {"p": {"type": type}}
    assert _done(policies.put(definition, {"policyRule": RULE, "parameters": parameters}), 201)["properties"]["parameters"] == parameters


def test_json_that_is_kept_for_others_comes_back_as_it_was(policies, definition):
    odd = {
        "text": "\" \\ / \u2028 \n \t ä 🔑 </script>", "": "unnamed", "empty": [{}, [], "", None],
        "numbers": [0, -1, 1.5, 2**53, -(2**63), 1e300], "truth": [True, False], "nested": {"a": {"b": {"c": [1, [2, [3]]]}}},
    }
    told = _done(policies.put(definition, {**DEFINITION, "metadata": odd}), 201)
    assert told["properties"]["metadata"] == odd == policies.get(definition).json()["properties"]["metadata"]


WRONG_DEFINITIONS = [
    *[(name, value, name) for name in ("displayName", "description", "mode", "version") for value in (5, [], {}, True)],
    ("displayName", "x" * 129, "displayName"), ("description", "x" * 513, "description"), ("version", "1" * 33, "version"),
    ("metadata", "x", "metadata"), ("metadata", [], "metadata"),
    ("policyType", "BuiltIn", "policyType"), ("policyType", "Static", "policyType"), ("policyType", 5, "policyType"),
    ("policyRule", GONE, "policyRule"), ("policyRule", None, "policyRule"), ("policyRule", "deny", "policyRule"),
    ("policyRule.if", GONE, "policyRule"), ("policyRule.if", [], "policyRule"), ("policyRule.if", "true", "policyRule"),
    ("policyRule.then", GONE, "policyRule"), ("policyRule.then", {}, "policyRule"), ("policyRule.then.effect", "", "policyRule"),
    ("policyRule.then.effect", 5, "policyRule"),
    ("parameters", [], "parameters"), ("parameters", "x", "parameters"), ("parameters.effect", "String", "parameters.effect"),
    ("parameters.effect.type", GONE, "parameters.effect.type"), ("parameters.effect.type", "text", "parameters.effect.type"),
    ("parameters.effect.type", 5, "parameters.effect.type"), ("parameters.effect.allowedValues", "Audit", "allowedValues"),
    ("parameters.effect.allowedValues", {}, "allowedValues"),
]


def test_a_wrong_definition_is_refused_by_the_name_of_its_member(policies, standing):
    before, new, faults = policies.get(standing).json(), policies.definition(f"new-{uuid.uuid4().hex[:12]}"), []
    for path, value, word in WRONG_DEFINITIONS:
        for target in (standing, new):
            try:
                assert_refused(policies.put(target, changed(DEFINITION, path, value)), 400, "BadParameter", word)
            except AssertionError as fault:
                faults.append(f"{path} = {'nothing' if value is GONE else value!r}: {fault}"[:300])
    after = policies.get(standing).json()
    policies.put(standing, DEFINITION)
    policies.forget(new)
    assert not faults, "\n".join(faults)
    assert after == before


@pytest.mark.parametrize("body", ["", "{", "null", "[]", "{}", '{"properties": null}', '{"properties": []}'])
def test_a_body_that_is_no_object_is_refused(policies, standing, body):
    for path in (standing, policies.assignment(policies.arm.subscription, "new")):
        answer = policies.wire.put(path, version=VERSION, data=body, headers={"Content-Type": "application/json"})
        assert_refused(answer, 400, "BadParameter")
    assert policies.get(standing).status_code == 200


@pytest.mark.parametrize("name", ["a%3Cb", "a%3Eb", "a*b", "a%25b", "a&b", "a:b", "a%3Fb", "a.b", "a%20", "x" * 65])
def test_a_name_with_what_names_may_not_have_is_refused(policies, standing, name):
    assert_refused(policies.put(policies.definition(name), DEFINITION), 400, "BadParameter", "name")
    assignment = {"policyDefinitionId": standing, "parameters": SIZE}
    assert_refused(policies.put(policies.assignment(policies.arm.subscription, name), assignment), 400, "BadParameter", "name")


# Assignments


@pytest.mark.operation("PolicyAssignmentPut")
@pytest.mark.operation("PolicyAssignmentGet")
@pytest.mark.operation("PolicyAssignmentDelete")
@pytest.mark.parametrize("level", LEVELS)
def test_an_assignment_is_kept_replaced_and_deleted(policies, definition, fresh, level):
    scope = policies.scope(level)
    path = policies.assignment(scope, fresh)
    wanted = {
        "displayName": "RSA keys", "description": "of three thousand bits", "metadata": {"assignedBy": "security"},
        "enforcementMode": "DoNotEnforce", "parameters": SIZE, "policyDefinitionId": definition,
        "nonComplianceMessages": [{"message": "too short"}],
    }
    answer = policies.put(path, wanted)
    made = answer.json()
    data = made.pop("systemData")
    assert (answer.status_code, made) == (201, {
        "id": path, "name": fresh, "type": "Microsoft.Authorization/policyAssignments", "properties": {**wanted, "scope": scope}})
    assert data["createdBy"] == policies.arm.object_id and policies.get(path).json() == answer.json()
    after = policies.assign(scope, fresh, definition)
    assert after["properties"] == {
        "enforcementMode": "Default", "parameters": SIZE, "policyDefinitionId": definition, "scope": scope}
    assert after["systemData"]["createdAt"] == data["createdAt"] < after["systemData"]["lastModifiedAt"]
    deleted = policies.delete(path)
    assert (deleted.status_code, deleted.json()) == (200, after)
    assert_refused(policies.get(path), 404, "ResourceNotFound", fresh)
    assert (policies.delete(path).status_code, path in policies.assigned(scope)) == (204, False)


@pytest.mark.parametrize("level", LEVELS)
def test_an_assignment_is_found_in_any_case_and_keeps_its_identifier(policies, definition, fresh, level):
    scope = policies.scope(level)
    made = policies.assign(scope, fresh, definition)
    assert policies.get(made["id"].upper()).json() == made
    again = policies.assign(scope.upper(), fresh.upper(), definition.upper(), parameters={"MINIMUMRSAKEYSIZE": {"value": 2048}})
    assert (again["id"], again["name"], again["properties"]["scope"]) == (made["id"], fresh, scope)
    assert [each.lower() for each in policies.assigned(scope.upper())].count(made["id"].lower()) == 1


@pytest.mark.parametrize(
    "parameters",
    [SIZE, {**SIZE, "effect": {"value": "Deny"}}, {"MinimumRsaKeySize": {"value": 2048}}, {**SIZE, "effect": {"value": "Disabled"}}],
    ids=["default", "both", "any-case", "disabled"])
def test_parameters_that_fit_the_definition_are_kept(policies, standing, fresh, parameters):
    made = policies.assign(policies.arm.subscription, fresh, standing, parameters=parameters)
    assert made["properties"]["parameters"] == parameters
    assert policies.delete(made["id"]).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        *[(each, "minimumRSAKeySize") for each in (GONE, None, {}, {"effect": {"value": "Deny"}})],
        ({**SIZE, "more": {"value": 1}}, "parameters.more"), ({"minimumRSAKeySize": {"value": 1024}}, "allowed"),
        ({"minimumRSAKeySize": {"value": "3072"}}, "minimumRSAKeySize"), ({**SIZE, "effect": {"value": "Append"}}, "allowed"),
        # Those of an assignment must be spelled as the definition has them.
        ({**SIZE, "effect": {"value": "deny"}}, "allowed"), ({"minimumRSAKeySize": 3072}, "value"), ({"minimumRSAKeySize": {}}, "value"),
        ([], "parameters"), ("3072", "parameters"),
    ])
def test_parameters_that_do_not_fit_the_definition_are_refused(policies, standing, fresh, parameters, word):
    path = policies.assignment(policies.arm.subscription, fresh)
    wanted = changed({"policyDefinitionId": standing}, "parameters", parameters)
    assert_refused(policies.put(path, wanted), 400, "BadParameter", word)
    assert policies.get(path).status_code == 404


VALUES = {
    "String": "text", "Array": [1], "Object": {"a": 1}, "Boolean": True, "Integer": 5, "Float": 1.5, "DateTime": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("type", VALUES)
def test_a_value_is_of_the_type_of_its_parameter(policies, definition, fresh, type):
    _done(policies.put(definition, {"policyRule": RULE, "parameters": {"p": {"type": type}}}), 201)
    fitting = {type, {"Float": "Integer", "String": "DateTime"}.get(type)}
    wrong = [value for other, value in VALUES.items() if other not in fitting]
    path = policies.assignment(policies.arm.subscription, fresh)
    taken = [
        value for value in wrong
        if policies.put(path, {"policyDefinitionId": definition, "parameters": {"p": {"value": value}}}).status_code != 400]
    assert taken == []
    policies.assign(policies.arm.subscription, fresh, definition, parameters={"p": {"value": VALUES[type]}})


WRONG_ASSIGNMENTS = [
    *[(name, value, name) for name in ("displayName", "description", "definitionVersion") for value in (5, [], {})],
    ("displayName", "x" * 129, "displayName"), ("description", "x" * 513, "description"), ("metadata", [], "metadata"),
    ("policyDefinitionId", GONE, "policyDefinitionId"), ("policyDefinitionId", None, "policyDefinitionId"),
    ("policyDefinitionId", 5, "policyDefinitionId"), ("policyDefinitionId", "x" * 1_025, "policyDefinitionId"),
    *[("enforcementMode", value, "enforcementMode") for value in ("Sometimes", "", 5)],
    *[(name, value, name) for name in ("notScopes", "nonComplianceMessages", "resourceSelectors", "overrides") for value in ("x", {}, 5)],
    ("notScopes", ["here"], "notScopes"), ("notScopes", [5], "notScopes"), ("notScopes", [f"/subscriptions/{uuid.uuid4()}"], "notScopes"),
]


def test_a_wrong_assignment_is_refused_by_the_name_of_its_member(policies, standing, fresh):
    right, faults = {"policyDefinitionId": standing, "parameters": SIZE}, []
    path = policies.assignment(policies.arm.group(), fresh)
    for member, value, word in WRONG_ASSIGNMENTS:
        try:
            assert_refused(policies.put(path, changed(right, member, value)), 400, "BadParameter", word)
        except AssertionError as fault:
            faults.append(f"{member} = {'nothing' if value is GONE else value!r}: {fault}"[:300])
    seen = policies.get(path).status_code
    policies.delete(path)
    assert not faults, "\n".join(faults)
    assert seen == 404


def test_scopes_below_are_left_out_and_others_are_refused(policies, standing, fresh):
    group, vault = policies.arm.group(), policies.scope("vault")
    made = policies.assign(group, fresh, standing, notScopes=[vault])
    assert made["properties"]["notScopes"] == [vault]
    for wrong in (group, policies.arm.subscription, group + "x", vault.replace(group, policies.arm.group("elsewhere"))):
        wanted = {"policyDefinitionId": standing, "parameters": SIZE, "notScopes": [wrong]}
        assert_refused(policies.put(made["id"], wanted), 400, "BadParameter", "notScopes")
    assert policies.get(made["id"]).json() == made and policies.delete(made["id"]).status_code == 200


def test_what_is_not_there_is_neither_assigned_nor_assigned_to(policies, standing, fresh):
    absent = policies.definition(f"none-{fresh}")
    path = policies.assignment(policies.arm.subscription, fresh)
    assert_refused(policies.put(path, {"policyDefinitionId": absent}), 404, "ResourceNotFound", "policy definition")
    pools, vault = f"{policies.arm.group()}/providers/Microsoft.KeyVault/managedHSMs", policies.scope("vault")
    for scope in (
        policies.arm.vault(vault_name()), f"{pools}/{vault_name()}", policies.arm.vault(POOL), f"{pools}/{vault.rsplit('/', 1)[1]}",
        vault.replace(policies.arm.group(), policies.arm.group("elsewhere")),
    ):
        answer = policies.put(policies.assignment(scope, fresh), {"policyDefinitionId": standing, "parameters": SIZE})
        assert_refused(answer, 404, "ResourceNotFound", scope.rsplit("/", 1)[1])
    assert fresh not in str(policies.assigned(policies.arm.subscription))


def test_a_group_that_is_not_there_is_not_assigned_to(policies, standing, fresh):
    scope = policies.arm.group(f"none-{fresh}")
    answer = policies.put(policies.assignment(scope, fresh), {"policyDefinitionId": standing, "parameters": SIZE})
    assert answer.status_code == 404, f"{answer.status_code} {answer.text}"
    assert fresh not in str(policies.assigned(policies.arm.subscription))


def test_another_subscription_is_refused(policies, standing):
    elsewhere = f"/subscriptions/{uuid.uuid4()}"
    item = policies.assignment(elsewhere, "one")
    moved = standing.replace(policies.arm.subscription, elsewhere)
    for path, properties in ((moved, DEFINITION), (item, {"policyDefinitionId": standing})):
        asked = policies.put(path, properties), policies.get(path), policies.delete(path), policies.ask_list(path.rsplit("/", 1)[0])
        for answer in asked:
            assert_refused(answer, 403, "AuthorizationFailed", "Microsoft.Authorization/polic")


def test_a_call_without_a_version_is_refused(policies, standing):
    item = policies.assignment(policies.arm.subscription, "one")
    for path in (standing, standing.rsplit("/", 1)[0], item, item.rsplit("/", 1)[0]):
        assert_refused(policies.wire.get(path, version=None), 400, "InvalidApiVersionParameter", "api-version")
    assert_refused(policies.wire.put(standing, version=None, json={"properties": DEFINITION}), 400, "InvalidApiVersionParameter")


# Lists


@pytest.mark.operation("PolicyAssignmentList")
def test_lists_reach_as_far_as_they_are_asked_to(policies, definition, fresh):
    at = {level: policies.scope(level) for level in LEVELS}
    at["beside"] = at["vault"] + "x"
    policies.arm.create(at["beside"].rsplit("/", 1)[1])
    made = {level: policies.assign(scope, f"{fresh}-{level}", definition)["id"] for level, scope in at.items()}

    def seen(level: str, text: str | None = None) -> set[str]:
        ids = policies.assigned(at[level], text)
        return {name for name, identifier in made.items() if identifier in ids}

    everything = set(made)
    assert (seen("subscription"), seen("group")) == (everything, everything)
    for level in ("vault", "pool", "beside"):
        assert seen(level) == {"subscription", "group", level}
    for text in ("atScope()", "ATSCOPE()"):
        assert [seen(level, text) for level in ("subscription", "group", "vault")] == [
            {"subscription"}, {"subscription", "group"}, {"subscription", "group", "vault"}]
    for level in made:
        assert seen(level, "atExactScope()") == {level}
    for text in (f"policyDefinitionId eq '{definition}'", f"policyDefinitionId eq '{definition.upper()}'"):
        assert set(policies.assigned(at["subscription"], text)) == set(made.values())
        assert set(policies.assigned(at["pool"], text)) == {made["subscription"], made["group"], made["pool"]}
    assert policies.assigned(at["subscription"], f"policyDefinitionId eq '{definition}x'") == []


@pytest.mark.parametrize(
    "text", ["x", "atScope", "atScope() and atExactScope()", "displayName eq 'x'", "policyDefinitionId ne 'x'", "policyDefinitionId eq x",
             "policyDefinitionId eq 'x' or displayName eq 'y'", "policyDefinitionId eq 'x' or true", "policyDefinitionId eq 'x"])
def test_a_filter_that_is_not_understood_is_refused(policies, text):
    answer = policies.ask_list(f"{policies.arm.subscription}{PROVIDER}/policyAssignments", text)
    assert_refused(answer, 400, "BadParameter", "$filter")


# What holds together


@pytest.mark.parametrize("level", LEVELS)
def test_a_definition_in_use_is_not_deleted(policies, definition, fresh, level):
    made = policies.assign(policies.scope(level), fresh, definition.upper())
    for path in (definition, definition.upper()):
        assert_refused(policies.delete(path), 409, "Conflict", fresh, "assign")
    assert policies.get(definition).status_code == 200
    assert policies.delete(made["id"]).status_code == 200
    assert policies.delete(definition).status_code == 200
    assert policies.get(definition).status_code == 404


def test_assignments_go_when_a_vault_is_purged(policies, definition, fresh):
    arm, name = policies.arm, vault_name()
    vault, beside = arm.vault(arm.create(name)), arm.vault(arm.create(f"{name}x"))
    made, kept = policies.assign(vault, fresh, definition), policies.assign(beside, fresh, definition)
    arm.delete(name)
    arm.recover(name)
    assert policies.get(made["id"]).json() == made
    arm.erase(name)
    arm.create(name)
    assert_refused(policies.get(made["id"]), 404, "ResourceNotFound", fresh)
    assert policies.assigned(arm.subscription, f"policyDefinitionId eq '{definition}'") == [kept["id"]]


def test_assignments_go_with_their_group(policies, definition, fresh):
    group = policies.arm.group(fresh)
    for _ in range(2):
        made = policies.wire.put(group, version="2022-12-01", json={"location": "westeurope"})
        assert made.status_code in (200, 201), made.text
        assert policies.assigned(group, "atExactScope()") == []
        policies.assign(group, fresh, definition)
        deleted = policies.wire.delete(group, version="2022-12-01")
        assert deleted.status_code in (200, 202), deleted.text
    assert policies.assigned(policies.arm.subscription, f"policyDefinitionId eq '{definition}'") == []


def test_policies_outlive_the_server(lasting_server: Server, fresh):
    policies = Policies(Arm.of(lasting_server))
    made = policies.define(fresh, description="ä \u2028 \"quoted\"", metadata={"numbers": [1.5, -(2**63)], "none": None})
    at = [policies.assign(policies.scope(level), fresh, made["id"]) for level in LEVELS]
    gone = policies.assign(policies.arm.subscription, "gone", made["id"])
    policies.delete(gone["id"])
    lasting_server.kill()
    lasting_server.start()
    assert policies.get(made["id"]).json() == made
    assert [policies.get(each["id"]).json() for each in at] == at
    assert set(policies.assigned(policies.arm.subscription)) == {each["id"] for each in at}
    assert_refused(policies.delete(made["id"]), 409, "Conflict")


def test_every_call_is_on_record_with_its_name(cli, policies, fresh):
    begun = audit.now()
    path = policies.assignment(policies.scope("pool"), fresh)
    definition = policies.define(fresh)["id"]
    policies.assign(policies.scope("pool"), fresh, definition)
    policies.get(path)
    policies.put(path, {})
    policies.get(definition)
    for each in (definition, path, definition, definition):
        policies.delete(each)
    found = audit.records_about(cli, fresh, since=begun)
    assert [(each["operationName"], each["properties"]["httpStatusCode"]) for each in found] == [
        ("PolicyDefinitionPut", 201), ("PolicyAssignmentPut", 201), ("PolicyAssignmentGet", 200), ("PolicyAssignmentPut", 400),
        ("PolicyDefinitionGet", 200), ("PolicyDefinitionDelete", 409), ("PolicyAssignmentDelete", 200), ("PolicyDefinitionDelete", 200),
        ("PolicyDefinitionDelete", 204)]
    assert {each["identity"]["claim"]["oid"] for each in found} == {policies.arm.object_id}
    changes = [each["properties"].get("id") for each in found if each["operationName"].endswith(("Put", "Delete"))]
    assert changes[:2] == [definition, path] and changes[-3:-1] == [path, definition]
