"""Lists come in pages of at most 25 and stay true while secrets come and go."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from harness.clients import secret_client_for

COUNT = 300


@pytest.fixture(scope="module")
def names(server) -> list[str]:
    """300 secrets in a vault of their own, in the order in which they are listed."""
    made = [f"{'Page' if number % 2 else 'page'}-{number:03}" for number in range(COUNT)]

    def fill(part: int) -> None:
        wire = server.wire("pages")
        for name in made[part::4]:
            wire.set_secret(name)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(4)))
    return made


@pytest.fixture
def pages(server, names):
    return server.wire("pages")


def follow(wire, path, between=lambda page: None, **options) -> list[dict]:
    """All pages of a list, from the first to the one without a nextLink."""
    found = [wire.get(path, **options).json()]
    while found[-1]["nextLink"] is not None:
        between(found[-1])
        answer = wire.get(found[-1]["nextLink"])
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
    return found


def names_in(pages: list[dict]) -> list[str]:
    return [item["id"].split("/")[4] for page in pages for item in page["value"]]


def only(names: list[str], prefix: str) -> list[str]:
    return [name for name in names if name.lower().startswith(prefix)]


# All of them


def test_the_client_lists_300_secrets_in_the_order_of_their_names(server, names):
    with secret_client_for(server, "pages") as client:
        assert only([item.name for item in client.list_properties_of_secrets()], "page-") == names


@pytest.mark.parametrize("size", [1, 7, 25])
def test_the_client_gets_pages_of_the_size_it_asks_for(server, names, size):
    with secret_client_for(server, "pages") as client:
        pages = client.list_properties_of_secrets(max_page_size=size).by_page()
        sizes = [len(list(page)) for page in pages]
    assert max(sizes) <= size
    assert sum(sizes) >= COUNT


def test_a_page_has_at_most_25_when_nothing_is_asked(pages):
    assert all(len(page["value"]) <= 25 for page in follow(pages, "/secrets"))


def test_the_last_page_says_null_explicitly(pages):
    last = follow(pages, "/secrets")[-1]
    assert set(last) == {"value", "nextLink"} and last["nextLink"] is None


def test_an_empty_list_says_null_explicitly(pages):
    assert pages.get("/secrets/no-such-name/versions").json() == {"value": [], "nextLink": None}


def test_the_deleted_secrets_are_paged_too(server, names):
    wire = server.wire("pages")
    gone = [f"gone-{number:02}" for number in range(40)]
    for name in gone:
        wire.set_secret(name)
        wire.delete_secret(name)
    found = follow(wire, "/deletedsecrets", query={"maxresults": 15})
    assert only(names_in(found), "gone-") == gone
    for name in gone:
        assert wire.delete(f"/deletedsecrets/{name}").status_code == 204


# The versions of one secret


def test_the_versions_come_once_each_in_the_order_of_their_names(server, name):
    wire = server.wire()
    made = sorted(wire.set_secret(name, str(number))["id"].rsplit("/", 1)[1] for number in range(60))
    found = follow(wire, f"/secrets/{name}/versions", query={"maxresults": 7})
    assert [item["id"].rsplit("/", 1)[1] for page in found for item in page["value"]] == made


def test_versions_made_while_paging_do_not_hide_others(server, name):
    wire = server.wire()
    before = {wire.set_secret(name, str(number))["id"] for number in range(30)}
    found = follow(wire, f"/secrets/{name}/versions", between=lambda _: wire.set_secret(name, "more"), query={"maxresults": 10})
    listed = [item["id"] for page in found for item in page["value"]]
    assert before <= set(listed)
    assert len(listed) == len(set(listed))


# The nextLink


def test_a_next_link_is_absolute_and_names_its_port(server, pages):
    parts = urlsplit(pages.get("/secrets").json()["nextLink"])
    assert (parts.scheme, parts.netloc, parts.path) == ("https", server.vault_host("pages"), "/secrets")


def test_a_next_link_keeps_the_api_version_and_the_page_size(pages):
    query = dict(parse_qsl(urlsplit(pages.get("/secrets", version="7.4", query={"maxresults": 9}).json()["nextLink"]).query))
    assert (query["api-version"], query["maxresults"]) == ("7.4", "9")
    assert query["$skiptoken"]


def test_a_next_link_works_with_its_query_in_another_order_and_encoding(pages):
    first = pages.get("/secrets", query={"maxresults": 10}).json()
    parts = urlsplit(first["nextLink"])
    turned = urlunsplit(parts._replace(query=urlencode(sorted(parse_qsl(parts.query), reverse=True), safe="")))
    assert pages.get(turned).json()["value"] == pages.get(first["nextLink"]).json()["value"]


def test_a_next_link_may_be_followed_again(pages):
    link = pages.get("/secrets").json()["nextLink"]
    assert pages.get(link).json()["value"] == pages.get(link).json()["value"]


def test_a_next_link_does_not_replace_a_token(server, pages):
    link = pages.get("/secrets").json()["nextLink"]
    assert server.wire_with(None, "pages").get(link).status_code == 401


def test_a_next_link_does_not_replace_a_role(server, pages, stranger):
    link = pages.get("/secrets").json()["nextLink"]
    assert server.wire("pages", stranger).get(link).status_code == 403


def refused(answer) -> bool:
    return answer.status_code == 400 and answer.json()["error"]["code"] == "BadParameter"


def test_a_next_link_of_one_vault_is_refused_in_another(server, pages):
    link = pages.get("/secrets").json()["nextLink"]
    assert refused(pages.get(link.replace("//pages.", "//demo.")))


def test_a_next_link_of_one_collection_is_refused_on_another(pages):
    link = pages.get("/secrets").json()["nextLink"]
    assert refused(pages.get(link.replace("/secrets?", "/deletedsecrets?")))
    assert refused(pages.get(link.replace("/secrets?", "/secrets/page-000/versions?")))


def test_a_next_link_of_one_secrets_versions_is_refused_on_another(server, name):
    wire = server.wire()
    for part in ("a", "b"):
        for _ in range(3):
            wire.set_secret(f"{name}-{part}")
    link = wire.get(f"/secrets/{name}-a/versions", query={"maxresults": 1}).json()["nextLink"]
    assert refused(wire.get(link.replace(f"{name}-a", f"{name}-b")))


@pytest.mark.parametrize("part", [0.0, 0.25, 0.5, 0.75, 0.98])
def test_a_token_with_one_changed_character_is_refused(pages, part):
    parts = urlsplit(pages.get("/secrets").json()["nextLink"])
    query = dict(parse_qsl(parts.query))
    token = query["$skiptoken"]
    at = int(len(token) * part)
    query["$skiptoken"] = token[:at] + ("A" if token[at] != "A" else "Q") + token[at + 1 :]
    assert refused(pages.get(urlunsplit(parts._replace(query=urlencode(query)))))


@pytest.mark.parametrize("token", ["", "x", "eyJOZXh0TWFya2VyIjoiYSIsIlRhcmdldExvY2F0aW9uIjowfQ", "A" * 4_000, "%00"])
def test_a_made_up_token_is_refused(pages, token):
    assert refused(pages.get("/secrets", query={"$skiptoken": token}))


# While secrets come and go


def test_secrets_that_stay_are_listed_once_each_while_others_come_and_go(server, names):
    wire = server.wire("pages")
    fleeting = [f"page-{number:03}-fleeting" for number in range(0, COUNT, 4)]
    for name in fleeting:
        wire.set_secret(name)
    moves = iter(range(1_000))

    def disturb(page: dict) -> None:
        turn = next(moves)
        wire.delete(f"/secrets/{fleeting[turn * 2 % len(fleeting)]}")
        wire.delete(f"/secrets/{fleeting[-1 - turn * 3 % len(fleeting)]}")
        wire.set_secret(f"page-{turn * 37 % COUNT:03}-new-{turn}")
        last = names_in([page])[-1:]
        if last and "fleeting" in last[0]:
            wire.delete(f"/secrets/{last[0]}")

    listed = names_in(follow(wire, "/secrets", between=disturb))
    assert [name for name in listed if name in set(names)] == names
    assert len(listed) == len(set(listed))


def test_a_page_whose_last_secret_was_deleted_goes_on_where_it_was(server, name):
    wire = server.wire("pages")
    made = [f"zz-{name}-{letter}" for letter in "abcdef"]
    for each in made:
        wire.set_secret(each)
    page = wire.get("/secrets", query={"maxresults": 1}).json()
    while names_in([page]) != [made[2]]:
        page = wire.get(page["nextLink"]).json()
    wire.delete_secret(made[2])
    assert names_in([wire.get(page["nextLink"]).json()]) == [made[3]]
