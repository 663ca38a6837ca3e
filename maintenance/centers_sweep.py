"""Nothing is lost at a contact center: each hand-out and its case are compared, and what fell apart is put right."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from maintenance.centers_ending import Ending
from maintenance.centers_handing import Handing
from maintenance.centers_states import (
    LIVE,
    Handouts,
    HandoutState,
    books,
    handouts_of,
    is_theirs,
    state_of,
    subject_of,
)
from maintenance.counting import Counting
from maintenance.model import Read
from maintenance.service import Cases, NoSuchCase
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.ids import CaseId
from spine.index import Index, Place
from spine.log import Entry
from spine.problems import Problem

log = logging.getLogger("trunkline.maintenance")

OUT: Final = "cases_at_centers"
ALL: Final = "all"
NAMES: Final = (OUT,)
LATE: Final = timedelta(minutes=1)
"""Timers have this long before what they did not do is a violation."""
_PAGE: Final = 200


def places(entry: Entry) -> Iterable[Place]:
    """The list of cases that are at a contact center, built from the log."""
    match entry.fact:
        case f.HandoutMade(case=case, at=at):
            yield Place(OUT, ALL, case, at.timestamp())
        case f.HandoutEnded(case=case):
            yield Place(OUT, ALL, case, None)
        case _:
            return


def violation(read: Read | None, state: HandoutState, body: Handouts | None, now: datetime) -> str | None:
    """What is wrong with a case and its newest hand-out; None where all is well. Pure.

    A case that a center has is leased under a living hand-out whose time has not passed; any other is not.
    """
    last = body.last if body else None
    if read is None:
        return None
    at_center = read.state is TriggerState.LEASED and (read.body.trigger.lease or _NOBODY).by.startswith(
        "src_"
    )
    if at_center and (state not in LIVE or last is None or not is_theirs(read, last)):
        return "leased_without_handout"
    if state in LIVE and last is not None:
        if not is_theirs(read, last) and not books(read, last, now):
            return "handout_without_lease"
        if last.until + LATE < now:
            return "overdue"
        if last.via == "webhook" and not last.addresses and last.rank == 0:
            return "told_nobody"
    return None


class _Nobody:
    by = ""


_NOBODY: Final = _Nobody()


class Sweep:
    """Looks at every case that is at a contact center, and at whatever it finds wrong once more."""

    def __init__(
        self, cases: Cases, handing: Handing, ending: Ending, index: Index, counting: Counting
    ) -> None:
        self._cases = cases
        self._handing = handing
        self._ending = ending
        self._index = index
        self._counting = counting

    async def keep(self) -> None:
        """Again and again, until cancelled: for process `work`. What is found is an error in the log."""
        while True:
            await asyncio.sleep(self._cases.limits.centers.sweep_every.total_seconds())
            try:
                for case, wrong in (await self.run()).items():
                    log.error("center.violation", extra={"case": case, "wrong": wrong})
            except Problem as why:  # the next round does it
                log.warning("center.sweep_waits", extra={"reason": why.code})

    async def run(self) -> dict[str, str]:
        """Violations found, by case; each is put right at once."""
        found: dict[str, str] = {}
        after: str | None = None
        while True:
            page = await self._index.page(OUT, ALL, after=after, limit=_PAGE)
            for member in page.members:
                case = CaseId(member)
                if (wrong := await self._one(case)) is not None:
                    found[case] = wrong
            if page.next is None:
                return found
            after = page.next

    async def _one(self, case: CaseId) -> str | None:
        try:
            read = await self._cases.read(case)
        except NoSuchCase:
            return None
        saved = await self._cases.store.load(subject_of(case))
        wrong = violation(read, state_of(saved), handouts_of(saved), self._cases.clock.now())
        if wrong is not None:
            await self._counting.count(f"handout_violations:{wrong}")
        if wrong == "leased_without_handout":
            await self._ending.lease_over(read)
        elif wrong in {"overdue", "told_nobody"}:
            await self._ending.fall_back(case, "lost")
        elif wrong is not None:
            await self._handing.look(case)
        return wrong
