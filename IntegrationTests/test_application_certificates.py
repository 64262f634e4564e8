"""An application proves who it is by the key of a certificate: with the Azure clients, and against forged assertions."""

import hashlib
import json
import time

import pytest
from azure.identity import CertificateCredential
from azure.identity.aio import CertificateCredential as AsyncCertificateCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import audit
from harness.application import Application
from harness.assertions import TYPE, Identity, assertion, claims_for, elliptic, encode, identity


@pytest.fixture(scope="module")
def who() -> Identity:
    return identity()


@pytest.fixture(scope="module")
def application(server, who, tmp_path_factory) -> Application:
    """May read and set secrets of `demo`; knows one certificate."""
    cli = server.cli()
    made = cli.create_application("by-certificate")
    cli.assign(made, "Key Vault Secrets Officer", server.vault_scope())
    file = tmp_path_factory.mktemp("client") / "client.pem"
    file.write_bytes(who.pem)
    cli.run("app", "add-certificate", made.app_id, "--certificate", str(file))
    return made


@pytest.fixture
def other(server, who, cli, name, tmp_path) -> Application:
    """Another application with the same certificate."""
    made = cli.create_application(name)
    file = tmp_path / "client.pem"
    file.write_bytes(who.pem)
    cli.run("app", "add-certificate", made.app_id, "--certificate", str(file))
    return made


@pytest.fixture(scope="module")
def endpoint(server) -> str:
    return f"{server.login}/{server.tenant}/oauth2/v2.0/token"


def ask(server, text: str, client: str | None = None, **form):
    fields = {
        "grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": text,
        "scope": f"{server.vault_resource}/.default", **form,
    }
    if client:
        fields["client_id"] = client
    return server.request_token({name: value for name, value in fields.items() if value is not None})


def refused(answer, code: int) -> str:
    assert answer.status_code == 401, answer.text
    body = answer.json()
    assert (body["error"], body["error_codes"]) == ("invalid_client", [code])
    assert "access_token" not in body
    return body["error_description"]


# The Azure clients, unmodified


@pytest.mark.parametrize("chain", [False, True])
def test_the_client_logs_in_with_a_certificate(server, application, who, name, chain):
    credential = CertificateCredential(
        application.tenant, application.app_id, certificate_data=who.whole, authority=server.login,
        disable_instance_discovery=True, connection_verify=server.bundle, send_certificate_chain=chain)
    with SecretClient(server.vault_url(), credential, connection_verify=server.bundle) as client:
        client.set_secret(name, "by certificate")
        assert client.get_secret(name).value == "by certificate"


async def test_the_asynchronous_client_logs_in_with_a_certificate(server, application, who, name):
    credential = AsyncCertificateCredential(
        application.tenant, application.app_id, certificate_data=who.whole, authority=server.login,
        disable_instance_discovery=True, connection_verify=server.bundle)
    async with credential, AsyncSecretClient(server.vault_url(), credential, connection_verify=server.bundle) as client:
        await client.set_secret(name, "by certificate")
        assert (await client.get_secret(name)).value == "by certificate"


# On the wire


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
@pytest.mark.parametrize("named", [True, False])
def test_an_assertion_gets_a_token_that_opens_the_vault(server, application, who, endpoint, algorithm, named):
    text = assertion(who, claims_for(application.app_id, endpoint), algorithm)
    answer = ask(server, text, application.app_id if named else None)
    assert answer.status_code == 200, answer.text
    assert server.wire_with(answer.json()["access_token"]).get("/secrets").status_code == 200


def test_every_name_of_this_server_will_do(server, application, who, endpoint):
    base = f"{server.login}/{server.tenant}"
    for audience in (endpoint, f"{base}/oauth2/token", f"{base}/v2.0", f"{base}/", [endpoint, "https://elsewhere.example"]):
        assert ask(server, assertion(who, claims_for(application.app_id, audience))).status_code == 200


def test_padded_base64_and_whole_seconds_will_do(server, application, who, endpoint):
    now = int(time.time())
    claims = claims_for(application.app_id, endpoint, nbf=now, iat=now, exp=now + 1_800)
    header, body, signature = assertion(who, claims, "PS256").split(".")
    padded = signature + "=" * (-len(signature) % 4)
    assert ask(server, f"{header}.{body}.{padded}").status_code == 200


def test_the_form_of_version_1_works_alike(server, application, who):
    audience = f"{server.login}/{server.tenant}/oauth2/token"
    form = {
        "grant_type": "client_credentials", "client_assertion_type": TYPE, "resource": server.vault_resource,
        "client_assertion": assertion(who, claims_for(application.app_id, audience)),
    }
    answer = server.request_token(form, path="/oauth2/token")
    assert answer.status_code == 200 and answer.json()["resource"] == server.vault_resource


def test_an_assertion_serves_once(server, application, who, endpoint):
    text = assertion(who, claims_for(application.app_id, endpoint))
    assert ask(server, text).status_code == 200
    assert "used before" in refused(ask(server, text), 700_027)


def test_the_log_tells_the_first_use_from_the_second(server, cli, other, who, endpoint):
    text, begin = assertion(who, claims_for(other.app_id, endpoint)), audit.now()
    assert [ask(server, text).status_code for _ in range(2)] == [200, 401]
    told = [
        each for each in audit.records(cli, since=begin)
        if each["operationName"] == "TokenIssue" and other.app_id in json.dumps(each)
    ]
    assert [each["properties"]["httpStatusCode"] for each in told] == [200, 401]


def test_another_signature_over_the_same_claims_serves_no_second_time(server, application, who, endpoint):
    claims = claims_for(application.app_id, endpoint)
    assert ask(server, assertion(who, claims, "PS256")).status_code == 200
    refused(ask(server, assertion(who, claims, "PS256")), 700_027)
    refused(ask(server, assertion(who, claims, "RS256")), 700_027)


def test_an_identifier_serves_once_whatever_else_is_changed(server, application, who, endpoint):
    first = claims_for(application.app_id, endpoint)
    assert ask(server, assertion(who, first)).status_code == 200
    refused(ask(server, assertion(who, {**first, "exp": first["exp"] + 60})), 700_027)
    refused(ask(server, assertion(who, {**first, "nbf": first["nbf"] - 1})), 700_027)


def test_two_applications_may_use_the_same_identifier(server, application, other, who, endpoint):
    for client in (application, other):
        assert ask(server, assertion(who, claims_for(client.app_id, endpoint, jti="the same for both"))).status_code == 200


# Forged and confused


def double(claims: dict) -> bytes:
    """The claims with one of them twice."""
    return json.dumps(claims)[:-1].encode() + b', "sub": "' + claims["sub"].encode() + b'"}'


MALFORMED = {
    "none": {"alg": "none"},
    "hmac": {"alg": "HS256"},
    "stronger": {"alg": "RS512"},
    "no thumbprint": {"x5t": None},
    "short thumbprint": {"x5t": "AAAA"},
    "crooked thumbprint": {"x5t": "*"},
    "own key": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}},
    "key elsewhere": {"jku": "https://elsewhere.example/keys"},
    "certificate elsewhere": {"x5u": "https://elsewhere.example/certificate"},
    "critical": {"crit": ["b64"], "b64": False},
}


@pytest.mark.parametrize("header", MALFORMED.values(), ids=MALFORMED)
def test_a_header_that_is_not_allowed_is_refused(server, application, who, endpoint, header):
    refused(ask(server, assertion(who, claims_for(application.app_id, endpoint), **header)), 50_027)


CLAIMS = {
    "no identifier": ({"jti": None}, 50_027),
    "empty identifier": ({"jti": ""}, 50_027),
    "long identifier": ({"jti": "x" * 257}, 50_027),
    "no end": ({"exp": None}, 50_027),
    "end in words": ({"exp": "tomorrow"}, 50_027),
    "end beyond time": ({"exp": 1e300}, 50_027),
    "negative end": ({"exp": -1}, 50_027),
    "ended": ({"exp": time.time() - 300}, 700_024),
    "not begun": ({"nbf": time.time() + 3_600, "exp": time.time() + 7_200}, 700_024),
    "for a year": ({"exp": time.time() + 365 * 86_400}, 700_024),
    "of another": ({"iss": "11111111-1111-4111-8111-111111111111"}, 700_021),
    "about another": ({"sub": "11111111-1111-4111-8111-111111111111"}, 700_021),
    "about a name": ({"sub": "by-certificate", "iss": "by-certificate"}, 700_021),
    "for elsewhere": ({"aud": "https://login.microsoftonline.com/common/oauth2/v2.0/token"}, 700_021),
    "for a vault": ({"aud": "https://vault.azure.net"}, 700_021),
    "for nobody": ({"aud": []}, 700_021),
    "no audience": ({"aud": None}, 50_027),
}


@pytest.mark.parametrize(("changes", "code"), CLAIMS.values(), ids=CLAIMS)
def test_claims_that_do_not_hold_are_refused(server, application, who, endpoint, changes, code):
    refused(ask(server, assertion(who, claims_for(application.app_id, endpoint, **changes))), code)


def test_a_claim_that_is_there_twice_is_refused(server, application, who, endpoint):
    refused(ask(server, assertion(who, double(claims_for(application.app_id, endpoint)))), 50_027)


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "é.é.é", "x" * 20_000, "e30.e30.e30"])
def test_what_is_no_assertion_is_refused(server, application, text):
    refused(ask(server, text, application.app_id), 50_027)


def test_the_key_of_another_proves_nothing(server, application, who, endpoint):
    forger = rsa.generate_private_key(65_537, 2_048)
    refused(ask(server, assertion(who, claims_for(application.app_id, endpoint), signer=forger)), 700_027)


def test_a_certificate_that_the_application_does_not_know_proves_nothing(server, application, endpoint):
    stranger = identity()
    told = refused(ask(server, assertion(stranger, claims_for(application.app_id, endpoint))), 700_027)
    unknown = refused(ask(server, assertion(stranger, claims_for("11111111-1111-4111-8111-111111111111", endpoint))), 700_027)
    assert told == unknown


def test_a_chain_in_the_header_does_not_make_a_stranger_known(server, application, who, endpoint):
    stranger = identity()
    text = assertion(who, claims_for(application.app_id, endpoint), signer=stranger.key, x5c=[encode(stranger.der)])
    refused(ask(server, text), 700_027)


def test_thumbprints_of_two_certificates_prove_nothing(server, application, who, endpoint):
    stranger = identity()
    other = encode(hashlib.sha256(stranger.der).digest())
    refused(ask(server, assertion(who, claims_for(application.app_id, endpoint), **{"x5t#S256": other})), 700_027)


def test_claims_of_one_assertion_do_not_fit_the_signature_of_another(server, application, who, endpoint):
    first, second = (assertion(who, claims_for(application.app_id, endpoint)).split(".") for _ in range(2))
    refused(ask(server, ".".join([first[0], second[1], first[2]])), 700_027)


def test_the_form_may_not_name_another_client(server, application, other, who, endpoint):
    refused(ask(server, assertion(who, claims_for(application.app_id, endpoint)), other.app_id), 700_021)


@pytest.mark.parametrize("form", [{"client_assertion_type": None}, {"client_assertion_type": "jwt"}, {"client_secret": "x"}])
def test_a_form_that_contradicts_itself_is_refused(server, application, who, endpoint, form):
    answer = ask(server, assertion(who, claims_for(application.app_id, endpoint)), application.app_id, **form)
    assert answer.status_code == 400 and "access_token" not in answer.text


def test_a_resource_that_nobody_serves_is_refused_and_the_assertion_is_not_used_up(server, application, who, endpoint):
    text = assertion(who, claims_for(application.app_id, endpoint))
    assert ask(server, text, scope="https://elsewhere.example/.default").status_code == 400
    assert ask(server, text).status_code == 200


# What happens to the application


def test_a_disabled_application_proves_nothing(server, other, who, endpoint, cli):
    cli.run("app", "disable", other.app_id)
    refused(ask(server, assertion(who, claims_for(other.app_id, endpoint))), 700_027)
    cli.run("app", "enable", other.app_id)
    assert ask(server, assertion(who, claims_for(other.app_id, endpoint))).status_code == 200


@pytest.mark.operation("ApplicationCertificateRemove")
def test_a_certificate_that_is_removed_opens_nothing_any_more(server, other, who, endpoint, cli):
    cli.assign(other, "Key Vault Secrets User", server.vault_scope())
    token = ask(server, assertion(who, claims_for(other.app_id, endpoint))).json()["access_token"]
    assert server.wire_with(token).get("/secrets").status_code == 200
    cli.run("app", "remove-certificate", other.app_id, who.thumbprint)
    assert server.wire_with(token).get("/secrets").status_code == 401
    refused(ask(server, assertion(who, claims_for(other.app_id, endpoint))), 700_027)


def test_the_list_shows_thumbprints(server, application, who, cli):
    listed = {entry["appId"]: entry for entry in cli.json("app", "list", "--output", "json")}
    assert [each["thumbprint"] for each in listed[application.app_id]["certificates"]] == [who.thumbprint]


@pytest.mark.operation("ApplicationCertificateAdd")
def test_a_new_certificate_works_beside_the_old_one(server, other, who, endpoint, cli, tmp_path):
    newer = identity()
    file = tmp_path / "newer.pem"
    file.write_bytes(newer.whole)
    cli.run("app", "add-certificate", other.app_id, "--certificate", str(file))
    for each in (who, newer):
        assert ask(server, assertion(each, claims_for(other.app_id, endpoint))).status_code == 200


BAD = {"weak": lambda: identity(1_024), "elliptic": elliptic, "ended": lambda: identity(days=(-30, -1))}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_certificate_that_cannot_serve_is_not_taken(server, application, make, cli, tmp_path):
    file = tmp_path / "bad.pem"
    file.write_bytes(make().pem)
    told = cli.run("app", "add-certificate", application.app_id, "--certificate", str(file), exit_code=1)
    assert told.stderr.count("\n") == 1 and "certificate" in told.stderr


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_not_taken(application, content, cli, tmp_path):
    file = tmp_path / "none.pem"
    file.write_bytes(content)
    told = cli.run("app", "add-certificate", application.app_id, "--certificate", str(file), exit_code=None)
    assert told.returncode in (1, 64) and told.stderr.count("\n") == 1


def test_a_certificate_that_has_not_begun_proves_nothing_yet(server, other, endpoint, cli, tmp_path):
    later = identity(days=(1, 30))
    file = tmp_path / "later.pem"
    file.write_bytes(later.pem)
    cli.run("app", "add-certificate", other.app_id, "--certificate", str(file))
    refused(ask(server, assertion(later, claims_for(other.app_id, endpoint))), 700_027)


def test_only_who_may_change_applications_adds_certificates(server, application, who):
    wire = server.management(application)
    body = {"certificate": who.pem.decode()}
    assert wire.post(f"/strongroom/applications/{application.app_id}/certificates", json=body).status_code == 403
    assert wire.delete(f"/strongroom/applications/{application.app_id}/certificates/{who.thumbprint}").status_code == 403
