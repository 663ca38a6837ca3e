"""What a contact center says of a case that it was handed: in any order, more than once, too late; nothing wrong follows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from maintenance import calls as choice
from maintenance.centers_ending import Ending, over
from maintenance.centers_ports import Book, Conclude, Said
from maintenance.centers_report import HandoutUnknown, Report, ReportUnreadable, is_live
from maintenance.centers_states import (
    CLAIMED,
    Handout,
    Handouts,
    HandoutState,
    handouts_of,
    rank_of,
    state_of,
    subject_of,
    write,
)
from maintenance.model import Calls, Read
from maintenance.service import Cases, Turn, told
from maintenance.states import TriggerState
from spine.facts import Fact
from spine.facts import maintenance as f
from spine.ids import CaseId, SlotId, VehicleId
from spine.problems import Problem
from spine.store import Change, Elsewhere, Once, Saved, Write
from webhooks.verified import Callback

_H = HandoutState

_STAYS_HOME: Final = frozenset({"language", "escalated_supervisor", "emergency"})
"""What the center could not do: from here on our own people do it."""
_HOLDS: Final = frozenset({"claimed", "in_progress"})
_SHUT: Final = "shut"
"""The answer to one of them where nobody may call any more: the case is ours again, and the center hears ``kept``."""
_BOOKS_WITHIN: Final = timedelta(minutes=1)
Look = Callable[[CaseId], Awaitable[None]]
"""Does what case and hand-out together ask for."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a report: ``applied``, or ``kept`` in the audit without any effect."""

    case: CaseId
    status: str
    outcome: Literal["applied", "kept"]
    state: TriggerState


class Reports:
    """Takes reports whose sender is proven."""

    def __init__(self, cases: Cases, conclude: Conclude, book: Book, ending: Ending, look: Look) -> None:
        self._cases = cases
        self._conclude = conclude
        self._book = book
        self._ending = ending
        self._look = look
        self._limits = cases.limits.centers

    async def take(self, callback: Callback) -> Taken:
        """A signed callback. Raises ``ReportUnreadable``, ``HandoutUnknown``, ``OtherBody``, and what a booking raises."""
        report = Report.read(callback.body)
        once = Once(f"center:{callback.source}", callback.message_id, callback.body_hash)
        return await self.apply(callback.source, report, once)

    async def apply(self, source: str, report: Report, once: Once, *, unsaid: bool = False) -> Taken:
        """A report of ``source``; the same ``once`` changes nothing a second time and is answered alike.

        ``unsaid``: it was not given back by anybody, it ended there and nobody said what came of it.
        """
        case, subject, now = report.case, subject_of(report.case), self._cases.clock.now()
        vehicle = await self._vehicle(source, report)
        cal = choice.subject_of(vehicle)
        if report.slot is not None:
            await self._take_slot(source, report, report.slot)

        def decide(saved: Mapping[str, Saved]) -> Change:
            read = Read.of(saved[case])
            if read is None:
                raise HandoutUnknown("there is no such hand-out")
            return self._cases.commit(
                read, self._decided(read, saved, source, report, now, unsaid=unsaid), now
            )

        also = dict.fromkeys([subject, cal, *self._conclude.also(vehicle)])
        outcome = await self._cases.store.change([case, *also], decide, once=once)
        after = Read.of(outcome.saved[case])
        if after is None:
            raise HandoutUnknown("there is no such hand-out")
        returned = outcome.answer == _SHUT or (report.status == "rejected" and outcome.answer == "applied")
        if returned and outcome.changed:
            await self._settle_day(after, outcome.saved[subject], report)
        return Taken(case, report.status, "applied" if outcome.answer == "applied" else "kept", after.state)

    async def _vehicle(self, source: str, report: Report) -> VehicleId:
        """Of the hand-out; whoever asks about another's learns nothing."""
        try:
            saved = await self._cases.store.load(subject_of(report.case))
        except Elsewhere as cause:
            raise HandoutUnknown("there is no such hand-out") from cause
        body = handouts_of(saved)
        report.handout(body, source)
        assert body is not None
        return body.vehicle

    async def _take_slot(self, source: str, report: Report, slot: SlotId) -> None:
        """The scarce thing first; where the report comes too late for that, nothing is booked.

        That it books is noted before: a look at the case meanwhile does not take it for somebody else's booking.
        """
        subject, now = subject_of(report.case), self._cases.clock.now()

        def note(until: datetime | None) -> Callable[[Read, Mapping[str, Saved]], Turn | None]:
            def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
                hnd = saved[subject]
                body = handouts_of(hnd)
                handout = report.handout(body, source)
                if body is None or not is_live(read, hnd, handout, now):
                    return None
                state = state_of(hnd)
                noted = body.with_last(handout.but(books_until=until))
                return Turn(read.body, writes={subject: write(state, state, noted)}, answer="live")

            return decide

        noted = await self._cases.change(report.case, note(now + _BOOKS_WITHIN), also=[subject])
        saved = await self._cases.store.load(subject)
        if not is_live(noted, saved, report.handout(handouts_of(saved), source), now):
            return
        try:
            await self._book(report.case, slot, by=source)
        except Problem:
            await self._cases.change(report.case, note(None), also=[subject])
            await self._look(report.case)  # whoever looked meanwhile took it for its own booking
            raise

    async def _settle_day(self, read: Read, saved: Saved, report: Report) -> None:
        body = handouts_of(saved)
        handout = next((each for each in body.handouts if report.names(each)), None) if body else None
        if handout is not None:
            await self._ending.settle_day(read, handout)

    def _decided(
        self,
        read: Read,
        saved: Mapping[str, Saved],
        source: str,
        report: Report,
        now: datetime,
        *,
        unsaid: bool,
    ) -> Turn:
        """What one report comes to. Pure."""
        hnd = saved[subject_of(read.id)]
        body = handouts_of(hnd)
        handout = report.handout(body, source)
        assert body is not None
        if not is_live(read, hnd, handout, now) or rank_of(report.status) < handout.rank:
            return self._kept(read, saved, body, handout, report, now)
        heard = _named(handout.hears(report.status, report.at, now, applied=True), report)
        too_late = report.status in _HOLDS and now >= handout.expires_at
        reported = _reported(read, handout, report, "kept" if too_late else "applied", now)
        state = state_of(hnd)
        if report.status == "booked" and read.body.trigger.appointment is None:
            raise ReportUnreadable("slot: nothing was booked")
        match report.status:
            case "accepted":
                writes = {hnd.id: write(state, state, body.with_last(heard))}
                return Turn(read.body, (), writes, [reported], "applied")
            case "claimed" | "in_progress" if not too_late:
                return self._held(read, hnd, body, heard, reported, now)
            case "claimed" | "in_progress" | "rejected":
                why = "silent" if unsaid and handout.rank >= CLAIMED else "returned"
                turn = self._returned(read, source, why, now)
            case _:
                turn, why = self._conclude(read, _said(source, report, handout, now), saved, now), "concluded"
        after, ended = over(body.with_last(heard), heard, read, why, now, there=not too_late)
        after = after.but(home=after.home or report.status in _STAYS_HOME)
        trigger = turn.body.trigger.but(center=None, center_ref=None)
        return Turn(
            turn.body.but(trigger=trigger),
            turn.facts,
            {**turn.writes, hnd.id: write(state, _H.OVER, after)},
            [*turn.others, reported, ended],
            _SHUT if too_late else "applied",
        )

    def _kept(
        self,
        read: Read,
        saved: Mapping[str, Saved],
        body: Handouts,
        handout: Handout,
        report: Report,
        now: datetime,
    ) -> Turn:
        """Too late, or out of order: it stands in the audit. That somebody wants no calls holds all the same."""
        hnd = saved[subject_of(read.id)]
        heard = _named(handout.hears(report.status, report.at, now, applied=False), report)
        lost = heard.ref != handout.ref and _lies_there(handout) and body.last == handout
        if lost:
            heard = heard.but(to_cancel=True)
        rows = tuple(heard if each.n == heard.n else each for each in body.handouts)
        kept = body.but(handouts=rows, retry_at=now if lost else body.retry_at)
        wake_at = now if lost else hnd.wake_at
        writes = {hnd.id: Write(hnd.state, kept.model_dump_json(exclude_none=True), wake_at)}
        cal = saved[choice.subject_of(read.body.vehicle)]
        calls = choice.read(cal)
        others: list[Fact] = [_reported(read, handout, report, "kept", now)]
        if report.status == "do_not_call" and calls is not None and _still_holds(calls, handout):
            writes[cal.id] = Write(
                cal.state, calls.but(do_not_call=True).model_dump_json(exclude_none=True), cal.wake_at
            )
            others.append(f.CallsChosen(at=now, vehicle=read.body.vehicle, person=calls.person, on=False))
        return Turn(read.body, (), writes, others, "kept")

    def _held(
        self,
        read: Read,
        hnd: Saved,
        body: Handouts,
        heard: Handout,
        reported: f.HandoutReported,
        now: datetime,
    ) -> Turn:
        """A person there has it: the lease goes on, and not for ever."""
        until = max(heard.until, min(now + self._limits.reported_within, heard.expires_at))
        lease = read.body.trigger.lease
        assert lease is not None
        trigger = read.body.trigger.but(lease=lease.but(until=until, heartbeat=now))
        return Turn(
            read.body.but(trigger=trigger),
            [told(f.TriggerLeased, read, now, by=heard.center, until=until)],
            {hnd.id: write(state_of(hnd), _H.CLAIMED, body.with_last(heard.but(until=until)))},
            [reported],
            "applied",
        )

    def _returned(self, read: Read, source: str, why: str, now: datetime) -> Turn:
        """It is given back, or nobody may call any more today: our list, with the age it had."""
        why = f"center: {why}"
        trigger = self._conclude.undone(read.body.trigger, source).but(lease=None, due=now, why=why)
        queued = told(
            f.TriggerQueued, read, now, severity=read.body.severity, since=trigger.since, due=now, why=why
        )
        return Turn(read.body.but(trigger=trigger), [queued])


def _named(handout: Handout, report: Report) -> Handout:
    """With the center's own name of its task, where we had not heard it: by it the task can be ended there."""
    return handout.but(ref=report.ref) if handout.ref is None and report.ref is not None else handout


def _lies_there(handout: Handout) -> bool:
    """It ended here, its task at the vendor's did not, and now that one has a name."""
    return handout.ended_at is not None and handout.via != "webhook" and handout.why != "concluded"


def _still_holds(calls: Calls, handout: Handout) -> bool:
    """Whether a wish for no calls is of who chooses now, and not older than a choice they made since."""
    since = handout.ended_at is None or calls.chosen_at <= handout.ended_at
    return calls.person == handout.person and since and not calls.do_not_call


def _reported(
    read: Read, handout: Handout, report: Report, outcome: Literal["applied", "kept"], now: datetime
) -> f.HandoutReported:
    about = {"center": handout.center, "n": handout.n, "status": report.status, "outcome": outcome}
    return told(f.HandoutReported, read, now, **about)


def _said(source: str, report: Report, handout: Handout, now: datetime) -> Said:
    return Said(
        disposition=report.status,
        by=source,
        at=now,
        person=handout.person,
        callback_at=report.callback_at,
        note=report.note,
        answers=report.answers,
    )
