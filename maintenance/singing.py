"""The end of a canary's way (group ``canary``): its case stands on the list, and the log said so."""

from collections.abc import Mapping
from typing import Final

from maintenance.model import Frozen
from maintenance.sweeping import GAUGES
from spine.clock import Clock
from spine.counters import Counters
from spine.facts.maintenance import CanaryArrived, CanarySent
from spine.ids import named_after
from spine.log import order
from spine.readers import Received
from spine.store import Change, Saved, Store, Write

GROUP: Final = "canary"
KINDS: Final = frozenset({"canary.sent"})
_HEARD: Final = "heard"


class _Heard(Frozen):
    place: tuple[int, int]
    """The newest one's place in the log."""


class Singing:
    """Measures from the unit's own clock to now. Read twice, it is told once."""

    def __init__(self, store: Store, clock: Clock, counters: Counters) -> None:
        self._store = store
        self._clock = clock
        self._counters = counters

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        if not isinstance(fact, CanarySent):
            return
        now, subject = self._clock.now(), named_after("cny", fact.vehicle)
        took = max(0, round((now - fact.at).total_seconds() * 1000))

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            here = saved[subject]
            if here.version and _Heard.model_validate_json(here.body).place >= order(received.position):
                return None
            told = CanaryArrived(at=now, vehicle=fact.vehicle, n=fact.n, took_ms=took)
            return Change(
                {subject: Write(_HEARD, _Heard(place=order(received.position)).model_dump_json())}, [told]
            )

        done = await self._store.change([subject], decide, ack=received.ack)
        if done.changed:
            await self._counters.put(GAUGES, {"canary_at": int(now.timestamp()), "canary_took_ms": took})
