"""Keys that the owner has to sign first: drawn up when the owner is asked, then turned into a key or burnt."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from keys.car.claims import KeyClaims, OwnerSignature, OwnerState
from keys.car.jwk import b64, sha256_b64
from keys.car.jws import KEY, Unacceptable, payload_bytes
from keys.car.owner import check_gesture, owner_challenge
from keys.car.owner_keys import cid_hash
from keys.ledger import Ledger
from keys.limits import KeysLimits
from keys.model import KeyBody, Numbers, at, list_id, numbers_id, read_key
from keys.problems import NoSuchKey, OwnerMustSign, OwnerSignatureWrong
from keys.signing import SigningKeys
from keys.states import State
from spine.facts.keys import KeyDrafted, KeyIssued, KeyLapsed
from spine.ids import KeyId, UnitId
from spine.store import Ack, Change, Saved, Store

_AROUND: Final = 118 + 2 + 86
"""Characters of a key beside its payload: header, two dots, signature."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the owner is asked to sign. ``owner``: the passkeys that the car knows."""

    key: KeyId
    jkt: str
    nbf: datetime
    exp: datetime
    claims: Mapping[str, Any]
    owner: OwnerState

    @property
    def challenge(self) -> str:
        """What the owner's passkey has to sign, base64url."""
        return b64(owner_challenge(self.claims))

    def check(self, own: OwnerSignature | None) -> None:
        """Whether the owner's answer has what the car will look for, as far as we know its passkeys.

        The signature itself is checked by the car, which alone has the passkey's public key from the owner.
        Raises ``OwnerMustSign`` where there is none, ``OwnerSignatureWrong``.
        """
        if own is None:
            raise OwnerMustSign("this car wants the signature of your passkey")
        if cid_hash(own.cid) not in self.owner.cids:
            raise OwnerSignatureWrong("the car does not know this passkey")
        try:
            signed = KeyClaims.of({**self.claims, "own": own.wire()})
            check_gesture(signed)
        except Unacceptable as cause:
            raise OwnerSignatureWrong("this is no signature of a passkey over this key") from cause
        if len(b64(payload_bytes(signed.wire()))) + _AROUND > KEY.max_bytes:
            raise OwnerSignatureWrong("this passkey's signature is too long for the car")


class Drafts:
    """Reads drafts in any process; in ``work`` turns them into keys for the signer."""

    def __init__(self, store: Store, limits: KeysLimits, signing: SigningKeys | None = None) -> None:
        self._store = store
        self._limits = limits
        self._signing = signing

    async def required(self, unit: UnitId) -> bool:
        """Whether the unit said, signed, that it opens for no key without its owner's passkey."""
        owner = await self.owner(unit)
        return owner is not None and owner.required

    async def owner(self, unit: UnitId) -> OwnerState | None:
        """What the unit last said, signed, of its owner's passkeys; None where it never said anything."""
        return Numbers.model_validate_json((await self._store.load(numbers_id(unit))).body).owner

    async def read(self, key: KeyId) -> Draft | None:
        """See ``read_draft``."""
        return await read_draft(self._store, key)

    async def turn(self, key: KeyId, own: OwnerSignature, *, now: datetime, ack: Ack | None = None) -> None:
        """The owner signed: the draft becomes a key that the signer signs next. Past ``exp`` it lapses.

        Not before the window is near (keys.md 3.9): called again then, it does. Which of our keys will sign is
        decided here, because the one of the asking may be gone by now; the owner did not sign that name. What
        is no draft any more stays as it is. Raises ``NoSuchKey``.
        """
        _, before = read_key(await self._store.load(key))

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            ledger = Ledger(saved, before.unit, now=now, limits=self._limits)
            body = ledger.body(key)
            if ledger.state(key) is not State.DRAFT or body.claims is None:
                return None
            if now >= at(body.exp):
                ledger.tell(key, KeyLapsed(**ledger.about(key)))
            elif at(body.nbf) - now > self._limits.ahead:
                return None
            else:
                if self._signing is not None:
                    body.kid = self._signing.signer("key").kid
                _sign_with(body, own)
                ledger.tell(key, issued(ledger, key))
            return ledger.change()

        await self._store.change([key, numbers_id(before.unit), list_id(before.unit)], decide, ack=ack)


async def read_draft(store: Store, key: KeyId) -> Draft | None:
    """The draft; None where the key is none, or none any more."""
    try:
        state, body = read_key(await store.load(key))
    except NoSuchKey:
        return None
    if state is not State.DRAFT or body.claims is None:
        return None
    numbers = Numbers.model_validate_json((await store.load(numbers_id(body.unit))).body)
    owner = numbers.owner or OwnerState(hash=sha256_b64(b""), required=False, cids=())
    return Draft(key, body.jkt, at(body.nbf), at(body.exp), body.claims, owner)


def _sign_with(body: KeyBody, own: OwnerSignature) -> None:
    body.claims = KeyClaims.of({**(body.claims or {}), "own": own.wire()}).wire()
    body.claims_hash = sha256_b64(payload_bytes(body.claims))


def drafted(ledger: Ledger, key: KeyId) -> KeyDrafted:
    """The fact that a draft was drawn up."""
    body = ledger.body(key)
    return KeyDrafted(
        **ledger.about(key), jti=body.jti, seq=body.seq, jkt=body.jkt, nbf=at(body.nbf), exp=at(body.exp)
    )


def issued(ledger: Ledger, key: KeyId) -> KeyIssued:
    """The fact that a key's claims are complete, for the signer."""
    body = ledger.body(key)
    return KeyIssued(
        **ledger.about(key),
        jti=body.jti,
        seq=body.seq,
        jkt=body.jkt,
        kid=body.kid,
        nbf=at(body.nbf),
        exp=at(body.exp),
        claims_hash=body.claims_hash,
    )
