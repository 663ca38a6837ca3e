"""The operator's pages of vehicles, carriers and agents: how they stand, and what stops them."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response
from fastapi.responses import HTMLResponse

from maintenance.desk_index import AGENTS, DESK
from people.access import OperatorPrincipal
from people.agents import AgentView, Language, Role
from people.api_agents import AgentPath
from people.api_parts import CarrierPath, VehiclePath
from people.lists import CARRIERS, EVERY
from people.model import CarrierView, Email
from people.problems import NotFound
from spine.ids import AgentId, CarrierId, VehicleId
from trunkline import vehicle_list
from trunkline.operator_parts import PAGE, START, Cursor, Desk, SaidCode
from vehicle_gateway.presence import Reachability
from vehicle_gateway.registry import UnitView, VehicleView
from vehicle_gateway.standing import Standing


@dataclass(frozen=True, slots=True)
class Car:
    """A vehicle, its unit and when it was heard; never where it stands."""

    vehicle: VehicleView
    unit: UnitView
    reach: Reachability


def routes(desk: Desk) -> APIRouter:
    """Lists and their acts."""
    router = APIRouter(prefix=START, include_in_schema=False)
    for part in (_vehicles(desk), _carriers(desk), _agents(desk)):
        router.include_router(part)
    return router


def _vehicles(desk: Desk) -> APIRouter:
    router, parts = APIRouter(prefix="/vehicles"), desk.parts
    Me = Annotated[OperatorPrincipal, Depends(desk.sessions.on_page)]  # noqa: N806 - a type
    standing = Standing(parts.ground.store)

    async def car(vehicle: VehicleId) -> Car:
        view = await parts.vehicles.vehicle(vehicle)
        return Car(
            view, await parts.vehicles.unit(view.unit), await parts.vehicles.reachability(vehicle, desk.now)
        )

    @router.get("")
    async def listed(_: Me, after: Cursor = None) -> HTMLResponse:
        page = await parts.ground.index.page(vehicle_list.VEHICLES, vehicle_list.ALL, after=after, limit=PAGE)
        cars = [await car(VehicleId(member)) for member in page.members]
        return desk.page("operator_vehicles.html", cars=cars, next=page.next)

    @router.get("/{vehicle}")
    async def one(_: Me, vehicle: VehiclePath, said: SaidCode = "") -> HTMLResponse:
        return desk.page("operator_vehicle.html", car=await car(vehicle), said=said)

    @router.post("/{vehicle}/quarantine")
    async def quarantine(me: Me, vehicle: VehiclePath) -> Response:
        """Everything from its unit is refused from this commit on."""
        unit = (await parts.vehicles.vehicle(vehicle)).unit

        async def work() -> str:
            await standing.quarantine(unit, reason="operator", now=desk.now)
            return "quarantined"

        return await desk.act(me, "quarantine", vehicle, work, f"{START}/vehicles/{vehicle}")

    @router.post("/{vehicle}/release")
    async def release(me: Me, vehicle: VehiclePath) -> Response:
        """Raises ``NoSuchVehicle``."""
        unit = (await parts.vehicles.vehicle(vehicle)).unit

        async def work() -> str:
            await standing.release(unit, now=desk.now)
            return "released"

        return await desk.act(me, "release", vehicle, work, f"{START}/vehicles/{vehicle}")

    return router


def _carriers(desk: Desk) -> APIRouter:
    router, parts, carriers = APIRouter(prefix="/carriers"), desk.parts, desk.parts.people.carriers
    Me = Annotated[OperatorPrincipal, Depends(desk.sessions.on_page)]  # noqa: N806 - a type

    async def known(carrier: CarrierId) -> CarrierView:
        view = await carriers.view(carrier)
        if view is None:
            raise NotFound("There is no such carrier.")
        return view

    @router.get("")
    async def listed(_: Me, after: Cursor = None) -> HTMLResponse:
        page = await parts.ground.index.page(CARRIERS, EVERY, after=after, limit=PAGE)
        views = [await carriers.view(CarrierId(member)) for member in page.members]
        return desk.page("operator_carriers.html", carriers=[one for one in views if one], next=page.next)

    @router.get("/{carrier}")
    async def one(_: Me, carrier: CarrierPath, said: SaidCode = "") -> HTMLResponse:
        return desk.page("operator_carrier.html", carrier=await known(carrier), said=said)

    @router.post("/{carrier}/freeze")
    async def freeze(me: Me, carrier: CarrierPath) -> Response:
        """Its tokens, its couriers' tokens and its live keys end."""
        await known(carrier)

        async def work() -> str:
            await carriers.freeze(carrier, now=desk.now)
            return "frozen"

        return await desk.act(me, "freeze", carrier, work, f"{START}/carriers/{carrier}")

    @router.post("/{carrier}/thaw")
    async def thaw(me: Me, carrier: CarrierPath) -> Response:
        """It may order again; what was dead stays dead."""
        await known(carrier)

        async def work() -> str:
            await carriers.thaw(carrier, now=desk.now)
            return "thawed"

        return await desk.act(me, "thaw", carrier, work, f"{START}/carriers/{carrier}")

    return router


def _agents(desk: Desk) -> APIRouter:
    router, parts, agents = APIRouter(prefix="/agents"), desk.parts, desk.parts.people.agents
    Me = Annotated[OperatorPrincipal, Depends(desk.sessions.on_page)]  # noqa: N806 - a type

    async def row(member: str) -> tuple[AgentView, str] | None:
        view = await agents.find(AgentId(member))
        if view is None:
            return None
        person = await parts.people.persons.view(view.person)
        return view, person.email if person and person.email else ""

    @router.get("")
    async def listed(_: Me, after: Cursor = None, said: SaidCode = "") -> HTMLResponse:
        page = await parts.ground.index.page(AGENTS, DESK, after=after, limit=PAGE)
        rows = [await row(member) for member in page.members]
        return desk.page("operator_agents.html", rows=[one for one in rows if one], next=page.next, said=said)

    @router.post("")
    async def make(
        me: Me,
        email: Annotated[Email, Form()],
        role: Annotated[Role, Form()],
        languages: Annotated[list[Language], Form(min_length=1, max_length=4)],
    ) -> Response:
        """The same e-mail again changes role and languages."""

        async def work() -> str:
            await agents.make(email, role, languages, now=desk.now)
            return "made"

        return await desk.act(me, "make_agent", "desk", work, f"{START}/agents")

    @router.post("/{agent}/remove")
    async def remove(me: Me, agent: AgentPath) -> Response:
        """At once; the person stays."""

        async def work() -> str:
            await agents.remove(agent, now=desk.now)
            return "removed"

        return await desk.act(me, "remove_agent", agent, work, f"{START}/agents")

    return router
