"""One worker at a time: leases with a fresh token each, kept alive by one beat for all a process holds."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.valkey import StoreDown, Valkey

_log = logging.getLogger("trunkline.spine")

Place = tuple[int, str]
"""Partition and name of what is worked on: a reader group, a kind of timer."""


@dataclass(slots=True)
class _Lease:
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    until: float = 0.0
    """Loop time after which it may be somebody else's."""
    taken: asyncio.Event = field(default_factory=asyncio.Event)


class Leases:
    """The leases one service wants. The store refuses a token that is no longer the lease's."""

    def __init__(self, valkey: Valkey, places: Iterable[Place], limits: SpineLimits) -> None:
        self._valkey = valkey
        self._keys = Keyspace(valkey.prefix)
        self._ttl = limits.lease.total_seconds()
        self._poll = limits.lease_poll.total_seconds()
        self._dropped = asyncio.Event()
        self._leases = {place: _Lease() for place in places}

    def token(self, place: Place) -> str | None:
        """The token to prove with, while the lease is surely ours."""
        lease = self._leases[place]
        return lease.token if asyncio.get_running_loop().time() < lease.until else None

    def held(self) -> list[Place]:
        """What is ours now."""
        now = asyncio.get_running_loop().time()
        return [place for place, lease in self._leases.items() if now < lease.until]

    async def wait(self, place: Place) -> str:
        """Wait until the lease is ours."""
        lease = self._leases[place]
        while True:
            token = self.token(place)
            if token is not None:
                return token
            lease.taken.clear()
            await lease.taken.wait()

    def drop(self, place: Place) -> None:
        """The store says it is not ours: start again with a new token."""
        lease = self._leases[place]
        lease.token, lease.until = secrets.token_hex(8), 0.0
        self._dropped.set()

    async def keep(self) -> None:
        """Take what is free and renew what is ours, until cancelled."""
        while True:
            try:
                await self.beat()
            except StoreDown as down:
                _log.warning("leases_waiting", extra={"reason": down.detail})
            every = self._ttl / 3
            if len(self.held()) < len(self._leases):
                every = min(every, self._poll)
            self._dropped.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every):
                    await self._dropped.wait()

    async def beat(self) -> None:
        """One try for every lease. Raises ``StoreDown``."""
        asked_at = asyncio.get_running_loop().time()
        asked = [(place, lease.token) for place, lease in self._leases.items()]
        answers = await self._valkey.call_all(
            [
                ("tl_lease", [self._keys.lease(*place)], [token, round(self._ttl * 1000)])
                for place, token in asked
            ]
        )
        for (place, token), answer in zip(asked, answers, strict=True):
            lease = self._leases[place]
            if lease.token != token:
                continue  # dropped meanwhile
            if answer:
                lease.until = asked_at + self._ttl
                lease.taken.set()
            elif lease.until:
                self.drop(place)

    async def seize(self) -> None:
        """Take every lease from whoever has it; they notice with their next step and change nothing more."""
        asked_at = asyncio.get_running_loop().time()
        px = ("PX", round(self._ttl * 1000))
        await self._valkey.ask_all(
            [("SET", self._keys.lease(*place), lease.token, *px) for place, lease in self._leases.items()]
        )
        for lease in self._leases.values():
            lease.until = asked_at + self._ttl
            lease.taken.set()

    async def release(self) -> None:
        """Give back what is ours, so that a successor need not wait for it to run out."""
        mine = self.held()
        calls = [("tl_release", [self._keys.lease(*place)], [self._leases[place].token]) for place in mine]
        for place in mine:
            self.drop(place)
        try:
            await self._valkey.call_all(calls)
        except StoreDown as down:
            _log.warning("leases_not_released", extra={"reason": down.detail})
