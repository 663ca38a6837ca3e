"""One fact at its place in the log, and how places compare."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, cast

from pydantic import ValidationError

from spine.facts import FACT, Fact
from spine.facts.base import Base

START: Final = "0-0"
"""The position before every entry."""


class Unreadable(Base):
    """What stands in for a fact this version cannot read: its bytes, the kind and subject it claims."""

    about: ClassVar[str] = "claimed_subject"
    kind: Literal["unreadable"] = "unreadable"
    claimed_kind: str
    claimed_subject: str
    raw: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One fact at its place. ``position`` orders within a partition (``order``), never across."""

    partition: int
    position: str
    fact: Fact

    @property
    def readable(self) -> bool:
        """False where ``fact`` is an ``Unreadable``."""
        return not isinstance(cast("object", self.fact), Unreadable)

    @property
    def kind(self) -> str:
        """The fact's kind; of an unreadable one, the kind it claims."""
        fact: Any = self.fact
        return str(fact.claimed_kind if isinstance(fact, Unreadable) else fact.kind)


def order(position: str) -> tuple[int, int]:
    """A position as numbers that compare."""
    ms, _, seq = position.partition("-")
    return int(ms), int(seq)


def entry_of(partition: int, position: str, raw: str) -> Entry:
    """Read a stored fact. One that cannot be read becomes ``Unreadable``: a reader parks it, nothing dies."""
    fact: Any
    try:
        fact = FACT.validate_json(raw)
    except ValidationError:
        fact = _unreadable(position, raw)
    return Entry(partition, position, fact)


def _unreadable(position: str, raw: str) -> Unreadable:
    at = datetime.fromtimestamp(order(position)[0] / 1000, UTC)
    kind, subject = "unreadable", position
    try:
        claims = json.loads(raw)
    except ValueError:
        claims = None
    if isinstance(claims, dict):
        kind = str(claims.get("kind", kind))
        for name in ("key", "command", "delivery", "vehicle", "person", "carrier"):
            if isinstance(claims.get(name), str):
                subject = claims[name]
                break
    return Unreadable(at=at, claimed_kind=kind, claimed_subject=subject, raw=raw)
