"""Keys and proofs as our own programs spell them: known at sight, with the same claims as by JSON and model.

The strict reader and the models of ``claims`` decide what is acceptable. A latch waits for them, and nearly every
key that comes is spelled in one of few ways; so each of those is one expression here, closed and bounded like its
model. What it does not know it leaves to them (None), what is wrong above all: no refusal is decided here. That
both ways say the same of any bytes is a property test (``test_keys_spelling.py``).
"""

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from keys.car.claims import (
    ID_BODY,
    MAX_COUNT,
    MAX_FRA,
    MAX_SECONDS,
    UNIT_BODY,
    Confirmation,
    KeyClaims,
    OwnerSignature,
    Part,
    ProofClaims,
)

_P = TypeVar("_P", bound=Part)
_set: Final = object.__setattr__
"""Past the models' own, which are frozen."""

_ACT: Final = '"act":"(open:trunk(?:[+]cabin)?)"'
_AUD: Final = f'"aud":"(vu_{UNIT_BODY})"'
_HASH: Final = '"([A-Za-z0-9_-]{43})"'
_B64: Final = '"([A-Za-z0-9_-]{1,700})"'
_WHOLE: Final = "(0|[1-9][0-9]{0,15})"
_POINT: Final = "(-?(?:0|[1-9][0-9]{0,5})[.][0-9]{1,15})"
"""Fewer than the 24 characters that a number may have. One with an exponent is left to the reader."""

_KEY: Final = re.compile(
    rf'\{{{_ACT},{_AUD},"cnf":\{{"jkt":{_HASH}\}},(?:"cnonce":{_HASH},)?"dlv":"(dlv_{ID_BODY})",'
    rf'"exp":{_WHOLE},(?:"fra":{_WHOLE},)?(?:"geo":\[{_POINT},{_POINT},{_POINT}\],)?"iat":{_WHOLE},'
    rf'"iss":"trunkline","jti":"([A-Za-z0-9_-]{{22}})","nbf":{_WHOLE},'
    rf'(?:"own":\{{"authData":{_B64},"cid":{_B64},"clientData":{_B64},"sig":{_B64}\}},)?'
    rf'"seq":{_WHOLE}(?:,"tbv":{_WHOLE})?\}}'
)
"""As ``payload_bytes`` writes it."""
_PROOF_OF_PAGE: Final = re.compile(rf'\{{{_AUD},"ath":{_HASH},{_ACT},"nonce":{_HASH},"iat":{_WHOLE}\}}')
"""As the courier's page writes it (``courier_device.js``)."""
_PROOF_OF_OURS: Final = re.compile(rf'\{{{_ACT},"ath":{_HASH},{_AUD},"iat":{_WHOLE},"nonce":{_HASH}\}}')
"""As ``make_proof`` writes it."""
_DEVICE_OF_PAGE: Final = re.compile(
    rf'\{{"alg":"ES256","typ":"tl-pop[+]jwt","jwk":\{{"kty":"EC","crv":"P-256","x":{_HASH},"y":{_HASH}\}}\}}'
)
_DEVICE_OF_OURS: Final = re.compile(
    rf'\{{"alg":"ES256","jwk":\{{"crv":"P-256","kty":"EC","x":{_HASH},"y":{_HASH}\}},"typ":"tl-pop[+]jwt"\}}'
)

_ALWAYS: Final = frozenset({"iss", "aud", "jti", "seq", "iat", "nbf", "exp", "cnf", "act", "dlv"})
_SOMETIMES: Final = ("geo", "tbv", "cnonce", "fra", "own")
_OWN: Final = frozenset({"cid", "authData", "clientData", "sig"})


def key_at_sight(payload: bytes) -> KeyClaims | None:
    """The claims of a key's payload."""
    found = _KEY.fullmatch(_text(payload))
    if found is None:
        return None
    (act, aud, jkt, cnonce, dlv, exp, fra, north, east, radius, iat, jti, nbf,
     auth, cid, client, sig, seq, tbv) = found.groups()  # fmt: skip
    members: dict[str, Any] = {
        "iss": "trunkline",
        "aud": aud,
        "jti": jti,
        "seq": int(seq),
        "iat": int(iat),
        "nbf": int(nbf),
        "exp": int(exp),
        "cnf": _made(Confirmation, {"jkt": jkt}, {"jkt"}),
        "act": act,
        "dlv": dlv,
        "geo": None if north is None else (float(north), float(east), float(radius)),
        "tbv": None if tbv is None else int(tbv),
        "cnonce": cnonce,
        "fra": None if fra is None else int(fra),
        "own": None
        if auth is None
        else _made(
            OwnerSignature, {"cid": cid, "authData": auth, "clientData": client, "sig": sig}, set(_OWN)
        ),
    }
    if not _bounded(members):
        return None
    said = set(_ALWAYS)
    for name in _SOMETIMES:
        if members[name] is not None:
            said.add(name)
    return _made(KeyClaims, members, said)


def proof_at_sight(payload: bytes) -> ProofClaims | None:
    """The claims of a proof's payload."""
    text = _text(payload)
    if (found := _PROOF_OF_PAGE.fullmatch(text)) is not None:
        aud, ath, act, nonce, iat = found.groups()
    elif (found := _PROOF_OF_OURS.fullmatch(text)) is not None:
        act, ath, aud, iat, nonce = found.groups()
    else:
        return None
    seconds = int(iat)
    if seconds > MAX_SECONDS:
        return None
    members = {"aud": aud, "ath": ath, "act": act, "nonce": nonce, "iat": seconds}
    return _made(ProofClaims, members, set(members))


def device_at_sight(header: bytes) -> Mapping[str, str] | None:
    """The ``jwk`` of a proof's header that is exactly as it must be; whether that is a key is not looked at."""
    text = _text(header)
    found = _DEVICE_OF_PAGE.fullmatch(text) or _DEVICE_OF_OURS.fullmatch(text)
    if found is None:
        return None
    x, y = found.groups()
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def _text(data: bytes) -> str:
    """Decoding that never fails; no letter beyond ASCII is in any expression."""
    return data.decode("latin-1")


def _bounded(key: Mapping[str, Any]) -> bool:
    """What the expression leaves open: how great the numbers are."""
    geo = key["geo"]
    return (
        max(key["iat"], key["nbf"], key["exp"]) <= MAX_SECONDS
        and 1 <= key["seq"] <= MAX_COUNT
        and (key["fra"] or 0) <= MAX_FRA
        and (key["tbv"] or 0) <= MAX_COUNT
        and (geo is None or (abs(geo[0]) <= 90 and abs(geo[1]) <= 180 and 10 <= geo[2] <= 100_000))
    )


def _made(kind: type[_P], members: dict[str, Any], said: set[str]) -> _P:
    """The model of members that are known to be right: what ``model_construct`` makes of them, in a fifth of the time."""
    made = kind.__new__(kind)
    _set(made, "__dict__", members)
    _set(made, "__pydantic_fields_set__", said)
    _set(made, "__pydantic_extra__", None)
    _set(made, "__pydantic_private__", None)
    return made
