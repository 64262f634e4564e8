"""Private endpoints: what comes by a listener of their own is let through by an approved connection, and by nothing else."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from harness import audit
from harness.command_line import CommandLine
from harness.hsm_production import HsmProduction
from harness.management_pools import Pools
from harness.management_wire import LATEST, Arm, assert_refused, assert_withheld
from harness.private_endpoints import (
    APPROVED, DISCONNECTED, PENDING, REJECTED, Connections, add_listener, body, pool_by, status_of, vault_by)
from harness.production import Production
from harness.proxy_protocol import Http1, Http2, Way, line, told_address
from harness.wire import Wire

CONNECTION, FIREWALL, RBAC = "ForbiddenByConnection", "ForbiddenByFirewall", "ForbiddenByRbac"
CLIENT = "203.0.113.7"
HELD = "/secrets/held"
ROLES = "/providers/Microsoft.Authorization/roleDefinitions"
NO_CONNECTION = "The request came by a private endpoint, and the vault has no approved connection to it.\r\n"
STATUSES = [PENDING, APPROVED, REJECTED, DISCONNECTED]


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    """Two listeners, `office` and `lab`. The configuration asks for connections to the first only, of some that are not there too."""
    made = HsmProduction(binary, tmp_path_factory.mktemp("endpoints"))
    made.settings["vaults"] = [{"name": "demo"}, {"name": "other"}, {"name": "asked"}]
    made.settings["pools"] = [{"name": "pool1"}, {"name": "pool2"}]
    made.office = add_listener(made, "office", vaults=["demo", "asked", "nowhere"], pools=["pool1", "nowhere"])
    made.lab = add_listener(made, "lab")
    made.settings["network"] |= {"trustedProxies": ["127.0.0.1", "::1"], "proxyProtocol": ["127.0.0.9"]}
    made.initialise().start()
    CommandLine(binary, made.client_env).assign(made.owner, "Key Vault Secrets Officer", f"/subscriptions/{made.subscription}")
    for vault in ("demo", "other"):
        made.wire(vault=vault).set_secret("held", "value")
    yield made
    made.kill()


@pytest.fixture(scope="module")
def cli(production) -> CommandLine:
    return CommandLine(production.binary, production.client_env)


@pytest.fixture(scope="module")
def arm(production) -> Arm:
    return Arm.production(production)


@pytest.fixture(scope="module")
def pools(arm) -> Pools:
    return Pools(arm.wire, arm.subscription, arm.default_group, arm.tenant)


@pytest.fixture
def connections(arm) -> Connections:
    """Those of `demo`, which is open to everyone: one to `office`, that waits."""
    arm.change("demo", networkAcls={"defaultAction": "Allow", "ipRules": []}, publicNetworkAccess="Enabled")
    made = Connections(arm, "demo")
    made.clear()
    made.put("office", PENDING, to="office")
    return made


@pytest.fixture
def fresh(arm) -> Connections:
    """Those of a new vault: none."""
    return Connections(arm, arm.create())


def by(production, port, vault="demo", application=None) -> requests.Response:
    return vault_by(production, port, vault, application).get(HELD)


def as_one(production: Production, application, arm: Arm) -> Arm:
    """The management plane as another application reaches it."""
    answer = requests.post(
        f"https://login.localhost:{production.port}/{application.tenant}/oauth2/v2.0/token", verify=str(production.bundle), timeout=30,
        data={"grant_type": "client_credentials", "client_id": application.app_id, "client_secret": application.password,
              "scope": f"{arm.wire.base}/.default"})
    assert answer.status_code == 200, answer.text
    return Arm(Wire(arm.wire.base, str(production.bundle), answer.json()["access_token"]), arm.subscription, arm.default_group, arm.tenant)


# What the configuration asks for


def expected(connections: Connections, name: str, listener: str, etag: str, status: str, description: str) -> dict:
    return {
        "id": f"{connections.path}/{name}", "name": name, "type": connections.path.split("/providers/")[1].replace("/asked/", "/").replace(
            "/pool2/", "/").replace("/pool1/", "/"),
        "location": connections.arm.wire.get(connections.resource, version=LATEST).json()["location"], "etag": etag,
        "properties": {
            "provisioningState": "Succeeded", "privateEndpoint": {"id": connections.endpoint + listener},
            "privateLinkServiceConnectionState": {"status": status, "description": description, "actionsRequired": "None"}},
    }


@pytest.mark.operation("VaultPrivateEndpointConnectionList")
@pytest.mark.operation("VaultPrivateEndpointConnectionGet")
def test_a_vault_is_asked_and_has_not_approved(production, arm):
    connections = Connections(arm, "asked")
    wanted = expected(connections, "office", "office", "1", PENDING, "Asked for by the configuration of the server.")
    assert connections.get("office") == wanted
    assert connections.ask_list().json() == {"value": [wanted]}
    told = arm.get("asked")["properties"]["privateEndpointConnections"]
    assert told == [{"id": wanted["id"], "etag": "1", "properties": wanted["properties"]}]
    assert "privateEndpointConnections" not in arm.get("other")["properties"] and Connections(arm, "other").all() == []
    assert_withheld(by(production, production.office, "asked"), CONNECTION)


@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionList")
@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionGet")
def test_a_pool_is_asked(pools):
    connections = Connections(pools, "pool1", "managedHSMs")
    told = connections.get("office")
    assert told == expected(connections, "office", "office", told["etag"], status_of(told), "Asked for by the configuration of the server.")
    assert connections.all() == [told]
    listed = pools.get("pool1")["properties"]["privateEndpointConnections"]
    assert listed == [{"id": told["id"], "etag": told["etag"], "properties": told["properties"]}]
    assert Connections(pools, "pool2", "managedHSMs").all() == []


@pytest.mark.operation("VaultPrivateLinkResourceList")
@pytest.mark.operation("ManagedHSMPrivateLinkResourceList")
@pytest.mark.parametrize(("kind", "name", "group", "zone"), [
    ("vaults", "other", "vault", "vault.localhost"), ("managedHSMs", "pool2", "managedhsm", "managedhsm.localhost")])
def test_what_a_private_endpoint_may_be_made_to_is_told(arm, cli, kind, name, group, zone):
    (link,) = Connections(arm, name, kind).ask_links().json()["value"]
    resource = Connections(arm, name, kind).resource
    assert link == {
        "id": f"{resource}/privateLinkResources/{group}", "name": group, "type": f"Microsoft.KeyVault/{kind}/privateLinkResources",
        "properties": {"groupId": group, "requiredMembers": ["default"], "requiredZoneNames": [zone]}}
    other = Connections(arm, *(("pool2", "managedHSMs") if kind == "vaults" else ("other", "vaults")))
    assert other.ask_links().status_code == 200


# The order: token, connection, permission


@pytest.mark.parametrize("status", STATUSES)
def test_the_token_is_asked_before_the_connection(production, arm, connections, status):
    connections.put("office", status)
    for public in ("Enabled", "Disabled"):
        arm.change("demo", publicNetworkAccess=public)
        for token in (None, "nonsense", arm.wire.token):
            answer = vault_by(production, production.office, token=token).get(HELD)
            assert answer.status_code == 401 and "authorization=" in answer.headers["WWW-Authenticate"], answer.text


@pytest.mark.operation("VaultPrivateEndpointConnectionPut")
@pytest.mark.parametrize("public", ["Enabled", "Disabled"])
@pytest.mark.parametrize("network", [
    {"defaultAction": "Allow"}, {"defaultAction": "Deny"}, {"defaultAction": "Deny", "ipRules": [{"value": CLIENT}]},
    {"defaultAction": "Deny", "ipRules": [{"value": "127.0.0.0/8"}, {"value": "::1"}]},
], ids=["allow", "deny", "others", "us"])
def test_an_approved_connection_lets_through_whatever_the_rules(production, arm, connections, public, network):
    arm.change("demo", publicNetworkAccess=public, networkAcls=network)
    assert_withheld(by(production, production.office), CONNECTION)
    connections.put("office", APPROVED)
    assert by(production, production.office).json()["value"] == "value"
    # The listener that is everybody's goes by the rules.
    inner = {("Enabled", "Deny"): FIREWALL, ("Disabled", "Deny"): CONNECTION, ("Disabled", "Allow"): CONNECTION}
    refused = inner.get((public, network["defaultAction"]))
    if refused is None or (refused == FIREWALL and {"value": "::1"} in network.get("ipRules", [])):
        assert by(production, production.port).status_code == 200
    else:
        assert_withheld(by(production, production.port), refused)


@pytest.mark.operation("AccessExplain")
@pytest.mark.parametrize("status", ["Approved", "Pending"])
@pytest.mark.parametrize("listener", ["office", "OFFICE", "nowhere"])
def test_an_explanation_says_what_the_server_does(production, arm, connections, listener, status):
    connections.put("office", status)
    query = {"principal": arm.object_id, "operation": "SecretGet", "scope": arm.vault("demo"), "privateEndpoint": listener}
    told = arm.wire.get("/strongroom/access/explanation", version=None, query=query)
    assert told.status_code == 200, told.text
    network = next(step for step in told.json()["steps"] if step["step"] == "Network")
    may = status == "Approved" and listener.lower() == "office"
    assert network["passed"] is may and told.json()["allowed"] is may
    assert listener == "nowhere" or may is (by(production, production.office).status_code == 200)


@pytest.mark.parametrize("status", [PENDING, REJECTED, DISCONNECTED, None])
@pytest.mark.parametrize("public", ["Enabled", "Disabled"])
def test_any_other_connection_lets_nobody_through(production, arm, connections, status, public):
    connections.put("office", APPROVED)
    arm.change("demo", publicNetworkAccess=public)
    connections.put("office", status) if status else connections.delete("office")
    answer = by(production, production.office)
    assert_withheld(answer, CONNECTION, NO_CONNECTION, "Vault: demo;location=", f"appid={production.owner.app_id}")
    assert (by(production, production.port).status_code == 200) is (public == "Enabled")


def test_nothing_is_told_of_paths_and_objects_to_who_may_not_come(production, connections):
    wire = vault_by(production, production.office)
    answers = [
        wire.get(HELD), wire.get("/secrets/absent"), wire.get("/no/such/path"), wire.get("/secrets", version=None),
        wire.put("/secrets/held", data=b"{"), wire.call("PATCH", "/secrets"), wire.get("/"), wire.get("/keys"), wire.get("/certificates")]
    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert len({answer.text for answer in answers}) == 1


def test_the_connection_is_asked_before_the_permission(production, connections, stranger):
    assert_withheld(by(production, production.office, application=stranger), CONNECTION)
    connections.put("office", APPROVED)
    assert_withheld(by(production, production.office, application=stranger), RBAC)


@pytest.mark.parametrize("speak", [Http1, Http2])
def test_a_change_counts_from_the_next_request_of_an_open_connection(production, connections, speak):
    token = production.token()
    with speak(production, Way(port=production.office)) as office, speak(production, Way(port=production.lab)) as lab:

        def seen() -> tuple[int, int]:
            return tuple(each.ask(f"{HELD}?api-version=7.4", token)[0] for each in (office, lab))

        assert seen() == (403, 403)
        for status in (APPROVED, REJECTED, APPROVED, DISCONNECTED, APPROVED, PENDING, APPROVED):
            connections.put("office", status)
            assert seen() == (200 if status == APPROVED else 403, 403)
        connections.put("second", APPROVED, to="lab")
        assert seen() == (200, 200)
        connections.delete("office")
        assert seen() == (403, 200)
        connections.put("third", APPROVED, to="office")
        assert seen() == (200, 200)
        connections.clear()
        assert seen() == (403, 403)


def test_a_connection_opens_one_vault_by_one_listener(production, arm, connections):
    connections.put("office", APPROVED)
    other = Connections(arm, "other")
    other.put("mine", APPROVED, to="lab")
    try:
        places = [(vault, port) for vault in ("demo", "other") for port in (production.office, production.lab)]
        seen = {(vault, port): by(production, port, vault).status_code for vault, port in places}
        assert seen == {
            ("demo", production.office): 200, ("demo", production.lab): 403,
            ("other", production.office): 403, ("other", production.lab): 200}
    finally:
        other.clear()


def test_one_approved_connection_of_several_is_enough(production, connections):
    connections.put("second", REJECTED, to="office")
    assert by(production, production.office).status_code == 403
    connections.put("third", APPROVED, to="office")
    assert by(production, production.office).status_code == 200
    connections.delete("third")
    assert by(production, production.office).status_code == 403


def test_login_management_and_health_are_reached_by_every_listener(production, arm, connections):
    for port in (production.office, production.lab):
        answer = requests.post(
            f"https://login.localhost:{port}/{production.owner.tenant}/oauth2/v2.0/token", verify=str(production.bundle), timeout=30,
            data={"grant_type": "client_credentials", "client_id": production.owner.app_id, "client_secret": production.owner.password,
                  "scope": f"{arm.wire.base}/.default"})
        assert answer.status_code == 200, answer.text
        wire = Wire(f"https://management.localhost:{port}", str(production.bundle), answer.json()["access_token"])
        inside = Connections(Arm(wire, arm.subscription, arm.default_group, arm.tenant), "demo")
        assert status_of(inside.put("office", APPROVED)) == APPROVED
        assert status_of(inside.put("office", PENDING)) == PENDING
        assert vault_by(production, port, token=None).get("/healthstatus").status_code == 200


def test_a_vault_that_is_not_there_is_told_alike_by_every_listener(production):
    answers = [by(production, port, "nowhere") for port in (production.port, production.office, production.lab)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(answers[0].status_code, answers[0].text)}
    assert answers[0].status_code == 404


@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionPut")
@pytest.mark.operation("ManagedHSMPrivateEndpointConnectionDelete")
def test_a_pool_goes_by_the_same_rules(production, pools):
    connections = Connections(pools, "pool2", "managedHSMs")
    connections.put("mine", to="office")
    office, everyone = pool_by(production, production.office, "pool2"), pool_by(production, production.port, "pool2")

    def seen() -> tuple[int, int]:
        return office.get(ROLES).status_code, everyone.get(ROLES).status_code

    assert seen() == (403, 200)
    assert_withheld(office.get(ROLES), CONNECTION, NO_CONNECTION)
    pools.change("pool2", publicNetworkAccess="Disabled")
    connections.put("mine", APPROVED, "by us")
    assert seen() == (200, 403)
    assert_withheld(everyone.get(ROLES), CONNECTION)
    pools.change("pool2", publicNetworkAccess="Enabled", networkAcls={"defaultAction": "Deny"})
    assert seen() == (200, 403)
    connections.put("mine", REJECTED)
    assert seen() == (403, 403)
    assert connections.get("mine")["properties"]["privateLinkServiceConnectionState"]["description"] == "by us"
    assert (connections.ask_delete("mine").status_code, connections.ask_delete("mine").status_code) == (200, 204)
    pools.change("pool2", networkAcls={"defaultAction": "Allow"})
    assert seen() == (403, 200)


def test_a_vault_and_a_pool_of_one_name_are_two(production, arm, pools):
    arm.create("pool2")
    vault, pool = Connections(arm, "pool2"), Connections(pools, "pool2", "managedHSMs")
    vault.put("mine", APPROVED, to="lab")
    assert (vault.statuses(), pool.statuses()) == ({"mine": APPROVED}, {})
    assert vault_by(production, production.lab, "pool2").get("/secrets").status_code == 200
    assert_withheld(pool_by(production, production.lab, "pool2").get(ROLES), CONNECTION)
    arm.erase("pool2")


# Whose address it is


@pytest.mark.parametrize("speak", [Http1, Http2])
def test_the_client_of_a_proxy_comes_by_the_listener_too(production, cli, connections, speak):
    token, begun = production.token(), audit.now()
    proxied = Way(line(CLIENT), production.office, source="127.0.0.9")
    with speak(production, proxied) as behind, speak(production, Way(port=production.office)) as beside:

        def ask() -> list[int]:
            told = behind.ask(f"{HELD}?api-version=7.4", token)
            assert told_address(told[1]) == CLIENT
            return [told[0], beside.ask(f"{HELD}?api-version=7.4", token, **{"X-Forwarded-For": CLIENT})[0]]

        assert ask() == [403, 403]
        connections.put("office", APPROVED)
        assert ask() == [200, 200]
    records = audit.records_about(cli, HELD, since=begun)
    assert [each["callerIpAddress"] for each in records] == [CLIENT] * 4


# The log


@pytest.mark.operation("VaultPrivateEndpointConnectionDelete")
def test_all_of_it_is_on_record(production, cli, arm, connections):
    begun = audit.now()
    refused = by(production, production.office)
    connections.put("office", APPROVED, "seen")
    by(production, production.office)
    connections.delete("office")
    connections.ask_get("office")
    records = [each for each in audit.records(cli, since=begun) if "demo" in each["properties"].get("requestUri", "")]
    told = [(each["operationName"], each["properties"]["httpStatusCode"]) for each in records]
    prefix = "VaultPrivateEndpointConnection"
    assert told == [("SecretGet", 403), (f"{prefix}Put", 200), ("SecretGet", 200), (f"{prefix}Delete", 200), (f"{prefix}Get", 404)]
    assert [each["properties"].get("isAddressAuthorized") for each in records] == [False, None, True, None, None]
    assert records[0]["resultDescription"] == refused.json()["error"]["message"]
    assert {each["resourceId"] for each in records} == {arm.vault("demo").upper()}
    assert {each["identity"]["claim"].get("oid") or production.owner.object_id for each in records} == {production.owner.object_id}
    assert {each["callerIpAddress"] for each in records} <= {"127.0.0.1", "::1"}


def test_what_the_configuration_asked_for_is_on_record(cli):
    records = [each for each in audit.records(cli) if each["operationName"] == "PrivateEndpointConnectionRequest"]
    assert len(records) == 3 and {each["resultType"] for each in records} == {"Success"}


# Making and changing


@pytest.mark.operation("VaultPrivateEndpointConnectionPut")
def test_a_connection_is_made_changed_and_deleted(production, fresh):
    made = fresh.put("Mine_1.a-b", to="lab")
    assert (made["id"], made["etag"], status_of(made)) == (f"{fresh.path}/Mine_1.a-b", "1", PENDING)
    assert made["properties"]["privateEndpoint"] == {"id": f"{fresh.endpoint}lab"}
    changed = fresh.put("Mine_1.a-b", APPROVED, "by the owner")
    assert changed["properties"]["privateLinkServiceConnectionState"] == {
        "status": APPROVED, "description": "by the owner", "actionsRequired": "None"}
    assert changed["etag"] != made["etag"] and fresh.get("Mine_1.a-b") == changed
    # What is not said stays; what is told may be sent back.
    again = fresh.put("MINE_1.A-B", REJECTED)["properties"]["privateLinkServiceConnectionState"]
    assert (again["status"], again["description"]) == (REJECTED, "by the owner")
    told = fresh.get("mine_1.a-b")
    assert fresh.ask_put("mine_1.a-b", json=told).json()["properties"] == told["properties"]
    assert fresh.put("Mine_1.a-b", description="")["properties"]["privateLinkServiceConnectionState"]["description"] == ""
    assert fresh.ask_put("Mine_1.a-b", json={}).status_code == 200 and len(fresh.all()) == 1
    assert [fresh.ask_delete(name).status_code for name in ("MINE_1.A-B", "Mine_1.a-b")] == [200, 204]
    assert fresh.all() == []


def test_a_connection_may_be_made_approved(production, fresh):
    vault = fresh.resource.rsplit("/", 1)[1]
    assert status_of(fresh.put("mine", APPROVED, "at once", to="lab")) == APPROVED
    assert vault_by(production, production.lab, vault).get("/secrets").status_code == 200


@pytest.mark.parametrize("status", STATUSES)
def test_words_are_taken_in_any_case(fresh, status):
    fresh.put("mine", to="office")
    for text in (status.lower(), status.upper(), status):
        assert status_of(fresh.put("mine", text)) == status


def test_an_identifier_is_kept_as_it_came(fresh):
    elsewhere = "/subscriptions/other/resourceGroups/x/privateEndpoints/lab"
    for number, identifier in enumerate(("lab", "/lab", f"{fresh.endpoint}lab", elsewhere)):
        answer = fresh.ask_put(f"mine{number}", json=body(endpoint=identifier))
        assert answer.json()["properties"]["privateEndpoint"]["id"] == identifier, answer.text


def test_the_case_of_an_identifier_does_not_count(production, fresh):
    vault = fresh.resource.rsplit("/", 1)[1]
    fresh.put("mine", to="office")
    assert fresh.ask_put("mine", json=body(APPROVED, endpoint=f"{fresh.endpoint}OFFICE".lower())).status_code == 200
    assert fresh.ask_put("mine", json=body(APPROVED, endpoint=f"{fresh.endpoint}OFFICE")).status_code == 200
    assert fresh.ask_put("second", json=body(APPROVED, endpoint=f"{fresh.endpoint}Lab")).status_code == 200
    assert vault_by(production, production.lab, vault).get("/secrets").status_code == 200


@pytest.mark.parametrize("good", ["a", "7", "x" * 80, "A-b_c.d", "pe.8a2f3c", "demo.11111111-1111-4111-8111-111111111111"])
def test_a_name_is_taken(fresh, good):
    assert fresh.put(good, to="office")["name"] == good
    assert fresh.get(good)["name"] == good and list(fresh.statuses()) == [good]


@pytest.mark.parametrize("wrong", ["x" * 81, "a%20b", "a~b", "%C3%A4", "a%2Fb", "a%00", "a+b", "a:b", "%F0%9F%94%91"])
def test_a_name_is_refused(fresh, wrong):
    answer = fresh.ask_put(wrong, json=body(endpoint=f"{fresh.endpoint}office"))
    assert answer.status_code in (400, 404), answer.text
    assert fresh.all() == [] and fresh.ask_get(wrong).status_code in (400, 404) and fresh.ask_delete(wrong).status_code in (204, 400, 404)


# Bodies

WRONG = [
    ("nothing", b""), ("no object", b"[]"), ("no JSON", b"{"), ("no UTF-8", b'{"properties": "\xff"}'), ("properties", {"properties": 7}),
    ("privateEndpoint", {"properties": {"privateEndpoint": 7}}), ("id", {"properties": {"privateEndpoint": {"id": 7}}}),
    ("id empty", body(endpoint="")), ("id without a name", body(endpoint="/")), ("id no name", body(endpoint="/x/a b")),
    ("id long", body(endpoint="/" + "x" * 1_024 + "/office")), ("id control", body(endpoint="/x\n/office")),
    ("id name long", body(endpoint="/" + "x" * 81)), ("id unknown", body(endpoint="/x/nowhere")),
    ("state", {"properties": {"privateLinkServiceConnectionState": "Approved"}}), ("status", body("Maybe")), ("status empty", body("")),
    ("status spaced", body("Approved ")), ("status number", body(7)), ("description long", body(APPROVED, "x" * 513)),
    ("description long in bytes", body(APPROVED, "ä" * 257)), ("description control", body(APPROVED, "a\u0007b")),
    ("description lines", body(APPROVED, "a\nb")), ("description number", body(APPROVED, 7)),
    ("actionsRequired", {"properties": {"privateLinkServiceConnectionState": {"status": APPROVED, "actionsRequired": 7}}}),
]


@pytest.mark.parametrize("wrong", [each for _, each in WRONG], ids=[each for each, _ in WRONG])
def test_a_wrong_body_changes_nothing(arm, wrong):
    connections = Connections(arm, "asked")
    before = connections.all()
    sent = {"data": wrong} if isinstance(wrong, bytes) else {"json": wrong}
    for name in ("office", "new"):
        answer = connections.ask_put(name, **sent)
        assert answer.status_code == 400 and set(answer.json()) == {"error"}, answer.text
        assert answer.json()["error"]["message"]
    assert connections.all() == before


def test_a_refusal_names_what_is_wrong(fresh):
    fresh.put("mine", to="office")
    for sent, word in (
        (body("Maybe"), "privateLinkServiceConnectionState.status"),
        (body(description="a\nb"), "privateLinkServiceConnectionState.description"), (body(endpoint="/x/a b"), "privateEndpoint.id"),
        (body(endpoint="/x/nowhere"), "network.privateEndpoints"),
    ):
        assert_refused(fresh.ask_put("mine", json=sent), 400, "BadParameter", word)
    assert_refused(fresh.ask_put("mine", json=body(APPROVED, endpoint=f"{fresh.endpoint}lab")), 409, "Conflict", "another one")
    assert_refused(fresh.ask_put("second", json=body(APPROVED)), 404, "ResourceNotFound", "privateEndpoint.id")
    assert_refused(fresh.ask_put("second", json={}), 404, "ResourceNotFound", "privateEndpoint.id")
    assert_refused(fresh.ask_get("second"), 404, "ResourceNotFound", "'second'")
    assert fresh.ask_delete("second").status_code == 204
    assert fresh.statuses() == {"mine": PENDING}


def test_a_description_may_be_as_long_as_it_may(fresh):
    fresh.put("mine", to="office")
    for text in ("x" * 512, "ä" * 256, "Zoë's \"lab\" 🔑", ""):
        assert fresh.put("mine", APPROVED, text)["properties"]["privateLinkServiceConnectionState"]["description"] == text


def test_a_vault_has_64_connections_and_no_more(fresh):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: fresh.put(f"c{number}", APPROVED, to="lab"), range(64)))
    assert fresh.statuses() == {f"c{number}": APPROVED for number in range(64)}
    more = fresh.ask_put("c64", json=body(endpoint=f"{fresh.endpoint}lab"))
    assert_refused(more, 400, "BadParameter", "privateEndpointConnections", "64")
    assert status_of(fresh.put("c63", REJECTED)) == REJECTED
    fresh.delete("c0")
    assert status_of(fresh.put("c64", to="lab")) == PENDING and len(fresh.all()) == 64


# Vaults that are not there, and vaults that change


@pytest.mark.parametrize("kind", ["vaults", "managedHSMs"])
def test_what_is_not_there_has_no_connections(arm, kind):
    places = [Connections(arm, "nowhere", kind), Connections(arm, "demo" if kind == "vaults" else "pool1", kind, group="nogroup")]
    for each in places:
        for answer in (
            each.ask_list(), each.ask_get("office"), each.ask_put("office", json=body(APPROVED)), each.ask_delete("office"),
            each.ask_links(),
        ):
            assert answer.status_code == 404, answer.text
            assert answer.json()["error"]["code"] in ("ResourceNotFound", "ResourceGroupNotFound")


def test_connections_stay_through_changes_and_recovery_and_go_with_the_vault(production, arm):
    name = arm.create()
    connections = Connections(arm, name)
    connections.put("mine", APPROVED, "kept", to="lab")
    before = connections.all()
    arm.change(name, publicNetworkAccess="Disabled")
    assert arm.ask_put(name, arm.body(publicNetworkAccess="Disabled")).status_code in (200, 201)
    assert arm.ask_patch(name, {"tags": {"a": "b"}}).status_code in (200, 201)
    assert connections.all() == before and vault_by(production, production.lab, name).get("/secrets").status_code == 200
    arm.delete(name)
    assert connections.ask_list().status_code == 404 and connections.ask_put("mine", json=body(REJECTED)).status_code == 404
    arm.recover(name)
    assert connections.all() == before and vault_by(production, production.lab, name).get("/secrets").status_code == 200
    arm.erase(name)
    arm.create(name)
    assert connections.all() == [] and vault_by(production, production.lab, name).get("/secrets").status_code == 403


def test_changes_at_the_same_time_lose_nothing(fresh):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: fresh.put(f"c{number % 8}", APPROVED if number % 2 else REJECTED, to="lab"), range(48)))
    assert sorted(fresh.statuses()) == [f"c{number}" for number in range(8)]
    assert {each["etag"] for each in fresh.all()} == {"6"}
    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(lambda number: fresh.ask_delete(f"c{number // 4}").status_code, range(32)))
    assert fresh.all() == [] and set(told) <= {200, 204} and told.count(200) >= 8


# Who may


def asked(connections: Connections) -> list[int]:
    """The statuses of list, get, links, put and delete."""
    return [answer.status_code for answer in (
        connections.ask_list(), connections.ask_get("office"), connections.ask_links(), connections.ask_put("none", json=body(APPROVED)),
        connections.ask_delete("none"))]


@pytest.mark.parametrize(("role", "reads", "writes"), [
    (None, False, False), ("Reader", True, False), ("Key Vault Contributor", True, True), ("Contributor", True, True),
    ("Owner", True, True),
    ("User Access Administrator", True, False),
    # What is in a vault is theirs; of the vault itself some of them read everything, and none writes.
    ("Key Vault Administrator", True, False), ("Key Vault Secrets Officer", True, False), ("Key Vault Reader", True, False),
    ("Key Vault Secrets User", False, False), ("Key Vault Crypto User", False, False),
])
def test_a_role_at_the_vault_opens_what_its_actions_say(production, cli, arm, stranger, connections, role, reads, writes):
    if role:
        cli.assign(stranger, role, arm.vault("demo"))
    theirs = as_one(production, stranger, arm)
    told = asked(Connections(theirs, "demo"))
    assert told == [200 if reads else 403] * 3 + ([404, 204] if writes else [403, 403])
    assert asked(Connections(theirs, "other")) == [403] * 5
    if writes:
        assert status_of(Connections(theirs, "demo").put("office", APPROVED)) == APPROVED
    else:
        assert_refused(Connections(theirs, "demo").ask_put("office", json=body(APPROVED)), 403, "AuthorizationFailed",
                       "Microsoft.KeyVault/vaults/privateEndpointConnections/write")
        assert_refused(Connections(theirs, "demo").ask_delete("office"), 403, "AuthorizationFailed",
                       "Microsoft.KeyVault/vaults/privateEndpointConnections/delete")
        assert connections.statuses() == {"office": PENDING}


@pytest.mark.parametrize(("role", "reads", "writes"), [
    ("Reader", True, False), ("Managed HSM contributor", True, True), ("Contributor", True, True), ("Key Vault Contributor", False, False),
    ("Key Vault Administrator", False, False),
])
def test_a_role_at_the_group_opens_a_pool_as_its_actions_say(production, cli, arm, stranger, role, reads, writes):
    cli.assign(stranger, role, arm.group())
    theirs = as_one(production, stranger, arm)
    assert asked(Connections(theirs, "pool1", "managedHSMs")) == [200 if reads else 403] * 3 + ([404, 204] if writes else [403, 403])


def test_a_custom_role_may_approve_and_nothing_else(production, cli, arm, stranger, connections):
    rights = "Microsoft.KeyVault/vaults/privateEndpointConnections"
    role = {
        "roleName": f"approver {uuid.uuid4().hex[:8]}", "type": "CustomRole", "assignableScopes": [arm.subscription],
        "permissions": [{"actions": [f"{rights}/read", f"{rights}/write"], "notActions": [], "dataActions": [], "notDataActions": []}]}
    path = f"{arm.subscription}{ROLES}/{uuid.uuid4()}"
    assert arm.wire.put(path, version="2022-04-01", json={"properties": role}).status_code == 201
    cli.assign(stranger, role["roleName"], arm.vault("demo"))
    theirs = as_one(production, stranger, arm)
    assert status_of(Connections(theirs, "demo").put("office", APPROVED)) == APPROVED
    assert Connections(theirs, "demo").ask_delete("office").status_code == 403
    assert theirs.ask_get("demo").status_code == 403


def test_without_a_token_nothing_is_told(production, arm):
    bare = Arm(Wire(arm.wire.base, str(production.bundle)), arm.subscription, arm.default_group, arm.tenant)
    for vault in ("demo", "nowhere"):
        assert asked(Connections(bare, vault)) == [401] * 5


# Starting again


@pytest.fixture
def own(binary, tmp_path):
    """A server without pools that the test may stop and configure anew."""
    made = Production(binary, tmp_path)
    made.office = add_listener(made, "office", vaults=["demo", "later"])
    made.initialise().start()
    CommandLine(binary, made.client_env).assign(made.owner, "Key Vault Secrets Officer", f"/subscriptions/{made.subscription}")
    made.wire().set_secret("held", "value")
    yield made
    made.kill()


def test_what_was_decided_stays_and_the_configuration_asks_again_only_when_nothing_is_there(own):
    def again(kill: bool = False) -> Connections:
        own.kill() if kill else own.stop()
        own.start()
        return Connections(Arm.production(own), "demo")

    connections = Connections(Arm.production(own), "demo")
    assert connections.statuses() == {"office": PENDING}
    for status, opens in ((APPROVED, 200), (REJECTED, 403), (DISCONNECTED, 403), (PENDING, 403)):
        before = connections.put("office", status, "decided")
        connections = again(kill=status == APPROVED)
        assert connections.all() == [before] and by(own, own.office).status_code == opens
    # Another connection to the listener is one.
    connections.delete("office")
    mine = connections.put("mine", REJECTED, to="office")
    connections = again()
    assert connections.all() == [mine]
    connections.delete("mine")
    assert connections.all() == [] and by(own, own.office).status_code == 403
    connections = again(kill=True)
    assert connections.statuses() == {"office": PENDING} and connections.get("office")["etag"] == "1"
    # A vault that was not there is asked at the next start.
    arm = Arm.production(own)
    arm.create("later")
    assert Connections(arm, "later").all() == []
    connections = again()
    assert Connections(Arm.production(own), "later").statuses() == {"office": PENDING}


def test_a_listener_that_is_taken_out_of_the_configuration_leaves_its_connections(own):
    Connections(Arm.production(own), "demo").put("office", APPROVED)
    assert own.stop() == 0
    listener = own.settings["network"]["privateEndpoints"].pop()
    own.settings["network"]["privateEndpoints"].append({**listener, "name": "other"})
    own.start()
    connections = Connections(Arm.production(own), "demo")
    # Of the same port, and not the same listener.
    assert connections.statuses() == {"office": APPROVED, "other": PENDING} and by(own, own.office).status_code == 403
    assert status_of(connections.put("office", REJECTED)) == REJECTED and status_of(connections.put("office", APPROVED)) == APPROVED
    assert_refused(connections.ask_put("new", json=body(endpoint="/x/office")), 400, "BadParameter", "network.privateEndpoints")
    connections.delete("other")
    assert own.stop() == 0
    own.settings["network"]["privateEndpoints"] = [listener]
    own.start()
    assert by(own, own.office).status_code == 200


def test_the_case_of_the_name_of_a_listener_does_not_count(own):
    Connections(Arm.production(own), "demo").put("office", APPROVED)
    assert own.stop() == 0
    own.settings["network"]["privateEndpoints"][0]["name"] = "Office"
    own.start()
    assert Connections(Arm.production(own), "demo").statuses() == {"office": APPROVED}
    assert by(own, own.office).status_code == 200


def test_a_listener_has_an_address_of_its_own_and_the_port_of_all(binary, tmp_path):
    made = Production(binary, tmp_path)
    port = add_listener(made, "office", addresses=["127.0.0.2"], port=made.port, vaults=["demo"])
    made.initialise().start()
    try:
        Connections(Arm.production(made), "demo").put("office", APPROVED)
        Arm.production(made).change("demo", publicNetworkAccess="Disabled")
        for address, inner in (("127.0.0.1", CONNECTION), ("127.0.0.2", RBAC)):
            with Http1(made, Way(address=address, port=port)) as connection:
                status, _, told = connection.ask("/secrets?api-version=7.4", made.token())
            assert status == 403 and f'"{inner}"'.encode() in told
    finally:
        made.kill()
