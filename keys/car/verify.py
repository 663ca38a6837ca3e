"""Check a key inside the car, offline and without a clock. The order is the contract (keys.md 3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from keys.car.challenge import Challenges
from keys.car.claims import DEFAULT_FRA, FreshClaims, KeyClaims
from keys.car.jwk import sha256_b64
from keys.car.jws import KEY, PROOF, Fault, Parts, Unacceptable, check_signature, read
from keys.car.owner import OwnerKey, check_owner
from keys.car.place import Position, within
from keys.car.policy import Policy
from keys.car.proof import check_proof
from keys.car.spelling import device_at_sight, key_at_sight, proof_at_sight
from keys.car.trust import TrustedKey, TrustedKeys
from keys.car.window import Window

_MILLISECOND: Final = timedelta(milliseconds=1)


class Refusal(StrEnum):
    """Why nothing opened. All but ``refused`` and ``busy`` are said to a proven holder of the key only."""

    BUSY = "busy"
    REFUSED = "refused"
    STALE_TRUST = "stale_trust"
    CLOCK_UNTRUSTED = "clock_untrusted"
    TOO_EARLY = "too_early"
    EXPIRED = "expired"
    BAD_WINDOW = "bad_window"
    REVOKED = "revoked"
    OWNER_SIGNATURE = "owner_signature"
    BLOCKED_BY_OWNER = "blocked_by_owner"
    ALREADY_USED = "already_used"
    NOT_ALLOWED = "not_allowed"
    VEHICLE_STATE = "vehicle_state"
    WRONG_PLACE = "wrong_place"
    INTERNAL = "internal"


class KeyRefused(Exception):
    """The only exception ``prove`` and ``allow`` raise, whatever the bytes.

    ``proven``: possession was proven, the exact reason may be told. ``may_have_opened`` is False: nothing has
    moved yet. ``why`` is for the unit's own counters and is never sent.
    """

    may_have_opened = False

    def __init__(self, refusal: Refusal, *, proven: bool, why: str = "") -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
        self.proven = proven
        self.why = why or refusal.value


@dataclass(frozen=True, slots=True)
class Presented:
    """What a courier brings: the key's and the proof's compact form, and what is fresh for the challenge."""

    key: str = field(repr=False)
    proof: str = field(repr=False)
    fresh: str | None = field(default=None, repr=False)


class Foreseen(NamedTuple):
    """A key that was read, and whose signature held, before anybody presented it: steps 1 to 4."""

    token: str
    parts: Parts
    issuer: TrustedKey

    def __repr__(self) -> str:
        """Without the key."""
        return f"Foreseen(issuer={self.issuer.kid!r})"


class Proven(NamedTuple):
    """A key of our service for this car, held by who presented it. Not yet allowed."""

    claims: KeyClaims
    key_hash: str
    issuer: TrustedKey
    challenge: str
    """The one that the proof answered."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the unit's clock says: Unix milliseconds, and how far it may be off, in milliseconds."""

    state: Literal["synced", "holdover", "unset"]
    at: int
    u: int


@dataclass(frozen=True, slots=True)
class Car:
    """The car as its bus says. ``blocked`` is the owner's local switch; ``position`` None: not known."""

    parked: bool
    ignition_on: bool
    speed_kmh: float
    doors_shut: bool
    blocked: bool = False
    position: Position | None = None


class Granted(NamedTuple):
    """Leave to open once, after ``window`` has been written durably (step 14)."""

    claims: KeyClaims
    key_hash: str
    window: Window


def foresee(token: object, *, trust: TrustedKeys) -> Foreseen:
    """Steps 1 to 4: what a key says by itself, whoever brings it. Raises ``Unacceptable``."""
    key = read(token, KEY, spelled=key_at_sight)  # 1, 2
    issuer = trust.signer(key, "key")  # 3
    check_signature(key, issuer.public)  # 4
    return Foreseen(str(token), key, issuer)


def prove(
    presented: Presented,
    *,
    link: str,
    unit: str,
    trust: TrustedKeys,
    challenges: Challenges,
    uptime: float,
    foreseen: Foreseen | None = None,
) -> Proven:
    """Steps 1 to 7: a key for this car, in its holder's hands. ``uptime``: seconds on CLOCK_BOOTTIME.

    ``foreseen`` spares steps 1 to 4 where it is of these very bytes, and its issuer is one whose keys count now.
    Raises ``KeyRefused`` with ``refused`` and nothing else, so that a stranger learns nothing.
    """
    try:
        if foreseen is None or not _still(foreseen, presented, trust):
            foreseen = foresee(presented.key, trust=trust)
        _, key, issuer = foreseen
        proof = read(presented.proof, PROOF, spelled=proof_at_sight, signer=device_at_sight)
        claims: KeyClaims = key.model or KeyClaims.of(key.claims)  # 5
        _for_me(claims, unit)  # 6
        challenge = challenges.take(link, uptime=uptime)  # 7: gone from here on, whatever follows
        key_hash = sha256_b64(presented.key.encode())
        check_proof(proof, key_hash=key_hash, key=claims, unit=unit, challenge=challenge)
        _for_this(claims, challenge)
    except Unacceptable as cause:
        raise KeyRefused(Refusal.REFUSED, proven=False, why=cause.fault.value) from cause
    return Proven(claims, key_hash, issuer, challenge or "")


def allow(  # noqa: PLR0913 - all that decides, in one place
    proven: Proven,
    *,
    policy: Policy,
    clock: Reading,
    trust: TrustedKeys,
    revocations: FreshClaims | None,
    fresh: FreshClaims | None = None,
    window: Window,
    car: Car,
    owners: Mapping[str, OwnerKey] = MappingProxyType({}),
) -> Granted:
    """Steps 8 to 13: whether this key may open this car now.

    ``revocations``: the list that is kept, None where none counts. ``fresh``: what was signed for the
    challenge that the proof answered (``keys.car.fresh.read_answer``). Raises ``KeyRefused`` with the exact
    reason.
    """
    claims = proven.claims
    earliest, latest = clock.at - clock.u, clock.at + clock.u
    usable = clock.state != "unset" and clock.u <= _millis(policy.clock_error)
    news = _news(claims, trust, revocations, fresh, policy, latest if usable else None)  # 8
    if not usable:  # 9
        raise _no(Refusal.CLOCK_UNTRUSTED)
    _timely(proven, policy, earliest, latest)
    for each in news:  # 10
        if claims.jti in each.rev.dead or claims.seq < each.rev.min_seq:
            raise _no(Refusal.REVOKED)
    if car.blocked:
        raise _no(Refusal.BLOCKED_BY_OWNER)
    try:
        marked = window.mark(claims.seq)  # 11
    except ValueError as cause:
        raise _no(Refusal.ALREADY_USED, window.standing(claims.seq).value) from cause
    if claims.own is not None or policy.require_owner:  # 12
        _signed_by_owner(claims, owners)
    _fitting(claims, policy, car)  # 13
    return Granted(claims, proven.key_hash, marked)


def _still(foreseen: Foreseen, presented: Presented, trust: TrustedKeys) -> bool:
    """Whether reading the presented key now would give the same."""
    return foreseen.token == presented.key and trust.find(foreseen.issuer.kid, "key") == foreseen.issuer


def _for_me(claims: KeyClaims, unit: str) -> None:
    """``iss`` and ``typ`` are pinned by the claim model and the form."""
    if claims.aud != unit:
        raise Unacceptable(Fault.AUDIENCE)


def _for_this(claims: KeyClaims, challenge: str | None) -> None:
    """A key that was made for one challenge of a unit without a clock is good for that one alone."""
    if claims.cnonce is not None and claims.cnonce != challenge:
        raise Unacceptable(Fault.AUDIENCE)


def _news(
    claims: KeyClaims,
    trust: TrustedKeys,
    revocations: FreshClaims | None,
    fresh: FreshClaims | None,
    policy: Policy,
    latest: int | None,
) -> tuple[FreshClaims, ...]:
    """All that is known of revocation, if it and the trust bundle are young enough for this key and this car.

    ``latest`` that it may be, in milliseconds; None where the clock cannot be trusted: step 9 says so.
    """
    if trust.version < (claims.tbv or 0):
        raise _no(Refusal.STALE_TRUST, "old bundle")
    if latest is not None and trust.expires is not None and latest >= trust.expires * 1000:
        raise _no(Refusal.STALE_TRUST, "bundle expired")
    if fresh is not None:
        known = (fresh,) if revocations is None else (fresh, revocations)
    elif revocations is not None:
        _young(revocations, claims, policy, latest)
        known = (revocations,)
    else:
        raise _no(Refusal.STALE_TRUST, "no list")
    for each in known:
        if each.bundle > trust.version:
            raise _no(Refusal.STALE_TRUST, "old bundle")
    return known


def _young(revocations: FreshClaims, claims: KeyClaims, policy: Policy, latest: int | None) -> None:
    """The list that is kept, where nothing fresh came; its age is not asked where nobody knows the time."""
    if latest is None:
        return
    allowed = min(_millis(policy.list_age), (DEFAULT_FRA if claims.fra is None else claims.fra) * 1000)
    if latest - revocations.iat * 1000 > allowed or latest >= revocations.exp * 1000:
        raise _no(Refusal.STALE_TRUST, "old list")


def _fitting(claims: KeyClaims, policy: Policy, car: Car) -> None:
    """What the car allows at all, the state it is in, and where it stands."""
    if claims.act not in policy.acts:
        raise _no(Refusal.NOT_ALLOWED)
    if not (car.parked and not car.ignition_on and car.speed_kmh == 0 and car.doors_shut):
        raise _no(Refusal.VEHICLE_STATE)
    if claims.geo is not None and not (car.position is not None and within(claims.geo, car.position)):
        raise _no(Refusal.WRONG_PLACE)


def _signed_by_owner(claims: KeyClaims, owners: Mapping[str, OwnerKey]) -> None:
    """A co-signature that is there must hold, whether it is demanded or not."""
    try:
        check_owner(claims, owners)
    except Unacceptable as cause:
        raise _no(Refusal.OWNER_SIGNATURE, cause.fault.value) from cause


def _timely(proven: Proven, policy: Policy, earliest: int, latest: int) -> None:
    """By a clock that can be trusted: between these milliseconds."""
    claims, issuer = proven.claims, proven.issuer
    # A key made more than a minute ahead of us means that our clock is behind (keys.md 3.4).
    if claims.iat * 1000 > latest + _millis(policy.clock_error):
        raise _no(Refusal.CLOCK_UNTRUSTED)
    not_before = max(claims.nbf, issuer.not_before or 0)
    not_after = claims.exp if issuer.not_after is None else min(claims.exp, issuer.not_after)
    if latest < not_before * 1000:
        raise _no(Refusal.TOO_EARLY)
    if earliest >= not_after * 1000:
        raise _no(Refusal.EXPIRED)
    if not 0 < (claims.exp - claims.nbf) * 1000 <= _millis(policy.longest_window):
        raise _no(Refusal.BAD_WINDOW)


@lru_cache(maxsize=16)
def _millis(span: timedelta) -> float:
    """A bound of the policy, which stays what it is, in milliseconds."""
    return span / _MILLISECOND


def _no(refusal: Refusal, why: str = "") -> KeyRefused:
    return KeyRefused(refusal, proven=True, why=why)
