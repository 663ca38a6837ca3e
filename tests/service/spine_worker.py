"""A process of its own for tests that kill one: reads deliveries in two partitions, one step of a saga each."""

import asyncio
import os
import signal
import sys

from spine.clock import SystemClock
from spine.facts.delivery import DeliveryRequested
from spine.facts.people import CourierEnrolled
from spine.house import open_house
from spine.ids import CarrierId, CourierId, DeliveryId, named_after
from spine.limits import SpineLimits
from spine.log import Log, Tail
from spine.readers import Reader, Received
from spine.store import Change, Outcome, Saved, Store, Write
from spine.valkey import Valkey

CARRIER = CarrierId("car_3aaaaaaaaaaaaaaa")
"""The other side of the saga, in another partition than the deliveries."""
LIMITS = SpineLimits.model_validate({"lease": 0.5, "lease_poll": 0.05, "cursor_flush": 0.02})


class Saga:
    """A request takes a slot of its carrier in the carrier's partition; what that says confirms the request."""

    def __init__(self, store: Store, die_after: str) -> None:
        self._store = store
        self._die_after = die_after
        self._left = 20
        self._slots = 0

    async def react(self, received: Received) -> None:
        fact = received.fact
        match fact:
            case DeliveryRequested():
                await self._take_slot(fact)
            case CourierEnrolled():
                await self._confirm(fact, received)

    async def _take_slot(self, fact: DeliveryRequested) -> None:
        if self._die_after == "confirm" and self._slots == 30:
            # Enough to be confirmed until it dies: one partition may be far ahead of the other, and slots have to be
            # left for who dies of them next.
            await asyncio.Event().wait()
        slot = f"slt_3{fact.delivery[5:]}"
        taken = CourierEnrolled(at=fact.at, carrier=CARRIER, courier=CourierId(fact.delivery), jkt="slot")

        def decide(saved: dict[str, Saved]) -> Change | None:
            if saved[slot].version:
                return None
            count = int(saved[CARRIER].body.strip("{}") or 0)
            return Change({slot: Write("taken", "{}"), CARRIER: Write("counting", str(count + 1))}, [taken])

        outcome = await self._store.change([slot, CARRIER], decide)
        self._slots += outcome.changed
        self._die("slot", outcome)

    async def _confirm(self, fact: CourierEnrolled, received: Received) -> None:
        delivery, mark = DeliveryId(fact.courier), named_after("msg", fact.courier, 1)

        def decide(saved: dict[str, Saved]) -> Change | None:
            if saved[delivery].state != "requested":
                return None
            return Change({delivery: Write("confirmed", "{}"), mark: Write("queued", "{}")})

        outcome = await self._store.change([delivery, mark], decide, ack=received.ack)
        self._die("confirm", outcome)

    def _die(self, step: str, outcome: Outcome) -> None:
        """The commit is answered, nothing else is done: the worst moment to be killed."""
        self._left -= step == self._die_after and outcome.changed
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(url: str, *, cluster: bool, die_after: str) -> None:
    valkey = Valkey.at(url, cluster=cluster)
    house = await open_house(valkey)
    store, log = Store(valkey, house), Log(valkey, house)
    tail = Tail(log)
    reader = Reader(
        store, log, tail, "saga", Saga(store, die_after).react, limits=LIMITS, clock=SystemClock()
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tail.run())
        tasks.create_task(reader.run())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], cluster=sys.argv[2] == "cluster", die_after=sys.argv[3]))
