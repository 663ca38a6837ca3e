"""What a linked system signs when it answers for the person who linked it."""

from typing import Annotated, ClassVar

from pydantic import Field

from delivery.model import Frozen
from delivery.questions import Decision
from keys.car.claims import Fra, OwnerSignature
from spine.ids import QuestionId
from spine.problems import Kind, Problem


class AnswerUnreadable(Problem):
    """The decision's body does not have the members question, shown and decision."""

    code: ClassVar[str] = "decision.unreadable"
    kind: ClassVar[Kind] = Kind.INVALID


class SystemAnswer(Frozen):
    """What a linked system signs."""

    question: Annotated[QuestionId, Field(pattern=r"^qst_[0-9a-hjkmnp-tv-z]{16}\.[0-9]{1,3}$")]
    shown: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    decision: Decision
    silent: bool = False
    fra: Fra | None = None
    own: OwnerSignature | None = None
