"""One try: compose the message, sign it, send it over its channel, and say what came of it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from spine.clock import Clock
from spine.ids import EndpointId, PersonId, PushId
from webhooks import signature
from webhooks.addresses import Target
from webhooks.attempts import Outcome, Result
from webhooks.envelope import News, encode, wire_id
from webhooks.health import Seen
from webhooks.limits import WebhooksLimits
from webhooks.mail import Letter, Mail, MailRefused
from webhooks.messages import PING, Kept
from webhooks.schedule import asked_to_wait
from webhooks.sender import Answer, NoAnswer, Sender
from webhooks.watch import Watch
from webhooks.web_push import Subscription
from webhooks.web_push_sending import PushDoor, push_result

log = logging.getLogger("trunkline.webhooks")

_STATUSES: Final = {410: Seen.GONE, 429: Seen.THROTTLED, 502: Seen.OVERLOADED, 504: Seen.OVERLOADED}
_DISABLE: Final = "disable"
_ABORT: Final = "abort-message"
"""The two words a receiver may say in ``webhook-delivery``."""


@dataclass(slots=True)  # one for each try: a frozen one takes three times as long to make
class Brief:
    """What a composer is told: about what, and for whom. ``subscriber``: whose endpoint it is.

    ``device``: of the person's, where it is to be a notification; its letter says how it looks (``Letter.push``).
    """

    message: str
    type: str
    reference: Mapping[str, str]
    at: datetime
    expires_at: datetime
    endpoint: EndpointId | None
    subscriber: str | None
    person: PersonId | None
    device: PushId | None = None


Composer = Callable[[Brief], Awaitable[News | Letter | None]]
"""Says what to send, from the records as they are now: ``News`` to an endpoint, a ``Letter`` to a person.

None: there is nothing to say any more, and the message ends. What it raises is a failed try.
"""


class Dispatch:
    """The channels of the engine. ``compose``: by the first part of a type."""

    def __init__(
        self,
        clock: Clock,
        limits: WebhooksLimits,
        compose: Mapping[str, Composer],
        sender: Sender,
        mail: Mail,
        *,
        source: str,
        push: PushDoor | None = None,
    ) -> None:
        """``push``: where the key for push services is held; without it no device is notified from here."""
        self._clock = clock
        self._limits = limits
        self._compose = compose
        self._sender = sender
        self._mail = mail
        self._source = source
        self._push = push
        self._within = limits.total_timeout.total_seconds()
        self._watch = Watch()

    async def once(
        self, message: str, kept: Kept, target: Target | None, device: Subscription | None = None
    ) -> Result:
        """Try once, composing and sending together within ``total_timeout`` and never from ``expires_at`` on.

        ``target``: the endpoint, for a webhook; ``device``: for whom to seal, for a notification. Raises only where
        the store does not answer.
        """
        began = time.monotonic()
        said = await self._said(message, kept, target)
        if isinstance(said, Result):
            return said
        now = self._clock.now()
        if now >= kept.expires_at:  # composing took its time: what is late is not sent
            return Result(Outcome.HOPELESS, "deadline")
        left = self._within - (time.monotonic() - began)
        within = min(left, (kept.expires_at - now).total_seconds())
        if isinstance(said, News) and target is not None:
            return await self._post(message, kept, said, target, within, now)
        if isinstance(said, Letter) and said.push is not None and kept.device and device and self._push:
            answer = await self._push.post(
                kept.device, device, said, at=kept.at, expires_at=kept.expires_at, now=now, within=within
            )
            return push_result(answer, lambda heard: result_of(heard, self._clock.now, self._limits))
        if isinstance(said, Letter) and kept.person is not None and kept.device is None:
            return await self._write(message, said, within)
        log.error("message.wrong_channel", extra={"message_id": message, "type": kept.type})
        return Result(Outcome.HOPELESS, "wrong_channel")

    async def _said(self, message: str, kept: Kept, target: Target | None) -> News | Letter | Result:
        if kept.type == PING:
            return News({"endpoint": kept.endpoint}, kept.endpoint)
        brief = Brief(
            message,
            kept.type,
            kept.reference,
            kept.at,
            kept.expires_at,
            kept.endpoint,
            target.endpoint.subscriber if target is not None else None,
            kept.person,
            kept.device,
        )
        try:
            with self._watch.within(self._within):
                said = await self._compose[kept.type.partition(".")[0]](brief)
        except Exception:
            log.exception("message.not_composed", extra={"message_id": message})
            return Result(Outcome.FAILED, "not_composed")
        return said if said is not None else Result(Outcome.HOPELESS, "nothing_to_say")

    async def _post(
        self, message: str, kept: Kept, news: News, target: Target, within: float, now: datetime
    ) -> Result:
        try:
            name = wire_id(message)
            body = encode(message, kept.type, kept.at, self._source, news, name=name)
        except (TypeError, ValueError):
            log.exception("message.not_json", extra={"message_id": message, "type": kept.type})
            return Result(Outcome.HOPELESS, "not_json")
        if len(body) > self._limits.body_most:
            return Result(Outcome.HOPELESS, "too_large")
        headers = signature.headers(target.secrets, name, int(now.timestamp()), body)
        headers["content-type"] = "application/json"
        answer = await self._sender.post(target.endpoint.url, headers, body, within=within)
        return result_of(answer, self._clock.now, self._limits, large=len(body) > self._limits.body_advised)

    async def _write(self, message: str, letter: Letter, within: float) -> Result:
        try:
            async with asyncio.timeout(within):
                status = await self._mail.send(letter, wire_id(message), now=self._clock.now())
        except MailRefused as refused:
            # Refused for good is this person's address or this mail; the rest says that the server does not work.
            outcome = Outcome.HOPELESS if refused.for_good else Outcome.FAILED
            seen = Seen.BROKEN if refused.reason in _SERVER_BROKEN else Seen.REFUSED
            return Result(outcome, refused.reason, status=refused.status, seen=seen)
        except TimeoutError:
            return Result(Outcome.FAILED, "timeout", seen=Seen.BROKEN)
        except Exception:
            log.exception("mail.not_made", extra={"message_id": message})
            return Result(Outcome.FAILED, "not_made")
        return Result(Outcome.ACCEPTED, status=status, seen=Seen.TAKEN)


_SERVER_BROKEN: Final = frozenset({"no_connection", "protocol", "server_refused", "sign_in_refused"})


def result_of(
    answer: Answer, clock: Callable[[], datetime], limits: WebhooksLimits, *, large: bool = False
) -> Result:
    """What an answer means (webhooks.md, Retries): 2xx alone is success, whatever else is said with it."""
    control = answer.control.strip().lower() if answer.control else ""
    seen = seen_of(answer)
    warning = "body_large" if large else ""
    times = (answer.dns_ms, answer.connect_ms, answer.first_byte_ms)
    if answer.accepted:
        seen = Seen.UNWANTED if control == _DISABLE else seen
        return Result(Outcome.ACCEPTED, "", answer.status, answer.ms, answer.text, None, seen, times, warning)
    if control == _DISABLE:
        seen = Seen.UNWANTED
    reason = answer.none.value if answer.none is not None else "status"
    hopeless = True
    if seen in (Seen.GONE, Seen.UNWANTED):
        reason = seen.value
    elif control == _ABORT:
        reason = "aborted"
    else:
        hopeless = False
    until = None
    if answer.retry_after is not None:
        until = asked_to_wait(answer.retry_after, clock(), limits)
    outcome = Outcome.HOPELESS if hopeless else Outcome.FAILED
    return Result(outcome, reason, answer.status, answer.ms, answer.text, until, seen, times, warning)


def seen_of(answer: Answer) -> Seen:
    """What an answer says of its address."""
    if answer.accepted:
        return Seen.TAKEN
    status = answer.status
    if status is None:  # what the guard blocks is refused by us: its far end may be well
        return Seen.REFUSED if answer.none is NoAnswer.BLOCKED else Seen.BROKEN
    return _STATUSES.get(status, Seen.BROKEN if status >= 500 else Seen.REFUSED)
