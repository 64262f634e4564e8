"""Where pools may be backed up to, as `serve` and `dev` are told: what makes no sense stops the start with one line."""

import json
import os
import shutil

import pytest

from harness.blob_storage import BlobStorage
from harness.hsm_production import HsmProduction
from harness.keys_wire import assert_bad_parameter, error_of
from harness.pool_backup import Backups, Place
from harness.production import Production

pytest_plugins = ["harness.hsm_fixtures"]


@pytest.fixture(scope="module")
def production(binary, tmp_path_factory):
    folder = tmp_path_factory.mktemp("backups-serve")
    for name in ("one", "two", "closed"):
        (folder / name).mkdir()
    (folder / "file").touch()
    return Production(binary, folder).initialise()


def folders(*entries) -> dict:
    return {"folders": list(entries)}


ONE = {"name": "one", "path": "{folder}/one"}


@pytest.mark.parametrize(
    ("member", "settings"),
    [
        ("poolBackups", "file:///backups"),
        ("poolBackups", []),
        ("poolBackups.unknown", {**folders(ONE), "unknown": 1}),
        ("poolBackups.folders", {"folders": "{folder}/one"}),
        ("poolBackups.folders", folders("{folder}/one")),
        ("poolBackups.folders.unknown", folders({**ONE, "unknown": 1})),
        ("poolBackups.folders", folders({"path": "{folder}/one"})),
        ("poolBackups.folders", folders({"name": "one"})),
        ("poolBackups.folders", folders({**ONE, "name": 5})),
        ("poolBackups.folders", folders({**ONE, "path": 5})),
        ("poolBackups.folders.name", folders({**ONE, "name": ""})),
        ("poolBackups.folders.name", folders({**ONE, "name": ".."})),
        ("poolBackups.folders.name", folders({**ONE, "name": ".one"})),
        ("poolBackups.folders.name", folders({**ONE, "name": "a/b"})),
        ("poolBackups.folders.name", folders({**ONE, "name": "a b"})),
        ("poolBackups.folders.name", folders({**ONE, "name": "é"})),
        ("poolBackups.folders.name", folders({**ONE, "name": "x" * 129})),
        ("poolBackups.folders.name", folders(ONE, {**ONE, "path": "{folder}/two"})),
        ("poolBackups.folders.path", folders({**ONE, "path": ""})),
        ("poolBackups.folders.path", folders({**ONE, "path": "one"})),
        ("poolBackups.folders.path", folders({**ONE, "path": "./one"})),
        ("poolBackups.folders.path", folders({**ONE, "path": "~/one"})),
        ("poolBackups.folders.path", folders({**ONE, "path": "/nowhere/at/all"})),
        ("poolBackups.folders.path", folders({**ONE, "path": "{folder}/file"})),
        ("poolBackups.folders.path", folders({**ONE, "path": "file://{folder}/one"})),
        ("poolBackups.hosts", {"hosts": "backup.example.com"}),
        ("poolBackups.hosts", {"hosts": [5]}),
        ("poolBackups.hosts", {"hosts": [""]}),
        ("poolBackups.hosts", {"hosts": ["*"]}),
        ("poolBackups.hosts", {"hosts": ["*."]}),
        ("poolBackups.hosts", {"hosts": ["*.*.example.com"]}),
        ("poolBackups.hosts", {"hosts": ["backup.*.example.com"]}),
        ("poolBackups.hosts", {"hosts": ["x*.example.com"]}),
        ("poolBackups.hosts", {"hosts": ["https://backup.example.com"]}),
        ("poolBackups.hosts", {"hosts": ["backup.example.com/container"]}),
        ("poolBackups.hosts", {"hosts": ["user@backup.example.com"]}),
        ("poolBackups.hosts", {"hosts": ["backup.example.com:"]}),
        ("poolBackups.hosts", {"hosts": ["backup.example.com:0"]}),
        ("poolBackups.hosts", {"hosts": ["backup.example.com:65536"]}),
        ("poolBackups.hosts", {"hosts": ["backup.example.com:+1"]}),
        ("poolBackups.hosts", {"hosts": ["backup.example.com:443:443"]}),
        ("poolBackups.hosts", {"hosts": ["backup example.com"]}),
        ("poolBackups.hosts", {"hosts": ["under_score.example.com"]}),
        ("poolBackups.hosts", {"hosts": ["good.example.com", "-bad.example.com"]}),
        ("poolBackups.caFile", {"hosts": ["backup.example.com"], "caFile": "/none"}),
        ("poolBackups.caFile", {"hosts": ["backup.example.com"], "caFile": ""}),
        ("poolBackups.caFile", {"hosts": ["backup.example.com"], "caFile": 5}),
        ("poolBackups.caFile", {"caFile": "{folder}/ca.pem"}),
        ("poolBackups.caFile", {"hosts": [], "caFile": "{folder}/ca.pem"}),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_stop_the_start(production, member, settings):
    production.settings["poolBackups"] = json.loads(json.dumps(settings).replace("{folder}", str(production.folder)))
    result = production.run("serve")
    assert (result.returncode, result.stdout) == (78, ""), result.stderr
    assert result.stderr.count("\n") == 1 and member in result.stderr, result.stderr


def test_a_folder_that_cannot_be_written_stops_the_start(production):
    (production.folder / "closed").chmod(0o500)
    if os.geteuid() == 0:
        # Root writes wherever it likes, unless that right is taken from it.
        without = production.folder / "strongroom"
        without.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-dac_override "{production.binary}" "$@"\n')
        without.chmod(0o700)
        production.binary = without
    production.settings["poolBackups"] = folders({"name": "closed", "path": str(production.folder / "closed")})
    result = production.run("serve")
    assert result.returncode == 78 and "poolBackups.folders.path" in result.stderr, result.stderr


@pytest.mark.parametrize(
    "host",
    [
        "", "*", "*.", "https://backup.example.com", "backup.example.com/x", "user@backup.example.com", "backup.example.com:0",
        "backup.example.com:x", "backup.*.com", ",/etc/hosts", "backup.example.com,", "backup.example.com,/none/ca.pem", "a b",
    ],
)
def test_an_option_that_makes_no_sense_stops_the_start(cli, tmp_path, host):
    result = cli.run("dev", "--data", str(tmp_path / "data"), "--backup-host", host, exit_code=None)
    assert result.returncode in (64, 78) and result.stdout == "", result.stderr
    assert "--backup-host" in result.stderr and not (tmp_path / "data").exists()


def test_an_option_that_makes_no_sense_is_told_in_one_line(cli, tmp_path):
    result = cli.run("dev", "--data", str(tmp_path / "data"), "--backup-host", "*", exit_code=None)
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr


# What is good


@pytest.fixture
def site(binary, tmp_path):
    """A production server with a pool, folders and a storage, started by the test."""
    with BlobStorage(tmp_path / "storage") as storage:
        made = HsmProduction(binary, tmp_path)
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
        made.settings["poolBackups"] = {
            "folders": [{"name": name, "path": str(tmp_path / name)} for name in ("one", "two")],
            "hosts": ["other.example.com", storage.host], "caFile": str(storage.ca_file),
        }
        yield made, storage
        made.kill()


def test_a_configured_pool_is_backed_up_to_what_is_configured(site):
    made, storage = site
    made.initialise().start()
    wire = made.pool().wire
    for place in (Place("file:///one"), Place("file:///two"), Place.of(storage)):
        own = Backups(wire, place)
        folder = own.backup()
        own.restore(folder)
        if place.uri.startswith("file"):
            assert [path.name for path in (made.folder / place.uri[-3:]).iterdir()] == [folder]
    for uri in ("file:///three", "file:///backups", "https://else.example.com/c"):
        assert_bad_parameter(Backups(wire, Place(uri, "sig=x")).ask_backup())
    assert made.stop() == 0
    # The folder may be taken away again, and a job then says so.
    del made.settings["poolBackups"]["folders"][1]
    made.start()
    own = Backups(made.pool().wire, Place("file:///two"))
    assert "poolBackups.folders" in error_of(own.ask_restore(folder))["message"]


def test_a_folder_that_goes_away_fails_the_job(site):
    made, _ = site
    made.initialise().start()
    own = Backups(made.pool().wire, Place("file:///one"))
    folder = own.backup()
    shutil.move(made.folder / "one", made.folder / "away")
    for ask in (own.ask_backup, own.ask_pre_backup, lambda: own.ask_restore(folder)):
        message = own.failed(ask())["message"]
        assert message.endswith(".") and str(made.folder) not in message
    shutil.move(made.folder / "away", made.folder / "one")
    own.restore(folder)


def test_without_settings_nothing_can_be_backed_up(site):
    made, storage = site
    del made.settings["poolBackups"]
    made.initialise().start()
    wire = made.pool().wire
    for place in (Place("file:///one"), Place("file:///backups"), Place.of(storage)):
        assert "poolBackups" in error_of(Backups(wire, place).ask_backup())["message"]
    assert storage.asked == []
