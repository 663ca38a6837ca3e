"""A catalog in which every text is marked: what a reader sees outside of the marks was never given to be translated."""

import re
from collections.abc import Iterator, Mapping

from spine.words import Words


class _Marked(Mapping[str, str | list[str]]):
    def __getitem__(self, text: str) -> str:
        return f"«{text}»"

    def get(self, text: str, default: object = None) -> str | list[str]:  # type: ignore[override]
        return self[text] if default is not None else [self[text], self["{count}: " + text]]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def marked(language: str) -> Words:
    """The language's words, each text in marks."""
    return Words(language, _Marked())


def left_over(*said: str) -> list[str]:
    """What holds letters outside of marks, or a hole that nothing filled."""
    return [one for one in said if re.search(r"[^\W\d_]", _outside(one)) or re.search(r"\{\w+\}", one)]


def _outside(said: str) -> str:
    while (less := re.sub("«[^«»]*»", "", said)) != said:
        said = less
    return said
