"""A delivery as the people of its car see it, in few ways to the store: whose it is, then all that is shown of it."""

import asyncio
from collections.abc import Mapping

from delivery.desk import Desk
from delivery.model import Read
from delivery.owner import sees
from delivery.ports import Car
from delivery.problems import NoSuchDelivery
from delivery.proving import Needed
from delivery.questions import Question, place_in_words
from delivery.states import ACTS, Act
from delivery.views import OwnerDeliveryOut, asked_out, car_out, key_out, timeline
from people import carriers, cars, couriers, passkeys, sessions
from people.tokens import Token
from spine.ids import DeliveryId, PersonId
from spine.store import Saved


async def as_signed_in(desk: Desk, token: Token, delivery: DeliveryId) -> OwnerDeliveryOut | None:
    """For a page: as the person of this session's cookie sees it. None where the session is over.

    Raises ``NoSuchDelivery`` as ``as_seen_by``. Session and delivery are read at once, and nothing is said of a
    delivery before both are known.
    """
    session = sessions.subject_of(token.subject)
    saved = await desk.deliveries.store.load_many([session, delivery])
    me = desk.people.access.whose(token, saved[session])
    if me is None:
        return None
    read = Read.of(saved[delivery])
    if read is None:
        raise NoSuchDelivery(delivery)
    return await as_seen_by(desk, me.id, read)


async def as_seen_by(desk: Desk, me: PersonId, read: Read) -> OwnerDeliveryOut:
    """With what this person's own yes would need. Raises ``NoSuchDelivery`` for anybody without a role of its time."""
    vehicle = read.body.vehicle
    if vehicle is None:
        raise NoSuchDelivery(read.id)
    crew, psk = cars.subject_of(vehicle), passkeys.subject_of(me)
    also = [psk, *desk.deciding.needed_reads(read)]
    saved, car = await _read(desk, read, also)
    role = cars.role_in(saved[crew], me, vehicle, desk.deliveries.clock.now())
    if role is None or not sees(role, read):
        raise NoSuchDelivery(read.id)
    needed = None
    if role.may_approve:
        by = passkeys.approves_by(passkeys.kept_in(saved[psk]))
        needed = desk.deciding.needed_by(me, read, by, saved)
    return _shown(read, saved, car, may_act=role.may_approve, needed=needed)


async def as_done(desk: Desk, read: Read) -> OwnerDeliveryOut:
    """After an act of somebody who may act, and in lists."""
    saved, car = await _read(desk, read, [])
    return _shown(read, saved, car, may_act=True, needed=None)


async def _read(desk: Desk, read: Read, also: list[str]) -> tuple[Mapping[str, Saved], Car | None]:
    """What ``_shown`` needs, and ``also`` these subjects, at once: each alone would be a way to the store and back."""
    body = read.body
    wanted = [body.carrier, *also]
    if body.courier is not None:
        wanted.append(body.courier.courier)
    if body.question is not None:
        wanted.append(body.question)
    if body.vehicle is not None:
        wanted.append(cars.subject_of(body.vehicle))
    store = desk.deliveries.store
    if body.vehicle is None or read.over:
        return await store.load_many(wanted), None
    # The car first: what is asked for one by one leaves with what is asked for at once, in one write.
    car = desk.cars.car(body.vehicle, now=desk.deliveries.clock.now())
    found, saved = await asyncio.gather(car, store.load_many(wanted))
    return saved, found


def _shown(
    read: Read, saved: Mapping[str, Saved], car: Car | None, *, may_act: bool, needed: Needed | None
) -> OwnerDeliveryOut:
    body = read.body
    carrier = carriers.view_of(saved[body.carrier])
    courier = couriers.view_of(saved[body.courier.courier]) if body.courier else None
    question = Question.of(saved[body.question]) if body.question else None
    return OwnerDeliveryOut(
        id=read.id,
        livemode=body.livemode,
        vehicle=body.vehicle,
        zone=cars.people_in(saved[cars.subject_of(body.vehicle)]).zone if body.vehicle else None,
        state=read.state,
        carrier=body.carrier,
        carrier_name=carrier.name if carrier else "",
        courier=body.courier.courier if body.courier else None,
        courier_name=courier.name if courier else "",
        kind=body.kind,
        opens=body.act,
        window=body.window,
        parcels=len(body.parcels),
        place=place_in_words(body.place),
        out_by_m=body.out_by,
        question=asked_out(read, question, needed),
        approved_by=body.approval.by if body.approval else None,
        key=key_out(read),
        refusal=body.refusal,
        failure=body.failure,
        timeline=timeline(read),
        photos=tuple(one.sha256 for one in body.photos if not one.gone),
        can_block=may_act and read.state in ACTS[Act.BLOCK],
        car=None if car is None else car_out(car),
        ended=body.ended,
    )
