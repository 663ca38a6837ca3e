"""The body of a webhook: a CloudEvents 1.0 event in JSON around what the caller's domain has to say."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from spine.ids import body_of

SPECVERSION: Final = "1.0"
"""Of CloudEvents: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md."""

SEQUENCE_DIGITS: Final = 19
"""CloudEvents' extension ``sequence`` is text that sorts: whole numbers of 63 bits, with zeros before them."""

_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_TEXT: Final = json.encoder.encode_basestring
"""A text as JSON."""
_WIRE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TO_AN_ENDPOINT: Final = re.compile(r"\.ep\.[0-9a-hjkmnp-tv-z]{16}$")


@dataclass(slots=True)  # one for each try: a frozen one takes three times as long to make
class News:
    """What a composer says to a system: ``data`` as JSON values; ``subject`` names the thing it is about.

    ``sequence``: grows with each piece of news about one subject, so that a receiver can put them in order.
    """

    data: Mapping[str, Any] = field(repr=False)
    subject: str | None = None
    sequence: int | None = None


def event_of(message: str) -> str:
    """What a message tells, without the address it goes to: two addresses hear of one event."""
    return _TO_AN_ENDPOINT.sub("", message)


def wire_id(message: str) -> str:
    """The ``webhook-id`` of a message and the ``id`` in its body: its event's id without dots, at every try.

    The signed bytes are joined by dots, so a strict verifier (ours too) refuses an id that has one. Two
    events never get the same: where a dash stands in the id already, or it is too long, a hash is taken.
    Every address of a subscriber, and its stream, hear of an event under the same id.
    """
    event = event_of(message)
    plain = event.replace(".", "-")
    if "-" not in event and _WIRE_ID.fullmatch(plain):
        return plain
    return f"msg_{body_of(event)[0]}-{sha256(event.encode()).hexdigest()[:40]}"


def encode(
    message: str, type_: str, at: datetime, source: str, news: News, *, name: str | None = None
) -> bytes:
    """The body as sent: compact UTF-8 JSON of ``{specversion, id, type, time, source, subject, sequence, data}``.

    ``name``: its ``wire_id``, where that is known. Raises ``TypeError`` or ``ValueError`` where ``data`` is not JSON.
    """
    # Written out: a dictionary that is made, filtered and encoded cost as much as the whole signature.
    name = wire_id(message) if name is None else name
    subject = "" if news.subject is None else f',"subject":{_TEXT(news.subject)}'
    sequence = "" if news.sequence is None else f',"sequence":"{news.sequence:0{SEQUENCE_DIGITS}d}"'
    said = (
        f'{{"specversion":"{SPECVERSION}","id":"{name}","type":{_TEXT(type_)},"time":"{_moment(at)}",'
        f'"source":{_TEXT(source)}{subject}{sequence},"data":{_JSON.encode(dict(news.data))}}}'
    )
    return said.encode()


def _moment(at: datetime) -> str:
    """In UTC, to the millisecond, with a Z."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def sequence_of(position: str) -> int:
    """A log position as a whole number that grows with it (and stays exact in JSON)."""
    milliseconds, _, n = position.partition("-")
    return int(milliseconds) * 1000 + min(int(n or 0), 999)
