"""Signed checkpoints of the log: a log rewritten later contradicts what others hold (keys.md 3.10)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from keys.car.jwk import b64
from keys.car.records import CheckpointRecord
from keys.signing import SigningKeys
from spine.ids import ALPHABET
from spine.store import Change, Saved, Store, Write

_STATE: Final = "signed"


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True)

    position: str
    signed: str


def checkpoint_id(partition: int) -> str:
    """The subject of a partition's newest checkpoint."""
    return f"ckp_{ALPHABET[partition]}log"


class Checkpoints:
    """``sign`` needs the key of purpose ``log`` (process ``work``); anybody may read."""

    def __init__(self, store: Store, signing: SigningKeys | None = None) -> None:
        self._store = store
        self._signing = signing

    async def sign(self, partition: int, *, position: str, sha256: str, now: datetime) -> bool:
        """Sign that the log's archived hash chain stands so; False where that was signed already.

        ``sha256``: hexadecimal, of the newest archive segment, which holds the hash of the one before.
        """
        if self._signing is None:
            raise RuntimeError("this process has no signing key for the log")
        record = CheckpointRecord(
            at=int(now.timestamp() * 1000),
            partition=partition,
            position=position,
            hash=b64(bytes.fromhex(sha256)),
        )
        signed = self._signing.signer("log").sign(record.wire())
        subject = checkpoint_id(partition)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = saved[subject]
            if before.version and _Body.model_validate_json(before.body).position == position:
                return None
            body = _Body(position=position, signed=signed)
            return Change({subject: Write(_STATE, body.model_dump_json())})

        return (await self._store.change([subject], decide)).changed

    async def latest(self, partition: int) -> str | None:
        """The newest signed checkpoint of a partition, a ``tl-record+jwt``."""
        saved = await self._store.load(checkpoint_id(partition))
        return _Body.model_validate_json(saved.body).signed if saved.version else None

    async def everywhere(self) -> dict[str, str]:
        """All partitions' newest checkpoints, by partition number, for ``/.well-known/``."""
        found = {p: await self.latest(p) for p in range(self._store.house.partitions)}
        return {str(partition): signed for partition, signed in found.items() if signed}
