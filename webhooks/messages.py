"""A message to one address: what the caller queues, what is kept of it, and its rows of attempts. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict

from spine.facts.webhooks import MessageDelivered, MessageDied, MessageErased, MessageQueued
from spine.ids import EndpointId, PersonId, named_after, prefix_of
from spine.problems import Kind, Problem
from spine.store import Saved
from webhooks.states import State

Channel = Literal["webhook", "mail"]

_TYPE: Final = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
_REFERENCE: Final = re.compile(r"[A-Za-z0-9_.:+-]{1,128}")


class MessageRefused(Problem):
    """What was queued is no message: a mistake of the caller, never of the far end."""

    code: ClassVar[str] = "message.refused"
    kind: ClassVar[Kind] = Kind.INVALID


@dataclass(frozen=True, slots=True)
class Outgoing:
    """News for one address: an endpoint (signed webhook) or a person (mail), never both.

    ``id``: named after its cause (``message_id``), so that queueing again finds the first one. ``type``: such
    as ``delivery.asked``; its first part picks the composer. ``reference``: ids, codes and hashes from
    which the composer makes the body when it is sent; no name, mail, place or text may stand in it, and what
    holds a blank, an ``@`` or a slash is refused. ``at``: when it happened. Never sent from
    ``expires_at`` on. ``interactive``: a person waits, so it is tried again soon.
    """

    id: str
    type: str
    at: datetime
    expires_at: datetime
    reference: Mapping[str, str] = field(default_factory=dict)
    endpoint: EndpointId | None = None
    person: PersonId | None = None
    interactive: bool = False

    def checked(self) -> Self:
        """Raises ``MessageRefused``."""
        if (self.endpoint is None) == (self.person is None):
            raise MessageRefused("a message goes to an endpoint or to a person")
        if prefix_of(self.id) != "msg":
            raise MessageRefused("a message's id starts with msg_")
        if not _TYPE.fullmatch(self.type):
            raise MessageRefused("a type is such as delivery.asked")
        if not all(_REFERENCE.fullmatch(each) for pair in self.reference.items() for each in pair):
            raise MessageRefused("a reference holds ids, codes and hashes only")
        return self


def message_id(cause: str, what: str, to: EndpointId | PersonId) -> str:
    """The id of the message that tells ``to`` about ``what`` of ``cause``: always the same one."""
    return named_after("msg", cause, what, to.replace("_", "."))


class Attempt(BaseModel):
    """One row: what was tried and what came of it. ``n`` counts from 1; a drop has the last try's.

    ``outcome``: ``accepted``, ``failed``, ``interrupted`` (the sender never came back: it may have arrived),
    ``dropped``. ``answer``: the first bytes of the answer, made printable.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    at: AwareDatetime
    outcome: Literal["accepted", "failed", "interrupted", "dropped"]
    reason: str = ""
    status: int | None = None
    ms: int = 0
    answer: str = ""


class Kept(BaseModel):
    """What stands in the store of a message: references only, nothing that was composed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Channel
    endpoint: EndpointId | None
    person: PersonId | None
    type: str
    reference: dict[str, str]
    at: AwareDatetime
    queued_at: AwareDatetime
    expires_at: AwareDatetime
    interactive: bool
    started: int = 0
    """Tries that were begun, so the number of the one that runs."""
    running: bool = False
    attempts: tuple[Attempt, ...] = ()

    @classmethod
    def of(cls, message: Outgoing, now: datetime) -> Self:
        """What to keep of a message that is queued at ``now``."""
        return cls(
            channel="webhook" if message.endpoint is not None else "mail",
            endpoint=message.endpoint,
            person=message.person,
            type=message.type,
            reference=dict(message.reference),
            at=message.at,
            queued_at=now,
            expires_at=message.expires_at,
            interactive=message.interactive,
        )

    @property
    def address(self) -> str:
        """What its tries are counted against: the endpoint, or the one mail server."""
        return self.endpoint or "mail"

    def begun(self, now: datetime, most: int) -> Self:
        """A new try begins; one that still runs never came back, and has its row."""
        before = self._row("interrupted", now, most, reason="sender_lost") if self.running else self
        return before.model_copy(update={"started": self.started + 1, "running": True})

    def ended_try(self, row: Attempt, most: int) -> Self:
        """The running try came to an end."""
        return self.model_copy(update={"running": False, "attempts": (*self.attempts, row)[-most:]})

    def dropped(self, reason: str, now: datetime, most: int) -> Self:
        """It will not be tried any more: whatever is dropped leaves a row."""
        before = self._row("interrupted", now, most, reason="sender_lost") if self.running else self
        return before._row("dropped", now, most, reason=reason)  # noqa: SLF001 another value of our own class

    def _row(
        self, outcome: Literal["interrupted", "dropped"], now: datetime, most: int, *, reason: str
    ) -> Self:
        return self.ended_try(Attempt(n=self.started, at=now, outcome=outcome, reason=reason), most)

    def queued(self, message: str) -> MessageQueued:
        """The fact that it was queued."""
        return MessageQueued(
            at=self.queued_at, message=message, endpoint=self.endpoint, person=self.person, type=self.type
        )

    def delivered(self, message: str, now: datetime) -> MessageDelivered:
        """The fact that the far end took it."""
        return MessageDelivered(
            at=now, message=message, endpoint=self.endpoint, person=self.person, type=self.type
        )

    def died(self, message: str, now: datetime, reason: str) -> MessageDied:
        """The fact that it was given up."""
        return MessageDied(
            at=now,
            message=message,
            endpoint=self.endpoint,
            person=self.person,
            type=self.type,
            reason=reason,
        )

    def erased(self, message: str, now: datetime) -> MessageErased:
        """The fact that its rows are gone."""
        return MessageErased(
            at=now, message=message, endpoint=self.endpoint, person=self.person, type=self.type
        )


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its composer and its subscriber see it. ``kept`` is None once its rows were erased."""

    id: str
    state: State
    kept: Kept | None
    next_at: datetime | None


def read(saved: Saved) -> Message:
    """The message a subject holds; a tombstone has its state only."""
    kept = Kept.model_validate_json(saved.body) if saved.version and not saved.ended else None
    pending = saved.state == State.PENDING
    return Message(saved.id, State(saved.state), kept, saved.wake_at if pending else None)


class Outcome(StrEnum):
    """What a try came to."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    HOPELESS = "hopeless"


@dataclass(frozen=True, slots=True)
class Result:
    """The end of one try. ``not_before``: until when the far end asked to be left alone."""

    outcome: Outcome
    reason: str = ""
    status: int | None = None
    ms: int = 0
    answer: bytes = field(default=b"", repr=False)
    not_before: datetime | None = None

    def row(self, n: int, now: datetime, most: int) -> Attempt:
        """Its row; at most ``most`` bytes of the answer, made printable."""
        text = self.answer[:most].decode("utf-8", "replace")
        return Attempt(
            n=n,
            at=now,
            outcome="accepted" if self.outcome is Outcome.ACCEPTED else "failed",
            reason=self.reason,
            status=self.status,
            ms=self.ms,
            answer="".join(each if each.isprintable() else " " for each in text),
        )
