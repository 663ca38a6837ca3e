"""Answers of UDS service 0x19 (ISO 14229-1) as codes with status, severity, occurrence. Pure."""

from dataclasses import dataclass
from enum import IntFlag
from typing import Final, Literal, NamedTuple

from vehicle_gateway.diag.codes import Code, from_three_bytes

Status = Literal["pending", "confirmed", "permanent"]

READ: Final = 0x19
BY_MASK: Final = 0x02
EXTENDED: Final = 0x06
SEVERITY: Final = 0x08
SUPPORTED: Final = 0x0A
PERMANENT: Final = 0x15
WWH_OBD: Final = 0x42

PENDING_RESPONSE: Final = 0x78
UNSUPPORTED: Final = frozenset({0x11, 0x12, 0x31, 0x7E, 0x7F})
"""Negative codes by which an ECU says that it has no such service, function or record (in this session)."""


class Malformed(ValueError):
    """An answer that does not have the shape the standard gives it: nothing is read from it."""


class StatusBit(IntFlag):
    """The status byte of a code (ISO 14229-1, DTCStatusMask)."""

    TEST_FAILED = 0x01
    TEST_FAILED_THIS_CYCLE = 0x02
    PENDING = 0x04
    CONFIRMED = 0x08
    NOT_COMPLETED_SINCE_CLEAR = 0x10
    FAILED_SINCE_CLEAR = 0x20
    NOT_COMPLETED_THIS_CYCLE = 0x40
    WARNING_INDICATOR = 0x80


_CONFIRMED: Final = StatusBit.CONFIRMED | StatusBit.WARNING_INDICATOR
_PENDING: Final = StatusBit.PENDING | StatusBit.TEST_FAILED | StatusBit.TEST_FAILED_THIS_CYCLE


def status_of(byte: int) -> Status | None:
    """What a status byte says in our three words; None: the code is known to the ECU and is no fault now.

    Confirmed or a lit warning lamp is ``confirmed``; failing or pending is ``pending``. Bits that only say
    that a test has not run, or failed some time since clearing, are no fault. Permanent codes have an answer
    of their own.
    """
    bits = StatusBit(byte)
    if bits & _CONFIRMED:
        return "confirmed"
    return "pending" if bits & _PENDING else None


class Record(NamedTuple):
    """One code of an ECU with its status byte."""

    code: Code
    status: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A negative answer and its code."""

    code: int

    @property
    def unsupported(self) -> bool:
        """Whether asking again is of no use."""
        return self.code in UNSUPPORTED


def refusal(answer: bytes) -> Refusal | None:
    """``7F 19 xx`` as a refusal; None for anything else."""
    return Refusal(answer[2]) if len(answer) == 3 and answer[:2] == bytes([0x7F, READ]) else None


def records(answer: bytes, function: int) -> list[Record]:
    """Codes of ``59 02``, ``59 0A`` or ``59 15``. Raises ``Malformed``.

    A tail of zeros shorter than a record is padding; a whole record of zeros is no code and malformed.
    """
    body = _body(answer, function, head=1)
    whole, rest = divmod(len(body), 4)
    if any(body[whole * 4 :]):
        raise Malformed(f"{rest} bytes after the last record")
    found = [Record(from_three_bytes(body[i : i + 3]), body[i + 3]) for i in range(0, whole * 4, 4)]
    if any(not any(body[i : i + 3]) for i in range(0, whole * 4, 4)):
        raise Malformed("a record without a code")
    if len({record.code for record in found}) != len(found):
        raise Malformed("a code twice")
    return found


_SEVERITIES: Final = ((0x80, "check_immediately"), (0x40, "check_at_next_halt"), (0x20, "maintenance_only"))
Severity = Literal["check_immediately", "check_at_next_halt", "maintenance_only"]


def severity_of(byte: int) -> Severity | None:
    """The highest of the three severity bits (ISO 14229-1, DTCSeverityMask), None where none is set."""
    for bit, name in _SEVERITIES:
        if byte & bit:
            return name  # type: ignore[return-value]  # the table holds these three
    return None


def severities(answer: bytes, function: int) -> dict[Code, Severity]:
    """Severity by code from ``59 08`` or ``59 42``. Raises ``Malformed``."""
    head, size, at = (1, 6, 2) if function == SEVERITY else (4, 5, 1)
    body = _body(answer, function, head=head)
    if len(body) % size:
        raise Malformed(f"{len(body)} bytes are no whole records")
    found: dict[Code, Severity] = {}
    for start in range(0, len(body), size):
        one = body[start : start + size]
        if (severity := severity_of(one[0])) is not None:
            found[from_three_bytes(one[at : at + 3])] = severity
    return found


def occurrence(answer: bytes, code: bytes, record: int) -> int | None:
    """The counter in ``59 06 <code> <status> <record> <one byte>``; None where the record is not one byte.

    What a record holds is the maker's choice: which number is the counter is a setting.
    """
    body = _body(answer, EXTENDED, head=0)
    if body[:3] != code:
        raise Malformed("another code")
    return body[5] if len(body) == 6 and body[4] == record else None


def _body(answer: bytes, function: int, *, head: int) -> bytes:
    if len(answer) < 2 + head or answer[0] != READ | 0x40 or answer[1] != function:
        raise Malformed("not the answer to what was asked")
    return answer[2 + head :]
