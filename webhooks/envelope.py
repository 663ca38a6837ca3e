"""The body of a webhook: a CloudEvents-compatible envelope around what the caller's domain has to say."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from spine.ids import body_of

_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_WIRE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class News:
    """What a composer says to a system: ``data`` as JSON values; ``subject`` names the thing it is about.

    ``sequence``: grows with each piece of news about one subject, so that a receiver can put them in order.
    """

    data: Mapping[str, Any] = field(repr=False)
    subject: str | None = None
    sequence: int | None = None


def wire_id(message: str) -> str:
    """The ``webhook-id`` of a message: its id without dots, the same at every try.

    The signed bytes are joined by dots, so a strict verifier (ours too) refuses an id that has one. Two
    messages never get the same: where a dash stands in the id already, or it is too long, a hash is taken.
    """
    plain = message.replace(".", "-")
    if "-" not in message and _WIRE_ID.fullmatch(plain):
        return plain
    return f"msg_{body_of(message)[0]}-{sha256(message.encode()).hexdigest()[:40]}"


def encode(message: str, type_: str, at: datetime, source: str, news: News) -> bytes:
    """The body as sent: compact UTF-8 JSON of ``{id, type, time, source, subject, sequence, data}``.

    Raises ``TypeError`` or ``ValueError`` where ``data`` is not JSON.
    """
    envelope = {
        "id": wire_id(message),
        "type": type_,
        "time": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "source": source,
        "subject": news.subject,
        "sequence": news.sequence,
        "data": dict(news.data),
    }
    said = {name: value for name, value in envelope.items() if value is not None}
    return _JSON.encode(said).encode()
