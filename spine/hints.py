"""What is said aloud ahead of a commit: whoever hears it in time has its work done when the fact follows.

A hint leaves before it is known whether its change is saved, proves nothing, is kept nowhere, and may be lost or come
twice. So whoever takes one does nothing by it that is seen outside, compares it with the fact that followed, and asks the
store where it does not fit or did not come. Of what nobody waits for by the millisecond there are none.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from spine.keyspace import Keyspace
from spine.limits import SpineLimits
from spine.valkey import StoreDown, Valkey

_log = logging.getLogger("trunkline.spine")

COMMANDS: Final = "commands"
"""A command's id and its subject, as it is going to be saved: whoever sends it makes it ready."""
RECEIPTS: Final = "receipts"
"""A unit's id and a receipt of it that is being saved: whoever waits for it verifies it."""
_MOST: Final = 256
"""Hints remembered until they are taken; the oldest go first."""


H = TypeVar("H")


class Hints(Generic[H]):
    """Hears the hints of an installation while ``run`` runs. A store that is down is tried again.

    ``about``: which. ``prepare`` makes of each (name, text) what is remembered, at once: what can be done before it is
    known to be true need not be done after. None: nothing of it is remembered.
    """

    def __init__(
        self,
        valkey: Valkey,
        about: str,
        prepare: Callable[[str, str], H | None],
        limits: SpineLimits | None = None,
    ) -> None:
        self._valkey = valkey
        self._prepare = prepare
        self._channel = Keyspace(valkey.prefix).hints(about)
        self._retry = (limits or SpineLimits()).store_retry.total_seconds()
        self._heard: OrderedDict[str, H] = OrderedDict()
        self.listening = asyncio.Event()

    def take(self, name: str) -> H | None:
        """What was made of what was said under this name last; None where nothing came, or it was taken before."""
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
        try:
            made = self._prepare(name, text)
        except Exception as wrong:  # noqa: BLE001 - a hint is worth no listener
            # By its name alone: what was wrong with a text may be said with the text, and that is secret.
            _log.warning("hint_not_understood", extra={"hint": name, "why": type(wrong).__name__})
            return
        if made is None:
            return
        self._heard[name] = made
        self._heard.move_to_end(name)
        while len(self._heard) > _MOST:
            self._heard.popitem(last=False)
