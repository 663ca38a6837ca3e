"""Standing approvals: what a rule lets in and what it does not, how often, and what is kept of it."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from delivery.gesture import behind
from delivery.model import Parcel, Window
from delivery.place import Circle, Point
from delivery.questions import Question
from delivery.rules import Rules
from delivery.standing import Standing
from delivery.states import State
from keys.car.assertions import hash_of_json
from keys.car.jwk import unb64
from keys.car.jws import RECORD, read
from keys.car.owner_keys import PairedKey, PairedKeys
from people.mail_links import MailKind
from people.model import Role
from spine.facts.vehicle import UnitReceipt
from spine.ids import DeliveryId
from spine.store import Change, Write
from tests.people_signing import Device
from tests.service import passkey_hands as hands
from tests.service.delivery_house import CAR, HOUR, MINUTE, SPOT, UNIT, DeliveryHouse, home, house_of_people
from tests.service.passkey_owner import Scene
from tests.service.test_delivery_api import Web, web
from tests.service.test_delivery_prompts import letter, second

__all__ = ["home", "house_of_people", "web"]

PLACE = Circle(centre=SPOT, radius=80)
WEEK = {
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "start": "08:00",
    "end": "17:00",
    "zone": "Europe/Berlin",
}
PATH = f"/owner/cars/{CAR}/standing"


@pytest.fixture
async def scene(web: Web) -> Scene:
    """An owner with a passkey, a car that stands at its place, a courier of more than a day. It is Tuesday, 9:00 UTC."""
    made = Scene(web, hands.key())
    await made.has_passkey()
    home = made.home
    await home.desk.owner.set_rules(home.owner, CAR, Rules(place=PLACE, cabin=True), if_match="*")
    home.clock.advance(timedelta(hours=24))
    await home.stands_at(SPOT)
    await web.sign_in()
    return made


def wish(home: DeliveryHouse, **changes: Any) -> dict[str, Any]:
    return {"carrier": home.carrier, "place": PLACE.model_dump(mode="json"), "hours": WEEK, **changes}


async def allow(scene: Scene, *, kept: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """The owner makes a rule with the passkey; ``kept`` gets what that signed."""
    wanted = wish(scene.home, **changes)
    asked = await scene.web.call("POST", f"{PATH}/challenge", wanted, by=scene.web.owner)
    assert asked.status_code == 200, asked.text
    signed = scene.hand.answer(unb64(asked.json()["options"]["challenge"]), person=scene.home.owner)
    if kept is not None:
        kept.update(signed)
    made = await scene.web.call("POST", PATH, {"wish": wanted, "assertion": signed}, by=scene.web.owner)
    assert made.status_code == 200, made.text
    rule: dict[str, Any] = made.json()
    await scene.home.settle()
    return rule


async def placed(scene: Scene, **changes: Any) -> DeliveryId:
    """An order by the courier of a day, for two hours from now."""
    home = scene.home
    scene.orders += 1
    wanted = {
        "courier": home.courier,
        "window": Window(start=home.now, end=home.now + 2 * HOUR),
        "parcels": (Parcel(reference=f"S-{scene.orders}"),),
        **changes,
    }
    delivery = await home.place(await home.address(), **wanted)
    await home.settle()
    return delivery


async def test_a_rule_lets_a_delivery_in_and_the_owner_is_told(scene: Scene) -> None:
    home = scene.home
    rule = await allow(scene)
    delivery = await placed(scene)
    read = await home.read(delivery)
    assert read.state is State.KEYED
    assert read.body.approval is not None
    assert (read.body.approval.level, read.body.approval.by) == ("standing", home.owner)
    question = await home.desk.deciding.question(read)
    assert question is not None
    assert question.decided is not None
    assert question.decided.source == f"standing:{rule['id']}"
    kinds = await home.kinds(delivery)
    assert kinds.index("delivery.approved") == kinds.index("delivery.asked") + 1
    told = [
        one
        for one in home.post.queued.values()
        if one.person == home.owner and one.type == "delivery.approved"
    ]
    assert [one.interactive for one in told] == [True]
    assert "delivery.asked" not in home.post.types(home.owner)
    await home.desk.owner.block(home.owner, delivery)
    await home.settle()
    assert await home.state(delivery) is State.BLOCKED
    await home.again()


async def test_the_evidence_names_the_gesture_behind_a_yes_and_behind_a_rule(scene: Scene) -> None:
    home, given = scene.home, dict[DeliveryId, bytes]()
    asked = await scene.ask(courier=home.courier)
    signed = await scene.signed(asked)
    assert (await scene.by_link(asked, assertion=signed)).status_code == 200
    given[asked.delivery] = json.dumps(signed).encode()
    allowed = dict[str, Any]()
    await allow(scene, kept=allowed)
    by_rule = await placed(scene)
    given[by_rule] = json.dumps(allowed).encode()
    await home.settle()
    hashes = set()
    for delivery, gesture in given.items():
        [kept] = (await home.keys.evidence_of(delivery)).approvals
        hashes.add(read(kept, RECORD).claims["assertion"])
        assert hash_of_json(gesture) in hashes
        question = await home.desk.deciding.question(await home.read(delivery))
        assert question is not None
        assert question.decided is not None
        assert behind(question.decided) is not None
    assert len(hashes) == 2


async def test_the_mail_of_it_blocks_by_a_button_and_never_by_looking(scene: Scene) -> None:
    home, web = scene.home, scene.web
    await allow(scene)
    ben = await second(home)
    delivery = await placed(scene)
    tokens = {}
    for person in (home.owner, ben):
        said = await letter(home, "delivery.approved", person)
        assert said.link is not None
        assert (said.link.page, said.link.label) == ("/block", "Look, and block it")
        url = await home.desk.deciding.mint(said.link)
        tokens[person] = url.partition("/block#")[2]
    mine = tokens[ben]
    page = await web.client.get("/block")
    assert (page.status_code, "/delivery/block.js" in page.text) == (200, True)
    looked = await web.call("POST", "/questions/open", {"token": mine})
    assert (looked.status_code, looked.json()["can_block"], looked.json()["level"]) == (200, True, "standing")
    assert await home.state(delivery) is State.KEYED
    answer = {"token": mine, "decision": "approve", "shown": looked.json()["shown"]}
    assert (
        await web.call("POST", "/questions/decide", answer)
    ).status_code == 410  # it blocks, and nothing else
    assert (await web.call("POST", "/questions/challenge", {"token": mine})).status_code == 410
    for _ in range(2):
        blocked = await web.call("POST", "/questions/block", {"token": mine})
        assert (blocked.status_code, blocked.json()["state"]) == (200, "blocked")
    await home.settle()
    assert (await home.kinds(delivery)).count("delivery.blocked") == 1
    assert (await web.call("POST", "/questions/open", {"token": tokens[home.owner]})).json()[
        "can_block"
    ] is False
    assert (await letter(home, "delivery.approved")).link is None  # nothing is left to block
    unknown = await web.call("POST", "/questions/block", {"token": mine[:-4] + "AAAA"})
    assert (unknown.status_code, unknown.json()["code"]) == (410, "question.link")


async def test_a_question_s_link_does_not_block_and_a_block_link_dies_with_its_mail(scene: Scene) -> None:
    home, people = scene.home, scene.home.people.people
    asked = await scene.ask()
    assert (await scene.web.call("POST", "/questions/block", {"token": asked.token})).status_code == 410
    await allow(scene)
    delivery = await placed(scene)
    said = await letter(home, "delivery.approved")
    assert said.link is not None
    await people.changes.ask(home.owner, "owner@new.example", now=home.now)
    await people.changes.prove(await home.people.follow(home.owner, MailKind.EMAIL_CONFIRM), now=home.now)
    await home.people.show("EFGH2345")
    await people.changes.show_presence(home.owner, "EFGH2345", now=home.now)
    token = (await home.desk.deciding.mint(said.link)).partition("#")[2]  # written before, made after
    assert (await scene.web.call("POST", "/questions/block", {"token": token})).status_code == 410
    assert await home.state(delivery) is State.KEYED


async def test_what_no_rule_lets_in(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    fresh, _ = await home.new_courier(Device(), "Kim")
    window = Window(start=home.now, end=home.now + 2 * HOUR)
    evening = Window(start=home.now + 6 * HOUR, end=home.now + 7 * HOUR)
    saturday = Window(start=home.now + timedelta(days=4), end=home.now + timedelta(days=4, hours=1))
    for changes in (
        {"courier": None, "window": window},
        {"courier": fresh},
        {"window": Window(start=home.now, end=home.now + 2 * HOUR + timedelta(seconds=1))},
        {"window": evening},
        {"window": saturday},
        {"act": "cabin"},
    ):
        delivery = await placed(scene, **changes)
        assert await home.state(delivery) is State.ASKED, changes


async def test_nor_at_another_place_than_the_rule_s(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    elsewhere = Circle(centre=Point(lat=52.4, lon=4.9), radius=80)
    await home.desk.owner.set_rules(home.owner, CAR, Rules(place=elsewhere), if_match="*")
    assert await home.state(await placed(scene)) is State.ASKED


async def test_twice_a_day_however_many_come_at_once(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    made = []
    for n in range(4):
        order = {"courier": home.courier, "window": Window(start=home.now, end=home.now + HOUR)}
        made.append(await home.place(await home.address(), parcels=(Parcel(reference=f"R-{n}"),), **order))
    asking = home.desk.asking
    await asyncio.gather(*(asking.begin(one, "0-1") for one in made))
    states = [await home.state(one) for one in made]
    assert sorted(states) == [State.APPROVED, State.APPROVED, State.ASKED, State.ASKED]
    await home.settle()
    home.clock.advance(timedelta(hours=24, seconds=1))
    assert await home.state(await placed(scene)) is State.KEYED


async def test_a_car_that_wants_its_owner_s_signature_is_asked(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    paired = PairedKeys(required=True, keys=(PairedKey.of(scene.hand.pairing()),))
    receipt = home.unit.write("owner_key_changed", iss=UNIT, owner=paired.state)
    await home.tell(UnitReceipt(at=home.now, vehicle=CAR, unit=UNIT, receipt=receipt))
    await home.settle()
    delivery = await placed(scene)
    assert await home.state(delivery) is State.ASKED
    assert "delivery.owner_keys_changed" in home.post.types(home.owner)


async def test_only_with_a_passkey_over_this_very_wish(scene: Scene) -> None:
    home = scene.home
    bare = await scene.web.call("POST", PATH, {"wish": wish(home)}, by=scene.web.owner)
    assert (bare.status_code, bare.json()["code"]) == (403, "approval.level_too_low")
    asked = await scene.web.call("POST", f"{PATH}/challenge", wish(home), by=scene.web.owner)
    signed = scene.hand.answer(unb64(asked.json()["options"]["challenge"]), person=home.owner)
    other = wish(home, hours={**WEEK, "end": "23:00"})
    widened = await scene.web.call("POST", PATH, {"wish": other, "assertion": signed}, by=scene.web.owner)
    assert (widened.status_code, widened.json()["code"]) == (403, "passkey.refused")
    good = {"wish": wish(home), "assertion": signed}
    made = await scene.web.call("POST", PATH, good, by=scene.web.owner)
    assert made.json() == (await scene.web.call("POST", PATH, good, by=scene.web.owner)).json()
    path = f"{PATH}/{made.json()['id']}"
    assert (await scene.web.call("DELETE", path, by=scene.web.owner)).status_code == 204
    replayed = await scene.web.call("POST", PATH, good, by=scene.web.owner)
    assert (replayed.status_code, replayed.json()["code"]) == (403, "passkey.refused")
    assert (await scene.web.call("DELETE", path, by=scene.web.owner)).status_code == 404
    assert await home.state(await placed(scene)) is State.ASKED
    await home.settle()
    types = home.post.types(home.owner)
    assert (types.count("delivery.standing_made"), types.count("delivery.standing_ended")) == (1, 1)


async def test_not_by_a_driver_or_stranger(scene: Scene) -> None:
    home = scene.home
    stranger = await home.people.session(await home.people.person("stranger@example.org"))
    for method, path, body in (
        ("GET", PATH, None), ("POST", PATH, {"wish": wish(home)}), ("POST", f"{PATH}/challenge", wish(home)),
        ("GET", f"/owner/cars/{CAR}/barred", None), ("DELETE", f"/owner/cars/{CAR}/barred/{home.carrier}", None),
    ):  # fmt: skip
        assert (await scene.web.call(method, path, body, by=stranger)).status_code == 403
    nonsense: list[dict[str, Any]] = [
        {"zone": "Nowhere/Land"}, {"start": "25:00"}, {"start": "17:00"}, {"days": []}, {"days": ["x"]},
        {"zone": "../../etc/passwd"},
    ]  # fmt: skip
    for change in nonsense:
        wrong = wish(home, hours={**WEEK, **change})
        answer = await scene.web.call("POST", f"{PATH}/challenge", wrong, by=scene.web.owner)
        assert answer.status_code == 422, change


async def test_it_ends_with_its_owner_s_role(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    delivery = await placed(scene)
    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    await home.settle()
    assert await home.state(delivery) is State.BLOCKED
    new = await home.people.owner("new@example.org", "WXYZ6789")
    await home.people.choose_link(new)
    assert await home.desk.beforehand.rules(new, CAR) == ()
    role = await home.people.people.cars.role_of(new, CAR, now=home.now)
    assert role is not None
    assert role.role is Role.OWNER


async def test_it_ends_with_the_passkey_that_made_it(scene: Scene) -> None:
    home, people = scene.home, scene.home.people.people
    rule = await allow(scene)
    (made,) = await people.passkeys.all_of(home.owner)
    other = hands.key()
    who = await hands.prove(home.people, await hands.session(home.people, home.owner), scene.hand)
    await hands.register(home.people, who, other)
    await people.passkeys.remove(home.owner, who.session, made.id, now=home.now)
    delivery = await home.place(
        await home.address(), courier=home.courier, window=Window(start=home.now, end=home.now + 2 * HOUR)
    )
    await home.desk.asking.begin(delivery, "0-1")  # before the log has told of the passkey
    assert await home.state(delivery) is State.ASKED
    await home.settle()
    assert await home.desk.beforehand.rules(home.owner, CAR) == ()
    ended = [one.fact for one in home.seen if one.kind == "standing.ended"]
    assert [(one.rule, one.by, one.reason) for one in ended] == [(rule["id"], home.owner, "passkey_removed")]  # type: ignore[union-attr]
    said = await letter(home, "delivery.standing_ended")
    assert "passkey that made this standing approval was removed" in said.paragraphs[0]
    await home.again()


async def test_it_ends_with_a_recovery(scene: Scene) -> None:
    home, people = scene.home, scene.home.people.people
    await allow(scene)
    await people.recoveries.ask(home.owner, now=home.now)
    home.clock.advance(people.limits.recovery_wait)
    await home.people.fire("rcv")
    await home.settle()
    assert await home.desk.beforehand.rules(home.owner, CAR) == ()
    assert home.post.types(home.owner).count("delivery.standing_ended") == 1
    assert await home.state(await placed(scene)) is State.ASKED


async def rested(scene: Scene) -> Any:
    listed = await scene.web.call("GET", PATH, by=scene.web.owner)
    return listed.json()[0]["rests"]


async def lifted(scene: Scene) -> None:
    home = scene.home
    who = await hands.prove(home.people, await hands.session(home.people, home.owner), scene.hand)
    await home.desk.beforehand.lift(who.id, CAR, home.carrier)
    await home.settle()


async def test_it_rests_once_its_carrier_was_frozen_until_the_owner_lifts_it(scene: Scene) -> None:
    home, carriers = scene.home, scene.home.people.people.carriers
    await allow(scene)
    assert await rested(scene) is None
    home.clock.advance(MINUTE)
    await carriers.freeze(home.carrier, now=home.now)
    await home.settle()
    home.clock.advance(MINUTE)
    await carriers.thaw(home.carrier, now=home.now)
    await home.settle()
    assert await rested(scene) == "frozen"
    assert await home.state(await placed(scene)) is State.ASKED
    home.clock.advance(MINUTE)
    await lifted(scene)
    assert home.post.types(home.owner).count("delivery.carrier_lifted") == 1
    assert await rested(scene) is None
    assert await home.state(await placed(scene)) is State.KEYED
    await lifted(scene)  # nothing rests: nothing to lift
    assert home.post.types(home.owner).count("delivery.carrier_lifted") == 1
    home.clock.advance(MINUTE)
    await carriers.freeze(home.carrier, now=home.now)
    assert await rested(scene) == "frozen"


async def test_it_rests_once_its_carrier_came_in_vain_until_the_owner_lifts_it(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    for _ in range(2):
        delivery = await placed(scene)
        assert await home.state(delivery) is State.KEYED
        home.clock.advance(MINUTE)
        await home.desk.carrier.cancel(home.carrier, delivery)
        await home.settle()
    assert "delivery.carrier_doubted" in home.post.types(home.owner)
    assert await rested(scene) == "doubted"
    home.clock.advance(timedelta(hours=24))
    await home.stands_at(SPOT)
    assert await home.state(await placed(scene)) is State.ASKED
    await lifted(scene)
    assert await home.state(await placed(scene)) is State.KEYED


async def test_it_rests_once_somebody_said_not_me(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    delivery = await placed(scene, act="cabin")
    await home.decide(delivery, "decline", not_me=True)
    await home.settle()
    assert await rested(scene) == "not_me"
    assert await home.state(await placed(scene)) is State.UNUSABLE
    await lifted(scene)
    assert await rested(scene) is None


async def test_the_record_is_judged_alone(scene: Scene) -> None:
    home = scene.home
    await allow(scene)
    delivery = await placed(scene)
    read = await home.read(delivery)
    saved = await home.store.load(read.body.question or "")
    kept = Question.of(saved)
    assert kept is not None
    assert kept.decided is not None
    rule = Standing.model_validate_json(kept.decided.record["rule"])
    wider = rule.but(wish=rule.wish.but(hours=rule.wish.hours.but(end="23:59")))
    forged: list[dict[str, str]] = [
        {"rule": wider.model_dump_json()},
        {"rule": rule.but(by="per_3zzzzzzzzzzzzzzz").model_dump_json()},
        {"rule": "{}"},
        {"enrolled_at": home.now.isoformat()},
        {"enrolled_at": "soon"},
        {"courier": "cou_3zzzzzzzzzzzzzzz"},
    ]
    assert await home.desk.deciding.stands(delivery)
    for change in forged:
        decided = kept.decided.but(record={**kept.decided.record, **change})
        write = Write("approve", kept.but(decided=decided).model_dump_json())
        await home.store.change([saved.id], lambda _, write=write: Change({saved.id: write}))
        assert not await home.desk.deciding.stands(delivery), change
