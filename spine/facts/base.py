"""What every fact has: when it happened, and the subject whose order it keeps."""

from typing import TYPE_CHECKING, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict


class Base(BaseModel):
    """A fact: frozen, past tense, no personal data (ids, codes, times, hashes and signed objects only).

    ``about`` names the field that holds the subject whose later facts wait when this one cannot be handled.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: ClassVar[str]

    if TYPE_CHECKING:
        kind: str
        """Each fact's own word for itself, by which it is read."""

    at: AwareDatetime

    @property
    def subject(self) -> str:
        """The id of the subject this fact is about."""
        return str(getattr(self, self.about))
