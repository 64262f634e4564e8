"""A mail server (aiosmtpd) that writes down what it hears, and that can be made to refuse, to lie or to keep silent."""

import asyncio
import email
import email.policy
import re
import ssl
import threading
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Callable

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from .certificates import CertificateAuthority


@dataclass(frozen=True)
class Mail:
    """What came with one DATA, whether it was taken or not."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    is_secure: bool
    user: str | None
    is_taken: bool

    @property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.content, policy=email.policy.SMTP)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        return self.message.get_content()


@dataclass(frozen=True)
class Manner:
    """How a mail server behaves. A hook that answers None lets the command pass."""

    security: str = "starttls"
    context: ssl.SSLContext | None = None
    account: tuple[str, str] | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    recipient: Callable[[str], str | None] = lambda _address: None
    message: Callable[[SMTP], str | None] = lambda _server: None
    # What is sent in place of a reply; None sends nothing.
    reply: Callable[[str], str | None] = lambda text: text


def mail_context(folder: Path, authority: CertificateAuthority, name: str = "localhost") -> ssl.SSLContext:
    """TLS with a certificate for this name from this authority."""
    certificate, key = folder / f"mail-{name}-{id(authority)}.pem", folder / f"mail-{name}-{id(authority)}.key"
    authority.issue([name], certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


class _Session(SMTP):
    """Writes down every byte before it is understood, and whether it came through TLS."""

    server: "MailServer"

    def data_received(self, data: bytes) -> None:
        self.server.note_heard(self._is_secure, data)
        super().data_received(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._is_upgrade:
            self.server.note_open(1)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.note_open(-1)
        super().connection_lost(error)

    @property
    def _is_upgrade(self) -> bool:
        return self._original_transport is not None

    @property
    def _is_secure(self) -> bool:
        return self.transport.get_extra_info("ssl_object") is not None

    async def push(self, status) -> None:
        text = self.server.manner.reply(status if isinstance(status, str) else status.decode())
        if text is not None:
            await super().push(text)


class _Controller(Controller):
    def __init__(self, server: "MailServer", **options):
        self._server = server
        super().__init__(server, **options)

    def factory(self) -> SMTP:
        made = _Session(self.handler, **self.SMTP_kwargs)
        made.server = self._server
        return made


class MailServer:
    """Listens on loopback while it is entered."""

    def __init__(self, port: int, manner: Manner):
        self.port, self.manner = port, manner
        self.mails: list[Mail] = []
        self._heard: list[tuple[bool, bytes]] = []
        self._open = 0
        self._changed = threading.Condition()

    def __enter__(self) -> "MailServer":
        manner = self.manner
        starttls = manner.security == "starttls"
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="mail.test",
            ssl_context=manner.context if manner.security == "tls" else None,
            tls_context=manner.context if starttls else None,
            require_starttls=starttls,
            auth_required=starttls and manner.account is not None,
            auth_require_tls=starttls,
            auth_exclude_mechanism={"PLAIN", "LOGIN"} - set(manner.mechanisms),
            authenticator=self._authenticate,
        )
        self._controller.start()
        return self

    def __exit__(self, *_) -> None:
        self._controller.stop()

    # What aiosmtpd asks

    def _authenticate(self, _server, session, _envelope, _mechanism, told) -> AuthResult:
        if (told.login.decode(), told.password.decode()) != self.manner.account:
            return AuthResult(success=False, handled=False)
        session.user = told.login.decode()
        return AuthResult(success=True)

    async def handle_RCPT(self, _server, session, envelope, address: str, _options) -> str:
        if self.manner.account and not hasattr(session, "user"):
            return "530 5.7.0 Authentication required"
        refusal = self.manner.recipient(address)
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(self, server: SMTP, session, envelope) -> str:
        refusal = self.manner.message(server)
        came = Mail(
            sender=envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.original_content,
            is_secure=server._is_secure,
            user=getattr(session, "user", None),
            is_taken=refusal is None,
        )
        with self._changed:
            self.mails.append(came)
            self._changed.notify_all()
        return refusal or "250 OK"

    # What is written down

    def note_heard(self, is_secure: bool, data: bytes) -> None:
        with self._changed:
            self._heard.append((is_secure, data))
            self._changed.notify_all()

    def note_open(self, change: int) -> None:
        with self._changed:
            self._open += change
            self._changed.notify_all()

    def heard(self, secure: bool) -> bytes:
        """Every byte that came through TLS, or every one that did not."""
        with self._changed:
            return b"".join(data for was_secure, data in self._heard if was_secure is secure)

    def words(self, secure: bool) -> list[str]:
        """The first word of every line."""
        lines = self.heard(secure).splitlines()
        return [re.split(rb"[ :]", line, maxsplit=1)[0].decode(errors="replace").upper() for line in lines]

    @property
    def open_connections(self) -> int:
        with self._changed:
            return self._open

    def taken(self, address: str | None = None) -> list[Mail]:
        """The mails that were taken, for anyone or for this recipient."""
        with self._changed:
            return [mail for mail in self.mails if mail.is_taken and (address is None or address in mail.recipients)]

    def wait_for(self, wanted: Callable[["MailServer"], bool], timeout: float = 30) -> bool:
        """Whether it came true in this time."""
        with self._changed:
            return self._changed.wait_for(lambda: wanted(self), timeout)

    def wait_for_end(self, wanted: Callable[["MailServer"], bool], timeout: float = 30) -> bool:
        """The same with no connection open any more: the sender then knows what became of its mails."""
        return self.wait_for(lambda server: wanted(server) and server.open_connections == 0, timeout)
