"""The unmodified Azure CLI and people: `az login` by device code and by browser, what it keeps, and people in the directory."""

import json
import re
import shutil
import uuid

import pytest

from harness.azure_cli import LoadedAzureCLI
from harness.directory import OWNER, SECRETS_USER
from harness.management_wire import Arm, vault_name
from harness.people import People, Person
from harness.people_clients import PersonsAzureCLI, Prompts
from harness.sign_in import AZURE_CLI, Client, Page
from harness.tokens import claims_of

pytest_plugins = ["harness.azure_cli_fixtures", "harness.people_fixtures"]

VAULT_ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3b7fe8e74483"


@pytest.fixture(scope="module")
def owner(server, people, directory) -> Prompts:
    """A person who may do everything, and who signs in with a code."""
    made = people.create(displayName="Olga Owner", authenticator=True)
    directory.assign(OWNER, made.id, server.subscription_scope)
    directory.assign(VAULT_ADMINISTRATOR, made.id, server.vault_scope())
    return Prompts(server, made)


@pytest.fixture(scope="module")
def hers(server, _registered, owner, tmp_path_factory) -> LoadedAzureCLI:
    """`az`, logged in as the owner, whom no test logs out."""
    folder = shutil.copytree(_registered, tmp_path_factory.mktemp("az-people") / "owner")
    PersonsAzureCLI(server, folder).login_by_browser(owner)
    with LoadedAzureCLI(server, folder) as loaded:
        yield loaded


@pytest.fixture
def own_az(server, fresh_az) -> PersonsAzureCLI:
    """An `az` of the test's own in which nobody has logged in."""
    return PersonsAzureCLI(server, fresh_az.folder)


@pytest.fixture
def reader(server, directory, person) -> Prompts:
    """A person of the test's own, without an authenticator, who may use the secrets of `demo`."""
    directory.assign(VAULT_ADMINISTRATOR, person.id, server.vault_scope())
    return Prompts(server, person)


# Login


@pytest.mark.operation("DeviceCodeIssue")
@pytest.mark.operation("DeviceSignIn")
@pytest.mark.parametrize("tenant", ["organizations", "named"])
def test_a_person_logs_in_by_a_device_code(server, own_az, reader, tenant):
    options = ("--tenant", server.tenant) if tenant == "named" else ()
    [account] = own_az.login_by_device(reader, *options)
    assert account["user"] == {"name": reader.person.name, "type": "user"}
    assert (account["id"], account["tenantId"]) == (server.client_env["AZURE_SUBSCRIPTION_ID"], server.tenant)
    assert reader.said == ["You are signed in"]
    shown = own_az.json("account show")
    assert shown["user"] == {"name": reader.person.name, "type": "user"} and shown["isDefault"] is True
    assert (shown["environmentName"], shown["homeTenantId"]) == ("Strongroom", server.tenant)


@pytest.mark.operation("SignIn")
@pytest.mark.operation("SignInPageGet")
def test_a_person_logs_in_by_a_browser(own_az, reader, name):
    [account] = own_az.login_by_browser(reader)
    assert account["user"] == {"name": reader.person.name, "type": "user"}
    assert reader.count == 1 and "logged into Microsoft Azure" in reader.said[0]
    assert own_az.json(f"keyvault secret set --vault-name demo --name {name} --value", "by browser")["value"] == "by browser"


def test_a_device_that_the_person_declined_is_not_logged_in(login, own_az):
    ended = own_az.login_with(lambda _, code: login.submit(login.type_code(code), "cancel"))
    assert ended.exit_code == 1 and "AADSTS65004: The person declined to sign in." in ended.errors
    assert own_az.json("account list") == []


def test_logout_forgets_the_person(own_az, reader):
    own_az.login_by_browser(reader)
    own_az.run("logout")
    assert own_az.json("account list") == []
    assert "az login" in own_az.refused("account get-access-token")
    cache = own_az.folder / "azure/msal_token_cache.json"
    assert not cache.exists() or not json.loads(cache.read_text()).get("RefreshToken")


# Tokens


def test_a_person_gets_tokens_for_every_resource(server, hers, owner):
    manager = server.client_env["ARM_URL"].rstrip("/")
    for resource in (server.vault_resource, manager, f"https://graph.localhost:{server.port}"):
        got = hers.json("account get-access-token --resource", resource)
        claims = claims_of(got["accessToken"])
        assert (got["tenant"], claims["aud"], claims["idtyp"], claims["oid"]) == (server.tenant, resource, "user", owner.person.id)
        assert (claims["appid"], claims["upn"], claims["name"]) == (AZURE_CLI, owner.person.name, "Olga Owner")
        assert "mfa" in claims["amr"]


def test_later_processes_refresh_and_two_at_once_do_not_end_the_sign_in(own_az, reader, name):
    own_az.login_by_browser(reader)
    own_az.run(f"keyvault secret set --vault-name demo --name {name} --value kept")
    show = f"keyvault secret show --vault-name demo --name {name} --query value"
    for _ in range(2):
        own_az.forget_access_tokens()
        assert own_az.json(show) == "kept"
    own_az.forget_access_tokens()
    for ended in [running.finish() for running in [az.start(show) for az in (own_az, own_az.copy())]]:
        assert (ended.exit_code, ended.output.strip()) == (0, '"kept"'), ended.errors
    own_az.forget_access_tokens()
    assert own_az.json(show) == "kept" and reader.count == 1


# The keys of this `az` act on claims challenges, its secrets do not: those show what the server says.


def test_a_person_who_was_signed_out_is_told_to_log_in(cli, own_az, reader, name):
    own_az.login_by_browser(reader)
    own_az.run(f"keyvault secret set --vault-name demo --name {name} --value kept")
    cli.run("user", "revoke-sessions", reader.person.name)
    assert "(Unauthorized)" in own_az.refused(f"keyvault secret show --vault-name demo --name {name}")
    for command in ("keyvault key list --vault-name demo", "group list"):
        said = own_az.refused(command)
        assert "az logout" in said and "--claims-challenge" in said, said
    # As it says: without the logout it would keep the tokens of before.
    own_az.run("logout")
    own_az.login_by_browser(reader)
    assert own_az.json(f"keyvault secret show --vault-name demo --name {name}")["value"] == "kept"


def test_a_vault_that_demands_a_second_factor_tells_how_to_log_in(server, cli, directory, own_az, reader, name):
    vault = Arm.of(server).create(vault_name(), enableRbacAuthorization=True)
    directory.assign(VAULT_ADMINISTRATOR, reader.person.id, server.vault_scope(vault))
    cli.run("access", "require-mfa", "--scope", server.vault_scope(vault))
    try:
        own_az.login_by_browser(reader)
        said = own_az.refused(f"keyvault secret set --vault-name {vault} --name {name} --value guarded")
        assert "sign in again with a code of your authenticator" in said
        told = re.search(r'az login .*--claims-challenge "([^"]+)"', own_az.refused(f"keyvault key list --vault-name {vault}"))
        assert told, "az does not say how to log in"
        made = cli.json("user", "reset-authenticator", reader.person.name, "--output", "json")
        reader.person.secret = made["authenticator"]["secret"]
        own_az.login_by_browser(reader, "--tenant", server.tenant, "--claims-challenge", told[1])
        assert own_az.json(f"keyvault key list --vault-name {vault}") == []
        assert own_az.json(f"keyvault secret set --vault-name {vault} --name {name} --value guarded")["value"] == "guarded"
    finally:
        cli.run("access", "require-mfa", "--remove", "--scope", server.vault_scope(vault))


# Vaults


@pytest.mark.operation("SecretSet")
@pytest.mark.operation("SecretGet")
@pytest.mark.operation("KeyCreate")
def test_a_person_uses_secrets_and_keys(hers, name):
    assert hers.json(f"keyvault secret set --vault-name demo --name {name} --value", "by a person")["value"] == "by a person"
    assert hers.json(f"keyvault secret show --vault-name demo --name {name}")["value"] == "by a person"
    assert name in {each["name"] for each in hers.json("keyvault secret list --vault-name demo")}
    assert hers.json(f"keyvault key create --vault-name demo --name {name} --kty EC")["key"]["kty"] == "EC"


def test_without_a_role_a_person_is_refused_by_name(server, people, own_az, wire, name):
    wire.set_secret(name)
    nobody = Prompts(server, people.create())
    own_az.login_by_browser(nobody)
    assert own_az.json("keyvault list") == []
    said = own_az.refused(f"keyvault secret show --vault-name demo --name {name}")
    assert said.startswith("ERROR: (Forbidden) Caller is not authorized") and f"oid={nobody.person.id}" in said


@pytest.mark.operation("DirectoryMeGet")
@pytest.mark.operation("VaultPut")
def test_a_person_makes_a_vault_with_a_policy_for_themselves(server, hers, owner, name):
    vault, group = vault_name(), server.client_env["AZURE_RESOURCE_GROUP"]
    made = hers.json(f"keyvault create --name {vault} --resource-group {group} --location local --enable-rbac-authorization false")
    [policy] = made["properties"]["accessPolicies"]
    assert (policy["objectId"], policy["tenantId"]) == (owner.person.id, server.tenant)
    assert hers.json(f"keyvault secret set --vault-name {vault} --name {name} --value mine")["value"] == "mine"
    hers.run(f"keyvault delete --name {vault}")
    hers.run(f"keyvault purge --name {vault} --location local")


def test_a_person_makes_a_vault_of_roles_and_gives_themselves_one(server, hers, owner, name):
    vault, group = vault_name(), server.client_env["AZURE_RESOURCE_GROUP"]
    made = hers.json(f"keyvault create --name {vault} --resource-group {group} --location local")
    assert made["properties"]["enableRbacAuthorization"] is True
    assign = f"role assignment create --role 'Key Vault Secrets Officer' --assignee {owner.person.name} --scope {made['id']}"
    given = hers.json(assign)
    assert (given["principalId"], given["principalType"]) == (owner.person.id, "User")
    assert hers.json(f"keyvault secret set --vault-name {vault} --name {name} --value mine")["value"] == "mine"
    hers.run(f"keyvault delete --name {vault}")
    hers.run(f"keyvault purge --name {vault} --location local")


# The directory


def test_who_is_logged_in_is_shown(hers, owner):
    shown = hers.json("ad signed-in-user show")
    assert (shown["id"], shown["userPrincipalName"], shown["displayName"]) == (owner.person.id, owner.person.name, "Olga Owner")
    assert hers.json(f"ad user show --id {owner.person.name}") == shown


@pytest.mark.operation("UserCreate")
@pytest.mark.operation("UserGet")
@pytest.mark.operation("UserList")
@pytest.mark.operation("UserUpdate")
@pytest.mark.operation("UserDelete")
def test_people_are_created_shown_listed_updated_and_deleted(server, hers, login):
    upn, shown_name = People.fresh_name(), f"Ann {uuid.uuid4().hex[:8]}"
    made = hers.json(
        f"ad user create --user-principal-name {upn} --password", "a horse of another colour",
        "--display-name", shown_name, "--mail-nickname", "ann")
    assert (made["userPrincipalName"], made["displayName"]) == (upn, shown_name)
    for who in (upn, made["id"]):
        assert hers.json(f"ad user show --id {who}") == made
    for listed in (("ad user list --upn", upn), ("ad user list --display-name", shown_name)):
        assert [each["id"] for each in hers.json(*listed)] == [made["id"]]
    assert made["id"] in {each["id"] for each in hers.json("ad user list")}
    [filtered] = hers.json("ad user list --filter", f"userPrincipalName eq '{upn}'")
    assert filtered["id"] == made["id"]

    login.tokens(Person(made["id"], upn, "a horse of another colour"))
    changes = "--display-name", f"{shown_name} B", "--force-change-password-next-sign-in", "false"
    hers.run(f"ad user update --id {upn} --password", "a horse of yet another", *changes)
    login.tokens(Person(made["id"], upn, "a horse of yet another"))
    assert hers.json(f"ad user show --id {upn}")["displayName"] == f"{shown_name} B"
    hers.run(f"ad user update --id {upn} --account-enabled false")
    page = Page(login.sign_in(Person(made["id"], upn, "a horse of yet another"), Client()))
    assert page.status == 403 and "not right" in page.alert

    hers.run(f"ad user delete --id {upn}")
    assert hers.json(f"ad user list --upn {upn}") == []
    assert "does not exist" in hers.refused(f"ad user show --id {upn}", exit_code=3)


def test_a_person_who_is_created_must_choose_a_password_when_that_is_asked(server, hers, login):
    upn = People.fresh_name()
    first = "a horse of another colour"
    create = f"ad user create --user-principal-name {upn} --display-name Ben --force-change-password-next-sign-in true"
    made = hers.json(create, "--password", first)
    ben = Person(made["id"], upn, first)
    page = Page(login.sign_in(ben, Client()))
    assert page.heading == "Choose a new password"
    chosen = "words that only I would put together"
    assert login.submit(page, **ben.types(new_password=chosen, repeated_password=chosen)).status_code == 303


def test_a_person_becomes_a_member_of_a_group_and_gets_its_roles(server, hers, directory, people, login, wire, name):
    member, group = people.create(), directory.group(name)
    directory.assign(SECRETS_USER, group, server.vault_scope())
    wire.set_secret(name, "for members")
    theirs = server.wire_with(login.tokens(member)["access_token"])
    assert theirs.get(f"/secrets/{name}").status_code == 403
    hers.run(f"ad group member add --group {name} --member-id {member.id}")
    assert theirs.get(f"/secrets/{name}").json()["value"] == "for members"
    [listed] = hers.json(f"ad group member list --group {name}")
    assert (listed["id"], listed["userPrincipalName"]) == (member.id, member.name)
    assert hers.json(f"ad group member check --group {name} --member-id {member.id}") == {"value": True}
    assert hers.json(f"ad user get-member-groups --id {member.name}") == [{"displayName": name, "id": group}]
    hers.run(f"ad group member remove --group {name} --member-id {member.id}")
    assert theirs.get(f"/secrets/{name}").status_code == 403


def test_a_role_is_assigned_listed_and_taken_away_by_the_name_of_a_person(server, hers, people, login, wire, name):
    who, scope = people.create(), server.vault_scope()
    wire.set_secret(name, "for one")
    theirs = server.wire_with(login.tokens(who)["access_token"])
    made = hers.json(f"role assignment create --role 'Key Vault Secrets User' --assignee {who.name} --scope {scope}")
    assert (made["principalId"], made["principalType"], made["scope"]) == (who.id, "User", scope)
    assert theirs.get(f"/secrets/{name}").json()["value"] == "for one"
    [listed] = hers.json(f"role assignment list --assignee {who.name} --scope {scope}")
    assert (listed["principalName"], listed["principalType"], listed["id"]) == (who.name, "User", made["id"])
    hers.run(f"role assignment delete --assignee {who.name} --role 'Key Vault Secrets User' --scope {scope}")
    assert theirs.get(f"/secrets/{name}").status_code == 403
    assert hers.json(f"role assignment list --assignee {who.name} --scope {scope}") == []
