"""Carriers: the same answer whatever the address, one visit for several parcels, couriers reassigned by the rules."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from delivery.courier import Device
from delivery.lists import NAMES
from delivery.model import Parcel, Window
from delivery.place import Circle
from delivery.problems import (
    CourierNamed,
    CourierUnfit,
    KeyOnPhone,
    NoKeyLeft,
    NoSuchDelivery,
    NoSuchParcel,
    TooManyParcels,
    WindowUnfit,
)
from delivery.rules import Rules
from delivery.states import ACTS, Act, State, StepNotAllowed
from delivery.views import carrier_state, carrier_view
from people.model import AddressKind
from spine.ids import CarrierId, DeliveryId
from spine.store import Change, Once, OtherBody, Write
from tests.people_signing import Device as Phone
from tests.service.delivery_house import CAR, HOUR, MINUTE, SPOT, DeliveryHouse, home, house_of_people

__all__ = ["home", "house_of_people"]

UNKNOWN = "TL-DAAA-AAAA-AAAA"


async def test_every_unusable_address_reads_alike(home: DeliveryHouse) -> None:
    spent = await home.address(AddressKind.ONE_ORDER)
    await home.decide(await home.asked(address=spent), "decline")
    await home.settle()
    foreign = await home.address(AddressKind.ONE_CARRIER)
    people = home.people.people
    other = (await people.carriers.enrol("Other", now=home.now)).client_id
    await home.desk.placing.place(other, home.order(foreign), livemode=True)
    await home.settle()
    await home.desk.beforehand.lift(home.owner, CAR, home.carrier)
    silent = await home.asked(parcels=(Parcel(reference="S"),))
    await home.decide(silent, "decline", silent=True)
    blocked = await home.address()
    await home.settle()
    await home.desk.owner.set_rules(home.owner, CAR, Rules(block_all=True), if_match="*")
    placed = [await home.place(address) for address in (UNKNOWN, "nonsense", spent, foreign, blocked)]
    waiting = [carrier_view(await home.read(one)).model_dump(exclude={"id", "parcels"}) for one in placed]
    assert waiting == [waiting[0]] * 5
    await home.settle()
    ends = [
        carrier_view(await home.read(one)).model_dump(exclude={"id", "parcels"}) for one in [*placed, silent]
    ]
    assert ends == [ends[0]] * 6
    assert ends[0]["state"] == "address_not_usable"
    types = [
        one.type for one in home.post.queued.values() if one.reference.get("delivery") in {*placed, silent}
    ]
    assert [kind for kind in types if kind != "delivery.asked"].count("delivery.address_not_usable") >= 6
    await home.again()


async def test_unusable_is_told_at_a_drawn_moment(home: DeliveryHouse) -> None:
    limits = home.desk.deliveries.limits.model_copy(update={"unusable_told_within": 10 * MINUTE})
    home.desk.deliveries.limits = limits
    delivery = await home.place(UNKNOWN)
    await home.settle()
    read = await home.read(delivery)
    assert (read.state, carrier_state(read)) == (State.REQUESTED, "requested")
    assert read.body.told_at is not None
    assert home.now <= read.body.told_at <= home.now + 10 * MINUTE
    await home.again()
    await home.later(10 * MINUTE)
    assert await home.state(delivery) is State.UNUSABLE


async def test_twenty_unusable_addresses_stop_a_carrier(home: DeliveryHouse) -> None:
    for n in range(20):
        await home.place(UNKNOWN, parcels=(Parcel(reference=f"R-{n}"),))
        await home.settle()
    view = await home.people.people.carriers.view(home.carrier)
    assert view is not None
    assert view.state == "stopped"


async def test_a_cabin_is_only_asked_for_where_the_owner_ticked_it(home: DeliveryHouse) -> None:
    first = await home.place(act="cabin")
    await home.settle()
    assert await home.state(first) is State.UNUSABLE
    await home.desk.owner.set_rules(home.owner, CAR, Rules(cabin=True), if_match="*")
    second = await home.place(act="cabin", window=Window(start=home.now, end=home.now + HOUR))
    await home.settle()
    assert await home.state(second) is State.ASKED


async def test_parcels_for_one_car_and_window_share_one_visit(home: DeliveryHouse) -> None:
    address = await home.address()
    first = await home.place(address)
    second = await home.place(address.lower(), parcels=(Parcel(reference="R-2"), Parcel(reference="R-1")))
    assert first == second
    await home.settle()
    assert await home.place(address, parcels=(Parcel(reference="R-3"),)) == first
    assert [one.reference for one in (await home.read(first)).body.parcels] == ["R-1", "R-2", "R-3"]
    await home.settle()
    assert (await home.kinds(first)).count("delivery.asked") == 1
    await home.decide(first)
    await home.settle()
    after = await home.place(address, parcels=(Parcel(reference="R-4"),))
    assert after != first
    assert await home.place(address, parcels=(Parcel(reference="R-5"),)) == after
    await home.settle()
    await home.again()


async def test_other_orders_are_other_visits(home: DeliveryHouse) -> None:
    address = await home.address()
    window = home.order(address).window
    first = await home.place(address)
    others = [
        await home.place(address, window=window.but(end=window.end + MINUTE)),
        await home.place(address, kind="pickup"),
        await home.place(address, act="cabin"),
        await home.place(await home.address()),
    ]
    assert len({first, *others}) == 5


async def test_orders_at_once_end_in_one_visit(home: DeliveryHouse) -> None:
    address = await home.address()
    placed = await asyncio.gather(
        *(home.place(address, parcels=(Parcel(reference=f"R-{n}"),)) for n in range(20))
    )
    assert len(set(placed)) == 1
    assert len((await home.read(placed[0])).body.parcels) == 20
    with pytest.raises(TooManyParcels):
        await home.place(address, parcels=tuple(Parcel(reference=f"X-{n}") for n in range(40)))


async def test_the_same_request_again_is_the_same_order(home: DeliveryHouse) -> None:
    order, once = home.order(await home.address()), Once("place:car", "key", "body")
    first = await home.desk.placing.place(home.carrier, order, livemode=True, once=once)
    await home.settle()
    await home.decide(first.id, "decline")
    again = await home.desk.placing.place(home.carrier, order, livemode=True, once=once)
    assert again.id == first.id
    with pytest.raises(OtherBody):
        await home.desk.placing.place(
            home.carrier, order, livemode=True, once=Once("place:car", "key", "other")
        )


@pytest.mark.parametrize(
    ("start", "end"),
    [(-2 * HOUR, -HOUR), (timedelta(), 4 * MINUTE), (timedelta(), 25 * HOUR), (31 * 24 * HOUR, 31 * 24 * HOUR + HOUR)],
)  # fmt: skip
async def test_windows_that_are_none(home: DeliveryHouse, start: timedelta, end: timedelta) -> None:
    with pytest.raises(WindowUnfit):
        await home.place(UNKNOWN, window=Window(start=home.now + start, end=home.now + end))


async def test_one_parcel_is_withdrawn_and_the_last_takes_the_visit_along(home: DeliveryHouse) -> None:
    delivery = await home.keyed(parcels=(Parcel(reference="A"), Parcel(reference="B")))
    with pytest.raises(NoSuchParcel):
        await home.desk.carrier.cancel(home.carrier, delivery, parcel="C")
    read = await home.desk.carrier.cancel(home.carrier, delivery, parcel="A")
    assert (read.state, [one.reference for one in read.body.parcels]) == (State.KEYED, ["B"])
    read = await home.desk.carrier.cancel(home.carrier, delivery, parcel="B")
    assert read.state is State.CANCELLED
    assert (await home.desk.carrier.cancel(home.carrier, delivery)).state is State.CANCELLED
    await home.settle()
    read = await home.read(delivery)
    assert read.body.ended == "cancelled"
    assert read.body.key is not None
    assert read.body.key.how == "never_handed_out"
    await home.again()


async def force(home: DeliveryHouse, delivery: DeliveryId, state: State) -> None:
    """Put a delivery into a state, to see what is taken there."""

    def decide(saved: Any) -> Change:
        before = saved[delivery]
        return Change({delivery: Write(state, before.body, before.wake_at)})

    await home.store.change([delivery], decide)


@pytest.mark.parametrize("state", sorted(set(State) - {State.NEW}))
async def test_cancel_and_block_in_every_state(home: DeliveryHouse, state: State) -> None:
    for act, end, do in (
        (Act.CANCEL, State.CANCELLED, lambda one: home.desk.carrier.cancel(home.carrier, one)),
        (Act.BLOCK, State.BLOCKED, lambda one: home.desk.owner.block(home.owner, one)),
    ):
        delivery = await home.keyed(parcels=(Parcel(reference=act),))
        await home.desk.courier.key(home.device, delivery)
        await home.settle()
        await force(home, delivery, state)
        if state is end:
            assert (await do(delivery)).state is end
        elif state in ACTS[act]:
            assert (await do(delivery)).state is end
            await home.settle()
            read = await home.read(delivery)
            assert read.body.key is not None
            assert read.body.key.dies_at is not None  # asked for; true at the car only once it says so
            assert read.body.ended is None
            await home.confirms()
            read = await home.read(delivery)
            assert (read.body.key.how if read.body.key else "", read.body.ended) == ("confirmed_by_car", end)
        else:
            with pytest.raises(StepNotAllowed):
                await do(delivery)


async def test_a_courier_is_changed_while_the_key_is_at_home(home: DeliveryHouse) -> None:
    delivery = await home.approved()
    await home.desk.carrier.assign(home.carrier, delivery, home.courier)
    await home.settle()
    assert await home.state(delivery) is State.KEYED
    other, jkt = await home.new_courier(Phone(), "Kim")
    await home.stands_at(None, "offline")
    await home.desk.carrier.assign(home.carrier, delivery, other)
    await home.settle()
    read = await home.read(delivery)
    assert read.state is State.KEYED
    assert read.body.key is not None
    assert (read.body.key.n, read.body.key.jkt) == (2, jkt)
    with pytest.raises(NoSuchDelivery):
        await home.desk.courier.key(home.device, delivery)
    assert await home.desk.courier.key(Device(other, jkt), delivery)
    await home.settle()
    await home.again()


async def test_not_while_the_key_is_on_a_phone_and_the_car_offline(home: DeliveryHouse) -> None:
    delivery = await home.approved()
    await home.desk.carrier.assign(home.carrier, delivery, home.courier)
    await home.settle()
    await home.desk.courier.key(home.device, delivery)
    await home.settle()
    other, jkt = await home.new_courier(Phone(), "Kim")
    await home.stands_at(SPOT, "offline")
    with pytest.raises(KeyOnPhone) as caught:
        await home.desk.carrier.assign(home.carrier, delivery, other)
    read = await home.read(delivery)
    assert read.body.key is not None
    assert read.body.key.exp.isoformat() in str(caught.value)
    assert (caught.value.retry_after, read.state) == (2 * 3600, State.KEYED)
    await home.stands_at(SPOT)
    await home.desk.carrier.assign(home.carrier, delivery, other)
    await home.settle()
    read = await home.read(delivery)
    assert (read.state, read.body.key.n if read.body.key else 0) == (State.APPROVED, 1)
    await home.confirms()
    read = await home.read(delivery)
    assert read.state is State.KEYED
    assert read.body.key is not None
    assert (read.body.key.n, read.body.key.jkt) == (2, jkt)
    await home.again()


async def test_a_courier_that_the_owner_was_shown_stays(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    other, _ = await home.new_courier(Phone(), "Kim")
    with pytest.raises(CourierNamed):
        await home.desk.carrier.assign(home.carrier, delivery, other)
    waiting = await home.place(courier=home.courier)
    with pytest.raises(CourierNamed):
        await home.desk.carrier.assign(home.carrier, waiting, other)
    await home.settle()
    with pytest.raises(CourierNamed):
        await home.desk.carrier.assign(home.carrier, waiting, other)


async def test_a_third_replacement_is_not_made(home: DeliveryHouse) -> None:
    delivery = await home.approved()
    couriers = [home.courier, *[(await home.new_courier(Phone(), name))[0] for name in ("Kim", "Lou", "Max")]]
    for courier in couriers[:3]:
        await home.desk.carrier.assign(home.carrier, delivery, courier)
        await home.settle()
        assert await home.state(delivery) is State.KEYED
    with pytest.raises(NoKeyLeft):
        await home.desk.carrier.assign(home.carrier, delivery, couriers[3])


async def test_only_own_enrolled_couriers(home: DeliveryHouse) -> None:
    delivery = await home.approved()
    people = home.people.people
    other = (await people.carriers.enrol("Other", now=home.now)).client_id
    foreign = await home.people.courier(other, Phone(), "Foreign")
    invited = (await people.couriers.invite(home.carrier, "New", now=home.now)).courier
    for courier in (foreign, invited):
        with pytest.raises(CourierUnfit):
            await home.desk.carrier.assign(home.carrier, delivery, courier)
        with pytest.raises(CourierUnfit):
            await home.place(courier=courier)
    with pytest.raises(NoSuchDelivery):
        await home.desk.carrier.assign(other, delivery, foreign)
    for act in (home.desk.carrier.read, home.desk.carrier.cancel):
        with pytest.raises(NoSuchDelivery):
            await act(CarrierId(other), delivery)


async def test_another_window_is_another_delivery_and_is_asked_again(home: DeliveryHouse) -> None:
    address = await home.address(AddressKind.ONE_ORDER)
    delivery = await home.approved(address=address, courier=home.courier)
    window = Window(start=home.now + 3 * HOUR, end=home.now + 5 * HOUR)
    new = await home.desk.carrier.reschedule(home.carrier, delivery, window)
    again = await home.desk.carrier.reschedule(home.carrier, delivery, window)
    assert again.id == new.id
    await home.settle()
    old, new = await home.read(delivery), await home.read(new.id)
    assert (old.state, old.body.ended, old.body.successor) == (State.RESCHEDULED, "rescheduled", new.id)
    assert (new.state, new.body.predecessor, new.body.order) == (State.ASKED, delivery, delivery)
    assert new.body.courier is None
    assert carrier_view(old).successor == new.id
    await home.again()


async def test_before_the_answer_rescheduling_keeps_the_address(home: DeliveryHouse) -> None:
    window = Window(start=home.now + 3 * HOUR, end=home.now + 5 * HOUR)
    for address, end in ((UNKNOWN, State.UNUSABLE), (await home.address(AddressKind.ONE_ORDER), State.ASKED)):
        first = await home.place(address)
        new = await home.desk.carrier.reschedule(home.carrier, first, window)
        await home.settle()
        assert await home.state(new.id) is end
    await home.again()


async def test_a_frozen_carrier_loses_deliveries_and_keys(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    asked = await home.asked(
        parcels=(Parcel(reference="R-2"),), window=Window(start=home.now, end=home.now + HOUR)
    )
    opening = await home.arrived(parcels=(Parcel(reference="R-3"),))
    await home.desk.courier.key(home.device, opening)
    await home.start(opening)
    await home.people.people.carriers.freeze(home.carrier, now=home.now)
    await freeze(home)
    assert [await home.state(one) for one in (delivery, asked, opening)] == [
        State.CANCELLED, State.CANCELLED, State.OPENING,
    ]  # fmt: skip
    for one in (delivery, opening):
        key = (await home.read(one)).body.key
        assert key is not None
        assert key.dies_at is not None or key.dead
    await home.receipts(opening, "consumed", "opened")
    assert await home.state(opening) is State.OPEN


async def freeze(home: DeliveryHouse) -> None:
    """The fact lies in the carrier's partition."""
    from spine.ids import partition_of
    from spine.readers import Received

    for entry in await home.log.read(partition_of(home.carrier)):
        if entry.kind == "carrier.frozen":
            await home.desk.reactions.handle(Received(entry.partition, entry.position, entry.fact, None))
    await home.settle()


async def test_a_sold_car_is_opened_for_nobody(home: DeliveryHouse) -> None:
    await home.desk.owner.set_rules(home.owner, CAR, Rules(plate="B-XY 1"), if_match="*")
    delivery = await home.keyed()
    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    await home.settle()
    read = await home.read(delivery)
    assert (read.state, read.body.ended) == (State.BLOCKED, "blocked")
    assert (await home.desk.rules.of(CAR))[0] == Rules()
    with pytest.raises(NoSuchDelivery):
        await home.desk.owner.read(home.owner, delivery)
    home.clock.advance(MINUTE)
    new = await home.people.owner("new@example.org", "WXYZ2345")
    with pytest.raises(NoSuchDelivery):
        await home.desk.owner.read(new, delivery)
    await home.again()


@pytest.mark.parametrize("how", ["sold", "frozen"])
async def test_a_list_that_is_behind_lets_no_key_through(home: DeliveryHouse, how: str) -> None:
    delivery = await home.approved()
    for name in NAMES:
        await home.desk.index.clear(name)
    if how == "sold":
        await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    else:
        await home.people.people.carriers.freeze(home.carrier, now=home.now)
    await home.settle()
    assert await home.state(delivery) is State.APPROVED
    await home.desk.carrier.assign(home.carrier, delivery, home.courier)
    await home.settle()
    assert "key.signed" not in [entry.kind for entry in home.seen]
    assert await home.state(delivery) is (State.APPROVED if how == "sold" else State.CANCELLED)


async def test_a_carrier_that_keeps_coming_for_nothing_is_doubted(home: DeliveryHouse) -> None:
    first = await home.keyed()
    await home.desk.carrier.cancel(home.carrier, first)
    await home.settle()
    assert "delivery.carrier_doubted" not in home.post.types(home.owner)
    second = await home.arrived(parcels=(Parcel(reference="R-2"),))
    await home.desk.courier.fail(home.device, second, "car_not_there")
    await home.settle()
    assert home.post.types(home.owner).count("delivery.carrier_doubted") == 1
    await home.again()


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("APPROVES", State.DELIVERED), ("DECLINES", State.DECLINED), ("SILENT", State.EXPIRED),
        ("OUT-OF-PLACE", State.FAILED), ("OFFLINE", State.FAILED), ("STUCK", State.FAILED),
        ("LEFT-OPEN", State.DELIVERED), ("UNSURE", State.UNSURE),
    ],
)  # fmt: skip
async def test_test_addresses_play_by_themselves(home: DeliveryHouse, name: str, end: State) -> None:
    read = await home.desk.placing.place(home.carrier, home.order(f"TL-TEST-{name}"), livemode=False)
    home.clock.advance(timedelta())
    for _ in range(15):
        await home.test_step(read.id)
    found = await home.read(read.id)
    assert (found.state, found.body.vehicle, found.body.livemode) == (end, None, False)
    assert not [one for one in home.seen if one.kind.startswith(("key.", "command."))]
    view = carrier_view(found)
    assert view.livemode is False


async def test_test_carriers_never_reach_a_car_and_live_ones_no_test_address(home: DeliveryHouse) -> None:
    address = await home.address()
    test = await home.desk.placing.place(home.carrier, home.order(address), livemode=False)
    live = await home.place("TL-TEST-APPROVES")
    await home.fire()
    await home.settle()
    assert [await home.state(test.id), await home.state(live)] == [State.UNUSABLE, State.UNUSABLE]


async def test_rescheduling_after_a_sale_asks_nobody_new(home: DeliveryHouse) -> None:
    """The log has not told of the sale yet, and the buyer has claimed the car."""
    first = await home.asked()
    people = home.people.people
    await people.cars.release(CAR, by=home.owner, now=home.now)
    buyer = await home.people.person("buyer@example.org")
    await home.people.show("BUYR2345")
    await people.cars.claim(buyer, "BUYR2345", now=home.now)
    window = Window(start=home.now + HOUR, end=home.now + 2 * HOUR)
    new = await home.desk.carrier.reschedule(home.carrier, first, window)
    await home.settle()
    assert await home.state(new.id) is State.UNUSABLE
    assert "delivery.asked" not in home.post.types(buyer)
    await home.again()


@pytest.mark.parametrize("kind", list(AddressKind))
async def test_a_rescheduled_delivery_goes_by_its_address_as_a_new_one_would(
    home: DeliveryHouse, kind: AddressKind
) -> None:
    people, window = home.people.people, Window(start=home.now + HOUR, end=home.now + 2 * HOUR)
    for n, answered in enumerate((False, True)):
        delivery = await home.asked(address=await home.address(kind), parcels=(Parcel(reference=f"K-{n}"),))
        if answered:
            await home.decide(delivery)
            await home.settle()
        new = await home.desk.carrier.reschedule(home.carrier, delivery, window)
        await home.settle()
        assert await home.state(new.id) is State.ASKED
        via = (await home.read(new.id)).body.via
        assert via is not None
        if kind is not AddressKind.ONE_ORDER or not answered:  # used up: nothing is left to block
            await people.addresses.block(CAR, via.address, by=home.owner, now=home.now)
            again = await home.desk.carrier.reschedule(home.carrier, new.id, window)
            await home.settle()
            assert await home.state(again.id) is State.UNUSABLE
    await home.again()


@pytest.mark.parametrize("how", ["block_all", "not_me", "address", "release"])
async def test_what_an_owner_sets_between_the_look_and_the_asking_holds(
    home: DeliveryHouse, how: str
) -> None:
    asking, text = home.desk.asking, await home.address()
    delivery = await home.place(text)
    other = await home.asked(address=await home.address(), parcels=(Parcel(reference="O"),)) if how == "not_me" else None  # fmt: skip
    looked = asking._makers

    async def meanwhile(vehicle: Any) -> Any:
        match how:
            case "block_all":
                await home.desk.owner.set_rules(home.owner, CAR, Rules(block_all=True), if_match="*")
            case "not_me":
                await home.decide(other, "decline", not_me=True)  # type: ignore[arg-type]
            case "address":
                (one,) = await home.people.people.addresses.all_of(CAR, by=home.owner, now=home.now)
                await home.people.people.addresses.block(CAR, one.id, by=home.owner, now=home.now)
            case _:
                await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
        return await looked(vehicle)

    if how == "not_me":  # the other was asked by the log's reader, which has asked this one too
        delivery = await home.place(await home.address(), parcels=(Parcel(reference="P"),))
    asking._makers = meanwhile  # type: ignore[method-assign]
    await asking.begin(delivery, "0-1")
    asking._makers = looked  # type: ignore[method-assign]
    assert await home.state(delivery) is State.UNUSABLE
    assert "delivery.asked" not in await home.kinds(delivery)
    await home.settle()
    await home.again()


async def test_another_place_between_the_look_and_the_asking_is_the_one_that_is_shown(
    home: DeliveryHouse,
) -> None:
    asking, place = home.desk.asking, Circle(centre=SPOT, radius=80)
    delivery = await home.place()
    looked = asking._makers

    async def meanwhile(vehicle: Any) -> Any:
        await home.desk.owner.set_rules(home.owner, CAR, Rules(place=place), if_match="*")
        return await looked(vehicle)

    asking._makers = meanwhile  # type: ignore[method-assign]
    await asking.begin(delivery, "0-1")
    read = await home.read(delivery)
    question = await home.desk.deciding.question(read)
    assert question is not None
    assert (read.body.place, question.content()["place"]["kind"]) == (place, "circle")
