"""What is said aloud beside a commit: it spares whoever hears it in time a question to the store, and proves nothing.

A hint leaves before it is known whether its change is saved, is kept nowhere, and may be lost or come twice. So whoever
takes one compares it with the fact that followed, and asks the store where it does not fit or did not come.
"""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.valkey import StoreDown, Valkey

_log = logging.getLogger("trunkline.spine")

_MOST: Final = 256
"""Hints remembered until they are taken; the oldest go first."""


class Hints:
    """Hears the hints of an installation while ``run`` runs. A store that is down is tried again."""

    def __init__(self, valkey: Valkey, limits: SpineLimits | None = None) -> None:
        self._valkey = valkey
        self._channel = Keyspace(valkey.prefix).hints()
        self._retry = (limits or SpineLimits()).store_retry.total_seconds()
        self._heard: OrderedDict[str, str] = OrderedDict()
        self.listening = asyncio.Event()

    def take(self, name: str) -> str | None:
        """What was said under this name last; None where nothing came, or it was taken before."""
        return self._heard.pop(name, None)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                hearing = await self._valkey.hear(self._channel, self._note)
                self.listening.set()
                await hearing.lost()
            except StoreDown as down:
                _log.info("hints_lost", extra={"reason": down.detail})
            finally:
                self.listening.clear()
                self._heard.clear()
            await asyncio.sleep(self._retry)

    def _note(self, said: str) -> None:
        name, _, text = said.partition(" ")
        self._heard[name] = text
        self._heard.move_to_end(name)
        while len(self._heard) > _MOST:
            self._heard.popitem(last=False)
