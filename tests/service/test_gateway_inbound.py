"""What cars say, over a real broker into a real store: kept once, acknowledged after, poison parked with its reason."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from spine.hints import RECEIPTS, Hints
from spine.ids import UnitId
from spine.store import Store
from tests.service.brokers import Mosquitto
from tests.service.conftest import running
from tests.service.gateway_scene import Car, Scene, a_gateway, enrol, envelope, message_id, until
from tests.service.valkeys import Server
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.presence import Reach
from vehicle_gateway.registry import Vehicles
from vehicle_gateway.standing import Standing
from vehicle_gateway.telemetry import Telemetry

pytestmark = [pytest.mark.broker, pytest.mark.valkey]

LID = "Vehicle.Body.Trunk.Rear.IsOpen"


@pytest.fixture
async def scene(store: Store, mosquitto: Mosquitto):
    async with a_gateway(store, mosquitto) as scene:
        yield scene


async def test_a_receipt_is_acknowledged_once_it_is_in_the_log(scene: Scene) -> None:
    async with scene.car() as car:
        seq = await car.say("evt/receipt", {"n": 1, "receipt": "a.b.c"})
        await car.until(lambda c: seq in c.acked)
        (fact,) = await scene.facts(car, "unit.receipt")
        assert (fact.unit, fact.receipt) == (car.unit, "a.b.c")


async def test_a_receipt_is_foretold_to_who_waits_for_it(scene: Scene) -> None:
    heard = list[tuple[str, str]]()
    hints = Hints[None](scene.store.valkey, RECEIPTS, lambda unit, receipt: heard.append((unit, receipt)))
    async with running(hints.run()):
        await hints.listening.wait()
        async with scene.car() as car:
            await car.say("evt/tow", {"angle": 12})
            seq = await car.say("evt/receipt", {"n": 1, "receipt": "a.b.c"})
            await car.until(lambda c: seq in c.acked)
            await until(lambda: heard)  # it left before the other was saved, but over another connection
            assert heard == [(car.unit, "a.b.c")]


async def test_the_same_message_again_is_acknowledged_and_not_kept_twice(scene: Scene) -> None:
    async with scene.car() as car:
        event = message_id()
        for _ in range(3):
            await car.say("evt/tow", {"angle": 12}, seq=1, id_=event)
        await car.say("evt/tow", {"angle": 12}, seq=2, id_=event)  # a new number, the same event
        await car.say("evt/receipt", {"n": 7, "receipt": "a.b.c"}, seq=3)
        car.boot = 2  # after a reboot what waits goes out under new numbers
        await car.say("evt/tow", {"angle": 12}, seq=1, id_=event)
        await car.say("evt/receipt", {"n": 7, "receipt": "a.b.c"}, seq=2)
        await car.until(lambda c: c.acked >= {1, 2})
        assert len(await scene.facts(car, "unit.event")) == 1
        assert len(await scene.facts(car, "unit.receipt")) == 1


async def test_two_receipts_of_one_number_both_come_through(scene: Scene) -> None:
    """A car set back to an older memory must be seen by who verifies the chain."""
    async with scene.car() as car:
        await car.say("evt/receipt", {"n": 7, "receipt": "a.b.c"})
        last = await car.say("evt/receipt", {"n": 7, "receipt": "a.b.d"})
        await car.until(lambda c: last in c.acked)
        assert [fact.receipt for fact in await scene.facts(car, "unit.receipt")] == ["a.b.c", "a.b.d"]


async def test_an_earlier_boot_and_a_number_long_passed_are_stale(scene: Scene) -> None:
    async with scene.car(boot=5) as car:
        await car.say("evt/tow", {}, seq=2_000)
        await car.until(lambda c: 2_000 in c.acked)
        await car.say("evt/tow", {}, seq=900)
        await car.say("evt/tow", {}, seq=3, boot=4)
        await car.until(lambda c: len(c.errors) == 2)
        assert car.errors == [(900, "stale"), (3, "stale")]
        assert len(await scene.facts(car, "unit.event")) == 1


async def test_a_position_in_an_event_goes_to_the_car_s_state_and_into_no_fact(scene: Scene) -> None:
    async with scene.car() as car:
        crash = {"severity": 3, "position": {"lat": 59.3293, "lon": 18.0686}, "vin": "WDB9634031L738296"}
        seq = await car.say("evt/crash", crash)
        await car.until(lambda c: seq in c.acked)
        (fact,) = await scene.facts(car, "unit.event")
        assert fact.data == {"severity": 3}
        state = await Vehicles(scene.store).car(car.vehicle)
        assert state.position is not None
        assert (state.position.latitude, state.position.longitude) == (59.3293, 18.0686)
        await Vehicles(scene.store).forget_position(car.vehicle)
        assert (await Vehicles(scene.store).car(car.vehicle)).position is None


async def test_signals_move_the_state_forward_and_a_watched_change_is_a_fact(scene: Scene) -> None:
    async with scene.car() as car:
        await car.say("sig", {"values": {LID: False, "Vehicle.Speed": 12.5, "nonsense": 1}})
        await car.say("sig", {"values": {LID: False, "Vehicle.Speed": 13}})
        await car.say("sig", {"values": {LID: True}})
        last = await car.say("sig", {"values": {LID: True}, "full": True})
        await car.until(lambda c: last in c.acked)
        assert [(f.path, f.value) for f in await scene.facts(car, "vehicle.signal_changed")] == [
            (LID, False),
            (LID, True),
        ]
        state = await Vehicles(scene.store).car(car.vehicle)
        assert state.signals == {LID: True, "Vehicle.Speed": 13}


async def test_a_late_signal_moves_nothing_back(scene: Scene) -> None:
    async with scene.car() as car:
        await car.say("sig", {"values": {LID: True}}, seq=5)
        await car.say("sig", {"values": {LID: False}}, seq=4)
        await car.until(lambda c: c.acked >= {4, 5})
        assert (await Vehicles(scene.store).car(car.vehicle)).signals == {LID: True}
        assert [f.value for f in await scene.facts(car, "vehicle.signal_changed")] == [True]


async def test_telemetry_is_never_in_the_log(scene: Scene) -> None:
    async with scene.car() as car:
        here = {"Vehicle.CurrentLocation.Latitude": 59.3, "Vehicle.CurrentLocation.Longitude": 18.0}
        await car.say("tel", {"values": {"Vehicle.Speed": 50, **here}})
        ring = Telemetry(scene.store, scene.limits)
        await until(lambda: ring.recent(car.vehicle))
        (sample,) = await ring.recent(car.vehicle)
        assert sample.values["Vehicle.Speed"] == 50
        state = await Vehicles(scene.store).car(car.vehicle)
        assert state.signals == {"Vehicle.Speed": 50}
        assert state.position is not None
        assert state.last_seen is not None
        assert len(await scene.facts(car)) == 1, "only the enrolment"


def word(presence: str, boot: int, **more: Any) -> bytes:
    return json.dumps({"presence": presence, "boot": boot, **more}).encode()


async def test_presence_changes_are_facts_and_the_will_of_another_boot_is_ignored(scene: Scene) -> None:
    async with scene.car() as car:
        for said in (
            word("online", 3),
            word("online", 3),
            word("offline", 2),
            word("online", 2),
            word("dozing", 3, every=15),
            word("asleep", 3, wakes_at="2040-01-01T06:00:00Z"),
            word("offline", 3),
            word("online", 4),
        ):
            await car.publish("state", said, retain=True)
        await until(lambda: _count(scene, car, 5))
        changes = await scene.facts(car, "vehicle.presence_changed")
        assert [(c.presence, c.boot) for c in changes] == [
            ("online", 3),
            ("dozing", 3),
            ("asleep", 3),
            ("offline", 3),
            ("online", 4),
        ]
        reach = await Vehicles(scene.store).reachability(car.vehicle, changes[-1].at)
        assert reach.reach is Reach.AWAKE


async def _count(scene: Scene, car: Car, wanted: int) -> bool:
    return len(await scene.facts(car, "vehicle.presence_changed")) >= wanted


async def test_the_broker_s_copy_of_an_old_word_is_no_sign_of_life(
    store: Store, mosquitto: Mosquitto
) -> None:
    async with a_gateway(store, mosquitto) as scene, scene.car() as car:
        await car.publish("state", word("asleep", 1), retain=True)
        await until(lambda: _count(scene, car, 1))
        heard = (await Vehicles(store).car(car.vehicle)).last_seen
    await asyncio.sleep(0)
    async with a_gateway(store, mosquitto) as scene, scene.car() as other:
        seq = await other.say("evt/tow", {})
        await other.until(lambda c: seq in c.acked)
        assert (await Vehicles(store).car(car.vehicle)).last_seen == heard


# ---- poison


def deep(levels: int) -> bytes:
    return b'{"d":' * levels + b"1" + b"}" * levels


GOOD = {"n": 1, "receipt": "a.b.c"}
POISON: dict[str, tuple[str, bytes, str, str]] = {
    "no JSON": ("evt/tow", b"hello", "json", "schema"),
    "cut off": ("evt/tow", b'{"id":', "json", "schema"),
    "not UTF-8": ("evt/tow", b'{"id":"\xff\xfe"}', "utf8", "schema"),
    "lone surrogate": ("evt/tow", envelope({"a": 1}, seq=1).replace(b'"a"', b'"\\ud800"'), "json", "schema"),
    "NaN": ("evt/tow", envelope({"a": 1}, seq=1).replace(b": 1}", b": NaN}"), "json", "schema"),
    "infinite": ("evt/tow", envelope({"a": 1}, seq=1).replace(b'{"a": 1}', b'{"a": 1e999}'), "schema", "schema"),
    "huge number": ("evt/tow", envelope({"a": 10**400}, seq=1), "schema", "schema"),
    "an array": ("evt/tow", b"[]", "schema", "schema"),
    "empty": ("evt/tow", b"", "json", "schema"),
    "deep": ("evt/tow", deep(12), "schema", "schema"),
    "too deep to parse": ("evt/tow", b"[" * 60_000, "json", "schema"),
    "no envelope": ("evt/receipt", json.dumps(GOOD).encode(), "schema", "schema"),
    "version 2": ("evt/tow", envelope({}, seq=1).replace(b'"v": 1', b'"v": 2'), "schema", "schema"),
    "negative boot": ("evt/tow", envelope({}, boot=-1, seq=1), "schema", "schema"),
    "no number": ("evt/tow", envelope({}, seq=0), "schema", "schema"),
    "no UUID": ("evt/tow", envelope({}, seq=1, id_="1"), "schema", "schema"),
    "unknown event": ("evt/party", envelope({}, seq=1), "type", "schema"),
    "unknown request": ("req/money", envelope({}), "type", "schema"),
    "too deep a topic": ("evt/tow/more", envelope({}, seq=1), "topic", ""),
    "capitals": ("evt/TOW", envelope({}, seq=1), "topic", ""),
    "too large": ("evt/tow", envelope({"a": "x" * 66_000}, seq=1), "size", "size"),
    "receipt without number": ("evt/receipt", envelope({"receipt": "a.b.c"}, seq=1), "schema", "schema"),
    "receipt too long": ("evt/receipt", envelope({"n": 1, "receipt": "a" * 5_000}, seq=1), "schema", "schema"),
    "signals are a list": ("sig", envelope({"values": []}, seq=1), "schema", "schema"),
    "unknown presence": ("state", b'{"presence":"dancing","boot":1}', "schema", "schema"),
    "unknown outcome": ("res", envelope({"cmd": "cmd_x", "outcome": "maybe"}, seq=1), "schema", "schema"),
    "no such command": ("res", envelope({"cmd": "cmd_0123456789abcdef.1", "outcome": "done"}, seq=1), "command", "auth"),
    "not a command": ("res", envelope({"cmd": "../../etc", "outcome": "done"}, seq=1), "command", "auth"),
}  # fmt: skip


@pytest.mark.parametrize("kind", POISON)
async def test_each_kind_of_poison_is_parked_with_its_reason(scene: Scene, kind: str) -> None:
    name, payload, reason, code = POISON[kind]
    async with scene.car() as car:
        await car.publish(name, payload)
        after = await car.say("evt/tow", {}, seq=500)
        await car.until(lambda c: after in c.acked)
        (letter,) = await scene.letters()
        assert (letter.reason, letter.payload) == (reason, payload[:65_536])
        assert letter.source.endswith(f"/{car.unit}/up/{name}")
        if code:
            await car.until(lambda c: bool(c.errors))
            assert [err[1] for err in car.errors] == [code]
        assert len(await scene.facts(car, "unit.event")) == 1, "the good one after it"


async def test_another_shard_s_topic_is_refused(scene: Scene) -> None:
    async with scene.car() as car:
        await car.publish("evt/tow", envelope({}, seq=3), shard=(car.shard + 1) % 256)
        after = await car.say("evt/tow", {}, seq=500)
        await car.until(lambda c: after in c.acked and bool(c.errors))
        assert [letter.reason for letter in await scene.letters()] == ["identity"]
        assert car.errors == [(3, "auth")]


async def test_a_unit_nobody_enrolled_is_refused(scene: Scene, mosquitto: Mosquitto) -> None:
    async with scene.car() as car:
        stranger = UnitId("vu_0zzzzzzzzzzzzzzz")
        mosquitto.add_account(stranger)
        spoof = Car(mosquitto, car.vehicle, stranger, car.shard)
        run = asyncio.create_task(spoof.link.run())
        await spoof.link.wait_connected()
        await spoof.say("evt/tow", {})
        await spoof.until(lambda c: bool(c.errors))
        assert [letter.reason for letter in await scene.letters()] == ["identity"]
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)


async def test_a_retained_message_is_refused_outside_presence(scene: Scene) -> None:
    async with scene.car() as car:
        await car.publish("evt/tow", envelope({}, seq=1), retain=True)
        after = await car.say("evt/tow", {}, seq=500)
        await car.until(lambda c: after in c.acked and bool(c.errors))
        assert [letter.reason for letter in await scene.letters()] == ["retained"]
        assert len(await scene.facts(car, "unit.event")) == 1


async def test_a_quarantined_unit_is_refused_at_once_and_heard_again_after_release(scene: Scene) -> None:
    async with scene.car() as car:
        first = await car.say("evt/tow", {})
        await car.until(lambda c: first in c.acked)
        standing = Standing(scene.store)
        partition = scene.partition(car)
        before = await scene.log.last(partition)
        now = (await scene.facts(car))[0].at
        await standing.quarantine(car.unit, reason="receipt_rejected", now=now)
        assert await scene.tail.wait_for(partition, lambda e: e.kind == "unit.quarantined", 60, before)
        second = await car.say("evt/tow", {})
        await car.until(lambda c: bool(c.errors))
        assert car.errors == [(second, "auth")]
        assert [letter.reason for letter in await scene.letters()] == ["unit"]
        before = await scene.log.last(partition)
        await standing.release(car.unit, now=now)
        assert await scene.tail.wait_for(partition, lambda e: e.kind == "unit.released", 60, before)
        third = await car.say("evt/tow", {})
        await car.until(lambda c: third in c.acked)
        assert second not in car.acked


async def test_a_unit_over_its_rate_is_told_to_wait_and_nothing_is_kept(
    store: Store, mosquitto: Mosquitto
) -> None:
    limits = GatewayLimits(unit_rate=0.001, unit_burst=3)
    async with a_gateway(store, mosquitto, limits=limits) as scene, scene.car() as car, scene.car() as other:
        for _ in range(5):
            await car.say("evt/tow", {})
        seq = await other.say("evt/tow", {})
        await other.until(lambda c: seq in c.acked)
        await car.until(lambda c: len(c.errors) == 2)
        assert car.errors == [(4, "rate"), (5, "rate")]
        assert car.acked == {1, 2, 3}
        assert await scene.letters() == []


async def test_nothing_is_acknowledged_while_the_store_is_down(
    store: Store, mosquitto: Mosquitto, valkey_server: Server
) -> None:
    async with a_gateway(store, mosquitto) as scene, scene.car() as car:
        first = await car.say("evt/tow", {})
        await car.until(lambda c: first in c.acked)
        valkey_server.kill()
        try:
            said = {await car.say("evt/tow", {"k": k}) for k in range(300)}
            assert car.acked == {first}
        finally:
            valkey_server.start()
        await car.until(lambda c: c.acked == said | {first})
        events = await scene.facts(car, "unit.event")
        assert len({fact.event for fact in events}) == len(events) == 301
        assert await scene.letters() == []


async def test_a_hole_that_stays_open_asks_for_a_snapshot(store: Store, mosquitto: Mosquitto) -> None:
    limits = GatewayLimits(gap=timedelta(milliseconds=100))
    async with a_gateway(store, mosquitto, limits=limits) as scene, scene.car() as car:
        await car.say("sig", {"values": {LID: False}}, seq=1)
        await car.say("sig", {"values": {LID: True}}, seq=5)
        await car.until(lambda c: "cmd" in c.heard)
        claims = json.loads(car.heard["cmd"][0]["cmd"])
        assert (claims["op"], claims["aud"]) == ("snapshot", car.unit)


async def test_a_request_becomes_one_fact(scene: Scene) -> None:
    async with scene.car() as car:
        asked = message_id()
        for _ in range(2):
            await car.say("req/freshness", {"nonce": "abc", "data": {}}, id_=asked)
        await until(lambda: scene.facts(car, "unit.asked"))
        after = await car.say("evt/tow", {})
        await car.until(lambda c: after in c.acked)
        (fact,) = await scene.facts(car, "unit.asked")
        assert (fact.name, fact.request, fact.data) == ("freshness", asked, {"nonce": "abc"})


async def test_many_cars_at_once_lose_nothing(scene: Scene) -> None:
    async with scene.car() as one, scene.car() as two, scene.car() as three:

        async def talk(car: Car) -> None:
            await asyncio.gather(*(car.say("evt/door", {"n": n}) for n in range(200)))
            await car.until(lambda c: len(c.acked) == 200)

        await asyncio.gather(talk(one), talk(two), talk(three))
        for car in (one, two, three):
            events = await scene.facts(car, "unit.event")
            assert sorted(fact.data["n"] for fact in events) == list(range(200))


async def test_enrolment_of_tests_gives_the_vehicle_s_partition(store: Store) -> None:
    for partition in range(store.house.partitions):
        _vehicle, _unit, shard = await enrol(store, partition=partition)
        assert shard % store.house.partitions == partition
