"""What is given to a group is given to its members, to those of groups in it too, and taken from them at their very next request."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import audit
from harness.directory import (
    ACCESS_ADMINISTRATOR, CONTRIBUTOR, DATA_ACCESS_ADMINISTRATOR, OWNER, READER, SECRETS_OFFICER, SECRETS_USER, Directory, done, refusal,
)
from harness.hsm_pool import pool_keys, pool_wire
from harness.keys_wire import Keys
from harness.management_wire import Arm, assert_withheld, vault_name
from harness.wire import Wire

CRYPTO_USER, CRYPTO_AUDITOR = "21dbd100-6940-42c2-9190-5d6cb909625b", "2c18b078-7c48-4d3a-af88-5a3a1b3f82b3"
VAULT_CRYPTO_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
ADMINISTRATOR_OF_VAULTS = "00482a5a-887f-4fb3-b363-3b7fe8e74483"


@pytest.fixture(scope="module")
def directory(server) -> Directory:
    return Directory.of(server)


@pytest.fixture
def group(directory, name) -> str:
    return directory.group(name)


@pytest.fixture
def theirs(server, stranger) -> Wire:
    """Calls of the stranger to `demo`, with one and the same token."""
    return server.wire(application=stranger)


def may_list(wire: Wire) -> bool:
    answer = wire.get("/secrets")
    assert answer.status_code in (200, 403), answer.text
    return answer.status_code == 200


# Roles of a group


@pytest.mark.operation("GroupMemberAdd")
@pytest.mark.operation("GroupMemberRemove")
def test_a_member_holds_the_role_of_its_group_from_the_next_request_on(server, directory, group, stranger, theirs):
    assert not may_list(theirs)
    directory.assign(SECRETS_USER, group, server.vault_scope())
    assert not may_list(theirs)
    for _ in range(3):
        directory.add(group, stranger.object_id)
        assert may_list(theirs)
        directory.remove(group, stranger.object_id)
        assert not may_list(theirs)


def test_who_leaves_is_refused_on_every_connection_with_the_same_token(server, directory, group, stranger):
    directory.assign(SECRETS_USER, group, server.vault_scope())
    directory.add(group, stranger.object_id)
    wires = [server.wire(application=stranger) for _ in range(12)]
    assert all(may_list(wire) for wire in wires for _ in range(2))
    directory.remove(group, stranger.object_id)
    assert not any(may_list(wire) for wire in wires)
    directory.add(group, stranger.object_id)
    assert all(may_list(wire) for wire in wires)


def test_a_role_that_the_group_loses_is_lost_to_its_members(server, directory, group, stranger, theirs):
    directory.add(group, stranger.object_id)
    assignment = directory.assign(SECRETS_USER, group, server.vault_scope())
    assert assignment["properties"]["principalType"] == "Group"
    assert may_list(theirs)
    directory.unassign(assignment)
    assert not may_list(theirs)


@pytest.mark.parametrize("scope", ["subscription_scope", "group_scope"])
def test_a_role_of_a_group_reaches_the_vaults_below_its_scope(server, directory, group, stranger, scope):
    directory.add(group, stranger.object_id)
    assignment = directory.assign(SECRETS_USER, group, getattr(server, scope))
    assert all(may_list(server.wire(vault, stranger)) for vault in ("demo", "other"))
    directory.remove(group, stranger.object_id)
    assert not any(may_list(server.wire(vault, stranger)) for vault in ("demo", "other"))
    directory.unassign(assignment)


def test_a_group_gives_what_its_role_gives_and_no_more(server, directory, group, stranger, theirs, name):
    directory.add(group, stranger.object_id)
    directory.assign(SECRETS_USER, group, server.vault_scope())
    server.wire().set_secret(name, "read by members")
    assert theirs.get(f"/secrets/{name}").json()["value"] == "read by members"
    assert_withheld(theirs.put(f"/secrets/{name}", json={"value": "x"}), "ForbiddenByRbac", "numgroups=1;")
    assert not may_list(server.wire("other", stranger))


def test_roles_of_several_groups_add_up(server, directory, stranger, theirs, name):
    readers, writers = directory.group(f"{name}-1"), directory.group(f"{name}-2")
    directory.assign(SECRETS_USER, readers, server.vault_scope())
    directory.assign(SECRETS_OFFICER, writers, f"{server.vault_scope()}/secrets/{name}")
    directory.add(readers, stranger.object_id)
    directory.add(writers, stranger.object_id)
    theirs.set_secret(name, "by a member of both")
    directory.remove(readers, stranger.object_id)
    assert theirs.get(f"/secrets/{name}").status_code == 200 and not may_list(theirs)
    directory.remove(writers, stranger.object_id)
    assert theirs.get(f"/secrets/{name}").status_code == 403


def test_the_log_names_the_assignment_of_the_group(server, cli, directory, group, stranger, theirs):
    directory.add(group, stranger.object_id)
    assignment = directory.assign(SECRETS_USER, group, server.vault_scope())
    begin = audit.now()
    assert may_list(theirs)
    [record] = [each for each in audit.records(cli, since=begin) if each["operationName"] == "SecretList"]
    assert record["properties"]["appliedAssignmentId"] == assignment["name"]
    assert record["identity"]["claim"]["oid"] == stranger.object_id


# A role at one object


def test_a_role_at_one_secret_opens_that_secret_only(server, directory, group, stranger, theirs, name):
    for secret in (name, f"{name}-2"):
        server.wire().set_secret(secret, secret)
    directory.assign(SECRETS_USER, group, f"{server.vault_scope()}/secrets/{name}")
    assert theirs.get(f"/secrets/{name}").status_code == 403
    directory.add(group, stranger.object_id)
    assert theirs.get(f"/secrets/{name}").json()["value"] == name
    assert theirs.get(f"/secrets/{name}-2").status_code == 403 and not may_list(theirs)
    many = theirs.post("/secrets:batchGet", json={"items": [{"name": name}, {"name": f"{name}-2"}]}).json()["value"]
    assert [each["status"] for each in many] == [200, 403]
    directory.remove(group, stranger.object_id)
    assert theirs.get(f"/secrets/{name}").status_code == 403


def test_a_role_at_one_key_lets_its_members_sign(server, directory, group, stranger, theirs, name):
    made = Keys(server.wire()).create(name, "EC")
    path = "/" + made["key"]["kid"].split("/", 3)[3] + "/sign"
    body = {"alg": "ES256", "value": "A" * 43}
    directory.assign(VAULT_CRYPTO_USER, group, f"{server.vault_scope()}/keys/{name}")
    assert theirs.post(path, json=body).status_code == 403
    directory.add(group, stranger.object_id)
    assert theirs.post(path, json=body).status_code == 200
    directory.remove(group, stranger.object_id)
    assert theirs.post(path, json=body).status_code == 403


# Groups in groups


@pytest.fixture
def nested(directory, stranger, name) -> list[str]:
    """Three groups; the stranger is in the first, each is in the next."""
    return directory.chain(name, 3, stranger.object_id)


def test_a_role_of_the_outermost_group_reaches_the_innermost_member(server, directory, nested, theirs):
    assert not may_list(theirs)
    directory.assign(SECRETS_USER, nested[-1], server.vault_scope())
    assert may_list(theirs)


def test_a_role_of_an_inner_group_does_not_reach_members_of_an_outer_one(server, cli, directory, nested, name):
    outside = cli.create_application(f"{name}-outside")
    directory.add(nested[-1], outside.object_id)
    directory.assign(SECRETS_USER, nested[0], server.vault_scope())
    assert not may_list(server.wire(application=outside))


@pytest.mark.parametrize("link", [0, 1, 2])
def test_any_link_that_is_taken_away_ends_it(server, directory, nested, stranger, theirs, link):
    directory.assign(SECRETS_USER, nested[-1], server.vault_scope())
    assert may_list(theirs)
    inner = [stranger.object_id, *nested][link]
    directory.remove(nested[link], inner)
    assert not may_list(theirs)
    directory.add(nested[link], inner)
    assert may_list(theirs)


@pytest.mark.parametrize("link", [0, 1, 2])
def test_any_group_between_that_is_deleted_ends_it(server, directory, nested, theirs, link):
    directory.assign(SECRETS_USER, nested[-1], server.vault_scope())
    assert may_list(theirs)
    directory.delete_group(nested[link])
    assert not may_list(theirs)
    assert all(nested[link] not in directory.members(other) for other in nested if other != nested[link])


def test_who_is_in_by_two_ways_stays_in_by_the_other(server, directory, group, stranger, theirs, name):
    inner = directory.group(f"{name}-inner")
    directory.add(group, stranger.object_id, inner)
    directory.add(inner, stranger.object_id)
    directory.assign(SECRETS_USER, group, server.vault_scope())
    directory.remove(group, stranger.object_id)
    assert may_list(theirs)
    directory.remove(inner, stranger.object_id)
    assert not may_list(theirs)


@pytest.mark.parametrize("length", [2, 3, 7])
def test_groups_in_a_circle_hold_what_any_of_them_holds(server, directory, stranger, theirs, name, length):
    circle = directory.chain(name, length, stranger.object_id)
    directory.add(circle[0], circle[-1])
    assert f"numgroups={length};" in theirs.get("/secrets").json()["error"]["message"]
    directory.assign(SECRETS_USER, circle[length // 2], server.vault_scope())
    begun = time.monotonic()
    assert may_list(theirs)
    assert time.monotonic() - begun < 5
    directory.remove(circle[0], stranger.object_id)
    assert not may_list(theirs)
    for group in circle:
        directory.delete_group(group)


def test_a_group_is_not_put_into_itself(directory, group):
    assert refusal(directory.ask_add(group, group)) == (400, "BadParameter")
    assert directory.members(group) == []


def test_forty_groups_deep(server, directory, stranger, theirs, name):
    groups = directory.chain(name, 40, stranger.object_id)
    directory.assign(SECRETS_USER, groups[-1], server.vault_scope())
    assert may_list(theirs)
    assert sorted(directory.post(f"/servicePrincipals/{stranger.object_id}/getMemberGroups")["value"]) == sorted(groups)
    directory.remove(groups[20], groups[19])
    assert not may_list(theirs)


# What ends


def test_a_group_that_is_deleted_gives_nothing_any_more(server, directory, group, stranger, theirs, name):
    directory.add(group, stranger.object_id)
    assignment = directory.assign(SECRETS_USER, group, server.vault_scope())
    assert may_list(theirs)
    directory.delete_group(group)
    assert not may_list(theirs)
    again = directory.group(name)
    directory.add(again, stranger.object_id)
    assert again != group and not may_list(theirs)
    # What was assigned stays, naming nobody, until it is taken away.
    directory.unassign(assignment)


def test_an_application_that_is_deleted_is_no_member_any_more(cli, directory, group, stranger):
    directory.add(group, stranger.object_id)
    cli.run("app", "delete", stranger.app_id)
    assert directory.members(group) == []


def test_a_disabled_member_is_refused_and_stays_a_member(server, cli, directory, group, stranger):
    directory.add(group, stranger.object_id)
    directory.assign(SECRETS_USER, group, server.vault_scope())
    token = server.fresh_token(stranger)
    assert may_list(server.wire_with(token))
    cli.run("app", "disable", stranger.app_id)
    assert server.wire_with(token).get("/secrets").status_code == 401
    cli.run("app", "enable", stranger.app_id)
    assert directory.members(group) == [stranger.object_id] and may_list(server.wire_with(server.fresh_token(stranger)))


# Access policies


@pytest.fixture(scope="module")
def arm(server) -> Arm:
    return Arm.of(server)


@pytest.fixture(scope="module")
def vault(arm) -> str:
    """A vault of access policies."""
    return arm.create(enableRbacAuthorization=False, accessPolicies=[])


@pytest.fixture
def theirs_by_policy(server, vault, stranger) -> Wire:
    return server.wire(vault, stranger)


def let(arm: Arm, vault: str, *entries: dict) -> None:
    answer = arm.ask_policies("replace", vault, *entries)
    assert answer.status_code in (200, 201), answer.text


def test_a_policy_of_a_group_opens_the_vault_to_its_members(arm, vault, directory, nested, theirs_by_policy):
    let(arm, vault, arm.entry(nested[-1], secrets=["list"]))
    assert may_list(theirs_by_policy)
    assert_withheld(theirs_by_policy.get("/secrets/absent"), "AccessDenied", "does not have secrets get permission")
    directory.remove(nested[1], nested[0])
    assert not may_list(theirs_by_policy)


def test_policies_of_a_principal_and_of_its_groups_add_up(arm, vault, directory, group, stranger, theirs_by_policy):
    directory.add(group, stranger.object_id)
    let(arm, vault, arm.entry(stranger.object_id, secrets=["get"]), arm.entry(group, secrets=["list"]))
    assert may_list(theirs_by_policy) and theirs_by_policy.get("/secrets/absent").status_code == 404
    directory.remove(group, stranger.object_id)
    assert not may_list(theirs_by_policy) and theirs_by_policy.get("/secrets/absent").status_code == 404


def test_a_refusal_counts_the_groups_of_the_caller(arm, vault, directory, nested, stranger, theirs_by_policy):
    let(arm, vault)

    def told() -> str:
        answer = theirs_by_policy.get("/secrets")
        assert_withheld(answer, "AccessDenied")
        return answer.json()["error"]["message"]

    who = f"appid={stranger.app_id};oid={stranger.object_id};"
    assert f"'{who}numgroups=3;iss=" in told()
    directory.remove(nested[1], nested[0])
    assert f"'{who}numgroups=1;iss=" in told()
    directory.remove(nested[0], stranger.object_id)
    assert f"'{who}iss=" in told()


def test_a_policy_may_ask_for_an_application_beside_the_group(arm, vault, directory, group, cli, stranger, theirs_by_policy, name):
    another = cli.create_application(f"{name}-other")
    directory.add(group, stranger.object_id)
    let(arm, vault, {**arm.entry(group, secrets=["list"]), "applicationId": another.app_id})
    assert not may_list(theirs_by_policy)
    let(arm, vault, {**arm.entry(group, secrets=["list"]), "applicationId": stranger.app_id})
    assert may_list(theirs_by_policy)


def test_a_role_of_a_group_opens_no_vault_of_access_policies(arm, vault, directory, group, stranger, theirs_by_policy):
    let(arm, vault)
    directory.add(group, stranger.object_id)
    assignment = directory.assign(SECRETS_OFFICER, group, arm.vault(vault))
    assert not may_list(theirs_by_policy)
    directory.unassign(assignment)


# Pools


@pytest.mark.parametrize("scope", ["", "/keys"])
def test_a_local_role_of_a_group_opens_the_pool(server, directory, nested, stranger, scope):
    theirs = pool_wire(server, stranger)
    assert theirs.get("/keys").status_code == 403
    path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    body = {"properties": {"roleDefinitionId": CRYPTO_AUDITOR, "principalId": nested[-1]}}
    done(pool_wire(server).put(path, json=body), 201)
    assert theirs.get("/keys").status_code == 200
    assert theirs.post("/keys/absent/create", json={"kty": "EC-HSM"}).status_code == 403
    directory.remove(nested[2], nested[1])
    assert theirs.get("/keys").status_code == 403
    done(pool_wire(server).delete(path), 200)


def test_a_local_role_at_one_key_opens_that_key(server, directory, group, stranger, name):
    owner, theirs = pool_keys(server), pool_wire(server, stranger)
    for key in (name, f"{name}-2"):
        owner.create(key, "EC-HSM")
    path = f"/keys/{name}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    done(owner.wire.put(path, json={"properties": {"roleDefinitionId": CRYPTO_USER, "principalId": group}}), 201)
    directory.add(group, stranger.object_id)
    assert (theirs.get(f"/keys/{name}").status_code, theirs.get(f"/keys/{name}-2").status_code) == (200, 403)
    directory.remove(group, stranger.object_id)
    assert theirs.get(f"/keys/{name}").status_code == 403


def test_roles_of_a_group_outside_of_pools_open_none(server, directory, group, stranger):
    directory.add(group, stranger.object_id)
    assignment = directory.assign(ADMINISTRATOR_OF_VAULTS, group, server.subscription_scope)
    assert may_list(server.wire(application=stranger))
    assert pool_wire(server, stranger).get("/keys").status_code == 403
    directory.unassign(assignment)


# Management


def test_a_reader_by_group_sees_vaults(server, arm, directory, group, stranger):
    theirs = Arm.of(server, stranger)
    directory.assign(READER, group, arm.group())
    assert theirs.ask_get("demo").status_code == 403
    directory.add(group, stranger.object_id)
    assert theirs.ask_get("demo").status_code == 200
    listed = theirs.wire.get(f"{arm.subscription}/providers/Microsoft.KeyVault/vaults", version="2026-02-01").json()["value"]
    assert {"demo", "other"} <= {each["name"] for each in listed}
    assert theirs.ask_patch("demo", {"tags": {"a": "b"}}).status_code == 403
    directory.remove(group, stranger.object_id)
    assert theirs.ask_get("demo").status_code == 403


def test_a_contributor_by_group_makes_vaults(server, arm, directory, nested, stranger):
    theirs, wanted = Arm.of(server, stranger), vault_name()
    assert theirs.ask_put(wanted).status_code == 403
    assignment = directory.assign(CONTRIBUTOR, nested[-1], arm.subscription)
    assert theirs.ask_put(wanted).status_code in (200, 201)
    directory.remove(nested[2], nested[1])
    assert theirs.ask_put(wanted).status_code == 403 and theirs.ask_delete(wanted).status_code == 403
    arm.delete(wanted)
    directory.unassign(assignment)


def test_a_group_that_may_assign_some_roles_assigns_those_only(server, directory, group, stranger, name):
    theirs, scope = Directory.of(server, stranger), server.vault_scope()
    someone = directory.identity(name).object_id
    directory.assign(DATA_ACCESS_ADMINISTRATOR, group, scope)
    assert theirs.ask_assign(SECRETS_USER, someone, scope).status_code == 403
    directory.add(group, stranger.object_id)
    given = done(theirs.ask_assign(SECRETS_USER, someone, scope), 201)
    for role in (OWNER, DATA_ACCESS_ADMINISTRATOR):
        assert refusal(theirs.ask_assign(role, someone, scope)) == (403, "AuthorizationFailed")
    directory.remove(group, stranger.object_id)
    assert theirs.management.delete(given["id"], version="2022-04-01").status_code == 403
    directory.unassign(given)


def test_who_looks_after_applications_by_a_group_looks_after_groups(server, directory, group, stranger, name):
    theirs = Directory.of(server, stranger)
    assignment = directory.assign(ACCESS_ADMINISTRATOR, group, server.subscription_scope)
    assert theirs.ask("GET", "/groups").status_code == 403
    directory.add(group, stranger.object_id)
    made = theirs.group(f"{name}-2")
    theirs.add(made, group)
    # It may take away what it holds by.
    theirs.remove(group, stranger.object_id)
    assert theirs.ask("DELETE", f"/groups/{made}").status_code == 403
    directory.unassign(assignment)


# Many at once


def test_all_who_join_at_once_are_members(server, directory, group, name):
    joining = [directory.group(f"{name}-{number}") for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda member: Directory.of(server).ask_add(group, member), joining))
    assert [answer.status_code for answer in answers] == [204] * 16
    assert sorted(directory.members(group)) == sorted(joining)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda member: Directory.of(server).ask_remove(group, member), joining[:8]))
    assert [answer.status_code for answer in answers] == [204] * 8
    assert sorted(directory.members(group)) == sorted(joining[8:])


def test_one_of_many_who_add_the_same_member_succeeds(server, directory, group, name):
    member = directory.group(f"{name}-member")
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: Directory.of(server).ask_add(group, member), range(6)))
    assert sorted(answer.status_code for answer in answers) == [204] + [400] * 5
    assert directory.members(group) == [member]


def test_while_members_come_and_go_every_answer_is_one_or_the_other(server, directory, group, stranger):
    def ask() -> set[int]:
        theirs = server.wire(application=stranger)
        return {theirs.get("/secrets").status_code for _ in range(60)}

    directory.assign(SECRETS_USER, group, server.vault_scope())
    server.token(stranger)
    with ThreadPoolExecutor(3) as threads:
        asking = [threads.submit(ask) for _ in range(3)]
        while not all(each.done() for each in asking):
            directory.add(group, stranger.object_id)
            directory.remove(group, stranger.object_id)
        assert set().union(*(each.result() for each in asking)) <= {200, 403}
    assert not may_list(server.wire(application=stranger))


# Restart


def test_members_and_what_they_hold_survive_the_end_of_the_server(lasting_server, name):
    server = lasting_server
    owner = Directory.of(server)
    stranger = server.cli().create_application(name)
    token = server.fresh_token(stranger)
    groups = owner.chain(name, 3, stranger.object_id)
    owner.ask("PATCH", f"/groups/{groups[0]}", {"description": "kept"})
    owner.assign(SECRETS_USER, groups[-1], server.vault_scope())
    assert may_list(server.wire_with(token))
    server.restart()
    assert may_list(server.wire_with(token))
    owner.remove(groups[1], groups[0])
    server.kill()
    server.start()
    assert not may_list(server.wire_with(token))
    shown = owner.get(f"/groups/{groups[0]}")
    assert (shown["displayName"], shown["description"]) == (f"{name}-0", "kept")
    assert owner.members(groups[0]) == [stranger.object_id] and owner.members(groups[1]) == []
    owner.add(groups[1], groups[0])
    owner.delete_group(groups[2])
    server.kill()
    server.start()
    assert not may_list(server.wire_with(token)) and owner.ask("GET", f"/groups/{groups[2]}").status_code == 404
