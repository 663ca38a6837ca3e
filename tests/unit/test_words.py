"""What is said outside of pages: one text in four languages, its holes filled, moments as each language writes them."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from delivery import letter_words
from people.model import Role
from spine.words import LANGUAGES, Plural, Text, Words, untranslated
from tests.speaking import left_over, marked
from trunkline.catalogs import gather
from trunkline.extracting import NotLiteral, of_code
from trunkline.languages import words

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "moment", "span", "over"),
    [
        ("en", "Thu 26 Nov, 14:00", "Thu 26 Nov, 14:00 to 16:00", "Thu 26 Nov, 14:00 to Fri 27 Nov, 02:00"),
        ("nl", "do 26 nov, 14:00", "do 26 nov, 14:00 to 16:00", "do 26 nov, 14:00 to vr 27 nov, 02:00"),
        ("de", "Do., 26. Nov., 14:00", "Do., 26. Nov., 14:00 to 16:00", "Do., 26. Nov., 14:00 to Fr., 27. Nov., 02:00"),
        ("sv", "tors 26 nov. 14:00", "tors 26 nov., 14:00 to 16:00", "tors 26 nov. 14:00 to fre 27 nov. 02:00"),
    ],
)  # fmt: skip
def test_moments_are_by_the_clock_of_the_place_which_is_named(
    language: str, moment: str, span: str, over: str
) -> None:
    said, city = untranslated(language), "Helsingfors" if language == "sv" else "Helsinki"
    hours = timedelta(hours=2)
    assert said.moment(NOON, "Europe/Helsinki") == f"{moment} (car's time, {city})"
    assert said.span(NOON, NOON + hours, "Europe/Helsinki") == f"{span} (car's time, {city})"
    assert said.span(NOON, NOON + 6 * hours, "Europe/Helsinki") == f"{over} (car's time, {city})"
    assert said.moment(NOON + hours) == f"{moment} UTC" == said.moment(NOON + hours, "UTC")


def test_a_text_is_said_in_its_readers_language_and_filled() -> None:
    dutch = Words("nl", {"{who} came": "{who} kwam", "one car": ["één auto", "{count} auto's"]})
    assert dutch.say(Text("{who} came"), who="{Ada}") == "{Ada} kwam"
    assert dutch.say(Text("{who} went"), who="Ada") == "Ada went"
    cars = Plural("one car", "{count} cars")
    assert [dutch.count(cars, n) for n in (0, 1, 2)] == ["0 auto's", "één auto", "2 auto's"]
    assert [untranslated("nl").count(cars, n) for n in (1, 2)] == ["one car", "2 cars"]
    with pytest.raises(KeyError):
        dutch.say(Text("{who} came"))
    assert words("xx").language == untranslated("").language == "en"


def test_texts_of_code_are_found_where_they_stand() -> None:
    code = """
from spine.words import Plural, Text
A = {"b": Text("One " "text"), **{"c": Plural("one", "{count}")}}
"""
    assert [(one.one, one.many) for one in of_code(code)] == [("One text", None), ("one", "{count}")]
    assert list(of_code('Text("of something else")')) == []
    for ill in ("Text(name)", 'Text(f"a {b}")', 'Text("a", "b")', 'Plural("a")', 'Text(text="a")'):
        with pytest.raises(NotLiteral, match="line 2"):
            list(of_code(f"from spine.words import Text\n{ill}"))
    found = gather()
    assert found.faults == []
    assert "spine/words.py" in found.texts["{time} (car's time, {city})"].files
    assert {*letter_words.SUBJECTS.values(), *letter_words.WORDS.values()} <= set(found.texts)
    assert all(found.texts[text].in_code for text in letter_words.SUBJECTS.values())


HOLES = ["carrier", "courier", "time", "times", "page", "metres", "reference", "day", "from", "to", "city"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_translated_keeps_its_holes_and_is_not_english(language: str) -> None:
    """Of every text that code says; one that is not translated yet is said in English."""
    said = words(language)
    for one, use in gather().texts.items():
        if not use.in_code:
            continue
        holes = dict.fromkeys(HOLES, "X")
        forms = [said.say(Text(one), **holes)] if use.many is None else [
            said.count(Plural(one, use.many), n, **holes) for n in (1, 2)
        ]  # fmt: skip
        assert not left_over(*(f"«{form}»" for form in forms))
        # "{carrier}: {times}." is the same everywhere; a sentence is not.
        sentence = len(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", "", one))) > 2
        assert language == "en" or not sentence or said.catalog.get(one) not in (one, [one, use.many])


@pytest.mark.parametrize("source", ["link", "page", "system:ep_1", "standing:std_1"])
def test_whoever_decided_is_named_to_each_reader(source: str) -> None:
    told = {
        letter_words.who(answer, source, mine=mine)
        for answer in ("approve", "decline")
        for mine in (True, False)
    }
    assert len(told) == (2 if source.startswith("standing") else 4)
    assert all(not left_over(marked("nl").say(one)) for one in told)


def test_the_roles_of_people_are_told_apart() -> None:
    from people.letters import _INVITED, _OTHERS_INVITED

    assert set(_INVITED) == set(_OTHERS_INVITED) == set(Role)
