"""Tokens of other issuers stand for applications: with the Azure clients and `az`, against forged tokens, with issuers that misbehave."""

import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from azure.identity import CertificateCredential, ClientAssertionCredential, DefaultAzureCredential, ManagedIdentityCredential
from azure.identity import WorkloadIdentityCredential
from azure.identity.aio import ClientAssertionCredential as AsyncClientAssertionCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential
from azure.identity.aio import WorkloadIdentityCredential as AsyncWorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets.aio import SecretClient as AsyncSecretClient

from harness import audit
from harness.application import Application
from harness.assertions import TYPE, identity
from harness.azure_cli import LoadedAzureCLI
from harness.command_line import CommandLine
from harness.directory import SECRETS_OFFICER, Directory, Identity, done
from harness.hsm_server import HsmServer
from harness.keys_jwk import new_ec, new_rsa
from harness.oidc_issuer import DISCOVERY, USUAL_AUDIENCE, Answer, Issuer, IssuerHost, public_jwk
from harness.ports import free_port
from harness.production import NAMES, Production
from harness.server import Server
from harness.tokens import claims_of, decode, encode, pem_of, signed_hs256, signing_input

SUBJECT = "system:serviceaccount:default:worker"
NOBODY = "11111111-1111-4111-8111-111111111111"
HUGE = {"padding": "x" * (300 << 10)}
# How long the keys of an issuer are kept before a token that names another makes the server ask again.
QUIET = 30


# Issuers that answer badly: what is wrong with the discovery document or the keys.


def discovery(**changes):
    def change(issuer: Issuer) -> None:
        document = {name: value for name, value in issuer.discovery(**changes).items() if value is not None}
        issuer.say_discovery = lambda: Answer.of(document)

    return change


def say(discovery: Answer | None = None, keys: Answer | None = None):
    def change(issuer: Issuer) -> None:
        if discovery is not None:
            issuer.say_discovery = lambda: discovery
        if keys is not None:
            issuer.say_keys = lambda: keys

    return change


def names_keys_at(make):
    """`jwks_uri` made from the issuer."""

    def change(issuer: Issuer) -> None:
        issuer.say_discovery = lambda: Answer.of(issuer.discovery(jwks_uri=make(issuer)))

    return change


def redirects(path: str):
    def change(issuer: Issuer) -> None:
        answer = Answer(b"", 302, {"Location": f"{issuer.host.url}/elsewhere{path}"})
        (say(discovery=answer) if path == DISCOVERY else say(keys=answer))(issuer)

    return change


FAULTS = {
    "no-document": say(discovery=Answer(b"{}", 404)),
    "server-error": say(discovery=Answer(b"{}", 500)),
    "not-json": say(discovery=Answer(b"<html>")),
    "an-array": say(discovery=Answer.of([])),
    "empty": say(discovery=Answer(b"")),
    "nested": say(discovery=Answer(b'{"a":' * 5_000)),
    "huge": say(discovery=Answer.of(HUGE)),
    "redirected": redirects(DISCOVERY),
    "another-issuer": discovery(issuer="https://elsewhere.example"),
    "no-issuer": discovery(issuer=None),
    "no-keys-named": discovery(jwks_uri=None),
    "plain-keys": names_keys_at(lambda issuer: f"http://localhost:{issuer.host.port}/{issuer.name}/keys"),
    "file-of-keys": discovery(jwks_uri="file:///etc/passwd"),
    "no-address-of-keys": discovery(jwks_uri="keys"),
    "wrong-name-in-certificate": names_keys_at(lambda issuer: f"https://127.0.0.1:{issuer.host.port}/{issuer.name}/keys"),
    "nobody-has-the-keys": names_keys_at(lambda issuer: f"https://localhost:{free_port()}/keys"),
    "no-keys": say(keys=Answer(b"{}", 404)),
    "keys-not-json": say(keys=Answer(b"<html>")),
    "keys-an-array": say(keys=Answer.of([])),
    "keys-huge": say(keys=Answer.of({"keys": [], **HUGE})),
    "keys-redirected": redirects("/keys"),
}


def keys(make):
    """Keys made from the one that the issuer signs with."""

    def change(issuer: Issuer) -> None:
        shown = make(public_jwk(issuer.keys["key-1"], "key-1"))
        issuer.say_keys = lambda: Answer.of({"keys": shown})

    return change


def weak(issuer: Issuer) -> None:
    issuer.keys = {"key-1": new_rsa(1_024)}


KEY_SETS = {
    "no-key": keys(lambda key: []),
    "another-kid": keys(lambda key: [{**key, "kid": "key-2"}]),
    "no-kid": keys(lambda key: [{name: value for name, value in key.items() if name != "kid"}]),
    "for-encryption": keys(lambda key: [{**key, "use": "enc"}]),
    "symmetric": keys(lambda key: [{"kty": "oct", "kid": "key-1", "k": "AAAA"}]),
    "another-curve": keys(lambda key: [{**key, "crv": "P-384"}]),
    "not-on-the-curve": keys(lambda key: [{**key, "x": key["y"]}]),
    "another-key": keys(lambda key: [public_jwk(new_ec(), "key-1")]),
    "weak-key": weak,
}


# The server of this module, and who logs in


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    made = IssuerHost(tmp_path_factory.mktemp("issuers")).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def released():
    """Set when issuers that let others wait may go on."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(scope="module")
def issuers(host, released) -> SimpleNamespace:
    """`main` signs with RSA; `foreign` and `elsewhere` are not trusted."""
    made = SimpleNamespace(main=host.issuer("main", new_rsa()))
    for name in ("second", "foreign", "elsewhere", "rotating", "failing", "crowded", "kinds"):
        setattr(made, name, host.issuer(name))
    made.kinds.keys = {"rsa": new_rsa(3_072), "p256": new_ec(), "p384": new_ec("P-384")}
    for name, change in {**FAULTS, **KEY_SETS}.items():
        change(host.issuer(name))
    host.issuer("slow").say_discovery = lambda: Answer(b"{}", hold=lambda: released.wait(60))
    host.issuer("slow-keys").say_keys = lambda: Answer(b"{}", hold=lambda: released.wait(60))
    host.issuer("dripping").say_discovery = lambda: Answer.of(HUGE, drip=0.5)
    host.issuer("reported").say_discovery = lambda: Answer(b"", 503)
    made.slow = [host.issuers[name] for name in ("slow", "slow-keys", "dripping")]
    return made


@pytest.fixture(scope="module")
def strange_ca(tmp_path_factory) -> Path:
    """The authority of another host."""
    return IssuerHost(tmp_path_factory.mktemp("strange")).ca_file


@pytest.fixture(scope="module")
def home(binary, tmp_path_factory, host, issuers, strange_ca):
    """A server that trusts the issuers."""
    trusted = [each for name, each in host.issuers.items() if name not in ("foreign", "elsewhere")]
    options = [word for each in trusted for word in each.option]
    options += ["--federation-issuer", f"{host.url}/strange-ca,{strange_ca}", "--federation-issuer", f"{host.url}/system-ca"]
    options += ["--federation-issuer", f"https://localhost:{free_port()}/nobody,{host.ca_file}"]
    running = HsmServer(binary, tmp_path_factory.mktemp("home") / "data", *options).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def directory(home) -> Directory:
    return Directory.of(home)


def credential_name(issuer: Issuer, subject: str) -> str:
    return re.sub("[^0-9A-Za-z]+", "-", f"{issuer.name}-{subject}")


def trust(directory: Directory, application: Application | Identity, issuer: Issuer, subject: str = SUBJECT, **members) -> dict:
    """Lets an issuer and a subject stand for an application."""
    body = {"name": credential_name(issuer, subject), "issuer": issuer.url, "subject": subject, **members}
    return done(directory.ask("POST", f"/applications/{application.app_id}/federatedIdentityCredentials", body), 201)


@pytest.fixture(scope="module")
def worker(home, directory, issuers) -> Application:
    """May read and set secrets of `demo`. `main`, `rotating` and others vouch for it."""
    cli = home.cli()
    made = cli.create_application("worker")
    cli.assign(made, "Key Vault Secrets Officer", home.vault_scope())
    cli.run("app", "add-federated", made.app_id, "--issuer", issuers.main.url, "--subject", SUBJECT, "--name", "main")
    for issuer in (issuers.rotating, issuers.failing, issuers.crowded, issuers.kinds):
        trust(directory, made, issuer)
    return made


@pytest.fixture(scope="module", autouse=True)
def first_asked(home, worker, issuers) -> float:
    """When the keys of the issuers that change were asked for first. Now, so that the tests at the end need not wait."""
    for issuer in (issuers.rotating, issuers.failing):
        assert ask(home, issuer.token(SUBJECT), worker).status_code == 200
    return time.monotonic()


@pytest.fixture
def other(directory, issuers, name) -> Identity:
    """Another application; `main` vouches for it by a subject of its own, which is its name."""
    made = directory.identity(name, "application")
    trust(directory, made, issuers.main, name)
    return made


def ask(server: Server, token: str, client: Application | Identity | str | None, **form) -> requests.Response:
    named = client if isinstance(client, str) or client is None else client.app_id
    fields = {
        "grant_type": "client_credentials", "client_id": named, "client_assertion_type": TYPE, "client_assertion": token,
        "scope": f"{server.vault_resource}/.default", **form,
    }
    return server.request_token({name: value for name, value in fields.items() if value is not None})


def access_token(answer: requests.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def refused(answer: requests.Response, code: int) -> str:
    """What a refused client is told; nothing of the server's own is in it."""
    assert answer.status_code == 401, f"{answer.status_code} {answer.text[:500]}"
    body = answer.json()
    assert (body["error"], body["error_codes"]) == ("invalid_client", [code]), answer.text[:500]
    assert body["error_description"].startswith(f"AADSTS{code}: ") and "access_token" not in body
    assert answer.headers["WWW-Authenticate"]
    return body["error_description"]


# Issuers that let others wait; asked first, so that the test that needs their answers need not wait


@pytest.fixture(scope="module")
def waiting(home, worker, issuers):
    """What clients are answered whose issuers are slow, and after how many seconds."""

    def patiently(issuer: Issuer) -> tuple[requests.Response, float]:
        begun = time.monotonic()
        return ask(home, issuer.token(SUBJECT), worker), time.monotonic() - begun

    with ThreadPoolExecutor(len(issuers.slow)) as threads:
        yield [threads.submit(patiently, issuer) for issuer in issuers.slow]


def test_slow_issuers_keep_nobody_else_waiting(home, worker, issuers, waiting):
    while not all(issuer.asked for issuer in issuers.slow):
        assert not any(each.done() for each in waiting)
        time.sleep(0.02)
    for _ in range(3):
        wire = home.wire_with(access_token(ask(home, issuers.main.token(SUBJECT), worker)))
        assert wire.get("/secrets").status_code == 200
    assert not any(each.done() for each in waiting)


# The Azure clients, unmodified


@pytest.fixture
def token_file(issuers, tmp_path) -> Path:
    path = tmp_path / "token"
    path.write_text(issuers.main.token(SUBJECT))
    return path


@pytest.fixture
def pod(monkeypatch, home, worker, token_file) -> dict:
    """The environment of a pod with workload identity; what a credential needs beside it for a server of our own."""
    for variable in ("AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_TOKEN_CREDENTIALS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", home.login)
    monkeypatch.setenv("AZURE_TENANT_ID", worker.tenant)
    monkeypatch.setenv("AZURE_CLIENT_ID", worker.app_id)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(token_file))
    return {"disable_instance_discovery": True, "connection_verify": home.bundle}


def sets_a_secret(home: Server, credential, name: str) -> None:
    with SecretClient(home.vault_url(), credential, connection_verify=home.bundle) as client:
        client.set_secret(name, "by federation")
        assert client.get_secret(name).value == "by federation"


async def sets_a_secret_asynchronously(home: Server, credential, name: str) -> None:
    async with credential, AsyncSecretClient(home.vault_url(), credential, connection_verify=home.bundle) as client:
        await client.set_secret(name, "by federation")
        assert (await client.get_secret(name)).value == "by federation"


@pytest.mark.parametrize("kind", [WorkloadIdentityCredential, DefaultAzureCredential, ManagedIdentityCredential])
def test_a_client_finds_its_token_by_the_environment(home, worker, pod, name, kind):
    credential = kind(**pod)
    sets_a_secret(home, credential, name)
    assert claims_of(credential.get_token(f"{home.vault_resource}/.default").token)["appid"] == worker.app_id


@pytest.mark.parametrize("kind", [AsyncWorkloadIdentityCredential, AsyncDefaultAzureCredential])
async def test_an_asynchronous_client_finds_its_token_by_the_environment(home, pod, name, kind):
    await sets_a_secret_asynchronously(home, kind(**pod), name)


def test_a_client_is_told_where_its_token_is(home, worker, token_file, name):
    credential = WorkloadIdentityCredential(
        tenant_id=worker.tenant, client_id=worker.app_id, token_file_path=str(token_file), authority=home.login,
        disable_instance_discovery=True, connection_verify=home.bundle)
    sets_a_secret(home, credential, name)


def test_a_client_makes_an_assertion_whenever_it_needs_one(home, worker, issuers, name):
    credential = ClientAssertionCredential(
        worker.tenant, worker.app_id, lambda: issuers.main.token(SUBJECT), authority=home.login, disable_instance_discovery=True,
        connection_verify=home.bundle)
    sets_a_secret(home, credential, name)


async def test_an_asynchronous_client_makes_an_assertion_whenever_it_needs_one(home, worker, issuers, name):
    credential = AsyncClientAssertionCredential(
        worker.tenant, worker.app_id, lambda: issuers.main.token(SUBJECT), authority=home.login, disable_instance_discovery=True,
        connection_verify=home.bundle)
    await sets_a_secret_asynchronously(home, credential, name)


def test_a_client_is_told_why_its_token_does_not_do(home, issuers, pod, token_file):
    token_file.write_text(issuers.main.token("system:serviceaccount:default:another"))
    with pytest.raises(Exception, match="AADSTS700213"):
        WorkloadIdentityCredential(**pod).get_token(f"{home.vault_resource}/.default")


# The Azure CLI, unmodified


@pytest.fixture
def az(home, tmp_path):
    """An `az` that knows the cloud and has not logged in."""
    with LoadedAzureCLI(home, tmp_path) as loaded:
        loaded.register()
        yield loaded


def test_az_logs_in_with_a_federated_token(home, worker, issuers, az, name):
    login = f"login --service-principal --username {worker.app_id} --tenant {worker.tenant}"
    said = az.refused(login, "--federated-token", issuers.main.token("system:serviceaccount:default:another"))
    assert "AADSTS700213: No matching federated identity record found" in said
    assert "AADSTS700211" in az.refused(login, "--federated-token", issuers.foreign.token(SUBJECT))
    assert az.json("account list") == []

    [account] = az.json(login, "--federated-token", issuers.main.token(SUBJECT))
    assert (account["user"], account["tenantId"]) == ({"name": worker.app_id, "type": "servicePrincipal"}, home.tenant)
    assert az.json(f"keyvault secret set --vault-name demo --name {name} --value federated")["value"] == "federated"
    assert az.json(f"keyvault secret show --vault-name demo --name {name}")["value"] == "federated"


# On the wire


def test_a_token_stands_for_the_application(home, worker, issuers):
    token = access_token(ask(home, issuers.main.token(SUBJECT), worker))
    claims = claims_of(token)
    assert (claims["appid"], claims["oid"], claims["tid"]) == (worker.app_id, worker.object_id, worker.tenant)
    assert claims["iss"] == f"{home.login}/{home.tenant}/" and SUBJECT not in json.dumps(claims)
    assert home.wire_with(token).get("/secrets").status_code == 200


@pytest.mark.parametrize(
    ("kid", "algorithm"),
    [("rsa", "RS256"), ("rsa", "RS384"), ("rsa", "RS512"), ("rsa", "PS256"), ("p256", "ES256"), ("p384", "ES384")])
def test_every_algorithm_of_issuers_holds(home, worker, issuers, kid, algorithm):
    issuer = issuers.kinds
    token = issuer.sign(issuer.claims(SUBJECT), algorithm, issuer.keys[kid], kid=kid)
    access_token(ask(home, token, worker))
    head, body, signature = token.split(".")
    spoiled = decode(signature)
    spoiled = spoiled[:-1] + bytes([spoiled[-1] ^ 1])
    refused(ask(home, f"{head}.{body}.{encode(spoiled)}", worker), 700_027)


ACCEPTED = {
    "several audiences": {"aud": ["https://elsewhere.example", USUAL_AUDIENCE]},
    "one audience in a list": {"aud": [USUAL_AUDIENCE]},
    "no beginning": {"nbf": None},
    "no time of issue": {"iat": None},
    "fractions of seconds": {"exp": lambda now: now + 600.5, "nbf": lambda now: now - 0.5},
    "ended within the skew": {"exp": lambda now: now - 20},
    "begins within the skew": {"nbf": lambda now: now + 30},
    "claims of Kubernetes": {"kubernetes.io": {"namespace": "default", "pod": {"name": "p", "uid": NOBODY}}},
    "a long token": {"groups": ["x" * 100] * 100},
}


@pytest.mark.parametrize("changes", ACCEPTED.values(), ids=ACCEPTED)
def test_a_token_need_not_be_as_ours(home, worker, issuers, changes):
    access_token(ask(home, changed(**changes)(issuers), worker))


def test_a_token_serves_as_often_as_it_is_shown(home, worker, issuers):
    token = issuers.main.token(SUBJECT, jti="the same each time")
    assert [ask(home, token, worker).status_code for _ in range(3)] == [200, 200, 200]


def test_the_form_of_version_1_works_alike(home, worker, issuers):
    form = {
        "grant_type": "client_credentials", "client_id": worker.app_id.upper(), "client_assertion_type": TYPE,
        "client_assertion": issuers.main.token(SUBJECT), "resource": home.vault_resource,
    }
    answer = home.request_token(form, path="/oauth2/token")
    assert claims_of(access_token(answer))["appid"] == worker.app_id and answer.json()["resource"] == home.vault_resource


def test_a_credential_may_want_another_audience(home, directory, issuers, other):
    trust(directory, other, issuers.main, "by audience", audiences=["https://github.com/an-organization"])
    told = refused(ask(home, issuers.main.token("by audience"), other), 700_212)
    assert "'https://github.com/an-organization'" in told
    access_token(ask(home, issuers.main.token("by audience", aud="https://github.com/an-organization"), other))


@pytest.mark.parametrize("client", [None, "", "worker", "not-a-guid"])
def test_the_form_must_name_the_client(home, issuers, client):
    answer = ask(home, issuers.main.token(SUBJECT), client)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [900_144])


CONTRADICTIONS = [
    {"client_assertion_type": None}, {"client_assertion_type": "jwt"}, {"client_secret": "x"}, {"grant_type": "password"},
    {"scope": "https://elsewhere.example/.default"}, {"scope": None},
]


@pytest.mark.parametrize("form", CONTRADICTIONS, ids=str)
def test_a_form_that_cannot_be_met_is_refused(home, worker, issuers, form):
    answer = ask(home, issuers.main.token(SUBJECT), worker, **form)
    assert answer.status_code == 400 and "access_token" not in answer.text


# Forged, confused and malformed


def with_own_key(issuers, **header) -> str:
    """Signed by a key that the header itself brings."""
    forger = new_rsa()
    brought = {"jwk": public_jwk(forger, "key-1"), "jku": f"{issuers.elsewhere.url}/keys", "x5u": f"{issuers.elsewhere.url}/keys"}
    chosen = {name: brought.get(name, value) if value is ... else value for name, value in header.items()}
    return issuers.main.sign(issuers.main.claims(SUBJECT), key=forger, **chosen)


def twice(issuers, member: str, value: object) -> str:
    """The claims with one more behind them."""
    text = json.dumps(issuers.main.claims(SUBJECT))[:-1] + f", {json.dumps(member)}: {json.dumps(value)}}}"
    return issuers.main.sign(text.encode())


def unsigned(issuers, algorithm: str) -> str:
    return signing_input({"alg": algorithm, "kid": "key-1", "typ": "JWT"}, issuers.main.claims(SUBJECT)) + "."


def keyed(issuers, secret: bytes) -> str:
    return signed_hs256(secret, {"alg": "HS256", "kid": "key-1", "typ": "JWT"}, issuers.main.claims(SUBJECT))


def swapped(issuers) -> str:
    first, second = issuers.main.token("another").split("."), issuers.main.token(SUBJECT).split(".")
    return ".".join([second[0], second[1], first[2]])


def signature(issuers, change) -> str:
    head, body, proof = issuers.main.token(SUBJECT).split(".")
    return f"{head}.{body}.{change(proof)}"


def changed(**claims):
    """A token with other claims; those that depend on the time are made from it, in whole seconds, when the token is."""

    def make(issuers) -> str:
        now = int(time.time())
        return issuers.main.token(SUBJECT, **{name: value(now) if callable(value) else value for name, value in claims.items()})

    return make


def header(**members):
    return lambda issuers: issuers.main.sign(issuers.main.claims(SUBJECT), **members)


def labelled(algorithm: str):
    """Signed by RS256, whatever the header says."""

    def make(issuers) -> str:
        text = signing_input({"alg": algorithm, "kid": "key-1"}, issuers.main.claims(SUBJECT))
        return f"{text}.{issuers.main.token(SUBJECT).split('.')[2]}"

    return make


MALFORMED, ALGORITHM, TIME, PROOF = 50_027, 5_002_738, 700_024, 700_027
ISSUER, AUDIENCE, NO_RECORD = 700_211, 700_212, 700_213

FORGED = {
    # Algorithms
    "none": (lambda i: unsigned(i, "none"), ALGORITHM),
    "none in capitals": (lambda i: unsigned(i, "NONE"), ALGORITHM),
    "none with a signature": (labelled("none"), ALGORITHM),
    "keyed by the public key as PEM": (lambda i: keyed(i, pem_of(i.main.keys["key-1"].public_key())), ALGORITHM),
    "keyed by the modulus": (lambda i: keyed(i, decode(public_jwk(i.main.keys["key-1"], "")["n"])), ALGORITHM),
    "keyed by nothing": (lambda i: keyed(i, b""), ALGORITHM),
    "EdDSA": (labelled("EdDSA"), ALGORITHM),
    "PS384": (labelled("PS384"), ALGORITHM),
    "ES512": (labelled("ES512"), ALGORITHM),
    "algorithm in small letters": (labelled("rs256"), ALGORITHM),
    "another hash than signed": (labelled("RS512"), PROOF),
    "another padding than signed": (labelled("PS256"), PROOF),
    "curve for an RSA key": (labelled("ES256"), PROOF),
    "no algorithm": (lambda i: f"{signing_input({'kid': 'key-1'}, i.main.claims(SUBJECT))}.AAAA", MALFORMED),
    "algorithm as a list": (lambda i: f"{signing_input({'alg': ['RS256']}, i.main.claims(SUBJECT))}.AAAA", MALFORMED),
    # Signatures
    "signed by another key": (lambda i: i.main.sign(i.main.claims(SUBJECT), key=new_rsa()), PROOF),
    "no signature": (lambda i: signature(i, lambda proof: ""), PROOF),
    "half a signature": (lambda i: signature(i, lambda proof: encode(decode(proof)[:128])), PROOF),
    "zero as signature": (lambda i: signature(i, lambda proof: encode(bytes(256))), PROOF),
    "signature of other claims": (swapped, PROOF),
    "zeros on a curve": (lambda i: i.kinds.sign(i.kinds.claims(SUBJECT), "ES256", i.kinds.keys["p256"], kid="p256").rpartition(".")[0]
                         + "." + encode(bytes(64)), PROOF),
    "signature of other letters": (lambda i: signature(i, lambda proof: "*" + proof[1:]), MALFORMED),
    # Keys
    "no kid": (header(kid=None), PROOF),
    "unknown kid": (header(kid="key-2"), PROOF),
    "empty kid": (header(kid=""), PROOF),
    "path as kid": (header(kid="../../../etc/passwd"), PROOF),
    "kid as a number": (header(kid=1), MALFORMED),
    "key in the header": (lambda i: with_own_key(i, jwk=...), PROOF),
    "key in the header without kid": (lambda i: with_own_key(i, jwk=..., kid=None), PROOF),
    "key set in the header": (lambda i: with_own_key(i, jku=...), PROOF),
    "certificate in the header": (lambda i: with_own_key(i, x5u=..., x5c=["AAAA"]), PROOF),
    "critical": (header(crit=["b64"], b64=False), ALGORITHM),
    "critical and unknown": (header(crit=["exp"], exp=1), ALGORITHM),
    "critical nothing": (header(crit=[]), ALGORITHM),
    "critical text": (header(crit="b64"), ALGORITHM),
    # Times
    "ended": (changed(exp=lambda now: now - 300), TIME),
    "ended long ago": (changed(exp=1), TIME),
    "no end": (changed(exp=None), TIME),
    "negative end": (changed(exp=-1), TIME),
    "end beyond numbers": (changed(exp=1e300), TIME),
    "end in words": (changed(exp="tomorrow"), MALFORMED),
    "end as text": (changed(exp=lambda now: str(now + 600)), MALFORMED),
    "not begun": (changed(nbf=lambda now: now + 3_600, exp=lambda now: now + 7_200), TIME),
    "beginning in words": (changed(nbf="now"), MALFORMED),
    # Issuers
    "not trusted": (lambda i: i.foreign.token(SUBJECT), ISSUER),
    "trusted name, other issuer": (lambda i: i.foreign.token(SUBJECT, iss=i.main.url), PROOF),
    "name of another trusted issuer": (lambda i: i.main.token(SUBJECT, iss=i.second.url), PROOF),
    "subject of another issuer": (lambda i: i.second.token(SUBJECT), NO_RECORD),
    "issuer with a slash": (lambda i: i.main.token(SUBJECT, iss=i.main.url + "/"), ISSUER),
    "issuer in capitals": (lambda i: i.main.token(SUBJECT, iss=i.main.url.replace("localhost", "LOCALHOST")), ISSUER),
    "issuer with a question": (lambda i: i.main.token(SUBJECT, iss=i.main.url + "?a=b"), ISSUER),
    "issuer by http": (lambda i: i.main.token(SUBJECT, iss=i.main.url.replace("https", "http")), MALFORMED),
    "no issuer": (changed(iss=None), MALFORMED),
    "issuer in a list": (lambda i: i.main.token(SUBJECT, iss=[i.main.url]), MALFORMED),
    # Subjects
    "another subject": (lambda i: i.main.token("system:serviceaccount:default:another"), NO_RECORD),
    "subject in capitals": (lambda i: i.main.token(SUBJECT.upper()), NO_RECORD),
    "beginning of the subject": (lambda i: i.main.token(SUBJECT[:-1]), NO_RECORD),
    "longer than the subject": (lambda i: i.main.token(SUBJECT + " "), NO_RECORD),
    "subject with a wildcard": (lambda i: i.main.token("system:serviceaccount:*"), NO_RECORD),
    "empty subject": (lambda i: i.main.token(""), NO_RECORD),
    "no subject": (changed(sub=None), NO_RECORD),
    "subject in a list": (changed(sub=[SUBJECT]), MALFORMED),
    "subject as a number": (changed(sub=1), MALFORMED),
    # Audiences
    "another audience": (changed(aud="https://vault.azure.net"), AUDIENCE),
    "other audiences": (changed(aud=["https://vault.azure.net", USUAL_AUDIENCE + "/"]), AUDIENCE),
    "audience in small letters": (changed(aud=USUAL_AUDIENCE.lower()), AUDIENCE),
    "no audience": (changed(aud=None), AUDIENCE),
    "empty audience": (changed(aud=""), AUDIENCE),
    "no audiences": (changed(aud=[]), AUDIENCE),
    "audience as a number": (changed(aud=1), MALFORMED),
    "audience as an object": (changed(aud={USUAL_AUDIENCE: True}), MALFORMED),
    # Shapes
    "subject twice": (lambda i: twice(i, "sub", SUBJECT), MALFORMED),
    "audience twice": (lambda i: twice(i, "aud", USUAL_AUDIENCE), MALFORMED),
    "issuer twice": (lambda i: twice(i, "iss", i.main.url), MALFORMED),
    "end twice": (lambda i: twice(i, "exp", int(time.time()) + 600), MALFORMED),
    "deep": (lambda i: i.main.token(SUBJECT, nested=json.loads("[" * 60 + "]" * 60)), MALFORMED),
    "deep and never closed": (lambda i: i.main.sign(b'{"iss": ' + b"[" * 8_000), MALFORMED),
    "very many claims": (changed(**{f"c{number}": 1 for number in range(1_000)}, more=[0] * 1_500), MALFORMED),
    "huge": (changed(padding="x" * 20_000), MALFORMED),
    "an array of claims": (lambda i: i.main.sign(b"[]"), MALFORMED),
    "no JSON": (lambda i: i.main.sign(b"claims"), MALFORMED),
    "no Unicode": (lambda i: i.main.sign(b'{"iss": "\xff"}'), MALFORMED),
    "four parts": (lambda i: i.main.token(SUBJECT) + ".AAAA", MALFORMED),
    "five parts": (lambda i: i.main.token(SUBJECT) + ".AAAA.AAAA", MALFORMED),
    "two parts": (lambda i: i.main.token(SUBJECT).rpartition(".")[0], MALFORMED),
    "a space behind": (lambda i: i.main.token(SUBJECT) + " ", MALFORMED),
    "a line before": (lambda i: "\n" + i.main.token(SUBJECT), MALFORMED),
    "Bearer": (lambda i: "Bearer " + i.main.token(SUBJECT), MALFORMED),
}


@pytest.mark.parametrize(("make", "code"), FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(home, worker, issuers, make, code):
    refused(ask(home, make(issuers), worker), code)
    # Keys that a token names itself are never followed, and issuers that are not trusted are not asked.
    assert issuers.elsewhere.asked == [] and issuers.foreign.asked == []


def test_the_token_that_the_forged_ones_were_made_from_holds(home, worker, issuers):
    access_token(ask(home, issuers.main.token(SUBJECT), worker))
    access_token(ask(home, header(typ="at+jwt")(issuers), worker))


@pytest.mark.parametrize("text", ["", "a", "a.b.c", "..", "é.é.é", "e30.e30.e30", "x" * 40_000])
def test_what_is_no_token_is_refused(home, worker, text):
    refused(ask(home, text, worker), MALFORMED)


def test_a_token_that_no_form_can_hold_is_refused(home, worker, issuers):
    answer = ask(home, issuers.main.token(SUBJECT, padding="x" * 70_000), worker)
    assert answer.status_code == 413 and "access_token" not in answer.text
    access_token(ask(home, issuers.main.token(SUBJECT), worker))


def test_a_token_of_this_server_stands_for_nobody(home, worker):
    own = home.token()
    refused(ask(home, own, home.owner.app_id), ISSUER)
    refused(ask(home, own, worker), ISSUER)


def test_issuer_and_subject_of_one_application_are_not_those_of_another(home, worker, other, issuers, name):
    told = refused(ask(home, issuers.main.token(SUBJECT), other), NO_RECORD)
    assert refused(ask(home, issuers.main.token(name), worker), NO_RECORD) == told
    assert refused(ask(home, issuers.main.token(SUBJECT), NOBODY), NO_RECORD) == told
    access_token(ask(home, issuers.main.token(name), other))


def test_one_subject_may_stand_for_two_applications_each_by_its_id(home, directory, worker, other, issuers):
    trust(directory, other, issuers.main)
    for client in (worker, other):
        assert claims_of(access_token(ask(home, issuers.main.token(SUBJECT), client)))["appid"] == client.app_id


# What happens to the application


@pytest.fixture
def held(home, directory, other, issuers, name) -> str:
    """A token that the other application got, which opens `demo`."""
    directory.assign(SECRETS_OFFICER, other.object_id, home.vault_scope())
    token = access_token(ask(home, issuers.main.token(name), other))
    assert home.wire_with(token).get("/secrets").status_code == 200
    return token


def test_a_credential_that_is_removed_opens_nothing_any_more(home, worker, other, issuers, held, name):
    kept = access_token(ask(home, issuers.main.token(SUBJECT), worker))
    home.cli().run("app", "remove-federated", other.app_id, credential_name(issuers.main, name))
    assert home.wire_with(held).get("/secrets").status_code == 401
    refused(ask(home, issuers.main.token(name), other), NO_RECORD)
    assert home.wire_with(kept).get("/secrets").status_code == 200


def test_a_credential_that_is_removed_and_made_again_does_not_bring_back_old_tokens(home, directory, other, issuers, held, name):
    home.cli().run("app", "remove-federated", other.app_id, credential_name(issuers.main, name))
    trust(directory, other, issuers.main, name)
    assert home.wire_with(held).get("/secrets").status_code == 401
    assert home.wire_with(access_token(ask(home, issuers.main.token(name), other))).get("/secrets").status_code == 200


def test_one_credential_of_two_is_removed(home, directory, other, issuers, name):
    trust(directory, other, issuers.kinds, name)
    home.cli().run("app", "remove-federated", other.app_id, credential_name(issuers.main, name))
    refused(ask(home, issuers.main.token(name), other), NO_RECORD)
    token = issuers.kinds.sign(issuers.kinds.claims(name), "ES256", issuers.kinds.keys["p256"], kid="p256")
    access_token(ask(home, token, other))


def test_a_disabled_application_gets_no_token_and_loses_those_it_has(home, other, issuers, held, name):
    cli = home.cli()
    cli.run("app", "disable", other.app_id)
    assert home.wire_with(held).get("/secrets").status_code == 401
    refused(ask(home, issuers.main.token(name), other), NO_RECORD)
    cli.run("app", "enable", other.app_id)
    access_token(ask(home, issuers.main.token(name), other))


def test_a_deleted_application_gets_no_token(home, other, issuers, held, name):
    home.cli().run("app", "delete", other.app_id)
    assert home.wire_with(held).get("/secrets").status_code == 401
    refused(ask(home, issuers.main.token(name), other), NO_RECORD)


# Managed identities


@pytest.fixture
def machine(home, name) -> Identity:
    """A managed identity that may read and set secrets of `demo`."""
    cli = home.cli()
    told = cli.json("app", "create", name, "--managed-identity", "--output", "json")
    assert "password" not in told and told["enabled"] is True
    made = Identity(told["appId"], told["objectId"])
    cli.assign(made, "Key Vault Secrets Officer", home.vault_scope())
    return made


def test_a_managed_identity_is_proven_by_an_issuer(home, machine, issuers, name):
    options = ["--issuer", issuers.main.url, "--subject", f"machine {name}", "--audience", "api://machines", "--name", "main"]
    told = json.loads(home.cli().run("app", "add-federated", machine.app_id, *options).stdout)
    assert (told["subject"], told["audiences"]) == (f"machine {name}", ["api://machines"])
    token = access_token(ask(home, issuers.main.token(f"machine {name}", aud="api://machines"), machine))
    assert claims_of(token)["oid"] == machine.object_id
    home.wire_with(token).set_secret(name, "by a machine")


def test_a_managed_identity_is_proven_by_a_certificate(home, machine, name, tmp_path):
    who = identity()
    (tmp_path / "client.pem").write_bytes(who.pem)
    home.cli().run("app", "add-certificate", machine.app_id, "--certificate", str(tmp_path / "client.pem"))
    credential = CertificateCredential(
        home.tenant, machine.app_id, certificate_data=who.whole, authority=home.login, disable_instance_discovery=True,
        connection_verify=home.bundle)
    sets_a_secret(home, credential, name)


def test_a_managed_identity_has_no_secret_and_gets_none(home, machine):
    for guess in ("", "password", "null"):
        form = {
            "grant_type": "client_credentials", "client_id": machine.app_id, "client_secret": guess,
            "scope": f"{home.vault_resource}/.default",
        }
        assert refused(home.request_token(form), 7_000_215)
    told = home.cli().run("app", "reset-password", machine.app_id, exit_code=1)
    assert "A managed identity has no secret." in told.stderr and told.stderr.count("\n") == 1
    listed = {each["appId"]: each for each in home.cli().json("app", "list", "--output", "json")}
    assert listed[machine.app_id]["objectId"] == machine.object_id


# The log


def told_of(home: Server, since: str, client: str) -> list[dict]:
    found = audit.records(home.cli(), since=since)
    return [each for each in found if each["operationName"] == "TokenIssue" and each["properties"].get("id", "").endswith(client)]


def test_the_log_names_the_application_that_got_a_token(home, worker, issuers):
    begin, token = audit.now(), issuers.main.token(SUBJECT)
    access_token(ask(home, token, worker))
    [record] = told_of(home, begin, worker.app_id)
    assert (record["resultType"], record["properties"]["httpStatusCode"]) == ("Success", 200)
    claim = record["identity"]["claim"]
    assert (claim["appid"], claim["oid"]) == (worker.app_id, worker.object_id)
    assert record["properties"]["id"] == f"/strongroom/applications/{worker.app_id}"
    assert token.split(".")[2] not in json.dumps(audit.records(home.cli(), since=begin))


def test_the_log_names_the_application_that_a_subject_does_not_stand_for(home, worker, issuers):
    begin = audit.now()
    refused(ask(home, issuers.main.token("another"), worker), NO_RECORD)
    [record] = told_of(home, begin, worker.app_id)
    assert (record["resultType"], record["properties"]["httpStatusCode"]) == ("Failed", 401)
    assert "claim" not in record["identity"] and record["properties"]["id"] == f"/strongroom/applications/{worker.app_id}"


def test_the_log_names_the_application_that_a_forged_token_was_for(home, worker, issuers):
    begin = audit.now()
    refused(ask(home, issuers.main.sign(issuers.main.claims(SUBJECT), key=new_rsa()), worker), PROOF)
    assert [each["properties"]["httpStatusCode"] for each in told_of(home, begin, worker.app_id)] == [401]


# Issuers that misbehave


@pytest.mark.parametrize("fault", FAULTS)
def test_an_issuer_that_answers_badly_proves_nothing(home, worker, host, issuers, fault):
    issuer = host.issuers[fault]
    refused(ask(home, issuer.token(SUBJECT), worker), 50_166)
    asked = list(issuer.asked)
    assert asked[0] == DISCOVERY and len(asked) <= 2 and issuers.elsewhere.asked == []
    # It is not asked again at once.
    assert ask(home, issuer.token(SUBJECT), worker).status_code == 401
    assert issuer.asked == asked


def test_the_operator_is_told_why_keys_cannot_be_had(home, worker, host):
    issuer = host.issuers["reported"]
    refused(ask(home, issuer.token(SUBJECT), worker), 50_166)
    line = home.errors.wait_for(lambda line: issuer.url in line, 2)
    assert line is not None, home.errors.text()[-2000:]
    assert "503" in line


@pytest.mark.parametrize("fault", KEY_SETS)
def test_a_key_that_cannot_be_the_one_proves_nothing(home, worker, host, fault):
    issuer = host.issuers[fault]
    refused(ask(home, issuer.token(SUBJECT), worker), PROOF)
    assert issuer.asked == [DISCOVERY, "/keys"]


@pytest.mark.parametrize("name", ["strange-ca", "system-ca"])
def test_an_issuer_whose_certificate_does_not_verify_proves_nothing(home, worker, host, name):
    issuer = host.issuer(name)
    refused(ask(home, issuer.token(SUBJECT), worker), 50_166)
    assert issuer.asked == []


def test_an_issuer_that_is_down_proves_nothing(home, worker, issuers):
    name = next(option.split(",")[0] for option in home.options if "/nobody," in option)
    refused(ask(home, issuers.main.token(SUBJECT, iss=name), worker), 50_166)


def test_slow_issuers_prove_nothing(waiting):
    for each in waiting:
        answer, seconds = each.result(30)
        refused(answer, 50_166)
        assert seconds < 25


def test_many_at_once_ask_an_issuer_once(home, worker, issuers):
    issuer = issuers.crowded
    issuer.say_discovery = lambda: Answer.of(issuer.discovery(), hold=lambda: time.sleep(0.5))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(home, issuer.token(SUBJECT), worker), range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8, [answer.text for answer in answers if answer.status_code != 200]
    assert issuer.asked.count(DISCOVERY) == 1


def test_tokens_that_name_unknown_keys_do_not_make_the_server_ask(home, worker, issuers):
    access_token(ask(home, issuers.main.token(SUBJECT), worker))
    asked = list(issuers.main.asked)
    for number in range(20):
        refused(ask(home, issuers.main.sign(issuers.main.claims(SUBJECT), kid=f"unknown-{number}"), worker), PROOF)
    assert len(issuers.main.asked) <= len(asked) + 2
    access_token(ask(home, issuers.main.token(SUBJECT), worker))


# The configuration


@pytest.fixture
def production(binary, tmp_path):
    made = Production(binary, tmp_path)
    made.authority.issue([*NAMES, "graph.localhost"], made.certificate, made.private_key)
    yield made
    made.kill()


def test_a_server_trusts_the_issuers_of_its_configuration_as_long_as_they_stand_there(production, host):
    issuer = host.issuer("configured")
    issuer.say_discovery = lambda: Answer(b"", 500)
    production.settings["federation"] = [{**issuer.setting, "keysURL": f"{issuer.url}/keys"}]
    production.initialise().start()
    cli = CommandLine(production.binary, production.client_env)
    made = Identity(cli.json("app", "create", "ci", "--managed-identity", "--output", "json")["appId"], "")
    cli.run("app", "add-federated", made.app_id, "--issuer", issuer.url, "--subject", "repo:o/r:ref:main", "--name", "ci")
    form = {
        "grant_type": "client_credentials", "client_id": made.app_id, "client_assertion_type": TYPE,
        "client_assertion": issuer.token("repo:o/r:ref:main"), "scope": f"https://vault.localhost:{production.port}/.default",
    }
    endpoint = f"https://login.localhost:{production.port}/{production.owner.tenant}/oauth2/v2.0/token"

    def answered() -> requests.Response:
        return requests.post(endpoint, data=form, verify=str(production.bundle), timeout=30)

    assert claims_of(access_token(answered()))["appid"] == made.app_id
    assert issuer.asked == ["/keys"]
    production.kill()
    production.start()
    assert claims_of(access_token(answered()))["appid"] == made.app_id
    production.settings["federation"] = []
    assert production.stop() == 0
    production.start()
    refused(answered(), ISSUER)
    assert issuer.asked == ["/keys"] * 2


WRONG_SETTINGS = {
    "by http": {"issuer": "http://issuer.example"},
    "no address": {"issuer": "issuer.example"},
    "empty": {"issuer": ""},
    "none": {},
    "keys by http": {"issuer": "https://issuer.example", "keysURL": "http://issuer.example/keys"},
    "no such file": {"issuer": "https://issuer.example", "caFile": "/nonexistent/ca.pem"},
    "unknown member": {"issuer": "https://issuer.example", "audience": "x"},
}


@pytest.mark.parametrize("setting", WRONG_SETTINGS.values(), ids=WRONG_SETTINGS)
def test_a_configuration_that_cannot_be_meant_is_refused(production, setting):
    production.settings["federation"] = [setting]
    result = production.run("serve")
    assert result.returncode == 78, result.stderr
    assert result.stdout == "" and len(result.stderr.strip().splitlines()) == 1 and "federation" in result.stderr


@pytest.mark.parametrize("option", ["http://issuer.example", "issuer.example", "", "https://issuer.example,/nonexistent/ca.pem"])
def test_an_option_that_cannot_be_meant_is_refused(binary, tmp_path, option):
    result = CommandLine(binary).run("dev", "--data", str(tmp_path / "data"), "--federation-issuer", option, exit_code=64)
    assert result.stdout == "" and len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "data").exists()


# Keys that change; last, so that the time for which keys are kept has gone by


def wait_for_quiet(first_asked: float) -> None:
    time.sleep(max(0.0, first_asked + QUIET + 1 - time.monotonic()))


def test_a_new_key_is_found_and_the_old_one_is_forgotten(home, worker, issuers, first_asked):
    issuer = issuers.rotating
    old = issuer.token(SUBJECT)
    issuer.rotate("key-2")
    wait_for_quiet(first_asked)
    access_token(ask(home, old, worker))
    access_token(ask(home, issuer.token(SUBJECT), worker))
    refused(ask(home, old, worker), PROOF)
    assert issuer.asked == [DISCOVERY, "/keys"] * 2


def test_what_an_issuer_said_stands_while_it_fails_and_it_is_not_asked_all_the_time(home, worker, issuers, first_asked):
    issuer = issuers.failing
    issuer.say_discovery = lambda: Answer(b"", 503)
    wait_for_quiet(first_asked)
    asked = issuer.asked.count(DISCOVERY)
    for number in range(5):
        answer = ask(home, issuer.sign(issuer.claims(SUBJECT), kid=f"unknown-{number}"), worker)
        assert answer.status_code == 401, answer.text
        access_token(ask(home, issuer.token(SUBJECT), worker))
    assert issuer.asked.count(DISCOVERY) - asked == 1


def test_none_of_all_this_was_an_error_of_the_server(home):
    records = audit.records(home.cli())
    assert records and [each for each in records if each["properties"]["httpStatusCode"] >= 500] == []
