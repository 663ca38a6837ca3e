"""What goes into queues and comes out of them. Times are unix milliseconds, as the store keeps them.

What there is one of for each try is not frozen: frozen ones take three times as long to make.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

What = Literal["done", "again", "back", "dead"]


@dataclass(slots=True)
class Claimed:
    """A leased message. ``n``: tries begun with this one; ``version``: that of the address' subject."""

    partition: int
    address: str
    version: str
    id: str
    n: int
    body: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the store keeps of an address for its senders. ``version``: to be seen again when it is changed."""

    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What one partition gave. ``wait_ms``: until there may be more; None where nothing waits."""

    messages: Sequence[Claimed]
    health: dict[str, Health]
    wait_ms: int | None


@dataclass(slots=True)
class Settled:
    """What one try came to. ``token``: of its lease. ``due_ms``: when again. ``row``: JSON, empty where none.

    ``fact``: JSON for the log, committed with it. ``keep_ms``: how long an ended message is kept.
    """

    address: str
    id: str
    token: str
    what: What
    row: str
    due_ms: int = 0
    fact: str = ""
    keep_ms: int = 0


@dataclass(frozen=True, slots=True)
class HealthChange:
    """What an address' health becomes, if nobody else changed it. ``cap``: None: the common one."""

    address: str
    version: str
    text: str
    hold_ms: int
    cap: int | None
    facts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A message as it stands. ``state``: ``pending``, ``done``, ``dead``, ``withdrawn``. ``due_ms``: its next try."""

    id: str
    address: str
    state: str
    body: str
    n: int
    due_ms: int | None
    leased: bool
    last_row: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``position``: its place in the address' rows, also the cursor of what is older."""

    position: str
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much an address holds: ``behind`` waits for the head of its order."""

    waiting: int
    in_flight: int
    behind: int
    dead: int
    oldest_due_ms: int | None
    hold_ms: int
    health: Health


@dataclass(frozen=True, slots=True)
class Wish:
    """What a sender wants of a partition: at most so many, each for the length of a lease.

    ``cap``: on the wire at once of an address that has no cap of its own. ``aside``: an address that has a room of
    its own in this sender, and how much of it is free; ``only_aside``: nothing but that.
    """

    sender: str
    most: int
    lease: timedelta
    cap: int
    aside: str = ""
    aside_room: int = 0
    only_aside: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """A message to be taken. ``delivery``, ``vehicle``: what it is about, for an address that asked for order."""

    partition: int
    address: str
    message: str
    body: str
    delivery: str = ""
    vehicle: str = ""
