"""Bearer tokens of other issuers that are mapped to people and applications: where they open, what holds for them, and what is recorded."""

import json
import time
import uuid
from dataclasses import dataclass
from typing import Callable

import pytest
from azure.core.credentials import AccessToken
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from requests import Response

from harness import audit, http2
from harness.application import Application
from harness.assertions import TYPE
from harness.command_line import CommandLine
from harness.directory import NOBODY, READER, SECRETS_OFFICER, SECRETS_USER, Directory, done, graph_url, refusal
from harness.hsm_pool import pool_resource, pool_url, pool_wire
from harness.hsm_server import HsmServer
from harness.keys_jwk import new_rsa
from harness.oidc_issuer import USUAL_AUDIENCE, Issuer, IssuerHost
from harness.people import Person
from harness.server import Server
from harness.tokens import claims_of
from harness.wire import Wire

pytest_plugins = ["harness.people_fixtures"]

POOL_CRYPTO_USER = "21dbd100-6940-42c2-9190-5d6cb909625b"
SUBJECT, WORKLOAD = "alice at elsewhere", "repo:o/r:ref:refs/heads/main"
# Larger than a body of somebody unknown may be.
LARGE = "A" * (1_500 << 10)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    made = IssuerHost(tmp_path_factory.mktemp("issuers")).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def issuer(host) -> Issuer:
    return host.issuer("main", new_rsa())


@pytest.fixture(scope="module")
def second(host) -> Issuer:
    """Trusted as well, with a key of P-256."""
    return host.issuer("second")


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory, issuer, second) -> HsmServer:
    """One of its own, which trusts the issuers."""
    running = HsmServer(binary, tmp_path_factory.mktemp("external") / "data", *issuer.option, *second.option).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


# Hosts


@dataclass(frozen=True)
class Door:
    """A host: the audiences that mean it, and a call that a reader may make."""

    audiences: Callable[[Server], list[str]]
    url: Callable[[Server], str]
    path: Callable[[Server], str]
    version: str | None = "7.6"

    def wire(self, server: Server, token: str) -> Wire:
        return Wire(self.url(server), server.bundle, token)

    def show(self, server: Server, token: str) -> Response:
        return self.wire(server, token).get(self.path(server), version=self.version)


DOORS = {
    "vault": Door(lambda s: [s.vault_resource, "https://vault.azure.net"], lambda s: s.vault_url(), lambda s: "/secrets"),
    "pool": Door(lambda s: [pool_resource(s), "https://managedhsm.azure.net"], pool_url, lambda s: "/keys"),
    "management": Door(
        lambda s: [f"https://management.localhost:{s.port}", "https://management.azure.com"],
        lambda s: f"https://management.localhost:{s.port}", lambda s: s.vault_scope(), "2023-07-01"),
    "graph": Door(lambda s: [graph_url(s), "https://graph.microsoft.com"], graph_url, lambda s: "/v1.0/users", None),
}


# Who is mapped


def identify(directory: Directory, person: Person, *known: tuple[Issuer, str]) -> Response:
    """All that a person is known by elsewhere."""
    identities = [{"signInType": "federated", "issuer": issuer.url, "issuerAssignedId": subject} for issuer, subject in known]
    return directory.ask("PATCH", f"/users/{person.id}", {"identities": identities})


def trust(directory: Directory, application: Application, issuer: Issuer, subject: str, audience: str, name: str) -> dict:
    body = {"name": name, "issuer": issuer.url, "subject": subject, "audiences": [audience]}
    return done(directory.ask("POST", f"/applications/{application.app_id}/federatedIdentityCredentials", body), 201)


def let_read(server: Server, directory: Directory, principal: str) -> None:
    """At every host."""
    directory.assign(READER, principal, server.subscription_scope)
    directory.assign(SECRETS_OFFICER, principal, server.vault_scope())
    role = f"Microsoft.KeyVault/providers/Microsoft.Authorization/roleDefinitions/{POOL_CRYPTO_USER}"
    body = {"properties": {"roleDefinitionId": role, "principalId": principal}}
    done(pool_wire(server).put(f"/providers/Microsoft.Authorization/roleAssignments/{principal}", json=body), 201)


@pytest.fixture(scope="module")
def known(server, people, directory, issuer) -> Person:
    """Somebody whom the issuer knows as `SUBJECT`, who may read everywhere. No test changes them."""
    made = people.create(displayName="Known Elsewhere")
    done(identify(directory, made, (issuer, SUBJECT)), 204)
    let_read(server, directory, made.id)
    return made


@pytest.fixture(scope="module")
def workload(server, cli, directory, issuer) -> Application:
    """The same for an application: a federated credential for each audience."""
    made = cli.create_application("workload")
    for number, audience in enumerate(each for door in DOORS.values() for each in door.audiences(server)):
        trust(directory, made, issuer, WORKLOAD, audience, f"audience-{number}")
    let_read(server, directory, made.object_id)
    return made


@pytest.fixture
def mapped(directory, issuer, person, name) -> Callable[..., str]:
    """Maps a person of the test's own, and makes tokens that stand for them at the vault."""
    done(identify(directory, person, (issuer, name)), 204)
    return lambda audience, **changes: issuer.token(name, aud=audience, **changes)


# Where they open


@pytest.mark.parametrize("kind", [0, 1], ids=["our-audience", "audience-of-azure"])
@pytest.mark.parametrize("door", DOORS)
def test_a_token_stands_for_a_person_at_the_host_that_it_is_for(server, known, issuer, door, kind):
    answer = DOORS[door].show(server, issuer.token(SUBJECT, aud=DOORS[door].audiences(server)[kind]))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("kind", [0, 1], ids=["our-audience", "audience-of-azure"])
@pytest.mark.parametrize("door", DOORS)
def test_a_token_stands_for_an_application_at_the_host_that_it_is_for(server, workload, issuer, door, kind):
    answer = DOORS[door].show(server, issuer.token(WORKLOAD, aud=DOORS[door].audiences(server)[kind]))
    assert answer.status_code == 200, answer.text


def test_the_directory_tells_a_person_who_they_are(server, known, issuer):
    wire = DOORS["graph"].wire(server, issuer.token(SUBJECT, aud=graph_url(server)))
    me = done(wire.get("/v1.0/me", version=None), 200)
    assert (me["id"], me["userPrincipalName"]) == (known.id, known.name)
    assert me["identities"] == [{"signInType": "federated", "issuer": issuer.url, "issuerAssignedId": SUBJECT}]


def test_a_token_for_several_hosts_opens_each_of_them_again_and_again(server, known, issuer):
    token = issuer.token(SUBJECT, aud=["api://elsewhere", *(door.audiences(server)[0] for door in DOORS.values())])
    for _ in range(2):
        assert {name: door.show(server, token).status_code for name, door in DOORS.items()} == dict.fromkeys(DOORS, 200)


def test_one_person_may_be_known_to_several_issuers(server, directory, issuer, second, person, name):
    done(identify(directory, person, (issuer, name), (second, name)), 204)
    for each in (issuer, second):
        wire = DOORS["graph"].wire(server, each.token(name, aud=graph_url(server)))
        assert done(wire.get("/v1.0/me", version=None), 200)["id"] == person.id


def test_several_credentials_of_one_subject_are_for_one_host_each(server, cli, directory, issuer, name):
    """As `app add-federated --audience` makes them; and the token endpoint has its own."""
    made = cli.create_application(name)
    let_read(server, directory, made.object_id)
    audiences = {"vault": server.vault_resource, "pool": pool_resource(server)}
    for called, audience in audiences.items():
        cli.run("app", "add-federated", made.app_id, "--issuer", issuer.url, "--subject", name, "--audience", audience, "--name", called)
    cli.run("app", "add-federated", made.app_id, "--issuer", issuer.url, "--subject", name, "--name", "exchange")
    opened = {
        (door, called): DOORS[door].show(server, issuer.token(name, aud=audience)).status_code
        for door in DOORS for called, audience in audiences.items()}
    assert opened == {(door, called): 200 if door == called else 401 for door in DOORS for called in audiences}
    form = {
        "grant_type": "client_credentials", "client_id": made.app_id, "client_assertion_type": TYPE,
        "client_assertion": issuer.token(name, aud=USUAL_AUDIENCE), "scope": f"{server.vault_resource}/.default"}
    answer = server.request_token(form)
    assert answer.status_code == 200, answer.text
    assert claims_of(answer.json()["access_token"])["appid"] == made.app_id


# Clients


class Held:
    """A credential that has a token, and gets no other."""

    def __init__(self, token: str):
        self._token = token

    def get_token(self, *_, **__) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + 300)


def test_the_azure_clients_bring_such_tokens(server, workload, issuer, name):
    held = Held(issuer.token(WORKLOAD, aud=server.vault_resource))
    with SecretClient(server.vault_url(), held, connection_verify=server.bundle) as client:
        client.set_secret(name, "from elsewhere")
        assert client.get_secret(name).value == "from elsewhere"
    held = Held(issuer.token(WORKLOAD, aud=pool_resource(server)))
    with KeyClient(pool_url(server), held, connection_verify=server.bundle) as client:
        assert isinstance(list(client.list_properties_of_keys()), list)


@pytest.fixture
def unseen(server, workload, issuer) -> str:
    """A token that no request has shown before."""
    return issuer.token(WORKLOAD, aud=server.vault_resource, jti=str(uuid.uuid4()))


def test_the_first_request_may_have_a_body(server, unseen, name):
    assert server.wire_with(unseen).set_secret(name, "v" * 20_000)["value"] == "v" * 20_000


def test_the_first_request_may_have_a_body_by_http2(server, unseen, name):
    with http2.Connection(server) as connection:
        headers = (("authorization", f"Bearer {unseen}"), ("content-type", "application/json"))
        stream = connection.get("PUT", f"/secrets/{name}?api-version=7.4", *headers, body=b'{"value":"by http2"}')
    assert stream.status == 200 and server.wire().get(f"/secrets/{name}").json()["value"] == "by http2"


def test_whoever_is_known_may_send_a_body_as_large_as_others(server, unseen):
    """A backup may be larger than what somebody unknown may send."""
    wire = server.wire_with(unseen)
    assert wire.get("/secrets").status_code == 200
    assert wire.post("/secrets/restore", json={"value": LARGE}).status_code == 400


# What holds for them


def test_a_token_gives_nothing_but_the_roles_of_whom_it_stands_for(server, directory, issuer, person, mapped):
    wire = server.wire_with(mapped(server.vault_resource))
    refused = wire.get("/secrets")
    assert refused.status_code == 403 and refused.json()["error"]["innererror"] == {"code": "ForbiddenByRbac"}
    assert f"oid={person.id};iss={issuer.url}" in refused.json()["error"]["message"]
    assignment = directory.assign(SECRETS_USER, person.id, server.vault_scope())
    assert wire.get("/secrets").status_code == 200
    assert wire.put("/secrets/x", json={"value": "v"}).status_code == 403
    directory.unassign(assignment)
    assert wire.get("/secrets").status_code == 403


def test_groups_count_at_once(server, directory, person, mapped, name):
    wire = server.wire_with(mapped(server.vault_resource))
    assert wire.get("/secrets").status_code == 403
    inner, outer = directory.chain(name, 2, person.id)
    directory.assign(SECRETS_USER, outer, server.vault_scope())
    assert wire.get("/secrets").status_code == 200
    directory.remove(inner, person.id)
    assert wire.get("/secrets").status_code == 403


@pytest.fixture(params=["role", "scope"])
def demanding(request, server, people):
    """The vault, or the role that all of them have there, asks people for a second factor."""
    chosen = {"role": {"roles": [SECRETS_OFFICER]}, "scope": {"scopes": [server.vault_scope()]}}[request.param]
    done(people.management.put("/strongroom/mfaDemands", version=None, json={"roles": [], "scopes": [], **chosen}), 200)
    yield
    done(people.management.put("/strongroom/mfaDemands", version=None, json={"roles": [], "scopes": []}), 200)


@pytest.mark.parametrize(
    ("methods", "is_enough"), [(None, False), ([], False), (["pwd"], False), (["MFA"], False), (["pwd", "mfa"], True)], ids=str)
def test_a_second_factor_is_what_the_issuer_says_it_asked_for(server, known, issuer, demanding, methods, is_enough):
    answer = DOORS["vault"].show(server, issuer.token(SUBJECT, aud=server.vault_resource, amr=methods))
    if is_enough:
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == 401 and 'error="insufficient_claims"' in answer.headers["WWW-Authenticate"]


def test_applications_are_not_asked_for_a_second_factor(server, workload, issuer, demanding):
    assert DOORS["vault"].show(server, issuer.token(WORKLOAD, aud=server.vault_resource)).status_code == 200


# The log


@pytest.mark.parametrize("kind", ["user", "app"])
def test_the_log_tells_who_it_was_and_who_says_so(server, cli, known, workload, issuer, kind):
    subject, who = (SUBJECT, known.id) if kind == "user" else (WORKLOAD, workload.object_id)
    token, begun = issuer.token(subject, aud=server.vault_resource), audit.now()
    assert DOORS["vault"].show(server, token).status_code == 200
    [record] = [each for each in audit.records(cli, since=begun) if each["operationName"] == "SecretList"]
    claim = record["identity"]["claim"]
    assert (claim["oid"], claim["idtyp"]) == (who, kind)
    assert issuer.url in json.dumps(record["identity"]), "the record does not tell the issuer"


def test_no_token_is_written_anywhere(server, cli, known, issuer):
    good, bad = (issuer.token(subject, aud=server.vault_resource) for subject in (SUBJECT, "nobody"))
    begun = audit.now()
    assert [DOORS["vault"].show(server, token).status_code for token in (good, bad)] == [200, 401]
    written = json.dumps(audit.records(cli, since=begun)) + server.output.text() + server.errors.text()
    assert [part for token in (good, bad) for part in token.split(".")[1:] if part in written] == []


# Looking after it


def test_the_command_line_maps_a_person(server, cli, directory, issuer, second, person, name):
    def opened(by: Issuer) -> int:
        return DOORS["graph"].wire(server, by.token(name, aud=graph_url(server))).get("/v1.0/me", version=None).status_code

    seen = []
    for options in (["--issuer", issuer.url, "--subject", name], ["--issuer", second.url, "--subject", name], []):
        assert cli.run("user", "set-identity", person.name, *options).stderr == ""
        seen.append((opened(issuer), opened(second)))
    assert seen == [(200, 401), (401, 200), (401, 401)]
    assert directory.get(f"/users/{person.id}")["identities"] == []


def test_the_command_line_wants_both_or_neither(cli, person, issuer):
    for option in (["--issuer", issuer.url], ["--subject", "x"]):
        assert "both" in cli.run("user", "set-identity", person.name, *option, exit_code=64).stderr
    assert cli.run("user", "set-identity", NOBODY, "--issuer", issuer.url, "--subject", "x", exit_code=1).stderr


def test_an_identity_is_of_one_person(directory, issuer, known, person):
    assert refusal(identify(directory, person, (issuer, SUBJECT)))[0] == 409
    assert directory.get(f"/users/{person.id}")["identities"] == []


def test_who_is_mapped_outlasts_a_restart(server, known, workload, issuer):
    server.kill()
    server.start()
    for subject in (SUBJECT, WORKLOAD):
        assert DOORS["vault"].show(server, issuer.token(subject, aud=server.vault_resource)).status_code == 200
