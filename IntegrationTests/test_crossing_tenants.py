"""Nothing of one tenant, subscription, host or scope is good for another: tokens, clients, bodies, paths, assignments, backups."""

import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from harness import versions
from harness.crossing import ASIDE, COLLECTIONS, TWIN, Crossing, unchanged
from harness.directory import SECRETS_USER, Directory, graph_url
from harness.hsm_pool import pool_resource
from harness.hsm_server import HsmServer
from harness.keys_wire import assert_bad_parameter, assert_forbidden, done
from harness.management_wire import LATEST, LOCATION, Arm, assert_refused, changed
from harness.role_matrix_management import GIVEN, Scopes, management_rows
from harness.tokens import claims_of
from harness.wire import Wire

pytest_plugins = ["harness.crossing_fixtures"]

HERE, THERE = "the vault twin", "the vault aside"
CRYPTO_USER = "21dbd100-6940-42c2-9190-5d6cb909625b"
# What Azure calls its own hosts; any server takes these beside those of its own.
AZURE = {
    "vault": "https://vault.azure.net", "pool": "https://managedhsm.azure.net", "management": "https://management.azure.com",
    "graph": "https://graph.microsoft.com",
}
ASKED = {"vault": "/keys", "pool": "/keys", "management": "/subscriptions?api-version=2022-12-01", "graph": "/v1.0/me"}


def hosts(crossing: Crossing) -> dict[str, tuple[str, str]]:
    """Each kind of host: its address, and what tokens for it name."""
    server = crossing.server
    management, graph = server.client_env["ARM_URL"].rstrip("/"), graph_url(server)
    return {
        "vault": (server.vault_url(TWIN), server.vault_resource), "pool": (crossing.wire("the pool twin").base, pool_resource(server)),
        "management": (management, management), "graph": (graph, graph),
    }


def call(crossing: Crossing, kind: str, token: str | None):
    wire = Wire(hosts(crossing)[kind][0], crossing.server.bundle, token)
    return wire.get(ASKED[kind], version=versions.LATEST if kind in ("vault", "pool") else None)


def assert_challenged(crossing: Crossing, answer) -> None:
    """401, with the way to this server's own tenant."""
    assert answer.status_code == 401, f"{answer.status_code} {answer.text}"
    assert f"/{crossing.server.tenant}" in answer.headers["WWW-Authenticate"]
    assert answer.json()["error"]["code"] == "Unauthorized"


@pytest.fixture(scope="module")
def foreign(binary, tmp_path_factory):
    """Another server, of another tenant and subscription, with places of the same names."""
    running = HsmServer(binary, tmp_path_factory.mktemp("foreign") / "data", "--hsm", TWIN, "--hsm", "beyond", vaults=(TWIN, ASIDE)).start()
    yield Crossing(running)
    running.kill()


@pytest.fixture(scope="module")
def arm(crossing) -> Arm:
    return Arm.of(crossing.server)


# Tokens


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize("named", ["by itself", "by Azure"])
def test_a_token_is_good_for_the_hosts_it_was_made_for_and_no_others(crossing, kind, named):
    resource = hosts(crossing)[kind][1] if named == "by itself" else AZURE[kind]
    token = crossing.server.fresh_token(resource=resource)
    assert {each: call(crossing, each, token).status_code for each in ASKED} == {each: 200 if each == kind else 401 for each in ASKED}


@pytest.mark.parametrize("kind", ASKED)
def test_a_token_of_another_tenant_is_refused_everywhere(crossing, foreign, kind):
    assert foreign.server.tenant != crossing.server.tenant
    own, theirs = (each.server.fresh_token(resource=AZURE[kind]) for each in (crossing, foreign))
    assert claims_of(theirs)["tid"] == foreign.server.tenant and claims_of(theirs)["iss"] != claims_of(own)["iss"]
    assert call(foreign, kind, theirs).status_code == call(crossing, kind, own).status_code == 200
    assert_challenged(crossing, call(crossing, kind, theirs))
    assert_challenged(foreign, call(foreign, kind, own))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_put_together_of_two_tenants_is_none(crossing, foreign, part):
    own, theirs = (each.server.fresh_token(resource=AZURE["vault"]).split(".") for each in (crossing, foreign))
    mixed = ".".join([*own[:part], theirs[part], *own[part + 1 :]])
    for place in (crossing, foreign):
        assert_challenged(place, call(place, "vault", mixed))


def test_a_client_of_one_tenant_gets_no_token_of_another(crossing, foreign):
    owner = foreign.server.owner
    form = {
        "grant_type": "client_credentials", "client_id": owner.app_id, "client_secret": owner.password,
        "scope": f"{AZURE['vault']}/.default",
    }
    assert foreign.server.request_token(form).status_code == 200
    refused = crossing.server.request_token(form)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    # Nor when it names the other tenant where it is known.
    address = f"{foreign.server.login}/{crossing.server.tenant}/oauth2/v2.0/token"
    elsewhere = requests.post(address, data=form, verify=foreign.server.bundle, timeout=30)
    assert elsewhere.status_code in (400, 404) and "access_token" not in elsewhere.text


# Bodies


def test_a_vault_is_not_made_for_another_tenant_nor_moved_there(arm, foreign):
    other = foreign.server.tenant
    name = arm.create(enableRbacAuthorization=False, accessPolicies=[])
    with unchanged((arm.wire, f"{arm.vault(name)}?api-version={LATEST}")):
        answer = arm.ask_put(f"{name}x", changed(arm.body(), "properties.tenantId", other))
        assert answer.status_code == 400, answer.text
        entry = {**arm.entry(arm.object_id, secrets=["all"]), "tenantId": other}
        for properties in ({"tenantId": other}, {"accessPolicies": [entry]}):
            assert arm.ask_patch(name, {"properties": properties}).status_code == 400
        for kind in ("add", "replace", "remove"):
            assert arm.ask_policies(kind, name, entry).status_code == 400
    assert arm.ask_get(f"{name}x").status_code == 404


def test_a_vault_of_another_tenant_and_one_of_its_name_are_two(crossing, foreign, name):
    """A client that was sent to the wrong server learns nothing there and changes nothing."""
    foreign.wire(HERE).set_secret(name, "of another tenant")
    assert crossing.wire(HERE).get(f"/secrets/{name}").status_code == 404
    with unchanged((foreign.wire(HERE), f"/secrets/{name}")):
        crossing.wire(HERE).set_secret(name, "of this tenant")
        crossing.wire(HERE).delete_secret(name)


# Paths


def test_no_path_of_another_subscription_reaches_anything(crossing, foreign, arm):
    """Everything that management can be asked, by who may do everything in this subscription."""

    def of(subscription: str) -> Scopes:
        resources = f"{subscription}/resourceGroups/{arm.default_group}/providers/Microsoft.KeyVault"
        return Scopes(
            subscription, f"{subscription}/resourceGroups/{arm.default_group}", f"{resources}/vaults/{TWIN}",
            f"{resources}/vaults/{ASIDE}", f"{resources}/managedHSMs/{TWIN}")

    version = f"?api-version={LATEST}"
    with unchanged((arm.wire, f"{arm.subscription}/resources{version}"), (arm.wire, arm.vault(TWIN) + version)):
        for at in (of(foreign.server.subscription_scope), of(f"/subscriptions/{uuid.uuid4()}")):
            given = {(scope, role): str(uuid.uuid4()) for scope in at.all for role in GIVEN}
            rows = [row for row in management_rows(at, given) if row.host == "management" and at.subscription in row.path]
            assert len(rows) > 50
            for row in rows:
                answer = arm.wire.call(row.method, row.path, version=LATEST, json=row.body)
                told = (answer.status_code, answer.json()["error"]["code"])
                assert told in [(403, "AuthorizationFailed"), (404, "ResourceNotFound")], f"{row}: {answer.status_code} {answer.text}"


def test_no_role_is_given_in_another_subscription_nor_made_for_it(foreign, arm, name):
    other = foreign.server.subscription_scope
    body = {"properties": {"roleDefinitionId": SECRETS_USER, "principalId": arm.object_id}}
    assignment = f"{other}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert_refused(arm.wire.put(assignment, version="2022-04-01", json=body), 403, "AuthorizationFailed")
    properties = {
        "roleName": name, "assignableScopes": [other], "permissions": [
            {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}]}
    definition = f"{arm.subscription}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}"
    assert_refused(arm.wire.put(definition, version="2022-04-01", json={"properties": properties}), 400, "BadParameter")
    assert arm.wire.get(definition, version="2022-04-01").status_code == 404


# Assignments of another scope


def test_an_assignment_is_neither_told_nor_taken_away_by_another_scope(crossing, arm, name):
    reader = crossing.server.cli().create_application(name)
    owner = Directory.of(crossing.server)
    made = owner.assign(SECRETS_USER, reader.object_id, crossing.server.vault_scope(TWIN))
    wire = crossing.of(HERE, reader)
    scopes = [
        arm.subscription, arm.group(), crossing.server.vault_scope(ASIDE), f"{crossing.server.vault_scope(TWIN)}/secrets/{name}",
        f"{crossing.server.vault_scope(TWIN)}/keys/{name}",
    ]
    for scope in scopes:
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{made['name']}"
        for method in ("GET", "DELETE"):
            assert_refused(arm.wire.call(method, path, version="2022-04-01"), 404, "ResourceNotFound")
        # The name is taken, and does not come to mean another scope.
        body = {"properties": {"roleDefinitionId": SECRETS_USER, "principalId": reader.object_id}}
        assert_refused(arm.wire.put(path, version="2022-04-01", json=body), 409, "Conflict")
    assert wire.get("/secrets").status_code == 200
    assert_forbidden(crossing.of(THERE, reader).get("/secrets"), "ForbiddenByRbac")
    owner.unassign(made)
    assert_forbidden(wire.get("/secrets"), "ForbiddenByRbac")


def test_an_assignment_of_one_pool_is_not_touched_by_another_nor_by_management(crossing, arm, name):
    reader = crossing.server.cli().create_application(name)
    here, there = crossing.wire("the pool twin"), crossing.wire("the pool beyond")
    body = {"properties": {"roleDefinitionId": CRYPTO_USER, "principalId": reader.object_id}}
    path = f"/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert here.put(path, json=body).status_code == 201
    for wire, scope in ((there, ""), (there, "/keys"), (here, "/keys"), (here, f"/keys/{name}")):
        for method in ("GET", "DELETE"):
            answer = wire.call(method, scope + path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ResourceNotFound"), answer.text
        assert wire.put(scope + path, json=body).status_code == 409
    for scope in (arm.subscription, arm.group(), crossing.server.vault_scope(TWIN)):
        for method in ("GET", "DELETE"):
            assert_refused(arm.wire.call(method, scope + path, version="2022-04-01"), 404, "ResourceNotFound")
    assert path.rsplit("/", 1)[1] not in arm.wire.get(f"{arm.subscription}{path.rsplit('/', 1)[0]}", version="2022-04-01").text
    assert path.rsplit("/", 1)[1] not in there.get(path.rsplit("/", 1)[0]).text
    assert crossing.of("the pool twin", reader).get("/keys").status_code == 200
    assert_forbidden(crossing.of("the pool beyond", reader).get("/keys"), "ForbiddenByRbac")
    assert here.delete(path).status_code == 200
    assert_forbidden(crossing.of("the pool twin", reader).get("/keys"), "ForbiddenByRbac")


# What another server handed out


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_backup_of_another_tenant_restores_into_no_vault(crossing, foreign, name, collection):
    foreign.make(HERE, collection, name)
    blob = done(foreign.wire(HERE).post(f"/{collection}/{name}/backup"))
    for place in (HERE, THERE):
        wire = crossing.wire(place)
        with unchanged((wire, f"/{collection}"), (wire, f"/deleted{collection}"), (wire, f"/{collection}/{name}")):
            assert_bad_parameter(wire.post(f"/{collection}/restore", json=blob))
    assert done(foreign.wire(THERE).post(f"/{collection}/restore", json=blob))


def test_a_backup_of_a_pool_of_another_tenant_restores_into_no_pool(crossing, foreign, name):
    foreign.make("the pool twin", "keys", name)
    blob = done(foreign.wire("the pool twin").post(f"/keys/{name}/backup"))
    for place in ("the pool twin", "the pool beyond", HERE):
        with unchanged((crossing.wire(place), "/keys"), (crossing.wire(place), "/deletedkeys")):
            assert_bad_parameter(crossing.wire(place).post("/keys/restore", json=blob))


def test_page_tokens_and_results_of_another_tenant_are_unknown(crossing, foreign, arm, name):
    for number in range(2):
        for place in (crossing, foreign):
            place.make(HERE, "secrets", f"{name}-{number}")
    link = done(foreign.wire(HERE).get("/secrets", query={"maxresults": 1}))["nextLink"]
    token = parse_qs(urlsplit(link).query)["$skiptoken"][0]
    assert_bad_parameter(crossing.wire(HERE).get("/secrets", query={"$skiptoken": token, "maxresults": 1}))
    theirs = Arm.of(foreign.server)
    vault = theirs.create()
    theirs.delete(vault)
    location = theirs.purge(vault)
    theirs.finish(location)
    operation = urlsplit(location).path.rsplit("/", 1)[1]
    path = f"/providers/Microsoft.KeyVault/locations/{LOCATION}/operationResults/{operation}"
    assert_refused(arm.wire.get(arm.subscription + path, version=LATEST), 404, "ResourceNotFound")
    assert_refused(arm.wire.get(theirs.subscription + path, version=LATEST), 404, "ResourceNotFound")
