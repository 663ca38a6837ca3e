"""Access tokens of carriers: OAuth 2 client credentials, by secret or by private_key_jwt."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from people import device_proof
from people.carriers import WITH_SECRET, Carriers, secret_fits
from people.device_proof import Assertion, Window
from people.limits import PeopleLimits
from people.model import CarrierBody, CarrierTokenBody, Scope
from people.problems import ProofRefused, TooMany
from people.states import Carrier
from people.tokens import Bearer, Token, digest, draw
from spine.expiring import Expiring
from spine.ids import CarrierId, NotAnId, partition_of
from spine.problems import Kind, Problem
from spine.rates import Rates

SPACE: Final = "carrier_token"
_MINUTE: Final = timedelta(minutes=1)
_SEEN: Final = "client_assertion"
TOKEN_PATH: Final = "/v1/oauth/token"  # noqa: S105 - a path
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class ClientRefused(Problem):
    """RFC 6749 ``invalid_client``: unknown, frozen, wrong secret or assertion, all alike."""

    code: ClassVar[str] = "oauth.invalid_client"
    kind: ClassVar[Kind] = Kind.UNAUTHENTICATED


class ScopeRefused(Problem):
    """RFC 6749 ``invalid_scope``: asked for what this client, or this way to authenticate, does not have."""

    code: ClassVar[str] = "oauth.invalid_scope"
    kind: ClassVar[Kind] = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Granted:
    """A new access token and what it allows; ``seconds``: its life."""

    token: str = field(repr=False)
    scopes: tuple[Scope, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class CarrierPrincipal:
    """A carrier's program, as an access token shows it."""

    id: CarrierId
    scopes: frozenset[Scope]
    livemode: bool
    stopped: bool
    """Its orders are stopped until an operator has looked."""


class CarrierTokens:
    """Opaque tokens, kept by hash until they expire; the carrier's epoch ends them all at once."""

    def __init__(
        self, carriers: Carriers, expiring: Expiring, rates: Rates, origin: str, limits: PeopleLimits
    ) -> None:
        self._carriers = carriers
        self._expiring = expiring
        self._rates = rates
        self._audience = origin + TOKEN_PATH
        self._limits = limits

    async def by_secret(
        self, client_id: str, secret: str, wanted: frozenset[Scope] | None, *, now: datetime
    ) -> Granted:
        """A token for id and secret. ``wanted`` None: all this way allows. Raises ``ClientRefused``."""
        state, body = await self._known(client_id)
        if not secret_fits(body, secret) or state is Carrier.FROZEN:
            raise ClientRefused("The client is not known, or not by this secret.")
        return await self._grant(CarrierId(client_id), body, WITH_SECRET & set(body.scopes), wanted, now=now)

    async def by_assertion(
        self, client_id: str | None, assertion: str, wanted: frozenset[Scope] | None, *, now: datetime
    ) -> Granted:
        """A token for a ``private_key_jwt``; each assertion is good once. Raises ``ClientRefused``."""
        try:
            carrier, body, checked = await self._checked(client_id, assertion, now)
        except ProofRefused as cause:
            raise ClientRefused("The client is not known, or not by this assertion.") from cause
        once = digest(f"{carrier}:{checked.jti}")
        if not await self._expiring.put(_SEEN, once, "seen", checked.remember, only_new=True):
            raise ClientRefused("The client is not known, or not by this assertion.")
        return await self._grant(carrier, body, frozenset(body.scopes), wanted, now=now)

    async def _checked(
        self, client_id: str | None, assertion: str, now: datetime
    ) -> tuple[CarrierId, CarrierBody, Assertion]:
        named = device_proof.client_named(assertion)
        if client_id not in {None, named}:
            raise ProofRefused("Two clients are named.")
        state, body = await self._known(named)
        if body.public_jwk is None or state is Carrier.FROZEN:
            raise ProofRefused("This client has no key, or is frozen.")
        window = Window(self._limits.assertion_life, self._limits.clock_skew)
        checked = device_proof.client(
            assertion, body.public_jwk, carrier=named, audience=self._audience, window=window, now=now
        )
        return CarrierId(named), body, checked

    async def _known(self, client_id: str) -> tuple[Carrier, CarrierBody]:
        try:
            partition_of(client_id)
        except NotAnId as cause:
            raise ClientRefused("The client is not known, or not by this secret.") from cause
        found = await self._carriers.load(CarrierId(client_id))
        if found is None:
            raise ClientRefused("The client is not known, or not by this secret.")
        return found

    async def _grant(
        self,
        carrier: CarrierId,
        body: CarrierBody,
        allowed: frozenset[Scope],
        wanted: frozenset[Scope] | None,
        *,
        now: datetime,
    ) -> Granted:
        # Counted only once it is the carrier: nobody else can use its share up.
        wait = await self._rates.take(
            "oauth", carrier, limit=self._limits.tokens_per_carrier, per=_MINUTE, now=now
        )
        if wait:
            raise TooMany("Too many tokens asked for; one lasts minutes.", retry_after=wait)
        if wanted is not None and not wanted <= allowed:
            raise ScopeRefused(
                "This client does not have all of these scopes; couriers:enrol takes private_key_jwt."
            )
        scopes = sorted(allowed if wanted is None else wanted)
        token = draw(Bearer.CARRIER, carrier)
        kept = CarrierTokenBody(carrier=carrier, scopes=scopes, epoch=body.epoch)
        await self._expiring.put(SPACE, token.hash, kept.model_dump_json(), self._limits.access_token_life)
        return Granted(token.text, tuple(scopes), int(self._limits.access_token_life.total_seconds()))

    async def find(self, token: Token) -> CarrierPrincipal | None:
        """Whose token this is, while it lives and the carrier is not frozen."""
        if token.bearer is not Bearer.CARRIER:
            return None
        kept, found = await asyncio.gather(
            self._expiring.get(SPACE, token.hash), self._carriers.load(CarrierId(token.subject))
        )
        if kept is None or found is None:
            return None
        state, body = found
        granted = CarrierTokenBody.model_validate_json(kept)
        if granted.carrier != token.subject or granted.epoch != body.epoch or state is Carrier.FROZEN:
            return None
        scopes = frozenset(granted.scopes) & frozenset(body.scopes)
        return CarrierPrincipal(CarrierId(granted.carrier), scopes, body.livemode, state is Carrier.STOPPED)

    async def may_act(self, carrier: CarrierId) -> bool:
        """Whether tokens of this carrier are good at all: not once it is frozen."""
        found = await self._carriers.load(carrier)
        return found is not None and found[0] is not Carrier.FROZEN
