"""``trunkline vehicle enrol | replace | quarantine | release | retire | show``: units taken in and out."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.commands.exchange import AsJson, Document, read_document
from trunkline.commands.exchange import show as show_document

if TYPE_CHECKING:
    from trunkline.desk import Desk
    from vehicle_gateway.enrol import Enrolment

app = typer.Typer(help="Vehicles and their units.", no_args_is_help=True)
Vehicle = Annotated[str, typer.Argument(help="Id of the vehicle, veh_...")]


async def _enrolment(desk: "Desk") -> "Enrolment":
    from keys.bundles import Bundles
    from trunkline.installation import BrokerPasswords, public_keys
    from vehicle_gateway.enrol import Enrolment, Handout
    from vehicle_gateway.pki import Pki

    settings = desk.settings
    password = settings.units_broker_auth == "password"
    trust = await Bundles(desk.store).in_force()
    handout = Handout(
        service_keys={"keys": trust.claims.wire()["keys"]} if trust else public_keys(settings),
        broker_host=settings.units_broker_host,
        broker_port=settings.units_broker_port,
        broker_tls=not password,
        bundle=trust.bundle if trust else None,
        passwords=BrokerPasswords(settings) if password else None,
    )
    return Enrolment(
        desk.store, desk.clock, settings.gateway, Pki.open(settings.pki_dir, settings.gateway), handout
    )


def _run(work: "Callable[[Desk], Awaitable[Any]]", *, as_json: bool) -> None:
    from trunkline.desk import desk

    async def inside() -> Any:
        async with desk() as opened:
            return await work(opened)

    show_document(asyncio.run(inside()), as_json=as_json)


@app.command()
def enrol(request: Document, as_json: AsJson = False) -> None:
    """Take in the unit whose request `trunkline unit init` printed (a file, or -); prints what the unit installs."""
    document = json.dumps(read_document(request))

    async def work(desk: "Desk") -> dict[str, Any]:
        return await (await _enrolment(desk)).enrol(document)

    _run(work, as_json=as_json)


@app.command()
def replace(vehicle: Vehicle, request: Document, as_json: AsJson = False) -> None:
    """Give a vehicle a new unit; the former one is refused from now on."""
    from spine.ids import VehicleId

    document = json.dumps(read_document(request))

    async def work(desk: "Desk") -> dict[str, Any]:
        return await (await _enrolment(desk)).replace(VehicleId(vehicle), document)

    _run(work, as_json=as_json)


@app.command()
def retire(vehicle: Vehicle, as_json: AsJson = False) -> None:
    """End a vehicle: its unit is refused, its certificates are listed as revoked."""
    from spine.ids import VehicleId

    async def work(desk: "Desk") -> dict[str, str]:
        await (await _enrolment(desk)).retire(VehicleId(vehicle))
        return {"vehicle": vehicle, "state": "retired"}

    _run(work, as_json=as_json)


@app.command()
def quarantine(
    vehicle: Vehicle,
    reason: Annotated[str, typer.Option(help="Why; it is kept.")] = "operator",
    as_json: AsJson = False,
) -> None:
    """Refuse everything from this vehicle's unit at once, until `release`."""
    from spine.ids import VehicleId
    from vehicle_gateway.registry import Vehicles
    from vehicle_gateway.standing import Standing

    async def work(desk: "Desk") -> dict[str, str]:
        unit = (await Vehicles(desk.store).vehicle(VehicleId(vehicle))).unit
        await Standing(desk.store).quarantine(unit, reason=reason, now=desk.clock.now())
        return {"vehicle": vehicle, "unit": unit, "state": "quarantined"}

    _run(work, as_json=as_json)


@app.command()
def release(vehicle: Vehicle, as_json: AsJson = False) -> None:
    """Take the vehicle's unit out of quarantine after a look."""
    from spine.ids import VehicleId
    from vehicle_gateway.registry import Vehicles
    from vehicle_gateway.standing import Standing

    async def work(desk: "Desk") -> dict[str, str]:
        unit = (await Vehicles(desk.store).vehicle(VehicleId(vehicle))).unit
        await Standing(desk.store).release(unit, now=desk.clock.now())
        return {"vehicle": vehicle, "unit": unit, "state": "active"}

    _run(work, as_json=as_json)


@app.command()
def show(vehicle: Vehicle, as_json: AsJson = False) -> None:
    """Show a vehicle and its unit."""
    from dataclasses import asdict

    from spine.ids import VehicleId
    from vehicle_gateway.registry import Vehicles

    async def work(desk: "Desk") -> dict[str, Any]:
        return asdict(await Vehicles(desk.store).vehicle(VehicleId(vehicle)))

    _run(work, as_json=as_json)


async def enrol_fleet(directory: Path, count: int) -> None:
    """Make and enrol the units of a fleet's folder; those that are enrolled stay as they are."""
    from trunkline.desk import desk
    from vehicle_unit import fleet, provisioning

    async with desk() as opened:
        enrolment = await _enrolment(opened)
        there = set(fleet.enrolled(directory))
        for folder, request in fleet.prepare(directory, count):
            if folder not in there:
                provisioning.install(folder, await enrolment.enrol(json.dumps(request)))
