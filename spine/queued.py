"""What goes into queues and comes out of them. Times are unix milliseconds, as the store keeps them.

What there is one of for each try is not frozen: frozen ones take three times as long to make.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Literal

What = Literal["done", "again", "back", "dead"]


@dataclass(slots=True)
class Claimed:
    """A leased message. ``n``: tries begun with this one; ``version``: that of the address' subject.

    ``lease``: leases ever given of it, with this one. A resend counts tries anew, never leases.
    """

    partition: int
    address: str
    version: str
    id: str
    n: int
    lease: int
    body: str


def token_of(sender: str, lease: int) -> str:
    """What a sender shows to settle a lease: no other lease of the message ever has the same."""
    return f"{sender}:{lease}"


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
    """What an address' health becomes, if nobody else changed it. ``cap``: None: the common one.

    ``mark``: of this change and no other of its sender; sent again under it, it is saved once. ``first``: it may be
    the first thing that is known of the address; else one of which nothing is known was erased, and stays so.
    """

    address: str
    version: str
    text: str
    hold_ms: int
    cap: int | None
    mark: int
    first: bool = False
    facts: Sequence[str] = ()


class Became(StrEnum):
    """What became of a change of health."""

    SAVED = "saved"
    BEFORE = "before"
    """Saved already: the answer was lost, and it was sent again."""
    OVERTAKEN = "overtaken"
    """Somebody else changed it meanwhile: nothing was saved."""
    ERASED = "erased"
    """The address was erased: there is nothing to be healthy any more."""


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
