"""Help with a delivery: whoever stands in front of a car and does not get on opens a case that comes first."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime

from maintenance.cases import CaseState
from maintenance.desk_work import closed
from maintenance.model import CaseBody, Frozen, Read, Trigger
from maintenance.service import Cases, Turn
from maintenance.states import TriggerState
from people.problems import TooMany
from spine.facts.maintenance import CaseOpened, TriggerQueued
from spine.ids import CaseId, DeliveryId, VehicleId, named_after
from spine.rates import Rates
from spine.store import Change, Saved, Write

Asker = Literal["owner", "courier", "system"]
SYSTEM: Final = "help"


class _Count(Frozen):
    """``heard_at``: the newest trouble of the delivery that was answered; read again it opens nothing."""

    n: int = 0
    heard_at: AwareDatetime | None = None


def count_of(delivery: str) -> str:
    """The subject that counts a delivery's help cases, beside the delivery."""
    return named_after("hlp", delivery)


def case_of(delivery: str, n: int) -> CaseId:
    """The n-th help case of a delivery."""
    return CaseId(named_after("cse", delivery, SYSTEM, n))


class Help:
    """Opens and closes help cases: at most one open one a delivery."""

    def __init__(self, cases: Cases, rates: Rates) -> None:
        self._cases = cases
        self._rates = rates

    async def ask(
        self, asker: str, delivery: DeliveryId, vehicle: VehicleId, *, by: Asker, call_at: str | None = None
    ) -> Read:
        """Somebody asks: ``asker`` is counted. The open one, where there is one. Raises ``TooMany``."""
        now, limit = self._cases.clock.now(), self._cases.limits.desk.help_per_hour
        wait = await self._rates.take("help", asker, limit=limit, per=timedelta(hours=1), now=now)
        if wait:
            raise TooMany(
                "You asked for help often. Your request stands; somebody looks at it.", retry_after=wait
            )
        return await self.open(delivery, vehicle, by=by, why="asked", call_at=call_at)

    async def open(
        self, delivery: DeliveryId, vehicle: VehicleId, *, by: Asker, why: str, call_at: str | None = None
    ) -> Read:
        """The open help case of a delivery, or a new one on the list at once. Again: the same."""
        while True:
            count = count_of(delivery)
            n = _count(await self._cases.store.load(count)).n
            newest, following = case_of(delivery, n), case_of(delivery, n + 1)
            found = Read.of(await self._cases.store.load(newest)) if n else None
            if found is not None and found.open:
                return await self._asked_again(found, call_at)
            opened = await self._make(count, n, following, delivery, vehicle, by, why, call_at)
            if opened is not None:
                return opened

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
            idle = read.state in {TriggerState.QUEUED, TriggerState.SCHEDULED}
            return closed(read, now, "resolved") if idle and read.body.asked_by == "system" else None

        await self._cases.change(case_of(delivery, n), decide)

    async def _asked_again(self, found: Read, call_at: str | None) -> Read:
        """A person asks for what the system, or they, asked before: their number counts."""
        if call_at is None or found.body.call_at == call_at:
            return found

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            return Turn(read.body.but(call_at=call_at))

        return await self._cases.change(found.id, decide)

    async def _make(
        self, count: str, n: int, case: CaseId, delivery: DeliveryId, vehicle: VehicleId, by: Asker, why: str,
        call_at: str | None,
    ) -> Read | None:  # fmt: skip
        """None where somebody else was first: look again."""
        now = self._cases.clock.now()
        body = CaseBody(
            what="help", vehicle=vehicle, system=SYSTEM, n=n + 1, state=CaseState.OPEN, severity="high", why=why,
            opened_at=now, delivery=delivery, asked_by=by, call_at=call_at,
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


def _kept(count: _Count) -> Write:
    return Write("kept", count.model_dump_json(exclude_none=True))
