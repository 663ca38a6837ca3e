"""What the service signs about its own doings (``tl-record+jwt``, purpose ``log``): approvals and keys."""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from keys.car.claims import (
    Act,
    B64Url,
    Claims,
    DeliveryText,
    Fra,
    Jti,
    Millis,
    Seconds,
    Seq,
    Sha256,
    UnitText,
)
from keys.car.jws import RECORD, Fault, Unacceptable
from keys.car.trust import TrustedKeys

Level = Literal["link", "session", "passkey", "standing", "system", "test"]


class ApprovalRecord(Claims):
    """A delivery was allowed. ``shown``: SHA-256 of what was asked; ``at``: Unix milliseconds.

    ``fra``: the owner's choice how many seconds old revocation news may be (absent: the default).
    ``assertion``: what a passkey signed for it (``keys.car.assertions``), of ``standing`` for its rule; absent where
    no passkey did, and in records made before it was kept.
    """

    rec: Literal["approval"] = "approval"
    dlv: DeliveryText
    question: Annotated[str, Field(max_length=100)]
    level: Level
    by: Annotated[str, Field(max_length=100)]
    """Id of the person; empty where a rule or a system decided."""
    shown: Annotated[str, Field(max_length=100)]
    at: Millis
    fra: Fra | None = None
    assertion: Sha256 | None = None


class KeyRecord(Claims):
    """A key was signed. Outlives the key: ``hash`` is SHA-256 of its claims, ``ath`` of its compact form.

    ``cid``: the credential id of the owner's passkey that signed with us; absent where none had to.
    """

    rec: Literal["key"] = "key"
    dlv: DeliveryText
    aud: UnitText
    jti: Jti
    seq: Seq
    kid: Sha256
    hash: Sha256
    ath: Sha256
    jkt: Sha256
    act: Act
    iat: Seconds
    nbf: Seconds
    exp: Seconds
    cid: B64Url | None = None


class CheckpointRecord(Claims):
    """The log stood so: the last entry's position and hash in one partition, at Unix milliseconds."""

    rec: Literal["checkpoint"] = "checkpoint"
    at: Millis
    partition: Annotated[int, Field(ge=0, le=31)]
    position: Annotated[str, Field(pattern=r"^[0-9]{1,20}-[0-9]{1,20}$")]
    hash: Sha256


Record = ApprovalRecord | KeyRecord | CheckpointRecord
_RECORD: Final[TypeAdapter[Record]] = TypeAdapter(Annotated[Record, Field(discriminator="rec")])


def read_record(token: object, *, trust: TrustedKeys) -> Record:
    """The record, if the service's key of purpose ``log`` signed it. Raises ``Unacceptable``."""
    claims = dict(trust.verified(token, RECORD, "log"))
    try:
        return _RECORD.validate_python(claims, context=Claims.as_signed)
    except ValidationError as cause:
        raise Unacceptable(Fault.CLAIMS) from cause
