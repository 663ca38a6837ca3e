"""Geometry of places and of couriers near cars: known distances, both sides of every limit, the date line."""

from math import cos, radians

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from delivery.place import (
    Anywhere,
    Circle,
    Nearness,
    Point,
    Polygon,
    area,
    distance,
    fence,
    middle,
    nearness,
    outside,
)

DAM = Point(lat=52.3731, lon=4.8926)
METRE = 360 / 40_030_228.9
"""Degrees of latitude per metre."""

lats = st.floats(-89, 89)
lons = st.floats(-180, 180)


def north(metres: float, of: Point = DAM) -> Point:
    return Point(lat=of.lat + metres * METRE, lon=of.lon)


def east(metres: float, of: Point = DAM) -> Point:
    return Point(lat=of.lat, lon=(of.lon + metres * METRE / cos(radians(of.lat)) + 180) % 360 - 180)


def square(half: float, of: Point = DAM) -> Polygon:
    corners = [(-half, -half), (half, -half), (half, half), (-half, half)]
    return Polygon(corners=tuple(north(n, east(e, of)) for e, n in corners))


def test_known_distances() -> None:
    assert distance(DAM, DAM) == 0
    assert distance(Point(lat=0, lon=0), Point(lat=0, lon=180)) == pytest.approx(20_015_114, rel=1e-6)
    paris, london = Point(lat=48.8566, lon=2.3522), Point(lat=51.5074, lon=-0.1278)
    assert distance(paris, london) == pytest.approx(343_556, rel=1e-3)
    assert distance(Point(lat=0, lon=179.9999), Point(lat=0, lon=-179.9999)) == pytest.approx(22.24, abs=0.05)


@given(lats, lons, lats, lons)
def test_distance_is_symmetric_and_bounded(a: float, b: float, c: float, d: float) -> None:
    one, other = Point(lat=a, lon=b), Point(lat=c, lon=d)
    assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-6)
    assert 0 <= distance(one, other) <= 20_015_115


@pytest.mark.parametrize(
    ("metres", "expected"),
    [(0, Nearness.NEAR), (49.9, Nearness.NEAR), (50, Nearness.NEAR), (50.1, Nearness.WITH_REASON),
     (250, Nearness.WITH_REASON), (250.1, Nearness.TOO_FAR)],
)  # fmt: skip
def test_near_fifty_and_two_hundred_and_fifty(metres: float, expected: Nearness) -> None:
    assert nearness(metres, near=50, with_reason=250) is expected


def test_outside_a_circle_by_metres() -> None:
    place = Circle(centre=DAM, radius=100)
    assert outside(place, north(99)) == 0
    assert outside(place, east(150)) == pytest.approx(50, abs=0.5)
    assert outside(Anywhere(), north(1_000_000)) == 0


@pytest.mark.parametrize("centre", [DAM, Point(lat=-41.3, lon=179.9999), Point(lat=0, lon=-180)])
def test_inside_and_outside_a_polygon(centre: Point) -> None:
    place = square(100, centre)
    assert outside(place, centre) == 0
    assert outside(place, east(99, north(99, centre))) == 0
    assert outside(place, east(150, centre)) == pytest.approx(50, abs=1)
    assert outside(place, north(-130, centre)) == pytest.approx(30, abs=1)
    assert outside(place, east(103, north(104, centre))) == pytest.approx(5, abs=0.5)


def test_a_polygon_may_be_dented() -> None:
    shape = [(0, 0), (100, 0), (100, 100), (50, 20), (0, 100)]
    place = Polygon(corners=tuple(east(e, north(n)) for e, n in shape))
    assert outside(place, east(50, north(10))) == 0
    assert outside(place, east(50, north(60))) > 10


@given(st.floats(25, 2_000), st.floats(0, 1))
def test_the_fence_of_a_polygon_holds_all_of_it(half: float, share: float) -> None:
    place = square(half)
    geo = fence(place)
    assert geo is not None
    lat, lon, radius = geo
    corner = place.corners[0]
    along = Point(lat=DAM.lat + (corner.lat - DAM.lat) * share, lon=DAM.lon + (corner.lon - DAM.lon) * share)
    assert distance(Point(lat=lat, lon=lon), along) <= radius


def test_fences_and_middles() -> None:
    assert fence(Anywhere()) is None
    assert middle(Anywhere()) is None
    assert fence(Circle(centre=DAM, radius=120.7)) == (DAM.lat, DAM.lon, 120)
    found = middle(square(100))
    assert found is not None
    assert distance(found, DAM) < 1
    assert distance(area(DAM), DAM) < 1_000


@pytest.mark.parametrize(
    "place",
    [
        {"kind": "circle", "centre": {"lat": 91, "lon": 0}, "radius": 50},
        {"kind": "circle", "centre": {"lat": float("nan"), "lon": 0}, "radius": 50},
        {"kind": "circle", "centre": {"lat": 0, "lon": 0}, "radius": 5},
        {"kind": "circle", "centre": {"lat": 0, "lon": 0}, "radius": float("inf")},
    ],
)
def test_circles_that_are_none(place: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Circle.model_validate(place)


def test_polygons_that_are_none() -> None:
    with pytest.raises(ValidationError):
        Polygon(corners=(DAM, DAM, DAM))
    with pytest.raises(ValidationError):
        Polygon(corners=(DAM, north(10)))
    with pytest.raises(ValidationError):
        square(12_000)
