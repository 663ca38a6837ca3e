"""The operator's page of one address over HTTP: every row of what was tried, and which of them were pings."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from spine.house import House
from spine.index import Index
from spine.valkey import Valkey
from tests.people_signing import ORIGIN
from tests.service.conftest import running
from tests.service.test_webhooks_engine import CARRIER, Office, Sink, sink
from tests.service.test_webhooks_rules import office, queue
from trunkline.app import templates
from webhooks import pages
from webhooks.endpoints import EndpointState

__all__ = ["office", "sink"]


async def anybody() -> Any:
    return None


async def recorded(_who: Any, _act: str, _on: str) -> None:
    return None


@pytest.fixture
async def browser(office: Office, valkey: Valkey, house: House) -> AsyncIterator[httpx.AsyncClient]:
    app, index = FastAPI(), Index(valkey, house)
    app.include_router(
        pages.routes(office.endpoints, office.engine, index, office.clock, templates(), anybody, recorded)
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        yield client


def rows(page: str) -> list[str]:
    """The list of attempts, each as the words that are read."""
    listed = page.partition('<h2 id="attempts">Attempts</h2>')[2]
    found = re.findall(r"<li>\s*(.*?)</li>", listed, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in found]


async def test_pings_are_shown_and_marked(browser: httpx.AsyncClient, office: Office, sink: Sink) -> None:
    sink.says(503)
    made, _ = await office.endpoints.add(CARRIER, sink.url)
    await office.engine.sweep()
    sink.says(204)
    office.clock.advance(timedelta(seconds=3))
    await office.engine.sweep()
    sink.says(400)
    await queue(office, made.id, "a")
    await office.engine.sweep()
    page = (await browser.get(f"{pages.START}/{made.id}")).text
    told = [["not", "taken", "400"], ["ping", "taken", "204"], ["ping", "not", "taken", "503"]]
    assert [row.split()[: len(words)] for row, words in zip(rows(page), told, strict=True)] == told
    assert page.partition('<h2 id="attempts">Attempts</h2>')[2].count("/resend") == 1, (
        "a ping is not sent again, but anew"
    )


async def test_pages_of_rows_have_each_row_once(office: Office, valkey: Valkey, sink: Sink) -> None:
    """News and pings lie apart and may have the same place: no page leaves one out."""
    endpoint, _ = await office.address(sink.url)
    base = office.engine._queues._base(3)
    await valkey.ask("DEL", f"{base}:t:ping:{endpoint}")
    row = '{"n":1,"at":1,"outcome":"accepted"}'
    places = {"": (1, 2, 3, 5, 6, 9), "ping:": (1, 2, 4, 5, 6, 7, 8)}
    for queue_, numbers in places.items():
        for number in numbers:
            key = f"{base}:t:{queue_}{endpoint}"
            await valkey.ask("XADD", key, f"{number}-0", "m", f"{queue_}{number}", "r", row)
    for limit in range(1, 15):
        seen, after = [], None
        while True:
            page = await office.engine.attempts(endpoint, after, limit)
            assert limit <= len(page.rows) <= limit + 1 or page.next is None
            seen += [(each.position, each.ping) for each in page.rows]
            after = page.next
            if after is None:
                break
        assert len(seen) == len(set(seen)) == 13, limit
        assert [int(position[0]) for position, _ in seen] == [9, 8, 7, 6, 6, 5, 5, 4, 3, 2, 2, 1, 1]


async def test_a_ping_that_was_overtaken_is_said_to_be(
    browser: httpx.AsyncClient, office: Office, sink: Sink
) -> None:
    endpoint, _ = await office.address(sink.url)

    async def disables(_request: Any) -> Any:
        await office.endpoints.disable(endpoint, "operator")
        sink.says(204)
        return await sink.answer(_request)  # type: ignore[misc]

    sink.answer = disables
    async with running(office.engine.run()):
        office.clock.advance(timedelta(milliseconds=1))
        answer = await browser.post(f"{pages.START}/{endpoint}/ping")
        assert answer.headers["location"].endswith("?said=overtaken")
        assert (await office.endpoints.one(endpoint)).state is EndpointState.DISABLED
        office.clock.advance(timedelta(milliseconds=1))
        answer = await browser.post(f"{pages.START}/{endpoint}/ping")
        assert answer.headers["location"].endswith("?said=pinged")
