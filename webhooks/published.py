"""Where the open keys of `v1a` addresses are found: every address in pages, and a JWKS over them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from spine.clock import Clock
from spine.ids import EndpointId
from spine.index import Index
from webhooks.endpoints import Endpoint, Endpoints
from webhooks.limits import WebhooksLimits
from webhooks.lists import ADDRESSES, EVERY


@dataclass(frozen=True, slots=True)
class AddressesPage:
    """Addresses of all subscribers, newest first; ``next`` is the cursor of the following page."""

    addresses: Sequence[Endpoint]
    next: str | None


class Addresses:
    """Every address there is, for operators. Losing the list loses no address: it is built again from the log."""

    def __init__(self, endpoints: Endpoints, index: Index) -> None:
        self._endpoints = endpoints
        self._index = index

    async def page(self, *, after: str | None, limit: int) -> AddressesPage:
        """One page. Raises ``BadCursor``."""
        page = await self._index.page(ADDRESSES, EVERY, after=after, limit=limit)
        return AddressesPage(await self._endpoints.seen(page.members), page.next)


@dataclass
class PublishedKeys:
    """The JWKS: what `v1a` signatures verify under now. A key is in it until its overlap has ended."""

    endpoints: Endpoints
    addresses: Addresses
    clock: Clock
    limits: WebhooksLimits
    _all: tuple[datetime, list[dict[str, str]]] | None = field(default=None, init=False)
    _reading: asyncio.Task[list[dict[str, str]]] | None = field(default=None, init=False)

    async def of(self, endpoint: str) -> list[dict[str, str]]:
        """The keys of one address; none for any text that is no address of ours."""
        return self._keys(await self.endpoints.seen([EndpointId(endpoint)]))

    async def all(self) -> list[dict[str, str]]:
        """Those of every address, newest address first, at most ``jwks_most``; as old as ``jwks_for`` at most.

        Anybody may ask, so the whole list is not read each time.
        """
        now = self.clock.now()
        known = self._all
        if known is not None and known[0] <= now < known[0] + self.limits.jwks_for:
            return known[1]
        if self._reading is None or self._reading.done():  # one reads for all who ask meanwhile
            self._reading = asyncio.create_task(self._read_all(), name="webhooks.jwks")
        self._all = (now, await asyncio.shield(self._reading))
        return self._all[1]

    async def _read_all(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        after: str | None = None
        while len(found) < self.limits.jwks_most:
            page = await self.addresses.page(after=after, limit=500)
            found += self._keys(page.addresses)
            after = page.next
            if after is None:
                break
        return found[: self.limits.jwks_most]

    def _keys(self, endpoints: Sequence[Endpoint]) -> list[dict[str, str]]:
        now = self.clock.now()
        return [
            each.key.jwk
            for endpoint in endpoints
            for each in endpoint.public_keys
            if each.until is None or now < each.until
        ]


def routes(published: PublishedKeys) -> APIRouter:
    """The document under ``/.well-known``."""
    router = APIRouter(tags=["webhooks"])
    age = round(published.limits.jwks_for.total_seconds())

    @router.get("/.well-known/webhook-jwks.json", summary="Public keys of signed webhooks")
    async def webhook_keys(
        endpoint: Annotated[
            str | None, Query(max_length=100, description="the keys of this address alone; left out: of all")
        ] = None,
    ) -> Response:
        """What the `v1a` members of `webhook-signature` verify under. An address' own keys are never cut off."""
        keys: list[dict[str, Any]] = (
            [*await published.all()] if endpoint is None else [*await published.of(endpoint)]
        )
        return JSONResponse({"keys": keys}, headers={"Cache-Control": f"public, max-age={age}"})

    return router
