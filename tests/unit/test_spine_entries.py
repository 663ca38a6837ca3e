"""Entries: positions compare as numbers, and no stored bytes can stop a reader."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from spine.entries import entry_of, order
from spine.facts import FACT, Fact
from spine.facts.people import CarrierEnrolled
from spine.ids import CarrierId


def kinds_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation]
    return [
        kind
        for part in get_args(annotation)
        for kind in kinds_of(part)
        if isinstance(part, type) or get_args(part)
    ]


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


@pytest.mark.parametrize("fact", kinds_of(Fact), ids=lambda fact: fact.__name__)
def test_the_kind_is_known_without_reading_the_rest(fact: type[BaseModel]) -> None:
    wanted = {name: "x" for name, field in fact.model_fields.items() if field.is_required()}
    made = fact.model_construct(**{**wanted, "at": datetime(2030, 1, 1, tzinfo=UTC)})  # type: ignore[arg-type]
    entry = entry_of(3, "5-1", made.model_dump_json(warnings=False))
    assert entry.kind == fact.model_fields["kind"].default
    assert entry._fact is None


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ('{"at":"x","kind":"a.b"}', "a.b"),
        ('{"d":{"kind":"inner"},"kind":"outer"}', "outer"),
        ('{"d":"\\",\\"kind\\":\\"said\\"","kind":"outer"}', "outer"),
        ('{"kind":7,"at":"x"}', "7"),
    ],
)
def test_the_kind_is_the_fact_s_own(raw: str, kind: str) -> None:
    assert entry_of(3, "5-1", raw).kind == kind


def test_a_fact_comes_back_as_it_went() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    fact = CarrierEnrolled(at=at, carrier=CarrierId("car_3aaaaaaaaaaaaaaa"))
    entry = entry_of(3, "5-1", FACT.dump_json(fact).decode())
    assert (entry.readable, entry.kind, entry.fact) == (True, "carrier.enrolled", fact)
