"""Names proved by records in the DNS, by a program and by a webhook. All orders of this file wait together."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.acme_dns import Hook, Webhook
from harness.acme_faults import edited, hold
from harness.acme_site import Site, administrator
from harness.acme_wire import Watch, acme_policy, make_issuer
from harness.certificates import CertificateAuthority
from harness.pebble import NameServer, Pebble
from harness.ports import free_port
from harness.production import Production

SECRET = "the key of the DNS webhook"
FOREIGN = "victim.example.net"


def host(label: str) -> str:
    return f"{label}.example.com"


def without_http(content: dict) -> None:
    content["challenges"] = [one for one in content["challenges"] if one["type"] != "http-01"]


def for_another_name(content: dict) -> None:
    content["identifier"]["value"] = FOREIGN


WANTED = {
    "wildcard": [f"*.{host('wildcard')}"],
    "mixed": [host("mixed"), f"*.{host('mixed')}", f"*.{host('deep.mixed')}"],
    "http": [host("http")],
    "record": [host("record")],
    "again": [f"*.{host('again')}"],
    "slow": [f"*.{host('slow')}"],
}
STOPPED = {"idle": [f"*.{host('idle')}"], "cancelled": [f"*.{host('cancelled')}"], "foreign": [f"*.{host('foreign')}"]}


class House:
    """A production server that may use a directory, and what it asks for records."""

    def __init__(self, binary, folder, names: NameServer):
        self.folder, self.names = folder, names
        self.production = Production(binary, folder)
        self.pki = free_port()
        (folder / "pebble").mkdir()
        self.pebble = Pebble(folder / "pebble", names, self.pki).start()
        self.settings["acme"] = {"directories": [{"url": self.pebble.directory, "caFile": str(self.pebble.bundle)}]}

    @property
    def settings(self) -> dict:
        return self.production.settings

    def begin(self, **policies: list[str]) -> Watch:
        descriptors = (self.reading,) if hasattr(self, "reading") else ()
        certificates = administrator(self.production, descriptors=descriptors)
        make_issuer(certificates, "acme")
        for label, names in policies.items():
            certificates.begin(label, acme_policy("acme", *names))
        return Watch(certificates, *policies)

    def by_webhook(self, refuses: int) -> None:
        authority = CertificateAuthority("Root of the webhook")
        trusted = self.folder / "webhook-ca.pem"
        trusted.write_bytes(authority.pem())
        self.webhook = Webhook(self.folder, self.names, authority, SECRET, refuses)
        self.reading = self.production.descriptor_with(SECRET + "\n")
        address = f"https://localhost:{self.webhook.port}/records"
        self.settings["acme"]["dns"] = {"webhook": address, "secret": f"fd:{self.reading}", "caFile": str(trusted)}

    def by_command(self) -> None:
        self.hook = Hook(self.folder, self.names)
        self.settings["acme"]["dns"] = {"command": str(self.hook.path)}

    def stop(self) -> None:
        self.production.kill()
        self.pebble.stop()
        if hasattr(self, "webhook"):
            self.webhook.close()


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    made = Site(binary, tmp_path_factory.mktemp("dns"))
    made.hook = Hook(made.folder, made.names)
    try:
        made.start("--acme-dns-command", str(made.hook.path)).issuer()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def houses(binary, tmp_path_factory, site):
    """By the way they have of proving names."""
    made: dict[str, House] = {}
    try:
        for label in ("webhook", "command", "nothing"):
            made[label] = House(binary, tmp_path_factory.mktemp(label), site.names)
        made["webhook"].by_webhook(refuses=1)
        pki = made["webhook"].pki
        made["webhook"].settings["pki"] = {"address": f"http://localhost:{pki}", "port": pki}
        made["command"].by_command()
        yield made
    finally:
        for house in made.values():
            house.stop()


@pytest.fixture(scope="module")
def told(site, houses):
    """What became of all orders at once, by the server."""
    certificates, hook = site.certificates, site.hook
    site.proxy.spoil("authorization", edited(without_http), host("record"), times=100)
    site.proxy.spoil("authorization", edited(for_another_name), f"*.{host('foreign')}", times=100)
    held = hold(site.proxy, "challenge", f"*.{host('cancelled')}")
    hook.set("refused", host("again"))
    hook.set("idle", host("idle"))
    hook.set("blocked", host("slow"))
    for label, names in {**WANTED, **STOPPED}.items():
        certificates.begin(label, acme_policy("acme", *names))
    watches = {"site": Watch(certificates, *WANTED, *STOPPED)}
    watches["webhook"] = houses["webhook"].begin(names=[f"*.{host('webhook')}"], web=[host("web"), host("second.web")])
    watches["command"] = houses["command"].begin(names=[host("command")])
    watches["nothing"] = houses["nothing"].begin(names=[host("nothing")])
    watch = watches["site"]

    def cancel() -> None:
        certificates.wire.patch("/certificates/cancelled/pending", json={"cancellation_requested": True})
        held.release()

    watch.when(held.reached.is_set, cancel)
    watch.when(lambda: "http" in watch.ends and hook.about(host("slow")), lambda: hook.unset("blocked", host("slow")))
    with ThreadPoolExecutor() as pool:
        list(pool.map(Watch.run, watches.values()))
    return watches


def removed(hook: Hook, name: str) -> list[str]:
    """The actions for a name, when the record is gone: that is done after the order has ended."""
    for _ in range(200):
        if hook.actions(name).count("remove"):
            break
        time.sleep(0.1)
    return hook.actions(name)


# A program


@pytest.mark.parametrize("label", WANTED)
def test_names_are_proved_by_records(site, told, label):
    site.verify(told["site"].version(label))


def test_the_record_of_a_wildcard_is_taken_away_again(site, told):
    assert removed(site.hook, host("wildcard")) == ["present", "remove"]
    present, remove = site.hook.about(host("wildcard"))
    assert present[1:] == remove[1:] == [f"_acme-challenge.{host('wildcard')}", present[2]] and len(present[2]) == 43
    assert {call[0] for call in site.hook.calls} == {"3"}


def test_a_name_and_all_names_below_it_are_proved_each_in_its_way(site, told):
    assert removed(site.hook, host("mixed")) == removed(site.hook, host("deep.mixed")) == ["present", "remove"]


def test_http_is_preferred(site, told):
    assert told["site"].ends["http"] and site.hook.actions(host("http")) == []


def test_an_authority_that_does_not_offer_http_is_given_a_record(site, told):
    assert removed(site.hook, host("record")) == ["present", "remove"]


def test_a_program_that_fails_is_told_of_and_started_again(site, told):
    assert told["site"].has_told("again", "status 3")
    assert removed(site.hook, host("again")) == ["present", "present", "remove"]


def test_a_program_that_takes_its_time_holds_up_no_other_name(told):
    """Its record was made only after the certificate for another name was there."""
    assert told["site"].has_told("slow", "The challenges are being published.")


def test_the_program_is_told_nothing_but_its_path(site, told):
    assert site.hook.environment == {"PATH"}


@pytest.mark.parametrize("label", ["idle", "cancelled"])
def test_the_record_of_an_order_that_came_to_nothing_is_taken_away(site, told, label):
    assert removed(site.hook, host(label)) == ["present", "remove"]


def test_a_record_that_the_authority_does_not_find_ends_the_order(told):
    assert "TXT" in told["site"].reason("idle")


def test_a_record_for_a_name_that_was_not_ordered_is_not_made(site, told):
    """An authority could otherwise prove any name to another one."""
    assert told["site"].reason("foreign")
    assert site.hook.actions(FOREIGN) == []


# In production


def test_a_webhook_is_asked_for_records(houses, told):
    assert told["webhook"].version("names")
    assert told["webhook"].has_told("names", "502")
    webhook = houses["webhook"].webhook
    for _ in range(200):
        if len(webhook.received) > 2:
            break
        time.sleep(0.1)
    first, again, remove = webhook.received
    assert first == again == {**remove, "action": "present"} and remove["action"] == "remove"
    assert (first["name"], first["type"], first["ttl"]) == (f"_acme-challenge.{host('webhook')}", "TXT", 60)
    assert set(first) == {"action", "name", "type", "value", "ttl"} and len(first["value"]) == 43
    assert {headers["content-type"] for headers in webhook.headers} == {"application/json"}
    assert webhook.headers[0]["webhook-id"] == webhook.headers[1]["webhook-id"] != webhook.headers[2]["webhook-id"]
    assert webhook.strangers == 0


def test_the_secret_of_a_webhook_is_not_in_the_log(houses, told):
    log = houses["webhook"].production.errors.text() + json.dumps(told["webhook"].details)
    assert SECRET not in log


def test_http_challenges_are_answered_at_the_public_port(told):
    assert told["webhook"].version("web")


def test_a_program_proves_names_in_production(houses, told):
    assert told["command"].version("names")
    assert removed(houses["command"].hook, host("command")) == ["present", "remove"]


def test_without_a_way_to_prove_a_name_the_order_ends_with_a_reason(told):
    reason = told["nothing"].reason("names")
    assert "http-01" in reason and "answers none" in reason
