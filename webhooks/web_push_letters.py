"""The one notification of this package's own: that notifications work here."""

from datetime import timedelta
from typing import Final

from webhooks.dispatch import Brief
from webhooks.mail import Letter
from webhooks.web_push_notice import Notice

STARTED: Final = "push.started"
LIFE: Final = timedelta(minutes=10)
"""After that nobody waits to see whether it works."""


async def compose(brief: Brief) -> Letter | None:
    """The composer of everything whose type begins with ``push``."""
    if brief.device is None or brief.type != STARTED:
        return None
    return Letter(
        to="",
        subject="Notifications are on",
        paragraphs=["You are told here when somebody asks for your car, and what becomes of it."],
        push=Notice(page="/notifications", about="notifications"),
    )
