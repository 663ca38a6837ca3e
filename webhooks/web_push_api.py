"""A person's own notified browsers over HTTP: turn one on, look, end one; and the key that browsers subscribe with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Depends, Header, Path, Response, status
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from spine.clock import Clock
from spine.ids import PersonId, PushId
from spine.problems import Kind, Problem
from webhooks.engine import Engine
from webhooks.messages import Outgoing, message_id
from webhooks.web_push import ENDPOINT_MOST, read_subscription
from webhooks.web_push_choice import Choice
from webhooks.web_push_devices import Device, Devices
from webhooks.web_push_letters import LIFE, STARTED

_BODY = "[0-9a-hjkmnp-tv-z]{16}"
DevicePath = Annotated[PushId, Path(pattern=f"^psh_{_BODY}$", examples=["psh_5w8n2k7c4q9t1d6m"])]
IfMatch = Annotated[str, Header(max_length=40, description="The ETag of the choice you read.")]


@dataclass(frozen=True, slots=True)
class Owner:
    """Who asks, as the sign-in says. ``session``: its name; a browser is notified for as long as it lives."""

    id: PersonId
    session: str


SignedIn = Callable[..., Awaitable[Owner]]
"""A FastAPI dependency that names the person or raises its own problem."""
PublicKey = Callable[[], str | None]


class NotificationsOff(Problem):
    """This installation has no key for push services (yet)."""

    code: ClassVar[str] = "push.off"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KeysIn(_In):
    """As the browser gives them, base64url."""

    p256dh: str = Field(max_length=128, description="a point on P-256, 65 bytes", repr=False)
    auth: str = Field(max_length=64, description="16 bytes", repr=False)


class SubscriptionIn(_In):
    """A browser's `PushSubscription.toJSON()`, and a name for the list."""

    endpoint: str = Field(
        min_length=1, max_length=ENDPOINT_MOST, description="https, on the open internet", repr=False
    )
    keys: KeysIn
    expirationTime: float | None = Field(default=None, description="not used: an end shows when we send")  # noqa: N815 - the browser's
    name: str = Field(
        default="", max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["Chrome on Android"]
    )


class DeviceOut(BaseModel):
    """``fingerprint``: SHA-256 of its endpoint, hex; a browser finds itself by it. ``here``: made in this session."""

    model_config = ConfigDict(frozen=True)

    id: PushId
    name: str
    made_at: AwareDatetime
    fingerprint: str
    here: bool


class DevicesOut(BaseModel):
    """Every browser that is notified, oldest first."""

    data: list[DeviceOut]


class PushKeyOut(BaseModel):
    """``key``: for `pushManager.subscribe({applicationServerKey})`, base64url of a point on P-256."""

    key: str


def routes(
    devices: Devices, engine: Engine, clock: Clock, signed_in: SignedIn, public_key: PublicKey
) -> APIRouter:
    """To be mounted under ``/v1``. ``signed_in`` and ``public_key`` come from the composition root."""
    router = APIRouter(tags=["notifications"])
    who: Any = Annotated[Owner, Depends(signed_in)]

    @router.get("/push-key", summary="The key to subscribe with")
    async def key(response: Response) -> PushKeyOut:
        """The same for everybody, and the same for as long as this installation lives."""
        found = public_key()
        if found is None:
            raise NotificationsOff("notifications are not set up here")
        response.headers["Cache-Control"] = "public, max-age=300"
        return PushKeyOut(key=found)

    @router.get("/owner/push-subscriptions", summary="Browsers that notify me")
    async def listed(me: who) -> DevicesOut:
        """A browser ends with the session it was turned on in."""
        return DevicesOut(data=[_out(one, me) for one in await devices.of(me.id)])

    @router.post(
        "/owner/push-subscriptions", status_code=status.HTTP_201_CREATED, summary="Notify this browser"
    )
    async def add(me: who, asked: SubscriptionIn) -> DeviceOut:
        """You are told by mail, whoever did it. The same browser again: nothing new. A notification says that it works."""
        subscription = read_subscription(asked.endpoint, asked.keys.p256dh, asked.keys.auth)
        made, new = await devices.add(me.id, subscription, name=asked.name.strip(), session=me.session)
        if new:
            now = clock.now()
            await engine.queue(
                Outgoing(
                    id=message_id(made.id, "started", made.id),
                    type=STARTED,
                    at=now,
                    expires_at=now + LIFE,
                    person=me.id,
                    device=made.id,
                    interactive=True,
                )
            )
        return _out(made, me)

    @router.delete(
        "/owner/push-subscriptions/{device}", status_code=status.HTTP_204_NO_CONTENT, summary="No more there"
    )
    async def remove(me: who, device: DevicePath) -> None:
        """Its keys are erased and what waits for it is dropped."""
        await devices.remove(me.id, device)

    @router.get("/owner/notifications", summary="What my browsers show beside deliveries")
    async def choice(me: who, response: Response) -> Choice:
        """Everything, until you choose otherwise."""
        found = await devices.choice(me.id)
        response.headers["ETag"] = found.etag
        return found

    @router.put("/owner/notifications", summary="Choose it")
    async def choose(me: who, wanted: Choice, response: Response, if_match: IfMatch) -> Choice:
        """For your browsers alone: what is not shown there is mailed. What is critical always comes."""
        chosen = await devices.choose(me.id, wanted, session=me.session, if_match=if_match)
        response.headers["ETag"] = chosen.etag
        return chosen

    return router


def _out(one: Device, me: Owner) -> DeviceOut:
    return DeviceOut(
        id=one.id,
        name=one.name,
        made_at=one.made_at,
        fingerprint=one.fingerprint,
        here=one.session == me.session,
    )
