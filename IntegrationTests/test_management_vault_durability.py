"""Vaults over restarts, `kill -9` and the passing of days: what was deleted can be had back, what was purged is gone for good."""

import random
import threading
import time
import uuid

import pytest
import requests

from harness.authorities_wire import Authorities, signing_request
from harness.audit import parse_records
from harness.certificate_templates import WEB, Templates
from harness.certificates_wire import Certificates, policy
from harness.clock import shifted
from harness.command_line import CommandLine
from harness.database import Database
from harness.hsm_pool import pool_keys
from harness.hsm_token import TokenFolder
from harness.keys_wire import Keys
from harness.management_wire import LATEST, Arm, assert_refused, vault_name
from harness.production import Production
from harness.server import Server
from harness.wire import Wire

DAY = 86_400
HASHED = b"d" * 32
PREMIUM = {"family": "A", "name": "premium"}


@pytest.fixture
def server(lasting_server) -> Server:
    """In these tests the server is one that they may stop and kill."""
    return lasting_server


def killed(server: Server) -> Server:
    server.kill()
    return server.start()


def assert_the_log_is_whole(server: Server) -> list[dict]:
    """Stops the server; the records of its log, which verify."""
    assert server.stop() == 0
    server.cli().run("audit", "verify", "--data", str(server.data))
    return parse_records(server.cli().run("audit", "export", "--data", str(server.data)).stdout)


def eventually(look, seconds: float = 10):
    """What is seen once it is true, or when the time is over."""
    deadline = time.monotonic() + seconds
    while not (seen := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return seen


# Thousands of secrets

# More than the server erases at once.
THOUSANDS = 4_400


def fill(server: Server, vault: str, count: int, writers: int = 8) -> None:
    def write(number: int) -> None:
        wire = server.wire(vault)
        for each in range(number, count, writers):
            wire.set_secret(f"secret-{each}", f"value {each}")

    server.token()
    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_vault_of_thousands_is_killed_in_every_state(own_server):
    server = own_server()
    arm, name = Arm.of(server), vault_name()
    arm.create(name)
    fill(server, name, THOUSANDS)
    server.wire().set_secret("of-another-vault", "v")

    def rows() -> int:
        return len(Database(server.data).rows(f"vault/{name}/"))

    arm.delete(name)
    server.kill()
    assert rows() == THOUSANDS
    server.start()
    assert arm.ask_deleted(name).status_code == 200
    gone = server.wire(name).get("/secrets/secret-1")
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "VaultNotFound")
    arm.recover(name)
    killed(server)
    wire = server.wire(name)
    for number in random.sample(range(THOUSANDS), 40):
        assert wire.get(f"/secrets/secret-{number}").json()["value"] == f"value {number}"
    # Killed when the purge was accepted, and again and again while the records are erased.
    arm.delete(name)
    location = arm.purge(name)
    server.kill()
    left = [rows()]
    for turn in range(12):
        if 0 < left[-1] < THOUSANDS:
            break
        server.start()
        time.sleep(0.1 * turn)
        server.kill()
        left.append(rows())
    assert 0 < left[-1] < THOUSANDS, f"it was not killed while it erased: {left}"
    assert Database(server.data).rows(f"management/vault/{name}"), "its name must not be free before it is empty"
    server.start()
    assert arm.finish(location)["status"] == "Succeeded"
    assert arm.is_free(name)
    # Whoever takes the name finds nothing under it.
    arm.create(name)
    wire = server.wire(name)
    for path in ("/secrets", "/deletedsecrets", "/keys", "/certificates"):
        assert wire.get(path).json() == {"value": [], "nextLink": None}
    assert {wire.get(f"/secrets/secret-{number}").status_code for number in range(0, THOUSANDS, 200)} == {404}
    wire.set_secret("secret-1", "new")
    killed(server)
    assert len(server.wire(name).get("/secrets/secret-1/versions").json()["value"]) == 1
    assert server.wire().get("/secrets/of-another-vault").json()["value"] == "v"
    assert_the_log_is_whole(server)
    assert rows() == 1


# Nothing is left


def keys_of(server: Server) -> set[str]:
    """The keys of all records of a stopped server that are not of its log; duties without their times."""
    found = set()
    for raw, _ in Database(server.data).rows(""):
        key = raw.decode("utf-8", "replace")
        if key.startswith("due/"):
            key = "due/" + key.split("/", 2)[2]
        if not key.startswith(("audit/", "barrier/key/")):
            found.add(key)
    return found


def test_a_purge_leaves_no_record_of_a_vault(own_server):
    server = own_server()
    arm, name = Arm.of(server), vault_name()
    holder = server.cli().create_application("holder")
    assert server.stop() == 0
    before = keys_of(server)
    numbers = {key for key, _ in Database(server.data).rows("barrier/key/")}

    server.start()
    arm.create(name, sku=PREMIUM, networkAcls={"ipRules": [{"value": "203.0.113.7"}]})
    wire, keys, certificates = server.wire(name), Keys(server.wire(name)), Certificates(server.wire(name))
    for number in range(4):
        wire.set_secret(f"secret-{number % 2}", f"v{number}", attributes={"exp": int(time.time()) + 40 * DAY})
    wire.delete_secret("secret-1")
    soft = keys.create("soft", "EC")
    keys.set_policy("soft", {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P7D"}, "action": {"type": "Rotate"}}]})
    keys.rotate("soft")
    for kind in ("EC-HSM", "oct-HSM"):
        keys.create(kind.lower(), kind)
    keys.delete("oct-hsm")
    certificates.create("own", policy())
    certificates.create("gone", policy())
    certificates.delete("gone")
    certificates.begin("asked", policy("Unknown"))
    for path, body in (
        ("/certificates/contacts", {"contacts": [{"email": "a@example.com"}]}), ("/certificates/issuers/test", {"provider": "Test"})):
        assert wire.put(path, json=body).status_code == 200
    Templates(wire).set("web", WEB)
    authorities = Authorities(wire)
    authorities.root("root")
    serial = authorities.issue("root", signing_request())["serial_number"]
    authorities.revoke("root", serial, "superseded")
    server.cli().assign(holder, "Key Vault Secrets User", arm.vault(name))
    server.cli().assign(holder, "Key Vault Crypto User", arm.vault(name) + "/keys/soft")
    assert keys.sign(soft, "ES256", HASHED)
    assert server.stop() == 0
    during = keys_of(server) - before
    assert {key.split("/")[2] for key in during if key.startswith(f"vault/{name}/")} >= {"secret", "key"}
    assert f"management/vault/{name}" in during and len([key for key in during if key.startswith("access/assignment/")]) == 2
    (wrapped,) = (value for key, value in Database(server.data).rows("barrier/key/") if key not in numbers)

    def holding() -> list[str]:
        return [path.name for path in server.data.rglob("*") if path.is_file() and wrapped in path.read_bytes()]

    assert holding() == ["strongroom.db"]
    server.start()
    arm.erase(name)
    assert_the_log_is_whole(server)
    assert keys_of(server) - before == set()
    assert before - keys_of(server) == set()
    # Its data key is not in any file either, not even as bytes that are not used any more.
    assert holding() == []


# Roles


def test_roles_at_a_vault_end_with_it_and_do_not_come_back(server):
    arm, name = Arm.of(server), vault_name()
    arm.create(name)
    server.wire(name).set_secret("kept", "v")
    cli = server.cli()
    at_vault, at_object, above = (cli.create_application(f"{name}-{where}") for where in ("vault", "object", "above"))
    cli.assign(at_vault, "Key Vault Secrets User", arm.vault(name))
    cli.assign(at_object, "Key Vault Secrets User", arm.vault(name.upper()) + "/secrets/kept")
    cli.assign(above, "Key Vault Secrets User", arm.group())
    cli.assign(at_vault, "Key Vault Secrets User", arm.vault("demo"))

    def seen() -> list[int]:
        return [server.wire(name, who).get("/secrets/kept").status_code for who in (at_vault, at_object, above)]

    assert seen() == [200, 200, 200]
    arm.delete(name)
    collection = "/providers/Microsoft.Authorization/roleAssignments"
    for turn in ("recovered", "killed and recovered"):
        if turn != "recovered":
            arm.delete(name)
            killed(server)
        arm.recover(name)
        assert seen() == [403, 403, 200], turn
        listed = arm.wire.get(arm.vault(name) + collection, version="2022-04-01").json()["value"]
        assert [each["properties"]["principalId"] for each in listed if "/vaults/" in each["properties"]["scope"]] == []
    assert server.wire("demo", at_vault).get("/secrets/absent").status_code == 404
    cli.assign(at_vault, "Key Vault Secrets User", arm.vault(name))
    assert seen() == [200, 403, 200]


def test_roles_that_are_given_while_a_vault_is_deleted_do_not_outlive_its_purge(server):
    arm, name = Arm.of(server), vault_name()
    arm.create(name)
    holder = server.cli().create_application(name)
    arm.delete(name)
    given = server.cli().run(
        "role", "assign", "--assignee", holder.object_id, "--role", "Key Vault Secrets User", "--scope", arm.vault(name), exit_code=None)
    arm.finish(arm.purge(name))
    arm.create(name)
    assert server.wire(name, holder).get("/secrets").status_code == 403, f"assign ended with {given.returncode}"


# Keys in hardware


def test_keys_in_hardware_stay_while_they_can_be_had_back_and_go_with_the_vault(server):
    arm, token = Arm.of(server), TokenFolder(server.data)

    def objects() -> set[str]:
        return {each.id for each in token.keys()}

    of_demo, of_pool = Keys(server.wire()).create(f"demo-{vault_name()}", "EC-HSM"), pool_keys(server).create(vault_name(), "EC-HSM")
    name, others = arm.create(sku=PREMIUM), objects()
    keys = Keys(server.wire(name))
    made = {kind: keys.create(kind.lower(), kind) for kind in ("EC-HSM", "RSA-HSM", "oct-HSM")}
    keys.rotate("ec-hsm")
    keys.delete("oct-hsm")
    hard = policy(key={"kty": "EC-HSM", "crv": "P-256", "exportable": False}, secret_props={"contentType": "application/x-pem-file"})
    Certificates(server.wire(name)).create("certificate", hard)
    Certificates(server.wire(name)).begin("asked", {**hard, "issuer": {"name": "Unknown"}})
    own = objects() - others
    assert len(own) >= 6, own
    # Deleted: whatever cleans the token up leaves them alone.
    arm.delete(name)
    for restart in (server.restart, lambda: killed(server)):
        restart()
        time.sleep(1)
        assert objects() == own | others
    arm.recover(name)
    assert keys.sign(made["EC-HSM"], "ES256", HASHED) and keys.sign(made["RSA-HSM"], "RS256", HASHED)
    keys.recover("oct-hsm")
    assert keys.use("wrapkey", made["oct-HSM"], "A256KW", b"t" * 16)
    # Purged, and killed before anything could be done about it.
    arm.delete(name)
    location = arm.purge(name)
    killed(server)
    arm.finish(location)
    assert objects() == others
    # Purged, and told to be done when the objects are gone.
    arm.create(name, sku=PREMIUM)
    again = keys.create("ec-hsm", "EC-HSM")
    assert again["key"]["x"] != made["EC-HSM"]["key"]["x"] and len(objects() - others) == 1
    arm.erase(name)
    assert objects() == others
    assert Keys(server.wire()).sign(of_demo, "ES256", HASHED) and pool_keys(server).sign(of_pool, "ES256", HASHED)


def test_a_purge_that_does_not_find_the_token_is_done_when_it_is_back(own_server):
    """Either the purge waits for the token, or the next start removes the objects."""
    server = own_server(vaults=("demo",))
    arm, token = Arm.of(server), TokenFolder(server.data)
    name = arm.create(sku=PREMIUM)
    Keys(server.wire(name)).create("hard", "EC-HSM")
    (own,) = token.keys()
    arm.delete(name)
    away = server.data / "hsm-away"
    (server.data / "hsm").rename(away)
    try:
        answer = arm.ask_purge(name)
        assert answer.status_code in (202, 503), answer.text
        time.sleep(1.2)
    finally:
        away.rename(server.data / "hsm")
    server.restart()
    if answer.status_code == 503:
        arm.purge(name)
    assert eventually(lambda: own.id not in [each.id for each in token.keys()])
    assert own.id not in [each.id for each in token.keys()]


# Settings


def test_settings_policies_and_rules_survive_a_kill(server):
    arm, name = Arm.of(server), vault_name()
    holder = server.cli().create_application(name)
    arm.create(name)
    body = arm.body(
        softDeleteRetentionInDays=90, enablePurgeProtection=True, enabledForDeployment=True, enabledForTemplateDeployment=True,
        enableRbacAuthorization=False, accessPolicies=[{**arm.entry(holder.object_id, secrets=["List"]), "applicationId": holder.app_id}],
        networkAcls={"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "127.0.0.1"}, {"value": "::1"}]},
        sku={"family": "A", "name": "Premium"})
    arm.ask_put(name, {**body, "tags": {"a": "b"}})
    arm.change(name, publicNetworkAccess="Disabled")
    told = arm.get(name)
    assert told["properties"]["sku"]["name"] == "Premium" and told["tags"] == {"a": "b"}
    killed(server)
    assert arm.get(name) == told
    assert server.wire(name, holder).get("/secrets").json()["error"]["innererror"]["code"] == "ForbiddenByConnection"
    arm.change(name, publicNetworkAccess="Enabled")
    killed(server)
    assert server.wire(name, holder).get("/secrets").status_code == 200
    assert server.wire(name, holder).get("/secrets/x").json()["error"]["innererror"]["code"] == "AccessDenied"
    arm.delete(name)
    deleted = arm.ask_deleted(name).json()
    killed(server)
    assert arm.ask_deleted(name).json() == deleted
    assert_refused(arm.ask_purge(name), 403, "Forbidden", "purge protection")


# Vaults of the configuration


def test_dev_leaves_a_vault_deleted_until_it_is_recovered_or_purged(own_server):
    server = own_server()
    arm, wire = Arm.of(server), server.wire("other")
    wire.set_secret("kept", "v")
    location = arm.get("other")["location"]
    arm.delete("other")
    server.restart()
    assert "'other' of the configuration is deleted" in server.errors.text()
    assert arm.ask_deleted("other", location).status_code == 200 and wire.get("/secrets").status_code == 404
    assert arm.ask_get("other").status_code == 404
    arm.recover("other", location=location)
    killed(server)
    assert wire.get("/secrets/kept").json()["value"] == "v"
    # While it is purged it is not made anew, and once it is gone the next start does that.
    arm.delete("other")
    purged = arm.wire.post(arm.deleted("other", location) + "/purge", version=LATEST)
    assert purged.status_code == 202, purged.text
    killed(server)
    arm.finish(purged.headers["Location"])
    assert arm.is_free("other") and arm.ask_get("other").status_code == 404
    server.restart()
    assert arm.get("other")["properties"]["provisioningState"] == "Succeeded"
    assert wire.get("/secrets").json() == wire.get("/deletedsecrets").json() == {"value": [], "nextLink": None}
    wire.set_secret("kept", "new")
    assert len(wire.get("/secrets/kept/versions").json()["value"]) == 1
    assert_the_log_is_whole(server)


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path)
    yield made
    made.kill()


def test_serve_leaves_a_vault_as_the_management_plane_made_it(production):
    production.settings["vaults"] = [{"name": "demo"}, {"name": "extra", "retentionDays": 7}]
    production.initialise().start()
    arm = Arm.production(production)
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Secrets Officer", arm.subscription)
    production.wire(vault="extra").set_secret("kept", "v")
    assert arm.change("demo", enablePurgeProtection=True, enabledForDeployment=True)["properties"]["enablePurgeProtection"] is True
    arm.create("byhand", softDeleteRetentionInDays=8)
    arm.delete("extra")
    # What the file says of a vault that is deleted is no reason not to start.
    production.settings["vaults"][1]["retentionDays"] = 9
    assert production.stop() == 0
    production.start()
    assert "'extra' of the configuration is deleted" in production.errors.text()
    told = arm.get("demo")["properties"]
    assert (told["enablePurgeProtection"], told["enabledForDeployment"]) == (True, True)
    assert arm.get("byhand")["properties"]["softDeleteRetentionInDays"] == 8
    assert arm.ask_get("extra").status_code == 404
    arm.recover("extra", location=arm.get("demo")["location"])
    assert production.wire(vault="extra").get("/secrets/kept").json()["value"] == "v"
    # Now it is there again, and the file does not fit it.
    assert production.stop() == 0
    refused = production.run("serve")
    assert refused.returncode != 0 and "retention of vault 'extra' is 7 days" in refused.stderr


# The passing of days


def test_days_pass_for_deleted_vaults(own_server):
    """One is purged at its time though it is protected; the duties of the others wait until they are recovered."""
    server = own_server()
    arm = Arm.of(server)
    keeps, ends, waits = arm.create(), vault_name(), vault_name()
    arm.create(ends, softDeleteRetentionInDays=7, enablePurgeProtection=True)
    arm.create(waits, softDeleteRetentionInDays=7)
    keys = Keys(server.wire(keeps))
    keys.create("key")
    keys.set_policy(
        "key", {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P7D"}, "action": {"type": "Rotate"}}],
                "attributes": {"expiryTime": "P90D"}})
    server.wire(ends).set_secret("kept", "v")
    server.wire(waits).set_secret("old", "v")
    server.wire(waits).delete_secret("old")
    arm.delete(keeps)
    arm.delete(ends)

    def on(day: float) -> Arm:
        assert server.stop() == 0
        server.start(**shifted(int(day * DAY)))
        return Arm.late(server)

    def data(name: str):
        return server.wire_with(server.fresh_token(verify=False), name, verify=False)

    on(2)
    on(4).delete(waits)
    late = on(6)
    time.sleep(1.2)
    assert late.ask_deleted(ends).status_code == 200
    late = on(8)
    assert eventually(lambda: late.ask_deleted(ends).status_code == 404 and late.is_free(ends))
    assert_refused(late.ask_recover(ends), 404, "ResourceNotFound")
    # What was due for a vault that is deleted has waited.
    assert late.ask_deleted(keeps).status_code == late.ask_deleted(waits).status_code == 200
    late.recover(keeps)
    late.recover(waits)
    assert data(waits).get("/deletedsecrets/old").status_code == 200
    assert len(data(keeps).get("/keys/key/versions").json()["value"]) == 1
    late = on(8 + 1 / 48)
    assert eventually(lambda: len(data(keeps).get("/keys/key/versions").json()["value"]) == 2)
    assert eventually(lambda: data(waits).get("/deletedsecrets/old").status_code == 404)
    records = assert_the_log_is_whole(server)
    names = [record["operationName"] for record in records]
    assert names.count("VaultPurgeScheduled") == names.count("KeyRotateIfDue") == names.count("SecretPurgeIfDue") == 1
    assert names.index("VaultPurgeScheduled") < max(at for at, each in enumerate(names) if each == "VaultPut") < min(
        names.index("KeyRotateIfDue"), names.index("SecretPurgeIfDue"))
    (purged,) = (record for record in records if record["operationName"] == "VaultPurgeScheduled")
    assert ends in str(purged).lower(), f"nothing says which vault was purged: {purged}"


def test_a_clock_that_jumped_holds_up_what_the_server_does_by_itself_and_nothing_else(own_server):
    """A pause protects what can still be had back. The data keys of a vault that a client purges, by name, are destroyed when that is
    answered: there is nothing left for the pause to protect, and the client waits for the end."""
    server = own_server()
    arm = Arm.of(server)
    name, other = arm.create(softDeleteRetentionInDays=7), arm.create()
    server.wire(name).set_secret("kept", "v")
    arm.delete(name)
    server.restart(**shifted(30 * DAY))
    late = Arm.late(server)
    late.delete(other)
    location = late.purge(other)
    time.sleep(2)
    assert "ClockJumpAlarm" in server.errors.text()
    assert late.ask_deleted(name).status_code == 200
    late.recover(name)
    assert server.wire_with(server.fresh_token(verify=False), name, verify=False).get("/secrets/kept").json()["value"] == "v"
    assert late.finish(location, seconds=3)["status"] == "Succeeded"
    assert late.is_free(other)


# What is on its way


def test_a_key_that_is_being_made_does_not_appear_in_a_vault_of_the_same_name(own_server):
    """It was asked of a vault that is gone, by someone who may have no right in the one that has the name now."""
    server = own_server(vaults=("demo",))
    arm = Arm.of(server)
    late: list[int] = []

    def make(wire: Wire, has_gone: threading.Event) -> None:
        try:
            answer = wire.post(f"/keys/{vault_name()}/create", json={"kty": "RSA", "key_size": 4096})
        except requests.RequestException:
            return
        if has_gone.is_set():
            late.append(answer.status_code)

    # As long as every key is made before its vault has gone there is nothing to see.
    for _ in range(4):
        name, has_gone = arm.create(), threading.Event()
        wires = [server.wire(name) for _ in range(4)]
        for wire in wires:
            assert wire.get("/keys").status_code == 200
        makers = [threading.Thread(target=make, args=(wire, has_gone)) for wire in wires]
        for maker in makers:
            maker.start()
        time.sleep(0.2)
        arm.erase(name)
        arm.create(name)
        has_gone.set()
        if eventually(lambda: late or not any(maker.is_alive() for maker in makers), 60) and late:
            break
    assert late, "every key was made before its vault was gone: this machine is too fast for this test"
    listed = server.wire(name).get("/keys").json()["value"]
    server.kill()
    for maker in makers:
        maker.join()
    assert listed == []
    assert set(late) <= {404, 409}
    assert Database(server.data).rows(f"vault/{name}/") == []


# Whatever was last acknowledged, or was on its way


class Life:
    """Takes one vault through its life and knows what state the server must show: the last acknowledged, or the next."""

    def __init__(self, server: Server, number: int):
        self.name = f"life{number}-{uuid.uuid4().hex[:8]}"
        self.state = self.next = ("none", None)
        self.failure: AssertionError | None = None
        self._random = random.Random(number)
        self._server = server

    def begin(self) -> threading.Thread:
        self._arm, self._wire = Arm.of(self._server), self._server.wire(self.name)
        self.steps = 0
        thread = threading.Thread(target=self._run)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            while True:
                self._step()
                # A purge takes a second: without a pause that is where all of them would be.
                time.sleep(0.02)
        except requests.RequestException:
            return
        except AssertionError as failure:
            self.failure = failure

    def _step(self) -> None:
        kind, mark = self.state
        if kind == "none":
            self._expect(("live", None), lambda: self._arm.ask_put(self.name))
        elif kind == "live" and (mark is None or self._random.randrange(3)):
            text = f"{self._random.random()}"
            self._expect(("live", text), lambda: self._wire.put("/secrets/mark", json={"value": text}))
        elif kind == "live":
            self._expect(("deleted", mark), lambda: self._arm.ask_delete(self.name))
        elif self._random.randrange(15):
            self._expect(("live", mark), lambda: self._arm.ask_recover(self.name))
        else:
            self._expect(("none", None), lambda: self._arm.ask_purge(self.name))

    def _expect(self, state: tuple, ask) -> None:
        self.next = state
        answer = ask()
        if answer.status_code < 300:
            self.state = state
            self.steps += 1
        else:
            # Under a name that is still being purged no vault can be made.
            assert (self.state[0], answer.status_code) == ("none", 409), answer.text
            self.next = self.state
            time.sleep(0.1)

    def seen(self) -> tuple:
        """The state the server shows; a deleted vault is recovered to see what it holds, and deleted again."""
        arm, wire = Arm.of(self._server), self._server.wire(self.name)
        is_deleted = arm.ask_deleted(self.name).status_code == 200
        if is_deleted:
            arm.recover(self.name)
        elif arm.ask_get(self.name).status_code == 404:
            assert wire.get("/secrets/mark").status_code == 404
            return ("none", None)
        mark = wire.get("/secrets/mark").json().get("value")
        if is_deleted:
            arm.delete(self.name)
        return ("deleted" if is_deleted else "live", mark)


def test_every_vault_is_as_last_acknowledged_or_as_was_being_asked(server):
    lives = [Life(server, number) for number in range(4)]
    kinds = set()
    for _ in range(4):
        threads = [life.begin() for life in lives]
        eventually(lambda: all(life.steps > 3 for life in lives), 5)
        time.sleep(random.uniform(0, 0.4))
        server.kill()
        for thread in threads:
            thread.join()
        server.start()
        for life in lives:
            assert life.failure is None, life.failure
            seen = life.seen()
            assert seen in (life.state, life.next), life.name
            life.state = life.next = seen
            kinds.add(seen[0])
    assert {"live", "deleted"} & kinds, "nothing was to be seen but names that are free"
    assert_the_log_is_whole(server)
