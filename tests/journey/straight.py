"""The way to the car without any delivery's rules: what somebody could do who has taken over our API."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from keys.car.claims import Act
from keys.car.jws import SigningKey
from keys.car.proof import make_proof
from spine.facts import Fact
from spine.ids import CommandId, UnitId, VehicleId, new_id, partition_of
from spine.log import Log
from tests.journey.stand import Stand
from trunkline.desk import Desk, desk
from trunkline.settings import Settings
from vehicle_gateway.commands import Commands, CommandView, NoSuchCommand
from vehicle_gateway.registry import UnitView, Vehicles
from vehicle_gateway.wire import Op


@dataclass(frozen=True)
class Straight:
    """Signed commands over the real gateway and broker to one real unit."""

    desk: Desk
    commands: Commands
    vehicle: VehicleId
    unit: str

    @classmethod
    @asynccontextmanager
    async def of(cls, stand: Stand, vehicle: str, unit: str) -> AsyncIterator["Straight"]:
        settings = Settings(data_dir=stand.directory)
        async with desk(settings) as opened:
            commands = Commands(opened.store, opened.clock, settings.gateway)
            yield cls(opened, commands, VehicleId(vehicle), unit)

    async def send(self, op: Op, args: dict[str, Any], *, ttl: float = 3) -> CommandId:
        """Make a command and do not wait for it."""
        command = CommandId(new_id("cmd", partition_of(self.vehicle)))
        await self.commands.create(
            command, vehicle=self.vehicle, op=op, args=args, delivery=None,
            ttl=timedelta(seconds=ttl), now=self.desk.clock.now(),
        )  # fmt: skip
        return command

    async def end(self, command: CommandId, *, seconds: float = 60) -> CommandView:
        """How it ended."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    view = await self.commands.view(command)
                except NoSuchCommand:
                    await asyncio.sleep(0.02)
                    continue
                if view.ended:
                    return view
                await asyncio.sleep(0.02)

    async def ask(self, op: Op, args: dict[str, Any]) -> CommandView:
        """Send it and wait for its end."""
        return await self.end(await self.send(op, args))

    async def challenge(self, link: str) -> str:
        """A challenge of the car."""
        view = await self.ask(Op.CHALLENGE, {"delivery": link})
        return str(view.data["challenge"])

    async def present(
        self, link: str, token: str, device: SigningKey, *, challenge: str = "", act: Act = "open:trunk"
    ) -> CommandView:
        """Show a key with a proof of this device over a fresh challenge (or the one given)."""
        nonce = challenge or await self.challenge(link)
        proof = make_proof(
            device, key_token=token, challenge=nonce, unit=self.unit, act=act, now=self.desk.clock.now()
        )
        return await self.show(link, token, proof)

    async def show(self, link: str, token: str, proof: str) -> CommandView:
        """Show exactly these bytes."""
        return await self.ask(Op.PRESENT, {"delivery": link, "key": token, "proof": proof})

    async def unit_view(self) -> UnitView:
        """The unit as the server knows it."""
        return await Vehicles(self.desk.store).unit(UnitId(self.unit))

    async def facts(self, delivery: str) -> list[Fact]:
        """What the log says of a delivery, in order."""
        log = Log(self.desk.valkey, self.desk.house)
        entries = log.entries(partition_of(delivery))
        return [one.fact async for one in entries if getattr(one.fact, "delivery", None) == delivery]

    async def openings(self, delivery: str) -> int:
        """How often the boot opened for it, by verified receipts."""
        return sum(one.kind == "boot.opened" for one in await self.facts(delivery))
