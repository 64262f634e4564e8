"""A path means one thing: what could mean two is refused, and rights are decided on the name that is used."""

import json

import pytest

from harness.http1 import Connection


@pytest.fixture
def call(server):
    """Sends a target exactly as written, as the owner unless another token is given."""

    def send(target: str, method: str = "GET", token: str | None = None):
        with Connection(server) as connection:
            return connection.exchange(connection.request(method, target, f"Authorization: Bearer {token or server.token()}"))

    return send


@pytest.mark.parametrize(
    "path",
    [
        "/secrets%2fname",
        "/secrets%2Fname",
        "/secrets/name%2fversion",
        "/secrets/name%5cversion",
        "/secrets/name%5Cversion",
        "/secrets/.",
        "/secrets/..",
        "/secrets/../secrets/name",
        "/secrets/./name",
        "/./secrets/name",
        "/../secrets/name",
        "/secrets/%2e",
        "/secrets/%2e%2e/secrets/name",
        "/secrets/%2E%2E/name",
        "/secrets/.%2e/name",
        "/secrets/name%00",
        "/secrets/name%0a",
        "/secrets/name%0d%0aX-Injected:%20yes",
        "/secrets/name%09",
        "/secrets/name%7f",
        "/secrets/name%1b",
        "/secrets/name%",
        "/secrets/name%2",
        "/secrets/name%zz",
        "/secrets/name%c0%af",
        "/secrets/name%ff",
        "/secrets\\name",
    ],
)
def test_a_path_that_could_mean_another_is_refused(call, path):
    answer = call(f"{path}?api-version=7.4")
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["code"]
    assert "x-injected" not in answer.headers


def test_an_encoded_letter_is_the_letter(call, wire, name):
    wire.set_secret(f"a{name}", "v")
    assert json.loads(call(f"/secrets/%61{name}?api-version=7.4").body)["value"] == "v"


def test_repeated_slashes_are_one(call, wire, name):
    wire.set_secret(name, "v")
    assert json.loads(call(f"//secrets//{name}?api-version=7.4").body)["value"] == "v"


def test_an_absolute_address_of_the_same_host_is_understood_or_refused(call, server):
    assert call(f"{server.vault_url()}/secrets?api-version=7.4").status in (200, 400)


def test_an_absolute_address_does_not_reach_another_host(call, server, name):
    server.wire("other").set_secret(name, "of the other")
    answer = call(f"{server.vault_url('other')}/secrets/{name}?api-version=7.4")
    assert answer.status in (400, 404)
    assert b"of the other" not in answer.body


@pytest.mark.parametrize("spelling", ["%61", "A", "%41"])
def test_rights_on_one_name_are_not_stretched_by_spelling(call, server, cli, wire, stranger, name, spelling):
    """The right is on `a…`; the spellings of the same name pass, a longer name written with them does not."""
    wire.set_secret(f"a{name}")
    wire.set_secret(f"a{name}x")
    cli.assign(stranger, "Key Vault Secrets User", f"{server.vault_scope()}/secrets/a{name}")
    token = server.token(stranger)
    assert call(f"/secrets/{spelling}{name}?api-version=7.4", token=token).status == 200
    assert call(f"/secrets/{spelling}{name}x?api-version=7.4", token=token).status == 403


@pytest.mark.parametrize("query", ["api-version=7.4&api-version=7.5", "api-version=7.4&api-version=9.9"])
def test_an_api_version_given_twice_is_refused(call, query):
    assert call(f"/secrets?{query}").status == 400


@pytest.mark.parametrize("host", ["DEMO.vault.localhost", "demo.VAULT.LocalHost"])
def test_the_host_is_matched_in_any_case(server, host):
    with Connection(server) as connection:
        connection.host = f"{host}:{server.port}"
        answer = connection.exchange(
            connection.request("GET", "/secrets?api-version=7.4", f"Authorization: Bearer {server.token()}")
        )
    assert answer.status == 200
