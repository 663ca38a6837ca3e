"""The gateway process: one consumer per shard range under a lease; a standby takes over (rule 1)."""

import asyncio
import logging

from spine.leases import Leases
from spine.valkey import StoreDown
from vehicle_gateway.duty import Duty, Equipment

_log = logging.getLogger("trunkline.vehicle_gateway")


class Gateway:
    """``run`` it beside the process's ``Tail``. Of several, one is on duty and the others stand by."""

    def __init__(self, kit: Equipment) -> None:
        self._kit = kit
        self._place = (0, f"consumer-{kit.shards.name}")
        self._leases = Leases(kit.store.valkey, [self._place], kit.spine_limits)
        self._connected = asyncio.Event()

    async def wait_connected(self) -> None:
        """Until this process is the one on duty and connected to the broker."""
        await self._connected.wait()

    async def run(self) -> None:
        """Serve until cancelled. A broker or store that is away is waited for; no message ends it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._leases.keep(), name="gateway-lease")
            tasks.create_task(self._serve(), name="gateway-serve")

    async def _serve(self) -> None:
        shards = {"shards": self._kit.shards.name}
        while True:
            await self._leases.wait(self._place)
            _log.info("gateway.on_duty", extra=shards)
            duty = Duty(self._kit)
            work = asyncio.create_task(duty.run(), name="gateway-duty")
            note = asyncio.create_task(self._note_connected(duty), name="gateway-connected")
            lost = asyncio.create_task(self._until_lost(duty), name="gateway-lost")
            try:
                await asyncio.wait({work, lost}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (work, note, lost):
                    task.cancel()
                ended = await asyncio.gather(work, note, lost, return_exceptions=True)
                self._connected.clear()
            for failed in ended:
                if isinstance(failed, Exception):
                    # a fault of ours: begin anew, from what is saved
                    _log.error("gateway.failed", exc_info=failed, extra=shards)
                    await asyncio.sleep(self._kit.limits.store_retry.total_seconds())
            _log.info("gateway.off_duty", extra=shards)

    async def _note_connected(self, duty: Duty) -> None:
        await duty.link.wait_connected()
        self._connected.set()

    async def _until_lost(self, duty: Duty) -> None:
        """Until the lease is somebody else's.

        While the store is away nobody else can take it either, so we stay connected and paused. But who was
        cut off from the store alone does not fight for the connection with the one that took over.
        """
        while True:
            await asyncio.sleep(self._kit.spine_limits.lease_poll.total_seconds())
            if self._leases.token(self._place) is not None:
                duty.link.come_back()
                continue
            try:
                await self._leases.beat()
            except StoreDown:
                if not duty.link.connected:
                    duty.link.leave()
                continue
            if self._leases.token(self._place) is None:
                return
