"""What an owner's passkey signs for an approval, and whether a kept assertion is one over exactly that. Pure.

The challenge is made from our record alone: a context, the question's nonce, and the canonical JSON of what was
shown with the decision. Nothing of it is chosen by whoever asks for it, so an assertion serves for this answer
to this question and for no other; the question is decided once, so it serves once.
"""

import hmac
from hashlib import sha256
from typing import Final

from delivery import standing
from delivery.questions import Decided, Decision, Question, canonical
from keys.car.assertions import assertion_hash
from keys.car.claims import OwnerSignature
from keys.car.jwk import b64, unb64
from keys.car.jws import Unacceptable, read_json
from people.assertions import Assertion, AssertionResponse

_CONTEXT: Final = b"trunkline.approval.v1\x00"
_SHORTEST: Final = 37
"""authenticatorData: rpIdHash 32, flags 1, signCount 4 (WebAuthn Level 3, 6.1)."""
_THERE_AND_VERIFIED: Final = 0x01 | 0x04


def challenge(question: Question, decision: Decision, fra: int | None) -> bytes:
    """32 bytes for a passkey: this decision on this question. ``fra`` as in ``Decided``."""
    content = question.content()
    said = canonical({"shown": content, "decision": decision, "fra": fra})
    nonce = str(content["nonce"]).encode()
    return sha256(_CONTEXT + nonce + b"\x00" + said.encode()).digest()


def is_over(assertion: Assertion, wanted: bytes) -> bool:
    """Whether a kept assertion names this challenge, with somebody there and verified.

    Its signature was checked when it came (``people.passkeys``); this finds a record that was put together
    from another answer.
    """
    try:
        client = read_json(unb64(assertion.response.client_data))
        authenticator = unb64(assertion.response.authenticator_data)
    except (Unacceptable, ValueError):
        return False
    named = str(client.get("challenge", "")).encode()
    return (
        client.get("type") == "webauthn.get"
        and hmac.compare_digest(named, b64(wanted).encode())
        and len(authenticator) >= _SHORTEST
        and authenticator[32] & _THERE_AND_VERIFIED == _THERE_AND_VERIFIED
    )


def behind(decided: Decided) -> Assertion | None:
    """The assertion that a decision leans on: over the answer, over the key to be, or over the rule that answered.

    None where no passkey signed, or what it signed is no longer kept.
    """
    if decided.level == "standing":
        rule = standing.rule_of(decided.record)
        return None if rule is None else rule.assertion
    if decided.level != "passkey":
        return None
    if decided.assertion is None and decided.own is not None:
        return as_assertion(decided.own)
    return decided.assertion


def hash_of(assertion: Assertion) -> str | None:
    """By what the evidence names it; None where its bytes cannot be read: no key is made on such a one."""
    response = assertion.response
    try:
        parts = [
            unb64(text) for text in (response.client_data, response.authenticator_data, response.signature)
        ]
    except ValueError:
        return None
    return assertion_hash(*parts)


def as_assertion(own: OwnerSignature) -> Assertion:
    """The owner's signature over a key, as the assertion that it is (``keys.car.owner``)."""
    response = AssertionResponse(
        client_data=own.clientData, authenticator_data=own.authData, signature=own.sig
    )
    return Assertion(id=own.cid, raw_id=own.cid, response=response)
