"""Accounts that exist already at the authority (external account binding), for DigiCert, GlobalSign and any other."""

import json
import time

import pytest

from harness.acme_proxy import Exchange
from harness.acme_site import acme_site
from harness.acme_wire import Watch, acme_policy, ask_issuer, make_issuer
from harness.audit import parse_records
from harness.authorities_wire import reason_of
from harness.tokens import decode, encode

# The authority's keys for accounts, and one that it does not know.
KEYS = {f"kid-{number}": encode(bytes(range(number, number + 48))) for number in range(1, 7)}
WRONG = encode(bytes(48))


def bound(kid: str) -> dict[str, str]:
    return {"account_id": kid, "pwd": KEYS[kid]}


# Provider and credentials of the issuer for each order.
BOUND = {
    "acme": ("ACME", bound("kid-1")),
    "digicert": ("DigiCert", bound("kid-2")),
    "globalsign": ("GlobalSign", bound("kid-3")),
    "one": ("DigiCert", bound("kid-4")),
    "other": ("GlobalSign", bound("kid-4")),
    "third": ("DigiCert", bound("kid-5")),
}
# And a part of the reason.
REFUSED = {
    "bare-digicert": ("DigiCert", {}, "external account binding"),
    "bare-globalsign": ("GlobalSign", {}, "external account binding"),
    "unbound": ("ACME", {}, "external account binding"),
    "wrong": ("DigiCert", {"account_id": "kid-6", "pwd": WRONG}, "external account binding"),
    "stranger": ("ACME", {"account_id": "kid-9", "pwd": WRONG}, "kid"),
    "short": ("DigiCert", {"account_id": "kid-1", "pwd": "dG9vIHNob3J0"}, "base64url"),
    "text": ("GlobalSign", {"account_id": "kid-1", "pwd": "not base64url at all!"}, "base64url"),
}
# Issuers that name no directory, for providers whose own is not among those of this server.
FAR = {"far-digicert": ("DigiCert", bound("kid-1")), "far-globalsign": ("GlobalSign", bound("kid-1"))}


def host(label: str) -> str:
    return f"{label}.example.com"


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    settings = {"externalAccountBindingRequired": True, "externalAccountMACKeys": KEYS}
    with acme_site(binary, tmp_path_factory.mktemp("digicert"), **settings) as made:
        yield made


@pytest.fixture
def certificates(site):
    return site.certificates


@pytest.fixture(scope="module")
def told(site) -> Watch:
    """What became of all orders at once."""
    certificates, directory = site.certificates, site.proxy.directory
    for label, (provider, credentials, *_) in {**BOUND, **REFUSED, **FAR}.items():
        make_issuer(certificates, label, None if label in FAR else directory, provider=provider, **credentials)
        certificates.begin(label, acme_policy(label, host(label)))
    return Watch(certificates, *BOUND, *REFUSED, *FAR).run()


def head(exchange: Exchange) -> dict:
    """The protected head of the binding in a request for an account."""
    return json.loads(decode(exchange.payload["externalAccountBinding"]["protected"]))


def bindings(site, kid: str) -> list[Exchange]:
    """The requests that were answered with an account for one of the authority's keys."""
    made = [one for one in site.proxy.made("account") if "externalAccountBinding" in one.payload]
    return [one for one in made if head(one)["kid"] == kid]


@pytest.mark.parametrize("label", BOUND)
def test_an_order_is_made_under_an_account_that_is_bound(site, told, label):
    site.verify(told.version(label))
    kid = BOUND[label][1]["account_id"]
    given = bindings(site, kid)
    used = {one.protected["kid"] for one in site.proxy.seen("order", host(label))}
    assert used == {one.came.headers["Location"] for one in given}
    for account in given:
        assert head(account) == {"alg": "HS256", "kid": kid, "url": f"https://localhost:{site.proxy.port}/sign-me-up"}


def test_each_binding_has_an_account_with_a_key_of_its_own(site, told):
    kids = {credentials["account_id"] for _, credentials in BOUND.values()}
    keys = {kid: {json.dumps(one.protected["jwk"], sort_keys=True) for one in bindings(site, kid)} for kid in kids}
    assert {len(held) for held in keys.values()} == {1} and len(set.union(*keys.values())) == len(kids)


@pytest.mark.parametrize("label", REFUSED)
def test_an_order_that_cannot_be_bound_ends_with_a_reason(site, told, label):
    reason = told.reason(label)
    assert REFUSED[label][2] in reason
    assert not REFUSED[label][1] or REFUSED[label][1]["pwd"] not in reason
    assert site.proxy.steps(host(label)) == []


@pytest.mark.parametrize("label", FAR)
def test_a_directory_that_is_not_configured_is_named_in_the_reason(told, label):
    reason = told.reason(label)
    assert "directory" in reason and "https://" in reason


def test_a_binding_that_was_wrong_can_be_set_right(site, told, certificates):
    assert told.reason("wrong")
    changed = certificates.wire.patch("/certificates/issuers/wrong", json={"credentials": bound("kid-6")})
    assert changed.status_code == 200, changed.text
    certificates.begin("wrong", acme_policy("wrong", host("wrong")))
    for _ in range(300):
        if bindings(site, "kid-6"):
            break
        time.sleep(0.1)
    assert bindings(site, "kid-6")


def test_the_key_of_a_binding_is_shown_nowhere(site, told, certificates):
    paths = [f"/certificates/{path}" for path in ("issuers/digicert", "issuers", "digicert/pending", "digicert", "digicert/policy")]
    server = site.server
    exported = server.cli().run("audit", "export").stdout
    assert parse_records(exported)
    shown = [certificates.wire.get(path).text for path in paths] + [exported, server.output.text(), server.errors.text()]
    key = KEYS["kid-2"]
    assert [text for text in shown if key in text] == []
    files = [path for path in server.data.rglob("*") if path.is_file()]
    raw = decode(key)
    assert files and [path for path in files if key.encode() in path.read_bytes() or raw in path.read_bytes()] == []


def test_a_password_that_is_no_key_is_refused_at_once_where_azure_has_no_say(site, certificates):
    assert "base64url" in reason_of(ask_issuer(certificates, "bad", site.proxy.directory, account_id="kid-1", pwd="too short"))
