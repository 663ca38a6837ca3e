"""What of a unit's own words may stand in a fact: codes and numbers; no position, name or VIN. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

_KEY: Final = re.compile(r"[A-Za-z0-9_]{1,40}")
_CODE: Final = re.compile(r"[A-Za-z0-9_.:+\-]{1,80}")
_HEX: Final = re.compile(r"[0-9A-Fa-f]{1,16384}")
_VIN: Final = re.compile(r"[A-HJ-NPR-Z0-9]{17}")

_PERSONAL: Final = frozenset(
    {
        "position", "location", "lat", "lon", "lng", "latitude", "longitude", "geo", "gps", "altitude",
        "heading", "vin", "plate", "name", "mail", "email", "phone", "address", "driver",
    }
)  # fmt: skip
_MOST_KEYS: Final = 24
_WORD_MOST: Final = 24


def event(d: Mapping[str, Any]) -> dict[str, Any]:
    """Flat: short codes, numbers, truth values. What does not fit is left out."""
    kept = {
        name: value
        for name, value in d.items()
        if _named(name) and (isinstance(value, bool | int | float) or _is_code(value))
    }
    return dict(list(kept.items())[:_MOST_KEYS])


def scan(d: Mapping[str, Any]) -> dict[str, Any]:
    """Nested as it came (``fault.scan``), less what is personal or longer than a code or a dump in hex."""
    kept = _inside(dict(d))
    return kept if isinstance(kept, dict) else {}


def position(d: Mapping[str, Any]) -> dict[str, float] | None:
    """Where an event says it was (in ``position`` or beside its other members), for the car's state."""
    inner = d.get("position")
    place = inner if isinstance(inner, dict) else d
    return place_of(
        place.get("lat", place.get("latitude")), place.get("lon", place.get("longitude")), place.get("acc")
    )


def place_of(lat: object, lon: object, accuracy_m: object = None) -> dict[str, float] | None:
    """A position as the car's state keeps it, or None where it is none on Earth."""
    if not _number(lat, 90) or not _number(lon, 180):
        return None
    place = {"lat": float(str(lat)), "lon": float(str(lon))}
    if _number(accuracy_m, 1e6):
        place["acc"] = float(str(accuracy_m))
    return place


def _inside(value: Any) -> Any:  # noqa: ANN401  # any JSON
    """Leaves are looked at where they stand: most of a scan is leaves."""
    if type(value) is dict:
        kept: dict[str, Any] = {}
        for name, inner in value.items():
            if not _named(name):
                continue
            kind = type(inner)
            if kind is str:
                if _allowed(inner):
                    kept[name] = inner
            elif kind is dict or kind is list:
                kept[name] = _inside(inner)
            else:
                kept[name] = inner
        return kept
    return [
        _inside(inner) if type(inner) is dict or type(inner) is list else inner
        for inner in value
        if type(inner) is not str or _allowed(inner)
    ]


def _allowed(text: str) -> bool:
    return _allowed_word(text) if len(text) <= _WORD_MOST else _is_allowed(text)


@lru_cache(maxsize=4_096)
def _allowed_word(text: str) -> bool:
    """Cars say the same few words again and again; what is long is not remembered."""
    return _is_allowed(text)


def _is_allowed(text: str) -> bool:
    return _is_code(text) or bool(_HEX.fullmatch(text))


@lru_cache(maxsize=4_096)
def _named(name: str) -> bool:
    return bool(_KEY.fullmatch(name)) and name.lower() not in _PERSONAL


def _is_code(value: object) -> bool:
    return isinstance(value, str) and bool(_CODE.fullmatch(value)) and not _VIN.fullmatch(value)


def _number(value: object, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= most
