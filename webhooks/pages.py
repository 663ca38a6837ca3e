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

Record = Callable[[Any, str, str], Awaitable[None]]
"""Writes down that this operator is about to do this to that address; raises where they may not any more."""

SAID: Final = frozenset(
    ("pinged", "unanswered", "overtaken", "waiting", "disabled", "resent", "pending", "recovered", "refused")
)
"""What a page can say after a change; the address bar holds the code only, the template the words."""

MOODS: Final = {EndpointState.ENABLED: "good", EndpointState.PENDING: "wait", EndpointState.DISABLED: "bad"}


@dataclass(frozen=True, slots=True)
class Row:
    """An address and how it does, as a page shows it."""

    endpoint: Endpoint
    load: Load
    at: str
    """Where it goes, without what may be a secret: user, query, long parts of the path."""
    mood: str


def routes(
    endpoints: Endpoints,
    engine: Engine,
    index: Index,
    clock: Clock,
    templates: Environment,
    signed_in: SignedIn,
    record: Record,
) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``operator_base.html``."""
    router = APIRouter(prefix=START, include_in_schema=False, dependencies=[Depends(signed_in)])
    Me = Annotated[Any, Depends(signed_in)]  # noqa: N806 - a type
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
        return page(
            "address.html", row=row, attempts=attempts, letters=letters, said=said if said in SAID else ""
        )

    @router.post("/{endpoint}/ping")
    async def ping(me: Me, endpoint: EndpointPath) -> Response:
        await record(me, "ping", endpoint)
        return await _told(endpoint, desk.ping(endpoint))

    @router.post("/{endpoint}/disable")
    async def disable(me: Me, endpoint: EndpointPath) -> Response:
        await record(me, "disable", endpoint)
        return await _told(endpoint, desk.disable(endpoint))

    @router.post("/{endpoint}/resend")
    async def resend(
        me: Me, endpoint: EndpointPath, message: Annotated[str, Form(min_length=1, max_length=200)]
    ) -> Response:
        await record(me, "resend", endpoint)
        return await _told(endpoint, desk.resend(endpoint, message))

    @router.post("/{endpoint}/recover")
    async def recover(
        me: Me, endpoint: EndpointPath, hours: Annotated[int, Form(ge=1, le=_HOURS_MOST)]
    ) -> Response:
        await record(me, "recover", endpoint)
        return await _told(endpoint, desk.recover(endpoint, hours))

    @router.post("/{endpoint}/rotate")
    async def rotate(me: Me, endpoint: EndpointPath) -> HTMLResponse:
        """The one page that shows a secret, once: it is no address that could be loaded again."""
        await record(me, "rotate", endpoint)
        known = await endpoints.one(endpoint)
        secret = await endpoints.rotate(endpoint, known.subscriber)
        row = await desk.row(endpoint)
        return page("rotated.html", row=row, secret=secret.reveal())

    return router


async def _told(endpoint: EndpointId, work: Awaitable[str]) -> Response:
    try:
        said = await work
    except EndpointUnknown:
        raise
    except Problem as why:
        if why.may_have_happened:
            raise
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
        where = f"{url.scheme}://{url.netloc.rpartition('@')[2]}{path}{hidden}"
        return Row(known, await self._engine.backlog(endpoint), where, MOODS.get(known.state, ""))

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
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else ""


def _instant(ms: int) -> datetime | None:
    return datetime.fromtimestamp(ms / 1000, UTC) if ms else None
