"""Backups of secrets with a long history."""

import pytest

LARGEST = "x" * 25_600


@pytest.fixture
def with_versions(wire, name):
    """A secret with so many versions; the version of each, oldest first."""

    def make(count: int, value: str = "v") -> list[str]:
        return [wire.set_secret(name, value)["id"].rsplit("/", 1)[1] for _ in range(count)]

    return make


def test_a_backup_of_many_large_versions_is_restored_whole(server, wire, name, with_versions):
    versions = with_versions(120, LARGEST)
    backup = wire.backup_secret(name)
    assert len(backup) > 3_000_000
    other = server.wire("other")
    assert other.post("/secrets/restore", json={"value": backup}).status_code == 200
    assert [other.get(f"/secrets/{name}/{version}").json()["value"] == LARGEST for version in versions] == [True] * 120


def test_a_secret_with_500_past_versions_can_be_backed_up_and_restored(server, wire, name, with_versions):
    versions = with_versions(501)
    backup = wire.backup_secret(name)
    other = server.wire("other")
    assert other.post("/secrets/restore", json={"value": backup}).status_code == 200
    assert other.get(f"/secrets/{name}").json()["id"].endswith(versions[-1])


def test_a_secret_with_more_past_versions_is_refused_a_backup(wire, name, with_versions):
    with_versions(502)
    answer = wire.post(f"/secrets/{name}/backup")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


def test_a_large_body_without_a_token_is_challenged(server):
    answer = server.wire_with(None).post("/secrets/restore", json={"value": "A" * 4_000_000})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
