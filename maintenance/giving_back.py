"""A slot is given back: a hold that was released or is over, a booking that moved, fell, or that its case did not take."""

from collections.abc import Mapping
from datetime import datetime

from maintenance.garage_model import BayBody, Garage, bay_of
from maintenance.garage_problems import NoSuchSlot
from maintenance.limits import GarageLimits
from maintenance.slots import Slot, bay_in, emptied, fits, garage_of, written
from maintenance.states import SlotState
from spine.clock import Clock
from spine.facts.maintenance import SlotFreed, SlotWithdrawn
from spine.ids import AppointmentId, CaseId, NotAnId, SlotId
from spine.store import Change, Saved, Store, Write

S = SlotState


class GivingBack:
    """Each is one commit on the slot, with its garage and bay. Done again, nothing changes."""

    def __init__(self, store: Store, clock: Clock, limits: GarageLimits) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits

    async def release(self, case: CaseId, slot: SlotId) -> None:
        """Give a held slot back before its time is over. What this case does not hold stays as it is."""
        try:
            garage_of(slot)
        except (NotAnId, ValueError):
            raise NoSuchSlot("there is no such slot") from None
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            found = Slot.of(saved[slot])
            if found is None or found.state is not S.HELD or found.body.case != case:
                return None
            return self._freed(saved, found, "released", now)

        await self._store.change(_beside(slot), decide)

    async def free(
        self, slot: SlotId, appointment: AppointmentId, why: str, *, sequence: int | None = None
    ) -> None:
        """Give a booked slot back: this appointment has it no more. Of another's, or freed already: nothing."""
        now = self._clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            found = Slot.of(saved[slot])
            if found is None or found.state is not S.BOOKED or found.body.appointment != appointment:
                return None
            if sequence is not None and found.body.sequence != sequence:
                return None
            return self._freed(saved, found, why, now)

        await self._store.change(_beside(slot), decide)

    async def tidy(self, slot: SlotId, now: datetime) -> None:
        """A hold whose time is over ends; a booking that was compared with its appointment needs no more looking at."""

        def decide(here: Mapping[str, Saved]) -> Change | None:
            found = Slot.of(here[slot])
            if found is None:
                return None
            if found.state is S.HELD and found.body.held_until and found.body.held_until <= now:
                return self._freed(here, found, "expired", now)
            if found.state is S.BOOKED and found.body.settle_at and found.body.settle_at <= now:
                kept = found.body.but(settle_at=None)
                return Change({slot: written(found.state, kept, (), self._limits)})
            return None

        await self._store.change(_beside(slot), decide)

    def _freed(self, saved: Mapping[str, Saved], slot: Slot, why: str, now: datetime) -> Change:
        """Free again, or gone where the opening hours do not have it any more."""
        facts: list[SlotFreed | SlotWithdrawn] = [freed(slot, why, now)]
        body, bay, writes = slot.body, bay_of(slot.body.garage, slot.body.bay), dict[str, Write]()
        garage = Garage.of(saved[body.garage])
        if garage is not None and body.start > now and not body.single and not fits(garage, body):
            facts.append(
                SlotWithdrawn(at=now, slot=slot.id, garage=body.garage, start=body.start, end=body.end)
            )
            writes[bay] = BayBody.of(saved[bay]).minus(int(body.start.timestamp())).write()
        writes[slot.id] = written(slot.state, emptied(body), tuple(facts), self._limits)
        return Change(writes, facts)


def _beside(slot: SlotId) -> list[str]:
    """A slot with its garage and its bay, all in one partition."""
    return [slot, garage_of(slot), bay_of(garage_of(slot), bay_in(slot))]


def freed(slot: Slot, why: str, now: datetime) -> SlotFreed:
    """The fact."""
    body = slot.body
    return SlotFreed(
        at=now,
        slot=slot.id,
        garage=body.garage,
        start=body.start,
        end=body.end,
        case=body.case or CaseId(""),
        why=why,
    )
