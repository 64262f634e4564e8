"""Forged assertions at the token endpoint: by a certificate's key, by another issuer, and in forms that mean something else.

What is common is in `test_application_certificates.py` and `test_workload_identity.py`; this is the rest.
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import requests

from harness.assertions import TYPE, identity
from harness.directory import NOBODY, Directory, done
from harness.forged_assertions import CLAIMS, HEADERS, ISSUER, SHAPES, Client, Table
from harness.forged_federation import FEDERATED, OTHER_AUDIENCE, OTHER_SUBJECT, SUBJECT
from harness.forged_tokens import Watch, repeated
from harness.hsm_server import HsmServer
from harness.keys_jwk import new_ec, new_rsa
from harness.oidc_issuer import USUAL_AUDIENCE, Issuer, IssuerHost
from harness.server import Server
from harness.tokens import encode

CASES: Table = {
    f"{family}/{case}": made
    for family, table in {"header": HEADERS, "claims": CLAIMS, "shape": SHAPES}.items() for case, made in table.items()
}


@pytest.fixture(scope="module")
def issuer_host(tmp_path_factory):
    made = IssuerHost(tmp_path_factory.mktemp("issuers")).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def issuer(issuer_host) -> Issuer:
    made = issuer_host.issuer("main-Kelvin", new_rsa())
    made.keys |= {"Kelvin": new_ec(), "p384": new_ec("P-384")}
    return made


@pytest.fixture(scope="module")
def home(binary, tmp_path_factory, issuer):
    """A server that trusts the issuer."""
    running = HsmServer(binary, tmp_path_factory.mktemp("home") / "data", *issuer.option).start()
    yield running
    running.kill()


@pytest.fixture(scope="module")
def client(home, issuer, tmp_path_factory) -> Client:
    """It has two certificates, and the issuer vouches for it."""
    who, second, stranger = (identity() for _ in range(3))
    cli, folder = home.cli(), tmp_path_factory.mktemp("client")
    made = cli.create_application("forged")
    for number, each in enumerate((who, second)):
        (folder / f"{number}.pem").write_bytes(each.pem)
        cli.run("app", "add-certificate", made.app_id, "--certificate", str(folder / f"{number}.pem"))
    for name, subject, audience in (("usual", SUBJECT, USUAL_AUDIENCE), ("other", OTHER_SUBJECT, OTHER_AUDIENCE)):
        body = {"name": name, "issuer": issuer.url, "subject": subject, "audiences": [audience]}
        done(Directory.of(home).ask("POST", f"/applications/{made.app_id}/federatedIdentityCredentials", body), 201)
    return Client(made.app_id, f"{home.login}/{home.tenant}/oauth2/v2.0/token", who, second, stranger)


@pytest.fixture(scope="module")
def door(home, client, tmp_path_factory) -> Client:
    """People may sign in through it; it proves itself as the client does."""
    file = tmp_path_factory.mktemp("door") / "client.pem"
    file.write_bytes(client.who.pem)
    made = home.cli().json("app", "create", "door", "--redirect-uri", "https://door.example/signed-in", "--output", "json")
    home.cli().run("app", "add-certificate", made["appId"], "--certificate", str(file))
    return replace(client, app_id=made["appId"])


@pytest.fixture(scope="module")
def watch(home, client, door) -> Watch:
    return Watch(home)


def form_of(home: Server, client: Client, text: str, **changes) -> dict:
    """Fields given as None are left out."""
    fields = {
        "grant_type": "client_credentials", "client_id": client.app_id, "client_assertion_type": TYPE, "client_assertion": text,
        "scope": f"{home.vault_resource}/.default", **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def check_refused(answer: requests.Response, shown: str, status: int, error: str, code: int | None) -> None:
    """The error of RFC 6749 §5.2 with the number of the service, and nothing of what was shown."""
    about, told = f"{answer.status_code} {answer.text[:300]}", answer.json()
    assert (answer.status_code, told.get("error"), told.get("error_codes")) == (status, error, [code] if code else None), about
    assert told["error_description"] and "access_token" not in told, about
    assert code is None or told["error_description"].startswith(f"AADSTS{code}: "), about
    assert ("WWW-Authenticate" in answer.headers) == (status == 401), about
    assert "no-store" in answer.headers["Cache-Control"]
    assert repeated(f"{answer.text}\n{answer.headers}", [shown]) == [], about


@pytest.fixture
def refused(home, client, watch):
    """Shows an assertion and insists that it is refused with this number."""

    def check(text: str, code: int) -> None:
        check_refused(home.request_token(form_of(home, client, text)), text, 401, "invalid_client", code)
        watch.shown.append(text)

    return check


# By the key of a certificate


def test_what_the_forged_ones_are_made_from_holds(home, client, issuer):
    second = client.signed(header={"x5t": encode(bytes.fromhex(client.second.thumbprint))}, key=client.second.key)
    salted = client.salted(32)
    elliptic = issuer.sign(issuer.claims(SUBJECT), "ES256", issuer.keys["Kelvin"], kid="Kelvin")
    federated = (issuer.token(SUBJECT), issuer.token(OTHER_SUBJECT, aud=OTHER_AUDIENCE), elliptic)
    for text in (client.signed(), second, salted, *federated):
        assert home.request_token(form_of(home, client, text)).status_code == 200


def test_the_table_is_long():
    assert len(CASES) + len(FEDERATED) + len(FORMS) >= 160


@pytest.mark.parametrize("case", CASES)
def test_a_forged_assertion_is_refused(client, refused, case):
    make, code = CASES[case]
    refused(make(client), code)


# By another issuer


@pytest.mark.parametrize("case", FEDERATED)
def test_a_forged_token_of_an_issuer_is_refused(issuer, refused, case):
    make, code = FEDERATED[case]
    refused(make(issuer), code)


# In forms that mean something else


NO_ASSERTION = {"client_assertion": None, "client_assertion_type": None}
GRANT = "urn:ietf:params:oauth:grant-type:"
NO_SUCH_GRANT = (400, "unsupported_grant_type", 70_003)
# RFC 6749 §5.2: the client may not use this grant, because nobody signs in through it.
NOT_FOR_PEOPLE = (400, "unauthorized_client", 700_016)
# The members of the grants for people, and the number of the refusal when what they hold was never handed out.
OF_PEOPLE = {
    "refresh-token": ({"grant_type": "refresh_token", "refresh_token": ...}, 9_002_313),
    "code": ({"grant_type": "authorization_code", "code": ..., "redirect_uri": "https://door.example/signed-in"}, 70_008),
    "device-code": ({"grant_type": GRANT + "device_code", "device_code": ...}, 70_018),
}

# What is changed in the form (... stands for a good assertion); status, error and number.
FORMS = {
    "type-of-SAML": ({"client_assertion_type": TYPE.replace("jwt", "saml2")}, (400, "invalid_request", None)),
    "type-in-capitals": ({"client_assertion_type": TYPE.upper()}, (400, "invalid_request", None)),
    "type-with-space": ({"client_assertion_type": TYPE + " "}, (400, "invalid_request", None)),
    "type-empty": ({"client_assertion_type": ""}, (400, "invalid_request", None)),
    "type-alone": ({"client_assertion": None, "other": ...}, (401, "invalid_client", 7_000_218)),
    "as-secret": ({**NO_ASSERTION, "client_secret": ...}, (401, "invalid_client", 7_000_215)),
    "as-name-of-the-client": ({**NO_ASSERTION, "client_id": ..., "client_secret": "x"}, (401, "invalid_client", 7_000_215)),
    "as-name-of-a-client-for-people": (
        {**NO_ASSERTION, "client_id": ..., "grant_type": "refresh_token", "refresh_token": "x"}, NOT_FOR_PEOPLE),
    "as-grant": ({**NO_ASSERTION, "grant_type": GRANT + "jwt-bearer", "assertion": ...}, NO_SUCH_GRANT),
    "as-grant-of-SAML": ({**NO_ASSERTION, "grant_type": GRANT + "saml2-bearer", "assertion": ...}, NO_SUCH_GRANT),
    "as-token-to-exchange": ({**NO_ASSERTION, "grant_type": GRANT + "token-exchange", "subject_token": ...}, NO_SUCH_GRANT),
    **{f"as-{what}": ({**NO_ASSERTION, **members}, NOT_FOR_PEOPLE) for what, (members, _) in OF_PEOPLE.items()},
    "on-behalf-of": ({"grant_type": GRANT + "jwt-bearer", "assertion": ..., "requested_token_use": "on_behalf_of"}, NO_SUCH_GRANT),
    "grant-in-capitals": ({"grant_type": "CLIENT_CREDENTIALS", "other": ...}, NO_SUCH_GRANT),
    "client-nobody": ({"client_id": NOBODY}, (401, "invalid_client", 700_021)),
    "client-text": ({"client_id": "forged"}, (401, "invalid_client", 700_021)),
}


@pytest.mark.parametrize("case", FORMS)
def test_a_good_assertion_in_another_form_is_refused(home, client, watch, case):
    changes, (status, error, code) = FORMS[case]
    text = client.signed()
    watch.shown.append(text)
    form = form_of(home, client, text, **{name: text if value is ... else value for name, value in changes.items()})
    check_refused(home.request_token(form), text, status, error, code)


@pytest.mark.parametrize("what", OF_PEOPLE)
def test_an_assertion_in_the_place_of_a_code_is_no_proof_of_the_client(home, door, watch, what):
    """Where people may sign in, a client that does not prove itself is told so, whatever else it shows."""
    text, (members, _) = door.signed(), OF_PEOPLE[what]
    watch.shown.append(text)
    form = form_of(home, door, text, **NO_ASSERTION, **{name: text if value is ... else value for name, value in members.items()})
    check_refused(home.request_token(form), text, 401, "invalid_client", 7_000_218)


@pytest.mark.parametrize("member", ["client_assertion", "client_assertion_type", "grant_type", "scope"])
def test_a_member_given_twice_is_refused(home, client, watch, member):
    text = client.signed()
    watch.shown.append(text)
    form = form_of(home, client, text)
    check_refused(home.request_token([*form.items(), (member, form[member])]), text, 400, "invalid_request", None)


@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers", NOBODY])
def test_an_assertion_shown_to_another_tenant_gives_no_token(home, client, watch, tenant):
    text = client.signed()
    watch.shown.append(text)
    address = f"{home.login}/{tenant}/oauth2/v2.0/token"
    answer = requests.post(address, data=form_of(home, client, text), verify=home.bundle, timeout=30)
    assert answer.status_code == 400 and "access_token" not in answer.text and repeated(answer.text, [text]) == []


def test_an_assertion_in_the_address_is_not_seen(home, client, watch):
    text = client.signed()
    watch.shown.append(text)
    address = {"client_assertion": text, "client_assertion_type": TYPE}
    answer = requests.post(
        client.endpoint, params=address, data=form_of(home, client, text, **NO_ASSERTION), verify=home.bundle, timeout=30)
    check_refused(answer, text, 401, "invalid_client", 7_000_218)


def test_an_assertion_in_json_is_not_seen(home, client, watch):
    text = client.signed()
    watch.shown.append(text)
    answer = requests.post(client.endpoint, json=form_of(home, client, text), verify=home.bundle, timeout=30)
    assert answer.status_code == 400 and "access_token" not in answer.text and repeated(answer.text, [text]) == []


def ask_with(home: Server, client: Client, text: str, authorization: str, **changes) -> requests.Response:
    form = form_of(home, client, text, **changes)
    return requests.post(client.endpoint, data=form, headers={"Authorization": authorization}, verify=home.bundle, timeout=30)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_an_assertion_as_basic_password_is_a_wrong_password(home, client, watch):
    text = client.signed()
    watch.shown.append(text)
    answer = ask_with(home, client, text, basic(client.app_id, text), client_id=None, **NO_ASSERTION)
    check_refused(answer, text, 401, "invalid_client", 7_000_215)


def test_an_assertion_beside_a_basic_password_is_refused(home, client, watch):
    """RFC 6749 §2.3: one way to authenticate in each request."""
    text = client.signed()
    watch.shown.append(text)
    check_refused(ask_with(home, client, text, basic(client.app_id, "x")), text, 400, "invalid_request", None)


@pytest.mark.parametrize("scheme", ["Bearer", "DPoP", "Negotiate"])
def test_a_client_that_authenticates_by_another_scheme_is_told_which_one_there_is(home, client, watch, scheme):
    """RFC 6749 §5.2: a client that tried by the `Authorization` header is answered 401."""
    text = client.signed()
    watch.shown.append(text)
    answer = ask_with(home, client, text, f"{scheme} {text}", client_id=None, **NO_ASSERTION)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


def test_an_access_token_is_no_assertion(home, client, watch):
    """For a client that nobody names, for the one it is of, and for another."""
    text = home.token()
    watch.shown += [text] * 3
    check_refused(home.request_token(form_of(home, client, text, client_id=None)), text, 400, "invalid_request", 900_144)
    for named in (home.owner.app_id, client.app_id):
        check_refused(home.request_token(form_of(home, client, text, client_id=named)), text, 401, "invalid_client", ISSUER)


# Afterwards


def test_after_all_of_them_the_server_is_unharmed(watch):
    watch.check_unharmed()


def test_all_of_them_are_in_the_log_without_their_text(watch):
    watch.check_log("TokenIssue")


@pytest.mark.parametrize("what", OF_PEOPLE)
def test_a_good_assertion_is_nothing_that_a_person_was_given(home, door, what):
    """RFC 6749 §5.2: the client has proven itself by the same assertion, and is named in the log."""
    text, (members, code) = door.signed(), OF_PEOPLE[what]
    form = form_of(home, door, text, **{name: text if value is ... else value for name, value in members.items()})
    check_refused(home.request_token(form), text, 400, "invalid_grant", code)


def test_an_assertion_that_is_shown_many_times_at_once_serves_once(home, client):
    text = client.signed()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: home.request_token(form_of(home, client, text)), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
