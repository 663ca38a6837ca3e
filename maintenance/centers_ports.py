"""What handing out needs of others: windows and caps, dispositions, bookings, addresses and the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from maintenance.model import Calls, Read, Trigger
from maintenance.service import Turn
from spine.facts import Fact
from spine.ids import CaseId, EndpointId, PersonId, SlotId, VehicleId
from spine.store import Ack, Saved
from webhooks.messages import Message, Outgoing


class Received(Protocol):
    """An entry of the log with its acknowledgement."""

    @property
    def fact(self) -> Fact: ...

    @property
    def position(self) -> str: ...

    @property
    def ack(self) -> Ack | None: ...


class Window(Protocol):
    """When somebody may be called about a case."""

    def opens(self, read: Read, calls: Calls, now: datetime) -> datetime:
        """``now``, or the next moment."""

    def closes(self, read: Read, calls: Calls, now: datetime) -> datetime | None:
        """The end of the window that is open now; None: the case may be called about at any hour."""


class Days(Protocol):
    """A person's calls of a day, over all cases and whoever makes them; the scarce thing, so it is taken first."""

    async def take(self, read: Read, calls: Calls, now: datetime) -> datetime | None:
        """None: it is this case's; else when it may be asked for again. The same case again: None."""

    async def look(self, person: PersonId) -> None:
        """Compare it with the case that has it: whoever took it there may have gone on."""

    async def give_back(self, read: Read, person: PersonId, now: datetime) -> None:
        """Nobody called about this case after all."""

    async def spend(self, read: Read, person: PersonId, now: datetime) -> None:
        """The person may have been called: nobody calls them again today."""


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a call, as whoever made it says; ``note`` and ``answers`` go to the case and nowhere else."""

    disposition: str
    by: str
    at: datetime
    person: PersonId
    callback_at: datetime | None = None
    note: str = field(default="", repr=False)
    answers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Conclude(Protocol):
    """The table of dispositions, the own desk's and everybody's. Pure.

    Of a case that is leased. ``saved``: the subjects that ``also`` named. Raises a ``Problem`` where it does not fit.
    """

    def also(self, vehicle: VehicleId) -> Sequence[str]: ...

    def handed(self, read: Read, calls: Calls, by: str, now: datetime) -> Trigger:
        """The trigger once ``by`` was given the person's number."""

    def undone(self, trigger: Trigger, by: str) -> Trigger:
        """The trigger where ``by`` reports no call any more."""

    def __call__(self, read: Read, said: Said, saved: Mapping[str, Saved], now: datetime) -> Turn: ...


class Book(Protocol):
    """Takes a slot for a case; the appointment follows. Raises a ``Problem`` where the slot is gone."""

    async def __call__(self, case: CaseId, slot: SlotId, *, by: str) -> None: ...


class Endpoints(Protocol):
    """Where a center hears."""

    async def for_subscriber(self, subscriber: str, type_: str) -> list[EndpointId]: ...


class Engine(Protocol):
    """Signed webhooks and mail."""

    async def queue(self, message: Outgoing, *, ack: Ack | None = None, bounded: bool = False) -> bool: ...

    async def withdraw(self, message: str, *, ack: Ack | None = None) -> bool: ...

    async def view(self, message: str) -> Message: ...


class Owners(Protocol):
    """Who owns a car now."""

    async def owners_of(self, vehicle: VehicleId, *, now: datetime) -> list[PersonId]: ...
