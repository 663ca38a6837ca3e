"""What a person may be told instead of what they asked for. Codes are public and never renamed."""

from collections.abc import Sequence
from typing import ClassVar

from spine.problems import Kind, Problem


class NoSuchDelivery(Problem):
    """There is none, or it is not yours to see: both alike."""

    code: ClassVar[str] = "delivery.not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class WindowUnfit(Problem):
    """The window is over, too long, too short or too far ahead."""

    code: ClassVar[str] = "delivery.window"
    kind: ClassVar[Kind] = Kind.INVALID


class TooManyParcels(Problem):
    """The visit has as many parcels as it may have."""

    code: ClassVar[str] = "delivery.parcels"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoSuchParcel(Problem):
    """No parcel of this delivery has this reference."""

    code: ClassVar[str] = "delivery.parcel_not_found"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class CourierUnfit(Problem):
    """The courier is unknown, of another carrier, removed, or has no enrolled device."""

    code: ClassVar[str] = "courier.unfit"
    kind: ClassVar[Kind] = Kind.CONFLICT


class CourierNamed(Problem):
    """The owner approved this courier by name: another one means asking again (reschedule)."""

    code: ClassVar[str] = "courier.named"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NoKeyLeft(Problem):
    """A third replacement key inside one approval is not made: reschedule, and the owner is asked again."""

    code: ClassVar[str] = "delivery.no_key_left"
    kind: ClassVar[Kind] = Kind.CONFLICT


class KeyOnPhone(Problem):
    """The key is on a phone and the car offline: no other courier before that key is provably dead."""

    code: ClassVar[str] = "courier.key_on_phone"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class OtherDecision(Problem):
    """This question was answered otherwise already, or what was answered is not what was asked."""

    code: ClassVar[str] = "question.decided"
    kind: ClassVar[Kind] = Kind.CONFLICT


class QuestionOver(Problem):
    """The question was withdrawn or is too old."""

    code: ClassVar[str] = "question.over"
    kind: ClassVar[Kind] = Kind.GONE


class SignedWithoutFra(Problem):
    """The owner's passkey signs the key as it was drawn up, before anybody chose how old news may be."""

    code: ClassVar[str] = "question.signed_without_fra"
    kind: ClassVar[Kind] = Kind.INVALID


class LevelTooLow(Problem):
    """Whoever said yes was not proven to be the owner surely enough (RFC 9470). The question stays open.

    ``needed``: the level that is enough; ``how``: what to do; ``why``: the grounds.
    """

    code: ClassVar[str] = "approval.level_too_low"
    kind: ClassVar[Kind] = Kind.FORBIDDEN
    try_again: ClassVar[bool] = False

    def __init__(self, needed: str, how: str, why: tuple[str, ...]) -> None:
        super().__init__(how)
        self.members = {"needed": needed, "how": how, "why": list(why)}
        self.headers = {
            "WWW-Authenticate": (
                'Bearer error="insufficient_user_authentication", '
                f'error_description="An approval like this needs more", acr_values="{needed}"'
            )
        }


class AssertionUnfit(Problem):
    """The passkey's assertion is not over this question and this decision."""

    code: ClassVar[str] = "approval.assertion"
    kind: ClassVar[Kind] = Kind.FORBIDDEN


class LinkUnknown(Problem):
    """The link is unknown or replaced by newer ones."""

    code: ClassVar[str] = "question.link"
    kind: ClassVar[Kind] = Kind.GONE


class LinkOfFormerMail(LinkUnknown):
    """The link was mailed to an e-mail that is no longer this person's."""


class NotAsShown(Problem):
    """What is to be signed is not what the owner was shown. ``differs``: in what; it is for our own log."""

    code: ClassVar[str] = "approval.not_as_shown"
    kind: ClassVar[Kind] = Kind.CONFLICT

    def __init__(self, differs: Sequence[str]) -> None:
        super().__init__("what is to be signed is not what was shown")
        self.differs = list(differs)


class OutOfPlaceNow(Problem):
    """The car does not stand where the owner said it would."""

    code: ClassVar[str] = "car.out_of_place"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class CarUnreachable(Problem):
    """The car is asleep or without network: nothing was sent to it and nothing opened."""

    code: ClassVar[str] = "car.unreachable"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class CarReachable(Problem):
    """It was said that the car cannot be reached, and it can: nothing was ended."""

    code: ClassVar[str] = "car.reachable"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TooFar(Problem):
    """The phone is too far from the car to open it."""

    code: ClassVar[str] = "courier.too_far"
    kind: ClassVar[Kind] = Kind.FORBIDDEN
    try_again: ClassVar[bool] = True


class ReasonNeeded(Problem):
    """The phone is not right beside the car (or the car does not say where it is): say why."""

    code: ClassVar[str] = "courier.reason_needed"
    kind: ClassVar[Kind] = Kind.FORBIDDEN
    try_again: ClassVar[bool] = True


class ArriveFirst(Problem):
    """The last position is too old: say again that you are at the car."""

    code: ClassVar[str] = "courier.arrive_first"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class NoKey(Problem):
    """There is no key for this device now."""

    code: ClassVar[str] = "delivery.no_key"
    kind: ClassVar[Kind] = Kind.CONFLICT
    try_again: ClassVar[bool] = True


class OpeningInFlight(Problem):
    """Another attempt to open is on its way to the car: wait for its answer."""

    code: ClassVar[str] = "opening.in_flight"
    kind: ClassVar[Kind] = Kind.CONFLICT
    may_have_happened: ClassVar[bool] = True


class TooManyOpenings(Problem):
    """This delivery has been tried too often."""

    code: ClassVar[str] = "opening.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TooLateForAgain(Problem):
    """A replacement key can be had for three minutes after the boot was locked, by the same device."""

    code: ClassVar[str] = "delivery.again_too_late"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TooOften(Problem):
    """Slow down; ``retry_after`` says how long."""

    code: ClassVar[str] = "rate.limited"
    kind: ClassVar[Kind] = Kind.TOO_MANY
    try_again: ClassVar[bool] = True


class CarSaidNo(Problem):
    """The car refused. Without proven possession it does not say why (`refused`)."""

    code: ClassVar[str] = "refused"
    kind: ClassVar[Kind] = Kind.CONFLICT


class OnlySimulated(Problem):
    """A test delivery plays by itself: no real courier and no real car takes part."""

    code: ClassVar[str] = "delivery.test_only"
    kind: ClassVar[Kind] = Kind.CONFLICT


class RulesChanged(Problem):
    """Somebody changed these settings since you read them (``If-Match``)."""

    code: ClassVar[str] = "rules.changed"
    kind: ClassVar[Kind] = Kind.CONFLICT


class TooManyPhotos(Problem):
    """The delivery has as many photos as it may have."""

    code: ClassVar[str] = "photo.too_many"
    kind: ClassVar[Kind] = Kind.CONFLICT
