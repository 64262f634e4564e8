"""Lists of keys come in pages of at most 25, in the order of their names."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlsplit

import pytest

from harness.keys_clients import key_client_for
from harness.keys_wire import Keys, assert_bad_parameter, done

pytest_plugins = ["harness.keys_fixtures"]

COUNT = 60


@pytest.fixture(scope="module")
def names(server) -> list[str]:
    """60 keys in a vault that has no others, in the order in which they are listed."""
    made = [f"{'Page' if number % 2 else 'page'}-{number:03}" for number in range(COUNT)]

    def fill(part: int) -> None:
        keys = Keys(server.wire("pages"))
        for name in made[part::4]:
            keys.create(name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(4)))
    return made


@pytest.fixture
def pages(server, names) -> Keys:
    return Keys(server.wire("pages"))


def sizes(keys: Keys, path: str, **query) -> list[int]:
    page = done(keys.wire.get(path, query=query))
    found = [len(page["value"])]
    while page["nextLink"] is not None:
        page = done(keys.wire.get(page["nextLink"]))
        found.append(len(page["value"]))
    return found


def names_in(items: list[dict]) -> list[str]:
    return [item["kid"].split("/")[4] for item in items]


def test_the_keys_come_in_the_order_of_their_names(pages, names):
    assert [name for name in names_in(pages.listed("/keys")) if name.lower().startswith("page-")] == names


@pytest.mark.parametrize("size", [1, 7, 25])
def test_the_client_gets_pages_of_the_size_it_asks_for(server, names, size):
    with key_client_for(server, "pages") as client:
        found = [len(list(page)) for page in client.list_properties_of_keys(max_page_size=size).by_page()]
    assert max(found) <= size
    assert sum(found) >= COUNT


def test_a_page_has_at_most_25_when_nothing_is_asked(pages):
    assert max(sizes(pages, "/keys")) <= 25


def test_the_last_page_says_null_explicitly(pages):
    page = done(pages.wire.get("/keys"))
    while page["nextLink"] is not None:
        page = done(pages.wire.get(page["nextLink"]))
    assert set(page) == {"value", "nextLink"}


@pytest.mark.parametrize("path", ["/keys", "/deletedkeys", "/keys/page-000/versions"])
@pytest.mark.parametrize("size", [0, -1, 26, 1_000, "x", "1.5"])
def test_another_size_of_page_is_refused(pages, path, size):
    assert_bad_parameter(pages.wire.get(path, query={"maxresults": size}))


def test_a_next_link_names_host_port_version_and_size(server, pages):
    parts = urlsplit(done(pages.wire.get("/keys", version="7.4", query={"maxresults": 9}))["nextLink"])
    assert (parts.scheme, parts.netloc, parts.path) == ("https", server.vault_host("pages"), "/keys")
    query = dict(parse_qsl(parts.query))
    assert (query["api-version"], query["maxresults"]) == ("7.4", "9")
    assert query["$skiptoken"]


def test_a_next_link_of_keys_is_refused_on_another_list(pages):
    link = done(pages.wire.get("/keys"))["nextLink"]
    for path in ("/deletedkeys?", "/secrets?", "/keys/page-000/versions?"):
        assert_bad_parameter(pages.wire.get(link.replace("/keys?", path)))


def test_a_next_link_of_another_vault_is_refused(pages):
    assert_bad_parameter(pages.wire.get(done(pages.wire.get("/keys"))["nextLink"].replace("//pages.", "//demo.")))


def test_a_made_up_token_is_refused(pages):
    for token in ("", "x", "A" * 400):
        assert_bad_parameter(pages.wire.get("/keys", query={"$skiptoken": token}))


def test_the_versions_come_once_each_in_the_order_of_their_names(keys, name):
    made = sorted(keys.create(name)["key"]["kid"] for _ in range(30))
    assert [item["kid"] for item in keys.listed(f"/keys/{name}/versions", maxresults=7)] == made


def test_the_deleted_keys_are_paged_too(pages):
    gone = [f"gone-{number:02}" for number in range(12)]
    for name in gone:
        pages.create(name)
        pages.delete(name)
    found = [item["recoveryId"].rsplit("/", 1)[1] for item in pages.listed("/deletedkeys", maxresults=5)]
    assert [name for name in found if name.startswith("gone-")] == gone
    for name in gone:
        pages.purge(name)


def test_a_deleted_key_is_in_one_list_only(pages):
    pages.create("zz-moves")
    pages.delete("zz-moves")
    assert "zz-moves" not in names_in(pages.listed("/keys"))
    pages.recover("zz-moves")
    assert "zz-moves" in names_in(pages.listed("/keys"))
    assert not [item for item in pages.listed("/deletedkeys") if item["recoveryId"].endswith("/zz-moves")]


def test_a_list_shows_the_attributes_of_the_newest_version(keys, name):
    keys.create(name, tags={"n": "1"})
    newest = keys.create(name, tags={"n": "2"}, attributes={"enabled": False})
    item = next(item for item in keys.listed("/keys") if item["kid"].endswith(f"/{name}"))
    assert (item["attributes"], item["tags"]) == (newest["attributes"], {"n": "2"})
