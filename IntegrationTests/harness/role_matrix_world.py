"""A server for the role matrix: a vault, a pool and what is in them, and an application for each role that holds it where it is told to."""

import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property

from requests import Response

from .application import Application
from .directory import NOBODY, Directory
from .hsm_pool import POOL, pool_keys, pool_wire
from .hsm_server import HsmServer
from .keys_wire import Keys
from .management_wire import LATEST, Arm
from .role_matrix import ARM_ROLES, LOCAL_ROLES, SUBJECT, Holder, Place, Role, Row
from .role_matrix_data import CURVE, STANDING, SYMMETRIC, pool_rows, vault_rows
from .role_matrix_management import GIVEN, Scopes, management_rows
from .tokens import claims_of

VAULT, BESIDE, OTHER_POOL = "demo", "demo2", "otherhsm"
_ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
_THREADS = 8


class World:
    """`holders` have roles of the subscription, `local` those of pools. None of them is held anywhere at first."""

    def __init__(self, server: HsmServer):
        self.server = server
        self.arm = Arm.of(server)
        self.owner = Directory.of(server)
        self.pool = pool_wire(server)
        self._prepare()
        with ThreadPoolExecutor(_THREADS) as threads:
            self.holders = list(threads.map(self._holder, ARM_ROLES))
            self.local = list(threads.map(self._holder, LOCAL_ROLES))

    def _prepare(self) -> None:
        self.server.wire(VAULT).set_secret(STANDING)
        for keys in (Keys(self.server.wire(VAULT)), pool_keys(self.server)):
            keys.create(SYMMETRIC, "oct-HSM", key_size=256)
            keys.create(CURVE, "EC-HSM")
        self.deleted = self.arm.create(enablePurgeProtection=True)
        self.arm.delete(self.deleted)
        answer = self.arm.wire.put(self.arm.group("beside"), version=LATEST, json={"location": "westeurope"})
        assert answer.status_code in (200, 201), answer.text
        self.given = {
            (scope, role): self.owner.assign(role, NOBODY, scope)["name"] for scope in self.scopes.all for role in GIVEN}

    def _holder(self, role: Role) -> Holder:
        # The name is told in full: nothing goes by it.
        answer = self.arm.wire.post("/strongroom/applications", version=None, json={"displayName": str(role)})
        assert answer.status_code == 201, answer.text
        made = answer.json()
        application = Application(made["appId"], made["objectId"], made["password"], made["tenant"])
        # One after the other: a secret that was right before passes at once.
        wires = {
            "vault": self.server.wire(VAULT, application), "pool": pool_wire(self.server, application),
            "management": self.server.management(application), "graph": Directory.of(self.server, application).graph,
        }
        claims = claims_of(wires["vault"].token)
        return Holder(role, application.object_id, claims, {host: wire.call for host, wire in wires.items()})

    # What is where

    @cached_property
    def scopes(self) -> Scopes:
        vault = self.server.vault_scope(VAULT)
        return Scopes(
            self.server.subscription_scope, self.server.group_scope, vault, self.arm.vault(self.deleted),
            f"{self.server.group_scope}/providers/Microsoft.KeyVault/managedHSMs/{POOL}")

    @cached_property
    def places(self) -> dict[str, Place]:
        vault, pool = self.arm.get(VAULT), self.arm.wire.get(self.scopes.pool, version=LATEST).json()
        return {
            "vault": Place(VAULT, self.scopes.vault, vault["location"], "vaults"),
            "pool": Place(POOL, self.scopes.pool, pool["location"], "managedHsm"),
        }

    @property
    def vault_rows(self) -> list[Row]:
        return vault_rows(self.scopes.vault)

    @property
    def pool_rows(self) -> list[Row]:
        return pool_rows(self.scopes.pool)

    @property
    def management_rows(self) -> list[Row]:
        return management_rows(self.scopes, self.given)

    def arm_scopes(self, label: str) -> list[str]:
        """The scopes of a kind at which a role of the subscription is held."""
        at = self.scopes
        objects = {"secret": [SUBJECT, STANDING], "key": [SUBJECT, SYMMETRIC, CURVE], "certificate": [SUBJECT]}
        if label in objects:
            return [f"{at.vault}/{label}s/{name}" for name in objects[label]]
        beside = [f"{at.vault}/{collection}/{name}" for collection in ("secrets", "keys", "certificates") for name in (
            SUBJECT[:-1], f"{SUBJECT}s")]
        return {
            "nowhere": [], "subscription": [at.subscription], "group": [at.group], "vault": [at.vault, at.deleted],
            "beside": [self.arm.group("beside"), self.server.vault_scope(BESIDE), *beside],
        }[label]

    # Holding roles

    @contextmanager
    def held(self, scopes: Iterable[str]) -> Iterator[None]:
        """Every holder of a role of the subscription has it at these scopes."""
        wanted = [(holder, scope) for holder in self.holders for scope in scopes]
        with ThreadPoolExecutor(_THREADS) as threads:
            made = list(threads.map(lambda each: self.owner.assign(each[0].role.id, each[0].object_id, each[1]), wanted))
            yield
            list(threads.map(self.owner.unassign, made))

    @contextmanager
    def held_locally(self, paths: Iterable[str], pool: str = POOL) -> Iterator[None]:
        """Every holder of a role of pools has it at these scopes of a pool: nothing for all of it, `/keys`, `/keys/NAME`."""
        owner = pool_wire(self.server, pool=pool)
        wanted = [(holder, f"{path}{_ASSIGNMENTS}/{uuid.uuid4()}") for holder in self.local for path in paths]

        def assign(holder: Holder, path: str) -> None:
            body = {"properties": {"roleDefinitionId": holder.role.id, "principalId": holder.object_id}}
            _insist(owner.put(path, json=body), 201)

        with ThreadPoolExecutor(_THREADS) as threads:
            list(threads.map(lambda each: assign(*each), wanted))
            yield
            list(threads.map(lambda each: _insist(owner.delete(each[1]), 200), wanted))


def _insist(answer: Response, status: int) -> None:
    assert answer.status_code == status, f"{answer.request.url}: {answer.status_code} {answer.text}"
