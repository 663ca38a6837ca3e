"""The numbered order of keys.md 3.3: each step refuses, in its place, and only a proven holder hears why."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.car.challenge import Challenges, TooManyLinks
from keys.car.claims import Confirmation, Revocations
from keys.car.jws import KEY, PROOF, SigningKey, read, sign
from keys.car.place import Position, metres_between
from keys.car.policy import Policy
from keys.car.proof import make_proof
from keys.car.trust import TrustedKeys
from keys.car.verify import KeyRefused, Presented, Reading, Refusal
from keys.car.window import Window
from tests.depth import deep
from tests.keys_world import (
    CLAIMS,
    ISSUER,
    LINK,
    LIST,
    NOW,
    OFFICE,
    OTHER_PHONE,
    OTHER_UNIT,
    PHONE,
    SECONDS,
    TRUST,
    UNIT,
    Opening,
    forge,
    key_header,
    published,
)

HOUR = 3600


def refusal(opening: Opening, presented: Presented | None = None) -> KeyRefused:
    with pytest.raises(KeyRefused) as caught:
        opening.run(presented)
    assert not caught.value.may_have_opened
    return caught.value


def code(opening: Opening) -> str:
    refused = refusal(opening)
    assert refused.proven
    return refused.refusal.value


def test_a_good_key_opens_once() -> None:
    granted = Opening().run()
    assert granted.claims == CLAIMS
    assert granted.window == Window().mark(CLAIMS.seq)
    assert code(replace(Opening(), window=granted.window)) == "already_used"


def claims_with(**more: Any) -> str:
    return forge(key_header(), {**CLAIMS.wire(), **more}, ISSUER)


def proof_with(**more: Any) -> Callable[[str, str], str]:
    """A proof with other claims, or signed by ``key``, or over another token, challenge, unit or act."""

    def make(token: str, challenge: str) -> str:
        said: dict[str, Any] = {
            "key_token": token,
            "challenge": challenge,
            "unit": UNIT,
            "act": CLAIMS.act,
            **more,
        }
        return make_proof(said.pop("key", PHONE), **said, now=NOW)

    return make


def leaking_jwk(token: str, challenge: str) -> str:
    good = make_proof(PHONE, key_token=token, challenge=challenge, unit=UNIT, act=CLAIMS.act, now=NOW)
    parts = read(good, PROOF)
    return forge(
        {"alg": "ES256", "typ": "tl-pop+jwt", "jwk": {**parts.signer, "d": "x" * 43}},
        dict(parts.claims),
        PHONE,
    )


STRANGERS: dict[str, Opening] = {
    "1 canonical form": Opening(token="not.a.token"),
    "1 twin names": Opening(token=forge(key_header(), '{"seq":1,"seq":2}', ISSUER)),
    "2 header": Opening(token=forge(key_header(alg="EdDSA"), CLAIMS.wire(), ISSUER)),
    "2 proof header": Opening(proof=forge({"alg": "ES256", "typ": "tl-pop+jwt"}, {}, PHONE)),
    "3 unknown kid": Opening(token=sign(CLAIMS.wire(), form=KEY, key=SigningKey.draw())),
    "3 wrong purpose": Opening(trust=TrustedKeys.from_jwks({"keys": [published("fresh", ISSUER)]})),
    "4 signature": Opening(token=forge(key_header(), CLAIMS.wire(), SigningKey.draw())),
    "5 claims": Opening(token=claims_with(extra=1)),
    "6 issuer": Opening(token=claims_with(iss="another")),
    "6 wrong car": Opening(unit=OTHER_UNIT),
    "7 expired challenge": Opening(answered_after=30.0),
    "7 other device": Opening(phone=OTHER_PHONE),
    "7 other challenge": Opening(proof=proof_with(challenge="B" * 43)),
    "7 proof of another key": Opening(proof=proof_with(key_token=claims_with(seq=8))),
    "7 proof for another car": Opening(proof=proof_with(unit=OTHER_UNIT)),
    "7 proof for another action": Opening(proof=proof_with(act="open:trunk+cabin")),
    "7 private member in jwk": Opening(proof=leaking_jwk),
    "7 not a proof": Opening(proof="x"),
}


FORESEEN = pytest.mark.parametrize("foreseen", [None, ""], ids=["", "foreseen"])
"""A key that came with the challenge was read then already: nothing ends otherwise."""


@FORESEEN
@pytest.mark.parametrize("opening", STRANGERS.values(), ids=STRANGERS.keys())
def test_a_stranger_hears_one_word(opening: Opening, foreseen: str | None) -> None:
    refused = refusal(replace(opening, foreseen=foreseen))
    assert (refused.refusal, refused.proven, str(refused)) == (Refusal.REFUSED, False, "refused")


AT = SECONDS * 1000


def clock(at: int = 0, u: int = 0, state: Any = "synced") -> Opening:
    return Opening(clock=Reading(state, AT + at * 1000, u * 1000))


def listing(**changes: Any) -> Opening:
    return Opening(revocations=LIST.model_copy(update=changes))


def revoking(**changes: Any) -> Opening:
    return listing(rev=LIST.rev.model_copy(update=changes))


def car(**changes: Any) -> Opening:
    return Opening(car=replace(Opening().car, **changes))


GEO = (OFFICE.latitude, OFFICE.longitude, 50.0)
HOLDERS: list[tuple[str, str, Opening]] = [
    ("8 no list", "stale_trust", Opening(revocations=None)),
    ("8 old list", "stale_trust", listing(iat=SECONDS - 86_401)),
    ("8 list past exp", "stale_trust", listing(exp=SECONDS)),
    ("8 old by the clock's doubt", "stale_trust", replace(listing(iat=SECONDS - 86_390), clock=clock(0, 20).clock)),
    ("9 clock unset", "clock_untrusted", clock(state="unset")),
    ("9 clock too vague", "clock_untrusted", clock(u=61)),
    ("9 key from the future", "clock_untrusted", Opening().with_claims(iat=SECONDS + 62, nbf=SECONDS + 62)),
    ("9 too early", "too_early", Opening().with_claims(nbf=SECONDS + 1)),
    ("9 expired", "expired", Opening().with_claims(iat=SECONDS - 9, nbf=SECONDS - 9, exp=SECONDS - 1)),
    ("9 window too long", "bad_window", Opening().with_claims(exp=SECONDS + 6 * HOUR + 1)),
    ("9 issuer key too early", "too_early",
     Opening(trust=TrustedKeys.from_jwks({"keys": [published("key", ISSUER, nbf=SECONDS + 60)]}))),
    ("9 issuer key over", "expired",
     Opening(trust=TrustedKeys.from_jwks({"keys": [published("key", ISSUER, exp=SECONDS - 60)]}))),
    ("10 dead", "revoked", revoking(dead=(CLAIMS.jti,))),
    ("10 below min_seq", "revoked", revoking(min_seq=CLAIMS.seq + 1)),
    ("10 blocked", "blocked_by_owner", car(blocked=True)),
    ("11 used", "already_used", Opening(window=Window().mark(CLAIMS.seq))),
    ("11 below floor", "already_used", Opening(window=Window(CLAIMS.seq + 1))),
    ("11 jump", "already_used", Opening().with_claims(seq=65_536)),
    ("13 not allowed here", "not_allowed", Opening().with_claims(act="open:trunk+cabin")),
    ("13 not parked", "vehicle_state", car(parked=False)),
    ("13 ignition", "vehicle_state", car(ignition_on=True)),
    ("13 speed", "vehicle_state", car(speed_kmh=0.1)),
    ("13 door", "vehicle_state", car(doors_shut=False)),
    ("13 place", "wrong_place", replace(car(position=Position(48.139, 11.575)).with_claims(geo=GEO))),
    ("13 no position", "wrong_place", car(position=None).with_claims(geo=GEO)),
]  # fmt: skip


@FORESEEN
@pytest.mark.parametrize(
    ("expected", "opening"), [row[1:] for row in HOLDERS], ids=[row[0] for row in HOLDERS]
)
def test_a_proven_holder_hears_the_reason(expected: str, opening: Opening, foreseen: str | None) -> None:
    assert code(replace(opening, foreseen=foreseen)) == expected


def test_what_was_foreseen_of_another_key_says_nothing_of_this_one() -> None:
    good = sign(CLAIMS.wire(), form=KEY, key=ISSUER)
    changed = good[:-1] + ("Q" if good[-1] == "A" else "A")
    for token in (claims_with(extra=1), sign(CLAIMS.wire(), form=KEY, key=SigningKey.draw()), changed):
        assert refusal(Opening(token=token, foreseen=good)).refusal is Refusal.REFUSED
    assert Opening(foreseen=claims_with(seq=8)).run().claims == CLAIMS


@FORESEEN
def test_whose_keys_counted_when_it_was_foreseen_is_asked_again(foreseen: str | None) -> None:
    """A bundle without the issuer, or with another life of it, came between challenge and tap."""
    gone = TrustedKeys.from_jwks({"keys": [published("key", SigningKey.draw())]})
    assert refusal(Opening(trust=gone, foreseen=foreseen)).refusal is Refusal.REFUSED
    over = TrustedKeys.from_jwks({"keys": [published("key", ISSUER) | {"nbf": 1, "exp": SECONDS - HOUR}]})
    assert code(Opening(trust=over, foreseen=foreseen)) == "expired"
    same = TrustedKeys.from_jwks({"keys": [published("key", ISSUER)]})
    Opening(trust=same, foreseen=foreseen).run()


def test_the_order_is_the_contract() -> None:
    """Everything is wrong at once; each repair brings up the next reason of the table."""
    opening = Opening(
        phone=OTHER_PHONE,
        clock=Reading("unset", AT, 0),
        revocations=None,
        window=Window(65_000).mark(65_000),
        car=replace(Opening().car, parked=False, blocked=True, position=None),
    ).with_claims(
        act="open:trunk+cabin",
        geo=GEO,
        nbf=SECONDS + HOUR,
        exp=SECONDS + 9 * HOUR,
        cnf=Confirmation(jkt=PHONE.kid),
    )
    assert refusal(opening).refusal is Refusal.REFUSED
    repairs: list[tuple[str, Callable[[Opening], Opening]]] = [
        ("stale_trust", lambda o: replace(o, phone=PHONE)),
        ("clock_untrusted", lambda o: replace(o, revocations=LIST.model_copy(
            update={"rev": Revocations(version=1, min_seq=9, dead=(CLAIMS.jti,))}))),
        ("too_early", lambda o: replace(o, clock=Reading("synced", AT, 0))),
        ("bad_window", lambda o: o.with_claims(nbf=SECONDS)),
        ("revoked", lambda o: o.with_claims(exp=SECONDS + HOUR)),
        ("blocked_by_owner", lambda o: replace(o, revocations=LIST)),
        ("already_used", lambda o: replace(o, car=replace(o.car, blocked=False))),
        ("not_allowed", lambda o: replace(o, window=Window())),
        ("vehicle_state", lambda o: o.with_claims(act="open:trunk")),
        ("wrong_place", lambda o: replace(o, car=replace(o.car, parked=True))),
    ]  # fmt: skip
    for expected, repair in repairs:
        opening = repair(opening)
        assert code(opening) == expected
    replace(opening, car=replace(opening.car, position=OFFICE)).run()


@pytest.mark.parametrize(
    "opening",
    [clock(at=-1, u=1).with_claims(), clock(at=HOUR, u=1).with_claims(fra=86_400),
     clock(at=HOUR - 1).with_claims(fra=86_400), Opening().with_claims(geo=GEO),
     Opening().with_claims(exp=SECONDS + 6 * HOUR), revoking(min_seq=CLAIMS.seq),
     listing(iat=SECONDS - 86_399).with_claims(fra=86_400), listing(iat=SECONDS - 599),
     listing(iat=SECONDS - 59).with_claims(fra=60),
     Opening().with_claims(iat=SECONDS + 60), Opening(answered_after=29.9), clock(u=60),
     Opening(policy=Policy(acts=frozenset({"open:trunk", "open:trunk+cabin"}))).with_claims(act="open:trunk+cabin")],
)  # fmt: skip
def test_just_inside_every_bound(opening: Opening) -> None:
    opening.run()


def test_a_challenge_works_once_whatever_follows() -> None:
    opening = Opening(car=replace(Opening().car, parked=False))
    presented = opening.presented()
    assert refusal(opening, presented).refusal is Refusal.VEHICLE_STATE
    assert refusal(Opening(challenges=opening.challenges), presented).refusal is Refusal.REFUSED


def test_a_wrong_proof_uses_the_challenge_up() -> None:
    opening = Opening()
    good = opening.presented()
    wrong = Presented(good.key, make_proof(OTHER_PHONE, key_token=good.key, challenge="B" * 43, unit=UNIT,
                                           act="open:trunk", now=NOW))  # fmt: skip
    assert refusal(opening, wrong).refusal is Refusal.REFUSED
    assert refusal(opening, good).refusal is Refusal.REFUSED


def test_what_is_not_a_key_of_ours_leaves_the_challenge() -> None:
    opening = Opening()
    good = opening.presented()
    assert refusal(opening, Presented(claims_with(extra=1), good.proof)).refusal is Refusal.REFUSED
    opening.run(good)


def test_eight_links_and_one_challenge_each() -> None:
    drawn = iter(bytes([n]) * 32 for n in range(1, 100))
    challenges = Challenges(Policy(), lambda _: next(drawn))
    first = [challenges.draw(f"link {n}", uptime=0.0) for n in range(8)]
    assert len(set(first)) == 8
    with pytest.raises(TooManyLinks):
        challenges.draw("link 8", uptime=1.0)
    again = challenges.draw("link 3", uptime=1.0)
    assert challenges.take("link 3", uptime=2.0) == again != first[3]
    assert challenges.take("link 3", uptime=2.0) is None
    assert challenges.take("link 4", uptime=29.9) == first[4]
    assert challenges.take("link 5", uptime=30.0) is None
    challenges.draw("link 8", uptime=31.0)


ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."


@settings(max_examples=deep(150), deadline=None)
@given(
    part=st.sampled_from(["key", "proof"]), where=st.floats(0, 1, exclude_max=True), to=st.integers(0, 255)
)
def test_any_changed_byte_anywhere_grants_nothing(part: str, where: float, to: int) -> None:
    opening = Opening()
    good = opening.presented()
    text = bytearray(getattr(good, part), "ascii")
    spot = int(where * len(text))
    if text[spot] == to:
        to = (to + 1) % 256
    text[spot] = to
    changed = replace(good, **{part: text.decode("latin-1")})
    assert refusal(opening, changed).refusal is Refusal.REFUSED


def test_every_base64_character_matters() -> None:
    """Exhaustively: each position of both objects, moved to the next character of the alphabet."""
    good = Opening().presented()
    for part in ("key", "proof"):
        text = getattr(good, part)
        for spot, char in enumerate(text):
            other = chr(ALPHABET[(ALPHABET.index(char.encode()) + 1) % len(ALPHABET)])
            opening = Opening()
            opening.presented()
            changed = replace(good, **{part: text[:spot] + other + text[spot + 1 :]})
            assert refusal(opening, changed).refusal is Refusal.REFUSED, (part, spot)


@settings(max_examples=deep(120), deadline=None)
@given(key=st.one_of(st.text(), st.binary().map(lambda raw: raw.decode("latin-1"))), proof=st.text())
def test_no_bytes_raise_anything_else(key: str, proof: str) -> None:
    assert refusal(Opening(), Presented(key, proof)).refusal is Refusal.REFUSED


def test_trust_is_refused_whole() -> None:
    good = published("key", ISSUER)
    for bad in ({"keys": []}, {"keys": [good, good]}, {"keys": [{**good, "kid": "A" * 43}]},
                {"keys": [{**good, "alg": "EdDSA"}]}, {"keys": [{**good, "purpose": "any"}]},
                {"keys": [good], "more": 1}, {}):  # fmt: skip
        with pytest.raises(ValueError, match=r".*"):
            TrustedKeys.from_jwks(bad)
    assert TRUST.find(ISSUER.kid, "key") is not None
    assert TRUST.find(ISSUER.kid, "fresh") is None
    assert LINK.startswith("mqtt:")


def test_metres() -> None:
    """Berlin to Munich, 504.4 km by the haversine with the mean radius."""
    assert metres_between(Position(52.52, 13.405), Position(48.137, 11.575)) == pytest.approx(
        504_400, abs=600
    )
    assert metres_between(Position(0, 179.9999), Position(0, -179.9999)) == pytest.approx(22.24, abs=0.1)
    assert metres_between(OFFICE, OFFICE) == 0
