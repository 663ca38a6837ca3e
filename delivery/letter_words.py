"""What mails about a delivery say, in the words of their reader's language. Pure."""

from collections.abc import Mapping
from typing import Final

from delivery.model import Delivery, Kind, Opens
from delivery.questions import Decision
from delivery.views import FallbackKind
from spine.words import Text, Words

SUBJECTS: Final[Mapping[str, Text]] = {
    "delivery.asked": Text("May {carrier} deliver into your car?"),
    "delivery.approved": Text("Approved: a delivery by {carrier}"),
    "delivery.opened": Text("Your car was opened for {carrier}"),
    "delivery.declined": Text("Declined: a delivery by {carrier}"),
    "delivery.disowned": Text("Blocked: {carrier} may not ask for your car"),
    "delivery.delivered": Text("Done: the delivery by {carrier}"),
    "delivery.failed": Text("It did not work out: the delivery by {carrier}"),
    "delivery.cancelled": Text("Cancelled: the delivery by {carrier}"),
    "delivery.expired": Text("Over: the window of the delivery by {carrier}"),
    "delivery.blocked": Text("Blocked: the delivery by {carrier}"),
    "delivery.unsure": Text("Please look: your car may be open"),
    "delivery.left_open": Text("Your car stands open"),
    "delivery.out_of_place": Text("Your car is not where {carrier} expects it"),
    "delivery.carrier_doubted": Text("{carrier} came twice and opened nothing"),
}
OVER: Final = Text("Nothing to answer any more: a delivery by {carrier}")
NOT_ASKED: Final = Text("It is not asked any more.")
WORDS: Final[Mapping[str, Text]] = {
    "delivery.approved": Text("If that was not right, block it on its page: nothing opens after that."),
    "delivery.declined": Text("Nobody gets a key, and nothing is opened."),
    "delivery.disowned": Text(
        "Somebody who decides about your car said that nothing of the kind was ordered. The delivery is declined, "
        "and this carrier's orders for your car are not put to you any more until an owner lifts that on your page. "
        "The people who run the service have been told."
    ),
    "delivery.opened": Text("The car opened for the courier and locks by itself when the lid is shut."),
    "delivery.delivered": Text("The car was shut and locked again. The key is used up."),
    "delivery.failed": Text(
        "The courier could not do it. The key no longer opens anything once it is destroyed."
    ),
    "delivery.cancelled": Text("The carrier cancelled it."),
    "delivery.expired": Text("The time agreed for it is over."),
    "delivery.blocked": Text(
        "It was blocked. Its key is being destroyed; the page says when that is certain."
    ),
    "delivery.unsure": Text(
        "The car did not say what happened when the courier opened it. It may be open: please have a look. "
        "As soon as the car answers, the page shows it."
    ),
    "delivery.left_open": Text(
        "The lid was still up two minutes after the opening. "
        "The lock is armed and shuts when the lid comes down."
    ),
    "delivery.out_of_place": Text("Move the car, or change the place on the delivery's page."),
    "delivery.carrier_doubted": Text(
        "Two deliveries of this carrier ended unopened after the courier could see where your car stands. "
        "You can block its orders. What you allowed it beforehand rests until you let it come again on your page."
    ),
}
OUT_BY: Final = Text("It stands about {metres} m outside the place you agreed to.")
SHUT: Final = Text("Meanwhile the car has said: the boot is shut.")
FALLBACKS: Final[Mapping[FallbackKind, Text]] = {
    "home": Text(
        "An owner of the car wants such a parcel at home: the carrier may read that address until {time}. "
        "The delivery's page shows when it did."
    ),
    "neighbour": Text(
        "An owner of the car named a neighbour for such a parcel: the carrier may read where until {time}. "
        "The delivery's page shows when it did."
    ),
    "parcel_shop": Text(
        "An owner of the car named a parcel shop for such a parcel: the carrier may read which until {time}. "
        "The delivery's page shows when it did."
    ),
}
"""Where a parcel goes that was not handed over. The line itself stands in no mail."""
PAGE: Final = Text("The delivery's page: {page}")
LOOK_AND_ANSWER: Final = Text("Look and answer")
LOOK_AND_BLOCK: Final = Text("Look, and block it")
A_CARRIER: Final = Text("a carrier")

_STANDING: Final = {
    True: Text("Nobody was asked: your standing approval let it in."),
    False: Text("Nobody was asked: the standing approval of another owner let it in."),
}
_SYSTEM: Final[Mapping[tuple[bool, Decision], Text]] = {
    (True, "approve"): Text("A system linked to you approved it."),
    (True, "decline"): Text("A system linked to you declined it."),
    (False, "approve"): Text("A system linked to another person of your car approved it."),
    (False, "decline"): Text("A system linked to another person of your car declined it."),
}
_PERSON: Final[Mapping[tuple[bool, Decision], Text]] = {
    (True, "approve"): Text("You approved it."),
    (True, "decline"): Text("You declined it."),
    (False, "approve"): Text("Another person of your car approved it."),
    (False, "decline"): Text("Another person of your car declined it."),
}
_WISHES: Final[Mapping[tuple[Kind, Opens], Text]] = {
    ("dropoff", "boot"): Text("{carrier} would like to leave something in the boot of your car."),
    ("dropoff", "cabin"): Text(
        "{carrier} would like to leave something in the boot and the cabin of your car."
    ),
    ("pickup", "boot"): Text("{carrier} would like to fetch something from the boot of your car."),
    ("pickup", "cabin"): Text(
        "{carrier} would like to fetch something from the boot and the cabin of your car."
    ),
}


def who(answer: Decision, source: str, *, mine: bool) -> Text:
    """Who decided and how. ``source``: of the decision; ``mine``: its reader's own, or of a system or rule of theirs."""
    how = source.partition(":")[0]
    if how == "standing":
        return _STANDING[mine]
    return (_SYSTEM if how == "system" else _PERSON)[mine, answer]


def asked(words: Words, body: Delivery, carrier: str, courier: str | None, zone: str) -> list[str]:
    """What a question tells. ``courier``: the name, where it is known; ``zone``: by whose clock."""
    lines = [words.say(_WISHES[body.kind, body.act], carrier=carrier)]
    if courier is not None:
        lines.append(words.say(Text("The courier is {courier}."), courier=courier))
    return [
        *lines,
        words.say(Text("When: {times}."), times=words.span(body.window.start, body.window.end, zone)),
        words.say(
            Text("Please answer before {time}. Without an answer nothing happens."),
            time=words.moment(body.approve_by, zone),
        ),
    ]
