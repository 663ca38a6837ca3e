"""Making and handing out keys on a real store: one number each, committed before the signature."""

import asyncio
from datetime import timedelta

import pytest

from keys.car.claims import KeyClaims
from keys.car.jwk import sha256_b64
from keys.car.jws import KEY, payload_bytes
from keys.car.records import ApprovalRecord, KeyRecord, read_record
from keys.issue import Keys, NotAWorker
from keys.limits import KeysLimits
from keys.model import KeyBody, Wanted, key_id
from keys.problems import (
    ClockAstray,
    KeyAlive,
    KeyOver,
    NoSuchKey,
    NotSignedYet,
    NotYourKey,
    TooManyKeys,
    TooSoon,
)
from keys.states import State
from spine.facts.delivery import DeliveryApproved
from spine.facts.keys import KeyIssued
from spine.ids import CarrierId, DeliveryId, KeyId, PersonId, QuestionId
from tests.keys_world import DELIVERY, OTHER_PHONE, PHONE, UNIT
from tests.service.conftest import MORNING
from tests.service.keys_desk import VEHICLE, Desk, desk

__all__ = ["desk"]

HOUR = timedelta(hours=1)


async def test_a_key_is_issued_signed_and_handed_out_once(desk: Desk) -> None:
    key = await desk.issue()
    assert key == "key_7k3maaaaaaaaaaaa.1"
    with pytest.raises(NotSignedYet):
        await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())
    assert await desk.settle() == ["key.issued", "key.signed", "revocation.raised"]
    token = await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())
    assert await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now()) == token
    assert await desk.settle() == ["key.handed_out"]

    claims = KeyClaims.of(desk.trust.verified(token, KEY, "key"))
    view = await desk.keys.view(key)
    assert (claims.aud, claims.dlv, claims.seq, claims.jti) == (UNIT, DELIVERY, 1, view.jti)
    assert (claims.nbf, claims.exp) == (int(MORNING.timestamp()), int((MORNING + 2 * HOUR).timestamp()))
    issued = next(fact for fact in desk.seen if isinstance(fact, KeyIssued))
    assert issued.claims_hash == sha256_b64(payload_bytes(claims.wire()))
    assert (view.state, view.live, view.handed_out, view.how_destroyed) == (
        State.HANDED_OUT,
        True,
        True,
        None,
    )
    assert view.dies_at == MORNING + 2 * HOUR + timedelta(minutes=2)
    await desk.again()


async def test_issuing_again_is_the_same_key(desk: Desk) -> None:
    first = await desk.issue()
    before = await desk.everything()
    assert await desk.issue() == first
    assert await desk.everything() == before


async def test_numbers_rise_by_one_for_a_car(desk: Desk) -> None:
    keys = [await desk.issue(f"dlv_7{c}aaaaaaaaaaaaaa") for c in "bcdef"]
    assert [(await desk.keys.view(key)).seq for key in keys] == [1, 2, 3, 4, 5]
    assert len({(await desk.keys.view(key)).jti for key in keys}) == 5


async def test_only_the_bound_device_gets_it(desk: Desk) -> None:
    key = await desk.issue()
    await desk.settle()
    with pytest.raises(NotYourKey):
        await desk.keys.hand_out(key, jkt=OTHER_PHONE.kid, now=desk.clock.now())
    with pytest.raises(NoSuchKey):
        await desk.keys.hand_out(KeyId("key_7zzzzzzzzzzzzzzz.1"), jkt=PHONE.kid, now=desk.clock.now())
    desk.clock.advance(2 * HOUR)
    with pytest.raises(KeyOver):
        await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())


@pytest.mark.parametrize(
    ("starts", "ends", "nbf", "exp"),
    [(-1, 2, 0, 2), (1, 3, 1, 3), (0, 24, 0, 6), (2, 24, 2, 8), (-10, 1, 0, 1)],
)
async def test_the_hours_of_a_key(desk: Desk, starts: int, ends: int, nbf: int, exp: int) -> None:
    wanted = desk.wanted()
    wanted = Wanted(
        **{**_fields(wanted), "not_before": MORNING + starts * HOUR, "expires": MORNING + ends * HOUR}
    )
    view = await desk.keys.view(await desk.keys.issue(wanted, now=desk.clock.now()))
    assert (view.nbf, view.exp) == (MORNING + nbf * HOUR, MORNING + exp * HOUR)


def _fields(wanted: Wanted) -> dict[str, object]:
    return {name: getattr(wanted, name) for name in Wanted.__slots__}


async def test_too_soon_and_too_late(desk: Desk) -> None:
    wanted = desk.wanted()
    with pytest.raises(TooSoon):
        await desk.keys.issue(wanted, now=MORNING - timedelta(hours=2, seconds=1))
    key = await desk.keys.issue(wanted, now=MORNING + 2 * HOUR)
    assert await desk.settle() == ["key.lapsed"]
    view = await desk.keys.view(key)
    assert (view.state, view.live, view.seq) == (State.LAPSED, False, 0)
    second = await desk.keys.issue(desk.wanted("dlv_7baaaaaaaaaaaaaa"), now=desk.clock.now())
    assert (await desk.keys.view(second)).seq == 1  # what lapsed took no number


async def test_one_live_key_per_delivery(desk: Desk) -> None:
    with pytest.raises(NoSuchKey):
        await desk.issue(n=2)
    await desk.ready()
    with pytest.raises(KeyAlive) as caught:
        await desk.issue(n=2)
    assert caught.value.until == MORNING + 2 * HOUR + timedelta(minutes=2)
    assert caught.value.retry_after == 2 * 3600 + 120
    first = key_id(DeliveryId(DELIVERY), 1)
    await desk.bring(await desk.receipt("consumed", first))
    second = await desk.issue(n=2)
    assert (await desk.keys.view(second)).seq == 2
    assert [view.key for view in await desk.keys.keys_of(DeliveryId(DELIVERY))] == [first, second]


async def test_sixteen_live_keys_of_a_car(desk: Desk) -> None:
    for c in "0123456789abcdef":
        await desk.issue(f"dlv_7{c}aaaaaaaaaaaaaa")
    with pytest.raises(TooManyKeys):
        await desk.issue("dlv_7gaaaaaaaaaaaaaa")
    await desk.keys.revoke(KeyId("key_73aaaaaaaaaaaaaa.1"), reason="cancelled", now=desk.clock.now())
    await desk.issue("dlv_7gaaaaaaaaaaaaaa")


async def test_a_crash_between_commit_and_signature_is_repaired_to_the_same_bytes(desk: Desk) -> None:
    """The signer dies after it signed and before it saved; the next reading signs the same again."""
    key = await desk.issue()
    body = KeyBody.model_validate_json((await desk.store.load(key)).body)
    assert body.claims is not None
    signer = desk.keys._work.signer._signing.signer("key", body.kid)  # type: ignore[union-attr]
    lost = signer.sign(body.claims)
    desk.clock.advance(timedelta(minutes=3))
    await desk.settle()
    assert await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now()) == lost


async def test_the_timer_signs_what_the_reader_could_not(desk: Desk) -> None:
    desk.time.off = timedelta(seconds=61)
    key = await desk.issue()
    assert await desk.settle() == ["key.issued"]
    saved = await desk.store.load(key)
    assert saved.wake_at == MORNING + timedelta(seconds=30)
    with pytest.raises(ClockAstray):
        await desk.keys.on_due(saved)
    desk.time.off = timedelta(seconds=-60)
    await desk.keys.on_due(saved)
    assert await desk.settle() == ["key.signed", "revocation.raised"]
    assert (await desk.store.load(key)).wake_at == MORNING + 2 * HOUR + timedelta(minutes=2)


async def test_no_key_is_made_behind_the_last_one(desk: Desk) -> None:
    await desk.issue()
    desk.clock.advance(timedelta(seconds=-2))
    with pytest.raises(ClockAstray):
        await desk.keys.issue(desk.wanted("dlv_7baaaaaaaaaaaaaa"), now=desk.clock.now())


async def test_the_signer_checks_the_decision_itself(desk: Desk) -> None:
    key = await desk.issue()
    desk.decisions.withdrawn.add(DeliveryId(DELIVERY))
    assert await desk.settle() == ["key.issued", "key.destroyed"]
    view = await desk.keys.view(key)
    assert (view.state, view.how_destroyed) == (State.WITHDRAWN, "never_handed_out")
    with pytest.raises(KeyOver):
        await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())
    await desk.again()


async def test_a_key_runs_out_and_is_forgotten(desk: Desk) -> None:
    key = await desk.ready()
    saved = await desk.store.load(key)
    desk.clock.advance(2 * HOUR + timedelta(minutes=2))
    await desk.keys.on_due(saved)
    assert await desk.settle() == ["key.handed_out", "key.destroyed"]
    over = await desk.store.load(key)
    body = KeyBody.model_validate_json(over.body)
    assert (over.state, body.claims, body.token) == ("expired", None, None)
    assert (body.jti, body.seq, len(body.claims_hash)) == ((await desk.keys.view(key)).jti, 1, 43)
    assert over.wake_at == desk.clock.now() + timedelta(days=90)
    await desk.keys.on_due(over)
    forgotten = await desk.store.load(key)
    assert (forgotten.ended, forgotten.state) == (True, "expired")
    await desk.again()


async def test_what_was_never_signed_lapses(desk: Desk) -> None:
    desk.time.off = timedelta(hours=1)
    key = await desk.issue()
    await desk.settle()
    desk.clock.advance(2 * HOUR + timedelta(minutes=2))
    await desk.keys.on_due(await desk.store.load(key))
    assert await desk.settle() == ["key.lapsed"]


async def test_records_for_the_evidence(desk: Desk) -> None:
    approved = DeliveryApproved(
        at=MORNING - HOUR, delivery=DeliveryId(DELIVERY), carrier=CarrierId("car_7aaaaaaaaaaaaaaa"),
        vehicle=VEHICLE, question=QuestionId("qst_7k3maaaaaaaaaaaa.1"), by=PersonId("per_3aaaaaaaaaaaaaaa"),
        level="link", shown="a" * 43,
    )  # fmt: skip
    await desk.tell(approved)
    key = await desk.ready()
    await desk.settle()
    token = await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())
    kept = await desk.keys.evidence_of(DeliveryId(DELIVERY))
    approval, record = (read_record(text, trust=desk.trust) for text in (*kept.approvals, *kept.keys))
    assert isinstance(approval, ApprovalRecord)
    assert (approval.level, approval.question) == ("link", "qst_7k3maaaaaaaaaaaa.1")
    assert isinstance(record, KeyRecord)
    assert (record.ath, record.jkt) == (sha256_b64(token.encode()), PHONE.kid)
    await desk.again()
    saved = await desk.store.load("apr_7k3maaaaaaaaaaaa")
    await desk.keys.on_due(saved)
    assert (await desk.store.load(saved.id)).ended
    await desk.again()


async def test_a_process_without_keys_cannot_make_any(desk: Desk) -> None:
    api = Keys(desk.store, desk.clock, KeysLimits())
    with pytest.raises(NotAWorker):
        await api.issue(desk.wanted(), now=desk.clock.now())
    with pytest.raises(NotAWorker):
        await api.on_due(await desk.store.load("key_7k3maaaaaaaaaaaa.1"))
    key = await desk.issue()
    await desk.settle()
    assert await api.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())


async def test_a_simultaneous_crowd_gets_one_key(desk: Desk) -> None:

    keys = await asyncio.gather(*(desk.issue() for _ in range(50)))
    assert len(set(keys)) == 1
    assert await desk.settle() == ["key.issued", "key.signed", "revocation.raised"]
    tokens = await asyncio.gather(
        *(desk.keys.hand_out(keys[0], jkt=PHONE.kid, now=desk.clock.now()) for _ in range(50))
    )
    assert len(set(tokens)) == 1
    assert await desk.settle() == ["key.handed_out"]
