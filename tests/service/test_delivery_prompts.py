"""Who is asked when, what is withdrawn once it is decided, and who hears of it."""

from datetime import UTC, datetime, timedelta

import pytest

from delivery.hours import Quiet
from delivery.model import Parcel, Window
from delivery.prompts import subject_of
from delivery.rules import Rules
from delivery.states import State
from people.model import Role
from spine.ids import DeliveryId, PersonId
from spine.words import untranslated
from tests.service.delivery_house import CAR, HOUR, MINUTE, DeliveryHouse, home, house_of_people
from tests.speaking import left_over, marked
from webhooks.dispatch import Brief
from webhooks.mail import Letter

__all__ = ["home", "house_of_people"]


async def second(home: DeliveryHouse) -> PersonId:
    """Somebody else who decides about the car."""
    people = home.people.people
    await people.invitations.offer(
        CAR, "ben@example.org", Role.DRIVER, by=home.owner, may_approve=True, now=home.now
    )
    await home.settle()
    ben = await home.people.person("ben@example.org")
    offered = (await people.invitations.of_car(CAR))[0]
    await people.invitations.accept(offered.id, person=ben, code=None, now=home.now)
    await home.settle()
    return ben


async def order(home: DeliveryHouse, n: int, **changes: object) -> DeliveryId:
    return await home.asked(address=await home.address(), parcels=(Parcel(reference=f"P-{n}"),), **changes)


def asked_mails(home: DeliveryHouse, person: PersonId | None = None) -> list[str]:
    to = person or home.owner
    return [one.id for one in home.post.queued.values() if one.person == to and one.type == "delivery.asked"]


async def letter(home: DeliveryHouse, type_: str, person: PersonId | None = None) -> Letter:
    """The newest mail of a type, as it would be written now."""
    to = person or home.owner
    found = [one for one in home.post.queued.values() if one.person == to and one.type == type_][-1]
    brief = Brief(found.id, found.type, found.reference, found.at, found.expires_at, None, None, to)
    said = await home.desk.composing(brief)
    assert isinstance(said, Letter)
    return said


@pytest.mark.parametrize("end", ["approve", "decline", "cancel", "block", "expire", "reschedule"])
async def test_a_question_that_is_over_is_withdrawn_everywhere(home: DeliveryHouse, end: str) -> None:
    ben = await second(home)
    delivery = await order(home, 1)
    everywhere = {one.id for one in home.post.queued.values() if one.type == "delivery.asked"}
    assert len(everywhere) == 4  # a mail and a linked system of each
    match end:
        case "cancel":
            await home.desk.carrier.cancel(home.carrier, delivery)
        case "block":
            await home.desk.owner.block(home.owner, delivery)
        case "reschedule":
            later = Window(start=home.now + HOUR, end=home.now + 2 * HOUR)
            await home.desk.carrier.reschedule(home.carrier, delivery, later)
        case "expire":
            await home.later(25 * HOUR)
        case _:
            await home.decide(delivery, end)
    await home.settle()
    assert home.post.withdrawn >= everywhere
    assert (asked_mails(home, ben)[0] in home.post.withdrawn) is True
    await home.again()


async def test_the_others_hear_who_decided(home: DeliveryHouse) -> None:
    ben = await second(home)
    await home.decide(await order(home, 1), "decline")
    await home.settle()
    assert "delivery.declined" in home.post.types(ben)
    assert "delivery.declined" not in home.post.types(home.owner)
    assert (await letter(home, "delivery.declined", ben)).paragraphs[
        0
    ] == "Another person of your car declined it."
    home.clock.advance(25 * HOUR)
    await home.decide(await order(home, 2))
    await home.settle()
    assert (await letter(home, "delivery.approved", ben)).paragraphs[
        0
    ] == "Another person of your car approved it."
    assert (await letter(home, "delivery.approved")).paragraphs[0] == "You approved it."


async def test_at_night_what_can_wait_waits_for_the_morning(home: DeliveryHouse) -> None:
    quiet = Quiet(start="22:00", end="07:00", zone="Etc/UTC")
    await home.desk.owner.set_rules(home.owner, CAR, Rules(quiet=quiet), if_match="*")
    home.clock.set(datetime(2030, 5, 6, 23, 0, tzinfo=UTC))
    tomorrow = Window(start=home.now + 12 * HOUR, end=home.now + 14 * HOUR)
    waits = await order(home, 1, window=tomorrow)
    assert asked_mails(home) == []
    urgent = await order(home, 2)
    assert len(asked_mails(home)) == 1
    await home.decide(urgent)
    await home.later(8 * HOUR)
    assert len(asked_mails(home)) == 2
    assert await home.state(waits) is State.ASKED
    assert "delivery.waiting" not in home.post.types(home.owner)
    await home.again()


async def test_one_list_for_what_came_too_fast_and_nothing_that_was_answered_meanwhile(
    home: DeliveryHouse,
) -> None:
    made = [await order(home, n) for n in range(6)]
    assert len(asked_mails(home)) == 3
    await home.decide(made[4], "decline")
    saved = await home.store.load(subject_of(CAR))
    home.clock.advance(HOUR)
    for _ in range(2):  # it died after queueing, and the timer fires again
        await home.news.on_due(saved)
    assert home.post.types(home.owner).count("delivery.waiting") == 1
    said = await letter(home, "delivery.waiting")
    assert said.subject == "5 deliveries wait for your answer"
    assert sum("Fast Parcels" in line for line in said.paragraphs) == 5
    home.desk.composing._speak = marked
    said = await letter(home, "delivery.waiting")
    assert not left_over(said.subject, *said.paragraphs)
    home.desk.composing._speak = untranslated
    await home.later(timedelta())
    assert (await home.store.load(subject_of(CAR))).wake_at is None
    await home.later(HOUR + MINUTE)
    assert home.post.types(home.owner).count("delivery.waiting") == 1
    await home.again()


async def test_a_single_one_that_waited_comes_with_its_own_link(home: DeliveryHouse) -> None:
    made = [await order(home, n) for n in range(5)]
    await home.decide(made[3], "decline")
    await home.later(HOUR)
    assert len(asked_mails(home)) == 4
    assert (await letter(home, "delivery.asked")).link is not None
    assert "delivery.waiting" not in home.post.types(home.owner)


async def test_one_address_that_is_full_keeps_none_of_the_others_from_hearing(home: DeliveryHouse) -> None:
    """The owner's, who is told first: of a question, of one that waited, of the list, and of how the car is guarded."""
    people, ben = home.people.people, await second(home)
    await people.invitations.offer(
        CAR, "zoe@example.org", Role.OWNER, by=home.owner, may_approve=True, now=home.now
    )
    zoe = await home.people.person("zoe@example.org")
    offered = (await people.invitations.of_car(CAR))[-1]
    await home.people.show("ZOEE2345")
    await people.invitations.accept(offered.id, person=zoe, code="ZOEE2345", now=home.now)
    await home.settle()
    home.post.full.add(home.owner)
    made = [await order(home, n) for n in range(4)]
    assert (len(asked_mails(home, ben)), len(asked_mails(home, zoe)), asked_mails(home)) == (3, 3, [])
    await home.later(HOUR)  # the fourth waited, and comes as a single one
    assert (len(asked_mails(home, ben)), len(asked_mails(home, zoe))) == (4, 4)
    for n in range(4, 9):
        made.append(await order(home, n))
    await home.later(HOUR)
    assert (
        home.post.types(ben).count("delivery.waiting") == home.post.types(zoe).count("delivery.waiting") == 1
    )
    await home.decide(made[-1], "decline", not_me=True)
    await home.settle()
    await home.desk.beforehand.lift(zoe, CAR, home.carrier)
    await home.settle()
    assert home.post.types(zoe).count("delivery.carrier_lifted") == 1
    assert home.post.types(home.owner) == []
