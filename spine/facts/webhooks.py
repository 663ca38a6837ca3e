"""What became of news on its way out, and of linked systems that may answer for a person."""

from typing import ClassVar, Literal

from spine.facts.base import Base
from spine.ids import EndpointId, PersonId


class _Endpoint(Base):
    about: ClassVar[str] = "endpoint"
    endpoint: EndpointId


class EndpointMade(_Endpoint):
    kind: Literal["endpoint.made"] = "endpoint.made"


class EndpointDisabled(_Endpoint):
    kind: Literal["endpoint.disabled"] = "endpoint.disabled"
    reason: str


class _Message(Base):
    """About one message to one address: a webhook to ``endpoint`` or a mail to ``person``, never both."""

    about: ClassVar[str] = "message"
    message: str
    endpoint: EndpointId | None = None
    person: PersonId | None = None
    type: str = ""


class MessageQueued(_Message):
    kind: Literal["message.queued"] = "message.queued"


class MessageDelivered(_Message):
    """The far end took it: 2xx, or the mail server's word."""

    kind: Literal["message.delivered"] = "message.delivered"


class MessageDied(_Message):
    """Dropped after its deadline or its last try; an attempt row says why."""

    kind: Literal["message.died"] = "message.died"
    reason: str


class MessageErased(_Message):
    """It ended a while ago: its rows are erased, a tombstone stays."""

    kind: Literal["message.erased"] = "message.erased"


class _Source(Base):
    about: ClassVar[str] = "source"
    source: str


class SourceLinked(_Source):
    """From now on this system may answer for this person, at level ``session`` at most."""

    kind: Literal["source.linked"] = "source.linked"
    person: PersonId


class SourceUnlinked(_Source):
    kind: Literal["source.unlinked"] = "source.unlinked"
    person: PersonId


class SourceOpened(_Source):
    """An operator let a contact center report by signed callbacks; it answers for nobody."""

    kind: Literal["source.opened"] = "source.opened"


class SourceClosed(_Source):
    """The contact center's callbacks are refused from now on."""

    kind: Literal["source.closed"] = "source.closed"


class SourceContradicted(_Source):
    """Two bodies, both truly signed, came under one message id: an alarm, the second was refused."""

    kind: Literal["source.contradicted"] = "source.contradicted"
    person: PersonId | None = None
    message: str
    first_hash: str
    second_hash: str


WebhookFact = (
    EndpointMade
    | EndpointDisabled
    | MessageQueued
    | MessageDelivered
    | MessageDied
    | MessageErased
    | SourceLinked
    | SourceUnlinked
    | SourceOpened
    | SourceClosed
    | SourceContradicted
)
