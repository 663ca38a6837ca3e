"""What carriers and owners can hear of deliveries: each type with its sentence, its model and an example."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from delivery.model import Window
from delivery.states import State
from delivery.views import NOT_USABLE, SEEN_BY_OWNERS, TOLD_TO_CARRIERS, AskedOut, DeliveryOut, KeyOut, Out
from spine.ids import CarrierId, DeliveryId, VehicleId
from webhooks.catalogue import EventType, Heard, Hearer


class CarrierNamed(Out):
    """A carrier and the name its operator enrolled it under."""

    id: CarrierId
    name: str


class OwnersEventOut(Out):
    """A delivery as a system linked to a person of the car hears of it, with the question where it is put.

    ``page``: where the person looks and decides, signed in; whoever only has the link sees nothing.
    """

    delivery: DeliveryId
    state: State
    livemode: bool
    vehicle: VehicleId | None
    carrier: CarrierNamed
    window: Window
    key: KeyOut
    question: AskedOut | None
    page: str


_NOT_USABLE: Final = f"delivery.{NOT_USABLE}"

SAYS: Final[Mapping[str, str]] = {
    "delivery.asked": "The people of the car are asked; whoever is linked may decide before `question.expires_at`.",
    "delivery.approved": "It was approved; a key is made next.",
    "delivery.declined": "It was declined, in a way the carrier may know of.",
    _NOT_USABLE: "The address cannot be used; the reason is told to nobody.",
    "delivery.expired": "No answer came in time, or the window passed without an opening.",
    "delivery.blocked": "A person of the car blocked it; its key is being destroyed.",
    "delivery.cancelled": "The carrier cancelled it.",
    "delivery.rescheduled": "The carrier moved it to another window: another delivery took its place.",
    "delivery.courier_assigned": "A courier's device was named as the one that is to open.",
    "delivery.keyed": "Its key was made.",
    "delivery.en_route": "The courier set out.",
    "delivery.arrived": "The courier is at the car.",
    "delivery.opening": "The car was asked to open.",
    "delivery.opened": "The car said that it opened.",
    "delivery.closed": "The car said that it is shut and locked.",
    "delivery.delivered": "The parcel is in the car, which is locked; the key is used up.",
    "delivery.refused": "The car refused to open; `refusal` says why, and nothing was used up unless it ended.",
    "delivery.unsure": "The car did not answer after it was asked to open: it may be open. Somebody should look.",
    "delivery.left_open": "The lid was left up; the lock is armed and shuts when the lid comes down.",
    "delivery.failed": "The courier could not do it; `failure` says why.",
    "delivery.photo": "The courier took a photo.",
    "delivery.out_of_place": "The car stands outside the place that was agreed to.",
    "delivery.extended": "The owner made the window longer.",
    "delivery.place_changed": "The owner changed where the car may be.",
    "delivery.carrier_doubted": "Deliveries of this carrier ended unopened too often after the place was shown.",
    "delivery.disowned": "A person of the car said that nothing of the kind was ordered; the carrier asks no more.",
    "delivery.ended": "It is over for good: no key of it can open anything any more.",
}
"""Every type that anybody hears, in one sentence each."""

CARRIERS: Final = TOLD_TO_CARRIERS | {_NOT_USABLE, "delivery.declined"}
"""What a carrier can hear."""

_STATES: Final[Mapping[str, str]] = {
    "delivery.opened": "open", "delivery.courier_assigned": "approved",
    "delivery.refused": "arrived", "delivery.photo": "delivered",
    "delivery.out_of_place": "keyed", "delivery.extended": "keyed", "delivery.place_changed": "keyed",
    "delivery.carrier_doubted": "expired", "delivery.disowned": "declined", "delivery.ended": "delivered",
}  # fmt: skip
"""The state in the example, where it is not named like the type."""

_ID: Final = "dlv_3k7m9qxd4hwe2a5t"
_CARRIER: Final = "car_2m4x7k9d1w8hq3e6"
_WINDOW: Final = {"start": "2030-05-06T09:00:00Z", "end": "2030-05-06T11:00:00Z"}
_SHOWN: Final = "9f2b6c1de07a4f5380b1c6d7e8f9a0b1c2d3e4f5061728394a5b6c7d8e9f0a1b"


def types() -> Iterator[EventType]:
    """Every type of this package."""
    for name, says in SAYS.items():
        heard = {}
        if name in CARRIERS:
            heard[Hearer.CARRIER] = Heard(DeliveryOut, _for_carriers(name))
        if name in SEEN_BY_OWNERS:
            heard[Hearer.OWNER] = Heard(OwnersEventOut, _for_owners(name))
        yield EventType(name, says, _ID, heard)


def _state(name: str) -> str:
    return _STATES.get(name, name.removeprefix("delivery."))


def _key(name: str) -> dict[str, Any]:
    if name == "delivery.ended":
        return {"state": "destroyed", "how": "consumed", "dies_at": None}
    if name in {"delivery.keyed", "delivery.en_route", "delivery.arrived", "delivery.opening"}:
        return {"state": "made", "how": None, "dies_at": "2030-05-06T11:00:00Z"}
    return {"state": "none", "how": None, "dies_at": None}


def _for_carriers(name: str) -> dict[str, Any]:
    return {
        "id": _ID,
        "livemode": True,
        "state": _state(name),
        "kind": "dropoff",
        "opens": "boot",
        "window": _WINDOW,
        "parcels": [{"reference": "R-1"}],
        "requested_at": "2030-05-06T08:00:00Z",
        "approve_by": "2030-05-06T09:00:00Z",
        "courier": None,
        "successor": "dlv_3p5t8v2w6y1z4b7d" if name == "delivery.rescheduled" else None,
        "predecessor": None,
        "key": _key(name),
        "refusal": "not_there" if name == "delivery.refused" else None,
        "failure": "no_room" if name == "delivery.failed" else None,
        "times": {name.removeprefix("delivery."): "2030-05-06T09:00:00Z"},
        "photos": [],
        "ended": "delivered" if name == "delivery.ended" else None,
        "fallback": {"to": "neighbour", "until": "2030-05-07T09:00:00Z"}
        if name == "delivery.failed"
        else None,
    }


def _for_owners(name: str) -> dict[str, Any]:
    asked = {
        "question": "qst_3k7m9qxd4hwe2a5t.1",
        "shown": _SHOWN,
        "content": {"carrier": {"id": _CARRIER, "name": "Parcel Post"}, "kind": "dropoff", "opens": "boot"},
        "expires_at": "2030-05-06T09:00:00Z",
        "decided": None,
        "decided_at": None,
        "decided_by": None,
        "level": None,
        "not_me": False,
        "needed": None,
    }
    return {
        "delivery": _ID,
        "state": _state(name),
        "livemode": True,
        "vehicle": "veh_3k7m9qxd4hwe2a5t",
        "carrier": {"id": _CARRIER, "name": "Parcel Post"},
        "window": _WINDOW,
        "key": _key(name),
        "question": asked if name == "delivery.asked" else None,
        "page": f"https://trunkline.example/deliveries/{_ID}",
    }
