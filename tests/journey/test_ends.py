"""Every way a delivery can end: who hears of it, and that its key opens nothing afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from tests.journey.sink import Sink
from tests.journey.stand import (
    Cast,
    Stand,
    decide,
    finish,
    mailed,
    order_unnamed,
    question,
    ready_to_open,
    until,
)
from tests.journey.straight import Straight
from trunkline.play import Refused

STRANGE_ADDRESS = "TL-2222-2222-2222"


async def test_declined(stand: Stand, cast: Cast, sink: Sink) -> None:
    delivery = await order_unnamed(cast, "declined")
    await decide(cast.owner, delivery, "decline")
    assert (await cast.carrier.wait_for(delivery, {"declined"}))["key"]["state"] == "none"
    await sink.wait("delivery.declined", delivery)
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight:
        assert not any(one.kind.startswith("key.") for one in await straight.facts(delivery))


async def test_a_silent_no_looks_like_an_address_that_does_not_exist(cast: Cast, sink: Sink) -> None:
    silent, unknown = (
        await order_unnamed(cast, "silent"),
        await order_unnamed(cast, "nobody", address=STRANGE_ADDRESS),
    )
    await decide(cast.owner, silent, "decline", silent=True)
    own = {"id", "parcels", "window", "requested_at", "approve_by"}
    seen = []
    for one in (silent, unknown):
        await cast.carrier.wait_for(one, {"address_not_usable"})
        await until(partial(_ended, cast, one), "it has ended")
        view = await cast.carrier.view(one)
        seen.append({name: value for name, value in view.items() if name not in own})
    assert seen[0] == seen[1]
    for one in (silent, unknown):
        await sink.wait("delivery.address_not_usable", one)


@pytest.mark.parametrize("moment", ["asked", "keyed", "arrived"])
async def test_blocked_by_the_owner(stand: Stand, cast: Cast, sink: Sink, moment: str) -> None:
    delivery, token = await _brought_to(cast, moment)
    before = await _block(cast, delivery)
    assert before["state"] == "blocked"
    if moment == "asked":
        await cast.carrier.wait_for(delivery, {"declined"})
        await sink.wait("delivery.declined", delivery)
        return
    await sink.wait("delivery.blocked", delivery)
    await mailed(cast.owner, "Blocked", delivery)
    await until(lambda: _destroyed(cast, delivery), "the key is destroyed")
    with pytest.raises(Refused) as over:
        await cast.courier.post(delivery, "challenge")
    assert over.value.status == 409
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight:
        assert (await straight.present("blocked", token, cast.courier.device)).code == "revoked"
        assert await straight.openings(delivery) == 0


async def test_blocked_while_the_tap_is_on_its_way(stand: Stand, cast: Cast) -> None:
    """The car is out of reach when the courier taps, the owner blocks, and the command comes too late."""
    delivery, token = await ready_to_open(cast, "blocked-late")
    proof = await cast.courier.prove(delivery, token)
    await stand.car(mode="no_coverage")
    await stand.car_comes_to("latched", connected=False)
    answer = await cast.courier.post(
        delivery, "open", {"proof": proof, "position": cast.courier.here}, wait=0
    )
    assert answer["outcome"] == "pending"
    assert (await _block(cast, delivery))["state"] == "blocked"
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight:
        await until(lambda: _given_up(straight, delivery), "the command has ended")
        await stand.car(mode="awake")
        await stand.car_comes_to("latched")
        await until(lambda: _destroyed(cast, delivery), "the key is destroyed")
        assert await straight.openings(delivery) == 0
        assert (await straight.present("late", token, cast.courier.device)).code == "revoked"


async def test_cancelled_by_the_carrier(cast: Cast, sink: Sink) -> None:
    delivery, _ = await _brought_to(cast, "keyed")
    path = f"/v1/deliveries/{delivery}/cancel"
    await cast.carrier.api.call("POST", path, {}, token=cast.carrier.token)
    await cast.carrier.wait_for(delivery, {"cancelled"})
    await sink.wait("delivery.cancelled", delivery)
    await mailed(cast.owner, "Cancelled", delivery)
    await until(lambda: _destroyed(cast, delivery), "the key is destroyed")


async def test_the_courier_cannot_do_it(cast: Cast, sink: Sink) -> None:
    delivery, _ = await _brought_to(cast, "arrived")
    await cast.courier.post(delivery, "fail", {"reason": "no_room"})
    assert (await cast.carrier.wait_for(delivery, {"failed"}))["failure"] == "no_room"
    await sink.wait("delivery.failed", delivery)
    await mailed(cast.owner, "It did not work out", delivery)
    await until(lambda: _destroyed(cast, delivery), "the key is destroyed")


async def test_left_open(stand: Stand, cast: Cast, sink: Sink) -> None:
    async with person_at_the_boot(stand, "--shuts-after", "-1"):
        delivery, token = await ready_to_open(cast, "left-open")
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
        await cast.carrier.wait_for(delivery, {"left_open"})
        await sink.wait("delivery.left_open", delivery)
        await mailed(cast.owner, "stands open", delivery)
        await stand.car(lid="shut")
        await stand.car_comes_to("latched")
        await finish(cast, delivery)


async def test_not_lifted(stand: Stand, cast: Cast, sink: Sink) -> None:
    async with person_at_the_boot(stand, "--lifts-after", "-1"):
        delivery, token = await ready_to_open(cast, "not-lifted")
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
        await stand.car_comes_to("latched")
        await cast.carrier.wait_for(delivery, {"closed", "failed"})
        seen = await cast.carrier.wait_for(delivery, {"failed"})
        assert seen["failure"] in {"not_lifted", None}
        await sink.wait("delivery.failed", delivery)
        await mailed(cast.owner, "It did not work out", delivery)


async def test_the_latch_says_nothing(stand: Stand, cast: Cast, sink: Sink) -> None:
    delivery, token = await ready_to_open(cast, "jammed")
    await stand.car(jammed=True)
    answer = await cast.courier.open(delivery, token)
    assert (answer["outcome"], answer["may_have_happened"]) == ("unsure", True)
    await sink.wait("delivery.unsure", delivery)
    await mailed(cast.owner, "may be open", delivery)
    await stand.car(jammed=False)
    await stand.car_comes_to("latched")
    await finish(cast, delivery)


async def test_the_unit_dies_before_it_answers(stand: Stand, cast: Cast, sink: Sink) -> None:
    """The broker took the command, nobody answers: unsure, told to both; the late unit does not open."""
    delivery, token = await ready_to_open(cast, "dead-unit")
    proof = await cast.courier.prove(delivery, token)
    await stand.kill("unit-car")
    answer = await cast.courier.post(
        delivery, "open", {"proof": proof, "position": cast.courier.here}, wait=1
    )
    assert answer["outcome"] in {"pending", "unsure"}
    await cast.carrier.wait_for(delivery, {"unsure"})
    await sink.wait("delivery.unsure", delivery)
    await mailed(cast.owner, "may be open", delivery)
    await stand.start_again("unit-car")
    await stand.car_comes_to("latched")
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight:
        assert await straight.openings(delivery) == 0
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
        await finish(cast, delivery)
        assert await straight.openings(delivery) == 1


async def test_the_broker_is_down_at_the_tap(stand: Stand, cast: Cast) -> None:
    """Nothing can have been sent, and that is what is said."""
    delivery, token = await ready_to_open(cast, "no-broker")
    proof = await cast.courier.prove(delivery, token)
    await stand.kill("broker")
    answer = await cast.courier.post(
        delivery, "open", {"proof": proof, "position": cast.courier.here}, wait=8
    )
    assert (answer["outcome"], answer["try_again"], answer["may_have_happened"]) == ("not_sent", True, False)
    await stand.start_again("broker")
    await stand.car_comes_to("latched")
    await until(lambda: _opens(cast, delivery, token), "it opens when the broker is back")
    await finish(cast, delivery)


@asynccontextmanager
async def person_at_the_boot(stand: Stand, *options: str) -> AsyncIterator[None]:
    """The car's process with another person at the boot; afterwards as before."""
    try:
        await stand.kill("unit-car")
        await stand.by_hand(stand.stage.start_unit, "car", options=(*stand.unit_options(), *options))
        await stand.car_comes_to("latched")
        yield
    finally:
        await stand.kill("unit-car")
        await stand.start_again("unit-car")
        await stand.car_comes_to("latched")


async def _opens(cast: Cast, delivery: str, token: str) -> bool:
    try:
        return bool((await cast.courier.open(delivery, token))["outcome"] == "opened")
    except Refused as refused:
        if not refused.problem["try_again"]:
            raise
        await asyncio.sleep(0.2)
        return False


async def _brought_to(cast: Cast, moment: str) -> tuple[str, str]:
    if moment == "arrived":
        return await ready_to_open(cast, moment)
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference=moment)
    if moment == "asked":
        await question(cast.owner, delivery)  # this delivery's own mail: others' lie in the box, too
        return delivery, ""
    await decide(cast.owner, delivery)
    return delivery, await cast.courier.key(delivery)


async def _block(cast: Cast, delivery: str) -> dict[str, str]:
    path = f"/v1/owner/deliveries/{delivery}/block"
    blocked: dict[str, str] = await cast.owner.api.call("POST", path, token=cast.owner.token)
    return blocked


async def _destroyed(cast: Cast, delivery: str) -> bool:
    return bool((await cast.owner.view(delivery))["key"]["state"] == "destroyed")


async def _ended(cast: Cast, delivery: str) -> bool:
    return (await cast.carrier.view(delivery))["ended"] is not None


async def _given_up(straight: Straight, delivery: str) -> bool:
    ends = {"command.unanswered", "command.expired", "command.undeliverable"}
    facts = await straight.facts(delivery)
    return any(one.kind in ends and getattr(one, "op", "") == "present" for one in facts)
