"""Keys in `strongroom serve`: vaults of the standard SKU, kept for a week, one of them protected against purging."""

import time

import pytest

from harness.clock import shifted
from harness.command_line import CommandLine
from harness.keys_jwk import ec_jwk, new_ec
from harness.keys_wire import Keys, assert_bad_parameter, error_of
from harness.production import Production
from harness.wire import Wire

DAY = 86_400
VAULTS = [{"name": "demo", "retentionDays": 7, "purgeProtection": True}, {"name": "week", "retentionDays": 7}]


def started(production: Production) -> Production:
    """The first client may manage; it gives itself a role over keys."""
    production.settings["vaults"] = VAULTS
    production.initialise().start()
    scope = f"/subscriptions/{production.subscription}"
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Crypto Officer", scope)
    return production


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    made = Production(binary, tmp_path_factory.mktemp("keys-serve"))
    yield started(made)
    made.kill()


@pytest.fixture
def protected(production) -> Keys:
    return Keys(production.wire())


@pytest.fixture
def week(production) -> Keys:
    return Keys(production.wire(vault="week"))


@pytest.mark.parametrize(
    "kind",
    [{"kty": "RSA"}, {"kty": "EC", "crv": "P-521"}, {"kty": "EC", "crv": "P-256K"}, {"kty": "OKP", "crv": "Ed25519"}],
    ids=str,
)
def test_a_standard_vault_makes_software_keys(week, name, kind):
    made = week.create(name, **kind)
    assert week.get(name) == made
    assert made["attributes"]["hsmPlatform"] == "0"


@pytest.mark.parametrize("kty", ["RSA-HSM", "EC-HSM", "oct-HSM", "oct"])
def test_a_standard_vault_makes_no_key_in_hardware_and_no_symmetric_key(week, name, kty):
    assert_bad_parameter(week.wire.post(f"/keys/{name}/create", json={"kty": kty}))
    assert week.wire.get(f"/keys/{name}").status_code == 404


def test_a_standard_vault_imports_no_key_into_hardware(week, name):
    jwk = ec_jwk(new_ec())
    assert_bad_parameter(week.wire.put(f"/keys/{name}", json={"key": jwk, "Hsm": True}))
    assert_bad_parameter(week.wire.put(f"/keys/{name}", json={"key": {**jwk, "kty": "EC-HSM"}}))


def test_the_recovery_level_tells_days_and_protection(protected, week, name):
    for keys, level in ((protected, "CustomizedRecoverable"), (week, "CustomizedRecoverable+Purgeable")):
        attributes = keys.create(name)["attributes"]
        assert (attributes["recoveryLevel"], attributes["recoverableDays"]) == (level, 7)
        deleted = keys.delete(name)
        assert deleted["scheduledPurgeDate"] - deleted["deletedDate"] == 7 * DAY


def test_a_protected_vault_purges_no_key(protected, name):
    made = protected.create(name)
    protected.delete(name)
    answer = protected.wire.delete(f"/deletedkeys/{name}")
    assert (answer.status_code, error_of(answer)["code"]) == (403, "Forbidden")
    assert protected.recover(name) == made


def test_deleted_keys_are_purged_when_their_days_have_passed(binary, tmp_path):
    """Protected or not. The days pass two at a time, as they do for a server that is stopped over a weekend."""
    production = started(Production(binary, tmp_path))
    try:
        for vault in ("demo", "week"):
            keys = Keys(production.wire(vault=vault))
            keys.create("due")
            keys.delete("due")
        for day in (2, 4, 6):
            production.stop()
            production.start(**shifted(day * DAY))
        assert [status(production, vault) for vault in ("demo", "week")] == [200, 200]
        production.stop()
        production.start(**shifted(8 * DAY))
        assert [status_at_last(production, vault) for vault in ("demo", "week")] == [404, 404]
        assert Keys(production.wire()).create("due")
    finally:
        production.kill()


def status(production: Production, vault: str) -> int:
    wire: Wire = production.wire(vault=vault)
    return wire.get("/deletedkeys/due").status_code


def status_at_last(production: Production, vault: str) -> int:
    for _ in range(40):
        if status(production, vault) == 404:
            break
        time.sleep(0.5)
    return status(production, vault)
