"""The lives of a trigger, a slot and an appointment: the only place where a step is allowed. Tables, pure.

A case has exactly one trigger, from the moment it opens and at every severity; severity and the owner's choice only
decide where it starts. Every open case is in exactly one of these states, and each of them has somebody who looks.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import ClassVar, Final, TypeVar

from spine.facts import maintenance as f
from spine.facts.base import Base
from spine.problems import Kind, Problem


class TriggerState(StrEnum):
    """``scheduled``: comes back to the list by itself. ``ended``: its case is closed."""

    NEW = "new"
    QUEUED = "queued"
    LEASED = "leased"
    SCHEDULED = "scheduled"
    OFFERED = "offered"
    BOOKED = "booked"
    UNREACHED = "unreached"
    DECLINED = "declined"
    SUPPRESSED = "suppressed"
    ENDED = "ended"


class SlotState(StrEnum):
    """``held``: for one case, until its time is over."""

    NEW = "new"
    FREE = "free"
    HELD = "held"
    BOOKED = "booked"
    WITHDRAWN = "withdrawn"


class AppointmentState(StrEnum):
    """``received``: the car is at the garage."""

    NEW = "new"
    BOOKED = "booked"
    RECEIVED = "received"
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    DONE = "done"


T, S, A = TriggerState, SlotState, AppointmentState

WAITING: Final = frozenset({T.QUEUED, T.SCHEDULED, T.OFFERED, T.UNREACHED, T.DECLINED, T.SUPPRESSED})
"""Open, and nobody has it at this moment."""
OPEN: Final = WAITING | {T.LEASED, T.BOOKED}
"""One of these for every open case."""

_Row = tuple[Iterable[StrEnum], type[Base], StrEnum | None]
"""From these states, by this fact, to that state; None: it stays where it is."""

_TRIGGER: Final[tuple[_Row, ...]] = (
    ({T.NEW}, f.CaseOpened, None),
    ({T.NEW} | OPEN, f.TriggerOffered, T.OFFERED),  # leased too: somebody on the phone wants no calls
    ({T.NEW, T.ENDED} | OPEN, f.TriggerQueued, T.QUEUED),
    ({T.QUEUED}, f.TriggerLeased, T.LEASED),
    ({T.LEASED}, f.TriggerLeased, T.LEASED),  # renewed under another name: a contact center claimed it
    ({T.QUEUED, T.LEASED, T.SCHEDULED, T.BOOKED}, f.TriggerScheduled, T.SCHEDULED),
    (OPEN, f.TriggerBooked, T.BOOKED),
    ({T.LEASED, T.SCHEDULED, T.QUEUED}, f.TriggerUnreached, T.UNREACHED),
    (OPEN, f.TriggerDeclined, T.DECLINED),
    ({T.NEW} | OPEN, f.TriggerSuppressed, T.SUPPRESSED),
    (OPEN, f.TriggerEnded, T.ENDED),
    ({T.ENDED}, f.CaseReopened, None),
    ({T.ENDED}, f.TriggerOffered, T.OFFERED),
    ({T.ENDED}, f.TriggerBooked, T.BOOKED),
    ({T.ENDED}, f.TriggerUnreached, T.UNREACHED),
    ({T.ENDED}, f.TriggerDeclined, T.DECLINED),
    ({T.ENDED}, f.TriggerSuppressed, T.SUPPRESSED),
    (OPEN, f.CaseReprioritised, None),
    ({T.BOOKED, T.UNREACHED}, f.CaseToldAgain, None),
    (OPEN, f.CaseClosed, None),
    ({T.QUEUED}, f.TriggerBreached, None),
    ({T.LEASED, T.BOOKED}, f.CallMade, None),  # booked while the call went on
    (OPEN | {T.ENDED}, f.CaseSeen, None),
    (OPEN | {T.ENDED}, f.CaseActed, None),
)

_SLOT: Final[tuple[_Row, ...]] = (
    ({S.NEW, S.WITHDRAWN}, f.SlotPublished, S.FREE),
    ({S.FREE}, f.SlotHeld, S.HELD),
    ({S.HELD}, f.SlotHeld, None),  # the same case once more: its hold is longer now
    ({S.HELD, S.FREE}, f.SlotBooked, S.BOOKED),
    ({S.HELD, S.BOOKED}, f.SlotFreed, S.FREE),
    ({S.FREE}, f.SlotWithdrawn, S.WITHDRAWN),
)

_APPOINTMENT: Final[tuple[_Row, ...]] = (
    ({A.NEW}, f.AppointmentBooked, A.BOOKED),
    ({A.BOOKED}, f.AppointmentMoved, None),
    ({A.BOOKED}, f.AppointmentCancelled, A.CANCELLED),
    ({A.BOOKED}, f.AppointmentNoShow, A.NO_SHOW),
    ({A.BOOKED}, f.AppointmentReceived, A.RECEIVED),
    ({A.BOOKED, A.RECEIVED}, f.AppointmentDone, A.DONE),
)


def _spread(rows: Iterable[_Row]) -> Iterator[tuple[tuple[StrEnum, type[Base]], StrEnum]]:
    for before, fact, after in rows:
        for state in before:
            yield (state, fact), after or state


TRIGGER: Final[Mapping[tuple[StrEnum, type[Base]], StrEnum]] = dict(_spread(_TRIGGER))
SLOT: Final[Mapping[tuple[StrEnum, type[Base]], StrEnum]] = dict(_spread(_SLOT))
APPOINTMENT: Final[Mapping[tuple[StrEnum, type[Base]], StrEnum]] = dict(_spread(_APPOINTMENT))


State = TypeVar("State", bound=StrEnum)


class StepNotAllowed(Problem):
    """What was asked or has happened does not fit the state that the case, slot or appointment is in."""

    code: ClassVar[str] = "maintenance.not_in_this_state"
    kind: ClassVar[Kind] = Kind.CONFLICT


def follows(state: StrEnum, fact: Base) -> bool:
    """Whether a table has this step; what is read twice, or comes too late, simply has none."""
    return any((state, type(fact)) in table for table in _tables(state))


def step(state: State, *happened: Base) -> State:
    """The state after these facts in order. Raises ``StepNotAllowed`` where the table has no such step."""
    for fact in happened:
        found = next(
            (table[state, type(fact)] for table in _tables(state) if (state, type(fact)) in table), None
        )
        if found is None:
            raise StepNotAllowed(f"{type(fact).__name__} does not follow {state}")
        state = type(state)(found)
    return state


def _tables(state: StrEnum) -> Iterable[Mapping[tuple[StrEnum, type[Base]], StrEnum]]:
    match state:
        case TriggerState():
            return (TRIGGER,)
        case SlotState():
            return (SLOT,)
        case _:
            return (APPOINTMENT,)
