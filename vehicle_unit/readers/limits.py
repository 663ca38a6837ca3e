"""Every duration, size and threshold of the readers of fault codes, in one place."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


Span = Annotated[timedelta, Field(gt=timedelta(0))]


class ReaderLimits(BaseModel):
    """What a scan may take, and what is asked of a car."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_within: Span = Field(_seconds(5), description="a connection that does not come up within this")
    whole_scan: Span = Field(
        _seconds(90), description="a scan ends after this; what was not asked is unknown"
    )
    connections: int = Field(
        2, ge=1, le=10, description="an adapter that closes is connected to this often in a scan"
    )

    # ELM327
    elm_silence: Span = Field(_seconds(3), description="no byte for this long: the adapter does not answer")
    elm_answer: Span = Field(_seconds(15), description="an answer is whole within this, searching included")
    elm_attempts: int = Field(3, ge=1, le=10, description="a request with a broken answer is sent this often")
    elm_wait: int = Field(
        0x64, ge=1, le=255, description="ATST: how long the adapter waits for ECUs, in units of 4.096 ms"
    )
    elm_reply_bytes: int = Field(65_536, ge=1_024, description="a longer reply is not read on")
    elm_baud: int = Field(38_400, ge=1_200, description="speed of a serial port, baud")
    obd_modes: tuple[Literal["03", "07", "0A"], ...] = Field(
        ("03", "07", "0A"),
        min_length=1,
        description="asked of the car; cars before 2010 have no 0A: leave it out",
    )

    # UDS over DoIP
    uds_answer: Span = Field(_seconds(2), description="an ECU answers within this (P2)")
    uds_patience: Span = Field(_seconds(10), description='... or, having said "wait", within this (P2*)')
    uds_attempts: int = Field(2, ge=1, le=10, description="an ECU that does not answer is asked this often")
    uds_tester: int = Field(0x0E00, ge=0, le=0xFFFF, description="our own logical address")
    uds_ecus: tuple[Annotated[int, Field(ge=0, le=0xFFFF)], ...] = Field(
        (0x1000,),
        min_length=1,
        description="logical addresses of the ECUs that are asked where none are named",
    )
    uds_occurrence_record: int = Field(
        1, ge=1, le=0xEF, description="extended data record that counts occurrences (the maker's choice)"
    )
    uds_occurrences: int = Field(32, ge=0, description="codes of an ECU whose occurrences are asked for")
