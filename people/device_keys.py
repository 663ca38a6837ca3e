"""Device keys: one belongs to one courier; taken before the courier's own side, freed if that fails."""

import hashlib
from collections.abc import Mapping
from datetime import datetime

from people import states
from people.limits import PeopleLimits
from people.model import CourierBody, DeviceBody, body_of
from people.problems import DeviceTaken
from people.states import Courier, Device, DeviceStep, allows, step
from spine.ids import ALPHABET, CourierId
from spine.store import Ack, Change, Saved, Store, Write


class DeviceKeys:
    """Subjects ``dvk_``, named by the key's thumbprint, which also says in which partition they lie."""

    def __init__(self, store: Store, partitions: int, limits: PeopleLimits) -> None:
        self._store = store
        self._partitions = partitions
        self._limits = limits

    def id_of(self, thumbprint: str) -> str:
        """The subject of a key."""
        hashed = hashlib.sha256(thumbprint.encode()).hexdigest()
        return f"dvk_{ALPHABET[int(hashed[:8], 16) % self._partitions]}{hashed[:40]}"

    async def take(self, thumbprint: str, courier: CourierId, *, now: datetime) -> None:
        """Hold a key; a timer lets it go if the courier's side never has it. Raises ``DeviceTaken``."""
        device = self.id_of(thumbprint)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = Device(saved[device].state)
            if not allows(states.DEVICE, state, DeviceStep.TAKEN):
                if body_of(saved[device], DeviceBody).courier == courier:
                    return None
                raise DeviceTaken("This device is enrolled for another courier: it takes a key of its own.")
            after = step(states.DEVICE, state, DeviceStep.TAKEN)
            body = DeviceBody(courier=courier)
            return Change(
                {device: Write(after, body.model_dump_json(), now + self._limits.device_confirmed_within)}
            )

        await self._store.change([device], decide)

    async def confirm(self, thumbprint: str, courier: CourierId, *, ack: Ack | None = None) -> None:
        """Reaction to ``courier.enrolled``: both sides have it."""
        await self._move(self.id_of(thumbprint), courier, DeviceStep.CONFIRMED, ack)

    async def free(self, thumbprint: str, courier: CourierId, *, ack: Ack | None = None) -> None:
        """The courier is removed or was never enrolled with it: another may use the key."""
        await self._move(self.id_of(thumbprint), courier, DeviceStep.FREED, ack)

    async def _move(self, device: str, courier: CourierId, how: DeviceStep, ack: Ack | None = None) -> None:
        def decide(saved: Mapping[str, Saved]) -> Change | None:
            state = Device(saved[device].state)
            mine = body_of(saved[device], DeviceBody).courier == courier
            if not mine or not allows(states.DEVICE, state, how):
                return None
            body = DeviceBody() if how is DeviceStep.FREED else DeviceBody(courier=courier)
            return Change({device: Write(step(states.DEVICE, state, how), body.model_dump_json())})

        await self._store.change([device], decide, ack=ack)

    async def on_due(self, saved: Saved) -> None:
        """Timer of ``dvk_``: confirm what the courier's side has, free what it has not."""
        courier = CourierId(body_of(saved, DeviceBody).courier)
        if not courier:
            return
        known = await self._store.load(courier)
        enrolled = known.state == Courier.ENROLLED and not known.ended
        has = enrolled and self.id_of(body_of(known, CourierBody).jkt) == saved.id
        await self._move(saved.id, courier, DeviceStep.CONFIRMED if has else DeviceStep.FREED)
