"""What a courier sees of a job, and when: nothing before the approval, nothing after the end."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime

from delivery.limits import DeliveryLimits
from delivery.model import Kind, Opens, Parcel, Read, Window
from delivery.place import Point, area, middle
from delivery.ports import Car
from delivery.rules import Rules
from delivery.states import ACTS, Act
from delivery.views import CarOut, FallbackToldOut, KeyOut, Out, car_out, key_out
from spine.ids import DeliveryId, KeyId, UnitId


class LooksOut(Out):
    """How to find the car."""

    name: str
    plate: str
    colour: str


class JobOut(Out):
    """A courier's job. ``sees``: ``area``, from 30 minutes before the window ``place``, ``over`` at the end.

    ``position``: of the car, or the middle of the agreed place where the car does not say; rounded to about a
    kilometre while ``sees`` is ``area``. ``zone``: by whose clock the window is told, the car's (IANA); null: by the
    phone's. ``unit``: whom the proof is for. ``can``: what its state takes now.
    ``fallback``: the owner named another place; ``until`` is empty before the end, where the car cannot be reached.
    """

    id: DeliveryId
    livemode: bool
    state: str
    sees: Literal["area", "place", "over"]
    kind: Kind | None = None
    opens: Opens | None = None
    window: Window | None = None
    zone: str | None = None
    parcels: tuple[Parcel, ...] = ()
    position: Point | None = None
    looks: LooksOut | None = None
    car: CarOut | None = None
    key: KeyOut | None = None
    key_id: KeyId | None = None
    unit: UnitId | None = None
    refusal: str | None = None
    arrived_m: int | None = None
    arrived_at: AwareDatetime | None = None
    can: tuple[Act, ...] = ()
    fallback: FallbackToldOut | None = None


_COURIERS = (
    Act.SET_OUT, Act.ARRIVE, Act.CHALLENGE, Act.OPEN, Act.LOCK, Act.FLASH,
    Act.PHOTO, Act.FAIL, Act.AGAIN, Act.DONE,
)  # fmt: skip


def job_view(
    read: Read,
    car: Car,
    unit: UnitId | None,
    rules: Rules,
    now: datetime,
    limits: DeliveryLimits,
    *,
    zone: str | None = None,
    fallback: FallbackToldOut | None = None,
) -> JobOut:
    """The job as the assigned courier may see it now. Whether it is this courier's was asked before."""
    body = read.body
    if read.over or read.state not in ACTS[Act.SEE]:
        return JobOut(id=read.id, livemode=body.livemode, state=read.state, sees="over", fallback=fallback)
    exact = now >= body.window.start - limits.seen_ahead
    there = car.position or middle(body.place)
    arrival = body.arrival
    return JobOut(
        id=read.id,
        livemode=body.livemode,
        state=read.state,
        sees="place" if exact else "area",
        kind=body.kind,
        opens=body.act,
        window=body.window,
        zone=zone,
        parcels=body.parcels,
        position=there if exact or there is None else area(there),
        looks=LooksOut(name=rules.name, plate=rules.plate, colour=rules.colour) if exact else None,
        car=car_out(car),
        key=key_out(read),
        key_id=body.key.key if body.key else None,
        unit=unit,
        refusal=body.refusal,
        arrived_m=arrival.metres if arrival else None,
        arrived_at=arrival.at if arrival else None,
        can=tuple(act for act in _COURIERS if read.state in ACTS[act]),
        fallback=fallback,
    )
