"""The JSON of the secret operations, member by member: what each answer shows and what it leaves out."""

import re

import pytest

LATER = 2_000_000_000


@pytest.fixture
def made(wire, name) -> dict:
    return wire.set_secret(name, "v", contentType="text/plain", tags={"a": "b"}, attributes={"nbf": 1, "exp": LATER})


def test_set_answers_with_the_whole_bundle(server, made, name):
    assert set(made) == {"value", "id", "contentType", "tags", "attributes"}
    assert re.fullmatch(rf"{server.vault_url()}/secrets/{name}/[0-9a-f]{{32}}", made["id"])


def test_times_are_whole_seconds(made):
    attributes = made["attributes"]
    assert all(type(attributes[member]) is int for member in ("nbf", "exp", "created", "updated"))


def test_times_that_are_not_set_are_left_out(wire, name):
    assert {"nbf", "exp"}.isdisjoint(wire.set_secret(name)["attributes"])


def test_tags_and_content_type_that_are_not_set_are_left_out(wire, name):
    assert {"tags", "contentType"}.isdisjoint(wire.set_secret(name))


def test_get_answers_as_set_did(wire, made, name):
    assert wire.get(f"/secrets/{name}").json() == made


def test_a_trailing_slash_means_the_newest_version(wire, made, name):
    assert wire.get(f"/secrets/{name}/").json() == made


def test_repeated_slashes_are_one(wire, made, name):
    assert wire.get(f"//secrets///{name}//").json() == made


def test_update_answers_without_the_value(wire, made, name):
    assert "value" not in wire.patch(f"/secrets/{name}/", json={"contentType": "x"}).json()


def test_update_answers_with_tags_even_when_there_are_none(wire, name):
    wire.set_secret(name)
    assert wire.patch(f"/secrets/{name}/", json={"contentType": "x"}).json()["tags"] == {}


def test_delete_answers_without_the_value_and_with_the_dates(server, wire, made, name):
    deleted = wire.delete_secret(name)
    assert "value" not in deleted
    assert deleted["id"] == made["id"]
    assert deleted["recoveryId"] == f"{server.vault_url()}/deletedsecrets/{name}"
    assert deleted["scheduledPurgeDate"] == deleted["deletedDate"] + deleted["attributes"]["recoverableDays"] * 86_400


def test_a_deleted_secret_is_shown_without_its_value(wire, made, name):
    deleted = wire.delete_secret(name)
    assert wire.get(f"/deletedsecrets/{name}").json() == deleted


def test_recover_answers_without_the_value(wire, made, name):
    wire.delete_secret(name)
    recovered = wire.post(f"/deletedsecrets/{name}/recover").json()
    assert recovered["id"] == made["id"]
    assert {"value", "recoveryId", "deletedDate", "scheduledPurgeDate"}.isdisjoint(recovered)


def test_restore_answers_without_the_value(server, wire, made, name):
    restored = server.wire("other").post("/secrets/restore", json={"value": wire.backup_secret(name)}).json()
    assert "value" not in restored
    assert restored["id"] == made["id"].replace("://demo.", "://other.")


def test_a_list_item_has_no_value_and_no_version(server, wire, made, name):
    item = next(item for item in listed(wire, "/secrets") if item["id"].endswith(f"/{name}"))
    assert set(item) == {"id", "attributes", "contentType", "tags"}
    assert item["id"] == f"{server.vault_url()}/secrets/{name}"


def test_an_item_of_the_versions_has_no_value_and_the_whole_identifier(wire, made, name):
    item = wire.get(f"/secrets/{name}/versions").json()["value"][0]
    assert set(item) == {"id", "attributes", "contentType", "tags"}
    assert item["id"] == made["id"]


def test_an_item_of_the_deleted_has_the_dates_and_no_value(wire, made, name):
    wire.delete_secret(name)
    item = next(item for item in listed(wire, "/deletedsecrets") if item["id"].endswith(f"/{name}"))
    assert {"recoveryId", "deletedDate", "scheduledPurgeDate"} <= set(item)
    assert "value" not in item


def test_a_backup_is_base64url_without_padding(wire, made, name):
    assert re.fullmatch(r"[A-Za-z0-9_-]+", wire.backup_secret(name))


def test_updated_moves_only_on_the_version_that_was_updated(wire, name):
    first = wire.set_secret(name, "first")
    second = wire.set_secret(name, "second")
    wire.patch(f"/secrets/{name}/{first['id'].rsplit('/', 1)[1]}", json={"contentType": "x"})
    assert wire.get(f"/secrets/{name}").json()["attributes"] == second["attributes"]


def test_the_version_of_a_path_is_matched_in_any_case(wire, made, name):
    version = made["id"].rsplit("/", 1)[1]
    assert wire.get(f"/secrets/{name}/{version.upper()}").json() == made


def listed(wire, path) -> list[dict]:
    items, page = [], wire.get(path).json()
    while True:
        items += page["value"]
        if page["nextLink"] is None:
            return items
        page = wire.get(page["nextLink"]).json()
