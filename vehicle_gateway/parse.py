"""Bytes from a topic become one typed message, or poison with its reason (rule 10). Pure."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from spine.ids import UnitId
from vehicle_gateway.link import Incoming
from vehicle_gateway.wire import (
    MAX_BYTES,
    TOPIC,
    Ask,
    Envelope,
    ReceiptEvent,
    Result,
    Signals,
    State,
)

EVENTS: Final = frozenset({"door", "tow", "crash", "left_open", "pair"})
REQUESTS: Final = frozenset({"freshness", "trust", "revocations", "boot", "cert"})
ORDERED: Final = frozenset({"evt", "dtc", "sig", "res"})
"""Kinds that carry a ``seq`` (rule 4)."""

_DEPTH: Final = 8
_NODES: Final = 4_000
_LARGEST: Final = 2**63


class Reason(StrEnum):
    """Why a message was not taken; stands beside it in the dead-letter stream."""

    TOPIC = "topic"
    SIZE = "size"
    UTF8 = "utf8"
    JSON = "json"
    TYPE = "type"
    SCHEMA = "schema"
    IDENTITY = "identity"
    RETAINED = "retained"
    UNIT = "unit"
    COMMAND = "command"
    INTERNAL = "internal"


Code = Literal["schema", "auth", "size"]
_CODES: Final[dict[Reason, Code]] = {
    Reason.SIZE: "size",
    Reason.IDENTITY: "auth",
    Reason.RETAINED: "auth",
    Reason.UNIT: "auth",
    Reason.COMMAND: "auth",
}


@dataclass(frozen=True, slots=True)
class Poison:
    """What cannot be taken. ``unit`` and ``seq`` where they could be read: then its sender is told."""

    reason: Reason
    shard: int | None = None
    unit: UnitId | None = None
    seq: int = 0
    detail: str = ""

    @property
    def code(self) -> Code:
        """What ``dn/err`` says."""
        return _CODES.get(self.reason, "schema")


Content = State | Signals | ReceiptEvent | Result | Ask | dict[str, Any]


class Parsed(NamedTuple):
    """One message as it claims to be; who it is from is not yet checked.

    ``kind``: state, sig, tel, dtc, res, evt or req; ``name``: the event or request. ``content``: the type of
    its kind, for ``dtc`` and events other than receipts the plain ``d``.
    """

    shard: int
    unit: UnitId
    kind: str
    name: str
    id: str
    boot: int
    seq: int
    content: Content

    def __repr__(self) -> str:
        """Without the content: it may say where a car is."""
        return f"Parsed({self.kind} {self.name}, unit={self.unit}, boot={self.boot}, seq={self.seq})"


def parse(message: Incoming) -> Parsed | Poison:
    """Never raises, whatever the bytes."""
    topic = message.topic if isinstance(message.topic, str) else ""
    found = TOPIC.fullmatch(topic)
    if found is None:
        return Poison(Reason.TOPIC)
    shard, unit = int(found["shard"], 16), UnitId(found["unit"])
    if message.retain and found["name"] != "state":
        return Poison(Reason.RETAINED, shard, unit)
    if len(message.payload) > MAX_BYTES:
        return Poison(Reason.SIZE, shard, unit, detail=str(len(message.payload)))
    kind = found["name"].split("/")[0]
    return _content(message.payload, shard, unit, kind, found["event"] or found["request"] or "")


def _content(payload: bytes, shard: int, unit: UnitId, kind: str, name: str) -> Parsed | Poison:
    value = _json(payload)
    if isinstance(value, Reason):
        return Poison(value, shard, unit)
    seq = _seq_of(value)
    if (kind == "evt" and name != "receipt" and name not in EVENTS) or (
        kind == "req" and name not in REQUESTS
    ):
        return Poison(Reason.TYPE, shard, unit, seq, name)
    try:
        if kind == "state":
            state = State.model_validate(value)
            return Parsed(shard, unit, kind, name, "", state.boot, 0, state)
        envelope = Envelope.model_validate(value)
        content = _inner(kind, name, envelope.d)
    except ValidationError as wrong:
        return Poison(Reason.SCHEMA, shard, unit, seq, _where(wrong))
    if kind in ORDERED and envelope.seq == 0:
        return Poison(Reason.SCHEMA, shard, unit, detail="seq")
    return Parsed(shard, unit, kind, name, envelope.id, envelope.boot, envelope.seq, content)


def _json(payload: bytes) -> dict[str, Any] | Reason:
    """Parse strictly: no NaN, no lone surrogate, bounded in depth, size and numbers."""
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.UTF8
    try:
        value = from_json(payload, allow_inf_nan=False, cache_strings="keys")
    except ValueError:
        return Reason.JSON
    if not isinstance(value, dict):
        return Reason.SCHEMA
    return value if _bounded(value) else Reason.SCHEMA


def _bounded(value: dict[str, Any]) -> bool:
    """What a fact, a stream and every JSON reader behind them can hold."""
    level: list[Any] = [value]
    nodes = 0
    for _ in range(_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is dict:
                below.extend(item.values())
            elif kind is list:
                below.extend(item)
            elif kind is int:
                if not -_LARGEST < item < _LARGEST:
                    return False
            elif kind is float and not math.isfinite(item):
                return False
        nodes += len(below)
        if not below or nodes > _NODES:
            break
        level = below
    else:
        return False
    return nodes <= _NODES


def _inner(kind: str, name: str, d: dict[str, Any]) -> Content:
    match kind:
        case "sig" | "tel":
            return Signals.model_validate(d)
        case "res":
            return Result.model_validate(d)
        case "req":
            return Ask.model_validate(d)
        case "evt" if name == "receipt":
            return ReceiptEvent.model_validate(d)
        case _:
            return d


def _seq_of(value: dict[str, Any]) -> int:
    seq = value.get("seq")
    return seq if type(seq) is int and 0 <= seq <= 2**53 - 1 else 0


def _where(wrong: ValidationError) -> str:
    """The members that do not fit; never their values."""
    places = {".".join(str(part) for part in error["loc"])[:60] for error in wrong.errors()}
    return ",".join(sorted(places))[:200]
