"""What became of news on its way out."""

from typing import ClassVar, Literal

from spine.facts.base import Base
from spine.ids import EndpointId


class _Endpoint(Base):
    about: ClassVar[str] = "endpoint"
    endpoint: EndpointId


class EndpointMade(_Endpoint):
    kind: Literal["endpoint.made"] = "endpoint.made"


class EndpointDisabled(_Endpoint):
    kind: Literal["endpoint.disabled"] = "endpoint.disabled"
    reason: str


class MessageDied(_Endpoint):
    """Dropped after its deadline or its last try; an attempt row says why."""

    kind: Literal["message.died"] = "message.died"
    message: str
    reason: str


WebhookFact = EndpointMade | EndpointDisabled | MessageDied
