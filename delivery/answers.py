"""The answer a courier reads: what became of what was asked of the car, and what may be done about it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from delivery.model import Read
from delivery.states import State
from spine.facts.keys import (
    BootClosed,
    BootIndeterminate,
    BootLeftOpen,
    BootLocked,
    BootNotLifted,
    BootOpened,
)
from spine.facts.vehicle import CommandExpired, CommandRefused, CommandUndeliverable
from spine.log import Entry

OVER_FOR_GOOD: Final = frozenset({"revoked", "expired", "already_used"})
"""Refusals that end the life (delivery.md); every other one consumed nothing and may be tried again."""

UNTOLD: Final = frozenset({"internal", "may_have_opened"})
"""Answers of a car after which nobody knows: only its receipts can say what happened."""

BOOT: Final = (BootOpened, BootNotLifted, BootClosed, BootLocked, BootLeftOpen, BootIndeterminate)

Word = Literal["opened", "refused", "not_sent", "unsure", "pending", "done"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of something asked of the car. ``pending``: not known yet, look at the job later.

    ``receipt``: number and hash of the car's verified receipt. ``may_have_happened`` and ``try_again`` are
    never guessed: ``refused`` and ``not_sent`` opened nothing, ``unsure`` and ``pending`` may have.
    """

    outcome: Word
    code: str = ""
    at: datetime | None = None
    receipt: tuple[int, str] | None = None

    @property
    def may_have_happened(self) -> bool:
        return self.outcome in {"opened", "done", "unsure", "pending"}

    @property
    def try_again(self) -> bool:
        return self.outcome == "not_sent" or (self.outcome == "refused" and self.code not in OVER_FOR_GOOD)


def answer_of(read: Read) -> Answer | None:
    """What the delivery itself knows of its newest attempt; None while that is on its way."""
    body = read.body
    match read.state:
        case State.OPEN | State.CLOSED | State.LEFT_OPEN | State.DELIVERED:
            return Answer("opened", at=body.opened_at)
        case State.UNSURE:
            return Answer("unsure")
        case State.ARRIVED | State.REFUSED if body.refusal is not None:
            word: Word = "not_sent" if body.refusal == "not_sent" else "refused"
            return Answer(word, body.refusal)
        case State.OPENING:
            return None
        case _:
            return Answer("opened", at=body.opened_at) if body.opened_at else Answer("unsure")


def answer_by(entry: Entry) -> Answer:
    """The answer that a fact of the log gives."""
    fact = entry.fact
    match fact:
        case BootOpened() | BootNotLifted() | BootClosed() | BootLocked() | BootLeftOpen():
            return Answer("opened", at=fact.unit_at or fact.at, receipt=(fact.n, fact.receipt_hash))
        case BootIndeterminate():
            return Answer("unsure", "indeterminate", at=fact.at, receipt=(fact.n, fact.receipt_hash))
        case CommandRefused() if fact.code in UNTOLD:
            return Answer("unsure", fact.code, at=fact.at)
        case CommandRefused():
            return Answer("refused", fact.code, at=fact.at)
        case CommandExpired() | CommandUndeliverable():
            return Answer("not_sent", "not_sent", at=fact.at)
        case _:
            return Answer("unsure", at=fact.at)
