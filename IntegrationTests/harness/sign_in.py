"""Signing in as a browser and a client do it: pages and forms, authorization codes with PKCE, device codes, refresh tokens."""

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests
from requests import Response

from .people import Person
from .server import Server
from .tokens import decode

AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
AZURE_POWERSHELL = "1950a258-227b-4e31-a9cf-717495945fc2"
LOOPBACK = "http://localhost:8400"
V1, V2 = "/oauth2", "/oauth2/v2.0"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass
class Client:
    """Whom people sign in through: a public client unless it has a secret."""

    id: str = AZURE_CLI
    redirect: str = LOOPBACK
    secret: str | None = None

    @property
    def proof(self) -> dict[str, str]:
        return {"client_id": self.id, **({"client_secret": self.secret} if self.secret else {})}


@dataclass
class Form:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Parser(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.title = self.heading = self.alert = self.text = ""
        self._open: list[str] = []
        self._alerting = False

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        self.tags.append((tag, given))
        self._open.append(tag)
        self._alerting = self._alerting or given.get("role") == "alert"
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append((given.get("name", ""), given.get("value", "")))
        elif tag == "input" and self.forms:
            kind = self.forms[-1].hidden if given.get("type") == "hidden" else self.forms[-1].fields
            kind[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag):
        while self._open and self._open.pop() != tag:
            pass
        self._alerting = self._alerting and tag != "p"

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside == "style":
            return
        self.title += data if inside == "title" else ""
        self.heading += data if inside == "h1" else ""
        self.alert += data if self._alerting else ""
        self.text += data


class Page:
    """An answer for people: what a browser makes of it."""

    def __init__(self, answer: Response):
        self.answer, self.status, self.url = answer, answer.status_code, answer.url
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8", f"{answer.status_code} {answer.text[:300]}"
        parser = _Parser()
        parser.feed(answer.content.decode("utf-8", "strict"))
        parser.close()
        self.tags, self.forms = parser.tags, parser.forms
        self.title, self.heading, self.alert = parser.title, parser.heading, parser.alert.strip()
        self.text = " ".join(parser.text.split())

    @property
    def form(self) -> Form:
        [only] = self.forms
        return only

    def input(self, name: str) -> dict[str, str]:
        [only] = [given for tag, given in self.tags if tag == "input" and given.get("name") == name]
        return only


@dataclass(frozen=True)
class PKCE:
    """RFC 7636 §4."""

    verifier: str

    @classmethod
    def fresh(cls) -> "PKCE":
        return cls(secrets.token_urlsafe(48))

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    @property
    def parameters(self) -> dict[str, str]:
        return {"code_challenge": self.challenge, "code_challenge_method": "S256"}


def redirected(answer: Response) -> tuple[str, dict[str, str]]:
    """Where a browser is sent, without the query, and what the query says; each parameter stands there once."""
    assert answer.status_code == 303, f"{answer.status_code} {answer.text[:300]}"
    address = urlsplit(answer.headers["Location"])
    pairs = parse_qsl(address.query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs) and not address.fragment
    return address._replace(query="").geturl(), dict(pairs)


class Login:
    """The host `login.` of a server, for browsers and for clients. Without a certificate check where the clock of the server is moved."""

    def __init__(self, server: Server, verify: bool | None = None):
        self.server = server
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = server.bundle if verify is None else verify

    @property
    def tenant_url(self) -> str:
        return f"{self.server.login}/{self.server.tenant}"

    @property
    def vault_scope(self) -> str:
        return f"{self.server.vault_resource}/.default offline_access openid profile"

    # Plain calls

    def get(self, url: str, **query) -> Response:
        return self._session.get(url, params=query or None, allow_redirects=False, timeout=60)

    def post(self, url: str, form: dict | list | bytes, **headers: str) -> Response:
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        content = form if isinstance(form, bytes) else urlencode(form).encode()
        return self._session.post(url, data=content, headers=sent, allow_redirects=False, timeout=60)

    def submit(self, page: Page, action: str | None = "signin", **typed: str) -> Response:
        """Fills in the form of a page and presses a button; what is hidden goes along."""
        form = page.form
        assert form.method == "post"
        pressed = {"action": action} if ("action", action) in form.buttons else {}
        return self.post(urljoin(page.url, form.action), {**form.hidden, **form.fields, **typed, **pressed})

    # The authorization endpoint

    def parameters(self, client: Client, pkce: PKCE | None, **changes) -> dict[str, str]:
        """Of an authorization request; one that is given as None is left out."""
        whole = {
            "client_id": client.id, "response_type": "code", "redirect_uri": client.redirect, "scope": self.vault_scope,
            "state": "a state", **(pkce.parameters if pkce else {}), **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def ask_authorize(self, parameters: dict | list, version: str = V2) -> Response:
        return self.get(f"{self.tenant_url}{version}/authorize?{urlencode(parameters)}")

    def open(self, client: Client, pkce: PKCE | None, version: str = V2, **changes) -> Page:
        return Page(self.ask_authorize(self.parameters(client, pkce, **changes), version))

    def sign_in(self, person: Person, client: Client, pkce: PKCE | None = None, version: str = V2, **changes) -> Response:
        """Through the page; the answer to the form."""
        return self.submit(self.open(client, pkce or PKCE.fresh(), version, **changes), **person.types())

    def code(self, person: Person, client: Client, pkce: PKCE | None, version: str = V2, **changes) -> str:
        """Signs in; the authorization code as the browser brings it to the client."""
        page = self.open(client, pkce, version, **changes)
        return redirected(self.submit(page, **person.types()))[1]["code"]

    # The token endpoint

    def ask_token(self, version: str = V2, **form) -> Response:
        return self.post(f"{self.tenant_url}{version}/token", {name: value for name, value in form.items() if value is not None})

    def ask_exchange(self, client: Client, code: str, pkce: PKCE | None, version: str = V2, **changes) -> Response:
        form = {
            **client.proof, "grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect,
            "code_verifier": pkce.verifier if pkce else None, "scope": self.vault_scope, **changes,
        }
        return self.ask_token(version, **form)

    def ask_refresh(self, client: Client, token: str, version: str = V2, **changes) -> Response:
        form = {**client.proof, "grant_type": "refresh_token", "refresh_token": token, "scope": self.vault_scope, **changes}
        return self.ask_token(version, **form)

    def tokens(self, person: Person, client: Client | None = None, **changes) -> dict:
        """All that a sign-in gives. What is in `changes` goes into the token request."""
        client, pkce = client or Client(), PKCE.fresh()
        return granted(self.ask_exchange(client, self.code(person, client, pkce), pkce, **changes))

    def refresh(self, token: str, client: Client | None = None, **changes) -> dict:
        return granted(self.ask_refresh(client or Client(), token, **changes))

    # Devices

    @property
    def device_url(self) -> str:
        return f"{self.server.login}/device"

    def ask_device(self, client: Client | None = None, version: str = V2, **changes) -> Response:
        form = {"client_id": (client or Client()).id, "scope": self.vault_scope, **changes}
        return self.post(f"{self.tenant_url}{version}/devicecode", {name: value for name, value in form.items() if value is not None})

    def device(self, client: Client | None = None, **changes) -> dict:
        return granted(self.ask_device(client, **changes))

    def ask_poll(self, device: dict, client: Client | None = None, version: str = V2, **changes) -> Response:
        form = {**(client or Client()).proof, "grant_type": DEVICE_GRANT, "device_code": device["device_code"], **changes}
        return self.ask_token(version, **form)

    def type_code(self, user_code: str) -> Page:
        """Enters the code of a device; the page that follows."""
        return Page(self.submit(Page(self.get(self.device_url)), user_code=user_code))

    def confirm_device(self, device: dict, person: Person, **changes: str) -> Page:
        return Page(self.submit(self.type_code(device["user_code"]), **person.types(**changes)))


def granted(answer: Response) -> dict:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:500]}"
    return answer.json()


def challenge(answer: Response) -> dict:
    """The claims that a resource asks for in its challenge."""
    assert answer.status_code == 401, f"{answer.status_code} {answer.text[:300]}"
    header = answer.headers["WWW-Authenticate"]
    assert header.startswith('Bearer authorization="https://login.') and 'error="insufficient_claims"' in header
    text = re.search(r'claims="([A-Za-z0-9_\-=]+)"', header)[1]
    return json.loads(decode(text.rstrip("=")))


def oauth_refusal(answer: Response) -> tuple[int, str]:
    """Status and error, shaped as RFC 6749 §5.2 wants it."""
    assert answer.status_code >= 400, f"{answer.status_code} {answer.text[:300]}"
    assert answer.headers["Content-Type"].startswith("application/json") and "no-store" in answer.headers["Cache-Control"]
    told = answer.json()
    assert told["error_description"] and "access_token" not in told and "refresh_token" not in told
    return answer.status_code, told["error"]


def issued(records: list[dict], client: Client) -> list[int]:
    """The statuses of a client's token requests in the audit log, in order."""
    return [
        each["properties"]["httpStatusCode"] for each in records
        if each["operationName"] == "TokenIssue" and each["identity"].get("claim", {}).get("appid") == client.id
    ]
