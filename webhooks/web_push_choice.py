"""What a person wants to hear of in their browsers beside deliveries: a choice that mail does not follow."""

from hashlib import sha256
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from spine.problems import Kind, Problem

Topic = Literal["faults", "visits", "mended"]
"""A sort of news that a person may do without on a screen."""


class ChoiceChanged(Problem):
    """Somebody changed the choice since you read it (``If-Match``)."""

    code: ClassVar[str] = "push.choice_changed"
    kind: ClassVar[Kind] = Kind.CONFLICT


class Choice(BaseModel):
    """What is shown in a person's browsers of faults and visits; mail tells it all the same.

    What is critical comes whatever is chosen here, and so does its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    faults: bool = Field(default=True, description="a fault that is not critical, and when it becomes urgent")
    visits: bool = Field(
        default=True, description="a visit to a garage: booked, moved, cancelled, missed, done"
    )
    mended: bool = Field(default=True, description="the car itself shows that a fault is mended")

    def wants(self, topic: Topic | None) -> bool:
        """Whether news of this sort is shown; None: of what cannot be turned off."""
        return topic is None or bool(getattr(self, topic))

    @property
    def etag(self) -> str:
        """Of what it says, not of when it was said: a browser that is added meanwhile changes nothing here."""
        return f'"{sha256(self.model_dump_json().encode()).hexdigest()[:16]}"'
