"""What is said aloud beside a commit: heard at once, once, and never believed where it does not fit the fact."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from spine.hints import COMMANDS, Hints
from spine.house import init_house, open_house
from spine.ids import CarrierId, CommandId, DeliveryId, VehicleId, named_after, new_id, partition_of
from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.store import Change, Saved, Store, Write
from spine.valkey import Valkey
from tests.service.brokers import Mosquitto
from tests.service.conftest import running, until
from tests.service.gateway_scene import Scene, a_gateway
from tests.service.valkeys import Server
from vehicle_gateway.commands import CommandBody, Commands
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.wire import Op

both = pytest.mark.parametrize("valkey", ["one", "cluster"], indirect=True)
CARRIER = CarrierId("car_7000000000000001")


ABOUT = "something"


async def said(store: Store, name: str, text: str) -> None:
    store.foretell(ABOUT, (name, text))
    await store.change([CARRIER], lambda _: Change({CARRIER: Write("a", "{}")}))


def as_said(_name: str, text: str) -> str:
    return text


@both
async def test_it_is_heard_by_its_name_once(valkey: Valkey, store: Store) -> None:
    hints = Hints(valkey, ABOUT, as_said)
    async with running(hints.run()):
        await hints.listening.wait()
        await said(store, "one", '{"a": "b c"}')
        await said(store, "two", "first")
        await said(store, "two", "last")
        await until(lambda: "two" in hints._heard and hints._heard["two"] == "last")
        assert [hints.take("one"), hints.take("two")] == ['{"a": "b c"}', "last"]
        assert [hints.take("one"), hints.take("three")] == [None, None]


async def test_only_the_newest_are_kept(valkey: Valkey, store: Store) -> None:
    hints = Hints(valkey, ABOUT, as_said)
    async with running(hints.run()):
        await hints.listening.wait()
        store.foretell(ABOUT, *((f"n{n}", f"{n}") for n in range(300)))
        await until(lambda: "n299" in hints._heard)
        assert [hints.take("n0"), hints.take("n44")] == [None, "44"]


async def test_a_hint_that_is_not_understood_is_not_written_down(
    valkey: Valkey, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    hints = Hints(valkey, COMMANDS, lambda _, text: CommandBody.model_validate_json(text))
    async with running(hints.run()):
        await hints.listening.wait()
        store.foretell(COMMANDS, ("cmd_1", '{"args": {"key": "a-secret-key"}, "vehicle": "a-secret-key"}'))
        await until(lambda: "hint_not_understood" in caplog.text)
    assert "a-secret-key" not in caplog.text


async def test_what_is_made_of_it_is_made_at_once_and_a_broken_one_harms_nobody(
    valkey: Valkey, store: Store
) -> None:
    made = list[tuple[str, str]]()

    def prepare(name: str, text: str) -> int | None:
        made.append((name, text))
        return int(text) if text != "0" else None

    hints = Hints(valkey, ABOUT, prepare)
    async with running(hints.run()):
        await hints.listening.wait()
        for name, text in (("a", "1"), ("b", "x"), ("c", "0"), ("d", "4")):
            store.foretell(ABOUT, (name, text))
        await until(lambda: len(made) == 4)
        assert [hints.take(name) for name, _ in made] == [1, None, None, 4]


async def test_a_store_that_was_away_is_heard_again(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    try:
        valkey = Valkey.at(server.url)
        await init_house(valkey, 8)
        store = Store(valkey, await open_house(valkey))
        hints = Hints(valkey, ABOUT, as_said, SpineLimits(store_retry=timedelta(milliseconds=20)))
        async with running(hints.run()):
            await hints.listening.wait()
            await said(store, "old", "1")
            await until(lambda: "old" in hints._heard)
            server.kill()
            await until(lambda: not hints.listening.is_set())
            assert hints.take("old") is None, "what was heard before may be outdated"
            server.start()
            await hints.listening.wait()
            await said(store, "new", "2")
            await until(lambda: hints.take("new") == "2")
        await valkey.close()
    finally:
        server.kill()


# ---- a command on its way to a car


@pytest.fixture
async def scene(store: Store, mosquitto: Mosquitto) -> AsyncIterator[Scene]:
    async with a_gateway(store, mosquitto) as scene:
        yield scene


@pytest.mark.broker
@pytest.mark.parametrize("fits", [True, False])
async def test_a_gateway_takes_what_fits_and_asks_the_store_for_the_rest(scene: Scene, *, fits: bool) -> None:
    store = scene.store
    now = datetime.now(UTC)
    async with scene.car() as car:
        await _heard_by_the_gateway(scene)
        delivery = DeliveryId(new_id("dlv", partition_of(car.vehicle)))
        command = CommandId(named_after("cmd", delivery, 1, "open"))
        planned = await Commands(store, _Now(), GatewayLimits()).plan(
            command, vehicle=VehicleId(car.vehicle), op=Op.PRESENT, args={"key": "saved"}, delivery=delivery,
            ttl=timedelta(seconds=30), now=now,
        )  # fmt: skip
        said = planned.body.model_copy(update={"args": {"key": "said"}})
        if not fits:  # of a change that was never saved
            said = said.model_copy(update={"created_at": now - timedelta(microseconds=1)})
        store.foretell(COMMANDS, (command, said.model_dump_json()))

        def decide(saved: dict[str, Saved]) -> Change | None:
            made = planned.decide(saved)
            assert made is not None
            assert CommandBody.model_validate_json(planned.text) == planned.body
            return Change(made.writes, made.facts)

        await store.change(planned.subjects, decide)  # type: ignore[arg-type]
        await car.until(lambda car: "cmd" in car.heard)
        claims = _claims(car.heard["cmd"][0]["cmd"])
        assert claims["args"] == {"key": "said" if fits else "saved"}
        assert claims["cmd"] == command


class _Now:
    def now(self) -> datetime:
        return datetime.now(UTC)


def _claims(token: str) -> dict[str, object]:
    """Of a signed command, or of one that the scene's signer left as it was."""
    plain = token
    if not token.startswith("{"):
        part = token.split(".")[1]
        plain = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
    claims: dict[str, object] = json.loads(plain)
    return claims


async def _heard_by_the_gateway(scene: Scene) -> None:
    """Until the store knows of a subscriber."""
    valkey = scene.store.valkey

    async def known() -> bool:
        answer = (await valkey.everywhere("PUBSUB", "NUMSUB", Keyspace(valkey.prefix).hints(COMMANDS)))[0]
        return int(answer[1]) > 0

    await until(known)
