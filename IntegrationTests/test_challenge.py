"""The 401 that tells a client where to get a token comes before everything else."""

import os

import pytest
from azure.keyvault.secrets import SecretClient

from harness.clients import credential_for

MISSING = "AKV10000: Request is missing a Bearer or PoP token."


def challenge_of(server) -> str:
    return f'Bearer authorization="{server.login}/{server.tenant}", resource="{server.vault_resource}"'


@pytest.fixture
def anonymous(server):
    return server.wire_with(None)


def test_a_call_without_a_token_is_told_where_to_get_one(server, anonymous):
    answer = anonymous.get("/secrets/x")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge_of(server)


def test_the_login_host_is_the_one_of_the_environment(server):
    assert server.login == f"https://login.localhost:{server.port}"


def test_the_refusal_says_that_the_token_is_missing(anonymous):
    assert anonymous.get("/secrets/x").json() == {"error": {"code": "Unauthorized", "message": MISSING}}


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/secrets/x", "/secrets", "/secrets/x/versions", "/deletedsecrets/x", "/secrets/restore", "/nothing", "/", "/secrets/bad_name"]
)
def test_whatever_the_method_and_path(server, anonymous, method, path):
    answer = anonymous.call(method, path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge_of(server)


@pytest.mark.parametrize("version", [None, "", "9.9", "1.0", "7.4"])
def test_whatever_the_version(server, anonymous, version):
    answer = anonymous.get("/secrets/x", version=version)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge_of(server)


@pytest.mark.parametrize("body", [b"", b"{", b"not json", b'{"value":5}', b"[" * 10_000, b'{"a":1,"a":1}'], ids=lambda body: str(body[:12]))
def test_whatever_the_body(server, anonymous, body):
    answer = anonymous.put("/secrets/x", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge_of(server)


def test_the_empty_probe_of_a_write_is_challenged(anonymous):
    """The first request of an SDK client: the body removed, its content type kept."""
    answer = anonymous.put("/secrets/x", data=b"", headers={"Content-Type": "application/json", "Content-Length": "0"})
    assert answer.status_code == 401


def test_whether_or_not_the_secret_exists(wire, anonymous, name):
    wire.set_secret(name)
    existing, missing = anonymous.get(f"/secrets/{name}"), anonymous.get(f"/secrets/{name}-missing")
    assert existing.status_code == missing.status_code == 401
    assert existing.json() == missing.json()


def test_whether_or_not_the_vault_exists(server):
    answer = server.wire_with(None, "nowhere").get("/secrets/x")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == challenge_of(server)


def test_every_vault_has_the_same_challenge(server):
    answer = server.wire_with(None, "other").get("/secrets/x")
    assert answer.headers["WWW-Authenticate"] == challenge_of(server)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Negotiate abc", "nonsense", "Bearer a b"])
def test_an_authorization_that_is_no_token_is_challenged(server, anonymous, authorization):
    answer = anonymous.get("/secrets/x", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith(challenge_of(server))


def test_the_probe_changes_nothing(wire, anonymous, name):
    anonymous.put(f"/secrets/{name}", json={"value": "v"})
    assert wire.get(f"/secrets/{name}").status_code == 404


def test_the_client_follows_the_challenge_with_verification_on(server, name):
    with SecretClient(os.environ["VAULT_URL"], credential_for(server), verify_challenge_resource=True) as client:
        assert client.set_secret(name, "v").value == "v"


def test_one_credential_serves_two_vaults(server, name):
    credential = credential_for(server)
    for vault in ("demo", "other"):
        with SecretClient(server.vault_url(vault), credential) as client:
            assert client.set_secret(name, vault).value == vault
