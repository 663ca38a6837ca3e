"""The roots and what they sign: drafts of trust bundles that travel from one offline machine to the next.

Works on the base install, so that a root's machine needs neither network nor server.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from keys.car.bundle import BundleClaims, Roots, sign_bundle
from keys.car.jws import BUNDLE, Parts, SigningKey, Unacceptable, read
from keys.car.trust import PublishedKey, Purpose
from keys.custody import SigningKeysUnfit, read_private_key, write_new

COUNT: Final = 3
THRESHOLD: Final = 2


class BadDraft(Exception):
    """This file is not a draft of a trust bundle, or what it carries is not about that draft."""


class Draft(BaseModel):
    """A bundle on its way from root to root: what is to be signed, and the signatures so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draft: dict[str, Any]
    bundle: list[str] = []

    @classmethod
    def of(cls, claims: BundleClaims) -> "Draft":
        """A draft that nobody has signed."""
        return cls(draft=claims.wire())

    @property
    def claims(self) -> BundleClaims:
        """What is to be signed. Raises ``BadDraft``."""
        try:
            return BundleClaims.of(self.draft)
        except Unacceptable as cause:
            raise BadDraft("the draft is not a trust bundle") from cause

    @property
    def signers(self) -> frozenset[str]:
        """The ``kid`` of each of the draft's own roots whose signature holds. Raises ``BadDraft``.

        A name alone counts for nothing: a signature by a root that is not in the draft (a former one) is among
        ``strangers``, one that does not hold under the root it names is no signature of this draft.
        """
        own = {root.kid for root in self.claims.roots.keys}
        parts = [part for part in self._parts() if part.signer in own]
        found = self.claims.roots.signers(parts)
        if found != {part.signer for part in parts}:
            raise BadDraft("a signature does not hold")
        return found

    @property
    def strangers(self) -> frozenset[str]:
        """What signatures name that are of none of the draft's own roots: whether they hold cannot be seen here."""
        own = {root.kid for root in self.claims.roots.keys}
        return frozenset(part.signer for part in self._parts()) - own

    def signed_by(self, root: SigningKey) -> "Draft":
        """The draft with one more signature; the same root again changes nothing. Raises ``BadDraft``."""
        _ = self.signers  # whoever signs next looks whether what is there holds
        signature = sign_bundle(self.claims, root)
        if signature in self.bundle:  # the same key gives the same bytes
            return self
        return self.model_copy(update={"bundle": [*self.bundle, signature]})

    def _parts(self) -> list[Parts]:
        try:
            parts = [read(token, BUNDLE) for token in self.bundle]
        except Unacceptable as cause:
            raise BadDraft("a signature cannot be read") from cause
        if any(part.claims != self.claims.wire() for part in parts):
            raise BadDraft("a signature is over another bundle")
        return parts

    @property
    def document(self) -> dict[str, list[str]]:
        """The bundle as it is published."""
        return {"bundle": self.bundle}


def root_file(folder: Path, number: int) -> Path:
    """Where the root of this number, 1 to 3, is written."""
    return folder / f"root-{number}.pem"


def make_roots(folder: Path) -> list[SigningKey]:
    """Draw three roots into three files of mode 0600. Raises ``SigningKeysUnfit`` where there is one already."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(root_file(folder, number + 1).exists() for number in range(COUNT)):
        raise SigningKeysUnfit(f"{folder} holds roots already; they are not overwritten")
    roots = [SigningKey.draw() for _ in range(COUNT)]
    for number, root in enumerate(roots, 1):
        write_new(root_file(folder, number), root.pem(), 0o600)
    return roots


def roots_at_hand(folder: Path) -> list[SigningKey]:
    """The roots whose files lie in a folder: all three in a small installation, elsewhere none."""
    return [read_private_key(path) for path in sorted(folder.glob("root-*.pem"))]


def published_key(
    key: SigningKey, purpose: Purpose, *, nbf: int | None = None, exp: int | None = None
) -> PublishedKey:
    """The entry of a service key in a bundle; ``nbf`` and ``exp`` in Unix seconds."""
    bounds = {name: bound for name, bound in (("nbf", nbf), ("exp", exp)) if bound is not None}
    return PublishedKey(
        kty="OKP", crv="Ed25519", x=key.jwk["x"], kid=key.kid, alg="Ed25519", use="sig", purpose=purpose,
        **bounds,
    )  # fmt: skip


def draft_bundle(
    keys: Sequence[PublishedKey],
    roots: Roots,
    *,
    version: int,
    now: datetime,
    life: timedelta,
    floors: dict[str, int] | None = None,
) -> Draft:
    """A bundle of these keys for ``life`` from now. Raises ``BadDraft``."""
    iat = int(now.timestamp())
    try:
        claims = BundleClaims(
            version=version, iat=iat, exp=iat + int(life.total_seconds()), keys=tuple(keys), roots=roots,
            floors=floors,
        )  # fmt: skip
    except ValueError as cause:
        raise BadDraft("these keys and roots make no trust bundle") from cause
    return Draft.of(claims)


def told(draft: Draft) -> list[str]:
    """What a person should read before signing."""
    claims = draft.claims
    lines = [f"version {claims.version}, made {claims.iat}, ends {claims.exp} (Unix seconds)"]
    for key in claims.keys:
        days = f" from {key.nbf}" if key.nbf is not None else ""
        days += f" until {key.exp}" if key.exp is not None else ""
        lines.append(f"key    {key.purpose:<5} {key.kid}{days}")
    lines += [
        f"root   {root.kid}{'  has signed' if root.kid in draft.signers else ''}"
        for root in claims.roots.keys
    ]
    lines += [f"floor  {unit} goes down to {floor}" for unit, floor in (claims.floors or {}).items()]
    needs = claims.roots.threshold
    lines += [f"other  {kid}  has signed, and is no root of this draft" for kid in sorted(draft.strangers)]
    return [*lines, f"{len(draft.signers)} of {needs} signatures of its own roots"]
