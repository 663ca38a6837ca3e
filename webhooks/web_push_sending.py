"""One push message on its way: sealed for its browser, posted to its push service, and what the answer means."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from webhooks.answer import Answer
from webhooks.attempts import Outcome, Result
from webhooks.health import Seen
from webhooks.limits import WebhooksLimits
from webhooks.mail import Letter
from webhooks.sender import Sender
from webhooks.web_push import Subscription, seal, topic_of, vouched
from webhooks.web_push_notice import payload

GONE: Final = "device_gone"
"""The reason by which a device ends: its push service knows it no more."""

_GONE: Final = frozenset({404, 410})
_NEVER: Final = frozenset({400, 413})
"""The request itself is wrong: the same once more is refused the same."""
_TTL_MOST: Final = timedelta(days=28)
"""No push service keeps a message for longer."""

Told = Callable[[Answer], Result]


class PushDoor:
    """Posts to push services, signed with the installation's one key for them (VAPID)."""

    def __init__(
        self, sender: Sender, key: ec.EllipticCurvePrivateKey, contact: str, limits: WebhooksLimits
    ) -> None:
        """``contact``: of whoever runs the installation, ``mailto:`` or ``https:``."""
        self._sender = sender
        self._key = key
        self._contact = contact
        self._limits = limits

    async def post(
        self,
        device: str,
        to: Subscription,
        letter: Letter,
        *,
        at: datetime,
        expires_at: datetime,
        now: datetime,
        within: float,
    ) -> Answer:
        """Send a letter that has a ``push``, once, all in ``within`` seconds. The push service keeps it to its end."""
        assert letter.push is not None, "whoever queues for a device says how it looks there"
        body = payload(letter.subject, letter.paragraphs, letter.push, at=at, language=letter.language)
        return await self._sender.post(
            to.endpoint,
            self.headers(device, to, letter, left=expires_at - now, now=now),
            seal(body, to),
            within=within,
        )

    def headers(
        self, device: str, to: Subscription, letter: Letter, *, left: timedelta, now: datetime
    ) -> Mapping[str, str]:
        """RFC 8030 and 8292. The topic and the token tell the push service nothing of what it is about."""
        assert letter.push is not None, "whoever queues for a device says how it looks there"
        ttl = max(0, int(min(left, _TTL_MOST).total_seconds()))
        return {
            "authorization": vouched(
                to.endpoint, self._key, self._contact, now=now, life=self._limits.push_token_life
            ),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(ttl),
            "urgency": letter.push.urgency,
            "topic": topic_of(device, letter.push.about),
        }


def push_result(answer: Answer, otherwise: Told) -> Result:
    """What a push service's answer means (RFC 8030, 5 and 7.3). ``otherwise``: what is as with any webhook.

    404 and 410: the browser is gone. 400 and 413: this message never works. 429 and 5xx are tried again, when
    ``Retry-After`` says; 401 and 403 too, since our clock or key may be mended before its deadline.
    """
    answer.control = None  # a word of webhooks, which a push service does not speak
    if answer.status in _GONE or answer.status in _NEVER:
        reason = GONE if answer.status in _GONE else "status"
        return Result(Outcome.HOPELESS, reason, answer.status, answer.ms, answer.text, seen=Seen.REFUSED)
    return otherwise(answer)
