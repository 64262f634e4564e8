"""What an authority outside may do wrong, all of it at once: refusals end an order, and after everything else it goes on.

A failed request is made again after 10 seconds or when the authority says so. The orders of this file wait together.
"""

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from harness.acme_faults import Hold, answering, dropped, edited, lost, problem
from harness.acme_proxy import STEPS, Answer, Exchange
from harness.acme_site import acme_site
from harness.acme_wire import Watch, acme_policy, ended
from harness.authorities_public import fetch
from harness.authorities_wire import fresh
from harness.certificates_made import pem, self_signed
from harness.certificates_wire import policy
from harness.pebble import BLOCKED

JSON = {"Content-Type": "application/json"}
PEM = {"Content-Type": "application/pem-certificate-chain"}


def host(label: str) -> str:
    return f"{label}.example.com"


def at_another_place(exchange: Exchange) -> None:
    exchange.send(Answer(302, headers={"Location": f"https://localhost:{exchange.proxy.port}/moved"}))


def with_token(token: str):
    def change(content: dict) -> None:
        for challenge in content["challenges"]:
            challenge["token"] = token

    return edited(change)


def of_another_key(exchange: Exchange) -> None:
    """A certificate for the right name over a key of somebody else."""
    exchange.forward()
    exchange.send(Answer(200, pem(*self_signed(host("foreign"))).split("-----END PRIVATE KEY-----\n")[1].encode(), PEM))


def by_date(exchange: Exchange) -> None:
    """Limits requests until a time of day."""
    later = datetime.now(timezone.utc) + timedelta(seconds=5)
    problem(429, "rateLimited", "Come back later.", retry_after=format_datetime(later, usegmt=True))(exchange)


# Refusals: the fault, and what the reason must say.
REFUSALS = {
    "blocked": (None, None, "forbidden by policy"),
    "dead": (None, None, "connection refused"),
    "half": (None, None, "dead.half.example.com"),
    "unwanted": ("order", problem(403, "rejectedIdentifier", "This name is on a list of ours."), "This name is on a list of ours."),
    "loud": ("order", problem(403, "rejectedIdentifier", "\x1b[31mNo\r\n\x00" + "o" * 100_000), "No"),
    "request": ("finalize", problem(400, "badCSR", "The key is too weak for us."), "The key is too weak for us."),
    "foreign": ("certificate", of_another_key, "another key"),
    "crooked": ("authorization", with_token("../../../etc/passwd"), "challenge"),
    "plain": ("order", edited(lambda order: {**order, "finalize": "http://localhost/finalize"}), "https"),
}
# Names of the orders, where they are not those of their labels.
NAMES = {"blocked": [f"a.{BLOCKED}"], "half": ["alive.half.example.com", "dead.half.example.com"]}

# Faults after which an order goes on, and a word of what is told meanwhile.
FAULTS = {
    "limited": ("order", problem(429, "rateLimited", "Too many orders for now.", retry_after="3"), "Too many orders for now."),
    "dated": ("order", by_date, "Come back later."),
    "busy": ("authorization", problem(503, "serverInternal", "We are busy.", retry_after="2"), "We are busy."),
    "broken": ("order", answering(Answer(500, b"<html>oops</html>", {"Content-Type": "text/html"})), "500"),
    "dropped": ("order", dropped, "cannot be asked"),
    "lost-challenge": ("challenge", lost, "cannot be asked"),
    "lost-finalize": ("finalize", lost, "cannot be asked"),
    "text": ("order", answering(Answer(201, b"hello", {"Location": "https://localhost/order"})), "RFC 8555"),
    "types": ("authorization", answering(Answer(200, b'{"status": 5, "challenges": {}}', JSON)), "RFC 8555"),
    "huge": ("authorization", answering(Answer(200, b" " * (64 << 20), JSON)), "longer"),
    "deep": ("authorization", answering(Answer(200, b'{"a":' + b"[" * 200_000, JSON)), "RFC 8555"),
    "moved": ("order", at_another_place, ""),
    "away": (None, None, "cannot be asked"),
    "forgotten": (None, None, ""),
}
# The client answers these by itself and at once: up to five.
NONCES = {"nonces": 4}
# Orders that have a directory of their own.
DIRECTORIES = {"acme": 0, "away": 1, "hanging": 2, "forgotten": 3, "forgetful": 4, "untrusted": 5}


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    with acme_site(binary, tmp_path_factory.mktemp("failures"), directories=6, strange=1) as made:
        for issuer, number in DIRECTORIES.items():
            made.issuer(issuer, number)
        yield made


@pytest.fixture(scope="module")
def told(site) -> Watch:
    """What became of orders that everything befell at once."""
    certificates = site.certificates
    for name in (host("dead"), "dead.half.example.com"):
        site.names.point(name, "127.0.0.9")
    for label, (steps, fault, _) in {**REFUSALS, **FAULTS}.items():
        if fault:
            site.proxy.spoil(steps, fault, host(label))
    for label, count in NONCES.items():
        site.proxy.spoil("order", problem(400, "badNonce", "JWS has an invalid anti-replay nonce"), host(label), times=count)
    unknown = problem(400, "accountDoesNotExist", "Who are you?")
    site.proxies[3].spoil("challenge", unknown)
    site.proxies[4].spoil("order", unknown, times=1_000)
    site.proxies[1].close()
    labels = [*REFUSALS, *FAULTS, *NONCES, "untrusted", "forgetful"]
    for label in labels:
        certificates.begin(label, acme_policy(label if label in DIRECTORIES else "acme", *NAMES.get(label, [host(label)])))
    watch = Watch(certificates, *labels)

    def cancel(*stopped: str) -> None:
        for label in stopped:
            certificates.wire.patch(f"/certificates/{label}/pending", json={"cancellation_requested": True})

    watch.when(lambda: watch.has_told("away", "cannot be asked"), site.proxies[1].open)
    watch.when(lambda: len(watch.ends) == len(labels) - 2, lambda: cancel("untrusted", "forgetful"))
    return watch.run()


@pytest.fixture
def certificates(site):
    return site.certificates


# Refused for good


@pytest.mark.parametrize("label", REFUSALS)
def test_a_refusal_ends_the_order_with_its_reason(told, label):
    assert REFUSALS[label][2] in told.reason(label)


@pytest.mark.parametrize("label", REFUSALS)
def test_nothing_is_kept_of_a_refused_order(told, certificates, label):
    for kind in ("certificates", "keys", "secrets"):
        assert certificates.wire.get(f"/{kind}/{label}").status_code == 404


def test_what_an_authority_says_is_cut_and_has_no_control_characters(told):
    reason = told.reason("loud")
    assert len(reason) < 2_000 and [character for character in reason if ord(character) < 32] == []


def test_a_challenge_whose_token_is_crooked_is_not_answered(site, told):
    address = f"http://127.0.0.1:{site.server.port}/.well-known/acme-challenge/"
    for token in ("../../../etc/passwd", "..%2F..%2F..%2Fetc%2Fpasswd", "x" * 5_000):
        assert fetch(address + token).status_code == 404
    assert "challenge" not in site.proxy.steps(host("crooked"))


# Gone on with


@pytest.mark.parametrize("label", [*FAULTS, *NONCES])
def test_after_a_fault_the_order_goes_on(site, told, certificates, label):
    site.verify(told.version(label))
    assert len(certificates.versions(label)) == 1


@pytest.mark.parametrize("label", [label for label, (_, _, word) in FAULTS.items() if word])
def test_a_fault_is_told_while_the_order_waits(told, label):
    assert told.has_told(label, FAULTS[label][2]), told.details[label]


@pytest.mark.parametrize("label, seconds", [("limited", 3), ("dated", 3)])
def test_the_authority_is_left_alone_for_as_long_as_it_wants(site, told, label, seconds):
    refused, again = [one for one in site.proxy.seen("order", host(label)) if one.status != 400]
    assert again.at - refused.at >= seconds


def test_no_fault_makes_the_server_ask_and_ask(site, told):
    counts = {label: len(site.proxy.seen("order", host(label))) for label in FAULTS}
    counts["forgetful"] = len(site.proxies[4].seen("order"))
    assert {label: count for label, count in counts.items() if count > 4} == {}


def test_a_redirection_is_not_followed(site, told):
    assert site.proxy.seen("/moved") == []


def test_an_authority_that_is_not_trusted_is_told_of_and_gets_nothing(site, told):
    assert told.has_told("untrusted", "cannot be asked") and told.ends["untrusted"]["status"] == "cancelled"
    assert site.proxies[5].passed == []


def test_an_account_that_was_forgotten_is_asked_for_again_with_the_same_key(site, told):
    assert told.version("forgotten")
    assert len(site.proxies[3].made("account")) == 2 and len(site.proxies[3].account_keys()) == 1


# No answer


@pytest.fixture
def hanging(site, certificates):
    """Begins orders at an authority that answers nothing until the test is over."""
    hold = Hold()
    site.proxies[2].spoil(tuple(STEPS.values()), hold, times=1_000)

    def begin(count: int) -> list[str]:
        labels = [fresh("hanging") for _ in range(count)]
        for label in labels:
            certificates.begin(label, acme_policy("hanging", host(label)))
        assert hold.reached.wait(30)
        return labels

    yield begin
    site.proxies[2].heal()
    hold.abandon()


def test_a_server_ends_although_an_authority_hangs_and_forgets_no_order(site, certificates, hanging):
    first, *others = hanging(4)
    cancel = certificates.wire.patch(f"/certificates/{first}/pending", json={"cancellation_requested": True})
    assert cancel.status_code == 200
    assert site.server.stop() == 0
    site.server.start()
    assert ended(site.certificates, first)["status"] == "cancelled"
    assert {site.certificates.pending(label)["status"] for label in others} == {"inProgress"}


def test_an_authority_that_hangs_holds_up_nobody_else(site, certificates, hanging):
    labels = hanging(20)
    for number in range(4):
        certificates.create(f"own-{number}", policy())
    assert {certificates.pending(label)["status"] for label in labels} == {"inProgress"}
    certificates.begin("beside", acme_policy("acme", host("beside")))
    site.verify(Watch(certificates, "beside").run().version("beside"))


def test_the_log_has_nothing_secret_and_nothing_went_wrong_inside(site, told):
    log = site.server.errors.text()
    assert [token for token in site.proxy.tokens() if token in log] == []
    assert "fatal" not in log.lower() and "internal" not in log.lower()
