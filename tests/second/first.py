"""What our own verifier makes of a case of the second one."""

import json
from datetime import timedelta
from functools import lru_cache
from typing import Any

from keys.car.challenge import Challenges
from keys.car.claims import FreshClaims
from keys.car.fresh import read_answer, read_fresh
from keys.car.jwk import ed25519_from_jwk, p256_from_jwk, unb64
from keys.car.jws import Unacceptable
from keys.car.owner import OwnerKey
from keys.car.place import Position
from keys.car.policy import Policy
from keys.car.trust import TrustedKeys
from keys.car.verify import Car, KeyRefused, Presented, Reading, allow, prove
from keys.car.window import Window

LINK = "one"


def present(case: dict[str, Any]) -> dict[str, Any]:
    """Outcome of a presentation, in the second verifier's words. Raises whatever ours should not raise."""
    trust, policy = _trust(json.dumps(case["trust"])), _policy(json.dumps(case["policy"]))
    challenges = Challenges(policy, lambda _: unb64(case["challenge"]["nonce"]))
    if case["challenge"] is not None:
        challenges.draw(LINK, uptime=0.0)
    age = case["challenge"]["age"] if case["challenge"] is not None else 0.0
    presented = Presented(**case["present"])
    unit = case["unit"]
    try:
        proven = prove(presented, link=LINK, unit=unit, trust=trust, challenges=challenges, uptime=age)
        granted = allow(
            proven,
            policy=policy,
            clock=Reading(**case["clock"]),
            trust=trust,
            revocations=_kept(case["kept"], trust, unit),
            fresh=_answer(presented.fresh, trust, unit, proven.challenge),
            window=Window(int(case["window"]["floor"]), int(case["window"]["bitmap"], 16)),
            car=_car(case["car"]),
            owners={one["cid"]: _owner(json.dumps(one)) for one in case["owners"]},
        )
    except KeyRefused as refused:
        return {
            "outcome": refused.refusal.value,
            "proven": refused.proven,
            "challenge": bool(challenges._open),
        }
    after = {"floor": str(granted.window.floor), "bitmap": f"{granted.window.bitmap:064x}"}
    return {"outcome": "granted", "window": after, "challenge": bool(challenges._open)}


@lru_cache(maxsize=256)
def _trust(text: str) -> TrustedKeys:
    said = json.loads(text)
    pinned = TrustedKeys.from_jwks(said["jwks"])
    return TrustedKeys(pinned._keys, version=said["version"], expires=said["expires"])


@lru_cache(maxsize=256)
def _policy(text: str) -> Policy:
    said = json.loads(text)
    spans = ("longest_window", "list_age", "clock_error", "challenge_life")
    return Policy(
        acts=frozenset(said["acts"]),
        require_owner=said["require_owner"],
        **{name: timedelta(seconds=said[name]) for name in spans},
    )


@lru_cache(maxsize=256)
def _owner(text: str) -> OwnerKey:
    said = json.loads(text)
    jwk = said["jwk"]
    public = p256_from_jwk(jwk) if jwk["kty"] == "EC" else ed25519_from_jwk(jwk)
    return OwnerKey(said["cid"], public, said["origin"], said["rp_id"])


def _car(said: dict[str, Any]) -> Car:
    position = said["position"]
    return Car(**{**said, "position": Position(*position) if position is not None else None})


def _kept(token: str | None, trust: TrustedKeys, unit: str) -> FreshClaims | None:
    try:
        return None if token is None else read_fresh(token, trust=trust, unit=unit)
    except Unacceptable:
        return None


def _answer(token: str | None, trust: TrustedKeys, unit: str, nonce: str) -> FreshClaims | None:
    try:
        return None if token is None else read_answer(token, trust=trust, unit=unit, nonce=nonce)
    except Unacceptable:
        return None
