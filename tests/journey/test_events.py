"""Carrier and owner read what they were told, from the whole installation: the same as the webhooks said."""

import json
from typing import Any

import httpx

from tests.journey.sink import Sink
from tests.journey.stand import Cast, decide, until
from trunkline.play import Api


async def test_what_a_webhook_said_can_be_read_again(cast: Cast, sink: Sink) -> None:
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="events")
    await decide(cast.owner, delivery, "decline")
    heard = await sink.wait("delivery.declined", delivery)
    api = cast.carrier.api
    found: list[dict[str, Any]] = []

    async def told() -> bool:
        found[:] = await _all(api, cast.carrier.token, "types=delivery.declined&")
        return any(one["subject"] == delivery for one in found)

    await until(told, "it is in the carrier's stream")
    assert heard in found, "the same body under the same id"
    mine: list[dict[str, Any]] = []

    async def told_the_owner() -> bool:
        mine[:] = await _all(api, cast.owner.token)
        return any(one["subject"] == delivery for one in mine)

    await until(told_the_owner, "it is in the owner's stream")
    assert {one["data"]["page"] for one in mine if one["subject"] == delivery} == {
        f"{api.url}/deliveries/{delivery}"
    }
    async with (
        httpx.AsyncClient(base_url=api.url, trust_env=False) as client,
        client.stream(
            "GET", "/v1/events/stream?after=0-0", headers={"Authorization": f"Bearer {cast.owner.token}"}
        ) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and json.loads(line[6:])["subject"] == delivery:
                break


async def _all(api: Api, token: str, chosen: str = "") -> list[dict[str, Any]]:
    """Every event there is, page by page: the installation has told of other tests before."""
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await api.call("GET", f"/v1/events?{chosen}limit=100{after}", token=token)
        found += page["data"]
        if not page["more"]:
            return found
        after = f"&after={page['next']}"
