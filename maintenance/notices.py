"""How a mail about a case or a visit looks as a notification: the same words, no link, and a page that asks for the session.

In quiet hours nothing makes a sound but what is critical and new: that is said at any hour.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from maintenance.appointments import case_of
from maintenance.model import Read
from maintenance.ports import Asleep
from maintenance.service import Cases, NoSuchCase
from spine.facts.maintenance import Level
from spine.ids import AppointmentId, CaseId, VehicleId
from webhooks.dispatch import Brief
from webhooks.envelope import News
from webhooks.mail import Letter
from webhooks.web_push_choice import Topic
from webhooks.web_push_notice import Notice, Urgency

_WAKES: Final = frozenset({"case.opened", "case.reprioritised", "case.reopened"})
"""News of a critical case that wakes people; that it still stands, and that it is over, can be read in the morning."""

Writes = Callable[[Brief], Awaitable[News | Letter | None]]


def topic_of(type_: str, severity: Level | None = None) -> Topic | None:
    """Which choice of its reader this follows; None: of a critical case nothing can be turned off, nor its end.

    An alarm that stays on a screen after the car is mended would be worse than one word too many.
    """
    if severity == "critical":
        return None
    if type_.startswith("appointment."):
        return "visits"
    return "mended" if type_ == "case.closed" else "faults"


def as_notice(
    letter: Letter, type_: str, about: Read, subject: str, *, asleep: bool, public_url: str
) -> Letter:
    """The letter for a device. ``subject``: of two about the same one the newer takes the older one's place.

    ``asleep``: its household has quiet hours. ``public_url``: a line with it is for readers of mail.
    """
    critical = about.body.severity == "critical" and type_.startswith("case.")
    wakes = critical and type_ in _WAKES
    urgency: Urgency = "high" if wakes or (critical and not asleep) else "low" if asleep else "normal"
    return Letter(
        to="",
        subject=letter.subject,
        paragraphs=[each for each in letter.paragraphs if not public_url or public_url not in each],
        language=letter.language,
        push=Notice(page=f"/cases/{about.id}", about=subject, urgency=urgency, silent=asleep and not wakes),
    )


class Noticing:
    """Beside the composers of mails: what they write becomes a notification where it goes to a device."""

    def __init__(self, cases: Cases, writes: Writes, asleep: Asleep, *, public_url: str) -> None:
        self._cases = cases
        self._writes = writes
        self._asleep = asleep
        self._public_url = public_url

    async def __call__(self, brief: Brief) -> News | Letter | None:
        """What to say now; None where there is nothing to say any more."""
        said = await self._writes(brief)
        if brief.device is None or not isinstance(said, Letter):
            return said
        case, subject = _about(brief.reference)
        try:
            read = await self._cases.read(case)
        except NoSuchCase:
            return None
        asleep = await self._asleep(read.body.vehicle, self._cases.clock.now())
        return as_notice(said, brief.type, read, subject, asleep=asleep, public_url=self._public_url)


async def awake(vehicle: VehicleId, now: datetime) -> bool:  # noqa: ARG001
    """No household has quiet hours."""
    return False


def _about(reference: Mapping[str, str]) -> tuple[CaseId, str]:
    """The case, and what takes whose place on the screen: a visit's news that of the visit, a case's that of the case."""
    named = reference.get("appointment")
    if named is None:
        return CaseId(reference["case"]), reference["case"]
    return case_of(AppointmentId(named)), named
