"""All passkeys are lost: a wait of days, told at once everywhere, taken back from anywhere; or presence in the car."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from people import known_devices, passkeys, states
from people.cars import Cars
from people.limits import PeopleLimits
from people.mail_links import MailLinks, Purpose
from people.model import body_of
from people.passkey_model import RecoveryBody
from people.persons import is_mailed_at
from people.problems import LinkRefused, NotFound, NothingToRecover, TooMany
from people.sessions import kept_alone
from people.states import Person, Recovery, RecoveryStep, allows, step
from spine.facts.people import (
    PasskeyRemoved,
    RecoveryAsked,
    RecoveryCancelled,
    RecoveryDone,
    RecoveryReminded,
)
from spine.ids import PersonId, named_after
from spine.store import Change, Saved, Store, Write

_DAY: Final = timedelta(days=1)


def subject_of(person: str) -> str:
    """The subject of a person's recovery, in the person's partition."""
    return named_after("rcv", person)


def number_of(reference: str) -> int:
    """Which of a person's recoveries a mail is about."""
    return int(reference.rsplit(".", 1)[1])


def _state(saved: Saved) -> Recovery:
    return Recovery.NEW if saved.ended else Recovery(saved.state)


class Recoveries:
    """Subject ``rcv_``. While it waits the passkeys go on to work: one that was only mislaid can take it back."""

    def __init__(self, store: Store, cars: Cars, links: MailLinks, limits: PeopleLimits) -> None:
        self._store = store
        self._cars = cars
        self._links = links
        self._limits = limits

    async def ask(self, person: PersonId, *, now: datetime) -> RecoveryBody:
        """Begin to wait. Asked again meanwhile, the first wait stands. Raises ``NothingToRecover``, ``TooMany``."""
        rcv, psk = subject_of(person), passkeys.subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[person].state != Person.ACTIVE:
                raise NotFound("There is no such person.")
            state, before = _state(saved[rcv]), _body(saved[rcv])
            if state is Recovery.WAITING:
                return None
            if not passkeys.kept_in(saved[psk]).passkeys:
                raise NothingToRecover("You have no passkey that could be lost.")
            recent = [at for at in (before.recent if before else []) if now - at < _DAY]
            if len(recent) >= self._limits.recoveries_per_person:
                raise TooMany("Too many recoveries today.", retry_after=int(_DAY.total_seconds()))
            n = (before.n if before else 0) + 1
            wait = self._limits.recovery_wait
            remind_at = now + wait * self._limits.recovery_reminded_after
            body = RecoveryBody(n=n, ripe_at=now + wait, remind_at=remind_at, recent=[*recent, now])
            after = step(states.RECOVERY, state, RecoveryStep.ASKED)
            write = Write(after, body.model_dump_json(), remind_at)
            return Change({rcv: write}, [RecoveryAsked(at=now, person=person, n=n)])

        done = await self._store.change([rcv, psk, person], decide)
        return body_of(done.saved[rcv], RecoveryBody)

    async def waiting(self, person: PersonId) -> RecoveryBody | None:
        """A person's recovery that waits."""
        saved = await self._store.load(subject_of(person))
        return body_of(saved, RecoveryBody) if _state(saved) is Recovery.WAITING else None

    async def cancel(self, person: PersonId, *, now: datetime) -> None:
        """Take it back, from any session; nothing where none waits."""
        await self._cancel(person, None, None, now=now)

    async def cancel_by_link(self, token: str, *, now: datetime) -> None:
        """Take back the one that a mail was about. Raises ``LinkRefused``, also where that was to a former e-mail."""
        link = await self._links.take(Purpose.RECOVERY, token)
        if link is None:
            raise LinkRefused("This link was used or is too old. Sign in to take it back.")
        await self._cancel(link.person, number_of(link.to), link.entry, now=now)

    async def _cancel(self, person: PersonId, n: int | None, entry: str | None, *, now: datetime) -> None:
        rcv = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if entry is not None and not is_mailed_at(saved[person], entry):
                raise LinkRefused("This link was mailed to an e-mail that is no longer yours.")
            state, body = _state(saved[rcv]), _body(saved[rcv])
            fits = body is not None and n in {None, body.n}
            if body is None or not fits or not allows(states.RECOVERY, state, RecoveryStep.CANCELLED):
                if n is None or (fits and state is Recovery.CANCELLED):
                    return None
                raise LinkRefused("Nothing of it waits any more.")
            after = step(states.RECOVERY, state, RecoveryStep.CANCELLED)
            fact = RecoveryCancelled(at=now, person=person, n=body.n)
            return Change({rcv: Write(after, body.model_dump_json())}, [fact])

        await self._store.change([rcv, person], decide)

    async def show_presence(self, person: PersonId, session: str, code: str, *, now: datetime) -> None:
        """Somebody in a car they own need not wait; of their sessions this one stays.

        Raises ``CodeRefused``, ``NotYours``, ``NotFound``.
        """
        if await self.waiting(person) is None:
            raise NotFound("No recovery waits.")
        await self._cars.show_presence(person, code, now=now)
        await self._finish(person, RecoveryStep.PRESENT, keep=session, now=now)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``rcv_``: its person is told once more; then the wait is over."""
        person = PersonId(named_after("per", saved.id))
        await self._remind(person, now)
        await self._finish(person, RecoveryStep.RIPE, keep="", now=now)

    async def _remind(self, person: PersonId, now: datetime) -> None:
        """One mail can be missed, or deleted by who asked. Of one that is over at once nobody is reminded."""
        rcv = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state, body = _state(saved[rcv]), _body(saved[rcv])
            if body is None or body.remind_at is None or not body.remind_at <= now < body.ripe_at:
                return None
            if not allows(states.RECOVERY, state, RecoveryStep.REMINDED):
                return None
            after = step(states.RECOVERY, state, RecoveryStep.REMINDED)
            told = body.model_copy(update={"remind_at": None})
            fact = RecoveryReminded(at=now, person=person, n=body.n)
            return Change({rcv: Write(after, told.model_dump_json(), body.ripe_at)}, [fact])

        await self._store.change([rcv], decide)

    async def _finish(self, person: PersonId, how: RecoveryStep, *, keep: str, now: datetime) -> None:
        """Passkeys, known devices and sessions end in one commit: whoever has the lost device has nothing of them."""
        rcv, psk, sns = subject_of(person), passkeys.subject_of(person), named_after("sns", person)
        dvc = known_devices.subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state, body = _state(saved[rcv]), _body(saved[rcv])
            early = how is RecoveryStep.RIPE and body is not None and now < body.ripe_at
            if body is None or early or not allows(states.RECOVERY, state, how):
                return None
            kept = passkeys.kept_in(saved[psk])
            n = kept.changes + 1
            writes = {
                rcv: Write(step(states.RECOVERY, state, how), body.model_dump_json()),
                psk: passkeys.write(kept.model_copy(update={"passkeys": {}, "changes": n})),
                sns: kept_alone(saved[sns], keep, now),
                dvc: known_devices.forgotten(),
            }
            gone = [
                PasskeyRemoved(at=now, person=person, passkey=name, n=n, reason="recovery")
                for name in kept.passkeys
            ]
            done = RecoveryDone(at=now, person=person, n=body.n, present=how is RecoveryStep.PRESENT)
            return Change(writes, [*gone, done])

        await self._store.change([rcv, psk, sns, dvc], decide)


def _body(saved: Saved) -> RecoveryBody | None:
    return None if saved.ended or not saved.version else body_of(saved, RecoveryBody)
