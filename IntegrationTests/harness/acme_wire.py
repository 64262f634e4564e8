"""Plain calls about certificates that an authority outside is to make by ACME."""

import base64
import time
from typing import Callable

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from requests import Response

from .certificates_wire import SMALL, Certificates
from .keys_wire import done

ACCOUNT = "An account is being made at the authority."
ORDER = "An order is being made at the authority."
READING = "The authority's challenges are being read."
PUBLISHING = "The challenges are being published."
ASKING = "The authority is asked to check the challenges."
CHECKING = "The authority is checking the challenges."
FINALISING = "The order is being finalised."
FETCHING = "The certificate is being fetched."
STATES = [ACCOUNT, ORDER, READING, PUBLISHING, ASKING, CHECKING, FINALISING, FETCHING]


def acme_policy(issuer: str, *names: str, subject: str | None = None, key: dict | None = None, **parts) -> dict:
    """A policy for these names; the first is the common name as well unless a subject is given."""
    props = {"subject": f"CN={names[0]}" if subject is None else subject, **parts.pop("x509_props", {})}
    if names:
        props.setdefault("sans", {"dns_names": list(names)})
    return {"key_props": key or SMALL, "x509_props": props, "issuer": {"name": issuer}, **parts}


def ask_issuer(
    certificates: Certificates,
    name: str,
    directory: str | None = None,
    provider: str = "ACME",
    email: str | None = None,
    **credentials: str,
) -> Response:
    details = {**({"id": directory} if directory else {}), **({"admin_details": [{"email": email}]} if email else {})}
    body = {"provider": provider, "org_details": details, **({"credentials": credentials} if credentials else {})}
    return certificates.wire.put(f"/certificates/issuers/{name}", json=body)


def make_issuer(certificates: Certificates, name: str, directory: str | None = None, **options) -> str:
    done(ask_issuer(certificates, name, directory, **options))
    return name


def ended(certificates: Certificates, name: str) -> dict:
    """The pending operation when it is no longer in progress; an authority that is asked again later takes its time."""
    for _ in range(900):
        pending = certificates.pending(name)
        if pending["status"] != "inProgress":
            return pending
        time.sleep(0.1)
    raise AssertionError(f"still in progress: {pending}")


class Watch:
    """Follows orders until they end: what was told of each on the way, every text once, and how it ended."""

    def __init__(self, certificates: Certificates, *labels: str):
        self.certificates = certificates
        self.details: dict[str, list[str]] = {}
        self.ends: dict[str, dict] = {}
        self._acts: list[tuple[Callable[[], bool], Callable[[], object]]] = []
        for label in labels:
            self.add(label)

    def add(self, label: str) -> None:
        """One more order; it may be begun while the others are followed."""
        self.details[label] = []

    def when(self, condition: Callable[[], bool], act: Callable[[], object]) -> None:
        """Something to be done once, as soon as something has come about."""
        self._acts.append((condition, act))

    def has_told(self, label: str, words: str) -> bool:
        return any(words in text for text in self.details[label])

    def run(self) -> "Watch":
        for _ in range(600):
            for label in self.details:
                if label not in self.ends:
                    self._look(label)
            due = [act for act in self._acts if act[0]()]
            self._acts = [act for act in self._acts if act not in due]
            for _, act in due:
                act()
            if len(self.ends) == len(self.details) and not self._acts:
                return self
            time.sleep(0.1)
        waiting = {label: told[-1:] for label, told in self.details.items() if label not in self.ends}
        raise AssertionError(f"still in progress: {waiting}, and {len(self._acts)} things are not done")

    def _look(self, label: str) -> None:
        pending = self.certificates.pending(label)
        text = pending.get("status_details")
        if pending["status"] != "inProgress":
            self.ends[label] = pending
        elif text and text not in self.details[label]:
            self.details[label].append(text)

    def version(self, label: str) -> dict:
        """The newest version that came of an order."""
        assert self.ends[label]["status"] == "completed", self.ends[label]
        return self.certificates.get(label)

    def reason(self, label: str) -> str:
        """Why the authority gave no certificate."""
        end = self.ends[label]
        assert end["status"] == "failed" and end["error"]["code"], end
        return end["error"]["message"]


def held_by(secret: dict) -> tuple:
    """The key and the chain in the secret of a certificate, the leaf first."""
    if secret["contentType"] == "application/x-pem-file":
        text = secret["value"].encode()
        return serialization.load_pem_private_key(text, None), x509.load_pem_x509_certificates(text)
    key, leaf, others = pkcs12.load_key_and_certificates(base64.b64decode(secret["value"]), None)
    return key, [leaf, *others]
