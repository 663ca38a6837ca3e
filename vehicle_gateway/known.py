"""Which units may speak to us, kept in memory and corrected by the log as it is written."""

import logging
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from spine.entries import Entry
from spine.facts.vehicle import UnitQuarantined, UnitReleased, UnitReplaced, VehicleRetired
from spine.ids import UnitId, VehicleId
from spine.log import Lagged, Tail
from spine.store import Store
from spine.valkey import StoreDown
from vehicle_gateway.registry import UnitView
from vehicle_gateway.states import UnitState

_log = logging.getLogger("trunkline.vehicle_gateway")

_CORRECTING: Final = frozenset(
    kind.model_fields["kind"].default
    for kind in (UnitQuarantined, UnitReleased, UnitReplaced, VehicleRetired)
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the door needs of a unit. ``trusted``: it is its vehicle's present unit and not in quarantine."""

    unit: UnitId
    vehicle: VehicleId
    shard: int
    trusted: bool


class KnownUnits:
    """At most ``most`` units, the longest unheard forgotten first. ``run`` must follow the log beside it."""

    def __init__(self, store: Store, tail: Tail, *, most: int) -> None:
        self._store = store
        self._tail = tail
        self._most = most
        self._units: OrderedDict[UnitId, Known] = OrderedDict()
        self._corrections = 0
        self._following = False

    async def find(self, units: Iterable[UnitId]) -> dict[UnitId, Known]:
        """Those of ``units`` that exist. Raises ``StoreDown``."""
        wanted = set(units)
        found = {unit: known for unit in wanted if (known := self._units.get(unit)) is not None}
        for unit in found:
            self._units.move_to_end(unit)
        if missing := wanted - found.keys():
            before = self._corrections
            for saved in (await self._store.load_many(missing)).values():
                if not saved.version:
                    continue
                view = UnitView.of(saved)
                known = Known(view.id, view.vehicle, view.shard, view.state is UnitState.ACTIVE)
                found[known.unit] = known
                # What was read before a correction may be what the correction was about.
                if self._following and before == self._corrections:
                    self._units[known.unit] = known
            while len(self._units) > self._most:
                self._units.popitem(last=False)
        return found

    async def run(self) -> None:
        """Follow the log until cancelled; a doubt about what was missed empties the memory."""
        while True:
            with suppress(StoreDown, Lagged):
                async with self._tail.subscribe() as entries:
                    self._forget_all()
                    self._following = True
                    async for entry in entries:
                        self._correct(entry)
            _log.info("known_units.behind")
            self._following = False
            self._forget_all()

    def _correct(self, entry: Entry) -> None:
        if entry.kind not in _CORRECTING:
            return
        match entry.fact:
            case UnitQuarantined(unit=unit) | UnitReleased(unit=unit):
                self._forget(unit)
            case UnitReplaced(unit=unit, former=former):
                self._forget(unit)
                self._forget(former)
            case VehicleRetired(vehicle=vehicle):
                for unit in [each.unit for each in self._units.values() if each.vehicle == vehicle]:
                    self._forget(unit)
                self._corrections += 1
            case _:
                return

    def _forget(self, unit: UnitId) -> None:
        self._corrections += 1
        self._units.pop(unit, None)

    def _forget_all(self) -> None:
        self._corrections += 1
        self._units.clear()
