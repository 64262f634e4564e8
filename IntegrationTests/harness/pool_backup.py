"""Backup and restore of pools by plain calls. `ask…` does not insist that it worked; what is asked ends as `succeeded` or `failed`."""

import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from requests import Response

from .application import Application
from .blob_storage import BlobStorage
from .hsm_authority import claim, policy
from .hsm_pool import owner_object_id, pool_keys, pool_wire
from .keys_wire import Keys, done
from .role_matrix import LOCAL_ROLES
from .security_domain import Domain, DomainFile, Holder, holders, new_pool
from .server import Server
from .tokens import encode
from .wire import Wire

ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
SETTING = "/settings/AllowKeyManagementOperationsThroughARM"
ROLES = {role.name.removeprefix("Managed HSM "): role.id for role in LOCAL_ROLES}
MANIFEST = "backup.json"


@dataclass(frozen=True)
class Place:
    """Where backups lie, and what opens it."""

    uri: str = "file:///backups"
    token: str | None = None

    @classmethod
    def of(cls, storage: BlobStorage) -> "Place":
        return cls(storage.container, storage.signature())

    @property
    def access(self) -> dict:
        return {"storageResourceUri": self.uri, **({} if self.token is None else {"token": self.token})}


class Backups:
    """Of one pool, as one caller reaches it."""

    def __init__(self, wire: Wire, place: Place = Place()):
        self.wire, self.place = wire, place

    # Asking

    def ask_backup(self, **changes) -> Response:
        return self.wire.post("/backup", json={**self.place.access, **changes})

    def ask_pre_backup(self, **changes) -> Response:
        return self.wire.post("/prebackup", json={**self.place.access, **changes})

    def ask_restore(self, folder: str, path: str = "/restore", **changes) -> Response:
        return self.wire.put(path, json={"sasTokenParameters": {**self.place.access, **changes}, "folderToRestore": folder})

    def ask_pre_restore(self, folder: str, **changes) -> Response:
        return self.ask_restore(folder, "/prerestore", **changes)

    def ask_key(self, name: str, folder: str, **changes) -> Response:
        body = {"sasTokenParameters": {**self.place.access, **changes}, "folder": folder}
        return self.wire.put(f"/keys/{name}/restore", json=body)

    # Waiting

    def ended(self, answer: Response, seconds: float = 30) -> dict:
        """What is told of a job that was begun, when it has ended. As clients do, its address is used as it is."""
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return self.ended_at(answer.headers["Azure-AsyncOperation"], seconds)

    def ended_at(self, address: str, seconds: float = 30) -> dict:
        deadline = time.monotonic() + seconds
        while (told := done(self.wire.get(address)))["status"] == "InProgress":
            assert time.monotonic() < deadline, f"it has not ended in {seconds} s: {told}"
            time.sleep(0.05)
        return told

    def succeeded(self, answer: Response) -> dict:
        told = self.ended(answer)
        assert (told["status"], told["error"]) == ("Succeeded", None), told
        return told

    def failed(self, answer: Response, seconds: float = 30) -> dict:
        """The error of a job that must fail."""
        told = self.ended(answer, seconds)
        assert told["status"] == "Failed" and told["endTime"] >= told["startTime"], told
        assert set(told["error"]) == {"code", "message"} and told["error"]["code"] and told["error"]["message"], told
        return told["error"]

    # Doing

    def backup(self) -> str:
        """The name of the folder."""
        return folder_of(self.succeeded(self.ask_backup()))

    def restore(self, folder: str) -> None:
        self.succeeded(self.ask_restore(folder))

    def restore_key(self, name: str, folder: str) -> None:
        self.succeeded(self.ask_key(name, folder))


def folder_of(told: dict) -> str:
    return told["azureStorageBlobContainerUri"].rsplit("/", 1)[1]


def backups(server: Server, pool: str, place: Place = Place(), application: Application | None = None) -> Backups:
    return Backups(pool_wire(server, application, pool), place)


# Pools


def assign(wire: Wire, role: str, principal: str, scope: str = "") -> str:
    """Gives a role of the pool, by its name or its identifier."""
    name = str(uuid.uuid4())
    body = {"properties": {"roleDefinitionId": ROLES.get(role, role), "principalId": principal}}
    answer = wire.put(f"{scope}{ASSIGNMENTS}/{name}", json=body)
    assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
    return name


def define(wire: Wire, name: str, *actions: str) -> str:
    """Makes a role of the pool's own; its identifier."""
    guid = str(uuid.uuid4())
    permissions = [{"dataActions": list(actions), "notDataActions": []}]
    body = {"properties": {"roleName": name, "description": "What for", "permissions": permissions}}
    answer = wire.put(f"{DEFINITIONS}/{guid}", json=body)
    assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
    return guid


def use_keys(server: Server, pool: str) -> Keys:
    """The owner becomes who uses keys and who purges them."""
    wire = pool_wire(server, pool=pool)
    for role in ("Crypto User", "Crypto Officer"):
        assign(wire, role, owner_object_id(server))
    return pool_keys(server, pool=pool)


@dataclass(frozen=True)
class Pool:
    """A pool that was made by the management plane and is in use."""

    server: Server
    name: str
    domain: DomainFile

    @classmethod
    def make(cls, server: Server, held: list[Holder] | None = None, required: int = 2) -> "Pool":
        name = new_pool(server)
        domain = Domain(pool_wire(server, pool=name)).download(held or list(holders()[:3]), required)
        use_keys(server, name)
        return cls(server, name, domain)

    @property
    def keys(self) -> Keys:
        return pool_keys(self.server, pool=self.name)

    @property
    def wire(self) -> Wire:
        return pool_wire(self.server, pool=self.name)

    def backups(self, place: Place = Place(), application: Application | None = None) -> Backups:
        return backups(self.server, self.name, place, application)

    def sibling(self, server: Server | None = None, quorum: list[Holder] | None = None) -> "Pool":
        """A new pool into which the domain of this one was brought."""
        server = server or self.server
        name = new_pool(server)
        domain = Domain(pool_wire(server, pool=name))
        domain.upload(self.domain.restore(quorum or list(holders()[:2]), domain.transfer_key()))
        use_keys(server, name)
        return Pool(server, name, self.domain)


def make_big(keys: Keys, name: str) -> None:
    """A key that takes a megabyte of a backup, by its release policy."""
    document = json.dumps(policy("https://a.example", claim("x", "y" * 700_000))).encode()
    keys.create(name, "oct-HSM", attributes={"exportable": True}, release_policy={"data": encode(document)})


# What is in a pool


def content(keys: Keys) -> dict:
    """All that a backup holds."""
    wire = keys.wire
    live = sorted(item["kid"].rsplit("/", 1)[1] for item in keys.listed("/keys"))
    gone = sorted(item["kid"].rsplit("/", 1)[1] for item in keys.listed("/deletedkeys"))
    return {
        "keys": {name: {kid: done(wire.get(urlsplit(kid).path)) for kid in (each["kid"] for each in keys.versions(name))} for name in live},
        "current": {name: keys.get(name) for name in live},
        "rotation": {name: keys.policy(name) for name in live},
        "deleted": {name: done(wire.get(f"/deletedkeys/{name}")) for name in gone},
        "assignments": {each["name"]: each["properties"] for each in done(wire.get(ASSIGNMENTS))["value"]},
        "definitions": {
            each["name"]: each for each in done(wire.get(DEFINITIONS))["value"] if each["properties"]["type"] == "CustomRole"},
        "setting": done(wire.get(SETTING))["value"],
    }


def carried(keys: Keys) -> dict:
    """What of it is the same in every pool, but for the host."""
    held = {name: told for name, told in content(keys).items() if name not in ("assignments", "definitions")}
    return json.loads(json.dumps(held).replace(keys.wire.base, "https://pool"))


def files_with(folder: Path, *wanted: bytes) -> list[str]:
    """The files below a folder that hold one of these."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "reserve":
            held = path.read_bytes()
            found += [str(path) for each in wanted if each in held]
    return found
