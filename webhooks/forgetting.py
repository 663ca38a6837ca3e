"""What has ended leaves nothing waiting: addresses of erased persons, queues of removed addresses (group ``webhooks``)."""

from typing import Final, Protocol

from spine.facts import Fact
from spine.facts.people import PersonErased
from spine.facts.webhooks import EndpointDisabled
from spine.ids import PersonId
from webhooks.endpoints import Endpoints

GROUP: Final = "webhooks"
KINDS: Final = frozenset({"person.erased", "endpoint.disabled"})
"""What the reader of this group gets."""


class _Entry(Protocol):
    @property
    def fact(self) -> Fact: ...


class Forgetting:
    """Removes the addresses of who was erased, with their secrets, messages and rows. Again: nothing is left.

    An address is removed in one step and its queues are erased after it: where a crash came between, it is done here.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    async def handle(self, entry: _Entry, _ack: object = None) -> None:
        """One entry of the log."""
        match entry.fact:
            case PersonErased(person=person):
                await self._endpoints.forget(PersonId(person))
            case EndpointDisabled(endpoint=endpoint, reason="removed"):
                await self._endpoints.erase_queues(endpoint)
            case _:
                return
