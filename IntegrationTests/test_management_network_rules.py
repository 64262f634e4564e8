"""From where a vault may be reached: the order in which it is decided, addresses and ranges, and what is not asked."""

import socket
import uuid

import pytest
import requests.adapters
from azure.core.exceptions import HttpResponseError
from azure.keyvault.certificates import CertificateClient
from azure.keyvault.keys import KeyClient

from harness import audit, policy_operations
from harness.clients import credential_for
from harness.command_line import CommandLine
from harness.http1 import Connection as Connection1
from harness.http2 import Connection as Connection2
from harness.management_wire import LATEST, LOCATION, Arm, assert_refused, assert_withheld, vault_name
from harness.production import Production
from harness.tokens import claims_of
from harness.wire import Wire

FIREWALL, CONNECTION = "ForbiddenByFirewall", "ForbiddenByConnection"
ELSEWHERE = [{"value": "203.0.113.7"}]
SUBNET = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/Group/providers/Microsoft.Network/virtualNetworks/net/subnets/s")


class From(requests.adapters.HTTPAdapter):
    """Connections that begin at this address. All of 127.0.0.0/8 is the machine itself."""

    def __init__(self, address: str):
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


def coming_from(wire: Wire, address: str) -> Wire:
    wire._session.mount("https://", From(address))
    return wire


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def vault(arm, server) -> str:
    """A vault with a secret, whose rules every test sets for itself."""
    name = arm.create()
    server.wire(name).set_secret("there", "v")
    return name


@pytest.fixture
def rules(arm, vault):
    """Sets the rules of the vault: addresses that may, and nobody else."""

    def put(*addresses: str, action: str = "Deny", public: str = "Enabled", **more) -> dict:
        network = {"defaultAction": action, "ipRules": [{"value": address} for address in addresses], **more}
        return arm.change(vault, networkAcls=network, publicNetworkAccess=public)["properties"]

    return put


@pytest.fixture
def fresh() -> str:
    return vault_name()


def who(server, application=None) -> str:
    claims = claims_of(server.token(application))
    return f"appid={claims['appid']};oid={claims['oid']};iss={claims['iss']}"


def status_from(server, vault: str, address: str) -> int:
    answer = coming_from(server.wire(vault), address).get("/secrets/there")
    if answer.status_code == 403:
        assert_withheld(answer, FIREWALL, f"Client address: {address}\r\n")
    return answer.status_code


# The order: token, network, permission


def test_the_token_is_asked_before_the_address(server, vault, rules):
    for public in ("Enabled", "Disabled"):
        rules(public=public)
        for token in (None, "nonsense", server.token(resource=server.client_env["ARM_URL"].rstrip("/"))):
            answer = server.wire_with(token, vault).get("/secrets/there")
            assert answer.status_code == 401 and "authorization=" in answer.headers["WWW-Authenticate"], answer.text
            assert "address" not in answer.text.lower()


def test_the_address_is_asked_before_the_permission(server, stranger, vault, rules):
    rules("203.0.113.7")
    refused = coming_from(server.wire(vault, stranger), "127.0.0.1").get("/secrets/there")
    assert_withheld(refused, FIREWALL)
    assert refused.json()["error"]["message"] == (
        "Client address is not authorized and caller is not a trusted service.\r\nClient address: 127.0.0.1\r\n"
        f"Caller: {who(server, stranger)}\r\nVault: {vault};location={LOCATION}")
    rules("127.0.0.0/8", "::1")
    assert_withheld(server.wire(vault, stranger).get("/secrets/there"), "ForbiddenByRbac")
    rules("127.0.0.0/8", "::1", public="Disabled")
    closed = server.wire(vault, stranger).get("/secrets/there")
    assert_withheld(closed, CONNECTION)
    assert closed.json()["error"]["message"] == (
        "Public network access is disabled and request is not from a trusted service nor via an approved private link.\r\n"
        f"Caller: {who(server, stranger)}\r\nVault: {vault};location={LOCATION}")


def test_the_address_is_asked_before_access_policies(arm, server, stranger, fresh):
    arm.create(fresh, enableRbacAuthorization=False, accessPolicies=[], networkAcls={"defaultAction": "Deny"})
    assert_withheld(server.wire(fresh, stranger).get("/secrets"), FIREWALL)
    arm.change(fresh, networkAcls={"defaultAction": "Allow"})
    assert_withheld(server.wire(fresh, stranger).get("/secrets"), "AccessDenied")


def test_closed_is_closed_whatever_the_addresses(server, vault, rules):
    for action in ("Allow", "Deny"):
        rules("127.0.0.0/8", "::1", action=action, public="Disabled")
        assert_withheld(server.wire(vault).get("/secrets/there"), CONNECTION)
        rules("127.0.0.0/8", "::1", action=action)
        assert server.wire(vault).get("/secrets/there").status_code == 200


def test_nothing_is_told_of_paths_and_objects_to_who_may_not_come(server, vault, rules):
    rules("203.0.113.7")
    wire = coming_from(server.wire(vault), "127.0.0.1")
    answers = [
        wire.get("/secrets/there"), wire.get("/secrets/absent"), wire.get("/no/such/path"), wire.get("/secrets", version=None),
        wire.get("/secrets", version="1.0"), wire.put("/secrets/there", data=b"{"), wire.call("PATCH", "/secrets"),
        wire.post("/secrets/there", headers={"X-HTTP-METHOD": "GET"}), wire.get("/"),
        wire.post("/secrets:batchGet", json={"items": [{"name": "there"}]}),
    ]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert len({answer.text for answer in answers}) == 1
    assert_withheld(answers[0], FIREWALL)


def test_every_operation_is_withheld(server, vault, rules):
    rules("203.0.113.7")
    wire = server.wire(vault)
    for operation in policy_operations.ALL:
        assert_withheld(operation.make(wire), FIREWALL)
    rules(action="Allow")
    assert [secret["id"].rsplit("/", 1)[1] for secret in wire.get("/secrets").json()["value"]] == ["there"]
    assert wire.get("/keys").json()["value"] == wire.get("/certificates").json()["value"] == []


def test_health_is_told_to_everyone(server, vault, rules):
    rules(public="Disabled")
    assert server.wire_with(None, vault).get("/healthstatus").status_code == 200


def test_the_rules_hold_for_requests_of_every_form(server, vault, rules):
    rules("203.0.113.7")
    path, bearer = f"/secrets/there?api-version={LATEST}", f"Bearer {server.token()}"
    with Connection1(server, vault) as connection:
        answer = connection.exchange(connection.request("GET", path, f"Authorization: {bearer}"))
        assert (answer.status, FIREWALL in answer.body.decode()) == (403, True)
        # The connection stays, and the next request on it is judged by the rules of that moment.
        rules("127.0.0.1")
        target = "/secrets/there?api-version=7.4"
        assert connection.exchange(connection.request("GET", target, f"Authorization: {bearer}")).status == 200
        rules()
        assert connection.exchange(connection.request("GET", target, f"Authorization: {bearer}")).status == 403
    with Connection2(server, vault) as connection:
        stream = connection.get("GET", "/secrets/there?api-version=7.4", ("authorization", bearer))
        assert (stream.status, FIREWALL in stream.body.decode()) == (403, True)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"])
def test_what_a_client_says_of_its_address_counts_for_nothing(server, vault, rules, header):
    rules("203.0.113.7")
    said = "for=203.0.113.7" if header == "Forwarded" else "203.0.113.7"
    assert_withheld(server.wire(vault).get("/secrets/there", headers={header: said}), FIREWALL)


# Addresses and ranges

SOURCES = ["127.0.0.1", "127.0.0.9", "127.1.2.3", "::1"]


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        ([], []),
        (["203.0.113.7"], []),
        (["127.0.0.1"], ["127.0.0.1"]),
        (["127.0.0.1/32"], ["127.0.0.1"]),
        (["127.0.0.0/29"], ["127.0.0.1"]),
        (["127.0.0.8/29"], ["127.0.0.9"]),
        (["127.0.0.0/24"], ["127.0.0.1", "127.0.0.9"]),
        (["127.0.0.0/15"], ["127.0.0.1", "127.0.0.9", "127.1.2.3"]),
        (["127.0.0.0/8"], ["127.0.0.1", "127.0.0.9", "127.1.2.3"]),
        (["127.1.2.2/31"], ["127.1.2.3"]),
        (["126.0.0.0/8", "128.0.0.0/8"], []),
        (["::1"], ["::1"]),
        (["::1/128"], ["::1"]),
        (["::/64"], ["::1"]),
        (["0:0:0:0:0:0:0:1"], ["::1"]),
        (["::2/127"], []),
        (["2001:db8::/32"], []),
        # A range of IPv4 addresses in the clothes of IPv6 is that of IPv4, and no range of IPv6 holds one of IPv4.
        (["::ffff:127.0.0.0/120"], ["127.0.0.1", "127.0.0.9"]),
        (["::/0"], ["::1"]),
        (["127.0.0.1", "203.0.113.7", "::1"], ["127.0.0.1", "::1"]),
    ],
    ids=lambda value: " ".join(value) or "none")
def test_who_comes_from_an_address_that_is_named_may(server, vault, rules, addresses, allowed):
    rules(*addresses)
    assert [source for source in SOURCES if status_from(server, vault, source) == 200] == allowed


@pytest.mark.parametrize("address", ["::ffff:127.0.0.1", "::FFFF:7F00:1"])
def test_an_ipv4_address_in_the_clothes_of_ipv6_is_taken_or_refused_for_good(own_server, address):
    """Whatever is answered, the vault can be changed and the server be started again."""
    server = own_server()
    arm = Arm.of(server)
    answer = arm.ask_patch("demo", {"properties": {"networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": address}]}}})
    if answer.status_code == 400:
        assert_refused(answer, 400, "BadParameter", "ipRules")
        return
    told = answer.json()["properties"]["networkAcls"]
    assert arm.ask_patch("demo", {"tags": {"a": "b"}}).json().get("tags") == {"a": "b"}
    server.restart()
    assert arm.get("demo")["properties"]["networkAcls"] == told
    seen = [coming_from(server.wire(), source).get("/secrets").status_code for source in ("127.0.0.1", "127.0.0.9")]
    assert seen == [200, 403]


def test_addresses_are_not_asked_where_all_may(server, vault, rules):
    rules("203.0.113.7", action="Allow")
    assert [status_from(server, vault, source) for source in SOURCES] == [200] * 4


@pytest.mark.parametrize(
    ("given", "told"),
    [("203.0.113.7", "203.0.113.7/32"), ("203.0.113.7/32", "203.0.113.7/32"), ("203.0.113.0/24", "203.0.113.0/24"),
     ("2001:db8::1", "2001:db8::1/128"), ("2001:db8::/32", "2001:db8::/32")])
def test_a_single_address_is_told_with_its_prefix(arm, vault, rules, given, told):
    assert rules(given)["networkAcls"] == {
        "bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [{"value": told}], "virtualNetworkRules": []}
    assert arm.get(vault)["properties"]["networkAcls"]["ipRules"] == [{"value": told}]


WRONG_ADDRESSES = [
    "", " ", "203.0.113", "203.0.113.256", "203.0.113.7.1", "0x7f.0.0.1", "127.1", "203.0.113.7/33", "203.0.113.7/-1", "203.0.113.7/+24",
    "203.0.113.7/", "203.0.113.0/24/8", "203.0.113.7 ", " 203.0.113.7", "203.0.113.0/ 24", "203.0.113.0/024x", "203.0.113.1/24",
    "203.0.113.0-203.0.113.9", "203.0.113.*", "::1/129", "::1/-1", ":::1", "fe80::1%lo", "2001:db8::1/32", "[::1]", "vault.example",
    "https://203.0.113.7", "203.0.113.7\u0000", "203.0.113.7\u0000evil", "203.0.113.7\n", "２０３.0.113.7", "203.0.113.7" * 20,
]


@pytest.mark.parametrize("wrong", WRONG_ADDRESSES, ids=lambda text: ascii(text)[:24])
def test_what_is_no_address_is_refused(arm, vault, rules, wrong):
    before = rules("203.0.113.9")
    for network in ({"ipRules": [{"value": wrong}]}, {"defaultAction": "Deny", "ipRules": [{"value": "203.0.113.8"}, {"value": wrong}]}):
        answer = arm.ask_patch(vault, {"properties": {"networkAcls": network}})
        assert_refused(answer, 400, "BadParameter", "ipRules", "IP address")
    assert arm.get(vault)["properties"] == before


def test_as_many_addresses_as_may_be_are_taken_and_one_more_is_not(arm, server, vault, rules):
    addresses = [f"100.64.{number // 250}.{number % 250 + 1}" for number in range(999)]
    told = rules(*addresses, "127.0.0.1")["networkAcls"]["ipRules"]
    assert told == [{"value": f"{address}/32"} for address in [*addresses, "127.0.0.1"]]
    assert (status_from(server, vault, "127.0.0.1"), status_from(server, vault, "127.0.0.9")) == (200, 403)
    more = {"ipRules": [{"value": address} for address in [*addresses, "100.65.0.1", "100.65.0.2"]]}
    assert_refused(arm.ask_patch(vault, {"properties": {"networkAcls": more}}), 400, "BadParameter", "ipRules", "1000")
    assert arm.get(vault)["properties"]["networkAcls"]["ipRules"] == told


def test_an_address_that_is_named_twice_is_kept_once(rules):
    assert rules("203.0.113.7", "203.0.113.7/32", "203.0.113.8")["networkAcls"]["ipRules"] == [
        {"value": "203.0.113.7/32"}, {"value": "203.0.113.8/32"}]


# Subnets, bypass and the rest of the rules


def test_subnets_are_kept_and_open_nothing(arm, server, vault, rules):
    told = rules(virtualNetworkRules=[{"id": SUBNET, "ignoreMissingVnetServiceEndpoint": True}])["networkAcls"]
    assert [rule["id"].lower() for rule in told["virtualNetworkRules"]] == [SUBNET.lower()]
    assert status_from(server, vault, "127.0.0.1") == 403
    many = [{"id": f"{SUBNET}{number}"} for number in range(201)]
    assert len(rules(virtualNetworkRules=many[:200])["networkAcls"]["virtualNetworkRules"]) == 200
    answer = arm.ask_patch(vault, {"properties": {"networkAcls": {"virtualNetworkRules": many}}})
    assert_refused(answer, 400, "BadParameter", "virtualNetworkRules", "200")
    assert len(arm.get(vault)["properties"]["networkAcls"]["virtualNetworkRules"]) == 200


@pytest.mark.parametrize("bypass", ["AzureServices", "None"])
def test_nobody_here_is_a_trusted_service(server, vault, rules, bypass):
    assert rules(bypass=bypass)["networkAcls"]["bypass"] == bypass
    assert status_from(server, vault, "127.0.0.1") == 403


def test_words_are_taken_in_any_case_and_told_as_the_service_spells_them(server, vault, rules):
    told = rules(action="deny", bypass="NONE", public="disabled")
    assert (told["networkAcls"]["defaultAction"], told["networkAcls"]["bypass"], told["publicNetworkAccess"]) == (
        "Deny", "None", "Disabled")
    told = rules(action="ALLOW", bypass="azureservices", public="ENABLED")
    assert (told["networkAcls"]["defaultAction"], told["networkAcls"]["bypass"], told["publicNetworkAccess"]) == (
        "Allow", "AzureServices", "Enabled")


def test_rules_come_with_a_new_vault_and_stay_through_changes_and_recovery(arm, server, fresh):
    wanted = {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "127.0.0.9/32"}], "virtualNetworkRules": []}
    arm.create(fresh, networkAcls=wanted)
    server_side = arm.ask_patch(fresh, {"tags": {"a": "b"}}).json()["properties"]
    assert server_side["networkAcls"] == wanted
    seen = [coming_from(server.wire(fresh), source).get("/secrets").status_code for source in SOURCES]
    assert seen == [403, 200, 403, 403]
    arm.change(fresh, publicNetworkAccess="Disabled")
    assert arm.change(fresh, enabledForDeployment=True)["properties"]["publicNetworkAccess"] == "Disabled"
    arm.delete(fresh)
    back = arm.recover(fresh)["properties"]
    assert (back["networkAcls"], back["publicNetworkAccess"]) == (wanted, "Disabled")
    assert_withheld(coming_from(server.wire(fresh), "127.0.0.9").get("/secrets"), CONNECTION)


# Addresses for private use

PRIVATE = [
    "10.0.0.0/8", "10.0.0.0", "10.1.2.3", "10.255.255.255/32", "172.16.0.0/12", "172.16.0.1", "172.31.255.255", "172.20.0.0/16",
    "192.168.0.0/16", "192.168.0.1", "192.168.255.0/24", "::ffff:10.0.0.1", "::ffff:192.168.0.0/112",
    # Of a part of these, too, nobody knows whose it is.
    "8.0.0.0/5", "172.0.0.0/8", "192.0.0.0/8", "0.0.0.0/0",
]
PUBLIC = [
    "9.255.255.255", "11.0.0.0/8", "172.15.255.255", "172.32.0.0/11", "192.167.255.255", "192.169.0.0/16", "100.64.0.0/10", "8.8.8.8",
    "2001:db8::/32",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_for_private_use_is_refused(arm, vault, rules, address):
    before = rules("203.0.113.9")
    wanted = {"ipRules": [{"value": "203.0.113.8"}, {"value": address}]}
    answer = arm.ask_patch(vault, {"properties": {"networkAcls": wanted}})
    assert_refused(answer, 400, "BadParameter", "networkAcls.ipRules", address, "private use", "network.allowPrivateAddresses")
    name = vault_name()
    assert_refused(arm.ask_put(name, arm.body(networkAcls=wanted)), 400, "BadParameter", address)
    assert arm.is_free(name) and arm.get(vault)["properties"] == before


def test_addresses_beside_those_for_private_use_are_taken(rules):
    told = rules(*PUBLIC)["networkAcls"]["ipRules"]
    assert [rule["value"].split("/")[0] for rule in told] == [address.split("/")[0] for address in PUBLIC]


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path)
    yield made
    made.kill()


def test_a_configuration_may_allow_addresses_for_private_use(production):
    production.settings["network"] = {"allowPrivateAddresses": True}
    production.initialise().start()
    CommandLine(production.binary, production.client_env).assign(
        production.owner, "Key Vault Secrets Officer", f"/subscriptions/{production.subscription}")
    # Not all of the world.
    arm, wanted = Arm.production(production), [*(each for each in PRIVATE if not each.startswith(("0.", "::"))), "127.0.0.9"]
    network = {"defaultAction": "Deny", "ipRules": [{"value": address} for address in wanted]}
    answer = arm.ask_patch("demo", {"properties": {"networkAcls": network}})
    told = [rule["value"] for rule in answer.json()["properties"]["networkAcls"]["ipRules"]]
    assert answer.status_code in (200, 201) and {"10.0.0.0/8", "172.16.0.1/32", "192.168.0.0/16"} <= set(told)
    seen = [coming_from(production.wire(), source).get("/secrets").status_code for source in ("127.0.0.1", "127.0.0.9")]
    assert seen == [403, 200]
    # What was allowed stays when it is not allowed any more: the rules of a vault do not come and go with a configuration.
    assert production.stop() == 0
    production.settings["network"] = {"allowPrivateAddresses": False}
    production.start()
    arm = Arm.production(production)
    assert [rule["value"] for rule in arm.get("demo")["properties"]["networkAcls"]["ipRules"]] == told
    assert coming_from(production.wire(), "127.0.0.9").get("/secrets").status_code == 200
    assert coming_from(production.wire(), "127.0.0.1").get("/secrets").status_code == 403
    assert_refused(
        arm.ask_patch("demo", {"properties": {"networkAcls": {"ipRules": [{"value": "10.0.0.1"}]}}}), 400, "BadParameter",
        "network.allowPrivateAddresses")


@pytest.mark.parametrize("wrong", [{"allowPrivateAddresses": "yes"}, {"allowPrivateAddress": True}, True, []], ids=str)
def test_a_configuration_that_says_something_else_of_the_network_is_refused(production, wrong):
    production.settings["network"] = wrong
    result = production.run("init")
    assert result.returncode != 0 and "network" in result.stderr


# What the rules are not about


def test_the_management_plane_stays_within_reach(arm, server, cli, stranger, vault, rules):
    rules(public="Disabled")
    assert arm.get(vault)["properties"]["publicNetworkAccess"] == "Disabled"
    listed = arm.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/vaults", version=LATEST).json()["value"]
    assert vault in [each["name"] for each in listed]
    assert arm.ask_policies("add", vault, arm.entry(stranger.object_id, secrets=["get"])).status_code in (200, 201)
    cli.assign(stranger, "Key Vault Secrets User", arm.vault(vault))
    assert_withheld(server.wire(vault, stranger).get("/secrets/there"), CONNECTION)
    cli.unassign(stranger, "Key Vault Secrets User", arm.vault(vault))
    arm.delete(vault)
    assert arm.recover(vault)["properties"]["publicNetworkAccess"] == "Disabled"
    assert rules(action="Allow")["publicNetworkAccess"] == "Enabled"
    assert server.wire(vault).get("/secrets/there").status_code == 200


def test_other_vaults_and_tokens_stay_within_reach(server, wire, vault, rules):
    rules(public="Disabled")
    assert wire.get("/secrets").status_code == 200
    assert server.wire_with(server.fresh_token(), "other").get("/secrets").status_code == 200


# The log


def test_a_refusal_is_on_record_with_who_from_where_and_why(cli, server, arm, stranger, vault, rules, name):
    rules("203.0.113.7")
    begun = audit.now()
    refused = coming_from(server.wire(vault, stranger), "127.0.0.9").get(f"/secrets/{name}")
    rules(public="Disabled")
    closed = coming_from(server.wire(vault, stranger), "127.1.2.3").put(f"/secrets/{name}", json={"value": "not to be logged"})
    records = audit.records_about(cli, f"/secrets/{name}", since=begun)
    assert [record["operationName"] for record in records] == ["SecretGet", "SecretSet"]
    for record, answer, address in zip(records, (refused, closed), ("127.0.0.9", "127.1.2.3")):
        assert (record["resultType"], record["resultSignature"]) == ("Failed", "Forbidden")
        assert record["resultDescription"] == answer.json()["error"]["message"]
        assert (record["callerIpAddress"], record["resourceId"]) == (address, arm.vault(vault).upper())
        assert record["identity"]["claim"]["oid"] == stranger.object_id
        assert record["properties"]["httpStatusCode"] == 403
        # Nobody has asked for a permission.
        assert "isRbacAuthorized" not in record["properties"] and "appliedAssignmentId" not in record["properties"]
        assert "not to be logged" not in str(record)


def test_the_log_says_that_it_was_the_address(cli, server, vault, rules, name):
    rules("127.0.0.9")
    begun = audit.now()
    for source in ("127.0.0.1", "127.0.0.9"):
        coming_from(server.wire(vault), source).get(f"/secrets/{name}")
    records = audit.records_about(cli, f"/secrets/{name}", since=begun)
    assert [record["properties"].get("isAddressAuthorized") for record in records] == [False, True]


# The clients, unmodified


def test_clients_tell_their_callers_what_stands_in_the_way(server, vault, rules):
    with KeyClient(server.vault_url(vault), credential_for(server), connection_verify=server.bundle) as keys, CertificateClient(
        server.vault_url(vault), credential_for(server), connection_verify=server.bundle
    ) as certificates:
        for public, inner, words in (
            ("Enabled", FIREWALL, "Client address is not authorized"), ("Disabled", CONNECTION, "Public network access is disabled")):
            rules("203.0.113.7", public=public)
            for ask in (
                lambda: keys.create_ec_key("key"), lambda: list(keys.list_properties_of_keys()),
                lambda: certificates.get_certificate("absent"),
            ):
                with pytest.raises(HttpResponseError, match=words) as refused:
                    ask()
                assert (refused.value.status_code, refused.value.error.innererror["code"]) == (403, inner)
        rules(action="Allow")
        assert keys.create_ec_key(f"key-{uuid.uuid4().hex[:8]}").id


def test_this_machine_is_reached_by_both_families():
    """The tests above are worth nothing where one of the two is not there."""
    for family, address in ((socket.AF_INET, "127.1.2.3"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as bound:
            bound.bind((address, 0))
