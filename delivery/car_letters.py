"""Mails about a car and no single delivery: the list of what waits, and changes of how the car is guarded. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from delivery.model import Window
from webhooks.mail import Letter

_CHANGED: Final[Mapping[str, tuple[str, str]]] = {
    "delivery.standing_made": (
        "New: {carrier} may deliver into your car without asking",
        "An owner of your car allowed this beforehand with a passkey, for one place and certain hours. "
        "You are told of each delivery at once and can block it. Take it back on your page if it is not right.",
    ),
    "delivery.standing_ended": (
        "Ended: {carrier} has to ask again",
        "The standing approval was taken back. What it let in before goes on until you block it.",
    ),
    "delivery.carrier_lifted": (
        "{carrier} may ask for your car again",
        "An owner of your car lifted the block. You are asked as before.",
    ),
}


_WITH_ITS_PASSKEY: Final = (
    "The passkey that made this standing approval was removed or recovered, so it ended with it. "
    "If you still want it, allow it again with a passkey. What it let in before goes on until you block it."
)


def waiting(to: str, waits: Sequence[tuple[str, Window]], public_url: str) -> Letter | None:
    """The one mail in place of many: who waits, for when. None where nothing waits any more."""
    if not waits:
        return None
    lines = [
        "More was asked in the last hour than we wanted to wake you for, so this is one list. "
        "Nothing is opened without your answer.",
        *(f"{carrier}: {_time(window.start)} to {_time(window.end)}." for carrier, window in waits),
        "If you ordered none of it, answer one with “That was not me”: then its carrier cannot ask any more.",
        f"Look and answer on your page: {public_url}/",
    ]
    many = "1 delivery waits" if len(waits) == 1 else f"{len(waits)} deliveries wait"
    return Letter(to, f"{many} for your answer", lines)


def changed(type_: str, to: str, said: Mapping[str, str], carrier: str, public_url: str) -> Letter | None:
    """What an owner is told when the car's own keys or rules change, whoever did it."""
    if type_ == "delivery.owner_keys_changed":
        keys, required = int(said.get("keys", "0")), said.get("required") == "yes"
        know = {0: "It knows no passkey now.", 1: "It knows one passkey now."}
        return Letter(
            to,
            "The passkeys that your car knows were changed",
            [
                "Somebody who sat in your car with the ignition on changed this.",
                know.get(keys, f"It knows {keys} passkeys now."),
                "It opens for no delivery without one of them."
                if required
                else "It does not ask for one of them at a delivery.",
                "If it was nobody of yours, look into your car's menu, and block what is under way.",
                f"Your page: {public_url}/",
            ],
        )
    if type_ not in _CHANGED:
        return None
    subject, words = _CHANGED[type_]
    if said.get("reason") == "passkey_removed":
        words = _WITH_ITS_PASSKEY
    return Letter(to, subject.format(carrier=carrier), [words, f"Your page: {public_url}/"])


def _time(at: datetime) -> str:
    return f"{at:%a %d %b %H:%M} UTC"
