"""Opening hours as they are written on the command line."""

import pytest
import typer

from trunkline.commands.garages import hours_of


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("mon-fri 08:00-17:00", ["mon", "tue", "wed", "thu", "fri"]),
        ("Fri-Mon 08:00-17:00", ["fri", "sat", "sun", "mon"]),
        ("sat 08:00-17:00", ["sat"]),
        ("sun-sun 08:00-17:00", ["sun"]),
    ],
)
def test_days_go_on_over_the_end_of_the_week(text: str, days: list[str]) -> None:
    assert hours_of([text]) == {day: [{"start": "08:00", "end": "17:00"}] for day in days}


@pytest.mark.parametrize(
    "text",
    ["", "mon", "mon- 08:00-17:00", "-fri 08:00-17:00", "mon-fri", "mon 17:00-08:00", "mon 08:00-08:00"],
)
def test_what_says_no_hours_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        hours_of([text])
