"""The trust bundle in force, as the service keeps it: published in versions, and what each key may count on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from keys.car.bundle import Bundle, BundleClaims, first_bundle, read_bundle
from keys.car.jws import Unacceptable
from keys.car.trust import TrustedKey
from spine.facts.trust import TRUST, TrustPublished
from spine.problems import Kind, Problem
from spine.store import Change, Saved, Store, Write


class BadBundle(Problem):
    """Not enough roots signed this, or it is no trust bundle, or it is over."""

    code: ClassVar[str] = "trust.bad_bundle"
    kind: ClassVar[Kind] = Kind.INVALID


class NotNext(Problem):
    """Versions only go up: somebody published meanwhile, or this is an old draft."""

    code: ClassVar[str] = "trust.not_next"
    kind: ClassVar[Kind] = Kind.CONFLICT


class _Body(BaseModel):
    """``first``: the version each key came with; ``removed``: the last version that took a key away early."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: tuple[str, ...]
    first: dict[str, int]
    removed: int = 0


@dataclass(frozen=True, slots=True)
class InForce:
    """The bundle in force. ``least``: by ``kid``, the lowest version a car must have to take what that key signs."""

    bundle: tuple[str, ...]
    claims: BundleClaims
    keys: Mapping[str, TrustedKey]
    least: Mapping[str, int]

    @property
    def document(self) -> dict[str, list[str]]:
        """As it is carried and shown to the world."""
        return {"bundle": list(self.bundle)}


class Bundles:
    """Reads and publishes; the roots themselves are never here."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def in_force(self) -> InForce | None:
        """None in an installation that has published none yet."""
        return _in_force(await self._store.load(TRUST))

    async def publish(self, document: object, *, now: datetime) -> InForce:
        """Put a bundle in force, once; the same again changes nothing. The first is believed as it is given.

        Raises ``BadBundle``, ``NotNext``.
        """

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = _in_force(saved[TRUST])
            after = _checked(document, before)
            signed = tuple(dict(_mapping(document))["bundle"])
            if before is not None and after.claims == before.claims:
                return None
            if before is not None and after.claims.version <= before.claims.version:
                raise NotNext(f"in force is version {before.claims.version}, this is {after.claims.version}")
            if now.timestamp() >= after.claims.exp:
                raise BadBundle("its end is past")
            body = _next(saved[TRUST], before, after, signed, now)
            fact = TrustPublished(at=now, trust=TRUST, version=after.claims.version, bundle=signed)
            return Change({TRUST: Write("published", body.model_dump_json())}, [fact])

        outcome = await self._store.change([TRUST], decide)
        found = _in_force(outcome.saved[TRUST])
        assert found is not None
        return found


def _checked(document: object, before: InForce | None) -> Bundle:
    try:
        return first_bundle(document) if before is None else read_bundle(document, roots=before.claims.roots)
    except Unacceptable as cause:
        raise BadBundle(f"refused: {cause.fault.value}") from cause


def _next(
    saved: Saved, before: InForce | None, after: Bundle, signed: tuple[str, ...], now: datetime
) -> _Body:
    version = after.claims.version
    old = _Body.model_validate_json(saved.body) if before is not None else None
    known = old.first if old is not None else {}
    # Where the history was lost with the store, every key may have come, and some other gone, with this version.
    removed = old.removed if old is not None else version
    for kid, key in before.keys.items() if before is not None else ():
        early = key.not_after is None or now.timestamp() < key.not_after
        if kid not in after.trust.keys and early:
            removed = version
    first = {kid: known.get(kid, version) for kid in after.trust.keys}
    return _Body(bundle=signed, first=first, removed=removed)


def _in_force(saved: Saved) -> InForce | None:
    if not saved.version:
        return None
    body = _Body.model_validate_json(saved.body)
    bundle = first_bundle({"bundle": list(body.bundle)})
    least = {kid: max(first, body.removed) for kid, first in body.first.items()}
    return InForce(body.bundle, bundle.claims, bundle.trust.keys, least)


def _mapping(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise BadBundle("not an object")
    return document
