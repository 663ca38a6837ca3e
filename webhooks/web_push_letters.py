"""The one notification of this package's own: that notifications work here."""

from datetime import timedelta
from typing import Final

from spine.words import Text, WordsFor
from webhooks.dispatch import Brief, Composer
from webhooks.mail import Letter
from webhooks.web_push_notice import Notice

STARTED: Final = "push.started"
LIFE: Final = timedelta(minutes=10)
"""After that nobody waits to see whether it works."""


def composer(words_for: WordsFor) -> Composer:
    """Of everything whose type begins with ``push``."""

    async def compose(brief: Brief) -> Letter | None:
        if brief.device is None or brief.person is None or brief.type != STARTED:
            return None
        words = await words_for(brief.person)
        told = Text("You are told here when somebody asks for your car, and what becomes of it.")
        return Letter(
            to="",
            subject=words.say(Text("Notifications are on")),
            paragraphs=[words.say(told)],
            language=words.language,
            push=Notice(page="/notifications", about="notifications"),
        )

    return compose
