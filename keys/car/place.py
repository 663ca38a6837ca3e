"""Where the car may stand: a circle on the ground. A fence for convenience, not a security boundary."""

import math
from dataclasses import dataclass

_EARTH_METRES = 6_371_008.8


@dataclass(frozen=True, slots=True)
class Position:
    """Degrees, WGS 84."""

    latitude: float
    longitude: float


def metres_between(a: Position, b: Position) -> float:
    """Great-circle distance (haversine)."""
    return _metres(a.latitude, a.longitude, b.latitude, b.longitude)


def _metres(latitude_a: float, longitude_a: float, latitude_b: float, longitude_b: float) -> float:
    phi_a, phi_b = math.radians(latitude_a), math.radians(latitude_b)
    half_phi = (phi_b - phi_a) / 2
    half_lambda = math.radians(longitude_b - longitude_a) / 2
    h = math.sin(half_phi) ** 2 + math.cos(phi_a) * math.cos(phi_b) * math.sin(half_lambda) ** 2
    return 2 * _EARTH_METRES * math.asin(min(1.0, math.sqrt(h)))


def within(geo: tuple[float, float, float], position: Position) -> bool:
    """Whether a position lies in the circle ``(latitude, longitude, radius in metres)``."""
    latitude, longitude, radius = geo
    return _metres(latitude, longitude, position.latitude, position.longitude) <= radius
