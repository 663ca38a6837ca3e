"""A receipt that was foretold answers only once it is durable, and only as what the car signed."""

from datetime import UTC, datetime
from typing import Any

from delivery.witness import Witness, WitnessStand
from keys.car.claims import ReceiptClaims, UnitClock
from keys.car.jws import SigningKey
from keys.car.receipt import GENESIS, chain_hash, make
from spine.facts.vehicle import UnitReceipt
from spine.ids import CommandId, UnitId, VehicleId

UNIT = UnitId("vu_7222222222222222")
COMMAND = CommandId("cmd_7222222222222222.1.open")
NOW = datetime(2026, 11, 27, tzinfo=UTC)
KEY = SigningKey.draw()


def receipt(out: str = "opened", *, key: SigningKey = KEY, **changed: Any) -> str:
    said: dict[str, Any] = {
        "iss": UNIT, "boot": 1, "n": 4, "prev": GENESIS, "at": 1_795_000_000_000,
        "clk": UnitClock(state="synced", u=5), "out": out, "jti": "A" * 22, "seq": 7,
        "dlv": "dlv_7222222222222222", "cmd": COMMAND, "via": "mqtt",
    }  # fmt: skip
    return make(ReceiptClaims(**(said | changed)), key=key)


def fact(text: str, unit: UnitId = UNIT) -> UnitReceipt:
    return UnitReceipt(at=NOW, vehicle=VehicleId("veh_7222222222222222"), unit=unit, receipt=text)


def witness() -> Witness:
    public: Any = KEY.private.public_key()
    return Witness(COMMAND, UNIT, 3, public, KEY.kid)


def test_it_answers_alike_foretold_or_not() -> None:
    opened = receipt()
    for foretold in ((), (opened,), (receipt("closed"), opened, opened)):
        waiting = witness()
        for each in foretold:
            waiting.foresee(each)
        answer = waiting.answer(fact(opened))
        assert answer is not None
        assert (answer.outcome, answer.receipt) == ("opened", (4, chain_hash(opened)))


def test_what_was_foretold_is_no_answer_to_another_fact() -> None:
    waiting = witness()
    waiting.foresee(receipt())
    assert waiting.answer(fact(receipt("consumed", gen=1))) is None
    assert waiting.answer(fact(receipt(), UnitId("vu_7333333333333333"))) is None


def test_forged_foreign_and_broken_ones_are_none_foretold_or_not() -> None:
    other = receipt(cmd="cmd_7222222222222222.2.open")
    for wrong in (
        receipt(key=SigningKey.draw()),
        receipt(iss="vu_7333333333333333"),
        other,
        "a.b.c",
        "",
        "\ud800",
    ):
        waiting = witness()
        waiting.foresee(wrong)
        assert waiting.answer(fact(wrong)) is None
        assert witness().answer(fact(wrong)) is None


def test_it_remembers_few() -> None:
    waiting = witness()
    for n in range(100):
        waiting.foresee(receipt(n=n + 1))
    assert len(waiting.foretold) == 16
    last = waiting.answer(fact(receipt(n=100)))
    assert last is not None
    assert last.outcome == "opened", "what was not remembered is read when it has come"


def test_only_who_waits_hears() -> None:
    stand, one, two = WitnessStand(), witness(), witness()
    opened = receipt()
    stand.hear(UNIT, opened)
    with stand.waiting(one):
        stand.hear("vu_7333333333333333", opened)
        assert not one.foretold
        with stand.waiting(two):
            stand.hear(UNIT, opened)
        stand.hear(UNIT, receipt("closed"))
    stand.hear(UNIT, receipt("locked"))
    assert (len(one.foretold), len(two.foretold)) == (2, 1)
    assert stand._waiting == {}
