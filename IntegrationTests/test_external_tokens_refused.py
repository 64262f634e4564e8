"""Bearer tokens of other issuers that are refused: forged, not mapped, no longer mapped, and of issuers that cannot be asked."""

import time
import unicodedata
import uuid
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from requests import Response

from harness import audit
from harness.command_line import CommandLine
from harness.directory import SECRETS_USER, Directory, Identity, done
from harness.hsm_pool import pool_resource
from harness.hsm_server import HsmServer
from harness.keys_jwk import new_rsa
from harness.oidc_issuer import DISCOVERY, USUAL_AUDIENCE, Answer, Issuer, IssuerHost
from harness.people import Person
from harness.tokens import pem_of, signed_hs256, signing_input
from harness.wire import Wire

pytest_plugins = ["harness.people_fixtures"]

# Letters that Unicode writes in two ways.
SUBJECT = "system:café:Kelvin"
# How long an issuer is not asked again, and within what time it must answer.
QUIET, PATIENCE = 30, 10
HUGE = {"padding": "x" * (300 << 10)}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    made = IssuerHost(tmp_path_factory.mktemp("issuers")).start()
    yield made
    made.stop()


def say(member: str, answer):
    """Lets an issuer answer so for its document or its keys; the answer is made from the issuer."""
    return lambda issuer: setattr(issuer, member, lambda: answer(issuer))


FAULTS = {
    "keys-huge": say("say_keys", lambda i: Answer.of({**i.key_set(), **HUGE})),
    "keys-redirected": say("say_keys", lambda i: Answer(b"", 302, {"Location": f"{i.host.url}/elsewhere/keys"})),
    "keys-not-json": say("say_keys", lambda i: Answer(b"<html>")),
    "document-huge": say("say_discovery", lambda i: Answer.of(i.discovery(**HUGE))),
    "document-redirected": say("say_discovery", lambda i: Answer(b"", 307, {"Location": f"{i.host.url}/elsewhere{DISCOVERY}"})),
    "failing": say("say_discovery", lambda i: Answer(b"", 503)),
}


@pytest.fixture(scope="module")
def issuers(host) -> SimpleNamespace:
    """`foreign` and `elsewhere` are not trusted; `beside` is, and knows nobody."""
    made = SimpleNamespace(main=host.issuer("main", new_rsa()))
    for name in ("beside", "rotating", "leaving", "slow", "foreign", "elsewhere"):
        setattr(made, name, host.issuer(name))
    made.slow.say_keys = lambda: Answer.of(made.slow.key_set(), drip=0.5)
    for name, fault in FAULTS.items():
        fault(host.issuer(name))
    return made


@pytest.fixture(scope="module")
def server(binary, tmp_path_factory, host, issuers) -> HsmServer:
    """One of its own, which trusts the issuers."""
    options = [word for name, each in host.issuers.items() if name not in ("foreign", "elsewhere") for word in each.option]
    running = HsmServer(binary, tmp_path_factory.mktemp("external") / "data", *options).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def cli(server) -> CommandLine:
    return server.cli()


def identify(directory: Directory, person: Person, *known: tuple[Issuer, str]) -> None:
    """All that a person is known by elsewhere."""
    identities = [{"signInType": "federated", "issuer": issuer.url, "issuerAssignedId": subject} for issuer, subject in known]
    done(directory.ask("PATCH", f"/users/{person.id}", {"identities": identities}), 204)


def fit(server, issuer: Issuer, **changes) -> str:
    """A token that stands for somebody at the vault."""
    return issuer.token(SUBJECT, aud=server.vault_resource, **changes)


def trust(directory: Directory, application: Identity, issuer: Issuer, subject: str, audience: str) -> str:
    """The id of the credential."""
    body = {"name": f"c-{uuid.uuid4()}", "issuer": issuer.url, "subject": subject, "audiences": [audience]}
    return done(directory.ask("POST", f"/applications/{application.app_id}/federatedIdentityCredentials", body), 201)["id"]


@pytest.fixture(scope="module", autouse=True)
def known(server, people, directory, host) -> Person:
    """Somebody whom every trusted issuer but `beside` knows as `SUBJECT`, and who may read the secrets of `demo`. No test changes them."""
    made = people.create()
    identify(directory, made, *((issuer, SUBJECT) for name, issuer in host.issuers.items() if name != "beside"))
    directory.assign(SECRETS_USER, made.id, server.vault_scope())
    return made


@pytest.fixture(scope="module")
def show(server):
    """Shows a token to the vault as its first request."""
    return lambda token: server.wire_with(token).get("/secrets")


@pytest.fixture(scope="module", autouse=True)
def first_asked(server, known, issuers, show) -> float:
    """When the keys of the issuers that change were asked for first. Now, so that the tests at the end need not wait."""
    assert [show(fit(server, issuer)).status_code for issuer in (issuers.rotating, issuers.leaving)] == [200, 200]
    return time.monotonic()


@pytest.fixture(scope="module", autouse=True)
def slowly(server, known, issuers, show):
    """What is answered, and after how many seconds, where the issuer is slow. Asked early, so that the test need not wait."""

    def ask() -> tuple[Response, float]:
        begun = time.monotonic()
        return show(fit(server, issuers.slow)), time.monotonic() - begun

    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(ask)


def refused(answer: Response, tokens: str = "vault") -> str:
    """A challenge as everybody without a token gets it; why."""
    assert answer.status_code == 401, f"{answer.status_code} {answer.text[:300]}"
    header = answer.headers["WWW-Authenticate"]
    assert header.startswith('Bearer authorization="https://login.') and f"https://{tokens}.localhost" in header, header
    error = answer.json()["error"]
    assert error["code"] in ("Unauthorized", "InvalidAuthenticationToken") and error["message"]
    return error["message"]


# Forged and unfit tokens


def claiming(**changes):
    """Values may be made from the server and the issuers."""

    def make(server, issuers) -> str:
        made = {name: value(server, issuers) if callable(value) else value for name, value in changes.items()}
        return issuers.main.token(**{"subject": SUBJECT, "aud": server.vault_resource, **made})

    return make


def good(server, issuers) -> dict:
    return issuers.main.claims(SUBJECT, aud=server.vault_resource)


def signing(**changes):
    """A good token but for how it is signed."""

    def make(server, issuers) -> str:
        return issuers.main.sign(good(server, issuers), **changes)

    return make


UNFIT = {
    "no-audience": claiming(aud=None),
    "audience-of-the-exchange": claiming(aud=USUAL_AUDIENCE),
    "audience-of-the-pool": claiming(aud=lambda s, i: pool_resource(s)),
    "audience-of-the-management": claiming(aud=lambda s, i: s.management().base),
    "audience-of-one-vault": claiming(aud=lambda s, i: s.vault_url()),
    "audience-a-number": claiming(aud=1),
    "expired": claiming(exp=lambda s, i: int(time.time()) - 61),
    "never-expires": claiming(exp=None),
    "not-yet": claiming(nbf=lambda s, i: int(time.time()) + 90),
    "subject-unknown": claiming(subject="nobody"),
    "no-subject": claiming(sub=None),
    "subject-taken-apart": claiming(subject=unicodedata.normalize("NFD", SUBJECT)),
    "subject-with-the-sign-of-Kelvin": claiming(subject=SUBJECT.replace("K", "\u212a")),
    "subject-in-capitals": claiming(subject=SUBJECT.upper()),
    "methods-as-a-text": claiming(amr="mfa"),
    "issuer-beside": claiming(iss=lambda s, i: i.beside.url),
    "issuer-not-configured": lambda s, i: fit(s, i.foreign),
    "by-an-issuer-that-knows-nobody": lambda s, i: fit(s, i.beside),
    "by-another-issuer-under-its-name": lambda s, i: i.beside.sign(good(s, i), kid="key-1"),
    "by-a-key-of-nobody": signing(key=new_rsa()),
    "by-an-unknown-key": signing(kid="key-2"),
    "PS512": signing(algorithm="PS512"),
    "critical": signing(crit=["exp"]),
    "none": lambda s, i: signing_input({"alg": "none", "kid": "key-1"}, good(s, i)) + ".",
    "HS256-by-the-public-key": lambda s, i: signed_hs256(
        pem_of(i.main.keys["key-1"].public_key()), {"alg": "HS256", "kid": "key-1"}, good(s, i)),
    "changed-afterwards": lambda s, i: ".".join([
        signing_input({"alg": "RS256", "kid": "key-1"}, good(s, i)), fit(s, i.main, jti="another").split(".")[2]]),
    "cut": lambda s, i: fit(s, i.main)[:-8],
    "padded": lambda s, i: fit(s, i.main) + "==",
    "too-long": claiming(padding="x" * 20_000),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_not_wholly_right_is_refused(server, issuers, show, case):
    token = UNFIT[case](server, issuers)
    assert [bool(refused(show(token))) for _ in range(2)] == [True, True]
    assert show(fit(server, issuers.main)).status_code == 200


@pytest.mark.parametrize("shown_to", ["managedhsm", "management", "graph"])
def test_a_token_for_the_vault_opens_no_other_host(server, issuers, show, shown_to):
    token = fit(server, issuers.main)
    base = f"https://{'demohsm.' if shown_to == 'managedhsm' else ''}{shown_to}.localhost:{server.port}"
    path = {"managedhsm": "/keys", "management": "/subscriptions", "graph": "/v1.0/me"}[shown_to]
    refused(Wire(base, server.bundle, token).get(path), shown_to)
    assert show(token).status_code == 200


@pytest.mark.parametrize("size", [900 << 10, 3 << 20], ids=["below-the-limit", "above-the-limit"])
@pytest.mark.parametrize("path", ["/secrets/x", "/secrets/restore"])
def test_the_body_of_a_forged_request_is_not_judged(server, issuers, path, size):
    """Neither what is in it nor how long it is."""
    wire = server.wire_with(issuers.main.sign(good(server, issuers), key=new_rsa()))
    method = "POST" if path.endswith("restore") else "PUT"
    refused(wire.call(method, path, data=b"{" * size, headers={"Content-Type": "application/json"}))


def test_forged_tokens_do_not_make_the_server_ask(server, issuers, show):
    asked = len(issuers.main.asked)
    for number in range(20):
        refused(show(issuers.main.sign(good(server, issuers), kid=f"unknown-{number}")))
    assert len(issuers.main.asked) <= asked + 2 and issuers.foreign.asked == []


def test_a_refusal_is_in_the_log(server, cli, issuers, show):
    begun = audit.now()
    refused(show(issuers.main.token("nobody", aud=server.vault_resource)))
    [record] = [each for each in audit.records(cli, since=begun) if each["operationName"] == "Authentication"]
    assert (record["properties"]["httpStatusCode"], record["identity"]) == (401, {})


# Who is not mapped any more, while a connection remembers the token


@pytest.fixture
def mapped(server, directory, issuers, person, name) -> Wire:
    """A connection that has proven a token of somebody of the test's own, whom `main` knows by the test's name."""
    identify(directory, person, (issuers.main, name))
    directory.assign(SECRETS_USER, person.id, server.vault_scope())
    wire = server.wire_with(issuers.main.token(name, aud=server.vault_resource))
    assert wire.get("/secrets").status_code == 200
    return wire


def test_a_mapping_that_is_removed_opens_nothing_at_once(directory, issuers, person, mapped, name):
    identify(directory, person)
    refused(mapped.get("/secrets"))
    identify(directory, person, (issuers.main, name))
    assert mapped.get("/secrets").status_code == 200


def test_a_mapping_that_is_given_to_another_person_stands_for_them_at_once(people, directory, issuers, person, mapped, name):
    identify(directory, person)
    other = people.create()
    identify(directory, other, (issuers.main, name))
    answer = mapped.get("/secrets")
    assert answer.status_code == 403 and f"oid={other.id};" in answer.json()["error"]["message"]


def test_a_person_who_is_disabled_or_deleted_opens_nothing_at_once(people, person, mapped):
    people.act(person, "disable")
    refused(mapped.get("/secrets"))
    people.act(person, "enable")
    assert mapped.get("/secrets").status_code == 200
    people.delete(person)
    refused(mapped.get("/secrets"))


@pytest.fixture
def application(server, directory, name) -> Identity:
    made = directory.identity(name, "application")
    directory.assign(SECRETS_USER, made.object_id, server.vault_scope())
    return made


def test_an_application_stands_for_just_the_audience_of_its_credential(server, directory, issuers, show, application, name):
    """To the letter, though a person may be meant by any spelling."""
    trust(directory, application, issuers.main, name, "https://vault.azure.net")
    assert show(issuers.main.token(name, aud="https://vault.azure.net")).status_code == 200
    for audience in ("https://vault.azure.net/", "https://VAULT.azure.net", server.vault_resource):
        refused(show(issuers.main.token(name, aud=audience)))


def test_an_application_that_is_disabled_or_has_lost_its_credential_opens_nothing(server, cli, directory, issuers, application, name):
    credential = trust(directory, application, issuers.main, name, server.vault_resource)
    wire = server.wire_with(issuers.main.token(name, aud=server.vault_resource))
    assert wire.get("/secrets").status_code == 200
    cli.run("app", "disable", application.app_id)
    refused(wire.get("/secrets"))
    cli.run("app", "enable", application.app_id)
    assert wire.get("/secrets").status_code == 200
    done(directory.ask("DELETE", f"/applications/{application.app_id}/federatedIdentityCredentials/{credential}"), 204)
    refused(wire.get("/secrets"))


@pytest.mark.parametrize("first", ["person", "application"])
def test_a_token_that_would_stand_for_two_stands_for_nobody(server, directory, issuers, person, application, mapped, name, first):
    other = directory.identity(f"{name}-2", "application")
    if first == "application":
        identify(directory, person)
        trust(directory, application, issuers.main, name, server.vault_resource)
        assert mapped.get("/secrets").status_code == 200
    credential = trust(directory, other, issuers.main, name, server.vault_resource)
    refused(mapped.get("/secrets"))
    done(directory.ask("DELETE", f"/applications/{other.app_id}/federatedIdentityCredentials/{credential}"), 204)
    assert mapped.get("/secrets").status_code == 200


def test_a_token_that_expires_is_forgotten(server, issuers):
    """A minute of skew is given."""
    wire = server.wire_with(issuers.main.token(SUBJECT, aud=server.vault_resource, exp=int(time.time()) - 57))
    assert wire.get("/secrets").status_code == 200
    time.sleep(3.5)
    refused(wire.get("/secrets"))


# Issuers that cannot be asked


@pytest.mark.parametrize("fault", FAULTS)
def test_an_issuer_that_answers_badly_proves_nothing(server, host, issuers, show, fault):
    issuer = host.issuers[fault]
    refused(show(fit(server, issuer)))
    asked = list(issuer.asked)
    assert asked[0] == DISCOVERY and len(asked) <= 2 and issuers.elsewhere.asked == []
    refused(show(fit(server, issuer, jti="another")))
    assert issuer.asked == asked, "it is not asked again at once"


def test_a_slow_issuer_proves_nothing(slowly):
    answer, seconds = slowly.result(30)
    refused(answer)
    assert PATIENCE - 1 < seconds < 2 * PATIENCE


def test_a_new_key_is_found_and_the_old_one_is_forgotten(server, issuers, show, first_asked):
    old, issuer = fit(server, issuers.rotating, jti="old"), issuers.rotating
    issuer.rotate("key-2")
    new = fit(server, issuer)
    time.sleep(max(0.0, first_asked + QUIET + 1 - time.monotonic()))
    assert show(new).status_code == 200
    refused(show(old))


def test_an_issuer_that_is_gone_proves_nothing_new(server, host, issuers, show, first_asked):
    """What was proven stands, and so do the keys it had; it comes last, since nobody can be asked any more."""
    kept = server.wire_with(fit(server, issuers.leaving))
    assert kept.get("/secrets").status_code == 200
    host.stop()
    assert kept.get("/secrets").status_code == 200
    assert show(fit(server, issuers.leaving, jti="new")).status_code == 200
    time.sleep(max(0.0, first_asked + QUIET + 1 - time.monotonic()))
    issuers.leaving.rotate("key-2")
    refused(show(fit(server, issuers.leaving)))
    assert kept.get("/secrets").status_code == 200
    records = audit.records(server.cli())
    assert records and [each for each in records if each["properties"]["httpStatusCode"] >= 500] == []
