"""Links in a garage's mails to its one page: of one appointment, or for some hours of all its appointments."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from maintenance.garage_problems import LinkNotGood
from maintenance.garages import Garages
from maintenance.limits import GarageLimits
from people.tokens import digest, draw_secret, is_secret
from spine.clock import Clock
from spine.expiring import Expiring
from spine.ids import AppointmentId, GarageId, PersonId
from webhooks import mail

PAGE: Final = "/garage"
_SPACE: Final = "garage_link"
_EVERY: Final = "every"


@dataclass(frozen=True, slots=True)
class GarageLink:
    """Whose link it is. ``appointment``: the only one it shows; None: all of the garage's."""

    garage: GarageId
    appointment: AppointmentId | None


def wanted(label: str, garage: GarageId, appointment: AppointmentId | None, until: datetime) -> mail.Link:
    """The link a letter to a garage asks for."""
    about = {"garage": garage, "appointment": appointment or _EVERY}
    # The engine's link names whom it is for by one member; for a garage that is its own id.
    return mail.Link(label, PAGE, PersonId(garage), about, until)


class GarageLinks:
    """Kept by hash, and only as long as they are good. A new token of the garage ends them all."""

    def __init__(
        self, expiring: Expiring, garages: Garages, clock: Clock, limits: GarageLimits, *, public_url: str
    ) -> None:
        """``public_url``: where our pages are found, without a slash at its end."""
        self._expiring = expiring
        self._garages = garages
        self._clock = clock
        self._limits = limits
        self._public_url = public_url

    async def mint(self, link: mail.Link) -> str:
        """The URL for a letter, with a token of its own in the fragment. Raises ``NoSuchGarage``."""
        garage = await self._garages.read(GarageId(link.reference["garage"]))
        appointment, token = link.reference["appointment"], draw_secret()
        most = self._limits.garage_day_link_life if appointment == _EVERY else link.until - self._clock.now()
        life = max(timedelta(minutes=1), min(most, link.until - self._clock.now()))
        kept = json.dumps([garage.id, garage.body.epoch, "" if appointment == _EVERY else appointment])
        await self._expiring.put(_SPACE, digest(token), kept, life)
        return f"{self._public_url}{link.page}#{token}"

    async def open(self, token: str) -> GarageLink:
        """Raises ``LinkNotGood``: alike for no link, an old one, and one from before a new token."""
        kept = await self._expiring.get(_SPACE, digest(token)) if is_secret(token) else None
        if kept is None:
            raise LinkNotGood("this link is not known, or too old")
        name, epoch, appointment = json.loads(kept)
        garage = await self._garages.view(GarageId(name))
        if garage is None or garage.body.epoch != epoch:
            raise LinkNotGood("this link is not known, or too old")
        return GarageLink(garage.id, AppointmentId(appointment) if appointment else None)
