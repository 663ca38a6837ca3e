"""What became of the news to an address: a list of its messages, built from the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from spine.facts.webhooks import MessageErased, MessageQueued
from spine.ids import EndpointId
from spine.index import Index, Place
from spine.log import Entry
from spine.store import Store
from webhooks.messages import Message, read

KINDS: Final = frozenset({"message.queued", "message.erased"})
"""The facts that ``by_endpoint`` projects."""

LIST: Final = "messages"


def by_endpoint(entry: Entry) -> Iterator[Place]:
    """The projection behind ``History``: a message stands in its address' list until its rows are erased."""
    match entry.fact:
        case MessageQueued(endpoint=str(endpoint), message=message, at=at):
            yield Place(LIST, endpoint, message, at.timestamp())
        case MessageErased(endpoint=str(endpoint), message=message):
            yield Place(LIST, endpoint, message, None)
        case _:
            return


@dataclass(frozen=True, slots=True)
class MessagesPage:
    """A page of messages, newest first; ``next`` is the cursor of the following one."""

    messages: Sequence[Message]
    next: str | None


class History:
    """The messages of an address. Losing the list loses no message: it is built again from the log."""

    def __init__(self, store: Store, index: Index) -> None:
        self._store = store
        self._index = index

    async def page(self, endpoint: EndpointId, *, after: str | None, limit: int) -> MessagesPage:
        """The messages of an address whose rows are kept. Raises ``BadCursor``."""
        page = await self._index.page(LIST, endpoint, after=after, limit=limit)
        found = await self._store.load_many(page.members)
        messages = [read(found[each]) for each in page.members]
        return MessagesPage([each for each in messages if each.kept is not None], page.next)
