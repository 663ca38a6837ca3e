"""What a mail of this package says, written when it is sent: address and link never wait in a queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from people.cars import Cars
from people.email_change import EmailChanges, number_of
from people.invitations import Invitations
from people.mail_links import Link, MailKind, MailLinks, Purpose
from people.model import PersonView, Role
from people.persons import Persons
from people.recovery import Recoveries
from people.recovery import number_of as number_of_recovery
from people.states import Invitation
from spine.ids import PersonId
from spine.words import UTC, Speak, Text, Words, untranslated

_ONCE: Final = Text("The link is good once, and not for long.")
_SIGN_IN: Final = Text("Sign in")
_INVITED: Final = {
    Role.OWNER: Text("You are invited to a car as an owner."),
    Role.DRIVER: Text("You are invited to a car as a driver."),
    Role.TOLD: Text("You are invited to a car as somebody who is told."),
}
_OTHERS_INVITED: Final = {
    Role.OWNER: Text("Somebody was invited to your car as an owner."),
    Role.DRIVER: Text("Somebody was invited to your car as a driver."),
    Role.TOLD: Text("Somebody was invited to your car as somebody who is told."),
}
_COUNTS: Final = Text("It counts from {time}.")
_TAKE_BACK: Final = Text("You can take that back.")
_NOT_YOU: Final = Text("Not you? Sign in, look at your passkeys and end the sessions that you do not know.")
_NEWS: Final[Mapping[MailKind, tuple[Text, tuple[Text, ...]]]] = {
    MailKind.NOTIFIED: (
        Text("A new device shows your notifications"),
        (
            Text(
                "Notifications were turned on in a browser that is signed in as you. It shows who asks for your car "
                "and what becomes of it."
            ),
            Text("Not you? Sign in, end it on this page, and end the sessions that you do not know."),
        ),
    ),
    MailKind.PASSKEY_ADDED: (
        Text("A passkey was added"),
        (
            Text(
                "A passkey was added to your account. A mail's link alone does not approve deliveries for you."
            ),
            _NOT_YOU,
        ),
    ),
    MailKind.PASSKEY_REMOVED: (
        Text("A passkey was removed"),
        (Text("A passkey of yours was removed."), _NOT_YOU),
    ),
    MailKind.PASSKEY_ALARM: (
        Text("A passkey was refused"),
        (
            Text(
                "One of your passkeys was used with a counter that went backwards: there may be a copy of it. "
                "That use was refused. Remove this passkey and make another one."
            ),
        ),
    ),
    MailKind.RECOVERY_DONE: (
        Text("Your passkeys have ended"),
        (
            Text(
                "The recovery is done: your passkeys so far have ended, and so have your sessions. "
                "Sign in and make a new one."
            ),
        ),
    ),
    MailKind.CAR_CLAIMED: (
        Text("A person was added to your car"),
        (Text("Somebody new is bound to your car (binding {reference})."),),
    ),
    MailKind.CAR_RELEASED: (
        Text("Your role on a car has ended"),
        (Text("Your role on a car has ended (binding {reference}). You see nothing later of it."),),
    ),
}
_PAGE: Final = {MailKind.NOTIFIED: "/notifications", MailKind.CAR_CLAIMED: "/", MailKind.CAR_RELEASED: "/"}
_ELSE: Final = "/passkeys"


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail: to whom, paragraphs, and a link whose one-time URL is made last (``MailLinks.make``)."""

    address: str = field(repr=False)
    subject: str
    paragraphs: tuple[str, ...]
    label: str
    link: Link
    language: str = "en"


class Letters:
    """Writes what ``Mailer.mail`` queued by ids, in its reader's language."""

    def __init__(
        self,
        persons: Persons,
        invitations: Invitations,
        changes: EmailChanges,
        links: MailLinks,
        recoveries: Recoveries,
        cars: Cars,
        speak: Speak = untranslated,
    ) -> None:
        self._persons = persons
        self._invitations = invitations
        self._changes = changes
        self._links = links
        self._recoveries = recoveries
        self._cars = cars
        self._speak = speak

    async def write(self, person: PersonId, kind: MailKind, reference: str) -> Letter | None:
        """The letter for a person; None where it has no more reason: too old, taken back, person erased."""
        view = await self._persons.view(person)
        if view is None:
            return None
        words = self._speak(view.language)
        match kind:
            case MailKind.SIGN_IN:
                return await self._sign_in(view, words, reference)
            case MailKind.INVITATION | MailKind.INVITATION_NOTICE:
                return await self._invitation(view, words, kind, reference)
            case MailKind.EMAIL_CONFIRM | MailKind.EMAIL_NOTICE:
                return await self._email(view, words, kind, reference)
            case MailKind.RECOVERY_ASKED | MailKind.RECOVERY_REMINDED:
                return await self._recovery(view, words, reference)
            case _:
                subject, texts = _NEWS[kind]
                said = [words.say(text, reference=reference) for text in texts]
                return _notice(view, words, subject, said, _PAGE.get(kind, _ELSE))

    async def _sign_in(self, to: PersonView, words: Words, request: str) -> Letter | None:
        if await self._links.requested(request) != to.id:
            return None
        text = Text("You, or somebody who typed your e-mail, asked to sign in. Not you? Do nothing.")
        return _notice(to, words, Text("Sign in to Trunkline"), [words.say(text)], "/")

    async def _invitation(
        self, to: PersonView, words: Words, kind: MailKind, reference: str
    ) -> Letter | None:
        invitation = await self._invitations.view(reference)
        if invitation is None or invitation.state not in {Invitation.OFFERED, Invitation.ACCEPTED}:
            return None
        if kind is MailKind.INVITATION:
            said = [words.say(_INVITED[invitation.role])]
            return _notice(to, words, Text("You are invited to a car"), said, f"/invitations/{reference}")
        said = [words.say(_OTHERS_INVITED[invitation.role])]
        if invitation.role is Role.OWNER:
            zone = await self._cars.zone_of(invitation.vehicle) or UTC
            said.append(words.say(_COUNTS, time=words.moment(invitation.ripe_at, zone)))
        said.append(words.say(_TAKE_BACK))
        return _notice(to, words, Text("Somebody was invited to your car"), said, "/")

    async def _recovery(self, to: PersonView, words: Words, reference: str) -> Letter | None:
        waits = await self._recoveries.waiting(to.id)
        if waits is None or waits.n != number_of_recovery(reference):
            return None
        text = Text(
            "Somebody in a session of yours says that all your passkeys are lost. They end at {time}, and a new one "
            "can be made then. Not you? Open the link to keep them."
        )
        said = [words.say(text, time=words.moment(waits.ripe_at))]
        link = Link(to.id, Purpose.RECOVERY, reference, to.email_entry)
        return _letter(to.email, words, Text("Are your passkeys lost?"), said, Text("Keep my passkeys"), link)

    async def _email(self, to: PersonView, words: Words, kind: MailKind, reference: str) -> Letter | None:
        pending = await self._changes.pending(to.id)
        if pending is None or pending[1].n != number_of(reference):
            return None
        _, change = pending
        if kind is MailKind.EMAIL_NOTICE:
            text = Text(
                "A new e-mail was asked for your account. It counts from {time}, or as soon as its owner sits in a "
                "car of yours. Not you? Open the link to keep this one: it does that and nothing else."
            )
            said = [words.say(text, time=words.moment(change.ripe_at))]
            link = Link(to.id, Purpose.KEEP_EMAIL, reference, to.email_entry)
            return _letter(
                to.email, words, Text("A new e-mail for your account"), said, Text("That was not me"), link
            )
        said = [words.say(Text("Is this your new e-mail for Trunkline? Not you? Do nothing."))]
        link = Link(to.id, Purpose.EMAIL, reference, change.email_entry)
        return _letter(
            change.email, words, Text("Confirm your new e-mail"), said, Text("This is my e-mail"), link
        )


def _notice(to: PersonView, words: Words, subject: Text, said: Sequence[str], page: str) -> Letter:
    link = Link(to.id, Purpose.SIGN_IN, page, to.email_entry)
    return _letter(to.email, words, subject, said, _SIGN_IN, link)


def _letter(
    address: str, words: Words, subject: Text, said: Sequence[str], label: Text, link: Link
) -> Letter:
    paragraphs = (" ".join(said), words.say(_ONCE))
    return Letter(address, words.say(subject), paragraphs, words.say(label), link, words.language)
