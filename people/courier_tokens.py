"""Couriers' access tokens: for an assertion signed by the device key, dead when courier or carrier is."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from people import device_proof
from people.carriers import Carriers
from people.couriers import Couriers
from people.limits import PeopleLimits
from people.model import CarrierBody, CourierView
from people.problems import ProofRefused, Unauthenticated
from people.states import Carrier, Courier
from people.tokens import Bearer, Token, digest, draw
from spine.expiring import Expiring
from spine.ids import CarrierId, CourierId, NotAnId, partition_of

SESSION_PATH: Final = "/v1/courier/session"
_SPACE: Final = "courier_token"
_SEEN: Final = "courier_assertion"
_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class CourierPrincipal:
    """A courier's device, as its access token shows it. ``jkt``: thumbprint of the device key."""

    id: CourierId
    carrier: CarrierId
    jkt: str


@dataclass(frozen=True, slots=True)
class CourierToken:
    """A new access token; ``seconds``: its life."""

    token: str = field(repr=False)
    seconds: int


class CourierTokens:
    """Opaque tokens, kept by hash until they expire."""

    def __init__(
        self, couriers: Couriers, carriers: Carriers, expiring: Expiring, origin: str, limits: PeopleLimits
    ) -> None:
        self._couriers = couriers
        self._carriers = carriers
        self._expiring = expiring
        self._audience = origin + SESSION_PATH
        self._limits = limits
        self._carrier_of: OrderedDict[CourierId, CarrierId] = OrderedDict()
        """A courier's carrier never changes: remembered, both can be read at once."""

    async def sign_in(self, assertion: str, *, now: datetime) -> CourierToken:
        """A token for an assertion, good once. Raises ``Unauthenticated``, for all reasons alike."""
        try:
            named = device_proof.courier_named(assertion)
            partition_of(named)
            checked = device_proof.sign_in(
                assertion,
                await self._couriers.public_jwk(CourierId(named)),
                courier=named,
                audience=self._audience,
                window=self._couriers.window,
                now=now,
            )
        except (ProofRefused, NotAnId, Unauthenticated) as cause:
            raise Unauthenticated("This device is not enrolled, or its assertion is not good.") from cause
        once = digest(f"{named}:{checked.jti}")
        if not await self._expiring.put(_SEEN, once, "seen", checked.remember, only_new=True):
            raise Unauthenticated("This device is not enrolled, or its assertion is not good.")
        principal, kept = await self._standing(CourierId(named))
        if principal is None:
            raise Unauthenticated("This device is not enrolled, or its assertion is not good.")
        token = draw(Bearer.COURIER, named)
        await self._expiring.put(_SPACE, token.hash, kept, self._limits.access_token_life)
        return CourierToken(token.text, int(self._limits.access_token_life.total_seconds()))

    async def find(self, token: Token) -> CourierPrincipal | None:
        """Whose token this is, while it lives, the courier is enrolled and the carrier not frozen since."""
        if token.bearer is not Bearer.COURIER:
            return None
        named = CourierId(token.subject)
        carrier = self._carrier_of.get(named)
        if carrier is None:
            given, courier = await asyncio.gather(
                self._expiring.get(_SPACE, token.hash), self._couriers.courier(named)
            )
            standing = await self._carriers.load(courier.carrier) if courier else None
        else:  # all in one question to the store
            given, courier, standing = await asyncio.gather(
                self._expiring.get(_SPACE, token.hash),
                self._couriers.courier(named),
                self._carriers.load(carrier),
            )
        principal, kept = self._principal(named, courier, standing)
        return principal if given == kept else None

    async def _standing(self, named: CourierId) -> tuple[CourierPrincipal | None, str]:
        """Who may hold tokens now, and what is kept with them: it changes when the carrier's tokens end."""
        courier = await self._couriers.courier(named)
        return self._principal(
            named, courier, await self._carriers.load(courier.carrier) if courier else None
        )

    def _principal(
        self, named: CourierId, courier: CourierView | None, carrier: tuple[Carrier, CarrierBody] | None
    ) -> tuple[CourierPrincipal | None, str]:
        if courier is None or courier.state is not Courier.ENROLLED:
            return None, ""
        self._carrier_of[named] = courier.carrier
        if len(self._carrier_of) > _REMEMBERED:
            self._carrier_of.popitem(last=False)
        if carrier is None or carrier[0] is Carrier.FROZEN:
            return None, ""
        return CourierPrincipal(courier.id, courier.carrier, courier.jkt), f"{named} {carrier[1].epoch}"
