"""Mails about appointments: who gets which, with which calendar part, and what a link in them allows."""

from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import icalendar
import pytest

from maintenance import booking_links
from maintenance.choosing import Wish
from maintenance.garage_problems import LinkNotGood, LinkUsed, NoSuchAppointment
from maintenance.service import NoSuchCase
from maintenance.states import AppointmentState, TriggerState
from spine.ids import CaseId, GarageId, PersonId
from spine.readers import Received
from tests.service.delivery_house import Post
from tests.service.garage_house import DAY, GarageHouse, garages
from tests.service.people_house import CAR, OTHER_CAR, house_of_people
from trunkline.posting import minter
from webhooks.dispatch import Brief
from webhooks.mail import Mail
from webhooks.messages import place_of

__all__ = ["garages", "house_of_people"]

AGENT = "agt_3k7m9qxd4hwe2a5t"


class Office:
    """News, the queue, and the mails as they go out."""

    def __init__(self, garages: GarageHouse) -> None:
        self.house = garages
        self.post = Post()
        self.news = garages.parts.visit_news(self.post)
        self.compose = garages.parts.visit_composing(sender="Trunkline <no-reply@trunkline.test>")
        self.sent: list[EmailMessage] = []
        self.read = 0
        parts = garages.parts

        async def none(_: Any) -> str:
            raise AssertionError("no such page")

        pages = {"/book": parts.booking_links.mint, "/garage": parts.garage_links.mint}
        self.mail = Mail(
            self,
            minter(garages.people.people.links, pages, none, garages.clock),
            sender="T <no-reply@trunkline.test>",
        )

    async def deliver(self, mail: EmailMessage, name: str) -> int | None:
        self.sent.append(mail)
        return None

    async def hear(self) -> None:
        """Hand every fact to the news, in order."""
        await self.house.settle()
        for entry in self.house.seen[self.read :]:
            await self.news.handle(Received(entry.partition, entry.position, entry.fact, None))
        self.read = len(self.house.seen)
        await self.house.settle()

    async def send(self) -> Sequence[EmailMessage]:
        """Write and send what is queued; what was sent now."""
        await self.hear()
        before = len(self.sent)
        for message in list(self.post.queued.values()):
            if message.id in self.post.withdrawn:
                continue
            self.post.withdrawn.add(message.id)
            place_of(message.id)
            brief = Brief(
                message.id, message.type, message.reference, message.at, message.expires_at, None, None, message.person
            )  # fmt: skip
            letter = await self.compose(brief)
            if letter is not None:
                await self.mail.send(letter, message.id, now=self.house.now)
        return self.sent[before:]


def _to(mails: Sequence[EmailMessage], to: str) -> EmailMessage:
    (found,) = [one for one in mails if one["To"] == to]
    return found


def _calendar(mail: EmailMessage) -> tuple[str, Any]:
    (part,) = [one for one in mail.walk() if one.get_content_type() == "text/calendar"]
    read = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    (event,) = read.walk("VEVENT")
    assert str(read["METHOD"]) == part["Content-Type"].params["method"]
    return str(read["METHOD"]), event


def _token(mail: EmailMessage) -> str:
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    return text.split("#")[1].split()[0]


async def _scene(garages: GarageHouse) -> tuple[Office, PersonId, GarageId, CaseId]:
    owner = await garages.people.owner("owner@example.org")
    garage = await garages.garage()
    return Office(garages), owner, garage, await garages.case("high", vehicle=CAR)


async def test_each_step_is_told_with_an_invitation_that_grows(garages: GarageHouse) -> None:
    office, owner, garage, case = await _scene(garages)
    first, second, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, first, by=owner)
    mails = await office.send()
    assert len(mails) == 2
    uids = set()
    for to in ("owner@example.org", "noord@example.org"):
        method, event = _calendar(_to(mails, to))
        assert (method, int(event["SEQUENCE"]), str(event["STATUS"])) == ("REQUEST", 0, "CONFIRMED")
        assert str(event["ATTENDEE"]) == f"mailto:{to}"
        assert event.decoded("DTSTART") == made.body.start
        uids.add(str(event["UID"]))
    assert len(uids) == 1
    assert "owner" not in _to(mails, "noord@example.org").as_string(), "a garage does not learn who drives"
    garages.clock.advance(timedelta(minutes=1))
    moved = await garages.parts.booking.move(made.id, second, by=owner)
    mails = await office.send()
    for mail in mails:
        method, event = _calendar(mail)
        assert (method, int(event["SEQUENCE"]), str(event["UID"])) == ("REQUEST", 1, *uids)
        assert event.decoded("DTSTART") == moved.body.start
    assert len(mails) == 2
    await garages.parts.appointing.cancel(made.id, by=owner, why="owner")
    mails = await office.send()
    for mail in mails:
        method, event = _calendar(mail)
        assert (method, int(event["SEQUENCE"]), str(event["STATUS"])) == ("CANCEL", 2, "CANCELLED")
        assert str(event["UID"]) in uids
    assert len(mails) == 2
    # heard twice: nothing new
    office.read = 0
    assert await office.send() == []


async def test_what_was_overtaken_is_not_sent(garages: GarageHouse) -> None:
    office, _owner, garage, case = await _scene(garages)
    first, second, *_ = await garages.free(garage)
    made = await garages.parts.booking.book(case, first, by=AGENT)
    await garages.parts.booking.move(made.id, second, by=AGENT)
    mails = await office.send()
    assert [int(_calendar(one)[1]["SEQUENCE"]) for one in mails] == [1, 1], (
        "only the newest invitation goes out"
    )


async def test_a_move_to_another_garage_takes_the_entry_from_the_first(garages: GarageHouse) -> None:
    office, owner, garage, case = await _scene(garages)
    other = await garages.garage(name="Garage Zuid", mail="zuid@example.org", languages=("nl",))
    made = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=owner)
    await office.send()
    await garages.parts.booking.move(made.id, (await garages.free(other))[3], by=owner)
    mails = await office.send()
    assert sorted(str(one["To"]) for one in mails) == [
        "noord@example.org",
        "owner@example.org",
        "zuid@example.org",
    ]
    method, event = _calendar(_to(mails, "noord@example.org"))
    assert (method, int(event["SEQUENCE"])) == ("CANCEL", 1)
    assert _calendar(_to(mails, "zuid@example.org"))[0] == "REQUEST"
    assert "Verzet" in _to(mails, "zuid@example.org")["Subject"]
    # the first garage sees nothing of it any more
    with pytest.raises(NoSuchAppointment):
        await garages.parts.garage_desk.appointment(garage, made.id)
    assert (await garages.parts.garage_desk.appointments(garage)).data == []


@pytest.mark.parametrize("language", ["en", "nl", "de", "sv"])
async def test_the_owner_is_told_in_the_chosen_language(garages: GarageHouse, language: Any) -> None:
    office, owner, garage, case = await _scene(garages)
    wish = Wish(on=True, phone="+31201234567", language=language)
    await garages.parts.choosing.choose(owner, CAR, wish)
    made = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=owner)
    subjects = [_to(await office.send(), "owner@example.org")["Subject"]]
    garages.clock.set(made.body.start)
    await garages.parts.appointing.missed(made.id)
    subjects.append(_to(await office.send(), "owner@example.org")["Subject"])
    again = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=owner)
    await office.send()
    await garages.parts.appointing.cancel(again.id, by=garage, why="garage")
    subjects.append(_to(await office.send(), "owner@example.org")["Subject"])
    third = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=owner)
    await office.send()
    garages.clock.set(third.body.start)
    await garages.parts.appointing.done(third.id)
    subjects.append(_to(await office.send(), "owner@example.org")["Subject"])
    first = {"en": "Booked", "nl": "Afgesproken", "de": "Gebucht", "sv": "Bokat"}[language]
    last = {"en": "Finished", "nl": "Klaar", "de": "Fertig", "sv": "Klart"}[language]
    assert subjects[0].startswith(first)
    assert subjects[-1].startswith(last)
    assert len(set(subjects)) == 4


async def test_a_link_serves_one_appointment_of_one_case(garages: GarageHouse) -> None:
    office, owner, garage, case = await _scene(garages)
    mine, slots = garages.parts.owner_booking, await garages.free(garage)
    url = await garages.parts.booking_links.mint(
        booking_links.wanted("x", owner, case, 1, garages.now + 2 * DAY)
    )
    token = url.split("#")[1]
    assert token not in await garages.people.everything()
    shown = await mine.open(token)
    assert (shown.case, shown.can_book, shown.can_change) == (case, True, False)
    assert shown.offers[0].slots[0].slot == slots[0]
    before = await garages.people.everything()
    await mine.open(token)
    assert await garages.people.everything() == before, "looking changes nothing"
    booked = await mine.book_by_link(token, slots[0])
    assert (booked.can_book, booked.can_change) == (False, True)
    assert await mine.book_by_link(token, slots[0]) == booked
    moved = await mine.move_by_link(token, slots[1])
    assert moved.appointment is not None
    gone = await mine.cancel_by_link(token)
    assert (gone.can_book, gone.can_change) == (False, False), "the link's one appointment is over"
    for work in (mine.book_by_link(token, slots[2]),):
        with pytest.raises(LinkUsed):
            await work
    # the mail about the cancellation has the next link
    newer = _token(_to(await office.send(), "owner@example.org"))
    assert (await mine.open(newer)).can_book
    await mine.book_by_link(newer, slots[2])
    with pytest.raises(LinkUsed):
        await mine.cancel_by_link(token)
    with pytest.raises(LinkUsed):
        await mine.move_by_link(token, slots[3])
    assert (await garages.read_case(case)).state is TriggerState.BOOKED
    await garages.later(3 * DAY)
    with pytest.raises(LinkNotGood):
        await mine.open(token)


async def test_no_made_up_old_or_former_owners_link(garages: GarageHouse) -> None:
    _office, owner, _garage, case = await _scene(garages)
    links, mine = garages.parts.booking_links, garages.parts.owner_booking
    url = await links.mint(booking_links.wanted("x", owner, case, 1, garages.now + 2 * DAY))
    token = url.split("#")[1]
    wrong = [
        "",
        "x" * 60,
        token[:-2] + ("AA" if token[-2:] != "AA" else "BA"),
        token + "A",
        "é" * 50,
        "A" * 399,
        token.swapcase(),
        "\ud800" * 50,
    ]
    for each in wrong:
        with pytest.raises(LinkNotGood):
            await mine.open(each)
    for _ in range(10):
        await links.mint(booking_links.wanted("x", owner, case, 1, garages.now + 2 * DAY))
    with pytest.raises(LinkNotGood):
        await mine.open(token)
    last = (await links.mint(booking_links.wanted("x", owner, case, 1, garages.now + 2 * DAY))).split("#")[1]
    await mine.open(last)
    await garages.people.people.cars.release(CAR, by=None, now=garages.now)
    await garages.settle()
    with pytest.raises(LinkNotGood):
        await mine.open(last)


async def test_only_the_people_of_the_car_book_for_it(garages: GarageHouse) -> None:
    _office, owner, garage, case = await _scene(garages)
    stranger = await garages.people.owner("stranger@example.org", code="WXYZ2345", vehicle=OTHER_CAR)
    slot, mine = (await garages.free(garage))[0], garages.parts.owner_booking
    for work in (
        lambda: mine.visit(stranger, case),
        lambda: mine.book(stranger, case, slot),
        lambda: mine.cancel(stranger, case),
    ):
        with pytest.raises(NoSuchCase):
            await work()
    with pytest.raises(NoSuchCase):
        await mine.visit(owner, CaseId("cse_3k7m9qxd4hwe2a5t.brakes.99"))
    with pytest.raises(NoSuchAppointment):
        await mine.cancel(owner, case)
    await mine.book(owner, case, slot)
    assert (await mine.visit(owner, case)).appointment is not None


async def test_a_garages_link_shows_the_one_appointment(garages: GarageHouse) -> None:
    office, owner, garage, case = await _scene(garages)
    other = await garages.case()
    one = await garages.parts.booking.book(case, (await garages.free(garage))[0], by=owner)
    two = await garages.parts.booking.book(other, (await garages.free(garage))[0], by=AGENT)
    mails = [mail for mail in await office.send() if mail["To"] == "noord@example.org"]
    links = [await garages.parts.garage_links.open(_token(mail)) for mail in mails]
    assert {link.appointment for link in links} == {one.id, two.id}
    shown = (await garages.parts.garage_desk.shown(links[0])).data
    assert [each.id for each in shown] == [links[0].appointment]
    assert shown[0].car is not None
    garages.clock.set(one.body.start)
    after = await garages.parts.garage_desk.act(garage, one.id, "no_show")
    assert (after.state, after.car, after.about) == (AppointmentState.NO_SHOW, None, "")
    await garages.parts.garages.new_token(garage, now=garages.now)
    with pytest.raises(LinkNotGood):
        await garages.parts.garage_links.open(_token(mails[0]))
    with pytest.raises(LinkNotGood):
        await garages.parts.garage_links.open("x" * 43)


async def test_a_mail_is_whole_on_the_wire(garages: GarageHouse) -> None:
    office, owner, garage, case = await _scene(garages)
    await garages.parts.booking.book(case, (await garages.free(garage))[0], by=owner)
    raw = _to(await office.send(), "owner@example.org").as_bytes(policy=SMTP)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"text/calendar" in raw
    assert b"\n" not in raw.replace(b"\r\n", b"")


async def test_a_mail_that_is_tried_again_costs_no_others_link(garages: GarageHouse) -> None:
    _office, owner, _garage, case = await _scene(garages)
    links, until = garages.parts.booking_links, garages.now + 2 * DAY

    async def mint(message: str) -> str:
        url = await links.mint(booking_links.wanted("x", owner, case, 1, until, message=message))
        return url.split("#")[1]

    delivered, first = await mint("one"), await mint("two")
    for _ in range(20):
        last = await mint("two")
    for token in (delivered, last):
        assert (await links.open(token)).case == case
    with pytest.raises(LinkNotGood):
        await links.open(first)
