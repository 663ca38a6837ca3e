"""Sessions of operators in a browser: begun with the API token, short, ended with the token."""

from typing import Final

from fastapi import HTTPException, Request, Response

from people.access import Access, OperatorPrincipal
from people.limits import PeopleLimits
from people.operators import Operators
from people.problems import Unauthenticated
from people.sign_in import Doorkeeper
from people.tokens import digest, draw_secret, is_secret, read
from spine.clock import Clock
from spine.expiring import Expiring

PAGE: Final = "/operator/sign-in"
_SPACE: Final = "operator_session"


class OperatorSessions:
    """A cookie stands for an operator's token without holding it; where that token ends, so does the session.

    The cookie is of this host alone, no script reads it, and no other site's page can send it along.
    """

    def __init__(
        self,
        operators: Operators,
        access: Access,
        doorkeeper: Doorkeeper,
        expiring: Expiring,
        clock: Clock,
        limits: PeopleLimits,
    ) -> None:
        self._operators = operators
        self._access = access
        self._doorkeeper = doorkeeper
        self._expiring = expiring
        self._clock = clock
        self._limits = limits
        self.cookie = "__Host-tl_operator" if access.secure else "tl_operator"

    async def begin(self, text: str, request: Request, response: Response, *, client: str) -> None:
        """Sign in with an operator's token: a new session, and the one that was there ends.

        Raises ``CrossSite``, ``TooMany``, ``Unauthenticated``: alike for every token that is not good.
        """
        self._access.refuse_cross_site(request)
        await self._doorkeeper.redeems(client, now=self._clock.now())
        token = read(text)
        found = await self._operators.find(token) if token is not None else None
        if token is None or found is None:
            raise Unauthenticated("This token is not good (any more).", presented=True)
        await self._forget(request)
        secret, life = draw_secret(), self._limits.operator_session_life
        await self._expiring.put(_SPACE, digest(secret), f"{found.id} {token.hash}", life)
        response.set_cookie(
            self.cookie, secret, path="/", httponly=True, samesite="strict", secure=self._access.secure,
            max_age=int(life.total_seconds()),
        )  # fmt: skip

    async def end(self, request: Request, response: Response) -> None:
        """Sign out. Raises ``CrossSite``."""
        self._access.refuse_cross_site(request)
        await self._forget(request)
        response.delete_cookie(
            self.cookie, path="/", httponly=True, samesite="strict", secure=self._access.secure
        )

    async def find(self, request: Request) -> OperatorPrincipal | None:
        """Whose session the request's cookie is; None where it is over, or the token has ended meanwhile."""
        secret = request.cookies.get(self.cookie, "")
        kept = await self._expiring.get(_SPACE, digest(secret)) if is_secret(secret) else None
        if kept is None:
            return None
        operator, _, hashed = kept.partition(" ")
        return await self._operators.still(operator, hashed)

    async def on_page(self, request: Request) -> OperatorPrincipal:
        """A dependency of pages: sends everybody else to sign in.

        Raises ``CrossSite`` for what may change something, ``TooMany``.
        """
        self._access.refuse_cross_site(request)
        found = await self.find(request)
        if found is None:
            raise HTTPException(303, headers={"Location": PAGE})
        await self._access.operator_asks(found)
        return found

    async def _forget(self, request: Request) -> None:
        secret = request.cookies.get(self.cookie, "")
        if is_secret(secret):
            await self._expiring.drop(_SPACE, digest(secret))
