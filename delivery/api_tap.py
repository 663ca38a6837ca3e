"""The tap, ``POST .../open``, on the short way: whoever sends it stands in front of a car with a parcel in one hand.

A framework's way to a function (its dependencies, its validation, its answer) is a third of what the tap costs this
process when nothing of it is in a processor's caches. What is as it should be is taken here; whatever is not goes the
ordinary way (``delivery.api_courier``), so that there is one place that refuses, and one that is described.
"""

import asyncio
import re
from typing import Any, Final, Never

from pydantic import ValidationError
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Message, Receive, Scope, Send

from delivery.ahead import Sight
from delivery.api_courier import AnswerOut, OpenIn, answer_out, device_of
from delivery.api_parts import DELIVERY_ID, seconds
from delivery.desk import Desk
from people.access import CourierPrincipal
from spine.ids import DeliveryId

_PATH: Final = re.compile(rf"/v1/courier/jobs/({DELIVERY_ID.strip('^$')})/open")
_ORDINARY: Final = "trunkline.ordinary_way"
_HEADERS: Final = {b"authorization", b"content-type", b"prefer"}
_JSON: Final = b"application/json"
_PREFER_MOST: Final = 200


class Tap(BaseRoute):
    """To stand before all other routes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this is a tap that was not given back before."""
        if scope["type"] != "http" or scope["method"] != "POST" or _ORDINARY in scope:
            return Match.NONE, {}
        found = _PATH.fullmatch(scope["path"])
        return (Match.NONE, {}) if found is None else (Match.FULL, {"path_params": {"delivery": found[1]}})

    def url_path_for(self, name: str, /, **path_params: Any) -> Never:  # noqa: ANN401 - Starlette's own
        """It has no name: its address is that of the ordinary route."""
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Problems are raised, and answered where those of all routes are."""
        message = await receive()
        asked = _asked(scope, message)
        if asked is None:
            await self._ordinary(scope, message, receive, send)
            return
        delivery = DeliveryId(scope["path_params"]["delivery"])
        token, wanted, wait = asked
        # Begun before the token is read: both take a question to the store.
        looking = asyncio.create_task(self._desk.at_the_car.look(delivery))
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())
        me = await self._desk.people.access.courier_of(token)
        if me is None:
            await self._ordinary(scope, message, receive, send)
            return
        try:
            answer = await self._opened(me, delivery, wanted, wait, looking)
            await _answer(send, answer)
        finally:
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

    @staticmethod
    async def _ordinary(scope: Scope, message: Message, receive: Receive, send: Send) -> None:
        came: list[Message] = [message]

        async def again() -> Message:
            return came.pop() if came else await receive()

        await scope["router"]({**scope, _ORDINARY: True}, again, send)


def _asked(scope: Scope, message: Message) -> tuple[str, OpenIn, str | None] | None:
    """Token, body and ``Prefer``; None where anything is not simply as it should be."""
    if message["type"] != "http.request" or message.get("more_body", False):
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
        return token, OpenIn.model_validate_json(message.get("body", b"")), prefer or None
    except ValidationError:
        return None


async def _answer(send: Send, answer: AnswerOut) -> None:
    body = answer.model_dump_json().encode()
    headers = [(b"content-type", _JSON), (b"content-length", str(len(body)).encode())]
    status = 200
    if answer.outcome == "pending":
        status = 202
        headers.append((b"location", answer.job.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
