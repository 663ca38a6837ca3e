"""A person with a software key in hand: registers, shows and signs in as a browser would, without one."""

from typing import Any

from keys.car.jwk import unb64
from people.access import PersonPrincipal
from people.assertions import Assertion, Attestation
from people.model import Level
from people.passkey_model import PasskeyView
from spine.ids import PersonId
from tests.people_signing import ORIGIN
from tests.service.people_house import PeopleHouse
from trunkline.software_key import SoftwareKey


def key(**other: Any) -> SoftwareKey:
    """A passkey for the pages of these tests."""
    return SoftwareKey.draw(**{"origin": ORIGIN, "rp_id": "localhost", **other})


async def session(house: PeopleHouse, person: PersonId, level: Level = "link") -> PersonPrincipal:
    """A new session of a person, as the routes see it."""
    _, made = await house.people.sessions.make(person, level=level, now=house.now)
    return PersonPrincipal(person, made.level, made.id, made.passkey_at)


async def again(house: PeopleHouse, who: PersonPrincipal) -> PersonPrincipal:
    """The same session as it stands now."""
    found = [
        one for one in await house.people.sessions.all_of(who.id, now=house.now) if one.id == who.session
    ]
    return PersonPrincipal(who.id, found[0].level, who.session, found[0].passkey_at)


async def made(house: PeopleHouse, who: PersonPrincipal, hand: SoftwareKey, **how: Any) -> Attestation:
    """The answer of a key to this session's registration."""
    options = await house.people.step_up.new_options(who, now=house.now)
    return Attestation.model_validate(hand.registration(unb64(options["challenge"]), **how))


async def register(
    house: PeopleHouse, who: PersonPrincipal, hand: SoftwareKey, name: str = "Key", **how: Any
) -> PasskeyView:
    answer = await made(house, who, hand, **how)
    return await house.people.step_up.register(who, answer, name=name, now=house.now)


async def shown(house: PeopleHouse, who: PersonPrincipal, hand: SoftwareKey, **how: Any) -> Assertion:
    """The answer of a key to this session's proof."""
    options = await house.people.step_up.proof_options(who, now=house.now)
    return Assertion.model_validate(hand.answer(unb64(options["challenge"]), **how))


async def prove(house: PeopleHouse, who: PersonPrincipal, hand: SoftwareKey, **how: Any) -> PersonPrincipal:
    """The session, lifted."""
    await house.people.step_up.prove(who, await shown(house, who, hand, **how), now=house.now)
    return await again(house, who)


async def holder(
    house: PeopleHouse, email: str = "ada@example.org", **how: Any
) -> tuple[PersonPrincipal, SoftwareKey]:
    """Somebody who has a passkey, in the session that made it, five minutes and more ago."""
    from datetime import timedelta

    who, hand = await session(house, await house.person(email)), key()
    await register(house, who, hand, **how)
    house.clock.advance(timedelta(minutes=6))
    return await again(house, who), hand
