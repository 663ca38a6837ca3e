"""What a carrier and the people of a car may see of a delivery, and what news of it is called."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from delivery.model import Kind, Opens, Parcel, Read, Window
from delivery.ports import Car
from delivery.proving import Needed
from delivery.questions import Question
from delivery.states import State
from spine.facts import delivery as f
from spine.ids import CarrierId, CourierId, DeliveryId, PersonId, QuestionId, VehicleId

NOT_USABLE: Final = "address_not_usable"
PENDING: Final = "requested"

TOLD_TO_CARRIERS: Final = frozenset(
    {
        "delivery.approved", "delivery.keyed", "delivery.en_route", "delivery.arrived", "delivery.opened",
        "delivery.closed", "delivery.delivered", "delivery.refused", "delivery.unsure", "delivery.left_open",
        "delivery.failed", "delivery.photo", "delivery.extended", "delivery.out_of_place", "delivery.ended",
        "delivery.cancelled", "delivery.rescheduled", "delivery.expired", "delivery.blocked",
    }
)  # fmt: skip
"""Kinds of facts a carrier hears of once the owner has approved; before that see ``carrier_type``."""

_THE_CARRIERS_OWN: Final = frozenset({"delivery.cancelled", "delivery.rescheduled"})


class Out(BaseModel):
    """An answer of the API."""

    model_config = ConfigDict(frozen=True)


class KeyOut(Out):
    """The key in plain words. ``ending``: revoked, dead by ``dies_at`` at the latest."""

    state: Literal["none", "made", "ending", "destroyed"]
    how: str | None = None
    dies_at: AwareDatetime | None = None


FallbackKind = Literal["home", "neighbour", "parcel_shop"]


class FallbackToldOut(Out):
    """That an owner named another place for the parcel; where that is, is read at ``…/fallback``, until ``until``."""

    to: FallbackKind
    until: AwareDatetime | None


class DeliveryOut(Out):
    """A delivery as its carrier sees it. Nothing in it tells of the car before the owner has approved.

    ``fallback``: only of one that ended undone; never of an address that cannot be used.
    """

    id: DeliveryId
    livemode: bool
    state: str
    kind: Kind
    opens: Opens
    window: Window
    parcels: tuple[Parcel, ...]
    requested_at: AwareDatetime
    approve_by: AwareDatetime
    courier: CourierId | None
    successor: DeliveryId | None
    predecessor: DeliveryId | None
    key: KeyOut
    refusal: str | None
    failure: str | None
    times: Mapping[str, AwareDatetime]
    photos: tuple[str, ...]
    ended: str | None
    fallback: FallbackToldOut | None


def carrier_state(read: Read) -> str:
    """The state as the carrier reads it: before the approval nothing says whether a car exists.

    Unknown, spent, blocked, another carrier's, silently declined, unanswered: all ``address_not_usable``.
    """
    if read.body.approval is not None:
        return read.state
    match read.state:
        case State.NEW | State.REQUESTED | State.ASKED:
            return PENDING
        case State.DECLINED if not read.body.silently:
            return State.DECLINED
        case State.BLOCKED:
            return State.DECLINED
        case State.CANCELLED | State.RESCHEDULED:
            return read.state
        case _:
            return NOT_USABLE


def carrier_type(kind: str, read: Read) -> str | None:
    """What the carrier's news of a fact is called, or None where the carrier hears nothing of it."""
    if kind in _THE_CARRIERS_OWN:
        return kind
    if read.body.approval is not None:
        return kind if kind in TOLD_TO_CARRIERS else None
    if kind in {"delivery.unusable", "delivery.expired"}:
        return f"delivery.{NOT_USABLE}"
    if kind == "delivery.declined" and read.body.silently:
        return f"delivery.{NOT_USABLE}"
    return "delivery.declined" if kind in {"delivery.declined", "delivery.blocked"} else None


def carrier_view(read: Read, fallback: FallbackToldOut | None = None) -> DeliveryOut:
    """Never a position, plate, vehicle, person, or what the owner wrote."""
    body = read.body
    approved = body.approval is not None
    kinds = TOLD_TO_CARRIERS if approved else _THE_CARRIERS_OWN
    times = {kind.removeprefix("delivery."): at for kind, at in body.times.items() if kind in kinds}
    if body.locked_at is not None:
        times["locked"] = body.locked_at
    return DeliveryOut(
        id=read.id,
        livemode=body.livemode,
        state=carrier_state(read),
        kind=body.kind,
        opens=body.act,
        window=body.window,
        parcels=body.parcels,
        requested_at=body.requested_at,
        approve_by=body.approve_by,
        courier=body.courier.courier if body.courier else None,
        successor=body.successor,
        predecessor=body.predecessor,
        key=key_out(read) if approved else KeyOut(state="none"),
        refusal=body.refusal,
        failure=body.failure,
        times=times,
        photos=tuple(photo.sha256 for photo in body.photos if not photo.gone),
        ended=carrier_state(read) if body.ended else None,
        fallback=fallback,
    )


def key_out(read: Read) -> KeyOut:
    """The true state of the newest key: *confirmed by car* or *pending, dies by itself at ...*."""
    key = read.body.key
    if key is None:
        return KeyOut(state="none")
    if key.dead:
        return KeyOut(state="destroyed", how=key.how)
    if key.dies_at is not None:
        return KeyOut(state="ending", dies_at=key.dies_at)
    return KeyOut(state="made", dies_at=key.exp)


class CarOut(Out):
    """How the car can be reached, with when it was last heard; not where it stands."""

    reach: str
    last_seen: AwareDatetime | None
    wakes_at: AwareDatetime | None


class NeededOut(Out):
    """What a yes needs. ``level``: link, session or passkey; ``by``: how this person approves; ``how``: in words."""

    level: str
    by: str
    why: tuple[str, ...]
    how: str

    @classmethod
    def of(cls, needed: Needed | None) -> "NeededOut | None":
        """None where nothing is asked."""
        if needed is None:
            return None
        return cls(level=needed.level, by=needed.by, why=tuple(needed.why), how=needed.how)


class AskedOut(Out):
    """The question as it was put, its hash to be echoed in the answer, and the answer where there is one.

    ``decided_by``: who answered, or whose standing approval did (``level`` says so).
    """

    question: QuestionId
    shown: str
    content: Mapping[str, Any]
    expires_at: AwareDatetime
    decided: Literal["approve", "decline"] | None
    decided_at: AwareDatetime | None
    decided_by: PersonId | None
    level: str | None
    not_me: bool
    needed: NeededOut | None = None


class OwnerDeliveryOut(Out):
    """A delivery as the people of the car see it. ``timeline``: what happened and when, oldest first.

    ``zone``: by whose clock its times are told to them (IANA); null: by their own.
    """

    id: DeliveryId
    livemode: bool
    vehicle: VehicleId | None
    zone: str | None
    state: State
    carrier: CarrierId
    carrier_name: str
    courier: CourierId | None
    courier_name: str
    kind: Kind
    opens: Opens
    window: Window
    parcels: int
    place: Mapping[str, Any]
    out_by_m: int | None
    question: AskedOut | None
    approved_by: PersonId | None
    key: KeyOut
    refusal: str | None
    failure: str | None
    timeline: tuple[tuple[AwareDatetime, str], ...]
    photos: tuple[str, ...]
    can_block: bool
    car: CarOut | None
    ended: str | None


def car_out(car: Car) -> CarOut:
    """A car's reachability."""
    return CarOut(reach=car.reach, last_seen=car.last_seen, wakes_at=car.wakes_at)


def asked_out(read: Read, question: Question | None, needed: Needed | None = None) -> AskedOut | None:
    """The question of a delivery, while its content is kept; ``needed``: of the one who reads it."""
    if question is None or read.body.question is None:
        return None
    decided = question.decided
    return AskedOut(
        question=read.body.question,
        shown=question.digest,
        content=question.content(),
        expires_at=question.expires_at,
        decided=decided.answer if decided else None,
        decided_at=decided.at if decided else None,
        decided_by=decided.by if decided else None,
        level=decided.level if decided else None,
        not_me=bool(decided and decided.not_me),
        needed=NeededOut.of(needed),
    )


def timeline(read: Read) -> tuple[tuple[AwareDatetime, str], ...]:
    """What happened, by kind, with the receipts' and the key's moments; oldest first.

    What the car did is told by the car's own clock, as its receipts say it: a receipt comes later than the lock moved,
    and two of them may come at once. In the same moment the lid is shut before the lock.
    """
    body, key = read.body, read.body.key
    times = {kind.removeprefix("delivery."): at for kind, at in body.times.items()}
    by_the_car = {"opened": body.opened_at, "left_open": body.left_open_at, "closed": body.closed_at}
    times |= {what: at for what, at in by_the_car.items() if what in times and at is not None}
    if body.locked_at is not None:
        times["locked"] = body.locked_at
    rows = [(at, what) for what, at in times.items()]
    if key is not None and key.died_at is not None:
        rows.append((key.died_at, f"key destroyed: {str(key.how).replace('_', ' ')}"))
    return tuple(sorted(rows, key=lambda row: (row[0], _AT_THE_BOOT.get(row[1], 0))))


_AT_THE_BOOT: Final = {
    "opened": 1,
    "left_open": 2,
    "closed": 3,
    "locked": 4,
    "delivered": 5,
    "failed": 5,
    "ended": 6,
}
"""What comes first of what has the same time."""


SEEN_BY_OWNERS: Final = frozenset(
    str(fact.model_fields["kind"].default)
    for fact in (
        f.DeliveryAsked, f.DeliveryApproved, f.DeliveryDeclined, f.DeliveryExpired, f.DeliveryBlocked,
        f.DeliveryCancelled, f.DeliveryRescheduled, f.CourierAssigned, f.DeliveryKeyed, f.CourierSetOut,
        f.CourierArrived, f.OpeningStarted, f.DeliveryOpened, f.DeliveryClosed, f.DeliveryDelivered,
        f.OpeningRefused, f.DeliveryUnsure, f.DeliveryLeftOpen, f.DeliveryFailed, f.PhotoTaken, f.OutOfPlace,
        f.DeliveryExtended, f.PlaceChanged, f.CarrierDoubted, f.DeliveryDisowned, f.DeliveryEnded,
    )
)  # fmt: skip
"""Kinds of facts of which the people of a car hear over their streams and linked systems."""
SHOWN_AT_ONCE: Final = SEEN_BY_OWNERS | {str(f.FallbackSeen.model_fields["kind"].default)}
"""The same on the stream of one delivery: what its page shows the moment it happens, though no system has to hear of it."""
