"""Plain words: every code there is gets a sentence in four languages, and each language says all that the others say."""

import csv
import tomllib
from pathlib import Path

import pytest

import maintenance
from maintenance.coverage import codes_of, covered
from maintenance.explaining import LANGUAGES, explain
from maintenance.severity import Severity, by_rule
from maintenance.systems import SYSTEMS

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


def test_every_generic_code_has_system_severity_and_words() -> None:
    if not VECTORS.exists():
        pytest.skip("the code table is not here (../shared/vectors/dtc beside the checkout)")
    with VECTORS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9_415
    counted = covered(row["code"] for row in rows)
    for row in rows:  # our own words, not the table's
        means = explain(row["code"], by_rule(row["code"])).means
        assert row["description"].casefold() not in means.casefold()
    assert codes_of(VECTORS) == [row["code"] for row in rows]
    assert (counted.codes, counted.languages) == (9_415, 4)
    assert counted.by == {"code": 731, "family": 8_684}
