"""Signatures in the crash runs: each verified once by the unit, receipts also by a second implementation."""

from functools import lru_cache
from typing import Final

import joserfc.jws
from joserfc.jwk import OKPKey

from keys.car import jws
from keys.car.claims import ReceiptClaims
from keys.car.receipt import read_receipt
from tests.unit.unit_rig import RECEIPT_KEY, UNIT
from vehicle_unit import receipt

SIGNED: Final = list[str]()
"""What units have had signed of receipts since somebody looked, each as it was before the signature."""
_REGISTRY: Final = joserfc.jws.JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)


def remember_signatures() -> None:
    """Verify each signature once: the same few keys, proofs and lists come in every life."""
    real, known = jws.holds, dict[tuple[bytes, bytes], bool]()

    def holds(alg: jws.Alg, key: jws.PublicKey, signed: bytes, signature: bytes) -> bool:
        if len(known) > 10_000:
            known.clear()
        if (signed, signature) not in known:
            known[signed, signature] = real(alg, key, signed, signature)
        return known[signed, signature]

    jws.holds = holds


@lru_cache(maxsize=10_000)
def read_once(token: str) -> ReceiptClaims:
    """What a receipt says; not verified."""
    return ReceiptClaims.of(jws.read(token, jws.RECEIPT).claims)


@lru_cache(maxsize=10_000)
def read_unsigned(text: str) -> ReceiptClaims:
    """What a receipt says that was given to be signed."""
    return ReceiptClaims.of(jws.read_unsealed(text, jws.RECEIPT).claims)


def verified(token: str) -> ReceiptClaims:
    """A receipt, by us and by joserfc."""
    oracle = OKPKey.import_key(dict(RECEIPT_KEY.jwk))
    joserfc.jws.deserialize_compact(token, oracle, registry=_REGISTRY)
    return read_receipt(token, key=RECEIPT_KEY.private.public_key(), unit=UNIT)  # type: ignore[arg-type]


def watch_signing() -> None:
    """Note in ``SIGNED`` what the unit's receipt key is given."""
    real = receipt.seal

    def seal(text: str, *, form: jws.Form, key: jws.SigningKey) -> str:
        SIGNED.append(text)
        return real(text, form=form, key=key)

    receipt.seal = seal
