"""Timers of hand-outs (prefix ``hnd``): the window opens, a vendor is asked, and what nobody claims comes back."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from maintenance import calls as choice
from maintenance.centers import Center, Centers
from maintenance.centers_ending import Ending
from maintenance.centers_handing import Handing
from maintenance.centers_states import (
    CLAIMED,
    LIVE,
    Handout,
    Handouts,
    HandoutState,
    handouts_of,
    is_theirs,
    key_of,
    state_of,
    subject_of,
    write,
)
from maintenance.centers_task import Places, Task, task_of
from maintenance.centers_vendors import Vendor, VendorFailed
from maintenance.model import Read
from maintenance.service import Cases, NoSuchCase, Turn
from spine.ids import CaseId
from spine.store import Change, Saved

log = logging.getLogger("trunkline.maintenance")

_H = HandoutState
_LONGEST: Final = timedelta(minutes=5)


class Sending:
    """The handler. What it asks a vendor for is idempotent there, or asked about first: it may come twice."""

    def __init__(
        self,
        cases: Cases,
        centers: Centers,
        handing: Handing,
        ending: Ending,
        vendors: Mapping[str, Vendor],
        places: Places,
    ) -> None:
        """``vendors``: by the source of their center."""
        self._cases = cases
        self._centers = centers
        self._handing = handing
        self._ending = ending
        self._vendors = vendors
        self._places = places
        self._limits = cases.limits.centers

    async def on_due(self, saved: Saved) -> None:
        """A hand-out's moment has come; afterwards its timer stands at the next one."""
        body, state, now = handouts_of(saved), state_of(saved), self._cases.clock.now()
        if body is None or saved.wake_at is None or saved.wake_at > now:
            return
        last = body.last
        match state:
            case _H.WAITING:
                await self._handing.look(body.case)
                await self._no_longer_waits(body.case, now)
            case _H.OUT | _H.CLAIMED if last is not None and last.until <= now:
                why = "unclaimed" if last.rank < CLAIMED else "silent"
                await self._ending.fall_back(body.case, why)
            case _H.OUT | _H.CLAIMED if last is not None:
                await self._start(body, last, now)
            case _H.OVER if last is not None and last.to_cancel:
                await self._stop(body, last, now)
            case _:
                await self._note(body.case, lambda here: here.but(retry_at=None))

    async def _no_longer_waits(self, case: CaseId, now: datetime) -> None:
        """It was looked at, and nothing came of it: no center takes it any more."""
        subject = subject_of(case)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = handouts_of(saved[subject])
            if here is None or state_of(saved[subject]) is not _H.WAITING:
                return None
            if here.retry_at is not None and here.retry_at > now:
                return None
            return Change({subject: write(_H.WAITING, _H.OVER, here.but(retry_at=None))})

        await self._cases.store.change([subject], decide)

    async def _start(self, body: Handouts, last: Handout, now: datetime) -> None:
        vendor, center = self._vendors.get(last.center), self._centers.of(last.center)
        task = await self._task(body.case, last, center) if center is not None else None
        if vendor is None or task is None:
            await self._ending.fall_back(body.case, "undelivered")
            return
        # Noted before it is asked: whoever comes after a crash knows that there may be a task already.
        await self._note(body.case, lambda here: _tried(here, last.n))
        try:
            ref = await vendor.start(task, now=now, again=last.tries > 0)
        except VendorFailed as failed:
            log.warning(
                "center.vendor_failed",
                extra={"center": last.center, "case": body.case, "reason": failed.reason},
            )
            if failed.for_good:
                await self._ending.fall_back(body.case, "undelivered")
                return
            again = self._cases.clock.now() + self._pause(last.tries)
            await self._note(body.case, lambda here: here.but(retry_at=again))
            return
        await self._started(body.case, last, ref)

    async def _started(self, case: CaseId, started: Handout, ref: str) -> None:
        subject = subject_of(case)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            here, state = handouts_of(saved[subject]), state_of(saved[subject])
            last = here.last if here else None
            if here is None or last is None or last.n != started.n:
                return None
            # Where it came back meanwhile, its task is to be ended, whose name is known only now.
            over = state not in LIVE
            wake = self._cases.clock.now() if over and last.to_cancel else None
            writes = {subject: write(state, state, here.with_last(last.but(ref=ref)).but(retry_at=wake))}
            trigger = read.body.trigger
            if is_theirs(read, last):
                trigger = trigger.but(center_ref=ref[:128])
            return Turn(read.body.but(trigger=trigger), writes=writes)

        try:
            await self._cases.change(case, decide, also=[subject])
        except NoSuchCase:
            log.exception("center.case_gone", extra={"case": case})

    async def _stop(self, body: Handouts, last: Handout, now: datetime) -> None:
        """End the vendor's task. One whose name we never heard is asked for first."""
        vendor, center = self._vendors.get(last.center), self._centers.of(last.center)
        ref = last.ref
        try:
            if vendor is not None and center is not None:
                if ref is None:
                    task = await self._task(body.case, last, center)
                    ref = await vendor.find(key_of(body.case, last.n), task, since=last.at, now=now)
                if ref is None:
                    log.warning("center.task_not_found", extra={"center": last.center, "case": body.case})
                else:
                    await vendor.stop(ref, why=last.why)
        except VendorFailed as failed:
            tries = last.tries + 1
            gives_up = failed.for_good or tries >= self._limits.vendor_cancels
            level = logging.ERROR if gives_up else logging.WARNING
            log.log(level, "center.task_not_ended", extra={"center": last.center, "case": body.case})
            if not gives_up:
                again = self._cases.clock.now() + self._pause(tries)
                await self._note(body.case, lambda here: _tried(here, last.n).but(retry_at=again))
                return
        await self._note(body.case, lambda here: _stopped(here, last.n))
        await self._handing.look(body.case)

    async def _task(self, case: CaseId, last: Handout, center: Center) -> Task | None:
        try:
            read = await self._cases.read(case)
        except NoSuchCase:
            return None
        calls = choice.read(await self._cases.store.load(choice.subject_of(read.body.vehicle)))
        if calls is None:
            return None
        return task_of(read, last, center, calls, self._places)

    async def _note(self, case: CaseId, change: Callable[[Handouts], Handouts]) -> None:
        subject = subject_of(case)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here, state = handouts_of(saved[subject]), state_of(saved[subject])
            return None if here is None else Change({subject: write(state, state, change(here))})

        await self._cases.store.change([subject], decide)

    def _pause(self, tries: int) -> timedelta:
        return min(self._limits.vendor_retry * 2.0 ** min(tries, 10), _LONGEST)


def _tried(body: Handouts, n: int) -> Handouts:
    last = body.last
    return body.with_last(last.but(tries=last.tries + 1)) if last and last.n == n else body


def _stopped(body: Handouts, n: int) -> Handouts:
    last = body.last
    return body.with_last(last.but(to_cancel=False)).but(retry_at=None) if last and last.n == n else body
