"""How well a table of fault codes is covered by our own words and rules: counted, so that anybody can check it. Pure."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from maintenance.code_table import BadTable
from maintenance.explaining import LANGUAGES, explain
from maintenance.scans import Code
from maintenance.severity import by_rule
from maintenance.systems import SYSTEMS, system_of


@dataclass(frozen=True, slots=True)
class Coverage:
    """``by``: what the sentence was chosen by (code, family, default); ``source``: who said the severity."""

    codes: int
    languages: int
    by: dict[str, int]
    severity: dict[str, int]
    source: dict[str, int]
    system: dict[str, int]

    def told(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def covered(codes: Iterable[str]) -> Coverage:
    """Count. Each code gets a system, a severity with its source and a sentence in every language, or this raises."""
    by, severity, source, system = (Counter[str]() for _ in range(4))
    for code in codes:
        judged = by_rule(code)
        said = [explain(code, judged, language) for language in LANGUAGES]
        found = system_of(code)
        if found not in SYSTEMS or not all(one.means and one.drive and one.next for one in said):
            raise LookupError(code)
        by[said[0].by] += 1
        severity[judged.severity.word] += 1
        source[judged.source.partition(":")[0]] += 1
        system[found] += 1
    return Coverage(by.total(), len(LANGUAGES), dict(by), dict(severity), dict(source), dict(system))


def codes_of(file: Path) -> list[str]:
    """The column ``code`` of a CSV, each once. Raises ``BadTable``, ``OSError``."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        try:
            rows = csv.DictReader(lines, strict=True)
            if "code" not in (rows.fieldnames or ()):
                raise BadTable("the first line must name the column code")
            found = dict.fromkeys((row["code"] or "").strip().upper() for row in rows)
        except (csv.Error, UnicodeDecodeError) as cause:
            raise BadTable(f"this is no CSV in UTF-8: {type(cause).__name__}") from cause
    for code in found:
        try:
            Code(code=code, status="confirmed")
        except ValueError:
            raise BadTable("a row has no fault code") from None
    return list(found)
