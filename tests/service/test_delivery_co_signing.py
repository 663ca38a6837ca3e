"""A car whose owner signs with a passkey: asked for one device, answered with a signature, one key or none."""

import json
from datetime import timedelta
from typing import Any

import pytest

from delivery.gesture import behind
from delivery.model import Parcel, Window
from delivery.place import Circle
from delivery.problems import CourierNamed, LevelTooLow, NoKeyLeft, QuestionOver, TooLateForAgain
from delivery.questions import Question
from delivery.states import State
from keys.car.assertions import hash_of_json
from keys.car.claims import KeyClaims, OwnerSignature
from keys.car.jwk import unb64
from keys.car.jws import KEY, RECORD, read
from keys.car.owner import check_owner
from keys.car.owner_keys import PairedKey, PairedKeys
from keys.model import key_id
from keys.problems import OwnerMustSign, OwnerSignatureWrong
from keys.states import State as KeyState
from people.assertions import wire
from spine.facts.vehicle import UnitReceipt
from spine.ids import DeliveryId
from spine.store import Change, Write
from tests.people_signing import Device
from tests.service import passkey_hands as hands
from tests.service.delivery_house import (
    CAR,
    HERE,
    HOUR,
    MINUTE,
    SPOT,
    UNIT,
    DeliveryHouse,
    home,
    house_of_people,
)
from trunkline.software_key import SoftwareKey

__all__ = ["home", "house_of_people"]

PASSKEY, OTHER = (SoftwareKey.draw(origin="https://cars.example.org", rp_id="example.org") for _ in range(2))
PAIRED = PairedKey.of(PASSKEY.pairing())


@pytest.fixture
async def strict(home: DeliveryHouse) -> DeliveryHouse:
    """A house whose car asks for its owner's passkey."""
    await tells(home, PairedKeys(required=True, keys=(PAIRED,)))
    return home


async def tells(home: DeliveryHouse, keys: PairedKeys) -> None:
    receipt = home.unit.write("owner_key_changed", iss=UNIT, owner=keys.state)
    await home.tell(UnitReceipt(at=home.now, vehicle=CAR, unit=UNIT, receipt=receipt))
    await home.settle()


async def question(home: DeliveryHouse, delivery: DeliveryId) -> Question:
    found = await home.desk.deciding.question(await home.read(delivery))
    assert found is not None
    return found


async def own(home: DeliveryHouse, delivery: DeliveryId, by: SoftwareKey = PASSKEY) -> OwnerSignature:
    content = (await question(home, delivery)).content()
    return OwnerSignature.model_validate(by.assertion(unb64(content["sign"]["challenge"])))


async def asked(home: DeliveryHouse, **changes: Any) -> DeliveryId:
    return await home.asked(courier=home.courier, **changes)


async def key_state(home: DeliveryHouse, delivery: DeliveryId, n: int = 1) -> KeyState:
    return (await home.keys.view(key_id(delivery, n))).state


async def test_the_owner_s_yes_with_a_signature_makes_the_key(strict: DeliveryHouse) -> None:
    delivery = await asked(strict)
    content = (await question(strict, delivery)).content()
    assert content["courier"]["id"] == strict.courier
    assert set(content["sign"]) == {"key", "challenge", "start", "end"}
    assert await key_state(strict, delivery) is KeyState.DRAFT

    await strict.decide(delivery, own=await own(strict, delivery))
    await strict.settle()
    assert await strict.state(delivery) is State.KEYED
    token = await strict.keys.hand_out(key_id(delivery, 1), jkt=strict.jkt, now=strict.now)
    claims = KeyClaims.of(read(token, KEY).claims)
    assert check_owner(claims, {PAIRED.cid: PAIRED.key()}).cid == PASSKEY.cid
    assert claims.cnf.jkt == strict.jkt
    await strict.again()


async def test_a_yes_without_the_right_signature_is_none(strict: DeliveryHouse) -> None:
    delivery = await asked(strict)
    good = await own(strict, delivery)
    for wrong, problem in (
        (None, OwnerMustSign),
        (await own(strict, delivery, OTHER), OwnerSignatureWrong),
        (OwnerSignature.model_validate(PASSKEY.assertion(bytes(32))), OwnerSignatureWrong),
    ):
        with pytest.raises(problem):
            await strict.decide(delivery, own=wrong)
    assert await strict.state(delivery) is State.ASKED
    assert await key_state(strict, delivery) is KeyState.DRAFT
    token, shown = await strict.link(delivery), (await question(strict, delivery)).digest
    await strict.desk.deciding.by_link(token, "approve", shown, own=good)
    await strict.desk.deciding.by_link(token, "approve", shown)  # the same answer again stands
    await strict.settle()
    assert await strict.state(delivery) is State.KEYED


@pytest.mark.parametrize("end", ["decline", "cancel", "block", "expire"])
async def test_without_a_yes_the_number_is_burnt(strict: DeliveryHouse, end: str) -> None:
    delivery = await asked(strict)
    match end:
        case "decline":
            await strict.decide(delivery, "decline")
        case "cancel":
            await strict.desk.carrier.cancel(strict.carrier, delivery)
        case "block":
            await strict.desk.owner.block(strict.owner, delivery)
        case _:
            await strict.later(2 * HOUR)
    await strict.settle()
    assert await key_state(strict, delivery) in {KeyState.WITHDRAWN, KeyState.LAPSED}
    assert (await strict.read(delivery)).body.ended is not None
    await strict.again()


async def test_nobody_is_asked_before_the_courier_s_device_is_known(strict: DeliveryHouse) -> None:
    delivery = await strict.place()
    await strict.settle()
    assert await strict.state(delivery) is State.REQUESTED
    assert (await strict.read(delivery)).body.question is None
    await strict.desk.carrier.assign(strict.carrier, delivery, strict.courier)
    await strict.settle()
    assert await strict.state(delivery) is State.ASKED
    await strict.decide(delivery, own=await own(strict, delivery))
    await strict.settle()
    assert await strict.state(delivery) is State.KEYED
    await strict.again()


async def test_a_device_that_changed_before_the_asking_gets_a_draft_of_its_own(
    strict: DeliveryHouse,
) -> None:
    """The draft is committed, then the courier changes before the question is: the first number is burnt."""
    delivery = await strict.place()
    await strict.settle()
    other, other_jkt = await strict.new_courier(Device(), "Kim")
    await strict.desk.carrier.assign(strict.carrier, delivery, strict.courier)
    first = await strict.read(delivery)
    co_signing = strict.desk.asking.co_signing
    assert await co_signing.draft(first, CAR, UNIT, first.body.place, strict.now)
    changed = first.body.courier
    assert changed is not None
    moved = first.but(body=first.body.but(courier=changed.but(courier=other, jkt=other_jkt)))
    draft = await co_signing.draft(moved, CAR, UNIT, first.body.place, strict.now)
    assert draft is not None
    assert (draft.key, draft.jkt) == (key_id(delivery, 2), other_jkt)
    assert await key_state(strict, delivery) is KeyState.WITHDRAWN
    assert await co_signing.draft(moved, CAR, UNIT, first.body.place, strict.now) == draft


async def test_what_was_signed_is_not_changed_afterwards(strict: DeliveryHouse) -> None:
    delivery = await asked(strict)
    other, _ = await strict.new_courier(Device(), "Kim")
    with pytest.raises(CourierNamed):
        await strict.desk.carrier.assign(strict.carrier, delivery, other)
    await strict.decide(delivery, own=await own(strict, delivery))
    await strict.settle()
    with pytest.raises(CourierNamed):
        await strict.desk.carrier.assign(strict.carrier, delivery, other)
    with pytest.raises(NoKeyLeft):
        await strict.desk.owner.change_place(strict.owner, delivery, Circle(centre=SPOT, radius=90))
    with pytest.raises(NoKeyLeft):
        await strict.desk.owner.extend(strict.owner, delivery, strict.now + 4 * HOUR)
    assert await key_state(strict, delivery) is KeyState.SIGNED


async def test_another_key_means_asking_again(strict: DeliveryHouse) -> None:
    delivery = await asked(strict)
    await strict.decide(delivery, own=await own(strict, delivery))
    await strict.settle()
    await strict.desk.courier.set_out(strict.device, delivery)
    await strict.desk.courier.arrive(strict.device, delivery, HERE)
    await strict.settle()
    await strict.start(delivery)
    await strict.receipts(delivery, "consumed", "opened", "closed", "locked")
    assert await strict.state(delivery) is State.CLOSED
    with pytest.raises(TooLateForAgain):
        await strict.desk.courier.again(strict.device, delivery)
    assert len(await strict.keys.keys_of(delivery)) == 1


async def test_a_rescheduled_delivery_is_signed_for_anew(strict: DeliveryHouse) -> None:
    delivery = await asked(strict)
    first = await own(strict, delivery)
    window = Window(start=strict.now + HOUR, end=strict.now + 3 * HOUR)
    await strict.desk.carrier.reschedule(strict.carrier, delivery, window)
    await strict.settle()
    successor = (await strict.read(delivery)).body.successor
    assert successor is not None
    if (await strict.read(successor)).body.courier is None:
        await strict.desk.carrier.assign(strict.carrier, successor, strict.courier)
        await strict.settle()
    assert await key_state(strict, delivery) is KeyState.WITHDRAWN
    with pytest.raises(OwnerSignatureWrong):
        await strict.decide(successor, own=first)
    await strict.decide(successor, own=await own(strict, successor))
    await strict.settle()
    assert await strict.state(successor) is State.KEYED


async def test_the_hours_are_fixed_at_the_asking_and_so_is_the_time_to_answer(strict: DeliveryHouse) -> None:
    window = Window(start=strict.now - MINUTE, end=strict.now + 20 * HOUR)
    delivery = await asked(strict, window=window)
    content = (await question(strict, delivery)).content()
    found = await strict.read(delivery)
    assert found.body.approve_by == strict.now + 20 * HOUR, "what the carrier reads tells nothing"
    assert content["sign"]["end"] == (strict.now + 6 * HOUR).isoformat()
    signed = await own(strict, delivery)
    token = await strict.link(delivery)
    strict.clock.advance(6 * HOUR + timedelta(seconds=1))
    with pytest.raises(QuestionOver):
        await strict.desk.deciding.by_link(
            token, "approve", (await question(strict, delivery)).digest, own=signed
        )


async def test_the_key_of_a_later_window_is_made_when_it_is_near(strict: DeliveryHouse) -> None:
    delivery = await asked(strict, window=later_window(strict))
    await strict.decide(delivery, own=await own(strict, delivery))
    await strict.settle()
    assert await strict.state(delivery) is State.APPROVED
    await strict.later(2 * HOUR)
    await strict.settle()
    assert await strict.state(delivery) is State.KEYED


async def test_a_signature_for_one_delivery_is_none_for_another(strict: DeliveryHouse) -> None:
    one = await asked(strict)
    other = await asked(strict, parcels=(Parcel(reference="R-2"),), window=later_window(strict))
    with pytest.raises(OwnerSignatureWrong):
        await strict.decide(other, own=await own(strict, one))


def later_window(home: DeliveryHouse) -> Window:
    return Window(start=home.now + 4 * HOUR, end=home.now + 6 * HOUR)


async def test_approved_before_the_car_wanted_it_makes_no_key(home: DeliveryHouse) -> None:
    window = Window(start=home.now + 4 * HOUR, end=home.now + 6 * HOUR)
    delivery = await home.approved(courier=home.courier, window=window)
    await tells(home, PairedKeys(required=True, keys=(PAIRED,)))
    await home.later(3 * HOUR)
    assert await home.state(delivery) is State.APPROVED
    assert await home.keys.keys_of(delivery) == []


async def test_a_car_that_wants_it_no_more_is_asked_for_as_before(strict: DeliveryHouse) -> None:
    await tells(strict, PairedKeys(keys=(PAIRED,)))
    delivery = await strict.keyed()
    assert "sign" not in (await question(strict, delivery)).content()


async def test_the_signer_signs_no_key_whose_answer_carries_no_signature(strict: DeliveryHouse) -> None:
    """What the decision's record says is what the signer goes by, not the fact."""
    delivery = await asked(strict)
    await strict.decide(delivery, own=await own(strict, delivery))
    assert await strict.desk.deciding.stands(delivery)
    found = await strict.read(delivery)
    assert found.body.question is not None
    saved = await strict.store.load(found.body.question)
    body = Question.of(saved)
    assert body is not None
    assert body.decided is not None
    bare = body.model_copy(update={"decided": body.decided.model_copy(update={"own": None})})

    write = Write(saved.state, bare.model_dump_json())
    await strict.store.change([saved.id], lambda _: Change({saved.id: write}))
    assert not await strict.desk.deciding.stands(delivery)
    await strict.settle()
    assert await strict.state(delivery) is State.APPROVED


async def test_a_signed_in_owner_signs_as_well(strict: DeliveryHouse) -> None:
    delivery = await asked(strict)
    shown, signed = (await question(strict, delivery)).digest, await own(strict, delivery)

    async def says_yes(own: OwnerSignature | None) -> None:
        await strict.desk.deciding.by_session(
            strict.owner, delivery, "approve", shown, session="ses_1", level="session", own=own
        )

    with pytest.raises(OwnerMustSign):
        await says_yes(None)
    await says_yes(signed)
    await strict.settle()
    assert await strict.state(delivery) is State.KEYED


async def test_what_changed_while_a_courier_was_awaited_counts(strict: DeliveryHouse) -> None:
    delivery = await strict.place()
    await strict.settle()
    waiting = await strict.read(delivery)
    assert (waiting.state, waiting.body.vehicle) == (State.REQUESTED, None)
    rules, etag = await strict.desk.owner.rules(strict.owner, CAR)
    await strict.desk.owner.set_rules(strict.owner, CAR, rules.but(block_all=True), if_match=etag)
    await strict.desk.carrier.assign(strict.carrier, delivery, strict.courier)
    await strict.settle()
    assert await strict.state(delivery) is State.UNUSABLE
    assert await strict.keys.keys_of(delivery) == []
    await strict.again()


def _sorted(*keys: PairedKey) -> tuple[PairedKey, ...]:
    return tuple(sorted(keys, key=lambda one: one.cid))


async def test_one_gesture_is_enough_where_the_passkey_is_known_here_too(strict: DeliveryHouse) -> None:
    """The owner signs once: what the car will look for proves to the service who said yes."""
    hand = hands.key()
    who = await hands.session(strict.people, strict.owner)
    passkey = (await hands.register(strict.people, who, hand)).id
    await tells(strict, PairedKeys(required=True, keys=_sorted(PAIRED, PairedKey.of(hand.pairing()))))
    delivery = await asked(strict)
    with pytest.raises(LevelTooLow):
        await strict.decide(delivery, own=await own(strict, delivery))  # a passkey that only the car knows
    assert await strict.state(delivery) is State.ASKED
    after = await strict.decide(delivery, own=await own(strict, delivery, hand))
    assert after.body.approval is not None
    assert after.body.approval.level == "passkey"
    decided = (await question(strict, delivery)).decided
    assert decided is not None
    assert (decided.passkey, decided.assertion) == (passkey, None)
    await strict.settle()
    assert await strict.state(delivery) is State.KEYED
    kept = (await strict.keys.evidence_of(delivery)).approvals[0]
    signed = behind(decided)
    assert signed is not None
    assert read(kept, RECORD).claims["assertion"] == hash_of_json(json.dumps(wire(signed)).encode())


async def test_a_clock_astray_at_the_asking_is_asked_again(
    strict: DeliveryHouse,
) -> None:
    before = await asked(strict)
    await strict.decide(before, own=await own(strict, before))
    await strict.settle()
    strict.clock.set(strict.now - HOUR)
    delivery = await strict.place(courier=strict.courier, window=later_window(strict))
    await strict.settle()
    assert await strict.state(delivery) is State.REQUESTED
    assert (await strict.read(delivery)).body.ask_again_at is not None
    await strict.later(HOUR + MINUTE)
    assert await strict.state(delivery) is State.ASKED
    await strict.again()
