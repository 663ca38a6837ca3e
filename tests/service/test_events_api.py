"""Subscribers' streams over HTTP, filled by the news reader from real deliveries: gaps heal, rights are asked again."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from delivery.news import News as DeliveryNews
from people.mail_links import RecoveryFact
from people.model import Scope
from spine.ids import EndpointId
from spine.log import Entry
from spine.open_streams import TooManyStreams
from spine.queues import BacklogFull
from spine.streams import Streams
from tests.people_signing import ORIGIN
from tests.service import passkey_hands as hands
from tests.service.conftest import until
from tests.service.delivery_house import CAR, HOUR, DeliveryHouse, home, house_of_people
from trunkline import problems
from trunkline.eventing import catalogue, listening
from trunkline.people_news import PeopleComposing
from trunkline.posting import PeopleMailer
from webhooks import api_events
from webhooks.catalogue import Hearer
from webhooks.dispatch import Brief
from webhooks.envelope import News, encode, wire_id
from webhooks.limits import WebhooksLimits
from webhooks.messages import Outgoing
from webhooks.subscriptions import Subscriptions

__all__ = ["home", "house_of_people"]

DAY = timedelta(days=1)
LIMITS = WebhooksLimits(
    stream_beat=timedelta(milliseconds=50), stream_life=timedelta(seconds=5), streams_each=2
)
CATALOGUE = catalogue()


@dataclass
class Post:
    """One address for everybody, of which nothing is ever taken."""

    queued: dict[str, Outgoing]
    full: set[str] = field(default_factory=set)

    async def queue(self, message: Outgoing, *, ack: Any = None) -> bool:
        if message.endpoint in self.full:
            raise BacklogFull("full")
        self.queued.setdefault(message.checked().id, message)
        return True

    async def withdraw(self, message: str, *, ack: Any = None) -> bool:
        return False

    async def for_subscriber(
        self, subscriber: str, type_: str, *, vehicle: str | None = None
    ) -> list[EndpointId]:
        return [EndpointId(f"ep_{subscriber[4:]}"), EndpointId(f"ep_{subscriber[4]}zzzzzzzzzzzzzzz")]


class Office:
    def __init__(self, home: DeliveryHouse, client: httpx.AsyncClient, subscriptions: Subscriptions) -> None:
        self.home, self.client, self.subscriptions = home, client, subscriptions
        self.post = Post({})
        home.news = DeliveryNews(
            home.desk.deliveries,
            home.people.people.cars,
            home.desk.rules,
            self.post,
            self.post,
            subscriptions,
        )
        self.carrier = self.owner = ""

    async def sign_in(self) -> None:
        self.carrier = await self.home.people.carrier_token(self.home.phone, self.home.carrier)
        self.owner = await self.home.people.session(self.home.owner)

    async def get(self, path: str, by: str = "") -> httpx.Response:
        headers = {"Authorization": f"Bearer {by}"} if by else {}
        return await self.client.get(f"/v1{path}", headers=headers)

    async def events(self, by: str, query: str = "") -> list[dict[str, Any]]:
        answer = await self.get(f"/events{query}", by)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found


@pytest.fixture
async def office(home: DeliveryHouse) -> AsyncIterator[Office]:
    subscriptions = Subscriptions(
        Streams(home.store.valkey),
        home.clock,
        LIMITS,
        {
            "delivery": home.desk.composing,
            "recovery": PeopleComposing(home.people.people.recoveries, public_url=ORIGIN),
        },
    )
    app = FastAPI()
    problems.install(app)
    listens = listening(home.people.people.access)
    app.include_router(api_events.routes(subscriptions, CATALOGUE, LIMITS, listens))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        made = Office(home, client, subscriptions)
        await made.sign_in()
        yield made


async def test_each_hears_its_own_and_every_body_fits_the_catalogue(office: Office) -> None:
    delivery = await office.home.opened()
    await office.home.receipts(delivery, "closed", "locked")
    for token, hearer, most in ((office.carrier, Hearer.CARRIER, 6), (office.owner, Hearer.OWNER, 8)):
        events = await office.events(token)
        assert len(events) >= most
        for one in events:
            CATALOGUE.model(one["type"], hearer).model_validate_json(json.dumps(one))
            assert one["subject"] == delivery
        sequences = [one["sequence"] for one in events]
        assert sequences == sorted(set(sequences)), "it grows per subject"
    carriers = json.dumps(await office.events(office.carrier))
    assert CAR not in carriers
    assert office.home.owner not in carriers
    assert "delivery.asked" not in carriers


@pytest.mark.parametrize("hearer", list(Hearer))
async def test_every_type_is_composed_as_its_model_says(office: Office, hearer: Hearer) -> None:
    home = office.home
    deliveries = [
        await home.opened(),
        await home.asked(window=home.order("x").window.but(end=home.now + HOUR)),
    ]
    subscriber = home.carrier if hearer is Hearer.CARRIER else home.owner
    composed = 0
    names = [one for one in CATALOGUE.heard_by(hearer) if one.startswith("delivery.")]
    for name in names:
        for delivery in deliveries:
            reference = {"delivery": delivery, "kind": name, "position": "1893574800000-7"}
            brief = Brief(
                f"msg_{delivery[4:]}.x", name, reference, home.now, home.now + DAY, None, subscriber, None
            )
            said = await home.desk.composing(brief)
            if said is None:
                continue  # the question of one that is decided
            assert isinstance(said, News)
            body = encode(brief.message, name, home.now, "/trunkline", said)
            CATALOGUE.model(name, hearer).model_validate_json(body)
            composed += 1
    assert composed >= 2 * len(names) - 1


async def test_a_gap_is_healed_by_the_ids_of_the_webhooks(office: Office) -> None:
    delivery = await office.home.opened()
    by_webhook = {
        wire_id(one.id)
        for one in office.post.queued.values()
        if one.endpoint == f"ep_{office.home.carrier[4:]}"
    }
    events = await office.events(office.carrier)
    assert {one["id"] for one in events} == by_webhook
    assert len(by_webhook) == len(events), "both addresses hear of one event under one id"
    for message in office.post.queued.values():
        if message.endpoint != f"ep_{office.home.carrier[4:]}":
            continue
        said = await office.home.desk.composing(
            Brief(
                message.id, message.type, message.reference, message.at, message.expires_at, message.endpoint,
                office.home.carrier, None,
            )
        )  # fmt: skip
        assert isinstance(said, News)
        body = json.loads(encode(message.id, message.type, message.at, "/trunkline", said))
        assert body in events, "exactly as the webhook's body"
    assert {one["subject"] for one in events} == {delivery}


async def test_pages_go_on_where_they_ended(office: Office) -> None:
    await office.home.opened()
    whole = await office.events(office.owner)
    cursor, found, answers = "", list[dict[str, Any]](), 0
    while True:
        answer = (await office.get(f"/events?limit=2{cursor}", office.owner)).json()
        found += answer["data"]
        cursor, answers = f"&after={answer['next']}", answers + 1
        if not answer["more"]:
            break
    assert found == whole
    assert answers == -(-len(whole) // 2)
    assert await office.events(office.owner, f"?after={answer['next']}") == []
    opened = await office.events(office.owner, "?types=delivery.opened&types=delivery.closed")
    assert [one["type"] for one in opened] == ["delivery.opened"]
    assert await office.events(office.owner, "?types=delivery.*") == whole


async def test_the_log_read_twice_tells_nothing_twice(office: Office) -> None:
    await office.home.opened()
    before = await office.events(office.carrier), await office.events(office.owner)
    for entry in list(office.home.seen):
        await office.home.react(entry)
    assert (await office.events(office.carrier), await office.events(office.owner)) == before


async def test_a_crash_between_telling_and_acknowledging_tells_once(office: Office) -> None:
    class Down(Post):
        async def queue(self, message: Outgoing, *, ack: Any = None) -> bool:
            raise RuntimeError("the process ends here")

    news = office.home.news
    broken = Down({})
    office.home.news = DeliveryNews(
        office.home.desk.deliveries,
        office.home.people.people.cars,
        office.home.desk.rules,
        broken,
        broken,
        office.subscriptions,
    )

    async def crashing(entry: Entry) -> None:
        office.home.heard[entry.partition] = "0-0"
        await DeliveryHouse.react(office.home, entry)

    office.home.react = crashing  # type: ignore[method-assign]
    await office.home.place()
    with pytest.raises(RuntimeError):
        await office.home.settle()
    del office.home.react  # type: ignore[method-assign]
    office.home.news = news
    office.home.heard.clear()
    await office.home.settle()
    ids = [one["id"] for one in await office.events(office.owner)]
    assert ids
    assert len(set(ids)) == len(ids)


async def test_what_may_not_be_seen_any_more_is_left_out(office: Office) -> None:
    await office.home.opened()
    assert await office.events(office.owner)
    last = (await office.get("/events", office.owner)).json()["next"]
    await office.home.people.people.cars.release(CAR, by=office.home.owner, now=office.home.now)
    answer = (await office.get("/events", office.owner)).json()
    assert answer == {"data": [], "next": last, "more": False}


async def test_a_question_that_is_decided_is_left_out(office: Office) -> None:
    delivery = await office.home.asked()
    assert [one["type"] for one in await office.events(office.owner)] == ["delivery.asked"]
    await office.home.decide(delivery)
    await office.home.settle()
    assert "delivery.asked" not in [one["type"] for one in await office.events(office.owner)]


async def test_a_cursor_too_old_says_where_to_begin(office: Office) -> None:
    await office.home.asked()
    office.home.clock.advance(31 * DAY)
    await office.sign_in()
    answer = await office.get("/events?after=0-0", office.owner)
    assert (answer.status_code, answer.json()["code"]) == (410, "events.cursor_too_old")
    begin = answer.json()["begin"]
    assert (await office.get(f"/events?after={begin}", office.owner)).json() == {
        "data": [], "next": begin, "more": False,
    }  # fmt: skip
    assert (await office.get("/events", office.owner)).json()["next"] == begin
    streamed = await office.get("/events/stream?after=0-0", office.owner)
    assert (streamed.status_code, streamed.json()["begin"]) == (410, begin)


MALFORMED = [
    ("?after=x", 422), ("?after=", 422), (f"?after={'1' * 41}-1", 422), ("?after=1-1%0a", 422),
    ("?after=%00", 422), ("?after=%D9%A1-1", 422), ("?after=999999999999999-0", 410),
    ("?types=", 422), ("?types=Delivery", 422), ("?types=delivery.**", 422), ("?types=" + "a" * 81, 422),
    ("?" + "types=a.b&" * 51, 422), ("?types=%27%3B--", 422),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        *((path, query, status) for path in ("/events", "/events/stream") for query, status in MALFORMED),
        *(
            ("/events", query, 422) for query in ("?limit=0", "?limit=101", "?limit=x")
        ),  # a stream has no pages
    ],
)
async def test_malformed_requests_are_said_to_be(office: Office, path: str, query: str, status: int) -> None:
    answer = await office.get(path + query, office.owner)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/events", "/events/stream"])
async def test_only_with_a_token_that_is_good(office: Office, path: str) -> None:
    home = office.home
    courier = (
        await home.people.people.courier_tokens.sign_in(
            home.phone.sign_in(home.courier, home.now), now=home.now
        )
    ).token
    forged = (good[:-3] + ("AAA" if good[-3:] != "AAA" else "EEE") for good in (office.carrier, office.owner))
    for token in ("", "x", courier, *forged):
        assert (await office.get(path, token)).status_code == 401
    granted = await home.people.people.carrier_tokens.by_assertion(
        None, home.phone.client(home.carrier, home.now), frozenset({Scope.DELIVERIES_WRITE}), now=home.now
    )
    narrow = granted.token
    assert (await office.get(path, narrow)).status_code == 403
    await home.people.people.carriers.freeze(home.carrier, now=home.now)
    assert (await office.get(path, office.carrier)).status_code == 401


async def frames(response: Any) -> AsyncIterator[dict[str, str]]:
    """Server-sent events as a client reads them; comments are frames too."""
    frame: dict[str, str] = {}
    async for line in response:
        for one in line.split("\n"):
            if one:
                name, _, value = one.partition(":")
                frame[name] = value.strip()
            elif frame:
                yield frame
                frame = {}


async def listen(office: Office, subscriber: str, *, after: str | None = None, still: Any = None) -> Any:
    async def always() -> None:
        return None

    # Not the few seconds of the one that ends by itself: a slow machine would see it end before it has heard.
    live = api_events._Live(office.subscriptions, LIMITS.model_copy(update={"stream_life": HOUR}))
    listener = api_events.Listener(subscriber, still or always)
    return await live.begin(listener, after, [])


async def test_a_stream_is_told_what_happens_and_goes_on_where_it_was(office: Office) -> None:
    home = office.home
    delivery = await home.asked()
    stream = await listen(office, home.owner, after="0-0")
    heard: list[dict[str, str]] = []

    async def follow() -> None:
        async for frame in frames(stream):
            heard.append(frame)

    task = asyncio.create_task(follow())
    try:
        await until(lambda: [one for one in heard if "delivery.asked" in one.get("data", "")])
        await home.decide(delivery)
        await home.settle()
        await until(lambda: [one for one in heard if "delivery.approved" in one.get("data", "")])
        await until(lambda: [one for one in heard if "" in one])
    finally:
        task.cancel()
        await asyncio.wait([task])
        await stream.aclose()
    told = [one for one in heard if "data" in one]
    bodies = await office.events(office.owner, f"?after={told[0]['id']}")
    assert [json.loads(one["data"])["id"] for one in told[1:]] == [one["id"] for one in bodies]


async def test_a_stream_ends_with_the_right_to_listen_and_before_anything_is_sent(office: Office) -> None:
    home = office.home
    allowed = True

    async def still() -> None:
        if not allowed:
            raise TooManyStreams

    stream = await listen(office, home.owner, still=still)
    first = await anext(stream)
    assert first.startswith("retry: 2000\nid: ")
    allowed = False
    await home.asked()
    assert [frame async for frame in stream] == []


async def test_only_so_many_streams_at_once(office: Office) -> None:
    async def always() -> None:
        return None

    live = api_events._Live(office.subscriptions, LIMITS)
    me = api_events.Listener(office.home.owner, always)
    open_ = [await live.begin(me, None, []) for _ in range(2)]
    for one in open_:
        await anext(one)
    with pytest.raises(TooManyStreams):
        await live.begin(me, None, [])
    for one in open_:
        await one.aclose()
    last = await live.begin(me, None, [])
    await anext(last)
    await last.aclose()
    assert live._open.count == 0


async def test_a_stream_over_http_ends_by_itself(office: Office) -> None:
    await office.home.asked()
    answer = await office.get("/events/stream?after=0-0", office.owner)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert '"type":"delivery.asked"' in answer.text
    assert answer.text.count(": still here") >= 3


async def test_the_catalogue_is_for_everybody(office: Office) -> None:
    every = (await office.get("/event-types")).json()["data"]
    assert [one["type"] for one in every] == [one.name for one in CATALOGUE]
    one = (await office.get("/event-types/delivery.opened")).json()
    assert set(one["heard_by"]) == {"carrier", "owner"}
    assert one["heard_by"]["carrier"]["schema"]["$schema"].startswith("https://json-schema.org/")
    for name in ("delivery.nothing", "x", "a" * 90, "%00"):
        assert (await office.get(f"/event-types/{name}")).status_code in {404, 422}


async def test_a_recovery_is_told_in_the_stream_and_to_every_linked_system(office: Office) -> None:
    home, people = office.home, office.home.people.people
    mailer = PeopleMailer(home.clock, people.limits)
    post: Any = office.post
    mailer.attach(post, post, office.subscriptions)
    who = await hands.session(home.people, home.owner)
    await hands.register(home.people, who, hands.key())
    await people.recoveries.ask(home.owner, now=home.now)
    asked, *_ = [one for one in await home.people.facts() if isinstance(one, RecoveryFact)]
    full, other = await office.post.for_subscriber(home.owner, asked.kind)
    office.post.full.add(full)
    for _ in range(2):  # read again from the log
        await mailer.tell(asked, "7-1")
    queued = [one for one in office.post.queued.values() if one.type == "recovery.asked"]
    assert [(one.endpoint, one.interactive) for one in queued] == [(other, True)]
    (event,) = await office.events(office.owner)
    told = CATALOGUE.model("recovery.asked", Hearer.OWNER).model_validate_json(json.dumps(event))
    assert (event["subject"], told.id) == (home.owner, wire_id(queued[0].id))
    waits = await people.recoveries.waiting(home.owner)
    assert waits is not None
    assert event["data"] == {
        "person": home.owner,
        "ripe_at": waits.ripe_at.isoformat().replace("+00:00", "Z"),
        "page": f"{ORIGIN}/passkeys",
    }
    assert await office.events(office.carrier) == []
    await people.recoveries.cancel(home.owner, now=home.now)
    cancelled = [one for one in await home.people.facts() if isinstance(one, RecoveryFact)][-1]
    await mailer.tell(cancelled, "7-2")
    assert [one["type"] for one in await office.events(office.owner)] == ["recovery.cancelled"]
