"""What else waits for an answer at a car: for the page of one question, and for the one mail that lists them."""

from delivery.deciding import Deciding
from delivery.lists import OF_CAR
from delivery.model import Read
from delivery.problems import NoSuchDelivery
from delivery.service import Deliveries
from delivery.states import State
from spine.ids import DeliveryId, PersonId, VehicleId
from spine.index import Index

_LOOKED_AT = 100


class Waiting:
    """Open questions of a car, newest first, as one person may answer them."""

    def __init__(self, deliveries: Deliveries, deciding: Deciding, index: Index) -> None:
        self._deliveries = deliveries
        self._deciding = deciding
        self._index = index

    async def at(self, vehicle: VehicleId, person: PersonId) -> list[Read]:
        """At most ``waiting_shown`` of them."""
        page, found = await self._index.page(OF_CAR, vehicle, limit=_LOOKED_AT), []
        for member in page.members:
            read = await self._open(DeliveryId(member))
            if read is not None and await self._deciding.may_decide(person, read):
                found.append(read)
            if len(found) >= self._deliveries.limits.waiting_shown:
                break
        return found

    async def beside(self, read: Read, person: PersonId) -> list[Read]:
        """What waits besides this one."""
        if read.body.vehicle is None:
            return []
        return [one for one in await self.at(read.body.vehicle, person) if one.id != read.id]

    async def _open(self, delivery: DeliveryId) -> Read | None:
        try:
            read = await self._deliveries.read(delivery)
        except NoSuchDelivery:
            return None
        open_ = read.state is State.ASKED and self._deliveries.clock.now() < read.body.approve_by
        return read if open_ else None
