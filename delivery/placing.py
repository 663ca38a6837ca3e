"""An order becomes a delivery, or joins the visit that the same carrier has for the same car and window."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final

from pydantic import Field

from delivery.limits import DeliveryLimits
from delivery.model import Assigned, Behaviour, Delivery, Frozen, Kind, Opens, Parcel, Read, Window
from delivery.problems import CourierUnfit, TooManyParcels, WindowUnfit
from delivery.service import Deliveries, Turn, told
from delivery.states import ACTS, Act, State
from people import address_text
from people.model import CourierView
from spine.facts.delivery import CourierAssigned, DeliveryFact, DeliveryRequested, ParcelAdded
from spine.ids import ALPHABET, CarrierId, CourierId, DeliveryId, new_id
from spine.store import Change, Once, Saved, Write

TEST_LEAD: Final = "TL-TEST-"
BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "APPROVES": "approves",
    "DECLINES": "declines",
    "SILENT": "silent",
    "OUT-OF-PLACE": "out_of_place",
    "OFFLINE": "offline",
    "STUCK": "stuck",
    "LEFT-OPEN": "left_open",
    "UNSURE": "unsure",
}
"""Test addresses: ``TL-TEST-APPROVES`` and so on; what the simulated car and owner then do."""


class Order(Frozen):
    """What a carrier asks for. ``address``: as it stood on the parcel; ``courier``: named to the owner."""

    address: Annotated[str, Field(min_length=1, max_length=64, repr=False)]
    window: Window
    parcels: Annotated[tuple[Parcel, ...], Field(min_length=1)]
    kind: Kind = "dropoff"
    act: Opens = "boot"
    courier: CourierId | None = None


class _Visit(Frozen):
    """``vis_...``: by which further parcels for the same carrier, address and window find the open visit."""

    delivery: DeliveryId


class _Raced(Exception):
    """Another order opened this visit between our look and our commit."""


def check_window(window: Window, now: datetime, limits: DeliveryLimits) -> None:
    """Raises ``WindowUnfit``. A window that runs already is fine while enough of it is left."""
    length = window.end - window.start
    if not limits.window_shortest <= length <= limits.window_longest:
        raise WindowUnfit(f"a window is {limits.window_shortest} to {limits.window_longest} long")
    if window.end - now < limits.window_shortest:
        raise WindowUnfit("the window is over, or nearly")
    if window.start - now > limits.order_ahead:
        raise WindowUnfit(f"at most {limits.order_ahead.days} days ahead")


def behaviour(address: str) -> Behaviour | None:
    """What a test address stands for; None for any other text."""
    text = address.strip().upper().replace("_", "-")
    return BEHAVIOURS.get(text.removeprefix(TEST_LEAD)) if text.startswith(TEST_LEAD) else None


def check_courier(view: CourierView | None, carrier: CarrierId) -> CourierView:
    """Raises ``CourierUnfit`` unless it is this carrier's, enrolled with a device and not removed."""
    if view is None or view.carrier != carrier or view.state != "enrolled" or not view.jkt:
        raise CourierUnfit("no such courier of yours, or without a device")
    return view


class Placing:
    """Takes orders."""

    def __init__(self, deliveries: Deliveries, *, partitions: int) -> None:
        """``partitions``: how many this installation has."""
        self._deliveries = deliveries
        self._partitions = partitions

    async def place(
        self,
        carrier: CarrierId,
        order: Order,
        *,
        livemode: bool,
        courier: CourierView | None = None,
        once: Once | None = None,
    ) -> Read:
        """The delivery this order is in. ``courier``: view of ``order.courier``; ``once``: its marker.

        Nothing that is answered depends on whether the address exists. Raises ``WindowUnfit``,
        ``CourierUnfit``, ``TooManyParcels``, ``OtherBody``.
        """
        now, limits = self._deliveries.clock.now(), self._deliveries.limits
        check_window(order.window, now, limits)
        if len(order.parcels) > limits.parcels_most:
            raise TooManyParcels(f"at most {limits.parcels_most} parcels in one visit")
        if order.courier is not None:
            check_courier(courier, carrier)
        while True:
            try:
                return await self._place(
                    carrier, order, livemode=livemode, courier=courier, once=once, now=now
                )
            except _Raced:
                continue

    async def _place(
        self,
        carrier: CarrierId,
        order: Order,
        *,
        livemode: bool,
        courier: CourierView | None,
        once: Once | None,
        now: datetime,
    ) -> Read:
        partition = address_text.partition(order.address, self._partitions)
        visit = visit_of(carrier, order, partition, livemode=livemode)
        known = _opened(await self._deliveries.store.load(visit))
        made = DeliveryId(new_id("dlv", partition))
        body = self._body(carrier, order, made, visit, livemode=livemode, courier=courier, now=now)

        def decide(saved: Mapping[str, Saved]) -> Change:
            if _opened(saved[visit]) != known:
                raise _Raced
            there = Read.of(saved[known]) if known else None
            if there is not None and _may_join(there, order):
                return self._join(there, order, now)
            facts = _first_facts(made, body, now)
            writes = {
                made: self._deliveries.first(body, facts, now),
                visit: Write("open", _Visit(delivery=made).model_dump_json(), wake_at=order.window.end),
            }
            return Change(writes, facts, answer=made)

        subjects = [visit, made, *([known] if known else [])]
        outcome = await self._deliveries.store.change(subjects, decide, once=once)
        return await self._deliveries.read(DeliveryId(outcome.answer))

    def _join(self, there: Read, order: Order, now: datetime) -> Change:
        """The order's parcels are in the visit afterwards; one that is there already is not added twice."""
        have = {parcel.reference for parcel in there.body.parcels}
        fresh = tuple(parcel for parcel in order.parcels if parcel.reference not in have)
        if not fresh:
            return Change({}, answer=there.id)
        parcels = (*there.body.parcels, *fresh)
        if len(parcels) > self._deliveries.limits.parcels_most:
            raise TooManyParcels("the visit is full: choose another window")
        turn = Turn(
            there.body.but(parcels=parcels), [told(ParcelAdded, there, now) for _ in fresh], answer=there.id
        )
        return self._deliveries.commit(there, turn, now)

    def _body(
        self,
        carrier: CarrierId,
        order: Order,
        made: DeliveryId,
        visit: str,
        *,
        livemode: bool,
        courier: CourierView | None,
        now: datetime,
    ) -> Delivery:
        limits = self._deliveries.limits
        parcels = {parcel.reference: parcel for parcel in order.parcels}
        test = None if livemode else behaviour(order.address)
        return Delivery(
            carrier=carrier,
            livemode=livemode,
            kind=order.kind,
            act=order.act,
            parcels=tuple(parcels.values()),
            requested_at=now,
            window=order.window,
            approve_by=min(order.window.end, now + limits.answer_within),
            address=order.address,
            visit=visit,
            order=made,
            courier=Assigned(courier=courier.id, jkt=courier.jkt, at=now, named=True) if courier else None,
            test=test,
            test_at=now + limits.test_step if test else None,
        )

    async def forget_visit(self, saved: Saved) -> None:
        """Timer of prefix ``vis``: the window is over, nothing joins any more."""

        def decide(found: Mapping[str, Saved]) -> Change | None:
            if found[saved.id].ended or found[saved.id].version == 0:
                return None
            return Change({saved.id: Write("over", "{}", ended=True)})

        await self._deliveries.store.change([saved.id], decide)


def visit_of(carrier: CarrierId, order: Order, partition: int, *, livemode: bool) -> str:
    """The subject of a visit: the same for the same carrier, address, window, kind and part of the car."""
    address = address_text.normalised(order.address) or order.address
    names = [carrier, address, order.window.model_dump(mode="json"), order.kind, order.act, livemode]
    digest = sha256(json.dumps(names, sort_keys=True).encode()).digest()
    return f"vis_{ALPHABET[partition]}{''.join(ALPHABET[byte % 32] for byte in digest[:20])}"


def _opened(visit: Saved) -> DeliveryId | None:
    if visit.version == 0 or visit.ended:
        return None
    return _Visit.model_validate_json(visit.body).delivery


def _may_join(there: Read, order: Order) -> bool:
    """Before the answer; what the owner is asked does not name parcels, so one more changes nothing of it."""
    if there.state not in ACTS[Act.JOIN] or there.body.test is not None:
        return False
    named = there.body.courier.courier if there.body.courier else None
    return order.courier is None or order.courier == named


def _first_facts(made: DeliveryId, body: Delivery, now: datetime) -> list[DeliveryFact]:
    new = Read(id=made, state=State.NEW, body=body)
    facts: list[DeliveryFact] = [
        told(DeliveryRequested, new, now, drop=body.kind, livemode=body.livemode),
    ]
    if body.courier is not None:
        facts.append(told(CourierAssigned, new, now, courier=body.courier.courier, jkt=body.courier.jkt))
    return facts
