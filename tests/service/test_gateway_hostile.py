"""Thousands of random and mutated messages over a real broker: no crash, every one parked with a reason or taken."""

import json
import random
from typing import Any

import pytest

from spine.ids import CommandId
from spine.store import Store
from tests.service.brokers import Mosquitto
from tests.service.gateway_scene import Scene, a_gateway, envelope
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.link import Incoming
from vehicle_gateway.parse import Parsed, Poison, Reason, parse
from vehicle_gateway.wire import Result, up

pytestmark = [pytest.mark.broker, pytest.mark.valkey]

MESSAGES = 2_000
D: dict[str, Any] = {
    "state": {"presence": "online", "boot": 1},
    "sig": {"values": {"Vehicle.Body.Trunk.Rear.IsOpen": True, "Vehicle.Speed": 1.5}},
    "dtc": {"scan_id": "s1", "ecus": [{"id": "7E8", "codes": []}]},
    "res": {"cmd": "cmd_0123456789abcdef.1", "outcome": "done", "data": {"a": 1}},
    "evt/receipt": {"n": 1, "receipt": "a.b.c"},
    "evt/door": {"open": True},
    "evt/crash": {"position": {"lat": 1.5, "lon": 2.5}},
    "req/cert": {"nonce": "", "data": {"csr": "x", "proof": "y"}},
    "evt/unknown": {},
    "req/x": {},
}
JUNK: list[Any] = [None, True, -1, 2**70, 1e308, "", "x" * 300, "\u0000", "é\u202e", [], {}, [[[[[[[[[[[[]]]]]]]]]]]], {"": {}}, "NaN", "' OR 1=1", "${jndi}", "%s%n"]  # fmt: skip


def mutated(dice: random.Random, name: str) -> bytes:
    d = json.loads(json.dumps(D[name]))
    match dice.randrange(5):
        case 0:
            return dice.randbytes(dice.randrange(80))
        case 1:
            d[dice.choice([*d, "more"])] = dice.choice(JUNK)
        case 2:
            raw = bytearray(whole(name, d, dice))
            for _ in range(dice.randrange(1, 4)):
                raw[dice.randrange(len(raw))] = dice.randrange(256)
            return bytes(raw)
        case 3:
            raw = whole(name, d, dice)
            return bytes(raw[: dice.randrange(len(raw))])
        case _:
            frame = json.loads(whole(name, d, dice))
            frame[dice.choice([*frame])] = dice.choice(JUNK)
            return json.dumps(frame).encode()
    return bytes(whole(name, d, dice))


def whole(name: str, d: Any, dice: random.Random) -> bytes:
    return json.dumps(d).encode() if name == "state" else envelope(d, seq=dice.randrange(1, 3_000))


def parked(found: Parsed | Poison) -> str | None:
    """The reason we expect beside it, None where it is taken."""
    if isinstance(found, Poison):
        return found.reason.value
    return Reason.COMMAND.value if isinstance(found.content, Result) else None


async def test_whatever_comes_is_parked_with_a_reason_or_taken(store: Store, mosquitto: Mosquitto) -> None:
    dice = random.Random(20301106)
    limits = GatewayLimits(unit_rate=1e6, unit_burst=1e6)
    async with a_gateway(store, mosquitto, limits=limits) as scene, scene.car() as car:
        wanted: dict[str, int] = {}
        for _ in range(MESSAGES):
            name = dice.choice(list(D))
            payload, retain = mutated(dice, name), dice.random() < 0.05
            if name == "state" and retain and not payload:
                continue  # an empty retained message only erases the broker's copy
            reason = parked(parse(Incoming(up(car.shard, car.unit, name), payload, 1, retain, 1, 1)))
            if reason is not None:
                wanted[reason] = wanted.get(reason, 0) + 1
            await car.publish(name, payload, retain=retain)
        await works(scene, car)
        found: dict[str, int] = {}
        for letter in await scene.letters():
            found[letter.reason] = found.get(letter.reason, 0) + 1
        assert found == wanted
        assert found.keys() >= {"json", "schema", "type", "command", "retained", "utf8"}
        for entry in await scene.log.read(scene.partition(car), limit=10_000):
            assert entry.kind != "unreadable"


async def works(scene: Scene, car: Any) -> None:
    car.boot = 9_000_000_000
    seq = await car.say("evt/tow", {})
    await car.until(lambda c: seq in c.acked)
    assert await scene.facts(car, "unit.event")


async def test_what_nobody_foresaw_is_parked_alone(
    store: Store, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours in one message must neither stop the others nor come back for ever."""
    from vehicle_gateway import intake

    honest = intake.translate

    def faulty(parsed: Parsed, *rest: Any, **more: Any) -> Any:
        if isinstance(parsed.content, dict) and parsed.content.get("bang"):
            raise ZeroDivisionError
        return honest(parsed, *rest, **more)

    monkeypatch.setattr(intake, "translate", faulty)
    async with a_gateway(store, mosquitto) as scene, scene.car() as car:
        said = [await car.say("evt/door", {"bang": n == 5}) for n in range(10)]
        await car.until(lambda c: c.acked == {seq for seq in said if seq != 6})
        assert [letter.reason for letter in await scene.letters()] == ["internal"]
        assert len(await scene.facts(car, "unit.event")) == 9


async def test_a_result_for_another_car_s_command_changes_nothing(store: Store, mosquitto: Mosquitto) -> None:
    async with a_gateway(store, mosquitto) as scene, scene.car() as car:
        other = CommandId("cmd_" + "0" * 16 + ".1")
        seq = await car.say("res", {"cmd": other, "outcome": "done"})
        await car.until(lambda c: (seq, "auth") in c.errors)
        assert (await store.load(other)).version == 0
