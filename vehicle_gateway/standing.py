"""Whether a unit is trusted: quarantine and release, committed where the gateway's next look finds them."""

from collections.abc import Mapping
from datetime import datetime

from spine.facts.vehicle import UnitQuarantined, UnitReleased
from spine.ids import UnitId
from spine.store import Ack, Change, Saved, Store, Write
from vehicle_gateway.registry import NoSuchUnit, UnitBody
from vehicle_gateway.states import UNIT, UnitState, follows, step


class Standing:
    """Quarantines units and lets them out again."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def quarantine(self, unit: UnitId, *, reason: str, now: datetime, ack: Ack | None = None) -> None:
        """From the commit on its messages are refused and it gets no commands. Again, or ended: no change.

        Raises ``NoSuchUnit``. ``reason`` is a code, never text of the unit.
        """

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = saved[unit]
            if not before.version:
                raise NoSuchUnit(unit)
            if not follows(UNIT, UnitState(before.state), UnitQuarantined):
                return None
            body = UnitBody.model_validate_json(before.body).model_copy(update={"reason": reason})
            fact = UnitQuarantined(at=now, vehicle=body.vehicle, unit=unit, reason=reason)
            state = step(UNIT, UnitState(before.state), fact)
            return Change({unit: Write(state, body.model_dump_json())}, [fact])

        await self._store.change([unit], decide, ack=ack)

    async def release(self, unit: UnitId, *, now: datetime) -> None:
        """An operator looked. Raises ``NoSuchUnit``, and ``NotInThisState`` unless it is quarantined."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = saved[unit]
            if not before.version:
                raise NoSuchUnit(unit)
            body = UnitBody.model_validate_json(before.body).model_copy(update={"reason": ""})
            fact = UnitReleased(at=now, vehicle=body.vehicle, unit=unit)
            state = step(UNIT, UnitState(before.state), fact)
            return Change({unit: Write(state, body.model_dump_json())}, [fact])

        await self._store.change([unit], decide)
