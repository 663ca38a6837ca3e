"""Beside each mail about a delivery, the same for every browser of its reader, and what ends a question there."""

from datetime import datetime
from typing import Final

from delivery.ports import Devices, Engine
from spine.ids import PersonId
from webhooks.messages import Outgoing, beside
from webhooks.web_push_beside import Beside

OVER: Final = "delivery.over"
"""The type of what takes a question's place on a screen where it was shown, once nothing is asked any more."""


class Notifying:
    """Read twice, the same messages are found queued: each is named after its mail and its device."""

    def __init__(self, engine: Engine, devices: Devices) -> None:
        self._engine = engine
        self._devices = devices
        self._beside = Beside(engine, devices)

    async def as_well(self, mail: Outgoing) -> None:
        """What a person is mailed, to each of their devices too."""
        await self._beside.as_well(mail)

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
                await self._beside.put(
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
