"""People of a server, and the codes that their authenticators make (RFC 6238)."""

import base64
import hashlib
import hmac
import struct
import time
import uuid
from dataclasses import dataclass

from requests import Response

from .directory import done
from .server import Server
from .wire import Wire

PASSWORD = "correct horse battery"
PERIOD = 30


def totp(secret: str, at: float) -> str:
    """The code of a base32 secret: HMAC-SHA-1, 30 seconds, six digits."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(at) // PERIOD), hashlib.sha1).digest()
    number = struct.unpack_from(">I", mac, mac[19] & 15)[0] & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"


def settle(seconds: float = 5) -> None:
    """Waits for the next step when the present one ends sooner than that, so that a code lasts as long as a test needs it."""
    left = PERIOD - time.time() % PERIOD
    if left < seconds:
        time.sleep(left + 0.05)


@dataclass
class Person:
    id: str
    name: str
    password: str
    secret: str | None = None
    # Of the server that they sign in at.
    clock_shift: int = 0

    def code(self, steps: int = 0) -> str:
        """The code of now, or of so many steps later."""
        return totp(self.secret, time.time() + self.clock_shift + steps * PERIOD)

    def types(self, steps: int = 0, **changes: str) -> dict[str, str]:
        """What they fill into the form."""
        code = self.code(steps) if self.secret else ""
        return {"username": self.name, "password": self.password, "otc": code, **changes}


class People:
    """The people of a server, as its owner looks after them."""

    def __init__(self, server: Server):
        self.server = server
        self.management: Wire = server.management()

    @staticmethod
    def fresh_name() -> str:
        return f"p{uuid.uuid4().hex[:10]}@example.com"

    def ask_create(self, **body) -> Response:
        return self.management.post("/strongroom/users", version=None, json=body)

    def ask(self, who: str, action: str = "", method: str = "POST") -> Response:
        return self.management.call(method, f"/strongroom/users/{who}{action}", version=None)

    def create(self, name: str | None = None, **members) -> Person:
        """Somebody who need not change the password."""
        body = {"userPrincipalName": name or self.fresh_name(), "password": PASSWORD, "mustChangePassword": False, **members}
        made = done(self.ask_create(**body), 201)
        secret = made.get("authenticator", {}).get("secret")
        return Person(made["id"], made["userPrincipalName"], made.get("password", body["password"]), secret)

    def act(self, who: Person | str, action: str) -> dict:
        """`disable`, `enable`, `resetPassword` and so on."""
        return done(self.ask(who.id if isinstance(who, Person) else who, f"/{action}"), 200)

    def delete(self, who: Person) -> None:
        done(self.ask(who.id, method="DELETE"), 204)
