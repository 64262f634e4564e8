"""Private endpoints: listeners of a `serve`, and the connections of vaults and pools to them."""

from requests import Response

from .hsm_production import HsmProduction
from .management_wire import LATEST, Arm
from .ports import free_port
from .production import Production
from .wire import Wire

PENDING, APPROVED, REJECTED, DISCONNECTED = "Pending", "Approved", "Rejected", "Disconnected"


def add_listener(production: Production, name: str, **members) -> int:
    """Puts a listener into the configuration; its port."""
    whole = {"name": name, "addresses": ["127.0.0.1", "::1"], "port": free_port(), **members}
    production.settings.setdefault("network", {}).setdefault("privateEndpoints", []).append(whole)
    return whole["port"]


def vault_by(production: Production, port: int, vault: str = "demo", application=None, token: str | None = "own") -> Wire:
    return Wire(
        f"https://{vault}.vault.localhost:{port}", str(production.bundle), production.token(application) if token == "own" else token)


def pool_by(production: HsmProduction, port: int, pool: str = "pool1") -> Wire:
    return Wire(f"https://{pool}.managedhsm.localhost:{port}", str(production.bundle), production.pool_token())


def body(status: str | None = None, description: str | None = None, endpoint: str | None = None) -> dict:
    state = {name: value for name, value in (("status", status), ("description", description)) if value is not None}
    return {"properties": {
        **({"privateLinkServiceConnectionState": state} if state else {}),
        **({"privateEndpoint": {"id": endpoint}} if endpoint is not None else {})}}


class Connections:
    """The connections of one vault or pool by plain calls. Those that end in a result insist that they worked; `ask…` do not."""

    def __init__(self, arm: Arm, name: str, kind: str = "vaults", group: str | None = None):
        self.arm = arm
        self.resource = f"{arm.group(group)}/providers/Microsoft.KeyVault/{kind}/{name}"
        self.path = f"{self.resource}/privateEndpointConnections"

    @property
    def endpoint(self) -> str:
        """What identifiers of private endpoints begin with."""
        return f"{self.arm.group()}/providers/Microsoft.Network/privateEndpoints/"

    def ask_list(self) -> Response:
        return self.arm.wire.get(self.path, version=LATEST)

    def ask_get(self, name: str) -> Response:
        return self.arm.wire.get(f"{self.path}/{name}", version=LATEST)

    def ask_put(self, name: str, **sent) -> Response:
        return self.arm.wire.put(f"{self.path}/{name}", version=LATEST, **sent)

    def ask_delete(self, name: str) -> Response:
        return self.arm.wire.delete(f"{self.path}/{name}", version=LATEST)

    def ask_links(self) -> Response:
        return self.arm.wire.get(f"{self.resource}/privateLinkResources", version=LATEST)

    def all(self) -> list[dict]:
        return _done(self.ask_list())["value"]

    def get(self, name: str) -> dict:
        return _done(self.ask_get(name))

    def put(self, name: str, status: str | None = None, description: str | None = None, to: str | None = None) -> dict:
        """`to` is the name of a listener."""
        return _done(self.ask_put(name, json=body(status, description, to and self.endpoint + to)))

    def delete(self, name: str) -> None:
        answer = self.ask_delete(name)
        assert answer.status_code in (200, 204), f"{answer.status_code} {answer.text}"

    def clear(self) -> None:
        for each in self.all():
            self.delete(each["name"])

    def statuses(self) -> dict[str, str]:
        return {each["name"]: status_of(each) for each in self.all()}


def status_of(connection: dict) -> str:
    return connection["properties"]["privateLinkServiceConnectionState"]["status"]


def _done(answer: Response) -> dict:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()
