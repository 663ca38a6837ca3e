"""The page of the local link: its byte vectors are what the code writes, its tests exist, its numbers hold."""

import json
import re
from pathlib import Path

import pytest

from keys.car import local
from keys.car.frames import MAX_FRAME, Chunks, Frames, Joined
from tests.unit.unit_rig import UNIT, key_token, proof_of, revocations
from vehicle_unit.local_limits import LocalLimits

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "link.md").read_text("utf-8")
VECTORS = json.loads(PAGE.partition("```json\n")[2].partition("```")[0])
SAID = {
    "hello": local.hello(),
    "greeted": local.ok({"hello": 1}),
    "challenge": local.ask_challenge("phone"),
    "refused": local.no("refused"),
}


@pytest.mark.parametrize("name", SAID)
def test_a_vector_is_what_the_code_writes_and_reads(name: str) -> None:
    vector = VECTORS[name]
    assert SAID[name].hex() == vector["frame"]
    assert [chunk.hex() for chunk in Chunks(vector["mtu"]).cut(SAID[name])] == vector["chunks"]
    joined, frames = Joined(), Frames()
    found = [frame for text in vector["chunks"] for frame in frames.feed(joined.feed(bytes.fromhex(text)))]
    assert found == [SAID[name][4:]]


def test_every_vector_is_checked() -> None:
    assert VECTORS.keys() == SAID.keys()


def test_the_tests_of_the_rules_exist() -> None:
    named = re.findall(r"`((?:unit|journey)/\w+\.py)::(\w+)`", PAGE)
    assert len(named) >= 12
    for file, test in named:
        assert re.search(
            rf"^(async )?def {test}\(", (ROOT / "tests" / file).read_text("utf-8"), re.MULTILINE
        ), test
    rules = set(re.findall(r"\*\*(LK-\d+) ", PAGE))
    assert rules == {f"LK-{n}" for n in range(1, 8)}


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    assert f"at most {MAX_FRAME:,} bytes" in PAGE
    assert f"At most {LocalLimits().phones} phones at once" in PAGE


def test_the_writes_of_one_opening() -> None:
    token = key_token()
    frame = local.present(token, proof_of(token, "A" * 43, unit=UNIT), revocations())
    assert [len(Chunks(mtu).cut(frame)) for mtu in (517, 185, 23)] == [3, 9, 79]
    assert "3 writes at MTU 517, 9 at 185, 79 at 23" in PAGE
