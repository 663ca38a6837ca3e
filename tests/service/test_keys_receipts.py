"""Receipts on a real store: in order, once each, and only what the car signed becomes a fact."""

from datetime import timedelta
from itertools import permutations

import pytest

from keys.car.jws import SigningKey
from keys.model import Chain
from keys.states import State
from spine.facts.keys import BootOpened, KeyRefused, ReceiptRejected
from spine.facts.vehicle import UnitReceipt
from spine.ids import UnitId
from tests.keys_unit import Receipting
from tests.keys_world import OTHER_UNIT, SECONDS, UNIT
from tests.service.keys_desk import VEHICLE, Desk, desk

__all__ = ["desk"]

LIFE = ("consumed", "opened", "closed", "locked")


async def head(desk: Desk) -> Chain:
    return Chain.model_validate_json((await desk.store.load(f"chn_{UNIT[3:]}")).body)


def reasons(desk: Desk) -> list[str]:
    return [fact.reason for fact in desk.seen if isinstance(fact, ReceiptRejected)]


async def test_a_life_as_the_car_tells_it(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    told = await desk.bring(*[await desk.receipt(out, key) for out in LIFE])
    assert told == ["key.consumed", "key.destroyed", "boot.opened", "boot.closed", "boot.locked"]
    view = await desk.keys.view(key)
    assert (view.state, view.how_destroyed, view.live, view.dies_at) == (
        State.CONSUMED,
        "consumed",
        False,
        None,
    )
    opened = next(fact for fact in desk.seen if isinstance(fact, BootOpened))
    assert (opened.n, opened.key, opened.vehicle, opened.via) == (2, key, VEHICLE, "mqtt")
    assert opened.unit_at is not None
    assert opened.unit_at.timestamp() == pytest.approx(SECONDS + 0.001)
    assert (await head(desk)).n == 4
    await desk.again()


async def test_the_facts_and_the_keys_state_are_one_commit(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    before = await desk.log.last(7)
    await desk.bring(await desk.receipt("consumed", key))
    positions = [entry.position for entry in await desk.log.read(7, before)]
    assert [position.partition("-")[0] for position in positions[1:]].count(
        positions[1].partition("-")[0]
    ) == 2


@pytest.mark.parametrize("order", list(permutations(range(4)))[1::5])
async def test_receipts_that_come_early_wait_for_the_others(desk: Desk, order: tuple[int, ...]) -> None:
    key = await desk.ready()
    await desk.settle()
    receipts = [await desk.receipt(out, key) for out in LIFE]
    told = await desk.bring(*[receipts[n] for n in order])
    assert told == ["key.consumed", "key.destroyed", "boot.opened", "boot.closed", "boot.locked"]
    chain = await head(desk)
    assert (chain.n, chain.held, chain.rejected) == (4, {}, [])
    await desk.again()


async def test_a_duplicate_changes_nothing(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    receipt = await desk.receipt("consumed", key)
    await desk.bring(receipt)
    before = await desk.subjects()
    assert await desk.bring(receipt, receipt) == []
    assert await desk.subjects() == before


async def test_a_fork_is_rejected_and_no_key_changes(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    twin = desk.unit.fork()
    view = await desk.keys.view(key)
    await desk.bring(await desk.receipt("consumed", key))
    before = await desk.keys.view(key)
    forked = twin.write("refused", jti=view.jti, seq=view.seq, code="expired")
    assert await desk.bring(forked) == ["receipt.rejected"]
    later = twin.write("opened", jti=view.jti, seq=view.seq)
    assert await desk.bring(later) == ["receipt.rejected"]
    assert reasons(desk) == ["fork", "fork"]
    assert await desk.keys.view(key) == before
    await desk.again()


async def test_a_fork_among_those_that_wait(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    view = await desk.keys.view(key)
    first = await desk.receipt("consumed", key)
    twin = desk.unit.fork()
    second, other = await desk.receipt("opened", key), twin.write("not_lifted", jti=view.jti, seq=view.seq)
    assert await desk.bring(second, other) == ["receipt.rejected"]
    assert await desk.bring(first) == ["key.consumed", "key.destroyed", "boot.opened"]
    assert reasons(desk) == ["fork"]


async def test_a_foreign_signature_is_rejected(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    view = await desk.keys.view(key)
    stranger = Receipting(SigningKey.draw())
    assert await desk.bring(stranger.write("consumed", jti=view.jti, seq=view.seq)) == ["receipt.rejected"]
    good = await desk.receipt("consumed", key)
    assert await desk.bring(good[:-6] + "AAAAAA", "x" * 30) == ["receipt.rejected", "receipt.rejected"]
    assert reasons(desk) == ["signer", "signature", "form"]
    assert (await desk.keys.view(key)).state is State.HANDED_OUT
    assert await desk.bring(good) == ["key.consumed", "key.destroyed"]
    await desk.again()


async def test_another_units_receipt_is_rejected(desk: Desk) -> None:
    receipt = desk.unit.write("revoked", rev=1)
    fact = UnitReceipt(at=desk.clock.now(), vehicle=VEHICLE, unit=UnitId(OTHER_UNIT), receipt=receipt)
    await desk.tell(fact)
    assert await desk.settle() == ["receipt.rejected"]
    assert reasons(desk) == ["unknown_unit"]


async def test_a_generation_that_goes_back_is_rejected(desk: Desk) -> None:
    key = await desk.ready()
    second = await desk.ready("dlv_7baaaaaaaaaaaaaa")
    await desk.settle()
    view = await desk.keys.view(second)
    told = await desk.bring(
        await desk.receipt("consumed", key, gen=5),
        desk.unit.write("consumed", jti=view.jti, seq=view.seq, dlv="dlv_7baaaaaaaaaaaaaa", gen=4),
    )
    assert told == ["key.consumed", "key.destroyed", "receipt.rejected"]
    assert reasons(desk) == ["generation"]
    assert (await desk.keys.view(second)).state is State.HANDED_OUT
    await desk.again()


async def test_a_key_nobody_made_is_rejected_and_the_chain_goes_on(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    invented = desk.unit.write("consumed", jti="B" * 22, seq=99)
    assert await desk.bring(invented, await desk.receipt("consumed", key)) == [
        "receipt.rejected", "key.consumed", "key.destroyed",
    ]  # fmt: skip
    assert reasons(desk) == ["unknown_key"]


async def test_a_second_consumption_of_one_key_is_a_contradiction(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    told = await desk.bring(await desk.receipt("consumed", key), await desk.receipt("consumed", key))
    assert told == ["key.consumed", "key.destroyed", "receipt.rejected"]
    assert reasons(desk) == ["out_of_order"]


async def test_a_refusal_changes_no_key(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    before = await desk.store.load(key)
    assert await desk.bring(await desk.receipt("refused", key, code="vehicle_state")) == ["key.refused"]
    refused = next(fact for fact in desk.seen if isinstance(fact, KeyRefused))
    assert refused.code == "vehicle_state"
    after = await desk.store.load(key)
    assert (after.state, after.body) == (before.state, before.body)
    await desk.again()


async def test_a_late_receipt_corrects_what_had_run_out(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    receipts = [await desk.receipt(out, key) for out in LIFE]
    saved = await desk.store.load(key)
    desk.clock.advance(timedelta(hours=3))
    await desk.keys.on_due(saved)
    assert await desk.settle() == ["key.destroyed"]
    assert await desk.bring(*receipts) == ["key.consumed", "boot.opened", "boot.closed", "boot.locked"]
    assert (await desk.keys.view(key)).how_destroyed == "consumed"
    await desk.again()


async def test_power_cut_after_consuming(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    told = await desk.bring(
        await desk.receipt("consumed", key),
        await desk.receipt("indeterminate", key),
        await desk.receipt("locked", key),
    )
    assert told == ["key.consumed", "key.destroyed", "boot.indeterminate", "boot.locked"]
    assert (await desk.keys.view(key)).how_destroyed == "indeterminate"
    await desk.again()


async def test_a_receipt_without_a_key_moves_only_the_chain(desk: Desk) -> None:
    assert await desk.bring(desk.unit.write("locked")) == []
    assert (await head(desk)).n == 1
    await desk.again()


async def test_a_receipt_of_a_forgotten_key(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    late = await desk.receipt("refused", key, code="expired")
    for advance in (timedelta(hours=3), timedelta(days=91)):
        desk.clock.advance(advance)
        await desk.keys.on_due(await desk.store.load(key))
    await desk.settle()
    assert await desk.bring(late) == []
    assert (await head(desk)).n == 1


async def test_more_than_can_wait_is_rejected(desk: Desk) -> None:
    receipts = [desk.unit.write("locked") for _ in range(67)]
    told = await desk.bring(*receipts[1:])
    assert told == ["receipt.rejected", "receipt.rejected"]
    assert reasons(desk) == ["gap", "gap"]
    await desk.bring(receipts[0])
    assert (await head(desk)).n == 65
    await desk.bring(receipts[65], receipts[66])
    assert (await head(desk)).n == 67
    assert len((await head(desk)).recent) == 64
