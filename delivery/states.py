"""The life of a delivery: the only place where a step is allowed. The docs' diagram is printed from it."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import ClassVar, Final

from spine.facts import delivery as facts
from spine.facts.base import Base
from spine.facts.delivery import OpeningRefused
from spine.problems import Kind, Problem


class State(StrEnum):
    """``unsure``: the boot may be open; owner and carrier know. ``refused``: the car said no for good."""

    NEW = "new"
    REQUESTED = "requested"
    UNUSABLE = "unusable"
    ASKED = "asked"
    APPROVED = "approved"
    KEYED = "keyed"
    EN_ROUTE = "en_route"
    ARRIVED = "arrived"
    OPENING = "opening"
    OPEN = "open"
    CLOSED = "closed"
    DELIVERED = "delivered"
    UNSURE = "unsure"
    LEFT_OPEN = "left_open"
    DECLINED = "declined"
    EXPIRED = "expired"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    FAILED = "failed"
    RESCHEDULED = "rescheduled"


class Act(StrEnum):
    """What a person may ask for; which states take it is said in ``ACTS``."""

    JOIN = "join"
    DECIDE = "decide"
    BLOCK = "block"
    EXTEND = "extend"
    MOVE_PLACE = "move_place"
    CANCEL = "cancel"
    RESCHEDULE = "reschedule"
    ASSIGN = "assign"
    SEE = "see"
    SET_OUT = "set_out"
    ARRIVE = "arrive"
    CHALLENGE = "challenge"
    OPEN = "open"
    LOCK = "lock"
    FLASH = "flash"
    PHOTO = "photo"
    FAIL = "fail"
    AGAIN = "again"
    DONE = "done"


S = State

BEFORE_ANSWER: Final = frozenset({S.REQUESTED, S.ASKED})
UNDER_WAY: Final = frozenset({S.APPROVED, S.KEYED, S.EN_ROUTE, S.ARRIVED})
"""Approved, and the lock has not been asked to move."""
AT_THE_CAR: Final = frozenset({S.OPENING, S.OPEN, S.CLOSED, S.UNSURE, S.LEFT_OPEN})
ENDS: Final = frozenset(
    {
        S.UNUSABLE,
        S.DECLINED,
        S.EXPIRED,
        S.BLOCKED,
        S.CANCELLED,
        S.REFUSED,
        S.FAILED,
        S.RESCHEDULED,
        S.DELIVERED,
    }
)
"""States after which nothing more is expected; ``unsure`` too, once its key is dead (``delivery.ended``)."""

_OPENABLE: Final = (UNDER_WAY | AT_THE_CAR | ENDS) - {S.UNUSABLE, S.DECLINED, S.DELIVERED}
"""A verified receipt is the truth, also when it comes late, after a block, a cancellation or an expiry."""

_Row = tuple[frozenset[State], type[Base], State | None]
"""From these states, by this fact, to that state; None: it stays where it is."""

_ROWS: Final[tuple[_Row, ...]] = (
    (frozenset({S.NEW}), facts.DeliveryRequested, S.REQUESTED),
    (BEFORE_ANSWER, facts.ParcelAdded, None),
    (BEFORE_ANSWER | UNDER_WAY, facts.ParcelWithdrawn, None),
    (BEFORE_ANSWER, facts.DeliveryUnusable, S.UNUSABLE),
    (frozenset({S.REQUESTED}), facts.DeliveryAsked, S.ASKED),
    (frozenset({S.ASKED}), facts.DeliveryApproved, S.APPROVED),
    (frozenset({S.ASKED}), facts.DeliveryDeclined, S.DECLINED),
    (BEFORE_ANSWER | UNDER_WAY, facts.DeliveryExpired, S.EXPIRED),
    (frozenset({S.ASKED, S.OPENING, S.UNSURE}) | UNDER_WAY, facts.DeliveryBlocked, S.BLOCKED),
    (BEFORE_ANSWER | UNDER_WAY, facts.DeliveryCancelled, S.CANCELLED),
    (BEFORE_ANSWER | UNDER_WAY | {S.FAILED}, facts.DeliveryRescheduled, S.RESCHEDULED),
    # before the answer a courier is only named; after it, another one makes a key necessary anew
    (BEFORE_ANSWER, facts.CourierAssigned, None),
    (UNDER_WAY, facts.CourierAssigned, S.APPROVED),
    (UNDER_WAY, facts.PlaceChanged, S.APPROVED),
    (UNDER_WAY, facts.DeliveryExtended, None),
    (frozenset({S.KEYED}), facts.OutOfPlace, None),
    (frozenset({S.APPROVED, S.KEYED}), facts.DeliveryKeyed, S.KEYED),
    (frozenset({S.EN_ROUTE, S.ARRIVED}), facts.DeliveryKeyed, None),  # a later part of the window
    (frozenset({S.CLOSED, S.UNSURE}), facts.DeliveryKeyed, S.ARRIVED),  # a replacement: it did not fit
    (frozenset({S.CLOSED, S.UNSURE}), facts.KeyWantedAgain, None),
    (frozenset({S.KEYED}), facts.CourierSetOut, S.EN_ROUTE),
    (frozenset({S.EN_ROUTE, S.ARRIVED}), facts.CourierArrived, S.ARRIVED),
    (frozenset({S.ARRIVED, S.UNSURE}), facts.OpeningStarted, S.OPENING),
    (_OPENABLE - {S.OPEN, S.CLOSED}, facts.DeliveryOpened, S.OPEN),
    (_OPENABLE - {S.CLOSED}, facts.DeliveryClosed, S.CLOSED),
    (_OPENABLE - {S.LEFT_OPEN, S.CLOSED}, facts.DeliveryLeftOpen, S.LEFT_OPEN),
    (_OPENABLE - {S.UNSURE, S.LEFT_OPEN}, facts.DeliveryUnsure, S.UNSURE),
    (frozenset({S.OPENING, S.UNSURE}), facts.OpeningRefused, S.ARRIVED),
    (frozenset({S.CLOSED}), facts.DeliveryDelivered, S.DELIVERED),
    (frozenset({S.KEYED, S.EN_ROUTE, S.ARRIVED, S.CLOSED, S.UNSURE}), facts.DeliveryFailed, S.FAILED),
    (frozenset({S.ARRIVED, S.DELIVERED, S.FAILED}) | AT_THE_CAR, facts.PhotoTaken, None),
    (ENDS | AT_THE_CAR | {S.ARRIVED}, facts.PhotoSeen, None),
    (frozenset({S.DECLINED, S.EXPIRED, S.REFUSED, S.FAILED}), facts.FallbackSeen, None),
    (ENDS, facts.CarrierDoubted, None),
    (frozenset({S.DECLINED}), facts.DeliveryDisowned, None),
    (ENDS | {S.UNSURE}, facts.DeliveryEnded, None),
)

FINAL: Final = "final"
"""The mark of a refusal that ends the life (`revoked`, `expired`, `already_used`)."""

_FINAL_ROWS: Final[tuple[_Row, ...]] = (
    (frozenset({S.OPENING, S.UNSURE, S.ARRIVED}), OpeningRefused, S.REFUSED),
)

Step = tuple[State, type[Base], str]


def _spread(rows: Iterable[_Row], mark: str) -> Iterator[tuple[Step, State]]:
    for before, fact, after in rows:
        for state in before:
            yield (state, fact, mark), after or state


STEPS: Final[Mapping[Step, State]] = dict([*_spread(_ROWS, ""), *_spread(_FINAL_ROWS, FINAL)])

ACTS: Final[Mapping[Act, frozenset[State]]] = {
    Act.JOIN: BEFORE_ANSWER,
    Act.DECIDE: frozenset({S.ASKED}),
    Act.BLOCK: frozenset({S.ASKED, S.OPENING, S.UNSURE}) | UNDER_WAY,
    Act.EXTEND: UNDER_WAY,
    Act.MOVE_PLACE: UNDER_WAY,
    Act.CANCEL: BEFORE_ANSWER | UNDER_WAY,
    Act.RESCHEDULE: BEFORE_ANSWER | UNDER_WAY | {S.FAILED},
    Act.ASSIGN: BEFORE_ANSWER | UNDER_WAY,
    Act.SEE: UNDER_WAY | AT_THE_CAR,
    Act.SET_OUT: frozenset({S.KEYED}),
    Act.ARRIVE: frozenset({S.EN_ROUTE, S.ARRIVED}),
    Act.CHALLENGE: frozenset({S.ARRIVED, S.UNSURE}),
    Act.OPEN: frozenset({S.ARRIVED, S.UNSURE}),
    Act.LOCK: frozenset({S.ARRIVED}) | AT_THE_CAR,
    Act.FLASH: frozenset({S.EN_ROUTE, S.ARRIVED}),
    Act.PHOTO: frozenset({S.ARRIVED, S.DELIVERED, S.FAILED}) | AT_THE_CAR,
    Act.FAIL: frozenset({S.KEYED, S.EN_ROUTE, S.ARRIVED, S.CLOSED, S.UNSURE}),
    Act.AGAIN: frozenset({S.CLOSED, S.UNSURE}),
    Act.DONE: frozenset({S.CLOSED}),
}


class StepNotAllowed(Problem):
    """What was asked or has happened does not fit the state the delivery is in."""

    code: ClassVar[str] = "delivery.not_in_this_state"
    kind: ClassVar[Kind] = Kind.CONFLICT


def _key(state: State, fact: Base) -> Step:
    mark = FINAL if isinstance(fact, OpeningRefused) and fact.final else ""
    return state, type(fact), mark


def follows(state: State, fact: Base) -> bool:
    """Whether the table has this step; what is read twice, or comes too late, simply has none."""
    return _key(state, fact) in STEPS


def step(state: State, *happened: Base) -> State:
    """The state after these facts in order. Raises ``StepNotAllowed`` where the table has no such step."""
    for fact in happened:
        try:
            state = STEPS[_key(state, fact)]
        except KeyError:
            raise StepNotAllowed(f"{type(fact).__name__} does not follow {state}") from None
    return state


def require(state: State, act: Act) -> None:
    """Raise ``StepNotAllowed`` where this state does not take the act."""
    if state not in ACTS[act]:
        raise StepNotAllowed(
            f"{act.replace('_', ' ')} is not possible: the delivery is {state.replace('_', ' ')}"
        )


def diagram() -> str:
    """The table as a Mermaid state diagram, rows in the order of the enum: docs are compared with it."""
    order = list(State)
    arrows = {
        (before, after, _name(fact, mark))
        for (before, fact, mark), after in STEPS.items()
        if before is not after
    }
    lines = ["stateDiagram-v2", "    [*] --> new"]
    for before, after, name in sorted(arrows, key=lambda a: (order.index(a[0]), order.index(a[1]), a[2])):
        lines.append(f"    {before} --> {after}: {name}")
    lines += [f"    {state} --> [*]" for state in order if state in ENDS]
    return "\n".join(lines) + "\n"


def _name(fact: type[Base], mark: str) -> str:
    kind = str(fact.model_fields["kind"].default)
    return f"{kind} ({mark})" if mark else kind
