"""In front of the car: one command whoever taps how often, and an answer that never says failed when it means unsure."""

import asyncio
from datetime import datetime, timedelta

import pytest

from delivery.answers import Answer
from delivery.opening import CarSilent
from delivery.problems import CarSaidNo, NoKey, OnlySimulated, OpeningInFlight, TooOften
from delivery.states import State, StepNotAllowed
from keys.model import InHand
from keys.problems import KeyOver
from spine.facts.vehicle import CommandCreated, CommandUnanswered, CommandUndeliverable
from spine.ids import KeyId, partition_of
from tests.service.delivery_house import UNIT, DeliveryHouse, home, house_of_people
from vehicle_gateway.commands import CarUnavailable, CommandBody
from vehicle_gateway.standing import Standing

__all__ = ["home", "house_of_people"]


async def challenged(home: DeliveryHouse, created: CommandCreated) -> None:
    """A car that gives challenges, and opens what is presented."""
    if created.op == "challenge":
        await home.result(created.command, "done", challenge="nonce-of-the-car")
    elif created.op == "present":
        assert created.delivery is not None
        await home.receipts(created.delivery, "consumed", "opened")
        await home.result(created.command, "done", "opened")
    else:
        await home.result(created.command, "done")


async def test_a_challenge_and_the_one_opening(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    async with home.living(lambda created: challenged(home, created)):
        challenge, until = await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
        assert (challenge, until) == ("nonce-of-the-car", home.now + timedelta(seconds=30))
        answer = await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=5)
        await home.reaches(delivery, State.OPEN)
    assert (answer.outcome, answer.may_have_happened, answer.try_again) == ("opened", True, False)
    assert answer.receipt is not None
    assert answer.receipt[0] == 2
    started = [entry.fact for entry in home.seen if isinstance(entry.fact, CommandCreated)]
    assert [(one.op, one.delivery) for one in started] == [("challenge", delivery), ("present", delivery)]
    kinds = [entry.kind for entry in home.seen]
    at = kinds.index("delivery.opening")
    assert kinds[at + 1] == "command.created"
    await home.again()


@pytest.mark.parametrize("what", ["key revoked", "unit quarantined", "owner blocked", "nothing"])
async def test_what_changed_between_challenge_and_tap_counts(home: DeliveryHouse, what: str) -> None:
    """A tap is decided on what the challenge read; whatever changed since refuses that commit."""
    delivery = await home.arrived()
    await home.desk.courier.key(home.device, delivery)
    async with home.living(lambda created: challenged(home, created)):
        await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
    key = (await home.read(delivery)).body.key
    assert key is not None
    match what:
        case "key revoked":
            await home.keys.revoke(key.key, reason="test", now=home.now)
        case "unit quarantined":
            await Standing(home.store).quarantine(UNIT, reason="receipt_rejected", now=home.now)
        case "owner blocked":
            await home.desk.owner.block(home.owner, delivery)
    async with home.living(lambda created: challenged(home, created)):
        if what == "nothing":
            assert (
                await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=5)
            ).outcome == "opened"
            return
        with pytest.raises((KeyOver, NoKey, CarUnavailable, StepNotAllowed)):
            await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=5)
    assert "present" not in [e.fact.op for e in home.seen if isinstance(e.fact, CommandCreated)]


@pytest.mark.parametrize("handed_out", [True, False])
async def test_the_key_goes_with_the_challenge_where_its_courier_has_it(
    home: DeliveryHouse, handed_out: bool
) -> None:
    """The car reads it while the courier looks for the boot; a key that nobody has yet stays here."""
    delivery, seen = await home.arrived(), list[str]()
    token = await home.desk.courier.key(home.device, delivery) if handed_out else None

    async def asked(created: CommandCreated) -> None:
        seen.append((await home.store.load(created.command)).body)
        await challenged(home, created)

    async with home.living(asked):
        await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
    (body,) = seen
    assert CommandBody.model_validate_json(body).args.get("key") == token
    (command,) = [e.fact.command for e in home.seen if isinstance(e.fact, CommandCreated)]
    assert '"key"' not in (await home.store.load(command)).body, "what has ended keeps no argument"


async def test_what_a_challenge_read_is_not_used_when_it_is_old(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    await home.desk.courier.key(home.device, delivery)
    async with home.living(lambda created: challenged(home, created)):
        await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
    home.clock.advance(timedelta(seconds=31))
    seen = await home.desk.at_the_car.look(delivery)
    assert seen.beside is None, "read anew"


async def test_the_command_carries_key_and_proof_and_forgets_them(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    token = await home.desk.courier.key(home.device, delivery)
    await home.start(delivery, "a.b.c")
    opening = (await home.read(delivery)).body.opening
    assert opening is not None
    saved = await home.store.load(opening.command)
    assert token in saved.body
    assert '"proof":"a.b.c"' in saved.body
    dump = await home.people.everything()
    log = "\n".join(line for line in dump.splitlines() if ":log" in line)
    assert token not in log
    assert "a.b.c" not in (await home.store.load(delivery)).body
    await home.result(opening.command, "refused", "too_early")
    await home.settle()
    assert token not in (await home.store.load(opening.command)).body


@pytest.mark.parametrize("proofs", [1, 200])
async def test_two_hundred_taps_give_one_command(home: DeliveryHouse, proofs: int) -> None:
    delivery = await home.arrived()
    async with home.living(lambda created: challenged(home, created)):
        taps = [
            home.desk.at_the_car.open(home.device, delivery, f"proof.{n % proofs}.x", wait=10)
            for n in range(200)
        ]
        answers = await asyncio.gather(*taps, return_exceptions=True)
    good = [one for one in answers if isinstance(one, Answer)]
    refused = [one for one in answers if not isinstance(one, Answer)]
    assert {one.outcome for one in good} == {"opened"}
    assert len(good) == 200 if proofs == 1 else len(good) >= 1
    assert all(isinstance(one, OpeningInFlight | StepNotAllowed) for one in refused)
    created = [
        e for e in await home.log.read(partition_of(delivery), limit=5_000) if e.kind == "command.created"
    ]
    assert len(created) == 1
    assert (await home.kinds(delivery)).count("delivery.opening") == 1


async def test_a_copy_of_the_tap_that_finds_the_key_used_has_the_answer_of_the_tap(
    home: DeliveryHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, at_the_car = await home.arrived(), home.desk.at_the_car
    in_hand, answers = home.keys.in_hand, list[Answer]()

    async def after_the_other(key: KeyId, *, jkt: str, now: datetime) -> InHand:
        if not answers:
            monkeypatch.setattr(home.keys, "in_hand", in_hand)
            answers.append(await at_the_car.open(home.device, delivery, "a.b.c", wait=5))
            await home.reaches(delivery, State.OPEN)
        return await in_hand(key, jkt=jkt, now=now)

    monkeypatch.setattr(home.keys, "in_hand", after_the_other)
    async with home.living(lambda created: challenged(home, created)):
        answers.append(await at_the_car.open(home.device, delivery, "a.b.c", wait=5))
    assert [one.outcome for one in answers] == ["opened", "opened"]


@pytest.mark.parametrize("code", ["refused", "too_early", "vehicle_state", "wrong_place", "busy"])
async def test_a_refusal_is_told_with_its_code(home: DeliveryHouse, code: str) -> None:
    delivery = await home.arrived()

    async def refuses(created: CommandCreated) -> None:
        await home.result(created.command, "refused", code)

    async with home.living(refuses):
        answer = await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=5)
        await home.reaches(delivery, State.ARRIVED)
    assert (answer.outcome, answer.code, answer.may_have_happened, answer.try_again) == (
        "refused",
        code,
        False,
        True,
    )


@pytest.mark.parametrize(
    ("fact", "outcome", "may", "then"),
    [
        (CommandUndeliverable, "not_sent", False, State.ARRIVED),
        (CommandUnanswered, "unsure", True, State.UNSURE),
    ],
)
async def test_not_sent_and_not_confirmed_are_different_sentences(
    home: DeliveryHouse, fact: type[CommandUnanswered], outcome: str, may: bool, then: State
) -> None:
    delivery = await home.arrived()

    async def ends(created: CommandCreated) -> None:
        await home.commands.become(created.command, fact, now=home.now)

    async with home.living(ends):
        answer = await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=5)
        await home.reaches(delivery, then)
    assert (answer.outcome, answer.may_have_happened) == (outcome, may)


async def test_without_an_answer_in_time_it_is_pending(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    answer = await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=0.05)
    assert (answer.outcome, answer.may_have_happened) == ("pending", True)
    assert await home.state(delivery) is State.OPENING


async def test_power_lost_is_told_as_unsure(home: DeliveryHouse) -> None:
    delivery = await home.arrived()

    async def dies(created: CommandCreated) -> None:
        await home.receipts(delivery, "consumed", "indeterminate")

    async with home.living(dies):
        answer = await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=5)
    assert (answer.outcome, answer.code) == ("unsure", "indeterminate")


async def test_a_silent_car_gives_no_challenge(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    with pytest.raises(CarSilent):
        await home.desk.at_the_car.challenge(home.device, delivery, wait=0.05)

    async def busy(created: CommandCreated) -> None:
        await home.result(created.command, "refused", "busy")

    async with home.living(busy):
        with pytest.raises(CarSaidNo):
            await home.desk.at_the_car.challenge(home.device, delivery, wait=5)


async def test_challenges_and_flashes_have_a_rate(home: DeliveryHouse) -> None:
    delivery = await home.arrived()
    async with home.living(lambda created: challenged(home, created)):
        for _ in range(12):
            await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
        with pytest.raises(TooOften):
            await home.desk.at_the_car.challenge(home.device, delivery, wait=5)
        for _ in range(6):
            assert (await home.desk.at_the_car.flash(home.device, delivery, wait=5)).outcome == "done"
        with pytest.raises(TooOften) as caught:
            await home.desk.at_the_car.flash(home.device, delivery, wait=5)
    assert caught.value.retry_after
    home.clock.advance(timedelta(minutes=1))


async def test_locking_needs_no_key(home: DeliveryHouse) -> None:
    delivery = await home.opened()
    async with home.living(lambda created: challenged(home, created)):
        assert (await home.desk.at_the_car.lock(home.device, delivery, wait=5)).outcome == "done"
    assert (await home.desk.at_the_car.lock(home.device, delivery, wait=0)).outcome == "pending"


async def test_a_quarantined_unit_gets_no_command_and_nothing_changes(home: DeliveryHouse) -> None:

    delivery = await home.arrived()
    await Standing(home.store).quarantine(UNIT, reason="test", now=home.now)
    with pytest.raises(CarUnavailable):
        await home.desk.at_the_car.open(home.device, delivery, "a.b.c", wait=0)
    assert await home.state(delivery) is State.ARRIVED


async def test_test_deliveries_ask_nothing_of_a_car(home: DeliveryHouse) -> None:
    read = await home.desk.placing.place(
        home.carrier,
        home.order("TL-TEST-APPROVES", courier=home.courier),
        livemode=False,
        courier=await home.people.people.couriers.courier(home.courier),
    )
    for _ in range(4):
        await home.test_step(read.id)
    assert await home.state(read.id) is State.EN_ROUTE
    with pytest.raises(OnlySimulated):
        await home.desk.at_the_car.flash(home.device, read.id, wait=0)
