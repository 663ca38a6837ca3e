"""The event catalogue: whole, exact, and its examples are what its schemas say."""

import json
from typing import Any

import jsonschema_rs
import pytest

from delivery.events import CARRIERS, SAYS
from delivery.news import KINDS, MAILED
from delivery.views import SEEN_BY_OWNERS, TOLD_TO_CARRIERS
from trunkline.eventing import catalogue
from webhooks.catalogue import Catalogue, EventType, Hearer, UnknownType

CATALOGUE = catalogue()
EVERY = [(one.name, hearer) for one in CATALOGUE for hearer in one.heard]


@pytest.mark.parametrize(("name", "hearer"), EVERY)
def test_an_example_is_what_the_model_and_the_schema_say(name: str, hearer: Hearer) -> None:
    example = CATALOGUE.example(name, hearer)
    read = CATALOGUE.model(name, hearer).model_validate_json(json.dumps(example))
    again = json.loads(read.model_dump_json())
    assert again["data"] == example["data"], "nothing in the example is unknown to the model"
    jsonschema_rs.validator_for(CATALOGUE.schema(name, hearer), validate_formats=True).validate(example)


@pytest.mark.parametrize(
    "broken",
    [
        {"specversion": "0.3"},
        {"id": "a.b"},
        {"type": "delivery.closed"},
        {"time": "yesterday"},
        {"sequence": 7},
        {"sequence": "7"},
        {"subject": ""},
        {"data": {}},
        {"data": None},
    ],
)
def test_a_schema_refuses_what_is_no_such_event(broken: dict[str, Any]) -> None:
    example = CATALOGUE.example("delivery.opened", Hearer.CARRIER) | broken
    schema = CATALOGUE.schema("delivery.opened", Hearer.CARRIER)
    assert not jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(example)


def test_whatever_is_told_is_in_the_catalogue() -> None:
    carriers, owners = CATALOGUE.heard_by(Hearer.CARRIER), CATALOGUE.heard_by(Hearer.OWNER)
    assert {one for one in owners if one.startswith("delivery.")} == SEEN_BY_OWNERS
    assert {one for one in carriers if one.startswith("delivery.")} == CARRIERS
    assert TOLD_TO_CARRIERS <= CARRIERS
    assert MAILED <= SEEN_BY_OWNERS <= KINDS
    assert set(SAYS) == SEEN_BY_OWNERS | CARRIERS


def test_a_carrier_hears_nothing_of_a_car_or_a_person() -> None:
    for name in CATALOGUE.heard_by(Hearer.CARRIER):
        text = json.dumps([CATALOGUE.example(name, Hearer.CARRIER), CATALOGUE.schema(name, Hearer.CARRIER)])
        for word in ("veh_", "per_", "vehicle", "person", "plate", "place", "lat"):
            assert f'"{word}' not in text, (name, word)


def test_a_type_is_declared_once_and_an_unknown_one_is_said_to_be() -> None:
    one = next(iter(CATALOGUE))
    with pytest.raises(ValueError, match="twice"):
        Catalogue([one, EventType(one.name, "Again.", one.subject, {})])
    with pytest.raises(UnknownType):
        CATALOGUE.of("delivery.nothing")
