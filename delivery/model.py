"""What we remember about one delivery: one car, one window, one visit of a courier with its parcels."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from delivery.place import Anywhere, Place
from delivery.states import ENDS, Act, State, require
from spine.ids import (
    AddressId,
    CarrierId,
    CommandId,
    CourierId,
    DeliveryId,
    KeyId,
    PersonId,
    QuestionId,
    UnitId,
    VehicleId,
)
from spine.store import Saved, Write

Kind = Literal["dropoff", "pickup"]
Opens = Literal["boot", "cabin"]
Level = Literal["link", "session", "passkey", "standing", "system", "test"]
Behaviour = Literal[
    "approves", "declines", "silent", "out_of_place", "offline", "stuck", "left_open", "unsure"
]
Reference = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x20-\x7e]+$")]


class Frozen(BaseModel):
    """A value: never changed, no unknown members, and its content never in an error's text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def but(self, **changes: object) -> Self:
        """A copy with these fields changed, checked as if new."""
        return type(self).model_validate({**self.__dict__, **changes})


class Window(Frozen):
    """From ``start`` (inclusive) to ``end`` (exclusive), UTC."""

    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _has_length(self) -> Self:
        if self.end <= self.start:
            raise ValueError("a window ends after it starts")
        return self


class Parcel(Frozen):
    """One parcel, by the carrier's own reference. What is in it is nobody's business here."""

    reference: Reference


class Assigned(Frozen):
    """The courier's device that may open. ``named``: before the answer, so no other takes its place."""

    courier: CourierId
    jkt: str
    at: AwareDatetime
    named: bool = False


class Approval(Frozen):
    """Who said yes, how sure we are, and to what (``shown``: SHA-256 of the question as it was put)."""

    question: QuestionId
    by: PersonId | None = None
    level: Level
    shown: str
    at: AwareDatetime
    fra: int | None = None
    """Seconds: how old the car's revocation news may be at opening; None: the default."""


class KeyMemory(Frozen):
    """What a delivery knows about its newest key. ``how``: the way it died; None while it may still open."""

    key: KeyId
    n: int
    jkt: str
    epoch: int = -1
    """The agreement it was made for (``Delivery.epoch``)."""
    nbf: AwareDatetime
    exp: AwareDatetime
    signed: bool = False
    handed_out: bool = False
    died_at: AwareDatetime | None = None
    dies_at: AwareDatetime | None = None
    """Once it is revoked: from then on it opens nothing, even if the car never hears of it."""
    how: str | None = None

    @property
    def dead(self) -> bool:
        """Provably: no opening with this key is possible any more."""
        return self.how is not None


class Planned(Frozen):
    """A key before it is made: its number, and the agreement it is for."""

    n: int
    epoch: int


class Opening(Frozen):
    """The newest attempt to open. ``proof``: SHA-256 of the courier's proof, by which a repeat is known."""

    command: CommandId
    proof: str
    at: AwareDatetime


class Receipt(Frozen):
    """Where the receipts of a unit stand."""

    unit: UnitId
    n: int


class Arrival(Frozen):
    """How far from the car the courier's phone was (None: car unknown). The position itself is not kept."""

    at: AwareDatetime
    metres: int | None = None
    reason: str = ""


class Photo(Frozen):
    """A photo's file is named by its SHA-256; ``gone`` once the file is deleted.

    ``own``: it is its delivery's alone; before, the same picture was one file of all that had it.
    """

    sha256: str
    media: Literal["image/jpeg", "image/png"]
    at: AwareDatetime
    gone: bool = False
    own: bool = False


class Via(Frozen):
    """The record of the address that an order found its car by, and of which household (``people.model.Resolved``)."""

    address: AddressId
    era: int


class Delivery(Frozen):
    """The body of a delivery's subject. Its state stands beside it in the store (``delivery.states``)."""

    carrier: CarrierId
    livemode: bool = True
    kind: Kind = "dropoff"
    act: Opens = "boot"
    parcels: tuple[Parcel, ...]
    requested_at: AwareDatetime
    window: Window
    approve_by: AwareDatetime

    address: str | None = Field(default=None, repr=False)
    """Until it is resolved to a car; then erased."""
    visit: str
    """The subject by which further parcels find this visit."""
    order: DeliveryId
    """The first of a chain of rescheduled deliveries: it is what took a one-order address."""
    predecessor: DeliveryId | None = None
    successor: DeliveryId | None = None

    since: str | None = None
    """Position of its first fact in the log, once that was read."""
    unusable: str | None = None
    """Why the address cannot be used; the carrier is told that it cannot, at ``told_at``, and never why."""
    told_at: AwareDatetime | None = None
    ask_again_at: AwareDatetime | None = None
    """The car's draft could not be drawn up at this clock; when to try again."""
    vehicle: VehicleId | None = None
    via: Via | None = None
    place: Place = Field(default_factory=Anywhere, repr=False)
    epoch: int = 0
    """Counts changes of courier and place: a key of an earlier epoch is for another device or fence."""
    planned: Planned | None = None
    """The key that was last decided to be made."""
    out_by: int | None = None
    """Metres by which the car stood out of its place when the courier would have set out."""
    question: QuestionId | None = None
    draft: KeyId | None = None
    """The one key that the owner was asked to sign: for a car that opens for no other."""
    silently: bool = False
    disowned: bool = False
    """Declined with "that was not me"."""
    approval: Approval | None = None
    courier: Assigned | None = None

    key: KeyMemory | None = None
    key_again_at: AwareDatetime | None = None
    """The key service could not make one just now; when to try again."""
    wants_again: bool = False
    """The courier asked for a replacement key: it did not fit."""
    openings: int = 0
    opening: Opening | None = None
    arrival: Arrival | None = None
    refusal: str | None = None
    receipt: Receipt | None = None
    """The newest receipt that was taken in; what is read again has no higher number."""
    consumed_at: AwareDatetime | None = None
    opened_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None
    locked_at: AwareDatetime | None = None
    left_open_at: AwareDatetime | None = None
    not_lifted: bool = False
    done: bool = False
    """The courier said that the job is done, or the photo says so."""
    failure: str | None = None
    photos: tuple[Photo, ...] = ()

    times: Mapping[str, AwareDatetime] = {}
    """When each kind of fact last happened."""
    finished_at: AwareDatetime | None = None
    """When it came to an end state; its key may live on until the car or the clock ends it."""
    ended: str | None = None
    """The outcome, once no key of it can open anything."""
    erased: bool = False
    """Place, names and photos are gone; what stays says who, when and how it ended."""

    test: Behaviour | None = None
    test_at: AwareDatetime | None = None

    def begins(self) -> str:
        """A log position before its first fact: by the order's time where it is not known, with a minute's grace."""
        return self.since or f"{max(0, int(self.requested_at.timestamp() * 1000) - 60_000)}-0"

    @property
    def key_alive(self) -> bool:
        """A key exists that may still open."""
        return self.key is not None and not self.key.dead

    @property
    def key_outdated(self) -> bool:
        """The key was made for another device, an earlier assignment or another place."""
        if self.key is None or self.courier is None:
            return False
        return self.key.epoch != self.epoch or self.key.jkt != self.courier.jkt


class Read(Frozen):
    """A delivery as it was read: its id, state and body."""

    id: DeliveryId
    state: State
    body: Delivery

    @classmethod
    def of(cls, saved: Saved) -> "Read | None":
        """None where there is no such delivery, or only its tombstone."""
        if saved.version == 0 or saved.ended:
            return None
        return cls(
            id=DeliveryId(saved.id), state=State(saved.state), body=Delivery.model_validate_json(saved.body)
        )

    def require(self, act: Act) -> None:
        """Raises ``StepNotAllowed`` where the state does not take the act."""
        require(self.state, act)

    @property
    def over(self) -> bool:
        """Nothing more is expected of people."""
        return self.state in ENDS


def finished(state: State, body: Delivery, now: datetime) -> Delivery:
    """The body with the moment of its end: set in an end state, taken back when the truth came late."""
    if state in ENDS:
        return body if body.finished_at else body.but(finished_at=now)
    return body.but(finished_at=None, ended=None) if body.finished_at else body


def write(state: State, body: Delivery, wake_at: datetime | None) -> Write:
    """The saved form."""
    return Write(state=state, body=body.model_dump_json(exclude_none=True), wake_at=wake_at)
