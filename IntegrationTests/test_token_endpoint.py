"""The token endpoint: who gets a token, for what, and what the token says."""

import os
import ssl
import time
import uuid

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, EnvironmentCredential
from azure.keyvault.secrets import SecretClient

from harness.tokens import claims_of, header_of

V1, V2 = "/oauth2/token", "/oauth2/v2.0/token"


@pytest.fixture
def form(server) -> dict:
    return {
        "grant_type": "client_credentials",
        "client_id": server.owner.app_id,
        "client_secret": server.owner.password,
        "scope": f"{server.vault_resource}/.default",
    }


def works(server, token: str) -> bool:
    return server.wire_with(token).get("/secrets").status_code == 200


# Answers


@pytest.mark.operation("TokenIssue")
def test_the_v2_endpoint_answers_with_a_bearer_token(server, form):
    answer = server.request_token(form).json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] > 300 and answer["ext_expires_in"] > 300
    assert works(server, answer["access_token"])


def test_the_v1_endpoint_answers_for_a_resource(server, form):
    del form["scope"]
    answer = server.request_token({**form, "resource": server.vault_resource}, V1).json()
    assert answer["token_type"] == "Bearer"
    assert answer["resource"] == server.vault_resource
    assert int(answer["expires_on"]) > time.time() + 300
    assert works(server, answer["access_token"])


def test_a_client_may_authenticate_in_the_header(server, form):
    """client_secret_basic, RFC 6749 §2.3.1."""
    url = f"{server.login}/{server.tenant}{V2}"
    rest = {"grant_type": form["grant_type"], "scope": form["scope"]}
    answer = requests.post(url, data=rest, auth=(form["client_id"], form["client_secret"]), verify=server.bundle, timeout=30)
    assert works(server, answer.json()["access_token"])
    refused = requests.post(url, data=rest, auth=(form["client_id"], "wrong"), verify=server.bundle, timeout=30)
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")


def test_a_token_answer_must_not_be_stored(server, form):
    assert "no-store" in server.request_token(form).headers["Cache-Control"]


def test_the_token_verifies_with_the_published_keys(server, form):
    token = server.request_token(form).json()["access_token"]
    keys = jwt.PyJWKClient(f"{server.login}/{server.tenant}/discovery/v2.0/keys", ssl_context=trusting(server))
    claims = jwt.decode(token, keys.get_signing_key_from_jwt(token).key, ["RS256"], audience=server.vault_resource)
    assert claims["tid"] == server.tenant


def trusting(server):
    return ssl.create_default_context(cafile=server.bundle)


def test_the_token_says_who_for_whom_and_how_long(server, form):
    token = server.request_token(form).json()["access_token"]
    header, claims = header_of(token), claims_of(token)
    assert (header["alg"], header["typ"]) == ("RS256", "JWT") and header["kid"]
    assert claims["aud"] == server.vault_resource
    assert claims["tid"] == server.tenant and server.tenant in claims["iss"]
    assert server.owner.app_id in (claims.get("appid"), claims.get("azp"))
    assert str(uuid.UUID(claims["oid"])) == claims["oid"]
    assert claims["idtyp"] == "app"
    assert claims["nbf"] <= claims["iat"] <= time.time() + 1 < claims["exp"]


def test_the_token_carries_no_secret(server, form):
    assert server.owner.password not in str(claims_of(server.request_token(form).json()["access_token"]))


@pytest.mark.parametrize("audience", ["https://vault.azure.net"])
def test_a_token_for_azures_own_audience_works(server, form, audience):
    token = server.request_token({**form, "scope": f"{audience}/.default"}).json()["access_token"]
    assert claims_of(token)["aud"] == audience
    assert works(server, token)


def test_a_scope_with_a_double_slash_gives_the_audience_with_its_slash(server, form):
    token = server.request_token({**form, "scope": "https://vault.azure.net//.default"}).json()["access_token"]
    assert claims_of(token)["aud"] == "https://vault.azure.net/"


def test_a_request_for_claims_is_understood(server, form):
    """What a client that can evaluate access continuously adds to its request."""
    answer = server.request_token({**form, "client_info": "1", "claims": '{"access_token": {"xms_cc": {"values": ["CP1"]}}}'})
    assert works(server, answer.json()["access_token"])


def test_the_client_id_is_matched_in_any_case(server, form):
    assert server.request_token({**form, "client_id": form["client_id"].upper()}).status_code == 200


# Clients


def test_the_client_secret_credential_gets_a_token(server):
    credential = ClientSecretCredential(
        os.environ["AZURE_TENANT_ID"],
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        authority=os.environ["AZURE_AUTHORITY_HOST"],
        disable_instance_discovery=True,
    )
    assert works(server, credential.get_token(f"{server.vault_resource}/.default").token)


def test_the_environment_credential_gets_a_token(server):
    credential = EnvironmentCredential(disable_instance_discovery=True)
    assert works(server, credential.get_token(f"{server.vault_resource}/.default").token)


async def test_the_asynchronous_credential_gets_a_token(server):
    from azure.identity.aio import EnvironmentCredential as AsyncEnvironmentCredential

    async with AsyncEnvironmentCredential() as credential:
        assert works(server, (await credential.get_token(f"{server.vault_resource}/.default")).token)


def test_a_client_with_a_wrong_secret_is_told_so(server, cli, name):
    made = cli.create_application(name)
    credential = ClientSecretCredential(
        made.tenant, made.app_id, "wrong-secret", authority=os.environ["AZURE_AUTHORITY_HOST"], disable_instance_discovery=True
    )
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        SecretClient(server.vault_url(), credential).get_secret("x")


# Refusals


def refusal(answer) -> tuple[int, str]:
    assert answer.json()["error_description"]
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("path", [V1, V2])
def test_a_wrong_secret_is_refused(server, cli, form, name, path):
    made = cli.create_application(name)
    answer = server.request_token({**form, "client_id": made.app_id, "client_secret": "wrong", "resource": server.vault_resource}, path)
    assert refusal(answer) == (401, "invalid_client")
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("secret", ["", "x" * 10_000, "\x00", "ü"], ids=["empty", "long", "nul", "unicode"])
def test_a_strange_secret_is_refused(server, cli, form, name, secret):
    made = cli.create_application(name)
    answer = server.request_token({**form, "client_id": made.app_id, "client_secret": secret})
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("invalid_client", "invalid_request")


def test_an_unknown_client_is_refused_as_a_wrong_secret_is(server, form):
    answer = server.request_token({**form, "client_id": str(uuid.uuid4()), "client_secret": "wrong"})
    assert refusal(answer) == (401, "invalid_client")


def test_one_applications_secret_does_not_open_another(server, cli, form, name):
    one, two = cli.create_application(f"{name}-1"), cli.create_application(f"{name}-2")
    answer = server.request_token({**form, "client_id": one.app_id, "client_secret": two.password})
    assert refusal(answer) == (401, "invalid_client")


@pytest.mark.parametrize("member", ["grant_type", "client_id", "scope"])
def test_a_missing_member_is_refused(server, form, member):
    del form[member]
    answer = server.request_token(form)
    assert answer.status_code in (400, 401)
    assert refusal(answer)[1] in ("invalid_request", "invalid_client", "invalid_scope", "invalid_resource", "unsupported_grant_type")


def test_a_missing_secret_is_refused(server, form):
    del form["client_secret"]
    assert refusal(server.request_token(form))[1] in ("invalid_client", "invalid_request")


@pytest.mark.parametrize("grant", ["password", "implicit", "nonsense"])
def test_an_unknown_grant_is_refused(server, form, grant):
    assert refusal(server.request_token({**form, "grant_type": grant})) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("scope", ["https://elsewhere.example/.default", "openid", "", ".default", "https://vault.azure.net.evil/.default"])
def test_an_unknown_scope_is_refused(server, form, scope):
    status, error = refusal(server.request_token({**form, "scope": scope}))
    assert status == 400
    assert error in ("invalid_scope", "invalid_resource", "invalid_target", "invalid_request")


def test_a_member_given_twice_is_refused(server, form):
    twice = [*form.items(), ("client_id", str(uuid.uuid4()))]
    assert refusal(server.request_token(twice)) == (400, "invalid_request")


@pytest.mark.parametrize("tenant", ["ee268235-1c50-4c2d-8fe2-517852011353", "not-a-tenant"])
def test_another_tenant_gives_no_token(server, form, tenant):
    answer = requests.post(f"{server.login}/{tenant}{V2}", data=form, verify=server.bundle, timeout=30)
    assert answer.status_code in (400, 404)
    assert "access_token" not in answer.text


def test_a_secret_in_the_address_is_not_taken(server, form):
    answer = requests.post(f"{server.login}/{server.tenant}{V2}", params=form, verify=server.bundle, timeout=30)
    assert answer.status_code in (400, 401)


def test_a_refusal_does_not_repeat_the_secret(server, cli, form, name):
    made = cli.create_application(name)
    answer = server.request_token({**form, "client_id": made.app_id, "client_secret": "not-to-be-repeated"})
    assert "not-to-be-repeated" not in answer.text
