"""Who may do what: role assignments at every scope, effective on the very next request."""

import pytest

from harness import secret_calls, texts
from harness.application import Application
from harness.command_line import CommandLine
from harness.tokens import claims_of
from harness.wire import Wire

EVERYTHING = {call.action for call in secret_calls.ALL}
READING = {"getSecret/action", "readMetadata/action"}

# What the built-in roles allow on secrets.
ROLES = {
    "Key Vault Administrator": EVERYTHING,
    "Key Vault Secrets Officer": EVERYTHING,
    "Key Vault Secrets User": READING,
    "Key Vault Certificate User": READING,
    "Key Vault Reader": {"readMetadata/action"},
    "Key Vault Certificates Officer": set(),
    "Key Vault Crypto Officer": set(),
    "Key Vault Crypto User": set(),
    "Key Vault Crypto Service Encryption User": set(),
    "Key Vault Crypto Service Release User": set(),
    "Key Vault Contributor": set(),
    "Key Vault Data Access Administrator": set(),
    "Key Vault Purge Operator": set(),
}


def allowed(answer) -> bool:
    """Whether the caller was let in; a refusal must be the one of RBAC."""
    if answer.status_code == 403:
        assert answer.json()["error"]["code"] == "Forbidden"
        assert answer.json()["error"]["innererror"]["code"] == "ForbiddenByRbac"
        return False
    assert answer.status_code < 300, answer.text
    return True


# Each role


@pytest.fixture(scope="module")
def holders(server, cli) -> dict[str, Application]:
    """An application for each role, which it has on the vault `demo`."""
    made = {role: cli.create_application(role.replace(" ", "-")) for role in ROLES}
    for role, application in made.items():
        cli.assign(application, role, server.vault_scope())
    return made


@pytest.mark.parametrize("call", secret_calls.ALL, ids=str)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_allows_what_its_definition_says(server, wire, holders, name, role, call):
    needed = call.prepare(wire, name)
    answer = call.make(server.wire(application=holders[role]), name, needed)
    assert allowed(answer) == (call.action in ROLES[role])


@pytest.mark.parametrize("call", secret_calls.ALL, ids=str)
def test_without_a_role_nothing_is_allowed(server, wire, stranger, name, call):
    assert not allowed(call.make(server.wire(application=stranger), name, call.prepare(wire, name)))


# The refusal


@pytest.fixture
def refused(server, stranger, name):
    """The call of a stranger, and the sentence that must refuse it."""

    def check(answer, action: str, resource: str) -> None:
        assert answer.status_code == 403
        expected = texts.refused_by_rbac(
            claims_of(server.token(stranger)), action, resource, "demo", answer.headers["x-ms-keyvault-region"]
        )
        assert answer.json()["error"]["message"] == expected
        assert not allowed(answer)

    return check


def resource_of(server, name: str) -> str:
    env = server.client_env
    return (
        f"/subscriptions/{env['AZURE_SUBSCRIPTION_ID']}/resourcegroups/{env['AZURE_RESOURCE_GROUP']}"
        f"/providers/microsoft.keyvault/vaults/demo/secrets/{name}"
    )


def test_the_refusal_says_who_may_not_do_what_on_what(server, wire, stranger, refused, name):
    wire.set_secret(name)
    refused(server.wire(application=stranger).get(f"/secrets/{name}"), "secrets/getSecret/action", resource_of(server, name))


def test_the_refusal_is_the_same_for_a_secret_that_does_not_exist(server, stranger, refused, name):
    refused(server.wire(application=stranger).get(f"/secrets/{name}"), "secrets/getSecret/action", resource_of(server, name))


def test_the_refusal_names_the_action_of_the_call(server, stranger, refused, name):
    answer = server.wire(application=stranger).put(f"/secrets/{name}", json={"value": "v"})
    refused(answer, "secrets/setSecret/action", resource_of(server, name))


def test_a_deleted_secret_is_not_told_from_one_that_never_was(server, wire, stranger, name):
    wire.set_secret(name)
    wire.delete_secret(name)
    caller = server.wire(application=stranger)
    deleted, missing = caller.get(f"/deletedsecrets/{name}"), caller.get(f"/deletedsecrets/{name}-x")
    assert deleted.status_code == missing.status_code == 403
    assert deleted.text.replace(name, "N") == missing.text.replace(f"{name}-x", "N")


def test_the_right_is_asked_before_the_body_is_judged(server, stranger, name):
    answer = server.wire(application=stranger).put(f"/secrets/{name}", data=b"{", headers={"Content-Type": "application/json"})
    assert not allowed(answer)


def test_a_refused_write_changes_nothing(server, wire, stranger, name):
    before = wire.set_secret(name, "v")
    caller = server.wire(application=stranger)
    caller.put(f"/secrets/{name}", json={"value": "w"})
    caller.patch(f"/secrets/{name}/", json={"contentType": "x"})
    caller.delete(f"/secrets/{name}")
    assert wire.get(f"/secrets/{name}").json() == before


# Scopes and time


@pytest.fixture
def caller(server, stranger) -> Wire:
    return server.wire(application=stranger)


@pytest.fixture
def secret(server, name) -> str:
    for vault in ("demo", "demo2", "other"):
        server.wire(vault).set_secret(name)
    return name


def readable_in(server, application: Application, name: str) -> set[str]:
    return {vault for vault in ("demo", "demo2", "other") if allowed(server.wire(vault, application).get(f"/secrets/{name}"))}


@pytest.mark.operation("RoleAssignmentPut")
def test_a_role_on_a_vault_opens_this_vault_only(server, cli, stranger, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope("demo"))
    assert readable_in(server, stranger, secret) == {"demo"}


def test_a_role_on_the_resource_group_opens_its_vaults(server, cli, stranger, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.group_scope)
    assert readable_in(server, stranger, secret) == {"demo", "demo2", "other"}


def test_a_role_on_the_subscription_opens_its_vaults(server, cli, stranger, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.subscription_scope)
    assert readable_in(server, stranger, secret) == {"demo", "demo2", "other"}


def test_a_role_on_a_secret_opens_this_secret_only(server, cli, wire, stranger, caller, secret):
    wire.set_secret(f"{secret}-longer")
    cli.assign(stranger, "Key Vault Secrets Officer", f"{server.vault_scope()}/secrets/{secret}")
    assert readable_in(server, stranger, secret) == {"demo"}
    assert allowed(caller.put(f"/secrets/{secret}", json={"value": "w"}))
    assert allowed(caller.get(f"/secrets/{secret}/versions"))
    assert not allowed(caller.get(f"/secrets/{secret}-longer"))
    assert not allowed(caller.get(f"/secrets/{secret[:-1]}"))
    assert not allowed(caller.get("/secrets"))


def test_a_role_on_a_secret_allows_its_first_set(server, cli, stranger, caller, name):
    cli.assign(stranger, "Key Vault Secrets Officer", f"{server.vault_scope()}/secrets/{name}")
    assert allowed(caller.put(f"/secrets/{name}", json={"value": "v"}))


def test_a_role_on_a_secret_holds_for_every_spelling_of_its_name(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Secrets User", f"{server.vault_scope()}/secrets/{secret.upper()}")
    assert allowed(caller.get(f"/secrets/{secret.swapcase()}"))


def test_a_role_on_a_secret_does_not_allow_to_restore_another(server, cli, wire, stranger, caller, secret):
    backup = wire.backup_secret(secret)
    wire.delete_secret(secret)
    wire.delete(f"/deletedsecrets/{secret}")
    cli.assign(stranger, "Key Vault Secrets Officer", f"{server.vault_scope()}/secrets/{secret}-other")
    assert not allowed(caller.post("/secrets/restore", json={"value": backup}))


def test_a_role_on_keys_of_the_same_name_opens_no_secret(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Administrator", f"{server.vault_scope()}/keys/{secret}")
    assert not allowed(caller.get(f"/secrets/{secret}"))


def test_scopes_are_matched_in_any_case(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope().upper())
    assert allowed(caller.get(f"/secrets/{secret}"))


def test_a_scope_may_end_in_a_slash(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope() + "/")
    assert allowed(caller.get(f"/secrets/{secret}"))


def test_an_assignment_holds_on_the_very_next_request(server, cli, stranger, caller, secret):
    assert not allowed(caller.get(f"/secrets/{secret}"))
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    assert allowed(caller.get(f"/secrets/{secret}"))


@pytest.mark.operation("RoleAssignmentDelete")
def test_an_assignment_ends_on_the_very_next_request(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    assert allowed(caller.get(f"/secrets/{secret}"))
    cli.unassign(stranger, "Key Vault Secrets User", server.vault_scope())
    assert not allowed(caller.get(f"/secrets/{secret}"))


def test_ending_one_assignment_leaves_the_others(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    cli.assign(stranger, "Key Vault Secrets User", server.group_scope)
    cli.unassign(stranger, "Key Vault Secrets User", server.vault_scope())
    assert allowed(caller.get(f"/secrets/{secret}"))


def test_roles_add_up(server, cli, stranger, caller, secret):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    assert not allowed(caller.delete(f"/secrets/{secret}"))
    cli.assign(stranger, "Key Vault Secrets Officer", f"{server.vault_scope()}/secrets/{secret}")
    assert allowed(caller.delete(f"/secrets/{secret}"))


def test_a_role_may_be_given_by_its_guid(server, cli, stranger, caller, secret):
    cli.assign(stranger, "4633458b-17de-408a-b874-0445c86b69e6", server.vault_scope())
    assert allowed(caller.get(f"/secrets/{secret}"))


@pytest.mark.operation("RoleAssignmentList")
def test_the_list_of_assignments_has_the_assignment(server, cli, stranger):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    found = [str(item) for item in cli.json("role", "list", "--output", "json") if stranger.object_id in str(item)]
    assert len(found) == 1
    assert "4633458b-17de-408a-b874-0445c86b69e6" in found[0] or "Key Vault Secrets User" in found[0]
    assert server.vault_scope().lower() in found[0].lower()


def test_an_assignment_that_ended_is_not_listed(server, cli, stranger):
    cli.assign(stranger, "Key Vault Secrets User", server.vault_scope())
    cli.unassign(stranger, "Key Vault Secrets User", server.vault_scope())
    assert stranger.object_id not in cli.run("role", "list", "--output", "json").stdout


@pytest.mark.parametrize(
    "change",
    [{"role": "Key Vault Emperor"}, {"scope": "vaults/demo"}, {"scope": "/subscriptions/x/../y"}, {"assignee": "nobody"}],
    ids=str,
)
def test_a_wrong_assignment_is_an_error_of_one_line(server, cli, stranger, change):
    options = {"assignee": stranger.object_id, "role": "Key Vault Reader", "scope": server.vault_scope(), **change}
    words = [word for option, value in options.items() for word in (f"--{option}", value)]
    result = cli.run("role", "assign", *words, exit_code=None)
    assert result.returncode in (1, 64)
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_caller_without_the_right_cannot_give_itself_a_role(server, cli, binary, stranger, caller, secret):
    environment = {**server.client_env, "AZURE_CLIENT_ID": stranger.app_id, "AZURE_CLIENT_SECRET": stranger.password}
    options = ["--assignee", stranger.object_id, "--role", "Key Vault Administrator", "--scope", server.vault_scope()]
    CommandLine(binary, environment).run("role", "assign", *options, exit_code=1)
    assert not allowed(caller.get(f"/secrets/{secret}"))
