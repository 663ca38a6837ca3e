"""The operator's list of every address, built from the log."""

from collections.abc import Iterator
from typing import Final

from spine.facts.webhooks import EndpointDisabled, EndpointMade
from spine.index import Place
from spine.log import Entry

ADDRESSES: Final = "webhook_addresses"
EVERY: Final = "all"
"""Whose list it is: the installation's."""


def places(entry: Entry) -> Iterator[Place]:
    """What one fact does to the list (a ``spine.index.Projection``)."""
    match entry.fact:
        case EndpointMade(endpoint=endpoint, at=at):
            yield Place(ADDRESSES, EVERY, endpoint, at.timestamp())
        case EndpointDisabled(endpoint=endpoint, reason="removed"):
            yield Place(ADDRESSES, EVERY, endpoint, None)
        case _:
            return
