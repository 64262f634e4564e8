"""`notices` in the configuration: what makes no sense stops the start, in one line that names the member."""

import json

import pytest

from harness.mail_sender import PASSWORD, MailSender


@pytest.fixture(scope="module")
def sender(binary, tmp_path_factory):
    """A server that no test starts."""
    made = MailSender(binary, tmp_path_factory.mktemp("settings"))
    yield made
    made.production.kill()


def refused(sender: MailSender) -> str:
    result = sender.production.run("serve", CREDENTIALS_DIRECTORY=str(sender.credentials))
    assert result.returncode == 78 and result.stdout == "", result.stderr
    (line,) = result.stderr.splitlines()
    assert PASSWORD not in line
    return line


@pytest.mark.parametrize(
    "member, change",
    [
        ("notices.mail.server", {"server": ""}),
        ("notices.mail.server", {"server": "mail example"}),
        ("notices.mail.server", {"server": "mail.example.com\r\nX"}),
        ("notices.mail.server", {"server": "mail.example.com:25"}),
        ("notices.mail.server", {"server": "smtp:mail.example.com\r\nX"}),
        ("notices.mail.port", {"port": 0}),
        ("notices.mail.port", {"port": 70_000}),
        ("notices.mail.security", {"security": "ssl"}),
        ("notices.mail.security", {"security": "none", "server": "mail.example.com"}),
        ("notices.mail.security", {"security": "none", "server": "192.0.2.1"}),
        ("notices.mail.security", {"security": "none", "server": "localhost.example.com"}),
        ("notices.mail", {"password": None}),
        ("notices.mail", {"user": None}),
        ("notices.mail.user", {"user": "a\r\nb"}),
        ("notices.mail.password", {"password": PASSWORD}),
        ("notices.mail.password", {"password": "env:PASSWORD"}),
        ("credential", {"password": "credential:nowhere"}),
        ("notices.mail.from", {"from": "nobody"}),
        ("notices.mail.from", {"from": "a@example.com\r\nBcc: evil@example.com"}),
        ("notices.mail.from", {"from": "a@example.com> SIZE=1 <b@example.com"}),
        ("notices.mail.from", {"from": None}),
        ("notices.mail.server", {"server": None}),
        ("notices.mail.caFile", {"caFile": "/nowhere/at/all"}),
        ("notices.mail.servr", {"servr": "localhost"}),
    ],
    ids=str,
)
def test_a_mail_server_that_makes_no_sense_is_refused(sender, member, change):
    sender.use(**change)
    assert member in refused(sender)


@pytest.mark.parametrize(
    "notices",
    [{}, {"webhook": "https://localhost/hook"}, {"secret": "credential:mail"}, {"caFile": "/etc/hosts"}, {"mail": {}}],
    ids=json.dumps,
)
def test_notices_that_go_nowhere_are_refused(sender, notices):
    sender.production.settings["notices"] = notices
    assert "notices" in refused(sender)
