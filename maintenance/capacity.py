"""A garage's capacity: slots published one by one or from its opening hours, withdrawn, and those still free."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from maintenance.garage_model import BayBody, Garage, bay_of
from maintenance.garage_problems import NoSuchSlot, SlotInUse, SlotUnfit
from maintenance.garages import Garages
from maintenance.limits import GarageLimits
from maintenance.model import SlotBody
from maintenance.slots import Slot, garage_of, made_of, slot_id, written
from maintenance.states import SlotState
from spine.clock import Clock
from spine.facts.maintenance import SlotPublished, SlotWithdrawn
from spine.ids import GarageId, NotAnId, SlotId
from spine.store import Change, Saved, Store, Write

S = SlotState
_BATCH: Final = 50
_DAY: Final = timedelta(days=1)


class Capacity:
    """What can be booked. A bay and its slots change in one commit, so that no two slots of a bay overlap."""

    def __init__(self, store: Store, garages: Garages, clock: Clock, limits: GarageLimits) -> None:
        self._store = store
        self._garages = garages
        self._clock = clock
        self._limits = limits

    @property
    def limits(self) -> GarageLimits:
        """Sizes and durations."""
        return self._limits

    def now(self) -> datetime:
        """By the clock its slots go by."""
        return self._clock.now()

    async def slot(self, slot: SlotId) -> Slot:
        """Raises ``NoSuchSlot``, also for what is no slot's id."""
        try:
            garage_of(slot)
        except (NotAnId, ValueError):
            raise NoSuchSlot("there is no such slot") from None
        found = Slot.of(await self._store.load(slot))
        if found is None:
            raise NoSuchSlot("there is no such slot")
        return found

    async def publish(self, garage: Garage, bay: int, start: datetime, end: datetime | None = None) -> Slot:
        """One slot by hand; ``end`` is left out: the garage's usual length. Again: the same.

        Raises ``SlotUnfit`` for one that lies in the past or too far ahead, or overlaps another of its bay.
        """
        now = self._clock.now()
        try:
            start = start.astimezone(UTC).replace(microsecond=0)
            until = end.astimezone(UTC).replace(microsecond=0) if end else start + garage.details.length
        except OverflowError:
            raise SlotUnfit("that is no time of this age") from None
        if not 1 <= bay <= garage.details.bays:
            raise SlotUnfit(f"this garage has the bays 1 to {garage.details.bays}")
        if not now < start <= now + self._limits.published_ahead:
            raise SlotUnfit(f"a slot lies ahead, at most {self._limits.published_ahead.days} days")
        shortest, longest = self._limits.slot_shortest, self._limits.slot_longest
        if not shortest <= until - start <= longest:
            raise SlotUnfit(f"a slot is {shortest} to {longest} long")
        body = SlotBody(garage=garage.id, bay=bay, start=start, end=until, single=True, by=garage.id)
        slot, home = slot_id(garage.id, bay, start), bay_of(garage.id, bay)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            there, known = Slot.of(saved[slot]), BayBody.of(saved[home])
            if there is not None and there.state is not S.WITHDRAWN:
                if there.body.end == until:
                    return None
                raise SlotUnfit("this bay has a slot of another length at that moment")
            if saved[slot].ended or len(known.slots) >= self._limits.slots_most:
                raise SlotUnfit("this bay has as many slots as are kept of one")
            if not known.fits(*_epochs(start, until)):
                raise SlotUnfit("it overlaps another slot of this bay")
            writes = {
                home: known.plus(_epochs(start, until)).write(),
                slot: self._published(saved[slot], body, now),
            }
            return Change(writes, [_told(body, slot, now)])

        await self._store.change([home, slot], decide)
        return await self.slot(slot)

    async def withdraw(self, garage: GarageId, slot: SlotId) -> None:
        """The garage takes a free slot back. Again: nothing. Raises ``NoSuchSlot`` (also another's), ``SlotInUse``."""
        found = await self.slot(slot)
        if found.body.garage != garage:
            raise NoSuchSlot("there is no such slot")
        await self._withdraw(garage, found.body.bay, [slot], by=garage, strict=True)

    async def of_garage(self, garage: Garage, start: datetime, end: datetime) -> list[Slot]:
        """Every slot from ``start`` until ``end``, in order of time and bay, whoever has it."""
        named = await self._named(garage, start)
        ids = [slot for at, _, slot in named if at < end]
        saved = await self._store.load_many(ids)
        return [found for one in ids if (found := Slot.of(saved[one])) is not None]

    async def free(
        self,
        garage: Garage,
        *,
        case: str = "",
        most: int,
        notice: bool = True,
        start: datetime | None = None,
    ) -> list[Slot]:
        """The next free slots, one for each start, soonest first; also the one that ``case`` holds itself.

        ``start``: none that starts sooner.
        """
        now, found = self._clock.now(), dict[datetime, Slot]()
        soonest = now + (garage.details.notice if notice else timedelta())
        named = await self._named(garage, max(soonest, start) if start else soonest)
        for first in range(0, len(named), _BATCH):
            part = [slot for _, _, slot in named[first : first + _BATCH]]
            saved = await self._store.load_many(part)
            for one in part:
                slot = Slot.of(saved[one])
                if slot is not None and slot.free_for(case, now) and slot.in_time(garage, now, notice=notice):
                    found.setdefault(slot.body.start, slot)
            if len(found) >= most:
                break
        return list(found.values())[:most]

    async def fill(self, garage: Garage) -> int:
        """Make slots of the opening hours, ``ahead`` from now; take free ones back that no longer fit them.

        How many were made. Done twice, or cut off in the middle and done again, it comes to the same.
        """
        now, today = self._clock.now(), self._clock.now().astimezone(garage.zone).date()
        days = range(self._limits.ahead.days + 1)
        wanted = {
            start: end
            for day in days
            for start, end in made_of(garage.details, today + timedelta(days=day))
            if start > now
        }
        made = 0
        for bay in range(1, self._limits.bays_most + 1):
            mine = wanted if bay <= garage.details.bays else {}
            known = BayBody.of(await self._store.load(bay_of(garage.id, bay)))
            if not mine and not known.slots:
                continue
            await self._retire(garage.id, bay, known, mine, now)
            there = {one[0] for one in BayBody.of(await self._store.load(bay_of(garage.id, bay))).slots}
            missing = [one for one in sorted(mine.items()) if int(one[0].timestamp()) not in there]
            for first in range(0, len(missing), _BATCH):
                made += await self._make(garage.id, bay, missing[first : first + _BATCH], now)
        return made

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``gar_``: once a day, and at once after its hours were changed."""
        garage = Garage.of(saved)
        if garage is None:
            return
        await self.fill(garage)
        now = self._clock.now()
        await self._garages.made(garage.id, now + self._limits.ahead, wake=now + _DAY, details=garage.details)

    async def forget(self, slot: Slot) -> None:
        """A slot that has long been over: its bay forgets it, and a tombstone stays."""
        home = bay_of(slot.body.garage, slot.body.bay)

        def decide(saved: Mapping[str, Saved]) -> Change:
            known = BayBody.of(saved[home]).minus(int(slot.body.start.timestamp()))
            return Change({home: known.write(), slot.id: Write(saved[slot.id].state, "{}", ended=True)})

        await self._store.change([home, slot.id], decide)

    async def booked(self, garage: GarageId) -> list[Slot]:
        """Every slot of a garage that a case has, past ones included: for the sweep."""
        bays = [bay_of(garage, bay) for bay in range(1, self._limits.bays_most + 1)]
        saved = await self._store.load_many(bays)
        ids = [
            slot_id(garage, bay, datetime.fromtimestamp(start, UTC))
            for bay, name in enumerate(bays, 1)
            for start, _ in BayBody.of(saved[name]).slots
        ]
        slots = await self._store.load_many(ids)
        found = [Slot.of(slots[one]) for one in ids]
        return [one for one in found if one is not None and one.state is S.BOOKED]

    async def _named(self, garage: Garage, start: datetime) -> list[tuple[datetime, int, SlotId]]:
        """Start, bay and id of every published slot that starts after ``start``, in order."""
        bays = [bay_of(garage.id, bay) for bay in range(1, self._limits.bays_most + 1)]
        saved, after = await self._store.load_many(bays), start.timestamp()
        found = [
            (datetime.fromtimestamp(begin, UTC), bay)
            for bay, name in enumerate(bays, 1)
            for begin, _ in BayBody.of(saved[name]).slots
            if begin >= after
        ]
        return [(begin, bay, slot_id(garage.id, bay, begin)) for begin, bay in sorted(found)]

    async def _make(
        self, garage: GarageId, bay: int, slots: Sequence[tuple[datetime, datetime]], now: datetime
    ) -> int:
        home, ids = bay_of(garage, bay), {slot_id(garage, bay, start): (start, end) for start, end in slots}

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known = BayBody.of(saved[home])
            writes: dict[str, Write] = {}
            facts: list[SlotPublished] = []
            for slot, (start, end) in ids.items():
                room = len(known.slots) < self._limits.slots_most
                if not room or not _anew(saved[slot]) or not known.fits(*_epochs(start, end)):
                    continue
                body = SlotBody(garage=garage, bay=bay, start=start, end=end)
                known = known.plus(_epochs(start, end))
                writes[slot] = self._published(saved[slot], body, now)
                facts.append(_told(body, slot, now))
            return Change({**writes, home: known.write()}, facts) if writes else None

        done = await self._store.change([home, *ids], decide)
        return len(done.positions)

    async def _retire(
        self, garage: GarageId, bay: int, known: BayBody, wanted: Mapping[datetime, datetime], now: datetime
    ) -> None:
        """Free slots that the opening hours do not have (any more), and single ones stay."""
        fit = {_epochs(start, end) for start, end in wanted.items()}
        after = now.timestamp()
        gone = [
            slot_id(garage, bay, datetime.fromtimestamp(one[0], UTC))
            for one in known.slots
            if one[0] > after and one not in fit
        ]
        saved = await self._store.load_many(gone)
        mine = [one for one in gone if (slot := Slot.of(saved[one])) is not None and not slot.body.single]
        for first in range(0, len(mine), _BATCH):
            await self._withdraw(garage, bay, mine[first : first + _BATCH], by="", strict=False)

    async def _withdraw(
        self, garage: GarageId, bay: int, slots: Iterable[SlotId], *, by: str, strict: bool
    ) -> None:
        home, ids, now = bay_of(garage, bay), list(slots), self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            known, facts, writes = BayBody.of(saved[home]), list[SlotWithdrawn](), dict[str, Write]()
            for one in ids:
                slot = Slot.of(saved[one])
                if slot is None or slot.state is S.WITHDRAWN:
                    continue
                if slot.state is not S.FREE:
                    if strict:
                        raise SlotInUse("somebody has this slot, or holds it at the moment")
                    continue
                body = slot.body
                fact = SlotWithdrawn(at=now, slot=one, garage=garage, start=body.start, end=body.end)
                writes[one] = written(slot.state, body.but(by=by), (fact,), self._limits)
                known = known.minus(int(body.start.timestamp()))
                facts.append(fact)
            return Change({**writes, home: known.write()}, facts) if writes else None

        await self._store.change([home, *ids], decide)

    def _published(self, saved: Saved, body: SlotBody, now: datetime) -> Write:
        before = S.NEW if saved.version == 0 else S(saved.state)
        return written(before, body, (_told(body, SlotId(saved.id), now),), self._limits)


def _told(body: SlotBody, slot: SlotId, now: datetime) -> SlotPublished:
    return SlotPublished(at=now, slot=slot, garage=body.garage, start=body.start, end=body.end)


def _epochs(start: datetime, end: datetime) -> tuple[int, int]:
    return int(start.timestamp()), int(end.timestamp())


def _anew(saved: Saved) -> bool:
    """Never published, or taken back by a change of hours: what the garage took back itself stays away."""
    slot = Slot.of(saved)
    return saved.version == 0 or (slot is not None and slot.state is S.WITHDRAWN and not slot.body.by)
