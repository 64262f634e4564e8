"""Managed HSM pools over `kill -9` and the passing of days, and where there is no hardware to make them of."""

import time

import pytest
import requests

from harness.audit import parse_records
from harness.clock import shifted
from harness.command_line import CommandLine
from harness.database import Database
from harness.hsm_pool import pool_keys, pool_wire
from harness.hsm_production import HsmProduction
from harness.hsm_token import TokenFolder
from harness.management_pools import Pools, assert_unactivated, pool_name
from harness.management_wire import assert_refused, assert_withheld, changed
from harness.production import Production
from harness.server import Server
from harness.wire import Wire

DAY = 86_400
HASHED = b"d" * 32
NO_MODULE = "This server has no hardware security module."


@pytest.fixture
def server(lasting_server) -> Server:
    """In these tests the server is one that they may stop and kill."""
    return lasting_server


@pytest.fixture
def fresh() -> str:
    return pool_name()


def killed(server: Server) -> Server:
    server.kill()
    return server.start()


def eventually(look, seconds: float = 10):
    """What is seen once it is true, or when the time is over."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen


# Killed


def test_a_pool_that_was_accepted_is_provisioned_after_a_kill(server):
    """Killed between the answer and the end of provisioning."""
    arm, unfinished = Pools.of(server), 0
    for _ in range(3):
        fresh = pool_name()
        location = arm.begin(fresh, {**arm.body(softDeleteRetentionInDays=9), "tags": {"a": "b"}})
        server.kill()
        assert Database(server.data).rows(f"management/pool/{fresh}")
        unfinished += any(b"provision-" in key and fresh.encode() in key for key, _ in Database(server.data).rows("due/"))
        server.start()
        ended = arm.finish(location)
        assert ended == arm.get(fresh) and ended["properties"]["provisioningState"] == "Succeeded"
        assert (ended["tags"], ended["properties"]["softDeleteRetentionInDays"]) == ({"a": "b"}, 9)
        assert_unactivated(pool_wire(server, pool=fresh).get("/settings"), fresh)
        killed(server)
        assert arm.get(fresh) == ended == arm.wire.get(location).json()
        assert_unactivated(pool_wire(server, pool=fresh).get("/settings"), fresh)
    assert unfinished, "every pool was provisioned before the server was killed"


def test_settings_and_deletion_survive_a_kill(server, fresh):
    arm = Pools.of(server)
    network = {"defaultAction": "Deny", "ipRules": [{"value": "127.0.0.1"}, {"value": "::1"}]}
    body = arm.body(enablePurgeProtection=True, networkAcls=network)
    identity = {"type": "UserAssigned", "userAssignedIdentities": {"/one": {}}}
    arm.finish(arm.begin(fresh, {**body, "identity": identity, "sku": {"family": "C", "name": "Custom_C42"}}))
    arm.change(fresh, publicNetworkAccess="Disabled")
    told = arm.get(fresh)
    killed(server)
    assert arm.get(fresh) == told
    arm.delete(fresh)
    deleted = arm.ask_deleted(fresh).json()
    killed(server)
    assert arm.ask_deleted(fresh).json() == deleted and arm.ask_get(fresh).status_code == 404
    assert_refused(arm.ask_purge(fresh), 403, "Forbidden", "purge protection")
    assert changed(arm.recover(fresh), "systemData", None) == changed(told, "systemData", None)
    killed(server)
    assert changed(arm.get(fresh), "systemData", None) == changed(told, "systemData", None)


def test_a_purge_is_ended_after_a_kill_and_its_keys_are_gone_from_the_token(own_server):
    """The pool of the configuration is activated: it can have keys."""
    server = own_server(vaults=("demo",))
    arm, pool, token = Pools.of(server), "demohsm", TokenFolder(server.data)
    keys, location = pool_keys(server), arm.get(pool)["location"]
    key = keys.create("key", "EC-HSM")
    keys.create("deleted", "oct-HSM")
    keys.delete("deleted")
    own = {each.id for each in token.keys()}
    assert len(own) >= 2
    # Deleted: whatever cleans the token up leaves them alone.
    arm.delete(pool)
    killed(server)
    time.sleep(1)
    assert {each.id for each in token.keys()} == own
    assert "'demohsm' of the configuration is deleted" in server.errors.text()
    arm.recover(pool, location=location)
    assert keys.sign(key, "ES256", HASHED) and keys.recover("deleted")
    arm.delete(pool)
    purged = arm.ask_purge(pool, location)
    assert purged.status_code == 202, purged.text
    killed(server)
    assert arm.finish(purged.headers["Location"])["status"] == "Succeeded"
    assert [each.id for each in token.keys() if each.id in own] == []
    assert server.stop() == 0
    assert Database(server.data).rows(f"pool/{pool}/") == []
    server.cli().run("audit", "verify", "--data", str(server.data))


def test_a_purge_leaves_no_record_of_a_pool(own_server):
    server = own_server(vaults=("demo",))
    arm, name = Pools.of(server), pool_name()

    def records() -> set[bytes]:
        """The keys of all records of the stopped server that are not of its log; duties without their times."""
        assert server.stop() == 0
        found = {key for key, _ in Database(server.data).rows("") if not key.startswith((b"audit/", b"barrier/key/"))}
        return {b"due/" + key.split(b"/", 2)[2] if key.startswith(b"due/") else key for key in found}

    def holding(wrapped: bytes) -> list[str]:
        return [path.name for path in server.data.rglob("*") if path.is_file() and wrapped in path.read_bytes()]

    before = records()
    numbers = {key for key, _ in Database(server.data).rows("barrier/key/")}
    server.start()
    arm.create(name)
    during = records() - before
    for prefix in (f"management/pool/{name}", "access/assignment/"):
        assert [key for key in during if key.startswith(prefix.encode())], f"nothing below {prefix}: {during}"
    (wrapped,) = (value for key, value in Database(server.data).rows("barrier/key/") if key not in numbers)
    assert holding(wrapped) == ["strongroom.db"]
    server.start()
    arm.erase(name)
    assert records() == before
    assert holding(wrapped) == []


def test_a_deleted_pool_is_purged_when_its_days_have_passed(own_server):
    server = own_server(vaults=("demo",))
    arm, ends, waits = Pools.of(server), pool_name(), pool_name()
    arm.create(ends, softDeleteRetentionInDays=7, enablePurgeProtection=True)
    arm.create(waits, softDeleteRetentionInDays=90)
    arm.delete(ends)
    arm.delete(waits)

    def on(day: float) -> Pools:
        assert server.stop() == 0
        server.start(**shifted(int(day * DAY)))
        return Pools.late(server)

    # In steps: a clock that jumps is an alarm, and holds such duties up.
    for day in (2, 4):
        on(day)
    late = on(6)
    time.sleep(1.2)
    assert late.ask_deleted(ends).status_code == 200
    late = on(8)
    assert eventually(lambda: late.ask_deleted(ends).status_code == 404 and late.is_free(ends))
    assert late.ask_deleted(waits).status_code == 200
    assert server.stop() == 0
    records = parse_records(server.cli().run("audit", "export", "--data", str(server.data)).stdout)
    (purged,) = (record for record in records if record["operationName"] == "VaultPurgeScheduled")
    assert purged["resourceId"] == arm.vault(ends).upper()


# Without hardware


@pytest.fixture(scope="module")
def bare(binary, tmp_path_factory) -> Production:
    """A server without a token."""
    production = Production(binary, tmp_path_factory.mktemp("bare"))
    production.initialise().start()
    yield production
    production.kill()


def failed(arm: Pools, name: str) -> str:
    """Asks for a pool that cannot be; the address that tells so."""
    location = arm.begin(name)
    deadline = time.monotonic() + 15
    while (answer := arm.wire.get(location)).status_code == 202:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    assert_refused(answer, 409, "Conflict", name, "could not be provisioned", NO_MODULE)
    return location


def test_a_pool_without_hardware_fails_and_says_why(bare, fresh):
    arm = Pools.production(bare)
    location = failed(arm, fresh)
    properties = arm.get(fresh)["properties"]
    assert (properties["provisioningState"], properties["statusMessage"]) == ("Failed", NO_MODULE)
    assert properties.get("hsmUri") is None and properties["securityDomainProperties"]["activationStatus"] != "Active"
    assert [each["properties"]["provisioningState"] for each in arm.ask_list().json()["value"] if each["name"] == fresh] == ["Failed"]
    assert not arm.is_free(fresh)
    # Not lost by a restart, and not tried again by itself.
    bare.kill()
    bare.start()
    assert arm.get(fresh)["properties"] == properties
    assert_refused(arm.wire.get(location), 409, "Conflict", NO_MODULE)


def test_the_region_of_a_pool_that_failed_has_failed(bare, fresh):
    arm = Pools.production(bare)
    failed(arm, fresh)
    (region,) = arm.ask_regions(fresh).json()["value"]
    assert region["provisioningState"] == "Failed", region


def test_a_pool_that_failed_is_tried_again_by_the_next_put(bare, fresh):
    arm = Pools.production(bare)
    failed(arm, fresh)
    assert arm.ask_patch(fresh, {"tags": {"a": "b"}}).json()["properties"]["provisioningState"] == "Failed"
    failed(arm, fresh)


def test_a_pool_that_failed_is_deleted_recovered_and_purged(bare, fresh):
    arm = Pools.production(bare)
    failed(arm, fresh)
    arm.delete(fresh)
    assert arm.recover(fresh)["properties"]["provisioningState"] == "Failed"
    arm.erase(fresh)


def test_who_may_not_see_a_pool_that_failed_is_not_told_that_it_succeeded(bare, fresh):
    arm = Pools.production(bare)
    location = failed(arm, fresh)
    stranger = CommandLine(bare.binary, bare.client_env).create_application(fresh)
    answer = requests.post(
        f"https://login.localhost:{bare.port}/{stranger.tenant}/oauth2/v2.0/token",
        data={
            "grant_type": "client_credentials", "client_id": stranger.app_id, "client_secret": stranger.password,
            "scope": f"{arm.wire.base}/.default"},
        verify=str(bare.bundle), timeout=30)
    told = Wire(arm.wire.base, str(bare.bundle), answer.json()["access_token"]).get(location)
    assert "Succeeded" not in told.text, f"{told.status_code} {told.text}"


def test_a_pool_that_failed_is_provisioned_when_there_is_hardware(binary, tmp_path, fresh):
    production = HsmProduction(binary, tmp_path)
    try:
        section = production.settings.pop("hsm")
        production.settings.pop("pools")
        production.settings["vaults"] = [{"name": "demo"}]
        production.initialise().start()
        arm = Pools.production(production)
        failed(arm, fresh)
        assert production.stop() == 0
        production.settings["hsm"] = section
        production.start()
        assert arm.get(fresh)["properties"]["provisioningState"] == "Failed"
        told = arm.finish(arm.begin(fresh))["properties"]
        assert (told["provisioningState"], told["statusMessage"]) == ("Succeeded", "The Managed HSM is provisioned and ready to use.")
        assert_unactivated(production.pool(fresh).wire.get("/settings"), fresh)
        assert_withheld(production.pool(fresh).wire.get("/keys"), "ForbiddenByRbac")
    finally:
        production.kill()


def test_a_pool_is_not_provisioned_while_the_token_is_away(own_server, fresh):
    """It fails in words, or waits; when the token is back, the next attempt provisions it."""
    server = own_server(vaults=("demo",))
    arm, away = Pools.of(server), server.data / "hsm-away"
    (server.data / "hsm").rename(away)
    try:
        arm.begin(fresh)
        told = arm.settled(fresh)["properties"]
        if told["provisioningState"] == "Failed":
            assert told["statusMessage"] == "The hardware security module does not answer."
    finally:
        away.rename(server.data / "hsm")
    if told["provisioningState"] == "Failed":
        arm.finish(arm.begin(fresh))
    assert_unactivated(pool_wire(server, pool=fresh).get("/settings"), fresh)
