"""One voice a language: people are addressed alike and things called alike everywhere, and no code is shown for a word."""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

import pytest
from babel.messages.pofile import read_po

from maintenance import centers_composing
from maintenance.desk_windows import OWN
from trunkline.catalogs import ROOT
from vehicle_gateway.parse import Reason
from webhooks.answer import NoAnswer
from webhooks.health import Seen

NEVER: Final = {
    "nl": [
        r"(?<![\d}] )\b[Uu]\b",  # je; "3 u" are hours
        r"\b[Uu]w\b",
        r"\b[Cc]ontactcenter",  # contactcentrum
        r"\b[Gg]eval(len)?\b|\b[Zz]a(ak|ken)\b",  # melding
    ],
    "de": [
        r"\b[Dd]u\b|\b[Dd]ich\b|\b[Dd]ir\b|\b[Dd]ein\w*\b",  # Sie
        r"\b(Fahrzeug)?[Hh]alter(s|n|in|innen)?\b|\bEigentümer\w*",  # Besitzer, whoever is in the papers
        r"Contact Center|\b(Kontakt|Call)-?[Cc]enter",  # Servicecenter
    ],
    "sv": [
        r"\b[Nn]i\b|\bEr\b|\b[Ee]r[ta]\b",  # du
        r"\b[Kk]ontaktcent|\b[Ss]ervicecent",  # kundcenter
    ],
}
"""What a language's texts do not say, with what they say instead. An agent's own sentences are spoken, not read: there
Dutch says u to a stranger, as on any telephone."""


def _sentences(of: Any) -> Iterator[str]:
    if isinstance(of, str):
        yield of
    elif isinstance(of, dict):
        for one in of.values():
            yield from _sentences(one)
    elif isinstance(of, (list, tuple)):
        for one in of:
            yield from _sentences(one)


def texts(language: str) -> Iterator[str]:
    """Every sentence that people read in a language, wherever it is kept."""
    with (ROOT / "trunkline" / "translations" / f"{language}.po").open("rb") as file:
        yield from _sentences([one.string for one in read_po(file) if one.id])
    for path in (ROOT / "maintenance" / "texts").glob(f"*{language}.toml"):
        yield from _sentences(tomllib.loads(path.read_text("utf-8")))
    for words in (centers_composing.SUBJECTS, centers_composing.WORDS):
        yield from _sentences({name: said for name, said in words.items() if name == language})


@pytest.mark.parametrize("language", NEVER)
def test_each_language_has_one_voice(language: str) -> None:
    never = re.compile("|".join(NEVER[language]))
    said = list(texts(language))
    assert len(said) > 1_500
    assert [one for one in said if never.search(one)] == []


def test_an_agent_keeps_to_u_on_the_telephone() -> None:
    spoken = tomllib.loads((ROOT / "maintenance" / "script.toml").read_text("utf-8"))
    sentences = [one["nl"] for part in spoken.values() for one in part.values()]
    assert [one for one in sentences if re.search(r"\b([Jj]e|[Jj]ouw?|[Jj]ij)\b", one)] == []


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("nl", "Wat uw auto meldt"), ("nl", "U wordt gebeld."), ("nl", "De zaak is gesloten."),
        ("de", "Der Halter erfährt es sofort."), ("de", "Öffne dein Auto."), ("sv", "Har Ni bokat?"),
    ],
)  # fmt: skip
def test_another_voice_would_be_heard(language: str, sentence: str) -> None:
    assert re.search("|".join(NEVER[language]), sentence)
    assert not re.search("|".join(NEVER["nl"]), "{count} u geleden: je auto")


def test_codes_that_pages_show_have_words() -> None:
    webhooks = (ROOT / "webhooks" / "templates" / "webhook_words.html").read_text("utf-8")
    why = {
        *NoAnswer,
        Seen.GONE,
        Seen.UNWANTED,
        "deadline",
        "exhausted",
        "endpoint_disabled",
        "unanswered",
        "no_success",
    }
    assert [code for code in why if f'"{code}": _(' not in webhooks] == []
    operator = (ROOT / "trunkline" / "templates" / "operator_words.html").read_text("utf-8")
    assert [code for code in Reason if f'"{code}": _(' not in operator] == []
    windows = tomllib.loads((ROOT / "maintenance" / "windows.toml").read_text("utf-8"))
    desk = (ROOT / "maintenance" / "static" / "desk_words.js").read_text("utf-8")
    hours = {table["source"] for table in windows.values() if "source" in table} | {OWN}
    assert [whose for whose in hours if f"  {whose}: t(" not in desk] == []
