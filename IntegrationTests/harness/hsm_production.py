"""`strongroom serve` with a token, a pool and a premium vault in its configuration."""

from pathlib import Path

import requests

from .application import Application
from .hsm_token import MODULE, init_token
from .keys_wire import Keys
from .production import NAMES, PASSPHRASE, Production
from .wire import Wire

LABEL = "production"
PIN = "a pin for tests only"
CRYPTO_USER = "21dbd100-6940-42c2-9190-5d6cb909625b"


class HsmProduction(Production):
    """The PIN comes as a credential of systemd unless a test says otherwise."""

    def __init__(self, binary: Path, folder: Path):
        super().__init__(binary, folder)
        self.serial = self.authority.issue([*NAMES, "*.managedhsm.localhost"], self.certificate, self.private_key)
        self.softhsm = folder / "softhsm2.conf"
        init_token(self.softhsm, folder / "tokens", LABEL, PIN)
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "pin").write_text(PIN)
        self.settings["hsm"] = {"module": MODULE, "tokenLabel": LABEL, "pin": "credential:pin", "sessions": 8}
        self.settings["pools"] = [{"name": "pool1"}]
        self.settings["vaults"] = [{"name": "demo"}, {"name": "best", "sku": "premium"}, {"name": "plain", "sku": "standard"}]

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.softhsm), "CREDENTIALS_DIRECTORY": str(self.credentials)}

    def run(self, command: str, passphrase: str = PASSPHRASE, **environment: str):
        return super().run(command, passphrase, **{**self.environment, **environment})

    def start(self, passphrase: str | None = PASSPHRASE, descriptors: tuple[int, ...] = (), **environment: str):
        return super().start(passphrase, descriptors, **{**self.environment, **environment})

    # Calls

    def pool_token(self, application: Application | None = None) -> str:
        who = application or self.owner
        answer = requests.post(
            f"https://login.localhost:{self.port}/{who.tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": who.app_id,
                "client_secret": who.password,
                "scope": f"https://managedhsm.localhost:{self.port}/.default",
            },
            verify=str(self.bundle),
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["access_token"]

    def pool(self, name: str = "pool1") -> Keys:
        return Keys(Wire(f"https://{name}.managedhsm.localhost:{self.port}", str(self.bundle), self.pool_token()))

    def keys(self, vault: str) -> Keys:
        return Keys(self.wire(vault=vault))
