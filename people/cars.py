"""Who is bound to which car: claim by the unit's code, roles, release, and the person's list that follows."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from people import presence, roles
from people.limits import PeopleLimits
from people.mail_links import Mailer, MailKind
from people.model import CarPeopleBody, Held, Role, RoleOnCar, body_of
from people.persons import Persons
from people.presence import Presence
from people.problems import HasOwner, LastOwner, NotFound, NotYours
from spine.facts.people import CarClaimed, CarReleased
from spine.ids import PersonId, VehicleId, named_after, prefix_of
from spine.index import Index
from spine.store import Ack, Change, Saved, Store, Write
from spine.zones import is_zone

KEPT: Final = "kept"
OF_PERSON: Final = "person_cars"
"""Index: the vehicles a person has a role on, by when it was bound."""

_PAGE: Final = 200

Who = Callable[[CarPeopleBody], set[str]]
"""Says whose roles end, or raises where that may not be."""


def subject_of(vehicle: str) -> str:
    """The subject that holds a vehicle's people, in the vehicle's partition."""
    return named_after("crw", vehicle)


def vehicle_of(crew: str) -> VehicleId:
    """The vehicle a ``crw_`` subject is about."""
    return VehicleId(named_after("veh", crew))


def people_in(saved: Saved) -> CarPeopleBody:
    """The people of a car's subject; nobody where it was never claimed."""
    return body_of(saved, CarPeopleBody)


def role_in(saved: Saved, person: PersonId, vehicle: VehicleId, now: datetime) -> RoleOnCar | None:
    """The living role of a person on a car; ``saved``: the car's subject."""
    people = people_in(saved)
    held = roles.role_of(people, person, now)
    return None if held is None else roles.view(vehicle, people, held)


def write(people: CarPeopleBody, *, limits: PeopleLimits, now: datetime) -> Write:
    """The subject with its timer: it wakes while a role waits to be confirmed by the person's side."""
    waits = roles.unconfirmed(people, now)
    return Write(KEPT, people.model_dump_json(), now + limits.claim_confirmed_within if waits else None)


class Cars:
    """The car's side (subject ``crw_``) is the truth and taken first; the person's list is an index."""

    def __init__(
        self,
        store: Store,
        index: Index,
        persons: Persons,
        codes: Presence,
        mailer: Mailer,
        limits: PeopleLimits,
    ) -> None:
        self._store = store
        self._index = index
        self._persons = persons
        self._codes = codes
        self._mailer = mailer
        self._limits = limits

    async def claim(
        self, person: PersonId, code: str, *, zone: str | None = None, now: datetime
    ) -> RoleOnCar:
        """Bind a person as owner of the car that shows this code. Same person and code: same answer.

        ``zone``: of the clock in that person's browser, who sits in the car; one that is not known here counts as none.
        Raises ``CodeRefused``, ``HasOwner`` (nothing is used up then), ``TooMany``.
        """
        vehicle, hashed = await self._codes.vehicle_of(person, code, now=now)
        crew, clm = subject_of(vehicle), presence.subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            taken = presence.take(saved[clm], hashed, person, now)
            if taken is None:
                return None
            people = people_in(saved[crew])
            owners = roles.owners(people, now)
            if owners and person not in owners:
                raise HasOwner("This car has an owner, who can invite you or give the car up.")
            after, bound = roles.bind(
                people, person, Role.OWNER, may_approve=True, limits=self._limits, now=now
            )
            if not bound:
                return Change({clm: taken})
            if after.zone is None and zone is not None and is_zone(zone):
                after = after.model_copy(update={"zone": zone})
            claimed = CarClaimed(at=now, vehicle=vehicle, person=person, role="owner")
            return Change({clm: taken, crew: write(after, limits=self._limits, now=now)}, [claimed])

        done = await self._store.change([clm, crew], decide)
        return self._view(vehicle, done.saved[crew], person, now)

    async def show_presence(self, person: PersonId, code: str, *, now: datetime) -> None:
        """Use a code up to show that an owner sits in the own car. Raises ``CodeRefused``, ``NotYours``.

        Of a car that was theirs ``presence_after`` ago already: who reads somebody's mail could else claim a car of
        their own in that person's name, and sit in it.
        """
        vehicle, hashed = await self._codes.vehicle_of(person, code, now=now)
        crew, clm = subject_of(vehicle), presence.subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            crew_now = people_in(saved[crew])
            held = roles.role_of(crew_now, person, now)
            if held is None or held.role is not Role.OWNER:
                raise NotYours("This is a code of a car you do not own.")
            if roles.visible_from(crew_now, held) > now - self._limits.presence_after:
                raise NotYours("This car has not been yours for long enough.")
            taken = presence.take(saved[clm], hashed, person, now)
            return None if taken is None else Change({clm: taken})

        await self._store.change([clm, crew], decide)

    async def role_of(self, person: PersonId, vehicle: VehicleId, *, now: datetime) -> RoleOnCar | None:
        """The living role of a person on a car."""
        if prefix_of(vehicle) != "veh":
            return None
        return role_in(await self._store.load(subject_of(vehicle)), person, vehicle, now)

    async def people_of(self, vehicle: VehicleId, *, now: datetime) -> list[RoleOnCar]:
        """Everyone with a living role on a car, first bound first."""
        people = people_in(await self._store.load(subject_of(vehicle)))
        return [roles.view(vehicle, people, held) for held in roles.living(people, now)]

    async def owners_of(self, vehicle: VehicleId, *, now: datetime) -> list[PersonId]:
        """The owners of a car, first bound first; nobody where it is unclaimed."""
        return roles.owners(people_in(await self._store.load(subject_of(vehicle))), now)

    async def cars_of(self, person: PersonId, *, now: datetime) -> list[RoleOnCar]:
        """A person's cars: the index says where to look, each car says what is so."""
        page = await self._index.page(OF_PERSON, person, after=None, limit=_PAGE)
        found = [await self.role_of(person, VehicleId(vehicle), now=now) for vehicle in page.members]
        return [role for role in found if role is not None]

    async def enlist(self, person: PersonId, vehicle: VehicleId, *, now: datetime) -> None:
        """Put a car that is theirs on the person's list before they are told so.

        The reaction to ``car.claimed`` does the same, a moment later and whatever was cut off here.
        """
        held = await self._held(person, vehicle, now)
        if held is None:
            return
        await self._index.put(OF_PERSON, person, vehicle, held.since.timestamp())
        again = await self._held(person, vehicle, now)
        if again is None or again.until != held.until:  # it ended meanwhile, and was struck off before
            await self._index.remove(OF_PERSON, person, vehicle)

    async def _held(self, person: PersonId, vehicle: VehicleId, now: datetime) -> Held | None:
        return roles.role_of(people_in(await self._store.load(subject_of(vehicle))), person, now)

    async def zone_of(self, vehicle: VehicleId) -> str | None:
        """By whose clock times are told to its people; None where nobody said, or it is not known here any more."""
        zone = people_in(await self._store.load(subject_of(vehicle))).zone
        return zone if zone is not None and is_zone(zone) else None

    async def set_zone(self, vehicle: VehicleId, zone: str, *, by: PersonId, now: datetime) -> None:
        """An owner says by whose clock. Raises ``NotYours``."""
        crew = subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            people = people_in(saved[crew])
            if by not in roles.owners(people, now):
                raise NotYours("Only an owner says where the car is at home.")
            if people.zone == zone:
                return None
            after = people.model_copy(update={"zone": zone})
            return Change({crew: write(after, limits=self._limits, now=now)})

        await self._store.change([crew], decide)

    async def leave(self, vehicle: VehicleId, person: PersonId, *, now: datetime) -> None:
        """Give up the own role. The last owner gives up the car (``release``): raises ``LastOwner``."""

        def who(people: CarPeopleBody) -> set[str]:
            if roles.role_of(people, person, now) is None:
                raise NotFound("You have no role on this car.")
            if roles.owners(people, now) == [person]:
                raise LastOwner("You are the last owner: give up the car as a whole.")
            return {person}

        await self._end(vehicle, who, now=now)

    async def remove(self, vehicle: VehicleId, person: PersonId, *, by: PersonId, now: datetime) -> None:
        """An owner takes a driver's or told-only role back; a co-owner leaves by himself."""

        def who(people: CarPeopleBody) -> set[str]:
            owners = roles.owners(people, now)
            if by not in owners or person in owners:
                raise NotYours("Only an owner takes a role back, and not another owner's.")
            return {person}

        await self._end(vehicle, who, now=now)

    async def release(self, vehicle: VehicleId, *, by: PersonId | None, now: datetime) -> None:
        """Sale or end of a lease: every role on the car ends. ``by``: an owner, or None for an operator."""

        def who(people: CarPeopleBody) -> set[str]:
            if by is not None and by not in roles.owners(people, now):
                raise NotYours("Only an owner gives a car up.")
            return {held.person for held in roles.living(people, now)}

        await self._end(vehicle, who, now=now)

    async def _end(self, vehicle: VehicleId, who: Who, *, now: datetime) -> None:
        crew = subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            people = people_in(saved[crew])
            after, gone = roles.end(people, who(people), now=now)
            if not gone:
                return None
            return Change(
                {crew: write(after, limits=self._limits, now=now)}, roles.released(vehicle, gone, now)
            )

        await self._store.change([crew], decide)

    async def follow(
        self, vehicle: VehicleId, person: PersonId, *, now: datetime, ack: Ack | None = None
    ) -> None:
        """The person's side of a binding: list it and confirm, or give it back where the person is gone.

        Called by the reaction to ``car.claimed`` and by the timer, again and again with the same outcome.
        """
        crew = subject_of(vehicle)
        people = people_in(await self._store.load(crew))
        held = roles.role_of(people, person, now)
        if held is None:
            return
        await self._index.put(OF_PERSON, person, vehicle, held.since.timestamp())
        # Listed before the look: erasing reads this list after the person's end, so one sees the other.
        if not await self._persons.is_active(person):
            await self._end(vehicle, lambda _: {person}, now=now)
            await self._index.remove(OF_PERSON, person, vehicle)
            return
        for owner in roles.owners(people, now):
            await self._mailer.mail(owner, MailKind.CAR_CLAIMED, named_after("rol", vehicle, held.n))

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            now_held = roles.role_of(people_in(saved[crew]), person, now)
            if now_held is None or now_held.n != held.n or now_held.confirmed:
                return None
            return Change(
                {crew: write(roles.confirm(people_in(saved[crew]), held.n), limits=self._limits, now=now)}
            )

        await self._store.change([crew], decide, ack=ack)

    async def forget(self, fact: CarReleased, *, now: datetime) -> None:
        """Reaction to ``car.released``: tell the person, drop the car from the list unless held again."""
        people = people_in(await self._store.load(subject_of(fact.vehicle)))
        ended = [held.n for held in people.roles if held.person == fact.person and held.until == fact.at]
        for n in ended:
            await self._mailer.mail(fact.person, MailKind.CAR_RELEASED, named_after("rol", fact.vehicle, n))
        if roles.role_of(people, fact.person, now) is None:
            await self._index.remove(OF_PERSON, fact.person, fact.vehicle)

    async def release_all_of(self, person: PersonId, *, now: datetime) -> None:
        """Reaction to ``person.erased``: every role of the person ends."""
        page = await self._index.page(OF_PERSON, person, after=None, limit=_PAGE)
        while page.members:
            for vehicle in page.members:
                await self._end(VehicleId(vehicle), lambda _: {person}, now=now)
                await self._index.remove(OF_PERSON, person, vehicle)
            page = await self._index.page(OF_PERSON, person, after=None, limit=_PAGE)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``crw_``: bindings that the log did not confirm in time are confirmed or given back."""
        vehicle = vehicle_of(saved.id)
        for held in roles.unconfirmed(people_in(saved), now):
            await self.follow(vehicle, PersonId(held.person), now=now)

    async def sweep(self, vehicles: Iterable[VehicleId], *, now: datetime) -> int:
        """Compare both sides for these cars and mend the persons' lists; how many entries were wrong."""
        mended = 0
        for vehicle in vehicles:
            people = people_in(await self._store.load(subject_of(vehicle)))
            for person in {PersonId(held.person) for held in people.roles}:
                mended += await self._mend(vehicle, people, person, now=now)
        return mended

    async def _mend(
        self, vehicle: VehicleId, people: CarPeopleBody, person: PersonId, *, now: datetime
    ) -> int:
        held: Held | None = roles.role_of(people, person, now)
        page = await self._index.page(OF_PERSON, person, after=None, limit=_PAGE)
        listed = vehicle in page.members
        if (held is not None) == listed:
            return 0
        if held is not None:
            await self.follow(vehicle, person, now=now)
        else:
            await self._index.remove(OF_PERSON, person, vehicle)
        return 1

    @staticmethod
    def _view(vehicle: VehicleId, crew: Saved, person: PersonId, now: datetime) -> RoleOnCar:
        people = people_in(crew)
        held = roles.role_of(people, person, now)
        if held is None:
            raise NotFound("The role has ended since.")
        return roles.view(vehicle, people, held)
