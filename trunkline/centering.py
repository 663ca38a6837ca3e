"""Where contact centers with a system of their own report, put under its path."""

from fastapi import APIRouter

import maintenance.centers_api
from trunkline.compose import Services
from webhooks.verified import Verifier


def center_routes(parts: Services) -> APIRouter:
    """Their callbacks."""
    base, centers = parts.ground, parts.maintenance.centers
    verifier = Verifier(base.store, base.expiring, base.clock, base.settings.webhooks, parts.sources)
    api = APIRouter(prefix="/v1")
    api.include_router(
        maintenance.centers_api.routes(centers.reports, centers.offers, verifier, centers.twilio)
    )
    return api
