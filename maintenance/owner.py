"""What the people of a car see of its cases, and what they may do about one: look, decline."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Final

from maintenance.choosing import Choosing
from maintenance.lists import OF_CAR
from maintenance.model import Read
from maintenance.service import Cases, NoSuchCase, Turn
from maintenance.starting import Story
from maintenance.states import TriggerState
from people.cars import Cars as CarPeople
from people.model import Role, RoleOnCar
from people.problems import NotYours
from spine.facts.maintenance import TriggerDeclined
from spine.ids import CaseId, PersonId, VehicleId
from spine.index import Index, Page
from spine.problems import Kind, Problem
from spine.store import Saved

T = TriggerState
DECLINABLE: Final = frozenset({T.OFFERED, T.QUEUED, T.SCHEDULED, T.UNREACHED})


class CannotDecline(Problem):
    """It is over, an appointment is made, or somebody is on the phone about it at this moment."""

    code: ClassVar[str] = "case.cannot_decline"
    kind: ClassVar[Kind] = Kind.CONFLICT


class OwnerCases:
    """Each act asks first who the person is to the car."""

    def __init__(self, cases: Cases, people: CarPeople, choosing: Choosing, index: Index) -> None:
        self._cases = cases
        self._people = people
        self._choosing = choosing
        self._index = index

    async def list(
        self, person: PersonId, vehicle: VehicleId, *, after: str | None = None, limit: int = 50
    ) -> tuple[list[tuple[Read, RoleOnCar]], str | None]:
        """A car's cases that this person may see, newest first. Raises ``NotFound`` for somebody else's car."""
        await self._choosing.role(person, vehicle)
        page: Page = await self._index.page(OF_CAR, vehicle, after=after, limit=limit)
        found = []
        for member in page.members:
            try:
                found.append(await self.read(person, CaseId(member)))
            except NoSuchCase:
                continue
        return found, page.next

    async def read(self, person: PersonId, case: CaseId) -> tuple[Read, RoleOnCar]:
        """A case of a car this person has a role on: one that is open, or was opened in that role's time.

        Raises ``NoSuchCase`` alike for one that never was. What was said in an earlier owner's time is cut off.
        """
        read = await self._cases.read(case)
        now = self._cases.clock.now()
        role = await self._people.role_of(person, read.body.vehicle, now=now)
        mine = role is not None and (read.open or read.body.known_since >= role.visible_from)
        if role is None or not mine or read.body.what == "canary":
            raise NoSuchCase(case[:90])
        return _since(read, role.visible_from, whole=role.role is Role.OWNER), role

    async def decline(self, person: PersonId, case: CaseId, why: str) -> Read:
        """Take care of it oneself: nobody calls about it any more; the case stays open. Again: no change.

        Raises ``NoSuchCase``, ``NotYours`` for whoever is only told about the car, ``CannotDecline``.
        """
        _, role = await self.read(person, case)
        if not role.may_approve:
            raise NotYours("You are told about this car, and do not decide about it.")
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            if read.state is T.DECLINED:
                return None
            if read.state not in DECLINABLE or read.body.what != "fault":
                raise CannotDecline(f"it is {read.state}")
            story = Story(read.id, read.body, read.state, now)
            story.trigger(due=None, claim_by=None, why=why, center=None, center_ref=None)
            story.tell(TriggerDeclined, why=why, by=person)
            return Turn(story.body, story.facts)

        after = await self._cases.change(case, decide)
        return _since(after, role.visible_from, whole=role.role is Role.OWNER)


def _since(read: Read, visible_from: datetime, *, whole: bool) -> Read:
    """Without steps and calls before ``visible_from``; calls and who looked are an owner's (``whole``) alone."""
    body, trigger = read.body, read.body.trigger
    calls = tuple(call for call in trigger.calls if whole and call.at >= visible_from)
    theirs = {"case.called", "case.seen", "case.acted"}
    history = tuple(
        one
        for one in body.history
        if (one.at >= visible_from or one.kind == "case.opened") and (whole or one.kind not in theirs)
    )
    shown = body.but(trigger=trigger.but(calls=calls), history=history, answers={}, note="")
    return Read(id=read.id, state=read.state, body=shown)
