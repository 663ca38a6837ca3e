"""What a key says, from what was wanted; and what its courier may be given of it. Pure."""

from datetime import datetime
from typing import Any

from keys.car.claims import Confirmation, KeyClaims
from keys.model import KeyBody, Wanted, at, read_key
from keys.problems import KeyOver, NotSignedYet, NotYourKey
from keys.states import LIVE, State
from spine.ids import KeyId
from spine.store import Saved


def in_hand_of(saved: Saved, jkt: str, now: datetime) -> str | None:
    """The token of a key that its courier has already; None where it is good and nobody has it yet."""
    state, body = read_key(saved)
    key = KeyId(saved.id)
    if jkt != body.jkt and state in LIVE:
        raise NotYourKey(key)
    if state in {State.DRAFT, State.ISSUED}:
        raise NotSignedYet(key, retry_after=1)
    if state not in {State.SIGNED, State.HANDED_OUT} or now >= at(body.exp):
        raise KeyOver(key)
    return body.token if state is State.HANDED_OUT else None


def claims_of(wanted: Wanted, body: KeyBody) -> dict[str, Any]:
    """The claims of a key whose number and hours are fixed; ``tbv`` is its signer's."""
    return KeyClaims(
        aud=body.unit,
        jti=body.jti,
        seq=body.seq,
        iat=body.iat,
        nbf=body.nbf,
        exp=body.exp,
        cnf=Confirmation(jkt=body.jkt),
        act=wanted.act,
        dlv=body.delivery,
        geo=wanted.geo,
        fra=wanted.fra,
    ).wire()
