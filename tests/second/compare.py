"""Both verifiers on the same presentations, and where they do not agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.second import first
from tests.second.cases import cases
from tests.second.peer import Peer


@dataclass(frozen=True)
class Result:
    """A case and the two answers. The second one's ``fault`` is for reading only."""

    case: dict[str, Any]
    ours: dict[str, Any]
    theirs: dict[str, Any]

    def __str__(self) -> str:
        return f"ours {self.ours}, second {self.theirs}: {self.case}"


def run(count: int, seed: str) -> list[Result]:
    """So many generated presentations, judged by both at the same time."""
    made, ours = [], []
    with Peer() as peer:
        for case in cases(count, seed):
            peer.send(case)
            made.append(case)
            ours.append(first.present(case))
        theirs = peer.answers()
    return [Result(*each) for each in zip(made, ours, theirs, strict=True)]


def disagreements(results: Iterable[Result]) -> list[Result]:
    """Another outcome, another code, another window after it, or a challenge that is gone here and not there."""
    return [
        result
        for result in results
        if result.ours != {name: value for name, value in result.theirs.items() if name != "fault"}
    ]
