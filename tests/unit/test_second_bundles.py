"""Trust bundles: both verifiers take and refuse the same ones."""

import json
from random import Random
from typing import Any

import pytest

from keys.car import bundle
from keys.car.jwk import b64
from keys.car.jws import SigningKey, Unacceptable
from tests.depth import deep
from tests.second.draft import Raw, dump, signature
from tests.second.objects import NUMBERS, OTHERS
from tests.second.peer import Missing, ask, installed
from tests.second.vectors import VECTORS
from tests.second.wording import broken, escaped, spaced, twin
from tests.unit.test_docs_key_vectors import private

BUNDLES = VECTORS["bundles"]
ROOTS = [private(f"root{one}") for one in (1, 2, 3)]
NEW_ROOTS = [private(f"new_root{one}") for one in (1, 2, 3)]
STRANGERS = [private("log"), private("unit")]


def ours(tokens: list[Any]) -> dict[str, Any]:
    try:
        read = bundle.read_bundle({"bundle": tokens}, roots=bundle.Roots.of(BUNDLES["roots"]))
    except Unacceptable:
        return {"outcome": "unacceptable"}
    kids = sorted(key["kid"] for key in read.claims.wire()["keys"])
    return {"outcome": "taken", "version": read.claims.version, "kids": kids}


def test_the_bundles_of_the_vectors_are_taken_and_refused() -> None:
    for one in BUNDLES["taken"]:
        assert ours(one["bundle"])["version"] == one["claims"]["version"], one["why"]
    for one in BUNDLES["refused"]:
        assert ours(one["bundle"])["outcome"] == "unacceptable", one["why"]


def signed(text: str | bytes, header: dict[str, Any], key: SigningKey) -> str:
    payload = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    signing = f"{b64(dump(header).encode())}.{b64(payload)}"
    return f"{signing}.{b64(signature(key, signing.encode()))}"


def changed(claims: dict[str, Any], rng: Random) -> None:
    """One member, at the top or deeper, said otherwise, more than once, or not at all."""
    holder = rng.choice(
        [claims, claims, claims["roots"], rng.choice(claims["roots"]["keys"]), rng.choice(claims["keys"])]
    )
    name = rng.choice([*holder, "extra", "floors", "nbf"])
    match rng.randrange(4):
        case 0:
            holder.pop(name, None)
        case 1:
            holder[name] = rng.choice(NUMBERS)
        case 2:
            holder[name] = rng.choice(OTHERS)
        case _:
            floors: list[Any] = [{}, {VECTORS["unit"]: 7}, {"vu_1": 7}, {VECTORS["unit"]: Raw("7.0")}]
            claims["floors"] = rng.choice([*floors, {f"vu_{n:016d}": n for n in range(rng.choice([32, 33]))}])


def a_bundle(rng: Random) -> list[Any]:
    claims = json.loads(json.dumps(rng.choice(BUNDLES["taken"])["claims"]))
    if rng.random() < 0.1:
        claims["keys"] = claims["keys"] * rng.choice([0, 2, 9])
    elif rng.random() < 0.5:
        changed(claims, rng)
    text: str | bytes = dump(claims)
    if rng.random() < 0.15:
        text = rng.choice(
            [
                spaced(rng, str(text), " "),
                escaped(rng, str(text)),
                twin(rng, str(text)),
                broken(rng, str(text)),
            ]
        )
    signers = rng.choice(
        [ROOTS[:2], ROOTS[:2], ROOTS, ROOTS[:2] + NEW_ROOTS[:2], NEW_ROOTS[:2], ROOTS[:1] * 2, ROOTS[:1]]
    )
    signers = signers + rng.choice([[], [], STRANGERS[:1], STRANGERS * 3, [ROOTS[0]]])
    tokens: list[Any] = []
    for key in rng.sample(signers, len(signers)):
        header: dict[str, Any] = {"alg": "Ed25519", "kid": key.kid, "typ": "tl-bundle+jwt"}
        if rng.random() < 0.03:
            header[rng.choice(["alg", "typ", "kid", "crit"])] = rng.choice(
                ["EdDSA", "tl-key+jwt", ROOTS[2].kid, None]
            )
        other = text + (b" " if isinstance(text, bytes) else " ") if rng.random() < 0.02 else text
        tokens.append(signed(other, header, key))
    return tokens


def test_a_thousand_bundles_are_judged_alike() -> None:
    try:
        installed()
    except Missing as missing:
        pytest.skip(str(missing))
    rng = Random(7)
    documents = [a_bundle(rng) for _ in range(deep(400))]
    theirs = ask({"action": "bundle", "roots": BUNDLES["roots"], "bundle": tokens} for tokens in documents)
    for tokens, said in zip(documents, theirs, strict=True):
        assert {name: value for name, value in said.items() if name != "fault"} == ours(tokens), tokens
    outcomes = [said["outcome"] for said in theirs]
    assert min(outcomes.count("taken"), outcomes.count("unacceptable")) > len(outcomes) / 8
