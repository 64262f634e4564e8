"""Diagnostic settings of vaults and pools: what is stored and told, and that a wrong one is refused and changes nothing."""

import copy
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from requests import Response

from harness import audit
from harness.hsm_pool import POOL
from harness.management_wire import GONE, Arm, assert_refused, changed, vault_name
from harness.server import Server

VERSION = "2021-05-01-preview"
INSIGHTS = "/providers/Microsoft.Insights/diagnosticSettings"
KINDS = ("vault", "pool")
MOST = 5
ELSEWHERE = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-monitoring/providers"
WORKSPACE = f"{ELSEWHERE}/Microsoft.OperationalInsights/workspaces/law-security"
DESTINATIONS = {
    "workspaceId": WORKSPACE,
    "storageAccountId": f"{ELSEWHERE}/Microsoft.Storage/storageAccounts/logs",
    "eventHubAuthorizationRuleId": f"{ELSEWHERE}/Microsoft.EventHub/namespaces/n/authorizationRules/r",
    "marketplacePartnerId": f"{ELSEWHERE}/Microsoft.Datadog/monitors/dd1",
}
AUDIT = {"category": "AuditEvent", "enabled": True}
METRICS = {"category": "AllMetrics", "enabled": True}
OFF = {"enabled": False, "days": 0}
SETTING = {"properties": {"workspaceId": WORKSPACE, "logs": [AUDIT], "metrics": [METRICS]}}

# Section 9.1 of the runbook, as printed.
RUNBOOK = {
    "name": "key-vault-audit-logging",
    "properties": {
        "workspaceId": WORKSPACE,
        "logs": [
            {"category": "AuditEvent", "enabled": True, "retentionPolicy": {"enabled": True, "days": 2555}},
            {"category": "AzurePolicyEvaluationDetails", "enabled": True, "retentionPolicy": {"enabled": True, "days": 365}},
        ],
        "metrics": [{"category": "AllMetrics", "enabled": True, "retentionPolicy": {"enabled": True, "days": 365}}],
    },
}


def told(**entry) -> dict:
    """A log or metric as an answer has it: retention is told as switched off."""
    return {**entry, "retentionPolicy": OFF}


class Settings:
    """The diagnostic settings of one vault or pool."""

    def __init__(self, arm: Arm, resource: str):
        self.wire, self.resource = arm.wire, resource

    def path(self, name: str) -> str:
        return f"{self.resource}{INSIGHTS}/{name}"

    def ask_put(self, name: str, body: object = SETTING) -> Response:
        return self.wire.put(self.path(name), version=VERSION, json=body)

    def ask_get(self, name: str) -> Response:
        return self.wire.get(self.path(name), version=VERSION)

    def ask_delete(self, name: str) -> Response:
        return self.wire.delete(self.path(name), version=VERSION)

    def ask_list(self) -> Response:
        return self.wire.get(self.resource + INSIGHTS, version=VERSION)

    def ask_categories(self, name: str | None = None) -> Response:
        return self.wire.get(f"{self.resource}{INSIGHTS}Categories" + (f"/{name}" if name else ""), version=VERSION)

    def put(self, name: str, **properties) -> dict:
        answer = self.ask_put(name, {"properties": {**SETTING["properties"], **properties}})
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()

    def all(self) -> list[dict]:
        answer = self.ask_list()
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()["value"]

    @property
    def names(self) -> list[str]:
        return [each["name"] for each in self.all()]


def settings_of(arm: Arm, kind: str) -> Settings:
    pool = f"{arm.group()}/providers/Microsoft.KeyVault/managedHSMs/{POOL}"
    return Settings(arm, arm.vault(arm.create()) if kind == "vault" else pool)


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module", params=KINDS)
def standing(request, arm) -> Settings:
    """Those of a vault and of a pool, with one that no wrong request may change."""
    made = settings_of(arm, request.param)
    made.put("standing")
    yield made
    made.ask_delete("standing")


@pytest.fixture(params=KINDS)
def settings(request, arm) -> Settings:
    """Those of a new vault, and of the pool, where none are left."""
    made = settings_of(arm, request.param)
    kept = [each for each in made.names if each != "standing"]
    assert kept == []
    yield made
    for name in set(made.names) - {"standing"}:
        made.ask_delete(name)


def others(settings: Settings) -> list[dict]:
    """What a test has made."""
    return [each for each in settings.all() if each["name"] != "standing"]


# What is answered


@pytest.mark.operation("DiagnosticSettingPut")
@pytest.mark.operation("DiagnosticSettingGet")
@pytest.mark.operation("DiagnosticSettingList")
def test_a_setting_is_answered_as_a_whole(arm, settings):
    answer = settings.ask_put("to-the-workspace", SETTING)
    made = answer.json()
    data = made.pop("systemData")
    assert (answer.status_code, made) == (200, {
        "id": settings.path("to-the-workspace"), "name": "to-the-workspace", "type": "Microsoft.Insights/diagnosticSettings",
        "properties": {"workspaceId": WORKSPACE, "logs": [told(**AUDIT)], "metrics": [told(**METRICS)]}})
    assert data["createdBy"] == data["lastModifiedBy"] == arm.object_id
    assert data["createdByType"] == data["lastModifiedByType"] == "Application"
    assert data["createdAt"] == data["lastModifiedAt"]
    assert settings.ask_get("to-the-workspace").json() == answer.json()
    assert others(settings) == [answer.json()]


@pytest.mark.operation("DiagnosticSettingPut")
def test_a_setting_is_replaced_as_a_whole(settings):
    first = settings.put("one", eventHubName="hub", logAnalyticsDestinationType="Dedicated")
    assert first["properties"]["eventHubName"] == "hub" and first["properties"]["logAnalyticsDestinationType"] == "Dedicated"
    body = {"properties": {"storageAccountId": DESTINATIONS["storageAccountId"], "logs": [{**AUDIT, "enabled": False}]}}
    second = settings.ask_put("one", body).json()
    assert second["properties"] == {
        "storageAccountId": DESTINATIONS["storageAccountId"], "logs": [told(category="AuditEvent", enabled=False)], "metrics": []}
    assert second["systemData"]["createdAt"] == first["systemData"]["createdAt"]
    assert second["systemData"]["lastModifiedAt"] > first["systemData"]["lastModifiedAt"]
    assert others(settings) == [second]


@pytest.mark.operation("DiagnosticSettingDelete")
def test_a_deleted_setting_is_gone(settings):
    for name in ("b", "a"):
        settings.put(name)
    assert [each["name"] for each in others(settings)] == ["a", "b"]
    answer = settings.ask_delete("a")
    assert (answer.status_code, answer.content) == (200, b"")
    assert_refused(settings.ask_get("a"), 404, "ResourceNotFound", "'a'")
    assert [each["name"] for each in others(settings)] == ["b"]
    again = settings.ask_delete("a")
    assert (again.status_code, again.content) == (204, b"")


def test_a_resource_has_at_most_five_settings(settings):
    names = [f"n{number}" for number in range(MOST - len(settings.names))]
    for name in names:
        settings.put(name)
    assert_refused(settings.ask_put("one-more"), 409, "Conflict", str(MOST))
    assert len(settings.names) == MOST and "one-more" not in settings.names
    assert settings.put(names[0], eventHubName="hub")["properties"]["eventHubName"] == "hub"
    assert settings.ask_delete(names[1]).status_code == 200
    settings.put("one-more")
    assert len(settings.names) == MOST and "one-more" in settings.names


def test_at_most_five_are_made_at_once(arm):
    settings = settings_of(arm, "vault")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda number: settings.ask_put(f"n{number}").status_code, range(16)))
    assert sorted(answers) == [200] * MOST + [409] * (16 - MOST)
    assert len(settings.names) == MOST


def test_names_are_the_same_in_any_case(arm, settings):
    made = settings.put("Some-Name")
    shouting = Settings(arm, settings.resource.upper())
    assert shouting.ask_get("SOME-NAME").json() == shouting.ask_get("some-name").json() == made
    again = shouting.ask_put("SOME-NAME").json()
    assert (again["id"], again["name"]) == (made["id"], "Some-Name")
    assert others(settings) == others(shouting) == [again]
    assert shouting.ask_delete("sOME-nAME").status_code == 200 and others(settings) == []


@pytest.mark.parametrize("name", ["a b", "ä", "x" * 260, "a'b", "a#b", "(a)"])
def test_a_name_may_be(arm, name):
    settings = settings_of(arm, "vault")
    path = settings.path(name).replace("#", "%23")
    made = arm.wire.put(path, version=VERSION, json=SETTING).json()
    assert (made["name"], made["id"]) == (name, settings.path(name))
    assert arm.wire.get(path, version=VERSION).json() == made and settings.all() == [made]


# Categories


@pytest.mark.operation("DiagnosticCategoryList")
@pytest.mark.operation("DiagnosticCategoryGet")
@pytest.mark.parametrize(
    ("kind", "logs"), [("vault", ["AuditEvent", "AzurePolicyEvaluationDetails"]), ("pool", ["AuditEvent"])], ids=KINDS)
def test_categories_are_those_of_the_service(arm, kind, logs):
    settings = settings_of(arm, kind)
    listed = settings.ask_categories().json()["value"]
    assert {each["name"]: each["properties"]["categoryType"] for each in listed} == {
        **{name: "Logs" for name in logs}, "AllMetrics": "Metrics"}
    groups = {each["name"]: each["properties"]["categoryGroups"] for each in listed}
    assert set(groups["AuditEvent"]) == {"audit", "allLogs"} and groups["AllMetrics"] == []
    for each in listed:
        assert each["type"] == "microsoft.insights/diagnosticSettingsCategories"
        assert each["id"].lower() == f"{settings.resource}{INSIGHTS}Categories/{each['name']}".lower()
        assert settings.ask_categories(each["name"]).json() == settings.ask_categories(each["name"].lower()).json() == each
    assert_refused(settings.ask_categories("SignInLogs"), 404, "ResourceNotFound", "SignInLogs")


def test_a_pool_has_no_log_of_policies(arm):
    settings = settings_of(arm, "pool")
    assert_refused(settings.ask_categories("AzurePolicyEvaluationDetails"), 404, "ResourceNotFound")
    body = changed(SETTING, "properties.logs", [{"category": "AzurePolicyEvaluationDetails", "enabled": True}])
    assert_refused(settings.ask_put("policies", body), 400, "BadParameter", "properties.logs.category", "AzurePolicyEvaluationDetails")


def test_categories_and_groups_are_told_as_the_service_spells_them(settings):
    logs = [{"category": "auditevent", "enabled": True}, {"categoryGroup": "ALLLOGS", "enabled": False}]
    made = settings.put("spelled", logs=logs, metrics=[{"category": "ALLMETRICS", "enabled": False}])
    assert made["properties"]["logs"] == [
        told(category="AuditEvent", enabled=True), told(categoryGroup="allLogs", enabled=False)]
    assert made["properties"]["metrics"] == [told(category="AllMetrics", enabled=False)]
    made = settings.put("spelled", logs=[{"categoryGroup": "audit", "enabled": True}], metrics=None)
    assert (made["properties"]["logs"], made["properties"]["metrics"]) == ([told(categoryGroup="audit", enabled=True)], [])


# Destinations


@pytest.mark.parametrize("destination", DESTINATIONS)
def test_one_destination_is_enough(arm, destination):
    settings = settings_of(arm, "vault")
    body = {"properties": {destination: DESTINATIONS[destination], "logs": [AUDIT]}}
    assert settings.ask_put("one", body).status_code == 200
    assert settings.ask_get("one").json()["properties"] == {**body["properties"], "logs": [told(**AUDIT)], "metrics": []}


def test_several_destinations_are_kept_and_empty_ones_are_none(settings):
    made = settings.put("all", **DESTINATIONS)
    assert {name: made["properties"][name] for name in DESTINATIONS} == DESTINATIONS
    made = settings.put("all", **{**DESTINATIONS, "storageAccountId": "", "eventHubAuthorizationRuleId": None})
    assert not made["properties"].get("storageAccountId") and not made["properties"].get("eventHubAuthorizationRuleId")
    assert made["properties"]["workspaceId"] == WORKSPACE


# What is refused


def entries(which: str) -> list[tuple[str, object, str]]:
    """Wrong logs or metrics, with the word that the refusal must have."""
    right = AUDIT if which == "logs" else METRICS
    kept = {"enabled": True, "days": 30}
    return [
        (f"properties.{which}", value, word)
        for value, word in [
            ({}, which), ("AuditEvent", which), (["AuditEvent"], which), ([None], which), ([[]], which),
            ([{**right, "enabled": "true"}], "enabled"), ([{**right, "enabled": 1}], "enabled"), ([{**right, "enabled": None}], "enabled"),
            ([{"category": right["category"]}], "enabled"), ([{"enabled": True}], "category"),
            ([{**right, "category": "SignInLogs"}], "SignInLogs"), ([{**right, "category": ""}], "category"),
            ([{**right, "category": 5}], "category"), ([{**right, "categoryGroup": "audit"}], "categoryGroup"),
            ([{"categoryGroup": "everything", "enabled": True}], "categoryGroup"),
            ([{"categoryGroup": "audit", "category": 5, "enabled": True}], "category"),
            ([right, right], "twice"), ([right, {**right, "category": right["category"].upper()}], "twice"),
            ([{**right, "retentionPolicy": kept}], "retired"), ([{**right, "retentionPolicy": {"days": 30}}], "retentionPolicy"),
            ([{**right, "retentionPolicy": "30"}], "retentionPolicy"), ([{**right, "retentionPolicy": []}], "retentionPolicy"),
        ]
    ]


WRONG = [
    *[(f"properties.{name}", value, name) for name in DESTINATIONS for value in (5, [], {}, True, "law-security", "/subscriptions")],
    ("properties.workspaceId", GONE, "destination"), ("properties.workspaceId", "", "destination"),
    ("properties.workspaceId", None, "destination"), ("properties.workspaceId", WORKSPACE + "x" * 1_024, "workspaceId"),
    ("properties.eventHubName", 5, "eventHubName"), ("properties.eventHubName", ["hub"], "eventHubName"),
    ("properties.logAnalyticsDestinationType", True, "logAnalyticsDestinationType"),
    *entries("logs"), *entries("metrics"),
    ("properties.metrics", [AUDIT], "AuditEvent"), ("properties.logs", [METRICS], "AllMetrics"),
    ("properties.metrics", [{"categoryGroup": "allLogs", "enabled": True}], "categoryGroup"),
    *[("properties", value, "properties") for value in (GONE, None, [], "x")],
    ("properties", {"workspaceId": WORKSPACE}, "log or metric"), ("properties", {"workspaceId": WORKSPACE, "logs": []}, "log or metric"),
]


def test_a_wrong_body_is_refused_by_the_name_of_its_member(standing):
    before, faults = standing.ask_get("standing").json(), []
    for path, value, word in WRONG:
        for name in ("standing", "new"):
            answer = standing.ask_put(name, changed(SETTING, path, value))
            try:
                assert_refused(answer, 400, "BadParameter", word)
            except AssertionError as fault:
                faults.append(f"{path} = {'nothing' if value is GONE else value!r}: {fault}"[:300])
    names = standing.names
    standing.ask_delete("new")
    assert not faults, "\n".join(faults)
    assert names == ["standing"] and standing.ask_get("standing").json() == before


@pytest.mark.parametrize("body", ["", "{", "null", "[]", '"text"', '{"properties": {"logs": [], "logs": []}}'])
def test_a_body_that_is_no_object_is_refused(standing, body):
    before = standing.all()
    answer = standing.wire.put(standing.path("standing"), version=VERSION, data=body, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, "BadParameter")
    assert standing.all() == before


@pytest.mark.parametrize("name", ["a%3Cb", "a%3Eb", "a*b", "a%25b", "a&b", "a:b", "a%3Fb", "a+b", "x" * 261])
def test_a_name_with_what_names_may_not_have_is_refused(standing, name):
    before = standing.all()
    answer = standing.wire.put(standing.path(name), version=VERSION, json=SETTING)
    assert_refused(answer, 400, "BadParameter", "name")
    assert standing.all() == before


def asked(settings: Settings) -> list[Response]:
    """Each operation once."""
    return [
        settings.ask_put("one"), settings.ask_get("one"), settings.ask_list(), settings.ask_delete("one"), settings.ask_categories(),
        settings.ask_categories("AuditEvent")]


def test_a_resource_that_is_not_there_has_no_settings(arm):
    pools, vault = f"{arm.group()}/providers/Microsoft.KeyVault/managedHSMs", arm.create()
    absent = [arm.vault(vault_name()), f"{pools}/{vault_name()}", arm.vault(POOL), f"{pools}/{vault}", arm.vault(vault, "elsewhere")]
    for resource in absent:
        for answer in asked(Settings(arm, resource)):
            assert_refused(answer, 404, "ResourceNotFound", resource.rsplit("/", 1)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_another_subscription_is_refused(arm, kind):
    resource = settings_of(arm, kind).resource.replace(arm.subscription, f"/subscriptions/{uuid.uuid4()}")
    for answer in asked(Settings(arm, resource)):
        assert_refused(answer, 403, "AuthorizationFailed", "Microsoft.Insights/diagnosticSettings/")


def test_a_call_without_a_version_is_refused(standing):
    before = standing.all()
    path = standing.path("standing")
    for answer in (
        standing.wire.put(path, version=None, json=SETTING), standing.wire.get(path, version=None),
        standing.wire.delete(path, version=None),
        standing.wire.get(standing.resource + INSIGHTS, version=None), standing.wire.put(path, version="latest", json=SETTING),
    ):
        assert_refused(answer, 400, "InvalidApiVersionParameter", "api-version")
    assert standing.all() == before


# The runbook


def test_the_settings_of_the_runbook_are_refused_with_the_reason(arm):
    settings = settings_of(arm, "vault")
    answer = settings.ask_put(RUNBOOK["name"], {"properties": RUNBOOK["properties"]})
    assert_refused(answer, 400, "BadParameter", "retentionPolicy", "retired", "destination")
    assert settings.all() == []


@pytest.mark.parametrize("retention", [GONE, None, OFF, {"enabled": False, "days": 365}], ids=["absent", "null", "off", "off-with-days"])
def test_the_settings_of_the_runbook_are_kept_once_retention_is_off(arm, retention):
    settings = settings_of(arm, "vault")
    properties = copy.deepcopy(RUNBOOK["properties"])
    for entry in properties["logs"] + properties["metrics"]:
        entry.pop("retentionPolicy") if retention is GONE else entry.update(retentionPolicy=retention)
    made = settings.ask_put(RUNBOOK["name"], {"properties": properties}).json()
    assert [(each["category"], each["enabled"], each["retentionPolicy"]) for each in made["properties"]["logs"]] == [
        ("AuditEvent", True, OFF), ("AzurePolicyEvaluationDetails", True, OFF)]
    assert made["properties"]["metrics"] == [told(**METRICS)] and settings.all() == [made]


# Over time


def test_settings_come_back_with_a_vault_and_go_when_it_is_purged(arm):
    name = vault_name()
    gone, beside = Settings(arm, arm.vault(arm.create(name))), Settings(arm, arm.vault(arm.create(f"{name}x")))
    made, kept = gone.put("one"), beside.put("one")
    arm.delete(name)
    for answer in asked(gone):
        assert_refused(answer, 404, "ResourceNotFound", name)
    arm.recover(name)
    assert gone.all() == [made]
    arm.erase(name)
    arm.create(name)
    assert gone.all() == [] and beside.all() == [kept]


@pytest.mark.parametrize("kind", KINDS)
def test_settings_outlive_the_server(lasting_server: Server, kind):
    settings = settings_of(Arm.of(lasting_server), kind)
    made = [settings.put(name, eventHubName=f"hub \"{name}\" \u2028 ä") for name in ("one", "two")]
    settings.ask_delete("two")
    lasting_server.kill()
    lasting_server.start()
    assert settings.all() == made[:1]
    assert settings.put("one")["systemData"]["createdAt"] == made[0]["systemData"]["createdAt"]


def test_every_call_is_on_record_with_its_name(cli, arm, settings):
    begun, name = audit.now(), f"s{uuid.uuid4().hex}"
    settings.put(name)
    settings.ask_get(name)
    settings.ask_put(name, {})
    settings.ask_delete(name)
    settings.ask_delete(name)
    found = audit.records_about(cli, name, since=begun)
    assert [(each["operationName"], each["properties"]["httpStatusCode"]) for each in found] == [
        ("DiagnosticSettingPut", 200), ("DiagnosticSettingGet", 200), ("DiagnosticSettingPut", 400), ("DiagnosticSettingDelete", 200),
        ("DiagnosticSettingDelete", 204)]
    assert {each["identity"]["claim"]["oid"] for each in found} == {arm.object_id}
    assert found[0]["resourceId"] == found[3]["resourceId"] == settings.resource.upper()
    assert found[0]["properties"]["id"] == settings.path(name)
