"""Commands at the unit: done once, never too late, and no bytes on ``dn/#`` stop it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys.car.place import Position
from tests.unit.test_unit_opening import Rig
from tests.unit.unit_rig import DELIVERY, T0, command, key_token, proof_of, revocations
from vehicle_gateway.link import Incoming
from vehicle_unit.outbox import Urgency
from vehicle_unit.unit import Unit


def results(unit: Unit) -> list[dict[str, Any]]:
    return [item.d for item in unit.outbox._items.values() if item.urgency is Urgency.RESULT]


async def send(unit: Unit, token: str) -> None:
    await unit.commands.handle(json.dumps({"cmd": token}).encode())


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[tuple[Rig, Unit]]:
    made = Rig(tmp_path)
    async with made.unit() as unit:
        yield made, unit


async def test_challenge_then_present_opens(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    await send(unit, command("challenge", {"delivery": DELIVERY}))
    (told,) = results(unit)
    assert told["outcome"] == "done"
    token = key_token()
    args = {"delivery": DELIVERY, "key": token, "proof": proof_of(token, told["data"]["challenge"])}
    await send(unit, command("present", args))
    assert results(unit)[1]["outcome"] == "done"
    assert made.releases == 1


async def test_a_key_that_comes_with_the_challenge_is_read_before_it_is_presented(
    rig: tuple[Rig, Unit],
) -> None:
    made, unit = rig
    token = key_token()
    await send(unit, command("challenge", {"delivery": DELIVERY, "key": token}))
    (told,) = results(unit)
    assert unit.openings._foreseen == {}, "the answer comes first"
    await asyncio.sleep(0)
    assert unit.openings._foreseen.keys() == {DELIVERY}
    assert not any(part in repr(unit.openings._foreseen) for part in token.split("."))
    assert made.releases == 0
    args = {"delivery": DELIVERY, "key": token, "proof": proof_of(token, told["data"]["challenge"])}
    await send(unit, command("present", args))
    assert (results(unit)[1]["outcome"], made.releases) == ("done", 1)
    assert unit.openings._foreseen == {}


async def test_what_may_come_with_a_challenge_is_bounded_and_changes_nothing(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    for n, key in enumerate(("", "a.b.c", 7, None, {"key": 1}, "x" * 5_000, key_token(2)[:-86] + "A" * 86)):
        await send(unit, command("challenge", {"delivery": f"{DELIVERY}{n}", "key": key}, n=n + 1))
        await asyncio.sleep(0)
    assert [one["outcome"] for one in results(unit)] == ["done"] * 7
    assert unit.openings._foreseen == {}
    for n in range(20):  # one more link has a challenge, and then no other
        await send(unit, command("challenge", {"delivery": f"{DELIVERY}-{n}", "key": key_token()}, n=n + 20))
        await asyncio.sleep(0)
    assert unit.openings._foreseen.keys() == {f"{DELIVERY}-0"}
    made.time.up += 31
    made.time.now += 31
    later = {"delivery": f"{DELIVERY}-30", "key": key_token()}
    await send(unit, command("challenge", later, n=50, at=T0 + 31))
    await asyncio.sleep(0)
    assert unit.openings._foreseen.keys() == {f"{DELIVERY}-30"}, "what belongs to no challenge is forgotten"


async def test_a_repeat_answers_what_was_answered_and_does_nothing(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    flash = command("flash")
    await send(unit, flash)
    await send(unit, flash)
    assert made.vehicle.flashes == 1
    first, second = results(unit)
    assert first == second


async def test_a_repeat_after_a_restart_is_not_done_again(tmp_path: Path) -> None:
    made = Rig(tmp_path)
    async with made.unit() as unit:
        await send(unit, command("flash"))
    async with made.unit() as unit:
        await send(unit, command("flash"))
        assert made.vehicle.flashes == 1
        assert results(unit)[0]["outcome"] == "done"


async def test_ten_thousand_late_commands_do_nothing_and_are_not_answered(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    late = command("flash", ttl=30)
    made.time.pass_by(30)
    for _ in range(9_000):
        await send(unit, late)
    for n in range(1_000):
        await send(unit, command("flash", n=n, at=T0 - 1, ttl=30))
    assert made.vehicle.flashes == 0
    assert results(unit) == []


async def test_a_clock_set_back_does_not_make_a_late_command_good(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    late = command("flash", ttl=30)
    made.time.pass_by(60)
    made.time.now -= 3_600
    await send(unit, late)
    assert made.vehicle.flashes == 0


@pytest.mark.parametrize(
    "token",
    [
        command("flash", unit="vu_zzzzzzzzzzzzzzzz"),
        command("flash").rpartition(".")[0] + "." + "A" * 86,
        revocations(),
        key_token(),
        "",
    ],
)
async def test_what_was_not_signed_for_us_as_a_command_is_not_done(rig: tuple[Rig, Unit], token: str) -> None:
    made, unit = rig
    writes = made.disk.done
    await send(unit, token)
    assert (made.vehicle.flashes, results(unit), made.disk.done) == (0, [], writes)


async def test_lock_needs_no_key_and_says_how_it_is(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    await send(unit, command("lock", n=1))
    await made.present(unit, key_token())
    await send(unit, command("lock", n=2))
    await made.present(unit, key_token(2))
    unit.motor.lift()
    await send(unit, command("lock", n=3))
    unit.motor.shut()
    unit.motor.force()
    unit.vehicle.change(lid_up=False)
    unit.motor.jammed = True
    await send(unit, command("lock", n=4))
    assert [told["code"] for told in results(unit)] == ["locked", "locked", "armed", "stuck"]


async def test_other_operations(rig: tuple[Rig, Unit]) -> None:
    made, unit = rig
    await send(unit, command("locate", n=1))
    made.vehicle.position = Position(52.5, 13.4)
    await send(unit, command("locate", n=2))
    await send(unit, command("scan", n=3))
    await send(unit, command("snapshot", n=4))
    await send(unit, command("cfg", {"heartbeat_seconds": 60}, n=5))
    await send(unit, command("cfg", {"require_owner": False}, n=6))
    await send(unit, command("cfg", {"heartbeat_seconds": 0.1}, n=7))
    await send(unit, command("cfg", {"certificates": {"mtls": "x"}}, n=8))
    await send(unit, command("present", {"delivery": DELIVERY}, n=9))
    told = [(one["outcome"], one["code"]) for one in results(unit)]
    assert told == [
        ("refused", "no_position"),
        ("done", ""),
        ("refused", "not_supported"),
        ("done", ""),
        ("done", ""),
        ("refused", "not_supported"),
        ("refused", "bad_value"),
        ("refused", "bad_value"),
        ("refused", "refused"),
    ]
    assert results(unit)[1]["data"]["position"]["lat"] == 52.5


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_WORDS = st.dictionaries(st.sampled_from(["boot", "seq", "seqs", "code", "cmd", "detail", "x"]), _JSON)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.sampled_from(["cmd", "rev", "ack", "err", "cfg", "trust", "", "zzz"]),
    payload=st.binary(max_size=200) | _WORDS.map(lambda value: json.dumps(value).encode()),
)
def test_no_bytes_stop_the_unit(tmp_path: Path, name: str, payload: bytes) -> None:
    async def live() -> None:
        made = Rig(tmp_path)
        async with made.unit(with_list=False) as unit:
            before = (unit.record.current, made.disk.done)
            unit._heard(Incoming(f"tl/1/00/x/dn/{name}", payload, 1, False, 1, 1))
            unit._heard(Incoming(payload, payload, 1, False, 1, 1))
            await asyncio.gather(*unit._working)
            assert (unit.record.current, made.disk.done) == before
            assert made.releases == 0

    asyncio.run(live())


@settings(deadline=None)
@given(args=st.dictionaries(st.sampled_from(["delivery", "link", "key", "proof", "x"]), _JSON, max_size=4))
def test_no_arguments_of_a_signed_command_stop_the_unit(tmp_path_factory, args: dict[str, Any]) -> None:
    async def live() -> None:
        made = Rig(tmp_path_factory.mktemp("unit"))
        async with made.unit() as unit:
            for n, op in enumerate(("present", "challenge", "cfg", "lock")):
                try:
                    token = command(op, args, n=n)
                except ValueError:  # what cannot be signed cannot come
                    continue
                await send(unit, token)
            assert made.releases == 0

    asyncio.run(live())
