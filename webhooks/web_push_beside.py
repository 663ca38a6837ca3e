"""Beside a mail to a person, the same for every browser that its reader lets us notify: queued by ids only."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from spine.ids import PersonId, PushId
from spine.queues import BacklogFull
from spine.store import Ack
from webhooks.messages import Outgoing, beside
from webhooks.web_push_choice import Topic

log: Final = logging.getLogger("trunkline.webhooks")


class Queue(Protocol):
    """The door to the engine (``webhooks.engine.Engine``)."""

    async def queue(self, message: Outgoing, *, ack: Ack | None = None) -> bool: ...


class Screens(Protocol):
    """The browsers that a person lets us notify of something (``webhooks.web_push_devices.Devices``)."""

    async def ids_of(self, person: PersonId, topic: Topic | None = None) -> Sequence[PushId]: ...


class NoDevices:
    """Nobody lets us notify anything."""

    async def ids_of(self, person: PersonId, topic: Topic | None = None) -> list[PushId]:  # noqa: ARG002
        """None of theirs."""
        return []


class Beside:
    """Read twice, the same messages are found queued: each is named after its mail and its device."""

    def __init__(self, engine: Queue, devices: Screens) -> None:
        self._engine = engine
        self._devices = devices

    async def as_well(self, mail: Outgoing, topic: Topic | None = None) -> None:
        """What a person is mailed, to each of their devices too; not where they chose to do without ``topic``."""
        if mail.person is None:
            return
        for device in await self._devices.ids_of(mail.person, topic):
            await self.put(replace(mail, id=beside(mail.id, device), device=device, interactive=True))

    async def put(self, message: Outgoing) -> None:
        """A device whose queue is full is passed over: the mail goes, and the page shows it."""
        try:
            await self._engine.queue(message)
        except BacklogFull:
            log.warning("news.device_full", extra={"device": message.device, "type": message.type})
