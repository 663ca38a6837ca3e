"""What may be forgotten: sessions, access tokens, one-time links, each under a name that is a hash."""

from datetime import timedelta

from spine.keyspace import Keyspace
from spine.valkey import Valkey


class Expiring:
    """Values that end by themselves. No fact tells of them and no commit depends on them.

    Ids must not be secrets themselves: hash a token (SHA-256) before it comes here. All raise ``StoreDown``.
    """

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._keys = Keyspace(valkey.prefix)

    async def put(
        self,
        space: str,
        id: str,  # noqa: A002
        value: str,
        ttl: timedelta,
        *,
        only_new: bool = False,
    ) -> bool:
        """Keep a value for ``ttl``. ``only_new``: False and unchanged where there is one already."""
        command: list[str | int] = [
            "SET",
            self._key(space, id),
            value,
            "PX",
            max(1, round(ttl.total_seconds() * 1000)),
        ]
        if only_new:
            command.append("NX")
        return await self._valkey.ask(*command) is not None

    async def get(self, space: str, id: str) -> str | None:  # noqa: A002
        """The value, or None where there is none (any more)."""
        value: str | None = await self._valkey.ask("GET", self._key(space, id))
        return value

    async def take(self, space: str, id: str) -> str | None:  # noqa: A002
        """Get and delete in one step: of several who take, one gets it."""
        value: str | None = await self._valkey.ask("GETDEL", self._key(space, id))
        return value

    async def drop(self, space: str, id: str) -> None:  # noqa: A002
        """Forget it now; nothing happens where there is none."""
        await self._valkey.ask("DEL", self._key(space, id))

    def _key(self, space: str, name: str) -> str:
        return self._keys.loose("expiring", space, name)
