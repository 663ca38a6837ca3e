"""The mail door: a letter becomes a mail, as a file in a folder or over SMTP."""

import asyncio
import html
import os
import re
import smtplib
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal, Protocol

from spine.ids import PersonId
from webhooks.tls import trusting
from webhooks.web_push_notice import Notice

_LINE_MOST: Final = 998

_MAILBOX: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])"
)
_SUBJECT_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Link:
    """A link that a letter wants: to which ``page``, for whom, about what (ids only), good until when."""

    label: str
    page: str
    person: PersonId
    reference: Mapping[str, str]
    until: datetime


Minter = Callable[[Link], Awaitable[str]]
"""Makes the one-time link at the moment of sending, so that its token is nowhere at rest in clear.

Every try makes a new one; the page takes whichever is used first.
"""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A calendar part (RFC 6047): ``text`` is a whole iCalendar object, ``method`` the one it carries."""

    method: Literal["REQUEST", "CANCEL"]
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a composer says to a person: plain paragraphs and at most one link. It does not print itself.

    ``calendar``: goes beside the text, for the reader's calendar. ``language``: of the paragraphs (BCP 47).
    ``push``: how the same words look as a notification; one for a device has it, and no link.
    """

    to: str = field(repr=False)
    subject: str = field(repr=False)
    paragraphs: Sequence[str] = field(repr=False)
    link: Link | None = None
    calendar: Invitation | None = None
    language: str = "en"
    push: Notice | None = None


class MailRefused(Exception):
    """The mail did not go. ``for_good``: no later try can help. ``status``: the SMTP code, if any."""

    def __init__(self, reason: str, *, status: int | None = None, for_good: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.for_good = for_good


class MailDoor(Protocol):
    """How a finished mail leaves the house. Raises ``MailRefused`` only; returns the SMTP code, if any."""

    async def deliver(self, mail: EmailMessage, name: str) -> int | None: ...


class Mail:
    """Turns letters into mails and hands them to the door."""

    def __init__(self, door: MailDoor, minter: Minter, *, sender: str) -> None:
        self._door = door
        self._minter = minter
        self._sender = sender

    async def send(self, letter: Letter, name: str, *, now: datetime) -> int | None:
        """Mint the link, write the mail, hand it over. ``name``: the message's wire id.

        Raises ``MailRefused``; whatever the minter raises passes through.
        """
        if not _MAILBOX.fullmatch(letter.to):
            raise MailRefused("bad_address", for_good=True)
        url = await self._minter(letter.link) if letter.link is not None else None
        return await self._door.deliver(self._write(letter, name, url, now), name)

    def _write(self, letter: Letter, name: str, url: str | None, now: datetime) -> EmailMessage:
        mail = EmailMessage(policy=SMTP)
        mail["From"] = self._sender
        mail["To"] = letter.to
        # One line whatever a name in it holds: a header must not be able to end early.
        mail["Subject"] = " ".join(letter.subject.split())[:_SUBJECT_MOST]
        mail["Date"] = format_datetime(now)
        mail["Message-ID"] = f"<{name}@{self._sender.rpartition('@')[2].rstrip('>')}>"
        mail["Auto-Submitted"] = "auto-generated"
        label = letter.link.label if letter.link is not None else ""
        text = _text(letter.paragraphs, label, url)
        html = _html(letter.paragraphs, label, url, letter.language)
        mail.set_content(text, cte=_encoding(text))
        mail.add_alternative(html, subtype="html", cte=_encoding(html))
        if letter.calendar is not None:
            said = letter.calendar
            mail.add_alternative(
                said.text, subtype="calendar", cte=_encoding(said.text), params={"method": said.method}
            )
        return mail


def _encoding(text: str) -> Literal["7bit"] | None:
    """Plain where mail allows it (RFC 5322: ASCII, lines to 998): else a link would stand in the file broken in two."""
    plain = text.isascii() and max(map(len, text.splitlines()), default=0) <= _LINE_MOST
    return "7bit" if plain else None


def _text(paragraphs: Sequence[str], label: str, url: str | None) -> str:
    blocks = [*paragraphs, *([f"{label}:\n{url}"] if url else [])]
    return "\n\n".join(blocks) + "\n"


def _html(paragraphs: Sequence[str], label: str, url: str | None, language: str) -> str:
    blocks = [f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs]
    if url:
        blocks.append(f'<p><a href="{html.escape(url)}" rel="noreferrer">{html.escape(label)}</a></p>')
    inner = "\n".join(blocks)
    tag = html.escape(language)
    return f'<!doctype html>\n<html lang="{tag}"><meta charset="utf-8"><body>\n{inner}\n</body></html>\n'


class FileOutbox:
    """A folder with one ``.eml`` per mail, readable by its owner only: for the demo and for tests.

    A repeated try replaces the mail of the same name, as a whole or not at all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def deliver(self, mail: EmailMessage, name: str) -> int | None:
        """Raises ``MailRefused`` where the folder cannot be written."""
        try:
            await asyncio.to_thread(self._write, bytes(mail), name)
        except OSError as failure:
            raise MailRefused("outbox_not_writable") from failure
        return None

    def _write(self, mail: bytes, name: str) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._folder / f".{name}.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(mail)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / f"{name}.eml")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail goes. ``security``: TLS from the first byte, STARTTLS (refused if not offered), or none."""

    host: str
    port: int = 587
    security: Literal["tls", "starttls", "none"] = "starttls"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


class SmtpDoor:
    """Hands each mail to a mail server, on threads of its own: one that hangs holds up no other work.

    ``timeout``: of each step of the conversation. ``threads``: mails on their way at once.
    """

    def __init__(
        self, server: SmtpServer, *, timeout: timedelta = timedelta(seconds=5), threads: int = 8
    ) -> None:
        self._server = server
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhooks.smtp")
        self._timeout = timeout.total_seconds()

    async def deliver(self, mail: EmailMessage, name: str) -> int | None:  # noqa: ARG002 a file needs the name
        """Returns 250. Raises ``MailRefused``: for good where the server refuses address or mail with 5xx."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._talk, mail)
        except smtplib.SMTPRecipientsRefused as refused:
            code = max((code for code, _ in refused.recipients.values()), default=0)
            raise MailRefused("recipient_refused", status=code, for_good=code >= 500) from None
        except smtplib.SMTPDataError as refused:
            code = refused.smtp_code
            raise MailRefused("mail_refused", status=code, for_good=code >= 500) from None
        except smtplib.SMTPAuthenticationError as refused:
            # Without its cause: a server may repeat in its text what it was given.
            raise MailRefused("sign_in_refused", status=refused.smtp_code) from None
        except smtplib.SMTPResponseException as refused:
            raise MailRefused("server_refused", status=refused.smtp_code) from None
        except smtplib.SMTPServerDisconnected:
            raise MailRefused("no_connection") from None
        except smtplib.SMTPException:
            raise MailRefused("protocol") from None
        except (OSError, ValueError) as failure:
            raise MailRefused("no_connection") from failure

    def _talk(self, mail: EmailMessage) -> int:
        server = self._server
        context = server.tls or trusting()
        with self._connect(context) as smtp:
            if server.security == "starttls":
                smtp.starttls(context=context)
            if server.user is not None:
                smtp.login(server.user, server.password or "")
            smtp.send_message(mail)
        return 250

    def _connect(self, context: ssl.SSLContext) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=context)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout)
