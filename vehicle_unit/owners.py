"""The owner keys paired at this car: changed only by a person at the car, durable, and told in the chain."""

import logging
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from keys.car.jws import Unacceptable, read_json
from keys.car.owner import OwnerKey
from keys.car.owner_keys import PairedKey, PairedKeys
from keys.car.policy import Policy
from vehicle_unit.clock import UnitClock
from vehicle_unit.disk import Disk
from vehicle_unit.pairing import IgnitionOff
from vehicle_unit.receipts import Receipt, Receipts
from vehicle_unit.vehicle import Vehicle

FILE: Final = "owners"

_log = logging.getLogger("trunkline.vehicle_unit")


class NotChanged(Exception):
    """The owner keys stay as they are. ``code`` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Owners:
    """No message from outside reaches this: every change asks whether somebody sits in the car.

    Where the file is gone or unreadable though the chain says that keys were paired, the co-signature is
    required and no key can give it: nothing opens until somebody at the car has set it right.
    """

    def __init__(
        self, disk: Disk, *, policy: Policy, clock: UnitClock, vehicle: Vehicle, receipts: Receipts
    ) -> None:
        self._disk = disk
        self._policy = policy
        self._clock = clock
        self._vehicle = vehicle
        self._receipts = receipts
        self._use(self._kept())

    @property
    def current(self) -> PairedKeys:
        """The set in force."""
        return self._current

    @property
    def keys(self) -> Mapping[str, OwnerKey]:
        """The paired passkeys by credential id, as the verifier reads them."""
        return self._keys

    @property
    def policy(self) -> Policy:
        """The unit's policy with ``require_owner`` as it was set at the car."""
        return self._policy

    def pair(self, key: PairedKey) -> Receipt:
        """Take one more passkey, or what is now told of one. Raises ``IgnitionOff`` or ``NotChanged``."""
        self._at_the_car()
        try:
            changed = self._current.with_key(key)
        except ValidationError as cause:
            raise NotChanged("too_many_owner_keys") from cause
        return self._change(changed)

    def unpair(self, cid: str) -> Receipt:
        """Forget one passkey; the last one only where none is required.

        Raises ``IgnitionOff`` or ``NotChanged``.
        """
        self._at_the_car()
        if cid not in self._keys:
            raise NotChanged("no_such_owner_key")
        changed = self._current.without(cid)
        if changed.required and not changed.keys:
            raise NotChanged("owner_required")
        return self._change(changed)

    def erase(self) -> Receipt:
        """Sale or end of a lease: no passkey is left and none is required. Raises as ``unpair``."""
        self._at_the_car()
        return self._change(PairedKeys())

    def require(self, *, on: bool) -> Receipt:
        """Whether every key needs the co-signature of a passkey paired here. Raises as ``unpair``."""
        self._at_the_car()
        if on and not self._keys:
            raise NotChanged("no_owner_key")
        return self._change(PairedKeys(required=on, keys=self._current.keys))

    def confirm(self) -> Receipt | None:
        """The receipt for the set in force, if a power cut came before it and there is room for it."""
        state = self._current.state
        nothing_ever = not self._receipts.last_owners and self._disk.read(FILE) is None
        if nothing_ever or state.hash == self._receipts.last_owners or not self._receipts.room_for(1):
            return None
        return self._receipts.append("owner_key_changed", self._clock.read(), owner=state)

    def _at_the_car(self) -> None:
        if not self._vehicle.ignition_on or self._vehicle.speed_kmh != 0:
            raise IgnitionOff

    def _change(self, changed: PairedKeys) -> Receipt:
        if not self._receipts.room_for(1):
            raise NotChanged("busy")
        # the file first: after a crash between the two the receipt is written at the next start
        self._disk.replace(FILE, changed.model_dump_json().encode())
        self._use(changed)
        return self._receipts.append("owner_key_changed", self._clock.read(), owner=changed.state)

    def _use(self, keys: PairedKeys) -> None:
        self._current = keys
        self._keys = {each.cid: each.key() for each in keys.keys}
        self._policy = self._policy.model_copy(update={"require_owner": keys.required})

    def _kept(self) -> PairedKeys:
        data = self._disk.read(FILE)
        if data is None and not self._receipts.last_owners:
            return PairedKeys(required=self._policy.require_owner)
        try:
            return PairedKeys.of(read_json(data or b""))
        except Unacceptable as cause:
            _log.error("owners.unreadable", extra={"fault": cause.fault.value})
            return PairedKeys(required=True)
