"""Every declared operation that can be called over the wire has a test that calls it."""

from pathlib import Path

from harness.witnesses import uncovered, witnesses

HERE = Path(__file__).resolve().parent


def test_every_operation_with_a_route_has_a_wire_test(cli):
    assert uncovered(cli.json("operations", "--json"), witnesses(HERE)) == []


def test_every_test_names_an_operation_that_is_declared(cli):
    declared = {operation["name"] for operation in cli.json("operations", "--json")}
    assert witnesses(HERE).keys() - declared == set()


def test_an_operation_without_a_test_is_noticed():
    invented = {"name": "SecretForget", "method": "POST", "paths": ["/secrets/{secret-name}/forget"]}
    known = {"name": "SecretGet", "method": "GET", "paths": ["/secrets/{secret-name}"]}
    assert uncovered([known, invented], witnesses(HERE)) == ["SecretForget"]


def test_an_operation_without_a_route_needs_no_wire_test():
    assert uncovered([{"name": "SecretPurgeWhenDue", "method": "", "paths": []}], {}) == []


def test_a_declared_operation_tells_its_route_its_permission_and_its_first_version(cli):
    declared = {operation["name"]: operation for operation in cli.json("operations", "--json")}
    get = declared["SecretGet"]
    assert get["method"] == "GET"
    assert any("/secrets/" in path for path in get["paths"])
    assert get["permission"] == "Microsoft.KeyVault/vaults/secrets/getSecret/action"
    assert get["since"].startswith("7.0")


def test_the_table_for_people_names_every_operation(cli):
    table = cli.run("operations").stdout
    assert [operation["name"] for operation in cli.json("operations", "--json") if operation["name"] not in table] == []
