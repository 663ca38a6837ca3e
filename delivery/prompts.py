"""How often a household is asked by mail: a few times an hour and not at night; the rest comes as one list.

A question is answerable on its page all the while. Kept in one subject ``prm_`` of the car with a timer: the
moment at which what waits is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import AwareDatetime

from delivery.hours import Quiet
from delivery.limits import DeliveryLimits
from delivery.model import Frozen, Read
from spine.ids import CarrierId, DeliveryId, VehicleId, named_after
from spine.store import Change, Saved, Store, Write

KEPT = "kept"


class PromptsBody(Frozen):
    """``sent``: when what was mailed lately, by delivery or list. ``by``: whose it was. ``waiting``: told when."""

    sent: Mapping[str, AwareDatetime] = {}
    by: Mapping[str, CarrierId] = {}
    waiting: Mapping[DeliveryId, AwareDatetime] = {}
    lists: int = 0

    @classmethod
    def of(cls, saved: Saved) -> "PromptsBody":
        """Empty where nothing was asked yet."""
        return cls.model_validate_json(saved.body) if saved.version and not saved.ended else cls()

    def write(self) -> Write:
        """The saved form; its timer stands at the first moment that something waits for."""
        return Write(KEPT, self.model_dump_json(), wake_at=min(self.waiting.values(), default=None))


@dataclass(frozen=True, slots=True)
class Told:
    """What a car's timer came to: a list with its number, or (``lists`` None) single questions after all."""

    vehicle: VehicleId
    deliveries: Sequence[DeliveryId]
    lists: int | None


def later_than(
    body: PromptsBody, read: Read, quiet: Quiet | None, now: datetime, limits: DeliveryLimits
) -> datetime | None:
    """When a question is mailed instead of now; None: now. Pure."""
    sleeps = quiet.until(now) if quiet is not None else None
    if sleeps is not None and not urgent(read, sleeps, limits):
        return sleeps
    recent = _recent(body, now, limits)
    if len(recent) < limits.prompts_most:
        return None
    # One carrier's flood must not keep another one's question from being seen: its first in the hour is mailed.
    if read.body.carrier not in {body.by.get(one) for one in recent}:
        return None
    return min(recent.values()) + limits.prompts_per


def urgent(read: Read, sleeps_until: datetime, limits: DeliveryLimits) -> bool:
    """Whether the window or the time to answer does not let it wait until the household is awake."""
    first = min(read.body.window.start, read.body.approve_by)
    return first <= sleeps_until + limits.quiet_margin


def _recent(body: PromptsBody, now: datetime, limits: DeliveryLimits) -> dict[str, datetime]:
    return {name: at for name, at in body.sent.items() if at > now - limits.prompts_per}


class Prompts:
    """The book of what was mailed and what waits, by car."""

    def __init__(self, store: Store, limits: DeliveryLimits) -> None:
        self._store = store
        self._limits = limits

    async def may_mail(self, vehicle: VehicleId, read: Read, quiet: Quiet | None, now: datetime) -> bool:
        """Whether this question is mailed now. Asked again for the same one: the same answer."""
        subject, delivery = subject_of(vehicle), read.id

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body = PromptsBody.of(saved[subject])
            if delivery in body.sent or delivery in body.waiting:
                return None
            later = later_than(body, read, quiet, now, self._limits)
            if later is None:
                sent = {**_recent(body, now, self._limits), delivery: now}
                by = {one: carrier for one, carrier in body.by.items() if one in sent}
                after = body.but(sent=sent, by={**by, delivery: read.body.carrier})
            else:
                after = body.but(waiting={**body.waiting, delivery: later})
            return Change({subject: after.write()})

        done = await self._store.change([subject], decide)
        return delivery in PromptsBody.of(done.saved[subject]).sent

    def due(self, saved: Saved, now: datetime) -> tuple[VehicleId, PromptsBody, list[DeliveryId]]:
        """What waits no longer, by a timer that fired."""
        body = PromptsBody.of(saved)
        vehicle = VehicleId(named_after("veh", saved.id))
        return vehicle, body, [one for one, at in body.waiting.items() if at <= now]

    async def told(self, told: Told, gone: Sequence[DeliveryId], now: datetime) -> None:
        """What was due is mailed, or asked no more (``gone``): it waits no longer, and what was mailed counts."""
        subject = subject_of(told.vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            body = PromptsBody.of(saved[subject])
            if saved[subject].ended or not saved[subject].version:
                return None
            over = {*told.deliveries, *gone}
            waiting = {one: at for one, at in body.waiting.items() if one not in over}
            sent = _recent(body, now, self._limits)
            if told.lists is not None:
                sent[f"list.{told.lists}"] = now
            else:
                sent.update(dict.fromkeys(told.deliveries, now))
            lists = max(body.lists, told.lists or 0)
            return Change({subject: PromptsBody(sent=sent, by=body.by, waiting=waiting, lists=lists).write()})

        await self._store.change([subject], decide)


def subject_of(vehicle: VehicleId) -> str:
    """Where a car's prompts are kept, in the car's partition."""
    return named_after("prm", vehicle)
