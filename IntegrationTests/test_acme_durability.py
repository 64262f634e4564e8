"""Orders go on after `kill -9`, wherever they were: one version comes of each, over its own key, by the account that was there."""

import random
import time

import pytest

from harness.acme_dns import Hook
from harness.acme_faults import hold
from harness.acme_site import Site
from harness.acme_wire import (
    ACCOUNT,
    ASKING,
    CHECKING,
    FETCHING,
    FINALISING,
    ORDER,
    PUBLISHING,
    READING,
    Watch,
    acme_policy,
)
from harness.certificates_made import certificate_of, public_der, request_of

# What is told in a state, and the request that is under way in it.
STEPS = {
    "order": (ORDER, "order", None),
    "reading": (READING, "authorization", None),
    "asking": (ASKING, "challenge", None),
    "checking": (CHECKING, "authorization", "challenge"),
    "finalising": (FINALISING, "finalize", None),
    "fetching": (FETCHING, "certificate", None),
}
STATES = {"account": ACCOUNT, "publishing": PUBLISHING, **{label: state for label, (state, _, _) in STEPS.items()}}
# Before the authority has a request, and after it has done what it was asked.
MOMENTS = ("before", "after")


def host(label: str) -> str:
    return f"{label}.example.com"


class Interrupted(Site):
    """A server whose orders are held, each in another state."""

    def __init__(self, binary, folder, after: bool = False):
        super().__init__(binary, folder, directories=2, environment={"PEBBLE_WFE_NONCEREJECT": "0"})
        self.after = after
        self.hook = Hook(folder, self.names)
        self.begun: dict[str, dict] = {}

    def open(self) -> "Interrupted":
        self.start("--acme-dns-command", str(self.hook.path))
        self.issuer("acme", 0)
        self.issuer("new", 1)
        return self

    def begin(self, label: str, *names: str, issuer: str = "acme") -> None:
        self.begun[label] = self.certificates.begin(label, acme_policy(issuer, *(names or [host(label)])))

    def hold(self) -> None:
        """Begins an order for each state."""
        self.holds = {"account": hold(self.proxies[1], "account", after=self.after)}
        for label, (_, step, following) in STEPS.items():
            self.holds[label] = hold(self.proxy, step, host(label), self.after, following)
        self.hook.set("blocked", host("publishing"))
        for label in STEPS:
            self.begin(label)
        self.begin("account", issuer="new")
        self.begin("publishing", f"*.{host('publishing')}")

    def reached(self) -> dict[str, str]:
        """Waits until each order is held; what is told of each."""
        for label, hold in self.holds.items():
            assert hold.reached.wait(60), f"{label}: {self.certificates.pending(label)}"
        for _ in range(300):
            if self.hook.calls:
                break
            time.sleep(0.1)
        return {label: self.certificates.pending(label)["status_details"] for label in self.begun}

    def kill(self) -> None:
        self.server.kill()
        for hold in self.holds.values():
            hold.abandon()
        self.hook.unset("blocked", host("publishing"))


@pytest.fixture(scope="module")
def killed(binary, tmp_path_factory):
    """Two servers that were killed, one before and one after the authority had done what it was asked; and what became of each."""
    sites = {moment: Interrupted(binary, tmp_path_factory.mktemp(moment), moment == "after") for moment in MOMENTS}
    try:
        for site in sites.values():
            site.open().hold()
        states = {moment: site.reached() for moment, site in sites.items()}
        for site in sites.values():
            site.kill()
            site.server.start()
        watches = {moment: Watch(site.certificates, *STATES) for moment, site in sites.items()}
        yield {moment: (sites[moment], states[moment], watches[moment].run()) for moment in MOMENTS}
    finally:
        for site in sites.values():
            site.stop()


def verify(site: Site, label: str, begun: dict, made: dict) -> None:
    """The order ended in one version over the key of its request."""
    site.verify(made)
    assert public_der(certificate_of(made)) == public_der(request_of(begun))
    for kind in ("certificates", "keys", "secrets"):
        assert len(site.certificates.wire.get(f"/{kind}/{label}/versions").json()["value"]) == 1


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_servers_were_killed_in_every_state(killed, moment):
    told = killed[moment][1]
    assert told.keys() == STATES.keys()
    assert {label: text for label, text in told.items() if not text.startswith(STATES[label])} == {}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("label", STATES)
def test_an_order_goes_on_where_it_was_killed(killed, label, moment):
    site, _, watch = killed[moment]
    verify(site, label, site.begun[label], watch.version(label))


@pytest.mark.parametrize("moment", MOMENTS)
def test_accounts_are_made_once_although_the_server_was_killed(killed, moment):
    site = killed[moment][0]
    for proxy in site.proxies:
        assert len(proxy.account_keys()) == 1 and len(proxy.accounts()) == 1
        assert {one.protected["kid"] for one in proxy.seen("order")} == proxy.accounts()


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("label", STEPS)
def test_nothing_is_ordered_twice_that_was_on_record(killed, label, moment):
    site = killed[moment][0]
    assert len(site.proxy.seen("order", host(label))) == (2 if label == "order" else 1)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_audit_log_is_whole(killed, moment):
    site = killed[moment][0]
    assert site.server.stop() == 0
    site.server.cli().run("audit", "verify", "--data", str(site.server.data))


def test_orders_that_are_interrupted_at_any_moment_are_completed(binary, tmp_path):
    chance = random.Random(8555)
    site = Interrupted(binary, tmp_path)
    try:
        site.open()
        for round in range(3):
            site.begin(f"plain-{round}")
            site.begin(f"both-{round}", host(f"both-{round}"), f"*.{host(f'both-{round}')}")
            time.sleep(chance.uniform(0.3, 3))
            if round == 1:
                site.server.restart()
            else:
                site.server.kill()
                site.server.start()
        watch = Watch(site.certificates, *site.begun).run()
        for label, begun in site.begun.items():
            verify(site, label, begun, watch.version(label))
        assert len(site.proxy.account_keys()) == 1 and len(site.proxy.accounts()) == 1
    finally:
        site.stop()
