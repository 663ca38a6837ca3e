"""Operators of the installation: an API token made on the host, kept by hash."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from people.model import OperatorBody, body_of
from people.problems import NotFound, Unauthenticated
from people.tokens import Bearer, Token, draw, same
from spine.facts.people import OperatorActed, OperatorMade, OperatorRemoved
from spine.ids import prefix_of
from spine.store import Change, Saved, Store, Write

ACTIVE: Final = "active"
REMOVED: Final = "removed"


@dataclass(frozen=True, slots=True)
class OperatorPrincipal:
    """Somebody who runs this installation; never opens a car."""

    id: str


class Operators:
    """Subjects ``opr_``."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def make(self, name: str, *, now: datetime) -> Token:
        """A new operator; the token is shown this once."""
        operator = await self._store.draw("opr")
        token = draw(Bearer.OPERATOR, operator)
        body = OperatorBody(name=name, hash=token.hash, made_at=now)

        def decide(_: Mapping[str, Saved]) -> Change:
            made = OperatorMade(at=now, operator=operator)
            return Change({operator: Write(ACTIVE, body.model_dump_json())}, [made])

        await self._store.change([operator], decide)
        return token

    async def remove(self, operator: str, *, now: datetime) -> None:
        """The operator's token ends and the name is erased. Again: nothing."""

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if prefix_of(operator) != "opr" or not saved[operator].version:
                raise NotFound("There is no such operator.")
            if saved[operator].ended:
                return None
            removed = OperatorRemoved(at=now, operator=operator)
            return Change({operator: Write(REMOVED, "{}", ended=True)}, [removed])

        await self._store.change([operator], decide)

    async def acted(self, who: OperatorPrincipal, act: str, on: str, *, now: datetime) -> None:
        """Write down what is about to be done, and on what. Raises ``Unauthenticated`` for one who was removed."""

        def decide(saved: Mapping[str, Saved]) -> Change:
            before = saved[who.id]
            if before.ended or before.state != ACTIVE:
                raise Unauthenticated("This operator works here no more.", presented=True)
            fact = OperatorActed(at=now, operator=who.id, act=act, on=on)
            return Change({who.id: Write(ACTIVE, before.body)}, [fact])

        await self._store.change([who.id], decide)

    async def find(self, token: Token) -> OperatorPrincipal | None:
        """Whose token this is."""
        if token.bearer is not Bearer.OPERATOR:
            return None
        saved = await self._store.load(token.subject)
        if saved.ended or saved.state != ACTIVE or not same(body_of(saved, OperatorBody).hash, token.hash):
            return None
        return OperatorPrincipal(saved.id)

    async def still(self, operator: str, hashed: str) -> OperatorPrincipal | None:
        """The operator, where the token with this hash is still the one that is good."""
        saved = await self._store.load(operator)
        if saved.ended or saved.state != ACTIVE or not same(body_of(saved, OperatorBody).hash, hashed):
            return None
        return OperatorPrincipal(saved.id)
