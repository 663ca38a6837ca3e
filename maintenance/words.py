"""A case in plain words, in its owner's language: what it means, may I drive on, what next, what happened. Pure."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

from maintenance.explaining import Language, explain
from maintenance.model import CaseBody
from maintenance.severity import Judged, Severity
from maintenance.states import TriggerState

NOT_HELD: Final = "repair_did_not_hold"
"""Why a case ended whose fault was there again after its repair."""


@dataclass(frozen=True, slots=True)
class Told:
    """``means``: a sentence per code, the same one once. ``drive`` and ``next`` are by the case's own severity."""

    system: str
    severity: str
    means: Mapping[str, str]
    drive: str
    next: str
    stands: str


def texts(language: Language) -> Mapping[str, Mapping[str, str]]:
    """Every text of a language, by part and name."""
    return _texts(language)


def told(body: CaseBody, state: TriggerState, language: Language) -> Told:
    """A case as its owner reads it. Help with a delivery is no fault: it says nothing of driving on."""
    every = _texts(language)
    judged = Judged(Severity[body.severity.upper()], body.severity_source)
    plain = {code: explain(code, judged, language) for code in body.codes}
    any_one = next(iter(plain.values()), None)
    return Told(
        system=every["system"].get(body.system, every["system"]["vehicle"]),
        severity=every["severity"][body.severity],
        means={code: one.means for code, one in plain.items()},
        drive=any_one.drive if any_one else "",
        next=any_one.next if any_one else "",
        stands=every["state"].get("not_held" if _not_held(body, state) else state.value, ""),
    )


def _not_held(body: CaseBody, state: TriggerState) -> bool:
    """It ended because its repair did not hold: the car proved nothing, and another case goes on with it."""
    if state is not TriggerState.ENDED:
        return False
    closed = next((one for one in reversed(body.history) if one.kind == "case.closed"), None)
    return closed is not None and closed.why == NOT_HELD


@cache
def _texts(language: Language) -> Mapping[str, Mapping[str, str]]:
    source = files("maintenance").joinpath("texts", f"cases-{language}.toml")
    read: Mapping[str, Mapping[str, str]] = tomllib.loads(source.read_text("utf-8"))
    return read
