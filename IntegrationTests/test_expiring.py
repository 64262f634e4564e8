"""The list of what expires soon."""

import time

import pytest

DAY = 86_400


def expiring(wire, within, **query):
    return wire.get("/secrets:expiring", query={"within": within, **query})


def names_in(answer) -> list[str]:
    return [item["id"].rsplit("/", 1)[1] for item in answer.json()["value"]]


def all_names(wire, within, **query) -> list[str]:
    answer = expiring(wire, within, **query)
    found = names_in(answer)
    while answer.json()["nextLink"] is not None:
        answer = wire.get(answer.json()["nextLink"])
        found += names_in(answer)
    return found


@pytest.fixture
def dated(wire, name) -> dict[int | None, str]:
    """Secrets that expire after so many days."""
    made = {}
    for days in (None, -1, 1, 20, 40):
        made[days] = f"{name}-{'never' if days is None else days}".replace("--", "-ago-")
        attributes = {} if days is None else {"exp": int(time.time()) + days * DAY}
        wire.set_secret(made[days], attributes=attributes)
    return made


def mine(names, dated) -> set[str]:
    return set(names) & set(dated.values())


@pytest.mark.operation("SecretListExpiring")
def test_it_has_what_expires_within_the_time_and_nothing_else(wire, dated):
    assert mine(all_names(wire, "P30D"), dated) == {dated[1], dated[20]}


@pytest.mark.parametrize("within, days", [("PT36H", {1}), ("P3W", {1, 20}), ("P1Y", {1, 20, 40}), ("P1M5D", {1, 20})])
def test_the_time_may_be_given_in_any_unit(wire, dated, within, days):
    assert mine(all_names(wire, within), dated) == {dated[day] for day in days}


def test_only_the_newest_version_counts(wire, name):
    wire.set_secret(name, attributes={"exp": int(time.time()) + DAY})
    wire.set_secret(name)
    assert name not in all_names(wire, "P30D")


def test_a_deleted_secret_is_not_listed(wire, name):
    wire.set_secret(name, attributes={"exp": int(time.time()) + DAY})
    wire.delete_secret(name)
    assert name not in all_names(wire, "P30D")


def test_an_item_looks_as_in_the_list_of_secrets(server, wire, name):
    ends = int(time.time()) + DAY
    wire.set_secret(name, contentType="c", tags={"a": "b"}, attributes={"exp": ends})
    answer = expiring(wire, "P2D")
    items = answer.json()["value"]
    while not any(item["id"].endswith(name) for item in items):
        answer = wire.get(answer.json()["nextLink"])
        items = answer.json()["value"]
    item = next(item for item in items if item["id"].endswith(name))
    assert item["id"] == f"{server.vault_url()}/secrets/{name}"
    assert (item["attributes"]["exp"], item["contentType"], item["tags"]) == (ends, "c", {"a": "b"})
    assert "value" not in item


def test_it_comes_in_pages(wire, dated):
    assert len(expiring(wire, "P1Y", maxresults=1).json()["value"]) <= 1
    assert mine(all_names(wire, "P30D", maxresults=1), dated) == {dated[1], dated[20]}


@pytest.mark.parametrize("within", ["", "30", "P", "PT", "30D", "P-1D", "P1.5", "soon", "P1H", "P99999999999999999999D"])
def test_a_time_that_is_no_duration_is_refused(wire, within):
    answer = expiring(wire, within)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


def test_a_missing_time_is_refused(wire):
    assert wire.get("/secrets:expiring").status_code == 400


def test_without_a_token_it_is_challenged(server):
    assert expiring(server.wire_with(None), "P30D").status_code == 401
