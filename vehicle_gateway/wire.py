"""What travels between gateway and unit: topics, messages (docs/vehicle-protocol.md). Pure: goes to the car."""

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

MAX_BYTES: Final = 64 * 1024
UNIT: Final = re.compile(r"^vu_[0-9a-hjkmnp-tv-z]{16}$")
TOPIC: Final = re.compile(
    r"^tl/1/(?P<shard>[0-9a-f]{2})/(?P<unit>vu_[0-9a-hjkmnp-tv-z]{16})/up/"
    r"(?P<name>state|sig|tel|dtc|res|evt/(?P<event>[a-z_]{1,32})|req/(?P<request>[a-z_]{1,32}))$"
)
UP_ALL: Final = "tl/1/+/+/up/#"

EXPIRY: Final[dict[str, int | None]] = {
    "state": None, "sig": 86_400, "tel": 60, "evt": 604_800, "dtc": 2_592_000, "res": 3_600, "req": 30,
}  # fmt: skip
"""Message expiry in seconds by kind of uplink message; a crash event has none."""


def up(shard: int, unit: str, name: str) -> str:
    """A topic the unit writes; ``name`` is ``state``, ``evt/receipt``, ``req/cert``, ..."""
    return f"tl/1/{shard:02x}/{unit}/up/{name}"


def down(shard: int, unit: str, name: str) -> str:
    """A topic the unit reads; ``name`` is cmd, rev, trust, cfg, ack or err."""
    return f"tl/1/{shard:02x}/{unit}/dn/{name}"


class Message(BaseModel):
    """Base of all messages: unknown members are ignored so that units and gateways may differ in age."""

    model_config = ConfigDict(frozen=True, extra="ignore")


Count = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Envelope(Message):
    """Around every uplink message that keeps an order.

    ``seq`` is given when the message first goes on the wire, per boot, to evt, dtc, sig and res only (else 0);
    ``mono`` is milliseconds since boot.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    boot: Count
    seq: Count
    ts: AwareDatetime
    mono: Count
    v: Literal[1] = 1
    d: dict[str, Any]


class Presence(StrEnum):
    ONLINE = "online"
    DOZING = "dozing"
    ASLEEP = "asleep"
    OFFLINE = "offline"


class State(Message):
    """``up/state`` (retained; the will is ``offline``). Not in an envelope: a will cannot know when."""

    presence: Presence
    boot: Count
    ts: AwareDatetime | None = None
    wakes_at: AwareDatetime | None = None
    every: Annotated[int, Field(ge=1, le=86_400)] | None = None
    """Dozing: seconds between two listens."""


class Result(Message):
    """``d`` of ``up/res``: what became of a command. ``received`` first where the work takes a while."""

    cmd: str
    outcome: Literal["received", "done", "refused"]
    code: str = ""
    may_have_opened: bool = False
    data: dict[str, Any] = {}


class ReceiptEvent(Message):
    """``d`` of ``up/evt/receipt``: one ``tl-receipt+jwt``; ``n``: its chain number, it is deduped by it."""

    n: Count
    receipt: Annotated[str, Field(max_length=4096)]


class Signals(Message):
    """``d`` of ``up/sig``: COVESA VSS v6 path to value. ``full``: a snapshot of all."""

    full: bool = False
    values: dict[str, StrictBool | StrictInt | StrictFloat | StrictStr | None]


class Ask(Message):
    """``d`` of ``up/req/{name}``."""

    nonce: str = ""
    data: dict[str, Any] = {}


class Ack(Message):
    """``dn/ack``: durably accepted sequence numbers of this boot."""

    boot: Count
    seqs: list[Count]


class Err(Message):
    """``dn/err``: refused. ``stale`` never makes a unit drop: it sends again under a new number."""

    seq: Count
    code: Literal["schema", "auth", "rate", "size", "stale"]
    detail: str = ""


class Trust(Message):
    """``dn/trust`` (retained): the trust bundle, one ``tl-bundle+jwt`` of each root that signed it."""

    bundle: list[Annotated[str, Field(max_length=16_384)]]


class Op(StrEnum):
    """What a ``tl-cmd+jwt`` may ask of a unit."""

    CHALLENGE = "challenge"
    PRESENT = "present"
    LOCK = "lock"
    FLASH = "flash"
    LOCATE = "locate"
    SCAN = "scan"
    SNAPSHOT = "snapshot"
    CFG = "cfg"


class Command(Message):
    """``d`` of ``dn/cmd``: one ``tl-cmd+jwt`` whose claims are ``{aud, cmd, op, iat, exp, args}``."""

    cmd: Annotated[str, Field(max_length=16_384)]
