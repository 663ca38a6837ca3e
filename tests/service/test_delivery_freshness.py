"""News for a challenge on their way through a delivery, and the owner's choice how old they may be."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from delivery.freshness import NewsMissing
from delivery.model import Window
from delivery.problems import NoKey, NoSuchDelivery, OtherDecision, TooOften
from delivery.states import State
from keys.car.claims import DEFAULT_FRA, MAX_FRA, FreshClaims
from keys.car.jws import FRESH, KEY, RECORD, SigningKey, read
from keys.car.proof import make_proof
from keys.problems import BadNonce, KeyOver
from spine.facts.delivery import DeliveryApproved
from spine.facts.vehicle import CommandCreated, UnitReceipt
from spine.ids import DeliveryId, UnitId, VehicleId
from spine.store import Change, Write
from tests.service.delivery_house import CAR, HERE, UNIT, DeliveryHouse, home, house_of_people
from tests.service.test_delivery_api import Web, web
from tests.service.test_delivery_deciding import digest

__all__ = ["home", "house_of_people", "web"]

NONCE = "A" * 42 + "E"


def asking(home: DeliveryHouse, *, fresh: bool, given: list[Mapping[str, Any]]) -> Any:
    """A car whose challenge asks for news or not; what it is presented with is noted."""

    async def answers(created: CommandCreated) -> None:
        if created.op == "challenge":
            await home.result(created.command, "done", challenge=NONCE, fresh=fresh)
            return
        body = json.loads((await home.store.load(created.command)).body)
        given.append(body["args"])
        assert created.delivery is not None
        await home.receipts(created.delivery, "consumed", "opened")
        await home.result(created.command, "done", "opened")

    return answers


async def proof(home: DeliveryHouse, delivery: DeliveryId, challenge: str = NONCE) -> str:
    token = await home.desk.courier.key(home.device, delivery)
    key = SigningKey.of(home.phone.key)
    return make_proof(key, key_token=token, challenge=challenge, unit=UNIT, act="open:trunk", now=home.now)


async def claims_of(home: DeliveryHouse, delivery: DeliveryId) -> Mapping[str, Any]:
    return read(await home.desk.courier.key(home.device, delivery), KEY).claims


async def tapped(home: DeliveryHouse, delivery: DeliveryId, *, fresh: bool) -> Mapping[str, Any]:
    given: list[Mapping[str, Any]] = []
    signed = await proof(home, delivery)
    async with home.living(asking(home, fresh=fresh, given=given)):
        challenge, _ = await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
        assert challenge == NONCE
        answer = await home.desk.at_the_car.open(home.device, delivery, signed, wait=5)
    assert answer.outcome == "opened"
    (args,) = given
    return args


# ---- the tap


async def test_a_tap_brings_what_the_challenge_asked_for(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    args = await tapped(home, delivery, fresh=True)
    news = FreshClaims.of(read(args["fresh"], FRESH).claims)
    assert (news.nonce, news.aud, news.last) == (NONCE, UNIT, 1)
    kinds = [entry.kind for entry in home.seen]
    assert kinds.index("fresh.signed") < kinds.index("delivery.opening")  # before the tap, not during it
    await home.again()


async def test_a_challenge_that_asks_for_nothing_gets_nothing(home: DeliveryHouse) -> None:
    args = await tapped(home, await home.arrived(), fresh=False)
    assert "fresh" not in args
    assert "fresh.asked" not in [entry.kind for entry in home.seen]


async def test_another_process_brings_them_too(home: DeliveryHouse) -> None:
    """What one ``api`` had signed at the challenge is found by the one that gets the tap."""
    delivery = await home.arrived()
    signed, given = await proof(home, delivery), list[Mapping[str, Any]]()
    async with home.living(asking(home, fresh=True, given=given)):
        await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
        home.desk.at_the_car._ahead._kept.clear()
        await home.desk.at_the_car.open(home.device, delivery, signed, wait=5)
    assert "fresh" in given[0]


async def test_news_for_another_challenge_are_not_brought(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    signed, given = await proof(home, delivery, "B" * 42 + "E"), list[Mapping[str, Any]]()
    async with home.living(asking(home, fresh=True, given=given)):
        await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
        await home.desk.at_the_car.open(home.device, delivery, signed, wait=5)
    assert "fresh" not in given[0]


async def test_where_nobody_signs_the_courier_is_told_and_nothing_was_opened(
    home: DeliveryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, news = await home.arrived(), home.desk.at_the_car._news
    home.keys.fresh._signing, obtain = None, news.obtain

    async def soon_given_up(vehicle: VehicleId, unit: UnitId, challenge: str, *, wait: float) -> str:
        assert wait == 60
        return await obtain(vehicle, unit, challenge, wait=0.3)

    # The car does answer, and is waited for as long as that takes; only for the signature that never comes, briefly.
    monkeypatch.setattr(news, "obtain", soon_given_up)
    async with home.living(asking(home, fresh=True, given=[])):
        with pytest.raises(NewsMissing) as told:
            await home.desk.at_the_car.challenge(home.device, delivery, wait=60)
    assert (told.value.try_again, told.value.may_have_happened) == (True, False)


# ---- the phone of a courier at a car without network


async def test_the_phone_of_a_live_key_gets_news(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    async with home.living():
        signed = await home.desk.away.fresh(home.device, delivery, NONCE, wait=5)
        assert await home.desk.away.fresh(home.device, delivery, NONCE, wait=5) == signed
    assert read(signed, FRESH).claims["nonce"] == NONCE
    with pytest.raises(BadNonce):
        await home.desk.away.fresh(home.device, delivery, "x", wait=0)


async def test_nobody_else_gets_any(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    other = replace(home.device, jkt="another")
    with pytest.raises(NoSuchDelivery):
        await home.desk.away.fresh(other, delivery, NONCE, wait=0)
    with pytest.raises(NoSuchDelivery):
        await home.desk.away.fresh(home.device, await home.asked(courier=home.courier), NONCE, wait=0)
    key = (await home.read(delivery)).body.key
    assert key is not None
    await home.keys.revoke(key.key, reason="test", now=home.now)
    with pytest.raises(KeyOver):
        await home.desk.away.fresh(home.device, delivery, NONCE, wait=0)
    home.keys.fresh._signing = None
    await home.settle()
    assert "fresh.asked" not in [entry.kind for entry in home.seen]


async def test_no_key_no_news(home: DeliveryHouse) -> None:
    early = {"start": home.now + timedelta(hours=20), "end": home.now + timedelta(hours=22)}
    delivery = await home.approved(courier=home.courier, window=Window(**early))
    with pytest.raises(NoKey):
        await home.desk.away.fresh(home.device, delivery, NONCE, wait=0)


async def test_not_too_often(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    most = home.desk.deliveries.limits.challenges_most
    for n in range(most):
        with pytest.raises(NewsMissing):
            await home.desk.away.fresh(home.device, delivery, f"{n:042d}E", wait=0)
    with pytest.raises(TooOften):
        await home.desk.away.fresh(home.device, delivery, NONCE, wait=0)


async def test_over_http(web: Web) -> None:
    home = web.home
    delivery = await home.keyed()
    await web.sign_in()
    path = f"/courier/jobs/{delivery}/fresh"
    async with home.living():
        told = await web.call("POST", path, {"challenge": NONCE}, by=web.courier, Prefer="wait=5")
    assert told.status_code == 200
    assert read(told.json()["fresh"], FRESH).claims["nonce"] == NONCE
    assert (await web.call("POST", path, {"challenge": "short"}, by=web.courier)).status_code == 422
    assert (await web.call("POST", path, {"challenge": NONCE})).status_code == 401
    assert (await web.call("POST", path, {"challenge": NONCE}, by=web.owner)).status_code in {401, 403}
    elsewhere = path.replace(delivery, "dlv_3zzzzzzzzzzzzzzz")
    assert (await web.call("POST", elsewhere, {"challenge": NONCE}, by=web.courier)).status_code == 404


# ---- the owner's choice


@pytest.mark.parametrize(
    ("chosen", "claimed"), [(None, None), (DEFAULT_FRA, None), (MAX_FRA, MAX_FRA), (0, 0)]
)
async def test_the_choice_goes_from_the_answer_into_the_key(
    home: DeliveryHouse, chosen: int | None, claimed: int | None
) -> None:
    delivery = await home.asked(courier=home.courier)
    read_ = await home.decide(delivery, fra=chosen)
    await home.settle()
    assert read_.body.approval is not None
    assert read_.body.approval.fra == claimed
    assert (await claims_of(home, delivery)).get("fra") == claimed
    fact = next(entry.fact for entry in home.seen if isinstance(entry.fact, DeliveryApproved))
    assert fact.fra == claimed
    kept = await home.keys.evidence_of(delivery)
    assert read(kept.approvals[0], RECORD).claims.get("fra") == claimed
    assert await home.desk.deciding.stands(delivery, fra=claimed)
    assert not await home.desk.deciding.stands(delivery, fra=3_600)
    await home.again()


async def test_what_was_shown_says_what_may_be_chosen(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    _, question, _ = await home.desk.deciding.open(await home.link(delivery))
    assert question.content()["news"] == {"default_s": 600, "longest_s": 86_400}


async def test_the_choice_cannot_be_changed_by_answering_again(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    token, (_, shown) = await home.link(delivery), await digest(home, delivery)
    await home.desk.deciding.by_link(token, "approve", shown)
    await home.desk.deciding.by_link(token, "approve", shown, fra=DEFAULT_FRA)  # the same in other words
    with pytest.raises(OtherDecision):
        await home.desk.deciding.by_link(token, "approve", shown, fra=MAX_FRA)


async def test_a_decline_chooses_nothing(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    await home.decide(delivery, "decline", fra=MAX_FRA)
    question = await home.desk.deciding.question(await home.read(delivery))
    assert question is not None
    assert question.decided is not None
    assert question.decided.fra is None


async def test_no_key_is_signed_for_older_news_than_were_approved(home: DeliveryHouse) -> None:
    """The delivery was tampered with after the answer; the question was not."""
    delivery = await home.asked()
    read_ = await home.decide(delivery)
    assert read_.body.approval is not None
    saved = await home.store.load(delivery)
    body = json.loads(saved.body)
    body["approval"]["fra"] = MAX_FRA
    tampered = Write(saved.state, json.dumps(body), wake_at=saved.wake_at)
    await home.store.change([delivery], lambda _: Change({delivery: tampered}))
    courier = home.courier
    await home.desk.carrier.assign(home.carrier, delivery, courier)
    await home.settle()
    kinds = [entry.kind for entry in home.seen]
    assert "key.issued" in kinds
    assert "key.signed" not in kinds


async def test_over_http_by_owner_and_link(web: Web) -> None:
    home = web.home
    await web.sign_in()
    for how in ("session", "link"):
        delivery = await home.asked(courier=home.courier)
        _, shown = await digest(home, delivery)
        answer = {"decision": "approve", "shown": shown, "fra": MAX_FRA}
        if how == "session":
            path, by = f"/owner/deliveries/{delivery}/decision", web.owner
        else:
            path, by, answer = "/questions/decide", "", {**answer, "token": await home.link(delivery)}
        for wrong in (MAX_FRA + 1, -1, "long"):
            assert (await web.call("POST", path, {**answer, "fra": wrong}, by=by)).status_code == 422
        assert (await web.call("POST", path, answer, by=by)).status_code == 200
        assert (await home.read(delivery)).body.approval.fra == MAX_FRA  # type: ignore[union-attr]


async def test_who_wants_younger_news_than_usual_has_them_at_every_tap(home: DeliveryHouse) -> None:
    delivery = await home.asked(courier=home.courier)
    await home.decide(delivery, fra=0)
    await home.settle()
    await home.desk.courier.set_out(home.device, delivery)
    await home.desk.courier.arrive(home.device, delivery, HERE)
    await home.settle()
    assert "fresh" in await tapped(home, delivery, fresh=False)


# ---- a car that lost its memory


@pytest.mark.parametrize("code", ["stale_trust", "already_used"])
async def test_after_amnesia_the_same_delivery_goes_on_with_another_key(
    home: DeliveryHouse, code: str
) -> None:
    """Whatever the car says of the old key once it has forgotten: the number is burnt, not the approval."""
    delivery = await home.arrived()
    first = (await home.read(delivery)).body.key
    assert first is not None
    view = await home.keys.view(first.key)
    await home.start(delivery)
    about = {"iss": UNIT, "jti": view.jti, "seq": view.seq, "dlv": delivery, "code": code}
    receipts = [
        home.unit.write("revoked", iss=UNIT, rev=1, code="amnesia", gen=1_900_000_000, floor=2),
        home.unit.write("refused", **about),
    ]
    await home.tell(
        *[UnitReceipt(at=home.now, vehicle=CAR, unit=UNIT, receipt=receipt) for receipt in receipts]
    )
    await home.settle()
    assert await home.state(delivery) is State.OPENING
    await home.result(f"cmd_{delivery[4:]}.1.open", "refused", "stale_trust")
    await home.settle()
    after = await home.read(delivery)
    assert after.state is State.ARRIVED
    assert after.body.key is not None
    assert (after.body.key.n, after.body.key.dead) == (2, False)
    assert (await claims_of(home, delivery))["seq"] == 2
    await home.again()
