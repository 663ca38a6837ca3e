"""The courier's proof of possession (``tl-pop+jwt``, ES256): made by the device, checked by the car."""

import hmac
from datetime import datetime

from keys.car.claims import Act, KeyClaims, ProofClaims
from keys.car.jwk import BadKey, p256_from_jwk, sha256_b64, thumbprint
from keys.car.jws import PROOF, Fault, Parts, SigningKey, Unacceptable, check_signature, sign


def make_proof(
    device: SigningKey, *, key_token: str, challenge: str, unit: str, act: Act, now: datetime
) -> str:
    """What a courier's device (P-256) signs: this key, this car, this action, this challenge."""
    claims = ProofClaims(
        aud=unit, ath=sha256_b64(key_token.encode()), act=act, nonce=challenge, iat=int(now.timestamp())
    )
    return sign(claims.wire(), form=PROOF, key=device)


def check_proof(
    proof: Parts, *, key_hash: str, key: KeyClaims, unit: str, challenge: str | None
) -> ProofClaims:
    """Step 7 of keys.md 3.3, after the challenge was taken: the holder of the device key signed for this.

    ``key_hash``: SHA-256 of the key's compact form. Raises ``Unacceptable``: ``signer`` another device,
    ``signature``, ``claims``, or ``audience`` where it is for another key, car, action or challenge.
    """
    try:
        device = p256_from_jwk(proof.signer)
    except BadKey as cause:
        raise Unacceptable(Fault.SIGNER) from cause
    if not hmac.compare_digest(thumbprint(proof.signer), key.cnf.jkt):
        raise Unacceptable(Fault.SIGNER)
    check_signature(proof, device)
    claims: ProofClaims = proof.model or ProofClaims.of(proof.claims)
    answers = challenge is not None and hmac.compare_digest(claims.nonce, challenge)
    if not answers or claims.aud != unit or claims.ath != key_hash or claims.act != key.act:
        raise Unacceptable(Fault.AUDIENCE)
    return claims
