"""A scan held against our clock: none is younger than its arrival, and an absurdly old one comes of a wrong clock."""

from datetime import UTC, datetime, timedelta

import pytest

from maintenance.hearing import heard
from spine.ids import VehicleId

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
CAR = VehicleId("veh_3k7m9qxd4hwe2a5t")
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        (NOW - timedelta(hours=1), NOW - timedelta(hours=1)),
        (NOW - 89 * DAY, NOW - 89 * DAY),
        (NOW - 91 * DAY, NOW),
        (datetime(1970, 1, 1, tzinfo=UTC), NOW),
        (NOW + timedelta(seconds=1), NOW),
        (datetime(2106, 2, 7, tzinfo=UTC), NOW),
    ],
)
def test_the_time_of_a_scan(said: datetime, counts: datetime) -> None:
    raw = {"at": said.isoformat(), "outcome": "complete", "ecus": []}
    assert heard(raw, CAR, NOW, most=300, oldest=90 * DAY).scan.at == counts
