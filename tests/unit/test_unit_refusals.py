"""Before possession is proven nothing secret is read: shown with secrets that cannot be touched (keys.md 3.8, 8)."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from keys.car.verify import Presented
from tests.timing import SECRETS, differs, unit_of, wrong_proofs
from tests.unit.unit_rig import DELIVERY, FakeTime, key_token, proof_of
from vehicle_unit.executed import Answer
from vehicle_unit.unit import Unit

SECRET = ("record", "receipts", "revocations", "vehicle", "policy")
COMMAND = "cmd_0123456789abcdef.1.open"


class Touched(AssertionError):
    """A secret was read."""


class Untouchable:
    """Whatever is asked of it, it was touched."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_what", name)

    def __getattribute__(self, name: str) -> NoReturn:
        raise Touched(f"{object.__getattribute__(self, '_what')}.{name}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise Touched(name)

    def __bool__(self) -> NoReturn:
        raise Touched("truth")


class OnlyUptime:
    """A clock of which nothing but the elapsed time may be read."""

    def __init__(self, time: FakeTime) -> None:
        self.uptime = time.uptime

    def __getattr__(self, name: str) -> NoReturn:
        raise Touched(f"clock.{name}")


def sealed(folder: Path) -> tuple[Unit, str]:
    """A unit with an open challenge whose secrets are out of reach from now on."""
    unit = unit_of(folder, refusal_time=timedelta(0), time=FakeTime())
    challenge = unit.openings.challenge(DELIVERY).data["challenge"]
    clock: Any = OnlyUptime(FakeTime())
    hidden: dict[str, Any] = {name: Untouchable(name) for name in SECRET}
    unit.openings._verifier = replace(unit.openings._verifier, clock=clock, **hidden)
    unit.openings.latch = Untouchable("latch")  # type: ignore[assignment]
    return unit, challenge


@pytest.mark.parametrize("kind", sorted(wrong_proofs("A" * 43)))
async def test_a_stranger_touches_no_secret(kind: str, tmp_path: Path) -> None:
    unit, challenge = sealed(tmp_path)
    answer = await unit.openings.present(
        wrong_proofs(challenge)[kind], link=DELIVERY, command=COMMAND, arrived=0.0
    )
    assert answer == Answer("refused", "refused")


async def test_a_replayed_proof_touches_no_secret(tmp_path: Path) -> None:
    unit, challenge = sealed(tmp_path)
    presented = Presented(key_token(1), proof_of(key_token(1), challenge))
    with pytest.raises(Touched):  # the right one does: it is asked for now
        await unit.openings.present(presented, link=DELIVERY, command=COMMAND, arrived=0.0)
    again = await unit.openings.present(presented, link=DELIVERY, command=COMMAND, arrived=0.0)
    assert again == Answer("refused", "refused")


@pytest.mark.parametrize("case", SECRETS, ids=lambda case: case.name)
async def test_whatever_the_secret_is_a_stranger_is_told_the_same(case: Any, tmp_path: Path) -> None:
    unit = unit_of(tmp_path, refusal_time=timedelta(0), time=FakeTime())
    case.prepare(unit)
    receipts, record = unit.receipts.last, unit.record.current
    for kind in sorted(wrong_proofs("A" * 43)):
        presented = wrong_proofs(unit.openings.challenge(DELIVERY).data["challenge"])[kind]
        answer = await unit.openings.present(presented, link=DELIVERY, command=COMMAND, arrived=0.0)
        assert repr(answer) == repr(Answer("refused", "refused"))
    assert (unit.receipts.last, unit.record.current) == (receipts, record)
    unit.latch.stop()


def test_the_measurement_tells_apart_what_is_apart() -> None:
    alone = [100 + n % 17 for n in range(500)]
    assert not differs(list(reversed(alone)), alone)
    assert not differs(
        [value + 1 for value in alone], alone
    )  # by a hundredth: met by chance among many cases
    assert differs([value + 8 for value in alone], alone)
