"""Two verifiers, ours and the one in JavaScript that was written from docs/keys.md, say the same of everything."""

import base64
import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from keys.car.evidence import verify_file
from keys.car.jws import Unacceptable, read_json
from keys.car.verify import Refusal
from tests.second.compare import disagreements, run
from tests.second.peer import Missing, ask, installed
from tests.unit.test_keys_evidence import CA, JWKS, OTHER_CA, ROOTS, STORIES, file, pem

CASES = 10_000
NOT_OF_THE_VERIFIER = {Refusal.BUSY, Refusal.INTERNAL}


@pytest.fixture(scope="module", autouse=True)
def second() -> None:
    """Nothing to do without it; under CI the skip is a failure."""
    try:
        installed()
    except Missing as missing:
        pytest.skip(str(missing))


def test_ten_thousand_presentations_end_alike() -> None:
    results = run(CASES, seed=20_260)
    assert [str(one) for one in disagreements(results)[:3]] == []
    seen = Counter(one.ours["outcome"] for one in results)
    assert set(seen) == {"granted", *(set(Refusal) - NOT_OF_THE_VERIFIER)}
    assert min(seen.values()) >= 20, seen


def first_json(data: bytes) -> str:
    try:
        read_json(data)
    except Unacceptable:
        return "unacceptable"
    return "read"


def test_the_same_texts_are_json() -> None:
    """Pieces of JSON, and of what only looks like it, put together at random."""
    rng = Random(8_785)
    pieces = [
        *'{}[]:,"\\/ \t\n', '"a":', '{"a":', "[[", "]]", "0", "1", "-", ".", "e", "E+", "true", "null", "NaN", '"b"', "\\u",
        "d83d", "\\ude00", "0041", "\x00", "\x1f", "\x7f", "\u2028", "\u00e9", "\ufeff", "1" * 23, "nul", "'", "//",
    ]  # fmt: skip
    texts = []
    for _ in range(4_000):
        inner = "".join(rng.choice(pieces) for _ in range(rng.randint(0, 6)))
        texts.append(
            rng.choice(['{"x":%s}', '{"x":"%s"}', '{"x":[%s]}', '{"x":1%s}', '{"%s":1}', "{%s}", "%s"])
            % inner
        )
    data = [text.encode() for text in texts] + [b'{"a":"\xc3"}', b"\xff", b'{"a":"\xf4\x90\x80\x80"}']
    theirs = ask({"action": "json", "bytes": base64.b64encode(one).decode(), "depth": 6} for one in data)
    for one, said in zip(data, theirs, strict=True):
        assert said["outcome"] == first_json(one), one


def evidence(document: bytes, authority: str | None) -> dict[str, Any]:
    sent = base64.b64encode(document).decode()
    return {"action": "evidence", "file": sent, "authorities": authority, "jwks": JWKS}


NUMBER_OF = {
    what: number
    for number, whats in enumerate(
        [
            ("the file is evidence of form 1",),
            ("the approvals are signed by the service", "the keys are recorded and signed by the service"),
            ("an approval came before each key",),
            ("the receipts are an unbroken chain signed by the unit",),
            ("the unit's certificate leads to the vehicle CA",),
            ("each key was used once at most, and only a key of this delivery",),
            ("opened, closed and locked came in order",),
            ("the times agree",),
            ("the courier's device signed for the key",),
            ("the service's account agrees with what is signed",),
            ("the checkpoint of the log is signed by the service",),
        ],
        start=1,
    )
    for what in whats
}
"""The numbers of docs/evidence.md, "What is checked"."""


def test_evidence_is_judged_alike() -> None:
    good = json.dumps(file()).encode()
    rng = Random(3)
    stories = [good, *(json.dumps(story).encode() for story, _ in STORIES.values())]
    changed = [spoilt(good, rng) for _ in range(600)]
    theirs = ask(evidence(document, pem(CA.certificate)) for document in stories + changed)
    for document, said in zip(stories + changed, theirs, strict=True):
        ours = verify_file(document, ROOTS)
        assert said["outcome"] == ours.verdict, document
    for document, said in zip(stories, theirs, strict=False):
        ours = verify_file(document, ROOTS)
        assert said["failed"] == sorted({NUMBER_OF[check.what] for check in ours.checks if not check.ok})
    assert theirs[0] == {"outcome": "verified", "failed": []}
    assert {"verified", "broken"} == {said["outcome"] for said in theirs[len(stories) :]}


def spoilt(document: bytes, rng: Random) -> bytes:
    changed = bytearray(document)
    changed[rng.randrange(len(document))] = rng.choice(b'AZaz09-_".,{}[] \n\xff')
    return bytes(changed)


def test_evidence_is_believed_only_by_roots_from_outside() -> None:
    good = json.dumps(file()).encode()
    theirs = ask([evidence(good, None), evidence(good, pem(OTHER_CA.certificate))])
    assert theirs == [
        {"outcome": "consistent, signer unknown", "failed": []},
        {"outcome": "broken", "failed": [5]},
    ]
