"""The pages as they are sent: what they may hold and load, what becomes of text from outside, and what broken forms get."""

import re
import uuid
from urllib.parse import urljoin, urlsplit

import pytest

from harness.sign_in import PKCE, V1, V2, Client, Page, redirected

pytest_plugins = ["harness.people_fixtures"]

INJECTIONS = [
    '"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>", "</title><script>alert(1)</script>", "<svg/onload=alert(1)>",
    '" autofocus onfocus="alert(1)', "&lt;script&gt;", "{{7*7}}", "javascript:alert(1)", "</form><form action=https://evil.example>",
    "<!--", "\u202e<b>", "%3Cscript%3E", "<base href=https://evil.example>", "]]><script>",
]
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "main", "p", "h1", "strong", "form", "label", "input", "button", "a",
}


@pytest.fixture
def pkce() -> PKCE:
    return PKCE.fresh()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture(scope="module")
def shown(login, alice) -> dict[str, Page]:
    """One page of each kind."""
    client, pkce = Client(), PKCE.fresh()
    page, device = login.open(client, pkce), login.device()
    return {
        "sign in": page,
        "refused": Page(login.submit(page, username=alice.name, password="wrong password")),
        "form post": Page(login.submit(login.open(client, pkce, response_mode="form_post"), "cancel")),
        "no such client": login.open(Client(str(uuid.uuid4())), pkce),
        "password": Page(login.get(f"{login.tenant_url}/password")),
        "password refused": Page(login.post(f"{login.tenant_url}/password", {"username": "x", "password": "y"})),
        "code": Page(login.get(login.device_url)),
        "code refused": login.type_code("nothing"),
        "device": login.type_code(device["user_code"]),
        "device done": login.confirm_device(device, alice),
        "broken": Page(login.post(f"{login.tenant_url}/login", b"%zz")),
        "tenant": Page(login.get(f"{login.server.login}/{uuid.uuid4()}/password")),
    }


KINDS = [
    "sign in", "refused", "form post", "no such client", "password", "password refused", "code", "code refused", "device", "device done",
    "broken", "tenant",
]


# What every page is


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_allows_no_script_and_no_frame(shown, kind):
    headers = shown[kind].answer.headers
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'"
    assert "script-src" not in policy and re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy["style-src"])
    assert policy["form-action"].split()[0] == "'self'"
    assert (headers["X-Frame-Options"], headers["X-Content-Type-Options"], headers["Referrer-Policy"]) == ("DENY", "nosniff", "no-referrer")
    assert "no-store" in headers["Cache-Control"] and "max-age" in headers["Strict-Transport-Security"] and "Set-Cookie" not in headers


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_holds_plain_elements_and_loads_nothing(shown, kind):
    for tag, given in shown[kind].tags:
        assert tag in ELEMENTS
        assert not any(name.startswith("on") or name in ("src", "srcdoc", "formaction", "style", "http-equiv") for name in given)
    assert "url(" not in shown[kind].answer.text and "@import" not in shown[kind].answer.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_read_by_everybody(shown, kind):
    """WCAG 2.2: a language, a title that tells where one is, one heading, labels, and alerts that are read out."""
    page = shown[kind]
    assert page.answer.text.startswith("<!DOCTYPE html>") and page.tags[0] == ("html", {"lang": "en"})
    assert page.heading and page.title == f"{'Error: ' if page.alert else ''}{page.heading} - Strongroom"
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert any(given.get("name") == "viewport" and "user-scalable" not in given["content"] for tag, given in page.tags if tag == "meta")
    identifiers = [given["id"] for _, given in page.tags if "id" in given]
    labels = {given["for"] for tag, given in page.tags if tag == "label"}
    fields = [given for tag, given in page.tags if tag == "input" and given["type"] != "hidden"]
    assert len(set(identifiers)) == len(identifiers) and {given["id"] for given in fields} == labels
    assert {word for given in fields for word in given.get("aria-describedby", "").split()} <= set(identifiers)
    assert bool(page.alert) == kind.endswith("refused")


def test_fields_help_password_programs_and_telephones(shown):
    page = shown["sign in"]
    assert page.input("username")["autocomplete"] == "username" and page.input("password")["autocomplete"] == "current-password"
    assert (page.input("password")["type"], page.input("otc")["autocomplete"], page.input("otc")["inputmode"]) == (
        "password", "one-time-code", "numeric")
    assert shown["password"].input("new_password")["autocomplete"] == "new-password"
    assert "value" not in page.input("password")


def test_forms_lead_here_or_to_the_client(login, pkce):
    page = login.open(Client(redirect="http://127.0.0.1:5000/after?x=1"), pkce)
    rule = page.answer.headers["Content-Security-Policy"].split("form-action ")[1].split(";")[0]
    assert rule == "'self' http://127.0.0.1:5000" and urlsplit(urljoin(page.url, page.form.action)).netloc == urlsplit(page.url).netloc


# What comes from outside


@pytest.mark.parametrize("text", INJECTIONS)
@pytest.mark.parametrize("parameter", ["login_hint", "state", "nonce", "scope", "prompt"])
def test_a_parameter_is_text_and_stays_text(login, client, pkce, text, parameter):
    plain, page = (login.open(client, pkce, **{parameter: value}) for value in ("x", text))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(given) for _, given in page.tags] == [set(given) for _, given in plain.tags]
    expected = text.replace("\u202e", "")
    if parameter == "login_hint":
        assert page.input("username")["value"] == expected
    else:
        assert page.form.hidden[parameter] in (text, expected)


def test_a_name_that_was_typed_is_text_and_stays_text(login, client, pkce):
    first = login.open(client, pkce)
    plain = Page(login.submit(first, username="nobody", password="x"))
    for text in INJECTIONS:
        page = Page(login.submit(first, username=text, password="x"))
        assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags], text
        assert page.input("username")["value"] == text.replace("\u202e", "")


def test_the_name_of_a_client_is_text_and_stays_text(people, login, pkce):
    for name in INJECTIONS[:3]:
        body = {"displayName": name, "isPublicClient": True, "redirectUris": ["https://client.example/cb"]}
        made = people.management.post("/strongroom/applications", version=None, json=body).json()
        page = login.open(Client(made["appId"], "https://client.example/cb"), pkce)
        assert name in page.text and not {"script", "img"} & {tag for tag, _ in page.tags}


@pytest.mark.parametrize("text", INJECTIONS[:4])
@pytest.mark.parametrize("parameter", ["client_id", "redirect_uri", "response_mode"])
def test_a_refused_parameter_does_not_become_markup(login, client, pkce, text, parameter):
    answer = login.ask_authorize(login.parameters(client, pkce, **{parameter: text}))
    if answer.status_code == 303:
        assert redirected(answer)[0] == client.redirect
    else:
        page = Page(answer)
        assert page.status == 400 and {tag for tag, _ in page.tags} <= ELEMENTS and page.forms == []


# Broken forms


def variants(login, client, pkce, person) -> dict[str, bytes | list]:
    whole = list({**login.open(client, pkce).form.hidden, **person.types(), "action": "signin"}.items())

    def instead(name: str, value: str) -> list:
        return [(each, value if each == name else held) for each, held in whole]

    twice = {
        "two names": ("username", "bob@example.com"), "two passwords": ("password", "x"), "two codes": ("otc", "1"),
        "two actions": ("action", "cancel"), "two clients": ("client_id", "x"), "two addresses": ("redirect_uri", "https://evil.example"),
        "two new passwords": ("new_password", "x"),
    }
    return {
        "nothing": b"", "no form": b"{}", "bad percent": b"username=%zz", "bad utf-8": b"username=%ff",
        "no client": [pair for pair in whole if pair[0] != "client_id"], "long password": instead("password", "x" * 1_025),
        "many fields": [*whole, *((f"f{number}", "x") for number in range(64))], "another address": instead("redirect_uri", "https://evil.example/"),
        **{kind: [*whole, pair] for kind, pair in twice.items()}, "two new passwords": [*whole, ("new_password", "x"), ("new_password", "y")],
    }


BROKEN = [
    "nothing", "no form", "bad percent", "bad utf-8", "no client", "long password", "many fields", "another address", "two names",
    "two passwords", "two codes", "two actions", "two clients", "two addresses", "two new passwords",
]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_form_gets_a_page(login, client, pkce, alice, kind):
    page = Page(login.post(f"{login.tenant_url}/login", variants(login, client, pkce, alice)[kind]))
    assert page.status in (400, 413) and page.heading and page.forms == [] and "Location" not in page.answer.headers


@pytest.mark.parametrize("path", ["{tenant}/password", "device"])
@pytest.mark.parametrize("content", [b"", b"%zz", b"username=a&username=b"], ids=["nothing", "percent", "twice"])
def test_other_broken_forms_get_a_page_too(login, path, content):
    page = Page(login.post(f"{login.server.login}/{path.format(tenant=login.server.tenant)}", content))
    assert page.status in (400, 403, 413) and page.heading


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "response_type", "scope"])
def test_a_parameter_that_is_given_twice_is_answered_by_a_page(login, client, pkce, name):
    """RFC 6749 §3.1."""
    parameters = login.parameters(client, pkce)
    page = Page(login.ask_authorize([*parameters.items(), (name, parameters[name])]))
    assert page.status == 400 and name in page.text


@pytest.mark.parametrize("version", [V1, V2])
def test_an_unknown_tenant_gets_a_page(login, client, pkce, version):
    page = Page(login.get(f"{login.server.login}/{uuid.uuid4()}{version}/authorize", **login.parameters(client, pkce)))
    assert page.status in (400, 404) and page.heading and page.forms == []


@pytest.mark.operation("SignInPagePost")
def test_a_request_that_comes_by_post_is_answered_as_well(login, client, pkce):
    """OpenID Connect Core 1.0 §3.1.2.1."""
    page = Page(login.post(f"{login.tenant_url}{V2}/authorize", login.parameters(client, pkce)))
    assert (page.status, page.heading) == (200, "Sign in")
