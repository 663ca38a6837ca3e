"""The desk on the real store with the real people; deliveries are played, the log is read by hand."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from maintenance import (
    api_agents,
    desk_api,
    desk_api_booking,
    desk_api_live,
    desk_index,
    lists,
    lists_garages,
)
from maintenance import calls as choice
from maintenance.composition import Maintenance, build
from maintenance.desk import Desk
from maintenance.desk_ports import DeliveryGlance, HelpContext, Locked
from maintenance.desk_signals import Signals
from maintenance.desk_work import At
from maintenance.due import Due
from maintenance.limits import MaintenanceLimits
from maintenance.model import Calls, CaseBody, Read
from maintenance.service import told
from maintenance.states import TriggerState
from people import api as people_api
from people.agents import AgentView, Role
from spine.facts.maintenance import CaseOpened, TriggerQueued
from spine.ids import CarrierId, CaseId, DeliveryId, PersonId, VehicleId
from spine.log import Entry, Tail
from spine.readers import Received
from spine.store import Change
from tests import desk_cases
from tests.people_signing import ORIGIN
from tests.service.people_house import CAR, PeopleHouse
from trunkline import problems

DELIVERY = DeliveryId("dlv_3k7m9qxd4hwe2a5t")
OURS = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}


@dataclass
class PlayedDeliveries:
    """One delivery, at the car."""

    locked: list[DeliveryId] = field(default_factory=list)

    async def open_into(self, vehicle: VehicleId) -> Sequence[DeliveryGlance]:
        context = await self.context(DELIVERY)
        return [DeliveryGlance(id=context.id, state=context.state, begins=context.begins, ends=context.ends)]

    async def context(self, delivery: DeliveryId) -> HelpContext:
        at = desk_cases.NOON
        return HelpContext(
            id=delivery, state="left_open", begins=at, ends=at + timedelta(hours=2), kind="dropoff",
            carrier=CarrierId("car_3k7m9qxd4hwe2a5t"), courier=None, key="destroyed", key_dies_at=None, receipt=3,
            refusal=None, failure=None, arrived_m=4, timeline=((at, "opened"),), can_lock=True,
        )  # fmt: skip

    async def lock(self, delivery: DeliveryId, *, wait: float) -> tuple[Locked, str, datetime | None]:
        self.locked.append(delivery)
        return "done", "", desk_cases.NOON


@dataclass
class Agent:
    """An agent with a session that has shown a passkey."""

    view: AgentView
    token: str
    at: At

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class DeskHouse:
    parts: Maintenance
    people: PeopleHouse
    http: httpx.AsyncClient
    played: PlayedDeliveries
    tail: Tail
    signals: Signals
    owner: PersonId = field(default_factory=lambda: PersonId(""))
    heard: dict[int, str] = field(default_factory=dict)
    seen: list[Entry] = field(default_factory=list)

    @property
    def desk(self) -> Desk:
        return self.parts.desk

    @property
    def due(self) -> Due:
        return self.parts.due

    @property
    def now(self) -> datetime:
        return self.people.now

    @property
    def store(self) -> Any:
        return self.people.store

    async def settle(self) -> list[str]:
        """Hand every new fact to the desk's readers until nothing is new; the kinds in the order read."""
        kinds: list[str] = []
        while True:
            await self.people.settle()
            entries = [e for p in range(8) for e in await self.people.log.read(p, self.heard.get(p, "0-0"))]
            if not entries:
                return kinds
            for entry in entries:
                self.heard[entry.partition] = entry.position
                self.seen.append(entry)
                kinds.append(entry.kind)
                await self.react(entry)

    async def react(self, entry: Entry) -> None:
        received = Received(entry.partition, entry.position, entry.fact, None)
        for places in (desk_index.places, lists.places, lists_garages.places):
            await self.desk.index.place(places(entry))
        await self.parts.appointing.handle(entry.fact)
        await self.parts.reactions.handle(received)
        await self.desk.reactions.handle(received)

    async def again(self) -> None:
        """Read the whole log a second time: nothing may change."""
        await self.settle()
        before = await self.people.everything()
        for entry in list(self.seen):
            await self.react(entry)
        assert await self.people.everything() == before

    async def agent(self, email: str, role: Role = "agent", *languages: Any) -> Agent:
        people = self.people.people
        view = await people.agents.make(email, role, languages or ("en", "nl"), now=self.now)
        made, _ = await people.sessions.make(view.person, level="passkey", now=self.now)
        await self.settle()
        return Agent(view, made.text, At(view.id, view.role, frozenset(view.languages)))

    async def choose(self, vehicle: VehicleId = CAR, **changes: Any) -> Calls:
        """The owner wants to be called."""
        calls = desk_cases.calls(**{"person": self.owner, "chosen_at": self.now, **changes})
        name = choice.subject_of(vehicle)
        await self.store.change([name], lambda _: Change({name: choice.write(calls)}))
        return calls

    async def case(
        self, system: str = "brakes", *, vehicle: VehicleId = CAR, queued: bool = True, **changes: Any
    ) -> CaseId:
        """A fault's case on the agents' list."""
        about = {"system": system, "vehicle": vehicle, "opened_at": self.now, **changes}
        trigger = {"since": self.now, "due": self.now, **about.pop("trigger", {})}
        body: CaseBody = desk_cases.body(self.now, trigger=trigger, **about)
        case = desk_cases.case_id(body.n, system, vehicle)
        read = Read(id=case, state=TriggerState.NEW, body=body)
        facts: list[Any] = [
            told(CaseOpened, read, self.now, system=system, severity=body.severity, codes=body.codes, why="confirmed")
        ]  # fmt: skip
        if queued:
            since, due = body.trigger.since, body.trigger.due
            facts.append(
                told(TriggerQueued, read, self.now, severity=body.severity, since=since, due=due, why="opened")
            )  # fmt: skip
        write = self.desk.cases.written(TriggerState.NEW, body, facts, self.now)
        await self.store.change([case], lambda _: Change({case: write}, facts))
        await self.settle()
        return case

    async def read(self, case: CaseId) -> Read:
        return await self.desk.cases.read(case)

    async def post(self, agent: Agent, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.http.post(f"/v1/desk{path}", json=body or {}, headers=agent.headers, **more)

    async def claim(self, agent: Agent, case: CaseId | None = None) -> dict[str, Any]:
        answer = await self.post(agent, "/claim", {"case": case} if case else {})
        assert answer.status_code == 200, answer.text
        await self.settle()
        return dict(answer.json())

    async def expire(self, case: CaseId) -> None:
        """The timer of cases fires, if it is due."""
        await self.due.on_due(await self.store.load(case))
        await self.settle()

    async def facts(self, case: CaseId) -> list[str]:
        return [entry.kind for entry in self.seen if getattr(entry.fact, "case", None) == case]


@pytest.fixture
async def desk_house(house_of_people: PeopleHouse) -> AsyncIterator[DeskHouse]:
    people = house_of_people.people
    house_of_people.clock.set(desk_cases.NOON)
    limits = MaintenanceLimits()
    parts = build(house_of_people.store, clock=house_of_people.clock, limits=limits, people=people)
    played, app = PlayedDeliveries(), FastAPI()
    problems.install(app)
    app.router.routes.extend(people_api.routes(people).routes)
    app.include_router(desk_api.routes(parts.desk, played), prefix="/v1")
    booking = desk_api_booking.routes(parts.desk, parts.booking, parts.offers, parts.garages)
    app.include_router(booking, prefix="/v1")
    tail = Tail(house_of_people.log)
    signals = Signals(tail, parts.desk.index, limits.desk)
    app.include_router(desk_api_live.routes(parts.desk, signals), prefix="/v1")
    app.include_router(api_agents.routes(parts), prefix="/v1")
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("192.0.2.7", 5555))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as http:
        house = DeskHouse(parts, house_of_people, http, played, tail, signals)
        house.owner = await house_of_people.owner("owner@example.org")
        await house.settle()
        yield house


__all__ = ["CAR", "DELIVERY", "OURS", "Agent", "DeskHouse", "desk_house"]
