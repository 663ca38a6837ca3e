"""A queued case is handed to the contact center that takes it, and comes back when nobody there does (group ``centers``).

The case is the scarce thing: it is leased to the center in the commit that makes the hand-out, so nobody else has it
meanwhile. The message follows through the log, under a name that a second reading finds again. One look at case and
hand-out decides; whatever happened, looking again changes nothing.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Final

from maintenance import calls as choice
from maintenance import memory, starting
from maintenance.centers import Center, Centers
from maintenance.centers_ports import Conclude, Days, Endpoints, Window
from maintenance.centers_states import (
    CLAIMED,
    LIVE,
    Handout,
    Handouts,
    HandoutState,
    handouts_of,
    is_theirs,
    state_of,
    subject_of,
    write,
)
from maintenance.counting import Counting
from maintenance.model import LEVELS, Calls, Lease, Read
from maintenance.service import Cases, NoSuchCase, Turn, told
from maintenance.starting import Starting, Story
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.ids import CaseId, EndpointId, VehicleId
from spine.store import Change, Saved
from webhooks.sources import SourceId

log = logging.getLogger("trunkline.maintenance")

CREATED: Final = "appointment.trigger.created"
_H = HandoutState


class Handing:
    """Hands out, looks after what is out, and takes it back."""

    def __init__(
        self,
        cases: Cases,
        centers: Centers,
        endpoints: Endpoints,
        window: Window,
        days: Days,
        conclude: Conclude,
        rules: Starting,
        counting: Counting,
    ) -> None:
        self._cases = cases
        self._centers = centers
        self._endpoints = endpoints
        self._window = window
        self._days = days
        self._conclude = conclude
        self._rules = rules
        self._counting = counting
        self._limits = cases.limits.centers

    async def look(self, case: CaseId) -> None:
        """Do what case and hand-out together ask for now."""
        try:
            read = await self._cases.read(case)
        except NoSuchCase:
            return
        saved = await self._cases.store.load(subject_of(case))
        state, body = state_of(saved), handouts_of(saved)
        last = body.last if body else None
        if state in LIVE and last is not None:
            if books(read, last, self._cases.clock.now()):
                return  # its own booking is going on, and says itself that the case is concluded
            if not is_theirs(read, last):
                await self._end(read.id, "withdrawn")
            elif _rises(read, last):
                await self._tell_severity(read.id)
        elif read.state is TriggerState.QUEUED and read.body.what != "canary" and not (body and body.home):
            await self._hand_out(read)
        elif state is _H.WAITING:
            await self._end(read.id, "withdrawn")

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
            after, fact = over(body, last, read, why, now)
            ended.append(last)
            writes, others = {subject: write(state, _H.OVER, after)}, [fact]
            if not is_theirs(read, last):
                return Turn(read.body, (), writes, others)
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
        for last in ended:
            log.warning("center.fell_back", extra={"case": case, "center": last.center, "why": why})
            await self._counting.count("handouts_back", f"handouts_back:{why}")
            await self._settle_day(read, last)
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

    async def _settle_day(self, read: Read, last: Handout) -> None:
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
            starting.offer(story, calls, self._rules, "calls_off")
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

    # ---- handing out

    async def _hand_out(self, read: Read) -> None:
        now = self._cases.clock.now()
        cal = choice.subject_of(read.body.vehicle)
        calls = choice.read(await self._cases.store.load(cal))
        center = self._centers.for_case(read.body, calls)
        often = len(read.body.trigger.calls) >= self._cases.limits.desk.calls_per_case
        if center is None or calls is None or often:
            return
        addresses: tuple[EndpointId, ...] = ()
        if center.via == "webhook":
            addresses = tuple(await self._endpoints.for_subscriber(center.source, CREATED))
            if not addresses:
                log.error("center.no_address", extra={"center": center.source, "case": read.id})
                return
        opens = max(self._window(read, calls, now), read.body.trigger.due or now)
        if opens <= now and (later := await self._days.take(read, calls, now)) is not None:
            opens = later
        if opens > now:
            await self._wait(read.id, opens)
            return
        if not await self._lease(read, calls, center, addresses, now):
            await self._days.give_back(read, calls.person, now)

    async def _wait(self, case: CaseId, until: datetime) -> None:
        subject = subject_of(case)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            state = state_of(saved[subject])
            body = handouts_of(saved[subject]) or Handouts(case=case, vehicle=read.body.vehicle)
            if state in LIVE or body.home or (state is _H.WAITING and body.retry_at == until):
                return None
            return Turn(read.body, writes={subject: write(state, _H.WAITING, body.but(retry_at=until))})

        await self._cases.change(case, decide, also=[subject])

    async def _lease(
        self, before: Read, calls: Calls, center: Center, addresses: tuple[EndpointId, ...], now: datetime
    ) -> bool:
        case, subject, cal = before.id, subject_of(before.id), choice.subject_of(before.body.vehicle)
        token = token_urlsafe(18)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            state = state_of(saved[subject])
            body = handouts_of(saved[subject]) or Handouts(case=case, vehicle=read.body.vehicle)
            if read.state is not TriggerState.QUEUED or state in LIVE or body.home:
                return None
            if choice.read(saved[cal]) != calls or self._centers.for_case(read.body, calls) != center:
                return None  # it was chosen otherwise meanwhile: that is looked at by itself
            claim_by = now + claimed_within(read, now, self._limits.claimed_within)
            handout = Handout(
                n=body.count + 1,
                center=center.source,
                via=center.via,
                token=token,
                at=now,
                claim_by=claim_by,
                until=claim_by,
                severity=read.body.severity,
                person=calls.person,
                addresses=addresses,
            )
            after = body.with_next(handout).but(retry_at=None if center.via == "webhook" else now)
            trigger = self._conclude.handed(read, calls, center.source, now).but(
                lease=Lease(by=center.source, token=token, since=now, until=claim_by),
                center=center.source,
                center_ref=None,
            )
            about = {"center": center.source, "n": handout.n}
            return Turn(
                read.body.but(trigger=trigger),
                [told(f.TriggerLeased, read, now, by=center.source, until=claim_by)],
                writes={subject: write(state, _H.OUT, after)},
                others=[told(f.HandoutMade, read, now, **about)],
            )

        after = await self._cases.change(case, decide, also=[subject, cal])
        lease = after.body.trigger.lease
        handed = lease is not None and lease.token == token
        if handed:
            await self._counting.count("handouts")
        return handed

    # ---- what is out

    async def _tell_severity(self, case: CaseId) -> None:
        """It became more urgent: the center hears of it, and has no longer to claim it than such a case has."""
        now, subject = self._cases.clock.now(), subject_of(case)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            state, body = state_of(saved[subject]), handouts_of(saved[subject])
            if state not in LIVE or body is None or body.last is None:
                return None
            last = body.last
            if not is_theirs(read, last) or not _rises(read, last):
                return None
            sooner = min(last.until, now + self._limits.claimed_within) if state is _H.OUT else last.until
            last = last.but(severity=read.body.severity, until=sooner, claim_by=min(last.claim_by, sooner))
            changed = told(f.HandoutChanged, read, now, center=last.center, n=last.n)
            writes = {subject: write(state, state, body.with_last(last))}
            lease = read.body.trigger.lease
            trigger = read.body.trigger.but(lease=lease.but(until=sooner) if lease else None)
            return Turn(read.body.but(trigger=trigger), (), writes, [changed])

        await self._cases.change(case, decide, also=[subject])

    async def _end(self, case: CaseId, why: str) -> None:
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
            back = read.state is TriggerState.QUEUED
            after, fact = over(body, last, read, "lost" if back else why, now)
            ended.append(last)
            turned = read.body
            if turned.trigger.center == last.center:
                trigger = self._conclude.undone(turned.trigger, last.center)
                turned = turned.but(trigger=trigger.but(center=None, center_ref=None))
            return Turn(turned, (), {subject: write(state, _H.OVER, after)}, [fact])

        read = await self._cases.change(case, decide, also=[subject])
        for last in ended:
            if read.state is TriggerState.QUEUED:
                await self._counting.count("handouts_back", "handouts_back:lost")
            await self._settle_day(read, last)


def books(read: Read, last: Handout, now: datetime) -> bool:
    """Whether the center books a slot for it at this moment, and the case has the appointment already."""
    return read.state is TriggerState.BOOKED and last.books_until is not None and now < last.books_until


def _rises(read: Read, last: Handout) -> bool:
    return LEVELS.index(read.body.severity) > LEVELS.index(last.severity)


def over(
    body: Handouts, last: Handout, read: Read, why: str, now: datetime
) -> tuple[Handouts, f.HandoutEnded]:
    """The hand-out ended; a vendor's task is to be ended too, unless the vendor said itself that it is over."""
    cancels = (
        last.via != "webhook"
        and why not in {"concluded", "returned"}
        and (last.ref is not None or last.tries > 0)
    )
    ended = last.but(ended_at=now, why=why, to_cancel=cancels)
    home = body.home or why not in {"concluded", "withdrawn"}
    after = body.with_last(ended).but(home=home, retry_at=now if cancels else None)
    fact = told(f.HandoutEnded, read, now, center=SourceId(last.center), n=last.n, why=why)
    return after, fact


def claimed_within(read: Read, now: datetime, least: timedelta) -> timedelta:
    """How long a center has to claim it: half of what is left to the service level, at least ``least``."""
    by = read.body.trigger.claim_by
    return least if by is None else max(least, (by - now) / 2)
