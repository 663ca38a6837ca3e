"""The desk's signals: after the list shows it, once for many, silent for a cursor that is the newest, never for strangers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute

from maintenance import desk_api_live, desk_signals
from maintenance.desk_index import DESK, QUEUE
from maintenance.desk_problems import NothingToDo
from maintenance.desk_signals import Signals
from maintenance.limits import DeskLimits
from people.access import PersonPrincipal
from people.agents import AgentPrincipal
from spine.open_streams import TooManyStreams
from tests.service.conftest import running
from tests.service.desk_house import DeskHouse, desk_house
from tests.service.people_house import house_of_people

__all__ = ["desk_house", "house_of_people"]

BEAT = timedelta(milliseconds=20)


async def may() -> None:
    return None


def signals_of(house: DeskHouse, **changes: object) -> Signals:
    limits = DeskLimits.model_validate({"signal_beat": BEAT, **changes})
    return Signals(house.tail, house.desk.index, limits)


def id_of(event: str) -> str:
    return event.partition("\n")[0].removeprefix("id: ")


async def told(events: AsyncIterator[str]) -> str:
    """The next signal; what only shows that the stream lives is passed over."""
    async with asyncio.timeout(60):
        while (event := await anext(events)).startswith((":", "retry:")):
            pass
    return event


@asynccontextmanager
async def followed(house: DeskHouse) -> AsyncIterator[None]:
    async with running(house.tail.run()):
        await house.tail.ready()
        yield


async def test_a_signal_comes_once_the_list_shows_what_it_is_about(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    agent = await house.agent("ann@example.org")
    signals = signals_of(house, signal_patience=timedelta(seconds=60))
    async with followed(house):
        events = signals.events(None, may)
        await told(events)
        made = asyncio.create_task(house.case(severity="high"))
        await told(events)
        case = await made
        assert [one.id for one in (await house.desk.listed(agent.at)).data] == [case]

        # Taken: until the list's own reader has heard it, nobody is sent to look at a list that is old.
        assert (await house.post(agent, "/claim")).status_code == 200
        assert await house.desk.index.count(QUEUE, DESK) == 1
        following = asyncio.create_task(told(events))
        beats = signals_of(house).events(signals.cursor, may)
        for _ in range(3):
            await anext(beats)
        assert not following.done()
        await house.settle()
        await following
        assert await house.desk.index.scores(QUEUE, DESK, [case]) == [None]
        await events.aclose()
        await beats.aclose()


async def test_where_the_list_stays_behind_the_signal_comes_all_the_same(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    agent = await house.agent("ann@example.org")
    await house.case(severity="high")
    signals = signals_of(house, signal_patience=timedelta(milliseconds=50))
    async with followed(house):
        events = signals.events(None, may)
        await told(events)
        await house.desk.work.claim_next(agent.at)
        await told(events)
        assert await house.desk.index.count(QUEUE, DESK) == 1, "the list's reader did not run"
        await events.aclose()


async def test_a_cursor_is_silent_only_where_nothing_was_missed(desk_house: DeskHouse) -> None:
    house = desk_house
    signals = signals_of(house)
    async with followed(house):
        first = signals.events(None, may)
        seen = id_of(await told(first))
        again = signals.events(seen, may)
        assert (await anext(again)).startswith("retry:")
        assert (await anext(again)) == ": still here\n\n"
        for other in ("", "x", "0-0", f"{seen}9", signals_of(house).cursor):
            elsewhere = signals.events(other, may)
            assert id_of(await told(elsewhere)) == seen
            await elsewhere.aclose()
        await again.aclose()
        await first.aclose()
        # Nobody listened for a while: whoever comes back looks.
        later = signals.events(seen, may)
        assert id_of(await told(later)) != seen
        await later.aclose()


async def test_a_stream_ends_with_the_right_to_listen(desk_house: DeskHouse) -> None:
    house = desk_house
    allowed = [True]

    async def still() -> None:
        if not allowed[0]:
            raise NothingToDo("not any more")

    async with followed(house):
        events = signals_of(house).events(None, still)
        await told(events)
        allowed[0] = False
        async with asyncio.timeout(60):
            rest = [event async for event in events]
        assert len(rest) <= 2, "what was on its way; then the end"
        # Long enough for a beat, however long a busy machine stands still between two steps of it.
        short = signals_of(house, signal_life=timedelta(seconds=1)).events(None, may)
        async with asyncio.timeout(60):
            assert [event async for event in short][-1] == ": still here\n\n"


async def test_what_goes_wrong_in_following_sends_everybody_to_look(
    desk_house: DeskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = desk_house
    await house.choose()
    signals = signals_of(house, signal_patience=timedelta(milliseconds=20))

    def broken(_: object) -> object:
        monkeypatch.undo()
        raise KeyError("nobody thought of this")

    async with followed(house):
        events = signals.events(None, may)
        first = await told(events)
        monkeypatch.setattr(desk_signals, "places", broken)
        await house.case(severity="high")
        second = await told(events)
        await house.case(severity="high")
        third = await told(events)
        assert len({id_of(one) for one in (first, second, third)}) == 3
        await events.aclose()


async def test_an_agent_has_only_so_many_streams(desk_house: DeskHouse) -> None:
    house = desk_house
    limits = house.desk.limits.model_copy(update={"signal_streams_each": 1})
    agent = await house.agent("ann@example.org")
    route = desk_api_live.routes(replace(house.desk, limits=limits), signals_of(house)).routes[0]
    assert isinstance(route, APIRoute)
    person = PersonPrincipal(agent.view.person, "passkey", "0" * 16, house.now)
    me = AgentPrincipal(agent.view.id, agent.view.person, agent.view.role, frozenset({"en"}))
    async with followed(house):
        first = (await route.endpoint(me, person)).body_iterator
        await anext(first)
        with pytest.raises(TooManyStreams):
            await route.endpoint(me, person)
        await first.aclose()
        await route.endpoint(me, person)


async def test_only_agents_listen(desk_house: DeskHouse) -> None:
    house = desk_house
    path = "/v1/desk/signals"
    assert (await house.http.get(path)).status_code == 401
    made, _ = await house.people.people.sessions.make(house.owner, level="passkey", now=house.now)
    owner = {"Authorization": f"Bearer {made.text}"}
    assert (await house.http.get(path, headers=owner)).status_code == 403
    agent = await house.agent("ann@example.org")
    long = {**agent.headers, "Last-Event-ID": "9" * 41}
    assert (await house.http.get(path, headers=long)).status_code == 422
    await house.people.people.agents.remove(agent.view.id, now=house.now)
    assert (await house.http.get(path, headers=agent.headers)).status_code == 403
    agent = await house.agent("bob@example.org")
    house.people.clock.advance(house.desk.limits.shift + timedelta(seconds=1))
    assert (await house.http.get(path, headers=agent.headers)).status_code == 401, "the shift is over"
