"""Who is asking: FastAPI dependencies that turn a token or a session's cookie into a frozen principal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from people.courier_tokens import CourierPrincipal, CourierTokens
from people.let_in import LetIn
from people.model import Scope
from people.oauth import CarrierPrincipal, CarrierTokens
from people.operators import OperatorPrincipal, Operators
from people.problems import CrossSite, OrdersStopped, ScopeMissing, TooMany, Unauthenticated
from people.sessions import Sessions, SessionView, shown
from people.sign_in import Doorkeeper
from people.tokens import Bearer, Token, read
from spine.clock import Clock
from spine.ids import PersonId
from spine.store import Saved, StoreDown

__all__ = ["Access", "CarrierPrincipal", "CourierPrincipal", "OperatorPrincipal", "PersonPrincipal"]

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class PersonPrincipal:
    """A person in a session. ``session_level``: how it is known; ``session``: its name in lists."""

    id: PersonId
    session_level: str
    session: str
    passkey_at: datetime | None = None
    """When a passkey was last shown in it; how fresh that must be is asked of ``people.step_up``."""


class Access:
    """Makes dependencies: ``carrier(scope)``, ``courier()``, ``owner()``, ``operator()``.

    Raise ``Unauthenticated`` (401) alike for no, unknown, expired, revoked and somebody else's kind of token, and
    ``TooMany`` (429) where whoever was let in asks too often; then nothing was done.
    """

    def __init__(
        self,
        sessions: Sessions,
        carriers: CarrierTokens,
        couriers: CourierTokens,
        operators: Operators,
        doorkeeper: Doorkeeper,
        clock: Clock,
        origin: str,
    ) -> None:
        self._sessions = sessions
        self._carriers = carriers
        self._couriers_in = LetIn(couriers)
        self._couriers_over: set[str] = set()
        self._carriers_in = LetIn(carriers)
        self._operators_in = LetIn(operators)
        self._doorkeeper = doorkeeper
        self._clock = clock
        self._origin = origin
        self.secure = origin.startswith("https://")
        self.cookie = "__Host-tl_session" if self.secure else "tl_session"
        """Name of the session's cookie; without TLS (loopback) browsers refuse the ``__Host-`` form."""

    def device_cookie(self, person: str) -> str:
        """Name of the cookie by which a device is known to one person."""
        return f"{'__Host-' if self.secure else ''}tl_device_{person.partition('_')[2]}"

    def carrier(
        self, scope: Scope, *, even_stopped: bool = False
    ) -> Callable[..., Awaitable[CarrierPrincipal]]:
        """A carrier's program whose token has ``scope``. ``even_stopped``: also while its orders are stopped.

        Raises ``ScopeMissing``, ``OrdersStopped`` for ``deliveries:write`` of a stopped carrier, and ``TooMany``.
        """
        bearer = HTTPBearer(
            scheme_name="carrier", description="OAuth 2 client credentials.", auto_error=False
        )

        def counted(who: CarrierPrincipal) -> Awaitable[None]:
            return self._doorkeeper.carrier(who.id, now=self._clock.now())

        async def principal(
            request: Request,
            found: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        ) -> CarrierPrincipal:
            changes = request.method not in _SAFE  # to count a look would make it a durable write
            carrier = await self._carriers_in.enter(_presented(found), counted if changes else None)
            if scope not in carrier.scopes:
                raise ScopeMissing(scope)
            if carrier.stopped and scope is Scope.DELIVERIES_WRITE and not even_stopped:
                raise OrdersStopped("Too many addresses were not usable; the operator has been told.")
            return carrier

        return principal

    def courier(self) -> Callable[..., Awaitable[CourierPrincipal]]:
        """A courier's enrolled device. Raises ``TooMany`` for what changes something, or asks the car, too often."""
        bearer = HTTPBearer(
            scheme_name="courier", description="Token of /v1/courier/session.", auto_error=False
        )

        def counted(who: CourierPrincipal) -> Awaitable[None]:
            return self._doorkeeper.courier(who.id, now=self._clock.now())

        async def principal(
            request: Request,
            found: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        ) -> CourierPrincipal:
            acts = request.method not in _SAFE
            who = await self._couriers_in.enter(_presented(found), counted if acts else None)
            self._couriers_over.discard(who.id)
            return who

        return principal

    async def courier_of(self, presented: str) -> CourierPrincipal | None:
        """Whose token this is, for an act that ``courier_did`` counts afterwards.

        None for one that is not good, for none at all, and for a courier whose last act was one too many: those go the
        way of ``courier()``, which refuses them.
        """
        token = read(presented)
        if token is None or token.subject in self._couriers_over:
            return None
        return await self._couriers_in.find(token)

    async def courier_did(self, who: CourierPrincipal) -> None:
        """Count an act that a person waited for, once it is answered: counting is a durable write."""
        try:
            await self._doorkeeper.courier(who.id, now=self._clock.now())
        except TooMany:
            self._couriers_over.add(who.id)
        except StoreDown:  # it was answered; one act is not counted
            pass

    def operator(self) -> Callable[..., Awaitable[OperatorPrincipal]]:
        """Somebody who runs the installation. Raises ``TooMany``."""
        bearer = HTTPBearer(
            scheme_name="operator", description="Token of `trunkline init`.", auto_error=False
        )

        async def principal(
            found: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
        ) -> OperatorPrincipal:
            return await self._operators_in.enter(_presented(found), self.operator_asks)

        return principal

    async def operator_asks(self, who: OperatorPrincipal) -> None:
        """One more request of an operator, with the token or on a page. Raises ``TooMany``."""
        await self._doorkeeper.operator(who.id, now=self._clock.now())

    def owner(self) -> Callable[..., Awaitable[PersonPrincipal]]:
        """A person in a session: bearer token, or cookie (then unsafe methods only from our own pages).

        Raises ``CrossSite`` (403), and ``TooMany`` (429) for what changes something too often.
        What the person may do on which car is asked of ``people.cars``.
        """
        bearer = HTTPBearer(scheme_name="session", description="Token of /v1/session.", auto_error=False)
        cookie = APIKeyCookie(name=self.cookie, scheme_name="session_cookie", auto_error=False)

        async def principal(
            request: Request,
            found: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
            kept: Annotated[str | None, Security(cookie)],
        ) -> PersonPrincipal:
            if found is None and kept is not None:
                self.refuse_cross_site(request)
                token = read(kept)
            else:
                token = _presented(found)
            session = None if token is None else await self._sessions.find(token, now=self._clock.now())
            if session is None:
                raise Unauthenticated("This session is over.", presented=True)
            if request.method not in _SAFE:
                await self._doorkeeper.acts(session.id, now=self._clock.now())
            return _principal(session)

        return principal

    def kept_by(self, request: Request) -> Token | None:
        """What the session's cookie of a page's request says; nothing is known of it yet (``whose``)."""
        token = read(request.cookies.get(self.cookie, ""))
        return token if token is not None and token.bearer is Bearer.SESSION else None

    def whose(self, token: Token, saved: Saved) -> PersonPrincipal | None:
        """Whose session this is; ``saved``: ``people.sessions.subject_of`` whom it names, as just read.

        None for one that is unknown, expired or revoked.
        """
        session = shown(saved, token, self._clock.now())
        return None if session is None else _principal(session)

    async def in_browser(self, request: Request) -> PersonId | None:
        """Whose living session's cookie this is; None where there is none. The route asks ``refuse_cross_site`` first."""
        token = read(request.cookies.get(self.cookie, ""))
        found = None if token is None else await self._sessions.find(token, now=self._clock.now())
        return None if found is None else found.person

    async def check_still(self, who: PersonPrincipal | CarrierPrincipal) -> None:
        """For what goes on after its request was let in: raises ``Unauthenticated`` once the right has ended."""
        if isinstance(who, PersonPrincipal):
            living = await self._sessions.all_of(who.id, now=self._clock.now())
            alive = any(session.id == who.session for session in living)
        else:
            alive = await self._carriers.may_act(who.id)
        if not alive:
            raise Unauthenticated("This token is not good (any more).", presented=True)

    def refuse_cross_site(self, request: Request) -> None:
        """What may change something comes from our own pages. Raises ``CrossSite``."""
        if not from_our_pages(request, self._origin):
            raise CrossSite("Requests with the session's cookie come from our own pages.")


def from_our_pages(request: Request, origin: str) -> bool:
    """Whether a request changes nothing, or our own page sent it: ``Sec-Fetch-Site`` says so, else ``Origin``."""
    if request.method in _SAFE:
        return True
    site = request.headers.get("sec-fetch-site")
    return request.headers.get("origin") == origin if site is None else site == "same-origin"


def _principal(session: SessionView) -> PersonPrincipal:
    return PersonPrincipal(session.person, session.level, session.id, session.passkey_at)


def _presented(found: HTTPAuthorizationCredentials | None) -> Token:
    if found is None:
        raise Unauthenticated
    token = read(found.credentials)
    if token is None:
        raise Unauthenticated("This token is not good (any more).", presented=True)
    return token
