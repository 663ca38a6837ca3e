"""The desk's stream of signals: "look again" for agents, with a cursor; never what there is to see."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from fastapi.responses import StreamingResponse

from maintenance.desk import Desk
from maintenance.desk_signals import Signals
from people.access import PersonPrincipal
from people.agents import AgentPrincipal, NotAnAgent
from people.api_parts import problems
from people.problems import PasskeyNeeded
from spine.open_streams import OpenStreams

LastEventId = Annotated[
    str | None,
    Header(
        max_length=40, description="Id of the last signal seen: where it is the newest, none comes at once."
    ),
]


def routes(desk: Desk, signals: Signals) -> APIRouter:
    """To be mounted under ``/v1``."""
    people, clock, shift = desk.people, desk.cases.clock, desk.limits.shift
    streams = OpenStreams(each=desk.limits.signal_streams_each, total=desk.limits.signal_streams_open)
    at_desk = people.agents.at_desk(people.access, clock, shift)
    router = APIRouter(prefix="/desk", tags=["desk"])
    Me = Annotated[AgentPrincipal, Depends(at_desk)]  # noqa: N806 - a type
    Person = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get(
        "/signals",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}, **problems(401, 403, 422, 429)},
        summary="When to look again",
    )
    async def listen(me: Me, person: Person, last_event_id: LastEventId = None) -> StreamingResponse:
        """Server-sent events ``desk``: list, cases or wallboard may have changed. Ends with session, role or shift."""

        async def still() -> None:
            await people.access.check_still(person)
            if await people.agents.find(me.id) is None:
                raise NotAnAgent("You do not work at this desk.")
            if person.passkey_at is None or not timedelta() <= clock.now() - person.passkey_at <= shift:
                raise PasskeyNeeded(int(shift.total_seconds()))

        streams.check(me.id)
        return StreamingResponse(
            streams.counted(me.id, signals.events(last_event_id, still)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router
