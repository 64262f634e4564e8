"""From where a vault may be reached, set through the unmodified Azure CLI. Whether it holds is asked of the vault itself."""

import pytest

from harness.management_wire import Arm, assert_withheld, vault_name

pytest_plugins = ["harness.azure_cli_fixtures"]

# What the tests themselves come from.
HERE = "--ip-address 127.0.0.0/8 ::1"
FIREWALL, CONNECTION = "ForbiddenByFirewall", "ForbiddenByConnection"


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture
def vault(arm) -> str:
    return arm.create()


@pytest.fixture
def rules(az, vault):
    """Runs a command on the rules of the vault; the rules that it prints."""

    def run(command: str) -> dict:
        return az.json(f"keyvault {command} --name {vault}")["properties"]["networkAcls"]

    return run


def addresses(rules: dict) -> list[str]:
    return [each["value"] for each in rules["ipRules"]]


def subnets(rules: dict) -> list[str]:
    return [each["id"] for each in rules["virtualNetworkRules"]]


# Addresses


@pytest.mark.operation("VaultPut")
@pytest.mark.operation("VaultGet")
def test_addresses_are_added_listed_and_removed(az, arm, vault, rules):
    added = rules("network-rule add --ip-address 203.0.113.7 198.51.100.0/24 2001:db8::/32")
    assert addresses(added) == ["203.0.113.7/32", "198.51.100.0/24", "2001:db8::/32"]
    assert az.json(f"keyvault network-rule list --name {vault}") == added
    assert addresses(arm.get(vault)["properties"]["networkAcls"]) == addresses(added)
    assert addresses(rules("network-rule remove --ip-address 203.0.113.7 2001:db8::/32")) == ["198.51.100.0/24"]
    assert addresses(rules("network-rule remove --ip-address 203.0.113.7")) == ["198.51.100.0/24"]
    assert addresses(arm.get(vault)["properties"]["networkAcls"]) == ["198.51.100.0/24"]


def test_an_address_that_is_there_is_not_added_again(az, vault, rules):
    rules("network-rule add --ip-address 203.0.113.0/24")
    said = az.run(f"keyvault network-rule add --name {vault} --ip-address 203.0.113.9").errors
    assert "203.0.113.9 overlaps with 203.0.113.0/24, which exists already" in said
    assert addresses(rules("network-rule add --ip-address 203.0.113.0/24")) == ["203.0.113.0/24"]


@pytest.mark.parametrize("address, word", [
    ("10.1.2.3", "private use"), ("0.0.0.0/0", "private use"), ("203.0.113.9/24", "not an IP address or a range"),
    ("203.0.113.256", "not an IP address or a range"),
])
def test_an_address_that_cannot_be_is_refused(az, arm, address, word):
    name = vault_name()
    said = az.refused(f"keyvault create --name {name} --resource-group {arm.default_group} --network-acls-ips {address}")
    assert said.startswith(f"ERROR: (BadParameter) Property 'networkAcls.ipRules' has invalid value: '{address}' is ") and word in said
    assert arm.is_free(name)


def test_rules_stay_when_an_address_is_refused(az, arm, vault, rules):
    rules("network-rule add --ip-address 203.0.113.7")
    said = az.refused(f"keyvault network-rule add --name {vault} --ip-address 198.51.100.7 192.168.1.1")
    assert "'192.168.1.1' is for private use" in said
    assert addresses(arm.get(vault)["properties"]["networkAcls"]) == ["203.0.113.7/32"]


# Subnets


@pytest.mark.operation("VaultPut")
def test_subnets_are_added_and_removed_and_open_nothing(server, arm, vault, rules):
    inside = f"{server.group_scope}/providers/Microsoft.Network/virtualNetworks"
    rules("update --default-action Deny")
    rules(f"network-rule add --subnet {inside}/Office/subnets/First")
    added = rules(f"network-rule add --resource-group {arm.default_group} --vnet-name office --subnet second")
    assert subnets(added) == [f"{inside}/office/subnets/first".lower(), f"{inside}/office/subnets/second".lower()]
    assert_withheld(server.wire(vault).get("/secrets"), FIREWALL)
    left = rules(f"network-rule remove --resource-group {arm.default_group} --vnet-name OFFICE --subnet FIRST")
    assert subnets(left) == subnets(arm.get(vault)["properties"]["networkAcls"]) == [f"{inside}/office/subnets/second".lower()]


# What holds


@pytest.mark.operation("VaultPut")
def test_a_vault_is_closed_but_to_its_addresses(server, az, vault, rules):
    server.wire(vault).set_secret("s", "v")
    assert rules("update --default-action Deny")["defaultAction"] == "Deny"
    said = az.refused(f"keyvault secret show --vault-name {vault} --name s")
    assert said.startswith("ERROR: (Forbidden) Client address is not authorized and caller is not a trusted service.") and FIREWALL in said
    rules(f"network-rule add {HERE}")
    assert az.json(f"keyvault secret show --vault-name {vault} --name s")["value"] == "v"
    rules(f"network-rule remove {HERE}")
    assert_withheld(server.wire(vault).get("/secrets/s"), FIREWALL)
    rules("update --default-action Allow")
    assert az.json(f"keyvault secret show --vault-name {vault} --name s")["value"] == "v"


@pytest.mark.operation("VaultPut")
def test_a_vault_is_closed_to_everyone_and_opened_again(az, vault, rules):
    rules(f"network-rule add {HERE}")
    closed = az.json(f"keyvault update --name {vault} --public-network-access Disabled")
    assert closed["properties"]["publicNetworkAccess"] == "Disabled"
    said = az.refused(f"keyvault secret list --vault-name {vault}")
    assert said.startswith("ERROR: (Forbidden) Public network access is disabled") and CONNECTION in said
    az.run(f"keyvault update --name {vault} --public-network-access Enabled")
    assert az.json(f"keyvault secret list --vault-name {vault}") == []


@pytest.mark.operation("VaultPut")
def test_the_bypass_is_kept_and_opens_nothing(server, arm, vault, rules):
    assert rules("update --default-action Deny --bypass AzureServices")["bypass"] == "AzureServices"
    assert_withheld(server.wire(vault).get("/secrets"), FIREWALL)
    changed = rules("update --bypass None")
    assert (changed["bypass"], changed["defaultAction"]) == ("None", "Deny")
    assert arm.get(vault)["properties"]["networkAcls"]["bypass"] == "None"


# With the making of a vault, and after it


@pytest.mark.operation("VaultPut")
def test_rules_are_given_when_a_vault_is_made(server, az, arm, tmp_path):
    name = vault_name()
    (tmp_path / "acls.json").write_text('{"ip": ["203.0.113.7"], "vnet": ["office/first"]}')
    made = az.json(
        f"keyvault create --name {name} --resource-group {arm.default_group} --default-action Deny --bypass None"
        f" --network-acls-ips 198.51.100.0/24 --network-acls-vnets lab/second --network-acls", str(tmp_path / "acls.json"))
    told = made["properties"]["networkAcls"]
    assert (addresses(told), told["defaultAction"], told["bypass"]) == (["203.0.113.7/32", "198.51.100.0/24"], "Deny", "None")
    assert [each.split("/virtualnetworks/")[1] for each in subnets(told)] == ["office/subnets/first", "lab/subnets/second"]
    assert_withheld(server.wire(name).get("/secrets"), FIREWALL)


def test_a_change_is_waited_for(az, arm, vault):
    assert az.run(f"keyvault network-rule add --name {vault} --ip-address 203.0.113.7 --no-wait").output == ""
    az.run(f"keyvault network-rule wait --name {vault} --updated")
    az.run(f"keyvault network-rule wait --name {vault} --custom", "properties.networkAcls.ipRules[0].value=='203.0.113.7/32'")
    arm.delete(vault)
    az.run(f"keyvault network-rule wait --name {vault} --resource-group {arm.default_group} --deleted")


def test_who_may_not_write_the_vault_changes_no_rule(cli, fresh_az, arm, vault, stranger):
    cli.assign(stranger, "Reader", arm.group())
    fresh_az.login(stranger)
    assert fresh_az.json(f"keyvault show --name {vault}")["name"] == vault
    said = fresh_az.refused(f"keyvault network-rule add --name {vault} --ip-address 203.0.113.7")
    assert said.startswith("ERROR: (AuthorizationFailed)") and "Microsoft.KeyVault/vaults/write" in said
    assert not arm.get(vault)["properties"].get("networkAcls", {}).get("ipRules")
