"""What can befall a request to an authority that speaks ACME."""

import json
import threading
from typing import Callable

from .acme_proxy import Answer, Exchange, Fault, Proxy


def answering(answer: Answer) -> Fault:
    return lambda exchange: exchange.send(answer)


def problem(status: int, kind: str, detail: str, **headers: str) -> Fault:
    """A problem document (RFC 7807), as an authority sends it."""
    body = json.dumps({"type": f"urn:ietf:params:acme:error:{kind}", "detail": detail, "status": status}).encode()
    told = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return answering(Answer(status, body, {"Content-Type": "application/problem+json", **told}))


def dropped(exchange: Exchange) -> None:
    """The connection ends before the authority has heard of the request."""
    exchange.close()


def lost(exchange: Exchange) -> None:
    """The authority does what it is asked, and its answer does not arrive."""
    exchange.forward()
    exchange.close()


def edited(change: Callable[[dict], dict | None]) -> Fault:
    """The answer with its JSON changed. Pebble refuses some requests for their nonce: what follows such a refusal is changed."""

    def fault(exchange: Exchange) -> None:
        answer = exchange.forward()
        if answer.status >= 300:
            exchange.again()
            exchange.send(answer)
            return
        content = json.loads(answer.body)
        answer.body = json.dumps(change(content) or content).encode()
        exchange.send(answer)

    return fault


class Hold:
    """Lets a request wait, before the authority has it or after. Released, it goes on; abandoned, its connection ends."""

    def __init__(self, after: bool = False):
        self.reached, self._released = threading.Event(), threading.Event()
        self._after, self._goes_on = after, True

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.forward() if self._after else None
        self.reached.set()
        self._released.wait(300)
        if self._goes_on:
            exchange.send(answer or exchange.forward())
        else:
            exchange.close()

    def release(self) -> None:
        self._released.set()

    def abandon(self) -> None:
        self._goes_on = False
        self._released.set()


def hold(
    proxy: Proxy, steps: str | tuple[str, ...], name: str | None = None, after: bool = False, following: str | None = None
) -> Hold:
    """Lets the next request for a step wait."""
    made = Hold(after)
    proxy.spoil(steps, made, name, following=following)
    return made
