"""Lists of certificates: what an item shows, pages, versions, the deleted; and a backup in another vault."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives import hashes

from harness.certificates_made import certificate_of, pem, pfx, self_signed
from harness.certificates_wire import Certificates, policy, refusal, version_of
from harness.keys_wire import Keys
from harness.tokens import encode

pytest_plugins = ["harness.certificates_fixtures"]

PREFIX = f"listed-{uuid.uuid4().hex[:8]}"
ATTRIBUTES = {"enabled", "nbf", "exp", "created", "updated"}


@pytest.fixture(scope="module")
def made(server) -> dict[str, dict]:
    """Five certificates of the vault `pages`, none of which is changed."""
    certificates, value = Certificates(server.wire("pages")), pfx(*self_signed())
    return {name: certificates.import_(name, value, tags={"a": "b"}) for name in (f"{PREFIX}-{n}" for n in range(5))}


@pytest.fixture
def pages(server) -> Keys:
    """Lists of the vault `pages`."""
    return Keys(server.wire("pages"))


def ours(items: list[dict]) -> list[dict]:
    return [item for item in items if f"/{PREFIX}" in item["id"]]


def test_an_item_shows_no_version_and_no_certificate(server, pages, made):
    items = ours(pages.listed("/certificates"))
    assert [item["id"] for item in items] == [f"{server.vault_url('pages')}/certificates/{name}" for name in made]
    for item, bundle in zip(items, made.values(), strict=True):
        assert set(item) == {"id", "x5t", "subject", "attributes", "tags"}
        assert item["x5t"] == encode(certificate_of(bundle).fingerprint(hashes.SHA1())) == bundle["x5t"]
        assert set(item["attributes"]) == ATTRIBUTES
        assert item["attributes"].items() <= bundle["attributes"].items()
        assert item["tags"] == {"a": "b"}


def test_pages_follow_each_other_until_the_end(pages, made):
    assert ours(pages.listed("/certificates", maxresults=2)) == ours(pages.listed("/certificates"))


@pytest.mark.parametrize("size", ["0", "26", "x"])
def test_a_page_of_a_wrong_size_is_refused(pages, size):
    assert refusal(pages.wire.get("/certificates", query={"maxresults": size})) == (400, "BadParameter")


def test_versions_are_listed_in_the_order_of_their_ids(certificates, name):
    made = [certificates.import_(name, pfx(*self_signed()))["id"] for _ in range(4)]
    listed = Keys(certificates.wire).listed(f"/certificates/{name}/versions", maxresults=3)
    assert [item["id"] for item in listed] == sorted(made)


def test_a_deleted_item_shows_when_it_ends(server, certificates, name):
    certificates.import_(name, pfx(*self_signed()))
    deleted = certificates.delete(name)
    items = Keys(certificates.wire).listed("/deletedcertificates")
    (item,) = (one for one in items if one["id"].endswith(f"/certificates/{name}"))
    assert item["recoveryId"] == f"{server.vault_url()}/deletedcertificates/{name}"
    assert (item["deletedDate"], item["scheduledPurgeDate"]) == (deleted["deletedDate"], deleted["scheduledPurgeDate"])
    assert {"recoveryLevel", "recoverableDays"} <= item["attributes"].keys()


def test_a_backup_is_restored_into_another_vault(server, certificates, name):
    made = certificates.import_(name, pem(*self_signed()), tags={"a": "b"})
    other = Certificates(server.wire("other"))
    restored = other.restore(certificates.backup(name))
    assert restored["id"] == made["id"].replace("://demo.", "://other.")
    assert (restored["cer"], restored["tags"]) == (made["cer"], {"a": "b"})
    assert other.secret(name)["value"] == certificates.secret(name)["value"]
    assert other.secret(name)["kid"] == other.key(name)["key"]["kid"] == restored["kid"]


@pytest.mark.parametrize("kind", ["keys", "secrets"])
def test_a_backup_of_a_certificate_is_not_one_of_its_parts(certificates, name, kind):
    certificates.import_(name, pfx(*self_signed()))
    backup = certificates.backup(name)
    certificates.delete(name)
    certificates.purge(name)
    assert refusal(certificates.wire.post(f"/{kind}/restore", json={"value": backup})) == (400, "BadParameter")


@pytest.mark.parametrize("changed", ["", "AAAA", "*"])
def test_what_is_not_a_backup_is_refused(certificates, changed):
    assert refusal(certificates.wire.post("/certificates/restore", json={"value": changed})) == (400, "BadParameter")


def test_of_many_who_create_at_once_one_succeeds(server, name):
    makers = [Certificates(server.wire()) for _ in range(6)]
    with ThreadPoolExecutor(6) as threads:
        told = sorted(answer.status_code for answer in threads.map(lambda one: one.ask_create(name, policy("Unknown")), makers))
    assert told == [202] + [409] * 5


def test_sixteen_tags_are_too_many(certificates, name):
    tags = {str(number): "x" for number in range(16)}
    assert refusal(certificates.ask_import(name, pfx(*self_signed()), tags=tags)) == (400, "BadParameter")
    assert refusal(certificates.ask_create(name, policy(), tags=tags)) == (400, "BadParameter")


def test_a_version_is_found_in_either_case(certificates, name):
    made = certificates.import_(name, pfx(*self_signed()))
    assert certificates.get(name.upper(), version_of(made).upper())["id"] == made["id"]
