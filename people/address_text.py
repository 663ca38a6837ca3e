"""How a car address is written, typed and checked: ``TL-7K3M-9QXD-4HWE`` (delivery.md, "Car address")."""

import secrets
import unicodedata
from functools import reduce
from typing import Final

ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without I, O, 0 and 1. The first of an address is its partition, 10 are random, the last checks."""

RANDOM: Final = 10
LENGTH: Final = 1 + RANDOM + 1
_LEAD: Final = "TL"
_DASHES: Final = frozenset({"Pd", "Pc"})
"""Unicode categories of dashes and underscores: phones and shops like to replace a plain hyphen."""


def _double(element: int) -> int:
    """Multiply by x in GF(32), reduced by x^5 + x^2 + 1."""
    return (element << 1) ^ (0x25 if element & 0x10 else 0)


def _times(one: int, other: int) -> int:
    product = 0
    while other:
        if other & 1:
            product ^= one
        one, other = _double(one), other >> 1
    return product


def _weights() -> tuple[int, ...]:
    weights = [2]
    while len(weights) < LENGTH - 1:
        weights.append(_double(weights[-1]))
    return tuple(weights)


_WEIGHTS: Final = _weights()


def check_character(body: str) -> str:
    """The last character for the first eleven: a sum over GF(32) with a weight of its own per place.

    All weights differ and none is 1 or 0, so any one wrong character and any two exchanged ones are found.
    """
    terms = (_times(w, ALPHABET.index(c)) for w, c in zip(_WEIGHTS, body, strict=True))
    return ALPHABET[reduce(lambda left, right: left ^ right, terms, 0)]


def normalised(text: str) -> str | None:
    """The twelve characters of a typed address, or None where it cannot be one.

    Case, spaces, dashes and a missing ``TL`` do not matter; a character that was mistyped does.
    """
    if len(text) > 64:
        return None
    typed = "".join(c for c in text.upper() if not c.isspace() and unicodedata.category(c) not in _DASHES)
    if len(typed) == LENGTH + len(_LEAD) and typed.startswith(_LEAD):
        typed = typed.removeprefix(_LEAD)
    if len(typed) != LENGTH or any(c not in ALPHABET for c in typed):
        return None
    return typed if check_character(typed[:-1]) == typed[-1] else None


def of(partition: int, letters: str) -> str:
    """The address of a partition and its ten random characters."""
    body = ALPHABET[partition] + letters
    return body + check_character(body)


def draw(partition: int) -> str:
    """A new address in a partition: 50 random bits."""
    return of(partition, "".join(secrets.choice(ALPHABET) for _ in range(RANDOM)))


def partition(text: str, partitions: int) -> int:
    """The partition a delivery to this text lives in, be the address known, unknown or nonsense."""
    typed = normalised(text)
    if typed is None:
        return sum(text.encode("utf-8", "surrogatepass")) % partitions
    return ALPHABET.index(typed[0]) % partitions


def written(typed: str) -> str:
    """As people see it: in groups of four behind ``TL``."""
    return "-".join((_LEAD, typed[:4], typed[4:8], typed[8:]))
