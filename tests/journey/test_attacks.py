"""Whoever tries to open twice, late, elsewhere or with other bytes: at most one opening, no telling answer."""

import asyncio
import base64
import contextlib
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from keys.car.proof import make_proof
from tests.journey.stand import Cast, Stand, decide, finish, order_unnamed, ready_to_open, until
from tests.journey.straight import Straight
from trunkline.play import Refused
from vehicle_gateway.commands import CommandView
from vehicle_gateway.states import CommandState

STRANGER: tuple[CommandState, str, dict[str, object], bool] = (CommandState.REFUSED, "refused", {}, False)
"""All that anybody learns who has not proven to hold the key's device."""


def said(view: CommandView) -> tuple[CommandState, str, dict[str, object], bool]:
    """What an answer tells."""
    return view.state, view.code, dict(view.data), view.may_have_opened


@pytest.fixture
async def straight(stand: Stand, cast: Cast) -> AsyncIterator[Straight]:
    async with Straight.of(stand, cast.vehicle, cast.unit) as way:
        yield way


async def test_two_couriers_with_copies_of_one_key(stand: Stand, cast: Cast, straight: Straight) -> None:
    delivery, token = await ready_to_open(cast, "copies")
    thief = await stand.more_courier(cast)
    with pytest.raises(Refused) as unknown:
        await thief.post(delivery, "challenge")
    assert (unknown.value.status, unknown.value.problem["code"]) == (404, "delivery.not_found")
    mine, copied = await asyncio.gather(
        cast.courier.open(delivery, token), straight.present("thief", token, thief.device)
    )
    assert mine["outcome"] == "opened"
    assert said(copied) == STRANGER
    await finish(cast, delivery)
    assert await straight.openings(delivery) == 1


async def test_the_same_key_twice(cast: Cast, straight: Straight) -> None:
    delivery, token = await ready_to_open(cast, "twice")
    assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
    with pytest.raises(Refused) as again:
        await cast.courier.open(delivery, token)
    assert (again.value.status, again.value.problem["code"]) == (409, "delivery.not_in_this_state")
    await finish(cast, delivery)
    second = await straight.present("again", token, cast.courier.device)
    assert (second.state, second.code, second.may_have_opened) == (
        CommandState.REFUSED,
        "already_used",
        False,
    )
    await _refused_with(straight, delivery, "already_used")
    assert await straight.openings(delivery) == 1


async def _soon_over(cast: Cast) -> tuple[str, str]:
    """A key whose window ends soon; on a machine where it was over before the courier had it, a longer one."""
    for seconds in (6, 24):
        with contextlib.suppress(Refused, LookupError):
            return await ready_to_open(cast, "late", seconds=seconds)
    return await ready_to_open(cast, "late", seconds=96)


async def test_a_key_after_its_window(cast: Cast, straight: Straight) -> None:
    delivery, token = await _soon_over(cast)
    await cast.carrier.wait_for(delivery, {"expired"})
    with pytest.raises(Refused) as late:
        await cast.courier.open(delivery, token)
    assert late.value.status == 409

    async def expired() -> bool:  # by the unit's clock, which may be a little behind
        view = await straight.present("late", token, cast.courier.device)
        assert view.state is CommandState.REFUSED
        return view.code == "expired"

    await until(expired, "the key has expired")
    await _refused_with(straight, delivery, "expired")
    assert await straight.openings(delivery) == 0


async def test_a_key_for_another_car_or_from_another_device(
    stand: Stand, cast: Cast, straight: Straight
) -> None:
    vehicle, unit, address = await stand.more_car(cast, "other")
    delivery, token = await ready_to_open(cast, "other", address=address)
    here = await straight.present("wrong-car", token, cast.courier.device)
    assert said(here) == STRANGER
    async with Straight.of(stand, vehicle, unit) as there:
        thief = await stand.more_courier(cast)
        assert said(await there.present("device", token, thief.device)) == STRANGER
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
        await finish(cast, delivery)
        assert await there.openings(delivery) == 1
    await stand.by_hand(stand.stage.children.pop("unit-other").stop)


async def test_one_changed_byte_in_any_object(cast: Cast, straight: Straight) -> None:
    delivery, token = await ready_to_open(cast, "bytes")
    used = (await cast.courier.prove(delivery, token), token)
    for which in ("key", "proof"):
        for part in range(3):
            nonce = await straight.challenge("bytes")
            good = _proof(straight, cast, token, nonce)
            key, proof = (flipped(token, part), good) if which == "key" else (token, flipped(good, part))
            assert said(await straight.show("bytes", key, proof)) == STRANGER, (which, part)
    assert said(await straight.show("bytes", "", "")) == STRANGER
    assert said(await straight.show("nobody", used[1], used[0])) == STRANGER
    opened = await cast.courier.open(delivery, token)
    assert opened["outcome"] == "opened"
    await finish(cast, delivery)
    assert await straight.openings(delivery) == 1


async def test_a_challenge_is_good_once(cast: Cast, straight: Straight) -> None:
    delivery, token = await ready_to_open(cast, "replay")
    nonce = await straight.challenge("replay")
    spoiled = flipped(_proof(straight, cast, token, nonce), 2)
    assert said(await straight.show("replay", token, spoiled)) == STRANGER
    whole = _proof(straight, cast, token, nonce)
    assert said(await straight.show("replay", token, whole)) == STRANGER
    signed = await cast.courier.prove(delivery, token)
    body = {"proof": signed, "position": cast.courier.here}
    assert (await cast.courier.post(delivery, "open", body))["outcome"] == "opened"
    assert said(await straight.show(delivery, token, signed)) == STRANGER
    assert (await cast.courier.post(delivery, "open", body))["outcome"] == "opened", (
        "the same tap, the same answer"
    )
    await finish(cast, delivery)
    assert await straight.openings(delivery) == 1


async def test_reassigned_while_the_car_is_offline(stand: Stand, cast: Cast, straight: Straight) -> None:
    delivery = await order_unnamed(cast, "reassigned")
    await decide(cast.owner, delivery)  # a courier who is named before the answer stays the one
    await _assign(cast, delivery, cast.courier.courier)
    token = await cast.courier.key(delivery)
    other = await stand.more_courier(cast)
    await stand.car(mode="no_coverage")
    await stand.car_comes_to("latched", connected=False)
    await until(lambda: _reach(cast, delivery, {"no_coverage", "asleep"}), "the car is known to be offline")
    with pytest.raises(Refused) as held:
        await _assign(cast, delivery, other.courier)
    assert held.value.problem["code"] == "courier.key_on_phone"
    assert held.value.problem["try_again"] is True
    await stand.car(mode="awake")
    await until(lambda: _reach(cast, delivery, {"awake"}), "the car is known to be awake")
    await _assign(cast, delivery, other.courier)
    second = await other.key(delivery)
    assert second != token
    revoked = await straight.present("former", token, cast.courier.device)
    assert (revoked.state, revoked.code) == (CommandState.REFUSED, "revoked")
    await other.arrive(delivery)
    assert (await other.open(delivery, second))["outcome"] == "opened"
    await cast.carrier.wait_for(delivery, {"closed"})
    await _refused_with(straight, delivery, "revoked")
    assert await straight.openings(delivery) == 1


async def test_two_hundred_taps_at_once(stand: Stand, cast: Cast, straight: Straight) -> None:
    delivery, token = await ready_to_open(cast, "crowd")
    nonce = (await cast.courier.post(delivery, "challenge"))["challenge"]
    proofs = [_proof(straight, cast, token, nonce) for _ in range(50)] * 4
    position = cast.courier.here

    async def tap(proof: str) -> str:
        try:
            answer = await cast.courier.post(delivery, "open", {"proof": proof, "position": position}, wait=5)
        except Refused as refused:
            return str(refused.problem["code"])
        return str(answer["outcome"])

    answers = await asyncio.gather(*(tap(proof) for proof in proofs))
    assert answers.count("opened") == 4, Counter(answers)
    assert set(answers) <= {"opened", "opening.in_flight", "delivery.not_in_this_state"}, Counter(answers)
    await finish(cast, delivery)
    assert await straight.openings(delivery) == 1
    facts = await straight.facts(delivery)
    assert sum(one.kind == "delivery.opening" for one in facts) == 1


def _proof(straight: Straight, cast: Cast, token: str, nonce: str) -> str:
    return make_proof(
        cast.courier.device, key_token=token, challenge=nonce, unit=straight.unit, act="open:trunk",
        now=straight.desk.clock.now(),
    )  # fmt: skip


async def _reach(cast: Cast, delivery: str, wanted: set[str]) -> bool:
    car = (await cast.owner.view(delivery))["car"]
    return car is not None and car["reach"] in wanted


def flipped(token: str, part: int) -> str:
    """One bit of one byte of this part is another, in well-formed base64url."""
    parts = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4)))
    raw[len(raw) // 2] ^= 1
    parts[part] = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    return ".".join(parts)


async def _refused_with(straight: Straight, delivery: str, code: str) -> None:
    """The unit's signed refusal, with its reason, stands in the log."""

    async def there() -> bool:
        facts = await straight.facts(delivery)
        return any(one.kind == "key.refused" and getattr(one, "code", "") == code for one in facts)

    await until(there, f"key.refused {code}")


async def _assign(cast: Cast, delivery: str, courier: str) -> None:
    path = f"/v1/deliveries/{delivery}/courier"
    await cast.carrier.api.call("POST", path, {"courier": courier}, token=cast.carrier.token)
