"""Whether a day is a public holiday of a whole country. Pure but for the tables of ``holidays``.

The package is read when the first day is asked for, and of it one country: most installations never do. Holidays of a
region, a town or a trade are not in it: where a person lives is not known so exactly.
"""

from datetime import date
from functools import lru_cache
from typing import Final

_YEARS_KEPT: Final = 64


def is_holiday(country: str, day: date) -> bool:
    """By the country's ISO 3166 code; of a country that the tables do not have no day is one."""
    return day in _of(country, day.year)


@lru_cache(maxsize=_YEARS_KEPT)
def _of(country: str, year: int) -> frozenset[date]:
    from holidays import country_holidays

    try:
        return frozenset(country_holidays(country, years=year))
    except NotImplementedError:
        return frozenset()
