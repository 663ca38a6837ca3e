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
from maintenance.centers import Center, Centers
from maintenance.centers_ending import Ending
from maintenance.centers_ports import Conclude, Days, Endpoints, Window
from maintenance.centers_states import (
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
from maintenance.model import LEVELS, Calls, Lease, Read
from maintenance.service import Cases, NoSuchCase, Turn, told
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.ids import CaseId, EndpointId
from spine.store import Saved

log = logging.getLogger("trunkline.maintenance")

CREATED: Final = "appointment.trigger.created"
_H = HandoutState


class Handing:
    """Hands out, and looks at what is out."""

    def __init__(
        self,
        cases: Cases,
        centers: Centers,
        endpoints: Endpoints,
        window: Window,
        days: Days,
        conclude: Conclude,
        ending: Ending,
        counting: Counting,
    ) -> None:
        self._cases = cases
        self._centers = centers
        self._endpoints = endpoints
        self._window = window
        self._days = days
        self._conclude = conclude
        self._ending = ending
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
                await self._ending.end(read.id, "withdrawn")
            elif _rises(read, last):
                await self._tell_severity(read.id)
        elif body is not None and body.cancels:
            return  # its task there is ended first, or nobody would ever end it; then this is looked at again
        elif read.state is TriggerState.QUEUED and read.body.what != "canary" and not (body and body.home):
            await self._hand_out(read)
        elif state is _H.WAITING:
            await self._ending.end(read.id, "withdrawn")

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
        opens = max(self._window.opens(read, calls, now), read.body.trigger.due or now)
        closes = self._window.closes(read, calls, now)
        if opens <= now and closes is not None and closes < now + self._limits.claimed_within:
            opens = (
                closes  # nobody there could claim it in time; looked at then, it waits for the next opening
            )
        if opens <= now and (later := await self._days.take(read, calls, now)) is not None:
            opens = later
        if opens > now:
            await self._wait(read.id, opens)
            return
        if not await self._lease(read, calls, center, addresses, now):
            await self._days.look(calls.person)  # another look may have handed it out on this very day

    async def _wait(self, case: CaseId, until: datetime) -> None:
        subject = subject_of(case)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            state = state_of(saved[subject])
            body = handouts_of(saved[subject]) or Handouts(case=case, vehicle=read.body.vehicle)
            if state in LIVE or body.home or body.cancels or (state is _H.WAITING and body.retry_at == until):
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
            if read.state is not TriggerState.QUEUED or state in LIVE or body.home or body.cancels:
                return None
            if choice.read(saved[cal]) != calls or self._centers.for_case(read.body, calls) != center:
                return None  # it was chosen otherwise meanwhile: that is looked at by itself
            closes = self._window.closes(read, calls, now)
            held = now + self._limits.held_most
            expires_at = held if closes is None else min(held, closes)
            claim_by = min(now + claimed_within(read, now, self._limits.claimed_within), expires_at)
            handout = Handout(
                n=body.count + 1,
                center=center.source,
                via=center.via,
                token=token,
                at=now,
                claim_by=claim_by,
                until=claim_by,
                expires_at=expires_at,
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


def _rises(read: Read, last: Handout) -> bool:
    return LEVELS.index(read.body.severity) > LEVELS.index(last.severity)


def claimed_within(read: Read, now: datetime, least: timedelta) -> timedelta:
    """How long a center has to claim it: half of what is left to the service level, at least ``least``."""
    by = read.body.trigger.claim_by
    return least if by is None else max(least, (by - now) / 2)
