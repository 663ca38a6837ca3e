"""Receipts that a courier's phone brings from a car without network: verified, then taken as if the car had sent them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar, Final

from delivery.courier import Device, assigned
from delivery.ports import Keys
from delivery.problems import OnlySimulated, TooOften
from delivery.service import Deliveries
from keys.car.jws import Unacceptable
from keys.car.receipt import read_receipt
from spine.ids import DeliveryId
from spine.problems import Kind, Problem
from spine.rates import Rates
from vehicle_gateway.brought import save_receipts
from vehicle_gateway.possession import key_of
from vehicle_gateway.registry import UnitView, Vehicles
from vehicle_gateway.states import UnitState

MOST: Final = 16
"""Receipts brought at once: an opening has four or five."""
_MINUTE: Final = timedelta(minutes=1)


class NotReceipts(Problem):
    """Not receipts of this delivery, signed by the unit of its car. Nothing was taken."""

    code: ClassVar[str] = "receipts.not_acceptable"
    kind: ClassVar[Kind] = Kind.INVALID


class UnitNotTrusted(Problem):
    """The unit of this car is in quarantine: what it says is not taken, whoever brings it."""

    code: ClassVar[str] = "receipts.unit_not_trusted"
    kind: ClassVar[Kind] = Kind.CONFLICT


class ReceiptsWait(Problem):
    """So many receipts of this car wait for earlier ones already that these have to come later."""

    code: ClassVar[str] = "receipts.later"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    try_again: ClassVar[bool] = True


class Brought:
    """Takes them from the device that is assigned; what they mean ``keys`` decides, reading the log."""

    def __init__(self, deliveries: Deliveries, keys: Keys, vehicles: Vehicles, rates: Rates) -> None:
        self._deliveries = deliveries
        self._keys = keys
        self._vehicles = vehicles
        self._rates = rates

    async def take(self, device: Device, delivery: DeliveryId, receipts: Sequence[str]) -> int:
        """All of them or none; gives how many were not known before.

        Every one must be signed by the unit that is in the car and name this delivery: so a phone can put
        nothing into the log that the car did not say, and nothing of it can put the unit into quarantine.
        Raises ``NoSuchDelivery``, ``OnlySimulated``, ``TooOften``, ``NotReceipts``, ``UnitNotTrusted``,
        ``ReceiptsWait``.
        """
        read = await self._deliveries.read(delivery)
        assigned(read, device)
        now, most = self._deliveries.clock.now(), self._deliveries.limits.receipts_brought_most
        if seconds := await self._rates.take("brought", delivery, limit=most, per=_MINUTE, now=now):
            raise TooOften(f"at most {most} a minute", retry_after=seconds)
        if read.body.test is not None or read.body.vehicle is None:
            raise OnlySimulated("a test delivery plays by itself")
        unit = await self._vehicles.unit((await self._vehicles.vehicle(read.body.vehicle)).unit)
        found = _verified(receipts, unit, delivery)
        if unit.state is not UnitState.ACTIVE:
            raise UnitNotTrusted("this unit is not trusted now")
        if not await self._keys.room_for(unit.id, (n for n, _ in found)):
            raise ReceiptsWait("the car's own receipts are awaited first")
        return await save_receipts(self._deliveries.store, unit, found, now=now)


def _verified(receipts: Sequence[str], unit: UnitView, delivery: DeliveryId) -> list[tuple[int, str]]:
    """Each with its chain number, in the chain's order. Raises ``NotReceipts``."""
    key, found = key_of(unit.receipt_jwk), dict[str, int]()
    for receipt in receipts:
        try:
            claims = read_receipt(receipt, key=key, unit=unit.id)
        except Unacceptable as cause:
            raise NotReceipts("not a receipt of this car") from cause
        if claims.dlv != delivery:
            raise NotReceipts("a receipt of another delivery")
        found[receipt] = claims.n
    return sorted((n, receipt) for receipt, n in found.items())
