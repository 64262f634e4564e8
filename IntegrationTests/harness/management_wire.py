"""The management plane of vaults by plain calls. Those that end in a result insist that they worked; `ask…` and `Wire` do not."""

import copy
import time
import uuid

import requests
from requests import Response

from .application import Application
from .production import Production
from .server import Server
from .tokens import claims_of
from .wire import Wire

# The newest api-version that the clients are built with, and the last one but a few, whose vaults use access policies by default.
LATEST, EARLIER = "2026-02-01", "2023-07-01"
LOCATION = "westeurope"
# Put into a body in place of a value: the member is left out.
GONE = object()


def vault_name() -> str:
    """A name of its own, short enough for a vault."""
    return f"v{uuid.uuid4().hex[:14]}"


def changed(body: dict, path: str, value) -> dict:
    """The same body with another value at a path of members such as `properties.sku.name`."""
    whole = copy.deepcopy(body)
    *parents, last = path.split(".")
    inner = whole
    for parent in parents:
        inner = inner.setdefault(parent, {})
    if value is GONE:
        inner.pop(last, None)
    else:
        inner[last] = value
    return whole


def assert_refused(answer: Response, status: int, code: str, *words: str) -> None:
    """An error as Azure Resource Manager shapes it: a code and a message, and nothing else."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers["Content-Type"].startswith("application/json"), answer.headers
    assert set(answer.json()) == {"error"}, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message"}, answer.text
    assert (error["code"], bool(error["message"])) == (code, True), answer.text[:500]
    for word in words:
        assert word.lower() in error["message"].lower(), f"no {word!r} in {error['message']!r}"


def assert_wrong(arm, standing: str, fresh: str, case: tuple) -> None:
    """A body with one wrong member is refused by whoever would take it, names the member or what is around it, and changes nothing."""
    path, value = case
    wrong, before = changed(arm.body(), path, value), arm.get(standing)
    answer = arm.ask_put(fresh, wrong)
    assert_refused(answer, 400, "BadParameter")
    message = answer.json()["error"]["message"]
    assert "lacks the member" in message or any(part in message for part in path.split(".")[-2:]), message
    assert_refused(arm.ask_put(standing, wrong), 400, "BadParameter")
    assert_refused(arm.ask_patch(standing, wrong), 400, "BadParameter")
    assert arm.get(standing) == before and arm.is_free(fresh)


def case_label(case: tuple) -> str:
    return f"{case[0].removeprefix('properties.')}={'absent' if case[1] is GONE else str(case[1])[:40]}"


def assert_withheld(answer: Response, inner: str, *words: str) -> None:
    """A refusal of a vault itself: 403 with the reason as inner code."""
    assert answer.status_code == 403, f"{answer.status_code} {answer.text[:500]}"
    error = answer.json()["error"]
    assert (error["code"], error.get("innererror", {}).get("code")) == ("Forbidden", inner), answer.text[:500]
    for word in words:
        assert word in error["message"], error["message"]


class Arm:
    """The vaults of one subscription, as one caller reaches them."""

    def __init__(self, wire: Wire, subscription_scope: str, default_group: str, tenant: str):
        self.wire = wire
        self.subscription = subscription_scope
        self.default_group = default_group
        self.tenant = tenant

    @classmethod
    def of(cls, server: Server, application: Application | None = None) -> "Arm":
        """As the owner unless said otherwise."""
        env = server.client_env
        return cls(server.management(application), server.subscription_scope, env["AZURE_RESOURCE_GROUP"], server.tenant)

    @classmethod
    def late(cls, server: Server) -> "Arm":
        """Of a server whose clock is moved: the token is new, and certificates are not checked against our own clock."""
        arm = cls.of(server)
        arm.wire = Wire(arm.wire.base, False, server.fresh_token(resource=arm.wire.base, verify=False))
        return arm

    @classmethod
    def production(cls, production: Production) -> "Arm":
        base = f"https://management.localhost:{production.port}"
        answer = requests.post(
            f"https://login.localhost:{production.port}/{production.owner.tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials", "client_id": production.owner.app_id,
                "client_secret": production.owner.password, "scope": f"{base}/.default",
            },
            verify=str(production.bundle), timeout=30,
        )
        assert answer.status_code == 200, answer.text
        wire = Wire(base, str(production.bundle), answer.json()["access_token"])
        return cls(wire, f"/subscriptions/{production.subscription}", "strongroom", production.owner.tenant)

    @property
    def object_id(self) -> str:
        return claims_of(self.wire.token)["oid"]

    # Paths

    def group(self, name: str | None = None) -> str:
        return f"{self.subscription}/resourceGroups/{name or self.default_group}"

    def vault(self, name: str, group: str | None = None) -> str:
        return f"{self.group(group)}/providers/Microsoft.KeyVault/vaults/{name}"

    def deleted(self, name: str, location: str = LOCATION) -> str:
        return f"{self.subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedVaults/{name}"

    # Bodies

    def body(self, **properties) -> dict:
        """What makes a vault: the required members and these properties."""
        sku = {"family": "A", "name": "standard"}
        return {"location": LOCATION, "properties": {"tenantId": self.tenant, "sku": sku, **properties}}

    def entry(self, object_id: str, **permissions: list[str]) -> dict:
        """An access policy."""
        return {"tenantId": self.tenant, "objectId": object_id, "permissions": permissions}

    # Calls

    def ask_put(self, name: str, body: dict | None = None, *, group: str | None = None, version: str | None = LATEST) -> Response:
        return self.wire.put(self.vault(name, group), version=version, json=self.body() if body is None else body)

    def ask_patch(self, name: str, body: dict, *, group: str | None = None, version: str | None = LATEST) -> Response:
        return self.wire.patch(self.vault(name, group), version=version, json=body)

    def ask_delete(self, name: str, *, group: str | None = None, version: str | None = LATEST) -> Response:
        return self.wire.delete(self.vault(name, group), version=version)

    def ask_get(self, name: str, *, group: str | None = None, version: str | None = LATEST) -> Response:
        return self.wire.get(self.vault(name, group), version=version)

    def ask_policies(self, kind: str, name: str, *entries, group: str | None = None, version: str | None = LATEST) -> Response:
        body = {"properties": {"accessPolicies": list(entries)}}
        return self.wire.put(f"{self.vault(name, group)}/accessPolicies/{kind}", version=version, json=body)

    def ask_deleted(self, name: str, location: str = LOCATION, version: str | None = LATEST) -> Response:
        return self.wire.get(self.deleted(name, location), version=version)

    def ask_purge(self, name: str, location: str = LOCATION, version: str | None = LATEST) -> Response:
        return self.wire.post(self.deleted(name, location) + "/purge", version=version)

    def ask_recover(self, name: str, *, group: str | None = None, location: str = LOCATION) -> Response:
        return self.ask_put(name, {**self.body(createMode="recover"), "location": location}, group=group)

    def is_free(self, name: str) -> bool:
        path = f"{self.subscription}/providers/Microsoft.KeyVault/checkNameAvailability"
        answer = self.wire.post(path, version=LATEST, json={"name": name, "type": "Microsoft.KeyVault/vaults"})
        assert answer.status_code == 200, answer.text
        return answer.json()["nameAvailable"]

    # Calls that must work

    def create(self, name: str | None = None, group: str | None = None, **properties) -> str:
        """Makes a vault; its name."""
        chosen = name or vault_name()
        answer = self.ask_put(chosen, self.body(**properties), group=group)
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
        return chosen

    def get(self, name: str, group: str | None = None) -> dict:
        return _done(self.ask_get(name, group=group))

    def change(self, name: str, **properties) -> dict:
        return _done(self.ask_patch(name, {"properties": properties}))

    def delete(self, name: str) -> None:
        _done(self.ask_delete(name), empty=True)

    def recover(self, name: str, location: str = LOCATION) -> dict:
        return _done(self.ask_recover(name, location=location))

    def purge(self, name: str) -> str:
        """Purges a deleted vault; the address that tells when it is done."""
        answer = self.ask_purge(name)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return answer.headers["Location"]

    def finish(self, location: str, seconds: float = 15) -> dict:
        """Waits for the end of an operation that was accepted."""
        deadline = time.monotonic() + seconds
        while (answer := self.wire.get(location)).status_code == 202:
            assert time.monotonic() < deadline, f"it has not ended in {seconds} s: {answer.text}"
            time.sleep(0.1)
        return _done(answer)

    def erase(self, name: str) -> None:
        """Deletes and purges a vault, and waits until its name is free."""
        self.delete(name)
        self.finish(self.purge(name))
        assert self.is_free(name)


def _done(answer: Response, empty: bool = False) -> dict:
    assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
    return {} if empty else answer.json()
