"""News out, put together: which package writes a message, how its link is made, through which door it goes."""

import logging
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from people.letters import Letters
from people.limits import PeopleLimits
from people.mail_links import Link as PeopleLink
from people.mail_links import MailKind, MailLinks, Purpose, RecoveryFact, life_of
from people.service import People
from spine.clock import Clock
from spine.ids import PersonId, named_after
from spine.problems import Kind, Problem
from spine.queues import BacklogFull
from spine.store import Ack
from trunkline.settings import Settings
from webhooks.dispatch import Brief, Composer
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.envelope import News
from webhooks.mail import FileOutbox, Letter, Link, MailDoor, Minter, SmtpDoor, SmtpServer
from webhooks.messages import Outgoing, message_id
from webhooks.subscriptions import Subscriptions
from webhooks.web_push_devices import Alive

log = logging.getLogger("trunkline.people")

_ACCOUNT_PAGE = "people"


class BadMailSetting(Problem):
    """`mail_smtp_url` is not a URL of a mail server."""

    code = "settings.mail"
    kind = Kind.INVALID


def mail_door(settings: Settings) -> MailDoor:
    """Files in the data directory, or the SMTP server that the settings name."""
    if settings.mail_smtp_url is None:
        settings.mail_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileOutbox(settings.mail_dir)
    url = urlsplit(settings.mail_smtp_url.get_secret_value())
    security = {"smtps": "tls", "smtp+starttls": "starttls", "smtp": "none"}.get(url.scheme)
    if security is None or not url.hostname:
        raise BadMailSetting("mail_smtp_url: smtp://, smtps:// or smtp+starttls://, a host, perhaps a port")
    server = SmtpServer(
        url.hostname,
        url.port or {"tls": 465, "starttls": 587, "none": 25}[security],
        security,  # type: ignore[arg-type]  # the three literals of the table above
        unquote(url.username) if url.username else None,
        unquote(url.password) if url.password else None,
    )
    return SmtpDoor(server)


class PeopleMailer:
    """``people.mail_links.Mailer`` on the engine: each mail is a durable message named after its cause."""

    def __init__(self, clock: Clock, limits: PeopleLimits) -> None:
        self._clock = clock
        self._limits = limits
        self._engine: Engine | None = None
        self._endpoints: Endpoints | None = None
        self._subscriptions: Subscriptions | None = None

    def attach(self, engine: Engine, endpoints: Endpoints, subscriptions: Subscriptions) -> None:
        """The engine needs people to write their letters, and people need it to queue them."""
        self._engine, self._endpoints, self._subscriptions = engine, endpoints, subscriptions

    async def mail(self, person: PersonId, kind: MailKind, reference: str, *, ack: Ack | None = None) -> None:
        """Queue one mail; returns when it is on disk."""
        if self._engine is None:
            raise RuntimeError("attach the engine first")
        now = self._clock.now()
        message = Outgoing(
            id=message_id(reference, kind.value.replace("_", "-"), person),
            type=f"people.{kind.value}",
            at=now,
            expires_at=now + life_of(kind, self._limits),
            reference={"reference": reference},
            person=person,
            interactive=kind is MailKind.SIGN_IN,
        )
        await self._engine.queue(message, ack=ack)

    async def tell(self, fact: RecoveryFact, position: str) -> None:
        """Into the person's stream and to each of their systems; an address that is full is passed over."""
        if self._engine is None or self._endpoints is None or self._subscriptions is None:
            raise RuntimeError("attach the engine first")
        recovery, what = named_after("rcv", fact.person, fact.n), fact.kind.replace(".", "-")
        reference = {"person": fact.person, "recovery": recovery, "position": position}
        event = named_after("msg", recovery, what)
        await self._subscriptions.tell(fact.person, event, fact.kind, reference, at=fact.at)
        for endpoint in await self._endpoints.for_subscriber(fact.person, fact.kind):
            message = Outgoing(
                id=message_id(recovery, what, endpoint),
                type=fact.kind,
                at=fact.at,
                expires_at=fact.at + self._limits.recovery_wait,
                reference=reference,
                endpoint=endpoint,
                interactive=True,
            )
            try:
                await self._engine.queue(message)
            except BacklogFull:
                log.warning("news.address_full", extra={"endpoint": endpoint, "type": fact.kind})


def people_composer(letters: Letters, limits: PeopleLimits) -> Composer:
    """Letters of the package ``people``."""

    async def compose(brief: Brief) -> News | Letter | None:
        kind = MailKind(brief.type.partition(".")[2])
        if brief.person is None:
            return None
        said = await letters.write(brief.person, kind, brief.reference["reference"])
        if said is None:
            return None
        link = Link(
            said.label,
            _ACCOUNT_PAGE,
            said.link.person,
            {"purpose": said.link.purpose.value, "to": said.link.to, "entry": said.link.entry},
            brief.at + life_of(kind, limits),
        )
        return Letter(said.address, said.subject, said.paragraphs, link, language=said.language)

    return compose


def minter(links: MailLinks, others: Mapping[str, Minter], deliveries: Minter, clock: Clock) -> Minter:
    """Make a letter's link where its page belongs. ``others``: by page, for what is no delivery's."""

    async def mint(link: Link) -> str:
        if link.page == _ACCOUNT_PAGE:
            purpose = Purpose(link.reference["purpose"])
            wanted = PeopleLink(link.person, purpose, link.reference["to"], link.reference["entry"])
            return await links.make(wanted, life=link.until - clock.now())
        return await others.get(link.page, deliveries)(link)

    return mint


def alive(people: People) -> Alive:
    """Whether a session of a person lives: a browser that was turned on in it is notified no longer than that."""

    async def asked(person: PersonId, session: str) -> bool:
        living = await people.sessions.all_of(person, now=people.clock.now())
        return any(one.id == session for one in living)

    return asked
