"""News that a challenge of the car asks for: had signed through the log, kept until the tap brings them along."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import ClassVar, Protocol

from delivery.courier import Device, assigned
from delivery.model import Read
from delivery.pace import Rates, slowly
from delivery.ports import Cars, Keys
from delivery.problems import NoKey
from delivery.service import Deliveries
from keys.car.claims import DEFAULT_FRA
from keys.car.jws import PROOF, Unacceptable, read
from keys.car.spelling import device_at_sight, proof_at_sight
from keys.fresh import Asked
from keys.model import read_key
from spine.facts.keys import FreshSigned
from spine.ids import DeliveryId, UnitId, VehicleId, partition_of
from spine.log import Entry
from spine.problems import Kind, Problem


class NewsMissing(Problem):
    """The key service has not answered in time; nothing was opened by this."""

    code: ClassVar[str] = "key.no_news"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE
    try_again: ClassVar[bool] = True


class Asking(Protocol):
    """Who has news signed (``keys.fresh.Freshness``)."""

    async def ask(self, *, vehicle: VehicleId, unit: UnitId, nonce: str, now: datetime) -> Asked: ...

    async def answers(self, vehicle: VehicleId) -> Mapping[str, str]: ...


class Tail(Protocol):
    """Facts as they are committed (``spine.log.Tail``)."""

    async def wait_for(
        self,
        partition: int,
        predicate: Callable[[Entry], bool],
        timeout: float,  # noqa: ASYNC109 - as the tail has it
        after: str | None = None,
    ) -> Entry | None: ...


class News:
    """This process signs nothing: it asks, and hears the answer in the log."""

    def __init__(self, deliveries: Deliveries, asking: Asking, tail: Tail) -> None:
        self._deliveries = deliveries
        self._asking = asking
        self._tail = tail

    async def obtain(self, vehicle: VehicleId, unit: UnitId, challenge: str, *, wait: float) -> str:
        """What is fresh for a challenge of ``unit``; the caller has made sure that the asker may have it.

        Raises ``NewsMissing`` after ``wait`` seconds, ``BadNonce`` for what is no challenge.
        """
        now = self._deliveries.clock.now()
        asked = await self._asking.ask(vehicle=vehicle, unit=unit, nonce=challenge, now=now)
        if asked.signed is not None:
            return asked.signed
        found: list[str] = []

        def fits(entry: Entry) -> bool:
            fact = entry.fact
            if isinstance(fact, FreshSigned) and (fact.unit, fact.nonce) == (unit, challenge):
                found.append(fact.signed)
            return bool(found)

        await self._tail.wait_for(partition_of(vehicle), fits, wait, asked.position)
        if not found:
            raise NewsMissing("the key service did not answer; nothing was opened")
        return found[0]

    async def kept(self, vehicle: VehicleId) -> Mapping[str, str]:
        """What was signed lately for the car, by challenge."""
        return await self._asking.answers(vehicle)


def impatient(delivery: Read) -> bool:
    """Whether the owner wants younger news than the car keeps by itself: then every tap brings its own."""
    fra = delivery.body.approval.fra if delivery.body.approval else None
    return fra is not None and fra < DEFAULT_FRA


def brought(news: Mapping[str, str], proof: str) -> dict[str, str]:
    """What a tap brings along beside its key: the news for the challenge that its proof says it answers.

    Nothing is verified here: the car does.
    """
    if not news:
        return {}
    try:
        parts = read(proof, PROOF, spelled=proof_at_sight, signer=device_at_sight)
        nonce = str(parts.claims.get("nonce", "")) if parts.model is None else parts.model.nonce
        fresh = news.get(nonce)
    except Unacceptable:
        return {}
    return {} if fresh is None else {"fresh": fresh}


class AwayFromNetwork:
    """What a courier's phone fetches for a car that has no network itself."""

    def __init__(self, deliveries: Deliveries, cars: Cars, keys: Keys, rates: Rates, news: News) -> None:
        self._deliveries = deliveries
        self._cars = cars
        self._keys = keys
        self._rates = rates
        self._news = news

    async def fresh(self, device: Device, delivery: DeliveryId, challenge: str, *, wait: float) -> str:
        """News for a challenge of the car, for a device with a live key of this delivery for it.

        Raises ``NoSuchDelivery``, ``NoKey`` and what the key service says of the key, ``BadNonce``,
        ``TooOften``, ``NewsMissing``.
        """
        found, limits = await self._deliveries.read(delivery), self._deliveries.limits
        assigned(found, device)
        key, vehicle, now = found.body.key, found.body.vehicle, self._deliveries.clock.now()
        if key is None or vehicle is None or key.dead or key.jkt != device.jkt or found.over:
            raise NoKey("there is no key for this device now")
        await slowly(self._rates, "fresh", delivery, limits.challenges_most, now)
        held = await self._keys.in_hand(key.key, jkt=device.jkt, now=now)
        unit = await self._cars.unit(vehicle)
        if read_key(held.saved)[1].unit != unit:
            raise NoKey("this key is for a unit that is no longer in the car")
        return await self._news.obtain(vehicle, unit, challenge, wait=wait)
