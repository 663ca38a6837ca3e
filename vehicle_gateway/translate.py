"""What a checked message comes to: facts for the log and fields of the car's state. No input, no output."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from spine.facts import Fact
from spine.facts.vehicle import PresenceChanged, SignalChanged, UnitAsked, UnitEvent, UnitReceipt, UnitScan
from spine.ids import VehicleId
from spine.ingest import Incoming
from vehicle_gateway import clean
from vehicle_gateway.parse import ORDERED, Parsed
from vehicle_gateway.presence import HEARD, POSITION, SIGNAL, Word, fields_of, word_of
from vehicle_gateway.wire import Ask, Presence, ReceiptEvent, Signals, State

WATCHED: Final = re.compile(
    r"Vehicle\.(Body\.(Trunk\.(Rear|Front)|Hood)\.(IsOpen|IsLocked)"
    r"|Cabin\.Door\.Row[12]\.(DriverSide|PassengerSide)\.(IsOpen|IsLocked)"
    r"|Service\.IsServiceDue"
    r"|Powertrain\.CombustionEngine\.EngineOil\.LifeRemaining|LowVoltageBattery\.CurrentVoltage"
    r"|Chassis\.Axle\.Row[12]\.Wheel\.(Left|Right)\.(Brake\.(IsBrakesWorn|IsFluidLevelLow|PadWear)|Tire\.IsPressureLow))"
)
"""Signals whose change is a fact: the lid, the locks, the doors, and conditions of wear, oil and battery."""

_STEPS: Final[Mapping[str, tuple[float, float]]] = {
    "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemaining": (86_400, math.inf),
    "Vehicle.LowVoltageBattery.CurrentVoltage": (0.1, 13.0),
}
"""Signals that always move: by how much one has to differ to be told again (seconds, volts), and above what not at all."""

_PATH: Final = re.compile(r"Vehicle(\.[A-Za-z0-9]{1,40}){1,12}")
_HERE: Final = "Vehicle.CurrentLocation."
_MOST_PATHS: Final = 1_000
_MOST_TEXT: Final = 256

Value = bool | int | float | str | None

_PLAIN: Final[Mapping[type, Callable[[Any], str]]] = {
    bool: {True: "true", False: "false"}.__getitem__,
    int: repr,
    float: repr,
}
"""Numbers and truth values, by far the most, as JSON without the way through the encoder."""


@dataclass(slots=True)
class Car:
    """What we remember of a car between its messages: enough to see what changes."""

    word: Word | None = None
    watched: dict[str, tuple[int, int, Value]] = field(default_factory=dict)
    """Path to (boot, seq, value)."""
    paths: dict[str, bool] = field(default_factory=dict)
    """Each path it has spoken of: whether its change is a fact."""
    heard: datetime | None = None

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "Car":
        """From the car's stored state; the order of what was stored is not known here: anything is newer."""
        stored = {
            name.removeprefix(SIGNAL): value for name, value in fields.items() if name.startswith(SIGNAL)
        }
        paths = {path: _is_watched(path) for path in stored}
        # What was told last of a signal that always moves is not stored: its next value is told.
        watched = {
            path: (-1, -1, json.loads(value))
            for path, value in stored.items()
            if paths[path] and path not in _STEPS
        }
        return cls(word_of(fields), watched, paths)


def translate(
    parsed: Parsed, vehicle: VehicleId, car: Car, now: datetime, *, retained: bool, heard_every: timedelta
) -> Incoming:
    """The one entry of the batch for this message. Remembers in ``car`` what it says.

    ``retained``: the broker's copy of an old word, which is no sign of life.
    """
    facts: list[Fact] = []
    state: dict[str, str] = {}
    dedupe: str | None = None
    alive = not retained
    about: dict[str, Any] = {"at": now, "vehicle": vehicle, "unit": parsed.unit}
    content = parsed.content
    match content:
        case State():
            alive = alive and content.presence is not Presence.OFFLINE
            facts, state = _presence(content, car, about)
        case Signals():
            facts, state = _signals(parsed, content, car, vehicle, now)
        case ReceiptEvent():
            dedupe = receipt_number(content.n, content.receipt)
            facts = [UnitReceipt(receipt=content.receipt, **about)]
        case Ask():
            dedupe = f"q.{parsed.id}"
            facts = [
                UnitAsked(name=parsed.name, request=parsed.id, data=_asked(parsed.name, content), **about)
            ]
        case dict() if parsed.kind == "dtc":
            dedupe = f"s.{_scan_id(content) or parsed.id}"
            facts = [UnitScan(scan=clean.scan(content), **about)]
            state = _place(content)
        case dict():
            dedupe = f"e.{parsed.id}"
            facts = [UnitEvent(type=parsed.name, event=parsed.id, data=clean.event(content), **about)]
            state = _place(content)
        case _:  # a result: its command keeps it
            pass
    if alive and (car.heard is None or now - car.heard >= heard_every):
        car.heard = now
        state[HEARD] = now.isoformat()
    return Incoming(
        vehicle,
        parsed.unit,
        parsed.boot,
        parsed.seq,
        dedupe=dedupe,
        facts=facts,
        state=state,
        wants_window=parsed.kind in ORDERED,
    )


def receipt_number(n: int, receipt: str) -> str:
    """By what a receipt is known to have come before, whichever way.

    The chain number alone would hide a second receipt of that number: a car set back to an older memory.
    """
    return f"r.{n}.{hashlib.sha256(receipt.encode()).hexdigest()[:24]}"


def _presence(said: State, car: Car, about: Mapping[str, Any]) -> tuple[list[Fact], dict[str, str]]:
    """A word of an earlier boot is late, and the will of another boot is not about this one."""
    before = car.word
    if before is not None and said.boot < before.boot:
        return [], {}
    if said.presence is Presence.OFFLINE and (before is None or said.boot != before.boot):
        return [], {}
    fields = fields_of(said)
    word = word_of(fields)
    if word == before:
        return [], {}
    car.word = word
    changed: list[Fact] = []
    if before is None or (before.presence, before.boot) != (said.presence, said.boot):
        changed = [
            PresenceChanged(presence=said.presence.value, boot=said.boot, wakes_at=said.wakes_at, **about)
        ]
    return changed, fields


def _signals(
    parsed: Parsed, said: Signals, car: Car, vehicle: VehicleId, now: datetime
) -> tuple[list[Fact], dict[str, str]]:
    facts: list[Fact] = []
    state: dict[str, str] = {}
    paths = car.paths
    for path, value in said.values.items():
        if isinstance(value, str) and len(value) > _MOST_TEXT:
            continue
        watched = paths.get(path)
        if watched is None:
            if not _keepable(path, car):
                continue
            watched = paths[path] = _is_watched(path)
        state[SIGNAL + path] = _json_of(value)
        if watched and not isinstance(value, str) and _changed(car, path, parsed, value):
            facts.append(SignalChanged(at=now, vehicle=vehicle, path=path, value=value))
    place = clean.place_of(
        said.values.get(_HERE + "Latitude"),
        said.values.get(_HERE + "Longitude"),
        said.values.get(_HERE + "HorizontalAccuracy"),
    )
    if place is not None:
        state[POSITION] = json.dumps({**place, "at": now.isoformat()})
    return facts, state


def _json_of(value: Value) -> str:
    write = _PLAIN.get(type(value))
    return json.dumps(value) if write is None else write(value)


def _changed(car: Car, path: str, parsed: Parsed, value: Value) -> bool:
    """Whether this is newer than what we know and says something else."""
    boot, seq, known = car.watched.get(path, (-1, -1, None))
    here = (parsed.boot, parsed.seq or seq)
    if here < (boot, seq):
        return False
    first = path not in car.watched
    if not first and _hardly_moved(path, known, value):
        car.watched[path] = (*here, known)
        return False
    car.watched[path] = (*here, value)
    return first or known != value or type(known) is not type(value)


def _hardly_moved(path: str, known: Value, value: Value) -> bool:
    step = _STEPS.get(path)
    if step is None or not isinstance(known, int | float) or not isinstance(value, int | float):
        return False
    least, most = step
    return abs(min(known, most) - min(value, most)) < least


def _is_watched(path: str) -> bool:
    return WATCHED.fullmatch(path) is not None


def _keepable(path: str, car: Car) -> bool:
    """Whether a path not heard before is taken: where the car is goes elsewhere."""
    return len(car.paths) < _MOST_PATHS and not path.startswith(_HERE) and _PATH.fullmatch(path) is not None


def _asked(name: str, ask: Ask) -> dict[str, Any]:
    """A certificate request is kept as it came; of the rest, codes only."""
    if name == "cert":
        return {
            member: ask.data[member] for member in ("csr", "proof") if isinstance(ask.data.get(member), str)
        }
    return clean.event({**ask.data, "nonce": ask.nonce} if ask.nonce else ask.data)


def _scan_id(d: Mapping[str, Any]) -> str | None:
    scan_id = d.get("scan_id")
    return scan_id[:80] if isinstance(scan_id, str) and scan_id else None


def _place(d: Mapping[str, Any]) -> dict[str, str]:
    place = clean.position(d)
    return {} if place is None else {POSITION: json.dumps(place)}
