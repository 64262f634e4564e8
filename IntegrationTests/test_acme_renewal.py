"""Renewal by an authority outside. Its certificates last forty seconds and are due after the first four."""

import time

import pytest

from harness.acme_faults import hold, problem
from harness.acme_site import Site, acme_site
from harness.acme_wire import acme_policy
from harness.certificates_made import certificate_of, public_der
from harness.certificates_wire import Certificates, version_of
from harness.clock import shifted

SECONDS = 40
SOON = [{"trigger": {"lifetime_percentage": 10}, "action": {"action_type": "AutoRenew"}}]
LATER = [{"trigger": {"lifetime_percentage": 90}, "action": {"action_type": "EmailContacts"}}]
KEPT = {"kty": "EC", "crv": "P-256", "reuse_key": True}
# The authority decides how long its certificates last, whatever the policy hopes for.
LONG = [{"trigger": {"days_before_expiry": 60}, "action": {"action_type": "AutoRenew"}}]
LABELS = {"renewed": {}, "kept": {"key": KEPT}, "refused": {}, "short": {"lifetime_actions": LONG}}


def host(label: str) -> str:
    return f"{label}.example.com"


def until(found, happens) -> object:
    """What is found, once it is as it should be."""
    for _ in range(600):
        value = found()
        if happens(value):
            return value
        time.sleep(0.1)
    raise AssertionError(f"it did not come about: {value}")


def shown(certificates: Certificates, label: str) -> dict:
    """Everything that anyone sees of a certificate."""
    return {"certificate": certificates.get(label), "key": certificates.key(label), "secret": certificates.secret(label)}


@pytest.fixture(scope="module")
def told(binary, tmp_path_factory):
    """What became of certificates that are due soon: the renewal of one is held for a look at it, that of another is refused."""
    with acme_site(binary, tmp_path_factory.mktemp("renewal"), directories=2, certificateValidityPeriod=SECONDS) as site:
        yield live(site)


def at(site: Site, minutes: int) -> Certificates:
    """The server with its clock moved. Its certificates are checked against our clock, so they are left unchecked here."""
    assert site.server.stop() == 0
    site.server.start(**shifted(minutes * 60))
    return Certificates(site.server.wire_with(site.server.fresh_token(verify=False), verify=False))


def live(site: Site) -> dict:
    certificates, proxy = site.certificates, site.proxy
    site.issuer()
    site.issuer("away", 1)
    site.proxies[1].close()
    certificates.begin("away", acme_policy("away", host("away")))
    for label, parts in LABELS.items():
        certificates.begin(label, acme_policy("acme", host(label), **{"lifetime_actions": SOON, **parts}), tags={"a": "b"})
    proxy.spoil("order", problem(403, "rejectedIdentifier", "No longer ours."), host("refused"), following="certificate")
    held = hold(proxy, "finalize", host("renewed"), following="certificate")
    # Two of them cannot get a second version yet.
    first = {}
    for label in ("renewed", "refused"):
        until(lambda: certificates.versions(label), len)
        first[label] = shown(certificates, label)
    assert held.reached.wait(60)
    told = {"first": first, "during": shown(certificates, "renewed"), "pending": certificates.pending("renewed")}
    # No further renewal of it.
    assert certificates.wire.patch("/certificates/renewed/policy", json={"lifetime_actions": LATER}).status_code == 200
    held.release()
    for label in ("renewed", "kept"):
        until(lambda: certificates.versions(label), lambda found: len(found) > 1)
    told["second"] = shown(certificates, "renewed")
    told["kept"] = [certificates.get("kept", version_of(item)) for item in certificates.versions("kept")]
    told["old"] = certificates.get("renewed", version_of(first["renewed"]["certificate"]))
    told["chain"] = site.verify(told["second"]["certificate"])
    told["refused"] = until(lambda: certificates.pending("refused"), lambda pending: pending["status"] == "failed")
    told["after refusal"] = shown(certificates, "refused")
    told["orders"] = [len(proxy.seen("order", host("refused")))]
    told["short"] = len(proxy.made("order", host("short")))
    early = at(site, 50)
    time.sleep(2.5)
    told["early"] = early.pending("refused")
    told["orders"].append(len(proxy.seen("order", host("refused"))))
    late = at(site, 61)
    until(lambda: len(proxy.seen("order", host("refused"))), lambda count: count > told["orders"][0])
    told["late"] = late.pending("refused")
    much_later = at(site, 8 * 24 * 60)
    told["away"] = until(lambda: much_later.pending("away"), lambda pending: pending["status"] == "failed")
    told["accounts"] = proxy.accounts()
    return told


def test_the_certificate_in_use_stays_until_the_new_one_is_there(told):
    assert told["pending"]["status"] == "inProgress"
    first, during = told["first"]["renewed"], told["during"]
    assert (during["key"], during["secret"]) == (first["key"], first["secret"])
    for member in ("id", "cer", "kid", "sid"):
        assert during["certificate"][member] == first["certificate"][member]


def test_the_new_version_is_another_certificate_over_another_key(told):
    first, now = told["first"]["renewed"]["certificate"], told["second"]
    second = now["certificate"]
    assert version_of(second) != version_of(first)
    assert public_der(certificate_of(second)) != public_der(certificate_of(first))
    assert (second["sid"], second["kid"]) == (now["secret"]["id"], now["key"]["key"]["kid"])
    assert second["tags"] == {"a": "b"} and second["attributes"]["enabled"] is True
    assert told["chain"][0] == certificate_of(second)


def test_the_old_version_stays_as_it_was(told):
    for member in ("id", "cer", "kid", "sid"):
        assert told["old"][member] == told["first"]["renewed"]["certificate"][member]


def test_a_key_that_is_to_be_kept_is_kept(told):
    assert len({item["cer"] for item in told["kept"]}) == len(told["kept"]) > 1
    assert len({public_der(certificate_of(item)) for item in told["kept"]}) == 1


def test_a_renewal_that_is_refused_is_told_of_and_changes_nothing(told):
    assert "No longer ours." in told["refused"]["error"]["message"]
    first, after = told["first"]["refused"], told["after refusal"]
    assert (after["key"], after["secret"]) == (first["key"], first["secret"])
    assert after["certificate"]["cer"] == first["certificate"]["cer"]


def test_a_renewal_that_was_refused_is_tried_again_after_an_hour_and_not_before(told):
    assert told["early"]["status"] == "failed" and told["orders"][0] == told["orders"][1]
    assert told["late"]["status"] == "inProgress" and told["late"]["request_id"] != told["early"]["request_id"]


def test_a_certificate_that_is_due_as_soon_as_it_is_there_is_not_ordered_over_and_over(told):
    assert told["short"] == 1


def test_an_order_that_takes_longer_than_a_week_is_given_up(told):
    assert "week" in told["away"]["error"]["message"] and "cannot be asked" in told["away"]["error"]["message"]


def test_renewals_are_ordered_under_the_account_that_was_there(told):
    assert len(told["accounts"]) == 1
