"""A person's one call of a day, over all cases and cars: taken in the person's partition before a number is told.

A saga, like a slot: the scarce thing first, carrying the case and the number of its call. The case follows with
"dialled", the outcome of the call confirms it or gives it back, and what a crash left between is compared with the
case when the reservation's timer fires.
"""

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from maintenance.desk_problems import CalledToday
from maintenance.desk_rules import GIVES_BACK, Day
from maintenance.limits import DeskLimits
from maintenance.model import Read
from maintenance.states import TriggerState
from spine.clock import Clock
from spine.ids import CaseId, PersonId, named_after
from spine.store import Ack, Change, Saved, Store, Write

PREFIX: Final = "dia"


class Taken(StrEnum):
    """``made``: there was a call, or there may have been one."""

    RESERVED = "reserved"
    MADE = "made"
    FREE = "free"


def subject_of(person: str) -> str:
    """The subject of a person's call of the day, in the person's partition."""
    return named_after(PREFIX, person)


def day_in(saved: Saved, today: date) -> Day | None:
    """Who has this person's call of ``today``; None where nobody has."""
    if not saved.version or saved.ended or saved.state == Taken.FREE:
        return None
    kept = Day.model_validate_json(saved.body)
    return kept if kept.day == today else None


class Days:
    """Subjects ``dia_``."""

    def __init__(self, store: Store, clock: Clock, limits: DeskLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def take(
        self, person: PersonId, today: date, case: CaseId, n: int, *, safety: bool,
        after: frozenset[int] = frozenset(),
    ) -> bool:  # fmt: skip
        """Reserve it for call ``n`` of a case; the same again is fine. Raises ``CalledToday``.

        ``after``: earlier calls of the case at which the person asked for another; their day passes to this one.
        ``safety``: the call may be made although another has the day; that one keeps it, and this is False.
        """
        now, subject = self._clock.now(), subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            held = day_in(saved[subject], today)
            if held is not None and (held.case, held.n) == (case, n):
                return None
            if held is not None and held.case == case and held.n in after:
                held = None
            if held is not None and safety:
                return None
            if held is not None:
                raise CalledToday("This person was called today, or is being called. Give the case back.")
            kept = Day(day=today, case=case, n=n, at=now)
            wake = now + self._limits.dial_settled
            return Change({subject: Write(Taken.RESERVED, kept.model_dump_json(), wake)})

        done = await self._store.change([subject], decide)
        held = day_in(done.saved[subject], today)
        return held is not None and (held.case, held.n) == (case, n)

    async def look(self, person: PersonId) -> None:
        """Compare a reservation with its case now, where its own commit was refused."""
        await self.on_due(await self._store.load(subject_of(person)))

    async def settle(
        self, person: PersonId, case: CaseId, n: int, disposition: str, *, ack: Ack | None = None
    ) -> None:
        """What came of call ``n``: confirmed, or given back where nobody was spoken to. Again: nothing."""
        after = Taken.FREE if disposition in GIVES_BACK else Taken.MADE
        await self._end(person, case, n, after, ack=ack)

    async def _end(
        self, person: PersonId, case: CaseId, n: int, after: Taken, *, ack: Ack | None = None
    ) -> None:
        subject = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = saved[subject]
            if before.ended or before.state != Taken.RESERVED:
                return None
            kept = Day.model_validate_json(before.body)
            if (kept.case, kept.n) != (case, n):
                return None
            return Change({subject: Write(after, before.body)})

        await self._store.change([subject], decide, ack=ack)

    async def on_due(self, saved: Saved) -> None:
        """A reservation that nobody settled is compared with its case: a call made, going on, or never begun."""
        if saved.ended or saved.state != Taken.RESERVED:
            return
        kept, person = Day.model_validate_json(saved.body), PersonId(named_after("per", saved.id))
        now = self._clock.now()
        read = Read.of(await self._store.load(kept.case))
        verdict = compared(read, kept, now)
        if verdict is None:
            await self._later(saved, now)
        else:
            await self._end(person, kept.case, kept.n, verdict)

    async def _later(self, saved: Saved, now: datetime) -> None:
        def decide(found: Mapping[str, Saved]) -> Change | None:
            if found[saved.id].version != saved.version:
                return None
            return Change({saved.id: Write(saved.state, saved.body, now + self._limits.dial_settled)})

        await self._store.change([saved.id], decide)

    async def forget(self, person: PersonId, *, ack: Ack | None = None) -> None:
        """The person was erased."""
        subject = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if not saved[subject].version or saved[subject].ended:
                return None
            return Change({subject: Write("erased", "{}", ended=True)})

        await self._store.change([subject], decide, ack=ack)


def compared(read: Read | None, kept: Day, now: datetime) -> Taken | None:
    """What a reservation comes to, by its case; None: the call is going on. Whoever may have called, has."""
    if read is None:
        return Taken.FREE
    trigger = read.body.trigger
    done = next((call for call in trigger.calls if call.n == kept.n), None)
    if done is not None:
        return Taken.FREE if done.disposition in GIVES_BACK else Taken.MADE
    if trigger.dialled is None or trigger.dialled.n != kept.n:
        return Taken.FREE
    working = read.state is TriggerState.LEASED and trigger.lease is not None and now < trigger.lease.until
    return None if working else Taken.MADE
