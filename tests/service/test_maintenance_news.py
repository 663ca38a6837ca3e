"""Who hears of cases: owners by mail in their language, their systems and streams; each once, strangers never."""

import pytest

from maintenance import memory, starting
from maintenance.appointments import appointment_of
from maintenance.composing import Composing
from maintenance.model import Language, Read
from maintenance.news import News
from maintenance.service import Turn, told, with_history
from maintenance.starting import Story, end
from maintenance.words import texts
from maintenance.words import told as plain_words
from spine.facts.maintenance import TriggerUnreached
from spine.ids import PersonId
from spine.log import Entry
from spine.readers import Received
from tests.service.delivery_house import Post
from tests.service.maintenance_house import CAR, DAY, HOUR, MaintenanceHouse, garage, house_of_people
from webhooks.dispatch import Brief
from webhooks.envelope import News as Told
from webhooks.mail import Letter
from webhooks.messages import Outgoing

__all__ = ["garage", "house_of_people"]
pytestmark = pytest.mark.valkey
MEDIUM, HIGH, CRITICAL = "P0420", "P0301", "P0217"
PUBLIC = "https://trunkline.test"


class Newsroom:
    """The news reader beside the house, and its composer."""

    def __init__(self, garage: MaintenanceHouse) -> None:
        self.garage, self.post = garage, Post()
        desk, people = garage.desk, garage.people.people
        self.news = News(desk.cases, people.cars, self.post, self.post, self.post)
        self.composing = Composing(desk.cases, people.cars, people.persons, desk.choosing, public_url=PUBLIC)
        self.read = 0

    async def hear(self) -> None:
        """What is new in the log."""
        for entry in self.garage.seen[self.read :]:
            await self.handle(entry)
        self.read = len(self.garage.seen)

    async def handle(self, entry: Entry) -> None:
        await self.news.handle(Received(entry.partition, entry.position, entry.fact, None))

    def mails(self, to: PersonId | None = None) -> list[str]:
        return self.post.types(to or self.garage.owner)

    async def newest(self) -> Letter | None:
        message = [one for one in self.post.queued.values() if one.person][-1]
        told = await self.compose(message)
        assert told is None or isinstance(told, Letter)
        return told

    async def compose(self, message: Outgoing, subscriber: str | None = None) -> Letter | Told | None:
        brief = Brief(
            message.id, message.type, message.reference, message.at, message.expires_at, message.endpoint, subscriber,
            message.person,
        )  # fmt: skip
        return await self.composing(brief)


@pytest.fixture
def newsroom(garage: MaintenanceHouse) -> Newsroom:
    return Newsroom(garage)


async def test_an_owner_is_told_in_the_own_language_with_a_way_to_book(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.wants_calls(language="sv")
    await garage.scan(HIGH)
    await newsroom.hear()
    assert newsroom.mails() == ["case.opened"]
    letter = await newsroom.newest()
    assert letter is not None
    assert letter.subject == "Din bil rapporterar: Tändning"
    assert letter.link is not None
    assert (letter.link.label, letter.link.page) == ("Boka ett besök", "/book")
    assert any(f"{PUBLIC}/cases/cse_" in one for one in letter.paragraphs)


async def test_without_a_choice_for_calls_an_owner_reads_the_language_of_their_mails(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.people.people.persons.speaks(garage.owner, "nl", chosen=True)
    await garage.scan(HIGH)
    await newsroom.hear()
    letter = await newsroom.newest()
    assert letter is not None
    assert (letter.language, letter.subject) == ("nl", "Je auto meldt: Ontsteking")
    assert await garage.desk.language_of(garage.owner, CAR) == "nl"


async def test_a_critical_one_is_told_daily_until_it_is_closed(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.scan(CRITICAL)
    for _ in range(3):
        await garage.later(DAY)
    await newsroom.hear()
    assert newsroom.mails() == ["case.opened", *["case.told_again"] * 3]
    letter = await newsroom.newest()
    assert letter is not None
    assert letter.subject == "Still open, and dangerous: Fuel and air"
    for _ in range(3):
        garage.clock.advance(DAY)
        await garage.scan()
    await newsroom.hear()
    assert newsroom.mails()[-1] == "case.closed"
    stale = next(one for one in newsroom.post.queued.values() if one.type == "case.told_again")
    assert await newsroom.compose(stale) is None


async def test_a_flapping_fault_is_told_once(garage: MaintenanceHouse, newsroom: Newsroom) -> None:
    for _ in range(5):
        await garage.scan(MEDIUM)
        for _ in range(3):
            garage.clock.advance(HOUR)
            await garage.scan()
    await newsroom.hear()
    assert newsroom.mails() == ["case.opened", "case.closed"]


async def test_a_flapping_dangerous_fault_is_told_when_it_first_comes_back(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    for _ in range(5):
        await garage.scan(CRITICAL)
        for _ in range(3):
            garage.clock.advance(HOUR)
            await garage.scan()
    await newsroom.hear()
    assert newsroom.mails() == ["case.opened", "case.closed", "case.reopened"]


async def test_mended_is_not_said_of_what_is_open_again(garage: MaintenanceHouse, newsroom: Newsroom) -> None:
    await garage.scan(HIGH)
    for _ in range(3):
        garage.clock.advance(HOUR)
        await garage.scan()
    await newsroom.hear()
    assert newsroom.mails()[-1] == "case.closed"
    assert await newsroom.newest() is not None
    await garage.scan(HIGH)
    assert await newsroom.newest() is None


async def test_who_was_not_reached_is_told_once_though_the_case_opens_again(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.wants_calls()
    await garage.scan(HIGH)
    case = (await garage.read("ignition")).id

    def unreached(read: Read, _: object) -> Turn:
        return Turn(read.body, [told(TriggerUnreached, read, garage.now, calls=3)])

    await garage.desk.cases.change(case, unreached)
    await garage.settle()
    for _ in range(3):
        garage.clock.advance(HOUR)
        await garage.scan()
    await garage.scan(HIGH)
    assert (await garage.kinds()).count("trigger.unreached") == 2
    await newsroom.hear()
    assert newsroom.mails().count("case.unreached") == 1


@pytest.mark.parametrize("language", ["en", "nl", "de", "sv"])
async def test_a_case_whose_repair_did_not_hold_is_not_called_mended(
    garage: MaintenanceHouse, language: Language
) -> None:
    await garage.scan(HIGH)
    read = await garage.read("ignition")
    story = Story(read.id, read.body, read.state, garage.now)
    end(story, "repair_did_not_hold")
    body = with_history(story.body, story.facts)
    every = texts(language)
    says = plain_words(body, story.state, language).stands
    assert says == every["state"]["not_held"] == every["happened"]["case.closed.repair_did_not_hold"]
    mended = with_history(read.body, [one.model_copy(update={"why": "clean_scans"}) for one in story.facts])
    assert plain_words(mended, story.state, language).stands == every["state"]["ended"]


async def test_systems_hear_ids_and_codes_and_everything_only_once(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.scan(HIGH)
    await newsroom.hear()
    endpoint = f"ep_{garage.owner[4:]}"
    assert newsroom.post.types(endpoint) == ["case.opened"]
    before = dict(newsroom.post.queued), dict(newsroom.post.told)
    for entry in garage.seen:
        await newsroom.handle(entry)
    assert (newsroom.post.queued, newsroom.post.told) == before
    (message,) = [one for one in newsroom.post.queued.values() if one.endpoint == endpoint]
    told = await newsroom.compose(message, subscriber=garage.owner)
    assert isinstance(told, Told)
    assert (told.data["system"], told.data["state"], told.data["codes"]) == ("ignition", "offered", ["P0301"])
    assert [type_ for type_, _ in newsroom.post.told.values()] == ["case.opened"]


async def test_a_former_owner_and_a_stranger_are_told_nothing(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.scan(HIGH)
    await newsroom.hear()
    garage.clock.advance(HOUR)
    await garage.people.people.cars.release(CAR, by=garage.owner, now=garage.now)
    await garage.settle()
    assert await newsroom.newest() is None
    garage.clock.advance(HOUR)
    following = await garage.people.owner("next@example.org", "WXYZ6789")
    await garage.settle()
    await newsroom.hear()
    assert newsroom.mails(following) == []
    for message in newsroom.post.queued.values():
        assert await newsroom.compose(message, subscriber=following) is None or message.person is None


async def test_an_owner_who_was_told_that_nothing_is_to_be_done_is_told_when_it_is_not_so(
    garage: MaintenanceHouse, newsroom: Newsroom
) -> None:
    await garage.scan(MEDIUM)
    case = memory.case_of(CAR, "emissions", 1)

    def finished(read: Read, _: object) -> Turn:
        story = Story(read.id, read.body, read.state, garage.now)
        starting.book(story, appointment_of(case, 1), 1)
        starting.finished(story, garage.now + DAY)
        return Turn(story.body, story.facts)

    await garage.desk.cases.change(case, finished)
    sweeping = garage.desk.sweeping
    assert await sweeping.of(CAR, None, garage.now) == []
    garage.clock.advance(DAY)
    await garage.fire()
    await newsroom.hear()
    assert newsroom.mails() == ["case.opened", "case.told_again"]
    letter = await newsroom.newest()
    assert letter is not None
    assert letter.subject.startswith("Not repaired")
    assert letter.link is not None
