"""A client that has the secret already asks whether it changed."""

import pytest


def etag_of(wire, path) -> str:
    return wire.get(path).headers["ETag"]


def again(wire, path, etag):
    return wire.get(path, headers={"If-None-Match": etag})


@pytest.fixture
def path(wire, name) -> str:
    wire.set_secret(name, "v")
    return f"/secrets/{name}"


def test_a_secret_that_did_not_change_is_not_sent_again(wire, path):
    answer = again(wire, path, etag_of(wire, path))
    assert (answer.status_code, answer.content) == (304, b"")


def test_the_answer_that_nothing_changed_repeats_the_tag(wire, path):
    etag = etag_of(wire, path)
    assert again(wire, path, etag).headers["ETag"] == etag


def test_one_of_several_tags_is_enough(wire, path):
    assert again(wire, path, f'"other", {etag_of(wire, path)}').status_code == 304


def test_any_tag_matches_what_exists(wire, path):
    assert again(wire, path, "*").status_code == 304


def test_another_tag_gets_the_secret(wire, path):
    assert again(wire, path, '"other"').json()["value"] == "v"


def test_a_new_version_is_a_change(wire, path, name):
    etag = etag_of(wire, path)
    wire.set_secret(name, "v")
    assert again(wire, path, etag).status_code == 200


@pytest.mark.parametrize("change", [{"contentType": "x"}, {"tags": {"a": "b"}}, {"attributes": {"exp": 2_000_000_000}}], ids=str)
def test_an_update_is_a_change(wire, path, change):
    etag = etag_of(wire, path)
    assert wire.patch(f"{path}/", json=change).status_code == 200
    assert again(wire, path, etag).status_code == 200


def test_a_version_has_a_tag_of_its_own(wire, path, name):
    first = f"{path}/{wire.get(path).json()['id'].rsplit('/', 1)[1]}"
    etag = etag_of(wire, first)
    wire.set_secret(name, "second")
    assert again(wire, first, etag).status_code == 304


def test_a_secret_disabled_meanwhile_is_forbidden(wire, path):
    etag = etag_of(wire, path)
    wire.patch(f"{path}/", json={"attributes": {"enabled": False}})
    assert again(wire, path, etag).status_code == 403


def test_a_secret_deleted_meanwhile_is_not_found(wire, path, name):
    etag = etag_of(wire, path)
    wire.delete_secret(name)
    assert again(wire, path, etag).status_code == 404


def test_the_tag_gives_no_right_to_know(server, wire, path, stranger):
    etag = etag_of(wire, path)
    assert again(server.wire_with(None), path, etag).status_code == 401
    assert again(server.wire(application=stranger), path, etag).status_code == 403


def test_the_tag_does_not_depend_on_the_value_alone(wire, name):
    """A tag that were a digest of the value would let a reader of tags guess values."""
    wire.set_secret(f"{name}-a", "1234")
    wire.set_secret(f"{name}-b", "1234")
    assert etag_of(wire, f"/secrets/{name}-a") != etag_of(wire, f"/secrets/{name}-b")
