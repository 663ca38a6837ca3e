"""News for a challenge at the unit: when it wants them, what they set, and how lost memory begins again."""

from collections.abc import Callable
from contextlib import suppress
from os import urandom
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.car.claims import FreshClaims
from keys.car.fresh import write_fresh
from keys.car.jws import Unacceptable
from keys.car.policy import Policy
from keys.car.receipt import verify_chain
from keys.car.trust import TrustedKeys
from keys.car.verify import Presented
from keys.car.window import Standing
from tests.unit.test_unit_opening import QUICK, Rig
from tests.unit.unit_rig import (
    DELIVERY,
    KEY_SIGNER,
    RECEIPT_KEY,
    T0,
    UNIT,
    FadingDisk,
    FakeTime,
    PowerCut,
    jwks,
    key_token,
    news,
    proof_of,
    revocations,
)
from vehicle_unit.clock import UnitClock
from vehicle_unit.disk import MemoryDisk
from vehicle_unit.executed import Answer
from vehicle_unit.freshness import Freshness
from vehicle_unit.limits import UnitLimits
from vehicle_unit.receipts import Receipts
from vehicle_unit.record import SLOTS, NotWritten, Record, RecordStore
from vehicle_unit.revocations import Revocations
from vehicle_unit.unit import Unit

COMMAND = "cmd_0123456789abcdef.1.open"
DAY = 86_400


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def bring(
    rig: Rig, unit: Unit, token: str, make: Callable[[str], str | None] = news, after: float = 0.0
) -> Answer:
    """Present a key with what ``make`` gives for the challenge, ``after`` seconds."""
    challenge = unit.openings.challenge(DELIVERY).data["challenge"]
    rig.time.pass_by(after)
    presented = Presented(token, proof_of(token, challenge), make(challenge))
    return await unit.openings.present(presented, link=DELIVERY, command=COMMAND, arrived=rig.time.up)


def claims(unit: Unit) -> list[Any]:
    tokens = [receipt.token for receipt in unit.receipts.pending()]
    return verify_chain(tokens, key=RECEIPT_KEY.private.public_key(), unit=UNIT)


def shut(unit: Unit) -> None:
    unit.motor.lift()
    unit.motor.shut()


def forget(rig: Rig) -> None:
    """Both slots go bad."""
    for slot in SLOTS:
        rig.disk.files[slot] = b"\0" * 72
    rig.disk.unsynced = []


def record(rig: Rig) -> Record:
    found = [Record.unpacked(rig.disk.read(slot) or b"") for slot in SLOTS]
    return max((one for one in found if one), key=lambda one: one.generation)


# ---- keys.md 3.4: the car's net, the courier's net, the clock


@pytest.mark.parametrize(
    ("car_net", "courier_net", "clock", "fra", "outcome"),
    [
        ("up", "down", "set", None, "opened"),
        ("up", "down", "unset", None, "opened"),
        ("up", "up", "set", None, "opened"),
        ("up", "up", "unset", None, "opened"),
        ("down", "up", "set", None, "opened"),
        ("down", "up", "unset", None, "opened"),
        ("down", "up", "set", 0, "opened"),
        ("down", "down", "set", None, "stale_trust"),
        ("down", "down", "set", DAY, "opened"),
        ("down", "down", "set", 3_600, "stale_trust"),
        ("down", "down", "unset", None, "clock_untrusted"),
        ("down", "down", "unset", DAY, "clock_untrusted"),
        ("down", "down", "no list", DAY, "stale_trust"),
    ],
)
async def test_the_table_of_nets_and_clocks(
    rig: Rig, car_net: str, courier_net: str, clock: str, fra: int | None, outcome: str
) -> None:
    """The list in the car is two hours old; who is online brings news where the challenge asks for them."""
    async with rig.unit(with_list=clock != "no list", with_time=clock != "unset") as unit:
        rig.time.pass_by(7_200)
        if car_net == "up":
            unit.revocations.take(revocations(2, at=T0 + 7_200))
            if unit.freshness.needed:
                unit.freshness.answered(news(unit.freshness.ask(), 2, at=T0 + 7_200))
        more = {} if fra is None else {"fra": fra}
        token = key_token(at=T0 + 7_200, **more)

        def ask(challenge: str) -> str | None:
            return news(challenge, 2, at=T0 + 7_200) if courier_net == "up" else None

        answer = await bring(rig, unit, token, ask)
        assert (answer.code or answer.outcome) == outcome


async def test_the_challenge_says_what_it_wants(rig: Rig) -> None:
    def asks(unit: Unit) -> bool:
        told: bool = unit.openings.challenge(DELIVERY).data["fresh"]
        return told

    async with rig.unit(with_time=False) as unit:
        assert asks(unit)
        unit.clock.prove(T0, drawn=rig.time.up)
        assert not asks(unit)
        rig.time.pass_by(560)
        assert not asks(unit)
        rig.time.pass_by(30)  # a tap may come 30 s after the challenge
        assert asks(unit)
        unit.revocations.take(revocations(2, at=T0 + 590))
        assert not asks(unit)
        unit.clock.hear(T0 + 5_000)
        assert asks(unit)


async def test_news_set_clock_list_and_floors_durably(rig: Rig) -> None:
    async with rig.unit(with_time=False, with_list=False) as unit:
        answer = await bring(rig, unit, key_token(5), lambda c: news(c, 7, min_seq=4, at=T0 + 3), after=6)
        assert answer.outcome == "done"
        reading = unit.clock.read()
        assert (reading.at - reading.u, reading.u) == ((T0 + 3) * 1000, 3_500)  # ± the nonce's round trip
        kept = record(rig)
        assert (kept.revocation_version, kept.clock_floor, kept.window.floor) == (7, T0 + 3, 4)
        assert [one.out for one in claims(unit)] == ["revoked", "consumed", "opened"]
        assert claims(unit)[0].rev == 7
        shut(unit)
    async with rig.unit(with_time=False, with_list=False) as unit:
        assert unit.revocations.current is not None  # kept as it came, nonce and all
        assert unit.clock.read().state == "unset"
        assert unit.openings.challenge(DELIVERY).data["fresh"]


async def test_news_revoke_a_key_that_the_kept_list_would_let_open(rig: Rig) -> None:
    token = key_token(5)
    jti = "AAAAAAAAAAAAAAAAAAAABQ"
    async with rig.unit() as unit:
        assert (await bring(rig, unit, token, lambda c: news(c, 2, dead=(jti,)))).code == "revoked"
        assert (await bring(rig, unit, token, lambda _: None)).code == "revoked"
        assert rig.releases == 0


@pytest.mark.parametrize(
    "make",
    [
        lambda c: news("A" * 43),
        lambda c: news(c, 0),  # an older list than the record knows
        lambda c: news(c, 2**32),
        lambda c: news(c, unit="vu_0123456789abcdeg"),
        lambda c: revocations(2),  # the retained list is news for no challenge
        lambda c: news(c)[:-8] + "AAAAAAAA",
        lambda c: write_fresh(
            FreshClaims.of(
                {"aud": UNIT, "nonce": c, "iat": T0, "exp": T0 + DAY, "bundle": 0, "last": 0,
                 "rev": {"version": 1, "min_seq": 0, "dead": []}}
            ),
            key=KEY_SIGNER,
        ),
        lambda c: "",
        lambda c: "x" * 5_000,
    ],
)  # fmt: skip
async def test_news_that_are_not_for_this_challenge_open_nothing(
    rig: Rig, make: Callable[[str], str]
) -> None:
    async with rig.unit() as unit:
        before = record(rig)
        assert (await bring(rig, unit, key_token(), make)).code == "stale_trust"
        assert record(rig) == before
        assert rig.releases == 0


async def test_without_possession_news_write_nothing(rig: Rig) -> None:
    async with rig.unit(with_time=False) as unit:
        before, done = record(rig), rig.disk.done
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
        token = key_token()
        stolen = Presented(token, proof_of(token, "A" * 43), news(challenge, 9, min_seq=1_000))
        answer = await unit.openings.present(stolen, link=DELIVERY, command=COMMAND, arrived=rig.time.up)
        assert answer.code == "refused"
        assert (record(rig), rig.disk.done) == (before, done)
        assert unit.clock.read().state == "unset"


async def test_asked_over_mqtt_it_sets_the_time_once(rig: Rig) -> None:
    async with rig.unit(with_time=False) as unit:
        assert unit.freshness.needed
        nonce = unit.freshness.ask()
        rig.time.pass_by(2)
        unit._read("fresh", news(nonce, at=T0 + 1).encode())
        assert unit.clock.read().state == "synced"
        assert not unit.freshness.needed
        before = record(rig)
        unit._read("fresh", news(nonce, 5, at=T0 + 2).encode())
        assert record(rig) == before
        late = unit.freshness.ask()
        rig.time.pass_by(31)
        unit._read("fresh", news(late, 5, at=T0 + 2).encode())
        assert record(rig) == before


# ---- amnesia


async def test_amnesia_refuses_everything_until_news_come(rig: Rig) -> None:
    forget(rig)
    async with rig.unit() as unit:
        assert unit.openings.challenge(DELIVERY).data["fresh"]
        assert (await bring(rig, unit, key_token(9), lambda _: None)).code == "stale_trust"
        assert unit.revocations.take(revocations(5)) is None  # the retained list is not enough
        assert (await bring(rig, unit, key_token(9), lambda _: None)).code == "stale_trust"
        assert unit.record.current is None
        without = await bring(rig, unit, key_token(9), lambda c: news(c, last=None))
        assert without.code == "stale_trust"
        assert unit.record.current is None


@pytest.mark.parametrize("how", ["courier", "mqtt"])
@pytest.mark.parametrize("receipts", ["kept", "lost"])
async def test_a_key_from_before_amnesia_never_opens_again(rig: Rig, how: str, receipts: str) -> None:
    """Used, unused, or used without the server having heard: the record begins above all numbers given."""
    used, unused = key_token(3), key_token(4)
    async with rig.unit() as unit:
        assert (await bring(rig, unit, used)).outcome == "done"
        shut(unit)
        generation = record(rig).generation
    forget(rig)
    if receipts == "lost":
        del rig.disk.files["receipts.log"]
    async with rig.unit(with_list=False, with_time=False) as unit:
        if how == "mqtt":
            unit._read("fresh", news(unit.freshness.ask(), last=4).encode())
            make: Callable[[str], str | None] = lambda _: None  # noqa: E731
        else:
            make = lambda c: news(c, last=4)  # noqa: E731
        for token in (used, unused):
            answer = await bring(rig, unit, token, make)
            assert answer.code in {"stale_trust", "already_used"}
        assert rig.releases == 1
        assert record(rig).window.floor == 5
        told = next(one for one in claims(unit) if one.out == "revoked" and one.floor is not None)
        assert (told.code, told.floor, told.rev, told.gen) == ("amnesia", 5, 1, T0)
        assert (told.gen or 0) > generation
        assert (await bring(rig, unit, key_token(5))).outcome == "done"
        assert claims(unit)[-2].gen > told.gen


async def test_what_a_kept_receipt_says_was_used_stays_used_though_the_service_forgot(rig: Rig) -> None:
    async with rig.unit() as unit:
        assert (await bring(rig, unit, key_token(7))).outcome == "done"
        shut(unit)
    forget(rig)
    async with rig.unit(with_list=False, with_time=False) as unit:
        answer = await bring(rig, unit, key_token(7), lambda c: news(c, last=3))
        assert answer.code == "stale_trust"
        assert record(rig).window.floor == 8


async def test_the_list_of_before_does_not_count_after_amnesia(rig: Rig) -> None:
    async with rig.unit() as unit:
        unit.revocations.take(revocations(3, min_seq=2))
    forget(rig)
    async with rig.unit(with_list=False) as unit:
        assert unit.revocations.current is None


async def test_a_power_cut_at_any_moment_of_beginning_again_opens_no_old_key(tmp_path: Path) -> None:
    tried = 0
    for writes in range(40):
        rig = Rig(tmp_path)
        async with rig.unit() as unit:
            assert (await bring(rig, unit, key_token(3))).outcome == "done"
            shut(unit)
        forget(rig)
        rig.disk = FadingDisk(writes=writes, files=dict(rig.disk.files))
        try:
            async with rig.unit(with_list=False) as unit:
                await bring(rig, unit, key_token(3), lambda c: news(c, last=3))
        except PowerCut:
            tried += 1
        for left in rig.disk.remains():
            again = Rig(tmp_path, disk=left)
            if left.read(SLOTS[0]) is None:
                continue
            async with again.unit(with_list=False) as unit:
                for make in (lambda _: None, lambda c: news(c, last=3)):
                    answer = await bring(again, unit, key_token(3), make)
                    assert answer.outcome == "refused"
                assert again.releases == 0
                opened = await bring(again, unit, key_token(4), lambda c: news(c, last=4))
                assert (opened.outcome == "done") == (unit.record.current.window.floor <= 4)  # type: ignore[union-attr]
    assert tried > 5


async def test_no_room_for_the_receipt_begins_nothing(rig: Rig) -> None:
    forget(rig)
    rig.limits = QUICK.model_copy(update={"receipts_kept": 0})
    async with rig.unit(with_list=False) as unit:
        assert (await bring(rig, unit, key_token(9), lambda c: news(c, last=3))).code == "busy"
        assert unit.record.current is None


# ---- floors


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["news", "list", "key", "restart", "forget"]),
        st.integers(0, 6),
        st.integers(0, 40),
        st.integers(-2_000, 2_000),
    ),
    max_size=20,
)


@given(STEPS)
def test_no_floor_ever_goes_down(steps: list[tuple[str, int, int, int]]) -> None:
    """Versions, numbers, generation and signed time, through restarts and amnesia, whatever the service signs."""
    disk, time, given_out = MemoryDisk(), FakeTime(), 0
    RecordStore(disk).provision()
    unit = Bare(disk, time)
    last = unit.record.current
    assert last is not None
    for kind, version, number, jump in steps:
        time.pass_by(1)
        given_out = max(given_out, number)
        match kind:
            case "news":
                with suppress(Unacceptable):
                    unit.freshness.answered(
                        news(unit.freshness.ask(), version, min_seq=number, last=given_out, at=T0 + jump)
                    )
            case "list":
                with suppress(Unacceptable):
                    unit.revocations.take(revocations(version, min_seq=number, at=T0 + jump))
            case "key" if unit.record.current is not None:
                window = unit.record.current.window
                if window.standing(number) is Standing.UNUSED:
                    unit.record.advance(window=window.mark(number), clock_floor=T0 + jump)
            case "restart":
                unit = Bare(disk, time)
            case "forget":
                for slot in SLOTS:
                    disk.replace(slot, b"")
                unit = Bare(disk, time)
            case _:
                pass
        now = unit.record.current
        if now is None:
            continue
        assert now.window.floor >= last.window.floor
        assert all(
            now.window.standing(n) is not Standing.UNUSED
            for n in range(41)
            if last.window.standing(n) is not Standing.UNUSED
        )
        if not unit.begun:  # after amnesia it goes on at the signed time
            assert now.generation >= last.generation
            assert now.revocation_version >= last.revocation_version
            assert now.clock_floor >= last.clock_floor
        unit.begun = False
        last = now


class Bare:
    """What a unit knows of numbers and time, without a car around it."""

    def __init__(self, disk: MemoryDisk, time: FakeTime) -> None:
        limits = UnitLimits()
        self.record = RecordStore(disk)
        self.begun = self.record.current is None
        floor = self.record.current.clock_floor if self.record.current else 0
        self.clock = UnitClock(time, floor=floor, limits=limits)
        self.receipts = Receipts(disk, unit=UNIT, key=RECEIPT_KEY, boot=1, limits=limits)
        trust = TrustedKeys.from_jwks(jwks())
        self.revocations = Revocations(
            disk, unit=UNIT, trust=trust, clock=self.clock, record=self.record, receipts=self.receipts
        )
        self.freshness = Freshness(
            policy=Policy(),
            clock=self.clock,
            record=self.record,
            receipts=self.receipts,
            revocations=self.revocations,
            random=urandom,
        )


def test_a_record_that_is_there_is_never_begun_again() -> None:
    disk = MemoryDisk()
    store = RecordStore(disk)
    store.provision()
    with pytest.raises(NotWritten):
        store.begin_again(generation=9, floor=0, clock_floor=0, revocation_version=0, bundle_version=0)
