"""What happens to an application takes effect on its next request."""

import pytest

from harness.application import Application
from harness.command_line import CommandLine


@pytest.fixture
def reader(server, cli, wire, name) -> Application:
    """An application that may read the vault `demo`."""
    made = cli.create_application(name)
    cli.assign(made, "Key Vault Secrets User", server.vault_scope())
    return made


def can_list(server, token) -> bool:
    answer = server.wire_with(token).get("/secrets")
    assert answer.status_code in (200, 401), answer.text
    if answer.status_code == 401:
        assert "WWW-Authenticate" in answer.headers
    return answer.status_code == 200


def token_status(server, application: Application, password: str | None = None) -> int:
    return server.request_token(
        {
            "grant_type": "client_credentials",
            "client_id": application.app_id,
            "client_secret": password or application.password,
            "scope": f"{server.vault_resource}/.default",
        }
    ).status_code


@pytest.mark.operation("ApplicationCreate")
def test_a_new_application_has_a_secret_that_works_and_no_role(server, cli, name):
    made = cli.create_application(name)
    assert made.tenant == server.tenant
    assert server.wire(application=made).get("/secrets").status_code == 403


def test_the_secret_of_an_application_is_hard_to_guess(cli, name):
    one, two = cli.create_application(f"{name}-1"), cli.create_application(f"{name}-2")
    assert one.password != two.password
    assert len(one.password) >= 32


@pytest.mark.operation("ApplicationList")
def test_the_list_has_the_application_without_its_secret(cli, name):
    made = cli.create_application(name)
    listed = cli.run("app", "list").stdout
    assert made.app_id in listed and name in listed
    assert made.password not in listed


@pytest.mark.operation("ApplicationDisable")
def test_a_disabled_application_is_refused_on_its_next_request(server, cli, reader):
    token = server.fresh_token(reader)
    assert can_list(server, token)
    cli.run("app", "disable", reader.app_id)
    assert not can_list(server, token)


def test_a_disabled_application_gets_no_token(server, cli, reader):
    cli.run("app", "disable", reader.app_id)
    assert token_status(server, reader) in (400, 401, 403)


@pytest.mark.operation("ApplicationEnable")
def test_an_application_that_is_enabled_again_works_again(server, cli, reader):
    cli.run("app", "disable", reader.app_id)
    cli.run("app", "enable", reader.app_id)
    assert can_list(server, server.fresh_token(reader))


@pytest.mark.operation("ApplicationDelete")
def test_a_deleted_application_is_refused_on_its_next_request(server, cli, reader):
    token = server.fresh_token(reader)
    assert can_list(server, token)
    cli.run("app", "delete", reader.app_id)
    assert not can_list(server, token)


def test_a_deleted_application_gets_no_token(server, cli, reader):
    cli.run("app", "delete", reader.app_id)
    assert token_status(server, reader) == 401


def test_a_deleted_application_is_no_longer_listed(cli, reader):
    cli.run("app", "delete", reader.app_id)
    assert reader.app_id not in cli.run("app", "list").stdout


@pytest.mark.operation("ApplicationResetPassword")
def test_after_a_reset_only_the_new_secret_works(server, cli, reader):
    reset = cli.json("app", "reset-password", reader.app_id, "--output", "json")
    assert reset["appId"] == reader.app_id
    assert token_status(server, reader) == 401
    assert token_status(server, reader, reset["password"]) == 200


def test_the_application_id_is_matched_in_any_case(server, cli, reader):
    token = server.fresh_token(reader)
    cli.run("app", "disable", reader.app_id.upper())
    assert not can_list(server, token)


@pytest.mark.parametrize("action", ["disable", "enable", "delete", "reset-password"])
def test_an_application_that_does_not_exist_is_an_error_of_one_line(cli, action):
    result = cli.run("app", action, "00000000-0000-4000-8000-000000000000", exit_code=1)
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_application_without_a_management_role_cannot_make_another(server, cli, binary, reader):
    environment = {**server.client_env, "AZURE_CLIENT_ID": reader.app_id, "AZURE_CLIENT_SECRET": reader.password}
    result = CommandLine(binary, environment).run("app", "create", "sneaky", exit_code=1)
    assert len(result.stderr.strip().splitlines()) == 1
    assert "sneaky" not in cli.run("app", "list").stdout
