"""The chaos runs' own eyes: each thing that must never happen is seen when it does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from spine.facts import Fact
from spine.facts import delivery as d
from spine.facts import keys as k
from spine.facts import vehicle as v
from spine.ids import CommandId, KeyId, QuestionId, new_id
from spine.log import Entry
from tests.chaos.ledger import Ledger, identity

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
DLV, CAR, VEH, UNIT, CMD = (new_id(prefix, 1) for prefix in ("dlv", "car", "veh", "vu", "cmd"))
KEY = f"key_{DLV.partition('_')[2]}.1"
OF_DELIVERY: dict[str, Any] = {"at": NOW, "delivery": DLV, "carrier": CAR, "vehicle": VEH}
OF_KEY: dict[str, Any] = {"at": NOW, "vehicle": VEH, "unit": UNIT, "delivery": DLV, "key": KEY}
OF_COMMAND: dict[str, Any] = {
    "at": NOW, "vehicle": VEH, "unit": UNIT, "command": CMD, "op": "present", "delivery": DLV,
}  # fmt: skip
APPROVED = d.DeliveryApproved(
    **OF_DELIVERY, question=QuestionId("qst_1"), by=None, level="link", shown="0" * 64
)
ISSUED = k.KeyIssued(**OF_KEY, jti="j", seq=1, jkt="t", kid="k", nbf=NOW, exp=NOW, claims_hash="c")
SIGNED = k.KeySigned(**OF_KEY)
OPENING = d.OpeningStarted(**OF_DELIVERY, command=CommandId(CMD), key=KeyId(KEY))
CONSUMED = k.KeyConsumed(**OF_KEY, n=1, receipt_hash="h")
OPENED = k.BootOpened(**OF_KEY, n=2, receipt_hash="h2")


def told(tmp_path: Path, *facts: Fact) -> list[str]:
    ledger = Ledger(UNIT, tmp_path, tmp_path / "unit.log")
    for n, fact in enumerate(facts):
        ledger.take(Entry(1, f"1-{n}", fact))
    return ledger.wrong


def test_a_life_as_it_should_be_is_fine(tmp_path: Path) -> None:
    assert told(tmp_path, APPROVED, ISSUED, SIGNED, OPENING, CONSUMED, OPENED) == []


@pytest.mark.parametrize("fact", [APPROVED, ISSUED, OPENED, OPENING, v.CommandSent(**OF_COMMAND)])
def test_a_fact_twice_is_seen_whatever_its_time(tmp_path: Path, fact: Fact) -> None:
    again = fact.model_copy(update={"at": NOW + timedelta(seconds=1)})
    assert identity(fact) == identity(again)
    before: list[Any] = [APPROVED, ISSUED, SIGNED, OPENING, CONSUMED]
    facts: list[Any] = [*before, fact] if fact not in before else before
    assert any("doubled" in why for why in told(tmp_path, *facts, again))


def test_two_ends_of_one_command_are_seen(tmp_path: Path) -> None:
    ends = v.CommandDone(**OF_COMMAND), v.CommandExpired(**OF_COMMAND)
    assert any("doubled" in why for why in told(tmp_path, *ends))


def test_a_late_answer_is_no_second_end(tmp_path: Path) -> None:
    assert told(tmp_path, v.CommandUnanswered(**OF_COMMAND), v.CommandDone(**OF_COMMAND)) == []


@pytest.mark.parametrize("missing", [APPROVED, ISSUED, SIGNED, OPENING])
def test_an_opening_that_nobody_allowed_is_seen(tmp_path: Path, missing: Fact) -> None:
    facts = [one for one in (APPROVED, ISSUED, SIGNED, OPENING) if one is not missing]
    assert any("without approval" in why for why in told(tmp_path, *facts, CONSUMED))


def test_an_approval_that_comes_after_the_key_is_none(tmp_path: Path) -> None:
    assert any(
        "without approval" in why for why in told(tmp_path, ISSUED, SIGNED, APPROVED, OPENING, CONSUMED)
    )


def test_more_unlatching_than_keys_is_seen(tmp_path: Path) -> None:
    log = tmp_path / "unit.log"
    log.write_text("INFO lock.state former='latched' state='unlatching'\n", "utf-8")
    ledger = Ledger(UNIT, tmp_path, log)
    ledger.check_openings()
    assert ledger.wrong == ["unlatched 1 times with 0 keys"]
