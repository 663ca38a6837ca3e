"""A scan as it came, made one the policy takes: bounded, its clock held against ours, what is unreadable left out. Pure.

What cannot be read of a scan never makes it say less than it said: a code left out, or a list cut short, makes the scan
``partial``, and a partial scan closes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from maintenance.scans import Code, Ecu, Scan
from spine.ids import VehicleId

_FREEZE_MOST: Final = 32
_FREEZE_TEXT: Final = 40
_ODOMETER_MOST: Final = 10_000_000_000
"""Metres: ten million kilometres."""
_RANK: Final = {"permanent": 0, "confirmed": 0, "pending": 1}

Freeze = dict[str, str | int | float | bool]


class Unreadable(ValueError):
    """Nothing in it can be taken for a scan. The text says which members, never what they hold."""


@dataclass(frozen=True, slots=True)
class Heard:
    """``left_out``: codes that could not be read or were too many."""

    scan: Scan
    left_out: int = 0


def heard(
    raw: Mapping[str, Any], vehicle: VehicleId, at: datetime, *, most: int, oldest: timedelta = timedelta.max
) -> Heard:
    """The scan of a fact. Raises ``Unreadable``.

    ``at``: when it reached us. No scan is younger, and one that would be older than ``oldest`` comes of a unit whose clock
    is wrong: it counts as of now, or a case would open in another owner's time.
    """
    plain = {"at": at, **raw, "vehicle": vehicle}
    left_out = 0
    try:
        scan = Scan.model_validate(plain)
    except ValidationError:
        scan, left_out = _without_what_is_wrong(plain)
    if scan.at > at or at - scan.at > oldest:
        scan = scan.model_copy(update={"at": at})
    over = sum(len(ecu.codes) for ecu in scan.ecus) - most
    if over > 0:
        scan, left_out = _cut(scan, most), left_out + over
    return Heard(scan, left_out)


def _without_what_is_wrong(plain: Mapping[str, Any]) -> tuple[Scan, int]:
    """Each code by itself: one that is garbled must not hide the others."""
    ecus, lost = [], 0
    listed = plain.get("ecus")
    for raw in listed if isinstance(listed, list) else []:
        codes = raw.get("codes") if isinstance(raw, dict) else None
        kept = []
        for code in codes if isinstance(codes, list) else []:
            try:
                kept.append(Code.model_validate(code))
            except ValidationError:
                lost += 1
        try:
            ecus.append(Ecu.model_validate({**raw, "codes": kept[:300]} if isinstance(raw, dict) else raw))
        except ValidationError:
            lost += 1
    try:
        scan = Scan.model_validate({**plain, "ecus": ecus[:64]})
    except ValidationError as wrong:
        places = sorted({".".join(str(part) for part in error["loc"])[:60] for error in wrong.errors()})
        raise Unreadable(",".join(places)[:200]) from None
    return scan.model_copy(update={"outcome": _less(scan.outcome)}), max(lost, 1)


def _cut(scan: Scan, most: int) -> Scan:
    """The first ``most`` codes, confirmed ones before pending ones."""
    rows = [(_RANK[code.status], n, code) for n, ecu in enumerate(scan.ecus) for code in ecu.codes]
    kept = sorted(rows, key=lambda row: row[0])[:most]
    ecus = tuple(
        ecu.model_copy(update={"codes": tuple(code for _, at, code in kept if at == n)})
        for n, ecu in enumerate(scan.ecus)
    )
    return scan.model_copy(update={"ecus": ecus, "outcome": _less(scan.outcome)})


def _less(outcome: str) -> str:
    return "partial" if outcome == "complete" else outcome


def without(scan: Scan, code: str) -> Scan:
    """The same without this code."""
    if not any(one.code == code for ecu in scan.ecus for one in ecu.codes):
        return scan
    ecus = tuple(
        ecu.model_copy(update={"codes": tuple(one for one in ecu.codes if one.code != code)})
        for ecu in scan.ecus
    )
    return scan.model_copy(update={"ecus": ecus})


def odometer_of(raw: Mapping[str, Any]) -> int | None:
    """Metres, where the scan says so."""
    value = raw.get("odometer_m")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _ODOMETER_MOST:
        return None
    return int(value)


def freeze_of(raw: Mapping[str, Any]) -> Freeze:
    """How the engine ran when the code was stored: numbers and short words only."""
    frame = raw.get("freeze")
    if not isinstance(frame, dict):
        return {}
    pids = frame.get("pids")
    rows = {"code": frame.get("code"), **(pids if isinstance(pids, dict) else {})}
    found: Freeze = {
        name[:_FREEZE_TEXT]: value
        for name, value in rows.items()
        if isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _FREEZE_TEXT)
    }
    return dict(list(found.items())[:_FREEZE_MOST])


def fits(scan: Scan, known: frozenset[tuple[str, str]], most: int) -> Heard:
    """Without faults never heard of, where a vehicle has as many as are remembered: absurd, and said so."""
    room, left_out, ecus = most - len(known), 0, []
    for ecu in scan.ecus:
        kept = []
        for code in ecu.codes:
            if (ecu.id, code.code) in known:
                kept.append(code)
            elif room > 0:
                kept.append(code)
                room -= 1
            else:
                left_out += 1
        ecus.append(ecu if len(kept) == len(ecu.codes) else ecu.model_copy(update={"codes": tuple(kept)}))
    if not left_out:
        return Heard(scan)
    return Heard(scan.model_copy(update={"ecus": tuple(ecus), "outcome": _less(scan.outcome)}), left_out)
