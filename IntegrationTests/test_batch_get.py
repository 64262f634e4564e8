"""Up to 100 secrets in one call, each with its own result, its own authorisation and its own audit record."""

import pytest

from harness import audit, texts

PATH = "/secrets:batchGet"


def ask(wire, *items):
    return wire.post(PATH, json={"items": list(items)})


@pytest.mark.operation("SecretBatchGet", recorded_as="SecretGet")
def test_each_item_has_its_secret_in_the_order_asked_for(wire, name):
    made = [wire.set_secret(f"{name}-{letter}", letter) for letter in "cab"]
    answer = ask(wire, *({"name": f"{name}-{letter}"} for letter in "cab"))
    assert answer.status_code == 200
    assert answer.json() == {
        "value": [{"name": f"{name}-{letter}", "status": 200, "secret": bundle} for letter, bundle in zip("cab", made)]
    }


def test_an_item_may_name_a_version(wire, name):
    first = wire.set_secret(name, "first")
    wire.set_secret(name, "second")
    items = ask(wire, {"name": name, "version": first["id"].rsplit("/", 1)[1]}, {"name": name}).json()["value"]
    assert [item["secret"]["value"] for item in items] == ["first", "second"]


def test_the_same_item_twice_is_answered_twice(wire, name):
    wire.set_secret(name, "v")
    assert [item["status"] for item in ask(wire, {"name": name}, {"name": name}).json()["value"]] == [200, 200]


def test_an_item_that_does_not_exist_does_not_spoil_the_others(wire, name):
    wire.set_secret(name, "v")
    found, missing = ask(wire, {"name": name}, {"name": f"{name}-missing"}).json()["value"]
    assert found["status"] == 200
    assert missing["status"] == 404
    assert missing["error"]["code"] == "SecretNotFound"
    assert missing["error"]["message"] == texts.secret_not_found(f"{name}-missing")
    assert "secret" not in missing


def test_a_disabled_item_is_forbidden(wire, name):
    wire.set_secret(name, attributes={"enabled": False})
    (item,) = ask(wire, {"name": name}).json()["value"]
    assert (item["status"], item["error"]["innererror"]["code"]) == (403, "SecretDisabled")


def test_each_item_is_authorised_by_itself(server, cli, wire, stranger, name):
    wire.set_secret(f"{name}-mine", "mine")
    wire.set_secret(f"{name}-theirs", "theirs")
    cli.assign(stranger, "Key Vault Secrets User", f"{server.vault_scope()}/secrets/{name}-mine")
    answer = ask(server.wire(application=stranger), {"name": f"{name}-theirs"}, {"name": f"{name}-mine"}, {"name": f"{name}-missing"})
    assert [item["status"] for item in answer.json()["value"]] == [403, 200, 403]
    assert answer.json()["value"][0]["error"]["innererror"]["code"] == "ForbiddenByRbac"
    assert "theirs" not in answer.json()["value"][0]["error"]["message"].replace(f"{name}-theirs", "")


def test_a_hundred_items_are_answered(wire, name):
    wire.set_secret(name, "v")
    answer = ask(wire, *[{"name": name}] * 100)
    assert [item["status"] for item in answer.json()["value"]] == [200] * 100


@pytest.mark.parametrize("count", [0, 101])
def test_none_or_over_a_hundred_items_are_refused(wire, name, count):
    answer = ask(wire, *[{"name": name}] * count)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"items": None},
        {"items": {}},
        {"items": ["name"]},
        {"items": [{}]},
        {"items": [{"name": 5}]},
        {"items": [{"name": "a", "version": 5}]},
    ],
    ids=str,
)
def test_a_body_of_another_form_is_refused(wire, body):
    answer = wire.post(PATH, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadParameter")


def test_without_a_token_it_is_challenged(server):
    answer = ask(server.wire_with(None), {"name": "x"})
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers


def test_each_item_leaves_its_own_record(cli, wire, name):
    begun = audit.now()
    wire.set_secret(f"{name}-a")
    ask(wire, {"name": f"{name}-a"}, {"name": f"{name}-b"})
    found = [
        (record["properties"]["id"].rsplit("/", 1)[1], record["properties"]["httpStatusCode"])
        for record in audit.records(cli, since=begun)
        if record["operationName"] == "SecretGet" and name in record["properties"].get("id", "")
    ]
    assert found == [(f"{name}-a", 200), (f"{name}-b", 404)]
