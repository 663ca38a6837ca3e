"""One-time links of mails: 256 bits in the URL's fragment, stored hashed, used by POST and never by GET."""

import json
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from people.limits import PeopleLimits
from people.tokens import digest, draw_secret, is_secret
from spine.expiring import Expiring
from spine.facts.people import RecoveryAsked, RecoveryCancelled, RecoveryDone, RecoveryReminded
from spine.ids import PersonId
from spine.store import Ack

_SPACE: Final = "mail_link:"
_REQUEST: Final = "mail_request"


class MailKind(StrEnum):
    """Why a person gets mail from this package."""

    SIGN_IN = "sign_in"
    CAR_CLAIMED = "car_claimed"
    CAR_RELEASED = "car_released"
    INVITATION = "invitation"
    INVITATION_NOTICE = "invitation_notice"
    EMAIL_CONFIRM = "email_confirm"
    EMAIL_NOTICE = "email_notice"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_ALARM = "passkey_alarm"
    RECOVERY_ASKED = "recovery_asked"
    RECOVERY_REMINDED = "recovery_reminded"
    RECOVERY_DONE = "recovery_done"
    NOTIFIED = "notified"


def life_of(kind: MailKind, limits: PeopleLimits) -> timedelta:
    """How long a mail of this kind may wait to be sent, and its link to be followed."""
    if kind is MailKind.SIGN_IN:
        return limits.mail_link_life
    # What waits can be taken back by its mail as long as it waits.
    if kind is MailKind.EMAIL_NOTICE:
        return limits.notice
    waits = kind in {MailKind.RECOVERY_ASKED, MailKind.RECOVERY_REMINDED}
    return limits.recovery_wait if waits else limits.notice_link_life


RecoveryFact = RecoveryAsked | RecoveryReminded | RecoveryCancelled | RecoveryDone


class Mailer(Protocol):
    """The door to the webhooks engine, given by the composition root.

    ``reference`` is the id of what the mail is about (``sgn_``, ``rol_``, ``inv_``, ``emc_``, ``psk_``,
    ``rcv_``, ``psh_``): the message is named after it, so asking twice sends one mail.
    ``people.letters`` writes it when it is sent.
    """

    async def mail(self, person: PersonId, kind: MailKind, reference: str, *, ack: Ack | None = None) -> None:
        """Queue one mail; returns when it is on disk."""
        ...

    async def tell(self, fact: RecoveryFact, position: str) -> None:
        """Tell it on every other channel the person has: the own stream, and each linked system.

        ``position``: of the fact in the log. Told before: nothing happens.
        """
        ...


class Purpose(StrEnum):
    """What following a link does."""

    SIGN_IN = "sign_in"
    EMAIL = "email"
    KEEP_EMAIL = "keep_email"
    RECOVERY = "recovery"


_PAGE: Final = {
    Purpose.SIGN_IN: "/sign-in",
    Purpose.EMAIL: "/confirm-email",
    Purpose.KEEP_EMAIL: "/keep-email",
    Purpose.RECOVERY: "/keep-passkeys",
}


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for.

    ``to``: our path to show after a sign-in, the change of e-mail it proves or takes back, or the recovery it
    takes back. ``entry``: of the e-mail it is mailed to (``Persons.entry_of``): once that is no more the
    person's, the link is good for nothing, whoever reads that mailbox.
    """

    person: PersonId
    purpose: Purpose
    to: str
    entry: str


class MailLinks:
    """Links are made when a mail is written, so that no token waits in a queue."""

    def __init__(self, expiring: Expiring, origin: str, life: timedelta) -> None:
        self._expiring = expiring
        self._origin = origin
        self._life = life

    async def make(self, link: Link, *, life: timedelta | None = None) -> str:
        """A new one-time URL for a person. Its token is known to the URL's reader alone."""
        token = draw_secret()
        value = json.dumps({"person": link.person, "to": link.to, "entry": link.entry})
        await self._expiring.put(_SPACE + link.purpose, digest(token), value, life or self._life)
        return f"{self._origin}{_PAGE[link.purpose]}#{token}"

    async def take(self, purpose: Purpose, token: str) -> Link | None:
        """Use a link up. None where it is unknown, used or too old; of two at once, one gets it."""
        if not is_secret(token):
            return None
        value = await self._expiring.take(_SPACE + purpose, digest(token))
        if value is None:
            return None
        kept = json.loads(value)
        # Of an earlier version it says no entry, and fits nobody's.
        return Link(PersonId(kept["person"]), purpose, kept["to"], kept.get("entry", ""))

    async def remember(self, request: str, person: PersonId) -> None:
        """Keep whose sign-in a queued mail is for; it is not sent later than a link lives."""
        await self._expiring.put(_REQUEST, request, person, self._life)

    async def requested(self, request: str) -> PersonId | None:
        """Whose sign-in request this is, while it is fresh."""
        value = await self._expiring.get(_REQUEST, request)
        return None if value is None else PersonId(value)
