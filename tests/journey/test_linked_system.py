"""A system that an owner linked hears the question, and decides by a signed webhook."""

import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
from standardwebhooks import Webhook

from tests.journey.sink import Sink
from tests.journey.stand import Cast, Stand, finish


async def test_a_linked_system_decides(stand: Stand, cast: Cast) -> None:
    owner = cast.owner.person
    async with Sink.listening() as (sink, url):
        made = await stand.by_hand(stand.stage.command, "owner", "link", owner, "Partner app", "--news", url)
        sink.secret = made["news_secret"]
        own = Webhook(made["secret"])
        says = await _decides(cast, sink, made["source"], own)
        await stand.by_hand(stand.stage.command, "owner", "unlink", owner, made["source"])
        assert (await _post(cast.carrier.api.url, made["source"], own, "m3", says))[0] == 401, (
            "it is unlinked"
        )
    assert sink.forged == 0


async def _decides(cast: Cast, sink: Sink, source: str, own: Webhook) -> dict[str, str]:
    carrier, courier = cast.carrier, cast.courier
    delivery = await carrier.order(cast.address, courier=courier.courier, reference="linked")
    asked = (await sink.wait("delivery.asked", delivery))["data"]["question"]
    says = {"question": asked["question"], "shown": asked["shown"], "decision": "approve"}
    forged = Webhook("whsec_" + "A" * 43 + "=")
    assert (await _post(carrier.api.url, source, forged, "m1", says))[0] == 401
    assert (await carrier.view(delivery))["state"] == "requested"
    status, answer = await _post(carrier.api.url, source, own, "m1", says)
    assert (status, answer["decided"]) == (200, "approve")
    assert (await _post(carrier.api.url, source, own, "m1", says))[0] == 200, (
        "the same again: the same answer"
    )
    other = {**says, "decision": "decline"}
    assert (await _post(carrier.api.url, source, own, "m1", other))[0] == 409, "one id, two bodies"
    assert (await _post(carrier.api.url, source, own, "m2", other))[0] == 409, "decided otherwise already"
    token = await courier.key(delivery)
    await courier.arrive(delivery)
    assert (await courier.open(delivery, token))["outcome"] == "opened"
    await finish(cast, delivery)
    evidence = await carrier.evidence(delivery)
    assert evidence["delivery"] == delivery
    await sink.wait("delivery.delivered", delivery)
    return says


async def _post(url: str, source: str, own: Webhook, message: str, says: dict[str, str]) -> tuple[int, Any]:
    body, now = json.dumps(says), datetime.now(UTC)
    headers = {
        "webhook-id": f"{message}-{says['question']}".replace(".", "-"),
        "webhook-timestamp": str(int(now.timestamp())),
    }
    headers["webhook-signature"] = own.sign(headers["webhook-id"], now, body)
    headers["content-type"] = "application/json"
    async with (
        aiohttp.ClientSession(trust_env=False) as client,
        client.post(f"{url}/v1/decisions/{source}", data=body, headers=headers) as answer,
    ):
        return answer.status, await answer.json()
