"""Everything of people on the real store, with a log that is read by hand and mails that are written when asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from people import api
from people.letters import Letter
from people.limits import PeopleLimits
from people.mail_links import MailKind, RecoveryFact
from people.presence import code_hash
from people.presence import subject_of as clm_of
from people.service import People, build
from spine.facts import Fact
from spine.facts.vehicle import UnitEvent
from spine.ids import CourierId, PersonId, UnitId, VehicleId, partition_of
from spine.log import Log
from spine.readers import Received
from spine.store import Ack, Change, Decide, Outcome, Saved, Store, Write
from tests.people_signing import ORIGIN, Device
from tests.service.conftest import SetClock
from trunkline import frame, languages, problems

CAR = VehicleId("veh_3k7m9qxd4hwe2a5t")
OTHER_CAR = VehicleId("veh_2aaaaaaaaaaaaaaa")
SECRET = b"the secret of this test's house, which is never in the store"


@dataclass
class Mailbox:
    """Queued mails by id, once each, as the engine keeps them."""

    queued: dict[tuple[str, str, str], None] = field(default_factory=dict)
    told: dict[tuple[str, int], str] = field(default_factory=dict)
    """What went to streams and linked systems: kind and number of a recovery, and where it stands in the log."""

    async def mail(self, person: PersonId, kind: MailKind, reference: str, *, ack: Ack | None = None) -> None:
        self.queued[(person, kind, reference)] = None

    async def tell(self, fact: RecoveryFact, position: str) -> None:
        self.told.setdefault((fact.kind, fact.n), position)

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.queued]


class Killed(BaseException):
    """The process died here."""


class Mortal(Store):
    """The store of a process that dies after so many commits; what was committed stays."""

    lives: int | None = None
    commits = 0

    async def change(self, subjects: Sequence[str], decide: Decide, **more: Any) -> Outcome:
        if self.lives == 0:
            raise Killed
        done = await super().change(subjects, decide, **more)
        self.commits += done.changed
        if self.lives is not None and done.changed:
            self.lives -= 1
        return done


@dataclass
class PeopleHouse:
    people: People
    store: Mortal
    log: Log
    clock: SetClock
    mailbox: Mailbox
    read: dict[int, str] = field(default_factory=dict)

    @property
    def now(self) -> Any:
        return self.clock.now()

    async def settle(self) -> list[str]:
        """Hand every new fact to the reactions until nothing is new; the kinds in the order read."""
        heard: list[str] = []
        while True:
            new = [e for p in range(8) for e in await self.log.read(p, self.read.get(p, "0-0"))]
            if not new:
                return heard
            for entry in new:
                await self.people.reactions.react(Received(entry.partition, entry.position, entry.fact, None))
                self.read[entry.partition] = entry.position
                heard.append(entry.fact.kind)

    async def killed_after(self, commits: int, work: Callable[[], Awaitable[object]]) -> bool:
        """Do some work in a process that dies after so many commits. True where it died before the end."""
        self.store.lives = commits
        try:
            await work()
        except Killed:
            return True
        finally:
            self.store.lives = None
        return False

    def rewind(self) -> None:
        self.read.clear()

    async def facts(self) -> list[Fact]:
        return [entry.fact for p in range(8) for entry in await self.log.read(p)]

    async def fire(self, *prefixes: str) -> None:
        """Fire the timers that are due, as ``spine.timers`` would."""
        handlers = self.people.reactions.timers()
        for key, row in (await self.subjects()).items():
            prefix = key.split("_")[0]
            if (not prefixes or prefix in prefixes) and row.wake_at and row.wake_at <= self.now:
                await handlers[prefix](row)

    async def subjects(self) -> dict[str, Saved]:
        keys: list[str] = await self.store.valkey.ask("KEYS", "tl:*:s:*")
        return await self.store.load_many([key.rsplit(":", 1)[1] for key in keys])

    async def everything(self) -> str:
        """All that the store holds, as one text: keys, values and the log."""
        dump: list[str] = []
        for key in sorted(await self.store.valkey.ask("KEYS", "*")):  # their order may change by itself
            kind = await self.store.valkey.ask("TYPE", key)
            ask, *rest = {
                "hash": ("HGETALL",),
                "string": ("GET",),
                "set": ("SMEMBERS",),
                "zset": ("ZRANGE", "0", "-1"),
                "list": ("LRANGE", "0", "-1"),
                "stream": ("XRANGE", "-", "+"),
            }[kind]
            dump.append(f"{key} {await self.store.valkey.ask(ask, key, *rest)}")
        return "\n".join(dump)

    async def person(self, email: str, name: str = "") -> PersonId:
        return await self.people.persons.make(email, name=name, now=self.now)

    async def append(self, *facts: Fact) -> None:
        """Put facts of other packages into the log, beside a subject that stands for them."""
        for fact in facts:
            beside = f"tst_{fact.subject.split('_', 1)[1]}"

            def decide(_: Any, fact: Fact = fact, beside: str = beside) -> Change:
                return Change({beside: Write("kept", "{}")}, [fact])

            await self.store.change([beside], decide)

    async def show(self, code: str, vehicle: VehicleId = CAR, life: timedelta = timedelta(minutes=5)) -> None:
        """The unit of a car shows a code."""
        data = {
            "code_scrypt": code_hash(code),
            "expires_at": (self.now + life).isoformat(),
        }
        unit = UnitId("vu_" + vehicle[4:])
        event = f"{data['code_scrypt'][:8]}-{self.now.timestamp()}"
        await self.append(
            UnitEvent(at=self.now, vehicle=vehicle, unit=unit, type="pair", event=event, data=data)
        )
        await self.settle()

    async def choose_link(self, person: PersonId) -> None:
        """This person approves by mail link."""
        await self.people.passkeys.choose_link(person, now=self.now)

    async def owner(self, email: str, code: str = "ABCD2345", vehicle: VehicleId = CAR) -> PersonId:
        """A person who has claimed a car."""
        person = await self.person(email)
        await self.show(code, vehicle)
        await self.people.cars.claim(person, code, now=self.now)
        await self.settle()
        return person

    async def letter(self, person: PersonId, kind: MailKind) -> Letter | None:
        """Write the newest queued mail of a kind."""
        found = [key for key in self.mailbox.queued if key[0] == person and key[1] == kind]
        return await self.people.letters.write(person, kind, found[-1][2])

    async def follow(self, person: PersonId, kind: MailKind) -> str:
        """The one-time token of the newest mail of a kind."""
        letter = await self.letter(person, kind)
        assert letter is not None
        return (await self.people.links.make(letter.link)).split("#")[1]

    async def session(self, person: PersonId) -> str:
        made, _ = await self.people.sessions.make(person, now=self.now)
        return made.text

    async def carrier_token(self, device: Device, carrier: str) -> str:
        granted = await self.people.carrier_tokens.by_assertion(
            None, device.client(carrier, self.now), None, now=self.now
        )
        return granted.token

    async def courier(self, carrier: Any, device: Device, name: str = "Sam") -> CourierId:
        """An enrolled courier."""
        invited = await self.people.couriers.invite(carrier, name, now=self.now)
        proof = device.enrolment(invited.code, self.now)
        await self.people.couriers.enrol(invited.code, device.jwk, proof, now=self.now)
        return invited.courier


LIMITS = PeopleLimits(presence_after=timedelta())
"""Presence counts in a car that was claimed a moment ago; one test looks at the real wait."""


@pytest.fixture
async def house_of_people(store: Store, log: Log, clock: SetClock) -> PeopleHouse:
    mailbox, mortal = Mailbox(), Mortal(store.valkey, store.house)
    people = build(mortal, mailer=mailbox, clock=clock, limits=LIMITS, origin=ORIGIN, secret=SECRET)
    return PeopleHouse(people, mortal, log, clock, mailbox)


@pytest.fixture
async def http(house_of_people: PeopleHouse) -> AsyncIterator[httpx.AsyncClient]:
    """The routes, without a network between."""
    app = FastAPI()
    problems.install(app)
    app.add_middleware(languages.Languages)
    people = house_of_people.people
    chooses = partial(people.persons.speaks, chosen=True)
    app.router.routes.extend(frame.routes(people.access, chooses).routes)
    app.router.routes.extend(api.routes(house_of_people.people).routes)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=("192.0.2.7", 5555))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        yield client


__all__ = ["CAR", "OTHER_CAR", "PeopleHouse", "clm_of", "house_of_people", "http", "partition_of"]
