"""Mail about certificates: who gets it, what it says, and what becomes of recipients who are refused.

The clock is moved by a restart, as in `test_certificates_renewal.py`.
"""

import re
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import pytest

from harness.authorities_wire import Authorities, leaf_policy
from harness.certificates_made import certificate_of, pfx, self_signed
from harness.mail import Mail
from harness.mail_sender import ADDRESS, DAY, PASSWORD, USER, MailSender, about

KINDS = ("soon", "ended", "failing")


def recipient(address: str, asked: list[str]) -> str | None:
    asked.append(address)
    if address.startswith("gone"):
        return "550 5.1.1 No such mailbox"
    if address.startswith("busy") and asked.count(address) == 1:
        return "450 4.2.1 Try again later"
    return None


def make_failing(sender: MailSender) -> dict:
    """A certificate whose issuer is disabled after it was made."""
    authorities = Authorities(sender.certificates().wire)
    authorities.root("root")
    renewed = {"lifetime_actions": [{"trigger": {"lifetime_percentage": 1}, "action": {"action_type": "AutoRenew"}}]}
    wanted = leaf_policy(authorities.issuer("root-issuer", "root"), months=1, **renewed)
    made = authorities.certificates.create("failing", wanted)
    authorities.wire.patch("/certificates/issuers/root-issuer", json={"attributes": {"enabled": False}})
    return made


def live(sender: MailSender) -> dict:
    told: dict = {"asked": []}
    with sender.good(recipient=lambda address: recipient(address, told["asked"])) as server:
        sender.start()
        process = Path(f"/proc/{sender.production.process.pid}")
        told["seen"] = [(process / name).read_bytes() for name in ("cmdline", "environ")]
        sender.tell("gone@example.com", "busy@example.com", "fine@example.com")
        sender.tell("gone-too@example.com", vault="lost")
        told["soon"] = sender.near_end("soon")
        for vault in ("lost", "quiet"):
            sender.near_end(f"soon-{vault}", vault)
        value = pfx(*self_signed(days=1))
        told["ended"] = sender.certificates().import_("ended", value, policy={"lifetime_actions": []})
        told["failing"] = make_failing(sender)
        assert server.wait_for_end(lambda one: one.taken("fine@example.com"))
        assert server.wait_for_end(lambda _: {"gone-too@example.com", "busy@example.com"} <= set(told["asked"]))
        told["said"] = sender.stop()
        told["first day"] = server.taken()
        sender.start(2 * DAY)
        for name, address in (("soon", "busy"), ("ended", "fine"), ("failing", "fine")):
            assert server.wait_for_end(lambda one: about(one.taken(f"{address}@example.com"), name)), name
        told["pending"] = sender.certificates().pending("failing")
        told["audit"] = sender.cli().run("audit", "export").stdout
        told["sendings"] = sender.sendings()
        told["said"] += sender.stop() + sender.production.output.finish()
    return {**told, "clear": server.words(False), "secure": server.heard(True), "mails": server.taken()}


@pytest.fixture(scope="module")
def told(binary, tmp_path_factory):
    """What was sent within two days about a certificate near its end, one at its end, and one that could not be renewed."""
    sender = MailSender(binary, tmp_path_factory.mktemp("mail"), vaults=("demo", "lost", "quiet"))
    try:
        yield {**live(sender), "data": sender.production.folder / "data"}
    finally:
        sender.production.kill()


def one(told: dict, name: str, recipient: str = "fine@example.com") -> Mail:
    """The mail about a certificate that a recipient took. There is exactly one."""
    (mail,) = [each for each in about(told["mails"], name) if recipient in each.recipients]
    return mail


# What it says


def test_the_subject_says_what_happened_to_which_certificate(told):
    day = f"{certificate_of(told['soon']).not_valid_after_utc:%Y-%m-%d}"
    assert one(told, "soon").subject == f"Certificate soon in vault demo expires on {day}"
    assert one(told, "ended").subject == "Certificate ended in vault demo has expired"
    assert one(told, "failing").subject == "Renewal of certificate failing in vault demo failed"


@pytest.mark.parametrize("name", KINDS)
def test_the_text_names_the_certificate_its_version_and_its_dates(told, name):
    text, made = one(told, name).text, certificate_of(told[name])
    assert told[name]["id"] in text
    for moment in (made.not_valid_before_utc, made.not_valid_after_utc):
        assert f"{moment:%a, %d %b %Y %H:%M:%S} GMT" in text


def test_the_text_tells_why_a_renewal_failed(told):
    reason = told["pending"]["error"]["message"]
    assert "disabled" in reason and reason in one(told, "failing").text


@pytest.mark.parametrize("name", KINDS)
def test_the_header_is_that_of_a_machine(told, name):
    mail = one(told, name)
    message = mail.message
    assert mail.sender == ADDRESS
    assert [address for _, address in getaddresses([message["From"]])] == [ADDRESS]
    assert set(mail.recipients) <= {address for _, address in getaddresses([message["To"]])}
    assert (message["Auto-Submitted"], message["MIME-Version"]) == ("auto-generated", "1.0")
    assert (message.get_content_type(), message.get_content_charset()) == ("text/plain", "utf-8")
    assert re.fullmatch(r"<[!-~]+@[!-~]+>", message["Message-ID"].strip())
    assert message.defects == []
    for header in ("From", "To", "Date", "Message-ID", "Subject", "Auto-Submitted"):
        assert len(message.get_all(header)) == 1


def test_the_date_is_when_it_happened(told):
    now = datetime.now(timezone.utc)
    for name, moved in (("soon", timedelta()), ("ended", timedelta(days=2)), ("failing", timedelta(days=2))):
        date = parsedate_to_datetime(one(told, name).message["Date"])
        assert abs(date - now - moved) < timedelta(minutes=30)


def test_every_line_is_one_that_mail_may_have(told):
    for mail in told["mails"]:
        assert re.search(rb"(?<!\r)\n|\r(?!\n)|\0", mail.content) is None
        assert max(map(len, mail.content.split(b"\r\n"))) <= 998
        assert mail.content.split(b"\r\n\r\n", 1)[0].isascii()


def test_every_mail_has_an_identifier_of_its_own(told):
    identifiers = [mail.message["Message-ID"] for mail in told["mails"]]
    assert len(set(identifiers)) == len(identifiers)


# Who gets it


def test_a_recipient_who_is_refused_for_now_gets_the_mail_later(told):
    assert not [mail for mail in about(told["first day"], "soon") if "busy@example.com" in mail.recipients]
    late, early = one(told, "soon", "busy@example.com"), one(told, "soon")
    assert (late.subject, late.text) == (early.subject, early.text)
    assert late.message["Date"] == early.message["Date"]


def test_who_has_the_mail_does_not_get_it_again(told):
    sent = [(mail.recipients, mail.subject) for mail in told["mails"]]
    assert len(set(sent)) == len(sent)


def test_a_recipient_who_is_refused_for_good_is_not_tried_again(told):
    assert told["asked"].count("gone-too@example.com") == 1
    assert told["asked"].count("gone@example.com") == len(KINDS)


def test_a_recipient_who_is_refused_for_good_is_on_record(told):
    given_up = [record for record in told["sendings"] if record["properties"]["httpStatusCode"] == 422]
    assert len(given_up) == 1 + len(KINDS)
    assert all("550 5.1.1 No such mailbox" in record["resultDescription"] for record in given_up)


def test_a_vault_without_contacts_sends_no_mail(told):
    assert not [mail for mail in told["mails"] if "quiet" in mail.subject]


# What nobody is to know


def test_nothing_but_the_way_to_tls_is_heard_in_clear(told):
    assert set(told["clear"]) == {"EHLO", "STARTTLS"}
    assert all(mail.is_secure and mail.user == USER for mail in told["mails"])


def test_the_password_is_nowhere_but_in_the_credential(told):
    forms = [PASSWORD.encode(), b64encode(PASSWORD.encode()), b64encode(f"\0{USER}\0{PASSWORD}".encode())]
    assert [form for form in forms if form in told["secure"]]
    places = [*told["seen"], told["said"].encode(), told["audit"].encode()]
    places += [path.read_bytes() for path in told["data"].rglob("*") if path.is_file()]
    assert [form for form in forms for place in places if form in place] == []
