"""News for one challenge, signed in ``work``; a car that lost its memory; numbers after a restore from backup."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from keys.car.claims import FreshClaims
from keys.car.fresh import read_answer
from keys.car.jws import Unacceptable
from keys.car.window import Standing, Window
from keys.model import Chain, Numbers, RevocationList
from keys.problems import BadNonce
from keys.restored import JUMP, Restored
from keys.states import State
from spine.facts.keys import FreshAsked, FreshSigned, MemoryLost, NumbersJumped, ReceiptRejected
from spine.facts.vehicle import UnitAsked, VehicleEnrolled
from spine.ids import UnitId
from spine.store import Change, Write
from tests.keys_world import UNIT
from tests.service.keys_desk import VEHICLE, Desk, desk
from tests.service.valkeys import Server
from trunkline.commands.keys import restored_cars
from vehicle_gateway.registry import VehicleBody

__all__ = ["desk"]

NONCE = "A" * 42 + "E"
OTHER = "dlv_7bbbbbbbbbbbbbbb"
REQUEST = "01890a5d-ac96-774b-bcce-b302099a8057"


def asked(desk: Desk, nonce: str = NONCE) -> UnitAsked:
    data = {"nonce": nonce}
    return UnitAsked(
        at=desk.clock.now(), vehicle=VEHICLE, unit=UnitId(UNIT), name="freshness", request=REQUEST, data=data
    )


def answers(desk: Desk) -> list[FreshSigned]:
    return [fact for fact in desk.seen if isinstance(fact, FreshSigned)]


def claims(desk: Desk, nonce: str = NONCE) -> FreshClaims:
    return read_answer(answers(desk)[-1].signed, trust=desk.trust, unit=UNIT, nonce=nonce)


async def numbers(desk: Desk) -> Numbers:
    return Numbers.model_validate_json((await desk.store.load(f"seq_{UNIT[3:]}")).body)


async def listed(desk: Desk) -> RevocationList:
    return RevocationList.model_validate_json((await desk.store.load(f"rvl_{UNIT[3:]}")).body)


async def chain(desk: Desk) -> Chain:
    return Chain.model_validate_json((await desk.store.load(f"chn_{UNIT[3:]}")).body)


# ---- signing


async def test_the_unit_asks_and_is_answered_once(desk: Desk) -> None:
    await desk.ready()
    await desk.ready(OTHER)
    await desk.settle()
    await desk.tell(asked(desk))
    assert await desk.settle() == ["unit.asked", "fresh.signed"]
    told = claims(desk)
    assert (told.iat, told.last, told.rev.version) == (int(desk.clock.now().timestamp()), 2, 1)
    assert answers(desk)[0].request == REQUEST
    await desk.again()


async def test_asked_in_front_of_the_car_it_is_signed_for_that_challenge_alone(desk: Desk) -> None:
    await desk.ready()
    await desk.settle()
    about = {"vehicle": VEHICLE, "unit": UnitId(UNIT), "nonce": NONCE}
    assert (await desk.keys.fresh.ask(**about, now=desk.clock.now())).signed is None  # type: ignore[arg-type]
    assert await desk.settle() == ["fresh.asked", "fresh.signed"]
    assert answers(desk)[0].request == ""
    with pytest.raises(Unacceptable):
        claims(desk, "B" * 42 + "E")
    again = await desk.keys.fresh.ask(**about, now=desk.clock.now())  # type: ignore[arg-type]
    assert again.signed == answers(desk)[0].signed
    assert await desk.keys.fresh.answers(VEHICLE) == {NONCE: answers(desk)[0].signed}
    assert await desk.settle() == []
    await desk.again()


async def test_a_version_that_a_car_may_confirm_was_raised_before(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    desk.time.off = timedelta(hours=1)
    await desk.keys.revoke(key, reason="owner", now=desk.clock.now())
    await desk.settle()
    assert (await listed(desk)).signed_version < (await listed(desk)).version
    desk.time.off = timedelta()
    await desk.tell(asked(desk))
    assert await desk.settle() == ["unit.asked", "revocation.raised", "fresh.signed"]
    assert (await desk.keys.view(key)).jti in claims(desk).rev.dead
    told = await desk.bring(await desk.receipt("revoked", rev=claims(desk).rev.version))
    assert "key.destroyed" in told


@pytest.mark.parametrize("why", ["clock", "late", "nonce", "no nonce"])
async def test_nothing_is_signed(desk: Desk, why: str) -> None:
    await desk.ready()
    await desk.settle()
    fact = asked(desk, {"nonce": "short", "no nonce": ""}.get(why, NONCE))
    if why == "clock":
        desk.time.off = timedelta(seconds=61)
    if why == "late":
        desk.clock.advance(timedelta(seconds=31))
    await desk.tell(fact)
    assert await desk.settle() == ["unit.asked"]


async def test_only_a_challenge_is_taken_and_old_answers_are_erased(desk: Desk) -> None:
    about = {"vehicle": VEHICLE, "unit": UnitId(UNIT)}
    with pytest.raises(BadNonce):
        await desk.keys.fresh.ask(**about, nonce="../x", now=desk.clock.now())  # type: ignore[arg-type]
    for n in range(70):
        nonce = f"{n:042d}E"
        await desk.keys.fresh.ask(**about, nonce=nonce, now=desk.clock.now())  # type: ignore[arg-type]
        await desk.settle()
    assert len(await desk.keys.fresh.answers(VEHICLE)) == 64
    saved = await desk.store.load(f"fsh_{VEHICLE[4:]}")
    assert saved.wake_at == desk.clock.now() + timedelta(minutes=1)
    await desk.keys.on_due(saved)
    assert await desk.keys.fresh.answers(VEHICLE) == {}


async def test_a_process_that_does_not_sign_only_asks(desk: Desk) -> None:
    desk.keys.fresh._signing = None
    fact = FreshAsked(at=desk.clock.now(), vehicle=VEHICLE, unit=UnitId(UNIT), nonce=NONCE)
    await desk.tell(fact)
    assert await desk.settle() == ["fresh.asked"]


# ---- amnesia, as the service hears of it


async def test_a_car_that_forgot_kills_the_keys_below_its_new_floor(desk: Desk) -> None:
    """On a phone: revoked and confirmed. Not handed out: never was. Made since: lives."""
    old, waiting = await desk.ready(), await desk.issue(OTHER)
    await desk.settle()
    await desk.tell(asked(desk))
    await desk.settle()
    floor = (claims(desk).last or 0) + 1
    since = await desk.issue("dlv_7ccccccccccccccc")
    await desk.settle()
    forgot = await desk.receipt("revoked", rev=1, code="amnesia", gen=1_900_000_000, floor=floor)
    told = await desk.bring(forgot)
    assert told[0] == "revocation.confirmed"
    assert told.count("key.destroyed") == 2
    assert "key.revoked" in told
    lost = next(fact for fact in desk.seen if isinstance(fact, MemoryLost))
    assert (lost.floor, lost.n, lost.unit) == (floor, 1, UNIT)
    states = [(await desk.keys.view(key)).state for key in (old, waiting, since)]
    assert states == [State.CONFIRMED, State.WITHDRAWN, State.SIGNED]
    assert not any(isinstance(fact, ReceiptRejected) for fact in desk.seen)
    replaced = await desk.keys.issue(desk.wanted(n=2), now=desk.clock.now())
    assert (await desk.keys.view(replaced)).seq >= floor
    await desk.settle()
    await desk.again()


async def test_a_generation_that_goes_back_is_a_rollback_and_not_amnesia(desk: Desk) -> None:
    key, other = await desk.ready(), await desk.ready(OTHER)
    await desk.settle()
    await desk.bring(await desk.receipt("consumed", key, gen=900))
    told = await desk.bring(await desk.receipt("revoked", rev=1, code="amnesia", gen=2, floor=3))
    assert told == ["receipt.rejected"]
    assert (await desk.keys.view(other)).live


async def test_after_amnesia_a_unit_goes_on_above_every_generation(desk: Desk) -> None:
    key = await desk.ready()
    await desk.settle()
    await desk.bring(await desk.receipt("consumed", key, gen=900))
    await desk.bring(await desk.receipt("revoked", rev=1, code="amnesia", gen=1_900_000_000, floor=2))
    newer = await desk.ready(OTHER)
    await desk.settle()
    told = await desk.bring(await desk.receipt("consumed", newer, gen=1_900_000_001, dlv=OTHER))
    assert told[0] == "key.consumed"


# ---- restore from backup


@dataclass
class Backup:
    """What the store held of the unit's numbers, list and chain at one moment, as the server itself dumps it."""

    server: Server
    dumped: dict[bytes, bytes]

    @classmethod
    def of(cls, server: Server) -> "Backup":
        with server.door() as door:
            return cls(server, {name: door.dump(name) for name in cls._names(door)})

    @staticmethod
    def _names(door: redis.Redis) -> list[bytes]:
        return [name for part in ("seq", "rvl", "chn") for name in door.keys(f"*{part}_{UNIT[3:]}*")]

    def restore(self) -> None:
        with self.server.door() as door:
            door.delete(*self._names(door))
            for name, data in self.dumped.items():
                door.restore(name, 0, data, replace=True)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("lost", [1, 3])
async def test_restored_numbers_are_never_honoured_twice(
    desk: Desk, valkey_server: Server, said: bool, lost: int
) -> None:
    """Keys were used after the backup. Said or not, the unit opens for no number twice; said, it opens at all."""
    await desk.ready()
    await desk.settle()
    backup = Backup.of(valkey_server)
    assert backup.dumped
    window = Window().mark(1)
    for n in range(lost):
        key = await desk.ready(f"dlv_7{'bcd'[n] * 15}")
        window = window.mark((await desk.keys.view(key)).seq)
    used = window
    backup.restore()
    assert (await numbers(desk)).last == 1
    if said:
        jumped = await Restored(desk.store, desk.keys._limits).jump(
            VEHICLE, UnitId(UNIT), now=desk.clock.now()
        )
        assert (jumped.former, jumped.last) == (1, 1 + JUMP)
        await desk.settle()
        assert any(isinstance(fact, NumbersJumped) for fact in desk.seen)
    again = await desk.keys.view(await desk.ready("dlv_7eeeeeeeeeeeeeee"))
    assert used.standing(again.seq) is (Standing.UNUSED if said else Standing.USED)


async def test_after_a_restore_lists_go_on_above_what_the_car_may_know(
    desk: Desk, valkey_server: Server
) -> None:
    key = await desk.ready()
    await desk.settle()
    backup, version = Backup.of(valkey_server), (await listed(desk)).version
    await desk.keys.revoke(key, reason="owner", now=desk.clock.now())
    known = (await listed(desk)).version
    assert known > version
    backup.restore()
    await Restored(desk.store, desk.keys._limits).jump(VEHICLE, UnitId(UNIT), now=desk.clock.now())
    await desk.settle()
    after = await listed(desk)
    assert after.version == after.signed_version > known


async def test_after_a_restore_without_live_keys_those_made_since_the_backup_are_dead(
    desk: Desk, valkey_server: Server
) -> None:
    await desk.tell(asked(desk))
    await desk.settle()
    backup = Backup.of(valkey_server)
    orphan = await desk.keys.view(await desk.ready())
    backup.restore()
    await Restored(desk.store, desk.keys._limits).jump(VEHICLE, UnitId(UNIT), now=desk.clock.now())
    await desk.settle()
    assert (await listed(desk)).min_seq > orphan.seq


async def test_after_a_restore_the_chain_goes_on_where_the_car_stands(
    desk: Desk, valkey_server: Server
) -> None:
    """The car dropped what was acknowledged: nobody can send it again."""
    first = await desk.ready()
    await desk.settle()
    await desk.bring(await desk.receipt("consumed", first))
    backup = Backup.of(valkey_server)
    await desk.bring(*[await desk.receipt(out, first) for out in ("opened", "closed", "locked")])
    backup.restore()
    assert (await chain(desk)).n == 1
    await Restored(desk.store, desk.keys._limits).jump(VEHICLE, UnitId(UNIT), now=desk.clock.now())
    second = await desk.ready(OTHER)
    await desk.settle()
    told = await desk.bring(await desk.receipt("consumed", second, gen=2, dlv=OTHER))
    assert told[0] == "key.consumed"
    assert ((await chain(desk)).n, (await chain(desk)).resumes) == (5, False)
    fork = desk.unit.fork()
    await desk.bring(await desk.receipt("opened", second, dlv=OTHER))
    told = await desk.bring(fork.write("revoked", rev=1))
    assert told == ["receipt.rejected"]


async def test_after_a_restore_a_chain_that_did_not_move_on_goes_on_as_ever(
    desk: Desk, valkey_server: Server
) -> None:
    key = await desk.ready()
    await desk.settle()
    await desk.bring(await desk.receipt("consumed", key))
    await Restored(desk.store, desk.keys._limits).jump(VEHICLE, UnitId(UNIT), now=desk.clock.now())
    other = desk.unit.fork()
    other.head = type(other.head)(1, "B" * 43)
    assert await desk.bring(other.write("revoked", rev=1)) == [
        "numbers.jumped",
        "revocation.raised",
        "receipt.rejected",
    ]
    assert (await desk.bring(await desk.receipt("opened", key))) == ["boot.opened"]


async def test_the_operator_s_command_jumps_every_car_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, valkey_url: str, tmp_path: Path
) -> None:
    """Also a car that no list names yet: the lists are built anew from the log first."""
    monkeypatch.setenv("TRUNKLINE_STORE_URL", valkey_url)
    monkeypatch.setenv("TRUNKLINE_DATA_DIR", str(tmp_path / "data"))
    body = VehicleBody(unit=UnitId(UNIT), shard=7, enrolled_at=desk.clock.now())
    enrolled = VehicleEnrolled(at=desk.clock.now(), vehicle=VEHICLE, unit=UnitId(UNIT), shard=7)
    await desk.store.change(
        [VEHICLE], lambda _: Change({VEHICLE: Write("enrolled", body.model_dump_json())}, [enrolled])
    )
    await desk.ready()
    told = await restored_cars()
    assert told == [{"vehicle": VEHICLE, "unit": UNIT, "former": 1, "last": 1 + JUMP}]
    assert (await numbers(desk)).last == 1 + JUMP
    assert (await chain(desk)).resumes
