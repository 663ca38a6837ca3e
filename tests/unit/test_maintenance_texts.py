"""Plain words: every code there is gets a sentence in four languages, and each language says all that the others say."""

import csv
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import maintenance
from maintenance.explaining import LANGUAGES, explain
from maintenance.severity import Severity, by_rule
from maintenance.systems import SYSTEMS, system_of

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "dtc" / "dtc_generic_en.csv"
TEXTS = Path(maintenance.__file__).parent / "texts"


def read(language: str) -> dict[str, dict[str, str]]:
    return tomllib.loads((TEXTS / f"{language}.toml").read_text("utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_says_all_of_it_in_whole_sentences(language: str) -> None:
    texts, english = read(language), read("en")
    assert {part: set(texts[part]) for part in texts} == {part: set(english[part]) for part in english}
    assert set(texts["system"]) == SYSTEMS
    assert set(texts["drive"]) == set(texts["next"]) == {severity.word for severity in Severity}
    for part in texts.values():
        for sentence in part.values():
            assert sentence[0].isupper()
            assert sentence.endswith(".")
            assert len(sentence) <= 200
    for name in texts["range"]:
        for low, high in (part.split("-") for part in name.split()):
            assert len(low) == len(high) == 5
            assert low <= high


def test_every_generic_code_has_system_severity_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    if not VECTORS.exists():
        pytest.skip("the code table is not here (../shared/vectors/dtc beside the checkout)")
    with VECTORS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9_415
    chosen: Counter[str] = Counter()
    severities: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    for row in rows:
        judged = by_rule(row["code"])
        assert system_of(row["code"]) in SYSTEMS
        assert judged.source
        severities[judged.severity.word] += 1
        sources[judged.source.partition(":")[0]] += 1
        for language in LANGUAGES:
            told = explain(row["code"], judged, language)
            assert told.means
            assert told.drive
            assert told.next
            # our own words, not the table's
            assert row["description"].casefold() not in told.means.casefold()
        chosen[explain(row["code"], judged).by] += 1
    assert chosen["code"] >= 150
    with capsys.disabled():
        print(f"\ncodes explained: {dict(chosen)}; severity: {dict(severities)}; by: {dict(sources)}")
