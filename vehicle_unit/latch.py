"""Run the lock's table over a real or simulated latch: one input after the other, each state's own time."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Protocol

from vehicle_unit.limits import UnitLimits
from vehicle_unit.lock import TIMES, Act, Input, Lock, step

_log = logging.getLogger("trunkline.vehicle_unit")


class Motor(Protocol):
    """What moves the latch. Its feedback and the lid's come as ``Input``; driving again changes nothing."""

    def drive_open(self) -> None: ...

    def drive_lock(self) -> None: ...


class Latch:
    """The lock's state. ``on_act`` hears every act that is not the motor's, in order and at once."""

    def __init__(
        self,
        motor: Motor,
        limits: UnitLimits,
        *,
        on_act: Callable[[Act], None],
        on_state: Callable[[Lock], None],
    ) -> None:
        self._motor = motor
        self._limits = limits
        self._on_act = on_act
        self._on_state = on_state
        self.state = Lock.UNKNOWN
        self._inputs: deque[Input] = deque()
        self._busy = False
        self._moved = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    def feed(self, happened: Input) -> None:
        """Something happened. What the motor answers meanwhile waits its turn."""
        self._inputs.append(happened)
        if self._busy:
            return
        self._busy = True
        try:
            while self._inputs:
                self._one(self._inputs.popleft())
        finally:
            self._busy = False

    async def wait_for(self, state: Lock, patience: timedelta) -> bool:
        """Whether it is in ``state`` or comes there in time; a lid that is up is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience.total_seconds()):
                while self.state is not state and self.state not in {Lock.AJAR, Lock.LEFT_OPEN}:
                    self._moved.clear()
                    await self._moved.wait()
        return self.state is state

    def stop(self) -> None:
        """No timer fires any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _one(self, happened: Input) -> None:
        former = self.state
        self.state, acts = step(former, happened)
        try:
            if Act.DRIVE_OPEN in acts:  # before the timer, which is set whatever becomes of it
                self._motor.drive_open()
        finally:
            if self.state is not former or happened is Input.OVERDUE:
                self._set_timer()
        for act in acts:
            match act:
                case Act.DRIVE_OPEN:
                    pass
                case Act.DRIVE_LOCK:
                    self._motor.drive_lock()
                case _:
                    self._tell(act)
        if self.state is not former:
            self._write_down(former)
            self._moved.set()
            self._on_state(self.state)

    def _write_down(self, former: Lock) -> None:
        """In the log, once whoever waits for the boot has been told."""
        states = {"former": former.value, "state": self.state.value}
        asyncio.get_running_loop().call_soon(partial(_log.info, "lock.state", extra=states))

    def _tell(self, act: Act) -> None:
        try:
            self._on_act(act)
        except Exception:  # noqa: BLE001  # whatever hears it, the lock is driven as its table says
            _log.exception("lock.act_not_told", extra={"act": act.value})

    def _set_timer(self) -> None:
        self.stop()
        self._timer = None
        if (name := TIMES.get(self.state)) is not None:
            span: timedelta = getattr(self._limits, name)
            self._timer = asyncio.get_running_loop().call_later(
                span.total_seconds(), self.feed, Input.OVERDUE
            )
