"""Receipts and lists as the car writes and reads them: chain, claims, and which of two lists counts."""

from typing import Any

import joserfc.jws
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from keys.car.claims import CommandClaims, FreshClaims, ReceiptClaims, Revocations
from keys.car.command import TooLate, read_command, write_command
from keys.car.fresh import newer, read_fresh, write_fresh
from keys.car.jws import Fault, SigningKey, Unacceptable
from keys.car.receipt import GENESIS, BrokenChain, Head, chain_hash, read_receipt, verify_chain
from keys.limits import KeysLimits
from keys.model import Chain
from keys.receipts import Link, place
from tests.keys_unit import Receipting
from tests.keys_world import (
    CLAIMS,
    COMMAND_KEY,
    FRESH_KEY,
    ISSUER,
    LIST,
    NOW,
    OTHER_UNIT,
    SECONDS,
    TRUST,
    UNIT,
)


def chain(count: int, unit: Receipting | None = None) -> tuple[Receipting, list[str]]:
    unit = unit or Receipting()
    return unit, [unit.write("locked") for _ in range(count)]


def test_a_chain_is_followed_and_a_second_implementation_agrees() -> None:
    unit, receipts = chain(5)
    told = verify_chain(receipts, key=unit.key.private.public_key(), unit=UNIT, head=Head())  # type: ignore[arg-type]
    assert [claims.n for claims in told] == [1, 2, 3, 4, 5]
    assert told[0].prev == GENESIS
    assert told[4].prev == chain_hash(receipts[3])
    registry = joserfc.jws.JWSRegistry(algorithms=["Ed25519"], strict_check_header=False)
    oracle = OKPKey.import_key(dict(unit.key.jwk))
    for receipt in receipts:
        joserfc.jws.deserialize_compact(receipt, oracle, registry=registry)


@pytest.mark.parametrize(
    ("picked", "broken_at"), [([0, 2], 3), ([1, 0], 2), ([0, 0], 1), ([1, 2], 2), ([0, 1, 3], 4)]
)
def test_a_gap_or_a_swap_breaks_it(picked: list[int], broken_at: int) -> None:
    unit, receipts = chain(4)
    public: Any = unit.key.private.public_key()
    with pytest.raises(BrokenChain) as caught:
        verify_chain([receipts[n] for n in picked], key=public, unit=UNIT, head=Head())
    assert caught.value.n == broken_at


def test_a_segment_may_begin_anywhere() -> None:
    unit, receipts = chain(4)
    public: Any = unit.key.private.public_key()
    assert len(verify_chain(receipts[2:], key=public, unit=UNIT)) == 2


def test_whose_receipt_it_is() -> None:
    unit, (receipt,) = chain(1)
    public: Any = unit.key.private.public_key()
    assert read_receipt(receipt, key=public, unit=UNIT).out == "locked"
    for key, name, fault in ((public, OTHER_UNIT, Fault.AUDIENCE),
                             (SigningKey.draw().private.public_key(), UNIT, Fault.SIGNER)):  # fmt: skip
        with pytest.raises(Unacceptable) as caught:
            read_receipt(receipt, key=key, unit=name)  # type: ignore[arg-type]
        assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("out", "more"),
    [("consumed", {"jti": CLAIMS.jti}), ("consumed", {}), ("refused", {"jti": CLAIMS.jti, "seq": 1}),
     ("revoked", {}), ("opened", {}), ("driven", {}), ("locked", {"code": "No Code"}), ("locked", {"boot": -1}),
     ("locked", {"plate": "M-TL 1"}), ("locked", {"clk": {"state": "fine", "u": 1}}), ("locked", {"via": "air"})],
)  # fmt: skip
def test_a_receipt_says_enough_and_no_more(out: str, more: dict[str, Any]) -> None:
    base = {"iss": UNIT, "boot": 1, "n": 1, "prev": GENESIS, "at": 1, "clk": {"state": "unset", "u": 0}}
    with pytest.raises(Unacceptable):
        ReceiptClaims.of({**base, "out": out, **more})
    assert ReceiptClaims.of({**base, "out": "locked"}).out == "locked"


@given(st.permutations(range(6)))
def test_whatever_the_order_of_arrival_the_chain_ends_the_same(order: list[int]) -> None:
    unit, receipts = ONCE
    public: Any = unit.key.private.public_key()
    links = [Link(text, read_receipt(text, key=public, unit=UNIT)) for text in receipts]
    state, held, taken = Chain(), dict[int, Link](), list[int]()
    for n in order:
        placed = place(state, links[n], held, KeysLimits())
        assert placed.wrong == {}
        if placed.hold:
            held[links[n].claims.n] = links[n]
        for link in placed.run:
            taken.append(link.claims.n)
            held.pop(link.claims.n, None)
            state.n, state.hash = link.claims.n, link.hash
            state.recent[state.n] = state.hash
    assert taken == [1, 2, 3, 4, 5, 6]
    assert held == {}


ONCE = chain(6)


def test_a_command_for_this_unit_in_its_time() -> None:
    claims = CommandClaims(
        aud=UNIT,
        cmd="cmd_7k3maaaaaaaaaaaa.1.open",
        op="present",
        iat=SECONDS,
        exp=SECONDS + 30,
        args={"k": None},
    )
    token = write_command(claims, key=COMMAND_KEY)
    assert read_command(token, trust=TRUST, unit=UNIT, now=NOW) == claims
    late = NOW.replace(second=30)
    with pytest.raises(TooLate):
        read_command(token, trust=TRUST, unit=UNIT, now=late)
    with pytest.raises(Unacceptable):
        read_command(token, trust=TRUST, unit=OTHER_UNIT, now=NOW)
    for key in (ISSUER, FRESH_KEY, SigningKey.draw()):
        with pytest.raises(Unacceptable):
            read_command(write_command(claims, key=key), trust=TRUST, unit=UNIT, now=NOW)


def listed(version: int = 1, min_seq: int = 0, iat: int = SECONDS) -> FreshClaims:
    return LIST.model_copy(update={"iat": iat, "rev": Revocations(version=version, min_seq=min_seq, dead=())})


def test_a_list_is_read_for_its_unit_only_and_never_bound_to_a_nonce() -> None:
    token = write_fresh(LIST, key=FRESH_KEY)
    assert read_fresh(token, trust=TRUST, unit=UNIT) == LIST
    for bad in (write_fresh(LIST, key=ISSUER), write_fresh(LIST.model_copy(update={"nonce": "x"}), key=FRESH_KEY),
                write_fresh(LIST.model_copy(update={"aud": OTHER_UNIT}), key=FRESH_KEY), "x"):  # fmt: skip
        with pytest.raises(Unacceptable):
            read_fresh(bad, trust=TRUST, unit=UNIT)


@pytest.mark.parametrize(
    ("offered", "taken"),
    [(listed(6, 5, SECONDS + 1), True), (listed(5, 5, SECONDS + 1), True), (listed(5, 5), False),
     (listed(4, 5, SECONDS + 9), False), (listed(6, 4, SECONDS + 9), False), (listed(6, 5, SECONDS - 1), False)],
)  # fmt: skip
def test_versions_never_go_down(offered: FreshClaims, taken: bool) -> None:
    assert newer(listed(5, 5), offered) is taken
    assert newer(None, offered)
