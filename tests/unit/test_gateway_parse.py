"""Whatever the bytes: one typed message or poison with a reason, and facts that hold nothing personal."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spine.facts import FACT
from spine.ids import VehicleId
from tests.depth import deep
from vehicle_gateway import clean
from vehicle_gateway.link import Incoming
from vehicle_gateway.parse import Parsed, Poison, Reason, parse
from vehicle_gateway.presence import POSITION, SIGNAL
from vehicle_gateway.translate import WATCHED, Car, translate
from vehicle_gateway.wire import up

NOW = datetime(2030, 5, 6, 9, tzinfo=UTC)
UNIT, VEHICLE = "vu_0123456789abcdef", VehicleId("veh_0123456789abcdef")
ID = "01900000-0000-7000-8000-000000000000"
NAMES = ["state", "sig", "tel", "dtc", "res", "evt/receipt", "evt/door", "evt/crash", "evt/pair", "req/cert", "req/freshness"]  # fmt: skip


def message(name: str, payload: bytes, *, topic: str | bytes | None = None, retain: bool = False) -> Incoming:
    return Incoming(topic if topic is not None else up(8, UNIT, name), payload, 1, retain, 1, 1)


def envelope(d: Any, /, **more: Any) -> bytes:
    return json.dumps(
        {"id": ID, "boot": 1, "seq": 1, "ts": NOW.isoformat(), "mono": 1, "v": 1, "d": d} | more
    ).encode()


def facts_of(found: Parsed, car: Car | None = None) -> list[Any]:
    made = translate(found, VEHICLE, car or Car(), NOW, retained=False, heard_every=timedelta(0))
    return [json.loads(FACT.dump_json(fact)) for fact in made.facts]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
D = st.dictionaries(
    st.sampled_from(["n", "receipt", "values", "full", "cmd", "outcome", "code", "data", "position", "lat", "lon", "scan_id", "presence", "boot", "csr", "proof", "nonce"]) | st.text(max_size=12),
    JSON,
    max_size=6,
)  # fmt: skip


@settings(max_examples=deep(150), deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=200))
def test_random_bytes_become_poison_or_a_message(name: str, payload: bytes) -> None:
    assert isinstance(parse(message(name, payload)), Parsed | Poison)


@settings(max_examples=deep(150), deadline=None)
@given(st.sampled_from(NAMES), D, st.dictionaries(st.sampled_from(["id", "boot", "seq", "ts", "mono", "v", "d", "x"]), JSON, max_size=2))  # fmt: skip
def test_random_content_becomes_poison_or_facts_that_the_log_takes(
    name: str, d: dict[str, Any], more: dict[str, Any]
) -> None:
    found = parse(message(name, envelope(d, **more) if name != "state" else json.dumps(d | more).encode()))
    if isinstance(found, Parsed):
        facts_of(found)
        made = translate(found, VEHICLE, Car(), NOW, retained=False, heard_every=timedelta(0))
        for value in made.state.values():
            value.encode()


@settings(max_examples=deep(100), deadline=None)
@given(st.text(max_size=120) | st.binary(max_size=120))
def test_any_topic_is_told_from_ours(topic: str | bytes) -> None:
    found = parse(message("", envelope({}), topic=topic))
    assert isinstance(found, Poison)
    assert found.reason is Reason.TOPIC


@settings(max_examples=deep(100), deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 400), st.integers(0, 255))
def test_one_changed_byte_never_raises(name: str, place: int, byte: int) -> None:
    good = bytearray(envelope({"n": 1, "receipt": "a.b.c", "values": {"Vehicle.Speed": 1}, "cmd": "cmd_x", "outcome": "done"}))  # fmt: skip
    good[place % len(good)] = byte
    found = parse(message(name, bytes(good)))
    if isinstance(found, Parsed):
        facts_of(found)


PERSONAL = [
    {"position": {"lat": 59.3, "lon": 18.0}},
    {"lat": 59.3, "lon": 18.0},
    {"latitude": 59.3, "longitude": 18.0, "Altitude": 12},
    {"vin": "WDB9634031L738296"},
    {"chassis": "WDB9634031L738296"},
    {"plate": "ABC 123", "driver": "Ann Example", "name": "Ann"},
    {"note": "call Ann Example on 070-123 45 67, Storgatan 1"},
    {"phone": "0701234567", "email": "ann@example.org"},
    {"deep": {"position": {"lat": 59.3}}},
]


@pytest.mark.parametrize("d", PERSONAL)
@pytest.mark.parametrize("name", ["evt/crash", "evt/door", "dtc"])
def test_nothing_personal_reaches_a_fact(name: str, d: dict[str, Any]) -> None:
    found = parse(message(name, envelope({**d, "severity": 3})))
    assert isinstance(found, Parsed)
    (fact,) = facts_of(found)
    text = json.dumps(fact)
    for secret in ("59.3", "18.0", "WDB9634031L738296", "Ann", "ABC 123", "ann@", "0701234567", "Storgatan"):
        assert secret not in text
    assert "3" in text


def test_a_position_goes_to_the_state() -> None:
    for d in PERSONAL[:3]:
        found = parse(message("evt/crash", envelope(d)))
        assert isinstance(found, Parsed)
        made = translate(found, VEHICLE, Car(), NOW, retained=False, heard_every=timedelta(0))
        assert json.loads(made.state[POSITION]) == {"lat": 59.3, "lon": 18.0}


@pytest.mark.parametrize(
    "place", [(91, 0), (0, 181), (None, 1), ("59", "18"), (True, False), (float("nan"), 1)]
)
def test_what_is_no_place_on_earth_is_none(place: tuple[Any, Any]) -> None:
    assert clean.place_of(*place) is None


def test_a_pairing_code_s_hash_comes_through() -> None:
    said = {"code_scrypt": "a" * 64, "expires_at": "2030-05-06T09:10:00.000Z"}
    found = parse(message("evt/pair", envelope(said)))
    assert isinstance(found, Parsed)
    (fact,) = facts_of(found)
    assert fact["data"] == said


def test_a_scan_keeps_its_codes_and_dump() -> None:
    said = {
        "scan_id": "s1",
        "outcome": "complete",
        "ecus": [{"id": "7E8", "answered": True, "codes": [{"code": "P0420", "status": "confirmed"}]}],
        "freeze": {"code": "P0420", "pids": {"0C": 1726}},
        "raw": "43010420" * 300,
    }
    found = parse(message("dtc", envelope(said)))
    assert isinstance(found, Parsed)
    (fact,) = facts_of(found)
    assert fact["scan"] == said


def test_signals_are_bounded_for_a_car() -> None:
    car = Car()
    for start in range(0, 2_000, 400):
        values = {f"Vehicle.Custom.S{n}": n for n in range(start, start + 400)}
        found = parse(message("sig", envelope({"values": values}, seq=start + 1)))
        assert isinstance(found, Parsed)
        translate(found, VEHICLE, car, NOW, retained=False, heard_every=timedelta(0))
    assert len(car.paths) == 1_000


def test_the_watched_signals_are_lid_locks_doors_and_wear() -> None:
    for path in ("Vehicle.Body.Trunk.Rear.IsOpen", "Vehicle.Body.Trunk.Rear.IsLocked", "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", "Vehicle.Chassis.Axle.Row2.Wheel.Left.Brake.PadWear"):  # fmt: skip
        assert WATCHED.fullmatch(path)
    for path in ("Vehicle.Speed", "Vehicle.CurrentLocation.Latitude", "Vehicle.TraveledDistance"):
        assert not WATCHED.fullmatch(path)


def test_what_always_moves_is_told_in_steps() -> None:
    volts, oil = (
        "Vehicle.LowVoltageBattery.CurrentVoltage",
        "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemaining",
    )

    def told(car: Car, path: str, *values: float) -> list[Any]:
        facts: list[Any] = []
        for seq, value in enumerate(values, 1):
            found = parse(message("sig", envelope({"values": {path: value}}, seq=seq)))
            assert isinstance(found, Parsed)
            facts += translate(found, VEHICLE, car, NOW, retained=False, heard_every=timedelta(1)).facts
        return [one.value for one in facts]

    assert told(Car(), volts, 12.5, 12.45, 12.41, 12.39, 12.44, 11.7) == [12.5, 12.39, 11.7]
    assert told(Car(), volts, 12.5, 14.1, 13.4, 14.4, 13.2, 12.6) == [12.5, 14.1, 12.6], "the engine runs"
    assert told(Car(), volts, 12.50, *(12.5 - n / 100 for n in range(1, 40)))[-1] == pytest.approx(
        12.1, abs=0.11
    )
    assert told(Car(), oil, 900_000, 899_000, 820_000, 813_599) == [900_000, 813_599]
    back = Car.of({f"{SIGNAL}{volts}": "11.7"})
    assert told(back, volts, 11.7) == [11.7], "what a gateway told before it started anew is not known"


def test_poison_says_what_the_unit_may_know() -> None:
    found = parse(message("evt/door", envelope({}, boot="x", secret="s3cret")))
    assert isinstance(found, Poison)
    assert (found.code, found.seq, found.detail) == ("schema", 1, "boot")
    assert "s3cret" not in repr(found)
