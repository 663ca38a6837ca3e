"""What a car says of its faults at one moment: strict in what it means, lenient in what is left out. Pure.

The members are those of ``fault.scan`` (docs/maintenance.md). A scan is a state, not an edge: it lists every code of every
control unit, so that a lost or late one is repaired by the next.
"""

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt

Outcome = Literal["complete", "partial", "no_answer", "error"]
Status = Literal["pending", "confirmed", "permanent"]

_Count = Annotated[StrictInt, Field(ge=0, le=2**53 - 1)]
_UDS_SEVERITY: Final = {
    0x20: "maintenance_only", 0x40: "check_at_next_halt", 0x80: "check_immediately",
    "maintenanceOnly": "maintenance_only", "checkAtNextHalt": "check_at_next_halt",
    "checkImmediately": "check_immediately",
}  # fmt: skip


def _named(value: object) -> object:
    """ISO 14229's three severity bits by name, however they were written."""
    if isinstance(value, int) and not isinstance(value, bool):
        bits = value & 0xE0
        return next(
            (name for bit, name in _UDS_SEVERITY.items() if isinstance(bit, int) and bits & bit), None
        )
    return _UDS_SEVERITY.get(value, value) if isinstance(value, str) else value


class _Part(BaseModel):
    """Members that are not known are passed over: cars and servers differ in age."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Code(_Part):
    """One code. ``severity``: the vehicle's own word (ISO 14229), where it has one."""

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]{1,31}$")]
    status: Status
    ftb: Annotated[str, Field(max_length=8)] | None = None
    severity: Annotated[
        Literal["check_immediately", "check_at_next_halt", "maintenance_only"] | None, BeforeValidator(_named)
    ] = None


class Ecu(_Part):
    """A control unit. ``answered``: it answered all that it was asked, "none" included."""

    id: Annotated[str, Field(min_length=1, max_length=40)]
    answered: StrictBool = True
    codes: Annotated[tuple[Code, ...], Field(max_length=300)] = ()


class Readiness(_Part):
    """Monitors that the car has, and those that have not come to their end since the codes were cleared."""

    supported: Annotated[tuple[str, ...], Field(max_length=64)] = ()
    incomplete: Annotated[tuple[str, ...], Field(max_length=64)] = ()


class SinceClear(_Part):
    """Warm-up cycles and kilometres since the codes were last cleared."""

    warmups: _Count | None = None
    km: _Count | None = None


class Scan(_Part):
    """One scan of one vehicle. ``boot`` and ``seq`` put scans in order; without them they count as they come."""

    vehicle: Annotated[str, Field(min_length=1, max_length=80)]
    at: AwareDatetime
    outcome: Outcome
    source: Literal["obd", "uds", "j1939", "vss"] = "obd"
    boot: _Count | None = None
    seq: _Count | None = None
    scan_id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    drive_cycle: _Count | None = None
    mil: StrictBool | None = None
    readiness: Readiness | None = None
    since_clear: SinceClear | None = None
    ecus: Annotated[tuple[Ecu, ...], Field(max_length=64)] = ()

    @property
    def cycle(self) -> str:
        """The drive cycle it was made in; where the car does not say, its day stands for it."""
        return f"day {self.at:%Y-%m-%d}" if self.drive_cycle is None else str(self.drive_cycle)

    @property
    def heard(self) -> bool:
        """Whether anything in it can be believed: what is garbled or unanswered says nothing, not "no codes"."""
        return self.outcome in {"complete", "partial"}

    @property
    def unexplained_lamp(self) -> bool:
        """The malfunction lamp is on and no code says why."""
        lit = ("confirmed", "permanent")
        return self.mil is True and not any(code.status in lit for ecu in self.ecus for code in ecu.codes)


class Repaired(_Part):
    """An appointment was done: from here on one proven clean scan is enough. ``system``: None means all of the car's."""

    kind: Literal["appointment.done"]
    vehicle: Annotated[str, Field(min_length=1, max_length=80)]
    at: AwareDatetime
    system: Annotated[str, Field(max_length=40)] | None = None
