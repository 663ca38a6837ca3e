"""A hand-out to a contact center ends: nobody there took it, the case went another way, or the owner wants no calls.

The case is on our own list again in the commit that ends the hand-out, with the age it had; the person's one call of the
day follows.
"""

import logging
from collections.abc import Mapping
from datetime import datetime

from maintenance import calls as choice
from maintenance import memory, starting
from maintenance.centers_ports import Conclude, Days
from maintenance.centers_states import (
    CLAIMED,
    LIVE,
    Handout,
    Handouts,
    HandoutState,
    books,
    handouts_of,
    is_theirs,
    state_of,
    subject_of,
    write,
)
from maintenance.counting import Counting
from maintenance.model import Read
from maintenance.service import Cases, NoSuchCase, Turn, told
from maintenance.starting import Starting, Story
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.ids import CaseId, EndpointId, VehicleId
from spine.store import Change, Saved
from webhooks.sources import SourceId

log = logging.getLogger("trunkline.maintenance")

_H = HandoutState


class Ending:
    """Takes back what is out, and settles the person's day."""

    def __init__(
        self, cases: Cases, days: Days, conclude: Conclude, rules: Starting, counting: Counting
    ) -> None:
        self._cases = cases
        self._days = days
        self._conclude = conclude
        self._rules = rules
        self._counting = counting

    async def fall_back(self, case: CaseId, why: str) -> bool:
        """Our own desk has it again, with the age it had; True where that is new."""
        now, subject = self._cases.clock.now(), subject_of(case)
        ended: list[Handout] = []

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            ended.clear()
            state, body = state_of(saved[subject]), handouts_of(saved[subject])
            if state not in LIVE or body is None or body.last is None:
                return None
            last = body.last
            if not is_theirs(read, last):
                return None  # booked, closed or offered meanwhile: that is no case of ours to call about
            after, fact = over(body, last, read, why, now)
            ended.append(last)
            writes, others = {subject: write(state, _H.OVER, after)}, [fact]
            trigger = self._conclude.undone(read.body.trigger, last.center).but(
                lease=None, center=None, center_ref=None, due=now, why=f"center: {why}"
            )
            queued = told(
                f.TriggerQueued, read, now, severity=read.body.severity, since=trigger.since, due=now,
                why=f"center: {why}",
            )  # fmt: skip
            return Turn(read.body.but(trigger=trigger), [queued], writes, others)

        try:
            read = await self._cases.change(case, decide, also=[subject])
        except NoSuchCase:
            return False
        if not ended:
            await self.end(case, "withdrawn")
        for last in ended:
            log.warning("center.fell_back", extra={"case": case, "center": last.center, "why": why})
            await self._counting.count("handouts_back", f"handouts_back:{why}")
            await self.settle_day(read, last)
        return bool(ended)

    async def lease_over(self, read: Read) -> None:
        """The timer of a case that is leased to a center: its time is over (``maintenance.due``)."""
        handed = handouts_of(await self._cases.store.load(subject_of(read.id)))
        last = handed.last if handed else None
        if last is not None and await self.fall_back(
            read.id, "unclaimed" if last.rank < CLAIMED else "silent"
        ):
            return
        now = self._cases.clock.now()

        def decide(here: Read, _: Mapping[str, Saved]) -> Turn | None:
            """Nothing of ours knows of it (any more): it is on the list all the same."""
            trigger = here.body.trigger
            if here.state is not TriggerState.LEASED or (trigger.lease and trigger.lease.until > now):
                return None
            queued = told(
                f.TriggerQueued, here, now, severity=here.body.severity, since=trigger.since, due=now, why="center: lost"
            )  # fmt: skip
            after = trigger.but(lease=None, center=None, center_ref=None, due=now, why="center: lost")
            return Turn(here.body.but(trigger=after), [queued])

        await self._cases.change(read.id, decide)

    async def end(self, case: CaseId, why: str) -> None:
        """The case went another way: booked, closed, offered, or its lease ended and it is on our list."""
        now, subject = self._cases.clock.now(), subject_of(case)
        ended: list[Handout] = []

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            ended.clear()
            state, body = state_of(saved[subject]), handouts_of(saved[subject])
            if body is None:
                return None
            if state is _H.WAITING:
                if read.state is TriggerState.QUEUED:
                    return None
                return Turn(read.body, writes={subject: write(state, _H.OVER, body.but(retry_at=None))})
            last = body.last
            if state not in LIVE or last is None or is_theirs(read, last) or books(read, last, now):
                return None
            lease = read.body.trigger.lease
            torn = read.state is TriggerState.LEASED and lease is not None and lease.by == last.center
            back = (
                torn or read.state is TriggerState.QUEUED
            )  # torn: its lease runs out, and that is looked at
            after, fact = over(body, last, read, "lost" if back else why, now)
            ended.append(last)
            turned = read.body
            if turned.trigger.center == last.center and not torn:
                trigger = self._conclude.undone(turned.trigger, last.center)
                turned = turned.but(trigger=trigger.but(center=None, center_ref=None))
            return Turn(turned, (), {subject: write(state, _H.OVER, after)}, [fact])

        read = await self._cases.change(case, decide, also=[subject])
        for last in ended:
            if read.state is TriggerState.QUEUED:
                await self._counting.count("handouts_back", "handouts_back:lost")
            await self.settle_day(read, last)

    async def settle_day(self, read: Read, last: Handout) -> None:
        """The person's call of the day: free again, unless the center may have called and never said so."""
        now = self._cases.clock.now()
        if any(each.by == last.center and each.at >= last.at for each in read.body.trigger.calls):
            return
        if last.rank >= CLAIMED:
            await self._days.spend(read, last.person, now)
        else:
            await self._days.give_back(read, last.person, now)

    async def calls_off(self, vehicle: VehicleId) -> None:
        """The owner wants no calls any more: what is at a center is offered to the owner instead, at once."""
        known = memory.read(await self._cases.store.load(memory.subject_of(vehicle))).vehicle
        for one in filter(None, map(known.open_case, known.cases)):
            await self._offer(memory.case_of(vehicle, one.system, one.n), choice.subject_of(vehicle))

    async def _offer(self, case: CaseId, cal: str) -> None:
        subject, now = subject_of(case), self._cases.clock.now()

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            body, calls = handouts_of(saved[subject]), choice.read(saved[cal])
            last = body.last if body else None
            if last is None or not is_theirs(read, last) or choice.may_call(calls):
                return None
            story = Story(read.id, read.body, read.state, now)
            story.trigger(
                **dict(
                    self._conclude.undone(read.body.trigger, last.center).but(center=None, center_ref=None)
                )
            )
            starting.stay(story, calls, self._rules, "calls_off")
            return Turn(story.body, story.facts)

        try:
            await self._cases.change(case, decide, also=[subject, cal])
        except NoSuchCase:
            return

    async def died(self, case: CaseId, n: int, endpoint: EndpointId) -> None:
        """A message about a hand-out was given up: with the last address of it the case comes back at once."""
        subject = subject_of(case)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body = handouts_of(saved[subject])
            last = body.last if body else None
            if body is None or last is None or last.n != n or endpoint not in last.addresses:
                return None
            rest = tuple(each for each in last.addresses if each != endpoint)
            state = state_of(saved[subject])
            return Change({subject: write(state, state, body.with_last(last.but(addresses=rest)))})

        outcome = await self._cases.store.change([subject], decide)
        body = handouts_of(outcome.saved[subject])
        last = body.last if body else None
        if last is not None and last.n == n and not last.addresses and last.rank == 0:
            await self.fall_back(case, "undelivered")


def over(
    body: Handouts, last: Handout, read: Read, why: str, now: datetime, *, there: bool = False
) -> tuple[Handouts, f.HandoutEnded]:
    """The hand-out ended; a vendor's task is to be ended too, unless it is over ``there``, as the center says."""
    cancels = last.via != "webhook" and not there and (last.ref is not None or last.tries > 0)
    ended = last.but(ended_at=now, why=why, to_cancel=cancels)
    home = body.home or why not in {"concluded", "withdrawn"}
    after = body.with_last(ended).but(home=home, retry_at=now if cancels else None)
    fact = told(f.HandoutEnded, read, now, center=SourceId(last.center), n=last.n, why=why)
    return after, fact
