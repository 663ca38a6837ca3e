"""Where a parcel goes when the car cannot take it: chosen beforehand by an owner, told only when a delivery is undone.

Who may read it, and for how long, is ``readable``: pure. The choice lies in one subject ``fbk_`` of the car.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import AwareDatetime, Field

from delivery import barred
from delivery.barred import BarredBody
from delivery.limits import DeliveryLimits
from delivery.model import Frozen, Read
from delivery.ports import CarPeople
from delivery.problems import RulesChanged
from delivery.service import Deliveries, Turn, told
from delivery.states import State
from delivery.views import FallbackKind, FallbackToldOut
from people.cars import people_in
from people.cars import subject_of as people_of
from people.problems import NotYours
from people.roles import owners
from spine.facts.delivery import FallbackSeen
from spine.ids import CarrierId, CourierId, PersonId, VehicleId, named_after
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Write

LINE_MOST: Final = 200
KEPT: Final = "kept"
_UNDONE: Final = frozenset({State.EXPIRED, State.REFUSED, State.FAILED})
"""Ends after a yes in which no parcel was handed over. Whoever blocks does not want this carrier at the door either."""

_Line = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LINE_MOST,
        pattern=r"^[^\x00-\x1f\x7f\u2028\u2029]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f\u2028\u2029]*$",
    ),
]


class NoFallback(Problem):
    """There is none to be read: none was chosen, the delivery does not call for one, or the time for it is over."""

    code: ClassVar[str] = "fallback.none"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class Fallback(Frozen):
    """``line``: such as a name, street and number. ``when_declined``: also where an owner says no openly."""

    to: FallbackKind
    line: _Line = Field(repr=False)
    when_declined: bool = False


class Kept(Frozen):
    """The choice, who wrote it, and since when the household has one: ``{}`` once it is taken back or has left.

    ``since`` outlives a correction: where a misspelt street is mended after the end, the courier finds the door.
    ``declined_since``: since when whoever is declined may read it, too; nobody who was declined before.
    """

    place: Fallback | None = None
    by: PersonId | None = None
    since: AwareDatetime | None = None
    declined_since: AwareDatetime | None = None

    @classmethod
    def of(cls, saved: Saved) -> "Kept":
        """Nothing where nothing was chosen."""
        return cls.model_validate_json(saved.body) if saved.version and not saved.ended else cls()


def subject_of(vehicle: VehicleId) -> str:
    """Where a car's fallback is kept, in the car's partition."""
    return named_after("fbk", vehicle)


def calls_for_it(read: Read) -> bool:
    """Whether this end asks for another place at all. Before an owner's yes only an open no can, if its owner wants.

    Silently declined, unanswered and unusable must stay alike: of these nothing is ever told.
    """
    body = read.body
    if body.kind != "dropoff" or body.test is not None or body.vehicle is None or body.finished_at is None:
        return False
    if body.approval is not None:
        return read.state in _UNDONE
    return read.state is State.DECLINED and not body.silently and not body.disowned


def readable(read: Read, kept: Kept, now: datetime, limits: DeliveryLimits) -> datetime | None:
    """Until when its carrier and courier may read the place; None: they may not.

    There must have been one before the end: a later household's is not for an earlier one's carriers.
    """
    finished = read.body.finished_at
    since = kept.since if read.body.approval is not None else kept.declined_since
    if kept.place is None or since is None or finished is None or not calls_for_it(read):
        return None
    until = finished + limits.fallback_read_for
    return until if since <= finished and now < until else None


class Fallbacks:
    """Chooses the fallback of a car, and gives it to whoever may read it."""

    def __init__(self, deliveries: Deliveries, people: CarPeople) -> None:
        self._deliveries = deliveries
        self._people = people

    async def of(self, person: PersonId, vehicle: VehicleId) -> tuple[Fallback | None, str]:
        """The choice and its ETag. Raises ``NotYours`` for anybody but an owner."""
        if not await self._owns(person, vehicle):
            raise NotYours("Only an owner says where parcels go instead.")
        saved = await self._deliveries.store.load(subject_of(vehicle))
        return (await self._living(vehicle, saved)).place, _etag(saved)

    async def choose(
        self, person: PersonId, vehicle: VehicleId, place: Fallback | None, *, if_match: str
    ) -> tuple[Fallback | None, str]:
        """From now on this one, or none. The same again changes nothing. Raises ``NotYours``, ``RulesChanged``.

        Whether the person still owns the car is decided in the same commit: a home address is never left to the next.
        """
        subject, crew, now = subject_of(vehicle), people_of(vehicle), self._deliveries.clock.now()

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            household = owners(people_in(saved[crew]), now)
            if person not in household:
                raise NotYours("Only an owner says where parcels go instead.")
            before = Kept.of(saved[subject])
            if before.by not in household:
                before = Kept()
            if before.place == place:
                return None
            if if_match not in {"*", _etag(saved[subject])}:
                raise RulesChanged("read it again")
            kept = _after(before, place, person, now)
            return Change({subject: Write(KEPT, kept.model_dump_json(exclude_none=True))})

        saved = (await self._deliveries.store.change([subject, crew], decide)).saved[subject]
        return Kept.of(saved).place, _etag(saved)

    async def told(self, read: Read) -> FallbackToldOut | None:
        """That there is one, of which kind, and until when it can be read; never the line itself."""
        found = await self._readable(read)
        return FallbackToldOut(to=found[0].to, until=found[1]) if found else None

    async def ahead(self, read: Read) -> FallbackToldOut | None:
        """Whether the courier of a car that cannot be reached may end the job and go there instead."""
        body = read.body
        if (
            read.state is not State.KEYED
            or body.kind != "dropoff"
            or body.vehicle is None
            or body.test is not None
        ):
            return None
        place = (await self._kept(body.vehicle)).place
        if place is None or await self._barred(body.vehicle, body.carrier):
            return None
        return FallbackToldOut(to=place.to, until=None)

    async def read(self, read: Read, by: CarrierId | CourierId) -> tuple[Fallback, datetime]:
        """The place itself. The first time is a fact that the people of the car see. Raises ``NoFallback``."""
        found = await self._readable(read)
        if found is None:
            raise NoFallback("there is nothing to be read here")
        now = self._deliveries.clock.now()

        def decide(here: Read, _: Mapping[str, Saved]) -> Turn | None:
            if "delivery.fallback_seen" in here.body.times:
                return None
            if not calls_for_it(here):
                raise NoFallback("there is nothing to be read here")
            return Turn(here.body, [told(FallbackSeen, here, now, by=by)])

        await self._deliveries.change(read.id, decide)
        return found

    async def _readable(self, read: Read) -> tuple[Fallback, datetime] | None:
        if not calls_for_it(read) or read.body.vehicle is None:
            return None
        kept = await self._kept(read.body.vehicle)
        until = readable(read, kept, self._deliveries.clock.now(), self._deliveries.limits)
        if until is None or kept.place is None or await self._barred(read.body.vehicle, read.body.carrier):
            return None
        return kept.place, until

    async def _kept(self, vehicle: VehicleId) -> Kept:
        return await self._living(vehicle, await self._deliveries.store.load(subject_of(vehicle)))

    async def _living(self, vehicle: VehicleId, saved: Saved) -> Kept:
        """Nothing where whoever wrote it has left the car: it counts no more from then on, also before it is erased."""
        kept = Kept.of(saved)
        return kept if kept.by is not None and await self._owns(kept.by, vehicle) else Kept()

    async def _owns(self, person: PersonId, vehicle: VehicleId) -> bool:
        role = await self._people.role_of(person, vehicle, now=self._deliveries.clock.now())
        return role is not None and role.role == "owner"

    async def _barred(self, vehicle: VehicleId, carrier: CarrierId) -> bool:
        """Somebody of the car said "that was not me" of this carrier, and no owner has lifted it."""
        bars = BarredBody.of(await self._deliveries.store.load(barred.subject_of(vehicle)))
        return any(one.carrier == carrier for one in bars.carriers)


def _after(before: Kept, place: Fallback | None, person: PersonId, now: datetime) -> Kept:
    if place is None:
        return Kept()
    declined = (before.declined_since or now) if place.when_declined else None
    return Kept(place=place, by=person, since=before.since or now, declined_since=declined)


def _etag(saved: Saved) -> str:
    return f'"{saved.version}"'
