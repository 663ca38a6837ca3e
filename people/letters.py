"""What a mail of this package says, written when it is sent: address and link never wait in a queue."""

from dataclasses import dataclass, field
from typing import Final

from people.email_change import EmailChanges, number_of
from people.invitations import Invitations
from people.mail_links import Link, MailKind, MailLinks, Purpose
from people.model import PersonView, Role
from people.persons import Persons
from people.recovery import Recoveries
from people.recovery import number_of as number_of_recovery
from people.states import Invitation
from spine.ids import PersonId

_ONCE: Final = "The link is good once, and not for long."
_TIME: Final = "%Y-%m-%d %H:%M UTC"
_ROLE: Final = {Role.OWNER: "an owner", Role.DRIVER: "a driver", Role.TOLD: "somebody who is told"}
_NOT_YOU: Final = "Not you? Sign in, look at your passkeys and end the sessions that you do not know."
_NEWS: Final = {
    MailKind.NOTIFIED: (
        "A new device hears your notifications",
        "Notifications were turned on in a browser that is signed in as you. It shows who asks for your car and what "
        "becomes of it. Not you? Sign in, end it on this page, and end the sessions that you do not know.",
    ),
    MailKind.PASSKEY_ADDED: (
        "A passkey was added",
        f"A passkey was added to your account. Mail links do not approve deliveries for you (any more). {_NOT_YOU}",
    ),
    MailKind.PASSKEY_REMOVED: ("A passkey was removed", f"A passkey of yours was removed. {_NOT_YOU}"),
    MailKind.PASSKEY_ALARM: (
        "A passkey was refused",
        "One of your passkeys was used with a counter that went backwards: there may be a copy of it. That use was "
        "refused. Remove this passkey and make another one.",
    ),
    MailKind.RECOVERY_DONE: (
        "Your passkeys have ended",
        "The recovery is done: your passkeys so far have ended, and so have your sessions. Sign in and make a new one.",
    ),
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail: to whom, paragraphs, and a link whose one-time URL is made last (``MailLinks.make``)."""

    address: str = field(repr=False)
    subject: str
    paragraphs: tuple[str, ...]
    label: str
    link: Link


class Letters:
    """Writes what ``Mailer.mail`` queued by ids."""

    def __init__(
        self,
        persons: Persons,
        invitations: Invitations,
        changes: EmailChanges,
        links: MailLinks,
        recoveries: Recoveries,
    ) -> None:
        self._persons = persons
        self._invitations = invitations
        self._changes = changes
        self._links = links
        self._recoveries = recoveries

    async def write(self, person: PersonId, kind: MailKind, reference: str) -> Letter | None:
        """The letter for a person; None where it has no more reason: too old, taken back, person erased."""
        view = await self._persons.view(person)
        if view is None:
            return None
        match kind:
            case MailKind.SIGN_IN:
                return await self._sign_in(view, reference)
            case MailKind.CAR_CLAIMED:
                text = f"Somebody new is bound to your car (binding {reference})."
                return self._notice(view, "A person was added to your car", text, "/")
            case MailKind.CAR_RELEASED:
                text = f"Your role on a car has ended (binding {reference}). You see nothing later of it."
                return self._notice(view, "Your role on a car has ended", text, "/")
            case MailKind.INVITATION | MailKind.INVITATION_NOTICE:
                return await self._invitation(view, kind, reference)
            case MailKind.EMAIL_CONFIRM | MailKind.EMAIL_NOTICE:
                return await self._email(view, kind, reference)
            case MailKind.RECOVERY_ASKED | MailKind.RECOVERY_REMINDED:
                return await self._recovery(view, reference)
            case _:
                subject, text = _NEWS[kind]
                page = "/notifications" if kind is MailKind.NOTIFIED else "/passkeys"
                return self._notice(view, subject, text, page)

    async def _sign_in(self, to: PersonView, request: str) -> Letter | None:
        if await self._links.requested(request) != to.id:
            return None
        text = "You, or somebody who typed your e-mail, asked to sign in. Not you? Do nothing."
        return self._notice(to, "Sign in to Trunkline", text, "/")

    @staticmethod
    def _notice(to: PersonView, subject: str, text: str, page: str) -> Letter:
        link = Link(to.id, Purpose.SIGN_IN, page, to.email_entry)
        return Letter(to.email, subject, (text, _ONCE), "Sign in", link)

    async def _invitation(self, to: PersonView, kind: MailKind, reference: str) -> Letter | None:
        invitation = await self._invitations.view(reference)
        if invitation is None or invitation.state not in {Invitation.OFFERED, Invitation.ACCEPTED}:
            return None
        named = _ROLE[invitation.role]
        if kind is MailKind.INVITATION:
            text = f"You are invited to a car as {named}."
            return self._notice(to, "You are invited to a car", text, f"/invitations/{reference}")
        waits = f" It counts from {invitation.ripe_at:{_TIME}}." if invitation.role is Role.OWNER else ""
        text = f"Somebody was invited to your car as {named}.{waits} You can take that back."
        return self._notice(to, "Somebody was invited to your car", text, "/")

    async def _recovery(self, to: PersonView, reference: str) -> Letter | None:
        waits = await self._recoveries.waiting(to.id)
        if waits is None or waits.n != number_of_recovery(reference):
            return None
        text = (
            "Somebody in a session of yours says that all your passkeys are lost. They end at "
            f"{waits.ripe_at:{_TIME}}, and a new one can be made then. Not you? Press the link and keep them."
        )
        link = Link(to.id, Purpose.RECOVERY, reference, to.email_entry)
        return Letter(to.email, "Are your passkeys lost?", (text, _ONCE), "Keep my passkeys", link)

    async def _email(self, to: PersonView, kind: MailKind, reference: str) -> Letter | None:
        pending = await self._changes.pending(to.id)
        if pending is None or pending[1].n != number_of(reference):
            return None
        _, change = pending
        if kind is MailKind.EMAIL_NOTICE:
            text = (
                f"A new e-mail was asked for your account. It counts from {change.ripe_at:{_TIME}}, or as soon as its "
                "owner sits in a car of yours. Not you? Press the link and keep this one: it does that and nothing else."
            )
            link = Link(to.id, Purpose.KEEP_EMAIL, reference, to.email_entry)
            return Letter(to.email, "A new e-mail for your account", (text, _ONCE), "That was not me", link)
        text = "Is this your new e-mail for Trunkline? Not you? Do nothing."
        link = Link(to.id, Purpose.EMAIL, reference, change.email_entry)
        return Letter(change.email, "Confirm your new e-mail", (text, _ONCE), "This is my e-mail", link)
