"""The command line: exit codes, one line of error, help everywhere."""

import re

import pytest

from harness.certificates import CertificateAuthority
from harness.command_line import CommandLine

COMMANDS = [
    [],
    ["dev"],
    ["serve"],
    ["init"],
    ["app"],
    ["app", "create"],
    ["app", "list"],
    ["app", "disable"],
    ["app", "enable"],
    ["app", "delete"],
    ["app", "reset-password"],
    ["role"],
    ["role", "assign"],
    ["role", "list"],
    ["role", "unassign"],
    ["audit"],
    ["audit", "verify"],
    ["audit", "export"],
    ["barrier"],
    ["barrier", "rotate"],
    ["backup-key"],
    ["backup-key", "export"],
    ["backup-key", "import"],
    ["operations"],
]


@pytest.fixture
def alone(binary, tmp_path) -> CommandLine:
    """The command line with no server named in its environment, in a folder without the data of one."""
    return CommandLine(binary, folder=tmp_path)


def one_line(result) -> str:
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(alone, command):
    told = alone.run(*command, "--help").stdout
    assert "USAGE: strongroom" in told and " ".join(command) in told


def test_it_tells_its_version(alone):
    assert re.fullmatch(r"(strongroom )?\d+\.\d+\.\d+\S*", alone.run("--version").stdout.strip())


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["--no-such-option"],
        ["dev", "--no-such-option"],
        ["dev", "--port"],
        ["dev", "--port", "many"],
        ["dev", "--port", "70000"],
        ["dev", "--port", "-1"],
        ["dev", "--vault", "x"],
        ["dev", "--vault", "double--hyphen"],
        ["dev", "--vault", "under_score"],
        ["dev", "--vault", "a" * 25],
        ["dev", "--vault", "1digit"],
        ["dev", "surplus"],
        ["serve"],
        ["app", "no-such"],
        ["app", "create"],
        ["app", "disable"],
        ["app", "create", "name", "--output", "xml"],
        ["role", "assign"],
        ["role", "assign", "--assignee", "x"],
        ["audit", "export", "--since"],
        ["operations", "surplus"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_64_and_one_line(alone, tmp_path, arguments):
    data = ["--data", str(tmp_path / "data")] if arguments[0] == "dev" and arguments[1:] != ["--port"] else []
    result = alone.run(*arguments[:1], *data, *arguments[1:], exit_code=64)
    assert one_line(result)


def test_wrong_usage_of_dev_leaves_no_folder_behind(alone, tmp_path):
    alone.run("dev", "--data", str(tmp_path / "data"), "--vault", "x", exit_code=64)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("content", [None, "", "{", "[]", "nonsense", '{"noSuchSetting": true}', "\x00\x01"], ids=str)
def test_a_wrong_configuration_exits_with_78_and_one_line(alone, tmp_path, content):
    file = tmp_path / "strongroom.json"
    if content is not None:
        file.write_text(content)
    result = alone.run("serve", "--config", str(file), exit_code=78)
    assert one_line(result)


def test_a_wrong_configuration_is_named(alone, tmp_path):
    assert "strongroom.json" in one_line(alone.run("serve", "--config", str(tmp_path / "strongroom.json"), exit_code=78))


@pytest.mark.parametrize("command", [["app", "list"], ["role", "list"], ["audit", "export"]], ids=" ".join)
def test_a_command_that_knows_no_server_says_what_to_do(alone, command):
    result = alone.run(*command, exit_code=None)
    assert result.returncode in (1, 64, 78)
    assert "client.env" in one_line(result) or "AZURE_" in one_line(result)


@pytest.mark.parametrize("command", [["app", "list"], ["role", "list"], ["audit", "export"], ["audit", "verify"]], ids=" ".join)
def test_a_server_that_is_not_there_is_an_error_of_one_line(server, binary, command):
    away = {key: value.replace(f":{server.port}", ":1") for key, value in server.client_env.items()}
    assert one_line(CommandLine(binary, away).run(*command, exit_code=1))


def test_a_wrong_password_is_an_error_of_one_line(server, cli, binary, name):
    made = cli.create_application(name)
    wrong = {**server.client_env, "AZURE_CLIENT_ID": made.app_id, "AZURE_CLIENT_SECRET": "wrong"}
    assert one_line(CommandLine(binary, wrong).run("app", "list", exit_code=1))


def test_a_server_with_an_unknown_certificate_is_not_talked_to(server, binary, tmp_path):
    """The client secret must not be sent to whoever answers on the port."""
    other = tmp_path / "other.pem"
    other.write_bytes(CertificateAuthority().pem())
    unknown = {**server.client_env, "SSL_CERT_FILE": str(other), "REQUESTS_CA_BUNDLE": str(other)}
    assert one_line(CommandLine(binary, unknown).run("app", "list", exit_code=1))


def test_the_operations_need_no_server(alone):
    assert "SecretGet" in alone.run("operations").stdout
