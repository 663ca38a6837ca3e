"""What a phone at the car asks of the service, where it has network: news for a challenge, and taking receipts in."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import aiohttp

from delivery.brought import MOST
from keys.car.jws import SigningKey
from trunkline.play import Api, Courier, Refused

_PATIENCE: Final = timedelta(seconds=20)
"""A challenge is good for half a minute, and the key has to be presented after this."""


class NoNetwork(Exception):
    """The service cannot be reached, or does not give what is asked; the message says which."""


class PhoneApi:
    """One courier's device at the service."""

    def __init__(self, url: str, courier: str, device: SigningKey) -> None:
        self._url = url.rstrip("/")
        self._courier = courier
        self._device = device

    async def fresh(self, delivery: str, challenge: str) -> str:
        """The ``tl-fresh+jwt`` for a car's challenge. Raises ``NoNetwork``."""
        answer = await self._post(delivery, "fresh", {"challenge": challenge})
        fresh = answer.get("fresh")
        if not isinstance(fresh, str):
            raise NoNetwork("the service gave no news")
        return fresh

    async def bundle(self) -> tuple[str, ...]:
        """The newest trust bundle, each signature as a compact JWS. Raises ``NoNetwork``."""
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()), Api(self._url) as api:
                answer = await api.call("GET", "/.well-known/trust.json")
        except Refused as refused:
            raise NoNetwork(refused.detail) from refused
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as cause:
            raise NoNetwork(f"{self._url} does not answer") from cause
        signed = answer.get("bundle") if isinstance(answer, dict) else None
        if not isinstance(signed, list) or not all(isinstance(one, str) for one in signed):
            raise NoNetwork("the service gave no bundle")
        return tuple(signed)

    async def bring(self, delivery: str, receipts: Sequence[str]) -> int:
        """Bring the car's receipts; gives how many the service did not know. Raises ``NoNetwork``."""
        new = 0
        for start in range(0, len(receipts), MOST):
            some = list(receipts[start : start + MOST])
            answer = await self._post(delivery, "receipts", {"receipts": some})
            taken = answer.get("taken")
            new += taken if isinstance(taken, int) else 0
        return new

    async def _post(self, delivery: str, what: str, document: dict[str, object]) -> dict[str, object]:
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()), Api(self._url) as api:
                phone = Courier(api, self._device, courier=self._courier)
                await phone.sign_in()
                answer = await phone.post(delivery, what, document)
        except Refused as refused:
            raise NoNetwork(refused.detail) from refused
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as cause:
            raise NoNetwork(f"{self._url} does not answer") from cause
        return answer if isinstance(answer, dict) else {}
