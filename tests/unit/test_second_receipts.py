"""Receipts and records, whatever they say: both verifiers take and refuse the same ones."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.car.claims import Claims, ReceiptClaims
from keys.car.jwk import b64
from keys.car.jws import SigningKey, Unacceptable
from keys.car.receipt import verify_chain
from keys.car.records import ApprovalRecord, CheckpointRecord, KeyRecord, read_record
from keys.car.trust import TrustedKeys
from tests.depth import deep
from tests.second.draft import LOG, NOW, UNIT, dump, published, signature
from tests.second.objects import NUMBERS, OTHERS, TEXTS
from tests.second.peer import Missing, ask, installed
from tests.second.wording import broken, escaped, spaced, twin

UNIT_KEY = LOG
JWKS = {"keys": [published("log", LOG)]}
HASHES = ("A" * 43, "B" * 43)
PLAUSIBLE: Mapping[str, list[Any]] = {
    "out": ["refused", "consumed", "opened", "not_lifted", "closed", "locked", "left_open", "indeterminate", "revoked",
            "owner_key_changed", "unlocked"],
    "jti": ["A" * 22], "seq": [7], "dlv": ["dlv_7k3maaaa"], "cmd": ["cmd_7k3maaaa.1.open", "cmd_"], "via": ["mqtt", "local", "ble"],
    "code": ["amnesia", "stale_trust", "", "a" * 40, "a" * 41, "Amnesia"], "gen": [0, 12], "rev": [3], "floor": [0, 8],
    "own": [HASHES[0]], "cid": ["AAECAw", "", "A" * 700, "A" * 701], "fra": [0, 86_400, 86_401],
    "owner": [{"hash": HASHES[0], "required": required, "cids": [HASHES[1]] * count}
              for required, count in ((True, 0), (False, 8), (True, 9), (1, 1), (None, 1))],
    "clk": [{"state": state, "u": u} for state, u in (("synced", 0), ("unset", 2**47), ("holdover", 2**47 + 1), ("lost", 1))],
    "level": ["link", "session", "passkey", "standing", "system", "test", "phone"], "partition": [0, 31, 32],
    "position": ["1-0", "1", "1-0-0", "1" * 20 + "-" + "2" * 20, "1" * 21 + "-0"],
    "question": ["q" * 100, "q" * 101, "\U0001f511" * 100, "\U0001f511" * 101], "shown": [""], "by": ["per_1"], "at": [2**47, 2**47 + 1],
}  # fmt: skip
RECEIPT: Mapping[str, Any] = {
    "iss": UNIT, "boot": 4, "n": 5, "prev": HASHES[1], "at": NOW * 1000, "clk": {"state": "synced", "u": 100}, "out": "locked",
}  # fmt: skip
KEY_RECORD: Mapping[str, Any] = {
    "rec": "key", "dlv": "dlv_7k3maaaa", "aud": UNIT, "jti": "A" * 22, "seq": 7, "kid": HASHES[0], "hash": HASHES[0],
    "ath": HASHES[1], "jkt": HASHES[1], "act": "open:trunk", "iat": NOW, "nbf": NOW, "exp": NOW + 60,
}  # fmt: skip
RECORDS: list[tuple[type[Claims], Mapping[str, Any]]] = [
    (ApprovalRecord, {"rec": "approval", "dlv": "dlv_7k3maaaa", "question": "q", "level": "link", "by": "", "shown": "s", "at": 1}),
    (KeyRecord, KEY_RECORD),
    (CheckpointRecord, {"rec": "checkpoint", "at": 1, "partition": 7, "position": "1-0", "hash": HASHES[0]}),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def second() -> None:
    try:
        installed()
    except Missing as missing:
        pytest.skip(str(missing))


def signed(typ: str, kind: type[Claims], right: Mapping[str, Any], key: SigningKey, rng: Random) -> str:
    """An object with up to four members said otherwise, in one of many spellings."""
    claims = json.loads(json.dumps(right))
    for _ in range(rng.randint(0, 4)):
        name = (
            rng.choice([*kind.model_fields, "extra"])
            if rng.random() < 0.2
            else rng.choice([*kind.model_fields])
        )
        if rng.random() < 0.8 and name in PLAUSIBLE:
            claims[name] = rng.choice(PLAUSIBLE[name])
        elif rng.random() < 0.5:
            claims.pop(name, None)
        else:
            claims[name] = rng.choice(rng.choice([NUMBERS, OTHERS, TEXTS]))
    if rng.random() < 0.4 and kind is ReceiptClaims:
        claims |= {"jti": "A" * 22, "seq": 7, "dlv": "dlv_7k3maaaa"}
    text: str | bytes = dump(claims)
    if rng.random() < 0.1:
        change = rng.choice([lambda own, text: spaced(own, text, " "), escaped, twin, broken])
        text = change(rng, str(text))
    payload = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    signing = f"{b64(dump({'alg': 'Ed25519', 'kid': key.kid, 'typ': typ}).encode())}.{b64(payload)}"
    return f"{signing}.{b64(signature(key, signing.encode()))}"


def test_the_same_receipts_are_read() -> None:
    rng = Random(11)
    tokens = [signed("tl-receipt+jwt", ReceiptClaims, RECEIPT, UNIT_KEY, rng) for _ in range(deep(1_000))]
    public = UNIT_KEY.private.public_key()
    assert isinstance(public, Ed25519PublicKey)
    case = {"action": "receipts", "key": dict(UNIT_KEY.jwk), "unit": UNIT, "first": False}
    theirs = [said["outcome"] for said in ask({**case, "receipts": [token]} for token in tokens)]
    for token, said in zip(tokens, theirs, strict=True):
        try:
            verify_chain([token], key=public, unit=UNIT)
        except Unacceptable:
            assert said == "unacceptable", token
        else:
            assert said == "follows", token
    assert min(theirs.count("follows"), theirs.count("unacceptable")) > len(theirs) / 8


def test_the_same_records_are_read() -> None:
    rng = Random(12)
    trust = TrustedKeys.from_jwks(JWKS)
    tokens = [signed("tl-record+jwt", *rng.choice(RECORDS), LOG, rng) for _ in range(deep(1_000))]
    theirs = [
        said["outcome"]
        for said in ask({"action": "record", "jwks": JWKS, "record": token} for token in tokens)
    ]
    for token, said in zip(tokens, theirs, strict=True):
        try:
            ours: str = vars(read_record(token, trust=trust))["rec"]
        except Unacceptable:
            ours = "unacceptable"
        assert said == ours, token
    assert all(
        theirs.count(outcome) > len(theirs) / 30
        for outcome in ("approval", "key", "checkpoint", "unacceptable")
    )
