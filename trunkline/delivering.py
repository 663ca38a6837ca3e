"""The routes and pages of deliveries, put under their paths."""

from fastapi import APIRouter
from jinja2 import Environment

import delivery.api
import delivery.api_beforehand
import delivery.api_brought
import delivery.api_courier
import delivery.api_owner
import delivery.api_pairing
import delivery.api_questions
import delivery.pages
from trunkline.compose import Services
from webhooks.verified import Verifier


def delivery_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """Every router of the package."""
    base = parts.ground
    verifier = Verifier(base.store, base.expiring, base.clock, base.settings.webhooks, parts.sources)
    api = APIRouter(prefix="/v1")
    api.include_router(delivery.api_courier.routes(parts.delivery))
    api.include_router(delivery.api_brought.routes(parts.delivery))
    api.include_router(delivery.api.routes(parts.delivery))
    api.include_router(delivery.api_owner.routes(parts.delivery))
    api.include_router(delivery.api_beforehand.routes(parts.delivery))
    api.include_router(delivery.api_pairing.routes(parts.delivery))
    api.include_router(delivery.api_questions.routes(parts.delivery, verifier))
    return [api, delivery.pages.routes(pages)]
