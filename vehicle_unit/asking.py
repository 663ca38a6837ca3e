"""What a unit asks its server for: the list of ended keys, the time, trust, and a new certificate in time."""

import asyncio

from vehicle_gateway.link import Link
from vehicle_unit import provisioning
from vehicle_unit.clock import UnitClock
from vehicle_unit.freshness import Freshness
from vehicle_unit.limits import UnitLimits
from vehicle_unit.provisioning import Identity
from vehicle_unit.revocations import Revocations
from vehicle_unit.trust import Trust
from vehicle_unit.uplink import Uplink


class Asking:
    """Asks only for what is missing or has grown old."""

    def __init__(
        self,
        identity: Identity,
        *,
        clock: UnitClock,
        uplink: Uplink,
        revocations: Revocations,
        freshness: Freshness,
        trust: Trust,
        limits: UnitLimits,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._uplink = uplink
        self._revocations = revocations
        self._freshness = freshness
        self._trust = trust
        self._limits = limits

    def news(self) -> None:
        """After each connection."""
        self._the_list()
        self.the_time()
        if self._trust.wants_news(self._limits.trust_asked_after.total_seconds()):
            self._uplink.ask("trust", {"version": self._trust.version})

    def the_time(self) -> None:
        """A signed word on what time it is, where the unit needs one."""
        if self._freshness.needed:
            self._uplink.ask("freshness", {}, nonce=self._freshness.ask())

    def _the_list(self) -> None:
        current = self._revocations.current
        oldest = self._clock.now().timestamp() - self._limits.list_asked_after.total_seconds()
        if current is None or current.iat < oldest:
            self._uplink.ask("revocations", {})

    async def renew(self, link: Link) -> None:
        """In the last third of the certificate's life ask for a new one, until it comes. Until cancelled."""
        while True:
            await link.wait_connected()
            now = self._clock.now()
            if provisioning.life_left(self._identity.folder, now) < self._limits.renew_within:
                self._uplink.ask("cert", provisioning.renewal_request(self._identity, now))
            await asyncio.sleep(self._limits.renew_every.total_seconds())
