"""Presentations, good and bad, without end: each is a right one with up to three changes."""

from collections.abc import Iterator
from random import Random
from typing import Any, Final

from tests.second.around import (
    bundle,
    car,
    challenge,
    clock,
    hours,
    meant_for_another,
    news,
    owner,
    owner_otherwise,
    policy,
    window,
)
from tests.second.draft import Draft
from tests.second.objects import (
    Change,
    a_key_member,
    a_member,
    a_member_less,
    a_number,
    another_object,
    edges,
    encoding,
    header,
    large,
    phone,
    place,
    revocations,
    signer,
    written_otherwise,
)

RARE: Final[tuple[Change, ...]] = (
    large,
    another_object,
    edges,
    phone,
    car,
    policy,
    window,
    place,
    bundle,
    meant_for_another,
)
COMMON: Final[tuple[Change, ...]] = (
    a_member, a_key_member, a_number, a_member_less, revocations, written_otherwise, header, signer, encoding, hours,
    clock, news, challenge, owner, owner_otherwise,
)  # fmt: skip
HARMLESS: Final[tuple[Change, ...]] = (owner, news, bundle, place, window, revocations, hours, hours, car)


def cases(count: int, seed: str) -> Iterator[dict[str, Any]]:
    """So many presentations; the same seed makes the same (but for the numbers that ES256 draws)."""
    rng = Random(seed)
    for _ in range(count):
        draft = Draft(rng)
        for _ in range(rng.choice([0, 1, 1, 1, 1, 2, 2, 3])):
            rng.choice(rng.choice([RARE, COMMON, COMMON, HARMLESS]))(draft, rng)
        yield draft.case()
