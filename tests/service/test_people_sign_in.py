"""Sign-in by mail: alike for everybody, once, revocable; and a new e-mail for a person."""

import asyncio
from datetime import timedelta

import pytest

from people.limits import PeopleLimits
from people.mail_links import MailKind, Purpose, life_of
from people.problems import CodeRefused, EmailTaken, LinkRefused, NotFound, NotYours, TooMany
from people.tokens import read
from spine.ids import PersonId
from tests.service.people_house import PeopleHouse, house_of_people

__all__ = ["house_of_people"]

EMAIL = "ada@example.org"
LIMITS = PeopleLimits()


async def asked(house: PeopleHouse, email: str = EMAIL, client: str = "192.0.2.1") -> PersonId:
    await house.people.sign_in.ask(email, client=client, now=house.now)
    return PersonId(list(house.mailbox.queued)[-1][0])


async def test_a_link_makes_a_person_and_a_session_once(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    person = await asked(house)
    assert not await people.persons.is_active(person)
    token = await house.follow(person, MailKind.SIGN_IN)
    made = await people.sign_in.redeem(token, client="a", now=house.now)
    assert made.session.person == person
    assert made.session.level == "link"
    assert await people.persons.is_active(person)
    assert await people.sessions.find(made.token, now=house.now) == made.session
    with pytest.raises(LinkRefused):
        await people.sign_in.redeem(token, client="a", now=house.now)
    assert [fact.kind for fact in await house.facts()] == ["person.made"]


async def test_of_two_who_follow_a_link_at_once_one_gets_in(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    token = await house.follow(await asked(house), MailKind.SIGN_IN)
    redeem = house.people.sign_in.redeem
    both = await asyncio.gather(
        *(redeem(token, client="a", now=house.now) for _ in range(8)), return_exceptions=True
    )
    assert sum(not isinstance(one, BaseException) for one in both) == 1
    assert sum(isinstance(one, LinkRefused) for one in both) == 7


async def test_eight_sign_ins_of_a_new_email_at_once_make_one_person(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    made = await asyncio.gather(*(house.people.persons.ask(EMAIL, now=house.now) for _ in range(8)))
    assert len(set(made)) == 1


async def test_known_and_unknown_emails_go_the_same_way(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    known = await house.person(EMAIL)
    assert await asked(house) == known
    unknown = await asked(house, "nobody@example.org")
    assert house.mailbox.kinds() == ["sign_in", "sign_in"]
    cost = []
    for email in (EMAIL, "nobody@example.org", "never.seen@example.org"):
        before = house.store.commits
        await asked(house, email)
        cost.append(house.store.commits - before)
    assert cost == [1, 1, 1]
    for person, email in ((known, EMAIL), (unknown, "nobody@example.org")):
        letter = await house.letter(person, MailKind.SIGN_IN)
        assert letter is not None
        assert letter.address == email


async def test_too_many_mails_to_one_address_are_swallowed_and_too_many_tries_told(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    for _ in range(LIMITS.sign_ins_per_address + 3):
        await house.people.sign_in.ask(EMAIL, client="a", now=house.now)
    assert len(house.mailbox.queued) == LIMITS.sign_ins_per_address
    for n in range(LIMITS.sign_ins_per_client - LIMITS.sign_ins_per_address - 3):
        await house.people.sign_in.ask(f"p{n}@example.org", client="a", now=house.now)
    with pytest.raises(TooMany) as told:
        await house.people.sign_in.ask("p@example.org", client="a", now=house.now)
    assert told.value.retry_after
    await house.people.sign_in.ask("other@example.org", client="b", now=house.now)


async def test_a_late_mail_is_not_written_and_who_never_confirms_is_forgotten(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    person = await asked(house)
    reference = next(iter(house.mailbox.queued))[2]
    await house.people.links._expiring.drop("mail_request", reference)  # as time does
    assert await house.letter(person, MailKind.SIGN_IN) is None
    house.clock.advance(LIMITS.unconfirmed_life)
    await house.fire("per")
    assert await house.people.persons.view(person) is None
    assert await house.people.persons.find(EMAIL) is None
    assert await house.facts() == []
    assert await asked(house) != person


async def test_sessions_are_listed_revoked_expire_and_are_bounded(house_of_people: PeopleHouse) -> None:
    house, sessions = house_of_people, house_of_people.people.sessions
    person = await house.person(EMAIL)
    one, other = await house.session(person), await house.session(person)
    first, second = read(one), read(other)
    assert first is not None
    assert second is not None
    found = await sessions.find(first, now=house.now)
    assert found is not None
    assert len(await sessions.all_of(person, now=house.now)) == 2
    await sessions.revoke(person, found.id, now=house.now)
    assert await sessions.find(first, now=house.now) is None
    assert await sessions.find(second, now=house.now) is not None
    stolen = read(other[:-1] + ("A" if other[-1] != "A" else "B"))
    assert stolen is not None
    assert await sessions.find(stolen, now=house.now) is None
    house.clock.advance(LIMITS.session_life)
    assert await sessions.find(second, now=house.now) is None
    await house.fire("sns")
    assert await sessions.all_of(person, now=house.now) == []
    for _ in range(LIMITS.sessions_per_person + 5):
        house.clock.advance(timedelta(seconds=1))
        await house.session(person)
    assert len(await sessions.all_of(person, now=house.now)) == LIMITS.sessions_per_person
    await sessions.revoke(person, None, now=house.now)
    assert await sessions.all_of(person, now=house.now) == []


NEW = "ada@new.example"


async def asked_for_new(house: PeopleHouse, person: PersonId) -> str:
    await house.people.changes.ask(person, NEW, now=house.now)
    notice = await house.letter(person, MailKind.EMAIL_NOTICE)
    confirm = await house.letter(person, MailKind.EMAIL_CONFIRM)
    assert notice is not None
    assert confirm is not None
    assert (notice.address, confirm.address) == (EMAIL, NEW)
    return await house.follow(person, MailKind.EMAIL_CONFIRM)


async def test_a_new_email_counts_after_the_notice(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.person(EMAIL)
    session = read(await house.session(person))
    token = await asked_for_new(house, person)
    with pytest.raises(LinkRefused):
        await people.sign_in.redeem(token, client="a", now=house.now)
    await people.changes.prove(token, now=house.now)
    assert await people.persons.find(NEW) is None
    house.clock.advance(LIMITS.notice - timedelta(seconds=1))
    await house.fire()
    assert (await people.persons.find(EMAIL)) is not None
    house.clock.advance(timedelta(seconds=1))
    await house.fire()
    found = await people.persons.find(NEW)
    assert found is not None
    assert found.person == person
    assert await people.persons.find(EMAIL) is None
    assert session is not None
    assert await people.sessions.find(session, now=house.now) is None
    assert await people.persons.ask(NEW, now=house.now) == person
    assert await people.persons.ask(EMAIL, now=house.now) != person


async def test_presence_in_the_own_car_spares_the_notice(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.owner(EMAIL)
    stranger = await house.person("eve@example.org")
    token = await asked_for_new(house, person)
    await people.changes.prove(token, now=house.now)
    with pytest.raises(CodeRefused):
        await people.changes.show_presence(person, "WRONG234", now=house.now)
    await house.show("CODE2345")
    await people.changes.ask(stranger, "eve@new.example", now=house.now)
    with pytest.raises(NotYours):
        await people.changes.show_presence(stranger, "CODE2345", now=house.now)
    await people.changes.show_presence(person, "CODE2345", now=house.now)
    found = await people.persons.find(NEW)
    assert found is not None
    assert found.person == person


async def test_a_change_is_taken_back_replaced_and_never_takes_anothers_email(
    house_of_people: PeopleHouse,
) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.person(EMAIL)
    with pytest.raises(EmailTaken):
        await people.changes.ask(person, EMAIL, now=house.now)
    first = await asked_for_new(house, person)
    await people.changes.cancel(person)
    with pytest.raises(LinkRefused):
        await people.changes.prove(first, now=house.now)
    second = await asked_for_new(house, person)
    third = await asked_for_new(house, person)
    with pytest.raises(LinkRefused):
        await people.changes.prove(second, now=house.now)
    with pytest.raises(TooMany):
        await people.changes.ask(person, "x@example.org", now=house.now)
    await people.changes.prove(third, now=house.now)
    other = await house.person(NEW)
    house.clock.advance(LIMITS.notice)
    await house.fire()
    found = await people.persons.find(NEW)
    assert found is not None
    assert found.person == other
    assert await people.changes.pending(person) is None
    with pytest.raises(NotFound):
        await people.changes.show_presence(person, "CODE2345", now=house.now)


@pytest.mark.parametrize("commits", range(6))
async def test_killed_anywhere_in_a_change_it_is_carried_out_whole(
    house_of_people: PeopleHouse, commits: int
) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.person(EMAIL)
    await people.changes.prove(await asked_for_new(house, person), now=house.now)
    house.clock.advance(LIMITS.notice)
    await house.killed_after(commits, house.fire)
    await house.fire()
    await house.fire()
    found = await people.persons.find(NEW)
    assert found is not None
    assert found.person == person
    assert await people.persons.find(EMAIL) is None
    assert await people.links.take(Purpose.EMAIL, "x") is None


async def changed(house: PeopleHouse, person: PersonId) -> None:
    """The e-mail is another one now."""
    await house.people.changes.prove(await house.follow(person, MailKind.EMAIL_CONFIRM), now=house.now)
    house.clock.advance(LIMITS.notice)
    await house.fire()
    assert await house.people.persons.find(NEW) is not None


async def test_what_was_mailed_to_a_former_email_signs_nobody_in(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.owner(EMAIL)
    await people.changes.ask(person, NEW, now=house.now)
    notice = await house.letter(person, MailKind.EMAIL_NOTICE)
    assert notice is not None
    kept = await house.follow(person, MailKind.EMAIL_NOTICE)
    to_former = [await house.follow(person, MailKind.CAR_CLAIMED), await house.follow(await asked(house), MailKind.SIGN_IN)]  # fmt: skip
    letter = await house.letter(person, MailKind.CAR_CLAIMED)  # written before, its link made after
    assert letter is not None
    await changed(house, person)
    to_former.append((await people.links.make(letter.link)).split("#")[1])
    for token in to_former:
        with pytest.raises(LinkRefused):
            await people.sign_in.redeem(token, client="a", now=house.now)
    with pytest.raises(LinkRefused):  # it counts: the mailbox is no longer this person's
        await people.changes.cancel_by_link(kept)
    assert await people.sessions.all_of(person, now=house.now) == []
    made = await people.sign_in.redeem(
        await house.follow(await asked(house, NEW), MailKind.SIGN_IN), client="a", now=house.now
    )
    assert made.session.person == person


async def test_a_change_of_email_between_link_and_session_makes_no_session(
    house_of_people: PeopleHouse,
) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.person(EMAIL)
    former = people.persons.entry_of(EMAIL)
    await asked_for_new(house, person)
    await changed(house, person)
    assert not await people.persons.confirm(person, former, now=house.now)
    with pytest.raises(LinkRefused):
        await people.sessions.make(person, entry=former, now=house.now)
    assert await people.sessions.all_of(person, now=house.now) == []


async def test_the_notice_takes_the_change_back_and_does_nothing_else(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.person(EMAIL)
    confirm = await asked_for_new(house, person)
    await people.changes.prove(confirm, now=house.now)
    notice = await house.letter(person, MailKind.EMAIL_NOTICE)
    assert notice is not None
    assert (notice.link.purpose, notice.label) == (Purpose.KEEP_EMAIL, "That was not me")
    assert life_of(MailKind.EMAIL_NOTICE, LIMITS) == LIMITS.notice
    token = await house.follow(person, MailKind.EMAIL_NOTICE)
    for use in (people.sign_in.redeem(token, client="a", now=house.now), people.changes.prove(token, now=house.now)):  # fmt: skip
        with pytest.raises(LinkRefused):
            await use
    house.clock.advance(LIMITS.notice - timedelta(hours=1))
    await people.changes.cancel_by_link(token)
    assert await people.changes.pending(person) is None
    assert await people.sessions.all_of(person, now=house.now) == []
    house.clock.advance(timedelta(hours=2))
    await house.fire()
    assert await people.persons.find(NEW) is None
    with pytest.raises(LinkRefused):
        await people.changes.cancel_by_link(token)


async def test_the_notice_of_a_former_change_takes_no_later_one_back(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    person = await house.person(EMAIL)
    await people.changes.ask(person, NEW, now=house.now)
    first = await house.follow(person, MailKind.EMAIL_NOTICE)
    await people.changes.ask(person, "other@new.example", now=house.now)
    with pytest.raises(LinkRefused):
        await people.changes.cancel_by_link(first)
    assert await people.changes.pending(person) is not None
