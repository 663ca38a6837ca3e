"""What is kept of keys, of a car's numbers, revocation list and receipts, and how these are named."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from keys.car.claims import Act, Geo, OwnerState
from keys.car.receipt import GENESIS
from keys.problems import NoSuchKey
from keys.states import State
from spine.ids import DeliveryId, KeyId, UnitId, VehicleId, named_after
from spine.store import Saved


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key that a delivery asks for: its ``n``-th, for one car, one device and one window.

    ``not_before`` and ``expires`` are the window's ends; ``geo`` latitude, longitude, radius in metres;
    ``fra``: how many seconds old revocation news may be at opening, as its owner chose (None: the default).
    """

    delivery: DeliveryId
    n: int
    vehicle: VehicleId
    unit: UnitId
    jkt: str
    act: Act
    not_before: datetime
    expires: datetime
    geo: Geo | None = None
    fra: int | None = None

    @property
    def key(self) -> KeyId:
        """``key_<delivery body>.<n>``."""
        return key_id(self.delivery, self.n)


@dataclass(frozen=True, slots=True)
class KeyView:
    """What others may know of a key. ``dies_at``: from then on it opens nothing, even offline."""

    key: KeyId
    state: State
    live: bool
    jti: str
    seq: int
    nbf: datetime
    exp: datetime
    jkt: str
    handed_out: bool
    how_destroyed: str | None
    dies_at: datetime | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KeyBody(_Body):
    """A key's subject. At its end ``claims`` and ``token`` are erased; the record outlives them."""

    vehicle: VehicleId
    unit: UnitId
    delivery: DeliveryId
    jti: str = ""
    seq: int = 0
    kid: str = ""
    claims_hash: str = ""
    iat: int = 0
    nbf: int = 0
    exp: int = 0
    jkt: str = ""
    claims: dict[str, Any] | None = None
    token: str | None = None
    handed_out: bool = False
    record: str = ""


class LiveKey(_Body):
    """A key that counts against the car's limit."""

    seq: int
    exp: int


class Numbers(_Body):
    """``seq_<unit body>``: a unit's last number given, last ``iat``, live keys, and its owner keys.

    ``owner``: as the car's last receipt about them says; None where it never said.
    """

    last: int = 0
    iat: int = 0
    live: dict[KeyId, LiveKey] = {}
    owner: OwnerState | None = None


class DeadKey(_Body):
    """A revoked key that stays listed until it is past ``exp``, whatever the car confirmed."""

    jti: str
    seq: int
    exp: int


class RevocationList(_Body):
    """``rvl_<unit body>``: the list as it should be, and what of it was signed.

    ``pending``: revoked keys, each with the version that names it, until the car confirms that version.
    """

    vehicle: VehicleId | None = None
    version: int = 1
    min_seq: int = 0
    dead: list[DeadKey] = []
    pending: dict[KeyId, int] = {}
    signed_version: int = 0
    signed_iat: int = 0
    confirmed: int = 0


class Chain(_Body):
    """``chn_<unit body>``: where the unit's receipt chain stands.

    ``recent``: hashes of the latest receipts by number; ``held``: receipts whose predecessors have not come;
    ``ahead``: numbers of those among them that were told already, ``coming``: those that a phone was promised
    room for (``keys.early``); ``rejected``: hashes of
    receipts already reported; ``resumes``: the store came back from a backup, so the next receipt of a higher
    number is taken as it is, and the chain goes on from there.
    """

    n: int = 0
    hash: str = GENESIS
    gen: int = 0
    recent: dict[int, str] = {}
    held: dict[int, str] = {}
    ahead: list[int] = []
    coming: list[int] = []
    rejected: list[str] = []
    resumes: bool = False


class Approval(_Body):
    """``apr_<delivery body>``: the signed record of each approval by its question, kept for the evidence."""

    records: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Kept:
    """Signed records of a delivery (``keys.car.records``): its approvals and its keys, in order.

    ``checkpoint``: the newest one of its partition's log, where there is one.
    """

    approvals: tuple[str, ...]
    keys: tuple[str, ...]
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class InHand:
    """A key as its courier has it: the token (None: not handed out yet), and its subject for a guard."""

    token: str | None = field(repr=False)
    saved: Saved = field(repr=False)


def key_id(delivery: DeliveryId, n: int) -> KeyId:
    """The n-th key of a delivery."""
    return KeyId(named_after("key", delivery, n))


def numbers_id(unit: UnitId) -> str:
    """The unit's counter and live keys."""
    return named_after("seq", unit)


def list_id(unit: UnitId) -> str:
    """The unit's revocation list."""
    return named_after("rvl", unit)


def chain_id(unit: UnitId) -> str:
    """The unit's receipt chain."""
    return named_after("chn", unit)


def approval_id(delivery: DeliveryId) -> str:
    """The records of a delivery's approvals."""
    return named_after("apr", delivery)


def read_key(saved: Saved) -> tuple[State, KeyBody]:
    """State and body of a key's subject. Raises ``NoSuchKey`` where there is none or only its tombstone."""
    if not saved.version or saved.ended:
        raise NoSuchKey(saved.id)
    return State(saved.state), KeyBody.model_validate_json(saved.body)


def at(seconds: int) -> datetime:
    """Unix seconds as a time."""
    return datetime.fromtimestamp(seconds, UTC)


def past_use(exp: int, clock_error: timedelta) -> datetime:
    """When a key opens nothing any more: a unit may be slow by ``clock_error`` and allows as much again."""
    return at(exp) + 2 * clock_error
