"""The owner's choice "call me about faults": who may make it, and what follows from it."""

from collections.abc import Mapping

from maintenance import calls as choice
from maintenance.model import Calls, Country, Frozen, Hours, Language, Phone, Zone
from people.cars import Cars as CarPeople
from people.cars import people_in
from people.cars import subject_of as people_of
from people.model import Role, RoleOnCar
from people.problems import NotFound, NotYours
from people.roles import owners
from spine.clock import Clock
from spine.facts.maintenance import CallsChosen
from spine.ids import GarageId, PersonId, VehicleId
from spine.store import Change, Saved, Store


class Wish(Frozen):
    """What an owner asks for. Turned off, phone and hours may stay for the next time."""

    on: bool
    phone: Phone | None = None
    language: Language = "en"
    zone: Zone = "Europe/Amsterdam"
    country: Country = "NL"
    hours: Hours | None = None
    garage: GarageId | None = None


class Choosing:
    """Reads and sets the choice of a car."""

    def __init__(self, store: Store, clock: Clock, people: CarPeople) -> None:
        self._store = store
        self._clock = clock
        self._people = people

    async def role(self, person: PersonId, vehicle: VehicleId) -> RoleOnCar:
        """The person's living role on a car. Raises ``NotFound`` alike for no such car and for somebody else's."""
        role = await self._people.role_of(person, vehicle, now=self._clock.now())
        if role is None:
            raise NotFound("This is no car of yours.")
        return role

    async def of(self, vehicle: VehicleId) -> Calls | None:
        """The choice of a car; None where nobody made one."""
        return choice.read(await self._store.load(choice.subject_of(vehicle)))

    async def choose(self, person: PersonId, vehicle: VehicleId, wish: Wish) -> Calls:
        """Set it, as an owner. The same once more changes nothing. Raises ``NotFound``, ``NotYours``.

        Whether the person still owns the car is decided in the same commit: a sale at this moment wins or loses whole.
        """
        role = await self.role(person, vehicle)
        if role.role is not Role.OWNER:
            raise NotYours("Only an owner says who is called about this car.")
        subject, crew = choice.subject_of(vehicle), people_of(vehicle)
        now = self._clock.now()
        calls = Calls(person=person, chosen_at=now, **dict(wish))

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if person not in owners(people_in(saved[crew]), now):
                raise NotYours("Only an owner says who is called about this car.")
            before = choice.read(saved[subject])
            mine = calls.but(released_at=choice.released_at(saved[subject]))
            if before is not None and before.but(chosen_at=now) == mine:
                return None
            told = CallsChosen(at=now, vehicle=vehicle, person=person, on=choice.may_call(calls))
            return Change({subject: choice.write(mine)}, [told])

        await self._store.change([subject, crew], decide)
        return calls
