"""The role matrix: what each built-in role opens, reckoned from its actions, against what the server answers.

A row is one way to call one operation. It is made so that whoever is let in is told something that changes nothing: the object
is not there, the body is wrong, the list is read. A cell is a row called by the holder of one role at one scope.
"""

import json
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from requests import Response

from .texts import refused_by_rbac
from .vectors_files import FOLDER

THREADS = 8
_SHOWN = 25
# A name that no object has, in every collection.
SUBJECT = "subject"

_ROLES = json.loads((FOLDER / "roles.json").read_text())
# Random bytes of a pool: no published role names the action; operations.md gives it to those who use keys.
_ADDED = {"Managed HSM Crypto User": ["Microsoft.KeyVault/managedHsm/rng/action"]}
DATA_ACCESS_ADMINISTRATOR = "Key Vault Data Access Administrator"


@dataclass(frozen=True)
class Role:
    name: str
    id: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...]
    data_actions: tuple[str, ...]
    not_data_actions: tuple[str, ...]

    def __str__(self) -> str:
        return self.name

    def opens(self, action: str, of_data: bool) -> bool:
        """Whether it allows an action and does not take it back."""
        given, taken = (self.data_actions, self.not_data_actions) if of_data else (self.actions, self.not_actions)
        return _is_among(action, given) and not _is_among(action, taken)


def _is_among(action: str, patterns: Iterable[str]) -> bool:
    """`*` stands for any run of characters; case does not count."""
    return any(re.fullmatch(".*".join(map(re.escape, each.split("*"))), action, re.IGNORECASE) for each in patterns)


def _role(told: dict) -> Role:
    added = _ADDED.get(told["roleName"], [])
    return Role(
        told["roleName"], told["id"], tuple(told["actions"]), tuple(told["notActions"]), tuple(told["dataActions"] + added),
        tuple(told["notDataActions"]))


ARM_ROLES = [_role(each) for each in _ROLES["keyVault"] + _ROLES["general"]]
LOCAL_ROLES = [_role(each) for each in _ROLES["managedHsmLocal"]]


@dataclass(frozen=True)
class Row:
    """`told` is the status for one who is let in. `actions` are those any of which lets in; the first is what a refusal names,
    and with none every token will do. `target` names what the call is about: a scope that contains it gives the right."""

    operation: str
    host: str
    method: str
    path: str
    actions: tuple[str, ...]
    target: str
    told: int
    body: object = None
    query: dict = field(default_factory=dict)
    version: str | None = "latest"
    # Where everyone is answered alike: whether the answer lets the caller in.
    lets_in: Callable[[Response], bool] | None = None
    # Roles that hold the action and may not use it for this.
    not_for: tuple[str, ...] = ()

    @property
    def of_data(self) -> bool:
        return self.host in ("vault", "pool")

    def __str__(self) -> str:
        return f"{self.operation} {self.method} {self.host}:{self.path}"


def is_open(row: Row, role: Role, scopes: Iterable[str]) -> bool:
    """What should be: the role is held at a scope that contains the target, and allows one of the actions."""
    if not row.actions:
        return True
    target = row.target.lower()
    within = any(target == scope.lower() or target.startswith(scope.lower() + "/") for scope in scopes)
    return within and role.name not in row.not_for and any(role.opens(action, row.of_data) for action in row.actions)


@dataclass(frozen=True)
class Holder:
    """The application that holds one role, with its calls to each kind of host."""

    role: Role
    object_id: str
    claims: dict
    call: dict[str, Callable[..., Response]]

    def make(self, row: Row) -> Response:
        options = {} if row.body is None else {"json": row.body}
        if row.version != "latest":
            options["version"] = row.version
        return self.call[row.host](row.method, row.path, query=row.query, **options)


@dataclass(frozen=True)
class Place:
    """A vault or pool as refusals word it."""

    name: str
    scope: str
    location: str
    kind: str

    def refusals(self, row: Row, claims: dict) -> list[str]:
        """The sentence of a refusal, word for word. Where the path names an object and the right is one over the whole, either of the
        two is the resource."""
        action = row.actions[0].split("/", 2)[2]
        objects = {"".join(re.findall(r"/(?:secrets|keys|certificates)/[^/]+$", row.target))}
        if row.host == "pool" and row.path.startswith("/keys/"):
            objects.add(f"/keys/{SUBJECT}" if row.target == self.scope else "".join(objects))
        texts = [refused_by_rbac(claims, action, f"{self.scope}{each}".lower(), self.name, self.location) for each in objects]
        return [text.replace("'Microsoft.KeyVault/vaults/", f"'Microsoft.KeyVault/{self.kind}/") for text in texts]


def _is_refusal(answer: Response) -> bool:
    """Whether it is a refusal for want of a role, and not another 403."""
    if answer.status_code != 403:
        return False
    error = answer.json().get("error", {})
    return error.get("code") == "AuthorizationFailed" or "innererror" in error


def fault(row: Row, holder: Holder, answer: Response, expected: bool, places: dict[str, Place]) -> str:
    """What is wrong with an answer; nothing when it is as it should be."""
    seen = f"{answer.status_code} {answer.text[:300]}"
    if row.lets_in is not None:
        if answer.status_code != row.told:
            return f"should be told {row.told}: {seen}"
        return "" if row.lets_in(answer) == expected else f"should {'' if expected else 'not '}be let in: {seen}"
    if expected:
        is_told = answer.status_code == row.told and not _is_refusal(answer)
        return "" if is_told else f"should be let in and told {row.told}: {seen}"
    if answer.status_code != 403:
        return f"should be refused: {seen}"
    told = answer.json()
    error = told.get("error", {})
    if row.of_data:
        sentences = places[row.host].refusals(row, holder.claims)
        fits = error.get("message") in sentences and set(error) == {"code", "message", "innererror"}
        fits = fits and (error["code"], error["innererror"]) == ("Forbidden", {"code": "ForbiddenByRbac"})
        return "" if fits and set(told) == {"error"} else f"should be refused with {sentences}: {told}"
    fits = set(told) == {"error"} and set(error) == {"code", "message"} and error["code"] == "AuthorizationFailed"
    return "" if fits and f"'{row.actions[0]}'" in error["message"] else f"should be refused for {row.actions[0]}: {seen}"


class Cells:
    """Calls cells, several at a time, and counts them."""

    def __init__(self, label: str, places: dict[str, Place]):
        self.label, self.places = label, places
        self.allowed = self.denied = 0
        self.wrong: list[str] = []

    def call(self, holders: Iterable[Holder], rows: list[Row], scopes: Iterable[str]) -> "Cells":
        """Every row by every holder, whose roles are held at these scopes."""
        held = list(scopes)

        def judged(holder: Holder) -> list[tuple[bool, str]]:
            found = []
            for row in rows:
                expected = is_open(row, holder.role, held)
                reason = fault(row, holder, holder.make(row), expected, self.places)
                found.append((expected, f"{holder.role} | {row} | {reason}" if reason else ""))
            return found

        with ThreadPoolExecutor(THREADS) as threads:
            for found in threads.map(judged, holders):
                self.allowed += sum(expected for expected, _ in found)
                self.denied += sum(not expected for expected, _ in found)
                self.wrong += [text for _, text in found if text]
        return self

    def finish(self, expected: int, record_property: Callable[[str, object], None]) -> None:
        """Tells the counts, which are shown when all tests have run; fails when a cell was wrong or one is missing."""
        record_property("cells", (
            f"{self.label}: {expected} cells, {self.allowed} allowed, {self.denied} denied"
            + (f", {len(self.wrong)} WRONG" if self.wrong else "")))
        shown = "\n".join(self.wrong[:_SHOWN])
        assert not self.wrong, f"{len(self.wrong)} of {expected} cells are wrong:\n{shown}"
        assert self.allowed + self.denied == expected
