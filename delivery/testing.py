"""Test deliveries: a simulated owner, courier and car live the same life by the clock; no real car."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final

from delivery.asking import question_id
from delivery.model import Approval, Opening, Read
from delivery.service import Deliveries, Turn, told
from delivery.states import State
from spine.facts import delivery as f
from spine.ids import CommandId, KeyId, named_after
from spine.store import Saved

SHOWN: Final = sha256(b"trunkline test delivery").hexdigest()
"""A test approval is over this and nothing else: nobody saw a question, and the evidence says ``test``."""


async def play(deliveries: Deliveries, read: Read) -> None:
    """The next step of a test delivery's timer."""
    now = deliveries.clock.now()

    def decide(here: Read, _: Mapping[str, Saved]) -> Turn | None:
        if here.body.test is None or here.body.test_at is None or here.body.test_at > now:
            return None
        facts, changes = next_step(here, now)
        test_at = now + deliveries.limits.test_step if facts else None
        return Turn(here.body.but(**changes, test_at=test_at), facts)

    await deliveries.change(read.id, decide)


def next_step(read: Read, now: datetime) -> tuple[Sequence[f.DeliveryFact], dict[str, object]]:
    """What happens next and what is remembered of it; nothing where the behaviour ends in waiting."""
    match read.state:
        case State.REQUESTED | State.ASKED | State.APPROVED:
            return _before_the_key(read, now)
        case State.KEYED | State.EN_ROUTE | State.ARRIVED:
            return _on_the_way(read, now)
        case _:
            return _at_the_car(read, now)


def _before_the_key(read: Read, now: datetime) -> tuple[Sequence[f.DeliveryFact], dict[str, object]]:
    body, question = read.body, question_id(read.id)
    match read.state, body.test:
        case State.REQUESTED, _:
            asked = told(f.DeliveryAsked, read, now, question=question, approve_by=body.approve_by)
            return [asked], {"question": question, "address": None}
        case State.ASKED, "declines":
            return [told(f.DeliveryDeclined, read, now, question=question, by=None)], {}
        case State.ASKED, "silent":
            return [told(f.DeliveryExpired, read, now)], {}
        case State.ASKED, _:
            said = told(f.DeliveryApproved, read, now, question=question, by=None, level="test", shown=SHOWN)
            approval = Approval(question=question, by=None, level="test", shown=SHOWN, at=now)
            return [said], {"approval": approval}
        case _:
            return [told(f.DeliveryKeyed, read, now, key=_key(read))], {}


def _on_the_way(read: Read, now: datetime) -> tuple[Sequence[f.DeliveryFact], dict[str, object]]:
    body = read.body
    match read.state, body.test:
        case State.KEYED, "out_of_place" if body.out_by is None:
            return [told(f.OutOfPlace, read, now)], {"out_by": 1_200}
        case State.KEYED, "out_of_place":
            return [_failed(read, now, "car_not_there")], {}
        case State.KEYED, _:
            return [told(f.CourierSetOut, read, now)], {}
        case State.EN_ROUTE, _:
            return [told(f.CourierArrived, read, now)], {}
        case _ if body.openings:
            return [_failed(read, now, "other")], {}
        case _:
            command = CommandId(named_after("cmd", read.id, 1, "open"))
            started = told(f.OpeningStarted, read, now, command=command, key=_key(read))
            return [started], {"openings": 1, "opening": Opening(command=command, proof="", at=now)}


def _at_the_car(read: Read, now: datetime) -> tuple[Sequence[f.DeliveryFact], dict[str, object]]:
    closed: dict[str, object] = {"closed_at": now, "locked_at": now}
    stuck = read.body.test == "stuck"
    match read.state:
        case State.OPENING if stuck:
            return [told(f.DeliveryClosed, read, now)], {**closed, "not_lifted": True}
        case State.OPENING:
            return _opening(read, now)
        case State.OPEN if read.body.test == "left_open":
            return [told(f.DeliveryLeftOpen, read, now)], {"left_open_at": now}
        case State.OPEN | State.LEFT_OPEN:
            return [told(f.DeliveryClosed, read, now)], closed
        case State.CLOSED:
            return [_failed(read, now, "not_lifted") if stuck else told(f.DeliveryDelivered, read, now)], {}
        case _:
            return [], {}


def _opening(read: Read, now: datetime) -> tuple[Sequence[f.DeliveryFact], dict[str, object]]:
    match read.body.test:
        case "unsure":
            return [told(f.DeliveryUnsure, read, now)], {}
        case "offline":
            return [told(f.OpeningRefused, read, now, code="not_sent")], {"refusal": "not_sent"}
        case _:
            return [told(f.DeliveryOpened, read, now)], {"opened_at": now}


def _failed(read: Read, now: datetime, reason: str) -> f.DeliveryFailed:
    return told(f.DeliveryFailed, read, now, reason=reason)


def _key(read: Read) -> KeyId:
    return KeyId(named_after("key", read.id, 1))
