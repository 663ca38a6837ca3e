"""Cars and their people: claimed once by presence, invited, released; both sides agree after every crash."""

import asyncio
from datetime import timedelta

import pytest

from people.cars import OF_PERSON
from people.limits import PeopleLimits
from people.mail_links import MailKind
from people.model import Role
from people.problems import CodeRefused, HasOwner, LastOwner, NotFound, NotYours, TooMany
from people.states import Invitation, NotNow
from spine.facts.vehicle import UnitEvent
from spine.ids import UnitId
from spine.index import Index
from tests.service.people_house import CAR, OTHER_CAR, PeopleHouse, house_of_people

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()
CODE = "ABCD2345"


async def listed(house: PeopleHouse, person: str) -> list[str]:
    index = Index(house.store.valkey, house.store.house)
    return (await index.page(OF_PERSON, person)).members


async def test_a_person_claims_a_car_by_its_code(house_of_people: PeopleHouse) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    person = await house.person("ada@example.org")
    await house.show(CODE)
    role = await cars.claim(person, " abcd-2345 ", now=house.now)
    assert (role.vehicle, role.role, role.visible_from) == (CAR, Role.OWNER, house.now)
    assert role.may_approve
    assert await house.settle() == ["car.claimed"]
    assert await listed(house, person) == [CAR]
    assert await cars.cars_of(person, now=house.now) == [role]
    assert house.mailbox.kinds() == ["car_claimed"]
    assert await cars.claim(person, CODE, now=house.now) == role
    assert await house.settle() == []


async def test_of_many_persons_with_one_code_exactly_one_gets_the_car(house_of_people: PeopleHouse) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    rivals = [await house.person(f"p{n}@example.org") for n in range(10)]
    await house.show(CODE)
    done = await asyncio.gather(
        *(cars.claim(rival, CODE, now=house.now) for rival in rivals), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in done) == 1
    assert sum(isinstance(one, CodeRefused) for one in done) == 9
    assert len(await cars.owners_of(CAR, now=house.now)) == 1


async def test_a_code_is_refused_when_wrong_old_or_replaced(house_of_people: PeopleHouse) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    person = await house.person("ada@example.org")
    with pytest.raises(CodeRefused):
        await cars.claim(person, CODE, now=house.now)
    await house.show(CODE)
    await house.show("NEWC2345")
    with pytest.raises(CodeRefused):
        await cars.claim(person, CODE, now=house.now)
    house.clock.advance(timedelta(minutes=5))
    with pytest.raises(CodeRefused):
        await cars.claim(person, "NEWC2345", now=house.now)
    await house.fire("clm")
    await house.fire("clm")
    await house.show("LAST2345")
    assert (await cars.claim(person, "LAST2345", now=house.now)).role is Role.OWNER


async def test_codes_cannot_be_tried_without_end(house_of_people: PeopleHouse) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    person = await house.person("ada@example.org")
    for n in range(LIMITS.claims_per_person):
        with pytest.raises(CodeRefused):
            await cars.claim(person, f"WRONG{n}", now=house.now)
    with pytest.raises(TooMany):
        await cars.claim(person, "WRONG", now=house.now)


async def test_nonsense_of_a_unit_is_passed_by(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    for data in (
        {},
        {"code_scrypt": "x", "expires_at": "y"},
        {"code_scrypt": "a" * 64, "expires_at": "2001-01-01T00:00:00Z"},
    ):
        unit = UnitId("vu_3k7m9qxd4hwe2a5t")
        await house.append(UnitEvent(at=house.now, vehicle=CAR, unit=unit, type="pair", event="e", data=data))
    assert await house.settle() == ["unit.event"] * 3
    assert not any(key.startswith("clm_") for key in await house.subjects())


async def test_a_car_with_an_owner_is_not_claimed_and_the_code_stays_good(
    house_of_people: PeopleHouse,
) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    owner = await house.owner("ada@example.org")
    thief = await house.person("eve@example.org")
    await house.show("NEWC2345")
    with pytest.raises(HasOwner):
        await cars.claim(thief, "NEWC2345", now=house.now)
    await cars.release(CAR, by=owner, now=house.now)
    assert (await cars.claim(thief, "NEWC2345", now=house.now)).role is Role.OWNER


async def test_a_reaction_read_twice_changes_nothing(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    person = await house.owner("ada@example.org")
    await house.people.cars.release(CAR, by=person, now=house.now)
    await house.owner("ben@example.org", "OTHR2345")
    before, log, mails = await house.subjects(), await house.facts(), dict(house.mailbox.queued)
    house.rewind()
    await house.settle()
    assert await house.subjects() == before
    assert await house.facts() == log
    assert house.mailbox.queued == mails
    assert await listed(house, person) == []


@pytest.mark.parametrize("commits", range(4))
@pytest.mark.parametrize("erased", [False, True])
async def test_killed_between_the_two_sides_the_claim_is_confirmed_or_given_back(
    house_of_people: PeopleHouse, commits: int, erased: bool
) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    person = await house.person("ada@example.org")
    await house.show(CODE)

    async def claim_and_follow() -> None:
        await cars.claim(person, CODE, now=house.now)
        await house.settle()

    await house.killed_after(commits, claim_and_follow)
    if erased:
        await house.people.persons.erase(person, now=house.now)
    house.clock.advance(LIMITS.claim_confirmed_within)
    await house.fire("crw")  # the timer alone mends it, without the log
    claimed = commits > 0 and not erased
    if erased:
        await house.settle()  # a confirmed role ends by the fact of the erasing
    assert await cars.owners_of(CAR, now=house.now) == ([person] if claimed else [])
    assert await listed(house, person) == ([CAR] if claimed else [])
    await house.settle()
    assert await cars.owners_of(CAR, now=house.now) == ([person] if claimed else [])
    assert await listed(house, person) == ([CAR] if claimed else [])
    assert not any(row.wake_at for key, row in (await house.subjects()).items() if key.startswith("crw_"))


async def test_the_sweep_mends_a_persons_list_that_lost_or_kept_too_much(
    house_of_people: PeopleHouse,
) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    index = Index(house.store.valkey, house.store.house)
    ada = await house.owner("ada@example.org")
    ben = await house.owner("ben@example.org", "OTHR2345", OTHER_CAR)
    await cars.release(OTHER_CAR, by=ben, now=house.now)
    await house.settle()
    assert await cars.sweep([CAR, OTHER_CAR], now=house.now) == 0
    await index.remove(OF_PERSON, ada, CAR)
    await index.put(OF_PERSON, ben, OTHER_CAR, 1.0)
    assert await cars.sweep([CAR, OTHER_CAR], now=house.now) == 2
    assert (await listed(house, ada), await listed(house, ben)) == ([CAR], [])


async def test_who_had_the_car_sees_nothing_later_and_who_gets_it_nothing_earlier(
    house_of_people: PeopleHouse,
) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    former = await house.owner("ada@example.org")
    house.clock.advance(timedelta(days=100))
    await cars.release(CAR, by=former, now=house.now)
    await house.settle()
    assert await cars.role_of(former, CAR, now=house.now) is None
    assert await cars.cars_of(former, now=house.now) == []
    house.clock.advance(timedelta(days=1))
    new = await house.owner("ben@example.org", "OTHR2345")
    role = await cars.role_of(new, CAR, now=house.now)
    assert role is not None
    assert role.visible_from == house.now
    assert "car_released" in house.mailbox.kinds()


async def invited(house: PeopleHouse, by: str, email: str, role: Role, **more: bool) -> tuple[str, str]:
    approve = more.get("may_approve", False)
    offers = house.people.invitations
    view = await offers.offer(CAR, email, role, by=by, may_approve=approve, now=house.now)
    entry = house.people.persons.entry_of(email)
    await house.people.persons.confirm(view.person, entry, now=house.now)
    return view.id, view.person


async def test_a_driver_is_bound_by_accepting(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    owner = await house.owner("ada@example.org")
    invitation, driver = await invited(house, owner, "ben@example.org", Role.DRIVER, may_approve=True)
    letter = await house.letter(driver, MailKind.INVITATION)
    assert letter is not None
    assert letter.link.to == f"/invitations/{invitation}"
    assert await house.letter(owner, MailKind.INVITATION_NOTICE) is not None
    with pytest.raises(NotFound):
        await people.invitations.accept(invitation, person=owner, code=None, now=house.now)
    view = await people.invitations.accept(invitation, person=driver, code=None, now=house.now)
    assert view.state is Invitation.BOUND
    await house.settle()
    role = await people.cars.role_of(driver, CAR, now=house.now)
    assert role is not None
    assert (role.role, role.may_approve) == (Role.DRIVER, True)
    again = await people.invitations.accept(invitation, person=driver, code=None, now=house.now)
    assert again == view
    with pytest.raises(NotYours):
        await invited(house, driver, "eve@example.org", Role.TOLD)
    with pytest.raises(NotYours):
        await people.cars.remove(CAR, owner, by=driver, now=house.now)
    await people.cars.remove(CAR, driver, by=owner, now=house.now)
    assert await people.cars.role_of(driver, CAR, now=house.now) is None


async def test_a_second_owner_waits_out_the_notice_or_shows_presence(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    owner = await house.owner("ada@example.org")
    slow, ben = await invited(house, owner, "ben@example.org", Role.OWNER)
    quick, cem = await invited(house, owner, "cem@example.org", Role.OWNER)
    view = await people.invitations.accept(slow, person=ben, code=None, now=house.now)
    assert view.state is Invitation.ACCEPTED
    await house.show("CODE2345")
    view = await people.invitations.accept(quick, person=cem, code="CODE2345", now=house.now)
    assert view.state is Invitation.BOUND
    assert await people.cars.owners_of(CAR, now=house.now) == [owner, cem]
    house.clock.advance(LIMITS.notice - timedelta(seconds=1))
    await house.fire("inv")
    assert ben not in await people.cars.owners_of(CAR, now=house.now)
    house.clock.advance(timedelta(seconds=1))
    await house.fire("inv")
    await house.fire("inv")
    assert await people.cars.owners_of(CAR, now=house.now) == [owner, cem, ben]
    with pytest.raises(NotYours):
        await people.cars.remove(CAR, owner, by=cem, now=house.now)
    await people.cars.leave(CAR, owner, now=house.now)
    await people.cars.leave(CAR, cem, now=house.now)
    with pytest.raises(LastOwner):
        await people.cars.leave(CAR, ben, now=house.now)


async def test_an_invitation_is_as_good_as_its_inviter(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    owner = await house.owner("ada@example.org")
    waiting, ben = await invited(house, owner, "ben@example.org", Role.OWNER)
    open_, cem = await invited(house, owner, "cem@example.org", Role.TOLD)
    taken_back, dan = await invited(house, owner, "dan@example.org", Role.OWNER)
    await people.invitations.accept(waiting, person=ben, code=None, now=house.now)
    await people.invitations.accept(taken_back, person=dan, code=None, now=house.now)
    assert len(await people.invitations.of_car(CAR)) == 3
    await people.invitations.cancel(taken_back, by=owner, now=house.now)
    with pytest.raises(NotFound):
        await people.invitations.cancel(waiting, by=cem, now=house.now)
    with pytest.raises(NotNow):
        await people.invitations.accept(taken_back, person=dan, code=None, now=house.now)
    await people.cars.release(CAR, by=owner, now=house.now)
    with pytest.raises(NotFound):
        await people.invitations.accept(open_, person=cem, code=None, now=house.now)
    house.clock.advance(LIMITS.invitation_life)
    await house.fire("inv")
    assert await people.cars.people_of(CAR, now=house.now) == []
    assert await people.invitations.of_car(CAR) == []
