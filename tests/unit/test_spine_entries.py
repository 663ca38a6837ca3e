"""Entries: positions compare as numbers, and no stored bytes can stop a reader."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from spine.entries import entry_of, order
from spine.facts import FACT
from spine.facts.people import CarrierEnrolled
from spine.ids import CarrierId

positions = st.tuples(st.integers(0, 2**42), st.integers(0, 2**40))


@given(positions, positions)
def test_positions_compare_as_the_store_orders_them(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (order(f"{one[0]}-{one[1]}") < order(f"{other[0]}-{other[1]}")) == (one < other)


@given(
    st.text()
    | st.builds(lambda kind: f'{{"kind":"{kind}"}}', st.sampled_from(["carrier.enrolled", "x", "a\\nb"]))
)
def test_whatever_stands_there_becomes_an_entry(raw: str) -> None:
    entry = entry_of(3, "5-1", raw)
    assert not entry.readable
    assert entry.kind
    assert entry.fact.subject


def test_a_fact_comes_back_as_it_went() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    fact = CarrierEnrolled(at=at, carrier=CarrierId("car_3aaaaaaaaaaaaaaa"))
    entry = entry_of(3, "5-1", FACT.dump_json(fact).decode())
    assert (entry.readable, entry.kind, entry.fact) == (True, "carrier.enrolled", fact)
