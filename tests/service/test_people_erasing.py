"""Erasing: no name, mail or address ever stands in a fact, and after the erasing none is found anywhere."""

from typing import Any

import pytest

from people.limits import PeopleLimits
from people.mail_links import MailKind
from people.model import AddressKind, Role
from spine.ids import CarrierId, DeliveryId
from tests.people_signing import Device
from tests.service.people_house import CAR, PeopleHouse, house_of_people

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()
PLANTED = ("planted.person@example.org", "Planted Person", "planted.new@example.org", "planted label")


async def live_a_life(house: PeopleHouse) -> tuple[Any, list[str]]:
    """Everything a person can do here; what must not be found later."""
    people = house.people
    email, name, new, label = PLANTED
    await people.sign_in.ask(email, client="198.51.100.77", now=house.now)
    found = await people.persons.find(email)
    assert found is not None
    person = found.person
    link = await house.follow(person, MailKind.SIGN_IN)
    signed = await people.sign_in.redeem(link, client="198.51.100.77", now=house.now)
    await people.persons.rename(person, name)
    await house.show("ABCD2345")
    await people.cars.claim(person, "ABCD2345", now=house.now)
    address = await people.addresses.make(CAR, AddressKind.ONE_ORDER, by=person, label=label, now=house.now)
    shop = CarrierId("car_4aaaaaaaaaaaaaaa")
    delivery = DeliveryId("dlv_3aaaaaaaaaaaaaaa")
    await people.addresses.resolve(address.text, carrier=shop, delivery=delivery, now=house.now)
    await people.invitations.offer(CAR, new, Role.TOLD, by=person, may_approve=False, now=house.now)
    await people.changes.ask(person, new, now=house.now)
    confirm = await house.follow(person, MailKind.EMAIL_CONFIRM)
    await house.settle()
    secrets = [link, confirm, signed.token.secret, "198.51.100.77", "ABCD2345"]
    return person, [*secrets, address.text, address.text.replace("-", "")]


async def test_no_fact_holds_personal_data_and_no_secret_is_kept(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    _, secrets = await live_a_life(house)
    carrier = (await house.people.carriers.enrol("Planted Carrier", now=house.now)).client_id
    await house.courier(carrier, Device(), "Planted Courier")
    await house.settle()
    log = "\n".join(fact.model_dump_json() for fact in await house.facts())
    assert len(await house.facts()) >= 7
    for planted in (*PLANTED, *secrets, "lanted"):
        assert planted.lower() not in log.lower(), planted
    everything = await house.everything()
    for secret in secrets[:-2]:
        assert secret not in everything, secret


async def test_an_erased_person_is_found_nowhere(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    person, secrets = await live_a_life(house)
    invited = await house.people.persons.find(PLANTED[2])
    assert invited is not None
    await house.people.persons.erase(person, now=house.now)
    await house.people.persons.erase(person, now=house.now)
    await house.people.persons.erase(invited.person, now=house.now)
    await house.settle()
    everything = (await house.everything()).lower()
    for planted in (*PLANTED, *secrets):
        assert planted.lower() not in everything, planted
    assert await house.people.cars.people_of(CAR, now=house.now) == []
    assert await house.people.persons.view(person) is None
    for kind in MailKind:
        for reference in [ref for who, what, ref in house.mailbox.queued if (who, what) == (person, kind)]:
            assert await house.people.letters.write(person, kind, reference) is None
    assert await house.people.persons.ask(PLANTED[0], now=house.now) != person


@pytest.mark.parametrize("commits", range(4))
async def test_killed_anywhere_in_an_erasing_it_is_finished(
    house_of_people: PeopleHouse, commits: int
) -> None:
    house = house_of_people
    person = await house.owner(PLANTED[0])
    session = await house.session(person)
    await house.killed_after(commits, lambda: house.people.persons.erase(person, now=house.now))
    if commits == 0:
        await house.people.persons.erase(person, now=house.now)
    await house.fire("per")
    await house.fire("per")
    await house.settle()
    everything = await house.everything()
    assert PLANTED[0] not in everything
    assert session.split(".")[1] not in everything
    saved = await house.store.load(person)
    assert (saved.state, saved.ended, saved.wake_at) == ("erased", True, None)
    assert [fact.kind for fact in await house.facts()].count("person.erased") == 1
    again = await house.person(PLANTED[0])
    assert again != person
    assert await house.people.cars.owners_of(CAR, now=house.now) == []
