"""Who is what on a car, as pure rules over the list of roles: bind, end, and from when one may see."""

from datetime import datetime
from typing import Final

from people.limits import PeopleLimits
from people.model import CarPeopleBody, Held, Role, RoleOnCar
from people.problems import TooFull
from spine.facts.people import CarReleased
from spine.ids import PersonId, VehicleId

_RANK: Final = {Role.TOLD: 0, Role.DRIVER: 1, Role.OWNER: 2}
_ENDED_KEPT: Final = 200
"""Ended roles that are remembered; only numbers of past bindings, no rights, hang on them."""


def living(people: CarPeopleBody, now: datetime) -> list[Held]:
    """Roles that hold at ``now``, in the order they were bound."""
    return [held for held in people.roles if held.until is None or now < held.until]


def owners(people: CarPeopleBody, now: datetime) -> list[PersonId]:
    """Everyone who is owner at ``now``."""
    return [PersonId(held.person) for held in living(people, now) if held.role is Role.OWNER]


def role_of(people: CarPeopleBody, person: str, now: datetime) -> Held | None:
    """The one role a person holds at ``now``."""
    return next((held for held in living(people, now) if held.person == person), None)


def visible_from(people: CarPeopleBody, held: Held) -> datetime:
    """From when on the holder may see: where an unbroken line of roles of this person on this car began."""
    begun = held.since
    for former in reversed(people.roles):
        if former.person == held.person and former.until == begun:
            begun = former.since
    return begun


def view(vehicle: VehicleId, people: CarPeopleBody, held: Held) -> RoleOnCar:
    """A living role as other packages see it."""
    may_approve = held.role is Role.OWNER or (held.role is Role.DRIVER and held.may_approve)
    since = visible_from(people, held)
    return RoleOnCar(vehicle, PersonId(held.person), held.role, may_approve, since, people.zone)


def bind(
    people: CarPeopleBody, person: str, role: Role, *, may_approve: bool, limits: PeopleLimits, now: datetime
) -> tuple[CarPeopleBody, bool]:
    """Give a person a role; one who has it or a higher one keeps that. Says whether anything changed.

    Raises ``TooFull`` where the car has all the people it may have.
    """
    present = role_of(people, person, now)
    if present is not None and _RANK[present.role] >= _RANK[role]:
        return people, False
    if present is None and len(living(people, now)) >= limits.people_per_car:
        raise TooFull("This car has as many people as it can have.")
    n = people.bindings + 1
    roles = [_ended(held, now) if held is present else held for held in people.roles]
    roles.append(Held(n=n, person=person, role=role, since=now, may_approve=may_approve))
    return people.model_copy(update={"roles": roles, "bindings": n}), True


def end(people: CarPeopleBody, who: set[str], *, now: datetime) -> tuple[CarPeopleBody, list[Held]]:
    """End the roles of some people. Where no owner is left, all others end too and a new era begins."""
    left = [person for person in owners(people, now) if person not in who]
    gone = [held for held in living(people, now) if held.person in who or not left]
    if not gone:
        return people, []
    roles = [_ended(held, now) if held in gone else held for held in people.roles]
    past = [held for held in roles if held.until is not None][:-_ENDED_KEPT]
    era = people.era + (0 if left else 1)
    kept = [held for held in roles if held not in past]
    zone = people.zone if left else None
    return people.model_copy(update={"roles": kept, "era": era, "zone": zone}), gone


def released(vehicle: VehicleId, gone: list[Held], now: datetime) -> list[CarReleased]:
    """The facts of roles that ended."""
    return [
        CarReleased(at=now, vehicle=vehicle, person=PersonId(held.person), role=held.role.value)
        for held in gone
    ]


def confirm(people: CarPeopleBody, n: int) -> CarPeopleBody:
    """The person's own list has binding ``n``."""
    roles = [held.model_copy(update={"confirmed": True}) if held.n == n else held for held in people.roles]
    return people.model_copy(update={"roles": roles})


def unconfirmed(people: CarPeopleBody, now: datetime) -> list[Held]:
    """Living roles that the person's side has not confirmed."""
    return [held for held in living(people, now) if not held.confirmed]


def _ended(held: Held, now: datetime) -> Held:
    return held.model_copy(update={"until": now})
