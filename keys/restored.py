"""After the store came back from a backup: numbers and list versions that may have been given are left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.model import Chain, chain_id, list_id, numbers_id
from spine.facts.keys import NumbersJumped
from spine.ids import UnitId, VehicleId
from spine.store import Change, Saved, Store, Write

JUMP: Final = 2**14
"""More numbers than one car can have been given since the backup; a unit believes a jump of 65,536."""


@dataclass(frozen=True, slots=True)
class Jumped:
    """One car's last number before and after."""

    vehicle: VehicleId
    unit: UnitId
    former: int
    last: int


class Restored:
    """What an operator says with ``trunkline keys restored``, before the services start again."""

    def __init__(self, store: Store, limits: KeysLimits) -> None:
        self._store = store
        self._limits = limits

    async def jump(self, vehicle: VehicleId, unit: UnitId, *, now: datetime) -> Jumped:
        """One step for one car; each call jumps again.

        Numbers go on above all that may have been given since the backup: a number given twice would be
        refused by the unit. The list goes on above all versions that the unit may know, and calls dead what
        lies under the lowest key that we know to be alive: where there is none, also every key that was made
        after the backup. The receipt chain goes on at the unit's next receipt, whatever was acknowledged
        before and is lost.
        """
        jumped: list[Jumped] = []

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            jumped.clear()
            ledger = Ledger(saved, unit, now=now, limits=self._limits)
            former = ledger.numbers.last
            ledger.numbers.last += JUMP
            ledger.list.vehicle = vehicle
            ledger.list.version += JUMP
            ledger.raise_floor()
            last = ledger.numbers.last
            ledger.facts.append(NumbersJumped(at=now, vehicle=vehicle, unit=unit, former=former, last=last))
            chain = Chain.model_validate_json(saved[chain_id(unit)].body)
            chain.resumes, chain.held, chain.coming = True, {}, []
            ledger.also(chain_id(unit), Write("open", chain.model_dump_json()))
            jumped.append(Jumped(vehicle, unit, former, last))
            return ledger.change()

        await self._store.change([numbers_id(unit), list_id(unit), chain_id(unit)], decide)
        return jumped[0]
