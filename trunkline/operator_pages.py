"""The operator's start page with health in words, and what waits: parked entries, late timers, dead letters."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse

from people.access import OperatorPrincipal
from spine.dead_letters import DeadLetter, DeadLetters
from spine.ids import EndpointId
from spine.parked import Held, NotParked, Parked
from spine.timers import LateTimers
from trunkline.groups import GROUPS
from trunkline.operator_health import health
from trunkline.operator_parts import START, Desk, SaidCode
from webhooks.endpoints import EndpointUnknown
from webhooks.lists import ADDRESSES, EVERY

_SHOWN: Final = 50
"""Rows of each kind of letter, the oldest first; the command line shows all."""
_ADDRESSES: Final = 200
"""Addresses looked through for dead deliveries, the newest first."""

Group = Annotated[str, Form(pattern="^[a-z-]{1,40}$")]
Partition = Annotated[int, Form(ge=0, le=1023)]
Position = Annotated[str, Form(pattern="^[0-9]{1,16}-[0-9]{1,10}$")]
Reason = Annotated[str, Form(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


def routes(desk: Desk) -> APIRouter:
    """Start page and letters."""
    router = APIRouter(prefix=START, include_in_schema=False)
    Me = Annotated[OperatorPrincipal, Depends(desk.sessions.on_page)]  # noqa: N806 - a type
    letters = _Letters(desk)

    @router.get("")
    async def start(_: Me) -> HTMLResponse:
        return desk.page("operator_start.html", health=await health(desk.parts))

    @router.get("/letters")
    async def shown(_: Me, said: SaidCode = "") -> HTMLResponse:
        return desk.page(
            "operator_letters.html", said=said, parked=await letters.parked(), late=await letters.late(),
            unreadable=await letters.unreadable(), dead=await letters.dead(),
        )  # fmt: skip

    @router.post("/letters/retry")
    async def retry(me: Me, group: Group, partition: Partition, position: Position) -> Response:
        async def work() -> str:
            await letters.shelf.retry(letters.known(group), position, partition=letters.within(partition))
            return "retried"

        return await desk.act(me, "retry", f"{group}/{partition}/{position}", work, f"{START}/letters")

    @router.post("/letters/skip")
    async def skip(
        me: Me, group: Group, partition: Partition, position: Position, reason: Reason
    ) -> Response:
        async def work() -> str:
            place = letters.within(partition)
            await letters.shelf.skip(letters.known(group), position, reason, partition=place)
            return "skipped"

        return await desk.act(me, "skip", f"{group}/{partition}/{position}", work, f"{START}/letters")

    return router


class _Letters:
    """What nobody could do, or read."""

    def __init__(self, desk: Desk) -> None:
        base = desk.parts.ground
        self._desk = desk
        self._house = base.house
        self.shelf = Parked(base.valkey, base.house)
        self._timers = LateTimers(base.valkey, base.house)
        self._unreadable = DeadLetters(base.valkey, base.house)

    def known(self, group: str) -> str:
        """Raises ``NotParked`` for a group that does not exist."""
        if group not in GROUPS:
            raise NotParked(group)
        return group

    def within(self, partition: int) -> int:
        """Raises ``NotParked`` for a partition that does not exist."""
        if partition >= self._house.partitions:
            raise NotParked(str(partition))
        return partition

    async def parked(self) -> list[tuple[str, Held]]:
        """With their groups."""
        found = [(group, held) for group in GROUPS for held in await self.shelf.list(group)]
        return found[:_SHOWN]

    async def late(self) -> list[tuple[str, int, str, datetime, datetime]]:
        """Subject, failures, reason, since, next try."""
        found = await self._timers.list()
        return [(one.subject, one.failures, one.reason, one.since, one.next_at) for one in found[:_SHOWN]]

    async def unreadable(self) -> list[DeadLetter]:
        """Their contents may hold a position: the page shows where from, why and how long, no more."""
        found: list[DeadLetter] = []
        for partition in range(self._house.partitions):
            found += await self._unreadable.page(partition, limit=_SHOWN)
        return sorted(found, key=lambda one: one.at)[:_SHOWN]

    async def dead(self) -> list[tuple[EndpointId, int]]:
        """Addresses with deliveries that died, and how many."""
        parts = self._desk.parts
        page = await parts.ground.index.page(ADDRESSES, EVERY, limit=_ADDRESSES)
        found = []
        for member in page.members:
            endpoint = EndpointId(member)
            try:
                await parts.endpoints.one(endpoint)
            except EndpointUnknown:
                continue
            load = await parts.engine.backlog(endpoint)
            if load.dead:
                found.append((endpoint, load.dead))
        return found
