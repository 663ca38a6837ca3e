"""Help with a delivery: whoever stands in front of a car and does not get on opens a case that comes first."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime

from maintenance import starting
from maintenance.cases import CaseState
from maintenance.desk_rules import calls_used, started
from maintenance.desk_work import closed
from maintenance.model import Asker, CaseBody, Frozen, Read, Trigger
from maintenance.service import Cases, NoSuchCase, Turn
from maintenance.starting import Story
from maintenance.states import WAITING, TriggerState
from people.problems import TooMany
from spine.facts.maintenance import CaseOpened, TriggerQueued
from spine.ids import CaseId, DeliveryId, VehicleId, named_after
from spine.rates import Rates
from spine.store import Change, Saved, Write

By = Literal["owner", "courier", "system"]
SYSTEM: Final = "help"


class _Count(Frozen):
    """``heard_at``: the newest trouble of the delivery that was answered; read again it opens nothing."""

    n: int = 0
    heard_at: AwareDatetime | None = None


class _Asked(Frozen):
    """Which help cases somebody asked for, the newest last. ``cases``: by delivery and number."""

    cases: tuple[CaseId, ...] = ()


_ASKED_KEPT: Final = 200
"""Cases remembered of one asker: far more than are ever open, and a closed one keeps nothing of anybody."""


def count_of(delivery: str) -> str:
    """The subject that counts a delivery's help cases, beside the delivery."""
    return named_after("hlp", delivery)


def asked_of(asker: str) -> str:
    """The subject that lists what a person or courier asked for, in their partition: written before the case."""
    return named_after("hla", asker)


def case_of(delivery: str, n: int) -> CaseId:
    """The n-th help case of a delivery."""
    return CaseId(named_after("cse", delivery, SYSTEM, n))


class Help:
    """Opens and closes help cases: at most one open one a delivery."""

    def __init__(self, cases: Cases, rates: Rates) -> None:
        self._cases = cases
        self._rates = rates
        self._rules = started(cases.limits.cases)

    async def ask(
        self,
        asker: str,
        delivery: DeliveryId,
        vehicle: VehicleId,
        *,
        by: Literal["owner", "courier"],
        call_at: str | None = None,
    ) -> Read:
        """Somebody asks: ``asker`` is counted. The open one, where there is one. Raises ``TooMany``.

        Whoever asks too often hears how the open one stands, and changes nothing of it.
        """
        now, limit = self._cases.clock.now(), self._cases.limits.desk.help_per_hour
        wait = await self._rates.take("help", asker, limit=limit, per=timedelta(hours=1), now=now)
        if wait:
            _, found = await self._newest(delivery)
            if found is not None and found.open:
                return found
            raise TooMany("You asked for help often. Wait a little, then ask again.", retry_after=wait)
        return await self.open(
            delivery, vehicle, by=by, why="asked", asker=Asker(who=by, id=asker, phone=call_at)
        )

    async def open(
        self, delivery: DeliveryId, vehicle: VehicleId, *, by: By, why: str, asker: Asker | None = None
    ) -> Read:
        """The open help case of a delivery, or a new one on the list at once. Again: the same."""
        while True:
            n, found = await self._newest(delivery)
            following = case_of(delivery, n + 1)
            going_on = found is not None and found.open
            if asker is not None:
                await self._note(asker.id, found.id if found is not None and going_on else following)
            if found is not None and going_on:
                opened = await self._asked_again(found, asker)
            else:
                opened = await self._make(n, following, delivery, vehicle, by, why, asker)
            if opened is None:
                continue
            if asker is not None and (await self._cases.store.load(asked_of(asker.id))).ended:
                await self._leave(opened.id, asker.id)  # they left while they asked
            return opened

    async def _newest(self, delivery: DeliveryId) -> tuple[int, Read | None]:
        """How many there were, and the last of them."""
        n = _count(await self._cases.store.load(count_of(delivery))).n
        return n, Read.of(await self._cases.store.load(case_of(delivery, n))) if n else None

    async def _note(self, asker: str, case: CaseId) -> None:
        """Remember beside whoever asks which case it is that holds their number, before it does."""
        subject = asked_of(asker)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _asked(saved[subject])
            if saved[subject].ended or case in known.cases:
                return None
            kept = _Asked(cases=(*known.cases, case)[-_ASKED_KEPT:])
            return Change({subject: Write("kept", kept.model_dump_json())})

        await self._cases.store.change([subject], decide)

    async def left(self, asker: str, vehicle: VehicleId, at: datetime) -> None:
        """Somebody has nothing to do with a car any more since ``at``. Read again: nothing."""
        for case in _asked(await self._cases.store.load(asked_of(asker))).cases:
            await self._leave(case, asker, of=(vehicle, at))

    async def forget(self, asker: str) -> None:
        """Somebody is gone altogether. Read again: nothing."""
        subject = asked_of(asker)
        for case in _asked(await self._cases.store.load(subject)).cases:
            await self._leave(case, asker)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            return None if saved[subject].ended else Change({subject: Write("erased", "{}", ended=True)})

        await self._cases.store.change([subject], decide)

    async def _leave(self, case: CaseId, asker: str, *, of: tuple[VehicleId, datetime] | None = None) -> None:
        """One asker's number and name go; what was said goes with the last of them."""

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            body = read.body
            left = tuple(one for one in body.askers if one.id != asker)
            others = of is not None and (body.vehicle != of[0] or body.opened_at > of[1])
            if left == body.askers or others:
                return None
            after = body.but(askers=left)
            if not left:
                after = after.but(answers={}, note="", draft_n=body.draft_n + 1)
            return Turn(after)

        try:
            await self._cases.change(case, decide)
        except NoSuchCase:
            return  # it was noted, and never opened

    async def trouble(self, delivery: DeliveryId, vehicle: VehicleId, why: str, at: datetime) -> None:
        """The car left a delivery in doubt at this moment. Heard again: nothing."""
        count = count_of(delivery)
        known = _count(await self._cases.store.load(count))
        if known.heard_at is not None and at <= known.heard_at:
            return
        await self.open(delivery, vehicle, by="system", why=why)

        def heard(saved: Mapping[str, Saved]) -> Change:
            return Change({count: _kept(_count(saved[count]).but(heard_at=at))})

        await self._cases.store.change([count], heard)

    async def resolved(self, delivery: DeliveryId) -> None:
        """The delivery is well again: what only the system asked for, and nobody works on, is closed."""
        n = _count(await self._cases.store.load(count_of(delivery))).n
        if not n:
            return
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            nobody_asked = read.body.asked_by == "system" and not read.body.askers
            return closed(read, now, "resolved") if read.state in WAITING and nobody_asked else None

        await self._cases.change(case_of(delivery, n), decide)

    async def _asked_again(self, found: Read, asker: Asker | None) -> Read | None:
        """Asked for once more: it waits at the front again, with all its calls. None where it was closed meanwhile."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if not read.open:
                return None
            body = read.body if asker is None else read.body.but(askers=_with(read.body.askers, asker))
            used = calls_used(body) >= self._cases.limits.desk.calls_per_case
            story = Story(read.id, body.but(asked_after=len(body.trigger.calls)), read.state, now)
            waits = read.state is TriggerState.QUEUED and not used
            if not waits and read.state is not TriggerState.LEASED:
                story.trigger(supervisor=body.trigger.supervisor and not used)
                starting.queue(story, None, self._rules, "asked_again", since=body.trigger.since)
            return None if story.body == read.body else Turn(story.body, story.facts)

        after = await self._cases.change(found.id, decide)
        return after if after.open else None

    async def _make(
        self, n: int, case: CaseId, delivery: DeliveryId, vehicle: VehicleId, by: By, why: str,
        asker: Asker | None,
    ) -> Read | None:  # fmt: skip
        """None where somebody else was first: look again."""
        now, count = self._cases.clock.now(), count_of(delivery)
        body = CaseBody(
            what="help", vehicle=vehicle, system=SYSTEM, n=n + 1, state=CaseState.OPEN, severity="high", why=why,
            opened_at=now, delivery=delivery, asked_by=by, askers=(asker,) if asker else (),
            trigger=Trigger(
                since=now, due=now, why=why, claim_by=now + self._cases.limits.cases.critical_claimed_within
            ),
        )  # fmt: skip
        about = {"at": now, "case": case, "vehicle": vehicle, "why": why, "severity": "high"}
        facts: list[CaseOpened | TriggerQueued] = [
            CaseOpened.model_validate({**about, "what": "help", "system": SYSTEM, "delivery": delivery}),
            TriggerQueued.model_validate({**about, "since": now, "due": now}),
        ]

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = _count(saved[count])
            if known.n != n or saved[case].version:
                return None
            written = self._cases.written(TriggerState.NEW, body, facts, now)
            return Change({count: _kept(known.but(n=n + 1)), case: written}, facts)

        done = await self._cases.store.change([count, case], decide)
        return Read.of(done.saved[case]) if done.changed else None


def _count(saved: Saved) -> _Count:
    return _Count.model_validate_json(saved.body) if saved.version and not saved.ended else _Count()


def _asked(saved: Saved) -> _Asked:
    return _Asked.model_validate_json(saved.body) if saved.version and not saved.ended else _Asked()


def _with(askers: tuple[Asker, ...], asker: Asker) -> tuple[Asker, ...]:
    """These and this one; whoever asks again without a number keeps the one they gave."""
    before = next((one for one in askers if one.id == asker.id), None)
    if before is None:
        return (*askers, asker)
    newer = asker if asker.phone is not None else before
    return tuple(newer if one is before else one for one in askers)


def _kept(count: _Count) -> Write:
    return Write("kept", count.model_dump_json(exclude_none=True))
