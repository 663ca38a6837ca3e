"""How a mail about a delivery looks as a notification: the same words, no link, and a page that asks for the session.

Pure. In quiet hours nothing makes a sound but a question that cannot wait and what is never silent.
"""

from datetime import datetime
from typing import Final

from delivery.hours import Quiet
from delivery.notifying import OVER
from webhooks.dispatch import Brief
from webhooks.mail import Letter
from webhooks.web_push_notice import Notice, Urgency

ALARMS: Final = frozenset(
    {
        "delivery.unsure", "delivery.left_open", "delivery.out_of_place", "delivery.carrier_doubted",
        "delivery.disowned",
    }
)  # fmt: skip
"""Never silent: owner and carrier hear at once, and it is tried again soon."""
_ASKS: Final = frozenset({"delivery.asked", "delivery.waiting"})
"""They wait for the morning by themselves where they can (``delivery.prompts``): what comes at night cannot."""


def as_notice(brief: Brief, letter: Letter, quiet: Quiet | None, now: datetime, public_url: str) -> Letter:
    """The letter for a device. ``quiet``: of the car's household; ``public_url``: a line with it is for readers of mail."""
    loud = brief.type in ALARMS or brief.type in _ASKS
    asleep = quiet is not None and quiet.until(now) is not None
    urgency: Urgency = "high" if loud else "low" if asleep else "normal"
    delivery = brief.reference.get("delivery")
    return Letter(
        to="",
        subject=letter.subject,
        paragraphs=[each for each in letter.paragraphs if public_url not in each],
        language=letter.language,
        push=Notice(
            page=f"/deliveries/{delivery}" if delivery else "/",
            about=_about(brief),
            urgency=urgency,
            silent=brief.type == OVER or (asleep and not loud),
        ),
    )


def _about(brief: Brief) -> str:
    """Of a delivery what is newer takes the older one's place; but an alarm stays until somebody has seen it."""
    subject = brief.reference.get("delivery") or brief.reference.get("vehicle", "")
    own = brief.type in ALARMS or "delivery" not in brief.reference
    return f"{subject}:{brief.type.partition('.')[2]}" if own else subject
