"""A subscriber's own addresses over HTTP: add, look, change, exchange the secret, remove, see what became of news."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, status
from pydantic import BaseModel, ConfigDict, Field

from spine.ids import EndpointId
from webhooks.addresses import Changed, FiltersRefused, Order
from webhooks.attempts import Attempt
from webhooks.endpoints import Endpoint, Endpoints, EndpointState, Wishes
from webhooks.engine import Engine
from webhooks.envelope import wire_id
from webhooks.keyring import PublishedKey, Version
from webhooks.messages import Message
from webhooks.signers import Checker, Secret
from webhooks.states import State

_PAGE_MOST: Final = 100


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who asks, as the sign-in of the caller's domain says: a carrier or a person. Nobody sees another's.

    ``vehicles``: news to it says of which vehicle it is, so it may filter by that. Whoever is never told of a vehicle
    must not learn from a filter that two deliveries went to the same one.
    """

    id: str
    livemode: bool = True
    vehicles: bool = False


SignedIn = Callable[..., Awaitable[Subscriber]]
"""A FastAPI dependency that names the subscriber or raises its own problem."""

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", min_length=1, max_length=255, description="The same answer for 24 hours."
    ),
]


VehicleName = Annotated[str, Field(pattern="^veh_[0-9a-hjkmnp-tv-z]{16}$", examples=["veh_7k3m9qxd4hwe2a5t"])]
_VEHICLES: Final = (
    "only news of these vehicles, and of nothing else; empty: of all. One you hear nothing of never matches. "
    "Refused for a carrier: no news to it says of which vehicle it is"
)


class NewEndpoint(BaseModel):
    """Where news shall go."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://shop.example/hooks", "types": ["delivery.*"]}]},
    )

    url: str = Field(
        min_length=1, max_length=2_048, description="https, port 443 or 8443, on the open internet"
    )
    types: list[str] = Field(
        default=[], max_length=50, description="such as delivery.opened, delivery.*; empty: all"
    )
    vehicles: list[VehicleName] = Field(default=[], max_length=500, description=_VEHICLES)
    order: Order = Field(
        default="none",
        description="delivery or vehicle: of each, news comes in order, and one that fails holds up those after it. "
        "By vehicle: refused for a carrier, as `vehicles` is",
    )
    rate: float = Field(default=0, ge=0, le=10_000, description="tries a second at most; 0: no limit")
    signatures: list[Version] = Field(
        default=["v1"],
        min_length=1,
        max_length=2,
        description="`v1`: HMAC-SHA256 with a secret we share; `v1a`: Ed25519, you get the public key",
    )


class ChangedEndpoint(BaseModel):
    """What shall be otherwise from the next news on. What is left out, or null, stays as it is."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"types": ["delivery.opened"], "rate": 5}]}
    )

    types: list[str] | None = Field(default=None, max_length=50, description="as when it was added")
    vehicles: list[VehicleName] | None = Field(default=None, max_length=500, description=_VEHICLES)
    order: Order | None = Field(default=None, description="what waits already keeps the order it came under")
    rate: float | None = Field(
        default=None, ge=0, le=10_000, description="tries a second at most; 0: no limit"
    )


class NewSecret(BaseModel):
    """How long the former secrets stay good."""

    model_config = ConfigDict(extra="forbid")

    overlap_seconds: int = Field(
        default=86_400, ge=0, le=7 * 86_400, description="the former secrets sign for so long; 0: end at once"
    )
    signatures: list[Version] | None = Field(
        default=None, min_length=1, max_length=2, description="from now on; left out: as before"
    )


class PublicKeyOut(BaseModel):
    """An Ed25519 key that verifies `v1a`. It is published too, see `/.well-known/webhook-jwks.json`."""

    kid: str = Field(description="its thumbprint, RFC 7638")
    key: str = Field(description="`whpk_` and base64")
    until: datetime | None = Field(description="when it ends, where it was replaced")


class EndpointOut(BaseModel):
    """An address of the subscriber."""

    id: EndpointId
    url: str
    types: list[str]
    vehicles: list[str]
    order: Order
    rate: float
    state: EndpointState = Field(description="pending until it has answered a signed endpoint.ping with 2xx")
    reason: str | None = Field(description="why it is disabled")
    made_at: datetime
    enabled_at: datetime | None
    signatures: list[Version]
    public_keys: list[PublicKeyOut] = Field(description="of `v1a`, the current one first")
    livemode: bool


class EndpointMadeOut(EndpointOut):
    """A new address. Its secret is shown here and never again."""

    secret: str | None = Field(description="`whsec_` and base64; null where it is signed with `v1a` alone")


class EndpointsOut(BaseModel):
    """Every address of the subscriber."""

    data: list[EndpointOut]


class SecretOut(BaseModel):
    """The new secret, shown here and never again; public keys can be looked up."""

    secret: str | None = Field(description="null where it is signed with `v1a` alone")
    public_keys: list[PublicKeyOut]


class MessageOut(BaseModel):
    """A message to this address and its attempts, newest last."""

    id: str = Field(description="the webhook-id, the same at every attempt")
    message: str = Field(description="its name here, by which it is sent again")
    type: str
    state: State
    queued_at: datetime
    expires_at: datetime
    next_at: datetime | None
    attempts: list[Attempt]
    livemode: bool


class MessagesOut(BaseModel):
    """A page of messages, newest first. ``next`` is the cursor of the following page."""

    data: list[MessageOut]
    next: str | None


def routes(
    endpoints: Endpoints, engine: Engine, signed_in: SignedIn, may_change: SignedIn | None = None
) -> APIRouter:
    """The routes under ``/v1/webhook-endpoints``. ``signed_in`` comes from the composition root.

    ``may_change``: who may add, remove and exchange secrets, where that takes more than looking.
    """
    router = APIRouter(prefix="/v1/webhook-endpoints", tags=["webhooks"])
    who: Any = Annotated[Subscriber, Depends(signed_in)]
    changing: Any = Annotated[Subscriber, Depends(may_change or signed_in)]

    @router.post("", status_code=status.HTTP_201_CREATED)
    async def add(asked: NewEndpoint, subscriber: changing, key: IdempotencyKey = None) -> EndpointMadeOut:
        """Add an address. Its secret is in this answer only. It is enabled once it answers the ping sent to it."""
        _may_name(subscriber, asked.vehicles, asked.order)
        wishes = Wishes(asked.types, asked.vehicles, asked.order, asked.rate)
        made, shown = await endpoints.add(
            subscriber.id, asked.url, key=key, wishes=wishes, signatures=asked.signatures
        )
        return EndpointMadeOut(**endpoint_fields(made, subscriber), secret=_secret(shown))

    @router.get("")
    async def listed(subscriber: who) -> EndpointsOut:
        """Every address of yours."""
        found = await endpoints.of(subscriber.id)
        return EndpointsOut(data=[EndpointOut(**endpoint_fields(each, subscriber)) for each in found])

    @router.get("/{endpoint}")
    async def one(endpoint: EndpointId, subscriber: who) -> EndpointOut:
        """One address of yours."""
        return EndpointOut(**endpoint_fields(await endpoints.one(endpoint, subscriber.id), subscriber))

    @router.patch("/{endpoint}")
    async def change(endpoint: EndpointId, asked: ChangedEndpoint, subscriber: changing) -> EndpointOut:
        """Change what an address hears, in what order and how fast. What waits for it already is sent all the same."""
        _may_name(subscriber, asked.vehicles, asked.order)
        changed = Changed(asked.types, asked.vehicles, asked.order, asked.rate)
        found = await endpoints.change(endpoint, subscriber.id, changed)
        return EndpointOut(**endpoint_fields(found, subscriber))

    @router.delete("/{endpoint}", status_code=status.HTTP_204_NO_CONTENT)
    async def remove(endpoint: EndpointId, subscriber: changing) -> None:
        """Remove an address; what waits for it is dropped."""
        await endpoints.remove(endpoint, subscriber.id)

    @router.post("/{endpoint}/rotate")
    async def rotate(
        endpoint: EndpointId, asked: NewSecret, subscriber: changing, key: IdempotencyKey = None
    ) -> SecretOut:
        """Exchange the secrets. Until the overlap has ended, each message has a signature under each of them."""
        overlap = timedelta(seconds=asked.overlap_seconds)
        shown = await endpoints.rotate(
            endpoint, subscriber.id, overlap=overlap, key=key, signatures=asked.signatures
        )
        after = await endpoints.one(endpoint, subscriber.id)
        return SecretOut(secret=_secret(shown), public_keys=_keys(after.public_keys))

    @router.get("/{endpoint}/attempts")
    async def attempts(
        endpoint: EndpointId,
        subscriber: who,
        after: Annotated[
            str | None, Query(max_length=200, description="the cursor of the page before")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE_MOST)] = 20,
    ) -> MessagesOut:
        """What became of the news to this address."""
        await endpoints.one(endpoint, subscriber.id)
        page = await engine.history.page(endpoint, after=after, limit=limit)
        found = [message_out(each, subscriber) for each in page.messages]
        return MessagesOut(data=[each for each in found if each is not None], next=page.next)

    return router


def _may_name(subscriber: Subscriber, vehicles: Sequence[str] | None, order: Order | None) -> None:
    """Refused whatever the ids are: an answer that depended on them would tell which there are.

    An order by vehicle tells as much: news of one delivery that waits for another's is news of the same vehicle.
    """
    if (vehicles or order == "vehicle") and not subscriber.vehicles:
        raise FiltersRefused("no news to you says of which vehicle it is")


def _secret(shown: Checker) -> str | None:
    return shown.reveal() if isinstance(shown, Secret) else None


def _keys(found: Sequence[PublishedKey]) -> list[PublicKeyOut]:
    return [PublicKeyOut(kid=each.key.jwk["kid"], key=each.key.reveal(), until=each.until) for each in found]


def endpoint_fields(endpoint: Endpoint, subscriber: Subscriber) -> dict[str, Any]:
    """An address as ``EndpointOut`` has it."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "types": list(endpoint.types),
        "vehicles": list(endpoint.vehicles),
        "state": endpoint.state,
        "reason": endpoint.reason,
        "order": endpoint.order,
        "rate": endpoint.rate,
        "made_at": endpoint.made_at,
        "enabled_at": endpoint.enabled_at,
        "signatures": list(endpoint.signatures),
        "public_keys": _keys(endpoint.public_keys),
        "livemode": subscriber.livemode,
    }


def message_out(message: Message, subscriber: Subscriber) -> MessageOut | None:
    """A message as its subscriber sees it; None where it is gone."""
    kept = message.kept
    if kept is None:
        return None
    return MessageOut(
        id=wire_id(message.id),
        message=message.id,
        type=kept.type,
        state=message.state,
        queued_at=kept.queued_at,
        expires_at=kept.expires_at,
        next_at=message.next_at,
        attempts=list(kept.attempts),
        livemode=subscriber.livemode,
    )
