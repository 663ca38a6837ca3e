"""Mails about a car and no single delivery: the list of what waits, and changes of how the car is guarded. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from delivery.model import Window
from spine.words import Plural, Text, Words
from webhooks.mail import Letter

_CHANGED: Final[Mapping[str, tuple[Text, Text]]] = {
    "delivery.standing_made": (
        Text("New: {carrier} may deliver into your car without asking"),
        Text(
            "An owner of your car allowed this beforehand with a passkey, for one place and certain hours. "
            "You are told of each delivery at once and can block it. Take it back on your page if it is not right."
        ),
    ),
    "delivery.standing_ended": (
        Text("Ended: {carrier} has to ask again"),
        Text("The standing approval was taken back. What it let in before goes on until you block it."),
    ),
    "delivery.carrier_lifted": (
        Text("{carrier} may ask for your car again"),
        Text("An owner of your car lifted the block. You are asked as before."),
    ),
}
_WITH_ITS_PASSKEY: Final = Text(
    "The passkey that made this standing approval was removed or recovered, so it ended with it. "
    "If you still want it, allow it again with a passkey. What it let in before goes on until you block it."
)
_PAGE: Final = Text("Your page: {page}")


def waiting(
    words: Words, to: str, waits: Sequence[tuple[str, Window]], public_url: str, zone: str
) -> Letter | None:
    """The one mail in place of many: who waits, for when (by the clock of ``zone``). None where nothing waits any more."""
    if not waits:
        return None
    lines = [
        words.say(
            Text(
                "You were asked so often in the last hour that this is one list. "
                "Nothing is opened without your answer."
            )
        ),
        *(
            words.say(
                Text("{carrier}: {times}."),
                carrier=carrier,
                times=words.span(window.start, window.end, zone),
            )
            for carrier, window in waits
        ),
        words.say(
            Text(
                "If you ordered none of it, answer one with “That was not me”: then its carrier cannot ask any more."
            )
        ),
        words.say(Text("Look and answer on your page: {page}"), page=f"{public_url}/"),
    ]
    subject = words.count(
        Plural("1 delivery waits for your answer", "{count} deliveries wait for your answer"), len(waits)
    )
    return Letter(to, subject, lines, language=words.language)


def changed(
    words: Words, type_: str, to: str, said: Mapping[str, str], carrier: str, public_url: str
) -> Letter | None:
    """What an owner is told when the car's own keys or rules change, whoever did it."""
    page = words.say(_PAGE, page=f"{public_url}/")
    if type_ == "delivery.owner_keys_changed":
        subject = words.say(Text("The passkeys that your car knows were changed"))
        lines = _keys(words, int(said.get("keys", "0")), required=said.get("required") == "yes")
        return Letter(to, subject, [*lines, page], language=words.language)
    if type_ not in _CHANGED:
        return None
    title, text = _CHANGED[type_]
    if said.get("reason") == "passkey_removed":
        text = _WITH_ITS_PASSKEY
    return Letter(to, words.say(title, carrier=carrier), [words.say(text), page], language=words.language)


def _keys(words: Words, keys: int, *, required: bool) -> list[str]:
    know = words.count(Plural("It knows one passkey now.", "It knows {count} passkeys now."), keys)
    return [
        words.say(Text("Somebody who sat in your car with the ignition on changed this.")),
        know if keys else words.say(Text("It knows no passkey now.")),
        words.say(Text("It opens for no delivery without one of them."))
        if required
        else words.say(Text("It does not ask for one of them at a delivery.")),
        words.say(Text("If it was nobody of yours, look into your car's menu, and block what is under way.")),
    ]
