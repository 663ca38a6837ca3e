"""Trouble codes of trucks (SAE J1939-73): SPN, FMI, occurrence count, lamps of DM1 and its like. Pure."""

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Lamp = Literal["off", "on", "slow_flash", "fast_flash", "not_available"]
Layout = Literal[1, 2, 3, 4]

_NO_CODE: Final = (0, 0)
_MOST_SPN: Final = 0x7FFFF


class Ambiguous(ValueError):
    """The conversion method bit says "version 1, 2 or 3", and which of them the maker means is not set."""


class Code(NamedTuple):
    """Suspect parameter (19 bits), failure mode (5), occurrences (7 bits; 127: not counted)."""

    spn: int
    fmi: int
    occurrences: int | None

    def __str__(self) -> str:
        return f"SPN{self.spn}-FMI{self.fmi}"


@dataclass(frozen=True, slots=True)
class Lamps:
    """Malfunction, red stop, amber warning and protect lamp."""

    malfunction: Lamp
    red_stop: Lamp
    amber_warning: Lamp
    protect: Lamp


def decode(four: bytes, *, older: Layout | None = None) -> Code:
    """One code of 4 bytes. Conversion method 0 is version 4; else ``older`` names the maker's version.

    Raises ``Ambiguous`` where ``older`` is needed and missing, ``ValueError`` for another length.
    """
    if len(four) != 4:
        raise ValueError(f"a J1939 code has 4 bytes, not {len(four)}")
    layout: Layout = 4
    if four[3] & 0x80:
        if older is None:
            raise Ambiguous
        layout = older
    first, second, third = four[0], four[1], four[2] >> 5
    match layout:
        case 1:
            spn = first << 11 | second << 3 | third
        case 2:
            spn = second << 11 | first << 3 | third
        case _:
            spn = third << 16 | second << 8 | first
    count = four[3] & 0x7F
    return Code(spn, four[2] & 0x1F, None if count == 0x7F else count)


def encode(code: Code) -> bytes:
    """Version 4, conversion method 0. Raises ``ValueError`` for numbers that do not fit."""
    count = 0x7F if code.occurrences is None else code.occurrences
    if not (0 <= code.spn <= _MOST_SPN and 0 <= code.fmi <= 31 and 0 <= count <= 127):
        raise ValueError("out of range")
    return bytes([code.spn & 0xFF, code.spn >> 8 & 0xFF, code.spn >> 16 << 5 | code.fmi, count])


def decode_message(message: bytes, *, older: Layout | None = None) -> tuple[Lamps, list[Code]]:
    """DM1, DM2, DM6, DM12: two bytes of lamps, then codes; four zeros stand for "none".

    A single frame is padded with FF. Raises ``ValueError`` (``Ambiguous`` is one).
    """
    if len(message) < 6:
        raise ValueError(f"{len(message)} bytes are too few")
    body = message[2:]
    whole = len(body) // 4 * 4
    if set(body[whole:]) - {0xFF}:
        raise ValueError(f"{len(body) - whole} bytes after the last code")
    fours = [body[start : start + 4] for start in range(0, whole, 4)]
    codes = [decode(four, older=older) for four in fours if four != b"\xff" * 4]
    if codes and codes != [Code(0, 0, 0)] and any((code.spn, code.fmi) == _NO_CODE for code in codes):
        raise ValueError("no code among codes")
    return lamps_of(message[:2]), [code for code in codes if (code.spn, code.fmi) != _NO_CODE]


def lamps_of(two: bytes) -> Lamps:
    """Two bits a lamp in the first byte, how it flashes in the second."""
    names = [_lamp(two[0] >> shift & 3, two[1] >> shift & 3) for shift in (6, 4, 2, 0)]
    return Lamps(*names)


def _lamp(state: int, flash: int) -> Lamp:
    if state != 1:
        return "off" if state == 0 else "not_available"
    return {0: "slow_flash", 1: "fast_flash"}.get(flash, "on")  # type: ignore[return-value]
