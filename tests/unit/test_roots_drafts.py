"""A draft says who has signed it by signatures that hold, not by the names they carry."""

from datetime import UTC, datetime, timedelta

import pytest

from keys.car.bundle import Roots, sign_bundle
from keys.car.jws import SigningKey
from trunkline.roots import BadDraft, Draft, draft_bundle, published_key, told

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROOTS = [SigningKey.draw() for _ in range(3)]


def _draft() -> Draft:
    keys = [published_key(SigningKey.draw(), "key")]
    return draft_bundle(keys, Roots.of_keys(ROOTS), version=2, now=NOW, life=timedelta(days=30))


def test_each_root_counts_once() -> None:
    draft = _draft().signed_by(ROOTS[0]).signed_by(ROOTS[0]).signed_by(ROOTS[1])
    assert draft.signers == {ROOTS[0].kid, ROOTS[1].kid}
    assert told(draft)[-1] == "2 of 2 signatures of its own roots"


def test_a_former_root_is_told_apart() -> None:
    former = SigningKey.draw()
    draft = _draft().signed_by(former)
    assert (draft.signers, draft.strangers) == (frozenset(), {former.kid})
    assert told(draft)[-1] == "0 of 2 signatures of its own roots"
    assert any(former.kid in line and "no root of this draft" in line for line in told(draft))


def test_a_name_without_its_signature_is_refused() -> None:
    draft, stranger = _draft(), SigningKey.draw()
    posing = SigningKey(stranger.private, ROOTS[0].jwk, ROOTS[0].kid)
    forged = draft.model_copy(update={"bundle": [sign_bundle(draft.claims, posing)]})
    for looks in (lambda: forged.signers, lambda: told(forged), lambda: forged.signed_by(ROOTS[1])):
        with pytest.raises(BadDraft, match="does not hold"):
            looks()
