"""The management plane of Managed HSM pools by plain calls. Those that end in a result insist that they worked; `ask…` do not."""

import time
import uuid

from requests import Response

from .management_wire import LATEST, LOCATION, Arm

ADMINISTRATOR = "a290e904-7015-4bba-90c8-60543313cdb4"
ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
DEFINITIONS = "/providers/Microsoft.Authorization/roleDefinitions"
SKU = {"family": "B", "name": "Standard_B1"}


def pool_name() -> str:
    """A name of its own, short enough for a pool."""
    return f"h{uuid.uuid4().hex[:14]}"


def assert_unactivated(answer: Response, pool: str) -> None:
    """A refusal to whoever may: the pool is of no use before its security domain was downloaded."""
    assert answer.status_code == 403, f"{answer.status_code} {answer.text[:500]}"
    assert answer.json() == {"error": {
        "code": "Forbidden",
        "message": f"The managed HSM '{pool}' is not activated. Download its security domain to activate it."}}


class Pools(Arm):
    """The pools of one subscription, as one caller reaches them."""

    def vault(self, name: str, group: str | None = None) -> str:
        return f"{self.group(group)}/providers/Microsoft.KeyVault/managedHSMs/{name}"

    def deleted(self, name: str, location: str = LOCATION) -> str:
        return f"{self.subscription}/providers/Microsoft.KeyVault/locations/{location}/deletedManagedHSMs/{name}"

    def body(self, **properties) -> dict:
        """What makes a pool with the caller as its administrator."""
        whole = {"tenantId": self.tenant, "initialAdminObjectIds": [self.object_id], **properties}
        return {"location": LOCATION, "sku": dict(SKU), "properties": whole}

    def ask_list(self, group: str | None = None) -> Response:
        scope = self.subscription if group is None else self.group(group)
        return self.wire.get(f"{scope}/providers/Microsoft.KeyVault/managedHSMs", version=LATEST)

    def ask_list_deleted(self) -> Response:
        return self.wire.get(f"{self.subscription}/providers/Microsoft.KeyVault/deletedManagedHSMs", version=LATEST)

    def ask_regions(self, name: str) -> Response:
        return self.wire.get(f"{self.vault(name)}/regions", version=LATEST)

    def is_free(self, name: str) -> bool:
        answer = self.wire.post(
            f"{self.subscription}/providers/Microsoft.KeyVault/checkMhsmNameAvailability", version=LATEST, json={"name": name})
        assert answer.status_code == 200, answer.text
        return answer.json()["nameAvailable"]

    def begin(self, name: str, body: dict | None = None, group: str | None = None) -> str:
        """Asks for a pool; the address that tells when it is there."""
        answer = self.ask_put(name, body, group=group)
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        return answer.headers["Location"]

    def create(self, name: str | None = None, group: str | None = None, **properties) -> str:
        """Makes a pool and waits until it is provisioned; its name."""
        chosen = name or pool_name()
        assert self.finish(self.begin(chosen, self.body(**properties), group))["properties"]["provisioningState"] == "Succeeded"
        return chosen

    def settled(self, name: str, seconds: float = 15) -> dict:
        """The pool once its provisioning has ended, however it did."""
        deadline = time.monotonic() + seconds
        while (told := self.get(name))["properties"]["provisioningState"] == "Provisioning":
            assert time.monotonic() < deadline, f"it has not ended in {seconds} s: {told}"
            time.sleep(0.1)
        return told
