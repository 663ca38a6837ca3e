"""Receipts that a phone brings before the car can: told as far as they are unbroken, once, and judged all the same."""

import asyncio
from itertools import permutations

import pytest

from keys.car.jwk import b64
from keys.limits import KeysLimits
from keys.model import Chain
from keys.states import State
from spine.facts.keys import BootOpened, KeyConsumed, ReceiptRejected
from spine.ids import UnitId
from tests.keys_world import UNIT
from tests.service.keys_desk import Desk, desk

__all__ = ["desk"]

LIFE = ("consumed", "opened", "closed", "locked")
TOLD = ["key.consumed", "key.destroyed", "boot.opened", "boot.closed", "boot.locked"]
OTHER = "dlv_7baaaaaaaaaaaaaa"


async def chain(desk: Desk) -> Chain:
    return Chain.model_validate_json((await desk.store.load(f"chn_{UNIT[3:]}")).body)


def reasons(desk: Desk) -> list[str]:
    return [fact.reason for fact in desk.seen if isinstance(fact, ReceiptRejected)]


async def test_room_that_was_promised_counts_before_its_receipts_are_read(desk: Desk) -> None:
    """Phones that ask side by side, or faster than ``work`` reads, get no more room than is there."""
    half = KeysLimits().receipts_held // 2
    asked = [range(2 + 16 * n, 18 + 16 * n) for n in range(5)]
    given = await asyncio.gather(*(desk.keys.room_for(UnitId(UNIT), numbers) for numbers in asked))
    assert sum(given) * 16 <= half < (sum(given) + 1) * 16
    granted = next(numbers for numbers, room in zip(asked, given, strict=True) if room)
    assert await desk.keys.room_for(UnitId(UNIT), granted), "the same again takes no more"


async def test_an_opening_is_told_although_the_car_s_earlier_receipts_have_not_come(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    before = [desk.unit.write("locked") for _ in range(3)]
    life = [await desk.receipt(out, key, via="local") for out in LIFE]
    assert await desk.bring(*life) == TOLD
    assert (await desk.keys.view(key)).how_destroyed == "consumed"
    opened = next(fact for fact in desk.seen if isinstance(fact, BootOpened))
    assert (opened.n, opened.via) == (5, "local")
    await desk.again()
    assert await desk.bring(*before, *life) == []  # the car is back
    now = await chain(desk)
    assert (now.n, now.held, now.ahead, now.rejected) == (7, {}, [], [])
    await desk.again()


@pytest.mark.parametrize("order", list(permutations(range(4)))[1::5])
async def test_in_any_order_they_are_told_in_theirs(desk: Desk, order: tuple[int, ...]) -> None:
    key = await desk.ready()
    await desk.settle()
    desk.unit.write("locked")
    life = [await desk.receipt(out, key) for out in LIFE]
    assert await desk.bring(*[life[n] for n in order]) == TOLD
    await desk.again()


async def test_what_has_a_hole_waits(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    desk.unit.write("locked")
    consumed, opened, closed, locked = [await desk.receipt(out, key) for out in LIFE]
    assert await desk.bring(opened, closed, locked) == []
    assert (await desk.keys.view(key)).state is State.HANDED_OUT
    assert await desk.bring(consumed) == TOLD


async def test_another_key_s_receipt_between_ends_what_is_told(desk: Desk) -> None:
    key, other = await desk.ready(), await desk.ready(OTHER)
    await desk.settle()
    first = desk.unit.write("locked")
    view = await desk.keys.view(other)
    consumed = await desk.receipt("consumed", key)
    between = desk.unit.write("refused", jti=view.jti, seq=view.seq, dlv=OTHER, code="busy")
    opened = await desk.receipt("opened", key)
    assert await desk.bring(consumed, opened) == ["key.consumed", "key.destroyed"]
    assert await desk.bring(first, between) == ["key.refused", "boot.opened"]
    assert (await chain(desk)).rejected == []
    await desk.again()


async def test_a_refusal_waits_for_what_came_before_it(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    consumed = await desk.receipt("consumed", key)
    refused = await desk.receipt("refused", key, code="already_used")
    assert await desk.bring(refused) == []
    assert await desk.bring(consumed) == ["key.consumed", "key.destroyed", "key.refused"]


async def test_a_refusal_before_what_was_told_is_told_when_it_comes(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    refused = await desk.receipt("refused", key, code="stale_trust")
    assert await desk.bring(*[await desk.receipt(out, key) for out in LIFE]) == TOLD
    assert await desk.bring(refused) == ["key.refused"]
    assert reasons(desk) == []
    await desk.again()


async def test_a_key_nobody_made_is_not_told_and_judged_in_its_turn(desk: Desk) -> None:
    first = desk.unit.write("locked")
    invented = desk.unit.write("consumed", jti=b64(b"x" * 16), seq=99)
    assert await desk.bring(invented) == []
    assert await desk.bring(first) == ["receipt.rejected"]
    assert reasons(desk) == ["unknown_key"]


async def test_a_second_consumption_that_comes_late_is_a_contradiction(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    first = await desk.receipt("consumed", key)
    assert await desk.bring(await desk.receipt("consumed", key)) == ["key.consumed", "key.destroyed"]
    assert await desk.bring(first) == ["receipt.rejected"]
    assert reasons(desk) == ["out_of_order"]
    assert len([fact for fact in desk.seen if isinstance(fact, KeyConsumed)]) == 1


async def test_a_fork_behind_what_was_told_is_found_when_the_car_is_back(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    twin = desk.unit.fork()
    desk.unit.write("locked")
    assert await desk.bring(await desk.receipt("consumed", key)) == ["key.consumed", "key.destroyed"]
    assert await desk.bring(twin.write("closed")) == ["receipt.rejected"]
    assert reasons(desk) == ["fork"]
    await desk.again()


async def test_there_is_room_for_what_is_brought_only_up_to_half(desk: Desk) -> None:
    receipts = [desk.unit.write("locked") for _ in range(40)]
    unit = desk.wanted().unit
    assert await desk.keys.room_for(unit, range(2, 34))
    assert not await desk.keys.room_for(unit, range(2, 35))
    await desk.bring(*receipts[1:31])
    assert await desk.keys.room_for(unit, range(2, 34))
    assert not await desk.keys.room_for(unit, range(32, 36))
    await desk.bring(receipts[0])
    assert await desk.keys.room_for(unit, range(1, 60))
