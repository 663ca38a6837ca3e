"""The contact center's desk put together: the list, the work, help, the wallboard, the audit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from maintenance.desk_days import Days
from maintenance.desk_help import Help
from maintenance.desk_list import WorkList
from maintenance.desk_ports import Deliveries, HelpContext, Locked
from maintenance.desk_problems import NoHelpHere
from maintenance.desk_reactions import DeskReactions
from maintenance.desk_views import CaseOut, ListOut, case_view, row
from maintenance.desk_wallboard import Board
from maintenance.desk_work import AgentDesk, At
from maintenance.limits import DeskLimits
from maintenance.lists import OF_CAR
from maintenance.model import Happened, Read
from maintenance.service import Cases
from people.service import People
from spine.ids import CaseId, VehicleId
from spine.index import Index
from spine.rates import Rates

_HISTORY = 20


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that the desk's routes, readers and timers need."""

    people: People
    cases: Cases
    index: Index
    limits: DeskLimits
    days: Days
    waiting: WorkList
    work: AgentDesk
    help: Help
    board: Board
    reactions: DeskReactions

    async def listed(self, agent: At) -> ListOut:
        """What waits for this agent."""
        found = await self.waiting.of(agent.role, agent.languages, limit=self.limits.list_most)
        return ListOut(data=[row(one) for one in found])

    async def look(self, agent: At, case: CaseId, deliveries: Deliveries) -> CaseOut:
        """A case with all that stands beside the call; that it was looked at is a fact. Raises ``NoSuchCase``."""
        read = await self.work.see(agent, case)
        now = self.cases.clock.now()
        (one,) = await self.waiting.looked_at([read], now)
        past = await self.history(read.body.vehicle)
        into = await deliveries.open_into(read.body.vehicle)
        context: HelpContext | None = None
        if read.body.delivery is not None:
            context = await deliveries.context(read.body.delivery)
        return case_view(one, agent, past, into, context, now)

    async def history(self, vehicle: VehicleId) -> Sequence[Read]:
        """The newest cases of a car, help included."""
        page = await self.index.page(OF_CAR, vehicle, limit=_HISTORY)
        saved = await self.cases.store.load_many(page.members)
        return [read for each in page.members if (read := Read.of(saved[each]))]

    async def lock(
        self, agent: At, case: CaseId, token: str, deliveries: Deliveries, *, wait: float
    ) -> tuple[Locked, str, datetime | None]:
        """Drive the lock shut; written down before it is asked. Raises ``LeaseLost``, ``NoHelpHere``."""
        read = await self.cases.read(case)
        if read.body.delivery is None:
            raise NoHelpHere("This case is about no delivery.")
        await self.work.act(agent, case, token, "lock")
        return await deliveries.lock(read.body.delivery, wait=wait)

    async def audit(self, agent: At, case: CaseId) -> list[Happened]:
        """Its steps, with who looked and acted; looking here is looking at it. Raises ``NoSuchCase``."""
        return list((await self.work.see(agent, case)).body.history)


def build_desk(cases: Cases, people: People, index: Index) -> Desk:
    """Wire it."""
    store, clock, limits = cases.store, cases.clock, cases.limits.desk
    days, waiting = Days(store, clock, limits), WorkList(store, clock, index, limits)
    help_ = Help(cases, Rates(store.valkey))
    return Desk(
        people=people,
        cases=cases,
        index=index,
        limits=limits,
        days=days,
        waiting=waiting,
        work=AgentDesk(cases, days, waiting, limits),
        help=help_,
        board=Board(store, clock, index, limits),
        reactions=DeskReactions(cases, days, help_, index),
    )
