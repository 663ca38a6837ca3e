"""Sign-in of persons by a one-time link of a mail: asked for, redeemed, turned into a session."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from people.known_devices import KnownDevices, Remembered
from people.limits import PeopleLimits
from people.mail_links import Mailer, MailKind, MailLinks, Purpose
from people.model import Level
from people.persons import Persons
from people.problems import LinkRefused, TooMany
from people.pseudonyms import Pseudonyms
from people.sessions import Sessions, SessionView
from people.tokens import Token
from spine.ids import CarrierId, CourierId, PersonId, new_id, partition_of
from spine.rates import Rates

_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_TEN_MINUTES: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; ``to``: the path of ours that the mail was about; ``device``: its secret, where it is new."""

    token: Token
    session: SessionView
    to: str
    device: str | None = field(default=None, repr=False)


class Doorkeeper:
    """Counts what strangers try, by network address, whose pseudonym alone is kept, and what those let in do.

    What is one too many did nothing: it is counted before anything else is done.
    """

    def __init__(self, rates: Rates, pseudonyms: Pseudonyms, limits: PeopleLimits) -> None:
        self._rates = rates
        self._pseudonyms = pseudonyms
        self._limits = limits

    async def redeems(self, client: str, *, now: datetime) -> None:
        """One more link, code, secret or assertion tried from a network address. Raises ``TooMany``."""
        await self._count("redeem", client, self._limits.redeems_per_client, _TEN_MINUTES, now)

    async def asks(self, client: str, *, now: datetime) -> None:
        """One more sign-in mail asked for from a network address. Raises ``TooMany``."""
        await self._count("sign_in_client", client, self._limits.sign_ins_per_client, _HOUR, now)

    async def acts(self, session: str, *, now: datetime) -> None:
        """One more change from a person's session: whoever stole one fills nothing with it, nor stops another.

        Raises ``TooMany``.
        """
        await self.at_once("acts", session, self._limits.acts_per_session, now)

    async def carrier(self, carrier: CarrierId, *, now: datetime) -> None:
        """One more change by a carrier, whichever of its tokens came with it. Raises ``TooMany``."""
        await self.at_once("carrier_acts", carrier, self._limits.acts_per_carrier, now)

    async def courier(self, courier: CourierId, *, now: datetime) -> None:
        """One more act of a courier. Raises ``TooMany``."""
        await self.at_once("courier_acts", courier, self._limits.acts_per_courier, now)

    async def operator(self, operator: str, *, now: datetime) -> None:
        """One more request of an operator, by token or in a browser. Raises ``TooMany``."""
        await self.at_once("operator", operator, self._limits.requests_per_operator, now)

    async def mails(self, email: str, *, now: datetime) -> bool:
        """Whether an e-mail address may get one more sign-in mail."""
        pseudonym = self._pseudonyms.text("email", email)
        limit = self._limits.sign_ins_per_address
        return await self._rates.take("sign_in_email", pseudonym, limit=limit, per=_HOUR, now=now) == 0

    async def at_once(self, space: str, whose: str, limit: int, now: datetime) -> None:
        """One more in a minute by somebody who was let in. ``space``: what is counted. Raises ``TooMany``."""
        wait = await self._rates.take(space, whose, limit=limit, per=_MINUTE, now=now)
        if wait:
            raise TooMany("Too much at once. Nothing was done; try again later.", retry_after=wait)

    async def _count(self, space: str, client: str, limit: int, per: timedelta, now: datetime) -> None:
        pseudonym = self._pseudonyms.text("client", client)
        wait = await self._rates.take(space, pseudonym, limit=limit, per=per, now=now)
        if wait:
            raise TooMany("Too many tries from your network.", retry_after=wait)


class SignIn:
    """The way in by mail: level ``link``, or ``session`` on a device that is known (webhooks.md, "Levels")."""

    def __init__(
        self,
        persons: Persons,
        sessions: Sessions,
        links: MailLinks,
        devices: KnownDevices,
        mailer: Mailer,
        doorkeeper: Doorkeeper,
    ) -> None:
        self._persons = persons
        self._sessions = sessions
        self._links = links
        self._devices = devices
        self._mailer = mailer
        self._doorkeeper = doorkeeper

    async def ask(self, email: str, *, client: str, language: str = "", now: datetime) -> None:
        """Queue a mail with a link. A known, an unknown and an impatient e-mail get the same answer.

        ``client``: network address. ``language``: of the page (``Persons.ask``). Raises ``TooMany`` by that alone.
        """
        await self._doorkeeper.asks(client, now=now)
        if not await self._doorkeeper.mails(email, now=now):
            return
        person = await self._persons.ask(email, language=language, now=now)
        request = new_id("sgn", partition_of(person))
        await self._links.remember(request, person)
        await self._mailer.mail(person, MailKind.SIGN_IN, request)

    async def redeem(
        self,
        token: str,
        *,
        client: str,
        device: Callable[[PersonId], str | None] | None = None,
        now: datetime,
    ) -> SignedIn:
        """Use a link up and make a session. Raises ``LinkRefused``, ``TooMany``.

        A link that was mailed to what is no longer this person's e-mail is used up, and good for nothing.

        ``device``: the secret that the device has for a person; None: it is not to be remembered.
        """
        await self._doorkeeper.redeems(client, now=now)
        link = await self._links.take(Purpose.SIGN_IN, token)
        if link is None or not await self._persons.confirm(link.person, link.entry, now=now):
            raise LinkRefused("This link is no longer good. Ask for a new one.")
        found = Remembered(known=False)
        if device is not None:
            found = await self._devices.remember(link.person, device(link.person), now=now)
        level: Level = "session" if found.known else "link"
        made, session = await self._sessions.make(link.person, level=level, entry=link.entry, now=now)
        return SignedIn(made, session, link.to, found.secret)
