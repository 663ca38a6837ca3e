"""Commands over a real broker: sent in time or never, answered once, honest about what nobody knows."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from spine.entries import Entry
from spine.facts.keys import ReceiptRejected, RevocationRaised
from spine.ids import CommandId, DeliveryId, UnitId, VehicleId, named_after, new_id, partition_of
from spine.log import order
from spine.store import Change, Store, Write
from tests.service.brokers import Mosquitto
from tests.service.conftest import SetClock
from tests.service.gateway_scene import Car, Scene, a_gateway, enrol, running, until
from vehicle_gateway.commands import (
    Answered,
    CarUnavailable,
    CommandBody,
    CommandOutOfBounds,
    Commands,
    NoSuchCommand,
)
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.registry import NoSuchVehicle
from vehicle_gateway.standing import Standing
from vehicle_gateway.states import COMMAND, ENDED, CommandState
from vehicle_gateway.wire import Op, Result

pytestmark = [pytest.mark.broker, pytest.mark.valkey]

LIMITS = GatewayLimits()
TTL = timedelta(seconds=30)
SECRET = "eyJhbGciOiJFZDI1NTE5In0"


@pytest.fixture
async def scene(store: Store, mosquitto: Mosquitto) -> AsyncIterator[Scene]:
    async with a_gateway(store, mosquitto) as scene:
        yield scene


@pytest.fixture
async def patient(store: Store, mosquitto: Mosquitto) -> AsyncIterator[Scene]:
    """A gateway that waits for cars as long as their commands live: until they are back, a slow machine takes seconds."""
    async with a_gateway(store, mosquitto, limits=GatewayLimits(cars_back_within=TTL)) as scene:
        yield scene


def command_of(vehicle: VehicleId, n: int = 1) -> tuple[CommandId, DeliveryId]:
    delivery = DeliveryId(new_id("dlv", partition_of(vehicle)))
    return CommandId(named_after("cmd", delivery, n, "open")), delivery


async def created(
    store: Store, clock: Any, vehicle: VehicleId, *, ttl: timedelta = TTL, op: Op = Op.PRESENT, n: int = 1
) -> CommandId:
    command, delivery = command_of(vehicle, n)
    await Commands(store, clock, LIMITS).create(
        command, vehicle=vehicle, op=op, args={"key": SECRET}, delivery=delivery, ttl=ttl, now=clock.now()
    )
    return command


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


async def kinds(store: Store, scene_log: Any, command: CommandId) -> list[str]:
    entries: list[Entry] = await scene_log.read(partition_of(command), limit=10_000)
    return [entry.kind for entry in entries if getattr(entry.fact, "command", None) == command]


# ---- made and answered, without a gateway


async def test_a_command_is_made_once_whoever_asks_again(store: Store, clock: SetClock) -> None:
    vehicle, unit, shard = await enrol(store)
    commands = Commands(store, clock, LIMITS)
    command, delivery = command_of(vehicle)
    for _ in range(2):
        await commands.create(
            command, vehicle=vehicle, op=Op.FLASH, args={}, delivery=delivery, ttl=TTL, now=clock.now()
        )
    saved = await store.load(command)
    assert (saved.version, saved.state) == (1, "created")
    view = await commands.view(command)
    assert (view.unit, view.op, view.expires_at) == (unit, Op.FLASH, clock.now() + TTL)
    claims = CommandBody.model_validate_json(saved.body).claims(command)
    assert claims == {
        "aud": unit,
        "cmd": command,
        "op": "flash",
        "iat": int(clock.now().timestamp()),
        "exp": int((clock.now() + TTL).timestamp()),
        "args": {},
    }
    assert shard % store.house.partitions == partition_of(vehicle)


async def test_a_command_is_made_in_one_commit_with_somebody_else_s_change(
    store: Store, clock: SetClock
) -> None:
    vehicle, _, _ = await enrol(store)
    command, delivery = command_of(vehicle)
    planned = await Commands(store, clock, LIMITS).plan(
        command, vehicle=vehicle, op=Op.LOCK, args={}, delivery=delivery, ttl=TTL, now=clock.now()
    )

    def decide(saved: Any) -> Change | None:
        made = planned.decide(saved)
        return None if made is None else Change({**made.writes, delivery: Write("opening", "{}")}, made.facts)

    await store.change([delivery, *planned.subjects], decide)
    again = await store.change([delivery, *planned.subjects], decide)
    assert not again.changed
    assert (await store.load(delivery)).version == (await store.load(command)).version == 1


@pytest.mark.parametrize("state", ["quarantined", "replaced", "retired"])
async def test_no_command_for_a_unit_that_is_not_trusted(store: Store, clock: SetClock, state: str) -> None:
    vehicle, unit, _ = await enrol(store)
    await store.change([unit], lambda saved: Change({unit: Write(state, saved[unit].body)}))
    with pytest.raises(CarUnavailable):
        await created(store, clock, vehicle)


async def test_bounds_of_a_command(store: Store, clock: SetClock) -> None:
    vehicle, _, _ = await enrol(store)
    commands = Commands(store, clock, LIMITS)
    command, _ = command_of(vehicle)
    ask: dict[str, Any] = {"vehicle": vehicle, "op": Op.FLASH, "delivery": None, "now": clock.now()}
    for ttl, args in (
        (timedelta(0), {}),
        (timedelta(hours=25), {}),
        (TTL, {"a": "x" * LIMITS.args_bytes}),
    ):
        with pytest.raises(CommandOutOfBounds):
            await commands.create(command, args=args, ttl=ttl, **ask)
    with pytest.raises(NoSuchVehicle):
        await commands.create(command, args={}, ttl=TTL, **ask | {"vehicle": "veh_0000000000000000"})
    with pytest.raises(NoSuchCommand):
        await commands.view(command)


RESULTS = {
    "received": Result(cmd="", outcome="received"),
    "done": Result(cmd="", outcome="done", data={"challenge": "c"}),
    "refused": Result(cmd="", outcome="refused", code="vehicle_state"),
    "may": Result(cmd="", outcome="refused", code="internal", may_have_opened=True),
}
STATES = [state for state in CommandState if state is not CommandState.NEW]


@pytest.mark.parametrize(("state", "which"), list(product(STATES, RESULTS)))
async def test_every_state_of_a_command_meets_every_result(
    store: Store, clock: SetClock, state: CommandState, which: str
) -> None:
    """Read twice: the second time nothing changes."""
    vehicle, unit, _ = await enrol(store)
    command = await created(store, clock, vehicle)
    await store.change([command], lambda saved: Change({command: Write(state, saved[command].body)}))
    commands = Commands(store, clock, LIMITS)
    result = RESULTS[which].model_copy(update={"cmd": command})
    allowed = {after for (before, _), after in COMMAND.items() if before is state}
    wanted = {"received": CommandState.RECEIVED, "done": CommandState.DONE}.get(which, CommandState.REFUSED)
    if wanted in allowed:
        assert await commands.answer(result, unit, now=clock.now()) is Answered.TAKEN
        view = await commands.view(command)
        assert view.state is wanted
        if wanted is not CommandState.RECEIVED:
            assert (view.code, dict(view.data), view.may_have_opened) == (
                result.code,
                result.data,
                result.may_have_opened,
            )
            assert SECRET not in (await store.load(command)).body, "args are erased at the end"
    before = await store.load(command)
    assert await commands.answer(result, unit, now=clock.now()) is Answered.REPEATED
    assert await store.load(command) == before


async def test_only_the_unit_that_was_asked_can_answer(store: Store, clock: SetClock) -> None:
    vehicle, _unit, _ = await enrol(store, partition=3)
    _, other, _ = await enrol(store, partition=3)
    _, elsewhere, _ = await enrol(store, partition=4)
    command = await created(store, clock, vehicle)
    commands = Commands(store, clock, LIMITS)
    for who in (other, elsewhere):
        answered = await commands.answer(Result(cmd=command, outcome="done"), who, now=clock.now())
        assert answered is Answered.FOREIGN
    for name in ("", "cmd_", "veh_3000000000000000", str(vehicle), "cmd_3zzzzzzzzzzzzzzz.1", "\x00", "cmd_é"):
        answered = await commands.answer(Result(cmd=name, outcome="done"), other, now=clock.now())
        assert answered is Answered.FOREIGN
    assert (await store.load(command)).version == 1


@pytest.mark.parametrize("state", STATES)
async def test_the_timer_ends_what_is_unanswered_and_erases_what_is_old(
    store: Store, clock: SetClock, state: CommandState
) -> None:
    vehicle, unit, _ = await enrol(store)
    command = await created(store, clock, vehicle)
    commands = Commands(store, clock, LIMITS)
    await store.change([command], lambda saved: Change({command: Write(state, saved[command].body)}))
    due = await store.load(command)
    await commands.on_due(due)
    after = await store.load(command)
    if state in ENDED:
        assert (after.ended, after.body, after.state) == (True, "{}", state)
        with pytest.raises(NoSuchCommand):
            await commands.view(command)
        answered = await commands.answer(Result(cmd=command, outcome="done"), unit, now=clock.now())
        assert answered is Answered.REPEATED
    else:
        assert (after.state, after.ended) == (CommandState.UNANSWERED, False)
        view = await commands.view(command)
        assert view.may_have_opened, "it was a key that was presented"
    await commands.on_due(due)
    assert await store.load(command) == after, "a timer that fires twice changes nothing"


# ---- sent


async def test_a_command_arrives_signed_and_its_answer_comes_back(scene: Scene) -> None:
    def answer(car: Car, claims: dict[str, Any]) -> None:
        done = {"cmd": claims["cmd"], "outcome": "done", "data": {"challenge": "abc"}}
        tasks.append(asyncio.ensure_future(car.say("res", done)))

    tasks: list[Any] = []
    async with scene.car(on_command=answer) as car:
        command = await created(scene.store, Now(), car.vehicle, op=Op.CHALLENGE)
        commands = Commands(scene.store, Now(), LIMITS)
        await until(lambda: _is(commands, command, CommandState.DONE))
        assert (await commands.view(command)).data == {"challenge": "abc"}
        claims = json.loads(car.heard["cmd"][0]["cmd"])
        assert (claims["cmd"], claims["aud"], claims["args"]) == (command, car.unit, {"key": SECRET})
        found = await kinds(scene.store, scene.log, command)
        assert found[0] == "command.created"
        assert found[-1] == "command.done" or found[1:] == ["command.done"]
        await asyncio.gather(*tasks)


async def _is(commands: Commands, command: CommandId, *states: CommandState) -> bool:
    return (await commands.view(command)).state in states


async def test_sent_is_the_broker_s_word_and_undeliverable_too(scene: Scene) -> None:
    commands = Commands(scene.store, Now(), LIMITS)
    async with scene.car() as car:
        command = await created(scene.store, Now(), car.vehicle)
        await until(lambda: _is(commands, command, CommandState.SENT))
    nobody, _, _ = await enrol(scene.store)
    command = await created(scene.store, Now(), nobody)
    await until(lambda: _is(commands, command, CommandState.UNDELIVERABLE))
    assert SECRET not in (await scene.store.load(command)).body


async def test_a_command_for_a_unit_quarantined_meanwhile_is_not_sent(
    store: Store, mosquitto: Mosquitto
) -> None:
    vehicle, unit, _ = await enrol(store)
    command = await created(store, Now(), vehicle)
    await Standing(store).quarantine(unit, reason="receipt_rejected", now=Now().now())
    async with a_gateway(store, mosquitto) as scene:
        await until(lambda: _is(Commands(store, Now(), LIMITS), command, CommandState.UNDELIVERABLE))
        assert await kinds(store, scene.log, command) == ["command.created", "command.undeliverable"]


async def test_a_broker_that_is_away_is_waited_for_until_it_is_too_late(patient: Scene) -> None:
    scene = patient
    commands = Commands(scene.store, Now(), LIMITS)
    async with scene.car() as car, scene.car() as other:
        scene.mosquitto.stop(kill=True)
        late = await created(scene.store, Now(), car.vehicle, ttl=timedelta(seconds=2))
        in_time = await created(scene.store, Now(), other.vehicle)
        await until(lambda: _is(commands, late, CommandState.EXPIRED))
        assert await kinds(scene.store, scene.log, late) == ["command.created", "command.expired"]
        scene.mosquitto.start()
        await other.until(lambda c: "cmd" in c.heard)
        await until(lambda: _is(commands, in_time, CommandState.SENT))
        assert "cmd" not in car.heard, "an expired command never leaves"


async def test_a_car_that_comes_back_after_the_gateway_gets_its_command(patient: Scene) -> None:
    """A broker that lost its sessions knows nobody until the cars have connected again: that is waited for."""
    scene = patient
    commands = Commands(scene.store, Now(), LIMITS)
    vehicle, unit, shard = await enrol(scene.store)
    command = await created(scene.store, Now(), vehicle)
    car = Car(scene.mosquitto, vehicle, unit, shard)
    async with running(car.link.run()):
        await car.until(lambda c: "cmd" in c.heard)
        await until(lambda: _is(commands, command, CommandState.SENT))
    assert "command.undeliverable" not in await kinds(scene.store, scene.log, command)


async def test_what_was_read_too_late_is_in_doubt_unless_surely_unsent(
    store: Store, mosquitto: Mosquitto, clock: SetClock
) -> None:
    """Made before this gateway was there: a former one may have sent it, so nobody calls it expired."""
    clock.set(Now().now() - timedelta(minutes=1))
    vehicle, _, _ = await enrol(store)
    before = await created(store, clock, vehicle, n=1)
    async with a_gateway(store, mosquitto) as scene, scene.car() as car:
        after = await created(store, clock, vehicle, n=2)
        commands = Commands(store, Now(), LIMITS)
        await until(lambda: _is(commands, after, CommandState.EXPIRED))
        assert (await commands.view(before)).state is CommandState.CREATED
        await commands.on_due(await store.load(before))
        assert (await commands.view(before)).state is CommandState.UNANSWERED
        assert "cmd" not in car.heard
        assert "command.sent" not in await kinds(store, scene.log, before)


async def test_late_commands_are_never_sent(scene: Scene, clock: SetClock) -> None:
    """Their exp has passed when they are read: 200 of them, none leaves."""
    async with scene.car() as car:
        clock.set(Now().now() - timedelta(seconds=31))
        late = [await created(scene.store, clock, car.vehicle, n=n) for n in range(200)]
        fresh = await created(scene.store, Now(), car.vehicle)
        await car.until(lambda c: "cmd" in c.heard)
        assert [json.loads(said["cmd"])["cmd"] for said in car.heard["cmd"]] == [fresh]
        commands = Commands(scene.store, Now(), LIMITS)
        for each in late:  # what became of one is saved while the next is read
            await until(lambda each=each: _is(commands, each, CommandState.EXPIRED))


async def test_a_car_that_comes_back_too_late_finds_no_command(scene: Scene) -> None:
    """The broker drops it with its message expiry: the queue of a sleeping car holds nothing that is over."""
    async with scene.car() as car:
        pass
    commands, sent = Commands(scene.store, Now(), LIMITS), False
    while not sent:  # of those two seconds a slow machine may need more than the one in which it still leaves
        command = await created(scene.store, Now(), car.vehicle, ttl=timedelta(seconds=2))
        await until(lambda: _is(commands, command, CommandState.SENT, CommandState.EXPIRED))  # noqa: B023
        sent = await _is(commands, command, CommandState.SENT)
    ends = (await commands.view(command)).expires_at.replace(microsecond=0)
    # What left in its last second the broker keeps for one more: it counts whole ones, and at least one.
    await until(lambda: Now().now() > ends + timedelta(milliseconds=1_100))
    back = Car(scene.mosquitto, car.vehicle, car.unit, car.shard, seq=10)
    async with running(back.link.run()):
        await back.link.wait_connected()
        seq = await back.say("evt/tow", {})
        await back.until(lambda c: seq in c.acked)
        assert "cmd" not in back.heard


# ---- what others raise


async def raised(store: Store, vehicle: VehicleId, unit: UnitId, version: int) -> None:
    fact = RevocationRaised(
        at=Now().now(), vehicle=vehicle, unit=unit, version=version, signed=f"list.{version}.sig"
    )
    subject = named_after("tst", vehicle)
    await store.change(
        [subject], lambda saved: Change({subject: Write("x", str(saved[subject].version))}, [fact])
    )


async def test_the_newest_list_is_retained_and_repeated_when_the_broker_forgot_it(
    store: Store, mosquitto: Mosquitto
) -> None:
    async with a_gateway(store, mosquitto) as scene, scene.car() as car:
        for version in (1, 3, 2):
            await raised(store, car.vehicle, car.unit, version)
        await car.until(lambda c: "list.3.sig" in c.heard.get("rev", []))
    mosquitto.stop(kill=True)
    for path in (mosquitto.directory / "db").iterdir():
        path.unlink()
    mosquitto.start()
    async with a_gateway(store, mosquitto) as scene:
        late = Car(mosquitto, car.vehicle, car.unit, car.shard, seq=10)
        async with running(late.link.run()):
            await late.until(lambda c: "list.3.sig" in c.heard.get("rev", []))
            assert late.heard["rev"][-1] == "list.3.sig"


async def test_a_unit_that_asks_gets_its_list_again(scene: Scene) -> None:
    async with scene.car() as car:
        await raised(scene.store, car.vehicle, car.unit, 4)
        await car.until(lambda c: len(c.heard.get("rev", [])) == 1)
        await car.say("req/revocations", {"nonce": "", "data": {}})
        await car.until(lambda c: c.heard["rev"] == ["list.4.sig"] * 2)


async def test_a_receipt_that_does_not_verify_quarantines_its_unit(scene: Scene) -> None:
    async with scene.car() as car:
        fact = ReceiptRejected(
            at=Now().now(), vehicle=car.vehicle, unit=car.unit, reason="chain", receipt_hash="0" * 64
        )
        subject = named_after("tst", car.vehicle)
        await scene.store.change([subject], lambda _saved: Change({subject: Write("x", "{}")}, [fact]))
        await until(lambda: scene.facts(car, "unit.quarantined"))
        seq = await car.say("evt/tow", {})
        await car.until(lambda c: (seq, "auth") in c.errors)
        with pytest.raises(CarUnavailable):
            await created(scene.store, Now(), car.vehicle)


def test_positions_compare_by_number() -> None:
    assert order("1000-2") > order("999-10")
