"""Lost passkeys: the wait, who hears of it, who takes it back, presence; and the devices that are known."""

import asyncio
from datetime import timedelta

import pytest

from people.letters import _NEWS
from people.limits import PeopleLimits
from people.mail_links import MailKind, Purpose
from people.model import Role
from people.problems import (
    CodeRefused,
    LinkIsOver,
    LinkRefused,
    NotFound,
    NothingToRecover,
    NotYours,
    PasskeyNeeded,
    TooMany,
)
from spine.ids import PersonId
from spine.words import LANGUAGES
from tests.service.passkey_hands import again, holder, key, prove, register, session
from tests.service.people_house import CAR, PeopleHouse, house_of_people
from tests.speaking import left_over, marked

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_mail_of_an_account_is_in_its_readers_language(
    house_of_people: PeopleHouse, language: str
) -> None:
    house, people = house_of_people, house_of_people.people
    owner = await house.owner("ada@example.org")
    who, _ = await holder(house)
    for person in (owner, who.id):
        await people.persons.speaks(person, language, chosen=True)
    await people.recoveries.ask(who.id, now=house.now)
    await people.changes.ask(owner, "new@example.org", now=house.now)
    await people.sign_in.ask("ada@example.org", client="a", now=house.now)
    for role in Role:
        await people.invitations.offer(
            CAR, f"{role}@example.org", role, by=owner, may_approve=False, now=house.now
        )
    await house.settle()
    people.letters._speak = marked
    seen: set[str] = set()
    for person, kind, reference in [
        *house.mailbox.queued,
        *((owner, kind, "psk_3k7m9qxd4hwe2a5t") for kind in _NEWS),
        (who.id, MailKind.RECOVERY_REMINDED, f"rcv_{who.id[4:]}.1"),
    ]:
        letter = await people.letters.write(PersonId(person), MailKind(kind), reference)
        assert letter is not None, kind
        assert not left_over(letter.subject, letter.label, *letter.paragraphs)
        assert letter.language == language, kind
        seen.add(kind)
    assert seen == set(MailKind)


async def living(house: PeopleHouse, person: PersonId) -> int:
    return len(await house.people.sessions.all_of(person, now=house.now))


async def test_after_the_wait_all_that_the_lost_device_had_is_dead(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    await house.people.known_devices.remember(who.id, None, trusted=True, now=house.now)
    people, asker = house.people, await session(house, who.id)
    body = await people.recoveries.ask(asker.id, now=house.now)
    assert body.ripe_at == house.now + LIMITS.recovery_wait
    house.clock.advance(HOUR)
    assert await people.recoveries.ask(asker.id, now=house.now) == body  # the first wait stands
    assert (await house.settle()).count("recovery.asked") == 1
    assert house.mailbox.kinds().count("recovery_asked") == 1
    await prove(house, who, hand)  # only mislaid, it works on
    house.clock.advance(LIMITS.recovery_wait - 2 * HOUR)
    await house.fire("rcv")
    assert await people.passkeys.approves_by(who.id) == "passkey"
    house.clock.advance(HOUR)
    await house.fire("rcv")
    await house.fire("rcv")
    assert await people.recoveries.waiting(who.id) is None
    assert await people.passkeys.all_of(who.id) == []
    assert await people.passkeys.approves_by(who.id) == "nothing"
    assert await living(house, who.id) == 0
    assert await people.known_devices.all_of(who.id, now=house.now) == []
    kinds = await house.settle()
    assert (kinds.count("passkey.removed"), kinds.count("recovery.done")) == (1, 1)
    assert house.mailbox.kinds().count("recovery_done") == 1
    assert "passkey_removed" not in house.mailbox.kinds()

    with pytest.raises(LinkIsOver):
        await house.choose_link(who.id)
    anew = await session(house, who.id)
    with pytest.raises(PasskeyNeeded):  # whoever lost all makes a new one before anything else
        await people.step_up.require_fresh_passkey(anew, now=house.now)
    await register(house, anew, key(), "New phone")
    assert await people.passkeys.approves_by(who.id) == "passkey"
    await people.step_up.require_fresh_passkey(await again(house, anew), now=house.now)


async def test_it_is_told_again_half_way_and_on_every_channel(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, _ = await holder(house)
    recoveries, half = house.people.recoveries, LIMITS.recovery_wait * LIMITS.recovery_reminded_after
    await recoveries.ask(who.id, now=house.now)
    await house.settle()
    await house.fire("rcv")
    house.clock.advance(half - timedelta(seconds=1))
    await house.fire("rcv")
    assert "recovery_reminded" not in house.mailbox.kinds()
    house.clock.advance(timedelta(seconds=1))
    for _ in range(2):
        await house.fire("rcv")
        await house.settle()
    assert house.mailbox.kinds().count("recovery_reminded") == 1
    assert list(house.mailbox.told) == [("recovery.asked", 1), ("recovery.reminded", 1)]
    assert await house.people.passkeys.approves_by(who.id) == "passkey"
    await recoveries.cancel_by_link(await house.follow(who.id, MailKind.RECOVERY_REMINDED), now=house.now)
    await house.settle()
    assert await recoveries.waiting(who.id) is None
    assert list(house.mailbox.told)[-1] == ("recovery.cancelled", 1)
    await recoveries.ask(who.id, now=house.now)
    house.clock.advance(LIMITS.recovery_wait)
    await house.fire("rcv")  # nothing ran for days: it is over, and nobody is reminded of what is over
    await house.settle()
    assert list(house.mailbox.told)[-2:] == [("recovery.asked", 2), ("recovery.done", 2)]
    house.rewind()
    told = dict(house.mailbox.told)
    await house.settle()
    assert house.mailbox.told == told


async def test_it_is_taken_back_from_any_session_and_by_the_mail(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    recoveries = house.people.recoveries
    await recoveries.cancel(who.id, now=house.now)  # nothing waits
    await recoveries.ask(who.id, now=house.now)
    await recoveries.cancel(who.id, now=house.now)
    await recoveries.cancel(who.id, now=house.now)
    await recoveries.ask(who.id, now=house.now)
    await house.settle()
    letter = await house.letter(who.id, MailKind.RECOVERY_ASKED)
    assert letter is not None
    assert (letter.link.purpose, letter.label) == (Purpose.RECOVERY, "Keep my passkeys")
    url = await house.people.links.make(letter.link)
    assert url.partition("#")[0].endswith("/keep-passkeys")
    token = url.partition("#")[2]
    await recoveries.cancel_by_link(token, now=house.now)
    assert await recoveries.waiting(who.id) is None
    with pytest.raises(LinkRefused):
        await recoveries.cancel_by_link(token, now=house.now)
    assert await house.letter(who.id, MailKind.RECOVERY_ASKED) is None  # no more reason
    house.clock.advance(LIMITS.recovery_wait)
    await house.fire("rcv")
    await prove(house, who, hand)
    assert [k for k in await house.settle() if k.startswith("recovery")] == ["recovery.cancelled"]


async def test_the_mail_of_a_former_one_takes_nothing_back(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, _ = await holder(house)
    recoveries = house.people.recoveries
    await recoveries.ask(who.id, now=house.now)
    await house.settle()
    former = await house.follow(who.id, MailKind.RECOVERY_ASKED)
    await recoveries.cancel(who.id, now=house.now)
    await recoveries.ask(who.id, now=house.now)
    with pytest.raises(LinkRefused):
        await recoveries.cancel_by_link(former, now=house.now)
    assert await recoveries.waiting(who.id) is not None
    sign_in = await house.people.links.make(
        (await house.letter(who.id, MailKind.PASSKEY_ADDED)).link  # type: ignore[union-attr]
    )
    with pytest.raises(LinkRefused):  # a link for another purpose
        await recoveries.cancel_by_link(sign_in.partition("#")[2], now=house.now)


async def test_a_mail_to_a_former_email_takes_nothing_back(house_of_people: PeopleHouse) -> None:
    house, people = house_of_people, house_of_people.people
    who, _ = await holder(house)
    await people.changes.ask(who.id, "ada@new.example", now=house.now)
    await people.changes.prove(await house.follow(who.id, MailKind.EMAIL_CONFIRM), now=house.now)
    house.clock.advance(HOUR)
    await people.recoveries.ask(who.id, now=house.now)
    await house.settle()
    former = await house.follow(who.id, MailKind.RECOVERY_ASKED)
    house.clock.advance(LIMITS.notice - HOUR)
    await house.fire("emc")
    with pytest.raises(LinkRefused):
        await people.recoveries.cancel_by_link(former, now=house.now)
    assert await people.recoveries.waiting(who.id) is not None
    await people.recoveries.cancel_by_link(await house.follow(who.id, MailKind.RECOVERY_ASKED), now=house.now)
    assert await people.recoveries.waiting(who.id) is None


async def test_the_mails_link_lives_as_long_as_the_wait(house_of_people: PeopleHouse) -> None:
    from people.mail_links import life_of

    assert life_of(MailKind.RECOVERY_ASKED, LIMITS) == LIMITS.recovery_wait
    assert life_of(MailKind.PASSKEY_ADDED, LIMITS) == LIMITS.notice_link_life


async def test_presence_in_the_own_car_ends_the_wait_and_the_asker_stays(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    person = await house.owner("ada@example.org")
    who, hand = await holder(house)
    assert who.id == person
    recoveries, asker = house.people.recoveries, await session(house, person)
    with pytest.raises(NotFound):
        await recoveries.show_presence(person, asker.session, "ZZZZ9999", now=house.now)
    await recoveries.ask(person, now=house.now)
    with pytest.raises(CodeRefused):
        await recoveries.show_presence(person, asker.session, "ZZZZ9999", now=house.now)
    await house.show("WXYZ2345")
    stranger, _ = await holder(house, "eve@example.org")
    await recoveries.ask(stranger.id, now=house.now)
    await house.show("WXYZ6789")
    with pytest.raises(Exception, match="car"):  # Eve sits in Ada's car
        await recoveries.show_presence(stranger.id, stranger.session, "WXYZ6789", now=house.now)
    assert await recoveries.waiting(stranger.id) is not None
    await house.show("KMNP2345")
    await recoveries.show_presence(person, asker.session, "KMNP2345", now=house.now)
    assert await house.people.passkeys.all_of(person) == []
    assert [one.id for one in await house.people.sessions.all_of(person, now=house.now)] == [asker.session]
    await register(house, await again(house, asker), key())
    assert len(hand.cid) == 43


async def test_a_car_claimed_lately_shows_nothing_of_its_owner(house_of_people: PeopleHouse) -> None:
    """Who reads somebody's mail could claim a car of their own in that person's name, and sit in it."""
    house = house_of_people
    house.people.cars._limits = LIMITS
    person = await house.owner("ada@example.org")
    await holder(house)
    asker = await session(house, person)
    await house.people.recoveries.ask(person, now=house.now)
    await house.show("WXYZ2345")
    with pytest.raises(NotYours, match="long enough"):
        await house.people.recoveries.show_presence(person, asker.session, "WXYZ2345", now=house.now)
    assert await house.people.recoveries.waiting(person) is not None
    house.clock.advance(LIMITS.presence_after)
    assert len(await house.people.passkeys.all_of(person)) == 1


async def test_presence_and_the_wait_and_a_cancel_at_once_end_it_one_way(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    person = await house.owner("ada@example.org")
    await holder(house)
    recoveries = house.people.recoveries
    await recoveries.ask(person, now=house.now)
    house.clock.advance(LIMITS.recovery_wait)
    rcv = (await house.subjects())[f"rcv_{person[4:]}"]
    await asyncio.gather(
        recoveries.on_due(rcv, now=house.now),
        recoveries.cancel(person, now=house.now),
        recoveries.on_due(rcv, now=house.now),
    )
    ended = [
        fact.kind for fact in await house.facts() if fact.kind in {"recovery.done", "recovery.cancelled"}
    ]
    assert len(ended) == 1
    left = await house.people.passkeys.all_of(person)
    assert len(left) == (0 if ended == ["recovery.done"] else 1)


async def test_a_wrong_clock_ends_no_wait_early(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, _ = await holder(house)
    await house.people.recoveries.ask(who.id, now=house.now)
    rcv = (await house.subjects())[f"rcv_{who.id[4:]}"]
    await house.people.recoveries.on_due(rcv, now=house.now - HOUR)
    await house.people.recoveries.on_due(rcv, now=house.now + LIMITS.recovery_wait - timedelta(seconds=1))
    assert len(await house.people.passkeys.all_of(who.id)) == 1


async def test_without_a_passkey_there_is_nothing_and_three_a_day_is_the_most(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    recoveries = house.people.recoveries
    person = await house.person("ben@example.org")
    await house.choose_link(person)
    with pytest.raises(NothingToRecover):
        await recoveries.ask(person, now=house.now)
    who, _ = await holder(house)
    for _ in range(LIMITS.recoveries_per_person):
        await recoveries.ask(who.id, now=house.now)
        await recoveries.cancel(who.id, now=house.now)
    with pytest.raises(TooMany):
        await recoveries.ask(who.id, now=house.now)
    house.clock.advance(timedelta(days=1))
    await recoveries.ask(who.id, now=house.now)


async def test_a_crash_around_the_end_is_finished_by_the_timer(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, _ = await holder(house)
    await house.people.recoveries.ask(who.id, now=house.now)
    house.clock.advance(LIMITS.recovery_wait)
    assert await house.killed_after(0, lambda: house.fire("rcv"))
    assert len(await house.people.passkeys.all_of(who.id)) == 1
    await house.fire("rcv")
    assert await house.people.passkeys.all_of(who.id) == []
    house.rewind()
    await house.settle()
    mails = house.mailbox.kinds()
    house.rewind()
    await house.settle()
    assert house.mailbox.kinds() == mails


async def test_a_device_is_known_after_a_day_and_to_one_person(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    devices = house.people.known_devices
    ada, eve = await house.person("ada@example.org"), await house.person("eve@example.org")
    first = await devices.remember(ada, None, now=house.now)
    assert first.secret is not None
    assert not first.known
    assert first.secret not in await house.everything()
    assert first.secret not in repr(first)
    twice = await devices.remember(ada, first.secret, now=house.now)
    assert (twice.known, twice.secret) == (False, None)  # who reads one mail reads two
    assert not (await devices.remember(eve, first.secret, now=house.now)).known
    house.clock.advance(LIMITS.device_known_after)
    assert (await devices.remember(ada, first.secret, now=house.now)).known
    for wrong in ("", "x" * 43, first.secret[:-1], "é" * 43, None):
        assert not (await devices.remember(ada, wrong, now=house.now)).known
    (_, second, *_) = sorted(
        await devices.all_of(ada, now=house.now), key=lambda one: one.made_at, reverse=True
    )
    assert len(await devices.all_of(ada, now=house.now)) == 6
    for one in await devices.all_of(ada, now=house.now):
        await devices.forget(ada, one.id, now=house.now)
    await devices.forget(ada, second.id, now=house.now)
    assert not (await devices.remember(ada, first.secret, now=house.now)).known


async def test_devices_lapse_and_have_room_for_so_many(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    devices, ada = house.people.known_devices, await house.person("ada@example.org")
    trusted = await devices.remember(ada, None, trusted=True, now=house.now)
    assert (await devices.remember(ada, trusted.secret, now=house.now)).known
    for _ in range(LIMITS.devices_per_person):
        house.clock.advance(timedelta(seconds=1))
        await devices.remember(ada, None, now=house.now)
    assert len(await devices.all_of(ada, now=house.now)) == LIMITS.devices_per_person
    assert not (await devices.remember(ada, trusted.secret, now=house.now)).known
    house.clock.advance(LIMITS.device_life)
    await house.fire("dvc")
    assert await devices.all_of(ada, now=house.now) == []
    assert "known_from" not in (await house.subjects())[f"dvc_{ada[4:]}"].body


async def test_erasing_a_person_erases_passkeys_devices_challenges_and_recovery(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    who, hand = await holder(house)
    people = house.people
    remembered = await people.known_devices.remember(who.id, None, now=house.now)
    await people.step_up.proof_options(who, now=house.now)
    await people.recoveries.ask(who.id, now=house.now)
    await house.settle()
    public = (await people.passkeys.kept(who.id)).passkeys
    (one,) = public.values()
    await people.persons.erase(who.id, now=house.now)
    await house.settle()
    await house.fire()
    everything = await house.everything()
    for gone in (
        hand.cid,
        one.public_key,
        one.credential,
        "known_from",
        "passkey_challenge",
        remembered.secret,
    ):
        assert gone is not None
        assert gone not in everything, gone
    assert await people.recoveries.waiting(who.id) is None
    with pytest.raises(NotFound):
        await people.recoveries.ask(who.id, now=house.now)
    with pytest.raises(NotFound):
        await people.passkeys.choose_link(who.id, now=house.now)
    assert (await people.known_devices.remember(who.id, None, now=house.now)).secret is None
