"""Open challenges, in RAM only: one per link, short-lived, good for one answer, gone with the boot."""

from collections.abc import Callable
from dataclasses import dataclass

from keys.car.jwk import b64
from keys.car.policy import Policy


class TooManyLinks(Exception):
    """Eight links have an open challenge; none is thrown out for another's sake. Answered ``busy``."""


@dataclass(frozen=True, slots=True)
class _Open:
    nonce: str
    drawn: float
    until: float


class Challenges:
    """At most one open challenge per link (over MQTT: per delivery); a new one replaces its own link's only.

    ``uptime`` is CLOCK_BOOTTIME in seconds: it counts sleep and nobody can set it.
    """

    def __init__(self, policy: Policy, random: Callable[[int], bytes]) -> None:
        self._policy = policy
        self._random = random
        self._open: dict[str, _Open] = {}

    def draw(self, link: str, *, uptime: float) -> str:
        """A new challenge for ``link``: 32 random bytes in base64url. Raises ``TooManyLinks``."""
        self._open = {name: one for name, one in self._open.items() if uptime < one.until and name != link}
        if len(self._open) >= self._policy.links:
            raise TooManyLinks
        nonce = b64(self._random(32))
        self._open[link] = _Open(nonce, uptime, uptime + self._policy.challenge_life.total_seconds())
        return nonce

    def drawn(self, link: str) -> float | None:
        """When the link's open challenge was drawn, on CLOCK_BOOTTIME; None where there is none."""
        one = self._open.get(link)
        return None if one is None else one.drawn

    def take(self, link: str, *, uptime: float) -> str | None:
        """The link's challenge if it can still be answered; it is gone afterwards, whatever follows."""
        one = self._open.pop(link, None)
        return one.nonce if one is not None and uptime < one.until else None
