"""OBD modes 01, 02, 03, 07 and 0A (ISO 15031-5 / SAE J1979 over CAN) from whole messages. Pure.

Mode 09 is not read: a VIN is personal and nothing here needs it.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple

from vehicle_gateway.diag.codes import from_two_bytes

Mode = Literal["03", "07", "0A"]
STATUS_OF: Final[Mapping[Mode, Literal["pending", "confirmed", "permanent"]]] = {
    "07": "pending",
    "03": "confirmed",
    "0A": "permanent",
}
REFUSED: Final = 0x7F
WAIT: Final = 0x78


class Malformed(ValueError):
    """A message that does not have the shape of an answer to what was asked."""


class Refused(ValueError):
    """A negative answer (``7F mode code``): the ECU is there and does not say."""


class Readiness(NamedTuple):
    """PID 01: the warning lamp, how many confirmed codes, monitors there are and those not yet complete."""

    mil: bool
    confirmed: int
    supported: tuple[str, ...]
    incomplete: tuple[str, ...]


_CONTINUOUS: Final = ("misfire", "fuel_system", "components")
_SPARK: Final = ("catalyst", "heated_catalyst", "evaporative", "secondary_air", "ac_refrigerant", "oxygen_sensor",
                 "oxygen_sensor_heater", "egr_vvt")  # fmt: skip
_COMPRESSION: Final = ("nmhc_catalyst", "nox_aftertreatment", "monitor_c2", "boost_pressure", "monitor_c4",
                       "exhaust_gas_sensor", "pm_filter", "egr_vvt")  # fmt: skip


def final(messages: list[bytes], mode: int) -> bytes:
    """The one answer among an ECU's messages, "wait" answers passed over. Raises ``Malformed``, ``Refused``."""
    answers = [one for one in messages if one[:3] != bytes([REFUSED, mode, WAIT])]
    if len(answers) != 1:
        raise Malformed(f"{len(answers)} answers")
    answer = answers[0]
    if len(answer) == 3 and answer[:2] == bytes([REFUSED, mode]):
        raise Refused(f"{answer[2]:02X}")
    if answer[0] != mode | 0x40:
        raise Malformed("not the answer to what was asked")
    return answer


def codes(answer: bytes) -> list[str]:
    """Codes of an answer to 03, 07 or 0A: a count, then two bytes each. Raises ``Malformed``.

    ``43 00`` is the explicit "none". Zeros after the counted codes are padding; anything else there, and a
    counted code of zeros, makes the whole answer unreadable: a wrong code is worse than none.
    """
    if len(answer) < 2:
        raise Malformed("no count")
    count = answer[1]
    body = answer[2 : 2 + 2 * count]
    if len(body) != 2 * count or any(answer[2 + 2 * count :]):
        raise Malformed(f"count {count}, {len(answer) - 2} bytes")
    pairs = [body[start : start + 2] for start in range(0, len(body), 2)]
    if b"\0\0" in pairs:
        raise Malformed("a code of zeros")
    return [from_two_bytes(pair) for pair in pairs]


def supported(answer: bytes, first: int) -> frozenset[int]:
    """PIDs of an answer to ``01 00``, ``01 20``, ...: ``first + 1`` to ``first + 32``. Raises ``Malformed``."""
    bits = int.from_bytes(_values(answer, 0x41, first, size=4))
    return frozenset(first + 1 + place for place in range(32) if bits >> (31 - place) & 1)


def readiness(answer: bytes) -> Readiness:
    """An answer to ``01 01``. Raises ``Malformed``."""
    first, there, able, not_done = _values(answer, 0x41, 0x01, size=4)
    names = _COMPRESSION if there & 0x08 else _SPARK
    has = [name for place, name in enumerate(_CONTINUOUS) if there >> place & 1]
    lacks = [
        name for place, name in enumerate(_CONTINUOUS) if there >> place & 1 and there >> (place + 4) & 1
    ]
    has += [name for place, name in enumerate(names) if able >> place & 1]
    lacks += [name for place, name in enumerate(names) if able >> place & 1 and not_done >> place & 1]
    return Readiness(bool(first & 0x80), first & 0x7F, tuple(has), tuple(lacks))


class Pid(NamedTuple):
    """A measured value of mode 01 or 02: its name with unit, bytes, and formula of J1979."""

    name: str
    size: int
    value: Callable[[int], float]


PIDS: Final[Mapping[int, Pid]] = {
    0x04: Pid("load_percent", 1, lambda raw: round(raw / 2.55, 1)),
    0x05: Pid("coolant_c", 1, lambda raw: raw - 40),
    0x0B: Pid("intake_kpa", 1, lambda raw: raw),
    0x0C: Pid("engine_rpm", 2, lambda raw: raw / 4),
    0x0D: Pid("speed_kmh", 1, lambda raw: raw),
    0x0F: Pid("intake_c", 1, lambda raw: raw - 40),
    0x11: Pid("throttle_percent", 1, lambda raw: round(raw / 2.55, 1)),
    0x30: Pid("warmups", 1, lambda raw: raw),
    0x31: Pid("km", 2, lambda raw: raw),
    0xA6: Pid("odometer_m", 4, lambda raw: raw * 100),
}
FREEZE: Final = (0x04, 0x05, 0x0B, 0x0C, 0x0D, 0x0F, 0x11)
"""What is read of a freeze frame: how the engine ran. Nothing in it says who or where."""


def value(answer: bytes, pid: int) -> float:
    """An answer to ``01 <pid>``. Raises ``Malformed``."""
    known = PIDS[pid]
    return known.value(int.from_bytes(_values(answer, 0x41, pid, size=known.size)))


def freeze_code(answer: bytes) -> str | None:
    """The code that a freeze frame was stored for (``02 02 00``), None where there is none. Raises ``Malformed``."""
    pair = _values(answer, 0x42, 0x02, size=3)[1:]
    return None if pair == b"\0\0" else from_two_bytes(pair)


def freeze_value(answer: bytes, pid: int) -> float:
    """An answer to ``02 <pid> 00``. Raises ``Malformed``."""
    known = PIDS[pid]
    return known.value(int.from_bytes(_values(answer, 0x42, pid, size=known.size + 1)[1:]))


def _values(answer: bytes, sid: int, pid: int, *, size: int) -> bytes:
    """The bytes behind service and PID; padding behind them is not looked at."""
    if len(answer) < 2 + size or answer[0] != sid or answer[1] != pid:
        raise Malformed("not the answer to what was asked")
    return answer[2 : 2 + size]
