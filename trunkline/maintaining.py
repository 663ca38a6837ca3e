"""The routes and pages of cases, put under their paths."""

from fastapi import APIRouter
from jinja2 import Environment

import maintenance.api_owner
import maintenance.pages
from trunkline.compose import Services


def maintenance_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """Every router of the package."""
    desk = parts.maintenance
    api = APIRouter(prefix="/v1")
    api.include_router(maintenance.api_owner.routes(desk))
    return [api, maintenance.pages.routes(desk, pages)]
