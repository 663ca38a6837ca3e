"""Beside each mail about a delivery, the same for every browser that its person lets us notify: queued by ids only."""

import logging
from dataclasses import replace
from datetime import datetime
from typing import Final

from delivery.ports import Devices, Engine
from spine.ids import PersonId, PushId
from spine.queues import BacklogFull
from webhooks.messages import Outgoing, beside

log = logging.getLogger("trunkline.delivery")

OVER: Final = "delivery.over"
"""The type of what takes a question's place on a screen where it was shown, once nothing is asked any more."""


class NoDevices:
    """Nobody lets us notify anything."""

    async def ids_of(self, person: PersonId) -> list[PushId]:  # noqa: ARG002
        """None of theirs."""
        return []


class Notifying:
    """Read twice, the same messages are found queued: each is named after its mail and its device."""

    def __init__(self, engine: Engine, devices: Devices) -> None:
        self._engine = engine
        self._devices = devices

    async def as_well(self, mail: Outgoing) -> None:
        """What a person is mailed, to each of their devices too."""
        if mail.person is None:
            return
        for device in await self._devices.ids_of(mail.person):
            await self._put(replace(mail, id=beside(mail.id, device), device=device, interactive=True))

    async def withdraw(self, asked: str, person: PersonId) -> None:
        """The question of this mail (its message's id) is over: a device that has not shown it needs not."""
        for device in await self._devices.ids_of(person):
            await self._engine.withdraw(beside(asked, device))

    async def over(
        self, asked: str, person: PersonId, delivery: str, *, at: datetime, until: datetime
    ) -> None:
        """Where that question may be on a screen, say that it is over; nobody else hears of it."""
        for device in await self._devices.ids_of(person):
            if await self._engine.begun(beside(asked, device)):
                await self._put(
                    Outgoing(
                        id=beside(asked, device, "over"),
                        type=OVER,
                        at=at,
                        expires_at=until,
                        reference={"delivery": delivery},
                        person=person,
                        device=device,
                        interactive=True,
                    )
                )

    async def _put(self, message: Outgoing) -> None:
        """A device whose queue is full is passed over: the mail goes, and the page shows it."""
        try:
            await self._engine.queue(message)
        except BacklogFull:
            log.warning("news.device_full", extra={"device": message.device, "type": message.type})
