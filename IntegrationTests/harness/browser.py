"""A headless Chromium, driven by the Chrome DevTools protocol over a pipe."""

import base64
import contextlib
import hashlib
import itertools
import json
import os
import queue
import re
import shutil
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import serialization

_LIMIT = 10
# Keys that are not letters: code, key number, text.
_KEYS = {"Tab": ("Tab", 9, None), "Enter": ("Enter", 13, "\r"), "Space": ("Space", 32, " ")}


class BrowserFailure(AssertionError):
    """What the browser answered in place of a result."""


class Browser:
    """One process. It trusts, beside the usual authorities, the certificate that the server at `address` shows, unless told not to."""

    def __init__(self, folder: Path, address: str, trusts: bool = True):
        program = shutil.which("chromium")
        assert program, "chromium is missing: install it with `Scripts/setup.sh test`"
        to_browser, from_browser = os.pipe(), os.pipe()
        switches = [
            "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-first-run", "--disable-gpu",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
            "--hide-scrollbars", *([f"--ignore-certificate-errors-spki-list={_public_key_digest(address)}"] if trusts else []),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}', program, *switches],
            pass_fds=(to_browser[0], from_browser[1]), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)})
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._to, self._from = to_browser[1], from_browser[0]
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue] = {}
        self._tabs: dict[str, Tab] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self) -> None:
        with contextlib.suppress(BrowserFailure):
            self.call("Browser.close")
        try:
            self._process.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_LIMIT)
        os.close(self._to)
        self._reader.join(_LIMIT)
        os.close(self._from)

    def tab(self) -> "Tab":
        """A window with cookies of its own, in which no script of a page runs."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        made = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            made.call(f"{domain}.enable")
        made.call("Emulation.setScriptExecutionDisabled", value=True)
        return made

    def call(self, method: str, _session: str | None = None, **parameters) -> dict:
        number = next(self._numbers)
        answer = self._answers[number] = queue.Queue(1)
        message = {"id": number, "method": method, "params": parameters, **({"sessionId": _session} if _session else {})}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        try:
            told = answer.get(timeout=_LIMIT)
        except queue.Empty:
            raise BrowserFailure(f"{method}: no answer") from None
        if "error" in told:
            raise BrowserFailure(f"{method}: {told['error']['message']}")
        return told["result"]

    def _read(self) -> None:
        """Hands out answers to whoever called, and events to their tab."""
        rest = b""
        while chunk := os.read(self._from, 1 << 16):
            *whole, rest = (rest + chunk).split(b"\0")
            for message in map(json.loads, whole):
                if "id" in message:
                    self._answers.pop(message["id"]).put(message)
                elif message.get("sessionId") in self._tabs:
                    self._tabs[message["sessionId"]].events.put(message)


class Tab:
    """What a person sees and does. Names of fields are their ids."""

    def __init__(self, browser: Browser, session: str):
        self._browser, self._session = browser, session
        self.events: queue.Queue = queue.Queue()
        # What the browser complains of, such as a broken Content-Security-Policy.
        self.complaints: list[str] = []

    def call(self, method: str, **parameters) -> dict:
        return self._browser.call(method, self._session, **parameters)

    def look(self, width: int, scheme: str = "light") -> None:
        """From now on through a window so wide; below 600 pixels it is a telephone's."""
        phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=740, deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    # Going somewhere

    def go(self, address: str) -> None:
        with self.arriving():
            told = self.call("Page.navigate", url=address)
            assert "errorText" not in told, f"{address}: {told['errorText']}"

    @contextlib.contextmanager
    def arriving(self) -> Iterator[None]:
        """What is done inside leads to another page; afterwards that page is there."""
        self._drain()
        yield
        try:
            while (event := self.events.get(timeout=_LIMIT))["method"] != "Page.loadEventFired":
                self._note(event)
        except queue.Empty:
            raise BrowserFailure(f"no other page came; the browser says: {self.complaints}") from None

    def _drain(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._note(self.events.get_nowait())

    def _note(self, event: dict) -> None:
        if event["method"] == "Log.entryAdded":
            self.complaints.append(event["params"]["entry"]["text"])

    @property
    def address(self) -> str:
        return self.evaluate("location.href")

    # What a person does

    def press(self, key: str, shift: bool = False) -> None:
        code, number, text = _KEYS[key]
        pressed = {"key": key if key != "Space" else " ", "code": code, "windowsVirtualKeyCode": number, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown", **pressed, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def fill(self, fields: dict[str, str]) -> None:
        for name, text in fields.items():
            self.evaluate(f"document.getElementById({json.dumps(name)}).select()")
            self.type(text)

    def click(self, words: str) -> None:
        """The middle of the button or link that says this."""
        box = self.evaluate(
            "(words => { const found = [...document.querySelectorAll('button, a')].find(each => each.textContent.trim() === words);"
            " found.scrollIntoView(); const box = found.getBoundingClientRect();"
            f" return [box.x + box.width / 2, box.y + box.height / 2] }})({json.dumps(words)})")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], button="left", clickCount=1)

    # What a person perceives

    def evaluate(self, expression: str):
        told = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in told:
            raise BrowserFailure(f"{told['exceptionDetails'].get('exception', {}).get('description')}")
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits for what comes a moment after the page, such as the focus."""
        end = time.monotonic() + _LIMIT
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never: {expression}"
            time.sleep(0.02)

    @property
    def heading(self) -> str:
        return self.evaluate("document.querySelector('h1')?.textContent.trim() ?? document.body.textContent.trim()")

    def accessible(self) -> list[tuple[str, str]]:
        """Role and name of everything that is told to a screen reader."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        told = [node for node in nodes if not node["ignored"] and "role" in node]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in told]

    def screenshot(self, path: Path) -> None:
        shown = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shown["data"]))


def _public_key_digest(address: str) -> str:
    """SHA-256 of the public key in the certificate that a server shows."""
    where = urlsplit(address)
    certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((where.hostname, where.port)).encode())
    key = certificate.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


# How a page looks


@dataclass(frozen=True)
class Seen:
    """An element as it is drawn."""

    what: str
    text: str
    color: str
    behind: str
    around: str
    border: str
    size: float
    height: float
    right: float

    @property
    def contrast(self) -> float:
        """Of the text to what is behind it."""
        return contrast(self.color, self.behind)

    @property
    def edge(self) -> float:
        """Contrast of the border to what is around it."""
        return contrast(self.border, self.around)


_SURVEY = """(() => {
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (!/, 0\\)$|transparent/.test(color)) return color;
    }
    return 'none';
  };
  const seen = (element, text, what) => {
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    return {what, text, color: style.color, behind: behind(element), around: behind(element.parentElement), border: style.borderTopColor,
            size: parseFloat(style.fontSize), height: box.height, right: box.right};
  };
  const told = element => [...element.childNodes].some(node => node.nodeType == 3 && node.data.trim());
  const shown = [...document.body.querySelectorAll('*')].filter(element => element.getClientRects().length);
  return {
    texts: shown.filter(told).map(element => seen(element, element.textContent.trim(), element.localName)),
    controls: shown.filter(element => /^(input|button)$/.test(element.localName))
      .map(element => seen(element, element.id || element.textContent.trim(), element.localName)),
    width: document.documentElement.scrollWidth, room: document.documentElement.clientWidth,
  };
})()"""


@dataclass(frozen=True)
class Survey:
    """Texts and controls of a page, how wide it is, and how much of that is shown."""

    texts: list[Seen]
    controls: list[Seen]
    width: int
    room: int

    @classmethod
    def of(cls, tab: Tab) -> "Survey":
        told = tab.evaluate(_SURVEY)
        lists = {name: [Seen(**each) for each in told[name]] for name in ("texts", "controls")}
        return cls(**lists, width=told["width"], room=told["room"])


def contrast(first: str, second: str) -> float:
    """Of two computed colours, from 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (int(part) / 255 for part in re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", color).groups())
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
