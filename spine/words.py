"""What people read outside of pages, in their own language: texts of a catalog; moments as that language writes them.

Packages mark their texts (``Text``, ``Plural``) and are given what says them: catalogs are read by the composition root.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, NamedTuple, NewType
from zoneinfo import ZoneInfo

from babel.dates import format_skeleton, get_datetime_format, get_timezone_location

from spine.ids import PersonId

LANGUAGES: Final = ("en", "nl", "de", "sv")
"""BCP 47; the first is the one our sources are written in."""
Language = Literal["en", "nl", "de", "sv"]

ASKED: Final[ContextVar[str]] = ContextVar("language", default="")
"""The language of the request that is being answered; empty where its sender named none of ours."""

Text = NewType("Text", str)
"""A text that is said in every language, written as a literal so that it is found for the catalogs. Fills ``{name}``."""


class Plural(NamedTuple):
    """A text that counts; ``{count}`` stands for how many. All our languages have the two forms of English (CLDR)."""

    one: str
    many: str


_HOLE: Final = re.compile(r"\{(\w+)\}")
_AS_WRITTEN: Final = {"en": "en_GB"}
"""Days before months, and 24 hours: as ``times.js`` has it where a browser says no more than a language."""
UTC: Final = "Etc/UTC"
_ALSO_UTC: Final = frozenset({UTC, "UTC"})


@dataclass(frozen=True, slots=True)
class Words:
    """One language. ``catalog``: English (the singular, where it counts) to its words, or to both forms."""

    language: str
    catalog: Mapping[str, str | Sequence[str]] = field(repr=False)

    def say(self, text: Text, **values: str) -> str:
        """The text, in English where it has no translation, with its values in place (``KeyError`` where one is missing)."""
        found = self.catalog.get(text, text)
        return _filled(found if isinstance(found, str) else found[0], values)

    def count(self, text: Plural, count: int, **values: str) -> str:
        """The one form or the other."""
        found = self.catalog.get(text.one)
        forms = text if found is None or isinstance(found, str) else found
        return _filled(forms[0 if count == 1 else 1], {"count": str(count), **values})

    def moment(self, at: datetime, zone: str = UTC) -> str:
        """ "Thu 26 Nov, 14:00" by the clock of a car's IANA zone, which is named."""
        return self._named(self._moment(at, zone), zone)

    def span(self, start: datetime, end: datetime, zone: str = UTC) -> str:
        """ "Thu 26 Nov, 14:00 to 16:00" by the clock of a car's IANA zone, which is named; both days where they differ."""
        here, there = (at.astimezone(ZoneInfo(zone)) for at in (start, end))
        if here.date() != there.date():
            said = self.say(
                Text("{from} to {to}"), **{"from": self._moment(here, zone), "to": self._moment(there, zone)}
            )
        else:
            said = self.say(
                Text("{day}, {from} to {to}"),
                day=self._day(here),
                **{"from": _hour(here), "to": _hour(there)},
            )
        return self._named(said, zone)

    def _moment(self, at: datetime, zone: str) -> str:
        here = at.astimezone(ZoneInfo(zone))
        both: str = str(get_datetime_format("medium", locale=self._locale))
        return both.replace("{1}", self._day(here)).replace("{0}", _hour(here))

    def _day(self, here: datetime) -> str:
        return str(format_skeleton("MMMEd", here, tzinfo=here.tzinfo, locale=self._locale))

    def _named(self, told: str, zone: str) -> str:
        if zone in _ALSO_UTC:
            return f"{told} UTC"
        city = get_timezone_location(zone, locale=self._locale, return_city=True)
        return self.say(Text("{time} (car's time, {city})"), time=told, city=city)

    @property
    def _locale(self) -> str:
        return _AS_WRITTEN.get(self.language, self.language)


Speak = Callable[[str], Words]
"""The words of a language; of English for one that is none of ours."""
WordsFor = Callable[[PersonId], Awaitable[Words]]
"""The words of a person's own language."""


def untranslated(language: str) -> Words:
    """English texts, with moments as the language writes them: where no catalogs are at hand."""
    return Words(language if language in LANGUAGES else LANGUAGES[0], {})


def _hour(at: datetime) -> str:
    return f"{at:%H:%M}"


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda hole: values[hole[1]], text)
