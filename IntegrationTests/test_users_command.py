"""People by `strongroom user`."""

import json
import uuid

import pytest

from harness.command_line import CommandLine
from harness.directory import NOBODY
from harness.people import PASSWORD, People, Person
from harness.sign_in import Client

pytest_plugins = ["harness.people_fixtures"]

COMMANDS = [
    "create", "list", "show", "disable", "enable", "reset-password", "reset-authenticator", "remove-authenticator", "revoke-sessions",
    "delete",
]


def told(text: str) -> dict[str, str]:
    """The lines of a description, by the word they begin with."""
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in text.splitlines() if not line.startswith(" ")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(binary, command):
    shown = CommandLine(binary).run("user", command, "--help").stdout
    assert f"USAGE: strongroom user {command}" in shown and "OVERVIEW" in shown


def test_a_person_is_created_and_signs_in(cli, login):
    name = People.fresh_name()
    made = told(cli.run("user", "create", name, "--display-name", "Bob B.", "--authenticator", "--keep-password").stdout)
    assert (made["name"], made["displayName"], made["enabled"]) == (name, "Bob B.", "yes") and uuid.UUID(made["id"])
    person = Person(made["id"], name, made["password"], made["authenticator"])
    assert login.sign_in(person, Client()).status_code == 303


def test_a_first_password_is_marked_as_to_be_changed(cli):
    made = told(cli.run("user", "create", People.fresh_name()).stdout)
    assert made["password"].endswith("(to be changed at the first sign-in)") and made["authenticator"] == "none"


def test_a_first_password_is_read_from_a_file(cli, login, tmp_path):
    file, name = tmp_path / "password", People.fresh_name()
    file.write_text(f"{PASSWORD}\nand more\n")
    result = cli.run("user", "create", name, "--password-file", str(file), "--keep-password")
    assert PASSWORD not in result.stdout and "password" not in told(result.stdout)
    assert login.sign_in(Person("", name, PASSWORD), Client()).status_code == 303


@pytest.mark.parametrize("content", [None, b"", b"\n\n"], ids=["absent", "empty", "lines only"])
def test_a_file_without_a_password_is_told(cli, people, tmp_path, content):
    file, name = tmp_path / "password", People.fresh_name()
    if content is not None:
        file.write_bytes(content)
    result = cli.run("user", "create", name, "--password-file", str(file), exit_code=None)
    assert result.returncode not in (0, None) and str(file) in result.stderr and result.stdout == ""
    assert people.ask(name, method="GET").status_code == 404


@pytest.mark.parametrize("local", ["o'brien", "with#hash", "a^b~c!d", "-dash"])
def test_strange_names_are_shown_by_name_and_by_id(cli, people, local):
    name = f"{local}@{uuid.uuid4().hex[:8]}.example.com"
    person = people.create(name)
    for who in (name, name.upper(), person.id):
        assert told(cli.run("user", "show", "--", who).stdout)["id"] == person.id
    shown = cli.json("user", "show", "--output", "json", "--", name)
    assert shown == people.ask(person.id, method="GET").json()


def test_people_are_listed(cli, people, person):
    people.act(person, "disable")
    assert f"{person.id}  disabled  {person.name}" in cli.run("user", "list").stdout.splitlines()
    listed = cli.json("user", "list", "--output", "json")["value"]
    assert [each["enabled"] for each in listed if each["id"] == person.id] == [False]


def test_a_person_is_disabled_and_enabled(cli, login, person):
    assert told(cli.run("user", "disable", person.name).stdout)["enabled"] == "no"
    assert login.sign_in(person, Client()).status_code == 403
    assert told(cli.run("user", "enable", person.id).stdout)["enabled"] == "yes"
    assert login.sign_in(person, Client()).status_code == 303


def test_passwords_and_authenticators_are_reset(cli, login, person):
    made = cli.json("user", "reset-password", person.name, "--output", "json")
    person.password = made["password"]
    answer = login.sign_in(person, Client())
    assert answer.status_code == 403 and "Choose a new password" in answer.text
    person.secret = cli.json("user", "reset-authenticator", person.name, "--output", "json")["authenticator"]["secret"]
    assert told(cli.run("user", "show", person.name).stdout)["authenticator"] == "registered"
    assert told(cli.run("user", "remove-authenticator", person.name).stdout)["authenticator"] == "none"
    shown = told(cli.run("user", "reset-authenticator", person.name).stdout)
    assert len(shown["authenticator"]) == 32 and shown["authenticator"] != person.secret


def test_a_person_is_signed_out_everywhere(cli, login, person):
    token = login.tokens(person)["refresh_token"]
    cli.run("user", "revoke-sessions", person.name)
    assert login.ask_refresh(Client(), token).status_code == 400


def test_a_person_is_deleted_once(cli, people, person):
    assert cli.run("user", "delete", person.name).stdout == ""
    assert people.ask(person.id, method="GET").status_code == 404
    again = cli.run("user", "delete", person.name, exit_code=None)
    assert again.returncode != 0 and person.name in again.stderr


@pytest.mark.parametrize("command", COMMANDS[2:])
def test_who_is_not_there_is_told_in_one_line(cli, command):
    result = cli.run("user", command, NOBODY, exit_code=None)
    (line,) = result.stderr.strip().splitlines()
    assert result.returncode != 0 and result.stdout == "" and NOBODY in line and "does not exist" in line


def test_a_name_that_is_taken_is_told(cli, person):
    result = cli.run("user", "create", person.name.upper(), exit_code=None)
    assert result.returncode != 0 and result.stdout == "" and "already exists" in result.stderr


def test_json_holds_what_the_server_said(cli):
    made = cli.json("user", "create", People.fresh_name(), "--authenticator", "--output", "json")
    assert made["mustChangePassword"] and made["hasAuthenticator"] and made["authenticator"]["uri"].startswith("otpauth://totp/Strongroom:")
    assert json.dumps(made).count(made["password"]) == 1
