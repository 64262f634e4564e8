"""Secrets through the unmodified Azure CLI. What it writes is read by plain calls too."""

import base64
import os
from pathlib import Path

import pytest

pytest_plugins = ["harness.azure_cli_fixtures"]

VAULT = "--vault-name demo"


def names(items: list[dict]) -> list[str]:
    return [item["name"] for item in items]


@pytest.mark.operation("SecretSet")
@pytest.mark.operation("SecretGet")
def test_a_secret_is_set_and_shown(az, wire, name):
    value = "grüße $HOME `x` \"quoted\" 'and' \\ back"
    made = az.json(
        f"keyvault secret set {VAULT} --name {name} --content-type text/plain --tags a=b --expires 2031-01-02T03:04:05Z", "--value", value
    )
    assert (made["name"], made["value"], made["contentType"]) == (name, value, "text/plain")
    assert made["attributes"]["expires"] == "2031-01-02T03:04:05+00:00"
    assert made["tags"] == {"a": "b", "file-encoding": "utf-8"}
    shown = az.json(f"keyvault secret show {VAULT} --name {name}")
    assert (shown["id"], shown["value"]) == (made["id"], value)
    read = wire.get(f"/secrets/{name}").json()
    assert (read["value"], read["attributes"]["exp"], read["tags"]["a"]) == (value, 1_925_089_445, "b")


def test_an_older_version_is_shown_by_its_identifier(az, name):
    first = az.json(f"keyvault secret set {VAULT} --name {name} --value first")
    az.run(f"keyvault secret set {VAULT} --name {name} --value second")
    assert az.json("keyvault secret show --id", first["id"])["value"] == "first"
    assert az.run(f"keyvault secret show {VAULT} --name {name} --query value --output tsv").output == "second\n"


@pytest.mark.operation("SecretGet")
def test_a_file_goes_in_and_comes_out_as_it_was(az, wire, name, tmp_path: Path):
    content = os.urandom(3_000)
    (tmp_path / "in").write_bytes(content)
    az.run(f"keyvault secret set {VAULT} --name {name} --encoding base64 --file", str(tmp_path / "in"))
    assert base64.b64decode(wire.get(f"/secrets/{name}").json()["value"]) == content
    az.run(f"keyvault secret download {VAULT} --name {name} --file", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == content


@pytest.mark.operation("SecretList")
@pytest.mark.operation("SecretListVersions")
def test_secrets_and_their_versions_are_listed(az, wire, name):
    identifiers = {wire.set_secret(name, value)["id"] for value in ("one", "two")}
    assert name in names(az.json(f"keyvault secret list {VAULT}"))
    assert {each["id"] for each in az.json(f"keyvault secret list-versions {VAULT} --name {name}")} == identifiers


@pytest.mark.operation("SecretUpdate")
def test_attributes_are_set(az, wire, name):
    wire.set_secret(name)
    changed = az.json(f"keyvault secret set-attributes {VAULT} --name {name} --enabled false --tags c=d")
    assert (changed["attributes"]["enabled"], changed["tags"]) == (False, {"c": "d"})
    assert "(Forbidden)" in az.refused(f"keyvault secret show {VAULT} --name {name}")
    az.run(f"keyvault secret set-attributes {VAULT} --name {name} --enabled true")
    assert wire.get(f"/secrets/{name}").json()["tags"] == {"c": "d"}


@pytest.mark.operation("SecretDelete")
@pytest.mark.operation("SecretListDeleted")
@pytest.mark.operation("SecretGetDeleted")
@pytest.mark.operation("SecretRecover")
@pytest.mark.operation("SecretPurge")
def test_a_secret_is_deleted_recovered_and_purged(az, wire, name):
    wire.set_secret(name, "value")
    gone = az.json(f"keyvault secret delete {VAULT} --name {name}")
    assert gone["recoveryId"].endswith(f"/deletedsecrets/{name}") and wire.get(f"/secrets/{name}").status_code == 404
    assert name in names(az.json(f"keyvault secret list-deleted {VAULT}"))
    assert az.json(f"keyvault secret show-deleted {VAULT} --name {name}")["id"] == gone["id"]

    az.run(f"keyvault secret recover {VAULT} --name {name}")
    assert wire.get(f"/secrets/{name}").json()["value"] == "value"

    az.run(f"keyvault secret delete {VAULT} --name {name}")
    az.run(f"keyvault secret purge {VAULT} --name {name}")
    assert wire.get(f"/deletedsecrets/{name}").status_code == 404


@pytest.mark.operation("SecretBackup")
@pytest.mark.operation("SecretRestore")
def test_a_secret_is_restored_from_its_backup(az, wire, name, tmp_path: Path):
    identifiers = {wire.set_secret(name, value)["id"] for value in ("one", "two")}
    az.run(f"keyvault secret backup {VAULT} --name {name} --file", str(tmp_path / "backup"))
    wire.delete_secret(name)
    assert wire.delete(f"/deletedsecrets/{name}").status_code == 204
    assert az.json(f"keyvault secret restore {VAULT} --file", str(tmp_path / "backup"))["name"] == name
    assert {each["id"] for each in wire.get(f"/secrets/{name}/versions").json()["value"]} == identifiers
    assert wire.get(f"/secrets/{name}").json()["value"] == "two"
