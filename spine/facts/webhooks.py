"""What became of news on its way out, and of linked systems that may answer for a person."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from spine.facts.base import Base
from spine.ids import EndpointId, PersonId, PushId


class _Endpoint(Base):
    about: ClassVar[str] = "endpoint"
    endpoint: EndpointId


class EndpointMade(_Endpoint):
    """It is pending: nothing is sent to it but a ping."""

    kind: Literal["endpoint.made"] = "endpoint.made"


class EndpointEnabled(_Endpoint):
    """It answered a signed ping with 2xx."""

    kind: Literal["endpoint.enabled"] = "endpoint.enabled"
    subscriber: str = ""


class EndpointDisabled(_Endpoint):
    """``reason``: ``gone`` (410), ``unwanted`` (it said so), ``failing``, ``unanswered`` (its ping), ``removed``."""

    kind: Literal["endpoint.disabled"] = "endpoint.disabled"
    reason: str
    subscriber: str = ""


class EndpointFailing(_Endpoint):
    """A warning. ``reason``: ``message`` (one failed often) or ``no_success`` (for days)."""

    kind: Literal["endpoint.failing"] = "endpoint.failing"
    subscriber: str = ""
    reason: str
    disables_at: AwareDatetime | None = None


class EndpointRecovered(_Endpoint):
    """It takes news again after a warning."""

    kind: Literal["endpoint.recovered"] = "endpoint.recovered"
    subscriber: str = ""


class BreakerOpened(_Endpoint):
    """It failed too often in a row, or too large a share: it is left alone for a while."""

    kind: Literal["endpoint.breaker_opened"] = "endpoint.breaker_opened"
    subscriber: str = ""


class BreakerClosed(_Endpoint):
    """The one try that was let through was taken."""

    kind: Literal["endpoint.breaker_closed"] = "endpoint.breaker_closed"
    subscriber: str = ""


class _Message(Base):
    """About one message to one address: a webhook to ``endpoint`` or a mail to ``person``, never both."""

    about: ClassVar[str] = "message"
    message: str
    endpoint: EndpointId | None = None
    person: PersonId | None = None
    type: str = ""

    @property
    def subject(self) -> str:
        """Its address: the fact lies in that one's partition."""
        return str(self.endpoint or self.person or self.message)


class MessageQueued(_Message):
    """No longer told (decision 17); logs of before hold it."""

    kind: Literal["message.queued"] = "message.queued"


class MessageDelivered(_Message):
    """No longer told (decision 17); logs of before hold it."""

    kind: Literal["message.delivered"] = "message.delivered"


class MessageDied(_Message):
    """Dropped after its deadline or its last try; an attempt row says why."""

    kind: Literal["message.died"] = "message.died"
    reason: str
    subscriber: str = ""


class MessageErased(_Message):
    """No longer told (decision 17); logs of before hold it."""

    kind: Literal["message.erased"] = "message.erased"


class _Push(Base):
    about: ClassVar[str] = "device"
    device: PushId
    person: PersonId


class PushStarted(_Push):
    """A browser hears this person's notifications from now on; the person is told by mail."""

    kind: Literal["push.started"] = "push.started"


class PushEnded(_Push):
    """``reason``: ``removed``, ``gone`` (404 or 410 of the push service), ``session_over``, ``erased``."""

    kind: Literal["push.ended"] = "push.ended"
    reason: str


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
    | EndpointEnabled
    | EndpointFailing
    | EndpointRecovered
    | BreakerOpened
    | BreakerClosed
    | EndpointDisabled
    | MessageQueued
    | MessageDelivered
    | MessageDied
    | MessageErased
    | PushStarted
    | PushEnded
    | SourceLinked
    | SourceUnlinked
    | SourceOpened
    | SourceClosed
    | SourceContradicted
)
