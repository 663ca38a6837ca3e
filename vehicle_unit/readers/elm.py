"""A scan through an ELM327: who is there, what each says to each mode, and what of it may be believed."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

from vehicle_gateway.diag import obd
from vehicle_gateway.diag.elm import Reply
from vehicle_gateway.diag.isotp import Fault
from vehicle_gateway.diag.scan import FaultCode, FaultScan, Freeze, Monitors, SinceClear
from vehicle_unit.readers.adapter import Adapter, Gone, OutOfTime
from vehicle_unit.readers.findings import Findings, Heading
from vehicle_unit.readers.limits import ReaderLimits

_T = TypeVar("_T")
_WARMUPS: Final = 0x30
_KM: Final = 0x31
_ODOMETER: Final = 0xA6
_LAST_BLOCK: Final = 0xA0


@dataclass(slots=True)
class _Car:
    """What was heard of one car so far. ``has``: PIDs by ECU."""

    findings: Findings
    has: dict[str, frozenset[int]] = field(default_factory=dict)
    mil: bool | None = None
    readiness: Monitors | None = None
    since: SinceClear | None = None
    odometer_m: int | None = None
    freeze: Freeze | None = None


def scan(adapter: Adapter, heading: Heading, limits: ReaderLimits) -> FaultScan:
    """Never raises for what an adapter or a car says; the outcome tells. Closes the adapter."""
    car = _Car(Findings())
    try:
        _ask(adapter, car, limits)
    except Gone:
        car.findings.broke_off()
    except OutOfTime:
        car.findings.incomplete()
    finally:
        adapter.close()
    return FaultScan(
        **heading.members(),
        source="obd",
        outcome=car.findings.outcome,
        mil=car.mil,
        readiness=car.readiness,
        since_clear=car.since,
        odometer_m=car.odometer_m,
        ecus=car.findings.ecus(),
        freeze=car.freeze,
        raw=str(adapter.raw),
    )


def _ask(adapter: Adapter, car: _Car, limits: ReaderLimits) -> None:
    """Codes first: what is missing when the adapter goes is then the rest."""
    there = adapter.ask("0100")
    if there.silent:
        return
    for ecu, pids in _each(there, 0x01, partial(obd.supported, first=0), car.findings):
        car.has[ecu] = pids
    for mode in limits.obd_modes:
        _codes(adapter.ask(mode), mode, car)
    for ecu in car.findings.known - set(car.has):  # it never said that it is there: others may be missing too
        car.findings.silent(ecu)
    _readiness(adapter.ask("0101"), car)
    if not car.has:
        return
    for first in range(0x20, _LAST_BLOCK + 1, 0x20):
        if not any(first in pids for pids in car.has.values()):
            break
        reply = adapter.ask(f"01{first:02X}")
        for ecu, more in _loosely(reply, 0x01, partial(obd.supported, first=first)):
            car.has[ecu] = car.has.get(ecu, frozenset()) | more
    warmups, km, odometer = (_value(adapter, car, pid) for pid in (_WARMUPS, _KM, _ODOMETER))
    car.since = None if warmups is None and km is None else SinceClear(warmups=warmups, km=km)
    car.odometer_m = odometer
    _freeze(adapter, car)


def _codes(reply: Reply, mode: obd.Mode, car: _Car) -> None:
    heard = set()
    for ecu, found in _each(reply, int(mode, 16), obd.codes, car.findings):
        heard.add(ecu)
        car.findings.codes(ecu, [FaultCode(code=code, status=obd.STATUS_OF[mode]) for code in found])
    for ecu in car.findings.known - heard:
        car.findings.silent(ecu)


def _readiness(reply: Reply, car: _Car) -> None:
    """``mil`` is lit where any ECU lights it; a monitor is incomplete where it is so in any ECU."""
    said = dict(_each(reply, 0x01, obd.readiness, car.findings))
    for ecu, pids in car.has.items():
        if 0x01 in pids and ecu not in said:
            car.findings.silent(ecu)
    if said:
        car.mil = any(one.mil for one in said.values())
        car.readiness = Monitors(
            supported=_names(one.supported for one in said.values()),
            incomplete=_names(one.incomplete for one in said.values()),
        )


def _names(each: Iterable[tuple[str, ...]]) -> list[str]:
    return list(dict.fromkeys(name for names in each for name in names))


def _value(adapter: Adapter, car: _Car, pid: int) -> int | None:
    """A number that a car has once, the largest where several ECUs say it; None where it says none."""
    if not any(pid in pids for pids in car.has.values()):
        return None
    said = [number for _, number in _loosely(adapter.ask(f"01{pid:02X}"), 0x01, partial(obd.value, pid=pid))]
    return int(max(said)) if said else None


def _freeze(adapter: Adapter, car: _Car) -> None:
    """Only where there is a code. The first ECU that has stored a frame."""
    if not any(ecu.codes for ecu in car.findings.ecus()):
        return
    stored = [(ecu, code) for ecu, code in _loosely(adapter.ask("020200"), 0x02, obd.freeze_code) if code]
    if not stored:
        return
    ecu, code = stored[0]
    pids: dict[str, int | float] = {}
    for pid in obd.FREEZE:
        if pid not in car.has.get(ecu, frozenset()):
            continue
        reply = adapter.ask(f"02{pid:02X}00")
        said = dict(_loosely(reply, 0x02, partial(obd.freeze_value, pid=pid)))
        if ecu in said:
            pids[obd.PIDS[pid].name] = said[ecu]
    car.freeze = Freeze(code=code, pids=pids)


def _each(reply: Reply, mode: int, read: Callable[[bytes], _T], findings: Findings) -> list[tuple[str, _T]]:
    """What each ECU's whole answer says; of the others it is noted that they did not say."""
    if reply.spoilt:
        findings.garbled()
    whole: list[tuple[str, _T]] = []
    for ecu, messages in reply.messages.items():
        findings.heard(ecu)
        if isinstance(messages, Fault):
            findings.silent(ecu)
            continue
        try:
            whole.append((ecu, read(obd.final(messages, mode))))
        except (obd.Malformed, obd.Refused):
            findings.silent(ecu)
    return whole


def _loosely(reply: Reply, mode: int, read: Callable[[bytes], _T]) -> list[tuple[str, _T]]:
    """The same for what a scan can do without: nothing is noted."""
    return _each(reply, mode, read, Findings())
