"""Who looked at a case and what they did, from the log: for the car's owner, and for supervisors."""

from datetime import timedelta
from typing import Final

from pydantic import AwareDatetime

from maintenance.model import Frozen, Read
from spine.facts.maintenance import CallMade, CaseActed, CaseFact, CaseSeen, TriggerLeased
from spine.ids import partition_of
from spine.log import Log

_GRACE: Final = timedelta(minutes=1)


class Entry(Frozen):
    """``by``: an agent or a contact center. ``what``: ``claimed``, ``seen``, ``called: busy``, or the act's name."""

    at: AwareDatetime
    by: str
    what: str


async def trail(log: Log, read: Read) -> list[Entry]:
    """Everything that people did to a case, oldest first; as far back as the log is kept."""
    begins = f"{max(0, int((read.body.opened_at - _GRACE).timestamp() * 1000))}-0"
    found: list[Entry] = []
    async for entry in log.entries(partition_of(read.id), begins, mentioning=[read.id]):
        fact = entry.fact
        if isinstance(fact, CaseFact) and fact.case == read.id:
            what = _what(fact)
            if what is not None:
                found.append(Entry(at=fact.at, by=what[0], what=what[1]))
    return found


def _what(fact: CaseFact) -> tuple[str, str] | None:
    match fact:
        case TriggerLeased():
            return fact.by, "claimed"
        case CaseSeen():
            return fact.by, "seen"
        case CaseActed():
            return fact.by, fact.act
        case CallMade():
            return fact.by, f"called: {fact.disposition}"
        case _:
            return None
