"""A full code table of somebody's own, kept beside the installation: severities and descriptions by code.

A CSV with a header: ``code``, ``description`` and, where known, ``severity`` (low, medium, high, critical). Whoever has a
maker's table imports it once; its severities count after the vehicle's own word and before our rules.
"""

import csv
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from maintenance.severity import Severity

FILE: Final = "fault-codes.json"
_CODE: Final = re.compile(r"[PCBU][0-3][0-9A-F]{3}(?:-[0-9A-F]{2})?|SPN[0-9]{1,6}(?:-FMI[0-9]{1,2})?")
_MOST: Final = 200_000
_LONGEST: Final = 300
_WORDS: Final = {severity.word: severity for severity in Severity}


class BadTable(Exception):
    """The file is no code table; the text says where and why."""


@dataclass(frozen=True, slots=True)
class CodeTable:
    """What was imported; empty where nothing was."""

    severities: Mapping[str, Severity] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)


def read_csv(path: Path) -> CodeTable:
    """Read a whole table, or nothing of it. Raises ``BadTable`` with the line, ``OSError``."""
    severities: dict[str, Severity] = {}
    descriptions: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            rows = csv.DictReader(file, strict=True)
            if not {"code", "description"} <= set(rows.fieldnames or ()):
                raise BadTable("the first line must name the columns code and description")
            for row in rows:
                _take(row, rows.line_num, severities, descriptions)
        except (csv.Error, UnicodeDecodeError) as cause:
            raise BadTable(f"this is no CSV in UTF-8: {type(cause).__name__}") from cause
    if not descriptions:
        raise BadTable("the table has no rows")
    return CodeTable(severities, descriptions)


def _take(
    row: Mapping[str, str | None], line: int, severities: dict[str, Severity], descriptions: dict[str, str]
) -> None:
    code = (row.get("code") or "").strip().upper()
    description = " ".join((row.get("description") or "").split())
    word = (row.get("severity") or "").strip().lower()
    if not _CODE.fullmatch(code):
        raise BadTable(f"line {line}: this is no fault code")
    if code in descriptions:
        raise BadTable(f"line {line}: {code} stands twice")
    if not 0 < len(description) <= _LONGEST or not description.isprintable():
        raise BadTable(f"line {line}: a description has 1 to {_LONGEST} printable characters")
    if word and word not in _WORDS:
        raise BadTable(f"line {line}: a severity is low, medium, high or critical")
    if len(descriptions) >= _MOST:
        raise BadTable(f"line {line}: more than {_MOST} codes")
    descriptions[code] = description
    if word:
        severities[code] = _WORDS[word]


def keep(table: CodeTable, folder: Path) -> None:
    """Replace the imported table as a whole, durably. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        code: [text, table.severities[code].word if code in table.severities else ""]
        for code, text in table.descriptions.items()
    }
    draft = folder / f".{FILE}.{os.getpid()}"
    with draft.open("w", encoding="utf-8") as file:
        json.dump(rows, file, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)


def kept(folder: Path) -> CodeTable:
    """The imported table; an empty one where there is none. Raises ``BadTable``."""
    try:
        text = (folder / FILE).read_text("utf-8")
    except FileNotFoundError:
        return CodeTable()
    try:
        rows = json.loads(text)
        severities = {code: _WORDS[word] for code, (_, word) in rows.items() if word}
        return CodeTable(severities, {code: text for code, (text, _) in rows.items()})
    except (ValueError, KeyError, TypeError, AttributeError) as cause:
        raise BadTable(f"{FILE} is not what was imported: import the table again") from cause
