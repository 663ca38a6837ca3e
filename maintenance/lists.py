"""Lists for people: a car's cases, what is open, and what waits in each state of its trigger. Built from the log."""

from collections.abc import Iterable
from typing import Final

from maintenance.model import LEVELS
from maintenance.states import OPEN as OPEN_STATES
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.facts.maintenance import Level
from spine.index import Place
from spine.log import Entry

OF_CAR: Final = "car_cases"
"""By vehicle: its cases, newest first."""
OPEN: Final = "open_cases"
"""Under ``ALL``: every open case, newest first."""
IN_STATE: Final = "cases_in"
"""By state of the trigger (``queued``, ``unreached``, ...): the agents' list is ``queued``, the most urgent first."""
ALL: Final = "all"
NAMES: Final = (OF_CAR, OPEN, IN_STATE)

CANARYS: Final = ".canary."
"""In the id of a canary's case, as its system."""

_AFTER: Final = {
    f.TriggerOffered: TriggerState.OFFERED,
    f.TriggerQueued: TriggerState.QUEUED,
    f.TriggerLeased: TriggerState.LEASED,
    f.TriggerScheduled: TriggerState.SCHEDULED,
    f.TriggerBooked: TriggerState.BOOKED,
    f.TriggerUnreached: TriggerState.UNREACHED,
    f.TriggerDeclined: TriggerState.DECLINED,
    f.TriggerSuppressed: TriggerState.SUPPRESSED,
}
_STEP: Final = 1e11
"""More than any unix time in seconds: a level outweighs every age."""


def places(entry: Entry) -> Iterable[Place]:
    """Where a fact puts a case."""
    fact = entry.fact
    if isinstance(fact, f.CaseFact) and CANARYS in fact.case:
        return  # nobody is to see it
    match fact:
        case f.CaseOpened():
            yield Place(OF_CAR, fact.vehicle, fact.case, fact.at.timestamp())
            yield Place(OPEN, ALL, fact.case, fact.at.timestamp())
        case f.CaseReopened():
            yield Place(OPEN, ALL, fact.case, fact.at.timestamp())
        case f.CaseClosed():
            yield Place(OPEN, ALL, fact.case, None)
        case f.TriggerEnded():
            for state in sorted(OPEN_STATES):
                yield Place(IN_STATE, state.value, fact.case, None)
        case _ if type(fact) in _AFTER:
            yield from _moved(fact, _AFTER[type(fact)])  # type: ignore[arg-type]  # just looked up
        case _:
            pass


def urgency(case: str, level: Level, since: float) -> float:
    """The score on the agents' list: help with a delivery first, then by level, then the oldest."""
    rank = len(LEVELS) if ".help." in case else LEVELS.index(level)
    return (rank + 1) * _STEP - since


def _moved(fact: f.CaseFact, state: TriggerState) -> Iterable[Place]:
    score = (
        urgency(fact.case, fact.severity, fact.since.timestamp())
        if isinstance(fact, f.TriggerQueued)
        else fact.at.timestamp()
    )
    for each in sorted(OPEN_STATES):
        yield Place(IN_STATE, each.value, fact.case, score if each is state else None)
