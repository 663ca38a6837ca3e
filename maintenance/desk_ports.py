"""What the desk asks of deliveries, said by the one who asks; the composition root gives it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

from pydantic import AwareDatetime

from maintenance.model import Frozen
from spine.ids import CarrierId, CourierId, DeliveryId, VehicleId

Locked = Literal["done", "refused", "not_sent", "unsure", "pending"]


class DeliveryGlance(Frozen):
    """A delivery into a car that is not over: which, and how it stands; nothing of what it holds."""

    id: DeliveryId
    state: str
    begins: AwareDatetime
    ends: AwareDatetime


class HelpContext(DeliveryGlance):
    """A delivery that help was asked with. ``receipt``: the newest verified one of the car, by its number.

    ``timeline``: what happened and when; ``key``: its true state in words; nothing in here opens anything.
    """

    kind: str
    carrier: CarrierId
    courier: CourierId | None
    key: str
    key_dies_at: AwareDatetime | None
    receipt: int | None
    refusal: str | None
    failure: str | None
    arrived_m: int | None
    timeline: tuple[tuple[AwareDatetime, str], ...]
    can_lock: bool


class Deliveries(Protocol):
    """Looking, and the one act that makes a car safer. There is no other."""

    async def open_into(self, vehicle: VehicleId) -> Sequence[DeliveryGlance]: ...

    async def context(self, delivery: DeliveryId) -> HelpContext | None: ...

    async def lock(self, delivery: DeliveryId, *, wait: float) -> tuple[Locked, str, datetime | None]: ...
