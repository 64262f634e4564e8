"""Where a password alone does not do: demands of roles and scopes, and the challenge that clients act on."""

import json
import uuid

import pytest
from requests import Response

from harness import audit
from harness.command_line import CommandLine
from harness.directory import NOBODY, READER, SECRETS_OFFICER, SECRETS_USER, done, graph_url
from harness.hsm_pool import POOL, pool_resource, pool_url
from harness.management_wire import Arm, assert_refused
from harness.people import People, Person
from harness.server import Server
from harness.sign_in import PKCE, Client, Page, challenge, granted, oauth_refusal, redirected
from harness.tokens import claims_of
from harness.wire import Wire

pytest_plugins = ["harness.people_fixtures"]

PATH = "/strongroom/mfaDemands"
MFA = '{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}'
POOL_CRYPTO_USER = "21dbd100-6940-42c2-9190-5d6cb909625b"


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory) -> Server:
    """One of its own: demands hold for everybody."""
    running = Server(binary, tmp_path_factory.mktemp("demands") / "data").start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


@pytest.fixture(autouse=True)
def _no_demands_are_left(people):
    yield
    demand(people)


def demand(people: People, roles: list[str] = (), scopes: list[str] = ()) -> dict:
    return done(people.management.put(PATH, version=None, json={"roles": list(roles), "scopes": list(scopes)}), 200)


@pytest.fixture(scope="module")
def plain(server, people, directory) -> Person:
    """Somebody without an authenticator who may read the secrets of `demo`."""
    person = people.create()
    directory.assign(SECRETS_USER, person.id, server.vault_scope())
    return person


@pytest.fixture(scope="module")
def theirs(server, login, plain) -> Wire:
    return server.wire_with(login.tokens(plain)["access_token"])


@pytest.fixture(scope="module")
def strong(server, login, people, directory) -> Wire:
    """The calls of somebody who may do the same and gave a code."""
    person = people.create(authenticator=True)
    directory.assign(SECRETS_USER, person.id, server.vault_scope())
    return server.wire_with(login.tokens(person)["access_token"])


def needs_code(answer: Response) -> bool:
    """Whether a second factor is all that is missing."""
    assert answer.status_code in (200, 401), f"{answer.status_code} {answer.text[:300]}"
    return answer.status_code == 401 and challenge(answer) == json.loads(MFA)


# Roles


@pytest.mark.operation("MFADemandsSet")
@pytest.mark.operation("MFADemandsGet")
def test_a_role_may_ask_people_for_a_second_factor(server, people, theirs, strong):
    assert not needs_code(theirs.get("/secrets"))
    set_ = demand(people, roles=[SECRETS_USER])
    assert set_ == {"roles": [{"id": SECRETS_USER, "name": "Key Vault Secrets User"}], "scopes": []}
    assert done(people.management.get(PATH, version=None), 200) == set_
    assert needs_code(theirs.get("/secrets"))
    assert strong.get("/secrets").status_code == 200 and server.wire().get("/secrets").status_code == 200
    demand(people)
    assert theirs.get("/secrets").status_code == 200


def test_the_answer_tells_the_person_what_to_do(people, theirs):
    demand(people, roles=[SECRETS_USER])
    answer = theirs.get("/secrets")
    assert "multi-factor" in answer.json()["error"]["message"] and answer.json()["error"]["code"] == "Unauthorized"


def test_a_role_that_demands_nothing_still_gives_what_it_gives(server, people, directory, login, name):
    person = people.create()
    for role in (SECRETS_USER, READER):
        directory.assign(role, person.id, server.subscription_scope)
    tokens = login.tokens(person)
    management = login.refresh(tokens["refresh_token"], scope=f"{people.management.base}/.default")["access_token"]
    demand(people, roles=[SECRETS_USER])
    assert needs_code(server.wire_with(tokens["access_token"]).get("/secrets"))
    asks = Wire(people.management.base, server.bundle, management)
    assert asks.get(server.vault_scope(), version="2023-07-01").status_code == 200


def test_who_holds_nothing_is_not_asked_for_a_code(server, people, login, alice):
    """A second factor would not help them; they learn that they may not."""
    demand(people, roles=[SECRETS_USER], scopes=[server.subscription_scope])
    assert server.wire_with(login.tokens(alice)["access_token"]).get("/secrets").status_code == 403


def test_another_role_that_demands_nothing_is_enough(server, people, directory, plain, theirs):
    demand(people, roles=[SECRETS_USER])
    assignment = directory.assign(SECRETS_OFFICER, plain.id, server.vault_scope())
    assert theirs.get("/secrets").status_code == 200
    directory.unassign(assignment)
    assert needs_code(theirs.get("/secrets"))


def test_a_role_that_comes_by_a_group_demands_alike(server, people, directory, login, name):
    person, guarded = people.create(), people.create(authenticator=True)
    group = directory.chain(name, 2, person.id)
    directory.add(group[0], guarded.id)
    directory.assign(SECRETS_OFFICER, group[1], server.vault_scope())
    weak, strong = (server.wire_with(login.tokens(each)["access_token"]) for each in (person, guarded))
    demand(people, roles=["key vault secrets officer"])
    assert needs_code(weak.get("/secrets")) and strong.get("/secrets").status_code == 200


def test_a_role_of_our_own_may_demand(server, cli, people, directory, login, name, tmp_path):
    person = people.create()
    definition = {
        "roleName": name, "description": "", "type": "CustomRole", "assignableScopes": [server.subscription_scope],
        "permissions": [{
            "actions": [], "notActions": [], "dataActions": ["Microsoft.KeyVault/vaults/secrets/readMetadata/action"], "notDataActions": []}],
    }
    path = f"{server.subscription_scope}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid4()}"
    made = done(people.management.put(path, version="2022-04-01", json={"properties": definition}), 201)
    directory.assign(made["name"], person.id, server.vault_scope())
    theirs = server.wire_with(login.tokens(person)["access_token"])
    assert theirs.get("/secrets").status_code == 200
    demand(people, roles=[name.upper()])
    assert needs_code(theirs.get("/secrets"))


# Scopes


@pytest.mark.parametrize("scope", ["subscription_scope", "group_scope", "vault_scope"])
def test_a_scope_demands_of_whatever_is_in_it(server, people, theirs, strong, scope):
    found = getattr(server, scope)
    text = found() if callable(found) else found
    for spelling in (text, text.upper().replace("/SUBSCRIPTIONS/", "/subscriptions/"), f"{text}/"):
        demand(people, scopes=[spelling])
        assert needs_code(theirs.get("/secrets")) and strong.get("/secrets").status_code == 200
    assert server.wire().get("/secrets").status_code == 200


def test_another_scope_demands_nothing_here(server, people, theirs):
    demand(people, scopes=[server.vault_scope("other"), server.vault_scope("dem"), f"{server.vault_scope()}/keys/x"])
    assert theirs.get("/secrets").status_code == 200


def test_one_secret_may_demand_more_than_others(server, people, theirs, name):
    for secret in (name, f"{name}-2"):
        server.wire().set_secret(secret, secret)
    demand(people, scopes=[f"{server.vault_scope()}/secrets/{name}"])
    assert needs_code(theirs.get(f"/secrets/{name}")) and theirs.get(f"/secrets/{name}-2").status_code == 200
    many = theirs.post("/secrets:batchGet", json={"items": [{"name": name}, {"name": f"{name}-2"}]}).json()["value"]
    assert [each["status"] for each in many] == [401, 200] and "value" not in many[0]


def test_a_vault_of_access_policies_may_demand(server, people, login, alice):
    arm = Arm.of(server)
    guarded = people.create(authenticator=True)
    vault = arm.create(
        enableRbacAuthorization=False, accessPolicies=[arm.entry(each.id, secrets=["list"]) for each in (alice, guarded)])
    weak, strong = (server.wire_with(login.tokens(each)["access_token"], vault) for each in (alice, guarded))
    assert weak.get("/secrets").status_code == 200
    demand(people, scopes=[arm.vault(vault)])
    assert needs_code(weak.get("/secrets")) and strong.get("/secrets").status_code == 200
    assert server.wire_with(login.tokens(alice)["access_token"]).get("/secrets").status_code == 403


def test_a_pool_may_demand(server, people, directory, login):
    person, guarded = people.create(), people.create(authenticator=True)
    scope = f"{server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/{POOL}"
    pool = Wire(pool_url(server), server.bundle, server.token(resource=pool_resource(server)))
    for each in (person, guarded):
        body = {"properties": {
            "roleDefinitionId": f"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/{POOL_CRYPTO_USER}",
            "principalId": each.id}}
        done(pool.put(f"/keys/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", json=body), 201)
    weak, strong = (
        Wire(pool_url(server), server.bundle, login.tokens(each, scope=f"{pool_resource(server)}/.default")["access_token"])
        for each in (person, guarded))
    assert weak.get("/keys").status_code == 200
    for options in ({"scopes": [scope]}, {"scopes": [f"{scope}/keys"]}, {"roles": [POOL_CRYPTO_USER]}):
        demand(people, **options)
        asked = [wire.get("/keys/absent").status_code for wire in (weak, strong, pool)]
        assert asked == [401, 404, 404], options


def test_the_management_plane_demands_alike(server, people, directory, login, name):
    person = people.create()
    directory.assign(READER, person.id, server.subscription_scope)
    tokens = login.tokens(person, scope=f"{people.management.base}/.default")
    management = Wire(people.management.base, server.bundle, tokens["access_token"])
    graph = Wire(graph_url(server), server.bundle, login.refresh(tokens["refresh_token"], scope=f"{graph_url(server)}/.default")["access_token"])
    calls = [lambda: management.get("/strongroom/users", version=None), lambda: graph.get("/v1.0/users", version=None)]
    assert all(call().status_code == 200 for call in calls)
    for options in ({"roles": [READER]}, {"scopes": [server.subscription_scope]}):
        demand(people, **options)
        assert all(needs_code(call()) for call in calls)
    assert graph.get("/v1.0/me", version=None).status_code == 200


def test_demands_outlast_a_restart(server, people, theirs):
    demand(people, roles=[SECRETS_USER], scopes=[server.vault_scope("other")])
    before = people.management.get(PATH, version=None).json()
    server.kill()
    server.start()
    assert people.management.get(PATH, version=None).json() == before and needs_code(theirs.get("/secrets"))


def test_a_refusal_is_in_the_log(cli, people, theirs, plain):
    demand(people, roles=[SECRETS_USER])
    begun = audit.now()
    assert needs_code(theirs.get("/secrets"))
    [record] = [each for each in audit.records(cli, since=begun) if each["operationName"] == "SecretList"]
    assert record["identity"]["claim"]["oid"] == plain.id and record["properties"]["httpStatusCode"] == 401


# What clients do about it


def test_a_session_without_a_code_must_sign_in_anew(login, plain):
    token = login.tokens(plain)["refresh_token"]
    answer = login.ask_refresh(Client(), token, claims=MFA)
    assert oauth_refusal(answer) == (400, "interaction_required") and "AADSTS50076" in answer.json()["error_description"]
    assert login.refresh(token)["access_token"], "the session goes on for what needs no code"


def test_a_session_with_a_code_is_refreshed(login, guarded):
    claims = '{"access_token":{"amr":{"essential":true,"values":["mfa"]},"xms_cc":{"values":["CP1"]}}}'
    answer = login.refresh(login.tokens(guarded)["refresh_token"], claims=claims)
    assert claims_of(answer["access_token"])["amr"] == ["pwd", "mfa"]


def test_a_sign_in_that_asks_for_a_code_needs_an_authenticator(people, login, alice, guarded):
    """What a client sends to the authorization endpoint after the challenge."""
    pkce = PKCE.fresh()
    page = login.open(Client(), pkce, claims=MFA)
    refused = Page(login.submit(page, **alice.types()))
    assert refused.status == 403 and "authenticator" in refused.alert and "administrator" in refused.alert
    code = redirected(login.submit(page, **guarded.types()))[1]["code"]
    assert claims_of(granted(login.ask_exchange(Client(), code, pkce))["access_token"])["amr"] == ["pwd", "mfa"]


# Bad input


BAD = {
    "no object": b"[]", "no json": b"x", "nothing": b"", "roles as a text": b'{"roles":"x"}', "roles of numbers": b'{"roles":[1]}',
    "scopes as a text": b'{"scopes":"/subscriptions"}', "no scope": b'{"scopes":["x"]}', "root": b'{"scopes":["/"]}',
    "two of one": b'{"roles":[],"roles":[]}', "too many": json.dumps({"scopes": ["x"] * 1_001}).encode(),
    "dots": b'{"scopes":["/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/.."]}',
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_demands_that_cannot_be_change_nothing(people, content):
    before = demand(people, roles=[SECRETS_USER])
    answer = people.management.put(PATH, version=None, data=content, headers={"Content-Type": "application/json"})
    assert_refused(answer, 400, "BadParameter")
    assert people.management.get(PATH, version=None).json() == before


@pytest.mark.parametrize("role", [NOBODY, "No Such Role", ""])
def test_a_role_that_is_not_there_demands_nothing(people, role):
    answer = people.management.put(PATH, version=None, json={"roles": [SECRETS_USER, role]})
    assert answer.status_code in (400, 404) and answer.json()["error"]["message"]
    assert people.management.get(PATH, version=None).json() == {"roles": [], "scopes": []}


def test_what_is_named_twice_demands_once(server, people):
    told = demand(people, roles=[SECRETS_USER, "KEY VAULT SECRETS USER"], scopes=[server.vault_scope(), server.vault_scope().upper().replace(
        "/SUBSCRIPTIONS/", "/subscriptions/"), f"{server.vault_scope()}/"])
    assert len(told["roles"]) == len(told["scopes"]) == 1


def test_only_who_may_change_roles_may_change_demands(server, people, directory, stranger):
    theirs = server.management(stranger)
    directory.assign(READER, stranger.object_id, server.subscription_scope)
    assert theirs.get(PATH, version=None).status_code == 200
    assert theirs.put(PATH, version=None, json={}).status_code == 403


# The command


def test_the_command_sets_shows_and_takes_back(server, cli, people):
    scope = server.vault_scope()
    first = cli.run("access", "require-mfa", "--role", "key vault secrets user").stdout
    assert first.split() == ["role", SECRETS_USER, "Key", "Vault", "Secrets", "User"]
    cli.run("access", "require-mfa", "--role", READER, "--scope", scope)
    shown = cli.run("access", "show-mfa").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [["role", SECRETS_USER], ["role", READER], ["scope", scope]]
    cli.run("access", "require-mfa", "--scope", scope.upper().replace("/SUBSCRIPTIONS/", "/subscriptions/"))
    assert len(cli.json("access", "show-mfa", "--output", "json")["scopes"]) == 1
    cli.run("access", "require-mfa", "--remove", "--role", "READER", "--scope", f"{scope}/")
    assert cli.json("access", "show-mfa", "--output", "json") == {
        "roles": [{"id": SECRETS_USER, "name": "Key Vault Secrets User"}], "scopes": []}
    gone = cli.run("access", "require-mfa", "--remove", "--role", READER, exit_code=None)
    assert gone.returncode != 0 and "show-mfa" in gone.stderr
    cli.run("access", "require-mfa", "--remove", "--role", SECRETS_USER)
    assert cli.run("access", "show-mfa").stdout == ""


@pytest.mark.parametrize("options", [[], ["--role", "No Such Role"], ["--scope", "nowhere"]])
def test_the_command_tells_what_is_wrong(cli, people, options):
    result = cli.run("access", "require-mfa", *options, exit_code=None)
    assert result.returncode != 0 and result.stderr and result.stdout == ""
    assert people.management.get(PATH, version=None).json() == {"roles": [], "scopes": []}
