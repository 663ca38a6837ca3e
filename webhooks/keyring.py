"""The signing secrets of one address or source: several at once while they are exchanged, sealed at rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.problems import Kind, Problem
from webhooks.sealing import Seal
from webhooks.signature import Secret


class TooManySecrets(Problem):
    """Every secret that was replaced lately is still good; wait for one to end, or end them at once."""

    code: ClassVar[str] = "secret.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class OverlapRefused(Problem):
    """An overlap is between nothing and seven days."""

    code: ClassVar[str] = "secret.overlap_refused"
    kind: ClassVar[Kind] = Kind.INVALID


class KeptSecret(BaseModel):
    """A secret as it stands in the store. ``until``: when a replaced one ends (None: the current one)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sealed: str
    until: AwareDatetime | None = None

    def good(self, now: datetime) -> bool:
        """Whether it still signs and verifies."""
        return self.until is None or now < self.until


def exchanged(
    kept: Sequence[KeptSecret], new: KeptSecret, *, now: datetime, overlap: timedelta, most: int
) -> tuple[KeptSecret, ...]:
    """The secrets after an exchange, the new one first; former ones end after ``overlap``, or sooner.

    Raises ``TooManySecrets`` where more than ``most`` would be good at once.
    """
    ends = now + overlap
    former = [
        KeptSecret(sealed=each.sealed, until=ends if each.until is None else min(each.until, ends))
        for each in kept
        if each.good(now)
    ]
    good = [each for each in former if each.good(now)]
    if len(good) + 1 > most:
        raise TooManySecrets("too many secrets are still good")
    return (new, *good)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Draws, seals and opens secrets. ``about``: the id of the subject a secret stands in."""

    seal: Seal

    def draw(self, about: str) -> tuple[Secret, KeptSecret]:
        """A new secret, to be shown once, and what is kept of it."""
        secret = Secret.new()
        return secret, KeptSecret(sealed=self.seal.seal(secret.reveal().encode(), about))

    def open(self, kept: KeptSecret, about: str) -> Secret:
        """Raises ``NotSealedByUs``."""
        return Secret.read(self.seal.open(kept.sealed, about).decode())

    def good(self, kept: Sequence[KeptSecret], about: str, now: datetime) -> list[Secret]:
        """Every secret that is good now, the current one first."""
        return [self.open(each, about) for each in kept if each.good(now)]
