"""Slots are taken once; the appointment and the case follow, whatever dies, repeats or comes at the same moment."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from maintenance.appointments import appointment_of
from maintenance.desk_days import PREFIX as DAYS
from maintenance.garage_links import GarageLink
from maintenance.garage_model import Opening
from maintenance.garage_problems import (
    AlreadyBooked,
    AppointmentChanged,
    BookedTooOften,
    MovedTooOften,
    NoSuchGarage,
    NoSuchSlot,
    NotBookable,
    SlotTaken,
    SlotTooSoon,
    TooEarly,
)
from maintenance.lists_garages import OF_GARAGE
from maintenance.model import Read
from maintenance.service import Turn, told
from maintenance.starting import Story, end, more_urgent, resume
from maintenance.states import AppointmentState, SlotState, TriggerState
from spine.facts.maintenance import CaseClosed, TriggerEnded
from spine.ids import CaseId, GarageId, SlotId
from spine.store import Saved
from tests.service.garage_house import DAY, HOUR, GarageHouse, details, garages
from tests.service.people_house import house_of_people

__all__ = ["garages", "house_of_people"]

BY = "agt_3k7m9qxd4hwe2a5t"
OWNER = "per_3k7m9qxd4hwe2a5t"


async def test_a_slot_is_booked_and_the_case_follows(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[0]
    made = await garages.parts.booking.book(case, slot, by=BY)
    assert (made.state, made.body.slot, made.body.sequence) == (AppointmentState.BOOKED, slot, 0)
    read = await garages.read_case(case)
    assert (read.state, read.body.trigger.appointment) == (TriggerState.BOOKED, made.id)
    assert slot not in await garages.free(garage)
    kinds = await garages.settle()
    assert [one for one in kinds if "book" in one] == [
        "slot.booked",
        "appointment.booked",
        "trigger.booked",
    ] or (
        sorted(one for one in kinds if "book" in one)
        == ["appointment.booked", "slot.booked", "trigger.booked"]
    )
    await garages.sound()
    await garages.again()
    assert await garages.parts.booking.book(case, slot, by=BY) == made, "the same again is the same"


async def test_100_takers_for_10_slots(garages: GarageHouse) -> None:
    garage = await garages.garage(fill=False, bays=2)
    start = garages.now + DAY
    there = await garages.parts.garages.read(garage)
    for n in range(10):
        await garages.parts.capacity.publish(there, 1 + n % 2, start + (n // 2) * HOUR)
    cases = [await garages.case() for _ in range(100)]
    slots = [one.id for one in await garages.parts.capacity.of_garage(there, start, start + DAY)]
    assert len(slots) == 10
    told: list[SlotTaken] = []

    async def take(case: CaseId) -> str | None:
        first = random.choice(slots)
        wanted = [first]
        while wanted:
            try:
                return (await garages.parts.booking.book(case, wanted[0], by=BY)).id
            except SlotTaken as taken:
                wanted = [SlotId(one["slot"]) for one in taken.alternatives]
                if not wanted:
                    told.append(taken)
        return None

    got = await asyncio.gather(*map(take, cases))
    booked = [one for one in got if one]
    # An alternative names one of the bays free at a start; the loop above goes on until none is named.
    assert len(booked) == len(set(booked)) == 10
    assert len(told) == 90
    assert all(one.code == "slot.taken" and one.members == {"alternatives": []} for one in told)
    await garages.settle()
    await garages.sound()


async def test_who_comes_too_late_is_told_what_else_there_is(garages: GarageHouse) -> None:
    garage, one, two = await garages.garage(), await garages.case(), await garages.case()
    slot, following, *_ = await garages.free(garage)
    await garages.parts.booking.book(one, slot, by=BY)
    with pytest.raises(SlotTaken) as told:
        await garages.parts.booking.book(two, slot, by=BY)
    assert next(each["slot"] for each in told.value.alternatives) == following
    assert len(told.value.alternatives) == 5


@pytest.mark.parametrize("many", [2, 6])
async def test_one_case_that_takes_several_slots_at_once_ends_with_one(
    garages: GarageHouse, many: int
) -> None:
    garage, case = await garages.garage(), await garages.case()
    slots = (await garages.free(garage))[:many]
    done = await asyncio.gather(
        *(garages.parts.booking.book(case, slot, by=BY) for slot in slots), return_exceptions=True
    )
    got = [one for one in done if not isinstance(one, BaseException)]
    refused = [one for one in done if isinstance(one, BaseException)]
    assert len(got) == 1
    assert all(isinstance(one, AlreadyBooked) for one in refused)
    await garages.settle()
    await garages.sound()
    states = [(await garages.slot(slot)).state for slot in slots]
    assert sorted(states) == sorted([SlotState.BOOKED] + [SlotState.FREE] * (many - 1))


@pytest.mark.parametrize("commits", range(5))
async def test_killed_between_the_steps_of_a_booking(garages: GarageHouse, commits: int) -> None:
    garage, case = await garages.garage(), await garages.case()
    await garages.settle()
    slot = (await garages.free(garage))[0]
    died = await garages.people.killed_after(commits, lambda: garages.parts.booking.book(case, slot, by=BY))
    assert died == (commits < 2)
    await garages.settle()
    await garages.sound()
    booked = (await garages.slot(slot)).state is SlotState.BOOKED
    assert booked == (commits > 0), "what was taken is booked, by the log's reader if need be"
    await garages.parts.booking.book(case, slot, by=BY)
    await garages.again()
    await garages.sound()


async def test_a_booked_slot_without_its_appointment_is_healed_by_its_timer(garages: GarageHouse) -> None:
    garage, case, other = await garages.garage(), await garages.case(), await garages.case()
    slot, second, *_ = await garages.free(garage)
    assert await garages.people.killed_after(1, lambda: garages.parts.booking.book(case, slot, by=BY))
    assert (await garages.read_case(case)).state is TriggerState.OFFERED
    # a case that ends between the two halves wants no slot any more
    assert await garages.people.killed_after(1, lambda: garages.parts.booking.book(other, second, by=BY))
    await _close(garages, other)
    garages.clock.advance(timedelta(minutes=2))
    handlers = garages.parts.timers()
    for one in (slot, second):
        await handlers["slt"](await garages.store.load(one))
    assert (await garages.read_case(case)).state is TriggerState.BOOKED
    assert (await garages.slot(second)).state is SlotState.FREE
    await garages.settle()
    await garages.sound()


async def test_a_move_takes_the_new_slot_first(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    first, second, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, first, by=BY)
    moved = await garages.parts.booking.move(made.id, second, by=BY)
    assert (moved.body.slot, moved.body.sequence, moved.id) == (second, 1, made.id)
    assert (await garages.slot(first)).state is SlotState.FREE
    assert await garages.parts.booking.move(made.id, second, by=BY) == moved
    back = await garages.parts.booking.move(made.id, first, by=BY)
    assert (back.body.slot, back.body.sequence) == (first, 2)
    await garages.settle()
    await garages.sound()
    await garages.again()


@pytest.mark.parametrize("commits", range(4))
async def test_killed_between_the_steps_of_a_move(garages: GarageHouse, commits: int) -> None:
    garage, case = await garages.garage(), await garages.case()
    first, second, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, first, by=BY)
    await garages.settle()
    await garages.people.killed_after(commits, lambda: garages.parts.booking.move(made.id, second, by=BY))
    await garages.settle()
    await garages.sound()
    assert (await garages.parts.booking.read(made.id)).body.slot == (second if commits else first)
    await garages.again()


async def test_two_moves_at_once_leave_one_slot(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    first, *others = (await garages.free(garage))[:5]
    made = await garages.parts.booking.book(case, first, by=BY)
    done = await asyncio.gather(
        *(garages.parts.booking.move(made.id, one, by=BY) for one in others), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in done) == 1
    assert all(isinstance(one, AppointmentChanged) for one in done if isinstance(one, BaseException))
    await garages.settle()
    await garages.sound()


async def test_a_hold_keeps_a_slot_for_ten_minutes(garages: GarageHouse) -> None:
    garage, one, two = await garages.garage(), await garages.case(), await garages.case()
    slot, other, *_ = await garages.free(garage)
    held = await garages.parts.booking.hold(one, slot, by=BY)
    assert held.body.held_until == garages.now + timedelta(minutes=10)
    with pytest.raises(SlotTaken):
        await garages.parts.booking.hold(two, slot, by=BY)
    assert slot not in await garages.free(garage)
    await garages.later(timedelta(minutes=9))
    again = await garages.parts.booking.hold(one, slot, by=BY)
    assert again.body.held_until == garages.now + timedelta(minutes=10)
    # one slot at a time: choosing another gives the first back
    await garages.parts.booking.hold(one, other, by=BY)
    assert (await garages.slot(slot)).state is SlotState.FREE
    await garages.later(timedelta(minutes=11))
    assert (await garages.slot(other)).state is SlotState.FREE
    await garages.parts.booking.hold(two, slot, by=BY)
    await garages.parts.booking.release(one, slot)
    assert (await garages.slot(slot)).state is SlotState.HELD, "nobody gives back what another holds"
    await garages.parts.booking.release(two, slot)
    assert (await garages.slot(slot)).state is SlotState.FREE


async def test_a_hold_that_ends_while_it_is_booked(garages: GarageHouse) -> None:
    garage, one, two = await garages.garage(), await garages.case(), await garages.case()
    slot = (await garages.free(garage))[0]
    await garages.parts.booking.hold(one, slot, by=BY)
    due = await garages.store.load(slot)
    garages.clock.advance(timedelta(minutes=10))
    done = await asyncio.gather(
        garages.parts.booking.on_due(due),
        garages.parts.booking.book(one, slot, by=BY),
        garages.parts.booking.book(two, slot, by=BY),
        return_exceptions=True,
    )
    got = [each for each in done[1:] if not isinstance(each, BaseException)]
    assert len(got) == 1, done
    await garages.settle()
    await garages.sound()
    assert (await garages.slot(slot)).body.case == got[0].body.case


async def test_no_slot_in_the_past_and_none_without_notice(garages: GarageHouse) -> None:
    garage, case = await garages.garage(notice_minutes=180), await garages.case()
    slots = await garages.free(garage)
    first = await garages.slot(slots[0])
    assert first.body.start > garages.now + timedelta(hours=3)
    garages.clock.set(first.body.start - timedelta(hours=3))
    with pytest.raises(SlotTooSoon) as told:
        await garages.parts.booking.book(case, slots[0], by=BY)
    assert told.value.alternatives[0]["slot"] == slots[1]
    assert (await garages.parts.booking.book(case, slots[0], by=garage, notice=False)).body.slot == slots[0]
    other = await garages.case()
    garages.clock.set((await garages.slot(slots[1])).body.start)
    with pytest.raises(SlotTooSoon):
        await garages.parts.booking.book(other, slots[1], by=garage, notice=False)


async def test_what_cannot_be_booked_is_said(garages: GarageHouse) -> None:
    garage, case = await garages.garage(systems=("brakes",)), await garages.case()
    slot = (await garages.free(garage))[0]
    for wrong in (
        "slt_",
        "gar_3k7m9qxd4hwe2a5t",
        f"{garage}.1.5".replace("gar_", "slt_"),
        "slt_zzz.1",
        "x" * 300,
    ):
        with pytest.raises(NoSuchSlot):
            await garages.parts.booking.book(case, SlotId(wrong), by=BY)
    with pytest.raises(NotBookable):
        await garages.parts.booking.book(await garages.case(system="airbag"), slot, by=BY)
    await _close(garages, case)
    with pytest.raises(NotBookable):
        await garages.parts.booking.book(case, slot, by=BY)
    await garages.parts.garages.remove(garage, now=garages.now)
    with pytest.raises(NoSuchGarage):
        await garages.parts.booking.book(await garages.case(), slot, by=BY)


async def test_a_cancelled_one_gives_slot_and_case_back(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot, second, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, slot, by=BY)
    gone = await garages.parts.appointing.cancel(made.id, by="per_5c2h8tq4n6w0rj3v", why="owner")
    assert (gone.state, gone.body.sequence, gone.body.why) == (AppointmentState.CANCELLED, 1, "owner")
    read = await garages.read_case(case)
    assert (read.state, read.body.trigger.appointment) == (TriggerState.OFFERED, None)
    assert (await garages.slot(slot)).state is SlotState.FREE
    assert await garages.parts.appointing.cancel(made.id, by=BY, why="agent") == gone
    again = await garages.parts.booking.book(case, second, by=BY)
    assert again.id == appointment_of(case, 2) != made.id
    await garages.parts.appointing.cancel(again.id, by=garage, why="garage")
    assert (await garages.read_case(case)).body.trigger.why == "appointment_cancelled"
    await garages.settle()
    await garages.sound()
    await garages.again()


@pytest.mark.parametrize("commits", range(2))
async def test_killed_while_cancelling(garages: GarageHouse, commits: int) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[0]
    made = await garages.parts.booking.book(case, slot, by=BY)
    await garages.settle()
    await garages.people.killed_after(
        commits, lambda: garages.parts.appointing.cancel(made.id, by=BY, why="agent")
    )
    await garages.settle()
    await garages.sound()
    assert ((await garages.slot(slot)).state is SlotState.FREE) == (commits > 0)


async def test_a_visit_from_coming_to_done(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[-1]
    made = await garages.parts.booking.book(case, slot, by=BY)
    with pytest.raises(TooEarly):
        await garages.parts.appointing.received(made.id)
    garages.clock.set(made.body.start)
    assert (await garages.parts.appointing.received(made.id)).state is AppointmentState.RECEIVED
    with pytest.raises(AppointmentChanged):
        await garages.parts.appointing.cancel(made.id, by=BY, why="agent")
    with pytest.raises(AppointmentChanged):
        await garages.parts.booking.move(made.id, slot + "0", by=BY)
    done = await garages.parts.appointing.done(made.id)
    assert done.state is AppointmentState.DONE
    read = await garages.read_case(case)
    assert read.state is TriggerState.BOOKED, "until a clean scan proves it"
    assert read.body.trigger.due == garages.now + timedelta(days=14)
    await garages.settle()
    await garages.again()
    await garages.sound()
    await garages.later(timedelta(days=370))
    assert (await garages.store.load(made.id)).ended


async def test_a_repair_that_the_car_never_shows_is_not_the_end_of_its_case(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    made = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=BY)
    garages.clock.set(made.body.end)
    await garages.parts.appointing.done(made.id)
    await garages.later(timedelta(days=13))
    with pytest.raises(AlreadyBooked, match="finished"):
        await garages.parts.booking.book(case, (await garages.free(garage))[0], by=BY)
    await garages.sound()
    await garages.later(timedelta(days=2))
    read = await garages.read_case(case)
    assert (read.state, read.body.trigger.why) == (TriggerState.OFFERED, "not_proved")
    again = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=BY)
    assert again.id == appointment_of(case, 2)
    assert (await garages.read_case(case)).body.trigger.due is None
    await garages.settle()
    await garages.again()
    await garages.sound()


async def test_a_case_that_opens_again_while_its_repair_is_to_be_proven(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    made = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=BY)
    garages.clock.set(made.body.end)
    await garages.parts.appointing.done(made.id)

    def round_about(read: Read, _: object) -> Turn:
        story = Story(read.id, read.body, read.state, garages.now)
        end(story, "clean")
        resume(story, None, garages.parts.rules, "came_back")
        return Turn(story.body, story.facts)

    await garages.parts.cases.change(case, round_about)
    assert (await garages.read_case(case)).state is TriggerState.BOOKED
    await garages.later(timedelta(days=15))
    assert (await garages.read_case(case)).state is TriggerState.OFFERED


async def test_a_car_that_did_not_come(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[0]
    made = await garages.parts.booking.book(case, slot, by=BY)
    with pytest.raises(TooEarly):
        await garages.parts.appointing.missed(made.id)
    garages.clock.set(made.body.end)
    missed = await garages.parts.appointing.missed(made.id)
    assert (missed.state, (await garages.read_case(case)).state) == (
        AppointmentState.NO_SHOW,
        TriggerState.OFFERED,
    )
    with pytest.raises(AppointmentChanged):
        await garages.parts.appointing.done(made.id)


async def test_an_appointment_of_which_nobody_speaks_is_not_lost(garages: GarageHouse) -> None:
    garage, one, two = await garages.garage(), await garages.case(), await garages.case()
    slots = await garages.free(garage)
    silent = await garages.parts.booking.book(one, slots[0], by=BY)
    there = await garages.parts.booking.book(two, slots[1], by=BY)
    await garages.settle()
    garages.clock.set(there.body.start)
    await garages.parts.appointing.received(there.id)
    await garages.later(timedelta(days=4))
    assert (await garages.parts.booking.read(silent.id)).body.why == "unheard"
    assert (await garages.read_case(one)).state is TriggerState.OFFERED
    await garages.later(timedelta(days=15))
    assert (await garages.parts.booking.read(there.id)).state is AppointmentState.DONE


async def test_a_garage_that_closes_and_a_car_that_is_sold(garages: GarageHouse) -> None:
    garage, other = await garages.garage(), await garages.garage(name="Garage Zuid")
    owner = await garages.people.owner("owner@example.org")
    from tests.service.people_house import CAR

    one, two = await garages.case(), await garages.case(vehicle=CAR)
    first = await garages.parts.booking.book(one, (await garages.free(garage))[0], by=BY)
    second = await garages.parts.booking.book(two, (await garages.free(other))[0], by=owner)
    await garages.settle()
    await garages.parts.garages.remove(garage, now=garages.now)
    await garages.people.people.cars.release(CAR, by=None, now=garages.now)
    await garages.settle()
    assert (await garages.parts.booking.read(first.id)).body.why == "garage_closed"
    assert (await garages.parts.booking.read(second.id)).body.why == "car_released"
    assert (await garages.slot(second.body.slot)).state is SlotState.FREE
    await garages.sound()


async def test_the_sweep_mends_both_ways_and_finds_nothing_at_rest(garages: GarageHouse) -> None:
    garage, one, two = await garages.garage(), await garages.case(), await garages.case()
    slots = await garages.free(garage)
    await garages.parts.booking.book(await garages.case(), slots[2], by=BY)
    await garages.settle()
    assert await garages.parts.appointing.sweep(garage) == 0
    assert await garages.people.killed_after(1, lambda: garages.parts.booking.book(one, slots[0], by=BY))
    assert await garages.parts.appointing.sweep(garage) == 0, "not before its own timer had its turn"
    garages.clock.advance(timedelta(minutes=2))
    assert await garages.parts.appointing.sweep(garage) == 1, "a slot without its appointment"
    assert (await garages.read_case(one)).state is TriggerState.BOOKED
    made = await garages.parts.booking.book(two, slots[1], by=BY)
    await garages.settle()
    await garages.parts.booking.free(slots[1], made.id, "cancelled")
    assert await garages.parts.appointing.sweep(garage) == 1, "an appointment without its slot"
    assert (await garages.parts.booking.read(made.id)).body.why == "slot_lost"
    await garages.settle()
    assert await garages.parts.appointing.sweep(garage) == 0
    await garages.sound()


async def test_a_garage_that_closes_between_the_steps_of_a_booking(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[0]
    assert await garages.people.killed_after(1, lambda: garages.parts.booking.book(case, slot, by=BY))
    await garages.parts.garages.remove(garage, now=garages.now)
    await garages.settle()
    assert (await garages.read_case(case)).state is TriggerState.OFFERED
    assert (await garages.slot(slot)).state is SlotState.FREE
    await garages.sound()


async def _close(garages: GarageHouse, case: CaseId) -> None:
    def decide(read, _):
        now = garages.now
        return Turn(read.body, [told(CaseClosed, read, now, why="clean"), told(TriggerEnded, read, now)])

    await garages.parts.cases.change(case, decide)


async def test_time_looks_after_every_kind_of_thing(garages: GarageHouse) -> None:
    """A timer without its handler would leave a case, a person's calls, a garage, a slot or a visit behind."""
    assert garages.parts.timers().keys() >= {"cse", "flt", "gar", "slt", "apt", "bkl", DAYS}


async def test_a_good_appointment_that_is_moved_while_the_sweep_looks_stays(
    garages: GarageHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    garage, case = await garages.garage(), await garages.case()
    first, second, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, first, by=BY)
    await garages.settle()
    load = garages.parts.appointing._store.load

    async def moved_meanwhile(subject: str) -> Saved:
        if subject == first:
            monkeypatch.undo()
            await garages.parts.booking.move(made.id, second, by=BY)
        return await load(subject)

    monkeypatch.setattr(garages.parts.appointing._store, "load", moved_meanwhile)
    assert await garages.parts.appointing._has_its_slot(made.id)
    after = await garages.parts.booking.read(made.id)
    assert (after.state, after.body.slot) == (AppointmentState.BOOKED, second)
    await garages.settle()
    await garages.sound()


async def test_slots_are_made_before_anything_is_swept_and_only_what_is_to_come_is(
    garages: GarageHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    garage, one, two = await garages.garage(fill=False), await garages.case(), await garages.case()

    async def broken(_: GarageId) -> int:
        raise RuntimeError("the sweep")

    monkeypatch.setattr(garages.parts.appointing, "sweep", broken)
    with pytest.raises(RuntimeError, match="the sweep"):
        await garages.parts.garage_day(await garages.store.load(garage))
    monkeypatch.undo()
    slots = await garages.free(garage)
    past = await garages.parts.booking.book(one, slots[0], by=BY)
    ahead = await garages.parts.booking.book(two, slots[-1], by=BY)
    await garages.settle()
    garages.clock.set(past.body.end)
    found = await garages.parts.appointing.of_garage(garage, garages.now)
    assert [each.id for each in found] == [ahead.id]
    await garages.parts.appointing.done(past.id)
    await garages.later(timedelta(days=400))
    members = (await garages.parts.index.page(OF_GARAGE, garage)).members
    assert past.id not in members, "what is forgotten is on no list"


async def test_a_visit_that_has_begun_is_not_cancelled_by_a_closing_garage(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    made = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=BY)
    await garages.settle()
    garages.clock.set(made.body.start)
    await garages.parts.garages.remove(garage, now=garages.now)
    await garages.settle()
    assert (await garages.parts.booking.read(made.id)).state is AppointmentState.BOOKED
    assert (await garages.parts.appointing.done(made.id)).state is AppointmentState.DONE


async def test_a_car_that_nobody_received_is_not_done_before_its_time(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    made = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=BY)
    garages.clock.set(made.body.start - HOUR)
    with pytest.raises(TooEarly):
        await garages.parts.appointing.done(made.id)
    await garages.parts.appointing.received(made.id)
    assert (await garages.parts.appointing.done(made.id)).state is AppointmentState.DONE


async def test_a_garages_link_shows_what_comes_first_and_pages_on(garages: GarageHouse) -> None:
    limits = garages.parts.limits.garages.model_copy(update={"visits_shown": 2})
    garages.parts.capacity._limits = limits
    garage = await garages.garage(bays=2)
    there = await garages.parts.capacity.of_garage(
        await garages.parts.garages.read(garage), garages.now, garages.now + 3 * DAY
    )
    made = [
        (await garages.parts.booking.book(await garages.case(), one.id, by=BY, notice=False)).body.start
        for one in there[1:6]
    ]
    await garages.settle()
    link, seen, start = GarageLink(garage, None), list[object](), None
    for _ in range(4):
        page = await garages.parts.garage_desk.shown(link, start=start)
        seen += [one.start for one in page.data]
        start = page.next
        if start is None:
            break
    assert seen == sorted(made)


async def test_what_was_held_is_given_back_when_another_is_booked(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    held, booked, *_ = await garages.free(garage)
    await garages.parts.booking.hold(case, held, by=BY)
    await garages.parts.booking.book(case, booked, by=BY)
    assert (await garages.slot(held)).state is SlotState.FREE
    await garages.settle()
    await garages.sound()


async def test_a_slot_that_the_hours_do_not_have_any_more_goes_when_it_is_freed(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot, held, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, slot, by=BY)
    await garages.parts.booking.hold(await garages.case(), held, by=BY)
    saturday = {"sat": (Opening(start="09:00", end="12:00"),)}
    await garages.parts.garages.set_hours(garage, saturday, now=garages.now)
    await garages.fire()
    await garages.parts.appointing.cancel(made.id, by=BY, why="agent")
    await garages.later(timedelta(minutes=11))
    for one in (slot, held):
        assert (await garages.slot(one)).state is SlotState.WITHDRAWN
    await garages.settle()
    await garages.sound()
    await garages.again()
    weekdays = (await garages.parts.garages.read(garage)).details.but(hours=details().hours)
    await garages.parts.garages.change(garage, weekdays, now=garages.now)
    await garages.fire()
    assert slot in await garages.free(garage), "back with the hours"


async def test_a_case_is_booked_so_often_in_a_day(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    slot = (await garages.free(garage))[-1]
    for _ in range(garages.parts.limits.garages.booked_a_day):
        made = await garages.parts.booking.book(case, slot, by=BY)
        await garages.parts.appointing.cancel(made.id, by=BY, why="owner")
    with pytest.raises(BookedTooOften) as told:
        await garages.parts.booking.book(case, slot, by=BY)
    assert told.value.retry_after == 24 * 3600
    assert (await garages.slot(slot)).state is SlotState.FREE
    garages.clock.advance(DAY)
    await garages.parts.booking.book(case, slot, by=BY)


async def test_the_people_of_a_car_move_a_visit_so_often_and_no_more(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case()
    first, second, third, *_ = await garages.free(garage)
    made, booking = await garages.parts.booking.book(case, first, by=OWNER), garages.parts.booking
    for n in range(garages.parts.limits.garages.moves_most):
        moved = await booking.move(made.id, (second, first)[n % 2], by=OWNER)
        assert await booking.move(made.id, (second, first)[n % 2], by=OWNER) == moved, "again: the same"
    with pytest.raises(MovedTooOften):
        await booking.move(made.id, first, by=OWNER)
    assert (await garages.slot(first)).state is SlotState.FREE, "no slot is kept from others meanwhile"
    assert (await booking.move(made.id, third, by=garage)).body.slot == third, "the garage still can"
    await garages.parts.appointing.cancel(made.id, by=OWNER, why="owner")
    await garages.settle()
    await garages.sound()
    await garages.again()


async def test_who_moves_a_visit_that_became_dangerous_has_answered(garages: GarageHouse) -> None:
    garage, case = await garages.garage(), await garages.case("medium")
    first, second = (await garages.free(garage))[-2:]
    made, cases = await garages.parts.booking.book(case, first, by=OWNER), garages.parts.cases

    def worse(read: Read, _: Any) -> Turn:
        story = Story(read.id, read.body, read.state, garages.now)
        more_urgent(story, None, garages.parts.rules, "critical", "x")
        return Turn(story.body, story.facts)

    await cases.change(case, worse)
    await garages.later(DAY)
    assert [one.kind for one in garages.seen].count("case.told_again") == 1
    await garages.parts.booking.move(made.id, second, by=garage)
    assert (await cases.read(case)).body.trigger.again is not None, "that was the garage"
    await garages.parts.booking.move(made.id, first, by=OWNER)
    assert (await cases.read(case)).body.trigger.again is None
    await garages.settle()
    await garages.sound()
    await garages.again()
