"""A fault in plain words: what it means, whether one may drive on, what happens next; in four languages."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal, get_args

from maintenance.severity import Judged
from maintenance.systems import system_of

Language = Literal["en", "nl", "de", "sv"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Plain:
    """``by``: what the meaning was chosen by, the ``code`` (or its few neighbours), its ``family``, or the ``default``."""

    means: str
    drive: str
    next: str
    by: Literal["code", "family", "default"]


def explain(code: str, judged: Judged, language: Language = "en") -> Plain:
    """What to tell the owner of a car about a code."""
    texts, system = _texts(language), system_of(code)
    means, by = texts["code"].get(code) or _ranged(language, code), "code"
    if means is None:
        means, by = texts["system"][system], "default" if system == "vehicle" else "family"
    word = judged.severity.word
    return Plain(means, texts["drive"][word], texts["next"][word], by)  # type: ignore[arg-type]  # one of the three


def about_system(system: str, language: Language = "en") -> str:
    """One sentence about the part of the car that a case is about."""
    sentences: dict[str, str] = _texts(language)["system"]
    return sentences.get(system, sentences["vehicle"])


def _ranged(language: Language, code: str) -> str | None:
    """The sentence of the range that holds a code: "P0300-P0312", both ends included, or several of them."""
    plain = code[:5]
    return next(
        (text for bounds, text in _ranges(language) if any(low <= plain <= high for low, high in bounds)),
        None,
    )


@cache
def _ranges(language: Language) -> list[tuple[list[tuple[str, str]], str]]:
    def bounds(name: str) -> list[tuple[str, str]]:
        return [(low, high) for low, _, high in (part.partition("-") for part in name.split())]

    return [(bounds(name), text) for name, text in _texts(language)["range"].items()]


@cache
def _texts(language: Language) -> dict[str, Any]:
    return tomllib.loads(files("maintenance").joinpath("texts", f"{language}.toml").read_text("utf-8"))
