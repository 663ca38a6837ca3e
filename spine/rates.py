"""How often somebody may do something: exact sliding windows, counted in the store for all processes."""

import math
from datetime import datetime, timedelta

from spine.keyspace import Keyspace
from spine.valkey import Valkey


class Rates:
    """At most ``limit`` times in any stretch of ``per``. What is refused does not count."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._keys = Keyspace(valkey.prefix)

    async def take(self, space: str, id: str, *, limit: int, per: timedelta, now: datetime) -> int:  # noqa: A002
        """Count one. 0: allowed; else the whole seconds to wait. Raises ``StoreDown``."""
        key = self._keys.loose("rate", space, id)
        args = [limit, round(per.total_seconds() * 1000), round(now.timestamp() * 1000)]
        wait_ms = int(await self._valkey.call("tl_rate", [key], args))
        return math.ceil(wait_ms / 1000)
