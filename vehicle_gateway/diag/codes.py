"""Trouble codes between bytes and text: SAE J2012 (``P0301``), with failure type (``P0301-1C``). Pure."""

import re
from typing import Final, NamedTuple

_LETTERS: Final = "PCBU"
_TEXT: Final = re.compile(r"([PCBU])([0-3])([0-9A-F]{3})(?:-([0-9A-F]{2}))?")


class Code(NamedTuple):
    """A code's five characters, and its failure type byte (J2012DA) where its source has one."""

    text: str
    failure_type: int | None = None

    def __str__(self) -> str:
        return self.text if self.failure_type is None else f"{self.text}-{self.failure_type:02X}"


def from_two_bytes(pair: bytes) -> str:
    """Two bytes, most significant first (SAE J2012 / ISO 15031-6): ``03 01`` is P0301.

    Raises ``ValueError`` for any other length. ``00 00`` is P0000, which no car means: callers refuse it.
    """
    if len(pair) != 2:
        raise ValueError(f"a code has 2 bytes, not {len(pair)}")
    high, low = pair
    return f"{_LETTERS[high >> 6]}{high >> 4 & 3:X}{high & 15:X}{low:02X}"


def from_three_bytes(three: bytes) -> Code:
    """A DTC of ISO 14229-1 in the format of ISO 15031-6: two bytes of J2012 and the failure type."""
    if len(three) != 3:
        raise ValueError(f"a UDS code has 3 bytes, not {len(three)}")
    return Code(from_two_bytes(three[:2]), three[2])


def to_bytes(text: str) -> bytes:
    """The reverse: 2 bytes of ``P0301``, 3 of ``P0301-1C``. Raises ``ValueError`` for anything else."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("not a code of the form P0301 or P0301-1C")
    letter, second, rest, failure = found.groups()
    number = _LETTERS.index(letter) << 14 | int(second) << 12 | int(rest, 16)
    return number.to_bytes(2, "big") + (b"" if failure is None else bytes([int(failure, 16)]))
