"""A hand on the simulated car: JSON lines over a socket in the unit's folder, for the CLI and for tests."""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from keys.car.owner_keys import PairedKey
from keys.car.place import Position
from vehicle_unit.latch import Latch
from vehicle_unit.owners import NotChanged, Owners
from vehicle_unit.pairing import IgnitionOff
from vehicle_unit.presence import Mode, Presence
from vehicle_unit.simulated import SimulatedBoot
from vehicle_unit.uplink import Uplink
from vehicle_unit.vehicle import Vehicle

SOCKET: Final = "control.sock"
_LONGEST_LINE: Final = 16_384

_log = logging.getLogger("trunkline.vehicle_unit")


class NotRunning(Exception):
    """No unit runs in this folder."""


class Ask(BaseModel):
    """What can be set; absent members stay as they are. Answered with the car's state, or ``error``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ignition: bool | None = None
    parked: bool | None = None
    speed_kmh: Annotated[float, Field(ge=0, le=300)] | None = None
    doors: Literal["open", "shut"] | None = None
    blocked: bool | None = None
    position: (
        tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]] | None
    ) = None
    lid: Literal["lift", "shut", "force"] | None = None
    by_hand: bool | None = None
    """Whether the person at the boot leaves the lid up until ``lid`` shuts it."""
    pad_wear: Annotated[int, Field(ge=0, le=100)] | None = None
    """Percent."""
    jammed: bool | None = None
    mode: Mode | None = None
    wakes_in: Annotated[float, Field(gt=0)] | None = None
    event: Literal["door", "tow", "crash", "left_open"] | None = None
    pair: bool = False
    """Show a claim code; its text is answered as ``code``."""
    pair_owner: PairedKey | None = None
    unpair_owner: str | None = None
    """A credential id."""
    erase_owners: Literal[True] | None = None
    require_owner: bool | None = None
    """The owner's passkeys: only one of these four at once, and only with ignition on."""

    @model_validator(mode="after")
    def _one_wish_about_owners(self) -> Self:
        wishes = (self.pair_owner, self.unpair_owner, self.erase_owners, self.require_owner)
        if sum(wish is not None for wish in wishes) > 1:
            raise ValueError("one change of the owner's passkeys at a time")
        return self


class Car(Protocol):
    """The part of a unit that a hand can reach."""

    vehicle: Vehicle
    motor: SimulatedBoot
    presence: Presence
    uplink: Uplink
    latch: Latch
    owners: Owners

    def pair(self) -> str: ...


class Control:
    """Serves one folder; who can write there can drive this simulated car."""

    def __init__(self, folder: Path, car: Car) -> None:
        self._folder = folder
        self._car = car
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        (self._folder / SOCKET).unlink(missing_ok=True)
        with _short_path(self._folder) as path:
            server = await asyncio.start_unix_server(self._serve, path, limit=_LONGEST_LINE)
            (self._folder / SOCKET).chmod(0o600)
        self.ready.set()
        try:
            async with server:
                await server.serve_forever()
        finally:
            (self._folder / SOCKET).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self.answer(line)).encode() + b"\n")
                await writer.drain()
        except (ValueError, ConnectionError) as cause:
            _log.info("control.dropped", extra={"why": type(cause).__name__})
        finally:
            writer.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Do what one line asks."""
        try:
            ask = Ask.model_validate_json(line)
        except ValidationError as cause:
            return {
                "error": "bad_request",
                "detail": cause.errors(include_url=False, include_input=False, include_context=False),
            }
        self._set(ask)
        answer: dict[str, Any] = {}
        if ask.pair:
            try:
                answer["code"] = self._car.pair()
            except IgnitionOff:
                return {"error": "ignition_off"}
        try:
            self._change_owners(ask)
        except IgnitionOff:
            return {"error": "ignition_off"}
        except NotChanged as cause:
            return {"error": cause.code}
        except OSError as cause:
            _log.exception("owners.not_kept")
            return {"error": "not_kept", "detail": type(cause).__name__}
        return answer | self._state()

    def _set(self, ask: Ask) -> None:
        car = self._car
        values = {
            "ignition_on": ask.ignition,
            "parked": ask.parked,
            "speed_kmh": ask.speed_kmh,
            "doors_shut": None if ask.doors is None else ask.doors == "shut",
            "blocked": ask.blocked,
            "position": None if ask.position is None else Position(*ask.position),
            "pad_wear": ask.pad_wear,
        }
        car.vehicle.change(**{name: value for name, value in values.items() if value is not None})
        if ask.by_hand is not None:
            car.motor.by_hand = ask.by_hand
        if ask.jammed is not None:
            car.motor.jammed = ask.jammed
        if ask.lid is not None:
            moves: Mapping[str, Callable[[], None]] = {
                "lift": car.motor.lift,
                "shut": car.motor.shut,
                "force": car.motor.force,
            }
            moves[ask.lid]()
        if ask.event is not None:
            car.uplink.event(ask.event, {})
        if ask.mode is not None:
            wakes_in = None if ask.wakes_in is None else timedelta(seconds=ask.wakes_in)
            car.presence.go(ask.mode, wakes_in=wakes_in)

    def _change_owners(self, ask: Ask) -> None:
        """What a person at the car wants of the owner's passkeys, with its receipt said at once."""
        owners = self._car.owners
        if ask.pair_owner is not None:
            receipt = owners.pair(ask.pair_owner)
        elif ask.unpair_owner is not None:
            receipt = owners.unpair(ask.unpair_owner)
        elif ask.erase_owners:
            receipt = owners.erase()
        elif ask.require_owner is not None:
            receipt = owners.require(on=ask.require_owner)
        else:
            return
        self._car.uplink.receipts([receipt])

    def _state(self) -> dict[str, Any]:
        car = self._car
        return {
            "lock": car.latch.state.value,
            "mode": car.presence.mode.value,
            "connected": car.presence.link.connected,
            "signals": dict(car.vehicle.signals()),
            "flashes": car.vehicle.flashes,
            "require_owner": car.owners.current.required,
            "owner_keys": [
                {"cid": key.cid, "rp_id": key.rp_id, "fingerprint": key.fingerprint}
                for key in car.owners.current.keys
            ],
        }


async def ask(folder: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the running unit of ``folder``; the answer has ``error`` where it refused.

    Raises ``NotRunning``.
    """
    try:
        with _short_path(folder) as path:
            reader, writer = await asyncio.open_unix_connection(path, limit=_LONGEST_LINE)
    except OSError as cause:
        raise NotRunning(str(folder)) from cause
    try:
        writer.write(json.dumps(dict(request)).encode() + b"\n")
        await writer.drain()
        answer: dict[str, Any] = json.loads(await reader.readline())
    finally:
        writer.close()
        await writer.wait_closed()
    return answer


@contextmanager
def _short_path(folder: Path) -> Iterator[str]:
    """The socket's path in at most 108 bytes, however deep the folder lies."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{SOCKET}"
    finally:
        os.close(opened)
