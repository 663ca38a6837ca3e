"""Taking keys back on a real store: the signed list, its versions, and what the car confirms."""

from dataclasses import replace
from datetime import timedelta

import pytest

from keys.car.claims import FreshClaims
from keys.car.fresh import read_fresh
from keys.issue import Keys
from keys.limits import KeysLimits
from keys.model import RevocationList
from keys.problems import KeyAlive, KeyOver, NoSuchKey, TooManyKeys
from keys.states import State
from spine.facts.keys import KeyDestroyed, KeyRevoked, RevocationConfirmed, RevocationRaised
from spine.ids import KeyId
from tests.keys_world import PHONE, UNIT
from tests.service.conftest import MORNING
from tests.service.keys_desk import Desk, desk

__all__ = ["desk"]

LIST = f"rvl_{UNIT[3:]}"
FIVE = timedelta(minutes=5)


def raised(desk: Desk) -> list[FreshClaims]:
    return [
        read_fresh(fact.signed, trust=desk.trust, unit=UNIT)
        for fact in desk.seen
        if isinstance(fact, RevocationRaised)
    ]


async def revoke(desk: Desk, key: KeyId) -> None:
    await desk.keys.revoke(key, reason="blocked", now=desk.clock.now())


async def test_a_key_on_a_phone_dies_when_the_car_says_so(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    await revoke(desk, key)
    assert await desk.settle() == ["key.revoked", "revocation.raised"]
    first, second = raised(desk)
    jti = (await desk.keys.view(key)).jti
    assert (first.rev.version, first.rev.dead, second.rev.version, second.rev.dead) == (1, (), 2, (jti,))
    assert (second.nonce, second.aud, second.exp - second.iat) == ("", UNIT, 86_400)
    view = await desk.keys.view(key)
    assert (view.state, view.live, view.dies_at) == (
        State.REVOKING,
        True,
        MORNING + timedelta(hours=2, minutes=2),
    )
    told = next(fact for fact in desk.seen if isinstance(fact, KeyRevoked))
    assert (told.reason, told.dies_at) == ("blocked", view.dies_at)
    with pytest.raises(KeyOver):
        await desk.keys.hand_out(key, jkt=PHONE.kid, now=desk.clock.now())
    with pytest.raises(KeyAlive):
        await desk.issue(n=2)

    assert await desk.bring(desk.unit.write("revoked", rev=1)) == ["revocation.confirmed"]
    assert (await desk.keys.view(key)).live
    assert await desk.bring(desk.unit.write("revoked", rev=2)) == ["revocation.confirmed", "key.destroyed"]
    view = await desk.keys.view(key)
    assert (view.state, view.how_destroyed) == (State.CONFIRMED, "confirmed_by_car")
    assert [fact.version for fact in desk.seen if isinstance(fact, RevocationConfirmed)] == [1, 2]
    await desk.issue(n=2)
    await desk.settle()
    await desk.again()


async def test_revoking_twice_is_once(desk: Desk) -> None:
    key = await desk.ready()
    await revoke(desk, key)
    before = await desk.everything()
    await revoke(desk, key)
    assert await desk.everything() == before
    with pytest.raises(NoSuchKey):
        await revoke(desk, KeyId("key_7zzzzzzzzzzzzzzz.1"))


@pytest.mark.parametrize("signed", [True, False])
async def test_what_was_never_handed_out_is_destroyed_at_once(desk: Desk, signed: bool) -> None:
    key = await desk.issue()
    if signed:
        await desk.settle()
    await revoke(desk, key)
    kinds = await desk.settle()
    assert kinds == (["key.destroyed"] if signed else ["key.issued", "key.destroyed"])
    destroyed = next(fact for fact in desk.seen if isinstance(fact, KeyDestroyed))
    assert destroyed.how == "never_handed_out"
    assert (await desk.issue(n=2)).endswith(".2")
    await desk.settle()
    await desk.again()


async def test_the_list_is_signed_again_every_five_minutes_while_a_key_lives(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    assert (await desk.store.load(LIST)).wake_at == MORNING + FIVE
    for n in (1, 2, 3):
        desk.clock.advance(FIVE)
        await desk.keys.on_due(await desk.store.load(LIST))
        assert await desk.settle() == (["revocation.raised"])
        assert (await desk.store.load(LIST)).wake_at == MORNING + (n + 1) * FIVE
    assert [one.iat - int(MORNING.timestamp()) for one in raised(desk)] == [0, 300, 600, 900]
    assert {one.rev.version for one in raised(desk)} == {1}
    await desk.bring(await desk.receipt("consumed", key))
    assert (await desk.store.load(LIST)).wake_at is None
    desk.clock.advance(FIVE)
    await desk.keys.on_due(await desk.store.load(LIST))
    assert await desk.settle() == []


async def test_a_new_key_gets_a_young_list(desk: Desk) -> None:
    key = await desk.ready()
    await desk.bring(await desk.receipt("consumed", key))
    desk.clock.advance(timedelta(hours=1))
    await desk.issue("dlv_7baaaaaaaaaaaaaa")
    assert await desk.settle() == ["key.issued", "key.signed", "revocation.raised"]


async def test_a_process_without_keys_revokes_and_work_signs(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    api = Keys(desk.store, desk.clock, KeysLimits())
    await api.revoke(key, reason="cancelled", now=desk.clock.now())
    assert RevocationList.model_validate_json((await desk.store.load(LIST)).body).signed_version == 1
    assert await desk.settle() == ["key.revoked", "revocation.raised"]
    assert raised(desk)[-1].rev.version == 2
    await desk.again()


async def test_nothing_is_signed_by_a_clock_astray(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    desk.time.off = timedelta(hours=1)
    await revoke(desk, key)
    assert await desk.settle() == ["key.revoked"]
    desk.time.off = timedelta()
    await desk.keys.on_due(await desk.store.load(LIST))
    assert await desk.settle() == ["revocation.raised"]


async def test_a_revoked_key_may_have_been_used_before_the_car_knew(desk: Desk) -> None:
    key = await desk.ready()
    await revoke(desk, key)
    await desk.settle()
    consumed, taken = await desk.receipt("consumed", key), desk.unit.write("revoked", rev=2)
    assert await desk.bring(taken, consumed) == ["key.consumed", "key.destroyed", "revocation.confirmed"]
    assert (await desk.keys.view(key)).how_destroyed == "consumed"
    await desk.again()


async def test_a_version_that_was_never_signed_is_a_contradiction(desk: Desk) -> None:
    await desk.ready()
    await desk.settle()
    assert await desk.bring(desk.unit.write("revoked", rev=7)) == ["receipt.rejected"]


async def test_an_offline_cars_key_dies_by_itself(desk: Desk) -> None:
    key = await desk.ready()
    await revoke(desk, key)
    await desk.settle()
    desk.clock.advance(timedelta(hours=2, seconds=119))
    with pytest.raises(KeyAlive):
        await desk.keys.issue(desk.wanted(n=2), now=desk.clock.now())
    desk.clock.advance(timedelta(seconds=1))
    await desk.keys.on_due(await desk.store.load(key))
    assert await desk.settle() == ["key.destroyed"]
    assert (await desk.keys.view(key)).how_destroyed == "expired"
    desk.clock.advance(FIVE)
    later = replace(desk.wanted("dlv_7baaaaaaaaaaaaaa"), expires=MORNING + timedelta(hours=5))
    await desk.keys.issue(later, now=desk.clock.now())
    assert await desk.settle() == ["key.issued", "key.signed", "revocation.raised"]
    assert raised(desk)[-1].rev.dead == ()  # past all use: it need not be listed any more


async def test_the_list_never_grows_past_what_it_can_hold(desk: Desk) -> None:
    """A hundred keys revoked within their hours: old ones are covered by a floor, and none comes alive again."""
    dead: list[tuple[str, int]] = []
    keep = await desk.ready("dlv_7zaaaaaaaaaaaaaa")
    kept_seq = (await desk.keys.view(keep)).seq
    refused = 0
    for n in range(100):
        delivery = f"dlv_7{n:03d}aaaaaaaaaaaa"
        try:
            key = await desk.ready(delivery)
        except TooManyKeys:
            refused += 1
            continue
        view = await desk.keys.view(key)
        dead.append((view.jti, view.seq))
        await revoke(desk, key)
        await desk.settle()
        listed = raised(desk)[-1].rev
        await desk.bring(desk.unit.write("revoked", rev=listed.version))
        assert all(jti in listed.dead or seq < listed.min_seq for jti, seq in dead)
        assert len(listed.dead) <= 64
        assert listed.min_seq <= kept_seq
    assert refused > 0
    await desk.keys.revoke(keep, reason="end", now=desk.clock.now())
    await desk.settle()
    listed = raised(desk)[-1].rev
    assert listed.min_seq == dead[-1][1] + 1
    assert listed.dead == ()
    await desk.ready("dlv_7yaaaaaaaaaaaaaa")
