"""Addresses of clients behind proxies: `X-Forwarded-For` is believed of the proxies that the configuration names, and of nobody else."""

import pytest

from harness import audit
from harness.command_line import CommandLine
from harness.management_wire import Arm
from harness.production import Production

CLIENT = "203.0.113.7"


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    made = Production(binary, tmp_path_factory.mktemp("proxies"))
    made.settings["network"] = {"trustedProxies": ["127.0.0.0/8", "::1", "10.0.0.0/8"]}
    made.initialise().start()
    arm = Arm.production(made)
    cli = CommandLine(made.binary, made.client_env)
    cli.assign(made.owner, "Key Vault Secrets Officer", arm.subscription)
    made.wire(vault="demo").set_secret("held", "value")
    arm.change("demo", networkAcls={"defaultAction": "Deny", "ipRules": [{"value": CLIENT}]})
    yield made
    made.kill()


@pytest.mark.parametrize("forwarded, status", [
    (CLIENT, 200), (f"1.2.3.4, {CLIENT}", 200), (f"{CLIENT}, 10.0.0.9", 200), (f"{CLIENT}, 10.0.0.9, 127.0.0.1", 200),
    ("203.0.113.8", 403), (f"{CLIENT}, 203.0.113.8", 403), (None, 403), ("10.0.0.9", 403),
    ("unknown", 400), (f"{CLIENT}:443", 400), (f"{CLIENT}/32", 400), ("", 400),
])
def test_the_client_of_a_proxy_is_judged_by_its_own_address(production, forwarded, status):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    answer = production.wire(vault="demo").get("/secrets/held", headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["error"]["innererror"]["code"] == "ForbiddenByFirewall"


def test_the_log_has_the_address_of_the_client(production):
    begun = audit.now()
    production.wire(vault="demo").get("/secrets/held", headers={"X-Forwarded-For": f"9.9.9.9, {CLIENT}, 10.0.0.9"})
    cli = CommandLine(production.binary, production.client_env)
    (record,) = audit.records_about(cli, "/secrets/held", since=begun)
    assert record["callerIpAddress"] == CLIENT


def test_without_configuration_the_header_means_nothing(server, cli, name):
    begun = audit.now()
    assert server.wire("demo").get(f"/secrets/{name}", headers={"X-Forwarded-For": CLIENT}).status_code == 404
    (record,) = audit.records_about(cli, f"/secrets/{name}", since=begun)
    assert record["callerIpAddress"] in ("127.0.0.1", "::1")


@pytest.mark.parametrize("wrong", ["10.0.0.0/33", "proxy.example.com", "", "10.0.0.1/8"])
def test_a_proxy_that_is_no_address_is_refused(binary, tmp_path, wrong):
    made = Production(binary, tmp_path)
    made.initialise()
    made.settings["network"] = {"trustedProxies": [wrong]}
    failed = made.run("serve")
    assert failed.returncode == 78 and "network.trustedProxies" in failed.stderr
