"""What an agent hears instead of what they asked for. Codes are public and never renamed."""

from datetime import datetime
from typing import Any, ClassVar

from spine.ids import CaseId
from spine.problems import Kind, Problem


class CaseTaken(Problem):
    """Somebody else has it, or it is not on the list any more. ``next``: the case that is best taken instead."""

    code: ClassVar[str] = "desk.taken"
    kind: ClassVar[Kind] = Kind.CONFLICT

    def __init__(self, detail: str, following: CaseId | None = None) -> None:
        super().__init__(detail)
        self.members: dict[str, Any] = {"next": following}


class NothingToDo(Problem):
    """No case waits for this agent now."""

    code: ClassVar[str] = "desk.empty"
    kind: ClassVar[Kind] = Kind.NOT_FOUND
    try_again: ClassVar[bool] = True


class LeaseLost(Problem):
    """This agent does not have the case (any more): nothing was changed. What was written is not saved by this."""

    code: ClassVar[str] = "desk.lease_lost"
    kind: ClassVar[Kind] = Kind.CONFLICT


class DraftStale(Problem):
    """Another screen saved meanwhile: here is what stands, and nothing was overwritten."""

    code: ClassVar[str] = "desk.draft_stale"
    kind: ClassVar[Kind] = Kind.CONFLICT

    def __init__(self, draft_n: int, answers: dict[str, str], note: str) -> None:
        super().__init__("Answers and note were saved from elsewhere meanwhile.")
        self.members: dict[str, Any] = {"draft_n": draft_n, "answers": answers, "note": note}


class NoSuchQuestion(Problem):
    """An answer to a question that is not in this case's script."""

    code: ClassVar[str] = "desk.question"
    kind: ClassVar[Kind] = Kind.INVALID


class NotNow(Problem):
    """This person may not be called now. ``next``: when they may be."""

    code: ClassVar[str] = "desk.window_closed"
    kind: ClassVar[Kind] = Kind.CONFLICT

    def __init__(self, detail: str, following: datetime | None = None) -> None:
        super().__init__(detail)
        self.members: dict[str, Any] = {"next": None if following is None else following.isoformat()}


class CalledToday(NotNow):
    """This person has had their one call of the day, over all cases."""

    code: ClassVar[str] = "desk.called_today"


class CallsUsed(Problem):
    """This case has had all the calls it may have."""

    code: ClassVar[str] = "desk.calls_used"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoPhone(Problem):
    """No number is known that may be called about this."""

    code: ClassVar[str] = "desk.no_phone"
    kind: ClassVar[Kind] = Kind.CONFLICT


class DialFirst(Problem):
    """This outcome is one of a call, and none was made."""

    code: ClassVar[str] = "desk.dial_first"
    kind: ClassVar[Kind] = Kind.CONFLICT


class OutcomeUnfit(Problem):
    """This outcome does not go with this kind of case, or what it needs is missing."""

    code: ClassVar[str] = "desk.outcome"
    kind: ClassVar[Kind] = Kind.INVALID


class NotBooked(Problem):
    """No appointment is booked for this case: book a slot first."""

    code: ClassVar[str] = "desk.not_booked"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoHelpHere(Problem):
    """Help is for a real delivery into a car: here is none (a test delivery plays by itself)."""

    code: ClassVar[str] = "help.nothing"
    kind: ClassVar[Kind] = Kind.CONFLICT
