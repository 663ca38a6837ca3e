"""A contact center's report of a case that it was handed, as it is signed: what it has to say, and how it is read. Pure."""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal, Self, get_args

from pydantic import AwareDatetime, Field, ValidationError, model_validator

from maintenance.centers_states import LIVE, Handout, Handouts, books, is_theirs, key_of, state_of
from maintenance.model import Frozen, Read
from spine.ids import CaseId, SlotId
from spine.problems import Kind, Problem
from spine.store import Saved

Disposition = Literal[
    "booked", "callback_at", "no_answer", "voicemail", "busy", "wrong_number", "declined_own_garage",
    "declined_not_now", "already_repaired", "sold_vehicle", "language", "do_not_call", "escalated_supervisor",
    "emergency",
]  # fmt: skip
"""As at the own desk."""
Status = Literal["accepted", "claimed", "in_progress", "rejected"] | Disposition
DISPOSITIONS: Final = frozenset(get_args(Disposition))


class ReportUnreadable(Problem):
    """The callback's body does not have the members that it needs."""

    code: ClassVar[str] = "center.report_unreadable"
    kind: ClassVar[Kind] = Kind.INVALID


class HandoutUnknown(Problem):
    """There is no such hand-out, or it is another contact center's: both are told alike."""

    code: ClassVar[str] = "center.handout_unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class About(Frozen):
    """Which hand-out is meant. ``idempotency_key``: as it was given with the case."""

    case: Annotated[CaseId, Field(pattern=r"^cse_[0-9a-hjkmnp-tv-z]{16}\.[a-z_]{1,32}\.[0-9]{1,6}$")]
    idempotency_key: Annotated[str, Field(pattern=r"^hnd_[0-9a-z._-]{1,100}$")]

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Raises ``ReportUnreadable``, which says where it is wrong and never what stood there."""
        try:
            return cls.model_validate_json(body)
        except ValidationError as cause:
            wrong = ", ".join(
                ".".join(str(part) for part in each["loc"]) or each["type"] for each in cause.errors()[:5]
            )
            raise ReportUnreadable(f"wrong or missing: {wrong}") from None

    def names(self, handout: Handout) -> bool:
        """Whether it is this hand-out of the case."""
        return key_of(self.case, handout.n) == self.idempotency_key

    def handout(self, body: Handouts | None, source: str) -> Handout:
        """The one it is about, if it is this center's. Raises ``HandoutUnknown``."""
        for each in body.handouts if body else ():
            if each.center == source and self.names(each):
                return each
        raise HandoutUnknown("there is no such hand-out")


class Report(About):
    """What a contact center signs of a case that it was handed.

    ``status``: ``accepted`` (its system has it), ``claimed`` (a person has it), ``in_progress`` (once more, the
    person still works on it), ``rejected`` (it gives the case back), or what came of the call. ``at``: when, by
    the center's clock. ``slot``: with ``booked``; ``callback_at``: with ``callback_at``. ``ref``: the center's own
    name of its task, where it has one; the first that is heard is kept.
    """

    status: Status
    at: AwareDatetime
    callback_at: AwareDatetime | None = None
    slot: (
        Annotated[SlotId, Field(pattern=r"^slt_[0-9a-hjkmnp-tv-z]{16}\.[0-9]{1,4}\.[0-9]{1,12}$")] | None
    ) = None
    ref: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")] | None = None
    note: Annotated[str, Field(max_length=4_000, repr=False)] = ""
    answers: Annotated[
        dict[Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")], Annotated[str, Field(max_length=1_000)]],
        Field(max_length=40, repr=False),
    ] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _says_enough(self) -> "Report":
        if (self.slot is None) != (self.status != "booked"):
            raise ValueError("slot goes with booked")
        if (self.callback_at is None) != (self.status != "callback_at"):
            raise ValueError("callback_at goes with callback_at")
        return self


def is_live(read: Read, saved: Saved, handout: Handout, now: datetime) -> bool:
    """Whether the center has the case under this hand-out at this moment, or books for it. ``saved``: the hand-outs."""
    theirs = is_theirs(read, handout) or books(read, handout, now)
    return handout.ended_at is None and state_of(saved) in LIVE and theirs
