"""The unit's signed, hash-chained outcomes (``tl-receipt+jwt``): write, read, follow the chain."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.car.claims import Out, ReceiptClaims
from keys.car.jwk import ed25519_to_jwk, sha256_b64, thumbprint
from keys.car.jws import RECEIPT, Fault, Parts, SigningKey, Unacceptable, read, sign, to_sign, verify
from keys.car.verify import Reading

_quoted: Final = json.encoder.encode_basestring_ascii
GENESIS: Final = "A" * 43
"""``prev`` of the first receipt: 32 zero bytes."""


class BrokenChain(Exception):
    """Receipts that are each well signed and do not follow one another. ``n``: the first that does not."""

    def __init__(self, n: int) -> None:
        super().__init__(f"receipt {n} does not follow")
        self.n = n


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain stands: the last number and the hash of that receipt."""

    n: int = 0
    hash: str = GENESIS


def make(claims: ReceiptClaims, *, key: SigningKey) -> str:
    """Sign one receipt with the unit's receipt key."""
    return sign(claims.wire(), form=RECEIPT, key=key)


def opening_to_sign(  # noqa: PLR0913 - all that it says
    *,
    out: Out,
    iss: str,
    boot: int,
    head: Head,
    clock: Reading,
    jti: str,
    seq: int,
    dlv: str,
    cmd: str | None,
    via: str,
    gen: int | None = None,
    own: str | None = None,
    key: SigningKey,
) -> str:
    """What ``to_sign`` makes of a receipt of an opening (``consumed``, ``opened``, ...) after ``head``, spelled out.

    A latch, or who stands in front of it, waits for these, and a model and an encoder would take ten times as long;
    that they would write the very same is tested (``test_keys_opening_receipts.py``). ``gen`` and ``own``: with
    ``consumed`` only.
    """
    told = (
        f'{{"at":{clock.at},"boot":{boot},"clk":{{"state":{_quoted(clock.state)},"u":{clock.u}}},'
        f"{_member('cmd', cmd)}"
        f'"dlv":{_quoted(dlv)},{_count("gen", gen)}"iss":{_quoted(iss)},"jti":{_quoted(jti)},'
        f'"n":{head.n + 1},"out":{_quoted(out)},{_member("own", own)}"prev":{_quoted(head.hash)},"seq":{seq},'
        f'"via":{_quoted(via)}}}'
    )
    return to_sign(told.encode(), form=RECEIPT, key=key)


def _member(name: str, value: str | None) -> str:
    return "" if value is None else f'"{name}":{_quoted(value)},'


def _count(name: str, value: int | None) -> str:
    return "" if value is None else f'"{name}":{value},'


def chain_hash(receipt: str) -> str:
    """SHA-256 of the compact form: what the next receipt names as ``prev``."""
    return sha256_b64(receipt.encode())


def read_receipt(token: object, *, key: Ed25519PublicKey, unit: str) -> ReceiptClaims:
    """What ``unit`` says, if ``key`` signed it. Raises ``Unacceptable``."""
    return check_receipt(read(token, RECEIPT), key=key, unit=unit)


def check_receipt(parts: Parts, *, key: Ed25519PublicKey, unit: str, kid: str | None = None) -> ReceiptClaims:
    """The same of a receipt that was taken apart already. ``kid``: the key's thumbprint, where it is known."""
    if parts.signer != (kid or thumbprint(ed25519_to_jwk(key))):
        raise Unacceptable(Fault.SIGNER)
    claims = ReceiptClaims.of(verify(parts, key))
    if claims.iss != unit:
        raise Unacceptable(Fault.AUDIENCE)
    return claims


def follows(head: Head, claims: ReceiptClaims) -> bool:
    """Whether a receipt is the next one after ``head``."""
    return claims.n == head.n + 1 and claims.prev == head.hash


def verify_chain(
    receipts: Iterable[str], *, key: Ed25519PublicKey, unit: str, head: Head | None = None
) -> list[ReceiptClaims]:
    """The claims of an unbroken run of receipts, beginning after ``head`` (None: anywhere in the chain).

    Raises ``Unacceptable`` or ``BrokenChain``.
    """
    told: list[ReceiptClaims] = []
    for receipt in receipts:
        claims = read_receipt(receipt, key=key, unit=unit)
        if head is not None and not follows(head, claims):
            raise BrokenChain(claims.n)
        head = Head(claims.n, chain_hash(receipt))
        told.append(claims)
    return told
