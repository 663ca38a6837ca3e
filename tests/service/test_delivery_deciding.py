"""Who may answer and how: link, session, linked system; what was shown; and what the signer is told."""

import json
from typing import Any

import pytest

from delivery import as_shown
from delivery.model import Parcel, Window
from delivery.place import Circle
from delivery.problems import (
    LinkOfFormerMail,
    LinkUnknown,
    NoSuchDelivery,
    NotAsShown,
    OtherDecision,
    QuestionOver,
)
from delivery.questions import Question
from delivery.rules import Rules
from delivery.states import State, StepNotAllowed
from delivery.system_answers import AnswerUnreadable
from keys.model import read_key
from people.mail_links import MailKind
from people.model import Role
from people.problems import NotYours
from spine.ids import PersonId
from spine.store import Change, Write
from tests.service.delivery_house import CAR, HOUR, MINUTE, SPOT, DeliveryHouse, home, house_of_people
from tests.service.test_delivery_prompts import second
from webhooks.sources import SourceId
from webhooks.verified import Verified

__all__ = ["home", "house_of_people"]


def signed(home: DeliveryHouse, body: object, person: PersonId | None = None) -> Verified:
    raw = json.dumps(body).encode()
    return Verified(
        SourceId("src_3k7m9qxd4hwe2a5t"), person or home.owner, "session", "msg_1", 1, "mac", "hash", raw,
        repeated=False,
    )  # fmt: skip


async def digest(home: DeliveryHouse, delivery: str) -> tuple[str, str]:
    read = await home.read(delivery)  # type: ignore[arg-type]
    question = await home.desk.deciding.question(read)
    assert question is not None
    assert read.body.question is not None
    return read.body.question, question.digest


async def test_by_link(home: DeliveryHouse) -> None:
    delivery = await home.asked(courier=home.courier)
    token = await home.link(delivery)
    read, question, person = await home.desk.deciding.open(token)
    assert (read.id, person) == (delivery, home.owner)
    content = question.content()
    assert content["carrier"]["name"] == "Fast Parcels"
    assert content["courier"] == {"id": home.courier, "name": "Sam", "device": home.jkt}
    assert (await home.desk.deciding.open(token))[0].state is State.ASKED  # looking decides nothing
    after = await home.desk.deciding.by_link(token, "approve", question.digest)
    assert after.body.approval is not None
    assert (after.state, after.body.approval.level, after.body.approval.by) == (
        State.APPROVED,
        "link",
        home.owner,
    )
    assert (await home.desk.deciding.by_link(token, "approve", question.digest)).state is State.APPROVED
    with pytest.raises(OtherDecision):
        await home.desk.deciding.by_link(token, "decline", question.digest)
    assert (await home.kinds(delivery)).count("delivery.approved") == 1
    assert await home.desk.deciding.stands(delivery)
    await home.settle()
    await home.again()


async def test_tokens_are_nowhere_in_clear(home: DeliveryHouse) -> None:
    token = await home.link(await home.asked())
    assert token not in await home.people.everything()


async def test_links_that_are_none(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    first = await home.link(delivery)
    for wrong in ("", "x" * 60, first[:-2] + ("zz" if first[-2:] != "zz" else "yy")):
        with pytest.raises(LinkUnknown):
            await home.desk.deciding.open(wrong)
    for _ in range(12):
        last = await home.link(delivery)
    with pytest.raises(LinkUnknown):
        await home.desk.deciding.open(first)  # twelve newer ones replaced it
    assert await home.desk.deciding.open(last)


async def test_a_link_mailed_to_a_former_email_decides_nothing(home: DeliveryHouse) -> None:
    people = home.people.people
    delivery = await home.asked()
    token = await home.link(delivery)
    _, question, _ = await home.desk.deciding.open(token)
    await people.changes.ask(home.owner, "owner@new.example", now=home.now)
    await people.changes.prove(await home.people.follow(home.owner, MailKind.EMAIL_CONFIRM), now=home.now)
    assert await home.desk.deciding.open(token)
    await home.people.show("EFGH2345")
    await people.changes.show_presence(home.owner, "EFGH2345", now=home.now)
    for use in (
        home.desk.deciding.open(token),
        home.desk.deciding.by_link(token, "approve", question.digest),
        home.desk.deciding.by_link(token, "decline", question.digest),
        home.desk.deciding.challenge_by_link(token, "approve", None),
    ):
        with pytest.raises(LinkOfFormerMail):
            await use
    assert await home.state(delivery) is State.ASKED
    assert (await home.decide(delivery)).state is State.APPROVED  # by the mail to the present one


async def test_nobody_s_mails_push_out_another_s_link(home: DeliveryHouse) -> None:
    ben = await second(home)
    delivery = await home.asked()
    mine = await home.link(delivery)
    for _ in range(home.desk.deliveries.limits.tokens_most + 1):
        theirs = await home.link(delivery, ben)
    assert (await home.desk.deciding.open(mine))[2] == home.owner
    assert (await home.desk.deciding.open(theirs))[2] == ben


async def test_a_link_replaced_between_look_and_answer_decides_nothing(home: DeliveryHouse) -> None:
    """It was good when it was opened; by the commit newer mails have replaced it."""
    delivery = await home.asked()
    token = await home.link(delivery)
    deciding = home.desk.deciding
    _, question, _ = await deciding.open(token)
    prove = deciding._proving.prove

    async def meanwhile(*about: Any) -> Any:
        for _ in range(home.desk.deliveries.limits.tokens_most):
            await home.link(delivery)
        return await prove(*about)

    deciding._proving.prove = meanwhile  # type: ignore[method-assign]
    with pytest.raises(LinkUnknown, match="nothing was decided"):
        await deciding.by_link(token, "approve", question.digest)
    deciding._proving.prove = prove  # type: ignore[method-assign]
    assert await home.state(delivery) is State.ASKED
    await home.decide(delivery)
    assert await deciding.stands(delivery)


async def test_no_link_is_made_once_it_is_decided(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    await home.decide(delivery, "decline")
    with pytest.raises(QuestionOver):
        await home.link(delivery)


async def test_a_link_dies_with_the_role(home: DeliveryHouse) -> None:
    token = await home.link(await home.asked())
    await home.people.people.cars.release(CAR, by=home.owner, now=home.now)
    with pytest.raises(LinkUnknown):
        await home.desk.deciding.open(token)


async def test_by_session(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    _, shown = await digest(home, delivery)
    stranger = await home.people.person("stranger@example.org")
    with pytest.raises(NoSuchDelivery):
        await home.desk.deciding.by_session(stranger, delivery, "approve", shown, session="s", level="link")
    with pytest.raises(OtherDecision):
        await home.desk.deciding.by_session(
            home.owner, delivery, "approve", "0" * 64, session="s", level="link"
        )
    read = await home.desk.deciding.by_session(
        home.owner, delivery, "decline", shown, session="s", level="link"
    )
    assert read.state is State.DECLINED


async def test_by_a_linked_system(home: DeliveryHouse) -> None:
    delivery = await home.asked()
    question, shown = await digest(home, delivery)
    body = {"question": question, "shown": shown, "decision": "approve"}
    stranger = await home.people.person("stranger@example.org")
    with pytest.raises(OtherDecision):
        await home.desk.deciding.by_system(signed(home, body, stranger))
    with pytest.raises(OtherDecision):
        await home.desk.deciding.by_system(signed(home, {**body, "question": "qst_3zzzzzzzzzzzzzzz.1"}))
    with pytest.raises(OtherDecision):
        await home.desk.deciding.by_system(signed(home, {**body, "shown": "0" * 64}))
    for wrong in (
        {},
        [],
        "x",
        {**body, "decision": "maybe"},
        {**body, "more": 1},
        {**body, "question": "qst"},
    ):
        with pytest.raises(AnswerUnreadable):
            await home.desk.deciding.by_system(signed(home, wrong))
    read = await home.desk.deciding.by_system(signed(home, body))
    assert read.body.approval is not None
    assert (read.state, read.body.approval.level) == (State.APPROVED, "session")
    kept = Question.of(await home.store.load(question))
    assert kept is not None
    assert kept.decided is not None
    assert (kept.decided.record["mac"], kept.decided.record["body_hash"]) == ("mac", "hash")
    assert await home.desk.deciding.stands(delivery)
    assert (await home.desk.deciding.by_system(signed(home, body))).state is State.APPROVED


async def test_too_late_and_withdrawn(home: DeliveryHouse) -> None:
    late = await home.asked()
    token, (_, shown) = await home.link(late), await digest(home, late)
    home.clock.advance(2 * HOUR)
    with pytest.raises(QuestionOver):
        await home.desk.deciding.by_link(token, "approve", shown)
    home.clock.set(home.now)
    gone = await home.asked(parcels=(Parcel(reference="R-2"),))
    token, (_, shown) = await home.link(gone), await digest(home, gone)
    await home.desk.carrier.cancel(home.carrier, gone)
    with pytest.raises(QuestionOver):
        await home.desk.deciding.by_link(token, "approve", shown)
    assert await home.state(gone) is State.CANCELLED


async def test_an_approval_that_was_tampered_with_does_not_stand(home: DeliveryHouse) -> None:
    delivery = await home.approved()
    read = await home.read(delivery)
    assert read.body.question is not None
    assert await home.desk.deciding.stands(delivery)
    saved = await home.store.load(read.body.question)
    kept = Question.of(saved)
    assert kept is not None
    assert kept.decided is not None
    forged = [
        kept.but(decided=None),
        kept.but(shown=kept.shown.replace("Fast", "Fist")),
        kept.but(decided=kept.decided.but(answer="decline")),
        kept.but(decided=kept.decided.but(source="link:" + "0" * 64)),
        kept.but(decided=kept.decided.but(by="per_3zzzzzzzzzzzzzzz")),
        kept.but(decided=kept.decided.but(source="standing:x")),
        kept.but(decided=kept.decided.but(source="system:src_x", record={})),
    ]
    for one in forged:
        await home.store.change(
            [saved.id], lambda _, one=one: Change({saved.id: Write("approve", one.model_dump_json())})
        )
        assert not await home.desk.deciding.stands(delivery)
    assert not await home.desk.deciding.stands("dlv_3zzzzzzzzzzzzzzz")  # type: ignore[arg-type]


async def claims_of(home: DeliveryHouse, key: str) -> dict[str, Any]:
    _, body = read_key(await home.store.load(key))
    assert body.claims is not None
    return body.claims


async def test_a_key_that_says_something_else_than_was_shown_does_not_stand(home: DeliveryHouse) -> None:
    await home.desk.owner.set_rules(
        home.owner, CAR, Rules(place=Circle(centre=SPOT, radius=80)), if_match="*"
    )
    delivery = await home.keyed()
    deciding, read = home.desk.deciding, await home.read(delivery)
    assert read.body.key is not None
    good = await claims_of(home, read.body.key.key)
    assert await deciding.stands(delivery, claims=good)
    end, other = int(read.body.window.end.timestamp()), "B" * 43
    for name, change in {
        "act": {"act": "open:trunk+cabin"},
        "device": {"cnf": {"jkt": other}},
        "hours": {"exp": end + 1},
        "place": {"geo": [SPOT.lat, SPOT.lon, 81]},
        "news": {"fra": 86_400},
        "delivery": {"dlv": "dlv_3zzzzzzzzzzzzzzz"},
        "claims": {"act": "open:all"},
    }.items():
        wrong = {**good, **change}
        with pytest.raises(NotAsShown) as told:
            as_shown.check(read, await question_of(home, delivery), wrong)
        assert told.value.differs == [name]
        assert not await deciding.stands(delivery, claims=wrong), name
    early = {**good, "nbf": int(read.body.window.start.timestamp()) - 1}
    assert not await deciding.stands(delivery, claims=early)
    assert not await deciding.stands(
        delivery, claims={name: one for name, one in good.items() if name != "geo"}
    )


async def test_a_delivery_changed_behind_its_question_makes_no_key(home: DeliveryHouse) -> None:
    for n, change in enumerate(
        (
            {"act": "cabin"},
            {"place": Circle(centre=SPOT, radius=5_000)},
            {"window": Window(start=home.now - MINUTE, end=home.now + 5 * HOUR)},
        )
    ):
        parcels = (Parcel(reference=f"T-{n}"),)
        delivery = await home.asked(courier=home.courier, address=await home.address(), parcels=parcels)
        await home.decide(delivery)
        saved = await home.store.load(delivery)
        body = (await home.read(delivery)).body.but(**change)
        write = Write(saved.state, body.model_dump_json(exclude_none=True), saved.wake_at)
        await home.store.change([saved.id], lambda _, one=saved.id, write=write: Change({one: write}))
        await home.settle()
        assert (await home.read(delivery)).body.key is not None
        assert "delivery.keyed" not in await home.kinds(delivery), change
    assert "key.issued" in [entry.kind for entry in home.seen]
    assert "key.signed" not in [entry.kind for entry in home.seen]


async def test_another_place_that_an_owner_named_is_signed(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    place = Circle(centre=SPOT, radius=120)
    await home.desk.owner.change_place(home.owner, delivery, place)
    await home.settle()
    await home.confirms()
    await home.later(MINUTE)
    read = await home.read(delivery)
    assert read.body.key is not None
    assert (read.body.key.n, read.body.key.signed) == (2, True)
    assert (await claims_of(home, read.body.key.key))["geo"] == [SPOT.lat, SPOT.lon, 120]
    question = await question_of(home, delivery)
    assert [(one.by, one.place) for one in question.changed] == [(home.owner, place)]
    await home.again()


async def question_of(home: DeliveryHouse, delivery: Any) -> Question:
    found = await home.desk.deciding.question(await home.read(delivery))
    assert found is not None
    return found


async def test_no_key_is_signed_without_its_decision(home: DeliveryHouse) -> None:
    delivery = await home.approved()
    question = (await home.read(delivery)).body.question
    assert question is not None
    await home.store.change([question], lambda _: Change({question: Write("gone", "{}", ended=True)}))
    await home.desk.carrier.assign(home.carrier, delivery, home.courier)
    await home.settle()
    kinds = [entry.kind for entry in home.seen]
    assert "key.issued" in kinds
    assert "key.signed" not in kinds
    assert await home.state(delivery) is State.APPROVED


async def test_a_driver_decides_only_where_the_owner_says_so(home: DeliveryHouse) -> None:
    people = home.people.people
    await people.invitations.offer(
        CAR, "told@example.org", Role.TOLD, by=home.owner, may_approve=False, now=home.now
    )
    await home.settle()
    told = await home.people.person("told@example.org")
    offered = (await people.invitations.of_car(CAR))[0]
    await people.invitations.accept(offered.id, person=told, code=None, now=home.now)
    await home.settle()
    delivery = await home.asked()
    _, shown = await digest(home, delivery)
    read, role = await home.desk.owner.read(told, delivery)
    assert (read.id, role.may_approve) == (delivery, False)
    with pytest.raises(NoSuchDelivery):
        await home.desk.deciding.by_session(told, delivery, "approve", shown, session="s", level="link")
    with pytest.raises(NotYours):
        await home.desk.owner.block(told, delivery)
    with pytest.raises(NotYours):
        await home.desk.owner.rules(told, CAR)
    mails = [(one.person, one.type) for one in home.post.queued.values() if one.person]
    assert (told, "delivery.asked") not in mails
    assert (home.owner, "delivery.asked") in mails


async def test_an_owner_gives_more_time(home: DeliveryHouse) -> None:
    delivery = await home.keyed()
    end = (await home.read(delivery)).body.window.end
    await home.desk.owner.extend(home.owner, delivery, end + HOUR)
    await home.settle()
    await home.later(end - home.now + 3 * MINUTE)
    read = await home.read(delivery)
    assert read.state is State.KEYED
    assert read.body.key is not None
    assert (read.body.key.n, read.body.key.exp) == (2, end + HOUR)
    await home.again()


async def test_blocking_races_the_lock_honestly(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.start(delivery)
    await home.desk.owner.block(home.owner, delivery)
    await home.settle()
    assert await home.state(delivery) is State.BLOCKED
    await home.receipts(delivery, "consumed", "opened")
    assert await home.state(delivery) is State.OPEN  # it was too late, and the receipt says so
    with pytest.raises(StepNotAllowed):
        await home.desk.owner.block(home.owner, delivery)
    await home.again()
