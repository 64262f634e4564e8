"""People in front of unmodified clients: programs that show a device code or open a browser are answered over HTTP."""

import json
import re
import shlex
import shutil
import subprocess
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Callable
from urllib.parse import urljoin

from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.identity import DeviceCodeCredential, InteractiveBrowserCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient
from azure.mgmt.keyvault import KeyVaultManagementClient

from .azure_cli import ENVIRONMENT, AzureCLI, Ended
from .lines import Lines
from .people import PERIOD, Person
from .server import Server
from .sign_in import Login, Page

_LIMIT = 60


class Prompts:
    """Signs a person in whenever a client asks, and counts how often it asked. A code is never typed twice."""

    def __init__(self, server: Server, person: Person):
        self.person, self.count = person, 0
        # What the last pages of the sign-ins say.
        self.said: list[str] = []
        self._login = Login(server)
        self._before: Callable[[], object] | None = None
        self._step = 0

    def next_time(self, act: Callable[[], object]) -> None:
        """Is done before the next sign-in."""
        self._before = act

    def typed(self) -> dict[str, str]:
        """What the person fills in; waits when the codes of now and of the next step are used up."""
        self._step = max(int(time.time()) // PERIOD, self._step + 1)
        while self._step > time.time() // PERIOD + 1:
            time.sleep(0.1)
        return self.person.types(self._step - int(time.time()) // PERIOD)

    def device(self, address: str, user_code: str, _: datetime) -> None:
        """The `prompt_callback` of `DeviceCodeCredential`."""
        self.sign_in_device(address, user_code)

    def sign_in_device(self, address: str, user_code: str) -> None:
        """Types the code at the address that the device showed, and signs in."""
        self._begin()
        page = Page(self._login.submit(Page(self._login.get(address)), user_code=user_code))
        self.said.append(Page(self._login.submit(page, **self.typed())).heading)

    def browser(self, address: str) -> bool:
        """Stands for `webbrowser.open`, and comes back before the page is there."""
        self._begin()
        threading.Thread(target=self._walk, args=(address,), daemon=True).start()
        return True

    def _begin(self) -> None:
        self.count += 1
        act, self._before = self._before, None
        if act is not None:
            act()

    def _walk(self, address: str) -> None:
        answer = self._login.submit(Page(self._login.get(address)), **self.typed())
        self.said.append(self.arrive(answer))

    def arrive(self, answer) -> str:
        """Goes on to the program, by a redirect or by the form that is posted to it; what the program says."""
        if answer.is_redirect:
            return self._login.get(answer.headers["Location"]).text
        page = Page(answer)
        assert answer.ok, f"{page.heading} {page.alert}"
        return self._login.post(urljoin(page.url, page.form.action), page.form.hidden).text


def device_credential(server: Server, prompts: Prompts, **options) -> DeviceCodeCredential:
    usual = {"prompt_callback": prompts.device, "tenant_id": server.tenant, "timeout": 30}
    return DeviceCodeCredential(authority=server.login, disable_instance_discovery=True, **{**usual, **options})


def browser_credential(server: Server, **options) -> InteractiveBrowserCredential:
    usual = {"tenant_id": server.tenant, "timeout": 30}
    return InteractiveBrowserCredential(authority=server.login, disable_instance_discovery=True, **{**usual, **options})


def secrets_of(server: Server, credential, vault: str = "demo") -> SecretClient:
    return SecretClient(server.vault_url(vault), credential)


def management_of(server: Server, credential) -> KeyVaultManagementClient:
    """It says that it understands claims challenges, as the clients of vaults do: azure-identity keeps a sign-in of its own for those."""
    base = server.client_env["ARM_URL"].rstrip("/")
    policy = BearerTokenCredentialPolicy(credential, f"{base}/.default", enable_cae=True)
    return KeyVaultManagementClient(
        credential, server.client_env["AZURE_SUBSCRIPTION_ID"], base_url=base, authentication_policy=policy)


def use_vault(server: Server, credential, name: str) -> None:
    """Sets and gets a secret, makes a key and signs with it."""
    secrets_of(server, credential).set_secret(name, "by a person")
    assert secrets_of(server, credential).get_secret(name).value == "by a person"
    key = KeyClient(server.vault_url("demo"), credential).create_ec_key(name)
    signature = CryptographyClient(key, credential).sign(SignatureAlgorithm.es256, b"\1" * 32).signature
    assert CryptographyClient(key, credential).verify(SignatureAlgorithm.es256, b"\1" * 32, signature).is_valid


def use_everything(server: Server, credential, name: str) -> None:
    """The management plane is another resource than vaults, and so needs another token."""
    use_vault(server, credential, name)
    assert "demo" in {vault.name for vault in management_of(server, credential).vaults.list_by_subscription()}


class Running:
    """A command that has not ended yet."""

    def __init__(self, words: list[str], environment: dict[str, str]):
        self.process = subprocess.Popen(
            words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.output, self.errors = Lines(self.process.stdout), Lines(self.process.stderr)

    def finish(self) -> Ended:
        try:
            code = self.process.wait(_LIMIT)
        finally:
            self.process.kill()
        return Ended(code, self.output.finish(), self.errors.finish())


class PersonsAzureCLI(AzureCLI):
    """`az` that a person logs in to. It opens no browser: the address is written to a file, where whoever waits finds it."""

    @property
    def environment(self) -> dict[str, str]:
        file = shlex.quote(str(self._opened))
        return {**super().environment, "BROWSER": f"sh -c 'echo \"$0\" > {file}.new && mv {file}.new {file}' %s"}

    @property
    def _opened(self) -> Path:
        return self.folder / "opened-in-the-browser"

    def start(self, command: str, *more: str) -> Running:
        """Starts `az COMMAND MORE`, and does not wait for it."""
        return Running([str(ENVIRONMENT / "bin/az"), *shlex.split(command), *more], self.environment)

    def login_by_device(self, prompts: Prompts, *options: str) -> list[dict]:
        """The accounts that `az login --use-device-code` finds."""
        return _accounts(self.login_with(prompts.sign_in_device, *options))

    def login_with(self, act: Callable[[str, str], object], *options: str) -> Ended:
        """Starts `az login --use-device-code`, and acts on the address and the code that it shows."""
        running = self.start("login --use-device-code", *options)
        shown = re.compile(r"open the page (\S+) and enter the code (\S+) to")
        line = running.errors.wait_for(lambda line: bool(shown.search(line)), _LIMIT)
        if line is not None:
            act(*shown.search(line).groups())
        return running.finish()

    def login_by_browser(self, prompts: Prompts, *options: str) -> list[dict]:
        """The accounts that `az login` finds once the page that it opens has been walked through."""
        running = self.start("login", *options)
        until = time.monotonic() + _LIMIT
        while not self._opened.exists() and running.process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        if self._opened.exists():
            address = self._opened.read_text().strip()
            self._opened.unlink()
            prompts.browser(address)
        else:
            running.process.kill()
        return _accounts(running.finish())

    def copy(self) -> "PersonsAzureCLI":
        """One with the same logins in files of its own: `az` reads a cache that another one is writing as an empty one."""
        folder = self.folder.with_name(f"{self.folder.name}-copy")
        shutil.copytree(self.folder, folder)
        return PersonsAzureCLI(self.server, folder)

    def forget_access_tokens(self) -> None:
        """Leaves it nothing but the refresh token, as when all access tokens have expired."""
        path = self.folder / "azure/msal_token_cache.json"
        kept = json.loads(path.read_text())
        assert kept["RefreshToken"] and kept["AccessToken"]
        path.write_text(json.dumps({**kept, "AccessToken": {}}))


def _accounts(ended: Ended) -> list[dict]:
    assert ended.exit_code == 0, ended.errors
    return json.loads(ended.output)
