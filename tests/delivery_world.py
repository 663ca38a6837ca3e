"""Deliveries in every state, as bodies, for tests of their rules."""

from datetime import UTC, datetime, timedelta

from delivery.limits import DeliveryLimits
from delivery.model import Approval, Assigned, Delivery, KeyMemory, Opening, Parcel, Read, Window
from delivery.states import State
from spine.ids import (
    CarrierId,
    CommandId,
    CourierId,
    DeliveryId,
    KeyId,
    PersonId,
    QuestionId,
    UnitId,
    VehicleId,
)

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LIMITS = DeliveryLimits()

DELIVERY = DeliveryId("dlv_3k3maaaaaaaaaaaa")
VEHICLE = VehicleId("veh_3k7m9qxd4hwe2a5t")
UNIT = UnitId("vu_3k7m9qxd4hwe2a5t")
CARRIER = CarrierId("car_2m4x7k9d1w8hq3e6")
COURIER = CourierId("cou_2t8r5n1k6y4m9pz7")
OWNER = PersonId("per_5c2h8tq4n6w0rj3v")
QUESTION = QuestionId("qst_3k3maaaaaaaaaaaa.1")
KEY = KeyId("key_3k3maaaaaaaaaaaa.1")
COMMAND = CommandId("cmd_3k3maaaaaaaaaaaa.1.open")
PLATE = "B-XY 1234"


def body(**changes: object) -> Delivery:
    """An approved delivery with a live key, in a window that runs."""
    whole = Delivery(
        carrier=CARRIER,
        parcels=(Parcel(reference="R-1"),),
        requested_at=NOW - HOUR,
        window=Window(start=NOW - 10 * MINUTE, end=NOW + 2 * HOUR),
        approve_by=NOW + HOUR,
        visit="vis_3aaaaaaaaaaaaaaaaaaaa",
        order=DELIVERY,
        vehicle=VEHICLE,
        question=QUESTION,
        approval=Approval(question=QUESTION, by=OWNER, level="link", shown="0" * 64, at=NOW - HOUR),
        courier=Assigned(courier=COURIER, jkt="jkt", at=NOW - HOUR),
        key=key(),
        opening=Opening(command=COMMAND, proof="p", at=NOW),
    )
    return whole.but(**changes)


def key(**changes: object) -> KeyMemory:
    whole = KeyMemory(key=KEY, n=1, jkt="jkt", epoch=0, nbf=NOW - MINUTE, exp=NOW + 2 * HOUR, signed=True)
    return whole.but(**changes)


def read(state: State, **changes: object) -> Read:
    return Read(id=DELIVERY, state=state, body=body(**changes))
