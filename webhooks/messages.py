"""A message to one address: what the caller queues, and what is kept of it. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Final, Literal, Self

from spine.facts.webhooks import MessageDied
from spine.ids import EndpointId, NotAnId, PersonId, PushId, named_after, partition_of, prefix_of
from spine.problems import Kind, Problem
from webhooks.attempts import Attempt
from webhooks.moments import from_ms, ms_before
from webhooks.states import State

Channel = Literal["webhook", "mail", "push"]

_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_READ: Final[Any] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # the stubs leave it out
"""What we wrote ourselves has no blanks around it: the look for them cost a third."""
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_.:+-]{1,128}")
_REFERENCES_MOST: Final = 16

PING: Final = "endpoint.ping"
"""The type of the message that asks an address whether it listens."""
DISABLES: Final = "disables"
"""The reference of a ping that says how often its address had been disabled when it was sent."""
MAIL: Final = "mail"
"""The address of all mail of one partition."""
_PINGS: Final = "ping:"
_MAILED: Final = frozenset({"per", "gar"})
"""Who gets mail: persons and garages; a garage's id stands in the place of a person's."""
_OWN_QUEUE: Final = frozenset({"ep", "psh"})
"""What has a queue of its own: an endpoint, and a browser that is notified."""


class MessageRefused(Problem):
    """What was queued is no message: a mistake of the caller, never of the far end."""

    code: ClassVar[str] = "message.refused"
    kind: ClassVar[Kind] = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Outgoing:
    """News for one address: an endpoint (signed webhook) or a person, never both.

    A person hears by mail or, with ``device``, by web push in that browser of theirs.

    ``id``: named after its cause (``message_id``), so that queueing again finds the first one. ``type``: such
    as ``delivery.asked``; its first part picks the composer. ``reference``: ids, codes and hashes from
    which the composer makes the body when it is sent; no name, mail, place or text may stand in it, and what
    holds a blank, an ``@`` or a slash is refused. ``at``: when it happened. Never sent from
    ``expires_at`` on. ``interactive``: a person waits, so it is tried again soon. ``order_key``: the delivery or
    vehicle after whose earlier news it comes, where its address asked for order; else taken from ``reference``.
    ``subscriber``: whose address it is, where the caller knows.
    """

    id: str
    type: str
    at: datetime
    expires_at: datetime
    reference: Mapping[str, str] = field(default_factory=dict)
    endpoint: EndpointId | None = None
    person: PersonId | None = None
    interactive: bool = False
    order_key: str | None = None
    subscriber: str | None = None
    device: PushId | None = None

    def checked(self) -> Self:
        """Raises ``MessageRefused``."""
        if (self.endpoint is None) == (self.person is None):
            raise MessageRefused("a message goes to an endpoint or to a person")
        if self.device is not None and self.person is None:
            raise MessageRefused("a device is a person's")
        if prefix_of(self.id) != "msg":
            raise MessageRefused("a message's id starts with msg_")
        if not _TYPE.fullmatch(self.type):
            raise MessageRefused("a type is such as delivery.asked")
        to = self.device or self.endpoint or self.person
        if to is None or not self.id.endswith("." + to.replace("_", ".")):
            raise MessageRefused("a message's id is made by message_id, for the address it goes to")
        if len(self.reference) > _REFERENCES_MOST:
            raise MessageRefused(f"at most {_REFERENCES_MOST} references")
        if not all(_REFERENCE.fullmatch(each) for pair in self.reference.items() for each in pair):
            raise MessageRefused("a reference holds ids, codes and hashes only")
        if self.order_key is not None and not _REFERENCE.fullmatch(self.order_key):
            raise MessageRefused("an order key is an id")
        return self


def message_id(cause: str, what: str, to: EndpointId | PersonId | PushId) -> str:
    """The id of the message that tells ``to`` about ``what`` of ``cause``: always the same one."""
    return named_after("msg", cause, what, to.replace("_", "."))


def beside(mail: str, device: PushId, *what: str) -> str:
    """The id of the message that tells a device what this mail tells its person, or ``what`` follows from it."""
    return ".".join((mail.rsplit(".", 2)[0], *what, device.replace("_", ".")))


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message lies: in its address' partition, in a queue of this name."""

    partition: int
    address: str


def place_of(message: str) -> Place:
    """Where the message of this id lies, whether it exists or not. Raises ``MessageRefused`` for what is no id."""
    try:
        cause, kind, body = message.rsplit(".", 2)
        partition = partition_of(f"{kind}_{body}")
    except (ValueError, NotAnId):
        raise MessageRefused("this is no message's id") from None
    if kind in _MAILED:
        return Place(partition, MAIL)
    if kind not in _OWN_QUEUE:
        raise MessageRefused("this is no message's id")
    is_ping = kind == "ep" and cause.startswith(f"msg_{body}.ping.")
    return Place(partition, f"{_PINGS if is_ping else ''}{kind}_{body}")


def queue_of(endpoint: EndpointId, *, pings: bool = False) -> Place:
    """The queue of an endpoint's news, or of its pings. Raises ``MessageRefused`` for what is no id."""
    try:
        return Place(partition_of(endpoint), f"{_PINGS if pings else ''}{endpoint}")
    except NotAnId:
        raise MessageRefused("this is no address") from None


def device_queue(device: PushId) -> Place:
    """The queue of a browser that is notified. Raises ``MessageRefused`` for what is no id."""
    try:
        return Place(partition_of(device), device)
    except NotAnId:
        raise MessageRefused("this is no device") from None


def ping_id(endpoint: EndpointId, now: datetime) -> str:
    """The id of a ping: another one each time."""
    return message_id(endpoint, f"ping.{round(now.timestamp() * 1000)}", endpoint)


@dataclass(slots=True)
class Kept:
    """What stands in the store of a message: references only, nothing that was composed.

    ``started``: tries begun. ``attempts``: its rows, where they were looked up.
    """

    endpoint: EndpointId | None
    person: PersonId | None
    type: str
    reference: Mapping[str, str]
    at: datetime
    queued_ms: int
    expires_at: datetime
    interactive: bool
    started: int = 0
    attempts: Sequence[Attempt] = ()
    device: PushId | None = None

    @property
    def queued_at(self) -> datetime:
        """When it was queued."""
        return from_ms(self.queued_ms)

    @property
    def channel(self) -> Channel:
        """How it leaves the house."""
        if self.device is not None:
            return "push"
        return "webhook" if self.endpoint is not None else "mail"

    @property
    def to(self) -> str:
        """Whom it is for."""
        return self.device or self.endpoint or self.person or ""

    @classmethod
    def read(cls, text: str, *, started: int = 0, attempts: Sequence[Attempt] = ()) -> Self:
        """From what stands in the store."""
        found: dict[str, Any] = _READ(text, 0)[0]
        return cls(
            found.get("endpoint"),
            found.get("person"),
            found["type"],
            found["reference"],
            from_ms(found["at"]),
            found["queued_at"],
            from_ms(found["expires_at"]),
            "interactive" in found,
            started,
            attempts,
            found.get("device"),
        )

    def died(self, message: str, now: datetime, reason: str, subscriber: str) -> MessageDied:
        """The fact that it was given up."""
        return MessageDied(
            at=now,
            message=message,
            endpoint=self.endpoint,
            person=self.person,
            type=self.type,
            reason=reason,
            subscriber=subscriber,
        )


def kept_text(message: Outgoing, now: datetime) -> str:
    """What stands in the store of a message that is queued at ``now``: compact JSON, times in unix ms."""
    found: dict[str, Any] = {
        "type": message.type,
        "reference": dict(message.reference),
        "at": ms_before(message.at),
        "queued_at": ms_before(now),
        "expires_at": ms_before(message.expires_at),
    }
    if message.endpoint is not None:
        found["endpoint"] = message.endpoint
    if message.person is not None:
        found["person"] = message.person
    if message.device is not None:
        found["device"] = message.device
    if message.interactive:
        found["interactive"] = 1
    return _JSON.encode(found)


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its composer and its subscriber see it. ``kept`` is None where there is none (any more)."""

    id: str
    state: State
    kept: Kept | None
    next_at: datetime | None
