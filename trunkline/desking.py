"""The routes and pages of the contact center's desk, put under their paths."""

from fastapi import APIRouter
from jinja2 import Environment

import maintenance.desk_api
import maintenance.desk_api_booking
import maintenance.desk_api_live
import maintenance.desk_pages
from maintenance.desk_signals import Signals
from trunkline.compose import Services
from trunkline.helping import DeskDeliveries, help_routes


def desk_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """The desk's API, "Help" of owners and couriers, and the pages."""
    desk = parts.maintenance.desk
    api = APIRouter(prefix="/v1")
    api.include_router(maintenance.desk_api.routes(desk, DeskDeliveries(parts.delivery)))
    of = parts.maintenance
    api.include_router(maintenance.desk_api_booking.routes(desk, of.booking, of.offers, of.garages))
    signals = Signals(parts.ground.tail, desk.index, desk.limits)
    api.include_router(maintenance.desk_api_live.routes(desk, signals))
    api.include_router(help_routes(parts.delivery, desk))
    return [api, maintenance.desk_pages.routes(pages)]
