"""Slots of opening hours and single ones: made once, never overlapping, taken back when the hours change."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from maintenance.garage_model import Opening
from maintenance.garage_problems import NoSuchGarage, NoSuchSlot, SlotInUse, SlotUnfit
from maintenance.states import SlotState
from people.tokens import read
from spine.ids import GarageId, SlotId
from tests.service.garage_house import DAY, HOUR, GarageHouse, details, garages
from tests.service.people_house import house_of_people

__all__ = ["garages", "house_of_people"]

BY = "agt_3k7m9qxd4hwe2a5t"


async def test_hours_become_slots_once(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False, bays=2)
    there = await garages.parts.garages.read(garage)
    made = await garages.parts.capacity.fill(there)
    assert made == await _published(garages) > 200
    assert await garages.parts.capacity.fill(there) == 0
    found = await garages.parts.capacity.of_garage(there, garages.now, garages.now + 40 * DAY)
    assert len(found) == made
    for bay in (1, 2):
        mine = [one.body for one in found if one.body.bay == bay]
        assert all(one.end <= two.start for one, two in itertools.pairwise(mine))
        assert all(8 <= one.start.astimezone(there.zone).hour <= 16 for one in mine)
    assert min(one.body.start for one in found) > garages.now


async def test_the_timer_makes_them_and_goes_on_every_day(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False)
    await garages.fire()
    there = await garages.parts.garages.read(garage)
    first = await _published(garages)
    assert first > 100
    assert there.body.made_until == garages.now + timedelta(days=28)
    await garages.later(DAY)
    # one more weekday came within reach, and none of the past was made again
    assert await _published(garages) == first + 8
    await garages.later(10 * DAY)
    bay = await garages.store.load(f"bay_{garage[4:]}.1")
    assert len(bay.body) < 6000, "what is long over is forgotten"


async def test_a_pass_that_dies_is_done_again(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False)
    there = await garages.parts.garages.read(garage)
    assert await garages.people.killed_after(2, lambda: garages.parts.capacity.fill(there))
    await garages.fire()
    found = await garages.parts.capacity.of_garage(there, garages.now, garages.now + 40 * DAY)
    assert len(found) == await _published(garages) == len({one.id for one in found})


async def test_two_passes_at_once_make_each_slot_once(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False)
    there = await garages.parts.garages.read(garage)
    made = await asyncio.gather(*(garages.parts.capacity.fill(there) for _ in range(3)))
    assert sum(made) == await _published(garages)


async def test_other_hours_take_free_slots_back_and_leave_the_booked(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage, 100))[2]
    made = await garages.parts.booking.book(case, slot, by=BY)
    single = await garages.parts.capacity.publish(
        await garages.parts.garages.read(garage), 1, garages.now + 3 * DAY + 12 * HOUR
    )
    hours = {"sat": [{"start": "09:00", "end": "12:00"}]}
    await garages.parts.garages.change(garage, details(hours=hours), now=garages.now)
    await garages.fire()
    there = await garages.parts.garages.read(garage)
    found = await garages.parts.capacity.of_garage(there, garages.now, garages.now + 40 * DAY)
    assert {one.body.start.astimezone(there.zone).strftime("%a") for one in found if one.state is SlotState.FREE} <= {
        "Sat", single.body.start.astimezone(there.zone).strftime("%a")
    }  # fmt: skip
    assert (await garages.slot(slot)).state is SlotState.BOOKED
    assert (await garages.slot(single.id)).state is SlotState.FREE, "published by hand: it stays"
    assert (await garages.parts.booking.read(made.id)).body.slot == slot
    # and back again: the weekdays are there once more
    await garages.parts.garages.change(garage, details(), now=garages.now)
    await garages.fire()
    assert len(await garages.free(garage, 100)) > 15


async def test_no_two_slots_of_a_bay_overlap(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False, bays=2)
    there, at = await garages.parts.garages.read(garage), garages.now + DAY
    first = await garages.parts.capacity.publish(there, 1, at)
    assert await garages.parts.capacity.publish(there, 1, at) == first
    assert (await garages.parts.capacity.publish(there, 2, at)).id != first.id
    for start, end in (
        (at + HOUR / 2, None),
        (at - HOUR / 2, None),
        (at, at + 2 * HOUR),
        (at - HOUR, at + 3 * HOUR),
    ):
        with pytest.raises(SlotUnfit):
            await garages.parts.capacity.publish(there, 1, start, end)
    assert (await garages.parts.capacity.publish(there, 1, at + HOUR)).body.start == at + HOUR
    for bay, start, end in (
        (3, at, None), (1, garages.now, None), (1, garages.now - HOUR, None), (1, at + 400 * DAY, None),
        (1, at + 5 * HOUR, at + 4 * HOUR), (1, at + 5 * HOUR, at + 5 * HOUR + timedelta(minutes=1)),
        (1, at + 5 * HOUR, at + 48 * HOUR),
    ):  # fmt: skip
        with pytest.raises(SlotUnfit):
            await garages.parts.capacity.publish(there, bay, start, end)


async def test_of_two_that_overlap_and_come_at_once_one_is_published(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False)
    there, at = await garages.parts.garages.read(garage), garages.now + DAY
    done = await asyncio.gather(
        *(garages.parts.capacity.publish(there, 1, at + n * HOUR / 4) for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(one, SlotUnfit) for one in done) == 3


async def test_only_a_free_slot_is_taken_back_and_stays_away(garages: GarageHouse) -> None:
    garage, other, case = await garages.garage(), await garages.garage(), await garages.case()
    first, second, third, *_ = await garages.free(garage)
    await garages.parts.capacity.withdraw(garage, first)
    await garages.parts.capacity.withdraw(garage, first)
    assert (await garages.slot(first)).state is SlotState.WITHDRAWN
    await garages.parts.booking.book(case, second, by=BY)
    await garages.parts.booking.hold(await garages.case(), third, by=BY)
    for taken in (second, third):
        with pytest.raises(SlotInUse):
            await garages.parts.capacity.withdraw(garage, taken)
    with pytest.raises(NoSuchSlot):
        await garages.parts.capacity.withdraw(other, (await garages.free(garage))[0])
    with pytest.raises(NoSuchSlot):
        await garages.parts.booking.book(await garages.case(), first, by=BY)
    await garages.parts.capacity.fill(await garages.parts.garages.read(garage))
    assert (await garages.slot(first)).state is SlotState.WITHDRAWN, (
        "what the garage took back is not made again"
    )
    again = await garages.parts.capacity.publish(
        await garages.parts.garages.read(garage), 1, (await garages.slot(first)).body.start
    )
    assert again.state is SlotState.FREE


async def test_a_withdrawal_racing_with_a_booking(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[0]
    done = await asyncio.gather(
        garages.parts.capacity.withdraw(garage, slot),
        garages.parts.booking.book(case, slot, by=BY),
        return_exceptions=True,
    )
    assert sum(isinstance(one, BaseException) for one in done) == 1
    await garages.settle()
    await garages.sound()


async def test_a_token_is_kept_by_hash_and_ends(garages: GarageHouse) -> None:
    made = await garages.parts.garages.make(details(), now=garages.now)
    garage = GarageId(made.subject)
    assert made.text not in await garages.people.everything()
    assert made.secret not in repr(made)
    token = read(made.text)
    assert token is not None
    assert (await garages.parts.garages.find(token)) is not None
    newer = await garages.parts.garages.new_token(garage, now=garages.now)
    assert await garages.parts.garages.find(token) is None
    assert await garages.parts.garages.find(newer) is not None
    await garages.parts.garages.remove(garage, now=garages.now)
    await garages.parts.garages.remove(garage, now=garages.now)
    assert await garages.parts.garages.find(newer) is None
    for name in (garage, GarageId("gar_2m4x7k9d1w8hq3e6"), GarageId("per_2m4x7k9d1w8hq3e6"), GarageId("")):
        with pytest.raises(NoSuchGarage):
            await garages.parts.garages.read(name)
    with pytest.raises(SlotUnfit):
        await garages.parts.garages.make(details(bays=21), now=garages.now)
    with pytest.raises(NoSuchSlot):
        await garages.slot(SlotId("slt_2m4x7k9d1w8hq3e6.1.1904292000"))


async def _published(garages: GarageHouse) -> int:
    facts = await garages.people.facts()
    return sum(one.kind == "slot.published" for one in facts)


async def test_hours_change_and_nothing_else_does(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False)
    await garages.parts.garages.change(garage, details(mail="new@example.org"), now=garages.now)
    saturday = {"sat": (Opening(start="09:00", end="12:00"),)}
    after = await garages.parts.garages.set_hours(garage, saturday, now=garages.now)
    assert (after.details.mail, after.details.hours) == ("new@example.org", saturday)


async def test_every_garage_is_offered_however_many_there_are(
    garages: GarageHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maintenance.garages._PAGE", 2)
    made = {await garages.garage(fill=False) for _ in range(5)}
    assert {one.id for one in await garages.parts.garages.every()} == made
