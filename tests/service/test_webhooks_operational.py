"""News about news: told to the other addresses, in the stream and by mail, and never about themselves for ever."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from spine.facts import Fact
from spine.facts.people import PersonErased
from spine.facts.webhooks import (
    BreakerClosed,
    BreakerOpened,
    EndpointDisabled,
    EndpointEnabled,
    EndpointFailing,
    EndpointRecovered,
    MessageDied,
)
from spine.ids import PersonId, partition_of
from spine.readers import Received
from spine.store import Store
from spine.streams import Streams
from spine.valkey import Valkey
from spine.words import Words, untranslated
from tests.service.conftest import SetClock
from tests.service.test_webhooks_engine import LIMITS, Office, Sink, make_office, sink
from trunkline.eventing import catalogue
from webhooks.catalogue import Hearer
from webhooks.dispatch import Brief, Composer
from webhooks.guard import Guard
from webhooks.mail import Letter
from webhooks.messages import message_id
from webhooks.operational import KINDS, Composing, Operational, types
from webhooks.sender import HttpSender
from webhooks.subscriptions import Subscriptions

__all__ = ["sink"]

OWNER = PersonId("per_3k7m9qxd4hwe2a5t")
CATALOGUE = catalogue()


@dataclass
class Desk:
    office: Office
    operational: Operational
    subscriptions: Subscriptions
    composing: Composing
    n: int = 0

    @property
    def now(self) -> Any:
        return self.office.clock.now()

    async def address(self, subscriber: str, url: str) -> Any:
        endpoint, _ = await self.office.endpoints.add(subscriber, url)
        await self.office.engine.withdraw(endpoint.pinged)
        await self.office.endpoints.answered(endpoint.id)
        return endpoint.id

    async def hear(self, fact: Fact) -> str:
        self.n += 1
        position = f"1893574800000-{self.n}"
        await self.operational.handle(Received(partition_of(OWNER), position, fact, None))
        return position

    async def events(self, subscriber: str) -> list[dict[str, Any]]:
        page = await self.subscriptions.page(subscriber, after=None, limit=100)
        return [json.loads(one.body) for one in page.events]


@pytest.fixture
async def desk(store: Store, valkey: Valkey, clock: SetClock) -> AsyncIterator[Desk]:
    composers: dict[str, Composer] = {}

    async def late(brief: Brief) -> Any:
        return await composers["endpoint"](brief)

    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"endpoint": late, "message": late}, LIMITS)

        async def mail_of(person: PersonId) -> str | None:
            return "ada@example.org" if person == OWNER else None

        async def words_for(_: PersonId) -> Words:
            return untranslated("nl")

        composing = Composing(office.endpoints, mail_of, words_for)

        composers |= {"endpoint": composing, "message": composing}
        subscriptions = Subscriptions(Streams(valkey), clock, LIMITS, composers, source="/test")
        yield Desk(
            office,
            Operational(office.engine, office.endpoints, subscriptions, clock),
            subscriptions,
            composing,
        )


def facts_about(endpoint: Any, subscriber: str, now: Any) -> list[Fact]:
    about = {"at": now, "endpoint": endpoint, "subscriber": subscriber}
    return [
        EndpointEnabled(**about), EndpointFailing(**about, reason="no_success", disables_at=now + timedelta(days=1)),
        EndpointRecovered(**about), BreakerOpened(**about), BreakerClosed(**about),
        EndpointDisabled(**about, reason="gone"),
        MessageDied(**about, message=message_id("dlv_3k7m9qxd4hwe2a5t", "opened", endpoint), type="delivery.opened", reason="exhausted"),
    ]  # fmt: skip


async def test_everything_is_told_in_the_stream_and_to_the_other_addresses(desk: Desk, sink: Sink) -> None:
    failing, other = await desk.address(OWNER, "https://gone.example/"), await desk.address(OWNER, sink.url)
    told = facts_about(failing, OWNER, desk.now)
    assert {one.kind for one in told} | {"person.erased"} == KINDS
    for fact in told:
        await desk.hear(fact)
    events = await desk.events(OWNER)
    assert [one["type"] for one in events] == [one.kind for one in told]
    await desk.office.engine.sweep()
    posted = [json.loads(body) for _, body in sink.got]
    assert sorted(posted, key=lambda one: one["sequence"]) == events, "the same bodies, under the same ids"
    for one in events:
        for hearer in Hearer:
            CATALOGUE.model(one["type"], hearer).model_validate_json(json.dumps(one))
        assert one["subject"] == failing
    assert events[1]["data"]["disables_at"]
    assert events[-1]["data"]["type"] == "delivery.opened"
    assert other not in json.dumps(events)


async def test_read_twice_nothing_is_told_twice(desk: Desk, sink: Sink) -> None:
    failing = await desk.address(OWNER, "https://gone.example/")
    await desk.address(OWNER, sink.url)
    for fact in facts_about(failing, OWNER, desk.now):
        await desk.hear(fact)
        desk.n -= 1
        await desk.hear(fact)
    await desk.office.engine.sweep()
    assert len(await desk.events(OWNER)) == len(sink.got) == 7


async def test_news_that_die_are_no_news(desk: Desk, sink: Sink) -> None:
    failing = await desk.address(OWNER, "https://gone.example/")
    await desk.address(OWNER, sink.url)
    for type_ in ("message.died", "endpoint.disabled", "endpoint.ping"):
        message = message_id(failing, "died.1-1", failing)
        about = {"at": desk.now, "endpoint": failing, "subscriber": OWNER, "reason": "exhausted"}
        await desk.hear(MessageDied(**about, message=message, type=type_))
    await desk.hear(
        MessageDied(
            at=desk.now, message="msg_3k7m9qxd4hwe2a5t.x", person=OWNER, type="delivery.asked", reason="x"
        )
    )
    await desk.hear(EndpointDisabled(at=desk.now, endpoint=failing, reason="gone"))  # of an earlier version
    assert await desk.events(OWNER) == []
    await desk.office.engine.sweep()
    assert sink.got == []


async def test_a_person_hears_by_mail_what_they_did_not_do(desk: Desk) -> None:
    endpoint = await desk.address(OWNER, "https://gone.example/")
    for reason, mails in (("removed", 0), ("gone", 1)):
        position = await desk.hear(
            EndpointDisabled(at=desk.now, endpoint=endpoint, subscriber=OWNER, reason=reason)
        )
        message = message_id(endpoint, f"disabled.{position}", OWNER)
        assert ((await desk.office.engine.view(message)).kept is not None) is bool(mails)
    reference = {"endpoint": endpoint, "subscriber": OWNER, "position": "1-1", "reason": "gone"}
    brief = Brief("msg_3.x", "endpoint.disabled", reference, desk.now, desk.now, None, None, OWNER)
    letter = await desk.composing(brief)
    assert isinstance(letter, Letter)
    assert letter.language == "nl"
    assert "gone.example" not in letter.subject + " ".join(letter.paragraphs)


async def test_nobody_hears_of_anothers_address(desk: Desk) -> None:
    endpoint = await desk.address(OWNER, "https://gone.example/")
    reference = {"endpoint": endpoint, "subscriber": OWNER, "position": "1-1"}
    other = "per_5c2h8tq4n6w0rj3v"
    for subscriber, person in ((other, None), (None, PersonId(other))):
        brief = Brief("msg_3.x", "endpoint.disabled", reference, desk.now, desk.now, None, subscriber, person)
        assert await desk.composing(brief) is None


async def test_what_is_long_past_is_only_in_the_stream(desk: Desk, sink: Sink) -> None:
    endpoint = await desk.address(OWNER, "https://gone.example/")
    await desk.address(OWNER, sink.url)
    await desk.hear(EndpointRecovered(at=desk.now - timedelta(days=4), endpoint=endpoint, subscriber=OWNER))
    assert len(await desk.events(OWNER)) == 1
    await desk.office.engine.sweep()
    assert sink.got == []


async def test_an_erased_person_has_no_stream(desk: Desk) -> None:
    endpoint = await desk.address(OWNER, "https://gone.example/")
    await desk.hear(EndpointRecovered(at=desk.now, endpoint=endpoint, subscriber=OWNER))
    await desk.hear(PersonErased(at=desk.now, person=OWNER))
    await desk.hear(EndpointRecovered(at=desk.now, endpoint=endpoint, subscriber=OWNER))
    assert await desk.events(OWNER) == []


def test_a_ping_is_in_the_catalogue() -> None:
    assert {one.name for one in types()} == (KINDS - {"person.erased"}) | {"endpoint.ping"}
    assert "sequence" not in CATALOGUE.example("endpoint.ping", Hearer.CARRIER)
