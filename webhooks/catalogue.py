"""The event catalogue: every type that a subscriber can hear, with who hears it, its model and an example."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from spine.problems import Kind, Problem
from webhooks.envelope import SEQUENCE_DIGITS, SPECVERSION, wire_id

SOURCE: Final = "/trunkline"
"""CloudEvents' ``source`` of an installation that was given no other: a URI reference."""

_EXAMPLE_AT: Final = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)


class UnknownType(Problem):
    """Nobody hears of such a type."""

    code: ClassVar[str] = "event_type.unknown"
    kind: ClassVar[Kind] = Kind.NOT_FOUND


class Hearer(StrEnum):
    """Who hears: a carrier, an owner, or a contact center with a system of its own.

    An owner is a person of the car and every system linked to that person.
    """

    CARRIER = "carrier"
    OWNER = "owner"
    CENTER = "center"


class Event(BaseModel):
    """A CloudEvents 1.0 event in its JSON format; ``data`` is told by each type's own model.

    ``id``: the same as the header ``webhook-id``, at every address and in the stream: put away what you have
    seen. ``sequence``: text of digits that grows with each event about the same ``subject``.
    """

    model_config = ConfigDict(frozen=True)

    specversion: Literal["1.0"]
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    type: str
    time: AwareDatetime
    source: str = Field(min_length=1, json_schema_extra={"format": "uri-reference"})
    subject: str = Field(min_length=1, description="The id of the thing it is about.")
    sequence: str = Field(pattern=rf"^[0-9]{{{SEQUENCE_DIGITS}}}$")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one kind of hearer is told: the model of ``data`` and an example of it (JSON values)."""

    data: type[BaseModel]
    example: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EventType:
    """One type. ``says``: one sentence of when it comes; ``since``: our version that had it first.

    ``subject``: the id that stands in the example.
    """

    name: str
    says: str
    subject: str
    heard: Mapping[Hearer, Heard]
    since: str = "0.1.0"
    ordered: bool = True
    """Whether it has a ``sequence``."""


class Catalogue:
    """Every type, each once."""

    def __init__(self, types: Iterable[EventType]) -> None:
        """Raises ``ValueError`` where a type is declared twice."""
        self._types: dict[str, EventType] = {}
        for one in sorted(types, key=lambda each: each.name):
            if one.name in self._types:
                raise ValueError(f"{one.name} is declared twice")
            self._types[one.name] = one
        self._models: dict[tuple[str, Hearer], type[Event]] = {}

    def __iter__(self) -> Iterator[EventType]:
        return iter(self._types.values())

    def of(self, name: str) -> EventType:
        """Raises ``UnknownType``."""
        found = self._types.get(name)
        if found is None:
            raise UnknownType("there is no such type of event")
        return found

    def model(self, name: str, hearer: Hearer) -> type[Event]:
        """The whole event as a model, made when it is first asked for: all of them take half a second.

        Raises ``KeyError`` where that hearer hears nothing of it.
        """
        found = self._models.get((name, hearer))
        if found is None:
            one = self._types[name]
            if hearer not in one.heard:
                raise KeyError(name, hearer)
            found = self._models[name, hearer] = _model(one, hearer)
        return found

    def schema(self, name: str, hearer: Hearer) -> dict[str, Any]:
        """The whole event as JSON Schema (2020-12)."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **self.model(name, hearer).model_json_schema(mode="serialization"),
        }

    def example(self, name: str, hearer: Hearer) -> dict[str, Any]:
        """A whole event as it would be sent."""
        one = self.of(name)
        return {
            "specversion": SPECVERSION,
            "id": wire_id(f"msg_{one.subject.partition('_')[2]}.{name}.1893574800000-0"),
            "type": name,
            "time": _EXAMPLE_AT.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "source": SOURCE,
            "subject": one.subject,
            **({"sequence": f"{1893574800000000:0{SEQUENCE_DIGITS}d}"} if one.ordered else {}),
            "data": dict(one.heard[hearer].example),
        }

    def heard_by(self, hearer: Hearer) -> list[str]:
        """The names of everything this hearer can hear."""
        return [one.name for one in self if hearer in one.heard]


def _model(one: EventType, hearer: Hearer) -> type[Event]:
    words = [word.capitalize() for part in one.name.split(".") for word in part.split("_")]
    name: Any = Literal[one.name]
    unordered: dict[str, Any] = {} if one.ordered else {"sequence": (None, None)}
    return create_model(
        f"{''.join(words)}For{hearer.value.capitalize()}",
        __base__=Event,
        __doc__=one.says,
        type=(name, ...),
        data=(one.heard[hearer].data, ...),
        **unordered,
    )
