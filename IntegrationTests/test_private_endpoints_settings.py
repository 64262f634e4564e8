"""What a configuration may say of private endpoints and of proxies, and what it may not."""

import socket

import pytest

from harness.management_wire import Arm
from harness.ports import free_port
from harness.private_endpoints import PENDING, Connections, add_listener
from harness.production import Production
from test_serve import refused

WHOLE = {"name": "office", "addresses": ["127.0.0.1"], "port": 1}


@pytest.fixture(scope="module")
def initialised(binary, tmp_path_factory) -> Production:
    """One that no test starts with success."""
    return Production(binary, tmp_path_factory.mktemp("settings")).initialise()


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path).initialise()
    yield made
    made.kill()


def said(production: Production, network: object) -> str:
    production.settings["network"] = network
    return refused(production.run("serve"))


@pytest.mark.parametrize(("wrong", "named"), [
    (True, "network.privateEndpoints"), ("office", "network.privateEndpoints"), (WHOLE, "network.privateEndpoints"),
    (["office"], "network.privateEndpoints"), ([None], "network.privateEndpoints"), ([{}], "name"),
    *(([{member: value for member, value in WHOLE.items() if member != gone}], gone) for gone in ("name", "addresses")),
    *(([{**WHOLE, member: value}], f"network.privateEndpoints.{member}") for member, value in [
        ("name", ""), ("name", "a b"), ("name", "a/b"), ("name", "ä"), ("name", "x" * 81), ("name", "a\n"), ("name", "a*"),
        ("addresses", []), ("addresses", [""]), ("addresses", ["localhost"]), ("addresses", ["127.0.0.0/8"]),
        ("addresses", ["127.0.0.1/32"]), ("addresses", ["127.0.0.256"]), ("addresses", ["127.0.0.1", "nowhere"]),
        ("addresses", ["127.0.0.1:443"]), ("addresses", ["[::1]"]),
        ("port", 0), ("port", -1), ("port", 65_536), ("vaults", ["x"]), ("vaults", ["demo", "under_score"]), ("vaults", [""]),
        ("pools", ["x"]), ("pools", ["9pool"]), ("unknown", 1), ("Name", "x"), ("vault", ["demo"]),
    ]),
    *(([{**WHOLE, member: value}], member) for member, value in [
        ("name", 7), ("name", None), ("addresses", "127.0.0.1"), ("addresses", [1]), ("addresses", None), ("port", "443"), ("port", 1.5),
        ("port", True), ("vaults", "demo"), ("vaults", [1]), ("pools", {"name": "pool1"}),
    ]),
    ([WHOLE, {**WHOLE, "port": 2}], "office"), ([WHOLE, {**WHOLE, "name": "OFFICE", "port": 2}], "OFFICE"),
    ([WHOLE, {**WHOLE, "name": "second", "port": 0}], "network.privateEndpoints.port"),
], ids=lambda value: ascii(value)[:60])
def test_a_wrong_listener_is_refused_and_named(initialised, wrong, named):
    line = said(initialised, {"privateEndpoints": wrong})
    assert named in line and "network" in line


@pytest.mark.parametrize("wrong", [
    ["10.0.0.0/33"], ["proxy.example.com"], [""], ["10.0.0.1/8"], ["10.0.0.1", "::/129"], ["127.0.0.1:443"], "127.0.0.1", [1], True, {},
    ["*"],
], ids=str)
def test_a_proxy_that_is_no_address_is_refused(initialised, wrong):
    assert "network.proxyProtocol" in said(initialised, {"proxyProtocol": wrong})


@pytest.mark.parametrize("member", ["proxyprotocol", "proxyProtocols", "privateEndpoint", "privateendpoints"])
def test_a_member_that_means_nothing_is_refused(initialised, member):
    assert f"network.{member}" in said(initialised, {member: []})


def assert_cannot_listen(production: Production, *words: str) -> None:
    """It ends, with one line, and leaves nothing locked."""
    result = production.run("serve")
    assert result.returncode != 0 and "ready" not in result.stdout
    (line,) = result.stderr.strip().splitlines()
    assert all(word in line for word in ("cannot listen", *words)), line


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_told(production, address):
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as taken:
        port = add_listener(production, "office", port=taken.getsockname()[1])
        assert_cannot_listen(production, "'office'", str(port), address)
    production.start()


def test_the_port_of_everybody_is_taken(production):
    add_listener(production, "office", port=production.port)
    assert_cannot_listen(production, "'office'", str(production.port))


def test_the_port_of_another_listener_is_taken(production):
    port = add_listener(production, "office")
    add_listener(production, "lab", port=port)
    assert_cannot_listen(production, "'lab'", str(port))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_address_of_another_machine_is_told(production, address):
    add_listener(production, "office", addresses=["127.0.0.1", address])
    assert_cannot_listen(production, "'office'", address)


def test_an_address_of_another_machine_opens_no_port_before(production):
    """What was listened on before the failure is closed with the process; the folder is not left locked."""
    add_listener(production, "office", addresses=["192.0.2.1"])
    assert_cannot_listen(production)
    production.settings["network"] = {}
    production.start()
    assert production.wire().get("/secrets").status_code == 403


@pytest.mark.parametrize("name", ["a", "x" * 80, "A-b_c.d", "7"])
def test_names_and_members_that_may_be_left_out(production, name):
    production.settings["network"] = {"privateEndpoints": [{"name": name, "addresses": ["127.0.0.1", "::1"], "port": free_port()}]}
    add_listener(production, "second", vaults=["DEMO"], pools=[])
    production.start()
    assert Connections(Arm.production(production), "demo").statuses() == {"second": PENDING}


@pytest.mark.parametrize("network", [
    {"privateEndpoints": []}, {"privateEndpoints": None, "proxyProtocol": None}, {"proxyProtocol": ["10.0.0.0/8", "::/0", "192.0.2.1"]}],
    ids=str)
def test_a_configuration_may_have_none(production, network):
    production.settings["network"] = network
    production.settings["listen"]["addresses"] = ["127.0.0.1"]
    production.start()
    assert production.wire().get("/secrets").status_code == 403


def test_many_listeners(production):
    for number in range(20):
        add_listener(production, f"e{number}", vaults=["demo"])
    production.start()
    assert Connections(Arm.production(production), "demo").statuses() == {f"e{number}": PENDING for number in range(20)}
