"""Whether a key says what its owner saw: act, device, hours, place and news, each against the record. Pure.

The signer asks this of the claims themselves before it signs (``Deciding.stands``): a record or a delivery that was
changed on its way to the key makes none.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from delivery.model import Read, Window
from delivery.place import fence
from delivery.problems import NotAsShown
from delivery.questions import Question, place_in_words
from keys.car.claims import KeyClaims
from keys.car.jwk import b64
from keys.car.jws import Unacceptable
from keys.car.owner import owner_challenge

_ACTS = {"boot": "open:trunk", "cabin": "open:trunk+cabin"}


def check(read: Read, question: Question, claims: Mapping[str, Any]) -> None:
    """Raises ``NotAsShown`` with everything in which these claims differ from what was shown and allowed.

    An owner's later acts count as shown: more time, another place (``Question.changed``).
    """
    content = question.content()
    try:
        key, window = KeyClaims.of(claims), agreed_window(question)
    except (Unacceptable, KeyError, ValueError) as cause:
        raise NotAsShown(["claims"]) from cause
    place = agreed_place(question)
    found = {
        "delivery": key.dlv == read.id == content.get("delivery"),
        "act": key.act == _ACTS.get(str(content.get("opens"))),
        "device": key.cnf.jkt == _device(read, content.get("courier")),
        "hours": int(window.start.timestamp()) <= key.nbf < key.exp <= window.end.timestamp(),
        "place": place == place_in_words(read.body.place) and key.geo == fence(read.body.place),
        "news": question.decided is not None and key.fra == question.decided.fra,
        "signed": "sign" not in content
        or b64(owner_challenge(dict(claims))) == content["sign"].get("challenge"),
    }
    differs = [name for name, same in found.items() if not same]
    if differs:
        raise NotAsShown(differs)


def agreed_window(question: Question) -> Window:
    """The window that was shown, with the time that an owner gave more."""
    window = Window.model_validate(question.content()["window"])
    ends: list[datetime] = [one.until for one in question.changed if one.until is not None]
    return Window(start=window.start, end=max([window.end, *ends]))


def agreed_place(question: Question) -> Mapping[str, Any]:
    """The place that was shown, or the last one that an owner named instead, in a question's words."""
    places = [one.place for one in question.changed if one.place is not None]
    return place_in_words(places[-1]) if places else question.content()["place"]


def _device(read: Read, courier: Mapping[str, Any] | None) -> str:
    """The device of the courier that was shown; of whoever was assigned, where none was."""
    assigned = read.body.courier.jkt if read.body.courier else ""
    return str(courier.get("device", assigned)) if courier else assigned
