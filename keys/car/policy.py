"""What a unit holds by itself, whatever a key says; set at the car in pairing mode, never by ``cfg``."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from keys.car.claims import Act


class Policy(BaseModel):
    """The verifier's bounds (keys.md 3.1 to 3.4)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    acts: frozenset[Act] = Field(
        frozenset({"open:trunk"}), description="What a key may open at this car; the boot only by default."
    )
    longest_window: timedelta = Field(timedelta(hours=6), description="Greatest exp - nbf of a key.")
    list_age: timedelta = Field(timedelta(hours=24), description="Greatest age of the revocation list.")
    clock_error: timedelta = Field(
        timedelta(seconds=60), description="Greatest uncertainty of the unit's clock at which keys open."
    )
    require_owner: bool = Field(
        default=False,
        description="Refuse every key without the co-signature of an owner's passkey paired at this car.",
    )
    challenge_life: timedelta = Field(
        timedelta(seconds=30), description="How long a challenge can be answered, on the boot-time clock."
    )
    links: int = Field(8, ge=1, le=64, description="Links with an open challenge at one time.")
