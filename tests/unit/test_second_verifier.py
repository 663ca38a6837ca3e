"""Two verifiers, ours and the one in JavaScript that was written from docs/keys.md, say the same of everything."""

import base64
import json
from collections import Counter
from random import Random
from typing import Any

import pytest

from keys.car.evidence import verify_file
from keys.car.jwk import b64, thumbprint
from keys.car.jws import Unacceptable, read_json
from keys.car.trust import BadTrust, TrustedKeys
from keys.car.verify import Refusal
from keys.model import Kept
from tests.depth import deep
from tests.keys_world import ISSUER, PHONE, SECONDS, published
from tests.second.compare import disagreements, run
from tests.second.peer import Missing, ask, installed
from tests.second.vectors import VECTORS, case_of, refused_keys
from tests.unit.test_keys_evidence import (
    CA,
    GESTURE,
    GESTURED,
    JWKS,
    NO_GESTURES,
    OTHER_CA,
    OTHER_GESTURE,
    ROOTS,
    STORIES,
    approval,
    file,
    key_record,
    pem,
)
from tests.unit.test_keys_traps import low_order_encodings

CASES = 2_000
"""``make second`` compares as many as one likes; ten thousand take half a minute."""
NOT_OF_THE_VERIFIER = {Refusal.BUSY, Refusal.INTERNAL}


@pytest.fixture(scope="module", autouse=True)
def second() -> None:
    """Nothing to do without it; under CI the skip is a failure."""
    try:
        installed()
    except Missing as missing:
        pytest.skip(str(missing))


def test_thousands_of_presentations_end_alike() -> None:
    results = run(deep(CASES), seed="docs/keys.md")
    assert [str(one) for one in disagreements(results)[:3]] == []
    seen = Counter(one.ours["outcome"] for one in results)
    assert set(seen) == {"granted", *(set(Refusal) - NOT_OF_THE_VERIFIER)}
    assert min(seen.values()) >= 2, seen


def test_it_reads_every_vector() -> None:
    openings = VECTORS["openings"]
    said = ask(case_of(opening) for opening in openings)
    assert [one["outcome"] for one in said] == [opening["outcome"] for opening in openings]
    refused = ask(refused_keys())
    assert [one["outcome"] for one in refused] == ["refused"] * len(VECTORS["refused_keys"])
    for one, vector in zip(refused, VECTORS["refused_keys"], strict=True):
        assert vector["fault"] in {one["fault"], None}


def test_it_follows_the_receipts_of_the_vectors() -> None:
    receipts = [one["token"] for one in VECTORS["receipts"]]
    key, unit = VECTORS["keys"]["unit"]["jwk"], VECTORS["unit"]
    runs = [receipts, receipts[1:], receipts[::2], receipts[::-1], [receipts[0], *receipts]]
    case = {"action": "receipts", "key": key, "unit": unit, "first": True}
    told = ask(
        [
            *({**case, "receipts": run} for run in runs),
            {**case, "receipts": receipts[1:], "first": False},
            {**case, "receipts": receipts, "key": VECTORS["keys"]["key"]["jwk"]},
            {**case, "receipts": receipts, "unit": "vu_7bbbbbbbbbbbbbbb"},
        ]
    )
    outcomes = ["follows", *["broken"] * 4, "follows", "unacceptable", "unacceptable"]
    assert [one["outcome"] for one in told] == outcomes
    assert told[0]["outs"] == ["consumed", "opened", "closed", "locked"]


def test_it_takes_and_refuses_the_bundles_of_the_vectors() -> None:
    bundles = VECTORS["bundles"]
    case = {"action": "bundle", "roots": bundles["roots"]}
    taken = ask({**case, "bundle": one["bundle"]} for one in bundles["taken"])
    assert [one.get("version") for one in taken] == [one["claims"]["version"] for one in bundles["taken"]]
    refused = ask({**case, "bundle": one["bundle"]} for one in bundles["refused"])
    for one, vector in zip(refused, bundles["refused"], strict=True):
        assert one["outcome"] == "unacceptable", vector["why"]


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


def first_jwks(document: dict[str, Any]) -> str:
    try:
        TrustedKeys.from_jwks(document)
    except BadTrust:
        return "unacceptable"
    return "trusted"


def test_the_same_keys_are_trusted() -> None:
    good = published("key", ISSUER, nbf=1, exp=2)
    changes: list[dict[str, Any]] = [
        {}, {"nbf": None}, {"nbf": -1}, {"nbf": 1.0}, {"exp": True}, {"alg": "EdDSA"}, {"use": "enc"}, {"purpose": "owner"},
        {"kty": "EC"}, {"crv": "Ed448"}, {"d": "A" * 43}, {"kid": PHONE.kid}, {"x": good["x"] + "="}, {"x": PHONE.jwk["x"]},
    ]  # fmt: skip
    documents: list[dict[str, Any]] = [{"keys": [{**good, **change}]} for change in changes]
    for raw in low_order_encodings():
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
        documents.append({"keys": [{**good, **jwk, "kid": thumbprint(jwk)}]})
    documents += [
        {"keys": []},
        {"keys": [good, good]},
        {"keys": [good] * 65},
        {},
        {"keys": [good], "more": 1},
        {"keys": good},
    ]
    theirs = [
        said["outcome"]
        for said in ask({"action": "jwks", "jwks": json.dumps(document)} for document in documents)
    ]
    assert theirs == [first_jwks(document) for document in documents]
    assert theirs.count("trusted") == 1


def evidence(document: bytes, authority: str | None) -> dict[str, Any]:
    sent = base64.b64encode(document).decode()
    return {"action": "evidence", "file": sent, "authorities": authority, "jwks": JWKS}


NAMES = {
    "the file is evidence of form 1": "form",
    "the approvals are signed by the service": "approved",
    "the keys are recorded and signed by the service": "keyed",
    "an approval came before each key": "allowedFirst",
    "the receipts are an unbroken chain signed by the unit": "chained",
    "the unit's certificate leads to the vehicle CA": "certified",
    "each key was used once at most, and only a key of this delivery": "usedOnce",
    "the owner's co-signature is told alike by car and service": "coSigned",
    "opened, closed and locked came in order": "inOrder",
    "the times agree": "inTime",
    "the courier's device signed for the key": "proven",
    "the service's account agrees with what is signed": "toldAlike",
    "the checkpoint of the log is signed by the service": "checkpointed",
    "the approvals name what the passkey signed": "gestured",
}
"""Our questions in the second verifier's words."""


def test_evidence_is_judged_alike() -> None:
    good = json.dumps(file()).encode()
    rng = Random(3)
    stories = [good, *(json.dumps(story).encode() for story, _ in STORIES.values())]
    changed = [spoilt(good, rng) for _ in range(deep(200))]
    theirs = ask(evidence(document, pem(CA.certificate)) for document in stories + changed)
    for document, said in zip(stories + changed, theirs, strict=True):
        ours = verify_file(document, ROOTS)
        assert said["outcome"] == ours.verdict, document
    for document, said in zip(stories, theirs, strict=False):
        ours = verify_file(document, ROOTS)
        assert said["failed"] == [NAMES[check.what] for check in ours.checks if not check.ok]
    assert theirs[0] == {"outcome": "verified", "failed": []}
    assert {"verified", "broken"} == {said["outcome"] for said in theirs[len(stories) :]}


def test_an_assertion_that_was_kept_is_judged_alike() -> None:
    named = json.dumps(
        file(kept=Kept((approval(level="passkey", assertion=GESTURED),), (key_record(),)), facts=[])
    ).encode()
    late = key_record(cid="c2")
    cases = [
        (document, kept)
        for document in (named, json.dumps(file(facts=[])).encode())
        for kept in (
            [],
            [GESTURE],
            [GESTURE, GESTURE],
            [GESTURE, OTHER_GESTURE],
            *([each] for each in NO_GESTURES),
        )
    ]
    signed = approval(at=(SECONDS + 60) * 1000)  # after the key was drawn up, as its own passkey signs it
    cases.append((json.dumps(file([], kept=Kept((signed,), (late,)), facts=[], proofs=[])).encode(), []))
    theirs = ask(
        {
            **evidence(document, pem(CA.certificate)),
            "assertions": [base64.b64encode(one).decode() for one in kept],
        }
        for document, kept in cases
    )
    for (document, kept), said in zip(cases, theirs, strict=True):
        ours = verify_file(document, ROOTS, kept)
        failed = [NAMES[check.what] for check in ours.checks if not check.ok]
        assert (said["outcome"], said["failed"]) == (ours.verdict, failed), (document, kept)
    assert [said["outcome"] for said in theirs[:4]] == ["verified", "verified", "verified", "broken"]
    assert {str(said["failed"]) for said in theirs[3 : len(NO_GESTURES) + 4]} == {"['gestured']"}
    assert theirs[-1]["outcome"] == "verified"


def spoilt(document: bytes, rng: Random) -> bytes:
    changed = bytearray(document)
    changed[rng.randrange(len(document))] = rng.choice(b'AZaz09-_".,{}[] \n\xff')
    return bytes(changed)


def test_evidence_is_believed_only_by_roots_from_outside() -> None:
    good = json.dumps(file()).encode()
    theirs = ask([evidence(good, None), evidence(good, pem(OTHER_CA.certificate))])
    assert theirs == [
        {"outcome": "consistent, signer unknown", "failed": []},
        {"outcome": "broken", "failed": ["certified"]},
    ]
