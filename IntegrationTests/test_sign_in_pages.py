"""The pages for people in a browser: without scripts, on a telephone, by keyboard, in dark colours, and all the way to the program."""

import http.server
import re
import socket
import threading
from types import SimpleNamespace
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from harness.browser import Browser, Survey, Tab, contrast
from harness.people import PASSWORD
from harness.ports import free_port
from harness.sign_in import PKCE, Client

pytest_plugins = ["harness.people_fixtures"]

# Widths in pixels; 320 is what WCAG 2.2 §1.4.10 asks for.
PHONE, NARROW, WIDE = 360, 320, 1280
NEW_PASSWORD = "words that only I would put together"
LONG = "W" * 120


class Program(http.server.ThreadingHTTPServer):
    """A program on this machine that waits for a browser to bring it an answer."""

    def __init__(self, host: str = "localhost"):
        self.address_family = socket.AF_INET6 if host == "[::1]" else socket.AF_INET
        self.answers: list[tuple[str, dict[str, str]]] = []
        self.address = f"http://{host}:{(port := free_port())}"
        super().__init__(("::1" if host == "[::1]" else "127.0.0.1", port), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer(urlsplit(self.path).query)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, text: str) -> None:
        if self.path != "/favicon.ico":
            self.server.answers.append((self.command, dict(parse_qsl(text))))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>Back at the program</h1>")

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def browser(server, tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("chromium"), server.login)
    yield opened
    opened.close()


@pytest.fixture
def tab(browser) -> Tab:
    opened = browser.tab()
    opened.look(WIDE)
    return opened


@pytest.fixture(scope="module")
def program():
    waiting = Program()
    yield waiting
    waiting.stop()


@pytest.fixture(scope="module")
def authorize(login, program):
    """The address that a program opens to sign somebody in."""

    def address(**changes) -> str:
        client = Client(redirect=changes.pop("redirect_uri", program.address))
        return f"{login.tenant_url}/oauth2/v2.0/authorize?{urlencode(login.parameters(client, PKCE.fresh(), **changes))}"

    return address


@pytest.fixture(scope="module")
def world(server, cli, people, login, program, authorize):
    """What the pages below need."""
    long = cli.json("app", "create", LONG, "--public", "--redirect-uri", "http://localhost", "--output", "json")["appId"]
    novice = people.create(mustChangePassword=True)
    return SimpleNamespace(login=login, people=people, authorize=authorize, alice=people.create(), novice=novice, long=long)


# Every page, and how a person comes to it


def press(tab: Tab, words: str, **fields: str) -> None:
    tab.fill(fields)
    with tab.arriving():
        tab.click(words)


def signed_in(tab: Tab, world, person, **changes) -> None:
    tab.go(world.authorize(**changes))
    press(tab, "Sign in", username=person.name, password=person.password)


def device(tab: Tab, world) -> None:
    tab.go(world.login.device_url)
    press(tab, "Next", user_code=world.login.device()["user_code"])


def device_refused(tab: Tab, world) -> None:
    tab.go(world.login.device_url)
    press(tab, "Next", user_code="BCDF-GHJK")


def device_done(tab: Tab, world) -> None:
    device(tab, world)
    press(tab, "Sign in", username=world.alice.name, password=PASSWORD)


def device_cancelled(tab: Tab, world) -> None:
    device(tab, world)
    press(tab, "Cancel")


def refused(tab: Tab, world) -> None:
    tab.go(world.authorize())
    press(tab, "Sign in", username=f"{'x' * 60}@{'y' * 40}.example", password="wrong")


PAGES = {
    "Sign in": lambda tab, world: tab.go(world.authorize(login_hint="alice@example.com")),
    "Sign in, long": lambda tab, world: tab.go(world.authorize(client_id=world.long, login_hint="x" * 300)),
    "Sign in, refused": refused,
    "Choose a new password": lambda tab, world: signed_in(tab, world, world.novice),
    "Change your password": lambda tab, world: tab.go(f"{world.login.tenant_url}/password"),
    "One more step": lambda tab, world: signed_in(tab, world, world.alice, response_mode="form_post"),
    "This sign-in cannot go on": lambda tab, world: tab.go(world.authorize(redirect_uri="https://elsewhere.example")),
    "No such directory": lambda tab, world: tab.go(f"{world.login.server.login}/{'x' * 80}/oauth2/v2.0/authorize"),
    "Enter the code": lambda tab, world: tab.go(world.login.device_url),
    "Enter the code, refused": device_refused,
    "Sign in on another device": device,
    "You are signed in, on the device": device_done,
    "You did not sign in": device_cancelled,
}


@pytest.fixture(scope="module", params=PAGES)
def page(request, browser, world) -> Tab:
    """Each of the pages."""
    tab = browser.tab()
    tab.look(WIDE)
    PAGES[request.param](tab, world)
    assert tab.heading == request.param.split(",")[0]
    return tab


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


def test_a_page_is_readable_on_every_screen(page, pictures, request):
    for width in (PHONE, NARROW, WIDE):
        for scheme in ("light", "dark"):
            page.look(width, scheme)
            survey = Survey.of(page)
            assert survey.width <= survey.room == width, f"scrolls sideways at {width}: {survey.width}"
            assert {each.text: each.right for each in survey.texts + survey.controls if each.right > width} == {}
            dim = {each.text: round(each.contrast, 2) for each in survey.texts + survey.controls if each.contrast < 4.5}
            assert dim == {}, f"too little contrast, {scheme}"
            assert {each.text: each.size for each in survey.texts if each.size < 14} == {}
            for control in survey.controls:
                assert control.size >= 16 and control.height >= 44, control
                assert control.edge >= 3, f"the edge is not seen, {scheme}: {control}"
            if width != NARROW:
                name = re.sub("[^a-z]+", "-", request.node.callspec.params["page"].lower())
                page.screenshot(pictures / f"{name}-{width}-{scheme}.png")
    page.look(WIDE, "light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.look(WIDE, "dark")
    assert contrast(page.evaluate("getComputedStyle(document.body).backgroundColor"), light) > 10, "dark is not dark"


def test_a_page_tells_a_screen_reader_what_is_what(page, request):
    told = page.accessible()
    roles = [role for role, _ in told]
    assert roles.count("main") == 1 and roles.count("heading") == 1
    assert page.evaluate("document.documentElement.lang") == "en"
    refused = page.evaluate("document.querySelector('[role=alert]') !== null")
    assert page.evaluate("document.title") == f"{'Error: ' if refused else ''}{page.heading} - Strongroom"
    fields = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden])')].map(each => ({id: each.id, labels: each.labels.length,"
        " label: each.labels[0]?.textContent, hint: each.getAttribute('aria-describedby')}))")
    names = [name for role, name in told if role == "textbox"]
    assert [field["label"] for field in fields] == names and all(names)
    for field in fields:
        assert field["labels"] == 1, field
        assert field["hint"] is None or page.evaluate(f"!!document.getElementById('{field['hint']}').textContent"), field
    assert all(name for role, name in told if role in ("button", "link"))
    assert page.evaluate("new Set([...document.querySelectorAll('[id]')].map(each => each.id)).size"
                         " == document.querySelectorAll('[id]').length")
    # A refusal is announced.
    alerts = page.evaluate("[...document.querySelectorAll('[role=alert]')].map(each => each.textContent.length)")
    expected = 1 if "refused" in request.node.callspec.params["page"] else 0
    assert len(alerts) == roles.count("alert") == expected and all(alerts)


def test_a_page_loads_nothing_and_breaks_no_policy(page):
    assert page.evaluate("document.scripts.length") == 0
    assert page.evaluate("performance.getEntriesByType('resource').map(each => each.name)") == []
    assert [text for text in page.complaints if "Content Security Policy" in text or ("blocked" in text and "Autofocus" not in text)] == []


def test_what_browsers_fill_in_by_themselves_is_named(tab, world):
    signed_in(tab, world, world.novice)
    completed = tab.evaluate(
        "Object.fromEntries([...document.querySelectorAll('input:not([type=hidden])')].map(each => [each.id, each.autocomplete]))")
    assert completed == {
        "username": "username", "password": "current-password", "otc": "one-time-code", "new_password": "new-password",
        "repeated_password": "new-password",
    }
    values = tab.evaluate("['username', 'password'].map(each => document.getElementById(each).value)")
    assert values == [world.novice.name, ""], "the name is kept and the password is not"


# By keyboard


FOCUS = """(() => { const each = document.activeElement, style = getComputedStyle(each);
  return {what: each.id || each.textContent.trim(), line: style.outlineStyle, width: parseFloat(style.outlineWidth),
          color: style.outlineColor, behind: getComputedStyle(document.querySelector('main')).backgroundColor}; })()"""


def walk(tab: Tab, steps: int, shift: bool = False) -> list[str]:
    """Presses Tab so often; what had the focus, which must have been seen each time."""
    found = []
    for _ in range(steps):
        tab.press("Tab", shift)
        focus = tab.evaluate(FOCUS)
        assert focus["line"] == "solid" and focus["width"] >= 2, focus
        assert contrast(focus["color"], focus["behind"]) >= 3, focus
        found.append(focus["what"])
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboard_goes_through_the_page_in_order_and_back(tab, world, scheme):
    tab.look(WIDE, scheme)
    tab.go(world.authorize())
    order = ["username", "password", "otc", "Sign in", "Cancel", "Change your password"]
    assert walk(tab, 6) == order
    assert walk(tab, 5, shift=True) == order[-2::-1]


def test_enter_signs_in_and_is_no_cancel(tab, world, program, guarded):
    tab.go(world.authorize(state="by keyboard"))
    for text in guarded.types().values():
        tab.press("Tab")
        tab.type(text)
    with tab.arriving():
        tab.press("Enter")
    assert tab.heading == "Back at the program"
    method, answer = program.answers[-1]
    assert (method, answer["state"]) == ("GET", "by keyboard") and answer["code"]


def test_an_incomplete_form_is_not_sent(tab, world):
    tab.go(world.authorize())
    tab.fill({"username": world.alice.name})
    tab.press("Enter")
    assert tab.evaluate("document.activeElement.id") == "password" and tab.evaluate("document.querySelector('[role=alert]')") is None


def test_a_device_is_signed_in_by_keyboard_alone(tab, world, guarded):
    waiting = world.login.device()
    tab.go(world.login.device_url)
    tab.until("document.activeElement.id == 'user_code'")
    tab.type(waiting["user_code"].lower())
    with tab.arriving():
        tab.press("Enter")
    assert waiting["user_code"] in tab.evaluate("document.querySelector('main').textContent")
    for text in guarded.types().values():
        tab.press("Tab")
        tab.type(text)
    tab.press("Tab")
    with tab.arriving():
        tab.press("Space")
    assert tab.heading == "You are signed in"
    assert world.login.ask_poll(waiting).json()["token_type"] == "Bearer"


# All the way to the program


@pytest.fixture(params=["localhost", "127.0.0.1", "[::1]"])
def another(request):
    """A program at each of the addresses of this machine."""
    waiting = Program(request.param)
    yield waiting
    waiting.stop()


@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_a_sign_in_leads_to_the_program(tab, world, another, mode):
    tab.look(PHONE)
    signed_in(tab, world, world.alice, redirect_uri=f"{another.address}/back", response_mode=mode, state="x y&z")
    if mode == "form_post":
        tab.until("document.activeElement.textContent == 'Continue'")
        with tab.arriving():
            tab.press("Enter")
    assert tab.heading == "Back at the program", tab.complaints
    [(method, answer)] = another.answers
    assert method == ("POST" if mode == "form_post" else "GET")
    assert set(answer) == {"code", "state"} and answer["state"] == "x y&z"


def test_after_a_refusal_the_same_page_signs_in(tab, world, program):
    signed_in(tab, world, SimpleNamespace(name=world.alice.name, password="wrong password"), state="second try")
    assert tab.heading == "Sign in" and "not right" in tab.evaluate("document.querySelector('[role=alert]').textContent")
    press(tab, "Sign in", password=PASSWORD)
    assert tab.heading == "Back at the program" and program.answers[-1][1]["state"] == "second try"


def test_cancel_tells_the_program_without_a_name_or_a_password(tab, world, program):
    tab.go(world.authorize(state="cancelled"))
    press(tab, "Cancel")
    assert tab.heading == "Back at the program"
    assert (program.answers[-1][1]["error"], program.answers[-1][1]["state"]) == ("access_denied", "cancelled")


def test_a_new_password_is_chosen_on_the_way_to_the_program(tab, world, people, program):
    novice = people.create(mustChangePassword=True)
    signed_in(tab, world, novice, state="chosen")
    assert tab.heading == "Choose a new password"
    press(tab, "Sign in", password=PASSWORD, new_password=NEW_PASSWORD, repeated_password=NEW_PASSWORD + "!")
    assert "not typed twice alike" in tab.evaluate("document.querySelector('[role=alert]').textContent")
    press(tab, "Sign in", password=PASSWORD, new_password=NEW_PASSWORD, repeated_password=NEW_PASSWORD)
    assert tab.heading == "Back at the program" and program.answers[-1][1]["state"] == "chosen"


def test_a_password_is_changed_without_any_program(tab, world, people):
    person = people.create()
    tab.go(world.authorize())
    press(tab, "Change your password")
    fields = {"new_password": NEW_PASSWORD, "repeated_password": NEW_PASSWORD}
    press(tab, "Change password", username=person.name, password=PASSWORD, **fields)
    assert tab.heading == "Your password is changed"
    signed_in(tab, world, SimpleNamespace(name=person.name, password=NEW_PASSWORD))
    assert tab.heading == "Back at the program"


def test_a_browser_that_does_not_know_the_authority_is_warned(server, tmp_path):
    """The tests above stand on this one: they name the key of the server, and nothing else is trusted."""
    other = Browser(tmp_path, server.login, trusts=False)
    try:
        with pytest.raises(AssertionError, match="ERR_CERT_AUTHORITY_INVALID"):
            other.tab().go(f"{server.login}/device")
    finally:
        other.close()
