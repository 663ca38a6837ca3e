"""The revocation list that came last: kept as received, counted only if the record knows its version."""

import logging
from typing import Final

from keys.car.claims import FreshClaims
from keys.car.fresh import newer, read_answer, read_fresh, read_kept
from keys.car.jws import Unacceptable
from keys.car.trust import TrustedKeys
from vehicle_unit.clock import UnitClock
from vehicle_unit.disk import Disk
from vehicle_unit.receipts import Receipt, Receipts
from vehicle_unit.record import MAX_VERSION, RecordStore

FILE: Final = "revocations"

_log = logging.getLogger("trunkline.vehicle_unit")


class Revocations:
    """``current`` is None where no list counts: none came, or it is not the one the record speaks of."""

    def __init__(
        self,
        disk: Disk,
        *,
        unit: str,
        trust: TrustedKeys,
        clock: UnitClock,
        record: RecordStore,
        receipts: Receipts,
    ) -> None:
        self._disk = disk
        self._unit = unit
        self._trust = trust
        self._clock = clock
        self._record = record
        self._receipts = receipts
        self._held = self._kept()

    @property
    def current(self) -> FreshClaims | None:
        """The list in force: only the one whose version the record has, also where a newer one could not be kept."""
        held, record = self._held, self._record.current
        known = held is not None and record is not None and held.rev.version == record.revocation_version
        return held if known else None

    @property
    def bundle_version(self) -> int:
        """Of the trust bundle by which lists are read now."""
        return self._trust.version

    def take(self, signed: str) -> Receipt | None:
        """A list came: keep it if it is newer. Gives the receipt ``revoked`` when its version is new to us.

        Raises ``Unacceptable`` where it is not signed for us, ``NotWritten`` or ``OSError`` where it could
        not be kept. ``version`` and ``min_seq`` never go down; ``min_seq`` raises the floor of used numbers.
        """
        record = self._record.current
        offered = read_fresh(signed, trust=self._trust, unit=self._unit)
        if record is None or not record.revocation_version <= offered.rev.version <= MAX_VERSION:
            return None
        if newer(self.current, offered):
            self._keep(signed, offered)
        return self.confirm()

    def read_answer(self, signed: object, *, nonce: str) -> FreshClaims:
        """What was signed for our ``nonce``; changes nothing. Raises ``Unacceptable``."""
        return read_answer(signed, trust=self._trust, unit=self._unit, nonce=nonce)

    def keep(self, signed: str, claims: FreshClaims) -> None:
        """Keep a verified answer, whose version the record knows already, as the list in force.

        Raises ``OSError``; then no list counts after the next start, until another comes.
        """
        self._disk.replace(FILE, signed.encode())
        self._held = claims

    def look_again(self) -> None:
        """After another trust bundle: a list whose signer was removed no longer counts."""
        self._held = self._kept()

    def confirm(self) -> Receipt | None:
        """The receipt for the list in force, if none was made yet and there is room for it."""
        current = self.current
        if current is None or current.rev.version <= self._receipts.last_list:
            return None
        if not self._receipts.room_for(1):
            return None
        return self._receipts.append("revoked", self._clock.read(), rev=current.rev.version)

    def _keep(self, signed: str, offered: FreshClaims) -> None:
        record = self._record.current
        assert record is not None
        window = record.window.raise_floor(offered.rev.min_seq)
        # the record first: a crash before the list is written leaves a list that does not count, never an
        # older one that does
        if offered.rev.version != record.revocation_version or window != record.window:
            self._record.advance(window=window, revocation_version=offered.rev.version)
        self._disk.replace(FILE, signed.encode())
        self._clock.hear(offered.iat)
        self._held = offered

    def _kept(self) -> FreshClaims | None:
        data, record = self._disk.read(FILE), self._record.current
        if data is None or record is None:
            return None
        try:
            kept = read_kept(data.decode(errors="replace"), trust=self._trust, unit=self._unit)
        except Unacceptable as cause:
            _log.error("revocations.unreadable", extra={"fault": cause.fault.value})
            return None
        if kept.rev.version != record.revocation_version:
            return None
        self._clock.hear(kept.iat)
        return kept
