"""Resource groups: made, changed and removed, and what they mean for vaults and for roles."""

import threading
import uuid

import pytest

from harness import audit
from harness.management_wire import LATEST, LOCATION, Arm, assert_refused, vault_name
from harness.production import Production

VERSION = "2022-12-01"


class Groups:
    """Plain calls to the groups of a subscription."""

    def __init__(self, arm: Arm):
        self.arm = arm

    def path(self, name: str) -> str:
        return f"{self.arm.subscription}/resourcegroups/{name}"

    def ask_put(self, name: str, location: str = LOCATION, **members):
        return self.arm.wire.put(self.path(name), version=VERSION, json={"location": location, **members})

    def put(self, name: str, location: str = LOCATION, **members) -> dict:
        answer = self.ask_put(name, location, **members)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def ask_get(self, name: str):
        return self.arm.wire.get(self.path(name), version=VERSION)

    def ask_delete(self, name: str):
        return self.arm.wire.delete(self.path(name), version=VERSION)

    def names(self) -> list[str]:
        answer = self.arm.wire.get(f"{self.arm.subscription}/resourcegroups", version=VERSION)
        assert answer.status_code == 200, answer.text
        return [each["name"] for each in answer.json()["value"]]

    def delete(self, name: str) -> None:
        answer = self.ask_delete(name)
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def groups(arm) -> Groups:
    return Groups(arm)


@pytest.fixture
def fresh() -> str:
    return f"Group-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def made(groups, fresh) -> str:
    groups.put(fresh)
    return fresh


# Made, changed, removed


@pytest.mark.operation("ResourceGroupPut")
@pytest.mark.operation("ResourceGroupDelete")
def test_a_group_is_made_told_and_removed(arm, groups, fresh):
    told = groups.put(fresh, "West Europe", tags={"team": "blue"})
    assert told == {
        "id": f"{arm.subscription}/resourceGroups/{fresh}", "name": fresh, "type": "Microsoft.Resources/resourceGroups",
        "location": LOCATION, "tags": {"team": "blue"}, "properties": {"provisioningState": "Succeeded"},
    }
    assert groups.ask_get(fresh).json() == told
    listed = arm.wire.get(f"{arm.subscription}/resourcegroups", version=VERSION).json()["value"]
    assert told in listed and groups.names() == sorted(groups.names(), key=str.lower)
    removed = groups.ask_delete(fresh)
    assert (removed.status_code, removed.content) == (200, b"")
    assert_refused(groups.ask_get(fresh), 404, "ResourceGroupNotFound", fresh)
    assert_refused(groups.ask_delete(fresh), 404, "ResourceGroupNotFound", fresh)
    assert fresh not in groups.names()


def test_a_group_keeps_its_first_spelling_whatever_it_is_called(groups, made):
    assert groups.put(made.upper(), tags={"a": "b"})["name"] == made
    assert groups.ask_get(made.lower()).json()["tags"] == {"a": "b"}
    assert groups.names().count(made) == 1 and made.upper() not in groups.names()
    groups.delete(made.upper())
    assert groups.ask_get(made).status_code == 404


def test_tags_are_replaced_with_the_whole(groups, made):
    assert groups.put(made, tags={"a": "1", "b": "2"})["tags"] == {"a": "1", "b": "2"}
    assert groups.put(made, tags={"c": "3"})["tags"] == {"c": "3"}
    assert groups.put(made)["tags"] == {}


def test_the_location_of_a_group_stays(groups, made):
    assert_refused(groups.ask_put(made, "northeurope", tags={"a": "b"}), 409, "Conflict", LOCATION)
    assert groups.ask_get(made).json()["location"] == LOCATION and groups.ask_get(made).json()["tags"] == {}


def test_a_group_holds_vaults_of_other_locations(arm, groups, made):
    name = vault_name()
    answer = arm.ask_put(name, {**arm.body(), "location": "northeurope"}, group=made)
    assert answer.status_code in (200, 201) and answer.json()["location"] == "northeurope"
    assert groups.ask_get(made).json()["location"] == LOCATION


GOOD_NAMES = ["a", "g" * 90, "With.Dots_and-(parentheses)", "7", "..a"]
BAD_NAMES = ["g" * 91, "ends.", "a%20b", "a,b", "a*b", "caf%C3%A9", "a~b", "a'b", "a@b"]


@pytest.mark.parametrize("form", GOOD_NAMES)
def test_a_name_of_any_allowed_form_is_taken(arm, groups, form):
    mark = uuid.uuid4().hex[:8]
    name = f"{mark}{form}"[:90] if len(form) > 80 else f"{form}{mark}"
    assert groups.put(name)["id"] == arm.group(name)
    vault = arm.create(group=name)
    assert arm.get(vault, group=name)["id"] == arm.vault(vault, name)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_another_name_is_refused(groups, name):
    before = groups.names()
    assert_refused(groups.ask_put(name), 400, "BadParameter")
    assert groups.ask_delete(name).status_code in (400, 404)
    assert groups.names() == before


@pytest.mark.parametrize(
    "body",
    [{}, {"location": None}, {"location": 7}, {"location": ""}, {"location": "west_europe"}, {"location": "x" * 65}, [], "x", None,
     {"location": LOCATION, "tags": []}, {"location": LOCATION, "tags": {"a": 1}}, {"location": LOCATION, "tags": {"n" * 513: "v"}},
     {"location": LOCATION, "tags": {"n": "v" * 257}}, {"location": LOCATION, "tags": {str(number): "v" for number in range(51)}}],
    ids=lambda body: str(body)[:40])
def test_a_wrong_body_is_refused_and_changes_nothing(arm, groups, made, fresh, body):
    before, other = groups.ask_get(made).json(), f"{fresh}-x"
    for name in (made, other):
        assert_refused(arm.wire.put(groups.path(name), version=VERSION, json=body), 400, "BadParameter")
    assert groups.ask_get(made).json() == before
    assert groups.ask_get(other).status_code == 404


@pytest.mark.parametrize("version", [None, "", "7.4", "2026-13-45"], ids=str)
def test_a_version_that_is_no_date_is_refused(arm, groups, made, version):
    for method in ("PUT", "GET", "DELETE"):
        answer = arm.wire.call(method, groups.path(made), version=version, json={"location": LOCATION, "tags": {"a": "b"}})
        assert answer.status_code == 400 and "api-version" in answer.json()["error"]["message"]
    assert groups.ask_get(made).json()["tags"] == {}


def test_another_subscription_has_no_groups(arm, groups, made):
    wrong = groups.path(made).replace(arm.subscription, f"/subscriptions/{uuid.uuid4()}")
    assert_refused(arm.wire.get(wrong, version=VERSION), 404, "ResourceNotFound")
    for method in ("PUT", "DELETE"):
        answer = arm.wire.call(method, wrong, version=VERSION, json={"location": LOCATION})
        assert answer.status_code in (403, 404), answer.text
    assert groups.ask_get(made).status_code == 200


# What is in them


def test_a_group_with_vaults_is_not_removed(server, arm, groups, made):
    vault = arm.create(group=made)
    server.wire(vault).set_secret("kept", "v")
    assert_refused(groups.ask_delete(made), 409, "Conflict", made)
    assert server.wire(vault).get("/secrets/kept").status_code == 200
    # Nor with one that can still be had back.
    assert arm.ask_delete(vault, group=made).status_code == 200
    assert_refused(groups.ask_delete(made), 409, "Conflict", "deleted")
    assert groups.ask_get(made).status_code == 200
    assert arm.ask_recover(vault, group=made).status_code in (200, 201)
    assert server.wire(vault).get("/secrets/kept").status_code == 200
    # Only when it is purged.
    assert arm.ask_delete(vault, group=made).status_code == 200
    arm.finish(arm.purge(vault))
    groups.delete(made)
    assert_refused(arm.ask_put(vault, group=made), 404, "ResourceGroupNotFound", made)


def test_the_group_of_the_server_is_not_removed(server, arm, groups):
    assert_refused(groups.ask_delete(arm.default_group), 409, "Conflict")
    assert arm.default_group in groups.names() and server.wire().get("/secrets").status_code == 200


def test_vaults_are_listed_by_group(arm, groups, made):
    inside, outside = arm.create(group=made), arm.create()

    def listed(group: str) -> list[str]:
        answer = arm.wire.get(f"{arm.group(group)}/providers/Microsoft.KeyVault/vaults", version=LATEST)
        return [each["name"] for each in answer.json()["value"]]

    assert listed(made) == [inside] and outside in listed(arm.default_group) and inside not in listed(arm.default_group)
    everywhere = arm.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/vaults", version=LATEST).json()["value"]
    assert {inside, outside} <= {each["name"] for each in everywhere}


def test_a_group_that_is_removed_while_a_vault_is_made_in_it_leaves_no_vault_without_one(server, arm, groups, fresh):
    for turn in range(5):
        name, vault, answers = f"{fresh}-{turn}", vault_name(), {}
        groups.put(name)
        maker, remover = Arm.of(server), Groups(Arm.of(server))
        threads = [
            threading.Thread(target=lambda: answers.update(vault=maker.ask_put(vault, group=name).status_code)),
            threading.Thread(target=lambda: answers.update(group=remover.ask_delete(name).status_code)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers["vault"] in (200, 201, 404) and answers["group"] in (200, 409), answers
        is_made = arm.ask_get(vault, group=name).status_code == 200
        assert is_made == (answers["vault"] != 404)
        if is_made:
            assert groups.ask_get(name).status_code == 200, "a vault is in a group that is not there"


# Roles


def test_a_role_at_a_group_reaches_its_vaults_and_no_others(server, cli, arm, groups, made):
    inside, outside = arm.create(group=made), arm.create()
    application = cli.create_application(made)
    cli.assign(application, "Key Vault Secrets Officer", arm.group(made.lower()))
    assert server.wire(inside, application).set_secret("one")
    assert server.wire(outside, application).get("/secrets").status_code == 403
    cli.assign(application, "Reader", arm.group(made.upper()))
    own = Arm.of(server, application)
    listed = own.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/vaults", version=LATEST).json()["value"]
    assert [each["name"] for each in listed] == [inside]
    assert own.ask_get(inside, group=made).status_code == 200
    assert_refused(own.ask_get(outside), 403, "AuthorizationFailed")


def test_roles_at_a_group_end_with_it(server, cli, arm, groups, made):
    """Whoever makes a group of the same name later has given nothing to anyone."""
    application = cli.create_application(made)
    cli.assign(application, "Key Vault Secrets Officer", arm.group(made))
    groups.delete(made)
    groups.put(made)
    vault = arm.create(group=made)
    server.wire(vault).set_secret("new", "v")
    assert server.wire(vault, application).get("/secrets/new").status_code == 403
    listed = arm.wire.get(f"{arm.group(made)}/providers/Microsoft.Authorization/roleAssignments", version="2022-04-01").json()["value"]
    assert application.object_id not in [each["properties"]["principalId"] for each in listed]


@pytest.mark.parametrize(
    ("role", "may"),
    [("Owner", True), ("Contributor", True), ("Reader", False), ("Key Vault Contributor", False), ("Key Vault Administrator", False),
     ("User Access Administrator", False)])
def test_a_role_allows_what_its_definition_says(server, cli, arm, groups, made, role, may):
    application = cli.create_application(f"{made}-{role.replace(' ', '-')}")
    cli.assign(application, role, arm.subscription)
    own = Groups(Arm.of(server, application))
    for answer, action in (
        (own.ask_put(made, tags={"a": "b"}), "write"), (own.ask_put(f"{made}-x"), "write"), (own.ask_delete(made), "delete")):
        if may:
            assert answer.status_code in (200, 201), answer.text
        else:
            assert_refused(answer, 403, "AuthorizationFailed", f"Microsoft.Resources/subscriptions/resourceGroups/{action}")
    assert [groups.ask_get(name).status_code for name in (made, f"{made}-x")] == ([404, 200] if may else [200, 404])
    assert may or groups.ask_get(made).json()["tags"] == {}


def test_a_role_at_a_group_makes_no_other(server, cli, arm, groups, made):
    application = cli.create_application(made)
    cli.assign(application, "Contributor", arm.group(made))
    own = Groups(Arm.of(server, application))
    assert_refused(own.ask_put(f"{made}-x"), 403, "AuthorizationFailed")
    assert own.ask_put(made, tags={"a": "b"}).status_code in (200, 201)


def test_without_a_token_every_call_is_challenged(server, arm, groups, made):
    nobody = type(arm.wire)(arm.wire.base, server.bundle)
    for method in ("PUT", "GET", "DELETE"):
        answer = nobody.call(method, groups.path(made), version=VERSION, json={"location": LOCATION})
        assert answer.status_code == 401 and "WWW-Authenticate" in answer.headers
    assert groups.ask_get(made).status_code == 200


# What stays


def test_groups_survive_a_kill(own_server, fresh):
    server = own_server(vaults=("demo",))
    arm = Arm.of(server)
    groups = Groups(arm)
    told = groups.put(fresh, tags={"a": "b"})
    default = groups.put(arm.default_group, arm.get("demo")["location"], tags={"of": "the server"})
    groups.put(f"{fresh}-gone")
    groups.delete(f"{fresh}-gone")
    vault = arm.create(group=fresh)
    server.kill()
    server.start()
    assert groups.ask_get(fresh).json() == told and groups.ask_get(arm.default_group).json() == default
    assert groups.ask_get(f"{fresh}-gone").status_code == 404
    assert arm.get(vault, group=fresh)["id"] == arm.vault(vault, fresh)
    assert_refused(groups.ask_delete(fresh), 409, "Conflict")
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path)
    yield made
    made.kill()


def test_the_group_of_the_configuration_stays_when_its_last_vault_is_deleted(production):
    production.initialise().start()
    arm = Arm.production(production)
    groups = Groups(arm)
    assert groups.names() == [arm.default_group]
    arm.delete("demo")
    assert groups.names() == [arm.default_group]
    assert arm.create("another") == "another"


def test_every_change_of_a_group_is_on_record(cli, arm, groups, fresh):
    begun = audit.now()
    groups.put(fresh)
    assert groups.ask_put(fresh, "northeurope").status_code == 409
    groups.delete(fresh)
    records = audit.records_about(cli, fresh, since=begun)
    assert [(record["operationName"], record["properties"]["httpStatusCode"]) for record in records] == [
        ("ResourceGroupPut", 200), ("ResourceGroupPut", 409), ("ResourceGroupDelete", 200)]
    assert {record["resourceId"] for record in records} == {arm.group(fresh).upper()}
    assert {record["identity"]["claim"]["oid"] for record in records} == {arm.object_id}
