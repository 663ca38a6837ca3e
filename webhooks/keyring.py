"""The secrets and keys of one address or source: several at once while they are exchanged, sealed at rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.problems import Kind, Problem
from webhooks.sealing import Seal
from webhooks.signers import (
    Checker,
    PrivateKey,
    PublicKey,
    Secret,
    Signer,
    checker_of,
    read_checker,
    read_signer,
)

Version = Literal["v1", "v1a"]
"""What an address is signed with: a shared secret, or an Ed25519 pair of which it knows the open half."""


class TooManySecrets(Problem):
    """Every secret that was replaced lately is still good; wait for one to end, or end them at once."""

    code: ClassVar[str] = "secret.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class OverlapRefused(Problem):
    """An overlap is between nothing and seven days."""

    code: ClassVar[str] = "secret.overlap_refused"
    kind: ClassVar[Kind] = Kind.INVALID


class VersionsRefused(Problem):
    """An address is signed with ``v1``, ``v1a`` or both."""

    code: ClassVar[str] = "secret.versions_refused"
    kind: ClassVar[Kind] = Kind.INVALID


class KeptSecret(BaseModel):
    """A secret as it stands in the store. ``until``: when a replaced one ends (None: the current one).

    ``public``: the ``whpk_`` text of an Ed25519 key, which is no secret; empty: it is a shared secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sealed: str
    until: AwareDatetime | None = None
    public: str = ""

    @property
    def version(self) -> Version:
        """What it signs or verifies."""
        return "v1a" if self.public else "v1"

    def good(self, now: datetime) -> bool:
        """Whether it still signs and verifies."""
        return self.until is None or now < self.until


def in_order(versions: Sequence[Version]) -> tuple[Version, ...]:
    """Each once, the shared secret first: it is what is shown where there are both. Raises ``VersionsRefused``."""
    if not versions or not set(versions) <= {"v1", "v1a"}:
        raise VersionsRefused("an address is signed with v1, v1a or both")
    return tuple(sorted(set(versions)))


@dataclass(frozen=True, slots=True)
class PublishedKey:
    """An open key of an address. ``until``: when it ends, where it was replaced."""

    key: PublicKey
    until: datetime | None


def published(kept: Sequence[KeptSecret]) -> tuple[PublishedKey, ...]:
    """The open keys among ``kept``, the current one first; some may have ended."""
    return tuple(PublishedKey(PublicKey.read(each.public), each.until) for each in kept if each.public)


def exchanged(
    kept: Sequence[KeptSecret],
    *new: KeptSecret,
    now: datetime,
    overlap: timedelta,
    most: int,
) -> tuple[KeptSecret, ...]:
    """The secrets after an exchange, the new ones first; all former ones end after ``overlap``, or sooner.

    Raises ``TooManySecrets`` where more than ``most`` of one version would be good at once.
    """
    ends = now + overlap
    former = [
        each.model_copy(update={"until": ends if each.until is None else min(each.until, ends)})
        for each in kept
        if each.good(now)
    ]
    after = (*new, *(each for each in former if each.good(now)))
    if any(sum(each.version == version for each in after) > most for version in ("v1", "v1a")):
        raise TooManySecrets("too many secrets are still good")
    return after


@dataclass(frozen=True, slots=True)
class Keyring:
    """Draws, seals and opens secrets. ``about``: the id of the subject a secret stands in."""

    seal: Seal

    def draw(self, about: str) -> tuple[Secret, KeptSecret]:
        """A new shared secret, to be shown once, and what is kept of it."""
        secret = Secret.new()
        return secret, self.keep(secret, about)

    def draw_each(self, versions: Sequence[Version], about: str) -> tuple[KeptSecret, ...]:
        """A new secret or pair for each version."""
        return tuple(
            self.keep(PrivateKey.new() if version == "v1a" else Secret.new(), about) for version in versions
        )

    def keep(self, key: Signer | PublicKey, about: str) -> KeptSecret:
        """What is kept of it. A public key is sealed too: so that nobody exchanges it in the store."""
        public = "" if isinstance(key, Secret) else checker_of(key).reveal()
        return KeptSecret(sealed=self.seal.seal(key.reveal().encode(), about), public=public)

    def open(self, kept: KeptSecret, about: str) -> Signer:
        """What signs. Raises ``NotSealedByUs``."""
        return read_signer(self.seal.open(kept.sealed, about).decode())

    def good(self, kept: Sequence[KeptSecret], about: str, now: datetime) -> list[Signer]:
        """Everything that signs now, the current ones first. Raises ``NotSealedByUs``."""
        return [self.open(each, about) for each in kept if each.good(now)]

    def checkers(self, kept: Sequence[KeptSecret], about: str, now: datetime) -> list[Checker]:
        """Everything that verifies now, the current ones first. Raises ``NotSealedByUs``."""
        return [self.checker(each, about) for each in kept if each.good(now)]

    def checker(self, kept: KeptSecret, about: str) -> Checker:
        """What verifies: of a pair the open half alone. Raises ``NotSealedByUs``."""
        return read_checker(self.seal.open(kept.sealed, about).decode())
