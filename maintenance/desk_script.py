"""The call script: what an agent says and asks, by kind of case and severity, in four languages. Pure."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from maintenance.desk_problems import NoSuchQuestion
from maintenance.explaining import Language
from maintenance.model import CaseBody

LONGEST_ANSWER = 2000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Script:
    """``questions``: by id, in the order they are asked."""

    opening: str
    questions: Mapping[str, str]
    closing: str


def script_of(body: CaseBody, language: Language) -> Script:
    """The script of a case."""
    table = _table()
    what = "help" if body.what == "help" else "fault"
    questions = {id_: table["question"][id_][language] for id_ in questions_of(body)}
    return Script(table["open"][what][language], questions, table["close"][what][language])


def questions_of(body: CaseBody) -> list[str]:
    """The ids of a case's questions, in order."""
    kinds = {"help"} if body.what == "help" else {"fault", body.severity}
    return [id_ for id_, row in _table()["question"].items() if kinds & set(row["for"])]


def check_answers(body: CaseBody, answers: Mapping[str, str]) -> None:
    """Raises ``NoSuchQuestion``. An answer that is there already stays, whatever the severity has become."""
    known = {*questions_of(body), *body.answers}
    if not answers.keys() <= known:
        raise NoSuchQuestion("An answer is to a question that this case's script does not have.")


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("maintenance").joinpath("script.toml").read_text("utf-8"))
