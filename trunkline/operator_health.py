"""How the installation does, as numbers: what `trunkline doctor` and `/metrics` read from the store, for the start page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from maintenance.desk_index import AGENTS, DESK
from maintenance.lists import ALL, OPEN
from maintenance.sweeping import GAUGES
from people.lists import CARRIERS, EVERY
from spine.counters import Counters
from spine.dead_letters import DeadLetters
from spine.parked import Parked
from spine.progress import Progress, progress
from spine.timers import LateTimers
from trunkline import vehicle_list
from trunkline.compose import Services
from trunkline.doctor import READERS
from trunkline.groups import GROUPS
from webhooks import lists as webhook_lists

BEHIND: Final = timedelta(minutes=1)
"""A reader that is later than this is behind."""
SWEPT_WITHIN: Final = timedelta(hours=1)
"""After this nobody sweeps any more."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that reads the log. ``free``: places that nobody reads; ``behind``: those that are late."""

    name: str
    free: int
    behind: int

    @property
    def fine(self) -> bool:
        return not self.free and not self.behind


@dataclass(frozen=True, slots=True)
class Health:
    """One moment. Ages in seconds; None where it never happened. ``canary``: whether there is one to be heard."""

    processes: Sequence[Process]
    parked: int
    late_timers: int
    unreadable: int
    violations: int
    swept_age: float | None
    canary: bool
    canary_age: float | None
    canary_fine: bool
    cases: int
    vehicles: int
    carriers: int
    agents: int
    addresses: int

    @property
    def swept(self) -> bool:
        """Nothing was lost, and somebody looks; before the first look nobody can say more."""
        late = self.swept_age is not None and self.swept_age > SWEPT_WITHIN.total_seconds()
        return not self.violations and not late

    @property
    def fine(self) -> bool:
        """Nothing here waits for an operator."""
        waits = self.parked or self.late_timers or self.unreadable
        return all(each.fine for each in self.processes) and not waits and self.swept and self.canary_fine


def processes(read: Sequence[Progress], partitions: int) -> list[Process]:
    """What each process of readers does. Pure."""
    found = []
    for name, groups in READERS.items():
        theirs = [each for each in read if each.group in groups]
        held = sum(each.reading for each in theirs)
        late = sum(each.late > BEHIND for each in theirs)
        found.append(Process(name, len(groups) * partitions - held, late))
    return found


async def health(parts: Services) -> Health:
    """Look at everything. Raises ``StoreDown``."""
    base, index = parts.ground, parts.ground.index
    valkey, house, now = base.valkey, base.house, base.clock.now().timestamp()
    gauges = await Counters(valkey).all(GAUGES)
    parked = Parked(valkey, house)
    limits = base.settings.maintenance.cases

    def age(name: str) -> float | None:
        return max(0.0, now - gauges[name]) if name in gauges else None

    canary = age("canary_at")
    silent = canary is None or canary >= limits.canary_silent_after.total_seconds()
    return Health(
        processes=processes(await progress(base.log), house.partitions),
        parked=sum([len(await parked.list(group)) for group in GROUPS]),
        late_timers=len(await LateTimers(valkey, house).list()),
        unreadable=await DeadLetters(valkey, house).count(),
        violations=gauges.get("sweep_violations", 0),
        swept_age=age("sweep_at"),
        canary=bool(limits.canaries),
        canary_age=canary,
        canary_fine=not limits.canaries or not silent,
        cases=await index.count(OPEN, ALL),
        vehicles=await index.count(vehicle_list.VEHICLES, vehicle_list.ALL),
        carriers=await index.count(CARRIERS, EVERY),
        agents=await index.count(AGENTS, DESK),
        addresses=await index.count(webhook_lists.ADDRESSES, webhook_lists.EVERY),
    )
