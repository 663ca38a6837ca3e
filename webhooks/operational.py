"""News about news: an address that fails, is disabled or well again, and what died, told where it can still be heard."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.clock import Clock
from spine.facts import webhooks as facts
from spine.facts.people import PersonErased
from spine.ids import EndpointId, NotAnId, PersonId, named_after, partition_of, prefix_of
from spine.readers import Received
from spine.words import Text, WordsFor
from webhooks.catalogue import EventType, Heard, Hearer
from webhooks.dispatch import Brief
from webhooks.endpoints import Endpoints, EndpointState, EndpointUnknown
from webhooks.engine import Engine
from webhooks.envelope import News, sequence_of, wire_id
from webhooks.mail import Letter
from webhooks.messages import PING, Outgoing, message_id
from webhooks.subscriptions import Subscriptions

GROUP: Final = "webhooks-news"
LIFE: Final = timedelta(days=3)
"""How long such news are worth sending; they stand in the stream as long as all others."""

_Endpoint = (
    facts.EndpointEnabled | facts.EndpointDisabled | facts.EndpointFailing | facts.EndpointRecovered
    | facts.BreakerOpened | facts.BreakerClosed
)  # fmt: skip
_Told = _Endpoint | facts.MessageDied

_SAYS: Final[Mapping[str, str]] = {
    "endpoint.enabled": "An address answered its ping and hears news from now on.",
    "endpoint.failing": "An address fails; `reason` says how, `disables_at` when it is disabled if nothing changes.",
    "endpoint.recovered": "An address that failed takes news again.",
    "endpoint.breaker_opened": "An address failed so often that it is left alone for a while.",
    "endpoint.breaker_closed": "An address that was left alone takes news again.",
    "endpoint.disabled": "Nothing is sent to an address any more; `reason` says why. A ping enables it again.",
    "message.died": "A message to an address was given up; it can be sent again, or read in the stream.",
}
KINDS: Final = frozenset({*_SAYS, "person.erased"})
"""What the reader of this group gets."""

_MAILED: Final[Mapping[str, tuple[Text, Text]]] = {
    "endpoint.failing": (
        Text("A system you linked does not answer"),
        Text("It has not taken our news lately. If nothing changes we stop sending them to it."),
    ),
    "endpoint.disabled": (
        Text("A system you linked is told nothing any more"),
        Text("It did not take our news, or asked for no more of them. You are still asked by mail."),
    ),
}
_OWN_DOING: Final = "removed"

_ENDPOINT: Final = "ep_3k7m9qxd4hwe2a5t"


class EndpointEventOut(BaseModel):
    """An address of the subscriber's own. ``state`` is as of now, ``removed`` where it is gone."""

    model_config = ConfigDict(frozen=True)

    endpoint: EndpointId
    state: EndpointState
    reason: str | None
    disables_at: AwareDatetime | None


class MessageDiedOut(BaseModel):
    """``message`` is its `webhook-id`; ``type`` what it told; ``reason``: why no more tries are made."""

    model_config = ConfigDict(frozen=True)

    endpoint: EndpointId
    message: str
    type: str
    reason: str


class PingEventOut(BaseModel):
    """Answer it with 2xx, and the address is enabled."""

    model_config = ConfigDict(frozen=True)

    endpoint: EndpointId


def types() -> Iterator[EventType]:
    """Every type of this package; carriers and owners hear alike of what is their own."""
    for name, says in _SAYS.items():
        if name == "message.died":
            died = wire_id("msg_3k7m9qxd4hwe2a5t.opened.1893574800000-0")
            example = {
                "endpoint": _ENDPOINT, "message": died, "type": "delivery.opened", "reason": "exhausted",
            }  # fmt: skip
            yield EventType(name, says, _ENDPOINT, _alike(MessageDiedOut, example))
            continue
        failing, disabled = name == "endpoint.failing", name == "endpoint.disabled"
        yield EventType(
            name,
            says,
            _ENDPOINT,
            _alike(
                EndpointEventOut,
                {
                    "endpoint": _ENDPOINT,
                    "state": "disabled" if disabled else "enabled",
                    "reason": "no_success" if failing else "gone" if disabled else None,
                    "disables_at": "2030-05-09T09:00:00Z" if failing else None,
                },
            ),
        )
    says = "Whether anybody listens at an address; it is in no stream and has no `sequence`."
    yield EventType(PING, says, _ENDPOINT, _alike(PingEventOut, {"endpoint": _ENDPOINT}), ordered=False)


def _alike(model: type[BaseModel], example: Mapping[str, object]) -> dict[Hearer, Heard]:
    return {hearer: Heard(model, example) for hearer in Hearer}


MailOf = Callable[[PersonId], Awaitable[str | None]]
"""Where a person's mail goes, or None where nobody knows (any more)."""


class Composing:
    """The composer of everything whose type begins with ``endpoint`` or ``message``."""

    def __init__(self, endpoints: Endpoints, mail_of: MailOf, words_for: WordsFor) -> None:
        self._endpoints = endpoints
        self._mail_of = mail_of
        self._words_for = words_for

    async def __call__(self, brief: Brief) -> News | Letter | None:
        """What to say now; only ever to whom the address belongs, or belonged."""
        about, endpoint = brief.reference, EndpointId(brief.reference["endpoint"])
        if about["subscriber"] != (brief.person or brief.subscriber):
            return None
        if brief.person is not None:
            return await self._letter(brief, brief.person)
        if brief.type == "message.died":
            data: BaseModel = MessageDiedOut(
                endpoint=endpoint,
                message=wire_id(about["message"]),
                type=about["told"],
                reason=about["reason"],
            )
        else:
            ends = about.get("disables_at")
            data = EndpointEventOut.model_validate(
                {
                    "endpoint": endpoint,
                    "state": await self._state(endpoint),
                    "reason": about.get("reason"),
                    "disables_at": ends,
                }
            )
        return News(data.model_dump(mode="json"), endpoint, sequence_of(about["position"]))

    async def _state(self, endpoint: EndpointId) -> EndpointState:
        try:
            return (await self._endpoints.one(endpoint)).state
        except EndpointUnknown:
            return EndpointState.REMOVED

    async def _letter(self, brief: Brief, person: PersonId) -> Letter | None:
        address = await self._mail_of(person)
        if address is None or brief.type not in _MAILED:
            return None
        subject, text = _MAILED[brief.type]
        words = await self._words_for(person)
        return Letter(address, words.say(subject), [words.say(text)], language=words.language)


class Operational:
    """The reaction that tells. Read twice, the same messages are found queued and the same entries told.

    Nothing is told of a message that was such news itself: two addresses that fail would tell of each other for ever.
    """

    def __init__(
        self, engine: Engine, endpoints: Endpoints, subscriptions: Subscriptions, clock: Clock
    ) -> None:
        self._engine = engine
        self._endpoints = endpoints
        self._subscriptions = subscriptions
        self._clock = clock

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        match received.fact:
            case PersonErased(person=person):
                await self._subscriptions.erase(person)
            case facts.MessageDied(type=told) if told.partition(".")[0] in {"endpoint", "message"}:
                return
            case (
                facts.EndpointEnabled() | facts.EndpointDisabled() | facts.EndpointFailing()
                | facts.EndpointRecovered() | facts.BreakerOpened() | facts.BreakerClosed() | facts.MessageDied()
            ) as fact if fact.endpoint is not None and _is_one(fact.subscriber):  # fmt: skip
                await self._tell(fact, fact.endpoint, received.position)
            case _:
                return

    async def _tell(self, fact: _Told, endpoint: EndpointId, position: str) -> None:
        what = f"{fact.kind.partition('.')[2]}.{position}"
        reference = _reference(fact, endpoint, position)
        event = named_after("msg", endpoint, what)
        await self._subscriptions.tell(fact.subscriber, event, fact.kind, reference, at=fact.at)
        if fact.at + LIFE <= self._clock.now():
            return
        for other in await self._endpoints.for_subscriber(fact.subscriber, fact.kind, but=endpoint):
            await self._queue(fact, what, endpoint, reference, to=other)
        if (
            prefix_of(fact.subscriber) == "per"
            and fact.kind in _MAILED
            and reference.get("reason") != _OWN_DOING
        ):
            await self._queue(fact, what, endpoint, reference, person=PersonId(fact.subscriber))

    async def _queue(
        self,
        fact: _Told,
        what: str,
        endpoint: EndpointId,
        reference: Mapping[str, str],
        *,
        to: EndpointId | None = None,
        person: PersonId | None = None,
    ) -> None:
        address = to or person
        if address is None:
            return
        await self._engine.queue(
            Outgoing(
                id=message_id(endpoint, what, address),
                type=fact.kind,
                at=fact.at,
                expires_at=fact.at + LIFE,
                reference=reference,
                endpoint=to,
                person=person,
            )
        )


def _is_one(subscriber: str) -> bool:
    """Facts of an earlier version name no subscriber."""
    try:
        partition_of(subscriber)
    except NotAnId:
        return False
    return True


def _reference(fact: _Told, endpoint: EndpointId, position: str) -> dict[str, str]:
    found = {"endpoint": endpoint, "subscriber": fact.subscriber, "position": position}
    if isinstance(fact, facts.MessageDied):
        found |= {"message": fact.message, "told": fact.type or "unknown"}
    if isinstance(fact, facts.EndpointFailing) and fact.disables_at is not None:
        found["disables_at"] = fact.disables_at.isoformat()
    reason = getattr(fact, "reason", "")
    return {**found, "reason": reason} if reason else found
