"""A production server that sends mail about its certificates."""

from pathlib import Path

from .audit import parse_records
from .certificates_made import pfx, self_signed
from .certificates_wire import Certificates
from .clock import shifted
from .command_line import CommandLine
from .mail import Mail, MailServer, Manner, mail_context
from .ports import free_port
from .production import Production

MINUTE, DAY = 60, 86_400
ADDRESS = "strongroom@example.com"
USER, PASSWORD = "strongroom", "a password for mail only"
ACCOUNT = (USER, PASSWORD)
SOON = {"lifetime_actions": [{"trigger": {"lifetime_percentage": 1}, "action": {"action_type": "EmailContacts"}}]}


class MailSender:
    """Its mail server is a port of loopback, on which nothing listens until a `MailServer` does."""

    def __init__(self, binary: Path, folder: Path, vaults: tuple[str, ...] = ("demo",)):
        self.production = Production(binary, folder)
        self.production.settings["vaults"] = [{"name": name} for name in vaults]
        self.production.initialise()
        self.port = free_port()
        self.context = mail_context(folder, self.production.authority)
        self.credentials = folder / "credentials"
        self.credentials.mkdir()
        (self.credentials / "mail").write_text(PASSWORD)
        self.use()
        self._is_granted = False

    def use(self, **members) -> None:
        """Puts the mail server into the configuration; a member that is None is left out."""
        wanted = {
            "server": "localhost",
            "port": self.port,
            "user": USER,
            "password": "credential:mail",
            "from": ADDRESS,
            "caFile": str(self.production.bundle),
            **members,
        }
        mail = {name: value for name, value in wanted.items() if value is not None}
        self.production.settings["notices"] = {"mail": mail}

    def good(self, **parts) -> MailServer:
        """A mail server that wants TLS and the account."""
        return MailServer(self.port, Manner(**{"context": self.context, "account": ACCOUNT, **parts}))

    # Life

    def start(self, seconds: int = 0, **options) -> "MailSender":
        """Starts it with its clock ahead by so many seconds."""
        moved = shifted(seconds) if seconds else {}
        self.production.start(CREDENTIALS_DIRECTORY=str(self.credentials), **moved, **options)
        if not self._is_granted:
            scope = f"/subscriptions/{self.production.subscription}"
            self.cli().assign(self.production.owner, "Key Vault Administrator", scope)
            self._is_granted = True
        return self

    def stop(self) -> str:
        """Stops it; what it said on its standard error."""
        assert self.production.stop() == 0
        return self.production.errors.finish()

    # Doors

    def cli(self) -> CommandLine:
        return CommandLine(self.production.binary, self.production.client_env)

    def certificates(self, vault: str = "demo") -> Certificates:
        return Certificates(self.production.wire(vault=vault))

    def tell(self, *addresses: str, vault: str = "demo") -> None:
        """Makes these the contacts of a vault."""
        contacts = {"contacts": [{"email": address} for address in addresses]}
        assert self.certificates(vault).wire.put("/certificates/contacts", json=contacts).status_code == 200

    def near_end(self, name: str, vault: str = "demo") -> dict:
        """A certificate that began long ago, of which one percent of its time has passed."""
        return self.certificates(vault).import_(name, pfx(*self_signed()), policy=SOON)

    def sendings(self) -> list[dict]:
        """The records of the audit log about notices."""
        exported = parse_records(self.cli().run("audit", "export").stdout)
        return [record for record in exported if record["operationName"] == "NoticeSend"]


def about(mails: list[Mail], name: str) -> list[Mail]:
    """The mails about one certificate."""
    return [mail for mail in mails if f" {name} " in mail.subject]
