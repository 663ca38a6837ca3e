"""Whom the unit trusts now: the newest trust bundle, kept as received; its version never goes down."""

import json
import logging
import math
from collections.abc import Mapping
from typing import Any, Final

from keys.car.bundle import Bundle, Roots, read_bundle
from keys.car.jws import Fault, Unacceptable, read_json
from keys.car.trust import TrustedKeys
from vehicle_unit.clock import UnitClock
from vehicle_unit.disk import Disk
from vehicle_unit.provisioning import Identity
from vehicle_unit.record import RecordStore

FILE: Final = "trust"
"""JSON: the bundle as it came, and the roots that it was checked against."""

_log = logging.getLogger("trunkline.vehicle_unit")


class Trust(TrustedKeys):
    """The keys this unit trusts. Whoever holds this sees the next bundle at once.

    Nothing is trusted but the roots where the record knows of a newer bundle than the one that is kept: the
    keys pinned at enrolment, or an older bundle, could name a key that was removed since.
    """

    def __init__(self, disk: Disk, *, identity: Identity, clock: UnitClock, record: RecordStore) -> None:
        super().__init__({})
        self._disk = disk
        self._unit = identity.unit
        self._clock = clock
        self._record = record
        self._asked = -math.inf
        self.in_force = False
        given = identity.bundle
        self._given = 0 if given is None else given.claims.version
        self._roots: Roots | None = None if given is None else given.claims.roots
        if given is None and (record.current is None or record.current.bundle_version == 0):
            self._become(identity.trust)  # enrolled before there were bundles
            return
        # With the record lost nobody knows how old the bundle of enrolment is: only the one that was kept counts.
        found = [one for one in (self._kept(), given if record.current else None) if one is not None]
        bundle = max(found, key=lambda one: one.claims.version, default=None)
        if bundle is not None:
            self._roots = bundle.claims.roots  # an old bundle names later roots than none
        if bundle is None or bundle.claims.version < self._least():
            _log.error("trust.lost", extra={"unit": self._unit, "needs": self._least()})
            return
        self._settle(bundle)

    def take(self, document: object) -> bool:
        """A bundle came: from now on it counts, if enough roots signed it and it is newer. False: it is not.

        Raises ``Unacceptable``, ``NotWritten`` or ``OSError``; then all stays as it was.
        """
        if self._roots is None:
            raise Unacceptable(Fault.SIGNER)
        bundle = read_bundle(document, roots=self._roots)
        version, least = bundle.claims.version, self._least()
        if version < least or (self.in_force and version == self.version):
            return False
        # The file first: after a crash here the next start finds a bundle that is newer than the record, checks
        # it and goes on. The other way round it would find nothing that counts.
        kept = {"roots": self._roots.wire(), "bundle": _signatures(document)}
        self._disk.replace(FILE, json.dumps(kept).encode())
        self._settle(bundle)
        return True

    def wants_news(self, after: float) -> bool:
        """Whether to ask for a bundle now: none is in force, or ``after`` seconds have passed since the last time."""
        now = self._clock.uptime()
        if self._roots is None or (self.in_force and now - self._asked < after):
            return False
        self._asked = now
        return True

    def _least(self) -> int:
        """The lowest version that may count."""
        record = self._record.current
        return max(self.version, self._given, record.bundle_version if record is not None else 0)

    def _settle(self, bundle: Bundle) -> None:
        claims, record = bundle.claims, self._record.current
        if record is not None and claims.version > record.bundle_version:
            floor = (claims.floors or {}).get(self._unit)
            # Time is not before the roots' own signature, whatever floor they name.
            lowered = None if floor is None else max(floor, claims.iat)
            self._record.advance(
                bundle_version=claims.version, clock_floor=claims.iat, lowered_clock_floor=lowered
            )
            if lowered is not None:
                self._clock.lower(lowered)
        self._clock.hear(claims.iat)
        if record is not None:
            self._clock.raise_floor(claims.iat)
        self._roots = claims.roots
        self._become(bundle.trust)
        _log.info("trust.in_force", extra={"unit": self._unit, "bundle_version": self.version})

    def _become(self, trust: TrustedKeys) -> None:
        self._keys = dict(trust.keys)
        self.version, self.expires, self.in_force = trust.version, trust.expires, True

    def _kept(self) -> Bundle | None:
        data = self._disk.read(FILE)
        if data is None:
            return None
        try:
            kept = read_json(data)
            roots = Roots.of(_members(kept.get("roots")))
            bundle = read_bundle({"bundle": kept.get("bundle")}, roots=roots)
        except Unacceptable as cause:
            _log.error("trust.unreadable", extra={"unit": self._unit, "fault": cause.fault.value})
            return None
        return bundle


def _members(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Unacceptable(Fault.JSON)
    return value


def _signatures(document: object) -> Any:  # noqa: ANN401 - read_bundle has looked at it
    return document["bundle"] if isinstance(document, Mapping) else None
