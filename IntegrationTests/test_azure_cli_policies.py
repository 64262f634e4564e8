"""Diagnostic settings and policies through the unmodified Azure CLI. What it does is looked at by plain calls."""

import json
import uuid

import pytest

from harness.hsm_pool import POOL
from harness.management_wire import Arm

pytest_plugins = ["harness.azure_cli_fixtures"]

WORKSPACE = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-monitoring/providers"
    "/Microsoft.OperationalInsights/workspaces/law-security")
AUDIT, METRICS = {"category": "AuditEvent", "enabled": True}, {"category": "AllMetrics", "enabled": True}
OFF = {"enabled": False, "days": 0}
RULE = {
    "if": {"field": "Microsoft.KeyVault.Data/vaults/keys/keySize", "less": "[parameters('minimumRSAKeySize')]"},
    "then": {"effect": "[parameters('effect')]"},
}
PARAMETERS = {
    "minimumRSAKeySize": {"type": "Integer", "allowedValues": [2048, 3072, 4096]},
    "effect": {"type": "String", "allowedValues": ["Audit", "Deny"], "defaultValue": "Audit"},
}
SIZE = {"minimumRSAKeySize": {"value": 3072}}
LEVELS = ("subscription", "group", "vault", "pool")


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def scopes(arm) -> dict[str, str]:
    pool = f"{arm.group()}/providers/Microsoft.KeyVault/managedHSMs/{POOL}"
    return {"subscription": arm.subscription, "group": arm.group(), "vault": arm.vault(arm.create()), "pool": pool}


@pytest.fixture
def fresh() -> str:
    return f"p{uuid.uuid4().hex[:20]}"


def names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


# Diagnostic settings


@pytest.mark.operation("DiagnosticSettingPut")
@pytest.mark.operation("DiagnosticSettingGet")
@pytest.mark.operation("DiagnosticSettingList")
@pytest.mark.operation("DiagnosticSettingDelete")
@pytest.mark.parametrize("kind", ["vault", "pool"])
def test_a_diagnostic_setting_is_created_shown_changed_and_deleted(az, arm, scopes, fresh, kind):
    setting = f"--name {fresh} --resource {scopes[kind]}"
    made = az.json(
        f"monitor diagnostic-settings create {setting} --workspace {WORKSPACE} --logs", json.dumps([AUDIT]),
        "--metrics", json.dumps([METRICS]))
    assert (made["name"], made["workspaceId"]) == (fresh, WORKSPACE)
    assert (made["logs"], made["metrics"]) == ([{**AUDIT, "retentionPolicy": OFF}], [{**METRICS, "retentionPolicy": OFF}])
    assert az.json(f"monitor diagnostic-settings show {setting}") == made
    assert made in az.json(f"monitor diagnostic-settings list --resource {scopes[kind]}")
    stored = arm.wire.get(made["id"], version="2021-05-01-preview").json()
    assert (stored["id"], stored["properties"]["logs"]) == (made["id"], made["logs"])
    changed = az.json(f"monitor diagnostic-settings update {setting} --set logs[0].enabled=false")
    assert changed["logs"] == [{**AUDIT, "enabled": False, "retentionPolicy": OFF}] and changed["metrics"] == made["metrics"]
    az.run(f"monitor diagnostic-settings delete {setting}")
    assert "(ResourceNotFound)" in az.refused(f"monitor diagnostic-settings show {setting}", exit_code=3)
    assert fresh not in names(az.json(f"monitor diagnostic-settings list --resource {scopes[kind]}"))


@pytest.mark.operation("DiagnosticCategoryList")
@pytest.mark.operation("DiagnosticCategoryGet")
@pytest.mark.parametrize(
    ("kind", "logs"), [("vault", {"AuditEvent", "AzurePolicyEvaluationDetails"}), ("pool", {"AuditEvent"})], ids=["vault", "pool"])
def test_categories_are_listed_and_shown(az, scopes, kind, logs):
    listed = az.json(f"monitor diagnostic-settings categories list --resource {scopes[kind]}")["value"]
    assert {(each["name"], each["categoryType"]) for each in listed} == {("AllMetrics", "Metrics"), *((each, "Logs") for each in logs)}
    assert az.json(f"monitor diagnostic-settings categories show --name AuditEvent --resource {scopes[kind]}") in listed


def test_a_setting_is_created_by_the_names_of_its_vault(az, arm, scopes, fresh):
    vault = scopes["vault"].rsplit("/", 1)[1]
    resource = f"--resource {vault} --resource-group {arm.default_group} --resource-type Microsoft.KeyVault/vaults"
    made = az.json(
        f"monitor diagnostic-settings create --name {fresh} {resource} --workspace {WORKSPACE} --logs",
        json.dumps([{"categoryGroup": "allLogs", "enabled": True}]))
    assert made["id"].startswith(scopes["vault"] + "/") and made["logs"][0]["categoryGroup"] == "allLogs"
    az.run(f"monitor diagnostic-settings delete --name {fresh} {resource}")


def test_retention_is_refused_with_the_reason(az, scopes, fresh):
    logs = [{**AUDIT, "retentionPolicy": {"enabled": True, "days": 2555}}]
    said = az.refused(
        f"monitor diagnostic-settings create --name {fresh} --resource {scopes['vault']} --workspace {WORKSPACE} --logs", json.dumps(logs))
    assert "(BadParameter)" in said and "retired" in said and "at the destination" in said
    assert fresh not in names(az.json(f"monitor diagnostic-settings list --resource {scopes['vault']}"))


# Policies


@pytest.fixture
def definition(az, fresh) -> dict:
    made = az.json(
        f"policy definition create --name {fresh} --mode Microsoft.KeyVault.Data --display-name 'RSA keys' --rules", json.dumps(RULE),
        "--params", json.dumps(PARAMETERS), "--metadata", '{"category": "Key Vault"}')
    yield made
    az.run(f"policy definition delete --name {fresh}")


@pytest.mark.operation("PolicyDefinitionPut")
@pytest.mark.operation("PolicyDefinitionGet")
@pytest.mark.operation("PolicyDefinitionList")
@pytest.mark.operation("PolicyDefinitionDelete")
def test_a_definition_is_created_shown_changed_and_deleted(az, arm, fresh):
    made = az.json(
        f"policy definition create --name {fresh} --mode Microsoft.KeyVault.Data --display-name 'RSA keys' --rules", json.dumps(RULE),
        "--params", json.dumps(PARAMETERS), "--metadata", '{"category": "Key Vault"}')
    assert (made["policyRule"], made["parameters"]) == (RULE, PARAMETERS)
    assert (made["mode"], made["policyType"], made["metadata"]["category"]) == ("Microsoft.KeyVault.Data", "Custom", "Key Vault")
    assert made["id"] == f"{arm.subscription}/providers/Microsoft.Authorization/policyDefinitions/{fresh}"
    assert az.json(f"policy definition show --name {fresh}") == made
    assert made in az.json("policy definition list")
    changed = az.json(f"policy definition update --name {fresh} --display-name 'All keys'")
    assert (changed["displayName"], changed["policyRule"]) == ("All keys", RULE)
    assert arm.wire.get(made["id"], version="2023-04-01").json()["properties"]["displayName"] == "All keys"
    az.run(f"policy definition delete --name {fresh}")
    assert arm.wire.get(made["id"], version="2023-04-01").status_code == 404
    assert fresh not in names(az.json("policy definition list"))


@pytest.mark.operation("PolicyAssignmentPut")
@pytest.mark.operation("PolicyAssignmentGet")
@pytest.mark.operation("PolicyAssignmentDelete")
@pytest.mark.parametrize("level", LEVELS)
def test_a_policy_is_assigned_shown_and_taken_away(az, arm, scopes, definition, fresh, level):
    scope = f"--scope {scopes[level]}"
    made = az.json(f"policy assignment create --name a-{fresh} --policy {fresh} {scope} --params", json.dumps(SIZE))
    assert (made["name"], made["scope"], made["policyDefinitionId"]) == (f"a-{fresh}", scopes[level], definition["id"])
    assert (made["parameters"], made["enforcementMode"]) == (SIZE, "Default")
    assert az.json(f"policy assignment show --name a-{fresh} {scope}") == made
    assert arm.wire.get(made["id"], version="2023-04-01").json()["properties"]["parameters"] == SIZE
    said = az.refused(f"policy definition delete --name {fresh}")
    assert "(Conflict)" in said and "is assigned" in said
    az.run(f"policy assignment delete --name a-{fresh} {scope}")
    assert "(ResourceNotFound)" in az.refused(f"policy assignment show --name a-{fresh} {scope}", exit_code=3)


@pytest.mark.operation("PolicyAssignmentList")
@pytest.mark.usefixtures("definition")
def test_assignments_are_listed_by_where_they_are(az, arm, scopes, fresh):
    made = {level: f"{level}-{fresh}" for level in ("subscription", "group")}
    for level, name in made.items():
        az.run(f"policy assignment create --name {name} --policy {fresh} --scope {scopes[level]} --params", json.dumps(SIZE))
    group = f"--resource-group {arm.default_group}"
    for options, seen in (("", {made["subscription"]}), (group, {made["group"]}), (f"{group} --filter atScope()", set(made.values()))):
        listed = names(az.json(f"policy assignment list {options}"))
        assert {name for name in listed if name.endswith(fresh)} == seen, options
    for level, name in made.items():
        az.run(f"policy assignment delete --name {name} --scope {scopes[level]}")


@pytest.mark.usefixtures("definition")
def test_parameters_that_do_not_fit_are_refused(az, scopes, fresh):
    assign = f"policy assignment create --name a-{fresh} --policy {fresh} --scope {scopes['vault']}"
    assert "minimumRSAKeySize" in az.refused(assign)
    for wrong in ({"minimumRSAKeySize": {"value": 1024}}, {**SIZE, "effect": {"value": "Append"}}):
        said = az.refused(f"{assign} --params", json.dumps(wrong))
        assert "(BadParameter)" in said and "none of the allowed values" in said
    assert az.refused(f"policy assignment show --name a-{fresh} --scope {scopes['vault']}", exit_code=3)
