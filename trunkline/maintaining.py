"""The routes and pages of cases, put under their paths."""

from fastapi import APIRouter
from jinja2 import Environment

import maintenance.api_agents
import maintenance.api_booking
import maintenance.api_garage
import maintenance.api_garages
import maintenance.api_owner
import maintenance.pages
import maintenance.visit_pages
from trunkline.compose import Services


def maintenance_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """Every router of the package."""
    desk = parts.maintenance
    api = APIRouter(prefix="/v1")
    api.include_router(maintenance.api_owner.routes(desk))
    api.include_router(maintenance.api_booking.routes(desk))
    api.include_router(maintenance.api_garage.routes(desk))
    api.include_router(maintenance.api_garages.routes(desk))
    api.include_router(maintenance.api_agents.routes(desk))
    cases = maintenance.pages.routes(desk, pages, booking=maintenance.visit_pages.booking_path)
    return [api, cases, maintenance.visit_pages.routes(desk, pages)]
