"""What a tap is decided on, read while its courier still looks for the boot: a person waits for each question."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from delivery.freshness import News
from delivery.model import Read
from delivery.ports import Car, Cars, Keys
from delivery.problems import NoKey, OnlySimulated
from delivery.service import Deliveries
from delivery.witness import Witness
from keys.model import InHand
from spine.ids import CommandId, DeliveryId, KeyId, VehicleId, named_after
from spine.problems import Problem
from spine.store import Saved
from vehicle_gateway.commands import Commands
from vehicle_gateway.planning import Found

_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Subjects:
    """Whose state a tap needs beside its delivery's: its car, its key for this device, its ``n``-th command."""

    vehicle: VehicleId
    key: KeyId
    jkt: str
    n: int

    @classmethod
    def of(cls, read: Read) -> "Subjects":
        """Of the next tap. Raises ``NoKey`` where no tap can open, ``OnlySimulated``."""
        key, vehicle = read.body.key, read.body.vehicle
        if read.body.test is not None or vehicle is None:
            raise OnlySimulated("a test delivery plays by itself")
        if key is None or key.dead:
            raise NoKey("there is no key for this device now")
        return cls(vehicle, key.key, key.jkt, read.body.openings + 1)

    def command(self, delivery: DeliveryId) -> CommandId:
        """The command of this attempt."""
        return CommandId(named_after("cmd", delivery, self.n, "open"))


@dataclass(frozen=True, slots=True)
class Beside:
    """How these stood."""

    subjects: Subjects
    car: Car = field(repr=False)
    found: Found = field(repr=False)
    witness: Witness = field(repr=False)
    key: InHand = field(repr=False)
    news: Mapping[str, str] = field(repr=False)
    """What was signed lately for challenges of the car."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A delivery and, where a tap was foreseen, what that needs, all as read ``at`` that moment.

    Only the car is looked at anew for a tap. The rest is guarded by the versions that were read: where one of
    them has changed since, the tap's commit is refused and all is read again.
    """

    read: Read
    saved: Saved = field(repr=False)
    at: datetime
    beside: Beside | None = None


class LookAhead:
    """Remembers what was read when a challenge was asked for, until the tap or as long as one may follow."""

    def __init__(
        self, deliveries: Deliveries, cars: Cars, keys: Keys, commands: Commands, news: News
    ) -> None:
        self._deliveries = deliveries
        self._cars = cars
        self._keys = keys
        self._commands = commands
        self._news = news
        self._kept: OrderedDict[DeliveryId, Sight] = OrderedDict()

    async def prepare(self, delivery: DeliveryId) -> Beside | None:
        """A tap may follow. Where it cannot be foreseen what it will need (None), it will read that itself."""
        beside = None
        with suppress(Problem):
            sight = await self._read(delivery)
            beside = await self.beside(delivery, Subjects.of(sight.read))
            self._kept[delivery] = replace(sight, beside=beside)
            self._kept.move_to_end(delivery)
        self._forget_old()
        return beside

    def _forget_old(self) -> None:
        """The oldest stand first; a key's token is not kept longer than it may be of use."""
        since = self._deliveries.clock.now() - self._deliveries.limits.challenge_life
        while self._kept and (len(self._kept) > _REMEMBERED or next(iter(self._kept.values())).at <= since):
            self._kept.popitem(last=False)

    async def look(self, delivery: DeliveryId) -> Sight:
        """What is remembered, once, with the car as it stands now; else as it is. Raises ``NoSuchDelivery``."""
        kept, now = self._kept.pop(delivery, None), self._deliveries.clock.now()
        if kept is None or kept.beside is None or not self._still_good(kept, now):
            return await self._read(delivery)
        car = await self._cars.car(kept.beside.subjects.vehicle, now=now)
        return replace(kept, beside=replace(kept.beside, car=car))

    async def beside(self, delivery: DeliveryId, subjects: Subjects) -> Beside:
        """Raises what the key service and the planner of commands raise."""
        now = self._deliveries.clock.now()
        car, found, key, news = await asyncio.gather(
            self._cars.car(subjects.vehicle, now=now),
            self._commands.find(subjects.command(delivery), subjects.vehicle),
            self._keys.in_hand(subjects.key, jkt=subjects.jkt, now=now),
            self._news.kept(subjects.vehicle),
        )
        witness = Witness.of(subjects.command(delivery), found.loaded[found.view.unit])
        return Beside(subjects, car, found, witness, key, news)

    def _still_good(self, kept: Sight, now: datetime) -> bool:
        """Time alone ends a challenge and a key, without a version that would tell."""
        key = kept.read.body.key
        return key is not None and now < key.exp and now - kept.at < self._deliveries.limits.challenge_life

    async def _read(self, delivery: DeliveryId) -> Sight:
        read, saved = await self._deliveries.load(delivery)
        return Sight(read, saved, self._deliveries.clock.now())
