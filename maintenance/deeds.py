"""What of a case's facts is an act of somebody, for the car's owner to see. Pure."""

from collections.abc import Iterable

from maintenance.model import Deed
from spine.facts.base import Base
from spine.facts.maintenance import CallMade, CaseActed, CaseSeen, TriggerLeased


def deeds_in(facts: Iterable[Base]) -> list[Deed]:
    """One for each fact that tells of somebody's look, act or call."""
    return [deed for fact in facts if (deed := _deed(fact)) is not None]


def _deed(fact: Base) -> Deed | None:
    match fact:
        case TriggerLeased():
            return Deed(at=fact.at, by=fact.by, what="claimed")
        case CaseSeen():
            return Deed(at=fact.at, by=fact.by, what="seen")
        case CaseActed():
            return Deed(at=fact.at, by=fact.by, what=fact.act)
        case CallMade():
            return Deed(at=fact.at, by=fact.by, what=f"called: {fact.disposition}")
        case _:
            return None
