"""One batch of messages: whose are they, what do they come to; saved in one step per partition, and told."""

import asyncio
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

from spine.clock import Clock
from spine.counters import Counters
from spine.dead_letters import DeadLetters
from spine.hints import RECEIPTS
from spine.ids import VehicleId, partition_of
from spine.ingest import Incoming, Verdict, car_state, ingest
from spine.store import Store, StoreDown
from vehicle_gateway import link
from vehicle_gateway.commands import Answered, Commands
from vehicle_gateway.gaps import Gaps
from vehicle_gateway.known import Known, KnownUnits
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.parse import Parsed, Poison, Reason
from vehicle_gateway.replies import Replies, Sender
from vehicle_gateway.telemetry import Telemetry, Values
from vehicle_gateway.translate import Car, translate
from vehicle_gateway.wire import ReceiptEvent, Result, Signals

_log = logging.getLogger("trunkline.vehicle_gateway")

_TOPIC_CHARS: Final = 256
_FEW: Final = 8
"""Messages in a batch of a gateway that keeps up."""


class Opened(NamedTuple):
    """A message, read. ``too_fast``: its unit is over its rate; it is neither saved nor parked."""

    message: link.Incoming
    found: Parsed | Poison
    too_fast: bool = False

    def as_poison(self, reason: Reason, detail: str = "") -> "Opened":
        found = self.found
        return Opened(self.message, Poison(reason, found.shard, found.unit, found.seq, detail))


class Checked(NamedTuple):
    """A message that may be taken, who it is from and what it comes to."""

    opened: Opened
    parsed: Parsed
    known: Known
    entry: Incoming

    @property
    def sender(self) -> Sender:
        return self.known.shard, self.known.unit


class Intake:
    """Saves batches. Remembers the cars it has heard while what it remembers is surely what is saved."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        limits: GatewayLimits,
        *,
        units: KnownUnits,
        dead: DeadLetters,
        replies: Replies,
        gaps: Gaps,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._units = units
        self._dead = dead
        self._replies = replies
        self._gaps = gaps
        self._commands = Commands(store, clock, limits)
        self._telemetry = Telemetry(store, limits)
        self._counters = Counters(store.valkey)
        self._cars: OrderedDict[VehicleId, Car] = OrderedDict()

    async def save(self, batch: Sequence[Opened]) -> None:
        """All of it or, where this raises, perhaps some: done again it is the same. Raises ``StoreDown``.

        When it returns everything is on disk or parked, and the units are told; PUBACK is the caller's.
        """
        now = self._clock.now()
        try:
            checked, poison = await self._check(batch, now)
            self._foretell(checked)
            verdicts, answers = await self._commit(checked, poison, now)
            foreign = [
                each.opened.as_poison(Reason.COMMAND)
                for each, answer in zip(checked, answers, strict=True)
                if answer is Answered.FOREIGN
            ]
            if foreign:
                await self._park(foreign)
        except BaseException:
            self._cars.clear()  # they remember what may not have been saved
            raise
        os.sched_yield()  # whoever waits for what is saved now goes first, a courier perhaps; a unit can wait
        self._tell(checked, verdicts, [*poison, *foreign])
        for each in batch:
            if each.too_fast and each.found.shard is not None and each.found.unit is not None:
                self._replies.refused((each.found.shard, each.found.unit), each.found.seq, "rate")
        self._replies.send()
        if repeated := [verdict.value for verdict in verdicts if verdict is not Verdict.NEW]:
            with suppress(StoreDown):  # a count is worth no batch
                await self._counters.add("gateway", repeated)

    def _foretell(self, checked: Sequence[Checked]) -> None:
        """Receipts, to whoever waits for one: who is behind with many has nobody waiting."""
        if len(checked) <= _FEW:
            receipts = [
                (each.known.unit, each.parsed.content.receipt)
                for each in checked
                if isinstance(each.parsed.content, ReceiptEvent)
            ]
            if receipts:
                self._store.foretell(RECEIPTS, *receipts)

    async def _check(self, batch: Sequence[Opened], now: datetime) -> tuple[list[Checked], list[Opened]]:
        known = await self._units.find(
            each.found.unit for each in batch if isinstance(each.found, Parsed) and not each.too_fast
        )
        await self._remember({each.vehicle for each in known.values()})
        checked: list[Checked] = []
        poison: list[Opened] = []
        for each in batch:
            if each.too_fast:
                continue
            if isinstance(each.found, Poison):
                poison.append(each)
                continue
            unit = known.get(each.found.unit)
            wrong = self._wrong(each.found, unit)
            if wrong is not None or unit is None:
                poison.append(each.as_poison(wrong or Reason.IDENTITY))
                continue
            checked.append(self._translated(each, each.found, unit, now))
        return checked, poison

    def _wrong(self, parsed: Parsed, unit: Known | None) -> Reason | None:
        """Rule: the stored shard, the vehicle's present unit, not in quarantine."""
        if unit is None or unit.shard != parsed.shard:
            return Reason.IDENTITY
        if not unit.trusted:
            return Reason.UNIT
        return None

    def _translated(self, opened: Opened, parsed: Parsed, unit: Known, now: datetime) -> Checked:
        entry = translate(
            parsed,
            unit.vehicle,
            self._cars[unit.vehicle],
            now,
            retained=opened.message.retain,
            heard_every=self._limits.heard_every,
        )
        return Checked(opened, parsed, unit, entry)

    async def _remember(self, vehicles: Iterable[VehicleId]) -> None:
        """Every car of the batch in memory; the longest silent are forgotten."""
        missing = []
        for vehicle in vehicles:
            if vehicle in self._cars:
                self._cars.move_to_end(vehicle)
            else:
                missing.append(vehicle)
        if missing:
            loaded = await asyncio.gather(*(car_state(self._store, vehicle) for vehicle in missing))
            for vehicle, fields in zip(missing, loaded, strict=True):
                self._cars[vehicle] = Car.of(fields)
        while len(self._cars) > max(self._limits.known_units, self._limits.batch):
            self._cars.popitem(last=False)

    async def _commit(
        self, checked: Sequence[Checked], poison: Sequence[Opened], now: datetime
    ) -> tuple[list[Verdict], list[Answered | None]]:
        """All commits of the batch side by side: none depends on another, and each bears repeating."""
        partitions: dict[int, list[int]] = {}
        for index, each in enumerate(checked):
            partitions.setdefault(partition_of(each.known.unit), []).append(index)
        answering = [index for index, each in enumerate(checked) if isinstance(each.parsed.content, Result)]
        works: list[Awaitable[Any]] = [
            ingest(self._store, partition, [checked[index].entry for index in indices], now=now)
            for partition, indices in partitions.items()
        ]
        works += [self._answer(checked[index], now) for index in answering]
        if samples := _samples(checked):
            works.append(self._telemetry.put(samples, now))
        if poison:
            works.append(self._park(poison))
        done = iter(await _all_of(works))
        verdicts: list[Verdict] = [Verdict.NEW] * len(checked)
        for indices in partitions.values():
            for index, verdict in zip(indices, next(done), strict=True):
                verdicts[index] = verdict
        answers: list[Answered | None] = [None] * len(checked)
        for index in answering:
            answers[index] = next(done)
        return verdicts, answers

    async def _answer(self, each: Checked, now: datetime) -> Answered | None:
        result = each.parsed.content
        if not isinstance(result, Result):
            return None
        return await self._commands.answer(result, each.known.unit, now=now)

    async def _park(self, poison: Sequence[Opened]) -> None:
        """To the dead-letter stream of its unit's partition, raw, with the reason."""
        letters = []
        for each in poison:
            found = each.found
            reason = found.reason if isinstance(found, Poison) else Reason.INTERNAL
            detail = found.detail if isinstance(found, Poison) else ""
            partition = partition_of(found.unit) if found.unit is not None else 0
            payload = each.message.payload[: self._limits.dead_letter_bytes]
            letters.append((partition, _readable(each.message.topic), payload, reason.value, detail))
        await self._dead.put_all(letters)

    def _tell(
        self, checked: Sequence[Checked], verdicts: Sequence[Verdict], poison: Sequence[Opened]
    ) -> None:
        refused = {id(each.message) for each in poison}
        taken: dict[tuple[Sender, int], list[int]] = {}
        for each, verdict in zip(checked, verdicts, strict=True):
            seq, boot = each.parsed.seq, each.parsed.boot
            if verdict is not Verdict.NEW:
                self._cars.pop(each.known.vehicle, None)  # it remembers what was not taken
            if verdict in {Verdict.STALE, Verdict.BEHIND}:
                self._replies.refused(each.sender, seq, "stale")
            elif id(each.opened.message) not in refused and each.entry.wants_window:
                taken.setdefault((each.sender, boot), []).append(seq)
                self._gaps.saw(each.known.unit, boot, seq, self._clock.now())
        self._replies.accepted(taken)
        for bad in poison:
            found = bad.found
            _log.warning(
                "inbound.poison",
                extra={"unit": found.unit, "reason": found.reason if isinstance(found, Poison) else ""},
            )
            if isinstance(found, Poison) and found.shard is not None and found.unit is not None:
                self._replies.refused((found.shard, found.unit), found.seq, found.code, found.detail)


def _readable(topic: str | bytes) -> str:
    text = topic if isinstance(topic, str) else topic.decode("utf-8", "backslashreplace")
    return text.encode("utf-8", "backslashreplace").decode()[:_TOPIC_CHARS]


def _samples(checked: Sequence[Checked]) -> list[tuple[VehicleId, Values]]:
    return [
        (each.known.vehicle, each.parsed.content.values)
        for each in checked
        if each.parsed.kind == "tel" and isinstance(each.parsed.content, Signals)
    ]


async def _all_of(works: Sequence[Awaitable[Any]]) -> list[Any]:
    """Wait for all, whatever becomes of them, then raise the first failure: nothing goes on unwatched."""
    if len(works) == 1:
        return [await works[0]]
    results = await asyncio.gather(*works, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
