"""Whose tokens were good a moment ago: what they ask for is counted while they are read again."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Generic, Protocol, TypeVar

from people.problems import Unauthenticated
from people.tokens import Token

_REMEMBERED: Final = 10_000


class Principal(Protocol):
    """Who was let in."""

    @property
    def id(self) -> str: ...


P = TypeVar("P", bound=Principal)
_Found_co = TypeVar("_Found_co", bound=Principal, covariant=True)


class Finder(Protocol[_Found_co]):
    """Knows the tokens of one kind."""

    async def find(self, token: Token) -> _Found_co | None: ...


class LetIn(Generic[P]):
    """The way in for the tokens of one kind: each is found anew, every time, and each request is counted.

    A courier in front of a car waits for every question to the store, and counting is a durable one. So where a
    token was good lately in this process, it is counted for whom it was good then, beside being found. Who was
    never let in is counted for nobody: a stranger uses nobody's share up.
    """

    def __init__(self, tokens: Finder[P]) -> None:
        self._tokens = tokens
        self._lately: OrderedDict[str, P] = OrderedDict()

    async def find(self, token: Token) -> P | None:
        """Whose token this is, uncounted; None where it is not good (any more)."""
        return await self._tokens.find(token)

    async def enter(self, token: Token, count: Callable[[P], Awaitable[None]] | None) -> P:
        """Whose token this is. ``count``: raises where it is one request too many; None: this one is not counted.

        Raises ``Unauthenticated``, whatever the count says.
        """
        known, counting = self._lately.get(token.hash), None
        if count is not None and known is not None:
            counting = asyncio.ensure_future(count(known))
            counting.add_done_callback(_heard)
        found = await self._tokens.find(token)
        if found is None:
            self._lately.pop(token.hash, None)
            raise Unauthenticated("This token is not good (any more).", presented=True)
        if counting is not None:
            await counting
        elif count is not None:
            await count(found)
        self._lately[token.hash] = found
        if len(self._lately) > _REMEMBERED:
            self._lately.popitem(last=False)
        return found


def _heard(done: asyncio.Future[None]) -> None:
    """Nobody waits for it where the token is no longer good."""
    if not done.cancelled():
        done.exception()
