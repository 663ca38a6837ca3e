"""A test carrier's addresses: what the simulated owner, courier and car do is in the name."""

import asyncio
from typing import Any

from tests.journey.stand import Cast, Stand, order_unnamed
from trunkline.play import Carrier

ENDS = {
    "APPROVES": "delivered",
    "DECLINES": "declined",
    "SILENT": "address_not_usable",
    "OUT-OF-PLACE": "failed",
    "OFFLINE": "failed",
    "STUCK": "failed",
    "LEFT-OPEN": "delivered",
    "UNSURE": "unsure",
}


async def test_every_test_address_does_what_it_says(stand: Stand, cast: Cast) -> None:
    carrier = await stand.more_carrier(cast.carrier.api, "Test Post", "--test")
    seen = dict(
        zip(ENDS, await asyncio.gather(*(_played(cast, carrier, name) for name in ENDS)), strict=True)
    )
    assert {name: one["state"] for name, one in seen.items()} == ENDS
    assert all(one["livemode"] is False for one in seen.values())
    assert seen["STUCK"]["failure"] == "not_lifted"
    assert seen["OUT-OF-PLACE"]["failure"] == "car_not_there"
    assert "left_open" in seen["LEFT-OPEN"]["times"]
    assert "out_of_place" in seen["OUT-OF-PLACE"]["times"]
    assert "refused" in seen["OFFLINE"]["times"]


async def _played(cast: Cast, carrier: Carrier, name: str) -> dict[str, Any]:
    alone = Cast(cast.owner, carrier, cast.courier, "", "", f"TL-TEST-{name}")
    delivery = await order_unnamed(alone, f"test-{name.lower()}")
    return await carrier.wait_for(delivery, {ENDS[name]})
