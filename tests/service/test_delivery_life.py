"""The whole life of a delivery on the real store: news in, news out, and everything read a second time."""

from datetime import timedelta

import pytest

from delivery.model import Read
from delivery.opening import Answer
from delivery.photos import NoSuchPhoto
from delivery.problems import (
    ArriveFirst,
    CarUnreachable,
    NoKey,
    NoSuchDelivery,
    OpeningInFlight,
    OutOfPlaceNow,
    ReasonNeeded,
    TooFar,
    TooLateForAgain,
)
from delivery.states import Act, State, StepNotAllowed
from people.model import AddressKind
from spine.log import Entry
from tests.service.conftest import MORNING
from tests.service.delivery_house import HERE, HOUR, MINUTE, SPOT, DeliveryHouse, home, house_of_people
from tests.unit.test_delivery_photos import BARE, FULL

__all__ = ["home", "house_of_people"]


async def test_one_parcel_into_one_car(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "closed", "locked")
    await home.desk.courier.done(home.device, delivery)
    await home.settle()
    assert await home.kinds(delivery) == [
        "delivery.requested", "delivery.courier_assigned", "delivery.asked", "delivery.approved", "delivery.keyed",
        "delivery.en_route", "delivery.arrived", "delivery.opening", "delivery.opened", "delivery.closed",
        "delivery.delivered", "delivery.ended",
    ]  # fmt: skip
    read = await home.read(delivery)
    assert (read.state, read.body.ended, read.body.address) == (State.DELIVERED, "delivered", None)
    assert read.body.key is not None
    assert read.body.key.how == "consumed"
    await home.again()


async def test_it_settles_by_itself_three_minutes_after_the_lock(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "closed", "locked")
    await home.later(timedelta(minutes=2, seconds=59))
    assert await home.state(delivery) is State.CLOSED
    await home.later(timedelta(seconds=1))
    assert await home.state(delivery) is State.DELIVERED
    await home.again()


async def test_a_lid_that_nobody_lifted_took_no_parcel(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "not_lifted", "locked")
    await home.later(3 * MINUTE)
    assert await home.state(delivery) is State.FAILED
    assert (await home.kinds(delivery))[-1] == "delivery.ended"
    await home.again()


async def test_a_refusal_can_be_tried_again_with_the_same_key(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.start(delivery, "first")
    command = (await home.read(delivery)).body.opening
    assert command is not None
    await home.result(command.command, "refused", "vehicle_state")
    await home.settle()
    read = await home.read(delivery)
    assert (read.state, read.body.refusal) == (State.ARRIVED, "vehicle_state")
    again = await home.desk.at_the_car.open(home.device, delivery, "first", wait=0)
    assert again == Answer("refused", "vehicle_state")
    assert again.try_again
    assert not again.may_have_happened
    await home.start(delivery, "second")
    assert await home.state(delivery) is State.OPENING
    await home.receipts(delivery, "consumed", "opened")
    assert await home.state(delivery) is State.OPEN
    await home.again()


@pytest.mark.parametrize("code", ["revoked", "expired", "already_used"])
async def test_three_refusals_end_it_and_its_key(home: DeliveryHouse, code: str) -> None:
    delivery = await home.arrived()
    await home.start(delivery)
    await home.receipts(delivery, "refused", code=code)
    assert await home.state(delivery) is State.REFUSED
    await home.confirms()
    assert (await home.read(delivery)).body.ended == "refused"
    await home.again()


async def test_no_answer_is_unsure_and_a_late_receipt_resolves_it(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.start(delivery)
    await home.later(MINUTE)
    assert await home.state(delivery) is State.UNSURE
    told = home.post.types(home.owner)
    assert told.count("delivery.unsure") == 1
    assert home.post.types(f"ep_{home.carrier[4:]}").count("delivery.unsure") == 1
    await home.again()
    await home.receipts(delivery, "consumed", "opened", "closed", "locked")
    await home.later(3 * MINUTE)
    assert await home.state(delivery) is State.DELIVERED
    await home.again()


async def test_unsure_for_good_is_an_honest_end(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.start(delivery)
    await home.later(MINUTE)
    await home.later(2 * HOUR)
    await home.later(10 * MINUTE)
    read = await home.read(delivery)
    assert (read.state, read.body.ended) == (State.UNSURE, "unsure")
    assert read.body.key is not None
    assert read.body.key.how == "expired"
    await home.again()
    await home.receipts(delivery, "consumed", "opened")
    assert await home.state(delivery) is State.OPEN


async def test_an_open_boot_that_falls_silent_is_unsure(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.later(5 * MINUTE)
    assert await home.state(delivery) is State.UNSURE
    await home.receipts(delivery, "closed", "locked")
    assert await home.state(delivery) is State.CLOSED
    await home.again()


async def test_left_open_is_told_and_ends_when_the_lid_comes_down(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "left_open")
    assert await home.state(delivery) is State.LEFT_OPEN
    alarm = [one for one in home.post.queued.values() if one.type == "delivery.left_open"]
    assert {one.interactive for one in alarm} == {True}
    assert {one.person for one in alarm if one.person} == {home.owner}
    await home.later(HOUR)
    assert await home.state(delivery) is State.LEFT_OPEN
    await home.receipts(delivery, "closed", "locked")
    await home.desk.courier.done(home.device, delivery)
    assert await home.state(delivery) is State.DELIVERED
    await home.again()


async def test_power_lost_while_opening_burns_the_key_and_another_may_be_had(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.start(delivery)
    await home.receipts(delivery, "consumed", "indeterminate")
    assert await home.state(delivery) is State.UNSURE
    await home.desk.courier.again(home.device, delivery)
    await home.settle()
    read = await home.read(delivery)
    assert read.state is State.ARRIVED
    assert read.body.key is not None
    assert (read.body.key.n, read.body.key.signed) == (2, True)
    await home.start(delivery, "second")
    await home.receipts(delivery, "consumed", "opened")
    assert await home.state(delivery) is State.OPEN
    await home.again()


async def test_it_did_not_fit_another_key_without_asking(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "closed", "locked")
    await home.later(2 * MINUTE)
    await home.desk.courier.again(home.device, delivery)
    await home.settle()
    assert await home.state(delivery) is State.ARRIVED
    assert (await home.kinds(delivery)).count("delivery.asked") == 1
    await home.again()


async def test_too_late_for_another_key(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    with pytest.raises(StepNotAllowed):
        await home.desk.courier.again(home.device, delivery)
    await home.receipts(delivery, "closed", "locked")
    home.clock.advance(3 * MINUTE)
    with pytest.raises(TooLateForAgain):
        await home.desk.courier.again(home.device, delivery)


async def test_no_answer_of_the_owner_expires_it(home: DeliveryHouse) -> None:
    address = await home.address(AddressKind.ONE_ORDER)
    delivery = await home.asked(address=address)
    await home.later(2 * HOUR)
    assert await home.state(delivery) is State.EXPIRED
    assert (await home.kinds(delivery))[-2:] == ["delivery.expired", "delivery.ended"]
    again = await home.place(address)
    await home.settle()
    assert await home.state(again) is State.ASKED  # nobody decided: the one-order address was given back
    await home.again()


async def test_an_answer_uses_a_one_order_address_up(home: DeliveryHouse) -> None:
    address = await home.address(AddressKind.ONE_ORDER)
    delivery = await home.asked(address=address)
    await home.decide(delivery, "decline")
    await home.settle()
    assert await home.state(delivery) is State.DECLINED
    second = await home.place(address, window=home.order("x").window.but(end=home.now + HOUR))
    await home.settle()
    assert await home.state(second) is State.UNUSABLE
    await home.again()


async def test_the_window_ends_and_the_key_with_it(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.desk.courier.key(home.device, delivery)
    await home.settle()
    await home.later(2 * HOUR)
    assert await home.state(delivery) is State.EXPIRED
    assert (await home.read(delivery)).body.ended is None  # on a phone, and the car has not confirmed
    await home.later(10 * MINUTE)
    read = await home.read(delivery)
    assert read.body.ended == "expired"
    assert read.body.key is not None
    assert read.body.key.how == "expired"
    await home.again()


async def test_the_key_is_made_two_hours_before(home: DeliveryHouse) -> None:
    window = home.order("x").window.but(start=MORNING + 5 * HOUR, end=MORNING + 7 * HOUR)
    delivery = await home.approved(courier=home.courier, window=window)
    assert await home.state(delivery) is State.APPROVED
    await home.later(3 * HOUR)
    read = await home.read(delivery)
    assert read.state is State.KEYED
    assert read.body.key is not None
    assert (read.body.key.nbf, read.body.key.exp) == (window.start, window.end)
    await home.again()


async def test_a_long_window_gets_a_later_key(home: DeliveryHouse) -> None:
    window = home.order("x").window.but(start=MORNING, end=MORNING + 10 * HOUR)
    delivery = await home.keyed(window=window)
    await home.later(6 * HOUR)
    await home.later(3 * MINUTE)
    read = await home.read(delivery)
    assert read.state is State.KEYED
    assert read.body.key is not None
    assert read.body.key.n == 2
    assert read.body.key.exp == window.end
    await home.again()


async def test_one_cannot_set_out_to_a_car_elsewhere(home: DeliveryHouse) -> None:
    from delivery.place import Circle, Point
    from delivery.rules import Rules

    rules = Rules(place=Circle(centre=SPOT, radius=100))
    await home.desk.owner.set_rules(home.owner, (await _car(home)), rules, if_match="*")
    delivery = await home.keyed()
    await home.stands_at(Point(lat=52.40, lon=4.895))
    with pytest.raises(OutOfPlaceNow):
        await home.desk.courier.set_out(home.device, delivery)
    with pytest.raises(OutOfPlaceNow):
        await home.desk.courier.set_out(home.device, delivery)
    await home.settle()
    assert await home.state(delivery) is State.KEYED
    assert (await home.kinds(delivery)).count("delivery.out_of_place") == 1
    assert (await home.read(delivery)).body.out_by == pytest.approx(3212, abs=5)
    await home.desk.owner.change_place(
        home.owner, delivery, Circle(centre=Point(lat=52.40, lon=4.895), radius=100)
    )
    await home.settle()
    read = await home.read(delivery)
    assert read.state is State.KEYED  # the former key never left the house: another was made at once
    assert read.body.key is not None
    assert read.body.key.n == 2
    await home.desk.courier.set_out(home.device, delivery)
    await home.again()


async def _car(home: DeliveryHouse) -> object:
    from tests.service.delivery_house import CAR

    return CAR


async def test_a_car_that_cannot_be_reached_is_said_before_driving(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    await home.stands_at(SPOT, "asleep")
    with pytest.raises(CarUnreachable, match="asleep"):
        await home.desk.courier.set_out(home.device, delivery)
    await home.desk.courier.set_out(home.device, delivery, anyway=True)
    assert await home.state(delivery) is State.EN_ROUTE
    assert (await home.desk.courier.set_out(home.device, delivery)).state is State.EN_ROUTE


async def test_the_courier_has_to_be_at_the_car(home: DeliveryHouse) -> None:
    from delivery.place import Point

    delivery = await home.keyed()
    await home.desk.courier.set_out(home.device, delivery)
    with pytest.raises(TooFar):
        await home.desk.courier.arrive(home.device, delivery, Point(lat=52.38, lon=4.895))
    hundred = Point(lat=52.37111, lon=4.89517)
    with pytest.raises(ReasonNeeded):
        await home.desk.courier.arrive(home.device, delivery, hundred)
    read = await home.desk.courier.arrive(home.device, delivery, hundred, reason="behind the fence")
    assert read.body.arrival is not None
    assert read.body.arrival.metres == 100
    home.clock.advance(16 * MINUTE)
    await home.stands_at(SPOT)
    with pytest.raises(ArriveFirst):
        await home.desk.at_the_car.open(home.device, delivery, "p", wait=0)
    await home.desk.at_the_car.open(home.device, delivery, "p", wait=0, position=HERE)
    assert await home.state(delivery) is State.OPENING


async def test_a_stranger_and_another_phone_see_no_job(home: DeliveryHouse) -> None:
    from delivery.courier import Device
    from tests.people_signing import Device as Phone

    delivery = await home.asked(courier=home.courier)
    with pytest.raises(NoSuchDelivery):
        await home.desk.courier.read(home.device, delivery)
    await home.decide(delivery)
    await home.settle()
    assert (await home.desk.courier.read(home.device, delivery)).state is State.KEYED
    other, jkt = await home.new_courier(Phone(), "Kim")
    for device in (Device(other, jkt), Device(home.courier, jkt), Device(other, home.jkt)):
        with pytest.raises(NoSuchDelivery):
            await home.desk.courier.read(device, delivery)
        with pytest.raises(NoSuchDelivery):
            await home.desk.at_the_car.open(device, delivery, "p", wait=0)


async def test_no_second_attempt_while_one_is_on_its_way(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.start(delivery, "first")
    with pytest.raises(OpeningInFlight):
        await home.desk.at_the_car.open(home.device, delivery, "second", wait=0)
    assert await home.desk.at_the_car.open(home.device, delivery, "first", wait=0) == Answer("pending")
    assert (await home.kinds(delivery)).count("delivery.opening") == 1


async def test_no_opening_with_a_key_that_is_over(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "closed", "locked")
    with pytest.raises(StepNotAllowed):
        await home.desk.at_the_car.open(home.device, delivery, "again", wait=0)
    with pytest.raises(NoKey):
        await home.desk.courier.key(home.device, delivery)


async def test_who_has_the_key_may_set_out(home: DeliveryHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is signed before its delivery hears of it: until then no phone gets it."""
    delivery = await home.asked(courier=home.courier)
    await home.decide(delivery)
    refused, react = list[str](), home.react

    async def asked_for_first(entry: Entry) -> None:
        try:
            await home.desk.courier.key(home.device, delivery)
        except NoKey:
            refused.append(entry.kind)
        else:
            (await home.read(delivery)).require(Act.SET_OUT)
        await react(entry)

    monkeypatch.setattr(home, "react", asked_for_first)
    await home.settle()
    assert "key.signed" in refused
    assert await home.desk.courier.key(home.device, delivery)


async def test_one_picture_of_two_deliveries_is_forgotten_with_each(home: DeliveryHouse) -> None:
    async def pictured() -> Read:
        delivery = await home.opened()
        await home.receipts(delivery, "closed", "locked")
        await home.desk.courier.photograph(home.device, delivery, FULL)
        await home.settle()
        return await home.read(delivery)

    async def kept(of: Read) -> bool:
        try:
            return await home.desk.photos.read(of.id, of.body.photos[0].sha256) == BARE
        except NoSuchPhoto:
            return False

    first = await pictured()
    await home.later(MINUTE)
    second = await pictured()
    assert first.body.photos[0].sha256 == second.body.photos[0].sha256
    assert [photo.own for photo in (*first.body.photos, *second.body.photos)] == [True, True]
    assert [await kept(first), await kept(second)] == [True, True]
    await home.later(timedelta(days=30) - MINUTE)
    assert [await kept(first), await kept(second)] == [False, True]
    assert [(await home.read(one.id)).body.photos[0].gone for one in (first, second)] == [True, False]
    await home.later(MINUTE)
    assert [await kept(first), await kept(second)] == [False, False]


async def test_after_thirty_days_people_are_forgotten_and_later_all_of_it(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    await home.receipts(delivery, "closed", "locked")
    await home.desk.courier.done(home.device, delivery)
    await home.settle()
    question = (await home.read(delivery)).body.question
    assert question is not None
    await home.later(timedelta(days=30))
    read = await home.read(delivery)
    assert (read.body.erased, read.body.arrival) == (True, None)
    assert (await home.store.load(question)).ended
    await home.later(timedelta(days=370))
    saved = await home.store.load(delivery)
    assert (saved.ended, saved.state) == (True, "delivered")
    with pytest.raises(NoSuchDelivery):
        await home.read(delivery)
