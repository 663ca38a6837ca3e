"""The operator's pages of addresses, their attempts and dead letters: plain, no script, every change a signed-in POST."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Path, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment

from spine.clock import Clock
from spine.ids import EndpointId
from spine.index import Index
from spine.problems import Problem
from webhooks.endpoints import Endpoint, Endpoints, EndpointState, EndpointUnknown
from webhooks.engine import Engine, Load
from webhooks.envelope import wire_id
from webhooks.lists import ADDRESSES, EVERY
from webhooks.messages import Message, place_of, queue_of

START: Final = "/operator/webhooks"
_PAGE: Final = 25
_ROWS: Final = 25
_PART_MOST: Final = 16
"""Characters of a path's part that are surely no secret of a receiver that knows its sender by the address."""
_HOURS_MOST: Final = 24 * 14

EndpointPath = Annotated[EndpointId, Path(pattern="^ep_[0-9a-hjkmnp-tv-z]{16}$")]
Cursor = Annotated[str | None, Query(max_length=200)]
SignedIn = Callable[..., Awaitable[Any]]
"""A FastAPI dependency that lets an operator in; for POST it also refuses what comes from another site."""

SAID: Final = {
    "pinged": "The ping was answered with 2xx: the address is enabled.",
    "unanswered": "The ping was not answered with 2xx; the newest attempt says why.",
    "overtaken": "The ping was answered, but the address was disabled after it was sent: ping it again.",
    "waiting": "A ping is on its way; look again in a moment.",
    "disabled": "Nothing is sent to this address any more, until it is enabled again.",
    "resent": "It is on its way again, under the same id.",
    "pending": "It waits for its next try anyway.",
    "recovered": "What died in that time and is not too late is on its way again.",
    "refused": "That could not be done; it may have changed meanwhile.",
}
"""What a page says after a change; the address bar holds the code only."""

STATES: Final = {
    EndpointState.ENABLED: ("enabled", "good"),
    EndpointState.PENDING: ("waits for its ping to be answered", "wait"),
    EndpointState.DISABLED: ("disabled", "bad"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """An address and how it does, as a page shows it."""

    endpoint: Endpoint
    load: Load
    at: str
    """Where it goes, without what may be a secret: user, query, long parts of the path."""
    state: str
    mood: str


def routes(
    endpoints: Endpoints,
    engine: Engine,
    index: Index,
    clock: Clock,
    templates: Environment,
    signed_in: SignedIn,
) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(prefix=START, include_in_schema=False, dependencies=[Depends(signed_in)])
    desk = _Desk(endpoints, engine, index, clock)

    def page(name: str, **about: Any) -> HTMLResponse:  # noqa: ANN401 - what a template shows
        about |= {"moment": _moment, "instant": _instant, "wire_id": wire_id}
        return HTMLResponse(templates.get_template(name).render(**about))

    @router.get("")
    async def addresses(after: Cursor = None) -> HTMLResponse:
        found = await index.page(ADDRESSES, EVERY, after=after, limit=_PAGE)
        rows = await asyncio.gather(*(desk.row(EndpointId(one)) for one in found.members))
        return page("addresses.html", rows=[row for row in rows if row], next=found.next)

    @router.get("/{endpoint}")
    async def address(
        endpoint: EndpointPath, after: Cursor = None, dead: Cursor = None, said: str = ""
    ) -> HTMLResponse:
        row = await desk.row(endpoint)
        if row is None:
            raise EndpointUnknown("there is no such address")
        attempts = await engine.attempts(endpoint, after, _ROWS)
        letters = await engine.dead(endpoint, dead, _ROWS)
        return page("address.html", row=row, attempts=attempts, letters=letters, said=SAID.get(said, ""))

    for name, does in (("ping", desk.ping), ("disable", desk.disable)):
        _post(router, name, does)

    @router.post("/{endpoint}/resend")
    async def resend(
        endpoint: EndpointPath, message: Annotated[str, Form(min_length=1, max_length=200)]
    ) -> Response:
        return await _told(endpoint, desk.resend(endpoint, message))

    @router.post("/{endpoint}/recover")
    async def recover(endpoint: EndpointPath, hours: Annotated[int, Form(ge=1, le=_HOURS_MOST)]) -> Response:
        return await _told(endpoint, desk.recover(endpoint, hours))

    @router.post("/{endpoint}/rotate")
    async def rotate(endpoint: EndpointPath) -> HTMLResponse:
        """The one page that shows a secret, once: it is no address that could be loaded again."""
        known = await endpoints.one(endpoint)
        secret = await endpoints.rotate(endpoint, known.subscriber)
        row = await desk.row(endpoint)
        return page("rotated.html", row=row, secret=secret.reveal())

    return router


def _post(router: APIRouter, name: str, does: Callable[[EndpointId], Awaitable[str]]) -> None:
    @router.post(f"/{{endpoint}}/{name}")
    async def change(endpoint: EndpointPath) -> Response:
        return await _told(endpoint, does(endpoint))


async def _told(endpoint: EndpointId, work: Awaitable[str]) -> Response:
    try:
        said = await work
    except EndpointUnknown:
        raise
    except Problem:
        said = "refused"
    return RedirectResponse(f"{START}/{endpoint}?said={said}", 303)


class _Desk:
    """What the pages look at and do; each gives the code of what to say."""

    def __init__(self, endpoints: Endpoints, engine: Engine, index: Index, clock: Clock) -> None:
        self._endpoints = endpoints
        self._engine = engine
        self._index = index
        self._clock = clock

    async def row(self, endpoint: EndpointId) -> Row | None:
        """None where the address is gone: the list may be a moment behind."""
        try:
            known = await self._endpoints.one(endpoint)
        except EndpointUnknown:
            return None
        url = urlsplit(known.url)
        path = "/".join(f"{part[:4]}…" if len(part) > _PART_MOST else part for part in url.path.split("/"))
        hidden = "?…" if url.query else ""
        state, mood = STATES.get(known.state, (known.state.value, ""))
        where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{path}{hidden}"
        return Row(known, await self._engine.backlog(endpoint), where, state, mood)

    async def ping(self, endpoint: EndpointId) -> str:
        message: Message = await self._engine.pinged(await self._endpoints.ping(endpoint))
        known = await self._endpoints.one(endpoint)
        if message.kept is None or not message.kept.attempts:
            return "waiting"
        if message.kept.attempts[-1].outcome != "accepted":
            return "unanswered"
        return "pinged" if known.state is EndpointState.ENABLED else "overtaken"

    async def disable(self, endpoint: EndpointId) -> str:
        await self._endpoints.one(endpoint)
        await self._endpoints.disable(endpoint, "operator")
        return "disabled"

    async def resend(self, endpoint: EndpointId, message: str) -> str:
        """Only what lies at this address: the page of one is no way to another's messages."""
        await self._endpoints.one(endpoint)
        if place_of(message) not in (queue_of(endpoint), queue_of(endpoint, pings=True)):
            return "refused"
        return "resent" if await self._engine.resend(message) else "pending"

    async def recover(self, endpoint: EndpointId, hours: int) -> str:
        await self._endpoints.one(endpoint)
        now = self._clock.now()
        await self._engine.recover(endpoint, now - timedelta(hours=hours), now)
        return "recovered"


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC" if at is not None else "never"


def _instant(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
