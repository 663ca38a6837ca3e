"""The life of a key as one table: which fact may follow in which state, and what it leads to."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from spine.facts.keys import KeyDestroyed, KeyFact


class State(StrEnum):
    """Where a key stands. A late receipt may still correct ``expired``, ``confirmed`` and ``withdrawn``."""

    NEW = "new"
    DRAFT = "draft"
    ISSUED = "issued"
    SIGNED = "signed"
    HANDED_OUT = "handed_out"
    REVOKING = "revoking"
    CONSUMED = "consumed"
    INDETERMINATE = "indeterminate"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    LAPSED = "lapsed"


LIVE: Final = frozenset({State.DRAFT, State.ISSUED, State.SIGNED, State.HANDED_OUT, State.REVOKING})
"""States in which the key may open now or later, or may yet be signed (a draft: by its owner, then by us)."""

HOW: Final[Mapping[State, str]] = {
    State.CONSUMED: "consumed",
    State.INDETERMINATE: "indeterminate",
    State.CONFIRMED: "confirmed_by_car",
    State.WITHDRAWN: "never_handed_out",
    State.EXPIRED: "expired",
    State.LAPSED: "lapsed",
}
"""How a key that is over came to be so."""

_S = State
_BOOT: Final = ("boot.opened", "boot.not_lifted", "boot.closed", "boot.locked", "boot.left_open")
_MAY_HAVE_BEEN_USED: Final = (
    _S.SIGNED, _S.HANDED_OUT, _S.REVOKING, _S.CONFIRMED, _S.WITHDRAWN, _S.EXPIRED,
)  # fmt: skip
"""A token existed: what the car's receipt says is true, even where it should not be possible."""

STEPS: Final[Mapping[tuple[State, str], State]] = {
    (_S.NEW, "key.drafted"): _S.DRAFT,
    (_S.DRAFT, "key.issued"): _S.ISSUED,
    (_S.DRAFT, "key.lapsed"): _S.LAPSED,
    (_S.DRAFT, "key.destroyed never_handed_out"): _S.WITHDRAWN,
    (_S.NEW, "key.issued"): _S.ISSUED,
    (_S.NEW, "key.lapsed"): _S.LAPSED,
    (_S.ISSUED, "key.signed"): _S.SIGNED,
    (_S.ISSUED, "key.lapsed"): _S.LAPSED,
    (_S.ISSUED, "key.destroyed never_handed_out"): _S.WITHDRAWN,
    (_S.SIGNED, "key.handed_out"): _S.HANDED_OUT,
    (_S.SIGNED, "key.destroyed never_handed_out"): _S.WITHDRAWN,
    (_S.SIGNED, "key.destroyed expired"): _S.EXPIRED,
    (_S.HANDED_OUT, "key.revoked"): _S.REVOKING,
    (_S.HANDED_OUT, "key.destroyed expired"): _S.EXPIRED,
    (_S.REVOKING, "key.destroyed confirmed_by_car"): _S.CONFIRMED,
    (_S.REVOKING, "key.destroyed expired"): _S.EXPIRED,
    **{(state, "key.consumed"): _S.CONSUMED for state in _MAY_HAVE_BEEN_USED},
    **{(state, "boot.indeterminate"): _S.INDETERMINATE for state in (*_MAY_HAVE_BEEN_USED, _S.CONSUMED)},
    **{(state, "key.refused"): state for state in (*_MAY_HAVE_BEEN_USED, _S.CONSUMED, _S.INDETERMINATE)},
    **{(state, kind): state for state in (_S.CONSUMED, _S.INDETERMINATE) for kind in _BOOT},
    (_S.CONSUMED, "key.destroyed consumed"): _S.CONSUMED,
    (_S.INDETERMINATE, "key.destroyed indeterminate"): _S.INDETERMINATE,
}


class NotAllowed(Exception):
    """The table has no such step: the fact contradicts what is known of the key."""


def event(fact: KeyFact) -> str:
    """How the table names a fact: its kind, and for ``key.destroyed`` also the way."""
    return f"{fact.kind} {fact.how}" if isinstance(fact, KeyDestroyed) else fact.kind


def step(state: State, fact: KeyFact) -> State:
    """The state after ``fact``. Raises ``NotAllowed``."""
    try:
        return STEPS[state, event(fact)]
    except KeyError:
        raise NotAllowed(f"{event(fact)} in {state}") from None
