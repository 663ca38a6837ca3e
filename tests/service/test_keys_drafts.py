"""Keys that the owner signs first, on a real store: one number, one draft, turned into a key or burnt."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keys.car.claims import KeyClaims, OwnerSignature, OwnerState
from keys.car.jwk import sha256_b64, unb64
from keys.car.jws import KEY, payload_bytes
from keys.car.owner import check_owner
from keys.car.owner_keys import PairedKey, PairedKeys
from keys.car.records import KeyRecord, read_record
from keys.drafts import Draft, Drafts
from keys.limits import KeysLimits
from keys.model import KeyBody
from keys.problems import KeyAlive, NoSuchKey, NotSignedYet, OwnerMustSign, OwnerSignatureWrong
from keys.states import State
from spine.facts.keys import KeyDrafted, KeyIssued, OwnerKeysChanged
from spine.ids import DeliveryId, KeyId, UnitId
from tests.keys_world import DELIVERY, PHONE, UNIT
from tests.service.conftest import MORNING
from tests.service.keys_desk import VEHICLE, Desk, desk
from trunkline.software_key import SoftwareKey

__all__ = ["desk"]

HOUR = timedelta(hours=1)
PASSKEY, OTHER = (SoftwareKey.draw(origin="https://cars.example.org", rp_id="example.org") for _ in range(2))
PAIRED = PairedKey.of(PASSKEY.pairing())
REQUIRED = PairedKeys(required=True, keys=(PAIRED,)).state


@pytest.fixture
def drafts(desk: Desk) -> Drafts:
    return Drafts(desk.store, KeysLimits())


async def paired(desk: Desk, owner: OwnerState = REQUIRED) -> list[str]:
    return await desk.bring(desk.unit.write("owner_key_changed", owner=owner))


async def drafted(desk: Desk, drafts: Drafts, n: int = 1, **changes: Any) -> Draft:
    key = await desk.keys.draft(replace(desk.wanted(n=n), **changes), now=desk.clock.now())
    found = await drafts.read(key)
    assert found is not None
    return found


def own(draft: Draft, by: SoftwareKey = PASSKEY) -> OwnerSignature:
    return OwnerSignature.model_validate(by.assertion(unb64(draft.challenge)))


async def state(desk: Desk, key: KeyId) -> State:
    return (await desk.keys.view(key)).state


async def test_the_car_s_receipt_says_whether_its_owner_signs(desk: Desk, drafts: Drafts) -> None:
    unit = UnitId(UNIT)
    assert not await drafts.required(unit)
    assert await paired(desk) == ["owner_keys.changed"]
    assert await drafts.required(unit)
    said = desk.seen[-1]
    assert isinstance(said, OwnerKeysChanged)
    assert (said.vehicle, said.required, said.cids, said.set_hash, said.n) == (
        VEHICLE,
        True,
        REQUIRED.cids,
        REQUIRED.hash,
        1,
    )
    await desk.again()
    await paired(desk, PairedKeys().state)
    assert not await drafts.required(unit)


async def test_without_the_owner_no_key_is_made_for_such_a_car(desk: Desk) -> None:
    await paired(desk)
    before = await desk.everything()
    with pytest.raises(OwnerMustSign):
        await desk.issue()
    assert await desk.everything() == before


async def test_a_draft_becomes_the_key_that_the_owner_signed(desk: Desk, drafts: Drafts) -> None:
    await paired(desk)
    draft = await drafted(desk, drafts)
    assert await desk.settle() == ["key.drafted"]
    told = desk.seen[-1]
    assert isinstance(told, KeyDrafted)
    assert (told.seq, told.jkt, told.nbf, told.exp) == (1, PHONE.kid, MORNING, MORNING + 2 * HOUR)
    with pytest.raises(NotSignedYet):
        await desk.keys.hand_out(draft.key, jkt=PHONE.kid, now=desk.clock.now())

    desk.clock.advance(HOUR)
    signed = own(draft)
    draft.check(signed)
    await drafts.turn(draft.key, signed, now=desk.clock.now())
    assert await desk.settle() == ["key.issued", "key.signed", "revocation.raised"]
    token = await desk.keys.hand_out(draft.key, jkt=PHONE.kid, now=desk.clock.now())
    claims = KeyClaims.of(desk.trust.verified(token, KEY, "key"))
    assert check_owner(claims, {PAIRED.cid: PAIRED.key()}).cid == PASSKEY.cid
    assert {**claims.wire(), "own": None} == {**draft.claims, "own": None}
    issued = next(fact for fact in desk.seen if isinstance(fact, KeyIssued))
    assert issued.claims_hash == sha256_b64(payload_bytes(claims.wire()))
    record = read_record((await desk.keys.evidence_of(DeliveryId(DELIVERY))).keys[0], trust=desk.trust)
    assert isinstance(record, KeyRecord)
    assert record.cid == PASSKEY.cid
    await desk.again()


async def test_again_is_the_same_draft_and_the_same_key(desk: Desk, drafts: Drafts) -> None:
    await paired(desk)
    draft = await drafted(desk, drafts)
    desk.clock.advance(timedelta(minutes=5))
    assert await drafted(desk, drafts) == draft
    await drafts.turn(draft.key, own(draft), now=desk.clock.now())
    before = await desk.everything()
    await drafts.turn(draft.key, own(draft, OTHER), now=desk.clock.now())
    await desk.keys.draft(desk.wanted(), now=desk.clock.now())
    assert await desk.everything() == before
    assert await drafts.read(draft.key) is None


async def test_a_draft_may_be_drawn_up_days_before(desk: Desk, drafts: Drafts) -> None:
    await paired(desk)
    start = MORNING + timedelta(days=9)
    draft = await drafted(desk, drafts, not_before=start, expires=start + 24 * HOUR)
    assert (draft.nbf, draft.exp) == (start, start + 6 * HOUR)  # its hours are fixed at the asking
    await drafts.turn(draft.key, own(draft), now=desk.clock.now())
    await desk.settle()
    assert (
        await state(desk, draft.key) is State.DRAFT
    )  # signed when its window is near, by the key of that day
    desk.clock.set(start - timedelta(hours=2))
    await drafts.turn(draft.key, own(draft), now=desk.clock.now())
    await desk.settle()
    assert await state(desk, draft.key) is State.SIGNED


async def test_declined_it_burns_its_number(desk: Desk, drafts: Drafts) -> None:
    await paired(desk)
    draft = await drafted(desk, drafts)
    with pytest.raises(KeyAlive):
        await drafted(desk, drafts, n=2)
    await desk.keys.revoke(draft.key, reason="declined", now=desk.clock.now())
    assert await desk.settle() == ["key.drafted", "key.destroyed"]
    assert await state(desk, draft.key) is State.WITHDRAWN
    assert await drafts.read(draft.key) is None
    await drafts.turn(draft.key, own(draft), now=desk.clock.now())
    assert await desk.settle() == []
    second = await drafted(desk, drafts, n=2)
    assert second.claims["seq"] == 2
    assert second.challenge != draft.challenge


async def test_unanswered_it_lapses(desk: Desk, drafts: Drafts) -> None:
    await paired(desk)
    draft = await drafted(desk, drafts)
    desk.clock.advance(2 * HOUR)
    await drafts.turn(draft.key, own(draft), now=desk.clock.now())
    assert await state(desk, draft.key) is State.LAPSED
    second = await drafted(desk, drafts, n=2, expires=MORNING + 4 * HOUR)
    desk.clock.advance(2 * HOUR + timedelta(minutes=3))
    await desk.keys.on_due(await desk.store.load(second.key))
    assert await state(desk, second.key) is State.LAPSED
    assert KeyBody.model_validate_json((await desk.store.load(second.key)).body).claims is None


async def test_what_no_car_would_take_is_not_taken_from_the_owner(desk: Desk, drafts: Drafts) -> None:
    await paired(desk)
    draft = await drafted(desk, drafts)
    with pytest.raises(OwnerMustSign):
        draft.check(None)
    later = replace(PASSKEY, cid=OTHER.cid)
    for wrong in (
        own(draft, OTHER),
        own(draft, later),
        OwnerSignature.model_validate(PASSKEY.assertion(bytes(32))),
        OwnerSignature.model_validate({**own(draft).wire(), "authData": "AAAA"}),
        OwnerSignature.model_validate({**own(draft).wire(), "clientData": "AAAA"}),
    ):
        with pytest.raises(OwnerSignatureWrong):
            draft.check(wrong)
    with pytest.raises(NoSuchKey):
        await drafts.turn(KeyId("key_7zzzzzzzzzzzzzzz.1"), own(draft), now=desk.clock.now())


async def test_a_thief_with_the_issuer_s_key_is_told_of_by_the_car(desk: Desk) -> None:
    """The car's refusal names a key that we never made: the unit's account is set aside for people to look at."""
    await paired(desk)
    stolen = {"jti": "B" * 22, "seq": 9, "code": "owner_signature"}
    assert await desk.bring(desk.unit.write("refused", **stolen)) == ["receipt.rejected"]
    assert desk.seen[-1].model_dump()["reason"] == "unknown_key"
