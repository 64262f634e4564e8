"""Vaults of the management plane on the wire: what each call answers, and that a wrong one is refused and changes nothing."""

import threading
import time
import uuid
from datetime import datetime

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from harness import audit
from harness.clients import credential_for
from harness.management_wire import (
    EARLIER, GONE, LATEST, LOCATION, Arm, assert_refused, assert_wrong, case_label, changed, vault_name,
)
from harness.versions import LATEST as DATA_LATEST

ANOTHER = "11111111-1111-4111-8111-111111111111"
SUBNET = f"/subscriptions/{ANOTHER}/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s"


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def standing(arm) -> str:
    """A vault that no wrong request may change."""
    return arm.create(enablePurgeProtection=True, networkAcls={"defaultAction": "Allow", "ipRules": [{"value": "203.0.113.7"}]})


@pytest.fixture
def fresh() -> str:
    return vault_name()


def iso(text: str) -> datetime:
    return datetime.fromisoformat(text[:19] + "+00:00")


# What is answered


@pytest.mark.operation("VaultPut")
def test_a_new_vault_is_answered_as_a_whole(server, arm, fresh):
    answer = arm.ask_put(fresh, {**arm.body(), "tags": {"team": "blue"}})
    made = answer.json()
    assert answer.status_code in (200, 201) and set(made) == {
        "id", "name", "type", "location", "tags", "systemData", "properties"}
    assert (made["id"], made["name"], made["type"]) == (arm.vault(fresh), fresh, "Microsoft.KeyVault/vaults")
    assert (made["location"], made["tags"]) == (LOCATION, {"team": "blue"})
    assert made["properties"] == {
        "tenantId": server.tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": [],
        "enabledForDeployment": False, "enabledForDiskEncryption": False, "enabledForTemplateDeployment": False,
        "enableSoftDelete": True, "softDeleteRetentionInDays": 90, "enableRbacAuthorization": True,
        "vaultUri": server.vault_url(fresh) + "/", "provisioningState": "Succeeded", "publicNetworkAccess": "Enabled",
    }
    data = made["systemData"]
    assert data["createdBy"] == data["lastModifiedBy"] == arm.object_id
    assert data["createdByType"] == data["lastModifiedByType"] == "Application"
    assert data["createdAt"] == data["lastModifiedAt"]
    assert arm.get(fresh) == made
    assert server.wire(fresh).get("/secrets").json() == {"value": [], "nextLink": None}


@pytest.mark.operation("VaultPatch")
def test_a_change_keeps_what_it_does_not_name(server, arm, fresh):
    arm.ask_put(fresh, {**arm.body(softDeleteRetentionInDays=10, enabledForDeployment=True), "tags": {"team": "blue"}})
    before = arm.get(fresh)
    answer = arm.ask_patch(fresh, {"properties": {"enabledForDiskEncryption": True}})
    assert answer.status_code in (200, 201) and answer.json() == arm.get(fresh)
    expected = changed(before, "properties.enabledForDiskEncryption", True)
    assert changed(answer.json(), "systemData", None) == changed(expected, "systemData", None)
    created, modified = (answer.json()["systemData"][name] for name in ("createdAt", "lastModifiedAt"))
    assert created == before["systemData"]["createdAt"] and modified > created
    assert arm.ask_patch(fresh, {"tags": {"b": "2"}}).json()["tags"] == {"b": "2"}
    assert arm.ask_patch(fresh, {"tags": {}}).json()["tags"] == {}
    assert arm.ask_patch(fresh, {}).json()["properties"] == expected["properties"]


def test_a_replacement_keeps_retention_protection_and_model(arm, fresh):
    arm.ask_put(fresh, {**arm.body(softDeleteRetentionInDays=10, enablePurgeProtection=True), "tags": {"team": "blue"}})
    replaced = arm.ask_put(fresh, arm.body(enabledForDeployment=True), version=EARLIER).json()
    told = replaced["properties"]
    assert (told["softDeleteRetentionInDays"], told["enablePurgeProtection"], told["enableRbacAuthorization"]) == (10, True, True)
    assert told["enabledForDeployment"] is True and replaced["tags"] == {}
    assert arm.ask_put(fresh, arm.body(softDeleteRetentionInDays=10)).status_code in (200, 201)


@pytest.mark.operation("VaultDelete")
@pytest.mark.operation("DeletedVaultGet")
@pytest.mark.operation("DeletedVaultList")
def test_a_deleted_vault_is_told_with_its_dates(server, arm, fresh):
    arm.ask_put(fresh, {**arm.body(softDeleteRetentionInDays=7, enablePurgeProtection=True), "tags": {"team": "blue"}})
    answer = arm.ask_delete(fresh)
    assert (answer.status_code, answer.content) == (200, b"")
    deleted = arm.ask_deleted(fresh).json()
    told = deleted.pop("properties")
    assert deleted == {"id": arm.deleted(fresh), "name": fresh, "type": "Microsoft.KeyVault/deletedVaults"}
    begun, ends = iso(told.pop("deletionDate")), iso(told.pop("scheduledPurgeDate"))
    assert (ends - begun).days == 7 and (ends - begun).seconds == 0
    assert abs((datetime.now(begun.tzinfo) - begun).total_seconds()) < 60
    assert told == {
        "vaultId": arm.vault(fresh), "location": LOCATION, "tags": {"team": "blue"}, "purgeProtectionEnabled": True}
    listed = arm.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/deletedVaults", version=LATEST).json()["value"]
    assert [each for each in listed if each["name"] == fresh] == [arm.ask_deleted(fresh).json()]
    assert arm.ask_deleted(fresh, "West Europe").json() == arm.ask_deleted(fresh.upper()).json() == arm.ask_deleted(fresh).json()
    # It is gone from everywhere else.
    assert_refused(arm.ask_get(fresh), 404, "ResourceNotFound")
    assert_refused(arm.ask_patch(fresh, {}), 404, "ResourceNotFound")
    assert_refused(arm.ask_policies("add", fresh), 404, "ResourceNotFound")
    assert (again := arm.ask_delete(fresh)).status_code == 204 and again.content == b""
    for path in ("/resources", "/providers/Microsoft.KeyVault/vaults"):
        seen = arm.wire.get(arm.subscription + path, version=LATEST).json()["value"]
        assert seen and fresh not in [each["name"] for each in seen]
    gone = server.wire(fresh).get("/secrets")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "VaultNotFound")
    assert server.wire_with(None, fresh).get("/secrets").status_code == 401
    assert not arm.is_free(fresh)
    assert_refused(arm.ask_put(fresh), 409, "ConflictError", "recover", "purge")


@pytest.mark.operation("VaultPurge")
@pytest.mark.operation("OperationResultGet")
def test_a_purge_is_accepted_and_followed_to_its_end(arm, fresh):
    arm.create(fresh)
    arm.delete(fresh)
    answer = arm.ask_purge(fresh)
    assert (answer.status_code, answer.content) == (202, b"")
    location = answer.headers["Location"]
    prefix = f"{arm.wire.base}{arm.subscription}/providers/Microsoft.KeyVault/locations/{LOCATION}/operationResults/"
    assert location.startswith(prefix) and "api-version=" in location
    # From now on nothing of it can be had back.
    assert_refused(arm.ask_deleted(fresh), 404, "ResourceNotFound")
    assert_refused(arm.ask_purge(fresh), 404, "ResourceNotFound")
    recovered = arm.ask_recover(fresh)
    assert recovered.status_code in (404, 409) and recovered.json()["error"]["code"] in ("ResourceNotFound", "ConflictError")
    ended = arm.finish(location)
    assert set(ended) == {"createdDateTime", "lastActionDateTime", "status"} and ended["status"] == "Succeeded"
    assert iso(ended["createdDateTime"]) <= iso(ended["lastActionDateTime"])
    assert arm.is_free(fresh)
    # Whose name it is not tells nothing.
    for wrong in (location.replace(fresh, vault_name()), location.replace("operationResults/", "operationResults/x"), f"{prefix}x"):
        target = wrong if "api-version=" in wrong else f"{wrong}?api-version={LATEST}"
        assert_refused(arm.wire.get(target), 404, "ResourceNotFound")


def test_the_begin_of_a_purge_is_told_the_same_at_every_look(arm, fresh):
    arm.create(fresh)
    arm.delete(fresh)
    location = arm.purge(fresh)
    first = arm.finish(location)
    time.sleep(1.1)
    assert arm.finish(location)["createdDateTime"] == first["createdDateTime"]


def test_the_names_of_deleted_vaults_are_kept_until_they_are_purged(arm, fresh):
    arm.create(fresh)
    assert not arm.is_free(fresh)
    arm.delete(fresh)
    assert not arm.is_free(fresh.upper())
    arm.recover(fresh)
    assert not arm.is_free(fresh)


def test_one_of_many_makes_a_vault_and_the_others_find_it(arm, server, fresh):
    """Some clients ask at once for the same name: all are answered about one vault, or told that it is taken."""
    answers: list = []
    wires = [Arm.of(server) for _ in range(8)]
    threads = [threading.Thread(target=lambda one=one: answers.append(one.ask_put(fresh))) for one in wires]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and {answer.status_code for answer in answers} <= {200, 201, 409}
    made = [answer.json()["systemData"]["createdAt"] for answer in answers if answer.status_code != 409]
    assert made and set(made) == {arm.get(fresh)["systemData"]["createdAt"]}
    server.wire(fresh).set_secret("works")


# Bodies that are wrong, whatever they are for

POLICY = {"objectId": ANOTHER, "permissions": {"secrets": ["get"]}}
WRONG = [
    ("location", 7), ("location", ""), ("location", "west_europe"), ("location", "west/europe"), ("location", "x" * 65),
    ("tags", []), ("tags", "x"), ("tags", {"a": 1}), ("tags", {"a": None}), ("tags", {"a": {}}),
    ("tags", {f"n{number}": "v" for number in range(51)}), ("tags", {"n" * 513: "v"}), ("tags", {"n": "v" * 257}),
    ("properties", []), ("properties", "x"), ("properties", 1),
    ("properties.tenantId", "x"), ("properties.tenantId", 7), ("properties.tenantId", ANOTHER),
    ("properties.sku", "standard"), ("properties.sku", {}), ("properties.sku", {"family": "A"}),
    ("properties.sku.family", "B"), ("properties.sku.family", 7), ("properties.sku.name", "deluxe"), ("properties.sku.name", 7),
    *[("properties.softDeleteRetentionInDays", days) for days in (6, 91, 0, -7, "seven", "6", "91", "", 7.5, True, 2**70, [7])],
    ("properties.enableSoftDelete", False), ("properties.enableSoftDelete", "yes"),
    ("properties.enablePurgeProtection", False), ("properties.enablePurgeProtection", "yes"), ("properties.enablePurgeProtection", 1),
    ("properties.enableRbacAuthorization", "yes"), ("properties.enableRbacAuthorization", 1),
    ("properties.enabledForDeployment", "yes"), ("properties.enabledForDiskEncryption", 1),
    ("properties.enabledForTemplateDeployment", []),
    ("properties.createMode", "fresh"), ("properties.createMode", ""), ("properties.createMode", 7),
    ("properties.publicNetworkAccess", "Closed"), ("properties.publicNetworkAccess", ""), ("properties.publicNetworkAccess", True),
    ("properties.networkAcls", "x"), ("properties.networkAcls", []),
    ("properties.networkAcls.defaultAction", "Maybe"), ("properties.networkAcls.defaultAction", True),
    ("properties.networkAcls.bypass", "All"), ("properties.networkAcls.bypass", 1),
    ("properties.networkAcls.ipRules", "203.0.113.7"), ("properties.networkAcls.ipRules", ["203.0.113.7"]),
    ("properties.networkAcls.ipRules", [{}]), ("properties.networkAcls.ipRules", [{"value": 7}]),
    ("properties.networkAcls.virtualNetworkRules", [{}]), ("properties.networkAcls.virtualNetworkRules", [{"id": 7}]),
    ("properties.networkAcls.virtualNetworkRules", [{"id": ""}]), ("properties.networkAcls.virtualNetworkRules", [{"id": "subnet"}]),
    ("properties.networkAcls.virtualNetworkRules", [{"id": SUBNET.rsplit("/", 2)[0]}]),
    ("properties.networkAcls.virtualNetworkRules", [{"id": SUBNET.replace("virtualNetworks", "publicIPAddresses")}]),
    ("properties.accessPolicies", "x"), ("properties.accessPolicies", {}), ("properties.accessPolicies", [{}]),
    ("properties.accessPolicies", ["x"]),
    *[("properties.accessPolicies", [changed(POLICY, path, value)]) for path, value in [
        ("objectId", GONE), ("objectId", "me"), ("objectId", 7), ("tenantId", ANOTHER), ("tenantId", "x"),
        ("applicationId", "me"), ("applicationId", 7), ("permissions", GONE), ("permissions", []), ("permissions", "get"),
        ("permissions.secrets", "get"), ("permissions.secrets", ["read"]), ("permissions.secrets", ["get", "encrypt"]),
        ("permissions.secrets", [""]), ("permissions.secrets", [7]), ("permissions.keys", ["managecontacts"]),
        ("permissions.certificates", ["encrypt"]), ("permissions.storage", ["sign"]),
    ]],
    ("properties.accessPolicies", [POLICY, POLICY]),
    ("properties.accessPolicies", [POLICY, changed(POLICY, "objectId", ANOTHER.upper())]),
]


@pytest.mark.parametrize("case", WRONG, ids=case_label)
def test_a_wrong_member_is_refused_and_changes_nothing(arm, standing, fresh, case):
    assert_wrong(arm, standing, fresh, case)


MISSING = ["location", "properties", "properties.tenantId", "properties.sku", "properties.sku.name"]


@pytest.mark.parametrize("value", [GONE, None], ids=["absent", "null"])
@pytest.mark.parametrize("path", MISSING)
def test_a_vault_is_not_made_without_what_it_must_have(arm, fresh, path, value):
    assert_refused(arm.ask_put(fresh, changed(arm.body(), path, value)), 400, "BadParameter")
    assert arm.is_free(fresh)


@pytest.mark.parametrize("path", MISSING)
def test_a_vault_is_not_replaced_by_a_body_that_lacks_what_it_must_have(arm, standing, path):
    before = arm.get(standing)
    assert_refused(arm.ask_put(standing, changed(arm.body(), path, GONE)), 400, "BadParameter")
    assert arm.get(standing) == before


@pytest.mark.parametrize(
    "text",
    [b"", b"no json", b"[]", b"null", b"7", b'"x"', b"{", b'{"tags":{},}', b'{"tags":{"a":"1"},"tags":{}}', b"{" * 40, b"\xff\xfe{}",
     b'{"properties":{"a":' + b"[" * 40 + b"]" * 40 + b"}}"],
    ids=lambda text: text[:24].decode("latin-1"))
def test_a_body_that_is_no_object_is_refused(arm, standing, fresh, text):
    headers, before = {"Content-Type": "application/json"}, arm.get(standing)
    for method, path in [
        ("PUT", arm.vault(fresh)), ("PUT", arm.vault(standing)), ("PATCH", arm.vault(standing)),
        ("PUT", arm.vault(standing) + "/accessPolicies/add"),
    ]:
        assert_refused(arm.wire.call(method, path, version=LATEST, headers=headers, data=text), 400, "BadParameter")
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_a_body_that_is_too_long_is_refused(arm, standing):
    before = arm.get(standing)
    answer = arm.ask_patch(standing, {"tags": {"a": "x" * (1 << 20)}})
    assert_refused(answer, 413, "RequestBodyTooLarge")
    assert arm.get(standing) == before


def test_members_that_are_not_known_are_passed_over(arm, fresh):
    """Clients of later versions send more, and send back what they were told."""
    wanted = changed(arm.body(), "properties.somethingNew", {"a": [1]})
    assert arm.ask_put(fresh, {**wanted, "zones": ["1"]}).status_code in (200, 201)
    told = arm.get(fresh)
    assert arm.ask_put(fresh, told).json()["properties"] == told["properties"]


def test_limits_are_met_exactly(arm, fresh):
    tags = {**{f"n{number}": "v" for number in range(48)}, "n" * 512: "v", "long": "v" * 256}
    for days in (7, 90):
        name = vault_name()
        made = arm.ask_put(name, {**arm.body(softDeleteRetentionInDays=days), "tags": tags}).json()
        assert (made["properties"]["softDeleteRetentionInDays"], made["tags"]) == (days, tags)
    assert arm.ask_put(fresh, arm.body(softDeleteRetentionInDays="8")).json()["properties"]["softDeleteRetentionInDays"] == 8


# Names and places

NAMES = [
    "ab", "a" * 25, "1abc", "-abc", "abc-", "a--b", "a_bc", "a.bc", "ab%20c", "caf%C3%A9", "a%00bc", "vault%0Aname", "...", "abc~",
]


@pytest.mark.parametrize("wrong", NAMES)
def test_a_name_that_cannot_be_a_vaults_is_refused(arm, wrong):
    # Some cannot even be a path: that is said before it is looked at.
    codes = {(400, "VaultNameNotValid"), (400, "BadRequest")} if "%0" in wrong else {(400, "VaultNameNotValid")}
    for answer in (arm.ask_put(wrong), arm.ask_patch(wrong, {}), arm.ask_delete(wrong), arm.ask_policies("add", wrong)):
        assert (answer.status_code, answer.json()["error"]["code"]) in codes, answer.text
    assert arm.ask_get(wrong).status_code in (400, 404)


@pytest.mark.parametrize("right", ["{}", "{}-a1", "{}A"])
def test_names_are_compared_without_their_case(server, arm, right):
    name = right.format(vault_name()[:14])
    arm.create(name.upper())
    assert arm.get(name.lower())["properties"]["vaultUri"] == server.vault_url(name.lower()) + "/"
    assert arm.get(name.upper())["id"].lower() == arm.vault(name).lower()
    assert not arm.is_free(name)
    assert arm.ask_patch(name.title(), {"tags": {"a": "b"}}).json()["tags"] == {"a": "b"}


@pytest.fixture(scope="module")
def elsewhere(arm) -> str:
    """Another resource group."""
    name = f"group-{uuid.uuid4().hex[:8]}"
    made = arm.wire.put(arm.group(name), version=LATEST, json={"location": LOCATION})
    assert made.status_code in (200, 201), made.text
    return name


def test_a_vault_is_in_its_group_only(arm, standing, elsewhere):
    before = arm.get(standing)
    assert_refused(arm.ask_put(standing, group=elsewhere), 409, "VaultAlreadyExists", standing)
    assert_refused(arm.ask_patch(standing, {"tags": {"x": "y"}}, group=elsewhere), 404, "ResourceNotFound", standing, elsewhere)
    assert_refused(arm.ask_policies("add", standing, POLICY, group=elsewhere), 404, "ResourceNotFound")
    assert_refused(arm.ask_get(standing, group=elsewhere), 404, "ResourceNotFound")
    assert arm.ask_delete(standing, group=elsewhere).status_code == 204
    assert arm.get(standing) == before


def test_a_vault_is_recovered_in_its_group_only(arm, fresh, elsewhere):
    arm.create(fresh)
    arm.delete(fresh)
    answer = arm.ask_recover(fresh, group=elsewhere)
    assert answer.status_code in (404, 409), answer.text
    assert arm.ask_deleted(fresh).status_code == 200
    assert_refused(arm.ask_get(fresh, group=elsewhere), 404, "ResourceNotFound")


def test_a_vault_is_recovered_in_its_location_only(arm, fresh):
    arm.create(fresh)
    arm.delete(fresh)
    wrong = {**arm.body(createMode="recover"), "location": "northeurope"}
    assert_refused(arm.ask_put(fresh, wrong), 409, "Conflict", "location")
    assert arm.ask_deleted(fresh).status_code == 200


def test_a_group_must_be_there(arm, fresh):
    assert_refused(arm.ask_put(fresh, group="no-such-group"), 404, "ResourceGroupNotFound", "no-such-group")
    assert arm.is_free(fresh)
    assert_refused(arm.ask_put(fresh, group="no.such.group."), 400, "BadParameter")


def test_a_vault_of_another_group_is_made_and_listed_there(arm, fresh, elsewhere):
    arm.create(fresh, group=elsewhere.upper())
    made = arm.get(fresh, group=elsewhere)
    assert made["id"] == arm.vault(fresh, elsewhere)
    listed = arm.wire.get(f"{arm.group(elsewhere)}/providers/Microsoft.KeyVault/vaults", version=LATEST).json()["value"]
    assert made in listed


@pytest.mark.parametrize("ask", ["ask_put", "ask_patch"])
def test_the_location_of_a_vault_stays(arm, standing, ask):
    before = arm.get(standing)
    assert_refused(getattr(arm, ask)(standing, {**arm.body(), "location": "northeurope"}), 409, "Conflict", LOCATION, standing)
    assert arm.get(standing) == before
    answer = getattr(arm, ask)(standing, {**arm.body(), "location": "West Europe"})
    assert answer.status_code in (200, 201) and answer.json()["location"] == LOCATION


# Settings with a way in and none out


def test_a_premium_vault_stays_one(server, arm, fresh):
    arm.create(fresh)
    keys = server.wire(fresh)
    assert keys.post("/keys/hard/create", json={"kty": "EC-HSM"}).status_code == 400
    raised = arm.change(fresh, sku={"family": "A", "name": "Premium"})
    assert raised["properties"]["sku"] == {"family": "A", "name": "Premium"}
    assert keys.post("/keys/hard/create", json={"kty": "EC-HSM"}).status_code == 200
    before = arm.get(fresh)
    for ask in (arm.ask_put, arm.ask_patch):
        assert_refused(ask(fresh, arm.body()), 400, "BadParameter", "premium")
    assert arm.get(fresh) == before
    assert keys.get("/keys/hard").status_code == 200


@pytest.mark.parametrize("days", [7, 89])
def test_the_retention_of_a_vault_stays(arm, standing, days):
    before = arm.get(standing)
    for ask in (arm.ask_put, arm.ask_patch):
        assert_refused(ask(standing, arm.body(softDeleteRetentionInDays=days)), 400, "BadParameter", "softDeleteRetentionInDays", "90")
    assert arm.get(standing) == before


def test_a_protected_vault_can_be_recovered_and_not_purged(server, arm, fresh):
    arm.create(fresh)
    arm.change(fresh, enablePurgeProtection=True)
    wire = server.wire(fresh)
    assert wire.set_secret("kept")["attributes"]["recoveryLevel"] == "Recoverable"
    arm.delete(fresh)
    assert_refused(arm.ask_purge(fresh), 403, "Forbidden", "purge protection")
    assert arm.ask_deleted(fresh).json()["properties"]["purgeProtectionEnabled"] is True
    assert arm.recover(fresh)["properties"]["enablePurgeProtection"] is True
    assert wire.get("/secrets/kept").status_code == 200


# Recovery


def test_what_is_not_deleted_is_not_recovered(arm, standing, fresh):
    before = arm.get(standing)
    assert_refused(arm.ask_recover(standing), 400, "BadParameter", "createMode")
    assert_refused(arm.ask_recover(fresh), 404, "ResourceNotFound", fresh)
    assert_refused(arm.ask_deleted(standing), 404, "ResourceNotFound")
    assert_refused(arm.ask_purge(standing), 404, "ResourceNotFound")
    assert_refused(arm.ask_deleted(fresh), 404, "ResourceNotFound")
    assert_refused(arm.ask_purge(fresh), 404, "ResourceNotFound")
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_a_deleted_vault_is_found_in_its_location_only(arm, fresh):
    arm.create(fresh)
    arm.delete(fresh)
    for location in ("northeurope", "west-europe"):
        assert_refused(arm.ask_deleted(fresh, location), 404, "ResourceNotFound")
        assert_refused(arm.ask_purge(fresh, location), 404, "ResourceNotFound")
    assert arm.recover(fresh)["name"] == fresh


def test_recovery_brings_back_what_there_was_and_takes_nothing_from_the_body(server, arm, fresh):
    arm.ask_put(fresh, {**arm.body(softDeleteRetentionInDays=9, enabledForDeployment=True), "tags": {"a": "b"}})
    wire, before = server.wire(fresh), arm.get(fresh)
    wire.set_secret("one", "first")
    newest = wire.set_secret("one", "second", tags={"t": "1"})
    wire.set_secret("two")
    deleted = wire.delete_secret("two")
    arm.delete(fresh)
    body = {**arm.body(createMode="Recover", enabledForDeployment=False, publicNetworkAccess="Disabled"), "tags": {}}
    back = arm.ask_put(fresh, body)
    assert back.status_code in (200, 201) and back.json() == arm.get(fresh)
    assert changed(back.json(), "systemData", None) == changed(before, "systemData", None)
    assert back.json()["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    assert wire.get("/secrets/one").json() == newest
    assert len(wire.get("/secrets/one/versions").json()["value"]) == 2
    assert wire.get("/deletedsecrets/two").json() == deleted
    assert_refused(arm.ask_deleted(fresh), 404, "ResourceNotFound")


# The permission model, by the version that makes the vault


@pytest.mark.parametrize(
    ("version", "uses_roles"),
    [("2015-06-01", False), ("2019-09-01", False), ("2021-06-01-preview", False), ("2023-02-01", False), (EARLIER, False),
     ("2024-11-01", False), ("2025-05-01", False), (LATEST, True), ("2026-02-01-preview", True), ("2026-05-15", True)])
def test_earlier_versions_make_vaults_of_access_policies(server, arm, fresh, version, uses_roles):
    made = arm.ask_put(fresh, arm.body(accessPolicies=[]), version=version)
    assert made.json()["properties"]["enableRbacAuthorization"] is uses_roles
    refusal = server.wire(fresh).get("/secrets/absent").json()["error"]
    # The owner has every role and no policy.
    assert refusal.get("innererror", {}).get("code") == (None if uses_roles else "AccessDenied"), refusal
    # What there is stays, whatever version asks.
    other = EARLIER if uses_roles else LATEST
    assert arm.ask_put(fresh, arm.body(accessPolicies=[]), version=other).json()["properties"]["enableRbacAuthorization"] is uses_roles
    assert arm.ask_patch(fresh, {"tags": {}}, version=other).json()["properties"]["enableRbacAuthorization"] is uses_roles
    assert arm.ask_get(fresh, version=other).json()["properties"]["enableRbacAuthorization"] is uses_roles


@pytest.mark.parametrize("version", [EARLIER, LATEST])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_model_that_is_asked_for_is_used(arm, fresh, version, wanted):
    body = arm.body(enableRbacAuthorization=wanted, accessPolicies=[])
    assert arm.ask_put(fresh, body, version=version).json()["properties"]["enableRbacAuthorization"] is wanted


def test_a_vault_of_policies_needs_them_in_every_whole_body(arm, fresh):
    for version, body in [(EARLIER, arm.body()), (LATEST, arm.body(enableRbacAuthorization=False))]:
        assert_refused(arm.ask_put(fresh, body, version=version), 400, "BadParameter", "accessPolicies")
    assert arm.is_free(fresh)
    entry = arm.entry(ANOTHER, secrets=["get"])
    assert arm.ask_put(fresh, arm.body(accessPolicies=[entry]), version=EARLIER).status_code in (200, 201)
    before = arm.get(fresh)
    for version in (EARLIER, LATEST):
        assert_refused(arm.ask_put(fresh, version=version), 400, "BadParameter", "accessPolicies")
    assert arm.get(fresh) == before and before["properties"]["accessPolicies"] == [entry]
    arm.delete(fresh)
    assert arm.recover(fresh)["properties"]["accessPolicies"] == [entry]


# Versions, subscriptions, paths

ODD = [None, "", "7.4", "yesterday", "2026-13-45", "2026-02-30", "20260201", "2026-2-1", " 2026-02-01", "2026-02-01'"]


def every_call(arm: Arm, name: str) -> list[tuple[str, str, dict | None]]:
    provider = f"{arm.subscription}/providers/Microsoft.KeyVault"
    return [
        ("PUT", arm.vault(name), arm.body()), ("PATCH", arm.vault(name), {"tags": {"x": "y"}}), ("GET", arm.vault(name), None),
        ("DELETE", arm.vault(name), None),
        ("PUT", arm.vault(name) + "/accessPolicies/add", {"properties": {"accessPolicies": [POLICY]}}),
        ("GET", f"{provider}/deletedVaults", None), ("GET", arm.deleted(name), None), ("POST", arm.deleted(name) + "/purge", None),
        ("GET", f"{provider}/locations/{LOCATION}/operationResults/x", None),
    ]


@pytest.mark.parametrize("version", ODD, ids=str)
def test_a_version_that_is_no_date_is_refused_by_every_call(arm, standing, fresh, version):
    before = arm.get(standing)
    for name in (standing, fresh):
        for method, path, body in every_call(arm, name):
            answer = arm.wire.call(method, path, version=version, json=body)
            assert (answer.status_code, set(answer.json())) == (400, {"error"}), f"{method} {path}: {answer.text}"
            assert "api-version" in answer.json()["error"]["message"]
    assert arm.get(standing) == before and arm.is_free(fresh)


@pytest.mark.parametrize("version", ["7.4", "2026-13-45"])
def test_a_version_that_is_none_has_a_code_of_its_own(arm, standing, version):
    """Clients that try another version tell it from a wrong body by its code."""
    assert_refused(arm.ask_get(standing, version=version), 400, "InvalidApiVersionParameter", "api-version")


def test_two_versions_are_refused(arm, fresh):
    answer = arm.wire.put(arm.vault(fresh) + f"?api-version={LATEST}", version=EARLIER, json=arm.body())
    assert answer.status_code == 400 and arm.is_free(fresh)


def test_another_subscription_has_no_vaults(arm, standing, fresh):
    before = arm.get(standing)
    for name in (standing, fresh):
        for method, path, body in every_call(arm, name):
            wrong = path.replace(arm.subscription, f"/subscriptions/{ANOTHER}")
            assert wrong != path
            answer = arm.wire.call(method, wrong, version=LATEST, json=body)
            expected = {403: "AuthorizationFailed", 404: "ResourceNotFound"}
            assert expected.get(answer.status_code) == answer.json()["error"]["code"], f"{method} {wrong}: {answer.text}"
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_a_subscription_that_is_no_guid_is_refused(arm, fresh):
    for method, path, body in every_call(arm, fresh):
        answer = arm.wire.call(method, path.replace(arm.subscription, "/subscriptions/mine"), version=LATEST, json=body)
        assert answer.status_code in (400, 404), answer.text
    assert arm.is_free(fresh)


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS"])
def test_a_method_that_a_vault_does_not_have_is_refused(arm, standing, method):
    before = arm.get(standing)
    answer = arm.wire.call(method, arm.vault(standing), version=LATEST, json={})
    assert answer.status_code == 405 and {"GET", "PUT", "PATCH", "DELETE"} <= set(answer.headers["Allow"].split(", "))
    assert arm.get(standing) == before


@pytest.mark.parametrize("kind", ["merge", "", "added", "add/x"])
def test_policies_change_in_three_ways_only(arm, standing, kind):
    before = arm.get(standing)
    assert arm.ask_policies(kind, standing, POLICY).status_code in (400, 404, 405)
    assert arm.get(standing) == before


@pytest.mark.parametrize("body", [{}, {"properties": {}}, {"properties": {"accessPolicies": None}}, {"properties": []}], ids=str)
def test_a_change_of_policies_without_any_is_refused(arm, standing, body):
    before = arm.get(standing)
    for kind in ("add", "replace", "remove"):
        answer = arm.wire.put(f"{arm.vault(standing)}/accessPolicies/{kind}", version=LATEST, json=body)
        assert_refused(answer, 400, "BadParameter")
    assert arm.get(standing) == before


@pytest.mark.parametrize("case", [case for case in WRONG if case[0] == "properties.accessPolicies"], ids=case_label)
def test_a_wrong_policy_is_not_added(arm, standing, case):
    before = arm.get(standing)
    for kind in ("add", "replace", "remove"):
        body = {"properties": {"accessPolicies": case[1]}}
        answer = arm.wire.put(f"{arm.vault(standing)}/accessPolicies/{kind}", version=LATEST, json=body)
        assert_refused(answer, 400, "BadParameter")
    assert arm.get(standing) == before


# Who may

CALLS = ["create", "read", "change", "add policy", "delete", "deleted get", "deleted list", "recover", "purge"]
READING = {"read", "deleted get", "deleted list"}
# `vaults/*/read` is about what is in a vault.
LOOKING_AROUND = {"deleted get", "deleted list"}
ROLES = {
    "Owner": set(CALLS),
    "Contributor": set(CALLS),
    "Key Vault Contributor": set(CALLS) - {"purge"},
    "Reader": READING,
    "Key Vault Administrator": LOOKING_AROUND,
    "Key Vault Reader": LOOKING_AROUND,
    "Key Vault Secrets User": set(),
    "Key Vault Purge Operator": {"deleted get", "purge"},
    "User Access Administrator": READING,
}


@pytest.fixture(scope="module")
def holders(server, cli, arm) -> dict[str, Arm]:
    made = {}
    for role in ROLES:
        application = cli.create_application(f"{role.replace(' ', '-')}-{uuid.uuid4().hex[:8]}")
        cli.assign(application, role, arm.subscription)
        made[role] = Arm.of(server, application)
    return made


@pytest.fixture(scope="module")
def protected(arm) -> str:
    """A deleted vault that nobody can purge: who may is told why not."""
    name = arm.create(enablePurgeProtection=True)
    arm.delete(name)
    return name


@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_what_its_definition_says(arm, holders, protected, role):
    own, name = holders[role], arm.create()
    listing = f"{arm.subscription}/providers/Microsoft.KeyVault/deletedVaults"
    allowed = set()

    def let_in(call: str, answer) -> None:
        if answer.status_code == 403 and answer.json()["error"]["code"] == "AuthorizationFailed":
            return
        assert answer.status_code in (200, 201) or (call, answer.status_code) == ("purge", 403), f"{call}: {answer.text}"
        allowed.add(call)

    let_in("create", own.ask_put(vault_name()))
    let_in("read", own.ask_get(name))
    let_in("change", own.ask_patch(name, {"tags": {"a": "b"}}))
    let_in("add policy", own.ask_policies("add", name, POLICY))
    let_in("delete", own.ask_delete(name))
    arm.ask_delete(name)
    let_in("deleted get", own.ask_deleted(name))
    if name in [each["name"] for each in own.wire.get(listing, version=LATEST).json()["value"]]:
        allowed.add("deleted list")
    let_in("recover", own.ask_recover(name))
    let_in("purge", own.ask_purge(protected))
    assert allowed == ROLES[role]


def test_a_role_on_a_group_makes_vaults_there_only(server, cli, arm, elsewhere, fresh):
    application = cli.create_application(f"group-{fresh}")
    cli.assign(application, "Key Vault Contributor", arm.group(elsewhere))
    own = Arm.of(server, application)
    assert_refused(own.ask_put(fresh), 403, "AuthorizationFailed", "Microsoft.KeyVault/vaults/write")
    assert arm.is_free(fresh)
    assert own.ask_put(fresh, group=elsewhere).status_code in (200, 201)
    assert own.ask_delete(fresh, group=elsewhere).status_code == 200
    assert own.ask_recover(fresh, group=elsewhere).status_code in (200, 201)


def test_who_may_nothing_learns_nothing_of_deleted_vaults(server, arm, stranger, fresh):
    """A deleted vault, one that is not deleted and one that never was look the same to a caller without a role."""
    own, live, absent = Arm.of(server, stranger), arm.create(), vault_name()
    arm.create(fresh)
    arm.delete(fresh)
    for location in (LOCATION, "northeurope", "west_europe", "x" * 70):
        for ask in (own.ask_deleted, own.ask_purge):
            answers = {name: ask(name, location) for name in (fresh, live, absent)}
            told = {(answer.status_code, answer.text.replace(name, "NAME")) for name, answer in answers.items()}
            assert len(told) == 1, f"{location}: {told}"
            assert answers[absent].status_code in (400, 403, 404)
    listing = own.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/deletedVaults", version=LATEST)
    assert listing.json()["value"] == []
    assert arm.ask_deleted(fresh).status_code == 200


def test_who_may_nothing_learns_nothing_of_vaults(server, arm, stranger, standing, fresh):
    own, before = Arm.of(server, stranger), arm.get(standing)
    for call in ("ask_put", "ask_delete", "ask_get", "ask_recover"):
        told = {getattr(own, call)(name).text.replace(name, "NAME") for name in (standing, fresh)}
        assert len(told) == 1 and "AuthorizationFailed" in told.pop(), call
    for name in (standing, fresh):
        assert_refused(own.ask_patch(name, {"tags": {}}), 403, "AuthorizationFailed")
        assert_refused(own.ask_policies("add", name, POLICY), 403, "AuthorizationFailed")
    # Nor from a wrong body.
    assert_refused(own.ask_put(standing, {"location": 7}), 403, "AuthorizationFailed")
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_without_a_token_every_call_is_challenged(server, arm, standing):
    nobody = Arm(type(arm.wire)(arm.wire.base, server.bundle), arm.subscription, arm.default_group, arm.tenant)
    for method, path, body in every_call(arm, standing):
        answer = nobody.wire.call(method, path, version=LATEST, json=body)
        assert answer.status_code == 401 and "authorization=" in answer.headers["WWW-Authenticate"], f"{method} {path}"


def test_a_token_of_the_data_plane_changes_no_vault(server, arm, standing):
    data = Arm(type(arm.wire)(arm.wire.base, server.bundle, server.token()), arm.subscription, arm.default_group, arm.tenant)
    for method, path, body in every_call(arm, standing):
        assert data.wire.call(method, path, version=LATEST, json=body).status_code == 401, f"{method} {path}"
    assert arm.get(standing)["name"] == standing


# The log


def test_every_change_of_a_vault_is_on_record_with_its_name(cli, arm, fresh):
    begun = audit.now()
    arm.create(fresh)
    arm.change(fresh, enabledForDeployment=True)
    arm.ask_policies("add", fresh, POLICY)
    arm.delete(fresh)
    arm.recover(fresh)
    arm.delete(fresh)
    arm.finish(arm.purge(fresh))
    resource = arm.vault(fresh).upper()
    by_caller = [
        (record["operationName"], record["properties"]["httpStatusCode"], record["resourceId"])
        for record in audit.records_about(cli, fresh, since=begun)
        if record["operationName"].startswith("Vault") and record["identity"]["claim"]["oid"] == arm.object_id
        and record["operationName"] != "VaultNameCheck"
    ]
    assert [each[:2] for each in by_caller] == [
        ("VaultPut", 200), ("VaultPatch", 200), ("VaultAccessPolicyPut", 200), ("VaultDelete", 200), ("VaultPut", 200),
        ("VaultDelete", 200), ("VaultPurge", 202)]
    assert [each[2] for each in by_caller[:-1]] == [resource] * 6
    assert fresh.upper() in by_caller[-1][2], f"the purge is on record about {by_caller[-1][2]}"


def test_what_the_server_erases_is_on_record_with_the_name_of_the_vault(cli, arm, fresh):
    begun = audit.now()
    arm.create(fresh)
    arm.erase(fresh)
    erased = [record for record in audit.records(cli, since=begun) if record["operationName"] == "VaultErase"]
    assert erased and all(record["identity"]["claim"]["idtyp"] == "system" for record in erased)
    assert any(fresh in str(record).lower() for record in erased), erased


def test_a_refused_change_is_on_record(cli, server, arm, stranger, standing):
    begun = audit.now()
    Arm.of(server, stranger).ask_delete(standing)
    (record,) = audit.records_about(cli, standing, since=begun)
    assert (record["operationName"], record["properties"]["httpStatusCode"], record["resultType"]) == ("VaultDelete", 403, "Failed")
    assert record["identity"]["claim"]["oid"] == stranger.object_id
    assert record["resourceId"] == arm.vault(standing).upper()


# The asynchronous client, unmodified


async def test_the_asynchronous_client_takes_a_vault_through_its_life(server, arm, fresh):
    from azure.identity.aio import ClientSecretCredential
    from azure.mgmt.keyvault.aio import KeyVaultManagementClient

    who = server.owner
    credential = ClientSecretCredential(
        who.tenant, who.app_id, who.password, authority=server.login, disable_instance_discovery=True,
        connection_verify=server.bundle)
    subscription = server.client_env["AZURE_SUBSCRIPTION_ID"]
    async with credential, KeyVaultManagementClient(
        credential, subscription, base_url=arm.wire.base, credential_scopes=[f"{arm.wire.base}/.default"],
        connection_verify=server.bundle, polling_interval=0.2,
    ) as client:
        group = arm.default_group
        made = await (await client.vaults.begin_create_or_update(group, fresh, arm.body(softDeleteRetentionInDays=7))).result()
        assert made.properties.provisioning_state == "Succeeded" and made.id == arm.vault(fresh)
        with pytest.raises(HttpResponseError) as refused:
            await client.vaults.update(group, fresh, {"properties": {"softDeleteRetentionInDays": 8}})
        assert (refused.value.status_code, refused.value.error.code) == (400, "BadParameter")
        await client.vaults.delete(group, fresh)
        assert fresh in [vault.name async for vault in client.vaults.list_deleted()]
        with pytest.raises(ResourceExistsError):
            await (await client.vaults.begin_create_or_update(group, fresh, arm.body())).result()
        back = await (await client.vaults.begin_create_or_update(group, fresh, arm.body(createMode="recover"))).result()
        assert back.id == made.id
        await client.vaults.delete(group, fresh)
        await (await client.vaults.begin_purge_deleted(fresh, LOCATION)).result()
        with pytest.raises(ResourceNotFoundError):
            await client.vaults.get_deleted(fresh, LOCATION)
        assert (await client.vaults.check_name_availability({"name": fresh, "type": "Microsoft.KeyVault/vaults"})).name_available


def test_clients_of_the_data_plane_find_a_new_vault_at_once(server, arm, fresh):
    from azure.keyvault.secrets import SecretClient

    arm.create(fresh)
    with SecretClient(arm.get(fresh)["properties"]["vaultUri"], credential_for(server), connection_verify=server.bundle) as client:
        assert client.set_secret("first", "value").properties.vault_url == server.vault_url(fresh)
    assert server.wire(fresh).get("/secrets/first", version=DATA_LATEST).json()["value"] == "value"
