"""Every api-version since 7.0 is served, with the output of its time."""

import pytest
from azure.keyvault.secrets import ApiVersion

from harness.clients import secret_client_for
from harness.texts import version_not_recognized
from harness.versions import ALL, LATEST

SINCE_RECOVERABLE_DAYS = [version for version in ALL if version != "7.0"]


@pytest.mark.parametrize("version", ALL)
def test_every_operation_works_in_every_version(wire, name, version):
    def call(method, path, **options):
        return wire.call(method, path, version=version, **options).status_code

    assert call("PUT", f"/secrets/{name}", json={"value": "v"}) == 200
    assert call("GET", f"/secrets/{name}") == 200
    assert call("GET", f"/secrets/{name}/") == 200
    assert call("PATCH", f"/secrets/{name}/", json={"contentType": "c"}) == 200
    assert call("GET", "/secrets") == 200
    assert call("GET", f"/secrets/{name}/versions") == 200
    backup = wire.post(f"/secrets/{name}/backup", version=version).json()["value"]
    assert call("DELETE", f"/secrets/{name}") == 200
    assert call("GET", f"/deletedsecrets/{name}") == 200
    assert call("GET", "/deletedsecrets") == 200
    assert call("POST", f"/deletedsecrets/{name}/recover") == 200
    assert call("DELETE", f"/secrets/{name}") == 200
    assert call("DELETE", f"/deletedsecrets/{name}") == 204
    assert call("POST", "/secrets/restore", json={"value": backup}) == 200


@pytest.mark.parametrize("version", ALL)
def test_every_version_tells_the_recovery_level(wire, name, version):
    wire.set_secret(name)
    assert "Recoverable" in wire.get(f"/secrets/{name}", version=version).json()["attributes"]["recoveryLevel"]


@pytest.mark.parametrize("version", SINCE_RECOVERABLE_DAYS)
def test_recoverable_days_are_shown_from_7_1_on(wire, name, version):
    wire.set_secret(name)
    assert 7 <= wire.get(f"/secrets/{name}", version=version).json()["attributes"]["recoverableDays"] <= 90


def test_recoverable_days_are_not_shown_in_7_0(wire, name):
    made = wire.put(f"/secrets/{name}", version="7.0", json={"value": "v"}).json()
    read = wire.get(f"/secrets/{name}", version="7.0").json()
    listed = wire.get(f"/secrets/{name}/versions", version="7.0").json()["value"][0]
    deleted = wire.delete(f"/secrets/{name}", version="7.0").json()
    for answer in (made, read, listed, deleted):
        assert "recoverableDays" not in answer["attributes"]


@pytest.mark.parametrize("version", [version.value for version in ApiVersion if version.value in ALL])
def test_the_python_client_works_with_every_version_it_knows(server, name, version):
    with secret_client_for(server, api_version=version) as client:
        client.set_secret(name, "v")
        assert client.get_secret(name).value == "v"


def test_what_one_version_wrote_another_reads(wire, name):
    wire.put(f"/secrets/{name}", version="7.0", json={"value": "old"})
    assert wire.get(f"/secrets/{name}", version=LATEST).json()["value"] == "old"


@pytest.mark.parametrize("version", ["9.9", "7", "7.00", "2016-10-01-preview", "latest", "7.4 ", "7.4;", "2026-04-01x"])
def test_an_unknown_version_is_refused_by_name(wire, name, version):
    answer = wire.get(f"/secrets/{name}", version=version)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadParameter"
    assert answer.json()["error"]["message"] == version_not_recognized(version, LATEST)


@pytest.mark.parametrize("version", [None, ""], ids=["missing", "empty"])
def test_a_missing_version_is_refused(wire, name, version):
    answer = wire.get(f"/secrets/{name}", version=version)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BadParameter"


def test_a_version_is_judged_after_the_token(server, name):
    assert server.wire_with(None).get(f"/secrets/{name}", version="9.9").status_code == 401
