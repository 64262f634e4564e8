"""What an authority answered is there after `kill -9`: certificates, orders, revocations, lists and answers about status."""

import threading
import time

import requests
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from harness.authorities_public import ask_status, list_with, number_of, revocation_list, status_request
from harness.authorities_wire import Authorities, leaf_of, leaf_policy, signing_request

CALLERS, KILLS = 8, 3
STATUS = {"good": ocsp.OCSPCertStatus.GOOD, "revoked": ocsp.OCSPCertStatus.REVOKED}


def run_until_killed(server, csr, made: dict[str, dict], revoked: dict[str, dict | None]) -> None:
    """Issues as fast as it can, revokes every fourth, and notes what was answered; None for a revocation that was not."""
    authorities = Authorities(server.wire())
    try:
        for count in range(100_000):
            answer = authorities.issue("root", csr)
            made[answer["serial_number"]] = answer
            if count % 4 == 0:
                revoked[answer["serial_number"]] = None
                revoked[answer["serial_number"]] = authorities.revoke("root", answer["serial_number"], "superseded")
    except requests.RequestException:
        return


def wait_for_the_first(revoked: dict[str, dict | None]) -> None:
    for _ in range(600):
        if any(list(revoked.values())):
            return
        time.sleep(0.05)


def test_what_was_answered_survives_a_kill(own_server):
    server = own_server(vaults=("demo",))
    shown = Authorities(server.wire()).root("root")
    issuer, csr = Authorities(server.wire()).certificate("root"), signing_request()
    everything: dict[str, dict] = {}
    asked_revoked: dict[str, dict | None] = {}
    for _ in range(KILLS):
        made: dict[str, dict] = {}
        revoked: dict[str, dict | None] = {}
        callers = [threading.Thread(target=run_until_killed, args=(server, csr, made, revoked)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        wait_for_the_first(revoked)
        time.sleep(0.4)
        before = number_of(revocation_list(shown["crl"]["url"]))
        server.kill()
        for caller in callers:
            caller.join()
        server.start()
        assert made and any(revoked.values()), "nothing was issued and revoked before the kill"
        assert number_of(revocation_list(shown["crl"]["url"])) >= before
        everything |= made
        asked_revoked |= revoked
    told_revoked = {serial for serial, answer in asked_revoked.items() if answer}
    listed = Authorities(server.wire()).list_issued("root")
    by_serial = {item["serial_number"]: item for item in listed}
    assert len(by_serial) == len(listed), "a serial number came twice"
    assert {serial: by_serial[serial]["cer"] for serial in everything} == {serial: one["cer"] for serial, one in everything.items()}
    assert len(listed) - len(everything) <= CALLERS * KILLS, "only what was on its way may be on record without having left"
    assert {by_serial[serial]["status"] for serial in told_revoked} == {"revoked"}
    assert {by_serial[serial]["status"] for serial in everything.keys() - asked_revoked} == {"good"}
    for serial, answer in list(everything.items())[:: max(1, len(everything) // 40)]:
        status = ask_status(shown["ocsp"]["url"], status_request(leaf_of(answer), issuer, hashes.SHA256()))
        assert status.certificate_status is STATUS[by_serial[serial]["status"]]
    wait_until_listed(shown["crl"]["url"], {int(serial, 16) for serial in told_revoked})
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))


def wait_until_listed(url: str, serials: set[int]) -> None:
    for _ in range(60):
        found = revocation_list(url)
        missing = serials - {entry.serial_number for entry in found}
        if not missing:
            return
        time.sleep(0.25)
    raise AssertionError(f"{len(missing)} of {len(serials)} revocations are not in list {number_of(found)}")


def test_orders_survive_a_kill_and_are_fulfilled_once(own_server):
    server = own_server(vaults=("demo",))
    authorities = Authorities(server.wire())
    authorities.root("root")
    authorities.issuer("root", "root")
    names = [f"order-{number}" for number in range(30)]
    for first in range(0, len(names), 10):
        for name in names[first : first + 10]:
            authorities.certificates.begin(name, leaf_policy("root"))
        server.kill()
        server.start()
        authorities = Authorities(server.wire())
    assert {authorities.certificates.wait(name)["status"] for name in names} == {"completed"}
    issued = sorted(item["certificate"].rsplit("/", 1)[1] for item in authorities.list_issued("root"))
    assert issued == sorted(names)


def test_lists_and_status_are_served_after_a_restart(own_server):
    server = own_server(vaults=("demo",))
    authorities = Authorities(server.wire())
    shown = authorities.root("root")
    made, issuer = authorities.issue("root"), authorities.certificate("root")
    authorities.revoke("root", made["serial_number"], "keyCompromise")
    request = status_request(leaf_of(made), issuer, hashes.SHA1())
    list_with(shown["crl"]["url"], leaf_of(made).serial_number)
    server.restart()
    assert revocation_list(shown["crl"]["url"]).is_signature_valid(issuer.public_key())
    assert ask_status(shown["ocsp"]["url"], request).certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert Authorities(server.wire()).get("root")["generations"] == shown["generations"]
