"""Deliveries on the real store with the real people, keys and commands; the gateway and the car are played."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from delivery import desk as delivery_desk
from delivery.cars import StoredCars
from delivery.courier import Device as CourierDevice
from delivery.desk import Desk
from delivery.limits import DeliveryLimits
from delivery.lists import places
from delivery.model import Parcel, Read, Window
from delivery.news import News
from delivery.place import Point
from delivery.placing import Order
from delivery.states import State
from keys.issue import Keys
from keys.limits import KeysLimits
from keys.signing import SigningKeys, create_signing_keys
from people.model import AddressKind
from spine.facts import Fact
from spine.facts.vehicle import CommandCreated, UnitReceipt
from spine.ids import CarrierId, CourierId, DeliveryId, EndpointId, KeyId, PersonId, UnitId, VehicleId
from spine.ingest import Incoming, ingest
from spine.log import Entry, Log, Tail
from spine.queues import BacklogFull
from spine.readers import Received
from spine.store import Ack, Change, Saved, Store, Write
from tests.keys_unit import Receipting
from tests.people_signing import Device
from tests.service.conftest import MORNING, SetClock, until
from tests.service.people_house import CAR, PeopleHouse, house_of_people
from vehicle_gateway.commands import Commands
from vehicle_gateway.limits import GatewayLimits
from vehicle_gateway.possession import jwk_of
from vehicle_gateway.registry import UnitBody, VehicleBody, Vehicles
from vehicle_gateway.wire import Result
from webhooks.messages import Outgoing

UNIT = UnitId("vu_3k7m9qxd4hwe2a5t")
PARTITION = 3
SPOT = Point(lat=52.37021, lon=4.89517)
HERE = Point(lat=52.37030, lon=4.89517)
PUBLIC = "https://trunkline.test"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Post:
    """What was queued, by id; an engine keeps each once."""

    queued: dict[str, Outgoing] = field(default_factory=dict)
    told: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    """Addresses (endpoints, persons) whose queue takes no more."""

    async def queue(self, message: Outgoing, *, ack: Ack | None = None) -> bool:
        if (message.person or message.endpoint) in self.full:
            raise BacklogFull("full")
        new = message.checked().id not in self.queued
        self.queued.setdefault(message.id, message)
        return new

    async def for_subscriber(
        self, subscriber: str, type_: str, *, vehicle: VehicleId | None = None
    ) -> Sequence[EndpointId]:
        return [EndpointId(f"ep_{subscriber[4:]}")]

    async def tell(
        self, subscriber: str, event: str, type_: str, reference: Mapping[str, str], *, at: datetime
    ) -> None:
        self.told.setdefault((subscriber, event), (type_, reference))

    async def withdraw(self, message: str, *, ack: Ack | None = None) -> bool:
        new = message in self.queued and message not in self.withdrawn
        self.withdrawn.add(message)
        return new

    def types(self, to: str) -> list[str]:
        """Types of what was queued for a carrier's or person's endpoint, or (person id) as mail."""
        found = self.queued.values()
        return [one.type for one in found if (one.person or one.endpoint) == to]


Answers = Callable[[CommandCreated], Awaitable[None]]


@dataclass
class DeliveryHouse:
    desk: Desk
    people: PeopleHouse
    keys: Keys
    commands: Commands
    store: Store
    log: Log
    clock: SetClock
    post: Post
    news: News
    unit: Receipting
    owner: PersonId = field(default_factory=lambda: PersonId(""))
    carrier: CarrierId = field(default_factory=lambda: CarrierId(""))
    courier: CourierId = field(default_factory=lambda: CourierId(""))
    phone: Device = field(default_factory=Device)
    jkt: str = ""
    answers: Answers | None = None
    heard: dict[int, str] = field(default_factory=dict)
    seen: list[Entry] = field(default_factory=list)
    signals: int = 0

    @property
    def device(self) -> CourierDevice:
        return CourierDevice(self.courier, self.jkt)

    # people and car

    async def furnish(self) -> None:
        """An enrolled car that is claimed, a carrier with an enrolled courier."""
        public = self.unit.key.private.public_key()
        assert isinstance(public, Ed25519PublicKey)
        until_ = MORNING + timedelta(days=90)
        body = UnitBody(
            vehicle=CAR, shard=PARTITION, receipt_jwk=jwk_of(public), mtls="", receipts="PEM", until=until_
        )
        about = VehicleBody(unit=UNIT, shard=PARTITION, enrolled_at=MORNING)
        writes = {
            CAR: Write("enrolled", about.model_dump_json()),
            UNIT: Write("active", body.model_dump_json()),
        }
        await self.store.change([CAR, UNIT], lambda _: Change(writes))
        self.owner = await self.people.owner("owner@example.org")
        await self.people.choose_link(self.owner)
        people = self.people.people
        self.carrier = (
            await people.carriers.enrol("Fast Parcels", public_jwk=self.phone.jwk, now=self.now)
        ).client_id
        self.courier, self.jkt = await self.new_courier(self.phone, "Sam")
        await self.stands_at(SPOT)
        await self.settle()

    async def new_courier(self, phone: Device, name: str) -> tuple[CourierId, str]:
        courier = await self.people.courier(self.carrier, phone, name)
        view = await self.people.people.couriers.courier(courier)
        assert view is not None
        return courier, view.jkt

    async def stands_at(self, point: Point | None, presence: str = "online") -> None:
        """The car speaks: it is where it says, awake unless said otherwise."""
        self.signals += 1
        state = {"presence": presence, "boot": "1", "heard": self.now.isoformat()}
        if point is not None:
            state["position"] = f'{{"lat": {point.lat}, "lon": {point.lon}}}'
        said = Incoming(vehicle=CAR, unit=UNIT, boot=1, seq=self.signals, state=state)
        await ingest(self.store, PARTITION, [said], now=self.now)

    async def address(self, kind: AddressKind = AddressKind.ANY) -> str:
        made = await self.people.people.addresses.make(CAR, kind, by=self.owner, now=self.now)
        return made.text

    # time and log

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def settle(self) -> list[str]:
        """Hand every new fact to every reader until nothing is new; the kinds in the order read."""
        kinds: list[str] = []
        while True:
            await self.people.settle()
            entries = [e for p in range(8) for e in await self.log.read(p, self.heard.get(p, "0-0"))]
            if not entries:
                return kinds
            for entry in entries:
                self.heard[entry.partition] = entry.position
                self.seen.append(entry)
                kinds.append(entry.kind)
                await self.react(entry)

    async def react(self, entry: Entry) -> None:
        received = Received(entry.partition, entry.position, entry.fact, None)
        if entry.kind in Keys.KINDS:
            await self.keys.react(received)
        await self.desk.index.place(places(entry))
        await self.desk.reactions.handle(received)
        await self.news.handle(received)
        if isinstance(entry.fact, CommandCreated) and self.answers is not None:
            await self.answers(entry.fact)

    async def again(self) -> None:
        """Read the whole log a second time: nothing may change."""
        await self.settle()
        before, answers = await self.people.everything(), self.answers
        self.answers = None
        for entry in list(self.seen):
            await self.react(entry)
        self.answers = answers
        assert await self.people.everything() == before

    async def fire(self) -> None:
        """Fire what is due, of deliveries and keys, until nothing is."""
        for _ in range(20):
            due = [one for one in (await self.subjects()).values() if one.wake_at and one.wake_at <= self.now]
            for one in due:
                match one.id.split("_")[0]:
                    case "dlv":
                        await self.desk.due.on_due(one)
                    case "prm":
                        await self.news.on_due(one)
                    case "vis":
                        await self.desk.placing.forget_visit(one)
                    case "key" | "rvl" | "apr" | "fsh":
                        await self.keys.on_due(one)
                    case "cmd":
                        await self.commands.on_due(one)
            await self.settle()
            after = await self.subjects()
            if not [one for one in due if after[one.id] == one]:
                return
        raise AssertionError("timers do not come to rest")

    async def test_step(self, delivery: DeliveryId) -> None:
        """One second passes for a test delivery, in whatever partition it lies."""
        self.clock.advance(timedelta(seconds=1))
        saved = await self.store.load(delivery)
        if saved.wake_at and saved.wake_at <= self.now:
            await self.desk.due.on_due(saved)

    async def later(self, by: timedelta) -> None:
        self.clock.advance(by)
        await self.fire()

    async def subjects(self) -> dict[str, Saved]:
        return await self.people.subjects()

    @asynccontextmanager
    async def living(self, answers: Answers | None = None) -> AsyncIterator[None]:
        """Readers run beside the body, and a gateway and car that answer commands so."""
        self.answers, over = answers, False

        async def run() -> None:
            while not over:
                await self.settle()
                await asyncio.sleep(0.002)

        task = asyncio.create_task(run())
        try:
            yield
            over = True  # what was begun is done to its end: a fact cut off in between would count as read
            await task
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled() and task.exception():
                raise task.exception()  # type: ignore[misc]
            self.answers = None

    # the walk

    def order(self, address: str, **changes: Any) -> Order:
        wanted = {
            "address": address,
            "window": Window(start=self.now - MINUTE, end=self.now + 2 * HOUR),
            "parcels": (Parcel(reference="R-1"),),
        }
        return Order(**{**wanted, **changes})

    async def place(self, address: str | None = None, *, livemode: bool = True, **changes: Any) -> DeliveryId:
        order = self.order(address or await self.address(), **changes)
        courier = await self.people.people.couriers.courier(order.courier) if order.courier else None
        read = await self.desk.placing.place(self.carrier, order, livemode=livemode, courier=courier)
        return read.id

    async def asked(self, **changes: Any) -> DeliveryId:
        delivery = await self.place(**changes)
        await self.settle()
        assert await self.state(delivery) is State.ASKED
        return delivery

    async def link(self, delivery: DeliveryId, person: PersonId | None = None) -> str:
        """The token of a mail's link, as the mail door makes it."""
        from webhooks.mail import Link

        read = await self.read(delivery)
        assert read.body.question is not None
        made = await self.desk.deciding.mint(
            Link(
                "Look",
                "/decide",
                person or self.owner,
                {"question": read.body.question},
                read.body.approve_by,
            )
        )
        return made.partition("#")[2]

    async def decide(self, delivery: DeliveryId, decision: Any = "approve", **more: Any) -> Read:
        token = await self.link(delivery)
        _, question, _ = await self.desk.deciding.open(token)
        return await self.desk.deciding.by_link(token, decision, question.digest, **more)

    async def approved(self, **changes: Any) -> DeliveryId:
        delivery = await self.asked(**changes)
        await self.decide(delivery)
        await self.settle()
        return delivery

    async def keyed(self, **changes: Any) -> DeliveryId:
        delivery = await self.approved(courier=self.courier, **changes)
        assert await self.state(delivery) is State.KEYED
        return delivery

    async def arrived(self, **changes: Any) -> DeliveryId:
        delivery = await self.keyed(**changes)
        await self.desk.courier.set_out(self.device, delivery)
        await self.desk.courier.arrive(self.device, delivery, HERE)
        await self.settle()
        return delivery

    async def opened(self) -> DeliveryId:
        """The boot stands open, by receipts."""
        delivery = await self.arrived()
        await self.start(delivery)
        await self.receipts(delivery, "consumed", "opened")
        assert await self.state(delivery) is State.OPEN
        return delivery

    async def start(self, delivery: DeliveryId, proof: str = "proof.of.possession") -> Any:
        """Tap, and do not wait for the car."""
        answer = await self.desk.at_the_car.open(self.device, delivery, proof, wait=0)
        await self.settle()
        return answer

    async def receipts(
        self, delivery: DeliveryId, *outs: str, key: KeyId | None = None, **more: Any
    ) -> list[str]:
        """The car's signed receipts come in, and everything that follows from them."""
        known = (await self.read(delivery)).body.key
        named = key or (known.key if known else None)
        view = await self.keys.view(named) if named else None
        for out in outs:
            about: dict[str, Any] = {"iss": UNIT, "at": int(self.now.timestamp() * 1000), **more}
            if view is not None:
                about |= {"jti": view.jti, "seq": view.seq, "dlv": delivery}
            receipt = self.unit.write(out, **about)
            await self.tell(UnitReceipt(at=self.now, vehicle=CAR, unit=UNIT, receipt=receipt))
        return await self.settle()

    async def confirms(self) -> None:
        """The car has taken the revocation list as it stands."""
        raised = [one.fact for one in self.seen if one.kind == "revocation.raised"]
        receipt = self.unit.write("revoked", iss=UNIT, rev=raised[-1].version)
        await self.tell(UnitReceipt(at=self.now, vehicle=CAR, unit=UNIT, receipt=receipt))
        await self.settle()

    async def result(self, command: str, outcome: str, code: str = "", **data: Any) -> None:
        said = Result.model_validate({"cmd": command, "outcome": outcome, "code": code, "data": data})
        await self.commands.answer(said, UNIT, now=self.now)

    async def tell(self, *facts: Fact) -> None:
        await self.people.append(*facts)

    async def read(self, delivery: DeliveryId) -> Read:
        return await self.desk.deliveries.read(delivery)

    async def state(self, delivery: DeliveryId) -> State:
        return (await self.read(delivery)).state

    async def kinds(self, delivery: DeliveryId) -> list[str]:
        """Kinds of this delivery's own facts so far."""
        return [
            one.kind
            for one in await self.log.read(PARTITION, limit=5_000)
            if one.kind.startswith("delivery.") and getattr(one.fact, "delivery", None) == delivery
        ]

    async def reaches(self, delivery: DeliveryId, state: State) -> Read:
        await until(lambda: self._is(delivery, state))
        return await self.read(delivery)

    async def _is(self, delivery: DeliveryId, state: State) -> bool:
        return await self.state(delivery) is state


@pytest.fixture
async def home(
    house_of_people: PeopleHouse, store: Store, log: Log, tail: Tail, clock: SetClock, tmp_path: Path
) -> DeliveryHouse:
    limits = DeliveryLimits(unusable_told_within=timedelta())
    jwks = create_signing_keys(tmp_path / "keys")
    people = house_of_people.people
    decision = delivery_desk.decisions(store, clock=clock, limits=limits, people=people, public_url=PUBLIC)
    keys = Keys(
        store,
        clock,
        KeysLimits(),
        signing=SigningKeys.load(tmp_path / "keys", ("key", "fresh", "log")),
        decision=decision,
        receipt_keys=Vehicles(store),
        store_time=_Same(clock),
    )
    commands = Commands(store, clock, GatewayLimits())
    desk = delivery_desk.build(
        store,
        clock=clock,
        limits=limits,
        people=people,
        keys=keys,
        cars=StoredCars(store, GatewayLimits()),
        commands=commands,
        tail=tail,
        photos=tmp_path / "photos",
        public_url=PUBLIC,
        authorities=["CA"],
        jwks=jwks,
    )
    post = Post()
    house = DeliveryHouse(
        desk,
        house_of_people,
        keys,
        commands,
        store,
        log,
        clock,
        post,
        desk.news(post, post, post),
        Receipting(),
    )
    await house.furnish()
    return house


@dataclass
class _Same:
    """A store whose clock is ours."""

    clock: SetClock

    async def time(self) -> datetime:
        return self.clock.now()


__all__ = ["CAR", "DeliveryHouse", "home", "house_of_people"]
