"""Which garages and free slots a case is offered: the owner's own garage first, then the others, soonest first."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from maintenance import calls as choice
from maintenance.capacity import Capacity
from maintenance.garage_model import Garage
from maintenance.garage_problems import NoSuchGarage
from maintenance.garages import Garages
from maintenance.limits import GarageLimits
from maintenance.model import Read
from maintenance.slots import Slot, garage_of
from spine.ids import GarageId, SlotId
from spine.store import Store


@dataclass(frozen=True, slots=True)
class Offer:
    """A garage with its next free slots."""

    garage: Garage
    slots: tuple[Slot, ...]


class Offers:
    """What could be booked. Whether it still can is decided when it is taken."""

    def __init__(self, store: Store, garages: Garages, capacity: Capacity, limits: GarageLimits) -> None:
        self._store = store
        self._garages = garages
        self._capacity = capacity
        self._limits = limits

    async def of(
        self,
        read: Read,
        *,
        garage: GarageId | None = None,
        most: int | None = None,
        start: datetime | None = None,
    ) -> list[Offer]:
        """Free slots for a case, by garage. ``garage``: only of this one; ``start``: none sooner.

        Raises ``NoSuchGarage``.
        """
        chosen = [await self._garages.read(garage)] if garage else await self._suited(read)
        most = self._limits.shown if most is None else min(most, self._limits.shown)
        found = [
            Offer(one, tuple(await self._capacity.free(one, case=read.id, most=most, start=start)))
            for one in chosen
            if one.details.serves(read.body.system)
        ]
        return [one for one in found if one.slots]

    async def alternatives(self, read: Read, slot: SlotId) -> list[dict[str, Any]]:
        """Free slots for whoever came too late for this one: of its garage first."""
        most = self._limits.alternatives
        try:
            offers = await self.of(read, garage=garage_of(slot), most=most)
        except NoSuchGarage:
            offers = []
        if not offers:
            offers = await self.of(read, most=most)
        named = [(one.garage, slot) for one in offers for slot in one.slots]
        return [
            {
                "slot": slot.id,
                "garage": garage.id,
                "start": slot.body.start.isoformat(),
                "end": slot.body.end.isoformat(),
            }
            for garage, slot in named[:most]
        ]

    async def _suited(self, read: Read) -> list[Garage]:
        """The owner's choice first; without one, those of the owner's country before the others."""
        calls = choice.read(await self._store.load(choice.subject_of(read.body.vehicle)))
        country = calls.country if calls else None
        own = await self._garages.view(calls.garage) if calls and calls.garage else None
        others = [one for one in await self._garages.every() if own is None or one.id != own.id]
        others.sort(key=lambda one: country is not None and one.details.country != country)
        every = others if own is None else [own, *others]
        fitting = [one for one in every if one.details.serves(read.body.system)]
        return fitting[: self._limits.garages_offered]
