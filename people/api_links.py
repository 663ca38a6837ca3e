"""The one shape of routes that use up a mail's link: counted against the network address, then used; no session of it."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from fastapi import APIRouter, Request

from people.api_parts import network_address, problems
from people.api_sign_in import LinkFollowed
from people.service import People


def used_at(
    path: str,
    router: APIRouter,
    people: People,
    use: Callable[[str, datetime], Awaitable[object]],
    *,
    name: str,
    summary: str,
    description: str,
) -> None:
    """POST ``path`` answers 204 once ``use`` took the link's token. ``name``: of the operation, in the API's document."""

    @router.post(
        path, status_code=204, responses=problems(410, 422, 429), name=name, summary=summary,
        description=description,
    )  # fmt: skip
    async def follow(followed: LinkFollowed, request: Request) -> None:
        now = people.clock.now()
        await people.doorkeeper.redeems(network_address(request), now=now)
        await use(followed.token, now)
