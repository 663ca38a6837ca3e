"""Plays a file of scans through the policy, without a store: what would have happened, line by line."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from maintenance.cases import Vehicle
from maintenance.policy import after_repair, after_scan
from maintenance.rules import FaultRules
from maintenance.scans import Repaired, Scan
from maintenance.severity import Severity

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_OURS: Final = re.compile(r"veh_([0-9a-hjkmnp-tv-z]{16})")
_LONGEST: Final = 1_000_000
"""Characters of a line; a scan is a few thousand."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no scan: its number, counted from 1, and what is wrong, without its content."""

    number: int
    why: str


def case_id(vehicle: str, system: str, n: int) -> str:
    """``cse_<vehicle body>.<system>.<n>``; a vehicle of somebody else's naming gets a body of ours, always the same."""
    found = _OURS.fullmatch(vehicle)
    if found is not None:
        body = found.group(1)
    else:
        digest = hashlib.sha256(vehicle.encode("utf-8", "surrogatepass")).digest()
        body = "".join(_ALPHABET[byte & 31] for byte in digest[:16])
    return f"cse_{body}.{system}.{n}"


def play(
    lines: Iterable[str],
    rules: FaultRules,
    maker: Mapping[str, Severity] | None = None,
) -> Iterator[dict[str, Any] | BadLine]:
    """The happenings of each line in turn, as JSON values; a line that is no scan is told and passed over."""
    vehicles: dict[str, Vehicle] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            read = _read(line)
        except ValueError as cause:
            yield BadLine(number, _why(cause))
            continue
        known = vehicles.get(read.vehicle, Vehicle())
        if isinstance(read, Repaired):
            vehicles[read.vehicle] = after_repair(known, read)
            continue
        vehicles[read.vehicle], happened = after_scan(known, read, rules, maker)
        for one in happened:
            yield one.told(read.vehicle, case_id(read.vehicle, one.system, one.n))


def _read(line: str) -> Scan | Repaired:
    """Raises ``ValueError``."""
    if len(line) > _LONGEST:
        raise ValueError("the line is too long")
    try:
        return Scan.model_validate_json(line)
    except ValidationError as cause:
        try:
            return Repaired.model_validate_json(line)
        except ValidationError:
            raise cause from None


def _why(cause: ValueError) -> str:
    if isinstance(cause, ValidationError):
        first = cause.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}" if where else first["msg"]
    return str(cause)
