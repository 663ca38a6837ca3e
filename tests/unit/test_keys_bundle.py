"""Trust bundles: who must sign, over what, and what opens after a rotation, a removal and an old bundle's return."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.car.bundle import Roots, first_bundle, read_bundle, sign_bundle
from keys.car.claims import CommandClaims
from keys.car.command import read_command, write_command
from keys.car.fresh import read_fresh, write_fresh
from keys.car.jwk import b64
from keys.car.jws import BUNDLE, KEY, SigningKey, Unacceptable, sign
from keys.car.trust import TrustedKeys
from keys.car.verify import KeyRefused
from tests.keys_trust import HELD, NEW_ROOTS, ROOTS, claims, entry, signed
from tests.keys_world import (
    COMMAND_KEY,
    FRESH_KEY,
    ISSUER,
    LIST,
    NOW,
    SECONDS,
    UNIT,
    Opening,
    forge,
    published,
)

NEXT = SigningKey.draw()
FIRST = claims(1, entry("key", ISSUER), entry("fresh", FRESH_KEY), entry("cmd", COMMAND_KEY), at=SECONDS)
TWO, THREE = ROOTS[:2], ROOTS
WEEK = 7 * 86_400


def fault(document: object, roots: Roots = HELD) -> str:
    with pytest.raises(Unacceptable) as refused:
        read_bundle(document, roots=roots)
    return refused.value.fault.value


@pytest.mark.parametrize("signers", [ROOTS[:2], ROOTS[1:], (ROOTS[0], ROOTS[2]), ROOTS, ROOTS[::-1]])
def test_any_two_of_the_three_roots_are_enough(signers: tuple[SigningKey, ...]) -> None:
    bundle = read_bundle(signed(FIRST, *signers), roots=HELD)
    assert bundle.claims == FIRST
    assert (bundle.trust.version, bundle.trust.expires) == (1, FIRST.exp)
    assert bundle.trust.find(ISSUER.kid, "key") is not None
    assert bundle.trust.find(ISSUER.kid, "fresh") is None


STRANGER = SigningKey.draw()
OTHER_PAYLOAD = claims(1, entry("key", NEXT), at=SECONDS)
ONE, ANOTHER = (sign_bundle(FIRST, root) for root in TWO)


@pytest.mark.parametrize(
    ("tokens", "why"),
    [
        ([ONE], "signature"),
        ([ONE, ONE], "signature"),
        ([ONE, sign_bundle(FIRST, STRANGER)], "signature"),
        ([sign_bundle(FIRST, STRANGER)] * 2, "signature"),
        ([ONE, sign_bundle(OTHER_PAYLOAD, TWO[1])], "form"),
        ([ONE, ANOTHER, sign_bundle(OTHER_PAYLOAD, ROOTS[2])], "form"),
        ([ONE, f"{ANOTHER[:-4]}AAAA"], "signature"),
        ([ONE, f"{ANOTHER.rpartition('.')[0]}.{ONE.rpartition('.')[2]}"], "signature"),
        ([ONE, ANOTHER] * 5, "form"),
        ([], "form"),
        ([ONE, 1], "form"),
        ([ONE, "A" * 20_000], "size"),
        ([ONE, "a.b.c"], "form"),
        ([ONE, sign({"a": 1}, form=KEY, key=TWO[1])], "header"),
    ],
)  # fmt: skip
def test_what_is_not_signed_by_two_over_the_same_bytes(tokens: list[Any], why: str) -> None:
    assert (
        fault({"bundle": tokens}) in {why, "signature"} if why == "form" else fault({"bundle": tokens}) == why
    )


@pytest.mark.parametrize(
    "document", [None, [], "x", {}, {"bundle": None}, {"bundle": [ONE, ANOTHER], "x": 1}]
)
def test_other_shapes_are_no_bundle(document: object) -> None:
    assert fault(document) == "form"


def test_the_same_claims_spelled_differently_are_another_payload() -> None:
    header = {"alg": "Ed25519", "typ": "tl-bundle+jwt", "kid": TWO[1].kid}
    spaced = forge(header, json.dumps(FIRST.wire()), TWO[1])
    assert fault({"bundle": [ONE, spaced]}) == "form"


def bent(**changes: Any) -> dict[str, Any]:
    """A bundle with other members, well signed by two."""
    body = {**FIRST.wire(), **changes}
    body = {name: value for name, value in body.items() if value is not ...}
    return {"bundle": [sign(body, form=BUNDLE, key=root) for root in TWO]}


LOW_ORDER = {"kty": "OKP", "crv": "Ed25519", "x": b64(bytes([1]) + bytes(31))}
ROOT_ENTRIES = HELD.wire()["keys"]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0}, {"version": 2**32}, {"version": "1"}, {"version": True}, {"version": ...},
        {"exp": SECONDS}, {"exp": SECONDS - 1}, {"exp": ...}, {"iat": 1.5}, {"iat": -1},
        {"keys": []}, {"keys": ...}, {"keys": FIRST.wire()["keys"] * 2}, {"extra": 1}, {"floors": None},
        {"floors": {}}, {"floors": {"vu_short": 1}}, {"floors": {"vu_0123456789abcdef": "1"}},
        {"keys": [{**published("key", ISSUER), "kid": NEXT.kid}]},
        {"keys": [{**published("key", ISSUER), "purpose": "root"}]},
        {"keys": [{**published("key", ISSUER), "d": "A" * 43}]},
        {"keys": [{**LOW_ORDER, "kid": "A" * 43, "alg": "Ed25519", "use": "sig", "purpose": "key"}]},
        {"keys": [published("key", ROOTS[0])]},
        {"roots": ...}, {"roots": {"threshold": 1, "keys": ROOT_ENTRIES}},
        {"roots": {"threshold": 4, "keys": ROOT_ENTRIES}},
        {"roots": {"threshold": 2, "keys": [ROOT_ENTRIES[0]] * 3}},
        {"roots": {"threshold": 2, "keys": [*ROOT_ENTRIES[:2], {**LOW_ORDER, "kid": "A" * 43}]}},
        {"roots": {"threshold": 2, "keys": [*ROOT_ENTRIES[:2], {**ROOT_ENTRIES[2], "kid": "A" * 43}]}},
    ],
)  # fmt: skip
def test_claims_that_say_anything_else_are_refused_whoever_signed(changes: dict[str, Any]) -> None:
    assert fault(bent(**changes)) in {"claims", "signature"}


NEW = Roots.of_keys(NEW_ROOTS)
CHANGED = claims(2, *FIRST.keys, at=SECONDS, roots=NEW)


@pytest.mark.parametrize(
    ("signers", "taken"),
    [
        ((*ROOTS[:2], *NEW_ROOTS[:2]), True),
        ((*NEW_ROOTS[1:], *ROOTS[1:]), True),
        (ROOTS, False),
        (NEW_ROOTS, False),
        ((*ROOTS[:1], *NEW_ROOTS), False),
        ((*ROOTS, *NEW_ROOTS[:1]), False),
    ],
)
def test_new_roots_are_vouched_for_by_the_old_and_by_themselves(
    signers: tuple[SigningKey, ...], taken: bool
) -> None:
    document = signed(CHANGED, *signers)
    if taken:
        assert read_bundle(document, roots=HELD).claims.roots == NEW
    else:
        assert fault(document) == "signature"


def test_after_the_change_the_old_roots_say_nothing() -> None:
    third = claims(3, *FIRST.keys, at=SECONDS, roots=NEW)
    assert fault(signed(third, *ROOTS), roots=NEW) == "signature"
    assert read_bundle(signed(third, *NEW_ROOTS[:2]), roots=NEW).claims.version == 3


def test_one_root_of_each_set_does_not_add_up() -> None:
    mixed = Roots.of_keys((ROOTS[0], *NEW_ROOTS[:2]))
    document = signed(claims(2, *FIRST.keys, at=SECONDS, roots=mixed), ROOTS[0], NEW_ROOTS[0])
    assert fault(document) == "signature"
    assert first_bundle(document).claims.version == 2  # given by hand its own roots are believed


@given(st.data())
def test_a_changed_byte_anywhere_is_refused(data: st.DataObject) -> None:
    token = bytearray(ANOTHER.encode())
    place = data.draw(st.integers(0, len(token) - 1))
    token[place] = data.draw(st.integers(0, 127).filter(lambda byte: byte != token[place]))
    with pytest.raises(Unacceptable):
        read_bundle({"bundle": [ONE, token.decode()]}, roots=HELD)


# ---- what opens: the car's bundle, and a key by its issuer and its ``tbv``

PLANNED = claims(
    2,
    entry("key", ISSUER, exp=SECONDS + WEEK + 2 * 86_400),
    entry("key", NEXT, nbf=SECONDS + WEEK),
    entry("fresh", FRESH_KEY),
    at=SECONDS,
)
REMOVED = claims(2, entry("key", NEXT), entry("fresh", FRESH_KEY), at=SECONDS)


def trust_of(bundle: Any) -> TrustedKeys:
    return read_bundle(signed(bundle), roots=HELD).trust


def key_of(issuer: SigningKey, **more: Any) -> Callable[[Opening], Opening]:
    return lambda opening: replace(
        opening, token=sign(opening.claims.model_copy(update=more).wire(), form=KEY, key=issuer)
    )


PINNED = TrustedKeys.from_jwks({"keys": [published("key", ISSUER), published("fresh", FRESH_KEY)]})
RAISED = LIST.model_copy(update={"bundle": 2})


@pytest.mark.parametrize(
    ("trust", "key", "news", "says"),
    [
        (trust_of(FIRST), key_of(ISSUER), LIST, "opens"),
        (PINNED, key_of(ISSUER), LIST, "opens"),
        # rotation: published ahead, both sign for a while, the old one's days end
        (trust_of(PLANNED), key_of(ISSUER), LIST, "opens"),
        (trust_of(PLANNED), key_of(NEXT, tbv=2), LIST, "too_early"),
        (trust_of(FIRST), key_of(NEXT, tbv=2), LIST, "refused"),
        # emergency removal: the old key opens nothing where the bundle has come, and little where it has not
        (trust_of(REMOVED), key_of(ISSUER), LIST, "refused"),
        (trust_of(REMOVED), key_of(NEXT, tbv=2), RAISED, "opens"),
        (trust_of(FIRST), key_of(ISSUER), RAISED, "stale_trust"),
        (PINNED, key_of(ISSUER), RAISED, "stale_trust"),
        (PINNED, key_of(ISSUER, tbv=1), LIST, "stale_trust"),
        # an old bundle is back: a key that needs the new one says so
        (trust_of(FIRST), key_of(ISSUER, tbv=2), LIST, "stale_trust"),
        (trust_of(PLANNED), key_of(ISSUER, tbv=2), LIST, "opens"),
        (trust_of(PLANNED), key_of(ISSUER, tbv=3), LIST, "stale_trust"),
        # a bundle that is over
        (trust_of(claims(1, *FIRST.keys, at=SECONDS - 31_536_000)), key_of(ISSUER), LIST, "stale_trust"),
    ],
)
def test_what_opens_with_which_bundle(
    trust: TrustedKeys, key: Callable[[Opening], Opening], news: Any, says: str
) -> None:
    opening = key(Opening(trust=trust, revocations=news))
    if says == "opens":
        opening.run()
        return
    with pytest.raises(KeyRefused) as refused:
        opening.run()
    assert refused.value.refusal.value == says


def test_after_its_days_a_replaced_key_is_over() -> None:
    trust = trust_of(PLANNED)
    late = SECONDS + WEEK + 2 * 86_400 + 1
    clock = replace(Opening().clock, at=late * 1000)
    fresh_list = LIST.model_copy(update={"iat": late, "exp": late + 600})
    window = {"iat": late, "nbf": late, "exp": late + 3600}
    old = Opening(trust=trust, revocations=fresh_list, clock=clock).with_claims(**window)
    with pytest.raises(KeyRefused) as refused:
        key_of(ISSUER, **window)(old).run()
    assert refused.value.refusal.value == "expired"
    key_of(NEXT, **window, tbv=2)(old).run()


RETIRED = claims(2, entry("fresh", FRESH_KEY, nbf=SECONDS - 60, exp=SECONDS + 60), at=SECONDS)


@pytest.mark.parametrize(("iat", "taken"), [(-61, False), (-60, True), (0, True), (59, True), (60, False)])
def test_news_counts_only_from_the_days_of_its_key(iat: int, taken: bool) -> None:
    news = write_fresh(LIST.model_copy(update={"iat": SECONDS + iat}), key=FRESH_KEY)
    trust = trust_of(RETIRED)
    if taken:
        assert read_fresh(news, trust=trust, unit=LIST.aud).iat == SECONDS + iat
    else:
        with pytest.raises(Unacceptable):
            read_fresh(news, trust=trust, unit=LIST.aud)


@pytest.mark.parametrize(("later", "taken"), [(59, True), (60, False)])
def test_a_command_counts_until_the_end_of_its_key_s_days(later: int, taken: bool) -> None:
    trust = trust_of(claims(1, entry("cmd", COMMAND_KEY, exp=SECONDS + 60), at=SECONDS))
    order = CommandClaims(
        aud=UNIT, cmd="cmd_7aaaaaaaaaaaaaaa", op="lock", iat=SECONDS, exp=SECONDS + 999, args={}
    )
    token, now = write_command(order, key=COMMAND_KEY), NOW + timedelta(seconds=later)
    if taken:
        assert read_command(token, trust=trust, unit=UNIT, now=now) == order
    else:
        with pytest.raises(Unacceptable):
            read_command(token, trust=trust, unit=UNIT, now=now)
