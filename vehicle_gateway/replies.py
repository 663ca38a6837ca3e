"""What a unit is told about its messages: durably taken, or refused and why (``dn/ack``, ``dn/err``)."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, Literal, Protocol

from spine.ids import UnitId
from vehicle_gateway.link import NotConnected
from vehicle_gateway.wire import Ack, Err, down

_EXPIRY: Final = 60
"""Seconds: a unit that was away sends again by itself."""

Sender = tuple[int, UnitId]
"""Shard and unit: where a reply goes."""
Code = Literal["schema", "auth", "rate", "size", "stale"]


class Outlet(Protocol):
    """Sends without waiting (``vehicle_gateway.link.Link``)."""

    def send(
        self, topic: str, payload: bytes, *, qos: int = 1, expiry: int | None = None
    ) -> asyncio.Future[int]: ...


class Replies:
    """QoS 0: a reply that is lost is asked for by the message coming again."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def accepted(self, taken: Mapping[tuple[Sender, int], Sequence[int]]) -> None:
        """One ``dn/ack`` per unit and boot: numbers whose commit is on disk."""
        for ((shard, unit), boot), seqs in taken.items():
            self._send(down(shard, unit, "ack"), Ack(boot=boot, seqs=list(seqs)).model_dump_json())

    def refused(self, sender: Sender, seq: int, code: Code, detail: str = "") -> None:
        """``dn/err``. ``stale`` and ``rate`` mean: send again; the others mean: never taken as it is."""
        shard, unit = sender
        self._send(down(shard, unit, "err"), Err(seq=seq, code=code, detail=detail).model_dump_json())

    def _send(self, topic: str, payload: str) -> None:
        with suppress(NotConnected):
            sent = self._outlet.send(topic, payload.encode(), qos=0, expiry=_EXPIRY)
            sent.add_done_callback(lambda done: done.cancelled() or done.exception())
