"""One try: compose the message, sign it, send it over its channel, and say what came of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from spine.clock import Clock
from spine.ids import EndpointId, PersonId
from webhooks import signature
from webhooks.endpoints import Endpoints, Target
from webhooks.envelope import News, encode, wire_id
from webhooks.limits import WebhooksLimits
from webhooks.mail import Letter, Mail, MailRefused
from webhooks.messages import Kept, Outcome, Result
from webhooks.schedule import asked_to_wait
from webhooks.sender import Sender

log = logging.getLogger("trunkline.webhooks")

_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Brief:
    """What a composer is told: about what, and for whom. ``subscriber``: whose endpoint it is."""

    message: str
    type: str
    reference: Mapping[str, str]
    at: datetime
    expires_at: datetime
    endpoint: EndpointId | None
    subscriber: str | None
    person: PersonId | None


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
        endpoints: Endpoints,
        *,
        source: str,
    ) -> None:
        self._clock = clock
        self._limits = limits
        self._compose = compose
        self._sender = sender
        self._mail = mail
        self._endpoints = endpoints
        self._source = source

    async def once(self, message: str, kept: Kept, target: Target | None) -> Result:
        """Try once, composing and sending together within ``total_timeout`` and never from ``expires_at`` on.

        ``target``: the endpoint, for a webhook. Raises only where the store does not answer.
        """
        ticks = asyncio.get_running_loop().time
        began = ticks()
        said = await self._said(message, kept, target)
        if isinstance(said, Result):
            return said
        now = self._clock.now()
        if now >= kept.expires_at:  # composing took its time: what is late is not sent
            return Result(Outcome.HOPELESS, "deadline")
        left = self._limits.total_timeout.total_seconds() - (ticks() - began)
        within = min(left, (kept.expires_at - now).total_seconds())
        if isinstance(said, News) and target is not None:
            return await self._post(message, kept, said, target, within)
        if isinstance(said, Letter) and kept.person is not None:
            return await self._write(message, said, within)
        log.error("message.wrong_channel", extra={"message_id": message, "type": kept.type})
        return Result(Outcome.HOPELESS, "wrong_channel")

    async def _said(self, message: str, kept: Kept, target: Target | None) -> News | Letter | Result:
        brief = Brief(
            message=message,
            type=kept.type,
            reference=kept.reference,
            at=kept.at,
            expires_at=kept.expires_at,
            endpoint=kept.endpoint,
            subscriber=target.endpoint.subscriber if target is not None else None,
            person=kept.person,
        )
        try:
            async with asyncio.timeout(self._limits.total_timeout.total_seconds()):
                said = await self._compose[kept.type.partition(".")[0]](brief)
        except Exception:
            log.exception("message.not_composed", extra={"message_id": message})
            return Result(Outcome.FAILED, "not_composed")
        return said if said is not None else Result(Outcome.HOPELESS, "nothing_to_say")

    async def _post(self, message: str, kept: Kept, news: News, target: Target, within: float) -> Result:
        try:
            body = encode(message, kept.type, kept.at, self._source, news)
        except (TypeError, ValueError):
            log.exception("message.not_json", extra={"message_id": message, "type": kept.type})
            return Result(Outcome.HOPELESS, "not_json")
        if len(body) > self._limits.body_most:
            return Result(Outcome.HOPELESS, "too_large")
        now = self._clock.now()
        headers = signature.headers(target.secrets, wire_id(message), int(now.timestamp()), body)
        headers["content-type"] = "application/json"
        answer = await self._sender.post(target.endpoint.url, headers, body, within=within)
        if answer.accepted:
            return Result(Outcome.ACCEPTED, status=answer.status, ms=answer.ms, answer=answer.text)
        after = self._clock.now()
        if answer.status == _GONE:
            await self._endpoints.disable(target.endpoint.id, "gone")
        until = asked_to_wait(answer.retry_after, after, self._limits)
        if until is not None:
            await self._endpoints.hold(target.endpoint.id, until)
        return Result(
            Outcome.HOPELESS if answer.status == _GONE else Outcome.FAILED,
            reason="gone" if answer.status == _GONE else answer.none.value if answer.none else "status",
            status=answer.status,
            ms=answer.ms,
            answer=answer.text,
            not_before=until,
        )

    async def _write(self, message: str, letter: Letter, within: float) -> Result:
        try:
            async with asyncio.timeout(within):
                status = await self._mail.send(letter, wire_id(message), now=self._clock.now())
        except MailRefused as refused:
            outcome = Outcome.HOPELESS if refused.for_good else Outcome.FAILED
            return Result(outcome, refused.reason, status=refused.status)
        except TimeoutError:
            return Result(Outcome.FAILED, "timeout")
        except Exception:
            log.exception("mail.not_made", extra={"message_id": message})
            return Result(Outcome.FAILED, "not_made")
        return Result(Outcome.ACCEPTED, status=status)
