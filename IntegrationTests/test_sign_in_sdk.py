"""People and the unmodified azure-identity: device codes, browsers, authorization codes, and sign-ins that end early."""

import re
import threading
import time
import webbrowser

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import AuthenticationRecord, AuthenticationRequiredError, AuthorizationCodeCredential
from azure.identity import InteractiveBrowserCredential, TokenCachePersistenceOptions
from azure.identity.aio import AuthorizationCodeCredential as AsyncAuthorizationCodeCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

from harness.application import Application
from harness.assertions import identity
from harness.clients import credential_for
from harness.directory import READER
from harness.management_wire import Arm, vault_name
from harness.people import Person
from harness.people_clients import Prompts, browser_credential, device_credential, management_of, secrets_of, use_everything, use_vault
from harness.ports import free_port
from harness.sign_in import AZURE_CLI, Client, Page
from harness.tokens import claims_of

pytest_plugins = ["harness.people_fixtures"]

VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
# A demand that no token of before satisfies, so that a client uses its refresh token.
NEW = '{"access_token": {"nbf": {"essential": true, "value": "1"}}}'


@pytest.fixture
def known(server, directory, guarded) -> Person:
    """Somebody with an authenticator, who may do everything in the vault `demo` and see the subscription."""
    directory.assign(VAULT_ADMINISTRATOR, guarded.id, server.vault_scope())
    directory.assign(READER, guarded.id, server.subscription_scope)
    return guarded


@pytest.fixture
def prompts(server, known) -> Prompts:
    return Prompts(server, known)


@pytest.fixture
def browser(monkeypatch, prompts) -> Prompts:
    """What programs open in a browser is signed in."""
    monkeypatch.setattr(webbrowser, "open", prompts.browser)
    return prompts


@pytest.fixture
def vault_scope(server) -> str:
    return f"{server.vault_resource}/.default"


# Device codes


@pytest.mark.operation("DeviceCodeIssue")
@pytest.mark.operation("DevicePageGet")
@pytest.mark.operation("DeviceSignIn")
@pytest.mark.operation("TokenIssue")
@pytest.mark.parametrize("tenant", ["its own", "organizations"])
def test_a_device_code_opens_vaults_and_the_management_plane(server, prompts, vault_scope, name, tenant):
    options = {"tenant_id": tenant} if tenant == "organizations" else {}
    with device_credential(server, prompts, **options) as credential:
        use_everything(server, credential, name)
        assert prompts.count == 1 and prompts.said == ["You are signed in"]
        claims = claims_of(credential.get_token(vault_scope, enable_cae=True).token)
    assert prompts.count == 1
    assert (claims["idtyp"], claims["oid"], claims["upn"]) == ("user", prompts.person.id, prompts.person.name)
    assert (claims["appid"], claims["tid"]) == (AZURE_CLI, server.tenant)
    assert {"pwd", "mfa"} <= set(claims["amr"]) and claims["xms_cc"] == ["cp1"]


def test_a_device_waits_until_the_person_has_signed_in(server, prompts, name):
    def later(*shown) -> None:
        threading.Timer(1, prompts.device, shown).start()

    begun = time.monotonic()
    with device_credential(server, prompts, prompt_callback=later) as credential:
        secrets_of(server, credential).set_secret(name, "waited for")
    assert prompts.said == ["You are signed in"] and time.monotonic() - begun > 4, "the first answer was not 'pending'"


def test_a_device_is_told_that_the_person_declined(server, login, prompts, vault_scope):
    said = []

    def decline(_, user_code: str, __) -> None:
        said.append(Page(login.submit(login.type_code(user_code), "cancel")).heading)

    with device_credential(server, prompts, prompt_callback=decline) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS65004"):
            credential.get_token(vault_scope)
    assert said == ["You did not sign in"]


def test_a_device_of_an_application_that_nobody_signs_in_to_gets_no_code(server, prompts, stranger, vault_scope):
    with device_credential(server, prompts, client_id=stranger.app_id) as credential:
        with pytest.raises(ClientAuthenticationError, match=f"AADSTS700016.*{stranger.app_id}"):
            credential.get_token(vault_scope)
    assert prompts.count == 0


# Browsers


@pytest.mark.operation("SignInPageGet")
@pytest.mark.operation("SignIn")
def test_a_browser_signs_in_by_a_form_that_is_posted_to_the_program(server, browser, vault_scope, name):
    with browser_credential(server) as credential:
        use_everything(server, credential, name)
        claims = claims_of(credential.get_token(vault_scope, enable_cae=True).token)
    assert browser.count == 1 and browser.said == ["Authentication complete. You can close this window."]
    assert (claims["oid"], claims["appid"]) == (browser.person.id, AZURE_CLI)


@pytest.mark.parametrize("registered", ["http://localhost", "the port"])
def test_a_browser_signs_in_to_a_registered_public_application(server, cli, browser, vault_scope, name, registered):
    address = f"http://localhost:{free_port()}"
    redirect = address if registered == "the port" else registered
    made = cli.json("app", "create", name, "--public", "--redirect-uri", redirect, "--output", "json")
    assert "password" not in made
    with browser_credential(server, client_id=made["appId"], redirect_uri=address, tenant_id="organizations") as credential:
        secrets_of(server, credential).set_secret(name, "by a program of our own")
        claims = claims_of(credential.get_token(vault_scope, enable_cae=True).token)
    assert claims["appid"] == made["appId"] and browser.count == 1


def test_a_program_is_told_that_the_person_cancelled_in_the_browser(server, login, monkeypatch, prompts, vault_scope):
    def cancel(address: str) -> bool:
        answer = login.submit(Page(login.get(address)), "cancel")
        threading.Thread(target=prompts.arrive, args=(answer,), daemon=True).start()
        return True

    monkeypatch.setattr(webbrowser, "open", cancel)
    with browser_credential(server) as credential:
        with pytest.raises(ClientAuthenticationError, match="AADSTS65004"):
            credential.get_token(vault_scope)


def test_a_later_process_goes_on_by_the_stored_tokens_and_the_record(server, browser, monkeypatch, tmp_path, vault_scope, name):
    monkeypatch.setenv("HOME", str(tmp_path))
    stored = TokenCachePersistenceOptions(name=name, allow_unencrypted_storage=True)
    with browser_credential(server, cache_persistence_options=stored) as credential:
        record = credential.authenticate(scopes=[vault_scope], enable_cae=True).serialize()
    read = AuthenticationRecord.deserialize(record)
    assert (read.username, read.tenant_id, read.client_id) == (browser.person.name, server.tenant, AZURE_CLI)
    # The record keeps the host without its scheme, which azure-identity cannot read when there is a port.
    whole = AuthenticationRecord(read.tenant_id, read.client_id, f"https://{read.authority}", read.home_account_id, read.username)
    with InteractiveBrowserCredential(
        authentication_record=whole, cache_persistence_options=stored, disable_automatic_authentication=True,
        disable_instance_discovery=True,
    ) as credential:
        use_everything(server, credential, name)
    assert browser.count == 1


# Authorization codes


@pytest.fixture
def site(cli, name) -> Client:
    """A web application that keeps a secret, and to which people sign in."""
    address = "https://site.example/signed-in"
    made = cli.json("app", "create", name, "--redirect-uri", address, "--output", "json")
    return Client(made["appId"], address, made["password"])


@pytest.fixture
def code(login, known, site) -> str:
    """An authorization code, as the browser brings it to the site."""
    return login.code(known, site, None)


def code_credential(server, site: Client, code: str, kind=AuthorizationCodeCredential, **changes):
    words = {"client_secret": site.secret, "redirect_uri": site.redirect, **changes}
    return kind(server.tenant, site.id, code, authority=server.login, **words)


def test_a_site_redeems_a_code_and_refreshes(server, known, site, code, vault_scope, name):
    with code_credential(server, site, code) as credential:
        use_vault(server, credential, name)
        first = credential.get_token(vault_scope, enable_cae=True).token
        second = credential.get_token(vault_scope, enable_cae=True, claims=NEW).token
        assert second != first and credential.get_token(vault_scope, enable_cae=True, claims=NEW).token not in (first, second)
    claims = claims_of(second)
    assert (claims["appid"], claims["oid"], claims["idtyp"]) == (site.id, known.id, "user")


async def test_a_site_redeems_a_code_and_refreshes_asynchronously(server, known, site, code, vault_scope, name):
    async with code_credential(server, site, code, AsyncAuthorizationCodeCredential) as credential:
        async with AsyncSecretClient(server.vault_url("demo"), credential) as secrets:
            await secrets.set_secret(name, "asynchronously")
            assert (await secrets.get_secret(name)).value == "asynchronously"
        first = (await credential.get_token(vault_scope, enable_cae=True)).token
        second = (await credential.get_token(vault_scope, enable_cae=True, claims=NEW)).token
    assert second != first and claims_of(second)["oid"] == known.id


@pytest.mark.parametrize("changes, said", [
    ({"client_secret": "wrong"}, "AADSTS7000215"),
    ({"client_secret": None}, "AADSTS7000218"),
    ({"redirect_uri": "https://site.example/elsewhere"}, "AADSTS50011"),
], ids=["wrong-secret", "no-secret", "another-redirect"])
def test_a_code_serves_only_whom_it_was_made_for(server, known, site, code, vault_scope, changes, said):
    with code_credential(server, site, code, **changes) as credential:
        with pytest.raises(ClientAuthenticationError, match=said):
            credential.get_token(vault_scope)
    with code_credential(server, site, code) as credential:
        assert claims_of(credential.get_token(vault_scope).token)["oid"] == known.id


def test_a_code_that_is_redeemed_twice_ends_what_came_of_it(server, known, site, code, vault_scope):
    with code_credential(server, site, code) as first, code_credential(server, site, code) as second:
        assert claims_of(first.get_token(vault_scope).token)["oid"] == known.id
        with pytest.raises(ClientAuthenticationError, match="AADSTS54005"):
            second.get_token(vault_scope)
        with pytest.raises(ClientAuthenticationError, match="AADSTS70008"):
            first.get_token(vault_scope, claims=NEW)


# The end of a sign-in


@pytest.mark.operation("PersonRevokeSessions")
@pytest.mark.parametrize("by", ["device", "browser"])
def test_a_client_of_a_person_who_was_signed_out_asks_again_and_goes_on(server, cli, browser, name, by):
    make = browser_credential(server) if by == "browser" else device_credential(server, browser)
    with make as credential, secrets_of(server, credential) as secrets:
        secrets.set_secret(name, "before")
        cli.run("user", "revoke-sessions", browser.person.name)
        assert secrets.get_secret(name).value == "before"
        assert browser.count == 2
        secrets.set_secret(name, "after")
        assert "demo" in {vault.name for vault in management_of(server, credential).vaults.list_by_subscription()}
    assert browser.count == 2


@pytest.mark.parametrize("act", ["revoke-sessions", "disable", "reset-password", "delete"])
def test_a_site_is_told_that_the_person_is_signed_out(server, cli, known, site, code, name, act):
    with code_credential(server, site, code) as credential, secrets_of(server, credential) as secrets:
        secrets.set_secret(name, "before")
        cli.run("user", act, known.name)
        with pytest.raises(ClientAuthenticationError, match="AADSTS50173: The person is disabled or deleted, or signed out"):
            secrets.get_secret(name)


def test_a_program_that_may_not_ask_is_told_that_it_has_to(server, cli, prompts, vault_scope, name):
    with device_credential(server, prompts, disable_automatic_authentication=True) as credential:
        credential.authenticate(scopes=[vault_scope], enable_cae=True)
        with secrets_of(server, credential) as secrets:
            secrets.set_secret(name, "before")
            cli.run("user", "disable", prompts.person.name)
            with pytest.raises(AuthenticationRequiredError) as caught:
                secrets.get_secret(name)
            assert '"nbf"' in caught.value.claims
            cli.run("user", "enable", prompts.person.name)
            credential.authenticate(scopes=caught.value.scopes, claims=caught.value.claims, enable_cae=True)
            assert secrets.get_secret(name).value == "before"
    assert prompts.count == 2


# A second factor


@pytest.fixture
def strict_vault(server, cli):
    """A vault that demands a second factor of people; its name."""
    vault = Arm.of(server).create(vault_name(), enableRbacAuthorization=True)
    scope = server.vault_scope(vault)
    cli.run("access", "require-mfa", "--scope", scope)
    yield vault
    cli.run("access", "require-mfa", "--remove", "--scope", scope)


@pytest.fixture
def by_password(server, directory, strict_vault, person) -> Person:
    """Somebody without an authenticator, who may do everything in the strict vault and in `demo`."""
    directory.assign(READER, person.id, server.subscription_scope)
    for vault in ("demo", strict_vault):
        directory.assign(VAULT_ADMINISTRATOR, person.id, server.vault_scope(vault))
    return person


def register_authenticator(cli, person: Person) -> None:
    made = cli.json("user", "reset-authenticator", person.name, "--output", "json")
    person.secret = made["authenticator"]["secret"]


@pytest.mark.parametrize("by", ["device", "browser"])
def test_a_vault_that_demands_a_second_factor_makes_the_client_ask_again(
    server, cli, monkeypatch, strict_vault, by_password, name, by
):
    prompts = Prompts(server, by_password)
    monkeypatch.setattr(webbrowser, "open", prompts.browser)
    make = browser_credential(server) if by == "browser" else device_credential(server, prompts)
    with make as credential, secrets_of(server, credential, strict_vault) as secrets:
        secrets_of(server, credential).set_secret(name, "a password will do")
        assert prompts.count == 1
        prompts.next_time(lambda: register_authenticator(cli, by_password))
        secrets.set_secret(name, "with a code")
        assert prompts.count == 2 and secrets.get_secret(name).value == "with a code"
        group = server.client_env["AZURE_RESOURCE_GROUP"]
        assert management_of(server, credential).vaults.get(group, strict_vault).name == strict_vault
    assert prompts.count == 2


def test_a_person_with_an_authenticator_is_not_asked_twice(server, directory, prompts, strict_vault, name):
    directory.assign(VAULT_ADMINISTRATOR, prompts.person.id, server.vault_scope(strict_vault))
    with device_credential(server, prompts) as credential, secrets_of(server, credential, strict_vault) as secrets:
        assert secrets.set_secret(name, "at once").value == "at once"
    assert prompts.count == 1


def test_a_client_of_a_person_without_an_authenticator_fails_clearly(server, strict_vault, by_password, name):
    prompts = Prompts(server, by_password)
    with device_credential(server, prompts) as credential, secrets_of(server, credential, strict_vault) as secrets:
        with pytest.raises(HttpResponseError) as caught:
            secrets.set_secret(name, "never")
    assert caught.value.status_code == 401 and re.search("multi-factor|authenticator", caught.value.message)
    assert prompts.count == 2


# Applications


@pytest.fixture
def officer(server, cli, stranger) -> Application:
    cli.assign(stranger, "Key Vault Secrets Officer", server.vault_scope())
    return stranger


def test_an_application_needs_no_second_factor(server, cli, strict_vault, stranger, name):
    cli.assign(stranger, "Key Vault Secrets Officer", server.vault_scope(strict_vault))
    with secrets_of(server, credential_for(server, stranger), strict_vault) as secrets:
        assert secrets.set_secret(name, "a program").value == "a program"


def test_a_client_with_the_secret_of_before_fails_clearly(server, cli, officer, name):
    with secrets_of(server, credential_for(server, officer)) as secrets:
        secrets.set_secret(name, "before")
        cli.run("app", "reset-password", officer.app_id)
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215: Invalid client secret provided"):
            secrets.get_secret(name)


@pytest.fixture
def revoke(cli, officer, tmp_path):
    """Revokes the tokens of the application; its secret holds."""
    who = identity()
    (tmp_path / "client.pem").write_bytes(who.pem)
    cli.run("app", "add-certificate", officer.app_id, "--certificate", str(tmp_path / "client.pem"))
    return lambda: cli.run("app", "remove-certificate", officer.app_id, who.thumbprint)


def test_a_client_whose_tokens_were_revoked_heals_by_its_secret(server, officer, revoke, vault_scope, name):
    credential = credential_for(server, officer)
    with secrets_of(server, credential) as secrets:
        secrets.set_secret(name, "before")
        before = credential.get_token(vault_scope, enable_cae=True).token
        assert server.wire_with(before).get(f"/secrets/{name}").status_code == 200
        revoke()
        assert server.wire_with(before).get(f"/secrets/{name}").status_code == 401
        assert secrets.get_secret(name).value == "before"
    assert credential.get_token(vault_scope, enable_cae=True).token != before


async def test_an_asynchronous_client_whose_tokens_were_revoked_heals_by_its_secret(server, officer, revoke, vault_scope, name):
    who = (officer.tenant, officer.app_id, officer.password)
    async with AsyncClientSecretCredential(*who, authority=server.login) as credential:
        async with AsyncSecretClient(server.vault_url("demo"), credential) as secrets:
            await secrets.set_secret(name, "before")
            before = (await credential.get_token(vault_scope, enable_cae=True)).token
            revoke()
            assert server.wire_with(before).get(f"/secrets/{name}").status_code == 401
            assert (await secrets.get_secret(name)).value == "before"
