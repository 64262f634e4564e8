"""Managed HSM pools of the management plane on the wire: what each call answers, and that a wrong one is refused and changes nothing."""

import threading
import time
import uuid
from datetime import datetime

import pytest

from harness import audit
from harness.hsm_pool import pool_keys, pool_url, pool_wire
from harness.management_pools import ADMINISTRATOR, ASSIGNMENTS, DEFINITIONS, Pools, assert_unactivated, pool_name
from harness.management_wire import (
    EARLIER, GONE, LATEST, LOCATION, Arm, assert_refused, assert_withheld, assert_wrong, case_label, changed,
)
from harness.wire import Wire

ANOTHER = "11111111-1111-4111-8111-111111111111"
CRYPTO_USER = "21dbd100-6940-42c2-9190-5d6cb909625b"
READ = "Microsoft.KeyVault/managedHsm/keys/read/action"
NOT_ACTIVATED = (
    "Your HSM has been provisioned, but cannot be used for cryptographic operations until it is activated. To activate the HSM, "
    "download the security domain.")


@pytest.fixture(scope="module")
def arm(server) -> Pools:
    return Pools.of(server)


@pytest.fixture(scope="module")
def standing(arm) -> str:
    """A pool that no wrong request may change."""
    return arm.create(networkAcls={"defaultAction": "Allow", "ipRules": [{"value": "203.0.113.7"}]})


@pytest.fixture(scope="module")
def elsewhere(arm) -> str:
    """Another resource group."""
    name = f"group-{uuid.uuid4().hex[:8]}"
    made = arm.wire.put(arm.group(name), version=LATEST, json={"location": LOCATION})
    assert made.status_code in (200, 201), made.text
    return name


@pytest.fixture
def fresh() -> str:
    return pool_name()


@pytest.fixture
def theirs(server, stranger) -> Pools:
    """Calls of an application that has no role at first."""
    return Pools.of(server, stranger)


def iso(text: str) -> datetime:
    return datetime.fromisoformat(text[:19] + "+00:00")


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["name"] for each in answer.json()["value"]]


# What is answered


@pytest.mark.operation("ManagedHSMPut")
@pytest.mark.operation("ManagedHSMGet")
@pytest.mark.operation("ManagedHSMList")
@pytest.mark.operation("ManagedHSMRegionList")
@pytest.mark.operation("ManagedHSMProvision")
@pytest.mark.operation("ManagedHSMOperationResultGet")
def test_a_new_pool_is_told_at_once_and_provisioned_in_the_end(server, arm, fresh):
    answer = arm.ask_put(fresh, {**arm.body(), "tags": {"team": "blue"}})
    begun, location = answer.json(), answer.headers["Location"]
    assert answer.status_code == 202 and int(answer.headers["Retry-After"]) >= 1
    assert set(begun) == {"id", "name", "type", "location", "sku", "tags", "systemData", "properties"}
    assert (begun["id"], begun["name"], begun["type"]) == (arm.vault(fresh), fresh, "Microsoft.KeyVault/managedHSMs")
    assert (begun["location"], begun["tags"]) == (LOCATION, {"team": "blue"})
    assert begun["sku"] == {"family": "B", "name": "Standard_B1"}
    assert begun["systemData"]["createdBy"] == arm.object_id and begun["systemData"]["createdByType"] == "Application"
    told = begun["properties"]
    assert (told["provisioningState"], told["statusMessage"]) == ("Provisioning", "Allocating hardware")
    assert told.get("hsmUri") is None and told["securityDomainProperties"]["activationStatus"] == "NotActivated"
    prefix = f"{arm.wire.base}{arm.subscription}/providers/Microsoft.KeyVault/locations/{LOCATION}/managedHsmOperationResults/"
    assert location.startswith(prefix) and "api-version=" in location

    ended = arm.finish(location)
    assert ended["properties"] == {
        "tenantId": server.tenant, "initialAdminObjectIds": [arm.object_id], "hsmUri": pool_url(server, fresh) + "/",
        "enableSoftDelete": True, "softDeleteRetentionInDays": 90, "enablePurgeProtection": False, "publicNetworkAccess": "Enabled",
        "regions": [], "provisioningState": "Succeeded", "statusMessage": "The Managed HSM is provisioned and ready to use.",
        "securityDomainProperties": {"activationStatus": "NotActivated", "activationStatusMessage": NOT_ACTIVATED},
    }
    assert {**ended, "properties": None} == {**begun, "properties": None}
    assert arm.get(fresh) == ended == arm.wire.get(location).json()
    for group in (None, arm.default_group):
        assert [each for each in arm.ask_list(group).json()["value"] if each["name"] == fresh] == [ended]
    assert arm.ask_regions(fresh).json()["value"] == [{"name": LOCATION, "provisioningState": "Succeeded", "isPrimary": True}]
    assert fresh in names(arm.wire.get(f"{arm.subscription}/resources", version=LATEST))
    assert not arm.is_free(fresh) and not arm.is_free(fresh.upper())


@pytest.mark.operation("ManagedHSMPut")
def test_every_setting_is_given_when_it_is_made(arm, fresh):
    subnet = f"/subscriptions/{ANOTHER}/resourcegroups/g/providers/microsoft.network/virtualnetworks/n/subnets/s"
    network = {
        "defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "203.0.113.7"}], "virtualNetworkRules": [{"id": subnet}]}
    body = arm.body(
        softDeleteRetentionInDays="7", enablePurgeProtection=True, enableSoftDelete=True, createMode="Default", networkAcls=network,
        publicNetworkAccess="disabled", regions=[], initialAdminObjectIds=[arm.object_id, ANOTHER, ANOTHER.upper()])
    identity = f"{arm.group()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one"
    whole = {
        **body, "location": "West Europe", "sku": {"family": "c", "name": "custom_c10"},
        "identity": {"type": "userassigned", "userAssignedIdentities": {identity: {}}}}
    arm.finish(arm.begin(fresh, whole))
    told = arm.get(fresh)
    assert (told["location"], told["sku"]) == (LOCATION, {"family": "C", "name": "Custom_C10"})
    assert told["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}
    properties = told["properties"]
    assert (properties["softDeleteRetentionInDays"], properties["enablePurgeProtection"]) == (7, True)
    assert (properties["publicNetworkAccess"], properties["initialAdminObjectIds"]) == ("Disabled", [arm.object_id, ANOTHER])
    acls = properties["networkAcls"]
    assert (acls["defaultAction"], acls["bypass"], acls["ipRules"]) == ("Deny", "None", [{"value": "203.0.113.7/32"}])
    assert [each["id"] for each in acls["virtualNetworkRules"]] == [subnet]


@pytest.mark.parametrize("sku", [
    "Standard_B1", "Custom_B6", "Custom_B32", "Custom_C10", "Custom_C42", "Standard_B1v2", "Standard_B5v2", "Standard_B10v2",
    "Standard_B15v2", "Standard_B20v2"])
def test_a_pool_takes_every_sku_of_the_reference_service(arm, standing, sku):
    family = "C" if "_C" in sku else "B"
    for body in ({"sku": {"family": family, "name": sku}}, {"sku": {"name": sku}}):
        assert arm.ask_patch(standing, body).json()["sku"] == {"family": family, "name": sku}
    assert arm.ask_patch(standing, {"sku": {"family": "B", "name": "Standard_B1"}}).status_code == 200


@pytest.mark.operation("ManagedHSMPut")
def test_the_same_body_again_changes_nothing(arm, fresh):
    body = {**arm.body(softDeleteRetentionInDays=10), "tags": {"a": "b"}}
    first = arm.begin(fresh, body)
    # While it is provisioned, too: then it is accepted again.
    again = arm.ask_put(fresh, body)
    assert again.status_code in (200, 202), again.text
    before = arm.finish(first)
    if again.status_code == 202:
        assert changed(arm.finish(again.headers["Location"]), "systemData", None) == changed(before, "systemData", None)
    answer = arm.ask_put(fresh, body)
    assert answer.status_code == 200 and answer.json() == arm.get(fresh)
    assert changed(answer.json(), "systemData", None) == changed(before, "systemData", None)
    assert answer.json()["systemData"]["createdAt"] == before["systemData"]["createdAt"]
    # As clients send back what they were told.
    assert changed(arm.ask_put(fresh, arm.get(fresh)).json(), "systemData", None) == changed(before, "systemData", None)


def test_a_replacement_keeps_what_it_leaves_out_but_tags(arm, fresh):
    arm.finish(arm.begin(fresh, {**arm.body(
        softDeleteRetentionInDays=10, enablePurgeProtection=True, publicNetworkAccess="Disabled"), "tags": {"a": "b"}}))
    before = arm.get(fresh)
    replaced = arm.ask_put(fresh, arm.body(initialAdminObjectIds=[ANOTHER])).json()
    assert replaced["tags"] == {} and replaced["properties"] == before["properties"]


def test_one_of_many_makes_a_pool_and_the_others_find_it(server, arm, fresh):
    answers: list = []
    callers = [Pools.of(server) for _ in range(8)]
    threads = [threading.Thread(target=lambda one=one: answers.append(one.ask_put(fresh))) for one in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8 and {answer.status_code for answer in answers} <= {200, 202, 409}
    accepted = [answer.headers["Location"] for answer in answers if answer.status_code == 202]
    assert {arm.finish(each)["systemData"]["createdAt"] for each in accepted} == {arm.get(fresh)["systemData"]["createdAt"]}


# Changing


@pytest.mark.operation("ManagedHSMPatch")
def test_a_change_keeps_what_it_does_not_name(arm, fresh):
    arm.finish(arm.begin(fresh, {**arm.body(softDeleteRetentionInDays=10), "tags": {"a": "b"}}))
    before = arm.get(fresh)
    answer = arm.ask_patch(fresh, {"properties": {"publicNetworkAccess": "Disabled"}})
    assert answer.status_code == 200 and answer.json() == arm.get(fresh)
    expected = changed(before, "properties.publicNetworkAccess", "Disabled")
    assert changed(answer.json(), "systemData", None) == changed(expected, "systemData", None)
    created, modified = (answer.json()["systemData"][name] for name in ("createdAt", "lastModifiedAt"))
    assert created == before["systemData"]["createdAt"] and modified > created
    assert arm.ask_patch(fresh, {"tags": {"c": "d"}}).json()["tags"] == {"c": "d"}
    assert arm.ask_patch(fresh, {"tags": {}}).json()["tags"] == {}
    assert arm.ask_patch(fresh, {"sku": {"family": "B", "name": "Custom_B6"}}).json()["sku"]["name"] == "Custom_B6"
    assert arm.ask_patch(fresh, {}).json()["properties"] == expected["properties"]


def test_a_change_while_it_is_provisioned_is_not_lost(arm, fresh):
    location = arm.begin(fresh)
    answer = arm.ask_patch(fresh, {"tags": {"early": "yes"}, "properties": {"publicNetworkAccess": "Disabled"}})
    assert answer.status_code in (200, 202), answer.text
    ended = arm.finish(location)
    assert (ended["tags"], ended["properties"]["publicNetworkAccess"]) == ({"early": "yes"}, "Disabled")
    assert ended["properties"]["provisioningState"] == "Succeeded"


def test_purge_protection_has_a_way_in_and_none_out(arm, fresh):
    arm.create(fresh)
    assert arm.change(fresh, enablePurgeProtection=False)["properties"]["enablePurgeProtection"] is False
    assert arm.change(fresh, enablePurgeProtection=True)["properties"]["enablePurgeProtection"] is True
    before = arm.get(fresh)
    for ask in (arm.ask_put, arm.ask_patch):
        assert_refused(ask(fresh, arm.body(enablePurgeProtection=False)), 400, "BadParameter", "enablePurgeProtection", "irreversible")
    assert arm.get(fresh) == before


def test_network_rules_stand_before_activation_and_permissions(server, arm, fresh):
    wire = pool_wire(server, pool=fresh)
    arm.create(fresh, networkAcls={"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "203.0.113.7"}]})
    assert_withheld(wire.get("/settings"), "ForbiddenByFirewall")
    arm.change(fresh, networkAcls={"defaultAction": "Deny", "ipRules": [{"value": "127.0.0.0/8"}, {"value": "::1"}]})
    assert_unactivated(wire.get("/settings"), fresh)
    arm.change(fresh, publicNetworkAccess="Disabled")
    assert_withheld(wire.get("/settings"), "ForbiddenByConnection")
    assert wire.get("/healthstatus").status_code == 200


@pytest.mark.parametrize("ask", ["ask_put", "ask_patch"])
def test_the_location_of_a_pool_stays(arm, standing, ask):
    before = arm.get(standing)
    assert_refused(getattr(arm, ask)(standing, {**arm.body(), "location": "northeurope"}), 409, "Conflict", LOCATION, standing)
    assert arm.get(standing) == before


@pytest.mark.parametrize("days", [7, 89])
def test_the_retention_of_a_pool_stays(arm, standing, days):
    before = arm.get(standing)
    for ask in (arm.ask_put, arm.ask_patch):
        assert_refused(ask(standing, arm.body(softDeleteRetentionInDays=days)), 400, "BadParameter", "softDeleteRetentionInDays", "90")
    assert arm.get(standing) == before


def test_the_region_of_a_pool_may_be_named(arm, standing, fresh):
    arm.create(fresh, regions=[{"name": "West Europe"}])
    assert arm.ask_patch(standing, {"properties": {"regions": [{"name": LOCATION}]}}).status_code == 200


# Bodies that are wrong, whatever they are for

GUIDS = [str(uuid.UUID(int=number)) for number in range(1, 102)]
WRONG = [
    ("location", 7), ("location", ""), ("location", "west_europe"), ("location", "x" * 65),
    ("tags", []), ("tags", "x"), ("tags", {"a": 1}), ("tags", {f"n{number}": "v" for number in range(51)}),
    ("tags", {"n" * 513: "v"}), ("tags", {"n": "v" * 257}),
    ("sku", "Standard_B1"), ("sku", {}), ("sku", {"family": "B"}), ("sku.name", "Standard_B2"), ("sku.name", "premium"), ("sku.name", 7),
    ("sku.family", "A"), ("sku.family", "C"), ("sku.family", 7), ("sku", {"family": "B", "name": "Custom_C10"}),
    ("identity", "x"), ("identity", {}), ("identity.type", "Mine"), ("identity.type", 7),
    ("identity", {"type": "UserAssigned", "userAssignedIdentities": {f"n{number}": {} for number in range(11)}}),
    ("identity", {"type": "UserAssigned", "userAssignedIdentities": {"n" * 1025: {}}}),
    ("properties", []), ("properties", "x"), ("properties", 1),
    ("properties.tenantId", "x"), ("properties.tenantId", 7), ("properties.tenantId", ANOTHER),
    ("properties.initialAdminObjectIds", []), ("properties.initialAdminObjectIds", ["me"]), ("properties.initialAdminObjectIds", [""]),
    ("properties.initialAdminObjectIds", [7]), ("properties.initialAdminObjectIds", ANOTHER), ("properties.initialAdminObjectIds", GUIDS),
    ("properties.initialAdminObjectIds", [ANOTHER, "x"]),
    *[("properties.softDeleteRetentionInDays", days) for days in (6, 91, 0, -7, "seven", "6", "91", "", 7.5, True, 2**70, [7])],
    ("properties.enableSoftDelete", False), ("properties.enableSoftDelete", "yes"),
    ("properties.enablePurgeProtection", "yes"), ("properties.enablePurgeProtection", 1),
    ("properties.createMode", "fresh"), ("properties.createMode", ""), ("properties.createMode", 7),
    ("properties.publicNetworkAccess", "Closed"), ("properties.publicNetworkAccess", ""), ("properties.publicNetworkAccess", True),
    ("properties.networkAcls", "x"), ("properties.networkAcls.defaultAction", "Maybe"), ("properties.networkAcls.bypass", "All"),
    ("properties.networkAcls.ipRules", ["203.0.113.7"]), ("properties.networkAcls.ipRules", [{"value": "nowhere"}]),
    ("properties.networkAcls.virtualNetworkRules", [{"id": "subnet"}]),
    ("properties.regions", "x"), ("properties.regions", [{}]), ("properties.regions", [LOCATION]),
    ("properties.regions", [{"name": "northeurope"}]), ("properties.regions", [{"name": LOCATION}, {"name": "northeurope"}]),
]


@pytest.mark.parametrize("case", WRONG, ids=case_label)
def test_a_wrong_member_is_refused_and_changes_nothing(arm, standing, fresh, case):
    assert_wrong(arm, standing, fresh, case)


@pytest.mark.parametrize("value", [GONE, None], ids=["absent", "null"])
@pytest.mark.parametrize("path", ["location", "sku", "sku.name", "properties", "properties.initialAdminObjectIds"])
def test_a_pool_is_not_made_without_what_it_must_have(arm, fresh, path, value):
    assert_refused(arm.ask_put(fresh, changed(arm.body(), path, value)), 400, "BadParameter", path.split(".")[0])
    assert arm.is_free(fresh)


def test_limits_are_met_exactly(arm, fresh):
    tags = {**{f"n{number}": "v" for number in range(48)}, "n" * 512: "v", "long": "v" * 256}
    made = arm.ask_put(fresh, {**arm.body(softDeleteRetentionInDays=90, initialAdminObjectIds=GUIDS[:100]), "tags": tags})
    assert made.status_code == 202 and made.json()["tags"] == tags
    assert arm.finish(made.headers["Location"])["properties"]["initialAdminObjectIds"] == GUIDS[:100]


@pytest.mark.parametrize(
    "text",
    [b"", b"no json", b"[]", b"null", b'"x"', b"{", b'{"tags":{},}', b"{" * 40, b"\xff\xfe{}"],
    ids=lambda text: text[:24].decode("latin-1"))
def test_a_body_that_is_no_object_is_refused(arm, standing, fresh, text):
    headers, before = {"Content-Type": "application/json"}, arm.get(standing)
    for method, name in [("PUT", fresh), ("PUT", standing), ("PATCH", standing)]:
        answer = arm.wire.call(method, arm.vault(name), version=LATEST, headers=headers, data=text)
        assert_refused(answer, 400, "BadParameter")
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_a_body_that_is_too_long_is_refused(arm, standing, fresh):
    before, long = arm.get(standing), {"tags": {"a": "x" * (1 << 20)}}
    assert_refused(arm.ask_patch(standing, long), 413, "RequestBodyTooLarge")
    assert_refused(arm.ask_put(fresh, {**arm.body(), **long}), 413, "RequestBodyTooLarge")
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_members_that_are_not_known_are_passed_over(arm, fresh):
    wanted = changed(arm.body(), "properties.somethingNew", {"a": [1]})
    arm.finish(arm.begin(fresh, {**wanted, "zones": ["1"]}))
    assert "somethingNew" not in arm.get(fresh)["properties"]


# Names and places


@pytest.mark.parametrize("wrong", ["ab", "a" * 25, "1abc", "-abc", "abc-", "a--b", "a_bc", "a.bc", "ab%20c", "caf%C3%A9", "..."])
def test_a_name_that_cannot_be_a_pools_is_refused(arm, wrong):
    for answer in (arm.ask_put(wrong), arm.ask_patch(wrong, {}), arm.ask_delete(wrong)):
        assert_refused(answer, 400, "VaultNameNotValid")
    assert arm.ask_get(wrong).status_code in (400, 404)


def test_names_are_compared_without_their_case(server, arm, fresh):
    arm.create(fresh.upper())
    assert arm.get(fresh)["properties"]["hsmUri"] == pool_url(server, fresh) + "/"
    assert arm.ask_patch(fresh.title(), {"tags": {"a": "b"}}).json()["tags"] == {"a": "b"}


def test_a_pool_is_in_its_group_only(arm, standing, elsewhere):
    before = arm.get(standing)
    assert_refused(arm.ask_put(standing, group=elsewhere), 409, "VaultAlreadyExists", standing)
    assert_refused(arm.ask_patch(standing, {"tags": {"x": "y"}}, group=elsewhere), 404, "ResourceNotFound", standing, elsewhere)
    assert_refused(arm.ask_get(standing, group=elsewhere), 404, "ResourceNotFound")
    assert arm.ask_delete(standing, group=elsewhere).status_code == 204
    assert arm.get(standing) == before


def test_a_pool_of_another_group_is_made_and_listed_there(arm, fresh, elsewhere):
    arm.create(fresh, group=elsewhere.upper())
    assert arm.get(fresh, group=elsewhere)["id"] == arm.vault(fresh, elsewhere)
    assert names(arm.ask_list(elsewhere)).count(fresh) == 1 and fresh not in names(arm.ask_list(arm.default_group))
    assert_refused(arm.wire.delete(arm.group(elsewhere), version=LATEST), 409, "Conflict")


def test_a_group_must_be_there(arm, fresh):
    assert_refused(arm.ask_put(fresh, group="no-such-group"), 404, "ResourceGroupNotFound", "no-such-group")
    assert arm.is_free(fresh)


def test_a_vault_and_a_pool_may_have_the_same_name(server, arm, fresh):
    vaults = Arm.of(server)
    vaults.create(fresh)
    arm.create(fresh)
    arm.erase(fresh)
    assert vaults.get(fresh)["name"] == fresh and server.wire(fresh).get("/secrets").status_code == 200


def every_call(arm: Pools, name: str) -> list[tuple[str, str, dict | None]]:
    provider = f"{arm.subscription}/providers/Microsoft.KeyVault"
    return [
        ("PUT", arm.vault(name), arm.body()), ("PATCH", arm.vault(name), {"tags": {"x": "y"}}), ("GET", arm.vault(name), None),
        ("DELETE", arm.vault(name), None), ("GET", arm.vault(name) + "/regions", None), ("GET", f"{provider}/managedHSMs", None),
        ("GET", f"{provider}/deletedManagedHSMs", None), ("GET", arm.deleted(name), None), ("POST", arm.deleted(name) + "/purge", None),
        ("GET", f"{provider}/locations/{LOCATION}/managedHsmOperationResults/x", None),
    ]


@pytest.mark.parametrize("version", [None, "", "7.4", "2026-13-45"], ids=str)
def test_a_version_that_is_no_date_is_refused_by_every_call(arm, standing, fresh, version):
    before = arm.get(standing)
    for name in (standing, fresh):
        for method, path, body in every_call(arm, name):
            answer = arm.wire.call(method, path, version=version, json=body)
            assert (answer.status_code, set(answer.json())) == (400, {"error"}), f"{method} {path}: {answer.text}"
            assert "api-version" in answer.json()["error"]["message"]
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_another_subscription_has_no_pools(arm, standing, fresh):
    before = arm.get(standing)
    for name in (standing, fresh):
        for method, path, body in every_call(arm, name):
            wrong = path.replace(arm.subscription, f"/subscriptions/{ANOTHER}")
            answer = arm.wire.call(method, wrong, version=LATEST, json=body)
            expected = {403: "AuthorizationFailed", 404: "ResourceNotFound"}
            assert expected.get(answer.status_code) == answer.json()["error"]["code"], f"{method} {wrong}: {answer.text}"
    assert arm.get(standing) == before and arm.is_free(fresh)


@pytest.mark.parametrize("version", ["2021-06-01-preview", EARLIER, "2026-05-15"])
def test_every_version_makes_pools(arm, fresh, version):
    answer = arm.ask_put(fresh, version=version)
    assert answer.status_code == 202 and arm.finish(answer.headers["Location"])["name"] == fresh
    assert arm.ask_get(fresh, version=version).json() == arm.get(fresh)


# Deletion and recovery


@pytest.mark.operation("ManagedHSMDelete")
@pytest.mark.operation("DeletedManagedHSMGet")
@pytest.mark.operation("DeletedManagedHSMList")
def test_a_deleted_pool_is_told_with_its_dates(server, arm, fresh):
    arm.finish(arm.begin(fresh, {**arm.body(softDeleteRetentionInDays=7, enablePurgeProtection=True), "tags": {"team": "blue"}}))
    answer = arm.ask_delete(fresh)
    assert (answer.status_code, answer.content) == (200, b"")
    deleted = arm.ask_deleted(fresh).json()
    told = deleted.pop("properties")
    assert deleted == {"id": arm.deleted(fresh), "name": fresh, "type": "Microsoft.KeyVault/deletedManagedHSMs"}
    begun, ends = iso(told.pop("deletionDate")), iso(told.pop("scheduledPurgeDate"))
    assert (ends - begun).days == 7 and abs((datetime.now(begun.tzinfo) - begun).total_seconds()) < 60
    assert told == {"mhsmId": arm.vault(fresh), "location": LOCATION, "tags": {"team": "blue"}, "purgeProtectionEnabled": True}
    assert [each for each in arm.ask_list_deleted().json()["value"] if each["name"] == fresh] == [arm.ask_deleted(fresh).json()]
    assert arm.ask_deleted(fresh, "West Europe").json() == arm.ask_deleted(fresh.upper()).json() == arm.ask_deleted(fresh).json()
    assert fresh not in names(arm.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/deletedVaults", version=LATEST))
    # It is gone from everywhere else.
    for gone in (arm.ask_get(fresh), arm.ask_patch(fresh, {}), arm.ask_regions(fresh)):
        assert_refused(gone, 404, "ResourceNotFound")
    assert (again := arm.ask_delete(fresh)).status_code == 204 and again.content == b""
    for listed in (arm.ask_list(), arm.wire.get(f"{arm.subscription}/resources", version=LATEST)):
        assert fresh not in names(listed)
    gone = pool_wire(server, pool=fresh).get("/settings")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "VaultNotFound")
    assert Wire(pool_url(server, fresh), server.bundle).get("/settings").status_code == 401
    assert not arm.is_free(fresh)
    assert_refused(arm.ask_put(fresh), 409, "ConflictError", "managed HSM", "recover", "purge")


@pytest.mark.operation("ManagedHSMPut")
@pytest.mark.parametrize("mode", ["recover", "Recover", "RECOVER"])
def test_a_pool_is_recovered_as_it_was(server, arm, fresh, mode):
    arm.finish(arm.begin(fresh, {**arm.body(softDeleteRetentionInDays=9), "tags": {"a": "b"}}))
    before = arm.get(fresh)
    arm.delete(fresh)
    body = {"location": LOCATION, "sku": {"family": "B", "name": "Custom_B6"}, "properties": {
        "tenantId": arm.tenant, "createMode": mode, "publicNetworkAccess": "Disabled"}}
    back = arm.ask_put(fresh, body)
    assert back.status_code == 200 and back.json() == arm.get(fresh)
    assert changed(back.json(), "systemData", None) == changed(before, "systemData", None)
    assert_refused(arm.ask_deleted(fresh), 404, "ResourceNotFound")
    # Its administrators are still those.
    assert_unactivated(pool_wire(server, pool=fresh).get("/settings"), fresh)


def test_a_pool_that_is_deleted_before_it_is_provisioned_is_provisioned_when_it_is_recovered(server, arm, fresh):
    arm.begin(fresh)
    arm.delete(fresh)
    assert arm.recover(fresh)["name"] == fresh
    assert arm.settled(fresh)["properties"]["provisioningState"] == "Succeeded"
    assert_unactivated(pool_wire(server, pool=fresh).get("/settings"), fresh)


def test_a_pool_that_is_purged_before_it_is_provisioned_leaves_its_name_free(arm, fresh):
    arm.begin(fresh)
    arm.erase(fresh)
    arm.create(fresh)


def test_what_is_not_deleted_is_not_recovered(arm, standing, fresh):
    before = arm.get(standing)
    assert_refused(arm.ask_recover(standing), 400, "BadParameter", "createMode")
    assert_refused(arm.ask_recover(fresh), 404, "ResourceNotFound", fresh)
    for name in (standing, fresh):
        assert_refused(arm.ask_deleted(name), 404, "ResourceNotFound")
        assert_refused(arm.ask_purge(name), 404, "ResourceNotFound")
    assert arm.get(standing) == before and arm.is_free(fresh)


def test_a_pool_is_recovered_in_its_place_only(arm, fresh, elsewhere):
    arm.create(fresh)
    arm.delete(fresh)
    assert_refused(arm.ask_recover(fresh, location="northeurope"), 409, "Conflict", "location")
    assert arm.ask_recover(fresh, group=elsewhere).status_code in (404, 409)
    for ask in (arm.ask_deleted, arm.ask_purge):
        assert_refused(ask(fresh, "northeurope"), 404, "ResourceNotFound")
    assert arm.recover(fresh)["name"] == fresh


# Purging


@pytest.mark.operation("ManagedHSMPurge")
@pytest.mark.operation("ManagedHSMOperationResultGet")
def test_a_purge_is_accepted_and_followed_to_its_end(server, arm, fresh):
    arm.create(fresh)
    arm.delete(fresh)
    answer = arm.ask_purge(fresh)
    assert (answer.status_code, answer.content) == (202, b"")
    location = answer.headers["Location"]
    assert f"/locations/{LOCATION}/managedHsmOperationResults/" in location
    # From now on nothing of it can be had back.
    assert_refused(arm.ask_deleted(fresh), 404, "ResourceNotFound")
    assert_refused(arm.ask_purge(fresh), 404, "ResourceNotFound")
    assert fresh not in names(arm.ask_list_deleted())
    assert arm.ask_recover(fresh).status_code in (404, 409)
    ended = arm.finish(location)
    assert set(ended) == {"createdDateTime", "lastActionDateTime", "status"} and ended["status"] == "Succeeded"
    assert arm.is_free(fresh)
    arm.create(fresh)
    assert arm.wire.get(location).json()["createdDateTime"] == ended["createdDateTime"]


def test_a_protected_pool_is_not_purged(arm, fresh):
    arm.create(fresh, enablePurgeProtection=True)
    arm.delete(fresh)
    assert_refused(arm.ask_purge(fresh), 403, "Forbidden", "purge protection", "managed HSM")
    assert arm.recover(fresh)["properties"]["enablePurgeProtection"] is True


def test_a_forged_operation_is_not_known(arm, fresh):
    location = arm.begin(fresh)
    arm.finish(location)
    address, query = location.split("?")
    prefix, token = address.rsplit("/", 1)
    kind, name, identifier, second, tag = token.split(".")
    flipped = f"{tag[:-1]}{'0' if tag[-1] != '0' else '1'}"
    forged = [
        f"{kind}.{pool_name()}.{identifier}.{second}.{tag}", f"vault.{name}.{identifier}.{second}.{tag}",
        f"{kind}.{name}.{ANOTHER}.{second}.{tag}", f"{kind}.{name}.{identifier}.{int(second) + 1}.{tag}",
        f"{kind}.{name}.{identifier}.{second}.{flipped}", f"{kind}.{name}.{identifier}.{second}.", f"{kind}.{name}.{identifier}.{second}",
        f"{token}.{tag}", f"{token}00", token[:-2], "x", f"{kind}.{name}", "....", tag,
    ]
    for each in forged:
        assert_refused(arm.wire.get(f"{prefix}/{each}?{query}"), 404, "ResourceNotFound")
    assert arm.wire.get(location).status_code == 200


def test_an_operation_does_not_tell_of_a_pool_that_was_made_later(arm, fresh):
    location = arm.begin(fresh)
    arm.finish(location)
    arm.erase(fresh)
    arm.create(fresh)
    answer = arm.wire.get(location)
    assert arm.vault(fresh) not in answer.text, answer.text


def test_an_operation_of_a_pool_that_was_deleted_meanwhile_comes_to_an_end(arm, fresh):
    """Who made it and polls is not kept waiting for as long as it stays deleted."""
    location = arm.begin(fresh)
    arm.delete(fresh)
    deadline = time.monotonic() + 4
    while (answer := arm.wire.get(location)).status_code == 202 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answer.status_code != 202, answer.text


# A pool that is not activated


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/settings", None),
    ("GET", "/settings/AllowKeyManagementOperationsThroughARM", None),
    ("PATCH", "/settings/AllowKeyManagementOperationsThroughARM", {"value": "true"}),
    ("GET", ASSIGNMENTS, None),
    ("PUT", f"{ASSIGNMENTS}/{ANOTHER}", {"properties": {"roleDefinitionId": CRYPTO_USER, "principalId": ANOTHER}}),
    ("DELETE", f"{ASSIGNMENTS}/{ANOTHER}", None),
    ("GET", DEFINITIONS, None),
    ("GET", f"{DEFINITIONS}/{ADMINISTRATOR}", None),
    ("PUT", f"{DEFINITIONS}/{ANOTHER}", {"properties": {"roleName": "mine", "permissions": [{"dataActions": [READ]}]}}),
    ("DELETE", f"{DEFINITIONS}/{ANOTHER}", None),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_pool_that_is_not_activated_does_nothing_for_its_administrator(server, arm, standing, method, path, body):
    assert_unactivated(pool_wire(server, pool=standing).call(method, path, json=body), standing)


@pytest.mark.parametrize(("method", "path", "body"), [
    ("POST", "/keys/k/create", {"kty": "oct-HSM"}), ("GET", "/keys", None), ("GET", "/keys/k", None), ("GET", "/deletedkeys", None),
    ("POST", "/rng", {"count": 8}), ("POST", "/keys/k/sign", {"alg": "ES256", "value": "AAAA"}), ("POST", "/keys/restore", {"value": "AA"}),
], ids=lambda value: value if isinstance(value, str) else "")
def test_nobody_uses_keys_of_a_pool_that_is_not_activated(server, standing, method, path, body):
    """An administrator has no right to keys, and nobody can be given one."""
    answer = pool_wire(server, pool=standing).call(method, path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "Forbidden"), answer.text


@pytest.mark.parametrize("path", ["/healthstatus", "/health", "/livez", "/readyz"])
def test_the_health_of_a_pool_that_is_not_activated_is_told(server, standing, path):
    assert Wire(pool_url(server, standing), server.bundle).get(path, version=None).status_code == 200


def test_who_has_no_token_is_challenged_by_a_pool_that_is_not_activated(server, standing):
    answer = Wire(pool_url(server, standing), server.bundle).get("/settings")
    assert answer.status_code == 401 and "authorization=" in answer.headers["WWW-Authenticate"]


def test_the_first_administrators_are_those_and_nobody_else(server, cli, arm, fresh, name):
    ones = [cli.create_application(f"{name}-{number}") for number in range(3)]
    arm.create(fresh, initialAdminObjectIds=[one.object_id for one in ones[:2]])
    for one in ones[:2]:
        assert_unactivated(pool_wire(server, one, pool=fresh).get(ASSIGNMENTS), fresh)
    # Whoever made it is none of them, the owner of the subscription and of other pools as he may be.
    for other in (ones[2], None):
        for path in (ASSIGNMENTS, DEFINITIONS, "/settings", "/keys"):
            assert_withheld(pool_wire(server, other, pool=fresh).get(path), "ForbiddenByRbac")
    # Of this pool only.
    assert_withheld(pool_wire(server, ones[0]).get(ASSIGNMENTS), "ForbiddenByRbac")
    assert_withheld(pool_wire(server, ones[0], pool=arm.create()).get(ASSIGNMENTS), "ForbiddenByRbac")


def test_an_administrator_who_is_named_later_is_none(server, arm, stranger, fresh):
    arm.create(fresh)
    body = arm.body(initialAdminObjectIds=[stranger.object_id])
    for ask in (arm.ask_put, arm.ask_patch):
        ask(fresh, body)
        assert_withheld(pool_wire(server, stranger, pool=fresh).get(ASSIGNMENTS), "ForbiddenByRbac")


# Who may


def test_who_makes_pools_cannot_use_them(server, cli, arm, stranger, theirs, fresh):
    cli.assign(stranger, "Managed HSM contributor", arm.group())
    body = theirs.body(initialAdminObjectIds=[arm.object_id])
    assert theirs.finish(theirs.begin(fresh, body))["properties"]["initialAdminObjectIds"] == [arm.object_id]
    assert theirs.ask_patch(fresh, {"tags": {"a": "b"}}).status_code == 200
    wires = [pool_wire(server, stranger, pool=fresh), pool_wire(server, stranger)]
    for wire in wires:
        assert_withheld(wire.post("/keys/k/create", json={"kty": "oct-HSM"}), "ForbiddenByRbac")
        for path in ("/keys", "/settings", ASSIGNMENTS):
            assert_withheld(wire.get(path), "ForbiddenByRbac")
    assert theirs.ask_delete(fresh).status_code == 200
    assert theirs.ask_deleted(fresh).status_code == 200 and names(theirs.ask_list_deleted()).count(fresh) == 1
    assert theirs.ask_recover(fresh).status_code == 200
    theirs.delete(fresh)
    theirs.finish(theirs.purge(fresh))
    assert arm.is_free(fresh)


# What each of these roles may do with pools, and with deleted ones.
ROLES = {
    "Owner": {"create", "read", "regions", "listed", "change", "delete", "deleted get", "deleted listed", "purge"},
    "Managed HSM contributor": {"create", "read", "regions", "listed", "change", "delete", "deleted get", "deleted listed", "purge"},
    "Reader": {"read", "regions", "listed", "deleted get", "deleted listed"},
    # What it may not: `managedHsms/*` and to purge vaults.
    "Key Vault Contributor": {"deleted get", "deleted listed", "purge"},
    # `locations/*/read`.
    "Key Vault Administrator": {"deleted get"},
    "Key Vault Purge Operator": set(),
}


@pytest.mark.parametrize("scope", ["group", "pool"])
@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_at_the_group_what_its_definition_says(server, cli, arm, elsewhere, stranger, theirs, scope, role):
    """At the pool itself a role of the subscription opens nothing, where it can be given there at all."""
    live, gone = arm.create(group=elsewhere), arm.create(group=elsewhere, enablePurgeProtection=True)
    arm.ask_delete(gone, group=elsewhere)
    at = arm.group(elsewhere) if scope == "group" else arm.vault(live, elsewhere)
    cli.run("role", "assign", "--assignee", stranger.object_id, "--role", role, "--scope", at, exit_code=0 if scope == "group" else None)
    allowed = set()

    def let_in(call: str, answer) -> None:
        if answer.status_code == 403 and answer.json()["error"]["code"] == "AuthorizationFailed":
            return
        assert answer.status_code in (200, 202) or (call, answer.status_code) == ("purge", 403), f"{call}: {answer.text}"
        allowed.add(call)

    let_in("create", theirs.ask_put(pool_name(), group=elsewhere))
    let_in("read", theirs.ask_get(live, group=elsewhere))
    let_in("regions", theirs.wire.get(f"{arm.vault(live, elsewhere)}/regions", version=LATEST))
    let_in("change", theirs.ask_patch(live, {"tags": {"a": "b"}}, group=elsewhere))
    let_in("deleted get", theirs.ask_deleted(gone))
    # Purge protection forbids it to those who may.
    let_in("purge", theirs.ask_purge(gone))
    if live in names(theirs.ask_list()):
        allowed.add("listed")
    if gone in names(theirs.ask_list_deleted()):
        allowed.add("deleted listed")
    let_in("delete", theirs.ask_delete(live, group=elsewhere))
    assert allowed == (ROLES[role] if scope == "group" else set())


def test_a_role_on_another_group_is_none(server, cli, arm, elsewhere, stranger, theirs, standing, fresh):
    cli.assign(stranger, "Managed HSM contributor", arm.group(elsewhere))
    assert_refused(theirs.ask_put(fresh), 403, "AuthorizationFailed", "Microsoft.KeyVault/managedHSMs/write")
    assert_refused(theirs.ask_get(standing), 403, "AuthorizationFailed", "Microsoft.KeyVault/managedHSMs/read")
    assert_refused(theirs.ask_delete(standing), 403, "AuthorizationFailed", "Microsoft.KeyVault/managedHSMs/delete")
    assert names(theirs.ask_list()) == names(arm.ask_list(elsewhere)) and arm.is_free(fresh)


def test_who_may_not_purge_is_told_so(cli, arm, stranger, theirs, fresh):
    arm.create(fresh)
    arm.delete(fresh)
    for role, words in [(None, []), ("Reader", ["Microsoft.KeyVault/locations/deletedManagedHSMs/purge/action"])]:
        if role:
            cli.assign(stranger, role, arm.group())
        assert_refused(theirs.ask_purge(fresh), 403, "AuthorizationFailed", *words)
    assert arm.ask_deleted(fresh).status_code == 200


def test_who_may_nothing_learns_nothing_of_pools(arm, theirs, standing, fresh):
    before = arm.get(standing)
    for call in ("ask_put", "ask_delete", "ask_recover"):
        told = {getattr(theirs, call)(name).text.replace(name, "NAME") for name in (standing, fresh)}
        assert len(told) == 1 and "AuthorizationFailed" in told.pop(), call
    for name in (standing, fresh):
        assert_refused(theirs.ask_patch(name, {"tags": {}}), 403, "AuthorizationFailed")
    # Nor from a wrong body.
    assert_refused(theirs.ask_put(standing, {"location": 7}), 403, "AuthorizationFailed")
    assert names(theirs.ask_list()) == names(theirs.ask_list_deleted()) == []
    assert names(theirs.wire.get(f"{arm.subscription}/resources", version=LATEST)) == []
    assert arm.get(standing) == before and arm.is_free(fresh)


@pytest.mark.parametrize("call", ["ask_get", "ask_regions"])
def test_whether_there_is_a_pool_is_not_told_to_who_may_nothing(theirs, standing, fresh, call):
    """As with vaults: one that is there and one that never was look the same."""
    told = {name: getattr(theirs, call)(name) for name in (standing, fresh)}
    assert len({(answer.status_code, answer.text.replace(name, "NAME")) for name, answer in told.items()}) == 1, told


def test_who_may_nothing_learns_nothing_of_deleted_pools(arm, theirs, standing, fresh):
    absent = pool_name()
    arm.create(fresh)
    arm.delete(fresh)
    for ask in (theirs.ask_deleted, theirs.ask_purge):
        told = {(answer.status_code, answer.text.replace(name, "NAME")) for name in (fresh, standing, absent) for answer in [ask(name)]}
        assert len(told) == 1, told


def test_an_operation_tells_nothing_of_a_pool_to_who_may_not_see_it(arm, theirs, fresh):
    location = arm.begin(fresh)
    early = theirs.wire.get(location)
    arm.finish(location)
    for answer in (early, theirs.wire.get(location)):
        assert not any(word in answer.text for word in (arm.vault(fresh), "hsmUri", arm.object_id)), answer.text


def test_without_a_token_every_call_is_challenged(server, arm, standing):
    nobody = Wire(arm.wire.base, server.bundle)
    for method, path, body in every_call(arm, standing):
        answer = nobody.call(method, path, version=LATEST, json=body)
        assert answer.status_code == 401 and "authorization=" in answer.headers["WWW-Authenticate"], f"{method} {path}"


# A name that is made anew


def test_a_pool_of_the_same_name_has_no_local_roles_of_the_purged_one(own_server, name):
    """The pool of the configuration is activated: roles can be given in it, and seen when the next start makes it anew."""
    server = own_server(vaults=("demo",))
    arm, pool, holder = Pools.of(server), "demohsm", server.cli().create_application(name)
    owner = pool_keys(server)
    location, role = arm.get(pool)["location"], str(uuid.uuid4())
    owner.create("kept", "oct-HSM")

    def local(collection: str) -> list[dict]:
        answer = pool_wire(server).get(collection)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    definition = {"properties": {"roleName": "mine", "permissions": [{"dataActions": [READ]}]}}
    assert owner.wire.put(f"{DEFINITIONS}/{role}", json=definition).status_code == 201
    for role_id in (role, CRYPTO_USER):
        assignment = {"properties": {"roleDefinitionId": role_id, "principalId": holder.object_id}}
        assert owner.wire.put(f"{ASSIGNMENTS}/{uuid.uuid4()}", json=assignment).status_code == 201
    theirs = pool_wire(server, holder)
    assert theirs.get("/keys").status_code == 200
    # Deleted and recovered it has them still.
    arm.delete(pool)
    assert theirs.get("/keys").status_code == 404
    arm.recover(pool, location=location)
    assert theirs.get("/keys/kept").status_code == 200 and role in {each["name"] for each in local(DEFINITIONS)}
    # Purged and made anew by the management plane it has none of them.
    arm.delete(pool)
    arm.finish(arm.ask_purge(pool, location).headers["Location"])
    arm.finish(arm.begin(pool, {**arm.body(), "location": location}))
    assert_withheld(theirs.get("/keys"), "ForbiddenByRbac")
    assert_withheld(pool_wire(server).get("/keys"), "ForbiddenByRbac")
    assert_unactivated(pool_wire(server).get(ASSIGNMENTS), pool)
    # Nor when the configuration makes it.
    arm.delete(pool)
    arm.finish(arm.ask_purge(pool, location).headers["Location"])
    server.restart()
    assert owner.listed("/keys") == owner.listed("/deletedkeys") == []
    assert holder.object_id not in str(local(ASSIGNMENTS)) and role not in {each["name"] for each in local(DEFINITIONS)}
    assert_withheld(theirs.get("/keys"), "ForbiddenByRbac")
    server.cli().run("audit", "verify")


# The log


def test_every_change_of_a_pool_is_on_record_with_its_name(cli, arm, fresh):
    begun = audit.now()
    arm.create(fresh)
    arm.change(fresh, publicNetworkAccess="Disabled")
    arm.delete(fresh)
    arm.recover(fresh)
    arm.delete(fresh)
    arm.finish(arm.purge(fresh))
    resource = arm.vault(fresh).upper()
    changes = ("ManagedHSMPut", "ManagedHSMPatch", "ManagedHSMDelete", "ManagedHSMPurge")
    records = [record for record in audit.records(cli, since=begun) if record["resourceId"] == resource]
    by_caller = [
        (record["operationName"], record["properties"]["httpStatusCode"]) for record in records
        if record["operationName"] in changes and record["identity"]["claim"]["oid"] == arm.object_id]
    assert by_caller == [
        ("ManagedHSMPut", 202), ("ManagedHSMPatch", 200), ("ManagedHSMDelete", 200), ("ManagedHSMPut", 200), ("ManagedHSMDelete", 200),
        ("ManagedHSMPurge", 202)]
    by_itself = {record["operationName"] for record in records if record["identity"]["claim"].get("idtyp") == "system"}
    assert {"ManagedHSMProvision", "VaultErase"} <= by_itself


def test_a_refused_change_is_on_record(cli, stranger, theirs, arm, standing):
    begun = audit.now()
    theirs.ask_delete(standing)
    (record,) = audit.records_about(cli, standing, since=begun)
    assert (record["operationName"], record["properties"]["httpStatusCode"], record["resultType"]) == ("ManagedHSMDelete", 403, "Failed")
    assert record["identity"]["claim"]["oid"] == stranger.object_id
