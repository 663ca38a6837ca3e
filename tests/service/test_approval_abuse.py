"""Approval abuse, over the routes and the real store: every row of the table that ``tests.approval_abuse`` prints."""

import asyncio
from typing import Any

import httpx
import pytest

from delivery.model import Window
from delivery.questions import Question
from delivery.states import State
from spine.store import Change, Write
from tests.approval_abuse import record
from tests.people_signing import Device
from tests.service import passkey_hands as hands
from tests.service.delivery_house import CAR, HOUR, MINUTE, DeliveryHouse, home, house_of_people
from tests.service.passkey_owner import Asked, Scene
from tests.service.test_delivery_api import Web, web

__all__ = ["home", "house_of_people", "web"]


@pytest.fixture
def scene(web: Web) -> Scene:
    return Scene(web, hands.key())


def said(answer: httpx.Response) -> str:
    code = answer.json().get("code", "") if answer.status_code >= 400 else ""
    return f"{answer.status_code} {code}".strip()


def mails(home: DeliveryHouse) -> list[str]:
    return home.post.types(home.owner)


async def still_asked(scene: Scene, asked: Asked) -> None:
    assert await scene.home.state(asked.delivery) is State.ASKED
    assert not await scene.home.desk.deciding.stands(asked.delivery)


async def test_a_replayed_decision(scene: Scene) -> None:
    asked = await scene.ask()
    first, again = await scene.by_link(asked), await scene.by_link(asked)
    other = await scene.by_link(asked, "decline")
    await scene.home.settle()
    assert (said(first), said(again), said(other)) == ("200", "200", "409 question.decided")
    assert (await scene.home.kinds(asked.delivery)).count("delivery.approved") == 1
    assert mails(scene.home).count("delivery.approved") == 1
    record(
        "the same decision again; then a different one",
        "200; 409 question.decided",
        "the first one stands, once",
        "approved, once",
    )


async def test_another_owner_s(scene: Scene) -> None:
    asked = await scene.ask()
    stranger = await scene.home.people.person("stranger@example.org")
    answer = await scene.by_session(asked, await scene.home.people.session(stranger))
    assert said(answer) == "404 delivery.not_found"
    await still_asked(scene, asked)
    record("by the owner of another car", said(answer), "still asked; not told that there is such a delivery")


async def test_an_agent_s_or_operator_s(scene: Scene) -> None:
    asked = await scene.ask()
    operator = await scene.home.people.people.operators.make("Ada", now=scene.home.now)
    for token in (operator.text, scene.web.carrier, scene.web.courier):
        assert said(await scene.by_session(asked, token)) == "401 auth.unauthenticated"
        assert said(await scene.web.call("POST", "/questions/decide", {"token": token, "decision": "approve", "shown": asked.shown})) in {"410 question.link", "422 request.invalid"}  # fmt: skip
    await still_asked(scene, asked)
    record(
        "by an operator, agent, carrier or courier",
        "401 auth.unauthenticated",
        "still asked: no route of theirs answers",
    )


async def test_another_courier_than_shown(scene: Scene) -> None:
    home = scene.home
    asked = await scene.ask(courier=home.courier)
    other, _ = await home.new_courier(Device(), "Kim")
    path = f"/deliveries/{asked.delivery}/courier"
    before = await scene.web.call(
        "POST", path, {"courier": other}, by=scene.web.carrier, Idempotency_Key="c1"
    )
    assert (await scene.by_link(asked)).status_code == 200
    await home.settle()
    after = await scene.web.call("POST", path, {"courier": other}, by=scene.web.carrier, Idempotency_Key="c2")
    assert (said(before), said(after)) == ("409 courier.named", "409 courier.named")
    read = await home.read(asked.delivery)
    assert read.body.courier is not None
    swapped = read.body.but(courier=read.body.courier.but(courier=other))
    saved = await home.store.load(asked.delivery)
    write = Write(saved.state, swapped.model_dump_json(exclude_none=True), saved.wake_at)
    await home.store.change([saved.id], lambda _: Change({saved.id: write}))
    assert not await home.desk.deciding.stands(asked.delivery), (
        "and a store that was tampered with makes no key"
    )
    record(
        "for another courier than shown",
        said(after),
        "the courier stays; the signer makes no key for another",
        "approved",
    )


async def test_a_linked_system_where_a_passkey_is_asked(scene: Scene) -> None:
    await scene.has_passkey()
    source, secret = await scene.web.sources.link(scene.home.owner, "My app")
    asked = await scene.ask()
    answer = await scene.by_system(asked, source.id, secret, "msg_1")
    problem = answer.json()
    assert said(answer) == "403 approval.level_too_low"
    assert problem["needed"] == "passkey"
    assert "new_carrier" in problem["why"]
    assert 'error="insufficient_user_authentication"' in answer.headers["www-authenticate"]
    await still_asked(scene, asked)
    await scene.approved()
    repeat = await scene.ask()
    assert said(await scene.by_system(repeat, source.id, secret, "msg_2")) == "200"
    record(
        "by a linked system where a passkey is asked", said(answer), "still asked; a repeat it may approve"
    )


async def test_a_mail_link_once_a_passkey_exists(scene: Scene) -> None:
    asked = await scene.ask()
    await scene.has_passkey()
    answer = await scene.by_link(asked)
    assert said(answer) == "403 approval.level_too_low"
    await still_asked(scene, asked)
    await scene.approved()
    repeat = await scene.ask()
    assert (await scene.opened(repeat))["needed"]["level"] == "session"
    assert said(await scene.by_link(repeat)) == "403 approval.level_too_low", "nor a repeat"
    weak = await scene.by_session(repeat, scene.web.owner)
    assert said(weak) == "403 approval.level_too_low", (
        "a mail's session on a new device is no more than the link"
    )
    assert said(await scene.by_link(repeat, "decline")) == "200", "a no needs nothing"
    record("by a mail's link once a passkey exists", said(answer), "still asked; declining works")


async def test_a_session_where_a_passkey_is_asked(scene: Scene) -> None:
    await scene.has_passkey()
    strong = await scene.session("session")
    first = await scene.ask()
    refused = await scene.by_session(first, strong)
    assert said(refused) == "403 approval.level_too_low"
    await scene.by_link(first, assertion=await scene.signed(first))
    await scene.home.settle()
    assert said(await scene.by_session(await scene.ask(), strong)) == "200", "the same again is a repeat"
    window = Window(start=scene.home.now - MINUTE, end=scene.home.now + 3 * HOUR)
    longer = await scene.by_session(await scene.ask(window=window), strong)
    assert (said(longer), longer.json()["why"]) == ("403 approval.level_too_low", ["long"])
    record(
        "by a stolen session where a passkey is asked",
        said(refused),
        "still asked; it may approve what was approved before",
    )


async def test_a_drop_off_is_no_precedent_for_a_pickup(scene: Scene) -> None:
    await scene.has_passkey()
    strong = await scene.session("session")
    await scene.approved()
    fetched = await scene.by_session(await scene.ask(kind="pickup"), strong)
    assert (said(fetched), fetched.json()["why"]) == ("403 approval.level_too_low", ["new_kind", "long"])
    await scene.approved(kind="pickup")
    assert said(await scene.by_session(await scene.ask(kind="pickup"), strong)) == "200"
    assert said(await scene.by_session(await scene.ask(), strong)) == "200"
    record(
        "a pickup by a session, after a delivery was approved",
        said(fetched),
        "still asked; each is a repeat of its own kind only",
    )


async def test_two_different_answers_at_once(scene: Scene) -> None:
    asked = await scene.ask()
    answers = await asyncio.gather(scene.by_link(asked), scene.by_link(asked, "decline"))
    await scene.home.settle()
    assert sorted(map(said, answers)) == ["200", "409 question.decided"]
    kinds = await scene.home.kinds(asked.delivery)
    assert sum(kinds.count(f"delivery.{one}") for one in ("approved", "declined")) == 1
    record(
        "two different answers at once",
        "200 and 409 question.decided",
        "exactly one stands",
        "the one that stands",
    )


async def test_an_expired_link_opened_by_a_scanner(scene: Scene) -> None:
    asked = await scene.ask()
    for _ in range(3):
        page = await scene.web.client.get("/decide")
        assert page.status_code == 200
        assert (await scene.opened(asked))["decided"] is None
    await still_asked(scene, asked)
    await scene.home.later(25 * HOUR)
    late = await scene.opened(asked)
    assert (late["state"], late["decided"], late["needed"]) == ("expired", None, None)
    answer = await scene.by_link(asked)
    assert said(answer) == "410 question.over"
    assert await scene.home.state(asked.delivery) is State.EXPIRED
    record(
        "an expired link opened by a mail scanner, GET and POST",
        "200; deciding: " + said(answer),
        "looking decides nothing; the page says it is over",
    )


async def test_twenty_prompts_in_an_hour(scene: Scene) -> None:
    home, limits = scene.home, scene.home.desk.deliveries.limits
    for _ in range(20):
        asked = await scene.ask()
        home.clock.advance(MINUTE)
    assert mails(home).count("delivery.asked") == limits.prompts_most
    await home.later(HOUR)
    assert mails(home).count("delivery.asked") == limits.prompts_most
    assert mails(home).count("delivery.waiting") == 1
    assert len((await scene.opened(asked))["waiting"]) == 19
    await home.later(HOUR)
    assert mails(home).count("delivery.waiting") == 1
    record(
        "20 prompts in an hour",
        "202 to the carrier",
        "20 questions wait, none is approved",
        "3 mails, then one list",
    )


async def test_an_assertion_for_another_question(scene: Scene) -> None:
    await scene.has_passkey()
    one, other = await scene.ask(), await scene.ask()
    taken = await scene.signed(one)
    answer = await scene.by_link(other, assertion=taken)
    assert said(answer) == "403 passkey.refused"
    await still_asked(scene, other)
    assert said(await scene.by_link(one, assertion=taken)) == "200"
    assert said(await scene.by_link(one, assertion=taken)) == "200", "the same answer again"
    record("an assertion replayed on another question", said(answer), "still asked")


async def test_an_assertion_over_another_decision(scene: Scene) -> None:
    await scene.has_passkey()
    asked = await scene.ask()
    no = await scene.signed(asked, "decline")
    answer = await scene.by_link(asked, assertion=no)
    assert said(answer) == "403 passkey.refused"
    yes = await scene.signed(asked)
    assert said(await scene.by_link(asked, assertion=yes, fra=86_400)) == "403 passkey.refused", (
        "nor for another network"
    )
    await still_asked(scene, asked)
    record("an assertion over another decision", said(answer), "still asked")


async def test_an_assertion_by_a_removed_passkey(scene: Scene) -> None:
    home, second = scene.home, hands.key()
    await scene.has_passkey(second)
    who = await hands.prove(home.people, await hands.session(home.people, home.owner), second)
    made = await hands.register(home.people, who, scene.hand)
    asked = await scene.ask()
    taken = await scene.signed(asked)
    await home.people.people.passkeys.remove(home.owner, who.session, made.id, now=home.now)
    answer = await scene.by_link(asked, assertion=taken)
    assert said(answer) == "403 passkey.refused"
    await still_asked(scene, asked)
    record("an assertion by a removed passkey", said(answer), "still asked")


async def test_an_assertion_by_somebody_else_s_passkey(scene: Scene) -> None:
    await scene.has_passkey()
    asked = await scene.ask()
    theirs = hands.key()
    stranger = await hands.session(scene.home.people, await scene.home.people.person("stranger@example.org"))
    await hands.register(scene.home.people, stranger, theirs)
    bare = {"flags": 0x01}
    for hand, how in ((theirs, {}), (scene.hand, bare), (hands.key(origin="https://evil.example"), {})):
        taken = hand.answer(await scene.challenge(asked), person=scene.home.owner, **how)
        answer = await scene.by_link(asked, assertion=taken)
        assert said(answer) == "403 passkey.refused"
    await still_asked(scene, asked)
    record(
        "an assertion by another's passkey, without user verification, or of another page",
        said(answer),
        "still asked",
    )


async def test_not_me(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    home = scene.home
    asked = await scene.ask()
    answer = await scene.by_link(asked, "decline", not_me=True)
    assert said(answer) == "200"
    await home.settle()
    assert [one.message for one in caplog.records if one.message == "delivery.disowned"]
    assert "delivery.disowned" in mails(home)
    view = await scene.web.call("GET", f"/deliveries/{asked.delivery}", by=scene.web.carrier)
    assert view.json()["state"] == "address_not_usable"
    again = await home.place()
    await home.settle()
    assert await home.state(again) is State.UNUSABLE
    listed = await scene.web.call("GET", f"/owner/cars/{CAR}/barred", by=scene.web.owner)
    assert listed.json()[0]["carrier"] == home.carrier
    path = f"/owner/cars/{CAR}/barred/{home.carrier}"
    assert (await scene.web.call("DELETE", path, by=scene.web.owner)).status_code == 204
    await home.settle()
    await scene.ask()
    assert "delivery.carrier_lifted" in mails(home)
    record(
        "“that was not me”",
        said(answer),
        "declined; the carrier's orders are unusable until the owner lifts it; alarm to the operator",
        "by mail, and how to lift it",
    )


async def test_a_courier_who_comes_again_after_a_no(scene: Scene) -> None:
    home = scene.home
    await scene.by_link(await scene.ask(courier=home.courier), "decline")
    again = await home.place(courier=home.courier)
    await home.settle()
    assert await home.state(again) is State.UNUSABLE
    other, _ = await home.new_courier(Device(), "Kim")
    await scene.ask(courier=other)
    home.clock.advance(24 * HOUR)
    await scene.ask(courier=home.courier)
    record(
        "the same courier again within a day of a decline",
        "202, then address_not_usable",
        "nobody is asked; the owner can lift it",
    )


async def test_a_record_that_was_made_up(scene: Scene) -> None:
    await scene.has_passkey()
    asked = await scene.approved(courier=scene.home.courier)
    other = await scene.ask(courier=scene.home.courier)
    assert await scene.home.desk.deciding.stands(asked.delivery)
    saved = await scene.home.store.load((await scene.home.read(asked.delivery)).body.question or "")
    kept = Question.of(saved)
    assert kept is not None
    assert kept.decided is not None
    elsewhere = hands.Assertion.model_validate(await scene.signed(other))
    changes: list[dict[str, Any]] = [
        {"assertion": None}, {"passkey": None}, {"assertion": elsewhere}, {"level": "standing"},
    ]  # fmt: skip
    for change in changes:
        forged = kept.but(decided=kept.decided.but(**change))
        write = Write("approve", forged.model_dump_json())
        await scene.home.store.change([saved.id], lambda _, write=write: Change({saved.id: write}))
        assert not await scene.home.desk.deciding.stands(asked.delivery)
    record("a decision put together in the store", "-", "the signer makes no key")
