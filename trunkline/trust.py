"""Trust of an installation: bundles made and published, keys rotated and removed, processes that follow."""

import asyncio
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from keys.bundles import Bundles, InForce
from keys.car.bundle import Roots, first_bundle
from keys.car.jws import SigningKey, Unacceptable
from keys.car.trust import PublishedKey, Purpose
from keys.custody import OnToken, SigningKeysUnfit
from keys.signing import SigningKeys, draw_signing_key, key_files
from spine.clock import Clock
from spine.problems import Kind, Problem
from spine.store import Store
from trunkline.installation import JWKS_FILE, keys_directory, public_keys
from trunkline.roots import THRESHOLD, Draft, draft_bundle, make_roots, published_key, roots_at_hand
from trunkline.settings import Settings

log = logging.getLogger("trunkline")

TRUST_FILE: Final = "trust.json"
_MOST: Final = 64
"""Keys that a JWKS of ours can name."""


class NoTrust(Problem):
    """No trust bundle is in force, or none that fits what was asked."""

    code: ClassVar[str] = "trust.none"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoSuchServiceKey(Problem):
    """The bundle in force names no such key."""

    code: ClassVar[str] = "trust.no_such_key"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class AlreadyRotating(Problem):
    """A next key for this purpose is published and its time has not come."""

    code: ClassVar[str] = "trust.already_rotating"
    kind: ClassVar[Kind] = Kind.CONFLICT


class LateDraft(Problem):
    """The roots took so long that a next key would begin before cars that were away could hear of it."""

    code: ClassVar[str] = "trust.late_draft"
    kind: ClassVar[Kind] = Kind.CONFLICT


@dataclass(frozen=True, slots=True)
class Made:
    """A new bundle: in force already, or a draft that waits for its roots."""

    draft: Draft
    in_force: InForce | None


class Trust:
    """An operator's hand on whom the cars trust."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._bundles = Bundles(store)
        self._settings = settings

    async def begin(self, now: datetime) -> list[str]:
        """Where there is no bundle yet, make the first, with roots of our own if the settings say so; what was made."""
        made: list[str] = []
        in_force = await self._bundles.in_force()
        kept = self._settings.roots_dir / TRUST_FILE
        document = json.loads(kept.read_bytes()) if kept.exists() else None
        if document and (in_force is None or in_force.claims.version < _version(document)):
            in_force = await self._bundles.publish(
                document, now=now
            )  # a new store, or one set back to a backup
        elif in_force is None and self._settings.local_roots:
            roots = roots_at_hand(self._settings.root_keys_dir)
            if not roots:
                roots = make_roots(self._settings.root_keys_dir)
                made.append("trust roots")
            draft = self.first_draft(Roots.of_keys(roots), now)
            for root in roots[:THRESHOLD]:
                draft = draft.signed_by(root)
            in_force = await self._bundles.publish(draft.document, now=now)
            made.append("trust bundle")
        if in_force is not None:
            self._write(in_force)
        return made

    def first_draft(self, roots: Roots, now: datetime) -> Draft:
        """Version 1: every key of the installation, for no limited time."""
        keys = [PublishedKey.model_validate(key) for key in public_keys(self._settings)["keys"]]
        return draft_bundle(keys, roots, version=1, now=now, life=self._settings.keys.bundle_life)

    async def publish(self, document: object, now: datetime) -> InForce:
        """Put a signed bundle in force; private keys that it no longer names are deleted here.

        Raises ``BadBundle``, ``NotNext``, ``LateDraft``.
        """
        before = await self._bundles.in_force()
        self._early_enough(document, before, now)
        in_force = await self._bundles.publish(document, now=now)
        self._write(in_force)
        for kid, key in (before.keys if before else {}).items():
            if kid not in in_force.keys:
                for file in key_files(keys_directory(self._settings) / key.purpose):
                    if file.stem == kid:
                        file.unlink()
        return in_force

    async def next_draft(
        self,
        now: datetime,
        *,
        roots: Roots | None = None,
        floors: dict[str, int] | None = None,
        version: int | None = None,
    ) -> Made:
        """The next version with the keys as they are: for a longer life, other ``roots``, or lowered ``floors``.

        ``version``: this one, when cars may hold later bundles than a restored installation remembers.
        """
        before = await self._needed()
        keys = _still(before, now)
        return await self._made(before, keys, now, roots=roots, floors=floors, version=version)

    async def rotate(self, purpose: Purpose, now: datetime, place: OnToken | None = None) -> Made:
        """Draw the next key of a purpose and name it in the next bundle, long before its first use.

        ``place``: in this token, not in a file. Raises ``NoTrust``, ``AlreadyRotating``.
        """
        before, limits = await self._needed(), self._settings.keys
        signing = timedelta(0) if self._at_hand(before) else limits.roots_have
        begins = int((now + limits.rotate_ahead + signing).timestamp())
        ends = begins + int(limits.old_key_kept.total_seconds())
        keys = []
        for key in _still(before, now):
            if key.purpose == purpose and (key.nbf or 0) > now.timestamp():
                raise AlreadyRotating(f"{key.kid} begins at {key.nbf}")
            old = key.purpose == purpose and (key.exp is None or key.exp > ends)
            keys.append(key.model_copy(update={"exp": ends}) if old else key)
        fresh = draw_signing_key(keys_directory(self._settings), purpose, place)
        return await self._made(before, [*keys, published_key(fresh, purpose, nbf=begins)], now)

    async def remove(self, kid: str, now: datetime) -> Made:
        """Take a key away at once (it was stolen): the next bundle is without it and every car will need that.

        Where no other key of its purpose is in use, a new one is drawn, or the next one begins at once. Raises
        ``NoTrust``, ``NoSuchServiceKey``.
        """
        before = await self._needed()
        gone = before.keys.get(kid)
        if gone is None:
            raise NoSuchServiceKey(kid)
        left = [key for key in _still(before, now) if key.kid != kid]
        others = [key for key in left if key.purpose == gone.purpose]
        if not any(_lasts(key, now) for key in others):
            coming = next((key for key in others if (key.nbf or 0) > now.timestamp()), None)
            if coming is not None:
                left = [k.model_copy(update={"nbf": None}) if k is coming else k for k in left]
            else:
                fresh = draw_signing_key(keys_directory(self._settings), gone.purpose)
                left.append(published_key(fresh, gone.purpose))
        return await self._made(before, left, now)

    async def in_force(self) -> InForce | None:
        """None where there is no bundle."""
        return await self._bundles.in_force()

    async def _needed(self) -> InForce:
        found = await self._bundles.in_force()
        if found is None:
            raise NoTrust("publish a first bundle: `trunkline keys ceremony`, or `init` with local_roots")
        return found

    async def _made(
        self,
        before: InForce,
        keys: list[PublishedKey],
        now: datetime,
        *,
        roots: Roots | None = None,
        floors: dict[str, int] | None = None,
        version: int | None = None,
    ) -> Made:
        """A draft; where enough roots lie on this host it is signed and in force at once."""
        draft = draft_bundle(
            keys,
            roots or before.claims.roots,
            version=version or before.claims.version + 1,
            now=now,
            life=self._settings.keys.bundle_life,
            floors=floors,
        )
        at_hand = self._at_hand(before)
        if roots is not None or not at_hand:
            return Made(draft, None)
        for root in at_hand:
            draft = draft.signed_by(root)
        return Made(draft, await self.publish(draft.document, now))

    def _at_hand(self, before: InForce) -> list[SigningKey]:
        """Roots on this host, as many as a bundle needs; else none."""
        roots = before.claims.roots
        known = {root.kid for root in roots.keys}
        here = [root for root in roots_at_hand(self._settings.root_keys_dir) if root.kid in known]
        return here[: roots.threshold] if len(here) >= roots.threshold else []

    def _early_enough(self, document: object, before: InForce | None, now: datetime) -> None:
        """A key whose first day is named must have been published for a while by then. Raises ``LateDraft``."""
        try:
            keys = first_bundle(document).claims.keys
        except Unacceptable:
            return  # publishing will say what is wrong
        known = before.keys if before else {}
        earliest = int((now + self._settings.keys.rotate_ahead).timestamp())
        for key in keys:
            if key.nbf is not None and key.kid not in known and key.nbf < earliest:
                raise LateDraft(f"{key.kid} would begin at {key.nbf}: make a new draft")

    def _write(self, in_force: InForce) -> None:
        """The public files: the bundle, and every key that ever signed, so that old evidence stays provable."""
        folder, ended = self._settings.roots_dir, in_force.claims.iat
        named = [key.model_dump(mode="json", exclude_none=True) for key in in_force.claims.keys]
        over = [
            {**key, "exp": min(key.get("exp", ended), ended)}
            for key in public_keys(self._settings)["keys"]
            if key["kid"] not in in_force.keys
            # A key that wrote the record and was taken away early may have been in a thief's hand at any time.
            and (key["purpose"] != "log" or key.get("exp", ended + 1) <= ended)
        ]
        over.sort(key=lambda key: int(key["exp"]))
        _replace(folder / JWKS_FILE, {"keys": [*over[-(_MOST - len(named)) :], *named]})
        _replace(folder / TRUST_FILE, in_force.document)


class PublicKeys(Mapping[str, Any]):
    """The service's JWKS as it stands at each look: rotation changes it under a running process."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - JSON
        return public_keys(self._settings)[name]

    def __iter__(self) -> Iterator[str]:
        return iter(public_keys(self._settings))

    def __len__(self) -> int:
        return len(public_keys(self._settings))


async def signing_keys(
    store: Store, folder: Path, purposes: Collection[Purpose], *, now: datetime
) -> SigningKeys:
    """The keys of a process as the bundle in force chooses them. Raises ``SigningKeysUnfit``."""
    bundle = await Bundles(store).in_force()
    return SigningKeys.load(folder, purposes, bundle=bundle, now=now)


class Following:
    """Keeps a process's keys what the bundle in force says: new ones begin, removed ones end."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, signing: SigningKeys) -> None:
        self._bundles = Bundles(store)
        self._clock = clock
        self._every = settings.keys.trust_every.total_seconds()
        self._signing = signing
        self._version = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Once; what cannot be done is logged, and the keys stay as they were."""
        try:
            bundle = await self._bundles.in_force()
            if bundle is None:
                return
            self._signing.follow(bundle, now=self._clock.now())
            if bundle.claims.version != self._version:
                self._version = bundle.claims.version
                log.info("trust.followed", extra={"bundle_version": self._version})
        except (Problem, SigningKeysUnfit, OSError) as why:
            log.error("trust.not_followed", extra={"reason": str(why)})  # noqa: TRY400 - the reason says it all


def _version(document: object) -> int:
    """Of a bundle that we wrote ourselves. Raises ``NoTrust`` where the file is not that."""
    try:
        return first_bundle(document).claims.version
    except Unacceptable as cause:
        raise NoTrust(f"roots/{TRUST_FILE} is damaged: take it from a backup, or away") from cause


def _still(before: InForce, now: datetime) -> list[PublishedKey]:
    """Its keys, without those that are over."""
    return [key for key in before.claims.keys if key.exp is None or key.exp > now.timestamp()]


def _lasts(key: PublishedKey, now: datetime) -> bool:
    """Whether it is in use and nothing says when that ends."""
    return (key.nbf or 0) <= now.timestamp() and key.exp is None


def _replace(path: Path, document: Mapping[str, Any]) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(document, indent=2), "utf-8")
    draft.replace(path)
