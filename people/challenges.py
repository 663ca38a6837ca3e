"""What passkeys are asked to sign: drawn here, kept as a hash for minutes, used once, bound to who was asked."""

import secrets
from collections.abc import Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Final

from people.tokens import digest, same
from spine.expiring import Expiring

_SPACE: Final = "passkey_challenge"
_BYTES: Final = 32


class Asked(StrEnum):
    """What an answer is for: one for another purpose is refused."""

    REGISTER = "register"
    PROVE = "prove"
    SIGN_IN = "sign_in"


class Challenges:
    """One open challenge for each session and purpose: a newer one replaces it. At a sign-in there is no session."""

    def __init__(self, expiring: Expiring, life: timedelta) -> None:
        self._expiring = expiring
        self._life = life

    async def draw(self, asked: Asked, person: str, session: str) -> bytes:
        """32 random bytes for one session of a person."""
        challenge = secrets.token_bytes(_BYTES)
        await self._expiring.put(_SPACE, _name(asked, person, session), _hash(challenge), self._life)
        return challenge

    async def take(self, asked: Asked, person: str, session: str, challenge: bytes) -> bool:
        """Use the open challenge up, whatever was presented; whether it was this one."""
        kept = await self._expiring.take(_SPACE, _name(asked, person, session))
        return kept is not None and same(kept, _hash(challenge))

    async def draw_for_anybody(self) -> bytes:
        """32 random bytes for whoever signs in with them."""
        challenge = secrets.token_bytes(_BYTES)
        await self._expiring.put(_SPACE, f"{Asked.SIGN_IN}.{_hash(challenge)}", "", self._life)
        return challenge

    async def take_anybodys(self, challenge: bytes) -> bool:
        """Use a sign-in's challenge up; whether there was one."""
        return await self._expiring.take(_SPACE, f"{Asked.SIGN_IN}.{_hash(challenge)}") is not None

    async def forget(self, person: str, sessions: Iterable[str]) -> None:
        """Erase what a person's sessions were asked."""
        for session in sessions:
            for asked in (Asked.REGISTER, Asked.PROVE):
                await self._expiring.drop(_SPACE, _name(asked, person, session))


def _name(asked: Asked, person: str, session: str) -> str:
    return f"{asked}.{person}.{session}"


def _hash(challenge: bytes) -> str:
    return digest(challenge.hex())
