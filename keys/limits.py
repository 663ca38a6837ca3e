"""Every duration and threshold of making, revoking and forgetting keys."""

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class KeysLimits(BaseModel):
    """Bounds of the key service (keys.md 3.5 and 3.9)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_window: timedelta = Field(timedelta(hours=6), description="Greatest exp - nbf of a key.")
    ahead: timedelta = Field(
        timedelta(hours=2), description="How long before its window starts a key may be made."
    )
    live_keys: int = Field(16, ge=1, le=32, description="Live keys of one car at one time.")
    dead_listed: int = Field(64, ge=1, le=64, description="Dead keys that one revocation list can name.")
    clock_error: timedelta = Field(
        timedelta(seconds=60),
        description="How far a unit's clock may be off (a key is past all use twice this after exp), "
        "and how far ours may be from the store's before the signer refuses.",
    )
    list_every: timedelta = Field(
        timedelta(minutes=5), description="How often the list of a car with a live key is signed anew."
    )
    list_life: timedelta = Field(timedelta(hours=24), description="exp - iat of a revocation list.")
    fresh_within: timedelta = Field(
        timedelta(seconds=30), description="A challenge asked about longer ago is not answered any more."
    )
    sign_again: timedelta = Field(
        timedelta(seconds=30), description="How long after a key's making the signer tries by itself again."
    )
    keep_reduced: timedelta = Field(
        timedelta(days=90),
        description="How long an ended key and its evidence records are kept, without claims.",
    )
    rotate_ahead: timedelta = Field(
        timedelta(days=7),
        ge=timedelta(0),
        description="A new key is published this long before its first use.",
    )
    roots_have: timedelta = Field(
        timedelta(days=7),
        ge=timedelta(0),
        description="How long roots that lie elsewhere may take to sign a next key's draft: added to rotate_ahead.",
    )
    old_key_kept: timedelta = Field(
        timedelta(days=2),
        ge=timedelta(hours=24),
        description="A replaced key counts at the cars this long after its last use: longer than all it signed.",
    )
    bundle_life: timedelta = Field(
        timedelta(days=1095), description="exp - iat of a trust bundle; past it a car opens for nobody."
    )
    trust_every: timedelta = Field(
        timedelta(minutes=1),
        gt=timedelta(0),
        description="How often `work` and `gateway` look which key is in use and for new key files.",
    )
    receipts_held: int = Field(64, ge=1, description="Receipts kept aside per unit until earlier ones come.")
    receipts_remembered: int = Field(64, ge=1, description="Hashes of the latest receipts, to see a fork.")
