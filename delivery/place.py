"""Where a car may stand and how near a courier is: plain geometry on a sphere, no store and no clock."""

from enum import StrEnum
from math import asin, atan2, cos, degrees, hypot, pi, radians, sin, sqrt
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

EARTH_M: Final = 6_371_008.8
"""Mean radius of the Earth in metres (IUGG)."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Point(_Frozen):
    """A position in WGS 84 degrees. Personal: it stands in subjects only, never in a fact."""

    lat: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    lon: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Circle(_Frozen):
    """Within ``radius`` metres of ``centre``."""

    kind: Literal["circle"] = "circle"
    centre: Point
    radius: Annotated[float, Field(ge=20, le=5_000, allow_inf_nan=False)]


class Polygon(_Frozen):
    """Inside a simple ring of corners, given once each; a car park, a street. At most 20 km across."""

    kind: Literal["polygon"] = "polygon"
    corners: Annotated[tuple[Point, ...], Field(min_length=3, max_length=60)]

    @model_validator(mode="after")
    def _is_local(self) -> Self:
        if len(set(self.corners)) < 3:
            raise ValueError("a polygon needs three different corners")
        centre = _middle(self.corners)
        if max(distance(centre, corner) for corner in self.corners) > 10_000:
            raise ValueError("a polygon may be 20 km across at most")
        return self


class Anywhere(_Frozen):
    """Wherever the car stands."""

    kind: Literal["anywhere"] = "anywhere"


Place = Annotated[Circle | Polygon | Anywhere, Field(discriminator="kind")]


def distance(one: Point, other: Point) -> float:
    """Great-circle distance in metres (haversine; exact for short distances and across the date line)."""
    lat1, lat2 = radians(one.lat), radians(other.lat)
    half_lat = (lat2 - lat1) / 2
    half_lon = radians(other.lon - one.lon) / 2
    chord = sin(half_lat) ** 2 + cos(lat1) * cos(lat2) * sin(half_lon) ** 2
    return 2 * EARTH_M * asin(min(1.0, sqrt(chord)))


def outside(place: Circle | Polygon | Anywhere, car: Point) -> float:
    """How many metres the car stands outside the place; 0 inside."""
    match place:
        case Anywhere():
            return 0.0
        case Circle():
            return max(0.0, distance(place.centre, car) - place.radius)
        case Polygon():
            return _outside_ring(place.corners, car)


def fence(place: Circle | Polygon | Anywhere) -> tuple[float, float, int] | None:
    """The key's ``geo`` claim, ``[lat, lon, radius in whole metres]``: a plain circle around the place.

    A unit knows circles only; the polygon itself is checked here, at approval and when the courier sets out.
    """
    match place:
        case Anywhere():
            return None
        case Circle():
            return place.centre.lat, place.centre.lon, int(place.radius)
        case Polygon():
            centre = _middle(place.corners)
            radius = max(distance(centre, corner) for corner in place.corners)
            return centre.lat, centre.lon, max(20, int(radius) + 1)


def middle(place: Circle | Polygon | Anywhere) -> Point | None:
    """A point to navigate to where the car's own position is not known."""
    match place:
        case Anywhere():
            return None
        case Circle():
            return place.centre
        case Polygon():
            return _middle(place.corners)


def area(point: Point) -> Point:
    """A point rounded to about a kilometre: what a courier sees before the exact place."""
    return Point(lat=round(point.lat, 2), lon=round(point.lon, 2))


class Nearness(StrEnum):
    """What a courier's distance allows (delivery.md, Rules: courier near)."""

    NEAR = "near"
    WITH_REASON = "with_reason"
    TOO_FAR = "too_far"


def nearness(metres: float, *, near: float, with_reason: float) -> Nearness:
    """``near`` and ``with_reason`` are the limits in metres, both inclusive."""
    if metres <= near:
        return Nearness.NEAR
    return Nearness.WITH_REASON if metres <= with_reason else Nearness.TOO_FAR


def _middle(corners: tuple[Point, ...]) -> Point:
    """Mean of the corners as directions, which is right across the date line too."""
    x = sum(cos(radians(c.lat)) * cos(radians(c.lon)) for c in corners)
    y = sum(cos(radians(c.lat)) * sin(radians(c.lon)) for c in corners)
    z = sum(sin(radians(c.lat)) for c in corners)
    return Point(lat=degrees(atan2(z, hypot(x, y))), lon=degrees(atan2(y, x)))


def _flat(corner: Point, car: Point) -> tuple[float, float]:
    """Metres east and north of the car; good to a few centimetres at the size of a polygon here."""
    east = (corner.lon - car.lon + 540) % 360 - 180
    scale = EARTH_M * pi / 180
    return east * scale * cos(radians(car.lat)), (corner.lat - car.lat) * scale


def _outside_ring(corners: tuple[Point, ...], car: Point) -> float:
    ring = [_flat(corner, car) for corner in corners]
    edges = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    crossings = sum(_crosses_east(a, b) for a, b in edges)
    return 0.0 if crossings % 2 else min(_to_edge(a, b) for a, b in edges)


def _crosses_east(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether a ray from the car (the origin) to the east crosses the edge (even-odd rule)."""
    if (a[1] > 0) == (b[1] > 0):
        return False
    return a[0] + (0 - a[1]) * (b[0] - a[0]) / (b[1] - a[1]) > 0


def _to_edge(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Metres from the car (the origin) to the nearest point of an edge."""
    along = (b[0] - a[0], b[1] - a[1])
    length = along[0] ** 2 + along[1] ** 2
    share = 0.0 if length == 0 else max(0.0, min(1.0, -(a[0] * along[0] + a[1] * along[1]) / length))
    return hypot(a[0] + share * along[0], a[1] + share * along[1])
