"""The authorization endpoint and authorization codes: from the page to tokens, and what is refused on the way."""

import time
import uuid

import jwt
import pytest

from harness import audit
from harness.clock import shifted
from harness.people import PASSWORD, People
from harness.sign_in import AZURE_POWERSHELL, PKCE, V1, V2, Client, Login, Page, granted, issued, oauth_refusal, redirected
from harness.tokens import claims_of, encode, public_key_of

pytest_plugins = ["harness.people_fixtures"]


@pytest.fixture
def pkce() -> PKCE:
    return PKCE.fresh()


@pytest.fixture
def client() -> Client:
    return Client()


# From the page to tokens


@pytest.mark.operation("SignInPageGet")
@pytest.mark.operation("SignIn")
def test_a_person_signs_in_and_the_client_gets_tokens(server, directory, login, person, client, pkce):
    page = login.open(client, pkce)
    assert (page.status, page.heading, page.title) == (200, "Sign in", "Sign in - Strongroom")
    assert "Microsoft Azure CLI" in page.text
    address, told = redirected(login.submit(page, **person.types()))
    assert address == client.redirect and set(told) - {"iss"} == {"code", "state"} and told["state"] == "a state"
    tokens = granted(login.ask_exchange(client, told["code"], pkce))
    assert tokens["token_type"] == "Bearer" and 3_000 < tokens["expires_in"] <= 3_600 and tokens["refresh_token"]
    claims = claims_of(tokens["access_token"])
    assert (claims["oid"], claims["appid"], claims["aud"]) == (person.id, client.id, server.vault_resource)
    assert (claims["idtyp"], claims["upn"], claims["scp"]) == ("user", person.name, "user_impersonation")
    assert server.wire_with(tokens["access_token"]).get("/secrets").status_code == 403


@pytest.mark.operation("TokenIssue")
def test_the_token_tells_how_one_signed_in(login, alice, guarded):
    assert claims_of(login.tokens(alice)["access_token"])["amr"] == ["pwd"]
    assert claims_of(login.tokens(guarded)["access_token"])["amr"] == ["pwd", "mfa"]


def test_the_id_token_tells_the_client_who_signed_in(server, login, alice, client, pkce):
    nonce = uuid.uuid4().hex
    code = login.code(alice, client, pkce, nonce=nonce)
    token = granted(login.ask_exchange(client, code, pkce))["id_token"]
    keys = {key["kid"]: key for key in login.get(f"{login.tenant_url}/discovery/v2.0/keys").json()["keys"]}
    key = public_key_of(keys[jwt.get_unverified_header(token)["kid"]])
    issuer = login.get(f"{login.tenant_url}/v2.0/.well-known/openid-configuration").json()["issuer"]
    claims = jwt.decode(token, key, ["RS256"], audience=client.id, issuer=issuer)
    assert (claims["nonce"], claims["oid"], claims["tid"], claims["preferred_username"]) == (nonce, alice.id, server.tenant, alice.name)
    assert claims["name"] == "Alice of the tests" and claims["sub"]
    assert abs(claims["auth_time"] - time.time()) < 60 and claims["exp"] > claims["iat"]


def test_an_id_token_opens_nothing(server, login, alice):
    assert server.wire_with(login.tokens(alice)["id_token"]).get("/secrets").status_code == 401


def test_the_issuer_of_version_1_is_the_one_that_its_configuration_names(server, login, alice, client, pkce):
    """OpenID Connect Discovery 1.0 §4.3."""
    code = login.code(alice, client, pkce, V1, resource=server.vault_resource, scope=None)
    answer = granted(login.ask_exchange(client, code, pkce, V1, resource=server.vault_resource, scope=None))
    issuer = login.get(f"{login.tenant_url}/.well-known/openid-configuration").json()["issuer"]
    assert claims_of(answer["id_token"])["iss"] == issuer


def test_version_1_names_a_resource(server, login, alice, client, pkce):
    code = login.code(alice, client, pkce, V1, resource=server.vault_resource, scope=None)
    answer = granted(login.ask_exchange(client, code, pkce, V1, resource=server.vault_resource, scope=None))
    assert answer["resource"] == server.vault_resource == claims_of(answer["access_token"])["aud"]
    assert isinstance(answer["expires_in"], str) and int(answer["expires_on"]) > time.time()
    assert answer["refresh_token"] and answer["id_token"]


def test_client_info_names_the_account_when_it_is_asked_for(server, login, alice):
    assert "client_info" not in login.tokens(alice)
    told = login.tokens(alice, client_info="1")["client_info"]
    assert told == encode(f'{{"uid":"{alice.id}","utid":"{server.tenant}"}}'.encode())


@pytest.mark.parametrize("tenant", ["common", "organizations", "{tenant}"])
def test_the_tenant_may_be_named_in_general(server, login, alice, client, pkce, tenant):
    tenant = tenant.format(tenant=server.tenant.upper())
    page = Page(login.get(f"{server.login}/{tenant}{V2}/authorize", **login.parameters(client, pkce)))
    code = redirected(login.submit(page, **alice.types()))[1]["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect, "code_verifier": pkce.verifier}
    answer = login.post(f"{server.login}/{tenant}{V2}/token", {**client.proof, **form})
    assert claims_of(granted(answer)["access_token"])["oid"] == alice.id


def test_a_form_may_carry_the_answer(login, alice, client, pkce):
    page = Page(login.submit(login.open(client, pkce, response_mode="form_post"), **alice.types()))
    assert (page.status, page.form.action, page.form.method) == (200, client.redirect, "post")
    assert set(page.form.hidden) - {"iss"} == {"code", "state"} and page.form.hidden["state"] == "a state"
    assert f"form-action 'self' {client.redirect}" in page.answer.headers["Content-Security-Policy"]
    assert granted(login.ask_exchange(client, page.form.hidden["code"], pkce))["access_token"]


def test_a_code_stands_nowhere_but_in_the_answer(login, alice, client, pkce):
    answer = login.submit(login.open(client, pkce), **alice.types())
    assert answer.headers["Referrer-Policy"] == "no-referrer" and "no-store" in answer.headers["Cache-Control"]
    assert answer.text == ""


# State


VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F))
STATES = {
    "all visible": VISIBLE, "json": '{"a":[1,"b&c=d"]}', "percent": "%41%2B%", "plus and space": "a+b c", "unicode": "Zoë 日本 🔑",
    "markup": '"><script>alert(1)</script>', "long": "x" * 2_000,
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_the_state_comes_back_as_it_was(login, alice, client, pkce, state, mode):
    page = login.open(client, pkce, state=state, response_mode=mode)
    answer = login.submit(page, "cancel")
    told = redirected(answer)[1] if mode == "query" else Page(answer).form.hidden
    assert told["state"] == state


@pytest.mark.parametrize("state", ["a\u200db", "a\u202eb", "a\u00adb", "a\tb", "a\x00b"], ids=ascii)
def test_a_state_that_a_form_would_change_is_refused_or_kept(login, client, pkce, state):
    """Another one than was sent looks like an attack to the client (RFC 6749 §10.12)."""
    answer = login.ask_authorize(login.parameters(client, pkce, state=state))
    if answer.status_code == 200:
        answer = login.submit(Page(answer), "cancel")
    assert answer.status_code == 400 or redirected(answer)[1]["state"] == state


def test_without_state_none_comes_back(login, alice, client, pkce):
    told = redirected(login.submit(login.open(client, pkce, state=None), **alice.types()))[1]
    assert set(told) - {"iss"} == {"code"}


def test_the_same_page_serves_twice(login, alice, client, pkce):
    """Somebody goes back in the browser and signs in again."""
    page = login.open(client, pkce)
    first, second = (redirected(login.submit(page, **alice.types()))[1]["code"] for _ in range(2))
    assert first != second
    assert all(granted(login.ask_exchange(client, code, pkce))["access_token"] for code in (first, second))


# What is told to the client


def test_who_cancels_is_sent_back_with_access_denied(login, client, pkce):
    address, told = redirected(login.submit(login.open(client, pkce), "cancel"))
    assert address == client.redirect
    assert (told["error"], told["state"]) == ("access_denied", "a state") and told["error_description"] and "code" not in told


def test_a_silent_sign_in_needs_somebody_to_be_signed_in(login, client, pkce):
    answer = login.ask_authorize(login.parameters(client, pkce, prompt="none"))
    assert redirected(answer)[1]["error"] == "login_required"


@pytest.mark.parametrize("prompt", ["login", "select_account", "consent"])
def test_other_prompts_show_the_page(login, client, pkce, prompt):
    assert login.open(client, pkce, prompt=prompt).heading == "Sign in"


TOLD = {
    "no challenge": ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
    "plain": ({"code_challenge_method": "plain"}, "invalid_request"),
    "no method, which means plain": ({"code_challenge_method": None}, "invalid_request"),
    "another method": ({"code_challenge_method": "s256"}, "invalid_request"),
    "short challenge": ({"code_challenge": "A" * 42}, "invalid_request"),
    "long challenge": ({"code_challenge": "A" * 44}, "invalid_request"),
    "challenge of no base64url": ({"code_challenge": "A" * 42 + "+"}, "invalid_request"),
    "empty challenge": ({"code_challenge": ""}, "invalid_request"),
    "token": ({"response_type": "token"}, "unsupported_response_type"),
    "id_token": ({"response_type": "id_token"}, "unsupported_response_type"),
    "code and more": ({"response_type": "code id_token"}, "unsupported_response_type"),
    "fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "two resources": ({"scope": "https://vault.azure.net/.default https://management.azure.com/.default"}, "invalid_scope"),
    "long scope": ({"scope": "x" * 1_025}, "invalid_scope"),
    "long state": ({"state": "x" * 2_049}, "invalid_request"),
    "long nonce": ({"nonce": "x" * 257}, "invalid_request"),
    "claims that are no JSON": ({"claims": "{"}, "invalid_request"),
    "claims that are a list": ({"claims": "[]"}, "invalid_request"),
}


@pytest.mark.parametrize(("changes", "error"), TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("mode", [None, "form_post"])
def test_a_flaw_is_told_to_the_client(login, client, pkce, changes, error, mode):
    answer = login.ask_authorize(login.parameters(client, pkce, **{"response_mode": mode, **changes}))
    if mode == "form_post" and "response_mode" not in changes:
        page = Page(answer)
        assert page.form.action == client.redirect
        told = page.form.hidden
    else:
        address, told = redirected(answer)
        assert address == client.redirect
    assert told["error"] == error and told["error_description"] and "code" not in told
    assert told["state"] == changes.get("state", "a state")


def test_a_flaw_without_response_type_is_an_invalid_request(login, client, pkce):
    """RFC 6749 §4.1.2.1."""
    answer = login.ask_authorize(login.parameters(client, pkce, response_type=None))
    assert redirected(answer)[1]["error"] in ("invalid_request", "unsupported_response_type")


# Codes


def test_a_code_serves_once_and_its_reuse_takes_the_session_back(login, alice, client, pkce):
    """RFC 6749 §4.1.2."""
    code = login.code(alice, client, pkce)
    tokens = granted(login.ask_exchange(client, code, pkce))
    assert login.refresh(tokens["refresh_token"])["access_token"]
    assert oauth_refusal(login.ask_exchange(client, code, pkce)) == (400, "invalid_grant")
    assert oauth_refusal(login.ask_refresh(client, tokens["refresh_token"])) == (400, "invalid_grant")


def test_the_log_tells_the_reuse_of_a_code_from_its_use(cli, login, alice, client, pkce):
    code = login.code(alice, client, pkce)
    begun = audit.now()
    assert [login.ask_exchange(client, code, pkce).status_code for _ in range(2)] == [200, 400]
    assert issued(audit.records(cli, since=begun), client) == [200, 400]


def test_the_log_names_the_client_that_one_signs_in_to(cli, login, alice, client, pkce):
    begun = audit.now()
    login.code(alice, client, pkce)
    [record] = [each for each in audit.records(cli, since=begun) if each["operationName"] == "SignIn"]
    assert (record["identity"]["claim"]["oid"], record["identity"]["claim"]["appid"]) == (alice.id, client.id)


@pytest.mark.parametrize("verifier", ["wrong", "short", "missing", "empty", "challenge"])
def test_a_code_needs_its_verifier(login, alice, client, pkce, verifier):
    code = login.code(alice, client, pkce)
    given = {"wrong": PKCE.fresh().verifier, "short": "x", "missing": None, "empty": "", "challenge": pkce.challenge}[verifier]
    assert oauth_refusal(login.ask_exchange(client, code, pkce, code_verifier=given)) == (400, "invalid_grant")


@pytest.mark.parametrize("redirect", [None, "", "http://localhost:8401", "http://localhost:8400/", "http://LOCALHOST:8400"])
def test_a_code_needs_the_redirect_that_it_was_sent_to(login, alice, client, pkce, redirect):
    code = login.code(alice, client, pkce)
    assert oauth_refusal(login.ask_exchange(client, code, pkce, redirect_uri=redirect)) == (400, "invalid_grant")


def test_a_code_is_for_the_client_that_asked(login, alice, client, pkce):
    code = login.code(alice, client, pkce)
    assert oauth_refusal(login.ask_exchange(Client(AZURE_POWERSHELL), code, pkce)) == (400, "invalid_grant")


@pytest.mark.parametrize("code", ["", "x", "A" * 54, "A" * 53, "A" * 55, "é", "x" * 20_000, None])
def test_a_code_that_was_not_given_out_is_refused(login, client, pkce, code):
    answer = login.ask_exchange(client, code, pkce)
    assert oauth_refusal(answer) in ((400, "invalid_grant"), (400, "invalid_request"))


def test_a_code_is_no_other_kind_of_token(login, alice, client, pkce):
    code = login.code(alice, client, pkce)
    assert oauth_refusal(login.ask_refresh(client, code)) == (400, "invalid_grant")
    assert oauth_refusal(login.ask_poll({"device_code": code}, client)) == (400, "invalid_grant")


def test_a_code_ends_after_five_minutes_and_outlasts_a_restart(lasting_server, client, pkce):
    login = Login(lasting_server, verify=False)
    person = People(lasting_server).create()
    first, second = (login.code(person, client, pkce) for _ in range(2))
    lasting_server.restart(**shifted(200))
    assert granted(login.ask_exchange(client, first, pkce))["access_token"]
    lasting_server.restart(**shifted(301))
    assert oauth_refusal(login.ask_exchange(client, second, pkce)) == (400, "invalid_grant")
    lasting_server.restart()


@pytest.mark.parametrize("change", ["disable", "revokeSessions", "resetPassword", "resetAuthenticator", "delete"])
def test_a_code_falls_with_its_person(people, login, person, client, pkce, change):
    code = login.code(person, client, pkce)
    people.delete(person) if change == "delete" else people.act(person, change)
    assert oauth_refusal(login.ask_exchange(client, code, pkce)) == (400, "invalid_grant")


# Scopes


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_double_slash_keeps_the_slash_of_the_resource(login, alice, client, pkce, slash):
    scope = f"https://vault.azure.net{slash}/.default"
    code = login.code(alice, client, pkce, scope=f"{scope} offline_access")
    tokens = granted(login.ask_exchange(client, code, pkce, scope=scope))
    assert claims_of(tokens["access_token"])["aud"] == f"https://vault.azure.net{slash}"
    assert scope in tokens["scope"].split()
    again = login.refresh(tokens["refresh_token"], scope=scope)
    assert claims_of(again["access_token"])["aud"] == f"https://vault.azure.net{slash}"


def test_only_what_was_asked_for_is_given(server, login, alice, client, pkce):
    """OpenID Connect Core 1.0 §3.1.2.1 and §11: an id_token is for `openid`, a refresh token for `offline_access`."""
    scope = f"{server.vault_resource}/.default"
    code = login.code(alice, client, pkce, scope=scope)
    plain = granted(login.ask_exchange(client, code, pkce, scope=scope))
    assert "refresh_token" not in plain and "id_token" not in plain
    code = login.code(alice, client, pkce, scope=f"{scope} offline_access")
    assert "id_token" not in granted(login.ask_exchange(client, code, pkce, scope=f"{scope} offline_access"))


def test_a_token_request_without_scope_gives_what_the_sign_in_asked_for(server, login, alice, client, pkce):
    """RFC 6749 §4.1.3: the token request has no scope of its own."""
    code = login.code(alice, client, pkce, scope=f"{server.vault_resource}/.default")
    tokens = granted(login.ask_exchange(client, code, pkce, scope=None))
    assert claims_of(tokens["access_token"])["aud"] == server.vault_resource
    assert "refresh_token" not in tokens and "id_token" not in tokens


@pytest.mark.parametrize("scope", ["https://elsewhere.example/.default", "https://vault.azure.net.evil/.default"])
def test_an_unknown_resource_is_refused(login, alice, client, pkce, scope):
    code = login.code(alice, client, pkce)
    assert oauth_refusal(login.ask_exchange(client, code, pkce, scope=scope))[1] in ("invalid_resource", "invalid_scope", "invalid_target")
    assert granted(login.ask_exchange(client, code, pkce))["access_token"], "a mistaken scope must not cost the code"


def test_one_password_is_not_told_twice(login, alice, client, pkce):
    """Nothing that was typed comes back in the page but the name."""
    page = login.submit(login.open(client, pkce), username=alice.name, password=f"{PASSWORD}!", otc="123456")
    assert page.status_code == 403 and PASSWORD not in page.text and "123456" not in page.text and alice.name in page.text
