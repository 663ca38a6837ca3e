"""The desk's lists, built from the log and rebuilt at will: what waits for agents, and who they are."""

from collections.abc import Iterable
from typing import Final

from maintenance.lists import CANARYS
from maintenance.model import LEVELS
from spine.facts import maintenance as f
from spine.facts.people import PersonErased
from spine.ids import named_after
from spine.index import Place
from spine.log import Entry

QUEUE: Final = "desk_queue"
"""Cases on the agents' list, the most urgent and then the earliest due with the highest score."""
AGENTS: Final = "desk_agents"
DESK: Final = "desk"
"""The one owner of both."""
NAMES: Final = (QUEUE, AGENTS)

_SECONDS: Final = 2**34
"""More than any due time we will see: a rank weighs more than a time."""


def places(entry: Entry) -> Iterable[Place]:
    """What one fact does to the lists. Pure."""
    fact = entry.fact
    if isinstance(fact, f.CaseFact) and CANARYS in fact.case:
        return  # nobody is to see it
    match fact:
        case f.TriggerQueued():
            help_ = fact.case.split(".")[-2:-1] == ["help"]
            rank = 0 if help_ else len(LEVELS) - LEVELS.index(fact.severity)
            score = -(rank * _SECONDS + fact.due.timestamp())
            yield Place(QUEUE, DESK, fact.case, score)
        case (
            f.TriggerLeased()
            | f.TriggerOffered()
            | f.TriggerScheduled()
            | f.TriggerBooked()
            | f.TriggerUnreached()
            | f.TriggerDeclined()
            | f.TriggerSuppressed()
            | f.TriggerEnded()
        ):
            yield Place(QUEUE, DESK, fact.case, None)
        case f.AgentMade():
            yield Place(AGENTS, DESK, fact.agent, fact.at.timestamp())
        case f.AgentRemoved():
            yield Place(AGENTS, DESK, fact.agent, None)
        case PersonErased():
            yield Place(AGENTS, DESK, named_after("agt", fact.person), None)
        case _:
            pass
