"""Cases at a contact center, on the real store: its system is played, its signatures are real."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI

from maintenance import lists_garages
from maintenance.booking import Booking
from maintenance.centers import Centers
from maintenance.centers_api import routes
from maintenance.centers_composition import Abroad
from maintenance.centers_reactions import CREATED, KINDS
from maintenance.centers_states import Handout, HandoutState, handouts_of, key_of, state_of, subject_of
from maintenance.centers_sweep import places
from maintenance.centers_task import Task
from maintenance.centers_vendors import Vendor, VendorFailed
from maintenance.composition import build
from maintenance.desk_reactions import KINDS as DESK_KINDS
from maintenance.garage_model import Details, Opening
from maintenance.limits import MaintenanceLimits
from maintenance.memory import case_of
from maintenance.model import Read
from maintenance.states import TriggerState
from spine.expiring import Expiring
from spine.facts.webhooks import MessageDied
from spine.ids import CaseId, EndpointId, GarageId, SlotId
from spine.log import Entry
from spine.queues import BacklogFull
from spine.readers import Received
from spine.store import Ack
from tests.people_signing import ORIGIN
from tests.service.maintenance_house import PHONE, MaintenanceHouse
from tests.service.people_house import CAR, PeopleHouse
from trunkline import problems
from webhooks import signature
from webhooks.dispatch import Brief
from webhooks.envelope import News
from webhooks.keyring import Keyring
from webhooks.limits import WebhooksLimits
from webhooks.messages import Message, Outgoing
from webhooks.sealing import Seal
from webhooks.signers import Secret
from webhooks.sources import SourceId, Sources
from webhooks.states import State
from webhooks.verified import Verifier

ENDPOINT, SECOND = EndpointId("ep_0c2h8tq4n6w0rj3v"), EndpointId("ep_0d2h8tq4n6w0rj3v")
CENTER, OTHER = SourceId("src_0c2h8tq4n6w0rj3v"), SourceId("src_0d2h8tq4n6w0rj3v")
CASE = case_of(CAR, "brakes", 1)
CODE = "C0040"
"""A high one: brakes."""


@dataclass
class Post:
    """An engine that keeps each message once, and addresses of centers."""

    queued: dict[str, Outgoing] = field(default_factory=dict)
    withdrawn: set[str] = field(default_factory=set)
    addresses: list[EndpointId] = field(default_factory=lambda: [ENDPOINT])
    full: bool = False

    async def queue(self, message: Outgoing, *, ack: Ack | None = None, bounded: bool = False) -> bool:
        if self.full and message.endpoint is not None:
            raise BacklogFull("full")
        new = message.checked().id not in self.queued
        self.queued.setdefault(message.id, message)
        return new

    async def withdraw(self, message: str, *, ack: Ack | None = None) -> bool:
        new = message in self.queued and message not in self.withdrawn
        self.withdrawn.add(message)
        return new

    async def view(self, message: str) -> Message:
        return Message(message, State.NEW, None, None)

    async def for_subscriber(self, subscriber: str, type_: str) -> list[EndpointId]:
        return list(self.addresses)

    def types(self) -> list[str]:
        return [one.type.removeprefix("appointment.trigger.") for one in self.queued.values()]


@dataclass
class PlayedVendor:
    """A vendor's API: one task for each key, however often it is asked."""

    tasks: dict[str, Task] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    fails: list[VendorFailed] = field(default_factory=list)
    asked: list[bool] = field(default_factory=list)
    lost: bool = False
    """The task is made, and the answer does not arrive."""

    async def start(self, task: Task, *, now: datetime, again: bool) -> str:
        self.asked.append(again)
        if self.fails:
            raise self.fails.pop(0)
        self.tasks.setdefault(task.idempotency_key, task)
        if self.lost:
            self.lost = False
            raise VendorFailed("TimeoutError", for_good=False)
        return f"WT-{task.idempotency_key}"

    async def find(self, key: str, task: Task | None, *, since: datetime, now: datetime) -> str | None:
        if self.fails:
            raise self.fails.pop(0)
        return f"WT-{key}" if key in self.tasks else None

    async def stop(self, ref: str, *, why: str) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.stopped.append(ref)


@dataclass
class CentersHouse(MaintenanceHouse):
    post: Post = field(default_factory=Post)
    vendor: PlayedVendor = field(default_factory=PlayedVendor)
    secrets: dict[str, Secret] = field(default_factory=dict)
    sources: Any = None
    http: Any = None
    messages: int = 0

    async def react(self, entry: Entry) -> None:
        await super().react(entry)
        await self.desk.index.place([*places(entry), *lists_garages.places(entry)])
        received = Received(entry.partition, entry.position, entry.fact, None)
        if entry.kind in DESK_KINDS:
            await self.desk.desk.reactions.handle(received)
        if entry.kind in KINDS:
            await self.desk.centers.reactions(self.post).handle(received)

    async def furnish(self) -> None:
        await super().furnish()
        for source in (CENTER, OTHER):
            _, secret = await self.sources.open_center("Center", source=source)
            self.secrets[source] = secret

    async def handed(self, code: str = CODE, **more: Any) -> Read:
        """A case that a contact center has."""
        await self.wants_calls(**more)
        await self.scan(code)
        read = await self.desk.cases.read(CASE)
        assert (read.state, read.body.trigger.center) == (TriggerState.LEASED, CENTER)
        return read

    async def case(self) -> Read:
        return await self.desk.cases.read(CASE)

    async def handout(self) -> tuple[HandoutState, Handout]:
        saved = await self.store.load(subject_of(CASE))
        body = handouts_of(saved)
        assert body is not None
        assert body.last is not None
        return state_of(saved), body.last

    def report(self, status: str, *, n: int = 1, case: CaseId = CASE, **more: Any) -> dict[str, Any]:
        return {
            "case": case, "idempotency_key": key_of(case, n), "status": status, "at": self.now.isoformat(), **more,
        }  # fmt: skip

    async def send(
        self,
        status: str,
        *,
        source: str = CENTER,
        by: str | None = None,
        id_: str = "",
        settle: bool = True,
        **more: Any,
    ) -> httpx.Response:
        """A callback signed with the secret of ``by`` (else of the source)."""
        self.messages += 1
        body = json.dumps(self.report(status, **more)).encode()
        message = id_ or f"msg_c{self.messages}"
        headers = signature.headers([self.secrets[by or source]], message, int(self.now.timestamp()), body)
        answer = await self.http.post(f"/v1/centers/{source}/callbacks", content=body, headers=headers)
        if settle:
            await self.settle()
        return answer

    async def ask(self, *, source: str = CENTER, by: str | None = None, **more: Any) -> httpx.Response:
        """What is free, asked for as a callback is signed."""
        self.messages += 1
        body = json.dumps({"case": CASE, "idempotency_key": key_of(CASE, 1), **more}).encode()
        message = f"msg_q{self.messages}"
        headers = signature.headers([self.secrets[by or source]], message, int(self.now.timestamp()), body)
        return await self.http.post(f"/v1/centers/{source}/slots", content=body, headers=headers)

    async def body_of(self, message: Outgoing) -> dict[str, Any] | None:
        """What would be sent now."""
        reader = message.reference["center"] if message.endpoint else None
        said = await self.desk.centers.composing(_brief(message, reader))
        return dict(said.data) if isinstance(said, News) else None

    async def letters(self) -> list[Any]:
        mails = [one for one in self.post.queued.values() if one.person is not None]
        return [await self.desk.centers.composing(_brief(one, None)) for one in mails]

    async def dies(self, endpoint: EndpointId = ENDPOINT) -> None:
        """The message to an address is given up."""
        (message,) = [
            one for one in self.post.queued.values() if one.type == CREATED and one.endpoint == endpoint
        ][-1:]
        about = {"message": message.id, "endpoint": endpoint, "type": CREATED, "subscriber": CENTER}
        await self.people.append(MessageDied(at=self.now, reason="exhausted", **about))
        await self.settle()

    async def slot(self) -> SlotId:
        """A free slot of a garage."""
        hours = {day: (Opening(start="08:00", end="17:00"),) for day in ("mon", "tue", "wed", "thu", "fri")}
        details = Details.model_validate(
            {"name": "Garage", "address": "Kade 1", "mail": "garage@example.org", "hours": hours}
        )
        garage = GarageId((await self.desk.garages.make(details, now=self.now)).subject)
        await self.settle()
        await self.desk.capacity.fill(await self.desk.garages.read(garage))
        await self.settle()
        return (await self.desk.capacity.free(await self.desk.garages.read(garage), most=1))[0].id

    @property
    def booking(self) -> Booking:
        return self.desk.booking

    async def day_is_free(self) -> bool:
        """Whether another case may call this person today."""
        from maintenance.desk_days import day_in
        from maintenance.desk_days import subject_of as day_of
        from maintenance.desk_windows import local_day, window_of

        calls = await self.desk.choosing.of(CAR)
        today = local_day(window_of(calls).zone, self.now)
        return day_in(await self.store.load(day_of(self.owner)), today) is None


def _brief(m: Outgoing, reader: str | None) -> Brief:
    return Brief(m.id, m.type, m.reference, m.at, m.expires_at, m.endpoint, reader, m.person)


async def centers_house(
    house: PeopleHouse, *centers: dict[str, Any], limits: MaintenanceLimits | None = None
) -> CentersHouse:
    """The house with these contact centers; by default one that takes high and critical cases by webhook."""
    post, vendor = Post(), PlayedVendor()
    table = Centers.model_validate(
        {"center": centers or [{"source": CENTER, "severities": ["high", "critical"]}]}
    )
    vendors: dict[str, Vendor] = {each.source: vendor for each in table.center if each.via != "webhook"}
    desk = build(
        house.store,
        clock=house.clock,
        limits=limits or MaintenanceLimits(),
        people=house.people,
        public_url=ORIGIN,
        abroad=Abroad(table, post, vendors),
    )
    made = CentersHouse(desk, house, house.store, house.log, house.clock, post=post, vendor=vendor)
    keyring = Keyring(Seal(b"k" * 32))
    made.sources = Sources(house.store, house.clock, WebhooksLimits(), keyring)
    verifier = Verifier(
        house.store, Expiring(house.store.valkey), house.clock, WebhooksLimits(), made.sources
    )
    app = FastAPI()
    problems.install(app)
    app.include_router(
        routes(desk.centers.reports, desk.centers.offers, verifier, desk.centers.twilio), prefix="/v1"
    )
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    made.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN)
    await made.furnish()
    return made


__all__ = ["CAR", "CASE", "CENTER", "ENDPOINT", "OTHER", "PHONE", "SECOND", "CentersHouse", "centers_house"]
