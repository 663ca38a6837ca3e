"""The one way a case changes: read, decide, step by the table, commit with facts and next timer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, TypeVar

from maintenance.limits import MaintenanceLimits
from maintenance.model import HISTORY_KEPT, CaseBody, Happened, Read, write_case
from maintenance.states import TriggerState, step
from maintenance.timing import next_wake
from spine.clock import Clock
from spine.facts import Fact
from spine.facts.base import Base
from spine.facts.maintenance import CaseFact, TriggerEnded, TriggerScheduled
from spine.ids import CaseId
from spine.problems import Kind, Problem
from spine.store import Ack, Change, Once, Saved, Store, Write

F = TypeVar("F", bound=Base)


class NoSuchCase(Problem):
    """There is no such case, or it is not the asker's to see."""

    code: ClassVar[str] = "case.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


@dataclass(frozen=True, slots=True)
class Turn:
    """What a decision wants of one case; ``writes`` and ``others``: of other subjects, same commit."""

    body: CaseBody
    facts: Sequence[CaseFact] = ()
    writes: Mapping[str, Write] = field(default_factory=dict)
    others: Sequence[Fact] = ()
    answer: str = ""


Decide = Callable[[Read, Mapping[str, Saved]], Turn | None]


def told(kind: type[F], read: Read, now: datetime, **more: object) -> F:
    """A fact about this case, with what every fact of it carries."""
    return kind.model_validate({"at": now, "case": read.id, "vehicle": read.body.vehicle, **more})


class Cases:
    """Reads and changes cases (subjects ``cse_``, state: their trigger's)."""

    def __init__(self, store: Store, clock: Clock, limits: MaintenanceLimits) -> None:
        self.store = store
        self.clock = clock
        self.limits = limits

    async def read(self, case: CaseId) -> Read:
        """Raises ``NoSuchCase`` for one that never was, or of which a tombstone is left."""
        found = Read.of(await self.store.load(case))
        if found is None:
            raise NoSuchCase(case[:90])
        return found

    async def change(
        self,
        case: CaseId,
        decide: Decide,
        *,
        also: Sequence[str] = (),
        once: Once | None = None,
        ack: Ack | None = None,
    ) -> Read:
        """Decide on the case as saved and commit. Gives it as it stands afterwards.

        ``decide`` is pure and may run several times. ``also``: other subjects of the vehicle's partition. Raises
        ``NoSuchCase``, ``StepNotAllowed`` and what ``decide`` raises.
        """
        now = self.clock.now()

        def decided(saved: Mapping[str, Saved]) -> Change | None:
            read = Read.of(saved[case])
            if read is None:
                raise NoSuchCase(case[:90])
            turn = decide(read, saved)
            return None if turn is None else self.commit(read, turn, now)

        outcome = await self.store.change([case, *also], decided, once=once, ack=ack)
        after = Read.of(outcome.saved[case])
        if after is None:
            raise NoSuchCase(case[:90])
        return after

    def commit(self, read: Read, turn: Turn, now: datetime) -> Change:
        """The change a turn comes to: the state its facts lead to, and the next timer."""
        return Change(
            writes={**turn.writes, read.id: self.written(read.state, turn.body, turn.facts, now)},
            facts=[*turn.facts, *turn.others],
            answer=turn.answer,
        )

    def written(
        self, before: TriggerState, body: CaseBody, facts: Sequence[CaseFact], now: datetime
    ) -> Write:
        """A case as saved after ``facts``; ``before``: NEW for a case that begins with them."""
        state, body = after(before, body, facts)
        return write_case(state, body, next_wake(state, body, now))


def after(before: TriggerState, body: CaseBody, facts: Sequence[CaseFact]) -> tuple[TriggerState, CaseBody]:
    """Where these facts lead a case, and its body with them in its history."""
    for fact in facts:
        if isinstance(fact, TriggerEnded) and body.trigger.was is None:
            body = body.but(trigger=body.trigger.but(was=before, lease=None))
    return step(before, *facts), with_history(body, facts)


def with_history(body: CaseBody, facts: Sequence[CaseFact]) -> CaseBody:
    """A body that remembers these facts."""
    if not facts:
        return body
    first, *rest = (*body.history, *(_happened(fact) for fact in facts))
    spare = len(rest) - HISTORY_KEPT
    kept = []
    for one in rest:
        if spare > 0 and not _lasts(one):
            spare -= 1
        else:
            kept.append(one)
    return body.changed(history=(first, *kept))


def _lasts(step_: Happened) -> bool:
    """That a number was told or a car driven shut is never forgotten of an open case."""
    return step_.kind == "case.acted" and step_.why in {"dial", "dial_safety", "lock"}


def _happened(fact: CaseFact) -> Happened:
    said = (getattr(fact, name, None) for name in ("disposition", "act", "why", "reason"))
    due = getattr(fact, "due", None) if isinstance(fact, TriggerScheduled) else None
    by = getattr(fact, "by", None)
    return Happened(
        at=fact.at, kind=fact.kind, by=by or "", why=next((one for one in said if one), ""), due=due
    )
