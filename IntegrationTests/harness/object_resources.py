"""Keys and secrets as resources of Azure Resource Manager by plain calls. Those with a result insist that they worked; `ask…` do not."""

import uuid
from dataclasses import dataclass

from requests import Response

from .hsm_pool import pool_keys, pool_wire
from .keys_wire import Keys
from .management_pools import ASSIGNMENTS, Pools
from .management_wire import LATEST, Arm
from .security_domain import Domain, make_holders, new_pool
from .server import Server
from .tokens import decode

# Local roles: what may be done with the keys of a pool beside its administration.
CRYPTO_OFFICER, CRYPTO_USER = "515eb02d-2335-4d2d-92f2-b1cbdf9c3778", "21dbd100-6940-42c2-9190-5d6cb909625b"
SETTING = "/settings/AllowKeyManagementOperationsThroughARM"


def key_body(kty: str = "EC", *, tags: dict | None = None, **properties) -> dict:
    return {"properties": {"kty": kty, **properties}, **({} if tags is None else {"tags": tags})}


def secret_body(value: str = "value", *, tags: dict | None = None, **properties) -> dict:
    return {"properties": {"value": value, **properties}, **({} if tags is None else {"tags": tags})}


class Resources:
    """The keys or the secrets below one vault or pool, as one caller reaches them."""

    def __init__(self, arm: Arm, place: str, collection: str):
        self.arm, self.collection = arm, collection
        self.all = f"{arm.vault(place)}/{collection}"
        self.type = "Microsoft.KeyVault/" + self.all.split("/")[-3] + f"/{collection}"

    def path(self, name: str) -> str:
        return f"{self.all}/{name}"

    def ask_put(self, name: str, body: object, *, version: str | None = LATEST) -> Response:
        return self.arm.wire.put(self.path(name), version=version, json=body)

    def ask_patch(self, name: str, body: object, *, version: str | None = LATEST) -> Response:
        return self.arm.wire.patch(self.path(name), version=version, json=body)

    def ask_get(self, name: str) -> Response:
        return self.arm.wire.get(self.path(name), version=LATEST)

    def ask_list(self, below: str = "", **query) -> Response:
        """`below` is what follows the collection, such as `/NAME/versions`."""
        return self.arm.wire.get(self.all + below, version=LATEST, query=query)

    def put(self, name: str, body: dict) -> dict:
        answer = self.ask_put(name, body)
        assert answer.status_code in (200, 201), f"{answer.status_code} {answer.text}"
        return answer.json()

    def get(self, name: str) -> dict:
        return _done(self.ask_get(name))

    def pages(self, below: str = "", **query) -> list[list[dict]]:
        page = _done(self.ask_list(below, **query))
        found = [page["value"]]
        while page.get("nextLink"):
            page = _done(self.arm.wire.get(page["nextLink"]))
            found.append(page["value"])
        return found

    def listed(self, below: str = "", **query) -> list[dict]:
        return [each for page in self.pages(below, **query) for each in page]


def _done(answer: Response) -> dict:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    return answer.json()


@dataclass(frozen=True)
class Place:
    """Where keys are, on both planes, as the owner reaches them."""

    name: str
    arm: Arm
    resources: Resources
    keys: Keys

    @property
    def kind(self) -> str:
        return self.resources.type.split("/")[1]

    @property
    def is_pool(self) -> bool:
        return self.kind == "managedHSMs"

    @property
    def operation(self) -> str:
        """What the names of its operations begin with."""
        return "ManagedHSMKey" if self.is_pool else "VaultKey"

    @property
    def action(self) -> str:
        return f"Microsoft.KeyVault/{self.kind}/keys/"

    def of(self, server: Server, application) -> Resources:
        """The same, as an application reaches them."""
        return Resources(type(self.arm).of(server, application), self.name, "keys")


def vault_place(server: Server, sku: str = "premium", **properties) -> Place:
    arm = Arm.of(server)
    name = arm.create(sku={"family": "A", "name": sku}, **properties)
    return Place(name, arm, Resources(arm, name, "keys"), Keys(server.wire(name)))


def inactive_place(server: Server) -> Place:
    """A pool that is not activated."""
    return pool_place(server, new_pool(server))


def pool_place(server: Server, name: str) -> Place:
    arm = Pools.of(server)
    return Place(name, arm, Resources(arm, name, "keys"), pool_keys(server, pool=name))


def open_pool(server: Server) -> Place:
    """A pool whose keys may be managed here, and used by the owner."""
    place = inactive_place(server)
    Domain(pool_wire(server, pool=place.name)).download(make_holders(3))
    for role in (CRYPTO_OFFICER, CRYPTO_USER):
        body = {"properties": {"roleDefinitionId": role, "principalId": place.arm.object_id}}
        answer = place.keys.wire.put(f"{ASSIGNMENTS}/{uuid.uuid4()}", json=body)
        assert answer.status_code == 201, answer.text
    allow(place, True)
    return place


def allow(place: Place, is_on: bool) -> None:
    _done(place.keys.wire.patch(SETTING, json={"value": str(is_on).lower()}))


def resource_of(place: Place, bundle: dict, *, is_version: bool = False, size: int | None = None) -> dict:
    """What should be told of a key that is such on the data plane. `size` is that of a symmetric key."""
    key = bundle["key"]
    uri, version = key["kid"].rsplit("/", 1)
    name = uri.rsplit("/", 1)[1]
    bits = {"curveName": key["crv"]} if "crv" in key else {"keySize": 8 * len(decode(key["n"])) if "n" in key else size}
    properties = {
        "attributes": {member: value for member, value in bundle["attributes"].items() if member in (
            "enabled", "nbf", "exp", "created", "updated", "recoveryLevel", "exportable")},
        "kty": key["kty"], "keyOps": key["key_ops"], **bits, "keyUri": uri, "keyUriWithVersion": key["kid"],
    }
    if "release_policy" in bundle:
        properties["release_policy"] = {member: bundle["release_policy"][member] for member in ("contentType", "data")}
    below = f"/versions/{version}" if is_version else ""
    return {
        "id": place.resources.path(name) + below, "name": version if is_version else name,
        "type": place.resources.type + ("/versions" if is_version else ""), "location": place.arm.get(place.name)["location"],
        "tags": bundle.get("tags", {}), "properties": properties,
    }


def code_of(answer: Response) -> tuple[int, str]:
    assert set(answer.json()) == {"error"} and answer.json()["error"]["message"], answer.text
    return answer.status_code, answer.json()["error"]["code"]
