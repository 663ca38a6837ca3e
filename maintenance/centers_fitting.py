"""Foreign contact centers keep the own desk's rules: its windows, its one call a person a day, its table of outcomes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from maintenance import calls as choice
from maintenance import desk_outcomes
from maintenance.booking import Booking
from maintenance.centers_ports import Said
from maintenance.desk_days import Days
from maintenance.desk_problems import CalledToday
from maintenance.desk_rules import is_safety
from maintenance.desk_windows import local_day, window_of
from maintenance.limits import DeskLimits
from maintenance.model import Calls, Dialled, Read, Trigger
from maintenance.service import Turn
from maintenance.starting import Starting
from spine.ids import CaseId, EndpointId, PersonId, SlotId, VehicleId
from spine.store import Saved

_FREES = "no_answer"
"""The desk's outcome by which the person keeps their call of the day."""
_SPENDS = "silent"
"""No outcome of the desk's: there may have been a call."""


class DeskRules:
    """Window, call of the day and outcomes as ``maintenance.centers_ports`` names them."""

    def __init__(self, days: Days, limits: DeskLimits, rules: Starting) -> None:
        self._days = days
        self._limits = limits
        self._rules = rules

    def opens(self, read: Read, calls: Calls, now: datetime) -> datetime:
        """A critical case may be called about at any hour, where the policy says so."""
        return now if is_safety(read, self._limits) else window_of(calls).next_open(now)

    def closes(self, read: Read, calls: Calls, now: datetime) -> datetime | None:
        """None for a critical case, where the policy says so."""
        return None if is_safety(read, self._limits) else window_of(calls).closes(now)

    async def look(self, person: PersonId) -> None:
        """By the case that the reservation names."""
        await self._days.look(person)

    async def take(self, read: Read, calls: Calls, now: datetime) -> datetime | None:
        """The next call of the case, in the person's partition."""
        window, n = window_of(calls), len(read.body.trigger.calls) + 1
        today, safety = local_day(window.zone, now), is_safety(read, self._limits)
        try:
            await self._days.take(calls.person, today, read.id, n, safety=safety)
        except CalledToday:
            return window.after_days(now, 1)
        return None

    async def give_back(self, read: Read, person: PersonId, now: datetime) -> None:  # noqa: ARG002 a port's member
        """Nobody called."""
        await self._days.settle(person, read.id, len(read.body.trigger.calls) + 1, _FREES)

    async def spend(self, read: Read, person: PersonId, now: datetime) -> None:  # noqa: ARG002
        """There may have been a call."""
        await self._days.settle(person, read.id, len(read.body.trigger.calls) + 1, _SPENDS)

    def also(self, vehicle: VehicleId) -> Sequence[str]:
        """The outcome of a call may change what the owner chose."""
        return [choice.subject_of(vehicle)]

    def handed(self, read: Read, calls: Calls, by: str, now: datetime) -> Trigger:
        """As when an agent dials: from here on somebody may call."""
        trigger = read.body.trigger
        safety = is_safety(read, self._limits) and not window_of(calls).is_open(now)
        n = len(trigger.calls) + 1
        return trigger.but(dialled=Dialled(n=n, by=by, person=calls.person, at=now, safety=safety))

    def undone(self, trigger: Trigger, by: str) -> Trigger:
        """Its number is nobody's to call any more."""
        return trigger.but(dialled=None) if desk_outcomes.dialled_by(trigger, by) is not None else trigger

    def __call__(self, read: Read, said: Said, saved: Mapping[str, Saved], now: datetime) -> Turn:
        """The case after it, with note and answers as they were given."""
        subject = choice.subject_of(read.body.vehicle)
        calls = choice.read(saved[subject])
        told = desk_outcomes.Said(said.disposition, at=said.callback_at)  # type: ignore[arg-type]  # one of the table
        after = desk_outcomes.outcome(
            read, calls, told, by=said.by, window=window_of(calls), limits=self._limits, rules=self._rules, now=now  # type: ignore[arg-type]
        )  # fmt: skip
        body = after.body
        if said.note or said.answers:
            body = body.but(
                note=said.note or body.note,
                answers={**body.answers, **said.answers},
                draft_n=body.draft_n + 1,
            )
        changed = after.calls is not None and after.calls != calls
        writes = {subject: choice.write(after.calls)} if changed and after.calls else {}
        return Turn(body, after.facts, writes, after.others)


class BookingDoor:
    """Takes a slot for a case, as an agent on the phone would."""

    def __init__(self, booking: Booking) -> None:
        self._booking = booking

    async def __call__(self, case: CaseId, slot: SlotId, *, by: str) -> None:
        """Raises what ``Booking.book`` raises."""
        await self._booking.book(case, slot, by=by)


class NoEndpoints:
    """Where nobody is told anything: no center ever gets a case."""

    async def for_subscriber(self, subscriber: str, type_: str) -> list[EndpointId]:  # noqa: ARG002 a port's members
        """None."""
        return []
