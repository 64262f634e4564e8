"""Why somebody may do something, or may not: each step, the agreement with what the server really does, who may ask, and the command."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from requests import Response

from harness import audit
from harness.application import Application
from harness.command_line import CommandLine
from harness.directory import CONTRIBUTOR, OWNER, READER, SECRETS_OFFICER, SECRETS_USER, Directory, done, graph_url, refusal
from harness.hsm_pool import POOL, pool_keys, pool_resource, pool_url, pool_wire
from harness.keys_wire import Keys
from harness.management_wire import Arm, assert_refused
from harness.people import People
from harness.server import Server
from harness.sign_in import Login
from harness.wire import Wire

pytest_plugins = ["harness.people_fixtures"]

PATH, HERE = "/strongroom/access/explanation", "127.0.0.1"
ADMINISTRATOR, CRYPTO_OFFICER = "00482a5a-887f-4fb3-b363-3b7fe8e74483", "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
PURGE_OPERATOR = "a68e7c17-0ab2-4c09-9a58-125dae29748c"
POOL_USER, POOL_ADMINISTRATOR = "21dbd100-6940-42c2-9190-5d6cb909625b", "a290e904-7015-4bba-90c8-60543313cdb4"

# Who holds which role, and where.
HELD = {
    "nobody": [], "user": [(SECRETS_USER, "demo")], "officer": [(SECRETS_OFFICER, "group")],
    "administrator": [(ADMINISTRATOR, "subscription")],
    "of-one-secret": [(SECRETS_USER, "demo/secrets/alpha")], "of-one-key": [(CRYPTO_OFFICER, "demo/keys/alpha")], "in-a-group": [],
    "contributor": [(CONTRIBUTOR, "group")], "reader": [(READER, "subscription")], "owner": [(OWNER, "subscription")],
    "reader-of-demo": [(READER, "demo")], "purger": [(PURGE_OPERATOR, "subscription")], "disabled": [(SECRETS_USER, "demo")],
    "pool-user": [(POOL_USER, "pool")], "pool-keys": [(POOL_USER, "pool/keys")], "pool-key": [(POOL_USER, "pool/keys/alpha")],
    "pool-administrator": [(POOL_ADMINISTRATOR, "pool/keys")], "policy": [], "policy-of-another": [], "policy-of-its-own": [],
}
# How an operation is called: the host, the method, the path, and a body that changes nothing.
CALLS = {
    "SecretGet": ("vault", "GET", "/secrets/{object}"), "SecretList": ("vault", "GET", "/secrets"),
    "SecretSet": ("vault", "PUT", "/secrets/{object}", {}), "SecretDelete": ("vault", "DELETE", "/secrets/{object}"),
    "SecretPurge": ("vault", "DELETE", "/deletedsecrets/{object}"), "SecretBackup": ("vault", "POST", "/secrets/{object}/backup"),
    "SecretRestore": ("vault", "POST", "/secrets/restore", {}), "KeyGet": ("vault", "GET", "/keys/{object}"),
    "KeyList": ("vault", "GET", "/keys"), "KeyCreate": ("vault", "POST", "/keys/{object}/create", {}),
    "KeySign": ("vault", "POST", "/keys/{object}/sign", {}), "KeyPurge": ("vault", "DELETE", "/deletedkeys/{object}"),
    "CertificateList": ("vault", "GET", "/certificates"), "RandomBytesGet": ("vault", "POST", "/rng", {}),
    "SettingList": ("vault", "GET", "/settings"),
    "LocalRoleAssignmentList": ("vault", "GET", "{local}/providers/Microsoft.Authorization/roleAssignments"),
    "VaultGet": ("management", "GET", "{scope}"), "VaultPut": ("management", "PUT", "{scope}", {}),
    "VaultPurge": ("management", "POST", "{scope}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/absent/purge"),
    "RoleAssignmentList": ("management", "GET", "{scope}/providers/Microsoft.Authorization/roleAssignments"),
    "PersonList": ("management", "GET", "/strongroom/users"), "GroupList": ("graph", "GET", "/v1.0/groups"),
    "DirectoryMeGet": ("graph", "GET", "/v1.0/me"),
}
VERSIONS = {"RoleAssignmentList": "2022-04-01", "VaultGet": "2023-07-01", "VaultPut": "2023-07-01", "VaultPurge": "2023-07-01"}

# What may be done (`+`) and what may not (`-`), by whom: the operations, each with the scopes that it is tried at.
TABLE = {
    "nobody": "-SecretGet@demo/secrets/alpha -KeyList@pool -VaultGet@demo -PersonList@subscription +DirectoryMeGet@subscription",
    "user": "+SecretGet@demo/secrets/alpha +SecretList@demo -SecretSet@demo/secrets/alpha -SecretPurge@demo/secrets/absent "
    "-SecretGet@demo2/secrets/alpha -KeyGet@demo/keys/alpha",
    "officer": "+SecretSet@demo/secrets/beta +SecretList@demo2 +SecretBackup@demo/secrets/alpha +SecretPurge@demo/secrets/absent "
    "-VaultGet@demo",
    "administrator": "+KeySign@demo/keys/alpha +CertificateList@demo2 +SecretPurge@demo/secrets/absent "
    "-SecretGet@policies/secrets/x -SecretList@walled +SecretList@ours -SecretList@closed -KeyList@pool",
    "of-one-secret": "+SecretGet@demo/secrets/alpha +SecretGet@demo/secrets/ALPHA -SecretGet@demo/secrets/alpha2 -SecretList@demo "
    "-SecretList@demo/secrets/alpha -SecretRestore@demo",
    "of-one-key": "+KeySign@demo/keys/alpha -KeySign@demo/keys/beta -KeyCreate@demo/keys/beta -SecretGet@demo/secrets/alpha "
    "-KeyList@demo",
    "in-a-group": "+KeyGet@demo/keys/alpha +KeySign@demo/keys/alpha +SecretGet@policies/secrets/x -SecretSet@policies/secrets/x "
    "-SecretList@demo",
    "contributor": "+VaultPut@demo +VaultGet@demo -SecretList@demo -RoleAssignmentList@subscription",
    "reader": "+VaultGet@demo +GroupList@subscription +RoleAssignmentList@demo -VaultPut@demo -VaultPurge@subscription "
    "-SecretGet@demo/secrets/alpha",
    "owner": "+VaultPut@demo +RoleAssignmentList@group +PersonList@subscription -SecretGet@demo/secrets/alpha -KeyList@pool "
    "-SettingList@pool",
    "reader-of-demo": "+VaultGet@demo -VaultGet@demo2 -RoleAssignmentList@group -GroupList@subscription -PersonList@demo",
    "purger": "+VaultPurge@subscription -VaultPut@demo -SecretPurge@demo/secrets/beta",
    "disabled": "-SecretGet@demo/secrets/alpha",
    "pool-user": "+KeyGet@pool/keys/alpha +KeyList@pool +RandomBytesGet@pool -KeyPurge@pool/keys/absent +SettingList@pool",
    "pool-keys": "+KeySign@pool/keys/alpha +KeyList@pool -RandomBytesGet@pool/keys -LocalRoleAssignmentList@pool",
    "pool-key": "+KeySign@pool/keys/alpha -KeySign@pool/keys/beta -KeyList@pool -KeyGet@demo/keys/alpha",
    "pool-administrator": "+LocalRoleAssignmentList@pool/keys +LocalRoleAssignmentList@pool/keys/alpha "
    "-LocalRoleAssignmentList@pool",
    "policy": "+SecretGet@policies/secrets/x -SecretSet@policies/secrets/x -KeyList@policies -SecretGet@demo/secrets/alpha",
    "policy-of-another": "-SecretGet@policies/secrets/x",
    "policy-of-its-own": "+SecretGet@policies/secrets/x -SecretList@policies",
    "weak": "-SecretGet@demo/secrets/alpha -SecretList@demo2 +KeyGet@demo/keys/alpha -KeyList@demo2",
    "strong": "+SecretGet@demo/secrets/alpha +SecretList@demo2 +KeyGet@demo/keys/alpha -KeyList@demo2",
}
ROWS = [(who, row[0] == "+", *row[1:].split("@")) for who, rows in TABLE.items() for row in rows.split()]


class World:
    """A server with vaults of every kind, a pool, and somebody for each way of being allowed something."""

    def __init__(self, server: Server, people: People, directory: Directory, login: Login):
        self.server, self.directory, self.arm, self.management = server, directory, Arm.of(server), server.management()
        signed = {"weak": people.create(), "strong": people.create(authenticator=True)}
        with ThreadPoolExecutor(4) as threads:
            self.held = dict(zip(HELD, threads.map(self._application, HELD)))
        self.ids = {who: each.object_id for who, each in self.held.items()} | {who: each.id for who, each in signed.items()}
        self.names = {who: each.name for who, each in signed.items()}
        self.groups = directory.chain("explained", 2, self.ids["in-a-group"])
        self.vaults = {"demo": "demo", "demo2": "demo2", **self._vaults()}
        guarded = [(SECRETS_OFFICER, "demo"), (SECRETS_USER, "demo2"), (CRYPTO_OFFICER, "demo")]
        for who, roles in {**HELD, **dict.fromkeys(signed, guarded)}.items():
            for role, scope in roles:
                self.assign(role, self.ids[who], scope)
        self.assign(CRYPTO_OFFICER, self.groups[1], "demo")
        server.wire().set_secret("alpha")
        for keys in (Keys(server.wire()), pool_keys(server)):
            keys.create("alpha", "EC-HSM")
        sessions = {who: login.tokens(person) for who, person in signed.items()}
        self.tokens = {who: each["access_token"] for who, each in sessions.items()}
        management = login.refresh(sessions["weak"]["refresh_token"], scope=f"{self.management.base}/.default")["access_token"]
        self.weak = Wire(self.management.base, server.bundle, management)
        server.token(self.held["disabled"])
        people.management.post(f"/strongroom/applications/{self.held['disabled'].app_id}/disable", version=None)
        demands = {"roles": [SECRETS_OFFICER], "scopes": [self.scope("demo2")]}
        done(people.management.put("/strongroom/mfaDemands", version=None, json=demands), 200)

    def _application(self, who: str) -> Application:
        made = done(self.server.management().post("/strongroom/applications", version=None, json={"displayName": who}), 201)
        return Application(made["appId"], made["objectId"], made["password"], made["tenant"])

    def _vaults(self) -> dict[str, str]:
        def entry(who: str, **more) -> dict:
            return {**self.arm.entry(self.ids.get(who, who), secrets=["get"]), **more}

        def network(*addresses: str) -> dict:
            return {"defaultAction": "Deny", "ipRules": [{"value": address} for address in addresses]}

        policies = [
            entry("policy"), entry(self.groups[1]), entry("policy-of-another", applicationId=self.held["policy"].app_id),
            entry("policy-of-its-own", applicationId=self.held["policy-of-its-own"].app_id)]
        return {
            "policies": self.arm.create(enableRbacAuthorization=False, accessPolicies=policies),
            "walled": self.arm.create(networkAcls=network("203.0.113.0/24")),
            "ours": self.arm.create(networkAcls=network("127.0.0.0/8", "::1")),
            "closed": self.arm.create(publicNetworkAccess="Disabled"),
        }

    def assign(self, role: str, principal: str, scope: str) -> None:
        if not scope.startswith("pool"):
            self.directory.assign(role, principal, self.scope(scope))
            return
        body = {"properties": {"principalId": principal, "roleDefinitionId": role}}
        path = f"{scope.removeprefix('pool')}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        done(pool_wire(self.server).put(path, json=body), 201)

    def scope(self, label: str) -> str:
        first, _, rest = label.partition("/")
        group = self.server.group_scope
        whole = {
            "subscription": self.server.subscription_scope, "group": group, "pool": f"{group}/providers/Microsoft.KeyVault/managedHSMs/{POOL}"}
        return (whole.get(first) or self.server.vault_scope(self.vaults[first])) + (f"/{rest}" if rest else "")

    # What the server says of it, and what it does

    def ask(self, who: str, operation: str, label: str, by: Application | None = None, **more) -> Response:
        query = {"principal": self.ids.get(who, who), "operation": operation, "scope": self.scope(label), **more}
        return self.server.management(by).get(PATH, version=None, query=query)

    def explain(self, who: str, operation: str, label: str, **more) -> dict:
        return done(self.ask(who, operation, label, **more), 200)

    def wire(self, who: str, host: str, label: str) -> Wire:
        first = label.split("/")[0]
        resource, url = {
            "management": (self.management.base, self.management.base), "graph": (graph_url(self.server), graph_url(self.server)),
            "vault": (pool_resource(self.server), pool_url(self.server)) if first == "pool" else (
                self.server.vault_resource, self.server.vault_url(self.vaults.get(first, "demo")))}[host]
        if who in self.held:
            return Wire(url, self.server.bundle, self.server.token(self.held[who], resource))
        return Wire(url, self.server.bundle, self.tokens[who])

    def does(self, who: str, operation: str, label: str) -> bool:
        """Whether the server lets them; that nothing is there is not a refusal."""
        host, method, path, *body = CALLS[operation]
        local = label.removeprefix("pool")
        filled = path.format(object=label.split("/")[-1], scope=self.scope(label), local=local)
        version = None if host == "graph" else VERSIONS.get(operation, "7.6")
        answer = self.wire(who, host, label).call(method, filled, version=version, **({"json": body[0]} if body else {}))
        assert answer.status_code < 500, answer.text
        return answer.status_code not in (401, 403)


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory) -> Server:
    """One of its own: demands hold for everybody."""
    running = Server(binary, tmp_path_factory.mktemp("explained") / "data", vaults=("demo", "demo2")).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


@pytest.fixture(scope="module")
def world(server, people, directory, login) -> World:
    return World(server, people, directory, login)


def steps(told: dict) -> dict[str, tuple[bool | None, str]]:
    """What was found at each step; none is told twice."""
    assert set(told) == {"allowed", "reason", "steps", "assignments"}
    found = {each["step"]: (each["passed"], each["detail"]) for each in told["steps"]}
    assert len(found) == len(told["steps"])
    failed = [f"{name}: {detail}" for name, (passed, detail) in found.items() if passed is False]
    assert told["allowed"] is (not failed) and told["reason"] == (failed[0] if failed else "")
    return found


# The verdict


@pytest.mark.parametrize(
    ("who", "allowed", "operation", "label"), ROWS, ids=[f"{who}-{op}-{at.replace('/', '.')}" for who, _, op, at in ROWS])
def test_the_verdict_is_what_the_server_does(world, who, allowed, operation, label):
    told = world.explain(who, operation, label, address=HERE, mfa=str(who == "strong").lower())
    steps(told)
    assert (world.does(who, operation, label), told["allowed"]) == (allowed, allowed), told["steps"]


# The steps

STEPS = {
    "who it is": (("user", "SecretGet", "demo"), "Principal", True, ["application 'user'", "enabled"]),
    "nobody of that name": (("no@example.com", "SecretGet", "demo"), "Principal", False, ["nobody", "no@example.com"]),
    "disabled": (("disabled", "SecretGet", "demo"), "Principal", False, ["disabled"]),
    "in groups": (("in-a-group", "KeyGet", "demo"), "Groups", None, ["explained-0", "explained-1"]),
    "no permission": (("nobody", "TokenIssue", "subscription"), "Permission", True, ["none"]),
    "no address": (("administrator", "SecretList", "walled"), "Network", None, ["give an address"]),
    "role of the vault": (("user", "SecretGet", "demo"), "Role assignments", True, ["Key Vault Secrets User", "vaults/demo", "getSecret"]),
    "role of a group": (("in-a-group", "KeyGet", "demo"), "Role assignments", True, ["Key Vault Crypto Officer"]),
    "role of a resource group": (("officer", "SecretSet", "demo/secrets/x"), "Role assignments", True, ["Officer", "resourceGroups"]),
    "role of the subscription": (("administrator", "KeySign", "demo/keys/x"), "Role assignments", True, ["Administrator", "/subscriptions/"]),
    "role of one secret": (("of-one-secret", "SecretGet", "demo/secrets/alpha"), "Role assignments", True, ["secrets/alpha"]),
    "role elsewhere": (("of-one-secret", "SecretGet", "demo/secrets/x"), "Role assignments", False, ["reaches"]),
    "too weak a role": (("user", "SecretSet", "demo/secrets/x"), "Role assignments", False, ["setSecret", "Key Vault Secrets User"]),
    "purge": (("user", "SecretPurge", "demo/secrets/x"), "Role assignments", False, ["secrets/purge", "Key Vault Secrets User"]),
    "no role": (("nobody", "SecretGet", "demo"), "Role assignments", False, ["no role is assigned"]),
    "pool": (("pool-user", "KeyList", "pool"), "Permission model", None, ["local roles"]),
    "role of the pool": (("pool-user", "KeyGet", "pool/keys/alpha"), "Role assignments", True, ["Crypto User", "managedHsm/keys/read"]),
    "role of all keys": (("pool-keys", "KeySign", "pool/keys/alpha"), "Role assignments", True, [f"managedHSMs/{POOL}/keys"]),
    "role of a key": (("pool-key", "KeySign", "pool/keys/alpha"), "Role assignments", True, ["keys/alpha"]),
    "role on all keys": (("pool-administrator", "LocalRoleAssignmentList", "pool/keys"), "Role assignments", True, ["Administrator"]),
    "not of the pool": (("owner", "KeyList", "pool"), "Role assignments", False, ["reaches"]),
    "policies": (("policy", "SecretGet", "policies"), "Permission model", None, ["access policies", "roles do not count"]),
    "policy": (("policy", "SecretGet", "policies"), "Access policies", True, ["secrets get"]),
    "policy of a group": (("in-a-group", "SecretGet", "policies"), "Access policies", True, ["secrets get"]),
    "too weak a policy": (("policy", "SecretSet", "policies"), "Access policies", False, ["secrets set"]),
    "no policy": (("administrator", "SecretGet", "policies"), "Access policies", False, ["secrets get", "no access policy"]),
    "policy of another application": (("policy-of-another", "SecretGet", "policies"), "Access policies", False, ["secrets get", "application"]),
    "programs": (("officer", "SecretGet", "demo2"), "Second factor", None, ["not asked of programs"]),
    "nothing demanded": (("weak", "KeyGet", "demo"), "Second factor", None, ["demands"]),
    "a scope that demands": (("weak", "SecretGet", "demo2"), "Second factor", False, ["vaults/demo2"]),
    "a role that demands": (("weak", "SecretGet", "demo"), "Role assignments", False, ["Officer", "second factor"]),
    "management": (("contributor", "VaultPut", "demo"), "Role assignments", True, ["Contributor", "Microsoft.KeyVault/vaults/write"]),
}


@pytest.mark.parametrize("case", STEPS)
def test_each_step_says_what_it_found(world, case):
    about, name, passed, words = STEPS[case]
    found = steps(world.explain(*about))[name]
    assert found[0] is passed and [word for word in words if word.lower() not in found[1].lower()] == [], found


@pytest.mark.parametrize(("vault", "address", "passed", "words"), [
    ("walled", "203.0.113.7", True, "203.0.113.7"), ("walled", "203.0.114.7", False, "203.0.114.7"),
    ("walled", "::ffff:203.0.113.7", True, "let in"), ("walled", "2001:db8::1", False, "2001:db8::1"),
    ("closed", "203.0.113.7", False, "disabled"), ("demo", "203.0.114.7", True, "everywhere")])
def test_an_address_is_judged(world, vault, address, passed, words):
    told = world.explain("administrator", "SecretList", vault, address=address)
    assert steps(told)["Network"][0] is passed is told["allowed"] and words in steps(told)["Network"][1]


def test_a_second_factor_changes_the_verdict(world):
    told = {mfa: world.explain(world.names["weak"], "SecretGet", "demo2", mfa=mfa) for mfa in ("true", "false")}
    assert {mfa: each["allowed"] for mfa, each in told.items()} == {"true": True, "false": False}
    assert steps(told["true"])["Second factor"][0] is True and "second factor" in steps(told["false"])["Principal"][1]


def test_each_assignment_is_told_with_what_it_does(world):
    told = world.explain("weak", "SecretGet", "demo")["assignments"]
    members = ("reachesScope", "includesPermission", "lacksSecondFactor", "grants")
    found = {each["roleName"]: [each[name] for name in members] for each in told}
    assert found == {
        "Key Vault Secrets Officer": [True, True, True, False], "Key Vault Crypto Officer": [True, False, False, False],
        "Key Vault Secrets User": [False, True, False, False]}
    assert {each["principalId"] for each in told} == {world.ids["weak"]}
    by_group = world.explain("in-a-group", "KeyGet", "demo")["assignments"]
    assert [(each["principalId"], each["grants"]) for each in by_group] == [(world.groups[1], True)]


# Who may ask


def test_everybody_may_ask_about_themselves(world):
    for who in ("nobody", "user"):
        own = world.held[who]
        told = [done(world.ask(name, "SecretGet", "demo", own), 200) for name in (own.object_id, own.app_id.upper())]
        assert told[0] == told[1] and told[0]["allowed"] is (who == "user")
    query = {"operation": "SecretGet", "scope": world.scope("demo2"), "mfa": "true"}
    told = [world.weak.get(PATH, version=None, query={"principal": each, **query}) for each in (world.names["weak"], world.names["strong"])]
    assert [each.status_code for each in told] == [200, 403] and told[0].json()["allowed"] is True


@pytest.mark.parametrize(("by", "label", "may"), [
    ("nobody", "demo", False), ("user", "demo2", False), ("contributor", "subscription", False), ("reader", "demo", True),
    ("reader", "pool", True), ("reader-of-demo", "demo", True), ("reader-of-demo", "demo/secrets/alpha", True), ("reader-of-demo", "demo2", False),
    ("reader-of-demo", "group", False)])
def test_others_are_explained_to_readers_of_role_assignments_there(world, by, label, may):
    operation = "VaultGet" if label in ("group", "subscription") else "KeyList"
    told = [world.ask(who, operation, label, world.held[by]) for who in ("policy", "no@example.com")]
    if may:
        assert [each.status_code for each in told] == [200, 200]
    else:
        for each in told:
            assert_refused(each, 403, "AuthorizationFailed", "Microsoft.Authorization/roleAssignments/read")


@pytest.mark.operation("AccessExplain")
def test_questions_are_in_the_log(world, cli):
    begun = audit.now()
    assert [world.ask("user", "SecretGet", "demo", by).status_code for by in (None, world.held["nobody"])] == [200, 403]
    found = [each for each in audit.records(cli, since=begun) if each["operationName"] == "AccessExplain"]
    assert [each["properties"]["httpStatusCode"] for each in found] == [200, 403]
    assert all(each["properties"]["id"].endswith(world.ids["user"]) for each in found)
    assert all(each["resourceId"] == world.scope("demo").upper() for each in found)
    assert found[1]["identity"]["claim"]["oid"] == world.ids["nobody"] and found[1]["properties"]["isRbacAuthorized"] is False


# Bad input

BAD = {
    "principal": ["", None], "operation": ["", None, "NoSuch", "SecretGet "], "mfa": ["maybe", "1"],
    "address": ["", "x", "127.0.0.1/8", "127.0.0.1:80", "256.1.1.1", "::1%lo", "203.0.113.07 "],
    "scope": ["", None, "/", "x", "/subscriptions/x", "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/.."],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_parameter_that_cannot_be_is_refused(world, name, value):
    query = {"principal": world.ids["user"], "operation": "SecretGet", "scope": world.scope("demo"), name: value}
    answer = world.management.get(PATH, version=None, query={name: value for name, value in query.items() if value is not None})
    assert_refused(answer, 400, "BadParameter", *([name] if value is None else []))


@pytest.mark.parametrize("name", ["principal", "operation", "scope", "address", "mfa"])
def test_a_parameter_is_given_once(world, name):
    query = {"principal": world.ids["user"], "operation": "SecretGet", "scope": world.scope("demo"), "address": HERE, "mfa": "true"}
    assert_refused(world.management.get(PATH, version=None, query={**query, name: [query[name]] * 2}), 400, "BadParameter")


@pytest.mark.parametrize(("operation", "label", "status"), [
    ("SecretGet", "subscription", 404), ("SecretGet", "pool", 400), ("RandomBytesGet", "demo", 400), ("SecretGet", "absent", 404)])
def test_an_operation_that_is_not_of_the_scope_is_refused(world, operation, label, status):
    scope = world.server.vault_scope("absent") if label == "absent" else world.scope(label)
    assert refusal(world.ask("user", operation, "demo", scope=scope))[0] == status


# The command


def test_the_command_tells_the_steps_and_the_verdict(world, cli):
    weak = world.names["weak"]
    for who, options, code in [("user", [], 0), ("nobody", [], 1), (weak, [], 1), (weak, ["--mfa"], 0)]:
        asked = ["--assignee", world.ids.get(who, who), "--operation", "SecretGet", "--scope", world.scope("demo"), "--address", HERE, *options]
        text = cli.run("access", "explain", *asked, exit_code=code).stdout.splitlines()
        told = json.loads(cli.run("access", "explain", *asked, "--output", "json", exit_code=code).stdout)
        marks = {True: "yes", False: "NO ", None: "   "}
        shown = [f"{marks[each['passed']]}  {each['step']}: {each['detail']}" for each in told["steps"]]
        assert text[: len(shown)] == shown and text[-1] == ("denied" if code else "allowed") and told["allowed"] is (code == 0)
        assert len(text) == len(shown) + len(told["assignments"]) + 1


def test_the_command_refuses_what_it_does_not_know(world, cli):
    asked = ["--assignee", world.ids["user"], "--operation", "SecretGet", "--scope", world.scope("demo")]
    for wrong in (asked[:-2], asked[2:], [*asked, "--output", "xml"], [*asked, "more"]):
        assert cli.run("access", "explain", *wrong, exit_code=64).stdout == ""
    told = cli.run("access", "explain", *asked[:3], "NoSuch", *asked[4:], exit_code=1)
    assert told.stdout == "" and "NoSuch" in told.stderr and told.stderr.count("\n") == 1
