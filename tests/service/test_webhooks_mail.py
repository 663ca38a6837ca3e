"""Mail through the same engine: a file per mail, a mail server of the test's own, and no link at rest."""

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from spine.ids import PersonId
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.test_webhooks_engine import LIMITS, dump
from webhooks.dispatch import Brief
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.envelope import wire_id
from webhooks.guard import Guard
from webhooks.keyring import Keyring
from webhooks.mail import FileOutbox, Letter, Link, Mail, MailDoor, MailRefused, SmtpDoor, SmtpServer
from webhooks.messages import Message, Outgoing, message_id
from webhooks.sealing import Seal
from webhooks.sender import HttpSender
from webhooks.states import State

ZOE = PersonId("per_5aaaaaaaaaaaaaaa")
FROM = "Trunkline <no-reply@example.org>"
TO = "zoe@example.com"


class Minted:
    """Makes links as the sign-in does: each time another token."""

    def __init__(self) -> None:
        self.links: list[str] = []

    async def __call__(self, link: Link) -> str:
        assert link.person == ZOE
        self.links.append(
            f"https://example.org/{link.page}#token-{len(self.links)}-&{link.reference['question']}"
        )
        return self.links[-1]


@dataclass
class PostOffice:
    """The engine with a mail door."""

    engine: Engine
    store: Store
    clock: SetClock
    minted: Minted
    letter: Letter

    def question(self, n: int = 1) -> Outgoing:
        return Outgoing(
            id=message_id(f"qst_7k3m9qxd4hwe2a5t.{n}", "asked", ZOE),
            type="delivery.asked",
            at=self.clock.now(),
            expires_at=self.clock.now() + timedelta(hours=2),
            reference={"question": "qst_7k3m9qxd4hwe2a5t.1"},
            person=ZOE,
            interactive=True,
        )

    async def due(self, message: str) -> Message:
        view = await self.engine.view(message)
        assert view.next_at is not None
        self.clock.set(max(view.next_at, self.clock.now()))
        await self.engine.sweep()
        return await self.engine.view(message)


LETTER = Letter(
    to=TO,
    subject="May Paul <b>open</b>\nyour boot?",
    paragraphs=["Hello Zoë,", "Shop & Sons <script> asks to open your boot."],
    link=None,
)


PATIENT = LIMITS.model_copy(update={"total_timeout": timedelta(seconds=60)})
"""Nothing here hangs but where a test says so: a busy machine is no mail server that does."""


def post_office(store: Store, clock: SetClock, door: MailDoor, letter: Letter = LETTER) -> PostOffice:
    minted = Minted()
    office = PostOffice(None, store, clock, minted, letter)  # type: ignore[arg-type]

    async def compose(brief: Brief) -> Letter:
        assert brief.person is not None
        link = Link("See and decide", "q", brief.person, brief.reference, brief.expires_at)
        return Letter(office.letter.to, office.letter.subject, office.letter.paragraphs, link)

    endpoints = Endpoints(store, clock, PATIENT, Guard(), Keyring(Seal(b"k" * 32)))
    sender = HttpSender(PATIENT, Guard())
    mail = Mail(door, minted, sender=FROM)
    office.engine = Engine(store, clock, PATIENT, {"delivery": compose}, sender, mail, endpoints)
    return office


def opened(raw: bytes) -> EmailMessage:
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def mails(folder: Path) -> list[bytes]:
    """Every file of an outbox, drafts too."""
    return [each.read_bytes() for each in sorted(folder.iterdir())]


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content())


async def test_a_mail_is_a_file_and_its_link_nowhere_else(
    store: Store, clock: SetClock, valkey: Valkey, tmp_path: Path
) -> None:
    folder = tmp_path / "outbox"
    office = post_office(store, clock, FileOutbox(folder))
    question = office.question()
    assert await office.engine.queue(question)
    assert not await office.engine.queue(question)
    assert not office.minted.links, "no link is made before the mail is"
    assert (await office.due(question.id)).state is State.DELIVERED

    [file] = list(folder.iterdir())
    assert file.name == f"{wire_id(question.id)}.eml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    mail = opened(file.read_bytes())
    assert mail["To"] == TO
    assert mail["Subject"] == "May Paul <b>open</b> your boot?"
    assert mail["Message-ID"] == f"<{wire_id(question.id)}@example.org>"
    [link] = office.minted.links
    assert link in part(mail, "plain")
    assert link.replace("&", "&amp;") in part(mail, "html")
    assert "Shop & Sons <script> asks" in part(mail, "plain")
    assert "Shop &amp; Sons &lt;script&gt; asks" in part(mail, "html")

    everything = await dump(valkey)
    assert question.id in everything
    for word in ("token-", TO, "Zoë", "Shop"):
        assert word not in everything


async def test_a_repeated_try_replaces_its_file(clock: SetClock, tmp_path: Path) -> None:
    """A crash between sending and committing: the same name, another link, one file."""
    minted = Minted()
    mail = Mail(FileOutbox(tmp_path), minted, sender=FROM)
    link = Link("Decide", "q", ZOE, {"question": "qst_7k3m9qxd4hwe2a5t.1"}, clock.now())
    for _ in range(2):
        await mail.send(Letter(TO, "x", ["x"], link), "msg_7abc", now=clock.now())
    [raw] = mails(tmp_path)
    text = part(opened(raw), "plain")
    assert [link in text for link in minted.links] == [False, True]


@pytest.mark.parametrize(
    "to", ["", "zoe", "zoe@", "zoe@example.com\nBcc: all@example.com", "a b@example.com", "<x@y.z>"]
)
async def test_a_bad_address_ends_it(store: Store, clock: SetClock, tmp_path: Path, to: str) -> None:
    office = post_office(store, clock, FileOutbox(tmp_path), Letter(to, "x", ["x"]))
    question = office.question()
    await office.engine.queue(question)
    message = await office.due(question.id)
    assert message.state is State.DEAD
    assert message.kept is not None
    assert message.kept.attempts[0].reason == "bad_address"
    assert not office.minted.links


async def test_an_outbox_that_cannot_be_written(store: Store, clock: SetClock, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    office = post_office(store, clock, FileOutbox(tmp_path / "file"))
    question = office.question()
    await office.engine.queue(question)
    message = await office.due(question.id)
    assert message.state is State.PENDING
    assert message.kept is not None
    assert message.kept.attempts[0].reason == "outbox_not_writable"


@dataclass
class SmtpSink:
    """The least of a mail server: says what it is told to, keeps what it got."""

    port: int = 0
    rcpt: str = "250 ok"
    data: str = "250 taken"
    greet: bool = True
    got: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.greet:
            await reader.read()
            return
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            match line.split()[0].upper():
                case b"EHLO":
                    writer.write(b"250-sink\r\n250 8BITMIME\r\n")
                case b"MAIL" | b"RSET":
                    writer.write(b"250 ok\r\n")
                case b"RCPT":
                    writer.write(self.rcpt.encode() + b"\r\n")
                case b"DATA":
                    writer.write(b"354 go on\r\n")
                    self.got.append(await reader.readuntil(b"\r\n.\r\n"))
                    writer.write(self.data.encode() + b"\r\n")
                case b"QUIT":
                    writer.write(b"221 bye\r\n")
                    return
                case _:
                    writer.write(b"502 what?\r\n")


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpSink]:
    sink = SmtpSink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    async with server:
        yield sink


def door(sink: SmtpSink, patience: float = 60, **more: str) -> SmtpDoor:
    return SmtpDoor(
        SmtpServer("127.0.0.1", sink.port, **({"security": "none"} | more)),
        timeout=timedelta(seconds=patience),
    )


async def test_over_smtp(store: Store, clock: SetClock, smtp: SmtpSink) -> None:
    office = post_office(store, clock, door(smtp))
    question = office.question()
    await office.engine.queue(question)
    message = await office.due(question.id)
    assert message.state is State.DELIVERED
    assert message.kept is not None
    assert message.kept.attempts[0].status == 250
    [raw] = smtp.got
    assert office.minted.links[0] in part(opened(raw.removesuffix(b".\r\n")), "plain")


@pytest.mark.parametrize(
    ("rcpt", "data", "reason", "state"),
    [
        ("250 ok", "451 later", "mail_refused", State.PENDING),
        ("250 ok", "554 never", "mail_refused", State.DEAD),
        ("450 busy", "250 ok", "recipient_refused", State.PENDING),
        ("550 nobody", "250 ok", "recipient_refused", State.DEAD),
    ],
)
async def test_what_a_mail_server_may_say(
    store: Store, clock: SetClock, smtp: SmtpSink, rcpt: str, data: str, reason: str, state: State
) -> None:
    smtp.rcpt, smtp.data = rcpt, data
    office = post_office(store, clock, door(smtp))
    question = office.question()
    await office.engine.queue(question)
    message = await office.due(question.id)
    assert message.state is state
    assert message.kept is not None
    assert message.kept.attempts[0].reason == reason
    if state is State.PENDING:
        smtp.rcpt, smtp.data = "250 ok", "250 ok"
        assert (await office.due(question.id)).state is State.DELIVERED
        assert len(set(office.minted.links)) == 2, "every try has a link of its own"


async def test_no_mail_without_the_security_asked_for(smtp: SmtpSink) -> None:
    for security in ("starttls", "tls"):
        with pytest.raises(MailRefused):
            await door(smtp, security=security).deliver(EmailMessage(), "x")
    with pytest.raises(MailRefused, match=r"^protocol$"):
        await door(smtp, user="me", password="secret-word").deliver(EmailMessage(), "x")
    assert smtp.got == []


async def test_a_mail_server_that_hangs_or_is_not_there(smtp: SmtpSink) -> None:
    smtp.greet = False
    with pytest.raises(MailRefused, match=r"^no_connection$"):
        await door(smtp, 0.2).deliver(EmailMessage(), "x")
    smtp.port = 9
    with pytest.raises(MailRefused, match=r"^no_connection$"):
        await door(smtp).deliver(EmailMessage(), "x")


def test_nothing_prints_itself() -> None:
    server = SmtpServer("mail.example.org", password="secret-word")
    assert "secret-word" not in repr(server)
    assert TO not in repr(LETTER)
