"""JSON routes of carriers: place, follow, cancel, assign, reschedule, and the evidence."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, model_validator

from delivery.api_parts import (
    After,
    DeliveryPath,
    FallbackOut,
    Limit,
    PageOut,
    PhotoPath,
    evidence_file,
    fallback,
    photo,
)  # fmt: skip
from delivery.desk import Desk
from delivery.lists import OF_CARRIER
from delivery.model import Kind, Opens, Parcel, Read, Reference, Window
from delivery.placing import Order
from delivery.problems import NoSuchDelivery
from delivery.streams import Audience, LastEventId, stream
from delivery.views import DeliveryOut, carrier_state, carrier_type, carrier_view
from people.access import CarrierPrincipal
from people.api_parts import Idempotent, In, problems
from people.model import Scope
from spine.ids import CourierId, DeliveryId

_COURIER = "^cou_[0-9a-hjkmnp-tv-z]{16}$"


class OrderIn(In):
    """An order. ``address``: the car address as it stands on the parcel; ``reference`` for one parcel."""

    address: Annotated[str, Field(min_length=1, max_length=64, examples=["TL-7K3M-9QXD-4HWE"])]
    window: Window
    reference: Reference | None = None
    parcels: Annotated[tuple[Parcel, ...], Field(max_length=200)] = ()
    kind: Kind = "dropoff"
    opens: Opens = "boot"
    courier: Annotated[CourierId, Field(pattern=_COURIER)] | None = None

    @model_validator(mode="after")
    def _names_a_parcel(self) -> Self:
        if bool(self.parcels) == (self.reference is not None):
            raise ValueError("give either a reference or parcels")
        return self

    def order(self) -> Order:
        """As the package takes it."""
        parcels = self.parcels or (Parcel(reference=self.reference or ""),)
        return Order(
            address=self.address,
            window=self.window,
            parcels=parcels,
            kind=self.kind,
            act=self.opens,
            courier=self.courier,
        )


class CancelIn(In):
    """``parcel``: cancel only this one of several, by its reference."""

    parcel: Reference | None = None


class AssignIn(In):
    """Whose device is to open."""

    courier: Annotated[CourierId, Field(pattern=_COURIER)]


class RescheduleIn(In):
    """The window of the new delivery."""

    window: Window


class DeliveriesOut(PageOut):
    """A page of deliveries, newest first."""

    data: list[DeliveryOut]


def routes(desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(tags=["deliveries"])
    for part in (_orders(desk), _following(desk), _changes(desk)):
        router.include_router(part)
    return router


def _orders(desk: Desk) -> APIRouter:
    router, access, idempotency = APIRouter(), desk.people.access, desk.people.idempotency
    Writer = Annotated[CarrierPrincipal, Depends(access.carrier(Scope.DELIVERIES_WRITE))]  # noqa: N806 - a type

    @router.post(
        "/deliveries", status_code=202, response_model=DeliveryOut, summary="Order a delivery into a car",
        responses=problems(401, 403, 409, 422, 429),
    )  # fmt: skip
    async def place(me: Writer, wanted: OrderIn, asked: Idempotent) -> Response:
        """Answered alike whether the address exists or not. A further parcel joins the open visit."""

        async def work(_: str) -> DeliveryOut:
            order = wanted.order()
            courier = await desk.people.couriers.courier(order.courier) if order.courier else None
            read = await desk.placing.place(
                me.id, order, livemode=me.livemode, courier=courier, once=asked.once(f"place:{me.id}")
            )
            return carrier_view(read)

        return await idempotency.answer(asked, me.id, 202, work)

    return router


def _following(desk: Desk) -> APIRouter:
    router, access = APIRouter(), desk.people.access
    Reader = Annotated[CarrierPrincipal, Depends(access.carrier(Scope.DELIVERIES_READ))]  # noqa: N806 - a type

    @router.get("/deliveries", responses=problems(401, 403, 422, 429), summary="My deliveries")
    async def deliveries(me: Reader, after: After = None, limit: Limit = 50) -> DeliveriesOut:
        page = await desk.index.page(OF_CARRIER, me.id, after=after, limit=limit)
        found = [await _found(desk, me, DeliveryId(member)) for member in page.members]
        data = [carrier_view(one, await desk.fallbacks.told(one)) for one in found if one]
        return DeliveriesOut(data=data, next=page.next)

    @router.get("/deliveries/{delivery}", responses=problems(401, 403, 404, 422, 429), summary="One delivery")
    async def delivery(me: Reader, delivery: DeliveryPath) -> DeliveryOut:
        read = await desk.carrier.read(me.id, delivery)
        return carrier_view(read, await desk.fallbacks.told(read))

    @router.get(
        "/deliveries/{delivery}/fallback", responses=problems(401, 403, 404, 422, 429),
        summary="Where the parcel may go instead",
    )  # fmt: skip
    async def instead(me: Reader, delivery: DeliveryPath, response: Response) -> FallbackOut:
        """Of a delivery that ended undone, for a day; that it was read is recorded. Else 404, whatever the reason."""
        return await fallback(desk, await desk.carrier.read(me.id, delivery), response, by=me.id)

    @router.get(
        "/deliveries/{delivery}/events", response_class=StreamingResponse, summary="Its facts as they happen",
        responses={200: {"content": {"text/event-stream": {}}}, **problems(401, 403, 404, 422, 429)},
    )  # fmt: skip
    async def events(
        me: Reader, delivery: DeliveryPath, last_event_id: LastEventId = None
    ) -> StreamingResponse:
        async def still() -> Read:
            await access.check_still(me)
            return await desk.carrier.read(me.id, delivery)

        return stream(desk, await still(), Audience(me.id, carrier_type, carrier_state, still), last_event_id)

    @router.get(
        "/deliveries/{delivery}/evidence", responses=problems(401, 403, 404, 409, 422, 429),
        summary="The evidence as one file",
    )  # fmt: skip
    async def evidence(me: Reader, delivery: DeliveryPath) -> JSONResponse:
        """Anybody can verify it with ``trunkline evidence verify``, or without our code."""
        return evidence_file(delivery, await desk.evidence.file(await desk.carrier.read(me.id, delivery)))

    @router.get(
        "/deliveries/{delivery}/photos/{sha256}", responses=problems(401, 403, 404, 422, 429), summary="A photo",
        response_class=Response,
    )  # fmt: skip
    async def seen(me: Reader, delivery: DeliveryPath, sha256: PhotoPath) -> Response:
        """That it was looked at is recorded."""
        return await photo(desk, await desk.carrier.read(me.id, delivery), sha256, by=me.id)

    return router


def _changes(desk: Desk) -> APIRouter:
    router, access, idempotency = APIRouter(), desk.people.access, desk.people.idempotency
    allowed = access.carrier(Scope.DELIVERIES_WRITE, even_stopped=True)
    Writer = Annotated[CarrierPrincipal, Depends(allowed)]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422, 429)

    @router.post(
        "/deliveries/{delivery}/cancel", response_model=DeliveryOut, responses=said, summary="Cancel it"
    )
    async def cancel(
        me: Writer, delivery: DeliveryPath, asked: Idempotent, wanted: CancelIn | None = None
    ) -> Response:
        """All of it, or one parcel of several. Not once the car was asked to open."""

        async def work(_: str) -> DeliveryOut:
            parcel = wanted.parcel if wanted else None
            return carrier_view(await desk.carrier.cancel(me.id, delivery, parcel=parcel))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post(
        "/deliveries/{delivery}/courier",
        response_model=DeliveryOut,
        responses=said,
        summary="Assign a courier",
    )
    async def assign(me: Writer, delivery: DeliveryPath, wanted: AssignIn, asked: Idempotent) -> Response:
        """Not while a former courier's phone holds a key and the car is offline: it says until when."""

        async def work(_: str) -> DeliveryOut:
            return carrier_view(await desk.carrier.assign(me.id, delivery, wanted.courier))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post(
        "/deliveries/{delivery}/reschedule", status_code=201, response_model=DeliveryOut, responses=said,
        summary="Another window",
    )  # fmt: skip
    async def reschedule(
        me: Writer, delivery: DeliveryPath, wanted: RescheduleIn, asked: Idempotent
    ) -> Response:
        """Ends this delivery and names the new one, for which the owner is asked again."""

        async def work(_: str) -> DeliveryOut:
            return carrier_view(await desk.carrier.reschedule(me.id, delivery, wanted.window))

        return await idempotency.answer(asked, me.id, 201, work)

    return router


async def _found(desk: Desk, me: CarrierPrincipal, delivery: DeliveryId) -> Read | None:
    """One of the list; None where the list is ahead of what is kept."""
    try:
        return await desk.carrier.read(me.id, delivery)
    except NoSuchDelivery:
        return None
