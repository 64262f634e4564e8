"""The production server: by configuration file, unsealed by a passphrase, strict about what is unsafe."""

import os
import shutil
import signal
import socket
import ssl
import time

import pytest

from harness.certificates import CertificateAuthority
from harness.command_line import CommandLine
from harness.production import NAMES, PASSPHRASE, Production


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path)
    yield made
    made.kill()


@pytest.fixture
def initialised(production) -> Production:
    return production.initialise()


def grant_everything(production: Production) -> None:
    """The first client may manage; it gives itself a role over secrets."""
    scope = f"/subscriptions/{production.subscription}"
    CommandLine(production.binary, production.client_env).assign(production.owner, "Key Vault Secrets Officer", scope)


def refused(result) -> str:
    """The one line of a command that refused the configuration."""
    assert result.returncode == 78, (result.returncode, result.stdout, result.stderr)
    assert result.stdout == ""
    (line,) = result.stderr.strip().splitlines()
    return line


# From an empty folder to the first secret


def test_a_new_server_is_initialised_started_and_used(initialised):
    initialised.start()
    assert initialised.wire().get("/secrets").status_code == 403
    grant_everything(initialised)
    wire = initialised.wire()
    wire.set_secret("hello", "world")
    assert wire.get("/secrets/hello").json()["value"] == "world"


def test_a_second_initialisation_is_refused(initialised):
    result = initialised.run("init")
    assert result.returncode != 0
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_first_client_is_shown_once_and_kept_nowhere(initialised):
    held = [path for path in initialised.folder.rglob("*") if path.is_file() and initialised.owner.password.encode() in path.read_bytes()]
    assert held == []


def test_what_was_written_is_there_after_a_restart(initialised):
    initialised.start()
    grant_everything(initialised)
    initialised.wire().set_secret("hello", "world")
    assert initialised.stop() == 0
    initialised.start()
    assert initialised.wire().get("/secrets/hello").json()["value"] == "world"


def test_a_folder_that_was_not_initialised_is_not_served(production):
    result = production.run("serve")
    assert result.returncode != 0
    assert "init" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_the_folder_of_a_dev_server_is_not_served(production, own_server):
    dev = own_server()
    assert dev.stop() == 0
    production.settings["dataFolder"] = str(dev.data)
    assert "dev" in refused(production.run("serve"))


# The passphrase


def test_a_wrong_passphrase_opens_nothing(initialised):
    result = initialised.run("serve", passphrase="another passphrase altogether")
    assert result.returncode != 0
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_empty_passphrase_opens_nothing(initialised):
    assert initialised.run("serve", passphrase="").returncode != 0


def test_a_short_passphrase_is_refused_at_the_beginning(production):
    assert "12" in refused(production.run("init", passphrase="short"))


def test_the_passphrase_may_come_from_a_file_descriptor(initialised):
    reading = initialised.descriptor_with(PASSPHRASE)
    initialised.settings["unseal"]["passphrase"] = f"fd:{reading}"
    initialised.start(passphrase=None, descriptors=(reading,))
    assert initialised.wire().get("/secrets").status_code == 403


def test_the_passphrase_may_come_from_a_credential_of_systemd(initialised, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "passphrase").write_text(PASSPHRASE)
    initialised.settings["unseal"]["passphrase"] = "credential:passphrase"
    initialised.start(passphrase=None, CREDENTIALS_DIRECTORY=str(credentials))
    assert initialised.wire().get("/secrets").status_code == 403


@pytest.mark.parametrize("source", [PASSPHRASE, "env:PASSPHRASE", "credential:../x", "credential:", "fd:0", "fd:x", "fd:99", ""])
def test_a_passphrase_from_anywhere_else_is_refused(initialised, source):
    initialised.settings["unseal"]["passphrase"] = source
    assert PASSPHRASE not in refused(initialised.run("serve", CREDENTIALS_DIRECTORY="/nowhere"))


def test_a_passphrase_in_the_environment_is_refused(initialised):
    assert PASSPHRASE not in refused(initialised.run("serve", STRONGROOM_PASSPHRASE=PASSPHRASE))


def test_the_passphrase_is_not_on_the_disk(initialised):
    initialised.start()
    assert initialised.stop() == 0
    held = [path for path in initialised.folder.rglob("*") if path.is_file() and PASSPHRASE.encode() in path.read_bytes()]
    assert held == []


# The configuration


@pytest.mark.parametrize(
    "change, named",
    [
        ({"dataFolder": "relative/path"}, "dataFolder"),
        ({"dataFolder": "/nowhere/at/all"}, "/nowhere/at/all"),
        ({"suffix": ""}, "suffix"),
        ({"suffix": "under_score"}, "suffix"),
        ({"suffix": "-x.example"}, "suffix"),
        ({"listen": {"port": 0}}, "listen.port"),
        ({"listen": {"port": 70_000}}, "listen.port"),
        ({"listen": {"port": "many"}}, "listen.port"),
        ({"listen": {"addresses": []}}, "listen.addresses"),
        ({"listen": {"port": 1, "unknown": 1}}, "listen.unknown"),
        ({"tls": {}}, "tls.certificate"),
        ({"tls": {"certificate": "/nowhere.pem", "privateKey": "/nowhere.key"}}, "/nowhere.key"),
        ({"vaults": [{"name": "x"}]}, "vaults"),
        ({"vaults": [{"name": "demo", "retentionDays": 6}]}, "retentionDays"),
        ({"vaults": [{"name": "demo", "retentionDays": 91}]}, "retentionDays"),
        ({"vaults": [{"name": "demo", "purgeProtected": True}]}, "purgeProtected"),
        ({"audit": {"durability": "none"}}, "audit.durability"),
        ({"audit": {"durabilty": "written"}}, "audit.durabilty"),
        ({"location": "not a place"}, "location"),
        ({"tenant": "nobody"}, "tenant"),
        ({"unknown": True}, "unknown"),
    ],
    ids=str,
)
def test_a_wrong_member_is_refused_and_named(initialised, change, named):
    initialised.settings |= change
    assert named in refused(initialised.run("serve"))


def test_another_tenant_than_the_folder_was_made_with_is_refused(initialised):
    initialised.settings["tenant"] = "00000000-0000-4000-8000-000000000000"
    result = initialised.run("serve")
    assert result.returncode != 0
    assert "tenant" in result.stderr


@pytest.mark.parametrize("member", ["dataFolder", "suffix", "tls", "unseal"])
def test_a_missing_member_is_refused_and_named(initialised, member):
    del initialised.settings[member]
    assert member in refused(initialised.run("serve"))


def test_a_private_key_that_others_may_read_is_refused(initialised):
    initialised.private_key.chmod(0o644)
    assert "server.key" in refused(initialised.run("serve"))


def test_a_data_folder_that_others_may_write_to_is_refused(initialised):
    (initialised.folder / "data").chmod(0o777)
    assert "chmod" in refused(initialised.run("serve"))


def test_a_certificate_of_another_key_is_refused(initialised, tmp_path):
    CertificateAuthority().issue(NAMES, tmp_path / "other.pem", tmp_path / "other.key")
    initialised.settings["tls"]["privateKey"] = str(tmp_path / "other.key")
    refused(initialised.run("serve"))


def test_the_environment_overrides_the_file(initialised):
    right, initialised.settings["listen"]["port"] = initialised.port, 1
    initialised.start(STRONGROOM_PORT=str(right))
    assert initialised.wire().get("/secrets").status_code == 403


def test_a_variable_that_means_nothing_is_refused(initialised):
    assert "STRONGROOM_PROT" in refused(initialised.run("serve", STRONGROOM_PROT="8443"))


def test_weaker_durability_of_the_audit_log_is_said_at_the_start(initialised):
    initialised.settings["audit"] = {"durability": "written"}
    initialised.start()
    assert initialised.stop() == 0
    assert "audit.durability" in initialised.errors.finish() + initialised.output.finish()


def test_full_durability_is_the_default_and_needs_no_word(initialised):
    initialised.start()
    assert initialised.stop() == 0
    assert "durability" not in initialised.errors.finish() + initialised.output.finish()


# Vaults with rules of their own


@pytest.fixture
def strict(production):
    """A server whose vault keeps deleted secrets for seven days and purges nothing before."""
    production.settings["vaults"] = [{"name": "demo", "retentionDays": 7, "purgeProtection": True}, {"name": "week", "retentionDays": 7}]
    production.initialise().start()
    grant_everything(production)
    return production


@pytest.mark.parametrize("vault, level", [("demo", "CustomizedRecoverable"), ("week", "CustomizedRecoverable+Purgeable")])
def test_the_recovery_level_tells_the_rules_of_the_vault(strict, vault, level):
    attributes = strict.wire(vault=vault).set_secret("kept")["attributes"]
    assert (attributes["recoveryLevel"], attributes["recoverableDays"]) == (level, 7)


def test_purge_protection_forbids_to_purge(strict):
    wire = strict.wire()
    wire.set_secret("kept", "v")
    deleted = wire.delete_secret("kept")
    assert deleted["scheduledPurgeDate"] - deleted["deletedDate"] == 7 * 86_400
    answer = wire.delete("/deletedsecrets/kept")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "Forbidden")
    assert wire.post("/deletedsecrets/kept/recover").status_code == 200


def test_without_purge_protection_a_secret_may_be_purged(strict):
    wire = strict.wire(vault="week")
    wire.set_secret("kept", "v")
    wire.delete_secret("kept")
    assert wire.delete("/deletedsecrets/kept").status_code == 204


def test_purge_protection_that_is_configured_later_is_not_silently_ignored(initialised):
    """It may be put in force, or the server may refuse to start and name the vault."""
    initialised.settings["vaults"] = [{"name": "demo", "purgeProtection": True}]
    try:
        initialised.start()
    except AssertionError as refusal:
        assert "demo" in str(refusal)
        return
    grant_everything(initialised)
    assert initialised.wire().set_secret("kept")["attributes"]["recoveryLevel"] == "Recoverable"


# Certificates change while it serves


def serial_shown(production: Production, authority: CertificateAuthority) -> int:
    context = ssl.create_default_context(cadata=authority.pem().decode())
    plain = socket.create_connection(("127.0.0.1", production.port), timeout=30)
    with context.wrap_socket(plain, server_hostname="demo.vault.localhost") as connection:
        return int(connection.getpeercert()["serialNumber"], 16)


def wait_for(condition) -> bool:
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.2)
    return False


def replace_certificate(production: Production) -> int:
    serial = production.authority.issue(NAMES, production.folder / "next.pem", production.folder / "next.key")
    os.replace(production.folder / "next.key", production.private_key)
    os.replace(production.folder / "next.pem", production.certificate)
    return serial


@pytest.mark.parametrize("by", ["itself", "hangup"])
def test_a_new_certificate_is_taken_without_a_restart(initialised, by):
    initialised.start()
    assert serial_shown(initialised, initialised.authority) == initialised.serial
    serial = replace_certificate(initialised)
    if by == "hangup":
        initialised.process.send_signal(signal.SIGHUP)
    assert wait_for(lambda: serial_shown(initialised, initialised.authority) == serial)


def test_a_connection_that_is_open_stays_open_when_the_certificate_changes(initialised):
    initialised.start()
    wire = initialised.wire()
    assert wire.get("/secrets").status_code == 403
    serial = replace_certificate(initialised)
    assert wait_for(lambda: serial_shown(initialised, initialised.authority) == serial)
    assert wire.get("/secrets").status_code == 403


def test_a_certificate_that_cannot_be_used_leaves_the_old_one_in_use(initialised):
    initialised.start()
    initialised.certificate.write_text("nonsense")
    initialised.process.send_signal(signal.SIGHUP)
    assert initialised.errors.wait_for(lambda line: "certificate" in line, timeout=20)
    assert serial_shown(initialised, initialised.authority) == initialised.serial


def test_a_copy_of_the_folder_serves_with_the_same_passphrase_only(initialised, tmp_path):
    initialised.start()
    grant_everything(initialised)
    initialised.wire().set_secret("hello", "world")
    assert initialised.stop() == 0
    shutil.copytree(initialised.folder / "data", tmp_path / "copy")
    initialised.settings["dataFolder"] = str(tmp_path / "copy")
    assert initialised.run("serve", passphrase="another passphrase altogether").returncode != 0
    initialised.start()
    assert initialised.wire().get("/secrets/hello").json()["value"] == "world"
