"""What has ended leaves nothing waiting: addresses and devices of erased persons, queues (group ``webhooks``)."""

from typing import Final, Protocol

from spine.facts import Fact
from spine.facts.people import PersonErased
from spine.facts.webhooks import EndpointDisabled, PushEnded
from spine.ids import PersonId
from webhooks.endpoints import Endpoints
from webhooks.web_push_devices import Devices

GROUP: Final = "webhooks"
KINDS: Final = frozenset({"person.erased", "endpoint.disabled", "push.ended"})
"""What the reader of this group gets."""


class _Entry(Protocol):
    @property
    def fact(self) -> Fact: ...


class Forgetting:
    """Removes the addresses and devices of who was erased, with secrets, messages and rows. Again: nothing is left.

    An address is removed in one step and its queues are erased after it: where a crash came between, it is done here.
    """

    def __init__(self, endpoints: Endpoints, devices: Devices | None = None) -> None:
        self._endpoints = endpoints
        self._devices = devices

    async def handle(self, entry: _Entry, _ack: object = None) -> None:
        """One entry of the log."""
        match entry.fact:
            case PersonErased(person=person):
                await self._endpoints.forget(PersonId(person))
                if self._devices is not None:
                    await self._devices.forget(PersonId(person))
            case EndpointDisabled(endpoint=endpoint, reason="removed"):
                await self._endpoints.erase_queues(endpoint)
            case PushEnded(device=device) if self._devices is not None:
                await self._devices.erase_queue(device)
            case _:
                return
