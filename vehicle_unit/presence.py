"""Whether the unit is awake, dozing, asleep or without coverage, and what it says of that (``up/state``)."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from vehicle_gateway import wire
from vehicle_gateway.link import Link, Lost, NotConnected, Will
from vehicle_unit.clock import UnitClock
from vehicle_unit.limits import UnitLimits

_log = logging.getLogger("trunkline.vehicle_unit")


class Mode(StrEnum):
    """How the unit is connected; ``no_coverage`` is not its choice, so it says nothing before."""

    AWAKE = "awake"
    DOZING = "dozing"
    ASLEEP = "asleep"
    NO_COVERAGE = "no_coverage"


class Presence:
    """Retained words about ourselves; all carry ``boot``, so that a will of a former boot is ignored."""

    link: Link

    def __init__(self, *, topic: str, boot: int, clock: UnitClock, limits: UnitLimits) -> None:
        self._topic = topic
        self._boot = boot
        self._clock = clock
        self._limits = limits
        self.mode = Mode.AWAKE
        self.busy: Callable[[], bool] = lambda: False
        """Whether the boot is not shut and locked: then nobody dozes off."""
        self._wakes_at: datetime | None = None
        self._changed = asyncio.Event()

    def will(self) -> Will:
        """What the broker says when we vanish."""
        last_word = wire.State(presence=wire.Presence.OFFLINE, boot=self._boot)
        delay = int(self._limits.will_delay.total_seconds())
        return Will(self._topic, last_word.model_dump_json(exclude_none=True).encode(), delay)

    async def greet(self) -> None:
        """Connected: say how we are. Raises ``NotConnected`` or ``Lost``."""
        await self._say(wire.Presence.DOZING if self.mode is Mode.DOZING else wire.Presence.ONLINE)

    def go(self, mode: Mode, *, wakes_in: timedelta | None = None) -> None:
        """Change the mode; ``wakes_in``: how long to sleep (at most, and by default, what the limits say)."""
        self.mode = mode
        longest = self._limits.sleep_longest
        nap = min(wakes_in or longest, longest)
        self._wakes_at = self._clock.now() + nap if mode is Mode.ASLEEP else None
        self._changed.set()

    async def run(self) -> None:
        """Do what the mode says until it changes; for ever."""
        while True:
            self._changed.clear()
            match self.mode:
                case Mode.AWAKE:
                    await self._awake()
                case Mode.DOZING:
                    await self._doze()
                case Mode.ASLEEP:
                    await self._sleep()
                case Mode.NO_COVERAGE:
                    self.link.leave(abruptly=True)
                    await self._changed.wait()

    async def _awake(self) -> None:
        self.link.come_back()
        if self.link.connected:
            await self._try_to_say(wire.Presence.ONLINE)
        await self._changed.wait()

    async def _doze(self) -> None:
        """Listen, leave, come back every 15 s: what was sent meanwhile waits in the session."""
        if self.link.connected:
            await self._try_to_say(wire.Presence.DOZING)
        while not self._changed.is_set():
            self.link.come_back()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.doze_every.total_seconds()):
                    await self.link.wait_connected()
            if await self._rest(self._limits.doze_listen):
                return
            if self.busy():
                continue
            self.link.leave()
            if await self._rest(self._limits.doze_every - self._limits.doze_listen):
                return

    async def _sleep(self) -> None:
        await self._try_to_say(wire.Presence.ASLEEP)
        self.link.leave()
        assert self._wakes_at is not None
        if not await self._rest(max(self._wakes_at - self._clock.now(), timedelta(0))):
            self.go(Mode.AWAKE)

    async def _rest(self, span: timedelta) -> bool:
        """Wait; true when the mode changed meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(span.total_seconds(), 0)):
                await self._changed.wait()
        return self._changed.is_set()

    async def _try_to_say(self, presence: wire.Presence) -> None:
        try:
            await self._say(presence)
        except (NotConnected, Lost) as failed:
            _log.info("presence.unsaid", extra={"presence": presence, "reason": type(failed).__name__})

    async def _say(self, presence: wire.Presence) -> None:
        dozing = presence is wire.Presence.DOZING
        word = wire.State(
            presence=presence,
            boot=self._boot,
            ts=self._clock.now(),
            wakes_at=self._wakes_at if presence is wire.Presence.ASLEEP else None,
            every=max(1, int(self._limits.doze_every.total_seconds())) if dozing else None,
        )
        payload = word.model_dump_json(exclude_none=True).encode()
        code = await self.link.publish(self._topic, payload, retain=True)
        if code >= 0x80:
            _log.error("presence.refused", extra={"reason_code": code})
