"""Where deliveries and the desk meet: what an agent may see of a delivery, the lock, and "Help" of owner and courier."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from delivery.api_parts import DeliveryPath
from delivery.courier import Device
from delivery.desk import Desk as Deliveries
from delivery.lists import OF_CAR
from delivery.model import Read
from delivery.problems import NoSuchDelivery
from delivery.states import ACTS, Act
from delivery.views import key_out, timeline
from maintenance.desk import Desk
from maintenance.desk_ports import DeliveryGlance, HelpContext, Locked
from maintenance.desk_problems import NoHelpHere
from people.access import CourierPrincipal, PersonPrincipal
from people.api_parts import In, problems
from people.problems import NotYours
from spine.ids import CaseId, DeliveryId, VehicleId

_NEWEST = 20
_OUTCOMES: dict[str, Locked] = {
    "done": "done", "refused": "refused", "not_sent": "not_sent", "unsure": "unsure", "pending": "pending",
}  # fmt: skip


class HelpIn(In):
    """``phone``: where you want to be called, with country (+31...); without it where you are known, if anywhere."""

    phone: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$")] | None = Field(default=None, repr=False)


class HelpOut(BaseModel):
    """Your request. ``state``: ``queued`` waits for somebody, ``leased`` somebody looks at it."""

    model_config = ConfigDict(frozen=True)

    case: CaseId
    state: str
    asked_at: AwareDatetime


class DeskDeliveries:
    """What ``maintenance.desk_ports.Deliveries`` asks for. Nothing in here leads to an opening."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._of = deliveries

    async def open_into(self, vehicle: VehicleId) -> Sequence[DeliveryGlance]:
        """Deliveries into a car that are not over, the newest first."""
        page = await self._of.index.page(OF_CAR, vehicle, limit=_NEWEST)
        found = [await self._read(DeliveryId(member)) for member in page.members]
        return [
            DeliveryGlance(
                id=read.id, state=read.state, begins=read.body.window.start, ends=read.body.window.end
            )
            for read in found
            if read is not None and not read.over
        ]

    async def context(self, delivery: DeliveryId) -> HelpContext | None:
        """State, receipts and reasons of one delivery; None where it is gone."""
        read = await self._read(delivery)
        if read is None:
            return None
        body, key = read.body, key_out(read)
        return HelpContext(
            id=read.id, state=read.state, begins=body.window.start, ends=body.window.end, kind=body.kind,
            carrier=body.carrier, courier=body.courier.courier if body.courier else None, key=key.state,
            key_dies_at=key.dies_at, receipt=body.receipt.n if body.receipt else None, refusal=body.refusal,
            failure=body.failure, arrived_m=body.arrival.metres if body.arrival else None,
            timeline=timeline(read), can_lock=read.state in ACTS[Act.LOCK],
        )  # fmt: skip

    async def lock(self, delivery: DeliveryId, *, wait: float) -> tuple[Locked, str, datetime | None]:
        """Drive the lock shut, as the courier's own lock does. Raises what that raises."""
        answer = await self._of.at_the_car.lock_for_help(delivery, wait=wait)
        return _OUTCOMES[answer.outcome], answer.code, answer.at

    async def _read(self, delivery: DeliveryId) -> Read | None:
        try:
            return await self._of.deliveries.read(delivery)
        except NoSuchDelivery:
            return None


def help_routes(deliveries: Deliveries, desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``: the two doors to the desk."""
    router = APIRouter()
    Owner = Annotated[PersonPrincipal, Depends(deliveries.people.access.owner())]  # noqa: N806 - a type
    Courier = Annotated[CourierPrincipal, Depends(deliveries.people.access.courier())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422, 429)

    async def ask(read: Read, who: str, by: Literal["owner", "courier"], wanted: HelpIn | None) -> HelpOut:
        if read.body.vehicle is None or read.body.test is not None:
            raise NoHelpHere("A test delivery plays by itself: nobody is at a car.")
        phone = wanted.phone if wanted else None
        case = await desk.help.ask(who, read.id, read.body.vehicle, by=by, call_at=phone)
        return HelpOut(case=case.id, state=case.state, asked_at=case.body.opened_at)

    @router.post(
        "/owner/deliveries/{delivery}/help", tags=["owners"], responses=said, summary="Help me with it"
    )
    async def owner_asks(me: Owner, delivery: DeliveryPath, wanted: HelpIn | None = None) -> HelpOut:
        """Somebody of the contact center looks at it first of all. Again: the same request."""
        read, role = await deliveries.owner.read(me.id, delivery)
        if role.role == "told":
            raise NotYours("You are told about this car; ask one of its people for help.")
        return await ask(read, me.id, "owner", wanted)

    @router.post(
        "/courier/deliveries/{delivery}/help", tags=["couriers"], responses=said, summary="Help me with it"
    )
    async def courier_asks(me: Courier, delivery: DeliveryPath, wanted: HelpIn | None = None) -> HelpOut:
        """Of a job of yours. Somebody looks at it first of all; they can lock the car, never open it."""
        read = await deliveries.courier.read(Device(me.id, me.jkt), delivery)
        return await ask(read, me.id, "courier", wanted)

    return router
