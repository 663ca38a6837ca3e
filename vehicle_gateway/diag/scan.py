"""``fault.scan`` and ``condition``: what a unit says about faults, strict and bounded. Pure; goes to the car."""

from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt

MOST_CODES: Final = 300
"""Codes of all ECUs in one scan: what does not fit makes it partial, so that none is taken for absent."""
MOST_ECUS: Final = 64
MOST_RAW: Final = 8_192
"""Raw bytes kept beside a scan, the newest; twice as many characters of hex."""

Outcome = Literal["complete", "partial", "no_answer", "error"]
Status = Literal["pending", "confirmed", "permanent"]
RANK: Final[dict[str, int]] = {"pending": 0, "confirmed": 1, "permanent": 2}
"""One entry stands per code and ECU, with the highest of the three."""

Number = Annotated[StrictInt, Field(ge=0, le=2**53 - 1)]
Byte = Annotated[StrictInt, Field(ge=0, le=255)]
Word = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]


class _Part(BaseModel):
    """Members that are not known are passed over: units and gateways may differ in age."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FaultCode(_Part):
    """One code of an ECU. ``status_byte`` as the source gave it; ``ftb``: the failure type byte, two hex digits."""

    code: Annotated[str, Field(pattern=r"^([PCBU][0-3][0-9A-F]{3}|SPN[0-9]{1,6}-FMI[0-9]{1,2})$")]
    status: Status
    ftb: Annotated[str, Field(pattern=r"^[0-9A-F]{2}$")] | None = None
    status_byte: Byte | None = None
    severity: Literal["check_immediately", "check_at_next_halt", "maintenance_only"] | None = None
    occurrence: Byte | None = None
    spn: Annotated[StrictInt, Field(ge=0, le=0x7FFFF)] | None = None
    fmi: Annotated[StrictInt, Field(ge=0, le=31)] | None = None


class Ecu(_Part):
    """``answered``: it answered each thing asked of it, "none" included."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,16}$")]
    answered: StrictBool
    codes: Annotated[list[FaultCode], Field(max_length=MOST_CODES)] = []


class Monitors(_Part):
    """Monitors by name: those there are, and those that have not run to their end since clearing."""

    supported: Annotated[list[Word], Field(max_length=64)] = []
    incomplete: Annotated[list[Word], Field(max_length=64)] = []


class SinceClear(_Part):
    """Since the codes were last cleared: warm-up cycles and kilometres, None where the car does not say."""

    warmups: Number | None = None
    km: Number | None = None


class Freeze(_Part):
    """How the engine ran when a code was stored."""

    code: Annotated[str, Field(pattern=r"^[PCBU][0-3][0-9A-F]{3}$")]
    pids: Annotated[dict[Word, StrictInt | StrictFloat], Field(max_length=32)] = {}


class FaultScan(_Part):
    """Everything an adapter could read at one moment, as it stands: state, no edges (design: "What a unit sends")."""

    boot: Number
    seq: Number
    scan_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]{1,64}$")]
    at: AwareDatetime
    source: Literal["obd", "uds", "j1939", "vss"]
    drive_cycle: Number
    odometer_m: Number | None = None
    outcome: Outcome
    mil: StrictBool | None = None
    readiness: Monitors | None = None
    since_clear: SinceClear | None = None
    ecus: Annotated[list[Ecu], Field(max_length=MOST_ECUS)] = []
    freeze: Freeze | None = None
    raw: Annotated[str, Field(pattern=r"^[0-9a-f]*$", max_length=2 * MOST_RAW)] = ""

    def document(self) -> dict[str, Any]:
        """As it travels: what is not known of a code is left out."""
        plain = self.model_dump(mode="json")
        for ecu in plain["ecus"]:
            ecu["codes"] = [
                {name: said for name, said in code.items() if said is not None} for code in ecu["codes"]
            ]
        return plain


class Condition(_Part):
    """A condition that has no code: a COVESA VSS v6 path, its value, and the unit it is measured in."""

    signal: Annotated[str, Field(pattern=r"^Vehicle(\.[A-Za-z0-9]{1,40}){1,12}$", max_length=200)]
    value: StrictBool | StrictInt | StrictFloat | Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,40}$")]
    unit: Annotated[str, Field(pattern=r"^[A-Za-z0-9%/^]{0,16}$")] = ""


def merged(found: list[FaultCode]) -> list[FaultCode]:
    """One entry per code, in the order they were first seen: that of the highest status, the first among equals."""
    best: dict[str, FaultCode] = {}
    for code in found:
        known = best.get(code.code)
        if known is None or RANK[code.status] > RANK[known.status]:
            best[code.code] = code
    return list(best.values())
