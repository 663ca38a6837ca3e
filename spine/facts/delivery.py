"""The life of a delivery, as the owner, the carrier and the courier would tell it."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from spine.facts.base import Base
from spine.ids import CarrierId, CommandId, CourierId, DeliveryId, KeyId, PersonId, QuestionId, VehicleId


class _Delivery(Base):
    about: ClassVar[str] = "delivery"
    delivery: DeliveryId
    carrier: CarrierId
    vehicle: VehicleId | None = None
    """None until the address is resolved, and for ever where it was not usable."""


class DeliveryRequested(_Delivery):
    kind: Literal["delivery.requested"] = "delivery.requested"
    drop: Literal["dropoff", "pickup"] = "dropoff"
    livemode: bool = True


class DeliveryUnusable(_Delivery):
    """Unknown, spent, blocked or another carrier's address, or silently declined: all told alike."""

    kind: Literal["delivery.unusable"] = "delivery.unusable"
    reason: str


class DeliveryAsked(_Delivery):
    kind: Literal["delivery.asked"] = "delivery.asked"
    question: QuestionId
    approve_by: AwareDatetime


class DeliveryApproved(_Delivery):
    kind: Literal["delivery.approved"] = "delivery.approved"
    question: QuestionId
    by: PersonId | None
    level: Literal["link", "session", "passkey", "standing", "system", "test"]
    shown: str
    """SHA-256 of what was asked, as the approver saw it."""
    fra: int | None = None
    """Seconds: how old revocation news may be at opening; None where nothing was chosen."""
    assertion: str | None = None
    """Hash of what a passkey signed for it, of ``standing`` for its rule (``keys.car.assertions``)."""


class DeliveryDeclined(_Delivery):
    kind: Literal["delivery.declined"] = "delivery.declined"
    question: QuestionId
    by: PersonId | None
    silent: bool = False


class DeliveryDisowned(_Delivery):
    """ "That was not me": whoever was asked ordered nothing of the kind. An alarm for the operator."""

    kind: Literal["delivery.disowned"] = "delivery.disowned"
    question: QuestionId
    by: PersonId | None


class DeliveryExpired(_Delivery):
    """No answer by ``approve_by``, or the window passed without an opening."""

    kind: Literal["delivery.expired"] = "delivery.expired"


class DeliveryBlocked(_Delivery):
    kind: Literal["delivery.blocked"] = "delivery.blocked"
    by: PersonId


class DeliveryCancelled(_Delivery):
    kind: Literal["delivery.cancelled"] = "delivery.cancelled"


class CourierAssigned(_Delivery):
    kind: Literal["delivery.courier_assigned"] = "delivery.courier_assigned"
    courier: CourierId
    jkt: str
    former: CourierId | None = None
    """Whose job it was before."""


class DeliveryKeyed(_Delivery):
    kind: Literal["delivery.keyed"] = "delivery.keyed"
    key: KeyId


class CourierSetOut(_Delivery):
    kind: Literal["delivery.en_route"] = "delivery.en_route"


class CourierArrived(_Delivery):
    kind: Literal["delivery.arrived"] = "delivery.arrived"


class OpeningStarted(_Delivery):
    kind: Literal["delivery.opening"] = "delivery.opening"
    command: CommandId
    key: KeyId


class DeliveryOpened(_Delivery):
    kind: Literal["delivery.opened"] = "delivery.opened"


class DeliveryClosed(_Delivery):
    kind: Literal["delivery.closed"] = "delivery.closed"


class DeliveryDelivered(_Delivery):
    kind: Literal["delivery.delivered"] = "delivery.delivered"


class OpeningRefused(_Delivery):
    """An answer, not an end: nothing was consumed unless ``final``."""

    kind: Literal["delivery.refused"] = "delivery.refused"
    code: str
    final: bool = False


class DeliveryUnsure(_Delivery):
    """No answer from the car: the boot may be open. Never silent."""

    kind: Literal["delivery.unsure"] = "delivery.unsure"


class DeliveryLeftOpen(_Delivery):
    kind: Literal["delivery.left_open"] = "delivery.left_open"


class DeliveryFailed(_Delivery):
    kind: Literal["delivery.failed"] = "delivery.failed"
    reason: Literal["car_not_there", "car_unreachable", "no_room", "too_big", "unsafe", "not_lifted", "other"]


class DeliveryRescheduled(_Delivery):
    kind: Literal["delivery.rescheduled"] = "delivery.rescheduled"
    successor: DeliveryId


class PhotoTaken(_Delivery):
    kind: Literal["delivery.photo"] = "delivery.photo"
    sha256: str


class ParcelAdded(_Delivery):
    """Another order for the same carrier, address and window joined this visit before it was approved."""

    kind: Literal["delivery.parcel_added"] = "delivery.parcel_added"


class ParcelWithdrawn(_Delivery):
    """One of several parcels of the visit was cancelled; the visit goes on."""

    kind: Literal["delivery.parcel_withdrawn"] = "delivery.parcel_withdrawn"


class DeliveryExtended(_Delivery):
    """The owner made the window longer."""

    kind: Literal["delivery.extended"] = "delivery.extended"
    until: AwareDatetime


class PlaceChanged(_Delivery):
    """The owner changed where the car may be; a key with the former fence is revoked."""

    kind: Literal["delivery.place_changed"] = "delivery.place_changed"


class OutOfPlace(_Delivery):
    """The courier would have set out, but the car stands elsewhere; the owner is told how far."""

    kind: Literal["delivery.out_of_place"] = "delivery.out_of_place"


class KeyWantedAgain(_Delivery):
    """It did not fit, or the key was burnt: the courier asked for a replacement inside this approval."""

    kind: Literal["delivery.key_wanted_again"] = "delivery.key_wanted_again"


class PhotoSeen(_Delivery):
    """A photo was looked at, and by whom."""

    kind: Literal["delivery.photo_seen"] = "delivery.photo_seen"
    sha256: str
    by: str


class FallbackSeen(_Delivery):
    """Where the parcel may go instead was read for the first time, and by whom; where that is stands nowhere here."""

    kind: Literal["delivery.fallback_seen"] = "delivery.fallback_seen"
    by: str


class CarrierDoubted(_Delivery):
    """This carrier's deliveries into this car ended unopened too often after the place was shown."""

    kind: Literal["delivery.carrier_doubted"] = "delivery.carrier_doubted"


class DeliveryEnded(_Delivery):
    """The key is destroyed (or none was made): the true state of that is in the delivery's view."""

    kind: Literal["delivery.ended"] = "delivery.ended"
    outcome: str
    courier: CourierId | None = None


DeliveryFact = (
    DeliveryRequested
    | DeliveryUnusable
    | DeliveryAsked
    | DeliveryApproved
    | DeliveryDeclined
    | DeliveryDisowned
    | DeliveryExpired
    | DeliveryBlocked
    | DeliveryCancelled
    | CourierAssigned
    | DeliveryKeyed
    | CourierSetOut
    | CourierArrived
    | OpeningStarted
    | DeliveryOpened
    | DeliveryClosed
    | DeliveryDelivered
    | OpeningRefused
    | DeliveryUnsure
    | DeliveryLeftOpen
    | DeliveryFailed
    | DeliveryRescheduled
    | PhotoTaken
    | ParcelAdded
    | ParcelWithdrawn
    | DeliveryExtended
    | PlaceChanged
    | OutOfPlace
    | KeyWantedAgain
    | PhotoSeen
    | FallbackSeen
    | CarrierDoubted
    | DeliveryEnded
)
