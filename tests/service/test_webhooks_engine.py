"""The engine against a real store and a real HTTP sink: retries, ends, fairness and what stands at rest."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spine.ids import EndpointId
from spine.queued import Wish
from spine.store import Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock, running, until
from webhooks.dispatch import Brief
from webhooks.endpoints import Endpoints, EndpointState, Wishes
from webhooks.engine import Engine
from webhooks.envelope import News, wire_id
from webhooks.guard import Guard
from webhooks.keyring import Keyring
from webhooks.limits import WebhooksLimits
from webhooks.mail import FileOutbox, Letter, Link, Mail
from webhooks.messages import Message, MessageRefused, Outgoing, message_id
from webhooks.sealing import Seal
from webhooks.sender import HttpSender
from webhooks.signature import Secret, verify
from webhooks.states import State

CARRIER = "car_3aaaaaaaaaaaaaaa"
DELIVERY = "dlv_7k3m9qxd4hwe2a5t"
LIMITS = WebhooksLimits(
    connect_timeout=timedelta(seconds=20), total_timeout=timedelta(seconds=30), stale_within=timedelta(seconds=20),
    ping_wait=timedelta(seconds=30), jitter=0,
)  # fmt: skip
"""Patient: a busy machine is no receiver that hangs."""
HASTY = LIMITS.model_copy(update={"total_timeout": timedelta(seconds=2)})
"""For receivers that do hang: the time has to pass."""


@dataclass
class Sink:
    """A receiver that does as it is told and keeps what it got."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    async def receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.got.append((dict(request.headers), body))
        return await self.answer(request) if self.answer else web.Response(status=204)

    def says(self, status: int, **more: object) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, **more)

        self.answer = answer

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.got]


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    sink = Sink()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", sink.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sink.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield sink
    await runner.cleanup()


@dataclass
class Office:
    """Everything of this package, built as the composition root does it."""

    engine: Engine
    endpoints: Endpoints
    store: Store
    clock: SetClock

    async def address(self, url: str, *types: str, wishes: Wishes | None = None) -> tuple[EndpointId, Secret]:
        """An address that has answered its ping, whoever listens there."""
        endpoint, secret = await self.endpoints.add(CARRIER, url, types, wishes=wishes)
        await self.engine.withdraw(endpoint.pinged)
        await self.endpoints.answered(endpoint.id)
        return endpoint.id, secret

    def news(self, endpoint: EndpointId, what: str = "opened", *, interactive: bool = False) -> Outgoing:
        return Outgoing(
            id=message_id(DELIVERY, what, endpoint),
            type=f"delivery.{what}",
            at=self.clock.now(),
            expires_at=self.clock.now() + timedelta(hours=100),
            reference={"delivery": DELIVERY},
            endpoint=endpoint,
            interactive=interactive,
        )

    async def due(self, message: str) -> Message:
        """Let everything be tried that is due now."""
        await self.engine.sweep()
        return await self.engine.view(message)

    async def next(self, message: str) -> Message:
        """Move the clock to when the message is due and its address is left alone no longer, and let it be tried."""
        view = await self.engine.view(message)
        assert view.next_at is not None
        assert view.kept is not None
        load = await self.engine.backlog(view.kept.endpoint)
        self.clock.set(max(view.next_at, load.held_until or view.next_at, self.clock.now()))
        return await self.due(message)


async def compose(brief: Brief) -> News:
    return News(
        {"delivery": brief.reference["delivery"], "courier": "Zoë", "for": brief.subscriber}, DELIVERY, 1
    )


async def no_link(link: Link) -> str:
    raise AssertionError("no mail is sent here")


Composers = dict[str, Callable[[Brief], Awaitable[News | Letter | None]]]


@pytest.fixture
async def office(store: Store, clock: SetClock, tmp_path: object) -> AsyncIterator[Office]:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose})
        yield office
        await office.engine.close()


@pytest.fixture
async def hasty(store: Store, clock: SetClock) -> AsyncIterator[Office]:
    async with HttpSender(HASTY, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": compose}, HASTY)
        yield office
        await office.engine.close()


async def eventually(condition: Callable[[], object]) -> object:
    """Wait for what must come, for as long as the busiest machine may take."""
    return await until(condition, within=60)


def make_office(
    store: Store, clock: SetClock, sender: HttpSender, composers: Composers, limits: WebhooksLimits = LIMITS
) -> Office:
    endpoints = Endpoints(store, clock, limits, Guard(dev=True), Keyring(Seal(b"k" * 32)))
    mail = Mail(FileOutbox(None), no_link, sender="Trunkline <no-reply@example.org>")
    engine = Engine(store, clock, limits, composers, sender, mail, endpoints, source="/test")
    return Office(engine, endpoints, store, clock)


async def test_a_message_arrives_signed_and_once(office: Office, sink: Sink) -> None:
    endpoint, secret = await office.address(sink.url + "/hook")
    news = office.news(endpoint)
    assert await office.engine.queue(news)
    assert not await office.engine.queue(news), "queued twice is one message"
    before = await office.store.load(news.id)
    assert not await office.engine.queue(office.news(endpoint))
    assert await office.store.load(news.id) == before

    message = await office.due(news.id)
    assert message.state is State.DELIVERED
    await office.due(news.id)
    assert not await office.engine.queue(news)
    [(headers, body)] = sink.got
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    assert verify([secret], raw, body, now=office.clock.now()).message_id == wire_id(news.id)
    assert headers["Content-Type"] == "application/json"
    said = json.loads(body)
    assert said["id"] == headers["webhook-id"]
    assert said["type"] == "delivery.opened"
    assert said["data"] == {"delivery": DELIVERY, "courier": "Zoë", "for": CARRIER}
    assert message.kept is not None
    assert [(row.n, row.outcome, row.status) for row in message.kept.attempts] == [(1, "accepted", 204)]


async def test_retries_until_it_is_taken(office: Office, sink: Sink) -> None:
    sink.says(500, text="not now\n")
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    queued = office.clock.now()
    for wait in (5, 300, 1_800):
        message = await office.next(news.id)
        assert message.state is State.PENDING
        assert message.next_at == office.clock.now() + timedelta(seconds=wait)
    sink.says(200)
    message = await office.next(news.id)
    assert message.state is State.DELIVERED
    assert message.kept is not None
    assert [row.status for row in message.kept.attempts] == [500, 500, 500, 200]
    assert message.kept.attempts[0].answer == "not now "
    assert len(set(sink.ids)) == 1, "every try has the same webhook-id"
    assert office.clock.now() == queued + timedelta(seconds=2_105)


async def test_nothing_is_tried_before_it_is_due(office: Office, sink: Sink) -> None:
    sink.says(500)
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    await office.due(news.id)
    for _ in range(3):
        await office.due(news.id)
    assert len(sink.got) == 1


async def test_the_schedule_ends(office: Office, sink: Sink, valkey: Valkey) -> None:
    sink.says(503)
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    message = await office.engine.view(news.id)
    while message.state is State.PENDING:
        message = await office.next(news.id)
    assert len(sink.got) == 10
    assert message.state is State.DEAD
    assert message.kept is not None
    assert [row.outcome for row in message.kept.attempts] == [*["failed"] * 10, "dropped"]
    assert message.kept.attempts[-1].reason == "exhausted"

    assert not await office.engine.queue(news), "a dead one is known"


async def test_never_sent_after_its_deadline(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    late = office.news(endpoint)
    await office.engine.queue(late)
    office.clock.set(late.expires_at)
    message = await office.due(late.id)
    assert message.state is State.DEAD
    assert message.kept is not None
    assert message.kept.attempts[-1].reason == "deadline"
    assert sink.got == []


async def test_a_retry_that_would_be_too_late_ends_it_at_once(office: Office, sink: Sink) -> None:
    sink.says(500)
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint, interactive=True)
    news = Outgoing(
        news.id,
        news.type,
        news.at,
        office.clock.now() + timedelta(seconds=8),
        news.reference,
        endpoint,
        None,
        True,
    )
    await office.engine.queue(news)
    assert (await office.next(news.id)).state is State.PENDING
    assert (await office.next(news.id)).state is State.PENDING
    message = await office.next(news.id)
    assert message.state is State.DEAD
    assert len(sink.got) == 3
    assert message.kept is not None
    assert message.kept.attempts[-1].reason == "deadline"


async def test_what_becomes_late_while_composing_is_not_sent(
    store: Store, clock: SetClock, sink: Sink
) -> None:
    async def slow(brief: Brief) -> News:
        clock.set(brief.expires_at)
        return News({})

    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": slow})
        endpoint, _ = await office.address(sink.url)
        news = office.news(endpoint)
        await office.engine.queue(news)
        assert (await office.due(news.id)).state is State.DEAD
    assert sink.got == []


async def test_410_disables_the_address(office: Office, sink: Sink) -> None:
    sink.says(410)
    endpoint, _ = await office.address(sink.url)
    news, other = office.news(endpoint), office.news(endpoint, "closed")
    await office.engine.queue(news)
    message = await office.due(news.id)
    await office.engine.queue(other)
    assert message.state is State.DEAD
    assert message.kept is not None
    assert [row.reason for row in message.kept.attempts] == ["gone", "gone"]
    view = await office.endpoints.one(endpoint, CARRIER)
    assert (view.state, view.reason) == (EndpointState.DISABLED, "gone")
    assert await office.endpoints.for_subscriber(CARRIER, "delivery.opened") == []
    assert (await office.due(other.id)).state is State.DEAD
    assert len(sink.got) == 1


async def test_retry_after_holds_the_whole_address(office: Office, sink: Sink) -> None:
    sink.says(429, headers={"retry-after": "120"})
    endpoint, _ = await office.address(sink.url)
    news, other = office.news(endpoint), office.news(endpoint, "closed")
    await office.engine.queue(news)
    held = office.clock.now() + timedelta(seconds=120)
    assert (await office.due(news.id)).next_at == held
    await office.engine.queue(other)
    message = await office.due(other.id)
    assert (await office.engine.backlog(endpoint)).held_until == held
    assert message.kept is not None
    assert message.kept.started == 0, "waiting for the address uses up no try"
    assert len(sink.got) == 1
    sink.says(200)
    assert (await office.next(other.id)).state is State.DELIVERED
    assert (await office.due(news.id)).state is State.DELIVERED


async def test_a_redirect_is_a_failure_and_not_followed(office: Office, sink: Sink) -> None:
    sink.says(301, headers={"location": sink.url + "/elsewhere"})
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    message = await office.due(news.id)
    assert message.state is State.PENDING
    assert len(sink.got) == 1


@pytest.mark.parametrize(("status", "state"), [(200, State.DELIVERED), (500, State.PENDING)])
async def test_ten_megabytes_are_not_read(office: Office, sink: Sink, status: int, state: State) -> None:
    sink.says(status, body=b"x" * 10_000_000)
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    message = await office.due(news.id)
    assert message.state is state
    assert message.kept is not None
    assert len(message.kept.attempts[0].answer) == LIMITS.answer_kept


async def test_a_packed_answer_is_not_unpacked(office: Office, sink: Sink) -> None:
    sink.says(200, headers={"content-encoding": "gzip"}, body=b"\x1f\x8b no gzip at all")
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    assert (await office.due(news.id)).state is State.DELIVERED


async def test_a_receiver_that_hangs_times_out(hasty: Office, sink: Sink) -> None:
    async def hang(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    sink.answer = hang
    endpoint, _ = await hasty.address(sink.url)
    news = hasty.news(endpoint)
    await hasty.engine.queue(news)
    message = await hasty.due(news.id)
    assert message.state is State.PENDING
    assert message.kept is not None
    assert message.kept.attempts[0].reason == "timeout"


async def test_a_body_that_never_ends_turns_no_200_into_a_failure(office: Office, sink: Sink) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        await response.write(b"thanks")
        await asyncio.Event().wait()
        raise AssertionError

    sink.answer = drip
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    message = await office.due(news.id)
    assert message.state is State.DELIVERED
    assert message.kept is not None
    assert message.kept.attempts[0].answer == "thanks"


async def test_no_proxy_and_no_cookie_of_the_surroundings(
    office: Office, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    sink.says(200, headers={"set-cookie": "track=1"})
    endpoint, _ = await office.address(sink.url)
    for what in ("opened", "closed"):
        news = office.news(endpoint, what)
        await office.engine.queue(news)
        assert (await office.due(news.id)).state is State.DELIVERED
    assert all("Cookie" not in headers for headers, _ in sink.got)


async def test_only_a_certificate_we_trust(tmp_path: Path) -> None:
    serving, trusting = certificate(tmp_path)

    async def taken(request: web.Request) -> web.StreamResponse:
        return web.Response()

    runner = web.ServerRunner(web.Server(taken))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=serving).start()
    url = f"https://localhost:{runner.addresses[0][1]}/"
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        assert (await sender.post(url, {}, b"{}", within=30)).none == "tls_failed"
    async with HttpSender(LIMITS, Guard(dev=True), tls=trusting) as sender:
        assert (await sender.post(url, {}, b"{}", within=30)).status == 200
    await runner.cleanup()


def certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for localhost that signs itself: to serve with, and to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = folder / "localhost.pem"
    file.write_bytes(secret + text)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(file)
    return serving, ssl.create_default_context(cadata=text.decode())


async def test_nobody_listens(office: Office) -> None:
    endpoint, _ = await office.address("http://127.0.0.1:9/")
    news = office.news(endpoint)
    await office.engine.queue(news)
    message = await office.due(news.id)
    assert message.kept is not None
    assert message.kept.attempts[0].reason == "connection_failed"


async def test_a_slow_address_holds_up_nobody(office: Office, sink: Sink) -> None:
    let_go = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        if request.path == "/slow":
            await let_go.wait()
        return web.Response()

    sink.answer = slow
    slow_one, _ = await office.address(sink.url + "/slow")
    fast_one, _ = await office.address(sink.url + "/fast")
    slow_news = [office.news(slow_one, f"s{n}") for n in range(20)]
    for news in slow_news:
        await office.engine.queue(news)
    fast = office.news(fast_one)
    await office.engine.queue(fast)
    async with running(office.engine.run()):
        await eventually(lambda: delivered(office, fast.id))
        load = await office.engine.backlog(slow_one)
        assert load.in_flight == LIMITS.in_flight_per_address
        assert load.waiting == len(slow_news) - load.in_flight
        let_go.set()
        await eventually(lambda: delivered(office, slow_news[-1].id))


async def delivered(office: Office, message: str) -> bool:
    return (await office.engine.view(message)).state is State.DELIVERED


async def test_of_two_senders_one_gets_it(store: Store, clock: SetClock, sink: Sink) -> None:
    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        one = make_office(store, clock, sender, {"delivery": compose})
        other = make_office(store, clock, sender, {"delivery": compose})
        endpoint, _ = await one.address(sink.url)
        queued = [one.news(endpoint, f"n{n}") for n in range(20)]
        for news in queued:
            await one.engine.queue(news)
        await asyncio.gather(*(each.engine.sweep() for each in (one, other)))
        assert [await delivered(one, news.id) for news in queued] == [True] * 20
    assert len(sink.got) == len(set(sink.ids)) == 20
    health = (await one.engine.backlog(endpoint)).health
    assert health.taken == 20, "neither overwrote what the other saw"


async def test_a_lost_sender_is_followed_by_another(office: Office, sink: Sink) -> None:
    """What a crash leaves behind: a try that was begun and never ended."""
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    await cut_off(office.engine)
    office.clock.advance(timedelta(days=1))
    assert await office.engine.sweep() == 0, "leases end by the store's clock, whatever a sender's says"
    assert (await office.engine.backlog(endpoint)).in_flight == 1
    await office.engine._sending._give_back(office.engine._sending.life)
    message = await office.due(news.id)
    assert message.state is State.DELIVERED
    assert message.kept is not None
    assert [row.outcome for row in message.kept.attempts] == ["interrupted", "accepted"]


async def test_a_lease_that_ended_goes_to_another(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    queues, now = office.engine._queues, office.clock.now()
    short = Wish("somebody", 5, timedelta(milliseconds=50), 8)
    [answer] = await queues.run([queues.claiming(3, short, now=now)])
    assert answer[1:3] == [endpoint, "2"], "an address comes with the version of its subject"

    async def swept() -> int:
        office.clock.advance(timedelta(milliseconds=20))
        return await office.engine.sweep()

    assert await eventually(swept) == 1
    message = await office.engine.view(news.id)
    assert message.kept is not None
    assert [row.outcome for row in message.kept.attempts] == ["interrupted", "accepted"]


async def cut_off(engine: Engine) -> None:
    """Lease what is due and cut its tries off, as a crash does."""
    sending = engine._sending
    await sending._turn()
    for each in list(sending._tries):
        each.cancel()
    await asyncio.wait(sending._tries)


async def test_withdrawn_before_it_was_sent(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    assert not await office.engine.withdraw(news.id), "nothing was queued"
    await office.engine.queue(news)
    assert await office.engine.withdraw(news.id)
    assert not await office.engine.withdraw(news.id)
    assert (await office.due(news.id)).state is State.WITHDRAWN
    assert not await office.engine.queue(news)
    assert sink.got == []


async def test_withdrawn_after_it_was_delivered(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    await office.due(news.id)
    assert not await office.engine.withdraw(news.id)
    assert (await office.engine.view(news.id)).state is State.DELIVERED


async def test_both_secrets_sign_while_they_are_exchanged(office: Office, sink: Sink) -> None:
    endpoint, old = await office.address(sink.url)
    new = await office.endpoints.rotate(endpoint, CARRIER)
    assert new != old

    async def sent(what: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
        news = office.news(endpoint, what)
        await office.engine.queue(news)
        await office.due(news.id)
        headers, body = sink.got[-1]
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()], body

    raw, body = await sent("opened")
    assert verify([old], raw, body, now=office.clock.now())
    assert verify([new], raw, body, now=office.clock.now())
    office.clock.advance(timedelta(hours=24))
    raw, body = await sent("closed")
    with pytest.raises(Exception, match="signature"):
        verify([old], raw, body, now=office.clock.now())
    assert verify([new], raw, body, now=office.clock.now())


@pytest.mark.parametrize(
    "reason", ["not_composed", "nothing_to_say", "wrong_channel", "too_large", "not_json"]
)
async def test_what_a_composer_may_do(store: Store, clock: SetClock, sink: Sink, reason: str) -> None:
    async def odd(brief: Brief) -> News | Letter | None:
        match reason:
            case "nothing_to_say":
                return None
            case "wrong_channel":
                return Letter("a@example.org", "x", ["x"])
            case "too_large":
                return News({"x": "x" * LIMITS.body_most})
            case "not_json":
                return News({"x": object()})
            case _:
                raise RuntimeError("a mistake in the caller's domain")

    async with HttpSender(LIMITS, Guard(dev=True)) as sender:
        office = make_office(store, clock, sender, {"delivery": odd})
        endpoint, _ = await office.address(sink.url)
        news = office.news(endpoint)
        await office.engine.queue(news)
        message = await office.due(news.id)
    assert message.state is (State.PENDING if reason == "not_composed" else State.DEAD)
    assert message.kept is not None
    assert message.kept.attempts[-1].reason == reason
    assert sink.got == []


async def test_nobody_composes_it(office: Office) -> None:
    endpoint, _ = await office.address("http://127.0.0.1:9/")
    news = office.news(endpoint)
    other = Outgoing(news.id, "weather.changed", news.at, news.expires_at, {}, endpoint)
    with pytest.raises(MessageRefused):
        await office.engine.queue(other)


async def test_the_address_is_gone(office: Office, sink: Sink) -> None:
    endpoint, _ = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    await office.endpoints.remove(endpoint, CARRIER)
    message = await office.due(news.id)
    assert message.state is State.NEW, "its messages are erased with it"
    await office.engine.queue(news)
    message = await office.due(news.id)
    assert message.kept is not None
    assert message.kept.attempts[-1].reason == "endpoint_gone", "queued by who had not heard of it yet"
    assert sink.got == []


async def test_a_guarded_sender_reaches_nothing_of_ours(store: Store, clock: SetClock, sink: Sink) -> None:
    """Outside dev, whatever stands in the store: a literal, a name that leads inside, a name that is rebound."""

    async def lookup(host: str, port: int) -> list[tuple[int, str]]:
        return [(2, "127.0.0.1")]

    async with HttpSender(LIMITS, Guard(), lookup=lookup) as sender:
        port = sink.url.rpartition(":")[2]
        for url in (
            sink.url,
            f"https://127.0.0.1:{port}/",
            "https://127.0.0.1.nip.example/",
            "https://[::1]:8443/",
        ):
            answer = await sender.post(url, {}, b"{}", within=30)
            assert (answer.status, answer.none) == (None, "blocked"), url
    assert sink.got == []


async def test_the_socket_is_guarded_where_the_url_check_is_not_asked(sink: Sink) -> None:
    class Open(Guard):
        def check(self, url: str) -> str:
            return url

    async with HttpSender(LIMITS, Open()) as sender:
        for url in (
            sink.url,
            sink.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
            sink.url.replace("127.0.0.1", "localhost"),
        ):
            answer = await sender.post(url, {}, b"{}", within=30)
            assert answer.none == "blocked", url
    assert sink.got == []


async def test_what_stands_in_the_store(office: Office, sink: Sink, valkey: Valkey) -> None:
    """No secret, no composed word: neither in subjects nor in facts, before and after the try."""
    endpoint, secret = await office.address(sink.url)
    news = office.news(endpoint)
    await office.engine.queue(news)
    await office.due(news.id)
    text = secret.reveal().removeprefix("whsec_")
    everything = await dump(valkey)
    assert endpoint in everything
    for word in (text, secret.reveal(), "Zoë", "Zo\\u00eb", secret._key.hex()):
        assert word not in everything
    assert "Zoë" in sink.got[0][1].decode()


async def dump(valkey: Valkey) -> str:
    """Every key and value of the store."""
    found: list[str] = []
    for key in await valkey.ask("KEYS", "*"):
        kind = await valkey.ask("TYPE", key)
        match kind:
            case "hash":
                found += await valkey.ask("HGETALL", key)
            case "stream":
                found.append(str(await valkey.ask("XRANGE", key, "-", "+")))
            case "zset":
                found.append(str(await valkey.ask("ZRANGE", key, "0", "-1")))
            case "string":
                found.append(await valkey.ask("GET", key))
        found.append(key)
    return "\n".join(found)
