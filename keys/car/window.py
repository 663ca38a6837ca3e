"""Which sequence numbers have been used: 40 bytes for ever, never twice (keys.md 3.5)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SIZE: Final = 256
MAX_JUMP: Final = 65_536
_MASK: Final = (1 << SIZE) - 1


class Standing(StrEnum):
    """What the memory says of a number."""

    UNUSED = "unused"
    BELOW_FLOOR = "below_floor"
    USED = "used"
    TOO_FAR = "too_far"


@dataclass(frozen=True, slots=True)
class Window:
    """``floor`` (64 bits): every lower number is used. Bit i of ``bitmap`` (256): ``floor + i`` is used."""

    floor: int = 0
    bitmap: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.floor < 2**64 or not 0 <= self.bitmap <= _MASK:
            raise ValueError("a window is 64 bits of floor and 256 bits of map")

    @property
    def highest(self) -> int:
        """The highest number that counts as used; -1 where none does."""
        return self.floor + self.bitmap.bit_length() - 1

    def standing(self, seq: int) -> Standing:
        """Whether ``seq`` may still be used. More than 65,536 above the highest is not believed."""
        if seq < self.floor:
            return Standing.BELOW_FLOOR
        if seq > self.highest + MAX_JUMP:
            return Standing.TOO_FAR
        if seq < self.floor + SIZE and self.bitmap >> (seq - self.floor) & 1:
            return Standing.USED
        return Standing.UNUSED

    def mark(self, seq: int) -> "Window":
        """The window after ``seq`` was used. Raises ``ValueError`` unless it was unused."""
        if self.standing(seq) is not Standing.UNUSED:
            raise ValueError("not an unused number")
        slid = self if seq < self.floor + SIZE else self.raise_floor(seq - SIZE + 1)
        return Window(slid.floor, slid.bitmap | 1 << (seq - slid.floor))

    def raise_floor(self, floor: int) -> "Window":
        """The window with every number below ``floor`` used; a lower floor than now changes nothing."""
        if floor <= self.floor:
            return self
        return Window(floor, self.bitmap >> (floor - self.floor))
