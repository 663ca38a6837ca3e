"""Devices a person signed in on before: a secret in the device, its hash here. What makes level ``session``."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from people import passkeys
from people.limits import PeopleLimits
from people.model import body_of
from people.passkey_model import DeviceMemoryBody, DevicesBody
from people.states import Person
from people.tokens import digest, draw_secret, is_secret, same
from spine.ids import PersonId, named_after
from spine.store import Change, Saved, Store, Write

KEPT: Final = "kept"


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A remembered device; ``id`` is its name in lists, not its secret."""

    id: str
    made_at: datetime
    used_at: datetime
    known_from: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Remembered:
    """``known``: signed in on before, long enough ago. ``secret``: for a device that has none yet, else None."""

    known: bool
    secret: str | None = field(default=None, repr=False)


def subject_of(person: str) -> str:
    """The subject of a person's devices, in the person's partition."""
    return named_after("dvc", person)


def forgotten() -> Write:
    """The write that forgets every device."""
    return _write({})


def _of(saved: Saved, now: datetime) -> dict[str, DeviceMemoryBody]:
    if not saved.version or saved.ended:
        return {}
    kept = body_of(saved, DevicesBody).devices
    return {name: one for name, one in kept.items() if now < one.expires_at}


def _write(kept: Mapping[str, DeviceMemoryBody]) -> Write:
    wake_at = max((one.expires_at for one in kept.values()), default=None)
    return Write(KEPT, DevicesBody(devices=dict(kept)).model_dump_json(), wake_at)


class KnownDevices:
    """Subject ``dvc_``. A device is known to one person only, so nobody's secret helps with another's account."""

    def __init__(self, store: Store, limits: PeopleLimits) -> None:
        self._store = store
        self._limits = limits

    async def remember(
        self, person: PersonId, presented: str | None, *, trusted: bool = False, now: datetime
    ) -> Remembered:
        """Somebody signs in on a device that presents this secret (or none).

        ``trusted``: a passkey was shown on it, so it is known at once. Otherwise it is known from
        ``device_known_after`` on, and never where the person has had a passkey: who reads one mail reads two, and
        must not come to more by that.
        """
        dvc, new, name = subject_of(person), draw_secret(), secrets.token_hex(8)
        psk = passkeys.subject_of(person)
        hashed = digest(presented) if presented is not None and is_secret(presented) else None

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[person].state != Person.ACTIVE:
                return None
            kept = _of(saved[dvc], now)
            found = _found(kept, hashed)
            if found is None:
                known_from = now if trusted else now + self._limits.device_known_after
                one = DeviceMemoryBody(
                    hash=digest(new), made_at=now, used_at=now, known_from=known_from,
                    expires_at=now + self._limits.device_life,
                )  # fmt: skip
                kept = {**kept, name: one}
                newest = sorted(kept, key=lambda each: kept[each].used_at)[-self._limits.devices_per_person :]
                return Change({dvc: _write({each: kept[each] for each in newest})}, answer="new")
            one, known = kept[found], now >= kept[found].known_from
            if passkeys.kept_in(saved[psk]).ever and not trusted:
                known = one.known_from <= one.made_at
            # Where a passkey was shown it is known from its beginning: that is how it is told apart.
            known_from = one.made_at if trusted else one.known_from
            used = one.model_copy(
                update={
                    "used_at": now, "expires_at": now + self._limits.device_life, "known_from": known_from,
                }
            )  # fmt: skip
            return Change({dvc: _write({**kept, found: used})}, answer="known" if known else "seen")

        done = await self._store.change([dvc, person, psk], decide)
        return Remembered(done.answer == "known", new if done.answer == "new" else None)

    async def all_of(self, person: PersonId, *, now: datetime) -> list[DeviceView]:
        """A person's devices, the last used first."""
        kept = _of(await self._store.load(subject_of(person)), now)
        views = [
            DeviceView(name, one.made_at, one.used_at, one.known_from, one.expires_at)
            for name, one in kept.items()
        ]
        return sorted(views, key=lambda view: view.used_at, reverse=True)

    async def forget(self, person: PersonId, device: str, *, now: datetime) -> None:
        """Forget one; one that is not there changes nothing. Its sessions end by themselves (``Sessions``)."""
        dvc = subject_of(person)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            kept = _of(saved[dvc], now)
            if device not in kept:
                return None
            return Change({dvc: _write({name: one for name, one in kept.items() if name != device})})

        await self._store.change([dvc], decide)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``dvc_``: what nobody signed in on for long is dropped."""

        def decide(found: Mapping[str, Saved]) -> Change | None:
            due = found[saved.id]
            stale = due.ended or due.version != saved.version
            return None if stale else Change({saved.id: _write(_of(due, now))})

        await self._store.change([saved.id], decide)


def _found(kept: Mapping[str, DeviceMemoryBody], hashed: str | None) -> str | None:
    if hashed is None:
        return None
    return next((name for name, one in kept.items() if same(one.hash, hashed)), None)
