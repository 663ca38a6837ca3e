"""The openings of docs/vectors/keys.json as cases that both verifiers are given."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "docs" / "vectors" / "keys.json").read_text("utf-8")
)


def case_of(opening: dict[str, Any]) -> dict[str, Any]:
    """One opening in the context that the file gives once, with what it says otherwise."""
    around = {**VECTORS["context"], **opening.get("with", {})}
    fresh = around.pop("fresh")
    present = {"key": opening["key"], "proof": opening["proof"], "fresh": fresh}
    return {"action": "present", "present": present, **around}


def refused_keys() -> Iterator[dict[str, Any]]:
    """The keys that must be refused with one word, each in the same context."""
    for refused in VECTORS["refused_keys"]:
        yield case_of({"key": refused["token"], "proof": VECTORS["objects"]["proof"]["token"]})
