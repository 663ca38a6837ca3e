"""The tap, ``POST .../open``, on the short way: whoever sends it stands in front of a car with a parcel in one hand.

A framework's way to a function (its layers, its dependencies, its validation, its answer) is a third of what the tap
costs this process when nothing of it is in a processor's caches. What is as it should be is taken here; whatever is not
goes the ordinary way (``delivery.api_courier``), so that there is one place that refuses, and one that is described.
"""

import asyncio
import contextlib
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, Final, Never

from pydantic import ValidationError
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from delivery.ahead import Sight
from delivery.api_courier import AnswerOut, OpenIn, answer_out, device_of
from delivery.api_parts import DELIVERY_ID, seconds
from delivery.desk import Desk
from people.access import CourierPrincipal
from spine.ids import DeliveryId

_PATH: Final = re.compile(rf"/v1/courier/jobs/({DELIVERY_ID.strip('^$')})/open")
_RAISED: Final = "trunkline.tap_raised"
_HEADERS: Final = {b"authorization", b"content-type", b"prefer"}
_JSON: Final = b"application/json"
_PREFER_MOST: Final = 200
_MOST: Final = 16_384


class Raised(BaseRoute):
    """To stand before all other routes: raises what a tap met, where problems are answered."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether there is something to raise."""
        return (Match.FULL if _RAISED in scope else Match.NONE), {}

    def url_path_for(self, name: str, /, **path_params: Any) -> Never:  # noqa: ANN401 - Starlette's own
        """It has no address."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - Starlette's own
        """Raises it."""
        raise scope[_RAISED]


class Tap:
    """ASGI: to stand around a whole application (``otherwise``), whose routes begin with ``Raised``.

    ``patience``: how long a body may take here; after that ``otherwise`` waits for it, and refuses.
    ``headers``: what every answer of the application has.
    """

    def __init__(
        self, desk: Desk, otherwise: ASGIApp, *, patience: timedelta, headers: Iterable[tuple[bytes, bytes]]
    ) -> None:
        self._desk = desk
        self._otherwise = otherwise
        self._patience = patience.total_seconds()
        self._headers = list(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a tap that is as it should be; hand on everything else."""
        tapped = scope["type"] == "http" and scope["method"] == "POST" and _PATH.fullmatch(scope["path"])
        if not tapped:
            await self._otherwise(scope, receive, send)
            return
        came = list[Message]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                await _collect(receive, came)
        asked = _asked(scope, came)
        if asked is None:
            await self._ordinary(scope, came, receive, send)
            return
        delivery = DeliveryId(tapped[1])
        token, wanted, wait = asked
        # Begun before the token is read: both take a question to the store.
        looking = asyncio.create_task(self._desk.at_the_car.look(delivery))
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        me: CourierPrincipal | None = None
        try:
            answer: AnswerOut | None = None
            try:
                me = await self._desk.people.access.courier_of(token)
                if me is not None:
                    answer = await self._opened(me, delivery, wanted, wait, looking)
            except Exception as failed:  # noqa: BLE001 - whatever it is, it is answered where all is
                scope = {**scope, _RAISED: failed}
            if answer is None:
                await self._ordinary(scope, came, receive, send)
            else:
                await self._answer(send, answer)
        finally:
            if me is not None:
                await self._desk.people.access.courier_did(me)

    async def _opened(
        self, me: CourierPrincipal, delivery: DeliveryId, wanted: OpenIn, wait: str | None, looking: asyncio.Task[Sight]
    ) -> AnswerOut:  # fmt: skip
        found = await self._desk.at_the_car.open(
            device_of(me),
            delivery,
            wanted.proof,
            wait=seconds(wait, self._desk.deliveries.limits),
            position=wanted.position,
            reason=wanted.reason,
            sight=await looking,
        )
        return answer_out(found, delivery)

    async def _ordinary(self, scope: Scope, came: list[Message], receive: Receive, send: Send) -> None:
        async def again() -> Message:
            return came.pop(0) if came else await receive()

        await self._otherwise(scope, again, send)

    async def _answer(self, send: Send, answer: AnswerOut) -> None:
        body = answer.model_dump_json().encode()
        headers = [(b"content-type", _JSON), (b"content-length", str(len(body)).encode())]
        status = 200
        if answer.outcome == "pending":
            status = 202
            headers.append((b"location", answer.job.encode()))
        headers += self._headers
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _collect(receive: Receive, came: list[Message]) -> None:
    """A body of at most about ``_MOST`` bytes: what comes goes to ``came``, also where that is not all of it."""
    size = 0
    while size <= _MOST:
        message = await receive()
        came.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


def _asked(scope: Scope, came: Sequence[Message]) -> tuple[str, OpenIn, str | None] | None:
    """Token, body and ``Prefer``; None where anything is not simply as it should be."""
    if not came or came[-1]["type"] != "http.request" or came[-1].get("more_body", False):
        return None
    said = [(name, value) for name, value in scope["headers"] if name in _HEADERS]
    given = dict(said)
    if len(given) != len(said) or given.get(b"content-type") != _JSON:
        return None
    scheme, _, token = given.get(b"authorization", b"").decode("latin-1").partition(" ")
    prefer = given.get(b"prefer", b"").decode("latin-1")
    if scheme != "Bearer" or not token or len(prefer) > _PREFER_MOST:
        return None
    try:
        return (
            token,
            OpenIn.model_validate_json(b"".join(one.get("body", b"") for one in came)),
            prefer or None,
        )
    except ValidationError:
        return None
