"""What an agent does with a case: claim, keep, give back, write down, dial, tell the outcome. Each is one commit on it."""

import secrets
from collections.abc import Mapping
from datetime import datetime

from maintenance import calls as choice
from maintenance.cases import CaseState
from maintenance.desk_days import Days
from maintenance.desk_dialling import At, Dialling, Number, Whom, lease_of, refuse
from maintenance.desk_list import Waiting, WorkList, beside, calls_beside
from maintenance.desk_outcomes import Said, dialled_by, outcome, untold
from maintenance.desk_problems import CaseTaken, DraftStale, NothingToDo, OutcomeUnfit
from maintenance.desk_rules import given_up, holds, on_the_list, spent, started
from maintenance.desk_script import check_answers
from maintenance.desk_windows import window_of
from maintenance.limits import DeskLimits
from maintenance.model import Lease, Read
from maintenance.service import Cases, NoSuchCase, Turn, told
from maintenance.starting import Story, queue, stay, unreached
from maintenance.states import TriggerState
from spine.facts.maintenance import CaseActed, CaseClosed, CaseSeen, TriggerEnded, TriggerLeased
from spine.ids import CaseId
from spine.store import Saved

__all__ = ["AgentDesk", "At", "Number", "Whom"]


_CLAIM_PAGE = 25
"""Cases that a claim looks at together: nearly always the first is taken."""


class AgentDesk:
    """Everything agents do. ``trying``: cases that this process is just claiming for somebody."""

    def __init__(self, cases: Cases, days: Days, waiting: WorkList, limits: DeskLimits) -> None:
        self._cases = cases
        self._list = waiting
        self._dialling = Dialling(cases, days, waiting, limits)
        self._limits = limits
        self._rules = started(cases.limits.cases)
        self._trying: set[CaseId] = set()

    # ---- having a case

    async def claim_next(self, agent: At) -> Read:
        """The best case that this agent may take and whose person may be called. Raises ``NothingToDo``."""
        again, pages = True, 0
        while again and pages < self._limits.claim_pages:
            again = False
            async for page in self._list.pages(agent.role, agent.languages, size=_CLAIM_PAGE):
                if pages >= self._limits.claim_pages:
                    break
                pages += 1
                for one in page:
                    if _waits(one):
                        continue
                    if one.read.id in self._trying:
                        again = True  # whether that claim succeeds is seen in the next round
                        continue
                    claimed = await self._try(agent, one.read.id)
                    if claimed is not None:
                        return claimed
        raise NothingToDo("No case waits for you now.")

    async def claim(self, agent: At, case: CaseId) -> Read:
        """This case. Raises ``CaseTaken`` with the next best, ``NotNow``, ``CalledToday``, ``NoSuchCase``."""
        read = await self._cases.read(case)
        if read.body.what == "canary" or (read.body.trigger.supervisor and agent.role != "supervisor"):
            raise NoSuchCase(case[:90])
        now = self._cases.clock.now()
        if on_the_list(read, now):
            (seen,) = await self._list.looked_at([read], now)
            if _waits(seen):
                refuse(seen.bar, seen.calls, now)
            claimed = await self._try(agent, case)
            if claimed is not None:
                return claimed
        raise CaseTaken("Somebody else has it, or it waits no longer.", await self._next_best(agent))

    async def _next_best(self, agent: At) -> CaseId | None:
        pages = 0
        async for page in self._list.pages(agent.role, agent.languages, size=_CLAIM_PAGE):
            pages += 1
            if pages > self._limits.claim_pages:
                break
            for one in page:
                if not one.bar and one.read.id not in self._trying:
                    return one.read.id
        return None

    async def _try(self, agent: At, case: CaseId) -> Read | None:
        """The case with the agent's lease; None where somebody else got it, or nobody is to be called about it."""
        self._trying.add(case)
        try:
            return await self._take(agent, case)
        except (CaseTaken, NoSuchCase):
            return None
        finally:
            self._trying.discard(case)

    async def _take(self, agent: At, case: CaseId) -> Read | None:
        also = beside(await self._cases.read(case))
        now = self._cases.clock.now()
        until, token = now + self._limits.lease, secrets.token_hex(16)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn:
            if not on_the_list(read, now):
                raise CaseTaken("Somebody else has it.")
            trigger, calls = read.body.trigger, calls_beside(read, saved)
            story = Story(read.id, read.body, read.state, now)
            if read.body.what == "fault" and not choice.may_call(calls):
                stay(story, calls, self._rules, "no_calls")
                return Turn(story.body, story.facts)
            if given_up(read, self._limits):
                unreached(story, self._rules, "calls_used")
                return Turn(story.body, story.facts)
            lease = Lease(by=agent.id, token=token, since=now, until=until, heartbeat=now)
            leased = told(TriggerLeased, read, now, by=agent.id, until=until)
            return Turn(read.body.but(trigger=trigger.but(lease=lease)), [leased])

        read = await self._cases.change(case, decide, also=also)
        lease = read.body.trigger.lease
        return read if lease is not None and lease.token == token else None

    async def heartbeat(self, agent: At, case: CaseId, token: str) -> Read:
        """The lease lives on. Raises ``LeaseLost``."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            lease = lease_of(read, agent, token, now)
            renewed = lease.but(until=now + self._limits.lease, heartbeat=now)
            return Turn(read.body.but(trigger=read.body.trigger.but(lease=renewed)))

        return await self._cases.change(case, decide)

    async def release(self, agent: At, case: CaseId, token: str) -> Read:
        """Give it back, as old as it was. Raises ``LeaseLost``.

        One that may not be called about any more is not offered to the next agent: this one has looked at it.
        """
        now = self._cases.clock.now()
        before = await self._cases.read(case)
        also = beside(before)
        elsewhere = None if also else await self._list.calls_of(before)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn:
            lease_of(read, agent, token, now)
            calls = calls_beside(read, saved) if also else elsewhere
            story = Story(read.id, read.body, read.state, now)
            untold(story)
            if read.body.what != "fault" or not spent(story.body, self._limits):
                queue(story, calls, self._rules, "released", since=read.body.trigger.since)
            elif read.body.severity == "critical":
                stay(story, calls, self._rules, "calls_used")
            else:
                unreached(story, self._rules, "calls_used")
            return Turn(story.body, story.facts)

        return await self._cases.change(case, decide, also=also)

    # ---- beside the call

    async def see(self, agent: At, case: CaseId) -> Read:
        """Look at it: the one who has it, or a supervisor. That it was looked at is a fact."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            lease = read.body.trigger.lease
            mine = lease is not None and holds(read.body.trigger, read.state, agent.id, lease.token, now)
            if read.body.what == "canary" or not (mine or agent.role == "supervisor"):
                raise NoSuchCase(case[:90])
            seen = told(CaseSeen, read, now, by=agent.id)
            if lease is None or not mine:
                return Turn(read.body, [seen])
            if lease.seen:
                return None
            trigger = read.body.trigger.but(lease=lease.but(seen=True))
            return Turn(read.body.but(trigger=trigger), [seen])

        return await self._cases.change(case, decide)

    async def draft(
        self, agent: At, case: CaseId, token: str, *, n: int, answers: Mapping[str, str], note: str
    ) -> Read:
        """Save answers and note as given. ``n``: of what was read.

        Raises ``LeaseLost``, ``DraftStale``, ``NoSuchQuestion``.
        """
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            body = read.body
            lease = lease_of(read, agent, token, now)
            check_answers(body, answers)
            if (dict(answers), note) == (body.answers, body.note):
                return None
            if n != body.draft_n:
                raise DraftStale(body.draft_n, body.answers, body.note)
            trigger = body.trigger.but(lease=lease.but(drafted=True))
            facts = [] if lease.drafted else [told(CaseActed, read, now, by=agent.id, act="answers")]
            after = body.but(answers=dict(answers), note=note, draft_n=n + 1, trigger=trigger)
            return Turn(after, facts)

        return await self._cases.change(case, decide)

    async def act(self, agent: At, case: CaseId, token: str, act: str) -> Read:
        """Write down what is about to be done. Raises ``LeaseLost``."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            lease_of(read, agent, token, now)
            return Turn(read.body, [told(CaseActed, read, now, by=agent.id, act=act)])

        return await self._cases.change(case, decide)

    # ---- the call

    async def dial(self, agent: At, case: CaseId, token: str, whom: Whom | None = None) -> Number:
        """As ``Dialling.dial``."""
        return await self._dialling.dial(agent, case, token, whom)

    async def settle(self, agent: At, case: CaseId, token: str, said: Said) -> Read:
        """The outcome of the call. Raises ``LeaseLost``, ``OutcomeUnfit``, ``DialFirst``, ``NotBooked``."""
        now = self._cases.clock.now()
        also = beside(await self._cases.read(case))

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn:
            booked = read.state is TriggerState.BOOKED and said.disposition == "booked"
            if not (booked and dialled_by(read.body.trigger, agent.id) is not None):
                lease_of(read, agent, token, now)
            calls = calls_beside(read, saved)
            after = outcome(
                read, calls, said, by=agent.id, window=window_of(calls), limits=self._limits,
                rules=self._rules, now=now,
            )  # fmt: skip
            changed = after.calls is not None and after.calls != calls
            writes = {also[0]: choice.write(after.calls)} if changed and after.calls and also else {}
            return Turn(after.body, after.facts, writes, after.others)

        return await self._cases.change(case, decide, also=also)

    async def close(self, agent: At, case: CaseId, token: str) -> Read:
        """Help was given. Raises ``LeaseLost``; ``OutcomeUnfit`` for a fault, which only a clean scan closes."""
        now = self._cases.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn:
            lease_of(read, agent, token, now)
            if read.body.what != "help":
                raise OutcomeUnfit("A fault's case is closed by the car itself, when the fault is gone.")
            return closed(read, now, "helped")

        return await self._cases.change(case, decide)


def closed(read: Read, now: datetime, why: str) -> Turn:
    """Help that is not needed any more: numbers, answers and note were for that alone."""
    body = read.body.but(
        state=CaseState.CLOSED, closed_at=now, askers=(), answers={}, note="", draft_n=read.body.draft_n + 1
    )  # fmt: skip
    return Turn(body, [told(CaseClosed, read, now, why=why), told(TriggerEnded, read, now)])


def _waits(one: Waiting) -> bool:
    """Not to be called now, so nobody needs to have it now; a supervisor decides what came to them."""
    return one.bar == "window" or (one.bar == "called_today" and not one.read.body.trigger.supervisor)
