"""What keys, receipts and commands mean for a delivery: one pure function from what was heard to a turn."""

from collections.abc import Sequence
from datetime import datetime

from delivery.answers import OVER_FOR_GOOD, UNTOLD
from delivery.model import Delivery, KeyMemory, Read, Receipt
from delivery.service import Turn, told
from delivery.states import State, follows, step
from spine.facts import Fact
from spine.facts import keys as k
from spine.facts import vehicle as v
from spine.facts.delivery import (
    DeliveryClosed,
    DeliveryDelivered,
    DeliveryFact,
    DeliveryFailed,
    DeliveryKeyed,
    DeliveryLeftOpen,
    DeliveryOpened,
    DeliveryUnsure,
    OpeningRefused,
)
from spine.ids import KeyId

KeyNews = (
    k.KeyIssued | k.KeySigned | k.KeyHandedOut | k.KeyRevoked | k.KeyDestroyed | k.KeyLapsed | k.KeyConsumed
)
BootNews = (
    k.KeyRefused
    | k.BootOpened
    | k.BootNotLifted
    | k.BootClosed
    | k.BootLocked
    | k.BootLeftOpen
    | k.BootIndeterminate
)
CommandNews = v.CommandRefused | v.CommandUndeliverable | v.CommandExpired | v.CommandUnanswered


def heard(read: Read, fact: KeyNews | BootNews | CommandNews, now: datetime) -> Turn | None:
    """What the fact does to the delivery; None where it does nothing (any more), as when it is read twice."""
    if isinstance(fact, KeyNews):
        return _of_key(read, fact, now)
    if isinstance(fact, BootNews):
        return _of_boot(read, fact, now)
    return _of_command(read, fact, now)


def number_of(key: KeyId) -> int:
    """The n of ``key_<delivery body>.<n>``."""
    return int(key.rsplit(".", 1)[1])


def _of_key(read: Read, fact: KeyNews, now: datetime) -> Turn | None:
    known = read.body.key
    if known is None or known.n < number_of(fact.key):
        return _new_key(read, fact)
    if known.key != fact.key:
        return None
    after, consumed_at = known, read.body.consumed_at
    match fact:
        case k.KeySigned():
            return _signed(read, known, now)
        case k.KeyHandedOut():
            after = known.but(handed_out=True)
        case k.KeyRevoked():
            after = known.but(dies_at=fact.dies_at)
        case k.KeyDestroyed():
            after = known.but(how=fact.how, died_at=fact.at)
        case k.KeyLapsed():
            after = known.but(how=known.how or "lapsed", died_at=known.died_at or fact.at)
        case k.KeyConsumed():
            consumed_at = consumed_at or fact.at
        case k.KeyIssued():
            pass
    body = read.body.but(key=after, consumed_at=consumed_at)
    return None if body == read.body else Turn(body)


def _new_key(read: Read, fact: KeyNews) -> Turn | None:
    if not isinstance(fact, k.KeyIssued | k.KeyLapsed):
        return None
    job = read.body.courier
    memory = KeyMemory(
        key=fact.key,
        n=number_of(fact.key),
        jkt=job.jkt if job else "",
        nbf=fact.at,
        exp=fact.at,
        how="lapsed",
        died_at=fact.at,
    )
    if isinstance(fact, k.KeyIssued):
        planned = read.body.planned
        epoch = planned.epoch if planned and planned.n == memory.n else -1
        memory = memory.but(jkt=fact.jkt, epoch=epoch, nbf=fact.nbf, exp=fact.exp, how=None, died_at=None)
    return Turn(read.body.but(key=memory, key_again_at=None))


def _signed(read: Read, known: KeyMemory, now: datetime) -> Turn | None:
    """The courier may fetch it. A replacement begins the work at the car anew."""
    if known.signed or known.dead or read.body.key_outdated:
        return None
    keyed = told(DeliveryKeyed, read, now, key=known.key)
    if not follows(read.state, keyed):
        return None
    body = read.body.but(key=known.but(signed=True))
    if body.wants_again:
        body = body.but(
            wants_again=False, done=False, not_lifted=False, opening=None, refusal=None, consumed_at=None,
            opened_at=None, closed_at=None, locked_at=None, left_open_at=None,
        )  # fmt: skip
    return Turn(body, [keyed])


def _of_boot(read: Read, fact: BootNews, now: datetime) -> Turn | None:
    """A verified receipt is the truth, whenever it comes; those of a unit come in the order of its chain."""
    last = read.body.receipt
    if last is not None and last.unit == fact.unit and fact.n <= last.n:
        return None
    body = read.body.but(receipt=Receipt(unit=fact.unit, n=fact.n))
    if _of_former(read, fact):
        return Turn(body)
    said: DeliveryFact
    match fact:
        case k.KeyRefused():
            # a key that the car has declared dead may be shown to it again: another one takes its place
            replaced = body.key is not None and body.key.how == "confirmed_by_car"
            final = fact.code in OVER_FOR_GOOD and not replaced
            if body.key is None or body.key.key != fact.key or not (final or read.state is State.UNSURE):
                return Turn(body)  # the command's own answer says so, by its name
            return _refused(read, body, fact.code, now, final=final)
        case k.BootLocked():
            return _locked(read, body, fact, now)
        case k.BootOpened():
            body, said = body.but(opened_at=fact.at), told(DeliveryOpened, read, now)
        case k.BootLeftOpen():
            body, said = body.but(left_open_at=fact.at), told(DeliveryLeftOpen, read, now)
        case k.BootNotLifted():
            # it is the car's last word of this opening: relocked, so no `locked` follows
            shut = {"not_lifted": True, "closed_at": fact.at, "locked_at": fact.at}
            body, said = body.but(**shut), told(DeliveryClosed, read, now)
        case k.BootClosed():
            body, said = body.but(closed_at=fact.at), told(DeliveryClosed, read, now)
        case _:
            said = told(DeliveryUnsure, read, now)
    return _turn(read, body, said)


def _of_former(read: Read, fact: k.KeyFact) -> bool:
    """Whether it ends an opening by an earlier key, told late, while a newer one has not opened yet."""
    key = read.body.key
    if key is None or not key.signed or read.state is not State.ARRIVED:
        return False
    return isinstance(fact, k.BootClosed | k.BootLocked | k.BootNotLifted) and number_of(fact.key) < key.n


def _locked(read: Read, body: Delivery, fact: k.BootLocked, now: datetime) -> Turn:
    body = body.but(locked_at=fact.at, closed_at=body.closed_at or fact.at)
    facts: list[DeliveryFact] = []
    closed = told(DeliveryClosed, read, now)
    if read.state is not State.CLOSED and follows(read.state, closed):
        facts.append(closed)
    if body.done and step(read.state, *facts) is State.CLOSED:
        facts.append(settling(read, body, now))
    return Turn(body, facts)


def settling(read: Read, body: Delivery, now: datetime) -> DeliveryDelivered | DeliveryFailed:
    """How a closed and locked delivery ends: a lid that nobody lifted took no parcel."""
    if body.not_lifted:
        return told(DeliveryFailed, read, now, reason="not_lifted")
    return told(DeliveryDelivered, read, now)


def _of_command(read: Read, fact: CommandNews, now: datetime) -> Turn | None:
    if read.body.opening is None or read.body.opening.command != fact.command:
        return None
    untold = isinstance(fact, v.CommandRefused) and fact.code in UNTOLD
    if untold or isinstance(fact, v.CommandUnanswered):
        return (
            _turn(read, read.body, told(DeliveryUnsure, read, now)) if read.state is State.OPENING else None
        )
    code = fact.code if isinstance(fact, v.CommandRefused) else "not_sent"
    return _refused(read, read.body, code, now, final=code in OVER_FOR_GOOD)


def _refused(read: Read, body: Delivery, code: str, now: datetime, *, final: bool) -> Turn | None:
    refused = told(OpeningRefused, read, now, code=code, final=final)
    return _turn(read, body.but(refusal=code) if follows(read.state, refused) else body, refused)


def _turn(read: Read, body: Delivery, fact: DeliveryFact) -> Turn | None:
    """With its fact where the table has the step; else what was learned is kept, if anything was."""
    facts: Sequence[DeliveryFact] = [fact] if follows(read.state, fact) else []
    return None if not facts and body == read.body else Turn(body, facts)


def about(fact: Fact) -> KeyNews | BootNews | CommandNews | None:
    """The fact if it may mean something for a delivery, else None."""
    if isinstance(fact, KeyNews | BootNews):
        return fact
    if isinstance(fact, CommandNews) and fact.delivery is not None and fact.op == "present":
        return fact
    return None
