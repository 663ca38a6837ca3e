"""The one way a delivery changes: read, decide, step by the table, commit with facts and next timer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from delivery.limits import DeliveryLimits
from delivery.model import Delivery, Read, finished, write
from delivery.problems import NoSuchDelivery
from delivery.states import State, step
from delivery.timing import next_wake
from spine.clock import Clock
from spine.facts import Fact
from spine.facts.base import Base
from spine.facts.delivery import DeliveryFact, DeliveryFailed
from spine.ids import DeliveryId
from spine.store import Ack, Change, Once, Saved, Store, Write

F = TypeVar("F", bound=Base)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a decision wants of one delivery; ``writes`` and ``others``: of other subjects, same commit."""

    body: Delivery
    facts: Sequence[DeliveryFact] = ()
    writes: Mapping[str, Write] = field(default_factory=dict)
    others: Sequence[Fact] = ()
    answer: str = ""


Decide = Callable[[Read, Mapping[str, Saved]], Turn | None]


def told(kind: type[F], read: Read, now: datetime, **more: object) -> F:
    """A fact about this delivery, with what every fact of it carries."""
    common = {
        "at": now, "delivery": read.id, "carrier": read.body.carrier, "vehicle": read.body.vehicle,
    }  # fmt: skip
    return kind.model_validate({**common, **more})


class Deliveries:
    """Reads and changes deliveries; the actors' files say what may be wanted."""

    def __init__(self, store: Store, clock: Clock, limits: DeliveryLimits) -> None:
        self.store = store
        self.clock = clock
        self.limits = limits

    async def read(self, delivery: DeliveryId) -> Read:
        """Raises ``NoSuchDelivery`` for one that never was, or of which a tombstone is left."""
        return (await self.load(delivery))[0]

    async def load(self, delivery: DeliveryId) -> tuple[Read, Saved]:
        """As ``read``, with the subject itself, for a change that follows at once."""
        saved = await self.store.load(delivery)
        found = Read.of(saved)
        if found is None:
            raise NoSuchDelivery(delivery)
        return found, saved

    async def change(
        self,
        delivery: DeliveryId,
        decide: Decide,
        *,
        also: Sequence[str] = (),
        once: Once | None = None,
        ack: Ack | None = None,
    ) -> Read:
        """Decide on the delivery as saved and commit. Gives it as it stands afterwards.

        ``decide`` is pure and may run several times. Raises ``NoSuchDelivery``, ``StepNotAllowed`` and what
        ``decide`` raises.
        """
        now = self.clock.now()

        def decided(saved: Mapping[str, Saved]) -> Change | None:
            read = Read.of(saved[delivery])
            if read is None:
                raise NoSuchDelivery(delivery)
            turn = decide(read, saved)
            return None if turn is None else self.commit(read, turn, now)

        outcome = await self.store.change([delivery, *also], decided, once=once, ack=ack)
        after = Read.of(outcome.saved[delivery])
        if after is None:
            raise NoSuchDelivery(delivery)
        return after

    def commit(self, read: Read, turn: Turn, now: datetime) -> Change:
        """The change a turn comes to: the state its facts lead to, the end's moment, the next timer."""
        state = step(read.state, *turn.facts)
        body = finished(state, _timed(turn.body, turn.facts), now)
        saved = write(state, body, next_wake(state, body, now, self.limits))
        return Change(
            writes={**turn.writes, read.id: saved},
            facts=[*turn.facts, *turn.others],
            answer=turn.answer,
        )

    def first(self, body: Delivery, facts: Sequence[DeliveryFact], now: datetime) -> Write:
        """A new delivery as saved, to be committed with ``facts``."""
        state, body = step(State.NEW, *facts), _timed(body, facts)
        return write(state, body, next_wake(state, body, now, self.limits))


def _timed(body: Delivery, facts: Sequence[DeliveryFact]) -> Delivery:
    """The body with the moment of each of these facts, and why it failed."""
    times = dict(body.times)
    times.update((fact.kind, fact.at) for fact in facts)
    failure = next((fact.reason for fact in facts if isinstance(fact, DeliveryFailed)), body.failure)
    return body.but(times=times, failure=failure) if facts else body
