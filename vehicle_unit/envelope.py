"""Make the envelopes around what a unit says (vehicle protocol, "Topics")."""

import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def message_id(unix_ms: int) -> str:
    """A UUID version 7 (RFC 9562): 48 bits of time, the rest random."""
    head = f"{unix_ms & (2**48 - 1):012x}"
    rand = secrets.token_hex(10)
    variant = "89ab"[secrets.randbelow(4)]
    return f"{head[:8]}-{head[8:]}-7{rand[:3]}-{variant}{rand[3:6]}-{rand[6:18]}"


def moment(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def envelope(*, message: str, boot: int, seq: int, at: datetime, mono: int, d: Mapping[str, Any]) -> bytes:
    """The JSON of ``vehicle_gateway.wire.Envelope``. ``seq`` is 0 for what keeps no order."""
    return json.dumps(
        {"id": message, "boot": boot, "seq": seq, "ts": moment(at), "mono": mono, "v": 1, "d": d},
        separators=(",", ":"),
    ).encode()
