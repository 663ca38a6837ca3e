"""One fact at its place in the log, and how places compare."""

import json
import re
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, cast

from pydantic import ValidationError

from spine.facts import FACT, Fact
from spine.facts.base import Base

START: Final = "0-0"
"""The position before every entry."""
_KIND: Final = re.compile(
    r'\{(?:"[a-z_]+":(?:"[^"\\]*"|[0-9.-]+|true|false|null),)*"kind":"([a-z_.]+)"[,}]', re.ASCII
)
"""How facts are written: only plain members stand before the kind. What stands otherwise is read as a whole."""


class Unreadable(Base):
    """What stands in for a fact this version cannot read: its bytes, the kind and subject it claims."""

    about: ClassVar[str] = "claimed_subject"
    kind: Literal["unreadable"] = "unreadable"
    claimed_kind: str
    claimed_subject: str
    raw: str


class Entry:
    """One fact at its place. ``position`` orders within a partition (``order``), never across.

    The fact is read when it is first asked for: of most entries most readers need only the kind.
    """

    __slots__ = ("_fact", "_raw", "partition", "position")

    def __init__(self, partition: int, position: str, fact: Fact | None, raw: str = "") -> None:
        self.partition = partition
        self.position = position
        self._fact = fact
        self._raw = raw

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (self.partition, self.position, self.fact) == (other.partition, other.position, other.fact)

    def __hash__(self) -> int:
        return hash((self.partition, self.position))

    def __repr__(self) -> str:
        return f"Entry({self.partition}, {self.position!r}, {self.kind})"

    @property
    def fact(self) -> Fact:
        """What happened. One that this version cannot read is an ``Unreadable``."""
        if self._fact is None:
            self._fact = _fact_of(self.position, self._raw)
        return self._fact

    @property
    def readable(self) -> bool:
        """False where ``fact`` is an ``Unreadable``."""
        return not isinstance(cast("object", self.fact), Unreadable)

    @property
    def kind(self) -> str:
        """The fact's kind; of an unreadable one, the kind it claims."""
        if self._fact is None and (claimed := _KIND.match(self._raw)) is not None:
            return claimed[1]
        fact: Any = self.fact
        return str(fact.claimed_kind if isinstance(fact, Unreadable) else fact.kind)


def order(position: str) -> tuple[int, int]:
    """A position as numbers that compare."""
    ms, _, seq = position.partition("-")
    return int(ms), int(seq)


def entry_of(partition: int, position: str, raw: str) -> Entry:
    """A stored fact. One that cannot be read becomes ``Unreadable``: a reader parks it, nothing dies."""
    return Entry(partition, position, None, raw)


def _fact_of(position: str, raw: str) -> Fact:
    fact: Any
    try:
        fact = FACT.validate_json(raw)
    except ValidationError:
        fact = _unreadable(position, raw)
    return cast("Fact", fact)


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
