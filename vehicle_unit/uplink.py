"""What leaves the unit: the outbox over the link, and what needs no acknowledgement beside it."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from vehicle_gateway.link import NO_SUBSCRIBERS, Link, NotConnected
from vehicle_gateway.wire import EXPIRY, Ack, Err, Result, up
from vehicle_unit.clock import UnitClock
from vehicle_unit.envelope import envelope, message_id
from vehicle_unit.executed import Answer
from vehicle_unit.outbox import Full, Item, Outbox, Urgency
from vehicle_unit.receipts import Receipt, Receipts
from vehicle_unit.vehicle import Value

_log = logging.getLogger("trunkline.vehicle_unit")

_URGENCY = {"crash": Urgency.CRASH, "receipt": Urgency.RECEIPT}


class Uplink:
    """Everything is put into the outbox first and sent at once where there is a connection."""

    link: Link

    def __init__(
        self, *, unit: str, shard: int, boot: int, clock: UnitClock, outbox: Outbox, receipts: Receipts
    ) -> None:
        self._unit = unit
        self._shard = shard
        self._boot = boot
        self._clock = clock
        self._outbox = outbox
        self._receipts = receipts

    # ---- what keeps an order and waits for the server's acknowledgement

    def receipts(self, receipts: Sequence[Receipt]) -> None:
        """Send receipts, those of one act together; they are durable already, and offered after a restart."""
        for receipt in receipts:
            d = {"n": receipt.n, "receipt": receipt.token}
            self._put("evt/receipt", d, Urgency.RECEIPT, message=receipt.message_id, receipt=receipt.n)
        self.pump()

    def event(self, kind: str, d: Mapping[str, Any]) -> None:
        """An event of the car: door, tow, crash, left_open, pair. It survives a power cut."""
        self._put(f"evt/{kind}", d, _URGENCY.get(kind, Urgency.EVENT), durable=True)
        self.pump()

    def scan(self, document: Mapping[str, Any]) -> None:
        """A ``fault.scan``; it survives a power cut."""
        self._put("dtc", document, Urgency.EVENT, durable=True)
        self.pump()

    def result(self, command: str, answer: Answer) -> None:
        """What became of a command."""
        told = Result(
            cmd=command,
            outcome=answer.outcome,
            code=answer.code,
            may_have_opened=answer.may_have_opened,
            data=answer.data,
        )
        self._put("res", told.model_dump(mode="json"), Urgency.RESULT, correlation=command)
        self.pump()

    def signals(self, values: Mapping[str, Value], *, full: bool) -> None:
        """Changed signals, or all of them."""
        self._put("sig", {"full": full, "values": dict(values)}, Urgency.SIGNALS)
        self.pump()

    def offer_receipts(self) -> None:
        """At start: what was not acknowledged before."""
        self.receipts(self._receipts.pending())

    def pump(self) -> None:
        """Put on the wire what is due."""
        if not self.link.connected:
            return
        due = self._outbox.due(self._clock.uptime(), self._clock.now())
        with self.link.together():
            for index, item in enumerate(due):
                try:
                    self._send(item)
                except NotConnected:
                    self._outbox.not_sent(due[index:])
                    return
        if due:
            os.sched_yield()

    def disconnected(self) -> None:
        """The connection is gone: all that is not acknowledged goes out again on the next."""
        self._outbox.retry_all()

    def acknowledged(self, ack: Ack) -> None:
        """``dn/ack``."""
        for item in self._outbox.acknowledged(ack.boot, ack.seqs):
            if item.receipt is not None:
                self._receipts.acknowledged(item.receipt)
        self.pump()

    def refused(self, err: Err) -> None:
        """``dn/err``."""
        dropped = self._outbox.refused(err, self._clock.uptime())
        _log.warning("uplink.refused", extra={"seq": err.seq, "code": err.code, "detail": err.detail})
        if dropped is not None:
            _log.error("uplink.never_taken", extra={"message": dropped.id, "topic": dropped.name})
        self.pump()

    # ---- what does not

    def telemetry(self, values: Mapping[str, Value]) -> None:
        """QoS 0: speed and position, and the sign that we are here."""
        self._loose("tel", {"full": False, "values": dict(values)}, qos=0)

    def ask(self, name: str, data: Mapping[str, Any], *, nonce: str = "") -> None:
        """Ask the server for something; who does not get it asks again."""
        self._loose(f"req/{name}", {"nonce": nonce, "data": dict(data)}, qos=1)

    def _loose(self, name: str, d: Mapping[str, Any], *, qos: int) -> None:
        if not self.link.connected:
            return
        now = self._clock.now()
        payload = envelope(
            message=message_id(int(now.timestamp() * 1000)),
            boot=self._boot,
            seq=0,
            at=now,
            mono=self._mono(),
            d=d,
        )
        kind = name.split("/", 1)[0]
        try:
            sent = self.link.send(up(self._shard, self._unit, name), payload, qos=qos, expiry=EXPIRY[kind])
        except NotConnected:
            _log.info("uplink.not_sent", extra={"topic": name})
        else:
            sent.add_done_callback(_code)

    def _put(
        self,
        name: str,
        d: Mapping[str, Any],
        urgency: Urgency,
        *,
        message: str = "",
        durable: bool = False,
        correlation: str | None = None,
        receipt: int | None = None,
    ) -> None:
        now = self._clock.now()
        item = Item(
            id=message or message_id(int(now.timestamp() * 1000)),
            name=name,
            d=dict(d),
            urgency=urgency,
            at=now,
            mono=self._mono(),
            durable=durable,
            correlation=correlation,
            receipt=receipt,
        )
        try:
            self._outbox.put(item)
        except (Full, OSError):
            _log.exception("outbox.refused", extra={"topic": name})

    def _send(self, item: Item) -> None:
        assert item.seq is not None
        payload = envelope(
            message=item.id,
            boot=self._boot,
            seq=item.seq,
            at=item.at,
            mono=self._mono() if item.mono is None else item.mono,
            d=item.d,
        )
        kind = item.name.split("/", 1)[0]
        crash = item.urgency is Urgency.CRASH
        sent = self.link.send(
            up(self._shard, self._unit, item.name),
            payload,
            expiry=None if crash else EXPIRY[kind],
            correlation=item.correlation.encode() if item.correlation else None,
        )
        sent.add_done_callback(lambda done: self._look_at(done, item))

    def _look_at(self, sent: asyncio.Future[int], item: Item) -> None:
        if _code(sent) == NO_SUBSCRIBERS:
            self._outbox.unheard(item, self._clock.uptime())

    def _mono(self) -> int:
        return int(self._clock.uptime() * 1000)


def _code(sent: asyncio.Future[int]) -> int:
    """The broker's word, 0 where there is none; a refusal of its is logged."""
    code = 0 if sent.cancelled() or sent.exception() is not None else sent.result()
    if code >= 0x80:
        _log.error("uplink.not_authorized", extra={"reason_code": code})
    return code
