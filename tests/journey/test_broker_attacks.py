"""Somebody speaks to the car on the broker itself: only what our keys have signed, byte by byte, is heard."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keys.signing import Signer, SigningKeys
from tests.journey.stand import Cast, Stand, finish, ready_to_open, until
from tests.journey.straight import Straight
from tests.journey.test_attacks import flipped
from trunkline.installation import gateway_password
from trunkline.settings import Settings
from vehicle_gateway.link import Broker, Link
from vehicle_gateway.wire import Command, down


async def test_a_command_with_one_changed_byte_is_not_done(stand: Stand, cast: Cast) -> None:
    signer = _signer(stand, "cmd")
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight, _gateway(stand) as link:
        topic = await _topic(straight, "cmd")
        good = [_command(cast, n) for n in range(4)]
        for part, claims in enumerate(good[:3]):
            spoiled = Command(cmd=flipped(signer.sign(claims), part)).model_dump_json().encode()
            assert await link.publish(topic, spoiled) == 0
        sent = Command(cmd=signer.sign(good[3])).model_dump_json().encode()
        assert await link.publish(topic, sent) == 0
        executed = stand.unit_folder() / "executed.log"
        await until(lambda: _holds(executed, good[3]["cmd"]), "the good command is executed")
        assert not any([await _holds(executed, claims["cmd"]) for claims in good[:3]])


async def test_a_revocation_list_with_one_changed_byte_is_not_taken(stand: Stand, cast: Cast) -> None:
    """A list that would kill every key: with a byte changed no car believes it."""
    delivery, token = await ready_to_open(cast, "false-list")
    now = int(datetime.now(UTC).timestamp())
    rev = {"version": 2**31, "min_seq": 2**31, "dead": []}
    claims = {"aud": cast.unit, "nonce": "", "iat": now, "exp": now + 3600, "rev": rev}
    signed = _signer(stand, "fresh").sign(claims)
    async with Straight.of(stand, cast.vehicle, cast.unit) as straight, _gateway(stand) as link:
        topic = await _topic(straight, "rev")
        for part in range(3):
            assert await link.publish(topic, flipped(signed, part).encode()) == 0
        await straight.challenge("after")  # in order: the lists were looked at before it
        assert (await cast.courier.open(delivery, token))["outcome"] == "opened"
        await finish(cast, delivery)


def _command(cast: Cast, n: int) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    name = f"cmd_{cast.vehicle.partition('_')[2]}.false{n}{secrets.token_hex(4)}"
    return {"aud": cast.unit, "cmd": name, "op": "flash", "iat": now, "exp": now + 10, "args": {}}


def _signer(stand: Stand, purpose: Any) -> Signer:
    return SigningKeys.load(stand.directory / "keys", {purpose}).signer(purpose)


async def _topic(straight: Straight, name: str) -> str:
    unit = await straight.unit_view()
    return down(unit.shard, unit.id, name)


async def _holds(file: Path, text: str) -> bool:
    return text in file.read_text("utf-8")  # noqa: ASYNC240 - a small file


@asynccontextmanager
async def _gateway(stand: Stand) -> AsyncIterator[Link]:
    """A connection with the gateway's own account."""
    settings = Settings(data_dir=stand.directory)
    broker = Broker(
        settings.broker_host,
        settings.broker_port,
        username=settings.broker_username,
        password=gateway_password(settings),
    )
    link = Link(broker, client_id="somebody", on_message=lambda _: None)
    running = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(60):
            await link.wait_connected()
        yield link
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
