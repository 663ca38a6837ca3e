"""What a subscriber does about an address in trouble, over HTTP: look how it does, ping it, try things anew."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from spine.ids import EndpointId
from webhooks.api import EndpointOut, MessageOut, SignedIn, Subscriber, endpoint_fields, message_out
from webhooks.attempts import Attempt
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine, Load, MessageUnknown
from webhooks.messages import place_of, queue_of
from webhooks.moments import from_ms
from webhooks.states import State


class PingOut(BaseModel):
    """What came of a ping, and how the address stands after it."""

    endpoint: EndpointOut
    answered: bool = Field(description="2xx within a moment; else it is tried again for a while")
    attempts: list[Attempt]


class LoadOut(BaseModel):
    """How an address does."""

    waiting: int
    in_flight: int
    behind: int = Field(description="wait for earlier news of the same delivery or vehicle")
    dead: int
    next_at: datetime | None
    held_until: datetime | None = Field(
        description="nothing is sent before: Retry-After, a pause, an open breaker"
    )
    breaker: str = Field(description="closed or open")
    failing_since: datetime | None
    last_success_at: datetime | None


class Span(BaseModel):
    """From when to when, of what died."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime
    until: AwareDatetime


class RecoveredOut(BaseModel):
    """How many dead letters are tried anew. Those past their deadline stay dead."""

    messages: int


def mending(endpoints: Endpoints, engine: Engine, signed_in: SignedIn, may_change: SignedIn) -> APIRouter:
    """More routes under ``/v1/webhook-endpoints``. ``may_change``: who may do more than look."""
    router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"])
    who: Any = Annotated[Subscriber, Depends(signed_in)]
    changing: Any = Annotated[Subscriber, Depends(may_change)]

    @router.get("/{endpoint}/health")
    async def health(endpoint: EndpointId, subscriber: who) -> LoadOut:
        """How much waits for an address, and how it does."""
        await endpoints.one(endpoint, subscriber.id)
        return _load(await engine.backlog(endpoint))

    @router.post("/{endpoint}/ping")
    async def ping(endpoint: EndpointId, subscriber: changing) -> PingOut:
        """Send a signed endpoint.ping now. 2xx enables an address that is pending or disabled."""
        found = await engine.pinged(await endpoints.ping(endpoint, subscriber.id))
        view = await endpoints.one(endpoint, subscriber.id)
        return PingOut(
            endpoint=EndpointOut(**endpoint_fields(view, subscriber)),
            answered=found.state is State.DELIVERED,
            attempts=list(found.kept.attempts) if found.kept is not None else [],
        )

    @router.post("/{endpoint}/recover")
    async def recover(endpoint: EndpointId, asked: Span, subscriber: changing) -> RecoveredOut:
        """Try anew what died at this address in a stretch of time."""
        await endpoints.one(endpoint, subscriber.id)
        return RecoveredOut(messages=await engine.recover(endpoint, asked.since, asked.until))

    @router.post("/{endpoint}/messages/{message}/resend", status_code=status.HTTP_202_ACCEPTED)
    async def resend(endpoint: EndpointId, message: str, subscriber: changing) -> MessageOut:
        """Send a message again that has ended: the same id, a new timestamp. One that is pending stays as it is."""
        await endpoints.one(endpoint, subscriber.id)
        if place_of(message) != queue_of(endpoint):
            raise MessageUnknown("there is no such message")
        await engine.resend(message)
        found = message_out(await engine.view(message), subscriber)
        if found is None:
            raise MessageUnknown("there is no such message")
        return found

    return router


def _load(load: Load) -> LoadOut:
    health = load.health
    return LoadOut(
        waiting=load.waiting,
        in_flight=load.in_flight,
        behind=load.behind,
        dead=load.dead,
        next_at=load.next_at,
        held_until=load.held_until,
        breaker=load.breaker,
        failing_since=from_ms(health.first_failure_ms) if health.first_failure_ms else None,
        last_success_at=from_ms(health.last_taken_ms) if health.last_taken_ms else None,
    )
