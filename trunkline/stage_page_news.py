"""What the demo's page is told: how the car is, what car and service just said, and the mail on the owner's phone."""

import asyncio
import contextlib
import email
import email.policy
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from spine.entries import Entry
from spine.log import Lagged, Tail
from vehicle_unit.control import NotRunning, ask
from vehicle_unit.vehicle import LID, LOCKED, PADS

log = logging.getLogger("trunkline")

_KEPT: Final = 200
"""Things said that a page which comes later still hears."""
_CAR_EVERY: Final = 0.15
_MAIL_EVERY: Final = 0.4
_BEAT: Final = 15.0
_QUEUE: Final = 1000
_LINK: Final = re.compile(r"https?://\S+#[A-Za-z0-9_-]{20,}")
_OVER: Final = frozenset(
    f"delivery.{how}"
    for how in (
        "unusable", "declined", "disowned", "expired", "blocked", "cancelled", "delivered", "failed", "ended",
    )
)  # fmt: skip
_SAID: Final = frozenset({
    "delivery.requested", "delivery.asked", "delivery.approved", "delivery.declined", "delivery.blocked",
    "delivery.en_route", "delivery.arrived", "delivery.opening", "delivery.refused", "delivery.unsure",
    "delivery.photo", "delivery.delivered", "delivery.failed", "delivery.expired",
    "key.signed", "key.handed_out", "key.revoked", "key.consumed", "key.refused", "key.destroyed",
    "revocation.confirmed", "boot.opened", "boot.not_lifted", "boot.closed", "boot.locked", "boot.left_open",
    "command.sent", "command.done", "command.refused", "command.unanswered", "vehicle.presence_changed",
    "vehicle.signal_changed", "case.opened", "trigger.queued", "trigger.leased",
    "trigger.booked", "trigger.scheduled", "trigger.declined", "trigger.ended", "case.called",
})  # fmt: skip
"""Kinds of facts that a newcomer wants to hear; the page has their words (``static/stage_words.js``)."""
_OPS: Final = frozenset({"challenge", "flash", "lock"})
_TOLD: Final = ("code", "op", "presence", "how", "value", "final", "delivery", "severity", "system")


_Queue = asyncio.Queue[tuple[int, str, Any] | None]
"""None: nothing comes any more."""


class News:
    """One demo's. Facts and letters name nobody else's car: a demo has one."""

    def __init__(self, *, vehicle: str, unit: Path, mail: Path, address: str) -> None:
        """``unit``: the car's folder; ``address``: whose mail is shown."""
        self._vehicle = vehicle
        self._unit = unit
        self._mail = mail
        self._address = address
        self._read = set(mail.glob("*.eml"))
        self._said: deque[tuple[int, str, Any]] = deque(maxlen=_KEPT)
        self._count = 0
        self._listeners: set[_Queue] = set()
        self._watched = asyncio.Event()
        self.car: Mapping[str, Any] = {}
        self.scene: dict[str, Any] = {"delivery": None, "parcel": "none"}

    def say(self, name: str, data: Any) -> None:  # noqa: ANN401 - JSON
        """Something that happened, for every page, in order."""
        self._count += 1
        item = (self._count, name, data)
        self._said.append(item)
        self._offer(item)

    def set(self, **scene: Any) -> None:  # noqa: ANN401 - JSON
        """The scene stands otherwise."""
        self.scene.update(scene)
        self._offer((0, "scene", dict(self.scene)))

    def pass_over(self) -> None:
        """The mail that lies there is nobody's news: the demo itself caused and read it."""
        self._read |= set(self._mail.glob("*.eml"))

    async def run(self, tail: Tail) -> None:
        """Listen to the log, the car and the mail until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for job in (self._facts(tail), self._look_at_car(), self._look_for_mail()):
                tasks.create_task(job)

    @asynccontextmanager
    async def listen(self, after: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Server-sent events from behind ``after`` on, beginning with how everything stands."""
        queue: _Queue = asyncio.Queue(_QUEUE)
        before = [item for item in self._said if item[0] > after or after > self._count]
        self._listeners.add(queue)
        self._watched.set()
        try:
            yield self._events(before, queue)
        finally:
            self._listeners.discard(queue)
            if not self._listeners:
                self._watched.clear()

    async def _events(self, before: list[tuple[int, str, Any]], queue: _Queue) -> AsyncIterator[bytes]:
        for name, data in (("car", self.car), ("scene", self.scene)):
            yield event(0, name, data)
        for item in before:
            yield event(*item)
        yield event(0, "caught_up", {})
        while True:
            try:
                async with asyncio.timeout(_BEAT):
                    newest = await queue.get()
            except TimeoutError:
                yield b": still here\n\n"
            else:
                if newest is None:
                    return
                yield event(*newest)

    def _offer(self, item: tuple[int, str, Any]) -> None:
        for queue in tuple(self._listeners):
            try:
                queue.put_nowait(item)
            except asyncio.QueueFull:  # it comes back, and is told how everything stands
                self._listeners.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)

    async def _facts(self, tail: Tail) -> None:
        while True:
            async with tail.subscribe() as entries:
                with contextlib.suppress(Lagged):
                    async for entry in entries:
                        self.heard(entry)

    def heard(self, entry: Entry) -> None:
        """One fact of the log."""
        if not entry.readable:
            return
        fact = entry.fact
        vehicle = getattr(fact, "vehicle", None)
        # An order names an address; which car that is comes out later.
        if vehicle != self._vehicle and (vehicle is not None or entry.kind != "delivery.requested"):
            return
        if entry.kind in _OVER and getattr(fact, "delivery", "") == self.scene["delivery"]:
            self.set(delivery=None)
        if entry.kind in _SAID and (told := _told(entry.kind, fact)) is not None:
            self.say("said", told)

    async def _look_at_car(self) -> None:
        while True:
            await self._watched.wait()
            await self.look_at_car()
            await asyncio.sleep(_CAR_EVERY)

    async def look_at_car(self) -> None:
        """Ask the unit how its car is, and tell what changed."""
        try:
            state = _seen(await ask(self._unit, {}))
        except (NotRunning, OSError, ValueError, KeyError):  # away, or not whole yet
            state = {**self.car, "running": False}
        if state != self.car:
            self.car = state
            self._offer((0, "car", state))

    async def _look_for_mail(self) -> None:
        while True:
            await self._watched.wait()
            self.look_for_mail()
            await asyncio.sleep(_MAIL_EVERY)

    def look_for_mail(self) -> None:
        """Tell of the letters that came, the oldest first; one that is gone again is passed over."""
        found = []
        for path in set(self._mail.glob("*.eml")) - self._read:
            self._read.add(path)
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime_ns, path.read_bytes()))
        for _, data in sorted(found):
            letter = email.message_from_bytes(data, policy=email.policy.default)
            if letter["To"] == self._address:
                self.say("mail", _letter(letter))


def event(number: int, name: str, data: Any) -> bytes:  # noqa: ANN401 - JSON
    """One event; 0 has no place in the order, so nobody comes back to it."""
    place = f"id: {number}\n" if number else ""
    return f"{place}event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _told(kind: str, fact: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any fact
    if kind.startswith("command.") and fact.op not in _OPS:
        return None
    if kind == "vehicle.signal_changed" and fact.path != PADS:
        return None
    at: datetime = getattr(fact, "unit_at", None) or fact.at
    more = {name: getattr(fact, name) for name in _TOLD if getattr(fact, name, None) is not None}
    return {"kind": kind, "at": at.isoformat(), **more}


def _seen(state: Mapping[str, Any]) -> dict[str, Any]:
    signals = state["signals"]
    return {
        "running": True, "lid_up": signals[LID], "locked": signals[LOCKED], "lock": state["lock"],
        "connected": state["connected"], "mode": state["mode"], "flashes": state["flashes"],
        "pads": signals.get(PADS),
    }  # fmt: skip


def _letter(letter: EmailMessage) -> dict[str, Any]:
    body = letter.get_body(("plain",))
    text = "" if body is None else body.get_content()
    found = _LINK.search(text)
    link = "" if found is None else found[0]
    to = urlsplit(link)
    ours = to.path[:1] == "/" and to.path[1:2] not in {"/", "\\"}  # else it would name another host
    return {"subject": str(letter["Subject"]), "to": f"{to.path}#{to.fragment}" if ours else ""}
