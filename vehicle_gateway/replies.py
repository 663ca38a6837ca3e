"""What a unit is told about its messages: durably taken, or refused and why (``dn/ack``, ``dn/err``)."""

from collections.abc import Iterable, Mapping, Sequence
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

    def tell_all(self, messages: Iterable[tuple[str, bytes]], *, expiry: int) -> None: ...


class Replies:
    """Collects what is to be told, ``send`` lets it go. QoS 0: what is lost is asked for by its message again."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._told: list[tuple[str, bytes]] = []

    def accepted(self, taken: Mapping[tuple[Sender, int], Sequence[int]]) -> None:
        """One ``dn/ack`` per unit and boot: numbers whose commit is on disk."""
        for ((shard, unit), boot), seqs in taken.items():
            ack = Ack.model_construct(boot=boot, seqs=list(seqs))  # both come from a checked envelope
            self._told.append((down(shard, unit, "ack"), ack.model_dump_json().encode()))

    def refused(self, sender: Sender, seq: int, code: Code, detail: str = "") -> None:
        """``dn/err``. ``stale`` and ``rate`` mean: send again; the others mean: never taken as it is."""
        shard, unit = sender
        err = Err(seq=seq, code=code, detail=detail)
        self._told.append((down(shard, unit, "err"), err.model_dump_json().encode()))

    def send(self) -> None:
        """All that was collected, in one write; nothing where there is no connection."""
        told, self._told = self._told, []
        if told:
            with suppress(NotConnected):
                self._outlet.tell_all(told, expiry=_EXPIRY)
