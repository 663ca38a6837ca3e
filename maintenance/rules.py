"""Every threshold of the fault policy, and which of its rules are on, only watched, or off."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Mode = Literal["active", "monitor", "off"]
"""``monitor``: counts what it would do and does nothing, so that a rule can be tried on real cars."""


class FaultRules(BaseModel):
    """Defaults are those of the design page ("Rules")."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending_cycles: int = Field(
        default=2,
        ge=1,
        description="different drive cycles in which a pending code must be seen to open a case",
    )
    clean_scans: int = Field(
        default=3, ge=1, description="proven clean scans, each in its own drive cycle, that close a case"
    )
    clean_after_repair: int = Field(default=1, ge=1, description="the same after an appointment was done")
    erased_warmups: int = Field(
        default=3,
        ge=0,
        description="below so many warm-up cycles since clearing an empty list proves nothing",
    )
    erased_km: int = Field(
        default=50, ge=0, description="the same in kilometres, where the car does not count warm-up cycles"
    )
    reopen_cycles: int = Field(
        default=20, ge=0, description="drive cycles within which a fault that comes back joins its old case"
    )
    reopen_within: timedelta = Field(
        default=timedelta(days=30), description="or the time within which it does"
    )
    scans_remembered: int = Field(
        default=64, ge=1, description="newest scan ids per vehicle by which a repeat is known"
    )
    pending: Mode = Field(default="active", description="rule: pending codes open a case")
    lamp: Mode = Field(default="active", description="rule: a lit lamp that no code explains opens a case")
    reopen: Mode = Field(default="active", description="rule: what comes back soon joins its old case")
    repair_held: Mode = Field(
        default="active", description="rule: what comes back after a repair is a new case, one level higher"
    )
