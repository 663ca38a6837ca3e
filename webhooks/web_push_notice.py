"""What a browser shows of a letter: its title and first words, where a click leads, what it replaces. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Urgency = Literal["low", "normal", "high"]
"""RFC 8030, 5.3: a phone that saves power lets ``high`` through."""

_TITLE_MOST: Final = 120
_BODY_MOST: Final = 600
"""Characters; both together, four bytes each, fit into one push message with what else stands in it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """How a letter looks as a notification.

    ``page``: our path that a click opens, where the session is asked for: no token stands in it. ``about``: of two
    about the same the newer takes the place of the older one, on the way and on the screen. ``silent``: no sound.
    """

    page: str
    about: str
    urgency: Urgency = "normal"
    silent: bool = False


def payload(title: str, paragraphs: Sequence[str], notice: Notice, *, at: datetime, language: str) -> bytes:
    """What is sealed for the browser; at most ``web_push.PAYLOAD_MOST`` bytes whatever a name in it holds.

    ``at``: when what it tells happened: what comes late does not cover what is newer.
    """
    if not notice.page.startswith("/") or notice.page.startswith("//"):
        raise ValueError("a notification opens a page of ours")
    said = {
        "title": _line(title, _TITLE_MOST),
        "body": _line(" ".join(paragraphs), _BODY_MOST),
        "tag": notice.about,
        "url": notice.page,
        "at": round(at.timestamp() * 1000),
        "silent": notice.silent,
        "lang": language,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _line(text: str, most: int) -> str:
    plain = "".join(each if each.isprintable() else " " for each in text)
    words = " ".join(plain.split())
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
