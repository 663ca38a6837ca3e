"""Receipts that a phone brings: taken as the car's own, from the assigned device alone, and nothing else is taken."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from delivery import api_brought
from delivery.brought import NotReceipts, ReceiptsWait, UnitNotTrusted
from delivery.problems import NoSuchDelivery
from delivery.states import State
from keys.car.jws import SigningKey
from spine.facts.vehicle import UnitReceipt
from spine.ids import DeliveryId
from spine.ingest import Incoming, Verdict, ingest
from tests.keys_unit import Receipting
from tests.people_signing import ORIGIN, Device
from tests.service.delivery_house import CAR, PARTITION, UNIT, DeliveryHouse, home, house_of_people
from trunkline import problems
from vehicle_gateway.standing import Standing
from vehicle_gateway.translate import receipt_number

__all__ = ["home", "house_of_people"]

LIFE = ("consumed", "opened", "closed", "locked")


async def written(home: DeliveryHouse, delivery: DeliveryId, *outs: str, by: Receipting | None = None, **more: Any) -> list[str]:  # fmt: skip
    """What the car's unit signs, and gives to the phone only."""
    key = (await home.read(delivery)).body.key
    assert key is not None
    view = await home.keys.view(key.key)
    at = int(home.now.timestamp() * 1000)
    about = {"iss": UNIT, "at": at, "jti": view.jti, "seq": view.seq, "dlv": delivery, "via": "local", **more}
    return [(by or home.unit).write(out, **about) for out in outs]


async def taken(home: DeliveryHouse, delivery: DeliveryId, receipts: list[str]) -> int:
    return await home.desk.brought.take(home.device, delivery, receipts)


async def log(home: DeliveryHouse) -> list[str]:
    return [one.kind for one in await home.log.read(PARTITION, limit=5_000)]


async def test_owner_and_carrier_hear_of_an_opening_in_a_car_without_network(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    for _ in range(3):  # the car has more to tell than this phone may know
        home.unit.write("locked", iss=UNIT)
    receipts = await written(home, delivery, *LIFE)
    await home.stands_at(None, "offline")
    assert await taken(home, delivery, receipts) == 4
    told = await home.settle()
    assert [kind for kind in told if kind.startswith("boot.")] == [
        "boot.opened",
        "boot.closed",
        "boot.locked",
    ]
    assert await home.state(delivery) is State.CLOSED
    assert "delivery.opened" in home.post.types(f"ep_{home.carrier[4:]}")
    read = await home.read(delivery)
    assert read.body.receipt is not None
    assert read.body.receipt.n == 7
    await home.again()


async def test_brought_again_or_by_the_car_too_it_is_the_same(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    first, second = home.unit.write("locked", iss=UNIT), home.unit.write("locked", iss=UNIT)
    receipts = await written(home, delivery, *LIFE)
    assert await taken(home, delivery, receipts[:2]) == 2
    assert await taken(home, delivery, [*receipts[::-1], receipts[0]]) == 2
    assert await taken(home, delivery, receipts) == 0
    await home.settle()
    assert (await log(home)).count("unit.receipt") == 4
    assert await by_mqtt(home, [first, second, *receipts]) == [Verdict.NEW] * 2 + [Verdict.DUPLICATE] * 4
    assert "receipt.rejected" not in await home.settle()
    assert (await home.kinds(delivery)).count("delivery.opened") == 1
    await home.again()


async def by_mqtt(home: DeliveryHouse, receipts: list[str]) -> list[Verdict]:
    entries = [
        Incoming(
            CAR, UNIT, 9, seq, dedupe=receipt_number(seq, text),
            facts=[UnitReceipt(at=home.now, vehicle=CAR, unit=UNIT, receipt=text)],
        )
        for seq, text in enumerate(receipts, 1)
    ]  # fmt: skip
    return await ingest(home.store, PARTITION, entries, now=home.now)


async def test_a_late_receipt_resolves_what_had_ended(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    receipts = await written(home, delivery, *LIFE)
    await home.later(timedelta(hours=5))
    assert await home.state(delivery) is State.EXPIRED
    assert await taken(home, delivery, receipts) == 4
    await home.settle()
    assert await home.state(delivery) is State.CLOSED


async def test_only_the_assigned_device_brings(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    receipts = await written(home, delivery, "consumed")
    other, jkt = await home.new_courier(Device(), "Pat")
    for device in (replace(home.device, courier=other, jkt=jkt), replace(home.device, jkt=jkt)):
        with pytest.raises(NoSuchDelivery):
            await home.desk.brought.take(device, delivery, receipts)
    assert "unit.receipt" not in await log(home)


async def test_what_the_car_did_not_sign_for_this_delivery_is_refused_and_nobody_is_blamed(
    home: DeliveryHouse,
) -> None:
    delivery, other = await home.keyed(), await home.keyed()
    stranger = Receipting(SigningKey.draw())
    good = await written(home, delivery, "consumed")
    spoiled = good[0][:-6] + "AAAAAA"
    wrong = [
        await written(home, delivery, "consumed", by=stranger),
        await written(home, other, "consumed"),
        [home.unit.write("locked", iss=UNIT)],
        [spoiled],
        [*good, spoiled],
        ["a.b.c"],
        await written(home, delivery, "opened", iss="vu_3k7m9qxd4hwe2a5v"),
    ]
    before = await log(home)
    for receipts in wrong:
        with pytest.raises(NotReceipts):
            await taken(home, delivery, receipts)
    assert await log(home) == before
    assert "receipt.rejected" not in await home.settle()


async def test_a_unit_in_quarantine_is_not_believed(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    receipts = await written(home, delivery, *LIFE)
    await Standing(home.store).quarantine(UNIT, reason="fork", now=home.now)
    with pytest.raises(UnitNotTrusted):
        await taken(home, delivery, receipts)


async def test_phones_never_use_up_the_room_of_the_car(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    home.unit.write("locked", iss=UNIT)
    refused = await written(home, delivery, *["refused"] * 40, code="stale_trust")
    assert await taken(home, delivery, refused[:16]) == 16
    assert await taken(home, delivery, refused[16:32]) == 16
    await home.settle()
    with pytest.raises(ReceiptsWait):
        await taken(home, delivery, refused[32:34])
    assert "receipt.rejected" not in await home.settle()


@pytest.fixture
async def client(home: DeliveryHouse) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(api_brought.routes(home.desk), prefix="/v1")
    token = (
        await home.people.people.courier_tokens.sign_in(
            home.phone.sign_in(home.courier, home.now), now=home.now
        )
    ).token
    headers = {"Authorization": f"Bearer {token}"}
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as made:
        yield made


async def test_over_the_api(home: DeliveryHouse, client: httpx.AsyncClient) -> None:
    delivery = await home.keyed()
    receipts, path = await written(home, delivery, *LIFE), f"/v1/courier/jobs/{delivery}/receipts"
    assert (await client.post(path, json={"receipts": receipts})).json() == {"taken": 4, "known": 0}
    assert (await client.post(path, json={"receipts": receipts})).json() == {"taken": 0, "known": 4}
    assert (
        await client.post(path, json={"receipts": receipts}, headers={"Authorization": ""})
    ).status_code == 401
    # one time in 32 its id ends with the letter that is put there
    other = f"/v1/courier/jobs/{delivery[:-1]}{'y' if delivery.endswith('z') else 'z'}/receipts"
    assert (await client.post(other, json={"receipts": receipts})).status_code == 404
    for _ in range(8):
        await client.post(path, json={"receipts": receipts})
    slow = await client.post(path, json={"receipts": receipts})
    assert slow.status_code == 429
    assert 0 < int(slow.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    "body",
    [{}, {"receipts": []}, {"receipts": ["a.b.c"] * 17}, {"receipts": ["a.b"]}, {"receipts": ["x" * 4097]},
     {"receipts": [1]}, {"receipts": ["a.b.c"], "more": 1}, {"receipts": ["ä.b.c"]}, [], None],
)  # fmt: skip
async def test_other_bodies_do_not_fit(home: DeliveryHouse, client: httpx.AsyncClient, body: Any) -> None:
    delivery = await home.keyed()
    answer = await client.post(f"/v1/courier/jobs/{delivery}/receipts", json=body)
    assert answer.status_code == 422
