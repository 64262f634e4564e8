"""Mail servers that cannot be trusted, are not there, refuse, or keep silent; and every way to one that does its work.

What could not be sent is due again after 5 minutes, then 10, twice as long each time up to 6 hours. The clock is moved by
restarts.
"""

import os
import time
from base64 import b64encode
from pathlib import Path

import pytest

from harness.certificates import CertificateAuthority
from harness.certificates_wire import policy
from harness.mail import MailServer, Manner, mail_context
from harness.mail_sender import ACCOUNT, DAY, MINUTE, PASSWORD, USER, MailSender, about
from harness.production import PASSPHRASE
from test_authorities_serve import SECRET, Receiver


@pytest.fixture(scope="module")
def sender(binary, tmp_path_factory):
    """A server that is stopped and whose contact is `pki@example.com`. Whoever starts it stops it."""
    made = MailSender(binary, tmp_path_factory.mktemp("sender")).start()
    made.tell("pki@example.com")
    made.stop()
    yield made
    made.production.kill()


@pytest.fixture
def stopped(sender):
    """The same, stopped again after a test that failed."""
    sender.use()
    yield sender
    sender.production.kill()


# One notice meets them all


def injecting(text: str) -> str:
    """Adds, behind the answer to STARTTLS, what is not yet protected by it."""
    return f"{text}\r\n250-mail.test\r\n250 AUTH PLAIN LOGIN" if text.startswith("220 Ready to start TLS") else text


def shutting_down(text: str) -> str:
    return "421 4.3.2 mail.test is shutting down" if text.startswith("220 ") else text


def hang_up(server) -> str:
    server.transport.abort()
    return "250 OK"


# What is then said on the standard error.
SAID = {
    "no STARTTLS": "STARTTLS",
    "a certificate of others": "certificate",
    "a certificate of another name": "certificate",
    "no way to log in": "log in",
    "another password": "535",
    "words before TLS": "in clear after STARTTLS",
    "a refusal for now": "451",
    "hanging up": "connection",
    "shutting down": "421",
    "nobody": "reached",
}
UNTRUSTED = list(SAID)[:6]


def manners(sender: MailSender, folder: Path) -> dict[str, Manner | None]:
    """How a mail server may be. All but the last few must hear of no mail."""
    foreign = mail_context(folder, CertificateAuthority())
    elsewhere = mail_context(folder, sender.production.authority, "mail.example.com")
    good = {"context": sender.context, "account": ACCOUNT}
    return {
        "no STARTTLS": Manner(security="none"),
        "a certificate of others": Manner(context=foreign, account=ACCOUNT),
        "a certificate of another name": Manner(context=elsewhere, account=ACCOUNT),
        "no way to log in": Manner(**good, mechanisms=()),
        "another password": Manner(context=sender.context, account=(USER, "changed")),
        "words before TLS": Manner(**good, reply=injecting),
        "a refusal for now": Manner(**good, message=lambda _: "451 4.3.0 \x1b[2Jlater\x07"),
        "hanging up": Manner(**good, message=hang_up),
        "shutting down": Manner(**good, reply=shutting_down),
        "nobody": None,
    }


def is_put_off(line: str) -> bool:
    return "put off" in line


def meet(sender: MailSender, server: MailServer | None, seconds: int) -> dict:
    """A run with this mail server in front of it, until the notice is put off."""

    def run() -> str:
        sender.start(seconds)
        assert sender.production.errors.wait_for(is_put_off, timeout=45), sender.production.errors.text()
        return sender.stop()

    if server is None:
        return {"errors": run()}
    with server:
        return {"server": server, "errors": run()}


def look_early(sender: MailSender, seconds: int) -> list[str]:
    """What a good mail server hears before the time has come."""
    with sender.good() as server:
        sender.start(seconds)
        time.sleep(1)
        sender.stop()
    return server.words(False)


@pytest.fixture(scope="module")
def met(binary, tmp_path_factory):
    """What a notice lives through until it is sent: a bad server each time, and a good one in the end."""
    folder = tmp_path_factory.mktemp("met")
    sender = MailSender(binary, folder)
    try:
        sender.start()
        sender.tell("pki@example.com")
        sender.near_end("soon")
        assert sender.production.errors.wait_for(is_put_off, timeout=45)
        sender.stop()
        yield live(sender, manners(sender, folder))
    finally:
        sender.production.kill()


def live(sender: MailSender, bad: dict[str, Manner | None]) -> dict:
    told: dict = {"early": [look_early(sender, 4 * MINUTE)]}
    passed = 0
    for failures, (label, manner) in enumerate(bad.items()):
        passed += (min(360, 5 << failures) + 1) * MINUTE
        told[label] = meet(sender, manner and MailServer(sender.port, manner), passed)
        if failures == 0:
            told["early"].append(look_early(sender, passed + 9 * MINUTE))
    with sender.good() as last:
        sender.start(passed + 361 * MINUTE)
        assert last.wait_for_end(lambda server: server.taken())
        sender.stop()
    return {**told, "in the end": last}


@pytest.mark.parametrize("label", UNTRUSTED)
def test_a_server_that_cannot_be_trusted_hears_of_no_mail(met, label):
    server = met[label]["server"]
    assert server.mails == []
    assert set(server.words(False)) <= {"EHLO", "STARTTLS", "QUIT"}
    assert not {"MAIL", "RCPT", "DATA"} & set(server.words(True))


@pytest.mark.parametrize("label", list(SAID)[:-1])
def test_the_password_is_never_sent_in_clear(met, label):
    heard = met[label]["server"].heard(False)
    for form in (PASSWORD.encode(), b64encode(PASSWORD.encode()), b64encode(f"\0{USER}\0{PASSWORD}".encode())):
        assert form not in heard


def test_words_before_tls_are_not_taken_for_words_within_it(met):
    assert "AUTH" not in met["words before TLS"]["server"].words(True)


@pytest.mark.parametrize("label", SAID)
def test_what_went_wrong_is_said_in_one_line(met, label):
    assert all(line.isprintable() and PASSWORD not in line for line in met[label]["errors"].splitlines())
    (line,) = [line for line in met[label]["errors"].splitlines() if not is_put_off(line)]
    assert SAID[label].lower() in line.lower()


def test_it_is_not_tried_again_before_its_time(met):
    assert met["early"] == [[], []]


def test_the_mail_is_sent_in_the_end(met):
    (mail,) = met["in the end"].mails
    assert mail.recipients == ("pki@example.com",)


def test_the_mail_is_the_same_at_every_try(met):
    (first,), (second,), (last,) = (
        server.mails for server in (met["a refusal for now"]["server"], met["hanging up"]["server"], met["in the end"])
    )
    assert first.message["Message-ID"] == last.message["Message-ID"]
    assert first.content == second.content == last.content


def test_a_notice_is_given_up_after_a_week(stopped, name):
    stopped.start()
    stopped.near_end(name)
    assert stopped.production.errors.wait_for(is_put_off, timeout=45)
    stopped.stop()
    with stopped.good() as server:
        stopped.start(8 * DAY)
        for _ in range(300):
            given_up = [one for one in stopped.sendings() if one["properties"]["httpStatusCode"] == 504]
            if given_up:
                break
            time.sleep(0.1)
        stopped.stop()
    assert f".{name}." in given_up[0]["properties"]["id"]
    assert about(server.mails, name) == []


def test_a_receiver_that_fails_holds_up_no_other(stopped, name, tmp_path):
    """The webhook takes the notice at once, and only once, while the mail server is away."""
    receiver = Receiver(stopped.production, tmp_path)
    (stopped.credentials / "webhook").write_text(SECRET)
    hook = {"webhook": f"https://localhost:{receiver.port}/hook", "secret": "credential:webhook"}
    stopped.production.settings["notices"] |= {**hook, "caFile": str(stopped.production.bundle)}
    try:
        stopped.start()
        stopped.near_end(name)
        assert receiver.came.wait(20), stopped.production.errors.text()
        assert stopped.production.errors.wait_for(is_put_off, timeout=45)
        stopped.stop()
        with stopped.good() as server:
            stopped.start(6 * MINUTE)
            assert server.wait_for_end(lambda one: about(one.taken(), name)), stopped.production.errors.text()
            stopped.stop()
    finally:
        receiver.close()
    assert len(receiver.received) == 1


def test_a_silent_server_holds_up_nothing_else(stopped, name):
    with MailServer(stopped.port, Manner(reply=lambda _: None)) as server:
        stopped.start()
        stopped.near_end(name)
        assert server.wait_for(lambda one: one.open_connections > 0)
        stopped.certificates().create(f"{name}-made", policy())
        assert server.open_connections > 0
        stopped.production.kill()


def test_a_silent_server_does_not_keep_it_from_stopping(stopped, name):
    with MailServer(stopped.port, Manner(reply=lambda _: None)) as server:
        stopped.start()
        stopped.near_end(name)
        assert server.wait_for(lambda one: one.open_connections > 0)
        assert stopped.production.stop() == 0


# Every way to a good one


WAYS = {
    "LOGIN": ({}, {"mechanisms": ("LOGIN",)}, "fd"),
    "TLS from the start": ({"security": "tls"}, {"security": "tls"}, "stdin"),
    "no account": ({"user": None, "password": None}, {"account": None}, None),
    "no TLS on loopback": (
        {"security": "none", "user": None, "password": None, "server": "127.0.0.1", "caFile": None},
        {"security": "none", "account": None},
        None,
    ),
}


@pytest.mark.parametrize("label", WAYS)
def test_mail_goes_every_way_that_may_be_configured(stopped, name, label):
    members, parts, source = WAYS[label]
    options: dict = {}
    reading = stopped.production.descriptor_with(PASSWORD + "\n")
    if source == "fd":
        members, options = {**members, "password": f"fd:{reading}"}, {"descriptors": (reading,)}
    if source == "stdin":
        members, options = {**members, "password": "stdin"}, {"passphrase": f"{PASSPHRASE}\n{PASSWORD}"}
    stopped.use(**members)
    with stopped.good(**parts) as server:
        stopped.start(**options)
        os.close(reading)
        stopped.near_end(name)
        assert server.wait_for_end(lambda one: about(one.taken(), name)), stopped.production.errors.text()
        assert stopped.stop() == ""
    (mail,) = about(server.taken(), name)
    assert mail.is_secure is (label != "no TLS on loopback")
    assert mail.user == (USER if source else None)


# Names that want to be more


ODD = [
    "x>@example.com", "<x@example.com", "a@b@c.example", "ünï@example.com", "x@example.com,evil@example.com", 'x"@example.com',
    "x@example.com>,<evil@example.com", "x\u2028@example.com", "(x)@example.com",
]


def test_an_odd_contact_reaches_nobody_and_keeps_no_mail_from_others(stopped, name):
    with stopped.good() as server:
        stopped.start()
        wire, held = stopped.certificates().wire, [{"email": "pki@example.com", "name": "P\r\nBcc: evil@example.com"}]
        for address in ODD:
            contacts = {"contacts": [{"email": address}, *held]}
            held = contacts["contacts"] if wire.put("/certificates/contacts", json=contacts).status_code == 200 else held
        assert wire.put("/certificates/contacts", json={"contacts": held}).status_code == 200
        stopped.near_end(name)
        assert server.wait_for_end(lambda one: about(one.taken("pki@example.com"), name)), stopped.production.errors.text()
        stopped.tell("pki@example.com")
        stopped.stop()
    assert {mail.recipients for mail in about(server.mails, name)} <= {("pki@example.com",), ("a@b@c.example",)}
    assert b"evil" not in server.heard(True)
