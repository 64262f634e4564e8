"""Clients that people sign in through: where codes may be sent, and who may exchange them."""

import base64
import uuid

import pytest

from harness.assertions import TYPE, assertion, claims_for, identity
from harness.directory import done
from harness.management_wire import assert_refused
from harness.sign_in import AZURE_CLI, AZURE_POWERSHELL, PKCE, Client, Page, granted, oauth_refusal, redirected
from harness.tokens import claims_of

pytest_plugins = ["harness.people_fixtures"]

WEB = "https://client.example/signed-in"


@pytest.fixture
def pkce() -> PKCE:
    return PKCE.fresh()


def make(people, **members) -> dict:
    body = {"displayName": f"client {uuid.uuid4().hex[:6]}", **members}
    return done(people.management.post("/strongroom/applications", version=None, json=body), 201)


@pytest.fixture
def public(people) -> Client:
    return Client(make(people, isPublicClient=True, redirectUris=[WEB, "http://localhost/cb"])["appId"], WEB)


@pytest.fixture
def confidential(people) -> Client:
    made = make(people, redirectUris=[WEB])
    return Client(made["appId"], WEB, made["password"])


def is_refused_by_a_page(login, client: Client, redirect: str | None) -> bool:
    """Nothing is sent anywhere, and nobody is asked for a password."""
    answer = login.ask_authorize(login.parameters(client, PKCE.fresh(), redirect_uri=redirect))
    if "Location" in answer.headers or answer.status_code == 200:
        return False
    page = Page(answer)
    return page.status == 400 and page.forms == [] and not [tag for tag, _ in page.tags if tag == "a"]


# Where codes may be sent


@pytest.mark.parametrize("client", [AZURE_CLI, AZURE_POWERSHELL])
@pytest.mark.parametrize("redirect", [
    "http://localhost", "http://localhost:1", "http://localhost:8400/", "http://localhost:65535/any/path", "http://127.0.0.1:8400",
    "http://[::1]:8400/",
])
def test_programs_listen_on_any_port_of_loopback(login, client, redirect):
    assert login.open(Client(client, redirect), PKCE.fresh()).heading == "Sign in"


CRAFTED = [
    None, "", "https://evil.example", "https://localhost", "http://localhost.evil.example", "http://localhost@evil.example",
    "http://localhost:8400@evil.example", "http://localhost:8400@evil.example/", "http://user@localhost:8400", "http://localhost:8400\\@evil.example",
    "http://evil.example#http://localhost", "http://localhost:8400#fragment", "http://localhost:8400/#", "http://localhost:8400/\r\nX: y",
    "http://localhost:8400/\nSet-Cookie: a=b", "http://localhost:8400/ x", "http://localhost:8400\t", "http://localhost:65536", "http://localhost:",
    "http://localhost:99999999999999999999", "http://localhost:-1", "http://localhost:8400x", "http://localhost:８４００", "http://local\u0131host",
    "HTTP://LOCALHOST:8400", "//localhost:8400", "localhost:8400", "javascript:alert(1)", "data:text/html,x", "http:localhost", "http:///localhost",
    "http://127.0.0.1.evil.example", "http://127.0.0.2:8400", "http://2130706433", "http://[::1].evil.example", "http://[::2]:8400", "ftp://localhost",
    "https://login.microsoftonline.com/common/oauth2/nativeclient", "urn:ietf:wg:oauth:2.0:oob", "http://localhost:8400/*", "x" * 600,
    "http://localhost:8400/" + "x" * 600, "http://localhost\x00.evil.example", " http://localhost", "http://localhost.", "http://localhost%2eevil.example",
]


@pytest.mark.parametrize("redirect", CRAFTED, ids=lambda text: ascii(text)[:60])
def test_no_code_is_sent_anywhere_else(login, redirect):
    assert is_refused_by_a_page(login, Client(), redirect)


BESIDE = [
    "https://client.example/", "https://client.example/signed-in/", "https://client.example/signed-in?x=1", "https://client.example/SIGNED-IN",
    "https://CLIENT.example/signed-in", "https://client.example:443/signed-in", "http://client.example/signed-in", "https://client.example/signed-in#x",
    "https://client.example/signed-in/../other", "https://client.example/signed-in%2f", "https://evil.example/?https://client.example/signed-in",
    "https://client.example@evil.example/signed-in", "https://client.example.evil.example/signed-in", "https://client.examplе/signed-in",
    "http://localhost/other", "http://localhost:1/cb/more", "http://127.0.0.1/cb", "http://localhost/cb?x", "http://localhost",
]


@pytest.mark.parametrize("redirect", BESIDE)
def test_what_is_registered_is_compared_exactly(login, public, redirect):
    """RFC 9700 §2.1."""
    assert is_refused_by_a_page(login, public, redirect)


@pytest.mark.parametrize("redirect", [WEB, "http://localhost/cb", "http://localhost:1234/cb"])
def test_what_is_registered_is_allowed(login, public, redirect):
    assert redirected(login.submit(login.open(Client(public.id, redirect), PKCE.fresh()), "cancel"))[0] == redirect


def test_an_address_with_a_query_keeps_it(people, login, alice, pkce):
    client = Client(make(people, isPublicClient=True, redirectUris=["https://client.example/cb?tenant=a%20b"])["appId"])
    client.redirect = "https://client.example/cb?tenant=a%20b"
    answer = login.sign_in(alice, client, pkce)
    assert answer.headers["Location"].startswith(f"{client.redirect}&code=")
    assert redirected(answer)[1]["tenant"] == "a b"


@pytest.mark.parametrize("address", [
    "http://client.example/cb", "https://", "https:///path", "https://user@client.example/", "https://client.example/#", "https://*.example.com/",
    "https://client.example/*", "javascript:alert(1)", "client.example", "https://client.example/ x", "https://client.exämple/", "x" * 600,
    "custom://client", "https://client.example;script-src/cb", "https://client.example,x/cb", "https://client.example\"/cb", "https://:443/cb",
    "https://client.example:port/cb", "https://client.example:99999/cb", "https://client.example\\.evil.example/cb",
])
def test_an_address_that_could_mislead_is_not_registered(people, address):
    answer = people.management.post("/strongroom/applications", version=None, json={"displayName": "x", "redirectUris": [address]})
    assert_refused(answer, 400, "BadParameter")


@pytest.mark.parametrize("body", [
    {"redirectUris": WEB}, {"redirectUris": [1]}, {"isPublicClient": "yes"}, {"redirectUris": [f"https://c.example/{number}" for number in range(21)]},
    {"redirectUris": [WEB], "kind": "managedIdentity"}, {"isPublicClient": True, "kind": "managedIdentity"},
])
def test_a_client_that_cannot_be_is_not_made(people, body):
    answer = people.management.post("/strongroom/applications", version=None, json={"displayName": "x", **body})
    assert_refused(answer, 400, "BadParameter")


def test_a_client_is_made_by_the_command(cli, login):
    made = cli.json("app", "create", "a client", "--public", "--redirect-uri", WEB, "--redirect-uri", "http://localhost", "--output", "json")
    assert "password" not in made
    assert login.open(Client(made["appId"], WEB), PKCE.fresh()).heading == "Sign in"
    refused = cli.run("app", "create", "a client", "--redirect-uri", "http://client.example", exit_code=None)
    assert refused.returncode != 0 and "http://client.example" in refused.stderr


@pytest.mark.parametrize("kind", ["unknown", "no guid", "empty", "missing", "no sign-in", "managed identity", "disabled"])
def test_an_unknown_client_is_told_on_a_page(people, cli, login, public, stranger, kind):
    wanted = {
        "unknown": str(uuid.uuid4()), "no guid": "<b>", "empty": "", "missing": None, "no sign-in": stranger.app_id, "disabled": public.id,
        "managed identity": None if kind != "managed identity" else make(people, kind="managedIdentity")["appId"],
    }[kind]
    if kind == "disabled":
        cli.run("app", "disable", public.id)
    answer = login.ask_authorize(login.parameters(public, PKCE.fresh(), client_id=wanted))
    assert Page(answer).status == 400 and "Location" not in answer.headers and Page(answer).forms == []


# Who may exchange


def test_a_confidential_client_proves_itself(server, login, alice, confidential, pkce):
    code = login.code(alice, confidential, pkce)
    for secret, error in ((None, "invalid_client"), ("wrong", "invalid_client")):
        answer = login.ask_exchange(Client(confidential.id, WEB, secret), code, pkce)
        assert oauth_refusal(answer) == (401, error) and "WWW-Authenticate" in answer.headers
    tokens = granted(login.ask_exchange(confidential, code, pkce))
    assert claims_of(tokens["access_token"])["appid"] == confidential.id
    assert oauth_refusal(login.ask_refresh(Client(confidential.id, WEB), tokens["refresh_token"])) == (401, "invalid_client")
    assert granted(login.ask_refresh(confidential, tokens["refresh_token"]))["refresh_token"]


def test_a_token_tells_whether_its_client_proved_itself(login, alice, confidential, pkce):
    """`appidacr`: 0 for a public client, 1 for one with a secret."""
    proven = granted(login.ask_exchange(confidential, login.code(alice, confidential, pkce), pkce))
    assert claims_of(proven["access_token"])["appidacr"] == "1"
    assert claims_of(login.tokens(alice)["access_token"])["appidacr"] == "0"


def test_a_confidential_client_proves_itself_in_the_header(login, alice, confidential, pkce):
    code = login.code(alice, confidential, pkce)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": WEB, "code_verifier": pkce.verifier}
    basic = base64.b64encode(f"{confidential.id}:{confidential.secret}".encode()).decode()
    answer = login.post(f"{login.tenant_url}/oauth2/v2.0/token", form, Authorization=f"Basic {basic}")
    assert granted(answer)["access_token"]


def test_a_confidential_client_proves_itself_by_a_certificate(server, cli, login, alice, confidential, pkce, tmp_path):
    """`private_key_jwt` is offered in the configuration for every grant."""
    who = identity()
    (tmp_path / "client.pem").write_bytes(who.pem)
    cli.run("app", "add-certificate", confidential.id, "--certificate", str(tmp_path / "client.pem"))
    code = login.code(alice, confidential, pkce)

    def proof() -> dict:
        claims = claims_for(confidential.id, f"{login.tenant_url}/oauth2/v2.0/token")
        return {"client_assertion": assertion(who, claims), "client_assertion_type": TYPE, "client_secret": None}

    tokens = granted(login.ask_exchange(confidential, code, pkce, **proof()))
    assert granted(login.ask_refresh(confidential, tokens["refresh_token"], **proof()))["access_token"]


def test_a_confidential_client_may_do_without_a_challenge(login, alice, confidential):
    code = login.code(alice, confidential, None)
    assert oauth_refusal(login.ask_exchange(confidential, code, PKCE.fresh())) == (400, "invalid_grant")
    assert granted(login.ask_exchange(confidential, code, None))["access_token"]


@pytest.mark.parametrize("proof", [{"client_secret": "x"}, {"client_assertion": "a.b.c", "client_assertion_type": TYPE}])
def test_a_public_client_must_not_prove_itself(login, alice, public, pkce, proof):
    code = login.code(alice, public, pkce)
    assert oauth_refusal(login.ask_exchange(public, code, pkce, **proof)) == (401, "invalid_client")
    assert granted(login.ask_exchange(public, code, pkce))["access_token"]


def test_a_public_client_gets_no_token_of_its_own(login, public):
    answer = login.ask_token(grant_type="client_credentials", client_id=public.id, client_secret="", scope=login.vault_scope)
    assert oauth_refusal(answer) in ((401, "invalid_client"), (400, "unauthorized_client"))


def test_a_client_that_is_disabled_takes_its_sessions_along(server, cli, login, alice, public, pkce):
    tokens = granted(login.ask_exchange(public, login.code(alice, public, pkce), pkce))
    theirs = server.wire_with(tokens["access_token"])
    assert theirs.get("/secrets").status_code == 403
    cli.run("app", "disable", public.id)
    assert theirs.get("/secrets").status_code == 401
    assert login.ask_refresh(public, tokens["refresh_token"]).status_code in (400, 401)


@pytest.mark.parametrize("client", ["", "nobody", "3f0c0f5e-6b64-4a35-9c1e-7d1f5c1e9a11"])
@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token", "device_code"])
def test_an_unknown_client_gets_nothing(login, client, grant):
    answer = login.ask_token(grant_type=grant, client_id=client, code="x", refresh_token="x", device_code="x", redirect_uri="http://localhost")
    assert oauth_refusal(answer) in ((400, "unauthorized_client"), (401, "invalid_client"), (400, "invalid_request"), (400, "invalid_client"))


# What is told of it


def test_the_configuration_tells_what_is_offered(login):
    told = login.get(f"{login.tenant_url}/v2.0/.well-known/openid-configuration").json()
    assert told["authorization_endpoint"] == f"{login.tenant_url}/oauth2/v2.0/authorize"
    assert told["device_authorization_endpoint"] == f"{login.tenant_url}/oauth2/v2.0/devicecode"
    assert told["code_challenge_methods_supported"] == ["S256"] and told["response_types_supported"] == ["code"]
    assert {"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"} <= set(told["grant_types_supported"])


def test_the_answer_names_its_issuer_where_that_is_told(login, alice):
    """RFC 9207 §3."""
    told = login.get(f"{login.tenant_url}/v2.0/.well-known/openid-configuration").json()
    answer = redirected(login.submit(login.open(Client(), PKCE.fresh()), "cancel"))[1]
    assert told.get("authorization_response_iss_parameter_supported", False) == ("iss" in answer)
    assert answer.get("iss", told["issuer"]) == told["issuer"]


def test_public_clients_stand_in_the_configuration(login):
    """RFC 8414 §2: `none` is how a public client authenticates."""
    told = login.get(f"{login.tenant_url}/v2.0/.well-known/openid-configuration").json()
    assert "none" in told["token_endpoint_auth_methods_supported"]


def test_the_subject_is_of_the_kind_that_is_told(login, alice, public, pkce):
    """OpenID Connect Core 1.0 §8: pairwise subjects differ from client to client, public ones do not."""
    told = login.get(f"{login.tenant_url}/v2.0/.well-known/openid-configuration").json()["subject_types_supported"]
    one = claims_of(login.tokens(alice)["id_token"])["sub"]
    two = claims_of(granted(login.ask_exchange(public, login.code(alice, public, pkce), pkce))["id_token"])["sub"]
    assert told == (["public"] if one == two else ["pairwise"])
