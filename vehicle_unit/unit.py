"""A unit at work: its memory read, what a power cut broke off settled, then on the air until stopped."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from keys.car.challenge import Challenges
from keys.car.jws import Unacceptable, read_json
from vehicle_gateway import wire
from vehicle_gateway.link import Incoming, Link
from vehicle_unit import boot, pairing
from vehicle_unit.asking import Asking
from vehicle_unit.canary import Canary
from vehicle_unit.clock import SystemTime, Time, UnitClock
from vehicle_unit.commands import Commands
from vehicle_unit.configuring import Configuration
from vehicle_unit.control import Control
from vehicle_unit.disk import Disk, FolderDisk
from vehicle_unit.executed import Executed
from vehicle_unit.freshness import Freshness, NoRoom
from vehicle_unit.latch import Latch
from vehicle_unit.local import Local
from vehicle_unit.local_server import LocalServer
from vehicle_unit.lock import Act, Lock
from vehicle_unit.opening import Openings, Verifier
from vehicle_unit.options import UnitOptions
from vehicle_unit.outbox import Outbox
from vehicle_unit.owners import Owners
from vehicle_unit.presence import Presence
from vehicle_unit.provisioning import Identity
from vehicle_unit.receipts import Receipts
from vehicle_unit.record import NotWritten, RecordStore
from vehicle_unit.revocations import Revocations
from vehicle_unit.scanning import IGNITION, Scanner
from vehicle_unit.simulated import SimulatedBoot
from vehicle_unit.trust import Trust
from vehicle_unit.uplink import Uplink
from vehicle_unit.vehicle import Value, Vehicle

__all__ = ["Unit", "UnitOptions", "run"]

_log = logging.getLogger("trunkline.vehicle_unit")


class Unit:
    """One unit. Raises ``journal.Damaged`` where its receipt chain does not hold: it must not go on."""

    def __init__(
        self,
        identity: Identity,
        options: UnitOptions,
        *,
        disk: Disk | None = None,
        vehicle: Vehicle | None = None,
        time: Time | None = None,
    ) -> None:
        self.identity = identity
        self.options = options
        self.vehicle = vehicle or Vehicle(position=options.position)
        limits, enrolled, time = options.limits, identity.enrolled, time or SystemTime()
        self._disk = disk or FolderDisk(identity.folder, durable=options.durable)
        self.boot = boot.count_boot(self._disk, time)
        self.record = RecordStore(self._disk)
        if self.record.current is None:
            _log.error("record.amnesia", extra={"unit": identity.unit})
        floor = self.record.current.clock_floor if self.record.current else 0
        self.clock = UnitClock(time, floor=floor, limits=limits)
        self.receipts = Receipts(
            self._disk,
            unit=identity.unit,
            key=identity.receipt_key,
            boot=self.boot,
            limits=limits,
            record=self.record,
        )
        boot.burn_consumed(self.record, self.receipts)
        self.executed = Executed(self._disk, now=self.clock.now().timestamp(), limits=limits)
        self.trust = Trust(self._disk, identity=identity, clock=self.clock, record=self.record)
        self.revocations = Revocations(
            self._disk,
            unit=identity.unit,
            trust=self.trust,
            clock=self.clock,
            record=self.record,
            receipts=self.receipts,
        )
        self.freshness = Freshness(
            policy=enrolled.policy,
            clock=self.clock,
            record=self.record,
            receipts=self.receipts,
            revocations=self.revocations,
            random=os.urandom,
        )
        self.outbox = Outbox(self._disk, boot=self.boot, limits=limits)
        self.uplink = Uplink(
            unit=identity.unit,
            shard=enrolled.shard,
            boot=self.boot,
            clock=self.clock,
            outbox=self.outbox,
            receipts=self.receipts,
        )
        self.owners = Owners(
            self._disk,
            policy=enrolled.policy,
            clock=self.clock,
            vehicle=self.vehicle,
            receipts=self.receipts,
        )
        verifier = Verifier(
            unit=identity.unit,
            trust=self.trust,
            policy=enrolled.policy,
            challenges=Challenges(enrolled.policy, os.urandom),
            clock=self.clock,
            record=self.record,
            receipts=self.receipts,
            revocations=self.revocations,
            freshness=self.freshness,
            vehicle=self.vehicle,
            owners=self.owners,
        )
        self.openings = Openings(verifier, limits, say=self.uplink.receipts)
        self.motor = SimulatedBoot(
            self.vehicle, lifts_after=options.lifts_after, shuts_after=options.shuts_after
        )
        self.latch = Latch(self.motor, limits, on_act=self._acted, on_state=lambda _: None)
        self.openings.latch = self.latch
        self.local = Local(
            openings=self.openings,
            receipts=self.receipts,
            clock=self.clock,
            policy=enrolled.policy,
            limits=limits,
            local_limits=options.local,
            take_bundle=self.take_bundle,
        )
        where = options.local.address
        self.phones = None if where is None else LocalServer(self.local, *where)
        self.configuration = Configuration(identity.folder, limits.heartbeat)
        self.commands = Commands(
            verifier=verifier,
            executed=self.executed,
            openings=self.openings,
            latch=self.latch,
            uplink=self.uplink,
            configure=self.configuration.configure,
            limits=limits,
        )
        self.scanner = Scanner(
            self._disk,
            options=options,
            boot=self.boot,
            clock=self.clock,
            vehicle=self.vehicle,
            say=self.uplink.scan,
        )
        self.commands.scan = self.scanner.ask
        self.canary = options.canary and Canary(
            self._disk, every=options.canary, boot=self.boot, clock=self.clock, say=self.uplink.scan
        )
        self.presence = Presence(
            topic=wire.up(enrolled.shard, identity.unit, "state"),
            boot=self.boot,
            clock=self.clock,
            limits=limits,
        )
        self.presence.busy = lambda: self.latch.state is not Lock.LATCHED
        self.presence.go(options.mode)
        self.link = self._make_link()
        self.uplink.link = self.presence.link = self.link
        self._asking = Asking(
            identity,
            clock=self.clock,
            uplink=self.uplink,
            revocations=self.revocations,
            freshness=self.freshness,
            trust=self.trust,
            limits=limits,
        )
        self._working: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Settle what a power cut broke off, read the lid, drive the lock shut. Needs a running loop."""
        self.openings.resume(boot.interrupted(self.receipts, self.clock.read()))
        boot.remember_answers(self.executed, self.receipts)
        self.revocations.confirm()
        self.owners.confirm()
        self.uplink.offer_receipts()
        self.motor.connect(self.latch.feed)
        self.vehicle.heard = self._signals_changed

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Until cancelled; then the broker says ``offline`` for us after the will's delay.

        ``on_ready``: called once a hand can reach it (``control``).
        """
        self.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.link.run(), name="unit-link")
                tasks.create_task(self.presence.run(), name="unit-presence")
                tasks.create_task(self._pulse(), name="unit-pulse")
                tasks.create_task(self._asking.renew(self.link), name="unit-renewal")
                if self.scanner.able:
                    tasks.create_task(self.scanner.run(), name="unit-scans")
                if self.canary:
                    tasks.create_task(self.canary.run(), name="unit-canary")
                if self.phones is not None:
                    tasks.create_task(self.phones.run(), name="unit-local-link")
                if self.options.control:
                    control = Control(self.identity.folder, self)
                    tasks.create_task(control.run(), name="unit-control")
                    await control.ready.wait()
                on_ready()
        finally:
            self.motor.stop()
            self.latch.stop()
            for task in self._working:
                task.cancel()
            if isinstance(self._disk, FolderDisk):
                self._disk.close()

    def pair(self) -> str:
        """Show a claim code, and tell its hash. Raises ``pairing.IgnitionOff``."""
        code, told = pairing.show_code(self.vehicle, self.clock.now(), self.options.limits)
        self.uplink.event("pair", told)
        return code

    def take_bundle(self, document: object) -> bool:
        """A trust bundle came, from the broker or a phone; whether it is in force now and was not before.

        Raises ``Unacceptable``, ``NotWritten``, ``OSError``; then all stays as it was.
        """
        taken = self.trust.take(document)
        if taken:
            self.revocations.look_again()
        return taken

    # ---- from the broker

    def _make_link(self) -> Link:
        limits = self.options.limits
        return Link(
            self.identity.broker(),
            client_id=self.identity.unit,
            on_message=self._heard,
            on_up=self._connected,
            on_down=self.uplink.disconnected,
            session_expiry=int(limits.session.total_seconds()),
            receive_maximum=limits.receive_maximum,
            keepalive=max(1, int(limits.keepalive.total_seconds())),
            will=self.presence.will(),
            limits=self.options.link,
        )

    async def _connected(self, present: bool) -> None:  # noqa: FBT001  # the link's own word
        enrolled = self.identity.enrolled
        await self.link.subscribe({wire.down(enrolled.shard, self.identity.unit, "#"): 1})
        await self.presence.greet()
        self.uplink.pump()
        self.uplink.signals(self.vehicle.signals(), full=True)
        self._asking.news()
        _log.info("unit.connected", extra={"unit": self.identity.unit, "session_present": present})

    def _heard(self, message: Incoming) -> None:
        """Whatever comes on ``dn/#``: nothing of it may stop the unit."""
        name = message.topic.rpartition("/")[2] if isinstance(message.topic, str) else ""
        if len(message.payload) > self.options.limits.message_bytes:
            _log.warning("unit.too_large", extra={"topic": name, "bytes": len(message.payload)})
        elif name == "cmd":
            task = asyncio.create_task(self._command(message), name="unit-command")
            self._working.add(task)
            task.add_done_callback(self._working.discard)
            return
        else:
            self._read(name, message.payload)
        self.link.acknowledge(message)

    async def _command(self, message: Incoming) -> None:
        try:
            await self.commands.handle(message.payload)
        finally:
            self.link.acknowledge(message)

    def _read(self, name: str, payload: bytes) -> None:
        try:
            match name:
                case "ack":
                    self.uplink.acknowledged(wire.Ack.model_validate_json(payload))
                case "err":
                    self.uplink.refused(wire.Err.model_validate_json(payload))
                case "rev":
                    if (receipt := self.revocations.take(payload.decode("ascii"))) is not None:
                        self.uplink.receipts([receipt])
                case "fresh":
                    if (receipt := self.freshness.answered(payload.decode("ascii"))) is not None:
                        self.uplink.receipts([receipt])
                case "trust":
                    self.take_bundle(read_json(payload))
                case _:
                    _log.info("unit.not_for_me", extra={"topic": name})
        except (ValidationError, UnicodeDecodeError, Unacceptable) as cause:
            _log.warning("unit.not_taken", extra={"topic": name, "why": type(cause).__name__})
        except (OSError, NotWritten, NoRoom):
            _log.exception("unit.not_kept", extra={"topic": name})

    # ---- from the car

    def _acted(self, act: Act) -> None:
        if act is Act.LEFT_OPEN and self.openings.going_on:
            self.uplink.event("left_open", {})
        self.openings.on_act(act)

    def _signals_changed(self, changed: Mapping[str, Value]) -> None:
        """Told a moment later, so that an opening's receipts and answer go first."""
        asyncio.get_running_loop().call_soon(lambda: self.uplink.signals(changed, full=False))
        if changed.get(IGNITION) == "ON":
            self.scanner.ignition_on()

    # ---- by the clock

    async def _pulse(self) -> None:
        """Send again what was not acknowledged; be heard at least every half minute."""
        beat = asked = self.clock.uptime()
        every = self.options.limits.fresh_asked_every.total_seconds()
        while True:
            await asyncio.sleep(1)
            self.uplink.pump()
            if self.clock.uptime() - asked >= every:
                asked = self.clock.uptime()
                self._asking.the_time()
            if self.clock.uptime() - beat >= self.configuration.heartbeat.total_seconds():
                beat = self.clock.uptime()
                self.uplink.telemetry({"Vehicle.Speed": self.vehicle.speed_kmh, **self.vehicle.place()})


async def run(
    directory: Path, options: UnitOptions | None = None, on_ready: Callable[[], None] = lambda: None
) -> None:
    """Run the unit of a provisioned folder until cancelled. Raises ``NotProvisioned`` or ``Damaged``."""
    await Unit(Identity.load(directory), options or UnitOptions()).run(on_ready)
