"""`strongroom group`, and federated credentials and managed identities by `strongroom app`."""

import json
import uuid

import pytest

from harness.command_line import CommandLine
from harness.directory import NOBODY, SECRETS_USER, Directory, Identity
from harness.tokens import claims_of

ISSUER = "https://issuer.example"
COMMANDS = [
    ["group"], ["group", "create"], ["group", "list"], ["group", "delete"], ["group", "members"], ["group", "add-member"],
    ["group", "remove-member"], ["app", "add-federated"], ["app", "remove-federated"],
]


@pytest.fixture(scope="module")
def directory(server) -> Directory:
    return Directory.of(server)


@pytest.fixture
def group(cli, name) -> str:
    return cli.json("group", "create", name, "--output", "json")["id"]


@pytest.fixture
def machine(directory, name) -> Identity:
    return directory.identity(name)


def one_line(result) -> str:
    assert result.stdout == "", result.stdout
    (line,) = result.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(binary, command):
    told = CommandLine(binary).run(*command, "--help").stdout
    assert "USAGE: strongroom" in told and " ".join(command) in told


# Groups


def test_a_group_is_created_listed_and_deleted(cli, directory, name):
    line = cli.run("group", "create", name).stdout
    id, kind, *rest = line.split()
    assert uuid.UUID(id) and (kind, " ".join(rest)) == ("group", name) and line.count("\n") == 1
    assert directory.get(f"/groups/{id}")["displayName"] == name
    assert line in cli.run("group", "list").stdout.splitlines(keepends=True)
    assert cli.run("group", "delete", id).stdout == ""
    assert id not in cli.run("group", "list").stdout
    assert directory.ask("GET", f"/groups/{id}").status_code == 404


def test_json_is_what_the_directory_says(cli, directory, name):
    made = cli.json("group", "create", name, "--output", "json")
    assert made == directory.get(f"/groups/{made['id']}")
    listed = cli.json("group", "list", "--output", "json")
    assert [each for each in listed["value"] if each["id"] == made["id"]] == [made]
    assert cli.json("group", "members", made["id"], "--output", "json")["value"] == []
    assert cli.run("group", "members", made["id"]).stdout == ""


def test_members_are_added_listed_and_removed(cli, directory, group, machine, stranger, name):
    inner = cli.json("group", "create", f"{name}-inner", "--output", "json")["id"]
    for member in (inner, stranger.object_id.upper(), machine.object_id):
        assert cli.run("group", "add-member", group, member).stdout == ""
    shown = sorted(cli.run("group", "members", group.upper()).stdout.splitlines())
    principals = [f"{each.object_id}  servicePrincipal  {name}" for each in (stranger, machine)]
    assert shown == sorted([f"{inner}  group  {name}-inner", *principals])
    assert sorted(directory.members(group)) == sorted([inner, stranger.object_id, machine.object_id])
    assert cli.run("group", "remove-member", group, inner).stdout == ""
    assert inner not in cli.run("group", "members", group).stdout


def test_a_role_is_given_to_a_group_by_the_command_line(server, cli, group, stranger):
    wire = server.wire(application=stranger)
    options = ["--assignee", group, "--role", "Key Vault Secrets User", "--scope", server.vault_scope()]
    cli.run("role", "assign", *options)
    cli.run("group", "add-member", group, stranger.object_id)
    assert wire.get("/secrets").status_code == 200
    assert any(group in line and "Key Vault Secrets User" in line for line in cli.run("role", "list").stdout.splitlines())
    cli.run("group", "remove-member", group, stranger.object_id)
    assert wire.get("/secrets").status_code == 403
    cli.run("group", "add-member", group, stranger.object_id)
    cli.run("role", "unassign", *options)
    assert wire.get("/secrets").status_code == 403


REFUSED = {
    "empty name": (["create", ""], "BadParameter: Property 'displayName'"),
    "long name": (["create", "x" * 257], "BadParameter: Property 'displayName'"),
    "delete of none": (["delete", NOBODY], "Request_ResourceNotFound: "),
    "members of none": (["members", NOBODY], "Request_ResourceNotFound: "),
    "member of none": (["add-member", NOBODY, "{machine}"], "Request_ResourceNotFound: "),
    "nobody as member": (["add-member", "{group}", NOBODY], "Request_ResourceNotFound: "),
    "a group in itself": (["add-member", "{group}", "{group}"], "BadParameter: A group cannot be a member of itself."),
    "an appId as member": (["add-member", "{group}", "{app}"], "Request_ResourceNotFound: "),
    "no member": (["remove-member", "{group}", "{machine}"], "Request_ResourceNotFound: "),
}


@pytest.mark.parametrize(("words", "told"), REFUSED.values(), ids=REFUSED)
def test_what_the_directory_refuses_is_told_in_one_line(cli, group, machine, words, told):
    words = [word.format(group=group, machine=machine.object_id, app=machine.app_id) for word in words]
    assert told in one_line(cli.run("group", *words, exit_code=1))


def test_a_member_is_added_once(cli, group, machine):
    cli.run("group", "add-member", group, machine.object_id)
    assert "already exist" in one_line(cli.run("group", "add-member", group, machine.object_id, exit_code=1))


USAGE = [
    ["group", "delete", "x"], ["group", "members", "../applications"], ["group", "add-member", "x", NOBODY],
    ["group", "add-member", NOBODY, "x"], ["group", "remove-member", NOBODY, "x"], ["group", "remove-member", "", NOBODY],
    ["app", "add-federated", "x", "--issuer", ISSUER, "--subject", "s", "--name", "n"], ["app", "remove-federated", "x", "n"],
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_what_is_no_id_is_a_mistake_of_usage(cli, words):
    assert "GUID" in one_line(cli.run(*words, exit_code=64))


LACKING = [
    ["group", "create"], ["group", "delete"], ["group", "add-member", NOBODY], ["app", "add-federated", NOBODY],
    ["app", "add-federated", NOBODY, "--issuer", ISSUER, "--subject", "s"], ["app", "remove-federated", NOBODY],
]


@pytest.mark.parametrize("words", LACKING, ids=" ".join)
def test_words_that_lack_are_a_mistake_of_usage(cli, words):
    assert "Missing expected argument" in one_line(cli.run(*words, exit_code=64))


def test_who_may_not_is_told_so_in_one_line(server, binary, group, machine, stranger):
    theirs = CommandLine(binary, {**server.client_env, "AZURE_CLIENT_ID": stranger.app_id, "AZURE_CLIENT_SECRET": stranger.password})
    for words in (
        ["group", "create", "sneaky"], ["group", "list"], ["group", "delete", group], ["group", "members", group],
        ["group", "add-member", group, stranger.object_id], ["group", "remove-member", group, stranger.object_id],
        ["app", "add-federated", stranger.app_id, "--issuer", ISSUER, "--subject", "s", "--name", "n"],
        ["app", "remove-federated", machine.app_id, "n"], ["app", "create", "sneaky", "--managed-identity"],
    ):
        line = one_line(theirs.run(*words, exit_code=1))
        assert "AuthorizationFailed: " in line and stranger.app_id in line and "Strongroom/applications/" in line


# Managed identities and federated credentials


def test_a_managed_identity_is_created_without_a_secret(cli, directory, name):
    text = cli.run("app", "create", name, "--managed-identity").stdout
    shown = dict(line.split(maxsplit=1) for line in text.strip().splitlines())
    assert set(shown) == {"appId", "displayName", "objectId", "enabled", "tenant"} and shown["displayName"] == name
    assert directory.get(f"/servicePrincipals/{shown['objectId']}")["servicePrincipalType"] == "ManagedIdentity"
    assert any(shown["appId"] in line and name in line for line in cli.run("app", "list").stdout.splitlines())
    for action in ("disable", "enable"):
        assert f"enabled      {'yes' if action == 'enable' else 'no'}" in cli.run("app", action, shown["appId"]).stdout
    cli.run("app", "delete", shown["appId"])
    assert directory.ask("GET", f"/servicePrincipals/{shown['objectId']}").status_code == 404


def test_an_application_of_no_kind_has_a_secret(cli, name):
    assert cli.json("app", "create", name, "--output", "json")["password"]


def test_a_federated_credential_is_added_and_removed(cli, directory, machine):
    options = ["--issuer", ISSUER, "--subject", "repo:o/r:ref:refs/heads/main", "--name", "github"]
    made = json.loads(cli.run("app", "add-federated", machine.app_id.upper(), *options).stdout)
    assert (made["name"], made["issuer"], made["subject"]) == ("github", ISSUER, "repo:o/r:ref:refs/heads/main")
    assert made["audiences"] == ["api://AzureADTokenExchange"]
    at = f"/applications/{machine.app_id}/federatedIdentityCredentials"
    assert directory.items(at) == [made]
    second = ["--issuer", ISSUER, "--subject", "s", "--name", "second", "--audience", "https://aud.example"]
    assert json.loads(cli.run("app", "add-federated", machine.app_id, *second).stdout)["audiences"] == ["https://aud.example"]
    assert cli.run("app", "remove-federated", machine.app_id, "github").stdout == ""
    assert [each["name"] for each in directory.items(at)] == ["second"]


def test_removing_a_federated_credential_ends_the_tokens_of_its_application(server, cli, directory, stranger):
    directory.assign(SECRETS_USER, stranger.object_id, server.vault_scope())
    cli.run("app", "add-federated", stranger.app_id, "--issuer", ISSUER, "--subject", "s", "--name", "n")
    token = server.fresh_token(stranger)
    assert claims_of(token)["appid"] == stranger.app_id and server.wire_with(token).get("/secrets").status_code == 200
    cli.run("app", "remove-federated", stranger.app_id, "n")
    assert server.wire_with(token).get("/secrets").status_code == 401
    assert server.wire_with(server.fresh_token(stranger)).get("/secrets").status_code == 200


REFUSED_CREDENTIALS = {
    "issuer by http": ("{app}", "http://issuer.example", "s", "n", "Property 'issuer'"),
    "empty subject": ("{app}", ISSUER, "", "n", "Property 'subject'"),
    "name with a slash": ("{app}", ISSUER, "s", "../x", "Property 'name'"),
    "nobody": (NOBODY, ISSUER, "s", "n", "Request_ResourceNotFound: "),
}


@pytest.mark.parametrize("words", REFUSED_CREDENTIALS.values(), ids=REFUSED_CREDENTIALS)
def test_a_credential_that_cannot_be_is_told_in_one_line(cli, machine, words):
    app, issuer, subject, credential, told = words
    options = ["--issuer", issuer, "--subject", subject, "--name", credential]
    assert told in one_line(cli.run("app", "add-federated", app.format(app=machine.app_id), *options, exit_code=1))


@pytest.mark.parametrize("named", ["absent", "../../..", "a b", "%2f"])
def test_a_credential_that_is_not_there_is_not_removed(cli, directory, machine, named):
    cli.run("app", "add-federated", machine.app_id, "--issuer", ISSUER, "--subject", "s", "--name", "n")
    assert one_line(cli.run("app", "remove-federated", machine.app_id, named, exit_code=1))
    assert len(directory.items(f"/applications/{machine.app_id}/federatedIdentityCredentials")) == 1
