"""The local link of a unit that knows no broker: opened once, refused alike, and nobody blocks the car."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car import local
from keys.car.claims import ReceiptClaims
from keys.car.jwk import b64
from keys.car.jws import RECEIPT, Fault, SigningKey, Unacceptable, read
from keys.car.local import Said
from keys.car.proof import make_proof
from keys.car.receipt import verify_chain
from keys.car.verify import Presented
from tests.depth import deep
from tests.unit.local_phone import Phone, listening, phone
from tests.unit.test_unit_opening import QUICK, Rig, until
from tests.unit.unit_rig import DELIVERY, RECEIPT_KEY, T0, UNIT, key_token, proof_of
from trunkline.ports import free_port
from vehicle_unit.limits import UnitLimits
from vehicle_unit.local_limits import LocalLimits
from vehicle_unit.lock import Lock
from vehicle_unit.record import NotWritten
from vehicle_unit.unit import Unit

MS = timedelta(milliseconds=1)
JTI = b64((1).to_bytes(16, "big"))
LINK = LocalLimits(listen="127.0.0.1:0", frames_burst=10_000)
SLOW = UnitLimits(**{**QUICK.model_dump(), "lift_within": 120_000 * MS, "shut_within": 120_000 * MS})


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path, limits=SLOW, local=LINK)


def said(receipts: list[str]) -> list[ReceiptClaims]:
    return [ReceiptClaims.of(read(token, RECEIPT).claims) for token in receipts]


async def receipts(caller: Phone, after: int = 0) -> list[str]:
    answer = await caller.ask(local.ask_receipts(after))
    assert answer.ok is not None, answer
    return list(answer.ok["receipts"])


async def test_opens_locks_and_gives_the_receipts_of_this_opening(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        challenge = await caller.challenge()
        assert (challenge["link"], challenge["expires_in"]) == ("phone", 30)
        assert await caller.present(key_token()) == Said({"opened": True, "receipts": 3})
        assert unit.latch.state is Lock.RELEASED
        unit.motor.lift()
        unit.motor.shut()
        await until(unit, Lock.LATCHED)
        told = said(await receipts(caller))
        assert [one.out for one in told] == ["consumed", "opened", "closed", "locked"]
        assert {one.via for one in told} == {"local"}
        assert {one.cmd for one in told} == {None}
        assert [one.n for one in said(await receipts(caller, told[1].n))] == [told[2].n, told[3].n]
        assert rig.releases == 1


async def test_a_receipt_says_which_way_it_was(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        assert (await rig.present(unit, key_token())).outcome == "done"
        unit.motor.lift()
        unit.motor.shut()
        assert (await caller.present(key_token(2))).ok is not None
        told = said([one.token for one in unit.receipts.pending() if one.claims.jti])
        assert [(one.seq, one.via) for one in told if one.out == "opened"] == [(1, "mqtt"), (2, "local")]


async def test_the_way_is_known_after_a_power_cut(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        await caller.present(key_token())
    async with rig.unit(with_list=False) as unit:
        assert [one.claims.via for one in unit.receipts.of_key(JTI, after=0)] == ["local"] * 4


async def test_two_hundred_at_once_open_it_once(rig: Rig) -> None:
    rig.limits = UnitLimits(**{**SLOW.model_dump(), "link_burst": 10_000})
    async with rig.unit() as unit, listening(unit) as port:
        phones = [await stack(phone(port)) for _ in range(unit.local.most)]
        token = key_token()
        opened, codes = 0, set[str]()
        for _ in range(200 // len(phones) + 1):
            answers = await asyncio.gather(*(caller.present(token) for caller, _ in phones))
            opened += sum(answer.ok is not None for answer in answers)
            codes |= {answer.no for answer in answers}
        assert (opened, rig.releases) == (1, 1)
        assert codes <= {"", "already_used", "busy"}
        for _, closing in phones:
            await closing()


async def test_two_hundred_pipelined_presents_of_one_phone_open_it_once(rig: Rig) -> None:
    rig.limits = UnitLimits(**{**SLOW.model_dump(), "link_burst": 10_000})
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        token, challenge = key_token(), (await caller.challenge())["challenge"]
        frame = local.present(token, proof_of(token, challenge))
        caller.writer.write(frame * 200)
        answers = [local.read_answer(await caller.heard()) for _ in range(200)]
        assert [answer.ok is not None for answer in answers].count(True) == 1
        assert {answer.no for answer in answers} == {"", "refused"}
        assert rig.releases == 1


async def stack(context):  # type: ignore[no-untyped-def]
    """Enter a context and give what it gives with what ends it."""
    return await context.__aenter__(), lambda: context.__aexit__(None, None, None)


async def test_a_challenge_is_good_once_and_only_on_its_own_connection(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as mine, phone(port) as other:
        token, challenge = key_token(), (await mine.challenge())["challenge"]
        await other.challenge()
        assert (await other.present(token, challenge)).no == "refused"
        assert (await mine.present(token, challenge)).ok is not None
        assert (await mine.present(token, challenge)).no == "refused"
        assert rig.releases == 1


async def test_a_link_s_name_never_reaches_another_s_challenge(rig: Rig) -> None:
    """A stranger that names the delivery does not replace the challenge that the gateway asked for."""
    async with rig.unit() as unit, listening(unit) as port, phone(port) as stranger:
        token = key_token()
        challenge = unit.openings.challenge(DELIVERY).data["challenge"]
        for name in (DELIVERY, "local:1", "local:2"):
            assert (await stranger.ask(local.ask_challenge(name))).ok is not None
        answer = await unit.openings.present(
            Presented(token, proof_of(token, challenge)),
            link=DELIVERY,
            command="cmd_0123456789abcdef.1",
            arrived=rig.time.up,
        )
        assert answer.outcome == "done"


async def test_a_stolen_key_opens_nothing_and_learns_nothing(rig: Rig) -> None:
    thief = SigningKey.of(generate_private_key(SECP256R1()))
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        token = key_token()
        before = unit.record.current, unit.receipts.last
        nonce = (await caller.challenge())["challenge"]
        now = unit.clock.now()
        proof = make_proof(thief, key_token=token, challenge=nonce, unit=UNIT, act="open:trunk", now=now)
        assert await caller.ask(local.present(token, proof)) == Said(None, "refused")
        assert await caller.ask(local.ask_receipts(0)) == Said(None, "refused")
        assert (unit.record.current, unit.receipts.last, rig.releases) == (*before, 0)


async def test_a_second_phone_learns_only_of_its_own_key(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as first, phone(port) as second:
        assert (await first.present(key_token())).ok is not None
        assert (await second.present(key_token(2))).no == "busy"
        assert {one.seq for one in said(await receipts(second))} == {2}
        assert {one.seq for one in said(await receipts(first))} == {1}


async def test_who_proves_the_key_again_gets_the_receipts_that_were_lost(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port:
        async with phone(port) as caller:
            await caller.present(key_token())
        async with phone(port) as again:
            assert (await again.present(key_token())).no == "already_used"
            outs = [one.out for one in said(await receipts(again))]
            assert outs == ["consumed", "opened", "refused"]


async def test_both_offline_opens_only_where_the_owner_said_so(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        rig.time.pass_by(7_200)
        late = T0 + 7_200
        without = key_token(1, at=late)
        assert (await caller.present(without, at=late)).no == "stale_trust"
        allowed = key_token(2, at=late, fra=86_400)
        assert (await caller.present(allowed, at=late)).ok is not None
        told = said([one.token for one in unit.receipts.pending()])
        assert [(one.seq, one.code) for one in told if one.out == "refused"] == [(1, "stale_trust")]


async def test_a_unit_whose_clock_is_not_set_says_so(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        unit.clock.hear(T0 + 7_000)
        assert (await caller.present(key_token())).no == "clock_untrusted"


HOSTILE = [
    b"{}", b"[]", b"\xff\xfe", b'{"hello":2}', b'{"present":{"key":"","proof":""}}', b'{"receipts":{"after":0}}',
    b'{"challenge":{"link":"x"},"hello":1}', b"x" * 8_192, b'{"present":{"key":"a.b.c","proof":"a.b.c"}}',
    b'{"bundle":["a.b.c"]}', b'{"challenge":{"link":"' + b"x" * 101 + b'"}}',
]  # fmt: skip


@pytest.mark.parametrize("frame", HOSTILE)
async def test_hostile_frames_change_nothing_and_end_nothing(rig: Rig, frame: bytes) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        files = dict(rig.disk.files), list(rig.disk.unsynced)
        answer = await caller.ask(len(frame).to_bytes(4, "big") + frame)
        assert answer.no in {"refused", "version", "not_supported"}
        assert (dict(rig.disk.files), list(rig.disk.unsynced)) == files
        assert (await caller.present(key_token())).ok is not None


@pytest.mark.parametrize(
    "frame", [local.ask_challenge("x"), local.ask_receipts(0), local.present("a.b.c", "a.b.c")]
)
async def test_who_does_not_greet_is_refused(rig: Rig, frame: bytes) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port, greets=False) as caller:
        assert await caller.ask(frame) == Said(None, "refused")


@pytest.mark.parametrize("data", [b"\x00\x00\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x20\x01x"])
async def test_a_broken_stream_is_let_go_and_the_next_phone_served(rig: Rig, data: bytes) -> None:
    rig.local = replace_limits(frame_within=200 * MS)
    async with rig.unit() as unit, listening(unit) as port:
        async with phone(port) as broken:
            await broken.raw(data)
            with pytest.raises((EOFError, ConnectionError)):
                await broken.heard()
        async with phone(port) as caller:
            assert (await caller.present(key_token())).ok is not None


async def test_refusals_without_possession_are_alike_and_take_25_ms(rig: Rig) -> None:
    rig.limits = UnitLimits(**{**SLOW.model_dump(), "refusal_time": 25 * MS})
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        used = key_token()
        await caller.present(used)
        unit.motor.lift()
        unit.motor.shut()
        loop = asyncio.get_running_loop()
        async with phone(port) as stranger:
            await stranger.challenge()
            answers = set[bytes]()
            for frame in (
                local.ask_receipts(0),
                local.present(used, "a.b.c"),
                local.present("a.b.c", "a.b.c"),
            ):
                began = loop.time()
                await stranger.raw(frame)
                answers.add(await stranger.heard())
                assert loop.time() - began >= 0.0245
            assert answers == {b'{"no":"refused"}'}


async def test_one_phone_too_many_is_told_busy_and_the_gateway_still_gets_a_challenge(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port:
        held = [await stack(phone(port)) for _ in range(unit.local.most)]
        for caller, _ in held:
            await caller.challenge()
        async with phone(port, greets=False) as late:
            assert local.read_answer(await late.heard()) == Said(None, "busy")
        assert unit.openings.challenge(DELIVERY).outcome == "done"
        assert unit.openings.challenge("dlv_0000000000000001").outcome == "done"
        for _, closing in held:
            await closing()
        await until_empty(unit)
        assert all(unit.openings.challenge(f"dlv_{n:016}").outcome == "done" for n in range(2, 6))


async def until_empty(unit: Unit) -> None:
    async with asyncio.timeout(60):
        while unit.local._here:  # noqa: ASYNC110  # what we wait for
            await asyncio.sleep(0.001)


async def test_fewer_phones_than_links_whatever_is_set(rig: Rig) -> None:
    rig.local = replace_limits(phones=63)
    async with rig.unit() as unit:
        assert unit.local.most == 7


def replace_limits(**changes: object) -> LocalLimits:
    return LocalLimits(**{**LINK.model_dump(), **changes})


async def test_a_phone_over_its_rate_is_told_busy(rig: Rig) -> None:
    rig.limits = UnitLimits(**{**SLOW.model_dump(), "link_burst": 3})
    async with rig.unit() as unit, listening(unit) as port:
        for _ in range(3):
            async with phone(port) as caller:  # another connection is the same phone
                await caller.challenge()
        async with phone(port) as caller:
            assert await caller.ask(local.ask_challenge("x")) == Said(None, "busy")
            rig.time.pass_by(5)
            assert (await caller.ask(local.ask_challenge("x"))).ok is not None
            assert await caller.ask(local.ask_challenge("x")) == Said(None, "busy")


async def test_frames_over_their_rate_are_told_busy(rig: Rig) -> None:
    rig.local = replace_limits(frames_burst=4)
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        for _ in range(3):
            assert (await caller.ask(local.ask_receipts(0))).no == "refused"
        assert (await caller.ask(local.ask_receipts(0))).no == "busy"


@pytest.mark.parametrize(
    ("limit", "sends"),
    [("silent", b""), ("unproven", b""), ("frame_within", b"\x00\x00\x00\x09{"), ("longest", b"")],
)
async def test_a_slow_phone_is_let_go(rig: Rig, limit: str, sends: bytes) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as slow:
        if limit == "longest":
            assert (await slow.present(key_token())).ok is not None
        assert unit.phones is not None
        # It is slow from here on: what it did until now may have taken this machine longer.
        unit.phones._limits = replace_limits(**{limit: 30 * MS})
        if sends:
            await slow.raw(sends)
        else:
            assert await slow.ask(local.hello()) == Said({"hello": 1})
        with pytest.raises((EOFError, ConnectionError)):
            async with asyncio.timeout(60):
                await slow.heard()


async def test_slow_and_broken_phones_do_not_block_the_car(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port:
        stuck = [await stack(phone(port, greets=False)) for _ in range(3)]
        await stuck[0][0].raw(b"\x00\x00\x10\x00{")
        await stuck[1][0].raw(b"\x00")
        async with phone(port) as caller:
            assert (await caller.present(key_token())).ok is not None
        for _, closing in stuck:
            await closing()


async def test_a_phone_that_takes_no_answers_is_let_go(rig: Rig) -> None:
    rig.local = replace_limits(write_within=50 * MS)
    async with rig.unit() as unit, listening(unit) as port, phone(port) as deaf:
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(talk_on(deaf), 120)


async def talk_on(deaf: Phone) -> None:
    while True:
        await deaf.raw(local.hello() * 2_000)


async def test_a_phone_that_goes_away_leaves_its_opening_to_the_car(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port:
        async with phone(port) as caller:
            token, challenge = key_token(), (await caller.challenge())["challenge"]
            await caller.raw(local.present(token, proof_of(token, challenge)))
        await until(unit, Lock.RELEASED)
        unit.motor.lift()
        unit.motor.shut()
        assert unit.latch.state is Lock.LATCHED
        told = [one.token for one in unit.receipts.pending()]
        claims = verify_chain(told, key=RECEIPT_KEY.private.public_key(), unit=UNIT)
        assert [one.out for one in claims if one.jti] == ["consumed", "opened", "closed", "locked"]


async def test_what_fails_inside_is_told_and_the_next_is_answered(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        token, challenge = key_token(), (await caller.challenge())["challenge"]

        def broken(*_: object) -> None:
            raise RuntimeError("never foreseen")

        monkeypatch.setattr(unit.latch, "feed", broken)
        assert (await caller.ask(local.present(token, proof_of(token, challenge)))).no == "may_have_opened"
        monkeypatch.undo()
        assert (await caller.ask(local.ask_challenge("x"))).ok is not None


async def test_a_bundle_goes_to_who_takes_bundles(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        assert (await caller.ask(local.bring_bundle(("a.b.c",)))).no == "refused", "this unit knows no roots"
        brought: list[object] = []

        def take(document: object) -> bool:
            brought.append(document)
            return len(brought) == 1

        unit.local.take_bundle = take
        assert await caller.ask(local.bring_bundle(("a.b.c", "d.e.f"))) == Said({"taken": True})
        assert await caller.ask(local.bring_bundle(("a.b.c", "d.e.f"))) == Said({"taken": False})
        assert brought == [{"bundle": ["a.b.c", "d.e.f"]}] * 2


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Unacceptable(Fault.SIGNATURE), "refused"),
        (NotWritten("disk"), "internal"),
        (OSError("disk"), "internal"),
    ],
)
async def test_a_bundle_that_is_not_taken(rig: Rig, fault: Exception, code: str) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:

        def take(document: object) -> bool:
            raise fault

        unit.local.take_bundle = take
        assert (await caller.ask(local.bring_bundle(("a.b.c",)))).no == code
        assert (await caller.present(key_token())).ok is not None


async def test_many_receipts_come_in_frames_that_fit(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        await caller.present(key_token())
        for _ in range(30):
            assert (await caller.present(key_token())).no == "already_used"
        found, after, rounds = list[str](), 0, 0
        more = True
        while more:
            answer = await caller.ask(local.ask_receipts(after))
            assert answer.ok is not None
            found += answer.ok["receipts"]
            more, after, rounds = answer.ok["more"], said(found)[-1].n, rounds + 1
        assert len(found) == 32
        assert rounds > 1


async def test_refusals_of_old_keys_never_use_up_the_room_of_an_opening(rig: Rig) -> None:
    rig.limits = UnitLimits(**{**SLOW.model_dump(), "receipts_kept": 16})
    async with rig.unit() as unit, listening(unit) as port, phone(port) as caller:
        rig.vehicle.ignition_on = True
        for _ in range(20):
            assert (await caller.present(key_token())).no == "vehicle_state"
        assert len(unit.receipts.pending()) == 8
        rig.vehicle.ignition_on = False
        assert (await caller.present(key_token(2))).ok is not None


FRAMES = [
    local.hello(), local.ask_challenge("x"), local.present(key_token(), proof_of(key_token(), "A" * 43)),
    local.ask_receipts(0), local.bring_bundle(("a.b.c",)),
]  # fmt: skip
CUT = st.tuples(st.sampled_from(FRAMES), st.integers(4, 1_500), st.binary(min_size=1, max_size=4)).map(
    lambda cut: cut[0][4 : cut[1]] + cut[2] + cut[0][cut[1] + len(cut[2]) :]
)


def test_any_frames_are_answered_and_change_nothing(rig: Rig) -> None:
    @settings(max_examples=deep(120), deadline=None)
    @given(st.lists(CUT | st.binary(max_size=200) | st.sampled_from([one[4:] for one in FRAMES]), max_size=6))
    def check(frames: list[bytes]) -> None:
        asyncio.run(stay_the_same(rig, frames))

    check()


async def stay_the_same(rig: Rig, frames: list[bytes]) -> None:
    async with rig.unit() as unit:
        conversation = unit.local.begin("somebody")
        assert conversation is not None
        before = dict(rig.disk.files), list(rig.disk.unsynced)
        for frame in frames:
            answer = local.read_answer((await conversation.answer(frame))[4:])
            assert answer.no in {"", "refused", "busy", "version", "not_supported"}
        assert not conversation.proven
        assert (dict(rig.disk.files), list(rig.disk.unsynced)) == before
        unit.local.end(conversation)


async def test_an_address_that_is_not_free_is_tried_again(rig: Rig) -> None:
    port = free_port()  # once it is free again, no outgoing connection is given it
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    rig.local = replace_limits(listen=f"127.0.0.1:{port}", bind_again=5 * MS)
    async with rig.unit() as unit:
        assert unit.phones is not None
        task = asyncio.create_task(unit.phones.run())
        await asyncio.sleep(0)
        assert not unit.phones.ready.is_set()
        taken.close()
        await taken.wait_closed()
        await asyncio.wait_for(unit.phones.ready.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_whole_unit_works_with_no_broker_at_all(rig: Rig) -> None:
    async with rig.unit() as unit, listening(unit) as port:
        on_the_air = [asyncio.create_task(work) for work in (unit.link.run(), unit.presence.run())]
        async with phone(port) as caller:
            assert (await caller.present(key_token())).ok is not None
            unit.motor.lift()
            unit.motor.shut()
            outs = [one.out for one in said(await receipts(caller))]
            assert outs == ["consumed", "opened", "closed", "locked"]
        assert not unit.link.connected
        assert all(one.message_id in unit.outbox for one in unit.receipts.of_key(JTI, after=0))
        assert not any(task.done() for task in on_the_air)
        for task in on_the_air:
            task.cancel()
        await asyncio.gather(*on_the_air, return_exceptions=True)


async def test_no_address_no_link(rig: Rig) -> None:
    rig.local = LocalLimits()
    async with rig.unit() as unit:
        assert unit.phones is None


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("", None),
        ("127.0.0.1:7", ("127.0.0.1", 7)),
        ("[::1]:80", ("::1", 80)),
        ("car.lan:443", ("car.lan", 443)),
    ],
)
def test_addresses(listen: str, address: tuple[str, int] | None) -> None:
    assert LocalLimits(listen=listen).address == address


@pytest.mark.parametrize("listen", ["7000", ":7000", "host", "a b:1", "::1:80"])
def test_what_is_no_address(listen: str) -> None:
    with pytest.raises(ValueError, match="listen"):
        LocalLimits(listen=listen)
