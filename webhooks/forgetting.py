"""Whoever is erased hears nothing any more: a person's addresses go with the person (group ``webhooks``)."""

from typing import Final, Protocol

from spine.facts import Fact
from spine.facts.people import PersonErased
from spine.ids import PersonId
from webhooks.endpoints import Endpoints

GROUP: Final = "webhooks"
KINDS: Final = frozenset({"person.erased"})
"""What the reader of this group gets."""


class _Entry(Protocol):
    @property
    def fact(self) -> Fact: ...


class Forgetting:
    """Removes the addresses of who was erased, with their secrets, messages and rows. Again: nothing is left."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def handle(self, entry: _Entry, _ack: object = None) -> None:
        """One entry of the log."""
        if isinstance(entry.fact, PersonErased):
            await self._endpoints.forget(PersonId(entry.fact.person))
