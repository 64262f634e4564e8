"""Plain calls to the certificates of a vault. Those that end in a result insist that they worked; `ask…` and `Wire` do not."""

import base64
import time
from urllib.parse import urlsplit

from requests import Response

from .keys_wire import done
from .wire import Wire

SUBJECT = {"subject": "CN=example.com"}
SMALL = {"kty": "EC", "crv": "P-256"}


def policy(issuer: str | None = "Self", key: dict | None = None, **parts) -> dict:
    """A policy for a small key; `issuer=None` leaves the issuer out."""
    named = {} if issuer is None else {"issuer": {"name": issuer}}
    return {"key_props": key or SMALL, "x509_props": SUBJECT, **named, **parts}


def version_of(bundle: dict) -> str:
    return bundle["id"].rsplit("/", 1)[1]


def refusal(answer: Response) -> tuple[int, str]:
    assert set(answer.json()) == {"error"} and answer.json()["error"]["message"], answer.text
    return answer.status_code, answer.json()["error"]["code"]


class Certificates:
    def __init__(self, wire: Wire):
        self.wire = wire

    # Making

    def ask_create(self, name: str, wanted: dict | None, **members) -> Response:
        return self.wire.post(f"/certificates/{name}/create", json={**({} if wanted is None else {"policy": wanted}), **members})

    def begin(self, name: str, wanted: dict | None = None, **members) -> dict:
        answer = self.ask_create(name, wanted, **members)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return answer.json()

    def pending(self, name: str) -> dict:
        return done(self.wire.get(f"/certificates/{name}/pending"))

    def wait(self, name: str) -> dict:
        """The pending operation when it is no longer in progress."""
        for _ in range(200):
            pending = self.pending(name)
            if pending["status"] != "inProgress":
                return pending
            time.sleep(0.1)
        raise AssertionError(f"still in progress: {pending}")

    def create(self, name: str, wanted: dict | None = None, **members) -> dict:
        """Begins, waits, and answers with the newest version."""
        self.begin(name, wanted, **members)
        pending = self.wait(name)
        assert pending["status"] == "completed", pending
        return self.get(name)

    def ask_merge(self, name: str, *chain: bytes, **members) -> Response:
        x5c = [base64.b64encode(one).decode() for one in chain]
        return self.wire.post(f"/certificates/{name}/pending/merge", json={"x5c": x5c, **members})

    def ask_import(self, name: str, value: str | bytes, **members) -> Response:
        text = value if isinstance(value, str) else base64.b64encode(value).decode()
        return self.wire.post(f"/certificates/{name}/import", json={"value": text, **members})

    def import_(self, name: str, value: str | bytes, **members) -> dict:
        return done(self.ask_import(name, value, **members))

    # Life

    def get(self, name: str, version: str = "") -> dict:
        return done(self.wire.get(f"/certificates/{name}/{version}"))

    def at(self, identifier: str) -> dict:
        """What an id, a kid or a sid names."""
        return done(self.wire.get(urlsplit(identifier).path))

    def key(self, name: str, version: str = "") -> dict:
        return done(self.wire.get(f"/keys/{name}/{version}"))

    def secret(self, name: str, version: str = "") -> dict:
        return done(self.wire.get(f"/secrets/{name}/{version}"))

    def versions(self, name: str) -> list[dict]:
        return done(self.wire.get(f"/certificates/{name}/versions"))["value"]

    def delete(self, name: str) -> dict:
        return done(self.wire.delete(f"/certificates/{name}"))

    def recover(self, name: str) -> dict:
        return done(self.wire.post(f"/deletedcertificates/{name}/recover"))

    def purge(self, name: str) -> None:
        assert self.wire.delete(f"/deletedcertificates/{name}").status_code == 204

    def backup(self, name: str) -> str:
        return done(self.wire.post(f"/certificates/{name}/backup"))["value"]

    def restore(self, backup: str) -> dict:
        return done(self.wire.post("/certificates/restore", json={"value": backup}))


def make_together(certificates: Certificates, prefix: str, wanted: dict[str, dict], **members) -> dict[str, tuple[dict, dict]]:
    """Certificates by these policies, begun one after the other and waited for together: what create told, and the newest version."""
    begun = {label: certificates.begin(f"{prefix}-{label}", one, **members) for label, one in wanted.items()}
    for label in wanted:
        pending = certificates.wait(f"{prefix}-{label}")
        assert pending["status"] == "completed", pending
    return {label: (begun[label], certificates.get(f"{prefix}-{label}")) for label in wanted}
