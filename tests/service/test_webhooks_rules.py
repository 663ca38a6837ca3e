"""The engine's rules against a real store and receiver: pings, order, rates, filters, breaker, dead letters, limits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from aiohttp import web

from spine.clock import SystemClock
from spine.facts.people import PersonErased
from spine.ids import EndpointId, PersonId
from spine.log import Log
from spine.store import Ack, LeaseLost, Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock, running
from tests.service.test_webhooks_engine import (
    CARRIER,
    DELIVERY,
    LIMITS,
    Office,
    Sink,
    compose,
    cut_off,
    delivered,
    eventually,
    make_office,
    sink,
)
from webhooks.addresses import FiltersRefused
from webhooks.dispatch import Brief
from webhooks.endpoints import EndpointState, EndpointUnknown, Wishes
from webhooks.engine import BacklogFull, MessageTooLate, MessageUnknown
from webhooks.forgetting import Forgetting
from webhooks.guard import Guard
from webhooks.mail import Letter
from webhooks.messages import Outgoing, message_id
from webhooks.sender import HttpSender
from webhooks.states import State

__all__ = ["sink"]

OTHER = "dlv_7abc9qxd4hwe2a5t"
ZOE = PersonId("per_5aaaaaaaaaaaaaaa")


@pytest.fixture
async def office(store: Store, clock: SetClock) -> AsyncIterator[Office]:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose})
        yield office
        await office.engine.close()


async def kinds(office: Office) -> list[str]:
    """What the log tells."""
    log, house = Log(office.store.valkey, office.store.house), office.store.house
    return [entry.kind for partition in range(house.partitions) for entry in await log.read(partition)]


async def queue(office: Office, endpoint: EndpointId, *names: str, delivery: str = DELIVERY) -> list[str]:
    ids = []
    for what in names:
        news = office.news(endpoint, what)
        reference = {"delivery": delivery}
        news = replace(news, id=message_id(delivery, what, endpoint), reference=reference)
        await office.engine.queue(news)
        ids.append(news.id)
    return ids


async def states(office: Office, ids: list[str]) -> list[str]:
    return [(await office.engine.view(each)).state.value for each in ids]


# ---- pings


async def test_an_address_is_enabled_by_answering_its_ping(office: Office, sink: Sink) -> None:
    made, _ = await office.endpoints.add(CARRIER, sink.url, ["delivery.*"])
    assert made.state is EndpointState.PENDING
    assert await office.endpoints.for_subscriber(CARRIER, "delivery.opened") == [made.id]
    [news] = await queue(office, made.id, "opened")
    await office.engine.sweep()
    assert (await office.endpoints.one(made.id, CARRIER)).state is EndpointState.ENABLED
    types = [body.split(b'"type":"')[1].split(b'"')[0] for _, body in sink.got]
    assert types == [b"endpoint.ping", b"delivery.opened"], "its news waited for the answer"
    assert await states(office, [made.pinged, news]) == ["delivered", "delivered"]
    assert await kinds(office) == ["endpoint.made", "endpoint.enabled"]


async def test_an_address_that_never_answers_hears_nothing(office: Office, sink: Sink) -> None:
    sink.says(401)
    made, _ = await office.endpoints.add(CARRIER, sink.url)
    [news] = await queue(office, made.id, "opened")
    for _ in range(60):
        await office.engine.sweep()
        office.clock.advance(timedelta(seconds=30))
    view = await office.endpoints.one(made.id, CARRIER)
    assert (view.state, view.reason) == (EndpointState.DISABLED, "unanswered")
    assert all(b"endpoint.ping" in body for _, body in sink.got)
    assert 5 < len(sink.got) < 30
    assert await states(office, [news]) == ["dead"]
    assert await office.endpoints.for_subscriber(CARRIER, "delivery.opened") == []
    sink.says(200)
    asked = await office.endpoints.ping(made.id, CARRIER)
    await office.engine.sweep()
    assert (await office.engine.pinged(asked)).state is State.DELIVERED
    assert (await office.endpoints.one(made.id, CARRIER)).state is EndpointState.ENABLED
    assert await office.engine.recover(made.id, made.made_at, office.clock.now()) == 1
    await office.engine.sweep()
    assert await states(office, [news]) == ["delivered"]


async def test_a_forgotten_ping_is_sent_when_the_request_is_repeated(office: Office, sink: Sink) -> None:
    """A crash between the address and its ping."""
    made, _ = await office.endpoints.add(CARRIER, sink.url, key="k")
    await office.engine._queues.purge(3, f"ping:{made.id}")
    await office.engine._queues.purge(3, made.id)
    [news] = await queue(office, made.id, "opened")
    await office.engine.sweep()
    assert sink.got == []
    assert await states(office, [news]) == ["pending"]
    again, _ = await office.endpoints.add(CARRIER, sink.url, key="k")
    assert again.id == made.id
    await office.engine.sweep()
    assert (await office.endpoints.one(made.id, CARRIER)).state is EndpointState.ENABLED
    office.clock.advance(timedelta(seconds=31))
    await office.engine.sweep()
    assert await states(office, [news]) == ["delivered"]


async def test_pings_are_bounded_and_nobody_elses(office: Office, sink: Sink) -> None:
    made, _ = await office.endpoints.add(CARRIER, sink.url)
    with pytest.raises(EndpointUnknown):
        await office.endpoints.ping(made.id, "car_5bbbbbbbbbbbbbbb")
    for _ in range(4):
        office.clock.advance(timedelta(milliseconds=1))
        await office.endpoints.ping(made.id, CARRIER)
    office.clock.advance(timedelta(milliseconds=1))
    with pytest.raises(BacklogFull):
        await office.endpoints.ping(made.id, CARRIER)


# ---- order, rates, filters


async def test_without_order_a_failing_message_holds_up_nobody(office: Office, sink: Sink) -> None:
    await fails_first(sink)
    endpoint, _ = await office.address(sink.url)
    ids = await queue(office, endpoint, "a", "b", "c")
    await office.engine.sweep()
    assert await states(office, ids) == ["pending", "delivered", "delivered"]


async def fails_first(sink: Sink) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=400 if request.headers["webhook-id"].endswith("-a") else 200)

    sink.answer = answer


@pytest.mark.parametrize("order", ["delivery", "vehicle"])
async def test_in_order_a_failing_head_holds_up_its_own_only(office: Office, sink: Sink, order: str) -> None:
    await fails_first(sink)
    endpoint, _ = await office.address(sink.url, wishes=Wishes(order=order))
    mine = await queue(office, endpoint, "a", "b", "c")
    others = await queue(office, endpoint, "x", "y", delivery=OTHER)
    await office.engine.sweep()
    assert await states(office, mine + others) == [*["pending"] * 3, *["delivered"] * 2]
    assert (await office.engine.backlog(endpoint)).behind == 2
    sink.says(200)
    sink.got.clear()
    await office.next(mine[0])
    assert await states(office, mine) == ["delivered"] * 3
    assert [each.split("-")[1] for each in sink.ids] == ["a", "b", "c"]
    assert (await office.engine.backlog(endpoint)).behind == 0


async def test_a_head_that_dies_or_is_withdrawn_lets_the_next_one_go(office: Office, sink: Sink) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        stops = {"webhook-delivery": "abort-message"}
        return (
            web.Response(status=400, headers=stops)
            if request.headers["webhook-id"].endswith("-b")
            else web.Response()
        )

    sink.answer = answer
    endpoint, _ = await office.address(sink.url, wishes=Wishes(order="delivery"))
    ids = await queue(office, endpoint, "a", "b", "c", "d", "e")
    await office.engine.withdraw(ids[0])
    await office.engine.withdraw(ids[3])
    await office.engine.sweep()
    assert await states(office, ids) == ["withdrawn", "dead", "delivered", "withdrawn", "delivered"]
    assert (await office.engine.backlog(endpoint)).behind == 0
    [row] = [each for each in (await office.engine.view(ids[1])).kept.attempts if each.outcome == "failed"]
    assert row.reason == "aborted"


async def test_a_rate_is_kept(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url, wishes=Wishes(rate=2))
    await queue(office, endpoint, *(f"n{n}" for n in range(40)))
    await office.engine.sweep()
    assert len(sink.got) == LIMITS.rate_burst
    for seconds in range(1, 4):
        office.clock.advance(timedelta(seconds=1))
        await office.engine.sweep()
        assert len(sink.got) == LIMITS.rate_burst + 2 * seconds


async def test_filters_by_type_and_vehicle(office: Office) -> None:
    url, car = "https://shop.example/h", "veh_7k3m9qxd4hwe2a5t"
    all_, _ = await office.endpoints.add(CARRIER, url)
    mine, _ = await office.endpoints.add(CARRIER, url, wishes=Wishes(["delivery.*"], [car]))
    heard = office.endpoints.for_subscriber
    assert await heard(CARRIER, "delivery.opened", vehicle=car) == [all_.id, mine.id]
    assert await heard(CARRIER, "delivery.opened", vehicle="veh_7other") == [all_.id]
    assert await heard(CARRIER, "delivery.opened") == [all_.id]
    assert await heard(CARRIER, "key.used", vehicle=car) == [all_.id]
    assert await heard(CARRIER, "endpoint.disabled", but=all_.id) == []
    for wrong in (Wishes(vehicles=["car"]), Wishes(order="any"), Wishes(rate=-1), Wishes(rate=1e9)):  # type: ignore[arg-type]
        with pytest.raises(FiltersRefused):
            await office.endpoints.add(CARRIER, url, wishes=wrong)


# ---- how an address does


async def test_the_breaker_saves_tries_and_lets_one_through(office: Office, sink: Sink) -> None:
    sink.says(500)
    endpoint, _ = await office.address(sink.url)
    ids = await queue(office, endpoint, *(f"n{n}" for n in range(30)))
    await office.engine.sweep()
    sent = len(sink.got)
    assert 5 <= sent <= LIMITS.in_flight_per_address + 5
    load = await office.engine.backlog(endpoint)
    assert load.breaker == "open"
    for _ in range(5):
        office.clock.advance(timedelta(seconds=5))
        await office.engine.sweep()
    assert len(sink.got) == sent, "open, it uses up no tries"
    assert load.held_until is not None
    office.clock.set(load.held_until)
    await office.engine.sweep()
    assert len(sink.got) == sent + 1, "one is let through"
    sink.says(200)
    office.clock.set((await office.engine.backlog(endpoint)).held_until)
    await office.engine.sweep()
    office.clock.advance(timedelta(seconds=400))
    await office.engine.sweep()
    assert await states(office, ids) == ["delivered"] * 30
    told = [kind for kind in await kinds(office) if "breaker" in kind]
    assert told == ["endpoint.breaker_opened", "endpoint.breaker_closed"]


async def test_a_failing_address_is_warned_of_disabled_and_comes_back(office: Office, sink: Sink) -> None:
    sink.says(403)
    endpoint, _ = await office.address(sink.url)
    began = office.clock.now()
    for hour in range(0, 132, 6):
        office.clock.set(began + timedelta(hours=hour))
        await queue(office, endpoint, f"h{hour}")
        await office.engine.sweep()
    view = await office.endpoints.one(endpoint, CARRIER)
    assert (view.state, view.reason) == (EndpointState.DISABLED, "failing")
    told = await kinds(office)
    assert told.count("endpoint.failing") == 3, "the fourth try of a message, two days, four days"
    assert told.count("endpoint.disabled") == 1
    office.clock.advance(timedelta(hours=24))
    await office.engine.sweep()
    load = await office.engine.backlog(endpoint)
    assert load.waiting == 0, "what waited has ended when it was due, each with a row"
    assert load.dead > 10
    sink.says(200)
    await office.endpoints.ping(endpoint, CARRIER)
    await office.engine.sweep()
    assert (await office.endpoints.one(endpoint, CARRIER)).state is EndpointState.ENABLED
    assert await office.engine.recover(endpoint, began, office.clock.now()) > 0
    await office.engine.sweep()
    assert (await office.engine.backlog(endpoint)).waiting == 0
    assert "endpoint.recovered" in await kinds(office)


async def test_a_receiver_may_end_it_all_in_a_header(office: Office, sink: Sink) -> None:
    sink.says(200, headers={"webhook-delivery": "disable"})
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    await office.engine.sweep()
    assert await states(office, [one]) == ["delivered"], "2xx is success, whatever else is said"
    view = await office.endpoints.one(endpoint, CARRIER)
    assert (view.state, view.reason) == (EndpointState.DISABLED, "unwanted")


# ---- dead letters


async def test_resend_has_the_same_id_and_a_new_timestamp(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    assert not await office.engine.resend(one), "it is pending"
    await office.engine.sweep()
    office.clock.advance(timedelta(seconds=9))
    assert await office.engine.resend(one)
    assert not await office.engine.resend(one)
    await office.engine.sweep()
    first, second = (headers for headers, _ in sink.got)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 9
    office.clock.advance(timedelta(hours=100))
    with pytest.raises(MessageTooLate):
        await office.engine.resend(one)
    with pytest.raises(MessageUnknown):
        await office.engine.resend(message_id(DELIVERY, "never", endpoint))


async def test_recover_a_stretch_of_time(office: Office, sink: Sink) -> None:
    sink.says(400, headers={"webhook-delivery": "abort-message"})
    endpoint, _ = await office.address(sink.url)
    began, ids = office.clock.now(), []
    for n in range(6):
        ids += await queue(office, endpoint, f"n{n}")
        await office.engine.sweep()
        office.clock.advance(timedelta(hours=1))
    assert await states(office, ids) == ["dead"] * 6
    page = await office.engine.dead(endpoint, limit=4)
    assert [each.message for each in page.letters] == ids[:1:-1]
    rest = await office.engine.dead(endpoint, page.next, limit=4)
    assert ([each.message for each in rest.letters], rest.next) == (ids[1::-1], None)
    sink.says(200)
    hour = timedelta(hours=1)
    assert await office.engine.recover(endpoint, began + hour, began + 3 * hour) == 3
    await office.engine.sweep()
    assert await states(office, ids) == ["dead", *["delivered"] * 3, "dead", "dead"]
    office.clock.advance(timedelta(hours=99))
    assert await office.engine.recover(endpoint, began, office.clock.now()) == 0, "never after its deadline"
    facts = [kind for kind in await kinds(office) if kind.startswith("message.")]
    assert facts == ["message.died"] * 6, "only what died is told of each message"


async def test_a_late_senders_result_changes_nothing(office: Office, sink: Sink) -> None:
    let_go = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.wait_for(let_go.wait(), 60)
        return web.Response()

    sink.answer = slow
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    await office.engine._sending._turn()
    await eventually(lambda: sink.got)
    await office.engine._queues.run(
        [office.engine._queues.returning(3, office.engine._sending.life, (), now=office.clock.now())]
    )
    await office.engine.withdraw(one)
    let_go.set()
    await office.engine.idle()
    await office.engine._sending._turn(claim=False)
    view = await office.engine.view(one)
    assert view.state is State.WITHDRAWN
    assert [row.outcome for row in view.kept.attempts] == ["interrupted", "dropped", "late"]


async def test_results_are_saved_once_though_the_answer_was_lost(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    [one] = await queue(office, endpoint, "a")
    sending = office.engine._sending
    await sending._turn()
    await office.engine.idle()
    batch = sending._results.take()
    [(partition, (settled, changes))] = batch.parts.items()
    queues, now = office.engine._queues, office.clock.now()
    call = queues.settling(partition, sending.life, settled, changes, now=now)
    assert (await queues.run([call]))[0][0] == 1
    while sending._results.waiting:
        await sending._turn(claim=False)
    view = await office.engine.view(one)
    assert (view.state, len(view.kept.attempts)) == (State.DELIVERED, 1)
    assert (await office.engine.backlog(endpoint)).health.taken == 1, "nor does the address count it twice"


async def test_a_sender_that_ends_finishes_what_it_has(office: Office, sink: Sink) -> None:
    let_go = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.wait_for(let_go.wait(), 60)
        return web.Response()

    sink.answer = slow
    endpoint, _ = await office.address(sink.url)
    ids = await queue(office, endpoint, "a", "b")
    async with running(office.engine.run("one")):
        await eventually(lambda: len(sink.got) == 2)
    closing = asyncio.create_task(office.engine.close())
    await eventually(lambda: office.store.valkey.ask("EXISTS", f"tl:sender:{office.engine._sending.life}"))
    let_go.set()
    await closing
    assert await states(office, ids) == ["delivered", "delivered"]
    assert await office.store.valkey.ask("HLEN", "tl:senders") == 0, "it is gone, and nobody waits for it"
    assert (await office.engine.backlog(endpoint)).in_flight == 0


# ---- limits


async def test_what_waits_is_bounded(store: Store, clock: SetClock, sink: Sink) -> None:
    limits = LIMITS.model_copy(update={"backlog_most": 3, "backlog_hard": 5})
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        endpoint, _ = await office.address(sink.url)
        await queue(office, endpoint, "a", "b", "c")
        with pytest.raises(BacklogFull) as told:
            await office.engine.queue(office.news(endpoint, "d"), bounded=True)
        assert (told.value.kind, told.value.try_again) == ("too_many", True)
        await queue(office, endpoint, "d", "e")
        with pytest.raises(BacklogFull) as held:
            await queue(office, endpoint, "f")
        assert held.value.kind == "unavailable", "the log's reader waits, and its entry is not parked"
        assert not await office.engine.queue(office.news(endpoint, "a")), "what is queued is queued"
        await office.engine.sweep()
        await queue(office, endpoint, "f")


async def test_rows_and_dead_letters_are_bounded(store: Store, clock: SetClock, sink: Sink) -> None:
    limits = LIMITS.model_copy(update={"rows_kept": 10, "dead_kept": 5})
    sink.says(400, headers={"webhook-delivery": "abort-message"})
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        endpoint, _ = await office.address(sink.url)
        await queue(office, endpoint, *(f"n{n}" for n in range(300)))
        await office.engine.sweep()
        assert (await office.engine.backlog(endpoint)).dead == 5
        assert len((await office.engine.attempts(endpoint, limit=1_000)).rows) < 250


async def test_removing_an_address_erases_everything(office: Office, sink: Sink, valkey: Valkey) -> None:
    sink.says(400, headers={"webhook-delivery": "abort-message"})
    endpoint, _ = await office.address(sink.url, wishes=Wishes(order="delivery"))
    await queue(office, endpoint, "a", "b", "c")
    await office.engine.sweep()
    sink.says(500)
    await queue(office, endpoint, "d", "e", "f")
    await office.engine.sweep()
    await office.endpoints.remove(endpoint, CARRIER)
    left = [key for key in await valkey.ask("KEYS", "*:q:*") if endpoint.removeprefix("ep_") in key]
    assert left == []


async def test_an_erased_person_hears_nothing_any_more(office: Office, sink: Sink, valkey: Valkey) -> None:
    made, _ = await office.endpoints.add(ZOE, sink.url)
    await queue(office, made.id, "a")
    entry = SimpleNamespace(fact=PersonErased(at=office.clock.now(), person=ZOE))
    for _ in range(2):
        await Forgetting(office.endpoints).handle(entry)
    assert await office.endpoints.of(ZOE) == []
    assert [key for key in await valkey.ask("KEYS", "*:q:*") if made.id[3:] in key] == []
    await office.engine.sweep()
    assert sink.got == []


async def test_who_was_served_longest_ago_comes_first(store: Store, clock: SetClock, sink: Sink) -> None:
    limits = LIMITS.model_copy(update={"in_flight": 2, "claim_ahead": 0})
    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, limits)
        addresses = [(await office.address(f"{sink.url}/{n}"))[0] for n in range(6)]
        for endpoint in addresses:
            await queue(office, endpoint, *(f"n{n}" for n in range(10)))
        sending = office.engine._sending
        served = []
        for _ in range(30):
            clock.advance(timedelta(milliseconds=1))
            sending._due = dict.fromkeys(sending._due, 0.0)
            await sending._turn()
            served += [one.address for one in sending._mine.values()]
            await office.engine.idle()
            await sending._turn(claim=False)
        counts = Counter(served)
        assert len(counts) == 6
        assert max(counts.values()) - min(counts.values()) <= 1


async def test_mail_takes_no_webhooks_place(store: Store, sink: Sink) -> None:
    """A mail server that hangs: as many mails as may are on their way, and news goes out."""
    limits = LIMITS.model_copy(update={"mail_in_flight": 2, "in_flight": 4, "claim_ahead": 0})
    hangs, clock = asyncio.Event(), SystemClock()

    async def letters(brief: Brief) -> Letter:
        await hangs.wait()
        return Letter("zoe@example.com", "x", ["x"])

    async with HttpSender(limits, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose, "people": letters}, limits)
        endpoint, _ = await office.address(sink.url)
        now = clock.now()
        mails = [
            Outgoing(
                message_id("qst_7k3m9qxd", f"n{n}", ZOE),
                "people.hello",
                now,
                now + timedelta(hours=1),
                person=ZOE,
            )
            for n in range(20)
        ]
        for mail in mails:
            await office.engine.queue(mail)
        async with running(office.engine.run()):
            await eventually(lambda: office.engine._sending._held[True] == 2)
            ids = await queue(office, endpoint, *(f"n{n}" for n in range(20)))
            await eventually(lambda: delivered(office, ids[-1]))
            assert office.engine._sending._held[True] <= 2
            hangs.set()


# ---- the log's reader


async def test_the_readers_ack_is_committed_with_the_message(
    office: Office, sink: Sink, valkey: Valkey
) -> None:
    endpoint, _ = await office.address(sink.url)
    keys = office.engine._queues._keys
    await valkey.ask("SET", keys.lease(3, "news"), "token")
    ack = Ack("news", 3, "5-1", "token")
    assert await office.engine.queue(office.news(endpoint), ack=ack)
    assert await valkey.ask("HGET", keys.cursors(3), "news") == "5-1"
    lost = Ack("news", 3, "6-1", "another")
    with pytest.raises(LeaseLost):
        await office.engine.queue(office.news(endpoint, "b"), ack=lost)
    assert (await office.engine.view(office.news(endpoint, "b").id)).state is State.NEW
    elsewhere = Ack("news", 4, "7-1", "whoever")
    assert await office.engine.queue(office.news(endpoint, "c"), ack=elsewhere), "left to the reader"
    assert not await office.engine.queue(office.news(endpoint), ack=Ack("news", 3, "6-1", "token")), "known"
    assert await valkey.ask("HGET", keys.cursors(3), "news") == "6-1"


@pytest.mark.parametrize("valkey", ["cluster"], indirect=True)
async def test_on_a_cluster(store: Store, clock: SetClock, sink: Sink) -> None:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose})
        ids = []
        for n in range(8):
            made, _ = await office.endpoints.add(
                f"car_{n}aaaaaaaaaaaaaaa", sink.url, wishes=Wishes(order="delivery")
            )
            ids += await queue(office, made.id, "a", "b")
        await office.engine.sweep()
        assert await states(office, ids) == ["delivered"] * 16
        await queue(office, made.id, "c")
        await cut_off(office.engine)
        await office.endpoints.remove(made.id, "car_7aaaaaaaaaaaaaaa")
